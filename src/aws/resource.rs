//! Resources, in IAM's vocabulary: what a request is about, where it says so in one way alone.
//!
//! Exact or not at all: this *allows* something, so a request that AWS could read as being about anything else than what is found here has no
//! answer, and is refused where resources are listed. Read are S3 (host and path), and the JSON protocols of DynamoDB, Secrets Manager, SQS
//! and Systems Manager parameters, each for the operations whose members are known. A member is known by its exact name; one that differs
//! from it in case alone beside it, or a document with a member twice, is nothing. Formats of ARNs are those of the Service Authorization
//! Reference. IAM stays the judge of what the role may do.

mod json;
mod pattern;

use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

pub use self::pattern::{InvalidResourcePattern, ResourcePattern};
use crate::aws::{
    operation::TARGET_HEADER,
    target::{Style, Target},
};

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
        return s3(asked, home).map(|arn| vec![arn]);
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

/// What names objects in its body, or another place to write to.
const IN_BODY: [&str; 2] = ["delete", "restore"];

fn s3(asked: &Asked<'_>, home: &Home) -> Result<String, Untold> {
    let target = asked.target;
    if target.signing_name != "s3" || target.host.as_str().contains("accesspoint") {
        return Err("a kind of S3 endpoint that is not read here");
    }
    if asked.headers.contains_key("x-amz-copy-source") {
        return Err("the request copies from another object");
    }
    let query = target.path_and_query.query().unwrap_or_default();
    let says = |key: &str| IN_BODY.contains(&key) || key.starts_with("x-amz-");
    let key_of =
        |pair: &str| percent_decode_str(pair.split('=').next().unwrap_or_default()).decode_utf8_lossy().trim().to_ascii_lowercase();
    if query.split(['&', ';']).any(|pair| says(&key_of(pair))) {
        return Err("the body, or a header in the query, says which objects");
    }
    let path = target.path_and_query.path();
    let path = path.strip_prefix('/').unwrap_or(path);
    let (bucket, key) = match &target.style {
        Style::Bucket(bucket) => (bucket.as_str(), path),
        Style::Plain => path.split_once('/').unwrap_or((path, "")),
    };
    let is_bucket = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    if !is_bucket {
        return Err("the request is about no bucket");
    }
    let partition = &home.partition;
    if key.is_empty() {
        return Ok(format!("arn:{partition}:s3:::{bucket}"));
    }
    let key = percent_decode_str(key).decode_utf8().map_err(|_| "the key is not UTF-8")?;
    Ok(format!("arn:{partition}:s3:::{bucket}/{key}"))
}

#[cfg(test)]
mod tests;
