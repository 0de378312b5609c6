//! One object with all policies, each as IAM takes it.

use std::fmt::Write as _;

use crate::iam::{
    Documents, IamError, Node,
    text::{Open, Text},
};

/// The object.
///
/// # Errors
/// A tenant's value is open: there is no document without it.
pub(in crate::iam) fn print(documents: &Documents<'_>) -> Result<String, IamError> {
    let mut members = Vec::new();
    let whose = |record: &Option<&crate::directory::TenantRecord>| record.map(|record| ("tenant", record.id.as_str().into()));
    members.extend(documents.base.clone().map(|policy| ("base", Node::object([("policy", policy)]))));
    for (key, roles, policy_name) in
        [("readers", &documents.readers, "policy"), ("hubs", &documents.hubs, "policy"), ("roles", &documents.roles, "data")]
    {
        let role = |documents: &crate::iam::RoleDocuments<'_>| {
            let role = &documents.role;
            let mut of_role = vec![("setting", role.key.as_str().into()), ("role_arn", role.arn().into())];
            of_role.extend(whose(&role.tenant));
            of_role.extend(documents.trust.clone().map(|policy| ("trust", policy)));
            of_role.extend(documents.policy.clone().map(|policy| (policy_name, policy)));
            Node::object(of_role)
        };
        if !roles.is_empty() {
            members.push((key, Node::List(roles.iter().map(role).collect())));
        }
    }
    for (key, of_tenants) in [("session", &documents.sessions), ("kms", &documents.keys)] {
        if !of_tenants.is_empty() {
            let item = |(record, policy): &(Option<&crate::directory::TenantRecord>, Node)| {
                Node::object(whose(record).into_iter().chain([("policy", policy.clone())]))
            };
            members.push((key, Node::List(of_tenants.iter().map(item).collect())));
        }
    }
    if !documents.access.is_empty() {
        let policies = documents.access.iter().map(|policy| Node::object([("policy", policy.clone())]));
        members.push(("aoss", Node::List(policies.collect())));
    }
    members.extend(documents.control.clone().map(|policy| ("scp", Node::object([("policy", policy)]))));
    // A session policy that is proposed is Palisade's own template: its placeholders are meant to stay.
    let of_iam = members.iter().filter(|(key, _)| *key != "session").flat_map(|(_, node)| node.opens());
    if let Some(open @ Open::Value(name)) = of_iam.into_iter().find(|open| matches!(open, Open::Value(_))) {
        return Err(IamError(format!(
            "the documents depend on {name}: give {}, or use --format cloudformation or terraform, which make a parameter of it",
            open.argument(),
        )));
    }
    let whole = Node::object(members);
    let mut out = String::new();
    write(&whole, 0, &mut out);
    out.push('\n');
    Ok(out)
}

/// Indented JSON; members in their order.
pub(super) fn write(node: &Node, depth: usize, out: &mut String) {
    match node {
        Node::Text(text) => out.push_str(&quoted(&written(text))),
        Node::List(items) if items.is_empty() => out.push_str("[]"),
        Node::Object(members) if members.is_empty() => out.push_str("{}"),
        Node::List(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                line(number, depth + 1, out);
                write(item, depth + 1, out);
            }
            line(0, depth, out);
            out.push(']');
        }
        Node::Object(members) => {
            out.push('{');
            for (number, (key, value)) in members.iter().enumerate() {
                line(number, depth + 1, out);
                // Writing to a String does not fail.
                let _ = write!(out, "{}: ", quoted(key));
                write(value, depth + 1, out);
            }
            line(0, depth, out);
            out.push('}');
        }
    }
}

fn line(number: usize, depth: usize, out: &mut String) {
    if number > 0 {
        out.push(',');
    }
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text; with something open in it, one that stands in nobody's place: IAM takes it neither for an ARN nor for a principal.
fn written(text: &Text) -> String {
    let missing = text.opens().find(|open| !matches!(open, Open::Value(_)));
    missing.map_or_else(|| text.to_string(), |open| format!("<give {}>", open.argument()))
}
