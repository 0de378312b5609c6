//! Which policies can have a say, so that the others are not evaluated.
//!
//! A policy whose scope does not have the user, the action or the type of the resource is one that holds for nothing of the request, whatever its conditions say. What is
//! left is a set of its own, made once for all requests alike. Tests ask every question of all policies as well, and want the same answer.

use std::{collections::HashMap, sync::Arc};

use cedar_policy::{ActionConstraint, EntityTypeName, EntityUid, Policy, PolicySet, PrincipalConstraint, ResourceConstraint};
use dashmap::DashMap;

use super::{
    entities::Resource,
    first::First,
    merged::{self, Part},
    published::Names,
};

/// Sets that are kept; then they are made anew. Roles make them different, and a thousand kinds of requests are more than an application has.
const MOST_KEPT: usize = 1_024;

/// A set of policies, by their numbers.
type Bits = Box<[u64]>;

/// Policies by what their scopes have.
#[derive(Debug)]
pub(super) struct Slices {
    policies: Vec<Known>,
    all: Arc<Slice>,
    /// Those that are for whichever principal.
    anybody: Bits,
    /// Those for a user, a role or a tenant.
    principals: HashMap<EntityUid, Bits>,
    actions: HashMap<String, Bits>,
    types: HashMap<EntityTypeName, Bits>,
    kept: DashMap<Bits, Arc<Slice>>,
}

/// A policy, and what slices want of it.
#[derive(Debug)]
struct Known {
    policy: Policy,
    part: Part,
    first: Option<First>,
}

/// Some of the policies.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) policies: PolicySet,
    /// The same, for a short answer.
    merged: Option<PolicySet>,
    rest: Option<Rest>,
}

/// What is left of a slice where the demands of the others are missed.
#[derive(Debug)]
struct Rest {
    /// By number.
    demanding: Vec<usize>,
    merged: PolicySet,
}

impl Slice {
    fn new<'k>(policies: PolicySet, known: impl Iterator<Item = (usize, &'k Known)> + Clone) -> Arc<Self> {
        let merged = merged::of(known.clone().map(|(_, known)| &known.part));
        let demanding: Vec<usize> = known.clone().filter(|(_, known)| known.first.is_some()).map(|(number, _)| number).collect();
        let others = known.filter(|(_, known)| known.first.is_none()).map(|(_, known)| &known.part);
        let rest = if demanding.is_empty() { None } else { merged::of(others).map(|merged| Rest { demanding, merged }) };
        Arc::new(Self { policies, merged, rest })
    }
}

impl Slices {
    pub(super) fn new(set: PolicySet, names: &Names) -> Self {
        let known = |policy: &Policy| Known { policy: policy.clone(), part: Part::of(policy), first: First::of(policy) };
        let policies: Vec<Known> = set.policies().map(known).collect();
        let which = |holds: &dyn Fn(&Policy) -> bool| {
            let mut bits = vec![0; policies.len().div_ceil(64)].into_boxed_slice();
            policies.iter().enumerate().filter(|(_, known)| holds(&known.policy)).for_each(|(number, _)| put(&mut bits, number));
            bits
        };
        let whom = |policy: &Policy| match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
            PrincipalConstraint::Eq(uid) | PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => Some(uid),
        };
        let named: Vec<EntityUid> = policies.iter().filter_map(|known| whom(&known.policy)).collect();
        let principals = named.into_iter().map(|uid| (uid.clone(), which(&|policy| whom(policy).as_ref() == Some(&uid)))).collect();
        let action = |id: &str, uid: &EntityUid| {
            let holds = |policy: &Policy| match policy.action_constraint() {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(own) => own == *uid,
                ActionConstraint::In(groups) => groups.iter().any(|group| names.is_in(uid, group)),
            };
            (id.to_owned(), which(&holds))
        };
        let of_type = |name: &EntityTypeName| {
            let holds = |policy: &Policy| match policy.resource_constraint() {
                ResourceConstraint::Any | ResourceConstraint::In(_) => true,
                ResourceConstraint::Eq(uid) => uid.type_name() == name,
                ResourceConstraint::Is(own) | ResourceConstraint::IsIn(own, _) => own == *name,
            };
            (name.clone(), which(&holds))
        };
        Self {
            anybody: which(&|policy| whom(policy).is_none()),
            principals,
            actions: names.actions().map(|(id, uid)| action(id, &uid)).collect(),
            types: names.types().map(of_type).collect(),
            all: Slice::new(set, policies.iter().enumerate()),
            policies,
            kept: DashMap::new(),
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> &PolicySet {
        &self.all.policies
    }

    /// Those that can have a say on what a principal, with all that it is in, does with a thing. What is not known here is for all of them.
    pub(super) fn about<'p>(&self, principal: impl Iterator<Item = &'p EntityUid>, action: &str, resource: &EntityUid) -> Arc<Slice> {
        let (Some(action), Some(of_type)) = (self.actions.get(action), self.types.get(resource.type_name())) else {
            return self.all.clone();
        };
        let mut bits = self.anybody.clone();
        for whose in principal.filter_map(|uid| self.principals.get(uid)) {
            bits.iter_mut().zip(whose).for_each(|(bits, whose)| *bits |= whose);
        }
        bits.iter_mut().zip(action).zip(of_type).for_each(|((bits, action), of_type)| *bits &= action & of_type);
        if let Some(known) = self.kept.get(&bits) {
            return known.clone();
        }
        let some = self.policies.iter().enumerate().filter(|(number, _)| has(&bits, *number));
        let Ok(policies) = PolicySet::from_policies(some.clone().map(|(_, known)| known.policy.clone())) else { return self.all.clone() };
        let some = Slice::new(policies, some);
        if self.kept.len() >= MOST_KEPT {
            self.kept.clear();
        }
        self.kept.insert(bits, some.clone());
        some
    }

    /// Those of a slice that give the short answer about a thing.
    pub(super) fn short<'s>(&self, slice: &'s Slice, resource: &Resource<'_>) -> Option<&'s PolicySet> {
        let is_missed = |number: &usize| {
            let first = self.policies.get(*number).and_then(|known| known.first.as_ref());
            first.is_some_and(|first| first.is_missed_by(resource))
        };
        let rest = slice.rest.as_ref().filter(|rest| rest.demanding.iter().all(is_missed));
        rest.map(|rest| &rest.merged).or(slice.merged.as_ref())
    }
}

fn put(bits: &mut [u64], number: usize) {
    if let Some(word) = bits.get_mut(number / 64) {
        *word |= 1 << (number % 64);
    }
}

fn has(bits: &[u64], number: usize) -> bool {
    bits.get(number / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
}

#[cfg(test)]
mod tests {
    use cedar_policy::PolicyId;

    use super::*;
    use crate::guard::{
        cedar::{entities::Place, published::Published, reach::Reach},
        seen::{Thing, Within},
    };

    /// Policies that permit what these scopes have, each called by its number.
    fn slices<'s>(scopes: impl IntoIterator<Item = &'s str>) -> Slices {
        let policy =
            |(number, scope): (usize, &str)| Policy::parse(Some(PolicyId::new(number.to_string())), format!("permit({scope});")).unwrap();
        let policies = scopes.into_iter().enumerate().map(policy);
        Slices::new(PolicySet::from_policies(policies).unwrap(), &Published::get().unwrap().names)
    }

    fn uid(text: &str) -> EntityUid {
        format!("Palisade::{text}").parse().unwrap()
    }

    fn numbers(slice: &Slice) -> Vec<usize> {
        let mut numbers: Vec<usize> = slice.policies.policies().map(|policy| AsRef::<str>::as_ref(policy.id()).parse().unwrap()).collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn a_slice_has_the_policies_that_can_have_a_say_and_no_others() {
        let (user, role, object) = (uid("User::\"u\""), uid("Role::\"a\""), uid("Object::\"b/k\""));
        let scopes = [
            ("principal == Palisade::User::\"v\", action, resource", false),
            ("principal, action, resource", true),
            ("principal == Palisade::User::\"u\", action, resource", true),
            ("principal in Palisade::Role::\"a\", action, resource", true),
            ("principal in Palisade::Role::\"b\", action, resource", false),
            ("principal is Palisade::User, action, resource", true),
            ("principal is Palisade::User in Palisade::Role::\"a\", action, resource", true),
            ("principal is Palisade::User in Palisade::Role::\"b\", action, resource", false),
            ("principal, action == Palisade::Action::\"s3:GetObject\", resource", true),
            ("principal, action == Palisade::Action::\"s3:PutObject\", resource", false),
            ("principal, action in Palisade::Action::\"s3:GetObject\", resource", true),
            ("principal, action in Palisade::Action::\"read\", resource", true),
            ("principal, action in Palisade::Action::\"write\", resource", false),
            ("principal, action in [Palisade::Action::\"write\", Palisade::Action::\"s3\"], resource", true),
            ("principal, action in [], resource", false),
            ("principal, action, resource is Palisade::Object", true),
            ("principal, action, resource is Palisade::Bucket", false),
            ("principal, action, resource is Palisade::Object in Palisade::Bucket::\"b\"", true),
            ("principal, action, resource is Palisade::Item in Palisade::Table::\"t\"", false),
            ("principal, action, resource in Palisade::Bucket::\"b\"", true),
            ("principal, action, resource == Palisade::Object::\"b/k\"", true),
            ("principal, action, resource == Palisade::Bucket::\"b\"", false),
            ("principal in Palisade::Role::\"a\", action == Palisade::Action::\"s3:PutObject\", resource is Palisade::Object", false),
        ];
        let slices = slices(scopes.map(|(scope, _)| scope));
        let found = numbers(&slices.about([&user, &role].into_iter(), "s3:GetObject", &object));
        for (number, (scope, is)) in scopes.iter().enumerate() {
            assert_eq!(found.contains(&number), *is, "{scope}");
        }
        for (action, resource) in [("s3:GetObjekt", "Object::\"b/k\""), ("s3:GetObject", "Objekt::\"b/k\"")] {
            let found = slices.about([&user].into_iter(), action, &uid(resource));
            assert_eq!(numbers(&found).len(), scopes.len(), "what is not known is for all of them");
        }
    }

    /// However many there are, each is told from the others.
    #[test]
    fn policies_are_counted_beyond_a_word() {
        let scopes: Vec<String> = (0..130).map(|number| format!("principal in Palisade::Role::\"{number}\", action, resource")).collect();
        let slices = slices(scopes.iter().map(String::as_str));
        for some in [&[0, 63][..], &[1, 64, 65], &[127, 128, 129], &[]] {
            let roles: Vec<EntityUid> = some.iter().map(|number| uid(&format!("Role::\"{number}\""))).collect();
            let found = slices.about(roles.iter(), "s3:GetObject", &uid("Object::\"b/k\""));
            assert_eq!(numbers(&found), some);
        }
    }

    /// Where every demand is missed, whoever makes them is left out; where one is met, nobody is.
    #[test]
    fn the_short_answer_is_of_those_whose_demands_are_not_missed() {
        let policies = r#"permit(principal, action, resource);
            forbid(principal, action, resource) when { resource.key like "x/*" };
            forbid(principal, action, resource) when { resource.key like "*/y" && context.hour > 3 };"#;
        let names = &Published::get().unwrap().names;
        let slices = Slices::new(policies.parse().unwrap(), names);
        let place = Place { service: "s3", region: "eu-west-1" };
        for (key, effects) in [("a", 1), ("x", 1), ("x/a", 2), ("a/y", 2), ("x/y", 2)] {
            let (account, region, arn, actions) = (None, None, None, vec!["s3:GetObject".to_owned()]);
            let within = Within::Key(key.to_owned());
            let thing = Thing { section: "s3", noun: "bucket", names: vec!["b".to_owned()], within, actions, account, region, arn };
            let resources = Resource::readings(names, &thing, place, &Reach::EVERYTHING).unwrap();
            let slice = slices.about([].into_iter(), "s3:GetObject", &resources[0].uid);
            assert_eq!(slices.short(&slice, &resources[0]).unwrap().num_of_policies(), effects, "{key}");
        }
    }

    #[test]
    fn a_slice_is_made_once() {
        let slices = slices(["principal, action, resource is Palisade::Object", "principal, action, resource is Palisade::Bucket"]);
        let about = |resource: &str| slices.about([].into_iter(), "s3:GetObject", &uid(resource));
        let (object, bucket) = (about("Object::\"b/k\""), about("Bucket::\"b\""));
        assert!(!Arc::ptr_eq(&object, &bucket));
        for (again, first) in [("Object::\"b/other\"", &object), ("Bucket::\"other\"", &bucket), ("Object::\"b/k\"", &object)] {
            assert!(Arc::ptr_eq(&about(again), first), "{again}");
        }
    }
}
