//! Readers of what clients send, and of what they are judged by, held to other readers: the targets of `make fuzz`, and of tests.
//!
//! It is here with `cfg(fuzzing)` and in tests, and in no release. A [`Target`] takes any bytes. It panics where a reader of ours takes something that another
//! reader would see differently: the other one is a crate that the reader does not use, or is written here, with no mind for safety. To refuse is always right,
//! so each target has seeds that are taken, which tests see to.

pub(crate) mod json;
mod wire;

use crate::{
    aws::{operation::oracle as operation, resource::oracle as resource},
    guard::oracles::{dynamodb, s3, schemas, search},
};

/// A property of a reader.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which is that of its program and of its directory of seeds.
    pub name: &'static str,
    /// Holds it to the bytes, and says whether they were taken.
    ///
    /// # Panics
    /// It does not hold.
    pub hold: fn(&[u8]) -> bool,
}

/// Every one, by name.
pub const TARGETS: [Target; 17] = [
    target("arithmetic", resource::arithmetic),
    target("cbor", resource::cbor),
    target("copy_source", s3::copy_source),
    target("delete_objects", s3::delete_objects),
    target("describe_table", schemas::described),
    target("dynamodb_body", dynamodb::body),
    target("dynamodb_condition", dynamodb::condition),
    target("dynamodb_number", dynamodb::number),
    target("dynamodb_update", dynamodb::update),
    target("form", resource::form),
    target("named_body", resource::body),
    target("query", operation::query),
    target("rest_path", operation::path),
    target("restore_object", s3::restore_object),
    target("search_body", search::body),
    target("strict_json", json::object),
    target("wire_target", wire::target),
];

const fn target(name: &'static str, hold: fn(&[u8]) -> bool) -> Target {
    Target { name, hold }
}

/// Holds the target `name` to `bytes`, and says whether they were taken.
///
/// # Panics
/// It does not hold, or there is no such target.
pub fn hold(name: &str, bytes: &[u8]) -> bool {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("there is no target {name}"));
    (target.hold)(bytes)
}

#[cfg(test)]
mod tests;
