//! What the guard's rules say: `guard`.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    leading_key::LeadingKey,
    pattern::{NamePattern, NamePrefix},
    template::Template,
};
use crate::aws::action::Actions;

/// `guard`
#[derive(Debug, Default)]
pub struct GuardConfig {
    /// What becomes of requests that no rule allows.
    pub mode: GuardMode,
    /// By kind of service ([`Target::api`](crate::aws::target::Target::api)).
    pub rules: BTreeMap<String, ServiceRules>,
}

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
}

impl ServiceRules {
    /// The strictest mode of them.
    pub fn strictest(&self) -> GuardMode {
        let mode = |terms: &RuleTerms| terms.mode;
        let strictest = match self {
            Self::DynamoDb(rules) => rules.iter().map(|rule| mode(&rule.terms)).max(),
            Self::Named(rules) => rules.iter().map(|rule| mode(&rule.terms)).max(),
            Self::S3(rules) => rules.iter().map(|rule| mode(&rule.terms)).max(),
        };
        strictest.unwrap_or_default()
    }
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
    /// The attribute that is the table's hash key.
    pub key: String,
    /// The indexes that may be queried, and the attribute that is each one's hash key.
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

impl GuardConfig {
    /// Whether a pattern in it is right only where no tenant's id is the beginning of another one.
    pub fn needs_prefix_free_ids(&self) -> bool {
        self.rules.values().any(|rules| match rules {
            ServiceRules::DynamoDb(rules) => rules.iter().any(DynamoDbRuleConfig::has_open_end),
            ServiceRules::Named(rules) => rules.iter().any(NamedRuleConfig::has_open_end),
            ServiceRules::S3(rules) => rules.iter().any(S3RuleConfig::has_open_end),
        })
    }
}

/// Whose rules those of `kind` are, where a service has no rules of its own: streams are a table's.
pub(crate) fn judged_as(kind: &str) -> &str {
    if kind == "dynamodbstreams" { "dynamodb" } else { kind }
}

impl DynamoDbRuleConfig {
    fn has_open_end(&self) -> bool {
        let of_key = self.pool.as_ref().and_then(|pool| pool.leading_key.open_end());
        of_key.or_else(|| self.tables.iter().find_map(NamePattern::open_end)).is_some()
    }
}

impl NamedRuleConfig {
    fn has_open_end(&self) -> bool {
        let of_context = self.context.iter().map(|(_, value)| value);
        self.names.iter().chain(&self.guardrails).chain(of_context).any(|pattern| pattern.open_end().is_some())
    }
}

impl S3RuleConfig {
    fn has_open_end(&self) -> bool {
        let of_prefix = self.prefix.as_ref().and_then(NamePrefix::open_end);
        of_prefix.or_else(|| self.buckets.iter().find_map(NamePattern::open_end)).is_some()
    }
}
