use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::{super::document, *};

/// Every section of the table, with where it stands.
fn sections(settings: &'static [Setting], path: &str, found: &mut Vec<(String, &'static [Setting])>) {
    found.push((path.to_owned(), settings));
    for setting in settings {
        let path = format!("{path}.{}", setting.key);
        match &setting.kind {
            Kind::Choice(settings) | Kind::Section(settings) => sections(settings, &path, found),
            Kind::Entries(Kind::Section(settings))
            | Kind::List(Kind::Choice(settings) | Kind::Section(settings))
            | Kind::Map(_, Kind::Section(settings)) => {
                sections(settings, &path, found);
            }
            Kind::OneOrMoreOr(_, settings) => sections(settings, &path, found),
            Kind::Entries(_)
            | Kind::Json
            | Kind::List(_)
            | Kind::Map(..)
            | Kind::NotYet
            | Kind::OneOrMore(_)
            | Kind::PathOrEnv
            | Kind::Scalar(_)
            | Kind::Secret => {}
        }
    }
}

fn all_sections() -> Vec<(String, &'static [Setting])> {
    let mut found = Vec::new();
    sections(ROOT, "", &mut found);
    sections(RECORDS, "records", &mut found);
    sections(USER_RECORDS, "users", &mut found);
    found
}

#[test]
fn keys_are_unique_and_everything_is_explained() {
    for (path, settings) in all_sections() {
        let keys: BTreeSet<_> = settings.iter().map(|setting| setting.key).collect();
        assert_eq!(keys.len(), settings.len(), "{path}");
        for setting in settings {
            assert!(setting.about.ends_with('.') && setting.about.len() >= 8, "{path}.{}: {}", setting.key, setting.about);
            // Services have their own names.
            let is_key = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || (b == b'-' && path.ends_with("guard"));
            assert!(setting.key.bytes().all(is_key), "{path}.{}", setting.key);
        }
    }
}

#[test]
fn defaults_have_the_form_that_their_settings_take() {
    for (path, settings) in all_sections() {
        for setting in settings {
            let Absent::Default(text) = setting.absent else { continue };
            let document = format!("{}: {text}", setting.key);
            let node = document::parse(&document, document::Bounds::CONFIG).unwrap();
            let mut errors = Vec::new();
            walk::walk("default", &node, settings, &mut errors);
            errors.retain(|error| error.wrong != "is missing");
            assert!(errors.is_empty(), "{path}: {errors:?}");
        }
    }
}

#[test]
fn a_section_of_defaults_requires_nothing() {
    for (path, settings) in all_sections() {
        for setting in settings.iter().filter(|setting| setting.absent == Absent::Default("{}")) {
            let Kind::Section(inner) = &setting.kind else { continue };
            assert!(inner.iter().all(|setting| setting.absent != Absent::Required), "{path}.{}", setting.key);
        }
    }
}

/// Whether `schema` takes `value`, as far as the keywords go that [`schema`] uses, patterns aside.
fn takes(schema: &Value, value: &Value) -> Result<(), String> {
    if schema == &Value::Bool(false) {
        return Err("nothing is taken".to_owned());
    }
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array)
        && !any.iter().any(|schema| takes(schema, value).is_ok())
    {
        return Err(format!("{value}: none of anyOf: {:?}", any.iter().map(|schema| takes(schema, value)).collect::<Vec<_>>()));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let named = |name: &Value| name == kind || (name == "number" && kind == "integer");
    match schema.get("type") {
        Some(Value::Array(names)) if !names.iter().any(named) => return Err(format!("{value} is {kind}")),
        Some(name @ Value::String(_)) if !named(name) => return Err(format!("{value} is {kind}")),
        _ => {}
    }
    if schema.get("enum").and_then(Value::as_array).is_some_and(|words| !words.contains(value)) {
        return Err(format!("{value} is none of enum"));
    }
    if let Some(items) = value.as_array() {
        items.iter().try_for_each(|item| schema.get("items").map_or(Ok(()), |schema| takes(schema, item)))?;
    }
    let Some(members) = value.as_object() else { return Ok(()) };
    for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        members.get(key).ok_or_else(|| format!("{key} is missing"))?;
    }
    for (key, value) in members {
        match (schema["properties"].get(key), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema)) => takes(schema, value).map_err(|error| format!("{key}: {error}"))?,
            (None, None) => {}
        }
    }
    Ok(())
}

#[test]
fn the_examples_fit_the_schema_and_other_things_do_not() {
    let schema = schema();
    for name in ["minimal.yaml", "full.yaml"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)).unwrap();
        let value = document::parse(&text, document::Bounds::CONFIG).unwrap().to_json();
        assert_eq!(takes(&schema, &value), Ok(()), "{name}");
        for (pointer, wrong) in [
            ("/egress/regoin", Value::from("x")),
            ("/guard", Value::Null),
            ("/guard", serde_json::json!({"mode": "watch"})),
            ("/ingress/tls", Value::Null),
            ("/identity/issuers", serde_json::json!([])),
            ("/identity/issuers/0/algorithms", serde_json::json!(["HS256"])),
            ("/admin", serde_json::json!({"token": "hunter2"})),
            ("/server", serde_json::json!({"headers": "many"})),
        ] {
            let mut broken = value.clone();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            broken.pointer_mut(parent).unwrap()[key] = wrong;
            // An empty list is refused by minItems, which the check here does not know.
            assert!(takes(&schema, &broken).is_err() || pointer.ends_with("issuers"), "{name}{pointer}");
        }
    }
}

#[test]
fn the_full_example_shows_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let shown = |name: &str, settings| {
        let text = fs::read_to_string(path.join(name)).unwrap();
        let node = document::parse(&text, document::Bounds::CONFIG).unwrap();
        let mut missing = Vec::new();
        unshown(&[node.to_json()], settings, "", &mut missing);
        missing
    };
    // In comments: alternatives of which one is shown, and what nobody should get by copying.
    let alternatives = [
        ".ingress.cors.pass",
        ".egress.socket",
        ".egress.tls",
        ".egress.presign",
        ".egress.defer",
        ".egress.redeem",
        ".identity.issuers.preset",
        ".identity.issuers.jwks.discovery",
        ".identity.issuers.jwks.discovery_uri",
        ".identity.issuers.jwks.inline",
        ".identity.issuers.jwks.bearer_token_file",
        ".identity.issuers.tenants.attribute",
        ".identity.workloads.roles",
        ".tenants.directory.dynamodb",
        ".tenants.directory.any",
        ".users",
        ".credentials.source.default_chain",
        ".credentials.source.file",
        ".credentials.source.static",
        ".credentials.shared_with_application",
        ".credentials.assume_role.session_policy.inline",
        ".credentials.assume_role.policy_arns",
        ".credentials.assume_role.via",
        ".credentials.assume_role_with_web_identity",
        ".workloads",
        ".guard.bedrock-runtime",
        ".guard.es",
        ".guard.events",
        ".guard.firehose",
        ".guard.kinesis",
        ".guard.kms",
        ".guard.lambda",
        ".guard.logs",
        ".guard.monitoring",
        ".guard.secretsmanager",
        ".guard.sns",
        ".guard.ssm",
        ".guard.states",
        // For a collector over https.
        ".telemetry.traces.headers",
        ".telemetry.traces.ca",
    ];
    assert_eq!(shown("full.yaml", ROOT), alternatives);
    let with_limits: Vec<_> = shown("tenants.yaml", RECORDS);
    assert_eq!(with_limits, [".tenants.limits.requests_per_second", ".tenants.limits.burst"]);
    assert_eq!(shown("users.yaml", USER_RECORDS), [] as [&str; 0]);
}

/// The settings that are in none of `examples`, which are values of one section.
fn unshown(examples: &[Value], settings: &[Setting], path: &str, missing: &mut Vec<String>) {
    for setting in settings.iter().filter(|setting| !matches!(setting.kind, Kind::NotYet)) {
        let path = format!("{path}.{}", setting.key);
        let values: Vec<Value> = examples.iter().filter_map(|example| example.get(setting.key).cloned()).collect();
        if values.is_empty() {
            missing.push(path);
            continue;
        }
        let inside = |value: Value| match value {
            Value::Array(items) => items,
            Value::Object(members) => members.into_iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        };
        match &setting.kind {
            // A plan is the same for a service as for all.
            Kind::Map(..) if path == ".credentials.services" => {}
            // Every `server` is the same.
            Kind::Section(_) if setting.key == "server" && path != ".server" => {}
            Kind::Choice(settings) | Kind::Section(settings) => unshown(&values, settings, &path, missing),
            Kind::Entries(Kind::Section(settings))
            | Kind::List(Kind::Choice(settings) | Kind::Section(settings))
            | Kind::Map(_, Kind::Section(settings)) => {
                let values: Vec<Value> = values.into_iter().flat_map(inside).collect();
                // A tier shows its limits where `limits.default` does.
                unshown(&values, settings, &path, missing);
            }
            Kind::OneOrMoreOr(_, settings) => unshown(&values, settings, &path, missing),
            Kind::Entries(_)
            | Kind::Json
            | Kind::List(_)
            | Kind::Map(..)
            | Kind::NotYet
            | Kind::OneOrMore(_)
            | Kind::PathOrEnv
            | Kind::Scalar(_)
            | Kind::Secret => {}
        }
    }
}

#[test]
fn forms_take_what_they_name_and_nothing_else() {
    use super::super::template::Lands;
    let cases: &[(Form, &[&str], &[&str])] = &[
        (Form::Account, &["012345678901"], &["", "12345678901", "1234567890123", "12345678901x"]),
        (
            Form::Address,
            &["127.0.0.1:0", "[::1]:8180"],
            &["127.0.0.1", ":8180", "localhost:1", "1.2.3.4:65536", "unix:/x", "/run/x.sock", "::1:8180x"],
        ),
        (Form::Algorithm, &["RS256", "EdDSA", "ES384", "PS512"], &["HS256", "none", "rs256", "ES512", ""]),
        (
            Form::Endpoint,
            &["https://a.example", "http://127.0.0.1:5000", "https://[::1]:1/", "https://a:443"],
            &[
                "a.example",
                "ftp://a",
                "https://",
                "https://u@a",
                "https://u:p@a",
                "https://a/x",
                "https://a?x",
                "https://a#x",
                "https://a:",
                "https://a:0",
                "https://a:99999",
                "https:///x",
                "https://a b",
            ],
        ),
        (Form::DnsPattern, &["a", "w-1.mesh.example", "*.mesh.example"], &["", "*", "A.b", "a.*", "a..b", "a:1", "dns:a"]),
        (Form::CookieName, &["__Host-token", "t"], &["", "a b", "a=b", "a;b", "é"]),
        (
            Form::Origin,
            &["*", "https://app.example.com", "http://localhost:3000", "https://[::1]:8443", "https://a:80"],
            &[
                "null",
                "app.example.com",
                "https://App.example.com",
                "https://a/",
                "https://a/x",
                "https://a:443",
                "http://a:80",
                "https://*.a.com",
                "https://u@a",
                "file:///x",
                "",
            ],
        ),
        (Form::PathPattern, &["/", "/**", "/a/{b}/*"], &["a", "/a/", "/**/a", "/a*", "/a%20b", "/../a"]),
        (Form::TenantHost, &["{tenant}.app.example.com"], &["{tenant}", "{tenant}.com", "x.{tenant}.example.com", "{tenant}.A.com"]),
        (Form::HeaderName, &["x-a", "a_b"], &["", "X-A", "a b", "a:", "é", "a\n"]),
        (Form::TenantKeyTemplate, &["{tenant.id}", "T#{tenant.id}#", "PROFILE"], &["", "{subject}", "{tenant.id}{tenant.id}", "a}"]),
        (Form::KeyTemplate, &["{issuer}#{subject}", "PROFILE"], &["", "{tenant.id}", "{subject}{subject}", "a}"]),
        (Form::Moment, &["2026-11-28T10:00:00Z", "2026-11-28T10:00:00.5+01:00"], &["", "2026-11-28", "yesterday"]),
        (Form::Path, &["a", "/a b"], &["", "a\nb", "\0"]),
        (Form::Fraction, &["0", "1", "0.01", "1e-3"], &["-0.1", "1.1", "NaN", "x", "10%"]),
        (Form::Rate, &["1", "0.5", "1e3"], &["0", "-1", "inf", "NaN", "x", "1e9"]),
        (
            Form::Region,
            &["eu-west-1", "us-gov-west-1", "us-iso-east-1", "ap-southeast-5"],
            &["", "EU-WEST-1", "eu", "eu-west", "eu--1", "-eu-west-1", "eu-west-1.evil.com", "eu_west_1", "eu-west-1/"],
        ),
        (
            Form::RoleArn,
            &["arn:aws:iam::111122223333:role/a", "arn:aws-cn:iam::111122223333:role/p/a"],
            &[
                "arn:aws:iam::111122223333:role/",
                "arn:aws:iam::1:role/a",
                "arn:aws:iam:eu-west-1:111122223333:role/a",
                "arn:aws:iam::111122223333:user/a",
                "arn:aws:iam::111122223333:role/a*",
                "x",
            ],
        ),
        (Form::ServiceName, &["s3", "execute-api"], &["", "S3", "s3.evil", "a_b", "*"]),
        (Form::ClaimValue, &["access", "*", "true", "7", "-1"], &["", "2.0", "1e3", "a\nb"]),
        (Form::TokenType, &["absent", "JWT", "at+jwt", "application/at+jwt"], &["", "at jwt", "jwt;x", "é"]),
        (Form::TagKey, &["TenantID", "a b:c", "é"], &["", "aws:x", "AWS:x", "a*", "a\tb"]),
        (Form::WordPattern, &["*", "reader", "team-*", "a*b*", "https://api.example/read"], &["", "**", "*a*b*", "a**", "a\tb"]),
        (Form::TenantPattern, &["*", "acme", "acme-*", "*-x-*"], &["", "a?", "**", "*a*b*", "a/b", "${x}"]),
        (Form::Uri, &["https://a/b?c=d"], &["https://a/b#c", "//a", "https://u@a/b", "file:///etc/passwd"]),
        (Form::Template(Lands::SessionName), &["{tenant.id}"], &["{tenant}", "a/b"]),
        (Form::ExternalId, &["ab", "a:b/c"], &["a", "{tenant.id}", "a b"]),
        (Form::AccessKeyId, &["test", "AKIAIOSFODNN7EXAMPLE"], &["", "a b", "a/b"]),
    ];
    let scalar = |text: &str| document::Scalar { text: text.to_owned(), plain: true };
    for (form, good, bad) in cases {
        for text in *good {
            assert_eq!(form.check(&scalar(text)), Ok(()), "{form:?} {text:?}");
        }
        for text in *bad {
            let fault = form.check(&scalar(text)).expect_err(text);
            assert!(!fault.wrong.is_empty() && !fault.wrong.contains('\n'), "{form:?} {text:?}");
        }
    }
}
