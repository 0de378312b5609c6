//! Which plan holds for which service.

use std::{collections::HashMap, hash::RandomState, sync::Arc};

use dashmap::DashMap;

use super::planner::{Plan, Planner};
use crate::{
    config::PlansConfig,
    directory::{ActiveTenant, TenantRecord},
    reject::{Reason, Refusal},
    workload_name::WorkloadName,
    workloads::ProvedWorkload,
};

/// A planner for each service that has a plan of its own, and one for the others.
pub(super) struct Plans {
    default: Option<Planner>,
    services: HashMap<String, Planner>,
    /// Those of workloads, which the configuration alone makes: as many as it has.
    workloads: DashMap<WorkloadName, Arc<Plan>>,
    /// One for all, so that services whose inputs are equal share their sessions.
    hasher: RandomState,
}

impl Plans {
    /// Each planner remembers at most `max` plans.
    pub(super) fn new(config: &PlansConfig, region: &str, max: usize) -> Self {
        Self::hashed_by(RandomState::new(), config, region, max)
    }

    /// As [`Plans::new`]; sessions of these plans and of those of `self` are found in one cache.
    pub(super) fn succeeded(&self, config: &PlansConfig, region: &str, max: usize) -> Self {
        Self::hashed_by(self.hasher.clone(), config, region, max)
    }

    fn hashed_by(hasher: RandomState, config: &PlansConfig, region: &str, max: usize) -> Self {
        let planner = |plan| Planner::new(plan, region, max, hasher.clone());
        let services = config.services.iter().map(|(service, plan)| (service.clone(), planner(plan))).collect();
        Self { default: config.default.as_ref().map(planner), services, workloads: DashMap::new(), hasher }
    }

    /// What to ask STS for when `tenant` calls `service`, by its key in `egress.services`.
    ///
    /// # Errors
    /// [`Reason::PlanIncomplete`]
    pub(super) fn plan(&self, service: &str, tenant: &ActiveTenant) -> Result<Arc<Plan>, Refusal> {
        let planner = self.services.get(service).or(self.default.as_ref());
        // The configuration has been checked for this; a plan of another service is never the answer.
        let planner = planner.ok_or_else(|| Refusal::noted(Reason::PlanIncomplete, format!("credentials has no plan for {service}")))?;
        planner.plan(tenant)
    }

    /// What to ask STS for the tenant of `record` when nothing is known of a user: each different plan once, that of the services without one
    /// of their own first, and why one cannot be made.
    pub(super) fn of_record(&self, record: &TenantRecord) -> Vec<Result<Arc<Plan>, Refusal>> {
        let mut all: Vec<Result<Arc<Plan>, Refusal>> = Vec::new();
        for plan in self.default.iter().chain(self.services.values()).map(|planner| planner.of_record(record)) {
            let known = plan.as_ref().is_ok_and(|plan| all.iter().flatten().any(|other| other == plan));
            if !known {
                all.push(plan);
            }
        }
        all
    }

    /// What to ask STS for `workload`, in which no tenant has a part.
    pub(super) fn of_workload(&self, workload: &ProvedWorkload) -> Arc<Plan> {
        let known = self.workloads.get(workload.name()).map(|plan| Arc::clone(&plan));
        if let Some(plan) = known.filter(|plan| plan.inputs() == workload.inputs()) {
            return plan;
        }
        let key = format!("workloads.{}.assume_role", workload.name());
        let plan = Plan::new(workload.inputs().clone(), key.into(), &self.hasher);
        self.workloads.insert(workload.name().clone(), Arc::clone(&plan));
        plan
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        credentials::{
            Owner,
            testing::{assume_one_role, assume_role, clock, plan_of, tenant},
        },
        workloads::testing::{proved, reader_of_s3},
    };

    #[test]
    fn a_service_has_its_own_plan_or_that_of_the_rest_and_equal_inputs_are_one_session() {
        let services = [("aoss", assume_one_role()), ("s3", assume_role())].map(|(name, plan)| (name.to_owned(), plan_of(plan)));
        let config = PlansConfig { default: Some(plan_of(assume_role())), services: BTreeMap::from(services) };
        let plans = Plans::new(&config, "eu-west-1", 10);
        let planned = |service| plans.plan(service, &tenant("acme")).unwrap();
        assert_eq!(planned("aoss").inputs().role_arn, "arn:aws:iam::111122223333:role/shared");
        assert_eq!(planned("dynamodb").inputs().role_arn, "arn:aws:iam::111122223333:role/data");
        assert!(planned("s3") == planned("dynamodb") && planned("s3") != planned("aoss"));

        let some = PlansConfig { default: None, ..config };
        let plans = Plans::new(&some, "eu-west-1", 10);
        assert!(plans.plan("aoss", &tenant("acme")).is_ok());
        assert_eq!(plans.plan("dynamodb", &tenant("acme")).unwrap_err().reason, Reason::PlanIncomplete);
    }

    #[test]
    fn a_workload_s_plan_is_made_once_and_is_its_own() {
        let plans = Plans::new(&PlansConfig { default: None, services: BTreeMap::new() }, "eu-west-1", 10);
        let workload = |name: &str| proved(&reader_of_s3(name, &clock()), name);
        let made = plans.of_workload(&workload("poller"));
        // Each request proves it anew.
        assert!(Arc::ptr_eq(&made, &plans.of_workload(&workload("poller"))));
        assert_eq!((&**made.key(), made.inputs()), ("workloads.poller.assume_role", workload("poller").inputs()));
        assert_eq!(plans.of_workload(&workload("sweeper")).inputs().owner, Owner::Workload("sweeper".parse().unwrap()));
        assert!(Arc::ptr_eq(&made, &plans.of_workload(&workload("poller"))), "and no other takes its place");
    }
}
