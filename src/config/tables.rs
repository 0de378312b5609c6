//! What any directory in a DynamoDB table has: the table, who reads it, and how long its answers are kept.

use std::{path::PathBuf, time::Duration};

use super::Endpoint;

/// A DynamoDB table.
#[derive(Debug, Clone)]
pub struct TableConfig {
    /// Name or ARN.
    pub name: String,
    /// Region to call and sign for.
    pub region: String,
    /// Where DynamoDB is, when it is not AWS's regional endpoint.
    pub endpoint: Option<Endpoint>,
    /// PEM file of extra roots.
    pub ca: Option<PathBuf>,
    /// Deadline of one read.
    pub timeout: Duration,
    /// Whether reads see every write that was acknowledged before them.
    pub consistent: bool,
    /// The role that reads it; without one the base identity does.
    pub reader: Option<ReaderConfig>,
}

/// A role that Palisade assumes for itself, to read a table.
#[derive(Debug, Clone)]
pub struct ReaderConfig {
    /// The role.
    pub role_arn: String,
    /// What its trust policy may demand.
    pub external_id: Option<String>,
}

/// How long answers of a table are kept.
#[derive(Debug, Clone, Copy)]
pub struct CacheConfig {
    /// Until an answer is asked for again.
    pub fresh: Duration,
    /// Until it is of no use at all, while the table cannot be asked; not less than `fresh`.
    pub max_stale: Duration,
    /// How long it is remembered that there is no record, or that it cannot be used; not more than `fresh`.
    pub negative: Duration,
    /// Most entries that are kept.
    pub max_entries: usize,
}
