//! `workloads`

use std::time::Duration;

use super::{Form, Kind, LIMIT, PATH, Setting, default, derived, optional, required};

pub(super) const WORKLOADS: Setting = optional(
    "workloads",
    Kind::Map(&Form::WorkloadName, &Kind::Section(WORKLOAD)),
    "Work of no tenant, such as polling a shared queue: by name, each with a proof and a role of its own, and a list of what it may do. Nothing else is \
     ever made without a tenant. See the [guide](guide/workloads.md).",
);

const WORKLOAD: &[Setting] = &[
    optional(
        "token_file",
        PATH,
        "A file with a random secret of 128 bits or more, which is the proof. Read again when it changes; two lines are two tokens. Give one of \
         this, `uid`, `spiffe_id` and `subject`.",
    ),
    optional(
        "uid",
        Kind::Scalar(Form::Count { least: 0, most: 4_294_967_294 }),
        "The user of this machine whose process is the workload, on `egress.socket`. No user of the application's.",
    ),
    optional(
        "spiffe_id",
        Kind::Scalar(Form::SpiffePattern),
        "The SPIFFE id of the client certificate that is the proof, or a path with `/*` at its end.",
    ),
    optional(
        "subject",
        Kind::Scalar(Form::Subject),
        "The whole subject of the client certificate that is the proof, as `openssl x509 -noout -subject -nameopt RFC2253` prints it.",
    ),
    required("assume_role", Kind::Section(ASSUME_ROLE), "Who it is at AWS."),
    required("actions", Kind::OneOrMore(&Form::Action), "All that it may do, in IAM's words."),
    required(
        "resources",
        Kind::OneOrMore(&Form::ResourcePattern),
        "All that it may do that with, as ARNs; region and account may be `*`, and the resource may have `*`. A request that does not say exactly what it is \
         about is refused, unless this is `\"*\"`.",
    ),
    default("limits", Kind::Section(LIMIT), "{}", "What it may use. `limits.default` gives what is left out."),
];

const ASSUME_ROLE: &[Setting] = &[
    required("role_arn", Kind::Scalar(Form::RoleArn), "`RoleArn`: a role for this work alone."),
    derived("session_name", Kind::Scalar(Form::Text), "the workload's name", "`RoleSessionName`, 2 to 64 characters; CloudTrail shows it."),
    optional("external_id", Kind::Scalar(Form::ExternalId), "`ExternalId`, where the role's trust policy demands one."),
    optional(
        "session_tags",
        Kind::Map(&Form::TagKey, &Kind::Scalar(Form::Text)),
        "`Tags`, at most 50. The role's trust policy must allow `sts:TagSession`. No tag may be one by which a policy knows tenants.",
    ),
    default(
        "duration",
        Kind::Scalar(Form::Duration { least: Duration::from_secs(900), most: Duration::from_secs(12 * 3600) }),
        "1h",
        "`DurationSeconds`, 15 minutes to 12 hours; an hour at most where the base is a role.",
    ),
];
