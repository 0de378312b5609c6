//! `palisade drain`: for `preStop` hooks, where there is no shell and no curl.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use http::{Method, StatusCode};
use serde_json::Value;

use super::{FAILED, MISUSED};
use crate::{
    admin::client::{self, CallError},
    config::quantity,
    secret::Secret,
};

/// For one question.
const LIMIT: Duration = Duration::from_secs(2);
/// Between questions.
const PAUSE: Duration = Duration::from_millis(200);

const TOKEN: &str = "PALISADE_ADMIN_TOKEN";
const TOKEN_FILE: &str = "PALISADE_ADMIN_TOKEN_FILE";

/// Arguments of `palisade drain`. The token is never one: arguments are public.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The running process's admin listener, host:port.
    #[arg(long, default_value = "127.0.0.1:8190")]
    address: String,
    /// How long to wait for requests in progress, such as 25s or 1m30s.
    #[arg(long, default_value = "25s", value_parser = duration)]
    wait: Duration,
    /// File with the admin token; otherwise PALISADE_ADMIN_TOKEN_FILE names it, or PALISADE_ADMIN_TOKEN holds the token.
    #[arg(long)]
    token_file: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    quantity::duration(text).ok_or_else(|| "give a duration such as 25s, 500ms or 1m30s".to_owned())
}

/// Starts the drain and waits for its end.
///
/// Exit code 0 when it ended or the process is gone, 1 when it could not be started or did not end in time, 2 when the token
/// cannot be read.
pub async fn run(args: Args) -> ExitCode {
    match token(args.token_file.as_deref(), &|name| std::env::var(name).ok()) {
        Ok(token) => drain(&args.address, args.wait, token).await,
        Err((path, error)) => {
            eprintln!("{}: {error}; give the file that holds the admin token", path.display());
            ExitCode::from(MISUSED)
        }
    }
}

/// Starts the drain of the process whose admin listener is at `address`, and waits up to `wait`.
pub async fn drain(address: &str, wait: Duration, token: Option<Secret>) -> ExitCode {
    if let Err(message) = start(address, token.as_ref()).await {
        eprintln!("{message}");
        return ExitCode::from(FAILED);
    }
    match tokio::time::timeout(wait, ended(address, token.as_ref())).await {
        Ok(()) => {
            println!("drained");
            ExitCode::SUCCESS
        }
        Err(_) => {
            eprintln!("not drained after {} ms: shutdown.delay is not over, or requests are in progress", wait.as_millis());
            ExitCode::from(FAILED)
        }
    }
}

async fn start(address: &str, token: Option<&Secret>) -> Result<(), String> {
    match client::call(address, Method::POST, "/drain", token, LIMIT).await {
        Ok((StatusCode::OK, _)) => Ok(()),
        Ok((StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _)) => Err(format!(
            "{address} refuses to drain: give the token of `admin.token` by --token-file, {TOKEN_FILE} or {TOKEN}; a process without admin.token in its configuration cannot be drained, only stopped by SIGTERM"
        )),
        Ok((status, _)) => Err(format!("{address} refuses to drain: {status}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Returns when the process says so, or is gone.
async fn ended(address: &str, token: Option<&Secret>) {
    loop {
        match client::call(address, Method::GET, "/drain", token, LIMIT).await {
            Ok((StatusCode::OK, body)) if serde_json::from_slice::<Value>(&body).is_ok_and(|state| state["drained"] == true) => return,
            Err(CallError::Connect { .. }) => return,
            // Slow or shutting down: only one of the two above is an end.
            Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// The token: from the file that is named, else from the environment. None at all is left to the process to refuse.
fn token(file: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Secret>, (PathBuf, io::Error)> {
    let file = file.map(Path::to_owned).or_else(|| env(TOKEN_FILE).map(PathBuf::from));
    let Some(path) = file else { return Ok(env(TOKEN).map(Secret::new)) };
    match fs::read_to_string(&path) {
        // As in the configuration: editors end files with a newline.
        Ok(text) => Ok(Some(Secret::new(text.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t)).unwrap_or(&text).to_owned()))),
        Err(error) => Err((path, error)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_defaults_fit_a_hook_and_nonsense_is_refused() {
        let args = Line::parse_from(["drain"]).args;
        assert_eq!((args.address.as_str(), args.wait, args.token_file), ("127.0.0.1:8190", Duration::from_secs(25), None));
        assert_eq!(Line::parse_from(["drain", "--wait", "1m30s"]).args.wait, Duration::from_secs(90));
        assert!(Line::try_parse_from(["drain", "--wait", "25"]).is_err());
        assert!(Line::try_parse_from(["drain", "--token", "secret"]).is_err());
    }

    #[test]
    fn the_token_comes_from_the_nearest_place() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let (named, from_env) = (write("named", "one\n"), write("env", "two\r\n"));
        let env = |name: &str| match name {
            TOKEN => Some("three".to_owned()),
            TOKEN_FILE => Some(from_env.display().to_string()),
            _ => None,
        };
        let shown = |token: Option<Secret>| token.map(|token| token.expose().to_owned());
        assert_eq!(shown(token(Some(&named), &env).unwrap()).as_deref(), Some("one"));
        assert_eq!(shown(token(None, &env).unwrap()).as_deref(), Some("two"));
        assert_eq!(shown(token(None, &|name| env(name).filter(|_| name == TOKEN)).unwrap()).as_deref(), Some("three"));
        assert_eq!(shown(token(None, &|_| None).unwrap()), None);
        assert_eq!(token(Some(&directory.path().join("gone")), &env).unwrap_err().1.kind(), io::ErrorKind::NotFound);
    }
}
