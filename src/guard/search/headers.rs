//! Headers by which a request is another one than it looks.

use http::{HeaderMap, header};

use crate::aws::{dialect::PROTOCOL_HEADER, operation::TARGET_HEADER, resource::Untold};

/// How headers begin by which OpenSearch, its security plugin, or a server before it, takes a request for another one, or for somebody else's.
const OTHERWISE: [&str; 11] = [
    "_opendistro",
    "_opensearch",
    "_system",
    "es-secondary-",
    "es-security-",
    "opendistro_",
    "opensearch_security",
    "securitytenant",
    "x-http-method",
    "x-method-override",
    "x-proxy-",
];

/// Headers of AWS's own that a client may send. Others say more: `x-amz-aoss-collection-id` which collection it is ("Collection endpoints", Amazon OpenSearch Service
/// developer guide).
const OF_AWS: [&str; 5] = ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "x-amz-target", "x-amz-user-agent"];

/// Whether nothing beside method, path, query and body says what is asked for, and the body is what it looks like.
pub(super) fn plain(headers: &HeaderMap) -> Result<(), Untold> {
    if headers.contains_key(TARGET_HEADER) || headers.contains_key(PROTOCOL_HEADER) {
        return Err("a header names an operation of AWS's, which OpenSearch has none of");
    }
    if headers.keys().any(|name| OTHERWISE.iter().any(|beginning| name.as_str().starts_with(beginning))) {
        return Err("a header with which the request would be another one, or somebody else's");
    }
    if headers.keys().any(|name| name.as_str().starts_with("x-amz-") && !OF_AWS.contains(&name.as_str())) {
        return Err("a header of AWS's that is not known here, and could choose another collection");
    }
    if headers.contains_key(header::CONTENT_ENCODING) { Err("the body is encoded") } else { Ok(()) }
}

/// Whether the one `Content-Type` is JSON in UTF-8, or lines of it where the API takes these.
pub(super) fn content_type(headers: &HeaderMap, may_be_lines: bool) -> Result<(), Untold> {
    const ANOTHER: Untold = "the body is not said to be JSON in UTF-8";
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(ANOTHER) };
    let text = value.to_str().map_err(|_| ANOTHER)?.to_ascii_lowercase();
    let (kind, parameter) = text.split_once(';').unwrap_or((&text, ""));
    let is_json = match kind.trim() {
        "application/json" => true,
        "application/x-ndjson" => may_be_lines,
        _ => false,
    };
    if is_json && matches!(parameter.trim(), "" | "charset=utf-8") { Ok(()) } else { Err(ANOTHER) }
}
