//! Calls that wait, each behind those of its own tenant, and tenants in turns. Knows nothing of rates.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use super::Place;
use crate::tenant::TenantId;

/// The tenants with a first call in progress or waiting, and no others.
#[derive(Default)]
pub(super) struct Queue {
    lines: HashMap<TenantId, Line>,
    /// Tenants with somebody waiting, the next one first, each once.
    turns: VecDeque<TenantId>,
    waiting: usize,
}

/// One tenant's calls.
#[derive(Default)]
pub(super) struct Line {
    /// In progress.
    pub(super) taken: usize,
    waiters: VecDeque<Waiter>,
    has_turn: bool,
}

/// A call that waits.
pub(super) struct Waiter {
    /// The role that it is for.
    pub(super) role: String,
    /// Where its place is sent to.
    pub(super) give: oneshot::Sender<Place>,
}

impl Line {
    /// Calls that wait, those included that have gone away unnoticed.
    pub(super) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// Whose turn it is.
    pub(super) fn head(&self) -> Option<&Waiter> {
        self.waiters.front()
    }
}

impl Queue {
    /// Calls of all tenants that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Tenants that wait for their turn.
    pub(super) fn lines_waiting(&self) -> usize {
        self.turns.len()
    }

    /// The line of `tenant`; a new one where there was none, to be used or [forgotten](Self::forget_if_idle).
    pub(super) fn line(&mut self, tenant: &TenantId) -> &mut Line {
        self.lines.entry(tenant.clone()).or_default()
    }

    /// One more call of `tenant`, behind those that wait already.
    pub(super) fn push(&mut self, tenant: &TenantId, waiter: Waiter) {
        self.waiting += 1;
        self.line(tenant).waiters.push_back(waiter);
        self.turn(tenant.clone());
    }

    /// The tenant whose turn it is. It has to be given [another turn](Self::turn), or this one [back](Self::unturn).
    pub(super) fn next(&mut self) -> Option<TenantId> {
        let tenant = self.turns.pop_front()?;
        self.line(&tenant).has_turn = false;
        Some(tenant)
    }

    /// The first call of `tenant`.
    pub(super) fn pop(&mut self, tenant: &TenantId) -> Option<Waiter> {
        let waiter = self.line(tenant).waiters.pop_front();
        self.waiting -= usize::from(waiter.is_some());
        waiter
    }

    /// A turn for `tenant`, behind all others, if it has a call that waits and no turn yet.
    pub(super) fn turn(&mut self, tenant: TenantId) {
        if self.takes_turn(&tenant) {
            self.turns.push_back(tenant);
        }
    }

    /// As [`Self::turn`], before all others.
    pub(super) fn unturn(&mut self, tenant: TenantId) {
        if self.takes_turn(&tenant) {
            self.turns.push_front(tenant);
        }
    }

    /// Lets go of the calls of `tenant` that have gone away.
    pub(super) fn sweep(&mut self, tenant: &TenantId) {
        let line = self.line(tenant);
        let before = line.waiters.len();
        line.waiters.retain(|waiter| !waiter.give.is_closed());
        let gone = before - line.waiters.len();
        self.waiting -= gone;
        self.forget_if_idle(tenant);
    }

    /// Lets go of the line of `tenant` if there is nothing in it.
    pub(super) fn forget_if_idle(&mut self, tenant: &TenantId) {
        if self.lines.get(tenant).is_some_and(|line| line.taken == 0 && line.waiters.is_empty() && !line.has_turn) {
            self.lines.remove(tenant);
        }
    }

    fn takes_turn(&mut self, tenant: &TenantId) -> bool {
        let line = self.line(tenant);
        let takes = !line.waiters.is_empty() && !line.has_turn;
        line.has_turn |= takes;
        self.forget_if_idle(tenant);
        takes
    }

    /// Tenants that are known.
    #[cfg(test)]
    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }
}
