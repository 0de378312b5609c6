//! Session policies: JSON with placeholders inside its strings.
//!
//! The JSON is parsed once, when the configuration loads, and kept compact: STS refuses a policy of more than 2,048
//! characters, and some stores do worse. What a tenant brings is escaped as JSON, so it stays inside its string, and is
//! refused where it would mean something to IAM (`*`, `?`, `$`).

mod bindings;
pub(crate) mod grammar;
mod strict;

use std::fmt::Write as _;

use serde_json::Value;

use self::bindings::Bindings;
pub use self::bindings::{Alike, Loose};
use super::{Name, OpenEnd, RenderError, Segment, TemplateError, Values, names, parse};

/// Most characters of a session policy. [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html)
pub const SESSION_POLICY_LIMIT: usize = 2048;

/// Characters that separate: a value out of the token that has one is taken only where it is the whole string, since it could otherwise be
/// another tenant's path.
const SEPARATORS: [char; 3] = ['/', ':', '#'];

/// A session policy with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonTemplate {
    segments: Vec<Segment>,
    /// Which of the segments are placeholders that are their whole string.
    whole: Vec<usize>,
    /// Whether a rendering could make two keys of one object equal.
    keys_vary: bool,
    open_end: Option<OpenEnd>,
    bindings: Bindings,
}

impl JsonTemplate {
    /// Parses `text` as a JSON object. Placeholders may stand inside its strings; `${...}` is an IAM policy variable and is left alone.
    ///
    /// # Errors
    /// What is not a JSON object, repeats a key, or is too long before anything is filled in; unknown names, stray braces, and
    /// placeholders whose end cannot be told, whatever the ids are.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let template = Self::parse_open(text)?;
        template.open_end.as_ref().map_or(Ok(()), |open| Err(TemplateError(open.to_string())))?;
        Ok(template)
    }

    /// As [`JsonTemplate::parse`], for whoever settles [`JsonTemplate::open_end`].
    ///
    /// # Errors
    /// As [`JsonTemplate::parse`], but for what depends on the ids.
    pub fn parse_open(text: &str) -> Result<Self, TemplateError> {
        let value = strict::parse(text).map_err(|error| TemplateError(format!("it is not JSON: {error}")))?;
        if !value.is_object() {
            return Err(TemplateError("it is not a JSON object".to_owned()));
        }
        let mut writer = Writer::default();
        writer.value(&value)?;
        let template = Self { bindings: Bindings::of(&value)?, ..writer.finish() };
        let literal = template.literal_len();
        if literal > SESSION_POLICY_LIMIT {
            return Err(TemplateError(format!(
                "it has {literal} characters without spaces and placeholders; STS takes {SESSION_POLICY_LIMIT}"
            )));
        }
        Ok(template)
    }

    /// The policy with every placeholder replaced: compact JSON, ASCII only.
    ///
    /// # Errors
    /// [`RenderError`], with the placeholder's name.
    pub fn render(&self, values: &dyn Values) -> Result<String, RenderError> {
        let mut json = String::with_capacity(self.literal_len() + 64);
        for (number, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Literal(literal) => json.push_str(literal),
                Segment::Placeholder(name) => {
                    let value =
                        values.value(name).filter(|value| !value.is_empty()).ok_or_else(|| RenderError::Missing(name.to_string()))?;
                    let escapes = name.is_from_token() && !self.whole.contains(&number) && value.contains(SEPARATORS);
                    if escapes || value.contains(['*', '?', '$']) || value.contains("..") || value.chars().any(char::is_control) {
                        return Err(RenderError::Unsafe(format!("{{{name}}}")));
                    }
                    escape(&value, &mut json);
                }
            }
        }
        if self.keys_vary && strict::parse(&json).is_err() {
            return Err(RenderError::Unsafe("a policy with two equal keys".to_owned()));
        }
        Ok(json)
    }

    /// The placeholders, in order.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        names(&self.segments)
    }

    /// What makes it right only where no tenant's id is the beginning of another one.
    pub fn open_end(&self) -> Option<&OpenEnd> {
        self.open_end.as_ref()
    }

    /// Whether a statement is bounded by something in which tenants differ: nothing is, where the tenant only stands in a name, a denial, or a
    /// condition that can be met without it.
    pub fn tells_tenants_apart(&self) -> bool {
        self.bindings.tell_tenants_apart
    }

    /// Statements that allow every tenant the same, or the same besides what is its own.
    pub fn alike(&self) -> &[Alike] {
        &self.bindings.alike
    }

    /// Conditions that a request can meet by leaving a key out.
    pub fn loose(&self) -> &[Loose] {
        &self.bindings.loose
    }

    /// Whether it allows anything at all.
    pub fn allows(&self) -> bool {
        self.bindings.allows
    }

    fn literal_len(&self) -> usize {
        self.segments.iter().map(|segment| if let Segment::Literal(literal) = segment { literal.len() } else { 0 }).sum()
    }
}

/// Writes compact JSON, cut into segments at the placeholders.
#[derive(Default)]
struct Writer {
    segments: Vec<Segment>,
    whole: Vec<usize>,
    literal: String,
    /// Whether strings are compared as a whole here, colons of ARNs included.
    as_text: bool,
    keys_vary: bool,
    open_end: Option<OpenEnd>,
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), TemplateError> {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => self.literal.push_str(&value.to_string()),
            Value::String(text) => self.string(text)?,
            Value::Array(items) => {
                self.literal.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.comma(at);
                    self.value(item)?;
                }
                self.literal.push(']');
            }
            Value::Object(members) => {
                self.literal.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    self.comma(at);
                    let before = self.segments.len();
                    self.string(key)?;
                    self.keys_vary |= self.segments.len() > before;
                    self.literal.push(':');
                    let around = self.as_text;
                    // `StringLike` and its kin, whose wildcards cross what those of `ArnLike` and `Resource` do not.
                    self.as_text |= key.to_ascii_lowercase().contains("string");
                    self.value(value)?;
                    self.as_text = around;
                }
                self.literal.push('}');
            }
        }
        Ok(())
    }

    fn comma(&mut self, at: usize) {
        if at > 0 {
            self.literal.push(',');
        }
    }

    fn string(&mut self, text: &str) -> Result<(), TemplateError> {
        self.literal.push('"');
        let mut rest = text;
        let mut wildcard = parse::Before::default();
        let mut pieces = Vec::new();
        let resource = if self.as_text { 0 } else { parse::resource_at(text) };
        while let Some(brace) = rest.find(['{', '}']) {
            let before = &rest[..brace];
            let front = resource.saturating_sub(text.len() - rest.len());
            escape(before, &mut self.literal);
            pieces.push(Segment::Literal(before.to_owned()));
            rest = if before.ends_with('$') && rest[brace..].starts_with('{') {
                if let Ok((name, _)) = parse::placeholder(&rest[brace..]) {
                    return Err(TemplateError(format!("${{{name}}} is no policy variable; write {{{name}}} for the placeholder")));
                }
                let end = policy_variable(&rest[brace..])?;
                wildcard = wildcard.then(before.strip_suffix('$').unwrap_or(before), front).then_variable();
                escape(&rest[brace..brace + end], &mut self.literal);
                &rest[brace + end..]
            } else {
                let (name, after) = parse::placeholder(&rest[brace..])?;
                wildcard = wildcard.then(before, front);
                parse::check_start(&name, wildcard)?;
                self.check_end(&name, after)?;
                wildcard = wildcard.then_value();
                pieces.push(Segment::Placeholder(name.clone()));
                self.segments.push(Segment::Literal(std::mem::take(&mut self.literal)));
                if before.is_empty() && pieces.len() == 2 && after.is_empty() {
                    self.whole.push(self.segments.len());
                }
                self.segments.push(Segment::Placeholder(name));
                after
            };
        }
        parse::told_apart(&pieces, &SEPARATORS)?;
        escape(rest, &mut self.literal);
        self.literal.push('"');
        Ok(())
    }

    fn check_end(&mut self, name: &Name, after: &str) -> Result<(), TemplateError> {
        match after.as_bytes() {
            [] => Ok(()),
            [b'{', ..] | [b'$', b'{', ..] => Err(TemplateError(format!(
                "{{{name}}} is directly followed by another placeholder or policy variable, and it could not be told where it ends; \
                 separate with a character outside the id alphabet, such as / or #"
            ))),
            _ => {
                let open = parse::check_end(name, after)?;
                self.open_end = self.open_end.take().or(open);
                Ok(())
            }
        }
    }

    fn finish(mut self) -> JsonTemplate {
        self.segments.push(Segment::Literal(self.literal));
        JsonTemplate {
            segments: self.segments,
            whole: self.whole,
            keys_vary: self.keys_vary,
            open_end: self.open_end,
            bindings: Bindings::default(),
        }
    }
}

/// Length of the `{...}` of an IAM policy variable that `text` begins with.
fn policy_variable(text: &str) -> Result<usize, TemplateError> {
    match text[1..].find(['{', '}']) {
        Some(end) if text[1 + end..].starts_with('}') => Ok(end + 2),
        Some(_) => Err(TemplateError("a placeholder cannot stand inside a policy variable ${...}".to_owned())),
        None => Err(TemplateError("there is a '${' without its '}'".to_owned())),
    }
}

/// Appends `text` as the inside of a JSON string. Everything outside ASCII is written as `\u`: STS takes a policy's
/// characters up to U+00FF only.
fn escape(text: &str, json: &mut String) {
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            ' '..='~' => json.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String does not fail.
                    let _ = write!(json, "\\u{unit:04x}");
                }
            }
        }
    }
}
