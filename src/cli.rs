//! The command line. One file a command.

pub mod audit;
pub mod check;
#[cfg(feature = "sandbox")]
pub mod dev;
pub mod doctor;
pub mod drain;
pub mod explain;
pub mod guard;
pub mod health;
pub mod iam;
pub mod run;
pub mod schema;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit code: failed while running.
pub(crate) const FAILED: u8 = 1;
/// Exit code: wrong usage or configuration.
pub(crate) const MISUSED: u8 = 2;

/// A sidecar proxy that enforces tenant isolation for multi-tenant SaaS on AWS.
#[derive(Debug, Parser)]
#[command(name = "palisade", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM, then drain.
    Run(run::Args),
    /// Verify audit logs, and make the keys that they are signed with.
    Audit(audit::Args),
    /// Validate a configuration; every error with file, line, key and what would be right.
    Check(check::Args),
    /// A whole sandbox in one process: identity provider, AWS double, demo application, Palisade in front.
    #[cfg(feature = "sandbox")]
    Dev(dev::Args),
    /// Check what a configuration relies on, from where it runs: clock, files, keys, STS, and what its identity may do.
    Doctor(doctor::Args),
    /// Exit 0 when the running process is ready.
    Health(health::Args),
    /// Start the drain of the running process and wait for it.
    Drain(drain::Args),
    /// Say what would become of a tenant's request to AWS, and why, without sending it.
    Explain(explain::Args),
    /// Work on the rules of the guard.
    Guard(guard::Args),
    /// Print the IAM policies that a configuration needs.
    Iam(iam::Args),
    /// Print the JSON Schema of the configuration.
    Schema(schema::Args),
    /// Print the version.
    Version,
}

impl Cli {
    /// Runs the command.
    pub async fn run(self) -> ExitCode {
        match self.command {
            Command::Run(args) => run::run(args).await,
            Command::Audit(args) => audit::run(args),
            Command::Check(args) => check::run(&args),
            #[cfg(feature = "sandbox")]
            Command::Dev(args) => dev::run(args).await,
            Command::Doctor(args) => doctor::run(args).await,
            Command::Health(args) => health::run(args).await,
            Command::Drain(args) => drain::run(args).await,
            Command::Explain(args) => explain::run(args).await,
            Command::Guard(args) => guard::run(args),
            Command::Iam(args) => iam::run(args),
            Command::Schema(args) => schema::run(&args),
            Command::Version => {
                println!("palisade {} ({})", crate::VERSION, crate::RUSTC);
                ExitCode::SUCCESS
            }
        }
    }
}
