//! Permission for one call.

use std::{fmt, sync::Arc};

use super::Shared;
use crate::credentials::Owner;

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request waits for it.
    First = 0,
    /// Nobody does.
    Renewal = 1,
}

/// Permission for one call, given back when dropped.
pub(in crate::credentials) struct Place {
    /// `None` when there is nothing to give back.
    shared: Option<Arc<Shared>>,
    kind: Kind,
    owner: Owner,
}

impl Place {
    pub(super) fn new(shared: Arc<Shared>, kind: Kind, owner: Owner) -> Self {
        Self { shared: Some(shared), kind, owner }
    }

    /// Drops it without giving anything back, which takes no lock.
    pub(super) fn void(mut self) {
        self.shared = None;
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("kind", &self.kind).field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.give_back(self.kind, &self.owner);
        }
    }
}
