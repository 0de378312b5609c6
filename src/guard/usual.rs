//! What may be done where a rule does not say.

use super::{dynamodb, s3, search};
use crate::aws::{
    action::{self, Actions},
    resource::table::Table,
};

/// The actions that a rule of `guard.<section>` allows when it has no `actions`; `None` for what is no such section.
pub(crate) fn usual(section: &str) -> Option<Actions> {
    match section {
        "dynamodb" => dynamodb::USUAL_ACTIONS.clone(),
        "s3" => s3::USUAL_ACTIONS.clone(),
        "aoss" | "es" => search::usual(section),
        _ => Table::of(section).and_then(|table| action::of_operations(table.signing_name(), table.usual_operations())),
    }
}
