//! `users`, and the file of users.

use super::{Form, Kind, PATH, Setting, TEXT, default, optional, required, tables};

pub(super) const USERS: &[Setting] = &[required(
    "directory",
    Kind::Choice(&[
        optional("file", PATH, "A YAML file of users, read again when it changes. A user who is not in it is refused."),
        optional("dynamodb", Kind::Section(DYNAMODB), "Items of a DynamoDB table."),
    ]),
    "Where users come from.",
)];

const DYNAMODB: &[Setting] = &[
    required("table", TEXT, "The table's name or ARN. Whoever reads it needs `dynamodb:GetItem` on it, and nothing else."),
    tables::ROLE_ARN,
    tables::EXTERNAL_ID,
    tables::REGION,
    tables::ENDPOINT,
    tables::INSECURE,
    tables::CA,
    tables::TIMEOUT,
    tables::CONSISTENT_READS,
    required("partition_key", TEXT, "The attribute that is the table's partition key, a string."),
    default(
        "key_template",
        KEY_TEMPLATE,
        "\"{issuer}#{subject}\"",
        "Its value for a user. Users of two issuers must never share one: without `{issuer}` only where there is a single issuer.",
    ),
    optional("sort_key", TEXT, "The attribute that is the table's sort key, where it has one."),
    optional("sort_key_template", KEY_TEMPLATE, "Its value for a user. Given together with `sort_key`."),
    default("attributes", Kind::Section(ATTRIBUTES), "{}", "Which attributes of an item mean what."),
    tables::CACHE,
    tables::MAX_STALE,
    tables::NEGATIVE,
    default(
        "max_entries",
        Kind::Scalar(Form::Count { least: 16, most: 10_000_000 }),
        "100000",
        "Most users kept in memory, a kilobyte or so each. Users whom the table does not know have a room of their own, an eighth as large, and never displace others.",
    ),
];

const ATTRIBUTES: &[Setting] = &[
    default("status", TEXT, "status", "A string, `active` or `suspended`. An item without it is refused."),
    default(
        "active_tenant",
        TEXT,
        "active_tenant",
        "A string: the tenant that the user acts for. An item without it is of a user who acts for none.",
    ),
    default(
        "memberships",
        TEXT,
        "memberships",
        "A map from tenant ids to lists or sets of roles, or a list or set of tenant ids, without roles.",
    ),
    default("attributes", TEXT, "attributes", "A map from names to strings, numbers or booleans: `{user.attributes.NAME}` in templates."),
];

/// The file of `users.directory.file`.
pub(crate) const USER_RECORDS: &[Setting] = &[required(
    "issuers",
    Kind::Map(&Form::Text, &Kind::Section(OF_ISSUER)),
    "Users by issuer, exactly as in `identity.issuers[].issuer`.",
)];

const OF_ISSUER: &[Setting] =
    &[required("users", Kind::Map(&Form::Text, &Kind::Section(USER)), "Users by subject. One subject of two issuers is two users.")];

const USER: &[Setting] = &[
    default(
        "status",
        Kind::Scalar(Form::OneOf(&["active", "suspended"])),
        "active",
        "A suspended user is refused, whatever the token says.",
    ),
    optional(
        "active_tenant",
        Kind::Scalar(Form::TenantId),
        "The tenant that the user acts for; one of `tenants`. Without one the user acts for none.",
    ),
    required("tenants", Kind::Map(&Form::TenantId, &Kind::Section(MEMBERSHIP)), "The tenants that the user belongs to."),
    optional("attributes", Kind::Map(&Form::Text, &Kind::Scalar(Form::Text)), "Free values for templates, `{user.attributes.NAME}`."),
];

const MEMBERSHIP: &[Setting] = &[optional("roles", Kind::OneOrMore(&Form::Text), "The user's roles in this tenant.")];

const KEY_TEMPLATE: Kind = Kind::Scalar(Form::KeyTemplate);
