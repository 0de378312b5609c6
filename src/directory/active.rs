//! The proof that a verified tenant is in the directory and may act.
//!
//! A leaf: nothing else can build an [`ActiveTenant`].

use std::sync::Arc;

use super::{Heard, TenantRecord};
use crate::{
    identity::{ActiveUser, Entitled, VerifiedTenant},
    reject::{Reason, Refusal},
    tenant::TenantId,
};

/// A tenant that a verified proof names, that the directory knows, for which the proof's issuer may speak, and that is not suspended.
///
/// From here on this one value stands for the tenant: limits, credentials and signing take it, never an id and a record.
#[derive(Debug, Clone)]
pub struct ActiveTenant {
    verified: Arc<VerifiedTenant>,
    record: Arc<TenantRecord>,
    /// Without it there is no value of this type: a proof that depends on the record cannot be joined without looking.
    _entitled: Entitled,
    /// As the directory of users has it now, which may be newer than what the proof was checked with.
    user: Option<ActiveUser>,
    heard: Option<Heard>,
}

impl ActiveTenant {
    /// Joins a proof and a record. They must be of the same tenant; that they are not is a fault of ours, and refused.
    ///
    /// # Errors
    /// [`Reason::TenantSuspended`]; [`Reason::IssuerNotForTenant`] where the issuer's right hangs on the record.
    pub fn join(verified: Arc<VerifiedTenant>, record: Arc<TenantRecord>) -> Result<Self, Refusal> {
        let entitled = Self::may_be(&verified, &record)?;
        let user = verified.user().cloned();
        Ok(Self { verified, record, _entitled: entitled, user, heard: None })
    }

    /// Whether a proof and a record could be joined.
    ///
    /// # Errors
    /// As [`ActiveTenant::join`].
    pub(super) fn may_be(verified: &VerifiedTenant, record: &TenantRecord) -> Result<Entitled, Refusal> {
        if verified.tenant() != &record.id {
            return Err(Refusal::noted(Reason::Internal, "the directory answered with another tenant's record"));
        }
        let entitled = verified.discharge(|name| record.attributes.get(name).map(String::as_str))?;
        record.may_act()?;
        Ok(entitled)
    }

    /// The same with what the directory of users says now, and hearing of changes since then.
    pub(super) fn seen(self, user: Option<ActiveUser>, heard: Heard) -> Self {
        Self { user: user.or(self.user), heard: Some(heard), ..self }
    }

    /// Where changes since the look that made this are heard of.
    pub(super) fn heard(&self) -> Option<&Heard> {
        self.heard.as_ref()
    }

    /// What the directory of users says; `None` without one.
    pub fn user(&self) -> Option<&ActiveUser> {
        self.user.as_ref()
    }

    /// The tenant.
    pub fn id(&self) -> &TenantId {
        &self.record.id
    }

    /// What was proved: subject, roles, claims, expiry.
    pub fn verified(&self) -> &Arc<VerifiedTenant> {
        &self.verified
    }

    /// Whether the directory says the same of both.
    pub(crate) fn has_record_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.record, &other.record) || self.record == other.record
    }

    /// What the directory says.
    pub fn record(&self) -> &TenantRecord {
        &self.record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::TokenFacts;

    /// The same record, read again, is no change; whatever it says otherwise is one.
    #[test]
    fn a_record_that_changed_is_told_from_one_that_was_read_again() {
        let record = TenantRecord::bare("acme".parse().unwrap());
        let of = |record: TenantRecord| ActiveTenant::join(VerifiedTenant::for_tests("acme"), Arc::new(record)).unwrap();
        assert!(of(record.clone()).has_record_of(&of(record.clone())));
        let moved = TenantRecord { account: Some("111122223333".into()), ..record.clone() };
        assert!(!of(moved).has_record_of(&of(record)));
    }

    #[test]
    fn an_issuer_that_is_bound_speaks_for_the_tenants_that_name_it_alone() {
        let named = |issuer: Option<&str>| {
            let mut record = TenantRecord::bare("acme".parse().unwrap());
            record.attributes.extend(issuer.map(|issuer| ("idp".to_owned(), issuer.to_owned())));
            let facts =
                TokenFacts { issuer: "https://idp.test/", subject: "u", token_id: None, context_id: None, issued_at: None, tenants: &[] };
            let verified = VerifiedTenant::for_tests_of("acme", facts, Some("idp"), None);
            ActiveTenant::join(verified, Arc::new(record)).map(drop).map_err(|refusal| refusal.reason)
        };
        assert_eq!(named(Some("https://idp.test/")), Ok(()));
        for other in [None, Some(""), Some("https://idp.test"), Some("https://other.test/")] {
            assert_eq!(named(other), Err(Reason::IssuerNotForTenant), "{other:?}");
        }
    }
}
