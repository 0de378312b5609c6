//! Queries.
//!
//! From OpenSearch's own parsers (`SearchSourceBuilder`, `QueryBuilder`s) and documentation ("Query DSL"). A clause that is not here is refused: `percolate`, `script`, `script_score`,
//! `template`, `wrapper`, and what plugins bring that asks a model or a store. Where a clause of the list could name another index or hold code, its shape leaves that out:
//! `terms` takes values alone, `more_like_this` texts and ids, `geo_shape` a shape, `function_score` no script.

use super::{
    hits::INNER_HITS,
    shape::{Member, Shape},
};

/// What every query has.
const USUAL: &[Member] = &[("_name", Shape::Scalar), ("boost", Shape::Scalar)];
/// Of fields, each by a value or by an object of options.
const BY_FIELD: Shape = Shape::Named(USUAL, &Shape::ScalarOr(&Shape::Data));

/// One query.
static QUERY: Shape = Shape::One(QUERIES);
/// One, and one or several.
pub(super) const ONE: Shape = Shape::Of(|| &QUERY);
const MANY: Shape = Shape::Many(&ONE);

const QUERIES: &[Member] = &[
    (
        "bool",
        Shape::Record(&[
            USUAL,
            &[
                ("adjust_pure_negative", Shape::Scalar),
                ("filter", MANY),
                ("minimum_should_match", Shape::Scalar),
                ("must", MANY),
                ("must_not", MANY),
                ("should", MANY),
            ],
        ]),
    ),
    ("boosting", Shape::Record(&[USUAL, &[("negative", ONE), ("negative_boost", Shape::Scalar), ("positive", ONE)]])),
    ("constant_score", Shape::Record(&[USUAL, &[("filter", ONE)]])),
    ("dis_max", Shape::Record(&[USUAL, &[("queries", MANY), ("tie_breaker", Shape::Scalar)]])),
    ("distance_feature", Shape::Record(&[USUAL, &[("field", Shape::Scalar), ("origin", Shape::Data), ("pivot", Shape::Scalar)]])),
    ("exists", Shape::Record(&[USUAL, &[("field", Shape::Scalar)]])),
    (
        "function_score",
        Shape::Record(&[
            USUAL,
            FUNCTION,
            &[
                ("boost_mode", Shape::Scalar),
                ("functions", Shape::List(&Shape::Record(&[FUNCTION, &[("filter", ONE)]]))),
                ("max_boost", Shape::Scalar),
                ("min_score", Shape::Scalar),
                ("query", ONE),
                ("score_mode", Shape::Scalar),
            ],
        ]),
    ),
    ("fuzzy", BY_FIELD),
    ("geo_bounding_box", Shape::Data),
    ("geo_distance", Shape::Data),
    ("geo_polygon", Shape::Data),
    ("geo_shape", Shape::Named(GEOMETRIES, &Shape::Record(&[&[("relation", Shape::Scalar), ("shape", Shape::Data)]]))),
    (
        "has_child",
        Shape::Record(&[USUAL, JOINS, &[("max_children", Shape::Scalar), ("min_children", Shape::Scalar), ("type", Shape::Scalar)]]),
    ),
    ("has_parent", Shape::Record(&[USUAL, JOINS, &[("parent_type", Shape::Scalar), ("score", Shape::Scalar)]])),
    ("hybrid", Shape::Record(&[USUAL, &[("filter", ONE), ("pagination_depth", Shape::Scalar), ("queries", MANY)]])),
    ("ids", Shape::Record(&[USUAL, &[("values", Shape::Scalars)]])),
    ("intervals", Shape::Named(USUAL, &ONE_INTERVAL)),
    (
        "knn",
        Shape::Each(&Shape::Record(&[
            USUAL,
            &[
                ("expand_nested_docs", Shape::Scalar),
                ("filter", ONE),
                ("k", Shape::Scalar),
                ("max_distance", Shape::Scalar),
                ("method_parameters", Shape::Data),
                ("min_score", Shape::Scalar),
                ("rescore", Shape::ScalarOr(&Shape::Data)),
                ("vector", Shape::Scalars),
            ],
        ])),
    ),
    ("match", BY_FIELD),
    ("match_all", Shape::Record(&[USUAL])),
    ("match_bool_prefix", BY_FIELD),
    ("match_none", Shape::Record(&[USUAL])),
    ("match_phrase", BY_FIELD),
    ("match_phrase_prefix", BY_FIELD),
    (
        "more_like_this",
        Shape::Record(&[
            USUAL,
            &[
                ("analyzer", Shape::Scalar),
                ("boost_terms", Shape::Scalar),
                ("fail_on_unsupported_field", Shape::Scalar),
                ("fields", Shape::Scalars),
                ("include", Shape::Scalar),
                ("like", LIKE),
                ("max_doc_freq", Shape::Scalar),
                ("max_query_terms", Shape::Scalar),
                ("max_word_length", Shape::Scalar),
                ("min_doc_freq", Shape::Scalar),
                ("min_term_freq", Shape::Scalar),
                ("min_word_length", Shape::Scalar),
                ("minimum_should_match", Shape::Scalar),
                ("stop_words", Shape::Scalars),
                ("unlike", LIKE),
            ],
        ]),
    ),
    ("multi_match", Shape::Data),
    ("nested", Shape::Record(&[USUAL, JOINS, &[("path", Shape::Scalar)]])),
    ("parent_id", Shape::Record(&[USUAL, &[("id", Shape::Scalar), ("ignore_unmapped", Shape::Scalar), ("type", Shape::Scalar)]])),
    ("prefix", BY_FIELD),
    ("query_string", Shape::Data),
    ("range", Shape::Named(USUAL, &Shape::Data)),
    ("rank_feature", Shape::Data),
    ("regexp", BY_FIELD),
    ("simple_query_string", Shape::Data),
    ("span_containing", Shape::Record(&[USUAL, &[("big", ONE), ("little", ONE)]])),
    ("span_field_masking", Shape::Record(&[USUAL, MASK])),
    ("field_masking_span", Shape::Record(&[USUAL, MASK])),
    ("span_first", Shape::Record(&[USUAL, &[("end", Shape::Scalar), ("match", ONE)]])),
    ("span_multi", Shape::Record(&[USUAL, &[("match", ONE)]])),
    ("span_near", Shape::Record(&[USUAL, &[("clauses", MANY), ("in_order", Shape::Scalar), ("slop", Shape::Scalar)]])),
    (
        "span_not",
        Shape::Record(&[
            USUAL,
            &[("dist", Shape::Scalar), ("exclude", ONE), ("include", ONE), ("post", Shape::Scalar), ("pre", Shape::Scalar)],
        ]),
    ),
    ("span_or", Shape::Record(&[USUAL, &[("clauses", MANY)]])),
    ("span_term", BY_FIELD),
    ("span_within", Shape::Record(&[USUAL, &[("big", ONE), ("little", ONE)]])),
    ("term", BY_FIELD),
    // A lookup is an object in place of the list.
    ("terms", Shape::Named(&[("_name", Shape::Scalar), ("boost", Shape::Scalar), ("value_type", Shape::Scalar)], &Shape::Scalars)),
    ("terms_set", Shape::Named(USUAL, &Shape::Data)),
    ("wildcard", BY_FIELD),
    ("xy_shape", Shape::Named(GEOMETRIES, &Shape::Record(&[&[("relation", Shape::Scalar), ("shape", Shape::Data)]]))),
];

const FUNCTION: &[Member] = &[
    ("exp", Shape::Data),
    ("field_value_factor", Shape::Data),
    ("gauss", Shape::Data),
    ("linear", Shape::Data),
    ("random_score", Shape::Data),
    ("weight", Shape::Scalar),
];
const GEOMETRIES: &[Member] = &[("_name", Shape::Scalar), ("boost", Shape::Scalar), ("ignore_unmapped", Shape::Scalar)];
const JOINS: &[Member] = &[("ignore_unmapped", Shape::Scalar), ("inner_hits", INNER_HITS), ("query", ONE), ("score_mode", Shape::Scalar)];
const MASK: &[Member] = &[("field", Shape::Scalar), ("query", ONE)];
/// Texts, or documents of the index that is searched.
const LIKE: Shape = Shape::Many(&Shape::ScalarOr(&Shape::Record(&[&[("_id", Shape::Scalar), ("routing", Shape::Scalar)]])));

static INTERVALS: Shape = Shape::Record(&[
    USUAL,
    &[
        ("all_of", Shape::Record(&[SEVERAL])),
        ("any_of", Shape::Record(&[SEVERAL])),
        ("fuzzy", Shape::Data),
        (
            "match",
            Shape::Record(&[
                FILTERED,
                &[
                    ("analyzer", Shape::Scalar),
                    ("max_gaps", Shape::Scalar),
                    ("mode", Shape::Scalar),
                    ("ordered", Shape::Scalar),
                    ("query", Shape::Scalar),
                    ("use_field", Shape::Scalar),
                ],
            ]),
        ),
        ("prefix", Shape::Data),
        ("regexp", Shape::Data),
        ("wildcard", Shape::Data),
    ],
]);
const SEVERAL: &[Member] = &[
    ("filter", FILTER),
    ("intervals", Shape::List(&ONE_INTERVAL)),
    ("max_gaps", Shape::Scalar),
    ("mode", Shape::Scalar),
    ("ordered", Shape::Scalar),
];
const FILTERED: &[Member] = &[("filter", FILTER)];
/// Not by a script.
const FILTER: Shape = Shape::One(&[
    ("after", INTERVAL),
    ("before", INTERVAL),
    ("contained_by", INTERVAL),
    ("containing", INTERVAL),
    ("not_contained_by", INTERVAL),
    ("not_containing", INTERVAL),
    ("not_overlapping", INTERVAL),
    ("overlapping", INTERVAL),
]);
const INTERVAL: Shape = Shape::Many(&ONE_INTERVAL);
const ONE_INTERVAL: Shape = Shape::Of(|| &INTERVALS);
