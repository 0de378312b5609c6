//! Where IAM's names are not those of the API, outside of S3.
//!
//! From the Service Authorization Reference. The rule is that an operation's action has its name, and that a service's prefix is what it
//! signs with; here are the exceptions by hand, and in `table.rs` those that data has. One that is missing makes a request need an action that
//! IAM does not have, which an operator can allow by that name: it is never allowed by mistake.

use super::table;
use crate::aws::glob;

/// Signing name, and what IAM calls the service.
const SERVICES: &[(&str, &str)] = &[
    ("IoTSecuredTunneling", "iot"),
    ("cloudcontrolapi", "cloudformation"),
    ("iot-jobs-data", "iotjobsdata"),
    ("iotdata", "iot"),
    ("monitoring", "cloudwatch"),
    ("mturk-requester", "mechanicalturk"),
    ("tagging", "tag"),
];

/// IAM's service, operation, and all the actions that the operation can need, where no data has them or has less.
const OPERATIONS: &[(&str, &str, &[&str])] = &[
    ("cloudsearch", "UploadDocuments", &["document"]),
    ("execute-api", "DeleteConnection", &["ManageConnections"]),
    ("execute-api", "GetConnection", &["ManageConnections"]),
    ("execute-api", "PostToConnection", &["ManageConnections"]),
    // Of S3 Control, where they are an account's; the operations of S3 itself are in s3.rs.
    ("s3", "DeletePublicAccessBlock", &["PutAccountPublicAccessBlock"]),
    ("s3", "GetPublicAccessBlock", &["GetAccountPublicAccessBlock"]),
    ("s3", "PutPublicAccessBlock", &["PutAccountPublicAccessBlock"]),
    ("secretsmanager", "BatchGetSecretValue", &["BatchGetSecretValue", "GetSecretValue"]),
    ("sns", "PublishBatch", &["Publish"]),
    ("sqs", "ChangeMessageVisibilityBatch", &["ChangeMessageVisibility"]),
    ("sqs", "DeleteMessageBatch", &["DeleteMessage"]),
    ("sqs", "SendMessageBatch", &["SendMessage"]),
];

pub(super) fn iam_service(signing_name: &str) -> &str {
    SERVICES.iter().find(|(name, _)| *name == signing_name).map_or(signing_name, |(_, service)| service)
}

/// All the actions that an operation can need.
pub(super) fn needed<'a>(service: &str, operation: &'a str) -> Vec<&'a str> {
    let by_hand = OPERATIONS.iter().find(|(of, name, _)| *of == service && name.eq_ignore_ascii_case(operation));
    let row = by_hand.or_else(|| {
        let place = |row: &(&str, &str, _)| row.0.cmp(service).then_with(|| glob::without_case(row.1, operation));
        table::OPERATIONS.binary_search_by(place).ok().map(|index| &table::OPERATIONS[index])
    });
    row.map_or_else(|| vec![operation], |(_, _, actions)| actions.to_vec())
}

#[cfg(test)]
pub(super) fn by_hand() -> impl Iterator<Item = &'static (&'static str, &'static str, &'static [&'static str])> {
    OPERATIONS.iter()
}
