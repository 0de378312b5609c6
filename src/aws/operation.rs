//! What a request asks for.
//!
//! The operation's name comes from wherever a service could read it: `X-Amz-Target`, `Action` in query and form body, the
//! path of RPC v2, method and path of REST services. A request that can be read as an operation that hands out credentials
//! or tokens is refused, in whatever way it is named: with such an answer the application could go on without Palisade.
//! A request that names two operations is refused too, since only one of them would be looked at.
//!
//! Two readers look at each request, because a mistake costs something else in each case. What is *refused* is found with tolerance, in every
//! spelling that some server could take. What *allows* something ([`Named`]) is found by the letter, in the operations of botocore's models:
//! every operation that the request could be, or none. An operation that AWS added since is refused by nobody and allowed by nothing less than
//! `service:*`, or by the name it states. Against the attack of one operation spelled as another the rules are in `route.rs` (REST) and
//! `s3_exact.rs`; a name that is stated counts in its own case alone.

mod data_plane;
mod form;
mod known;
mod models;
mod names;
#[cfg(any(test, fuzzing))]
pub(crate) mod oracle;
mod path;
mod refuse;
mod refused_table;
mod route;
mod s3_exact;
mod s3_table;
mod template;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method, header};

#[cfg(any(test, feature = "cedar"))]
pub(crate) use self::models::names_of;
use self::s3_exact::Readings;
#[cfg(feature = "cedar")]
pub(crate) use self::s3_exact::s3_operations_and_objects;
pub(crate) use self::s3_exact::s3_readings;
use self::{form::Pairs, models::Models, path::PathView, refuse::Refusals, route::Place};
pub use self::{
    known::{Known, Named},
    refuse::service_is_refused,
};
#[cfg(test)]
pub(crate) use self::{
    models::lines_of,
    s3_exact::{S3Example, s3_examples, s3_operation_names},
};
use crate::{
    aws::{
        action::iam_service,
        dialect::{Dialect, PROTOCOL_HEADER},
        service::Service,
        target::Target,
    },
    reject::{Reason, Refusal},
};

/// Names service and operation in the JSON protocols.
pub(crate) const TARGET_HEADER: HeaderName = HeaderName::from_static("x-amz-target");

/// Most parameters of a form. Of the services that take forms none has requests with half as many; each costs far more in memory than it has bytes.
const FORM_PAIRS: usize = 65_536;

/// The longest operation name that is taken for one.
const NAME_BYTES: usize = 128;

/// What `X-Amz-Target` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TargetHeader<'h> {
    /// The service's part, up to the last dot; may be empty.
    pub(crate) prefix: &'h str,
    /// The operation.
    pub(crate) operation: &'h str,
}

/// `X-Amz-Target`, where there is one.
///
/// # Errors
/// `OperationAmbiguous` when it is repeated or no operation can be read from it.
pub(crate) fn target_header(headers: &HeaderMap) -> Result<Option<TargetHeader<'_>>, Refusal> {
    let mut values = headers.get_all(TARGET_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ambiguous("X-Amz-Target is there more than once"));
    }
    let text = value.to_str().map_err(|_| ambiguous("X-Amz-Target is not text"))?;
    let (prefix, operation) = text.rsplit_once('.').unwrap_or(("", text));
    Ok(Some(TargetHeader { prefix, operation: checked_name(operation)? }))
}

/// Headers by which some servers let the method be another than it is.
const OVERRIDES: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// The operations of one configured service. Made when the configuration is loaded, so that requests are only looked up.
#[derive(Debug)]
pub struct Catalogue {
    /// IAM's name of it.
    service: Arc<str>,
    known: Option<&'static Service>,
    models: Models,
    refusals: Refusals,
}

impl Catalogue {
    /// Those of `service`, which signs as `signing_name`; none of a service that is in no table.
    pub fn of(service: Option<&'static Service>, signing_name: &str) -> Self {
        Self {
            service: iam_service(signing_name).into(),
            known: service,
            models: Models::of(service.map_or("", |service| service.key)),
            refusals: Refusals::of(service, signing_name),
        }
    }

    fn known(&self, name: &'static str) -> Known {
        Known::new(self.service.clone(), name, Vec::new())
    }
}

/// Everything that a request could be read as.
#[derive(Debug, PartialEq, Eq)]
pub struct Operations {
    /// Names that the request states: all of them have to be the same.
    stated: Vec<String>,
    /// What method and path mean to a tolerant reader: for S3 the operation, and whatever is refused.
    inferred: Vec<&'static str>,
    /// What they mean by the letter.
    located: Vec<Known>,
    /// What they mean to a host of a customer.
    of_customer: &'static [&'static str],
    /// Whether a version of an object of S3 is named.
    has_version: bool,
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
pub fn candidates(
    catalogue: &Catalogue,
    target: &Target,
    method: &Method,
    headers: &HeaderMap,
    body: Option<&[u8]>,
) -> Result<Operations, Refusal> {
    let service = catalogue.known;
    let query = Pairs::parse(target.path_and_query.query().unwrap_or_default().as_bytes());
    let path = PathView::new(target.path_and_query.path());
    if service.is_some_and(Service::is_s3) {
        // S3 takes them for headers in what was presigned, and those are headers again by now.
        if query.has_prefix("x-amz-") {
            return Err(ambiguous("a parameter of the query stands for a header"));
        }
        let operation = names::s3(&target.style, method, &path, &query, headers);
        let mut inferred: Vec<_> = catalogue.refusals.fitting(method, &path, &query).chain(operation).collect();
        // Wherever it stands: no other operation of S3 has this parameter.
        inferred.extend(query.has("session").then_some("CreateSession"));
        let Readings { operations, has_version } = s3_readings(target, method, headers);
        let located = operations.into_iter().map(|name| catalogue.known(name)).collect();
        return Ok(Operations { stated: Vec::new(), inferred, located, of_customer: &[], has_version, mandatory: true });
    }
    if path.has_dots() {
        return Err(ambiguous("the path has dot segments"));
    }
    let mut stated: Vec<String> = target_header(headers)?.map(|header| header.operation.to_owned()).into_iter().collect();
    if service.is_none_or(|service| service.protocols.iter().any(|protocol| protocol.is_rpc())) {
        stated.extend(query.operation()?);
        stated.extend(in_body(service, method, headers, body)?);
    }
    stated.extend(in_rpc_path(service, headers, &path)?);
    let inferred = catalogue.refusals.fitting(method, &path, &query).collect();
    let (located, of_customer) = located(catalogue, target, method, headers, (&path, &query));
    // OpenSearch's own interface has no operation names, and its service's table row is of the control plane.
    let mandatory = service.is_some_and(|service| service.is_rpc() && service.key != "aoss");
    Ok(Operations { stated, inferred, located, of_customer, has_version: false, mandatory })
}

/// What method and path mean to a REST service, and to a host of a customer.
fn located(
    catalogue: &Catalogue,
    target: &Target,
    method: &Method,
    headers: &HeaderMap,
    (view, pairs): (&PathView<'_>, &Pairs<'_>),
) -> (Vec<Known>, &'static [&'static str]) {
    if OVERRIDES.iter().any(|name| headers.contains_key(*name)) {
        return (Vec::new(), &[]);
    }
    let of_customer = data_plane::names(target, method, view);
    if catalogue.models.routes.is_empty() {
        return (Vec::new(), of_customer);
    }
    let (path, query) = (target.path_and_query.path(), target.path_and_query.query().unwrap_or_default());
    let callbacks = target.api == "execute-api" && view.mentions(data_plane::CONNECTIONS);
    let path = if callbacks { data_plane::behind_stage(path) } else { path };
    let readings = catalogue.models.routes.readings(&Place { method, path, query, view, pairs });
    // What may be a callback, and is none by the letter, is no request to the API either.
    let of_customer = if callbacks && readings.is_empty() { &[] } else { of_customer };
    let known = |reading: route::Reading| Known::new(catalogue.service.clone(), reading.name, reading.labels);
    (readings.into_iter().map(known).collect(), of_customer)
}

/// What is asked for, where none of the candidates is refused.
///
/// # Errors
/// `OperationRefused` where one of the candidates hands out credentials; `OperationAmbiguous` where they differ, or where
/// there is none and the service's requests always have one.
pub fn check(catalogue: &Catalogue, operations: Operations) -> Result<Named, Refusal> {
    let Operations { stated, inferred, located, of_customer, has_version, mandatory } = operations;
    let by_letter = || located.iter().map(|known| known.name() as &str);
    let all = || stated.iter().map(String::as_str).chain(inferred.iter().copied()).chain(by_letter());
    if let Some(name) = all().find(|name| catalogue.refusals.has(name)) {
        return Err(Refusal::noted(Reason::OperationRefused, format!("{name} hands out credentials or tokens")));
    }
    let agrees = |name: &str| stated.iter().all(|other| other.eq_ignore_ascii_case(name));
    if !stated.iter().map(String::as_str).chain(by_letter()).all(agrees) {
        return Err(ambiguous("two different operations are named"));
    }
    if mandatory && all().next().is_none() {
        return Err(ambiguous("no operation is named"));
    }
    let logged = inferred.first().copied();
    let exact = stated.first().filter(|first| stated.iter().all(|name| name == *first));
    let listed = exact.and_then(|name| catalogue.models.stated(name));
    let unlisted = if listed.is_some() { None } else { stated.into_iter().next() };
    // Where it is located too, that has the labels.
    let listed = listed.filter(|name| located.iter().all(|known| known.name() != *name));
    let readings = listed.map(|name| catalogue.known(name)).into_iter().chain(located);
    let readings = readings.chain(of_customer.iter().map(|name| catalogue.known(name))).collect();
    Ok(Named::new(readings, unlisted, logged).with_version(has_version))
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
            if body.iter().filter(|b| matches!(b, b'&' | b';')).count() >= FORM_PAIRS {
                return Err(ambiguous("a form body has more parameters than any request"));
            }
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
fn in_rpc_path(service: Option<&Service>, headers: &HeaderMap, path: &PathView<'_>) -> Result<Option<String>, Refusal> {
    let said = headers.contains_key(PROTOCOL_HEADER);
    if !said && service.is_some_and(|service| !service.is_rpc()) {
        return Ok(None);
    }
    let Some((name, operation)) = path.rpc() else { return Ok(None) };
    if service.is_some_and(|service| !service.targets.is_empty() && !service.takes_target(name)) {
        return Err(Refusal::noted(Reason::TargetConflict, "the RPC path is of another service"));
    }
    checked_name(operation).map(|name| Some(name.to_owned()))
}

/// A name as AWS's operations have them. Anything else might be read differently there than here.
fn checked_name(name: &str) -> Result<&str, Refusal> {
    let well_formed = (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if well_formed { Ok(name) } else { Err(ambiguous("the operation's name is malformed")) }
}

fn ambiguous(note: &'static str) -> Refusal {
    Refusal::noted(Reason::OperationAmbiguous, note)
}

#[cfg(test)]
mod tests;
