//! YAML (and so JSON) as a tree in which every node knows its place.
//!
//! Built from the parser's events rather than from a ready-made tree, for three reasons: scalars keep their exact text (an
//! account `012345678901` is no number), every duplicate key is reported and not only the first, and nothing is expanded:
//! anchors, aliases and tags, which configurations do not need, are refused, so there are no alias bombs. Size, depth and
//! number of nodes are bounded.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use serde_json::Value;

use super::error::{Fault, quote};

/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// How templates begin, which are no mappings.
const PLACEHOLDERS: [&str; 6] = ["{tenant.", "{cell", "{subject", "{issuer", "{claims.", "{user."];
const IN_QUOTES: &str = "put templates in quotes, as in \"{tenant.id}\"";

/// How much a document may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) bytes: usize,
    pub(crate) nodes: usize,
}

impl Bounds {
    /// A configuration file.
    pub(crate) const CONFIG: Self = Self { bytes: 1 << 20, nodes: 100_000 };
    /// A file of tenant records: some hundred thousand tenants.
    pub(crate) const RECORDS: Self = Self { bytes: 32 << 20, nodes: 4_000_000 };
}

/// A place in a file: line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl At {
    /// Where a file begins.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: At,
    pub(crate) content: Content,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A scalar as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Without quotes: may be a number, a boolean or null.
    pub(crate) plain: bool,
}

/// One `key: value` of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Where the key stands.
    pub(crate) at: At,
    pub(crate) key: String,
    pub(crate) node: Node,
}

impl Node {
    /// Whether this is an unquoted `null`, `~` or nothing.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if scalar.is_null())
    }

    /// The value of `key`, where this is a mapping that has it and it is not null.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == key && !entry.node.is_null()),
            Content::List(_) | Content::Scalar(_) => None,
        }
    }

    /// The plain data, with unquoted scalars read by YAML's core schema.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar(scalar) => scalar.to_json(),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(entries) => Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect()),
        }
    }

    /// Where `steps` (keys, and numbers of items) lead from here, as far as they lead anywhere.
    pub(crate) fn place_of(&self, steps: &[String]) -> Option<At> {
        let (first, rest) = steps.split_first()?;
        let (node, at) = match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == *first).map(|entry| (&entry.node, entry.at))?,
            Content::List(items) => items.get(first.parse::<usize>().ok()?).map(|item| (item, item.at))?,
            Content::Scalar(_) => return None,
        };
        node.place_of(rest).or(Some(at))
    }

    /// For messages: what kind of node this is.
    pub(crate) fn kind(&self) -> &'static str {
        match self.content {
            Content::Scalar(_) => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }
}

impl Scalar {
    pub(crate) fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// The value of an unquoted `true` or `false`.
    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self.text.as_str() {
            "true" | "True" | "TRUE" if self.plain => Some(true),
            "false" | "False" | "FALSE" if self.plain => Some(false),
            _ => None,
        }
    }

    /// The value by YAML's core schema.
    pub(crate) fn to_json(&self) -> Value {
        if self.is_null() {
            return Value::Null;
        }
        if let Some(flag) = self.as_bool() {
            return flag.into();
        }
        // A leading zero or plus sign makes it an identifier rather than a number, as in JSON.
        match serde_json::from_str(&self.text) {
            Ok(number @ Value::Number(_)) if self.plain => number,
            _ => Value::String(self.text.clone()),
        }
    }
}

/// Parses one document.
///
/// # Errors
/// What is not YAML ends the parsing; features that are refused and repeated keys are collected.
pub(crate) fn parse(text: &str, bounds: Bounds) -> Result<Node, Vec<(At, Fault)>> {
    if text.len() > bounds.bytes {
        let wrong = format!("the file has {} bytes", text.len());
        return Err(vec![(At::START, Fault::new(wrong, format!("at most {} are read", bounds.bytes)))]);
    }
    let mut builder = Builder { bounds, nodes: 0, open: Vec::new(), root: None, faults: Vec::new() };
    // A byte order mark is no part of the text.
    let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    if let Err((at, mut fault)) = builder.run(&mut parser) {
        let line = || text.lines().nth(at.line - 1).unwrap_or_default();
        if fault.right.is_empty() && PLACEHOLDERS.iter().any(|placeholder| line().contains(placeholder)) {
            fault.right = IN_QUOTES.to_owned();
        }
        builder.faults.push((at, fault));
    }
    match builder.root {
        _ if !builder.faults.is_empty() => Err(builder.faults),
        Some(root) => Ok(root),
        None => Err(vec![(At::START, Fault::new("the file is empty", "it is a mapping of settings"))]),
    }
}

/// A list or mapping whose end has not been seen.
enum Open {
    List(At, Vec<Node>),
    Map { at: At, entries: Vec<Entry>, lines: HashMap<String, usize>, key: Option<(At, String)> },
}

struct Builder {
    bounds: Bounds,
    nodes: usize,
    open: Vec<Open>,
    root: Option<Node>,
    faults: Vec<(At, Fault)>,
}

impl Builder {
    fn run(&mut self, parser: &mut Parser<'_, StrInput<'_>>) -> Result<(), (At, Fault)> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let at = At { line: error.marker().line().max(1), column: error.marker().col() + 1 };
                // Such as the pattern for all tenants, without quotes.
                if ["anchor or alias", "unknown anchor"].iter().any(|known| error.info().contains(known)) {
                    return no_anchors(at);
                }
                (at, Fault::new(format!("this is not YAML: {}", error.info()), ""))
            })?;
            self.event(event, place(span))?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, at: At) -> Result<(), (At, Fault)> {
        match event {
            Event::Alias(_) => Err(no_anchors(at)),
            Event::Scalar(_, _, anchor, ref tag) | Event::SequenceStart(anchor, ref tag) | Event::MappingStart(anchor, ref tag)
                if anchor != 0 || tag.is_some() =>
            {
                Err(no_anchors(at))
            }
            Event::Scalar(text, style, _, _) => self.scalar(at, Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }),
            Event::SequenceStart(..) => self.start(at, Open::List(at, Vec::new())),
            Event::MappingStart(..) => self.start(at, Open::Map { at, entries: Vec::new(), lines: HashMap::new(), key: None }),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(at, items)) => self.finish(Node { at, content: Content::List(items) }),
                Some(Open::Map { at, entries, .. }) => self.finish(Node { at, content: Content::Map(entries) }),
                None => Ok(()),
            },
            Event::DocumentStart(_) if self.root.is_some() => {
                Err((at, Fault::new("a second document begins here", "one file holds one document; remove the ---")))
            }
            Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing | Event::StreamEnd | Event::StreamStart => Ok(()),
        }
    }

    fn start(&mut self, at: At, open: Open) -> Result<(), (At, Fault)> {
        if let Some(Open::Map { key: None, .. }) = self.open.last() {
            return Err((at, Fault::new("a key is a list or mapping", "a key is a word; put templates in quotes, as in \"{tenant.id}\"")));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err((at, Fault::new(format!("this is nested deeper than {MAX_DEPTH}"), "")));
        }
        self.open.push(open);
        Ok(())
    }

    fn scalar(&mut self, at: At, scalar: Scalar) -> Result<(), (At, Fault)> {
        if let Some(Open::Map { lines, key: key @ None, .. }) = self.open.last_mut() {
            if let Some(line) = lines.insert(scalar.text.clone(), at.line) {
                let wrong = format!("the key {} is here twice; it was on line {line} already", quote(&scalar.text));
                self.faults.push((at, Fault::new(wrong, "remove one")));
            }
            *key = Some((at, scalar.text));
            return Ok(());
        }
        self.finish(Node { at, content: Content::Scalar(scalar) })
    }

    /// Puts a complete node where it belongs.
    fn finish(&mut self, node: Node) -> Result<(), (At, Fault)> {
        self.nodes += 1;
        if self.nodes > self.bounds.nodes {
            return Err((node.at, Fault::new(format!("the file has more than {} values", self.bounds.nodes), "")));
        }
        match self.open.last_mut() {
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map { entries, key, .. }) => {
                if let Some((at, key)) = key.take() {
                    entries.push(Entry { at, key, node });
                }
            }
            None => self.root = Some(node),
        }
        Ok(())
    }
}

fn no_anchors(at: At) -> (At, Fault) {
    (at, Fault::new("anchors, aliases and tags (& * !) are not supported", "write the value out; quote it where it begins with & * or !"))
}

fn place(span: Span) -> At {
    At { line: span.start.line().max(1), column: span.start.col() + 1 }
}

#[cfg(test)]
mod tests;
