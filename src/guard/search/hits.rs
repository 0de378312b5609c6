//! How what is found is given back: which parts of it, in which order, and what is marked in it.

use super::{
    query::ONE,
    shape::{Member, Shape},
};

/// How what is found is given back, of a search, of what is collapsed, and of what is joined.
pub(super) const HITS: &[Member] = &[
    ("_source", Shape::ScalarsOr(&Shape::Data)),
    ("docvalue_fields", FIELDS_OF_HITS),
    ("explain", Shape::Scalar),
    ("fields", FIELDS_OF_HITS),
    ("from", Shape::Scalar),
    ("highlight", Shape::Record(&[HIGHLIGHT, &[("fields", Shape::Many(&Shape::Each(&HIGHLIGHTED)))]])),
    ("seq_no_primary_term", Shape::Scalar),
    ("size", Shape::Scalar),
    ("sort", Shape::Many(&SORT)),
    ("stored_fields", Shape::Scalars),
    ("track_scores", Shape::Scalar),
    ("version", Shape::Scalar),
];
const FIELDS_OF_HITS: Shape = Shape::Many(&Shape::ScalarOr(&Shape::Data));
pub(super) const INNER_HITS: Shape =
    Shape::Record(&[HITS, &[("collapse", Shape::Record(&[COLLAPSE])), ("ignore_unmapped", Shape::Scalar), ("name", Shape::Scalar)]]);

/// What `top_hits` takes.
pub(super) const TOP_HITS: Shape = Shape::Record(&[HITS]);

static HIGHLIGHTED: Shape = Shape::Record(&[HIGHLIGHT, &[("fragment_offset", Shape::Scalar), ("matched_fields", Shape::Scalars)]]);
const HIGHLIGHT: &[Member] = &[
    ("boundary_chars", Shape::Scalar),
    ("boundary_max_scan", Shape::Scalar),
    ("boundary_scanner", Shape::Scalar),
    ("boundary_scanner_locale", Shape::Scalar),
    ("encoder", Shape::Scalar),
    ("force_source", Shape::Scalar),
    ("fragment_size", Shape::Scalar),
    ("fragmenter", Shape::Scalar),
    ("highlight_filter", Shape::Scalar),
    ("highlight_query", ONE),
    ("max_analyzer_offset", Shape::Scalar),
    ("no_match_size", Shape::Scalar),
    ("number_of_fragments", Shape::Scalar),
    ("options", Shape::Data),
    ("order", Shape::Scalar),
    ("phrase_limit", Shape::Scalar),
    ("post_tags", Shape::Scalars),
    ("pre_tags", Shape::Scalars),
    ("require_field_match", Shape::Scalar),
    ("tags_schema", Shape::Scalar),
    ("type", Shape::Scalar),
];

/// By fields, scores and distances; by no script.
static SORT: Shape = Shape::ScalarOr(&Shape::Named(
    &[("_doc", IN_ORDER), ("_geo_distance", Shape::Named(FROM_A_POINT, &POINTS)), ("_score", IN_ORDER)],
    &BY_VALUE,
));
const BY_VALUE: Shape = Shape::ScalarOr(&Shape::Record(&[SORTED]));
const IN_ORDER: Shape = Shape::ScalarOr(&Shape::Record(&[&[("order", Shape::Scalar)]]));
/// Of a distance; what else it names is a field, with points. What is nested is chosen by a query.
const FROM_A_POINT: &[Member] = &[
    ("distance_type", Shape::Scalar),
    ("ignore_unmapped", Shape::Scalar),
    ("mode", Shape::Scalar),
    ("nested", WITHIN_NESTED),
    ("nested_filter", ONE),
    ("nested_path", Shape::Scalar),
    ("order", Shape::Scalar),
    ("unit", Shape::Scalar),
    ("validation_method", Shape::Scalar),
];
const POINTS: Shape = Shape::Many(&Shape::ScalarsOr(&Shape::Record(&[&[("lat", Shape::Scalar), ("lon", Shape::Scalar)]])));
const WITHIN_NESTED: Shape = Shape::Record(&[NESTED, &[("nested", Shape::Record(&[NESTED]))]]);
const SORTED: &[Member] = &[
    ("format", Shape::Scalar),
    ("missing", Shape::Scalar),
    ("mode", Shape::Scalar),
    ("nested", WITHIN_NESTED),
    ("numeric_type", Shape::Scalar),
    ("order", Shape::Scalar),
    ("unmapped_type", Shape::Scalar),
];
const NESTED: &[Member] = &[("filter", ONE), ("max_children", Shape::Scalar), ("path", Shape::Scalar)];

pub(super) const COLLAPSE: &[Member] = &[
    ("field", Shape::Scalar),
    (
        "inner_hits",
        Shape::Many(&Shape::Record(&[HITS, &[("collapse", Shape::Record(&[&[("field", Shape::Scalar)]])), ("name", Shape::Scalar)]])),
    ),
    ("max_concurrent_group_searches", Shape::Scalar),
];
