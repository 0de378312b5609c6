{{/* What values.schema.json cannot say, or not in words that help. The container includes it, so it holds in every chart. */}}
{{- define "palisade.check" -}}
{{- $config := .Values.config -}}
{{- if not .Values.tokens.secretName -}}
{{- fail "tokens.secretName: name the Secret with the admin and the metrics token; without them the application, which shares the pod's loopback, could drain Palisade and read the names of all tenants" -}}
{{- end -}}
{{- if and $config.ingress (not .Values.tls.secretName) -}}
{{- fail "tls.secretName: name the Secret (type kubernetes.io/tls) with the certificate of config.ingress" -}}
{{- end -}}
{{- if and .Values.tenants .Values.tenantsConfigMap -}}
{{- fail "tenants, tenantsConfigMap: give one of them" -}}
{{- end -}}
{{- $records := or .Values.tenants .Values.tenantsConfigMap -}}
{{- $directory := dig "tenants" "directory" dict $config | default dict -}}
{{- if and $directory.file (not $records) -}}
{{- fail "tenants: config.tenants.directory.file is set; give the records here, or name their ConfigMap in tenantsConfigMap" -}}
{{- end -}}
{{- if and $records (not $directory.file) -}}
{{- fail "tenants: nothing reads the records; set config.tenants.directory.file to tenants.yaml" -}}
{{- end -}}
{{- $probes := include "palisade.listen.probes" . -}}
{{- if not (and (include "palisade.public" $probes) (include "palisade.port" $probes)) -}}
{{- fail (printf "config.probes.listen: %s cannot be reached by the kubelet, which asks it for /livez and /readyz; leave it out for 0.0.0.0:8191" $probes) -}}
{{- end -}}
{{- if $config.egress -}}
{{- if $config.egress.socket -}}
{{- fail "config.egress.socket: a Unix socket needs a folder that both containers mount, and Palisade's mounts none but its own; the two share their loopback, so use config.egress.listen" -}}
{{- end -}}
{{- range (kindIs "slice" $config.egress.listen | ternary $config.egress.listen (list (include "palisade.listen.egress" .))) -}}
{{- if include "palisade.public" . -}}
{{- fail (printf "config.egress.listen: %s is not loopback; the proofs of live requests pass there in plain HTTP, and the application is in the same pod" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $config.ingress -}}
{{- if regexMatch `"unix:` (toJson (list .upstream .routes)) -}}
{{- fail "config.ingress.upstream: a Unix socket needs a folder that both containers mount, and Palisade's mounts none but its own; the two share their loopback, so give http://127.0.0.1:PORT" -}}
{{- end -}}
{{- if and .health .health.readiness -}}
{{- fail "config.ingress.health.readiness: the application's container starts when Palisade is ready, so that each would wait for the other; the application's own readinessProbe says as much" -}}
{{- end -}}
{{- end -}}
{{- if and $config.ingress $config.egress -}}
{{- $upstream := $config.ingress.upstream | default list -}}
{{- $proofs := $config.egress.proofs | default (list "passport") -}}
{{- if has "passport" (kindIs "slice" $proofs | ternary $proofs (list $proofs)) -}}
{{- range (kindIs "slice" $upstream | ternary $upstream (list $upstream)) -}}
{{- if and (regexMatch `^https?://` (toString .)) (not (regexMatch `^https?://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?/?$` (toString .))) -}}
{{- fail (printf "config.ingress.upstream: %s is not in the pod; passports work at the replica that made them alone, so Palisade has to be beside the application" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $drain := include "palisade.drainSeconds" . | int -}}
{{- $grace := include "palisade.terminationGracePeriodSeconds" . | int -}}
{{- if le $grace $drain -}}
{{- fail (printf "terminationGracePeriodSeconds: %d seconds are not more than the %d of the longest server.drain, so that requests in progress would be killed" $grace $drain) -}}
{{- end -}}
{{- end -}}

{{/* Of the chart's own application: that nobody hands it what Palisade is there to keep. */}}
{{- define "palisade.checkApplication" -}}
{{- if not .Values.application.image -}}
{{- fail "application.image: name the image of the application" -}}
{{- end -}}
{{- $secret := `^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PROFILE|SHARED_CREDENTIALS_FILE|WEB_IDENTITY_TOKEN_FILE|ROLE_ARN|CONTAINER_CREDENTIALS_(FULL|RELATIVE)_URI|CONTAINER_AUTHORIZATION_TOKEN(_FILE)?|ENDPOINT_URL.*)$` -}}
{{- range .Values.application.env -}}
{{- if regexMatch $secret .name -}}
{{- fail (printf "application.env: %s would lead the application past Palisade; it gets its credentials with each request" .name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.application.volumeMounts -}}
{{- if eq .name "palisade" -}}
{{- fail "application.volumeMounts: the volume palisade holds keys and tokens; it is for Palisade's container alone" -}}
{{- end -}}
{{- end -}}
{{- end -}}
