//! A tenant that is named by the host of a request.

use http::uri::Authority;

use crate::{
    reject::{Reason, Refusal},
    tenant::TenantId,
};

/// Where the tenant stands in a pattern.
const PLACE: &str = "{tenant}";

/// `{tenant}.app.example.com`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantHost {
    /// With its leading dot, in lower case.
    suffix: String,
}

impl TenantHost {
    /// Parses a pattern: the tenant is the first label, whole, and the rest is fixed. A pattern such as `{tenant}.com` would take
    /// anybody's domain for a tenant.
    pub fn parse(pattern: &str) -> Option<Self> {
        let suffix = pattern.strip_prefix(PLACE)?;
        let labels: Vec<&str> = suffix.strip_prefix('.')?.split('.').collect();
        let is_label = |label: &&str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        // An address has no labels before it.
        let is_name = labels.last().is_some_and(|last| last.bytes().any(|b| b.is_ascii_lowercase()));
        (labels.len() >= 2 && is_name && labels.iter().all(is_label) && suffix.len() <= 240).then(|| Self { suffix: suffix.to_owned() })
    }

    /// The tenant that `host` names; nothing for a host outside the pattern, and for none.
    ///
    /// Hosts are compared in lower case (RFC 9110, section 4.2.3), without their port and without the final dot of an absolute name.
    /// So a tenant is named in lower case here: ids with capitals are for the header.
    ///
    /// # Errors
    /// [`Reason::TenantMalformed`] for a label that is no tenant id, for several labels, and for encoded ones (`xn--`), which are
    /// another text to whoever decodes them.
    pub(super) fn find(&self, host: Option<&Authority>) -> Result<Option<TenantId>, Refusal> {
        let Some(host) = host else { return Ok(None) };
        let host = host.host().to_ascii_lowercase();
        let Some(label) = host.strip_suffix('.').unwrap_or(&host).strip_suffix(&self.suffix) else { return Ok(None) };
        if label.contains('.') || label.starts_with("xn--") {
            return Err(Refusal::noted(Reason::TenantMalformed, "the host's label for the tenant is no single plain label"));
        }
        label.parse().map(Some).map_err(|error| Refusal::noted(Reason::TenantMalformed, format!("by the host: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(host: &str) -> Result<Option<String>, Reason> {
        let pattern = TenantHost::parse("{tenant}.app.example.com").unwrap();
        pattern.find(Some(&host.parse().unwrap())).map(|id| id.map(|id| id.to_string())).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn the_first_label_is_the_tenant() {
        for host in [
            "acme.app.example.com",
            "ACME.App.Example.com",
            "acme.app.example.com:8443",
            "acme.app.example.com.",
            "acme.app.example.com.:443",
        ] {
            assert_eq!(find(host), Ok(Some("acme".into())), "{host}");
        }
        assert_eq!(find("a_b-1.app.example.com"), Ok(Some("a_b-1".into())));
    }

    #[test]
    fn hosts_outside_the_pattern_name_nobody() {
        for host in [
            "app.example.com",
            "acme.example.com",
            "acmeapp.example.com",
            "acme.app.example.com.evil.test",
            "localhost",
            "127.0.0.1:8443",
            "[::1]:8443",
            "example.com",
        ] {
            assert_eq!(find(host), Ok(None), "{host}");
        }
    }

    #[test]
    fn labels_that_are_no_tenant_are_malformed() {
        for host in [
            "a.app.example.com",
            "a.b.app.example.com",
            "acme.eu.app.example.com",
            "xn--acme-epa.app.example.com",
            "XN--x.app.example.com",
            "-a.app.example.com",
            ".app.example.com",
            "acme..app.example.com",
        ] {
            assert_eq!(find(host), Err(Reason::TenantMalformed), "{host}");
        }
    }

    #[test]
    fn no_host_names_nobody() {
        assert_eq!(TenantHost::parse("{tenant}.app.example.com").unwrap().find(None).unwrap(), None);
    }

    #[test]
    fn patterns_have_the_tenant_first_and_a_domain_behind() {
        for good in ["{tenant}.example.com", "{tenant}.app-1.example.com", "{tenant}.1a.3.example.com", "{tenant}.xn--bcher-kva.example"] {
            assert!(TenantHost::parse(good).is_some(), "{good}");
        }
        let long = format!("{{tenant}}.{}.com", "a".repeat(64));
        for bad in [
            &long,
            "{tenant}.a-.com",
            "",
            "{tenant}",
            "{tenant}.",
            "{tenant}.com",
            "app.example.com",
            "app.{tenant}.example.com",
            "x{tenant}.example.com",
            "{tenant}x.example.com",
            "{tenant}.Example.com",
            "{tenant}.example.com.",
            "{tenant}.example.com:443",
            "{tenant}..example.com",
            "{tenant}.-a.com",
            "{tenant}.0.0.1",
            "{tenant}.{tenant}.example.com",
        ] {
            assert!(TenantHost::parse(bad).is_none(), "{bad}");
        }
    }
}
