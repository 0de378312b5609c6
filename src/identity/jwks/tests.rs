//! A scripted source, a manual clock, and every fetch counted.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::SystemTime,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jsonwebtoken::Algorithm;

use super::*;

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"d","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const OTHER: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"n","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// What the provider does from now on.
#[derive(Clone)]
enum Script {
    Answers(&'static str, Option<u64>),
    Breaks(&'static str),
    /// Until told otherwise.
    Hangs,
    Panics,
}

struct Scripted {
    script: Arc<Mutex<Script>>,
    calls: Arc<AtomicUsize>,
    changed: Arc<Notify>,
}

impl FetchKeys for Scripted {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, String>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            loop {
                tokio::task::yield_now().await;
                let script = self.script.lock().unwrap().clone();
                match script {
                    Script::Answers(body, fresh) => {
                        return Ok(Fetched { body: Bytes::from(body), fresh_for: fresh.map(Duration::from_secs) });
                    }
                    Script::Breaks(why) => return Err(why.to_owned()),
                    Script::Hangs => self.changed.notified().await,
                    Script::Panics => panic!("the source fails"),
                }
            }
        })
    }
}

struct Place {
    jwks: Arc<Jwks>,
    script: Arc<Mutex<Script>>,
    changed: Arc<Notify>,
    calls: Arc<AtomicUsize>,
    clock: Clock,
    metrics: Metrics,
}

impl Place {
    fn new(policy: KeyPolicy) -> Self {
        let script = Arc::new(Mutex::new(Script::Answers(KEYS, None)));
        let (calls, changed) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let source = Scripted { script: script.clone(), calls: calls.clone(), changed: changed.clone() };
        let (clock, metrics) = (Clock::manual(SystemTime::UNIX_EPOCH + seconds(1_000)), Metrics::new().unwrap());
        let jwks = Jwks::new("i".into(), Box::new(source), clock.clone(), metrics.clone()).with_policy(policy);
        Self { jwks: Arc::new(jwks), script, changed, calls, clock, metrics }
    }

    fn now(&self, script: Script) {
        *self.script.lock().unwrap() = script;
        self.changed.notify_one();
    }

    /// A background fetch, to its end.
    async fn fetch(&self) {
        let mut landing = self.jwks.board(false).unwrap();
        let _ = landing.changed().await;
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn knows(&self, id: &str) -> bool {
        self.jwks.usable().is_some_and(|loaded| loaded.keys.knows(Some(id)))
    }

    fn pause(&self) -> Duration {
        self.jwks.flight().next.saturating_duration_since(self.clock.instant())
    }

    fn shows(&self, line: &str) -> bool {
        String::from_utf8(self.metrics.render().unwrap()).unwrap().lines().any(|shown| shown == line)
    }
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test]
async fn unknown_keys_cost_one_fetch_an_interval_however_many_ask() {
    let place = Place::new(KeyPolicy::default());
    place.fetch().await;
    for round in 1..=3 {
        let ask = |_| {
            let jwks = place.jwks.clone();
            tokio::spawn(async move { jwks.after_unknown_key().await.is_some() })
        };
        let tasks: Vec<_> = (0..MAX_WAITING).map(ask).collect();
        for task in tasks {
            assert!(task.await.unwrap());
        }
        assert_eq!(place.calls(), 1 + round);
        place.clock.advance(seconds(29));
        assert!(place.jwks.after_unknown_key().await.is_some());
        assert_eq!(place.calls(), 1 + round, "within the interval");
        place.clock.advance(seconds(1));
    }
}

/// The background fetch was a moment before the rotation: a token of the new key must not wait for the interval.
#[tokio::test]
async fn a_background_fetch_does_not_use_up_the_interval() {
    let place = Place::new(KeyPolicy::default());
    place.fetch().await;
    place.now(Script::Answers(OTHER, None));
    assert!(place.jwks.after_unknown_key().await.unwrap().keys.knows(Some("n")));
    assert!(!place.knows("d"), "the key that the provider took out");
}

#[tokio::test(start_paused = true)]
async fn a_slow_provider_holds_a_bounded_number_of_requests_for_a_bounded_time() {
    let place = Place::new(KeyPolicy { timeout: seconds(5), ..KeyPolicy::default() });
    place.fetch().await;
    place.now(Script::Hangs);
    let ask = |_| {
        let jwks = place.jwks.clone();
        tokio::spawn(async move { jwks.after_unknown_key().await.is_some() })
    };
    let tasks: Vec<_> = (0..MAX_WAITING + 500).map(ask).collect();
    let begun = tokio::time::Instant::now();
    let mut held = 0;
    for task in tasks {
        held += usize::from(task.await.unwrap());
    }
    assert_eq!((held, place.calls()), (MAX_WAITING, 2), "the rest are refused at once, and nobody fetches beside");
    assert_eq!(begun.elapsed(), seconds(5));
    // Known keys never waited.
    assert!(place.knows("d"));
    assert!(place.shows(r#"palisade_jwks_refreshes_total{issuer="i",result="error"} 1"#));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_does_not_end_the_fetch() {
    let place = Place::new(KeyPolicy::default());
    place.fetch().await;
    place.now(Script::Hangs);
    let jwks = place.jwks.clone();
    let asking = tokio::spawn(async move { jwks.after_unknown_key().await.is_some() });
    tokio::task::yield_now().await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    place.now(Script::Answers(OTHER, None));
    // Another joins the same fetch, though the interval is used up.
    assert!(place.jwks.after_unknown_key().await.unwrap().keys.knows(Some("n")));
    assert_eq!(place.calls(), 2);
}

#[tokio::test]
async fn a_source_that_panics_does_not_block_the_next_fetch() {
    let place = Place::new(KeyPolicy::default());
    place.now(Script::Panics);
    place.fetch().await;
    assert!(!place.jwks.is_ready() && place.pause() == schedule::MAX_BACKOFF);
    place.now(Script::Answers(KEYS, None));
    place.fetch().await;
    assert!(place.knows("d"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_key_set_never_replaces_one() {
    let place = Place::new(KeyPolicy::default());
    place.fetch().await;
    let generation = place.jwks.usable().unwrap().generation;
    let none = [
        Script::Answers("<!doctype html><title>Sign in</title>", Some(9_999)),
        Script::Answers("", None),
        Script::Answers("{}", None),
        Script::Answers(r#"{"keys":[]}"#, None),
        Script::Answers(r#"{"keys":[{"kty":"oct","kid":"d","k":"c2VjcmV0"}]}"#, None),
        Script::Answers(r#"{"issuer":"https://idp.test/","jwks_uri":"https://idp.test/keys"}"#, None),
        Script::Answers(&KEYS[..KEYS.len() - 3], None),
        Script::Breaks("the answer's status is 503"),
        Script::Hangs,
    ];
    for (number, script) in none.into_iter().enumerate() {
        place.now(script);
        place.fetch().await;
        assert!(place.knows("d"), "answer {number}");
        assert_eq!(place.jwks.usable().unwrap().generation, generation, "answer {number}");
    }
    assert!(place.shows(r#"palisade_jwks_refreshes_total{issuer="i",result="error"} 9"#));
    assert!(place.shows(r#"palisade_jwks_last_success_timestamp_seconds{issuer="i"} 1000"#));
}

#[tokio::test]
async fn old_keys_serve_for_so_long_and_no_longer() {
    for max_stale in [0, 3_600] {
        let place = Place::new(KeyPolicy { max_stale: seconds(max_stale), ..KeyPolicy::default() });
        assert!(!place.jwks.is_ready());
        place.now(Script::Answers(KEYS, Some(600)));
        place.fetch().await;
        place.now(Script::Breaks("down"));
        place.clock.advance(seconds(600 + max_stale));
        place.fetch().await;
        assert!(place.jwks.is_ready(), "{max_stale}");
        assert!(place.shows(&format!(r#"palisade_jwks_expiry_timestamp_seconds{{issuer="i"}} {}"#, 1_000 + 600 + max_stale)));
        place.clock.advance(Duration::from_millis(1));
        assert!(!place.jwks.is_ready(), "{max_stale}");
        place.now(Script::Answers(KEYS, None));
        place.fetch().await;
        assert!(place.jwks.is_ready(), "{max_stale}");
    }
}

#[tokio::test]
async fn the_pause_follows_the_provider_and_its_failures() {
    let place = Place::new(KeyPolicy { least: seconds(60), most: seconds(900), ..KeyPolicy::default() });
    for (said, fresh) in [(Some(600), 600), (Some(0), 60), (Some(86_400), 900), (None, 300)] {
        place.now(Script::Answers(KEYS, said));
        place.fetch().await;
        assert!((seconds(fresh).mul_f64(0.74)..=seconds(fresh).mul_f64(0.91)).contains(&place.pause()), "{said:?}: {:?}", place.pause());
    }
    place.now(Script::Breaks("down"));
    let mut last = Duration::ZERO;
    for _ in 0..4 {
        place.fetch().await;
        assert!(place.pause() >= last, "{:?} after {last:?}", place.pause());
        last = place.pause();
    }
    assert!((seconds(4)..=seconds(8)).contains(&last), "{last:?}");
}

/// The loop itself: time passes on both clocks together.
#[tokio::test(start_paused = true)]
async fn the_background_fetches_ahead_and_catches_up_after_an_outage() {
    let place = Place::new(KeyPolicy { least: seconds(60), most: seconds(60), ..KeyPolicy::default() });
    let jwks = place.jwks.clone();
    let background = tokio::spawn(async move { jwks.maintain().await });
    let pass = async |n: u64| {
        for _ in 0..n {
            place.clock.advance(seconds(1));
            tokio::time::sleep(seconds(1)).await;
        }
    };
    pass(1).await;
    assert_eq!((place.calls(), place.jwks.is_ready()), (1, true));
    pass(42).await;
    assert_eq!(place.calls(), 1, "not before 75% of a minute");
    pass(13).await;
    assert_eq!(place.calls(), 2, "and before its end");
    place.now(Script::Breaks("down"));
    pass(300).await;
    let tries = place.calls();
    assert!((7..=20).contains(&tries), "{tries} fetches");
    place.now(Script::Answers(OTHER, None));
    pass(61).await;
    assert!(place.knows("n"));
    background.abort();
}

#[tokio::test]
async fn a_changed_document_is_a_new_generation_and_the_same_one_is_not() {
    let place = Place::new(KeyPolicy::default());
    place.fetch().await;
    let generation = || place.jwks.usable().unwrap().generation;
    let first = generation();
    place.fetch().await;
    assert_eq!(generation(), first);
    place.now(Script::Answers(OTHER, None));
    place.fetch().await;
    assert_eq!(generation(), first + 1);
    assert!(place.shows(r#"palisade_jwks_keys{issuer="i"} 1"#));
}

#[tokio::test]
async fn an_oversized_or_missing_file_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.json");
    assert!(KeysFile(path.clone()).fetch().await.unwrap_err().contains("keys.json"));
    // 256 KiB, which it may have, and one byte more.
    let padded = |bytes: usize| format!("{KEYS}{}", " ".repeat(bytes - KEYS.len()));
    let file = KeysFile(path.clone());
    std::fs::write(&path, padded(262_144)).unwrap();
    assert_eq!(file.check(&[Algorithm::EdDSA]), Ok(()));
    assert!(file.check(&[Algorithm::RS256]).unwrap_err().contains("keys.json: no key is for algorithms (RS256), but for EdDSA"));
    assert_eq!(file.fetch().await.unwrap().body.len(), 262_144);
    std::fs::write(&path, padded(262_145)).unwrap();
    assert!(file.fetch().await.unwrap_err().contains("larger") && file.check(&[Algorithm::EdDSA]).unwrap_err().contains("larger"));
    std::fs::write(&path, "{}").unwrap();
    assert!(file.check(&[Algorithm::EdDSA]).unwrap_err().contains("keys.json"), "a file that has no keys");
}

#[tokio::test]
async fn inline_keys_are_what_they_are() {
    assert_eq!(InlineKeys(KEYS.to_owned()).check(&[Algorithm::EdDSA]), Ok(()));
    assert!(InlineKeys("{}".to_owned()).check(&[Algorithm::EdDSA]).is_err());
    assert!(InlineKeys(KEYS.to_owned()).check(&[Algorithm::RS256]).is_err());
    assert_eq!(InlineKeys(KEYS.to_owned()).fetch().await.unwrap().body, KEYS);
}

/// The defaults of the type and of the table are one.
#[test]
fn defaults_are_those_of_the_configuration() {
    let text = "{ingress: {tls: {certificate: c, private_key: c}, upstream: 'http://a'}, identity: {issuers: [{issuer: i, audience: a, jwks: {uri: 'https://a'}}]}, tenants: {directory: {any: {}}}}";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c"), "x").unwrap();
    let config = crate::config::Config::parse(text, "P", folder.path(), &|_| None).unwrap();
    let issuer = &config.identity.issuers[0];
    assert_eq!(format!("{:?}", issuer.key_policy), format!("{:?}", KeyPolicy::default()));
    assert_eq!(issuer.rules.types, crate::config::TokenTypes::default());
    assert!(issuer.rules.required.is_empty() && issuer.rules.max_lifetime.is_none());
}
