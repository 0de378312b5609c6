//! What is remembered of passports that have ended, so that "used too late" can be told from "made up".
//!
//! The first is an application that keeps what it should let go of, which its operators want to know; the second is a mistake or a
//! guess. Neither gets anything, and outside the two look alike.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::handle::Digest;
use crate::telemetry::{CompactRequestId, RequestId};

/// How long a passport is remembered after its end: beyond the retries of any SDK.
pub(super) const KEPT: Duration = Duration::from_secs(300);
/// Most remembered, the oldest being forgotten first: about 6 MB, and up to 8 MB more
/// where ids of requests are taken from proxies. At over 200 requests a second it is less than [`KEPT`].
pub(super) const MOST: usize = 65_536;

/// A passport that is no more.
#[derive(Debug, Clone)]
pub(super) struct Gone {
    pub(super) at: Instant,
    pub(super) how: How,
    /// The ingress request that it was made for. A text of its own for each would be most of the memory.
    request: CompactRequestId,
}

/// Why it is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Its request has ended, or its tenant's authority was taken away.
    Ended,
    /// Its time was over while the request still ran.
    Expired,
}

impl Gone {
    pub(super) fn request(&self) -> RequestId {
        self.request.restore()
    }
}

#[derive(Debug, Default)]
pub(super) struct Ended(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    by_digest: HashMap<Digest, Gone>,
    oldest_first: VecDeque<(Instant, Digest)>,
}

impl Ended {
    /// Remembers that a passport is no more. What was known of it before is replaced: one that expired can end later.
    pub(super) fn remember(&self, digest: Digest, request: &RequestId, how: How, now: Instant) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.forget_old(now);
        memory.by_digest.insert(digest, Gone { at: now, how, request: request.compact() });
        memory.oldest_first.push_back((now, digest));
    }

    pub(super) fn find(&self, digest: &Digest, now: Instant) -> Option<Gone> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.by_digest.get(digest).filter(|gone| now.saturating_duration_since(gone.at) < KEPT).cloned()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).oldest_first.len()
    }
}

impl Memory {
    fn forget_old(&mut self, now: Instant) {
        while let Some((at, digest)) = self.oldest_first.front().copied() {
            if self.oldest_first.len() < MOST && now.saturating_duration_since(at) < KEPT {
                return;
            }
            self.oldest_first.pop_front();
            // Unless it was remembered anew since.
            if self.by_digest.get(&digest).is_some_and(|gone| gone.at == at) {
                self.by_digest.remove(&digest);
            }
        }
    }
}
