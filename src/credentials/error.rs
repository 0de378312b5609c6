//! What can go wrong between Palisade and STS, and what follows from it.

use std::{path::PathBuf, time::Duration};

use crate::reject::{Reason, Refusal};

/// How long STS is left alone after it has throttled and did not say for how long.
const THROTTLED: Duration = Duration::from_secs(2);
/// The longest that one answer stands, whatever STS says.
const LONGEST: Duration = Duration::from_secs(60);

/// Why STS gave no credentials. Notes are for the log and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StsError {
    /// STS will not let the base identity assume the role in this way.
    #[error("STS denied the call: {0}")]
    Denied(String),
    /// STS did not accept the base identity itself.
    #[error("the base identity was not accepted: {0}")]
    Identity(String),
    /// STS does not take the request as configured.
    #[error("STS does not take {setting}: {note}")]
    Inputs {
        /// The setting of the plan.
        setting: &'static str,
        /// What STS said.
        note: String,
    },
    /// STS did not accept the caller's own token, or there is none.
    #[error("STS does not take the caller's token: {0}")]
    Token(String),
    /// Too many calls, by STS's count.
    #[error("STS is throttling: {note}")]
    Throttled {
        /// What STS said.
        note: String,
        /// How long it wants to be left alone, where it says that.
        retry_after: Option<Duration>,
    },
    /// Too many calls, by our own count (`credentials.budget`). Nothing was asked.
    #[error("{why}")]
    Crowded {
        /// What there is too much of.
        why: &'static str,
        /// When there may be room.
        retry_after: Duration,
    },
    /// STS has denied the tenant's last calls a moment ago. Nothing was asked.
    #[error("STS has denied every such call for this tenant of late; it is asked again in {} seconds", left.as_secs() + 1)]
    DeniedLately {
        /// How long it is not asked.
        left: Duration,
    },
    /// A role on the way to the tenant's was not to be had, so that the tenant's was not asked for.
    #[error("by way of {role}: {error}")]
    Hub {
        /// `RoleArn` of the role that was not.
        role: String,
        /// What was answered there.
        error: Box<Self>,
    },
    /// No answer, or none that can be used.
    #[error("STS is not available: {0}")]
    Unavailable(String),
}

impl StsError {
    /// The value of the `result` label.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Denied(_) | Self::DeniedLately { .. } | Self::Token(_) => "denied",
            Self::Throttled { .. } | Self::Crowded { .. } => "throttled",
            Self::Hub { error, .. } => error.label(),
            Self::Identity(_) | Self::Inputs { .. } | Self::Unavailable(_) => "error",
        }
    }

    /// How long the answer stands before STS is asked again for the same inputs.
    ///
    /// Long enough that a refused tenant's requests do not eat the account's STS quota, short enough that a repaired trust
    /// policy or a recovered STS is noticed at once by human measure.
    pub(super) fn stands_for(&self) -> Duration {
        match self {
            Self::Denied(_) | Self::Inputs { .. } | Self::Token(_) => Duration::from_secs(5),
            Self::Throttled { retry_after, .. } => retry_after.map_or(THROTTLED, |after| after.clamp(THROTTLED, LONGEST)),
            // Room can be found at any moment, and whoever asks again waits in line again.
            Self::Crowded { retry_after, .. } => (*retry_after).min(LONGEST),
            Self::DeniedLately { left } => *left,
            Self::Hub { error, .. } => error.stands_for(),
            Self::Identity(_) | Self::Unavailable(_) => Duration::from_secs(1),
        }
    }

    /// The same, with the time for which STS wants to be left alone.
    pub(super) fn retry_after(self, after: Option<Duration>) -> Self {
        match self {
            Self::Throttled { note, .. } => Self::Throttled { note, retry_after: after },
            other => other,
        }
    }

    /// The same, told again while it stands for `left` more.
    pub(super) fn left(self, left: Duration) -> Self {
        match self {
            Self::Throttled { note, .. } => Self::Throttled { note, retry_after: Some(left) },
            Self::Crowded { why, .. } => Self::Crowded { why, retry_after: left },
            Self::Hub { role, error } => Self::Hub { role, error: Box::new(error.left(left)) },
            other => other,
        }
    }

    /// What the request is told; `key` is that of the plan.
    pub(super) fn refusal(&self, key: &str) -> Refusal {
        let note = self.to_string();
        match self {
            Self::Denied(_) | Self::DeniedLately { .. } | Self::Token(_) => Refusal::noted(Reason::CredentialsDenied, note),
            Self::Throttled { .. } | Self::Crowded { .. } => {
                Refusal::noted(Reason::CredentialsThrottled, note).retry_after(self.stands_for())
            }
            Self::Hub { error, .. } => Refusal { note: Some(note.into()), ..error.refusal(key) },
            Self::Inputs { setting, note } => Refusal::noted(Reason::PlanIncomplete, format!("STS does not take {key}.{setting}: {note}")),
            Self::Identity(_) | Self::Unavailable(_) => Refusal::noted(Reason::CredentialsUnavailable, note).retry_after(self.stands_for()),
        }
    }
}

/// Why Palisade cannot get ready to call STS.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file of extra roots cannot be read.
    #[error("{path}: {source}", path = path.display())]
    CaUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of extra roots holds something else, or nothing.
    #[error("{path}: not a PEM file of certificates", path = path.display())]
    CaInvalid {
        /// The file.
        path: PathBuf,
    },
}
