//! An audit log that proves less than it could.

use crate::config::{Config, OnFailure};

/// What should be known of it.
pub(super) fn warnings(warn: &mut dyn FnMut(String), config: &Config) {
    let Some(audit) = &config.telemetry.audit else { return };
    // One that is in a file is not looked for with --without-files.
    if audit.checkpoint.key.is_none() && config.effective.pointer("/telemetry/audit/checkpoint/key").is_none() {
        warn(
            "telemetry.audit.checkpoint.key is unset: each start draws a key, and who has not fetched its public half (GET /audit/key) can prove nothing"
                .to_owned(),
        );
    }
    if audit.on_failure == OnFailure::Continue {
        warn("telemetry.audit.on_failure is continue: what cannot be recorded is done all the same".to_owned());
    }
}
