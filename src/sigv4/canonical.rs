//! The canonical form of path, query and headers, and the wire form that goes with it.
//!
//! AWS computes the signature from what it decodes. Where a byte could be written in two ways (`%2F` and `/`, `+` and `%20`,
//! upper and lower case hex), a proxy that signs one reading and forwards another breaks or, worse, authorises one resource
//! and touches another. So a target is decoded and encoded once ([`WireTarget`]), and that one form is checked, signed and
//! sent. Sources: "Create a signed AWS API request" in the AWS IAM user guide, for S3 also "Signature Calculations for the
//! Authorization Header" in the S3 API reference.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, uri::PathAndQuery};

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
            Canon::S3 => recode(raw.path(), false, true)?,
            Canon::Normalised => checked(raw.path())?,
        };
        let mut query = Vec::new();
        for pair in raw.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value)));
            let recode = |text| recode(text, true, false);
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

/// The headers that a signature covers, in the order of the canonical request. A repeated one is there as often.
pub struct SignedHeaders<'h>(Vec<(&'h str, Option<&'h HeaderValue>)>);

impl<'h> SignedHeaders<'h> {
    /// Those that Palisade signs.
    pub fn of(headers: &'h HeaderMap) -> Self {
        let mut covered: Vec<_> =
            headers.iter().filter(|(name, _)| is_signed(name)).map(|(name, value)| (name.as_str(), Some(value))).collect();
        // Stable: the values of one name stay in their order.
        covered.sort_by_key(|(name, _)| *name);
        Self(covered)
    }

    /// Those that somebody else has signed: `names` are in lower case and in order. One that is not there counts as empty.
    pub fn named(headers: &'h HeaderMap, names: &[&'h str]) -> Self {
        let mut covered = Vec::with_capacity(names.len());
        for name in names {
            let before = covered.len();
            covered.extend(headers.get_all(*name).iter().map(|value| (*name, Some(value))));
            if covered.len() == before {
                covered.push((*name, None));
            }
        }
        Self(covered)
    }

    /// Appends the names, with `;` between them.
    pub fn write_names(&self, out: &mut String) {
        let mut last = None;
        for (name, _) in &self.0 {
            if last == Some(name) {
                continue;
            }
            if last.is_some() {
                out.push(';');
            }
            out.push_str(name);
            last = Some(name);
        }
    }

    fn write_canonical(&self, out: &mut String) -> Result<(), Refusal> {
        let mut last = None;
        for (name, value) in &self.0 {
            if last == Some(name) {
                out.push(',');
            } else {
                if last.is_some() {
                    out.push('\n');
                }
                out.push_str(name);
                out.push(':');
                last = Some(name);
            }
            let text = std::str::from_utf8(value.map_or(&[][..], HeaderValue::as_bytes))
                .map_err(|_| Refusal::noted(Reason::MalformedRequest, format!("{name} is to be signed and is not UTF-8")))?;
            write_folded(out, text);
        }
        if last.is_some() {
            out.push('\n');
        }
        Ok(())
    }
}

/// The canonical request up to the hash of the payload, which has to be appended.
///
/// A query signature leaves itself out (`X-Amz-Signature`).
pub fn request(method: &str, target: &WireTarget, headers: &SignedHeaders<'_>) -> Result<String, Refusal> {
    // A session token of STS's takes about a kilobyte of it.
    let mut out = String::with_capacity(2048);
    out.push_str(method);
    out.push('\n');
    target.write_canonical(&mut out, |name| name == SIGNATURE_PARAMETER);
    headers.write_canonical(&mut out)?;
    out.push('\n');
    headers.write_names(&mut out);
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
    // Of most values, and of the long ones, there is nothing to fold.
    if !text.bytes().any(|b| matches!(b, b' ' | b'\t')) {
        return out.push_str(text);
    }
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
pub fn decode(text: &str, plus_is_blank: bool) -> Result<Cow<'_, [u8]>, Refusal> {
    if !text.bytes().any(|b| b == b'%' || (plus_is_blank && b == b'+')) {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
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
    Ok(Cow::Owned(out))
}

/// A path that AWS will normalise: sent as it came, unless it has dot segments, in whatever spelling.
fn checked(path: &str) -> Result<String, Refusal> {
    let decoded = decode(path, false)?;
    if decoded.split(|b| matches!(b, b'/' | b'\\')).any(|segment| matches!(segment, b"." | b"..")) {
        return Err(Refusal::noted(Reason::MalformedRequest, "dot segment in the path"));
    }
    Ok(path.to_owned())
}

/// Decodes, and encodes as SigV4 wants it.
fn recode(text: &str, plus_is_blank: bool, keep_slash: bool) -> Result<String, Refusal> {
    if text.bytes().all(|b| is_kept(b, keep_slash)) {
        return Ok(text.to_owned());
    }
    Ok(encode(&decode(text, plus_is_blank)?, keep_slash))
}

/// Percent-encodes everything but RFC 3986's unreserved characters, in upper case, as SigV4 wants it.
pub fn encode(bytes: &[u8], keep_slash: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 16);
    encode_into(&mut out, bytes, keep_slash);
    out
}

fn encode_into(out: &mut String, bytes: &[u8], keep_slash: bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for run in bytes.chunk_by(|a, b| is_kept(*a, keep_slash) == is_kept(*b, keep_slash)) {
        match std::str::from_utf8(run) {
            Ok(kept) if is_kept(run[0], keep_slash) => out.push_str(kept),
            _ => {
                for byte in run {
                    out.push('%');
                    out.push(char::from(HEX[usize::from(byte >> 4)]));
                    out.push(char::from(HEX[usize::from(byte & 15)]));
                }
            }
        }
    }
}

/// Whether a byte stands for itself.
fn is_kept(byte: u8, keep_slash: bool) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') || (keep_slash && byte == b'/')
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
        let text = request("PUT", &target, &SignedHeaders::of(&headers)).unwrap();
        assert_eq!(
            text,
            "PUT\n/\n\ncontent-type:text/plain\nhost:h\nx-amz-meta-a:1,2\nx-amz-meta-b:two words here\n\ncontent-type;host;x-amz-meta-a;x-amz-meta-b\n"
        );
    }

    #[test]
    fn what_somebody_else_has_signed_is_taken_by_its_names_and_may_be_missing() {
        let mut headers = HeaderMap::new();
        headers.append("x-amz-meta-a", HeaderValue::from_static("1"));
        headers.append("x-amz-meta-a", HeaderValue::from_static(" 2"));
        headers.append("user-agent", HeaderValue::from_static("u"));
        let target = WireTarget::new(&"/".parse().unwrap(), Canon::S3).unwrap();
        let names = ["host", "user-agent", "x-amz-meta-a", "x-amz-meta-b"];
        let text = request("PUT", &target, &SignedHeaders::named(&headers, &names)).unwrap();
        assert_eq!(text, "PUT\n/\n\nhost:\nuser-agent:u\nx-amz-meta-a:1,2\nx-amz-meta-b:\n\nhost;user-agent;x-amz-meta-a;x-amz-meta-b\n");
    }

    #[test]
    fn a_signed_header_that_is_no_text_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-meta-a", HeaderValue::from_bytes(b"\xff").unwrap());
        let target = WireTarget::new(&"/".parse().unwrap(), Canon::S3).unwrap();
        assert!(request("PUT", &target, &SignedHeaders::of(&headers)).is_err());
    }

    #[test]
    fn a_query_signature_does_not_cover_itself() {
        let target = WireTarget::new(&"/b/k?x=1&X-Amz-Signature=ab&X-Amz-Expires=9".parse().unwrap(), Canon::S3).unwrap();
        assert_eq!(request("GET", &target, &SignedHeaders::of(&HeaderMap::new())).unwrap(), "GET\n/b/k\nX-Amz-Expires=9&x=1\n\n\n");
    }
}
