//! Terraform resources, as `terraform fmt` writes them. What is open becomes a variable without a default.

use super::{json::quoted, pattern};
use crate::iam::{
    Documents, Node, RoleDocuments,
    text::{Open, Part, Text},
};

/// The resources, and before them their variables.
pub(in crate::iam) fn print(documents: &Documents<'_>) -> String {
    let mut module = Module::default();
    if let Some(policy) = &documents.base {
        module.resource(
            "aws_iam_policy",
            "palisade_base",
            vec![
                ("name", Value::of("palisade-base")),
                ("description", Value::of("Palisade's own identity: it may become roles, and nothing beside what its configuration needs")),
                ("policy", Value::Json(policy.clone())),
            ],
        );
    }
    for (number, reader) in documents.readers.iter().enumerate() {
        module.role(&numbered("reader", number, documents.readers.len()), reader, "read");
    }
    for (number, hub) in documents.hubs.iter().enumerate() {
        module.role(&numbered("hub", number, documents.hubs.len()), hub, "assume");
    }
    for (number, role) in documents.roles.iter().enumerate() {
        module.role(&numbered("tenant", number, documents.roles.len()), role, "data");
    }
    for (number, (_, policy)) in documents.keys.iter().enumerate() {
        module.resource(
            "aws_kms_key",
            &numbered("tenant", number, documents.keys.len()),
            vec![("enable_key_rotation", Value::Raw("true".to_owned())), ("policy", Value::Json(policy.clone()))],
        );
    }
    for (number, policy) in documents.access.iter().enumerate() {
        let name = numbered("tenant", number, documents.access.len());
        module.resource(
            "aws_opensearchserverless_access_policy",
            &name,
            vec![
                ("name", Value::of(&format!("palisade-{}", name.replace('_', "-")))),
                ("type", Value::of("data")),
                ("policy", Value::Json(policy.clone())),
            ],
        );
    }
    if let Some(policy) = &documents.control {
        module.resource(
            "aws_organizations_policy",
            "palisade_control",
            vec![
                ("name", Value::of("palisade-tenant-roles")),
                ("type", Value::of("SERVICE_CONTROL_POLICY")),
                ("content", Value::Json(policy.clone())),
            ],
        );
    }
    module.print()
}

fn numbered(name: &str, number: usize, of: usize) -> String {
    if of > 1 { format!("{name}_{}", number + 1) } else { name.to_owned() }
}

enum Value {
    /// An expression.
    Raw(String),
    Text(Text),
    /// `jsonencode(...)`
    Json(Node),
}

impl Value {
    fn of(text: &str) -> Self {
        Self::Text(Text::literal(text))
    }
}

#[derive(Default)]
struct Module {
    blocks: Vec<String>,
    variables: Vec<Open>,
}

impl Module {
    /// `policy` is the name of the role's policy.
    fn role(&mut self, name: &str, documents: &RoleDocuments<'_>, policy: &str) {
        let role = &documents.role;
        if let Some(trust) = &documents.trust {
            self.resource(
                "aws_iam_role",
                name,
                vec![
                    ("name", Value::Text(role.name.clone())),
                    ("path", Value::Text(role.path.clone())),
                    ("max_session_duration", Value::Raw(role.duration.as_secs().max(3_600).to_string())),
                    ("assume_role_policy", Value::Json(trust.clone())),
                ],
            );
        }
        if let Some(document) = &documents.policy {
            let of =
                if documents.trust.is_some() { Value::Raw(format!("aws_iam_role.{name}.name")) } else { Value::Text(role.name.clone()) };
            self.resource(
                "aws_iam_role_policy",
                &format!("{name}_{policy}"),
                vec![("name", Value::of(policy)), ("role", of), ("policy", Value::Json(document.clone()))],
            );
        }
    }

    fn resource(&mut self, kind: &str, name: &str, attributes: Vec<(&str, Value)>) {
        let mut lines = Lines::default();
        for (key, value) in attributes {
            match value {
                Value::Raw(expression) => lines.pair(key, &expression, 1),
                Value::Text(text) => {
                    self.use_of(text.opens());
                    lines.pair(key, &expression(&text), 1);
                }
                Value::Json(node) => {
                    self.use_of(node.opens());
                    lines.node(&format!("{key} = jsonencode("), &node, ")", 1);
                }
            }
        }
        self.blocks.push(format!("resource {} {} {{\n{}}}\n", quoted(kind), quoted(name), lines.finish()));
    }

    fn use_of<'o>(&mut self, opens: impl IntoIterator<Item = &'o Open>) {
        for open in opens {
            if !self.variables.contains(open) {
                self.variables.push(open.clone());
            }
        }
    }

    fn print(self) -> String {
        let variable = |open: &Open| {
            let mut lines = Lines::default();
            lines.pair("description", &quoted(&open.about()), 1);
            lines.pair("type", "string", 1);
            lines.plain("", 0);
            lines.plain("validation {", 1);
            let name = variable_name(open);
            lines.pair("condition", &format!("can(regex({}, var.{name}))", quoted(&format!("^{}$", pattern(open)))), 2);
            lines.pair("error_message", &quoted(&format!("Not of the form {}.", pattern(open).replace('\\', ""))), 2);
            lines.plain("}", 1);
            format!("variable {} {{\n{}}}\n", quoted(&name), lines.finish())
        };
        let variables = self.variables.iter().map(variable);
        variables.chain(self.blocks).collect::<Vec<_>>().join("\n")
    }
}

fn variable_name(open: &Open) -> String {
    open.words().join("_")
}

/// A string expression. `$${` and `%%{` are a `${` and a `%{` that stay.
fn expression(text: &Text) -> String {
    let literal = |text: &str| quoted(text).trim_matches('"').replace("${", "$${").replace("%{", "%%{");
    match text.0.as_slice() {
        [Part::Open(open)] => format!("var.{}", variable_name(open)),
        parts => {
            parts.iter().fold("\"".to_owned(), |written, part| match part {
                Part::Literal(text) => written + &literal(text),
                Part::Variable(name) => format!("{written}$${{{name}}}"),
                Part::Open(open) => format!("{written}${{var.{}}}", variable_name(open)),
            }) + "\""
        }
    }
}

/// The items, where all of them are texts.
fn texts(items: &[Node]) -> Option<Vec<&Text>> {
    items.iter().map(Node::as_text).collect()
}

/// Lines in which the equals signs of neighbours that fit on one line each stand below each other.
#[derive(Default)]
struct Lines {
    out: String,
    /// Neighbours so far: indentation, key, expression.
    pairs: Vec<(usize, String, String)>,
}

impl Lines {
    fn pair(&mut self, key: &str, expression: &str, depth: usize) {
        self.pairs.push((depth, key.to_owned(), expression.to_owned()));
    }

    fn plain(&mut self, text: &str, depth: usize) {
        self.align();
        self.out.push_str(&"  ".repeat(depth));
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// A value that takes several lines; `before` stands on its first, `after` on its last.
    fn node(&mut self, before: &str, node: &Node, after: &str, depth: usize) {
        match node {
            Node::Text(text) => self.plain(&format!("{before}{}{after}", expression(text)), depth),
            Node::List(items) => match texts(items) {
                Some(texts) => {
                    let texts: Vec<_> = texts.into_iter().map(expression).collect();
                    self.plain(&format!("{before}[{}]{after}", texts.join(", ")), depth);
                }
                None => {
                    self.plain(&format!("{before}["), depth);
                    items.iter().for_each(|item| self.node("", item, ",", depth + 1));
                    self.plain(&format!("]{after}"), depth);
                }
            },
            Node::Object(members) => {
                self.plain(&format!("{before}{{"), depth);
                for (key, value) in members {
                    self.member(key, value, depth + 1);
                }
                self.plain(&format!("}}{after}"), depth);
            }
        }
    }

    fn member(&mut self, key: &str, value: &Node, depth: usize) {
        let is_plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let key = if is_plain { key.to_owned() } else { quoted(key) };
        match value {
            Node::Text(text) => self.pair(&key, &expression(text), depth),
            Node::List(items) if texts(items).is_some() => {
                let items: Vec<_> = texts(items).into_iter().flatten().map(expression).collect();
                self.pair(&key, &format!("[{}]", items.join(", ")), depth);
            }
            Node::List(_) | Node::Object(_) => self.node(&format!("{key} = "), value, "", depth),
        }
    }

    fn align(&mut self) {
        let width = self.pairs.iter().map(|(_, key, _)| key.chars().count()).max().unwrap_or_default();
        for (depth, key, expression) in self.pairs.drain(..) {
            self.out.push_str(&format!("{}{key:width$} = {expression}\n", "  ".repeat(depth)));
        }
    }

    fn finish(mut self) -> String {
        self.align();
        self.out
    }
}
