use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn},
    orchestrator::HttpRequest,
};
use futures_util::FutureExt as _;
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    clock::Clock,
    config::{CredentialsSource, StsConfig},
    credentials::testing::on_time,
    secret::Secret,
};

/// A connection that keeps what is sent and answers from a script: no sockets.
#[derive(Debug, Clone, Default)]
pub(in crate::directory) struct Wire(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    requests: Vec<(String, Option<String>, Json)>,
    status: u16,
    body: String,
    hangs: bool,
}

impl Wire {
    pub(in crate::directory) fn says(&self, status: u16, body: &str) {
        let mut script = self.0.lock().unwrap();
        (script.status, script.body, script.hangs) = (status, body.to_owned(), false);
    }

    pub(in crate::directory) fn hangs(&self) {
        self.0.lock().unwrap().hangs = true;
    }

    /// Operation, key id of the signature and body of each request.
    pub(in crate::directory) fn requests(&self) -> Vec<(String, Option<String>, Json)> {
        self.0.lock().unwrap().requests.clone()
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut script = self.0.lock().unwrap();
        let header = |name| request.headers().get(name).map(str::to_owned);
        let key_id = header("authorization").and_then(|value| Some(value.split_once("Credential=")?.1.split_once('/')?.0.to_owned()));
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        script.requests.push((header("x-amz-target").unwrap_or_default(), key_id, body));
        if script.hangs {
            return HttpConnectorFuture::new(std::future::pending());
        }
        HttpConnectorFuture::ready(Ok(HttpResponse::new(script.status.try_into().unwrap(), script.body.clone().into())))
    }
}

pub(in crate::directory) async fn base() -> BaseIdentity {
    let source = CredentialsSource::Static {
        access_key_id: "AKIABASE".into(),
        secret_access_key: Secret::new("base-secret".into()),
        session_token: None,
    };
    let sts = StsConfig { endpoint: None, region: "eu-west-1".into(), ca: None, timeout: Duration::from_secs(1) };
    BaseIdentity::open(&source, &sts, &on_time(&Clock::system())).unwrap()
}

pub(in crate::directory) fn config() -> TableConfig {
    TableConfig {
        name: "users".into(),
        region: "eu-west-1".into(),
        endpoint: None,
        ca: None,
        timeout: Duration::from_secs(1),
        consistent: true,
        reader: None,
    }
}

pub(in crate::directory) async fn table(wire: &Wire) -> Table {
    let client = http_client_fn({
        let wire = wire.clone();
        move |_: &HttpConnectorSettings, _| SharedHttpConnector::new(wire.clone())
    });
    let base = base().await;
    Table {
        client: super::client(&config(), client, SharedCredentialsProvider::new(base.clone())),
        identity: base,
        skew: on_time(&Clock::system()),
        config: config(),
    }
}

#[tokio::test]
async fn an_item_is_read_consistently_with_the_base_identity_and_in_our_own_words() {
    let wire = Wire::default();
    wire.says(
        200,
        &json!({"Item": {
            "pk": {"S": "a"}, "n": {"N": "1.50"}, "b": {"BOOL": true}, "z": {"NULL": true}, "s": {"SS": ["x", "y"]}, "d": {"B": "AAAA"},
            "ns": {"NS": ["1"]}, "l": {"L": [{"S": "x"}, {"N": "2"}]}, "m": {"M": {"k": {"L": []}}},
        }})
        .to_string(),
    );
    let item = table(&wire).await.get(&[("pk", "a"), ("sk", "b")]).await.unwrap().unwrap();
    let text = |text: &str| Value::Text(text.to_owned());
    let expected = [
        ("pk", text("a")),
        ("n", Value::Number("1.50".into())),
        ("b", Value::Boolean(true)),
        ("z", Value::Null),
        ("s", Value::Strings(vec!["x".into(), "y".into()])),
        ("d", Value::Other),
        ("ns", Value::Other),
        ("l", Value::List(vec![text("x"), Value::Number("2".into())])),
        ("m", Value::Map([("k".to_owned(), Value::List(vec![]))].into())),
    ];
    assert_eq!(item, Item(expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()));
    let (operation, key_id, body) = wire.requests().remove(0);
    assert_eq!((operation.as_str(), key_id.as_deref()), ("DynamoDB_20120810.GetItem", Some("AKIABASE")));
    let expected = json!({"TableName": "users", "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}, "ConsistentRead": true});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn no_item_is_none_and_every_failure_is_one_read() {
    let wire = Wire::default();
    let table = table(&wire).await;
    wire.says(200, "{}");
    assert_eq!(table.get(&[("pk", "a")]).await, Ok(None));
    for (status, body) in [
        (400, r#"{"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "hunter2"}"#),
        (400, r#"{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "message": "hunter2"}"#),
        (400, r#"{"__type": "com.amazon.coral.service#UnrecognizedClientException", "message": "hunter2"}"#),
        (400, r#"{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "hunter2"}"#),
        (500, "hunter2"),
        (503, ""),
        (200, "hunter2"),
        (200, r#"{"Item": {"pk": {"X": "hunter2"}}}"#),
        (200, r#"{"Item": ["#),
    ] {
        let before = wire.requests().len();
        wire.says(status, body);
        let outcome = table.get(&[("pk", "a")]).await;
        // An attribute of a kind that the SDK does not know may be read as such, and then is none of ours.
        let unread = matches!(&outcome, Ok(Some(item)) if item.get("pk") == Some(&Value::Other));
        assert!(matches!(outcome, Err(ReadError::Unavailable(_))) || unread, "{status} {body}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
        assert_eq!(wire.requests().len(), before + 1, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_does_not_answer_is_given_up_in_time() {
    let wire = Wire::default();
    wire.hangs();
    let table = table(&wire).await;
    let outcome = tokio::time::timeout(Duration::from_secs(2), table.get(&[("pk", "a")])).await;
    assert!(matches!(outcome, Ok(Err(ReadError::Unavailable(_)))), "{outcome:?}");
}

#[tokio::test]
async fn reads_are_as_consistent_as_configured_and_a_scan_goes_on_where_it_was() {
    let wire = Wire::default();
    let table = Table { config: TableConfig { consistent: false, ..config() }, ..table(&wire).await };
    wire.says(200, r#"{"Items": [{"pk": {"S": "a"}}], "LastEvaluatedKey": {"pk": {"S": "a"}}}"#);
    let page = table.scan(7, None).await.ok().unwrap();
    assert_eq!((page.items.len(), page.items[0].text("pk")), (1, Ok(Some("a"))));
    wire.says(200, r#"{"Items": [], "LastEvaluatedKey": {}}"#);
    let page = table.scan(7, page.next).await.ok().unwrap();
    assert!(page.items.is_empty() && page.next.is_none());
    drop(table.get(&[("pk", "a")]).await);
    let sent: Vec<_> = wire.requests().into_iter().map(|(operation, _, body)| (operation, body)).collect();
    let first = json!({"TableName": "users", "ConsistentRead": false, "Limit": 7});
    let mut second = first.clone();
    second["ExclusiveStartKey"] = json!({"pk": {"S": "a"}});
    assert_eq!(sent[..2], [("DynamoDB_20120810.Scan".to_owned(), first), ("DynamoDB_20120810.Scan".to_owned(), second)]);
    assert_eq!(sent[2].1["ConsistentRead"], json!(false));
    wire.says(400, r#"{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "hunter2"}"#);
    assert!(matches!(table.scan(7, None).await, Err(ReadError::Unavailable(why)) if why == "AccessDeniedException (HTTP 400)"));
}

#[tokio::test]
async fn a_signature_that_is_not_accepted_makes_sts_be_asked_for_the_time() {
    for (code, complains) in [("InvalidSignatureException", true), ("ExpiredTokenException", false), ("AccessDeniedException", false)] {
        let wire = Wire::default();
        let table = table(&wire).await;
        wire.says(400, &json!({"__type": format!("com.amazon.coral.service#{code}"), "message": "Signature expired"}).to_string());
        assert!(table.get(&[("pk", "a")]).await.is_err());
        assert_eq!(table.skew.complaint().now_or_never().is_some(), complains, "{code}");
    }
}
