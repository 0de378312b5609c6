//! What came of a reload, and the one place in which it is told.

use std::path::Path;

use crate::{app::StartError, telemetry::Recorder};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The new configuration is in force. Settings in which it differs from the one before, by name, without values.
    Applied {
        /// In order.
        settings: Vec<String>,
        /// Of the new one, for the audit log.
        digest: String,
    },
    /// The old one stays in force. Why, with file, line and setting where there is one.
    Rejected(Rejection),
    /// The files say what is in force already.
    Unchanged,
}

/// Why a configuration is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejection {
    /// What of it.
    pub(super) part: Refused,
    /// For operators; no secret.
    pub(super) why: String,
}

/// What of a configuration keeps it from being taken, for a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// No way to the application is known to work.
    Application,
    /// A listener's certificate.
    Certificates,
    /// The base identity, or STS.
    Credentials,
    /// Tenants or users.
    Directory,
    /// Nothing of it: a fault of Palisade.
    Fault,
    /// It cannot be read, or is none, or one of the files that it names cannot be used.
    Files,
    /// An issuer's keys.
    Keys,
    /// Whatever else is waited for.
    Other,
    /// Cedar policies.
    Policies,
    /// It differs in what holds for the life of the process.
    Restart,
    /// Connections to the application or to AWS.
    Upstreams,
    /// Work of no tenant.
    Workloads,
}

impl Refused {
    /// All there are, in order.
    pub(super) const ALL: [Self; 12] = [
        Self::Application,
        Self::Certificates,
        Self::Credentials,
        Self::Directory,
        Self::Fault,
        Self::Files,
        Self::Keys,
        Self::Other,
        Self::Policies,
        Self::Restart,
        Self::Upstreams,
        Self::Workloads,
    ];

    /// What a check of readiness is about, by its name.
    pub(super) fn of_check(name: &str) -> Self {
        match name {
            "application" => Self::Application,
            "base_identity" => Self::Credentials,
            "keys" => Self::Keys,
            "tenants" => Self::Directory,
            _ => Self::Other,
        }
    }

    /// The value of the metric's `part`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Certificates => "certificates",
            Self::Credentials => "credentials",
            Self::Directory => "directory",
            Self::Fault => "fault",
            Self::Files => "files",
            Self::Keys => "keys",
            Self::Other => "other",
            Self::Policies => "policies",
            Self::Restart => "restart",
            Self::Upstreams => "upstreams",
            Self::Workloads => "workloads",
        }
    }
}

impl From<StartError> for Rejection {
    fn from(error: StartError) -> Self {
        let part = match &error {
            StartError::Audit(_)
            | StartError::Bind { .. }
            | StartError::Cors
            | StartError::Metrics(_)
            | StartError::Randomness
            | StartError::Socket { .. }
            | StartError::Thread(_)
            | StartError::Traces(_) => Refused::Other,
            StartError::BaseIdentity(_) | StartError::Credentials(_) => Refused::Credentials,
            StartError::Directory(_) => Refused::Directory,
            StartError::Keys { .. } => Refused::Keys,
            StartError::Policies(_) => Refused::Policies,
            StartError::Tls { .. } => Refused::Certificates,
            StartError::Upstream(_) => Refused::Upstreams,
            StartError::Workload(_) => Refused::Workloads,
        };
        Self { part, why: error.to_string() }
    }
}

/// Notes what the configuration in the files is refused for; nothing where it is in use.
pub(super) fn note(refused: Option<Refused>, recorder: &Recorder) {
    let Recorder { metrics, clock, .. } = recorder;
    metrics.config_in_use(refused.is_none().then(|| clock.now()));
    for part in Refused::ALL {
        metrics.config_refused(part.as_str(), refused == Some(part));
    }
}

/// Tells operators: log, metrics, and whatever else wants to know that the configuration is another one.
pub(super) fn announce(outcome: &Outcome, path: &Path, recorder: &Recorder) {
    let metrics = &recorder.metrics;
    match outcome {
        Outcome::Applied { settings, digest } => {
            metrics.reconfigured(settings, digest);
            note(None, recorder);
            let changed = settings.join(", ");
            tracing::info!(path = %path.display(), changed, "the changed configuration is in use");
        }
        Outcome::Rejected(Rejection { part, why: errors }) => {
            metrics.config_reload("configuration", false);
            note(Some(*part), recorder);
            tracing::error!(path = %path.display(), part = part.as_str(), errors, "the changed configuration cannot be used; the old one stays in use");
        }
        Outcome::Unchanged => {
            metrics.config_unchanged();
            note(None, recorder);
            tracing::info!(path = %path.display(), "the configuration was read again and says what is in use already");
        }
    }
}
