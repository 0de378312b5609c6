//! S3's operations by the letter.
//!
//! The name in the log ([`names`](super::names)) is found with tolerance: it is better to see an operation than to miss it. Where a name
//! *allows* something, tolerance would let one operation pass for another: `?ACL` is GetObjectAcl to a tolerant reader and
//! GetObject to S3. So here is nothing but what S3 would read in the same way, and everything that it could.

use std::sync::LazyLock;

use http::{HeaderMap, Method};

use super::{
    form::exact_pairs,
    names::{Level, S3Operation},
    s3_table::S3_OPERATIONS,
};
use crate::aws::target::{Style, Target};

/// Parameters that say how an operation is done, and not which one.
const PLAIN: [&str; 19] = [
    "bucket-region",
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "marker",
    "max-buckets",
    "max-directory-buckets",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "partNumber",
    "prefix",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
    "versionId",
];
/// How parameters begin that are about the answer's headers.
const OF_ANSWER: &str = "response-";
/// By which SDKs tell each other what they mean.
const OF_SDKS: &str = "x-id";
/// How parameters begin of which AWS takes no notice, and which log readers use. Other stores have such that change what is read: `x-oss-process` names a
/// second object.
const UNNOTICED: &str = "x-";

/// How S3 could read a request.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    /// Every operation that it could be. None at all where a part of it is unknown or could be read differently.
    pub(crate) operations: Vec<&'static str>,
    /// Whether it names a version of its object.
    pub(crate) has_version: bool,
}

/// How S3 could read the request.
pub(crate) fn s3_readings(target: &Target, method: &Method, headers: &HeaderMap) -> Readings {
    let query = target.path_and_query.query().unwrap_or_default();
    let (Some(level), Some(pairs)) = (level(&target.style, target.path_and_query.path()), exact_pairs(query)) else {
        return Readings::default();
    };
    let rows = rows_at(method, level);
    let is_plain = |key: &str| {
        let is_unnoticed = !target.dial_is_configured && key.starts_with(UNNOTICED);
        PLAIN.contains(&key) || key == OF_SDKS || is_unnoticed || key.starts_with(OF_ANSWER)
    };
    let known = |key: &str| is_plain(key) || rows.iter().any(|row| row.has_key(key));
    if !pairs.iter().all(|(key, _)| known(key)) {
        return Readings::default();
    }
    let there = |part: &str| match part.split_once('=') {
        Some((key, value)) => pairs.iter().any(|pair| pair.0 == key && pair.1 == value),
        None => pairs.iter().any(|pair| pair.0 == part),
    };
    let fitting: Vec<_> = rows.iter().copied().filter(|row| row.fits_exactly(there, headers)).collect();
    // Of two that fit, S3 takes the one that asks for more; where neither does, it could be either.
    let is_general = |row: &S3Operation| fitting.iter().any(|other| other.asks_for_more_than(row));
    Readings {
        operations: fitting.iter().filter(|row| !is_general(row)).map(|row| row.name()).collect(),
        has_version: pairs.iter().any(|(key, _)| key == "versionId"),
    }
}

/// The rows of a method and a level, in the table's order.
pub(super) fn rows_at(method: &Method, level: Level) -> &'static [&'static S3Operation] {
    type Rows = Vec<&'static S3Operation>;
    const METHODS: [Method; 5] = [Method::DELETE, Method::GET, Method::HEAD, Method::POST, Method::PUT];
    static ROWS: LazyLock<[[Rows; 3]; 5]> = LazyLock::new(|| {
        METHODS.map(|method| {
            [Level::Bucket, Level::Object, Level::Service]
                .map(|level| S3_OPERATIONS.iter().filter(|row| row.is_at(&method, level)).collect())
        })
    });
    let of_method = METHODS.iter().position(|known| known == method).and_then(|at| ROWS.get(at));
    of_method.and_then(|levels| levels.get(level as usize)).map_or(&[], Vec::as_slice)
}

/// What a path names, as S3 has it: everything behind the bucket's slash is the key.
fn level(style: &Style, path: &str) -> Option<Level> {
    let path = path.strip_prefix('/').unwrap_or(path);
    match style {
        Style::Bucket(_) => Some(if path.is_empty() { Level::Bucket } else { Level::Object }),
        Style::Plain => match path.split_once('/').unwrap_or((path, "")) {
            ("", "") => Some(Level::Service),
            // A key without a bucket.
            ("", _) => None,
            (_, "") => Some(Level::Bucket),
            (_, _) => Some(Level::Object),
        },
    }
}

/// The operations of S3, and whether each names an object.
#[cfg(feature = "cedar")]
pub(crate) fn s3_operations_and_objects() -> impl Iterator<Item = (&'static str, bool)> {
    S3_OPERATIONS.iter().map(|row| (row.name(), row.is_of_an_object()))
}

#[cfg(test)]
pub(crate) fn s3_operation_names() -> impl Iterator<Item = &'static str> {
    S3_OPERATIONS.iter().map(S3Operation::name)
}

/// What a request for an operation consists of: its name, method, whether it names a bucket and a key, its query's parts and a header.
#[cfg(test)]
pub(crate) type S3Example = (&'static str, &'static str, (bool, bool), &'static [&'static str], &'static str);

#[cfg(test)]
pub(crate) fn s3_examples() -> impl Iterator<Item = S3Example> {
    S3_OPERATIONS.iter().map(|row| {
        let (method, level, query, header) = row.parts();
        (row.name(), method, level, query, header)
    })
}
