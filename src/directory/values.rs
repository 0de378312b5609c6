//! What a tenant has to put into a template.

use std::borrow::Cow;

use serde_json::Value;

use super::{ActiveTenant, TenantRecord};
use crate::config::template::{Name, Values};

impl Values for ActiveTenant {
    /// `None` where `name` has no value, an empty one (which would let `{tenant.cell}/` quietly mean `/`), or one that is no
    /// plain text, number or boolean.
    fn value(&self, name: &Name) -> Option<Cow<'_, str>> {
        let verified = self.verified();
        let text = match name {
            Name::UserAttribute(key) => self.user().and_then(|user| user.attributes().get(key))?,
            Name::Subject => verified.subject(),
            Name::Issuer => verified.issuer(),
            Name::Claim(path) => match path.find(verified.claims())? {
                Value::String(text) => text.as_str(),
                scalar @ (Value::Number(_) | Value::Bool(_)) => return Some(Cow::Owned(scalar.to_string())),
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            },
            _ => return self.record().value(name),
        };
        (!text.is_empty()).then_some(Cow::Borrowed(text))
    }
}

impl Values for TenantRecord {
    /// What the operator says of the tenant; nothing for what only a token says.
    fn value(&self, name: &Name) -> Option<Cow<'_, str>> {
        let text = match name {
            Name::TenantId => Some(self.id.as_str()),
            Name::TenantAccount => self.account.as_deref(),
            Name::TenantCell => self.cell.as_deref(),
            Name::TenantExternalId => self.external_id.as_deref(),
            Name::TenantKmsKey => self.kms_key.as_deref(),
            Name::TenantRegion => self.region.as_deref(),
            Name::TenantTier => self.tier.as_deref(),
            Name::TenantAttribute(key) => self.attributes.get(key).map(String::as_str),
            // Of the token, of the user, and of the connection.
            Name::Subject | Name::Issuer | Name::Claim(_) | Name::UserAttribute(_) | Name::ClientSpiffeId | Name::ClientSubject => None,
        };
        text.filter(|text| !text.is_empty()).map(Cow::Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{directory::TenantRecord, identity::VerifiedTenant};

    #[test]
    fn every_name_has_its_own_source_and_an_empty_value_is_none() {
        let mut record = TenantRecord::bare("acme".parse().unwrap());
        record.account = Some("111122223333".into());
        record.cell = Some("c1".into());
        record.external_id = Some("x-1".into());
        record.kms_key = Some("alias/acme".into());
        record.region = Some("eu-west-1".into());
        record.tier = Some("gold".into());
        record.attributes = [("shard".to_owned(), "7".to_owned()), ("empty".to_owned(), String::new())].into();
        let tenant = ActiveTenant::join(VerifiedTenant::for_tests("acme"), Arc::new(record)).unwrap();
        for (name, expected) in [
            (Name::TenantId, Some("acme")),
            (Name::TenantAccount, Some("111122223333")),
            (Name::TenantCell, Some("c1")),
            (Name::TenantExternalId, Some("x-1")),
            (Name::TenantKmsKey, Some("alias/acme")),
            (Name::TenantRegion, Some("eu-west-1")),
            (Name::TenantTier, Some("gold")),
            (Name::TenantAttribute("shard".into()), Some("7")),
            (Name::TenantAttribute("empty".into()), None),
            (Name::TenantAttribute("other".into()), None),
            (Name::Subject, Some(tenant.verified().subject())),
            (Name::Issuer, Some(tenant.verified().issuer())),
        ] {
            assert_eq!(tenant.value(&name).as_deref(), expected, "{name:?}");
        }
    }
}
