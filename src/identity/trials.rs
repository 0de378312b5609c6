//! Whole tokens against whole configurations: what the parts promise by themselves, held together.

mod hardening;
mod providers;
mod rotation;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{Arc, LazyLock},
    time::{Duration, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::{
    Jwks, Presented, Verifier,
    jwks::{FetchKeys, Fetched},
};
use crate::{
    clock::Clock,
    config::{Config, IssuerConfig, VerificationConfig},
    reject::Reason,
    telemetry::Metrics,
};

const NOW: u64 = 1_800_000_000;
/// Where callers come from.
const CALLER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// One RSA key for all tests: making one takes most of a second.
static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

/// A private key and the name it goes by.
enum Signer {
    Rsa,
    Ec(EcdsaKeyPair),
}

impl Signer {
    fn ec() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Rsa => {
                let modulus = RSA.public_key().modulus().big_endian_without_leading_zero();
                json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": B64.encode(modulus), "e": "AQAB"})
            }
            Self::Ec(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": id, "x": B64.encode(&point[1..33]), "y": B64.encode(&point[33..])})
            }
        }
    }

    /// Signs any header and payload at all, as they are.
    fn sign(&self, header: &str, payload: &[u8]) -> String {
        let signed = format!("{}.{}", B64.encode(header), B64.encode(payload));
        let signature = match self {
            Self::Rsa => {
                let mut signature = vec![0; RSA.public_modulus_len()];
                RSA.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
                signature
            }
            Self::Ec(key) => key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec(),
        };
        format!("{signed}.{}", B64.encode(signature))
    }
}

struct Fixed(Value);

impl FetchKeys for Fixed {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, String>> {
        Box::pin(async { Ok(Bytes::from(self.0.to_string()).into()) })
    }
}

/// The configuration `text`, with files where it names some: in its folder, and where Kubernetes mounts them.
fn issuer_of(text: &str) -> IssuerConfig {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("examples");
    for file in ["tls/tls.crt", "tls/tls.key", "sa/ca.crt", "sa/token", "tenants.yaml"] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let text = text.replace("/var/run/secrets/kubernetes.io/serviceaccount", "../sa");
    fs::create_dir_all(&config).unwrap();
    let config = Config::parse(&text, "example", &config, &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    config.identity.issuers.into_iter().next().unwrap()
}

fn example(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples").join(name)).unwrap()
}

/// A verifier for one issuer with these keys, at [`NOW`].
fn verifier(issuer: IssuerConfig, source: Box<dyn FetchKeys>) -> (Arc<Verifier>, Arc<Jwks>, Clock) {
    let (clock, metrics) = (Clock::manual(UNIX_EPOCH + Duration::from_secs(NOW)), Metrics::new().unwrap());
    let jwks = Arc::new(Jwks::new(issuer.issuer.clone(), source, clock.clone(), metrics.clone()).with_policy(issuer.key_policy));
    (Arc::new(Verifier::new(vec![(issuer, jwks.clone())], &VerificationConfig::ample(), clock.clone(), metrics)), jwks, clock)
}

fn presented(tenant: &str, proof: &str) -> Presented {
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant-token", HeaderValue::from_str(proof).unwrap());
    headers.insert("x-tenant-id", HeaderValue::from_str(tenant).unwrap());
    Presented::for_tests(headers).unwrap()
}

async fn reason(verifier: &Verifier, tenant: &str, token: &str) -> Option<Reason> {
    verifier.verify_token(presented(tenant, token), CALLER).await.err().map(|refusal| refusal.reason)
}
