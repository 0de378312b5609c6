//! `identity`

use http::HeaderName;

use super::{Section, ingress::is_reserved, parse, passport::passport};
use crate::config::{ClaimsConfig, IdentityConfig, IssuerConfig, JwksSource, TenantPattern, error::quote};

pub(super) fn identity(section: &Section<'_>, has_ingress: bool, takes_tokens: bool) -> Option<IdentityConfig> {
    let (tenant_header, token_header) = headers(section);
    if takes_tokens && !section.has("issuers") {
        section.wrong("issuers", "is missing", "say whose tokens are believed: issuer, audience and jwks");
    }
    let sections: Vec<_> = section.sections("issuers").into_iter().map(|(_, issuer)| issuer).collect();
    let mut names: Vec<String> = Vec::new();
    let mut issuers = Vec::with_capacity(sections.len());
    for issuer in &sections {
        let built = self::issuer(issuer, sections.len() == 1);
        if let Some(name) = issuer.get("issuer", parse::text) {
            if names.contains(&name) {
                issuer.wrong("issuer", format!("{} is here twice", quote(&name)), "describe each issuer once");
            }
            names.push(name);
        }
        issuers.push(built);
    }
    let passport = passport(section, has_ingress);
    Some(IdentityConfig {
        tenant_header: tenant_header?,
        token_header: token_header?,
        issuers: issuers.into_iter().collect::<Option<_>>()?,
        passport: passport?,
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

fn issuer(section: &Section<'_>, only: bool) -> Option<IssuerConfig> {
    let issuer = section.get("issuer", parse::text);
    let audience = section.all("audience", parse::text);
    let jwks = section.given("jwks").and_then(|jwks| self::jwks(&jwks));
    let algorithms = section.all("algorithms", parse::algorithm);
    let claims = section.section("claims");
    let (tenant, subject) = (claims.get("tenant", parse::claim), claims.get("subject", parse::claim));
    let (roles, scopes) = (claims.get("roles", parse::claim), claims.get("scopes", parse::claim));
    let leeway = section.get("leeway", parse::duration);
    let tenants = tenants(section, only);
    Some(IssuerConfig {
        issuer: issuer?,
        audience,
        jwks: jwks?,
        algorithms,
        claims: ClaimsConfig { tenant: tenant?, subject: subject?, roles: roles?, scopes: scopes? },
        leeway: leeway?,
        tenants,
    })
}

/// A single issuer speaks for everyone; of several, each has to be told whom it may name.
fn tenants(section: &Section<'_>, only: bool) -> Vec<TenantPattern> {
    if section.has("tenants") {
        return section.all("tenants", parse::tenant_pattern);
    }
    if !only {
        section.wrong(
            "tenants",
            "is missing, and there is more than one issuer",
            "say which tenants this issuer may speak for, such as [\"acme-*\"]",
        );
    }
    section.set("tenants", serde_json::json!(["*"]));
    vec![TenantPattern("*".to_owned())]
}

fn jwks(section: &Section<'_>) -> Option<JwksSource> {
    match (section.has("uri"), section.has("file")) {
        (true, false) => {}
        (false, true) => {
            for key in ["ca", "insecure"] {
                if section.has(key) {
                    section.wrong(key, "has no effect beside file", "remove it");
                }
            }
            return section.file("file").map(JwksSource::File);
        }
        (false, false) => {
            // An unsupported alternative has been reported already.
            if !section.has("discovery") {
                section.wrong("uri", "is missing", "give uri or file");
            }
            return None;
        }
        (true, true) => {
            section.wrong("file", "is here beside uri", "give uri or file, not both");
            return None;
        }
    }
    let uri = section.get("uri", parse::uri);
    let secure = uri.as_ref().is_none_or(|uri| secured(section, "uri", uri.scheme_str() == Some("https")));
    let given = section.has("ca");
    let ca = section.file("ca");
    if !secure || (given && ca.is_none()) {
        return None;
    }
    Some(JwksSource::Uri { uri: uri?, ca })
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
