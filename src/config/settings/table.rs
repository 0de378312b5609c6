//! The table itself.

use std::time::Duration;

use super::{Form, Kind, Setting, bounding, default, derived, not_yet, optional, required};
use crate::config::template::Lands;

mod clients;
mod context;
mod credentials;
mod deferred;
mod egress;
mod endpoints;
mod guard;
mod issuers;
mod passport;
mod resources;
mod revoked;
mod routing;
mod shutdown;
mod tables;
mod telemetry;
mod tenants;
mod traces;
mod users;
mod verification;
mod workloads;

use self::clients::TLS;
pub(crate) use self::users::USER_RECORDS;

/// The configuration file.
pub(crate) const ROOT: &[Setting] = &[
    optional("ingress", Kind::Section(INGRESS), "Where callers come in. Leave it out for an egress-only sidecar."),
    optional("egress", Kind::Section(egress::EGRESS), "Where the application goes out to AWS. Leave it out for an ingress-only sidecar."),
    default("admin", Kind::Section(ADMIN), "{}", "The operators' listener."),
    default(
        "probes",
        Kind::Section(PROBES),
        "{}",
        "The listener that answers `/livez` and `/readyz` alone, for kubelets and load balancers.",
    ),
    required("identity", Kind::Section(IDENTITY), "Whose tokens are believed, and what they must say."),
    required("tenants", Kind::Section(tenants::TENANTS), "Which tenants there are."),
    optional(
        "users",
        Kind::Section(users::USERS),
        "A directory of users. With it a token proves the user alone: the tenant, the roles and the attributes are the directory's.",
    ),
    optional(
        "credentials",
        Kind::Section(credentials::CREDENTIALS),
        "How tenant credentials are obtained. Required with `egress`. Without it only `source` and `sts` are taken, and only where `tenants` or `users` are read from AWS.",
    ),
    workloads::WORKLOADS,
    guard::GUARD,
    default("limits", Kind::Section(LIMITS), "{}", "What one tenant may use."),
    default(
        "server",
        Kind::Section(SERVER),
        "{}",
        "Limits of every listener; each listener may override single values under a `server` of its own.",
    ),
    resources::RESOURCES,
    shutdown::SHUTDOWN,
    default("telemetry", Kind::Section(telemetry::TELEMETRY), "{}", "Logs, metrics, the audit log and traces."),
];

const INGRESS: &[Setting] = &[
    default("listen", ADDRESS, "0.0.0.0:8443", "Address to listen on: all interfaces, since callers come from elsewhere."),
    required("tls", Kind::Section(TLS), "The server's certificate. TLS is not optional: tokens pass here."),
    derived("upstream", Kind::OneOrMore(&Form::Upstream), "none; required without `routes`", routing::UPSTREAM),
    optional(
        "routes",
        Kind::List(&Kind::Section(routing::ROUTE)),
        "Other upstreams for some tenants. The first that is for a tenant holds; `upstream` is for tenants that none is for.",
    ),
    default("protocol", Kind::Scalar(Form::OneOf(routing::PROTOCOLS)), "auto", routing::PROTOCOL),
    optional("upstream_ca", PATH, routing::CA),
    default("upstream_addresses", Kind::Scalar(Form::Boolean), "false", routing::ADDRESSES),
    default("balance", Kind::Scalar(Form::OneOf(routing::BALANCES)), "round_robin", routing::BALANCE),
    default("max_upstreams", Kind::Scalar(Form::Count { least: 1, most: 10_000 }), "256", routing::MAX_UPSTREAMS),
    optional("health", Kind::Section(routing::HEALTH), "Checks of the upstreams. Without them none is ever taken out of use."),
    default("timeouts", Kind::Section(routing::TIMEOUTS), "{}", "Deadlines towards the application."),
    optional(
        "headers",
        Kind::Map(&Form::HeaderName, &Kind::Scalar(Form::Template(Lands::Header))),
        "Extra headers for the application, as templates over the verified token and the tenant's record. What a caller sends under these names is removed.",
    ),
    optional(
        "context",
        Kind::Section(context::CONTEXT),
        "A signed statement about the caller in `x-palisade-context`, for applications that verify rather than trust a header. Off unless it is here.",
    ),
    clients::TRUSTED_HOPS,
    clients::TRUSTED_PROXIES,
    clients::FORWARDED_HEADER,
    clients::FORWARDED_FIELDS,
    clients::KEEP_HEADERS,
    clients::TRUST_REQUEST_ID,
    clients::TRACE_CONTEXT,
    optional(
        "endpoints",
        Kind::List(&Kind::Section(endpoints::ENDPOINT)),
        "Who may call what. The first rule whose method and path fit decides alone. Without rules every user of a tenant may call everything.",
    ),
    derived(
        "endpoints_default",
        Kind::Scalar(Form::OneOf(&["allow", "deny"])),
        "`deny`, where there are `endpoints`",
        "What holds where no rule fits. `allow` is for every user of a tenant. Denied by default, since a path that nobody thought of is one that nobody meant to open.",
    ),
    derived(
        "endpoints_ignore_case",
        Kind::Scalar(Form::Boolean),
        "`false`, where paths are read",
        "Compares paths without regard to case, for applications whose router does (Express by default, ASP.NET): otherwise `/ADMIN` is another path than `/admin` to the rules alone. For `tenant_from.path` too, which it needs where there are no `endpoints`.",
    ),
    default(
        "public_concurrent",
        Kind::Scalar(Form::Count { least: 1, most: 1_000_000 }),
        "100",
        "Public requests in progress at once (`auth: none`, and preflights that the application answers). They are no tenant's, so no tenant's limits hold for them.",
    ),
    optional(
        "token_cookie",
        Kind::Scalar(Form::CookieName),
        "A cookie that may carry the token, besides the headers. It is not passed on. What may change something has to come from the application's own pages.",
    ),
    optional(
        "tenant_from",
        Kind::Section(endpoints::TENANT_FROM),
        "Where else a request may name its tenant. All that is named has to agree, and the token has to name it too.",
    ),
    optional(
        "cors",
        Kind::Choice(endpoints::CORS),
        "Scripts of other origins. Without it, browsers let none of them read a response, and a preflight is a request without a token.",
    ),
    optional("server", Kind::Section(SERVER), "Overrides `server` for this listener."),
];

const ADMIN: &[Setting] = &[
    default(
        "listen",
        ADDRESS,
        "127.0.0.1:8190",
        "Address to listen on. Loopback is no trust boundary here, since the application shares it: what matters needs the token.",
    ),
    optional("token", Kind::Secret, "Token for `/config`, `/tenants`, `/drain` and `/quit`. Without one they are refused, to everyone."),
    optional("metrics_token", Kind::Secret, "Token for `/metrics`, which is open without one: tenant names are in it."),
    default(
        "quit_from_loopback",
        Kind::Scalar(Form::Boolean),
        "false",
        "Lets a caller on loopback end the process (`POST /quit`) without the token, so that a Job can end its own sidecar.",
    ),
    optional("server", Kind::Section(SERVER), "Overrides `server` for this listener."),
];

const PROBES: &[Setting] = &[
    default(
        "listen",
        Kind::Scalar(Form::AddressOrNone),
        "0.0.0.0:8191",
        "Address to listen on, or `none`. All interfaces: a kubelet calls from outside the pod, and nothing but health is told.",
    ),
    optional("server", Kind::Section(SERVER), "Overrides `server` for this listener."),
];

const IDENTITY: &[Setting] = &[
    default("tenant_header", HEADER, "x-tenant-id", "Header that names the tenant."),
    default(
        "token_header",
        HEADER,
        "x-tenant-token",
        "Header that may carry the proof, besides `Authorization` and `X-Amz-Security-Token`.",
    ),
    optional(
        "issuers",
        Kind::List(&Kind::Section(issuers::ISSUER)),
        "Whose tokens are believed. Required, unless `egress.proofs` has `deferred` alone.",
    ),
    optional(
        "passport",
        Kind::Section(passport::PASSPORT),
        "The handle that the application gets for each request. Refused without `ingress`, which alone makes them.",
    ),
    default(
        "verification",
        Kind::Section(verification::VERIFICATION),
        "{}",
        "How much checking of tokens there may be, and for whom, so that a flood of junk keeps nobody out. See the [guide](guide/verification.md).",
    ),
    optional(
        "workloads",
        Kind::List(&Kind::Section(clients::WORKLOAD)),
        "Clients whose certificates stand for one tenant. What comes over their connections is that tenant's alone, whatever tokens say.",
    ),
    clients::WORKLOAD_MAX_AGE,
];

const LIMITS: &[Setting] = &[
    default(
        "default",
        Kind::Section(LIMIT),
        "{}",
        "For tenants without a tier or limits of their own. Unset is unlimited: a good number depends on the service behind.",
    ),
    optional(
        "tiers",
        Kind::Map(&Form::Text, &Kind::Section(LIMIT)),
        "By the `tier` of the tenant's record. What a tier leaves out comes from `default`.",
    ),
    default(
        "store",
        Kind::Choice(&[
            optional("memory", Kind::Section(&[]), "`{}`: each process counts for itself."),
            not_yet("redis", "Counting across processes."),
        ]),
        "{memory: {}}",
        "Where the counts are.",
    ),
];

/// `limits.default`, `limits.tiers.*` and a record's `limits`.
const LIMIT: &[Setting] = &[
    optional("requests_per_second", Kind::Scalar(Form::Rate), "Sustained rate on each listener."),
    derived(
        "burst",
        Kind::Scalar(Form::Count { least: 1, most: 1_000_000 }),
        "the requests of one second, where there is a rate",
        "Requests that may come at once after a pause.",
    ),
    optional("concurrent", Kind::Scalar(Form::Count { least: 1, most: 1_000_000 }), "Requests in progress at once on each listener."),
    not_yet("bytes_per_second", "Bandwidth."),
];

const SERVER: &[Setting] = &[
    default("handshake_timeout", short(), "5s", "From accept to the end of the TLS handshake. Room for several slow round trips."),
    default("header_timeout", short(), "5s", "From a request's first byte to the end of its headers: ends slow-header attacks."),
    default(
        "idle_timeout",
        long(),
        "60s",
        "Longest silence, between requests and inside a body. Load balancers give up at 60 seconds too.",
    ),
    default(
        "header_bytes",
        Kind::Scalar(Form::Size { least: 4 << 10, most: 1 << 20 }),
        "64KiB",
        "Names, values and separators of all headers. Room for large tokens.",
    ),
    default("headers", Kind::Scalar(Form::Count { least: 16, most: 1_000 }), "100", "Number of header lines."),
    default(
        "uri_bytes",
        Kind::Scalar(Form::Size { least: 1 << 10, most: 64 << 10 }),
        "16KiB",
        "Length of the request target. S3 keys of 1,024 bytes fit even when each is encoded.",
    ),
    default("connections", Kind::Scalar(Form::Count { least: 1, most: 1_000_000 }), "10000", "Connections open at once; bounds memory."),
    default("drain", long(), "25s", "How long a drain may take: under the 30 seconds that Kubernetes and ECS wait by default."),
];

/// The file of `tenants.directory.file`.
pub(crate) const RECORDS: &[Setting] = &[
    required(
        "tenants",
        Kind::Map(&Form::TenantId, &Kind::Section(RECORD)),
        "Records by tenant id. Two ids that differ in case alone are refused.",
    ),
    optional("revoked", Kind::Section(revoked::REVOKED), "Users and tokens that are refused whatever the tenant."),
];

const RECORD: &[Setting] = &[
    default(
        "status",
        Kind::Scalar(Form::OneOf(&["active", "suspended"])),
        "active",
        "A suspended tenant is refused, whatever its tokens say.",
    ),
    optional("tier", TEXT, "Names a set of limits in `limits.tiers`."),
    optional("cell", TEXT, "Group of tenants that shares resources."),
    optional("account", Kind::Scalar(Form::Account), "AWS account of the tenant."),
    optional("external_id", Kind::Scalar(Form::ExternalId), "External id that the tenant role's trust policy demands."),
    optional("kms_key", TEXT, "KMS key id, alias or ARN."),
    optional("region", Kind::Scalar(Form::Region), "Home region."),
    optional("limits", Kind::Section(LIMIT), "Limits of its own; they win over the tier's."),
    optional("revoked", Kind::Section(revoked::REVOKED), "Users and tokens that are refused for this tenant."),
    optional("attributes", Kind::Map(&Form::Text, &Kind::Scalar(Form::Text)), "Free values for templates, `{tenant.attributes.NAME}`."),
];

const ADDRESS: Kind = Kind::Scalar(Form::Address);
const CLAIM: Kind = Kind::Scalar(Form::Claim);
const ENDPOINT: Kind = Kind::Scalar(Form::Endpoint);
const HEADER: Kind = Kind::Scalar(Form::HeaderName);
const INSECURE: Kind = Kind::Scalar(Form::Boolean);
const INSECURE_ABOUT: &str =
    "Allows `http://` beside it, which is refused otherwise: on loopback too, since the application could listen on that port.";
const PATH: Kind = Kind::Scalar(Form::Path);
const REGION: Kind = Kind::Scalar(Form::Region);
const TEXT: Kind = Kind::Scalar(Form::Text);

const fn short() -> Kind {
    Kind::Scalar(Form::Duration { least: Duration::from_millis(100), most: Duration::from_secs(60) })
}

const fn long() -> Kind {
    Kind::Scalar(Form::Duration { least: Duration::from_secs(1), most: Duration::from_secs(3600) })
}
