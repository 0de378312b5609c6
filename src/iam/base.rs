//! The policy of Palisade's own identity: it may become roles, and read a directory's table that no role of its own is there for.

use std::collections::BTreeSet;

use super::{
    document::{Conditions, Node, Statement},
    estate::Estate,
    roles::{By, Role},
    text::{Open, Text},
};

/// The policy; `None` where no plan and no table needs the identity.
pub(super) fn policy(estate: &Estate<'_>) -> Option<Node> {
    let statements: Vec<_> = statements(estate).into_iter().map(Statement::node).collect();
    (!statements.is_empty()).then(|| Node::policy(statements))
}

/// Its statements, each for one kind of thing.
pub(super) fn statements(estate: &Estate<'_>) -> Vec<Statement> {
    let mut statements = becoming(estate, &Text::open(Open::Base));
    statements.extend(estate.own.statements());
    statements
}

/// The policy of `hub`, a role on the way to others.
pub(super) fn of_hub(estate: &Estate<'_>, hub: &Role<'_>) -> Node {
    Node::policy(becoming(estate, &hub.arn()).into_iter().map(Statement::node).collect())
}

/// What `principal` needs to become the roles that it assumes.
pub(super) fn becoming(estate: &Estate<'_>, principal: &Text) -> Vec<Statement> {
    let assumed: Vec<_> = estate.hubs.iter().chain(&estate.roles).filter(|role| is_by(role, principal)).collect();
    let patterns = |wanted: &dyn Fn(&Role<'_>) -> bool| -> Vec<Text> {
        assumed.iter().filter(|role| wanted(role)).map(|role| role.arn().as_pattern()).collect()
    };
    let mut statements = Vec::new();
    let mut allow = |sid, action, conditions, resources: Vec<Text>| {
        if !resources.is_empty() {
            statements.push(Statement { sid, actions: vec![action], resources, conditions, ..Statement::default() });
        }
    };
    allow("AssumeTenantRoles", "sts:AssumeRole", Conditions::default(), patterns(&|_| true));
    let keys: BTreeSet<_> = assumed.iter().flat_map(|role| &role.tags).map(|(key, _)| key.as_str()).collect();
    let keys = keys.into_iter().map(Text::literal).collect();
    let conditions = Conditions::default().and("ForAllValues:StringEquals", "aws:TagKeys", keys).and_present("aws:TagKeys");
    allow("TagTenantSessions", "sts:TagSession", conditions, patterns(&|role| !role.tags.is_empty()));
    let says = |role: &Role<'_>| role.source_identity.is_some();
    allow("SayWhoItIsFor", "sts:SetSourceIdentity", Conditions::default(), patterns(&says));
    statements
}

fn is_by(role: &Role<'_>, principal: &Text) -> bool {
    matches!(&role.by, By::Principal(by) if by == principal)
}
