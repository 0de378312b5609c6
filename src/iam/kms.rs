//! Key policies: a KMS key for each tenant, for that tenant's sessions alone.

use super::{
    document::{Conditions, Node, Statement},
    estate::Estate,
    roles::Role,
    text::{Open, Text},
};
use crate::{aws::partition::Partition, config::template::Name, directory::TenantRecord};

/// What keeps a key administrable, its policy included. What reads data, and `CreateGrant`, which gives that to others, is not among it: what the account
/// has, any policy of IAM in it gives on, and there is always one with `kms:Decrypt` on `*`.
const ADMINISTER: &[&str] = &[
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
];
const USE: &[&str] = &["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"];

/// The policy of the key of `tenant`, or of one that is still to be named, used by sessions of `role`.
///
/// The account keeps the key's administration: a key whose policy names nobody who may change it can be rescued by AWS alone.
/// <https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html>
pub(super) fn policy(estate: &Estate<'_>, role: &Role<'_>, tenant: Option<&TenantRecord>) -> Node {
    let root = Text::literal("arn:").then(role.partition.clone()).then(":iam::").then(role.account.clone()).then(":root");
    let principal = |arn| Some(Node::object([("AWS", Node::Text(arn))]));
    let id = tenant.map_or(Text::open(Open::Value(Name::TenantId)), |record| Text::literal(record.id.as_str()));
    let mut conditions = Conditions::default();
    if let Some(tag) = &role.tenant_tag {
        // In a role of one tenant too: whether it is that alone, other records decide. Met by a session that has the tag, with this value; one without it does not match.
        conditions = conditions.and("StringEquals", format!("aws:PrincipalTag/{tag}"), vec![id]);
    }
    if !role.serves("kms") {
        // Nobody has to call KMS directly then: the services do it for the session.
        let via = ["s3", "dynamodb"].into_iter().filter(|service| role.serves(service));
        let suffix = Partition::of(&estate.region).map_or("amazonaws.com", |partition| partition.suffix);
        let hosts: Vec<_> = via.map(|service| Text::literal(format!("{service}.{}.{suffix}", estate.region))).collect();
        if !hosts.is_empty() {
            conditions = conditions.and("StringEquals", "kms:ViaService", hosts);
        }
    }
    let administration = Statement {
        sid: "AccountAdministersKey",
        principal: principal(root),
        actions: ADMINISTER.to_vec(),
        resources: vec!["*".into()],
        ..Statement::default()
    };
    let usage = Statement {
        sid: "TenantUsesKey",
        principal: principal(role.arn()),
        actions: USE.to_vec(),
        resources: vec!["*".into()],
        conditions,
        ..Statement::default()
    };
    Node::policy(vec![administration.node(), usage.node()])
}
