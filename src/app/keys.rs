//! Issuers' keys, from wherever the configuration says they are.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Uri};

use super::StartError;
use crate::{
    clock::Clock,
    config::{Config, IssuerConfig, JwksSource, KeyAccess, companions::Look},
    identity::{
        Jwks, discovery,
        jwks::{FetchKeys, Fetched, InlineKeys, KeysFile, MAX_BYTES},
    },
    telemetry::Metrics,
    upstream::{self, Ask, Document, Fetcher},
};

/// Longest bearer token read from a file, in bytes.
const MAX_BEARER: u64 = 16 << 10;

/// The issuer, how its keys are configured, and the file of roots that is part of that.
type By = (String, String, Option<Look>);

/// An issuer's keys, and all that they are to be had by.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    by: By,
    pub(super) jwks: Arc<Jwks>,
}

/// The keys of every issuer, in the order of the configuration: those of `before` where they are to be had in the same way, none of the
/// others loaded yet.
pub(super) fn load(config: &Config, before: &[Keys], clock: &Clock, metrics: &Metrics) -> Result<Vec<Keys>, StartError> {
    let jwks = |issuer: &IssuerConfig| {
        let by = (issuer.issuer.clone(), format!("{:?} {:?}", issuer.jwks, issuer.key_policy), roots(&issuer.jwks));
        if let Some(keys) = before.iter().find(|keys| keys.by == by) {
            return Ok(keys.clone());
        }
        let jwks = Jwks::new(issuer.issuer.clone(), source(issuer)?, clock.clone(), metrics.clone());
        Ok(Keys { by, jwks: Arc::new(jwks.with_policy(issuer.key_policy)) })
    };
    config.identity.issuers.iter().map(jwks).collect()
}

/// What the file of roots says, where there is one.
fn roots(source: &JwksSource) -> Option<Look> {
    let (JwksSource::Uri { access, .. } | JwksSource::Discovery { access, .. }) = source else { return None };
    access.ca.as_deref().map(Look::at)
}

/// Where the keys of `issuer` come from. Asks nobody yet.
pub(crate) fn source(issuer: &IssuerConfig) -> Result<Box<dyn FetchKeys>, StartError> {
    let reach = |access: &KeyAccess| -> Result<Reach, StartError> {
        let fetcher = upstream::https_client(access.ca.as_deref())?;
        Ok(Reach { fetcher, bearer: access.bearer_token_file.as_deref().map(Arc::from), timeout: issuer.key_policy.timeout })
    };
    Ok(match &issuer.jwks {
        JwksSource::File(path) => Box::new(KeysFile(path.clone())),
        JwksSource::Inline(text) => {
            let keys = InlineKeys(text.clone());
            keys.check(&issuer.algorithms).map_err(|wrong| StartError::Keys { issuer: issuer.issuer.clone(), wrong })?;
            Box::new(keys)
        }
        JwksSource::Uri { uri, access } => Box::new(KeysUri { reach: reach(access)?, uri: uri.clone() }),
        JwksSource::Discovery { document, access } => {
            Box::new(KeysDiscovered { reach: reach(access)?, document: document.clone(), issuer: issuer.issuer.clone() })
        }
    })
}

/// How documents of one issuer are fetched.
struct Reach {
    fetcher: Fetcher,
    bearer: Option<Arc<Path>>,
    timeout: Duration,
}

impl Reach {
    async fn fetch(&self, uri: &Uri, max_bytes: usize) -> Result<Document, String> {
        let authorization = match &self.bearer {
            None => None,
            Some(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || bearer(&path)).await;
                Some(read.unwrap_or_else(|error| Err(error.to_string()))?)
            }
        };
        let ask = Ask { uri, max_bytes, limit: self.timeout, authorization };
        self.fetcher.fetch(ask).await.map_err(|error| format!("{uri}: {error}"))
    }
}

/// `Authorization` out of a token's file. Nothing of the file's content is in the error.
pub(super) fn bearer(path: &Path) -> Result<HeaderValue, String> {
    let describe = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(path).map_err(describe)?.len() > MAX_BEARER {
        return Err(format!("{}: larger than {MAX_BEARER} bytes", path.display()));
    }
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(describe)?);
    let token = text.trim_end_matches(['\r', '\n']);
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let value = is_token.then(|| HeaderValue::try_from(format!("Bearer {token}")).ok()).flatten();
    value.ok_or_else(|| format!("{}: it holds no token on one line", path.display()))
}

struct KeysUri {
    reach: Reach,
    uri: Uri,
}

impl FetchKeys for KeysUri {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, String>> {
        Box::pin(async {
            let document = self.reach.fetch(&self.uri, MAX_BYTES).await?;
            Ok(Fetched { body: document.body, fresh_for: document.fresh_for })
        })
    }
}

/// Asks for the place of the keys each time: it may move, and the document costs little beside what a stale place would.
struct KeysDiscovered {
    reach: Reach,
    document: Uri,
    issuer: String,
}

impl FetchKeys for KeysDiscovered {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, String>> {
        Box::pin(async {
            let found = self.reach.fetch(&self.document, discovery::MAX_BYTES).await?;
            let plain = self.document.scheme_str() == Some("http");
            let keys = discovery::jwks_uri(&found.body, &self.issuer, plain).map_err(|error| format!("{}: {error}", self.document))?;
            // The document is not signed, and must not decide who gets the token.
            if self.reach.bearer.is_some() && !discovery::is_same_origin(&self.document, &keys) {
                return Err(format!(
                    "{}: jwks_uri is at another origin, and bearer_token_file is not sent there; give jwks.uri",
                    self.document
                ));
            }
            let document = self.reach.fetch(&keys, MAX_BYTES).await?;
            Ok(Fetched { body: document.body, fresh_for: document.fresh_for })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            bearer(&path)
        };
        for text in ["abc.def", "abc.def\n", "abc.def\r\n"] {
            assert_eq!(read(text.as_bytes()).unwrap(), "Bearer abc.def");
        }
        for text in [&b""[..], b"\n", b"a b", b"a\nb", b"\xff", b"a\x00", "caf\u{e9}".as_bytes(), &[b'a'; MAX_BEARER as usize + 1]] {
            let error = read(text).unwrap_err();
            assert!(error.contains("token") && !error.contains("a b"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(bearer(&path).unwrap_err().contains("token: No such file"));
    }
}
