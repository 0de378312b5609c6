//! Users, where a directory of them says whom they act for.
//!
//! With such a directory a token proves the user and nothing more. The tenant, the roles and the attributes are the
//! directory's, so they change when it changes, and not when the token ends. Where it comes from is another room's business
//! ([`Users`]); what a record allows is decided here, in one place ([`ActiveUser::admit`]).

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use crate::{
    reject::{Reason, Refusal},
    tenant::TenantId,
};

/// What the directory says of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// Whether the user may do anything.
    pub status: UserStatus,
    /// The tenant that the user acts for now.
    pub active_tenant: Option<TenantId>,
    /// The tenants that the user belongs to, with the roles in each.
    pub memberships: BTreeMap<TenantId, Vec<String>>,
    /// Free values for templates.
    pub attributes: BTreeMap<String, String>,
}

/// `status` of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserStatus {
    /// Served.
    Active,
    /// Refused.
    Suspended,
}

/// What is known of a user without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recalled {
    /// This.
    Record(Arc<UserRecord>),
    /// There is no such user.
    Unknown,
    /// Nothing.
    Nothing,
}

/// Where users are looked up, by issuer and subject: one subject of two issuers is two users.
pub trait Users: Send + Sync + fmt::Debug {
    /// The user's record, not older than the directory's bound on staleness.
    ///
    /// Refused with [`Reason::UserUnknown`] where there is none, and with [`Reason::UsersUnavailable`] where that cannot be
    /// told.
    fn find<'a>(&'a self, issuer: &'a str, subject: &'a str) -> BoxFuture<'a, Result<Arc<UserRecord>, Refusal>>;

    /// What is at hand, for a look at many at once.
    fn recall(&self, issuer: &str, subject: &str) -> Recalled;

    /// How often a request in progress has to ask again; `None` where changes are announced.
    fn recheck(&self) -> Option<Duration>;
}

/// A user who may act, for exactly one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveUser {
    tenant: TenantId,
    record: Arc<UserRecord>,
}

impl ActiveUser {
    /// Decides what a record allows.
    ///
    /// # Errors
    /// [`Reason::UserSuspended`]; [`Reason::TenantNotActive`] where the user has no active tenant, or one that the user does
    /// not belong to. Which of several tenants a user acts for is never guessed, and never taken from the request.
    pub fn admit(record: Arc<UserRecord>) -> Result<Self, Refusal> {
        if record.status == UserStatus::Suspended {
            return Err(Reason::UserSuspended.into());
        }
        let tenant =
            record.active_tenant.clone().ok_or_else(|| Refusal::noted(Reason::TenantNotActive, "the user has no active tenant"))?;
        if !record.memberships.contains_key(&tenant) {
            return Err(Refusal::noted(Reason::TenantNotActive, "the user does not belong to the active tenant"));
        }
        Ok(Self { tenant, record })
    }

    /// Decides what a record allows for work that the user once asked for in the name of `tenant`.
    ///
    /// # Errors
    /// [`Reason::UserSuspended`]; [`Reason::TenantNotActive`] where the user does not belong to the tenant any more.
    pub fn admit_member(record: Arc<UserRecord>, tenant: &TenantId) -> Result<Self, Refusal> {
        Self::admit(Arc::new(UserRecord { active_tenant: Some(tenant.clone()), ..(*record).clone() }))
    }

    /// Whether `tenant` is the one that the user acts for.
    ///
    /// # Errors
    /// [`Reason::TenantNotActive`]
    pub fn acts_for(&self, tenant: &TenantId) -> Result<(), Refusal> {
        if &self.tenant == tenant { Ok(()) } else { Err(Reason::TenantNotActive.into()) }
    }

    /// The tenant that the user acts for.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The user's roles in that tenant.
    pub fn roles(&self) -> &[String] {
        self.record.memberships.get(&self.tenant).map_or(&[], Vec::as_slice)
    }

    /// The user's free values.
    pub fn attributes(&self) -> &BTreeMap<String, String> {
        &self.record.attributes
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn record(active: Option<&str>, memberships: &[(&str, &[&str])]) -> UserRecord {
        let roles = |roles: &[&str]| roles.iter().map(|role| (*role).to_owned()).collect();
        UserRecord {
            status: UserStatus::Active,
            active_tenant: active.map(|id| id.parse().unwrap()),
            memberships: memberships.iter().map(|(id, of)| (id.parse().unwrap(), roles(of))).collect(),
            attributes: BTreeMap::new(),
        }
    }

    #[test]
    fn a_user_acts_for_the_active_tenant_with_the_roles_of_that_one() {
        let record = record(Some("acme"), &[("acme", &["reader"]), ("globex", &["admin"])]);
        let user = ActiveUser::admit(Arc::new(record)).unwrap();
        assert_eq!((user.tenant().as_str(), user.roles()), ("acme", &["reader".to_owned()][..]));
        assert!(user.acts_for(&"acme".parse().unwrap()).is_ok());
        assert!(user.attributes().is_empty());
        let other = user.acts_for(&"globex".parse().unwrap()).unwrap_err();
        assert_eq!(other.reason, Reason::TenantNotActive, "a membership is not enough");
    }

    #[test]
    fn attributes_are_the_record_s() {
        let attributes: BTreeMap<_, _> = [("desk".to_owned(), "7".to_owned()), (String::new(), "x".to_owned())].into();
        let record = UserRecord { attributes: attributes.clone(), ..record(Some("acme"), &[("acme", &[])]) };
        assert_eq!(ActiveUser::admit(Arc::new(record)).unwrap().attributes(), &attributes);
    }

    #[test]
    fn deferred_work_needs_a_membership_and_not_the_active_tenant() {
        let elsewhere = Arc::new(record(Some("globex"), &[("acme", &["reader"]), ("globex", &["admin"])]));
        let user = ActiveUser::admit_member(elsewhere.clone(), &"acme".parse().unwrap()).unwrap();
        assert_eq!((user.tenant().as_str(), user.roles()), ("acme", &["reader".to_owned()][..]));
        assert_eq!(ActiveUser::admit_member(elsewhere, &"initech".parse().unwrap()).unwrap_err().reason, Reason::TenantNotActive);
        let suspended = UserRecord { status: UserStatus::Suspended, ..record(Some("acme"), &[("acme", &[])]) };
        assert_eq!(ActiveUser::admit_member(Arc::new(suspended), &"acme".parse().unwrap()).unwrap_err().reason, Reason::UserSuspended);
    }

    #[test]
    fn without_an_active_tenant_of_the_users_own_nothing_is_allowed() {
        let reason = |record: UserRecord| ActiveUser::admit(Arc::new(record)).unwrap_err().reason;
        assert_eq!(reason(record(None, &[("acme", &[])])), Reason::TenantNotActive, "a sole membership is no choice");
        assert_eq!(reason(record(Some("globex"), &[("acme", &[])])), Reason::TenantNotActive);
        assert_eq!(reason(record(Some("acme"), &[])), Reason::TenantNotActive);
        let suspended = UserRecord { status: UserStatus::Suspended, ..record(Some("acme"), &[("acme", &[])]) };
        assert_eq!(reason(suspended), Reason::UserSuspended);
    }
}
