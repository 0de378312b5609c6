//! A service control policy for the organisation: what no administrator of an account can undo by a slip.

use super::{
    IamError,
    document::{Conditions, Node, Statement},
    estate::Estate,
    roles::By,
    text::{Open, Text},
};

/// What would change what a tenant's role may do, or who may be it, or would make one of that name: what the Service Authorization Reference of IAM
/// lists for the resource `role` and is no reading. Its tags count where a session brings none, and a role that is passed is a service's to use.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>
const CHANGES: &[&str] = &[
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:DeleteRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PassRole",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:TagRole",
    "iam:UntagRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateRole",
    "iam:UpdateRoleDescription",
];
/// The same for managed policies: whoever writes a version writes what every role that carries the policy may do.
const POLICY_CHANGES: &[&str] = &[
    "iam:CreatePolicy",
    "iam:CreatePolicyVersion",
    "iam:DeletePolicy",
    "iam:DeletePolicyVersion",
    "iam:SetDefaultPolicyVersion",
    "iam:TagPolicy",
    "iam:UntagPolicy",
];

/// The policy.
///
/// # Errors
/// A role is assumed by somebody else than Palisade's own identity: then who may is another matter for each role.
pub(super) fn policy(estate: &Estate<'_>, role_policies: &[String]) -> Result<Node, IamError> {
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
    let policies = Statement {
        sid: "TenantPoliciesStayAsTheyAre",
        actions: POLICY_CHANGES.to_vec(),
        resources: managed_policies(estate, role_policies)?,
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
    let statements = [assumed, changed, policies, confined].into_iter().filter(|statement| !statement.resources.is_empty());
    Ok(Node::policy(statements.map(Statement::node).collect()))
}

/// Managed policies that decide what sessions may do: those that are sent along, and those that the roles carry. Those of AWS nobody can change.
fn managed_policies(estate: &Estate<'_>, role_policies: &[String]) -> Result<Vec<Text>, IamError> {
    let mut all: Vec<Text> = role_policies.iter().map(Text::literal).collect();
    for role in &estate.roles {
        for arn in role.bounds.policy_arns.iter().filter(|arn| arn.as_text().split(':').nth(4) != Some("aws")) {
            let arn = Text::template(arn.as_text()).map_err(|error| IamError(format!("{}.policy_arns: {error}", role.key)))?.as_pattern();
            if !all.contains(&arn) {
                all.push(arn);
            }
        }
    }
    Ok(all)
}
