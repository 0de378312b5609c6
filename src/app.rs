//! Everything wired together, in one place, in the order in which it depends on each other.

mod deferred;
mod front;
mod generation;
mod keys;
mod lasting;
mod memory;
mod policies;
mod probe;
mod ready;
mod reload;
mod sweep;
mod tasks;
mod traces;
mod warm;
mod withdrawn;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

pub(crate) use self::keys::source as key_source;
pub(crate) use self::policies::ServedPolicies;
use self::{front::Front, generation::Generation, lasting::Lasting, ready::Process, reload::Reloader};
pub use self::{probe::probe, reload::Following};
use arc_swap::ArcSwap;
use tokio::task::{JoinError, JoinSet};

use crate::{
    audit::Audit,
    clock::Clock,
    config::{Config, ConfigErrors, CredentialsSource, ServerConfig, SharedConfig, ShutdownConfig, ShutdownOrder, SocketConfig, StsConfig},
    credentials::{BaseIdentityError, SetupError},
    directory::OpenError,
    server::{self, Bound, BoundSocket, Drain, DrainHandle, Handler, Listening, ReloadingTls, tls::TlsError},
    telemetry::{AccessLog, Listener, Metrics, Recorder, TenantLabels},
    upstream,
    workloads::UnusableWorkload,
};

/// For listeners whose clients have had their time.
const LAST_DRAIN: Duration = Duration::from_secs(1);
/// How long the last log lines may take, and the last spans.
const FLUSH: Duration = Duration::from_secs(2);

/// The sockets of a configuration, bound before anything else starts, so that a port that is taken is known at once.
#[derive(Debug)]
pub struct Listeners {
    /// `ingress.listen`
    pub ingress: Option<Bound>,
    /// `egress.listen`
    pub egress: Vec<Bound>,
    /// `egress.socket`
    pub socket: Option<BoundSocket>,
    /// `admin.listen`
    pub admin: Bound,
    /// `probes.listen`
    pub probes: Option<Bound>,
}

impl Listeners {
    /// Binds what `config` says. Needs a Tokio runtime.
    pub fn bind(config: &Config) -> Result<Self, StartError> {
        let bind = |key: &'static str, address: SocketAddr| Bound::bind(address).map_err(|error| StartError::Bind { key, address, error });
        Ok(Self {
            ingress: config.ingress.as_ref().map(|c| bind("ingress.listen", c.listen)).transpose()?,
            egress: config.egress.iter().flat_map(|c| &c.listen).map(|a| bind("egress.listen", *a)).collect::<Result<_, _>>()?,
            socket: config.egress.iter().filter_map(|c| c.socket.as_ref()).map(bind_socket).next().transpose()?,
            admin: bind("admin.listen", config.admin.listen)?,
            probes: config.probes.as_ref().map(|c| bind("probes.listen", c.listen)).transpose()?,
        })
    }
}

/// Why a process does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The audit log's file cannot be had.
    #[error("telemetry.audit.path: {0}; may Palisade write there?")]
    Audit(io::Error),
    /// An address that cannot be had.
    #[error("{key}: cannot listen on {address}: {error}; is another process using it, or is the address not of this machine?")]
    Bind {
        /// Setting.
        key: &'static str,
        /// Address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// `ingress.cors` makes no headers, which its forms exclude.
    #[error("ingress.cors: a list makes no header")]
    Cors,
    /// The source of the base identity is not there, or must not be used.
    #[error("credentials.source: {0}")]
    BaseIdentity(BaseIdentityError),
    /// The base identity or the STS client cannot be set up.
    #[error("credentials: {0}")]
    Credentials(#[from] SetupError),
    /// The directory of tenants or of users is unusable.
    #[error("{0}")]
    Directory(#[from] OpenError),
    /// Keys in the configuration itself are unusable.
    #[error("the keys of {issuer}: {wrong}")]
    Keys {
        /// Whose.
        issuer: String,
        /// What is wrong with them.
        wrong: String,
    },
    /// The metrics contradict each other, which is a fault of ours.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The policies of `guard.cedar` are unusable.
    #[error("guard.cedar.policies: {0}")]
    Policies(ConfigErrors),
    /// The system has no randomness.
    #[error("the system has no randomness")]
    Randomness,
    /// The system gives no more threads.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The TLS files are unusable.
    #[error("{key}: {error}")]
    Tls {
        /// Setting.
        key: &'static str,
        /// What is wrong with them.
        error: TlsError,
    },
    /// A Unix socket that cannot be had.
    #[error("egress.socket: cannot listen on {path}: {error}; is another process using it, or may Palisade not write there?", path = path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The collector of traces cannot be spoken to.
    #[error("telemetry.traces: {0}")]
    Traces(upstream::SetupError),
    /// Roots for upstreams are unusable.
    #[error("{0}")]
    Upstream(#[from] upstream::SetupError),
    /// A workload of no tenant cannot be had.
    #[error("{0}")]
    Workload(#[from] UnusableWorkload),
}

impl StartError {
    /// Whether the configuration, or a file that it names, has to be corrected before a start can succeed.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Audit(_)
            | Self::BaseIdentity(_)
            | Self::Cors
            | Self::Credentials(_)
            | Self::Directory(_)
            | Self::Keys { .. }
            | Self::Policies(_)
            | Self::Tls { .. }
            | Self::Traces(_)
            | Self::Upstream(_)
            | Self::Workload(_) => true,
            Self::Bind { .. } | Self::Metrics(_) | Self::Randomness | Self::Socket { .. } | Self::Thread(_) => false,
        }
    }
}

/// Why a process that served has ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("what follows files and looks after keys, sessions and passports has failed, which is a fault of Palisade: {0}")]
pub struct Failed(JoinError);

/// A process that is ready to serve.
pub struct App {
    config: SharedConfig,
    listeners: Listeners,
    lasting: Lasting,
    generation: Generation,
    drains: Drains,
    following: Option<Following>,
}

/// The ingress ends before the egress does: a request that is still in progress needs its way out until its end.
#[derive(Debug)]
struct Drains {
    outer: Drain,
    inner: (DrainHandle, Drain),
    operators: (DrainHandle, Drain),
    quit: Drain,
}

impl App {
    /// Wires everything. Nothing is accepted yet.
    pub async fn build(config: Config, listeners: Listeners, clock: Clock, log: AccessLog, metrics: Metrics) -> Result<Self, StartError> {
        let labels = TenantLabels::new(config.telemetry.max_tenants);
        if let Some(settings) = &config.telemetry.audit {
            let audit = Audit::open(settings, &config.effective, clock.clone(), metrics.of_audit()).map_err(StartError::Audit)?;
            metrics.record_in(audit);
        }
        let traces = traces::start(config.telemetry.traces.as_ref(), &clock, &metrics)?;
        let recorder = Recorder { metrics, log, labels, traces, clock };
        let (outer_handle, outer) = Drain::new();
        let (quit_handle, quit) = Drain::new();
        let lasting = Lasting::new(&config, recorder, Process::new(outer_handle, quit_handle, config.shutdown))?;
        let generation = Generation::build(config, &lasting, None).await?;
        let drains = Drains { outer, inner: Drain::new(), operators: Drain::new(), quit };
        Ok(Self { config: generation.config.clone(), listeners, lasting, generation, drains, following: None })
    }

    /// The same, following the files that its configuration came from.
    #[must_use]
    pub fn following(self, following: Following) -> Self {
        Self { following: Some(following), ..self }
    }

    /// Serves until `shutdown` ends or an operator says quit, then drains: the ingress first, then the egress, then the
    /// operators' listeners.
    ///
    /// # Errors
    /// What runs beside the listeners has failed. It drains as for `shutdown`: without that suspensions are not heard of any more.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Failed> {
        let Self { config, listeners, lasting, generation, drains, following } = self;
        let (recorder, process, tls) = (lasting.recorder.clone(), lasting.process.clone(), lasting.tls.clone());
        let metrics = recorder.metrics.clone();
        let served = Arc::new(ArcSwap::new(generation.served.clone()));
        let mut background = tokio::spawn(Reloader::new(lasting, generation, served.clone()).run(following));
        let place = |listening: Listening, name, server: &ServerConfig, drain: &Drain| (listening, name, server.clone(), drain.clone());
        let serve = |bound: Bound, name, server: &ServerConfig, drain: &Drain| place(bound.into_listener().into(), name, server, drain);

        let mut inbound = JoinSet::new();
        if let (Some(bound), Some(tls), Some(settings)) = (listeners.ingress, tls.ingress, &config.ingress) {
            let place = serve(bound, Listener::Ingress, &settings.server, &drains.outer);
            spawn(&mut inbound, place, Some(tls), Front::new(&served, |served| served.ingress.as_ref()).of(&process), &metrics);
        }
        let mut outbound = JoinSet::new();
        if let Some(settings) = &config.egress {
            let handler = Front::new(&served, |served| served.egress.as_ref()).of(&process);
            for bound in listeners.egress {
                let place = serve(bound, Listener::Egress, &settings.server, &drains.inner.1);
                spawn(&mut outbound, place, tls.egress.clone(), handler.clone(), &metrics);
            }
            if let Some(socket) = listeners.socket {
                let place = place(socket.into_listener().into(), Listener::Egress, &settings.server, &drains.inner.1);
                spawn(&mut outbound, place, None, handler.clone(), &metrics);
            }
        }
        let mut operators = JoinSet::new();
        let place = serve(listeners.admin, Listener::Admin, &config.admin.server, &drains.operators.1);
        spawn(&mut operators, place, None, Front::new(&served, |served| Some(&served.admin)), &metrics);
        if let (Some(bound), Some(settings)) = (listeners.probes, &config.probes) {
            let place = serve(bound, Listener::Probes, &settings.server, &drains.operators.1);
            spawn(&mut operators, place, None, Front::new(&served, |served| Some(&served.probes)), &metrics);
        }

        let ingress_done = async {
            join(&mut inbound, None).await;
            process.ingress_drained();
        };
        tokio::pin!(ingress_done);
        let mut failed = None;
        let mut is_quit = tokio::select! {
            () = shutdown => false,
            () = drains.quit.started() => true,
            ended = &mut background => {
                failed = ended.err().map(Failed);
                tracing::error!("what runs beside the listeners has ended; this is a fault of Palisade, and so does the process");
                false
            }
            // A drain that an operator started ends the ingress alone: the process waits for its signal.
            () = async { (&mut ingress_done).await; std::future::pending::<()>().await } => false,
        };
        tracing::info!("shutting down");
        if let Some(audit) = recorder.metrics.audit() {
            audit.note("draining");
        }
        // Whoever says quit has no callers any more.
        if is_quit {
            process.drain_now()
        } else {
            process.drain()
        }
        let ShutdownConfig { order, linger, .. } = process.shutdown();
        tokio::select! {
            () = drains.outer.started() => {}
            // Nor does anybody wait for the rest of `shutdown.delay`.
            () = drains.quit.started() => {
                is_quit = true;
                process.drain_now();
            }
        }
        let begun = recorder.clock.instant();
        if order == ShutdownOrder::Together {
            drains.inner.0.start();
        }
        if !process.is_ingress_drained() {
            ingress_done.await;
        }
        // The drains have one deadline, that of a single one: whoever sent the signal waits no longer than that.
        let spent = recorder.clock.instant().saturating_duration_since(begun);
        if !is_quit && order == ShutdownOrder::IngressFirst && !linger.is_zero() {
            tracing::info!(seconds = linger.as_secs(), "the egress goes on for the application's own end");
            let _ = tokio::time::timeout(linger, drains.quit.started()).await;
        }
        drains.inner.0.start();
        join(&mut outbound, Some(longest_drain(&config).saturating_sub(spent).max(LAST_DRAIN))).await;
        drains.operators.0.start();
        join(&mut operators, Some(LAST_DRAIN)).await;
        background.abort();
        // The log first: whoever ends the process in haste loses traces rather than what was done.
        recorder.log.flush(FLUSH);
        if let Some(audit) = recorder.metrics.audit() {
            audit.close(FLUSH);
        }
        recorder.traces.flush(FLUSH).await;
        failed.map_or(Ok(()), Err)
    }
}

type Place = (Listening, Listener, ServerConfig, Drain);

fn bind_socket(config: &SocketConfig) -> Result<BoundSocket, StartError> {
    BoundSocket::bind(&config.path, config.mode).map_err(|error| StartError::Socket { path: config.path.clone(), error })
}

fn spawn<H: Handler>(tasks: &mut JoinSet<()>, place: Place, tls: Option<Arc<ReloadingTls>>, handler: H, metrics: &Metrics) {
    let (listener, name, config, drain) = place;
    let metrics = metrics.clone();
    tasks.spawn(async move { server::serve(listener, tls, name, &config, handler, metrics, drain).await });
}

/// Waits for all of `tasks`; what is not done within `limit` is cut off.
async fn join(tasks: &mut JoinSet<()>, limit: Option<Duration>) {
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a listener failed");
            }
        }
    };
    match limit {
        None => all.await,
        Some(limit) => drop(tokio::time::timeout(limit, all).await),
    }
    tasks.abort_all();
}

fn longest_drain(config: &Config) -> Duration {
    let ingress = config.ingress.as_ref().map(|ingress| ingress.server.drain);
    let egress = config.egress.as_ref().map(|egress| egress.server.drain);
    ingress.into_iter().chain(egress).max().unwrap_or_default()
}

fn identity_of(config: &Config) -> Option<(&CredentialsSource, &StsConfig)> {
    let of_base = || config.base.as_ref().map(|base| (&base.source, &base.sts));
    config.credentials.as_ref().map(|credentials| (&credentials.source, &credentials.sts)).or_else(of_base)
}
