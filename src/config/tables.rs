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

impl TableConfig {
    /// Whether `other` says the same of where the table is and of who reads it. Without a role of its own that is the base identity, which
    /// says whose table is meant by a mere name: `same_base` says that both have the same one.
    pub(crate) fn is_of_same_table(&self, other: &Self, same_base: bool) -> bool {
        let place = |of: &Self| (of.name.clone(), of.region.clone(), of.endpoint.clone(), of.reader.clone());
        let says_whose = self.reader.is_some() || self.name.starts_with("arn:");
        place(self) == place(other) && (same_base || says_whose)
    }
}

/// A role that Palisade assumes for itself, to read a table.
#[derive(Debug, Clone, PartialEq, Eq)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_the_same_where_nothing_says_that_it_is_another() {
        let table = |name: &str, reader: Option<&str>| TableConfig {
            name: name.to_owned(),
            region: "eu-west-1".to_owned(),
            endpoint: None,
            ca: None,
            timeout: Duration::from_secs(1),
            consistent: true,
            reader: reader.map(|role_arn| ReaderConfig { role_arn: role_arn.to_owned(), external_id: None }),
        };
        let (plain, arn) = (table("tenants", None), "arn:aws:dynamodb:eu-west-1:111122223333:table/tenants");
        let slower = TableConfig { timeout: Duration::from_secs(2), consistent: false, ..plain.clone() };
        assert!(plain.is_of_same_table(&slower, true) && !plain.is_of_same_table(&slower, false));
        for other in [table("others", None), table("tenants", Some("r")), TableConfig { region: "us-east-1".to_owned(), ..plain.clone() }] {
            assert!(!plain.is_of_same_table(&other, true), "{other:?}");
        }
        // Whose it is stands in the name, or in who reads it.
        for table in [table(arn, None), table("tenants", Some("r"))] {
            assert!(table.is_of_same_table(&table, false), "{table:?}");
        }
    }
}
