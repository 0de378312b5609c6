//! Data policies: what a tenant's session may touch.
//!
//! S3 is divided by key prefix, DynamoDB by the beginning of the partition key, either of them by name where the name has the
//! tenant in it. The tenant is the session tag's value (`${aws:PrincipalTag/...}`) in a role for all, and its id in a role of its own.
//!
//! `ForAllValues` is met by a request without the key, which a `Scan` is: the key's presence is demanded beside it.
//! And it is the table's key that it sees of a write, and the index's of a query on an index: who may write may choose the place in a global index.
//! So of a table that tenants share, those indexes are reached that somebody has named.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html>

use super::{
    IamError,
    document::{Conditions, Node, Statement},
    estate::{Estate, Names},
    roles::{Role, tenant_in},
    text::{Open, Text},
};
use crate::config::template::{JsonTemplate, Name};

/// What single objects need, multipart uploads included.
const OBJECTS: &[&str] = &["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];
/// What names the keys that it touches. `Scan` and the operations on tables do not.
const ITEMS: &[&str] = &[
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
];

/// The data policy of `role`; `None` where nothing of what it calls has a statement here.
///
/// # Errors
/// A name or prefix by which tenants could reach each other, or nothing that tells them apart.
pub(super) fn policy(estate: &Estate<'_>, role: &Role<'_>) -> Result<Option<Node>, IamError> {
    let Some(tenant) = tenant_in(role) else {
        if !role.bounds.tell_tenants_apart() {
            return Err(IamError(format!(
                "{}: no session tag is {{tenant.id}} alone, and session_policy and policy_arns do not tell tenants apart each, so no data policy \
                 can; add session_tags: {{TenantID: \"{{tenant.id}}\"}}",
                role.key
            )));
        }
        // What is sent along alone tells tenants apart: what the role itself may do is then all tenants' together.
        return Ok(policy_of(estate, role, &Text::literal("*")));
    };
    Ok(policy_of(estate, role, &tenant))
}

/// The same as a session policy, as a template of Palisade's.
pub(super) fn session(estate: &Estate<'_>, role: &Role<'_>) -> Option<Node> {
    policy_of(estate, role, &Text::open(Open::Value(Name::TenantId)))
}

fn policy_of(estate: &Estate<'_>, role: &Role<'_>, tenant: &Text) -> Option<Node> {
    let mut statements = Vec::new();
    if role.serves("s3") {
        statements.extend(s3(&estate.names, role, tenant));
    }
    if role.serves("dynamodb") {
        statements.extend(dynamodb(estate, role, tenant));
    }
    if role.serves("aoss") {
        // What in the collection, is said by its data access policy.
        statements.push(Statement {
            sid: "ReachCollections",
            actions: vec!["aoss:APIAccessAll"],
            resources: collections(estate).map(|id| arn(role, "aoss", &estate.region, role.account.clone(), id)).collect(),
            ..Statement::default()
        });
    }
    let statements: Vec<_> = statements.into_iter().map(Statement::node).collect();
    (!statements.is_empty()).then(|| Node::policy(statements))
}

/// `collection/ID`, of each that the configuration names.
fn collections<'e>(estate: &'e Estate<'_>) -> impl Iterator<Item = Text> + 'e {
    let ids = if estate.collections.is_empty() { &["*"][..] } else { &estate.collections };
    ids.iter().map(|id| Text::literal(format!("collection/{id}")))
}

fn s3(names: &Names, role: &Role<'_>, tenant: &Text) -> Vec<Statement> {
    let by_name = Names::divide(&names.buckets);
    let prefix = if by_name { Text::default() } else { with(&names.prefix, tenant) };
    let buckets = Names::or(&names.buckets, Open::Bucket);
    let bucket = |bucket: &Text| arn(role, "s3", "", Text::default(), with(bucket, tenant));
    let listed =
        if by_name { Conditions::default() } else { Conditions::default().and("StringLike", "s3:prefix", vec![prefix.clone().then("*")]) };
    vec![
        Statement {
            sid: "Objects",
            actions: OBJECTS.to_vec(),
            resources: buckets.iter().map(|name| bucket(name).then("/").then(prefix.clone()).then("*")).collect(),
            ..Statement::default()
        },
        Statement {
            sid: "ListObjects",
            actions: vec!["s3:ListBucket"],
            resources: buckets.iter().map(bucket).collect(),
            conditions: listed,
            ..Statement::default()
        },
    ]
}

fn dynamodb(estate: &Estate<'_>, role: &Role<'_>, tenant: &Text) -> Vec<Statement> {
    let names = &estate.names;
    let tables = Names::or(&names.tables, Open::Table);
    let table = |name: &Text| arn(role, "dynamodb", &estate.region, role.account.clone(), Text::literal("table/").then(with(name, tenant)));
    let items = Statement { sid: "Items", actions: ITEMS.to_vec(), ..Statement::default() };
    if Names::divide(&names.tables) {
        // A table of the tenant's own, with whatever indexes it has.
        let resources = tables.iter().flat_map(|name| [table(name), table(name).then("/index/*")]).collect();
        return std::iter::once(Statement { resources, ..items }).chain(learning(estate, tables.iter().map(table))).collect();
    }
    let key = with(&names.leading_key, tenant).then("*");
    let conditions =
        Conditions::default().and("ForAllValues:StringLike", "dynamodb:LeadingKeys", vec![key]).and_present("dynamodb:LeadingKeys");
    let items = Statement { resources: tables.iter().map(table).collect(), conditions: conditions.clone(), ..items };
    let indexes: Vec<_> = names.table_indexes.iter().map(|(name, index)| table(name).then("/index/").then(index.clone())).collect();
    let queries =
        Statement { sid: "QueryIndexes", actions: vec!["dynamodb:Query"], resources: indexes, conditions, ..Statement::default() };
    let queries = Some(queries).filter(|queries| !queries.resources.is_empty());
    std::iter::once(items).chain(queries).chain(learning(estate, tables.iter().map(table))).collect()
}

/// What the guard asks with a tenant's session where a rule of its says `learn`. It names no item, and so no key.
fn learning(estate: &Estate<'_>, tables: impl Iterator<Item = Text>) -> Option<Statement> {
    let asks =
        || Statement { sid: "LearnKeys", actions: vec!["dynamodb:DescribeTable"], resources: tables.collect(), ..Statement::default() };
    estate.learns_keys.then(asks)
}

fn arn(role: &Role<'_>, service: &str, region: &str, account: Text, resource: Text) -> Text {
    let front = Text::literal("arn:").then(role.partition.clone()).then(Text::literal(format!(":{service}:{region}:")));
    front.then(account).then(":").then(resource)
}

/// `text` with the tenant where it says `{tenant.id}`.
fn with(text: &Text, tenant: &Text) -> Text {
    text.map(|open| if *open == Open::Value(Name::TenantId) { tenant.clone() } else { Text::open(open.clone()) })
}

/// Reads a name or a prefix of the command line. Only the tenant's id may stand in it, since only that is in a session tag by rule.
///
/// # Errors
/// Another placeholder, a wildcard, or a tenant id whose end cannot be told from what follows.
pub(super) fn read(argument: &str, text: &str, is_prefix: bool) -> Result<Text, IamError> {
    let wrong = |why: String| IamError(format!("{argument} {text:?}: {why}"));
    if text.contains(['*', '?', '$']) {
        return Err(wrong("has a character that means something to IAM; give the name itself".to_owned()));
    }
    let parsed = Text::template(text).map_err(|error| wrong(error.to_string()))?;
    if let Some(name) = parsed.names().find(|name| **name != Name::TenantId) {
        return Err(wrong(format!("{{{name}}} cannot stand here; only {{tenant.id}} can")));
    }
    if is_prefix {
        if parsed.names().next().is_none() {
            return Err(wrong("has no {tenant.id}: it would be the same for every tenant".to_owned()));
        }
        let policy = serde_json::json!({"Resource": format!("{text}*")}).to_string();
        JsonTemplate::parse(&policy).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(parsed)
}

/// Reads `TABLE/INDEX`, of a table that tenants share.
///
/// # Errors
/// It is none, of a table that is not named, or of one that is a tenant's own and whose indexes are reached anyway.
pub(super) fn read_index(tables: &[Text], text: &str) -> Result<(Text, Text), IamError> {
    let wrong = |why: &str| IamError(format!("--table-index {text:?}: {why}"));
    let (table, index) = text.split_once('/').filter(|(_, index)| !index.is_empty()).ok_or_else(|| wrong("is not TABLE/INDEX"))?;
    let (table, index) = (read("--table-index", table, false)?, read("--table-index", index, false)?);
    if table.names().chain(index.names()).next().is_some() {
        return Err(wrong("{tenant.id} cannot stand here; a table of a tenant's own is reached with all its indexes"));
    }
    if !tables.contains(&table) {
        return Err(wrong("is of a table that no --table names"));
    }
    Ok((table, index))
}
