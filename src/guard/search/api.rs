//! What an API is, and which one a method and a path are of.
//!
//! OpenSearch splits the path as it came at `/`, compares the words in it as they came, and decodes what is left once (`RestController`, `PathTrie`). What a server in between
//! could make of the same path is not known, so here words are words without escapes, there is nothing between two slashes that is empty, and an id has no character that,
//! decoded once more, would be a part of a path or a query.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{
    document, lines, mapping,
    names::Indexes,
    request, settings,
    shape::{Shape, shallow},
    table::APIS,
};
use crate::aws::resource::Untold;

/// An API that is understood.
#[derive(Debug)]
pub(in crate::guard) struct Api {
    /// As OpenSearch's own specification calls it.
    pub(in crate::guard) name: &'static str,
    /// Methods, and a path in which `{index}` is where indexes are named, and `{id}` anything that names none.
    pub(in crate::guard) routes: &'static [(&'static [&'static str], &'static str)],
    /// What is done with each index that it is about; nothing where it is about none.
    pub(in crate::guard) actions: &'static [&'static str],
    /// Whether an index in the path may be a list, and have wildcards.
    pub(super) may_be_many: bool,
    /// Parameters of the query that it may have.
    pub(super) parameters: &'static [&'static [&'static str]],
    pub(super) body: Body,
}

/// What the body of an API says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    /// `_bulk`
    Bulk,
    /// A document, whatever is in it.
    Document,
    /// A document in this shape, which names no index. It may be left out.
    Json(&'static Shape),
    /// How an index is mapped.
    Mapping,
    /// `_mget`
    MultiGet,
    /// `_msearch`
    MultiSearch,
    /// How a new index is to be.
    NewIndex,
    /// There is none.
    Nothing,
    /// Settings of an index.
    Settings,
    /// A part of a document.
    Update,
}

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Found<'p> {
    pub(super) api: &'static Api,
    /// The segment of the path that names indexes.
    pub(super) index: Option<&'p str>,
}

impl Api {
    /// Whether it is about nothing of anybody's.
    pub(super) fn is_harmless(&self) -> bool {
        self.actions.is_empty()
    }

    /// Whether every parameter is known, and there once. They are in the form in which they are sent, in which nothing is left that OpenSearch could split otherwise.
    pub(super) fn check_query(&self, query: &str) -> Result<(), Untold> {
        let mut met: Vec<&str> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let known = self.parameters.iter().flat_map(|list| list.iter()).find(|known| **known == name);
            let known = *known.ok_or_else(|| unknown_parameter(name))?;
            if met.contains(&known) {
                return Err("a parameter of the query is there twice");
            }
            let value = percent_decode_str(value).decode_utf8().map_err(|_| "a parameter of the query is not UTF-8")?;
            match (known, &*value) {
                // What goes on behind an answer outlives the request, and nobody can stop it: `_tasks` is everybody's.
                ("wait_for_completion", "" | "true") | ("requests_per_second", "-1") => {}
                ("wait_for_completion" | "requests_per_second", _) => return Err("work that would go on without the request"),
                _ => shallow(&value)?,
            }
            met.push(known);
        }
        Ok(())
    }
}

/// What is known to be wrong with a parameter.
fn unknown_parameter(name: &str) -> Untold {
    match name {
        "index" | "indices" | "id" | "type" => "a parameter of the query stands for a part of the path",
        "pipeline" | "search_pipeline" => "a pipeline, which could write or read elsewhere",
        "require_alias" => "an alias, whose name does not say which index it stands for",
        "scroll" | "scroll_id" => "a scroll, whose token does not say whose it is",
        "source" | "source_content_type" => "a parameter of the query stands for the body",
        _ => "a parameter of the query is not known",
    }
}

impl Body {
    /// Whether it is in lines.
    pub(super) fn is_lines(self) -> bool {
        matches!(self, Self::Bulk | Self::MultiSearch)
    }

    /// Adds the indexes that it names.
    pub(super) fn read(self, body: &[u8], indexes: &mut Indexes) -> Result<(), Untold> {
        let is_there = !body.is_empty();
        match self {
            Self::Bulk => lines::bulk(body, indexes),
            Self::Document => document::whole(body),
            Self::Json(shape) if is_there => document::shaped(body, shape),
            Self::Mapping => mapping::check(&Value::Object(document::object(body)?)),
            Self::MultiGet => document::multi_get(body, indexes),
            Self::MultiSearch => lines::multi_search(body, indexes),
            Self::NewIndex if is_there => settings::new_index(body),
            Self::Nothing if is_there => Err("it takes no body"),
            Self::Settings => settings::read(body),
            Self::Update => document::update(body),
            Self::Json(_) | Self::NewIndex | Self::Nothing => Ok(()),
        }
    }
}

/// The API that the method and path are of.
pub(super) fn find<'p>(method: &str, path: &'p str) -> Result<Found<'p>, Untold> {
    let path = path.strip_prefix('/').ok_or(UNKNOWN)?;
    let segments: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
    if segments.iter().any(|segment| segment.is_empty()) {
        return Err("the path has an empty segment");
    }
    for api in APIS {
        for (methods, template) in api.routes {
            if methods.contains(&method)
                && let Some(index) = fits(template, &segments)?
            {
                return Ok(Found { api, index });
            }
        }
    }
    Err(unknown(&segments))
}

/// The index in the path, where it fits.
fn fits<'p>(template: &str, segments: &[&'p str]) -> Result<Option<Option<&'p str>>, Untold> {
    let parts: Vec<&str> = template.split('/').filter(|part| !part.is_empty()).collect();
    if parts.len() != segments.len() {
        return Ok(None);
    }
    let is_word = |part: &str| !part.starts_with('{');
    let fits = parts.iter().zip(segments).all(|(part, segment)| if is_word(part) { part == segment } else { is_no_api(part, segment) });
    if !fits {
        return Ok(None);
    }
    let mut index = None;
    for (part, segment) in parts.iter().zip(segments) {
        match *part {
            "{index}" => index = Some(*segment),
            "{id}" => plain(segment)?,
            _ => {}
        }
    }
    Ok(Some(index))
}

/// Whether what stands where an index is named is no word of an API.
fn is_no_api(part: &str, segment: &str) -> bool {
    part != "{index}" || !segment.starts_with('_')
}

/// Whether an id is one to every server that there could be: nothing that ends a path, and no name of an API that older versions have in this place (`/{index}/{type}/_bulk`).
fn plain(segment: &str) -> Result<(), Untold> {
    const ODD: Untold = "an id in the path that a server could take for more than an id; give it in a body";
    let id = percent_decode_str(segment).decode_utf8().map_err(|_| ODD)?;
    if id.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | '%' | '?' | '#' | ';')) {
        return Err(ODD);
    }
    // Ids that OpenSearch makes up can begin so, too, and have capital letters or digits.
    let is_id = |rest: &str| {
        rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            && rest.bytes().any(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    match id.strip_prefix('_') {
        Some(rest) if !is_id(rest) => Err("an id in the path that is the name of an API, or like one"),
        _ => Ok(()),
    }
}

const UNKNOWN: Untold = "the path and method are of no API that is understood";

/// What is known to be wrong with a path.
fn unknown(segments: &[&str]) -> Untold {
    let words = || segments.iter().copied().filter(|segment| segment.starts_with('_'));
    let has = |names: &[&str]| words().any(|word| names.contains(&word));
    if has(&["_sql", "_ppl", "_eql", "_esql"]) {
        "a statement of SQL or PPL is not read here"
    } else if has(&["_reindex", "_clone", "_shrink", "_split", "_rollover"]) {
        "it writes into another index than it names first"
    } else if has(&["_scroll", "_async_search", "point_in_time", "_pit"]) || segments.contains(&"point_in_time") {
        "a token of a search does not say whose it is"
    } else if has(&["_alias", "_aliases", "_template", "_index_template", "_component_template", "_data_stream"]) {
        "it gives indexes other names, or lists everybody's"
    } else if has(&["_scripts", "_ingest", "_render"]) || segments.contains(&"template") || segments.contains(&"pipeline") {
        "a script, template or pipeline is everybody's, and could do anything"
    } else if has(&["_plugins", "_opendistro", "_dashboards", "_security"]) {
        "plugins and Dashboards have languages of their own"
    } else if segments.first().is_some_and(|first| first.starts_with('_')) {
        "without an index it is about everybody's"
    } else {
        UNKNOWN
    }
}

/// What a search may say, for the table.
pub(super) const SEARCH: Body = Body::Json(&request::SEARCH);
