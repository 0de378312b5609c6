//! Method and path of a REST request to the operations that it could be.
//!
//! This *allows* things, so it answers by the letter. What Smithy's `http` trait says of its servers is taken for what AWS does: literals are compared
//! byte for byte; a label is one segment that is not empty, whose encoded slashes are its own; a slash at the end changes nothing; a more
//! specific template goes before one that contains it. Whatever another reader could see otherwise costs the answer, or adds that reading to it:
//!
//! * An empty segment, or `;`, `+` and `\`, which no SDK leaves in a path and some servers take for something else: no answer.
//! * A label that is not UTF-8, or a greedy one with a slash at its end, which may or may not be part of it: no answer.
//! * A key by which operations are selected (`?operation=`) in another case, twice, or with a value that is no operation's: no answer.
//! * A literal in another case or encoding, a slash that is encoded, an encoding of an encoding: where a server that undoes them would see another
//!   operation, that is a reading too.
//! * Two templates of which neither contains the other: both.
//!
//! A method is what it is: `HEAD` is `GET` for no service that has not said so. Operations that are newer than the table are not seen.

use std::cmp::Ordering;

use http::Method;
use percent_encoding::percent_decode_str;

use super::{
    form::{self, Pairs},
    path::PathView,
    template::{Segment, Template},
};
use crate::aws::glob;

/// The operations of a service that have a place: a tree by segments, built once.
#[derive(Debug)]
pub(super) struct Routes {
    nodes: Vec<Node>,
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    name: &'static str,
    method: &'static str,
    template: Template,
}

/// What may follow behind some segments.
#[derive(Debug, Default)]
struct Node {
    /// Sorted without regard to case.
    literals: Vec<(&'static str, usize)>,
    label: Option<usize>,
    /// Routes that end here.
    ends: Vec<usize>,
    /// Routes that have a greedy label here.
    greedy: Vec<usize>,
}

/// One way to read a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) name: &'static str,
    /// Empty where it is not by the letter.
    pub(super) labels: Vec<(&'static str, String)>,
}

/// A request, as far as it says where its operation is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// The same path and query, read with tolerance.
    pub(super) view: &'a PathView<'a>,
    pub(super) pairs: &'a Pairs<'a>,
}

impl Routes {
    /// Operations, each with name, method and template.
    pub(super) fn new(operations: impl Iterator<Item = (&'static str, &'static str, &'static str)>) -> Self {
        let mut this = Self { nodes: vec![Node::default()], routes: Vec::new() };
        for (name, method, template) in operations {
            this.add(Route { name, method, template: Template::parse(template) });
        }
        for node in &mut this.nodes {
            node.literals.sort_by(|one, other| glob::without_case(one.0, other.0));
        }
        this
    }

    fn add(&mut self, route: Route) {
        let mut at = 0;
        for segment in &route.template.segments {
            at = match segment {
                Segment::Literal(literal) => match self.nodes[at].literals.iter().find(|(other, _)| other == literal) {
                    Some((_, child)) => *child,
                    None => {
                        let child = self.grow();
                        self.nodes[at].literals.push((literal, child));
                        child
                    }
                },
                Segment::Label(_) => match self.nodes[at].label {
                    Some(child) => child,
                    None => {
                        let child = self.grow();
                        self.nodes[at].label = Some(child);
                        child
                    }
                },
                Segment::Greedy(_) => {
                    self.nodes[at].greedy.push(self.routes.len());
                    self.routes.push(route);
                    return;
                }
            };
        }
        self.nodes[at].ends.push(self.routes.len());
        self.routes.push(route);
    }

    fn grow(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// Every operation that the request could be; none where that cannot be told. The first is by the letter.
    pub(super) fn readings(&self, place: &Place<'_>) -> Vec<Reading> {
        let Some((segments, slash)) = segments(place.path) else { return Vec::new() };
        let mut found = self.fitting(place.method, &segments);
        let Some(pairs) = self.selected(&found, place) else { return Vec::new() };
        found.retain(|(route, _)| self.routes[*route].template.query.iter().all(|part| pairs.contains(part)));
        let exact: Vec<usize> = found.iter().filter(|(_, exact)| *exact).map(|(route, _)| *route).collect();
        let mut readings = Vec::new();
        for route in self.narrowest(&exact) {
            let Some(labels) = labels(&self.routes[route].template, &segments, slash) else { return Vec::new() };
            readings.push(Reading { name: self.routes[route].name, labels });
        }
        if readings.is_empty() {
            return readings;
        }
        let mut others: Vec<usize> = found.iter().filter(|(_, exact)| !exact).map(|(route, _)| *route).collect();
        if place.path.contains('%') {
            for segments in place.view.readings() {
                let fitting = self.fitting(place.method, &segments);
                others.extend(fitting.iter().map(|(route, _)| *route).filter(|route| self.may_select(*route, place.pairs)));
            }
        }
        others.retain(|route| !exact.contains(route));
        for route in self.narrowest(&others) {
            let name = self.routes[route].name;
            if readings.iter().all(|reading| reading.name != name) {
                readings.push(Reading { name, labels: Vec::new() });
            }
        }
        readings
    }

    /// Routes with this method whose path fits, and whether by the letter.
    fn fitting<S: AsRef<str>>(&self, method: &Method, segments: &[S]) -> Vec<(usize, bool)> {
        let mut found = Vec::new();
        self.walk(0, segments, true, &mut found);
        found.retain(|(route, _)| self.routes[*route].method == method.as_str());
        found
    }

    /// As deep as the tree, which is ours.
    fn walk<S: AsRef<str>>(&self, at: usize, segments: &[S], exact: bool, found: &mut Vec<(usize, bool)>) {
        let node = &self.nodes[at];
        let Some((first, rest)) = segments.split_first() else {
            found.extend(node.ends.iter().map(|route| (*route, exact)));
            return;
        };
        let first = first.as_ref();
        let start = node.literals.partition_point(|(literal, _)| glob::without_case(literal, first) == Ordering::Less);
        for (literal, child) in node.literals[start..].iter().take_while(|(literal, _)| literal.eq_ignore_ascii_case(first)) {
            self.walk(*child, rest, exact && *literal == first, found);
        }
        if let Some(child) = node.label {
            self.walk(child, rest, exact, found);
        }
        for route in &node.greedy {
            let behind = self.routes[*route].template.behind_greedy();
            let Some(tail) = segments.len().checked_sub(behind.len()).filter(|taken| *taken > 0).map(|taken| &segments[taken..]) else {
                continue;
            };
            let pairs = || behind.iter().zip(tail).map(|(segment, there)| (literal_of(segment), there.as_ref()));
            if pairs().all(|(literal, there)| literal.eq_ignore_ascii_case(there)) {
                found.push((*route, exact && pairs().all(|(literal, there)| literal == there)));
            }
        }
    }

    /// The keys that select among `found`, with the values that are there; `None` where one is there in a way that selects nothing for certain.
    fn selected(&self, found: &[(usize, bool)], place: &Place<'_>) -> Option<Vec<(&'static str, &'static str)>> {
        let mut asked = found.iter().flat_map(|(route, _)| &self.routes[*route].template.query).peekable();
        // Most services have nothing that is selected so.
        if asked.peek().is_none() {
            return Some(Vec::new());
        }
        let pairs = form::exact_pairs(place.query)?;
        let mut selected = Vec::new();
        for (key, value) in asked.clone() {
            let fits = pairs.iter().filter(|(name, text)| name == key && text == value).count();
            if fits > 0 && fits == place.pairs.count(key) {
                selected.push((*key, *value));
            }
        }
        let undecided = asked.any(|(key, _)| place.pairs.has(key) && selected.iter().all(|(name, _)| name != key));
        (!undecided).then_some(selected)
    }

    /// Whether a tolerant reader finds all the keys of a route.
    fn may_select(&self, route: usize, pairs: &Pairs<'_>) -> bool {
        let there = |(key, value): &(&str, &str)| if value.is_empty() { pairs.has(key) } else { pairs.has_value(key, value) };
        self.routes[route].template.query.iter().all(there)
    }

    /// Those of `routes` that contain no other of them.
    fn narrowest(&self, routes: &[usize]) -> Vec<usize> {
        let template = |route: &usize| &self.routes[*route].template;
        let mut left: Vec<usize> = Vec::with_capacity(routes.len());
        for route in routes {
            if !left.contains(route) && !routes.iter().any(|other| template(other).is_narrower_than(template(route))) {
                left.push(*route);
            }
        }
        left
    }

    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

/// Behind a greedy label are literals alone.
const fn literal_of(segment: &Segment) -> &'static str {
    match segment {
        Segment::Literal(text) | Segment::Label(text) | Segment::Greedy(text) => text,
    }
}

/// A path's segments, and whether a slash stands behind them. `None` for a path that some servers read otherwise.
fn segments(path: &str) -> Option<(Vec<&str>, bool)> {
    let path = path.strip_prefix('/')?;
    if path.is_empty() {
        return Some((Vec::new(), false));
    }
    let (path, slash) = path.strip_suffix('/').map_or((path, false), |path| (path, true));
    let segments: Vec<&str> = path.split('/').collect();
    let sound = |segment: &&str| !segment.is_empty() && !segment.bytes().any(|b| matches!(b, b';' | b'+' | b'\\'));
    segments.iter().all(sound).then_some((segments, slash))
}

/// What the path has for a template's labels, in order; `None` where that is no text or could be something else.
fn labels(template: &Template, segments: &[&str], slash: bool) -> Option<Vec<(&'static str, String)>> {
    let mut labels = Vec::new();
    let mut at = 0;
    for segment in &template.segments {
        let (name, taken) = match segment {
            Segment::Literal(_) => {
                at += 1;
                continue;
            }
            Segment::Label(name) => (name, 1),
            Segment::Greedy(_) if slash && template.behind_greedy().is_empty() => return None,
            Segment::Greedy(name) => (name, segments.len().checked_sub(at + template.behind_greedy().len())?),
        };
        let raw = segments.get(at..at + taken)?;
        let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
        labels.push((*name, if let [one] = raw { decode(one)? } else { decode(&raw.join("/"))? }));
        at += taken;
    }
    Some(labels)
}

#[cfg(test)]
mod tests;
