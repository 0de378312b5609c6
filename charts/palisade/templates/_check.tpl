{{/* What values.schema.json cannot say, or not in words that help. Of the values alone, so it holds where the pod is another chart's, too. */}}
{{- define "palisade.check" -}}
{{- $config := .Values.config -}}
{{- if not .Values.tokens.secretName -}}
{{- fail "tokens.secretName: name the Secret with the admin and the metrics token; without them the application, which shares the pod's loopback, could drain Palisade and read the names of all tenants" -}}
{{- end -}}
{{- if and .Values.configFrom.configMap .Values.configFrom.secret -}}
{{- fail "configFrom: give configMap or secret, not both" -}}
{{- end -}}
{{- if not (or $config.ingress $config.egress) -}}
{{- fail "config: has neither ingress nor egress, so that there is nothing to deploy; with configFrom, say in outline which of them the configuration has" -}}
{{- end -}}
{{- with .Values.tls.certManager -}}
{{- if and .enabled (not .issuerRef.name) -}}
{{- fail "tls.certManager.issuerRef: name the Issuer or ClusterIssuer that is to issue the certificate" -}}
{{- end -}}
{{- end -}}
{{- if and (include "palisade.tls" .) (not (include "palisade.tlsSecret" .)) -}}
{{- fail (printf "tls.secretName: name the Secret (type kubernetes.io/tls) with the certificate of config.%s, or have cert-manager write it (tls.certManager.enabled)" (ternary "ingress" "egress.tls" (not (empty $config.ingress)))) -}}
{{- end -}}
{{- if and .Values.tenants .Values.tenantsConfigMap -}}
{{- fail "tenants, tenantsConfigMap: give one of them" -}}
{{- end -}}
{{- $records := or .Values.tenants .Values.tenantsConfigMap -}}
{{- $file := include "palisade.setting" (dict "config" $config "key" "tenants.directory.file" "default" "") -}}
{{- if and $file (not $records) -}}
{{- fail "tenants: config.tenants.directory.file is set; give the records here, or name their ConfigMap in tenantsConfigMap" -}}
{{- end -}}
{{- if and $records (not $file) -}}
{{- fail "tenants: nothing reads the records; set config.tenants.directory.file to tenants.yaml" -}}
{{- end -}}
{{- $paths := keys .Values.files -}}
{{- range .Values.filesFrom -}}
{{- range (or .secret .configMap).items -}}
{{- if has .path $paths -}}
{{- fail (printf "filesFrom: %s is there twice" .path) -}}
{{- end -}}
{{- $paths = append $paths .path -}}
{{- end -}}
{{- end -}}
{{- $probes := include "palisade.listen.probes" . -}}
{{- if not (and (include "palisade.public" $probes) (include "palisade.port" $probes)) -}}
{{- fail (printf "config.probes.listen: %s cannot be reached by the kubelet, which asks it for /livez and /readyz; leave it out for 0.0.0.0:8191" $probes) -}}
{{- end -}}
{{- if and $config.egress $config.egress.socket -}}
{{- fail "config.egress.socket: a Unix socket needs a folder that the application mounts too, and Palisade's is mounted by nobody else; use config.egress.listen" -}}
{{- end -}}
{{- if regexMatch `"unix:` (include "palisade.upstreams" .) -}}
{{- fail "config.ingress.upstream: a Unix socket needs a folder that both containers mount, and Palisade's mounts none but its own; use http://127.0.0.1:PORT beside the application, https://HOST:PORT elsewhere" -}}
{{- end -}}
{{- if include "palisade.gateway" . -}}
{{- include "palisade.checkGateway" . -}}
{{- else -}}
{{- include "palisade.checkSidecar" . -}}
{{- end -}}
{{- if and .Values.tls.certManager.enabled (not (include "palisade.tls" .)) -}}
{{- fail "tls.certManager.enabled: no listener of config has TLS, so that nobody would show the certificate" -}}
{{- end -}}
{{- $least := include "palisade.leastGraceSeconds" . | int -}}
{{- $grace := include "palisade.terminationGracePeriodSeconds" . | int -}}
{{- if lt $grace $least -}}
{{- fail (printf "terminationGracePeriodSeconds: %d seconds are too few for the drain of %d seconds and what goes before and behind it, so that requests in progress would be killed; give at least %d" $grace (include "palisade.drainSeconds" . | int) $least) -}}
{{- end -}}
{{- end -}}

{{/* Of Palisade beside an application. */}}
{{- define "palisade.checkSidecar" -}}
{{- $config := .Values.config -}}
{{- if $config.egress -}}
{{- range (kindIs "slice" $config.egress.listen | ternary $config.egress.listen (list (include "palisade.listen.egress" .))) -}}
{{- if include "palisade.public" . -}}
{{- fail (printf "config.egress.listen: %s is not loopback; the proofs of live requests pass there, and the application is in the same pod" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range include "palisade.upstreams" . | fromJsonArray -}}
{{- if not (regexMatch `^https?://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?/?$` (toString .)) -}}
{{- fail (printf "config.ingress.upstream: %s is not in the pod; Palisade has to be beside the application, since passports work at the replica that made them alone. In front of applications elsewhere it is a gateway (mode: gateway), without passports" .) -}}
{{- end -}}
{{- end -}}
{{- with $config.ingress -}}
{{- if and .health .health.readiness -}}
{{- fail "config.ingress.health.readiness: the application's container starts when Palisade is ready, so that each would wait for the other; the application's own readinessProbe says as much" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not .Values.deployment.enabled) -}}
{{- fail "autoscaling.enabled: there is no Deployment of this chart to scale; scale the workload that has the pod, in its own chart" -}}
{{- end -}}
{{- $user := toString .Values.securityContext.runAsUser -}}
{{- if eq $user (toString .Values.podSecurityContext.runAsUser) -}}
{{- fail (printf "podSecurityContext.runAsUser: %s is Palisade's own user; the application has to be another" $user) -}}
{{- end -}}
{{- end -}}

{{/* Of Palisade alone, in front of applications in other pods. */}}
{{- define "palisade.checkGateway" -}}
{{- $config := .Values.config -}}
{{- $alone := "a passport works in the process that made it alone, and a gateway has several" -}}
{{- if include "palisade.passports" . -}}
{{- fail (printf "config.egress.proofs: takes passports (the default beside config.ingress), and %s; give [jwt], [certificate] or [deferred], which are outside the security claim, or put Palisade beside the application (mode: sidecar)" $alone) -}}
{{- end -}}
{{- if include "palisade.setting" (dict "config" $config "key" "identity.passport" "default" "") -}}
{{- fail (printf "config.identity.passport: %s, so none are made here; remove it" $alone) -}}
{{- end -}}
{{- with $config.ingress -}}
{{- range .endpoints -}}
{{- if .passport -}}
{{- fail (printf "config.ingress.endpoints: %s says what passports are worth, and %s, so none are made here; remove it" .path $alone) -}}
{{- end -}}
{{- end -}}
{{- range include "palisade.upstreams" $ | fromJsonArray -}}
{{- if regexMatch `^https?://(localhost|127\.[0-9.]+|\[::1\])([:/]|$)` (toString .) -}}
{{- fail (printf "config.ingress.upstream: %s is in the gateway's own pod, where no application is; give the address of its Service" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $config.egress -}}
{{- if .defer -}}
{{- fail (printf "config.egress.defer: contexts are sealed out of live passports, and %s; remove it" $alone) -}}
{{- end -}}
{{- if not (include "palisade.egressTls" $) -}}
{{- fail "config.egress.tls: applications come from other pods, and the tokens that they prove tenants with would cross the network in plain HTTP; give {certificate: tls/tls.crt, private_key: tls/tls.key}" -}}
{{- end -}}
{{- range (kindIs "slice" .listen | ternary .listen (list (include "palisade.listen.egress" $))) -}}
{{- if not (include "palisade.public" .) -}}
{{- fail (printf "config.egress.listen: %s can be reached by nobody, since a gateway is alone in its pod; give 0.0.0.0:8180" .) -}}
{{- end -}}
{{- end -}}
{{- if not .hosts -}}
{{- fail (printf "config.egress.hosts: list the names by which applications call the gateway, such as %s.%s.svc; requests for other names are refused" (include "palisade.fullname" $) $.Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- if and $config.ingress $config.egress (eq (int .Values.service.port) (int .Values.service.egressPort)) -}}
{{- fail "service.egressPort: is the ingress's as well" -}}
{{- end -}}
{{- if not .Values.deployment.enabled -}}
{{- fail "deployment.enabled: a gateway has a pod of its own; to put Palisade into another chart's, use mode: sidecar" -}}
{{- end -}}
{{- range $key, $given := dict "application.image" .Values.application.image "volumes" .Values.volumes "skipContainers" .Values.skipContainers "networkPolicy.ports" .Values.networkPolicy.ports -}}
{{- if $given -}}
{{- fail (printf "%s: there is no application in a gateway; remove it, or use mode: sidecar" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Of "top" and the value "key": that there is something to scrape, and that it is scraped once. */}}
{{- define "palisade.checkMonitor" -}}
{{- $listen := include "palisade.listen.admin" .top -}}
{{- if not (include "palisade.public" $listen) -}}
{{- fail (printf "%s.enabled: config.admin.listen, %s, can be reached from inside the pod alone; set it to 0.0.0.0:%s" .key $listen (include "palisade.port" $listen)) -}}
{{- end -}}
{{- if and .top.Values.podMonitor.enabled .top.Values.serviceMonitor.enabled -}}
{{- fail "podMonitor, serviceMonitor: enable one of them; with both everything would be counted twice" -}}
{{- end -}}
{{- end -}}
