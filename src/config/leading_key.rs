//! How the hash keys of a tenant's items look, in a table that tenants share.
//!
//! One setting, two meanings, told apart by how it ends, since each is right for one of them alone: `{tenant.id}#` is how keys *begin*, and what follows is the
//! tenant's own; `{tenant.id}` is the *whole* key, since as a beginning it would also be that of `acme-eu`.

use std::fmt;

use super::{
    pattern::{NamePattern, NamePrefix, Start},
    template::{OpenEnd, RenderError, TemplateError, Values},
};

/// A tenant's hash keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeadingKey {
    /// They begin so.
    Begins(NamePrefix),
    /// There is this one.
    Is(NamePattern),
}

impl LeadingKey {
    /// Reads one.
    ///
    /// # Errors
    /// As [`NamePattern::parse`] and [`NamePrefix::parse`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.ends_with('}') { NamePattern::parse(text).map(Self::Is) } else { NamePrefix::parse(text).map(Self::Begins) }
    }

    /// Whether `key` is one of the tenant's, byte for byte.
    ///
    /// # Errors
    /// A placeholder has no value for this tenant.
    pub fn has(&self, key: &[u8], values: &dyn Values) -> Result<bool, RenderError> {
        match self {
            Self::Begins(prefix) => prefix.begins(key, values),
            // What a value has in it is text, so other bytes are in none.
            Self::Is(pattern) => std::str::from_utf8(key).map_or(Ok(false), |key| pattern.matches(key, values)),
        }
    }

    /// Whether there is one key, which a number could be.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Is(_))
    }

    /// Whether two tenants' keys differ, as far as this alone tells.
    pub fn tells_tenants_apart(&self) -> bool {
        match self {
            Self::Begins(prefix) => prefix.tells_tenants_apart(),
            Self::Is(pattern) => pattern.tells_tenants_apart(),
        }
    }

    /// What comes before any `*`.
    pub(crate) fn start(&self) -> &Start {
        match self {
            Self::Begins(prefix) => prefix.start(),
            Self::Is(pattern) => pattern.start(),
        }
    }

    /// What makes it right only where no tenant's id is the beginning of another one.
    pub fn open_end(&self) -> Option<&OpenEnd> {
        match self {
            Self::Begins(prefix) => prefix.open_end(),
            Self::Is(pattern) => pattern.open_end(),
        }
    }
}

impl fmt::Display for LeadingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begins(prefix) => prefix.fmt(f),
            Self::Is(pattern) => pattern.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::config::template::Name;

    struct Id(&'static str);

    impl Values for Id {
        fn value(&self, name: &Name) -> Option<Cow<'_, str>> {
            (*name == Name::TenantId).then_some(Cow::Borrowed(self.0))
        }
    }

    #[test]
    fn how_it_ends_says_whether_it_is_all() {
        for (text, key, has) in [
            ("{tenant.id}#", "acme#", true),
            ("{tenant.id}#", "acme#x", true),
            ("{tenant.id}#", "acme", false),
            ("{tenant.id}#", "acme-eu#x", false),
            ("{tenant.id}#", "Acme#x", false),
            ("TENANT#{tenant.id}", "TENANT#acme", true),
            ("TENANT#{tenant.id}", "TENANT#acme-eu", false),
            ("TENANT#{tenant.id}", "TENANT#acm", false),
            ("{tenant.id}", "acme", true),
            ("{tenant.id}", "acme#", false),
            ("all#", "all#x", true),
        ] {
            assert_eq!(LeadingKey::parse(text).unwrap().has(key.as_bytes(), &Id("acme")), Ok(has), "{text} {key}");
        }
        assert_eq!(LeadingKey::parse("{tenant.id}").unwrap().has(b"acme\xff", &Id("acme")), Ok(false));
        assert!(LeadingKey::parse("{tenant.cell}#{tenant.id}#").unwrap().has(b"#acme#", &Id("acme")).is_err());
    }

    #[test]
    fn what_tells_nobody_apart_or_has_no_end_is_none() {
        for text in [
            "",
            "*",
            "{tenant.id}*",
            "{subject}",
            "{subject}#",
            "{tenant.id}{tenant.cell}",
            "{tenant.cell}-{tenant.id}",
            "{tenant.id",
            "id}",
        ] {
            assert!(LeadingKey::parse(text).is_err(), "{text}");
        }
        assert!(LeadingKey::parse("{tenant.id}-").unwrap().open_end().is_some());
        assert!(LeadingKey::parse("{tenant.id}").unwrap().open_end().is_none());
        assert!(
            !LeadingKey::parse("all#").unwrap().tells_tenants_apart() && LeadingKey::parse("{tenant.id}").unwrap().tells_tenants_apart()
        );
    }
}
