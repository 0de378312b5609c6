//! What a request asks for.
//!
//! The operation's name comes from wherever a service could read it: `X-Amz-Target`, `Action` in query and form body, the
//! path of RPC v2, method and path of REST services. A request that can be read as an operation that hands out credentials
//! or tokens is refused, in whatever way it is named: with such an answer the application could go on without Palisade.
//! A request that names two operations is refused too, since only one of them would be looked at.

mod form;
mod names;
mod path;
mod refuse;
mod refused_table;
mod s3_exact;
mod s3_table;

use http::{HeaderMap, HeaderName, Method, header};

pub use self::refuse::service_is_refused;
pub(crate) use self::s3_exact::{Readings, s3_readings};
#[cfg(test)]
pub(crate) use self::s3_exact::{S3Example, s3_examples, s3_operation_names};
use self::{form::Pairs, path::PathView};
use crate::{
    aws::{
        dialect::{Dialect, PROTOCOL_HEADER},
        service::Service,
        target::Target,
    },
    reject::{Reason, Refusal},
};

/// Names service and operation in the JSON protocols.
pub(crate) const TARGET_HEADER: HeaderName = HeaderName::from_static("x-amz-target");

/// The longest operation name that is taken for one.
const NAME_BYTES: usize = 128;

/// What `X-Amz-Target` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TargetHeader {
    /// The service's part, up to the last dot; may be empty.
    pub(crate) prefix: String,
    /// The operation.
    pub(crate) operation: String,
}

/// `X-Amz-Target`, where there is one.
///
/// # Errors
/// `OperationAmbiguous` when it is repeated or no operation can be read from it.
pub(crate) fn target_header(headers: &HeaderMap) -> Result<Option<TargetHeader>, Refusal> {
    let mut values = headers.get_all(TARGET_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ambiguous("X-Amz-Target is there more than once"));
    }
    let text = value.to_str().map_err(|_| ambiguous("X-Amz-Target is not text"))?;
    let (prefix, operation) = text.rsplit_once('.').unwrap_or(("", text));
    Ok(Some(TargetHeader { prefix: prefix.to_owned(), operation: checked_name(operation)? }))
}

/// Everything that a request could be read as.
#[derive(Debug, PartialEq, Eq)]
pub struct Operations {
    /// Names that the request states: all of them have to be the same.
    stated: Vec<String>,
    /// What method and path mean for a REST service, as far as we know its operations.
    inferred: Vec<&'static str>,
    /// Whether an operation has to be known.
    mandatory: bool,
}

/// The operations that a request to `target` could be read as.
///
/// `body` is the whole body of a request that is held in memory to be hashed, empty or not, and `None` where it streams.
///
/// # Errors
/// `OperationAmbiguous` for names that are repeated, are no names, or cannot be seen because a Query body streams;
/// `TargetConflict` for an RPC v2 path of another service.
pub fn candidates(target: &Target, method: &Method, headers: &HeaderMap, body: Option<&[u8]>) -> Result<Operations, Refusal> {
    let service = Service::find(&target.api);
    let query = Pairs::parse(target.path_and_query.query().unwrap_or_default().as_bytes());
    let path = PathView::new(target.path_and_query.path());
    if service.is_some_and(Service::is_s3) {
        // S3 takes them for headers in what was presigned, and those are headers again by now.
        if query.has_prefix("x-amz-") {
            return Err(ambiguous("a parameter of the query stands for a header"));
        }
        let operation = names::s3(&target.style, method, &path, &query, headers);
        let mut inferred: Vec<_> = refuse::rest(service, method, &path, &query).chain(operation).collect();
        // Wherever it stands: no other operation of S3 has this parameter.
        inferred.extend(query.has("session").then_some("CreateSession"));
        return Ok(Operations { stated: Vec::new(), inferred, mandatory: true });
    }
    if path.has_dots() {
        return Err(ambiguous("the path has dot segments"));
    }
    let mut stated: Vec<String> = target_header(headers)?.map(|header| header.operation).into_iter().collect();
    if service.is_none_or(|service| service.protocols.iter().any(|protocol| protocol.is_rpc())) {
        stated.extend(query.operation()?);
        stated.extend(in_body(service, method, headers, body)?);
    }
    stated.extend(in_rpc_path(service, headers, &path)?);
    let inferred = refuse::rest(service, method, &path, &query).collect();
    // OpenSearch's own interface has no operation names, and its service's table row is of the control plane.
    let mandatory = service.is_some_and(|service| service.is_rpc() && service.key != "aoss");
    Ok(Operations { stated, inferred, mandatory })
}

/// The operation's name for the log, where it has one.
///
/// # Errors
/// `OperationRefused` where one of the candidates hands out credentials; `OperationAmbiguous` where they differ, or where
/// there is none and the service's requests always have one.
pub fn check(target: &Target, operations: &Operations) -> Result<Option<String>, Refusal> {
    let service = Service::find(&target.api);
    let refused = |name: &str| refuse::by_name(&target.signing_name, service, name);
    let all = || operations.stated.iter().map(String::as_str).chain(operations.inferred.iter().copied());
    if let Some(name) = all().find(|name| refused(name)) {
        return Err(Refusal::noted(Reason::OperationRefused, format!("{name} hands out credentials or tokens")));
    }
    if operations.stated.windows(2).any(|pair| !pair[0].eq_ignore_ascii_case(&pair[1])) {
        return Err(ambiguous("two different operations are named"));
    }
    match all().next() {
        Some(name) => Ok(Some(name.to_owned())),
        None if operations.mandatory => Err(ambiguous("no operation is named")),
        None => Ok(None),
    }
}

/// `Action` in a form body.
///
/// # Errors
/// `OperationAmbiguous` also where another reader could see another form than we do: after decompression, in another
/// character set, or by another of several types. A body that is no form may be compressed, as SDKs do with large metrics.
fn in_body(service: Option<&Service>, method: &Method, headers: &HeaderMap, body: Option<&[u8]>) -> Result<Option<String>, Refusal> {
    // A service that speaks nothing else reads its body as a form, whatever it is called.
    let query_only = service.is_some_and(|s| s.protocols.iter().all(|p| matches!(p, Dialect::Query | Dialect::Ec2Query)));
    let content_type = content_type(headers)?;
    let says_form = content_type.as_deref().map(|text| text.trim_start().starts_with("application/x-www-form-urlencoded"));
    match body {
        _ if matches!(*method, Method::GET | Method::HEAD) && body.is_none_or(<[u8]>::is_empty) => Ok(None),
        Some(body) if query_only || says_form.unwrap_or(true) => {
            check_plain(headers, content_type.as_deref().unwrap_or_default())?;
            Pairs::parse(body).operation()
        }
        None if query_only || says_form.unwrap_or(false) => Err(ambiguous("a form body that streams cannot be read")),
        Some(_) | None => Ok(None),
    }
}

/// The one `Content-Type`, in lower case.
fn content_type(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(value) = values.next() else { return Ok(None) };
    // Repeated headers may also arrive joined by a comma.
    if values.next().is_some() || value.as_bytes().contains(&b',') {
        return Err(ambiguous("Content-Type is there more than once"));
    }
    Ok(Some(String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase()))
}

/// Refuses a form whose bytes are not the text that the service gets.
fn check_plain(headers: &HeaderMap, content_type: &str) -> Result<(), Refusal> {
    let identity = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(|value| value.as_bytes().split(|b| *b == b',').all(identity)) {
        return Err(ambiguous("a compressed form body cannot be read"));
    }
    for parameter in content_type.split(';').skip(1).map(str::trim).filter(|parameter| parameter.starts_with("charset")) {
        let charset = parameter.strip_prefix("charset").and_then(|rest| rest.trim_start().strip_prefix('=')).unwrap_or_default();
        if !matches!(charset.trim().trim_matches('"'), "utf-8" | "utf8") {
            return Err(ambiguous("a form body in another character set than UTF-8 cannot be read"));
        }
    }
    Ok(())
}

/// `/service/S/operation/O`, with anything before it (Smithy RPC v2 CBOR).
fn in_rpc_path(service: Option<&Service>, headers: &HeaderMap, path: &PathView) -> Result<Option<String>, Refusal> {
    let said = headers.contains_key(PROTOCOL_HEADER);
    if !said && service.is_some_and(|service| !service.is_rpc()) {
        return Ok(None);
    }
    let Some((name, operation)) = path.rpc() else { return Ok(None) };
    if service.is_some_and(|service| !service.targets.is_empty() && !service.takes_target(name)) {
        return Err(Refusal::noted(Reason::TargetConflict, "the RPC path is of another service"));
    }
    checked_name(operation).map(Some)
}

/// A name as AWS's operations have them. Anything else might be read differently there than here.
fn checked_name(name: &str) -> Result<String, Refusal> {
    let well_formed = (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if well_formed { Ok(name.to_owned()) } else { Err(ambiguous("the operation's name is malformed")) }
}

fn ambiguous(note: &'static str) -> Refusal {
    Refusal::noted(Reason::OperationAmbiguous, note)
}

#[cfg(test)]
mod tests;
