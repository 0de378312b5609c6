//! `palisade dev token`: a token of the running sandbox.

use std::{process::ExitCode, time::Duration};

use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    super::{FAILED, MISUSED},
    sandbox::Ports,
    say,
};
use crate::{
    admin::client::{self, CallError},
    sandbox::idp::TOKEN_PATH,
};

const PATIENCE: Duration = Duration::from_secs(5);

/// Arguments of `palisade dev token`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The tenant that the token is for; several with commas between them.
    #[arg(long)]
    tenant: String,
    /// The user.
    #[arg(long)]
    subject: Option<String>,
    /// The user's roles, with commas between them.
    #[arg(long)]
    roles: Option<String>,
    /// How long it lives: 90s, 15m, 1h.
    #[arg(long)]
    expires: Option<String>,
}

/// Asks the identity provider and prints what it gives. Exits 2 when it does not like the parameters, 1 when it is not there.
pub(super) async fn run(args: &Args, ports: Ports) -> ExitCode {
    let told = |code: u8, why: &str| {
        eprintln!("palisade dev token: {}", why.trim_end());
        code.into()
    };
    let place = ports.idp().to_string();
    match client::call(&place, Method::GET, &args.target(), None, PATIENCE).await {
        Ok((StatusCode::OK, answer)) if is_token(&answer) => {
            say(&String::from_utf8_lossy(&answer));
            ExitCode::SUCCESS
        }
        Ok((StatusCode::BAD_REQUEST, answer)) => told(MISUSED, &String::from_utf8_lossy(&answer)),
        Err(CallError::Connect { .. }) => {
            told(FAILED, &format!("no sandbox is running on port base {0}: start one with `palisade dev --port-base {0}`", ports.0))
        }
        Ok(_) | Err(CallError::Exchange { .. } | CallError::Overdue { .. }) => {
            told(FAILED, &format!("what listens on {place} is no identity provider of a sandbox"))
        }
    }
}

impl Args {
    fn target(&self) -> String {
        let parameters = [
            ("tenant", Some(&self.tenant)),
            ("subject", self.subject.as_ref()),
            ("roles", self.roles.as_ref()),
            ("expires", self.expires.as_ref()),
        ];
        let encoded =
            |(name, value): (&str, Option<&String>)| value.map(|v| format!("{name}={}", utf8_percent_encode(v, NON_ALPHANUMERIC)));
        let query: Vec<String> = parameters.into_iter().filter_map(encoded).collect();
        format!("{TOKEN_PATH}?{}", query.join("&"))
    }
}

/// Three parts of base64url, and a newline: anything could be listening on that port.
fn is_token(answer: &[u8]) -> bool {
    let part = |part: &[u8]| !part.is_empty() && part.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
    let parts: Vec<&[u8]> = answer.strip_suffix(b"\n").unwrap_or(answer).split(|b| *b == b'.').collect();
    parts.len() == 3 && parts.into_iter().all(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::idp::TokenRequest;

    #[test]
    fn the_question_is_one_that_the_provider_understands() {
        let args = Args {
            tenant: "acme".to_owned(),
            subject: Some("a&b c=d".to_owned()),
            roles: Some("reader,admin".to_owned()),
            expires: Some("15m".to_owned()),
        };
        let target = args.target();
        let request = TokenRequest::parse(target.split_once('?').unwrap().1).unwrap();
        assert_eq!((request.subject.as_str(), request.expires), ("a&b c=d", 900));
        assert_eq!(request.roles, ["reader", "admin"]);
        let plain = Args { tenant: "acme".to_owned(), subject: None, roles: None, expires: None };
        assert_eq!(plain.target(), "/token?tenant=acme");
    }

    #[test]
    fn only_tokens_are_printed() {
        assert!(is_token(b"a-_.b.c\n") && is_token(b"a.b.c"));
        assert!(!is_token(b"<html>a.b.c</html>") && !is_token(b"a..c") && !is_token(b"a.b") && !is_token(b"a.b.c.d") && !is_token(b""));
    }
}
