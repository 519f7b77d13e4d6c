{{/* The pod of every kind. */}}
{{- define "regsweep.pod" -}}
metadata:
  labels: {{- include "regsweep.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- $annotations := dict }}
  {{- if eq .Values.kind "tagger" }}{{/* the others read the file anew */}}
  {{- $_ := set $annotations "checksum/config" (sha256sum .Values.config) }}
  {{- end }}
  {{- with merge $annotations .Values.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "regsweep.serviceAccount" . }}
  automountServiceAccountToken: true
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  enableServiceLinks: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    seccompProfile: {type: RuntimeDefault}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if eq .Values.kind "cronjob" }}
  restartPolicy: Never
  {{- end }}
  containers:
    - name: regsweep
      image: {{ include "regsweep.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: {{- include "regsweep.args" . | trim | nindent 8 }}
      env:
        - {name: REGSWEEP_CONFIG, value: /etc/regsweep/regsweep.yaml}
        - {name: XDG_CACHE_HOME, value: /var/cache/regsweep}
        - {name: XDG_STATE_HOME, value: /var/lib/regsweep}
        {{- with .Values.journal }}
        - {name: REGSWEEP_JOURNAL, value: {{ . | quote }}}
        {{- end }}
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        - {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
        {{- with .Values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .Values.envFrom }}
      envFrom: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        privileged: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      {{- if eq .Values.kind "controller" }}
      ports:
        - {name: http, containerPort: {{ .Values.controller.port }}}
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 20
        timeoutSeconds: 5
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
      {{- end }}
      resources: {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/regsweep, readOnly: true}
        - {name: tmp, mountPath: /tmp}
        - {name: cache, mountPath: /var/cache/regsweep}
        - {name: state, mountPath: /var/lib/regsweep}
        {{- with .Values.volumes.extraMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "regsweep.fullname" . }}}
    - name: tmp
      emptyDir: {sizeLimit: {{ .Values.volumes.tmp.sizeLimit }}}
    - name: cache
      {{- if .Values.volumes.cache.existingClaim }}
      persistentVolumeClaim: {claimName: {{ .Values.volumes.cache.existingClaim }}}
      {{- else }}
      emptyDir: {sizeLimit: {{ .Values.volumes.cache.sizeLimit }}}
      {{- end }}
    - name: state
      {{- if .Values.volumes.state.existingClaim }}
      persistentVolumeClaim: {claimName: {{ .Values.volumes.state.existingClaim }}}
      {{- else }}
      emptyDir: {sizeLimit: {{ .Values.volumes.state.sizeLimit }}}
      {{- end }}
    {{- with .Values.volumes.extra }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.topologySpreadConstraints }}
  topologySpreadConstraints: {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
  {{- else if eq .Values.kind "controller" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "regsweep.selector" . | nindent 10 }}
  {{- end }}
{{- end -}}

{{/* What regsweep is called with. */}}
{{- define "regsweep.args" -}}
{{- if eq .Values.kind "controller" }}
- controller
- --lease-name={{ include "regsweep.fullname" . }}
- --jitter={{ .Values.controller.jitter }}
{{- if .Values.controller.tag }}
- --tag
{{- end }}
{{- else if eq .Values.kind "tagger" }}
- tag
- --watch
- --interval={{ .Values.tagger.interval }}
{{- if .Values.tagger.apply }}
- --yes
{{- else }}
- --dry-run
{{- end }}
{{- range .Values.tagger.namespaces }}
- {{ printf "--namespace=%s" . | quote }}
{{- end }}
{{- range .Values.tagger.sources }}
- {{ printf "--source=%s" . | quote }}
{{- end }}
{{- else if .Values.cronjob.apply }}
- apply
- --yes
- --lease={{ include "regsweep.lease" . }}
- --lease-wait={{ .Values.cronjob.leaseWait }}
{{- if .Values.cronjob.notify }}
- --notify
{{- end }}
{{- else }}
- plan
{{- end }}
- --log-format={{ .Values.logFormat }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}
