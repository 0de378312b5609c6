//! Names in paths, queries and headers: Lambda and Bedrock.

use super::*;

/// A request to a REST service, with `text` for the label that names a thing.
fn in_path((method, template): (&str, &str), label: &str, text: &str) -> String {
    let filled = template.split('/').map(|segment| match segment.split_once('{') {
        Some((before, rest)) => {
            let (name, after) = rest.split_once('}').unwrap();
            let name = name.trim_end_matches('+');
            format!("{before}{}{after}", if name == label { text } else { "x" })
        }
        None => segment.to_owned(),
    });
    format!("{method} {}", filled.collect::<Vec<_>>().join("/"))
}

/// An operation whose names stand in its path, its query, and in headers.
pub(super) async fn of_rest(rules: &Rules, table: &Table, operation: &str, rest: Rest) -> String {
    let line = lines_of(table.key).find(|words| words[0] == operation).unwrap();
    let at = (line[1], line[2]);
    let (label, kind) = match rest {
        Rest::Arn(label) => (label, Kind::Function),
        Rest::Function | Rest::Invocation => ("FunctionName", Kind::Function),
        Rest::Guardrail => ("guardrailIdentifier", Kind::Guardrail),
        Rest::Model => ("modelId", Kind::Model),
    };
    let names = if matches!(rest, Rest::Arn(_)) { Names::Arn(kind) } else { Names::Any(kind) };
    let run = if label == "DurableExecutionArn" { ":7/durable-execution/n/1" } else { "" };
    let body = if line[1] == "GET" { "" } else { "{}" };
    let sent = |line: String, headers: Vec<(String, String)>, body: &str| Sent { line, headers, body: body.to_owned() };
    let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut ways: Vec<Way> = Vec::new();
    for (way, text) in texts(names, kind) {
        // An empty label is another path.
        let text = if text.is_empty() { text } else { format!("{text}{run}") };
        ways.push((way, sent(in_path(at, label, &escaped(&text)), Vec::new(), body)));
    }
    let own = if matches!(rest, Rest::Arn(_)) { kind.arn(("aws", "eu-west-1", ACCOUNT), "own-acme") } else { "own-acme".to_owned() };
    for (way, text) in [
        ("twice-escaped", "own%252Dglobex".to_owned()),
        ("step", "own-acme%2F..%2Fown-globex".to_owned()),
        ("steps", "own-acme/../own-globex".to_owned()),
        ("parameter", "own-globex;own-acme".to_owned()),
        ("behind-colon", format!("{}:own-globex:1", escaped(&own))),
        ("nul", format!("{}%00own-globex", escaped(&own))),
    ] {
        ways.push((way, sent(in_path(at, label, &text), Vec::new(), body)));
    }
    if kind == Kind::Function && run.is_empty() {
        let part = |account: &str, name: &str| escaped(&format!("{account}:function:{name}"));
        for (way, text) in [
            ("own-part", part(ACCOUNT, "own-acme")),
            ("another-part", part(ACCOUNT, "own-globex")),
            ("beginning-part", part(ACCOUNT, "own-acme-2")),
            ("no-account", escaped("function:own-acme")),
        ] {
            ways.push((way, sent(in_path(at, label, &text), Vec::new(), body)));
        }
    }
    let mut text = rules.told(table, &format!("{operation} {label}"), &ways).await;
    let line = in_path(at, label, &escaped(&own));
    if matches!(rest, Rest::Function | Rest::Invocation) {
        let with = |query: &str| sent(format!("{line}{}{query}", if line.contains('?') { '&' } else { '?' }), Vec::new(), body);
        let ways = [
            ("own", with("Qualifier=7")),
            ("name", with("Qualifier=7%3Aown-globex")),
            ("arn", with("Qualifier=arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Aown-globex")),
            ("twice", with("Qualifier=7&Qualifier=8")),
            ("two-cases", with("Qualifier=7&qualifier=8")),
            ("separator", with("x=1;Qualifier=8")),
        ];
        text += &rules.told(table, &format!("{operation} Qualifier"), &ways).await;
    }
    if rest == Rest::Invocation {
        let line = in_path(at, label, "pool");
        let with = |values: &[&str]| {
            sent(line.clone(), values.iter().map(|value| ("x-amz-tenant-id".to_owned(), (*value).to_owned())).collect(), body)
        };
        let ways = [
            ("own", with(&["acme"])),
            ("another", with(&["globex"])),
            ("beginning", with(&["acme-2"])),
            ("capital", with(&["ACME"])),
            ("two", with(&["acme,globex"])),
            ("twice", with(&["acme", "globex"])),
            ("own-twice", with(&["acme", "acme"])),
            ("no-value", with(&[""])),
            ("no-header", with(&[])),
        ];
        text += &rules.told(table, &format!("{operation} X-Amz-Tenant-Id"), &ways).await;
    }
    if rest == Rest::Model {
        text += &of_guardrail(rules, table, operation, &line).await;
    }
    text
}

/// A guardrail beside a model, in a header and in the body.
async fn of_guardrail(rules: &Rules, table: &Table, operation: &str, line: &str) -> String {
    let texts = texts(Names::Any(Kind::Guardrail), Kind::Guardrail);
    let with = |values: &[&String]| {
        let headers = values.iter().map(|value| ("x-amzn-bedrock-guardrailidentifier".to_owned(), (*value).clone()));
        Sent { line: line.to_owned(), headers: headers.collect(), body: "{}".to_owned() }
    };
    let of = |way: &str| texts.iter().find(|(other, _)| *other == way).map(|(_, text)| text).unwrap();
    let mut ways: Vec<Way> = texts.iter().map(|(way, text)| (*way, with(&[text]))).collect();
    // HTTP takes spaces around a header's value away.
    ways.retain(|(way, _)| *way != "space");
    ways.extend([("twice", with(&[of("own"), of("another")])), ("twice-another-first", with(&[of("another"), of("own")]))]);
    let mut text = rules.told(table, &format!("{operation} guardrail in a header"), &ways).await;
    let ways = written("guardrailIdentifier", &texts, (false, false)).into_iter().map(|(way, written)| {
        let body = format!("{{\"guardrailConfig\":{}}}", Around::default().document(&written));
        (way, Sent { line: line.to_owned(), headers: Vec::new(), body })
    });
    text += &rules.told(table, &format!("{operation} guardrailConfig.guardrailIdentifier"), &ways.collect::<Vec<_>>()).await;
    text
}
