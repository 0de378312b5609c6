use std::collections::HashSet;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;
use crate::aws::{
    operation::{
        form::Pairs,
        path::PathView,
        route::{Place, Reading},
        template::{Segment, Template},
    },
    service::Service,
};

/// What SDKs encode in a label (Smithy, `httpLabel`): everything but unreserved characters.
const LABEL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const GREEDY: &AsciiSet = &LABEL.remove(b'/');

/// A line of the file.
struct Line {
    service: &'static str,
    name: &'static str,
    method: Method,
    template: &'static str,
}

/// The operations of a service that have a place.
fn located(service: &'static str) -> Vec<Line> {
    let lines = SECTIONS[service].lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let located = lines.filter_map(|words| match words[..] {
        [name, method, template] => Some(Line { service, name, method: method.parse().unwrap(), template }),
        _ => None,
    });
    located.collect()
}

/// The path and query of a template, with a value for each label.
fn filled(template: &'static str, mut value: impl FnMut(usize) -> String) -> (String, Vec<(&'static str, String)>) {
    let (path, query) = template.split_once('?').unwrap_or((template, ""));
    let mut labels = Vec::new();
    let mut segment = |segment: &Segment| match segment {
        Segment::Literal(text) => (*text).to_owned(),
        Segment::Label(name) | Segment::Greedy(name) => {
            let text = value(labels.len());
            let set = if matches!(segment, Segment::Greedy(_)) { GREEDY } else { LABEL };
            let written = utf8_percent_encode(&text, set).to_string();
            labels.push((*name, text));
            written
        }
    };
    let segments: Vec<String> = Template::parse(template).segments.iter().map(&mut segment).collect();
    let slash = if path.len() > 1 && path.ends_with('/') { "/" } else { "" };
    (format!("/{}{slash}?{query}", segments.join("/")), labels)
}

fn readings(models: &Models, method: &Method, target: &str) -> Vec<Reading> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (view, pairs) = (PathView::new(path), Pairs::parse(query.as_bytes()));
    models.routes.readings(&Place { method, path, query, view: &view, pairs: &pairs })
}

#[test]
fn every_service_has_its_operations() {
    let mut sections: Vec<&str> = SECTIONS.keys().copied().collect();
    sections.sort_unstable();
    assert!(sections.iter().copied().eq(Service::all().map(|service| service.key)), "models.txt and table.rs are of two versions");
    let (mut stated, mut routed) = (0, 0);
    for service in Service::all() {
        let models = Models::of(service.key);
        let rest = service.protocols.iter().any(|protocol| !protocol.is_rpc()) && !service.is_s3();
        assert_eq!(models.routes.is_empty(), !rest, "{}", service.key);
        assert_eq!(
            models.stated.is_empty(),
            !service.protocols.iter().any(|protocol| protocol.is_rpc()) && !service.is_s3(),
            "{}",
            service.key
        );
        stated += models.stated.len();
        routed += SECTIONS[service.key].lines().count() - models.stated.len();
    }
    assert_eq!((Service::all().count(), stated, routed), (418, 9397, 10408), "services, operations that are stated, and that have a place");
    let thousands = |number: usize| format!("{},{:03}", number / 1_000, number % 1_000);
    let said = format!(
        "{} services, {} operations that requests state by name and {}",
        Service::all().count(),
        thousands(stated),
        thousands(routed)
    );
    assert!(include_str!("../../../../config/guide/guard.md").contains(&said), "config/guide/guard.md does not say: {said}");
}

#[test]
fn lines_are_names_methods_and_templates() {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    for (service, section) in SECTIONS.iter() {
        for line in section.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(is_name(words[0]), "{service} {line}");
            match words[1..] {
                [] => {}
                [method, template] => {
                    assert!(
                        ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"].contains(&method) && template.starts_with('/'),
                        "{service} {line}"
                    );
                    let behind = Template::parse(template);
                    assert!(behind.behind_greedy().iter().all(|segment| matches!(segment, Segment::Literal(_))), "{service} {line}");
                }
                _ => panic!("{service} {line}"),
            }
        }
    }
}

#[test]
fn a_request_of_each_operation_is_that_operation() {
    for Located { models, lines, .. } in LOCATED.iter() {
        for line in lines {
            let (target, labels) = filled(line.template, |index| format!("label-{index}"));
            let found = readings(models, &line.method, &target);
            assert_eq!(found, [Reading { name: line.name, labels }], "{} {} {target}", line.service, line.method);
        }
    }
}

/// The located operations of a service.
struct Located {
    models: Models,
    lines: Vec<Line>,
    /// What their templates have, in lower case.
    literals: HashSet<String>,
}

/// Those of each service that has some.
static LOCATED: LazyLock<Vec<Located>> = LazyLock::new(|| {
    let of = |service: &'static Service| {
        let lines = located(service.key);
        let literals = lines.iter().flat_map(|line| line.template.split(['/', '?'])).map(str::to_ascii_lowercase).collect();
        Located { models: Models::of(service.key), lines, literals }
    };
    Service::all().map(of).filter(|located| !located.lines.is_empty()).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// No value of a label makes a request another operation's. One with a slash, or with what decodes to something else, may add a reading.
    #[test]
    fn no_label_makes_one_operation_pass_for_another(
        values in prop::collection::vec(prop_oneof!["\\PC{1,12}", "[a-zA-Z0-9:$@._~-]{1,20}", "([/;+%. ]|%2[fFeE]|%25|a){1,6}"], 4),
    ) {
        for Located { models, lines, literals } in LOCATED.iter() {
            let is_literal = |text: &str| literals.contains(&text.to_ascii_lowercase());
            if values.iter().any(|value| is_literal(value) || is_literal(&value.replace('/', "-"))) {
                continue;
            }
            let tame = values.iter().all(|value| !value.contains(['/', '%', ';']) && value.trim() == value);
            for line in lines {
                // A slash of a greedy label is one of the path's own.
                let greedy = line.template.contains("+}");
                let value = |index: usize| if greedy { values[index % 4].replace('/', "-") } else { values[index % 4].clone() };
                let (target, labels) = filled(line.template, value);
                let found = readings(models, &line.method, &target);
                prop_assert_eq!(&found[..1], &[Reading { name: line.name, labels }], "{} {}", line.service, target);
                prop_assert!(found.len() == 1 || !tame, "{} {}: {:?}", line.service, target, found);
            }
        }
    }
}
