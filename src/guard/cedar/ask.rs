//! Everything that the policies are asked about one request.

use std::time::SystemTime;

use cedar_policy::{Authorizer, Context, Decision, Entities, Entity, PolicyId, PolicySet, Request, Response, Schema};

use super::{
    Asking,
    entities::{Place, Resource},
    policies::Loaded,
    published::{Names, Published, Unsaid},
    reach::Reach,
    schema::OTHER,
    surroundings::{Known, Surroundings},
    who::Principal,
};
use crate::{
    aws::{action::vocabulary, operation::Known as Operation},
    guard::Thing,
};

/// Policies that are named in one line of a log.
const NAMED: usize = 5;

/// Most questions of one request: as many keys as a `DeleteObjects` has, each for two actions. They are asked one after the other, on a thread that others wait for.
const MOST_QUESTIONS: usize = 2_000;

/// One question, and its answer.
pub(super) struct Answered<'a> {
    pub(super) resource: &'a Resource<'a>,
    /// In IAM's words.
    pub(super) action: &'a str,
    pub(super) response: &'a Response,
}

/// What the policies have against a request, for a log.
///
/// # Errors
/// They cannot be asked, and so it is not permitted: why, for a log.
pub(super) fn against(policies: &Loaded, asking: &Asking<'_>, at: SystemTime) -> Result<Option<String>, String> {
    let mut against = None;
    ask(policies, asking, at, Wanted::Denials, |answered| {
        against = answered.against();
        against.is_none()
    })?;
    Ok(against)
}

/// Everything that is asked about a request.
///
/// # Errors
/// The same.
pub(super) fn each(policies: &Loaded, asking: &Asking<'_>, at: SystemTime, mut told: impl FnMut(&Answered<'_>)) -> Result<(), String> {
    ask(policies, asking, at, Wanted::Everything, |answered| {
        told(answered);
        true
    })
}

/// Which answers somebody wants to hear.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Denials,
    Everything,
}

/// Asks about everything that a request does, until `go_on` says that it is enough.
fn ask(
    policies: &Loaded,
    asking: &Asking<'_>,
    at: SystemTime,
    wanted: Wanted,
    mut go_on: impl FnMut(&Answered<'_>) -> bool,
) -> Result<(), String> {
    if let Some(why) = asking.untold {
        return Err(format!("what the request is about cannot be told: {why}"));
    }
    let mut left = MOST_QUESTIONS;
    let asker = Asker::new(policies, asking, at, &policies.reach)?;
    #[cfg(test)]
    let everything = Asker::new(policies, asking, at, &Reach::EVERYTHING)?;
    for judged in asking.about() {
        let (resources, actions) = asker.subject(asking, judged)?;
        for resource in &resources {
            let (context, store) = asker.around(resource, &actions, None)?;
            let around = (&context, &store);
            for (action, entity) in &actions {
                left = left.checked_sub(1).ok_or("the request is about more than the policies are asked")?;
                let slice = policies.slices.about(asker.principal.within.iter(), entity.uid().id().unescaped(), &resource.uid);
                let merged =
                    policies.slices.short(&slice, resource).map(|merged| asker.answer(resource, entity, around, merged)).transpose()?;
                let is_permitted = merged.is_some_and(|response| permits(&response));
                #[cfg(test)]
                everything.agrees(
                    asking,
                    judged,
                    &actions,
                    (&resource.uid, entity),
                    (is_permitted, &asker.answer(resource, entity, around, &slice.policies)?),
                )?;
                if is_permitted && wanted == Wanted::Denials {
                    continue;
                }
                let response = asker.answer(resource, entity, around, &slice.policies)?;
                if !go_on(&Answered { resource, action, response: &response }) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

impl<'a> Asking<'a> {
    /// What it is about: things, and where there are none itself.
    fn about(&self) -> impl Iterator<Item = Option<&'a Thing>> {
        let itself = self.judged.is_empty().then_some(None);
        self.judged.iter().map(|judged| judged.thing.as_ref()).chain(itself)
    }
}

/// Readings of a thing, and the actions that are needed for it.
type Subject<'a> = (Vec<Resource<'a>>, Actions);

/// In IAM's words, and as policies know them.
type Actions = Vec<(String, &'static Entity)>;

/// Who asks about one request, and in which surroundings.
struct Asker<'a> {
    names: &'static Names,
    reach: &'a Reach,
    place: Place<'a>,
    principal: Principal,
    surroundings: Surroundings,
    authorizer: Authorizer,
    #[cfg(test)]
    policies: &'a Loaded,
}

fn unsaid(why: Unsaid) -> String {
    format!("the policies cannot be asked: {why}")
}

impl<'a> Asker<'a> {
    #[cfg_attr(not(test), expect(unused_variables, reason = "tests ask all of them"))]
    fn new(policies: &'a Loaded, asking: &Asking<'a>, at: SystemTime, reach: &'a Reach) -> Result<Self, String> {
        let names = &Published::get().map_err(|why| format!("the schema is none: {why}"))?.names;
        let place = Place { service: &asking.target.service, region: &asking.target.region };
        let principal = asking.who.principal(names, reach).map_err(unsaid)?;
        let known = Known {
            at,
            source: asking.source,
            proof: asking.who.proof,
            token: principal.token.clone(),
            place,
            operation: asking.named.only().map(Operation::name),
        };
        let surroundings = Surroundings::new(known, reach).map_err(unsaid)?;
        Ok(Self {
            names,
            reach,
            place,
            principal,
            surroundings,
            authorizer: Authorizer::new(),
            #[cfg(test)]
            policies,
        })
    }

    /// Neither part is ever empty.
    fn subject(&self, asking: &Asking<'_>, thing: Option<&'a Thing>) -> Result<Subject<'a>, String> {
        let resources = match thing {
            None => Resource::service(self.names, self.place, self.reach).map(|service| vec![service]),
            Some(thing) => Resource::readings(self.names, thing, self.place, self.reach),
        };
        let needed = thing.map_or_else(|| asking.needed.actions(), |thing| thing.actions.clone());
        Ok((resources.map_err(unsaid)?, actions(self.names, needed)?))
    }

    fn around(&self, resource: &Resource<'_>, actions: &Actions, schema: Option<&Schema>) -> Result<(Context, Entities), String> {
        let context = self.surroundings.of(resource.prefix.as_deref().filter(|_| self.reach.reads("prefix"))).map_err(unsaid)?;
        // An action matters as an entity for the groups that it is in alone.
        let grouped = actions.iter().filter(|(_, entity)| self.reach.groups(&entity.uid()));
        let mut all: Vec<Entity> = grouped.map(|(_, entity)| (*entity).clone()).collect();
        // Several actions of other services are one.
        all.dedup_by_key(|entity| entity.uid());
        all.extend(self.principal.entities.iter().cloned());
        all.push(resource.itself.clone());
        let store = Entities::from_entities(all, schema).map_err(|error| told(schema, &error))?;
        Ok((context, store))
    }

    fn answer(
        &self,
        resource: &Resource<'_>,
        action: &Entity,
        (context, store): (&Context, &Entities),
        policies: &PolicySet,
    ) -> Result<Response, String> {
        let request = Request::new(self.principal.user.clone(), action.uid(), resource.uid.clone(), context.clone(), None);
        let request = request.map_err(|error| told(None, &error))?;
        Ok(self.authorizer.is_authorized(&request, policies, store))
    }

    /// Whether all policies, asked with everything that the schema has, give the same answer, short and long; and whether what they are asked is what the
    /// schema has.
    #[cfg(test)]
    fn agrees(
        &self,
        asking: &Asking<'_>,
        thing: Option<&'a Thing>,
        actions: &Actions,
        (resource, action): (&cedar_policy::EntityUid, &Entity),
        (is_permitted, response): (bool, &Response),
    ) -> Result<(), String> {
        let schema = Published::get().ok().map(|published| &published.schema);
        let (resources, _) = self.subject(asking, thing)?;
        let resource = resources.iter().find(|known| known.uid == *resource).expect("it is one of them");
        let (context, store) = self.around(resource, actions, schema)?;
        Request::new(self.principal.user.clone(), action.uid(), resource.uid.clone(), context.clone(), schema)
            .map_err(|error| told(schema, &error))?;
        let whole = self.answer(resource, action, (&context, &store), self.policies.slices.all())?;
        let of = |response: &Response| {
            let answered = Answered { resource, action: "", response };
            let (reasons, failed) = (answered.reasons(), answered.failed());
            let owned = |ids: Vec<&str>| ids.into_iter().map(str::to_owned).collect::<Vec<_>>();
            (response.decision(), owned(reasons), owned(failed))
        };
        assert_eq!(of(response), of(&whole), "{resource:?}");
        assert_eq!(is_permitted, permits(&whole), "{resource:?}");
        Ok(())
    }
}

/// What is wrong with what would be asked. That has names of the request's in it, and is for tests alone.
fn told(schema: Option<&Schema>, error: &dyn std::error::Error) -> String {
    if schema.is_some() { unsaid("") + &error.to_string() } else { unsaid("what would be asked contradicts itself") }
}

/// Never nothing.
fn actions(names: &'static Names, needed: Vec<String>) -> Result<Actions, String> {
    let found = needed.into_iter().map(|action| {
        let service = action.split(':').next().unwrap_or_default();
        let is_read = vocabulary::all().contains_key(service);
        // Of a service that is not read, too: policies go by `context.operation` there, and a request could be made to have none.
        if action.ends_with(":*") {
            return Err("what is asked for cannot be told".to_owned());
        }
        // A name that a request makes up is not for the log.
        let entity = names.action(if is_read { &action } else { OTHER });
        entity.map(|entity| (action, entity)).ok_or_else(|| "the policies have no word for what is asked for".to_owned())
    });
    let found = found.collect::<Result<Vec<_>, String>>()?;
    if found.is_empty() { Err("it needs no action that policies could permit".to_owned()) } else { Ok(found) }
}

impl Answered<'_> {
    /// Whether it is permitted.
    pub(super) fn is_permitted(&self) -> bool {
        permits(self.response)
    }

    /// The policies that decided, in order.
    pub(super) fn reasons(&self) -> Vec<&str> {
        sorted(self.response.diagnostics().reason())
    }

    /// The policies that could not be evaluated, in order.
    pub(super) fn failed(&self) -> Vec<&str> {
        sorted(self.response.diagnostics().errors().map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id(),
        }))
    }

    /// What is against it, for a log: policies and kinds alone.
    pub(super) fn against(&self) -> Option<String> {
        let service = self.action.split(':').next().unwrap_or_default();
        let action = if vocabulary::all().contains_key(service) { self.action } else { OTHER };
        let of = format!("{action} of {}", self.resource.entity);
        let failed = self.failed();
        if !failed.is_empty() {
            return Some(format!("{} cannot be evaluated for {of}", listed(&failed)));
        }
        match (self.response.decision(), self.reasons()) {
            (Decision::Allow, _) => None,
            (Decision::Deny, reasons) if reasons.is_empty() => Some(format!("no policy permits {of}")),
            (Decision::Deny, reasons) => Some(format!("{} forbids {of}", listed(&reasons))),
        }
    }
}

/// Cedar passes over what cannot be evaluated: here that is a denial.
fn permits(response: &Response) -> bool {
    response.decision() == Decision::Allow && response.diagnostics().errors().next().is_none()
}

fn sorted<'i>(ids: impl Iterator<Item = &'i PolicyId>) -> Vec<&'i str> {
    let mut ids: Vec<&str> = ids.map(AsRef::as_ref).collect();
    ids.sort_unstable();
    ids
}

/// `policy a, b`.
fn listed(ids: &[&str]) -> String {
    let more = if ids.len() > NAMED { ", …" } else { "" };
    format!("policy {}{more}", ids.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the request's are for tests alone, which ask with a schema.
    #[test]
    fn what_contradicts_itself_is_said_without_a_name() {
        let error = std::io::Error::other("acme/secret-key");
        assert_eq!(told(None, &error), "the policies cannot be asked: what would be asked contradicts itself");
        let schema = &Published::get().unwrap().schema;
        assert_eq!(told(Some(schema), &error), "the policies cannot be asked: acme/secret-key");
    }
}
