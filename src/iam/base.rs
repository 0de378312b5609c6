//! The policy of Palisade's own identity: it may become tenants' roles, and nothing else.

use super::{
    document::{Conditions, Node, Statement},
    estate::Estate,
    text::{Open, Text},
};

/// The policy.
pub(super) fn policy(estate: &Estate<'_>) -> Node {
    Node::policy(statements(estate).into_iter().map(Statement::node).collect())
}

/// Its statements, each with one action.
pub(super) fn statements(estate: &Estate<'_>) -> Vec<Statement> {
    let roles = estate.role_patterns();
    let mut statements = Vec::new();
    let mut allow = |sid, action, conditions, resources: Vec<Text>| {
        statements.push(Statement { sid, actions: vec![action], resources, conditions, ..Statement::default() });
    };
    if !roles.is_empty() {
        allow("AssumeTenantRoles", "sts:AssumeRole", Conditions::default(), roles.clone());
    }
    let keys = estate.tag_keys();
    if !keys.is_empty() {
        let keys = keys.into_iter().map(Text::literal).collect();
        let conditions = Conditions::default().and("ForAllValues:StringEquals", "aws:TagKeys", keys).and_present("aws:TagKeys");
        allow("TagTenantSessions", "sts:TagSession", conditions, roles.clone());
    }
    if estate.roles.iter().any(|role| role.source_identity.is_some()) {
        allow("SayWhoItIsFor", "sts:SetSourceIdentity", Conditions::default(), roles);
    }
    if let Some(table) = estate.users_table {
        allow("ReadUsers", "dynamodb:GetItem", Conditions::default(), vec![table_arn(&table.name, &table.region)]);
    }
    statements
}

/// The ARN of a table of a directory, which may be configured by its name alone.
fn table_arn(name: &str, region: &str) -> Text {
    if name.starts_with("arn:") {
        return Text::literal(name);
    }
    let partition = crate::aws::partition::Partition::of(region).map_or("aws", |partition| partition.id);
    Text::literal(format!("arn:{partition}:dynamodb:{region}:"))
        .then(Text::open(Open::Account))
        .then(Text::literal(format!(":table/{name}")))
}
