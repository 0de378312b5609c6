//! Keeping an issuer's keys at hand.
//!
//! Keys are fetched at start and again in the background, so that no request waits for the identity provider in the normal
//! course. A token with an unknown key id may mean a rotation: it triggers one fetch, shared by all requests that ask and not
//! repeated within [`FORCED_INTERVAL`], however many junk tokens come. A failed fetch keeps the old keys, up to [`MAX_STALE`].

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::keyset::KeySet;
use crate::{clock::Clock, telemetry::Metrics};

/// Between background fetches. Short against the hours that providers announce a new key ahead of its use.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(300);
/// Between a failed background fetch and the next.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// Between fetches that unknown key ids may trigger.
pub const FORCED_INTERVAL: Duration = Duration::from_secs(30);
/// How long keys serve while they cannot be fetched.
pub const MAX_STALE: Duration = Duration::from_secs(24 * 3600);
/// Largest key set read, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// Where a key set comes from.
pub trait FetchKeys: Send + Sync {
    /// Gets the document. The error is for the log: it names the place and holds no secret.
    fn fetch(&self) -> BoxFuture<'_, Result<Bytes, String>>;
}

/// One issuer's keys.
pub struct Jwks {
    issuer: String,
    source: Box<dyn FetchKeys>,
    current: ArcSwapOption<Loaded>,
    /// When a fetch was last begun; the lock makes fetches single-flight. Held across the fetch, never on a path that
    /// finds its key.
    last_attempt: Mutex<Option<Instant>>,
    clock: Clock,
    metrics: Metrics,
}

pub(super) struct Loaded {
    pub(super) keys: KeySet,
    /// Counts changes of the document: a token verified under other keys is verified again.
    pub(super) generation: u64,
    digest: Digest,
    at: Instant,
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwks").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Jwks {
    /// Keys of `issuer`, none loaded yet.
    pub fn new(issuer: String, source: Box<dyn FetchKeys>, clock: Clock, metrics: Metrics) -> Self {
        Self { issuer, source, current: ArcSwapOption::empty(), last_attempt: Mutex::new(None), clock, metrics }
    }

    /// Whether tokens can be verified now.
    pub fn is_ready(&self) -> bool {
        self.usable().is_some()
    }

    /// Fetches in the background for ever.
    pub async fn maintain(&self) {
        loop {
            let pause = if self.refresh(Duration::ZERO).await { REFRESH_INTERVAL } else { RETRY_INTERVAL };
            tokio::time::sleep(pause).await;
        }
    }

    /// The keys, unless there are none or they are too old.
    pub(super) fn usable(&self) -> Option<Arc<Loaded>> {
        self.current.load_full().filter(|loaded| self.clock.instant().saturating_duration_since(loaded.at) <= MAX_STALE)
    }

    /// After an unknown key id: the keys after at most one fetch.
    pub(super) async fn after_unknown_key(&self) -> Option<Arc<Loaded>> {
        self.refresh(FORCED_INTERVAL).await;
        self.usable()
    }

    /// Fetches unless the last attempt is younger than `min_interval`; true when the fetch succeeded.
    async fn refresh(&self, min_interval: Duration) -> bool {
        let mut last_attempt = self.last_attempt.lock().await;
        let now = self.clock.instant();
        if last_attempt.is_some_and(|last| now.saturating_duration_since(last) < min_interval) {
            return false;
        }
        *last_attempt = Some(now);
        let outcome = match self.source.fetch().await {
            Ok(bytes) => KeySet::parse(&bytes).map(|keys| (keys, digest(&SHA256, &bytes))).map_err(|e| e.to_string()),
            Err(error) => Err(error),
        };
        match outcome {
            Ok((keys, document)) => {
                let generation = match &*self.current.load() {
                    Some(old) if old.digest.as_ref() == document.as_ref() => old.generation,
                    Some(old) => old.generation + 1,
                    None => 1,
                };
                self.current.store(Some(Arc::new(Loaded { keys, generation, digest: document, at: self.clock.instant() })));
                self.metrics.jwks_refresh(&self.issuer, "ok");
                true
            }
            Err(error) => {
                tracing::warn!(issuer = %self.issuer, %error, "cannot load the issuer's keys");
                self.metrics.jwks_refresh(&self.issuer, "error");
                false
            }
        }
    }
}

/// Keys in a local file.
#[derive(Debug, Clone)]
pub struct KeysFile(pub std::path::PathBuf);

impl KeysFile {
    /// Whether the file holds keys that can be used. The error names the file.
    pub fn check(&self) -> Result<(), String> {
        KeySet::parse(&self.read()?).map(drop).map_err(|error| format!("{}: {error}", self.0.display()))
    }

    fn read(&self) -> Result<Bytes, String> {
        let describe = |e: std::io::Error| format!("{}: {e}", self.0.display());
        if std::fs::metadata(&self.0).map_err(describe)?.len() > MAX_BYTES as u64 {
            return Err(format!("{}: larger than {MAX_BYTES} bytes", self.0.display()));
        }
        std::fs::read(&self.0).map(Bytes::from).map_err(describe)
    }
}

impl FetchKeys for KeysFile {
    fn fetch(&self) -> BoxFuture<'_, Result<Bytes, String>> {
        let file = self.clone();
        Box::pin(async move { tokio::task::spawn_blocking(move || file.read()).await.unwrap_or_else(|error| Err(error.to_string())) })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::SystemTime,
    };

    use super::*;

    const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"d","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    #[derive(Default)]
    struct Scripted {
        rotating: bool,
        calls: Arc<AtomicUsize>,
        broken: Arc<std::sync::atomic::AtomicBool>,
    }

    impl FetchKeys for Scripted {
        fn fetch(&self) -> BoxFuture<'_, Result<Bytes, String>> {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            let rotated = if self.rotating { " ".repeat(call) } else { String::new() };
            let broken = self.broken.load(Ordering::SeqCst);
            Box::pin(async move {
                tokio::task::yield_now().await;
                if broken { Ok(Bytes::from_static(b"<html>down</html>")) } else { Ok(Bytes::from(format!("{KEYS}{rotated}"))) }
            })
        }
    }

    fn jwks() -> (Arc<Jwks>, Arc<AtomicUsize>, Arc<std::sync::atomic::AtomicBool>, Clock) {
        let source = Scripted::default();
        let (calls, broken) = (source.calls.clone(), source.broken.clone());
        let clock = Clock::manual(SystemTime::UNIX_EPOCH);
        let jwks = Jwks::new("i".into(), Box::new(source), clock.clone(), Metrics::new().unwrap());
        (Arc::new(jwks), calls, broken, clock)
    }

    #[tokio::test]
    async fn a_thousand_unknown_keys_cost_one_fetch() {
        let (jwks, calls, _, clock) = jwks();
        assert!(jwks.refresh(Duration::ZERO).await);
        clock.advance(FORCED_INTERVAL);
        let tasks: Vec<_> = (0..1_000)
            .map(|_| {
                let jwks = jwks.clone();
                tokio::spawn(async move { jwks.after_unknown_key().await.is_some() })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap());
        }
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        clock.advance(FORCED_INTERVAL);
        jwks.after_unknown_key().await;
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_broken_answer_keeps_the_old_keys_until_they_are_stale() {
        let (jwks, _, broken, clock) = jwks();
        assert!(!jwks.is_ready());
        assert!(jwks.refresh(Duration::ZERO).await && jwks.is_ready());
        broken.store(true, Ordering::SeqCst);
        assert!(!jwks.refresh(Duration::ZERO).await);
        assert!(jwks.is_ready());
        clock.advance(MAX_STALE + Duration::from_secs(1));
        assert!(!jwks.is_ready());
    }

    #[tokio::test]
    async fn a_changed_document_is_a_new_generation_and_the_same_one_is_not() {
        for rotating in [false, true] {
            let source = Scripted { rotating, ..Scripted::default() };
            let jwks = Jwks::new("i".into(), Box::new(source), Clock::manual(SystemTime::UNIX_EPOCH), Metrics::new().unwrap());
            jwks.refresh(Duration::ZERO).await;
            let first = jwks.usable().unwrap().generation;
            jwks.refresh(Duration::ZERO).await;
            assert_eq!(jwks.usable().unwrap().generation, first + u64::from(rotating));
        }
    }

    #[tokio::test]
    async fn an_oversized_or_missing_file_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        assert!(KeysFile(path.clone()).fetch().await.unwrap_err().contains("keys.json"));
        std::fs::write(&path, vec![b' '; MAX_BYTES + 1]).unwrap();
        assert!(KeysFile(path).fetch().await.unwrap_err().contains("larger"));
    }
}
