//! Statements for somebody who lacks them: those of one tenant's plan, with every ARN filled in.

use serde_json::Value;

use super::{
    Format, IamError, Wanted, base,
    document::{Node, Statement},
    estate::Estate,
    filled,
    roles::By,
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
    let trust = trust::statements(role)?.into_iter().map(value).collect();
    Ok(Needed { principal: filled.to_string(), trust, base: base::becoming(&estate, by).into_iter().map(value).collect() })
}

fn value_of(node: &Node) -> Value {
    match node {
        Node::Text(text) => Value::String(text.to_string()),
        Node::List(items) => items.iter().map(value_of).collect(),
        Node::Object(members) => members.iter().map(|(key, value)| (key.clone(), value_of(value))).collect(),
    }
}
