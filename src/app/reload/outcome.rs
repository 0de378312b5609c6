//! What came of a reload, and the one place in which it is told.

use std::path::Path;

use crate::telemetry::Recorder;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The new configuration is in force. Settings in which it differs from the one before, by name, without values.
    Applied {
        /// In order.
        settings: Vec<String>,
    },
    /// The old one stays in force. Why, with file, line and setting where there is one.
    Rejected(String),
    /// The files say what is in force already.
    Unchanged,
}

/// Tells operators: log, metrics, and whatever else wants to know that the configuration is another one.
pub(super) fn announce(outcome: &Outcome, path: &Path, recorder: &Recorder) {
    let Recorder { metrics, clock, .. } = recorder;
    match outcome {
        Outcome::Applied { settings } => {
            metrics.config_reload("configuration", true);
            metrics.config_in_use(Some(clock.now()));
            let changed = settings.join(", ");
            tracing::info!(path = %path.display(), changed, "the changed configuration is in use");
        }
        Outcome::Rejected(errors) => {
            metrics.config_reload("configuration", false);
            metrics.config_in_use(None);
            tracing::error!(path = %path.display(), errors, "the changed configuration cannot be used; the old one stays in use");
        }
        Outcome::Unchanged => {
            metrics.config_unchanged();
            metrics.config_in_use(Some(clock.now()));
            tracing::info!(path = %path.display(), "the configuration was read again and says what is in use already");
        }
    }
}
