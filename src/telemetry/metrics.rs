//! Every metric there is.
//!
//! Names, labels and units are an interface: dashboards and alerts rest on them. Base units (seconds, bytes), closed label
//! sets, and `tenant` from a [`TenantLabel`] alone.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::{TenantLabel, process::Process};
use crate::{
    audit::{self, Audit},
    reject::Reason,
};

/// Which listener a request came in on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listener {
    /// Operators.
    Admin,
    /// The application's way out.
    Egress,
    /// The callers' way in.
    Ingress,
    /// Kubelets and load balancers.
    Probes,
}

impl Listener {
    /// The value of the `listener` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Egress => "egress",
            Self::Ingress => "ingress",
            Self::Probes => "probes",
        }
    }
}

/// The registry and every metric in it. Cheap to clone: one count, where the metrics by themselves are a score of them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Families>);

/// Every metric; to be had through [`Metrics`].
#[derive(Debug)]
pub struct Families {
    registry: Registry,
    requests: IntCounterVec,
    request_duration: HistogramVec,
    tenant_request_duration: HistogramVec,
    upstream_duration: HistogramVec,
    bytes: IntCounterVec,
    inflight: IntGaugeVec,
    refusals: IntCounterVec,
    guard_decisions: IntCounterVec,
    rate_limited: IntCounterVec,
    token_verifications: IntCounterVec,
    /// Requests that wait for a turn to have their token checked.
    pub token_checks_waiting: IntGauge,
    /// Tokens that counted against their source's budget.
    pub bad_tokens: IntCounter,
    /// Tokens remembered as good.
    pub token_cache_entries: IntGauge,
    /// Estimated memory of them.
    pub token_cache_bytes: IntGauge,
    token_cache_removals: IntCounterVec,
    jwks_refreshes: IntCounterVec,
    jwks_last_success: IntGaugeVec,
    jwks_keys: IntGaugeVec,
    jwks_expiry: IntGaugeVec,
    sts_requests: IntCounterVec,
    sts_duration: Histogram,
    sts_calls_not_made: IntCounterVec,
    /// First calls to STS that wait for their turn.
    pub sts_waiting: IntGauge,
    /// Calls to STS that there may be in a second at the moment.
    pub sts_rate: Gauge,
    /// When the base identity's credentials end.
    pub base_credentials_expiry: Gauge,
    /// Seconds that AWS's clock is ahead of this machine's.
    pub clock_skew: Gauge,
    /// Tenant sessions held.
    pub tenant_sessions: IntGauge,
    /// Percentage of the packed session policy limit that the last STS answer reported.
    pub packed_policy_percent: Gauge,
    session_renewals: IntCounterVec,
    /// Age of the oldest tenant session.
    pub session_oldest_age: Gauge,
    /// When the first tenant session to end does.
    pub session_first_expiry: Gauge,
    /// Passports that could be redeemed now.
    pub passports_live: IntGauge,
    /// Passports ever made.
    pub passports_minted: IntCounter,
    passport_redemptions: IntCounterVec,
    deferred_contexts: IntCounterVec,
    certificate_start: GaugeVec,
    certificate_expiry: GaugeVec,
    config_reloads: IntCounterVec,
    config_last_reload_successful: IntGauge,
    config_last_reload_success: Gauge,
    config_refused: IntGaugeVec,
    policies_current: IntGauge,
    memory_limit: IntGauge,
    shedding: IntGauge,
    upstreams_healthy: IntGaugeVec,
    upstreams_unhealthy: IntGaugeVec,
    handshake_failures: IntCounterVec,
    /// Connections open, by listener.
    connections: IntGaugeVec,
    connections_limit: IntGaugeVec,
    /// Access-log lines that could not be written.
    pub log_lines_lost: IntCounter,
    directory_entries: IntGaugeVec,
    directory_last_success: GaugeVec,
    revocations_applied: IntCounterVec,
    session_evictions: IntCounterVec,
    tenant_lookups: IntCounterVec,
    tenant_loads: IntCounterVec,
    user_lookups: IntCounterVec,
    audit_records: IntCounterVec,
    audit_sequence: IntGauge,
    audit_signed_at: Gauge,
    audit: OnceLock<Audit>,
    traces: IntCounterVec,
    trace_spans: IntCounterVec,
}

/// From half a millisecond (a cached decision) to a long poll.
const DURATION_BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Per tenant, where each bucket is a series a tenant.
const TENANT_DURATION_BUCKETS: &[f64] = &[0.005, 0.025, 0.1, 0.5, 2.5, 10.0];

impl Metrics {
    /// A registry of its own with everything registered.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let new = Register(&registry);
        let build_info = new.gauges("palisade_build_info", "Always 1; the labels say what is running.", &["version", "rustc"])?;
        build_info.with_label_values(&[crate::VERSION, crate::RUSTC]).set(1.0);
        registry.register(Box::new(Process::new()?))?;
        let families = Families {
            requests: new.counters(
                "palisade_requests_total",
                "Requests, by what was decided and the class of the status sent.",
                &["listener", "tenant", "service", "decision", "status_class"],
            )?,
            request_duration: new.histograms(
                "palisade_request_duration_seconds",
                "From a request's head to its response's last byte.",
                &["listener", "service"],
                DURATION_BUCKETS,
            )?,
            tenant_request_duration: new.histograms(
                "palisade_tenant_request_duration_seconds",
                "From a request's head to its response's last byte, by tenant.",
                &["listener", "tenant"],
                TENANT_DURATION_BUCKETS,
            )?,
            upstream_duration: new.histograms(
                "palisade_upstream_duration_seconds",
                "From forwarding a request to the upstream's response head.",
                &["listener", "service"],
                DURATION_BUCKETS,
            )?,
            bytes: new.counters(
                "palisade_bytes_total",
                "Body bytes, received from and sent to the client.",
                &["listener", "tenant", "direction"],
            )?,
            inflight: new.int_gauges("palisade_inflight_requests", "Requests in progress.", &["listener", "tenant"])?,
            refusals: new.counters("palisade_refusals_total", "Requests refused by Palisade.", &["listener", "tenant", "reason"])?,
            guard_decisions: new.counters(
                "palisade_guard_decisions_total",
                "Tenants' requests that the guard looked at, by what it decided and, where that was not to allow, by which rule.",
                &["service", "decision", "rule"],
            )?,
            rate_limited: new.counters("palisade_rate_limited_total", "Requests refused by a limit.", &["listener", "tenant", "limit"])?,
            token_verifications: new.counters(
                "palisade_token_verifications_total",
                "Tokens checked, by issuer and result.",
                &["issuer", "result"],
            )?,
            token_checks_waiting: new.int_gauge("palisade_token_checks_waiting", "Requests that wait for their token to be checked.")?,
            bad_tokens: new.counter("palisade_bad_tokens_total", "Tokens that counted against their source's budget of failures.")?,
            token_cache_entries: new.int_gauge("palisade_token_cache_entries", "Tokens that are remembered as good.")?,
            token_cache_bytes: new
                .int_gauge("palisade_token_cache_bytes", "Estimated memory of the tokens that are remembered as good.")?,
            token_cache_removals: new.counters(
                "palisade_token_cache_removals_total",
                "Tokens that are remembered no longer, by reason.",
                &["reason"],
            )?,
            jwks_refreshes: new.counters(
                "palisade_jwks_refreshes_total",
                "Key set fetches, by issuer and result.",
                &["issuer", "result"],
            )?,
            jwks_last_success: new.int_gauges(
                "palisade_jwks_last_success_timestamp_seconds",
                "When an issuer's keys were last loaded; 0 for never.",
                &["issuer"],
            )?,
            jwks_keys: new.int_gauges("palisade_jwks_keys", "Usable keys in an issuer's set.", &["issuer"])?,
            jwks_expiry: new.int_gauges(
                "palisade_jwks_expiry_timestamp_seconds",
                "When an issuer's keys stop serving if no others can be loaded.",
                &["issuer"],
            )?,
            sts_requests: new.counters("palisade_sts_requests_total", "Calls to STS, by result.", &["result"])?,
            sts_duration: new.histogram("palisade_sts_duration_seconds", "Duration of calls to STS.", DURATION_BUCKETS)?,
            sts_calls_not_made: new.counters(
                "palisade_sts_calls_not_made_total",
                "Calls to STS that a request needed and that were not made, by what stood against it.",
                &["cause"],
            )?,
            sts_waiting: new.int_gauge("palisade_sts_calls_waiting", "Calls to STS that requests need and that wait for their turn.")?,
            sts_rate: new
                .gauge("palisade_sts_calls_per_second", "Calls to STS that there may be now: less than the budget after it throttled.")?,
            base_credentials_expiry: new.gauge(
                "palisade_base_credentials_expiry_timestamp_seconds",
                "When the base identity's credentials that were loaded last end; 0 where they do not say, and before the first.",
            )?,
            clock_skew: new.gauge("palisade_clock_skew_seconds", "How far the clock of AWS (STS) is ahead of this machine's.")?,
            tenant_sessions: new.int_gauge("palisade_tenant_sessions", "Tenant sessions held.")?,
            session_renewals: new.counters(
                "palisade_tenant_session_renewals_total",
                "Renewals of tenant sessions, by result.",
                &["result"],
            )?,
            session_oldest_age: new.gauge("palisade_tenant_session_oldest_age_seconds", "Age of the oldest tenant session held.")?,
            session_first_expiry: new.gauge(
                "palisade_tenant_session_first_expiry_timestamp_seconds",
                "When the first of the tenant sessions held ends; 0 without any.",
            )?,
            packed_policy_percent: new.gauge(
                "palisade_sts_packed_policy_percent",
                "Share of the packed session policy limit that the last STS answer reported, in percent.",
            )?,
            passports_live: new.int_gauge("palisade_passports_live", "Passports that can be redeemed.")?,
            passports_minted: new.counter("palisade_passports_minted_total", "Passports made, one a request that was let in.")?,
            passport_redemptions: new.counters(
                "palisade_passport_redemptions_total",
                "Passports presented on the egress, by what became of them.",
                &["result"],
            )?,
            deferred_contexts: new.counters(
                "palisade_deferred_contexts_total",
                "Contexts of deferred work that were sealed, redeemed or refused.",
                &["event"],
            )?,
            certificate_start: new.gauges(
                "palisade_tls_certificate_not_before_timestamp_seconds",
                "Start of validity of the certificate in use.",
                &["listener"],
            )?,
            certificate_expiry: new.gauges(
                "palisade_tls_certificate_expiry_timestamp_seconds",
                "End of validity of the certificate in use.",
                &["listener"],
            )?,
            config_reloads: new.counters(
                "palisade_config_reloads_total",
                "Reloads of the configuration, and files that it names (tenant records, users, policies, certificates) read again after a change, by result.",
                &["result"],
            )?,
            config_last_reload_successful: new.int_gauge(
                "palisade_config_last_reload_successful",
                "1 while the configuration as its files have it is in use, 0 while they cannot be used and an older one is.",
            )?,
            config_last_reload_success: new.gauge(
                "palisade_config_last_reload_success_timestamp_seconds",
                "When the configuration was last loaded with success.",
            )?,
            config_refused: new.int_gauges(
                "palisade_config_refused",
                "1 for what the configuration as its files have it cannot be used for, 0 for everything else, and for all while it is in use.",
                &["part"],
            )?,
            policies_current: new.int_gauge(
                "palisade_policies_current",
                "1 while the policies in use are those of the files, or there are none; 0 while the files cannot be used and older ones are in use.",
            )?,
            memory_limit: new.int_gauge(
                "palisade_memory_limit_bytes",
                "Resident memory from which requests are refused; 0 without a limit.",
            )?,
            shedding: new.int_gauge("palisade_memory_shedding", "1 while requests are refused for want of memory.")?,
            upstreams_healthy: new.int_gauges(
                "palisade_upstream_healthy",
                "Places of a route to the application whose checks succeed.",
                &["upstream"],
            )?,
            upstreams_unhealthy: new.int_gauges(
                "palisade_upstream_unhealthy",
                "Places of a route to the application that are out of use.",
                &["upstream"],
            )?,
            handshake_failures: new.counters(
                "palisade_tls_handshake_failures_total",
                "TLS handshakes that failed, by what they failed on.",
                &["listener", "reason"],
            )?,
            connections: new.int_gauges("palisade_connections", "Connections open.", &["listener"])?,
            connections_limit: new.int_gauges(
                "palisade_connections_limit",
                "Connections that may be open, on all addresses of a listener; further ones wait in the kernel.",
                &["listener"],
            )?,
            log_lines_lost: new.counter("palisade_access_log_lines_lost_total", "Access-log lines that could not be written.")?,
            directory_entries: new.int_gauges("palisade_directory_entries", "Records of a table that are in memory.", &["directory"])?,
            directory_last_success: new.gauges(
                "palisade_directory_last_success_timestamp_seconds",
                "When tenants or users were last read without an error.",
                &["directory"],
            )?,
            revocations_applied: new.counters(
                "palisade_revocations_applied_total",
                "Requests broken off, passports ended and remembered tokens forgotten because the directory changed.",
                &["what"],
            )?,
            session_evictions: new.counters(
                "palisade_tenant_session_evictions_total",
                "Tenant sessions let go before their time, by an operator or by the directory.",
                &["cause"],
            )?,
            tenant_lookups: new.counters(
                "palisade_tenant_lookups_total",
                "Lookups in a directory of tenants that is a table, by result.",
                &["result"],
            )?,
            tenant_loads: new.counters("palisade_tenant_loads_total", "Readings of the whole table of tenants, by result.", &["result"])?,
            traces: new.counters(
                "palisade_traces_total",
                "Requests that were or were not recorded for traces; none without `telemetry.traces`.",
                &["decision"],
            )?,
            trace_spans: new.counters("palisade_trace_spans_total", "Spans, by what became of them.", &["result"])?,
            user_lookups: new.counters("palisade_user_lookups_total", "Lookups in the directory of users, by result.", &["result"])?,
            audit_records: new.counters(
                "palisade_audit_records_total",
                "Records of the audit log, by whether they were written or dropped.",
                &["result"],
            )?,
            audit_sequence: new.int_gauge("palisade_audit_sequence", "Number of the last record of the audit log.")?,
            audit_signed_at: new.gauge(
                "palisade_audit_last_checkpoint_timestamp_seconds",
                "When the audit log was last signed; 0 before the first time, and without one.",
            )?,
            audit: OnceLock::new(),
            registry,
        };
        families.begin_at_zero();
        Ok(Self(Arc::new(families)))
    }
}

impl Deref for Metrics {
    type Target = Families;

    fn deref(&self) -> &Families {
        &self.0
    }
}

impl Families {
    /// A counter that appears with its first event says nothing of that event: `rate` needs a value before it. So those that alerts rest on,
    /// where events are rare and their labels are known, are there from the start.
    fn begin_at_zero(&self) {
        for result in ["ok", "throttled", "denied", "error"] {
            self.sts_requests.with_label_values(&[result]);
        }
        for result in ["ok", "error"] {
            self.session_renewals.with_label_values(&[result]);
        }
        for result in ["written", "dropped"] {
            self.audit_records.with_label_values(&[result]);
        }
        // Until somebody has found otherwise.
        self.policies_current(true);
        for listener in [Listener::Egress, Listener::Ingress] {
            for reason in Reason::ALL.iter().filter(|reason| reason.is_suspicious()) {
                self.refusals.with_label_values(&[listener.as_str(), TenantLabel::NONE.as_str(), reason.as_str()]);
            }
        }
    }

    /// The audit log, where there is one: whatever counts a decision has it at hand.
    pub(crate) fn audit(&self) -> Option<&Audit> {
        self.audit.get()
    }

    /// Has decisions recorded in `audit` from now on. The first one stays.
    pub(crate) fn record_in(&self, audit: Audit) {
        let _ = self.audit.set(audit);
    }

    /// What the audit log counts.
    pub(crate) fn of_audit(&self) -> audit::Counters {
        audit::Counters {
            written: self.audit_records.with_label_values(&["written"]),
            dropped: self.audit_records.with_label_values(&["dropped"]),
            sequence: self.audit_sequence.clone(),
            signed_at: self.audit_signed_at.clone(),
        }
    }

    /// Counts a finished request.
    pub fn request(&self, request: &RequestFacts<'_>) {
        let (listener, tenant) = (request.listener.as_str(), request.tenant.as_str());
        self.requests.with_label_values(&[listener, tenant, request.service, request.decision, status_class(request.status)]).inc();
        self.request_duration.with_label_values(&[listener, request.service]).observe(request.duration.as_secs_f64());
        self.tenant_request_duration.with_label_values(&[listener, tenant]).observe(request.duration.as_secs_f64());
        if let Some(upstream) = request.upstream {
            self.upstream_duration.with_label_values(&[listener, request.service]).observe(upstream.as_secs_f64());
        }
        self.bytes.with_label_values(&[listener, tenant, "received"]).inc_by(request.bytes_received);
        self.bytes.with_label_values(&[listener, tenant, "sent"]).inc_by(request.bytes_sent);
    }

    /// Counts a refusal.
    pub fn refusal(&self, listener: Listener, tenant: &TenantLabel, reason: Reason) {
        self.refusals.with_label_values(&[listener.as_str(), tenant.as_str(), reason.as_str()]).inc();
        let limit = match reason {
            Reason::RateLimited => "requests",
            Reason::ConcurrencyLimited => "concurrency",
            _ => return,
        };
        self.rate_limited.with_label_values(&[listener.as_str(), tenant.as_str(), limit]).inc();
    }

    /// Counts what the guard made of a request to `service`; `decision` is `allowed`, `denied` or `would_deny`, and `rule` the rule's name.
    pub fn guard_decision(&self, service: &str, decision: &str, rule: &str) {
        self.guard_decisions.with_label_values(&[service, decision, rule]).inc();
    }

    /// The gauge of a tenant's requests in progress.
    pub fn inflight(&self, listener: Listener, tenant: &TenantLabel) -> IntGauge {
        self.inflight.with_label_values(&[listener.as_str(), tenant.as_str()])
    }

    /// The gauge of a listener's open connections.
    pub fn connections(&self, listener: Listener) -> IntGauge {
        self.connections.with_label_values(&[listener.as_str()])
    }

    /// Notes that a listener serves one more address, with room for `most` connections.
    pub fn connections_allowed(&self, listener: Listener, most: u32) {
        self.connections_limit.with_label_values(&[listener.as_str()]).add(most.into());
    }

    /// Counts a token check; `issuer` is a configured one or `_unknown`, `result` is `ok`, `cached` or a reason.
    pub fn token_verification(&self, issuer: &str, result: &str) {
        self.token_verifications.with_label_values(&[issuer, result]).inc();
    }

    /// Counts a passport that was presented; `result` is `ok`, `late`, `expired`, `unknown` or `refused`.
    pub fn passport_redemption(&self, result: &str) {
        self.passport_redemptions.with_label_values(&[result]).inc();
    }

    /// Counts what became of a context of deferred work; `event` is `sealed`, `redeemed` or `refused`.
    pub fn deferred_context(&self, event: &str) {
        self.deferred_contexts.with_label_values(&[event]).inc();
    }

    /// Counts a token that is remembered no longer; `reason` is `crowded`, `expired`, `forgotten` or `stale`.
    pub fn token_cache_removal(&self, reason: &str) {
        self.token_cache_removals.with_label_values(&[reason]).inc();
    }

    /// Knows an issuer, whose keys were not fetched yet.
    pub fn jwks_begin(&self, issuer: &str) {
        // So that "never" is a time long past, and not a series that is missing; and as in `begin_at_zero`.
        self.jwks_last_success(issuer, 0);
        for result in ["ok", "error"] {
            self.jwks_refreshes.with_label_values(&[issuer, result]);
        }
    }

    /// Counts a fetch of an issuer's keys; `result` is `ok` or `error`.
    pub fn jwks_refresh(&self, issuer: &str, result: &str) {
        self.jwks_refreshes.with_label_values(&[issuer, result]).inc();
    }

    /// Notes when an issuer's keys were last loaded.
    pub fn jwks_last_success(&self, issuer: &str, unix_seconds: u64) {
        self.jwks_last_success.with_label_values(&[issuer]).set(unix_seconds.try_into().unwrap_or(i64::MAX));
    }

    /// Notes how many keys an issuer has, and when they stop serving.
    pub fn jwks_keys(&self, issuer: &str, count: usize, until_unix_seconds: u64) {
        self.jwks_keys.with_label_values(&[issuer]).set(count.try_into().unwrap_or(i64::MAX));
        self.jwks_expiry.with_label_values(&[issuer]).set(until_unix_seconds.try_into().unwrap_or(i64::MAX));
    }

    /// Counts a call to STS that was not made; `cause` is `denied`, `queue`, `tenant`, `throttled` or `wait`.
    pub fn sts_call_not_made(&self, cause: &str) {
        self.sts_calls_not_made.with_label_values(&[cause]).inc();
    }

    /// Counts a renewal of a tenant session.
    pub fn session_renewed(&self, is_ok: bool) {
        self.session_renewals.with_label_values(&[if is_ok { "ok" } else { "error" }]).inc();
    }

    /// Counts a configuration that is in force in place of another; what is said of it is for the audit log.
    pub(crate) fn reconfigured(&self, settings: &[String], digest: &str) {
        if let Some(audit) = self.audit.get() {
            audit.reconfigured(settings, digest);
        }
        self.count_reload(true);
    }

    /// Counts a changed file of the configuration that was read again; `what` is for the audit log.
    pub fn config_reload(&self, what: &str, taken: bool) {
        if let Some(audit) = self.audit.get() {
            audit.reloaded(what, taken);
        }
        self.count_reload(taken);
    }

    fn count_reload(&self, taken: bool) {
        self.config_reloads.with_label_values(&[if taken { "applied" } else { "rejected" }]).inc();
    }

    /// Counts a reload of the configuration itself that changed nothing.
    pub fn config_unchanged(&self) {
        self.config_reloads.with_label_values(&["unchanged"]).inc();
    }

    /// Notes whether the configuration as its files have it is the one in use, since `at` if so.
    pub fn config_in_use(&self, at: Option<SystemTime>) {
        self.config_last_reload_successful.set(i64::from(at.is_some()));
        if let Some(since) = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()) {
            self.config_last_reload_success.set(since.as_secs_f64());
        }
    }

    /// Notes whether the configuration as its files have it is refused for a `part` of it, one of a closed set.
    pub fn config_refused(&self, part: &'static str, is_refused: bool) {
        self.config_refused.with_label_values(&[part]).set(i64::from(is_refused));
    }

    /// Notes whether the policies in use are those of the files.
    pub fn policies_current(&self, are_current: bool) {
        self.policies_current.set(i64::from(are_current));
    }

    /// Notes from how much resident memory on requests are refused.
    pub fn memory_limit(&self, bytes: u64) {
        self.memory_limit.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Notes whether requests are refused for want of memory.
    pub fn shedding(&self, is_shedding: bool) {
        self.shedding.set(i64::from(is_shedding));
    }

    /// Notes that a directory (`tenants` or `users`) was read without an error.
    pub fn directory_read(&self, directory: &str, at: SystemTime) {
        self.directory_last_success.with_label_values(&[directory]).set(unix_seconds(at));
    }

    /// Notes how many records of a directory (`tenants` or `users`) are in memory.
    pub fn directory_entries(&self, directory: &str, count: usize) {
        self.directory_entries.with_label_values(&[directory]).set(count.try_into().unwrap_or(i64::MAX));
    }

    /// Counts what ended because the directory changed; `what` is `requests`, `passports` or `tokens`.
    pub fn revocations_applied(&self, what: &str, count: usize) {
        self.revocations_applied.with_label_values(&[what]).inc_by(count as u64);
    }

    /// Counts tenant sessions that were let go before their time; `cause` is `operator` or `directory`.
    pub fn sessions_evicted(&self, cause: &str, count: usize) {
        self.session_evictions.with_label_values(&[cause]).inc_by(count as u64);
    }

    /// Counts a lookup of a tenant; `result` is `cached`, `read`, `stale`, `unknown`, `malformed`, `unavailable` or `shed`.
    pub fn tenant_lookup(&self, result: &str) {
        self.tenant_lookups.with_label_values(&[result]).inc();
    }

    /// Counts a reading of the whole table of tenants; `result` is `ok`, `partial` (there are more than fit) or `error`.
    pub fn tenant_load(&self, result: &str) {
        self.tenant_loads.with_label_values(&[result]).inc();
    }

    /// Counts a request that traces could have; `decision` is `recorded`, `not_sampled` or `limited`.
    pub fn trace(&self, decision: &str) {
        self.traces.with_label_values(&[decision]).inc();
    }

    /// Counts spans; `result` is `exported`, `rejected` (by the collector), `failed` (it did not take them) or `queue_full`.
    pub fn trace_spans(&self, result: &str, count: u64) {
        self.trace_spans.with_label_values(&[result]).inc_by(count);
    }

    /// Counts a lookup of a user; `result` is `cached`, `read`, `stale`, `unknown`, `malformed`, `unavailable` or `shed`.
    pub fn user_lookup(&self, result: &str) {
        self.user_lookups.with_label_values(&[result]).inc();
    }

    /// Counts and times a call to STS; `result` is `ok`, `throttled`, `denied` or `error`.
    pub fn sts_request(&self, result: &str, duration: Duration) {
        self.sts_requests.with_label_values(&[result]).inc();
        self.sts_duration.observe(duration.as_secs_f64());
    }

    /// The gauges of a route's places that work, and that do not.
    pub fn upstream_health(&self, route: &str) -> (IntGauge, IntGauge) {
        (self.upstreams_healthy.with_label_values(&[route]), self.upstreams_unhealthy.with_label_values(&[route]))
    }

    /// Notes between which times a listener's certificate is valid.
    pub fn certificate_validity(&self, listener: Listener, (from, until): (SystemTime, SystemTime)) {
        let listener = [listener.as_str()];
        self.certificate_start.with_label_values(&listener).set(unix_seconds(from));
        self.certificate_expiry.with_label_values(&listener).set(unix_seconds(until));
    }

    /// Counts a failed TLS handshake; `reason` is one of a few classes.
    pub fn handshake_failure(&self, listener: Listener, reason: &'static str) {
        self.handshake_failures.with_label_values(&[listener.as_str(), reason]).inc();
    }

    /// Everything in the Prometheus text format.
    pub fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// What is known of a request when its last byte is out.
#[derive(Debug)]
pub struct RequestFacts<'a> {
    /// Where it came in.
    pub listener: Listener,
    /// Whose it was.
    pub tenant: &'a TenantLabel,
    /// An AWS service of the configuration, `app` on the ingress, `_none` where none was made out.
    pub service: &'a str,
    /// `allowed`, `public`, `preflight` or `refused`.
    pub decision: &'static str,
    /// The status sent.
    pub status: u16,
    /// Whole duration.
    pub duration: Duration,
    /// Until the upstream's response head.
    pub upstream: Option<Duration>,
    /// Request body bytes.
    pub bytes_received: u64,
    /// Response body bytes.
    pub bytes_sent: u64,
}

fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn status_class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// Creates metrics and registers them in one step.
struct Register<'a>(&'a Registry);

impl Register<'_> {
    fn add<C: prometheus::core::Collector + Clone + 'static>(&self, collector: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::new(name, help)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.add(Gauge::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
        self.add(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn int_gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::new(name, help)?)
    }

    fn int_gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, prometheus::Error> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> Result<HistogramVec, prometheus::Error> {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_shows_up_under_every_name_it_should() {
        let metrics = Metrics::new().unwrap();
        metrics.request(&RequestFacts {
            listener: Listener::Egress,
            tenant: &TenantLabel::NONE,
            service: "s3",
            decision: "allowed",
            status: 200,
            duration: Duration::from_millis(3),
            upstream: Some(Duration::from_millis(2)),
            bytes_received: 5,
            bytes_sent: 7,
        });
        metrics.refusal(Listener::Egress, &TenantLabel::NONE, Reason::RateLimited);
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        for line in [
            "palisade_requests_total{decision=\"allowed\",listener=\"egress\",service=\"s3\",status_class=\"2xx\",tenant=\"_none\"} 1",
            "palisade_bytes_total{direction=\"received\",listener=\"egress\",tenant=\"_none\"} 5",
            "palisade_bytes_total{direction=\"sent\",listener=\"egress\",tenant=\"_none\"} 7",
            "palisade_refusals_total{listener=\"egress\",reason=\"rate-limited\",tenant=\"_none\"} 1",
            "palisade_rate_limited_total{limit=\"requests\",listener=\"egress\",tenant=\"_none\"} 1",
            "palisade_request_duration_seconds_count{listener=\"egress\",service=\"s3\"} 1",
            "palisade_build_info",
            "palisade_sts_requests_total{result=\"error\"} 0",
            "palisade_tenant_session_renewals_total{result=\"error\"} 0",
            "process_resident_memory_bytes",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
