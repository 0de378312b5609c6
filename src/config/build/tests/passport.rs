//! `identity.passport`

use std::{fs, path::Path, time::Duration};

use super::{BASE, load};

#[test]
fn passports_are_what_the_file_says() {
    let with = |passport: &str| BASE.replace("identity:\n", &format!("identity:\n  passport: {passport}\n"));
    let passport = |text: &str| load(&with(text)).unwrap().identity.passport.unwrap();
    let plain = passport("{max_age: 1m}");
    let minute = Duration::from_secs(60);
    assert_eq!((plain.terms.max_age, plain.terms.upgrade_max_age, plain.grace), (minute, minute, Duration::ZERO));
    assert_eq!((plain.terms.actions, plain.terms.max_uses, plain.max_live), (None, None, 65_536));
    let bound = passport(
        "{max_age: 1m, upgrade_max_age: 1h, grace: 2s, stall: 30s, actions: ['s3:Get*', 'dynamodb:*'], max_uses: 7, max_live: 100}",
    );
    assert_eq!((plain.stall, bound.stall), (minute / 3, minute / 2));
    assert_eq!((bound.terms.upgrade_max_age, bound.grace, bound.terms.max_uses, bound.max_live), (60 * minute, minute / 30, Some(7), 100));
    assert_eq!(bound.terms.actions.unwrap().services().collect::<Vec<_>>(), ["s3", "dynamodb"]);
    for (wrong, what) in [
        ("{upgrade_max_age: 1m}", "identity.passport.upgrade_max_age: is less than max_age"),
        ("{grace: 6s}", "identity.passport.grace: \"6s\" is out of range"),
        ("{actions: []}", "identity.passport.actions: is an empty list"),
        ("{actions: 's3:Get?bject'}", "identity.passport.actions: \"s3:Get?bject\" is not taken here; give an action of IAM's"),
        ("{actions: ['*']}", "identity.passport.actions[0]: \"*\" is not taken here"),
        ("{max_uses: 0}", "identity.passport.max_uses: \"0\" is out of range"),
        ("{stall: 0s}", "identity.passport.stall: \"0s\" is out of range"),
        ("{max_live: 1}", "identity.passport.max_live: \"1\" is out of range"),
    ] {
        let errors = load(&with(wrong)).unwrap_err().to_string();
        assert!(errors.contains(what), "{wrong}: {errors}");
    }
}

#[test]
fn a_rule_of_an_endpoint_has_what_it_says_alone() {
    let with = |rule: &str| BASE.replace("8080}", &format!("8080, endpoints: [{{path: /a, {rule}}}]}}"));
    let config = load(&with("passport: {actions: 's3:Get*', max_age: 10s}")).unwrap();
    let rule = config.ingress.unwrap().access.endpoints.rules().next().unwrap().passport.clone();
    assert_eq!((rule.max_age, rule.upgrade_max_age, rule.max_uses), (Some(Duration::from_secs(10)), None, None));
    assert_eq!(rule.actions.unwrap().services().collect::<Vec<_>>(), ["s3"]);
    for (wrong, what) in [
        ("auth: none, passport: {max_uses: 1}", "ingress.endpoints[0].passport: is given to nobody"),
        ("passport: {max_age: 5m, upgrade_max_age: 1m}", "ingress.endpoints[0].passport.upgrade_max_age: is less than max_age"),
        ("passport: {actions: 's3'}", "ingress.endpoints[0].passport.actions: \"s3\" is not taken here"),
        ("passport: {grace: 1s}", "ingress.endpoints[0].passport.grace: is not a known setting"),
    ] {
        let errors = load(&with(wrong)).unwrap_err().to_string();
        assert!(errors.contains(what), "{wrong}: {errors}");
    }
}

/// The configuration that the guide shows.
#[test]
fn the_guide_s_example_loads() {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/guide/passports.md")).unwrap();
    let examples: Vec<_> = guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 2);
    let passport = examples[0].strip_prefix("identity:\n").unwrap();
    let config = load(&BASE.replace("identity:\n", &format!("identity:\n{passport}"))).unwrap();
    assert_eq!(config.identity.passport.unwrap().terms.max_uses, Some(100));
    let endpoints = examples[1].strip_prefix("ingress:\n").unwrap();
    let ingress = "ingress:\n  tls: {certificate: c, private_key: c}\n  upstream: http://127.0.0.1:8080\n";
    let (_, rest) = BASE.split_once('\n').unwrap();
    let config = load(&format!("{ingress}{endpoints}{rest}")).unwrap();
    let uses: Vec<_> = config.ingress.unwrap().access.endpoints.rules().map(|rule| rule.passport.max_uses).collect();
    assert_eq!(uses, [Some(20), None]);
}
