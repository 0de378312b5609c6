//! Who Palisade is when it calls STS.
//!
//! The base identity may do nothing but assume roles: those of tenants, and the one that reads a directory's table. Without such a
//! role it reads the table itself. Its credentials are kept here, renewed before they end, and used until they end when a renewal
//! fails. They sign calls to STS and those reads, and never anything for a tenant.

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use aws_config::{default_provider::credentials::DefaultCredentialsChain, provider_config::ProviderConfig, timeout::TimeoutConfig};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_sdk_sts::{Client, config::Region};
use tokio::sync::Mutex;

use super::{
    answer,
    error::{SetupError, StsError},
    http, sts,
};
use crate::{
    clock::Clock,
    config::{CredentialsSource, StsConfig},
    secret::Secret,
};

/// Base credentials are renewed this long before they end; the metadata services have new ones ready by then.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// After a renewal that failed, the old ones are used for this long before the next try.
const PAUSE: Duration = Duration::from_secs(15);
/// With less life than this, old credentials are not used any more.
const LIFE_NEEDED: Duration = Duration::from_secs(5);
/// Longest wait for the source, whose own steps have shorter limits.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The base identity. Cheap to clone; clones share the credentials.
#[derive(Clone)]
pub struct BaseIdentity(Arc<Inner>);

struct Inner {
    /// What it is called in errors.
    name: &'static str,
    provider: SharedCredentialsProvider,
    clock: Clock,
    current: ArcSwapOption<Current>,
    /// Held by whoever asks the source.
    asking: Mutex<()>,
}

struct Current {
    credentials: Credentials,
    /// `None`: these do not end.
    ends: Option<SystemTime>,
    renew_at: Option<SystemTime>,
}

/// The source has no credentials. Says why, without a secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{name} is not available: {why}")]
pub struct BaseIdentityError {
    name: &'static str,
    why: String,
}

impl fmt::Debug for BaseIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BaseIdentity([redacted])")
    }
}

impl BaseIdentity {
    /// The identity that `source` describes. Asks it nothing yet.
    ///
    /// # Errors
    /// `credentials.sts.ca` cannot be used.
    pub async fn open(source: &CredentialsSource, sts: &StsConfig, clock: Clock) -> Result<Self, SetupError> {
        Ok(Self::new("the base identity", provider(source, sts).await?, clock))
    }

    /// Keeps and renews what `provider` gives. `name` is what it is called in errors.
    pub(super) fn new(name: &'static str, provider: SharedCredentialsProvider, clock: Clock) -> Self {
        Self(Arc::new(Inner { name, provider, clock, current: ArcSwapOption::empty(), asking: Mutex::default() }))
    }

    /// Whether there are credentials to call STS with, for readiness. Asks the source where nothing usable is kept.
    ///
    /// # Errors
    /// The source gave none.
    pub async fn check(&self) -> Result<(), BaseIdentityError> {
        self.credentials().await.map(|_| ())
    }

    /// AWS did not accept the credentials: the source is asked again next time.
    pub(crate) fn forget(&self) {
        self.0.current.store(None);
    }

    async fn credentials(&self) -> Result<Credentials, BaseIdentityError> {
        let inner = &*self.0;
        if let Some(fresh) = inner.fresh() {
            return Ok(fresh);
        }
        let _asking = match (inner.asking.try_lock(), inner.usable(|_| true)) {
            (Ok(asking), _) => asking,
            // Someone is asking already, and what there is will do until they have the answer.
            (Err(_), Some(old)) => return Ok(old),
            (Err(_), None) => inner.asking.lock().await,
        };
        if let Some(fresh) = inner.fresh() {
            return Ok(fresh);
        }
        match inner.ask().await {
            Ok(credentials) => Ok(credentials),
            Err(error) => {
                tracing::warn!(%error, "credentials were not renewed");
                let old = inner.usable(|_| true).ok_or(error)?;
                inner.keep(&old, Some(inner.clock.now() + PAUSE));
                Ok(old)
            }
        }
    }
}

impl Inner {
    /// What is kept and need not be renewed yet.
    fn fresh(&self) -> Option<Credentials> {
        let now = self.clock.now();
        self.usable(|current| current.renew_at.is_none_or(|at| at > now))
    }

    fn usable(&self, also: impl Fn(&Current) -> bool) -> Option<Credentials> {
        let now = self.clock.now();
        let lives = |current: &Current| current.ends.is_none_or(|ends| ends > now + LIFE_NEEDED);
        self.current.load().as_ref().filter(|current| lives(current) && also(current)).map(|current| current.credentials.clone())
    }

    fn keep(&self, credentials: &Credentials, renew_at: Option<SystemTime>) {
        let (credentials, ends) = (credentials.clone(), credentials.expiry());
        self.current.store(Some(Arc::new(Current { credentials, ends, renew_at })));
    }

    fn failed(&self, why: &str) -> BaseIdentityError {
        BaseIdentityError { name: self.name, why: why.to_owned() }
    }

    async fn ask(&self) -> Result<Credentials, BaseIdentityError> {
        let answer = tokio::time::timeout(TIMEOUT, self.provider.provide_credentials()).await;
        let answer = answer.map_err(|_elapsed| self.failed("the source did not answer in time"))?;
        let credentials = answer.map_err(|error| self.failed(&answer::causes(&error)))?;
        let now = self.clock.now();
        if credentials.expiry().is_some_and(|ends| ends <= now + LIFE_NEEDED) {
            return Err(self.failed("the source's credentials have expired"));
        }
        // Credentials that live shorter than the lead are renewed at half their life.
        let renew_at = credentials.expiry().map(|ends| ends - AHEAD.min(ends.duration_since(now).unwrap_or_default() / 2));
        self.keep(&credentials, renew_at);
        Ok(credentials)
    }
}

impl ProvideCredentials for BaseIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move { self.credentials().await.map_err(CredentialsError::provider_error) })
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("ends", &self.ends).finish_non_exhaustive()
    }
}

async fn provider(source: &CredentialsSource, sts: &StsConfig) -> Result<SharedCredentialsProvider, SetupError> {
    let http = http::client(sts.ca.as_deref())?;
    Ok(match source {
        CredentialsSource::DefaultChain => {
            let region = Region::new(sts.region.clone());
            let timeouts = TimeoutConfig::builder().operation_timeout(sts.timeout).build();
            let settings = ProviderConfig::without_region().with_http_client(http).with_timeout_config(timeouts);
            SharedCredentialsProvider::new(DefaultCredentialsChain::builder().configure(settings).region(region).build().await)
        }
        CredentialsSource::WebIdentity { token_file, role_arn } => SharedCredentialsProvider::new(WebIdentity {
            client: super::sts::client(sts, http, None),
            token_file: token_file.clone(),
            role_arn: role_arn.clone(),
        }),
        CredentialsSource::Static { access_key_id, secret_access_key, session_token } => {
            let token = session_token.as_ref().map(|token| token.expose().to_owned());
            SharedCredentialsProvider::new(Credentials::new(access_key_id, secret_access_key.expose(), token, None, "palisade"))
        }
    })
}

/// `AssumeRoleWithWebIdentity` with a token from a file.
///
/// The SDK has a provider of its own, but that one takes its endpoint from the environment, not from the configuration.
#[derive(Debug)]
struct WebIdentity {
    client: Client,
    /// Read for each use: the platform replaces it.
    token_file: PathBuf,
    role_arn: String,
}

impl WebIdentity {
    async fn credentials(&self) -> Result<Credentials, StsError> {
        let unreadable = |error: std::io::Error| StsError::Identity(format!("{}: {error}", self.token_file.display()));
        let token = Secret::new(tokio::fs::read_to_string(&self.token_file).await.map_err(unreadable)?);
        let call = self.client.assume_role_with_web_identity().role_arn(&self.role_arn).role_session_name("palisade");
        let answer = call.web_identity_token(token.expose().trim()).send().await.map_err(|error| sts::failure(&error))?;
        let issued = answer.credentials.ok_or_else(|| StsError::Unavailable("the answer holds no credentials".to_owned()))?;
        let ends = SystemTime::try_from(issued.expiration)
            .map_err(|_| StsError::Unavailable("the answer's expiration cannot be read".to_owned()))?;
        Ok(Credentials::new(issued.access_key_id, issued.secret_access_key, Some(issued.session_token), Some(ends), "palisade"))
    }
}

impl ProvideCredentials for WebIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move { self.credentials().await.map_err(CredentialsError::provider_error) })
    }
}

#[cfg(test)]
pub(in crate::credentials) mod tests;
