//! Plans remembered, so that a request renders no template and builds no policy.
//!
//! A plan is a pure function of the configuration, which does not change, and of the values that its placeholders stand
//! for. Those few short values are the key here. Which placeholders there are is learned from the first plan that
//! succeeds: rendering has then asked for every one of them. Where the caller's own token is part of a plan, what it says is
//! part of the key.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{Arc, OnceLock},
};

use dashmap::DashMap;

use super::{
    cache::Owned,
    owner::Owner,
    plan::{Authority, CallersToken, StsInputs, callers_token, plan},
    values::TenantValues,
};
use crate::{
    config::{
        PlanConfig,
        template::{Name, Values},
    },
    directory::{ActiveTenant, TenantRecord},
    reject::{Reason, Refusal},
};

/// Inputs with their hash beside them, since a session policy is long and is looked up on every request.
///
/// Equality is that of the whole inputs; the hash only speeds up the search.
#[derive(Debug)]
pub(super) struct Plan {
    hash: u64,
    inputs: StsInputs,
    /// The plan's place in the configuration, for messages. Equal inputs of two places are one session.
    key: Arc<str>,
}

impl Plan {
    /// One that stands at `key`. `hasher` is that of all plans that may meet in one cache.
    pub(super) fn new(inputs: StsInputs, key: Arc<str>, hasher: &RandomState) -> Arc<Self> {
        Arc::new(Self { hash: hasher.hash_one(&inputs), inputs, key })
    }

    pub(super) fn inputs(&self) -> &StsInputs {
        &self.inputs
    }

    /// Where it stands in the configuration.
    pub(super) fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// Whether its session can be renewed without a request at hand. One that rests on a caller's token cannot: by then the
    /// caller may have gone.
    pub(super) fn is_renewable(&self) -> bool {
        !matches!(self.inputs.authority, Authority::Caller(_))
    }
}

impl Owned for Plan {
    type Owner = Owner;

    fn owner(&self) -> Owner {
        self.inputs.owner.clone()
    }
}

impl PartialEq for Plan {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || (self.hash == other.hash && self.inputs == other.inputs)
    }
}

impl Eq for Plan {}

impl Hash for Plan {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Makes plans and remembers them.
pub(super) struct Planner {
    config: PlanConfig,
    key: Arc<str>,
    region: String,
    /// Every placeholder of the configuration; empty until a plan has succeeded.
    names: OnceLock<Vec<Name>>,
    known: DashMap<Box<[u8]>, Arc<Plan>>,
    max: usize,
    /// Seeded: subjects and claims come from callers, who must not be able to make hashes collide.
    hasher: RandomState,
}

impl Planner {
    /// Remembers at most `max` plans.
    ///
    /// `hasher` is one for all planners whose plans may meet in one cache.
    pub(super) fn new(config: &PlanConfig, region: &str, max: usize, hasher: RandomState) -> Self {
        let (names, known, key) = (OnceLock::new(), DashMap::new(), config.key.as_str().into());
        Self { config: config.clone(), key, region: region.to_owned(), names, known, max, hasher }
    }

    /// What to ask STS for `tenant`. Errors as [`plan`].
    pub(super) fn plan(&self, tenant: &ActiveTenant) -> Result<Arc<Plan>, Refusal> {
        let plan = match self.remembered(tenant) {
            Some(plan) => plan,
            None => self.make(tenant)?,
        };
        if !plan.inputs.owner.is_tenant(tenant.id()) {
            tracing::error!(tenant = %tenant.id(), "a plan of another tenant was found");
            return Err(Refusal::noted(Reason::Internal, "a plan of another tenant was found"));
        }
        Ok(plan)
    }

    /// What to ask STS for the tenant of `record` when nothing is known of a user. Errors as [`plan`].
    ///
    /// Equal to what [`Planner::plan`] makes for a request that adds nothing to the record.
    pub(super) fn of_record(&self, record: &TenantRecord) -> Result<Arc<Plan>, Refusal> {
        let inputs = plan(&self.config, &self.region, &TenantValues::of_record(record))?;
        Ok(self.keyed(inputs))
    }

    fn remembered(&self, tenant: &ActiveTenant) -> Option<Arc<Plan>> {
        let key = self.known_as(tenant, self.names.get()?);
        self.known.get(&*key).map(|plan| Arc::clone(&plan))
    }

    fn make(&self, tenant: &ActiveTenant) -> Result<Arc<Plan>, Refusal> {
        let values = TenantValues::new(tenant);
        let inputs = plan(&self.config, &self.region, &values)?;
        let made = self.keyed(inputs);
        let asked = values.into_asked();
        if self.names.get_or_init(|| asked.clone()) == &asked {
            // Starting over is cheaper than keeping an order of use: what is lost is rendered again.
            if self.known.len() >= self.max {
                self.known.clear();
            }
            self.known.insert(self.known_as(tenant, &asked), Arc::clone(&made));
        }
        Ok(made)
    }

    fn keyed(&self, inputs: StsInputs) -> Arc<Plan> {
        Plan::new(inputs, Arc::clone(&self.key), &self.hasher)
    }

    fn known_as(&self, tenant: &ActiveTenant, names: &[Name]) -> Box<[u8]> {
        let token = if self.config.uses_callers_token() { callers_token(tenant) } else { None };
        key(tenant, names, token.as_ref())
    }
}

/// The values of `names` for `tenant`, its id, and what `token` says, each with its length in front: no two lists of values have
/// one encoding.
fn key(tenant: &ActiveTenant, names: &[Name], token: Option<&CallersToken>) -> Box<[u8]> {
    let mut key = Vec::with_capacity(96);
    let mut put = |value: Option<&[u8]>| match value {
        None => key.push(0),
        Some(value) => {
            key.push(1);
            key.extend_from_slice(&value.len().to_le_bytes());
            key.extend_from_slice(value);
        }
    };
    for name in std::iter::once(&Name::TenantId).chain(names) {
        put(tenant.value(name).as_deref().map(str::as_bytes));
    }
    if let Some(CallersToken { issuer, subject, claims, ends: _ }) = token {
        // Their end is one of the claims.
        put(Some(issuer.as_bytes()));
        put(Some(subject.as_bytes()));
        put(Some(claims));
    }
    key.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::testing::{assume_one_role, assume_role, plan_of, record, tenant, tenant_with};

    fn planner(config: crate::config::AssumeRoleConfig, max: usize) -> Planner {
        Planner::new(&plan_of(config), "eu-west-1", max, RandomState::new())
    }

    #[test]
    fn a_plan_is_made_once_and_found_again_by_any_token_with_the_same_values() {
        let planner = planner(assume_role(), 10);
        let first = planner.plan(&tenant("acme")).unwrap();
        assert!(Arc::ptr_eq(&first, &planner.plan(&tenant("acme")).unwrap()));
        // A value that no template asks for makes no other plan.
        let mut gold = record("acme");
        gold.tier = Some("gold".into());
        assert!(Arc::ptr_eq(&first, &planner.plan(&tenant_with(gold, "user-1", "blue")).unwrap()));
    }

    #[test]
    fn a_change_of_any_value_that_is_asked_for_makes_another_plan() {
        let planner = planner(assume_role(), 100);
        let mut account = record("acme");
        account.account = Some("999999999999".into());
        let mut external_id = record("acme");
        external_id.external_id = Some("external-2".into());
        let mut shard = record("acme");
        shard.attributes.insert("shard".into(), "8".into());
        let tenants = [
            tenant("acme"),
            tenant("globex"),
            tenant_with(record("acme"), "user-2", "blue"),
            tenant_with(record("acme"), "user-1", "red"),
            tenant_with(account, "user-1", "blue"),
            tenant_with(external_id, "user-1", "blue"),
            tenant_with(shard, "user-1", "blue"),
        ];
        for round in 0..2 {
            let plans: Vec<_> = tenants.iter().map(|tenant| planner.plan(tenant).unwrap()).collect();
            for (i, one) in plans.iter().enumerate() {
                assert!(plans[..i].iter().all(|other| other != one && other.inputs() != one.inputs()), "round {round}, plan {i}");
            }
        }
    }

    #[test]
    fn values_cannot_run_into_each_other() {
        let names = [Name::Subject, Name::TenantCell, Name::TenantTier];
        let with = |subject: &str, cell: Option<&str>, tier: Option<&str>| {
            let mut record = record("acme");
            (record.cell, record.tier) = (cell.map(str::to_owned), tier.map(str::to_owned));
            key(&tenant_with(record, subject, "blue"), &names, None)
        };
        let keys = [
            with("ab", Some("c"), None),
            with("a", Some("bc"), None),
            with("a", Some("b"), Some("c")),
            with("a", None, Some("bc")),
            // What a mere mark between values would not tell apart.
            with("a\u{1}b", None, None),
            with("a", Some("b\u{0}"), None),
        ];
        for (i, one) in keys.iter().enumerate() {
            assert!(!keys[..i].contains(one), "{i}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let planner = planner(assume_one_role(), 10);
        for n in 0..1_000 {
            planner.plan(&tenant(&format!("tenant-{n}"))).unwrap();
            assert!(planner.known.len() <= 10);
        }
    }

    #[test]
    fn a_failure_teaches_nothing() {
        let planner = planner(assume_role(), 10);
        let mut incomplete = record("acme");
        incomplete.external_id = None;
        assert!(planner.plan(&tenant_with(incomplete, "user-1", "blue")).is_err());
        assert!(planner.names.get().is_none() && planner.known.is_empty());
    }
}
