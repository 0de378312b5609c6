//! Path patterns of rules.

use super::path::{Reserved, SafePath};

/// Longest pattern, in segments: far beyond what an API has.
const MAX_SEGMENTS: usize = 32;
/// Reserved characters that a literal may have, besides the unreserved ones. Not among them: what patterns themselves are written with.
const IN_LITERALS: &[u8] = b":@!$,=";

/// A pattern such as `/parks/{park}/**`, parsed.
///
/// A segment is a literal, `*` or `{name}` (any one segment), and the last one may be `**`: whatever follows, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    segments: Box<[Segment]>,
    /// Ends in `**`.
    is_open: bool,
    text: Box<str>,
}

/// One segment of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// Exactly this text.
    Literal(Box<str>),
    /// Any one segment, with the name that it has in the pattern.
    Any(Option<Box<str>>),
}

impl PathPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inside = text.strip_prefix('/').ok_or("it does not begin with a slash")?;
        if inside.ends_with('/') {
            return Err("it ends in a slash, which makes no difference to rules: leave it away".to_owned());
        }
        let (inside, is_open) = match inside.strip_suffix("**") {
            Some("") => ("", true),
            Some(before) => (before.strip_suffix('/').filter(|inside| !inside.is_empty()).ok_or("** is a segment of its own")?, true),
            None => (inside, false),
        };
        let parts = inside.split('/').take(if inside.is_empty() { 0 } else { usize::MAX });
        let segments: Box<[Segment]> = parts.map(segment).collect::<Result<_, _>>()?;
        if segments.len() > MAX_SEGMENTS {
            return Err(format!("it has more than {MAX_SEGMENTS} segments"));
        }
        let pattern = Self { segments, is_open, text: text.into() };
        let twice = pattern.names().find(|name| pattern.names().filter(|other| other == name).count() > 1).map(str::to_owned);
        twice.map_or(Ok(pattern), |name| Err(format!("{{{name}}} is there twice")))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The segment of `path` that the pattern calls `name`, where the pattern fits.
    pub fn find<'p>(&self, name: &str, path: &'p SafePath<'_>, ignore_case: bool) -> Option<&'p str> {
        let at = self.position(name)?;
        if self.fits(path, ignore_case) { path.segments().nth(at) } else { None }
    }

    /// Whether the pattern names a segment `name`.
    pub fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Whether `path` is one of those that are meant.
    pub fn fits(&self, path: &SafePath<'_>, ignore_case: bool) -> bool {
        let mut given = path.segments();
        let all = self.segments.iter().all(|wanted| match (wanted, given.next()) {
            (_, None) => false,
            (Segment::Any(_), Some(_)) => true,
            (Segment::Literal(literal), Some(segment)) => {
                if ignore_case {
                    literal.eq_ignore_ascii_case(segment)
                } else {
                    **literal == *segment
                }
            }
        });
        all && (self.is_open || given.next().is_none())
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn reserved(&self) -> Reserved {
        let literals = self.segments.iter().map(|segment| match segment {
            Segment::Literal(literal) => Reserved::of(literal),
            Segment::Any(_) => Reserved::default(),
        });
        literals.fold(Reserved::default(), Reserved::with)
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.segments.iter().position(|segment| matches!(segment, Segment::Any(Some(known)) if **known == *name))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Any(Some(name)) => Some(&**name),
            Segment::Any(None) | Segment::Literal(_) => None,
        })
    }
}

fn segment(text: &str) -> Result<Segment, String> {
    if text.is_empty() {
        return Err("it has an empty segment".to_owned());
    }
    if text == "*" {
        return Ok(Segment::Any(None));
    }
    if text == "**" {
        return Err("** can only be the last segment: what comes after it would depend on how far a reader takes it".to_owned());
    }
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        return if fits { Ok(Segment::Any(Some(name.into()))) } else { Err("a name in braces is made of a-z, 0-9 and _".to_owned()) };
    }
    if text.contains(['*', '{', '}']) {
        return Err("a segment is a text, * or {name}, and not a mixture".to_owned());
    }
    let is_literal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || IN_LITERALS.contains(&byte);
    if !text.bytes().all(is_literal) {
        return Err("a literal segment is made of A-Z a-z 0-9 - . _ ~ : @ ! $ , =".to_owned());
    }
    if text.ends_with('.') {
        return Err("a segment that ends in a dot is refused in requests".to_owned());
    }
    Ok(Segment::Literal(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &str, ignore_case: bool) -> bool {
        let path = SafePath::read(path, Reserved::default()).unwrap();
        PathPattern::parse(pattern).unwrap().fits(&path, ignore_case)
    }

    #[test]
    fn segments_are_literal_any_or_the_rest() {
        for (pattern, path, expected) in [
            ("/", "/", true),
            ("/", "/a", false),
            ("/**", "/", true),
            ("/**", "/a/b/", true),
            ("/a", "/a", true),
            ("/a", "/a/", true),
            ("/a", "/A", false),
            ("/a", "/ab", false),
            ("/a", "/a/b", false),
            ("/a", "/", false),
            ("/*", "/", false),
            ("/*", "/a", true),
            ("/*", "/a/b", false),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a/c", false),
            ("/a/**", "/a", true),
            ("/a/**", "/a/", true),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/ab", false),
            ("/a/*/**", "/a", false),
            ("/a/*/**", "/a/b", true),
            ("/v1/items:batch", "/v1/items:batch", true),
        ] {
            assert_eq!(fits(pattern, path, false), expected, "{pattern} {path}");
        }
        assert!(fits("/Admin/*", "/aDMIN/x", true) && !fits("/admin", "/admim", true));
    }

    #[test]
    fn named_segments_are_found_where_the_pattern_fits() {
        let pattern = PathPattern::parse("/t/{tenant}/parks/{park}/**").unwrap();
        let find = |name: &str, path: &str| {
            let path = SafePath::read(path, Reserved::default()).unwrap();
            pattern.find(name, &path, false).map(str::to_owned)
        };
        assert_eq!(find("tenant", "/t/acme/parks/7/x"), Some("acme".to_owned()));
        assert_eq!(find("park", "/t/acme/parks/7/"), Some("7".to_owned()));
        assert_eq!(find("tenant", "/t/acme/park/7"), None);
        assert_eq!(find("other", "/t/acme/parks/7"), None);
        assert!(pattern.has("park") && !pattern.has("other"));
    }

    #[test]
    fn what_cannot_be_read_in_one_way_is_no_pattern() {
        for bad in [
            "", "a", "/a/", "//", "//**", "///**", "/a//b", "/**/a", "/a**", "/a/b**", "/**/**", "/a*", "/{a", "/a}", "/{}", "/{A}",
            "/{a-b}", "/x{a}", "/{a}/{a}", "/a b", "/a%20", "/a;b", "/a\\b", "/.", "/..", "/a.", "/a?b", "/a#b", "/\u{e9}", "/a+b", "/a&b",
            "/a'b",
        ] {
            assert!(PathPattern::parse(bad).is_err(), "{bad}");
        }
        assert!(PathPattern::parse(&"/a".repeat(32)).is_ok());
        assert!(PathPattern::parse(&"/a".repeat(33)).is_err());
    }
}
