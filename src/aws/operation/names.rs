//! Names of S3's operations.
//!
//! S3 tells its operations apart by method, by whether bucket and key are there, by query parameters and by one header.

use http::{HeaderMap, Method};

use super::{form::Pairs, path::PathView, s3_exact::rows_at};
use crate::aws::target::Style;

/// What makes a request one of S3's operations.
#[derive(Debug)]
pub(super) struct S3Operation {
    name: &'static str,
    method: &'static str,
    level: Level,
    /// Parameters that have to be there, some as `key=value`.
    query: &'static [&'static str],
    /// A header that has to be there, or nothing.
    header: &'static str,
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Bucket,
    Object,
    Service,
}

/// A row of the table.
pub(super) const fn operation(
    name: &'static str,
    method: &'static str,
    level: Level,
    query: &'static [&'static str],
    header: &'static str,
) -> S3Operation {
    S3Operation { name, method, level, query, header }
}

impl S3Operation {
    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it names an object.
    #[cfg(feature = "cedar")]
    pub(super) fn is_of_an_object(&self) -> bool {
        self.level == Level::Object
    }

    /// Method, whether a bucket and a key are named, the query's parts and a header, for tests over the whole table.
    #[cfg(test)]
    pub(super) fn parts(&self) -> (&'static str, (bool, bool), &'static [&'static str], &'static str) {
        (self.method, (self.level != Level::Service, self.level == Level::Object), self.query, self.header)
    }

    pub(super) fn is_at(&self, method: &Method, level: Level) -> bool {
        self.method == method.as_str() && self.level == level
    }

    /// Whether `key` is a parameter that it asks for.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.query.iter().any(|part| part.split_once('=').map_or(*part, |(name, _)| name) == key)
    }

    /// Whether everything that it asks for is there.
    pub(super) fn fits_exactly(&self, there: impl Fn(&str) -> bool, headers: &HeaderMap) -> bool {
        self.query.iter().all(|part| there(part)) && (self.header.is_empty() || headers.contains_key(self.header))
    }

    /// Whether it asks for all that `other` asks for, and for more.
    pub(super) fn asks_for_more_than(&self, other: &Self) -> bool {
        let all = other.query.iter().all(|part| self.query.contains(part)) && (other.header.is_empty() || other.header == self.header);
        all && (self.query.len() > other.query.len() || self.header != other.header)
    }
}

/// The operation of an S3 request; `None` for what is none.
pub(super) fn s3(style: &Style, method: &Method, path: &PathView<'_>, query: &Pairs<'_>, headers: &HeaderMap) -> Option<&'static str> {
    let named_in_host = matches!(style, Style::Bucket(_));
    let level = match path.depth() + usize::from(named_in_host) {
        0 => Level::Service,
        1 => Level::Bucket,
        _ => Level::Object,
    };
    let fits = |row: &&&'static S3Operation| {
        row.query.iter().all(|part| part.split_once('=').map_or_else(|| query.has(part), |(key, value)| query.has_value(key, value)))
            && (row.header.is_empty() || headers.contains_key(row.header))
    };
    rows_at(method, level).iter().find(fits).map(|row| row.name)
}
