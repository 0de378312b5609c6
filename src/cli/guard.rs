//! `palisade guard`: work on the rules of the guard.

mod dynamodb;
mod named;
mod print;
mod propose;
mod read;
pub mod report;
mod s3;

use std::process::ExitCode;

use clap::Subcommand;

/// Arguments of `palisade guard`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Propose rules out of an access log that was written with `guard.mode: audit`.
    Report(report::Args),
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    match args.command {
        Command::Report(args) => report::run(&args),
    }
}

#[cfg(test)]
pub(crate) mod tests;
