//! What is for nobody, and what has no effect.

use super::{CONFIG, check_text};

#[test]
fn what_is_for_nobody_is_said() {
    let told = |old: &str, new: &str, tenants: &str| {
        let (code, _, err) = check_text(&CONFIG.replace(old, new), tenants);
        assert_eq!(code, 0, "{err}");
        err.lines().map(|line| line.split_once(": warning: ").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    let gold = "tenants: {acme: {tier: gold}}";
    assert!(told("", "", gold).is_empty(), "who has no limits by tier has forgotten none");
    let limits = |tiers: &str| format!("limits: {{tiers: {{{tiers}}}}}\ntenants:");
    assert!(told("tenants:", &limits("gold: {concurrent: 5}"), gold).is_empty());
    let free = told("tenants:", &limits("free: {concurrent: 5}"), gold);
    assert_eq!(free, ["the tier \"gold\" of the tenant records is not in limits.tiers: limits.default holds for it"]);

    let upstream = "upstream: http://127.0.0.1:8080";
    let routed = format!("routes: [{{tiers: gould, upstream: 'http://127.0.0.1:1'}}], {upstream}");
    assert_eq!(
        told(upstream, &routed, gold),
        ["ingress.routes[0].tiers has \"gould\", which is the tier of no tenant record; did you mean gold?"]
    );
    let ruled = format!("endpoints: [{{path: /a, tiers: [gold, platinum]}}], {upstream}");
    assert_eq!(told(upstream, &ruled, gold), ["ingress.endpoints[0].tiers has \"platinum\", which is the tier of no tenant record"]);

    let rule = "ingress: {endpoints: [{path: /a, roles: admin}],";
    let with_rule = |grants: &str| {
        let config = CONFIG.replace("ingress: {", rule).replace("{issuer: i,", &format!("{{issuer: i, {grants}"));
        check_text(&config, "tenants: {}").2
    };
    assert!(with_rule("roles: [reader],").contains("endpoints[0].roles has \"admin\", which roles of no issuer lets its tokens give"));
    assert_eq!((with_rule("roles: ['a*'],"), with_rule("")), (String::new(), String::new()));

    assert_eq!(
        told("certificate: tls.crt, private_key: tls.key", "certificate: old.crt, private_key: old.key", "tenants: {}"),
        ["ingress.tls.certificate F/old.crt: it expired at 2020-01-01T00:00:00Z; no client will take it"]
    );

    let nowhere = told(
        "{s3: {}}",
        "{dynamo: {unguarded: true}, cloudwatch: {unguarded: true}, s3: {}, mine: {unguarded: true, endpoint: 'https://mine.example'}}",
        "tenants: {}",
    );
    assert_eq!(
        nowhere,
        [
            "egress.services.cloudwatch is no service of AWS's that is known here, and has no endpoint; did you mean monitoring?",
            "egress.services.dynamo is no service of AWS's that is known here, and has no endpoint; did you mean dynamodb?",
        ]
    );
}

#[test]
fn sessions_of_users_and_warm_ups_of_nobody_are_said() {
    let tenants = "tenants: {acme: {tier: gold}}";
    let warnings = |config: &str| {
        let (code, _, err) = check_text(&format!("{config}limits: {{tiers: {{gold: {{}}}}}}\n"), tenants);
        assert_eq!(code, 0, "{err}");
        err
    };
    let warm = |what: &str| format!("  warm_up: {{{what}}}\n");
    let of_users = CONFIG.replace("{role_arn:", "{session_name: 'p-{subject}', role_arn:");
    assert_eq!(warnings(&format!("{CONFIG}{}", warm("tenants: [acme], tiers: [gold]"))), "");
    let err = warnings(&of_users);
    assert!(err.lines().count() == 1 && err.contains("session_name has {subject}: each user of a tenant"), "{err}");
    let err = warnings(&format!("{of_users}{}", warm("tenants: acme")));
    assert!(
        err.lines().count() == 2 && err.contains("credentials.warm_up has no effect: credentials.assume_role.session_name has {subject}"),
        "{err}"
    );
    let err = warnings(&format!("{CONFIG}{}", warm("tenants: [acme, globex], tiers: [gold, silver]")));
    assert!(err.lines().count() == 2 && err.contains("names globex") && err.contains("names \"silver\""), "{err}");
    let any = CONFIG.replace("{file: tenants.yaml}", "{any: {}}");
    let err = warnings(&format!("{any}{}", warm("tiers: gold")));
    assert!(err.contains("credentials.warm_up.tiers has no effect"), "{err}");
}

#[test]
fn what_will_have_no_effect_is_said() {
    let tenants = "tenants: {acme: {revoked: {tokens: [{issuer: i, id: x}]}}}\nrevoked: {subjects: [{issuer: i/, subject: u}]}";
    let (code, _, err) = check_text(CONFIG, tenants);
    assert_eq!((code, err.lines().count()), (0, 1), "{err}");
    assert!(err.contains("the tenant records revoke something of \"i/\""), "{err}");
    let users = format!("{CONFIG}users: {{directory: {{file: users.yaml}}}}\n");
    let (code, out, err) = check_text(&users, "tenants: {}");
    assert_eq!((code, out.contains("users: 1")), (0, true), "{out}{err}");
    assert!(err.lines().count() == 1 && err.contains("the users of \"j\""), "{err}");
    let (code, _, err) = check_text(&users.replace("users.yaml", "junk"), "tenants: {}");
    assert!(code == 2 && err.starts_with("F/junk:1:1:"), "{err}");
    let table =
        "users: {directory: {dynamodb: {table: t, partition_key: pk, max_stale: 2h, endpoint: 'http://127.0.0.1:1', insecure: true}}}\n";
    let (code, out, err) = check_text(&format!("{CONFIG}{table}"), "tenants: {}");
    assert_eq!((code, out.contains("users in table t")), (0, true), "{out}{err}");
    assert!(
        err.lines().count() == 3 && err.contains("max_stale is over an hour") && err.contains("users.directory.dynamodb.endpoint"),
        "{err}"
    );
    assert!(err.contains("users.directory.dynamodb.role_arn is unset"), "{err}");
    let in_table = |more: &str| check_text(&CONFIG.replace("{file: tenants.yaml}", &format!("{{dynamodb: {{table: t{more}}}}}")), "");
    let (code, out, err) = in_table("");
    assert!(code == 0 && out.contains("tenants in table t"), "{out}{err}");
    assert!(err.lines().count() == 2 && err.contains("tenants.directory.dynamodb.role_arn is unset"), "{err}");
    assert!(err.contains("nobody compares ids, a table's: every request of a tenant whose id has a capital letter"), "{err}");
    let (_, _, err) = in_table(", role_arn: 'arn:aws:iam::111122223333:role/directory', max_stale: 2h");
    assert!(err.lines().count() == 2 && err.contains("tenants.directory.dynamodb.max_stale is over an hour"), "{err}");
    let (code, _, err) = in_table(", ca: junk");
    assert!(code == 2 && err.contains("tenants.directory.dynamodb.ca: F/junk: not a PEM file"), "{err}");
}
