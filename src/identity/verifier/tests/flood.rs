//! Junk, and everybody else: budgets, shares, waits, fetches.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;
use crate::config::{FailureBudget, TokenCacheConfig};

fn address(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, number))
}

async fn from(verifier: &Verifier, source: IpAddr, tenant: &str, token: &str) -> Option<Reason> {
    verifier.verify_token(presented(Some(tenant), token), source).await.err().map(|refusal| refusal.reason)
}

/// A good token that nobody has seen.
fn fresh(keys: &Keys, number: u64) -> String {
    let mut claims = claims();
    claims["jti"] = json!(format!("t-{number}"));
    keys.sign(Algorithm::EdDSA, "d", &claims)
}

fn budget(burst: u32) -> VerificationConfig {
    VerificationConfig { failures: FailureBudget { per_second: 1.0, burst }, ..VerificationConfig::ample() }
}

/// One token for each way to be no token of the issuer's, with the reason.
fn junk(keys: &Keys, strangers: &Keys) -> Vec<(String, Reason)> {
    let mut foreign = claims();
    foreign["iss"] = json!("https://evil.test/");
    vec![
        ("garbage".into(), Reason::TokenMalformed),
        (keys.sign(Algorithm::EdDSA, "d", &foreign), Reason::TokenIssuer),
        (keys.sign(Algorithm::RS256, "d", &claims()), Reason::TokenAlgorithm),
        (keys.sign(Algorithm::EdDSA, "nobody's", &claims()), Reason::TokenKeyUnknown),
        (strangers.sign(Algorithm::EdDSA, "d", &claims()), Reason::TokenSignature),
    ]
}

#[tokio::test]
async fn each_kind_of_junk_uses_up_the_budget_of_its_source_alone() {
    let (keys, strangers) = (Keys::ours(), Keys::theirs());
    for (kind, (token, reason)) in junk(keys, strangers).into_iter().enumerate() {
        let (verifier, clock) = guarded(keys, issuer(&["*"]), &budget(3));
        let known = fresh(keys, 0);
        assert_eq!(from(&verifier, address(1), "acme", &known).await, None);
        for _ in 0..3 {
            assert_eq!(from(&verifier, address(1), "acme", &token).await, Some(reason), "kind {kind}");
        }
        assert_eq!(from(&verifier, address(1), "acme", &token).await, Some(Reason::TooManyBadTokens), "kind {kind}");
        assert_eq!(
            from(&verifier, address(1), "acme", &fresh(keys, 1)).await,
            Some(Reason::TooManyBadTokens),
            "unknown, so refused unseen"
        );
        assert_eq!(from(&verifier, address(1), "acme", &known).await, None, "a token that is known to be good");
        assert_eq!(from(&verifier, address(2), "acme", &fresh(keys, 2)).await, None, "another source");
        let refusal = verifier.verify_token(presented(Some("acme"), &token), address(1)).await.unwrap_err();
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(1));
        assert_eq!(from(&verifier, address(1), "acme", &fresh(keys, 3)).await, None, "a second later there is room again");
        assert_eq!(verifier.metrics.bad_tokens.get(), 3);
    }
}

#[tokio::test]
async fn what_an_issuer_signed_is_not_junk() {
    let keys = Keys::ours();
    let (verifier, _) = guarded(keys, issuer(&["acme"]), &budget(1));
    let mut expired = claims();
    expired["exp"] = json!(NOW);
    let mut nobodys = claims();
    nobodys["tenant_id"] = json!([]);
    for _ in 0..10 {
        let lapse = |claims: &Value| keys.sign(Algorithm::EdDSA, "d", claims);
        assert_eq!(from(&verifier, address(1), "acme", &lapse(&expired)).await, Some(Reason::TokenExpired));
        assert_eq!(from(&verifier, address(1), "acme", &lapse(&nobodys)).await, Some(Reason::TenantNotInToken));
        assert_eq!(from(&verifier, address(1), "initech", &lapse(&claims())).await, Some(Reason::TenantMismatch));
        assert_eq!(from(&verifier, address(1), "globex", &lapse(&claims())).await, Some(Reason::IssuerNotForTenant));
        assert_eq!(
            from(&verifier, address(1), "acme", &"x".repeat(token::MAX_BYTES + 1)).await,
            Some(Reason::TokenMalformed),
            "costs nothing"
        );
    }
    assert_eq!(from(&verifier, address(1), "acme", &fresh(keys, 1)).await, None);
    assert_eq!(verifier.metrics.bad_tokens.get(), 0);
}

#[tokio::test]
async fn an_applications_junk_keeps_nobody_out() {
    let (keys, strangers) = (Keys::ours(), Keys::theirs());
    let (verifier, _) = guarded(keys, issuer(&["*"]), &budget(1));
    let jwt = Proofs { passport: false, jwt: true, deferred: false, certificate: false };
    for (token, reason) in junk(keys, strangers) {
        for _ in 0..20 {
            let refused = verifier.verify_proof(presented(Some("acme"), &token), jwt, None).await.unwrap_err();
            assert_eq!(refused.reason, reason);
        }
    }
    for (number, tenant) in ["globex", "acme"].into_iter().enumerate() {
        assert!(verifier.verify_proof(presented(Some(tenant), &fresh(keys, number as u64)), jwt, None).await.is_ok(), "{tenant}");
    }
}

#[tokio::test]
async fn a_tenants_tokens_take_from_its_own_share() {
    let keys = Keys::ours();
    let small = VerificationConfig { cache: TokenCacheConfig { entries: 20, bytes: 64 << 20 }, ..VerificationConfig::ample() };
    let (verifier, _) = guarded(keys, issuer(&["*"]), &small);
    let cached = |text: &str| {
        let mut key = [0; SHA256_OUTPUT_LEN];
        key.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        verifier.remembered.get(&key).is_some()
    };
    let globex: Vec<_> = (0..5).map(|number| fresh(keys, number)).collect();
    for token in &globex {
        assert_eq!(from(&verifier, CALLER, "globex", token).await, None);
    }
    // The same user's tokens name both tenants: what counts is the one that each is used for.
    for number in 100..200 {
        assert_eq!(from(&verifier, CALLER, "acme", &fresh(keys, number)).await, None);
    }
    assert_eq!(verifier.remembered_count(), 20);
    assert!(globex.iter().all(|token| cached(token)), "acme's tokens pushed out globex's");
}

#[tokio::test]
async fn tokens_are_forgotten_by_what_they_say() {
    let keys = Keys::ours();
    let (verifier, _) = verifier(keys, issuer(&["*"]));
    for (number, subject) in ["anna", "bert", "anna"].into_iter().enumerate() {
        let mut claims = claims();
        claims["sub"] = json!(subject);
        claims["jti"] = json!(format!("t-{number}"));
        claims["iat"] = json!(NOW - 10 + number as u64);
        assert_eq!(from(&verifier, CALLER, "acme", &keys.sign(Algorithm::EdDSA, "d", &claims)).await, None);
    }
    let both = |facts: &TokenFacts<'_>| facts.tenants == ["acme", "globex"] && facts.issuer == ISSUER;
    assert_eq!(verifier.forget_where(|facts| both(facts) && facts.subject == "anna" && facts.token_id == Some("t-2")), 1);
    let nine = UNIX_EPOCH + Duration::from_secs(NOW - 9);
    assert_eq!(verifier.forget_where(|facts| facts.issued_at.is_some_and(|issued| issued < nine)), 1);
    assert_eq!(verifier.forget_where(|facts| facts.subject == "anna"), 0);
    assert_eq!((verifier.remembered_count(), verifier.forget_where(both), verifier.remembered_count()), (1, 1, 0));
}

#[tokio::test]
async fn large_tokens_count_with_what_they_take() {
    let keys = Keys::ours();
    let small = VerificationConfig { cache: TokenCacheConfig { entries: 10_000, bytes: 1 << 20 }, ..VerificationConfig::ample() };
    let (verifier, _) = guarded(keys, issuer(&["*"]), &small);
    // Small in text, and not in memory.
    for number in 0..20 {
        let mut claims = claims();
        claims["junk"] = json!([number, vec![json!({"a": 1}); 500]]);
        let token = keys.sign(Algorithm::EdDSA, "d", &claims);
        assert!(token.len() < 8_000);
        assert_eq!(from(&verifier, CALLER, "acme", &token).await, None);
    }
    assert_eq!(verifier.remembered_count(), 2);
    assert!(verifier.metrics.token_cache_bytes.get() > 700_000);
}

/// A provider whose answers come when they are let go.
struct Slow {
    document: Value,
    calls: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    /// Answers at once while it is open.
    open: Arc<AtomicBool>,
}

impl FetchKeys for Slow {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, String>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            if !self.open.load(Ordering::SeqCst) {
                self.gate.acquire().await.map_err(|error| error.to_string())?.forget();
            }
            Ok(Bytes::from(self.document.to_string()).into())
        })
    }
}

#[tokio::test]
async fn requests_that_wait_for_a_slow_provider_are_bounded_and_hold_up_nobody() {
    let keys = Keys::ours();
    let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(NOW));
    let metrics = Metrics::new().unwrap();
    let (calls, gate, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(true)));
    let slow = Slow { document: keys.document.clone(), calls: calls.clone(), gate: gate.clone(), open: open.clone() };
    let jwks = Arc::new(Jwks::new(ISSUER.into(), Box::new(slow), clock.clone(), metrics.clone()));
    let config = VerificationConfig { concurrency: 1, queue: 64, ..VerificationConfig::ample() };
    let verifier = Arc::new(Verifier::new(vec![(issuer(&["*"]), jwks)], &config, clock.clone(), metrics));
    assert_eq!(from(&verifier, CALLER, "acme", &fresh(keys, 0)).await, None);
    open.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(3_000));
    let mut later = claims();
    later["exp"] = json!(NOW + 10_000);
    let unknown = keys.sign(Algorithm::EdDSA, "rotated", &later);
    let waiting: Vec<_> = (0..200)
        .map(|number| {
            let (verifier, unknown) = (verifier.clone(), unknown.clone());
            tokio::spawn(async move { from(&verifier, address(number % 4), "acme", &unknown).await })
        })
        .collect();
    tokio::task::yield_now().await;
    for number in 0..50 {
        tokio::task::yield_now().await;
        later["jti"] = json!(format!("n-{number}"));
        let good = keys.sign(Algorithm::EdDSA, "d", &later);
        let answer = tokio::time::timeout(Duration::from_secs(5), from(&verifier, address(0), "acme", &good)).await;
        assert_eq!(answer, Ok(None), "a token of a known key waited for the provider");
    }
    gate.add_permits(1);
    let mut answers = Vec::new();
    for task in waiting {
        answers.push(task.await.unwrap().unwrap());
    }
    let refused = answers.iter().filter(|reason| **reason == Reason::VerifierOverloaded).count();
    assert_eq!(
        answers.iter().filter(|reason| **reason == Reason::TokenKeyUnknown).count(),
        4 * 8,
        "an eighth of the places for each source"
    );
    assert_eq!((refused, calls.load(Ordering::SeqCst)), (200 - 32, 2), "one fetch for all of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_from_one_source_leaves_the_others_their_turns() {
    let (keys, strangers) = (Keys::ours(), Keys::theirs());
    let config = VerificationConfig { concurrency: 1, queue: 64, wait: Duration::from_secs(30), ..budget(50) };
    let (verifier, _) = guarded(keys, issuer(&["*"]), &config);
    let verifier = Arc::new(verifier);
    let forged = strangers.sign(Algorithm::RS256, "r", &claims());
    let flood: Vec<_> = (0..2_000)
        .map(|number| {
            let (verifier, junk) = (verifier.clone(), format!("{forged}{number}"));
            tokio::spawn(async move { from(&verifier, address(1), "acme", &junk).await.unwrap() })
        })
        .collect();
    let others: Vec<_> = (0..60_u64)
        .map(|number| {
            let (verifier, token) = (verifier.clone(), fresh(keys, number));
            tokio::spawn(async move { from(&verifier, address(2 + (number % 3) as u8), "acme", &token).await })
        })
        .collect();
    for task in others {
        assert_eq!(task.await.unwrap(), None, "a good token of another source was refused");
    }
    let mut checked = 0;
    for task in flood {
        match task.await.unwrap() {
            Reason::TokenSignature | Reason::TokenMalformed => checked += 1,
            Reason::TooManyBadTokens | Reason::VerifierOverloaded => {}
            other => panic!("{other:?}"),
        }
    }
    // One more than the budget can be under way when it ends. The clock stands still, so nothing comes back.
    assert!((1..=51).contains(&checked), "{checked} junk tokens were checked");
}
