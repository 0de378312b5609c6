//! What the directories say: of tenants and what is revoked, in a file as operators write it, and of users. Each has a yesterday, when nothing
//! had been taken from anybody.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::*;
use crate::{
    config::{DirectoryConfig, OnSuspend},
    directory::{Changes, Directory},
    identity::UserStatus,
};

/// An issuer that may speak for the tenants whose records name it.
pub(super) const BOUND: &str = "https://bound.test/";
/// An issuer that does not limit how long its tokens last.
pub(super) const LASTING: &str = "https://lasting.test/";

/// What was made before is revoked, whoever's it is.
pub(super) const MOMENT: u64 = NOW - 3_000;
const MOMENT_TEXT: &str = "2027-01-15T07:10:00Z";
/// The same, for the tenants with a list of their own.
pub(super) const MOMENT_HERE: u64 = NOW - 2_000;
const MOMENT_HERE_TEXT: &str = "2027-01-15T07:26:40Z";
/// What was made before is revoked, of the users who were signed out.
pub(super) const SIGNED_OUT: u64 = NOW - 100;
const SIGNED_OUT_TEXT: &str = "2027-01-15T07:58:20Z";

/// A day.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Day {
    Yesterday,
    Today,
}

/// The directory of tenants on a day.
pub(super) fn tenants(day: Day, users: Option<Arc<dyn Users>>) -> Arc<Directory> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenants.yaml");
    std::fs::write(&path, records(day)).unwrap();
    let directory = Directory::open(&DirectoryConfig::File(path), None).unwrap();
    Arc::new(directory.with_users(users, Changes::default(), OnSuspend::default()))
}

fn records(day: Day) -> String {
    if day == Day::Yesterday {
        let ids = ["acme", "globex", "hooli", "initech", "umbrella", "ghost", "soylent", "vandelay"];
        let tenants: Vec<_> = ids.iter().map(|id| format!("{id}: {{attributes: {{idp: '{BOUND}'}}}}")).collect();
        return format!("tenants: {{{}}}\n", tenants.join(", "));
    }
    // Every tenant but hooli has a list of its own, so that it is asked whatever else is wrong with the tenant.
    let (own, all) = (list("-here", MOMENT_HERE_TEXT), list("", MOMENT_TEXT));
    format!(
        "tenants:
  acme: {{attributes: {{idp: '{BOUND}'}}, revoked: {own}}}
  globex: {{revoked: {own}}}
  hooli: {{attributes: {{idp: '{BOUND}'}}}}
  initech: {{status: suspended, revoked: {own}}}
  umbrella: {{revoked: {own}}}
  soylent: {{attributes: {{idp: 'https://other.test/'}}, revoked: {own}}}
  vandelay: {{attributes: {{idp: 'https://bound.test'}}, revoked: {own}}}
revoked: {all}
"
    )
}

/// A deny-list; `suffix` tells its names from those of another.
fn list(suffix: &str, moment: &str) -> String {
    format!(
        "{{issued_before: {moment}, subjects: [{{issuer: '{ISSUER}', subject: gone{suffix}}}, \
         {{issuer: '{ISSUER}', subject: signed-out{suffix}, issued_before: {SIGNED_OUT_TEXT}}}, \
         {{issuer: '{WORKLOAD_ISSUER}', subject: 'spiffe://prod/ns/acme/leaver{suffix}'}}], \
         tokens: [{{issuer: '{ISSUER}', id: leaked{suffix}}}]}}"
    )
}

/// The users.
#[derive(Debug, Default)]
pub(super) struct Residents {
    is_yesterday: AtomicBool,
}

impl Residents {
    pub(super) fn set(&self, day: Day) {
        self.is_yesterday.store(day == Day::Yesterday, Ordering::Relaxed);
    }

    fn look(&self, issuer: &str, subject: &str) -> Result<UserRecord, Reason> {
        let good = users::record(Some("acme"), &[("acme", &["reader"])]);
        if self.is_yesterday.load(Ordering::Relaxed) {
            return Ok(good);
        }
        match (issuer, subject) {
            (ISSUER, "unlucky") => Err(Reason::UsersUnavailable),
            (ISSUER, "suspended") => Ok(UserRecord { status: UserStatus::Suspended, ..good }),
            (ISSUER, "turned") => Ok(users::record(Some("globex"), &[("acme", &["reader"]), ("globex", &[])])),
            (ISSUER, "undecided") => Ok(UserRecord { active_tenant: None, ..good }),
            (ISSUER, "left") => Ok(users::record(Some("acme"), &[("globex", &[])])),
            (ISSUER, "of-umbrella") => Ok(users::record(Some("umbrella"), &[("umbrella", &[])])),
            (ISSUER, "stranger") | (BOUND, _) => Err(Reason::UserUnknown),
            _ => Ok(good),
        }
    }
}

impl Users for Residents {
    fn find<'a>(&'a self, issuer: &'a str, subject: &'a str) -> BoxFuture<'a, Result<Arc<UserRecord>, Refusal>> {
        Box::pin(std::future::ready(self.look(issuer, subject).map(Arc::new).map_err(Refusal::from)))
    }

    fn recall(&self, _: &str, _: &str) -> Recalled {
        Recalled::Nothing
    }

    fn recheck(&self) -> Option<Duration> {
        None
    }
}
