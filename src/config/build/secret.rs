//! Secrets by reference: `{file: PATH}` or `{env: NAME}`.
//!
//! No message here repeats a value. A path or a name is repeated where it looks like one: someone may have put the secret itself in its
//! place.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{Env, Section, parse, read_text};
use crate::{
    config::{Pem, error::Fault},
    secret::Secret,
};

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
    secret_of(section, key, Shape::Line, env)
}

/// The same of another shape.
pub(super) fn secret_of(section: &Section<'_>, key: &str, shape: Shape, env: Env<'_>) -> Option<Secret> {
    let (kind, reference) = section.pairs(key, parse::text).into_iter().next()?;
    // After the reading, which recorded the reference.
    section.set(key, "[redacted]".into());
    if !section.looks_for_files() {
        section.not_tried(key);
        // Nothing is drawn that has to be a key of some algorithm's.
        return if shape == Shape::Line { stand_in() } else { None };
    }
    resolve(section, (key, None), (&kind, &reference), shape, env).map_err(|fault| section.wrong(key, fault.wrong, fault.right)).ok()
}

/// A certificate or key: a path, or `{env: NAME}`, whose effective value is `[redacted]`.
pub(super) fn pem(section: &Section<'_>, key: &str, env: Env<'_>) -> Option<Pem> {
    if !section.has_mapping(key) {
        return section.file(key).map(Pem::File);
    }
    let (kind, reference) = section.pairs(key, parse::text).into_iter().next()?;
    section.set(key, "[redacted]".into());
    let named = |text| Pem::Variable { name: format!("env:{reference}"), text };
    if !section.looks_for_files() {
        section.not_tried(key);
        // Nobody opens a listener with it.
        return Some(named(Secret::new(String::new())));
    }
    let text = resolve(section, (key, None), (&kind, &reference), Shape::Pem, env);
    text.map(named).map_err(|fault| section.wrong(key, fault.wrong, fault.right)).ok()
}

/// The secrets in the list `key`, with their places in it. One that is wrong is reported and left out.
pub(super) fn secrets(section: &Section<'_>, key: &str, shape: Shape, env: Env<'_>) -> Vec<(usize, Secret)> {
    let references = section.references(key);
    section.set(key, references.iter().map(|_| Value::from("[redacted]")).collect());
    if !section.looks_for_files() {
        references.iter().take(1).for_each(|_| section.not_tried(key));
        // Nothing is drawn that has to be a key of some algorithm's.
        let drawn = references.iter().enumerate().filter(|_| shape == Shape::Line);
        return drawn.filter_map(|(number, _)| Some((number, stand_in()?))).collect();
    }
    let secret = |(number, (kind, reference)): (usize, &(String, String))| {
        let secret = resolve(section, (key, Some(number)), (kind, reference), shape, env);
        secret.map_err(|fault| section.wrong_item(key, number, fault.wrong, fault.right)).ok().map(|secret| (number, secret))
    };
    references.iter().enumerate().filter_map(secret).collect()
}

/// What nobody knows, in place of a secret that is not looked for: 32 bytes in base64, which is what keys are.
fn stand_in() -> Option<Secret> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(Secret::new(STANDARD.encode(bytes)))
}

fn resolve(
    section: &Section<'_>,
    place: (&str, Option<usize>),
    (kind, reference): (&str, &str),
    shape: Shape,
    env: Env<'_>,
) -> Result<Secret, Fault> {
    let named = if is_a_name(kind, reference) { format!(" {reference}") } else { String::new() };
    let text = match kind {
        "file" => {
            let path = section.base().join(reference);
            let text = read_text(&path, MAX_SECRET);
            let text = text.map_err(|wrong| Fault::new(format!("the file{named} {wrong}"), "give a file that Palisade can read"))?;
            section.took_in_text(place, &path, &text);
            text
        }
        _ => {
            let text = env(reference)
                .ok_or_else(|| Fault::new(format!("the environment variable{named} is not set"), "set it, or name a file"))?;
            // All secrets are shown alike: without this, another variable would be no change.
            section.took_in_value(place, &text);
            text
        }
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

/// Whether this is how a file or a variable is called, and not how a key, a token or a password looks: random text has capitals, and what has
/// none has no slashes.
fn is_a_name(kind: &str, reference: &str) -> bool {
    let of_file = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-./".contains(&byte);
    let of_variable = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    match kind {
        "file" => reference.contains('/') && reference.bytes().all(of_file),
        _ => reference.bytes().all(|byte| of_variable(byte) || reference.contains('_') && byte.is_ascii_digit()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_and_what_may_be_a_secret_is_not() {
        for (kind, name) in
            [("file", "../secrets/admin-token"), ("file", "/run/secrets/a.pem"), ("env", "TOKEN"), ("env", "PALISADE_TOKEN_2")]
        {
            assert!(is_a_name(kind, name), "{name}");
        }
        for (kind, secret) in [
            ("file", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("file", "3f9c0b1d5e7a2846c0ffee0123456789"),
            ("file", "correct.horse"),
            ("file", "correct horse/battery"),
            ("env", "hunter2"),
            ("env", "GEZDGNBVGY3TQOJQ"),
        ] {
            assert!(!is_a_name(kind, secret), "{secret}");
        }
    }
}
