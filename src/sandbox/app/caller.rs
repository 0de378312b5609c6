//! Who is asking, as the ingress says it.

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use crate::secret::Secret;

/// One request's identity and authority. `Debug` hides the passport.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) tenant: String,
    pub(super) subject: Option<String>,
    pub(super) roles: Vec<String>,
    pub(super) request_id: Option<String>,
    pub(super) passport: Secret,
}

impl Caller {
    /// Reads the ingress's headers; without them the request did not come through it.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, &'static str> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(tenant), Some(passport)) = (text("x-tenant-id"), text("x-palisade-passport")) else {
            return Err("no tenant and no passport: this request did not come through the ingress");
        };
        Ok(Self {
            tenant: tenant.to_owned(),
            subject: text("x-palisade-subject").map(|s| percent_decode_str(s).decode_utf8_lossy().into_owned()),
            roles: text("x-palisade-roles").map(strings).unwrap_or_default(),
            request_id: text("x-request-id").map(str::to_owned),
            passport: Secret::new(passport.to_owned()),
        })
    }
}

/// The members of a structured-field list of Strings and Display Strings (RFC 9651); parsing ends at anything else.
fn strings(list: &str) -> Vec<String> {
    let mut rest = list.trim_start();
    let mut members = Vec::new();
    loop {
        let display = rest.starts_with("%\"");
        let Some(text) = rest.strip_prefix('%').unwrap_or(rest).strip_prefix('"') else { return members };
        let mut member = String::new();
        let mut characters = text.char_indices();
        let end = loop {
            match characters.next() {
                None => return members,
                Some((at, '"')) => break at + 1,
                Some((_, '\\')) if !display => member.extend(characters.next().map(|(_, escaped)| escaped)),
                Some((_, character)) => member.push(character),
            }
        };
        members.push(if display { percent_decode_str(&member).decode_utf8_lossy().into_owned() } else { member });
        rest = text[end..].trim_start();
        let Some(next) = rest.strip_prefix(',') else { return members };
        rest = next.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn roles_are_read_one_by_one() {
        assert_eq!(strings(r#""reader", "a\", \"admin""#), ["reader", r#"a", "admin"#]);
        assert_eq!(strings(r#""a\\",%"f%c3%bcr%22""#), [r"a\", "f\u{fc}r\""]);
        assert_eq!(strings(""), [""; 0]);
        assert_eq!(strings(r#""a", token, "b""#), ["a"]);
        assert_eq!(strings(r#""a", "open"#), ["a"]);
    }

    #[test]
    fn without_the_ingress_there_is_no_caller_and_nobody_sees_the_passport() {
        let mut headers = HeaderMap::new();
        headers.insert("x-tenant-id", HeaderValue::from_static("acme"));
        assert!(Caller::read(&headers).is_err());
        headers.insert("x-palisade-passport", HeaderValue::from_static("psp1_secret"));
        headers.insert("x-palisade-subject", HeaderValue::from_static("a%20b"));
        let caller = Caller::read(&headers).unwrap();
        assert_eq!((caller.tenant.as_str(), caller.subject.as_deref()), ("acme", Some("a b")));
        assert!(!format!("{caller:?}").contains("psp1_"));
    }
}
