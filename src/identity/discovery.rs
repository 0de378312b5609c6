//! The document of OpenID Connect Discovery 1.0 (or RFC 8414), as far as it matters here: whose it is, and where the keys are.

use http::Uri;
use serde_json::Value;

use super::strict_json;

/// Largest document read, in bytes. Those of large providers have a tenth of it.
pub const MAX_BYTES: usize = 64 * 1024;
/// Longest URI taken from one.
const MAX_URI: usize = 2048;

/// Why a document does not lead to keys. Quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// Not a JSON object, or one with a member twice.
    #[error("the answer is no JSON object, or has a member twice")]
    NotJson,
    /// Another issuer's, or nobody's.
    #[error("the document is of another issuer than the configured one")]
    OtherIssuer,
    /// No `jwks_uri`, or one that cannot be used.
    #[error("jwks_uri is missing, or no https:// URI without user and fragment")]
    NoKeys,
}

/// Where the keys of `issuer` are, out of its `document`.
///
/// The document must be the issuer's own, byte for byte (Discovery, section 4.3; RFC 8414, section 3.3): otherwise a provider of many
/// could hand out the keys of one under the name of another. `http` is taken only where `plain` says so.
///
/// # Errors
/// When it does not say where, or says it of somebody else.
pub fn jwks_uri(document: &[u8], issuer: &str, plain: bool) -> Result<Uri, DiscoveryError> {
    let document = strict_json::object(document).ok_or(DiscoveryError::NotJson)?;
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(DiscoveryError::OtherIssuer);
    }
    let text = document.get("jwks_uri").and_then(Value::as_str).filter(|text| text.len() <= MAX_URI && !text.contains(['#', '@']));
    let uri: Uri = text.and_then(|text| text.parse().ok()).ok_or(DiscoveryError::NoKeys)?;
    let has_scheme = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => plain,
        _ => false,
    };
    if has_scheme && uri.authority().is_some_and(|authority| !authority.host().is_empty()) { Ok(uri) } else { Err(DiscoveryError::NoKeys) }
}

/// Whether both are at the same place: scheme, host and port (RFC 6454).
pub fn is_same_origin(a: &Uri, b: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    a.scheme() == b.scheme() && host(a) == host(b) && port(a) == port(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://idp.test/realms/a";

    fn found(document: &str, plain: bool) -> Result<String, DiscoveryError> {
        jwks_uri(document.as_bytes(), ISSUER, plain).map(|uri| uri.to_string())
    }

    fn with(uri: &str) -> String {
        format!(r#"{{"issuer": "{ISSUER}", "jwks_uri": "{uri}", "id_token_signing_alg_values_supported": ["none"]}}"#)
    }

    #[test]
    fn a_document_leads_to_its_keys() {
        for uri in ["https://idp.test/keys", "https://cdn.example/keys?v=2", "https://[::1]:8443/k"] {
            assert_eq!(found(&with(uri), false), Ok(uri.to_owned()));
        }
        assert_eq!(found(&with("http://idp.test/keys"), true), Ok("http://idp.test/keys".to_owned()));
    }

    #[test]
    fn anything_else_leads_nowhere() {
        use DiscoveryError::{NoKeys, NotJson, OtherIssuer};
        for (document, error) in [
            ("<html>", NotJson),
            ("[]", NotJson),
            ("", NotJson),
            (r#"{"jwks_uri": "https://idp.test/keys"}"#, OtherIssuer),
            (r#"{"issuer": ["https://idp.test/realms/a"], "jwks_uri": "https://idp.test/keys"}"#, OtherIssuer),
            (r#"{"issuer": "https://idp.test/realms/a/", "jwks_uri": "https://idp.test/keys"}"#, OtherIssuer),
            (r#"{"issuer": "https://idp.test/realms/b", "jwks_uri": "https://idp.test/keys"}"#, OtherIssuer),
            (r#"{"issuer": "https://IDP.test/realms/a", "jwks_uri": "https://idp.test/keys"}"#, OtherIssuer),
            (r#"{"issuer": "https://idp.test/realms/a"}"#, NoKeys),
            (r#"{"issuer": "https://idp.test/realms/a", "jwks_uri": null}"#, NoKeys),
        ] {
            assert_eq!(found(document, true), Err(error), "{document}");
        }
        let twice = with("https://idp.test/keys").replace('}', r#", "jwks_uri": "https://evil.test/keys"}"#);
        assert_eq!(found(&twice, true), Err(NotJson));
        for uri in ["http://idp.test/keys", "/keys", "file:///etc/passwd", "https://u@idp.test/k", "https://idp.test/k#f", "https://", ""] {
            assert_eq!(found(&with(uri), false), Err(NoKeys), "{uri}");
        }
        assert_eq!(found(&with(&format!("https://idp.test/{}", "k".repeat(MAX_URI))), false), Err(NoKeys));
    }

    #[test]
    fn an_answer_may_have_what_the_guide_says() {
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/config/guide/issuers.md");
        let said =
            format!("an answer may have {} KiB (a discovery document {} KiB)", crate::identity::jwks::MAX_BYTES / 1024, MAX_BYTES / 1024);
        assert!(std::fs::read_to_string(guide).unwrap().contains(&said), "{said}");
    }

    #[test]
    fn origins_are_scheme_host_and_port() {
        let same = |a: &str, b: &str| is_same_origin(&a.parse().unwrap(), &b.parse().unwrap());
        assert!(same("https://a.test/x", "https://A.test:443/y") && same("http://a.test:80/", "http://a.test/"));
        for other in ["http://a.test/", "https://b.test/", "https://a.test:444/", "https://a.test.evil/"] {
            assert!(!same("https://a.test/", other), "{other}");
        }
    }
}
