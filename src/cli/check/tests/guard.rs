//! What nobody holds against rules.

use super::{Args, CONFIG, check_as, check_text};

const RULES: &str = "guard: {s3: [{buckets: [pool], prefix: '{tenant.id}/'}]}\n";

fn told(services: &str, guard: &str) -> Vec<String> {
    let config = CONFIG.replace("{s3: {}}", services).replace(RULES, guard);
    let (code, _, err) = check_text(&config, "tenants: {acme: {}}");
    assert_eq!(code, 0, "{err}");
    err.lines().map(|line| line.split_once(": warning: ").unwrap().1.to_owned()).collect()
}

#[test]
fn where_no_guard_is_what_to_add_is_said() {
    assert!(CONFIG.contains(RULES) && told("{s3: {}}", RULES).is_empty());
    let alone = "guard has no rules: tenants are kept apart by IAM alone, whatever they ask for";
    assert_eq!(told("{s3: {}}", ""), [format!("{alone}; add rules, guard.s3: see config/guide/guard.md")]);
    assert_eq!(told("{s3: {}}", "guard: {mode: off}\n"), told("{s3: {}}", ""));
    let several = "{dynamodb: {}, dynamodbstreams: {}, cloudtrail: {}, mine: {signing_name: s3, endpoint: 'https://a.example'}}";
    assert_eq!(told(several, ""), [format!("{alone}; add rules, guard.dynamodb and guard.s3: see config/guide/guard.md")]);
    assert_eq!(told("{cloudtrail: {}}", ""), [alone]);
    let no_egress =
        CONFIG.split_once("credentials:").unwrap().0.replace("egress: {region: eu-west-1, services: {s3: {}}}\n", "").replace(RULES, "");
    assert_eq!(check_text(&no_egress, "tenants: {acme: {}}").2, "");
}

#[test]
fn what_only_watches_or_does_not_look_is_said_once() {
    let rules = |top: &str, own: &str| RULES.replace("{s3: [{", &format!("{{{top}s3: [{{{own}"));
    assert!(told("{s3: {}}", &rules("mode: enforce, ", "mode: enforce, ")).is_empty());
    let [audit] = &told("{s3: {}}", &rules("mode: audit, ", ""))[..] else { panic!() };
    assert!(audit.starts_with("guard.mode is audit: what no rule allows passes, and the log says so"), "{audit}");
    let [off] = &told("{s3: {}}", &rules("mode: off, ", ""))[..] else { panic!() };
    assert!(off.starts_with("guard.mode is off: what no rule allows passes, and nobody looks"), "{off}");
    assert_eq!(told("{s3: {}}", &rules("", "mode: audit, ")), ["guard.s3[0].mode is audit: what the rule does not allow passes"]);
    let both = told("{s3: {}}", &rules("mode: audit, ", "mode: off, "));
    assert!(both.len() == 2 && both[1] == "guard.s3[0].mode is off: what the rule does not allow passes", "{both:?}");
    assert_eq!(told("{s3: {}}", &rules("mode: audit, ", "mode: enforce, ")).len(), 1);
    let strict = |guard: &str| {
        let config = CONFIG.replace(RULES, guard);
        check_as(&config, "tenants: {acme: {}}", |config| Args { config, without_files: false, strict: true }).0
    };
    assert_eq!((strict(RULES), strict(""), strict(&rules("mode: audit, ", ""))), (0, 2, 2));
}

#[cfg(feature = "cedar")]
#[test]
fn actions_that_nothing_needs_are_said() {
    let rules = |actions: &str| RULES.replace("[pool], ", &format!("[pool], actions: {actions}, "));
    assert!(told("{s3: {}}", &rules("['s3:GetObject', 's3:Get*', 's3:*']")).is_empty());
    assert_eq!(
        told("{s3: {}}", &rules("['s3:GetObjects', 's3:PutObject', 's3:Fetch*']")),
        ["s3:GetObjects", "s3:Fetch*"].map(|action| format!(
            "guard.s3[0].actions has {action}, which no request needs that is known here: is it spelt as IAM has it?"
        ))
    );
}

/// What is in a service that rules do not look at, policies do not see.
#[cfg(feature = "cedar")]
#[test]
fn policies_over_what_is_unguarded_are_said_to_see_no_things() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.cedar");
    std::fs::write(&path, "permit(principal, action, resource);").unwrap();
    let guard = format!("guard: {{cedar: {{policies: '{}'}}, s3: [{{buckets: [pool], prefix: '{{tenant.id}}/'}}]}}\n", path.display());
    let [said] = &told("{s3: {}, sqs: {unguarded: true}, athena: {unguarded: true}}", &guard)[..] else { panic!() };
    assert!(said.starts_with("egress.services.sqs is unguarded, so policies are asked about it as Palisade::Service::\"sqs\""), "{said}");
}

/// Policies are read as a start reads them, whatever their mode.
#[cfg(feature = "cedar")]
#[test]
fn policies_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.cedar");
    let config =
        |mode: &str| CONFIG.replace(RULES, &RULES.replace("{s3:", &format!("{{cedar: {{policies: '{}'{mode}}}, s3:", path.display())));
    let check = |mode: &str, text: &str| {
        std::fs::write(&path, text).unwrap();
        check_text(&config(mode), "tenants: {acme: {}}")
    };
    let (code, out, err) = check("", "permit(principal, action, resource);");
    assert!(code == 0 && err.is_empty() && out.contains("policies: 1"), "{out}{err}");
    for mode in ["", ", mode: audit", ", mode: off"] {
        let (code, _, err) = check(mode, "permit(principal, action, resource);\npermit(principal, action, thing);");
        assert_eq!(code, 2);
        assert!(err.starts_with(&format!("{}:2:", path.display())), "{err}");
    }
    let (code, _, err) = check(", mode: audit", "permit(principal, action, resource);");
    assert!(code == 0 && err.contains("guard.cedar.mode is audit: what the policies do not permit passes"), "{err}");
}

/// Whoever has the same value has the same keys.
#[test]
fn records_that_a_rule_does_not_tell_apart_are_said() {
    let told = |services: &str, guard: &str, tenants: &str| -> Vec<String> {
        let config = CONFIG.replace("{s3: {}}", services).replace(RULES, &format!("guard: {guard}\n"));
        let (code, _, err) = check_text(&config, tenants);
        assert_eq!(code, 0, "{err}");
        let of_nobody = |told: &String| told.contains(" has no rule for none: ");
        err.lines().map(|line| line.split_once(": warning: ").unwrap().1.to_owned()).filter(|told| !of_nobody(told)).collect()
    };
    let folders = |folders: &[&str]| {
        let record = |(nr, folder): (usize, &&str)| format!("t{nr}0: {{attributes: {{folder: '{folder}'}}}}");
        format!("tenants: {{none: {{}}, {}}}", folders.iter().enumerate().map(record).collect::<Vec<_>>().join(", "))
    };
    let rule = "{s3: [{buckets: [pool, other], prefix: '{tenant.attributes.folder}/'}]}";
    assert!(told("{s3: {}}", rule, &folders(&["a", "b", "a-b"])).is_empty());
    let same = "guard.s3[0] tells tenants apart by {tenant.attributes.folder}, which is the same for";
    let end = "what is the one's is the other's";
    assert_eq!(told("{s3: {}}", rule, &folders(&["a", "b", "a", "a"])), [format!("{same} t00 and t20 and t30: {end}")]);
    let beside = "{s3: [{buckets: ['pool-{tenant.id}'], prefix: '{tenant.attributes.folder}/'}]}";
    assert!(told("{s3: {}}", beside, &folders(&["a", "a"])).is_empty(), "the bucket is the tenant's");
    let taken =
        "t10: {tenant.attributes.folder} has a value that is not taken here, since what follows it begins with one of its characters";
    assert_eq!(told("{s3: {}}", rule, &folders(&["a", "a/b"])), [format!("guard.s3[0]: {taken}")]);
    // What is not told apart by the one alone may be by the other.
    let both = "{s3: [{buckets: ['{tenant.attributes.bucket}'], prefix: '{tenant.attributes.folder}/'}]}";
    let records = |bucket: &str| {
        format!("tenants: {{a00: {{attributes: {{folder: a, bucket: b}}}}, b00: {{attributes: {{folder: a, bucket: {bucket}}}}}}}")
    };
    assert!(told("{s3: {}}", both, &records("c")).is_empty());
    let names = "{tenant.attributes.bucket} and {tenant.attributes.folder}";
    assert_eq!(
        told("{s3: {}}", both, &records("b")),
        [format!("guard.s3[0] tells tenants apart by {names}, which is the same for a00 and b00: {end}")]
    );
    let services = "{dynamodb: {}, sqs: {}, es: {endpoint: 'https://a.example'}}";
    let rules = "{dynamodb: [{tables: [t], leading_key: '{tenant.account}#', key: pk}, {tables: [s], leading_key: '{tenant.id}', key: pk}], \
                 sqs: [{queues: ['q-{tenant.account}']}], es: [{indexes: ['{tenant.account}']}]}";
    let accounts = |account: &str| format!("tenants: {{a00: {{account: '111122223333'}}, b00: {{account: '{account}'}}}}");
    assert!(told(services, rules, &accounts("444455556666")).is_empty());
    assert_eq!(
        told(services, rules, &accounts("111122223333")),
        ["guard.dynamodb[0]", "guard.es[0]", "guard.sqs[0]"]
            .map(|rule| format!("{rule} tells tenants apart by {{tenant.account}}, which is the same for a00 and b00: {end}"))
    );
    let many: Vec<_> = (0..12).map(|nr| format!("x/{nr}")).collect();
    let many = told("{s3: {}}", rule, &folders(&many.iter().map(String::as_str).collect::<Vec<_>>()));
    assert!(many.len() == 11 && many[10] == "guard: and 2 more records of the kind", "{many:?}");
}

/// Rules are ways in, each for itself.
#[test]
fn a_rule_that_opens_to_all_what_another_keeps_apart_is_said() {
    let apart = "{buckets: [pool, other], prefix: '{tenant.id}/'}";
    let rules = |open: &str| told("{s3: {}}", &format!("guard: {{s3: [{apart}, {open}]}}\n"));
    for open in ["{buckets: [pool], shared: true}", "{buckets: ['p*'], shared: true}", "{buckets: [pool, other], shared: true}"] {
        let said = rules(open);
        assert!(
            said[0].starts_with("guard.s3[1] is shared and has no actions, so that every tenant may read, write and delete all of "),
            "{said:?}"
        );
        assert!(said[0].contains("also what guard.s3[0] gives to each apart"), "{said:?}");
    }
    for closed in [
        "{buckets: [pool], shared: true, actions: ['s3:GetBucketLocation']}",
        "{buckets: [pool], prefix: shared/, shared: true}",
        "{buckets: [public], shared: true}",
        "{buckets: ['own-{tenant.id}']}",
    ] {
        assert_eq!(rules(closed), [""; 0], "{closed}");
    }
    let named = "guard: {sqs: [{queues: ['jobs-{tenant.id}']}, {queues: ['jobs-*'], shared: true}]}\n";
    let [said] = &told("{sqs: {}}", named)[..] else { panic!() };
    assert!(said.starts_with("guard.sqs[1] is shared") && said.contains("all of jobs-*, also what guard.sqs[0] gives"), "{said}");
}

#[test]
fn a_dollar_before_a_placeholder_is_said() {
    let rule = |prefix: &str| told("{s3: {}}", &format!("guard: {{s3: [{{buckets: [pool], prefix: '{prefix}'}}]}}\n"));
    assert_eq!(
        rule("${tenant.id}/"),
        ["guard.s3[0] has a $ before {tenant.id}, which is a character like any other: placeholders begin with {"]
    );
    assert_eq!(rule("$t#{tenant.id}/"), [""; 0]);
}

#[test]
fn actions_of_another_service_are_said() {
    let told = |services: &str, rule: &str| {
        let config = CONFIG.replace("{s3: {}}", services).replace(RULES, &format!("guard: {{{rule}}}\n"));
        let (code, _, err) = check_text(&config, "tenants: {acme: {}}");
        assert_eq!(code, 0, "{err}");
        err.lines()
            .filter(|line| line.contains(" has actions of "))
            .map(|line| line.split_once(": warning: ").unwrap().1.to_owned())
            .collect::<Vec<_>>()
    };
    let s3 = |actions: &str| told("{s3: {}}", &format!("s3: [{{buckets: [pool], prefix: '{{tenant.id}}/', actions: {actions}}}]"));
    assert_eq!(s3("['s3:GetObject']"), [""; 0]);
    assert_eq!(
        s3("['s3:GetObject', 'dynamodb:GetItem', 'dynamodb:Query']"),
        ["guard.s3[0].actions has actions of dynamodb, which no request needs that the rule is about: those of s3 are"]
    );
    // Where the service's key is not what IAM calls it.
    let metrics = "monitoring: [{namespaces: ['app-{tenant.id}'], actions: ['cloudwatch:PutMetricData']}]";
    assert_eq!(told("{monitoring: {}}", metrics), [""; 0]);
    let model = "bedrock-runtime: [{models: ['arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/{tenant.id}'], actions: ['bedrock:InvokeModel']}]";
    assert_eq!(told("{bedrock-runtime: {}}", model), [""; 0]);
}

/// A tenant for whom no rule can be filled in is refused everything.
#[test]
fn placeholders_without_a_value_are_said() {
    let told = |rules: &str, tenants: &str| {
        let config = CONFIG.replace(RULES, &format!("guard: {{s3: {rules}}}\n"));
        let (code, _, err) = check_text(&config, tenants);
        assert_eq!(code, 0, "{err}");
        err.lines().map(|line| line.split_once(": warning: ").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    let folder = "{buckets: [pool], prefix: '{tenant.attributes.folder}/'}";
    let all = "tenants: {a0: {attributes: {folder: a}}, b0: {attributes: {folder: b}}}";
    let some = "tenants: {a0: {attributes: {folder: a}}, b0: {}}";
    assert_eq!(told(&format!("[{folder}]"), all), [""; 0]);
    assert_eq!(told(&format!("[{folder}]"), "tenants: {}").len(), 0);
    assert_eq!(
        told("[{buckets: [pool], prefix: '{tenant.attributes.foldr}/'}]", all),
        ["guard.s3[0] has {tenant.attributes.foldr}, which no tenant's record has: it allows nothing"]
    );
    assert_eq!(
        told(&format!("[{folder}, {{buckets: ['{{tenant.attributes.folder}}']}}]"), some),
        ["guard.s3 has no rule for b0: their records do not have the placeholders of any"]
    );
    assert_eq!(told(&format!("[{folder}, {{buckets: ['own-{{tenant.id}}']}}]"), some), [""; 0], "there is another way in");
    let encrypted = "[{buckets: [pool], prefix: '{tenant.id}/', kms: {key: '{tenant.kms_key}'}}]";
    let key = "arn:aws:kms:eu-west-1:111122223333:key/a";
    assert_eq!(told(encrypted, &format!("tenants: {{a0: {{kms_key: '{key}'}}, b0: {{kms_key: '{key}b'}}}}")), [""; 0]);
    assert_eq!(
        told(encrypted, &format!("tenants: {{a0: {{kms_key: '{key}'}}, b0: {{}}}}")),
        ["guard.s3[0].kms lets b0 write nothing: their records do not have its placeholders"]
    );
    assert_eq!(
        told(encrypted, "tenants: {a0: {}, b0: {}}"),
        ["guard.s3[0] has {tenant.kms_key}, which no tenant's record has: it allows nothing"]
    );
}
