//! One request, put together from parts that a fault can change.

use super::{super::*, directory::BOUND};

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
    /// What the sender's connection shows.
    pub(super) certificate: Option<Certificate>,
    pub(super) rules: Rules,
}

/// A certificate of a client, which TLS has verified.
#[derive(Clone, Copy)]
pub(super) enum Certificate {
    /// `spiffe://prod/ns/` and this.
    Of(&'static str),
    /// That of acme's worker, whose subject is mapped as well.
    Twice,
    /// That of acme's worker, a moment too late.
    Expired,
    /// That of acme's worker, made at this moment.
    MadeAt(u64),
}

/// The configuration that the request is up against.
#[derive(Clone, Copy)]
pub(super) enum Rules {
    /// Tokens say their tenants.
    TokensTell,
    /// A directory of users says them.
    UsersAreKnown,
    /// As the first; on the egress a certificate may be the proof.
    CertificatesProve,
}

/// A proof that is no token, or none of this moment.
#[derive(Clone)]
pub(super) enum Proof {
    /// The text of a passport, or of a token that was signed before.
    Written(String),
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
            certificate: None,
            rules: Rules::TokensTell,
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

    /// Asks as this user, whom the directory of users knows or not.
    pub(super) fn user(&mut self, subject: &'static str) {
        self.rules = Rules::UsersAreKnown;
        self.claim("sub", json!(subject));
    }

    /// Asks for a tenant with a token of the issuer that tenants' records have to name.
    pub(super) fn bound(&mut self, tenant: &'static str) {
        self.claim("iss", json!(BOUND));
        self.tenant(tenant);
    }

    /// Asks with a certificate alone, and without a word about the tenant.
    pub(super) fn proved_by(&mut self, certificate: Certificate) {
        self.rules = Rules::CertificatesProve;
        self.certificate = Some(certificate);
        self.tenants.clear();
        self.places.clear();
    }

    pub(super) fn token(&self, keys: &Keys, strangers: &Keys) -> String {
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
