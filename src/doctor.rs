//! What a configuration relies on, looked at from where it runs.
//!
//! `palisade check` reads files; this asks the others: the clock against STS's, issuers for their keys, STS for who Palisade is and
//! for a session of a tenant. Every finding names its setting, and what would be right.
//!
//! *Default zero access* is looked at from both sides, and neither can prove it. IAM's simulator, asked with the operator's profile, says what
//! the base identity's policies allow on every resource, and not what they allow on a single one. Without a profile, harmless calls (lists of
//! one entry) are tried: a denial says of that call alone that it is denied. So both read "not disproved".
//!
//! What is issued on the way (tenant sessions) is dropped at once; nothing is written, neither here nor at AWS, but CloudTrail sees
//! the calls. No secret and no token is printed.

mod aws;
mod base;
mod explain;
mod files;
mod keys;
mod plan;
mod report;
mod simulation;
mod tenant;

use std::time::Duration;

pub use self::report::{Finding, Level, Report};
use crate::{
    app,
    clock::Clock,
    config::{Config, CredentialsSource, Endpoint, StsConfig},
    credentials::{Budget, Readers},
    skew::Skew,
    telemetry::Metrics,
    tenant::TenantId,
};

/// Longest wait for one answer of AWS.
const LIMIT: Duration = Duration::from_secs(10);

/// What to look at besides the configuration.
#[derive(Debug, Default)]
pub struct Options {
    /// Whose plan is tried.
    pub tenant: Option<TenantId>,
    /// What callers would bring: values of `subject`, `claims.email`, ...
    pub values: Vec<(String, String)>,
    /// The operator's profile, with which IAM's simulator is asked.
    pub profile: Option<String>,
    /// Where IAM is, when it is not AWS's own.
    pub iam: Option<Endpoint>,
}

/// Looks at everything. Never fails: what cannot be looked at is a finding too.
pub async fn examine(config: &Config, file: &str, options: &Options, clock: &Clock) -> Report {
    let mut report = Report::default();
    let metrics = match Metrics::new() {
        Ok(metrics) => metrics,
        Err(error) => {
            report.add(Level::Failure, "metrics", error.to_string(), "");
            return report;
        }
    };
    match app::probe(config, file) {
        Ok(()) => report.ok("files", "every file that is named can be used"),
        Err(errors) => report.add(Level::Failure, "files", errors.to_string(), "palisade check says the same, offline"),
    }
    files::examine(&mut report, config, clock);
    keys::examine(&mut report, config).await;
    let skew = Skew::new(clock.clone(), metrics.clone());
    let known = match identity(config) {
        None => {
            report.ok("credentials", "none are configured: Palisade asks AWS for nothing");
            None
        }
        Some((CredentialsSource::Nobody, _)) => {
            report.ok("credentials.source", "none, and none is needed: tokens are the authority of every plan");
            None
        }
        Some((source, sts)) => base::examine(&mut report, source, sts, clock, &skew).await.map(|known| (known, sts)),
    };
    let readers = known.as_ref().map(|(known, sts)| Readers::new(&known.identity, sts, &skew));
    let record = tenant::examine(&mut report, config, readers, options.tenant.as_ref(), (clock, &metrics)).await;
    if let Some((known, sts)) = &known {
        known.zero_access(&mut report, config, sts, options).await;
        if let Some(profile) = &options.profile {
            simulation::examine(&mut report, sts, &known.who, profile, options.iam.as_ref(), clock).await;
        }
    }
    match (&config.credentials, &record) {
        (Some(credentials), Some(record)) => {
            let budget = Budget::new(credentials, clock.clone(), metrics);
            let known = known.as_ref().map(|(known, _)| known);
            let supposed = plan::Supposed { record, given: &options.values, issuer: plan::first_issuer(config) };
            plan::examine(&mut report, config, credentials, known, (&skew, &budget), &supposed).await;
        }
        (Some(credentials), None) if options.tenant.is_none() => {
            for plan in credentials.plans.all() {
                report.add(Level::Warning, plan.key.as_str(), "was not tried", "give --tenant ID of a tenant that exists");
            }
        }
        (Some(_), None) | (None, _) => {}
    }
    report
}

/// Who Palisade is when it calls AWS, if it does.
fn identity(config: &Config) -> Option<(&CredentialsSource, &StsConfig)> {
    let of_base = || config.base.as_ref().map(|base| (&base.source, &base.sts));
    config.credentials.as_ref().map(|credentials| (&credentials.source, &credentials.sts)).or_else(of_base)
}
