//! Services whose requests name what they are about: by name, by ARN, by URL.
//!
//! Where the names stand, the [`table`](crate::aws::resource::table) of the service says, operation by operation. The attack, and what is done about it:
//! * **another's name**: each thing that is named has to be a rule's, byte for byte; where a service could read a name in two ways, in both;
//! * **another account or region**: a name is one in the request's own region; a rule that is to be of one account is written as an ARN, and compared with
//!   the whole of what the request states;
//! * **everybody's names**: listings are refused, and so is what a token or an iterator stands for;
//! * **another reader**: a document or form that could be read in two ways is refused;
//! * **what is everybody's**: of a namespace that tenants share, each metric has to have the tenant's dimensions; a function that runs for one tenant apart is
//!   invoked for the tenant of the request;
//! * **ways out**: what opens a thing to others or sends what is in it elsewhere is not among the usual actions.

use std::borrow::Cow;

use super::{
    rules::{Opinion, Question, Terms, Unruled, Verdict, any_fits},
    seen::{Thing, Within},
    usual::usual,
};
use crate::{
    aws::{
        action::{Actions, Needed},
        partition::Partition,
        resource::{self, Kind, Resource, Touch, table::Table},
        target::Target,
    },
    config::{
        NamePattern, NamedRuleConfig,
        template::{RenderError, Values},
    },
};

/// What tells of a key what anybody may know who may use it, and takes no encryption context.
const WITHOUT_CONTEXT: [&str; 2] = ["DescribeKey", "GetPublicKey"];

/// The rules of one such service.
#[derive(Debug)]
pub(super) struct NamedRules {
    table: &'static Table,
    place: String,
    rules: Vec<NamedRule>,
}

/// One of `guard.sqs` and its like.
#[derive(Debug)]
struct NamedRule {
    terms: Terms,
    names: Vec<NamePattern>,
    /// Those that a model may be asked with.
    guardrails: Vec<NamePattern>,
    context: Vec<(String, NamePattern)>,
}

/// A thing that a request does, and what is around it.
#[derive(Clone, Copy)]
struct Asking<'a> {
    touch: &'a Touch,
    operation: &'a str,
    target: &'a Target,
    needed: &'a Needed<'a>,
    tenant: &'a dyn Values,
}

impl NamedRules {
    /// Those of the service `kind`.
    pub(super) fn new(kind: &str, rules: &[NamedRuleConfig]) -> Option<Self> {
        let table = Table::of(kind)?;
        let usual = usual(kind);
        let usual = usual.as_ref().unwrap_or(Actions::nothing());
        let rule = |config: &NamedRuleConfig| NamedRule {
            terms: Terms::new(&config.terms, usual),
            names: config.names.clone(),
            guardrails: config.guardrails.clone(),
            context: config.context.clone(),
        };
        Some(Self { table, place: format!("guard.{kind}"), rules: rules.iter().map(rule).collect() })
    }

    /// Where they stand.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn judge(&self, question: &Question<'_>, unruled: Unruled<'_>) -> Verdict {
        let Question { asked, needed, tenant, .. } = *question;
        let (operation, touches) = match (asked.operation, resource::touches(self.table, &asked)) {
            (Some(operation), Ok(touches)) => (operation, touches),
            (None, Ok(_)) => return unruled.verdict("a request without a name".into()),
            (_, Err(why)) => return unruled.verdict(why.into()),
        };
        if touches.is_empty() {
            return unruled.ask(&self.rules, |rule| &rule.terms, |rule| rule.terms.allow(needed), || "no rule allows it".into());
        }
        touches.iter().fold(Verdict::allowed(), |verdict, touch| {
            verdict.and(|| {
                let own = touch.action.map(|action| needed.one(action));
                let asking = Asking { touch, operation, target: asked.target, needed: own.as_ref().unwrap_or(needed), tenant };
                let kind = touch.resource.as_ref().map_or(self.table.kind, |resource| resource.kind);
                let nobody = || format!("no rule is about a {} that it names", kind.noun()).into();
                unruled.about(|| self.thing(kind, asking)).ask(&self.rules, |rule| &rule.terms, |rule| rule.opinion(asking), nobody)
            })
        })
    }

    /// What is asked about, for whoever wants to know.
    fn thing(&self, kind: Kind, asking: Asking<'_>) -> Thing {
        let resource = asking.touch.resource.as_ref();
        let itself = if resource.is_some_and(|resource| resource.below) { Within::Below } else { Within::Itself };
        let within = asking.touch.context.clone().map_or(itself, Within::Context);
        let told = |told: fn(&Resource) -> Option<String>| resource.and_then(told);
        Thing {
            names: resource.map(|resource| resource.names.clone()).unwrap_or_default(),
            account: told(|resource| resource.account.clone()),
            region: told(|resource| resource.region.clone()),
            arn: told(|resource| resource.stated.clone()),
            ..Thing::new(self.table.key, kind.noun(), "", within, asking.needed)
        }
    }
}

impl NamedRule {
    fn opinion(&self, asking: Asking<'_>) -> Opinion {
        if let Some(resource) = &asking.touch.resource {
            let names = if resource.kind == Kind::Guardrail { &self.guardrails } else { &self.names };
            if let Err(opinion) = any_fits(names, |pattern| fits(pattern, resource, asking.target, asking.tenant)) {
                return opinion;
            }
        } else if !self.context.iter().any(|(_, value)| value.tells_tenants_apart()) {
            return Opinion::Denied("it names no key, and the rule has no context that would say whose the ciphertext is".into());
        }
        match self.has_context(asking) {
            Ok(()) => self.terms.allow(asking.needed),
            Err(why) => Opinion::Denied(why),
        }
    }

    /// Whether the encryption context has all that the rule asks for.
    fn has_context(&self, asking: Asking<'_>) -> Result<(), Cow<'static, str>> {
        if self.context.is_empty() || WITHOUT_CONTEXT.contains(&asking.operation) {
            return Ok(());
        }
        let what = match asking.touch.resource.as_ref().map(|resource| resource.kind) {
            // What is changed or told is the function, whoever it runs for.
            Some(Kind::Function) if asking.touch.context.is_none() => {
                return Err("it is about all of a function that the rule has for one tenant apart".into());
            }
            Some(Kind::Function) => "headers",
            Some(Kind::Namespace) => "dimensions",
            _ => "encryption context",
        };
        let given = asking.touch.context.as_ref().ok_or_else(|| format!("it takes no {what}, which the rule asks for"))?;
        for (name, pattern) in &self.context {
            let value = given.get(name).ok_or_else(|| format!("there is no {name} in its {what}"))?;
            if !pattern.matches(value, asking.tenant).map_err(|missing| missing.to_string())? {
                return Err(format!("{name} of its {what} is not {pattern}").into());
            }
        }
        Ok(())
    }
}

/// Whether the rule's `pattern` means the resource.
fn fits(pattern: &NamePattern, resource: &Resource, target: &Target, tenant: &dyn Values) -> Result<bool, RenderError> {
    let whole = pattern.whole(tenant)?;
    let is_arn = pattern.to_string().starts_with("arn:") || whole.as_ref().is_some_and(|whole| whole.starts_with("arn:"));
    if !is_arn {
        let here = resource.region.as_ref().is_none_or(|region| *region == target.region);
        let fits = |name: &String| if resource.below { pattern.matches_below(name, tenant) } else { pattern.matches(name, tenant) };
        return Ok(here && resource.names.iter().map(fits).collect::<Result<Vec<_>, _>>()?.iter().all(|fits| *fits));
    }
    if let Some(arn) = arn_of(resource, target) {
        return pattern.matches(&arn, tenant);
    }
    // Keys are mostly named by what is the end of their ARN, and no id is two accounts'.
    let Some(own) = whole.filter(|_| resource.kind == Kind::Key) else { return Ok(false) };
    let own = Resource::stated(Kind::Key, &own);
    Ok(own.is_some_and(|own| own.names == resource.names && own.region.as_ref() == Some(&target.region)))
}

/// The ARN, where the request states it, or all that it consists of.
fn arn_of(resource: &Resource, target: &Target) -> Option<String> {
    if resource.stated.is_some() {
        return resource.stated.clone();
    }
    let (account, partition) = (resource.account.as_ref()?, Partition::of(&target.region)?);
    let [name] = &resource.names[..] else { return None };
    (!resource.below).then(|| resource.kind.arn((partition.id, &target.region, account), name))
}

#[cfg(test)]
mod tests;
