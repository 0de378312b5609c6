//! Everything wired together, in one place, in the order in which it depends on each other.

mod deferred;
mod keys;
mod policies;
mod probe;
mod ready;
mod sweep;
mod traces;
mod warm;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

pub(crate) use self::keys::source as key_source;
pub(crate) use self::policies::ServedPolicies;
pub use self::probe::probe;
use self::{
    ready::{State, Vendor},
    sweep::Sweep,
    warm::WarmUp,
};
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::{
    admin::{Admin, AdminState, Probes},
    audit::Audit,
    clock::Clock,
    config::{
        Config, ConfigErrors, CredentialsConfig, CredentialsSource, EgressConfig, GuardConfig, ServerConfig, SharedConfig, SocketConfig,
        StsConfig, TlsConfig,
    },
    credentials::{BaseIdentity, BaseIdentityError, Broker, Budget, Readers, SdkSts, SetupError},
    directory::{Changes, Directory, OpenError, Tables, users::UserDirectory},
    egress::{self, Egress, Errands, Gate},
    guard::Guard,
    identity::{IdentityHeaders, Jwks, Passports, Sealer, Vending, Verifier, Workloads},
    ingress::{self, ContextSigner, Cors, ForwardHeaders, Ingress, Matcher, Origins, PublicRoom},
    limits::Limiter,
    server::{self, Bound, BoundSocket, Drain, DrainHandle, Handler, Listening, ReloadingTls, tls::TlsError},
    skew::Skew,
    telemetry::{AccessLog, Listener, Metrics, Recorder, TenantLabels},
    upstream::{self, AppClient, AwsClient},
    workloads::{NamedWorkloads, UnusableWorkload},
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

/// A process that is ready to serve.
pub struct App {
    config: SharedConfig,
    listeners: Listeners,
    ingress: Option<(Ingress, Arc<ReloadingTls>)>,
    egress: Option<(Egress, Option<Arc<ReloadingTls>>)>,
    /// Public keys of signed contexts.
    key_set: Option<Bytes>,
    state: Arc<State>,
    drains: Drains,
    background: Background,
    recorder: Recorder,
}

/// The ingress ends before the egress does: a request that is still in progress needs its way out until its end.
#[derive(Debug)]
struct Drains {
    outer: Drain,
    inner: (DrainHandle, Drain),
    operators: (DrainHandle, Drain),
    quit: Drain,
}

/// What runs beside the listeners.
#[derive(Debug)]
struct Background {
    keys: Vec<Arc<Jwks>>,
    directory: Arc<Directory>,
    users: Option<UserDirectory>,
    sweep: Sweep,
    base: Option<BaseIdentity>,
    named: Option<NamedWorkloads>,
    broker: Option<Arc<Broker>>,
    warm_up: WarmUp,
    skew: Skew,
    passports: Option<Passports>,
    policies: ServedPolicies,
    tls: Vec<Arc<ReloadingTls>>,
    application: Option<AppClient>,
}

impl App {
    /// Wires everything. Nothing is accepted yet.
    pub async fn build(config: Config, listeners: Listeners, clock: Clock, log: AccessLog, metrics: Metrics) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let labels = TenantLabels::new(config.telemetry.max_tenants);
        if let Some(settings) = &config.telemetry.audit {
            let audit = Audit::open(settings, &config.effective, clock.clone(), metrics.of_audit()).map_err(StartError::Audit)?;
            metrics.record_in(audit);
        }
        let traces = traces::start(config.telemetry.traces.as_ref(), &clock, &metrics)?;
        let recorder = Recorder { metrics: metrics.clone(), log, labels, traces, clock: clock.clone() };
        let names = IdentityHeaders { tenant: config.identity.tenant_header.clone(), token: config.identity.token_header.clone() };

        let skew = Skew::new(clock.clone(), metrics.clone());
        // AWS says when its credentials end, so their time is AWS's.
        let base = base_identity(&config, &skew, &metrics).await?;
        let (directory, users) = directories(&config, base.as_ref(), &recorder, &skew)?;
        let policies = ServedPolicies::open(&config.guard).map_err(StartError::Policies)?;
        let keys = keys::load(&config, &clock, &metrics)?;
        let verifier = config.identity.issuers.iter().cloned().zip(keys.iter().cloned()).collect();
        let verifier = Verifier::new(verifier, &config.identity.verification, clock.clone(), metrics.clone());
        let keeps_tokens = config.credentials.as_ref().is_some_and(|credentials| credentials.plans.use_callers_tokens());
        let verifier = Arc::new(verifier.with_users(users.as_ref().map(UserDirectory::users)).keeping_tokens(keeps_tokens));
        let workloads = Workloads::new(config.identity.workloads.clone(), clock.clone());
        // Passports are only worth minting where somebody takes them.
        let takes_passports = config.egress.as_ref().is_some_and(|egress| egress.proofs.passport);
        let passports = config.identity.passport.as_ref().filter(|_| takes_passports);
        let passports = passports.map(|passport| Passports::new(passport.clone(), clock.clone(), metrics.clone()));

        let vendor = match (&config.credentials, base.clone()) {
            (Some(credentials), Some(base)) => Some(vendor(credentials, base, &config, &recorder, &skew)?),
            _ => None,
        };

        let signed = config.ingress.as_ref().and_then(|settings| settings.context.as_ref());
        let context = signed.map(ContextSigner::new).transpose().map_err(|_| StartError::Randomness)?.map(Arc::new);
        let key_set = context.as_ref().map(|context| context.key_set());
        let application = config.ingress.as_ref().map(|settings| AppClient::new(&settings.routing, &metrics, &clock)).transpose()?;
        let ingress = match (&config.ingress, &application) {
            (Some(settings), Some(application)) => {
                let tls = load_tls("ingress.tls", &settings.tls, Listener::Ingress, &recorder)?;
                let access = &settings.access;
                let pipeline = ingress::Pipeline {
                    matcher: Matcher { endpoints: access.endpoints.clone(), tenant_path: access.tenant_path.clone() },
                    gate: ingress::Gate {
                        verifier: verifier.clone(),
                        directory: directory.clone(),
                        names: names.clone(),
                        places: access.places.clone(),
                        workloads: workloads.clone(),
                    },
                    limiter: Limiter::new(&config.limits, clock.clone()),
                    public: PublicRoom::new(access.public_concurrent),
                    cors: Cors::new(access.cors.as_ref()).map_err(|_| StartError::Cors)?,
                    passports: passports.clone(),
                    headers: ForwardHeaders {
                        names: names.clone(),
                        mapped: settings.headers.clone(),
                        origins: Origins::new(settings.origin.clone()),
                    },
                    context,
                    upstream: application.clone(),
                    recorder: recorder.clone(),
                    clock: clock.clone(),
                };
                Some((Ingress::new(pipeline), tls))
            }
            _ => None,
        };
        let egress = match (&config.egress, &vendor) {
            (Some(settings), Some(vendor)) => {
                let (sealer, redeemer) = deferred::sides(settings, &recorder)?;
                let gate = Gate {
                    verifier: verifier.clone(),
                    passports: passports.clone(),
                    redeemer,
                    proofs: settings.proofs,
                    names,
                    vending: Vending::new().map_err(|_| StartError::Randomness)?,
                    clock: clock.clone(),
                    directory: directory.clone(),
                    workloads,
                    named: vendor.workloads.clone(),
                };
                let tls = settings.tls.as_ref().map(|tls| load_tls("egress.tls", tls, Listener::Egress, &recorder)).transpose()?;
                Some((egress((settings, &config.guard, &policies), gate, sealer, vendor, &recorder)?, tls))
            }
            _ => None,
        };

        let (outer_handle, outer) = Drain::new();
        let (quit_handle, quit) = Drain::new();
        let tls = ingress.iter().map(|(_, tls)| tls).chain(egress.iter().filter_map(|(_, tls)| tls.as_ref())).cloned().collect();
        let broker = vendor.as_ref().map(|vendor| vendor.broker.clone());
        let named = vendor.as_ref().map(|vendor| vendor.workloads.clone());
        let sweep = Sweep::new(directory.clone(), verifier.clone(), passports.clone(), broker.clone(), &config, metrics.clone());
        let warm_up = WarmUp::new(config.credentials.as_ref().and_then(|credentials| credentials.warm_up.clone()));
        let state = State::new(config.clone(), verifier, vendor, metrics, clock, outer_handle, quit_handle);
        let state = state.with_application(application.clone()).with_directory(directory.clone()).with_warm_up(warm_up.clone());
        let background =
            Background { keys, directory, users, sweep, base, named, broker, warm_up, skew, passports, policies, tls, application };
        let state = Arc::new(state);
        let drains = Drains { outer, inner: Drain::new(), operators: Drain::new(), quit };
        Ok(Self { config, listeners, ingress, egress, key_set, state, drains, background, recorder })
    }

    /// Serves until `shutdown` ends or an operator says quit, then drains: the ingress first, then the egress, then the
    /// operators' listeners.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { config, listeners, ingress, egress, key_set, state, drains, background, recorder } = self;
        let metrics = recorder.metrics.clone();
        let background = tokio::spawn(background.run(state.clone()));
        let place = |listening: Listening, name, server: &ServerConfig, drain: &Drain| (listening, name, server.clone(), drain.clone());
        let serve = |bound: Bound, name, server: &ServerConfig, drain: &Drain| place(bound.into_listener().into(), name, server, drain);

        let mut inbound = JoinSet::new();
        if let (Some(bound), Some((handler, tls)), Some(settings)) = (listeners.ingress, ingress, &config.ingress) {
            let place = serve(bound, Listener::Ingress, &settings.server, &drains.outer);
            spawn(&mut inbound, place, Some(tls), handler, &metrics);
        }
        let mut outbound = JoinSet::new();
        if let (Some((handler, tls)), Some(settings)) = (egress, &config.egress) {
            for bound in listeners.egress {
                let place = serve(bound, Listener::Egress, &settings.server, &drains.inner.1);
                spawn(&mut outbound, place, tls.clone(), handler.clone(), &metrics);
            }
            if let Some(socket) = listeners.socket {
                let place = place(socket.into_listener().into(), Listener::Egress, &settings.server, &drains.inner.1);
                spawn(&mut outbound, place, None, handler.clone(), &metrics);
            }
        }
        let admin = Admin::new(state.clone(), &config.admin);
        let mut operators = JoinSet::new();
        let place = serve(listeners.admin, Listener::Admin, &config.admin.server, &drains.operators.1);
        spawn(&mut operators, place, None, admin, &metrics);
        if let (Some(bound), Some(settings)) = (listeners.probes, &config.probes) {
            let place = serve(bound, Listener::Probes, &settings.server, &drains.operators.1);
            spawn(&mut operators, place, None, Probes::new(state.clone(), key_set), &metrics);
        }

        let ingress_done = async {
            join(&mut inbound, None).await;
            state.ingress_drained();
        };
        tokio::pin!(ingress_done);
        tokio::select! {
            () = shutdown => {}
            () = drains.quit.started() => {}
            // A drain that an operator started ends the ingress alone: the process waits for its signal.
            () = async { (&mut ingress_done).await; std::future::pending::<()>().await } => {}
        }
        tracing::info!("shutting down");
        if let Some(audit) = metrics.audit() {
            audit.note("draining");
        }
        let begun = recorder.clock.instant();
        state.drain();
        if !state.is_ingress_drained() {
            ingress_done.await;
        }
        // The whole has one deadline, that of a single drain: whoever sent the signal waits no longer than that.
        let spent = recorder.clock.instant().saturating_duration_since(begun);
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

impl Background {
    async fn run(self, state: Arc<State>) {
        let mut tasks = JoinSet::new();
        for keys in self.keys {
            tasks.spawn(async move { keys.maintain().await });
        }
        let (clock, metrics) = (state.clock(), state.metrics().clone());
        let (policies, watched) = (self.policies, metrics.clone());
        tasks.spawn(async move { policies.watch(&watched).await });
        if let Some(users) = self.users {
            let (clock, metrics) = (clock.clone(), metrics.clone());
            tasks.spawn(async move { users.watch(clock, metrics).await });
        }
        let directory = self.directory.clone();
        tasks.spawn(async move { directory.watch(clock, metrics).await });
        tasks.spawn(async move { self.sweep.run().await });
        if let Some(base) = self.base {
            tasks.spawn(async move { base.maintain().await });
        }
        if let Some(named) = self.named {
            tasks.spawn(async move { named.maintain().await });
        }
        if let Some(broker) = self.broker {
            let (warm_up, directory, warmed) = (self.warm_up, self.directory, broker.clone());
            tasks.spawn(async move { warm_up.run(&warmed, &directory).await });
            tasks.spawn(async move { broker.maintain().await });
            tasks.spawn(async move { self.skew.watch().await });
        }
        if let Some(passports) = self.passports {
            tasks.spawn(async move { passports.maintain().await });
        }
        for tls in self.tls {
            tasks.spawn(async move { tls.watch(server::tls::POLL).await });
        }
        if let Some(application) = self.application {
            tasks.spawn(async move { application.maintain().await });
        }
        tasks.spawn(async move { state.watch_base_identity().await });
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a background task failed");
            }
        }
    }
}

fn identity_of(config: &Config) -> Option<(&CredentialsSource, &StsConfig)> {
    let of_base = || config.base.as_ref().map(|base| (&base.source, &base.sts));
    config.credentials.as_ref().map(|credentials| (&credentials.source, &credentials.sts)).or_else(of_base)
}

/// Who Palisade is, where it asks AWS for anything. A source that is not there, or that must not be used, is known before anything is served; one
/// that only does not answer yet is waited for by readiness.
async fn base_identity(config: &Config, skew: &Skew, metrics: &Metrics) -> Result<Option<BaseIdentity>, StartError> {
    let Some((source, sts)) = identity_of(config) else { return Ok(None) };
    let base = BaseIdentity::open(source, sts, skew)?;
    base.report_to(metrics);
    if matches!(source, CredentialsSource::Nobody) {
        return Ok(Some(base));
    }
    match base.check().await {
        Err(error @ BaseIdentityError::SetUp(..)) => return Err(StartError::BaseIdentity(error)),
        Err(error @ (BaseIdentityError::Sts(..) | BaseIdentityError::Unavailable(..))) => {
            tracing::warn!(%error, "there are no base credentials yet")
        }
        Ok(()) => {}
    }
    Ok(Some(base))
}

/// Tenants and users, whose changes are announced in one place.
fn directories(
    config: &Config,
    base: Option<&BaseIdentity>,
    recorder: &Recorder,
    skew: &Skew,
) -> Result<(Arc<Directory>, Option<UserDirectory>), StartError> {
    let changes = Changes::default();
    let (clock, metrics) = (&recorder.clock, &recorder.metrics);
    let readers = base.zip(identity_of(config)).map(|(base, (_, sts))| Readers::new(base, sts, skew));
    let open = |users| UserDirectory::open(users, readers, &changes, clock, metrics);
    let users = config.users.as_ref().map(open).transpose()?;
    let tables = readers.map(|readers| Tables { readers, changes: &changes, clock, metrics });
    let directory = Directory::open(&config.directory, tables)?;
    let directory = directory.with_users(users.as_ref().map(UserDirectory::users), changes, config.on_suspend);
    Ok((Arc::new(directory), users))
}

fn vendor(
    credentials: &CredentialsConfig,
    base: BaseIdentity,
    config: &Config,
    recorder: &Recorder,
    skew: &Skew,
) -> Result<Vendor, StartError> {
    let budget = Budget::new(credentials, skew.clock(), recorder.metrics.clone());
    let sts = Arc::new(SdkSts::new(&credentials.sts, base, skew, budget.clone())?);
    let broker = Arc::new(Broker::new(credentials, sts.clone(), budget, skew.clock(), recorder.metrics.clone()));
    let workloads = NamedWorkloads::open(&config.workloads, &credentials.sts.region, config.limits.default, &recorder.clock)?;
    let limiter = Arc::new(Limiter::new(&config.limits, recorder.clock.clone()));
    Ok(Vendor { sts, broker, limiter, skew: skew.clone(), workloads })
}

fn load_tls(key: &'static str, files: &TlsConfig, listener: Listener, recorder: &Recorder) -> Result<Arc<ReloadingTls>, StartError> {
    ReloadingTls::load(files, listener, recorder.clock.clone(), recorder.metrics.clone()).map_err(|error| StartError::Tls { key, error })
}

fn egress(
    (settings, guard, policies): (&EgressConfig, &GuardConfig, &ServedPolicies),
    gate: Gate,
    sealer: Option<Sealer>,
    vendor: &Vendor,
    recorder: &Recorder,
) -> Result<Egress, StartError> {
    let upstream = AwsClient::new(settings)?;
    let clock = &recorder.clock;
    let errands = Errands { broker: vendor.broker.clone(), upstream: upstream.clone(), skew: vendor.skew.clone() };
    Ok(Egress::new(egress::Pipeline {
        gate,
        limiter: vendor.limiter.clone(),
        guard: policies.over(Guard::new(settings, guard).asking(Arc::new(errands), clock.clone()), clock.clone()),
        broker: vendor.broker.clone(),
        upstream,
        region: settings.region.clone(),
        regions: settings.regions.clone(),
        presign: settings.presign,
        sealer,
        recorder: recorder.clone(),
        clock: recorder.clock.clone(),
        skew: vendor.skew.clone(),
    }))
}
