//! Where IAM's names are not those of the API, outside of S3.
//!
//! From the Service Authorization Reference. The rule is that an operation's action has its name, and that a service's prefix is what it
//! signs with; here are the exceptions. One that is missing makes a request need an action that IAM does not have, which an
//! operator can allow by that name: it is never allowed by mistake.

/// Signing name, and what IAM calls the service.
const SERVICES: &[(&str, &str)] = &[
    ("cloudcontrolapi", "cloudformation"),
    ("iot-jobs-data", "iotjobsdata"),
    ("iotdata", "iot"),
    ("monitoring", "cloudwatch"),
    ("mturk-requester", "mechanicalturk"),
    ("tagging", "tag"),
];

/// Any statement of DynamoDB's query language: which one it is stands in the body.
const PARTIQL: &[&str] = &["PartiQLSelect", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"];

/// IAM's service, operation, and all the actions that the operation can need.
const OPERATIONS: &[(&str, &str, &[&str])] = &[
    ("dynamodb", "BatchExecuteStatement", PARTIQL),
    ("dynamodb", "ExecuteStatement", PARTIQL),
    ("dynamodb", "ExecuteTransaction", PARTIQL),
    ("dynamodb", "TransactGetItems", &["GetItem"]),
    // Which of them stands in the body.
    ("dynamodb", "TransactWriteItems", &["ConditionCheckItem", "DeleteItem", "PutItem", "UpdateItem"]),
    ("kms", "ReEncrypt", &["ReEncryptFrom", "ReEncryptTo"]),
    ("secretsmanager", "BatchGetSecretValue", &["BatchGetSecretValue", "GetSecretValue"]),
    ("sns", "PublishBatch", &["Publish"]),
    ("sqs", "ChangeMessageVisibilityBatch", &["ChangeMessageVisibility"]),
    ("sqs", "DeleteMessageBatch", &["DeleteMessage"]),
    ("sqs", "SendMessageBatch", &["SendMessage"]),
];

pub(super) fn iam_service(signing_name: &str) -> &str {
    SERVICES.iter().find(|(name, _)| *name == signing_name).map_or(signing_name, |(_, service)| service)
}

pub(super) fn needed(service: &str, operation: &str) -> Vec<String> {
    let row = OPERATIONS.iter().find(|(of, name, _)| *of == service && name.eq_ignore_ascii_case(operation));
    row.map_or_else(|| vec![operation.to_owned()], |(_, _, actions)| actions.iter().map(|action| (*action).to_owned()).collect())
}
