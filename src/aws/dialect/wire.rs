//! The bytes of error bodies.

use http::HeaderName;
use serde::Serialize;

use super::{Dialect, codes::Code};

/// The longest path that S3's `<Resource>` shows, in bytes.
const RESOURCE_BYTES: usize = 1024;

/// The `Content-Type` of errors.
pub(super) const fn content_type(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::AwsJson10 | Dialect::AwsJson10Compatible => "application/x-amz-json-1.0",
        Dialect::AwsJson11 => "application/x-amz-json-1.1",
        Dialect::Cbor => "application/cbor",
        Dialect::Ec2Query | Dialect::Query | Dialect::RestXml => "text/xml",
        Dialect::RestJson => "application/json",
        Dialect::S3Xml => "application/xml",
    }
}

/// The header in which SDKs look for the request id.
pub(super) const fn request_id_header(dialect: Dialect) -> HeaderName {
    match dialect {
        Dialect::S3Xml => HeaderName::from_static("x-amz-request-id"),
        Dialect::AwsJson10
        | Dialect::AwsJson10Compatible
        | Dialect::AwsJson11
        | Dialect::Cbor
        | Dialect::Ec2Query
        | Dialect::Query
        | Dialect::RestJson
        | Dialect::RestXml => HeaderName::from_static("x-amzn-requestid"),
    }
}

/// The body of an error.
pub(super) fn body(dialect: Dialect, code: &Code, message: &str, request_id: &str, resource: &str) -> Vec<u8> {
    match dialect {
        Dialect::AwsJson10 | Dialect::AwsJson10Compatible | Dialect::AwsJson11 | Dialect::RestJson => json(code, message),
        Dialect::Cbor => cbor(&[("__type", code.name), ("message", message)]),
        Dialect::Ec2Query => format!(
            "{DECLARATION}<Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors><RequestID>{}</RequestID></Response>",
            code.name,
            escaped(message),
            escaped(request_id)
        )
        .into_bytes(),
        Dialect::Query | Dialect::RestXml => format!(
            "{DECLARATION}<ErrorResponse><Error><Type>{}</Type><Code>{}</Code><Message>{}</Message></Error>\
             <RequestId>{}</RequestId></ErrorResponse>",
            code.fault,
            code.name,
            escaped(message),
            escaped(request_id)
        )
        .into_bytes(),
        Dialect::S3Xml => format!(
            "{DECLARATION}<Error><Code>{}</Code><Message>{}</Message><Resource>{}</Resource><RequestId>{}</RequestId></Error>",
            code.name,
            escaped(message),
            escaped(shortened(resource)),
            escaped(request_id)
        )
        .into_bytes(),
    }
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

fn json(code: &Code, message: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Error<'a> {
        __type: &'a str,
        message: &'a str,
    }
    serde_json::to_vec(&Error { __type: code.name, message }).unwrap_or_default()
}

/// A CBOR map of text to text (RFC 8949: major types 5 and 3). Smithy's RPC v2 allows maps and texts of definite length.
fn cbor(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    cbor_head(&mut bytes, 5, entries.len());
    for text in entries.iter().flat_map(|(key, value)| [key, value]) {
        cbor_head(&mut bytes, 3, text.len());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// Major type and length. Our texts are fixed and short: 16 bits of length are plenty, and a longer one would not be valid.
fn cbor_head(bytes: &mut Vec<u8>, major: u8, length: usize) {
    let major = major << 5;
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ ..24), _) => bytes.push(major | length),
        (Ok(length), _) => bytes.extend([major | 24, length]),
        (Err(_), length) => {
            bytes.push(major | 25);
            bytes.extend(length.unwrap_or(u16::MAX).to_be_bytes());
        }
    }
}

/// Text for XML: markup escaped, control characters (which XML 1.0 cannot carry) left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')) {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            other => out.push(other),
        }
    }
    out
}

/// The path alone, cut at a character's border.
fn shortened(resource: &str) -> &str {
    let path = resource.split_once('?').map_or(resource, |(path, _)| path);
    &path[..path.floor_char_boundary(RESOURCE_BYTES)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cbor_heads_grow_with_the_length() {
        let head = |length: usize| {
            let mut bytes = Vec::new();
            cbor_head(&mut bytes, 3, length);
            bytes
        };
        // RFC 8949, section 3
        assert_eq!(head(0), [0x60]);
        assert_eq!(head(23), [0x77]);
        assert_eq!(head(24), [0x78, 24]);
        assert_eq!(head(255), [0x78, 255]);
        assert_eq!(head(256), [0x79, 1, 0]);
    }

    #[test]
    fn a_resource_shows_no_query_and_has_a_bound() {
        assert_eq!(shortened("/b/k?X-Amz-Security-Token=secret"), "/b/k");
        assert_eq!(shortened(&"é".repeat(2_000)).len(), RESOURCE_BYTES);
    }

    proptest! {
        #[test]
        fn nothing_breaks_out_of_a_text_node(text in "\\PC{0,64}|[<>&\"'\\x00-\\x1f]{0,64}") {
            let out = escaped(&text);
            prop_assert!(!out.contains(['<', '>', '"', '\'', '\0']));
        }
    }
}
