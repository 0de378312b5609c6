//! How documents are indexed.
//!
//! A field's type decides what becomes of a value. A `percolator` takes queries for values, and looks up what they name when a document is written; a `derived` field is a
//! script; a `semantic` field asks a model. So types are listed.

use serde_json::Value;

use super::shape::{Member, Shape, unknown};
use crate::aws::resource::Untold;

/// The whole of a mapping.
static MAPPING: Shape = Shape::Record(&[&[
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
    // Not by regular expressions, which Java can be at for ever.
    ("match_pattern", Shape::Word(&["simple"])),
    ("path_match", Shape::Scalars),
    ("path_unmatch", Shape::Scalars),
    ("unmatch", Shape::Scalars),
]]);

static FIELD: Shape = Shape::Field;
const FIELDS: Shape = Shape::Each(&FIELD);

/// What is said of a field beside its type ("Mapping parameters" and "Supported field types", OpenSearch documentation). Not `script`, `model_id`, and whatever is new.
const PARAMETERS: &[Member] = &[
    ("analyzer", Shape::Scalar),
    ("boost", Shape::Scalar),
    ("coerce", Shape::Scalar),
    ("compression_level", Shape::Scalar),
    ("contexts", Shape::Many(&Shape::Record(&[CONTEXT]))),
    ("copy_to", Shape::Scalars),
    ("data_type", Shape::Scalar),
    ("depth_limit", Shape::Scalar),
    ("dimension", Shape::Scalar),
    ("distance_error_pct", Shape::Scalar),
    ("doc_values", Shape::Scalar),
    ("dynamic", Shape::Scalar),
    ("eager_global_ordinals", Shape::Scalar),
    ("enabled", Shape::Scalar),
    ("fielddata", Shape::Scalar),
    ("fielddata_frequency_filter", Shape::Data),
    ("fields", FIELDS),
    ("format", Shape::Scalar),
    ("ignore_above", Shape::Scalar),
    ("ignore_malformed", Shape::Scalar),
    ("ignore_z_value", Shape::Scalar),
    ("include_in_parent", Shape::Scalar),
    ("include_in_root", Shape::Scalar),
    // Whether it can be searched.
    ("index", Shape::Scalar),
    ("index_options", Shape::Scalar),
    ("index_phrases", Shape::Scalar),
    ("index_prefixes", Shape::Data),
    ("locale", Shape::Scalar),
    ("max_input_length", Shape::Scalar),
    ("max_shingle_size", Shape::Scalar),
    ("meta", Shape::Each(&Shape::Scalar)),
    ("method", Shape::Data),
    ("mode", Shape::Scalar),
    ("norms", Shape::Scalar),
    ("null_value", Shape::Scalar),
    ("orientation", Shape::Scalar),
    // Of an alias: a field of the same index.
    ("path", Shape::Scalar),
    ("points_only", Shape::Scalar),
    ("position_increment_gap", Shape::Scalar),
    ("positive_score_impact", Shape::Scalar),
    ("precision", Shape::Scalar),
    ("preserve_position_increments", Shape::Scalar),
    ("preserve_separators", Shape::Scalar),
    ("properties", FIELDS),
    ("relations", Shape::Each(&Shape::Scalars)),
    ("scaling_factor", Shape::Scalar),
    ("search_analyzer", Shape::Scalar),
    ("search_quote_analyzer", Shape::Scalar),
    ("similarity", Shape::Scalar),
    ("space_type", Shape::Scalar),
    ("split_queries_on_whitespace", Shape::Scalar),
    ("store", Shape::Scalar),
    ("strategy", Shape::Scalar),
    ("term_vector", Shape::Scalar),
    ("tree", Shape::Scalar),
    ("tree_levels", Shape::Scalar),
    ("value", Shape::Scalar),
];
const CONTEXT: &[Member] = &[("name", Shape::Scalar), ("path", Shape::Scalar), ("precision", Shape::Scalars), ("type", Shape::Scalar)];

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

/// Whether a mapping makes nothing but fields that only index.
pub(super) fn check(mapping: &Value) -> Result<(), Untold> {
    // Elasticsearch 6 has types, of which a mapping is the one member: nothing else that is taken here could be the name of one.
    if mapping.get("properties").and_then(|fields| fields.get("properties")).is_some() {
        return Err("a field that is called properties, by which the mapping is another one to versions that have types");
    }
    no_placeholders(mapping)?;
    MAPPING.check(mapping)
}

/// In a dynamic template a placeholder stands for a name out of a document, in the names of members, too: `{name}` could become `type` or `properties`.
fn no_placeholders(value: &Value) -> Result<(), Untold> {
    match value {
        Value::Array(values) => values.iter().try_for_each(no_placeholders),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            if name.contains(['{', '}']) { Err("a placeholder in the name of a member") } else { no_placeholders(value) }
        }),
        _ => Ok(()),
    }
}

/// Whether a field is of a type that only indexes, and says of itself what is known.
pub(super) fn field(value: &Value) -> Result<(), Untold> {
    let members = value.as_object().ok_or("a field is mapped by what is no object")?;
    members.iter().try_for_each(|(name, value)| match PARAMETERS.iter().find(|(member, _)| member == name) {
        Some((_, shape)) => shape.check(value),
        None if name == "type" => {
            let is_known = value.as_str().is_some_and(|kind| TYPES.contains(&kind));
            if is_known { Ok(()) } else { Err("a field is of a type that is not known, or does more than index") }
        }
        None => Err(unknown(name)),
    })
}
