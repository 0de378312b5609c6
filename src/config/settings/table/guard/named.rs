//! `guard.sqs` and its like: services whose requests name what they are about.

use super::{ACTIONS, Form, Kind, MODE, SHARED, Setting, optional, required};

pub(super) const BEDROCK: &[Setting] = &[
    required(
        "models",
        Kind::OneOrMore(&Form::NamePattern),
        "The models that the rule is about: ids of models and of AWS's inference profiles, or ARNs, also of application inference profiles and prompts.",
    ),
    optional(
        "guardrails",
        Kind::OneOrMore(&Form::NamePattern),
        "The guardrails that requests may name, by id or ARN. Without it they may name none.",
    ),
    ACTIONS,
    SHARED,
    MODE,
];

pub(super) const CLOUDWATCH: &[Setting] = &[
    required("namespaces", Kind::OneOrMore(&Form::NamePattern), "The namespaces of metrics that the rule is about."),
    optional(
        "dimensions",
        Kind::Map(&Form::Text, &Kind::Scalar(Form::NamePattern)),
        "What each metric that is written or read has to have among its dimensions, such as `{tenant: \"{tenant.id}\"}`.",
    ),
    ACTIONS,
    SHARED,
    MODE,
];

pub(super) const EVENTS: &[Setting] = &[
    required("buses", Kind::OneOrMore(&Form::NamePattern), "The event buses that the rule is about, by name or ARN."),
    ACTIONS,
    SHARED,
    MODE,
];

pub(super) const FIREHOSE: &[Setting] = &[
    required("streams", Kind::OneOrMore(&Form::NamePattern), "The delivery streams that the rule is about, by name."),
    ACTIONS,
    SHARED,
    MODE,
];

pub(super) const KINESIS: &[Setting] = &[
    required("streams", Kind::OneOrMore(&Form::NamePattern), "The streams that the rule is about, by name or ARN."),
    ACTIONS,
    SHARED,
    MODE,
];

pub(super) const KMS: &[Setting] = &[
    required(
        "keys",
        Kind::OneOrMore(&Form::NamePattern),
        "The keys that the rule is about: ids, ARNs, or aliases with `alias/` before them.",
    ),
    optional(
        "context",
        Kind::Map(&Form::Text, &Kind::Scalar(Form::NamePattern)),
        "What an encryption context has to have. With it a ciphertext may say itself which key it is of.",
    ),
    ACTIONS,
    SHARED,
    MODE,
];

pub(super) const LAMBDA: &[Setting] = &[
    required(
        "functions",
        Kind::OneOrMore(&Form::NamePattern),
        "The functions that the rule is about, by name or ARN, with all their versions and aliases.",
    ),
    optional(
        "tenant_id",
        Kind::Scalar(Form::NamePattern),
        "The tenant for whom a function with tenant isolation has to be invoked, such as `{tenant.id}`: what `X-Amz-Tenant-Id` has to say.",
    ),
    ACTIONS,
    SHARED,
    MODE,
];

pub(super) const LOGS: &[Setting] = &[
    required("groups", Kind::OneOrMore(&Form::NamePattern), "The log groups that the rule is about, by name or ARN."),
    ACTIONS,
    SHARED,
    MODE,
];

pub(super) const SECRETS: &[Setting] = &[
    required("secrets", Kind::OneOrMore(&Form::NamePattern), "The secrets that the rule is about, by name or ARN."),
    ACTIONS,
    SHARED,
    MODE,
];

pub(super) const SNS: &[Setting] =
    &[required("topics", Kind::OneOrMore(&Form::NamePattern), "The topics that the rule is about, by name or ARN."), ACTIONS, SHARED, MODE];

pub(super) const SQS: &[Setting] =
    &[required("queues", Kind::OneOrMore(&Form::NamePattern), "The queues that the rule is about, by name or ARN."), ACTIONS, SHARED, MODE];

pub(super) const SSM: &[Setting] = &[
    required(
        "parameters",
        Kind::OneOrMore(&Form::NamePattern),
        "The parameters that the rule is about, by name, with its slash where it has one, or ARN.",
    ),
    ACTIONS,
    SHARED,
    MODE,
];

pub(super) const STATES: &[Setting] = &[
    required("state_machines", Kind::OneOrMore(&Form::NamePattern), "The state machines that the rule is about, by name or ARN."),
    ACTIONS,
    SHARED,
    MODE,
];
