//! What the double is made of: its account, region, base identity, roles and caps.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    digest,
    keys::id_text,
    policy::{Context, Policy, PolicyError, PolicyKind},
    principal::{Layer, Principal},
};
use crate::secret::Secret;

/// What the double is to be.
#[derive(Debug)]
pub struct DoubleConfig {
    /// Twelve digits: whose the base identity is and, unless they say otherwise, the roles, buckets and tables.
    pub account: String,
    /// The one region that credential scopes may name.
    pub region: String,
    /// Access key id and secret of the base identity, which may assume roles that trust it, and nothing else.
    pub base_key: (String, Secret),
    /// The roles that there are.
    pub roles: Vec<RoleConfig>,
    /// The largest S3 object, in bytes.
    pub max_object: u64,
    /// All of S3's objects together, in bytes.
    pub max_total: u64,
    /// All of DynamoDB's items together, in bytes.
    pub max_items: u64,
    /// Unexpired role sessions; with more, STS throttles.
    pub max_sessions: usize,
}

impl DoubleConfig {
    /// No roles yet, and room for 64 MiB an object, 512 MiB of objects, 64 MiB of items and 10,000 sessions.
    pub fn new(account: &str, region: &str, base_key: (&str, Secret)) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            base_key: (base_key.0.to_owned(), base_key.1),
            roles: Vec::new(),
            max_object: 64 * 1024 * 1024,
            max_total: 512 * 1024 * 1024,
            max_items: 64 * 1024 * 1024,
            max_sessions: 10_000,
        }
    }

    /// The ARN of the base identity, for trust policies to name.
    pub fn base_arn(&self) -> String {
        format!("arn:aws:iam::{}:user/palisade", self.account)
    }

    /// The base identity, which may assume roles that trust it, and nothing else.
    pub(super) fn base(&self) -> Result<Principal, PolicyError> {
        let arn = self.base_arn();
        let root = format!("arn:aws:iam::{}:root", self.account);
        let user_id = format!("AIDA{}", id_text(&digest(arn.as_bytes())[..10]));
        let statement =
            json!({"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"], "Resource": "*"});
        let policy = Policy::parse(&json!({"Version": "2012-10-17", "Statement": statement}), PolicyKind::Identity)?;
        let facts = Context::default()
            .with("aws:userid", &user_id)
            .with("aws:username", "palisade")
            .with("aws:PrincipalArn", &arn)
            .with("aws:PrincipalAccount", &self.account)
            .with("aws:PrincipalType", "User");
        Ok(Principal {
            names: vec![arn.clone(), root, self.account.clone()],
            arn,
            user_id,
            account: self.account.clone(),
            facts,
            layers: vec![(Layer::Identity, Arc::new(policy))],
            session: None,
        })
    }
}

/// A role of the double.
#[derive(Debug, Clone)]
pub struct RoleConfig {
    /// The part of its ARN behind `role/`.
    pub name: String,
    /// The account that it is in; the double's own when there is none.
    pub account: Option<String>,
    /// Who may assume it: a policy document with `Principal`, without `Resource`.
    pub trust: Value,
    /// What its sessions may do at most: a policy document.
    pub policy: Value,
    /// The longest session that may be asked for. AWS's default is an hour.
    pub max_session: Duration,
}
