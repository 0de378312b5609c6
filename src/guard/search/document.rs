//! Bodies that are documents, or have them in them.
//!
//! A document is the tenant's, whatever is in it. It is looked through all the same, so that nothing is let through that another reader of JSON could take for something
//! else, and none of it is kept. Queries and what names indexes are kept, and bounded (see [`strict_json`]).

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{
    names::Indexes,
    shape::{Member, Shape, unknown},
};
use crate::{
    aws::resource::Untold,
    strict_json::{self, MAX_VALUES},
};

const UNREADABLE: Untold = "the body is not one JSON object in UTF-8, without members twice";

/// A document.
pub(super) fn whole(body: &[u8]) -> Result<(), Untold> {
    members(body).map(drop)
}

/// A part of a document, and what becomes of it. Without what returns it, since who may write may not read thereby.
pub(super) fn update(body: &[u8]) -> Result<(), Untold> {
    const KNOWN: [&str; 4] = ["detect_noop", "doc", "doc_as_upsert", "upsert"];
    members(body)?.iter().find(|name| !KNOWN.contains(&name.as_str())).map_or(Ok(()), |name| Err(unknown(name)))
}

/// What is in this shape, and nothing else.
pub(super) fn shaped(body: &[u8], shape: &Shape) -> Result<(), Untold> {
    shape.check(&Value::Object(object(body)?))
}

/// One JSON object, and nothing behind it.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Untold> {
    strict_json::deep_object(body).ok_or(UNREADABLE)
}

/// What each document of `_mget` has; its index is read apart.
const OF_GET: &[Member] = &[
    ("_id", Shape::Scalar),
    ("_source", Shape::ScalarsOr(&Shape::Data)),
    ("routing", Shape::Scalar),
    ("stored_fields", Shape::Scalars),
    ("version", Shape::Scalar),
    ("version_type", Shape::Scalar),
];
static GET: Shape = Shape::Record(&[OF_GET]);

/// `_mget`: documents that name their indexes, or ids of documents in the one of the path.
pub(super) fn multi_get(body: &[u8], indexes: &mut Indexes) -> Result<(), Untold> {
    let mut body = object(body)?;
    let (docs, ids) = (body.remove("docs"), body.remove("ids"));
    if let Some(name) = body.keys().next() {
        return Err(unknown(name));
    }
    match (docs, ids) {
        (Some(Value::Array(docs)), None) if !docs.is_empty() => docs.into_iter().try_for_each(|doc| {
            let Value::Object(mut doc) = doc else { return Err(NOT_DOCS) };
            let index = doc.remove("_index");
            indexes.add_one(named(index.as_ref())?)?;
            GET.check(&Value::Object(doc))
        }),
        (None, Some(ids @ Value::Array(_))) => {
            indexes.add_one(None)?;
            Shape::Scalars.check(&ids)
        }
        _ => Err(NOT_DOCS),
    }
}

const NOT_DOCS: Untold = "the body has neither documents nor ids, or both";

/// What a member says that names one index. One that is there and no text is not absent to everybody.
pub(super) fn named(index: Option<&Value>) -> Result<Option<&str>, Untold> {
    match index {
        None => Ok(None),
        Some(Value::String(name)) => Ok(Some(name)),
        Some(_) => Err("the name of an index is no text"),
    }
}

/// The names of a document's own members.
pub(super) fn members(body: &[u8]) -> Result<Vec<String>, Untold> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let left = Cell::new(MAX_VALUES);
    let names = Look { left: &left }.deserialize(&mut deserializer).map_err(|_| UNREADABLE)?;
    deserializer.end().map_err(|_| UNREADABLE)?;
    names.ok_or(UNREADABLE)
}

/// Looks a value through: of an object the names are given back, in which none is twice.
#[derive(Clone, Copy)]
struct Look<'b> {
    /// How many members the document may have yet, at whatever depth: names are kept while their object is read.
    left: &'b Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = Option<Vec<String>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = Option<Vec<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate members")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut names: Vec<String> = Vec::new();
        while let Some(name) = access.next_key()? {
            let left = self.left.get().checked_sub(1).ok_or_else(|| A::Error::custom("more members than a document may have"))?;
            self.left.set(left);
            names.push(name);
            access.next_value_seed(self)?;
        }
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(A::Error::custom("a member is there twice"));
        }
        Ok(Some(names))
    }
}
