//! Data access policies of OpenSearch Serverless: which role reads and writes which index.
//!
//! They know principals, and neither session tags nor session policies: a role that tenants share reaches every index that it is given.
//! <https://docs.aws.amazon.com/opensearch-service/latest/developerguide/serverless-data-access.html>

use super::{
    document::Node,
    estate::Names,
    roles::{Role, id_in},
    text::{Open, Text},
};
use crate::config::template::Name;

/// Why tenants cannot share a role there.
pub(crate) const IS_SHARED: &str = "OpenSearch Serverless looks at neither session tags nor session policies: a role that tenants share reaches \
                                    every index; give it a role for each tenant (role_arn with {tenant.id})";

const PERMISSIONS: [&str; 5] = ["aoss:CreateIndex", "aoss:DescribeIndex", "aoss:ReadDocument", "aoss:UpdateIndex", "aoss:WriteDocument"];

/// The policy of the index of the tenant whose role it is.
pub(super) fn policy(names: &Names, role: &Role<'_>) -> Node {
    let tenant = id_in(role);
    let collection = names.collection.clone().unwrap_or_else(|| Text::open(Open::Collection));
    let index = names.index.clone().unwrap_or_else(|| Text::open(Open::Index));
    let of_tenant =
        |text: Text| text.map(|open| if *open == Open::Value(Name::TenantId) { tenant.clone() } else { Text::open(open.clone()) });
    let (collection, index) = (of_tenant(collection), of_tenant(index));
    let rule = Node::object([
        ("ResourceType", "index".into()),
        ("Resource", Node::texts([Text::literal("index/").then(collection).then("/").then(index)])),
        ("Permission", Node::texts(PERMISSIONS)),
    ]);
    Node::List(vec![Node::object([("Rules", Node::List(vec![rule])), ("Principal", Node::texts([role.arn()]))])])
}
