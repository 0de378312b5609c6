//! `palisade health`: for image health checks and ECS `dependsOn`, where there is no shell and no curl.

use std::{process::ExitCode, time::Duration};

use http::{Method, StatusCode};
use serde_json::Value;

use super::FAILED;
use crate::admin::client;

/// Below the least interval that Docker and ECS take for their own deadline.
const LIMIT: Duration = Duration::from_secs(2);

/// Arguments of `palisade health`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The running process's admin listener, host:port.
    #[arg(long, default_value = "127.0.0.1:8190")]
    address: String,
}

/// Exit code 0 when the process is ready; 1, with the reason on standard error, when it is not or cannot be asked.
pub async fn run(args: Args) -> ExitCode {
    health(&args.address).await
}

/// Asks the admin listener at `address`.
pub async fn health(address: &str) -> ExitCode {
    match client::call(address, Method::GET, "/readyz", None, LIMIT).await {
        Ok((StatusCode::OK, _)) => {
            println!("ready");
            ExitCode::SUCCESS
        }
        Ok((_, body)) => {
            eprintln!("not ready{}", failing(&body));
            ExitCode::from(FAILED)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(FAILED)
        }
    }
}

/// Names the checks that fail, one a line.
fn failing(body: &[u8]) -> String {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let checks = document["checks"].as_array().into_iter().flatten();
    let failing = checks.filter(|check| check["ok"] != true);
    failing.fold(String::new(), |text, check| {
        let (name, detail) = (check["name"].as_str().unwrap_or("?"), check["detail"].as_str().unwrap_or_default());
        format!("{text}\n  {name}: {detail}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failing_checks_are_named() {
        let body =
            br#"{"ready":false,"checks":[{"name":"keys","ok":false,"detail":"none yet"},{"name":"serving","ok":true,"detail":"yes"}]}"#;
        assert_eq!(failing(body), "\n  keys: none yet");
        assert_eq!(failing(b"<html>"), "");
    }
}
