//! Error codes, wherever an answer may have them.

use http::HeaderMap;
use serde_json::Value;

/// The most codes that are looked at in one XML document.
const CODES: usize = 64;

/// Every error code that headers and body name, without namespace and without what follows a colon.
pub(super) fn all(headers: &HeaderMap, body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let in_headers = ["x-amzn-errortype", "x-amzn-query-error", "x-amz-error-code"]
        .iter()
        .flat_map(|name| headers.get_all(*name))
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let in_json = serde_json::from_str::<Value>(&text).ok().map(|value| json(&value)).unwrap_or_default();
    in_headers.chain(in_json).chain(xml(&text)).chain(cbor(body)).map(|code| bare(&code).to_owned()).collect()
}

/// `namespace#Code:http://...;Sender` is `Code`.
fn bare(code: &str) -> &str {
    let code = code.rsplit('#').next().unwrap_or_default();
    code.split([':', ';', '/']).next().unwrap_or_default().trim()
}

/// The members in which AWS's JSON services, and OpenSearch, put the error's type.
fn json(value: &Value) -> Vec<String> {
    let error = ["error", "Error"].iter().filter_map(|key| value.get(key));
    std::iter::once(value)
        .chain(error)
        .flat_map(|object| ["__type", "code", "Code", "type"].iter().filter_map(|key| object.get(key)?.as_str()))
        .map(str::to_owned)
        .collect()
}

/// The texts of all `<Code>` elements.
fn xml(text: &str) -> impl Iterator<Item = String> {
    text.split("<Code>").skip(1).filter_map(|rest| Some(rest.split_once("</Code>")?.0.trim().to_owned())).take(CODES)
}

/// The text after the key `__type`, in a map of RPC v2 CBOR. The key is searched for and the map not parsed: whatever
/// follows the key is taken for the type, so a type cannot hide behind members that we do not know.
fn cbor(body: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\x66__type";
    body.windows(KEY.len())
        .enumerate()
        .filter(|(_, window)| *window == KEY)
        .filter_map(|(at, _)| cbor_text(&body[at + KEY.len()..]))
        .take(CODES)
        .collect()
}

/// A text of definite length (RFC 8949: major type 3), at the start of `bytes`.
fn cbor_text(bytes: &[u8]) -> Option<String> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = match first {
        0x60..=0x77 => (usize::from(first - 0x60), rest),
        0x78 => (usize::from(*rest.first()?), &rest[1..]),
        0x79 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), &rest[2..]),
        _ => return None,
    };
    Some(String::from_utf8_lossy(rest.get(..length)?).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(header: Option<(&'static str, &str)>, body: &[u8]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().unwrap());
        }
        all(&headers, body)
    }

    #[test]
    fn codes_are_found_in_every_protocol() {
        for (body, code) in [
            (&b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>m</Message></Error>"[..], "NoSuchKey"),
            (b"<ErrorResponse><Error><Type>Sender</Type><Code> Throttling </Code></Error></ErrorResponse>", "Throttling"),
            (b"<Response><Errors><Error><Code>AuthFailure</Code></Error></Errors></Response>", "AuthFailure"),
            (br#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"m"}"#, "AccessDeniedException"),
            (br#"{"code":"ResourceNotFoundException"}"#, "ResourceNotFoundException"),
            (br#"{"error":{"type":"security_exception","reason":"r"},"status":403}"#, "security_exception"),
            (b"\xa2\x66__type\x6aThrottling\x67message\x61m", "Throttling"),
            (b"\xbf\x66__type\x78\x19a.b#AccessDeniedException\xff", "AccessDeniedException"),
        ] {
            assert_eq!(codes(None, body), [code], "{}", String::from_utf8_lossy(body));
        }
        let header = ("x-amzn-errortype", "ExpiredTokenException:http://internal.amazon.com/coral/com.amazon.coral.service/");
        assert_eq!(codes(Some(header), b"{}"), ["ExpiredTokenException"]);
        assert_eq!(codes(Some(("x-amzn-query-error", "AccessDenied;Sender")), b""), ["AccessDenied"]);
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..96), cut in 0usize..40) {
            codes(None, &body);
            let known = b"\xa2\x66__type\x79\x00\x0aThrottling\x67message\x61m";
            codes(None, &known[..cut.min(known.len())]);
            codes(None, &[&known[..], &body].concat());
        }
    }
}
