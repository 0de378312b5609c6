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
    /// How long the application may leave what the caller sends lying, before the passport ends.
    pub stall: Duration,
    /// Most passports alive at once. One tenant has half of them at most.
    pub max_live: usize,
}

/// What a rule of `ingress.endpoints` says of passports. What it leaves out is as for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassportRule {
    /// In place of what is allowed otherwise, not in addition to it.
    pub actions: Option<Actions>,
    /// In place of the number for all.
    pub max_uses: Option<u32>,
    /// In place of the longest life, and of the one after an upgrade too: a rule that shortens lives is not to be got around by an
    /// event stream.
    pub max_age: Option<Duration>,
    /// In place of the longest life after an upgrade.
    pub upgrade_max_age: Option<Duration>,
}

impl PassportTerms {
    /// These terms, but for what `rule` says.
    pub fn under(&self, rule: &PassportRule) -> Self {
        Self {
            max_age: rule.max_age.unwrap_or(self.max_age),
            upgrade_max_age: rule.upgrade_max_age.or(rule.max_age).unwrap_or(self.upgrade_max_age),
            actions: rule.actions.clone().or_else(|| self.actions.clone()),
            max_uses: rule.max_uses.or(self.max_uses),
        }
    }
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
