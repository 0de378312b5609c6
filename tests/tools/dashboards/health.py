"""Listener health."""

from .panels import Panel, dashboard
from .reasons import FRAMING, any_of

LOOKUPS = {"{{result}}": "sum by (result) (rate(%s{*}[r]))"}

LISTENERS = dashboard("listeners", "Listener health", "Whether each process can be reached, can reach what is behind it, and runs on what it should.", {
    "Processes": [
        Panel("Up", "Whether a process can be scraped, of those that were Palisade within the hour.",
              {"{{instance}}": "up{*} and on (job, instance) max_over_time(palisade_build_info[1h])"}, width="third", most=1),
        Panel("Uptime", "A saw is a process that restarts.", {"{{instance}}": "time() - (process_start_time_seconds{*} and on (job, instance) palisade_build_info)"}, "s", width="third"),
        Panel("Open files", "And how many there may be.", {
            "{{instance}} open": "process_open_fds{*} and on (job, instance) palisade_build_info", "{{instance}} limit": "process_max_fds{*} and on (job, instance) palisade_build_info"},
            width="third"),
    ],
    "Listeners": [
        Panel("Connections", "Open ones.", {"{{instance}} {{listener}}": "palisade_connections{*l}"}),
        Panel("Connections of those allowed", "Beyond server.connections further ones wait in the kernel's queue.",
              {"{{instance}} {{listener}}": "palisade_connections{*l} / palisade_connections_limit{*l}"}, "percentunit", thresholds={"orange": 0.8}, most=1),
        Panel("Until certificates end", "By listener, the first of all processes.",
              {"{{listener}}": "min by (listener) (palisade_tls_certificate_expiry_timestamp_seconds{*l}) - time()"}, "s"),
        Panel("Life left of certificates", "Share of the whole. A certificate that is renewed never gets near zero.",
              {"{{listener}}": "min by (listener) ((palisade_tls_certificate_expiry_timestamp_seconds{*l} - time())"
                               " / (palisade_tls_certificate_expiry_timestamp_seconds{*l} - palisade_tls_certificate_not_before_timestamp_seconds{*l}))"}, "percentunit", most=1),
        Panel("Handshakes that failed", "By what they failed on: `client-alert` is a client that does not trust Palisade's certificate, most often.",
              {"{{listener}} {{reason}}": "sum by (listener, reason) (rate(palisade_tls_handshake_failures_total{*l}[r]))"}, "reqps"),
        Panel("Requests that were not well-formed", "Or too large, or too slow.",
              {"{{listener}} {{reason}}": f'sum by (listener, reason) (rate(palisade_refusals_total{{*l, reason=~"{any_of(FRAMING)}"}}[r]))'}, "reqps"),
    ],
    "Behind them": [
        Panel("The application", "Places of each route that pass their health checks, and that do not, where ingress.health is set.", {
            "{{instance}} {{upstream}} healthy": "palisade_upstream_healthy{*}", "{{instance}} {{upstream}} unhealthy": "palisade_upstream_unhealthy{*}"}),
        Panel("Upstreams that failed", "The application, or AWS, could not be reached or did not answer in time.",
              {"{{listener}} {{reason}}": 'sum by (listener, reason) (rate(palisade_refusals_total{*l, reason=~"no-route|upstream-timeout|upstream-unavailable"}[r]))'}, "reqps"),
        Panel("Lookups of tenants", "In a directory that is a table.", {k: v % "palisade_tenant_lookups_total" for k, v in LOOKUPS.items()}, "reqps"),
        Panel("Lookups of users", "In a directory that is a table.", {k: v % "palisade_user_lookups_total" for k, v in LOOKUPS.items()}, "reqps"),
        Panel("Readings of the whole table of tenants", "`partial`: there are more than directory.cache.max_entries.",
              {"{{result}}": "sum by (result) (rate(palisade_tenant_loads_total{*}[r]))"}, "short"),
        Panel("Since directories were read", "Without an error: a file every few seconds, a table when it is asked.",
              {"{{directory}}": "time() - min by (directory) (palisade_directory_last_success_timestamp_seconds{*})"}, "s"),
        Panel("Records in memory", "Of directories that are tables.", {"{{instance}} {{directory}}": "palisade_directory_entries{*}"}),
    ],
    "What it runs on, and what it writes": [
        Panel("Configuration", "1 where what was read last is in force, 0 where it could not be used.", {"{{instance}}": "palisade_config_last_reload_successful{*}"}, most=1),
        Panel("Since the configuration was taken", "At the start, or by a reload.", {"{{instance}}": "time() - palisade_config_last_reload_success_timestamp_seconds{*}"}, "s"),
        Panel("Reloads", "Files that changed and were read again, by result.", {"{{result}}": "sum by (result) (rate(palisade_config_reloads_total{*}[r]))"}, "short"),
        Panel("Audit log", "Records, by what became of them.", {"{{result}}": "sum by (result) (rate(palisade_audit_records_total{*}[r]))"}, "short"),
        Panel("Access log", "Lines that could not be written, since whoever reads them is too slow.", {"{{instance}}": "rate(palisade_access_log_lines_lost_total{*}[r])"}, "short"),
    ],
})
