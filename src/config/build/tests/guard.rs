use super::*;
use crate::config::{GuardMode, ServiceRules};

const POOL: &str = "{s3: [{buckets: [pool], prefix: '{tenant.id}/'}]}";

fn errors(services: &str, guard: &str) -> String {
    load(&format!("{}guard: {guard}\n", with("{s3: {}}", services))).map(drop).unwrap_err().to_string()
}

#[test]
fn without_a_guard_there_is_none_and_with_one_it_is_enforced() {
    let guard = good(BASE).guard;
    assert!(guard.mode == GuardMode::Off && guard.rules.is_empty());
    let guard = good(&format!("{BASE}guard: {POOL}\n")).guard;
    let ServiceRules::S3(rules) = &guard.rules["s3"] else { panic!("{guard:?}") };
    assert_eq!((guard.mode, rules[0].terms.mode, &*rules[0].terms.name), (GuardMode::Enforce, GuardMode::Enforce, "guard.s3[0]"));
    let text = "{mode: audit, s3: [{buckets: ['own-{tenant.id}']}, {buckets: [site], shared: true, mode: off, actions: 's3:GetObject'}]}";
    let guard = good(&format!("{BASE}guard: {text}\n")).guard;
    let ServiceRules::S3(rules) = &guard.rules["s3"] else { panic!("{guard:?}") };
    assert_eq!((rules[0].terms.mode, rules[1].terms.mode), (GuardMode::Audit, GuardMode::Off));
    assert!(rules[0].terms.actions.is_none() && rules[1].terms.actions.is_some() && rules[0].prefix.is_none());
}

/// What is commented out inside it would have bounded something.
#[test]
fn a_guard_that_is_null_is_an_error() {
    let wrong = load(&format!("{BASE}guard:\n  # s3: []\n")).unwrap_err().to_string();
    assert!(wrong.starts_with("P:13:6: guard: is null"), "{wrong}");
    assert!(errors("{s3: {}}", "{s3: null}").contains("guard.s3: is null"));
}

#[test]
fn every_service_has_rules_or_says_that_it_wants_none() {
    assert!(
        good(&format!("{}guard: {POOL}\n", with("{s3: {}}", "{s3: {}, sqs: {unguarded: true}}"))).egress.unwrap().services["sqs"].unguarded
    );
    for (services, guard, wrong) in [
        (
            "{s3: {}, athena: {}}",
            POOL,
            "egress.services.athena: has no rule in guard, so that every request would be refused; the guard has no rules for it",
        ),
        ("{s3: {}}", "{}", "egress.services.s3: has no rule in guard, so that every request would be refused; give guard.s3"),
        ("{s3: {unguarded: true}}", POOL, "egress.services.s3: is unguarded, and has rules in guard.s3"),
        ("{sqs: {unguarded: true}}", POOL, "guard.s3: has no effect: s3 is not in egress.services"),
    ] {
        let errors = errors(services, guard);
        assert!(errors.contains(wrong) && errors.lines().count() == 1, "{errors}");
    }
    // What is only watched needs no rules yet, where there could be some.
    let watched = |services: &str| format!("{}guard: {{mode: audit}}\n", with("{s3: {}}", services));
    let kinds: Vec<String> =
        good(&watched("{s3: {}, sqs: {}, dynamodbstreams: {}, sns: {unguarded: true}}")).guard.rules.into_keys().collect();
    assert_eq!(kinds, ["dynamodb", "s3", "sqs"]);
    assert!(load(&watched("{athena: {}}")).unwrap_err().to_string().contains("the guard has no rules for it"));
    let wrong = load(&with("{s3: {}}", "{s3: {unguarded: true}}")).unwrap_err().to_string();
    assert!(wrong.contains("egress.services.s3: is unguarded, and there is no guard"), "{wrong}");
    // A name of the operator's own is judged as what it signs for.
    let mine = "{minio: {signing_name: s3, endpoint: 'https://minio.example.com'}}";
    good(&format!("{}guard: {POOL}\n", with("{s3: {}}", mine)));
    let no_egress = "ingress: {tls: {certificate: c, private_key: c}, upstream: http://127.0.0.1:8080}\nidentity:\n  issuers: [{issuer: i, audience: a, \
                     jwks: {file: c}}]\ntenants: {directory: {any: {}}}\nguard: {}\n";
    assert!(load(no_egress).unwrap_err().to_string().contains("guard: has no effect without egress"));
}

#[test]
fn a_rule_tells_tenants_apart_or_says_that_they_share() {
    for (rule, wrong) in [
        ("{buckets: [pool]}", "guard.s3[0].shared: is false, and the rule says the same for every tenant"),
        ("{buckets: [pool], prefix: 'x/'}", "guard.s3[0].shared: is false"),
        ("{buckets: [pool], prefix: '{tenant.cell}/'}", "guard.s3[0].shared: is false"),
        ("{buckets: [pool, 'own-{tenant.id}']}", "guard.s3[0].shared: is false"),
        ("{buckets: ['own-{tenant.id}'], shared: true}", "guard.s3[0].shared: is true, and the rule tells tenants apart"),
        (
            "{buckets: [pool], prefix: '{tenant.id}'}",
            "guard.s3[0].prefix: it ends with {tenant.id}, behind which another tenant's could go on",
        ),
        ("{buckets: [pool], prefix: '{tenant.id}-'}", "guard.s3[0].prefix: {tenant.id} is directly followed by '-'"),
        ("{buckets: ['{tenant.id}-pool']}", "guard.s3[0].buckets[0]: {tenant.id} is directly followed by '-'"),
        ("{buckets: ['*-{tenant.id}']}", "guard.s3[0].buckets[0]: a '*' stands before a placeholder"),
        ("{buckets: ['own-{tenant.id}'], kms: {key: k}}", "guard.s3[0].kms.key: is the same for every tenant, and so is the context"),
        ("{buckets: ['own-{tenant.id}'], kms: {key: '{subject}'}}", "guard.s3[0].kms.key: {subject} is of a user"),
        (
            "{buckets: ['own-{tenant.id}'], kms: {key: '{tenant.kms_key}', context: {u: '{subject}'}}}",
            "guard.s3[0].kms.context: {subject} is of a user",
        ),
        ("{buckets: ['own-{tenant.id}'], kms: {}}", "guard.s3[0].kms.key: is missing"),
        ("{buckets: ['arn:aws:s3:::own-{tenant.id}']}", "guard.s3[0].buckets[0]: is an ARN; give the name of the bucket alone"),
        ("{buckets: ['Own-{tenant.id}']}", "guard.s3[0].buckets[0]: has 'O', which stands in the name of no bucket"),
        ("{buckets: ['${tenant.id}']}", "guard.s3[0].buckets[0]: has '$', which stands in the name of no bucket"),
        ("{buckets: ['{subject}/*']}", "guard.s3[0].buckets[0]: {subject} is of a user"),
    ] {
        let errors = errors("{s3: {}}", &format!("{{s3: [{rule}]}}"));
        assert!(errors.contains(wrong) && errors.lines().count() == 1, "{rule}\n{errors}");
    }
}

#[test]
fn keys_that_requests_bring_along_are_taken_where_no_other_is_wanted() {
    let of = |rule: &str| {
        let guard = good(&format!("{BASE}guard: {{s3: [{{buckets: ['own-{{tenant.id}}']{rule}}}]}}\n")).guard;
        let ServiceRules::S3(rules) = &guard.rules["s3"] else { panic!("{guard:?}") };
        (rules[0].customer_keys, rules[0].encryption.as_ref().map(|encryption| encryption.inject))
    };
    let kms = ", kms: {key: '{tenant.kms_key}'}";
    assert_eq!((of(""), of(kms)), ((true, None), (false, Some(true))));
    assert_eq!((of(", sse_c: refuse"), of(&format!("{kms}, sse_c: allow"))), ((false, None), (true, Some(true))));
    assert_eq!(of(", kms: {key: a, context: {t: '{tenant.id}'}, missing: refuse}"), (false, Some(false)));
}

/// A rule with a name that nothing can have would refuse everything, and nobody would see why.
#[test]
fn a_rule_has_names_that_there_can_be() {
    for (service, rule, wrong) in [
        ("sqs", "{queues: ['jobs/{tenant.id}']}", "guard.sqs[0].queues[0]: has '/', which stands in the name of no queue"),
        ("sns", "{topics: ['created/{tenant.id}']}", "guard.sns[0].topics[0]: has '/', which stands in the name of no topic"),
        ("sns", "{topics: ['arn:aws:sqs:eu-west-1:111122223333:a-{tenant.id}']}", "guard.sns[0].topics[0]: is no ARN of sns"),
        ("kinesis", "{streams: [pool]}", "guard.kinesis[0].shared: is false"),
        ("sqs", "{queues: ['jobs-{tenant.id}-x']}", "guard.sqs[0].queues[0]: {tenant.id} is directly followed by '-'"),
        ("kms", "{keys: ['alias/pool'], context: {tenant: 'x'}}", "guard.kms[0].shared: is false"),
        ("kms", "{keys: ['alias/pool'], context: {tenant: '{tenant.id}/*'}}", "guard.kms[0].context.tenant: has a '*'"),
        ("kms", "{keys: ['alias/pool'], context: {tenant: '{subject}'}}", "guard.kms[0].context.tenant: {subject} is of a user"),
        ("kms", "{keys: ['{tenant.kms_key}'], context: {}}", "guard.kms[0].context: is empty"),
        ("ssm", "{groups: ['/{tenant.id}/*']}", "groups"),
    ] {
        let errors = errors(&format!("{{{service}: {{}}}}"), &format!("{{{service}: [{rule}]}}"));
        assert!(errors.contains(wrong), "{rule}\n{errors}");
    }
    let rules = "{sqs: [{queues: ['jobs-{tenant.id}', 'arn:aws:sqs:eu-west-1:{tenant.account}:x']}], kms: [{keys: ['alias/pool'], context: {tenant: \
                 '{tenant.id}'}}]}";
    let guard = good(&format!("{}guard: {rules}\n", with("{s3: {}}", "{sqs: {}, kms: {}}"))).guard;
    let ServiceRules::Named(rules) = &guard.rules["kms"] else { panic!("{guard:?}") };
    assert_eq!(rules[0].context[0].0, "tenant");
    assert_eq!(guard.rules.keys().collect::<Vec<_>>(), ["kms", "sqs"]);
}

/// Where every id can be looked at, and none begins another.
#[test]
fn an_open_end_is_settled_by_the_file_of_tenants() {
    let rule = "guard: {s3: [{buckets: ['{tenant.id}-pool']}]}\n";
    let of = |ids: &str| {
        FOLDER.with(|folder| fs::write(folder.path().join("guarded.yaml"), format!("tenants: {{{ids}}}\n")).unwrap());
        load(&format!("{}{rule}", with("{any: {}}", "{file: guarded.yaml}")))
    };
    assert!(of("acme: {}, globex: {}").is_ok(), "whether they are prefix-free is seen when the file is read");
    let text = format!("{}{rule}", with("{any: {}}", "{file: guarded.yaml}"));
    assert!(matches!(load(&text).unwrap().directory, crate::config::DirectoryConfig::PrefixFreeFile(_)));
}
