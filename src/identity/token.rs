//! A JWT (RFC 7519) in JWS compact form (RFC 7515), taken apart but not believed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::{context_key::is_context_type, strict_json};
use crate::{
    config::error::quote,
    reject::{Reason, Refusal},
};

/// Longest token accepted, in bytes. Above what any common identity provider issues, below `server.header_bytes`.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// Longest `kid` or `typ`, in bytes.
const MAX_WORD: usize = 256;

/// The parts of a token. Nothing in here is true until the signature is checked.
#[derive(Debug)]
pub(super) struct UntrustedToken<'a> {
    /// From the header, one of the asymmetric algorithms.
    pub(super) algorithm: Algorithm,
    /// From the header.
    pub(super) key_id: Option<String>,
    /// From the header.
    pub(super) typ: Option<String>,
    /// The payload.
    pub(super) claims: Map<String, Value>,
    /// `header.payload` as sent: what the signature is over.
    pub(super) signed: &'a str,
    pub(super) signature: Vec<u8>,
}

impl<'a> UntrustedToken<'a> {
    /// Takes `text` apart. Key material in the header (`jwk`, `jku`, `x5u`, `x5c`) is not even looked at: keys come from the
    /// configured issuer alone (RFC 8725, section 3.10).
    pub(super) fn parse(text: &'a str) -> Result<Self, Refusal> {
        let malformed = |note: &'static str| Refusal::noted(Reason::TokenMalformed, note);
        if text.len() > MAX_BYTES {
            return Err(malformed("longer than 16 KiB"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or_else(|| malformed("not three parts"))?;
        let (header, payload) = signed.split_once('.').ok_or_else(|| malformed("not three parts"))?;
        if payload.contains('.') || payload.is_empty() {
            return Err(malformed("not three parts"));
        }
        let header = decode(header).ok_or_else(|| malformed("the header is no base64url JSON object without duplicates"))?;
        let claims = decode(payload).ok_or_else(|| malformed("the payload is no base64url JSON object without duplicates"))?;
        // RFC 7515, section 4.1.11: an extension that must be understood and is not makes the token invalid. `b64` (RFC 7797)
        // changes what is signed and is only legal under `crit`.
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(malformed("critical header extensions are not supported"));
        }
        if header.contains_key("zip") || header.contains_key("enc") {
            return Err(malformed("encrypted tokens are not supported"));
        }
        // Somebody may have configured our own keys as an issuer's.
        if header.get("typ").and_then(Value::as_str).is_some_and(is_context_type) {
            return Err(Refusal::noted(Reason::ProofNotAccepted, "a context that Palisade signed for an application"));
        }
        let algorithm = match header.get("alg") {
            Some(Value::String(name)) => algorithm(name).ok_or_else(|| {
                Refusal::noted(Reason::TokenAlgorithm, format!("{} is no algorithm that is taken from anybody", quote(name)))
            })?,
            _ => return Err(malformed("no alg")),
        };
        if signature.is_empty() {
            return Err(malformed("no signature"));
        }
        // In one spelling only: neither padding nor bits that nobody reads (RFC 7515, section 2; RFC 4648, section 3.5).
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed("the signature is no base64url"))?;
        let key_id = word(&header, "kid").ok_or_else(|| malformed("kid is no string of up to 256 bytes without control characters"))?;
        let typ = word(&header, "typ").ok_or_else(|| malformed("typ is no string of up to 256 bytes without control characters"))?;
        Ok(Self { algorithm, key_id, typ, claims, signed, signature })
    }
}

/// A member of the header that may be absent (an inner `None`) but nothing other than a short string.
fn word(header: &Map<String, Value>, name: &str) -> Option<Option<String>> {
    match header.get(name) {
        None => Some(None),
        Some(Value::String(text)) if text.len() <= MAX_WORD && !text.chars().any(char::is_control) => Some(Some(text.clone())),
        Some(_) => None,
    }
}

fn decode(part: &str) -> Option<Map<String, Value>> {
    strict_json::object(&URL_SAFE_NO_PAD.decode(part).ok()?)
}

/// The asymmetric algorithms of RFC 7518 and RFC 8037 that are supported. `none` and the HMAC family are not in the list: a
/// public key must never serve as a shared secret.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" => Algorithm::EdDSA,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    fn reason(text: &str) -> Option<Reason> {
        UntrustedToken::parse(text).err().map(|r| r.reason)
    }

    #[test]
    fn a_plain_token_comes_apart() {
        let text = token(r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#, r#"{"sub":"u"}"#);
        let token = UntrustedToken::parse(&text).unwrap();
        assert_eq!((token.algorithm, token.key_id.as_deref(), &*token.signature), (Algorithm::ES256, Some("k1"), &b"sig"[..]));
        assert_eq!(token.typ.as_deref(), Some("JWT"));
        assert_eq!(token.claims["sub"], "u");
        assert!(text.starts_with(token.signed));
    }

    #[test]
    fn symmetric_and_absent_algorithms_are_refused() {
        for alg in ["none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "ES512", "es256", "", "RS256 "] {
            let text = token(&format!(r#"{{"alg":"{alg}"}}"#), "{}");
            let refusal = UntrustedToken::parse(&text).err().unwrap();
            assert_eq!(refusal.reason, Reason::TokenAlgorithm, "{alg}");
            assert!(refusal.note.unwrap().starts_with(&format!("\"{alg}\" is no algorithm")), "{alg}");
        }
    }

    #[test]
    fn every_asymmetric_algorithm_is_what_it_is_called() {
        for name in ["ES256", "ES384", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"] {
            let text = token(&format!(r#"{{"alg":"{name}"}}"#), "{}");
            assert_eq!(format!("{:?}", UntrustedToken::parse(&text).unwrap().algorithm), name);
        }
    }

    #[test]
    fn malformed_tokens_are_refused_as_such() {
        let ok = r#"{"alg":"ES256"}"#;
        let cases = [
            String::new(),
            "a".into(),
            "a.b".into(),
            "..".into(),
            "a.b.c.d".into(),
            token("{}", "{}"),
            token(r#"{"alg":null}"#, "{}"),
            token(r#"{"alg":["ES256"]}"#, "{}"),
            token(r#"{"alg":"ES256","alg":"none"}"#, "{}"),
            token(r#"{"alg":"ES256","crit":["exp"]}"#, "{}"),
            token(r#"{"alg":"ES256","crit":[]}"#, "{}"),
            token(r#"{"alg":"ES256","b64":false}"#, "{}"),
            token(r#"{"alg":"ES256","zip":"DEF"}"#, "{}"),
            token(r#"{"alg":"ES256","kid":7}"#, "{}"),
            token(r#"{"alg":"ES256","kid":null}"#, "{}"),
            token(r#"{"alg":"ES256","kid":"a\u0000b"}"#, "{}"),
            token(&format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(257)), "{}"),
            token(r#"{"alg":"ES256","typ":["JWT"]}"#, "{}"),
            token(r#"{"alg":"ES256","typ":null}"#, "{}"),
            token(r#"{"alg":"ES256","typ":"JWT\n"}"#, "{}"),
            token(r#"{"alg":"ES256","enc":"A256GCM"}"#, "{}"),
            token(ok, "{}{}"),
            token(ok, r#"{"n":1e400}"#),
            token(ok, r#"{"s":"\ud800"}"#),
            token(ok, &format!(r#"{{"a":{}{}}}"#, "[".repeat(500), "]".repeat(500))),
            // Of five parts: encrypted.
            format!("{}.{}", token(ok, "{}"), "c2ln.c2ln"),
            // The same bytes in other spellings.
            format!("{}=", token(ok, "{}")),
            format!("{}\n", token(ok, "{}")),
            token(ok, "{}").replace("c2ln", "c2l"),
            token(ok, "{}").replace("c2ln", "c2+n"),
            format!("{}.e31.c2ln", URL_SAFE_NO_PAD.encode(ok)),
            token(ok, "{}").replace('.', ". "),
            token(ok, "[]"),
            token(ok, "\"text\""),
            token(ok, r#"{"a":1,"a":1}"#),
            format!("{}.{}=.c2ln", URL_SAFE_NO_PAD.encode(ok), URL_SAFE_NO_PAD.encode("{}")),
            format!(" {}", token(ok, "{}")),
            format!("{}.{}.", URL_SAFE_NO_PAD.encode(ok), URL_SAFE_NO_PAD.encode("{}")),
            format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(ok), URL_SAFE_NO_PAD.encode("{}"), "x".repeat(MAX_BYTES)),
        ];
        for case in cases {
            assert_eq!(reason(&case), Some(Reason::TokenMalformed), "{case:.80}");
        }
    }

    #[test]
    fn three_parts_are_counted_before_they_are_read() {
        for case in ["a.b", "a.b.c.d", "a..c", "e30.e30.e30.c2ln"] {
            let refusal = UntrustedToken::parse(case).map(drop).unwrap_err();
            assert_eq!((refusal.reason, refusal.note.as_deref()), (Reason::TokenMalformed, Some("not three parts")), "{case}");
        }
    }

    #[test]
    fn a_token_has_16_kib_at_most() {
        let of = |bytes: usize| {
            let text = token(r#"{"alg":"ES256"}"#, "{}");
            format!("{text}{}", "A".repeat(bytes - text.len()))
        };
        assert_eq!((of(16_384).len(), reason(&of(16_384))), (16_384, None));
        let text = of(16_385);
        let longer = UntrustedToken::parse(&text).map(drop).unwrap_err();
        assert_eq!(longer.note.as_deref(), Some("longer than 16 KiB"));
    }

    #[test]
    fn our_own_contexts_are_no_tokens() {
        for typ in ["palisade-context+jwt", "application/Palisade-Context+JWT"] {
            assert_eq!(reason(&token(&format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#), "{}")), Some(Reason::ProofNotAccepted), "{typ}");
        }
        assert_eq!(reason(&token(r#"{"alg":"ES256","typ":"at+jwt"}"#, "{}")), None);
    }

    #[test]
    fn key_material_in_the_header_changes_nothing() {
        let text = token(r#"{"alg":"ES256","kid":"k","jwk":{"kty":"EC"},"jku":"http://evil/","x5u":"http://evil/","x5c":["x"]}"#, "{}");
        assert!(UntrustedToken::parse(&text).is_ok());
    }
}
