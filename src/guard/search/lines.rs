//! Bodies in lines: `_bulk` and `_msearch`.
//!
//! OpenSearch cuts them at every line feed, whatever stands around it (`BulkRequestParser`, `MultiSearchRequest`), and leaves out empty lines in some places. So each line here is
//! an object, the last one ends too, and there is none that is empty.

use serde_json::{Map, Value};

use super::{
    document::{self, named, object},
    names::Indexes,
    request,
    shape::{Member, Shape, unknown},
};
use crate::aws::resource::Untold;

/// What an action has beside its index. Not `_source`, which returns what is updated.
const OF_ACTION: &[Member] = &[
    ("_id", Shape::Scalar),
    ("if_primary_term", Shape::Scalar),
    ("if_seq_no", Shape::Scalar),
    ("op_type", Shape::Scalar),
    ("retry_on_conflict", Shape::Scalar),
    ("routing", Shape::Scalar),
    ("version", Shape::Scalar),
    ("version_type", Shape::Scalar),
];
static ACTION: Shape = Shape::Record(&[OF_ACTION]);

/// What is said of a search beside its indexes.
const OF_HEADER: &[Member] = &[
    ("allow_no_indices", Shape::Scalar),
    ("allow_partial_search_results", Shape::Scalar),
    ("cancel_after_time_interval", Shape::Scalar),
    ("ccs_minimize_roundtrips", Shape::Scalar),
    ("expand_wildcards", Shape::Scalars),
    ("ignore_throttled", Shape::Scalar),
    ("ignore_unavailable", Shape::Scalar),
    ("phase_took", Shape::Scalar),
    ("preference", Shape::Scalar),
    ("request_cache", Shape::Scalar),
    ("routing", Shape::Scalar),
    ("search_type", Shape::Scalar),
];
static HEADER: Shape = Shape::Record(&[OF_HEADER]);

/// Actions and documents.
pub(super) fn bulk(body: &[u8], indexes: &mut Indexes) -> Result<(), Untold> {
    let mut lines = lines(body)?;
    while let Some(line) = lines.next() {
        let (action, of) = only(object(line)?)?;
        let Value::Object(mut of) = of else { return Err("an action of the body is no object") };
        let index = of.remove("_index");
        indexes.add_one(named(index.as_ref())?)?;
        ACTION.check(&Value::Object(of))?;
        let mut next = || lines.next().ok_or("the body ends before the document of an action");
        match action.as_str() {
            "create" | "index" => document::whole(next()?)?,
            "delete" => {}
            "update" => document::update(next()?)?,
            _ => return Err("an action of the body is not known"),
        }
    }
    Ok(())
}

/// Headers and searches.
pub(super) fn multi_search(body: &[u8], indexes: &mut Indexes) -> Result<(), Untold> {
    let mut lines = lines(body)?;
    while let Some(line) = lines.next() {
        let mut header = object(line)?;
        let named = match (header.remove("index"), header.remove("indices")) {
            (Some(_), Some(_)) => return Err("a header of the body names indexes twice"),
            (one, other) => one.or(other),
        };
        match &named {
            None => indexes.add_one(None)?,
            Some(Value::String(list)) => indexes.add_many(list.split(','))?,
            Some(Value::Array(names)) => {
                let texts =
                    names.iter().map(|name| name.as_str().ok_or("the name of an index is no text")).collect::<Result<Vec<_>, _>>()?;
                indexes.add_many(texts.into_iter())?;
            }
            Some(_) => return Err("the name of an index is no text"),
        }
        HEADER.check(&Value::Object(header))?;
        let search = lines.next().ok_or("the body ends before the search of a header")?;
        document::shaped(search, &request::SEARCH)?;
    }
    Ok(())
}

/// The lines, of which there is one at least.
fn lines(body: &[u8]) -> Result<impl Iterator<Item = &[u8]>, Untold> {
    let body = body.strip_suffix(b"\n").ok_or("the body has no lines, or its last line does not end")?;
    Ok(body.split(|byte| *byte == b'\n'))
}

/// The one member of an action.
fn only(line: Map<String, Value>) -> Result<(String, Value), Untold> {
    let mut members = line.into_iter();
    match (members.next(), members.next()) {
        (Some(only), None) => Ok(only),
        (Some((_, _)), Some((name, _))) => Err(unknown(&name)),
        (None, _) => Err("a line of the body has no action"),
    }
}
