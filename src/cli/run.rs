//! `palisade run`: serve until SIGTERM, then drain.

use std::{io, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args as ClapArgs;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::{FAILED, MISUSED};
use crate::{
    app::{App, Listeners, StartError},
    clock::Clock,
    config::Config,
    telemetry::{AccessLog, Metrics, lines::LineQueue},
};

/// How long our last messages may take.
const FLUSH: Duration = Duration::from_secs(1);

/// Arguments of `palisade run`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The configuration, YAML or JSON.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the proxy. Exits 2 on a configuration that is wrong, 1 when it cannot start or failed.
pub async fn run(args: Args) -> ExitCode {
    let config = match Config::load(&args.config, &|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("{errors}");
            return MISUSED.into();
        }
    };
    let log = match start_logging(config.telemetry.log_level) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("palisade: cannot start a thread: {error}");
            return FAILED.into();
        }
    };
    let code = match serve(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            FAILED.into()
        }
    };
    log.flush(FLUSH);
    code
}

async fn serve(config: Config) -> Result<(), StartError> {
    let listeners = Listeners::bind(&config)?;
    let metrics = Metrics::new()?;
    let log = AccessLog::to(std::io::stdout(), metrics.clone()).map_err(StartError::Thread)?;
    let app = App::build(config, listeners, Clock::system(), log, metrics).await?;
    tracing::info!(version = crate::VERSION, "serving");
    app.run(termination()).await;
    tracing::info!("stopped");
    Ok(())
}

/// SIGTERM or SIGINT.
pub(super) async fn termination() {
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(error) => {
                tracing::error!(%error, "cannot wait for a signal");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}

/// Our own messages go to standard error, as JSON; standard output is the access log's.
pub(super) fn start_logging(level: tracing::Level) -> io::Result<LineQueue> {
    let queue = LineQueue::to(io::stderr(), "log")?;
    let writer = queue.clone();
    let ours = LevelFilter::from_level(level);
    // The libraries below us know nothing of what is secret here, and some print requests at their finer levels.
    let filter =
        Targets::new().with_default(ours.min(LevelFilter::WARN)).with_target("palisade", ours).with_target("s3s", LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
    Ok(queue)
}
