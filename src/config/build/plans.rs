//! `credentials.assume_role`, `credentials.assume_role_with_web_identity`, and the same below `credentials.services`.

use std::time::Duration;

use super::{Section, arns::wrong_for_any_value, credentials::token_is_own, parse, session_policy::session_policy};
use crate::config::{
    AskConfig, AssumeRoleConfig, HopConfig, PlanConfig, PlansConfig, Proofs, WebIdentityConfig, WebTokenConfig,
    error::quote,
    template::{Lands, OpenEnd, Template},
};

const ASSUME_ROLE: &str = "assume_role";
const WEB_IDENTITY: &str = "assume_role_with_web_identity";
/// Settings by which tenants are told apart, and what they are taken for.
const DECIDING: [&str; 7] = ["role_arn", "session_tags", "token_tags", "session_policy", "policy_arns", "role", "tags"];
/// Most session tags. [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html)
const MAX_TAGS: usize = 50;
/// Most managed session policies, as there.
const MAX_POLICY_ARNS: usize = 10;
/// Roles in between. Each is a call more before a tenant's first, and an hour's cap holds for all.
const MAX_HOPS: usize = 3;
/// What STS gives at most to a role that another role assumes.
const MAX_CHAINED: Duration = Duration::from_secs(3_600);

/// What plans have to go together with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'c> {
    /// Keys of `egress.services`, and what the egress takes for a proof; `None` where the egress is wrong.
    pub(super) egress: Option<(&'c [&'c str], Proofs)>,
    /// Whether every tenant's id can be looked at, now and later.
    pub(super) ids_are_known: bool,
    /// Whether something else than plans needs an identity.
    pub(super) needs_identity: bool,
    /// Whether the authority may be one that an application can ask for as well, since none is beside or that is accepted.
    pub(super) may_be_shared: bool,
}

/// The plans below `section`.
pub(super) fn plans(section: &Section<'_>, around: Around<'_>) -> Option<PlansConfig> {
    let default = plan(section, around);
    let mut services = Some(std::collections::BTreeMap::new());
    let mut named = Vec::new();
    for (name, below) in section.sections("services") {
        if around.egress.is_some_and(|(known, _)| !known.contains(&name.as_str())) {
            section.wrong_entry(
                "services",
                &name,
                "is no service of egress.services: the plan would be for nothing",
                "remove it, or list the service there",
            );
        }
        match plan(&below, around) {
            Some(Some(plan)) => services.iter_mut().for_each(|services| drop(services.insert(name.clone(), plan.clone()))),
            Some(None) => {
                section.wrong_entry("services", &name, "has no plan", format!("give {ASSUME_ROLE} or {WEB_IDENTITY}"));
                services = None;
            }
            None => services = None,
        }
        named.push(name);
    }
    if matches!(default, Some(None)) {
        let without = around.egress.and_then(|(known, _)| known.iter().find(|service| !named.iter().any(|name| name == **service)));
        match without {
            Some(service) if !named.is_empty() => section.wrong(
                ASSUME_ROLE,
                format!("is missing, and {service} has no plan of its own in services"),
                format!("give {ASSUME_ROLE} or {WEB_IDENTITY}, or a plan for the service"),
            ),
            None if !named.is_empty() => {}
            _ => section.wrong(ASSUME_ROLE, "is missing", "egress needs it: give role_arn"),
        }
    }
    Some(PlansConfig { default: default?, services: services? })
}

/// The plan in `section`, if there is one. The outer `None` means that there is one and it is wrong.
fn plan(section: &Section<'_>, around: Around<'_>) -> Option<Option<PlanConfig>> {
    if section.has(ASSUME_ROLE) && section.has(WEB_IDENTITY) {
        section.wrong(WEB_IDENTITY, format!("is here beside {ASSUME_ROLE}"), "a session is made in one way: remove one of them");
    }
    let (section, ask) = if let Some(section) = section.given(ASSUME_ROLE) {
        let ask = assume_role(&section, around).map(AskConfig::AssumeRole);
        (section, ask)
    } else if let Some(section) = section.given(WEB_IDENTITY) {
        let ask = web_identity(&section, around).map(AskConfig::WebIdentity);
        (section, ask)
    } else {
        return Some(None);
    };
    let plan = PlanConfig { key: section.name(), ask: ask?, others: [].into(), lower_case_ids: false };
    let plan = PlanConfig { lower_case_ids: !around.ids_are_known && plan.names_by_id(), ..plan };
    // What is wrong elsewhere may be what was to tell them apart.
    if !plan.tells_tenants_apart() && !section.has_errors(&DECIDING) {
        let tags = if matches!(plan.ask, AskConfig::AssumeRole(_)) { "session_tags" } else { "token_tags" };
        let mut wrong = format!(
            "is the same for every tenant, and so are {tags}, session_policy and policy_arns: all tenants would get the same rights"
        );
        let misplaced = plan
            .session_policy()
            .and_then(|policy| policy.alike().iter().find_map(|alike| Some((alike.statement, alike.misplaced.as_ref()?))));
        if let Some((number, place)) = misplaced {
            wrong.push_str(&format!(" (in session_policy the tenant stands in {place} of Statement[{number}], where it bounds nothing)"));
        }
        section.wrong(
            "role_arn",
            wrong,
            "put {tenant.id} (or {tenant.account}, or an attribute) into one of them: in a policy into Resource, or into a condition that is not met without it",
        );
    }
    Some(Some(plan))
}

fn assume_role(section: &Section<'_>, around: Around<'_>) -> Option<AssumeRoleConfig> {
    let role_arn = role_arn(section, around);
    let session_name = session_name(section);
    let external_id = section.get("external_id", |s| Template::parse(&s.text, Lands::ExternalId).ok());
    let source_identity = section.get("source_identity", |s| Template::parse(&s.text, Lands::SourceIdentity).ok());
    let session_tags = tags(section, "session_tags", around);
    let transitive_tag_keys = transitive(section, &session_tags);
    let session_policy = session_policy(section, around);
    let policy_arns = policy_arns(section, around);
    let duration = section.get("duration", parse::duration);
    let hops = section.sections("via");
    if hops.len() > MAX_HOPS {
        section.wrong("via", format!("has {} roles", hops.len()), format!("{MAX_HOPS} are the most"));
    }
    let via: Vec<_> = hops.iter().map(|(_, hop)| self::hop(hop, around)).collect();
    let stages: Vec<_> = hops.iter().map(|(_, hop)| hop).chain([section]).collect();
    inherited(&stages);
    if section.has("via") && duration.is_some_and(|duration| duration > MAX_CHAINED) {
        section.wrong(
            "duration",
            "is over 1h, which STS refuses to a role that another role assumes (via)",
            "lower it to 1h, or leave it out",
        );
    }
    Some(AssumeRoleConfig {
        role_arn: role_arn?,
        session_name: session_name?,
        external_id,
        source_identity,
        session_tags,
        transitive_tag_keys,
        session_policy: session_policy?,
        policy_arns: policy_arns?,
        duration: duration?,
        via: via.into_iter().collect::<Option<_>>()?,
    })
}

fn hop(section: &Section<'_>, around: Around<'_>) -> Option<HopConfig> {
    let (role_arn, session_name) = (role_arn(section, around), session_name(section));
    let external_id = section.get("external_id", |s| Template::parse(&s.text, Lands::ExternalId).ok());
    let session_tags = tags(section, "session_tags", around);
    let transitive_tag_keys = transitive(section, &session_tags);
    Some(HopConfig { role_arn: role_arn?, session_name: session_name?, external_id, session_tags, transitive_tag_keys })
}

/// STS refuses a tag that the session inherits already, in whatever case.
fn inherited(stages: &[&Section<'_>]) {
    let mut inherited: Vec<String> = Vec::new();
    for section in stages {
        for (key, _) in section.pairs("session_tags", |_| Some(())) {
            if let Some(known) = inherited.iter().find(|known| known.eq_ignore_ascii_case(&key)) {
                section.wrong_entry(
                    "session_tags",
                    &key,
                    format!("is inherited from a role of via already, as {known}: STS refuses to have it twice"),
                    "remove it here",
                );
            }
        }
        inherited.extend(section.all("transitive_tag_keys", parse::text));
    }
}

fn web_identity(section: &Section<'_>, around: Around<'_>) -> Option<WebIdentityConfig> {
    let token = section.given("token").and_then(|token| self::token(&token, around));
    let role_arn = role_arn(section, around);
    let session_name = session_name(section);
    let token_tags = tags(section, "token_tags", around);
    let session_policy = session_policy(section, around);
    let policy_arns = policy_arns(section, around);
    let duration = section.get("duration", parse::duration);
    let token = token?;
    if token != WebTokenConfig::Caller && section.has("token_tags") {
        section.wrong("token_tags", "is about tokens of callers, and token is a file", "remove it");
    }
    if token == WebTokenConfig::Caller && around.egress.is_some_and(|(_, proofs)| !proofs.passport && !proofs.jwt) {
        section.wrong(
            "token",
            "is the caller's, and no proof in egress.proofs has one behind it",
            "use {file: PATH} or assume_role, or take jwt or passport for a proof",
        );
    }
    Some(WebIdentityConfig {
        token,
        role_arn: role_arn?,
        session_name: session_name?,
        token_tags,
        session_policy: session_policy?,
        policy_arns: policy_arns?,
        duration: duration?,
    })
}

fn token(section: &Section<'_>, around: Around<'_>) -> Option<WebTokenConfig> {
    if section.has("caller") {
        section.set("caller", serde_json::json!({}));
        return Some(WebTokenConfig::Caller);
    }
    // By its name too: on the machine that checks a configuration the file is often not there.
    let named = section.get("file", parse::text).map(|text| section.base().join(text));
    let is_own = named.is_none_or(|path| token_is_own(section, "file", &path, around.may_be_shared));
    section.file("file").filter(|_| is_own).map(WebTokenConfig::File)
}

fn session_name(section: &Section<'_>) -> Option<Template> {
    section.get("session_name", |s| Template::parse(&s.text, Lands::SessionName).ok())
}

fn role_arn(section: &Section<'_>, around: Around<'_>) -> Option<Template> {
    let template = section.get("role_arn", |s| Template::parse_open(&s.text, Lands::Arn).ok())?;
    let text = template.as_text();
    let fixed = template.names().next().is_none();
    let scalar = super::super::document::Scalar { text: text.to_owned(), plain: false };
    if (fixed && parse::role_arn(&scalar).is_none()) || !(text.starts_with("arn:") || text.starts_with('{')) {
        section.wrong("role_arn", format!("{} is no role's ARN", quote(text)), "give one such as arn:aws:iam::111122223333:role/NAME");
        return None;
    }
    if let Some((open, cure)) = unsettled(template.open_end(), around) {
        section.wrong("role_arn", open, cure);
    } else if let Some(why) = wrong_for_any_value(&template) {
        let cure = "give one such as arn:aws:iam::111122223333:role/NAME";
        section.wrong("role_arn", format!("{} is no role's ARN, whatever its values are: {why}", quote(text)), cure);
        return None;
    }
    Some(template)
}

/// What is wrong with an end that is right only for ids of which none is the beginning of another, where the ids are not known.
pub(super) fn unsettled(open: Option<&OpenEnd>, around: Around<'_>) -> Option<(String, &'static str)> {
    open.filter(|_| !around.ids_are_known).map(|open| {
        (open.to_string(), "or keep the tenants in a file (tenants.directory.file), where it can be seen that no id begins another")
    })
}

fn tags(section: &Section<'_>, setting: &str, around: Around<'_>) -> Vec<(String, Template)> {
    let tags = section.pairs(setting, |s| Template::parse_open(&s.text, Lands::TagValue).ok());
    if tags.len() > MAX_TAGS {
        section.wrong(setting, format!("has {} tags", tags.len()), format!("STS takes {MAX_TAGS}"));
    }
    for (number, (key, template)) in tags.iter().enumerate() {
        if tags[..number].iter().any(|(other, _)| other.to_lowercase() == key.to_lowercase()) {
            section.wrong_entry(setting, key, "differs from another key in case alone", "STS does not tell them apart; remove one");
        }
        if let Some((open, cure)) = unsettled(template.open_end(), around) {
            section.wrong_entry(setting, key, open, cure);
        }
    }
    tags
}

fn transitive(section: &Section<'_>, tags: &[(String, Template)]) -> Vec<String> {
    let keys = section.all("transitive_tag_keys", parse::text);
    for (number, key) in keys.iter().enumerate() {
        if !tags.iter().any(|(tag, _)| tag == key) {
            section.wrong_item(
                "transitive_tag_keys",
                number,
                format!("{} is no key of session_tags", quote(key)),
                "add the tag, or remove this",
            );
        }
    }
    keys
}

/// The outer `None` means that one of them is wrong.
fn policy_arns(section: &Section<'_>, around: Around<'_>) -> Option<Vec<Template>> {
    let arns = section.all("policy_arns", |s| Template::parse_open(&s.text, Lands::Arn).ok());
    let mut right = section.is_sound("policy_arns") || !section.has("policy_arns");
    if arns.len() > MAX_POLICY_ARNS {
        section.wrong("policy_arns", format!("has {} policies", arns.len()), format!("STS takes {MAX_POLICY_ARNS}"));
    }
    for (number, template) in arns.iter().enumerate() {
        let text = template.as_text();
        let fixed = template.names().next().is_none();
        if (fixed && !parse::is_policy_arn(text)) || !(text.starts_with("arn:") || text.starts_with('{')) {
            section.wrong_item(
                "policy_arns",
                number,
                format!("{} is no managed policy's ARN", quote(text)),
                "give one such as arn:aws:iam::111122223333:policy/NAME",
            );
            right = false;
        }
        if let Some((open, cure)) = unsettled(template.open_end(), around) {
            section.wrong_item("policy_arns", number, open, cure);
        }
    }
    right.then_some(arns)
}
