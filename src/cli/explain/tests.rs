use clap::Parser;
use serde_json::{Value, json};

use super::{Args, explain};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

const CONFIG: &str = r##"
egress: {region: eu-west-1, services: {s3: {}, dynamodb: {}, sns: {unguarded: true}}}
identity: {issuers: [{issuer: i, audience: a, jwks: {uri: "https://idp.example.com/keys"}}]}
tenants: {directory: DIRECTORY}
limits: {default: {requests_per_second: 5}, tiers: {gold: {requests_per_second: 50, burst: 70, concurrent: 3}}}
credentials:
  source: {default_chain: {}}
  assume_role:
    role_arn: 'arn:aws:iam::111122223333:role/data'
    external_id: '{tenant.external_id}'
    session_name: '{tenant.id}'
    source_identity: '{subject}'
    session_tags: {TenantID: '{tenant.id}'}
    session_policy: {inline: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::pool/{tenant.id}/*"}]}'}
guard:
  s3:
    - {buckets: ['own-{tenant.id}']}
    - {buckets: [pool], prefix: '{tenant.id}/', kms: {key: '{tenant.kms_key}'}}
    - {buckets: [trial], prefix: '{tenant.id}/', mode: audit}
  dynamodb:
    - {tables: [orders], leading_key: '{tenant.id}#', key: pk}
    - {tables: [carts], leading_key: '{tenant.id}#', learn: true}
    - {tables: [visits], leading_key: '{tenant.id}#', key: tenant_pk}
"##;

const TENANTS: &str = "tenants:
  acme: {tier: gold, external_id: hush-hush, kms_key: alias/acme}
  globex: {status: suspended}
  bare: {kms_key: alias/bare}
";

async fn explained_by(directory: &str, tenant: &str, more: &[&str]) -> Result<(String, Value), String> {
    explained_of(&CONFIG.replace("DIRECTORY", directory), "", tenant, more).await
}

/// By a configuration and policies.
async fn explained_of(config_text: &str, policies: &str, tenant: &str, more: &[&str]) -> Result<(String, Value), String> {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("palisade.yaml");
    std::fs::write(&config, config_text).unwrap();
    std::fs::write(folder.path().join("p.cedar"), policies).unwrap();
    std::fs::write(folder.path().join("tenants.yaml"), TENANTS).unwrap();
    std::fs::write(folder.path().join("get.json"), r#"{"TableName":"orders","Key":{"pk":{"S":"acme#1"}}}"#).unwrap();
    std::fs::write(folder.path().join("cart.json"), r#"{"TableName":"carts","Key":{"pk":{"S":"acme#1"}}}"#).unwrap();
    let update = r#"{"TableName":"orders","Key":{"pk":{"S":"acme#1"}},"UpdateExpression":"SET a = :a","ExpressionAttributeValues":{":a":{"N":"1"}}}"#;
    std::fs::write(folder.path().join("update.json"), update).unwrap();
    let query = r#"{"TableName":"visits","KeyConditionExpression":"(tenant_pk=:p)","ExpressionAttributeValues":{":p":{"S":"acme#1"}}}"#;
    std::fs::write(folder.path().join("query.json"), query).unwrap();
    std::fs::write(folder.path().join("other.json"), r#"{"TableName":"orders","Key":{"pk":{"S":"globex#1"}}}"#).unwrap();
    let more = more.iter().map(|word| word.replace("@", &format!("{}/", folder.path().display())));
    let line = ["explain", "--config", config.to_str().unwrap(), "--tenant", tenant].into_iter().map(str::to_owned).chain(more);
    let args = Line::try_parse_from(line).map_err(|error| error.to_string())?.args;
    let explained = explain(args).await?;
    Ok((explained.text(), explained.json()))
}

async fn explained(tenant: &str, more: &[&str]) -> (String, Value) {
    explained_by("{file: tenants.yaml}", tenant, more).await.unwrap()
}

fn stage<'v>(found: &'v Value, name: &str) -> &'v Value {
    found["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == name).unwrap_or_else(|| panic!("{name}: {found:#}"))
}

#[tokio::test]
async fn a_request_is_told_from_the_tenant_to_the_upstream() {
    let (text, found) = explained("acme", &["--subject", "u1", "PUT", "https://pool.s3.eu-west-1.amazonaws.com/acme/x"]).await;
    assert_eq!((&found["allowed"], &found["result"]), (&json!(true), &json!("allowed")), "{text}");
    let names: Vec<_> = found["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(names, ["tenant", "limits", "target", "operation", "guard", "session", "upstream"]);
    assert_eq!(stage(&found, "limits")["requests_per_second"], json!(50.0));
    assert_eq!(stage(&found, "operation")["needed_actions"], json!(["s3:PutObject"]));
    let thing = &stage(&found, "guard")["touches"][0];
    assert_eq!((&thing["kind"], &thing["names"], &thing["allowed"]), (&json!("bucket"), &json!(["pool"]), &json!(true)));
    let says: Vec<_> = thing["rules"].as_array().unwrap().iter().map(|rule| (rule["rule"].clone(), rule["says"].clone())).collect();
    assert_eq!(says, [(json!("guard.s3[0]"), json!("silent")), (json!("guard.s3[1]"), json!("allowed"))], "a later rule is not asked");
    assert_eq!(stage(&found, "guard")["added"]["x-amz-server-side-encryption-aws-kms-key-id"], json!("alias/acme"));
    let session = stage(&found, "session");
    assert_eq!((&session["session_name"], &session["source_identity"]), (&json!("acme"), &json!("u1")));
    assert_eq!(session["session_policy"]["Statement"][0]["Resource"], json!("arn:aws:s3:::pool/acme/*"));
    assert_eq!(stage(&found, "upstream")["host"], json!("pool.s3.eu-west-1.amazonaws.com"));
    for said in [&text, &found.to_string()] {
        assert!(!said.contains("hush-hush"), "{said}");
    }
    for line in [
        "tenant: passes",
        "  bucket pool, key \"acme/x\", for s3:PutObject: allowed",
        "    guard.s3[0] (enforce) is about other things",
        "result: allowed",
    ] {
        assert!(text.lines().any(|there| there == line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn each_stage_refuses_in_its_own_words() {
    let s3 = "https://s3.eu-west-1.amazonaws.com";
    for (tenant, more, stage_of, reason) in [
        ("globex", vec!["GET", "https://s3.eu-west-1.amazonaws.com/pool/globex/x"], "tenant", "tenant-suspended"),
        ("nobody", vec!["GET", "https://s3.eu-west-1.amazonaws.com/pool/nobody/x"], "tenant", "tenant-unknown"),
        ("acme", vec!["GET", "https://example.com/x"], "target", "host-not-allowed"),
        ("acme", vec!["GET", "https://s3.us-east-1.amazonaws.com/pool/acme/x"], "target", "region-not-allowed"),
        ("acme", vec!["GET", "https://pool.s3.eu-west-1.amazonaws.com/?session"], "operation", "operation-refused"),
        ("acme", vec!["GET", "https://s3.eu-west-1.amazonaws.com/pool/globex/x"], "guard", "guard-denied"),
        ("bare", vec!["GET", "https://s3.eu-west-1.amazonaws.com/pool/bare/x", "--subject", "u1"], "session", "plan-incomplete"),
    ] {
        let (text, found) = explained(tenant, &more).await;
        assert_eq!((&found["allowed"], &found["reason"]), (&json!(false), &json!(reason)), "{text}");
        assert_eq!(stage(&found, stage_of)["outcome"], json!("refused"), "{text}");
        assert!(text.ends_with(&format!("result: refused, {reason}\n")), "{text}");
    }
    let (text, found) = explained("acme", &["GET", &format!("{s3}/trial/globex/x"), "--subject", "u1"]).await;
    assert_eq!((&found["allowed"], &stage(&found, "guard")["outcome"]), (&json!(true), &json!("would_deny")), "{text}");
    let (text, found) = explained("acme", &["GET", &format!("{s3}/pool/acme/x")]).await;
    assert_eq!((&found["allowed"], &found["result"]), (&json!(true), &json!("allowed, as far as it is known")), "{text}");
    assert_eq!(stage(&found, "session")["missing"], json!(["subject"]));
}

#[tokio::test]
async fn what_a_body_says_is_looked_at() {
    let dynamodb = "https://dynamodb.eu-west-1.amazonaws.com/";
    let get = ["-H", "x-amz-target: DynamoDB_20120810.GetItem", "--subject", "u1"];
    let ask = async |body: &str| explained("acme", &[&get[..], &["POST", dynamodb, "--body", body]].concat()).await;
    let (text, found) = ask("@get.json").await;
    assert_eq!(found["allowed"], json!(true), "{text}");
    assert!(text.contains("table orders, items with pk = \"acme#1\", for dynamodb:GetItem: allowed"), "{text}");
    assert!(text.contains("content-type: application/x-amz-json-1.0 was added"), "{text}");
    let (text, found) = ask("@other.json").await;
    assert_eq!(stage(&found, "guard")["denial"]["why"], json!("pk does not begin with {tenant.id}#"), "{text}");
    // An endpoint of one's own says nothing: the scope does.
    let local = ["--aws-service", "dynamodb", "POST", "http://127.0.0.1:8180/", "--body", "@get.json"];
    let (text, found) = explained("acme", &[&get[..], &local].concat()).await;
    assert_eq!((&found["allowed"], &stage(&found, "target")["service"]), (&json!(true), &json!("dynamodb")), "{text}");
}

/// The key of what is updated, and what a query's names are equal to, without aliases.
#[tokio::test]
async fn items_are_told_by_what_says_whose_they_are() {
    for (operation, body, line) in [
        ("UpdateItem", "@update.json", "table orders, items with pk = \"acme#1\", for dynamodb:UpdateItem: allowed"),
        ("Query", "@query.json", "table visits, items with tenant_pk = \"acme#1\", for dynamodb:Query: allowed"),
    ] {
        let target = format!("x-amz-target: DynamoDB_20120810.{operation}");
        let words = ["-H", &target, "--subject", "u1", "POST", "https://dynamodb.eu-west-1.amazonaws.com/", "--body", body];
        let (text, _) = explained("acme", &words).await;
        assert!(text.contains(line), "{text}");
    }
}

/// Nothing is sent, so what DynamoDB would have to say is open, and not refused.
#[tokio::test]
async fn what_would_have_to_be_learnt_is_not_known() {
    let line = ["-H", "x-amz-target: DynamoDB_20120810.GetItem", "--subject", "u1", "POST", "https://dynamodb.eu-west-1.amazonaws.com/"];
    let (text, found) = explained("acme", &[&line[..], &["--body", "@cart.json"]].concat()).await;
    assert_eq!((&stage(&found, "guard")["outcome"], &found["refused"]), (&json!("unknown"), &Value::Null), "{text}");
    assert!(text.contains("it depends on the keys of carts, which DynamoDB would be asked for"), "{text}");
}

#[tokio::test]
async fn what_nobody_looks_at_is_not_taken() {
    let url = "https://s3.eu-west-1.amazonaws.com/pool/acme/x";
    for (more, wrong) in [
        (vec!["GET", url, "-H", "authorization: AWS4-HMAC-SHA256 x"], "no proof is looked at"),
        (vec!["GET", url, "-H", "x-tenant-id: globex"], "no proof is looked at"),
        (vec!["GET", "https://s3.eu-west-1.amazonaws.com/pool/acme/x?X-Amz-Signature=00"], "the URL is signed"),
        (vec!["GET", "https://s3.eu-west-1.amazonaws.com/pool/acme/#x"], "'#' ends a URL"),
        (vec!["GET", "/pool/acme/x"], "give a URL"),
        (vec!["GET", url, "--value", "tenant.kms_key=alias/globex"], "says what the tenant's record has"),
        (vec!["GET", url, "--value", "colour=red"], "no template has such a placeholder"),
        (vec!["GET", url, "--region", "us-east-1"], "goes with --aws-service"),
        (vec!["GET", url, "--body", "@none"], "none"),
    ] {
        let error = explained_by("{file: tenants.yaml}", "acme", &more).await.map(|(text, _)| text).unwrap_err();
        assert!(error.contains(wrong), "{wrong}: {error}");
    }
}

/// Without a file the record is what is given, and that is said.
#[tokio::test]
async fn a_record_that_is_not_at_hand_can_be_given() {
    let url = "https://pool.s3.eu-west-1.amazonaws.com/acme/x";
    let given =
        ["--subject", "u1", "--value", "tenant.kms_key=alias/mine", "--value", "tenant.tier=gold", "--value", "tenant.external_id=ee"];
    let (text, found) = explained_by("{any: {}}", "acme", &[&given[..], &["PUT", url]].concat()).await.unwrap();
    assert_eq!((&found["result"], &stage(&found, "limits")["burst"]), (&json!("allowed"), &json!(70)), "{text}");
    assert_eq!(stage(&found, "guard")["added"]["x-amz-server-side-encryption-aws-kms-key-id"], json!("alias/mine"), "{text}");
    let table = "{dynamodb: {table: tenants}}";
    let (text, found) = explained_by(table, "acme", &["PUT", url]).await.unwrap();
    assert_eq!((&stage(&found, "tenant")["record_known"], &found["allowed"]), (&json!(false), &json!(false)), "{text}");
    assert!(text.contains("table tenants, which was not asked"), "{text}");
}

#[cfg(feature = "cedar")]
const POLICIES: &str = r#"
@id("everybody") permit (principal, action, resource);
@id("support-reads") forbid (principal in Palisade::Role::"support", action in Palisade::Action::"write", resource);
@id("day") forbid (principal, action, resource) unless { context.hour >= 8 && principal.tenant.id == "acme" };
@id("finance") forbid (principal, action == Palisade::Action::"s3:DeleteObject", resource)
  unless { principal.subject == "ann" && context.token.hasTag("dep") && context.token.getTag("dep").contains("finance") };
@id("overflow") forbid (principal, action == Palisade::Action::"s3:GetObjectTagging", resource) when { 9223372036854775807 * context.hour > 0 };
"#;

/// What the policies would say, of this user at this time.
#[cfg(feature = "cedar")]
#[tokio::test]
async fn policies_are_explained_question_by_question() {
    let of = async |mode: &str, more: &[&str]| {
        let config = CONFIG.replace("DIRECTORY", "{file: tenants.yaml}");
        let config = config.replace("guard:\n", &format!("guard:\n  cedar: {{policies: p.cedar, mode: {mode}}}\n"));
        let more: Vec<_> = ["--at", "2026-11-30T10:00:00+01:00"].iter().chain(more).copied().collect();
        explained_of(&config, POLICIES, "acme", &more).await.unwrap()
    };
    const URL: &str = "https://own-acme.s3.eu-west-1.amazonaws.com/x";
    let (text, found) = of("enforce", &["--subject", "ann", "--roles", "support", "GET", URL]).await;
    assert_eq!((&found["allowed"], &stage(&found, "cedar")["outcome"]), (&json!(true), &json!("passes")), "{text}");
    assert!(text.contains("  s3:GetObject of Palisade::Object::\"own-acme/x\": permitted by everybody\n"), "{text}");
    assert!(!text.contains("nothing on the egress asks for them"), "{text}");

    let (text, found) = of("enforce", &["--subject", "ann", "--roles", "support", "PUT", URL]).await;
    assert_eq!((&found["allowed"], &found["reason"]), (&json!(false), &json!("guard-denied")), "{text}");
    let cedar = stage(&found, "cedar");
    assert_eq!(
        cedar["denial"],
        json!({"rule": "guard.cedar", "why": "policy support-reads forbids s3:PutObject of Object", "mode": "enforce"})
    );
    assert_eq!(
        cedar["asked"],
        json!([{"action": "s3:PutObject", "resource": "Palisade::Object::\"own-acme/x\"", "permitted": false, "policies": ["support-reads"], "errors": []}])
    );
    assert_eq!(stage(&found, "guard")["outcome"], "passes", "the rules have nothing against it");

    let (text, found) = of("audit", &["--subject", "ann", "--roles", "support", "PUT", URL]).await;
    assert_eq!((&found["allowed"], &stage(&found, "cedar")["outcome"]), (&json!(true), &json!("would_deny")), "{text}");
    let (_, found) = of("off", &["--roles", "support", "PUT", URL]).await;
    assert!(found["stages"].as_array().unwrap().iter().all(|stage| stage["stage"] != "cedar"), "nobody asks");

    for (more, is) in [
        (&["--subject", "ann", "--value", "claims.dep=finance"][..], true),
        (&["--subject", "ann"], false),
        (&["--subject", "bob", "--value", "claims.dep=finance"], false),
        (&["--value", "claims.dep=finance"], false),
        (&["--subject", "ann", "--value", "claims.dep=finance", "--at", "2026-11-30T08:59:59+01:00"], false),
    ] {
        let at: &[&str] = if more.contains(&"--at") { &[] } else { &["--at", "2026-11-30T09:00:00+01:00"] };
        let config = CONFIG.replace("DIRECTORY", "{file: tenants.yaml}").replace("guard:\n", "guard:\n  cedar: {policies: p.cedar}\n");
        let more: Vec<_> = at.iter().chain(more).copied().chain(["DELETE", URL]).collect();
        let (text, found) = explained_of(&config, POLICIES, "acme", &more).await.unwrap();
        assert_eq!(found["allowed"], is, "{text}");
    }

    let (text, _) = of("enforce", &["GET", &format!("{URL}?tagging")]).await;
    assert!(text.contains("permitted by everybody") || text.contains("everybody decided, and others could not be evaluated"), "{text}");
    assert!(text.contains("integer overflow"), "why it failed is for whoever asks: {text}");
    assert!(text.contains("guard.cedar: policy overflow cannot be evaluated for s3:GetObjectTagging of Object (mode enforce)"), "{text}");
    assert!(text.contains("without --subject it is a user whom no policy names"), "{text}");

    let config = CONFIG.replace("DIRECTORY", "{any: {}}").replace("guard:\n", "guard:\n  cedar: {policies: p.cedar}\n");
    let wrong = explained_of(&config, "permit(", "acme", &["GET", URL]).await.unwrap_err();
    assert!(wrong.contains("p.cedar:1:"), "policies that are wrong are told: {wrong}");
}
