//! `guard.cedar`

use super::Section;
use crate::config::{CedarConfig, GuardMode};

/// `mode` is that of the guard.
#[cfg(feature = "cedar")]
pub(super) fn policies(section: &Section<'_>, mode: GuardMode) -> Option<CedarConfig> {
    let own = if section.has("mode") { section.get("mode", super::mode)? } else { mode };
    if !section.has("mode") {
        section.set("mode", mode.as_str().into());
    }
    let policies = section.file_or_folder("policies")?;
    Some(CedarConfig { policies, mode: own })
}

/// What is not there cannot be on.
#[cfg(not(feature = "cedar"))]
pub(super) fn policies(section: &Section<'_>, _: GuardMode) -> Option<CedarConfig> {
    section.wrong(
        "policies",
        "cannot be read: this build of Palisade is without Cedar",
        "use one with the feature cedar, or remove guard.cedar",
    );
    None
}
