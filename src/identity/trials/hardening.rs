//! RFC 8725 and RFC 9068, a row for each way to go against them, on tokens whose signature is good. The reason comes first.

use super::*;

const CONFIG: &str = "
ingress: {tls: {certificate: ../tls/tls.crt, private_key: ../tls/tls.key}, upstream: 'http://127.0.0.1:8080'}
identity: {issuers: [{issuer: 'https://idp.test/', audience: api, jwks: {uri: 'https://idp.test/keys'}, leeway: 0s}]}
tenants: {directory: {any: {}}}
";
const HEADER: &str = r#"{"alg":"ES256","kid":"e"}"#;

fn payload() -> String {
    json!({"iss": "https://idp.test/", "aud": "api", "exp": NOW + 60, "sub": "u", "tenant_id": "acme"}).to_string()
}

/// The payload with a member's text put in.
fn with(name: &str, value: &str) -> Vec<u8> {
    let text = payload();
    let plain: Value = serde_json::from_str(&text).unwrap();
    let text = match plain.get(name) {
        Some(old) => text.replace(&format!("\"{name}\":{old}"), &format!("\"{name}\":{value}")),
        None => text.replacen('{', &format!("{{\"{name}\":{value},"), 1),
    };
    assert!(text.contains(value), "{text}");
    text.into_bytes()
}

async fn run(rows: Vec<(Option<Reason>, &str, Vec<u8>)>) {
    let key = Signer::ec();
    let (verifier, ..) = verifier(issuer_of(CONFIG), Box::new(Fixed(json!({"keys": [key.jwk("e")]}))));
    let mut wrong = Vec::new();
    for (expected, header, payload) in rows {
        let found = reason(&verifier, "acme", &key.sign(header, &payload)).await;
        if found != expected {
            wrong.push(format!("{expected:?}, not {found:?}: {header} {}", String::from_utf8_lossy(&payload)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn headers() {
    use Reason::{TokenAlgorithm, TokenKeyUnknown, TokenMalformed, TokenType};
    let good = || payload().into_bytes();
    run(vec![
        (None, HEADER, good()),
        (None, r#"{"alg":"ES256","kid":"e","typ":"at+jwt"}"#, good()),
        (None, r#"{"alg":"ES256","kid":"e","typ":"application/AT+JWT"}"#, good()),
        (None, r#"{"alg":"ES256"}"#, good()),
        // 3.1 of RFC 8725: the algorithm is one of the issuer's, spelled as it is, and the key's own.
        (Some(TokenAlgorithm), r#"{"alg":"es256","kid":"e"}"#, good()),
        (Some(TokenAlgorithm), r#"{"alg":"ES256 ","kid":"e"}"#, good()),
        (Some(TokenAlgorithm), r#"{"alg":"none","kid":"e"}"#, good()),
        (Some(TokenAlgorithm), r#"{"alg":"HS256","kid":"e"}"#, good()),
        (Some(TokenAlgorithm), r#"{"alg":"ES512","kid":"e"}"#, good()),
        (Some(TokenAlgorithm), r#"{"alg":"PS256","kid":"e"}"#, good()),
        (Some(TokenAlgorithm), r#"{"alg":"RS256","kid":"e"}"#, good()),
        (Some(TokenMalformed), r#"{"alg":["ES256"],"kid":"e"}"#, good()),
        (Some(TokenMalformed), r#"{"kid":"e"}"#, good()),
        // 3.6: nothing compressed or encrypted; RFC 7515, section 4.1.11: no extension that must be understood.
        (Some(TokenMalformed), r#"{"alg":"ES256","kid":"e","zip":"DEF"}"#, good()),
        (Some(TokenMalformed), r#"{"alg":"ES256","kid":"e","enc":"A256GCM"}"#, good()),
        (Some(TokenMalformed), r#"{"alg":"ES256","kid":"e","crit":["exp"]}"#, good()),
        (Some(TokenMalformed), r#"{"alg":"ES256","kid":"e","b64":true}"#, good()),
        // 3.10: a key id is compared and nothing else; keys in the header are not looked at.
        (Some(TokenKeyUnknown), r#"{"alg":"ES256","kid":"../../../../dev/null"}"#, good()),
        (Some(TokenKeyUnknown), r#"{"alg":"ES256","kid":"e' OR '1'='1"}"#, good()),
        (Some(TokenKeyUnknown), r#"{"alg":"ES256","kid":"E"}"#, good()),
        (Some(TokenKeyUnknown), r#"{"alg":"ES256","kid":"e "}"#, good()),
        (Some(TokenKeyUnknown), r#"{"alg":"ES256","kid":""}"#, good()),
        (Some(TokenMalformed), r#"{"alg":"ES256","kid":"e\u0000"}"#, good()),
        (Some(TokenMalformed), r#"{"alg":"ES256","kid":["e"]}"#, good()),
        (Some(TokenMalformed), r#"{"alg":"ES256","kid":"e","kid":"e"}"#, good()),
        (
            None,
            r#"{"alg":"ES256","kid":"e","jku":"http://169.254.169.254/","x5u":"file:///etc/passwd","jwk":{"kty":"oct"},"x5c":["x"]}"#,
            good(),
        ),
        // 3.11, and section 4 of RFC 9068: another kind of token.
        (Some(TokenType), r#"{"alg":"ES256","kid":"e","typ":"logout+jwt"}"#, good()),
        (Some(TokenType), r#"{"alg":"ES256","kid":"e","typ":"dpop+jwt"}"#, good()),
        (Some(TokenType), r#"{"alg":"ES256","kid":"e","typ":"secevent+jwt"}"#, good()),
        (Some(TokenType), r#"{"alg":"ES256","kid":"e","typ":"absent"}"#, good()),
        (Some(TokenType), r#"{"alg":"ES256","kid":"e","typ":""}"#, good()),
        (Some(TokenMalformed), r#"{"alg":"ES256","kid":"e","typ":7}"#, good()),
        // What is no header.
        (Some(TokenMalformed), "[]", good()),
        (Some(TokenMalformed), r#"{"alg":"ES256","kid":"e"}x"#, good()),
        (Some(TokenMalformed), "\u{feff}{\"alg\":\"ES256\",\"kid\":\"e\"}", good()),
    ])
    .await;
}

#[tokio::test]
async fn payloads() {
    use Reason::{TenantMismatch, TenantNotInToken, TokenAudience, TokenClaims, TokenExpired, TokenIssuer, TokenMalformed};
    let plain = |text: String| text.into_bytes();
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let row = |reason: Reason, name: &str, value: &str| (Some(reason), HEADER, with(name, value));
    run(vec![
        (None, HEADER, with("other", "[1, {\"a\": 1.5}, null, 18446744073709551615]")),
        (None, HEADER, plain(format!(" \r\n\t{} ", payload()))),
        // 3.7: UTF-8, and Unicode in it.
        (Some(TokenMalformed), HEADER, with("sub", "\"?\"").into_iter().map(|byte| if byte == b'?' { 0xff } else { byte }).collect()),
        row(TokenMalformed, "sub", r#""\ud800""#),
        row(TokenMalformed, "sub", r#""\udc00\ud800""#),
        row(TokenMalformed, "sub", "\"a\nb\""),
        // One reading of the text only.
        row(TokenMalformed, "tenant_id", r#""globex","tenant_id":"acme""#),
        row(TokenMalformed, "tenant_id", r#""globex","tenant\u005fid":"acme""#),
        row(TokenMalformed, "app", r#"{"a":1,"a":1}"#),
        (Some(TokenMalformed), HEADER, plain(format!("{}{{}}", payload()))),
        (Some(TokenMalformed), HEADER, plain(format!("{}\0", payload()))),
        (Some(TokenMalformed), HEADER, plain(payload().replace('}', ",}"))),
        row(TokenMalformed, "app", &deep(16)),
        row(TokenMalformed, "app", &deep(3_000)),
        (None, HEADER, with("app", &deep(15))),
        // Numbers that are not what they say, or not what another parser would read.
        row(TokenMalformed, "exp", "1e400"),
        row(TokenMalformed, "exp", "NaN"),
        row(TokenMalformed, "exp", "0x7fffffff"),
        row(TokenMalformed, "exp", "9999999999999999999999"),
        row(TokenMalformed, "app", "123456789012345678901234567890"),
        row(TokenClaims, "exp", "9007199254740993"),
        row(TokenClaims, "exp", "-1"),
        row(TokenClaims, "exp", "\"1800000060\""),
        row(TokenClaims, "exp", "null"),
        row(TokenClaims, "exp", "true"),
        row(TokenClaims, "nbf", "-0.0"),
        row(TokenClaims, "nbf", "[]"),
        row(TokenClaims, "iat", "\"now\""),
        row(TokenExpired, "exp", "0"),
        (None, HEADER, with("exp", "1.80000006e9")),
        // 3.8 and 3.9: whose it is and whom it is for.
        row(TokenIssuer, "iss", r#""https://idp.test""#),
        row(TokenIssuer, "iss", r#""https://IDP.test/""#),
        row(TokenIssuer, "iss", r#"["https://idp.test/"]"#),
        row(TokenAudience, "aud", r#""API""#),
        row(TokenAudience, "aud", "[]"),
        row(TokenClaims, "aud", r#"{"api":true}"#),
        row(TokenClaims, "aud", r#"["api",null]"#),
        row(TokenClaims, "sub", r#""u\u0000""#),
        row(TokenClaims, "sub", r#""u\r\nx-palisade-roles: \"admin\"""#),
        row(TokenClaims, "sub", &format!("\"{}\"", "u".repeat(257))),
        row(TokenClaims, "sub", "\"\""),
        row(TokenClaims, "sub", "7"),
        row(TokenClaims, "roles", r#"["reader\u001b[31m"]"#),
        row(TokenClaims, "roles", r#"{"admin":true}"#),
        row(TokenClaims, "scope", &format!("\"{}\"", "s ".repeat(300))),
        row(TokenClaims, "jti", "{}"),
        row(TenantMismatch, "tenant_id", "\"Acme\""),
        row(TenantMismatch, "tenant_id", "\"acme\u{200b}\""),
        row(TenantMismatch, "tenant_id", "\"\u{430}cme\""),
        row(TenantMismatch, "tenant_id", "\" acme\""),
        row(TenantNotInToken, "tenant_id", "\"acme\\n\""),
        row(TenantNotInToken, "tenant_id", "null"),
        row(TenantNotInToken, "tenant_id", "{\"acme\":1}"),
        // A token that only its key makes a proof.
        row(TokenClaims, "cnf", r#"{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}"#),
        row(TokenClaims, "cnf", "null"),
    ])
    .await;
}

/// Of the text as a whole: parts, alphabet, spellings.
#[tokio::test]
async fn texts() {
    let key = Signer::ec();
    let (verifier, ..) = verifier(issuer_of(CONFIG), Box::new(Fixed(json!({"keys": [key.jwk("e")]}))));
    let good = key.sign(HEADER, payload().as_bytes());
    assert_eq!(reason(&verifier, "acme", &good).await, None);
    let parts: Vec<_> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    // 64 bytes of signature leave four bits that say nothing: every other spelling of the last character.
    let last = signature.chars().last().unwrap();
    let respelled = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars().filter(|c| *c != last);
    for c in respelled {
        let text = format!("{}{c}", &good[..good.len() - 1]);
        assert!(matches!(reason(&verifier, "acme", &text).await, Some(Reason::TokenMalformed | Reason::TokenSignature)), "{c}");
    }
    for (expected, text) in [
        (Reason::TokenMalformed, format!("{good}=")),
        (Reason::TokenMalformed, format!("{good}==")),
        (Reason::TokenMalformed, format!("{header}=.{payload}.{signature}")),
        (Reason::TokenMalformed, format!("{header}.{payload}.")),
        (Reason::TokenMalformed, format!("{header}.{payload}")),
        (Reason::TokenMalformed, format!("{header}..{signature}")),
        (Reason::TokenMalformed, format!(".{payload}.{signature}")),
        (Reason::TokenMalformed, format!("{good}.")),
        (Reason::TokenMalformed, format!(".{good}")),
        (Reason::TokenMalformed, format!("{header}.{payload}.{signature}.{signature}.{signature}")),
        (Reason::TokenMalformed, good.replace('-', "+").replace('_', "/").replacen("ey", "e+y", 1)),
        (Reason::TokenMalformed, format!("{header}.{payload}.{signature}+")),
        (Reason::TokenSignature, format!("{header}.{payload}.{}", &signature[..4])),
        (Reason::TokenSignature, format!("{header}.{payload}.{}", B64.encode([0; 64]))),
        (Reason::TokenMalformed, "a".repeat(20_000)),
    ] {
        assert_eq!(reason(&verifier, "acme", &text).await, Some(expected), "{text:.300}");
    }
}

/// RFC 9068 in full, where the configuration asks for it.
#[tokio::test]
async fn the_profile_can_be_asked_for() {
    let config =
        CONFIG.replace("leeway: 0s", "leeway: 0s, token_types: at+jwt, required_claims: {client_id: '*', jti: '*'}, max_lifetime: 1h");
    let key = Signer::ec();
    let (verifier, ..) = verifier(issuer_of(&config), Box::new(Fixed(json!({"keys": [key.jwk("e")]}))));
    let header = r#"{"alg":"ES256","kid":"e","typ":"at+jwt"}"#;
    let claims = json!({"iss": "https://idp.test/", "aud": "api", "exp": NOW + 60, "iat": NOW - 5, "jti": "j", "client_id": "c", "sub": "u",
        "tenant_id": "acme", "scope": "read write", "auth_time": NOW - 600, "acr": "x"});
    assert_eq!(reason(&verifier, "acme", &key.sign(header, claims.to_string().as_bytes())).await, None);
    for typ in ["JWT", "jwt", "application/jwt"] {
        let header = header.replace("at+jwt", typ);
        assert_eq!(reason(&verifier, "acme", &key.sign(&header, claims.to_string().as_bytes())).await, Some(Reason::TokenType), "{typ}");
    }
    assert_eq!(reason(&verifier, "acme", &key.sign(HEADER, claims.to_string().as_bytes())).await, Some(Reason::TokenType));
    for missing in ["exp", "iat", "jti", "client_id", "sub"] {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(missing);
        assert_eq!(
            reason(&verifier, "acme", &key.sign(header, claims.to_string().as_bytes())).await,
            Some(Reason::TokenClaims),
            "{missing}"
        );
    }
}
