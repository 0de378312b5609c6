//! What has to hold for whatever bytes come: other readers of queries and paths. Each says whether they were taken.

use std::sync::LazyLock;

use http::Method;
use percent_encoding::percent_decode_str;

use super::{
    form::{Pairs, exact_pairs},
    path::PathView,
    route::{self, Routes},
    template::{Segment, Template},
};

/// A query is the pairs that a reader of the standard sees, and, where all is exact, those of one who leaves `+` alone.
pub(crate) fn query(bytes: &[u8]) -> bool {
    let same: Vec<u8> = bytes.iter().map(|b| if *b == b';' { b'&' } else { *b }).collect();
    let standard: Vec<(String, String)> =
        form_urlencoded::parse(&same).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let pairs = Pairs::parse(bytes);
    for (name, value) in &standard {
        assert!(pairs.has(name.trim()) && pairs.has_value(name.trim(), value.trim()), "{name:?} is not seen");
        let alike = standard.iter().filter(|(other, _)| other.trim().eq_ignore_ascii_case(name.trim())).count();
        assert_eq!(pairs.count(name.trim()), alike, "{name:?}");
    }
    let says = |name: &str| ["action", "x-amz-target"].iter().any(|key| name.trim().eq_ignore_ascii_case(key));
    match pairs.operation() {
        Ok(None) => assert!(!standard.iter().any(|(name, _)| says(name)), "an operation is overlooked"),
        Ok(Some(operation)) => {
            let named: Vec<_> = standard.iter().filter(|(name, _)| says(name)).collect();
            let [(_, value)] = named[..] else { panic!("{operation} is one of {named:?}") };
            assert!(value.ends_with(&operation), "{operation} is not {value:?}");
        }
        Err(_) => assert!(standard.iter().any(|(name, _)| says(name)), "refused for an operation that is not there"),
    }
    let exact = std::str::from_utf8(bytes).ok().and_then(|text| exact_pairs(text).map(|exact| (text, exact)));
    if let Some((text, exact)) = &exact {
        let plain = text.replace('+', "%2B");
        let standard: Vec<_> = form_urlencoded::parse(plain.as_bytes()).collect();
        assert_eq!(*exact, standard, "{text:?}");
    }
    exact.is_some()
}

/// Templates that overlap, nest and select.
const TEMPLATES: [(&str, &str); 8] = [
    ("GetFunction", "/functions/{Name}"),
    ("GetCode", "/functions/{Name}/code"),
    ("ListFunctions", "/functions"),
    ("GetObject", "/objects/{Key+}"),
    ("GetPolicy", "/objects/{Key+}/policy"),
    ("GetTags", "/objects/{Key+}?tags"),
    ("GetUsers", "/accounts/{Id}/users?operation=list"),
    ("GetRoot", "/"),
];

static ROUTES: LazyLock<Routes> = LazyLock::new(|| Routes::new(TEMPLATES.into_iter().map(|(name, template)| (name, "GET", template))));

/// A path that is read by the letter is the template with the labels in their places; one with dot segments, however they are encoded, has them.
pub(crate) fn path(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let view = PathView::new(path);
    let mut decoded = path.to_owned();
    for _ in 0..4 {
        let dots = decoded.split('/').any(|segment| matches!(segment, "." | ".."));
        assert!(!dots || view.has_dots(), "{path:?} has dots as {decoded:?}");
        decoded = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
    }
    let pairs = Pairs::parse(query.as_bytes());
    let readings = ROUTES.readings(&route::Place { method: &Method::GET, path, query, view: &view, pairs: &pairs });
    let Some(reading) = readings.first() else { return false };
    let template = TEMPLATES.iter().find(|(name, _)| *name == reading.name).map(|(_, template)| Template::parse(template));
    let template = template.unwrap_or_else(|| panic!("{} is no operation", reading.name));
    let label = |name: &str| reading.labels.iter().find(|(label, _)| *label == name).map(|(_, value)| value.as_str());
    let mut written = String::new();
    for segment in &template.segments {
        written.push('/');
        written += match segment {
            Segment::Literal(literal) => *literal,
            Segment::Greedy(name) | Segment::Label(name) => label(name).unwrap_or_else(|| panic!("{name} has no value: {path:?}")),
        };
    }
    // A slash at the end changes nothing.
    let once = percent_decode_str(path.strip_suffix('/').unwrap_or(path)).decode_utf8_lossy().into_owned();
    assert_eq!(written, once, "{path:?}");
    // The query of another request than this would be another operation.
    for (key, value) in &template.query {
        assert!(pairs.has_value(key, value), "{text:?} is not {}", reading.name);
    }
    for other in TEMPLATES.iter().filter(|(name, _)| *name != reading.name).map(|(_, template)| Template::parse(template)) {
        let narrower =
            other.is_narrower_than(&template) && fits(&other, path) && other.query.iter().all(|(key, value)| pairs.has_value(key, value));
        assert!(!narrower || readings.len() > 1, "{text:?} is a narrower operation than {}", reading.name);
    }
    true
}

/// Whether a path fits a template, by trying every number of segments for what is greedy.
fn fits(template: &Template, path: &str) -> bool {
    fn all(template: &[Segment], path: &[&str]) -> bool {
        match (template, path) {
            ([], []) => true,
            ([Segment::Literal(literal), template @ ..], [first, path @ ..]) => literal == first && all(template, path),
            ([Segment::Label(_), template @ ..], [_, path @ ..]) => all(template, path),
            ([Segment::Greedy(_), template @ ..], [_, ..]) => (1..=path.len()).any(|taken| all(template, &path[taken..])),
            _ => false,
        }
    }
    let path: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    all(&template.segments, &path)
}
