//! `credentials.budget` and `credentials.warm_up`.

use super::*;

fn credentials(more: &str) -> String {
    with("  assume_role:", &format!("  {more}\n  assume_role:"))
}

#[test]
fn there_is_a_budget_unless_another_is_given_and_no_warm_up() {
    let config = good(BASE).credentials.unwrap();
    let budget = config.budget;
    assert_eq!((budget.requests_per_second, budget.burst, budget.concurrent, budget.queue), (50.0, 100, 24, 1_024));
    assert_eq!(budget.wait, Duration::from_secs(5));
    assert!(config.warm_up.is_none());
    let budget = good(&credentials("budget: {requests_per_second: 0.5, concurrent: 2}")).credentials.unwrap().budget;
    assert_eq!((budget.requests_per_second, budget.burst, budget.concurrent), (0.5, 100, 2));
    let warm_up = good(&credentials("warm_up: {tenants: acme, tiers: [gold, silver], wait: 1m}")).credentials.unwrap().warm_up.unwrap();
    assert_eq!((warm_up.tenants, warm_up.tiers.len()), (vec!["acme".parse().unwrap()], 2));
    assert_eq!(warm_up.wait, Duration::from_secs(60));
}

#[test]
fn a_budget_without_room_and_a_warm_up_of_nobody_are_errors() {
    for (more, line) in [
        ("budget: {requests_per_second: 0}", "P:11:33: credentials.budget.requests_per_second: "),
        ("budget: {burst: 3}", "P:11:19: credentials.budget.burst: "),
        ("budget: {concurrent: 1}", "P:11:24: credentials.budget.concurrent: "),
        ("budget: {rate: 5}", "P:11:12: credentials.budget.rate: is not a known setting"),
        ("warm_up: {wait: 5s}", "P:11:3: credentials.warm_up: names nobody; give tenants or tiers"),
        ("warm_up: {tenants: [a/b]}", "P:11:23: credentials.warm_up.tenants"),
    ] {
        expect(&credentials(more), &[line]);
    }
}

#[test]
fn what_makes_sessions_of_users_is_found_wherever_it_stands() {
    let plan = |text: &str| good(text).credentials.unwrap().plans.default.unwrap();
    assert!(plan(BASE).of_users().is_empty());
    for (more, key, name) in [
        ("    session_name: '{subject}'", "session_name", "subject"),
        ("    source_identity: '{tenant.id}-{claims.sub}'", "source_identity", "claims.sub"),
        ("    session_tags: {A: '{tenant.id}', B: '{issuer}'}", "session_tags.B", "issuer"),
        (
            "    session_policy: {inline: {Statement: {Effect: Allow, Action: 's3:*', Resource: '{client.subject}'}}}",
            "session_policy",
            "client.subject",
        ),
    ] {
        let plan = plan(&format!("{BASE}{more}\n"));
        let found: Vec<_> = plan.of_users().into_iter().map(|(key, name)| (key, name.to_string())).collect();
        assert_eq!(found, [(key.to_owned(), name.to_owned())]);
    }
}

/// Every configuration that the guide shows.
#[test]
fn the_guide_s_examples_load() {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/guide/sessions.md")).unwrap();
    let examples: Vec<_> = guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 2, "{examples:?}");
    for text in examples {
        let more = text.strip_prefix("credentials:\n  ").unwrap();
        good(&credentials(more.trim_end()));
    }
}
