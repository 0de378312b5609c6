//! What a request touches, as its body says it.

use super::{
    api::{One, Operation, Reads},
    json::{Map, Node},
    table::Table,
};
use crate::aws::resource::Untold;

/// One thing that a request is about.
pub(super) struct Touch<'n> {
    pub(super) table: Table<'n>,
    /// What IAM calls what is done with it.
    pub(super) action: &'static str,
    pub(super) thing: Thing<'n>,
}

/// What it is.
pub(super) enum Thing<'n> {
    /// Whatever the table has in it.
    All,
    /// An item, written.
    Item(&'n Map<'n>),
    /// The item with this key.
    Key(&'n Map<'n>),
    Query(Query<'n>),
    /// What the table looks like.
    Schema,
    Update(Update<'n>),
}

/// What becomes of an item.
pub(super) struct Update<'n> {
    pub(super) key: &'n Map<'n>,
    pub(super) expression: Option<&'n str>,
    /// In the older form.
    pub(super) attributes: Option<&'n Map<'n>>,
    pub(super) names: Option<&'n Map<'n>>,
    pub(super) values: Option<&'n Map<'n>>,
}

/// Which items are asked for.
pub(super) struct Query<'n> {
    pub(super) index: Option<&'n str>,
    pub(super) expression: Option<&'n str>,
    /// In the older form.
    pub(super) conditions: Option<&'n Map<'n>>,
    /// `AND` or `OR`, in the older form.
    pub(super) operator: Option<&'n str>,
    pub(super) names: Option<&'n Map<'n>>,
    pub(super) values: Option<&'n Map<'n>>,
    pub(super) start: Option<&'n Map<'n>>,
}

const MISSING: Untold = "the member that says what the request is about is missing";
const NOTHING: Untold = "the request is about nothing";
const TOO_MANY: Untold = "more items than DynamoDB takes at once";
/// Most keys of a BatchGetItem, requests of a BatchWriteItem, and items of a transaction ("Service quotas", Amazon DynamoDB developer guide).
const MAX_GETS: usize = 100;
const MAX_WRITES: usize = 25;
const MAX_TRANSACTION: usize = 100;

/// Everything that `body` is about; never nothing. `region` is where it goes.
pub(super) fn touches<'n>(operation: &Operation, body: &'n Node<'n>, region: &str) -> Result<Vec<Touch<'n>>, Untold> {
    let name = operation.name;
    let found = match operation.reads {
        Reads::One(one) => vec![touch(name, one, body, region)?],
        Reads::Stream => {
            let table = Table::of_stream(body.text("StreamArn").ok_or(MISSING)?, region)?;
            vec![Touch { table, action: name, thing: Thing::All }]
        }
        Reads::BatchGet => batch(name, body, region, MAX_GETS, |keys| {
            let keys = keys.list("Keys").ok_or(MISSING)?.iter();
            keys.map(|key| key.as_map().map(Thing::Key).ok_or(MISSING)).collect()
        })?,
        Reads::BatchWrite => batch(name, body, region, MAX_WRITES, |requests| {
            let requests = requests.as_list().ok_or(MISSING)?.iter();
            requests.map(|request| only(request).and_then(|(kind, request)| written(kind, request))).collect()
        })?,
        Reads::Transaction => {
            let items = body.list("TransactItems").ok_or(MISSING)?;
            if items.len() > MAX_TRANSACTION {
                return Err(TOO_MANY);
            }
            let read = |item| {
                let (kind, order) = only(item)?;
                let (action, one) = match kind {
                    "ConditionCheck" => ("ConditionCheckItem", One::Key),
                    "Delete" => ("DeleteItem", One::Key),
                    "Get" => ("GetItem", One::Key),
                    "Put" => ("PutItem", One::Item),
                    "Update" => ("UpdateItem", One::Update),
                    _ => return Err(MISSING),
                };
                touch(action, one, order, region)
            };
            items.iter().map(read).collect::<Result<_, _>>()?
        }
    };
    if found.is_empty() { Err(NOTHING) } else { Ok(found) }
}

fn touch<'n>(action: &'static str, one: One, order: &'n Node<'n>, region: &str) -> Result<Touch<'n>, Untold> {
    let table = Table::read(order.text("TableName").ok_or(MISSING)?, region)?;
    let key = || order.map("Key").ok_or(MISSING);
    let (names, values) = (order.map("ExpressionAttributeNames"), order.map("ExpressionAttributeValues"));
    let thing = match one {
        One::All => Thing::All,
        One::Item => Thing::Item(order.map("Item").ok_or(MISSING)?),
        One::Key => Thing::Key(key()?),
        One::Query => Thing::Query(Query {
            index: order.text("IndexName"),
            expression: order.text("KeyConditionExpression"),
            conditions: order.map("KeyConditions"),
            operator: order.text("ConditionalOperator"),
            names,
            values,
            start: order.map("ExclusiveStartKey"),
        }),
        One::Schema => Thing::Schema,
        One::Update => Thing::Update(Update {
            key: key()?,
            expression: order.text("UpdateExpression"),
            attributes: order.map("AttributeUpdates"),
            names,
            values,
        }),
    };
    Ok(Touch { table, action, thing })
}

/// The touches of a batch, table by table.
fn batch<'n>(
    action: &'static str,
    body: &'n Node<'n>,
    region: &str,
    most: usize,
    things: impl Fn(&'n Node<'n>) -> Result<Vec<Thing<'n>>, Untold>,
) -> Result<Vec<Touch<'n>>, Untold> {
    let mut touches = Vec::new();
    for (name, of_table) in body.map("RequestItems").ok_or(MISSING)?.iter() {
        let table = Table::read(name, region)?;
        let things = things(of_table)?;
        // A table of which nothing is wanted would be seen by no rule.
        if things.is_empty() {
            return Err(NOTHING);
        }
        if things.len() + touches.len() > most {
            return Err(TOO_MANY);
        }
        touches.extend(things.into_iter().map(|thing| Touch { table, action, thing }));
    }
    Ok(touches)
}

fn written<'n>(kind: &str, request: &'n Node<'n>) -> Result<Thing<'n>, Untold> {
    match kind {
        "DeleteRequest" => request.map("Key").map(Thing::Key).ok_or(MISSING),
        "PutRequest" => request.map("Item").map(Thing::Item).ok_or(MISSING),
        _ => Err(MISSING),
    }
}

/// The one member of `order`.
fn only<'n>(order: &'n Node<'n>) -> Result<(&'static str, &'n Node<'n>), Untold> {
    let mut members = order.members();
    match (members.next(), members.next()) {
        (Some(member), None) => Ok(member),
        _ => Err("an item of the request is for no action, or for two"),
    }
}
