//! Why a directory cannot be used.

use crate::{config::ConfigErrors, credentials::SetupError};

/// Why a directory of tenants or users cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file of records.
    #[error("{0}")]
    File(#[from] ConfigErrors),
    /// A table needs an identity to be read with, and there is none; a configuration that loads has one.
    #[error("{key}: there are no credentials to read it with; give credentials.source")]
    NoIdentity {
        /// Setting.
        key: &'static str,
    },
    /// A file of extra roots.
    #[error("{key}: {source}")]
    Roots {
        /// Setting.
        key: &'static str,
        /// What is wrong with it.
        source: SetupError,
    },
}
