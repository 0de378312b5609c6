//! What the guard's rules say: `guard`.

#[cfg(feature = "cedar")]
use std::path::PathBuf;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    ServiceConfig,
    leading_key::LeadingKey,
    pattern::{NamePattern, NamePrefix, Start},
    template::{Name, Template},
};
use crate::aws::{
    action::Actions,
    resource::table::Table,
    service::{Service, search_key},
};

/// `guard`
#[derive(Debug, Default)]
pub struct GuardConfig {
    /// What becomes of requests that no rule allows.
    pub mode: GuardMode,
    /// By kind of service ([`Destination::api`](crate::aws::target::Destination::api)).
    pub rules: BTreeMap<String, ServiceRules>,
    /// `cedar`: policies on top of the rules.
    pub cedar: Option<CedarConfig>,
}

/// `guard.cedar`
#[cfg(feature = "cedar")]
#[derive(Debug, Clone)]
pub struct CedarConfig {
    /// A file, or a folder of files that end in `.cedar`.
    pub policies: PathBuf,
    /// What becomes of requests that the policies do not permit.
    pub mode: GuardMode,
}

/// There is none: this build has no Cedar, and refuses a configuration with policies.
#[cfg(not(feature = "cedar"))]
#[derive(Debug, Clone)]
pub enum CedarConfig {}

/// What becomes of what is not allowed, the strictest last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum GuardMode {
    /// Nobody looks.
    #[default]
    Off,
    /// It passes, and the log says that it would have been refused.
    Audit,
    /// It is refused.
    Enforce,
}

impl GuardMode {
    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Enforce => "enforce",
        }
    }
}

/// The rules of one service.
#[derive(Debug)]
pub enum ServiceRules {
    /// `dynamodb`
    DynamoDb(Vec<DynamoDbRuleConfig>),
    /// A service whose requests name what they are about.
    Named(Vec<NamedRuleConfig>),
    /// `s3`
    S3(Vec<S3RuleConfig>),
    /// `aoss` or `es`, which both are OpenSearch.
    Search(Vec<SearchRuleConfig>),
}

impl ServiceRules {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::DynamoDb(rules) => rules.is_empty(),
            Self::Named(rules) => rules.is_empty(),
            Self::S3(rules) => rules.is_empty(),
            Self::Search(rules) => rules.is_empty(),
        }
    }

    /// The strictest mode of them.
    pub fn strictest(&self) -> GuardMode {
        let strictest = self.terms().iter().map(|terms| terms.mode).max();
        strictest.unwrap_or_default()
    }

    /// What each rule has besides what it is about.
    pub(crate) fn terms(&self) -> Vec<&RuleTerms> {
        match self {
            Self::DynamoDb(rules) => rules.iter().map(|rule| &rule.terms).collect(),
            Self::Named(rules) => rules.iter().map(|rule| &rule.terms).collect(),
            Self::S3(rules) => rules.iter().map(|rule| &rule.terms).collect(),
            Self::Search(rules) => rules.iter().map(|rule| &rule.terms).collect(),
        }
    }
}

/// One of the ways in which a rule says what is a tenant's: all of it together.
pub(crate) struct Way<'r> {
    pub(crate) terms: &'r RuleTerms,
    /// What it is about.
    pub(crate) name: &'r NamePattern,
    /// What else has to fit.
    beside: Vec<&'r Start>,
}

impl<'r> Way<'r> {
    /// How all that is compared begins.
    pub(crate) fn starts(&self) -> impl Iterator<Item = &'r Start> {
        std::iter::once(self.name.start()).chain(self.beside.iter().copied())
    }

    /// Whether two tenants have different things by it.
    pub(crate) fn tells_tenants_apart(&self) -> bool {
        self.starts().any(Start::tells_tenants_apart)
    }

    /// Whether it gives every tenant all of what another way gives to each apart, to do whatever is usual with it.
    pub(crate) fn undoes(&self, other: &Way<'_>) -> bool {
        let is_open = self.beside.is_empty() && self.terms.actions.is_none() && !self.tells_tenants_apart();
        is_open && other.tells_tenants_apart() && self.name.covers(other.name)
    }
}

impl ServiceRules {
    /// The placeholders of keys that writes have to be encrypted with, and of their contexts.
    pub(crate) fn keys(&self) -> Vec<(&RuleTerms, Vec<&Name>)> {
        let Self::S3(rules) = self else { return Vec::new() };
        let keys = rules.iter().filter_map(|rule| Some((&rule.terms, rule.encryption.as_ref()?)));
        keys.map(|(terms, S3EncryptionConfig { key, context, .. })| {
            (terms, key.names().chain(context.iter().flat_map(|(_, value)| value.names())).collect())
        })
        .collect()
    }

    /// Each of them.
    pub(crate) fn ways(&self) -> Vec<Way<'_>> {
        match self {
            Self::DynamoDb(rules) => rules.iter().flat_map(DynamoDbRuleConfig::ways).collect(),
            Self::Named(rules) => rules.iter().flat_map(NamedRuleConfig::ways).collect(),
            Self::S3(rules) => rules.iter().flat_map(S3RuleConfig::ways).collect(),
            Self::Search(rules) => rules.iter().flat_map(SearchRuleConfig::ways).collect(),
        }
    }
}

/// Each of `names`, and `beside` it what the rule says of each of them.
fn ways<'r>(terms: &'r RuleTerms, names: &'r [NamePattern], beside: Vec<&'r Start>) -> impl Iterator<Item = Way<'r>> {
    names.iter().map(move |name| Way { terms, name, beside: beside.clone() })
}

/// What every rule has.
#[derive(Debug, Clone)]
pub struct RuleTerms {
    /// Where it stands, for logs: `guard.s3[0]`.
    pub name: Arc<str>,
    /// What becomes of what it does not allow.
    pub mode: GuardMode,
    /// What may be done with what it is about; `None`: what the guard understands and thinks harmless.
    pub actions: Option<Actions>,
}

/// One of `guard.dynamodb`.
#[derive(Debug)]
pub struct DynamoDbRuleConfig {
    /// What every rule has.
    pub terms: RuleTerms,
    /// The tables that it is about.
    pub tables: Vec<NamePattern>,
    /// The account that an ARN of such a table is in; `None`: IAM says.
    pub account: Option<NamePattern>,
    /// Which of their items are the tenant's; `None`: the tables are the tenant's own.
    pub pool: Option<PoolConfig>,
}

/// Which items of a table are a tenant's.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// What their hash keys are, or begin with.
    pub leading_key: LeadingKey,
    /// Which attributes those are.
    pub schema: SchemaConfig,
}

/// Where it is known from which attributes are hash keys.
#[derive(Debug, Clone)]
pub enum SchemaConfig {
    /// The configuration says so.
    Given(TableKeys),
    /// DynamoDB does, by `DescribeTable`.
    Learnt {
        /// The indexes whose keys do not tell tenants apart: they are written to, and queried by nobody.
        open_indexes: BTreeSet<String>,
    },
}

/// The hash keys of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableKeys {
    /// The attribute that is the table's own.
    pub key: String,
    /// The indexes, and the attribute that is each one's hash key, or the first of several.
    pub indexes: BTreeMap<String, String>,
}

/// One of `guard.s3`.
#[derive(Debug)]
pub struct S3RuleConfig {
    /// What every rule has.
    pub terms: RuleTerms,
    /// The buckets that it is about.
    pub buckets: Vec<NamePattern>,
    /// How keys begin; `None`: the buckets are the tenant's own.
    pub prefix: Option<NamePrefix>,
    /// With which key what is written has to be encrypted; `None`: as the bucket does by itself, or the request says.
    pub encryption: Option<S3EncryptionConfig>,
    /// Whether keys that requests bring along are taken (SSE-C).
    pub customer_keys: bool,
}

/// `guard.s3[].kms`
#[derive(Debug, Clone)]
pub struct S3EncryptionConfig {
    /// The key, as requests have to name it.
    pub key: Template,
    /// What the encryption context has to have, besides what S3 adds.
    pub context: Vec<(String, Template)>,
    /// Whether a write that says nothing of it gets it added; it is refused otherwise.
    pub inject: bool,
}

/// One of `guard.sqs` and its like.
#[derive(Debug)]
pub struct NamedRuleConfig {
    /// What every rule has.
    pub terms: RuleTerms,
    /// The names or ARNs of what it is about.
    pub names: Vec<NamePattern>,
    /// The guardrails that a model may be asked with.
    pub guardrails: Vec<NamePattern>,
    /// What an encryption context has to have, or a metric of its dimensions, or an invocation (`tenant_id`).
    pub context: Vec<(String, NamePattern)>,
}

/// One of `guard.aoss` or `guard.es`.
#[derive(Debug)]
pub struct SearchRuleConfig {
    /// What every rule has.
    pub terms: RuleTerms,
    /// The names of the indexes that it is about.
    pub indexes: Vec<NamePattern>,
}

impl GuardConfig {
    /// What becomes of what policies do not permit; `None` where there are none.
    #[cfg(feature = "cedar")]
    pub fn mode_of_policies(&self) -> Option<GuardMode> {
        self.cedar.as_ref().map(|cedar| cedar.mode)
    }

    /// There are none.
    #[cfg(not(feature = "cedar"))]
    pub fn mode_of_policies(&self) -> Option<GuardMode> {
        None
    }

    /// Whether there are policies that somebody asks.
    pub fn has_policies(&self) -> bool {
        self.mode_of_policies().is_some_and(|mode| mode != GuardMode::Off)
    }

    /// Whether a rule has its tables' keys from `DescribeTable`, which tenants' roles then have to be allowed.
    pub fn learns_keys(&self) -> bool {
        self.rules.values().any(|rules| match rules {
            ServiceRules::DynamoDb(rules) => {
                let learns = |pool: &PoolConfig| matches!(pool.schema, SchemaConfig::Learnt { .. });
                rules.iter().any(|rule| rule.pool.as_ref().is_some_and(learns))
            }
            ServiceRules::Named(_) | ServiceRules::S3(_) | ServiceRules::Search(_) => false,
        })
    }

    /// Whether a pattern in it is right only where no tenant's id is the beginning of another one.
    pub fn needs_prefix_free_ids(&self) -> bool {
        self.rules.values().any(|rules| match rules {
            ServiceRules::DynamoDb(rules) => rules.iter().any(DynamoDbRuleConfig::has_open_end),
            ServiceRules::Named(rules) => rules.iter().any(NamedRuleConfig::has_open_end),
            ServiceRules::S3(rules) => rules.iter().any(S3RuleConfig::has_open_end),
            ServiceRules::Search(rules) => rules.iter().any(SearchRuleConfig::has_open_end),
        })
    }
}

/// Whether there can be rules for this kind of service, as [`Destination::api`](crate::aws::target::Destination::api) says it.
pub(crate) fn is_guarded(kind: &str) -> bool {
    matches!(kind, "dynamodb" | "s3") || search_key(kind).is_some() || Table::of(kind).is_some()
}

/// By which rules a service is judged: a key of the operator's own stands for what it signs as.
pub(crate) fn kind_of<'k>(key: &'k str, service: &'k ServiceConfig) -> &'k str {
    let known = Service::find(key).or_else(|| service.signing_name.as_deref().and_then(Service::named));
    known.map_or(key, |service| service.key)
}

/// Whose rules those of `kind` are, where a service has no rules of its own: streams are a table's.
pub(crate) fn judged_as(kind: &str) -> &str {
    if kind == "dynamodbstreams" { "dynamodb" } else { kind }
}

impl DynamoDbRuleConfig {
    fn ways(&self) -> impl Iterator<Item = Way<'_>> {
        let of_key = self.pool.iter().map(|pool| pool.leading_key.start());
        ways(&self.terms, &self.tables, of_key.chain(self.account.iter().map(NamePattern::start)).collect())
    }

    fn has_open_end(&self) -> bool {
        let of_key = self.pool.as_ref().and_then(|pool| pool.leading_key.open_end());
        of_key.or_else(|| self.tables.iter().find_map(NamePattern::open_end)).is_some()
    }
}

impl NamedRuleConfig {
    fn ways(&self) -> impl Iterator<Item = Way<'_>> {
        ways(&self.terms, &self.names, self.context.iter().map(|(_, value)| value.start()).collect())
    }

    fn has_open_end(&self) -> bool {
        let of_context = self.context.iter().map(|(_, value)| value);
        self.names.iter().chain(&self.guardrails).chain(of_context).any(|pattern| pattern.open_end().is_some())
    }
}

impl S3RuleConfig {
    fn ways(&self) -> impl Iterator<Item = Way<'_>> {
        ways(&self.terms, &self.buckets, self.prefix.iter().map(NamePrefix::start).collect())
    }

    fn has_open_end(&self) -> bool {
        let of_prefix = self.prefix.as_ref().and_then(NamePrefix::open_end);
        of_prefix.or_else(|| self.buckets.iter().find_map(NamePattern::open_end)).is_some()
    }
}

impl SearchRuleConfig {
    fn ways(&self) -> impl Iterator<Item = Way<'_>> {
        ways(&self.terms, &self.indexes, Vec::new())
    }

    fn has_open_end(&self) -> bool {
        self.indexes.iter().any(|pattern| pattern.open_end().is_some())
    }
}
