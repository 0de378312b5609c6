//! A role: who may assume it, and what a session of it may do.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    super::{
        RoleConfig, digest,
        failure::Failure,
        keys::id_text,
        policy::{Context, Policy, PolicyError, PolicyKind, Request, Verdict},
        principal::{Layer, Principal, SessionFacts},
    },
    assume_role::AssumeRole,
};

#[derive(Debug)]
pub(super) struct Role {
    name: String,
    account: String,
    trust: Policy,
    policy: Arc<Policy>,
    pub(super) max_session: Duration,
}

impl Role {
    /// Reads a role's two policies; `account` is where it lives unless its config says otherwise.
    pub(super) fn new(config: &RoleConfig, account: &str) -> Result<Self, PolicyError> {
        Ok(Self {
            name: config.name.clone(),
            account: config.account.as_deref().unwrap_or(account).to_owned(),
            trust: Policy::parse(&config.trust, PolicyKind::Trust)?,
            policy: Arc::new(Policy::parse(&config.policy, PolicyKind::Identity)?),
            max_session: config.max_session,
        })
    }

    pub(super) fn arn(&self) -> String {
        format!("arn:aws:iam::{}:role/{}", self.account, self.name)
    }

    /// Asks the trust policy, and the caller's own policies, for each permission that this request needs.
    pub(super) fn trusts(
        &self,
        request: &AssumeRole,
        tags: &BTreeMap<String, String>,
        source_identity: Option<&String>,
        caller: &Principal,
    ) -> Result<(), Failure> {
        let mut facts = Context::default().with("sts:RoleSessionName", &request.session_name);
        if let Some(id) = &request.external_id {
            facts = facts.with("sts:ExternalId", id);
        }
        if let Some(identity) = source_identity {
            facts = facts.with("sts:SourceIdentity", identity);
        }
        for (key, value) in &request.tags {
            facts = facts.with(&format!("aws:RequestTag/{key}"), value);
        }
        let facts = facts
            .with_all("aws:TagKeys", request.tags.iter().map(|(key, _)| key.clone()))
            .with_all("sts:TransitiveTagKeys", request.transitive_tag_keys.iter().cloned());
        let mut actions = vec!["sts:AssumeRole"];
        if !tags.is_empty() {
            actions.push("sts:TagSession");
        }
        if source_identity.is_some() {
            actions.push("sts:SetSourceIdentity");
        }
        let context = caller.facts.clone().merge(&facts);
        for action in actions {
            let asked = Request { action, resource: "", caller: &caller.names, context: &context };
            let verdict = self.trust.evaluate(&asked);
            if verdict != Verdict::Allow {
                return Err(caller.denial(action, &self.arn(), Layer::Resource, verdict == Verdict::ExplicitDeny).into());
            }
            caller.authorise(action, &self.arn(), &facts)?;
        }
        Ok(())
    }

    /// The principal of a new session.
    pub(super) fn session(
        &self,
        request: &AssumeRole,
        tags: BTreeMap<String, String>,
        source_identity: Option<&String>,
        inherited: &SessionFacts,
    ) -> Result<Principal, Failure> {
        let malformed = |why: String| Failure::operation(400, "MalformedPolicyDocument", why);
        let mut layers = vec![(Layer::Identity, self.policy.clone())];
        if let Some(text) = &request.policy {
            let document: Value = serde_json::from_str(text).map_err(|_| malformed("the session policy is not JSON".to_owned()))?;
            let policy = Policy::parse(&document, PolicyKind::Identity).map_err(|e| malformed(e.to_string()))?;
            layers.push((Layer::Session, Arc::new(policy)));
        }
        let arn = format!("arn:aws:sts::{}:assumed-role/{}/{}", self.account, self.name, request.session_name);
        let user_id = format!("{}:{}", self.unique_id(), request.session_name);
        let mut facts = Context::default()
            .with("aws:userid", &user_id)
            .with("aws:PrincipalArn", self.arn())
            .with("aws:PrincipalAccount", &self.account)
            .with("aws:PrincipalType", "AssumedRole");
        if let Some(identity) = source_identity {
            facts = facts.with("aws:SourceIdentity", identity);
        }
        for (key, value) in &tags {
            facts = facts.with(&format!("aws:PrincipalTag/{key}"), value);
        }
        let stays = |key: &String| {
            inherited.transitive_tags.contains_key(key) || request.transitive_tag_keys.iter().any(|t| t.eq_ignore_ascii_case(key))
        };
        let session = SessionFacts {
            source_identity: source_identity.cloned(),
            transitive_tags: tags.into_iter().filter(|(key, _)| stays(key)).collect(),
        };
        let root = format!("arn:aws:iam::{}:root", self.account);
        let names = vec![arn.clone(), self.arn(), root, self.account.clone()];
        Ok(Principal { arn, user_id, account: self.account.clone(), names, facts, layers, session: Some(session) })
    }

    /// Stable, so that a policy may name it; derived from the ARN where AWS draws it at random.
    fn unique_id(&self) -> String {
        format!("AROA{}", id_text(&digest(self.arn().as_bytes())[..10]))
    }
}
