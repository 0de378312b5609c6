//! Every check of a token, and for each at least one test that fails when the check is taken out. Every way to break each check, alone
//! and in pairs, is in [`attacks`]; what a flood of junk does is in [`flood`].

mod attacks;
mod before;
mod flood;
mod kept;
mod known;
mod tokens;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::LazyLock,
    time::{Duration, UNIX_EPOCH},
};

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as B64},
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::*;
use crate::{
    config::{ClaimPath, ClaimsConfig, Grants, JwksSource, KeyPolicy, TenantPattern, TokenRules},
    identity::{
        IdentityHeaders, Places, Recalled, UserRecord,
        jwks::{FetchKeys, Fetched},
        users::tests as users,
    },
    telemetry::RequestId,
};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://idp.test/";

/// One issuer's private keys.
struct Keys {
    rsa: EncodingKey,
    rsa_public_der: Vec<u8>,
    ec: EncodingKey,
    ed: EncodingKey,
    document: Value,
}

impl Keys {
    /// The issuer's. Made once: an RSA key takes its time.
    fn ours() -> &'static Self {
        static KEYS: LazyLock<Keys> = LazyLock::new(Keys::generate);
        &KEYS
    }

    /// Those of somebody else.
    fn theirs() -> &'static Self {
        static KEYS: LazyLock<Keys> = LazyLock::new(Keys::generate);
        &KEYS
    }

    fn generate() -> Self {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let rsa_der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&rsa).unwrap();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(rsa_der.as_ref()));
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let ec_der = ec.to_pkcs8v1().unwrap();
        let ed_der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let ed = Ed25519KeyPair::from_pkcs8(ed_der.as_ref()).unwrap();
        let point = ec.public_key().as_ref();
        let modulus = rsa.public_key().modulus().big_endian_without_leading_zero();
        let document = json!({"keys": [
            {"kty": "RSA", "kid": "r", "n": B64.encode(modulus), "e": "AQAB"},
            {"kty": "EC", "crv": "P-256", "kid": "e", "x": B64.encode(&point[1..33]), "y": B64.encode(&point[33..])},
            {"kty": "OKP", "crv": "Ed25519", "kid": "d", "x": B64.encode(ed.public_key().as_ref())},
        ]});
        Self {
            rsa: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
            rsa_public_der: rsa.public_key().as_ref().to_vec(),
            ec: EncodingKey::from_ec_der(ec_der.as_ref()),
            ed: EncodingKey::from_ed_der(ed_der.as_ref()),
            document,
        }
    }

    fn sign(&self, algorithm: Algorithm, key_id: &str, claims: &Value) -> String {
        let key = match algorithm {
            Algorithm::ES256 => &self.ec,
            Algorithm::EdDSA => &self.ed,
            _ => &self.rsa,
        };
        let header = Header { kid: Some(key_id.to_owned()), ..Header::new(algorithm) };
        jsonwebtoken::encode(&header, claims, key).unwrap()
    }
}

struct Fixed(Value);

impl FetchKeys for Fixed {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, String>> {
        Box::pin(async { Ok(Bytes::from(self.0.to_string()).into()) })
    }
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "api", "exp": NOW + 60, "sub": "u", "tenant_id": ["acme", "globex"]})
}

fn issuer(tenants: &[&str]) -> IssuerConfig {
    use Algorithm::*;
    IssuerConfig {
        issuer: ISSUER.into(),
        audience: vec!["api".into()],
        jwks: JwksSource::File("unused".into()),
        key_policy: KeyPolicy::default(),
        rules: TokenRules::default(),
        algorithms: vec![RS256, RS384, RS512, PS256, PS384, PS512, ES256, EdDSA],
        claims: ClaimsConfig {
            audience: ClaimPath("aud".into()),
            tenant: Some(ClaimPath("tenant_id".into())),
            subject: ClaimPath("sub".into()),
            roles: ClaimPath("roles".into()),
            scopes: ClaimPath("scope".into()),
        },
        leeway: Duration::ZERO,
        tenants: IssuerTenants::Listed(tenants.iter().map(|t| TenantPattern((*t).to_owned())).collect()),
        grants: Grants::default(),
    }
}

fn verifier(keys: &Keys, config: IssuerConfig) -> (Verifier, Clock) {
    guarded(keys, config, &VerificationConfig::ample())
}

fn guarded(keys: &Keys, config: IssuerConfig, verification: &VerificationConfig) -> (Verifier, Clock) {
    let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(NOW));
    let metrics = Metrics::new().unwrap();
    let jwks = Jwks::new(ISSUER.into(), Box::new(Fixed(keys.document.clone())), clock.clone(), metrics.clone());
    (Verifier::new(vec![(config, Arc::new(jwks))], verification, clock.clone(), metrics), clock)
}

/// Where callers come from, unless a test says so.
const CALLER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn presented(tenant: Option<&str>, proof: &str) -> Presented {
    let names = IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") };
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant-token", HeaderValue::from_str(proof).unwrap());
    if let Some(tenant) = tenant {
        headers.insert("x-tenant-id", HeaderValue::from_str(tenant).unwrap());
    }
    Presented::take_ingress(&mut headers, &names, &Places::default(), None, &[]).unwrap()
}

async fn reason(verifier: &Verifier, tenant: &str, token: &str) -> Option<Reason> {
    verifier.verify_token(presented(Some(tenant), token), CALLER).await.err().map(|r| r.reason)
}

#[tokio::test]
async fn every_configured_algorithm_verifies() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    use Algorithm::*;
    for (algorithm, key) in [(RS256, "r"), (RS384, "r"), (RS512, "r"), (PS256, "r"), (PS384, "r"), (PS512, "r"), (ES256, "e"), (EdDSA, "d")]
    {
        let verified = verifier.verify_token(presented(Some("acme"), &keys.sign(algorithm, key, &claims())), CALLER).await.unwrap();
        assert_eq!((verified.tenant().as_str(), verified.subject(), verified.issuer()), ("acme", "u", ISSUER), "{algorithm:?}");
    }
}

#[tokio::test]
async fn a_token_of_another_key_under_the_same_id_is_refused() {
    let (ours, theirs) = (Keys::ours(), Keys::theirs());
    let (verifier, _) = verifier(ours, issuer(&["*"]));
    for (algorithm, key) in [(Algorithm::RS256, "r"), (Algorithm::PS256, "r"), (Algorithm::ES256, "e"), (Algorithm::EdDSA, "d")] {
        assert_eq!(reason(&verifier, "acme", &theirs.sign(algorithm, key, &claims())).await, Some(Reason::TokenSignature));
    }
}

#[tokio::test]
async fn a_changed_byte_anywhere_is_refused() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    let good = keys.sign(Algorithm::ES256, "e", &claims());
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let bad = String::from_utf8(bytes).unwrap();
        // Changes of the unused trailing bits of a base64 group do not decode, so each position is a refusal.
        assert!(reason(&verifier, "acme", &bad).await.is_some(), "a change at byte {at} was accepted");
    }
}

#[tokio::test]
async fn algorithm_confusion_is_refused() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    let part = |v: &Value| B64.encode(v.to_string());
    for alg in ["none", "None", "HS256"] {
        let signed = format!("{}.{}", part(&json!({"alg": alg, "kid": "r"})), part(&claims()));
        let mac = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &keys.rsa_public_der), signed.as_bytes());
        let forged = format!("{signed}.{}", B64.encode(mac.as_ref()));
        assert_eq!(reason(&verifier, "acme", &forged).await, Some(Reason::TokenAlgorithm), "{alg}");
    }
    // An RSA key named by a token that says ECDSA, and the other way round.
    let confused = verifier.verify_token(presented(Some("acme"), &keys.sign(Algorithm::ES256, "r", &claims())), CALLER).await.unwrap_err();
    assert_eq!(confused.reason, Reason::TokenAlgorithm);
    assert_eq!(confused.note.as_deref(), Some("no key that the token may be signed with is for ES256"));
    assert_eq!(reason(&verifier, "acme", &keys.sign(Algorithm::RS256, "e", &claims())).await, Some(Reason::TokenAlgorithm));
}

#[tokio::test]
async fn an_algorithm_outside_the_issuers_list_is_refused() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, IssuerConfig { algorithms: vec![Algorithm::ES256], ..issuer(&["*"]) });
    assert_eq!(reason(&verifier, "acme", &keys.sign(Algorithm::ES256, "e", &claims())).await, None);
    let other = verifier.verify_token(presented(Some("acme"), &keys.sign(Algorithm::RS256, "r", &claims())), CALLER).await.unwrap_err();
    assert_eq!(other.reason, Reason::TokenAlgorithm);
    assert_eq!(other.note.as_deref(), Some("RS256 is not in algorithms of the issuer https://idp.test/"));
}

#[tokio::test]
async fn unknown_issuers_and_keys_are_refused() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    for iss in [json!("https://evil.test/"), json!("https://idp.test"), json!(7), json!([ISSUER]), Value::Null] {
        let mut claims = claims();
        claims["iss"] = iss.clone();
        assert_eq!(reason(&verifier, "acme", &keys.sign(Algorithm::ES256, "e", &claims)).await, Some(Reason::TokenIssuer), "{iss}");
    }
    assert_eq!(reason(&verifier, "acme", &keys.sign(Algorithm::ES256, "x", &claims())).await, Some(Reason::TokenKeyUnknown));
}

#[tokio::test]
async fn the_claimed_tenant_must_be_the_tokens_byte_for_byte() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    let token = keys.sign(Algorithm::ES256, "e", &claims());
    assert_eq!(reason(&verifier, "globex", &token).await, None, "membership in an array");
    for other in ["initech", "Acme", "acme.", "acme-", "acm", "acme2", "acme.globex"] {
        assert_eq!(reason(&verifier, other, &token).await, Some(Reason::TenantMismatch), "{other}");
    }
    let missing = verifier.verify_token(presented(None, &token), CALLER).await.unwrap_err();
    assert_eq!(missing.reason, Reason::TenantMissing);
    assert_eq!(missing.note.as_deref(), Some("name it in identity.tenant_header, or as ingress.tenant_from says"));
}

#[tokio::test]
async fn an_issuer_speaks_for_its_tenants_only() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["glo*"]));
    let token = keys.sign(Algorithm::ES256, "e", &claims());
    assert_eq!(reason(&verifier, "globex", &token).await, None);
    assert_eq!(reason(&verifier, "acme", &token).await, Some(Reason::IssuerNotForTenant));
}

#[tokio::test]
async fn a_remembered_token_expires_and_still_checks_the_tenant() {
    let keys = Keys::ours();
    let (verifier, clock) = verifier(keys, issuer(&["*"]));
    let token = keys.sign(Algorithm::ES256, "e", &claims());
    assert_eq!(reason(&verifier, "acme", &token).await, None);
    assert_eq!(verifier.remembered_count(), 1);
    assert_eq!(reason(&verifier, "acme", &token).await, None);
    assert_eq!(reason(&verifier, "initech", &token).await, Some(Reason::TenantMismatch));
    clock.advance(Duration::from_secs(60));
    assert_eq!(reason(&verifier, "acme", &token).await, Some(Reason::TokenExpired));
    assert_eq!(verifier.remembered_count(), 0);
}

#[tokio::test]
async fn refused_tokens_are_not_remembered() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    let mut expired = claims();
    expired["exp"] = json!(NOW);
    assert_eq!(reason(&verifier, "acme", &keys.sign(Algorithm::ES256, "e", &expired)).await, Some(Reason::TokenExpired));
    assert_eq!(verifier.remembered_count(), 0);
}

#[tokio::test]
async fn passports_and_tokens_are_taken_only_where_configured() {
    let keys = Keys::ours();
    let (verifier, clock) = verifier(keys, issuer(&["*"]));
    let passports = Passports::for_tests(Duration::from_secs(60), clock);
    let token = keys.sign(Algorithm::ES256, "e", &claims());
    let verified = verifier.verify_token(presented(Some("acme"), &token), CALLER).await.unwrap();
    let passport = passports.mint_for_tests(&verified, &RequestId::random()).unwrap();
    let handle = passport.header_value().unwrap().to_str().unwrap().to_owned();
    let proofs = |passport, jwt| Proofs { passport, jwt, deferred: false, certificate: false };
    let run = async |tenant: Option<&str>, proof: &str, accepted| {
        verifier
            .verify_proof(presented(tenant, proof), accepted, Some(&passports))
            .await
            .map(|(v, _)| v.tenant().to_string())
            .map_err(|r| r.reason)
    };
    assert_eq!(run(None, &handle, proofs(true, false)).await, Ok("acme".into()));
    assert_eq!(run(Some("acme"), &handle, proofs(true, true)).await, Ok("acme".into()));
    // The token behind it speaks for globex too, the passport does not.
    assert_eq!(run(Some("globex"), &handle, proofs(true, true)).await, Err(Reason::TenantMismatch));
    assert_eq!(run(None, &handle, proofs(false, true)).await, Err(Reason::ProofNotAccepted));
    assert_eq!(run(Some("acme"), &token, proofs(true, false)).await, Err(Reason::ProofNotAccepted));
    assert_eq!(run(Some("acme"), &token, proofs(false, true)).await, Ok("acme".into()));
    assert_eq!(run(None, &token, proofs(false, true)).await, Err(Reason::TenantMissing));
    assert_eq!(reason(&verifier, "acme", &handle).await, Some(Reason::ProofNotAccepted), "a passport came in from the outside");
    drop(passport);
    assert_eq!(run(None, &handle, proofs(true, true)).await, Err(Reason::PassportUnknown));
}

#[tokio::test]
async fn a_workload_s_certificate_is_the_proof_of_its_one_tenant() {
    use crate::{
        client_pattern::ClientPattern,
        config::{WorkloadConfig, WorkloadsConfig},
        identity::Workloads,
        server::{ClientCertificate, Peer},
        telemetry::Listener,
    };
    let keys = Keys::ours();
    let (verifier, clock) = verifier(keys, issuer(&["*"]));
    let own = WorkloadConfig {
        client: ClientPattern::for_tests("spiffe://prod/ns/acme/*"),
        tenant: "acme".parse().unwrap(),
        listener: None,
        roles: vec!["writer".to_owned()],
    };
    let config = WorkloadsConfig { mappings: vec![own], max_age: Duration::from_secs(600) };
    let peer = Peer::for_tests(ClientCertificate::for_tests(Some("spiffe://prod/ns/acme/sa/w"), "", &[]));
    let workload = Workloads::new(config, clock.clone()).find(&peer, Listener::Egress).unwrap().unwrap();
    let (verified, lease) = verifier.verify_workload(&workload);
    assert_eq!((verified.tenant().as_str(), verified.subject()), ("acme", "spiffe://prod/ns/acme/sa/w"));
    assert_eq!((verified.issuer(), verified.roles()), ("urn:palisade:workload", &["writer".to_owned()][..]));
    assert_eq!(verified.expires(), clock.now() + Duration::from_secs(600));
    assert!(verified.claims().is_empty() && verified.scopes().is_empty() && lease.remaining().is_none());
    assert_eq!(verifier.remembered_count(), 0);
    // Under other mappings it proves nothing, though nobody told it so.
    assert!(verifier.vouches_for(&verified).is_ok());
    let (successor, _) = self::verifier(keys, issuer(&["*"]));
    let refused = successor.under_mappings(1).vouches_for(&verified).map_err(|refusal| refusal.reason);
    assert_eq!(refused, Err(Reason::TokenIssuer));

    // Beside a token, which speaks for globex too: its tenant is the certificate's, or it is refused.
    let token = keys.sign(Algorithm::ES256, "e", &claims());
    let pinned = |tenant| presented(tenant, &token).pinned(Some(&workload)).map_err(|r| r.reason);
    assert_eq!(pinned(Some("globex")).map(drop), Err(Reason::TenantMismatch));
    for tenant in [None, Some("acme")] {
        assert_eq!(verifier.verify_token(pinned(tenant).unwrap(), CALLER).await.unwrap().tenant().as_str(), "acme");
    }
    let mut elsewhere = claims();
    elsewhere["tenant_id"] = json!("globex");
    let other = keys.sign(Algorithm::ES256, "e", &elsewhere);
    let refused = verifier.verify_token(presented(None, &other).pinned(Some(&workload)).unwrap(), CALLER).await;
    assert_eq!(refused.unwrap_err().reason, Reason::TenantMismatch);
}

#[tokio::test]
async fn an_issuer_that_is_bound_is_verified_and_still_has_to_be_named_by_the_record() {
    let keys = Keys::ours();
    let bound = IssuerConfig { tenants: IssuerTenants::Attribute("idp".to_owned()), ..issuer(&[]) };
    let (verifier, _) = verifier(keys, bound);
    let token = keys.sign(Algorithm::ES256, "e", &claims());
    let verified = verifier.verify_token(presented(Some("acme"), &token), CALLER).await.unwrap();
    assert!(verified.discharge(|name| (name == "idp").then_some(ISSUER)).is_ok());
    for other in [None, Some("https://other.test/"), Some("https://idp.test")] {
        assert_eq!(verified.discharge(|_| other).unwrap_err().reason, Reason::IssuerNotForTenant, "{other:?}");
    }
    assert_eq!(reason(&verifier, "initech", &token).await, Some(Reason::TenantMismatch), "and the token has to name the tenant");
}

#[tokio::test]
async fn tokens_are_forgotten_by_what_is_known_of_them() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    for (subject, id) in [("u", "1"), ("u", "2"), ("v", "3")] {
        let mut claims = claims();
        (claims["sub"], claims["jti"], claims["iat"]) = (json!(subject), json!(id), json!(NOW));
        assert_eq!(reason(&verifier, "acme", &keys.sign(Algorithm::ES256, "e", &claims)).await, None);
    }
    assert_eq!(
        verifier.forget_where(|token| token.token_id == Some("2") && token.issuer == ISSUER && token.tenants == ["acme", "globex"]),
        1
    );
    assert_eq!(verifier.forget_where(|token| token.subject == "u"), 1);
    assert_eq!(verifier.remembered_count(), 1);
    assert_eq!(verifier.forget_where(|token| token.issued_at == Some(UNIX_EPOCH + Duration::from_secs(NOW))), 1);
    assert_eq!(verifier.remembered_count(), 0);
}

/// One user, by hand.
#[derive(Debug)]
struct One(Result<UserRecord, Reason>);

impl Users for One {
    fn find<'a>(&'a self, issuer: &'a str, subject: &'a str) -> BoxFuture<'a, Result<Arc<UserRecord>, Refusal>> {
        assert_eq!((issuer, subject), (ISSUER, "u"));
        Box::pin(std::future::ready(self.0.clone().map(Arc::new).map_err(Refusal::from)))
    }

    fn recall(&self, _: &str, _: &str) -> Recalled {
        Recalled::Nothing
    }

    fn recheck(&self) -> Option<Duration> {
        None
    }
}

#[tokio::test]
async fn with_users_the_token_proves_the_user_and_the_directory_says_the_rest() {
    let keys = Keys::ours();
    let config = || {
        let ours = issuer(&["acme", "glob*"]);
        IssuerConfig { claims: ClaimsConfig { tenant: None, ..ours.claims.clone() }, ..ours }
    };
    // What the token says of tenants and roles is not believed, and need not be there.
    let mut other = claims();
    (other["tenant_id"], other["roles"]) = (json!("initech"), json!(["root"]));
    let tokens =
        [other, json!({"iss": ISSUER, "aud": "api", "exp": NOW + 60, "sub": "u"})].map(|claims| keys.sign(Algorithm::ES256, "e", &claims));
    let record = users::record(Some("acme"), &[("acme", &["reader"]), ("globex", &["admin"])]);
    let with = |user: Result<UserRecord, Reason>| verifier(keys, config()).0.with_users(Some(Arc::new(One(user))));
    for token in &tokens {
        let verified = with(Ok(record.clone())).verify_token(presented(Some("acme"), token), CALLER).await.unwrap();
        assert_eq!((verified.tenant().as_str(), verified.roles()), ("acme", &["reader".to_owned()][..]));
        assert_eq!(verified.user().map(ActiveUser::tenant), Some(verified.tenant()));
        for tenant in ["globex", "initech"] {
            assert_eq!(reason(&with(Ok(record.clone())), tenant, token).await, Some(Reason::TenantNotActive), "{tenant}");
        }
        let initech = users::record(Some("initech"), &[("initech", &[])]);
        assert_eq!(reason(&with(Ok(initech)), "initech", token).await, Some(Reason::IssuerNotForTenant), "the issuer's right holds");
        for refusal in [Reason::UserUnknown, Reason::UsersUnavailable] {
            assert_eq!(reason(&with(Err(refusal)), "acme", token).await, Some(refusal));
        }
        assert_eq!(reason(&with(Ok(users::record(None, &[("acme", &[])]))), "acme", token).await, Some(Reason::TenantNotActive));
        let missing = with(Ok(record.clone())).verify_token(presented(None, token), CALLER).await.unwrap_err();
        assert_eq!(missing.reason, Reason::TenantMissing, "which tenant is meant is still said");
    }
}
