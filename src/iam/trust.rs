//! Trust policies: who may assume a role, and with what.
//!
//! Each of the actions that one `AssumeRole` call needs has a statement of its own, since they see different keys: the external
//! id belongs to `sts:AssumeRole`, the list of tag keys to `sts:TagSession`. A tag that tells tenants apart is demanded where the role is
//! *assumed*: a session without it would have the tags of the role itself, or none.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html>

use super::{
    IamError,
    document::{Conditions, Node, Statement},
    roles::{By, Demand, Role},
    text::Text,
};

/// The trust policy of `role`.
///
/// # Errors
/// As [`statements`].
pub(super) fn policy(role: &Role<'_>) -> Result<Node, IamError> {
    Ok(Node::policy(statements(role)?.into_iter().map(Statement::node).collect()))
}

/// Its statements: one for the call itself, and where the plan needs them `sts:TagSession` and `sts:SetSourceIdentity`.
///
/// # Errors
/// Whom to trust is not known.
pub(super) fn statements(role: &Role<'_>) -> Result<Vec<Statement>, IamError> {
    let (call, principal, whose) = match &role.by {
        By::Principal(arn) => ("sts:AssumeRole", ("AWS", arn.clone()), Conditions::default()),
        By::Callers(provider) => {
            let audience = provider.audience.iter().map(Text::literal).collect();
            let conditions = Conditions::default().and("StringEquals", format!("{}:aud", provider.name), audience);
            ("sts:AssumeRoleWithWebIdentity", ("Federated", provider.arn(&role.partition, &role.account)), conditions)
        }
        By::TokenFile => {
            return Err(IamError(format!(
                "{}.token.file: palisade iam does not print trust policies for a token in a file yet, since it does not know the OIDC provider and \
                 the subject. Write a statement for sts:AssumeRoleWithWebIdentity that demands both aud and sub; for the rest use --what base,data",
                role.key
            )));
        }
    };
    let trusted = |sid, action, conditions| Statement {
        sid,
        principal: Some(Node::object([(principal.0, Node::Text(principal.1.clone()))])),
        actions: vec![action],
        conditions,
        ..Statement::default()
    };
    let mut assume = tags(role, whose.clone());
    if let Some(external_id) = &role.external_id {
        assume = demanded(assume, "sts:ExternalId".to_owned(), external_id);
    }
    let mut statements = vec![trusted("Assume", call, assume)];
    if !role.tags.is_empty() {
        statements.push(trusted("Tag", "sts:TagSession", keys(role, tags(role, whose))));
    }
    if let Some(identity) = &role.source_identity {
        let conditions = demanded(Conditions::default(), "sts:SourceIdentity".to_owned(), identity);
        statements.push(trusted("Source", "sts:SetSourceIdentity", conditions));
    }
    Ok(statements)
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
