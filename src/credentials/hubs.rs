//! Sessions of the roles between the base identity and tenants' roles.
//!
//! A hub's session can assume tenants' roles, so it is worth as much as the base identity, and is treated like it: it signs calls to
//! STS, and nothing for a tenant; nobody outside this room can get hold of it. It is kept under everything that it was made
//! with, from the base identity on. Where nothing in that is a tenant's, all tenants share it; where a tag is, there is one for
//! each tenant, since the roles behind inherit it. It is renewed when it is used near its end, while it still serves.
//!
//! Calls for hubs are paid for in the [`Budget`] like all others. One that fails stands for a while, for every tenant behind: see
//! [`StsError::Hub`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_sdk_sts::{Client, config::SharedHttpClient};

use super::{
    budget::Budget,
    error::StsError,
    owner::Owner,
    plan::Hop,
    source::{BaseIdentity, BaseIdentityError},
    sts::{assume_hop, client},
};
use crate::{config::StsConfig, skew::Skew};

/// Most hub sessions kept. There are as many as hubs, or with tags of tenants as tenants at work; beyond this they are made anew.
const MAX: usize = 4_096;

/// All of them.
pub(super) struct Hubs {
    http: SharedHttpClient,
    config: StsConfig,
    base: BaseIdentity,
    skew: Skew,
    budget: Budget,
    /// Under the whole way to them.
    known: Mutex<HashMap<Vec<Hop>, Arc<Hub>>>,
}

/// One role's session, and a client that signs with it.
#[derive(Debug)]
pub(super) struct Hub {
    /// `RoleArn`
    role: String,
    identity: BaseIdentity,
    client: Client,
}

impl Hub {
    /// Whose session it is.
    pub(super) fn identity(&self) -> &BaseIdentity {
        &self.identity
    }

    /// Signs with it.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Has a session at hand.
    async fn ready(&self) -> Result<(), StsError> {
        // Asked here and not by the client, which would only say that it cannot sign.
        self.identity.check().await.map_err(|error| self.missing(error))
    }

    /// What it means for a tenant that there is none.
    fn missing(&self, error: BaseIdentityError) -> StsError {
        match error {
            // It says already which role it was: this one, or one before it.
            BaseIdentityError::Sts(_, error @ StsError::Hub { .. }) => error,
            error => of_hub(&self.role, StsError::Unavailable(error.to_string())),
        }
    }
}

fn of_hub(role: &str, error: StsError) -> StsError {
    StsError::Hub { role: role.to_owned(), error: Box::new(error) }
}

impl std::fmt::Debug for Hubs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hubs([redacted])")
    }
}

impl Hubs {
    pub(super) fn new(http: SharedHttpClient, config: &StsConfig, base: BaseIdentity, skew: Skew, budget: Budget) -> Self {
        Self { http, config: config.clone(), base, skew, budget, known: Mutex::default() }
    }

    /// The last of `hops`, with a session at hand, on the way to a role of `owner`; `None` where there are none. Its caller has a place in the
    /// budget.
    ///
    /// # Errors
    /// [`StsError::Hub`], with the role on the way that could not be assumed.
    pub(super) async fn last(&self, hops: &[Hop], owner: &Owner) -> Result<Option<Arc<Hub>>, StsError> {
        let Some((last, before)) = hops.split_last() else { return Ok(None) };
        let hub = self.find(last, before);
        hub.ready().await?;
        let (budget, role, owner) = (self.budget.clone(), hub.role.clone(), owner.clone());
        hub.identity.renew_in_background(move || budget.hub_renewal(&role, &owner));
        Ok(Some(hub))
    }

    /// Why there is no session of the last of `hops` now, as far as that is known without asking for it.
    pub(super) fn known_failure(&self, hops: &[Hop]) -> Option<StsError> {
        let hub = self.lock().get(hops).cloned()?;
        hub.identity.known_failure().map(|error| hub.missing(error))
    }

    fn find(&self, last: &Hop, before: &[Hop]) -> Arc<Hub> {
        let way = [before, std::slice::from_ref(last)].concat();
        if let Some(hub) = self.lock().get(&way) {
            return Arc::clone(hub);
        }
        let before = before.split_last().map(|(last, before)| self.find(last, before));
        let (signer, client) = match &before {
            Some(hub) => (hub.identity.clone(), hub.client.clone()),
            None => (self.base.clone(), self.client(&self.base)),
        };
        let assumed = Assumed { before: signer, client, hop: last.clone() };
        // What is waited for until it can be made must leave time for the call.
        let call = HubCall { assumed, before, budget: self.budget.clone(), patience: self.config.timeout / 2 };
        let identity = self.base.another("its session", SharedCredentialsProvider::new(call));
        let made = Arc::new(Hub { role: last.role_arn.clone(), client: self.client(&identity), identity });
        let mut known = self.lock();
        if known.len() >= MAX {
            // Those that are in use stay with who uses them; the others are asked for again.
            known.clear();
        }
        Arc::clone(known.entry(way).or_insert(made))
    }

    fn client(&self, identity: &BaseIdentity) -> Client {
        client(&self.config, self.http.clone(), Some(identity), &self.skew)
    }

    /// For short sections without an `await`.
    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<Hop>, Arc<Hub>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Assumes one role as what stands before it.
#[derive(Debug)]
pub(super) struct Assumed {
    pub(super) before: BaseIdentity,
    /// Signs as it.
    pub(super) client: Client,
    pub(super) hop: Hop,
}

impl Assumed {
    async fn session(&self) -> Result<Credentials, StsError> {
        let outcome = assume_hop(&self.client, &self.hop).await;
        if let Err(StsError::Identity(_)) = &outcome {
            self.before.forget();
        }
        outcome.inspect(|_| tracing::debug!(role = self.hop.role_arn, "session of a role of our own issued"))
    }
}

impl ProvideCredentials for Assumed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move { self.session().await.map_err(CredentialsError::provider_error) })
    }
}

/// Assumes a hub's role, within the budget.
#[derive(Debug)]
struct HubCall {
    assumed: Assumed,
    /// Has to be there first: what is wrong with it would be lost behind a signature that cannot be made.
    before: Option<Arc<Hub>>,
    budget: Budget,
    /// Longest wait until it can be made.
    patience: Duration,
}

impl HubCall {
    async fn session(&self) -> Result<Credentials, StsError> {
        if let Some(before) = &self.before {
            before.ready().await?;
        }
        let role = &self.assumed.hop.role_arn;
        self.budget.hub(role, self.patience, self.assumed.session()).await.map_err(|error| of_hub(role, error))
    }
}

impl ProvideCredentials for HubCall {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move { self.session().await.map_err(CredentialsError::provider_error) })
    }
}

#[cfg(test)]
mod tests;
