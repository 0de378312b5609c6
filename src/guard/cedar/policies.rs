//! Policies, out of a file or a folder of files: read, held against the published schema, and read again when they change.
//!
//! All of them are one set. A set of which anything is wrong is not used at all: what was in use stays. A change is taken over once it has stood still for a moment, so
//! that a file that is being written is next to never read (one that is moved into place never is); several files are changed at once where the folder is replaced as a whole.

mod faults;
mod files;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use cedar_policy::{Effect, PolicyId, PolicySet, ValidationMode};

use self::{
    faults::Faults,
    files::{Look, Source},
};
use super::{published::Published, reach::Reach, slices::Slices};
use crate::{config::ConfigErrors, telemetry::Metrics};

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// Looks, until a change that does not stand still is left to the next watching.
const SETTLES: usize = 5;
/// Policies that a line of the log names as added, and as removed.
const MOST_SAID: usize = 20;
/// Longest id of a policy.
const ID_BYTES: usize = 128;

/// The policies of a configuration, as they are now.
#[derive(Debug)]
pub struct Policies {
    path: PathBuf,
    current: ArcSwap<Loaded>,
    /// Kept beside the content: watching may be stopped anywhere and begun again, and goes on from what is current.
    looks: Mutex<Looks>,
    interval: Duration,
}

/// What was found of the files.
#[derive(Debug, Clone, Copy)]
struct Looks {
    /// When they were last read, whether or not they could be used.
    done: Look,
    /// At the last look.
    last: Look,
    /// Whether what was read last is in use.
    are_current: bool,
}

/// Policies that are valid.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) slices: Slices,
    pub(super) reach: Reach,
}

impl Policies {
    /// Reads `path`, a file or a folder of files that end in `.cedar`.
    ///
    /// # Errors
    /// Everything that is wrong, with file, line and column.
    pub fn open(path: &Path) -> Result<Self, ConfigErrors> {
        Self::open_polling(path, INTERVAL)
    }

    pub(super) fn open_polling(path: &Path, interval: Duration) -> Result<Self, ConfigErrors> {
        let source = Source::read(path);
        let look = source.look();
        let loaded = Loaded::read(source)?;
        Ok(Self {
            path: path.to_owned(),
            current: ArcSwap::from_pointee(loaded),
            looks: Mutex::new(Looks { done: look, last: look, are_current: true }),
            interval,
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.current.load().count()
    }

    pub(super) fn current(&self) -> Guard<Arc<Loaded>> {
        self.current.load()
    }

    /// Takes over every change, until dropped.
    pub async fn watch(&self, metrics: &Metrics) {
        loop {
            tokio::time::sleep(self.interval).await;
            self.look(metrics).await;
        }
    }

    /// Takes over a change now, if there is one, as soon as it stands still.
    pub async fn settle(&self, metrics: &Metrics) {
        for _ in 0..SETTLES {
            if self.look(metrics).await {
                return;
            }
            tokio::time::sleep(self.interval).await;
        }
    }

    /// One look, which takes over a change that was there at the last one. Says whether nothing is left to be taken over.
    async fn look(&self, metrics: &Metrics) -> bool {
        let Looks { done, last, are_current } = *self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || {
            let source = Source::read(&path);
            let look = source.look();
            // Changed, and the same as at the last look.
            let settled = (look != done && look == last).then(|| Loaded::read(source));
            (look, settled)
        });
        let Ok((look, settled)) = read.await else { return false };
        // Also done after a failure: one message a change, not one a look.
        let done = if settled.is_some() { look } else { done };
        let are_current = settled.as_ref().map_or(are_current, Result::is_ok);
        *self.looks.lock().unwrap_or_else(PoisonError::into_inner) = Looks { done, last: look, are_current };
        metrics.policies_current(are_current);
        let Some(outcome) = settled else { return look == done };
        metrics.config_reload("policies", outcome.is_ok());
        match outcome {
            Ok(loaded) => {
                let (old, new) = (self.current.load().ids(), loaded.ids());
                let only = |some: &BTreeSet<String>, others: &BTreeSet<String>| {
                    some.difference(others).take(MOST_SAID).map(String::as_str).collect::<Vec<_>>().join(", ")
                };
                let (added, removed) = (only(&new, &old), only(&old, &new));
                tracing::info!(path = %self.path.display(), policies = loaded.count(), added, removed, "changed policies in use");
                self.current.store(Arc::new(loaded));
            }
            Err(errors) => {
                tracing::error!(path = %self.path.display(), %errors, "the changed policies cannot be used; the old ones stay in use");
            }
        }
        true
    }
}

impl Loaded {
    fn count(&self) -> usize {
        self.slices.all().num_of_policies()
    }

    fn ids(&self) -> BTreeSet<String> {
        self.slices.all().policies().map(|policy| policy.id().to_string()).collect()
    }

    fn read(source: Source) -> Result<Self, ConfigErrors> {
        let mut faults = Faults::new(source)?;
        let (mut set, mut owners) = (PolicySet::new(), Vec::new());
        for number in 0..faults.len() {
            let Some(policies) = faults.parse(number) else { continue };
            for policy in policies {
                let Some(id) = faults.id_of(number, &policy.policy, policy.number) else { continue };
                match set.add(policy.policy.new_id(PolicyId::new(&id))) {
                    Ok(()) => owners.push((id, number)),
                    Err(_) => faults.twice(number, &id),
                }
            }
        }
        faults.none_yet()?;
        let published = Published::get().map_err(|why| faults.whole(format!("the schema is none, which is a fault of Palisade: {why}")))?;
        let found = published.validator.validate(&set, ValidationMode::Strict);
        let owner = |id: &PolicyId| owners.iter().find(|(known, _)| known.as_str() == AsRef::<str>::as_ref(id)).map(|(_, number)| *number);
        // The first that is said of a policy says it best: one mistake is one for each action that it is about.
        let mut told = BTreeSet::new();
        for error in found.validation_errors() {
            if told.insert(error.policy_id().clone()) {
                faults.invalid(owner(error.policy_id()), error);
            }
        }
        faults.none_yet()?;
        // What can never hold, or reads otherwise than it looks, is a mistake in whatever is to keep somebody out.
        for warning in found.validation_warnings() {
            if told.insert(warning.policy_id().clone()) {
                faults.invalid(owner(warning.policy_id()), warning);
            }
        }
        faults.none_yet()?;
        // A set that only forbids is a mistake of whoever takes it for what the rules allow, less something.
        if !set.policies().any(|policy| policy.effect() == Effect::Permit) {
            return Err(faults.permits_nothing());
        }
        Ok(Self { reach: Reach::of(set.policies(), &published.names), slices: Slices::new(set, &published.names) })
    }
}
