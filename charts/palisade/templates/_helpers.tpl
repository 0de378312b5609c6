{{/*
Templates for this chart and for charts that put Palisade into pods of their own. All take the chart's context:
`.` here, `.Subcharts.palisade` in a chart that depends on this one.
*/}}

{{/* Name of everything: the release, and the chart where the release is not named after it. */}}
{{- define "palisade.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
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

{{/*
The pod starts anew when its configuration changes. Tenant records are left out: Palisade reads them again by itself.
EKS's web-hook gives its token to every container that the second annotation does not name.
*/}}
{{- define "palisade.podAnnotations" -}}
checksum/palisade: {{ include "palisade.files" . | sha256sum }}
eks.amazonaws.com/skip-containers: {{ default (list .Values.application.name) .Values.skipContainers | join "," | quote }}
{{- end -}}

{{- define "palisade.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "palisade.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* palisade.yaml and the files that it names, as the data of a ConfigMap. */}}
{{- define "palisade.files" -}}
{{- toYaml (merge (dict "palisade.yaml" (printf "%s\n" (toYaml .Values.config))) .Values.files) -}}
{{- end -}}

{{/* A setting of the configuration, as text: "config", "key" with dots, "default". A section may be null, which `dig` does not take. */}}
{{- define "palisade.setting" -}}
{{- $at := .config -}}
{{- range splitList "." .key -}}
{{- if kindIs "map" $at }}{{ $at = get $at . }}{{ else }}{{ $at = "" }}{{ end -}}
{{- end -}}
{{- default .default $at | toString -}}
{{- end -}}

{{- define "palisade.port" -}}
{{- regexFind "[0-9]+$" . -}}
{{- end -}}

{{- define "palisade.listen.ingress" -}}
{{- include "palisade.setting" (dict "config" .Values.config "key" "ingress.listen" "default" "0.0.0.0:8443") -}}
{{- end -}}

{{- define "palisade.listen.admin" -}}
{{- include "palisade.setting" (dict "config" .Values.config "key" "admin.listen" "default" "127.0.0.1:8190") -}}
{{- end -}}

{{- define "palisade.listen.probes" -}}
{{- include "palisade.setting" (dict "config" .Values.config "key" "probes.listen" "default" "0.0.0.0:8191") -}}
{{- end -}}

{{/* The first address of the egress. */}}
{{- define "palisade.listen.egress" -}}
{{- $listen := default "127.0.0.1:8180" .Values.config.egress.listen -}}
{{- if kindIs "slice" $listen }}{{ first $listen }}{{ else }}{{ $listen }}{{ end -}}
{{- end -}}

{{/* Whether others than this pod can reach an address. */}}
{{- define "palisade.public" -}}
{{- if not (regexMatch `^(127\.|\[::1\]|localhost:)` .) }}true{{ end -}}
{{- end -}}

{{/* The admin listener as seen from Palisade's own container. */}}
{{- define "palisade.adminAddress" -}}
{{- include "palisade.listen.admin" . | replace "0.0.0.0:" "127.0.0.1:" | replace "[::]:" "[::1]:" -}}
{{- end -}}

{{- define "palisade.webIdentity" -}}
{{- if include "palisade.setting" (dict "config" .Values.config "key" "credentials.source.web_identity" "default" "") }}true{{ end -}}
{{- end -}}

{{/* Seconds of a duration such as 25s, 500ms or 1m30s, rounded up. */}}
{{- define "palisade.seconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- $total := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" . -1 -}}
{{- $total = add $total (mul (regexFind "[0-9]+" . | int64) (get $units (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- div (add $total 999) 1000 -}}
{{- end -}}

{{/* The longest drain of any listener. */}}
{{- define "palisade.drainSeconds" -}}
{{- $common := include "palisade.setting" (dict "config" .Values.config "key" "server.drain" "default" "25s") -}}
{{- $longest := 0 -}}
{{- range list "ingress" "egress" -}}
{{- $own := include "palisade.setting" (dict "config" $.Values.config "key" (printf "%s.server.drain" .) "default" $common) -}}
{{- $longest = max $longest (include "palisade.seconds" $own | int) -}}
{{- end -}}
{{- $longest -}}
{{- end -}}

{{/* The drain, what the application needs to end after it, and the last seconds of Palisade itself. */}}
{{- define "palisade.terminationGracePeriodSeconds" -}}
{{- default (add (include "palisade.drainSeconds" .) 15) .Values.terminationGracePeriodSeconds | int -}}
{{- end -}}
