//! Who may call what on the ingress, and where callers say who they are.

use std::time::Duration;

use crate::{
    authorise::{Endpoints, PathPattern},
    identity::Places,
};

/// What `ingress` says about the requests that it lets in.
#[derive(Debug)]
pub struct AccessConfig {
    /// `ingress.endpoints` and its kin.
    pub endpoints: Endpoints,
    /// `ingress.token_cookie`, `ingress.tenant_from.host`
    pub places: Places,
    /// `ingress.tenant_from.path`
    pub tenant_path: Option<PathPattern>,
    /// `ingress.cors`
    pub cors: Option<CorsConfig>,
    /// Public requests in progress at once.
    pub public_concurrent: usize,
}

/// `ingress.cors`
#[derive(Debug, Clone)]
pub enum CorsConfig {
    /// Palisade answers preflights and says to whom responses may be shown.
    Answer(CorsRules),
    /// The application does.
    Pass,
}

/// `ingress.cors.answer`
#[derive(Debug, Clone)]
pub struct CorsRules {
    /// Whose scripts may call.
    pub origins: Origins,
    /// Methods that they may use.
    pub methods: Vec<String>,
    /// Request headers that they may set.
    pub headers: Vec<String>,
    /// Response headers that they may read.
    pub expose: Vec<String>,
    /// Whether browsers may send cookies along.
    pub credentials: bool,
    /// How long an answer may be kept.
    pub max_age: Duration,
}

/// `ingress.cors.answer.origins`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Anybody's.
    Any,
    /// Those of these origins, compared byte for byte.
    These(Vec<String>),
}
