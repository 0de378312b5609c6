//! `palisade dev`: a whole sandbox in one process, on loopback, offline.
//!
//! Five ports in a row: Palisade's ingress (TLS), egress and admin listeners, the identity provider, the AWS double. The demo
//! application behind the ingress is on a port of the system's choice. Everything is in memory but a few files in a private
//! directory, which goes when the sandbox ends.

mod certificates;
mod parts;
mod sandbox;
mod state;
mod story;
mod token;

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
    process::ExitCode,
};

use clap::Subcommand;

use self::sandbox::{Ports, Sandbox, SandboxError};
use super::{FAILED, run::termination};
use crate::clock::Clock;

/// The last port that leaves room for four more.
const LAST_BASE: i64 = 65_531;

/// Arguments of `palisade dev`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The first of the sandbox's five ports: ingress, then egress, admin, identity provider, AWS double.
    #[arg(long, value_name = "N", global = true, default_value_t = Ports::DEFAULT_BASE, value_parser = clap::value_parser!(u16).range(1..=LAST_BASE))]
    port_base: u16,
    /// The address of the ingress and of the admin listener; 0.0.0.0 in a container whose port is published. Everything else stays on loopback.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the demo application alone, beside a Palisade of your own.
    Application(parts::ApplicationArgs),
    /// Serve the identity provider and the AWS double alone, for a Palisade of your own.
    Backends(parts::BackendsArgs),
    /// Write the certificates and secrets that a Palisade of your own and these backends share.
    Files(parts::FilesArgs),
    /// Print a token of the running sandbox's identity provider.
    Token(token::Args),
}

/// Runs the sandbox until it is told to stop, or asks a running one for a token.
pub async fn run(args: Args) -> ExitCode {
    let ports = Ports(args.port_base);
    match args.command {
        Some(Command::Token(token)) => token::run(&token, ports).await,
        Some(Command::Application(of)) => ended(parts::application(&of, Clock::system(), termination()).await),
        Some(Command::Backends(of)) => ended(parts::backends(of, ports, Clock::system(), termination()).await),
        Some(Command::Files(of)) => ended(parts::files(&of, &Clock::system())),
        None => ended(serve(ports, args.listen).await),
    }
}

fn ended(how: Result<(), SandboxError>) -> ExitCode {
    match how {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("palisade dev: {error}");
            FAILED.into()
        }
    }
}

async fn serve(ports: Ports, listen: IpAddr) -> Result<(), SandboxError> {
    // Without a thread for its messages the sandbox works all the same.
    let _ = super::run::start_logging(tracing::Level::WARN, crate::config::LogFormat::Json);
    let mut stop = std::pin::pin!(termination());
    let sandbox = tokio::select! {
        sandbox = Sandbox::start(ports, listen, Clock::system()) => sandbox?,
        () = &mut stop => return Ok(()),
    };
    sandbox.run(stop, |story| say(&story)).await
}

/// To standard output. Somebody who stops reading does not stop the sandbox.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use clap::{Parser, error::ErrorKind};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, ErrorKind> {
        Cli::try_parse_from(std::iter::once("dev").chain(line.split_whitespace())).map(|cli| cli.args).map_err(|e| e.kind())
    }

    #[test]
    fn the_port_base_is_understood_on_both_sides_of_token() {
        assert_eq!(parse("").unwrap().port_base, 18_443);
        assert_eq!(parse("token --tenant acme --port-base 20000").unwrap().port_base, 20_000);
        assert_eq!(parse("--port-base 20000 token --tenant acme").unwrap().port_base, 20_000);
        assert_eq!(parse("--port-base 65532").unwrap_err(), ErrorKind::ValueValidation);
        assert_eq!(parse("--port-base 0").unwrap_err(), ErrorKind::ValueValidation);
        assert_eq!(parse("token").unwrap_err(), ErrorKind::MissingRequiredArgument);
    }
}
