//! Rules for tables: one tenant's own, or one that tenants share by hash keys.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    propose::{Asked, Group, Section, list, quoted},
    s3::is_prefix,
};
use crate::{
    config::NamePattern,
    guard::{ID, Touched, UNSAID},
};

/// What looks at no item.
const OF_SCHEMA: [&str; 2] = ["dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"];

pub(super) fn propose(into: &mut Section, group: &Group<'_>, pattern: Option<&NamePattern>) {
    let (Some(name), Some(pattern)) = (group.name, pattern) else {
        return group.unruled(into, "tables", &group.asked, "no table is named");
    };
    if pattern.tells_tenants_apart() {
        return group.rule(into, &[("tables", list([name]))], &group.asked, true, &[]);
    }
    let (of_schema, asked): (Vec<Asked<'_>>, Vec<Asked<'_>>) = group.asked.iter().copied().partition(|(touched, _)| is_of_schema(touched));
    let (whole, items): (Vec<_>, Vec<_>) = asked.into_iter().partition(|(touched, _)| touched.whole.is_some());
    let (by_index, by_key): (Vec<_>, Vec<_>) = items.into_iter().partition(|(touched, _)| touched.index.is_some());
    let keys = keys(&by_key);
    let why = match keys[..] {
        [(key, leading)] => {
            let (fine, rest): (Vec<_>, Vec<_>) = by_key.into_iter().partition(|asked| has(asked, key, leading));
            let (indexes, of_indexes, unknown) = indexes(&by_index, leading);
            let mut parts = vec![("tables", list([name])), ("leading_key", quoted(leading)), ("key", quoted(key))];
            if !indexes.is_empty() {
                let pairs: Vec<_> = indexes.iter().map(|(index, key)| format!("{}: {}", quoted(index), quoted(key))).collect();
                parts.push(("indexes", format!("{{{}}}", pairs.join(", "))));
            }
            let note = "list every index whose hash key tells tenants apart, queried or not".to_owned();
            let asked: Vec<_> = fine.into_iter().chain(of_indexes).chain(of_schema).collect();
            group.rule(into, &parts, &asked, true, &[note]);
            group.unruled(into, "tables", &rest, &format!("{key} does not begin with the tenant's id and a separator"));
            group.unruled(into, "tables", &unknown, "an index whose hash key the log does not tell");
            return group.unruled(into, "tables", &whole, WHOLE);
        }
        [] => "no attribute begins with the tenant's id and a separator in all requests".to_owned(),
        ref several => {
            let names: Vec<_> = several.iter().map(|(key, _)| *key).collect();
            format!("which of {} is the table's hash key the log does not tell", names.join(", "))
        }
    };
    let rest: Vec<_> = by_key.into_iter().chain(by_index).chain(of_schema).collect();
    group.unruled(into, "tables", &rest, &why);
    group.unruled(into, "tables", &whole, WHOLE);
}

const WHOLE: &str = "all of a table that is not one tenant's was read";

fn is_of_schema(touched: &Touched) -> bool {
    touched.whole.is_none() && touched.index.is_none() && touched.actions.iter().all(|action| OF_SCHEMA.contains(&action.as_str()))
}

fn is_leading(shape: &str) -> bool {
    shape == ID || is_prefix(shape)
}

fn has((touched, _): &Asked<'_>, key: &str, leading: &str) -> bool {
    touched.attributes.get(key).is_some_and(|shape| shape == leading)
}

/// The attributes that are the tenant's for the most tenants, and then in the most requests, and in what way. One tenant alone decides nothing that others
/// speak against.
fn keys<'l>(asked: &[Asked<'l>]) -> Vec<(&'l str, &'l str)> {
    let mut found: BTreeMap<(&str, &str), (BTreeSet<&str>, u64)> = BTreeMap::new();
    for (touched, counts) in asked {
        for (name, shape) in touched.attributes.iter().filter(|(_, shape)| is_leading(shape)) {
            let (tenants, requests) = found.entry((name, shape)).or_default();
            tenants.extend(counts.keys().map(|tenant| tenant.as_str()));
            *requests += counts.values().sum::<u64>();
        }
    }
    let counted: Vec<_> = found.into_iter().map(|(pair, (tenants, requests))| (pair, (tenants.len(), requests))).collect();
    let most = counted.iter().map(|(_, count)| *count).max();
    counted.into_iter().filter(|(_, count)| Some(*count) == most).map(|(pair, _)| pair).collect()
}

type Indexes<'l> = (BTreeMap<&'l str, &'l str>, Vec<Asked<'l>>, Vec<Asked<'l>>);

/// The hash key of each index that was asked by, the requests for these, and those for the rest.
fn indexes<'l>(asked: &[Asked<'l>], leading: &str) -> Indexes<'l> {
    let mut candidates: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (touched, _) in asked {
        let Some(index) = touched.index.as_deref().filter(|index| *index != UNSAID) else { continue };
        let own = touched.attributes.iter().filter(|(_, shape)| *shape == leading).map(|(name, _)| name.as_str()).collect();
        candidates.entry(index).and_modify(|known: &mut BTreeSet<&str>| known.retain(|name| BTreeSet::contains(&own, name))).or_insert(own);
    }
    let sole = |(index, names): (&'l str, BTreeSet<&'l str>)| {
        let mut names = names.into_iter();
        names.next().filter(|_| names.next().is_none()).map(|name| (index, name))
    };
    let found: BTreeMap<&str, &str> = candidates.into_iter().filter_map(sole).collect();
    let is_found = |(touched, _): &Asked<'l>| touched.index.as_deref().is_some_and(|index| found.contains_key(index));
    let (of_found, rest) = asked.iter().copied().partition(is_found);
    (found, of_found, rest)
}
