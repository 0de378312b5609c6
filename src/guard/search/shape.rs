//! What a body may look like: which members and clauses, and what each of them has in it.
//!
//! Whatever is not listed is refused. Values that OpenSearch takes for data alone are not looked into, except that in none of them stands a member that is a script, a
//! lookup or an index anywhere else in its language: an option that is new, and takes one, is not let through.

use serde_json::{Map, Value};

use super::mapping;
use crate::aws::resource::Untold;

/// A member, and what it is.
pub(super) type Member = (&'static str, Shape);

/// What a value has to be. Null is a scalar.
#[derive(Debug)]
pub(super) enum Shape {
    /// Any data, without a member that could be more.
    Data,
    /// An object whose names are the client's own.
    Each(&'static Self),
    /// How a field is mapped.
    Field,
    /// A list of these.
    List(&'static Self),
    /// One of these, or a list.
    Many(&'static Self),
    /// A list of the first, or the second.
    ListOr(&'static Self, &'static Self),
    /// An object whose names are the client's own, but for these.
    Named(&'static [Member], &'static Self),
    /// What stands elsewhere, and may have this in it again.
    Of(fn() -> &'static Self),
    /// An object with exactly one of these members.
    One(&'static [Member]),
    /// An object with none but these members.
    Record(&'static [&'static [Member]]),
    /// Text, a number, true or false, or null.
    Scalar,
    /// A scalar; of an object, this.
    ScalarOr(&'static Self),
    /// A scalar, or a list of them.
    Scalars,
    /// The same; of an object, this.
    ScalarsOr(&'static Self),
    /// A document of the client's own, which nobody looks into.
    Skip,
    /// One of these texts.
    Word(&'static [&'static str]),
}

/// Fields of OpenSearch's own that queries are about. The others begin with `_` too, and so do scripts in places of fields.
const OWN_FIELDS: [&str; 5] = ["_id", "_ignored", "_routing", "_seq_no", "_size"];

const ANOTHER: Untold = "the body is not what it takes: a value is of another type";
const UNKNOWN: Untold = "the body has a member or clause that is not known";
const NOT_ONE: Untold = "the body has several clauses, or none, where one is wanted";

impl Shape {
    /// Whether `value` is so, down to its last member.
    pub(super) fn check(&self, value: &Value) -> Result<(), Untold> {
        match self {
            Self::Data => data(value),
            Self::Each(of) => object(value)?.values().try_for_each(|value| of.check(value)),
            Self::Field => mapping::field(value),
            Self::List(of) => list(value)?.iter().try_for_each(|value| of.check(value)),
            Self::ListOr(item, other) => match value {
                Value::Array(values) => values.iter().try_for_each(|value| item.check(value)),
                _ => other.check(value),
            },
            Self::Many(of) => match value {
                Value::Array(values) => values.iter().try_for_each(|value| of.check(value)),
                _ => of.check(value),
            },
            Self::Named(known, other) => object(value)?.iter().try_for_each(|(name, value)| match find(&[known], name) {
                Some(shape) => shape.check(value),
                None if name.starts_with('_') && !OWN_FIELDS.contains(&name.as_str()) => Err(unknown(name)),
                None => other.check(value),
            }),
            Self::Of(of) => of().check(value),
            Self::One(known) => match object(value)?.iter().collect::<Vec<_>>()[..] {
                [(name, value)] => find(&[known], name).ok_or_else(|| unknown(name))?.check(value),
                _ => Err(NOT_ONE),
            },
            Self::Record(known) => {
                let mut members = object(value)?.iter();
                members.try_for_each(|(name, value)| find(known, name).ok_or_else(|| unknown(name))?.check(value))
            }
            Self::Scalar => scalar(value),
            Self::ScalarOr(of) => {
                if value.is_object() {
                    of.check(value)
                } else {
                    scalar(value)
                }
            }
            Self::Scalars => Self::Many(&Self::Scalar).check(value),
            Self::ScalarsOr(of) => {
                if value.is_object() {
                    of.check(value)
                } else {
                    Self::Scalars.check(value)
                }
            }
            Self::Skip => Ok(()),
            Self::Word(words) => {
                let is_known = value.as_str().is_some_and(|text| words.contains(&text));
                if is_known { Ok(()) } else { Err("a value of the body is not one of those that are known") }
            }
        }
    }
}

fn find(known: &[&'static [Member]], name: &str) -> Option<&'static Shape> {
    known.iter().flat_map(|list| list.iter()).find(|(member, _)| *member == name).map(|(_, shape)| shape)
}

fn object(value: &Value) -> Result<&Map<String, Value>, Untold> {
    value.as_object().ok_or(ANOTHER)
}

fn list(value: &Value) -> Result<&Vec<Value>, Untold> {
    value.as_array().ok_or(ANOTHER)
}

fn scalar(value: &Value) -> Result<(), Untold> {
    match value {
        Value::Array(_) | Value::Object(_) => Err(ANOTHER),
        Value::String(text) => shallow(text),
        _ => Ok(()),
    }
}

fn data(value: &Value) -> Result<(), Untold> {
    match value {
        Value::Array(values) => values.iter().try_for_each(data),
        Value::Object(members) => {
            members.iter().try_for_each(|(name, value)| if is_more(name, value) { Err(unknown(name)) } else { data(value) })
        }
        Value::String(text) => shallow(text),
        _ => Ok(()),
    }
}

/// Whether a text that could be a query or a regular expression is one that every version's parser gets through: they call themselves for each parenthesis, and the node that runs
/// out of stack is everybody's (CVE-2026-63136).
pub(super) fn shallow(text: &str) -> Result<(), Untold> {
    const DEEPEST: usize = 64;
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err("a text with more parentheses in one another than a query has");
        }
    }
    Ok(())
}

/// Whether a member of this name is, anywhere in OpenSearch's language, a script, a lookup, an index, a query, or what does one of these.
fn is_more(name: &str, value: &Value) -> bool {
    const NAMES: [&str; 20] = [
        "_index",
        "_indices",
        "agentic",
        "collate",
        "index",
        "indexed_shape",
        "indices",
        "inline",
        "lang",
        "max_determinized_states",
        "nested_filter",
        "percolate",
        "pipeline",
        "pit",
        "rule_files",
        "scroll",
        "search_pipeline",
        "sltr",
        "template",
        "wrapper",
    ];
    // Where a query could stand, which is an object or a list of them.
    const QUERIES: [&str; 10] =
        ["filter", "filters", "highlight_query", "must", "must_not", "nested", "queries", "query", "rescore_query", "should"];
    let has_objects = || value.is_object() || value.as_array().is_some_and(|values| values.iter().any(|value| !scalar_like(value)));
    NAMES.contains(&name)
        || name.starts_with("neural")
        || name.starts_with("script")
        || name.ends_with("_script")
        || QUERIES.contains(&name) && has_objects()
}

fn scalar_like(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

/// What is known to be wrong with a member or clause.
pub(super) fn unknown(name: &str) -> Untold {
    match name {
        "_index" | "_indices" | "index" | "indexed_shape" | "indices" | "indices_boost" => {
            "the body names an index where one is not judged"
        }
        "aliases" => "an alias, by which an index has another name",
        "percolate" => "a percolator, which asks what is stored",
        "pit" | "scroll" | "slice" => "a token of a search does not say whose it is",
        "pipeline" | "search_pipeline" | "default_pipeline" | "final_pipeline" => "a pipeline, which could write or read elsewhere",
        "filter" | "filters" | "nested_filter" | "query" => "a query where none is read",
        "max_determinized_states" => "an option that lets one expression take all memory of a node",
        "template" | "wrapper" => "a query inside of what is not read",
        "agentic" | "ext" | "neural" | "neural_sparse" | "sltr" => "what a plugin makes of it is not known",
        "bucket_script" | "bucket_selector" | "derived" | "moving_fn" | "runtime_mappings" | "scripted_metric" => {
            "a script, which could do anything"
        }
        _ if name.contains("script") => "a script, which could do anything",
        _ => UNKNOWN,
    }
}
