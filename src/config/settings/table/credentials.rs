//! `credentials`

use std::time::Duration;

use super::{ENDPOINT, Form, INSECURE, INSECURE_ABOUT, Kind, Lands, PATH, REGION, Setting, default, derived, optional, required, short};

pub(super) const CREDENTIALS: &[Setting] = &[
    optional(
        "source",
        Kind::Choice(SOURCE),
        "Who Palisade is when it calls STS. That identity should be able to do nothing but assume tenant roles. Required, unless every plan is \
         `assume_role_with_web_identity`, which needs none, and there are no `workloads` and no tables.",
    ),
    optional(
        "shared_with_application",
        Kind::Scalar(Form::OneOf(&["accepted"])),
        "Accepts a `source`, or a plan's `token.file`, that an application beside Palisade can ask as well: instance metadata, an ECS task role, EKS \
         Pod Identity, the token that EKS's web-hook puts into every container. Refused otherwise, since such an application is whoever Palisade is. See the \
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
        "What is asked of STS for a tenant. Something in it must tell tenants apart. With `egress` this or `assume_role_with_web_identity` is \
         required, unless every service has a plan of its own. The [guide](guide/isolation-models.md) has a plan for each isolation model.",
    ),
    optional(
        "assume_role_with_web_identity",
        Kind::Section(WEB_IDENTITY),
        "The same with a token as the authority, instead of Palisade's own identity. Not together with `assume_role`.",
    ),
    optional(
        "services",
        Kind::Map(&Form::ServiceName, &Kind::Section(PLAN)),
        "Other plans for some services, by their keys in `egress.services`. Such a plan holds alone: it takes nothing from the one above.",
    ),
];

/// `credentials.services.*`
const PLAN: &[Setting] = &[
    optional("assume_role", Kind::Section(ASSUME_ROLE), "As `credentials.assume_role`."),
    optional("assume_role_with_web_identity", Kind::Section(WEB_IDENTITY), "As `credentials.assume_role_with_web_identity`."),
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
    optional("tenants", Kind::OneOrMore(&Form::TenantId), "These tenants, each with the sessions of all its plans that need no user."),
    optional("tiers", Kind::OneOrMore(&Form::Text), "Tenants whose record has one of these tiers."),
    default(
        "wait",
        Kind::Scalar(Form::Duration { least: Duration::ZERO, most: Duration::from_secs(600) }),
        "10s",
        "How long the process is not ready because of it. What is not fetched by then is fetched afterwards.",
    ),
];

const ASSUME_ROLE: &[Setting] = &[
    ROLE_ARN,
    SESSION_NAME,
    EXTERNAL_ID,
    optional(
        "source_identity",
        Kind::Scalar(Form::Template(Lands::SourceIdentity)),
        "`SourceIdentity`; CloudTrail shows it through every later role.",
    ),
    SESSION_TAGS,
    TRANSITIVE_TAG_KEYS,
    SESSION_POLICY,
    POLICY_ARNS,
    default("duration", DURATION, "1h", DURATION_ABOUT),
    optional(
        "via",
        Kind::List(&Kind::Section(HOP)),
        "Role chaining: roles to assume before the tenant's, in this order, such as the hub of an organisation. Their sessions are kept, and \
         shared by all tenants for which nothing in them differs. At most three; `duration` is then at most one hour.",
    ),
];

const WEB_IDENTITY: &[Setting] = &[
    required(
        "token",
        Kind::Choice(&[
            optional(
                "caller",
                Kind::Section(&[]),
                "`{}`: the token of whoever makes the request. STS checks it once more, and a session ends with it. Palisade keeps it for as long \
                 as the request, or the passport made for it, lives.",
            ),
            optional("file", PATH, "Palisade's own, such as a projected service account token; read for each use."),
        ]),
        "`WebIdentityToken`: the authority behind the call. The role's trust policy names its issuer.",
    ),
    ROLE_ARN,
    SESSION_NAME,
    optional(
        "token_tags",
        Kind::Map(&Form::TagKey, &Kind::Scalar(Form::Template(Lands::TagValue))),
        "Session tags that the caller's token has to carry, in its claim `https://aws.amazon.com/tags`, each with this value. STS takes tags \
         out of such a token by itself and none from Palisade; a request whose token says otherwise is refused.",
    ),
    SESSION_POLICY,
    POLICY_ARNS,
    default("duration", DURATION, "1h", DURATION_ABOUT),
];

const HOP: &[Setting] = &[
    required("role_arn", Kind::Scalar(Form::Template(Lands::Arn)), "`RoleArn` of the role in between."),
    default("session_name", Kind::Scalar(Form::Template(Lands::SessionName)), "palisade", "`RoleSessionName`, 2 to 64 characters."),
    EXTERNAL_ID,
    SESSION_TAGS,
    TRANSITIVE_TAG_KEYS,
];

const ROLE_ARN: Setting = required(
    "role_arn",
    Kind::Scalar(Form::Template(Lands::Arn)),
    "`RoleArn`: one role for all with session tags or a session policy, or one for each tenant.",
);
const SESSION_NAME: Setting = default(
    "session_name",
    Kind::Scalar(Form::Template(Lands::SessionName)),
    "\"{tenant.id}\"",
    "`RoleSessionName`, 2 to 64 characters; CloudTrail shows it.",
);
const EXTERNAL_ID: Setting =
    optional("external_id", Kind::Scalar(Form::Template(Lands::ExternalId)), "`ExternalId`, where the role's trust policy demands one.");
const SESSION_TAGS: Setting = optional(
    "session_tags",
    Kind::Map(&Form::TagKey, &Kind::Scalar(Form::Template(Lands::TagValue))),
    "`Tags`, at most 50: what `aws:PrincipalTag` sees. The role's trust policy must allow `sts:TagSession`.",
);
const TRANSITIVE_TAG_KEYS: Setting = optional(
    "transitive_tag_keys",
    Kind::OneOrMore(&Form::TagKey),
    "`TransitiveTagKeys`: tags that stay through role chaining. Each is a key of `session_tags`.",
);
const SESSION_POLICY: Setting = optional(
    "session_policy",
    Kind::Choice(&[
        optional("file", PATH, "A JSON file."),
        optional("inline", Kind::Json, "The policy in place, as YAML or JSON data or as text."),
    ]),
    "`Policy`: what the session may do at most, as a template. Placeholders may stand inside its strings; 2,048 characters.",
);
const POLICY_ARNS: Setting = optional(
    "policy_arns",
    Kind::OneOrMore(&Form::Template(Lands::Arn)),
    "`PolicyArns`: managed policies that bound the session as well, at most ten, of the role's own account or of AWS. Together with \
     `session_policy` they have at most 2,048 characters.",
);
const DURATION: Kind = Kind::Scalar(Form::Duration { least: Duration::from_secs(900), most: Duration::from_secs(12 * 3600) });
const DURATION_ABOUT: &str = "`DurationSeconds`, 15 minutes to 12 hours. Role chaining (web identity, Pod Identity, any role as the base) is capped at one hour by STS.";
