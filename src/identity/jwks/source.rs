//! Where key sets come from.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jsonwebtoken::Algorithm;

use crate::identity::keyset::KeySet;

/// Largest key set read, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// Where a key set comes from.
pub trait FetchKeys: Send + Sync {
    /// Gets the document. The error is for the log: it names the place and holds no secret.
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, String>>;
}

/// A document that should be a key set.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The document.
    pub body: Bytes,
    /// How long it is fresh, where its source says so.
    pub fresh_for: Option<Duration>,
}

impl Fetched {
    /// How many keys in it can be used, and for which algorithms.
    ///
    /// # Errors
    /// None can.
    pub(crate) fn survey(&self) -> Result<(usize, Vec<Algorithm>), String> {
        let keys = KeySet::parse(&self.body).map_err(|error| error.to_string())?;
        Ok((keys.len(), keys.algorithms()))
    }
}

impl From<Bytes> for Fetched {
    fn from(body: Bytes) -> Self {
        Self { body, fresh_for: None }
    }
}

/// Keys in a local file.
#[derive(Debug, Clone)]
pub struct KeysFile(pub std::path::PathBuf);

impl KeysFile {
    /// Whether the file holds keys that can be used, one of them at least with one of `algorithms`. The error names the file.
    pub fn check(&self, algorithms: &[Algorithm]) -> Result<(), String> {
        usable(&self.read()?, algorithms).map_err(|error| format!("{}: {error}", self.0.display()))
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
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, String>> {
        let file = self.clone();
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || file.read()).await;
            read.unwrap_or_else(|error| Err(error.to_string())).map(Fetched::from)
        })
    }
}

/// Keys that the configuration holds itself.
#[derive(Debug, Clone)]
pub struct InlineKeys(pub String);

impl InlineKeys {
    /// Whether these are keys that can be used, one of them at least with one of `algorithms`.
    pub fn check(&self, algorithms: &[Algorithm]) -> Result<(), String> {
        usable(self.0.as_bytes(), algorithms)
    }
}

fn usable(document: &[u8], algorithms: &[Algorithm]) -> Result<(), String> {
    let keys = KeySet::parse(document);
    keys.map_err(|error| format!("{error}; give a JWK Set, as the issuer publishes it: {{\"keys\": [...]}}"))?.serves(algorithms)
}

impl FetchKeys for InlineKeys {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, String>> {
        Box::pin(async { Ok(Bytes::from(self.0.clone()).into()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_says_what_there_is() {
        let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        assert_eq!(Fetched::from(Bytes::from(keys)).survey(), Ok((1, vec![Algorithm::EdDSA])));
        assert!(Fetched::from(Bytes::from_static(b"{}")).survey().is_err());
    }
}
