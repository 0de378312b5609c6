//! What is asked of STS for a tenant: `credentials.assume_role`, `credentials.assume_role_with_web_identity`, and the same by service.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::template::{JsonTemplate, Name, Template};

/// Which plan holds for which service.
#[derive(Debug)]
pub struct PlansConfig {
    /// For services without a plan of their own; `None` only where each of `egress.services` has one.
    pub default: Option<PlanConfig>,
    /// By key of `egress.services`.
    pub services: BTreeMap<String, PlanConfig>,
}

impl PlansConfig {
    /// That of a service, by its key in `egress.services`.
    pub fn of(&self, service: &str) -> Option<&PlanConfig> {
        self.services.get(service).or(self.default.as_ref())
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &PlanConfig> {
        self.default.iter().chain(self.services.values())
    }

    /// All of them.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut PlanConfig> {
        self.default.iter_mut().chain(self.services.values_mut())
    }

    /// Whether callers' tokens have to be at hand when STS is asked.
    pub fn use_callers_tokens(&self) -> bool {
        self.all().any(PlanConfig::uses_callers_token)
    }

    /// Whether a template in them is right only where no tenant's id is the beginning of another one.
    pub fn need_prefix_free_ids(&self) -> bool {
        let open = |plan: &PlanConfig| {
            let policy = plan.session_policy().and_then(JsonTemplate::open_end);
            policy.or_else(|| plan.templates().into_iter().find_map(|(_, template)| template.open_end())).is_some()
        };
        self.all().any(open)
    }

    /// Whether any of them calls STS with an identity of Palisade's own.
    pub fn need_identity(&self) -> bool {
        self.all().any(|plan| matches!(plan.ask, AskConfig::AssumeRole(_)))
    }
}

#[cfg(test)]
impl PlansConfig {
    /// What is asked for where there is one plan alone, by `AssumeRole`.
    pub(crate) fn sole(&self) -> &AssumeRoleConfig {
        match self.default.as_ref().map(|plan| &plan.ask) {
            Some(AskConfig::AssumeRole(ask)) if self.services.is_empty() => ask,
            _ => panic!("{self:?}"),
        }
    }
}

/// One plan, and where it stands.
#[derive(Debug, Clone)]
pub struct PlanConfig {
    /// Its key, for messages: `credentials.assume_role`, `credentials.services.aoss.assume_role`.
    pub key: String,
    /// What it asks for.
    pub ask: AskConfig,
    /// Roles that no tenant's values may make of its role.
    pub others: Arc<[OtherRole]>,
    /// Whether a tenant has to have an id in lower case: the id is in the name of a role or policy, which IAM does not tell apart by case, and nobody has
    /// compared the ids of all tenants.
    pub lower_case_ids: bool,
}

/// A role that is somebody else's than a tenant's of this plan: Palisade's own, a table's reader's, a workload's, one of `via`, another plan's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherRole {
    /// Its ARN.
    pub arn: Box<str>,
    /// The setting that has it.
    pub setting: Box<str>,
}

/// By which call a tenant's session is made.
#[derive(Debug, Clone)]
pub enum AskConfig {
    /// `AssumeRole`, signed with Palisade's own identity.
    AssumeRole(AssumeRoleConfig),
    /// `AssumeRoleWithWebIdentity`, which is not signed: a token is the authority.
    WebIdentity(WebIdentityConfig),
}

/// `assume_role`
#[derive(Debug, Clone)]
pub struct AssumeRoleConfig {
    /// `RoleArn`
    pub role_arn: Template,
    /// `RoleSessionName`
    pub session_name: Template,
    /// `ExternalId`
    pub external_id: Option<Template>,
    /// `SourceIdentity`
    pub source_identity: Option<Template>,
    /// `Tags`, in the configuration's order.
    pub session_tags: Vec<(String, Template)>,
    /// `TransitiveTagKeys`; each is a key of `session_tags`.
    pub transitive_tag_keys: Vec<String>,
    /// `Policy`
    pub session_policy: Option<JsonTemplate>,
    /// `PolicyArns`, at most ten.
    pub policy_arns: Vec<Template>,
    /// `DurationSeconds`
    pub duration: Duration,
    /// Roles that stand between Palisade's own identity and the tenant's role, in the order in which they are assumed.
    pub via: Vec<HopConfig>,
}

/// One of `assume_role.via`.
#[derive(Debug, Clone)]
pub struct HopConfig {
    /// `RoleArn`
    pub role_arn: Template,
    /// `RoleSessionName`
    pub session_name: Template,
    /// `ExternalId`
    pub external_id: Option<Template>,
    /// `Tags`, in the configuration's order.
    pub session_tags: Vec<(String, Template)>,
    /// `TransitiveTagKeys`: what the roles behind inherit; each is a key of `session_tags`.
    pub transitive_tag_keys: Vec<String>,
}

/// `assume_role_with_web_identity`
#[derive(Debug, Clone)]
pub struct WebIdentityConfig {
    /// Whose token it is.
    pub token: WebTokenConfig,
    /// `RoleArn`
    pub role_arn: Template,
    /// `RoleSessionName`
    pub session_name: Template,
    /// Session tags that the caller's token has to carry, and with which value. STS takes them out of the token itself.
    pub token_tags: Vec<(String, Template)>,
    /// `Policy`
    pub session_policy: Option<JsonTemplate>,
    /// `PolicyArns`, at most ten.
    pub policy_arns: Vec<Template>,
    /// `DurationSeconds`
    pub duration: Duration,
}

/// `assume_role_with_web_identity.token`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebTokenConfig {
    /// That of whoever makes the request.
    Caller,
    /// Palisade's own, in this file; read for each use.
    File(PathBuf),
}

impl PlanConfig {
    /// Whether it asks with the token of whoever makes the request.
    pub fn uses_callers_token(&self) -> bool {
        matches!(&self.ask, AskConfig::WebIdentity(WebIdentityConfig { token: WebTokenConfig::Caller, .. }))
    }

    /// Where its own token is, if it asks with one.
    pub fn token_file(&self) -> Option<&Path> {
        match &self.ask {
            AskConfig::WebIdentity(WebIdentityConfig { token: WebTokenConfig::File(path), .. }) => Some(path),
            AskConfig::WebIdentity(_) | AskConfig::AssumeRole(_) => None,
        }
    }

    /// The settings below [`PlanConfig::key`] that are not the same for everybody of a tenant, each with the placeholder that makes it
    /// so. Where there are any, each user has sessions of their own.
    pub fn of_users(&self) -> Vec<(String, &Name)> {
        let templates = self.templates().into_iter();
        let templates = templates.filter_map(|(setting, template)| Some((setting, template.names().find(|name| name.is_of_a_user())?)));
        let policy = self.session_policy().and_then(|policy| policy.names().find(|name| name.is_of_a_user()));
        templates.chain(policy.map(|name| ("session_policy".to_owned(), name))).collect()
    }

    /// `DurationSeconds`
    pub fn duration(&self) -> Duration {
        match &self.ask {
            AskConfig::AssumeRole(ask) => ask.duration,
            AskConfig::WebIdentity(ask) => ask.duration,
        }
    }

    /// `Policy`
    pub fn session_policy(&self) -> Option<&JsonTemplate> {
        match &self.ask {
            AskConfig::AssumeRole(ask) => ask.session_policy.as_ref(),
            AskConfig::WebIdentity(ask) => ask.session_policy.as_ref(),
        }
    }

    /// `RoleArn`
    pub fn role_arn(&self) -> &Template {
        match &self.ask {
            AskConfig::AssumeRole(ask) => &ask.role_arn,
            AskConfig::WebIdentity(ask) => &ask.role_arn,
        }
    }

    /// Its templates, each with the setting below [`PlanConfig::key`] that it stands in; the policy is another kind.
    pub fn templates(&self) -> Vec<(String, &Template)> {
        let plain = |setting: &str, template| (setting.to_owned(), template);
        let mut all = Vec::new();
        match &self.ask {
            AskConfig::AssumeRole(ask) => {
                all.extend([plain("role_arn", &ask.role_arn), plain("session_name", &ask.session_name)]);
                all.extend(ask.external_id.iter().map(|template| plain("external_id", template)));
                all.extend(ask.source_identity.iter().map(|template| plain("source_identity", template)));
                all.extend(tags("session_tags", &ask.session_tags));
                all.extend(ask.policy_arns.iter().map(|template| plain("policy_arns", template)));
                all.extend(ask.via.iter().enumerate().flat_map(|(number, hop)| hop.templates(number)));
            }
            AskConfig::WebIdentity(ask) => {
                all.extend([plain("role_arn", &ask.role_arn), plain("session_name", &ask.session_name)]);
                all.extend(tags("token_tags", &ask.token_tags));
                all.extend(ask.policy_arns.iter().map(|template| plain("policy_arns", template)));
            }
        }
        all
    }

    /// Whether the tenant's id is in a name that IAM does not tell from the same one in another case: of a role, or of a managed policy.
    pub fn names_by_id(&self) -> bool {
        let is_name = |setting: &str| setting.ends_with("role_arn") || setting == "policy_arns";
        self.templates()
            .into_iter()
            .filter(|(setting, _)| is_name(setting))
            .flat_map(|(_, arn)| arn.names())
            .any(|name| *name == Name::TenantId)
    }

    /// Every placeholder in it, of the policy too.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        let policy = self.session_policy().into_iter().flat_map(JsonTemplate::names);
        self.templates().into_iter().flat_map(|(_, template)| template.names()).chain(policy)
    }

    /// Whether sessions of two tenants may do different things: something that decides it has a placeholder in which tenants differ.
    pub fn tells_tenants_apart(&self) -> bool {
        self.session_policy().is_some_and(JsonTemplate::tells_tenants_apart)
            || self.deciding_templates().into_iter().flat_map(Template::names).any(Name::tells_tenants_apart)
    }

    /// Whether its role does, or a tag of its sessions: what decides before any policy that is sent along.
    pub fn role_or_tags_tell_tenants_apart(&self) -> bool {
        let arns = self.policy_arns().len();
        let mut before = self.deciding_templates();
        before.truncate(before.len() - arns);
        before.into_iter().flat_map(Template::names).any(Name::tells_tenants_apart)
    }

    /// `PolicyArns`
    pub fn policy_arns(&self) -> &[Template] {
        match &self.ask {
            AskConfig::AssumeRole(ask) => &ask.policy_arns,
            AskConfig::WebIdentity(ask) => &ask.policy_arns,
        }
    }

    /// What is wrong with the external id of a role that is in each tenant's own account, as far as the templates tell.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html>
    pub fn deputy_can_be_confused(&self) -> Option<&'static str> {
        let AskConfig::AssumeRole(ask) = &self.ask else { return None };
        if !ask.role_arn.names().any(|name| *name == Name::TenantAccount) {
            return None;
        }
        match &ask.external_id {
            None => Some("is unset"),
            Some(id) if id.names().any(|name| name.tells_tenants_apart() || *name == Name::TenantExternalId) => None,
            Some(_) => Some("is the same for every tenant"),
        }
    }

    /// The placeholders that decide what a session may do: those of the role, of its tags, and of its policies.
    pub fn deciding_names(&self) -> Vec<&Name> {
        let policy = self.session_policy().into_iter().flat_map(JsonTemplate::names);
        self.deciding_templates().into_iter().flat_map(Template::names).chain(policy).collect()
    }

    /// The role, its tags and, behind them, its managed policies.
    fn deciding_templates(&self) -> Vec<&Template> {
        let tags: Vec<&Template> = match &self.ask {
            AskConfig::AssumeRole(ask) => {
                let inherited = ask.via.iter().flat_map(HopConfig::transitive_tags);
                ask.session_tags.iter().map(|(_, template)| template).chain(inherited).collect()
            }
            AskConfig::WebIdentity(ask) => ask.token_tags.iter().map(|(_, template)| template).collect(),
        };
        std::iter::once(self.role_arn()).chain(tags).chain(self.policy_arns()).collect()
    }
}

impl HopConfig {
    /// The tags that the roles behind inherit.
    fn transitive_tags(&self) -> impl Iterator<Item = &Template> {
        self.session_tags.iter().filter(|(key, _)| self.transitive_tag_keys.contains(key)).map(|(_, template)| template)
    }

    fn templates(&self, number: usize) -> Vec<(String, &Template)> {
        let key = |setting: &str| format!("via[{number}].{setting}");
        let mut all = vec![(key("role_arn"), &self.role_arn), (key("session_name"), &self.session_name)];
        all.extend(self.external_id.iter().map(|template| (key("external_id"), template)));
        all.extend(tags(&key("session_tags"), &self.session_tags));
        all
    }
}

fn tags<'t>(setting: &str, tags: &'t [(String, Template)]) -> impl Iterator<Item = (String, &'t Template)> {
    tags.iter().map(move |(key, template)| (format!("{setting}.{key}"), template))
}
