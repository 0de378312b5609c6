//! What was found in a configuration that loads.

use std::{
    io::{self, Write},
    path::Path,
};

use crate::config::{place::Places, settings::is_known};

/// Warnings, and what is no better than an error.
#[derive(Debug, Default)]
pub(super) struct Found(Vec<(Weight, String)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Error,
    Warning,
}

impl Found {
    /// A text begins with the setting that it is about, where it is about one.
    pub(super) fn warn(&mut self, text: String) {
        self.0.push((Weight::Warning, text));
    }

    /// As [`Found::warn`], where every request of every tenant would be refused.
    pub(super) fn refuse(&mut self, text: String) {
        self.0.push((Weight::Error, text));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is something no better than an error.
    pub(super) fn is_refusal(&self) -> bool {
        self.0.iter().any(|(weight, _)| *weight == Weight::Error)
    }

    /// One line for each, with its place in the file at `path` where that is known; errors first.
    pub(super) fn print(&self, path: &Path, err: &mut dyn Write) -> io::Result<()> {
        let places = Places::open(path);
        for wanted in [Weight::Error, Weight::Warning] {
            for (_, text) in self.0.iter().filter(|(weight, _)| *weight == wanted) {
                let at = key(text).and_then(|key| places.find(key)).map(|at| format!(":{}:{}", at.line, at.column)).unwrap_or_default();
                let kind = if wanted == Weight::Error { "" } else { "warning: " };
                writeln!(err, "{}{at}: {kind}{text}", path.display())?;
            }
        }
        Ok(())
    }
}

/// The setting that `text` begins with.
fn key(text: &str) -> Option<&str> {
    let key = text.split([' ', ',']).next()?.trim_end_matches(':');
    is_known(key.split(['.', '[']).next()?).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_a_setting_is_told_with_its_place_and_errors_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.yaml");
        std::fs::write(&path, "egress:\n  proofs: [jwt]\ntenants: {directory: {any: {}}}\n").unwrap();
        let mut found = Found::default();
        found.warn("the keys of i".to_owned());
        found.warn("egress.proofs takes".to_owned());
        found.refuse("tenants.directory.any: nobody".to_owned());
        let mut err = Vec::new();
        found.print(&path, &mut err).unwrap();
        let said = String::from_utf8(err).unwrap().replace(&path.display().to_string(), "P");
        assert_eq!(said, "P:3:23: tenants.directory.any: nobody\nP: warning: the keys of i\nP:2:3: warning: egress.proofs takes\n");
        assert!(found.is_refusal() && !found.is_empty());
    }
}
