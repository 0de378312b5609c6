//! `palisade doctor`: looks at what a configuration relies on, from where it runs.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use super::{FAILED, MISUSED};
use crate::{
    clock::Clock,
    config::{Config, Endpoint},
    doctor::{self, Level, Options},
    tenant::TenantId,
};

/// Arguments of `palisade doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file, or env:NAME for a variable of the environment that holds it.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A tenant, whose record is looked for and whose plan is tried: STS is asked for a session, which is dropped.
    #[arg(long, value_name = "ID")]
    tenant: Option<TenantId>,
    /// What a caller would bring, for templates that ask for it, such as subject=user-1 or claims.email=a@b.example; may be given again.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    value: Vec<(String, String)>,
    /// An AWS profile of yours that may call iam:SimulatePrincipalPolicy: proves what Palisade's own identity may do.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Where IAM is, when it is not AWS's own: an emulator.
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    iam_endpoint: Option<Endpoint>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "give NAME=VALUE".to_owned())
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err("give a URL such as https://iam.amazonaws.com".to_owned()),
    };
    let authority = rest.trim_end_matches('/').parse().map_err(|_| "give a scheme, a host and a port alone".to_owned())?;
    Ok(Endpoint { tls, authority })
}

/// Looks, and prints what was found. Exit code 1 where something does not work or is not safe, 2 for a wrong configuration.
pub async fn run(args: Args) -> ExitCode {
    let config = match Config::load(&args.config, &|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("{errors}");
            return MISUSED.into();
        }
    };
    let options = Options { tenant: args.tenant, values: args.value, profile: args.profile, iam: args.iam_endpoint };
    let report = doctor::examine(&config, &args.config.display().to_string(), &options, &Clock::system()).await;
    let text = if args.json { format!("{:#}\n", report.json()) } else { report.text() };
    // Where nobody reads, the exit code still says it.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    if report.worst() == Level::Failure { FAILED.into() } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_what_they_should_be() {
        assert_eq!(pair("claims.email=a=b"), Ok(("claims.email".to_owned(), "a=b".to_owned())));
        assert!(pair("claims.email").is_err() && pair("=a").is_err() && pair("a=").is_err());
        assert_eq!(endpoint("http://127.0.0.1:4566/"), Ok(Endpoint { tls: false, authority: "127.0.0.1:4566".parse().unwrap() }));
        assert!(endpoint("127.0.0.1:4566").is_err() && endpoint("https://").is_err() && endpoint("https://a/b").is_err());
    }
}
