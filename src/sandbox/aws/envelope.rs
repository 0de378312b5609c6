//! The SigV4 parts of a request, taken apart strictly.
//!
//! Absent, duplicated and malformed are three different answers: a part that is there twice is refused, never chosen from.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};

use super::failure::Failure;

/// What a request claims about its own signature. Nothing here is verified.
#[derive(Debug, PartialEq)]
pub(super) struct Envelope {
    pub(super) access_key_id: String,
    /// `YYYYMMDD` of the credential scope.
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
    /// In lower case, as listed.
    pub(super) signed_headers: Vec<String>,
    pub(super) signature: String,
    pub(super) time: SystemTime,
    /// `YYYYMMDD` of the request's own time.
    pub(super) day: String,
    pub(super) token: Option<String>,
    /// How long a presigned request is good for; `None` for a request signed in its headers.
    pub(super) presigned: Option<Duration>,
}

impl Envelope {
    /// Reads the `Authorization` header or the presigned query, whichever is there.
    pub(super) fn of(parts: &Parts) -> Result<Self, Failure> {
        let query = query_pairs(parts.uri.query())?;
        let presigned = query.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("x-amz-"));
        // Signature version 2 is nowhere accepted any more, and must not slip past as an ordinary parameter.
        if query.iter().any(|(name, _)| name == "Signature" || name == "AWSAccessKeyId") {
            return Err(incomplete("only AWS4-HMAC-SHA256 is supported"));
        }
        for name in [header::HOST.as_str(), "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "x-amz-target"] {
            text(&parts.headers, name)?;
        }
        match (text(&parts.headers, "authorization")?, presigned) {
            (None, false) => Err(Failure::MissingAuthentication),
            (Some(_), true) => Err(incomplete("only one authentication mechanism is allowed")),
            (Some(authorization), false) => Self::of_header(authorization, &parts.headers),
            (None, true) => Self::of_query(&query),
        }
    }

    fn of_header(authorization: &str, headers: &HeaderMap) -> Result<Self, Failure> {
        let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(|| incomplete("only AWS4-HMAC-SHA256 is supported"))?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',') {
            let (name, value) = field.trim().split_once('=').ok_or_else(|| incomplete("a field of Authorization has no value"))?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(incomplete("Authorization has an unknown field")),
            };
            if slot.replace(value).is_some() {
                return Err(incomplete("a field of Authorization is there twice"));
            }
        }
        let need = |part: Option<&str>, name| part.map(str::to_owned).ok_or_else(|| incomplete(&format!("{name} is missing")));
        Self::assemble(Claims {
            credential: need(credential, "Credential")?,
            signed_headers: need(signed_headers, "SignedHeaders")?,
            signature: need(signature, "Signature")?,
            date: need(text(headers, "x-amz-date")?, "X-Amz-Date")?,
            token: text(headers, "x-amz-security-token")?.map(str::to_owned),
            presigned: None,
        })
    }

    fn of_query(query: &[(String, String)]) -> Result<Self, Failure> {
        let find = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let need = |name: &str| find(name).ok_or_else(|| incomplete(&format!("{name} is missing")));
        if need("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
            return Err(incomplete("only AWS4-HMAC-SHA256 is supported"));
        }
        // AWS allows a week at most.
        let expires = need("X-Amz-Expires")?.parse().ok().filter(|e| (1..=604_800).contains(e));
        Self::assemble(Claims {
            credential: need("X-Amz-Credential")?,
            signed_headers: need("X-Amz-SignedHeaders")?,
            signature: need("X-Amz-Signature")?,
            date: need("X-Amz-Date")?,
            token: find("X-Amz-Security-Token"),
            presigned: Some(Duration::from_secs(expires.ok_or_else(|| incomplete("X-Amz-Expires is out of range"))?)),
        })
    }

    fn assemble(claims: Claims) -> Result<Self, Failure> {
        let scope: Vec<&str> = claims.credential.split('/').collect();
        let [access_key_id, date, region, service, "aws4_request"] = scope[..] else {
            return Err(incomplete("Credential must be KEY/DATE/REGION/SERVICE/aws4_request"));
        };
        let signed_headers: Vec<String> = claims.signed_headers.split(';').map(str::to_owned).collect();
        let named = |name: &String| HeaderName::from_bytes(name.as_bytes()).is_ok_and(|n| n.as_str() == name);
        if access_key_id.is_empty() {
            return Err(incomplete("Credential has no access key id"));
        }
        if !signed_headers.iter().all(named) || !signed_headers.is_sorted_by(|a, b| a < b) {
            return Err(incomplete("SignedHeaders must be sorted names in lower case, each once"));
        }
        if claims.signature.len() != 64 || !claims.signature.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(incomplete("Signature is not 64 hexadecimal digits"));
        }
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers,
            time: parse_date(&claims.date).ok_or_else(|| incomplete("X-Amz-Date is not YYYYMMDD'T'HHMMSS'Z'"))?,
            day: claims.date[..8].to_owned(),
            signature: claims.signature,
            token: claims.token,
            presigned: claims.presigned,
        })
    }
}

struct Claims {
    credential: String,
    signed_headers: String,
    signature: String,
    date: String,
    token: Option<String>,
    presigned: Option<Duration>,
}

/// The one value of a header. Twice, or not in visible ASCII, is an error.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Failure> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => HeaderValue::to_str(value).map(Some).map_err(|_| incomplete(&format!("{name} is not plain text"))),
        (Some(_), Some(_)) => Err(incomplete(&format!("{name} is there more than once"))),
    }
}

/// The query's parameters, decoded. None may be there twice: two readers could choose differently.
fn query_pairs(query: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(query.unwrap_or_default()).map_err(|_| incomplete("the query string is malformed"))?;
    let mut names: Vec<String> = pairs.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    match names.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err(incomplete("a query parameter is there more than once")),
        false => Ok(pairs),
    }
}

/// `YYYYMMDD'T'HHMMSS'Z'`, to the letter.
fn parse_date(text: &str) -> Option<SystemTime> {
    let bytes = text.as_bytes();
    let digits = bytes.iter().enumerate().all(|(i, b)| matches!(i, 8 | 15) || b.is_ascii_digit());
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' || !digits {
        return None;
    }
    let part = |range: std::ops::Range<usize>| text[range].parse::<u8>().ok();
    let month = time::Month::try_from(part(4..6)?).ok()?;
    let date = time::Date::from_calendar_date(text[..4].parse().ok()?, month, part(6..8)?).ok()?;
    let clock = time::Time::from_hms(part(9..11)?, part(11..13)?, part(13..15)?).ok()?;
    Some(time::PrimitiveDateTime::new(date, clock).assume_utc().into())
}

fn incomplete(why: &str) -> Failure {
    Failure::Incomplete(why.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::Request;

    use super::*;

    const SIGNATURE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn signed() -> http::request::Builder {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIA/20260102/eu-west-1/s3/aws4_request,SignedHeaders=host;x-amz-date, Signature={SIGNATURE}"
        );
        Request::get("/b/k").header("host", "h").header("x-amz-date", "20260102T030405Z").header("authorization", authorization)
    }

    fn read(request: http::request::Builder) -> Result<Envelope, Failure> {
        Envelope::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_header_signature_is_taken_apart() {
        let envelope = read(signed()).unwrap();
        assert_eq!((envelope.access_key_id.as_str(), envelope.service.as_str(), envelope.region.as_str()), ("AKIA", "s3", "eu-west-1"));
        assert_eq!(envelope.signed_headers, ["host", "x-amz-date"]);
        assert_eq!(envelope.time, UNIX_EPOCH + Duration::from_secs(1_767_323_045));
        assert_eq!(envelope.presigned, None);
    }

    #[test]
    fn a_presigned_query_is_taken_apart() {
        let uri = format!(
            "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20260102%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z\
             &X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Security-Token=t%2Bt&X-Amz-Signature={SIGNATURE}"
        );
        let envelope = read(Request::get(&uri).header("host", "h")).unwrap();
        assert_eq!((envelope.presigned, envelope.token.as_deref()), (Some(Duration::from_secs(60)), Some("t+t")));
        let twice = format!("{uri}&X-Amz-Expires=9");
        assert!(read(Request::get(twice).header("host", "h")).is_err());
        let weeks = uri.replace("Expires=60", "Expires=604801");
        assert!(read(Request::get(weeks).header("host", "h")).is_err());
    }

    #[test]
    fn what_is_absent_doubled_or_malformed_is_refused() {
        assert_eq!(read(Request::get("/")), Err(Failure::MissingAuthentication));
        for header in ["authorization", "x-amz-date", "host", "x-amz-security-token"] {
            let doubled = signed().header(header, "a").header(header, "b");
            assert!(matches!(read(doubled), Err(Failure::Incomplete(_))), "{header}");
        }
        let with =
            |authorization: &str| read(Request::get("/").header("x-amz-date", "20260102T030405Z").header("authorization", authorization));
        let good = format!("AWS4-HMAC-SHA256 Credential=A/20260102/r/s3/aws4_request, SignedHeaders=host, Signature={SIGNATURE}");
        assert!(with(&good).is_ok());
        for (from, to) in [
            ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
            ("AWS4-HMAC-SHA256 ", "AWS "),
            ("aws4_request", "aws4"),
            ("SignedHeaders=host", "SignedHeaders=Host"),
            ("SignedHeaders=host", "SignedHeaders=host;a"),
            ("SignedHeaders=host, ", ""),
            ("Signature=0", "Signature=G"),
            ("Credential=A", "Credential="),
            ("Credential=A", "Extra=1, Credential=A"),
        ] {
            assert!(matches!(with(&good.replace(from, to)), Err(Failure::Incomplete(_))), "{from} -> {to}");
        }
    }

    #[test]
    fn dates_are_read_to_the_letter() {
        for bad in ["", "20260102T030405", "20260102 030405Z", "20261302T030405Z", "+0260102T030405Z", "20260102T+30405Z", "20260102T2505é"]
        {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }
}
