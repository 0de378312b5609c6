//! `identity.verification`

use std::thread::available_parallelism;

use super::{Section, parse};
use crate::config::{FailureBudget, TokenCacheConfig, VerificationConfig};

pub(super) fn verification(section: &Section<'_>) -> Option<VerificationConfig> {
    let cache = section.section("cache");
    let (entries, bytes) = (cache.get("entries", parse::size), cache.get("bytes", parse::size));
    let concurrency = concurrency(section);
    let queue = section.get("queue", parse::size);
    let wait = section.get("wait", parse::duration);
    let failures = section.section("failures");
    let per_second = failures.get("per_second", parse::rate);
    let burst = failures.get("burst", parse::count).and_then(|count| u32::try_from(count).ok());
    Some(VerificationConfig {
        cache: TokenCacheConfig { entries: entries?, bytes: bytes? },
        concurrency: concurrency?,
        queue: queue?,
        wait: wait?,
        failures: FailureBudget { per_second: per_second?, burst: burst? },
    })
}

/// Half of the cores, so that the other half serves what is past its check.
fn concurrency(section: &Section<'_>) -> Option<usize> {
    if section.has("concurrency") {
        return section.get("concurrency", parse::size);
    }
    let half = (available_parallelism().map_or(1, usize::from) / 2).max(1);
    section.set("concurrency", half.into());
    Some(half)
}
