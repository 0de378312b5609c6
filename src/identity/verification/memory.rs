//! Tokens that were good, so that the expensive part is done once a token.
//!
//! Bounded in entries and in bytes. Owners share the room: an issuer, and in an issuer a tenant, may have all of it while
//! nobody else wants any; when it is full, whoever has the most makes room, so that neither a tenant with very many tokens nor
//! an issuer of a customer's own can push out, or keep out, those of the others. Within an owner the token unused for
//! longest goes, or nearly: one that was used since it was last looked at gets a second chance (the clock algorithm), so
//! that a hit costs a flag and no lock.
//!
//! Nothing is searched for in a request: the owner with the most, its oldest entry, and what has expired are each found in
//! an ordered map. What is remembered here is looked at, never believed: the verifier asks of each hit whether it still holds.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use dashmap::DashMap;

use crate::{config::TokenCacheConfig, telemetry::Metrics};

/// The digest of a whole token.
pub(in crate::identity) type Key = [u8; 32];

/// What the books take for an entry, besides the value.
const BOOKS: usize = 640;
/// Looks at used entries before one of them goes all the same.
const CHANCES: usize = 16;
/// Expired entries that a newcomer clears away at most: more than one, so that they become fewer.
const CLEARED: usize = 4;

/// The table.
#[derive(Debug)]
pub(in crate::identity) struct Memory<V> {
    entries: DashMap<Key, Held<V>>,
    books: Mutex<Books>,
    room: Room,
    metrics: Metrics,
}

#[derive(Debug)]
struct Held<V> {
    value: Arc<V>,
    used: AtomicBool,
}

/// What an entry is put down to.
#[derive(Debug)]
pub(in crate::identity) struct Account {
    /// Who made the token.
    pub(in crate::identity) issuer: Arc<str>,
    /// In that issuer: the tenant.
    pub(in crate::identity) owner: Arc<str>,
    /// Bytes.
    pub(in crate::identity) weight: usize,
    /// When it ends.
    pub(in crate::identity) expires: SystemTime,
}

/// Why an entry went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::identity) enum Gone {
    /// Room was needed.
    Crowded,
    /// Past its end.
    Expired,
    /// The directory or an operator said so.
    Forgotten,
    /// Its issuer's keys have changed.
    Stale,
}

impl Gone {
    fn as_str(self) -> &'static str {
        match self {
            Self::Crowded => "crowded",
            Self::Expired => "expired",
            Self::Forgotten => "forgotten",
            Self::Stale => "stale",
        }
    }
}

impl<V> Memory<V> {
    pub(in crate::identity) fn new(config: &TokenCacheConfig, metrics: Metrics) -> Self {
        let room = Room { entries: config.entries, bytes: config.bytes };
        Self { entries: DashMap::new(), books: Mutex::default(), room, metrics }
    }

    /// What is remembered under `key`, marked as used.
    pub(in crate::identity) fn get(&self, key: &Key) -> Option<Arc<V>> {
        let held = self.entries.get(key)?;
        // Written only where it changes something: many threads may be reading the same token.
        if !held.used.load(Ordering::Relaxed) {
            held.used.store(true, Ordering::Relaxed);
        }
        Some(held.value.clone())
    }

    /// Remembers `value`, at the cost of whoever has the most. Not at all where it is larger than the room.
    pub(in crate::identity) fn insert(&self, key: Key, value: Arc<V>, account: Account, now: SystemTime) {
        let weight = account.weight.saturating_add(BOOKS);
        if weight > self.room.bytes || self.room.entries == 0 {
            return;
        }
        let mut books = self.lock();
        // Checked twice at the same time, by two requests: the first entry stands.
        if books.places.contains_key(&key) {
            return;
        }
        for _ in 0..CLEARED {
            let Some(expired) = books.expired(now) else { break };
            self.drop_entry(&mut books, &expired, Gone::Expired);
        }
        while books.all.with(weight).exceeds(self.room) {
            let Some(victim) = self.victim(&mut books, &account) else { break };
            self.drop_entry(&mut books, &victim, Gone::Crowded);
        }
        books.add(key, Account { weight, ..account }, self.room);
        self.entries.insert(key, Held { value, used: AtomicBool::new(false) });
        self.report(&books);
    }

    /// Forgets what is under `key`, if anything is.
    pub(in crate::identity) fn remove(&self, key: &Key, why: Gone) {
        let mut books = self.lock();
        self.drop_entry(&mut books, key, why);
        self.report(&books);
    }

    /// Forgets what `doomed` chooses; how many went. Looks at every entry: for changes of the directory, not for requests.
    pub(in crate::identity) fn forget_where(&self, doomed: impl Fn(&V) -> bool) -> usize {
        let keys: Vec<Key> = self.entries.iter().filter(|entry| doomed(&entry.value)).map(|entry| *entry.key()).collect();
        let mut books = self.lock();
        let gone = keys.iter().filter(|key| self.drop_entry(&mut books, key, Gone::Forgotten)).count();
        self.report(&books);
        gone
    }

    /// The entry that goes for `newcomer`: the oldest of who has the most, unless it was used lately.
    fn victim(&self, books: &mut Books, newcomer: &Account) -> Option<Key> {
        for _ in 0..CHANCES {
            let key = books.next_to_go(newcomer, self.room)?;
            let used = self.entries.get(&key).is_some_and(|held| held.used.swap(false, Ordering::Relaxed));
            if !used {
                return Some(key);
            }
            books.renew(&key, self.room);
        }
        books.next_to_go(newcomer, self.room)
    }

    fn drop_entry(&self, books: &mut Books, key: &Key, why: Gone) -> bool {
        let known = books.remove(key, self.room);
        if known {
            self.entries.remove(key);
            self.metrics.token_cache_removal(why.as_str());
        }
        known
    }

    fn report(&self, books: &Books) {
        self.metrics.token_cache_entries.set(i64::try_from(books.all.entries).unwrap_or(i64::MAX));
        self.metrics.token_cache_bytes.set(i64::try_from(books.all.bytes).unwrap_or(i64::MAX));
    }

    /// Nothing panics inside.
    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(in crate::identity) fn len(&self) -> usize {
        let books = self.lock();
        books.assert_sound(self.room);
        assert_eq!(books.places.len(), self.entries.len());
        books.all.entries
    }
}

/// The bounds.
#[derive(Debug, Clone, Copy)]
struct Room {
    entries: usize,
    bytes: usize,
}

/// What somebody has of the room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Usage {
    entries: usize,
    bytes: usize,
}

impl Usage {
    fn exceeds(self, room: Room) -> bool {
        self.entries > room.entries || self.bytes > room.bytes
    }

    /// The part of the room that it takes, in billionths: of the entries or of the bytes, whichever is more.
    fn share(self, room: Room) -> u64 {
        let part = |of: usize, all: usize| (of as u128 * 1_000_000_000 / all.max(1) as u128) as u64;
        part(self.entries, room.entries).max(part(self.bytes, room.bytes))
    }

    fn with(self, weight: usize) -> Self {
        Self { entries: self.entries + 1, bytes: self.bytes + weight }
    }

    fn add(&mut self, weight: usize) {
        *self = self.with(weight);
    }

    fn take(&mut self, weight: usize) {
        self.entries -= 1;
        self.bytes -= weight;
    }
}

/// Who has what. Every entry is in all of it, or in none.
#[derive(Debug, Default)]
struct Books {
    all: Usage,
    /// Numbers entries by age; an entry that gets a second chance is as good as new.
    next: u64,
    places: HashMap<Key, Place>,
    issuers: HashMap<Arc<str>, Issuer>,
    expiry: BTreeSet<(SystemTime, Key)>,
}

#[derive(Debug)]
struct Place {
    issuer: Arc<str>,
    owner: Arc<str>,
    number: u64,
    weight: usize,
    expires: SystemTime,
}

#[derive(Debug, Default)]
struct Issuer {
    usage: Usage,
    owners: HashMap<Arc<str>, Owner>,
    /// By share of the room; among equals, whose oldest entry is older comes last.
    ranks: BTreeMap<Rank, Arc<str>>,
}

type Rank = (u64, Reverse<u64>);

#[derive(Debug, Default)]
struct Owner {
    usage: Usage,
    /// By number.
    entries: BTreeMap<u64, Key>,
}

impl Owner {
    /// `None` without an entry.
    fn rank(&self, room: Room) -> Option<Rank> {
        let (oldest, _) = self.entries.first_key_value()?;
        Some((self.usage.share(room), Reverse(*oldest)))
    }
}

impl Issuer {
    /// Changes an owner, and moves it to where it then stands; one without an entry goes.
    fn change(&mut self, name: &Arc<str>, room: Room, change: impl FnOnce(&mut Owner)) {
        let owner = self.owners.entry(name.clone()).or_default();
        let before = owner.rank(room);
        change(owner);
        let after = owner.rank(room);
        if let Some(before) = before {
            self.ranks.remove(&before);
        }
        match after {
            Some(after) => drop(self.ranks.insert(after, name.clone())),
            None => drop(self.owners.remove(name)),
        }
    }
}

impl Books {
    fn add(&mut self, key: Key, account: Account, room: Room) {
        let Account { issuer, owner, weight, expires } = account;
        let number = self.number();
        self.all.add(weight);
        let of_issuer = self.issuers.entry(issuer.clone()).or_default();
        of_issuer.usage.add(weight);
        of_issuer.change(&owner, room, |owner| {
            owner.usage.add(weight);
            owner.entries.insert(number, key);
        });
        self.expiry.insert((expires, key));
        self.places.insert(key, Place { issuer, owner, number, weight, expires });
    }

    fn remove(&mut self, key: &Key, room: Room) -> bool {
        let Some(place) = self.places.remove(key) else { return false };
        self.expiry.remove(&(place.expires, *key));
        self.all.take(place.weight);
        if let Some(issuer) = self.issuers.get_mut(&place.issuer) {
            issuer.usage.take(place.weight);
            issuer.change(&place.owner, room, |owner| {
                owner.usage.take(place.weight);
                owner.entries.remove(&place.number);
            });
            if issuer.owners.is_empty() {
                self.issuers.remove(&place.issuer);
            }
        }
        true
    }

    /// Makes an entry the newest of its owner.
    fn renew(&mut self, key: &Key, room: Room) {
        let number = self.number();
        let Some(place) = self.places.get_mut(key) else { return };
        let old = std::mem::replace(&mut place.number, number);
        if let Some(issuer) = self.issuers.get_mut(&place.issuer) {
            issuer.change(&place.owner, room, |owner| {
                owner.entries.remove(&old);
                owner.entries.insert(number, *key);
            });
        }
    }

    /// Of the issuer that has the most, of the owner that has the most, the oldest entry. Among equals it is the newcomer's own
    /// that goes, since with the newcomer they would have more. Issuers are few: those of the configuration.
    fn next_to_go(&self, newcomer: &Account, room: Room) -> Option<Key> {
        let most = self.issuers.iter().max_by_key(|(name, issuer)| (issuer.usage.share(room), **name == newcomer.issuer));
        let (_, issuer) = most?;
        let ((most, _), name) = issuer.ranks.last_key_value()?;
        let first = issuer.owners.get(name)?;
        let own = issuer.owners.get(&newcomer.owner).filter(|own| own.usage.share(room) == *most);
        own.unwrap_or(first).entries.first_key_value().map(|(_, key)| *key)
    }

    fn expired(&self, now: SystemTime) -> Option<Key> {
        self.expiry.first().filter(|(expires, _)| *expires <= now).map(|(_, key)| *key)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests;
