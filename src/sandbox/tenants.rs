//! What the sandbox is about: two tenants, the bucket and the table that they share, the role that keeps them apart, and the
//! configuration of Palisade in front of it.
//!
//! The documents are files beside this one, so that they can be read as what they are.

use std::net::SocketAddr;

use serde_json::Value;

/// The AWS account of the double: the one that AWS's own examples use.
pub const ACCOUNT: &str = "111122223333";
/// Its region.
pub const REGION: &str = "eu-west-1";
/// The bucket that all tenants share; each has the prefix `<tenant>/`.
pub const BUCKET: &str = "palisade-demo";
/// The table that all tenants share; its partition keys `pk` begin with `<tenant>#`, its sort key is `sk`.
pub const TABLE: &str = "demo";
/// The role that all tenants share; sessions of it carry the tag `TenantID`.
pub const ROLE: &str = "tenant-data";
/// The access key id of Palisade's own identity, which may assume that role and nothing else.
pub const BASE_KEY_ID: &str = "AKIAPALISADEDEV00000";

/// The tenants: the first in a tier with room, the second with limits that are easily met.
pub const TENANTS: [&str; 2] = ["acme", "globex"];

/// The directory, as `tenants.yaml`.
pub const RECORDS: &str = include_str!("tenants/tenants.yaml");

const CONFIG: &str = include_str!("tenants/palisade.yaml");
const ROLE_POLICY: &str = include_str!("tenants/role-policy.json");
const TRUST_POLICY: &str = include_str!("tenants/trust-policy.json");

/// Where the parts of one sandbox are.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// Palisade, for callers, with TLS.
    pub ingress: SocketAddr,
    /// Palisade, for the application.
    pub egress: SocketAddr,
    /// Palisade, for operators.
    pub admin: SocketAddr,
    /// The identity provider.
    pub idp: SocketAddr,
    /// The AWS double.
    pub aws: SocketAddr,
    /// The demo application.
    pub app: SocketAddr,
}

impl Places {
    /// What the identity provider calls itself.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.idp)
    }
}

/// Palisade's configuration, as YAML. Its relative paths are those of the sandbox's directory.
pub fn config(places: &Places) -> String {
    let address = |text: String, (name, address): (&str, SocketAddr)| text.replace(name, &address.to_string());
    [
        ("@INGRESS@", places.ingress),
        ("@EGRESS@", places.egress),
        ("@ADMIN@", places.admin),
        ("@IDP@", places.idp),
        ("@AWS@", places.aws),
        ("@APP@", places.app),
    ]
    .into_iter()
    .fold(CONFIG.to_owned(), address)
}

/// What sessions of the role may do at most: attribute-based, by the tag `TenantID`.
///
/// # Errors
/// None in practice: the document is part of the program.
pub fn role_policy() -> Result<Value, serde_json::Error> {
    serde_json::from_str(ROLE_POLICY)
}

/// Who may assume the role: `base_arn` alone, and only with that tag.
///
/// # Errors
/// None in practice: the document is part of the program.
pub fn trust_policy(base_arn: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&TRUST_POLICY.replace("@BASE@", base_arn))
}

#[cfg(test)]
mod tests;
