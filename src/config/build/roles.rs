//! Roles that are not tenants': none of them may be what a tenant's name makes of a template.
//!
//! With `role/{tenant.id}` for tenants and `role/queue-poller` for a workload, a tenant that is called `queue-poller` has the workload's role, without
//! the workload's lists of actions and resources; and so it is with the base identity's own role, those that read tables, those of `via`, and those of
//! another plan. What the texts alone say is refused here. What comes whole out of a record can be told when it comes ([`OtherRole`]).

use super::Section;
use crate::config::{
    AskConfig, CredentialsConfig, CredentialsSource, NamedWorkloadConfig, OtherRole, PlanConfig, TableConfig,
    template::{Lands, Template},
};

/// A role of the configuration.
struct Named<'r> {
    /// Where it stands, where that is a plan.
    plan: Option<Section<'r>>,
    setting: String,
    arn: Template,
}

/// What has roles besides plans.
pub(super) struct Beside<'c> {
    /// Tables that are read, each with its key.
    pub(super) tables: Vec<(&'static str, &'c TableConfig)>,
    pub(super) workloads: &'c [NamedWorkloadConfig],
}

/// Refuses plans whose roles could be others', and tells them which roles are.
pub(super) fn told_apart(root: &Section<'_>, credentials: &mut CredentialsConfig, beside: &Beside<'_>) {
    let Some(section) = root.given("credentials") else { return };
    let mut named = fixed(credentials, beside);
    let others =
        |named: &[Named<'_>]| named.iter().filter(|role| role.arn.names().next().is_none()).map(OtherRole::from).collect::<Vec<_>>();
    for plan in credentials.plans.all() {
        named.extend(of_plan(&section, plan));
    }
    for (number, role) in named.iter().enumerate() {
        let Some(section) = role.plan.as_ref().filter(|_| may_be_compared(&role.arn)) else { continue };
        let is_another = |(at, other): &(usize, &Named<'_>)| {
            // Of two templates the later one is told, so that there is one error.
            let is_told = *at > number && may_be_compared(&other.arn);
            !is_told && !is_whole(&other.arn) && other.arn.as_text() != role.arn.as_text() && role.arn.may_equal(&other.arn)
        };
        if let Some((_, other)) = named.iter().enumerate().find(is_another) {
            section.wrong(
                "role_arn",
                format!("can be {}, which is {}: whoever is called so would have that role", other.arn.as_text(), other.setting),
                "give tenants' roles a prefix that no other role has, such as role/tenants/{tenant.id}",
            );
        }
    }
    let others = others(&named);
    for plan in credentials.plans.all_mut() {
        plan.others = others.iter().filter(|other| *other.arn != *plan.role_arn().as_text()).cloned().collect();
    }
}

/// Whether it varies, and something is told of it.
fn may_be_compared(arn: &Template) -> bool {
    arn.names().next().is_some() && !is_whole(arn)
}

/// Whether it comes out of a record as it is: of that nothing can be told but its value.
fn is_whole(arn: &Template) -> bool {
    let inner = arn.as_text().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|name| !name.contains('{'))
}

fn fixed<'r>(credentials: &CredentialsConfig, beside: &Beside<'_>) -> Vec<Named<'r>> {
    let mut all = Vec::new();
    let mut add = |setting: String, arn: &str| {
        all.extend(Template::parse(arn, Lands::Arn).ok().map(|arn| Named { plan: None, setting, arn }));
    };
    if let CredentialsSource::WebIdentity { role_arn, .. } = &credentials.source {
        add("credentials.source.web_identity.role_arn".to_owned(), role_arn);
    }
    for (key, table) in &beside.tables {
        if let Some(reader) = &table.reader {
            add(format!("{key}.role_arn"), &reader.role_arn);
        }
    }
    for workload in beside.workloads {
        add(format!("workloads.{}.assume_role.role_arn", workload.name), &workload.role.role_arn);
    }
    all
}

/// The roles of a plan: those on the way before its own.
fn of_plan<'r>(credentials: &Section<'r>, plan: &PlanConfig) -> Vec<Named<'r>> {
    let plans = std::iter::once(credentials.given("assume_role")).chain([credentials.given("assume_role_with_web_identity")]).flatten();
    let below = credentials
        .sections_again("services")
        .into_iter()
        .flat_map(|(_, service)| [service.given("assume_role"), service.given("assume_role_with_web_identity")].into_iter().flatten());
    let Some(section) = plans.chain(below).find(|section| section.name() == plan.key) else { return Vec::new() };
    let named = |section: Section<'r>, arn: &Template| {
        let setting = format!("{}.role_arn", section.name());
        Named { plan: Some(section), setting, arn: arn.clone() }
    };
    let hops = match &plan.ask {
        AskConfig::AssumeRole(ask) => &ask.via[..],
        AskConfig::WebIdentity(_) => &[],
    };
    let way = section.sections_again("via").into_iter().zip(hops).map(|((_, section), hop)| named(section, &hop.role_arn));
    way.collect::<Vec<_>>().into_iter().chain([named(section, plan.role_arn())]).collect()
}

impl From<&Named<'_>> for OtherRole {
    fn from(named: &Named<'_>) -> Self {
        Self { arn: named.arn.as_text().into(), setting: named.setting.as_str().into() }
    }
}
