//! What a token shall say: the parameters of `GET /token`.

use jsonwebtoken::Algorithm;

use super::DEFAULT_AUDIENCE;
use crate::config::quantity;

/// The algorithms that there are keys for, by the name that a token gives them.
pub(super) const ALGORITHMS: [(&str, Algorithm); 3] =
    [("ES256", Algorithm::ES256), ("RS256", Algorithm::RS256), ("EdDSA", Algorithm::EdDSA)];

const MAX_QUERY: usize = 4_096;
const MAX_LIST: usize = 32;
const MAX_TEXT: usize = 256;
/// The longest life, and the longest time since the end of one.
const MAX_EXPIRES: i64 = 24 * 3_600;
const PARAMETERS: &str = "tenant, subject, roles, expires, audience, alg, issuer";

/// A token to be made. Nothing in it is checked against anything: tokens that must be refused are what the sandbox is for.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenRequest {
    /// `tenant`: one, or several with commas between them.
    pub tenants: Vec<String>,
    /// `subject`; `demo-user` without it.
    pub subject: String,
    /// `roles`: with commas between them; none without it.
    pub roles: Vec<String>,
    /// `expires`: seconds from now, written `90s`, `15m`, `1h`; an hour without it, a day at most. Behind a minus sign it is how
    /// long ago the token expired.
    pub expires: i64,
    /// `audience`; [`DEFAULT_AUDIENCE`] without it.
    pub audience: String,
    /// `alg`: `ES256` (without it), `RS256` or `EdDSA`.
    pub algorithm: Algorithm,
    /// `issuer`; the provider's own name without it.
    pub issuer: Option<String>,
}

/// A parameter that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadParameter(String);

impl TokenRequest {
    /// A token of `tenant` with everything else as it is without a parameter.
    pub fn of(tenant: &str) -> Self {
        Self {
            tenants: vec![tenant.to_owned()],
            subject: "demo-user".to_owned(),
            roles: Vec::new(),
            expires: 3_600,
            audience: DEFAULT_AUDIENCE.to_owned(),
            algorithm: Algorithm::ES256,
            issuer: None,
        }
    }

    /// Reads a query.
    ///
    /// # Errors
    /// Anything unknown, repeated, missing or malformed, with what would be right.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        if query.len() > MAX_QUERY {
            return Err(BadParameter(format!("the query is longer than {MAX_QUERY} bytes")));
        }
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(query).map_err(|_| BadParameter("the query is not of the form name=value&name=value".to_owned()))?;
        let mut request = Self::of("");
        request.tenants.clear();
        for (at, (name, value)) in pairs.iter().enumerate() {
            if pairs[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(BadParameter(format!("{name:?} is there more than once")));
            }
            request.set(name, value)?;
        }
        if request.tenants.is_empty() {
            return Err(BadParameter("tenant is missing: tenant=acme, or tenant=acme,globex for a token of both".to_owned()));
        }
        Ok(request)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), BadParameter> {
        match name {
            "tenant" => self.tenants = list(name, value)?,
            "subject" => self.subject = text(name, value)?,
            "roles" if value.is_empty() => self.roles = Vec::new(),
            "roles" => self.roles = list(name, value)?,
            "expires" => self.expires = expires(value)?,
            "audience" => self.audience = text(name, value)?,
            "alg" => self.algorithm = algorithm(value)?,
            "issuer" => self.issuer = Some(text(name, value)?),
            _ => return Err(BadParameter(format!("{name:?} is unknown; the parameters are {PARAMETERS}"))),
        }
        Ok(())
    }
}

fn text(name: &str, value: &str) -> Result<String, BadParameter> {
    match value.is_empty() || value.len() > MAX_TEXT || value.chars().any(char::is_control) {
        true => Err(BadParameter(format!("{name} needs 1 to {MAX_TEXT} bytes without control characters"))),
        false => Ok(value.to_owned()),
    }
}

fn list(name: &str, value: &str) -> Result<Vec<String>, BadParameter> {
    let items: Vec<String> = value.split(',').map(|item| text(name, item)).collect::<Result<_, _>>()?;
    match items.len() > MAX_LIST {
        true => Err(BadParameter(format!("{name} has more than {MAX_LIST} entries"))),
        false => Ok(items),
    }
}

fn expires(value: &str) -> Result<i64, BadParameter> {
    let (sign, length) = value.strip_prefix('-').map_or((1, value), |length| (-1, length));
    let seconds =
        quantity::duration(length).and_then(|length| i64::try_from(length.as_secs()).ok()).filter(|s| (1..=MAX_EXPIRES).contains(s));
    let wrong = || BadParameter("expires needs a time such as 90s, 15m or 1h, a day at most; -1h is an hour ago".to_owned());
    Ok(sign * seconds.ok_or_else(wrong)?)
}

fn algorithm(value: &str) -> Result<Algorithm, BadParameter> {
    let known = ALGORITHMS.iter().find(|(name, _)| *name == value).map(|(_, algorithm)| *algorithm);
    known.ok_or_else(|| BadParameter("alg needs ES256, RS256 or EdDSA".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_has_its_effect() {
        assert_eq!(TokenRequest::parse("tenant=acme"), Ok(TokenRequest::of("acme")));
        let all = "tenant=acme,globex&subject=a%20b&roles=reader,admin&expires=1m30s&audience=api&alg=EdDSA&issuer=https://evil.example";
        let expected = TokenRequest {
            tenants: vec!["acme".to_owned(), "globex".to_owned()],
            subject: "a b".to_owned(),
            roles: vec!["reader".to_owned(), "admin".to_owned()],
            expires: 90,
            audience: "api".to_owned(),
            algorithm: Algorithm::EdDSA,
            issuer: Some("https://evil.example".to_owned()),
        };
        assert_eq!(TokenRequest::parse(all), Ok(expected));
        assert_eq!(TokenRequest::parse("tenant=acme&expires=-2h").unwrap().expires, -7_200);
        assert!(TokenRequest::parse("tenant=acme&roles=").unwrap().roles.is_empty());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let long = format!("tenant={}", "a".repeat(MAX_QUERY));
        let many = format!("tenant=acme&roles=r{}", ",r".repeat(MAX_LIST));
        for (query, said) in [
            ("", "tenant is missing"),
            ("subject=a", "tenant is missing"),
            ("tenant=", "tenant needs"),
            ("tenant=acme,", "tenant needs"),
            ("tenant=a%0Ab", "control characters"),
            ("tenant=acme&tenant=globex", "more than once"),
            ("tenant=acme&role=admin", "\"role\" is unknown; the parameters are tenant"),
            ("tenant=acme&subject=", "subject needs"),
            ("tenant=acme&expires=3600", "expires needs"),
            ("tenant=acme&expires=0s", "expires needs"),
            ("tenant=acme&expires=1ms", "expires needs"),
            ("tenant=acme&expires=25h", "a day at most"),
            ("tenant=acme&expires=--1h", "expires needs"),
            ("tenant=acme&alg=none", "alg needs"),
            ("tenant=acme&alg=HS256", "alg needs"),
            (&long, "longer than"),
            (&many, "more than 32"),
        ] {
            let error = TokenRequest::parse(query).expect_err(query);
            assert!(error.to_string().contains(said), "{query}: {error}");
        }
    }
}
