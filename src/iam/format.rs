//! Forms in which documents are printed.

pub(super) mod cloudformation;
pub(super) mod json;
pub(super) mod terraform;

use super::text::Open;

/// What the value of a parameter looks like: nothing that means something to IAM.
fn pattern(open: &Open) -> &'static str {
    use crate::config::template::Name;
    match open {
        Open::Base | Open::Admin => "arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[A-Za-z0-9_+=,.@/-]+",
        Open::Account | Open::Value(Name::TenantAccount) => "[0-9]{12}",
        Open::Value(Name::TenantId) => "[A-Za-z0-9][A-Za-z0-9._-]{1,63}",
        Open::Value(_) => "[A-Za-z0-9_+=,.@:/-]+",
        Open::Bucket | Open::Table | Open::Collection | Open::Index => "[A-Za-z0-9._-]+",
    }
}
