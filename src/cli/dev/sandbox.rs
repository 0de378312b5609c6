//! The parts of the sandbox, put together.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::{certificates::Certificates, state::StateDir, story};
use crate::{
    admin::client,
    app::{App, Failed, Listeners, StartError},
    clock::Clock,
    config::{Config, ConfigErrors},
    sandbox::{
        app::DemoApp,
        aws::{AwsDouble, DoubleConfig, KeyType, RoleConfig, TableConfig, policy::PolicyError},
        idp::{IdentityProvider, KeyError},
        tenants::{self, Places},
    },
    secret::Secret,
    server::Bound,
    telemetry::{AccessLog, Metrics},
};

/// How long it may take until the first readiness.
const READY_WITHIN: Duration = Duration::from_secs(15);
const READY_POLL: Duration = Duration::from_millis(20);

/// Five ports in a row, by the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports(pub(super) u16);

impl Ports {
    pub(super) const DEFAULT_BASE: u16 = 18_443;

    pub(super) fn idp(self) -> SocketAddr {
        self.at(3)
    }

    pub(super) fn aws(self) -> SocketAddr {
        self.at(4)
    }

    fn at(self, offset: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.0.saturating_add(offset)))
    }

    fn places(self, app: SocketAddr) -> Places {
        Places { ingress: self.at(0), egress: self.at(1), admin: self.at(2), idp: self.idp(), aws: self.aws(), app }
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub(super) enum SandboxError {
    #[error("the sandbox's certificates could not be made: {0}")]
    Certificates(#[from] rcgen::Error),
    #[error("the sandbox's configuration is wrong, which is a defect of Palisade:\n{0}")]
    Config(#[from] ConfigErrors),
    #[error("{0}")]
    Failed(#[from] Failed),
    #[error("the sandbox's files: {0}")]
    Files(#[from] io::Error),
    #[error("the identity provider: {0}")]
    Keys(#[from] KeyError),
    #[error("the system has no randomness")]
    NoRandomness,
    #[error("Palisade was not ready within {} seconds; its messages are above", READY_WITHIN.as_secs())]
    NotReady,
    #[error("the sandbox's policies are wrong, which is a defect of Palisade: {0}")]
    Policy(#[from] PolicyError),
    #[error("the sandbox's policies are wrong, which is a defect of Palisade: {0}")]
    PolicyText(#[from] serde_json::Error),
    #[error("cannot listen on {address}: {error}; is another sandbox running? `--port-base N` takes other ports")]
    PortTaken { address: SocketAddr, error: io::Error },
    #[error("{0}")]
    Start(#[from] StartError),
}

/// A sandbox whose parts are there, and which serves nobody yet but itself.
pub(super) struct Sandbox {
    palisade: App,
    around: Surroundings,
    story: String,
    admin: SocketAddr,
    /// Last, so that it is removed when everything else has ended.
    _state: StateDir,
}

/// What is not Palisade: the identity provider, the AWS double, the demo application.
pub(super) struct Surroundings {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Sandbox {
    pub(super) async fn start(ports: Ports, listen: IpAddr, clock: Clock) -> Result<Self, SandboxError> {
        // Ports first: they are what most often fails, and holding them means that the files are nobody else's.
        let app = bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let idp = bind(ports.idp())?;
        let places = ports.places(app.local_addr());
        let aws = bind(places.aws)?;

        let state = StateDir::create(ports.0)?;
        let base_secret = random_text()?;
        let shown = |address: SocketAddr| SocketAddr::new(listen, address.port());
        let listening = Places { ingress: shown(places.ingress), admin: shown(places.admin), ..places };
        write_files(&state, &listening, &base_secret, &clock)?;
        let config = Config::load(&state.path().join("palisade.yaml"), &|_| None)?;
        let listeners = Listeners::bind(&config)?;

        let mut around = Surroundings::new();
        let double = aws_double(base_secret, clock.clone())?;
        around.add(aws, |listener, stopped| double.serve(listener, stopped));
        let provider = IdentityProvider::new(places.issuer(), clock.clone())?;
        around.add(idp, |listener, stopped| provider.serve(listener, stopped));
        let demo = DemoApp::new(places.egress, clock.clone());
        around.add(app, |listener, stopped| demo.serve(listener, stopped));

        let metrics = Metrics::new().map_err(StartError::from)?;
        let log = AccessLog::to(state.create_file("access.log")?, metrics.clone())?;
        let palisade = App::build(config, listeners, clock, log, metrics).await?;
        let story = story::tell(&places, state.path(), ports);
        Ok(Self { palisade, around, story, admin: places.admin, _state: state })
    }

    /// Serves until `stop` is ready; hands the story to `tell` once everything is up.
    pub(super) async fn run(self, stop: impl Future<Output = ()> + Send, tell: impl FnOnce(String)) -> Result<(), SandboxError> {
        let mut served = std::pin::pin!(self.palisade.run(stop));
        let ready = tokio::select! {
            ended = &mut served => {
                ended?;
                None
            }
            ready = tokio::time::timeout(READY_WITHIN, ready(self.admin)) => Some(ready),
        };
        match ready {
            None => {}
            Some(Err(_)) => return Err(SandboxError::NotReady),
            Some(Ok(())) => {
                tell(self.story);
                served.await?;
            }
        }
        self.around.end().await;
        Ok(())
    }
}

impl Surroundings {
    pub(super) fn new() -> Self {
        Self { stop: watch::Sender::new(false), tasks: Vec::new() }
    }

    pub(super) fn add<F: Future<Output = ()> + Send + 'static>(&mut self, bound: Bound, serve: impl FnOnce(TcpListener, Stopped) -> F) {
        let mut stopped = self.stop.subscribe();
        // An error says that the sender is gone, which is an end as well.
        let stopped: Stopped = Box::pin(async move { drop(stopped.wait_for(|stop| *stop).await) });
        self.tasks.push(tokio::spawn(serve(bound.into_listener(), stopped)));
    }

    pub(super) async fn end(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            // A part that has failed has ended.
            let _ = task.await;
        }
    }
}

pub(super) type Stopped = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) fn bind(address: SocketAddr) -> Result<Bound, SandboxError> {
    Bound::bind(address).map_err(|error| SandboxError::PortTaken { address, error })
}

fn write_files(state: &StateDir, places: &Places, base_secret: &Secret, clock: &Clock) -> Result<(), SandboxError> {
    let certificates = Certificates::make(&[], clock.now())?;
    state.write("ca.crt", &certificates.authority)?;
    state.write("server.crt", &certificates.server)?;
    state.write("server.key", &certificates.server_key)?;
    state.write("base-secret", base_secret.expose())?;
    state.write("admin-token", random_text()?.expose())?;
    state.write("tenants.yaml", tenants::RECORDS)?;
    state.write("palisade.yaml", &tenants::config(places))?;
    Ok(())
}

/// The double with the sandbox's role, bucket and table, and something in them for each tenant.
pub(super) fn aws_double(base_secret: Secret, clock: Clock) -> Result<AwsDouble, SandboxError> {
    let mut config = DoubleConfig::new(tenants::ACCOUNT, tenants::REGION, (tenants::BASE_KEY_ID, base_secret));
    config.roles.push(RoleConfig {
        name: tenants::ROLE.to_owned(),
        account: None,
        trust: tenants::trust_policy(&config.base_arn())?,
        policy: tenants::role_policy()?,
        max_session: Duration::from_secs(3_600),
    });
    let double = AwsDouble::new(config, clock)?;
    double.create_bucket(tenants::BUCKET);
    let key = |name: &str| (name.to_owned(), KeyType::Text);
    double.create_table(TableConfig { name: tenants::TABLE.to_owned(), partition: key("pk"), sort: Some(key("sk")) });
    for tenant in tenants::TENANTS {
        double.put_object(tenants::BUCKET, &format!("{tenant}/welcome.txt"), format!("This belongs to {tenant}.\n"));
    }
    Ok(double)
}

/// 256 random bits as text.
pub(super) fn random_text() -> Result<Secret, SandboxError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| SandboxError::NoRandomness)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

async fn ready(admin: SocketAddr) {
    let admin = admin.to_string();
    let ask = || client::call(&admin, Method::GET, "/readyz", None, READY_WITHIN);
    while !matches!(ask().await, Ok((StatusCode::OK, _))) {
        tokio::time::sleep(READY_POLL).await;
    }
}
