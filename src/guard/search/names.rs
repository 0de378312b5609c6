//! Names of indexes, as a request spells them.
//!
//! OpenSearch reads more out of a name than its letters: `_all`, `*`, `-that`, `<logs-{now/d}>`, `cluster:that`, several with commas, and nothing at all for
//! everything. What is taken here is a subset in which a name is what it looks like: lower-case letters, digits and `._-`, beginning with a letter or digit, and, where an API
//! takes many, commas between names and `*` behind what each begins with. Indexes can be called otherwise ("Create index", OpenSearch documentation), with other
//! letters than ASCII's; no rule can name these.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;

use crate::aws::resource::Untold;

/// Longest name of an index, in bytes ("Create index", OpenSearch documentation).
const NAME_BYTES: usize = 255;
/// Most names of one list. A client that searches more spells them with a wildcard.
const MOST: usize = 1_000;
/// Most different names of a request. Each is judged by itself.
const MOST_IN_ALL: usize = 5_000;

pub(super) const NOT_ONE: Untold = "an index is named by a list or wildcard where one name is wanted";
const EMPTY: Untold = "the name of an index is empty, which stands for all";

/// What a request names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// The index that is called so.
    One(String),
    /// Every index that fits `text`; all of them begin with `start`.
    Below { text: String, start: String },
}

/// The indexes that a request is about.
#[derive(Debug)]
pub(super) struct Indexes {
    /// What holds where nothing else is said.
    in_path: bool,
    touched: BTreeSet<Name>,
}

impl Indexes {
    /// Those in the path, as its segment spells them.
    pub(super) fn new(segment: Option<&str>, may_be_many: bool) -> Result<Self, Untold> {
        let Some(segment) = segment else { return Ok(Self { in_path: false, touched: BTreeSet::new() }) };
        // Nothing that passes can be decoded a second time.
        let text = percent_decode_str(segment).decode_utf8().map_err(|_| "the name of an index is not UTF-8")?;
        let names = if may_be_many { list(text.split(','))? } else { vec![one(&text)?] };
        Ok(Self { in_path: true, touched: names.into_iter().collect() })
    }

    /// An index that the body names, or the one in the path.
    pub(super) fn add_one(&mut self, name: Option<&str>) -> Result<(), Untold> {
        match name {
            Some(name) => self.touched.insert(one(name)?),
            None if self.in_path => false,
            None => return Err("a part of the body names no index, and the path has none"),
        };
        self.are_bounded()
    }

    /// Indexes that the body names, each part perhaps with a wildcard.
    pub(super) fn add_many<'t>(&mut self, names: impl Iterator<Item = &'t str>) -> Result<(), Untold> {
        self.touched.extend(list(names)?);
        self.are_bounded()
    }

    /// Whether there are no more than a request may name.
    fn are_bounded(&self) -> Result<(), Untold> {
        if self.touched.len() > MOST_IN_ALL { Err("more names of indexes than a request may have") } else { Ok(()) }
    }

    /// All of them.
    pub(super) fn into_touched(self) -> BTreeSet<Name> {
        self.touched
    }
}

impl Name {
    /// As it was spelled.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::One(text) | Self::Below { text, .. } => text,
        }
    }
}

/// Never nothing: no index stands for all.
fn list<'t>(names: impl Iterator<Item = &'t str>) -> Result<Vec<Name>, Untold> {
    let names = names.take(MOST + 1).map(name).collect::<Result<Vec<_>, _>>()?;
    match names.len() {
        0 => Err(EMPTY),
        1..=MOST => Ok(names),
        _ => Err("more names of indexes than a list may have"),
    }
}

fn name(text: &str) -> Result<Name, Untold> {
    let Some((start, rest)) = text.split_once('*') else { return one(text) };
    plain(start)?;
    if rest.bytes().all(|b| b == b'*' || is_in_names(char::from(b))) && text.len() <= NAME_BYTES {
        Ok(Name::Below { text: text.to_owned(), start: start.to_owned() })
    } else {
        Err(ODD)
    }
}

fn one(text: &str) -> Result<Name, Untold> {
    plain(text)?;
    Ok(Name::One(text.to_owned()))
}

const ODD: Untold = "the name of an index has a character that could mean more than itself";

fn plain(text: &str) -> Result<(), Untold> {
    let Some(first) = text.chars().next() else { return Err(EMPTY) };
    if let Some(odd) = text.chars().find(|c| !is_in_names(*c)) {
        return Err(match odd {
            '*' | ',' => NOT_ONE,
            ':' => "an index of another cluster is named",
            '<' => "an index is named by date math",
            'A'..='Z' => "the name of an index has a capital letter, which an alias alone can have",
            _ => ODD,
        });
    }
    match first {
        '_' => Err("a name of an index that begins with _ stands for others, or for an API"),
        '.' => Err("an index whose name begins with . is the system's, or hidden"),
        '-' => Err("an index is left out of others"),
        _ if text.len() > NAME_BYTES => Err("the name of an index is longer than any"),
        _ => Ok(()),
    }
}

/// Whether the name of an index that a request may name can have it.
pub(super) fn is_in_names(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-')
}
