{{/* How long the pod has from being told to end to being killed, and what has to happen meanwhile. */}}

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

{{/* How long everything goes on being served once the drain is asked for. */}}
{{- define "palisade.delaySeconds" -}}
{{- include "palisade.setting" (dict "config" .Values.config "key" "shutdown.delay" "default" "0s") | include "palisade.seconds" -}}
{{- end -}}

{{/* How long the egress goes on after SIGTERM, once the ingress has drained. */}}
{{- define "palisade.lingerSeconds" -}}
{{- include "palisade.setting" (dict "config" .Values.config "key" "shutdown.linger" "default" "0s") | include "palisade.seconds" -}}
{{- end -}}

{{/*
What the drain and all before it takes. Beside an application the hook drains, and waits a second longer than that takes; in a gateway the hook
lets it go on as before, and the drain comes with SIGTERM.
*/}}
{{- define "palisade.stopSeconds" -}}
{{- add (include "palisade.delaySeconds" .) (include "palisade.drainSeconds" .) (ternary .Values.gateway.preStopSeconds 1 (eq .Values.mode "gateway")) -}}
{{- end -}}

{{/* The least that the pod needs: the hook's own start and the last words of Palisade take four seconds at worst. */}}
{{- define "palisade.leastGraceSeconds" -}}
{{- add (include "palisade.stopSeconds" .) (include "palisade.lingerSeconds" .) 4 -}}
{{- end -}}

{{/* By default there are ten seconds more, which are the application's, to end after the last request. */}}
{{- define "palisade.terminationGracePeriodSeconds" -}}
{{- $usual := add (include "palisade.delaySeconds" .) (include "palisade.drainSeconds" .) (include "palisade.lingerSeconds" .) 15 (ternary .Values.gateway.preStopSeconds 0 (eq .Values.mode "gateway")) -}}
{{- default $usual .Values.terminationGracePeriodSeconds | int -}}
{{- end -}}
