//! Names of a tenant's resources, as rules of the guard write them.
//!
//! A [`NamePattern`] is a whole name: `orders-*`, `data-{tenant.id}`. A [`NamePrefix`] is how names begin: `{tenant.id}/`. Both are compared with
//! what a request names, byte for byte, and never rendered into anything.
//!
//! The attack: a name that fits one tenant's pattern and is another's. So
//! * placeholders are over the tenant's record alone: what a user's token says widens nothing;
//! * a placeholder ends where everybody sees that it does (see [`template`](super::template)): `{tenant.id}-*` is refused, since for `acme` it also is
//!   what belongs to `acme-eu`, unless the directory is known to have no id that begins another;
//! * a value does not go on into what follows it: with `{tenant.attributes.folder}/` one tenant's `data` would also begin another one's `data/globex`, so a
//!   value with a `/` is not taken there;
//! * no `*` stands before a placeholder: `*/{tenant.id}/*` would leave it to the keys' layout whose a key is;
//! * a value that is missing fits nothing, and is told apart from a name that does not fit.

use std::{borrow::Cow, fmt};

use super::template::{Name, OpenEnd, RenderError, Segment, TemplateError, Values, check_ends, segments, told_apart};
use crate::{aws::glob, tenant::TenantId};

/// Longest pattern, in bytes: a key of S3 has 1,024 (Amazon S3 user guide, "Naming Amazon S3 objects"), and ARNs of 2,048 name it.
const MAX_BYTES: usize = 2_048;

/// A name in which placeholders stand for values of the tenant's record, and `*` behind them for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    text: Box<str>,
    start: Start,
    /// From the first `*` on.
    rest: Option<Box<str>>,
    open_end: Option<OpenEnd>,
}

/// The beginning of names that are one tenant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePrefix {
    text: Box<str>,
    start: Start,
    open_end: Option<OpenEnd>,
}

/// What comes before any `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start(Vec<Segment>);

impl NamePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Placeholders that are unknown, of a user, or whose end cannot be told; a `*` before one; nothing, or too much.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (mut segments, open_end) = read(text)?;
        let placeholder = |segment: &Segment| matches!(segment, Segment::Placeholder(_));
        let starred = segments.iter().position(|segment| matches!(segment, Segment::Literal(literal) if literal.contains('*')));
        let Some(at) = starred else { return Ok(Self { text: text.into(), start: Start(segments), rest: None, open_end }) };
        if segments[at..].iter().any(placeholder) {
            return Err(TemplateError(
                "a '*' stands before a placeholder, and could be any other tenant's part of the name; put '*' behind the last placeholder"
                    .to_owned(),
            ));
        }
        let tail = segments.split_off(at);
        let rest: String = tail.iter().map(|segment| if let Segment::Literal(literal) = segment { literal.as_str() } else { "" }).collect();
        let (fixed, starred) = rest.split_at(rest.find('*').unwrap_or(rest.len()));
        if !fixed.is_empty() {
            segments.push(Segment::Literal(fixed.to_owned()));
        }
        Ok(Self { text: text.into(), start: Start(segments), rest: Some(starred.into()), open_end })
    }

    /// Whether `name` is meant, for the tenant that `values` are of.
    ///
    /// # Errors
    /// A placeholder has no value for this tenant, or one whose end could not be told.
    pub fn matches(&self, name: &str, values: &dyn Values) -> Result<bool, RenderError> {
        let rest = self.start.strip(name.as_bytes(), values)?;
        Ok(match (&self.rest, rest) {
            (_, None) => false,
            (None, Some(rest)) => rest.is_empty(),
            (Some(pattern), Some(rest)) => glob::fits_bytes(pattern.as_bytes(), rest, u8::eq),
        })
    }

    /// Whether every name that begins with `start` is meant, for the tenant that `values` are of.
    ///
    /// # Errors
    /// As [`NamePattern::matches`].
    pub fn matches_below(&self, start: &str, values: &dyn Values) -> Result<bool, RenderError> {
        // What the last `*` took may go on.
        Ok(self.matches(start, values)? && self.rest.as_ref().is_some_and(|rest| rest.ends_with('*')))
    }

    /// The one name that is meant, for the tenant that `values` are of; `None` where a `*` stands for some of it.
    ///
    /// # Errors
    /// As [`NamePattern::matches`].
    pub fn whole(&self, values: &dyn Values) -> Result<Option<String>, RenderError> {
        if self.rest.is_some() { Ok(None) } else { self.start.rendered(values).map(Some) }
    }

    /// Whether every name that is meant by `other` is meant by this, as far as what is written tells. A `*` of `other` fits only where this has a `*` too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        glob::fits_bytes(self.text.as_bytes(), other.text.as_bytes(), u8::eq)
    }

    /// What comes before any `*`.
    pub(crate) fn start(&self) -> &Start {
        &self.start
    }

    /// Whether a `*` stands for a part of it.
    pub fn has_wildcard(&self) -> bool {
        self.rest.is_some()
    }

    /// Whether two tenants' names differ, as far as the pattern alone tells.
    pub fn tells_tenants_apart(&self) -> bool {
        self.start.tells_tenants_apart()
    }

    /// What makes it right only where no tenant's id is the beginning of another one.
    pub fn open_end(&self) -> Option<&OpenEnd> {
        self.open_end.as_ref()
    }
}

impl NamePrefix {
    /// Reads a prefix.
    ///
    /// # Errors
    /// As [`NamePattern::parse`]; and a `*`, or a placeholder at the end, behind which the name of another tenant could go on.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.is_empty() {
            return Err(TemplateError("it is empty, and every name begins so".to_owned()));
        }
        if text.contains('*') {
            return Err(TemplateError("'*' means nothing in a prefix, behind which anything may follow".to_owned()));
        }
        read(text)?;
        if let Some((_, last)) = text.rsplit_once('{').filter(|(_, last)| last.ends_with('}')) {
            return Err(TemplateError(format!(
                "it ends with {{{last}, behind which another tenant's could go on; end it with what is in no id, such as /"
            )));
        }
        // What may follow is as good as written.
        let (_, open_end) = read(&format!("{text}*"))?;
        let segments = segments(text)?;
        Ok(Self { text: text.into(), start: Start(segments), open_end })
    }

    /// Whether `name` begins so, for the tenant that `values` are of.
    ///
    /// # Errors
    /// A placeholder has no value for this tenant, or one whose end could not be told.
    pub fn begins(&self, name: &[u8], values: &dyn Values) -> Result<bool, RenderError> {
        self.start.strip(name, values).map(|rest| rest.is_some())
    }

    /// All of it.
    pub(crate) fn start(&self) -> &Start {
        &self.start
    }

    /// Whether two tenants' names differ, as far as the prefix alone tells.
    pub fn tells_tenants_apart(&self) -> bool {
        self.start.tells_tenants_apart()
    }

    /// What makes it right only where no tenant's id is the beginning of another one.
    pub fn open_end(&self) -> Option<&OpenEnd> {
        self.open_end.as_ref()
    }
}

impl Start {
    /// What follows in `name`, if it begins so.
    fn strip<'n>(&self, mut name: &'n [u8], values: &dyn Values) -> Result<Option<&'n [u8]>, RenderError> {
        for (segment, next) in self.segments() {
            let rest = match segment {
                Segment::Literal(literal) => name.strip_prefix(literal.as_bytes()),
                Segment::Placeholder(placeholder) => name.strip_prefix(value_of(placeholder, next, values)?.as_bytes()),
            };
            match rest {
                Some(rest) => name = rest,
                None => return Ok(None),
            }
        }
        Ok(Some(name))
    }

    /// The text, for the tenant that `values` are of.
    ///
    /// # Errors
    /// As [`NamePattern::matches`].
    pub(crate) fn rendered(&self, values: &dyn Values) -> Result<String, RenderError> {
        let mut name = String::new();
        for (segment, next) in self.segments() {
            match segment {
                Segment::Literal(literal) => name.push_str(literal),
                Segment::Placeholder(placeholder) => name.push_str(&value_of(placeholder, next, values)?),
            }
        }
        Ok(name)
    }

    /// The placeholders, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Placeholder(name) => Some(name),
        })
    }

    /// Each segment, with the one behind it.
    fn segments(&self) -> impl Iterator<Item = (&Segment, Option<&Segment>)> {
        self.0.iter().enumerate().map(|(at, segment)| (segment, self.0.get(at + 1)))
    }

    /// Whether two tenants' names begin differently, as far as this alone tells.
    pub(super) fn tells_tenants_apart(&self) -> bool {
        self.names().any(Name::tells_tenants_apart)
    }

    /// A placeholder with a `$` before it, as templates of shells and of IAM have it: here it is a character like any other.
    pub(crate) fn after_a_dollar(&self) -> Option<&Name> {
        self.segments().find_map(|segment| match segment {
            (Segment::Literal(literal), Some(Segment::Placeholder(name))) if literal.ends_with('$') => Some(name),
            _ => None,
        })
    }
}

/// The value of `placeholder` before `next`. Where that is text, the value ends at the first character of it that no id has: one that had it too could go on where
/// another tenant's ends. What has no such character stands behind ids (see [`check_ends`]) or is the end of the name.
fn value_of<'v>(placeholder: &Name, next: Option<&Segment>, values: &'v dyn Values) -> Result<Cow<'v, str>, RenderError> {
    let value = values.value(placeholder).filter(|value| !value.is_empty());
    let value = value.ok_or_else(|| RenderError::Missing(placeholder.to_string()))?;
    match next {
        Some(Segment::Literal(literal)) if separator(literal).is_some_and(|separator| value.contains(separator)) => {
            Err(RenderError::Unsafe(format!("{{{placeholder}}}")))
        }
        _ => Ok(value),
    }
}

/// By what a value's end is seen.
fn separator(literal: &str) -> Option<char> {
    literal.chars().find(|c| !u8::try_from(*c).is_ok_and(TenantId::is_id_byte))
}

/// What both kinds have in common.
fn read(text: &str) -> Result<(Vec<Segment>, Option<OpenEnd>), TemplateError> {
    if text.is_empty() || text.len() > MAX_BYTES {
        return Err(TemplateError(format!("it has 1 to {MAX_BYTES} bytes")));
    }
    let segments = segments(text)?;
    for segment in &segments {
        match segment {
            Segment::Placeholder(name) if name.is_of_a_user() => {
                return Err(TemplateError(format!(
                    "{{{name}}} is of a user, and whose a name is depends on the tenant alone; use the tenant's record"
                )));
            }
            // A secret that two companies share is in nobody's name.
            Segment::Placeholder(Name::TenantExternalId) => {
                return Err(TemplateError("{tenant.external_id} is for STS alone".to_owned()));
            }
            Segment::Literal(literal) if literal.chars().any(char::is_control) => {
                return Err(TemplateError("a control character cannot stand in a name".to_owned()));
            }
            Segment::Placeholder(_) | Segment::Literal(_) => {}
        }
    }
    let open_end = check_ends(&segments)?;
    // Callers' values have been refused above.
    told_apart(&segments, &[])?;
    Ok((segments, open_end))
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for NamePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
