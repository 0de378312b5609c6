//! `identity.passport`

use std::time::Duration;

use crate::aws::action::Actions;

/// What holds for passports.
#[derive(Debug, Clone)]
pub struct PassportConfig {
    /// Of the passport of any request.
    pub terms: PassportTerms,
    /// What is left of a passport after the regular end of its response.
    pub grace: Duration,
    /// Most passports alive at once. One tenant has half of them at most.
    pub max_live: usize,
}

/// What one passport is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassportTerms {
    /// Longest life, however long the request takes.
    pub max_age: Duration,
    /// Longest life where the response turns out to be a WebSocket or an event stream; not below `max_age`.
    pub upgrade_max_age: Duration,
    /// What may be done; `None` for everything that the tenant may do.
    pub actions: Option<Actions>,
    /// How often it may be used; `None` for any number.
    pub max_uses: Option<u32>,
}
