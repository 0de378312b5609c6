//! What STS refuses in every session policy of this form, whoever the tenant is. It would say so at a tenant's first request, and to all of them.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>, and of `Principal`, which belongs to policies of
//! resources: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>

use serde_json::{Map, Value};

use crate::config::{
    error::{Fault, quote},
    suggest::closest,
};

const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];
const OF_POLICY: [&str; 3] = ["Version", "Id", "Statement"];
const OF_STATEMENT: [&str; 7] = ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];
const OPERATORS: [&str; 27] = [
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "BinaryEquals",
    "Bool",
    "DateEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateNotEquals",
    "IpAddress",
    "NotIpAddress",
    "Null",
    "NumericEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericNotEquals",
    "StringEquals",
    "StringEqualsIgnoreCase",
    "StringLike",
    "StringNotEquals",
    "StringNotEqualsIgnoreCase",
    "StringNotLike",
];

/// A mistake, and the way to it from the policy's top: keys, and numbers of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PolicyFault {
    pub(crate) path: Vec<String>,
    pub(crate) fault: Fault,
}

/// Everything in `policy` that STS always refuses.
pub(crate) fn faults(policy: &Map<String, Value>) -> Vec<PolicyFault> {
    let mut found = Found::default();
    for (element, value) in policy {
        match element.as_str() {
            "Version" if !value.as_str().is_some_and(|version| VERSIONS.contains(&version)) => {
                found.at(&["Version"], "is no version of the language of policies", "write \"2012-10-17\"");
            }
            known if OF_POLICY.contains(&known) => {}
            _ => found.unknown(&[element], "a policy", &OF_POLICY),
        }
    }
    match policy.get("Statement") {
        // One that is misspelt has been told of.
        None if policy.keys().all(|key| OF_POLICY.contains(&key.as_str())) => {
            found.at(&["Statement"], "is missing", "give a statement, or a list of them");
        }
        Some(Value::Object(statement)) => found.statement(&["Statement"], statement),
        Some(Value::Array(statements)) if !statements.is_empty() => {
            for (number, statement) in statements.iter().enumerate() {
                let path = ["Statement", &number.to_string()];
                match statement {
                    Value::Object(statement) => found.statement(&path, statement),
                    _ => found.at(&path, "is no statement", "give Effect, Action and Resource"),
                }
            }
        }
        None => {}
        Some(_) => found.at(&["Statement"], "is no statement and no list of them", "give Effect, Action and Resource"),
    }
    found.0
}

#[derive(Default)]
struct Found(Vec<PolicyFault>);

impl Found {
    fn at(&mut self, path: &[&str], wrong: impl Into<String>, right: impl Into<String>) {
        self.0.push(PolicyFault { path: path.iter().map(|step| (*step).to_owned()).collect(), fault: Fault::new(wrong, right) });
    }

    fn unknown(&mut self, path: &[&str], whose: &str, known: &[&'static str]) {
        let word = path.last().copied().unwrap_or_default();
        let right = closest(word, known.iter().copied());
        self.at(
            path,
            format!("is no element of {whose}"),
            right.map_or_else(|| format!("known are {}", known.join(", ")), |right| format!("did you mean {right}?")),
        );
    }

    fn statement(&mut self, path: &[&str], statement: &Map<String, Value>) {
        let below = |element| [path, &[element]].concat();
        for element in statement.keys() {
            match element.as_str() {
                "Principal" | "NotPrincipal" => self.at(
                    &below(element),
                    "cannot stand in a session policy, whose principal is the session",
                    "remove it: it belongs to the role's trust policy, or to a resource's",
                ),
                known if OF_STATEMENT.contains(&known) => {}
                _ => self.unknown(&below(element), "a statement", &OF_STATEMENT),
            }
        }
        if let Some(sid) = statement.get("Sid")
            && !sid.as_str().is_some_and(|sid| literal(sid).bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            self.at(&below("Sid"), "is not made of letters and digits alone", "shorten it to those, or remove it");
        }
        match statement.get("Effect").map(Value::as_str) {
            Some(Some("Allow" | "Deny")) => {}
            Some(_) => self.at(&below("Effect"), "is neither Allow nor Deny", "write Allow or Deny, with a capital"),
            None => self.missing(path, statement, "Effect", "write Effect: Allow"),
        }
        self.either(path, statement, ["Action", "NotAction"], "such as s3:GetObject", is_action);
        self.either(path, statement, ["Resource", "NotResource"], "such as arn:aws:s3:::BUCKET/{tenant.id}/*, or \"*\"", is_resource);
        if let Some(condition) = statement.get("Condition") {
            self.condition(&below("Condition"), condition);
        }
    }

    fn missing(&mut self, path: &[&str], statement: &Map<String, Value>, element: &'static str, cure: impl Into<String>) {
        // One that is misspelt has been told of.
        let is_misspelt = |key: &String| !OF_STATEMENT.contains(&key.as_str()) && closest(key, OF_STATEMENT.into_iter()) == Some(element);
        if !statement.keys().any(is_misspelt) {
            self.at(path, format!("has no {element}"), cure);
        }
    }

    /// One of two elements, with one or more texts of a form.
    fn either(
        &mut self,
        path: &[&str],
        statement: &Map<String, Value>,
        names: [&'static str; 2],
        such_as: &str,
        fits: fn(&str) -> Result<(), &'static str>,
    ) {
        let given: Vec<_> = names.into_iter().filter_map(|name| Some((name, statement.get(name)?))).collect();
        match given.as_slice() {
            [] => self.missing(path, statement, names[0], format!("give one, {such_as}")),
            [_, (second, _), ..] => self.at(&[path, &[second]].concat(), format!("is here beside {}", names[0]), "remove one of them"),
            [_] => {}
        }
        for (name, value) in given {
            let texts = match value {
                Value::Array(texts) if !texts.is_empty() => &texts[..],
                one => std::slice::from_ref(one),
            };
            for text in texts {
                let wrong = match text.as_str() {
                    Some(text) => fits(text).err().map(|why| format!("{} {why}", quote(text))),
                    None => Some("is not a text, and no list of texts".to_owned()),
                };
                if let Some(wrong) = wrong {
                    self.at(&[path, &[name]].concat(), wrong, format!("give one {such_as}"));
                }
            }
        }
    }

    fn condition(&mut self, path: &[&str], condition: &Value) {
        let Value::Object(operators) = condition else {
            return self.at(path, "is not a mapping of operators", "such as {\"StringLike\": {\"s3:prefix\": \"{tenant.id}/*\"}}");
        };
        for (operator, keys) in operators {
            let at = [path, &[operator.as_str()]].concat();
            let base = operator.strip_prefix("ForAllValues:").or_else(|| operator.strip_prefix("ForAnyValue:")).unwrap_or(operator);
            let base = base.strip_suffix("IfExists").unwrap_or(base);
            if !OPERATORS.contains(&base) {
                let right = closest(base, OPERATORS.into_iter()).map_or_else(
                    || "known are StringEquals, StringLike, ArnLike and others, with ForAllValues: or ForAnyValue: before them".to_owned(),
                    |right| format!("did you mean {right}?"),
                );
                self.at(&at, "is no operator of conditions", right);
            }
            if keys.as_object().is_none_or(Map::is_empty) {
                self.at(&at, "compares no keys", "such as {\"s3:prefix\": \"{tenant.id}/*\"}");
            }
        }
    }
}

/// `text` up to the first placeholder, variable or wildcard.
fn literal(text: &str) -> &str {
    &text[..text.find(['{', '$', '*', '?']).unwrap_or(text.len())]
}

fn is_action(text: &str) -> Result<(), &'static str> {
    let known = literal(text);
    let is_open = known.len() < text.len();
    if is_open && !known.contains(':') || known.split_once(':').is_some_and(|(service, _)| !service.is_empty()) {
        return Ok(());
    }
    Err("has no service before a colon")
}

/// An ARN has six parts; a wildcard or a value may stand for more than one of them.
fn is_resource(text: &str) -> Result<(), &'static str> {
    let known = literal(text);
    let is_open = known.len() < text.len();
    let begins = known.starts_with("arn:") || is_open && "arn:".starts_with(known);
    if text == "*" || begins && (is_open || known.split(':').count() >= 6) { Ok(()) } else { Err("is neither an ARN nor \"*\"") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(policy: &Value) -> Vec<String> {
        let told = |found: PolicyFault| format!("{} {}; {}", found.path.join("."), found.fault.wrong, found.fault.right);
        faults(policy.as_object().unwrap()).into_iter().map(told).collect()
    }

    #[test]
    fn what_sts_takes_is_taken() {
        let list = json!([
            {"Sid": "A1", "Effect": "Allow", "Action": ["s3:Get*", "*"], "Resource": ["*", "arn:aws:s3:::b/{tenant.id}/*"]},
            {"Effect": "Deny", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::b"},
            {"Effect": "Allow", "Action": "{tenant.attributes.service}:*", "Resource": "{tenant.attributes.bucket}/*", "Condition": {
                "ForAllValues:StringLikeIfExists": {"dynamodb:LeadingKeys": "{tenant.id}#*"}, "Null": {"a:b": "false"}}},
            {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::${aws:PrincipalTag/Bucket}/*"},
            {"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:*:sqs:*"},
        ]);
        assert_eq!(told(&json!({"Version": "2012-10-17", "Id": "x", "Statement": list})), Vec::<String>::new());
        assert_eq!(told(&json!({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})), Vec::<String>::new());
    }

    #[test]
    fn what_sts_always_refuses_is_told_with_its_place() {
        let with = |change: Value| {
            let mut statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"});
            for (key, value) in change.as_object().unwrap() {
                match value {
                    Value::Null => drop(statement.as_object_mut().unwrap().remove(key)),
                    value => statement[key] = value.clone(),
                }
            }
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}, statement]})
        };
        for (policy, line) in [
            (json!({"Version": "2012-10-17"}), "Statement is missing"),
            (json!({"Statements": []}), "Statements is no element of a policy; did you mean Statement?"),
            (json!({"Statement": []}), "Statement is no statement and no list of them"),
            (json!({"Statement": ["x"]}), "Statement.0 is no statement; give Effect, Action and Resource"),
            (json!({"Version": "2012-10-18", "Statement": with(json!({}))["Statement"]}), "Version is no version"),
            (
                with(json!({"Action": null, "Actions": "s3:GetObject"})),
                "Statement.1.Actions is no element of a statement; did you mean Action?",
            ),
            (with(json!({"Principal": "*"})), "Statement.1.Principal cannot stand in a session policy"),
            (with(json!({"Effect": "allow"})), "Statement.1.Effect is neither Allow nor Deny"),
            (with(json!({"Effect": null})), "Statement.1 has no Effect"),
            (with(json!({"Action": null})), "Statement.1 has no Action; give one, such as s3:GetObject"),
            (with(json!({"Resource": null})), "Statement.1 has no Resource"),
            (with(json!({"NotResource": "*"})), "Statement.1.NotResource is here beside Resource; remove one of them"),
            (with(json!({"Action": "GetObject"})), "Statement.1.Action \"GetObject\" has no service before a colon"),
            (with(json!({"Action": []})), "Statement.1.Action is not a text"),
            (
                with(json!({"Resource": "s3://b/{tenant.id}/*"})),
                "Statement.1.Resource \"s3://b/{tenant.id}/*\" is neither an ARN nor \"*\"",
            ),
            (with(json!({"Resource": ["*", "arn:aws:s3"]})), "Statement.1.Resource \"arn:aws:s3\" is neither an ARN"),
            (with(json!({"Resource": "{tenant.id}", "Sid": "a-b"})), "Statement.1.Sid is not made of letters and digits alone"),
            (
                with(json!({"Condition": {"StringLikes": {"a:b": "c"}}})),
                "Statement.1.Condition.StringLikes is no operator of conditions; did you mean StringLike?",
            ),
            (with(json!({"Condition": {"StringLike": "c"}})), "Statement.1.Condition.StringLike compares no keys"),
            (with(json!({"Condition": "x"})), "Statement.1.Condition is not a mapping of operators"),
        ] {
            let told = told(&policy);
            assert!(told.len() == 1 && told[0].starts_with(line), "{policy}\n{told:?}\n{line}");
        }
    }
}
