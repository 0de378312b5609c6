//! What AWS has to allow for a configuration: trust, data, key and access policies, out of the same file that says what Palisade asks for.
//!
//! Pure: a configuration and names in, documents out. Nothing is applied. The attack that it is made against is a policy that is
//! *wider* than what the configuration means: so a tenant is named by the session tag or the role that the plan really
//! uses, presence of a key is demanded where its absence would match, and what is not known is left open in a way that IAM
//! refuses ([`text`]).
//!
//! ```text
//! plans ─▶ roles ─▶ trust, data, kms, aoss ─┐
//!            └────▶ base, scp ──────────────┴▶ documents ─▶ json, cloudformation, terraform
//! ```

mod aoss;
mod base;
mod data;
mod document;
mod estate;
mod format;
mod kms;
mod needed;
mod own;
mod provider;
mod roles;
mod scp;
mod shared;
mod text;
mod trust;

#[cfg(test)]
#[cfg(feature = "sandbox")]
mod tests;

pub(crate) use self::{
    aoss::IS_SHARED as AOSS_IS_SHARED,
    needed::{Needed, needed},
};
use self::{
    document::Node,
    estate::Estate,
    roles::Role,
    text::{Open, Text},
};
use crate::{
    config::{Config, CredentialsSource},
    directory::TenantRecord,
};

/// What can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum What {
    /// The policy of Palisade's own identity.
    Base,
    /// Who may assume tenants' roles.
    Trust,
    /// What tenants' roles may touch.
    Data,
    /// What single sessions may touch.
    Session,
    /// Policies of tenants' KMS keys.
    Kms,
    /// Data access policies of OpenSearch Serverless.
    Aoss,
    /// A service control policy for the organisation.
    Scp,
}

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One object with all policies.
    Json,
    /// A template, in JSON.
    Cloudformation,
    /// Resources and variables, in HCL.
    Terraform,
}

/// What the configuration does not say.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// In which form.
    pub format: Format,
    /// What; empty: whatever applies.
    pub what: Vec<What>,
    /// Whose role, session policy or key; empty: what is a tenant's stays open.
    pub tenants: Vec<TenantRecord>,
    /// Records of all tenants; empty where nobody has them at hand.
    pub known: Vec<TenantRecord>,
    /// ARN of Palisade's own role or user, where the configuration does not say it.
    pub base_arn: Option<String>,
    /// ARN of the role that may change tenants' roles.
    pub admin_arn: Option<String>,
    /// ARNs of managed policies that tenants' roles carry.
    pub role_policies: Vec<String>,
    /// Buckets; `{tenant.id}` may stand in their names.
    pub buckets: Vec<String>,
    /// Beginning of a tenant's keys in a bucket.
    pub prefix: String,
    /// Tables; `{tenant.id}` may stand in their names.
    pub tables: Vec<String>,
    /// Indexes of tables that tenants share, as `TABLE/INDEX`.
    pub table_indexes: Vec<String>,
    /// Beginning of a tenant's partition keys in a table.
    pub leading_key: String,
    /// A collection of OpenSearch Serverless.
    pub collection: Option<String>,
    /// A tenant's index in it.
    pub index: Option<String>,
}

/// What was printed.
#[derive(Debug)]
pub struct Printed {
    /// The documents.
    pub text: String,
    /// What the reader should know of them.
    pub notes: Vec<String>,
}

/// Why there are no documents. Names the setting or the argument, and the cure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IamError(String);

/// All documents that were asked for.
#[derive(Debug, Default)]
struct Documents<'c> {
    base: Option<Node>,
    readers: Vec<RoleDocuments<'c>>,
    hubs: Vec<RoleDocuments<'c>>,
    roles: Vec<RoleDocuments<'c>>,
    sessions: Vec<(Option<&'c TenantRecord>, Node)>,
    keys: Vec<(Option<&'c TenantRecord>, Node)>,
    access: Vec<Node>,
    control: Option<Node>,
    notes: Vec<String>,
}

/// A role and its policies.
#[derive(Debug)]
struct RoleDocuments<'c> {
    role: Role<'c>,
    trust: Option<Node>,
    /// What it may do: with tenants' data, on the way to them, or with a directory's table.
    policy: Option<Node>,
}

/// Prints what AWS has to allow for `config`.
///
/// # Errors
/// Nothing can be said: see [`IamError`].
pub fn print(config: &Config, wanted: &Wanted) -> Result<Printed, IamError> {
    let estate = Estate::new(config, &wanted.tenants, wanted, None)?;
    let of_base = || config.base.as_ref().map(|base| &base.source);
    let source = config.credentials.as_ref().map(|credentials| &credentials.source).or_else(of_base);
    let base_arn = wanted.base_arn.as_deref().or(match source {
        Some(CredentialsSource::WebIdentity { role_arn, .. }) => Some(role_arn),
        Some(
            CredentialsSource::DefaultChain { .. }
            | CredentialsSource::File(_)
            | CredentialsSource::Static { .. }
            | CredentialsSource::Nobody,
        )
        | None => None,
    });
    let mut notes = shared::check(&estate, config, wanted)?;
    let mut documents = estate.documents(wanted)?;
    documents.notes.append(&mut notes);
    documents.fill(&|open| filled(open, base_arn, wanted.admin_arn.as_deref()));
    let text = match wanted.format {
        Format::Json => format::json::print(&documents)?,
        Format::Cloudformation => format::cloudformation::print(&documents),
        Format::Terraform => format::terraform::print(&documents),
    };
    Ok(Printed { text, notes: documents.notes })
}

fn filled(open: &Open, base_arn: Option<&str>, admin_arn: Option<&str>) -> Option<Text> {
    match open {
        Open::Base => base_arn.map(Text::literal),
        Open::Account => base_arn.and_then(|arn| arn.split(':').nth(4)).map(Text::literal),
        Open::Admin => admin_arn.map(Text::literal),
        Open::Bucket | Open::Table | Open::Collection | Open::Index | Open::Value(_) => None,
    }
}

impl Documents<'_> {
    /// Puts in what is known.
    fn fill(&mut self, known: &dyn Fn(&Open) -> Option<Text>) {
        let of_roles = self
            .readers
            .iter_mut()
            .chain(&mut self.hubs)
            .chain(&mut self.roles)
            .flat_map(|role| role.trust.iter_mut().chain(&mut role.policy));
        let rest = self.base.iter_mut().chain(&mut self.access).chain(&mut self.control);
        let of_tenants = self.sessions.iter_mut().chain(&mut self.keys).map(|(_, node)| node);
        of_roles.chain(rest).chain(of_tenants).for_each(|node| node.fill(known));
    }
}
