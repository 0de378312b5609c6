//! `identity`

use http::HeaderName;

use super::{Section, clients::workloads, ingress::is_reserved, issuers, parse, passport::passport, verification::verification};
use crate::{
    config::{IdentityConfig, error::quote},
    identity::workload::WORKLOAD_ISSUER,
};

/// Whether there is an ingress, and an egress, comes first. `has_users`: whether a directory of users, and not the token, says the tenant.
pub(super) fn identity(
    section: &Section<'_>,
    (has_ingress, has_egress): (bool, bool),
    takes_tokens: bool,
    has_users: bool,
) -> Option<IdentityConfig> {
    let (tenant_header, token_header) = headers(section);
    if takes_tokens && !section.has("issuers") {
        section.wrong("issuers", "is missing", "say whose tokens are believed: issuer, audience and jwks");
    }
    let sections: Vec<_> = section.sections("issuers").into_iter().map(|(_, issuer)| issuer).collect();
    let mut names: Vec<String> = Vec::new();
    let mut issuers = Vec::with_capacity(sections.len());
    for issuer in &sections {
        let built = issuers::issuer(issuer, sections.len() == 1, has_users);
        if let Some(name) = issuer.get("issuer", parse::text) {
            if names.contains(&name) {
                issuer.wrong("issuer", format!("{} is here twice", quote(&name)), "describe each issuer once");
            }
            if name == WORKLOAD_ISSUER {
                issuer.wrong("issuer", "is what Palisade calls certificates of workloads", "give the issuer's own name");
            }
            names.push(name);
        }
        issuers.push(built);
    }
    let passport = passport(section, has_ingress, has_egress);
    let verification = verification(&section.section("verification"));
    let workloads = workloads(section);
    Some(IdentityConfig {
        tenant_header: tenant_header?,
        token_header: token_header?,
        issuers: issuers.into_iter().collect::<Option<_>>()?,
        passport: passport?,
        verification: verification?,
        workloads: workloads?,
    })
}

fn headers(section: &Section<'_>) -> (Option<HeaderName>, Option<HeaderName>) {
    let (tenant, token) = (section.get("tenant_header", parse::header), section.get("token_header", parse::header));
    if tenant.is_some() && tenant == token {
        section.wrong("token_header", "is the tenant header as well", "choose another name");
        return (tenant, token);
    }
    for (key, name, own) in [("tenant_header", &tenant, "x-tenant-id"), ("token_header", &token, "x-tenant-token")] {
        // The default is reserved against the others, not against itself.
        if let Some(name) = name.as_ref().filter(|name| is_reserved(name.as_str()) && *name != own) {
            section.wrong(key, format!("{} has a meaning of its own", quote(name.as_str())), format!("choose a name such as {own}"));
        }
    }
    (tenant, token)
}

/// Whether the address in `key` is `https`, or `http` with `insecure: true` beside it. Anything else is reported.
pub(super) fn secured(section: &Section<'_>, key: &str, tls: bool) -> bool {
    match (tls, section.get("insecure", parse::boolean)) {
        (_, None) => false,
        (true, Some(false)) | (false, Some(true)) => true,
        (true, Some(true)) => {
            section.wrong("insecure", format!("has no effect: {key} is https"), "remove it");
            false
        }
        (false, Some(false)) => {
            section.wrong(key, "is plain http", "use https://, or write insecure: true beside it");
            false
        }
    }
}
