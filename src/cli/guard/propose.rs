//! What rules would have allowed, and what they would not.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    dynamodb, named,
    read::{Counts, Log},
    report::Known,
    s3,
};
use crate::{
    aws::action::{Actions, Pattern},
    config::NamePattern,
    guard::{Touched, UNSAID, usual},
};

/// What of one thing was asked for, and by whom.
pub(super) type Asked<'l> = (&'l Touched, &'l Counts);

/// Section, kind where it is another one than the section's, and name.
type Of<'l> = (&'l str, Option<&'l str>, Option<&'l str>);

/// What is said of a section of `guard`.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) rules: Vec<Rule>,
    /// What there is no rule for.
    pub(super) loose: Vec<String>,
}

/// A rule, in YAML.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) text: String,
    /// Whether it stands as it is; otherwise it is a comment, since somebody has to think about it first.
    pub(super) is_safe: bool,
    pub(super) notes: Vec<String>,
}

/// One bucket, table or queue.
#[derive(Debug)]
pub(super) struct Group<'l> {
    pub(super) section: &'l str,
    /// What it is, where that is not what the section is about.
    pub(super) kind: Option<&'l str>,
    /// Its name as a pattern, where it can be one.
    pub(super) name: Option<&'l str>,
    pub(super) asked: Vec<Asked<'l>>,
}

/// The sections that rules are proposed for, or something is said of.
pub(super) fn propose(log: &Log, known: &Known) -> BTreeMap<String, Section> {
    let mut groups: BTreeMap<Of<'_>, Vec<Asked<'_>>> = BTreeMap::new();
    for (touched, counts) in &log.touched {
        groups.entry((&touched.section, touched.kind.as_deref(), touched.name.as_deref())).or_default().push((touched, counts));
    }
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    for ((section, kind, name), asked) in groups {
        let into = sections.entry(section.to_owned()).or_default();
        let group = Group { section, kind, name, asked };
        match group.pattern(known) {
            Err(why) => into.loose.push(format!("{}: {why}: {}", group.shown(), said(&group.asked))),
            Ok(pattern) => match section {
                "s3" => s3::propose(into, &group, pattern.as_ref()),
                "dynamodb" => dynamodb::propose(into, &group, pattern.as_ref()),
                _ => named::propose(into, &group, pattern.as_ref()),
            },
        }
    }
    sections
}

impl<'l> Group<'l> {
    /// Its name as a rule would have it; `None` where requests have none.
    ///
    /// # Errors
    /// No rule can have it.
    fn pattern(&self, known: &Known) -> Result<Option<NamePattern>, String> {
        let Some(name) = self.name else { return Ok(None) };
        if name == UNSAID {
            return Err("its name is too long for the log, or can be read in two ways".to_owned());
        }
        let pattern = NamePattern::parse(name).map_err(|error| format!("no rule can have its name: {}", error.0))?;
        match pattern.open_end().filter(|_| !known.ids_are_prefix_free) {
            Some(open) => Err(format!("{open}, or tenants in a file (give --config)")),
            None => Ok(Some(pattern)),
        }
    }

    /// For comments.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.kind.unwrap_or(self.section), self.name.unwrap_or("without a name"))
    }

    /// Adds a rule for `asked`: as it stands for what is usual, and as a comment with the actions for what is not.
    pub(super) fn rule(&self, into: &mut Section, parts: &[(&str, String)], asked: &[Asked<'l>], is_safe: bool, notes: &[String]) {
        let is_usual = |(touched, _): &&Asked<'l>| has(usual(self.section).as_ref(), &touched.actions);
        let (plain, other): (Vec<_>, Vec<_>) = asked.iter().partition(is_usual);
        let (plain, other): (Vec<Asked<'l>>, Vec<Asked<'l>>) = (plain.into_iter().copied().collect(), other.into_iter().copied().collect());
        if !plain.is_empty() {
            let text = flow(parts);
            into.rules.push(Rule { text, is_safe, notes: noted(&plain, notes) });
        }
        if !other.is_empty() {
            let actions: BTreeSet<&str> = other.iter().flat_map(|(touched, _)| touched.actions.iter().map(String::as_str)).collect();
            let parts: Vec<_> = parts.iter().cloned().chain([("actions", list(actions.iter().copied()))]).collect();
            let mut notes = noted(&other, notes);
            notes.push("these actions are not among the usual ones: see whether tenants' requests are to do this".to_owned());
            into.rules.push(Rule { text: flow(&parts), is_safe: false, notes });
        }
    }

    /// Adds what no rule was found for: a rule that shares it, as a comment, where several tenants only read it.
    pub(super) fn unruled(&self, into: &mut Section, names: &str, asked: &[Asked<'l>], why: &str) {
        if asked.is_empty() {
            return;
        }
        let actions: BTreeSet<&str> = asked.iter().flat_map(|(touched, _)| touched.actions.iter().map(String::as_str)).collect();
        if let Some(name) =
            self.name.filter(|_| tenants(asked).len() > 1 && !actions.is_empty() && actions.iter().all(|action| reads(action)))
        {
            let parts = [(names, list([name])), ("shared", "true".to_owned()), ("actions", list(actions.iter().copied()))];
            let warning = "several tenants read this: only if all tenants may see all of it, whatever is put there later".to_owned();
            into.rules.push(Rule { text: flow(&parts), is_safe: false, notes: noted(asked, &[why.to_owned(), warning]) });
        } else {
            into.loose.push(format!("{}: {why}: {}", self.shown(), said(asked)));
        }
    }
}

fn noted(asked: &[Asked<'_>], notes: &[String]) -> Vec<String> {
    let mut all = vec![said(asked)];
    if let [only] = tenants(asked).into_iter().collect::<Vec<_>>()[..] {
        all.push(format!("from one tenant only, {only}: whether others' have the same shape is not known"));
    }
    all.extend_from_slice(notes);
    all
}

/// Whether `actions` are all among `allowed`.
fn has(allowed: Option<&Actions>, actions: &[String]) -> bool {
    let patterns: Option<Vec<Pattern>> = actions.iter().map(|action| Pattern::parse(action)).collect();
    let needed = patterns.and_then(Actions::new);
    allowed.zip(needed).is_some_and(|(allowed, needed)| allowed.cover(&needed))
}

/// Whether an action changes nothing, and takes nothing away.
fn reads(action: &str) -> bool {
    let operation = action.split_once(':').map_or(action, |(_, operation)| operation);
    ["BatchGet", "ConditionCheck", "Describe", "Get", "List", "Query", "Read", "Scan"].iter().any(|verb| operation.starts_with(verb))
}

fn tenants<'l>(asked: &[Asked<'l>]) -> BTreeSet<&'l str> {
    asked.iter().flat_map(|(_, counts)| counts.keys().map(String::as_str)).collect()
}

/// How many requests of whom, and for what.
pub(super) fn said(asked: &[Asked<'_>]) -> String {
    let mut by_tenant: BTreeMap<&str, u64> = BTreeMap::new();
    let mut actions: BTreeMap<&str, u64> = BTreeMap::new();
    for (touched, counts) in asked {
        for (tenant, count) in *counts {
            *by_tenant.entry(tenant).or_default() += count;
            touched.actions.iter().for_each(|action| *actions.entry(action).or_default() += count);
        }
    }
    let listed = |of: &BTreeMap<&str, u64>| of.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ");
    format!("requests by tenant: {}; by action: {}", listed(&by_tenant), listed(&actions))
}

/// `{key: value, ...}`
fn flow(parts: &[(&str, String)]) -> String {
    format!("{{{}}}", parts.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(", "))
}

/// A text, as YAML has it too.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A list of texts.
pub(super) fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    format!("[{}]", texts.into_iter().map(quoted).collect::<Vec<_>>().join(", "))
}
