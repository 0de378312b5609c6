//! Calls that wait, each behind those of its own tenant, and tenants in turns. Knows nothing of rates.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use super::Place;
use crate::credentials::Owner;

/// The tenants with a first call in progress or waiting, and no others.
#[derive(Default)]
pub(super) struct Queue {
    lines: HashMap<Owner, Line>,
    /// Tenants with somebody waiting, the next one first, each once.
    turns: VecDeque<Owner>,
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

    /// The line of `owner`; a new one where there was none, to be used or [forgotten](Self::forget_if_idle).
    pub(super) fn line(&mut self, owner: &Owner) -> &mut Line {
        self.lines.entry(owner.clone()).or_default()
    }

    /// One more call of `owner`, behind those that wait already.
    pub(super) fn push(&mut self, owner: &Owner, waiter: Waiter) {
        self.waiting += 1;
        self.line(owner).waiters.push_back(waiter);
        self.turn(owner.clone());
    }

    /// The tenant whose turn it is. It has to be given [another turn](Self::turn), or this one [back](Self::unturn).
    pub(super) fn next(&mut self) -> Option<Owner> {
        let owner = self.turns.pop_front()?;
        self.line(&owner).has_turn = false;
        Some(owner)
    }

    /// The first call of `owner`.
    pub(super) fn pop(&mut self, owner: &Owner) -> Option<Waiter> {
        let waiter = self.line(owner).waiters.pop_front();
        self.waiting -= usize::from(waiter.is_some());
        waiter
    }

    /// A turn for `owner`, behind all others, if it has a call that waits and no turn yet.
    pub(super) fn turn(&mut self, owner: Owner) {
        if self.takes_turn(&owner) {
            self.turns.push_back(owner);
        }
    }

    /// As [`Self::turn`], before all others.
    pub(super) fn unturn(&mut self, owner: Owner) {
        if self.takes_turn(&owner) {
            self.turns.push_front(owner);
        }
    }

    /// Lets go of the calls of `owner` that have gone away.
    pub(super) fn sweep(&mut self, owner: &Owner) {
        let line = self.line(owner);
        let before = line.waiters.len();
        line.waiters.retain(|waiter| !waiter.give.is_closed());
        let gone = before - line.waiters.len();
        self.waiting -= gone;
        self.forget_if_idle(owner);
    }

    /// Lets go of the line of `owner` if there is nothing in it.
    pub(super) fn forget_if_idle(&mut self, owner: &Owner) {
        if self.lines.get(owner).is_some_and(|line| line.taken == 0 && line.waiters.is_empty() && !line.has_turn) {
            self.lines.remove(owner);
        }
    }

    fn takes_turn(&mut self, owner: &Owner) -> bool {
        let line = self.line(owner);
        let takes = !line.waiters.is_empty() && !line.has_turn;
        line.has_turn |= takes;
        self.forget_if_idle(owner);
        takes
    }

    /// Tenants that are known.
    #[cfg(test)]
    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }
}
