//! A signature in the query string: a presigned URL.
//!
//! URLs are logged and shared, so a proof in one is refused. What may stand there is the session token of keys that Palisade
//! vended, which is worth nothing without the signature beside it.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, uri::PathAndQuery};

use super::{placeholder::Placeholder, vended};
use crate::{
    reject::{Reason, Refusal},
    secret::Secret,
    sigv4::{Canon, canonical},
};

/// The parameters of a SigV4 query signature, as AWS spells them.
const PARAMETERS: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    canonical::SIGNATURE_PARAMETER,
    "X-Amz-SignedHeaders",
];
/// Those of SigV2.
const OLDER: [&str; 2] = ["AWSAccessKeyId", "Signature"];
/// The longest life that AWS allows.
const MAX_EXPIRES: Duration = Duration::from_secs(7 * 24 * 3600);

/// A query signature, taken out of its request.
#[derive(Debug)]
pub(super) struct QuerySignature {
    pub(super) placeholder: Placeholder,
    pub(super) token: Secret,
    pub(super) date: String,
    pub(super) expires: Duration,
    /// The target without the signature, and without what belongs into headers.
    pub(super) target: PathAndQuery,
    /// `x-amz-*` parameters, which stand for headers of that name (S3).
    pub(super) headers: HeaderMap,
}

impl QuerySignature {
    /// Reads the query of `uri`; `None` where nothing in it is of a signature.
    ///
    /// # Errors
    /// `SignatureUnsupported` for another kind of signature, or one with a proof in it; `SignatureMalformed` for an incomplete
    /// or contradictory one.
    pub(super) fn read(uri: &Uri) -> Result<Option<Self>, Refusal> {
        let query = uri.query().unwrap_or_default();
        if !is_signed(query)? {
            return Ok(None);
        }
        let mut found: [Option<String>; PARAMETERS.len()] = Default::default();
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = text(name)?;
            if let Some(index) = PARAMETERS.iter().position(|parameter| *parameter == name) {
                if found[index].replace(text(value)?).is_some() {
                    return Err(malformed("a signature parameter is repeated"));
                }
                continue;
            }
            if is_parameter(&name) {
                return Err(unsupported("a query signature in another spelling than SigV4's"));
            }
            rest.push((pair, name, value));
        }
        let [algorithm, credential, date, expires, token, signature, signed_headers] = found;
        // First: what is said of a proof in a URL holds for every form of signature.
        let token = token
            .filter(|token| token.starts_with(vended::PREFIX))
            .ok_or_else(|| unsupported("a query signature needs keys from /_palisade/credentials: proofs do not belong into URLs"))?;
        if algorithm.as_deref() != Some(crate::sigv4::ALGORITHM) {
            return Err(unsupported("a query signature of another algorithm"));
        }
        let (Some(credential), Some(date), Some(expires), Some(signature), Some(signed_headers)) =
            (credential, date, expires, signature, signed_headers)
        else {
            return Err(malformed("a parameter of the query signature is missing"));
        };
        let placeholder = Placeholder::read(&credential, &signed_headers, &signature)?;
        let expires = seconds(&expires).ok_or_else(|| malformed("X-Amz-Expires is not from 1 to 604800"))?;
        let hoists = Canon::of(&placeholder.service) == Canon::S3;
        let (headers, kept) = hoist(rest, hoists)?;
        let separator = if kept.is_empty() { "" } else { "?" };
        let target = PathAndQuery::try_from(format!("{}{separator}{}", uri.path(), kept.join("&")));
        let target = target.map_err(|_| Refusal::from(Reason::MalformedRequest))?;
        Ok(Some(Self { placeholder, token: Secret::new(token), date, expires, target, headers }))
    }
}

/// Whether anything in `query` is of a signature. Most queries have nothing that would have to be decoded to know.
fn is_signed(query: &str) -> Result<bool, Refusal> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        let is_plain = !name.bytes().any(|b| matches!(b, b'%' | b'+'));
        // Not text is not a parameter either.
        let is_found = if is_plain { is_parameter(name) } else { is_parameter(&String::from_utf8_lossy(&canonical::decode(name, true)?)) };
        if is_found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whoever comes after us might not care about the case.
fn is_parameter(name: &str) -> bool {
    PARAMETERS.iter().chain(&OLDER).any(|parameter| parameter.eq_ignore_ascii_case(name))
}

/// SDKs move `x-amz-*` headers into the query of what they presign; S3 reads them there. In a request that is signed in its
/// headers they have to be headers again.
fn hoist<'a>(pairs: Vec<(&'a str, String, &'a str)>, hoists: bool) -> Result<(HeaderMap, Vec<&'a str>), Refusal> {
    let (mut headers, mut kept) = (HeaderMap::new(), Vec::new());
    for (pair, name, value) in pairs {
        let name = name.to_ascii_lowercase();
        if !hoists || !name.starts_with("x-amz-") {
            kept.push(pair);
            continue;
        }
        let bad = || malformed("a query parameter that stands for a header is none");
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let value = HeaderValue::from_str(&text(value)?).map_err(|_| bad())?;
        if headers.insert(header, value).is_some() {
            return Err(malformed("a query parameter that stands for a header is repeated"));
        }
    }
    Ok((headers, kept))
}

fn text(encoded: &str) -> Result<String, Refusal> {
    let bytes = canonical::decode(encoded, true)?.into_owned();
    String::from_utf8(bytes).map_err(|_| Refusal::noted(Reason::MalformedRequest, "the query is not UTF-8"))
}

fn seconds(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit());
    let life = Duration::from_secs(digits.then(|| text.parse().ok())??);
    (Duration::from_secs(1)..=MAX_EXPIRES).contains(&life).then_some(life)
}

fn malformed(note: &'static str) -> Refusal {
    Refusal::noted(Reason::SignatureMalformed, note)
}

fn unsupported(note: &'static str) -> Refusal {
    Refusal::noted(Reason::SignatureUnsupported, note)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=tenant.acme%2F20261122%2Feu-west-1%2Fs3%2Faws4_request\
        &X-Amz-Date=20261122T000000Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Security-Token=pvc1_x\
        &X-Amz-Signature=0000000000000000000000000000000000000000000000000000000000000000";

    fn read(query: &str) -> Result<Option<QuerySignature>, Reason> {
        QuerySignature::read(&format!("/b/k?{query}").parse().unwrap()).map_err(|r| r.reason)
    }

    #[test]
    fn it_is_taken_out_and_the_rest_stays_as_it_was() {
        let signature = read(&format!("versionId=a%2Fb&{GOOD}&x-id=GetObject&acl")).unwrap().unwrap();
        assert_eq!(signature.target, "/b/k?versionId=a%2Fb&x-id=GetObject&acl");
        assert_eq!((signature.token.expose(), signature.date.as_str()), ("pvc1_x", "20261122T000000Z"));
        assert_eq!(signature.expires, Duration::from_secs(300));
        assert_eq!((signature.placeholder.service.as_str(), signature.placeholder.region.as_str()), ("s3", "eu-west-1"));
        assert_eq!(read(GOOD).unwrap().unwrap().target, "/b/k");
        assert!(read("list-type=2&prefix=Signatures").unwrap().is_none());
    }

    #[test]
    fn headers_in_the_query_become_headers_again() {
        let signature = read(&format!("{GOOD}&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&x-amz-acl=private&x-id=PutObject")).unwrap().unwrap();
        assert_eq!(signature.target, "/b/k?x-id=PutObject");
        assert_eq!(signature.headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
        assert_eq!(signature.headers["x-amz-acl"], "private");
        let other = GOOD.replace("%2Fs3%2F", "%2Fpolly%2F");
        assert_eq!(read(&format!("{other}&x-amz-a=b")).unwrap().unwrap().target, "/b/k?x-amz-a=b");
        assert_eq!(read(&format!("{GOOD}&x-amz-acl=a&X-Amz-Acl=b")).unwrap_err(), Reason::SignatureMalformed);
        assert_eq!(read(&format!("{GOOD}&x-amz-acl=a%0Ab")).unwrap_err(), Reason::SignatureMalformed);
    }

    #[test]
    fn proofs_and_other_signatures_in_a_query_are_refused() {
        for query in [
            &GOOD.replace("pvc1_x", "psp1_x"),
            &GOOD.replace("pvc1_x", "eyJ.e.s"),
            &GOOD.replace("&X-Amz-Security-Token=pvc1_x", ""),
            &GOOD.replace("HMAC-SHA256", "ECDSA-P256-SHA256"),
            &GOOD.replace("X-Amz-Signature", "x-amz-signature"),
            "X-Amz-Security-Token=psp1_x",
            "x%2Damz%2Dsecurity%2Dtoken=pvc1_x",
            "AWSAccessKeyId=a&Signature=b&Expires=1",
            "signature=b",
        ] {
            assert_eq!(read(query).unwrap_err(), Reason::SignatureUnsupported, "{query}");
        }
    }

    #[test]
    fn incomplete_and_contradictory_signatures_are_refused() {
        for part in GOOD.split('&').filter(|part| !part.contains("Algorithm") && !part.contains("Token")) {
            let missing = GOOD.replace(&format!("&{part}"), "");
            assert_eq!(read(&missing).unwrap_err(), Reason::SignatureMalformed, "{part}");
            assert_eq!(read(&format!("{GOOD}&{part}")).unwrap_err(), Reason::SignatureMalformed, "{part} twice");
        }
        for expires in ["0", "-1", "604801", "", "1e3", "9999999", "0000300", "%2B300"] {
            assert_eq!(
                read(&GOOD.replace("Expires=300", &format!("Expires={expires}"))).unwrap_err(),
                Reason::SignatureMalformed,
                "{expires}"
            );
        }
        let longest = read(&GOOD.replace("Expires=300", "Expires=604800")).unwrap().unwrap();
        assert_eq!(longest.expires, Duration::from_secs(604_800));
        assert_eq!(read(&format!("{GOOD}&%zz=a")).unwrap_err(), Reason::MalformedRequest);
    }
}
