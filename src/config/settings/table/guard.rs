//! `guard`

mod dynamodb;
mod named;
mod search;

use crate::config::template::Lands;

use super::{Form, Kind, PATH, Setting, bounding, default, derived, optional, required};

const MODES: &[&str] = &["enforce", "audit", "off"];

pub(super) const GUARD: Setting = bounding(
    "guard",
    Kind::Section(&[
        default(
            "mode",
            Kind::Scalar(Form::OneOf(MODES)),
            "enforce",
            "What becomes of requests that no rule allows: `enforce` refuses them, `audit` lets them pass and says so in the access log and in \
             `palisade_guard_decisions_total`, `off` does not look at them.",
        ),
        optional(
            "aoss",
            Kind::List(&Kind::Section(search::AOSS)),
            "Rules for `egress.services.aoss`, collections of OpenSearch Serverless.",
        ),
        optional(
            "bedrock-runtime",
            Kind::List(&Kind::Section(named::BEDROCK)),
            "Rules for `egress.services.bedrock-runtime`: models that are invoked.",
        ),
        optional(
            "dynamodb",
            Kind::List(&Kind::Section(dynamodb::RULE)),
            "Rules for `egress.services.dynamodb` and `dynamodbstreams`, and for whatever signs as they do.",
        ),
        optional("es", Kind::List(&Kind::Section(search::ES)), "Rules for `egress.services.es`, domains of OpenSearch."),
        optional("events", Kind::List(&Kind::Section(named::EVENTS)), "Rules for `egress.services.events`, EventBridge."),
        optional("firehose", Kind::List(&Kind::Section(named::FIREHOSE)), "Rules for `egress.services.firehose`."),
        optional("kinesis", Kind::List(&Kind::Section(named::KINESIS)), "Rules for `egress.services.kinesis`."),
        optional("kms", Kind::List(&Kind::Section(named::KMS)), "Rules for `egress.services.kms`."),
        optional("lambda", Kind::List(&Kind::Section(named::LAMBDA)), "Rules for `egress.services.lambda`."),
        optional("logs", Kind::List(&Kind::Section(named::LOGS)), "Rules for `egress.services.logs`, CloudWatch Logs."),
        optional(
            "monitoring",
            Kind::List(&Kind::Section(named::CLOUDWATCH)),
            "Rules for `egress.services.monitoring`, the metrics of CloudWatch.",
        ),
        optional("s3", Kind::List(&Kind::Section(S3)), "Rules for `egress.services.s3`, and for whatever signs as it."),
        optional("secretsmanager", Kind::List(&Kind::Section(named::SECRETS)), "Rules for `egress.services.secretsmanager`."),
        optional("sns", Kind::List(&Kind::Section(named::SNS)), "Rules for `egress.services.sns`."),
        optional("sqs", Kind::List(&Kind::Section(named::SQS)), "Rules for `egress.services.sqs`."),
        optional(
            "ssm",
            Kind::List(&Kind::Section(named::SSM)),
            "Rules for parameters of `egress.services.ssm`, Systems Manager. All else of it is refused.",
        ),
        optional("states", Kind::List(&Kind::Section(named::STATES)), "Rules for `egress.services.states`, Step Functions."),
        bounding(
            "cedar",
            Kind::Section(CEDAR),
            "Cedar policies, which are asked of every request that the rules let through, and can only take away. See the [guide](guide/cedar.md).",
        ),
    ]),
    "What requests of tenants may be about, read out of each request before it is signed. Without it IAM alone keeps tenants apart. With it a service \
     that is listed in `egress.services` has rules here, or says `unguarded`; while `mode` is `audit` it needs none yet. See the [guide](guide/guard.md).",
);

const MODE: Setting = derived("mode", Kind::Scalar(Form::OneOf(MODES)), "`guard.mode`", "What becomes of what the rule does not allow.");

const ACTIONS: Setting = optional(
    "actions",
    Kind::OneOrMore(&Form::Action),
    "All that may be done with what the rule is about, in IAM's words. Without it, what is usual: reading, writing and deleting, and nothing that opens \
     things to others.",
);

const SHARED: Setting = default(
    "shared",
    Kind::Scalar(Form::Boolean),
    "false",
    "Says that the rule is about what all tenants have in common, and is meant to be. Without it a rule has to tell tenants apart.",
);

const CEDAR: &[Setting] = &[
    required(
        "policies",
        PATH,
        "A file of policies, or a folder of files that end in `.cedar`. Read again when they change; what cannot be used leaves the old in use.",
    ),
    derived(
        "mode",
        Kind::Scalar(Form::OneOf(MODES)),
        "`guard.mode`",
        "What becomes of requests that the policies do not permit: as `guard.mode` has it. Where it is `off` they are read, and not asked.",
    ),
];

const S3: &[Setting] = &[
    required("buckets", Kind::OneOrMore(&Form::NamePattern), "The buckets that the rule is about."),
    optional("prefix", Kind::Scalar(Form::NamePrefix), "How keys in them begin. Without it the buckets are the tenant's own, as a whole."),
    optional(
        "kms",
        Kind::Section(KMS),
        "The key of KMS that what is written has to be encrypted with, so that no other tenant's is, and none that the application chooses.",
    ),
    derived(
        "sse_c",
        Kind::Scalar(Form::OneOf(&["allow", "refuse"])),
        "`refuse` with `kms`, else `allow`",
        "Whether requests may bring a key of their own along (SSE-C), with which what they write is unreadable for everybody else.",
    ),
    ACTIONS,
    SHARED,
    MODE,
];

const KMS: &[Setting] = &[
    required(
        "key",
        Kind::Scalar(Form::Template(Lands::Header)),
        "The key as requests have to name it, byte for byte: `{tenant.kms_key}`, or an ARN or alias with a placeholder.",
    ),
    default(
        "context",
        Kind::Map(&Form::Text, &Kind::Scalar(Form::Template(Lands::Header))),
        "{}",
        "What the encryption context has to have, such as `{tenant: \"{tenant.id}\"}`. The key's policy can demand it.",
    ),
    default(
        "missing",
        Kind::Scalar(Form::OneOf(&["inject", "refuse"])),
        "inject",
        "What becomes of a write that says nothing of encryption: key and context are added to it, or it is refused.",
    ),
];
