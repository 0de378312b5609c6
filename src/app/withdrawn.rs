//! What becomes of passports that were made under another configuration.
//!
//! They are worth what they were made worth, with one exception: a request that the rules in force would give fewer actions has no longer
//! what it was given. Which actions that are is found as for a new request, by method and path.

use crate::{authorise::Endpoints, aws::action::Actions, config::PassportTerms, identity::StillGives};

/// Asks these rules what they would give.
pub(super) fn still_given_by(endpoints: &Endpoints, terms: &PassportTerms) -> StillGives {
    let (endpoints, terms) = (endpoints.clone(), terms.clone());
    Box::new(move |method, path, held| {
        let given = |rule| covers(terms.under(rule).actions.as_ref(), held);
        let Some(path) = path else {
            // Whichever rule would be about it.
            return covers(terms.actions.as_ref(), held) && endpoints.rules().all(|rule| given(&rule.passport));
        };
        if let Some(ruling) = endpoints.without_path() {
            return !ruling.refuses_all() && covers(terms.actions.as_ref(), held);
        }
        // A path that these rules do not read, or that none of them is about where that is refused, would not be let in and given nothing.
        let Ok(path) = endpoints.read(path) else { return false };
        let ruling = endpoints.rule_on(method, &path);
        !ruling.refuses_all() && ruling.passport().map_or_else(|| covers(terms.actions.as_ref(), held), given)
    })
}

/// Whether who holds `held` has nothing that is not `given`; `None` is everything.
fn covers(given: Option<&Actions>, held: Option<&Actions>) -> bool {
    match (given, held) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(given), Some(held)) => given.cover(held),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::{
        authorise::{Asks, Methods, PathPattern, Rule, Unmatched},
        aws::action::Pattern,
        config::PassportRule,
    };

    fn actions(patterns: &[&str]) -> Option<Actions> {
        Actions::new(patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect())
    }

    /// Rules by path and their actions, before everything else, which has `rest`; none of these is everything.
    fn rules(rules: &[(&str, &[&str])], rest: &[&str]) -> StillGives {
        rules_and(rules, rest, Unmatched::Allow)
    }

    fn rules_and(rules: &[(&str, &[&str])], rest: &[&str], unmatched: Unmatched) -> StillGives {
        let rule = |(path, own): &(&str, &[&str])| Rule {
            methods: Methods::ALL,
            path: PathPattern::parse(path).unwrap(),
            clients: [].into(),
            asks: Asks::Tenant { roles: [].into(), scopes: [].into(), tiers: [].into() },
            passport: PassportRule { actions: actions(own), ..PassportRule::default() },
        };
        let endpoints =
            if rules.is_empty() { Endpoints::none() } else { Endpoints::new(rules.iter().map(rule).collect(), unmatched, false) };
        let life = std::time::Duration::from_secs(60);
        still_given_by(&endpoints, &PassportTerms { max_age: life, upgrade_max_age: life, actions: actions(rest), max_uses: None })
    }

    fn stays(gives: &StillGives, path: &str, held: &[&str]) -> bool {
        gives(&Method::GET, Some(path), actions(held).as_ref())
    }

    #[test]
    fn fewer_actions_for_all_end_what_has_more() {
        let gives = rules(&[], &["s3:Get*"]);
        assert!(stays(&gives, "/a", &["s3:GetObject"]) && stays(&gives, "/a", &["s3:Get*"]));
        assert!(!stays(&gives, "/a", &["s3:*"]) && !stays(&gives, "/a", &[]));
        let everything = rules(&[], &[]);
        assert!(stays(&everything, "/a", &[]) && stays(&everything, "/a", &["s3:*"]));
    }

    #[test]
    fn the_rule_that_would_decide_now_says_it_whatever_the_others_do() {
        // The rule has come, or has come to be before the other one.
        let gives = rules(&[("/reports/daily", &["s3:GetObject"]), ("/reports/**", &["s3:*"])], &[]);
        assert!(!stays(&gives, "/reports/daily", &["s3:*"]) && !stays(&gives, "/reports/daily", &[]));
        assert!(stays(&gives, "/reports/daily", &["s3:GetObject"]) && stays(&gives, "/reports/weekly", &["s3:*"]));
        assert!(stays(&gives, "/elsewhere", &[]), "nothing is said of it");
        // And has gone.
        let gives = rules(&[("/reports/**", &["s3:*"])], &["s3:GetObject"]);
        assert!(!stays(&gives, "/elsewhere", &["s3:*"]) && stays(&gives, "/reports/daily", &["s3:*"]));
    }

    #[test]
    fn what_no_rule_lets_in_any_more_ends() {
        let gives = rules_and(&[("/reports/**", &["s3:*"])], &[], Unmatched::Deny);
        assert!(stays(&gives, "/reports/daily", &["s3:GetObject"]) && !stays(&gives, "/elsewhere", &["s3:GetObject"]));
    }

    #[test]
    fn what_cannot_be_told_ends() {
        let gives = rules(&[("/reports/**", &["s3:GetObject"])], &[]);
        assert!(!stays(&gives, "/reports/%2e%2e/x", &["s3:GetObject"]), "it would not be let in");
        let unknown = |held: &[&str]| gives(&Method::GET, None, actions(held).as_ref());
        assert!(unknown(&["s3:GetObject"]) && !unknown(&["s3:*"]) && !unknown(&[]));
    }
}
