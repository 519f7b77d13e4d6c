{{- define "regsweep.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "regsweep.fullname" -}}
{{- $name := include "regsweep.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of roles, of which some belong to the whole cluster. */}}
{{- define "regsweep.roleName" -}}
{{- $name := include "regsweep.fullname" . -}}
{{- if eq $name .Release.Namespace -}}{{ $name }}{{- else -}}{{ printf "%s-%s" .Release.Namespace $name }}{{- end -}}
{{- end -}}

{{- define "regsweep.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "regsweep.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.create is false: name yours with serviceAccount.name, since the roles would go to the account default, and so to every pod of the namespace" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "regsweep.selector" -}}
app.kubernetes.io/name: {{ include "regsweep.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "regsweep.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "regsweep.selector" . }}
{{- end -}}

{{- define "regsweep.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The Lease is in the release's namespace, and called as the release is. */}}
{{- define "regsweep.lease" -}}
{{ .Release.Namespace }}/{{ include "regsweep.fullname" . }}
{{- end -}}

{{/*
What is done by what runs, as permissions go: plan, which changes nothing, apply or
tag; either where ${env:…} decides.
*/}}
{{- define "regsweep.does" -}}
{{- $mode := get (fromYaml .Values.config) "mode" | default "plan" -}}
{{- if kindIs "map" $mode -}}
{{- $dry := get $mode "dryRun" | toJson -}}
{{- $mode = get (dict "true" "plan" "false" "apply") $dry | default "either" -}}
{{- end -}}
{{- if eq .Values.kind "tagger" -}}{{ ternary "tag" "plan" .Values.tagger.apply }}
{{- else if eq .Values.kind "cronjob" -}}{{ ternary "apply" "plan" .Values.cronjob.apply }}
{{- else if has $mode (list "plan" "apply") -}}{{ $mode }}
{{- else -}}either
{{- end -}}
{{- end -}}

{{/* Whether what runs holds the Lease. */}}
{{- define "regsweep.leads" -}}
{{- if or (eq .Values.kind "controller") (and (eq .Values.kind "cronjob") .Values.cronjob.apply) -}}true{{- end -}}
{{- end -}}
