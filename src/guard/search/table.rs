//! The APIs that are understood.
//!
//! Names are those of OpenSearch's own specification (`opensearch-api-specification`); what each does with an index is as "Supported operations and plugins in Amazon
//! OpenSearch Serverless" has it, and for what a collection does not have, by what is read or written. An API that is not here is refused. So is a parameter that is
//! not here: those that are name no index, no code, and no other body or path.

use super::{
    actions::{CREATE_INDEX, DELETE_INDEX, DESCRIBE_INDEX, READ_DOCUMENT, UPDATE_INDEX, WRITE_DOCUMENT},
    api::{Api, Body, SEARCH},
    request,
};

const READ: &[&str] = &[READ_DOCUMENT];
const WRITE: &[&str] = &[WRITE_DOCUMENT];
const DESCRIBE: &[&str] = &[DESCRIBE_INDEX];
const UPDATE: &[&str] = &[UPDATE_INDEX];
/// What is found is told by how many there are.
const READ_AND_WRITE: &[&str] = &[READ_DOCUMENT, WRITE_DOCUMENT];

const ASKS: &[&str] = &["GET", "POST"];
const GET: &[&str] = &["GET"];
const POST: &[&str] = &["POST"];
const PUTS: &[&str] = &["POST", "PUT"];

/// How an answer is written.
const ANSWER: &[&str] = &["error_trace", "filter_path", "human", "pretty"];
/// Which of the indexes that are named.
const WHICH: &[&str] = &["allow_no_indices", "expand_wildcards", "ignore_throttled", "ignore_unavailable"];
/// The same for settings, which Elasticsearch 5 changes of all indexes where there is none of those that are named (`MetaData.Builder.updateNumberOfReplicas`).
const SOME: &[&str] = &["expand_wildcards", "ignore_throttled", "ignore_unavailable"];
const WAITS: &[&str] = &["cluster_manager_timeout", "master_timeout", "timeout"];
/// A query in Lucene's syntax, which knows fields alone.
const SIMPLE: &[&str] = &["analyze_wildcard", "analyzer", "default_operator", "df", "lenient", "q"];
const SOURCE: &[&str] = &["_source", "_source_excludes", "_source_includes", "stored_fields"];
const GETS: &[&str] = &["preference", "realtime", "refresh", "routing", "version", "version_type"];
const WRITES: &[&str] =
    &["if_primary_term", "if_seq_no", "op_type", "refresh", "routing", "timeout", "version", "version_type", "wait_for_active_shards"];
const SEARCHES: &[&str] = &[
    "allow_partial_search_results",
    "batched_reduce_size",
    "cancel_after_time_interval",
    "ccs_minimize_roundtrips",
    "docvalue_fields",
    "explain",
    "from",
    "include_named_queries_score",
    "max_concurrent_shard_requests",
    "phase_took",
    "pre_filter_shard_size",
    "preference",
    "request_cache",
    "rest_total_hits_as_int",
    "routing",
    "search_type",
    "seq_no_primary_term",
    "size",
    "sort",
    "stats",
    "suggest_field",
    "suggest_mode",
    "suggest_size",
    "suggest_text",
    "terminate_after",
    "timeout",
    "track_scores",
    "track_total_hits",
    "typed_keys",
    "version",
];
const BY_QUERY: &[&str] = &[
    "conflicts",
    "from",
    "max_docs",
    "preference",
    "refresh",
    "request_cache",
    "requests_per_second",
    "routing",
    "scroll_size",
    "search_timeout",
    "search_type",
    "size",
    "slices",
    "sort",
    "stats",
    "terminate_after",
    "timeout",
    "version",
    "wait_for_active_shards",
    "wait_for_completion",
];
const MULTI_SEARCH: &[&str] = &[
    "ccs_minimize_roundtrips",
    "max_concurrent_searches",
    "max_concurrent_shard_requests",
    "pre_filter_shard_size",
    "rest_total_hits_as_int",
    "search_type",
    "typed_keys",
];
const SETTINGS: &[&str] = &["flat_settings", "include_defaults", "local"];
const TABLE: &[&str] = &["bytes", "format", "h", "health", "local", "pri", "s", "time", "v"];
const VECTORS: &[&str] = &[
    "field_statistics",
    "fields",
    "offsets",
    "payloads",
    "positions",
    "preference",
    "realtime",
    "routing",
    "term_statistics",
    "version",
    "version_type",
];

/// Every one, by name.
pub(in crate::guard) const APIS: &[Api] = &[
    one(
        "bulk",
        &[(PUTS, "/_bulk"), (PUTS, "/{index}/_bulk")],
        WRITE,
        &[ANSWER, &["refresh", "routing", "timeout", "wait_for_active_shards"]],
        Body::Bulk,
    ),
    many("cat.count", &[(GET, "/_cat/count/{index}")], READ, &[ANSWER, TABLE], Body::Nothing),
    many("cat.indices", &[(GET, "/_cat/indices/{index}")], DESCRIBE, &[ANSWER, TABLE, WHICH, WAITS], Body::Nothing),
    many(
        "count",
        &[(ASKS, "/{index}/_count")],
        READ,
        &[ANSWER, WHICH, SIMPLE, &["min_score", "preference", "routing", "terminate_after"]],
        Body::Json(&request::ONLY),
    ),
    one("create", &[(PUTS, "/{index}/_create/{id}")], WRITE, &[ANSWER, WRITES], Body::Document),
    one("delete", &[(&["DELETE"], "/{index}/_doc/{id}")], WRITE, &[ANSWER, WRITES], Body::Nothing),
    many(
        "delete_by_query",
        &[(POST, "/{index}/_delete_by_query")],
        READ_AND_WRITE,
        &[ANSWER, WHICH, SIMPLE, BY_QUERY],
        Body::Json(&request::BY_QUERY),
    ),
    one("exists", &[(&["HEAD"], "/{index}/_doc/{id}")], READ, &[ANSWER, GETS, SOURCE], Body::Nothing),
    one("exists_source", &[(&["HEAD"], "/{index}/_source/{id}")], READ, &[ANSWER, GETS, SOURCE], Body::Nothing),
    one(
        "explain",
        &[(ASKS, "/{index}/_explain/{id}")],
        READ,
        &[ANSWER, SIMPLE, SOURCE, &["preference", "routing"]],
        Body::Json(&request::ONLY),
    ),
    many(
        "field_caps",
        &[(ASKS, "/{index}/_field_caps")],
        READ,
        &[ANSWER, WHICH, &["fields", "include_unmapped"]],
        Body::Json(&request::FIELDS),
    ),
    one("get", &[(GET, "/{index}/_doc/{id}")], READ, &[ANSWER, GETS, SOURCE], Body::Nothing),
    one("get_source", &[(GET, "/{index}/_source/{id}")], READ, &[ANSWER, GETS, SOURCE], Body::Nothing),
    one("index", &[(PUTS, "/{index}/_doc/{id}"), (POST, "/{index}/_doc")], WRITE, &[ANSWER, WRITES], Body::Document),
    one("indices.analyze", &[(ASKS, "/{index}/_analyze")], READ, &[ANSWER], Body::Json(&request::ANALYZE)),
    many("indices.close", &[(POST, "/{index}/_close")], UPDATE, &[ANSWER, WHICH, WAITS, &["wait_for_active_shards"]], Body::Nothing),
    one("indices.create", &[(&["PUT"], "/{index}")], &[CREATE_INDEX], &[ANSWER, WAITS, &["wait_for_active_shards"]], Body::NewIndex),
    many("indices.delete", &[(&["DELETE"], "/{index}")], &[DELETE_INDEX], &[ANSWER, WHICH, WAITS], Body::Nothing),
    many("indices.exists", &[(&["HEAD"], "/{index}")], DESCRIBE, &[ANSWER, WHICH, SETTINGS], Body::Nothing),
    many("indices.get", &[(GET, "/{index}")], DESCRIBE, &[ANSWER, WHICH, SETTINGS, WAITS], Body::Nothing),
    many("indices.get_alias", &[(&["GET", "HEAD"], "/{index}/_alias")], DESCRIBE, &[ANSWER, WHICH, &["local"]], Body::Nothing),
    many(
        "indices.get_field_mapping",
        &[(GET, "/{index}/_mapping/field/{id}")],
        DESCRIBE,
        &[ANSWER, WHICH, &["include_defaults", "local"]],
        Body::Nothing,
    ),
    many(
        "indices.get_mapping",
        &[(GET, "/{index}/_mapping"), (GET, "/{index}/_mappings")],
        DESCRIBE,
        &[ANSWER, WHICH, WAITS, &["local"]],
        Body::Nothing,
    ),
    many(
        "indices.get_settings",
        &[(GET, "/{index}/_settings"), (GET, "/{index}/_settings/{id}")],
        DESCRIBE,
        &[ANSWER, WHICH, WAITS, SETTINGS],
        Body::Nothing,
    ),
    many("indices.open", &[(POST, "/{index}/_open")], UPDATE, &[ANSWER, WHICH, WAITS, &["wait_for_active_shards"]], Body::Nothing),
    many(
        "indices.put_mapping",
        &[(PUTS, "/{index}/_mapping"), (PUTS, "/{index}/_mappings")],
        UPDATE,
        &[ANSWER, WHICH, WAITS, &["write_index_only"]],
        Body::Mapping,
    ),
    many(
        "indices.put_settings",
        &[(&["PUT"], "/{index}/_settings")],
        UPDATE,
        &[ANSWER, SOME, WAITS, &["flat_settings", "preserve_existing"]],
        Body::Settings,
    ),
    many("indices.refresh", &[(ASKS, "/{index}/_refresh")], WRITE, &[ANSWER, WHICH], Body::Nothing),
    many("indices.stats", &[(GET, "/{index}/_stats")], DESCRIBE, &[ANSWER, WHICH, &["level"]], Body::Nothing),
    many(
        "indices.validate_query",
        &[(ASKS, "/{index}/_validate/query")],
        READ,
        &[ANSWER, WHICH, SIMPLE, &["all_shards", "explain", "rewrite"]],
        Body::Json(&request::ONLY),
    ),
    // Tells what OpenSearch itself is, which clients ask before anything else.
    one("info", &[(&["GET", "HEAD"], "/")], &[], &[ANSWER], Body::Nothing),
    one(
        "mget",
        &[(ASKS, "/_mget"), (ASKS, "/{index}/_mget")],
        READ,
        &[ANSWER, SOURCE, &["preference", "realtime", "refresh", "routing"]],
        Body::MultiGet,
    ),
    many("msearch", &[(ASKS, "/_msearch"), (ASKS, "/{index}/_msearch")], READ, &[ANSWER, MULTI_SEARCH], Body::MultiSearch),
    many("search", &[(ASKS, "/{index}/_search")], READ, &[ANSWER, WHICH, SIMPLE, SOURCE, SEARCHES], SEARCH),
    one(
        "termvectors",
        &[(ASKS, "/{index}/_termvectors/{id}"), (ASKS, "/{index}/_termvectors")],
        READ,
        &[ANSWER, VECTORS],
        Body::Json(&request::TERM_VECTORS),
    ),
    one(
        "update",
        &[(POST, "/{index}/_update/{id}")],
        WRITE,
        &[ANSWER, &["if_primary_term", "if_seq_no", "refresh", "retry_on_conflict", "routing", "timeout", "wait_for_active_shards"]],
        Body::Update,
    ),
    many(
        "update_by_query",
        &[(POST, "/{index}/_update_by_query")],
        READ_AND_WRITE,
        &[ANSWER, WHICH, SIMPLE, BY_QUERY],
        Body::Json(&request::BY_QUERY),
    ),
];

type Routes = &'static [(&'static [&'static str], &'static str)];
type Lists = &'static [&'static [&'static str]];

/// About one index, or those that its body names one by one.
const fn one(name: &'static str, routes: Routes, actions: &'static [&'static str], parameters: Lists, body: Body) -> Api {
    Api { name, routes, actions, may_be_many: false, parameters, body }
}

/// About as many as the path lists.
const fn many(name: &'static str, routes: Routes, actions: &'static [&'static str], parameters: Lists, body: Body) -> Api {
    Api { name, routes, actions, may_be_many: true, parameters, body }
}
