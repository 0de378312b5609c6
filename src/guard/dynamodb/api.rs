//! The operations of DynamoDB that are understood, and what their bodies may say.
//!
//! Members are those of the API's models (`dynamodb` and `streams.dynamodb`, 2012-08-10).

use super::json::Shape::{self, Attribute, List, Map, Record, Skip, Text};

/// An operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) body: Shape,
    pub(super) reads: Reads,
}

/// How it is found out what an operation touches.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reads {
    /// One thing of one table.
    One(One),
    /// `RequestItems`: per table a list of keys.
    BatchGet,
    /// `RequestItems`: per table a list of puts and deletes.
    BatchWrite,
    /// `TransactItems`
    Transaction,
    /// A stream, by its ARN.
    Stream,
}

/// What an operation on one table touches.
#[derive(Debug, Clone, Copy)]
pub(super) enum One {
    All,
    Item,
    Key,
    Query,
    Schema,
    Update,
}

impl Operation {
    /// The operation `name`, as AWS spells it.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        OPERATIONS.binary_search_by(|operation| operation.name.cmp(name)).ok().map(|index| &OPERATIONS[index])
    }
}

const ATTRIBUTES: Shape = Map(&Attribute);
const NAMES: Shape = Map(&Text);
const CONDITIONS: Shape = Map(&Record(&[("ComparisonOperator", Text), ("AttributeValueList", List(&Attribute))]));
const CHANGES: Shape = Map(&Record(&[("Action", Text), ("Value", Attribute)]));
const KEYS: Shape = List(&ATTRIBUTES);

/// The operations that are understood. `GetRecords` is not among them: an iterator does not say in a documented way whose stream it is of.
pub(super) static OPERATIONS: &[Operation] = &[
    operation("BatchGetItem", Record(&[("RequestItems", Map(&GETS)), ("ReturnConsumedCapacity", Skip)]), Reads::BatchGet),
    operation(
        "BatchWriteItem",
        Record(&[("RequestItems", Map(&WRITES)), ("ReturnConsumedCapacity", Skip), ("ReturnItemCollectionMetrics", Skip)]),
        Reads::BatchWrite,
    ),
    operation(
        "DeleteItem",
        Record(&[
            ("TableName", Text),
            ("Key", ATTRIBUTES),
            ("Expected", Skip),
            ("ConditionalOperator", Skip),
            ("ReturnValues", Skip),
            ("ReturnConsumedCapacity", Skip),
            ("ReturnItemCollectionMetrics", Skip),
            ("ConditionExpression", Skip),
            ("ExpressionAttributeNames", Skip),
            ("ExpressionAttributeValues", Skip),
            ("ReturnValuesOnConditionCheckFailure", Skip),
        ]),
        Reads::One(One::Key),
    ),
    operation(
        "DescribeStream",
        Record(&[("StreamArn", Text), ("Limit", Skip), ("ExclusiveStartShardId", Skip), ("ShardFilter", Skip)]),
        Reads::Stream,
    ),
    operation("DescribeTable", Record(&[("TableName", Text)]), Reads::One(One::Schema)),
    operation("DescribeTimeToLive", Record(&[("TableName", Text)]), Reads::One(One::Schema)),
    operation(
        "GetItem",
        Record(&[
            ("TableName", Text),
            ("Key", ATTRIBUTES),
            ("AttributesToGet", Skip),
            ("ConsistentRead", Skip),
            ("ReturnConsumedCapacity", Skip),
            ("ProjectionExpression", Skip),
            ("ExpressionAttributeNames", Skip),
        ]),
        Reads::One(One::Key),
    ),
    operation(
        "GetShardIterator",
        Record(&[("StreamArn", Text), ("ShardId", Skip), ("ShardIteratorType", Skip), ("SequenceNumber", Skip), ("Timestamp", Skip)]),
        Reads::Stream,
    ),
    operation("ListStreams", Record(&[("TableName", Text), ("Limit", Skip), ("ExclusiveStartStreamArn", Skip)]), Reads::One(One::All)),
    operation(
        "PutItem",
        Record(&[
            ("TableName", Text),
            ("Item", ATTRIBUTES),
            ("Expected", Skip),
            ("ReturnValues", Skip),
            ("ReturnConsumedCapacity", Skip),
            ("ReturnItemCollectionMetrics", Skip),
            ("ConditionalOperator", Skip),
            ("ConditionExpression", Skip),
            ("ExpressionAttributeNames", Skip),
            ("ExpressionAttributeValues", Skip),
            ("ReturnValuesOnConditionCheckFailure", Skip),
        ]),
        Reads::One(One::Item),
    ),
    operation(
        "Query",
        Record(&[
            ("TableName", Text),
            ("IndexName", Text),
            ("Select", Skip),
            ("AttributesToGet", Skip),
            ("Limit", Skip),
            ("ConsistentRead", Skip),
            ("KeyConditions", CONDITIONS),
            ("QueryFilter", Skip),
            ("ConditionalOperator", Text),
            ("ScanIndexForward", Skip),
            ("ExclusiveStartKey", ATTRIBUTES),
            ("ReturnConsumedCapacity", Skip),
            ("ProjectionExpression", Skip),
            ("FilterExpression", Skip),
            ("KeyConditionExpression", Text),
            ("ExpressionAttributeNames", NAMES),
            ("ExpressionAttributeValues", ATTRIBUTES),
        ]),
        Reads::One(One::Query),
    ),
    operation(
        "Scan",
        Record(&[
            ("TableName", Text),
            ("IndexName", Skip),
            ("AttributesToGet", Skip),
            ("Limit", Skip),
            ("Select", Skip),
            ("ScanFilter", Skip),
            ("ConditionalOperator", Skip),
            ("ExclusiveStartKey", Skip),
            ("ReturnConsumedCapacity", Skip),
            ("TotalSegments", Skip),
            ("Segment", Skip),
            ("ProjectionExpression", Skip),
            ("FilterExpression", Skip),
            ("ExpressionAttributeNames", Skip),
            ("ExpressionAttributeValues", Skip),
            ("ConsistentRead", Skip),
        ]),
        Reads::One(One::All),
    ),
    operation(
        "SearchVectors",
        Record(&[
            ("TableName", Text),
            ("IndexName", Skip),
            ("ReturnConsumedCapacity", Skip),
            ("ExpressionAttributeNames", Skip),
            ("ExpressionAttributeValues", Skip),
            ("ProjectionExpression", Skip),
            ("SearchVector", Skip),
            ("SearchConditionExpression", Skip),
            ("TopK", Skip),
        ]),
        Reads::One(One::All),
    ),
    operation(
        "TransactGetItems",
        Record(&[("TransactItems", List(&Record(&[("Get", TRANSACT_GET)]))), ("ReturnConsumedCapacity", Skip)]),
        Reads::Transaction,
    ),
    operation(
        "TransactWriteItems",
        Record(&[
            ("TransactItems", List(&TRANSACT_WRITE)),
            ("ReturnConsumedCapacity", Skip),
            ("ReturnItemCollectionMetrics", Skip),
            ("ClientRequestToken", Skip),
        ]),
        Reads::Transaction,
    ),
    operation(
        "UpdateItem",
        Record(&[
            ("TableName", Text),
            ("Key", ATTRIBUTES),
            ("AttributeUpdates", CHANGES),
            ("Expected", Skip),
            ("ConditionalOperator", Skip),
            ("ReturnValues", Skip),
            ("ReturnConsumedCapacity", Skip),
            ("ReturnItemCollectionMetrics", Skip),
            ("UpdateExpression", Text),
            ("ConditionExpression", Skip),
            ("ExpressionAttributeNames", NAMES),
            ("ExpressionAttributeValues", ATTRIBUTES),
            ("ReturnValuesOnConditionCheckFailure", Skip),
        ]),
        Reads::One(One::Update),
    ),
];

const GETS: Shape = Record(&[
    ("Keys", KEYS),
    ("AttributesToGet", Skip),
    ("ConsistentRead", Skip),
    ("ProjectionExpression", Skip),
    ("ExpressionAttributeNames", Skip),
]);
const WRITES: Shape = List(&Record(&[("PutRequest", Record(&[("Item", ATTRIBUTES)])), ("DeleteRequest", Record(&[("Key", ATTRIBUTES)]))]));
const TRANSACT_GET: Shape =
    Record(&[("TableName", Text), ("Key", ATTRIBUTES), ("ProjectionExpression", Skip), ("ExpressionAttributeNames", Skip)]);
const TRANSACT_WRITE: Shape = Record(&[
    ("ConditionCheck", TRANSACT_KEY),
    ("Delete", TRANSACT_KEY),
    (
        "Put",
        Record(&[
            ("TableName", Text),
            ("Item", ATTRIBUTES),
            ("ConditionExpression", Skip),
            ("ExpressionAttributeNames", Skip),
            ("ExpressionAttributeValues", Skip),
            ("ReturnValuesOnConditionCheckFailure", Skip),
        ]),
    ),
    (
        "Update",
        Record(&[
            ("TableName", Text),
            ("Key", ATTRIBUTES),
            ("UpdateExpression", Text),
            ("ConditionExpression", Skip),
            ("ExpressionAttributeNames", NAMES),
            ("ExpressionAttributeValues", ATTRIBUTES),
            ("ReturnValuesOnConditionCheckFailure", Skip),
        ]),
    ),
]);
const TRANSACT_KEY: Shape = Record(&[
    ("TableName", Text),
    ("Key", ATTRIBUTES),
    ("ConditionExpression", Skip),
    ("ExpressionAttributeNames", Skip),
    ("ExpressionAttributeValues", Skip),
    ("ReturnValuesOnConditionCheckFailure", Skip),
]);

const fn operation(name: &'static str, body: Shape, reads: Reads) -> Operation {
    Operation { name, body, reads }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_found_as_they_are_spelled() {
        assert!(OPERATIONS.is_sorted_by(|a, b| a.name < b.name));
        assert!(Operation::find("GetItem").is_some_and(|operation| operation.name == "GetItem"));
        assert!(Operation::find("getItem").is_none() && Operation::find("GetRecords").is_none() && Operation::find("").is_none());
    }
}
