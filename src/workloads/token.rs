//! A workload's token: a random secret in a file, given as the proof.
//!
//! The file is read again when it changes. It may hold two tokens, a line each, so that one can be replaced without a moment in which the
//! workload and Palisade know different ones: add the new one, let the workload take it, take the old one out. A version that cannot be used
//! leaves the one before in place, with a warning.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use arc_swap::ArcSwap;

use crate::{config::build::read_text, secret::Secret};

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// Least bits of a token, taken at its word: what is not random has fewer.
const BITS: usize = 128;
/// Longest token, in bytes.
const MAX_TOKEN: usize = 512;
/// Tokens that count at once.
const MAX_TOKENS: usize = 2;

/// The tokens of one workload.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    tokens: ArcSwap<Vec<Secret>>,
}

impl TokenFile {
    /// Reads the file.
    ///
    /// # Errors
    /// Why it cannot be used, without a word of what is in it.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        Ok(Self { path: path.to_owned(), tokens: ArcSwap::from_pointee(read(path)?) })
    }

    /// Whether `proof` is one of the tokens.
    pub(super) fn matches(&self, proof: &Secret) -> bool {
        // Each is looked at, so that the time does not tell which.
        self.tokens.load().iter().fold(false, |found, token| token.matches(proof.expose().as_bytes()) | found)
    }

    /// Whether one token is in both.
    pub(super) fn shares(&self, other: &Self) -> bool {
        self.tokens.load().iter().any(|token| other.matches(token))
    }

    /// Follows the file, until dropped.
    pub(super) async fn watch(&self) {
        let mut complained = false;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let path = self.path.clone();
            match tokio::task::spawn_blocking(move || read(&path)).await {
                Ok(Ok(tokens)) => {
                    complained = false;
                    self.take(tokens);
                }
                Ok(Err(wrong)) if !complained => {
                    complained = true;
                    tracing::warn!(path = %self.path.display(), wrong, "a workload's token cannot be used; the one before stays");
                }
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    fn take(&self, tokens: Vec<Secret>) {
        let old = self.tokens.load();
        let same = old.len() == tokens.len() && old.iter().zip(&tokens).all(|(old, new)| old.matches(new.expose().as_bytes()));
        if !same {
            tracing::info!(path = %self.path.display(), "a workload's token was replaced");
            self.tokens.store(tokens.into());
        }
    }
}

/// The tokens in a file.
///
/// # Errors
/// As [`TokenFile::open`].
pub(super) fn read(path: &Path) -> Result<Vec<Secret>, String> {
    let text = Secret::new(read_text(path, (MAX_TOKEN + 2) * MAX_TOKENS).map_err(|wrong| format!("the file {wrong}"))?);
    let tokens: Vec<&str> = text.expose().lines().collect();
    if tokens.is_empty() || tokens.len() > MAX_TOKENS {
        return Err(format!("the file holds {} lines; write one token, or while it is replaced two, each on a line", tokens.len()));
    }
    match tokens.iter().find_map(|token| weakness(token)) {
        Some(wrong) => Err(wrong),
        None => Ok(tokens.into_iter().map(|token| Secret::new(token.to_owned())).collect()),
    }
}

/// Why `token` is none.
fn weakness(token: &str) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.len() > MAX_TOKEN || !token.bytes().all(fits) {
        return Some(format!("a token is at most {MAX_TOKEN} of A-Z a-z 0-9 - . _ ~ + / =; make one with `openssl rand -hex 32`"));
    }
    let bits = match token.trim_end_matches('=') {
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => text.len() * 3,
        text if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => text.len() * 4,
        text => text.len() * 6,
    };
    let mut distinct: Vec<u8> = token.bytes().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let is_weak = bits < BITS || distinct.len() < 8;
    is_weak.then(|| format!("a token has less than {BITS} bits, or is not random; make one with `openssl rand -hex 32`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "3f9c0b1d5e7a2846c0ffee0123456789abcdef0123456789";
    const OTHER: &str = "Zm9vYmFyYmF6cXV4Y29y";

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn one_token_or_two_while_it_is_replaced() {
        let (_folder, path) = written(&format!("{ONE}\n"));
        let file = TokenFile::open(&path).unwrap();
        assert!(file.matches(&Secret::new(ONE.into())) && !file.matches(&Secret::new(OTHER.repeat(2))));
        std::fs::write(&path, format!("{}\r\n{ONE}", OTHER.repeat(2))).unwrap();
        file.take(read(&path).unwrap());
        assert!(file.matches(&Secret::new(ONE.into())) && file.matches(&Secret::new(OTHER.repeat(2))));
        let (_folder, other) = written(ONE);
        assert!(file.shares(&TokenFile::open(&other).unwrap()));
        assert!(!file.matches(&Secret::new(String::new())) && !file.matches(&Secret::new(format!("{ONE}\n"))));
    }

    #[test]
    fn what_could_be_guessed_is_no_token() {
        for text in [
            "",
            "\n",
            "hunter2",
            "0123456789abcdef0123456789abcde",
            "1234567890123456789012345678901234567890",
            OTHER,
            &"ab".repeat(64),
            &format!("{ONE} "),
            &format!("{ONE}\n\n"),
            &format!("{ONE}\n{ONE}\n{ONE}\n"),
            &"x1Y2".repeat(200),
        ] {
            let (_folder, path) = written(text);
            let wrong = read(&path).map(drop).expect_err(text);
            assert!(!wrong.contains("hunter2") && !wrong.contains(ONE), "{wrong}");
        }
        assert!(read(Path::new("/nowhere/token")).is_err());
    }
}
