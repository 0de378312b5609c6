//! A role that Palisade assumes for itself, to read a directory's table.
//!
//! The base identity can become every tenant, so it should be able to do nothing else: where it reads no table, whoever gets
//! hold of it has to make a call that the trail shows before there is anything to read, and the role can be taken away by
//! itself. The role's session is kept and renewed as the base identity's credentials are.

use std::time::SystemTime;

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_sdk_sts::Client;

use super::{
    error::{SetupError, StsError},
    http,
    source::BaseIdentity,
    sts,
};
use crate::{
    clock::Clock,
    config::{ReaderConfig, StsConfig},
};

/// `RoleSessionName`: CloudTrail shows it.
const SESSION_NAME: &str = "palisade-directory";

/// Who may read tables: the base identity, and the roles that it can assume for that.
#[derive(Debug, Clone, Copy)]
pub struct Readers<'a> {
    base: &'a BaseIdentity,
    sts: &'a StsConfig,
    clock: &'a Clock,
}

impl<'a> Readers<'a> {
    /// Assumes roles as `base`.
    pub fn new(base: &'a BaseIdentity, sts: &'a StsConfig, clock: &'a Clock) -> Self {
        Self { base, sts, clock }
    }

    /// The identity that reads a table with `config`: its role, or else the base identity. Asks nobody yet.
    ///
    /// # Errors
    /// `credentials.sts.ca` cannot be used.
    pub(crate) fn identity(&self, config: Option<&ReaderConfig>) -> Result<BaseIdentity, SetupError> {
        let Some(config) = config else { return Ok(self.base.clone()) };
        let base = SharedCredentialsProvider::new(self.base.clone());
        let client = sts::client(self.sts, http::client(self.sts.ca.as_deref())?, Some(base));
        let role = Role { client, base: self.base.clone(), config: config.clone() };
        Ok(BaseIdentity::new("the role that reads the table", SharedCredentialsProvider::new(role), None, self.clock.clone()))
    }
}

/// `AssumeRole`, for nobody's sake but our own.
#[derive(Debug)]
struct Role {
    client: Client,
    base: BaseIdentity,
    config: ReaderConfig,
}

impl Role {
    async fn credentials(&self) -> Result<Credentials, StsError> {
        let call = self.client.assume_role().role_arn(&self.config.role_arn).role_session_name(SESSION_NAME);
        let answer = call.set_external_id(self.config.external_id.clone()).send().await.map_err(|error| {
            let error = sts::failure(&error);
            if let StsError::Identity(_) = &error {
                self.base.forget();
            }
            error
        })?;
        let issued = answer.credentials.ok_or_else(|| StsError::Unavailable("the answer holds no credentials".to_owned()))?;
        let ends = SystemTime::try_from(issued.expiration)
            .map_err(|_| StsError::Unavailable("the answer's expiration cannot be read".to_owned()))?;
        Ok(Credentials::new(issued.access_key_id, issued.secret_access_key, Some(issued.session_token), Some(ends), "palisade"))
    }
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move { self.credentials().await.map_err(CredentialsError::provider_error) })
    }
}

#[cfg(test)]
mod tests;
