//! What can go wrong between Palisade and STS, and what follows from it.

use std::{path::PathBuf, time::Duration};

use crate::reject::{Reason, Refusal};

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
    #[error("STS does not take credentials.assume_role.{setting}: {note}")]
    Inputs {
        /// The setting below `credentials.assume_role`.
        setting: &'static str,
        /// What STS said.
        note: String,
    },
    /// Too many calls.
    #[error("STS is throttling: {0}")]
    Throttled(String),
    /// No answer, or none that can be used.
    #[error("STS is not available: {0}")]
    Unavailable(String),
}

impl StsError {
    /// The value of the `result` label.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Throttled(_) => "throttled",
            Self::Identity(_) | Self::Inputs { .. } | Self::Unavailable(_) => "error",
        }
    }

    /// How long the answer stands before STS is asked again for the same inputs.
    ///
    /// Long enough that a refused tenant's requests do not eat the account's STS quota, short enough that a repaired trust
    /// policy or a recovered STS is noticed at once by human measure.
    pub(super) fn stands_for(&self) -> Duration {
        match self {
            Self::Denied(_) | Self::Inputs { .. } => Duration::from_secs(5),
            Self::Throttled(_) => Duration::from_secs(2),
            Self::Identity(_) | Self::Unavailable(_) => Duration::from_secs(1),
        }
    }

    /// What the request is told.
    pub(super) fn refusal(&self) -> Refusal {
        let note = self.to_string();
        match self {
            Self::Denied(_) => Refusal::noted(Reason::CredentialsDenied, note),
            Self::Inputs { .. } => Refusal::noted(Reason::PlanIncomplete, note),
            Self::Identity(_) | Self::Throttled(_) | Self::Unavailable(_) => {
                Refusal::noted(Reason::CredentialsUnavailable, note).retry_after(self.stands_for())
            }
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
