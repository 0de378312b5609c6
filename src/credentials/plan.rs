//! From a tenant to what STS is asked for. Pure.
//!
//! [`StsInputs`] holds every value of the `AssumeRole` call and is compared whole: two tenants, or two users whose names
//! are part of the session, can never meet in one cache slot. Limits and character sets are those of
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>; what STS would refuse is refused here,
//! with the name of the setting.

use super::{owner::Owner, values::TenantValues};
use crate::{
    config::{
        AssumeRoleConfig, WorkloadRole,
        template::{RenderError, Template, Values},
    },
    reject::{Reason, Refusal},
    tenant::TenantId,
    workload_name::WorkloadName,
};

/// Everything that one `AssumeRole` call depends on, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StsInputs {
    /// Not sent by itself, and still part of the identity: owners do not share a session even where their inputs agree.
    pub owner: Owner,
    /// Region of the STS endpoint.
    pub region: String,
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
    /// `DurationSeconds`. With role chaining STS refuses more than an hour.
    pub duration_seconds: i32,
}

/// Renders the inputs for the tenant of `values`.
///
/// # Errors
/// [`Reason::PlanIncomplete`]: a placeholder without a value, or a rendering that STS does not take. The note names the
/// setting and never the value.
pub(super) fn plan(config: &AssumeRoleConfig, region: &str, values: &TenantValues<'_>) -> Result<StsInputs, Refusal> {
    render(config, region, values.tenant(), values)
}

/// As [`plan`], with values from anywhere.
pub(super) fn render(config: &AssumeRoleConfig, region: &str, tenant: &TenantId, values: &dyn Values) -> Result<StsInputs, Refusal> {
    let text = |setting: &str, template: &Template| template.render(values).map_err(|error| unrendered(setting, &error));
    let optional = |setting: &str, template: &Option<Template>| template.as_ref().map(|t| text(setting, t)).transpose();
    let tag = |(key, template): &(String, Template)| text(&format!("session_tags.{key}"), template).map(|value| (key.clone(), value));
    let policy =
        |template| crate::config::template::JsonTemplate::render(template, values).map_err(|error| unrendered("session_policy", &error));
    let inputs = StsInputs {
        owner: Owner::Tenant(tenant.clone()),
        region: region.to_owned(),
        role_arn: text("role_arn", &config.role_arn)?,
        session_name: text("session_name", &config.session_name)?,
        external_id: optional("external_id", &config.external_id)?,
        source_identity: optional("source_identity", &config.source_identity)?,
        tags: config.session_tags.iter().map(tag).collect::<Result<_, _>>()?,
        transitive_tag_keys: config.transitive_tag_keys.clone(),
        policy: config.session_policy.as_ref().map(policy).transpose()?,
        duration_seconds: i32::try_from(config.duration.as_secs()).unwrap_or(i32::MAX),
    };
    inputs.acceptable().map_err(|(setting, why)| incomplete(setting, why))?;
    Ok(inputs)
}

fn unrendered(setting: &str, error: &RenderError) -> Refusal {
    match error {
        RenderError::Missing(name) => incomplete(setting, &format!("{name} has no value for this tenant")),
        RenderError::Unsafe(what) => incomplete(setting, &format!("{what}: a value that may not stand there")),
    }
}

fn incomplete(setting: &str, why: &str) -> Refusal {
    Refusal::noted(Reason::PlanIncomplete, format!("credentials.assume_role.{setting}: {why}"))
}

/// A setting below `assume_role`, and what is wrong with it.
pub(crate) type Unacceptable = (&'static str, &'static str);

impl StsInputs {
    /// Those of a workload, in which no tenant has a part.
    ///
    /// # Errors
    /// A setting below its `assume_role` that STS does not take.
    pub(crate) fn of_workload(name: &WorkloadName, role: &WorkloadRole, region: &str) -> Result<Self, Unacceptable> {
        let inputs = Self {
            owner: Owner::Workload(name.clone()),
            region: region.to_owned(),
            role_arn: role.role_arn.clone(),
            session_name: role.session_name.clone(),
            external_id: role.external_id.clone(),
            source_identity: None,
            tags: role.session_tags.clone(),
            transitive_tag_keys: Vec::new(),
            policy: None,
            duration_seconds: i32::try_from(role.duration.as_secs()).unwrap_or(i32::MAX),
        };
        inputs.acceptable()?;
        Ok(inputs)
    }

    /// Whether STS would take these inputs, as far as that can be told without asking.
    fn acceptable(&self) -> Result<(), Unacceptable> {
        is_role_arn(&self.role_arn).or_else_say("role_arn", "is not the ARN of an IAM role")?;
        let name = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        holds(&self.session_name, 2..=64, name).or_else_say("session_name", "is not 2 to 64 characters of [A-Za-z0-9_+=,.@-]")?;
        if let Some(id) = &self.external_id {
            holds(id, 2..=1224, |c| name(c) || ":/".contains(c))
                .or_else_say("external_id", "is not 2 to 1224 characters of [A-Za-z0-9_+=,.@:/-]")?;
        }
        if let Some(identity) = &self.source_identity {
            let fine = holds(identity, 2..=64, name) && !identity.starts_with("aws:");
            fine.or_else_say("source_identity", "is not 2 to 64 characters of [A-Za-z0-9_+=,.@-]")?;
        }
        if let Some(policy) = &self.policy {
            // The characters that STS takes in a policy: tab, line ends, space to U+00FF.
            let in_policy = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}');
            holds(policy, 1..=2048, in_policy).or_else_say("session_policy", "is over 2048 characters, or has one beyond U+00FF")?;
        }
        (900..=43_200).contains(&self.duration_seconds).or_else_say("duration", "is not 15 minutes to 12 hours")?;
        self.acceptable_tags()
    }

    fn acceptable_tags(&self) -> Result<(), Unacceptable> {
        let setting = "session_tags";
        (self.tags.len() <= 50).or_else_say(setting, "are more than 50")?;
        let tag = |c: char| c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c);
        for (index, (key, value)) in self.tags.iter().enumerate() {
            let fine = holds(key, 1..=128, tag) && !key.to_ascii_lowercase().starts_with("aws:");
            fine.or_else_say(setting, "have a key that is not 1 to 128 of the allowed characters")?;
            holds(value, 0..=256, tag).or_else_say(setting, "have a value that is not at most 256 of the allowed characters")?;
            // STS takes `Department` and `department` for one key.
            let again = self.tags[..index].iter().any(|(other, _)| other.eq_ignore_ascii_case(key));
            (!again).or_else_say(setting, "have a key twice")?;
        }
        let known = |key: &String| self.tags.iter().any(|(tag, _)| tag == key);
        self.transitive_tag_keys.iter().all(known).or_else_say("transitive_tag_keys", "name a tag that is not in session_tags")
    }
}

trait OrElseSay {
    fn or_else_say(self, setting: &'static str, why: &'static str) -> Result<(), Unacceptable>;
}

impl OrElseSay for bool {
    fn or_else_say(self, setting: &'static str, why: &'static str) -> Result<(), Unacceptable> {
        if self { Ok(()) } else { Err((setting, why)) }
    }
}

fn holds(text: &str, length: std::ops::RangeInclusive<usize>, allowed: impl Fn(char) -> bool) -> bool {
    length.contains(&text.chars().count()) && text.chars().all(allowed)
}

/// `arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME`
fn is_role_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = parts[..] else { return false };
    let account_is_one = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let name = resource.strip_prefix("role/").filter(|path| !path.split('/').any(str::is_empty));
    let in_name = |c: char| c.is_ascii_alphanumeric() || "_+=,.@/-".contains(c);
    arn == "arn"
        && partition.starts_with("aws")
        && service == "iam"
        && region.is_empty()
        && account_is_one
        && name.is_some_and(|path| holds(path, 1..=512 + 64, in_name))
}

#[cfg(test)]
mod tests;
