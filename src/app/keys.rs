//! Keys of issuers that publish them at a URI.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Uri;

use crate::{
    identity::jwks::{FetchKeys, MAX_BYTES},
    upstream::Fetcher,
};

/// Longest fetch. Requests with an unknown key id wait for it.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct KeysUri {
    pub(super) fetcher: Fetcher,
    pub(super) uri: Uri,
}

impl FetchKeys for KeysUri {
    fn fetch(&self) -> BoxFuture<'_, Result<Bytes, String>> {
        Box::pin(async move {
            let fetched = self.fetcher.fetch(&self.uri, MAX_BYTES, TIMEOUT).await;
            fetched.map_err(|error| format!("{}: {error}", self.uri))
        })
    }
}
