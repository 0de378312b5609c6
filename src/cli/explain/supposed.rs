//! Whose request it is supposed to be. Nobody is let in by it.

use std::{borrow::Cow, path::Path};

#[cfg(feature = "cedar")]
use crate::guard::cedar::{Proof, Who};
use crate::{
    config::{
        Config, DirectoryConfig,
        template::{Name, Values},
    },
    directory::{Directory, TenantRecord},
    reject::{Reason, Refusal},
    tenant::TenantId,
};

/// What the directory knows of the tenant, and what was given.
#[derive(Debug)]
pub(super) struct Supposed {
    pub(super) tenant: TenantId,
    /// `None`: the file does not have it.
    pub(super) record: Option<TenantRecord>,
    /// Where the record is from.
    pub(super) source: String,
    /// Whether the record is all that was given, and not what the directory says.
    pub(super) is_given: bool,
    given: Vec<(String, String)>,
    issuer: Option<String>,
}

impl Supposed {
    /// # Errors
    /// The directory's file is wrong; or a value is given that nobody asks for, or that the file has.
    pub(super) fn new(config: &Config, tenant: TenantId, subject: Option<String>, given: Vec<(String, String)>) -> Result<Self, String> {
        let (mut of_tenant, mut given): (Vec<_>, Vec<_>) = given.into_iter().partition(|(name, _)| name.starts_with("tenant."));
        given.extend(subject.map(|subject| ("subject".to_owned(), subject)));
        if let Some((name, _)) = given.iter().find(|(name, _)| !is_of_a_caller(name)) {
            return Err(format!("--value {name}: no template has such a placeholder"));
        }
        let issuer = config.identity.issuers.first().map(|issuer| issuer.issuer.clone());
        let supposed = |record, source: String, is_given| Self { tenant: tenant.clone(), record, source, is_given, given, issuer };
        match &config.directory {
            DirectoryConfig::File(path) | DirectoryConfig::PrefixFreeFile(path) => {
                if let Some((name, _)) = of_tenant.first() {
                    return Err(format!("--value {name}: {} says what the tenant's record has", path.display()));
                }
                let record = find(&config.directory, &tenant)?;
                let name = Path::new(path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                Ok(supposed(record, name, false))
            }
            DirectoryConfig::Any => Ok(supposed(Some(record(tenant.clone(), &mut of_tenant)?), "every tenant exists".to_owned(), false)),
            DirectoryConfig::DynamoDb(table) => {
                let source = format!("table {}, which was not asked", table.table.name);
                Ok(supposed(Some(record(tenant.clone(), &mut of_tenant)?), source, true))
            }
        }
    }

    /// Whether the tenant may do anything.
    ///
    /// # Errors
    /// The refusal that it meets.
    pub(super) fn may_act(&self) -> Result<(), Refusal> {
        self.record.as_ref().ok_or_else(|| Refusal::from(Reason::TenantUnknown))?.may_act()
    }
}

#[cfg(feature = "cedar")]
impl Supposed {
    /// Whom policies are asked about: the user that was given, with the first issuer, or one whom no policy can name. `None` where there is no such tenant.
    pub(super) fn who<'a>(&'a self, roles: &'a [String]) -> Option<Who<'a>> {
        let given = |name: &str| self.given.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
        let below = |beginning: &'static str| {
            self.given.iter().filter_map(move |(name, value)| Some((name.strip_prefix(beginning)?.to_owned(), value.clone())))
        };
        Some(Who {
            record: self.record.as_ref()?,
            issuer: given("issuer").or(self.issuer.as_deref()).unwrap_or_default(),
            subject: given("subject").unwrap_or_default(),
            roles,
            scopes: &[],
            attributes: Cow::Owned(below("user.attributes.").collect()),
            claims: Cow::Owned(below("claims.").map(|(name, value)| (name, value.into())).collect()),
            proof: Proof::Token,
        })
    }

    /// Whether it is known which user it is.
    pub(super) fn has_subject(&self) -> bool {
        self.given.iter().any(|(name, _)| name == "subject")
    }
}

impl Values for Supposed {
    fn value(&self, name: &Name) -> Option<Cow<'_, str>> {
        let text = name.to_string();
        let given = || self.given.iter().find(|(given, _)| *given == text).map(|(_, value)| value.as_str());
        let usual = || self.issuer.as_deref().filter(|_| *name == Name::Issuer);
        self.record.as_ref().and_then(|record| record.value(name)).or_else(|| given().or_else(usual).map(Cow::Borrowed))
    }
}

fn is_of_a_caller(name: &str) -> bool {
    matches!(name, "subject" | "issuer" | "client.spiffe_id" | "client.subject")
        || ["claims.", "user.attributes."].iter().any(|beginning| name.starts_with(beginning))
}

fn find(directory: &DirectoryConfig, tenant: &TenantId) -> Result<Option<TenantRecord>, String> {
    let directory = Directory::open(directory, None).map_err(|error| error.to_string())?;
    Ok(directory.records().iter().find(|record| record.id == *tenant).map(|record| (**record).clone()))
}

/// What a record would say that has these values.
fn record(tenant: TenantId, given: &mut Vec<(String, String)>) -> Result<TenantRecord, String> {
    let mut record = TenantRecord::bare(tenant);
    for (name, value) in given.drain(..) {
        let field = match name.as_str() {
            "tenant.account" => &mut record.account,
            "tenant.cell" => &mut record.cell,
            "tenant.external_id" => &mut record.external_id,
            "tenant.kms_key" => &mut record.kms_key,
            "tenant.region" => &mut record.region,
            "tenant.tier" => &mut record.tier,
            _ => {
                let attribute = name.strip_prefix("tenant.attributes.").filter(|attribute| !attribute.is_empty());
                let attribute = attribute.ok_or_else(|| format!("--value {name}: a tenant's record has no such value"))?;
                record.attributes.insert(attribute.to_owned(), value);
                continue;
            }
        };
        *field = Some(value);
    }
    Ok(record)
}
