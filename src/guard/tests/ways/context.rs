//! What says whose a shared thing is: the encryption context of a key, the dimensions of a metric.

use super::*;

/// Objects, a pair of which has to say whose it is.
fn contexts(pair: impl Fn(&str, &str) -> String) -> Vec<(&'static str, String)> {
    let of = |value: &str| pair("tenant", &quoted(value));
    vec![
        ("own", of("acme")),
        ("another", of("globex")),
        ("capital", of("ACME")),
        ("beginning", of("acme-2")),
        ("shorter", of("acm")),
        ("space", of("acme ")),
        ("wildcard", of("*")),
        ("no-value", of("")),
        ("no-text", pair("tenant", "null")),
        ("number", pair("tenant", "1")),
        ("list", pair("tenant", "[\"acme\"]")),
        ("other-name", pair("Tenant", "\"acme\"")),
        ("twice", format!("{},{}", of("acme"), of("globex"))),
        ("twice-another-first", format!("{},{}", of("globex"), of("acme"))),
        ("two-cases", format!("{},{}", of("acme"), pair("Tenant", "\"globex\""))),
        ("own-and-more", format!("{},{}", of("acme"), pair("x", "\"globex\""))),
        ("nothing", String::new()),
    ]
}

/// The encryption context of an operation with a key that tenants share, and with none where the ciphertext says which.
pub(super) async fn of_context(rules: &Rules, table: &Table, operation: &str, all: &[Member], member: &Member) -> String {
    let mut text = String::new();
    let others: Vec<_> = all.iter().filter(|other| other.path != member.path).collect();
    let shared = format!("{}:\"alias/pool\"", quoted(member.path));
    let without = matches!(member.absent, Absent::Unnamed).then_some((" without a key", String::new()));
    for (where_, key) in [("", shared)].into_iter().chain(without) {
        let around = Around {
            beside: [key, beside(&others).0].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(","),
            ..Around::default()
        };
        let contexts = contexts(|name, value| format!("{}:{value}", quoted(name)));
        let one = |raw: String| vec![vec![(member.context.to_owned(), raw)]];
        let mut ways: Vec<(&'static str, Written)> = contexts.iter().map(|(way, pairs)| (*way, one(format!("{{{pairs}}}")))).collect();
        // Two cases of a name are two names there.
        ways.retain(|(way, _)| *way != "two-cases");
        let both = |first: &str, second: &str| {
            vec![vec![
                (member.context.to_owned(), format!("{{\"tenant\":\"{first}\"}}")),
                (member.context.to_owned(), format!("{{\"tenant\":\"{second}\"}}")),
            ]]
        };
        ways.extend([
            ("member-twice", both("acme", "globex")),
            ("member-twice-another-first", both("globex", "acme")),
            ("member-other-case", vec![vec![(other_case(member.context), "{\"tenant\":\"acme\"}".to_owned())]]),
            ("no-context", vec![Vec::new()]),
            ("null-context", one("null".to_owned())),
            ("no-object", one("\"tenant=acme\"".to_owned())),
        ]);
        let ways: Vec<_> = ways.into_iter().map(|(way, written)| (way, in_json(table, operation, around.document(&written)))).collect();
        text += &rules.told(table, &format!("{operation} {}{where_}", member.context), &ways).await;
    }
    text
}

/// An operation on metrics: the namespace that is a tenant's own, and the dimensions of one that tenants share.
pub(super) async fn of_metrics(rules: &Rules, table: &Table, operation: &str, metrics: Metrics) -> String {
    let (list, within, beside) = match metrics {
        Metrics::Data => (None, "", "\"MetricData\":[{\"MetricName\":\"m\"}]"),
        Metrics::Listing | Metrics::One => (None, "", "\"MetricName\":\"m\""),
        Metrics::Queries => {
            let open = "{\"Id\":\"a\",\"MetricStat\":{\"Period\":60,\"Stat\":\"Sum\",\"Metric\":{";
            (Some(("MetricDataQueries".to_owned(), open.to_owned(), "}}}".to_owned())), "\"MetricName\":\"m\"", "")
        }
    };
    let mid = list.is_some();
    let around = Around { list: list.clone(), within: within.to_owned(), beside: beside.to_owned() };
    let mut texts = texts(Names::Name(Kind::Namespace), Kind::Namespace);
    // A namespace has neither an ARN nor steps.
    texts.retain(|(way, _)| !way.ends_with("arn") && !ELSEWHERE.contains(way) && !matches!(*way, "region" | "service"));
    let ways = written("Namespace", &texts, (false, mid)).into_iter();
    let ways: Vec<_> = ways.map(|(way, written)| (way, in_json(table, operation, around.document(&written)))).collect();
    let mut text = rules.told(table, &format!("{operation} Namespace"), &ways).await;

    let dimensions = contexts(|name, value| format!("{{\"Name\":{},\"Value\":{value}}}", quoted(name)));
    let around = match metrics {
        Metrics::Data => Around {
            list: Some(("MetricData".to_owned(), "{".to_owned(), "}".to_owned())),
            within: "\"MetricName\":\"m\"".to_owned(),
            beside: "\"Namespace\":\"app\"".to_owned(),
        },
        Metrics::Listing | Metrics::One => Around { beside: "\"Namespace\":\"app\",\"MetricName\":\"m\"".to_owned(), ..Around::default() },
        Metrics::Queries => Around { list, within: "\"MetricName\":\"m\",\"Namespace\":\"app\"".to_owned(), beside: String::new() },
    };
    let one = |raw: String| vec![vec![("Dimensions".to_owned(), raw)]];
    let mut ways: Vec<(&'static str, Written)> = dimensions.iter().map(|(way, pairs)| (*way, one(format!("[{pairs}]")))).collect();
    // Two cases of a name are two dimensions.
    ways.retain(|(way, _)| *way != "two-cases");
    let pair = |value: &str| ("Dimensions".to_owned(), format!("[{{\"Name\":\"tenant\",\"Value\":\"{value}\"}}]"));
    ways.extend([
        ("member-twice", vec![vec![pair("acme"), pair("globex")]]),
        ("member-twice-another-first", vec![vec![pair("globex"), pair("acme")]]),
        ("member-other-case", vec![vec![("dimensions".to_owned(), pair("acme").1)]]),
        ("name-alone", one("[{\"Name\":\"tenant\"}]".to_owned())),
        ("no-dimensions", vec![Vec::new()]),
        ("null-dimensions", one("null".to_owned())),
        ("no-list", one("{\"Name\":\"tenant\",\"Value\":\"acme\"}".to_owned())),
    ]);
    if around.list.is_some() {
        ways.extend([
            ("own-and-another", vec![vec![pair("acme")], vec![pair("globex")]]),
            ("another-and-own", vec![vec![pair("globex")], vec![pair("acme")]]),
            ("own-and-none", vec![vec![pair("acme")], Vec::new()]),
        ]);
    }
    let ways: Vec<_> = ways.into_iter().map(|(way, written)| (way, in_json(table, operation, around.document(&written)))).collect();
    text += &rules.told(table, &format!("{operation} Dimensions"), &ways).await;
    text
}
