//! The command line. One file a command.

pub mod check;
pub mod drain;
pub mod health;
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
#[command(name = "palisade", disable_version_flag = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM, then drain.
    Run(run::Args),
    /// Validate a configuration; every error with file, line, key and what would be right.
    Check(check::Args),
    /// Exit 0 when the running process is ready.
    Health(health::Args),
    /// Start the drain of the running process and wait for it.
    Drain(drain::Args),
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Print the version.
    Version,
}

impl Cli {
    /// Runs the command.
    pub async fn run(self) -> ExitCode {
        match self.command {
            Command::Run(args) => run::run(args).await,
            Command::Check(args) => check::run(&args),
            Command::Health(args) => health::run(args).await,
            Command::Drain(args) => drain::run(args).await,
            Command::Schema => schema::run(),
            Command::Version => {
                println!("palisade {} ({})", crate::VERSION, crate::RUSTC);
                ExitCode::SUCCESS
            }
        }
    }
}
