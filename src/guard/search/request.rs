//! Bodies of searches, and of what else has a query in it.
//!
//! `indices_boost`, `pit`, `slice`, `script_fields`, `derived`, `ext`, `search_pipeline` and whatever is new are not among their members.

use super::{
    aggregation::AGGREGATIONS,
    hits::{COLLAPSE, HITS},
    query::ONE,
    shape::Shape,
};

static SUGGESTION: Shape = Shape::Record(&[&[
    ("completion", Shape::Data),
    // `collate` is a template.
    ("phrase", Shape::Data),
    ("prefix", Shape::Scalar),
    ("regex", Shape::Scalar),
    ("term", Shape::Data),
    ("text", Shape::Scalar),
]]);

/// The body of a search.
pub(super) static SEARCH: Shape = Shape::Record(&[
    HITS,
    &[
        ("aggregations", AGGREGATIONS),
        ("aggs", AGGREGATIONS),
        ("collapse", Shape::Record(&[COLLAPSE])),
        ("include_named_queries_score", Shape::Scalar),
        ("min_score", Shape::Scalar),
        ("post_filter", ONE),
        ("profile", Shape::Scalar),
        ("query", ONE),
        (
            "rescore",
            Shape::Many(&Shape::Record(&[&[
                (
                    "query",
                    Shape::Record(&[&[
                        ("query_weight", Shape::Scalar),
                        ("rescore_query", ONE),
                        ("rescore_query_weight", Shape::Scalar),
                        ("score_mode", Shape::Scalar),
                    ]]),
                ),
                ("window_size", Shape::Scalar),
            ]])),
        ),
        ("search_after", Shape::Scalars),
        ("stats", Shape::Scalars),
        ("suggest", Shape::Named(&[("prefix", Shape::Scalar), ("text", Shape::Scalar)], &SUGGESTION)),
        ("terminate_after", Shape::Scalar),
        ("timeout", Shape::Scalar),
        ("track_total_hits", Shape::Scalar),
    ],
]);

/// A query, and nothing beside it.
pub(super) static ONLY: Shape = Shape::Record(&[&[("query", ONE)]]);

/// A query for what is changed or deleted.
pub(super) static BY_QUERY: Shape =
    Shape::Record(&[&[("conflicts", Shape::Scalar), ("max_docs", Shape::Scalar), ("query", ONE), ("size", Shape::Scalar)]]);

/// Fields whose capabilities are asked for.
pub(super) static FIELDS: Shape = Shape::Record(&[&[("fields", Shape::Scalars)]]);

/// Text to be cut into words, by what an index has: definitions of one's own could be scripts, or read files.
pub(super) static ANALYZE: Shape = Shape::Record(&[&[
    ("analyzer", Shape::Scalar),
    ("attributes", Shape::Scalars),
    ("char_filter", Shape::Scalars),
    ("explain", Shape::Scalar),
    ("field", Shape::Scalar),
    ("filter", Shape::Scalars),
    ("normalizer", Shape::Scalar),
    ("text", Shape::Scalars),
    ("tokenizer", Shape::Scalar),
]]);

/// Words of a document that is there, or of one that is given.
pub(super) static TERM_VECTORS: Shape = Shape::Record(&[&[
    ("doc", Shape::Skip),
    ("field_statistics", Shape::Scalar),
    ("fields", Shape::Scalars),
    ("filter", Shape::Data),
    ("offsets", Shape::Scalar),
    ("payloads", Shape::Scalar),
    ("per_field_analyzer", Shape::Data),
    ("positions", Shape::Scalar),
    ("term_statistics", Shape::Scalar),
]]);
