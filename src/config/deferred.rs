//! `egress.defer` and `egress.redeem`

use std::{collections::BTreeMap, time::Duration};

use crate::{aws::action::Actions, identity::SealKey};

/// `egress.defer`
#[derive(Debug)]
pub struct DeferConfig {
    /// Who may redeem what is sealed here, at least one.
    pub audiences: BTreeMap<String, AudienceConfig>,
}

/// `egress.defer.audiences.<name>`
#[derive(Debug)]
pub struct AudienceConfig {
    /// Shared with whoever redeems.
    pub key: SealKey,
    /// Longest life of a context.
    pub max_lifetime: Duration,
    /// The most that a context can be good for.
    pub actions: Actions,
}

/// `egress.redeem`
#[derive(Debug)]
pub struct RedeemConfig {
    /// Who we are.
    pub audience: String,
    /// Keys to open with, at least one.
    pub keys: Vec<SealKey>,
    /// Whether a context may be used to have URLs presigned.
    pub presign: bool,
}
