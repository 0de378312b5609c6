//! What differs between two configurations, and what that means for a process that runs on the first of them.
//!
//! The one table here says of every setting what it is part of. A part is made anew when a setting of it has changed, and is taken over
//! otherwise; what is [`Part::Start`] holds for the life of the process.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Config, settings::walk};

/// What a setting is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The operators' tokens.
    Admin,
    /// The way to the application: its connections, and what is known of its health.
    Application,
    /// The certificates of listeners.
    Certificates,
    /// Signed contexts and their keys.
    Context,
    /// Who Palisade is at AWS, and STS.
    Base,
    /// Tenants, and what becomes of those that are suspended.
    Tenants,
    /// Whatever the egress does beside the parts that have a name here; its connections to AWS too.
    Egress,
    /// Rules of the guard.
    Guard,
    /// Issuers, their keys, and what is remembered of their tokens.
    Identity,
    /// Whatever the ingress does beside the parts that have a name here.
    Ingress,
    /// What one tenant may use.
    Limits,
    /// The level of messages.
    Logs,
    /// What passports are worth.
    Passports,
    /// What is asked of STS for a tenant.
    Plans,
    /// Cedar policies.
    Policies,
    /// Room for public requests.
    PublicRoom,
    /// How the process ends.
    Shutdown,
    /// Nothing that can be made anew while requests are served.
    Start,
    /// Users.
    Users,
    /// Sessions that are fetched before requests come.
    WarmUp,
    /// Work of no tenant.
    Workloads,
}

/// Settings, and what is below them, by the part that they are of. The longest that fits holds.
const PARTS: &[(&str, Part)] = &[
    ("ingress", Part::Ingress),
    // A socket is bound before anything is served, and is never given up.
    ("ingress.listen", Part::Start),
    ("ingress.tls", Part::Certificates),
    // On what terms a client was let in must not change under a mapping of its certificate.
    ("ingress.tls.client_ca", Part::Start),
    ("ingress.tls.client_auth", Part::Start),
    ("ingress.tls.client_crl", Part::Start),
    ("ingress.upstream", Part::Application),
    ("ingress.routes", Part::Application),
    ("ingress.protocol", Part::Application),
    ("ingress.upstream_ca", Part::Application),
    ("ingress.upstream_addresses", Part::Application),
    ("ingress.balance", Part::Application),
    ("ingress.max_upstreams", Part::Application),
    ("ingress.health", Part::Application),
    ("ingress.timeouts", Part::Application),
    ("ingress.context", Part::Context),
    ("ingress.public_concurrent", Part::PublicRoom),
    // Connections are taken under these, and outlive a reload.
    ("ingress.server", Part::Start),
    ("egress", Part::Egress),
    ("egress.listen", Part::Start),
    ("egress.socket", Part::Start),
    ("egress.tls", Part::Certificates),
    ("egress.tls.client_ca", Part::Start),
    ("egress.tls.client_auth", Part::Start),
    ("egress.tls.client_crl", Part::Start),
    ("egress.server", Part::Start),
    ("admin", Part::Admin),
    ("admin.listen", Part::Start),
    ("admin.server", Part::Start),
    ("probes.listen", Part::Start),
    ("probes.server", Part::Start),
    ("identity", Part::Identity),
    ("identity.passport", Part::Passports),
    ("tenants", Part::Tenants),
    ("users", Part::Users),
    ("credentials", Part::Plans),
    ("credentials.source", Part::Base),
    ("credentials.shared_with_application", Part::Base),
    ("credentials.sts", Part::Base),
    // What has been spent must not be there again.
    ("credentials.budget", Part::Start),
    ("credentials.max_sessions", Part::Start),
    ("credentials.warm_up", Part::WarmUp),
    ("workloads", Part::Workloads),
    ("guard", Part::Guard),
    ("guard.cedar", Part::Policies),
    ("limits", Part::Limits),
    ("server", Part::Start),
    // Followed by a task of the process.
    ("resources", Part::Start),
    ("shutdown", Part::Shutdown),
    ("telemetry.audit", Part::Start),
    ("telemetry.logs", Part::Logs),
    // Lines that are under way have the form of those before them.
    ("telemetry.logs.format", Part::Start),
    ("telemetry.logs.sample", Part::Start),
    // Labels that were given out are counted for the life of the process.
    ("telemetry.metrics", Part::Start),
    ("telemetry.traces", Part::Start),
];

/// The settings that differ, in order, as messages call them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change(BTreeSet<String>);

impl Config {
    /// What is otherwise in `new`.
    pub(crate) fn change_to(&self, new: &Self) -> Change {
        let mut settings = BTreeSet::new();
        differences(&self.effective, &new.effective, &mut String::new(), &mut settings);
        settings.extend(self.companions.changed(&new.companions).map(str::to_owned));
        let is_there = |config: &Self| config.egress.as_ref().map(|egress| egress.tls.is_some());
        // A listener serves in TLS or not at all times.
        if is_there(self) != is_there(new) {
            settings.insert("egress.tls".to_owned());
        }
        Change(settings)
    }
}

impl Change {
    /// Whether there is none.
    pub(crate) fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something of `part` has changed.
    pub(crate) fn concerns(&self, part: Part) -> bool {
        self.0.iter().any(|setting| part_of(setting) == part)
    }

    /// Whether something of any of `parts` has changed.
    pub(crate) fn concerns_any(&self, parts: &[Part]) -> bool {
        parts.iter().any(|part| self.concerns(*part))
    }

    /// The settings.
    pub(crate) fn settings(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Those of them that hold for the life of the process.
    pub(crate) fn of_the_start(&self) -> Vec<&str> {
        self.settings().filter(|setting| part_of(setting) == Part::Start).collect()
    }
}

/// The part that `setting` is of. What is in no row of the table cannot be changed: that is the safe side.
fn part_of(setting: &str) -> Part {
    // Whether there is TLS at all, which none of its settings says.
    if setting == "egress.tls" {
        return Part::Start;
    }
    let is_at_or_below = |row: &str| setting.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    let rows = PARTS.iter().filter(|(row, _)| is_at_or_below(row));
    rows.max_by_key(|(row, _)| row.len()).map_or(Part::Start, |(_, part)| *part)
}

/// The settings of a section; none of what is not there.
fn section<'v>(value: &'v Value, nothing: &'v Map<String, Value>) -> Option<&'v Map<String, Value>> {
    if value.is_null() { Some(nothing) } else { value.as_object() }
}

/// Notes where two effective configurations differ. What is unset is as good as what is not there.
fn differences(old: &Value, new: &Value, path: &mut String, found: &mut BTreeSet<String>) {
    let nothing = Map::new();
    let length = path.len();
    match (old, new) {
        (Value::Null, Value::Null) => {}
        (Value::Array(olds), Value::Array(news)) if olds.len() == news.len() => {
            for (number, (old, new)) in olds.iter().zip(news).enumerate() {
                path.push_str(&format!("[{number}]"));
                differences(old, new, path, found);
                path.truncate(length);
            }
        }
        _ => match (section(old, &nothing), section(new, &nothing)) {
            // A section of nothing but defaults is one that has come, or gone, all the same.
            (Some(olds), Some(news)) if !(olds.is_empty() && news.is_empty()) => {
                let keys: BTreeSet<_> = olds.keys().chain(news.keys()).collect();
                for key in keys {
                    path.push_str(&walk::step(length == 0, key));
                    differences(olds.get(key).unwrap_or(&Value::Null), news.get(key).unwrap_or(&Value::Null), path, found);
                    path.truncate(length);
                }
            }
            _ if old != new => drop(found.insert(path.clone())),
            _ => {}
        },
    }
}

#[cfg(test)]
mod tests;
