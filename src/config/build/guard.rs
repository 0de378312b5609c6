//! `guard`

mod cedar;
mod named;
mod search;

use std::collections::{BTreeMap, BTreeSet};

use super::{Section, parse};
use crate::{
    aws::{action::Actions, resource::table::Table, service::search_key},
    config::{
        EgressConfig, GuardConfig, GuardMode, NamePattern, NamePrefix, RuleTerms, S3EncryptionConfig, S3RuleConfig, ServiceConfig,
        ServiceRules, is_guarded, judged_as, kind_of,
        template::{Lands, Name, Template},
    },
};

mod dynamodb;

/// Reads `guard` against the services of `egress`: absent, there and wrong, or built.
pub(super) fn guard(root: &Section<'_>, egress: Option<&Option<EgressConfig>>, ids_are_known: bool) -> Option<GuardConfig> {
    let Some(section) = root.given("guard") else {
        unguarded_for_nothing(root, egress);
        return Some(GuardConfig::default());
    };
    if egress.is_none() {
        root.wrong("guard", "has no effect without egress", "remove it, or add egress");
        return None;
    }
    let mode = section.get("mode", mode)?;
    let around = Around { mode, ids_are_known };
    let s3: Option<Vec<_>> = section.sections("s3").into_iter().map(|(_, rule)| s3(&rule, around)).collect();
    let tables: Option<Vec<_>> = section.sections("dynamodb").into_iter().map(|(_, rule)| dynamodb::rule(&rule, around)).collect();
    let mut rules = BTreeMap::new();
    if section.has("dynamodb") {
        rules.insert("dynamodb".to_owned(), ServiceRules::DynamoDb(tables?));
    }
    if section.has("s3") {
        rules.insert("s3".to_owned(), ServiceRules::S3(s3?));
    }
    rules.extend(named::rules(&section, around)?);
    rules.extend(search::rules(&section, around)?);
    let cedar = section.given("cedar").map_or(Some(None), |cedar| cedar::policies(&cedar, mode).map(Some));
    let config = |rules| Some(GuardConfig { mode, rules, cedar: cedar.clone()? });
    // Policies, too, have to know what requests are about.
    let watches = mode == GuardMode::Audit || (mode == GuardMode::Off && cedar.iter().flatten().next().is_some());
    if let Some(egress) = egress.and_then(Option::as_ref).filter(|_| watches) {
        watched(&egress.services, &mut rules);
    }
    if let Some(egress) = egress.and_then(Option::as_ref)
        && !fits(root, &section, &egress.services, (mode, &rules))
    {
        return None;
    }
    config(rules)
}

/// Without rules everything is watched where the guard only watches: that is how rules are found, and how policies know what they are asked about.
fn watched(services: &BTreeMap<String, ServiceConfig>, rules: &mut BTreeMap<String, ServiceRules>) {
    for (key, service) in services.iter().filter(|(_, service)| !service.unguarded) {
        let kind = judged_as(kind_of(key, service));
        let none = match kind {
            "dynamodb" => ServiceRules::DynamoDb(Vec::new()),
            "s3" => ServiceRules::S3(Vec::new()),
            _ if Table::of(kind).is_some() => ServiceRules::Named(Vec::new()),
            _ if search_key(kind).is_some() => ServiceRules::Search(Vec::new()),
            _ => continue,
        };
        rules.entry(kind.to_owned()).or_insert(none);
    }
}

/// What rules are read against.
#[derive(Debug, Clone, Copy)]
struct Around {
    mode: GuardMode,
    ids_are_known: bool,
}

/// Whether each service that may be called has rules or wants none, and each rule a service that may be called.
fn fits(
    root: &Section<'_>,
    section: &Section<'_>,
    services: &BTreeMap<String, ServiceConfig>,
    (mode, rules): (GuardMode, &BTreeMap<String, ServiceRules>),
) -> bool {
    let below = root.section("egress");
    let mut right = true;
    let mut called = BTreeSet::new();
    for (key, service) in services {
        let own = kind_of(key, service);
        // What has no rules of its own may want none of another's either.
        let kind = if service.unguarded { own } else { judged_as(own) };
        match (rules.contains_key(kind), service.unguarded) {
            (true, true) => {
                below.wrong_entry("services", key, format!("is unguarded, and has rules in guard.{kind}"), "remove one of the two");
                right = false;
            }
            (false, false) if mode == GuardMode::Off => {}
            (false, false) => {
                let cure = if is_guarded(kind) {
                    format!("give guard.{kind}, or unguarded: true where the tenant's role is enough")
                } else {
                    "the guard has no rules for it: say unguarded: true where the tenant's role is enough, or remove it".to_owned()
                };
                below.wrong_entry("services", key, "has no rule in guard, so that every request would be refused", cure);
                right = false;
            }
            (true, false) | (false, true) => {}
        }
        called.insert(kind);
    }
    for kind in rules.keys().filter(|kind| !called.contains(kind.as_str())) {
        section.wrong(kind, format!("has no effect: {kind} is not in egress.services"), "remove it, or add the service");
        right = false;
    }
    right
}

fn unguarded_for_nothing(root: &Section<'_>, egress: Option<&Option<EgressConfig>>) {
    let services = egress.and_then(Option::as_ref).map(|egress| &egress.services);
    for (key, _) in services.into_iter().flatten().filter(|(_, service)| service.unguarded) {
        root.section("egress").wrong_entry("services", key, "is unguarded, and there is no guard", "remove unguarded, or add guard");
    }
}

fn mode(scalar: &crate::config::document::Scalar) -> Option<GuardMode> {
    Some(match scalar.text.as_str() {
        "enforce" => GuardMode::Enforce,
        "audit" => GuardMode::Audit,
        "off" => GuardMode::Off,
        _ => return None,
    })
}

/// What every rule has. `tells_apart`: whether what it is about is one tenant's, as far as its patterns say.
fn terms(section: &Section<'_>, around: Around, tells_apart: bool) -> Option<RuleTerms> {
    let own = if section.has("mode") { section.get("mode", mode)? } else { around.mode };
    if !section.has("mode") {
        section.set("mode", around.mode.as_str().into());
    }
    let actions = Actions::new(section.all("actions", parse::action));
    let shared = section.get("shared", parse::boolean)?;
    let name = section.name();
    match (shared, tells_apart) {
        (false, false) => {
            section.wrong(
                "shared",
                "is false, and the rule says the same for every tenant",
                "put {tenant.id} into it, or say shared: true where all tenants are to share this",
            );
            return None;
        }
        (true, true) => {
            section.wrong("shared", "is true, and the rule tells tenants apart", "remove it");
            return None;
        }
        (true, false) | (false, true) => {}
    }
    Some(RuleTerms { name: name.into(), mode: own, actions })
}

fn s3(section: &Section<'_>, around: Around) -> Option<S3RuleConfig> {
    let buckets = names(section, "buckets", around).filter(|names| are_possible(section, "buckets", names, &BUCKETS));
    let prefix = if section.has("prefix") { Some(prefix(section, "prefix", around)) } else { None };
    let prefix = prefix.map_or(Some(None), |prefix| prefix.map(Some));
    let (buckets, prefix) = (buckets?, prefix?);
    let tells_apart = buckets.iter().all(NamePattern::tells_tenants_apart) || prefix.as_ref().is_some_and(NamePrefix::tells_tenants_apart);
    let encryption = section.given("kms").map_or(Some(None), |kms| encryption(&kms).map(Some));
    let terms = terms(section, around, tells_apart);
    let customer_keys = if section.has("sse_c") {
        section.get("sse_c", parse::text)? == "allow"
    } else {
        let allows = !section.has("kms");
        section.set("sse_c", if allows { "allow" } else { "refuse" }.into());
        allows
    };
    Some(S3RuleConfig { terms: terms?, buckets, prefix, encryption: encryption?, customer_keys })
}

fn encryption(section: &Section<'_>) -> Option<S3EncryptionConfig> {
    let template = |scalar: &crate::config::document::Scalar| Template::parse(&scalar.text, Lands::Header).ok();
    let key = section.get("key", template);
    let context = section.pairs("context", template);
    let inject = section.get("missing", parse::text)? == "inject";
    for (setting, used) in key.iter().map(|key| ("key", key)).chain(context.iter().map(|(_, value)| ("context", value))) {
        if let Some(name) = used.names().find(|name| name.is_of_a_user()) {
            let wrong = format!("{{{name}}} is of a user, and which key is a tenant's depends on the tenant alone");
            section.wrong(setting, wrong, "use the tenant's record");
            return None;
        }
    }
    if key.as_ref().is_some_and(|key| !key.names().any(Name::tells_tenants_apart))
        && !context.iter().any(|(_, value)| value.names().any(Name::tells_tenants_apart))
    {
        section.wrong("key", "is the same for every tenant, and so is the context", "put {tenant.kms_key} or {tenant.id} into one of them");
        return None;
    }
    Some(S3EncryptionConfig { key: key?, context, inject })
}

fn names(section: &Section<'_>, key: &str, around: Around) -> Option<Vec<NamePattern>> {
    let patterns = section.all(key, parse::name_pattern);
    let mut right = !patterns.is_empty();
    for (number, pattern) in patterns.iter().enumerate() {
        if let Some(open) = pattern.open_end().filter(|_| !around.ids_are_known) {
            section.wrong_item(key, number, open.to_string(), KNOWN_IDS);
            right = false;
        }
    }
    right.then_some(patterns)
}

/// What names of one kind consist of, besides digits.
struct Named {
    noun: &'static str,
    letters: fn(&char) -> bool,
    punctuation: &'static str,
}

/// "Bucket naming rules", Amazon S3 user guide: what requests are about has no capitals either.
const BUCKETS: Named = Named { noun: "bucket", letters: char::is_ascii_lowercase, punctuation: ".-" };
/// `TableName` of `CreateTable`, DynamoDB API reference.
const TABLES: Named = Named { noun: "table", letters: char::is_ascii_alphabetic, punctuation: "._-" };

/// Whether there could be such buckets or tables: a rule that fits nothing would refuse everything, and nobody would see why. What requests state of an ARN besides the
/// name is compared on its own.
fn are_possible(section: &Section<'_>, key: &str, names: &[NamePattern], named: &Named) -> bool {
    let Named { noun, letters, punctuation } = named;
    let mut right = true;
    for (number, pattern) in names.iter().enumerate() {
        let text = pattern.to_string();
        let wrong = if text.starts_with("arn:") {
            "is an ARN".to_owned()
        } else if let Some(c) =
            named::literals(&text).find(|c| !letters(c) && !c.is_ascii_digit() && *c != '*' && !punctuation.contains(*c))
        {
            format!("has {c:?}, which stands in the name of no {noun}")
        } else {
            continue;
        };
        section.wrong_item(key, number, wrong, format!("give the name of the {noun} alone"));
        right = false;
    }
    right
}

fn prefix(section: &Section<'_>, key: &str, around: Around) -> Option<NamePrefix> {
    let prefix = section.get(key, parse::name_prefix)?;
    if let Some(open) = prefix.open_end().filter(|_| !around.ids_are_known) {
        section.wrong(key, open.to_string(), KNOWN_IDS);
        return None;
    }
    Some(prefix)
}

const KNOWN_IDS: &str = "or keep the tenants in a file (tenants.directory.file), where it can be seen that no id begins another";
