{{/*
Templates for this chart and for charts that put Palisade into pods of their own. All take the chart's context:
`.` here, `.Subcharts.palisade` in a chart that depends on this one.
*/}}

{{/* Name of everything: the release, and the chart where the release is not named after it. */}}
{{- define "palisade.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "palisade.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* What Service, NetworkPolicy and PodDisruptionBudget select: a label of its own, so that another chart's pod can carry it. */}}
{{- define "palisade.podLabels" -}}
palisade: {{ include "palisade.fullname" . }}
{{- end -}}

{{/* Whether Palisade is alone in its pod. */}}
{{- define "palisade.gateway" -}}
{{- if eq .Values.mode "gateway" }}true{{ end -}}
{{- end -}}

{{/*
The pod starts anew when its configuration changes. Tenant records are left out: Palisade reads them again by itself.
EKS's web-hook gives its token to every container that the second annotation does not name.
*/}}
{{- define "palisade.podAnnotations" -}}
checksum/palisade: {{ include "palisade.files" . | sha256sum }}
{{- if not (include "palisade.gateway" .) }}
eks.amazonaws.com/skip-containers: {{ default (list .Values.application.name) .Values.skipContainers | join "," | quote }}
{{- end }}
{{- end -}}

{{- define "palisade.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "palisade.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Whether the configuration is an object that exists, and `config` an outline of it. */}}
{{- define "palisade.configFrom" -}}
{{- if or .Values.configFrom.configMap .Values.configFrom.secret }}true{{ end -}}
{{- end -}}

{{/* palisade.yaml and the files that it names, as the data of a ConfigMap. */}}
{{- define "palisade.files" -}}
{{- $files := .Values.files -}}
{{- if not (include "palisade.configFrom" .) -}}
{{- $files = merge (dict "palisade.yaml" (printf "%s\n" (toYaml .Values.config))) $files -}}
{{- end -}}
{{- toYaml $files -}}
{{- end -}}

{{/* A setting of the configuration, as text: "config", "key" with dots, "default". A section may be null, which `dig` does not take. */}}
{{- define "palisade.setting" -}}
{{- $at := .config -}}
{{- range splitList "." .key -}}
{{- if kindIs "map" $at }}{{ $at = get $at . }}{{ else }}{{ $at = "" }}{{ end -}}
{{- end -}}
{{- default .default $at | toString -}}
{{- end -}}

{{- define "palisade.webIdentity" -}}
{{- if include "palisade.setting" (dict "config" .Values.config "key" "credentials.source.web_identity" "default" "") }}true{{ end -}}
{{- end -}}

{{/* Whether a listener speaks TLS: the ingress always does. */}}
{{- define "palisade.tls" -}}
{{- if or .Values.config.ingress (include "palisade.egressTls" .) }}true{{ end -}}
{{- end -}}

{{- define "palisade.egressTls" -}}
{{- if include "palisade.setting" (dict "config" .Values.config "key" "egress.tls" "default" "") }}true{{ end -}}
{{- end -}}

{{/* The Secret with certificate and key; empty where there is none. */}}
{{- define "palisade.tlsSecret" -}}
{{- if .Values.tls.secretName -}}
{{- .Values.tls.secretName -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- include "palisade.fullname" . }}-tls
{{- end -}}
{{- end -}}

{{- define "palisade.metricsSecret" -}}
{{- default .Values.tokens.secretName .Values.tokens.metricsSecretName -}}
{{- end -}}

{{/* Names of the Secrets that are Palisade's alone, as a list in JSON. */}}
{{- define "palisade.secrets" -}}
{{- $names := list .Values.tokens.secretName (include "palisade.metricsSecret" .) (include "palisade.tlsSecret" .) .Values.configFrom.secret -}}
{{- range .Values.filesFrom -}}
{{- with .secret }}{{ $names = append $names .name }}{{ end -}}
{{- end -}}
{{- range .Values.env -}}
{{- $names = append $names (dig "valueFrom" "secretKeyRef" "name" "" .) -}}
{{- end -}}
{{- $names | uniq | compact | toJson -}}
{{- end -}}
