{{/*
The container: beside an application an item of `initContainers`, in a gateway one of `containers`. Init containers after it reach AWS through
it; those before it do not.
*/}}
{{- define "palisade.container" -}}
{{- $binary := .Values.image.binary -}}
{{- $address := include "palisade.adminAddress" . -}}
- name: palisade
  image: {{ include "palisade.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  {{- if not (include "palisade.gateway" .) }}
  restartPolicy: Always
  {{- end }}
  command: [{{ $binary | quote }}]
  args: [run, --config, /etc/palisade/palisade.yaml]
  {{- with .Values.env }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    {{- range include "palisade.callable" . | fromYamlArray }}
    - {name: {{ .name }}, containerPort: {{ .port }}}
    {{- end }}
    - {name: probes, containerPort: {{ include "palisade.listen.probes" . | include "palisade.port" }}}
    {{- if include "palisade.public" (include "palisade.listen.admin" .) }}
    - {name: admin, containerPort: {{ include "palisade.listen.admin" . | include "palisade.port" }}}
    {{- end }}
  startupProbe:
    exec: {command: [{{ $binary | quote }}, health, --address, {{ $address | quote }}]}
    {{- toYaml .Values.startupProbe | nindent 4 }}
  livenessProbe:
    httpGet: {path: /livez, port: probes}
    {{- toYaml .Values.livenessProbe | nindent 4 }}
  readinessProbe:
    httpGet: {path: /readyz, port: probes}
    {{- toYaml .Values.readinessProbe | nindent 4 }}
  lifecycle:
    preStop:
      {{- if include "palisade.gateway" . }}
      sleep: {seconds: {{ int .Values.gateway.preStopSeconds }}}
      {{- else }}
      exec:
        command: [{{ $binary | quote }}, drain, --address, {{ $address | quote }}, --token-file, /etc/palisade/secrets/admin-token, --wait, {{ include "palisade.stopSeconds" . }}s]
      {{- end }}
  volumeMounts:
    - {name: palisade, mountPath: /etc/palisade, readOnly: true}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
{{- end -}}

{{- define "palisade.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The folder /etc/palisade, an item of `volumes`: one volume, so that what belongs together changes together. */}}
{{- define "palisade.volumes" -}}
- name: palisade
  projected:
    defaultMode: 0444
    sources:
      {{- with .Values.configFrom }}
      {{- if .secret }}
      - secret:
          name: {{ .secret }}
          items: [{key: {{ .key }}, path: palisade.yaml}]
      {{- else if .configMap }}
      - configMap:
          name: {{ .configMap }}
          items: [{key: {{ .key }}, path: palisade.yaml}]
      {{- end }}
      {{- end }}
      {{- if or .Values.files (not (include "palisade.configFrom" .)) }}
      - configMap:
          name: {{ include "palisade.fullname" . }}
      {{- end }}
      {{- with .Values.filesFrom }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- if .Values.tenants }}
      - configMap:
          name: {{ include "palisade.fullname" . }}-tenants
      {{- else if .Values.tenantsConfigMap }}
      - configMap:
          name: {{ .Values.tenantsConfigMap }}
          items: [{key: tenants.yaml, path: tenants.yaml}]
      {{- end }}
      - secret:
          name: {{ .Values.tokens.secretName }}
          items: [{key: {{ .Values.tokens.adminKey }}, path: secrets/admin-token}]
      - secret:
          name: {{ include "palisade.metricsSecret" . }}
          items: [{key: {{ .Values.tokens.metricsKey }}, path: secrets/metrics-token}]
      {{- if include "palisade.tls" . }}
      - secret:
          name: {{ include "palisade.tlsSecret" . }}
          items: [{key: tls.crt, path: tls/tls.crt}, {key: tls.key, path: tls/tls.key}]
      {{- end }}
      {{- if include "palisade.webIdentity" . }}
      - serviceAccountToken:
          path: secrets/token
          audience: {{ .Values.serviceAccountToken.audience }}
          expirationSeconds: {{ .Values.serviceAccountToken.expirationSeconds | int }}
      {{- end }}
{{- end -}}

{{/* Items of the application's `env`: its SDKs go to Palisade, and do not look for credentials that are not there. */}}
{{- define "palisade.applicationEnv" -}}
{{- if .Values.config.egress -}}
{{- $scheme := ternary "https" "http" (eq (include "palisade.egressTls" .) "true") -}}
- {name: AWS_ENDPOINT_URL, value: {{ printf "%s://%s" $scheme (include "palisade.listen.egress" .) | quote }}}
- {name: AWS_REGION, value: {{ .Values.config.egress.region | quote }}}
- {name: AWS_DEFAULT_REGION, value: {{ .Values.config.egress.region | quote }}}
{{ end -}}
- {name: AWS_EC2_METADATA_DISABLED, value: "true"}
{{- end -}}
