//! Keys that change under load, and a provider that fails in every way: no wrong accept, and every fetch counted.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use super::*;

const CONFIG: &str = "
ingress: {tls: {certificate: ../tls/tls.crt, private_key: ../tls/tls.key}, upstream: 'http://127.0.0.1:8080'}
identity: {issuers: [{issuer: 'https://idp.test/', audience: api, jwks: {uri: 'https://idp.test/keys', max_stale: 1h}}]}
tenants: {directory: {any: {}}}
";

/// What the provider publishes now, or what it says instead.
#[derive(Clone)]
struct Published {
    answer: Arc<Mutex<Result<String, String>>>,
    fetches: Arc<AtomicUsize>,
}

impl FetchKeys for Published {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, String>> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            // As long as other tasks need to come and ask as well.
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            self.answer.lock().unwrap().clone().map(|text| Bytes::from(text).into())
        })
    }
}

impl Published {
    fn say(&self, answer: Result<String, String>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

fn set(keys: &[(&Signer, &str)]) -> String {
    json!({"keys": keys.iter().map(|(key, id)| key.jwk(id)).collect::<Vec<_>>()}).to_string()
}

fn token(key: &Signer, id: &str, tenant: &str, number: usize) -> String {
    let claims = json!({"iss": "https://idp.test/", "aud": "api", "exp": NOW + 36_000, "sub": format!("u{number}"), "tenant_id": tenant});
    key.sign(&format!(r#"{{"alg":"ES256","kid":"{id}"}}"#), claims.to_string().as_bytes())
}

fn publish(answer: Result<String, String>) -> (Arc<Verifier>, Published, Clock) {
    let published = Published { answer: Arc::new(Mutex::new(answer)), fetches: Arc::new(AtomicUsize::new(0)) };
    let (verifier, _, clock) = verifier(issuer_of(CONFIG), Box::new(published.clone()));
    (verifier, published, clock)
}

async fn together(verifier: &Arc<Verifier>, tokens: Vec<String>) -> Vec<Option<Reason>> {
    let ask = |token: String| {
        let verifier = verifier.clone();
        tokio::spawn(async move { reason(&verifier, "acme", &token).await })
    };
    let tasks: Vec<_> = tokens.into_iter().map(ask).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

/// Ten rotations; at each, good tokens of the old key and of the new one, a stranger's under both names, and junk, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_under_load_cost_one_fetch_each() {
    let stranger = Signer::ec();
    let mut old = Signer::ec();
    let (verifier, published, clock) = publish(Ok(set(&[(&old, "k0")])));
    assert_eq!(reason(&verifier, "acme", &token(&old, "k0", "acme", 0)).await, None);
    for round in 1..=10 {
        let new = Signer::ec();
        let (was, is) = (format!("k{}", round - 1), format!("k{round}"));
        published.say(Ok(set(&[(&old, &was), (&new, &is)])));
        clock.advance(Duration::from_secs(30));
        let before = published.fetches();
        let tokens = |n: usize| {
            [
                (None, token(&old, &was, "acme", n)),
                (None, token(&new, &is, "acme", n)),
                (Some(Reason::TenantMismatch), token(&new, &is, "globex", n)),
                (Some(Reason::TokenSignature), token(&stranger, &was, "acme", n)),
                (Some(Reason::TokenSignature), token(&stranger, &is, "acme", n)),
                (Some(Reason::TokenKeyUnknown), token(&stranger, &format!("junk-{n}"), "acme", n)),
            ]
        };
        let (expected, texts): (Vec<_>, Vec<_>) = (0..30).flat_map(tokens).unzip();
        assert_eq!(together(&verifier, texts).await, expected, "round {round}");
        assert_eq!(published.fetches(), before + 1, "round {round}");
        // And now the old key is gone, while its tokens are remembered.
        published.say(Ok(set(&[(&new, &is)])));
        clock.advance(Duration::from_secs(30));
        assert_eq!(reason(&verifier, "acme", &token(&stranger, "junk", "acme", 0)).await, Some(Reason::TokenKeyUnknown));
        let ended = (0..30).map(|n| token(&old, &was, "acme", n)).collect();
        assert!(together(&verifier, ended).await.iter().all(|result| *result == Some(Reason::TokenKeyUnknown)), "round {round}");
        assert_eq!(published.fetches(), before + 2, "round {round}");
        old = new;
    }
}

/// A set in which one key is broken serves with the others, and one in which all are serves not at all.
#[tokio::test]
async fn one_bad_key_among_good_ones() {
    let (good, other) = (Signer::ec(), Signer::ec());
    let mut set: Value = serde_json::from_str(&set(&[(&good, "good"), (&other, "bad")])).unwrap();
    set["keys"][1]["y"] = json!("AAAA");
    let (verifier, ..) = publish(Ok(set.to_string()));
    assert_eq!(reason(&verifier, "acme", &token(&good, "good", "acme", 0)).await, None);
    assert_eq!(reason(&verifier, "acme", &token(&other, "bad", "acme", 0)).await, Some(Reason::TokenKeyUnknown));
}

#[tokio::test]
async fn an_outage_ends_nothing_at_once_and_everything_in_the_end() {
    let key = Signer::ec();
    let (verifier, published, clock) = publish(Ok(set(&[(&key, "k")])));
    let known = token(&key, "k", "acme", 0);
    assert_eq!(reason(&verifier, "acme", &known).await, None);
    let junk = [
        Err("connection refused".to_owned()),
        Ok("<html><body>maintenance</body></html>".to_owned()),
        Ok(String::new()),
        Ok(r#"{"keys":[]}"#.to_owned()),
        Ok(set(&[(&Signer::ec(), "k")])[..80].to_owned()),
        Ok(format!(r#"{{"keys":[],"keys":[{}]}}"#, Signer::ec().jwk("k"))),
    ];
    for answer in junk {
        published.say(answer);
        clock.advance(Duration::from_secs(30));
        let before = published.fetches();
        let tokens = (0..100).map(|n| if n % 2 == 0 { token(&key, "k", "acme", n) } else { token(&key, "new", "acme", n) }).collect();
        for (n, result) in together(&verifier, tokens).await.into_iter().enumerate() {
            assert_eq!(result, (n % 2 == 1).then_some(Reason::TokenKeyUnknown));
        }
        assert_eq!(published.fetches(), before + 1);
    }
    // Fresh for five minutes, since nothing was said, and stale for an hour: then not even remembered tokens pass.
    clock.advance(Duration::from_secs(300 + 3_600));
    assert_eq!(reason(&verifier, "acme", &known).await, Some(Reason::KeysUnavailable));
    published.say(Ok(set(&[(&key, "k")])));
    clock.advance(Duration::from_secs(30));
    assert_eq!(reason(&verifier, "acme", &known).await, None);
}
