//! `identity.issuers[]`

use serde_json::{Value, json};

use super::{Section, parse, presets::Preset};
use crate::config::{
    ClaimPath, ClaimsConfig, Demand, Grants, IssuerConfig, IssuerTenants, JwksSource, KeyPolicy, RequiredClaim, TenantPattern, TokenRules,
    TokenTypes, WordPattern,
};

/// One issuer; `only` where there is no other, `has_users` where a directory of users and not the token says the tenant.
pub(super) fn issuer(section: &Section<'_>, only: bool, has_users: bool) -> Option<IssuerConfig> {
    let preset = section.get("preset", parse::text).and_then(|name| Preset::named(&name));
    let section = &section.clone().defaulting(preset.map_or(&[], |preset| preset.settings));
    let issuer = section.get("issuer", parse::text);
    let audience = section.all("audience", parse::text);
    let keys = keys(section, issuer.as_deref());
    let algorithms = section.all("algorithms", parse::algorithm);
    let claims = claims(section, preset, has_users);
    let rules = rules(section, preset, issuer.as_deref());
    let leeway = section.get("leeway", parse::duration);
    let tenants = tenants(section, only);
    let grants = Grants { roles: granted(section, "roles"), scopes: granted(section, "scopes") };
    if has_users && grants.roles.is_some() {
        section.wrong("roles", "has no effect with users, whose roles the directory says", "remove it");
    }
    let (jwks, key_policy) = keys?;
    let (claims, rules, leeway) = (claims?, rules?, leeway?);
    Some(IssuerConfig { issuer: issuer?, audience, jwks, key_policy, algorithms, claims, rules, leeway, tenants, grants })
}

fn granted(section: &Section<'_>, key: &str) -> Option<Vec<WordPattern>> {
    section.has(key).then(|| section.all(key, parse::word_pattern))
}

fn keys(section: &Section<'_>, issuer: Option<&str>) -> Option<(JwksSource, KeyPolicy)> {
    // Discovery is a preset's default, and one that is not known has been reported.
    let discovers = section.has("preset");
    if !section.has("jwks") && !discovers {
        section.wrong("jwks", "is missing", "give one of uri, discovery: true, file and inline");
        return None;
    }
    if section.has("jwks") && !section.is_sound("jwks") {
        return None;
    }
    super::keys::keys(&section.section("jwks"), discovers, issuer)
}

fn claims(section: &Section<'_>, preset: Option<&Preset>, has_users: bool) -> Option<ClaimsConfig> {
    let claims = section.section("claims").defaulting(preset.map_or(&[], |preset| preset.claims));
    // A preset may have one, which is then passed over; the file means something by one of its own.
    if has_users && section.section("claims").has("tenant") {
        section.section("claims").wrong("tenant", "has no effect with users, whose tenant the directory says", "remove it");
    }
    if let Some(preset) = preset.filter(|_| !has_users && !claims.has("tenant")) {
        // The default of the table would be a guess, and a tenant is nothing to guess at.
        claims.wrong(
            "tenant",
            "is missing, and the preset has none",
            format!("say which claim names the tenant, such as {}", preset.tenant),
        );
        return None;
    }
    let tenant = if has_users { Some(None) } else { claims.get("tenant", parse::claim).map(Some) };
    let subject = claims.get("subject", parse::claim);
    let (roles, scopes) = (claims.get("roles", parse::claim), claims.get("scopes", parse::claim));
    let audience = claims.get("audience", parse::claim);
    Some(ClaimsConfig { audience: audience?, tenant: tenant?, subject: subject?, roles: roles?, scopes: scopes? })
}

fn rules(section: &Section<'_>, preset: Option<&Preset>, issuer: Option<&str>) -> Option<TokenRules> {
    let types = TokenTypes::new(&section.all("token_types", parse::token_type));
    let required = required(section, preset, issuer);
    let max_lifetime = section.get("max_lifetime", parse::duration);
    if max_lifetime.is_none() && section.is_sound("max_lifetime") {
        return None;
    }
    Some(TokenRules { types, required: required?, max_lifetime })
}

/// What the preset demands, with what the file demands of the same claim put in its place, and then the rest of the file's.
fn required(section: &Section<'_>, preset: Option<&Preset>, issuer: Option<&str>) -> Option<Vec<RequiredClaim>> {
    let given = section.groups("required_claims", parse::claim_value);
    let own = match preset.zip(issuer).map(|(preset, issuer)| preset.demands(issuer)) {
        None => Vec::new(),
        Some(Ok(own)) => own,
        Some(Err(wrong)) => {
            section.wrong("issuer", wrong.wrong, wrong.right);
            return None;
        }
    };
    let mut merged: Vec<(String, Vec<Value>)> =
        own.into_iter().filter(|(claim, _)| given.iter().all(|(known, _)| known != claim)).collect();
    merged.extend(given);
    if !merged.is_empty() {
        let shown = |values: &[Value]| if let [one] = values { one.clone() } else { json!(values) };
        section.set("required_claims", merged.iter().map(|(claim, values)| (claim.clone(), shown(values))).collect());
    }
    Some(merged.into_iter().map(|(claim, values)| RequiredClaim { path: ClaimPath(claim), demand: Demand::new(values) }).collect())
}

/// A single issuer speaks for everyone; of several, each has to be told whom it may name.
fn tenants(section: &Section<'_>, only: bool) -> IssuerTenants {
    if section.has_mapping("tenants") {
        let attribute = section.section("tenants").get("attribute", parse::text);
        // One that is missing has been reported.
        return IssuerTenants::Attribute(attribute.unwrap_or_default());
    }
    if section.has("tenants") {
        return IssuerTenants::Listed(section.all("tenants", parse::tenant_pattern));
    }
    if !only {
        section.wrong(
            "tenants",
            "is missing, and there is more than one issuer",
            "say which tenants this issuer may speak for, such as [\"acme-*\"]",
        );
    }
    section.set("tenants", serde_json::json!(["*"]));
    IssuerTenants::Listed(vec![TenantPattern("*".to_owned())])
}
