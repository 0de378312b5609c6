//! A service control policy for the organisation: what no administrator of an account can undo by a slip.

use super::{
    IamError,
    document::{Conditions, Node, Statement},
    estate::Estate,
    roles::By,
    text::{Open, Text},
};

/// What would change what a tenant's role may do, or who may be it. Its tags count where a session brings none.
const CHANGES: &[&str] = &[
    "iam:AttachRolePolicy",
    "iam:DeleteRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:TagRole",
    "iam:UntagRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateRole",
];

/// The policy.
///
/// # Errors
/// A role is assumed by somebody else than Palisade's own identity: then who may is another matter for each role.
pub(super) fn policy(estate: &Estate<'_>) -> Result<Node, IamError> {
    let by_base = By::Principal(Text::open(Open::Base));
    if let Some(other) = estate.hubs.iter().chain(&estate.roles).find(|role| role.by != by_base) {
        return Err(IamError(format!(
            "{}: palisade iam does not print a service control policy yet for roles that are assumed by way of others (via) or with a token",
            other.key
        )));
    }
    let roles = estate.role_patterns();
    let but = |open| Conditions::default().and("ArnNotLike", "aws:PrincipalArn", vec![Text::open(open)]);
    let deny = Statement { is_denial: true, ..Statement::default() };
    let assumed = Statement {
        sid: "TenantRolesAreForPalisade",
        actions: vec!["sts:AssumeRole"],
        resources: roles.clone(),
        conditions: but(Open::Base),
        ..deny.clone()
    };
    let changed = Statement {
        sid: "TenantRolesStayAsTheyAre",
        actions: CHANGES.to_vec(),
        resources: roles,
        conditions: but(Open::Admin),
        ..deny.clone()
    };
    let mut may = vec!["sts:AssumeRole", "sts:GetCallerIdentity", "sts:SetSourceIdentity", "sts:TagSession"];
    may.extend(estate.own.actions());
    let confined = Statement {
        sid: "PalisadeOnlyAssumes",
        actions: may,
        all_but: true,
        resources: vec!["*".into()],
        conditions: Conditions::default().and("ArnLike", "aws:PrincipalArn", vec![Text::open(Open::Base)]),
        ..deny
    };
    Ok(Node::policy([assumed, changed, confined].map(Statement::node).into()))
}
