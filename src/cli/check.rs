//! `palisade check`: validates a configuration and the files that it names. Opens no port and calls nobody.
//!
//! Errors go to standard error, one a line, and end with exit code 2. What can be run but weakens the security claim is said
//! as well, as a warning: it is a decision to take on purpose. What would refuse every request of every tenant is an error, though it can be
//! started.

mod audit;
mod base;
mod directories;
mod found;
mod grants;
mod guard;
mod isolation;
mod listeners;
mod named;
mod plans;
mod warm_up;

#[cfg(test)]
#[cfg(feature = "sandbox")]
mod tests;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use self::found::Found;
use super::MISUSED;
use crate::{
    app::{self, ServedPolicies},
    clock::Clock,
    config::{Config, ConfigErrors, DirectoryConfig, UsersConfig},
    directory::{Changes, Directory, OpenError, TenantRecord, users::UserDirectory},
    telemetry::Metrics,
};

/// Tenants that are named in warnings of one kind.
const SHOWN: usize = 10;
/// Failures a second from which on a budget bounds nothing: one core checks about as many tokens.
const UNBOUNDED: f64 = 10_000.0;

/// The command line of `palisade check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file, or env:NAME for a variable of the environment that holds it.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Do not look for certificates, keys, tokens and variables of the environment: for a machine that is not the one that is configured.
    #[arg(long)]
    pub without_files: bool,
    /// Take warnings for errors: exit code 2 where there is any.
    #[arg(long)]
    pub strict: bool,
}

/// Validates the file, and the tenant records, certificates and keys that it names.
pub fn run(args: &Args) -> ExitCode {
    let code = check(args, &|name| std::env::var(name).ok(), &mut io::stdout().lock(), &mut io::stderr().lock());
    // Where nobody reads, the exit code still says it.
    ExitCode::from(code.unwrap_or(MISUSED))
}

fn check(args: &Args, env: &dyn Fn(&str) -> Option<String>, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let path = args.config.as_path();
    let (config, untried) = match load(args, env) {
        Ok(loaded) => loaded,
        Err(errors) => {
            writeln!(err, "{errors}")?;
            return Ok(MISUSED);
        }
    };
    let probed = if args.without_files { Ok(()) } else { app::probe(&config, &path.display().to_string()) };
    let (directory, users, policies) = match (directory(&config, &untried), users(&config, &untried), policies(&config, &untried), probed) {
        (Ok(directory), Ok(users), Ok(policies), Ok(())) => (directory, users, policies),
        (opened, users, policies, probed) => {
            let text = |errors: ConfigErrors| errors.to_string();
            let errors = [opened.err().map(|e| e.to_string()), users.err(), policies.err().map(text), probed.err().map(text)];
            for errors in errors.into_iter().flatten() {
                writeln!(err, "{errors}")?;
            }
            return Ok(MISUSED);
        }
    };
    let directory = directory.as_ref();
    let mut found = warnings(&config, directory);
    directories::warnings(&mut |text| found.warn(text), &config, directory, users.as_ref());
    found.print(path, err)?;
    if !untried.is_empty() {
        writeln!(out, "{}: not tried, since files and variables are not looked for: {}", path.display(), untried.join(", "))?;
    }
    if found.is_refusal() || (args.strict && !found.is_empty()) {
        return Ok(MISUSED);
    }
    writeln!(out, "{}: ok: {}", path.display(), summary(&config, directory, users.as_ref(), policies))?;
    Ok(0)
}

/// The configuration, and the settings whose files and variables were not looked for.
fn load(args: &Args, env: &dyn Fn(&str) -> Option<String>) -> Result<(Config, Vec<String>), ConfigErrors> {
    if args.without_files { Config::load_without_files(&args.config) } else { Ok((Config::load(&args.config, env)?, Vec::new())) }
}

/// The tenants, where they are at hand. A table is not asked: that is for a process that runs.
fn directory(config: &Config, untried: &[String]) -> Result<Option<Directory>, OpenError> {
    match &config.directory {
        DirectoryConfig::DynamoDb(_) => Ok(None),
        DirectoryConfig::File(_) | DirectoryConfig::PrefixFreeFile(_) if is_untried(untried, "tenants.directory.file") => Ok(None),
        at_hand @ (DirectoryConfig::Any | DirectoryConfig::File(_) | DirectoryConfig::PrefixFreeFile(_)) => {
            Directory::open(at_hand, None).map(Some)
        }
    }
}

/// The users of a file. A table is not asked: that is for a process that runs.
fn users(config: &Config, untried: &[String]) -> Result<Option<UserDirectory>, String> {
    let Some(users @ UsersConfig::File(_)) = &config.users else { return Ok(None) };
    if is_untried(untried, "users.directory.file") {
        return Ok(None);
    }
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let opened = UserDirectory::open(users, None, &Changes::default(), &Clock::system(), &metrics);
    opened.map(Some).map_err(|error| error.to_string())
}

/// How many Cedar policies there are.
fn policies(config: &Config, untried: &[String]) -> Result<Option<usize>, ConfigErrors> {
    if is_untried(untried, "guard.cedar.policies") {
        return Ok(None);
    }
    ServedPolicies::open(&config.guard).map(|policies| policies.count())
}

fn is_untried(untried: &[String], key: &str) -> bool {
    untried.iter().any(|untried| untried == key)
}

fn summary(config: &Config, directory: Option<&Directory>, users: Option<&UserDirectory>, policies: Option<usize>) -> String {
    let mut parts = Vec::new();
    if let Some(ingress) = &config.ingress {
        parts.push(format!("ingress {}", ingress.listen));
    }
    if let Some(egress) = &config.egress {
        let listen: Vec<_> = egress.listen.iter().map(ToString::to_string).collect();
        let services: Vec<_> = egress.services.keys().map(String::as_str).collect();
        let socket = egress.socket.as_ref().map(|socket| format!(" {}", socket.path.display())).unwrap_or_default();
        parts.push(format!("egress {}{socket} to {}", listen.join(" "), services.join(" ")));
    }
    parts.push(match &config.directory {
        DirectoryConfig::Any => "any tenant".to_owned(),
        DirectoryConfig::DynamoDb(tenants) => format!("tenants in table {}", tenants.table.name),
        DirectoryConfig::File(_) | DirectoryConfig::PrefixFreeFile(_) => format!("tenants: {}", records(directory).len()),
    });
    match &config.users {
        None => {}
        Some(UsersConfig::File(_)) => parts.push(format!("users: {}", users.and_then(UserDirectory::count).unwrap_or_default())),
        Some(UsersConfig::DynamoDb(table)) => parts.push(format!("users in table {}", table.table.name)),
    }
    parts.extend(policies.map(|policies| format!("policies: {policies}")));
    parts.push(format!("issuers: {}", config.identity.issuers.len()));
    parts.join(", ")
}

/// What works, and is outside the security claim or next to it; and what works for nobody.
fn warnings(config: &Config, directory: Option<&Directory>) -> Found {
    let mut found = Found::default();
    if let Some(egress) = &config.egress {
        listeners::egress(&mut |text| found.warn(text), egress);
    }
    if let Some(ingress) = &config.ingress {
        listeners::ingress(&mut found, config, ingress, directory);
    }
    plans::warnings(&mut found, config, directory);
    let mut warn = |text: String| found.warn(text);
    grants::passports(&mut warn, config);
    grants::workloads(&mut warn, config);
    audit::warnings(&mut warn, config);
    base::warnings(&mut warn, config);
    guard::warnings(&mut warn, config, directory);
    isolation::warnings(&mut warn, config, directory);
    warm_up::warnings(&mut warn, config, directory);
    config.identity.issuers.iter().for_each(|issuer| grants::issuers(&mut warn, issuer));
    grants::granting_anything(&mut warn, config);
    if config.identity.verification.failures.per_second >= UNBOUNDED {
        warn("identity.verification.failures is as good as none: junk from one address takes checks from everybody".to_owned());
    }
    if matches!(config.directory, DirectoryConfig::Any) {
        warn("tenants.directory is any: no tenant can be suspended, and nothing revoked".to_owned());
    }
    if config.admin.metrics_token.is_none() && !config.admin.listen.ip().is_loopback() {
        warn("admin.metrics_token is unset and admin.listen is not loopback: the names of tenants are open to the network".to_owned());
    }
    named::tiers(&mut warn, config, directory);
    named::roles(&mut warn, config);
    named::services(&mut warn, config);
    named::certificates(&mut warn, config, Clock::system().now());
    found
}

fn records(directory: Option<&Directory>) -> Vec<Arc<TenantRecord>> {
    directory.map(Directory::records).unwrap_or_default()
}
