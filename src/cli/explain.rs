//! `palisade explain`: what would become of a tenant's request to AWS, and why, stage by stage. It sends nothing.
//!
//! Every stage is the one that a request on the egress goes through (`Guard::explain`, `foresee`); only the proof is left out, since there is none. So it
//! says nothing of tokens: whether one would be accepted, and what a passport or a context restricts. What it prints is about a request that its reader has
//! written; secrets (an external id) are not printed.

mod asked;
mod judged;
#[cfg(feature = "cedar")]
mod permitted;
mod stages;
mod supposed;

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
};

use http::{HeaderName, HeaderValue, Method};

use self::{
    asked::Asking,
    stages::{Explained, Stage},
    supposed::Supposed,
};
use super::{FAILED, MISUSED};
use crate::{
    app::ServedPolicies,
    clock::Clock,
    config::Config,
    guard::{Guard, Supposition},
    server::Peer,
    telemetry::{AccessLog, Listener, Metrics, Recorder, TenantLabels, Tracer},
    tenant::TenantId,
};

/// Arguments of `palisade explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file, or env:NAME for a variable of the environment that holds it.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The tenant whose request it is.
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    /// The user, for templates that have {subject}.
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// The user's roles, which policies of guard.cedar can ask for. Nothing else on the egress does.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    roles: Vec<String>,
    /// What else is known, such as claims.email=a@b.example; tenant.account=... where the directory is no file; may be given again.
    #[arg(long, value_name = "NAME=VALUE", value_parser = asked::pair)]
    value: Vec<(String, String)>,
    /// When it is, for policies of guard.cedar: a date and time with an offset such as 2026-11-28T10:00:00Z. Now, where it is not given.
    #[cfg(feature = "cedar")]
    #[arg(long, value_name = "TIME", value_parser = asked::moment)]
    at: Option<std::time::SystemTime>,
    /// The signing name of the service, where the host does not say it: what an SDK with an endpoint of its own signs for.
    #[arg(long, value_name = "NAME")]
    aws_service: Option<String>,
    /// The region, where the host does not say it.
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// A header of the request; may be given again.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = asked::header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// The request's body; - is standard input.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The request's method.
    method: Method,
    /// Where it goes, without a signature.
    url: String,
}

/// Explains. Exit code 1 where the request would be refused, 2 where it or the configuration is wrong.
pub async fn run(args: Args) -> ExitCode {
    let is_json = args.json;
    match explain(args).await {
        Ok(explained) => {
            let text = if is_json { format!("{:#}\n", explained.json()) } else { explained.text() };
            // Where nobody reads, the exit code still says it.
            let _ = io::stdout().lock().write_all(text.as_bytes());
            if explained.refusal().is_some() { FAILED.into() } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "{error}");
            MISUSED.into()
        }
    }
}

async fn explain(args: Args) -> Result<Explained, String> {
    // Nothing is run: whoever asks has neither the keys nor the tokens of what would.
    let (config, _) = Config::load_without_files(&args.config).map_err(|errors| errors.to_string())?;
    let egress = config.egress.as_ref().ok_or("there is no egress in the configuration: palisade explain is about requests to AWS")?;
    let scope = args.aws_service.as_deref().map(|service| (service, args.region.as_deref().unwrap_or(&egress.region)));
    if scope.is_none() && args.region.is_some() {
        return Err("--region goes with --aws-service; otherwise the host says the region".to_owned());
    }
    let body = args.body.as_deref().map(asked::read).transpose()?;
    let asking = Asking::new(&config, args.method, &args.url, &args.header, body, scope)?;
    let supposed = Supposed::new(&config, args.tenant, args.subject, args.value)?;

    let mut explained = Explained::default();
    let policies = ServedPolicies::open(&config.guard).map_err(|errors| errors.to_string())?;
    let known = explained.add(stages::tenant(&supposed, &args.roles, config.guard.has_policies()));
    explained.add(stages::limits(&config, &supposed).filter(|_| known));
    let guard = policies.over(Guard::new(egress, &config.guard), Clock::system());
    let target = match guard.destination(&asking.request(), asking.placeholder()) {
        Ok(target) => target,
        Err(refusal) => {
            explained.add(Some(Stage::refused("target", &refusal)));
            return Ok(explained);
        }
    };
    explained.add(Some(stages::target(&target)));
    if !known {
        return Ok(explained);
    }
    let recorder = silent()?;
    let mut record = recorder.begin(Listener::Egress, asking.method(), &Peer::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
    #[cfg(feature = "cedar")]
    let who = supposed.who(&args.roles);
    let supposition = Supposition {
        values: &supposed,
        #[cfg(feature = "cedar")]
        who: (who.as_ref(), args.at),
    };
    let settled = match guard.explain(asking.request(), asking.placeholder().cloned(), supposition, &mut record).await {
        Ok(settled) => settled,
        Err(refusal) => {
            explained.add(Some(Stage::refused("operation", &refusal)));
            return Ok(explained);
        }
    };
    explained.add(Some(stages::operation(&settled, asking.note())));
    explained.add(Some(judged::guard(&settled)));
    #[cfg(feature = "cedar")]
    explained.add(settled.permitted.as_ref().map(|permitted| permitted::cedar(permitted, &supposed)));
    explained.add(Some(stages::session(&config, &settled.target.service, &supposed)));
    explained.add(Some(stages::upstream(&settled.target)));
    Ok(explained)
}

/// Nobody is to hear of a request that nobody sends.
fn silent() -> Result<Recorder, String> {
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let log = AccessLog::to(io::sink(), metrics.clone()).map_err(|error| error.to_string())?;
    Ok(Recorder { metrics, log, labels: TenantLabels::new(1), traces: Tracer::off(), clock: Clock::system() })
}

#[cfg(test)]
mod tests;
