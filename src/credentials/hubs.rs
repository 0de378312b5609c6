//! Sessions of the roles between the base identity and tenants' roles.
//!
//! A hub's session can assume tenants' roles, so it is worth as much as the base identity, and is treated like it: it signs calls to
//! STS, and nothing for a tenant; nobody outside this room can get hold of it. It is kept under everything that it was made
//! with, from the base identity on. Where nothing in that is a tenant's, all tenants share it; where a tag is, there is one for
//! each tenant, since the roles behind inherit it. It is renewed when it is used near its end, while it still serves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future};
use aws_sdk_sts::{Client, config::SharedHttpClient};

use super::{
    error::StsError,
    plan::Hop,
    source::BaseIdentity,
    sts::{assume_hop, watched},
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
    /// Under the whole way to them.
    known: Mutex<HashMap<Vec<Hop>, Arc<Hub>>>,
}

/// One role's session, and a client that signs with it.
#[derive(Debug)]
pub(super) struct Hub {
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
}

impl std::fmt::Debug for Hubs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hubs([redacted])")
    }
}

impl Hubs {
    pub(super) fn new(http: SharedHttpClient, config: &StsConfig, base: BaseIdentity, skew: Skew) -> Self {
        Self { http, config: config.clone(), base, skew, known: Mutex::default() }
    }

    /// The last of `hops`, with a session at hand; `None` where there are none.
    ///
    /// # Errors
    /// [`StsError::Identity`], with the role on the way that could not be assumed.
    pub(super) async fn last(&self, hops: &[Hop]) -> Result<Option<Arc<Hub>>, StsError> {
        let Some((last, before)) = hops.split_last() else { return Ok(None) };
        let hub = self.find(last, before);
        // Here, where it can be said which role it was; the client would only say that it cannot sign.
        let outcome = hub.identity.check().await;
        outcome.map_err(|error| StsError::Identity(format!("by way of {}: {error}", last.role_arn)))?;
        hub.identity.renew_in_background();
        Ok(Some(hub))
    }

    fn find(&self, last: &Hop, before: &[Hop]) -> Arc<Hub> {
        let way = [before, std::slice::from_ref(last)].concat();
        if let Some(hub) = self.lock().get(&way) {
            return Arc::clone(hub);
        }
        let (before, client_before) = match before.split_last() {
            Some((last, before)) => {
                let hub = self.find(last, before);
                (hub.identity.clone(), hub.client.clone())
            }
            None => (self.base.clone(), self.client(&self.base)),
        };
        let identity =
            self.base.another("its session", SharedCredentialsProvider::new(Assumed { before, client: client_before, hop: last.clone() }));
        let made = Arc::new(Hub { client: self.client(&identity), identity });
        let mut known = self.lock();
        if known.len() >= MAX {
            // Those that are in use stay with who uses them; the others are asked for again.
            known.clear();
        }
        Arc::clone(known.entry(way).or_insert(made))
    }

    fn client(&self, identity: &BaseIdentity) -> Client {
        watched(&self.config, self.http.clone(), identity, &self.skew)
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

impl ProvideCredentials for Assumed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let outcome = assume_hop(&self.client, &self.hop).await;
            if let Err(StsError::Identity(_)) = &outcome {
                self.before.forget();
            }
            outcome
                .inspect(|_| tracing::debug!(role = self.hop.role_arn, "session of a role of our own issued"))
                .map_err(CredentialsError::provider_error)
        })
    }
}
