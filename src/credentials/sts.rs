//! Calls to STS, and the only place that makes them.
//!
//! The SDK does the protocol alone: its retries and its identity cache are off, since the broker decides when to ask again
//! and [`BaseIdentity`] keeps the base credentials. Endpoints come from the configuration, never from `AWS_ENDPOINT_URL`:
//! that is what an application uses to find Palisade.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use aws_sdk_sts::{
    Client,
    config::{
        BehaviorVersion, Builder, IdentityCache, Region, SharedCredentialsProvider, SharedHttpClient, StalledStreamProtectionConfig,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    operation::{RequestId, assume_role::AssumeRoleOutput, assume_role_with_web_identity::AssumeRoleWithWebIdentityOutput},
    types::{AssumedRoleUser, Credentials, PolicyDescriptorType, Tag},
};
use futures_util::future::BoxFuture;

use super::{
    answer,
    budget::Budget,
    date,
    error::{SetupError, StsError},
    http,
    hubs::Hubs,
    plan::{Authority, Hop, StsInputs},
    source::BaseIdentity,
};
use crate::{config::StsConfig, secret::Secret, skew::Skew, telemetry::traces};

/// What STS answers. Debug hides the secrets.
#[derive(Debug)]
pub struct IssuedCredentials {
    /// `AccessKeyId`
    pub access_key_id: String,
    /// `SecretAccessKey`
    pub secret_access_key: Secret,
    /// `SessionToken`
    pub session_token: Secret,
    /// `Expiration`
    pub expires: SystemTime,
    /// `PackedPolicySize`: how much of the space for policies and tags is used, in percent.
    pub packed_policy_percent: Option<i32>,
}

/// Where tenant sessions come from.
pub trait TenantSts: Send + Sync {
    /// One `AssumeRole` or `AssumeRoleWithWebIdentity` call with `inputs`, without retries. `token` is the caller's own, which inputs
    /// that rest on one are nothing without.
    fn assume_role<'a>(&'a self, inputs: &'a StsInputs, token: Option<&'a Secret>) -> BoxFuture<'a, Result<IssuedCredentials, StsError>>;

    /// Why a call with `inputs` would not be made now, as far as that is known without asking anybody.
    fn known_failure(&self, _inputs: &StsInputs) -> Option<StsError> {
        None
    }
}

/// AWS STS, or what `credentials.sts.endpoint` names.
#[derive(Debug)]
pub struct SdkSts {
    client: Client,
    base: BaseIdentity,
    hubs: Hubs,
}

impl SdkSts {
    /// Calls as `base`, and lets `skew` know what time it is there. Sends nothing yet. Whoever calls has a place in `budget`; for the hubs on
    /// the way this pays there itself.
    ///
    /// # Errors
    /// `credentials.sts.ca` cannot be used.
    pub fn new(config: &StsConfig, base: BaseIdentity, skew: &Skew, budget: Budget) -> Result<Self, SetupError> {
        Ok(Self::over(http::client(config.ca.as_deref())?, config, base, skew, budget))
    }

    pub(super) fn over(http: SharedHttpClient, config: &StsConfig, base: BaseIdentity, skew: &Skew, budget: Budget) -> Self {
        let client = client(config, http.clone(), Some(&base), skew);
        Self { client, hubs: Hubs::new(http, config, base.clone(), skew.clone(), budget), base }
    }

    /// Asks STS who the base identity is (`GetCallerIdentity`, which needs no permission): proof that its credentials work.
    ///
    /// # Errors
    /// There are no credentials, STS does not accept them, or STS cannot be asked.
    pub async fn check_identity(&self) -> Result<(), StsError> {
        match self.client.get_caller_identity().send().await {
            Ok(_) => Ok(()),
            Err(error) => match failure(&error) {
                // A denial comes after the signature was accepted: an organisation's policy may deny even this.
                StsError::Denied(_) => Ok(()),
                error => {
                    if let StsError::Identity(_) = &error {
                        self.base.forget();
                    }
                    Err(error)
                }
            },
        }
    }

    async fn call(&self, inputs: &StsInputs, token: Option<&Secret>) -> Result<IssuedCredentials, StsError> {
        if let Some(region) = self.client.config().region() {
            traces::note("cloud.region", || region.to_string());
        }
        match (&inputs.authority, token) {
            (Authority::Identity(hops), _) => match self.hubs.last(hops, &inputs.owner).await? {
                None => self.as_identity(&self.client, &self.base, inputs).await,
                Some(hub) => self.as_identity(hub.client(), hub.identity(), inputs).await,
            },
            (Authority::TokenFile(path), _) => {
                let unreadable = |error: std::io::Error| StsError::Identity(format!("{}: {error}", path.display()));
                let token = Secret::new(tokio::fs::read_to_string(path).await.map_err(unreadable)?);
                let outcome = self.with_token(inputs, token.expose().trim()).await;
                outcome.map_err(|error| if let StsError::Token(note) = error { StsError::Identity(note) } else { error })
            }
            (Authority::Caller(_), Some(token)) => {
                let outcome = self.with_token(inputs, token.expose()).await;
                outcome.map_err(|error| if let StsError::Identity(note) = error { StsError::Token(note) } else { error })
            }
            (Authority::Caller(_), None) => Err(StsError::Token("there is none at hand".to_owned())),
        }
    }

    /// `AssumeRole`, signed by `client` as `identity`.
    async fn as_identity(&self, client: &Client, identity: &BaseIdentity, inputs: &StsInputs) -> Result<IssuedCredentials, StsError> {
        let call = client.assume_role().role_arn(&inputs.role_arn).role_session_name(&inputs.session_name);
        let answer = call
            .set_external_id(inputs.external_id.clone())
            .set_source_identity(inputs.source_identity.clone())
            .set_policy(inputs.policy.clone())
            .set_policy_arns(some(policy_arns(inputs)))
            .set_tags(some(tags(&inputs.tags)?))
            .set_transitive_tag_keys(some(inputs.transitive_tag_keys.clone()))
            .duration_seconds(inputs.duration_seconds)
            .send()
            .await;
        match answer {
            Ok(output) => {
                tracing::debug!(request = output.request_id(), "STS answered");
                note_id(output.request_id());
                issued(Answer::from(output), inputs)
            }
            Err(error) => {
                let error = failure(&error);
                if let StsError::Identity(_) = &error {
                    identity.forget();
                }
                Err(error)
            }
        }
    }

    /// `AssumeRoleWithWebIdentity`, which is not signed.
    async fn with_token(&self, inputs: &StsInputs, token: &str) -> Result<IssuedCredentials, StsError> {
        let call = self.client.assume_role_with_web_identity().role_arn(&inputs.role_arn).role_session_name(&inputs.session_name);
        let answer = call
            .web_identity_token(token)
            .set_policy(inputs.policy.clone())
            .set_policy_arns(some(policy_arns(inputs)))
            .duration_seconds(inputs.duration_seconds)
            .send()
            .await;
        match answer {
            Ok(output) => {
                tracing::debug!(request = output.request_id(), "STS answered");
                note_id(output.request_id());
                issued(Answer::from(output), inputs)
            }
            Err(error) => Err(failure(&error)),
        }
    }
}

impl TenantSts for SdkSts {
    fn assume_role<'a>(&'a self, inputs: &'a StsInputs, token: Option<&'a Secret>) -> BoxFuture<'a, Result<IssuedCredentials, StsError>> {
        Box::pin(self.call(inputs, token))
    }

    fn known_failure(&self, inputs: &StsInputs) -> Option<StsError> {
        match &inputs.authority {
            Authority::Identity(hops) => self.hubs.known_failure(hops),
            Authority::TokenFile(_) | Authority::Caller(_) => None,
        }
    }
}

/// What AWS calls the request, for whoever has to ask AWS about it.
fn note_id(id: Option<&str>) {
    if let Some(id) = id {
        traces::note("aws.request_id", || id.to_owned());
    }
}

/// An empty list is sent as a parameter of its own, which is not the same as none.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn tags(tags: &[(String, String)]) -> Result<Vec<Tag>, StsError> {
    let tag = |(key, value): &(String, String)| Tag::builder().key(key).value(value).build();
    tags.iter().map(tag).collect::<Result<_, _>>().map_err(|_| unusable("the tags cannot be sent"))
}

fn policy_arns(inputs: &StsInputs) -> Vec<PolicyDescriptorType> {
    inputs.policy_arns.iter().map(|arn| PolicyDescriptorType::builder().arn(arn).build()).collect()
}

/// The session of one role on the way to a tenant's, assumed by `client`.
pub(super) async fn assume_hop(client: &Client, hop: &Hop) -> Result<aws_credential_types::Credentials, StsError> {
    let call = client.assume_role().role_arn(&hop.role_arn).role_session_name(&hop.session_name);
    let answer = call
        .set_external_id(hop.external_id.clone())
        .set_tags(some(tags(&hop.tags)?))
        .set_transitive_tag_keys(some(hop.transitive_tag_keys.clone()))
        .send()
        .await
        .map_err(|error| failure(&error))?;
    if answer.assumed_role_user().is_none_or(|user| !is_for(user, &hop.role_arn, &hop.session_name)) {
        return Err(unusable("the answer is for another role, account or session name"));
    }
    let issued = answer.credentials.ok_or_else(|| unusable("the answer holds no credentials"))?;
    let ends = SystemTime::try_from(issued.expiration).map_err(|_| unusable("the answer's expiration cannot be read"))?;
    let (id, secret, token) = (issued.access_key_id, issued.secret_access_key, Some(issued.session_token));
    Ok(aws_credential_types::Credentials::new(id, secret, token, Some(ends), "palisade"))
}

/// A client that signs as `identity`; without one it can make the calls that are not signed. Its answers let `skew` know what time it is, unless
/// they come in the clear: then anybody may give them.
pub(super) fn client(config: &StsConfig, http: SharedHttpClient, identity: Option<&BaseIdentity>, skew: &Skew) -> Client {
    let builder = builder(config, http, identity.map(|identity| SharedCredentialsProvider::new(identity.clone())));
    let is_believed = config.endpoint.as_ref().is_none_or(|endpoint| endpoint.tls);
    let builder = if is_believed { builder.interceptor(date::Watch::new(skew.clone())) } else { builder };
    Client::from_conf(builder.build())
}

fn builder(config: &StsConfig, http: SharedHttpClient, credentials: Option<SharedCredentialsProvider>) -> Builder {
    let timeouts = TimeoutConfig::builder().connect_timeout(config.timeout.min(CONNECT_TIMEOUT)).operation_timeout(config.timeout).build();
    let mut builder = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled())
        .identity_cache(IdentityCache::no_cache())
        // Answers are a few kilobytes; the timeout covers them.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    builder.set_endpoint_url(config.endpoint.as_ref().map(|endpoint| {
        let scheme = if endpoint.tls { "https" } else { "http" };
        format!("{scheme}://{}", endpoint.authority)
    }));
    builder.set_credentials_provider(credentials);
    builder
}

/// A connection that is not up by then will hardly be.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What went wrong with a call.
pub(super) fn failure<E: ProvideErrorMetadata + std::error::Error + 'static>(error: &SdkError<E>) -> StsError {
    match error {
        SdkError::ServiceError(answer) => {
            let (said, raw) = (answer.err(), answer.raw());
            // A date is reckoned from the answer's own, so that no clock of ours is in it.
            let now = raw.headers().get("date").and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(SystemTime::UNIX_EPOCH);
            let pause = raw.headers().get("retry-after").and_then(|value| answer::retry_after(value, now));
            answer::error(said.code().unwrap_or(""), said.message().unwrap_or(""), raw.status().as_u16()).retry_after(pause)
        }
        SdkError::TimeoutError(_) => unusable("no answer in time"),
        SdkError::ResponseError(_) => unusable("the answer cannot be read"),
        // Connection and name errors, or the base identity's own; nothing has been answered that they could repeat.
        other => unusable(&answer::causes(other)),
    }
}

fn unusable(note: &str) -> StsError {
    StsError::Unavailable(note.to_owned())
}

/// What is of interest in the answers to both calls.
struct Answer {
    credentials: Option<Credentials>,
    user: Option<AssumedRoleUser>,
    packed_policy_percent: Option<i32>,
}

#[expect(deprecated, reason = "its successor measures the whole session token, not the room that policies and tags share")]
impl From<AssumeRoleOutput> for Answer {
    fn from(output: AssumeRoleOutput) -> Self {
        let packed_policy_percent = output.packed_policy_size();
        Self { credentials: output.credentials, user: output.assumed_role_user, packed_policy_percent }
    }
}

#[expect(deprecated, reason = "as above")]
impl From<AssumeRoleWithWebIdentityOutput> for Answer {
    fn from(output: AssumeRoleWithWebIdentityOutput) -> Self {
        let packed_policy_percent = output.packed_policy_size();
        Self { credentials: output.credentials, user: output.assumed_role_user, packed_policy_percent }
    }
}

fn issued(answer: Answer, inputs: &StsInputs) -> Result<IssuedCredentials, StsError> {
    // The answer must be to this question: whatever lies between us and STS, another tenant's session is not taken.
    if answer.user.is_none_or(|user| !is_for(&user, &inputs.role_arn, &inputs.session_name)) {
        tracing::error!(tenant = %inputs.owner, role = inputs.role_arn, "STS answered with another session than was asked for");
        return Err(unusable("the answer is for another role, account or session name"));
    }
    let credentials = answer.credentials.ok_or_else(|| unusable("the answer holds no credentials"))?;
    let Credentials { access_key_id, secret_access_key, session_token, expiration, .. } = credentials;
    Ok(IssuedCredentials {
        access_key_id,
        secret_access_key: Secret::new(secret_access_key),
        session_token: Secret::new(session_token),
        expires: SystemTime::try_from(expiration).map_err(|_| unusable("the answer's expiration cannot be read"))?,
        packed_policy_percent: answer.packed_policy_percent,
    })
}

/// `arn:PARTITION:sts::ACCOUNT:assumed-role/NAME/SESSION`; the role's path is not in it. The name is compared as it is: where AWS takes one in another
/// case for the same role, that may be another tenant's.
fn is_for(user: &AssumedRoleUser, role_arn: &str, session_name: &str) -> bool {
    let session =
        user.arn().rsplit_once(":assumed-role/").and_then(|(account, rest)| Some((account.rsplit_once(':')?.1, rest.split_once('/')?)));
    let asked = role_arn.split(':').nth(4).zip(Path::new(role_arn).file_name().and_then(|name| name.to_str()));
    match (session, asked) {
        (Some((account, (role, name))), Some((asked_account, asked_role))) => {
            account == asked_account && role == asked_role && name == session_name
        }
        _ => false,
    }
}

#[cfg(test)]
pub(in crate::credentials) mod tests;
