//! What is wrong with a file, and where.

use std::{fmt, sync::Arc};

use super::document::At;

/// Most errors that are kept for one file; a broken file of a million lines should not fill a terminal.
const MAX_ERRORS: usize = 200;

/// One mistake in a file.
///
/// Printed as `FILE:LINE:COLUMN: key.path: what is wrong; what would be right`. Neither part repeats a secret: settings that
/// hold one are never quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Line and column, both from 1; `None` where the file as a whole is meant.
    pub at: Option<At>,
    /// The setting, as in `egress.services.s3.endpoint`; empty where none is meant.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right; empty where that is plain.
    pub right: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(at) = self.at {
            write!(f, ":{}:{}", at.line, at.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.wrong)?;
        if self.right.is_empty() { Ok(()) } else { write!(f, "; {}", self.right) }
    }
}

/// Every mistake found in a file, at least one, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(crate) fn new(mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by_key(|error| error.at);
        errors.dedup();
        Self(errors)
    }

    /// The whole file cannot be used.
    pub(crate) fn of_file(file: &str, wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self(vec![ConfigError { file: file.into(), at: None, key: String::new(), wrong: wrong.into(), right: right.into() }])
    }

    /// The mistakes.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().take(MAX_ERRORS).enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        match self.0.len().saturating_sub(MAX_ERRORS) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more errors"),
        }
    }
}

impl std::error::Error for ConfigErrors {}

/// What is wrong with one value, before it is known where the value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) wrong: String,
    pub(crate) right: String,
}

impl Fault {
    pub(crate) fn new(wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), right: right.into() }
    }
}

/// Quotes a word of the file for a message: on one line, and not too long.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    let shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() { format!("\"{shown}…\"") } else { format!("\"{shown}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(at: Option<At>, key: &str, right: &str) -> ConfigError {
        ConfigError { file: "p.yaml".into(), at, key: key.to_owned(), wrong: "is wrong".to_owned(), right: right.to_owned() }
    }

    #[test]
    fn one_line_an_error_in_the_order_of_the_file() {
        let late = error(Some(At { line: 9, column: 1 }), "b", "write x");
        let early = error(Some(At { line: 2, column: 7 }), "a.c", "");
        let errors = ConfigErrors::new(vec![late.clone(), early, late]);
        assert_eq!(errors.to_string(), "p.yaml:2:7: a.c: is wrong\np.yaml:9:1: b: is wrong; write x");
        assert_eq!(ConfigErrors::of_file("p.yaml", "cannot be read", "").to_string(), "p.yaml: cannot be read");
    }

    #[test]
    fn a_flood_of_errors_is_cut_off() {
        let errors = ConfigErrors::new((1..=250).map(|line| error(Some(At { line, column: 1 }), "k", "")).collect());
        assert_eq!(errors.to_string().lines().count(), 201);
        assert!(errors.to_string().ends_with("and 50 more errors"));
    }

    #[test]
    fn quoted_words_stay_on_one_line() {
        assert_eq!(quote("a\n\u{1b}[31m\""), "\"a\\n\\u{1b}[31m\\\"\"");
        assert!(quote(&"x".repeat(5000)).len() < 80);
    }
}
