//! From a passport to a proof in another process, which may know the issuer as well.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue};

use super::*;
use crate::{
    config::{
        ClaimPath, ClaimsConfig, Grants, IssuerConfig, IssuerTenants, JwksSource, KeyPolicy, Proofs, TenantPattern, TokenRules,
        VerificationConfig,
    },
    identity::{
        Jwks, Presented, Verifier,
        jwks::{FetchKeys, Fetched},
    },
};

const DAY: Duration = Duration::from_secs(86_400);

struct World {
    sealer: Sealer,
    redeemer: Redeemer,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        let audience = AudienceConfig { key: key(1), max_lifetime: DAY, actions: actions(&["s3:*"]) };
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(NOW));
        let defer = DeferConfig { audiences: [("reports".to_owned(), audience)].into() };
        let redeem = RedeemConfig { audience: "reports".into(), keys: vec![key(1)], presign: false };
        let metrics = || Metrics::new().unwrap();
        let sealer = Sealer::new(&defer, Maker::random().unwrap(), clock.clone(), metrics()).unwrap();
        let redeemer = Redeemer::new(&redeem, Maker::random().unwrap(), clock.clone(), metrics()).unwrap();
        Self { sealer, redeemer, clock }
    }

    fn context(&self, tenant: &VerifiedTenant) -> (String, String) {
        let (audience, actions) = ("reports".into(), vec!["s3:GetObject".into()]);
        let order = Order { purpose: "p".into(), audience, actions, lifetime: DAY };
        let sealed = self.sealer.seal(&order, tenant, &Lease::of_passport_for_tests(None)).unwrap();
        (sealed.context.expose().to_owned(), sealed.id)
    }
}

fn presented(proof: &str, tenant: Option<&str>) -> Presented {
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant-token", HeaderValue::from_str(proof).unwrap());
    if let Some(tenant) = tenant {
        headers.insert("x-tenant-id", HeaderValue::from_str(tenant).unwrap());
    }
    Presented::for_tests(headers).unwrap()
}

/// One that knows the issuer for these tenants, or no issuer at all.
fn verifier(tenants: &[&str]) -> Verifier {
    let issuer = |tenants: &&str| {
        let name = "https://idp.test/";
        let claim = |name: &str| ClaimPath(name.to_owned());
        let config = IssuerConfig {
            issuer: name.into(),
            audience: vec!["api".into()],
            jwks: JwksSource::File("unused".into()),
            algorithms: Vec::new(),
            claims: ClaimsConfig {
                tenant: Some(claim("tenant_id")),
                subject: claim("sub"),
                roles: claim("roles"),
                scopes: claim("scope"),
                audience: claim("aud"),
            },
            key_policy: KeyPolicy::default(),
            rules: TokenRules::default(),
            leeway: Duration::ZERO,
            tenants: IssuerTenants::Listed(vec![TenantPattern((*tenants).to_owned())]),
            grants: Grants::default(),
        };
        (config, Arc::new(Jwks::new(name.into(), Box::new(Nothing), Clock::system(), Metrics::new().unwrap())))
    };
    Verifier::new(tenants.iter().map(issuer).collect(), &VerificationConfig::ample(), Clock::system(), Metrics::new().unwrap())
}

struct Nothing;

impl FetchKeys for Nothing {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, String>> {
        Box::pin(async { Err("nothing".to_owned()) })
    }
}

fn prove(verifier: &Verifier, world: &World, proof: &str, tenant: Option<&str>) -> Result<Arc<VerifiedTenant>, Reason> {
    verifier.verify_deferred(&presented(proof, tenant), &world.redeemer).map(|(verified, _)| verified).map_err(|refusal| refusal.reason)
}

#[test]
fn it_proves_whom_the_passport_proved() {
    let world = World::new();
    let tenant = VerifiedTenant::for_tests_named("acme", "alice", &["reader"], Some("t-1"), Some(NOW - 60));
    let (context, id) = world.context(&tenant);
    for claimed in [None, Some("acme")] {
        let verified = prove(&verifier(&[]), &world, &context, claimed).unwrap();
        assert_eq!((verified.tenant().as_str(), verified.subject(), verified.issuer()), ("acme", "alice", "https://idp.test/"));
        assert_eq!((verified.roles(), verified.token_id(), verified.issued_at()), (tenant.roles(), tenant.token_id(), tenant.issued_at()));
        assert_eq!(verified.token_ids().collect::<Vec<_>>(), ["t-1", &id], "each of the two revokes it");
        assert_eq!(verified.facts().ids().collect::<Vec<_>>(), ["t-1", &id]);
        assert_eq!(verified.expires(), UNIX_EPOCH + Duration::from_secs(NOW + DAY.as_secs()), "its own life, not the token's");
        assert!(verified.claims().is_empty());
    }
    assert!(tenant.deferred().is_none());
    world.clock.advance(DAY);
    assert_eq!(prove(&verifier(&[]), &world, &context, None).unwrap_err(), Reason::DeferredExpired);
}

/// Whether an issuer is known to the sealer alone or was taken away here cannot be told from the configuration that holds now.
#[test]
fn an_issuer_that_was_taken_away_speaks_for_nobody_until_it_is_back() {
    let world = World::new();
    let (context, _) = world.context(&VerifiedTenant::for_tests("acme"));
    let outcome = |verifier: &Verifier| prove(verifier, &world, &context, None).err();
    let first = verifier(&["*"]);
    let without = verifier(&[]).after(&first);
    assert_eq!((outcome(&verifier(&[])), outcome(&first), outcome(&without)), (None, None, Some(Reason::TokenIssuer)));
    let next = verifier(&[]).after(&without);
    assert_eq!(outcome(&next), Some(Reason::TokenIssuer), "the configuration after that knows as well");
    let back = verifier(&["acme"]).after(&next);
    assert_eq!((outcome(&back), outcome(&verifier(&[]).after(&back))), (None, Some(Reason::TokenIssuer)));
}

#[test]
fn another_tenant_cannot_be_named_beside_it() {
    let world = World::new();
    let (context, _) = world.context(&VerifiedTenant::for_tests("acme"));
    for other in ["globex", "Acme", "acme-eu"] {
        assert_eq!(prove(&verifier(&[]), &world, &context, Some(other)).unwrap_err(), Reason::TenantMismatch, "{other}");
    }
}

#[test]
fn an_issuer_that_is_known_is_held_to_its_tenants() {
    let world = World::new();
    let (context, _) = world.context(&VerifiedTenant::for_tests("acme"));
    assert!(prove(&verifier(&["ac*"]), &world, &context, None).is_ok());
    assert_eq!(prove(&verifier(&["globex"]), &world, &context, None).unwrap_err(), Reason::IssuerNotForTenant);
}

#[test]
fn a_context_made_of_a_context_there_is_none() {
    let world = World::new();
    let (context, _) = world.context(&VerifiedTenant::for_tests("acme"));
    let verified = prove(&verifier(&[]), &world, &context, None).unwrap();
    let order = || {
        let (audience, actions) = ("reports".into(), vec!["s3:GetObject".into()]);
        Order { purpose: "p".into(), audience, actions, lifetime: Duration::from_secs(60) }
    };
    let again = world.sealer.seal(&order(), &verified, &Lease::of_token());
    assert_eq!(again.unwrap_err().reason, Reason::ProofNotAccepted);
    // Nor under the lease of a passport, should the two ever come together.
    let again = world.sealer.seal(&order(), &verified, &Lease::of_passport_for_tests(None));
    assert_eq!(again.unwrap_err().reason, Reason::ProofNotAccepted);
}

#[tokio::test]
async fn it_is_no_proof_where_none_is_taken() {
    let world = World::new();
    let (context, _) = world.context(&VerifiedTenant::for_tests("acme"));
    let verifier = verifier(&["*"]);
    let ingress = verifier.verify_token(presented(&context, Some("acme")), [192, 0, 2, 1].into()).await;
    assert_eq!(ingress.unwrap_err().reason, Reason::ProofNotAccepted);
    for (passport, jwt) in [(true, false), (false, true), (true, true)] {
        let egress = verifier
            .verify_proof(presented(&context, Some("acme")), Proofs { passport, jwt, deferred: false, certificate: false }, None)
            .await;
        assert_eq!(egress.unwrap_err().reason, Reason::ProofNotAccepted);
    }
}
