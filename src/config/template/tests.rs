use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Values by the placeholder's spelling.
struct Table(BTreeMap<String, String>);

impl Values for Table {
    fn value(&self, name: &Name) -> Option<Cow<'_, str>> {
        self.0.get(&name.to_string()).map(|value| Cow::Borrowed(value.as_str()))
    }
}

fn values(pairs: &[(&str, &str)]) -> Table {
    Table(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
}

fn parse_error(text: &str, lands: Lands) -> String {
    Template::parse(text, lands).expect_err(text).to_string()
}

const POLICY: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": "arn:aws:s3:::pool/{tenant.id}/*",
        "Condition": {"StringEquals": {"aws:PrincipalTag/TenantID": "${aws:PrincipalTag/TenantID}"}}
    }]
}"#;

#[test]
fn renders_every_name() {
    let spelled = [
        "tenant.id",
        "tenant.account",
        "tenant.cell",
        "tenant.external_id",
        "tenant.kms_key",
        "tenant.region",
        "tenant.tier",
        "tenant.attributes.x",
        "subject",
        "issuer",
        "claims.email",
        "claims./app/tenant",
    ];
    for name in spelled {
        let template = Template::parse(&format!("<{{{name}}}>"), Lands::Header).unwrap();
        assert_eq!(template.names().map(ToString::to_string).collect::<Vec<_>>(), [name]);
        assert_eq!(template.render(&values(&[(name, "v")])).unwrap(), "<v>");
    }
    let short = Template::parse("{cell}", Lands::Header).unwrap();
    assert_eq!(short.names().collect::<Vec<_>>(), [&Name::TenantCell]);
    assert_eq!(short.as_text(), "{cell}");
}

#[test]
fn unknown_names_and_stray_braces_do_not_load() {
    for text in ["{tenant}", "{tenant.name}", "{}", "{ tenant.id }", "{tenant.attributes.}", "{claims.}", "{Subject}", "{tenant.id\n}"] {
        assert!(parse_error(text, Lands::Header).contains("known are {tenant.id}"), "{text}");
    }
    for text in ["{tenant.id", "tenant.id}", "{{tenant.name}}", "{tenant.id}}", "a{b{tenant.id}", "{"] {
        assert!(parse_error(text, Lands::Header).contains("without its"), "{text}");
    }
    assert!(parse_error(&format!("{{claims.{}}}", "x".repeat(300)), Lands::Header).contains("at most 256"));
}

#[test]
fn a_placeholder_that_could_run_on_does_not_load() {
    for text in
        ["{tenant.id}-logs", "{tenant.id}_", "{tenant.id}.", "{tenant.id}x", "{tenant.id}0", "{tenant.id}{subject}", "{cell}{tenant.id}"]
    {
        for lands in [Lands::Arn, Lands::TagValue] {
            let error = parse_error(text, lands);
            assert!(error.contains("such as / or #"), "{text}: {error}");
        }
    }
    for text in ["t-{tenant.id}", "{tenant.id}/x", "{tenant.id}", "{cell}/{tenant.id}", "a={tenant.id}=b"] {
        Template::parse(text, Lands::TagValue).unwrap();
    }
    // Nothing is granted for a session's name.
    Template::parse("{tenant.id}-{subject}", Lands::SessionName).unwrap();
}

#[test]
fn two_values_that_could_be_cut_at_another_place_do_not_load() {
    let role = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
    let policy = |name: &str| format!(r#"{{"Resource":"arn:aws:s3:::pool/{name}/*"}}"#);
    for text in [
        "{tenant.cell}-{tenant.id}",
        "{tenant.cell}.x_{tenant.id}",
        "{claims.dept}-{tenant.id}",
        "{tenant.id}/{tenant.tier}-{tenant.attributes.shard}",
        // Callers' values may have these.
        "{claims.dept}={tenant.id}",
        "{user.attributes.team}@x.{tenant.id}",
    ] {
        for error in [
            parse_error(&role(text), Lands::Arn),
            parse_error(text, Lands::TagValue),
            JsonTemplate::parse(&policy(text)).expect_err(text).to_string(),
        ] {
            assert!(error.contains("stands nothing that the first one's values cannot contain"), "{text}: {error}");
            assert!(error.contains("separate with"), "{text}: {error}");
        }
    }
    for text in ["{tenant.cell}/{tenant.id}", "{claims.dept}/x-{tenant.id}", "{tenant.account}-{tenant.id}", "{tenant.cell}={tenant.id}"] {
        Template::parse(&role(text), Lands::Arn).expect(text);
        Template::parse(text, Lands::TagValue).expect(text);
        JsonTemplate::parse(&policy(text)).expect(text);
    }
    JsonTemplate::parse(&policy("{claims.dept}#{tenant.id}")).unwrap();
    Template::parse("arn:aws:iam::{tenant.account}:role/{tenant.id}", Lands::Arn).unwrap();
    // Nothing is granted for a session's name.
    Template::parse("{tenant.cell}-{tenant.id}", Lands::SessionName).unwrap();
}

#[test]
fn a_callers_value_has_no_separator_where_another_value_stands_beside_it() {
    let tag = Template::parse("{claims.dept}/{tenant.id}", Lands::TagValue).unwrap();
    let of = |dept: &str| tag.render(&values(&[("claims.dept", dept), ("tenant.id", "images")]));
    assert_eq!(of("eng").unwrap(), "eng/images");
    for dept in ["eng/globex", "eng:x", "/"] {
        assert_eq!(of(dept), Err(RenderError::Unsafe("{claims.dept}".to_owned())), "{dept}");
    }
    // By itself it is no part of anything.
    let sole = Template::parse("sub={claims.sub}", Lands::TagValue).unwrap();
    assert!(sole.render(&values(&[("claims.sub", "system:serviceaccount:a:b")])).is_ok());
}

#[test]
fn a_callers_value_cannot_leave_its_place_in_a_policy() {
    let policy = |resource: &str| JsonTemplate::parse(&format!(r#"{{"Resource":"{resource}"}}"#)).unwrap();
    let embedded = policy("arn:aws:s3:::pool-{claims.env}/{tenant.id}/*");
    let of = |env: &str| embedded.render(&values(&[("claims.env", env), ("tenant.id", "images")]));
    assert!(of("prod").unwrap().contains("pool-prod/images/*"));
    for env in ["prod/globex", "prod:x", "prod#x"] {
        assert_eq!(of(env), Err(RenderError::Unsafe("{claims.env}".to_owned())), "{env}");
    }
    // A quote that is escaped is no end of the string.
    for text in [r#"\"{subject}"#, r#"{subject}\""#, " {subject}"] {
        assert!(policy(text).render(&values(&[("subject", "a/b")])).is_err(), "{text}");
    }
    let whole = policy("{subject}").render(&values(&[("subject", "auth0:a/b#c")])).unwrap();
    assert_eq!(whole, r#"{"Resource":"auth0:a/b#c"}"#);
    // What the operator says of the tenant may have its own structure.
    let record = policy("arn:aws:s3:::pool/{tenant.attributes.path}/*");
    assert!(record.render(&values(&[("tenant.attributes.path", "teams/a")])).unwrap().contains("pool/teams/a/*"));
}

#[test]
fn literal_text_must_suit_the_destination() {
    for (text, lands) in [
        ("arn:aws:iam::111122223333:role/*", Lands::Arn),
        ("arn:aws:iam::111122223333:role/a b", Lands::Arn),
        ("a/b", Lands::SessionName),
        ("a\nb", Lands::Header),
        ("é", Lands::Header),
        ("a#b", Lands::ExternalId),
        ("a\"b", Lands::TagValue),
        ("a\tb", Lands::TagValue),
    ] {
        assert!(parse_error(text, lands).contains("cannot stand in"), "{text}");
    }
    assert!(parse_error("x", Lands::SessionName).contains("2 to 64"));
    assert!(parse_error("arn:aws:iam::1:r", Lands::Arn).contains("20 to 2048"));
    Template::parse("für Elise", Lands::TagValue).unwrap();
}

#[test]
fn hostile_values_are_refused_and_not_repeated() {
    let attacks = [
        "*",
        "a*",
        "?",
        "${aws:username}",
        "$",
        "a\"b",
        "a\\b",
        "a\nb",
        "a\r\nx-evil: 1",
        "\0",
        "a{b}",
        "../x",
        "a..b",
        "ﬀ*",
        "\u{202e}x",
        "",
    ];
    for attack in attacks {
        let table = values(&[("tenant.attributes.x", attack)]);
        for lands in [Lands::Arn, Lands::ExternalId, Lands::SessionName, Lands::SourceIdentity] {
            // `..` means nothing outside an ARN or a policy.
            if attack.contains("..") && lands != Lands::Arn && !attack.contains('/') {
                continue;
            }
            if attack == "../x" && lands == Lands::ExternalId {
                continue;
            }
            let template = Template::parse("arn:aws:iam::111122223333:role/{tenant.attributes.x}", Lands::Arn).unwrap();
            let template = if lands == Lands::Arn { template } else { Template::parse("ab={tenant.attributes.x}", lands).unwrap() };
            let error = template.render(&table).expect_err(attack);
            assert!(error.to_string().contains("{tenant.attributes.x}"), "{error}");
            assert!(attack.len() < 3 || !error.to_string().contains(attack), "{error}");
        }
    }
    let header = Template::parse("{claims.name}", Lands::Header).unwrap();
    for attack in ["a\r\nb", "a\0", "é", " a", "a ", "\t"] {
        assert!(matches!(header.render(&values(&[("claims.name", attack)])), Err(RenderError::Unsafe(_))), "{attack:?}");
    }
    let tag = Template::parse("{claims.name}", Lands::TagValue).unwrap();
    for attack in ["a*", "a\nb", "a$b", "a\u{200b}b", "a,b", &"x".repeat(257)] {
        assert!(matches!(tag.render(&values(&[("claims.name", attack)])), Err(RenderError::Unsafe(_))), "{attack:?}");
    }
}

#[test]
fn a_token_cannot_name_another_account_or_path() {
    let embedded = Template::parse("arn:aws:iam::111122223333:role/{claims.team}", Lands::Arn).unwrap();
    for team in ["a/b", "x:y", "..", "/"] {
        assert_eq!(embedded.render(&values(&[("claims.team", team)])), Err(RenderError::Unsafe("{claims.team}".to_owned())), "{team}");
    }
    assert!(embedded.render(&values(&[("claims.team", "blue")])).is_ok());
    let whole = Template::parse("{claims.role}", Lands::Arn).unwrap();
    let role = "arn:aws:iam::111122223333:role/data/x";
    assert_eq!(whole.render(&values(&[("claims.role", role)])).unwrap(), role);
    let directory = Template::parse("arn:aws:iam::{tenant.account}:role/{tenant.attributes.path}/data", Lands::Arn).unwrap();
    let table = values(&[("tenant.account", "111122223333"), ("tenant.attributes.path", "teams/a")]);
    assert_eq!(directory.render(&table).unwrap(), "arn:aws:iam::111122223333:role/teams/a/data");
}

#[test]
fn missing_values_and_lengths_of_the_whole_are_refused() {
    let template = Template::parse("{subject}", Lands::SessionName).unwrap();
    assert_eq!(template.render(&values(&[])), Err(RenderError::Missing("subject".to_owned())));
    assert_eq!(template.render(&values(&[("subject", "")])), Err(RenderError::Missing("subject".to_owned())));
    assert!(template.render(&values(&[("subject", "x")])).is_err());
    assert!(template.render(&values(&[("subject", &"x".repeat(64))])).is_ok());
    assert!(template.render(&values(&[("subject", &"x".repeat(65))])).is_err());
    let identity = Template::parse("{subject}", Lands::SourceIdentity).unwrap();
    assert!(identity.render(&values(&[("subject", "aws-x")])).is_ok());
    assert!(identity.render(&values(&[("subject", "aws:x")])).is_err());
}

#[test]
fn a_policy_is_compact_and_keeps_policy_variables() {
    let policy = JsonTemplate::parse(POLICY).unwrap();
    assert_eq!(policy.names().collect::<Vec<_>>(), [&Name::TenantId]);
    assert_eq!(
        policy.render(&values(&[("tenant.id", "acme")])).unwrap(),
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::pool/acme/*","Condition":{"StringEquals":{"aws:PrincipalTag/TenantID":"${aws:PrincipalTag/TenantID}"}}}]}"#
    );
}

#[test]
fn a_policy_with_an_open_end_does_not_load() {
    for resource in
        ["{tenant.id}*", "{tenant.id}-x/*", "{tenant.id}{subject}", "{tenant.id}${aws:username}", "{cell}*", "{subject}?", "{tenant.id}x"]
    {
        let error = JsonTemplate::parse(&format!(r#"{{"Resource":"arn:aws:s3:::pool/{resource}"}}"#)).expect_err(resource);
        assert!(error.to_string().contains("such as / or #"), "{resource}: {error}");
    }
    for resource in ["{tenant.id}/*", "{tenant.id}#x", "{tenant.id}", "${aws:username}*", "{cell}-pool/{tenant.id}/*"] {
        JsonTemplate::parse(&format!(r#"{{"Resource":"arn:aws:s3:::pool/{resource}"}}"#)).expect(resource);
    }
}

#[test]
fn a_policy_with_an_open_start_does_not_load() {
    for resource in [
        "*/{tenant.id}/*",
        "pool-?/x-{tenant.id}",
        "*#{tenant.id}/*",
        "a*:{tenant.id}",
        "*-c{cell}",
        "*/{tenant.attributes.queue}",
        "*/${aws:username}-{tenant.id}",
        "*-{tenant.id}",
        "*{tenant.id}",
        "?{tenant.id}/*",
        "a*b.{tenant.id}",
        "x/*-{cell}-{tenant.id}",
        "*-${aws:username}-{tenant.id}",
        "{cell}/*_{tenant.id}/x",
        "*{cell}/x",
        "*/{tenant.id}/??{subject}",
    ] {
        let error = JsonTemplate::parse(&format!(r#"{{"Resource":"arn:aws:dynamodb:::table/{resource}"}}"#)).expect_err(resource);
        assert!(error.to_string().contains("wildcard") && error.to_string().contains("put it before"), "{resource}: {error}");
    }
    let error = JsonTemplate::parse(r#"{"Resource":"arn:aws:s3:::pool/${aws:PrincipalTag/Dept}/{tenant.id}/*"}"#).unwrap_err();
    assert!(error.to_string().contains("policy variable"), "{error}");
    for resource in ["t-{tenant.id}", "{tenant.id}/*/x", "{tenant.id}/*/{subject}", "${aws:PrincipalTag/TenantID}/{subject}/*"] {
        JsonTemplate::parse(&format!(r#"{{"Resource":"arn:aws:dynamodb:::table/{resource}"}}"#)).expect(resource);
    }
    // Colons in front of an ARN's resource are not crossed, but for where texts are compared.
    for front in ["arn:aws:sqs:*:*:{tenant.id}", "arn:aws:sqs:eu-*:{tenant.account}:q", "arn:aws:s3:*:{claims./a:b}:x/{tenant.id}/*"] {
        JsonTemplate::parse(&format!(r#"{{"Resource":"{front}","Condition":{{"ArnLike":{{"k":"{front}"}}}}}}"#)).expect(front);
        let compared = JsonTemplate::parse(&format!(r#"{{"Condition":{{"ForAnyValue:StringLike":{{"k":["{front}"]}}}}}}"#));
        assert!(compared.unwrap_err().to_string().contains("wildcard"), "{front}");
    }
    for inside in ["arn:aws:sqs:*-{tenant.id}:1:q", "arn:aws:logs:*:*:log-group:*:{tenant.id}"] {
        JsonTemplate::parse(&format!(r#"{{"Resource":"{inside}"}}"#)).expect_err(inside);
    }
    // Each string stands for itself.
    JsonTemplate::parse(r#"{"Action":"s3:*","Resource":["*","{tenant.id}"]}"#).unwrap();
}

#[test]
fn broken_policies_do_not_load() {
    for (text, complaint) in [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ("\"x\"", "not a JSON object"),
        ("{\"a\":1,}", "not JSON"),
        ("{\"a\":1,\"a\":2}", "repeated"),
        ("{\"a\":{\"b\":1,\"b\":{}}}", "repeated"),
        ("{\"a\":\"{tenant.id\"}", "without its"),
        ("{\"a\":\"${x\"}", "without its"),
        ("{\"a\":\"${x{tenant.id}}\"}", "inside a policy variable"),
        ("{\"a\":\"{nope}\"}", "known are"),
        ("{\"a\": NaN}", "not JSON"),
    ] {
        let error = JsonTemplate::parse(text).expect_err(text).to_string();
        assert!(error.contains(complaint), "{text}: {error}");
    }
    let long = |length: usize| format!("{{ \"a\":   \"{}\" }}", "x".repeat(length));
    JsonTemplate::parse(&long(2048 - 8)).unwrap();
    assert!(JsonTemplate::parse(&long(2049 - 8)).unwrap_err().to_string().contains("2049 characters"));
}

#[test]
fn hostile_values_stay_inside_a_policys_string() {
    let policy = JsonTemplate::parse(r#"{"Resource":"arn:aws:s3:::pool/{subject}/*"}"#).unwrap();
    for attack in ["*", "a?b", "${aws:username}", "$", "..", "a/../b", "a\nb", "\0", "", "\u{85}"] {
        assert!(policy.render(&values(&[("subject", attack)])).is_err(), "{attack:?}");
    }
    let attack = r#"x","Effect","Allow","Resource","y\"#;
    let rendered = policy.render(&values(&[("subject", attack)])).unwrap();
    let value: serde_json::Value = serde_json::from_str(&rendered).unwrap();
    assert_eq!(value, serde_json::json!({"Resource": format!("arn:aws:s3:::pool/{attack}/*")}));
    let rendered = policy.render(&values(&[("subject", "日本😀{tenant.id}")])).unwrap();
    assert!(rendered.is_ascii());
    assert_eq!(serde_json::from_str::<serde_json::Value>(&rendered).unwrap()["Resource"], "arn:aws:s3:::pool/日本😀{tenant.id}/*");
}

#[test]
fn keys_that_become_equal_are_refused() {
    let policy = JsonTemplate::parse(r#"{"StringEquals":{"aws:RequestTag/{subject}":"x","aws:RequestTag/fixed":"y"}}"#).unwrap();
    assert!(policy.render(&values(&[("subject", "other")])).is_ok());
    assert!(policy.render(&values(&[("subject", "fixed")])).is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = JsonTemplate::parse(&text);
        for lands in [Lands::Arn, Lands::ExternalId, Lands::Header, Lands::SessionName, Lands::SourceIdentity, Lands::TagValue] {
            let _ = Template::parse(&text, lands);
        }
    }

    /// Whatever a value is, the rest of the policy is what was configured, and the value adds no wildcard or variable.
    #[test]
    fn a_value_changes_nothing_but_its_own_string(value in any::<String>()) {
        let policy = JsonTemplate::parse(r#"{"Effect":"Allow","Resource":"p/{subject}/*"}"#).unwrap();
        if let Ok(rendered) = policy.render(&values(&[("subject", &value)])) {
            let parsed: serde_json::Value = serde_json::from_str(&rendered).unwrap();
            prop_assert_eq!(parsed, serde_json::json!({"Effect": "Allow", "Resource": format!("p/{value}/*")}));
            prop_assert!(!value.contains(['*', '?', '$']));
        }
    }

    /// A rendered header is one header.
    #[test]
    fn a_header_is_always_a_header(value in any::<String>()) {
        let header = Template::parse("{claims.x}", Lands::Header).unwrap();
        if let Ok(rendered) = header.render(&values(&[("claims.x", &value)])) {
            prop_assert!(http::HeaderValue::from_str(&rendered).is_ok());
            prop_assert!(rendered.is_ascii());
        }
    }
}

/// What depends on the ids is told apart from what is wrong whatever they are.
#[test]
fn an_open_end_is_told_and_a_wildcard_too_near_is_wrong_for_any_ids() {
    let policy = |resource: &str| JsonTemplate::parse_open(&format!(r#"{{"Resource":"arn:aws:sqs:::{resource}"}}"#));
    for open in ["{tenant.id}-jobs", "{tenant.id}-*", "x/{tenant.id}.a/{subject}"] {
        assert!(policy(open).unwrap().open_end().unwrap().to_string().contains("such as / or #"), "{open}");
        assert!(JsonTemplate::parse(&format!(r#"{{"Resource":"arn:aws:sqs:::{open}"}}"#)).is_err(), "{open}");
    }
    for closed in ["{tenant.id}", "{tenant.id}/*", "{cell}-pool/*", "{tenant.account}-*", "{cell}-pool"] {
        assert_eq!(policy(closed).unwrap().open_end(), None, "{closed}");
    }
    for wrong in ["{tenant.id}*", "{cell}-*", "{tenant.attributes.queue}_a?", "{subject}.*"] {
        assert!(policy(wrong).unwrap_err().to_string().contains("also matches"), "{wrong}");
    }
    let role = Template::parse_open("arn:aws:iam::111122223333:role/{tenant.id}-data", Lands::Arn).unwrap();
    assert!(role.open_end().is_some() && Template::parse(role.as_text(), Lands::Arn).is_err());
    assert_eq!(Template::parse_open("arn:aws:iam::111122223333:role/t-{tenant.id}", Lands::Arn).unwrap().open_end(), None);
}

#[test]
fn placeholders_of_other_languages_are_told_how_they_are_written_here() {
    for (text, lands) in [
        ("arn:aws:iam::111122223333:role/${tenant.id}", Lands::Arn),
        ("arn:aws:iam::111122223333:role/{{tenant.id}}", Lands::Arn),
        ("{{ tenant.id }}", Lands::SessionName),
        ("${tenant.id}", Lands::TagValue),
    ] {
        assert!(parse_error(text, lands).ends_with(" is no placeholder; write {tenant.id}"), "{text}: {}", parse_error(text, lands));
    }
    let policy = JsonTemplate::parse(r#"{"Resource":"arn:aws:s3:::b/{{tenant.id}}/*"}"#).unwrap_err();
    assert!(policy.to_string().ends_with("write {tenant.id}"), "{policy}");
    assert!(parse_error("{{nobody}}", Lands::SessionName).contains("without its '}'"));
}
