{{/* Of the chart's own application: that nobody hands it what Palisade is there to keep, or opens a way past it. */}}
{{- define "palisade.checkApplication" -}}
{{- if not .Values.application.image -}}
{{- fail "application.image: name the image of the application" -}}
{{- end -}}
{{- $ours := include "palisade.secrets" . | fromJsonArray -}}
{{- $kept := "is a Secret of Palisade's; the application must not have it" -}}
{{- $way := `^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PROFILE|SHARED_CREDENTIALS_FILE|WEB_IDENTITY_TOKEN_FILE|ROLE_ARN|CONTAINER_CREDENTIALS_(FULL|RELATIVE)_URI|CONTAINER_AUTHORIZATION_TOKEN(_FILE)?|ENDPOINT_URL.*)$` -}}
{{- range .Values.application.env -}}
{{- if regexMatch $way .name -}}
{{- fail (printf "application.env: %s would lead the application past Palisade; it gets its credentials with each request" .name) -}}
{{- end -}}
{{- if has (dig "valueFrom" "secretKeyRef" "name" "" .) $ours -}}
{{- fail (printf "application.env: %s %s" .valueFrom.secretKeyRef.name $kept) -}}
{{- end -}}
{{- end -}}
{{- range .Values.application.envFrom -}}
{{- if has (dig "secretRef" "name" "" .) $ours -}}
{{- fail (printf "application.envFrom: %s %s" .secretRef.name $kept) -}}
{{- end -}}
{{- end -}}
{{- range .Values.application.volumeMounts -}}
{{- if eq .name "palisade" -}}
{{- fail "application.volumeMounts: the volume palisade holds keys and tokens; it is for Palisade's container alone" -}}
{{- end -}}
{{- end -}}
{{- range $volume := .Values.volumes -}}
{{- range concat (list $volume) (dig "projected" "sources" list $volume) -}}
{{- $name := dig "secret" "secretName" (dig "secret" "name" "" .) . -}}
{{- if has $name $ours -}}
{{- fail (printf "volumes: %s %s" $name $kept) -}}
{{- end -}}
{{- if eq (dig "serviceAccountToken" "audience" "" .) $.Values.serviceAccountToken.audience -}}
{{- fail (printf "volumes: %s has a token for %s, by which the application would be whoever Palisade is" $volume.name $.Values.serviceAccountToken.audience) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq (toString .Values.securityContext.runAsUser) (dig "securityContext" "runAsUser" "" .Values.application | toString) -}}
{{- fail (printf "application.securityContext.runAsUser: %v is Palisade's own user; the application has to be another" .Values.securityContext.runAsUser) -}}
{{- end -}}
{{- $sleep := dig "lifecycle" "preStop" "sleep" "seconds" 0 .Values.application | int -}}
{{- $grace := include "palisade.terminationGracePeriodSeconds" . | int -}}
{{- if ge (add $sleep 4) $grace -}}
{{- fail (printf "application.lifecycle.preStop: after a sleep of %d seconds nothing is left of terminationGracePeriodSeconds, %d" $sleep $grace) -}}
{{- end -}}
{{- include "palisade.checkPorts" . -}}
{{- end -}}

{{/*
The application listens on loopback, so that there is no way to it but through Palisade. The kubelet probes the pod's address: a probe that
reaches the application shows a port that everybody reaches, unless it goes through Palisade. `networkPolicy.ports` has those that are meant to be open.
*/}}
{{- define "palisade.checkPorts" -}}
{{- $names := dict -}}
{{- range .Values.application.ports -}}
{{- if .name }}{{ $_ := set $names .name .containerPort }}{{ end -}}
{{- if .hostPort -}}
{{- fail (printf "application.ports: hostPort %v is a way past Palisade; callers come in by the Service" .hostPort) -}}
{{- end -}}
{{- end -}}
{{- $open := list -}}
{{- range .Values.networkPolicy.ports }}{{ $open = append $open (int . | toString) }}{{ end -}}
{{- range include "palisade.callable" . | fromYamlArray }}{{ $open = append $open (int .port | toString) }}{{ end -}}
{{- $open = append $open (include "palisade.listen.probes" . | include "palisade.port") -}}
{{- range $probe := list "startupProbe" "livenessProbe" "readinessProbe" -}}
{{- range $kind := list "httpGet" "tcpSocket" "grpc" -}}
{{- $port := dig $probe $kind "port" "" $.Values.application -}}
{{- $number := kindIs "string" $port | ternary (get $names (toString $port)) $port | default $port -}}
{{- if and $port (not (has (kindIs "string" $number | ternary $number (int $number | toString)) $open)) -}}
{{- fail (printf "application.%s: the kubelet reaches port %v only where the application listens beyond loopback, which is a way past Palisade. Probe it by exec, or through the ingress (httpGet with scheme: HTTPS, port: %s, and an endpoint with auth: none); a port that has health alone goes into networkPolicy.ports" $probe (kindIs "string" $port | ternary $port (int $number | toString)) (include "palisade.listen.ingress" $ | include "palisade.port")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
