//! A CloudFormation template, in JSON. What is open becomes a parameter without a default.

use super::{json, pattern};
use crate::iam::{
    Documents, Node, RoleDocuments,
    text::{Open, Part, Text},
};

/// The template.
pub(in crate::iam) fn print(documents: &Documents<'_>) -> String {
    let mut template = Template::default();
    if let Some(policy) = &documents.base {
        let properties = [
            ("Description", "Palisade's own identity: it may become roles, and nothing beside what its configuration needs".into()),
            ("PolicyDocument", policy.clone()),
        ];
        template.add("PalisadeBase", "AWS::IAM::ManagedPolicy", properties.into());
    }
    for (number, reader) in documents.readers.iter().enumerate() {
        template.role(&numbered("ReaderRole", number, documents.readers.len()), reader, "read", "Read");
    }
    for (number, hub) in documents.hubs.iter().enumerate() {
        template.role(&numbered("HubRole", number, documents.hubs.len()), hub, "assume", "Assume");
    }
    for (number, role) in documents.roles.iter().enumerate() {
        template.role(&numbered("TenantRole", number, documents.roles.len()), role, "data", "Data");
    }
    for (number, (_, policy)) in documents.keys.iter().enumerate() {
        let properties = [("EnableKeyRotation", Node::from("true")), ("KeyPolicy", policy.clone())];
        template.add(&numbered("TenantKey", number, documents.keys.len()), "AWS::KMS::Key", properties.into());
    }
    for (number, policy) in documents.access.iter().enumerate() {
        let name = numbered("palisade-tenant", number, documents.access.len()).to_ascii_lowercase();
        let properties = [("Name", name.as_str().into()), ("Type", "data".into()), ("Policy", in_a_string(policy))];
        template.add(
            &numbered("TenantIndexAccess", number, documents.access.len()),
            "AWS::OpenSearchServerless::AccessPolicy",
            properties.into(),
        );
    }
    if let Some(policy) = &documents.control {
        let properties = [("Name", "palisade-tenant-roles".into()), ("Type", "SERVICE_CONTROL_POLICY".into()), ("Content", policy.clone())];
        template.add("PalisadeControl", "AWS::Organizations::Policy", properties.into());
    }
    template.print()
}

fn numbered(name: &str, number: usize, of: usize) -> String {
    if of > 1 { format!("{name}{}", number + 1) } else { name.to_owned() }
}

#[derive(Default)]
struct Template {
    resources: Vec<(String, Node)>,
    parameters: Vec<Open>,
}

impl Template {
    fn add(&mut self, name: &str, kind: &str, properties: Vec<(&str, Node)>) {
        let properties = Node::object(properties);
        for open in properties.opens() {
            if !self.parameters.contains(open) {
                self.parameters.push(open.clone());
            }
        }
        let resource = Node::object([("Type", kind.into()), ("Properties", substituted(&properties))]);
        self.resources.push((name.to_owned(), resource));
    }

    /// `policy` is the name of the role's policy, and `ending` what its resource's name ends with.
    fn role(&mut self, logical: &str, documents: &RoleDocuments<'_>, policy: &str, ending: &str) {
        let role = &documents.role;
        if let Some(trust) = &documents.trust {
            let seconds = role.duration.as_secs().max(3_600).to_string();
            let properties = [
                ("RoleName", Node::Text(role.name.clone())),
                ("Path", Node::Text(role.path.clone())),
                ("MaxSessionDuration", seconds.as_str().into()),
                ("AssumeRolePolicyDocument", trust.clone()),
            ];
            self.add(logical, "AWS::IAM::Role", properties.into());
        }
        if let Some(document) = &documents.policy {
            let properties =
                [("PolicyName", policy.into()), ("RoleName", Node::Text(role.name.clone())), ("PolicyDocument", document.clone())];
            self.add(&format!("{logical}{ending}"), "AWS::IAM::RolePolicy", properties.into());
            if documents.trust.is_some()
                && let Some((_, Node::Object(members))) = self.resources.last_mut()
            {
                members.push(("DependsOn".to_owned(), logical.into()));
            }
        }
    }

    fn print(self) -> String {
        let parameter = |open: &Open| {
            let members = [
                ("Type", "String".into()),
                ("Description", Node::from(open.about().as_str())),
                // CloudFormation anchors it at both ends.
                ("AllowedPattern", pattern(open).into()),
            ];
            (parameter_name(open), Node::object(members))
        };
        let mut members = vec![
            ("AWSTemplateFormatVersion", "2010-09-09".into()),
            ("Description", "What AWS has to allow for Palisade, out of its configuration".into()),
        ];
        if !self.parameters.is_empty() {
            members.push(("Parameters", Node::Object(self.parameters.iter().map(parameter).collect())));
        }
        members.push(("Resources", Node::Object(self.resources)));
        let mut out = String::new();
        json::write(&Node::object(members), 0, &mut out);
        out.push('\n');
        out
    }
}

fn parameter_name(open: &Open) -> String {
    let capital = |word: String| word[..1].to_ascii_uppercase() + &word[1..];
    open.words().into_iter().map(capital).collect()
}

/// The same, with `Ref` and `Fn::Sub` where something is open.
fn substituted(node: &Node) -> Node {
    match node {
        Node::List(items) => Node::List(items.iter().map(substituted).collect()),
        Node::Object(members) => Node::Object(members.iter().map(|(key, value)| (key.clone(), substituted(value))).collect()),
        Node::Text(text) => match text.0.as_slice() {
            [Part::Open(open)] => Node::object([("Ref", parameter_name(open).as_str().into())]),
            parts if parts.iter().any(|part| matches!(part, Part::Open(_))) => {
                Node::object([("Fn::Sub", Node::from(template(text).as_str()))])
            }
            _ => node.clone(),
        },
    }
}

/// The text of a `Fn::Sub`. `${!NAME}` is a `${NAME}` that stays.
fn template(text: &Text) -> String {
    text.0.iter().fold(String::new(), |written, part| match part {
        Part::Literal(literal) => written + &literal.replace("${", "${!"),
        Part::Variable(name) => format!("{written}${{!{name}}}"),
        Part::Open(open) => format!("{written}${{{}}}", parameter_name(open)),
    })
}

/// A policy that is itself a text of JSON.
fn in_a_string(policy: &Node) -> Node {
    Node::Text(compact(policy))
}

fn compact(node: &Node) -> Text {
    let joined = |open: &str, items: Vec<Text>, close: &str| {
        let inner = items
            .into_iter()
            .enumerate()
            .fold(Text::literal(open), |text, (number, item)| if number > 0 { text.then(",").then(item) } else { text.then(item) });
        inner.then(close)
    };
    match node {
        Node::Text(text) => {
            let escaped = text.0.iter().map(|part| match part {
                // Without the quotation marks: the text's parts share one pair.
                Part::Literal(literal) => Part::Literal(json::quoted(literal).trim_matches('"').to_owned()),
                part => part.clone(),
            });
            Text::literal("\"").then(Text(escaped.collect())).then("\"")
        }
        Node::List(items) => joined("[", items.iter().map(compact).collect(), "]"),
        Node::Object(members) => {
            let member = |(key, value): &(String, Node)| Text::literal(format!("{}:", json::quoted(key))).then(compact(value));
            joined("{", members.iter().map(member).collect(), "}")
        }
    }
}
