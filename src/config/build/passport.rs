//! `identity.passport`

use super::{Section, parse};
use crate::{
    aws::action::Actions,
    config::{PassportConfig, PassportRule, PassportTerms},
};

/// Nothing where there is no ingress, which alone makes passports. None are made where there is no egress, which alone takes them.
pub(super) fn passport(section: &Section<'_>, has_ingress: bool, has_egress: bool) -> Option<Option<PassportConfig>> {
    if section.has("passport") {
        if !has_ingress {
            section.wrong("passport", "has no effect without ingress, which alone makes passports", "remove it, or add ingress");
        } else if !has_egress {
            section.wrong("passport", "has no effect without egress, which alone takes passports", "remove it, or add egress");
        }
    }
    if !has_ingress {
        return Some(None);
    }
    let passport = section.section("passport");
    let _ = passport.get("lifetime", parse::text);
    let (terms, grace) = (terms(&passport), passport.get("grace", parse::duration));
    let (stall, max_live) = (passport.get("stall", parse::duration), passport.get("max_live", parse::size));
    Some(Some(PassportConfig { terms: terms?, grace: grace?, stall: stall?, max_live: max_live? }))
}

/// `ingress.endpoints[].passport`
pub(super) fn of_endpoint(section: &Section<'_>) -> PassportRule {
    let rule = PassportRule {
        actions: Actions::new(section.all("actions", parse::action)),
        max_uses: max_uses(section),
        max_age: section.get("max_age", parse::duration),
        upgrade_max_age: section.get("upgrade_max_age", parse::duration),
    };
    if rule.upgrade_max_age.zip(rule.max_age).is_some_and(|(upgrade, max_age)| upgrade < max_age) {
        section.wrong("upgrade_max_age", "is less than max_age", "give as much or more, or leave it out");
    }
    rule
}

fn max_uses(section: &Section<'_>) -> Option<u32> {
    section.get("max_uses", parse::count).and_then(|uses| u32::try_from(uses).ok())
}

fn terms(section: &Section<'_>) -> Option<PassportTerms> {
    let max_age = section.get("max_age", parse::duration);
    let upgrade_max_age = if section.has("upgrade_max_age") { section.get("upgrade_max_age", parse::duration) } else { max_age };
    if let (Some(max_age), Some(upgrade)) = (max_age, upgrade_max_age)
        && upgrade < max_age
    {
        section.wrong("upgrade_max_age", "is less than max_age", "give as much or more, or leave it out");
    }
    if !section.has("upgrade_max_age")
        && let Some(max_age) = max_age
    {
        section.set("upgrade_max_age", serde_json::json!(crate::config::quantity::show_duration(max_age)));
    }
    let actions = Actions::new(section.all("actions", parse::action));
    let max_uses = max_uses(section);
    Some(PassportTerms { max_age: max_age?, upgrade_max_age: upgrade_max_age?, actions, max_uses })
}
