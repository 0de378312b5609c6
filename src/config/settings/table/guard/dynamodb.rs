//! `guard.dynamodb`

use super::{ACTIONS, Form, Kind, MODE, SHARED, Setting, default, optional, required};

pub(super) const RULE: &[Setting] = &[
    required("tables", Kind::OneOrMore(&Form::NamePattern), "The tables that the rule is about, by name."),
    optional(
        "account",
        Kind::Scalar(Form::NamePattern),
        "The account that a table is in which a request names by its ARN: 12 digits in quotes, or `{tenant.account}`. Without it IAM says.",
    ),
    optional(
        "leading_key",
        Kind::Scalar(Form::LeadingKey),
        "Which items are the tenant's, by their hash keys. One that ends in literal text is how keys begin, one that ends in a placeholder is the \
         whole key. Without it the tables are the tenant's own, as a whole.",
    ),
    optional("key", Kind::Scalar(Form::Text), "The attribute that is the tables' hash key. Required with `leading_key`, unless `learn`."),
    optional(
        "indexes",
        Kind::Map(&Form::Text, &Kind::Scalar(Form::Text)),
        "The indexes that may be queried, each with the attribute that is its hash key. For a local index that is `key`. Others are refused.",
    ),
    default(
        "learn",
        Kind::Scalar(Form::Boolean),
        "false",
        "Asks DynamoDB for the keys of the tables and of all their indexes (`DescribeTable`, in the tenant's own session, at most every five minutes), \
         instead of `key` and `indexes`.",
    ),
    optional(
        "open_indexes",
        Kind::OneOrMore(&Form::Text),
        "With `learn`: indexes by attributes that do not tell tenants apart, such as a status. They are written to, and queried by nobody.",
    ),
    ACTIONS,
    SHARED,
    MODE,
];
