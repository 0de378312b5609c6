//! `ingress.context`

use std::{sync::Arc, time::Duration};

use crate::identity::{ContextAlgorithm, ContextKey};

/// What is said to an application that verifies.
#[derive(Debug)]
pub struct ContextConfig {
    /// `aud`: the application.
    pub audience: String,
    /// `iss`: Palisade, as the application knows it.
    pub issuer: String,
    /// From `iat` to `exp` at most.
    pub lifetime: Duration,
    /// `alg`, of every key.
    pub algorithm: ContextAlgorithm,
    /// The first signs, all are published; without one, a key is drawn at start.
    pub keys: Vec<Arc<ContextKey>>,
}
