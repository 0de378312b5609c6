//! Trust policies: who may assume a role, and with what.
//!
//! Each of the actions that one `AssumeRole` call needs has a statement of its own, since they see different keys: the external
//! id belongs to `sts:AssumeRole`, the list of tag keys to `sts:TagSession`. A tag that tells tenants apart is demanded where the role is
//! *assumed*: a session without it would have the tags of the role itself, or none.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html>

use super::{
    document::{Conditions, Node, Statement},
    roles::{Demand, Role},
    text::{Open, Text},
};

/// The trust policy of `role`.
pub(super) fn policy(role: &Role<'_>) -> Node {
    Node::policy(statements(role).into_iter().map(Statement::node).collect())
}

/// Its statements: `sts:AssumeRole`, and where the plan needs them `sts:TagSession` and `sts:SetSourceIdentity`.
pub(super) fn statements(role: &Role<'_>) -> Vec<Statement> {
    let by_palisade = |sid, action, conditions| Statement {
        sid,
        principal: Some(Node::object([("AWS", Node::Text(Text::open(Open::Base)))])),
        actions: vec![action],
        conditions,
        ..Statement::default()
    };
    let mut assume = tags(role, Conditions::default());
    if let Some(external_id) = &role.external_id {
        assume = demanded(assume, "sts:ExternalId".to_owned(), external_id);
    }
    let mut statements = vec![by_palisade("Assume", "sts:AssumeRole", assume)];
    if !role.tags.is_empty() {
        statements.push(by_palisade("Tag", "sts:TagSession", keys(role, tags(role, Conditions::default()))));
    }
    if let Some(identity) = &role.source_identity {
        let conditions = demanded(Conditions::default(), "sts:SourceIdentity".to_owned(), identity);
        statements.push(by_palisade("Source", "sts:SetSourceIdentity", conditions));
    }
    statements
}

fn tags(role: &Role<'_>, conditions: Conditions) -> Conditions {
    role.tags.iter().fold(conditions, |conditions, (key, demand)| demanded(conditions, format!("aws:RequestTag/{key}"), demand))
}

fn demanded(conditions: Conditions, key: String, demand: &Demand) -> Conditions {
    match demand {
        Demand::Exactly(text) => conditions.and("StringEquals", key, vec![text.clone()]),
        Demand::Something => conditions.and("StringLike", key, vec!["?*".into()]),
    }
}

/// No other tags than ours, and no others that stay.
fn keys(role: &Role<'_>, conditions: Conditions) -> Conditions {
    let all = role.tags.iter().map(|(key, _)| Text::literal(key.as_str())).collect();
    let conditions = conditions.and("ForAllValues:StringEquals", "aws:TagKeys", all).and_present("aws:TagKeys");
    if role.transitive.is_empty() {
        return conditions.and("Null", "sts:TransitiveTagKeys", vec!["true".into()]);
    }
    let staying = role.transitive.iter().map(|key| Text::literal(key.as_str())).collect();
    conditions.and("ForAllValues:StringEquals", "sts:TransitiveTagKeys", staying)
}
