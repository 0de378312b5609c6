//! URI templates: `/2015-03-31/functions/{FunctionName}/invocations`, `/accounts/{accountId}/users?operation=create`.
//!
//! As Smithy's `http` trait has them: a segment is a literal or a label, at most one label is greedy, and behind that are literals alone. The
//! query has keys that have to be there, with a value or without one.

/// What a path's segment has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment {
    /// Any segments, one at least.
    Greedy(&'static str),
    /// Any one segment.
    Label(&'static str),
    /// This one.
    Literal(&'static str),
}

/// A template.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) segments: Vec<Segment>,
    /// Keys that have to be there; without a value, those that have to be empty.
    pub(super) query: Vec<(&'static str, &'static str)>,
}

impl Template {
    pub(super) fn parse(text: &'static str) -> Self {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let segment = |segment: &'static str| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(label) => label.strip_suffix('+').map_or(Segment::Label(label), Segment::Greedy),
            None => Segment::Literal(segment),
        };
        Self {
            segments: path.split('/').filter(|part| !part.is_empty()).map(segment).collect(),
            query: query.split('&').filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, ""))).collect(),
        }
    }

    /// Whether a request that fits this fits `other` too, and not the other way round.
    ///
    /// Such a request is this one's: otherwise nothing that AWS's own clients send could reach it. Where two templates only overlap, Smithy has a
    /// rule, and older services have others.
    pub(super) fn is_narrower_than(&self, other: &Self) -> bool {
        let within = |wide: &Self, narrow: &Self| {
            covers(&wide.segments, &narrow.segments) && wide.query.iter().all(|part| narrow.query.contains(part))
        };
        within(other, self) && !within(self, other)
    }

    /// What stands behind the greedy label.
    pub(super) fn behind_greedy(&self) -> &[Segment] {
        let at = self.segments.iter().position(|segment| matches!(segment, Segment::Greedy(_)));
        at.map_or(&[], |at| &self.segments[at + 1..])
    }
}

/// Whether every path that fits `narrow` fits `wide`.
fn covers(wide: &[Segment], narrow: &[Segment]) -> bool {
    match (wide, narrow) {
        ([], []) => true,
        ([Segment::Greedy(_), behind @ ..], [_, ..]) => (1..=narrow.len()).any(|taken| covers(behind, &narrow[taken..])),
        ([Segment::Literal(one), wide @ ..], [Segment::Literal(other), narrow @ ..]) => one == other && covers(wide, narrow),
        ([Segment::Label(_), wide @ ..], [Segment::Label(_) | Segment::Literal(_), narrow @ ..]) => covers(wide, narrow),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_as_smithy_has_them() {
        let template = Template::parse("/a/{b}/{c+}/d?sync&operation=x");
        assert_eq!(template.segments, [Segment::Literal("a"), Segment::Label("b"), Segment::Greedy("c"), Segment::Literal("d")]);
        assert_eq!(template.query, [("sync", ""), ("operation", "x")]);
        assert_eq!(template.behind_greedy(), [Segment::Literal("d")]);
        assert_eq!(Template::parse("/a/").segments, Template::parse("/a").segments);
        assert_eq!(Template::parse("/"), Template { segments: Vec::new(), query: Vec::new() });
    }

    #[test]
    fn the_narrower_of_two_templates_is_the_one_within_the_other() {
        let narrower = |one, other| Template::parse(one).is_narrower_than(&Template::parse(other));
        for (narrow, wide) in [
            ("/a/b", "/a/{x}"),
            ("/a/{x}", "/a/{x+}"),
            ("/a/{x+}/policy", "/a/{x+}"),
            ("/a/b/c", "/{x+}"),
            ("/a?operation=x", "/a"),
            ("/a/b?operation=x", "/a/{x}"),
        ] {
            assert!(narrower(narrow, wide), "{narrow} {wide}");
            assert!(!narrower(wide, narrow), "{wide} {narrow}");
        }
        for (one, other) in
            [("/a/{x}", "/a/{y}"), ("/a/{x}/c", "/a/b/{y}"), ("/a/b", "/a/{x}?sync"), ("/a?x=1", "/a?x=2"), ("/a", "/a/{x+}")]
        {
            assert!(!narrower(one, other) && !narrower(other, one), "{one} {other}");
        }
    }
}
