//! An access log, summed up.
//!
//! It is read line by line and may be long; what is kept grows with what is different in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead},
};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::guard::Touched;

/// What denials of Cedar policies go by.
const POLICIES: &str = "guard.cedar";

/// Requests, by tenant.
pub(super) type Counts = BTreeMap<String, u64>;

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) rule: String,
    pub(super) service: String,
    pub(super) operation: String,
    pub(super) tenant: String,
}

/// What was in it.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Lines of the access log.
    pub(super) lines: u64,
    /// Lines that are none, or that cannot be read.
    pub(super) malformed: u64,
    /// JSON of another kind.
    pub(super) others: u64,
    /// Requests that the guard has refused: what they were about is not in the log.
    pub(super) denied: u64,
    /// Requests that the guard would have refused, and AWS did.
    pub(super) refused_by_aws: u64,
    pub(super) would_deny: BTreeMap<Row, u64>,
    /// What was touched, by whom.
    pub(super) touched: BTreeMap<Touched, Counts>,
    /// Requests of which the log does not say what they were about: service, operation, and why.
    pub(super) unread: BTreeMap<(String, String, String), Counts>,
    /// Things that did not fit into their lines.
    pub(super) left_out: u64,
}

/// What is read of a line.
#[derive(Debug, Deserialize)]
struct Line {
    tenant: Option<String>,
    service: Option<String>,
    operation: Option<String>,
    reason: Option<String>,
    would_deny: Option<String>,
    #[serde(default)]
    touched: Vec<Touched>,
    #[serde(default)]
    touched_left_out: u64,
}

impl Log {
    /// Adds what `from` has.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read(&mut self, mut from: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line)? > 0 {
            if !line.trim_ascii().is_empty() {
                self.line(&line);
            }
            line.clear();
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) {
        let Ok(object) = serde_json::from_slice::<Map<String, Value>>(line) else {
            self.malformed += 1;
            return;
        };
        if object.get("log").and_then(Value::as_str) != Some("access") {
            self.others += 1;
            return;
        }
        match serde_json::from_value::<Line>(Value::Object(object)) {
            Ok(line) => self.add(line),
            Err(_) => self.malformed += 1,
        }
    }

    fn add(&mut self, line: Line) {
        self.lines += 1;
        self.denied += u64::from(line.reason.as_deref() == Some("guard-denied"));
        let Some(denial) = line.would_deny else { return };
        // What AWS has refused is nobody's to be allowed.
        if line.reason.as_deref() == Some("aws-denied") {
            self.refused_by_aws += 1;
            return;
        }
        let unknown = || "-".to_owned();
        let tenant = line.tenant.unwrap_or_else(unknown);
        let (service, operation) = (line.service.unwrap_or_else(unknown), line.operation.unwrap_or_else(unknown));
        let (rule, why) = denial.split_once(": ").unwrap_or((&denial, ""));
        let row = Row { rule: rule.to_owned(), service: service.clone(), operation: operation.clone(), tenant: tenant.clone() };
        *self.would_deny.entry(row).or_default() += 1;
        self.left_out += line.touched_left_out;
        // What policies have against a request, no rule cures.
        if line.touched.is_empty() && rule != POLICIES {
            *self.unread.entry((service, operation, why.to_owned())).or_default().entry(tenant.clone()).or_default() += 1;
        }
        // A request that names a thing twice is one request.
        for touched in line.touched.into_iter().filter(|_| rule != POLICIES).collect::<BTreeSet<_>>() {
            *self.touched.entry(touched).or_default().entry(tenant.clone()).or_default() += 1;
        }
    }
}
