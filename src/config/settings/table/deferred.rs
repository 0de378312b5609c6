//! `egress.defer` and `egress.redeem`

use std::time::Duration;

use super::{Form, Kind, Setting, TEXT, default, not_yet, required};

pub(super) const DEFER: &[Setting] = &[required(
    "audiences",
    Kind::Map(&Form::Text, &Kind::Section(AUDIENCE)),
    "Who may redeem contexts that are sealed here, by name, each with a key of its own.",
)];

const AUDIENCE: &[Setting] = &[
    required(
        "key",
        Kind::Secret,
        "32 random bytes in base64 that the audience's sidecars have as well. Whoever has it can make contexts of any tenant: the \
         application must not.",
    ),
    default(
        "max_lifetime",
        Kind::Scalar(Form::Duration { least: Duration::from_secs(1), most: Duration::from_secs(14 * 24 * 3600) }),
        "1h",
        "Longest life of a context, whatever is left of the caller's token: what leaks from a queue works for so long. SQS keeps messages \
         for up to 14 days.",
    ),
    required(
        "actions",
        Kind::OneOrMore(&Form::Action),
        "The most that a context can be good for, such as `s3:GetObject`. The application picks from it for each.",
    ),
    not_yet("max_uses", "How often a context can be redeemed. That needs a store which all redeemers share."),
];

pub(super) const REDEEM: &[Setting] = &[
    required("audience", TEXT, "Who this sidecar is: contexts for anybody else are refused. Not one of `egress.defer.audiences`."),
    required("keys", Kind::List(&Kind::Secret), "The audience's keys, 32 random bytes in base64 each. Several while one replaces another."),
    default(
        "presign",
        Kind::Scalar(Form::Boolean),
        "false",
        "Lets a context be used for presigned URLs, which its actions must allow too. Needs `egress.presign`.",
    ),
];
