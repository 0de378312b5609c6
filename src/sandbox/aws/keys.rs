//! The access keys that the double knows: one base identity, and the temporary keys that STS issued.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::SystemTime,
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::{failure::Failure, observe::lock, principal::Principal};
use crate::secret::Secret;

/// All keys. Bounded: when `max_sessions` unexpired ones are out, STS throttles.
pub(super) struct KeyRing {
    base_id: String,
    base: Known,
    /// Held for map operations only, never across an await.
    sessions: Mutex<HashMap<String, Temporary>>,
    max_sessions: usize,
}

/// What an access key id stands for.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) secret: Secret,
    pub(super) principal: Arc<Principal>,
}

struct Temporary {
    known: Known,
    token: Secret,
    expires: SystemTime,
}

/// A set of temporary credentials, as handed to the one who assumed the role.
pub(super) struct Issued {
    pub(super) access_key_id: String,
    pub(super) secret: Secret,
    pub(super) token: Secret,
}

impl KeyRing {
    pub(super) fn new(base_id: String, secret: Secret, principal: Arc<Principal>, max_sessions: usize) -> Self {
        Self { base_id, base: Known { secret, principal }, sessions: Mutex::default(), max_sessions }
    }

    /// Whose key it is. A temporary key needs its own session token, and the base key none.
    pub(super) fn identify(&self, access_key_id: &str, token: Option<&str>, now: SystemTime) -> Result<Known, Failure> {
        if access_key_id == self.base_id {
            return if token.is_some() { Err(Failure::BadToken) } else { Ok(self.base.clone()) };
        }
        let sessions = self.sessions();
        let session = sessions.get(access_key_id).ok_or(Failure::UnknownKey)?;
        // Without its token AWS does not know a temporary key at all.
        let token = token.ok_or(Failure::UnknownKey)?;
        if !session.token.matches(token.as_bytes()) {
            return Err(Failure::BadToken);
        }
        if session.expires <= now {
            return Err(Failure::Expired);
        }
        Ok(session.known.clone())
    }

    /// The secret behind an access key id, expired or not. Says nothing about whether the key may be used.
    pub(super) fn secret(&self, access_key_id: &str) -> Option<Secret> {
        if access_key_id == self.base_id {
            return Some(self.base.secret.clone());
        }
        self.sessions().get(access_key_id).map(|s| s.known.secret.clone())
    }

    /// Makes new random keys for a session of `principal`.
    pub(super) fn issue(&self, principal: Arc<Principal>, expires: SystemTime, now: SystemTime) -> Result<Issued, Failure> {
        let issued = Issued {
            access_key_id: format!("ASIA{}", id_text(&random::<10>()?)),
            secret: Secret::new(STANDARD_NO_PAD.encode(random::<30>()?)),
            token: Secret::new(STANDARD_NO_PAD.encode(random::<192>()?)),
        };
        let mut sessions = self.sessions();
        if sessions.len() >= self.max_sessions {
            sessions.retain(|_, s| s.expires > now);
        }
        if sessions.len() >= self.max_sessions {
            return Err(Failure::Throttled);
        }
        let known = Known { secret: issued.secret.clone(), principal };
        sessions.insert(issued.access_key_id.clone(), Temporary { known, token: issued.token.clone(), expires });
        Ok(issued)
    }

    /// Ends every session now; their keys answer as expired.
    pub(super) fn expire_all(&self, now: SystemTime) {
        for session in self.sessions().values_mut() {
            session.expires = session.expires.min(now);
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Temporary>> {
        lock(&self.sessions)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("base_id", &self.base_id).finish_non_exhaustive()
    }
}

/// `N` bytes of the operating system's randomness.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Failure::Unavailable)?;
    Ok(bytes)
}

/// The alphabet of AWS's unique ids (RFC 4648 base 32, no padding): eight characters for every five bytes.
pub(super) fn id_text(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(bytes.len() * 8 / 5);
    for group in bytes.chunks_exact(5) {
        let bits = group.iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
        text.extend((0..8).rev().map(|i| char::from(ALPHABET[(bits >> (i * 5)) as usize & 31])));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::sandbox::aws::policy::Context;

    fn principal() -> Arc<Principal> {
        Arc::new(Principal {
            arn: String::new(),
            user_id: String::new(),
            account: String::new(),
            names: Vec::new(),
            facts: Context::default(),
            layers: Vec::new(),
            session: None,
        })
    }

    #[test]
    fn keys_need_their_own_token_and_expire() {
        let ring = KeyRing::new("AKIABASE".to_owned(), Secret::new("s".to_owned()), principal(), 2);
        let (now, later) = (UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(900));
        let (a, b) = (ring.issue(principal(), later, now).unwrap(), ring.issue(principal(), later, now).unwrap());
        let fails = |id: &str, token: Option<&str>, at| ring.identify(id, token, at).err();
        assert_eq!(fails(&a.access_key_id, Some(a.token.expose()), now), None);
        assert_eq!(fails(&a.access_key_id, Some(b.token.expose()), now), Some(Failure::BadToken));
        assert_eq!(fails(&a.access_key_id, None, now), Some(Failure::UnknownKey));
        assert_eq!(fails(&a.access_key_id, Some(a.token.expose()), later), Some(Failure::Expired));
        assert_eq!(fails("AKIABASE", None, later), None);
        assert_eq!(fails("AKIABASE", Some(a.token.expose()), now), Some(Failure::BadToken));
        assert_eq!(fails("ASIANONE", Some("x"), now), Some(Failure::UnknownKey));
        assert_eq!(ring.issue(principal(), later, now).err(), Some(Failure::Throttled));
        assert!(ring.issue(principal(), later + Duration::from_secs(1), later).is_ok(), "expired keys were not let go");
    }

    #[test]
    fn ids_look_like_those_of_aws() {
        assert_eq!(id_text(b"fooba"), "MZXW6YTB");
        let ring = KeyRing::new("AKIABASE".to_owned(), Secret::new("s".to_owned()), principal(), 2);
        let issued = ring.issue(principal(), UNIX_EPOCH, UNIX_EPOCH).unwrap();
        assert_eq!((issued.access_key_id.len(), issued.secret.expose().len()), (20, 40));
        assert!(!format!("{ring:?}").contains(issued.secret.expose()));
    }
}
