//! What slots synchronise with.
//!
//! In a file of its own, so that the tests can put in its place what lets them try every order of events.

pub(super) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

pub(super) use arc_swap::ArcSwapOption as Swap;

/// Locks for a short section without an `await`. A panic elsewhere leaves nothing half done in these sections.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
