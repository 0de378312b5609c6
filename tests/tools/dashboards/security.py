"""Credentials and STS; refusals and attacks."""

from .panels import Panel, dashboard
from .reasons import FAULTS, ISOLATION, TENANT_LIMITS, any_of
from .traffic import LATENCY

CREDENTIALS = dashboard("credentials", "Credentials and STS", "Where sessions, passports and keys come from, and whether they keep coming.", {
    "STS": [
        Panel("Calls", "By result: `denied` is STS's no to a tenant's plan, `throttled` its wish for fewer calls, `error` everything that is no answer.",
              {"{{result}}": "sum by (result) (rate(palisade_sts_requests_total{*}[r]))"}, "reqps"),
        Panel("Duration", "Of calls to STS.", {f"p{p:g}": f"histogram_quantile({p / 100}, sum by (le) (rate(palisade_sts_duration_seconds_bucket{{*}}[r])))" for p in (50, 95, 99)}, "s"),
        Panel("Calls not made", "Calls that a request needed: denied lately, no room in the queue, too many of one tenant, STS asked for a pause, the wait was over, a hub role is not to be had.",
              {"{{cause}}": "sum by (cause) (rate(palisade_sts_calls_not_made_total{*}[r]))"}, "reqps"),
        Panel("Budget", "Calls that there may be in a second: less than credentials.budget has after STS throttled. And those that wait for their turn.", {
            "{{instance}} a second": "palisade_sts_calls_per_second{*}", "{{instance}} waiting": "palisade_sts_calls_waiting{*}"}),
    ],
    "Sessions": [
        Panel("Sessions held", "Of tenants, in all processes.", {"{{instance}}": "palisade_tenant_sessions{*}"}),
        Panel("Renewals", "Of sessions that are in use, ahead of their end. One that fails is tried again; the old session serves meanwhile.",
              {"{{result}}": "sum by (result) (rate(palisade_tenant_session_renewals_total{*}[r]))"}, "reqps"),
        Panel("Age of the oldest session", "What is older than the role's sessions may be was renewed.", {"{{instance}}": "palisade_tenant_session_oldest_age_seconds{*}"}, "s"),
        Panel("Until the first session ends", "Near zero, renewals do not succeed.",
              {"{{instance}}": "(palisade_tenant_session_first_expiry_timestamp_seconds{*} > 0) - time()"}, "s"),
        Panel("Sessions let go", "Before their time, by an operator or by the directory.",
              {"{{cause}}": "sum by (cause) (rate(palisade_tenant_session_evictions_total{*}[r]))"}, "short"),
        Panel("Session policy", "How much of STS's room for session policies and tags the last session took. Beyond 100 % there is none.",
              {"{{instance}}": "palisade_sts_packed_policy_percent{*}"}, "percent", thresholds={"orange": 90, "red": 100}),
        Panel("Until the base identity's credentials end", "Nothing where they do not say. Renewed five minutes ahead.",
              {"{{instance}}": "(palisade_base_credentials_expiry_timestamp_seconds{*} > 0) - time()"}, "s"),
        Panel("Clock", "How far AWS's clock is ahead of the machine's. Signatures are made by AWS's.", {"{{instance}}": "palisade_clock_skew_seconds{*}"}, "s"),
    ],
    "Passports and deferred work": [
        Panel("Passports made", "One a request that was let in.", {"{{instance}}": "rate(palisade_passports_minted_total{*}[r])"}, "reqps"),
        Panel("Passports presented", "By what became of them: `late` is after their request, `unknown` never was or ended long ago.",
              {"{{result}}": "sum by (result) (rate(palisade_passport_redemptions_total{*}[r]))"}, "reqps"),
        Panel("Passports alive", "Those of requests in progress.", {"{{instance}}": "palisade_passports_live{*}"}),
        Panel("Deferred work", "Contexts that were sealed, redeemed or refused.", {"{{event}}": "sum by (event) (rate(palisade_deferred_contexts_total{*}[r]))"}, "reqps"),
    ],
    "Issuers and tokens": [
        Panel("Until an issuer's keys end", "If no others can be loaded. Falls for as long as loading fails.",
              {"{{issuer}}": "min by (issuer) (palisade_jwks_expiry_timestamp_seconds{*}) - time()"}, "s"),
        Panel("Key set fetches", "By issuer and result.", {"{{issuer}} {{result}}": "sum by (issuer, result) (rate(palisade_jwks_refreshes_total{*}[r]))"}, "reqps"),
        Panel("Since an issuer's keys were loaded", "The oldest of all processes; decades where they never were.",
              {"{{issuer}}": "time() - min by (issuer) (palisade_jwks_last_success_timestamp_seconds{*})"}, "s"),
        Panel("Keys", "Usable ones in an issuer's set.", {"{{issuer}}": "min by (issuer) (palisade_jwks_keys{*})"}),
        Panel("Tokens checked", "By issuer and result: `ok`, `cached` (remembered as good), or the reason of the refusal.",
              {"{{issuer}} {{result}}": "sum by (issuer, result) (rate(palisade_token_verifications_total{*}[r]))"}, "reqps"),
        Panel("Tokens remembered", "And their estimated memory.", {"{{instance}} tokens": "palisade_token_cache_entries{*}", "{{instance}} bytes": "palisade_token_cache_bytes{*}"}),
        Panel("Tokens forgotten", "Crowded out, expired, forgotten since the directory changed, or stale since the issuer's keys did.",
              {"{{reason}}": "sum by (reason) (rate(palisade_token_cache_removals_total{*}[r]))"}, "short"),
        Panel("Token checks that wait", "For a turn: identity.verification.concurrency.", {"{{instance}}": "palisade_token_checks_waiting{*}"}),
    ],
})

REFUSALS = dashboard("refusals", "Refusals and attacks", "What was refused, why, and whose doing it is.", {
    "Now": [
        Panel("Refused", "A second.", {"": "sum(rate(palisade_refusals_total{*t}[r]))"}, "reqps", "stat"),
        Panel("Isolation", "A second, for reasons that honest callers and applications seldom cause.",
              {"": f'sum(rate(palisade_refusals_total{{*t, reason=~"{any_of(ISOLATION)}"}}[r])) or vector(0)'}, "reqps", "stat", thresholds={"orange": 0.05}),
        Panel("Limits", "A second, of tenants over their limits.",
              {"": f'sum(rate(palisade_refusals_total{{*t, reason=~"{any_of(TENANT_LIMITS)}"}}[r])) or vector(0)'}, "reqps", "stat"),
        Panel("Want of something", "A second, for reasons that no caller can help.",
              {"": f'sum(rate(palisade_refusals_total{{*t, reason=~"{any_of(FAULTS)}"}}[r])) or vector(0)'}, "reqps", "stat", thresholds={"orange": 0.05}),
        Panel("Bad tokens", "A second, that counted against their source's budget.", {"": "sum(rate(palisade_bad_tokens_total{*}[r]))"}, "reqps", "stat"),
        Panel("Guard denials", "A second, in rules that are enforced.",
              {"": 'sum(rate(palisade_guard_decisions_total{*, decision="denied"}[r])) or vector(0)'}, "reqps", "stat"),
    ],
    "Refusals": [
        Panel("Ingress, by reason", "Of callers.", {"{{reason}}": 'topk(15, sum by (reason) (rate(palisade_refusals_total{*t, listener="ingress"}[r])) > 0)'}, "reqps", stack=True),
        Panel("Egress, by reason", "Of the application.", {"{{reason}}": 'topk(15, sum by (reason) (rate(palisade_refusals_total{*t, listener="egress"}[r])) > 0)'}, "reqps", stack=True),
        Panel("Operators' listeners, by reason", "On the admin listener and the probes. The application shares loopback: a wrong admin token may be its doing.",
              {"{{listener}} {{reason}}": 'sum by (listener, reason) (rate(palisade_refusals_total{*, listener=~"admin|probes"}[r]))'}, "reqps"),
        Panel("By tenant", "The twenty with the most. `_none` is everybody without a verified tenant.",
              {"{{tenant}}": "topk(20, sum by (tenant) (rate(palisade_refusals_total{*t}[r])) > 0)"}, "reqps"),
    ],
    "Attacks": [
        Panel("What honest callers seldom send", "Other tenants, made-up tokens, passports after their request, forbidden operations. Each was refused.",
              {"{{listener}} {{reason}}": f'sum by (listener, reason) (rate(palisade_refusals_total{{*t, reason=~"{any_of(ISOLATION)}"}}[r])) > 0'}, "reqps"),
        Panel("Tokens that failed", "By issuer (`_unknown` is none that is configured) and reason.",
              {"{{issuer}} {{result}}": 'sum by (issuer, result) (rate(palisade_token_verifications_total{*, result!~"ok|cached"}[r])) > 0'}, "reqps"),
        Panel("Passports that failed", "`late` and `unknown` are passports that were kept, or guessed.",
              {"{{result}}": 'sum by (result) (rate(palisade_passport_redemptions_total{*, result!="ok"}[r]))'}, "reqps"),
        Panel("Handshakes that failed", "By what they failed on. `connection` and `protocol` are scanners and health checks, most often.",
              {"{{listener}} {{reason}}": "sum by (listener, reason) (rate(palisade_tls_handshake_failures_total{*l}[r]))"}, "reqps"),
        Panel("Guard, by decision", "`would_deny` is a denial in the mode audit.",
              {"{{service}} {{decision}}": "sum by (service, decision) (rate(palisade_guard_decisions_total{*}[r]))"}, "reqps"),
        Panel("Guard, by rule", "What was denied, or would have been.",
              {"{{service}} {{rule}} {{decision}}": 'topk(20, sum by (service, rule, decision) (rate(palisade_guard_decisions_total{*, decision!="allowed"}[r])) > 0)'}, "reqps"),
        Panel("Revocations", "Requests broken off, passports ended and tokens forgotten because the directory changed.",
              {"{{what}}": "sum by (what) (rate(palisade_revocations_applied_total{*}[r]))"}, "short"),
        Panel("Time until refused, p99", "A flood that makes this rise costs more than refusals should.",
              {"{{listener}}": LATENCY.format(quantile=0.99, by="listener", metric="palisade_request_duration_seconds", filter='*l, service="_none"')}, "s"),
    ],
})
