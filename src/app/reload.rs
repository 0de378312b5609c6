//! Another configuration for a process that serves: wholly, or not at all.
//!
//! The files are read as at a start, and everything that they ask for is made beside what is in force. Only when all of it is there, and is
//! as ready as the old one was, it takes the old one's place in one step; whatever is wrong leaves the old one in force, and is said. So is
//! a setting that holds for the life of the process: the running configuration is always one that somebody wrote, and never a mixture of
//! two, which nobody has checked.
//!
//! What had been let in by the old rules goes to its end by them. What of it could be used for more is looked at again: passports whose
//! issuer no longer speaks for their tenant end, and those whose request would be given fewer actions; tokens are checked anew, and requests in
//! progress stand or fall with the new directory.

mod base;
mod files;
mod outcome;

use std::{panic::AssertUnwindSafe, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use tokio::{sync::Notify, task::JoinSet};

use self::{
    files::{Files, Trigger},
    outcome::{Outcome, Refused, Rejection, announce, note},
};
use super::{Lasting, front::Served, generation::Generation, memory, probe};
use crate::{
    admin::AdminState,
    audit,
    config::{Change, Config, ConfigError, ConfigErrors, Part, place::Places},
    server,
    telemetry::Recorder,
};

/// How long another configuration may take to become ready.
const READY: Duration = Duration::from_secs(10);
/// How often it is looked whether it is.
const LOOK: Duration = Duration::from_millis(20);
/// Checks that are the same under every configuration.
const OF_THE_PROCESS: &[&str] = &["serving", "memory"];
/// How often files are read for somebody who asks while they change, and the pause in between.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Where a process's configuration came from, and how it is told that there may be another one.
#[derive(Clone)]
pub struct Following {
    path: PathBuf,
    env: fn(&str) -> Option<String>,
    hangup: Arc<Notify>,
    set_log_level: Arc<dyn Fn(tracing::Level) + Send + Sync>,
    /// What happens when everything has been made, and is not ready yet.
    #[cfg(test)]
    made: fn(&Generation),
}

impl Following {
    /// The file at `path`, and what it names. `hangup` asks for a look at once; `set_log_level` is told of another `telemetry.logs.level`.
    pub fn new(path: PathBuf, hangup: Arc<Notify>, set_log_level: Arc<dyn Fn(tracing::Level) + Send + Sync>) -> Self {
        Self {
            path,
            env: |name| std::env::var(name).ok(),
            hangup,
            set_log_level,
            #[cfg(test)]
            made: |_| {},
        }
    }
}

/// Keeps one generation in force, and puts another in its place.
pub(super) struct Reloader {
    lasting: Lasting,
    current: Generation,
    served: Arc<ArcSwap<Served>>,
    background: JoinSet<()>,
}

/// Everything that another configuration needs to be in force.
struct Prepared {
    generation: Generation,
    change: Change,
    certificates: Vec<(Arc<server::ReloadingTls>, server::tls::Prepared)>,
}

impl Reloader {
    /// For `current`, which `served` has been made of.
    pub(super) fn new(lasting: Lasting, current: Generation, served: Arc<ArcSwap<Served>>) -> Self {
        Self { lasting, current, served, background: JoinSet::new() }
    }

    /// Runs what there is beside the listeners, and follows the files, for ever.
    pub(super) async fn run(mut self, following: Option<Following>) {
        self.report();
        self.background = self.current.background.clone().begin();
        let mut always = JoinSet::new();
        for tls in self.lasting.tls.all() {
            let tls = tls.clone();
            always.spawn(async move { tls.watch(server::tls::POLL).await });
        }
        let skew = self.lasting.skew.clone();
        always.spawn(async move { skew.watch().await });
        let Recorder { metrics, clock, .. } = self.lasting.recorder.clone();
        let process = self.lasting.process.clone();
        if let Some(limit) = self.current.config.resources.memory.or_else(memory::limit) {
            always.spawn(async move { memory::watch(limit, &process, &clock, &metrics).await });
        }
        note(None, &self.lasting.recorder);
        match following {
            Some(following) => tokio::select! {
                () = self.follow(&following) => {}
                () = watch_over(&mut always) => {}
            },
            None => tokio::select! {
                () = watch_over(&mut self.background) => {}
                () = watch_over(&mut always) => {}
            },
        }
    }

    async fn follow(&mut self, following: &Following) {
        let mut files = Files::new(self.current.config.companions.looks());
        let mut last = None;
        loop {
            let trigger = tokio::select! {
                trigger = files.next() => trigger,
                () = following.hangup.notified() => Trigger::Hangup,
                () = watch_over(&mut self.background) => continue,
            };
            if trigger == Trigger::Hangup {
                for tls in self.lasting.tls.all() {
                    tls.refresh_now().await;
                }
            }
            self.take(following, &mut files, trigger, &mut last).await;
        }
    }

    /// Reloads, and tells what came of it unless that is what came of it `last`.
    async fn take(&mut self, following: &Following, files: &mut Files, trigger: Trigger, last: &mut Option<Outcome>) {
        let Some(outcome) = self.reload(following, files, trigger).await else { return };
        // What is tried again by itself and fails as before has been said.
        if trigger != Trigger::Again || last.as_ref() != Some(&outcome) {
            announce(&outcome, &following.path, &self.lasting.recorder);
        }
        *last = Some(outcome);
    }

    /// Nothing where files are being written: what they come to say is taken when it has settled.
    async fn reload(&mut self, following: &Following, files: &mut Files, trigger: Trigger) -> Option<Outcome> {
        let new = match read(following, files, trigger).await? {
            Ok(new) => new,
            Err(why) => {
                files.rejected(trigger, &Default::default());
                return Some(Outcome::Rejected(Rejection { part: Refused::Files, why }));
            }
        };
        let looks = new.companions.looks();
        // Nothing that is in force is touched, so whatever it was doing when it failed is nobody's any more.
        let prepared = AssertUnwindSafe(self.prepare(new, following)).catch_unwind().await;
        let fault = |_| {
            let why = "it cannot be prepared; this is a fault of Palisade, see the log".to_owned();
            Err(Rejection { part: Refused::Fault, why })
        };
        Some(match prepared.unwrap_or_else(fault) {
            Ok(Some(prepared)) => {
                files.taken(looks);
                let settings = prepared.change.settings().map(str::to_owned).collect();
                let digest = audit::digest(&prepared.generation.config.effective);
                self.commit(prepared, following);
                Outcome::Applied { settings, digest }
            }
            Ok(None) => {
                files.taken(looks);
                Outcome::Unchanged
            }
            Err(rejection) => {
                files.rejected(trigger, &looks);
                Outcome::Rejected(rejection)
            }
        })
    }

    /// Makes everything that `new` asks for; nothing where it says the same. The error is for operators.
    async fn prepare(&self, new: Config, following: &Following) -> Result<Option<Prepared>, Rejection> {
        let change = self.current.config.change_to(&new);
        if change.is_nothing() {
            return Ok(None);
        }
        let unchangeable = change.of_the_start();
        if !unchangeable.is_empty() {
            return Err(Rejection { part: Refused::Restart, why: holds_for_life(&unchangeable, following).to_string() });
        }
        let certificates = if change.concerns(Part::Certificates) { self.lasting.tls.prepare(&new)? } else { Vec::new() };
        let generation = Generation::build(new, &self.lasting, Some((&self.current, &change))).await?;
        #[cfg(test)]
        (following.made)(&generation);
        self.ready(&generation, &change).await?;
        Ok(Some(Prepared { generation, change, certificates }))
    }

    /// Waits until `new` is as ready as the generation in force is: what works must not stop working.
    async fn ready(&self, new: &Generation, change: &Change) -> Result<(), Rejection> {
        if change.concerns(Part::Base) {
            let tried = base::may_replace(self.current.state.base_works(), || new.state.try_base_identity()).await;
            tried.map_err(|why| Rejection { part: Refused::Credentials, why })?;
        }
        let _reading = new.background.begin_what_is_new(&self.current.background);
        let lacking = || {
            let works: Vec<_> = self.current.state.ready().into_iter().filter(|check| check.ok).map(|check| check.name).collect();
            let was = |name: &str| works.contains(&name) || !self.current.state.ready().iter().any(|check| check.name == name);
            new.state.ready().into_iter().find(|check| !check.ok && !OF_THE_PROCESS.contains(&check.name) && was(check.name))
        };
        let all = async {
            while lacking().is_some() {
                tokio::time::sleep(LOOK).await;
            }
            // No check of a process: users are asked for where somebody asks for them.
            if let Some(users) = new.parts.users.as_ref().filter(|_| !new.has_directory_of(&self.current)) {
                users.answered().await;
            }
        };
        let is_in_time = tokio::time::timeout(READY, all).await.is_ok();
        new.background.look_at_what_is_new(&self.current.background).await;
        let late = |name: &str, detail: &str| format!("it did not become ready within {} s: {name}: {detail}", READY.as_secs());
        match lacking() {
            Some(check) => Err(Rejection { part: Refused::of_check(check.name), why: late(check.name, &check.detail) }),
            None if is_in_time => Ok(()),
            None => Err(Rejection { part: Refused::Directory, why: late("users", "the table has not answered; see the log") }),
        }
    }

    /// Puts `prepared` in force. Nothing here can fail.
    fn commit(&mut self, prepared: Prepared, following: &Following) {
        let Prepared { generation: new, change, certificates } = prepared;
        if change.concerns(Part::Logs) {
            (following.set_log_level)(new.config.telemetry.log_level);
        }
        new.take_over(&self.current, &change);
        self.lasting.process.adopt(new.config.shutdown);
        self.served.store(new.served.clone());
        for (tls, certificate) in certificates {
            tls.adopt(certificate);
        }
        let old = std::mem::replace(&mut self.current, new);
        let parts = &self.current.parts;
        // In this order: they may be the same.
        old.parts.skew.believe(false);
        parts.skew.believe(true);
        let ended = match (&old.parts.passports, &parts.passports) {
            (_, Some(passports)) => passports.end_where(|holder| parts.verifier.vouches_for(holder).is_err()) + passports.end_withdrawn(),
            (Some(before), None) => before.end_where(|_| true),
            (None, None) => 0,
        };
        self.lasting.recorder.metrics.revocations_applied("passports", ended);
        if !self.current.has_directory_of(&old) {
            old.parts.directory.succeeded_by(parts.directory.clone());
        }
        parts.sweep.once();
        self.report();
        // The old tasks end with the old set.
        self.background = self.current.background.clone().begin();
    }

    /// Shows operators the base identity that is in use, and none that was only tried.
    fn report(&self) {
        if let Some(base) = &self.current.parts.base {
            base.report_to(&self.lasting.recorder.metrics);
        }
    }
}

/// Logs what fails, for ever.
async fn watch_over(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a background task failed");
        }
    }
    std::future::pending().await
}

/// Reads a configuration whose files all are what they were before and after it was read: one that is being written may be valid and lack
/// what comes last, and a mount that is replaced in between makes a mixture that nobody wrote. Nothing where there is none yet, unless
/// somebody asked, who is told.
async fn read(following: &Following, files: &mut Files, trigger: Trigger) -> Option<Result<Config, String>> {
    if trigger != Trigger::Hangup {
        return settled(following, files).await;
    }
    for _ in 0..TRIES {
        files.look().await;
        if let Some(read) = settled(following, files).await {
            return Some(read);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Some(Err("its files change while they are read; it is read when they have stood still".to_owned()))
}

async fn settled(following: &Following, files: &mut Files) -> Option<Result<Config, String>> {
    let read = load(following).await;
    let is_so = match &read {
        Ok(config) => files.were_read_as(&config.companions).await,
        Err(_) => files.look().await,
    };
    is_so.then_some(read)
}

/// Reads the configuration and the files that it names, as `palisade check` does.
async fn load(following: &Following) -> Result<Config, String> {
    let Following { path, env, .. } = following.clone();
    let read = tokio::task::spawn_blocking(move || {
        let config = Config::load(&path, &env).map_err(|errors| errors.to_string())?;
        probe(&config, &path.display().to_string()).map_err(|errors| errors.to_string())?;
        Ok(config)
    });
    read.await.unwrap_or_else(|error| Err(format!("it could not be read; this is a fault of Palisade: {error}")))
}

fn holds_for_life(settings: &[&str], following: &Following) -> ConfigErrors {
    let places = Places::open(&following.path);
    let error = |key: &&str| ConfigError {
        file: following.path.display().to_string().into(),
        at: places.find(key),
        key: (*key).to_owned(),
        wrong: "cannot be changed while the process serves".to_owned(),
        right: "restart it, or put the setting back; until then nothing of the new configuration is applied".to_owned(),
    };
    ConfigErrors::new(settings.iter().map(error).collect())
}

#[cfg(test)]
#[cfg(all(feature = "sandbox", feature = "cedar"))]
mod tests;
