//! Resources, in IAM's vocabulary: what a request is about, where it says so in one way alone.
//!
//! Exact or not at all: this *allows* something, so a request that AWS could read as being about anything else than what is found here has no
//! answer, and is refused where resources are listed. Read are S3 (host and path), and the JSON protocols of DynamoDB, Secrets Manager, SQS
//! and Systems Manager parameters, each for the operations whose members are known. A member is known by its exact name; one that differs
//! from it in case alone beside it, or a document with a member twice, is nothing. Formats of ARNs are those of the Service Authorization
//! Reference. IAM stays the judge of what the role may do.

mod json;
mod pattern;
pub(crate) mod s3;

use http::{HeaderMap, header};

pub use self::pattern::{InvalidResourcePattern, ResourcePattern};
use crate::aws::{operation::TARGET_HEADER, target::Target};

/// Where resources are that a request does not place itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// `aws`, `aws-cn`...
    pub partition: String,
    /// 12 digits.
    pub account: String,
}

impl Home {
    /// That of a role.
    pub fn of_role(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        let (partition, account) = (parts.nth(1)?, parts.nth(2)?);
        Some(Self { partition: partition.to_owned(), account: account.to_owned() })
    }
}

/// A request, as it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Where it goes.
    pub target: &'a Target,
    /// Its name.
    pub operation: Option<&'a str>,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body, where it is held in memory.
    pub body: Option<&'a [u8]>,
}

/// Why it cannot be told what a request is about, for a log.
pub type Untold = &'static str;

/// The ARNs of everything that `asked` is about. Never empty.
///
/// # Errors
/// It cannot be told, or it is about nothing in particular.
pub fn named(asked: &Asked<'_>, home: &Home) -> Result<Vec<String>, Untold> {
    if asked.target.api == "s3" {
        return s3::named(asked, home).map(|arn| vec![arn]);
    }
    let operation = asked.operation.ok_or("a request without a name")?;
    let found = match asked.target.signing_name.as_str() {
        "dynamodb" => json::dynamodb(operation, &document(asked)?, asked, home),
        "secretsmanager" => json::secrets(operation, &document(asked)?),
        "sqs" => json::sqs(operation, &document(asked)?, asked, home),
        "ssm" => json::parameters(operation, &document(asked)?, asked, home),
        _ => Err("what a request of this service is about is not read here"),
    }?;
    if found.is_empty() { Err("the request is about nothing") } else { Ok(found) }
}

/// The body of a request in a JSON protocol, which nothing beside it could stand in for.
fn document(asked: &Asked<'_>) -> Result<json::Members, Untold> {
    let (target, headers) = (asked.target, asked.headers);
    if !headers.contains_key(TARGET_HEADER) || target.path_and_query.path() != "/" || target.path_and_query.query().is_some() {
        return Err("the request is not in the service's JSON protocol");
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err("the body is encoded");
    }
    json::Members::parse(asked.body.ok_or("the body streams")?).ok_or("the body is not one JSON object")
}

#[cfg(test)]
mod tests;
