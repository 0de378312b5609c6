//! From a tenant to what STS is asked for. Pure.
//!
//! [`StsInputs`] holds everything that the call depends on and is compared whole: two tenants, two users whose names are part
//! of the session, or two tokens that say different things, can never meet in one cache slot. What STS would refuse is refused
//! here ([`rules`]), with the name of the setting.
//!
//! A session that is made with a caller's own token is that caller's: the token's issuer, subject and claims are part of its
//! inputs, and it is of no use after the token's end. The token itself is no part of them, and is given to STS beside them.

mod rules;
mod token_tags;

use std::{path::PathBuf, time::SystemTime};

use super::{owner::Owner, values::TenantValues};
use crate::{
    config::{
        AskConfig, AssumeRoleConfig, HopConfig, OtherRole, PlanConfig, WebIdentityConfig, WebTokenConfig, WorkloadRole,
        template::{JsonTemplate, RenderError, Template},
    },
    directory::ActiveTenant,
    reject::{Reason, Refusal},
    workload_name::WorkloadName,
};

/// Everything that one call to STS depends on, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StsInputs {
    /// Not sent by itself, and still part of the identity: owners do not share a session even where their inputs agree.
    pub owner: Owner,
    /// Region of the STS endpoint.
    pub region: String,
    /// On whose authority.
    pub authority: Authority,
    /// `RoleArn`
    pub role_arn: String,
    /// `RoleSessionName`
    pub session_name: String,
    /// `ExternalId`
    pub external_id: Option<String>,
    /// `SourceIdentity`
    pub source_identity: Option<String>,
    /// `Tags`, in the configuration's order.
    pub tags: Vec<(String, String)>,
    /// `TransitiveTagKeys`
    pub transitive_tag_keys: Vec<String>,
    /// `Policy`
    pub policy: Option<String>,
    /// `PolicyArns`
    pub policy_arns: Vec<String>,
    /// `DurationSeconds`. With role chaining STS refuses more than an hour.
    pub duration_seconds: i32,
}

/// What makes STS believe the call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Authority {
    /// `AssumeRole`, signed with the base identity, or with the last of these roles, each of which is assumed with the one before it.
    Identity(Vec<Hop>),
    /// `AssumeRoleWithWebIdentity` with the token in this file.
    TokenFile(PathBuf),
    /// `AssumeRoleWithWebIdentity` with the caller's own token.
    Caller(CallersToken),
}

/// One role on the way to a tenant's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hop {
    /// `RoleArn`
    pub role_arn: String,
    /// `RoleSessionName`
    pub session_name: String,
    /// `ExternalId`
    pub external_id: Option<String>,
    /// `Tags`, in the configuration's order.
    pub tags: Vec<(String, String)>,
    /// `TransitiveTagKeys`
    pub transitive_tag_keys: Vec<String>,
}

/// What a caller's token says, without the token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CallersToken {
    /// `iss`
    pub issuer: String,
    /// The subject, as the issuer's configuration finds it.
    pub subject: String,
    /// Digest of all claims: STS may read any of them, and the role's policies see some.
    pub claims: [u8; 32],
    /// `exp`
    pub ends: SystemTime,
}

impl StsInputs {
    /// Those of a workload, in which no tenant has a part.
    ///
    /// # Errors
    /// A setting below its `assume_role` that STS does not take.
    pub(crate) fn of_workload(name: &WorkloadName, role: &WorkloadRole, region: &str) -> Result<Self, Wrong> {
        let inputs = Self {
            owner: Owner::Workload(name.clone()),
            region: region.to_owned(),
            authority: Authority::Identity(Vec::new()),
            role_arn: role.role_arn.clone(),
            session_name: role.session_name.clone(),
            external_id: role.external_id.clone(),
            source_identity: None,
            tags: role.session_tags.clone(),
            transitive_tag_keys: Vec::new(),
            policy: None,
            policy_arns: Vec::new(),
            duration_seconds: i32::try_from(role.duration.as_secs()).unwrap_or(i32::MAX),
        };
        inputs.acceptable().map(|()| inputs)
    }

    /// Whether the role that values have named is nobody else's. By texts alone the configuration has been checked for it; a role that comes out of a
    /// record is what the record says.
    fn is_tenants_own(&self, others: &[OtherRole]) -> Result<(), Wrong> {
        let is_role = |arn: &str| arn.eq_ignore_ascii_case(&self.role_arn);
        if let Some(other) = others.iter().find(|other| is_role(&other.arn)) {
            return Err(Wrong::new("role_arn", format!("is that of {}, and no tenant's", other.setting)));
        }
        match &self.authority {
            Authority::Identity(hops) if hops.iter().any(|hop| is_role(&hop.role_arn)) => {
                Err(Wrong::new("role_arn", "is a role of via, and no tenant's"))
            }
            Authority::Identity(_) | Authority::TokenFile(_) | Authority::Caller(_) => Ok(()),
        }
    }

    /// The call that they are for.
    pub(super) fn operation(&self) -> &'static str {
        match &self.authority {
            Authority::Identity(_) => "AssumeRole",
            Authority::TokenFile(_) | Authority::Caller(_) => "AssumeRoleWithWebIdentity",
        }
    }

    /// When a session of these inputs ends at the latest, whatever STS says.
    pub(super) fn ends(&self) -> Option<SystemTime> {
        match &self.authority {
            Authority::Caller(token) => Some(token.ends),
            Authority::Identity(_) | Authority::TokenFile(_) => None,
        }
    }
}

/// Renders the inputs for the tenant of `values`.
///
/// # Errors
/// [`Reason::PlanIncomplete`]: a placeholder without a value, a rendering that STS does not take, or no token of the caller's where
/// one is needed, or one with other tags. The note names the setting and never the value.
pub(super) fn plan(config: &PlanConfig, region: &str, values: &TenantValues<'_>) -> Result<StsInputs, Refusal> {
    if config.lower_case_ids && values.tenant().as_str().contains(|c: char| c.is_ascii_uppercase()) {
        return Err(Wrong::new("role_arn", CAPITALS).refusal(&config.key));
    }
    let renderer = Renderer { values };
    let inputs = match &config.ask {
        AskConfig::AssumeRole(ask) => renderer.assume_role(ask),
        AskConfig::WebIdentity(ask) => renderer.web_identity(ask),
    };
    let inputs = inputs.map(|inputs| StsInputs { region: region.to_owned(), ..inputs });
    let tenants_own =
        |inputs: &StsInputs| if config.role_arn().names().next().is_some() { inputs.is_tenants_own(&config.others) } else { Ok(()) };
    inputs
        .and_then(|inputs| inputs.acceptable().and_then(|()| tenants_own(&inputs)).map(|()| inputs))
        .map_err(|wrong| wrong.refusal(&config.key))
}

/// The token that the request of `tenant` came with, as far as a session depends on it.
pub(super) fn callers_token(tenant: &ActiveTenant) -> Option<CallersToken> {
    let verified = tenant.verified();
    let token = verified.caller_token()?;
    let (issuer, subject) = (verified.issuer().to_owned(), verified.subject().to_owned());
    Some(CallersToken { issuer, subject, claims: *token.claims(), ends: token.ends() })
}

/// A setting of a plan, and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) setting: String,
    pub(crate) why: String,
}

impl Wrong {
    pub(super) fn new(setting: impl Into<String>, why: impl Into<String>) -> Self {
        Self { setting: setting.into(), why: why.into() }
    }

    fn unrendered(setting: &str, error: &RenderError) -> Self {
        match error {
            RenderError::Missing(name) => Self::new(setting, format!("{name} has no value for this tenant")),
            RenderError::Unsafe(what) => Self::new(setting, format!("{what}: a value that may not stand there")),
        }
    }

    fn refusal(&self, key: &str) -> Refusal {
        Refusal::noted(Reason::PlanIncomplete, format!("{key}.{}: {}", self.setting, self.why))
    }
}

/// What is wrong with an id in which the case of letters counts, and nobody has seen the others.
const CAPITALS: &str = "the tenant's id has capital letters, by which names of roles and policies do not differ, and the ids of all tenants are not at hand \
                        to compare; use ids in lower case, or name the role in the tenant's record";

/// What is wrong where a plan rests on the caller's token, and none is there.
const NO_TOKEN: &str = "is the caller's, and the request's proof has no token behind it (a deferred context, a certificate)";

struct Renderer<'v, 't> {
    values: &'v TenantValues<'t>,
}

impl Renderer<'_, '_> {
    fn assume_role(&self, ask: &AssumeRoleConfig) -> Result<StsInputs, Wrong> {
        let hops = ask.via.iter().enumerate().map(|(number, hop)| self.hop(hop, &format!("via[{number}].")));
        Ok(StsInputs {
            owner: Owner::Tenant(self.values.tenant().clone()),
            region: String::new(),
            authority: Authority::Identity(hops.collect::<Result<_, _>>()?),
            role_arn: self.text("role_arn", &ask.role_arn)?,
            session_name: self.text("session_name", &ask.session_name)?,
            external_id: self.optional("external_id", ask.external_id.as_ref())?,
            source_identity: self.optional("source_identity", ask.source_identity.as_ref())?,
            tags: self.tags("session_tags", &ask.session_tags)?,
            transitive_tag_keys: ask.transitive_tag_keys.clone(),
            policy: self.policy(ask.session_policy.as_ref())?,
            policy_arns: self.policy_arns(&ask.policy_arns)?,
            duration_seconds: i32::try_from(ask.duration.as_secs()).unwrap_or(i32::MAX),
        })
    }

    fn web_identity(&self, ask: &WebIdentityConfig) -> Result<StsInputs, Wrong> {
        let authority = match &ask.token {
            WebTokenConfig::File(path) => Authority::TokenFile(path.clone()),
            WebTokenConfig::Caller => {
                let none = || Wrong::new("token", NO_TOKEN);
                let tenant = self.values.request().ok_or_else(none)?;
                let token = callers_token(tenant).ok_or_else(none)?;
                for (key, value) in self.tags("token_tags", &ask.token_tags)? {
                    token_tags::check(tenant.verified().claims(), &key, &value)?;
                }
                Authority::Caller(token)
            }
        };
        Ok(StsInputs {
            owner: Owner::Tenant(self.values.tenant().clone()),
            region: String::new(),
            authority,
            role_arn: self.text("role_arn", &ask.role_arn)?,
            session_name: self.text("session_name", &ask.session_name)?,
            external_id: None,
            source_identity: None,
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            policy: self.policy(ask.session_policy.as_ref())?,
            policy_arns: self.policy_arns(&ask.policy_arns)?,
            duration_seconds: i32::try_from(ask.duration.as_secs()).unwrap_or(i32::MAX),
        })
    }

    fn hop(&self, hop: &HopConfig, prefix: &str) -> Result<Hop, Wrong> {
        Ok(Hop {
            role_arn: self.text(&format!("{prefix}role_arn"), &hop.role_arn)?,
            session_name: self.text(&format!("{prefix}session_name"), &hop.session_name)?,
            external_id: self.optional(&format!("{prefix}external_id"), hop.external_id.as_ref())?,
            tags: self.tags(&format!("{prefix}session_tags"), &hop.session_tags)?,
            transitive_tag_keys: hop.transitive_tag_keys.clone(),
        })
    }

    fn text(&self, setting: &str, template: &Template) -> Result<String, Wrong> {
        template.render(self.values).map_err(|error| Wrong::unrendered(setting, &error))
    }

    fn optional(&self, setting: &str, template: Option<&Template>) -> Result<Option<String>, Wrong> {
        template.map(|template| self.text(setting, template)).transpose()
    }

    fn tags(&self, setting: &str, tags: &[(String, Template)]) -> Result<Vec<(String, String)>, Wrong> {
        tags.iter().map(|(key, template)| Ok((key.clone(), self.text(&format!("{setting}.{key}"), template)?))).collect()
    }

    fn policy(&self, template: Option<&JsonTemplate>) -> Result<Option<String>, Wrong> {
        template.map(|template| template.render(self.values).map_err(|error| Wrong::unrendered("session_policy", &error))).transpose()
    }

    fn policy_arns(&self, templates: &[Template]) -> Result<Vec<String>, Wrong> {
        templates.iter().map(|template| self.text("policy_arns", template)).collect()
    }
}

#[cfg(test)]
mod tests;
