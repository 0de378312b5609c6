//! Paths, read in every way in which a server may read them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// How often an encoding is taken off: `%2525` needs three rounds to be seen.
const ROUNDS: usize = 4;

/// A path's segments, without empty ones, decoded until nothing changes.
#[derive(Debug)]
pub(super) struct PathView<'p> {
    /// Split first, then decoded: `%2F` stays inside a segment.
    segments: Vec<Cow<'p, str>>,
    /// Decoded first, then split: `%2F` separates. `None` where nothing is encoded, and both are the same.
    flattened: Option<Vec<Cow<'p, str>>>,
}

impl<'p> PathView<'p> {
    pub(super) fn new(path: &'p str) -> Self {
        let segments = split(path).map(decoded).collect();
        let flattened = path.contains('%').then(|| split(&decoded(path)).map(|segment| decoded(segment).into_owned().into()).collect());
        Self { segments, flattened }
    }

    /// The ways in which it can be split.
    fn splits(&self) -> impl Iterator<Item = &[Cow<'p, str>]> {
        std::iter::once(&self.segments).chain(&self.flattened).map(Vec::as_slice)
    }

    /// Number of segments, as S3 counts them.
    pub(super) fn depth(&self) -> usize {
        self.segments.len()
    }

    /// The path in every reading but the one by the letter, without what some servers take off a segment.
    pub(super) fn readings(&self) -> [Vec<&str>; 2] {
        let flattened = self.flattened.as_ref().unwrap_or(&self.segments);
        [&self.segments, flattened].map(|segments| segments.iter().map(|segment| bare(segment)).collect())
    }

    /// Whether a segment is `name` in any reading.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.splits().flatten().any(|segment| bare(segment).eq_ignore_ascii_case(name))
    }

    /// Whether a segment is `.` or `..`, in any encoding.
    pub(super) fn has_dots(&self) -> bool {
        self.splits().flatten().any(|segment| matches!(bare(segment), "." | ".."))
    }

    /// Whether the path fits a template such as `/farms/{farmId}/read-roles`, in any reading.
    ///
    /// Literal segments are compared without regard to case and to `;parameters`.
    pub(super) fn fits(&self, template: &str) -> bool {
        let (length, greedy) = (split(template).count(), template.trim_end_matches('/').ends_with("+}"));
        self.splits().any(|segments| {
            let long_enough = if greedy { segments.len() >= length } else { segments.len() == length };
            long_enough
                && split(template).zip(segments).all(|(part, segment)| part.starts_with('{') || bare(segment).eq_ignore_ascii_case(part))
        })
    }

    /// Service and operation of `.../service/S/operation/O`.
    pub(super) fn rpc(&self) -> Option<(&str, &str)> {
        self.splits().find_map(|segments| match segments {
            [.., first, service, second, operation]
                if bare(first).eq_ignore_ascii_case("service") && bare(second).eq_ignore_ascii_case("operation") =>
            {
                Some((&**service, &**operation))
            }
            _ => None,
        })
    }
}

fn split(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// A segment without `;parameters` (RFC 3986, section 3.3), which some servers take off before they route.
fn bare(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default().trim()
}

fn decoded(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..ROUNDS {
        if !text.contains('%') {
            break;
        }
        let next = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if next == *text {
            break;
        }
        text = Cow::Owned(next);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_template_is_recognised_in_every_spelling() {
        for path in [
            "/v1/authorization-token",
            "//v1//authorization-token/",
            "/v1/authorization%2Dtoken",
            "/v1%2Fauthorization-token",
            "/V1/Authorization-Token",
            "/v1/authorization-token;x=y",
            "/v1/authorization%252Dtoken",
            "/v1/authorization-token%20",
        ] {
            assert!(PathView::new(path).fits("/v1/authorization-token"), "{path}");
        }
        for path in ["/v1/authorization-tokens", "/v1/authorization-token/x", "/v1", "/"] {
            assert!(!PathView::new(path).fits("/v1/authorization-token"), "{path}");
        }
    }

    #[test]
    fn labels_take_one_segment_and_greedy_labels_the_rest() {
        assert!(PathView::new("/farms/a%2Fb/roles").fits("/farms/{id}/roles"));
        assert!(!PathView::new("/farms/roles").fits("/farms/{id}/roles"));
        assert!(PathView::new("/keys/a/b/c").fits("/keys/{name+}"));
    }

    #[test]
    fn dot_segments_are_seen() {
        for path in ["/a/../b", "/a/%2e%2e/b", "/a/%252e%252E/b", "/./a", "/a/..;x/b", "/a%2F..%2Fb"] {
            assert!(PathView::new(path).has_dots(), "{path}");
        }
        assert!(!PathView::new("/a/...b/c.d").has_dots());
    }

    #[test]
    fn rpc_paths_may_have_something_before_them() {
        assert_eq!(PathView::new("/service/S/operation/O").rpc(), Some(("S", "O")));
        assert_eq!(PathView::new("/x//service/S/operation/O/").rpc(), Some(("S", "O")));
        assert_eq!(PathView::new("/service/S/operation").rpc(), None);
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "\\PC{0,48}|[/%2fe.;]{0,48}") {
            let view = PathView::new(&path);
            let _ = (view.has_dots(), view.rpc(), view.depth(), view.fits("/a/{b}/c"), view.fits("/{a+}"));
        }
    }
}
