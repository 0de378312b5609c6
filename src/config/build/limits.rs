//! `limits`, and a record's `limits`.

use super::{Section, parse};
use crate::config::{Limits, LimitsConfig};

pub(super) fn limits_config(section: &Section<'_>) -> Option<LimitsConfig> {
    let store = section.section("store");
    // Memory is the only store there is; another one has been refused.
    store.set("memory", serde_json::json!({}));
    let default = limits(&section.section("default"));
    if default.burst.is_some() && default.requests_per_second.is_none() {
        section.section("default").wrong("burst", "has no effect without requests_per_second", "give the rate, or remove it");
    }
    let mut tiers = std::collections::BTreeMap::new();
    for (name, tier) in section.sections("tiers") {
        let limits = limits(&tier);
        if limits.burst.is_some() && limits.requests_per_second.or(default.requests_per_second).is_none() {
            tier.wrong("burst", "has no effect without requests_per_second here or in limits.default", "give the rate, or remove it");
        }
        tiers.insert(name, limits);
    }
    Some(LimitsConfig { default, tiers })
}

/// One set of limits. A rate without a burst gets the burst of one second.
pub(crate) fn limits(section: &Section<'_>) -> Limits {
    let requests_per_second = section.get("requests_per_second", parse::rate);
    let count = |key| section.get(key, parse::count).and_then(|count| u32::try_from(count).ok());
    let burst = count("burst").or_else(|| {
        let burst = one_second(requests_per_second?);
        section.set("burst", burst.into());
        Some(burst)
    });
    Limits { requests_per_second, burst, concurrent: count("concurrent") }
}

/// The burst of a rate that has none of its own. A rate is above 0 and at most a million, so it fits.
pub(crate) fn one_second(rate: f64) -> u32 {
    rate.ceil().max(1.0) as u32
}
