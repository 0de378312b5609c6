//! What has to hold for whatever bytes come: another reader of OpenSearch's requests, written the way OpenSearch reads them, with no mind for safety.
//!
//! It splits a body at line feeds, parses what stands between them with `serde_json`, takes an index from wherever OpenSearch would, and looks for scripts and lookups by
//! their names alone, wherever they stand.

use std::collections::BTreeSet;

use http::uri::PathAndQuery;
use serde_json::Value;

use super::{
    api::{self, Api, Body},
    names::{Indexes, Name},
};
use crate::sigv4::{Canon, WireTarget};

/// The first line is method and target, what follows is the body. Every index that OpenSearch would find in what is taken was found, and nothing in it is a script or looks up;
/// no parameter of the query stands for either.
pub(crate) fn body(bytes: &[u8]) -> bool {
    let Some(at) = bytes.iter().position(|b| *b == b'\n') else { return false };
    let (line, body) = (&bytes[..at], &bytes[at + 1..]);
    let Some((method, target)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(' ')) else { return false };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Ok(found) = api::find(method, path) else { return false };
    let Ok(mut indexes) = Indexes::new(found.index, found.api.may_be_many) else { return false };
    let Some(query) = sent(query) else { return false };
    if found.api.check_query(&query).is_err() || found.api.body.read(body, &mut indexes).is_err() {
        return false;
    }
    well_known(found.api, &query);
    let touched = indexes.into_touched();
    let names: BTreeSet<&str> = touched.iter().map(Name::text).collect();
    let in_path: Vec<String> = found.index.map(|index| decoded(index).split(',').map(str::to_owned).collect()).unwrap_or_default();
    for name in named(found.api.body, body, &in_path) {
        assert!(names.contains(name.as_str()), "{name:?} is touched, seen is {names:?}");
    }
    assert!(names.iter().all(|name| is_plain(name)), "{names:?}");
    if let Body::Json(_) | Body::Mapping | Body::NewIndex | Body::Settings = found.api.body
        && !body.is_empty()
    {
        harmless(&parsed(body));
    }
    !body.is_empty()
}

/// A query in the form in which it is sent.
fn sent(query: &str) -> Option<String> {
    let raw = PathAndQuery::try_from(format!("/?{query}")).ok()?;
    let wire = WireTarget::new(&raw, Canon::Normalised).ok()?;
    Some(wire.path_and_query().query().unwrap_or_default().to_owned())
}

/// Whether each parameter is one that the API has, once, and what it does ends with the answer. OpenSearch separates them at semicolons, too (`RestUtils.decodeQueryString`).
fn well_known(api: &Api, query: &str) {
    let mut names = BTreeSet::new();
    for (name, value) in query.split(['&', ';']).flat_map(|pair| form_urlencoded::parse(pair.as_bytes())) {
        assert!(api.parameters.iter().any(|list| list.contains(&&*name)), "{name:?} is not known: {query:?}");
        let elsewhere = ["index", "pipeline", "require_alias", "scroll", "search_pipeline", "source", "source_content_type"];
        assert!(!elsewhere.contains(&&*name), "{name:?} stands for something else: {query:?}");
        match &*name {
            "requests_per_second" => assert_eq!(value, "-1", "it goes on: {query:?}"),
            "wait_for_completion" => assert!(value.is_empty() || value == "true", "it goes on: {query:?}"),
            _ => {}
        }
        let deepest = value.chars().scan(0_i32, |depth, c| {
            *depth += i32::from("([{".contains(c)) - i32::from(")]}".contains(c));
            Some(*depth)
        });
        assert!(deepest.max().unwrap_or_default() <= 64, "{value:?} is deep");
        assert!(names.insert(name.clone()), "{name:?} is there twice: {query:?}");
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn parsed(text: &[u8]) -> Value {
    assert!(crate::fuzzing::json::has_no_member_twice(text), "a member is there twice");
    serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}"))
}

/// What OpenSearch would touch.
fn named(kind: Body, body: &[u8], in_path: &[String]) -> Vec<String> {
    let default = || {
        assert!(!in_path.is_empty(), "no index, which is all of them");
        in_path.to_vec()
    };
    match kind {
        Body::Bulk => {
            let mut lines = body.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty());
            let mut found = Vec::new();
            while let Some(line) = lines.next() {
                let line = parsed(line);
                let (action, of) = line.as_object().and_then(|line| line.iter().next()).unwrap_or_else(|| panic!("{line}"));
                match &of["_index"] {
                    Value::Null => found.extend(default()),
                    Value::String(index) => found.push(index.clone()),
                    other => panic!("{other}"),
                }
                assert!(of["pipeline"].is_null() && of["require_alias"].is_null(), "{line}");
                if action != "delete" {
                    let document = lines.next().unwrap_or_else(|| panic!("an action without a document"));
                    if action == "update" {
                        assert!(parsed(document)["script"].is_null());
                    }
                }
            }
            found
        }
        Body::MultiSearch => {
            let lines: Vec<&[u8]> = body.split(|b| *b == b'\n').collect();
            let mut found = Vec::new();
            for pair in lines.chunks(2).filter(|pair| pair.len() == 2) {
                let header = parsed(pair[0]);
                for member in ["index", "indices"] {
                    match &header[member] {
                        Value::Null => {}
                        Value::String(list) => found.extend(list.split(',').map(str::to_owned)),
                        Value::Array(list) => {
                            assert!(!list.is_empty(), "no index, which is all of them");
                            found.extend(list.iter().map(|name| name.as_str().unwrap_or_else(|| panic!("{name}")).to_owned()));
                        }
                        other => panic!("{other}"),
                    }
                }
                if header["index"].is_null() && header["indices"].is_null() {
                    found.extend(default());
                }
                harmless(&parsed(pair[1]));
            }
            found
        }
        Body::MultiGet => {
            let body = parsed(body);
            let docs = body["docs"].as_array().cloned().unwrap_or_default();
            let index = |doc: &Value| doc["_index"].as_str().map_or_else(default, |index| vec![index.to_owned()]);
            let ids = if body["ids"].is_null() { Vec::new() } else { default() };
            docs.iter().flat_map(index).chain(ids).collect()
        }
        _ => in_path.to_vec(),
    }
}

/// Whether a name is one to everybody.
fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '*'))
}

/// Whether nothing in it looks up, or runs. Fields may be called so too, which no seed has.
fn harmless(value: &Value) {
    match value {
        Value::Array(values) => values.iter().for_each(harmless),
        Value::Object(members) => {
            for (name, value) in members {
                if let "doc" | "meta" | "_meta" = name.as_str() {
                    continue;
                }
                let is_object = value.is_object();
                let looks_up =
                    is_object && matches!(name.as_str(), "indexed_shape" | "percolate" | "pit" | "ext" | "wrapper" | "template" | "neural");
                let runs = is_object && (name == "script" || name == "script_score" || name == "_script" || name == "scripted_metric");
                assert!(!looks_up && !runs, "{name} is in it");
                if name == "terms"
                    && let Some(fields) = value.as_object()
                {
                    for of in fields.values().filter_map(Value::as_object) {
                        assert!(!(of.contains_key("index") && of.contains_key("id") && of.contains_key("path")), "a lookup: {value}");
                    }
                }
                if name == "like" || name == "unlike" {
                    let items = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                    assert!(items.iter().all(|item| item["_index"].is_null()), "a document elsewhere: {value}");
                }
                assert!(name != "type" || value.as_str() != Some("percolator"), "a percolator");
                harmless(value);
            }
        }
        _ => {}
    }
}
