//! What in a session policy holds for one tenant alone.
//!
//! A placeholder tells tenants apart only where it *bounds* what is allowed: in the `Resource` of a statement that allows, or in a
//! condition that is not met without it. In a `Sid` it is a name; in `NotResource` it leaves everybody else's; in a statement that denies,
//! or in a negated condition, it takes one's own away. `...IfExists` and `ForAllValues` are met by a request that has no such key at all:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>

use std::fmt;

use serde_json::{Map, Value};

use super::{Name, TemplateError, Writer, names};

/// Operators that are met by a value that is there and fits.
const POSITIVE: [&str; 8] =
    ["ArnEquals", "ArnLike", "BinaryEquals", "IpAddress", "NumericEquals", "StringEquals", "StringEqualsIgnoreCase", "StringLike"];
/// Keys that hold what a request names, all of it: one that fits says nothing of the others.
const NAMED_BY_REQUEST: [&str; 2] = ["aws:tagkeys", "dynamodb:leadingkeys"];
/// How keys begin that tenants are told apart by, whatever their values are.
const ISOLATING: [&str; 8] = [
    "aws:principaltag/",
    "aws:requesttag/",
    "aws:resourcetag/",
    "dynamodb:leadingkeys",
    "kms:encryptioncontext:",
    "kms:resourcealiases",
    "s3:existingobjecttag/",
    "s3:prefix",
];

/// A policy's statements that allow something, looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bindings {
    /// What is the same for every tenant.
    pub(super) alike: Vec<Alike>,
    /// Conditions that a request may meet by leaving a key out.
    pub(super) loose: Vec<Loose>,
    /// Whether there is a statement that allows something.
    pub(super) allows: bool,
    /// Whether one of those is bounded by the tenant.
    pub(super) tell_tenants_apart: bool,
}

/// What a statement allows every tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alike {
    /// The statement's number, from 0.
    pub statement: usize,
    /// The one of its resources that no tenant stands in, where one stands in others.
    pub resource: Option<String>,
    /// The element that has the tenant and bounds nothing by it.
    pub misplaced: Option<String>,
}

/// A condition that a request can meet without what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    /// The statement's number, from 0.
    pub statement: usize,
    operator: String,
    key: String,
    why: &'static str,
    cure: String,
}

impl fmt::Display for Loose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Statement[{}].Condition: {} of {} {}; {}", self.statement, self.operator, self.key, self.why, self.cure)
    }
}

impl Bindings {
    /// Those of `policy`, whose placeholders can be read.
    ///
    /// # Errors
    /// They cannot.
    pub(super) fn of(policy: &Value) -> Result<Self, TemplateError> {
        let mut found = Self::default();
        let allows = |(_, statement): &(usize, &Value)| statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        for (number, statement) in items(policy.get("Statement")).iter().enumerate().filter(allows) {
            found.allows = true;
            let conditions = Condition::all(statement);
            found.loose.extend(conditions.iter().filter_map(|condition| condition.loose(number, &conditions)));
            let is_bound =
                conditions.iter().try_fold(false, |bound, condition| Ok::<_, TemplateError>(bound || condition.binds(&conditions)?))?;
            let resources = items(statement.get("Resource"));
            let open = resources.iter().map(|resource| Ok((resource, tells(resource)?))).collect::<Result<Vec<_>, TemplateError>>()?;
            let in_some = open.iter().any(|(_, tells)| *tells);
            found.tell_tenants_apart |= is_bound || in_some;
            let same = open.iter().find(|(_, tells)| !tells).map(|(resource, _)| resource.as_str().unwrap_or_default().to_owned());
            if !is_bound && (same.is_some() || !in_some) {
                let misplaced = if in_some { None } else { misplaced(statement)? };
                found.alike.push(Alike { statement: number, resource: same.filter(|_| in_some), misplaced });
            }
        }
        Ok(found)
    }
}

/// The elements of a list, or what stands for the one element of a list.
fn items(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(items)) => items,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

fn tells(value: &Value) -> Result<bool, TemplateError> {
    let mut writer = Writer::default();
    writer.value(value)?;
    Ok(names(&writer.segments).any(Name::tells_tenants_apart))
}

/// The first element in which the tenant bounds nothing.
fn misplaced(statement: &Value) -> Result<Option<String>, TemplateError> {
    for (element, value) in statement.as_object().into_iter().flatten() {
        if element != "Condition" && tells(value)? {
            return Ok(Some(element.clone()));
        }
    }
    for condition in Condition::all(statement) {
        if condition.tells()? {
            return Ok(Some(format!("the condition {} of {}", condition.operator, condition.key)));
        }
    }
    Ok(None)
}

/// One key of one operator.
struct Condition<'v> {
    operator: &'v str,
    key: &'v str,
    values: &'v Value,
}

/// An operator, taken apart.
struct Operator<'o> {
    set: Option<&'o str>,
    base: &'o str,
    if_exists: bool,
}

impl<'v> Condition<'v> {
    fn all(statement: &'v Value) -> Vec<Self> {
        let operators = statement.get("Condition").and_then(Value::as_object);
        let keys = |(operator, keys): (&'v String, &'v Value)| {
            let keys = keys.as_object().map(Map::iter).into_iter().flatten();
            keys.map(move |(key, values)| Self { operator, key, values })
        };
        operators.into_iter().flatten().flat_map(keys).collect()
    }

    fn parts(&self) -> Operator<'v> {
        let (set, rest) = match self.operator.split_once(':') {
            Some((set, rest)) => (Some(set), rest),
            None => (None, self.operator),
        };
        let base = rest.strip_suffix("IfExists");
        Operator { set, base: base.unwrap_or(rest), if_exists: base.is_some() }
    }

    /// Keys of conditions do not differ in case alone.
    fn is_about(&self, other: &Self) -> bool {
        self.key.eq_ignore_ascii_case(other.key)
    }

    fn is_named_by_request(&self) -> bool {
        NAMED_BY_REQUEST.contains(&self.key.to_ascii_lowercase().as_str())
    }

    /// Whether the tenant stands in each of its values, of which one is enough to meet it, or in its key.
    fn tells(&self) -> Result<bool, TemplateError> {
        if tells(&Value::String(self.key.to_owned()))? {
            return Ok(true);
        }
        let values = items(Some(self.values));
        values.iter().try_fold(!values.is_empty(), |all, value| Ok(all && tells(value)?))
    }

    /// Whether it demands that its key is there.
    fn demands_presence(&self) -> bool {
        let is_false = |value: &Value| value.as_bool() == Some(false) || value.as_str() == Some("false");
        let parts = self.parts();
        match parts.set {
            None => parts.base == "Null" && items(Some(self.values)).iter().all(is_false),
            Some(set) => set == "ForAnyValue" && POSITIVE.contains(&parts.base) && !parts.if_exists,
        }
    }

    /// Whether nothing but what is the tenant's meets it.
    fn binds(&self, all: &[Self]) -> Result<bool, TemplateError> {
        let parts = self.parts();
        let is_present = match parts.set {
            None => true,
            Some("ForAnyValue") => !self.is_named_by_request(),
            Some(_) => all.iter().any(|other| other.is_about(self) && other.demands_presence()),
        };
        Ok(is_present && !parts.if_exists && POSITIVE.contains(&parts.base) && self.tells()?)
    }

    /// How a request can meet it without what it is about.
    fn loose(&self, statement: usize, all: &[Self]) -> Option<Loose> {
        let parts = self.parts();
        let key = self.key.to_ascii_lowercase();
        let loose = |why, cure| Some(Loose { statement, operator: self.operator.to_owned(), key: self.key.to_owned(), why, cure });
        let isolates = ISOLATING.iter().any(|known| key.starts_with(known)) || self.tells().unwrap_or(false);
        let set = parts.set.map(|set| format!("{set}:")).unwrap_or_default();
        if parts.if_exists && isolates {
            return loose(
                "is met by a request that has no such key",
                format!("write \"{set}{}\": {{{}: {}}} in its place", parts.base, Value::from(self.key), self.values),
            );
        }
        match parts.set {
            Some("ForAllValues") if !all.iter().any(|other| other.is_about(self) && other.demands_presence()) => loose(
                "is met by a request that has no such key (for dynamodb:LeadingKeys, a Scan)",
                format!("add \"Null\": {{{}: \"false\"}} to the Condition", Value::from(self.key)),
            ),
            Some("ForAllValues") => None,
            _ if self.is_named_by_request() && isolates && POSITIVE.contains(&parts.base) => {
                let has_other = all.iter().any(|other| other.is_about(self) && other.parts().set == Some("ForAllValues"));
                if has_other {
                    return None;
                }
                let key = Value::from(self.key);
                loose(
                    "is met by a request that names one of the tenant's among others",
                    format!(
                        "write \"ForAllValues:{}\": {{{key}: {}}} and \"Null\": {{{key}: \"false\"}} in its place",
                        parts.base, self.values
                    ),
                )
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whether the tenant bounds a statement with these elements, and what is loose in it.
    fn bounds(elements: Value) -> (bool, usize, Vec<String>) {
        let mut statement = json!({"Effect": "Allow", "Action": "s3:*"});
        statement.as_object_mut().unwrap().extend(elements.as_object().unwrap().clone());
        let found = Bindings::of(&json!({"Statement": [statement]})).unwrap();
        (found.tell_tenants_apart, found.alike.len(), found.loose.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_tenant_bounds_a_resource_and_a_condition_that_is_not_met_without_it() {
        let mine = "arn:aws:s3:::pool/{tenant.id}/*";
        for bound in [
            json!({"Resource": mine}),
            json!({"Resource": [mine, "arn:aws:s3:::{tenant.attributes.bucket}"]}),
            json!({"Resource": "*", "Condition": {"StringLike": {"s3:prefix": "{tenant.id}/*"}}}),
            json!({"Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/T": ["{tenant.id}", "{tenant.account}"]}}}),
            json!({"Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/{tenant.id}": "yes"}}}),
            json!({"Resource": "*", "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "{tenant.kms_key}"}}}),
            json!({"Resource": "*", "Condition": {
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "{tenant.id}#*"}, "Null": {"dynamodb:leadingkeys": "false"}}}),
            json!({"Resource": "*", "Condition": {
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "{tenant.id}#*"}, "Null": {"dynamodb:LeadingKeys": false}}}),
            json!({"Resource": "*", "Condition": {
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "{tenant.id}#*"},
                "ForAnyValue:StringLike": {"dynamodb:LeadingKeys": "*"}}}),
        ] {
            assert_eq!(bounds(bound.clone()), (true, 0, Vec::new()), "{bound}");
        }
    }

    #[test]
    fn the_tenant_elsewhere_bounds_nothing() {
        for open in [
            json!({"Sid": "{tenant.id}", "Resource": "*"}),
            json!({"NotResource": "arn:aws:s3:::pool/{tenant.id}/*"}),
            json!({"NotAction": "s3:{tenant.attributes.verb}", "Resource": "*"}),
            json!({"NotPrincipal": "{tenant.id}", "Resource": "*"}),
            json!({"Action": "s3:{tenant.attributes.verb}", "Resource": "*"}),
            json!({"Resource": "arn:aws:s3:::pool/{tenant.tier}/*"}),
            json!({"Resource": "*", "Condition": {"StringNotLike": {"s3:prefix": "{tenant.id}/*"}}}),
            json!({"Resource": "*", "Condition": {"StringNotEquals": {"aws:ResourceTag/T": "{tenant.id}"}}}),
            json!({"Resource": "*", "Condition": {"Null": {"aws:ResourceTag/{tenant.id}": "true"}}}),
            json!({"Resource": "*", "Condition": {"StringLike": {"s3:prefix": ["{tenant.id}/*", "*"]}}}),
            json!({"Resource": "*", "Condition": {"StringLike": {"s3:prefix": []}}}),
        ] {
            assert_eq!(bounds(open.clone()), (false, 1, Vec::new()), "{open}");
        }
        let denied = json!({"Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::pool/{tenant.id}/*"}});
        assert_eq!(Bindings::of(&denied).unwrap(), Bindings::default());
    }

    #[test]
    fn what_a_request_meets_by_leaving_a_key_out_is_told_with_its_cure() {
        for (condition, told) in [
            (
                json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "{tenant.id}#*"}}),
                r#"ForAllValues:StringLike of dynamodb:LeadingKeys is met by a request that has no such key (for dynamodb:LeadingKeys, a Scan); add "Null": {"dynamodb:LeadingKeys": "false"} to the Condition"#,
            ),
            (
                json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "{tenant.id}#*"}, "Null": {"dynamodb:LeadingKeys": "true"}}),
                "has no such key",
            ),
            (
                json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "{tenant.id}#*"}, "Null": {"dynamodb:Attributes": "false"}}),
                "has no such key",
            ),
            (
                json!({"StringLikeIfExists": {"s3:prefix": "{tenant.id}/*"}}),
                r#"StringLikeIfExists of s3:prefix is met by a request that has no such key; write "StringLike": {"s3:prefix": "{tenant.id}/*"} in its place"#,
            ),
            (json!({"ForAnyValue:StringLikeIfExists": {"x:y": "{tenant.id}/*"}}), "has no such key"),
            (
                json!({"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": "{tenant.id}#*"}}),
                "among others; write \"ForAllValues:StringLike\"",
            ),
        ] {
            let (is_bound, alike, loose) = bounds(json!({"Resource": "*", "Condition": condition}));
            assert_eq!((is_bound, alike, loose.len()), (false, 1, 1), "{condition} {loose:?}");
            assert!(loose[0].starts_with("Statement[0].Condition: ") && loose[0].contains(told), "{loose:?}");
        }
        // What no tenant stands in bounds nothing, and may be missing.
        let regions = json!({"Resource": "*", "Condition": {"StringEqualsIfExists": {"aws:RequestedRegion": "eu-west-1"}}});
        assert_eq!(bounds(regions).2, Vec::<String>::new());
        // Without ForAllValues it is met by some of a list, and is better than nothing.
        let (is_bound, _, loose) = bounds(json!({"Resource": "*", "Condition": {"StringLike": {"dynamodb:LeadingKeys": "{tenant.id}#*"}}}));
        assert!(is_bound && loose.len() == 1, "{loose:?}");
    }

    #[test]
    fn a_resource_beside_the_tenant_s_and_a_misplaced_tenant_are_named() {
        let of = |statements: Value| Bindings::of(&json!({"Statement": statements})).unwrap();
        let mixed = of(json!([{"Effect": "Allow", "Resource": ["arn:aws:s3:::p/{tenant.id}/*", "arn:aws:s3:::p"]}]));
        let alike = Alike { statement: 0, resource: Some("arn:aws:s3:::p".to_owned()), misplaced: None };
        assert_eq!((mixed.alike, mixed.tell_tenants_apart), (vec![alike], true));
        let misplaced = |statement: Value| of(json!([{"Effect": "Deny"}, statement])).alike[0].misplaced.clone().unwrap();
        assert_eq!(misplaced(json!({"Effect": "Allow", "Sid": "{tenant.id}", "Resource": "*"})), "Sid");
        let negated = json!({"Effect": "Allow", "Resource": "*", "Condition": {"StringNotLike": {"s3:prefix": "{tenant.id}/*"}}});
        assert_eq!(misplaced(negated), "the condition StringNotLike of s3:prefix");
    }
}
