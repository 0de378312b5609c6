//! What is inside a context.

use serde::{Deserialize, Serialize};

/// The contents of version 1. A field that is not known is a restriction that is not understood, so there must be none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    /// Of the context itself, for logs and deny-lists.
    pub(super) id: String,
    /// The sealing process.
    pub(super) maker: String,
    /// Who may redeem it.
    pub(super) audience: String,
    /// What for, in the application's words.
    pub(super) purpose: String,
    /// Patterns in IAM's vocabulary, at least one.
    pub(super) actions: Vec<String>,
    pub(super) tenant: String,
    /// Of the caller's token.
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) roles: Vec<String>,
    pub(super) scopes: Vec<String>,
    /// `jti` of the caller's token.
    pub(super) token_id: Option<String>,
    /// `iat` of the caller's token, in milliseconds since 1970, rounded down: what was issued before a moment is never taken for later.
    pub(super) token_issued_at: Option<u64>,
    /// The ingress request that it was made in.
    pub(super) request: String,
    /// Seconds since 1970.
    pub(super) sealed_at: u64,
    /// Seconds since 1970; the first moment at which it is no longer good.
    pub(super) expires: u64,
}
