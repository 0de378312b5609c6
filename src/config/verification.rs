//! `identity.verification`

use std::time::Duration;

/// How much checking of tokens there may be, and for whom.
#[derive(Debug, Clone)]
pub struct VerificationConfig {
    /// Tokens that were good.
    pub cache: TokenCacheConfig,
    /// Checks that run at once, at least one.
    pub concurrency: usize,
    /// Requests that wait for a check, or for an issuer's keys.
    pub queue: usize,
    /// Longest wait for a check.
    pub wait: Duration,
    /// What a source may send that is junk.
    pub failures: FailureBudget,
}

#[cfg(test)]
impl VerificationConfig {
    /// So much that nothing of it is ever used up.
    pub(crate) fn ample() -> Self {
        Self {
            cache: TokenCacheConfig { entries: 10_000, bytes: 64 << 20 },
            concurrency: 4,
            queue: 1_024,
            wait: Duration::from_secs(1),
            failures: FailureBudget { per_second: 1e6, burst: 1_000_000 },
        }
    }
}

/// `identity.verification.cache`
#[derive(Debug, Clone, Copy)]
pub struct TokenCacheConfig {
    /// Most tokens.
    pub entries: usize,
    /// Most memory for them, estimated.
    pub bytes: usize,
}

/// `identity.verification.failures`
#[derive(Debug, Clone, Copy)]
pub struct FailureBudget {
    /// Failures a second, sustained; positive.
    pub per_second: f64,
    /// Failures at once after a pause, at least one.
    pub burst: u32,
}
