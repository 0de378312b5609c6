//! `credentials`

use std::time::Duration;

use super::{
    ENDPOINT, Form, INSECURE, INSECURE_ABOUT, Kind, Lands, PATH, REGION, Setting, default, derived, not_yet, optional, required, short,
};

pub(super) const CREDENTIALS: &[Setting] = &[
    required(
        "source",
        Kind::Choice(SOURCE),
        "Who Palisade is when it calls STS. That identity should be able to do nothing but assume tenant roles.",
    ),
    optional(
        "shared_with_application",
        Kind::Scalar(Form::OneOf(&["accepted"])),
        "Accepts a `source` that an application beside Palisade can ask as well: instance metadata, an ECS task role, EKS Pod Identity, the token that \
         EKS's web-hook puts into every container. Refused otherwise, since such an application is whoever Palisade is. See the \
         [guide](guide/base-identity.md).",
    ),
    default("sts", Kind::Section(STS), "{}", "STS itself."),
    default("refresh", Kind::Section(REFRESH), "{}", "When tenant sessions are renewed, in the background."),
    default(
        "budget",
        Kind::Section(BUDGET),
        "{}",
        "Calls to STS that there may be, shared fairly by all tenants. See the [guide](guide/sessions.md).",
    ),
    optional(
        "warm_up",
        Kind::Section(WARM_UP),
        "Tenants whose sessions are fetched at the start, before requests come. Needs a plan that does not depend on the user.",
    ),
    default(
        "max_sessions",
        Kind::Scalar(Form::Count { least: 1, most: 1_000_000 }),
        "10000",
        "Most tenant sessions held at once, which bounds memory; the tenant with the most makes room for others, its longest unused first.",
    ),
    optional(
        "assume_role",
        Kind::Section(ASSUME_ROLE),
        "What is asked of STS for a tenant. Something in it must tell tenants apart. Required with `egress`.",
    ),
];

const SOURCE: &[Setting] = &[
    optional(
        "default_chain",
        Kind::Section(&[]),
        "`{}`: the AWS SDK's default chain: environment, profile, web identity, container, instance. A start says which it may not be.",
    ),
    optional(
        "file",
        PATH,
        "Keys in the format of `~/.aws/credentials`, profile `default`. Read again every 5 seconds; a version that cannot be used leaves the one before.",
    ),
    optional(
        "web_identity",
        Kind::Section(&[
            required("token_file", PATH, "The projected token; read for each use."),
            required("role_arn", Kind::Scalar(Form::RoleArn), "The base role."),
        ]),
        "`AssumeRoleWithWebIdentity` with a token mounted in Palisade's container alone.",
    ),
    optional(
        "static",
        Kind::Section(&[
            required("access_key_id", Kind::Scalar(Form::AccessKeyId), "The key's id."),
            required("secret_access_key", Kind::Secret, "Its secret."),
            optional("session_token", Kind::Secret, "For temporary keys."),
        ]),
        "A fixed key, for emulators and tests.",
    ),
];

const STS: &[Setting] = &[
    optional("endpoint", ENDPOINT, "Where STS is, when it is not AWS's regional endpoint."),
    default("insecure", INSECURE, "false", INSECURE_ABOUT),
    derived(
        "region",
        REGION,
        "`egress.region`, or without `egress` that of the table of tenants or of users",
        "Region to call and sign for. Regional endpoints are nearer and fail alone.",
    ),
    optional("ca", PATH, "PEM file of extra roots."),
    default("timeout", short(), "5s", "Deadline of one call. A request waits for it only when its tenant is new."),
];

const REFRESH: &[Setting] = &[
    default(
        "ahead",
        Kind::Scalar(Form::Duration { least: Duration::from_secs(10), most: Duration::from_secs(6 * 3600) }),
        "5m",
        "How long before expiry a session is renewed: time enough to survive a short outage of STS.",
    ),
    default(
        "jitter",
        Kind::Scalar(Form::Duration { least: Duration::ZERO, most: Duration::from_secs(3600) }),
        "1m",
        "Spread of that moment, so that sessions that began together do not renew together.",
    ),
];

const BUDGET: &[Setting] = &[
    default(
        "requests_per_second",
        Kind::Scalar(Form::Rate),
        "50",
        "Sustained rate. STS takes 600 calls a second of an account in a region, from everybody together: this leaves room for a dozen processes that start at once.",
    ),
    default(
        "burst",
        Kind::Scalar(Form::Count { least: 4, most: 100_000 }),
        "100",
        "Calls at once after a pause: the tenants that come with a new process's first requests.",
    ),
    default(
        "concurrent",
        Kind::Scalar(Form::Count { least: 2, most: 1_024 }),
        "24",
        "Calls in progress. A third of them are kept for renewals; a tenant has a quarter of the rest at most.",
    ),
    default(
        "queue",
        Kind::Scalar(Form::Count { least: 4, most: 100_000 }),
        "1024",
        "Calls that wait for their turn, a quarter of them of one tenant at most. What does not fit is throttled (`credentials-throttled`).",
    ),
    default(
        "wait",
        Kind::Scalar(Form::Duration { least: Duration::from_millis(100), most: Duration::from_secs(60) }),
        "5s",
        "Longest wait for a turn: then SDKs are told to back off, which keeps their own deadlines.",
    ),
];

const WARM_UP: &[Setting] = &[
    optional("tenants", Kind::OneOrMore(&Form::TenantId), "These tenants."),
    optional("tiers", Kind::OneOrMore(&Form::Text), "Tenants whose record has one of these tiers."),
    default(
        "wait",
        Kind::Scalar(Form::Duration { least: Duration::ZERO, most: Duration::from_secs(600) }),
        "10s",
        "How long the process is not ready because of it. What is not fetched by then is fetched afterwards.",
    ),
];

const ASSUME_ROLE: &[Setting] = &[
    required(
        "role_arn",
        Kind::Scalar(Form::Template(Lands::Arn)),
        "`RoleArn`: one role for all with session tags or a session policy, or one for each tenant.",
    ),
    default(
        "session_name",
        Kind::Scalar(Form::Template(Lands::SessionName)),
        "\"{tenant.id}\"",
        "`RoleSessionName`, 2 to 64 characters; CloudTrail shows it.",
    ),
    optional("external_id", Kind::Scalar(Form::Template(Lands::ExternalId)), "`ExternalId`, where the role's trust policy demands one."),
    optional(
        "source_identity",
        Kind::Scalar(Form::Template(Lands::SourceIdentity)),
        "`SourceIdentity`; CloudTrail shows it through every later role.",
    ),
    optional(
        "session_tags",
        Kind::Map(&Form::TagKey, &Kind::Scalar(Form::Template(Lands::TagValue))),
        "`Tags`, at most 50: what `aws:PrincipalTag` sees. The role's trust policy must allow `sts:TagSession`.",
    ),
    optional(
        "transitive_tag_keys",
        Kind::OneOrMore(&Form::TagKey),
        "`TransitiveTagKeys`: tags that stay through role chaining. Each is a key of `session_tags`.",
    ),
    optional(
        "session_policy",
        Kind::Choice(&[
            optional("file", PATH, "A JSON file."),
            optional("inline", Kind::Json, "The policy in place, as YAML or JSON data or as text."),
        ]),
        "`Policy`: what the session may do at most, as a template. Placeholders may stand inside its strings; 2,048 characters.",
    ),
    default(
        "duration",
        Kind::Scalar(Form::Duration { least: Duration::from_secs(900), most: Duration::from_secs(12 * 3600) }),
        "1h",
        "`DurationSeconds`, 15 minutes to 12 hours. Role chaining (web identity, Pod Identity, any role as the base) is capped at one hour by STS.",
    ),
    not_yet("policy_arns", "Managed session policies."),
];
