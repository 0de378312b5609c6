//! What was found, for people and for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be, or at least not disproved.
    Ok,
    /// It works, or it could not be found out.
    Warning,
    /// It does not work, or is not safe.
    Failure,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The setting that it is about.
    pub key: String,
    /// What was found. No secret.
    pub found: String,
    /// What to do, where something is to be done.
    pub cure: String,
    /// Statements to add: to which policy, and the statement.
    pub statements: Vec<(String, Value)>,
}

/// Everything that was found, in the order in which it was looked at.
#[derive(Debug, Default)]
pub struct Report(Vec<Finding>);

impl Report {
    pub(super) fn ok(&mut self, key: impl Into<String>, found: impl Into<String>) {
        self.add(Level::Ok, key, found, "");
    }

    pub(super) fn add(&mut self, level: Level, key: impl Into<String>, found: impl Into<String>, cure: impl Into<String>) {
        self.push(Finding { level, key: key.into(), found: found.into(), cure: cure.into(), statements: Vec::new() });
    }

    pub(super) fn push(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// The findings.
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }

    /// The worst of them.
    pub fn worst(&self) -> Level {
        self.0.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    /// A line or more for each finding, and a last one that sums up.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.0 {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{:7}  {}: {}", finding.level.name(), finding.key, finding.found);
            if !finding.cure.is_empty() {
                let _ = writeln!(text, "         cure: {}", finding.cure);
            }
            for (to, statement) in &finding.statements {
                let _ = writeln!(text, "         add to {to}:");
                for line in format!("{statement:#}").lines() {
                    let _ = writeln!(text, "           {line}");
                }
            }
        }
        let count = |level| self.0.iter().filter(|finding| finding.level == level).count();
        let _ = writeln!(text, "{} ok, {} warnings, {} failures", count(Level::Ok), count(Level::Warning), count(Level::Failure));
        text
    }

    /// `{"worst": ..., "findings": [{"level", "key", "found", "cure", "statements": [{"to", "statement"}]}]}`
    pub fn json(&self) -> Value {
        let statement = |(to, statement): &(String, Value)| json!({"to": to, "statement": statement});
        let finding = |finding: &Finding| {
            let statements: Vec<_> = finding.statements.iter().map(statement).collect();
            json!({"level": finding.level.name(), "key": finding.key, "found": finding.found, "cure": finding.cure, "statements": statements})
        };
        json!({"worst": self.worst().name(), "findings": self.0.iter().map(finding).collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_as_bad_as_its_worst_finding_and_says_the_same_in_both_forms() {
        let mut report = Report::default();
        assert_eq!(report.worst(), Level::Ok);
        report.ok("ingress.tls", "fine");
        report.add(Level::Warning, "a", "odd", "look");
        let statements = vec![("the trust policy".to_owned(), json!({"Effect": "Allow"}))];
        report.push(Finding { level: Level::Failure, key: "b".into(), found: "bad".into(), cure: "mend".into(), statements });
        assert_eq!(report.worst(), Level::Failure);
        let text = report.text();
        for line in
            ["ok       ingress.tls: fine", "         cure: mend", "         add to the trust policy:", "1 ok, 1 warnings, 1 failures"]
        {
            assert!(text.contains(line), "{text}");
        }
        let json = report.json();
        assert_eq!((&json["worst"], &json["findings"][2]["statements"][0]["statement"]["Effect"]), (&json!("failure"), &json!("Allow")));
    }
}
