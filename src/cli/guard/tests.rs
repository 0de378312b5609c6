use super::{read::Log, report, report::Known};

/// The report on a log.
pub(crate) fn reported(log: &str, ids_are_prefix_free: bool) -> String {
    let mut read = Log::default();
    read.read(log.as_bytes()).unwrap();
    report::printed(&read, &Known { ids_are_prefix_free, unruled: Vec::new() })
}

fn line(tenant: &str, operation: &str, touched: &str) -> String {
    format!(
        r#"{{"log":"access","tenant":"{tenant}","service":"s3","operation":"{operation}","decision":"allowed","would_deny":"guard.s3: no rule is about the bucket pool","touched":[{touched}]}}"#
    )
}

fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|there| there.trim() == *line), "{line}\n{text}");
    }
}

#[test]
fn what_is_no_line_of_an_access_log_is_counted_and_said() {
    let log = [
        line("acme", "GetObject", r#"{"section":"s3","name":"pool","begins":"{tenant.id}/","actions":["s3:GetObject"]}"#),
        "not json".into(),
        "[1]".into(),
        String::new(),
        r#"{"level":"INFO","message":"x"}"#.into(),
        r#"{"log":"access","touched":"x","would_deny":"a: b"}"#.into(),
        r#"{"log":"access","touched":[{"section":"s3","unheard":1}],"would_deny":"a: b"}"#.into(),
        r#"{"log":"access","decision":"refused","reason":"guard-denied"}"#.into(),
    ];
    let text = reported(&log.join("\n"), false);
    has(
        &text,
        &[
            "# 2 lines of the access log; 1 of another kind, 4 malformed, which were left out",
            "# 1 requests were refused by the guard: what they were about is in the log only in the mode audit",
            "# guard.s3\ts3\tGetObject\tacme\t1",
            r#"- {buckets: ["pool"], prefix: "{tenant.id}/"}"#,
            "# from one tenant only, acme: whether others' have the same shape is not known",
        ],
    );
}

#[test]
fn what_opens_something_to_all_is_a_comment() {
    let read = r#"{"section":"s3","name":"news","begins":"*","actions":["s3:GetObject"]}"#;
    let written = r#"{"section":"s3","name":"drop","begins":"*","actions":["s3:PutObject"]}"#;
    let opened = r#"{"section":"s3","name":"pool","begins":"{tenant.id}/","actions":["s3:PutObject","s3:PutObjectAcl"]}"#;
    let log: Vec<_> = ["acme", "globex"].iter().flat_map(|tenant| [read, written, opened].map(|thing| line(tenant, "X", thing))).collect();
    let text = reported(&log.join("\n"), false);
    has(
        &text,
        &[
            r#"# - {buckets: ["news"], shared: true, actions: ["s3:GetObject"]}"#,
            r#"# - {buckets: ["pool"], prefix: "{tenant.id}/", actions: ["s3:PutObject", "s3:PutObjectAcl"]}"#,
        ],
    );
    assert!(text.contains("# no rule is proposed for s3 drop: ") && text.contains("acme 1, globex 1"), "{text}");
    assert!(!text.lines().any(|line| line.trim_start().starts_with('-')), "nothing of it stands as it is: {text}");
}

/// Of one tenant alone reading it is no reason to think that all may.
#[test]
fn what_one_tenant_reads_is_not_shared() {
    let log = line("acme", "GetObject", r#"{"section":"s3","name":"news","begins":"*","actions":["s3:GetObject"]}"#);
    let text = reported(&log, false);
    assert!(!text.contains("shared") && text.contains("no rule is proposed for s3 news"), "{text}");
}

#[test]
fn a_name_whose_placeholder_has_an_open_end_needs_ids_that_are_known() {
    let log = line("acme", "GetObject", r#"{"section":"s3","name":"{tenant.id}-data","begins":"*","actions":["s3:GetObject"]}"#);
    let rule = r#"- {buckets: ["{tenant.id}-data"]}"#;
    assert!(!reported(&log, false).contains(rule));
    has(&reported(&log, true), &[rule]);
}

/// The key that most requests have is the table's; what does not have it is said.
#[test]
fn the_hash_key_is_found_or_said_not_to_be() {
    let thing = |attributes: &str| {
        format!(r#"{{"section":"dynamodb","name":"orders","attributes":{{{attributes}}},"actions":["dynamodb:GetItem"]}}"#)
    };
    let (both, one) = (thing(r##""gsi":"{tenant.id}#","pk":"{tenant.id}#""##), thing(r##""pk":"{tenant.id}#","sk":"*""##));
    let other = thing(r#""pk":"*","sk":"*""#);
    let log = |things: &[&String]| things.iter().map(|thing| line("acme", "GetItem", thing)).collect::<Vec<_>>().join("\n");
    let rule = r##"- {tables: ["orders"], leading_key: "{tenant.id}#", key: "pk"}"##;
    let text = reported(&log(&[&both, &one, &other]), false);
    has(&text, &[rule]);
    assert!(text.contains("pk does not begin with the tenant's id and a separator"), "{text}");
    let text = reported(&log(&[&both]), false);
    assert!(!text.contains(rule) && text.contains("which of gsi, pk is the table's hash key the log does not tell"), "{text}");
}

/// However often one tenant asks, what the others do decides.
#[test]
fn one_tenant_alone_does_not_say_which_key_a_table_has() {
    let thing = |attributes: &str| {
        format!(r#"{{"section":"dynamodb","name":"orders","attributes":{{{attributes}}},"actions":["dynamodb:GetItem"]}}"#)
    };
    let (right, wrong) = (thing(r##""pk":"{tenant.id}#","sk":"*""##), thing(r##""pk":"*","sk":"{tenant.id}#""##));
    let mut log = vec![line("globex", "GetItem", &right), line("initech", "GetItem", &right)];
    log.extend(std::iter::repeat_n(line("acme", "GetItem", &wrong), 9));
    has(&reported(&log.join("\n"), false), &[r##"- {tables: ["orders"], leading_key: "{tenant.id}#", key: "pk"}"##]);
}

/// What AWS has refused is no layout of keys.
#[test]
fn what_aws_refused_is_not_proposed() {
    let refused = r#"{"section":"s3","name":"other","begins":"{tenant.id}/","actions":["s3:GetObject"]}"#;
    let log = line("acme", "GetObject", refused).replace(r#""decision":"allowed""#, r#""decision":"refused","reason":"aws-denied""#);
    let text = reported(&log, false);
    assert!(!text.contains("other\"") && text.contains("# 1 requests were refused by AWS itself"), "{text}");
}

/// Whose a thing that tenants share is, each service says in its own words.
#[test]
fn what_is_shared_is_told_apart_in_the_words_of_its_service() {
    let touched = |section: &str, name: &str, context: &str, action: &str| {
        line("acme", "X", &format!(r#"{{"section":"{section}","name":"{name}","context":["{context}"],"actions":["{action}"]}}"#))
    };
    let log = [
        touched("lambda", "pool", "tenant_id", "lambda:InvokeFunction"),
        touched("monitoring", "app", "tenant", "cloudwatch:PutMetricData"),
        touched("kms", "alias/pool", "tenant", "kms:Encrypt"),
    ];
    let rules = [
        r#"- {functions: ["pool"], tenant_id: "{tenant.id}"}"#,
        r#"- {namespaces: ["app"], dimensions: {"tenant": "{tenant.id}"}}"#,
        r#"- {keys: ["alias/pool"], context: {"tenant": "{tenant.id}"}}"#,
    ];
    has(&reported(&log.join("\n"), false), &rules);
}

/// A guardrail is no model, and no rule is about it alone.
#[test]
fn a_guardrail_is_not_proposed_as_a_model() {
    let log = line(
        "acme",
        "Converse",
        r#"{"section":"bedrock-runtime","kind":"guardrail","name":"gr-{tenant.id}","actions":["bedrock:ApplyGuardrail"]}"#,
    );
    let text = reported(&log, false);
    assert!(
        !text.contains("models") && text.contains("guardrail gr-{tenant.id}: list it in guardrails of the rule for the model"),
        "{text}"
    );
}

/// A service under a key of one's own is judged by the rules of what it is.
#[test]
fn services_without_rules_are_told_by_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("palisade.yaml");
    let config = "
egress: {region: eu-west-1, services: {minio: {signing_name: s3, endpoint: 'https://minio.example.com'}, sqs: {}}}
identity: {issuers: [{issuer: i, audience: a, jwks: {uri: 'https://idp.example.com/keys'}}]}
tenants: {directory: {any: {}}}
credentials: {source: {default_chain: {}}, assume_role: {role_arn: 'arn:aws:iam::111122223333:role/{tenant.id}'}}
guard: {mode: audit, s3: [{buckets: [pool], prefix: '{tenant.id}/'}]}
";
    std::fs::write(&path, config).unwrap();
    let known = report::known(&path).unwrap();
    assert_eq!(known.unruled, [("sqs".to_owned(), "sqs".to_owned())]);
}

/// What a log has is what clients have sent: it ends no comment.
#[test]
fn no_line_of_a_log_becomes_a_rule_by_its_form() {
    let evil = r#"{"log":"access","tenant":"a\n  s3: [{buckets: ['*'], shared: true}]","service":"s3","operation":"x\r\n- y","would_deny":"r: w\u2028- z"}"#;
    let text = reported(evil, false);
    assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("guard:") || line.starts_with("  mode: audit")), "{text}");
}
