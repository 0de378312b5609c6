//! The workloads of the configuration. A leaf: nothing else can build a [`ProvedWorkload`].

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;

use super::token::TokenFile;
use crate::{
    aws::{
        action::{Actions, Needed},
        resource::{Home, ResourcePattern, Untold},
    },
    client_pattern::ClientPattern,
    clock::Clock,
    config::{Limits, NamedWorkloadConfig, WorkloadProof},
    credentials::StsInputs,
    identity::Presented,
    limits::{Permit, Quota},
    reject::{Reason, Refusal},
    server::Peer,
    workload_name::WorkloadName,
};

/// Every workload there is. Cheap to clone.
#[derive(Debug, Clone)]
pub struct NamedWorkloads {
    all: Arc<BTreeMap<WorkloadName, Arc<Workload>>>,
    clock: Clock,
}

#[derive(Debug)]
struct Workload {
    proof: Proof,
    inputs: StsInputs,
    home: Home,
    actions: Actions,
    resources: Vec<ResourcePattern>,
    quota: Quota,
    name: WorkloadName,
}

#[derive(Debug)]
enum Proof {
    Client(ClientPattern),
    Token(TokenFile),
    User(u32),
}

/// A workload that a request has proved to be. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProvedWorkload(Arc<Workload>);

/// Why a workload cannot be had, by setting.
#[derive(Debug, thiserror::Error)]
#[error("workloads.{name}.{setting}: {wrong}")]
pub struct UnusableWorkload {
    name: WorkloadName,
    setting: &'static str,
    wrong: String,
}

impl NamedWorkloads {
    /// The workloads of `configs`, whose sessions are had from STS in `region`. `default` gives the limits that a workload does not have itself.
    ///
    /// # Errors
    /// A file of tokens that cannot be used, or one token for two workloads; a role that STS would not take.
    pub fn open(configs: &[NamedWorkloadConfig], region: &str, default: Limits, clock: &Clock) -> Result<Self, UnusableWorkload> {
        Self::made(configs, region, default, clock, None)
    }

    /// As [`NamedWorkloads::open`]. What workloads of the same names have used of their limits, and have in progress, counts on.
    ///
    /// # Errors
    /// As [`NamedWorkloads::open`].
    pub fn reopen(&self, configs: &[NamedWorkloadConfig], region: &str, default: Limits) -> Result<Self, UnusableWorkload> {
        Self::made(configs, region, default, &self.clock, Some(self))
    }

    fn made(
        configs: &[NamedWorkloadConfig],
        region: &str,
        default: Limits,
        clock: &Clock,
        before: Option<&Self>,
    ) -> Result<Self, UnusableWorkload> {
        let mut all = BTreeMap::<_, Arc<Workload>>::new();
        for config in configs {
            let unusable = |setting, wrong: String| UnusableWorkload { name: config.name.clone(), setting, wrong };
            let inputs = StsInputs::of_workload(&config.name, &config.role, region);
            let inputs = inputs.map_err(|wrong| unusable("assume_role", format!("{} {}", wrong.setting, wrong.why)))?;
            let home = Home::of_role(&inputs.role_arn).ok_or_else(|| unusable("assume_role", "role_arn is no role's ARN".to_owned()))?;
            let proof = match &config.proof {
                WorkloadProof::Client(pattern) => Proof::Client(pattern.clone()),
                WorkloadProof::User(uid) => Proof::User(*uid),
                WorkloadProof::TokenFile(path) => {
                    let tokens = TokenFile::open(path).map_err(|wrong| unusable("token_file", wrong))?;
                    let same = |other: &&Arc<Workload>| matches!(&other.proof, Proof::Token(file) if file.shares(&tokens));
                    if let Some(other) = all.values().find(same) {
                        return Err(unusable("token_file", format!("the token is that of {} as well; give each its own", other.name)));
                    }
                    Proof::Token(tokens)
                }
            };
            let limits = config.limits.over(default);
            let used = before.and_then(|before| before.all.get(&config.name));
            let quota = used.map_or_else(|| Quota::new(limits, clock.clone()), |workload| workload.quota.under(limits));
            let (name, actions, resources) = (config.name.clone(), config.actions.clone(), config.resources.clone());
            let workload = Workload { proof, inputs, home, actions, resources, quota, name };
            all.insert(config.name.clone(), Arc::new(workload));
        }
        Ok(Self { all: Arc::new(all), clock: clock.clone() })
    }

    /// Whether these are the same ones, and not only of the same names.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.all, &other.all)
    }

    /// The workload `name`, if what `peer` presents proves it.
    ///
    /// # Errors
    /// [`Reason::WorkloadAmbiguous`] where a tenant is named as well; [`Reason::WorkloadUnproved`] for whatever else is wrong with it.
    pub fn prove(&self, name: &WorkloadName, presented: &Presented, peer: &Peer) -> Result<ProvedWorkload, Refusal> {
        if presented.names_a_tenant() {
            return Err(Refusal::noted(Reason::WorkloadAmbiguous, "the request names a workload and a tenant"));
        }
        let unproved = |note: &str| Refusal::noted(Reason::WorkloadUnproved, format!("{name}: {note}"));
        let workload = self.all.get(name).ok_or_else(|| unproved("there is no such workload"))?;
        match (&workload.proof, presented.proof().ok()) {
            (Proof::Token(_), None) => return Err(unproved("the request carries no token")),
            (Proof::Token(tokens), Some(proof)) if !tokens.matches(proof) => return Err(unproved("the token is not the workload's")),
            (Proof::Token(_), Some(_)) => {}
            (Proof::Client(_) | Proof::User(_), Some(_)) => return Err(unproved("a token beside a proof that is none")),
            (Proof::User(uid), None) if peer.user().is_none_or(|user| user.uid != *uid) => {
                return Err(unproved("the process is not the workload's user, or does not come over egress.socket"));
            }
            (Proof::User(_), None) => {}
            (Proof::Client(pattern), None) => {
                let client = peer.client().filter(|client| pattern.matches(client));
                let client = client.ok_or_else(|| unproved("the client's certificate is not the workload's"))?;
                client.still_valid(self.clock.now())?;
            }
        }
        Ok(ProvedWorkload(Arc::clone(workload)))
    }

    /// Requests in progress, of all workloads.
    pub fn all_in_flight(&self) -> u64 {
        self.all.values().map(|workload| u64::from(workload.quota.in_flight())).sum()
    }

    /// Requests of the workload `name` in progress.
    pub fn in_flight(&self, name: &WorkloadName) -> u32 {
        self.all.get(name).map_or(0, |workload| workload.quota.in_flight())
    }

    /// Follows the files of tokens. Never returns.
    pub async fn maintain(&self) {
        let files = self.all.values().filter_map(|workload| match &workload.proof {
            Proof::Token(file) => Some(file.watch()),
            Proof::Client(_) | Proof::User(_) => None,
        });
        join_all(files).await;
        std::future::pending().await
    }
}

impl ProvedWorkload {
    /// Its name.
    pub fn name(&self) -> &WorkloadName {
        &self.0.name
    }

    /// What STS is asked for, for it.
    pub fn inputs(&self) -> &StsInputs {
        &self.0.inputs
    }

    /// Where resources are that a request does not place itself: its role's partition and account.
    pub fn home(&self) -> &Home {
        &self.0.home
    }

    /// Charges one request to it.
    ///
    /// # Errors
    /// [`Reason::RateLimited`] or [`Reason::ConcurrencyLimited`].
    pub fn admit(&self) -> Result<Permit, Refusal> {
        self.0.quota.admit()
    }

    /// Whether it may do what a request needs, with what the request is about.
    ///
    /// # Errors
    /// [`Reason::ActionNotAllowed`] or [`Reason::ResourceNotAllowed`], whose note says what is missing.
    pub fn permit(&self, needed: &Needed<'_>, about: impl FnOnce() -> Result<Vec<String>, Untold>) -> Result<(), Refusal> {
        let named = |note: &str| format!("the workload {}: {note}", self.0.name);
        self.0.actions.allow(needed).map_err(|missing| Refusal::noted(Reason::ActionNotAllowed, named(&missing)))?;
        if self.0.resources.iter().any(ResourcePattern::is_everything) {
            return Ok(());
        }
        let refused = |note: &str| Refusal::noted(Reason::ResourceNotAllowed, named(note));
        let arns = about().map_err(|why| refused(&format!("{why}; only resources: \"*\" allows that")))?;
        let is_listed = |arn: &String| self.0.resources.iter().any(|pattern| pattern.matches(arn));
        match arns.iter().find(|arn| !is_listed(arn)) {
            Some(arn) => Err(refused(&format!("{arn} is not among its resources"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
