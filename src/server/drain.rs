//! Ending well: one signal that says "finish what you have", and a wait with a deadline.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Semaphore, watch};

/// The side that says when. Any clone of it may; saying it twice is harmless.
#[derive(Debug, Clone)]
pub struct DrainHandle(watch::Sender<bool>);

impl DrainHandle {
    /// Starts the drain. There is no way back.
    pub fn start(&self) {
        self.0.send_replace(true);
    }
}

/// The side that is told.
#[derive(Debug, Clone)]
pub struct Drain(watch::Receiver<bool>);

impl Drain {
    /// Both sides. Without any handle left, the drain never starts.
    pub fn new() -> (DrainHandle, Self) {
        let (sender, receiver) = watch::channel(false);
        (DrainHandle(sender), Self(receiver))
    }

    /// Waits for the start; returns at once when it was before.
    pub async fn started(&self) {
        let mut started = self.0.clone();
        if started.wait_for(|started| *started).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the drain has started.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow()
    }
}

/// How a drain ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The deadline passed.
    Overdue {
        /// Connections that are still there.
        open: usize,
    },
    /// Nothing is open any more.
    Quietly,
}

/// Waits until all `total` permits are back, for `deadline` at most.
pub(super) async fn wait(permits: &Arc<Semaphore>, total: u32, deadline: Duration) -> Ended {
    match tokio::time::timeout(deadline, permits.acquire_many(total)).await {
        Ok(_) => Ended::Quietly,
        Err(_) => Ended::Overdue { open: (total as usize).saturating_sub(permits.available_permits()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_start_reaches_those_who_wait_and_those_who_come_later() {
        let (handle, drain) = Drain::new();
        assert!(!drain.is_draining());
        let early = tokio::spawn({
            let drain = drain.clone();
            async move { drain.started().await }
        });
        handle.clone().start();
        handle.start();
        early.await.unwrap();
        drop(handle);
        drain.started().await;
        assert!(drain.is_draining());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_handle_it_never_starts() {
        let (handle, drain) = Drain::new();
        drop(handle);
        assert!(tokio::time::timeout(Duration::from_secs(3_600), drain.started()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_says_how_it_ended() {
        let permits = Arc::new(Semaphore::new(3));
        let held = permits.clone().try_acquire_owned().unwrap();
        assert_eq!(wait(&permits, 3, Duration::from_secs(25)).await, Ended::Overdue { open: 1 });
        drop(held);
        assert_eq!(wait(&permits, 3, Duration::from_secs(25)).await, Ended::Quietly);
    }
}
