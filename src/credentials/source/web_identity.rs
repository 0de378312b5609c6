//! `AssumeRoleWithWebIdentity` with a token from a file.

use std::{path::PathBuf, time::SystemTime};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use aws_sdk_sts::Client;

use crate::{
    credentials::{StsError, sts},
    secret::Secret,
};

/// The SDK has a provider of its own, but that one takes its endpoint from the environment, not from the configuration.
#[derive(Debug)]
pub(super) struct WebIdentity {
    pub(super) client: Client,
    /// Read for each use: the platform replaces it.
    pub(super) token_file: PathBuf,
    pub(super) role_arn: String,
}

impl WebIdentity {
    pub(super) async fn credentials(&self) -> Result<Credentials, StsError> {
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
