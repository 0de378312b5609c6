//! The rules for a token's claims, after its signature: pure, time is an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::{
    config::{ClaimPath, IssuerConfig},
    reject::{Reason, Refusal},
};

/// Longest subject, tenant or role taken from a token, in bytes.
const MAX_TEXT: usize = 256;
/// Most tenants or roles in one token.
const MAX_LIST: usize = 256;
/// Latest moment that a claim may name: the end of the year 9999, where date formats end.
const MAX_DATE: f64 = 253_402_300_799.0;

/// What a token says, checked against its issuer's rules.
#[derive(Debug)]
pub(super) struct CheckedClaims {
    pub(super) subject: String,
    pub(super) tenants: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) scopes: Vec<String>,
    /// From `jti`.
    pub(super) token_id: Option<String>,
    /// From `iat`.
    pub(super) issued_at: Option<SystemTime>,
    /// From `exp`, leeway included: the moment at which the token stops being good.
    pub(super) expires: SystemTime,
}

/// Checks `aud`, `exp`, `nbf` and `iat` and reads the subject, tenants and roles. `iss` is checked by whoever picked `issuer`.
pub(super) fn check(claims: &Map<String, Value>, issuer: &IssuerConfig, now: SystemTime) -> Result<CheckedClaims, Refusal> {
    let now = now.duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
    let leeway = issuer.leeway.as_secs_f64();
    let expires = date(claims, "exp")?.ok_or_else(|| bad("exp is missing"))? + leeway;
    if now >= expires {
        return Err(Reason::TokenExpired.into());
    }
    let (from, issued_at) = (date(claims, "nbf")?, date(claims, "iat")?);
    for (name, moment) in [("nbf", from), ("iat", issued_at)] {
        if moment.is_some_and(|moment| moment > now + leeway) {
            return Err(Refusal::noted(Reason::TokenNotYetValid, name));
        }
    }
    let audiences = match claims.get("aud") {
        None => return Err(Refusal::noted(Reason::TokenAudience, "aud is missing")),
        Some(value) => texts(value).ok_or_else(|| bad("aud is neither a string nor an array of strings"))?,
    };
    if !audiences.iter().any(|a| issuer.audience.contains(a)) {
        return Err(Reason::TokenAudience.into());
    }
    Ok(CheckedClaims {
        subject: subject(claims, &issuer.claims.subject)?,
        tenants: tenants(claims, &issuer.claims.tenant)?,
        roles: words(claims, &issuer.claims.roles, "the roles are neither a string nor an array of strings")?,
        scopes: words(claims, &issuer.claims.scopes, "the scopes are neither a string nor an array of strings")?,
        token_id: token_id(claims)?,
        issued_at: issued_at.map(|seconds| UNIX_EPOCH + Duration::from_secs_f64(seconds)),
        expires: UNIX_EPOCH + Duration::from_secs_f64(expires),
    })
}

/// A NumericDate (RFC 7519, section 2), which may have a fraction.
fn date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<f64>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(seconds) if (0.0..=MAX_DATE).contains(&seconds) => Ok(Some(seconds)),
            _ => Err(bad("a date is out of range")),
        },
        Some(_) => Err(bad("a date is not a number")),
    }
}

fn subject(claims: &Map<String, Value>, path: &ClaimPath) -> Result<String, Refusal> {
    match path.find(claims) {
        Some(Value::String(subject)) if (1..=MAX_TEXT).contains(&subject.len()) => Ok(subject.clone()),
        Some(_) => Err(bad("the subject is no string of 1 to 256 bytes")),
        None => Err(bad("the subject is missing")),
    }
}

/// A token that names no tenant is refused, never taken as one for all tenants.
fn tenants(claims: &Map<String, Value>, path: &ClaimPath) -> Result<Vec<String>, Refusal> {
    let value = path.find(claims).ok_or(Reason::TenantNotInToken)?;
    match texts(value) {
        Some(tenants) if !tenants.is_empty() => Ok(tenants),
        _ => Err(Refusal::noted(Reason::TenantNotInToken, "the tenant claim is neither a string nor an array of strings")),
    }
}

/// Names in a string, with spaces between them, or in an array of strings.
fn words(claims: &Map<String, Value>, path: &ClaimPath, wrong: &'static str) -> Result<Vec<String>, Refusal> {
    match path.find(claims) {
        None => Ok(Vec::new()),
        Some(Value::String(list)) if list.len() <= MAX_TEXT * 16 => {
            Ok(list.split_ascii_whitespace().take(MAX_LIST).map(str::to_owned).collect())
        }
        Some(value @ Value::Array(_)) => texts(value).ok_or_else(|| bad(wrong)),
        Some(_) => Err(bad(wrong)),
    }
}

/// RFC 7519, section 4.1.7: a string. A token that cannot be told from others cannot be revoked, so one of another kind is refused.
fn token_id(claims: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    match claims.get("jti") {
        None => Ok(None),
        Some(Value::String(id)) if (1..=MAX_TEXT).contains(&id.len()) => Ok(Some(id.clone())),
        Some(_) => Err(bad("jti is no string of 1 to 256 bytes")),
    }
}

/// A string, or an array of nothing but strings.
fn texts(value: &Value) -> Option<Vec<String>> {
    let text = |v: &Value| v.as_str().filter(|s| s.len() <= MAX_TEXT).map(str::to_owned);
    match value {
        Value::String(_) => Some(vec![text(value)?]),
        Value::Array(items) if items.len() <= MAX_LIST => items.iter().map(text).collect(),
        _ => None,
    }
}

fn bad(note: &'static str) -> Refusal {
    Refusal::noted(Reason::TokenClaims, note)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{ClaimsConfig, JwksSource, TenantPattern};

    const NOW: u64 = 1_800_000_000;

    fn issuer() -> IssuerConfig {
        IssuerConfig {
            issuer: "https://idp.test/".into(),
            audience: vec!["api".into(), "api2".into()],
            jwks: JwksSource::File("unused".into()),
            algorithms: vec![],
            claims: ClaimsConfig {
                tenant: ClaimPath("tenant_id".into()),
                subject: ClaimPath("sub".into()),
                roles: ClaimPath("/x/roles".into()),
                scopes: ClaimPath("scope".into()),
            },
            leeway: Duration::from_secs(30),
            tenants: vec![TenantPattern("*".into())],
        }
    }

    /// A good token with members replaced; `null` takes one away.
    fn run(changes: Value) -> Result<CheckedClaims, Reason> {
        let mut claims = json!({"aud": "api", "exp": NOW + 60, "sub": "u", "tenant_id": "acme"});
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(name),
                value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        check(claims.as_object().unwrap(), &issuer(), UNIX_EPOCH + Duration::from_secs(NOW)).map_err(|r| r.reason)
    }

    #[test]
    fn a_good_token_passes() {
        let claims = run(json!({"x": {"roles": ["a", "b c"]}, "nbf": NOW, "iat": NOW - 5})).unwrap();
        assert_eq!(
            (claims.subject.as_str(), claims.tenants, claims.roles),
            ("u", vec!["acme".to_owned()], vec!["a".to_owned(), "b c".to_owned()])
        );
        assert_eq!(claims.expires, UNIX_EPOCH + Duration::from_secs(NOW + 90));
        assert_eq!(run(json!({"x": {"roles": "a b"}})).unwrap().roles, ["a", "b"]);
        let named = run(json!({"scope": "read write", "jti": "t-1", "iat": NOW - 5})).unwrap();
        assert_eq!((named.scopes, named.token_id.as_deref()), (vec!["read".to_owned(), "write".to_owned()], Some("t-1")));
        assert_eq!(named.issued_at, Some(UNIX_EPOCH + Duration::from_secs(NOW - 5)));
        assert_eq!(run(json!({"tenant_id": ["acme", "globex"]})).unwrap().tenants.len(), 2);
        assert!(run(json!({"aud": ["other", "api2"], "exp": NOW as f64 + 0.5})).is_ok());
    }

    #[test]
    fn dates_are_mandatory_typed_and_honoured_with_leeway() {
        use Reason::{TokenClaims, TokenExpired, TokenNotYetValid};
        for (changes, reason) in [
            (json!({"exp": null}), TokenClaims),
            (json!({"exp": "1900000000"}), TokenClaims),
            (json!({"exp": -1}), TokenClaims),
            (json!({"exp": 1e300}), TokenClaims),
            (json!({"exp": u64::MAX}), TokenClaims),
            (json!({"exp": true}), TokenClaims),
            (json!({"exp": NOW - 30}), TokenExpired),
            (json!({"exp": 0}), TokenExpired),
            (json!({"nbf": NOW + 31}), TokenNotYetValid),
            (json!({"iat": NOW + 31}), TokenNotYetValid),
            (json!({"nbf": "soon"}), TokenClaims),
        ] {
            assert_eq!(run(changes.clone()).err(), Some(reason), "{changes}");
        }
        assert!(run(json!({"exp": NOW - 29})).is_ok());
        assert!(run(json!({"nbf": NOW + 30, "iat": NOW + 30})).is_ok());
    }

    #[test]
    fn audience_subject_tenant_and_roles_are_typed() {
        use Reason::{TenantNotInToken, TokenAudience, TokenClaims};
        for (changes, reason) in [
            (json!({"aud": null}), TokenAudience),
            (json!({"aud": "other"}), TokenAudience),
            (json!({"aud": "API"}), TokenAudience),
            (json!({"aud": []}), TokenAudience),
            (json!({"aud": ["api", 1]}), TokenClaims),
            (json!({"aud": {"api": 1}}), TokenClaims),
            (json!({"sub": null}), TokenClaims),
            (json!({"sub": ""}), TokenClaims),
            (json!({"sub": 7}), TokenClaims),
            (json!({"sub": "u".repeat(257)}), TokenClaims),
            (json!({"tenant_id": null}), TenantNotInToken),
            (json!({"tenant_id": []}), TenantNotInToken),
            (json!({"tenant_id": 7}), TenantNotInToken),
            (json!({"tenant_id": {"id": "acme"}}), TenantNotInToken),
            (json!({"tenant_id": ["acme", 7]}), TenantNotInToken),
            (json!({"tenant_id": [["acme"]]}), TenantNotInToken),
            (json!({"x": {"roles": 7}}), TokenClaims),
            (json!({"x": {"roles": ["a", 7]}}), TokenClaims),
            (json!({"scope": {"a": 1}}), TokenClaims),
            (json!({"jti": 7}), TokenClaims),
            (json!({"jti": ""}), TokenClaims),
            (json!({"jti": "t".repeat(257)}), TokenClaims),
        ] {
            assert_eq!(run(changes.clone()).err(), Some(reason), "{changes}");
        }
    }
}
