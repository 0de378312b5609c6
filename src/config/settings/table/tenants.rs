//! `tenants`

use std::time::Duration;

use super::{Form, Kind, PATH, Setting, TEXT, default, optional, required, tables};

pub(super) const TENANTS: &[Setting] = &[
    required(
        "directory",
        Kind::Choice(&[
            optional("file", PATH, "A YAML file of records, read again when it changes. A tenant that is not in it is refused."),
            optional(
                "dynamodb",
                Kind::Section(DYNAMODB),
                "Items of a DynamoDB table. A tenant that is not in it is refused. See the [guide](guide/tenants.md).",
            ),
            optional(
                "any",
                Kind::Section(&[]),
                "`{}`: every tenant that a verified token names exists. Nobody can be suspended, nothing revoked, and records are empty.",
            ),
        ]),
        "Where tenant records come from. Without a default: whether unknown tenants are refused is a decision.",
    ),
    default(
        "on_suspend",
        Kind::Scalar(Form::OneOf(&["cut", "finish"])),
        "cut",
        "What becomes of requests in progress when their tenant is suspended or removed: broken off, or left to finish. New ones are refused in any case, and what is revoked is broken off in any case.",
    ),
];

const DYNAMODB: &[Setting] = &[
    required("table", TEXT, "The table's name or ARN. Whoever reads it needs `dynamodb:GetItem` on it, with `load` also `dynamodb:Scan`."),
    tables::ROLE_ARN,
    tables::EXTERNAL_ID,
    tables::REGION,
    tables::ENDPOINT,
    tables::INSECURE,
    tables::CA,
    tables::TIMEOUT,
    tables::CONSISTENT_READS,
    default("partition_key", TEXT, "tenant_id", "The attribute that is the table's partition key, a string."),
    default("key_template", KEY_TEMPLATE, "\"{tenant.id}\"", "Its value for a tenant."),
    optional("sort_key", TEXT, "The attribute that is the table's sort key, where it has one."),
    optional("sort_key_template", KEY_TEMPLATE, "Its value for a tenant. Given together with `sort_key`."),
    default("attributes", Kind::Section(ATTRIBUTES), "{}", "Which attributes of an item have what a record has."),
    tables::CACHE,
    tables::MAX_STALE,
    tables::NEGATIVE,
    default(
        "max_tenants",
        Kind::Scalar(Form::Count { least: 16, most: 10_000_000 }),
        "100000",
        "Most records kept in memory, a kilobyte or so each. Tenants whom the table does not know have a room of their own, an eighth as large, and never displace others.",
    ),
    optional(
        "load",
        Kind::Section(LOAD),
        "Reads the whole table at the start and from time to time, in the background: no first request of a tenant has to wait, an outage finds every record at hand, and removals are noticed. Not for tables that hold much else.",
    ),
];

const LOAD: &[Setting] = &[
    default(
        "every",
        Kind::Scalar(Form::Duration { least: Duration::from_secs(5), most: Duration::from_secs(24 * 3600) }),
        "5m",
        "From one reading to the next, up to a tenth less, and the longest that one may take.",
    ),
    default(
        "items_per_second",
        Kind::Scalar(Form::Count { least: 1, most: 100_000 }),
        "2000",
        "How fast. A consistent read costs a read unit for each 4 KB, so this is about 500 units a second with items of 1 KB.",
    ),
];

const ATTRIBUTES: &[Setting] = &[
    default("status", TEXT, "status", "A string, `active` or `suspended`. An item without it is refused."),
    default("tier", TEXT, "tier", "A string."),
    default("cell", TEXT, "cell", "A string."),
    default("account", TEXT, "account", "A string of 12 digits: a number would lose its leading zeros."),
    default("external_id", TEXT, "external_id", "A string."),
    default("kms_key", TEXT, "kms_key", "A string."),
    default("region", TEXT, "region", "A string."),
    default("limits", TEXT, "limits", "A map from `requests_per_second`, `burst` and `concurrent` to numbers."),
    default("revoked", TEXT, "revoked", "A map like `revoked` of a record in a file: `issued_before`, `subjects` and `tokens`."),
    default("attributes", TEXT, "attributes", "A map from names to strings, numbers or booleans: `{tenant.attributes.NAME}` in templates."),
];

const KEY_TEMPLATE: Kind = Kind::Scalar(Form::TenantKeyTemplate);
