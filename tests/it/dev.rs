//! `palisade dev`, from outside: the binary on five free ports, and callers with TLS.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

mod sandbox;

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use self::sandbox::{Answer, Sandbox, free_port_base, palisade};

/// More than any bucket here holds, so that a limit must have been met.
const FLOOD: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_works_through_an_application_that_holds_no_credential() {
    let sandbox = Sandbox::start();
    let acme = sandbox.caller("acme", &["--subject", "ann", "--roles", "reader,admin"]);
    let about = acme.get("/whoami").await.json();
    assert_eq!((&about["tenant"], &about["subject"], &about["roles"]), (&json!("acme"), &json!("ann"), &json!(["reader", "admin"])));

    assert_eq!(acme.send(Method::PUT, "/objects/a%20b/%C3%BC", "content").await.status, StatusCode::OK);
    assert_eq!(acme.get("/objects/a%20b/%C3%BC").await.body, "content");
    let keys = acme.get("/objects").await.json()["objects"].clone();
    assert_eq!(keys, json!([{"key": "acme/a b/\u{fc}", "size": 7}, {"key": "acme/welcome.txt", "size": 22}]));
    assert_eq!(acme.send(Method::DELETE, "/objects/welcome.txt", "").await.status, StatusCode::OK);
    let keys = acme.get("/objects").await.json()["objects"].clone();
    assert_eq!(keys, json!([{"key": "acme/a b/\u{fc}", "size": 7}]));

    assert_eq!(acme.send(Method::PUT, "/items/one", r#"{"n": 1}"#).await.status, StatusCode::OK);
    assert_eq!(acme.get("/items/one").await.json(), json!({"id": "one", "content": {"n": 1}}));
    assert_eq!(acme.get("/items").await.json()["items"].as_array().unwrap().len(), 1);

    // The other tenant sees none of it, in the same bucket and the same table.
    let globex = sandbox.caller("globex", &[]);
    assert_eq!(globex.get("/objects").await.json()["objects"], json!([{"key": "globex/welcome.txt", "size": 24}]));
    assert_eq!(globex.get("/items").await.json()["items"], json!([]));
    assert_eq!(globex.get("/items/one").await.status, StatusCode::NOT_FOUND);
    sandbox.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn crossings_are_refused_at_the_door_and_by_aws() {
    let sandbox = Sandbox::start();
    let acme = sandbox.caller("acme", &[]);
    assert_eq!(acme.get("/objects").await.status, StatusCode::OK);

    let refused = acme.naming("globex").get("/whoami").await;
    assert_eq!((refused.status, refused.reason()), (StatusCode::FORBIDDEN, Some("tenant-mismatch")));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let nobody = sandbox.caller("acme", &["--expires", "-1h"]).get("/whoami").await;
    assert_eq!((nobody.status, nobody.reason()), (StatusCode::UNAUTHORIZED, Some("token-expired")));

    // The application itself is let in, and AWS refuses what it asks for.
    for path in ["/as/globex/objects", "/as/globex/objects/welcome.txt", "/as/globex/items"] {
        let refused = acme.get(path).await;
        assert_eq!((refused.status, refused.json()["reason"].as_str()), (StatusCode::FORBIDDEN, Some("aws-denied")), "{path}");
        assert!(!refused.body.contains("belongs to globex"));
    }
    // A token of both tenants is as good as the tenant that the request names, and no better.
    let both = sandbox.caller("acme,globex", &[]);
    assert_eq!(both.naming("globex").get("/objects").await.status, StatusCode::OK);
    assert_eq!(both.naming("acme").get("/as/globex/objects").await.status, StatusCode::FORBIDDEN);
    sandbox.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passport_is_worth_nothing_after_its_request() {
    let sandbox = Sandbox::start();
    let acme = sandbox.caller("acme", &[]);
    assert_eq!(acme.get("/replay").await.json()["kept"], json!(true));
    let replayed = acme.get("/replay").await;
    assert!(replayed.status.is_client_error());
    assert_eq!(replayed.json()["reason"], json!("passport-unknown"));
    sandbox.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_bite_one_tenant_and_leave_the_other_alone() {
    let sandbox = Sandbox::start();
    let (acme, globex) = (sandbox.caller("acme", &[]), sandbox.caller("globex", &[]));

    let (passed, limited) = until_limited(async || globex.get("/whoami").await).await;
    assert!(passed >= 10, "only {passed} of a burst of 10 passed");
    assert_eq!((limited.status, limited.reason()), (StatusCode::TOO_MANY_REQUESTS, Some("rate-limited")));
    assert!(limited.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert!(limited.header("ratelimit").is_some() && limited.header("ratelimit-policy").is_some());
    for _ in 0..20 {
        assert_eq!(acme.get("/whoami").await.status, StatusCode::OK);
    }

    // On the egress it is said in the words of the service.
    let (_, limited) = until_limited(async || globex.s3("/palisade-demo?list-type=2&prefix=globex/").await).await;
    assert_eq!((limited.status, limited.reason()), (StatusCode::SERVICE_UNAVAILABLE, Some("rate-limited")));
    assert!(limited.body.contains("<Code>SlowDown</Code>"), "{}", limited.body);

    let refused = acme.naming("globex").get("/whoami").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let metrics = sandbox.metrics().await;
    for (name, labels) in [
        ("palisade_requests_total", ["listener=\"ingress\"", "tenant=\"acme\""]),
        ("palisade_requests_total", ["listener=\"ingress\"", "tenant=\"globex\""]),
        ("palisade_rate_limited_total", ["listener=\"ingress\"", "tenant=\"globex\""]),
        ("palisade_rate_limited_total", ["listener=\"egress\"", "tenant=\"globex\""]),
        ("palisade_refusals_total", ["listener=\"ingress\"", "reason=\"tenant-mismatch\""]),
    ] {
        let found = metrics.lines().any(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
        assert!(found, "{name} {labels:?} is not among the metrics:\n{metrics}");
    }
    assert!(!metrics.lines().any(|line| line.starts_with("palisade_rate_limited_total") && line.contains("acme")));
    sandbox.stop();
}

/// Repeats a request until it is refused for its rate; how many were not, and the refusal.
async fn until_limited(request: impl AsyncFn() -> Answer) -> (usize, Answer) {
    for passed in 0..FLOOD {
        let answer = request().await;
        if answer.reason() == Some("rate-limited") {
            return (passed, answer);
        }
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
    panic!("{FLOOD} requests went through");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_tenant_is_out_within_seconds() {
    let sandbox = Sandbox::start();
    let (acme, globex) = (sandbox.caller("acme", &[]), sandbox.caller("globex", &[]));
    assert_eq!(globex.get("/whoami").await.status, StatusCode::OK);
    sandbox.change("tenants.yaml", |text| text.replace("  globex:\n    status: active", "  globex:\n    status: suspended"));
    let suspended = async {
        while globex.get("/whoami").await.reason() != Some("tenant-suspended") {
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), suspended).await.expect("the change had no effect");
    assert_eq!(acme.get("/whoami").await.status, StatusCode::OK);
    sandbox.stop();
}

#[test]
fn tokens_are_printed_and_mistakes_explained() {
    let sandbox = Sandbox::start();
    let base = sandbox.port_base.to_string();
    let (code, token, _) = palisade(&["dev", "token", "--tenant", "acme", "--port-base", &base]);
    assert_eq!((code, token.trim_end().split('.').count(), token.lines().count()), (0, 3, 1));
    let (code, nothing, why) = palisade(&["dev", "token", "--tenant", "acme", "--expires", "forever", "--port-base", &base]);
    assert_eq!((code, nothing.as_str()), (2, ""));
    assert!(why.contains("expires needs"), "{why}");
    sandbox.stop();
    let (code, nothing, why) = palisade(&["dev", "token", "--tenant", "acme", "--port-base", &base]);
    assert_eq!((code, nothing.as_str()), (1, ""));
    assert!(why.contains(&format!("palisade dev --port-base {base}")), "{why}");
}

#[test]
fn a_second_sandbox_on_the_same_ports_leaves_the_first_alone() {
    let sandbox = Sandbox::start();
    let (code, out, why) = sandbox.second();
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(why.contains("cannot listen on 127.0.0.1:") && why.contains("--port-base"), "{why}");
    assert!(sandbox.file("ca.crt").exists(), "the first sandbox's files are gone");
    sandbox.stop();
}

#[test]
fn a_taken_port_is_named_and_nothing_is_left_behind() {
    let base = free_port_base();
    let taken = std::net::TcpListener::bind(("127.0.0.1", base + 1)).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let (code, _, why) = sandbox::palisade_in(temporary.path(), &["dev", "--port-base", &base.to_string()]);
    assert_eq!(code, 1);
    assert!(why.contains(&taken.local_addr().unwrap().to_string()), "{why}");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_it_runs_with_is_there_to_be_checked() {
    let sandbox = Sandbox::start();
    let config = sandbox.file("palisade.yaml");
    let (code, out, err) = palisade(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(err.contains("egress.proofs"), "that tokens are taken on the egress is no longer warned of: {err}");
    let discovery: Value = sandbox.idp("/.well-known/openid-configuration").await.json();
    assert_eq!(sandbox.idp("/.well-known/jwks.json").await.json()["keys"].as_array().unwrap().len(), 3);
    assert!(discovery["jwks_uri"].as_str().unwrap().ends_with("/.well-known/jwks.json"));
    sandbox.stop();
}
