//! The roles that a configuration assumes, and what it says when it does: the one place that reads plans.

use std::{collections::BTreeSet, time::Duration};

use super::{
    IamError,
    provider::Provider,
    text::{Open, Text, is_of_record},
};
use crate::{
    config::{
        AskConfig, AssumeRoleConfig, IssuerConfig, PlanConfig, WebIdentityConfig, WebTokenConfig,
        template::{JsonTemplate, Name, Template},
    },
    directory::TenantRecord,
};

/// A role, or with something open in its ARN, one for each tenant or cell.
#[derive(Debug, Clone)]
pub(super) struct Role<'c> {
    /// The key of the plan in the configuration, or of the step of `via`.
    pub(super) key: String,
    /// Whose role it is; `None` where tenants share it, or where it has not been said whose.
    pub(super) tenant: Option<&'c TenantRecord>,
    /// Whether a single tenant has it.
    pub(super) is_of_one_tenant: bool,
    /// Who assumes it.
    pub(super) by: By,
    /// Signing names of the services that it is for; none for a role on the way to another.
    pub(super) services: BTreeSet<String>,
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
    /// What bounds its sessions further.
    pub(super) bounds: Bounds<'c>,
    /// Longest session that is asked for.
    pub(super) duration: Duration,
    /// The tag that says the tenant, and nothing else.
    pub(super) tenant_tag: Option<String>,
    /// What is wrong with its external id, where it is in the tenant's account.
    pub(super) deputy: Option<&'static str>,
}

/// A plan, and the signing names of the services that it is for.
#[derive(Debug)]
pub(super) struct Use<'c> {
    pub(super) plan: &'c PlanConfig,
    pub(super) services: BTreeSet<String>,
}

/// Who assumes a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    /// Palisade's own identity, or a role on the way.
    Principal(Text),
    /// Whoever has a token of this provider's.
    Callers(Provider),
    /// Whoever has the token in a file: which provider issues it to whom, the configuration does not say.
    TokenFile,
}

/// Policies that are sent along.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds<'c> {
    pub(super) session_policy: Option<&'c JsonTemplate>,
    pub(super) policy_arns: &'c [Template],
}

impl Bounds<'_> {
    /// Whether they tell tenants apart. A session may do what any one of them allows: so each has to.
    pub(super) fn tell_tenants_apart(&self) -> bool {
        let policy = self.session_policy.is_none_or(JsonTemplate::tells_tenants_apart);
        let arns = self.policy_arns.iter().all(|arn| arn.names().any(Name::tells_tenants_apart));
        (self.session_policy.is_some() || !self.policy_arns.is_empty()) && policy && arns
    }
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
    /// Whether it is for `service`, by signing name.
    pub(super) fn serves(&self, service: &str) -> bool {
        self.services.contains(service)
    }

    /// Whether its policies would be the same for `other`.
    fn is_asked_for_as(&self, other: &Self) -> bool {
        let of = |role: &Self| (role.tenant.map(|record| record.id.clone()), role.tenant_tag.clone(), role.by.clone(), role.tags.clone());
        let demands = |role: &Self| (role.external_id.clone(), role.source_identity.clone(), role.transitive.clone(), role.duration);
        let bounds = |role: &Self| role.bounds.session_policy.is_none() && role.bounds.policy_arns.is_empty();
        // Policies that are sent along are not compared: two sessions of one plan are bounded alike.
        of(self) == of(other) && demands(self) == demands(other) && (self.key == other.key || bounds(self) && bounds(other))
    }

    /// Its ARN.
    pub(super) fn arn(&self) -> Text {
        let front = Text::literal("arn:").then(self.partition.clone()).then(":iam::").then(self.account.clone());
        front.then(":role").then(self.path.clone()).then(self.name.clone())
    }
}

/// The roles of `plans` on behalf of `records`: those that tenants share once, the others for each of them; without any record, one with its
/// values open. Those by way of which they are assumed come first.
///
/// # Errors
/// An ARN of which nothing can be said without a tenant, a record that lacks what a template asks for, or a form of a plan for which no policy
/// is known here that is not wider than what is meant.
pub(super) fn roles<'c>(
    plans: &[Use<'c>],
    issuers: &[IssuerConfig],
    records: &'c [TenantRecord],
) -> Result<(Vec<Role<'c>>, Vec<Role<'c>>), IamError> {
    let (mut hubs, mut roles) = (Vec::new(), Vec::new());
    for Use { plan, services } in plans {
        let names = plan.templates().into_iter().filter(|(setting, _)| setting.ends_with("role_arn"));
        let varies = names.flat_map(|(_, arn)| arn.names()).next().is_some();
        let whose: Vec<Option<&TenantRecord>> = if varies && !records.is_empty() { records.iter().map(Some).collect() } else { vec![None] };
        for record in whose {
            let (way, role) = match &plan.ask {
                AskConfig::AssumeRole(ask) => way(plan, ask, record)?,
                AskConfig::WebIdentity(ask) => (Vec::new(), by_token(plan, ask, issuers, record)?),
            };
            way.into_iter().try_for_each(|hub| add(&mut hubs, hub))?;
            add(&mut roles, Role { services: services.clone(), ..role })?;
        }
    }
    if let Some(both) = roles.iter().find(|role| hubs.iter().any(|hub| hub.arn() == role.arn())) {
        return Err(IamError(format!("{}.role_arn: is in via too, and palisade iam does not print a role that is both yet", both.key)));
    }
    Ok((hubs, roles))
}

/// Adds `role` where it is not there yet.
///
/// # Errors
/// It is, and other things are asked for: a policy for the one would be wrong for the other.
fn add<'c>(roles: &mut Vec<Role<'c>>, role: Role<'c>) -> Result<(), IamError> {
    match roles.iter_mut().find(|known| known.arn() == role.arn()) {
        None => roles.push(role),
        Some(known) if known.is_asked_for_as(&role) => known.services.extend(role.services),
        Some(known) => {
            let whose = |role: &Role<'_>| role.tenant.map_or_else(String::new, |record| format!(" for {}", record.id));
            return Err(IamError(format!(
                "{}.role_arn{}: is the role of {}{} too, which is assumed in another way; palisade iam does not print a role for both yet: give \
                 each a role of its own",
                role.key,
                whose(&role),
                known.key,
                whose(known),
            )));
        }
    }
    Ok(())
}

/// The role of `plan`, and before it those of `via`.
fn way<'c>(
    plan: &'c PlanConfig,
    ask: &'c AssumeRoleConfig,
    record: Option<&'c TenantRecord>,
) -> Result<(Vec<Role<'c>>, Role<'c>), IamError> {
    let mut by = By::Principal(Text::open(Open::Base));
    let mut hubs = Vec::new();
    for (number, hop) in ask.via.iter().enumerate() {
        let key = format!("{}.via[{number}]", plan.key);
        if !hop.transitive_tag_keys.is_empty() {
            return Err(IamError(format!(
                "{key}.transitive_tag_keys: palisade iam does not print policies for tags that roles inherit yet; remove it, or write them by hand"
            )));
        }
        let asked = Asked {
            external_id: hop.external_id.as_ref(),
            source_identity: None,
            tags: &hop.session_tags,
            ..Asked::bare("session_tags", &hop.role_arn)
        };
        let hub = role(key, by, asked, record)?;
        by = By::Principal(hub.arn());
        hubs.push(hub);
    }
    let asked = Asked {
        external_id: ask.external_id.as_ref(),
        source_identity: ask.source_identity.as_ref(),
        tags: &ask.session_tags,
        ..Asked::bare("session_tags", &ask.role_arn)
    };
    let bounds = Bounds { session_policy: ask.session_policy.as_ref(), policy_arns: &ask.policy_arns };
    let role = role(plan.key.clone(), by, asked, record)?;
    let deputy = plan.deputy_can_be_confused();
    Ok((hubs, Role { transitive: ask.transitive_tag_keys.clone(), bounds, duration: ask.duration, deputy, ..role }))
}

/// The role of a plan that rests on a token.
fn by_token<'c>(
    plan: &'c PlanConfig,
    ask: &'c WebIdentityConfig,
    issuers: &[IssuerConfig],
    record: Option<&'c TenantRecord>,
) -> Result<Role<'c>, IamError> {
    let asked = Asked { tags: &ask.token_tags, ..Asked::bare("token_tags", &ask.role_arn) };
    let bounds = Bounds { session_policy: ask.session_policy.as_ref(), policy_arns: &ask.policy_arns };
    let by = match ask.token {
        WebTokenConfig::File(_) => By::TokenFile,
        WebTokenConfig::Caller => By::Callers(Provider::sole(&plan.key, issuers)?),
    };
    let role = Role { bounds, duration: ask.duration, ..role(plan.key.clone(), by, asked, record)? };
    if plan.uses_callers_token() && role.tenant_tag.is_none() {
        return Err(IamError(format!(
            "{}.token_tags: no tag is {{tenant.id}} alone. Whoever has a token may ask STS himself, for any tenant's role and without any session \
             policy; palisade iam does not print policies for that. Add token_tags: {{TenantID: \"{{tenant.id}}\"}}",
            plan.key
        )));
    }
    Ok(role)
}

/// A role that Palisade's own identity assumes for itself, by the setting at `key`.
pub(super) fn own<'c>(key: String, role_arn: &str, external_id: Option<&str>) -> Role<'c> {
    // `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`: the configuration takes nothing else.
    let pieces: Vec<_> = role_arn.splitn(6, ':').collect();
    let piece = |number: usize| pieces.get(number).copied().unwrap_or_default();
    let resource = piece(5).strip_prefix("role").unwrap_or_default();
    let (path, name) = resource.rsplit_once('/').unwrap_or_default();
    Role {
        key,
        tenant: None,
        is_of_one_tenant: false,
        by: By::Principal(Text::open(Open::Base)),
        services: BTreeSet::new(),
        partition: Text::literal(piece(1)),
        account: Text::literal(piece(4)),
        path: Text::literal(format!("{path}/")),
        name: Text::literal(name),
        external_id: external_id.map(|id| Demand::Exactly(Text::literal(id))),
        source_identity: None,
        tags: Vec::new(),
        transitive: Vec::new(),
        bounds: Bounds::default(),
        duration: Duration::from_secs(3_600),
        tenant_tag: None,
        deputy: None,
    }
}

/// What is asked for with a role, as far as its trust policy sees it.
struct Asked<'c> {
    role_arn: &'c Template,
    external_id: Option<&'c Template>,
    source_identity: Option<&'c Template>,
    /// The setting that has the tags.
    tags_setting: &'static str,
    tags: &'c [(String, Template)],
}

impl<'c> Asked<'c> {
    fn bare(tags_setting: &'static str, role_arn: &'c Template) -> Self {
        Self { role_arn, external_id: None, source_identity: None, tags_setting, tags: &[] }
    }
}

fn role<'c>(key: String, by: By, asked: Asked<'c>, record: Option<&'c TenantRecord>) -> Result<Role<'c>, IamError> {
    let is_of_one_tenant = asked.role_arn.names().any(Name::tells_tenants_apart);
    let wrong = |setting: &str, why: String| IamError(format!("{key}.{setting}: {why}"));
    let is_in_arn = |name: &Name| asked.role_arn.names().any(|of_arn| of_arn == name);
    let is_fixed = |name: &Name| is_of_record(name) && (is_of_one_tenant || is_in_arn(name));
    let text = |setting: &str, template: &Template| {
        let text = Text::template(template.as_text()).map_err(|error| wrong(setting, error.to_string()))?;
        record.map_or(Ok(text.clone()), |record| text.fill(record, is_fixed)).map_err(|why| wrong(setting, why))
    };
    let demand = |setting: &str, template: &Template| {
        let text = text(setting, template)?;
        Ok(if text.names().all(is_fixed) { Demand::Exactly(text) } else { Demand::Something })
    };
    let optional = |setting: &str, template: Option<&Template>| template.map(|template| demand(setting, template)).transpose();
    let arn = text("role_arn", asked.role_arn)?;
    let pieces = arn.split(':', 6);
    let [_, partition, _, _, account, resource] = pieces.as_slice() else {
        return Err(wrong("role_arn", "is a placeholder as a whole; give --tenant ID".to_owned()));
    };
    let mut path = resource.split('/', usize::MAX);
    let name = path.pop().unwrap_or_default();
    let known = |text: &Text| text.opens().next().is_none().then(|| text.to_string());
    let is_of_a_role = path.first().and_then(known).is_none_or(|kind| kind == "role") && !path.is_empty();
    if !is_of_a_role || pieces.get(2).and_then(known).is_some_and(|service| service != "iam") {
        let whose = record.map_or_else(String::new, |record| format!(" for {}", record.id));
        return Err(wrong("role_arn", format!("is no role's ARN{whose}; give one such as arn:aws:iam::111122223333:role/NAME")));
    }
    if arn.names().any(|name| !is_of_record(name)) {
        return Err(wrong("role_arn", "depends on the caller: there is no list of the roles that could be written down".to_owned()));
    }
    let path = path.into_iter().skip(1).fold(Text::literal("/"), |path, step| path.then(step).then("/"));
    let tag = |(key, template): &(String, Template)| {
        demand(&format!("{}.{key}", asked.tags_setting), template).map(|demand| (key.clone(), demand))
    };
    let says_tenant = |(_, template): &&(String, Template)| template.as_text() == "{tenant.id}";
    Ok(Role {
        tenant: record.filter(|_| is_of_one_tenant),
        is_of_one_tenant,
        by,
        services: BTreeSet::new(),
        partition: partition.clone(),
        account: account.clone(),
        path,
        name,
        external_id: optional("external_id", asked.external_id)?,
        source_identity: optional("source_identity", asked.source_identity)?,
        tags: asked.tags.iter().map(tag).collect::<Result<_, _>>()?,
        transitive: Vec::new(),
        bounds: Bounds::default(),
        duration: Duration::from_secs(3_600),
        tenant_tag: asked.tags.iter().find(says_tenant).map(|(key, _)| key.clone()),
        deputy: None,
        key,
    })
}

/// What stands for the tenant in the policies of `role`: the tag that has its id, the id itself where nothing else says it, or nothing where only
/// a session policy knows it. A role that looks like one tenant's may be several's, and then the tag still is each one's own.
pub(super) fn tenant_in(role: &Role<'_>) -> Option<Text> {
    use super::text::Part;
    match &role.tenant_tag {
        Some(tag) => Some(Text(vec![Part::Variable(format!("aws:PrincipalTag/{tag}"))])),
        None => role.is_of_one_tenant.then(|| id_in(role)),
    }
}

/// The id of the tenant whose role it is.
pub(super) fn id_in(role: &Role<'_>) -> Text {
    role.tenant.map_or_else(|| Text::open(Open::Value(Name::TenantId)), |record| Text::literal(record.id.as_str()))
}
