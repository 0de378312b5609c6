//! Statements for somebody who lacks them: those of one tenant's plan, with every ARN filled in.

use serde_json::Value;

use super::{
    Format, IamError, Wanted, base,
    document::{Node, Statement},
    estate::Estate,
    filled,
    roles::{By, Role},
    text::Text,
    trust,
};
use crate::{config::Config, directory::TenantRecord};

/// Statements without which a tenant's plan does not work, each with its action.
#[derive(Debug, Default)]
pub(crate) struct Needed {
    /// Who is trusted: Palisade, or the last role on the way to the tenant's.
    pub(crate) principal: String,
    /// Of the role's trust policy.
    pub(crate) trust: Vec<(&'static str, Value)>,
    /// Of the policy of whoever is trusted.
    pub(crate) base: Vec<(&'static str, Value)>,
    /// The plan that assumes the same role with other session tags, external id or source identity: no trust statement is then given, since
    /// one that is right for both is not known here.
    pub(crate) rival: Option<String>,
}

/// What the plan at `key` needs for `record`, where Palisade is `principal`.
///
/// # Errors
/// As [`print`](super::print).
pub(crate) fn needed(config: &Config, key: &str, record: &TenantRecord, principal: &str) -> Result<Needed, IamError> {
    let records = [record.clone()];
    let wanted = Wanted {
        format: Format::Json,
        what: Vec::new(),
        tenants: Vec::new(),
        known: Vec::new(),
        base_arn: None,
        admin_arn: None,
        role_policies: Vec::new(),
        buckets: Vec::new(),
        prefix: "{tenant.id}/".to_owned(),
        tables: Vec::new(),
        table_indexes: Vec::new(),
        leading_key: "{tenant.id}#".to_owned(),
        collection: None,
        index: None,
    };
    let estate = Estate::new(config, &records, &wanted, Some(key))?;
    let value = |statement: Statement| {
        let action = statement.actions.first().copied().unwrap_or_default();
        let mut node = statement.node();
        node.fill(&|open| filled(open, Some(principal), None));
        (action, value_of(&node))
    };
    let [role] = estate.roles.as_slice() else {
        return Err(IamError(format!("{key}: holds for no service")));
    };
    let By::Principal(by) = &role.by else {
        return Err(IamError(format!("{key}: a token is its authority, and no identity")));
    };
    let filled = by.map(|open| filled(open, Some(principal), None).unwrap_or_else(|| Text::open(open.clone())));
    let rival = rival(config, key, &records, &wanted, role);
    let trust = if rival.is_some() { Vec::new() } else { trust::statements(role)?.into_iter().map(value).collect() };
    Ok(Needed { principal: filled.to_string(), trust, base: base::becoming(&estate, by).into_iter().map(value).collect(), rival })
}

/// The key of another plan that assumes `role`, and demands something else of its trust policy.
fn rival(config: &Config, key: &str, records: &[TenantRecord], wanted: &Wanted, role: &Role<'_>) -> Option<String> {
    let plans = config.credentials.iter().flat_map(|credentials| credentials.plans.all());
    let differs = |other: &Role<'_>| {
        other.arn() == role.arn()
            && (&other.tags, &other.external_id, &other.source_identity) != (&role.tags, &role.external_id, &role.source_identity)
    };
    plans.map(|plan| plan.key.as_str()).filter(|other| *other != key).find_map(|other| {
        // One of which nothing can be said has said so where it is tried itself.
        let estate = Estate::new(config, records, wanted, Some(other)).ok()?;
        estate.roles.iter().chain(&estate.hubs).any(differs).then(|| other.to_owned())
    })
}

fn value_of(node: &Node) -> Value {
    match node {
        Node::Text(text) => Value::String(text.to_string()),
        Node::List(items) => items.iter().map(value_of).collect(),
        Node::Object(members) => members.iter().map(|(key, value)| (key.clone(), value_of(value))).collect(),
    }
}
