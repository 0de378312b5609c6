//! The roles that a configuration assumes, and what it says when it does: the one place that reads plans.

use std::time::Duration;

use super::{
    IamError,
    text::{Open, Text, is_of_record},
};
use crate::{
    config::{
        AssumeRoleConfig, CredentialsConfig,
        template::{JsonTemplate, Name, Template},
    },
    directory::TenantRecord,
};

/// A role, or with something open in its ARN, one for each tenant or cell.
#[derive(Debug, Clone)]
pub(super) struct Role<'c> {
    /// The plan's key in the configuration.
    pub(super) key: &'static str,
    /// Whose role it is; `None` where tenants share it, or where it has not been said whose.
    pub(super) tenant: Option<&'c TenantRecord>,
    /// Whether a single tenant has it.
    pub(super) is_of_one_tenant: bool,
    /// `aws`, `aws-cn`, ...
    pub(super) partition: Text,
    /// The account's id.
    pub(super) account: Text,
    /// `/`, or `/PATH/`.
    pub(super) path: Text,
    /// Its name.
    pub(super) name: Text,
    /// `ExternalId`
    pub(super) external_id: Option<Demand>,
    /// `SourceIdentity`
    pub(super) source_identity: Option<Demand>,
    /// `Tags`
    pub(super) tags: Vec<(String, Demand)>,
    /// `TransitiveTagKeys`
    pub(super) transitive: Vec<String>,
    /// The session policy that bounds it further.
    pub(super) session_policy: Option<&'c JsonTemplate>,
    /// Longest session that is asked for.
    pub(super) duration: Duration,
    /// The tag that says the tenant, and nothing else.
    pub(super) tenant_tag: Option<String>,
}

/// What a trust policy can demand of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Demand {
    /// This one.
    Exactly(Text),
    /// Any that is not empty: it is another for each tenant or caller.
    Something,
}

impl Role<'_> {
    /// Its ARN.
    pub(super) fn arn(&self) -> Text {
        let front = Text::literal("arn:").then(self.partition.clone()).then(":iam::").then(self.account.clone());
        front.then(":role").then(self.path.clone()).then(self.name.clone())
    }
}

/// The roles of `credentials`: one that tenants share, or one for each of `records`; without any, one with its values open.
///
/// # Errors
/// An ARN of which nothing can be said without a tenant, or a record that lacks what a template asks for.
pub(super) fn roles<'c>(credentials: &'c CredentialsConfig, records: &'c [TenantRecord]) -> Result<Vec<Role<'c>>, IamError> {
    let plan = &credentials.assume_role;
    let is_of_one_tenant = plan.role_arn.names().any(Name::tells_tenants_apart);
    let varies = plan.role_arn.names().next().is_some();
    let whose: Vec<Option<&TenantRecord>> = if varies && !records.is_empty() { records.iter().map(Some).collect() } else { vec![None] };
    let mut roles: Vec<Role<'_>> = Vec::new();
    for record in whose {
        let role = role(plan, record, is_of_one_tenant)?;
        // Tenants of one cell have one role.
        if !roles.iter().any(|known| known.arn() == role.arn()) {
            roles.push(role);
        }
    }
    Ok(roles)
}

fn role<'c>(plan: &'c AssumeRoleConfig, record: Option<&'c TenantRecord>, is_of_one_tenant: bool) -> Result<Role<'c>, IamError> {
    let key = "credentials.assume_role";
    let wrong = |setting: &str, why: String| IamError(format!("{key}.{setting}: {why}"));
    let is_in_arn = |name: &Name| plan.role_arn.names().any(|of_arn| of_arn == name);
    let is_fixed = |name: &Name| is_of_record(name) && (is_of_one_tenant || is_in_arn(name));
    let text = |setting: &str, template: &Template| {
        let text = Text::template(template.as_text()).map_err(|error| wrong(setting, error.to_string()))?;
        record.map_or(Ok(text.clone()), |record| text.fill(record, is_fixed)).map_err(|why| wrong(setting, why))
    };
    let demand = |setting: &str, template: &Template| {
        let text = text(setting, template)?;
        Ok(if text.names().all(is_fixed) { Demand::Exactly(text) } else { Demand::Something })
    };
    let optional = |setting: &str, template: &Option<Template>| template.as_ref().map(|template| demand(setting, template)).transpose();
    let arn = text("role_arn", &plan.role_arn)?;
    let pieces = arn.split(':', 6);
    let [_, partition, _, _, account, resource] = pieces.as_slice() else {
        return Err(wrong("role_arn", "is a placeholder as a whole; give --tenant ID".to_owned()));
    };
    let mut path = resource.split('/', usize::MAX);
    let name = path.pop().unwrap_or_default();
    if arn.names().any(|name| !is_of_record(name)) {
        return Err(wrong("role_arn", "depends on the caller: there is no list of the roles that could be written down".to_owned()));
    }
    let path = path.into_iter().skip(1).fold(Text::literal("/"), |path, step| path.then(step).then("/"));
    let tag = |(key, template): &(String, Template)| demand(&format!("session_tags.{key}"), template).map(|demand| (key.clone(), demand));
    let says_tenant = |(_, template): &&(String, Template)| template.as_text() == "{tenant.id}";
    Ok(Role {
        key,
        tenant: record.filter(|_| is_of_one_tenant),
        is_of_one_tenant,
        partition: partition.clone(),
        account: account.clone(),
        path,
        name,
        external_id: optional("external_id", &plan.external_id)?,
        source_identity: optional("source_identity", &plan.source_identity)?,
        tags: plan.session_tags.iter().map(tag).collect::<Result<_, _>>()?,
        transitive: plan.transitive_tag_keys.clone(),
        session_policy: plan.session_policy.as_ref(),
        duration: plan.duration,
        tenant_tag: plan.session_tags.iter().find(says_tenant).map(|(key, _)| key.clone()),
    })
}

/// What stands for the tenant in the policies of `role`: its id, the tag that has it, or nothing where only a session policy
/// knows it.
pub(super) fn tenant_in(role: &Role<'_>) -> Option<Text> {
    use super::text::Part;
    match (&role.tenant, &role.tenant_tag) {
        (Some(record), _) => Some(Text::literal(record.id.as_str())),
        (None, _) if role.is_of_one_tenant => Some(Text::open(Open::Value(Name::TenantId))),
        (None, Some(tag)) => Some(Text(vec![Part::Variable(format!("aws:PrincipalTag/{tag}"))])),
        (None, None) => None,
    }
}
