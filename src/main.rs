//! The `palisade` command.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    palisade::cli::Cli::parse().run().await
}
