//! Requests to DynamoDB: which items of which tables they are about, and which of them are a tenant's.
//!
//! The attack, and what is done about it:
//! * **another item**: the hash key of every item that is read, written, checked or queried has to fit, as the value that DynamoDB stores: of text the bytes,
//!   of binaries what Base64 says, of numbers the number. Each request of a batch and each item of a transaction is looked at, by the rules of its own table;
//! * **another's index**: an item carries the hash keys of indexes too. A write puts none but the tenant's there, and an update says what it puts there; a
//!   query of an index is held to that index's hash key, and an index that the rule does not have is refused;
//! * **everything**: a `Scan` of a table that is shared, and its stream, are refused. Filters are for what was read already, and are taken for nothing here;
//! * **another table**, by name or ARN: names are compared with the rule's patterns, an ARN's region with that of the request;
//! * **another language**: PartiQL says what it is about in statements, and is refused;
//! * **another body**: it is read once, strictly (see [`json`]), from the bytes that are signed and sent, and nothing but DynamoDB's JSON protocol is taken;
//! * **another hash key** than the rule thinks: with `learn` DynamoDB says which attributes are keys (see [`schemas`](super::schemas)), and the
//!   request none;
//! * **the table itself**: what changes a table, copies it out, or lists the tables of everybody is refused.

mod api;
mod expression;
mod json;
mod number;
#[cfg(any(test, fuzzing))]
pub(crate) mod oracle;
mod pool;
mod request;
mod table;
mod within;

use std::{borrow::Cow, collections::BTreeSet, sync::LazyLock};

use http::{HeaderMap, Method, header};

use self::{
    api::Operation,
    pool::Part,
    request::{Thing, Touch},
};
use super::{
    rules::{Opinion, Question, Terms, Unruled, Verdict, any_fits},
    schemas::Tables,
    seen::Thing as Seen,
};
use crate::{
    aws::{
        action::{Actions, Needed, Pattern},
        dialect::PROTOCOL_HEADER,
        operation::target_header,
        resource::{Asked, Untold},
    },
    config::{DynamoDbRuleConfig, NamePattern, PoolConfig, SchemaConfig, template::Values},
};

/// What may be done where a rule does not say.
const USUAL: [&str; 15] = [
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:DescribeStream",
    "dynamodb:DescribeTable",
    "dynamodb:DescribeTimeToLive",
    "dynamodb:GetItem",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:SearchVectors",
    "dynamodb:UpdateItem",
];

/// Whatever a rule lists itself, it lists to have it queried.
static NO_INDEXES: BTreeSet<String> = BTreeSet::new();

pub(super) static USUAL_ACTIONS: LazyLock<Option<Actions>> =
    LazyLock::new(|| Actions::new(USUAL.iter().filter_map(|text| Pattern::parse(text)).collect()));

/// Tells where DynamoDB is, which everybody knows.
const HARMLESS: &str = "DescribeEndpoints";
const PARTIQL: [&str; 3] = ["BatchExecuteStatement", "ExecuteStatement", "ExecuteTransaction"];

/// One of `guard.dynamodb`.
#[derive(Debug)]
pub(super) struct DynamoDbRule {
    terms: Terms,
    tables: Vec<NamePattern>,
    account: Option<NamePattern>,
    pool: Option<PoolConfig>,
}

impl DynamoDbRule {
    pub(super) fn new(config: &DynamoDbRuleConfig) -> Self {
        let usual = USUAL_ACTIONS.as_ref().unwrap_or(Actions::nothing());
        Self {
            terms: Terms::new(&config.terms, usual),
            tables: config.tables.clone(),
            account: config.account.clone(),
            pool: config.pool.clone(),
        }
    }

    fn opinion(&self, touch: &Touch<'_>, needed: &Needed<'_>, tenant: &dyn Values, tables: &Tables<'_>) -> Opinion {
        if let Err(opinion) = any_fits(&self.tables, |pattern| pattern.matches(touch.table.name, tenant)) {
            return opinion;
        }
        if let Err(why) = self.is_home(touch.table.account, tenant) {
            return Opinion::Denied(why);
        }
        match self.has(touch, tenant, tables) {
            Ok(()) => self.terms.allow(needed),
            Err(opinion) => opinion,
        }
    }

    /// Whether the account of an ARN is the rule's. A name is that of a table in the account whose credentials sign.
    fn is_home(&self, account: Option<&str>, tenant: &dyn Values) -> Result<(), Cow<'static, str>> {
        let (Some(pattern), Some(account)) = (&self.account, account) else { return Ok(()) };
        match pattern.matches(account, tenant) {
            Ok(true) => Ok(()),
            Ok(false) => Err("the table's ARN is of another account".into()),
            Err(missing) => Err(missing.to_string().into()),
        }
    }

    /// Whether the thing is the tenant's. Where the table's keys are not known yet, it passes for the tenant's, and `tables` remembers that
    /// the verdict is none.
    fn has(&self, touch: &Touch<'_>, tenant: &dyn Values, tables: &Tables<'_>) -> Result<(), Opinion> {
        let Some(pool) = &self.pool else { return Ok(()) };
        match &touch.thing {
            Thing::All => return Err(Opinion::Denied("all of a table that has a leading_key is everybody's".into())),
            Thing::Schema => return Ok(()),
            Thing::Item(_) | Thing::Key(_) | Thing::Query(_) | Thing::Update(_) => {}
        }
        let learnt;
        let (keys, open) = match &pool.schema {
            SchemaConfig::Given(keys) => (keys, &NO_INDEXES),
            SchemaConfig::Learnt { open_indexes } => match tables.keys_of(touch.table.text)? {
                Some(keys) => {
                    learnt = keys;
                    (&*learnt, open_indexes)
                }
                None => return Ok(()),
            },
        };
        let part = Part { leading_key: &pool.leading_key, keys, open, tenant };
        let has = match &touch.thing {
            Thing::Item(item) => part.has_item(item),
            Thing::Key(key) => part.has_key(key),
            Thing::Query(query) => part.has_query(query),
            Thing::Update(update) => part.has_update(update),
            Thing::All | Thing::Schema => Ok(()),
        };
        has.map_err(Opinion::Denied)
    }
}

pub(super) fn judge(rules: &[DynamoDbRule], question: &Question<'_>, unruled: Unruled<'_>) -> Verdict {
    let Question { asked, method, needed, tenant, tables, .. } = *question;
    let deny = |why: Untold| unruled.verdict(why.into());
    let (name, body) = match document(&asked, method) {
        Ok(document) => document,
        Err(why) => return deny(why),
    };
    if name == HARMLESS {
        return Verdict::allowed();
    }
    let Some(operation) = Operation::find(name) else { return deny(unknown(name)) };
    let Some(body) = json::read(body, &operation.body) else {
        return deny("the body is not what the operation takes: a member is not known, twice or of another type");
    };
    let touches = match request::touches(operation, &body, &asked.target.region) {
        Ok(touches) => touches,
        Err(why) => return deny(why),
    };
    if touches.is_empty() {
        return deny("the request is about nothing");
    }
    touches.iter().fold(Verdict::allowed(), |verdict, touch| {
        verdict.and(|| {
            let needed = needed.one(touch.action);
            let nobody = || format!("no rule is about the table {}", touch.table.name).into();
            let thing = || Seen {
                account: touch.table.account.map(str::to_owned),
                ..Seen::new("dynamodb", "table", touch.table.name, within::of(&touch.thing), &needed)
            };
            unruled.about(thing).ask(rules, |rule| &rule.terms, |rule| rule.opinion(touch, &needed, tenant, tables), nobody)
        })
    })
}

fn unknown(operation: &str) -> Untold {
    match operation {
        _ if PARTIQL.contains(&operation) => "a statement of PartiQL is not read here",
        "GetRecords" => "an iterator does not say whose stream it is of",
        _ if operation.starts_with("List") => "a listing is of everybody's",
        _ => "it changes tables or copies them, or is not understood",
    }
}

/// The operation and the body of a request in DynamoDB's protocol, beside which nothing says what it is for.
fn document<'a>(asked: &Asked<'a>, method: &Method) -> Result<(&'a str, &'a [u8]), Untold> {
    const ANOTHER: Untold = "the request is not in DynamoDB's JSON protocol";
    let (target, headers) = (asked.target, asked.headers);
    if *method != Method::POST || target.path_and_query.path() != "/" || target.path_and_query.query().is_some() {
        return Err(ANOTHER);
    }
    let prefix = match target.api.as_str() {
        "dynamodb" => "DynamoDB_20120810",
        "dynamodbstreams" => "DynamoDBStreams_20120810",
        _ => return Err(ANOTHER),
    };
    let said = target_header(headers).ok().flatten().filter(|said| said.prefix == prefix).ok_or(ANOTHER)?;
    if headers.contains_key(PROTOCOL_HEADER) || !is_json(headers) {
        return Err(ANOTHER);
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err("the body is encoded");
    }
    Ok((said.operation, asked.body.ok_or("the body is not in memory")?))
}

/// Whether the one `Content-Type` is AWS JSON 1.0, in UTF-8.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let (kind, parameter) = text.split_once(';').unwrap_or((text, ""));
    let is_utf8 = matches!(parameter.trim().to_ascii_lowercase().as_str(), "" | "charset=utf-8");
    is_utf8 && kind.trim().eq_ignore_ascii_case("application/x-amz-json-1.0")
}

#[cfg(test)]
mod tests;
