use proptest::prelude::*;

use super::*;

const KINDS: [Kind; 13] = [
    Kind::Bus,
    Kind::DeliveryStream,
    Kind::Function,
    Kind::Guardrail,
    Kind::Key,
    Kind::LogGroup,
    Kind::Model,
    Kind::Parameter,
    Kind::Queue,
    Kind::Secret,
    Kind::StateMachine,
    Kind::Stream,
    Kind::Topic,
];

fn names(kind: Kind, resource: &str) -> Vec<String> {
    let arn = format!("arn:aws:{}:eu-west-1:111122223333:{resource}", kind.service());
    kind.stated(&arn).map(|resource| resource.names).unwrap_or_default()
}

#[test]
fn an_arn_has_every_name_that_it_could_be_of() {
    for (kind, resource, expected) in [
        (Kind::Queue, "jobs.fifo", &["jobs.fifo"][..]),
        (Kind::Topic, "t", &["t"]),
        (Kind::Topic, "t:0a-1b", &["t"]),
        (Kind::Topic, "endpoint/APNS/app/0a", &[]),
        (Kind::Secret, "secret:a/b", &["a/b"]),
        (Kind::Secret, "secret:a/b-AbCdEf", &["a/b-AbCdEf", "a/b"]),
        (Kind::Secret, "secret:-AbCdEf", &["-AbCdEf"]),
        (Kind::Secret, "secret:a-AbCd/f", &["a-AbCd/f"]),
        (Kind::Secret, "secret:", &[]),
        (Kind::Parameter, "parameter/a/b", &["/a/b"]),
        (Kind::Parameter, "parameter/a/b:3", &["/a/b"]),
        (Kind::Parameter, "parameter/a", &["/a", "a"]),
        (Kind::Parameter, "parameter/a:", &[]),
        (Kind::Parameter, "document/a", &[]),
        (Kind::Stream, "stream/s", &["s"]),
        (Kind::Stream, "stream/s/consumer/c:1", &["s"]),
        (Kind::Stream, "stream/s/other", &[]),
        (Kind::Bus, "event-bus/b", &["b"]),
        (Kind::Bus, "rule/b/r", &[]),
        (Kind::StateMachine, "stateMachine:m", &["m"]),
        (Kind::StateMachine, "stateMachine:m:7", &["m"]),
        (Kind::StateMachine, "execution:m:run", &["m"]),
        (Kind::StateMachine, "express:m:run:1", &["m"]),
        (Kind::StateMachine, "mapRun:m/label:1", &["m"]),
        (Kind::StateMachine, "stateMachine:m/label", &["m"]),
        (Kind::StateMachine, "stateMachine:m/../other", &[]),
        (Kind::StateMachine, "mapRun:m/:1", &[]),
        (Kind::StateMachine, "activity:m", &[]),
        (Kind::LogGroup, "log-group:/a/b", &["/a/b"]),
        (Kind::LogGroup, "log-group:/a/b:*", &["/a/b"]),
        (Kind::LogGroup, "log-group:/a/b:log-stream:c", &["/a/b"]),
        (Kind::LogGroup, "log-group:/a/b:c", &[]),
        (Kind::Key, "key/1-2", &["1-2"]),
        (Kind::Key, "alias/a/b", &["alias/a/b"]),
        (Kind::Key, "key/1/2", &[]),
        (Kind::Key, "1-2", &[]),
        (Kind::Function, "function:f", &["f"]),
        (Kind::Function, "function:f:prod", &["f"]),
        (Kind::Function, "function:f:$LATEST", &["f"]),
        (Kind::Function, "function:f:7/durable-execution/n/1", &["f"]),
        (Kind::Function, "function:f:7/other/n/1", &[]),
        (Kind::Function, "function:f:", &[]),
        (Kind::Function, "function:f/g", &[]),
        (Kind::Function, "function:", &[]),
        (Kind::Function, "layer:f:1", &[]),
        (Kind::Function, "event-source-mapping:f", &[]),
        (Kind::Guardrail, "guardrail/g1", &["g1"]),
        (Kind::Guardrail, "guardrail-profile/g1", &[]),
        (Kind::Model, "inference-profile/eu.a.m-v1:0", &["eu.a.m-v1:0"]),
        (Kind::Model, "application-inference-profile/p1", &["application-inference-profile/p1"]),
        (Kind::Model, "prompt/ABC:1", &["prompt/ABC:1"]),
        (Kind::Model, "p1", &[]),
        (Kind::Model, "/p1", &[]),
        (Kind::Namespace, "app", &[]),
    ] {
        assert_eq!(names(kind, resource), expected, "{kind:?} {resource}");
    }
}

#[test]
fn an_arn_is_of_its_service_a_region_and_an_account() {
    for arn in [
        "arn:aws:sns:eu-west-1:111122223333:jobs",
        "arn:aws:sqs::111122223333:jobs",
        "arn:aws:sqs:eu-west-1::jobs",
        "arn:aws:sqs:eu-west-1:1111:jobs",
        "arn:aws:sqs:*:111122223333:jobs",
        "arn:aws:sqs:eu-west-1:111122223333:",
        "arn:aws:sqs:eu-west-1:111122223333:jobs ",
        "arn:aws:sqs:eu-west-1:111122223333:j*",
        "arn::sqs:eu-west-1:111122223333:jobs",
        "ARN:aws:sqs:eu-west-1:111122223333:jobs",
        "arn:aws:sqs:eu-west-1:111122223333",
        "jobs",
    ] {
        assert!(Kind::Queue.stated(arn).is_err(), "{arn}");
    }
}

#[test]
fn a_name_is_one_that_the_service_would_take() {
    for (kind, text, is_name) in [
        (Kind::Queue, "jobs.fifo", true),
        (Kind::Queue, "jobs/x", false),
        (Kind::Queue, "", false),
        (Kind::Parameter, "/a/b:3", true),
        (Kind::Parameter, "/a/b:label", true),
        (Kind::Parameter, "/a/b:", false),
        (Kind::Parameter, "/a/b:1:2", false),
        (Kind::Parameter, " /a", false),
        (Kind::Key, "alias/a", true),
        (Kind::Key, "key/1", false),
        (Kind::Secret, "a@b+c=d", true),
        (Kind::Secret, "a%2Fb", false),
        (Kind::Bus, "aws.partner/x", true),
        (Kind::StateMachine, "m:7", false),
        (Kind::Function, "f", true),
        (Kind::Function, "f:prod", true),
        (Kind::Function, "111122223333:function:f", true),
        (Kind::Function, "111122223333:function:f:prod", true),
        (Kind::Function, "function:f", false),
        (Kind::Function, "111122223333:f", false),
        (Kind::Function, "eu-west-1:f", false),
        (Kind::Function, "us-gov-west-1:f", false),
        (Kind::Function, "worker-of-acme-1:prod", true),
        (Kind::Function, "function:f:prod", false),
        (Kind::Function, "eu-west-1:111122223333:function:f", false),
        (Kind::Function, "lambda:f:g", false),
        (Kind::Function, "f:", false),
        (Kind::Function, ":f", false),
        (Kind::Function, "f/g", false),
        (Kind::Model, "anthropic.claude-v2:1", true),
        (Kind::Model, "a b", false),
        (Kind::Namespace, "AWS/Lambda", true),
        (Kind::Namespace, "a b", false),
    ] {
        assert_eq!(kind.named(text).is_ok(), is_name, "{kind:?} {text}");
    }
    assert_eq!(Kind::Parameter.named("/a/b:3").unwrap().names, ["/a/b"]);
    let function = Kind::Function.named("111122223333:function:f:prod").unwrap();
    assert_eq!(
        (&function.names[..], function.account.as_deref(), function.part.as_deref()),
        (&["f".to_owned()][..], Some("111122223333"), Some("prod"))
    );
    let function = Kind::Function.stated("arn:aws:lambda:eu-west-1:111122223333:function:f:7/durable-execution/n/1").unwrap();
    assert_eq!(function.stated.as_deref(), Some("arn:aws:lambda:eu-west-1:111122223333:function:f"));
    assert_eq!(function.part.as_deref(), Some("7/durable-execution/n/1"));
    let models = "arn:aws:bedrock:eu-west-1::foundation-model/a.m-v1:0";
    assert_eq!(Kind::Model.stated(models).unwrap().names, ["a.m-v1:0"]);
    assert!(Kind::Guardrail.stated("arn:aws:bedrock:eu-west-1::guardrail/g").is_err());
    assert!(Kind::Model.stated("arn:aws:sagemaker:eu-west-1:111122223333:endpoint/e").is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,48}", resource in "[a-z:/*.-]{0,32}") {
        for kind in KINDS {
            let _ = (kind.named(&text), kind.stated(&text), names(kind, &text), names(kind, &resource));
        }
    }

    /// What is written as an ARN has the name that it was written for.
    #[test]
    fn an_arn_leads_back_to_its_name(name in "[a-z0-9_-]{1,16}") {
        for kind in KINDS {
            let named = kind.named(&name).unwrap().names;
            let arn = kind.arn(("aws", "eu-west-1", "111122223333"), &name);
            let stated = kind.stated(&arn).unwrap().names;
            prop_assert!(stated.contains(&named[0]), "{}", arn);
        }
    }
}
