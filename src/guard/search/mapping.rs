//! How documents are indexed.
//!
//! A field's type decides what becomes of a value. A `percolator` takes queries for values, and looks up what they name when a document is written; a `derived` field is a
//! script; a `semantic` field asks a model. So types are listed.

use serde_json::Value;

use super::shape::{Member, Shape, unknown};
use crate::aws::resource::Untold;

/// The whole of a mapping.
pub(super) static MAPPING: Shape = Shape::Record(&[&[
    ("_field_names", Shape::Data),
    ("_meta", Shape::Skip),
    ("_routing", Shape::Data),
    ("_size", Shape::Data),
    ("_source", Shape::Data),
    ("date_detection", Shape::Scalar),
    ("dynamic", Shape::Scalar),
    ("dynamic_date_formats", Shape::Scalars),
    ("dynamic_templates", Shape::List(&Shape::Each(&TEMPLATE))),
    ("numeric_detection", Shape::Scalar),
    ("properties", Shape::Each(&FIELD)),
]]);

/// How a field is mapped that nothing else says of.
static TEMPLATE: Shape = Shape::Record(&[&[
    ("mapping", Shape::Field),
    ("match", Shape::Scalars),
    ("match_mapping_type", Shape::Scalars),
    ("match_pattern", Shape::Scalar),
    ("path_match", Shape::Scalars),
    ("path_unmatch", Shape::Scalars),
    ("unmatch", Shape::Scalars),
]]);

static FIELD: Shape = Shape::Field;

const WITHIN: &[Member] =
    &[("fields", Shape::Each(&FIELD)), ("meta", Shape::Skip), ("null_value", Shape::Scalar), ("properties", Shape::Each(&FIELD))];

/// Types of fields ("Supported field types", OpenSearch documentation).
const TYPES: [&str; 46] = [
    "alias",
    "binary",
    "boolean",
    "byte",
    "completion",
    "constant_keyword",
    "date",
    "date_nanos",
    "date_range",
    "double",
    "double_range",
    "flat_object",
    "float",
    "float_range",
    "geo_point",
    "geo_shape",
    "half_float",
    "integer",
    "integer_range",
    "ip",
    "ip_range",
    "join",
    "keyword",
    "knn_vector",
    "long",
    "long_range",
    "match_only_text",
    "murmur3",
    "nested",
    "object",
    "rank_feature",
    "rank_features",
    "scaled_float",
    "search_as_you_type",
    "short",
    "sparse_vector",
    "string",
    "text",
    "token_count",
    "unsigned_long",
    "version",
    "wildcard",
    "xy_point",
    "xy_shape",
    "{dynamic_type}",
    "icu_collation_keyword",
];

/// Whether a field is of a type that only indexes.
pub(super) fn field(value: &Value) -> Result<(), Untold> {
    let members = value.as_object().ok_or("a field is mapped by what is no object")?;
    members.iter().try_for_each(|(name, value)| {
        if name == "type" {
            let is_known = value.as_str().is_some_and(|kind| TYPES.contains(&kind));
            return if is_known { Ok(()) } else { Err("a field is of a type that is not known, or does more than index") };
        }
        if let Some((_, shape)) = WITHIN.iter().find(|(member, _)| member == name) {
            return shape.check(value);
        }
        // `index` is whether it can be searched.
        match name.as_str() {
            "index" => Shape::Scalar.check(value),
            name if name.contains("script") || name == "model_id" => Err(unknown(name)),
            _ => Shape::Data.check(value),
        }
    })
}
