//! Plans remembered, so that a request renders no template and builds no policy.
//!
//! A plan is a pure function of the configuration, which does not change, and of the values that its placeholders stand
//! for. Those few short values are the key here. Which placeholders there are is learned from the first plan that
//! succeeds: rendering has then asked for every one of them.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{Arc, OnceLock},
};

use dashmap::DashMap;

use super::{
    cache::Owned,
    owner::Owner,
    plan::{StsInputs, plan},
    values::TenantValues,
};
use crate::{
    config::{
        AssumeRoleConfig,
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
}

impl Plan {
    pub(super) fn inputs(&self) -> &StsInputs {
        &self.inputs
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
    config: AssumeRoleConfig,
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
    pub(super) fn new(config: &AssumeRoleConfig, region: &str, max: usize) -> Self {
        let (names, known, hasher) = (OnceLock::new(), DashMap::new(), RandomState::new());
        Self { config: config.clone(), region: region.to_owned(), names, known, max, hasher }
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
        Ok(Arc::new(Plan { hash: self.hasher.hash_one(&inputs), inputs }))
    }

    /// What to ask STS where that does not depend on a tenant.
    pub(super) fn fixed(&self, inputs: &StsInputs) -> Arc<Plan> {
        Arc::new(Plan { hash: self.hasher.hash_one(inputs), inputs: inputs.clone() })
    }

    fn remembered(&self, tenant: &ActiveTenant) -> Option<Arc<Plan>> {
        let key = key(tenant, self.names.get()?);
        self.known.get(&*key).map(|plan| Arc::clone(&plan))
    }

    fn make(&self, tenant: &ActiveTenant) -> Result<Arc<Plan>, Refusal> {
        let values = TenantValues::new(tenant);
        let inputs = plan(&self.config, &self.region, &values)?;
        let made = Arc::new(Plan { hash: self.hasher.hash_one(&inputs), inputs });
        let asked = values.into_asked();
        if self.names.get_or_init(|| asked.clone()) == &asked {
            // Starting over is cheaper than keeping an order of use: what is lost is rendered again.
            if self.known.len() >= self.max {
                self.known.clear();
            }
            self.known.insert(key(tenant, &asked), Arc::clone(&made));
        }
        Ok(made)
    }
}

/// The values of `names` for `tenant`, and its id, each with its length in front: no two lists of values have one encoding.
fn key(tenant: &ActiveTenant, names: &[Name]) -> Box<[u8]> {
    let mut key = Vec::with_capacity(96);
    for name in std::iter::once(&Name::TenantId).chain(names) {
        match tenant.value(name) {
            None => key.push(0),
            Some(value) => {
                key.push(1);
                key.extend_from_slice(&value.len().to_le_bytes());
                key.extend_from_slice(value.as_bytes());
            }
        }
    }
    key.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::testing::{assume_one_role, assume_role, record, tenant, tenant_with};

    #[test]
    fn a_plan_is_made_once_and_found_again_by_any_token_with_the_same_values() {
        let planner = Planner::new(&assume_role(), "eu-west-1", 10);
        let first = planner.plan(&tenant("acme")).unwrap();
        assert!(Arc::ptr_eq(&first, &planner.plan(&tenant("acme")).unwrap()));
        // A value that no template asks for makes no other plan.
        let mut gold = record("acme");
        gold.tier = Some("gold".into());
        assert!(Arc::ptr_eq(&first, &planner.plan(&tenant_with(gold, "user-1", "blue")).unwrap()));
    }

    #[test]
    fn a_change_of_any_value_that_is_asked_for_makes_another_plan() {
        let planner = Planner::new(&assume_role(), "eu-west-1", 100);
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
            key(&tenant_with(record, subject, "blue"), &names)
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
        let planner = Planner::new(&assume_one_role(), "eu-west-1", 10);
        for n in 0..1_000 {
            planner.plan(&tenant(&format!("tenant-{n}"))).unwrap();
            assert!(planner.known.len() <= 10);
        }
    }

    #[test]
    fn a_failure_teaches_nothing() {
        let planner = Planner::new(&assume_role(), "eu-west-1", 10);
        let mut incomplete = record("acme");
        incomplete.external_id = None;
        assert!(planner.plan(&tenant_with(incomplete, "user-1", "blue")).is_err());
        assert!(planner.names.get().is_none() && planner.known.is_empty());
    }
}
