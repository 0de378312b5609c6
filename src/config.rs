//! The configuration: validated, immutable, complete.
//!
//! A value of [`Config`] can be used as it stands: every reference is resolved, every template parsed, every default filled
//! in, and nothing is left to check later. [`Config::load`] is the only way to get one. The text goes through three steps:
//! a tree with positions (`document`), a walk against the table of settings (`settings`, which also yields the JSON
//! Schema), and the conversion into these types (`build`, by way of `reader`, which fills in defaults). Every error of every
//! step is reported at once, with its place and with what would be right.

pub(crate) mod build;
mod change;
mod clients;
pub(crate) mod companions;
mod context;
mod deferred;
pub(crate) mod document;
mod endpoints;
pub(crate) mod error;
mod guard;
mod issuers;
mod leading_key;
mod passport;
mod pattern;
pub(crate) mod place;
mod plans;
pub(crate) mod quantity;
pub(crate) mod reader;
mod routing;
pub(crate) mod settings;
pub(crate) mod suggest;
mod tables;
mod telemetry;
pub mod template;
mod tenants;
mod traces;
mod upstream;
mod users;
mod verification;
mod workloads;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::{HeaderName, uri::Authority};

use self::template::Template;
pub(crate) use self::{
    change::{Change, Part},
    guard::{Way, is_guarded, judged_as, kind_of},
    pattern::Start,
    quantity::{duration, show_duration},
};
pub use self::{
    clients::{ClientAuthConfig, ForwardingHeader, OriginConfig, WorkloadConfig, WorkloadsConfig},
    context::ContextConfig,
    deferred::{AudienceConfig, DeferConfig, RedeemConfig},
    document::At,
    endpoints::{AccessConfig, CorsConfig, CorsRules, Origins},
    error::{ConfigError, ConfigErrors},
    guard::{
        CedarConfig, DynamoDbRuleConfig, GuardConfig, GuardMode, NamedRuleConfig, PoolConfig, RuleTerms, S3EncryptionConfig, S3RuleConfig,
        SchemaConfig, SearchRuleConfig, ServiceRules, TableKeys,
    },
    issuers::{Demand, Grants, JwksSource, KeyAccess, KeyPolicy, RequiredClaim, TokenRules, TokenTypes, WordPattern},
    leading_key::LeadingKey,
    passport::{PassportConfig, PassportRule, PassportTerms},
    pattern::{NamePattern, NamePrefix},
    plans::{AskConfig, AssumeRoleConfig, HopConfig, OtherRole, PlanConfig, PlansConfig, WebIdentityConfig, WebTokenConfig},
    routing::{Balance, HealthConfig, Protocol, RouteConfig, RoutingConfig},
    settings::schema,
    tables::{CacheConfig, ReaderConfig, TableConfig},
    telemetry::{AuditConfig, AuditSink, CheckpointConfig, LogFormat, OnFailure, TelemetryConfig},
    tenants::{KeyValue, LoadConfig, TenantAttributesConfig, TenantKeyConfig, TenantKeyTemplate, TenantsTableConfig},
    traces::{OtlpProtocol, SamplingConfig, TracesConfig},
    upstream::{Place, PlaceTemplate, Upstream},
    users::{KeyTemplate, OnSuspend, UserAttributesConfig, UsersConfig, UsersTableConfig},
    verification::{FailureBudget, TokenCacheConfig, VerificationConfig},
    workloads::{NamedWorkloadConfig, WorkloadProof, WorkloadRole},
};
use crate::{secret::Secret, tenant::TenantId};

/// Everything that a run of Palisade depends on.
#[derive(Debug)]
pub struct Config {
    /// Where callers come in; `None` for an egress-only sidecar.
    pub ingress: Option<IngressConfig>,
    /// Where the application goes out; `None` for an ingress-only sidecar.
    pub egress: Option<EgressConfig>,
    /// The operators' listener.
    pub admin: AdminConfig,
    /// The listener that answers `/livez` and `/readyz` alone.
    pub probes: Option<ProbesConfig>,
    /// Issuers and passports.
    pub identity: IdentityConfig,
    /// Where tenant records come from.
    pub directory: DirectoryConfig,
    /// What becomes of the requests of a tenant that is suspended.
    pub on_suspend: OnSuspend,
    /// Where users come from; `None` where tokens say it all.
    pub users: Option<UsersConfig>,
    /// How tenant credentials are obtained; always there when `egress` is.
    pub credentials: Option<CredentialsConfig>,
    /// Who Palisade is where it asks AWS for tenants or users and obtains no tenant credentials; never there when `credentials` is.
    pub base: Option<BaseConfig>,
    /// Work of no tenant; empty where there is none.
    pub workloads: Vec<NamedWorkloadConfig>,
    /// What tenants' requests may be about; without an egress it has no rules and is off.
    pub guard: GuardConfig,
    /// Per-tenant limits.
    pub limits: LimitsConfig,
    /// What the process may use.
    pub resources: ResourcesConfig,
    /// How the process ends.
    pub shutdown: ShutdownConfig,
    /// Logs, metrics, the audit log and traces.
    pub telemetry: TelemetryConfig,
    /// The effective settings, defaults filled in and secrets left out, for `GET /config`.
    pub effective: serde_json::Value,
    /// The files that it was taken from, as they were then.
    pub(crate) companions: companions::Companions,
}

/// `ingress`
#[derive(Debug)]
pub struct IngressConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Server certificate and key.
    pub tls: TlsConfig,
    /// Where the application is, for whom.
    pub routing: RoutingConfig,
    /// What is believed of proxies in front.
    pub origin: OriginConfig,
    /// Extra headers for the application, rendered from the verified token.
    pub headers: Vec<(HeaderName, Template)>,
    /// Signed context for the application; `None`: it gets none.
    pub context: Option<ContextConfig>,
    /// Who may call what.
    pub access: AccessConfig,
    /// Limits of this listener.
    pub server: ServerConfig,
}

/// Where a listener's certificate or key comes from.
#[derive(Debug, Clone)]
pub enum Pem {
    /// A file, which is read again when it changes.
    File(PathBuf),
    /// A variable of the environment, which stays as it is until a restart.
    Variable {
        /// `env:` and its name, for messages.
        name: String,
        /// What was in it.
        text: Secret,
    },
}

impl Pem {
    /// What it is called in messages.
    pub(crate) fn name(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Variable { name, .. } => Path::new(name),
        }
    }

    /// The file that can change.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Variable { .. } => None,
        }
    }
}

/// `ingress.tls` and `egress.tls`
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// The certificate chain, leaf first.
    pub certificate: Pem,
    /// The private key.
    pub private_key: Pem,
    /// Whose certificates clients have to show; `None`: they are not asked for any.
    pub clients: Option<ClientAuthConfig>,
}

/// `egress`
#[derive(Debug)]
pub struct EgressConfig {
    /// Addresses to listen on, at least one.
    pub listen: Vec<SocketAddr>,
    /// Server certificate and key; plain HTTP without them.
    pub tls: Option<TlsConfig>,
    /// A Unix socket to listen on as well, in plain HTTP.
    pub socket: Option<SocketConfig>,
    /// Names under which the application reaches them, besides `localhost`.
    pub hosts: Vec<String>,
    /// The region for requests that name none.
    pub region: String,
    /// Regions that may be called; contains `region`.
    pub regions: Vec<String>,
    /// Which proofs are taken.
    pub proofs: Proofs,
    /// Services that may be called, by endpoint prefix (`s3`, `dynamodb`). Anything else is refused.
    pub services: std::collections::BTreeMap<String, ServiceConfig>,
    /// PEM file of extra roots for every upstream.
    pub ca: Option<PathBuf>,
    /// Longest life of a presigned URL that the application may ask for; `None`: it may not.
    pub presign: Option<Duration>,
    /// Who may redeem contexts that are sealed here; `None`: nothing is deferred.
    pub defer: Option<DeferConfig>,
    /// Whose contexts are redeemed; always there when `proofs.deferred` is set.
    pub redeem: Option<RedeemConfig>,
    /// Limits of this listener.
    pub server: ServerConfig,
}

/// `egress.socket`
#[derive(Debug, Clone)]
pub struct SocketConfig {
    /// Where it is made.
    pub path: PathBuf,
    /// Its permissions: whoever may write may connect.
    pub mode: u32,
}

/// `egress.proofs`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proofs {
    /// Passports minted by this process's ingress.
    pub passport: bool,
    /// JWTs of a configured issuer.
    pub jwt: bool,
    /// Contexts that another process sealed for us.
    pub deferred: bool,
    /// Certificates of clients that `identity.workloads` gives a tenant.
    pub certificate: bool,
}

/// `egress.services.<name>`
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// Where to send requests instead of AWS's own host name.
    pub endpoint: Option<Endpoint>,
    /// `Host` to send there, and whom the server's certificate has to be for; without one, that of `endpoint`.
    pub host: Option<Authority>,
    /// `Host` to sign; without one, the one to send.
    pub signed_host: Option<Authority>,
    /// PEM file of extra roots for this service.
    pub ca: Option<PathBuf>,
    /// Region to sign for, whatever the request says.
    pub region: Option<String>,
    /// Name in the credential scope, where it is not the endpoint prefix.
    pub signing_name: Option<String>,
    /// Whether no rule of the guard is wanted.
    pub unguarded: bool,
    /// Largest body that is held in memory to be hashed, in bytes.
    pub body_limit: usize,
    /// Connections open at once, over both protocols.
    pub connections: usize,
    /// How long a connection takes new requests.
    pub connection_lifetime: Duration,
    /// Deadlines towards this service.
    pub timeouts: TimeoutsConfig,
}

/// `egress.services.<name>.timeouts` and `ingress.timeouts`
#[derive(Debug, Clone, Copy)]
pub struct TimeoutsConfig {
    /// TCP and TLS set-up.
    pub connect: Duration,
    /// From the request's end to the response's head.
    pub response: Duration,
    /// Longest silence inside a body.
    pub idle: Duration,
}

/// A server that Palisade connects to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `https` (true) or `http`, which the configuration has to allow by name.
    pub tls: bool,
    /// Host and, where it is not the scheme's default, port.
    pub authority: Authority,
}

/// `admin`
#[derive(Debug)]
pub struct AdminConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Token for everything that is not open. Without one those paths are refused.
    pub token: Option<Secret>,
    /// Token for `/metrics`; open when unset.
    pub metrics_token: Option<Secret>,
    /// Whether a caller on loopback may end the process (`POST /quit`) without the token.
    pub quit_from_loopback: bool,
    /// Limits of this listener.
    pub server: ServerConfig,
}

/// `probes`
#[derive(Debug)]
pub struct ProbesConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Limits of this listener.
    pub server: ServerConfig,
}

/// `identity`
#[derive(Debug)]
pub struct IdentityConfig {
    /// Header that names the tenant.
    pub tenant_header: HeaderName,
    /// Header that may carry the proof, besides `Authorization` and `X-Amz-Security-Token`.
    pub token_header: HeaderName,
    /// At least one, unless no listener takes tokens.
    pub issuers: Vec<IssuerConfig>,
    /// What the ingress's passports are worth; `None` without one.
    pub passport: Option<PassportConfig>,
    /// How much checking of tokens there may be.
    pub verification: VerificationConfig,
    /// Clients whose certificates stand for one tenant.
    pub workloads: WorkloadsConfig,
}

/// `identity.issuers[]`
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// Exact value of `iss`.
    pub issuer: String,
    /// Accepted values of `aud` (or of the claim that `claims.audience` names), at least one.
    pub audience: Vec<String>,
    /// Where its keys are.
    pub jwks: JwksSource,
    /// When they are fetched, and how long they serve.
    pub key_policy: KeyPolicy,
    /// Accepted algorithms, at least one, asymmetric only.
    pub algorithms: Vec<jsonwebtoken::Algorithm>,
    /// Which claims mean what.
    pub claims: ClaimsConfig,
    /// What else a token must say.
    pub rules: TokenRules,
    /// Clock difference that is forgiven.
    pub leeway: Duration,
    /// Tenants that this issuer may speak for.
    pub tenants: IssuerTenants,
    /// What it may say of their users.
    pub grants: Grants,
}

/// `identity.issuers[].tenants`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuerTenants {
    /// Those that one of these means.
    Listed(Vec<TenantPattern>),
    /// Those whose record has the issuer's name in this attribute.
    Attribute(String),
}

/// `identity.issuers[].claims`
#[derive(Debug, Clone)]
pub struct ClaimsConfig {
    /// String or array of strings; `aud` unless the issuer puts the audience of access tokens elsewhere.
    pub audience: ClaimPath,
    /// String or array of strings; `None` where a directory of users says the tenant.
    pub tenant: Option<ClaimPath>,
    /// String; mandatory in the token.
    pub subject: ClaimPath,
    /// String (split at spaces) or array of strings; may be absent.
    pub roles: ClaimPath,
    /// String (split at spaces) or array of strings; may be absent.
    pub scopes: ClaimPath,
}

/// A claim: its name, or a JSON pointer (RFC 6901) when it starts with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath(pub String);

impl ClaimPath {
    /// The value at this path, if there is one.
    pub fn find<'a>(&self, claims: &'a serde_json::Map<String, serde_json::Value>) -> Option<&'a serde_json::Value> {
        match self.0.strip_prefix('/') {
            None => claims.get(&self.0),
            Some(pointer) => {
                let (first, rest) = pointer.split_at(pointer.find('/').unwrap_or(pointer.len()));
                claims.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(rest)
            }
        }
    }
}

/// An exact tenant id, or one with `*` for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantPattern(pub String);

impl TenantPattern {
    /// Whether `tenant` is meant.
    pub fn matches(&self, tenant: &TenantId) -> bool {
        glob(self.0.as_bytes(), tenant.as_str().as_bytes())
    }

    /// Whether every tenant is meant.
    pub(crate) fn is_everybody(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte == b'*')
    }

    /// Whether whoever `other` means is meant: seen as a text, a `*` in it is a character that nothing but a `*` stands for.
    pub fn covers(&self, other: &Self) -> bool {
        glob(self.0.as_bytes(), other.0.as_bytes())
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| glob(rest, &text[skip..])),
        Some((byte, rest)) => text.split_first().is_some_and(|(first, tail)| first == byte && glob(rest, tail)),
    }
}

/// `tenants.directory`
#[derive(Debug)]
pub enum DirectoryConfig {
    /// A YAML file of records, read again when it changes.
    File(PathBuf),
    /// Items of a DynamoDB table.
    DynamoDb(Box<TenantsTableConfig>),
    /// The same, and no tenant's id may be the beginning of another one's: a template relies on it.
    PrefixFreeFile(PathBuf),
    /// Every tenant that a verified token names exists.
    Any,
}

impl DirectoryConfig {
    /// Whether the records of `other` are to be had in the same way, and have to meet the same rules.
    pub(crate) fn is_of_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// `credentials`
#[derive(Debug)]
pub struct CredentialsConfig {
    /// Who Palisade is when it calls STS.
    pub source: CredentialsSource,
    /// STS itself.
    pub sts: StsConfig,
    /// When sessions are renewed.
    pub refresh: RefreshConfig,
    /// What is asked of STS for a tenant, by service.
    pub plans: PlansConfig,
    /// Most tenant sessions held at once.
    pub max_sessions: usize,
    /// Calls to STS that there may be.
    pub budget: BudgetConfig,
    /// Whose sessions are fetched at the start.
    pub warm_up: Option<WarmUpConfig>,
}

/// `credentials.budget`
#[derive(Debug, Clone, Copy)]
pub struct BudgetConfig {
    /// Calls a second, sustained; positive.
    pub requests_per_second: f64,
    /// Calls at once after a pause, at least four.
    pub burst: u32,
    /// Calls in progress, at least two.
    pub concurrent: usize,
    /// Calls that wait for their turn.
    pub queue: usize,
    /// Longest wait for it.
    pub wait: Duration,
}

/// `credentials.warm_up`
#[derive(Debug, Clone)]
pub struct WarmUpConfig {
    /// Tenants by name.
    pub tenants: Vec<TenantId>,
    /// Tenants by the tier in their record.
    pub tiers: Vec<String>,
    /// How long readiness waits for it.
    pub wait: Duration,
}

/// `credentials`, as far as it says who Palisade is.
#[derive(Debug)]
pub struct BaseConfig {
    /// Who Palisade is when it calls AWS.
    pub source: CredentialsSource,
    /// STS, which some sources need.
    pub sts: StsConfig,
}

/// `credentials.source`
#[derive(Debug)]
pub enum CredentialsSource {
    /// The AWS SDK's default chain.
    DefaultChain {
        /// Whether a source that the application can ask as well may answer: it was accepted, or there is no application beside.
        may_be_shared: bool,
    },
    /// A file of keys in the SDKs' format, read again when it changes.
    File(PathBuf),
    /// `AssumeRoleWithWebIdentity` with a token file.
    WebIdentity {
        /// The projected token; read for each use.
        token_file: PathBuf,
        /// The base role.
        role_arn: String,
    },
    /// A fixed key.
    Static {
        /// Not secret by itself.
        access_key_id: String,
        /// From a file or the environment.
        secret_access_key: Secret,
        /// For temporary keys.
        session_token: Option<Secret>,
    },
    /// Nobody: tokens are the authority of every plan, and nothing else is asked of AWS.
    Nobody,
}

/// `credentials.sts`
#[derive(Debug, Clone)]
pub struct StsConfig {
    /// Where STS is, when it is not AWS's regional endpoint.
    pub endpoint: Option<Endpoint>,
    /// Region to call and sign for.
    pub region: String,
    /// PEM file of extra roots.
    pub ca: Option<PathBuf>,
    /// Deadline of one call.
    pub timeout: Duration,
}

/// `credentials.refresh`
#[derive(Debug, Clone, Copy)]
pub struct RefreshConfig {
    /// How long before expiry a session is renewed.
    pub ahead: Duration,
    /// Spread of that moment, so that sessions do not renew together.
    pub jitter: Duration,
}

/// `limits`
#[derive(Debug, Clone, Default)]
pub struct LimitsConfig {
    /// For tenants without a tier of their own.
    pub default: Limits,
    /// By tier name.
    pub tiers: std::collections::BTreeMap<String, Limits>,
}

/// One set of limits. `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Sustained requests per second on each listener.
    pub requests_per_second: Option<f64>,
    /// Requests that may come at once after a pause; at least 1 where a rate is set.
    pub burst: Option<u32>,
    /// Requests in progress at once on each listener.
    pub concurrent: Option<u32>,
}

impl Limits {
    /// These, field by field, and where there is none that of `under`.
    pub fn over(self, under: Self) -> Self {
        Self {
            requests_per_second: self.requests_per_second.or(under.requests_per_second),
            burst: self.burst.or(under.burst),
            concurrent: self.concurrent.or(under.concurrent),
        }
    }
}

/// `server`, per listener.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// From accept to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From a request's first byte to the end of its headers.
    pub header_timeout: Duration,
    /// Longest silence: between requests, inside a body.
    pub idle_timeout: Duration,
    /// Names, values and separators of all headers together.
    pub header_bytes: usize,
    /// Number of header lines.
    pub headers: usize,
    /// Length of the request target.
    pub uri_bytes: usize,
    /// Connections open at once.
    pub connections: usize,
    /// How long a drain may take.
    pub drain: Duration,
}

/// `resources`
#[derive(Debug, Clone, Copy)]
pub struct ResourcesConfig {
    /// Resident bytes from which requests are refused; `None`: by the cgroup's limit.
    pub memory: Option<u64>,
}

/// `shutdown`
#[derive(Debug, Clone, Copy)]
pub struct ShutdownConfig {
    /// How long everything is served after the signal.
    pub delay: Duration,
    /// What ends first.
    pub order: ShutdownOrder,
    /// How long the egress outlives the ingress.
    pub linger: Duration,
}

/// `shutdown.order`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownOrder {
    /// The egress goes on until the ingress has ended.
    IngressFirst,
    /// Both stop taking requests at once.
    Together,
}

/// Shared, since every part of the process holds it.
pub type SharedConfig = Arc<Config>;
