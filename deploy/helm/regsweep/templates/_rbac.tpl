{{/*
What "regsweep permissions rbac" prints for the configuration, which a test
compares. A source that names contexts or a kubeconfig reads other clusters.
*/}}

{{/* The kinds of one API group that are read, with verbs, as one rule. */}}
{{- define "regsweep.rule" -}}
- apiGroups: [{{ .group | quote }}]
  resources: [{{ join ", " .resources }}]
  verbs: [{{ join ", " .verbs }}]
{{- end -}}

{{/*
The rules of a source: .source is its configuration, .watch whether it is watched.
Wide rights are for a literal true only: the chart does not know what ${env:…} is,
and any text would count as true.
*/}}
{{- define "regsweep.sourceRules" -}}
{{- $verbs := ternary (list "list" "watch") (list "list") .watch -}}
{{- $core := list "pods" "replicationcontrollers" "podtemplates" -}}
{{- $apps := list "deployments" "statefulsets" "daemonsets" "replicasets" "controllerrevisions" -}}
{{- $batch := list "jobs" "cronjobs" -}}
{{- $all := eq (dig "customResources" false .source | toJson) "true" -}}
{{- if $all }}
{{ include "regsweep.rule" (dict "group" "*" "resources" (list "'*'") "verbs" (list "list")) }}
{{- $verbs = list "watch" -}}
{{- end }}
{{- if or (not $all) .watch }}
{{ include "regsweep.rule" (dict "group" "" "resources" $core "verbs" $verbs) }}
{{ include "regsweep.rule" (dict "group" "apps" "resources" $apps "verbs" $verbs) }}
{{ include "regsweep.rule" (dict "group" "batch" "resources" $batch "verbs" $verbs) }}
{{ include "regsweep.rule" (dict "group" "argoproj.io" "resources" (list "rollouts") "verbs" $verbs) }}
{{- end }}
{{- if and (not $all) (eq (dig "helm" false .source | toJson) "true") }}
{{ include "regsweep.rule" (dict "group" "" "resources" (list "secrets") "verbs" (list "list")) }}
{{- end }}
{{- if .namespaced }}
{{ include "regsweep.rule" (dict "group" "" "resources" (list "namespaces") "verbs" (list "get")) }}
{{- end }}
{{- end -}}

{{/* The rules of the Lease and of Events, in the namespace of the release. */}}
{{- define "regsweep.ownRules" -}}
{{- if include "regsweep.leads" . }}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "regsweep.fullname" . }}]
  verbs: [get, update]
{{- end }}
{{- if eq .Values.kind "controller" }}
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}
{{- end -}}

{{/* A role and its binding: .root, .namespace ("" is the whole cluster) and .rules. */}}
{{- define "regsweep.role" -}}
{{- $kind := ternary "Role" "ClusterRole" (ne .namespace "") }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ include "regsweep.roleName" .root }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "regsweep.labels" .root | nindent 4 }}
rules: {{- .rules | trim | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ include "regsweep.roleName" .root }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "regsweep.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ include "regsweep.roleName" .root }}
subjects:
  - kind: ServiceAccount
    name: {{ include "regsweep.serviceAccount" .root }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}
