"""Overview, by tenant, limits."""

from .panels import Panel, dashboard
from .reasons import FAULTS, OVERLOAD, TENANT_LIMITS, any_of

LATENCY = "histogram_quantile({quantile}, sum by (le, {by}) (rate({metric}_bucket{{{filter}}}[r])))"


def quantiles(metric: str, by: str, names: str, selected: str, *points: float) -> dict[str, str]:
    return {f"p{point * 100:g} {names}": LATENCY.format(quantile=point, by=by, metric=metric, filter=selected) for point in points}


OVERVIEW = dashboard("overview", "Overview", "Whether Palisade works, for whom, and how fast.", {
    "Now": [
        Panel("Processes", "Palisade processes that are scraped.", {"": "count(palisade_build_info{*})"}, kind="stat"),
        Panel("Requests", "A second, on the chosen listeners.", {"": "sum(rate(palisade_requests_total{*t}[r]))"}, "reqps", "stat"),
        Panel("Refused", "Share of requests that Palisade refused, for whatever reason.",
              {"": '(sum(rate(palisade_requests_total{*t, decision="refused"}[r])) or vector(0)) / sum(rate(palisade_requests_total{*t}[r]))'}, "percentunit", "stat"),
        Panel("Refused for want of something", "Share of requests that were refused since something behind Palisade, or Palisade, does not work: what no caller can help.",
              {"": f'(sum(rate(palisade_refusals_total{{*t, reason=~"{any_of(FAULTS)}"}}[r])) or vector(0)) / sum(rate(palisade_requests_total{{*t}}[r]))'},
              "percentunit", "stat", thresholds={"orange": 0.01, "red": 0.05}),
        Panel("Tenants at work", "Tenants with requests in the last minutes.",
              {"": 'count(sum by (tenant) (rate(palisade_requests_total{*t, tenant!~"_.*"}[r])) > 0)'}, kind="stat"),
        Panel("Alerts", "Alerts of Palisade's rules that fire, where this data source has them.",
              {"": 'count(ALERTS{alertname=~"Palisade.+", alertstate="firing"}) or vector(0)'}, kind="stat", thresholds={"orange": 1}),
    ],
    "Requests": [
        Panel("Requests by listener", "The ingress takes callers' requests to the application, the egress the application's to AWS.",
              {"{{listener}}": "sum by (listener) (rate(palisade_requests_total{*t}[r]))"}, "reqps"),
        Panel("Requests by decision", "Allowed, public, preflight (a browser's question), refused.",
              {"{{listener}} {{decision}}": "sum by (listener, decision) (rate(palisade_requests_total{*t}[r]))"}, "reqps", stack=True),
        Panel("Requests by status", "The class of the status that was sent, the application's and AWS's own included.",
              {"{{listener}} {{status_class}}": "sum by (listener, status_class) (rate(palisade_requests_total{*t}[r]))"}, "reqps", stack=True),
        Panel("Refusals by reason", "The ten commonest. The dashboard of refusals has more.",
              {"{{listener}} {{reason}}": "topk(10, sum by (listener, reason) (rate(palisade_refusals_total{*t}[r])) > 0)"}, "reqps"),
        Panel("Services", "Where requests go: AWS services on the egress, the application on the ingress; `_none` where a request was refused before that was known.",
              {"{{listener}} {{service}}": "sum by (listener, service) (rate(palisade_requests_total{*t}[r]))"}, "reqps", stack=True),
        Panel("Bodies", "Body bytes, received from and sent to clients.",
              {"{{listener}} {{direction}}": "sum by (listener, direction) (rate(palisade_bytes_total{*t}[r]))"}, "Bps"),
    ],
    "Time": [
        Panel("Duration of requests", "From a request's head to its response's last byte, upstream included.",
              quantiles("palisade_request_duration_seconds", "listener", "{{listener}}", "*l", 0.5, 0.95, 0.99), "s"),
        Panel("Upstream", "From forwarding a request to the head of the response, of the application or of AWS.",
              quantiles("palisade_upstream_duration_seconds", "listener, service", "{{listener}} {{service}}", "*l", 0.95), "s"),
    ],
    "Processes": [
        Panel("CPU", "Cores in use.", {"{{instance}}": "rate(process_cpu_seconds_total{*}[r]) and on (job, instance) palisade_build_info"}, "short"),
        Panel("Memory", "Resident memory.", {"{{instance}}": "process_resident_memory_bytes{*} and on (job, instance) palisade_build_info"}, "bytes"),
        Panel("Versions", "What is running.", {"Processes": "count by (version, rustc) (palisade_build_info{*})"}, kind="table", width="whole"),
    ],
})

TENANTS = dashboard("tenants", "Tenants", "Who asks how much, what becomes of it, and how fast. `_none` is no verified tenant, `_other` those beyond max_tenants.", {
    "All": [
        Panel("Tenants", "Of the last five minutes.", {
            "Requests a second": "sum by (tenant) (rate(palisade_requests_total{*t}[5m]))",
            "Refused a second": 'sum by (tenant) (rate(palisade_requests_total{*t, decision="refused"}[5m]))',
            "Seconds, p95": LATENCY.format(quantile=0.95, by="tenant", metric="palisade_tenant_request_duration_seconds", filter="*t").replace("[r]", "[5m]"),
            "Bytes a second": "sum by (tenant) (rate(palisade_bytes_total{*t}[5m]))",
            "In progress": "sum by (tenant) (palisade_inflight_requests{*t})",
        }, kind="table", width="whole"),
    ],
    "Requests": [
        Panel("Requests", "The twenty busiest.", {"{{tenant}}": "topk(20, sum by (tenant) (rate(palisade_requests_total{*t}[r])))"}, "reqps", stack=True),
        Panel("Requests to services", "The twenty commonest pairs.",
              {"{{tenant}} {{service}}": "topk(20, sum by (tenant, service) (rate(palisade_requests_total{*t}[r])))"}, "reqps"),
        Panel("Refused", "By tenant and reason, the twenty commonest.",
              {"{{tenant}} {{reason}}": "topk(20, sum by (tenant, reason) (rate(palisade_refusals_total{*t}[r])) > 0)"}, "reqps"),
        Panel("Server errors", "Share of a tenant's requests that were answered with 5xx, by Palisade, the application or AWS.",
              {"{{tenant}}": 'sum by (tenant) (rate(palisade_requests_total{*t, status_class="5xx"}[r])) / sum by (tenant) (rate(palisade_requests_total{*t}[r]))'},
              "percentunit", most=1),
        Panel("Duration, p95", "From a request's head to its response's last byte. Buckets are coarse: 5 ms, 25 ms, 100 ms, 500 ms, 2.5 s, 10 s.",
              quantiles("palisade_tenant_request_duration_seconds", "listener, tenant", "{{listener}} {{tenant}}", "*t", 0.95), "s"),
        Panel("Duration, mean", "The mean hides what is slow, and is exact.",
              {"{{listener}} {{tenant}}": "sum by (listener, tenant) (rate(palisade_tenant_request_duration_seconds_sum{*t}[r]))"
                                          " / sum by (listener, tenant) (rate(palisade_tenant_request_duration_seconds_count{*t}[r]))"}, "s"),
        Panel("In progress", "Requests that have begun and not ended.", {"{{listener}} {{tenant}}": "sum by (listener, tenant) (palisade_inflight_requests{*t})"}),
        Panel("Bodies", "The twenty largest.", {"{{tenant}} {{direction}}": "topk(20, sum by (tenant, direction) (rate(palisade_bytes_total{*t}[r])))"}, "Bps"),
    ],
})

LIMITS = dashboard("limits", "Limits", "Who is at a limit, and which limits of the process itself are close.", {
    "Tenants": [
        Panel("Refused by a limit", "By tenant: `requests` is the rate, `concurrency` the number in progress.",
              {"{{tenant}} {{limit}}": "sum by (tenant, limit) (rate(palisade_rate_limited_total{*t}[r]))"}, "reqps"),
        Panel("Share refused by a limit", "Of a tenant's own requests.",
              {"{{tenant}}": "sum by (tenant) (rate(palisade_rate_limited_total{*t}[r])) / sum by (tenant) (rate(palisade_requests_total{*t}[r]))"}, "percentunit", most=1),
        Panel("In progress", "Requests of a tenant that have begun and not ended.",
              {"{{listener}} {{tenant}}": "topk(20, sum by (listener, tenant) (palisade_inflight_requests{*t}))"}),
        Panel("Share of requests", "Of a tenant, among all tenants. One that has nearly all of them may be in the others' way.",
              {"{{tenant}}": "topk(10, sum by (tenant) (rate(palisade_requests_total{*t}[r]))) / scalar(sum(rate(palisade_requests_total{*l}[r])))"}, "percentunit", most=1),
    ],
    "The process": [
        Panel("Connections", "Share of server.connections that is open. Further ones wait in the kernel.",
              {"{{instance}} {{listener}}": "sum by (instance, listener) (palisade_connections{*l}) / sum by (instance, listener) (palisade_connections_limit{*l})"},
              "percentunit", thresholds={"orange": 0.8}, most=1),
        Panel("Open files", "Share of the descriptors that the process may have.",
              {"{{instance}}": "process_open_fds{*} / process_max_fds{*} and on (job, instance) palisade_build_info"}, "percentunit", thresholds={"orange": 0.8}, most=1),
        Panel("Memory", "Resident, and from where on requests are refused; 0 without a limit.", {
            "{{instance}}": "process_resident_memory_bytes{*} and on (job, instance) palisade_build_info", "{{instance}} limit": "palisade_memory_limit_bytes{*}"}, "bytes"),
        Panel("Queues", "What waits for its turn: checks of tokens, and calls to STS that requests need.", {
            "{{instance}} token checks": "palisade_token_checks_waiting{*}", "{{instance}} STS calls": "palisade_sts_calls_waiting{*}"}),
        Panel("Overload", "Requests that found no room, for a body, a connection, a passport or the check of a token.",
              {"{{listener}} {{reason}}": f'sum by (listener, reason) (rate(palisade_refusals_total{{*l, reason=~"{any_of(OVERLOAD)}"}}[r]))'}, "reqps"),
        Panel("Limits on callers", "Refusals for rate and concurrency, and sources that sent too many bad tokens.",
              {"{{listener}} {{reason}}": f'sum by (listener, reason) (rate(palisade_refusals_total{{*l, reason=~"{any_of(TENANT_LIMITS)}|too-many-bad-tokens"}}[r]))'}, "reqps"),
        Panel("Passports and remembered tokens", "Both have limits: identity.passport.max_live, identity.verification.cache.", {
            "{{instance}} passports": "palisade_passports_live{*}", "{{instance}} tokens": "palisade_token_cache_entries{*}"}),
    ],
})
