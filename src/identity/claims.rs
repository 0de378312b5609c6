//! The rules for a token's claims, after its signature: pure, time is an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::{
    config::{ClaimPath, Grants, IssuerConfig},
    reject::{Reason, Refusal},
};

/// Longest subject, audience, tenant, role or scope taken from a token, in bytes.
const MAX_TEXT: usize = 256;
/// Most audiences, tenants, roles or scopes in one token.
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

/// Checks the dates, what the issuer's rules demand and the audience, and reads the subject, tenants and roles. `iss` and `typ` are
/// checked by whoever picked `issuer`.
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
    lifetime(issuer, expires - leeway, issued_at)?;
    // RFC 7800: whoever presents it has to show the key that it is bound to, which is not looked at here (DPoP, mutual TLS).
    if claims.contains_key("cnf") {
        return Err(bad("the token is bound to a key (cnf), and as a bearer token it proves nothing"));
    }
    if let Some(unmet) = issuer.rules.required.iter().find(|required| !required.is_met(claims)) {
        return Err(Refusal::noted(Reason::TokenClaims, format!("the claim {} is not as required_claims has it", unmet.path.0)));
    }
    audience(claims, issuer)?;
    Ok(CheckedClaims {
        subject: subject(claims, &issuer.claims.subject)?,
        // Where a directory of users says the tenant, what the token says of it is not even looked at.
        tenants: issuer.claims.tenant.as_ref().map_or(Ok(Vec::new()), |path| tenants(claims, path))?,
        roles: Grants::kept(
            issuer.grants.roles.as_deref(),
            words(claims, &issuer.claims.roles, "the roles are neither a string nor an array of strings")?,
        ),
        scopes: Grants::kept(
            issuer.grants.scopes.as_deref(),
            words(claims, &issuer.claims.scopes, "the scopes are neither a string nor an array of strings")?,
        ),
        token_id: token_id(claims)?,
        issued_at: issued_at.map(|seconds| UNIX_EPOCH + Duration::from_secs_f64(seconds)),
        expires: UNIX_EPOCH + Duration::from_secs_f64(expires),
    })
}

/// The time from `iat` to `exp`, where the issuer has a limit for it.
fn lifetime(issuer: &IssuerConfig, expires: f64, issued_at: Option<f64>) -> Result<(), Refusal> {
    let Some(most) = issuer.rules.max_lifetime else { return Ok(()) };
    let issued_at = issued_at.ok_or_else(|| bad("iat is missing, and max_lifetime needs it"))?;
    if expires - issued_at > most.as_secs_f64() { Err(bad("the token lives longer than max_lifetime")) } else { Ok(()) }
}

/// One of the configured audiences is named where the issuer names them, and in `aud` wherever there is one: a recipient that is
/// not in `aud` must refuse (RFC 7519, section 4.1.3).
fn audience(claims: &Map<String, Value>, issuer: &IssuerConfig) -> Result<(), Refusal> {
    let named = |value: &Value| match texts(value) {
        None => Err(bad("the audience is neither a string nor an array of strings")),
        Some(audiences) if audiences.iter().any(|audience| issuer.audience.contains(audience)) => Ok(()),
        Some(_) => Err(Reason::TokenAudience.into()),
    };
    let value = issuer.claims.audience.find(claims).ok_or_else(|| Refusal::noted(Reason::TokenAudience, "the audience is missing"))?;
    named(value)?;
    claims.get("aud").map_or(Ok(()), named)
}

/// A NumericDate (RFC 7519, section 2), which may have a fraction.
fn date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<f64>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(seconds) if seconds.is_sign_positive() && (0.0..=MAX_DATE).contains(&seconds) => Ok(Some(seconds)),
            _ => Err(bad("a date is out of range")),
        },
        Some(_) => Err(bad("a date is not a number")),
    }
}

fn subject(claims: &Map<String, Value>, path: &ClaimPath) -> Result<String, Refusal> {
    match path.find(claims) {
        Some(Value::String(subject)) if !subject.is_empty() && is_plain(subject) => Ok(subject.clone()),
        Some(_) => Err(bad("the subject is no string of 1 to 256 bytes without control characters")),
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
        Some(Value::String(list)) => {
            // Spaces alone separate (RFC 6749, section 3.3). What is too long or too much is refused rather than cut off.
            let words: Vec<_> = list.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
            if words.len() <= MAX_LIST && words.iter().all(|word| is_plain(word)) { Ok(words) } else { Err(bad(wrong)) }
        }
        Some(value @ Value::Array(_)) => texts(value).ok_or_else(|| bad(wrong)),
        Some(_) => Err(bad(wrong)),
    }
}

/// RFC 7519, section 4.1.7: a string. A token that cannot be told from others cannot be revoked, so one of another kind is refused.
fn token_id(claims: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    match claims.get("jti") {
        None => Ok(None),
        Some(Value::String(id)) if !id.is_empty() && is_plain(id) => Ok(Some(id.clone())),
        Some(_) => Err(bad("jti is no string of 1 to 256 bytes without control characters")),
    }
}

/// Whether it can be shown in a log or a header without playing tricks, and is no longer than it should be.
fn is_plain(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.chars().any(char::is_control)
}

/// A string, or an array of nothing but strings.
fn texts(value: &Value) -> Option<Vec<String>> {
    let text = |v: &Value| v.as_str().filter(|text| is_plain(text)).map(str::to_owned);
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
    use crate::config::{
        ClaimsConfig, Demand, IssuerTenants, JwksSource, KeyPolicy, RequiredClaim, TenantPattern, TokenRules, WordPattern,
    };

    const NOW: u64 = 1_800_000_000;

    fn issuer() -> IssuerConfig {
        IssuerConfig {
            issuer: "https://idp.test/".into(),
            audience: vec!["api".into(), "api2".into()],
            jwks: JwksSource::File("unused".into()),
            key_policy: KeyPolicy::default(),
            algorithms: vec![],
            rules: TokenRules::default(),
            claims: ClaimsConfig {
                audience: ClaimPath("aud".into()),
                tenant: Some(ClaimPath("tenant_id".into())),
                subject: ClaimPath("sub".into()),
                roles: ClaimPath("/x/roles".into()),
                scopes: ClaimPath("scope".into()),
            },
            leeway: Duration::from_secs(30),
            tenants: IssuerTenants::Listed(vec![TenantPattern("*".into())]),
            grants: Grants::default(),
        }
    }

    /// A good token with members replaced; `null` takes one away.
    fn run(changes: Value) -> Result<CheckedClaims, Reason> {
        run_for(&issuer(), changes)
    }

    fn run_for(issuer: &IssuerConfig, changes: Value) -> Result<CheckedClaims, Reason> {
        let mut claims = json!({"aud": "api", "exp": NOW + 60, "sub": "u", "tenant_id": "acme"});
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(name),
                value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        check(claims.as_object().unwrap(), issuer, UNIX_EPOCH + Duration::from_secs(NOW)).map_err(|r| r.reason)
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
    fn a_tenant_claim_is_not_looked_at_where_none_is_configured() {
        let issuer = IssuerConfig { claims: ClaimsConfig { tenant: None, ..issuer().claims }, ..issuer() };
        for claim in [json!("acme"), json!(7), Value::Null] {
            let claims = json!({"aud": "api", "exp": NOW + 60, "sub": "u", "tenant_id": claim});
            let checked = check(claims.as_object().unwrap(), &issuer, UNIX_EPOCH + Duration::from_secs(NOW)).unwrap();
            assert!(checked.tenants.is_empty(), "{claims}");
        }
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
            (json!({"exp": 253_402_300_800_u64}), TokenClaims),
            (json!({"exp": 9_007_199_254_740_993_u64}), TokenClaims),
            (json!({"exp": [NOW + 60]}), TokenClaims),
            (json!({"nbf": -0.0}), TokenClaims),
            (json!({"iat": -1}), TokenClaims),
            (json!({"iat": 1e300}), TokenClaims),
            (json!({"iat": {}}), TokenClaims),
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
    fn an_issuer_gives_no_role_and_no_scope_that_it_may_not() {
        let patterns = |texts: &[&str]| Some(texts.iter().map(|text| WordPattern((*text).to_owned())).collect());
        let with = |roles, scopes| IssuerConfig { grants: Grants { roles, scopes }, ..issuer() };
        let token = json!({"x": {"roles": ["reader", "team-a", "platform-admin", "Reader"]}, "scope": "read write"});
        let given = |issuer: &IssuerConfig| run_for(issuer, token.clone()).map(|claims| (claims.roles.join(" "), claims.scopes.join(" ")));
        let all = ("reader team-a platform-admin Reader".to_owned(), "read write".to_owned());
        assert_eq!(given(&with(None, None)), Ok(all.clone()));
        assert_eq!(given(&with(patterns(&["reader", "team-*"]), patterns(&["read"]))), Ok(("reader team-a".to_owned(), "read".to_owned())));
        assert_eq!(given(&with(None, patterns(&["nothing"]))), Ok((all.0, String::new())));
        assert_eq!(given(&with(patterns(&["*-*"]), None)), Ok(("team-a platform-admin".to_owned(), all.1)));
        // What a token may not name is not what it may not be made of.
        assert!(run_for(&with(patterns(&["reader"]), None), json!({"x": {"roles": ["reader", 7]}})).is_err());
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
            (json!({"sub": "u\u{0}"}), TokenClaims),
            (json!({"sub": "u\r\nx-palisade-roles: admin"}), TokenClaims),
            (json!({"sub": "u\u{85}"}), TokenClaims),
            (json!({"aud": "a".repeat(257)}), TokenClaims),
            (json!({"tenant_id": "acme\n"}), TenantNotInToken),
            (json!({"x": {"roles": ["a\u{7f}"]}}), TokenClaims),
            (json!({"x": {"roles": ["a".repeat(257)]}}), TokenClaims),
            (json!({"x": {"roles": vec!["a"; 257]}}), TokenClaims),
            (json!({"x": {"roles": "a ".repeat(257)}}), TokenClaims),
            (json!({"x": {"roles": "a".repeat(257)}}), TokenClaims),
            (json!({"scope": "read\nadmin"}), TokenClaims),
            (json!({"scope": "read\tadmin"}), TokenClaims),
            (json!({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}), TokenClaims),
            (json!({"jti": "t\u{1b}[2J"}), TokenClaims),
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

    /// Unicode has many spellings of what looks the same; none of them is another.
    #[test]
    fn look_alikes_stay_apart() {
        let spellings = ["\u{e9}", "e\u{301}", "\u{435}", "e\u{200b}", "E", "e", "\u{ff45}", "e ", " e"];
        let subjects: std::collections::BTreeSet<_> = spellings.iter().map(|sub| run(json!({"sub": sub})).unwrap().subject).collect();
        assert_eq!(subjects.len(), spellings.len());
        for audience in ["Api", "api ", " api", "ap\u{456}", "api\u{200b}", "api/"] {
            assert_eq!(run(json!({"aud": audience})).err(), Some(Reason::TokenAudience), "{audience:?}");
        }
    }

    #[test]
    fn required_claims_are_demanded_all_of_them() {
        let demand = |claim: &str, value: Value| RequiredClaim { path: ClaimPath(claim.into()), demand: Demand::new(vec![value]) };
        let mut issuer = issuer();
        issuer.rules.required = vec![demand("token_use", json!("access")), demand("/app/verified", json!(true))];
        let good = json!({"token_use": "access", "app": {"verified": true}});
        assert!(run_for(&issuer, good.clone()).is_ok());
        for (claim, value) in [
            ("token_use", json!("id")),
            ("token_use", Value::Null),
            ("app", json!({"verified": "true"})),
            ("app", json!({"verified": false})),
            ("app", json!({})),
            ("app", json!([true])),
        ] {
            let mut bad = good.clone();
            bad[claim] = value;
            assert_eq!(run_for(&issuer, bad.clone()).err(), Some(Reason::TokenClaims), "{bad}");
        }
    }

    #[test]
    fn a_lifetime_may_be_limited() {
        let mut issuer = issuer();
        issuer.rules.max_lifetime = Some(Duration::from_secs(3_600));
        assert!(run_for(&issuer, json!({"iat": NOW - 3_000, "exp": NOW + 600})).is_ok());
        for (iat, exp) in [(json!(NOW - 3_000), NOW + 601), (Value::Null, NOW + 60), (json!("0"), NOW + 60)] {
            let found = run_for(&issuer, json!({"iat": iat, "exp": exp})).err();
            assert_eq!(found, Some(Reason::TokenClaims), "{iat} {exp}");
        }
    }

    #[test]
    fn the_audience_may_be_in_another_claim_and_then_aud_must_not_say_otherwise() {
        let mut issuer = issuer();
        issuer.claims.audience = ClaimPath("client_id".into());
        assert!(run_for(&issuer, json!({"aud": null, "client_id": "api"})).is_ok());
        assert!(run_for(&issuer, json!({"aud": ["x", "api2"], "client_id": "api"})).is_ok());
        for (changes, reason) in [
            (json!({"aud": null}), Reason::TokenAudience),
            (json!({"aud": "api"}), Reason::TokenAudience),
            (json!({"aud": null, "client_id": "other"}), Reason::TokenAudience),
            (json!({"aud": "other", "client_id": "api"}), Reason::TokenAudience),
            (json!({"aud": [], "client_id": "api"}), Reason::TokenAudience),
            (json!({"aud": 7, "client_id": "api"}), Reason::TokenClaims),
            (json!({"aud": null, "client_id": {"api": 1}}), Reason::TokenClaims),
        ] {
            assert_eq!(run_for(&issuer, changes.clone()).err(), Some(reason), "{changes}");
        }
    }
}
