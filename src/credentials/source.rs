//! Who Palisade is when it calls STS.
//!
//! The base identity may do nothing but assume roles: those of tenants, and the one that reads a directory's table. Without such a
//! role it reads the table itself. Its credentials are kept here, renewed in the background before they end, and used until they end
//! when a renewal fails. They sign calls to STS and those reads, and never anything for a tenant.
//!
//! An application that reaches the source of these credentials is as good as Palisade: see [`chain`].

mod chain;
mod file;
mod problem;
mod web_identity;

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex as StdMutex, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwapOption;
use aws_config::{provider_config::ProviderConfig, timeout::TimeoutConfig};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_sdk_sts::config::Region;
use prometheus::Gauge;
use tokio::sync::Mutex;

use self::{chain::Chain, file::KeysFile, problem::Problem, web_identity::WebIdentity};
use super::{
    answer,
    error::{SetupError, StsError},
    http, sts,
};
use crate::{
    clock::Clock,
    config::{CredentialsSource, StsConfig},
    skew::Skew,
    telemetry::Metrics,
};

/// Base credentials are renewed this long before they end; the metadata services have new ones ready by then.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// After a renewal that failed, the old ones are used for this long before the next try.
const PAUSE: Duration = Duration::from_secs(15);
/// With less life than this, old credentials are not used any more.
const LIFE_NEEDED: Duration = Duration::from_secs(5);
/// Longest wait for the source, whose own steps have shorter limits.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked whether a renewal is due.
const ROUND: Duration = Duration::from_secs(1);
/// How often a file is read again: its keys do not say when they end.
const FILE_INTERVAL: Duration = Duration::from_secs(5);
/// So long a failure stands where nothing usable is kept: a source that hangs is not waited for by one request after the other.
const FAILURE_STANDS: Duration = Duration::from_secs(1);

/// The base identity. Cheap to clone; clones share the credentials.
#[derive(Clone)]
pub struct BaseIdentity(Arc<Inner>);

struct Inner {
    /// What it is called in errors.
    name: &'static str,
    provider: SharedCredentialsProvider,
    /// Credentials that do not say when they end are asked for again so often; `None`: never.
    interval: Option<Duration>,
    clock: Clock,
    current: ArcSwapOption<Current>,
    /// Held by whoever asks the source.
    asking: Mutex<()>,
    /// Shows when they end, where that is reported.
    expiry: OnceLock<Gauge>,
    /// The last failure and how long it stands, until the next success.
    failed: StdMutex<Option<(Instant, BaseIdentityError)>>,
}

struct Current {
    credentials: Credentials,
    /// `None`: these do not end.
    ends: Option<SystemTime>,
    renew_at: Option<SystemTime>,
}

/// Why there are no credentials: whose, and why. Says it without a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseIdentityError {
    /// The source is not there, or must not be used: somebody has to set up another.
    #[error("{0} cannot be used: {1}")]
    SetUp(&'static str, String),
    /// STS, of which the source has them, gave none.
    #[error("{0} is not available: {1}")]
    Sts(&'static str, StsError),
    /// The source gives none at the moment.
    #[error("{0} is not available: {1}")]
    Unavailable(&'static str, String),
}

impl BaseIdentityError {
    /// How long the source is not asked again.
    fn stands_for(&self) -> Duration {
        match self {
            // Every tenant behind a hub would ask for it again.
            Self::Sts(_, error @ StsError::Hub { .. }) => error.stands_for(),
            Self::SetUp(..) | Self::Sts(..) | Self::Unavailable(..) => FAILURE_STANDS,
        }
    }

    fn left(self, left: Duration) -> Self {
        match self {
            Self::Sts(name, error) => Self::Sts(name, error.left(left)),
            other => other,
        }
    }
}

impl fmt::Debug for BaseIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BaseIdentity([redacted])")
    }
}

/// Whether the keys of a file can be used, where `source` is one.
///
/// # Errors
/// Why they cannot, with file and line.
pub fn check_file(source: &CredentialsSource) -> Result<(), String> {
    let CredentialsSource::File(path) = source else { return Ok(()) };
    KeysFile::new(path).read().map(drop).map_err(|problem| problem.to_string())
}

impl BaseIdentity {
    /// The identity that `source` describes, whose credentials end by AWS's time. Asks it nothing yet. [`BaseIdentity::maintain`] has to run
    /// beside it. Where STS is asked for them, its answers let `skew` know what time it is.
    ///
    /// # Errors
    /// `credentials.sts.ca` cannot be used.
    pub fn open(source: &CredentialsSource, sts: &StsConfig, skew: &Skew) -> Result<Self, SetupError> {
        let interval = matches!(source, CredentialsSource::File(_)).then_some(FILE_INTERVAL);
        Ok(Self::new("the base identity", provider(source, sts, skew)?, interval, skew.clock()))
    }

    /// Keeps and renews what `provider` gives. `name` is what it is called in errors.
    pub(super) fn new(name: &'static str, provider: SharedCredentialsProvider, interval: Option<Duration>, clock: Clock) -> Self {
        let (current, asking, failed) = (ArcSwapOption::empty(), Mutex::default(), StdMutex::default());
        Self(Arc::new(Inner { name, provider, interval, clock, current, asking, expiry: OnceLock::new(), failed }))
    }

    /// Shows in `metrics` when the credentials end that are at hand, and those that are loaded from now on.
    pub fn report_to(&self, metrics: &Metrics) {
        // Whoever reports already goes on doing so.
        let expiry = self.0.expiry.get_or_init(|| metrics.base_credentials_expiry.clone());
        if let Some(current) = &*self.0.current.load() {
            show(expiry, current.ends);
        }
    }

    /// Another identity, whose credentials are had of `provider` and kept in the same way. `name` is what it is called in errors.
    pub(super) fn another(&self, name: &'static str, provider: SharedCredentialsProvider) -> Self {
        Self::new(name, provider, None, self.0.clock.clone())
    }

    /// Whether there are credentials to call STS with, for a start and for readiness. Asks the source where nothing usable is kept.
    ///
    /// # Errors
    /// The source gave none, or must not be used.
    pub async fn check(&self) -> Result<(), BaseIdentityError> {
        self.credentials().await.map(|_| ())
    }

    /// Renews the credentials before they end, and follows a file's. Never returns.
    pub async fn maintain(&self) {
        loop {
            tokio::time::sleep(ROUND).await;
            self.renew_when_due().await;
        }
    }

    /// AWS did not accept the credentials: the source is asked again next time.
    pub(crate) fn forget(&self) {
        self.0.current.store(None);
    }

    /// What is kept, for as long as it lives. Nobody waits for a renewal.
    async fn credentials(&self) -> Result<Credentials, BaseIdentityError> {
        let inner = &*self.0;
        if let Some(usable) = inner.usable() {
            return Ok(usable);
        }
        let _asking = inner.asking.lock().await;
        if let Some(usable) = inner.usable() {
            return Ok(usable);
        }
        match inner.failed_lately() {
            Some(error) => Err(error),
            None => inner.ask().await,
        }
    }

    /// Why nobody can be this identity now, as far as that is known without asking.
    pub(super) fn known_failure(&self) -> Option<BaseIdentityError> {
        if self.0.usable().is_some() { None } else { self.0.failed_lately() }
    }

    /// Has the credentials renewed if their time has come and there is a `place` for that, while those that are kept serve. For an identity
    /// beside which nothing runs.
    pub(super) fn renew_in_background<P: Send + 'static>(&self, place: impl FnOnce() -> Option<P> + Send + 'static) {
        if !self.0.is_due() {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            // Whoever asks already does so for all, and one place is enough for that.
            let Ok(_asking) = this.0.asking.try_lock() else { return };
            if this.0.is_due()
                && let Some(_place) = place()
            {
                this.0.renew().await;
            }
        });
    }

    /// Renews the credentials if their time has come; those that are kept serve meanwhile.
    pub(crate) async fn renew_when_due(&self) {
        let inner = &*self.0;
        if !inner.is_due() {
            return;
        }
        let _asking = inner.asking.lock().await;
        if inner.is_due() {
            inner.renew().await;
        }
    }
}

impl Inner {
    /// What is kept and has not ended.
    fn usable(&self) -> Option<Credentials> {
        let now = self.clock.now();
        let lives = |current: &&Arc<Current>| current.ends.is_none_or(|ends| ends > now + LIFE_NEEDED);
        self.current.load().as_ref().filter(lives).map(|current| current.credentials.clone())
    }

    fn is_due(&self) -> bool {
        let now = self.clock.now();
        self.current.load().as_ref().is_some_and(|current| current.renew_at.is_some_and(|at| at <= now))
    }

    fn failed_lately(&self) -> Option<BaseIdentityError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, error) = failed.as_ref()?;
        let left = until.saturating_duration_since(self.clock.instant());
        (!left.is_zero()).then(|| error.clone().left(left))
    }

    fn keep(&self, credentials: &Credentials, renew_at: Option<SystemTime>) {
        let (credentials, ends) = (credentials.clone(), credentials.expiry());
        self.current.store(Some(Arc::new(Current { credentials, ends, renew_at })));
    }

    async fn renew(&self) {
        let Err(error) = self.ask().await else { return };
        tracing::warn!(%error, "credentials were not renewed");
        if let Some(old) = self.usable() {
            self.keep(&old, Some(self.clock.now() + PAUSE));
        }
    }

    async fn ask(&self) -> Result<Credentials, BaseIdentityError> {
        let asked = self.fetch().await;
        let failed = asked.as_ref().err().map(|error| (self.clock.instant() + error.stands_for(), error.clone()));
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        let credentials = asked?;
        let now = self.clock.now();
        let renew_at = match credentials.expiry() {
            // Credentials that live shorter than the lead are renewed at half their life.
            Some(ends) => Some(ends - AHEAD.min(ends.duration_since(now).unwrap_or_default() / 2)),
            None => self.interval.map(|interval| now + interval),
        };
        let before = self.current.load().as_ref().map(|current| current.credentials.access_key_id().to_owned());
        if before.is_some_and(|before| before != credentials.access_key_id()) {
            tracing::info!(of = self.name, "credentials were replaced by newer ones");
        }
        self.keep(&credentials, renew_at);
        if let Some(expiry) = self.expiry.get() {
            show(expiry, credentials.expiry());
        }
        Ok(credentials)
    }

    async fn fetch(&self) -> Result<Credentials, BaseIdentityError> {
        let unavailable = |why: &str| BaseIdentityError::Unavailable(self.name, why.to_owned());
        let answer = tokio::time::timeout(TIMEOUT, self.provider.provide_credentials()).await;
        let answer = answer.map_err(|_elapsed| unavailable("the source did not answer in time"))?;
        let credentials = answer.map_err(|error| match (behind::<Problem>(&error), behind::<StsError>(&error)) {
            (Some(problem), _) => BaseIdentityError::SetUp(self.name, problem.to_string()),
            (None, Some(error)) => BaseIdentityError::Sts(self.name, error.clone()),
            (None, None) => unavailable(&answer::causes(&error)),
        })?;
        let is_over = credentials.expiry().is_some_and(|ends| ends <= self.clock.now() + LIFE_NEEDED);
        if is_over { Err(unavailable("the source's credentials have expired")) } else { Ok(credentials) }
    }
}

/// 0 is for credentials that do not end.
fn show(expiry: &Gauge, ends: Option<SystemTime>) {
    expiry.set(ends.and_then(|ends| ends.duration_since(UNIX_EPOCH).ok()).unwrap_or_default().as_secs_f64());
}

/// The `E` behind `error`, however deep.
fn behind<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
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

fn provider(source: &CredentialsSource, sts: &StsConfig, skew: &Skew) -> Result<SharedCredentialsProvider, SetupError> {
    let http = http::client(sts.ca.as_deref())?;
    Ok(match source {
        CredentialsSource::DefaultChain { may_be_shared } => {
            let timeouts = TimeoutConfig::builder().operation_timeout(sts.timeout).build();
            let region = Some(Region::new(sts.region.clone()));
            let settings = ProviderConfig::without_region().with_http_client(http).with_timeout_config(timeouts).with_region(region);
            SharedCredentialsProvider::new(Chain::of_sdk(&settings, *may_be_shared, |name| std::env::var_os(name).is_some()))
        }
        CredentialsSource::File(path) => SharedCredentialsProvider::new(KeysFile::new(path)),
        CredentialsSource::WebIdentity { token_file, role_arn } => SharedCredentialsProvider::new(WebIdentity {
            client: sts::client(sts, http, None, skew),
            token_file: token_file.clone(),
            role_arn: role_arn.clone(),
        }),
        CredentialsSource::Static { access_key_id, secret_access_key, session_token } => {
            let token = session_token.as_ref().map(|token| token.expose().to_owned());
            SharedCredentialsProvider::new(Credentials::new(access_key_id, secret_access_key.expose(), token, None, "palisade"))
        }
        CredentialsSource::Nobody => SharedCredentialsProvider::new(Nobody),
    })
}

/// No identity at all. Whatever has to be signed as it fails.
#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("credentials.source is not configured")))
    }
}

#[cfg(test)]
pub(in crate::credentials) mod tests;
