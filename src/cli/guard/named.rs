//! Rules for what requests name: queues, topics, secrets, keys.

use super::propose::{Asked, Group, Section, list, quoted, said};
use crate::{
    aws::{
        resource::{Kind, TENANT_ID, table::Table},
        service::search_key,
    },
    config::NamePattern,
    guard::ID,
};

pub(super) fn propose(into: &mut Section, group: &Group<'_>, pattern: Option<&NamePattern>) {
    let plural = Table::of(group.section).map(|table| table.kind.plural()).or(search_key(group.section).map(|_| "indexes"));
    let Some(names) = plural else {
        return group.unruled(into, "names", &group.asked, "this version knows no such section");
    };
    // Guardrails, which a rule has beside its models.
    if let Some(kind) = group.kind {
        return into.loose.push(format!("{}: list it in {kind}s of the rule for the model: {}", group.shown(), said(&group.asked)));
    }
    let (Some(name), Some(pattern)) = (group.name, pattern) else {
        return group.unruled(into, names, &group.asked, "no name is given, so that only a rule with a context could allow it");
    };
    if pattern.tells_tenants_apart() {
        return group.rule(into, &[(names, list([name]))], &group.asked, true, &[]);
    }
    // A key that tenants share, and a context that says whose each ciphertext is.
    let shared_context =
        group.asked.iter().filter(|(touched, _)| !touched.context.is_empty()).flat_map(|(touched, _)| touched.context.first());
    let context = shared_context.min().cloned();
    let has_it = |(touched, _): &Asked<'_>| context.as_ref().is_some_and(|name| touched.context.contains(name));
    let (fine, rest): (Vec<_>, Vec<_>) = group.asked.iter().copied().partition(has_it);
    if let Some(context) = &context {
        let pairs = || format!("{{{}: {}}}", quoted(context), quoted(ID));
        let whose = match Table::of(group.section).map(|table| table.kind) {
            Some(Kind::Function) => (TENANT_ID, quoted(ID)),
            Some(Kind::Namespace) => ("dimensions", pairs()),
            _ => ("context", pairs()),
        };
        let parts = [(names, list([name])), whose];
        group.rule(into, &parts, &fine, true, &[]);
    }
    group.unruled(into, names, &rest, "its name does not tell tenants apart");
}
