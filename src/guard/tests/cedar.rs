//! Policies on top of the rules, in whole requests.

use std::{collections::BTreeSet, fs, time::UNIX_EPOCH};

use serde_json::json;

use super::{
    catalogue::{CATALOGUES, Catalogue},
    *,
};
use crate::guard::cedar::Policies;

mod examples;
mod explain;
mod surroundings;
mod things;

const EVERYTHING: &str = "@id(\"everything\") permit(principal, action, resource);\n";
const S3: &str = "s3: [{buckets: [pool-data], prefix: '{tenant.id}/'}, {buckets: ['own-{tenant.id}']}]";
const HOST: &str = "s3.eu-west-1.amazonaws.com";

impl Bench {
    /// A guard with these rules and these policies.
    fn under(services: &str, rules: &str, policies: &str) -> Self {
        let (bench, path, _folder) = Self::awaiting(services, rules, policies);
        bench.serving(Policies::open(&path).unwrap_or_else(|errors| panic!("{errors}\n{policies}")))
    }

    /// The same, before the policies are served.
    fn awaiting(services: &str, rules: &str, policies: &str) -> (Self, std::path::PathBuf, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.cedar");
        fs::write(folder.path().join("c"), "x").unwrap();
        fs::write(&path, policies).unwrap();
        let rules = rules.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
        let rules = if rules.contains("cedar:") { rules.to_owned() } else { format!("cedar: {{policies: p.cedar}}, {rules}") };
        let text = format!("{BASE}egress: {{region: eu-west-1, services: {services}}}\nguard: {{{rules}}}\n");
        (Self::of(&text, folder.path()), path, folder)
    }

    fn serving(self, policies: Policies) -> Self {
        Self { guard: self.guard.under(Arc::new(policies), self.recorder.clock.clone()), ..self }
    }
}

fn s3(policies: &str) -> Bench {
    Bench::under("{s3: {}}", &format!("{{{S3}}}"), policies)
}

/// What becomes of a request of acme's to S3, and what the log says.
async fn of_s3(bench: &Bench, line: &str) -> (&'static str, String) {
    let outcome = bench.ask(&tenant("acme"), request(line, HOST, &[], "")).await;
    (outcome.verdict, outcome.note)
}

/// With policies that permit everything, the rules alone decide; and nothing is asked that the schema does not have.
#[tokio::test]
async fn policies_that_permit_everything_change_nothing() {
    for (_, _, text) in CATALOGUES {
        let catalogue = Catalogue::read(text);
        let bench = Bench::under(&catalogue.services, &catalogue.rules, EVERYTHING);
        catalogue.hold_at(&bench).await;
    }
}

/// With policies that permit nothing to this user, everything is denied that the rules let pass; and each kind of thing that the schema has is asked about.
#[tokio::test]
async fn policies_that_permit_nothing_deny_everything() {
    let nobody = "permit(principal in Palisade::Role::\"nobody\", action, resource);";
    let mut kinds = BTreeSet::new();
    for (name, _, text) in CATALOGUES {
        let catalogue = Catalogue::read(text);
        let bench = Bench::under(&catalogue.services, &catalogue.rules, nobody);
        for case in catalogue.cases.iter().filter(|case| matches!(case.is.as_str(), "allowed" | "watched")) {
            let outcome = bench.ask(&tenant("acme"), catalogue.request(case)).await;
            assert_eq!(outcome.verdict, "guard-denied", "{name}: {case:?} {outcome:?}");
            let (_, of) =
                outcome.note.split_once("guard.cedar: no policy permits ").unwrap_or_else(|| panic!("{name}: {case:?} {outcome:?}"));
            kinds.insert(of.rsplit(' ').next().unwrap().to_owned());
        }
    }
    let all = crate::guard::cedar::kinds().map(str::to_owned).chain(["Service".to_owned()]).collect();
    assert_eq!(kinds, all);
}

#[tokio::test]
async fn without_policies_nothing_is_permitted() {
    let (bench, _, _folder) = Bench::awaiting("{s3: {}}", &format!("{{{S3}}}"), EVERYTHING);
    let (verdict, note) = of_s3(&bench, "GET /own-acme/x").await;
    assert_eq!((verdict, &*note), ("guard-denied", "guard.cedar: there are no policies"));
}

#[tokio::test]
async fn policies_take_away_and_give_nothing() {
    let bench = s3(EVERYTHING);
    assert_eq!(of_s3(&bench, "GET /pool-data/acme/x").await.0, "allowed");
    let (verdict, note) = of_s3(&bench, "GET /pool-data/globex/x").await;
    assert_eq!(verdict, "guard-denied");
    assert!(note.starts_with("guard.s3[0]: "), "{note}");
}

#[tokio::test]
async fn forbid_wins_and_says_which_policy_it_was() {
    let bench = s3(&format!("{EVERYTHING}@id(\"no-writes\") forbid(principal, action in Palisade::Action::\"write\", resource);"));
    assert_eq!(of_s3(&bench, "GET /own-acme/secret-key").await.0, "allowed");
    let (verdict, note) = of_s3(&bench, "DELETE /own-acme/secret-key").await;
    assert_eq!((verdict, &*note), ("guard-denied", "guard.cedar: policy no-writes forbids s3:DeleteObject of Object"));
    assert_eq!(of_s3(&bench, "GET /own-acme?list-type=2").await.0, "allowed", "a listing is none");
}

/// A line of the log stays short, however many policies are against a request.
#[tokio::test]
async fn a_denial_names_the_first_policies_alone() {
    for (count, named) in [(1, "a"), (5, "a, b, c, d, e"), (6, "a, b, c, d, e, …"), (7, "a, b, c, d, e, …")] {
        let forbidding: String = ('a'..).take(count).map(|id| format!("@id(\"{id}\") forbid(principal, action, resource);\n")).collect();
        let (verdict, note) = of_s3(&s3(&format!("{EVERYTHING}{forbidding}")), "GET /own-acme/x").await;
        assert_eq!((verdict, note), ("guard-denied", format!("guard.cedar: policy {named} forbids s3:GetObject of Object")));
    }
}

/// Cedar passes over a policy that cannot be evaluated. A `permit` beside it must not win, nor may it be the one that fails.
#[tokio::test]
async fn a_policy_that_cannot_be_evaluated_denies() {
    // An overflow, which no validator sees.
    let overflow = "context.weekday * 9223372036854775807 > 0";
    for policies in [
        format!("{EVERYTHING}@id(\"broken\") forbid(principal, action, resource) when {{ {overflow} }};"),
        format!("{EVERYTHING}@id(\"broken\") permit(principal, action, resource) when {{ {overflow} }};"),
        format!("@id(\"broken\") permit(principal, action, resource) when {{ {overflow} }};"),
    ] {
        let (verdict, note) = of_s3(&s3(&policies), "GET /own-acme/secret-key").await;
        assert_eq!(
            (verdict, &*note),
            ("guard-denied", "guard.cedar: policy broken cannot be evaluated for s3:GetObject of Object"),
            "{policies}"
        );
    }
}

#[tokio::test]
async fn each_thing_of_a_request_is_asked_about() {
    let bench = s3(&format!(
        "{EVERYTHING}@id(\"kept\") forbid(principal, action, resource is Palisade::Object) when {{ resource.key like \"*/kept/*\" }};
        @id(\"listed\") forbid(principal, action == Palisade::Action::\"s3:ListBucket\", resource) unless {{ context has prefix && context.prefix like \"acme/open/*\" }};"
    ));
    let acme = tenant("acme");
    let delete = |keys: &[&str]| {
        let objects: String = keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
        request("POST /pool-data?delete", HOST, &[], format!("<Delete>{objects}</Delete>"))
    };
    let copy = |source: &str| request("PUT /pool-data/acme/copy", HOST, &[("x-amz-copy-source", source)], "");
    for (asked, is) in [
        (delete(&["acme/a", "acme/b"]), "allowed"),
        (delete(&["acme/a", "acme/kept/b"]), "guard-denied"),
        (delete(&["acme/kept/b", "acme/a"]), "guard-denied"),
        (copy("pool-data/acme/a"), "allowed"),
        (copy("pool-data/acme/kept/a"), "guard-denied"),
        // Read with a space as well: both are looked at.
        (copy("pool-data/acme/kept/+"), "guard-denied"),
        (request("GET /pool-data?list-type=2&prefix=acme/open/x", HOST, &[], ""), "allowed"),
        (request("GET /pool-data?list-type=2&prefix=acme/", HOST, &[], ""), "guard-denied"),
        (request("GET /own-acme?list-type=2", HOST, &[], ""), "guard-denied"),
        (request("HEAD /own-acme", HOST, &[], ""), "guard-denied"),
    ] {
        let uri = asked.uri().clone();
        let outcome = bench.ask(&acme, asked).await;
        assert_eq!(outcome.verdict, is, "{uri} {outcome:?}");
        assert!(!outcome.note.contains("acme"), "no key in the log: {outcome:?}");
    }
}

fn at_s3(line: &str) -> Request<Body> {
    request(line, HOST, &[], "")
}

fn dynamodb(operation: &str, body: serde_json::Value) -> Request<Body> {
    let target = format!("DynamoDB_20120810.{operation}");
    let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.0")];
    request("POST /", "dynamodb.eu-west-1.amazonaws.com", &headers, body.to_string())
}

#[tokio::test]
async fn each_item_of_a_batch_is_asked_about() {
    let policies = format!(
        "{EVERYTHING}@id(\"audit-trail\") forbid(principal, action, resource is Palisade::Item) when {{ resource.table == \"trail\" && !(action in Palisade::Action::\"read\") }};
        @id(\"closed\") forbid(principal, action, resource is Palisade::Item) when {{ resource.hasTag(\"pk\") && resource.getTag(\"pk\") like \"acme#closed*\" }};"
    );
    let rules = "{dynamodb: [{tables: [orders, trail], leading_key: '{tenant.id}#', key: pk}]}";
    let bench = Bench::under("{dynamodb: {}}", rules, &policies);
    let item = |key: &str| json!({"pk": {"S": key}});
    let put = |key: &str| json!({"PutRequest": {"Item": item(key)}});
    let get = |keys: &[&str]| json!({"RequestItems": {"orders": {"Keys": keys.iter().map(|key| item(key)).collect::<Vec<_>>()}}});
    for (asked, is) in [
        (dynamodb("GetItem", json!({"TableName": "trail", "Key": item("acme#1")})), "allowed"),
        (dynamodb("PutItem", json!({"TableName": "trail", "Item": item("acme#1")})), "guard-denied"),
        (dynamodb("BatchWriteItem", json!({"RequestItems": {"orders": [put("acme#1")]}})), "allowed"),
        (dynamodb("BatchWriteItem", json!({"RequestItems": {"orders": [put("acme#1")], "trail": [put("acme#1")]}})), "guard-denied"),
        (dynamodb("BatchGetItem", get(&["acme#1", "acme#2"])), "allowed"),
        (dynamodb("BatchGetItem", get(&["acme#1", "acme#closed#2"])), "guard-denied"),
    ] {
        let outcome = bench.ask(&tenant("acme"), asked).await;
        assert_eq!(outcome.verdict, is, "{outcome:?}");
        assert!(!outcome.note.contains("acme#"), "no key in the log: {outcome:?}");
    }
}

/// A secret's ARN could be of two names.
#[tokio::test]
async fn each_way_to_read_a_name_is_asked_about() {
    let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:acme-db-AbCdEf";
    for (name, is) in [("acme-db", "guard-denied"), ("acme-db-AbCdEf", "guard-denied"), ("acme-other", "allowed")] {
        let policies =
            format!("{EVERYTHING}forbid(principal, action, resource is Palisade::Secret) when {{ resource.name == \"{name}\" }};");
        let bench = Bench::under("{secretsmanager: {}}", "{secretsmanager: [{secrets: ['acme-*'], shared: true}]}", &policies);
        let headers = [("x-amz-target", "secretsmanager.GetSecretValue"), ("content-type", "application/x-amz-json-1.1")];
        let asked = request("POST /", "secretsmanager.eu-west-1.amazonaws.com", &headers, json!({"SecretId": arn}).to_string());
        let outcome = bench.ask(&tenant("acme"), asked).await;
        assert_eq!(outcome.verdict, is, "{name} {outcome:?}");
    }
}

/// Whatever the rules' mode, what cannot be told is denied, and what can be is asked about as what it is.
#[tokio::test]
async fn rules_that_are_off_are_read_all_the_same() {
    let policies = format!(
        "{EVERYTHING}@id(\"kept\") forbid(principal, action, resource is Palisade::Object) when {{ resource.key like \"kept/*\" }};"
    );
    for rules in [
        "{mode: off, cedar: {policies: p.cedar, mode: enforce}}",
        "{mode: audit, cedar: {policies: p.cedar, mode: enforce}}",
        "{mode: off, s3: [{buckets: [pool], shared: true}], cedar: {policies: p.cedar, mode: enforce}}",
    ] {
        let bench = Bench::under("{s3: {}}", rules, &policies);
        assert_ne!(of_s3(&bench, "GET /pool/open/x").await.0, "guard-denied", "{rules}");
        let (verdict, note) = of_s3(&bench, "GET /pool/kept/x").await;
        assert_eq!((verdict, &*note), ("guard-denied", "guard.cedar: policy kept forbids s3:GetObject of Object"), "{rules}");
        let (verdict, note) = of_s3(&bench, "POST /pool?delete").await;
        assert_eq!(verdict, "guard-denied", "{rules}");
        assert!(note.starts_with("guard.cedar: what the request is about cannot be told: "), "{note}");
    }
}

#[tokio::test]
async fn policies_have_a_mode_of_their_own() {
    let nothing = &format!("{EVERYTHING}@id(\"none\") forbid(principal, action, resource);");
    let rules = |mode: &str| format!("{{cedar: {{policies: p.cedar, mode: {mode}}}, {S3}}}");
    let under = |mode| Bench::under("{s3: {}}", &rules(mode), nothing);
    let (verdict, note) = of_s3(&under("audit"), "GET /own-acme/x").await;
    assert_eq!((verdict, note.trim_end()), ("watched", "guard.cedar: policy none forbids s3:GetObject of Object"));
    assert_eq!(of_s3(&under("audit"), "GET /pool-data/globex/x").await.0, "guard-denied", "the rules have their own");
    assert_eq!(of_s3(&under("off"), "GET /own-acme/x").await, ("allowed", String::new()));
    let inherited = Bench::under("{s3: {}}", &format!("{{mode: audit, cedar: {{policies: p.cedar}}, {S3}}}"), nothing);
    assert_eq!(of_s3(&inherited, "GET /own-acme/x").await.0, "watched");
}

/// Services that the rules do not look at are asked about as a whole.
#[tokio::test]
async fn unguarded_services_are_asked_about() {
    let services = "{s3: {}, sqs: {unguarded: true}, athena: {unguarded: true}, batch: {unguarded: true}}";
    let policies = format!(
        "{EVERYTHING}@id(\"sends\") forbid(principal, action == Palisade::Action::\"sqs:SendMessage\", resource);
        @id(\"athena\") forbid(principal, action == Palisade::Action::\"other\", resource == Palisade::Service::\"athena\")
          unless {{ context has operation && context.operation == \"GetQueryResults\" }};"
    );
    let bench = Bench::under(services, &format!("{{{S3}}}"), &policies);
    let json = |host: &str, target: &str| {
        let headers = [("x-amz-target", target), ("content-type", "application/x-amz-json-1.0")];
        request("POST /", &format!("{host}.eu-west-1.amazonaws.com"), &headers, "{}")
    };
    for (asked, is, note) in [
        (json("sqs", "AmazonSQS.ReceiveMessage"), "allowed", ""),
        (json("sqs", "AmazonSQS.SendMessage"), "guard-denied", "guard.cedar: policy sends forbids sqs:SendMessage of Service"),
        (json("athena", "AmazonAthena.GetQueryResults"), "allowed", ""),
        (json("athena", "AmazonAthena.StopQueryExecution"), "guard-denied", "guard.cedar: policy athena forbids other of Service"),
        // With a name taken away that the policy goes by.
        (
            request("POST /v1/submitjob", "batch.eu-west-1.amazonaws.com", &[("x-http-method-override", "x")], "{}"),
            "guard-denied",
            "guard.cedar: what is asked for cannot be told",
        ),
        // It could be what is forbidden.
        (json("sqs", "AmazonSQS.Unheard"), "guard-denied", "guard.cedar: the policies have no word for what is asked for"),
    ] {
        let outcome = bench.ask(&tenant("acme"), asked).await;
        assert_eq!((outcome.verdict, &*outcome.note), (is, note));
    }
}

/// However much a request is about, what its questions cost is bounded.
#[tokio::test]
async fn a_request_is_asked_about_only_so_often() {
    let bench = Bench::under(
        "{aoss: {endpoint: 'https://abc123.eu-west-1.aoss.amazonaws.com'}}",
        "{aoss: [{indexes: ['x-*'], shared: true}]}",
        EVERYTHING,
    );
    for (count, is) in [(2_000, "allowed"), (2_001, "guard-denied")] {
        let lines: String = (0..count).map(|n| format!("{{\"index\":{{\"_index\":\"x-{n}\"}}}}\n{{}}\n")).collect();
        let asked = request("POST /_bulk", "abc123.eu-west-1.aoss.amazonaws.com", &[("content-type", "application/x-ndjson")], lines);
        let outcome = bench.ask(&tenant("acme"), asked).await;
        assert_eq!(outcome.verdict, is, "{count}: {}", outcome.note);
    }
}

/// What a request says of a thing is told to policies whole, or the request is denied.
#[tokio::test]
async fn tags_are_told_all_or_not_at_all() {
    let policies = format!("{EVERYTHING}forbid(principal, action, resource is Palisade::Item) when {{ resource.hasTag(\"zz\") }};");
    let rules = "{dynamodb: [{tables: [orders], leading_key: '{tenant.id}#', key: pk}]}";
    let bench = Bench::under("{dynamodb: {}}", rules, &policies);
    let headers = [("x-amz-target", "DynamoDB_20120810.PutItem"), ("content-type", "application/x-amz-json-1.0")];
    let too_many = "guard.cedar: the policies cannot be asked: a thing of which the request says more than policies are told";
    for (more, is, note) in [(511, "allowed", ""), (512, "guard-denied", too_many), (2_000, "guard-denied", too_many)] {
        let mut item: serde_json::Map<_, _> = (0..more).map(|n| (format!("a{n}"), json!({"S": "x"}))).collect();
        item.insert("pk".to_owned(), json!({"S": "acme#1"}));
        let asked =
            request("POST /", "dynamodb.eu-west-1.amazonaws.com", &headers, json!({"TableName": "orders", "Item": item}).to_string());
        let outcome = bench.ask(&tenant("acme"), asked).await;
        assert_eq!((outcome.verdict, &*outcome.note), (is, note), "{more}");
    }
    // Attributes that make no tag do not stand for others that are left out.
    for odd in [json!({"B": "/w=="}), json!({"B": "/"})] {
        let mut item: serde_json::Map<_, _> = (0..20).map(|n| (format!("a{n:02}"), odd.clone())).collect();
        item.insert("pk".to_owned(), json!({"S": "acme#1"}));
        item.extend((0..500).map(|n| (format!("b{n}"), json!({"S": "x"}))));
        item.insert("zz".to_owned(), json!({"S": "x"}));
        let asked =
            request("POST /", "dynamodb.eu-west-1.amazonaws.com", &headers, json!({"TableName": "orders", "Item": item}).to_string());
        let outcome = bench.ask(&tenant("acme"), asked).await;
        assert_eq!(outcome.verdict, "guard-denied", "{odd}: {}", outcome.note);
    }
}
