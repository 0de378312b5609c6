//! `palisade run`: serve until SIGTERM, then drain.

mod descriptors;
mod memory;

use std::{io, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::Args as ClapArgs;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use super::{FAILED, MISUSED};
use crate::{
    app::{App, Failed, Following, Listeners, StartError},
    clock::Clock,
    config::{Config, LogFormat},
    telemetry::{AccessLog, Metrics, lines::LineQueue},
};

/// How long our last messages may take.
const FLUSH: Duration = Duration::from_secs(1);

/// Arguments of `palisade run`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The configuration, YAML or JSON: a file, or env:NAME for a variable of the environment that holds it.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the proxy. Exits 2 on a configuration or a file of its that is wrong, 1 when it cannot start otherwise or failed.
pub async fn run(args: Args) -> ExitCode {
    // First of all: without somebody who waits for them, they end the process at once.
    let (hangup, stop) = (hangups(), termination());
    let mut config = match Config::load(&args.config, &|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("{errors}");
            return MISUSED.into();
        }
    };
    let (log, set_level) = match start_logging(config.telemetry.log_level, config.telemetry.log_format) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("palisade: cannot start a thread: {error}");
            return FAILED.into();
        }
    };
    memory::seal();
    descriptors::raise(&mut config);
    let following = Following::new(args.config, hangup, set_level);
    let code = match serve(config, following, stop).await {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            tracing::error!(%error, "ended by itself");
            FAILED.into()
        }
        Err(error) => {
            tracing::error!(%error, "cannot start");
            exit_code(&error).into()
        }
    };
    log.flush(FLUSH);
    code
}

/// The outer error is one of the start.
async fn serve(config: Config, following: Following, stop: impl Future<Output = ()> + Send) -> Result<Result<(), Failed>, StartError> {
    let listeners = Listeners::bind(&config)?;
    let metrics = Metrics::new()?;
    let log = AccessLog::to(std::io::stdout(), metrics.clone()).map_err(StartError::Thread)?;
    let log = log.formatted(config.telemetry.log_format).sampled(config.telemetry.log_sample);
    let app = App::build(config, listeners, Clock::system(), log, metrics).await?;
    tracing::info!(version = crate::VERSION, "serving");
    let ended = app.following(following).run(stop).await;
    tracing::info!("stopped");
    Ok(ended)
}

fn exit_code(error: &StartError) -> u8 {
    if error.is_configuration() { MISUSED } else { FAILED }
}

/// Tells of every SIGHUP.
fn hangups() -> Arc<Notify> {
    let hangup = Arc::new(Notify::new());
    match signal(SignalKind::hangup()) {
        Ok(mut signals) => {
            let told = hangup.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    told.notify_one();
                }
            });
        }
        Err(error) => eprintln!("palisade: cannot wait for SIGHUP: {error}"),
    }
    hangup
}

/// SIGTERM or SIGINT, from the call on.
pub(super) fn termination() -> impl Future<Output = ()> + Send {
    let wait = |kind| {
        let signal = signal(kind);
        async move {
            match signal {
                Ok(mut signal) => drop(signal.recv().await),
                Err(error) => {
                    tracing::error!(%error, "cannot wait for a signal");
                    std::future::pending::<()>().await;
                }
            }
        }
    };
    let (terminate, interrupt) = (wait(SignalKind::terminate()), wait(SignalKind::interrupt()));
    async move {
        tokio::select! {
            () = terminate => {}
            () = interrupt => {}
        }
    }
}

/// Sets the least severe level of messages that are written.
type SetLevel = Arc<dyn Fn(tracing::Level) + Send + Sync>;

/// Our own messages go to standard error; standard output is the access log's.
pub(super) fn start_logging(level: tracing::Level, format: LogFormat) -> io::Result<(LineQueue, SetLevel)> {
    let queue = LineQueue::to(io::stderr(), "log", None)?;
    let writer = queue.clone();
    let (filter, handle) = reload::Layer::new(filter(level));
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.boxed(),
    };
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
    let set = move |level| {
        if let Err(error) = handle.reload(self::filter(level)) {
            tracing::error!(%error, "the level of messages cannot be set");
        }
    };
    Ok((queue, Arc::new(set)))
}

fn filter(level: tracing::Level) -> Targets {
    let ours = LevelFilter::from_level(level);
    // The libraries below us know nothing of what is secret here, and some print requests at their finer levels.
    Targets::new().with_default(ours.min(LevelFilter::WARN)).with_target("palisade", ours).with_target("s3s", LevelFilter::OFF)
}

#[cfg(test)]
mod tests {
    use std::{fs, net::TcpListener};

    use super::*;

    const CONFIG: &str = "
egress: {listen: '127.0.0.1:0', region: eu-west-1, services: {s3: {}}}
identity: {issuers: [{issuer: i, audience: a, jwks: {uri: https://idp.example.com/keys}}]}
tenants: {directory: {any: {}}}
credentials:
  source: {static: {access_key_id: AKIAEXAMPLE, secret_access_key: {env: X}}}
  assume_role: {role_arn: 'arn:aws:iam::111122223333:role/{tenant.id}'}
admin: {listen: '127.0.0.1:0'}
probes: {listen: '127.0.0.1:0'}
";

    /// The exit code of a start that fails.
    async fn code(config: &str) -> u8 {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("junk"), "x").unwrap();
        let path = folder.path().join("p.yaml");
        fs::write(&path, config).unwrap();
        let config = Config::load(&path, &|_| Some("secret".to_owned())).unwrap_or_else(|errors| panic!("{errors}"));
        let following = Following::new(path, Arc::default(), Arc::new(|_| {}));
        exit_code(&serve(config, following, std::future::pending()).await.map(drop).expect_err("it started"))
    }

    #[tokio::test]
    async fn a_wrong_file_is_a_wrong_configuration_and_a_taken_port_is_not() {
        let ingress = "ingress: {listen: '127.0.0.1:0', tls: {certificate: junk, private_key: junk}, upstream: http://127.0.0.1:8080}";
        for wrong in [
            format!("{CONFIG}{ingress}\n"),
            CONFIG.replace("{any: {}}", "{file: junk}"),
            CONFIG.replace("services:", "ca: junk, services:"),
            CONFIG.replace("{s3: {}}", "{s3: {ca: junk}}"),
            CONFIG.replace("/keys", "/keys, ca: junk"),
            CONFIG.replace("  source:", "  sts: {ca: junk}\n  source:"),
        ] {
            assert_eq!(code(&wrong).await, MISUSED, "{wrong}");
        }
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        assert_eq!(code(&CONFIG.replace("probes: {listen: '127.0.0.1:0", &format!("probes: {{listen: '{address}"))).await, FAILED);
    }
}
