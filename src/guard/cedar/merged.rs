//! Many policies as two: one that permits what any of them permits, and one that forbids what any of them forbids.
//!
//! Cedar puts the condition of every policy together anew at every question, which costs more than most conditions do; of two policies it does so twice. What it says of the
//! two is enough where it permits and nothing failed: then some policy permits, none forbids, and every one could be evaluated. Whatever else it says is no
//! answer but a reason to ask the policies themselves, which have names for a log.
//!
//! Both have every condition in a set, since Cedar evaluates all members of one and `||` would stop at the first that holds: what comes after it could be a policy that cannot be
//! evaluated, which is a denial.

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};
use serde_json::{Map, Value, json};

/// A policy, to be put together with others.
#[derive(Debug)]
pub(super) struct Part {
    effect: Effect,
    /// When it holds; `None`: it is of a form that is not known here.
    condition: Option<Value>,
}

impl Part {
    pub(super) fn of(policy: &Policy) -> Self {
        Self { effect: policy.effect(), condition: condition(policy) }
    }
}

/// `None`: there is one of a form that is not known here, and they have to be asked themselves.
pub(super) fn of<'p>(parts: impl Iterator<Item = &'p Part>) -> Option<PolicySet> {
    let mut conditions = [(Effect::Permit, "permit", Vec::new()), (Effect::Forbid, "forbid", Vec::new())];
    for part in parts {
        let (.., of_effect) = conditions.iter_mut().find(|(effect, ..)| *effect == part.effect)?;
        of_effect.push(part.condition.as_ref()?);
    }
    let whole = conditions.into_iter().filter(|(.., conditions)| !conditions.is_empty()).map(|(_, effect, conditions)| {
        let any = json!({"contains": {"left": {"Set": conditions}, "right": {"Value": true}}});
        let everything = json!({"op": "All"});
        let policy = json!({
            "effect": effect,
            "principal": everything,
            "action": everything,
            "resource": everything,
            "conditions": [{"kind": "when", "body": any}],
        });
        Policy::from_json(Some(PolicyId::new(effect)), policy).ok()
    });
    PolicySet::from_policies(whole.collect::<Option<Vec<_>>>()?).ok()
}

/// When a policy holds, in [Cedar's JSON](https://docs.cedarpolicy.com/policies/json-format.html).
fn condition(policy: &Policy) -> Option<Value> {
    let Value::Object(mut policy) = policy.to_json().ok()? else { return None };
    let mut all = Vec::new();
    for variable in ["principal", "action", "resource"] {
        let Value::Object(scope) = policy.remove(variable)? else { return None };
        scoped(variable, scope, &mut all)?;
    }
    let Value::Array(conditions) = policy.remove("conditions")? else { return None };
    for mut condition in conditions {
        let body = condition.get_mut("body")?.take();
        all.push(match condition.get("kind")?.as_str()? {
            "when" => body,
            "unless" => json!({"!": {"arg": body}}),
            _ => return None,
        });
    }
    // What is no truth value fails as it would have: a set would take it.
    let all = all.into_iter().rev().reduce(|right, left| json!({"&&": {"left": left, "right": right}}));
    let truth = json!({"Value": true});
    Some(match all {
        Some(all) => json!({"&&": {"left": truth, "right": all}}),
        None => truth,
    })
}

/// What a part of the scope demands.
fn scoped(variable: &str, mut scope: Map<String, Value>, all: &mut Vec<Value>) -> Option<()> {
    let itself = json!({"Var": variable});
    let operator = scope.get("op")?.as_str()?.to_owned();
    match operator.as_str() {
        "All" => {}
        "==" | "in" => {
            let right = match (scope.remove("entity"), scope.remove("entities")) {
                (Some(entity), None) => literal(entity),
                (None, Some(Value::Array(entities))) => json!({"Set": entities.into_iter().map(literal).collect::<Vec<_>>()}),
                _ => return None,
            };
            all.push(json!({operator: {"left": itself, "right": right}}));
        }
        "is" => {
            let mut is = json!({"left": itself, "entity_type": scope.remove("entity_type")?});
            if let Some(mut within) = scope.remove("in") {
                is["in"] = literal(within.get_mut("entity")?.take());
            }
            all.push(json!({"is": is}));
        }
        _ => return None,
    }
    Some(())
}

fn literal(entity: Value) -> Value {
    json!({"Value": {"__entity": entity}})
}

#[cfg(test)]
mod tests {
    use cedar_policy::{Authorizer, Context, Decision, Entities, Entity, EntityUid, Request};

    use super::*;

    fn uid(text: &str) -> EntityUid {
        text.parse().unwrap()
    }

    /// Every form that a scope has, over every kind of condition: whatever Cedar permits of the policies, without a failure, is permitted of the two, and nothing else.
    #[test]
    fn the_two_permit_what_the_many_permit() {
        let principals = [
            "principal",
            "principal == A::\"a\"",
            "principal in R::\"r\"",
            "principal is A",
            "principal is A in R::\"r\"",
            "principal == A::\"b\"",
        ];
        let actions =
            ["action", "action == Action::\"x\"", "action in Action::\"g\"", "action in [Action::\"y\", Action::\"g\"]", "action in []"];
        let resources =
            ["resource", "resource == T::\"t\"", "resource in T::\"top\"", "resource is T", "resource is T in T::\"top\"", "resource is A"];
        let conditions = [
            "",
            "when { context.yes }",
            "when { context.no }",
            "unless { context.no }",
            "when { context.yes } unless { context.yes }",
            "when { context.missing }",
            "when { context.no } unless { context.missing }",
            "when { context.number }",
            "unless { context.number }",
            "when { context.no && context.missing }",
            "when { {\"__entity\": context.yes}.__entity }",
        ];
        let mut texts = Vec::new();
        for effect in ["permit", "forbid"] {
            for scope in principals.iter().map(|principal| (*principal, "action", "resource")) {
                texts.push((effect, scope, conditions[0]));
            }
            for scope in actions.iter().map(|action| ("principal", *action, "resource")) {
                texts.push((effect, scope, conditions[1]));
            }
            for scope in resources.iter().map(|resource| ("principal", "action", *resource)) {
                texts.push((effect, scope, conditions[3]));
            }
            texts.extend(conditions.iter().map(|condition| (effect, (principals[2], actions[2], resources[4]), *condition)));
            texts.extend(conditions.iter().map(|condition| (effect, (principals[5], actions[1], resources[3]), *condition)));
        }
        let policies: Vec<Policy> = texts
            .iter()
            .enumerate()
            .map(|(number, (effect, (principal, action, resource), condition))| {
                let text = format!("{effect} ({principal}, {action}, {resource}) {condition};");
                Policy::parse(Some(PolicyId::new(number.to_string())), text).unwrap()
            })
            .collect();
        let entity = |uid: &EntityUid, within: &str| Entity::new(uid.clone(), [].into(), [within.parse().unwrap()].into()).unwrap();
        let (who, what, thing) = (uid("A::\"a\""), uid("Action::\"x\""), uid("T::\"t\""));
        let all = [entity(&who, "R::\"r\""), entity(&what, "Action::\"g\""), entity(&thing, "T::\"top\"")];
        let entities = Entities::from_entities(all, None).unwrap();
        let context = Context::from_json_value(json!({"yes": true, "no": false, "number": 7}), None).unwrap();
        let request = Request::new(who, what, thing, context, None).unwrap();
        let authorizer = Authorizer::new();
        let permits = |set: &PolicySet| {
            let response = authorizer.is_authorized(&request, set, &entities);
            response.decision() == Decision::Allow && response.diagnostics().errors().next().is_none()
        };
        let mut permitted = 0;
        let mut compare = |some: &[usize]| {
            let set = PolicySet::from_policies(some.iter().map(|number| policies[*number].clone())).unwrap();
            let whole = permits(&set);
            let parts: Vec<_> = set.policies().map(Part::of).collect();
            let two = of(parts.iter()).expect("every form is known");
            assert!(two.num_of_policies() <= 2);
            assert_eq!(permits(&two), whole, "{:?}", some.iter().map(|number| &texts[*number]).collect::<Vec<_>>());
            permitted += usize::from(whole);
        };
        compare(&[]);
        let count = policies.len();
        for one in 0..count {
            compare(&[one]);
            // Every fifth pair: debug builds take their time.
            (0..one).filter(|other| (one + other) % 5 == 0).for_each(|other| compare(&[one, other]));
        }
        for first in 0..count {
            compare(
                &[first, (first * 7 + 3) % count, (first * 13 + 5) % count]
                    .into_iter()
                    .collect::<std::collections::BTreeSet<_>>()
                    .into_iter()
                    .collect::<Vec<_>>(),
            );
        }
        assert!(permitted > 60 && permitted < count * count / 12, "{permitted} of {count}");
    }
}
