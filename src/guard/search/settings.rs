//! Settings of an index, and new indexes.
//!
//! Settings may be nested or have dots in their names, with `index` before them or without ("Index settings", OpenSearch documentation), so they are compared as the whole of
//! their names. What is listed is about the index alone. Not listed, and so refused, are pipelines by which what is written goes elsewhere, blocks that only an operator should
//! set, files that the cluster has, and analysis and similarity by script.

use serde_json::{Map, Value};

use super::{document::object, mapping, shape::unknown};
use crate::aws::resource::Untold;

const ODD: Untold = "the body has a setting that is not known";

/// Names, without `index.`.
const KNOWN: [&str; 15] = [
    "auto_expand_replicas",
    "codec",
    "knn",
    "max_docvalue_fields_search",
    "max_inner_result_window",
    "max_ngram_diff",
    "max_rescore_window",
    "max_result_window",
    "max_shingle_diff",
    "max_terms_count",
    "number_of_replicas",
    "number_of_routing_shards",
    "number_of_shards",
    "query.default_field",
    "refresh_interval",
];
/// Longest name of a setting. Each is looked at once for whatever stands below it.
const NAME_BYTES: usize = 512;
/// Types in `analysis` that are Java's regular expressions, or files.
const OTHER_TYPES: [&str; 6] = ["hunspell", "pattern", "pattern_capture", "pattern_group", "pattern_replace", "regexp"];
/// How names begin of which there are many.
const FAMILIES: [&str; 5] = ["analysis.", "knn.", "mapping.", "similarity.", "sort."];

/// The settings alone.
pub(super) fn read(body: &[u8]) -> Result<(), Untold> {
    let body = object(body)?;
    // They may stand below a member of their own.
    match body.get("settings") {
        Some(settings) if body.len() == 1 => check("", settings),
        Some(_) => Err(ODD),
        None => check("", &Value::Object(body)),
    }
}

/// Settings and mappings; aliases are refused.
pub(super) fn new_index(body: &[u8]) -> Result<(), Untold> {
    let body: Map<String, Value> = object(body)?;
    body.iter().try_for_each(|(name, value)| match name.as_str() {
        "mappings" => mapping::check(value),
        "settings" if value.is_object() => check("", value),
        // A template of clients that would be empty.
        "aliases" if value.as_object().is_some_and(Map::is_empty) => Ok(()),
        name => Err(unknown(name)),
    })
}

fn check(before: &str, value: &Value) -> Result<(), Untold> {
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            if before.len() + name.len() > NAME_BYTES {
                return Err("the body has a setting whose name is longer than any");
            }
            let name = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
            check(&name, value)
        }),
        Value::Array(_) if before.ends_with(".type") => Err(ODD),
        Value::Array(values) => {
            is_known(before)?;
            if values.iter().all(|value| !value.is_object() && !value.is_array()) { Ok(()) } else { Err(ODD) }
        }
        Value::String(text) if OTHER_TYPES.contains(&text.as_str()) && before.ends_with(".type") => {
            Err("analysis by regular expressions that can take for ever, or from files of the nodes")
        }
        _ => is_known(before),
    }
}

fn is_known(name: &str) -> Result<(), Untold> {
    let name = name.strip_prefix("index.").unwrap_or(name);
    if KNOWN.contains(&name) {
        return Ok(());
    }
    let mut steps = name.split('.');
    let is_more = |step: &str| {
        step.contains("script")
            || step.ends_with("_path")
            || matches!(step, "dictionary" | "rule_files" | "user_dictionary")
            || step.is_empty()
    };
    match FAMILIES.iter().any(|family| name.starts_with(family)) {
        true if !steps.any(is_more) => Ok(()),
        _ => Err(name.rsplit('.').next().map(unknown).filter(|why| *why != unknown("")).unwrap_or(ODD)),
    }
}
