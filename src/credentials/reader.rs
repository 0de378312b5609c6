//! A role that Palisade assumes for itself, to read a directory's table.
//!
//! The base identity can become every tenant, so it should be able to do nothing else: where it reads no table, whoever gets
//! hold of it has to make a call that the trail shows before there is anything to read, and the role can be taken away by
//! itself. The role's session is kept and renewed as the base identity's credentials are.

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::Client;

use super::{error::SetupError, http, hubs::Assumed, plan::Hop, source::BaseIdentity, sts};
use crate::{
    config::{ReaderConfig, StsConfig},
    skew::Skew,
};

/// `RoleSessionName`: CloudTrail shows it.
const SESSION_NAME: &str = "palisade-directory";

/// Who may read tables: the base identity, and the roles that it can assume for that.
#[derive(Debug, Clone, Copy)]
pub struct Readers<'a> {
    base: &'a BaseIdentity,
    sts: &'a StsConfig,
    skew: &'a Skew,
}

impl<'a> Readers<'a> {
    /// Assumes roles as `base`, and lets `skew` know what STS says of the time.
    pub fn new(base: &'a BaseIdentity, sts: &'a StsConfig, skew: &'a Skew) -> Self {
        Self { base, sts, skew }
    }

    /// What time it is at AWS.
    pub(crate) fn skew(&self) -> &Skew {
        self.skew
    }

    /// The identity that reads a table with `config`: its role, or else the base identity. Asks nobody yet.
    ///
    /// # Errors
    /// `credentials.sts.ca` cannot be used.
    pub(crate) fn identity(&self, config: Option<&ReaderConfig>) -> Result<BaseIdentity, SetupError> {
        let Some(config) = config else { return Ok(self.base.clone()) };
        let client = sts::client(self.sts, http::client(self.sts.ca.as_deref())?, Some(self.base), self.skew);
        Ok(reader(config, self.base, client))
    }
}

/// The role of `config`, as `base` assumes it with `client`.
fn reader(config: &ReaderConfig, base: &BaseIdentity, client: Client) -> BaseIdentity {
    let (role_arn, external_id) = (config.role_arn.clone(), config.external_id.clone());
    let hop = Hop { role_arn, session_name: SESSION_NAME.to_owned(), external_id, tags: Vec::new(), transitive_tag_keys: Vec::new() };
    let role = Assumed { before: base.clone(), client, hop };
    base.another("the role that reads the table", SharedCredentialsProvider::new(role))
}

#[cfg(test)]
mod tests;
