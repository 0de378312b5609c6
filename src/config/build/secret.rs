//! Secrets by reference: `{file: PATH}` or `{env: NAME}`.
//!
//! No message here repeats a value, a path or a name: someone may have put the secret itself in their place.

use serde_json::Value;

use super::{Env, Section, parse, read_text};
use crate::{config::error::Fault, secret::Secret};

/// Longest secret, in bytes.
const MAX_SECRET: usize = 16 << 10;

/// What a secret looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text without control characters.
    Line,
    /// PEM blocks, which have lines.
    Pem,
}

/// The secret that `key` refers to. Its effective value is `[redacted]`.
pub(super) fn secret(section: &Section<'_>, key: &str, env: Env<'_>) -> Option<Secret> {
    let (kind, reference) = section.pairs(key, parse::text).into_iter().next()?;
    // After the reading, which recorded the reference.
    section.set(key, "[redacted]".into());
    resolve(section, (&kind, &reference), Shape::Line, env).map_err(|fault| section.wrong(key, fault.wrong, fault.right)).ok()
}

/// The secrets in the list `key`, with their places in it. One that is wrong is reported and left out.
pub(super) fn secrets(section: &Section<'_>, key: &str, shape: Shape, env: Env<'_>) -> Vec<(usize, Secret)> {
    let references = section.references(key);
    section.set(key, references.iter().map(|_| Value::from("[redacted]")).collect());
    let secret = |(number, (kind, reference)): (usize, &(String, String))| {
        let secret = resolve(section, (kind, reference), shape, env);
        secret.map_err(|fault| section.wrong_item(key, number, fault.wrong, fault.right)).ok().map(|secret| (number, secret))
    };
    references.iter().enumerate().filter_map(secret).collect()
}

fn resolve(section: &Section<'_>, (kind, reference): (&str, &str), shape: Shape, env: Env<'_>) -> Result<Secret, Fault> {
    let text = match kind {
        "file" => {
            let text = read_text(&section.base().join(reference), MAX_SECRET);
            text.map_err(|wrong| Fault::new(format!("the file {wrong}"), "give a file that Palisade can read"))?
        }
        _ => env(reference).ok_or_else(|| Fault::new("the environment variable is not set", "set it, or give {file: PATH}"))?,
    };
    let text = trim_newline(text);
    let is_lines = |c: char| shape == Shape::Pem && matches!(c, '\n' | '\r');
    if text.is_empty() {
        return Err(Fault::new("the secret is empty", "put it there"));
    }
    if text.len() > MAX_SECRET || text.chars().any(|c| c.is_control() && !is_lines(c)) {
        return Err(match shape {
            Shape::Line => Fault::new("the secret has control characters or is too long", "it is text on one line"),
            Shape::Pem => Fault::new("the secret has control characters or is too long", "it is a PEM block"),
        });
    }
    Ok(Secret::new(text))
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
