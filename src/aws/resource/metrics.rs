//! Metrics of CloudWatch: in which namespace each is that a request writes or reads, and which dimensions it has.
//!
//! CloudWatch takes two metrics for the same only where all their dimensions are the same, so that whoever names a dimension reaches nothing that does not have it. A
//! query that finds metrics by itself says neither; nor does one of another account.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Kind, Touch, Untold, arithmetic, json::member, kind::MISSING};

/// Most dimensions of a metric (`Dimensions`, CloudWatch API reference).
const MAX_DIMENSIONS: usize = 30;
/// Most metrics that one request writes, and most that it asks for (`PutMetricData`, `GetMetricData`, CloudWatch API reference).
const MAX_DATA: usize = 1_000;
const MAX_QUERIES: usize = 500;
const FINDS: Untold = "an expression can find metrics by itself: only arithmetic over metrics of the same request is read here";

/// How an operation names metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metrics {
    /// One namespace, and the dimensions of each datum.
    Data,
    /// One namespace, and what metrics have to have to be listed.
    Listing,
    /// One metric.
    One,
    /// A metric each, or arithmetic over them.
    Queries,
}

type Members = Map<String, Value>;

impl Metrics {
    /// Every metric, or kind of metric, that the document is about; never nothing.
    pub(super) fn touches(self, document: &Members) -> Result<Vec<Touch>, Untold> {
        let found = match self {
            Self::Data => {
                let namespace = text(document, "Namespace")?;
                let touch = |datum: &Value| touch(namespace, dimensions(datum.as_object().ok_or(MISSING)?)?);
                list(document, "MetricData", MAX_DATA)?.iter().map(touch).collect::<Result<_, _>>()?
            }
            Self::Listing | Self::One => vec![touch(text(document, "Namespace")?, dimensions(document)?)?],
            Self::Queries => queries(list(document, "MetricDataQueries", MAX_QUERIES)?)?,
        };
        if found.is_empty() { Err(MISSING) } else { Ok(found) }
    }
}

fn touch(namespace: &str, dimensions: BTreeMap<String, String>) -> Result<Touch, Untold> {
    Ok(Touch { resource: Some(Kind::Namespace.named(namespace)?), context: Some(dimensions), action: None })
}

fn queries(queries: &[Value]) -> Result<Vec<Touch>, Untold> {
    let queries = queries.iter().map(|query| query.as_object().ok_or(MISSING)).collect::<Result<Vec<_>, _>>()?;
    let mut ids = queries.iter().map(|query| text(query, "Id")).collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    let mut touches = Vec::new();
    for query in queries {
        if member(query, "AccountId")?.is_some() {
            return Err("a query is of another account");
        }
        match (member(query, "MetricStat")?, member(query, "Expression")?) {
            (Some(stat), None) => {
                let metric = member(stat.as_object().ok_or(MISSING)?, "Metric")?.and_then(Value::as_object).ok_or(MISSING)?;
                touches.push(touch(text(metric, "Namespace")?, dimensions(metric)?)?);
            }
            (None, Some(expression)) if arithmetic::is_plain(expression.as_str().ok_or(MISSING)?, &ids) => {}
            (None, Some(_)) => return Err(FINDS),
            _ => return Err("a query is of no metric, or of two"),
        }
    }
    Ok(touches)
}

/// Names and values; of a filter those that have a value. A name twice could be read in two ways.
fn dimensions(of: &Members) -> Result<BTreeMap<String, String>, Untold> {
    let mut found = BTreeMap::new();
    let given = match member(of, "Dimensions")? {
        None => &[],
        Some(value) => value.as_array().filter(|list| list.len() <= MAX_DIMENSIONS).ok_or(MISSING)?.as_slice(),
    };
    let mut names = Vec::new();
    for dimension in given {
        let dimension = dimension.as_object().ok_or(MISSING)?;
        let name = text(dimension, "Name")?;
        if names.contains(&name) {
            return Err("a dimension is there twice");
        }
        names.push(name);
        if let Some(value) = member(dimension, "Value")? {
            found.insert(name.to_owned(), value.as_str().ok_or(MISSING)?.to_owned());
        }
    }
    Ok(found)
}

fn text<'d>(of: &'d Members, name: &str) -> Result<&'d str, Untold> {
    member(of, name)?.and_then(Value::as_str).ok_or(MISSING)
}

fn list<'d>(of: &'d Members, name: &str, most: usize) -> Result<&'d [Value], Untold> {
    let list = member(of, name)?.and_then(Value::as_array).ok_or(MISSING)?.as_slice();
    if list.len() > most { Err("more metrics than CloudWatch takes at once") } else { Ok(list) }
}
