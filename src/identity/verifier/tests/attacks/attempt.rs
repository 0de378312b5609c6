//! One request, put together from parts that a fault can change, and the two listeners that judge it.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use http::{HeaderMap, Request};

use super::{super::*, table::On};
use crate::{
    body,
    config::{Demand, DirectoryConfig, FailureBudget, RequiredClaim, TokenRules, WorkloadsConfig},
    directory::Directory,
    egress::{Gate, VerifiedRequest},
    identity::{Passport, Vending, workload::Workloads},
    server::Peer,
};

/// An issuer whose keys cannot be had.
pub(super) const DOWN: &str = "https://down.test/";

/// Who signs.
#[derive(Clone, Copy)]
pub(super) enum Signer {
    /// The issuer, with the key for the algorithm.
    Issuer,
    /// Somebody else with a key of the same kind.
    Stranger,
    /// The issuer, a claim having been changed since.
    ChangedSince,
    /// The issuer, in the encoding of X.509.
    Der,
    /// Bytes that are zero.
    Zero,
    /// HMAC, keyed with the public key.
    Hmac,
    /// The issuer, a byte having been lost.
    Cut,
    /// The issuer, a byte having been added.
    Extended,
}

/// A request before it is sent. Members and headers are lists, so that each can be there twice.
pub(super) struct Attempt {
    pub(super) header: Vec<(&'static str, Value)>,
    pub(super) claims: Vec<(&'static str, Value)>,
    pub(super) signer: Signer,
    /// Changes to the token's text.
    pub(super) text: Option<fn(&str) -> String>,
    /// Stands for the token.
    pub(super) proof: Option<Proof>,
    pub(super) tenants: Vec<&'static [u8]>,
    /// Headers of the proof; `T` is the token.
    pub(super) places: Vec<(&'static str, &'static str)>,
    /// More headers, as bytes.
    pub(super) more: Vec<(&'static str, &'static [u8])>,
    pub(super) source: From,
}

/// A proof that is no token.
#[derive(Clone, Copy)]
pub(super) enum Proof {
    LivePassport,
    EndedPassport,
    ExpiredPassport,
    MadeUpPassport,
    PassportOfAnother,
    Vended,
    Deferred,
}

/// Where it comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Anywhere,
    ASourceOfJunk,
}

impl Attempt {
    pub(super) fn good() -> Self {
        Self {
            header: vec![("alg", json!("ES256")), ("kid", json!("e")), ("typ", json!("JWT"))],
            claims: vec![
                ("iss", json!(ISSUER)),
                ("aud", json!("api")),
                ("exp", json!(NOW + 60)),
                ("nbf", json!(NOW - 60)),
                ("iat", json!(NOW - 60)),
                ("sub", json!("u")),
                ("tenant_id", json!("acme")),
                ("roles", json!(["reader"])),
                ("scope", json!("read")),
                ("jti", json!("t-1")),
                ("token_use", json!("access")),
            ],
            signer: Signer::Issuer,
            text: None,
            proof: None,
            tenants: vec![b"acme"],
            places: vec![("x-tenant-token", "T")],
            more: Vec::new(),
            source: From::Anywhere,
        }
    }

    /// Sets a member of the header, or takes it away.
    pub(super) fn head(&mut self, name: &'static str, value: impl Into<Option<Value>>) {
        set(&mut self.header, name, value.into());
    }

    /// Sets a claim, or takes it away.
    pub(super) fn claim(&mut self, name: &'static str, value: impl Into<Option<Value>>) {
        set(&mut self.claims, name, value.into());
    }

    /// Asks for another tenant, which the token names as well.
    pub(super) fn tenant(&mut self, id: &'static str) {
        self.tenants = vec![id.as_bytes()];
        self.claim("tenant_id", json!(id));
    }

    fn token(&self, keys: &Keys, strangers: &Keys) -> String {
        let head = B64.encode(object(&self.header));
        let signed = format!("{head}.{}", B64.encode(object(&self.claims)));
        let algorithm = self.header.iter().find_map(|(name, value)| (*name == "alg").then(|| value.as_str())).flatten();
        let algorithm = algorithm.and_then(token::algorithm).unwrap_or(Algorithm::ES256);
        let by = |keys: &Keys, text: &str| {
            let key = match algorithm {
                Algorithm::ES256 | Algorithm::ES384 => (&keys.ec, Algorithm::ES256),
                Algorithm::EdDSA => (&keys.ed, algorithm),
                _ => (&keys.rsa, algorithm),
            };
            jsonwebtoken::crypto::sign(text.as_bytes(), key.0, key.1).unwrap()
        };
        let signature = match self.signer {
            Signer::Issuer => by(keys, &signed),
            Signer::Stranger => by(strangers, &signed),
            Signer::ChangedSince => by(keys, &format!("{head}.{}", B64.encode("{}"))),
            Signer::Der => der(&by(keys, &signed)),
            Signer::Zero => B64.encode([0; 64]),
            Signer::Hmac => {
                let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &keys.rsa_public_der);
                B64.encode(aws_lc_rs::hmac::sign(&key, signed.as_bytes()).as_ref())
            }
            Signer::Cut => {
                let bytes = B64.decode(by(keys, &signed)).unwrap();
                B64.encode(&bytes[..bytes.len() - 1])
            }
            Signer::Extended => {
                let mut bytes = B64.decode(by(keys, &signed)).unwrap();
                bytes.push(0);
                B64.encode(bytes)
            }
        };
        let token = format!("{signed}.{signature}");
        self.text.map_or(token.clone(), |change| change(&token))
    }
}

fn set(members: &mut Vec<(&'static str, Value)>, name: &'static str, value: Option<Value>) {
    members.retain(|(known, _)| *known != name);
    members.extend(value.map(|value| (name, value)));
}

fn object(members: &[(&'static str, Value)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
    format!("{{{}}}", members.join(","))
}

/// Two numbers of 32 bytes as a DER sequence, which ECDSA signatures are elsewhere.
fn der(fixed: &str) -> String {
    let fixed = B64.decode(fixed).unwrap();
    let (r, s) = fixed.split_at(fixed.len() / 2);
    let number = |bytes: &[u8]| {
        let body = [vec![0], bytes.to_vec()].concat();
        [vec![2, body.len() as u8], body].concat()
    };
    let body = [number(r), number(s)].concat();
    B64.encode([vec![0x30, body.len() as u8], body].concat())
}

/// Both listeners over one verifier and one directory.
pub(super) struct House {
    keys: &'static Keys,
    strangers: &'static Keys,
    gate: Gate,
    live: Passport,
    other: Passport,
    expired: Passport,
    ended: String,
    number: AtomicU32,
    _directory: tempfile::TempDir,
}

/// Has sent its share of junk.
const JUNK: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 66));
const RECORDS: &str = "tenants: {acme: {}, globex: {}, initech: {status: suspended}, umbrella: {}}";

impl House {
    pub(super) async fn build() -> Self {
        let (keys, strangers) = (Keys::ours(), Keys::theirs());
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(NOW));
        let metrics = Metrics::new().unwrap();
        let jwks =
            |name: &str, document: Value| Arc::new(Jwks::new(name.into(), Box::new(Fixed(document)), clock.clone(), metrics.clone()));
        let required = RequiredClaim { path: ClaimPath("token_use".into()), demand: Demand::new(vec![json!("access")]) };
        let trusted = IssuerConfig {
            algorithms: vec![Algorithm::ES256, Algorithm::RS256],
            rules: TokenRules { required: vec![required], max_lifetime: Some(Duration::from_secs(3_600)), ..TokenRules::default() },
            ..issuer(&["acme", "globex", "initech", "ghost"])
        };
        let down = IssuerConfig { issuer: DOWN.into(), ..trusted.clone() };
        let issuers = vec![(trusted, jwks(ISSUER, keys.document.clone())), (down, jwks(DOWN, json!("no keys")))];
        let config = VerificationConfig { failures: FailureBudget { per_second: 1e-3, burst: 500 }, ..VerificationConfig::ample() };
        let verifier = Arc::new(Verifier::new(issuers, &config, clock.clone(), metrics.clone()));
        for _ in 0..500 {
            let _ = verifier.verify_token(presented(Some("acme"), "junk"), JUNK).await;
        }
        let directory = tempfile::tempdir().unwrap();
        let records = directory.path().join("tenants.yaml");
        std::fs::write(&records, RECORDS).unwrap();
        let passports = Passports::for_tests(Duration::from_secs(10), clock.clone());
        let mint = |tenant: &str| passports.mint(&VerifiedTenant::for_tests(tenant), &RequestId::random()).unwrap();
        let expired = mint("acme");
        clock.advance(Duration::from_secs(10));
        let ended = text(&mint("acme"));
        let (live, other) = (mint("acme"), mint("globex"));
        let gate = Gate {
            verifier,
            passports: Some(passports),
            redeemer: None,
            proofs: Proofs { passport: true, jwt: true, deferred: false, certificate: false },
            names: IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") },
            vending: Vending::new().unwrap(),
            workloads: Workloads::new(WorkloadsConfig { mappings: Vec::new(), max_age: Duration::from_secs(60) }, clock.clone()),
            clock,
            directory: Arc::new(Directory::open(&DirectoryConfig::File(records)).unwrap()),
        };
        Self { keys, strangers, gate, live, other, expired, ended, number: AtomicU32::new(0), _directory: directory }
    }

    /// What becomes of a request.
    pub(super) async fn verdict(&self, on: On, attempt: Attempt) -> Result<(), Reason> {
        let mut head = Request::new(()).into_parts().0;
        head.headers = self.headers(&attempt);
        let verified = match on {
            On::Egress => {
                return VerifiedRequest::verify(head, body::empty(), &Peer::at(SocketAddr::from(([127, 0, 0, 1], 1))), &self.gate)
                    .await
                    .map(drop)
                    .map_err(|refusal| refusal.reason);
            }
            // As the ingress has it.
            On::Ingress | On::Both => match Presented::for_tests(head.headers) {
                Ok(presented) => self.gate.verifier.verify_token(presented, self.address(attempt.source)).await,
                Err(refusal) => Err(refusal),
            },
        };
        match verified {
            Ok(verified) => self.gate.directory.resolve(verified).await.map(drop).map_err(|refusal| refusal.reason),
            Err(refusal) => Err(refusal.reason),
        }
    }

    fn headers(&self, attempt: &Attempt) -> HeaderMap {
        let token = match attempt.proof {
            None => attempt.token(self.keys, self.strangers),
            Some(Proof::LivePassport) => text(&self.live),
            Some(Proof::EndedPassport) => self.ended.clone(),
            Some(Proof::ExpiredPassport) => text(&self.expired),
            Some(Proof::MadeUpPassport) => format!("{}{}", passport::PREFIX, B64.encode([7; 32])),
            Some(Proof::PassportOfAnother) => text(&self.other),
            Some(Proof::Vended) => format!("{}AAAA", vended::PREFIX),
            Some(Proof::Deferred) => "pdc1_AAAA".to_owned(),
        };
        let mut headers = HeaderMap::new();
        for tenant in &attempt.tenants {
            headers.append("x-tenant-id", HeaderValue::from_bytes(tenant).unwrap());
        }
        for (name, value) in &attempt.places {
            headers.append(*name, HeaderValue::from_str(&value.replace('T', &token)).unwrap());
        }
        for (name, value) in &attempt.more {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    /// A new address for each attempt: none of them uses its budget up.
    fn address(&self, from: From) -> IpAddr {
        match from {
            From::ASourceOfJunk => JUNK,
            From::Anywhere => Ipv4Addr::from_bits(0x0a00_0000 + self.number.fetch_add(1, Ordering::Relaxed)).into(),
        }
    }
}

fn text(passport: &Passport) -> String {
    passport.header_value().unwrap().to_str().unwrap().to_owned()
}
