//! Parts, apart from whole requests, which the catalogue has.

use std::sync::Arc;

use serde_json::json;

use super::{
    api::Body,
    names::{Indexes, Name},
    shape::Shape,
    *,
};
use crate::aws::target::{Style, Target};

impl Api {
    /// Whether indexes are named in its body.
    pub(in crate::guard) fn body_names_indexes(&self) -> bool {
        matches!(self.body, Body::Bulk | Body::MultiGet | Body::MultiSearch)
    }
}

fn names(segment: &str, may_be_many: bool) -> Option<Vec<String>> {
    let indexes = Indexes::new(Some(segment), may_be_many).ok()?;
    Some(indexes.into_touched().iter().map(|name| name.text().to_owned()).collect())
}

#[test]
fn what_no_name_has_no_pattern_can_have() {
    assert!("az09._-".chars().all(is_possible));
    assert!("AZ:,*/<%ä \u{0}".chars().all(|c| !is_possible(c)));
}

#[test]
fn a_name_is_what_it_looks_like() {
    assert_eq!(names("a-1_b.c", false), Some(vec!["a-1_b.c".to_owned()]));
    assert_eq!(names("b,a*,a*-x*", true), Some(vec!["b".to_owned(), "a*".to_owned(), "a*-x*".to_owned()]));
    assert_eq!(names("a%2Cb", true), Some(vec!["a".to_owned(), "b".to_owned()]));
    for odd in [
        "", ",", "a,", "*", "_a", "-a", "+a", ".a", "a:b", "<a>", "A", "a b", "a/b", "a%2Fb", "a%252Cb", "ä", "a\u{0}", "a?", "a#", "a|b",
        "a\"", "a\\b",
    ] {
        assert_eq!(names(odd, true), None, "{odd}");
        assert_eq!(names(odd, false), None, "{odd}");
    }
    for many in ["a,b", "a*", "a%2Cb", "a%2A"] {
        assert_eq!(names(many, false), None, "{many}");
    }
    assert!(names(&"a".repeat(255), false).is_some() && names(&"a".repeat(256), false).is_none());
    assert!(names(&vec!["a"; 1_000].join(","), true).is_some() && names(&vec!["a"; 1_001].join(","), true).is_none());
}

/// Whoever is refused is told which of a name's characters it is for.
#[test]
fn a_name_that_is_refused_is_told_from_others() {
    const ODD: &str = "the name of an index has a character that could mean more than itself";
    for (segment, why) in [
        ("", "the name of an index is empty, which stands for all"),
        ("a*", names::NOT_ONE),
        ("a,b", names::NOT_ONE),
        ("a:b", "an index of another cluster is named"),
        ("%3Ca-%7Bnow%7D%3E", "an index is named by date math"),
        ("aB", "the name of an index has a capital letter, which an alias alone can have"),
        ("a b", ODD),
        ("_all", "a name of an index that begins with _ stands for others, or for an API"),
        (".a", "an index whose name begins with . is the system's, or hidden"),
        ("-a", "an index is left out of others"),
    ] {
        assert_eq!(Indexes::new(Some(segment), false).unwrap_err(), why, "{segment}");
    }
    for (segment, is) in [("a*b", true), ("a*B", false), ("a*?", false), ("a*:b", false)] {
        assert_eq!(Indexes::new(Some(segment), true).map(drop), if is { Ok(()) } else { Err(ODD) }, "{segment}");
    }
    let long = |length: usize| format!("a*{}", "b".repeat(length - 2));
    assert!(Indexes::new(Some(&long(255)), true).is_ok() && Indexes::new(Some(&long(256)), true).is_err());
}

/// A part of a body without an index is about the one in the path, and about everybody's where there is none.
#[test]
fn what_names_no_index_has_that_of_the_path_or_none() {
    let mut in_path = Indexes::new(Some("a"), false).unwrap();
    assert_eq!((in_path.add_one(None), in_path.into_touched().len()), (Ok(()), 1));
    let mut nowhere = Indexes::new(None, false).unwrap();
    assert_eq!(nowhere.add_one(None), Err("a part of the body names no index, and the path has none"));
    assert_eq!(nowhere.add_one(Some("b")), Ok(()));
    assert_eq!(nowhere.add_one(None), Err("a part of the body names no index, and the path has none"), "whatever else is named");
    assert_eq!(nowhere.add_many([].into_iter()), Err("the name of an index is empty, which stands for all"));
}

/// The whole of a setting's name counts, however it is nested.
#[test]
fn a_setting_is_called_by_no_longer_a_name_than_any_has() {
    let long = "a".repeat(504);
    for (body, is) in [
        (json!({"analysis": {&long: "x"}}), true),
        (json!({"analysis": {format!("{long}a"): "x"}}), false),
        (json!({"a".repeat(513): "x"}), false),
    ] {
        let read = settings::read(body.to_string().as_bytes());
        assert_eq!(read, if is { Ok(()) } else { Err("the body has a setting whose name is longer than any") }, "{body}");
    }
}

#[test]
fn a_setting_that_is_refused_is_told_from_others() {
    for (name, why) in [
        ("index.default_pipeline", "a pipeline, which could write or read elsewhere"),
        ("final_pipeline", "a pipeline, which could write or read elsewhere"),
        ("index.similarity.scripted.script.source", "the body has a setting that is not known"),
        ("similarity.x.script", "a script, which could do anything"),
        ("index.blocks.write", "the body has a setting that is not known"),
    ] {
        assert_eq!(settings::read(json!({name: "x"}).to_string().as_bytes()), Err(why), "{name}");
    }
}

#[test]
fn settings_of_a_new_index_are_an_object() {
    let new_index = |body: serde_json::Value| settings::new_index(body.to_string().as_bytes());
    assert_eq!(new_index(json!({"settings": {"number_of_shards": 1}})), Ok(()));
    for odd in [json!("x"), json!(null), json!([]), json!([{"number_of_shards": 1}])] {
        assert_eq!(new_index(json!({"settings": odd})), Err(shape::unknown("settings")), "{odd}");
    }
}

/// What a wildcard stands for begins with what is before it.
#[test]
fn a_wildcard_is_known_by_its_beginning() {
    let touched = Indexes::new(Some("logs-acme-*-x*"), true).unwrap().into_touched();
    assert_eq!(
        touched.into_iter().collect::<Vec<_>>(),
        [Name::Below { text: "logs-acme-*-x*".to_owned(), start: "logs-acme-".to_owned() }]
    );
}

/// Rules whose patterns end in `*` are met by wildcards that are no wider.
#[test]
fn a_wildcard_fits_where_all_that_it_stands_for_does() {
    let pattern = NamePattern::parse("logs-{tenant.id}-*").unwrap();
    let whole = NamePattern::parse("logs-{tenant.id}").unwrap();
    let values = crate::directory::TenantRecord::bare("acme".parse().unwrap());
    for (start, fits) in
        [("logs-acme-", true), ("logs-acme-2", true), ("logs-acme", false), ("logs-", false), ("", false), ("logs-globex-", false)]
    {
        assert_eq!(pattern.matches_below(start, &values), Ok(fits), "{start}");
        assert_eq!(whole.matches_below(start, &values), Ok(false), "{start}");
    }
}

/// A shape refuses what it does not have; each kind of it does.
#[test]
fn a_shape_is_exact() {
    const INNER: Shape = Shape::Record(&[&[("a", Shape::Scalar)]]);
    let cases: [(Shape, serde_json::Value, serde_json::Value); 10] = [
        (Shape::Data, json!({"a": [{"b": 1}]}), json!({"a": [{"script": 1}]})),
        (Shape::Each(&INNER), json!({"x": {"a": 1}}), json!({"x": {"b": 1}})),
        (Shape::List(&INNER), json!([{"a": 1}]), json!({"a": 1})),
        (Shape::ListOr(&INNER, &Shape::Each(&INNER)), json!({"x": {"a": 1}}), json!([{"x": {"a": 1}}])),
        (Shape::Many(&INNER), json!({"a": 1}), json!([{"a": 1}, 1])),
        (Shape::Named(&[("_a", Shape::Scalar)], &INNER), json!({"_a": 1, "x": {"a": 1}}), json!({"_b": {"a": 1}})),
        (Shape::One(&[("a", Shape::Scalar), ("b", Shape::Scalar)]), json!({"a": 1}), json!({"a": 1, "b": 1})),
        (Shape::Scalar, json!(null), json!([])),
        (Shape::ScalarOr(&INNER), json!({"a": 1}), json!([1])),
        (Shape::ScalarsOr(&INNER), json!([1, "x"]), json!([{"a": 1}])),
    ];
    for (shape, right, wrong) in cases {
        assert_eq!(shape.check(&right), Ok(()), "{shape:?} {right}");
        assert!(shape.check(&wrong).is_err(), "{shape:?} {wrong}");
    }
}

/// What a query could be called is one where a query could stand.
#[test]
fn data_has_no_query_in_it() {
    for (value, is) in [
        (json!({"must": "a", "filter": 1, "query": null}), true),
        (json!({"filters": ["a", 1], "should": []}), true),
        (json!({"must": {"match": {"a": 1}}}), false),
        (json!({"must": [{"match": {"a": 1}}]}), false),
        (json!({"must": ["a", {"match": {"a": 1}}]}), false),
        (json!({"must": [["a"]]}), false),
        (json!({"x": [{"y": {"query": {"match_all": {}}}}]}), false),
    ] {
        assert_eq!(Shape::Data.check(&value).is_ok(), is, "{value}");
    }
    // Whatever is said of it.
    for name in ["_index", "lang", "pipeline", "wrapper", "neural", "neural_sparse", "script", "scripted_metric", "bucket_script"] {
        assert!(Shape::Data.check(&json!({"x": [{name: 1}]})).is_err(), "{name}");
    }
}

/// Whoever is refused is told what a member is taken for.
#[test]
fn a_member_that_is_refused_is_told_from_others() {
    for (names, why) in [
        (
            &["_index", "_indices", "index", "indexed_shape", "indices", "indices_boost"][..],
            "the body names an index where one is not judged",
        ),
        (&["aliases"], "an alias, by which an index has another name"),
        (&["percolate"], "a percolator, which asks what is stored"),
        (&["pit", "scroll", "slice"], "a token of a search does not say whose it is"),
        (&["pipeline", "search_pipeline", "default_pipeline", "final_pipeline"], "a pipeline, which could write or read elsewhere"),
        (&["filter", "filters", "nested_filter", "query"], "a query where none is read"),
        (&["max_determinized_states"], "an option that lets one expression take all memory of a node"),
        (&["template", "wrapper"], "a query inside of what is not read"),
        (&["agentic", "ext", "neural", "neural_sparse", "sltr"], "what a plugin makes of it is not known"),
        (
            &[
                "bucket_script",
                "bucket_selector",
                "derived",
                "moving_fn",
                "runtime_mappings",
                "scripted_metric",
                "script",
                "init_script",
                "script_fields",
            ],
            "a script, which could do anything",
        ),
        (&["unheard_of", "", "SCRIPT"], "the body has a member or clause that is not known"),
    ] {
        for name in names {
            assert_eq!(shape::unknown(name), why, "{name}");
            assert_eq!(Shape::Record(&[]).check(&json!({*name: 1})), Err(why), "{name}");
        }
    }
}

/// Parentheses that are closed cost no more stack.
#[test]
fn a_text_is_as_deep_as_what_is_open_in_it() {
    let nested = |open: &str, close: &str, depth| format!("{}a{}", open.repeat(depth), close.repeat(depth));
    for (open, close) in [("(", ")"), ("[", "]"), ("{", "}")] {
        assert!(shape::shallow(&nested(open, close, 64)).is_ok() && shape::shallow(&nested(open, close, 65)).is_err(), "{open}");
        assert!(shape::shallow(&nested(open, close, 1).repeat(200)).is_ok(), "{open}");
        assert!(shape::shallow(&(close.repeat(200) + &nested(open, close, 65))).is_err(), "what closes nothing makes no room: {close}");
    }
}

/// However many indexes a body names, what they cost is bounded.
#[test]
fn a_request_names_no_more_indexes_than_are_judged() {
    let lines = |count: usize| (0..count).map(|n| format!("{{\"index\":{{\"_index\":\"a-{n}\"}}}}\n{{}}\n")).collect::<String>();
    let read = |count| Body::Bulk.read(lines(count).as_bytes(), &mut Indexes::new(None, false).unwrap());
    assert_eq!(read(5_000), Ok(()));
    assert!(read(5_001).is_err());
}

/// The whole of a document is bounded, and not each object in it.
#[test]
fn a_document_has_no_more_members_than_are_looked_at() {
    let half = format!("{{{}}}", (0..210_000).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(","));
    assert_eq!(Body::Document.read(format!("{{\"a\":{half}}}").as_bytes(), &mut Indexes::new(Some("a"), false).unwrap()), Ok(()));
    assert!(
        Body::Document.read(format!("{{\"a\":{half},\"b\":{half}}}").as_bytes(), &mut Indexes::new(Some("a"), false).unwrap()).is_err()
    );
}

/// AWS's own endpoint is where domains are made and opened to others, and what is no index's is no index's path.
#[test]
fn only_an_endpoint_that_is_configured_is_a_domain() {
    let about = |api: &str, dial_is_configured| {
        let mut target = Target::for_tests(("mine", api, "es"), Style::Plain, "/a/_search");
        Arc::make_mut(&mut target.destination).dial_is_configured = dial_is_configured;
        let asked = Asked { target: &target, operation: None, labels: &[], headers: &http::HeaderMap::new(), body: Some(b"") };
        read(&asked, "GET").map(|(api, _)| api.name)
    };
    let why = "only the endpoint of a domain or collection is taken for OpenSearch";
    for (api, dial_is_configured, is) in
        [("es", true, true), ("aoss", true, true), ("es", false, false), ("sqs", true, false), ("sqs", false, false)]
    {
        assert_eq!(about(api, dial_is_configured), if is { Ok("search") } else { Err(why.into()) }, "{api} {dial_is_configured}");
    }
}

/// A body that may be left out is looked at where there is one.
#[test]
fn a_body_may_be_left_out_where_it_says_nothing_that_has_to_be_said() {
    let read = |body: Body, text: &str| body.read(text.as_bytes(), &mut Indexes::new(Some("a"), false).unwrap());
    for body in [api::SEARCH, Body::NewIndex, Body::Nothing] {
        assert_eq!(read(body, ""), Ok(()), "{body:?}");
        assert!(read(body, "x").is_err(), "{body:?}");
    }
    for body in [Body::Bulk, Body::Document, Body::Mapping, Body::MultiGet, Body::MultiSearch, Body::Settings, Body::Update] {
        assert!(read(body, "").is_err(), "{body:?}");
    }
}

/// A template's placeholder could become `type`, or whatever else a document has for a name.
#[test]
fn a_mapping_has_no_placeholder_for_a_member() {
    let field = |name: &str| json!({name: {"type": "keyword"}});
    let template = |mapping: serde_json::Value| json!({"dynamic_templates": [{"t": {"match": "*", "mapping": mapping}}]});
    for (name, is) in
        [("name", Ok(())), ("{name}", Err("a placeholder in the name of a member")), ("a}", Err("a placeholder in the name of a member"))]
    {
        assert_eq!(mapping::check(&json!({"properties": field(name)})), is, "{name}");
        assert_eq!(mapping::check(&template(json!({"type": "object", "properties": field(name)}))), is, "{name}");
    }
    assert_eq!(mapping::check(&template(json!({"type": "{dynamic_type}"}))), Ok(()), "a value may be one");
}

/// What a field is said to be is its type, whatever else has a type's name for a value.
#[test]
fn a_parameter_is_no_type() {
    for (field, is) in [
        (json!({"type": "keyword"}), true),
        (json!({"type": "keyword", "store": true}), true),
        (json!({"type": "derived"}), false),
        (json!({"type": "keyword", "script": "keyword"}), false),
        (json!({"type": "text", "model_id": "text"}), false),
        (json!({"type": ["keyword"]}), false),
        (json!("keyword"), false),
    ] {
        assert_eq!(mapping::field(&field).is_ok(), is, "{field}");
    }
}

/// Whoever is refused is told what to do without.
#[test]
fn a_path_that_is_refused_is_told_from_others() {
    for (path, why) in [
        ("/_plugins/_sql", "a statement of SQL or PPL is not read here"),
        ("/a/_clone/b", "it writes into another index than it names first"),
        ("/_async_search/x", "a token of a search does not say whose it is"),
        ("/_search/point_in_time", "a token of a search does not say whose it is"),
        ("/a/_search/point_in_time", "a token of a search does not say whose it is"),
        ("/a/_alias/b", "it gives indexes other names, or lists everybody's"),
        ("/_scripts/x", "a script, template or pipeline is everybody's, and could do anything"),
        ("/a/_search/template", "a script, template or pipeline is everybody's, and could do anything"),
        ("/_search/pipeline/x", "a script, template or pipeline is everybody's, and could do anything"),
        ("/_plugins/_asynchronous", "plugins and Dashboards have languages of their own"),
        ("/_nodes", "without an index it is about everybody's"),
        ("/a/b/c/d", "the path and method are of no API that is understood"),
        ("/a//b", "the path has an empty segment"),
    ] {
        // No API has this method.
        assert_eq!(api::find("PATCH", path).unwrap_err(), why, "{path}");
    }
}

#[test]
fn a_parameter_that_is_refused_is_told_from_others() {
    let search = APIS.iter().find(|api| api.name == "search").unwrap();
    for (names, why) in [
        (&["index", "indices", "id", "type"][..], "a parameter of the query stands for a part of the path"),
        (&["pipeline", "search_pipeline"], "a pipeline, which could write or read elsewhere"),
        (&["require_alias"], "an alias, whose name does not say which index it stands for"),
        (&["scroll", "scroll_id"], "a scroll, whose token does not say whose it is"),
        (&["source", "source_content_type"], "a parameter of the query stands for the body"),
        (&["unheard_of"], "a parameter of the query is not known"),
    ] {
        for name in names {
            assert_eq!(search.check_query(&format!("size=1&{name}=x")), Err(why), "{name}");
        }
    }
    assert_eq!(search.check_query("size=1"), Ok(()));
}

/// What a rule lists for nothing would look as if it allowed something.
#[test]
fn an_action_that_no_index_knows_is_not_meant() {
    let are_meant = |actions: &[&str]| {
        let patterns = actions.iter().map(|action| crate::aws::action::Pattern::parse(action).unwrap()).collect();
        super::are_meant("es", &crate::aws::action::Actions::new(patterns).unwrap())
    };
    for (actions, is) in [
        (&["es:ReadDocument"][..], true),
        (&["es:*"], true),
        (&["es:*Index", "es:WriteDocument"], true),
        (&["es:ESHttpGet"], false),
        (&["es:ReadDocument", "es:ESHttp*"], false),
        (&["aoss:ReadDocument"], false),
    ] {
        assert_eq!(are_meant(actions), is, "{actions:?}");
    }
}

/// What a rule may list is what some operation needs.
#[test]
fn every_action_is_needed_by_an_operation() {
    let needed: BTreeSet<&str> = APIS.iter().flat_map(|api| api.actions).copied().collect();
    let all = all_of("es");
    let words: BTreeSet<&str> = all.split(", ").filter_map(|action| action.strip_prefix("es:")).collect();
    assert_eq!(needed, words);
}
