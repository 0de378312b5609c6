//! What the policies said, for whoever wrote the request.

use super::ask::Answered;

/// A question to the policies, and their answer. It may have the tenant's data in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// In IAM's words.
    pub(crate) action: String,
    /// `Palisade::Object::"pool/acme/x"`
    pub(crate) resource: String,
    pub(crate) is_permitted: bool,
    /// The policies that decided: those that permit, or those that forbid. None where none is about it.
    pub(crate) policies: Vec<String>,
    /// Policies that could not be evaluated, and why.
    pub(crate) errors: Vec<String>,
}

impl Answered<'_> {
    pub(super) fn shown(&self) -> Asked {
        Asked {
            action: self.action.to_owned(),
            resource: self.resource.uid.to_string(),
            is_permitted: self.is_permitted(),
            policies: self.reasons().into_iter().map(str::to_owned).collect(),
            errors: self.response.diagnostics().errors().map(ToString::to_string).collect(),
        }
    }
}
