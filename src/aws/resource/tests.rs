use std::sync::Arc;

use http::HeaderName;

use super::*;
use crate::aws::{service::Service, target::Style};

fn target(key: &str, style: Style, path: &str) -> Target {
    let signing_name = Service::find(key).map_or(key, |service| service.signing_name);
    Target::for_tests((key, key, signing_name), style, path)
}

fn home() -> Home {
    Home::of_role("arn:aws:iam::111122223333:role/poller").unwrap()
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

fn about(target: &Target, operation: Option<&str>, list: &[(&str, &str)], body: Option<&str>) -> Option<String> {
    let headers = headers(list);
    arns(&Asked { target, operation, labels: &[], headers: &headers, body: body.map(str::as_bytes) }, &home())
        .ok()
        .map(|arns| arns.join(" "))
}

const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.1");

fn s3(path: &str) -> Option<String> {
    about(&target("s3", Style::Plain, path), Some("GetObject"), &[], None)
}

/// Of a request in a service's JSON protocol.
fn json(service: &str, operation: &str, body: &str) -> Option<String> {
    about(&target(service, Style::Plain, "/"), Some(operation), &[("x-amz-target", "T.O"), JSON], Some(body))
}

#[test]
fn objects_and_buckets_are_read_from_host_and_path() {
    assert_eq!(s3("/pool/a/b%20c//%2F*").as_deref(), Some("arn:aws:s3:::pool/a/b c///*"));
    assert_eq!(s3("/pool?list-type=2").as_deref(), Some("arn:aws:s3:::pool"));
    assert_eq!(s3("/pool/").as_deref(), Some("arn:aws:s3:::pool"));
    let virtual_hosted = |path| about(&target("s3", Style::Bucket("pool".into()), path), Some("GetObject"), &[], None);
    assert_eq!(virtual_hosted("/other/k").as_deref(), Some("arn:aws:s3:::pool/other/k"));
    assert_eq!(virtual_hosted("/?acl").as_deref(), Some("arn:aws:s3:::pool"));
}

#[test]
fn what_s3_could_read_otherwise_or_elsewhere_is_untold() {
    for path in [
        "/",
        "/po",
        "/Pool/k",
        "/arn%3Aaws%3As3/k",
        "/pool/%ff",
        "//k",
        "/pool?delete",
        "/pool?DELETE=",
        "/pool?a=b&%64elete",
        "/pool/k?restore",
        "/pool/jobs/../other/k",
        "/pool/jobs/%2e%2E/other/k",
        "/pool/jobs%5C..%5Cother",
        "/pool/jobs/a%00b",
    ] {
        assert_eq!(s3(path), None, "{path}");
    }
    assert!(s3("/pool/jobs/..a").is_some());
    let put = |header: &str| about(&target("s3", Style::Plain, "/pool/jobs/k"), Some("PutObject"), &[(header, "other/k")], None);
    for header in [
        "x-amz-meta-snowball-auto-extract",
        "x-amz-copy-source",
        "x-copy-from",
        "copy-source",
        "x-amz-meta-copy-source",
        "x-goog-copy-source",
        "x-goog-if-generation-match",
        "x-oss-process",
        "x-cos-meta-a",
        "x-obs-meta-a",
        "x-emc-namespace",
        "x-rgw-object-type",
    ] {
        assert_eq!(put(header), None, "{header}");
    }
    for header in ["x-amz-meta-source", "x-goog", "cache-control"] {
        assert!(put(header).is_some(), "{header}");
    }
    assert_eq!(about(&target("s3", Style::Plain, "/pool/jobs/k"), None, &[], None), None, "what S3 makes of it is not known");
    assert_eq!(about(&target("s3", Style::Plain, "/pool/k"), Some("CopyObject"), &[("x-amz-copy-source", "other/k")], None), None);
    for copied in ["/pool/k?x-amz-copy-source=other%2Fk", "/pool/k?X-Amz%2DCopy-Source=other/k"] {
        assert_eq!(about(&target("s3", Style::Plain, copied), Some("PutObject"), &[], None), None, "{copied}");
    }
    let mut control = target("s3-control", Style::Plain, "/v20180820/x");
    assert_eq!(about(&control, Some("GetJob"), &[], None), None);
    control = target("s3", Style::Bucket("ap-111122223333".into()), "/k");
    Arc::make_mut(&mut control.destination).host = "ap-111122223333.s3-accesspoint.eu-west-1.amazonaws.com".parse().unwrap();
    assert_eq!(about(&control, Some("GetObject"), &[], None), None);
}

#[test]
fn a_list_of_more_things_than_any_batch_has_is_untold() {
    let names = |count: usize| format!(r#"{{"Names":[{}]}}"#, vec![r#""/a""#; count].join(","));
    assert!(json("ssm", "GetParameters", &names(1_000)).is_some());
    assert_eq!(json("ssm", "GetParameters", &names(1_001)), None);
}

#[test]
fn queues_parameters_secrets_and_tables_are_read_from_documents() {
    for (service, operation, body, arns) in [
        (
            "sqs",
            "ReceiveMessage",
            r#"{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/999999999999/jobs.fifo"}"#,
            "arn:aws:sqs:eu-west-1:999999999999:jobs.fifo",
        ),
        ("sqs", "GetQueueUrl", r#"{"QueueName":"jobs"}"#, "arn:aws:sqs:eu-west-1:111122223333:jobs"),
        (
            "sqs",
            "GetQueueUrl",
            r#"{"QueueName":"jobs","QueueOwnerAWSAccountId":"999999999999"}"#,
            "arn:aws:sqs:eu-west-1:999999999999:jobs",
        ),
        ("ssm", "GetParameter", r#"{"Name":"/app/db:3","WithDecryption":true}"#, "arn:aws:ssm:eu-west-1:111122223333:parameter/app/db"),
        (
            "ssm",
            "GetParameters",
            r#"{"Names":["one","/two"]}"#,
            "arn:aws:ssm:eu-west-1:111122223333:parameter/one arn:aws:ssm:eu-west-1:111122223333:parameter/two",
        ),
        ("ssm", "GetParametersByPath", r#"{"Path":"/app/"}"#, "arn:aws:ssm:eu-west-1:111122223333:parameter/app/*"),
        ("ssm", "GetParametersByPath", r#"{"Path":"/"}"#, "arn:aws:ssm:eu-west-1:111122223333:parameter/*"),
        (
            "secretsmanager",
            "GetSecretValue",
            r#"{"SecretId":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-AbCdEf"}"#,
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-AbCdEf",
        ),
        ("dynamodb", "GetItem", r#"{"TableName":"config","Key":{}}"#, "arn:aws:dynamodb:eu-west-1:111122223333:table/config"),
        (
            "dynamodb",
            "Query",
            r#"{"TableName":"config","IndexName":"by-name"}"#,
            "arn:aws:dynamodb:eu-west-1:111122223333:table/config/index/by-name",
        ),
        (
            "dynamodb",
            "BatchGetItem",
            r#"{"RequestItems":{"one":{},"two":{}}}"#,
            "arn:aws:dynamodb:eu-west-1:111122223333:table/one arn:aws:dynamodb:eu-west-1:111122223333:table/two",
        ),
        (
            "dynamodb",
            "TransactWriteItems",
            r#"{"TransactItems":[{"Put":{"TableName":"one"}},{"Delete":{"TableName":"two"}}]}"#,
            "arn:aws:dynamodb:eu-west-1:111122223333:table/one arn:aws:dynamodb:eu-west-1:111122223333:table/two",
        ),
    ] {
        assert_eq!(json(service, operation, body).as_deref(), Some(arns), "{service} {operation} {body}");
    }
}

#[test]
fn names_become_arns_as_iam_has_them() {
    for (service, operation, body, resource) in [
        ("kinesis", "PutRecord", r#"{"StreamName":"s"}"#, "stream/s"),
        ("firehose", "PutRecord", r#"{"DeliveryStreamName":"s"}"#, "deliverystream/s"),
        ("events", "PutEvents", r#"{"Entries":[{}]}"#, "event-bus/default"),
        ("logs", "PutLogEvents", r#"{"logGroupName":"/a/b"}"#, "log-group:/a/b"),
        ("kms", "Decrypt", r#"{"KeyId":"1-2"}"#, "key/1-2"),
        ("states", "StartExecution", r#"{"stateMachineArn":"arn:aws:states:eu-west-1:111122223333:stateMachine:m:7"}"#, "stateMachine:m:7"),
        ("sqs", "CreateQueue", r#"{"QueueName":"q"}"#, "q"),
    ] {
        let arn = format!("arn:aws:{service}:eu-west-1:111122223333:{resource}");
        assert_eq!(json(service, operation, body), Some(arn), "{service} {operation}");
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let publish = |body: &str| about(&target("sns", Style::Plain, "/"), Some("Publish"), &form, Some(body));
    let arn = "arn:aws:sns:eu-west-1:111122223333:t";
    assert_eq!(publish(&format!("Action=Publish&TopicArn={arn}&Message=m")[..]).as_deref(), Some(arn));
    assert_eq!(publish(&format!("Action=Subscribe&TopicArn={arn}")[..]), None);
}

#[test]
fn a_document_that_can_be_read_in_two_ways_says_nothing() {
    let (queue, secret) = ("https://h/111122223333/jobs", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-AbCdEf");
    for (service, operation, body) in [
        ("sqs", "ReceiveMessage", "{}".to_owned()),
        ("sqs", "ReceiveMessage", format!(r#"{{"queueUrl":"{queue}"}}"#)),
        ("sqs", "ReceiveMessage", format!(r#"{{"QueueUrl":"{queue}","queueurl":"https://h/111122223333/other"}}"#)),
        ("sqs", "ReceiveMessage", format!(r#"{{"QueueUrl":"{queue}","QueueUrl":"https://h/111122223333/other"}}"#)),
        ("sqs", "ReceiveMessage", format!(r#"{{"QueueUrl":["{queue}"]}}"#)),
        ("sqs", "ReceiveMessage", r#"{"QueueUrl":"https://h/111122223333/jobs?x"}"#.to_owned()),
        ("sqs", "ReceiveMessage", r#"{"QueueUrl":"https://h/111122223333/a/jobs"}"#.to_owned()),
        ("sqs", "ReceiveMessage", r#"{"QueueUrl":"jobs"}"#.to_owned()),
        ("sqs", "receivemessage", format!(r#"{{"QueueUrl":"{queue}"}}"#)),
        ("sqs", "StartMessageMoveTask", format!(r#"{{"QueueUrl":"{queue}"}}"#)),
        ("sqs", "ListQueues", "{}".to_owned()),
        ("ssm", "GetParameter", r#"{"Name":"arn:aws:ssm:eu-west-1:999999999999:parameter/x"}"#.to_owned()),
        ("ssm", "GetParameter", r#"{"Name":"/app/*"}"#.to_owned()),
        ("ssm", "GetParameters", r#"{"Names":[]}"#.to_owned()),
        ("ssm", "GetParameters", r#"{"Names":["one",2]}"#.to_owned()),
        ("ssm", "GetParametersByPath", r#"{"Path":"app"}"#.to_owned()),
        ("secretsmanager", "GetSecretValue", r#"{"SecretId":"a"}"#.to_owned()),
        ("secretsmanager", "BatchGetSecretValue", format!(r#"{{"SecretId":"{secret}","SecretIdList":["x"]}}"#)),
        ("secretsmanager", "ListSecrets", format!(r#"{{"SecretId":"{secret}"}}"#)),
        ("dynamodb", "ExecuteStatement", r#"{"Statement":"SELECT * FROM config","TableName":"config"}"#.to_owned()),
        ("dynamodb", "TransactWriteItems", r#"{"TransactItems":[{"Put":{"TableName":"one"},"Get":{"TableName":"two"}}]}"#.to_owned()),
        ("sns", "Publish", r#"{"TopicArn":"arn:aws:sns:eu-west-1:111122223333:t"}"#.to_owned()),
        ("kms", "Decrypt", r#"{"KeyId":"alias/pool"}"#.to_owned()),
        ("kms", "Decrypt", "{}".to_owned()),
        ("kms", "GenerateRandom", "{}".to_owned()),
        ("kinesis", "PutRecord", r#"{"StreamName":"a","StreamARN":"arn:aws:kinesis:eu-west-1:111122223333:stream/b"}"#.to_owned()),
        ("kinesis", "PutRecord", r#"{"StreamName":"a","StreamId":"b"}"#.to_owned()),
        ("logs", "StartQuery", r#"{"logGroupName":"a","queryString":""}"#.to_owned()),
    ] {
        assert_eq!(json(service, operation, &body), None, "{service} {operation} {body}");
    }
}

#[test]
fn a_document_counts_in_its_protocol_alone() {
    let body = Some(r#"{"QueueUrl":"https://h/111122223333/jobs"}"#);
    let receive = |path, list: &[(&str, &str)], body| about(&target("sqs", Style::Plain, path), Some("ReceiveMessage"), list, body);
    let json = [("x-amz-target", "AmazonSQS.ReceiveMessage"), JSON];
    assert!(receive("/", &json, body).is_some());
    assert_eq!(receive("/", &[JSON], body), None, "the Query protocol reads a form");
    for other in ["", "text/plain", "application/x-www-form-urlencoded", "application/x-amz-json-1.0;charset=utf-7"] {
        assert_eq!(receive("/", &[json[0], ("content-type", other)], body), None, "{other}");
    }
    assert!(receive("/", &[json[0], ("content-type", "application/x-amz-json-1.0; charset=UTF-8")], body).is_some());
    assert_eq!(receive("/", &[json[0], JSON, JSON], body), None);
    assert_eq!(receive("/", &json[..1], body), None);
    assert_eq!(receive("/111122223333/other", &json, body), None);
    assert_eq!(receive("/?QueueUrl=other", &json, body), None);
    assert_eq!(receive("/", &[json[0], JSON, ("content-encoding", "gzip")], body), None);
    assert_eq!(receive("/", &json, None), None);
}

/// IAM has versions and aliases apart, wherever they are named.
#[test]
fn functions_and_models_become_arns_as_iam_has_them() {
    let labelled = |service: &str, operation: &str, path: &str, label: (&'static str, &str)| {
        let (target, headers) = (target(service, Style::Plain, path), HeaderMap::new());
        let labels = [(label.0, label.1.to_owned())];
        let asked = Asked { target: &target, operation: Some(operation), labels: &labels, headers: &headers, body: Some(b"{}") };
        arns(&asked, &home()).ok().map(|arns| arns.join(" "))
    };
    let function = |name: &str, query: &str| labelled("lambda", "Invoke", &format!("/{query}"), ("FunctionName", name));
    for (name, query, end) in [
        ("f", "", "111122223333:function:f"),
        ("f:prod", "", "111122223333:function:f:prod"),
        ("f", "?Qualifier=prod", "111122223333:function:f:prod"),
        ("f:prod", "?Qualifier=prod", "111122223333:function:f:prod"),
        ("999999999999:function:f:7", "", "999999999999:function:f:7"),
        ("arn:aws:lambda:eu-west-1:999999999999:function:f", "?Qualifier=7", "999999999999:function:f:7"),
        ("arn:aws:lambda:eu-west-1:999999999999:function:f:7", "", "999999999999:function:f:7"),
    ] {
        assert_eq!(function(name, query), Some(format!("arn:aws:lambda:eu-west-1:{end}")), "{name}{query}");
    }
    assert_eq!(function("f:prod", "?Qualifier=dev"), None);
    assert_eq!(function("function:f", ""), None);
    let model = |id: &str| labelled("bedrock-runtime", "Converse", "/", ("modelId", id));
    let profile = "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/p";
    assert_eq!(model(profile).as_deref(), Some(profile));
    assert_eq!(model("a.m-v1:0"), None, "which kind it is of the id does not say");
    let metrics = r#"{"Namespace":"app","MetricData":[{"MetricName":"m"}]}"#;
    assert_eq!(json("monitoring", "PutMetricData", metrics), None, "metrics have no ARN");
}
