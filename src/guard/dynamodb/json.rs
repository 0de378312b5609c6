//! The JSON of DynamoDB's requests, of which only what names tables, keys and conditions is kept.
//!
//! What a body may say is a [`Shape`], operation by operation. Whoever reads a body differently from DynamoDB could be shown one key while DynamoDB takes another, so
//! a member that the shape does not have is an error: one that is spelled in another case, and one that is new and could mean anything. So is a member twice, at
//! whatever depth, a value of another type, an attribute of two types at once, and what is not UTF-8. Depth is bounded by `serde_json`, at 128; the items of
//! DynamoDB nest 32 levels, each of which is two here. The number of values that are kept is [bounded](MAX_VALUES) too, and what is looked through is not kept:
//! an item may have more numbers in a list than any document of ours.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::strict_json::{Budget, MAX_VALUES};

/// What a value has to be.
#[derive(Debug)]
pub(super) enum Shape {
    /// An attribute's value.
    Attribute,
    /// Any number of these.
    List(&'static Self),
    /// By names of the client's own.
    Map(&'static Self),
    /// These members at most. One that is null is not there.
    Record(&'static [(&'static str, Self)]),
    /// It is looked through, and not kept.
    Skip,
    Text,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Attribute(Attribute<'a>),
    List(Vec<Self>),
    Map(Map<'a>),
    Record(Vec<(&'static str, Self)>),
    Skipped,
    Text(Cow<'a, str>),
}

/// An attribute's value, as far as it could be a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attribute<'a> {
    /// In Base64.
    Binary(Cow<'a, str>),
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// No key has such a value.
    Other,
}

/// Names and what they stand for, none of them twice.
#[derive(Debug)]
pub(super) struct Map<'a>(Vec<(Cow<'a, str>, Node<'a>)>);

/// Reads the whole of `body`, and nothing else.
pub(super) fn read<'a>(body: &'a [u8], shape: &'static Shape) -> Option<Node<'a>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let node = Reading { shape, may_be_null: false, left: &Budget::new() }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(node)
}

impl<'a> Node<'a> {
    /// The member `name` of a record, where it is there and not null.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Record(members) = self else { return None };
        members.iter().find(|(member, _)| *member == name).map(|(_, node)| node).filter(|node| !matches!(node, Node::Skipped))
    }

    /// All members of a record that are there.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'static str, &Self)> {
        let members = if let Self::Record(members) = self { &members[..] } else { &[] };
        members.iter().filter(|(_, node)| !matches!(node, Node::Skipped)).map(|(name, node)| (*name, node))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        if let Self::Text(text) = self.member(name)? { Some(text) } else { None }
    }

    pub(super) fn map(&self, name: &str) -> Option<&Map<'a>> {
        self.member(name)?.as_map()
    }

    pub(super) fn list(&self, name: &str) -> Option<&[Self]> {
        self.member(name)?.as_list()
    }

    pub(super) fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    pub(super) fn as_map(&self) -> Option<&Map<'a>> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    pub(super) fn as_attribute(&self) -> Option<&Attribute<'a>> {
        if let Self::Attribute(attribute) = self { Some(attribute) } else { None }
    }
}

impl<'a> Map<'a> {
    /// `None` where a name is there twice.
    fn new(mut entries: Vec<(Cow<'a, str>, Node<'a>)>) -> Option<Self> {
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        entries.windows(2).all(|pair| pair[0].0 != pair[1].0).then_some(Self(entries))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Node<'a>> {
        self.0.binary_search_by(|(key, _)| (**key).cmp(name)).ok().map(|index| &self.0[index].1)
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.get(name).and_then(Node::as_attribute)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        if let Node::Text(text) = self.get(name)? { Some(text) } else { None }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Node<'a>)> {
        self.0.iter().map(|(name, node)| (&**name, node))
    }
}

/// Reads one value.
#[derive(Clone, Copy)]
struct Reading<'b> {
    shape: &'static Shape,
    may_be_null: bool,
    left: &'b Budget,
}

impl Reading<'_> {
    fn of(self, shape: &'static Shape) -> Self {
        Self { shape, may_be_null: false, ..self }
    }

    fn skipped<E: Error>(self) -> Result<Node<'static>, E> {
        if matches!(self.shape, Shape::Skip) { Ok(Node::Skipped) } else { Err(E::custom("another type is wanted")) }
    }
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        if !matches!(self.shape, Shape::Skip) {
            self.left.take().ok_or_else(too_many)?;
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request of DynamoDB")
    }

    fn visit_unit<E: Error>(self) -> Result<Node<'de>, E> {
        if self.may_be_null { Ok(Node::Skipped) } else { self.skipped() }
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Node<'de>, E> {
        self.skipped()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Node<'de>, E> {
        self.skipped()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Node<'de>, E> {
        self.skipped()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Node<'de>, E> {
        self.skipped()
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Node<'de>, E> {
        if matches!(self.shape, Shape::Text) { Ok(Node::Text(Cow::Borrowed(text))) } else { self.skipped() }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node<'de>, E> {
        if matches!(self.shape, Shape::Text) { Ok(Node::Text(Cow::Owned(text.to_owned()))) } else { self.skipped() }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node<'de>, A::Error> {
        match self.shape {
            Shape::List(of) => {
                let mut list = Vec::new();
                while let Some(item) = items.next_element_seed(self.of(of))? {
                    list.push(item);
                }
                Ok(Node::List(list))
            }
            _ => {
                let node = self.skipped()?;
                while items.next_element_seed(self.of(&Shape::Skip))?.is_some() {}
                Ok(node)
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
        match self.shape {
            Shape::Attribute => attribute(self, &mut access).map(Node::Attribute),
            Shape::Map(of) => {
                let mut entries = Vec::new();
                while let Some(Text(name)) = access.next_key()? {
                    entries.push((name, access.next_value_seed(self.of(of))?));
                }
                Map::new(entries).map(Node::Map).ok_or_else(twice)
            }
            Shape::Record(known) => {
                let mut members: Vec<(&'static str, Node<'de>)> = Vec::new();
                while let Some(Text(name)) = access.next_key()? {
                    let (name, shape) =
                        known.iter().find(|(member, _)| *member == name).ok_or_else(|| A::Error::custom("a member that is not known"))?;
                    if members.iter().any(|(member, _)| member == name) {
                        return Err(twice());
                    }
                    members.push((name, access.next_value_seed(Self { shape, may_be_null: true, ..self })?));
                }
                Ok(Node::Record(members))
            }
            Shape::Skip => {
                let mut names: Vec<Cow<'de, str>> = Vec::new();
                while let Some(Text(name)) = access.next_key()? {
                    if names.len() == MAX_VALUES {
                        return Err(too_many());
                    }
                    names.push(name);
                    access.next_value_seed(self.of(&Shape::Skip))?;
                }
                names.sort_unstable();
                if names.windows(2).any(|pair| pair[0] == pair[1]) { Err(twice()) } else { Ok(Node::Skipped) }
            }
            Shape::List(_) | Shape::Text => self.skipped(),
        }
    }
}

/// `{"S": "text"}` and the like: one type, and nothing beside it.
fn attribute<'de, A: MapAccess<'de>>(reading: Reading<'_>, access: &mut A) -> Result<Attribute<'de>, A::Error> {
    let wrong = || A::Error::custom("no attribute has such a value");
    let Text(kind) = access.next_key()?.ok_or_else(wrong)?;
    let attribute = match &*kind {
        "S" => Attribute::Text(access.next_value::<Text<'de>>()?.0),
        "N" => Attribute::Number(access.next_value::<Text<'de>>()?.0),
        "B" => Attribute::Binary(access.next_value::<Text<'de>>()?.0),
        "BOOL" | "BS" | "L" | "M" | "NS" | "NULL" | "SS" => {
            access.next_value_seed(reading.of(&Shape::Skip))?;
            Attribute::Other
        }
        _ => return Err(wrong()),
    };
    if access.next_key::<Text<'de>>()?.is_some() { Err(wrong()) } else { Ok(attribute) }
}

fn too_many<E: Error>() -> E {
    E::custom("more values than a document may have")
}

fn twice<E: Error>() -> E {
    E::custom("a name is there twice")
}

/// Text that stays where it is, unless it is escaped.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Reader)
    }
}

#[cfg(test)]
mod tests;
