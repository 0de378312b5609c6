//! Rules for buckets: one tenant's own, or one that tenants share by prefixes.

use std::collections::BTreeMap;

use super::propose::{Asked, Group, Section, list, quoted};
use crate::{
    config::NamePattern,
    guard::{ID, is_separator},
};

pub(super) fn propose(into: &mut Section, group: &Group<'_>, pattern: Option<&NamePattern>) {
    let (Some(name), Some(pattern)) = (group.name, pattern) else {
        return group.unruled(into, "buckets", &group.asked, "no bucket is named");
    };
    if pattern.tells_tenants_apart() {
        return group.rule(into, &[("buckets", list([name]))], &group.asked, true, &[]);
    }
    let mut prefixes: BTreeMap<&str, Vec<Asked<'_>>> = BTreeMap::new();
    let (mut harmless, mut rest) = (Vec::new(), Vec::new());
    for asked in &group.asked {
        match (asked.0.begins.as_deref(), &asked.0.whole) {
            (Some(shape), _) if is_prefix(shape) => prefixes.entry(shape).or_default().push(*asked),
            (None, None) => harmless.push(*asked),
            _ => rest.push(*asked),
        }
    }
    if prefixes.is_empty() {
        rest.append(&mut harmless);
    }
    for (prefix, mut asked) in prefixes {
        // What tells of the bucket that it is there alone is allowed by either.
        asked.append(&mut harmless);
        group.rule(into, &[("buckets", list([name])), ("prefix", quoted(prefix))], &asked, true, &[]);
    }
    group.unruled(into, "buckets", &rest, "the key, or the listing's prefix, does not begin with the tenant's id and a separator");
}

/// Whether it is the id and a character that no id has.
pub(super) fn is_prefix(shape: &str) -> bool {
    let mut behind = shape.strip_prefix(ID).unwrap_or_default().chars();
    behind.next().is_some_and(is_separator) && behind.next().is_none()
}
