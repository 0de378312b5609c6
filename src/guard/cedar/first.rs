//! What policies demand first of a thing, so that one whose demand is not met is not evaluated.
//!
//! Many policies are about things that are called so, or that have a tag: `when { resource.key like "exports/*" && … }`. A condition is read from the left, and what
//! stands behind the first part that does not hold is not looked at (`&&` in [Cedar](https://docs.cedarpolicy.com/policies/syntax-operators.html)). So a policy whose first part is about a text that is at hand, and that does not
//! fit, holds for nothing and fails at nothing, whatever else it says; and to compare a text takes a fiftieth of what Cedar takes for it. Whatever is of another form, or is not at hand, is
//! Cedar's to say.

use cedar_policy::Policy;
use serde_json::Value;

use super::entities::Resource;
use crate::aws::glob;

/// How many `&&` may stand inside one another, of those that are read. Cedar goes down all of them, and fails where that is too deep for its stack; a policy that fails
/// is not to be passed over.
const DEPTH: usize = 32;

/// What a policy demands of a thing before anything else, in the order in which Cedar looks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct First(Vec<Demand>);

/// Of one text.
#[derive(Debug, PartialEq, Eq)]
struct Demand {
    of: Part,
    what: What,
}

/// Where the text stands.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Attribute(String),
    Tag(String),
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    /// It is there: of tags alone.
    There,
    Is(String),
    /// With `*` for any run of characters.
    Like(String),
}

impl First {
    /// `None`: the policy begins with something else.
    pub(super) fn of(policy: &Policy) -> Option<Self> {
        let policy = policy.to_json().ok()?;
        let conditions = policy.get("conditions")?.as_array()?;
        // Cedar joins them by `&&`.
        let depth = DEPTH.checked_sub(conditions.len())?;
        let mut demands = Vec::new();
        for condition in conditions {
            let is_when = condition.get("kind")?.as_str()? == "when";
            if !is_when || !read(condition.get("body")?, depth, &mut demands) {
                break;
            }
        }
        if demands.is_empty() { None } else { Some(Self(demands)) }
    }

    /// Whether the policy does not hold for `resource`, and cannot fail either. `false` says nothing.
    pub(super) fn is_missed_by(&self, resource: &Resource<'_>) -> bool {
        for demand in &self.0 {
            match demand.is_met_by(resource) {
                Some(true) => {}
                Some(false) => return true,
                None => return false,
            }
        }
        false
    }
}

impl Demand {
    /// `None`: that is not known here.
    fn is_met_by(&self, resource: &Resource<'_>) -> Option<bool> {
        let fits = |text: &str| match &self.what {
            What::There => true,
            What::Is(other) => text == other,
            What::Like(pattern) => glob::fits_bytes(pattern.as_bytes(), text.as_bytes(), PartialEq::eq),
        };
        match &self.of {
            Part::Attribute(name) => resource.text(name).map(fits),
            // To read a tag that is not there is a failure.
            Part::Tag(name) => match (resource.tag(name), &self.what) {
                (None, What::There) => Some(false),
                (tag, _) => tag.map(fits),
            },
        }
    }
}

/// Adds what a condition demands; `false` where something follows that is of another form, or deeper.
fn read(condition: &Value, depth: usize, demands: &mut Vec<Demand>) -> bool {
    if let Some(both) = operator(condition, "&&") {
        let Some(depth) = depth.checked_sub(1) else { return false };
        let mut side = |name| both.get(name).is_some_and(|side| read(side, depth, demands));
        return side("left") && side("right");
    }
    let Some(demand) = demand(condition) else { return false };
    demands.push(demand);
    true
}

fn demand(condition: &Value) -> Option<Demand> {
    if let Some(has_tag) = operator(condition, "hasTag") {
        return Some(Demand { of: tag(has_tag)?, what: What::There });
    }
    if let Some(like) = operator(condition, "like") {
        return Some(Demand { of: part(like.get("left")?)?, what: What::Like(pattern(like.get("pattern")?)?) });
    }
    let equal = operator(condition, "==")?;
    Some(Demand { of: part(equal.get("left")?)?, what: What::Is(literal(equal.get("right")?)?) })
}

fn operator<'v>(expression: &'v Value, name: &str) -> Option<&'v Value> {
    let members = expression.as_object()?;
    if members.len() == 1 { members.get(name) } else { None }
}

fn part(expression: &Value) -> Option<Part> {
    if let Some(tagged) = operator(expression, "getTag") {
        return tag(tagged);
    }
    let attribute = operator(expression, ".")?;
    is_resource(attribute.get("left")?).then_some(())?;
    Some(Part::Attribute(attribute.get("attr")?.as_str()?.to_owned()))
}

fn tag(parts: &Value) -> Option<Part> {
    is_resource(parts.get("left")?).then_some(())?;
    Some(Part::Tag(literal(parts.get("right")?)?))
}

fn is_resource(expression: &Value) -> bool {
    operator(expression, "Var").and_then(Value::as_str) == Some("resource")
}

fn literal(expression: &Value) -> Option<String> {
    operator(expression, "Value")?.as_str().map(str::to_owned)
}

/// `None` where a `*` is meant by itself.
fn pattern(parts: &Value) -> Option<String> {
    let mut whole = String::new();
    for part in parts.as_array()? {
        if part.as_str() == Some("Wildcard") {
            whole.push('*');
        } else {
            whole.push_str(operator(part, "Literal")?.as_str().filter(|text| !text.contains('*'))?);
        }
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cedar_policy::{Authorizer, Context, Decision, Entities, Policy, PolicySet, Request};
    use proptest::prelude::*;

    use super::*;
    use crate::guard::{
        cedar::{entities::Place, published::Published, reach::Reach},
        seen::{Thing, Within},
    };

    fn first(condition: &str) -> Option<First> {
        let text = format!("forbid(principal, action, resource) {condition};");
        First::of(&Policy::parse(None, text).unwrap())
    }

    fn thing(noun: &'static str, within: Within) -> Thing {
        let (account, region, arn) = (None, None, None);
        Thing {
            section: "s3",
            noun,
            names: vec!["pool".to_owned()],
            within,
            actions: vec!["s3:GetObject".to_owned()],
            account,
            region,
            arn,
        }
    }

    fn object(key: &str) -> Thing {
        thing("bucket", Within::Key(key.to_owned()))
    }

    fn item(pk: Option<&str>) -> Thing {
        let attributes: BTreeMap<_, _> = pk.map(|pk| ("pk".to_owned(), pk.as_bytes().to_vec())).into_iter().collect();
        thing("table", Within::Items { index: None, attributes, is_item: true, is_cut: false })
    }

    fn with<R>(thing: &Thing, look: impl Fn(&Resource<'_>) -> R) -> R {
        let place = Place { service: "s3", region: "eu-west-1" };
        let readings = Resource::readings(&Published::get().unwrap().names, thing, place, &Reach::EVERYTHING).unwrap();
        let [resource] = readings.as_slice() else { panic!("{readings:?}") };
        look(resource)
    }

    /// What Cedar says of a policy that forbids: whether it holds, and whether it failed.
    fn cedar(condition: &str, resource: &Resource<'_>) -> (bool, bool) {
        let set: PolicySet = format!("forbid(principal, action, resource) {condition};").parse().unwrap();
        let uid = |text: &str| text.parse().unwrap();
        let request = Request::new(uid("U::\"u\""), uid("Action::\"a\""), resource.uid.clone(), Context::empty(), None).unwrap();
        let entities = Entities::from_entities([resource.itself.clone()], None).unwrap();
        let response = Authorizer::new().is_authorized(&request, &set, &entities);
        assert_eq!(response.decision(), Decision::Deny);
        (response.diagnostics().reason().next().is_some(), response.diagnostics().errors().next().is_some())
    }

    #[test]
    fn what_begins_with_a_text_of_the_thing_is_missed_where_that_does_not_fit() {
        let (key, none, tagged) = (object("a/b*c"), item(None), item(Some("acme#1")));
        for (condition, thing, missed) in [
            (r#"when { resource.key like "x/*" }"#, &key, true),
            (r#"when { resource.key like "a/*" }"#, &key, false),
            (r#"when { resource["key"] like "*b*" && resource.bucket like "other*" }"#, &key, true),
            (r#"when { (resource.key like "a*" && resource.key like "*c") && resource.key == "a" }"#, &key, true),
            (r#"when { resource.key == "a/b*c" }"#, &key, false),
            (r#"when { resource.key == "a/b" && context.missing }"#, &key, true),
            (r#"when { resource.key like "a*" } when { resource.bucket == "other" }"#, &key, true),
            (r#"when { resource.key like "a*" } unless { resource.bucket == "other" }"#, &key, false),
            (r#"when { resource.hasTag("pk") && resource.getTag("pk") like "acme#*" }"#, &none, true),
            (r#"when { resource.hasTag("pk") && resource.getTag("pk") like "acme#*" }"#, &tagged, false),
            (r#"when { resource.hasTag("pk") && resource.getTag("pk") like "globex#*" }"#, &tagged, true),
            (r#"when { resource.getTag("pk") == "globex#1" }"#, &tagged, true),
            // It fails, and so is no miss.
            (r#"when { resource.getTag("pk") == "globex#1" }"#, &none, false),
            (r#"when { resource.key like "x/*" }"#, &none, false),
        ] {
            let first = first(condition).unwrap_or_else(|| panic!("{condition}"));
            with(thing, |resource| {
                assert_eq!(first.is_missed_by(resource), missed, "{condition}");
                assert!(!missed || cedar(condition, resource) == (false, false), "{condition}");
            });
        }
    }

    #[test]
    fn what_begins_with_anything_else_is_for_cedar() {
        for condition in [
            "",
            "when { context.hour > 3 }",
            r#"unless { resource.key like "x/*" }"#,
            r#"when { !(resource.key like "x/*") }"#,
            r#"when { resource.key like "x/*" || context.hour > 3 }"#,
            r#"when { context.missing && resource.key like "x/*" }"#,
            r#"when { resource.key != "x" }"#,
            r#"when { resource.key == context.key }"#,
            r#"when { "x" == resource.key }"#,
            r#"when { resource.below == true }"#,
            r#"when { principal.key like "x/*" }"#,
            r#"when { principal.hasTag("pk") }"#,
            r#"when { resource.hasTag(context.name) }"#,
            r#"when { resource.tenant.key == "x" }"#,
            // A star that is meant by itself.
            r#"when { resource.key like "x\*" }"#,
        ] {
            assert_eq!(first(condition), None, "{condition}");
        }
        // What follows such a part is not looked at, since that could fail, or hold.
        with(&object("a"), |resource| {
            for condition in [
                r#"when { resource.key like "a*" && context.missing && resource.key == "b" }"#,
                r#"when { resource.key like "a*" } unless { context.missing } when { resource.key == "b" }"#,
            ] {
                assert!(!first(condition).unwrap().is_missed_by(resource), "{condition}");
                assert_eq!(cedar(condition, resource), (false, true), "{condition}");
            }
        });
    }

    #[test]
    fn what_is_too_deep_is_for_cedar() {
        let missed = |condition: &str| first(condition).is_some_and(|first| with(&object("a"), |resource| first.is_missed_by(resource)));
        let miss = r#"resource.key == "b""#;
        let joined = |number: usize| vec![miss; number].join(" && ");
        assert!(missed(&format!("when {{ {} }}", joined(DEPTH))));
        assert!(!missed(&format!("when {{ {} }}", joined(DEPTH + 1))));
        assert!(missed(&format!("when {{ {miss} }}").repeat(DEPTH)));
        assert!(!missed(&format!("when {{ {miss} }}").repeat(DEPTH + 1)));
        // Both count.
        assert!(!missed(&format!("when {{ {} }} when {{ {miss} }} when {{ {miss} }}", joined(DEPTH - 1))));
    }

    proptest! {
        /// What is missed here holds for nothing and fails at nothing there; and what fits a pattern there is not missed here.
        #[test]
        fn what_is_missed_is_what_cedar_does_not_hold(
            key in "[ab*é/]{0,6}", pattern in "[ab*é/]{0,6}", other in "[ab]{0,2}", tag in proptest::option::of("[ab]{0,2}"), shape in 0..4,
        ) {
            let condition = match shape {
                0 => format!("when {{ resource.key like \"{pattern}\" }}"),
                1 => format!("when {{ resource.key like \"{pattern}\" && resource.key == \"{other}\" }}"),
                2 => format!("when {{ resource.hasTag(\"pk\") && resource.getTag(\"pk\") like \"{other}*\" }}"),
                _ => format!("when {{ resource.getTag(\"pk\") == \"{other}\" && context.missing }}"),
            };
            let first = first(&condition).unwrap();
            let thing = if shape < 2 { object(&key) } else { item(tag.as_deref()) };
            with(&thing, |resource| {
                let (holds, failed) = cedar(&condition, resource);
                let missed = first.is_missed_by(resource);
                assert!(!missed || (!holds && !failed), "{condition} {key} {tag:?}");
                // The forms that are read whole are told whole.
                assert!(shape == 3 || missed != holds, "{condition} {key} {tag:?}");
            });
        }
    }
}
