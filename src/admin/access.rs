//! Who may ask for what.

use http::{HeaderMap, header};

use super::route::Route;
use crate::{
    config::AdminConfig,
    reject::{Reason, Refusal},
    secret::Secret,
    server::Peer,
};

/// The tokens of `admin`.
#[derive(Debug)]
pub(super) struct Keys {
    admin: Option<Secret>,
    metrics: Option<Secret>,
    quit_from_loopback: bool,
}

impl Keys {
    /// Takes the tokens over.
    pub(super) fn new(config: &AdminConfig) -> Self {
        Self { admin: config.token.clone(), metrics: config.metrics_token.clone(), quit_from_loopback: config.quit_from_loopback }
    }

    /// Refuses whoever may not. Exhaustive, so that a new route cannot be open by oversight.
    pub(super) fn check(&self, route: &Route<'_>, headers: &HeaderMap, peer: &Peer) -> Result<(), Refusal> {
        match route {
            Route::Livez | Route::Readyz | Route::Version => Ok(()),
            Route::Metrics => match &self.metrics {
                None => Ok(()),
                Some(token) => holds(token, headers),
            },
            // The application's own sidecar, for Jobs that end: the one thing that loopback opens, and only when asked for.
            Route::Quit if self.quit_from_loopback && peer.ip().to_canonical().is_loopback() => Ok(()),
            Route::AuditHead | Route::AuditKey | Route::Config | Route::Drain | Route::Evict(_) | Route::Quit | Route::Tenants => {
                match &self.admin {
                    None => Err(Reason::AdminTokenUnset.into()),
                    Some(token) => holds(token, headers),
                }
            }
        }
    }
}

/// RFC 6750, section 2.1: the token, in exactly one `Authorization`.
fn holds(token: &Secret, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Err(Reason::TokenMissing.into()) };
    if values.next().is_some() {
        return Err(Reason::TokenAmbiguous.into());
    }
    let Some((scheme, candidate)) = value.as_bytes().split_at_checked(b"Bearer ".len()) else {
        return Err(Reason::TokenMalformed.into());
    };
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return Err(Reason::TokenMalformed.into());
    }
    if !token.matches(candidate.trim_ascii()) {
        return Err(Reason::AdminTokenWrong.into());
    }
    Ok(())
}
