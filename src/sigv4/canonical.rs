//! The canonical form of path, query and headers, and the wire form that goes with it.
//!
//! AWS computes the signature from what it decodes. Where a byte could be written in two ways (`%2F` and `/`, `+` and `%20`,
//! upper and lower case hex), a proxy that signs one reading and forwards another breaks or, worse, authorises one resource
//! and touches another. So a target is decoded and encoded once ([`WireTarget`]), and that one form is checked, signed and
//! sent. Sources: "Create a signed AWS API request" in the AWS IAM user guide, for S3 also "Signature Calculations for the
//! Authorization Header" in the S3 API reference.

use http::{HeaderMap, HeaderName, uri::PathAndQuery};

use crate::reject::{Reason, Refusal};

/// Which rules a service follows for its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canon {
    /// Everything but S3: dot segments are resolved by AWS (and refused here), and the path is encoded a second time.
    Normalised,
    /// S3: a key is bytes; nothing is normalised and nothing is encoded twice.
    S3,
}

impl Canon {
    /// The rules of the service that signs under `signing_name`.
    pub fn of(signing_name: &str) -> Self {
        match signing_name {
            "s3" | "s3-object-lambda" | "s3-outposts" | "s3express" => Self::S3,
            _ => Self::Normalised,
        }
    }
}

/// A request target in the one form that is checked, signed and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireTarget {
    sent: PathAndQuery,
    /// In the order sent; a value of `None` was sent without `=`. Encoded.
    query: Vec<(String, Option<String>)>,
    canon: Canon,
}

impl WireTarget {
    /// An S3 object by path, and query parameters, none of them encoded yet.
    pub fn s3_object(bucket: &str, key: &str, parameters: &[(String, String)]) -> Result<PathAndQuery, Refusal> {
        let query: Vec<_> = parameters.iter().map(|(n, v)| (encode(n.as_bytes(), false), Some(encode(v.as_bytes(), false)))).collect();
        written(format!("/{}/{}", encode(bucket.as_bytes(), false), encode(key.as_bytes(), true)), &query)
    }

    /// Adds query parameters, not encoded yet, behind those that are there.
    pub fn with(mut self, parameters: &[(&str, &str)]) -> Result<Self, Refusal> {
        let encoded = parameters.iter().map(|(n, v)| (encode(n.as_bytes(), false), Some(encode(v.as_bytes(), false))));
        self.query.extend(encoded);
        self.sent = written(self.sent.path().to_owned(), &self.query)?;
        Ok(self)
    }

    /// Decodes and encodes `raw` once. Broken percent escapes are refused, and for services that resolve them, dot segments.
    pub fn new(raw: &PathAndQuery, canon: Canon) -> Result<Self, Refusal> {
        let path = match canon {
            Canon::S3 => encode(&decode(raw.path(), false)?, true),
            Canon::Normalised => checked(raw.path())?,
        };
        let mut query = Vec::new();
        for pair in raw.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value)));
            let recode = |text| Ok::<_, Refusal>(encode(&decode(text, true)?, false));
            query.push((recode(name)?, value.map(recode).transpose()?));
        }
        let sent = written(path, &query)?;
        Ok(Self { sent, query, canon })
    }

    /// Whether two query parameters have one name.
    pub fn has_repeated_parameters(&self) -> bool {
        self.query.iter().enumerate().any(|(index, (name, _))| self.query[..index].iter().any(|(other, _)| other == name))
    }

    /// The target as sent.
    pub fn path_and_query(&self) -> &PathAndQuery {
        &self.sent
    }

    /// Path and query as the canonical request has them, without the query parameters that `is_left_out` names.
    fn write_canonical(&self, out: &mut String, is_left_out: impl Fn(&str) -> bool) {
        let path = self.sent.path();
        match self.canon {
            Canon::S3 => out.push_str(path),
            Canon::Normalised => {
                // Empty segments are resolved like dot segments (RFC 3986, section 6, as AWS applies it).
                for segment in path.split('/').filter(|s| !s.is_empty()) {
                    out.push('/');
                    encode_into(out, segment.as_bytes(), false);
                }
                if path.ends_with('/') {
                    out.push('/');
                }
            }
        }
        out.push('\n');
        let mut pairs: Vec<(&str, &str)> = self.query.iter().map(|(n, v)| (n.as_str(), v.as_deref().unwrap_or_default())).collect();
        pairs.retain(|(name, _)| !is_left_out(name));
        pairs.sort_unstable();
        for (index, (name, value)) in pairs.into_iter().enumerate() {
            if index > 0 {
                out.push('&');
            }
            out.push_str(name);
            out.push('=');
            out.push_str(value);
        }
        out.push('\n');
    }
}

fn written(mut text: String, query: &[(String, Option<String>)]) -> Result<PathAndQuery, Refusal> {
    for (index, (name, value)) in query.iter().enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        text.push_str(name);
        if let Some(value) = value {
            text.push('=');
            text.push_str(value);
        }
    }
    PathAndQuery::try_from(text).map_err(|_| Refusal::noted(Reason::MalformedRequest, "the request target cannot be written as a URI"))
}

/// The names of the headers that Palisade signs, in the order of the canonical request.
pub fn signed_names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().filter(|name| is_signed(name)).map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

/// The canonical request up to the hash of the payload, which has to be appended.
///
/// `names` are the signed headers: lower case and in order. A query signature leaves itself out (`X-Amz-Signature`).
pub fn request(method: &str, target: &WireTarget, headers: &HeaderMap, names: &[&str]) -> Result<String, Refusal> {
    let mut out = String::with_capacity(1024);
    out.push_str(method);
    out.push('\n');
    target.write_canonical(&mut out, |name| name == SIGNATURE_PARAMETER);
    for name in names {
        out.push_str(name);
        out.push(':');
        for (index, value) in headers.get_all(*name).iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            let text = std::str::from_utf8(value.as_bytes())
                .map_err(|_| Refusal::noted(Reason::MalformedRequest, format!("{name} is to be signed and is not UTF-8")))?;
            write_folded(&mut out, text);
        }
        out.push('\n');
    }
    out.push('\n');
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push(';');
        }
        out.push_str(name);
    }
    out.push('\n');
    Ok(out)
}

/// The parameter that carries the signature of a presigned URL.
pub const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// What is signed: the host, what describes the body, and everything that AWS itself gives meaning to. Headers that a hop on
/// the way may change (`user-agent`, `accept-encoding`, `x-amzn-trace-id`, ...) are not.
pub fn is_signed(name: &HeaderName) -> bool {
    matches!(name.as_str(), "host" | "content-type" | "content-md5") || name.as_str().starts_with("x-amz-")
}

/// Trims, and folds runs of blanks to one.
fn write_folded(out: &mut String, text: &str) {
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    if let Some(first) = words.next() {
        out.push_str(first);
    }
    for word in words {
        out.push(' ');
        out.push_str(word);
    }
}

/// Percent-decodes; in a query `+` is a blank.
///
/// # Errors
/// `MalformedRequest` for a broken escape.
pub fn decode(text: &str, plus_is_blank: bool) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
                match (digit(bytes.next()), digit(bytes.next())) {
                    (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
                    _ => return Err(Refusal::noted(Reason::MalformedRequest, "broken percent escape in the target")),
                }
            }
            b'+' if plus_is_blank => out.push(b' '),
            byte => out.push(byte),
        }
    }
    Ok(out)
}

/// A path that AWS will normalise: sent as it came, unless it has dot segments, in whatever spelling.
fn checked(path: &str) -> Result<String, Refusal> {
    let decoded = decode(path, false)?;
    if decoded.split(|b| matches!(b, b'/' | b'\\')).any(|segment| matches!(segment, b"." | b"..")) {
        return Err(Refusal::noted(Reason::MalformedRequest, "dot segment in the path"));
    }
    Ok(path.to_owned())
}

/// Percent-encodes everything but RFC 3986's unreserved characters, in upper case, as SigV4 wants it.
pub fn encode(bytes: &[u8], keep_slash: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 16);
    encode_into(&mut out, bytes, keep_slash);
    out
}

fn encode_into(out: &mut String, bytes: &[u8], keep_slash: bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') || (keep_slash && *byte == b'/') {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn wire(text: &str, canon: Canon) -> Result<String, Reason> {
        let target = WireTarget::new(&text.parse().unwrap(), canon).map_err(|r| r.reason)?;
        Ok(target.path_and_query().to_string())
    }

    fn canonical(text: &str, canon: Canon) -> String {
        let mut out = String::new();
        WireTarget::new(&text.parse().unwrap(), canon).unwrap().write_canonical(&mut out, |_| false);
        out
    }

    #[test]
    fn s3_keys_are_bytes() {
        for (raw, sent) in [
            ("/b/a%20b", "/b/a%20b"),
            ("/b/a+b", "/b/a%2Bb"),
            ("/b/a%2bb", "/b/a%2Bb"),
            ("/b/a%2Fb", "/b/a/b"),
            ("/b//a//", "/b//a//"),
            ("/b/./a/../c", "/b/./a/../c"),
            ("/b/%2e%2e/c", "/b/../c"),
            ("/b/*~'()!", "/b/%2A~%27%28%29%21"),
            ("/b/%E2%82%AC", "/b/%E2%82%AC"),
            ("/b/%25", "/b/%25"),
        ] {
            assert_eq!(wire(raw, Canon::S3).unwrap(), sent);
            assert_eq!(canonical(raw, Canon::S3), format!("{sent}\n\n"));
        }
    }

    #[test]
    fn other_services_encode_twice_and_have_no_dot_segments() {
        assert_eq!(canonical("/a%20b/c:d", Canon::Normalised), "/a%2520b/c%3Ad\n\n");
        assert_eq!(canonical("//a//b/", Canon::Normalised), "/a/b/\n\n");
        assert_eq!(canonical("/", Canon::Normalised), "/\n\n");
        assert_eq!(wire("/a%20b/c:d", Canon::Normalised).unwrap(), "/a%20b/c:d");
        for dots in ["/a/../b", "/..", "/./a", "/a/%2e%2E/b", "/a/%2e", "/a/..%2fb", "/a%2f..", "/a\\..\\b", "/a/%5c../b"] {
            assert_eq!(wire(dots, Canon::Normalised), Err(Reason::MalformedRequest), "{dots}");
        }
        assert!(wire("/a..b/...", Canon::Normalised).is_ok());
    }

    #[test]
    fn queries_are_sorted_for_signing_and_kept_in_order_for_sending() {
        let raw = "/?b=2&a=1&a=0&acl&x=a+b%2bc&&e=";
        assert_eq!(wire(raw, Canon::S3).unwrap(), "/?b=2&a=1&a=0&acl&x=a%20b%2Bc&e=");
        assert_eq!(canonical(raw, Canon::S3), "/\na=0&a=1&acl=&b=2&e=&x=a%20b%2Bc\n");
    }

    #[test]
    fn broken_escapes_are_refused() {
        for raw in ["/%", "/%1", "/%zz", "/?a=%", "/?%g0", "/%+1"] {
            assert_eq!(wire(raw, Canon::S3), Err(Reason::MalformedRequest), "{raw}");
            assert_eq!(wire(raw, Canon::Normalised), Err(Reason::MalformedRequest), "{raw}");
        }
    }

    #[test]
    fn headers_are_chosen_sorted_folded_and_joined() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-amz-meta-b", "  two   words\t here "),
            ("host", "h"),
            ("user-agent", "u"),
            ("accept-encoding", "gzip"),
            ("x-amzn-trace-id", "t"),
            ("content-type", "text/plain"),
            ("x-amz-meta-a", "1"),
            ("x-amz-meta-a", "2"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let target = WireTarget::new(&"/".parse().unwrap(), Canon::S3).unwrap();
        let names = signed_names(&headers);
        assert_eq!(names, ["content-type", "host", "x-amz-meta-a", "x-amz-meta-b"]);
        let text = request("PUT", &target, &headers, &names).unwrap();
        assert_eq!(
            text,
            "PUT\n/\n\ncontent-type:text/plain\nhost:h\nx-amz-meta-a:1,2\nx-amz-meta-b:two words here\n\ncontent-type;host;x-amz-meta-a;x-amz-meta-b\n"
        );
    }

    #[test]
    fn a_signed_header_that_is_no_text_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-meta-a", HeaderValue::from_bytes(b"\xff").unwrap());
        let target = WireTarget::new(&"/".parse().unwrap(), Canon::S3).unwrap();
        assert!(request("PUT", &target, &headers, &signed_names(&headers)).is_err());
    }

    #[test]
    fn a_query_signature_does_not_cover_itself() {
        let target = WireTarget::new(&"/b/k?x=1&X-Amz-Signature=ab&X-Amz-Expires=9".parse().unwrap(), Canon::S3).unwrap();
        assert_eq!(request("GET", &target, &HeaderMap::new(), &[]).unwrap(), "GET\n/b/k\nX-Amz-Expires=9&x=1\n\n\n");
    }
}
