{{/* Where Palisade listens. */}}

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

{{/* The ports that others call, as a list of `name` and `port` in YAML. The egress is one of them in a gateway alone. */}}
{{- define "palisade.callable" -}}
{{- if .Values.config.ingress }}
- {name: ingress, port: {{ include "palisade.listen.ingress" . | include "palisade.port" }}}
{{- end }}
{{- if and .Values.config.egress (include "palisade.gateway" .) }}
- {name: egress, port: {{ include "palisade.listen.egress" . | include "palisade.port" }}}
{{- end }}
{{- end -}}

{{/* The places that the ingress forwards to, in JSON: those for everybody and those of the routes. */}}
{{- define "palisade.upstreams" -}}
{{- $found := list -}}
{{- with .Values.config.ingress -}}
{{- $given := list .upstream -}}
{{- range .routes }}{{ $given = append $given .upstream }}{{ end -}}
{{- range $given -}}
{{- if kindIs "slice" . }}{{ $found = concat $found . }}{{ else }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $found | compact | toJson -}}
{{- end -}}

{{/* Whether the egress takes passports, by itself or because it is said. */}}
{{- define "palisade.passports" -}}
{{- with .Values.config.egress -}}
{{- $proofs := .proofs | default (list (ternary "passport" "jwt" (not (empty $.Values.config.ingress)))) -}}
{{- if has "passport" (kindIs "slice" $proofs | ternary $proofs (list $proofs)) }}true{{ end -}}
{{- end -}}
{{- end -}}

{{/* The names by which others call Palisade, in JSON: those that the egress answers to, and the Service's. */}}
{{- define "palisade.names" -}}
{{- $names := list -}}
{{- with .Values.config.egress -}}
{{- $names = kindIs "slice" .hosts | ternary .hosts (list .hosts) -}}
{{- end -}}
{{- $service := include "palisade.fullname" . -}}
{{- concat $names (list (printf "%s.%s.svc" $service .Release.Namespace) (printf "%s.%s" $service .Release.Namespace) $service) | compact | uniq | toJson -}}
{{- end -}}
