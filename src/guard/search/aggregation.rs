//! What may be counted of what a search finds.
//!
//! Options of aggregations are data: fields, numbers, formats. None that is listed takes a query of its own but those that say so here, and a `script` in any of them is
//! refused ([`shape`](super::shape)). Not listed are those that are scripts altogether, and those of plugins.

use super::{
    hits::TOP_HITS,
    query::ONE,
    shape::{Member, Shape},
};

/// Aggregations, by names of the client's own.
pub(super) const AGGREGATIONS: Shape = Shape::Each(&Shape::Of(|| &AGGREGATION));

/// One, and those below it.
static AGGREGATION: Shape = Shape::Record(&[
    &[("aggregations", AGGREGATIONS), ("aggs", AGGREGATIONS), ("meta", Shape::Skip)],
    WITH_QUERIES,
    METRICS,
    BUCKETS,
    OF_BUCKETS,
]);

const WITH_QUERIES: &[Member] = &[
    ("adjacency_matrix", Shape::Record(&[&[("filters", Shape::Each(&ONE)), ("separator", Shape::Scalar)]])),
    ("filter", ONE),
    ("filters", Shape::Record(&[&[("filters", FILTERS), ("other_bucket", Shape::Scalar), ("other_bucket_key", Shape::Scalar)]])),
    ("significant_terms", Shape::Named(BACKGROUND, &Shape::Data)),
    ("significant_text", Shape::Named(BACKGROUND, &Shape::Data)),
    ("top_hits", TOP_HITS),
];
const BACKGROUND: &[Member] = &[("background_filter", ONE)];
/// A list of them, or by name.
const FILTERS: Shape = Shape::ListOr(&ONE, &Shape::Each(&ONE));

const METRICS: &[Member] = &[
    ("avg", Shape::Data),
    ("cardinality", Shape::Data),
    ("extended_stats", Shape::Data),
    ("geo_bounds", Shape::Data),
    ("geo_centroid", Shape::Data),
    ("matrix_stats", Shape::Data),
    ("max", Shape::Data),
    ("median_absolute_deviation", Shape::Data),
    ("min", Shape::Data),
    ("percentile_ranks", Shape::Data),
    ("percentiles", Shape::Data),
    ("stats", Shape::Data),
    ("sum", Shape::Data),
    ("value_count", Shape::Data),
    ("weighted_avg", Shape::Data),
];

const BUCKETS: &[Member] = &[
    ("auto_date_histogram", Shape::Data),
    ("children", Shape::Data),
    ("composite", Shape::Data),
    ("date_histogram", Shape::Data),
    ("date_range", Shape::Data),
    ("diversified_sampler", Shape::Data),
    ("geo_distance", Shape::Data),
    ("geohash_grid", Shape::Data),
    ("geohex_grid", Shape::Data),
    ("geotile_grid", Shape::Data),
    // All documents of the indexes that are searched.
    ("global", Shape::Data),
    ("histogram", Shape::Data),
    ("ip_range", Shape::Data),
    ("missing", Shape::Data),
    ("multi_terms", Shape::Data),
    ("nested", Shape::Data),
    ("parent", Shape::Data),
    ("range", Shape::Data),
    ("rare_terms", Shape::Data),
    ("reverse_nested", Shape::Data),
    ("sampler", Shape::Data),
    ("terms", Shape::Data),
    ("variable_width_histogram", Shape::Data),
];

const OF_BUCKETS: &[Member] = &[
    ("avg_bucket", Shape::Data),
    ("bucket_sort", Shape::Data),
    ("cumulative_sum", Shape::Data),
    ("derivative", Shape::Data),
    ("extended_stats_bucket", Shape::Data),
    ("max_bucket", Shape::Data),
    ("min_bucket", Shape::Data),
    ("moving_avg", Shape::Data),
    ("percentiles_bucket", Shape::Data),
    ("serial_diff", Shape::Data),
    ("stats_bucket", Shape::Data),
    ("sum_bucket", Shape::Data),
];
