//! Until when what a client showed in its handshake may be relied on.

use std::time::SystemTime;

use tokio::{sync::watch, time::Instant};

use crate::clock::Clock;

/// How long a client's certificate is good for its connection: until it expires, and until whom to trust changes.
///
/// A connection may live for days, and its certificate was looked at once. When its time is over the connection takes no new request; what is
/// in progress goes on.
#[derive(Debug)]
pub(super) struct Trust(Option<Limits>);

#[derive(Debug)]
struct Limits {
    in_force: watch::Receiver<()>,
    /// `None` where it is too far off to be reached.
    expires: Option<Instant>,
}

impl Trust {
    /// Of a connection whose client showed nothing that could end.
    pub(super) const NONE: Self = Self(None);

    /// Of a client whose certificate ends at `not_after`, taken on the terms that are `in_force`.
    pub(super) fn new(in_force: watch::Receiver<()>, not_after: SystemTime, clock: &Clock) -> Self {
        let life = not_after.duration_since(clock.now()).unwrap_or_default();
        Self(Some(Limits { in_force, expires: Instant::now().checked_add(life) }))
    }

    /// Returns when it is over; never, without a certificate.
    pub(super) async fn ended(&self) {
        // In a box, because most connections have none of this and would carry its room.
        match &self.0 {
            None => std::future::pending().await,
            Some(limits) => Box::pin(limits.ended()).await,
        }
    }
}

impl Limits {
    async fn ended(&self) {
        let mut in_force = self.in_force.clone();
        let expired = async {
            match self.expires {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Fails when the sender is gone, which is the signal.
            _ = in_force.changed() => {}
            () = expired => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_certificate_and_with_the_terms() {
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000));
        let (terms, in_force) = watch::channel(());
        let trust = |end: u64| Trust::new(in_force.clone(), UNIX_EPOCH + Duration::from_secs(end), &clock);
        let hour = trust(4_600);
        assert!(tokio::time::timeout(Duration::from_secs(3_599), hour.ended()).await.is_err());
        tokio::time::timeout(Duration::from_secs(2), hour.ended()).await.unwrap();
        assert!(trust(999).ended().now_or_never().is_some(), "it has expired already");

        let century = trust(3_155_760_000);
        assert!(tokio::time::timeout(Duration::from_secs(86_400), century.ended()).await.is_err());
        drop(terms);
        tokio::time::timeout(Duration::from_millis(1), century.ended()).await.unwrap();
        assert!(Trust::NONE.ended().now_or_never().is_none());
    }
}
