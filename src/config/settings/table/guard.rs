//! `guard`

use super::{Form, Kind, Setting, bounding, default, derived, not_yet, optional, required};

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
        optional("s3", Kind::List(&Kind::Section(S3)), "Rules for `egress.services.s3`, and for whatever signs as it."),
        not_yet("cedar", "Cedar policies"),
    ]),
    "What requests of tenants may be about, read out of each request before it is signed. Without it IAM alone keeps tenants apart. With it a service \
     that is listed in `egress.services` has rules here, or says `unguarded`. See the [guide](guide/guard.md).",
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

const S3: &[Setting] = &[
    required("buckets", Kind::OneOrMore(&Form::NamePattern), "The buckets that the rule is about."),
    optional("prefix", Kind::Scalar(Form::NamePrefix), "How keys in them begin. Without it the buckets are the tenant's own, as a whole."),
    ACTIONS,
    SHARED,
    MODE,
];
