//! Secrets by reference: `{file: PATH}` or `{env: NAME}`.
//!
//! No message here repeats a value, a path or a name: someone may have put the secret itself in their place.

use super::{Env, Section, parse, read_text};
use crate::{config::error::Fault, secret::Secret};

/// Longest secret, in bytes.
const MAX_SECRET: usize = 16 << 10;

/// The secret that `key` refers to. Its effective value is `[redacted]`.
pub(super) fn secret(section: &Section<'_>, key: &str, env: Env<'_>) -> Option<Secret> {
    let (kind, reference) = section.pairs(key, parse::text).into_iter().next()?;
    // After the reading, which recorded the reference.
    section.set(key, "[redacted]".into());
    let text = match kind.as_str() {
        "file" => {
            let text = read_text(&section.base().join(reference), MAX_SECRET);
            text.map_err(|wrong| Fault::new(format!("the file {wrong}"), "give a file that Palisade can read"))
        }
        _ => env(&reference).ok_or_else(|| Fault::new("the environment variable is not set", "set it, or give {file: PATH}")),
    };
    match text.map(trim_newline) {
        Ok(text) if text.is_empty() => {
            section.wrong(key, "the secret is empty", "put it there");
            None
        }
        Ok(text) if text.len() > MAX_SECRET || text.chars().any(char::is_control) => {
            section.wrong(key, "the secret has control characters or is too long", "it is text on one line");
            None
        }
        Ok(text) => Some(Secret::new(text)),
        Err(fault) => {
            section.wrong(key, fault.wrong, fault.right);
            None
        }
    }
}

/// Editors and `echo` end a file with a newline that is no part of the secret.
fn trim_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}
