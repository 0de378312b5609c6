//! `guard.aoss` and `guard.es`

use super::{Form, Kind, MODE, SHARED, Setting, optional, required};

const INDEXES: Setting = required(
    "indexes",
    Kind::OneOrMore(&Form::NamePattern),
    "The indexes that the rule is about, by name. What is behind an alias of such a name, nobody looks.",
);

pub(super) const AOSS: &[Setting] = &[
    INDEXES,
    optional(
        "actions",
        Kind::OneOrMore(&Form::Action),
        "All that may be done with what the rule is about, in the words of data access policies: `aoss:ReadDocument`, `aoss:WriteDocument`, `aoss:DescribeIndex`, which \
         are usual, and `aoss:CreateIndex`, `aoss:UpdateIndex`, `aoss:DeleteIndex`.",
    ),
    SHARED,
    MODE,
];

pub(super) const ES: &[Setting] = &[
    INDEXES,
    optional(
        "actions",
        Kind::OneOrMore(&Form::Action),
        "All that may be done with what the rule is about. IAM knows methods alone of a domain, so the words are those of `guard.aoss`: `es:ReadDocument`, `es:WriteDocument`, \
         `es:DescribeIndex`, which are usual, and `es:CreateIndex`, `es:UpdateIndex`, `es:DeleteIndex`.",
    ),
    SHARED,
    MODE,
];
