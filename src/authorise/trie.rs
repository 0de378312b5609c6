//! The rules as a tree of segments, so that a request costs what its path's segments cost, and allocates nothing.

use std::cmp::Ordering;

use http::Method;

use super::{
    Methods,
    pattern::{PathPattern, Segment},
};

/// Finds the first rule of a list that fits.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    ignore_case: bool,
}

/// What is known after some segments.
#[derive(Debug, Default)]
struct Node {
    /// By text, in order.
    literals: Vec<(Box<str>, usize)>,
    any: Option<usize>,
    /// Rules that end here.
    ends: Vec<End>,
    /// Rules that fit whatever follows.
    open: Vec<End>,
    /// The first rule here or below: what cannot improve on what is found is not entered.
    first: usize,
}

#[derive(Debug)]
struct End {
    rule: usize,
    methods: Methods,
}

/// A request on its way down.
struct Search<'m> {
    method: &'m Method,
    /// The first rule found so far.
    best: usize,
}

impl Trie {
    /// A tree of these rules, in their order.
    pub(super) fn new<'r>(rules: impl Iterator<Item = (Methods, &'r PathPattern)>, ignore_case: bool) -> Self {
        let mut trie = Self { nodes: vec![Node { first: usize::MAX, ..Node::default() }], ignore_case };
        for (rule, (methods, pattern)) in rules.enumerate() {
            let mut at = 0;
            trie.nodes[at].first = trie.nodes[at].first.min(rule);
            for segment in pattern.segments() {
                at = trie.child(at, segment, rule);
            }
            let end = End { rule, methods };
            if pattern.is_open() { trie.nodes[at].open.push(end) } else { trie.nodes[at].ends.push(end) }
        }
        trie
    }

    /// The number of the first rule for `method` and the segments in `inside`, which has a slash between them and none around.
    pub(super) fn find(&self, method: &Method, inside: &str) -> Option<usize> {
        let mut search = Search { method, best: usize::MAX };
        self.descend(0, Some(inside).filter(|inside| !inside.is_empty()), &mut search);
        (search.best != usize::MAX).then_some(search.best)
    }

    /// No deeper than the longest pattern, and into each node once.
    fn descend(&self, at: usize, rest: Option<&str>, search: &mut Search<'_>) {
        let node = &self.nodes[at];
        if node.first >= search.best {
            return;
        }
        search.take(&node.open);
        let Some(rest) = rest else { return search.take(&node.ends) };
        let (segment, rest) = rest.split_once('/').map_or((rest, None), |(segment, rest)| (segment, Some(rest)));
        if let Ok(found) = node.literals.binary_search_by(|(literal, _)| self.compare(literal, segment)) {
            self.descend(node.literals[found].1, rest, search);
        }
        if let Some(any) = node.any {
            self.descend(any, rest, search);
        }
    }

    /// The node behind `segment`, made if it is not there.
    fn child(&mut self, at: usize, segment: &Segment, rule: usize) -> usize {
        let next = self.nodes.len();
        let found = match segment {
            Segment::Any(_) => *self.nodes[at].any.get_or_insert(next),
            Segment::Literal(literal) => match self.nodes[at].literals.binary_search_by(|(known, _)| self.compare(known, literal)) {
                Ok(found) => self.nodes[at].literals[found].1,
                Err(place) => {
                    self.nodes[at].literals.insert(place, (literal.clone(), next));
                    next
                }
            },
        };
        if found == next {
            // Rules come in order, so whoever makes a node is its first.
            self.nodes.push(Node { first: rule, ..Node::default() });
        }
        found
    }

    fn compare(&self, one: &str, other: &str) -> Ordering {
        if self.ignore_case {
            return one.bytes().map(|b| b.to_ascii_lowercase()).cmp(other.bytes().map(|b| b.to_ascii_lowercase()));
        }
        one.cmp(other)
    }
}

impl Search<'_> {
    fn take(&mut self, ends: &[End]) {
        if let Some(end) = ends.iter().find(|end| end.methods.contains(self.method)) {
            self.best = self.best.min(end.rule);
        }
    }
}
