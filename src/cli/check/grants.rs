//! Who is believed, and what proofs are worth.

use std::collections::BTreeSet;

use crate::{
    authorise::Asks,
    aws::{
        action::{Actions, iam_service},
        resource::ResourcePattern,
        service::Service,
    },
    config::{Config, EgressConfig, IssuerConfig, JwksSource, KeyPolicy, PassportRule, ServiceConfig},
};

/// What makes passports worth more than a request, or less than was meant.
pub(super) fn passports(warn: &mut dyn FnMut(String), config: &Config) {
    let (Some(passport), Some(egress)) = (&config.identity.passport, &config.egress) else { return };
    let rules = config.ingress.iter().flat_map(|ingress| ingress.access.endpoints.rules()).map(|rule| &rule.passport);
    let rules: Vec<_> = rules.enumerate().map(|(number, rule)| (format!("ingress.endpoints[{number}].passport"), rule)).collect();
    if !egress.proofs.passport {
        if passport.terms.actions.is_some() || passport.terms.max_uses.is_some() {
            warn("identity.passport binds nothing: egress.proofs takes no passports".to_owned());
        }
        if rules.iter().any(|(_, rule)| **rule != PassportRule::default()) {
            warn("passport in ingress.endpoints has no effect: egress.proofs takes no passports".to_owned());
        }
        return;
    }
    if !passport.grace.is_zero() {
        warn("identity.passport.grace is set: a passport works for that long after its request has ended".to_owned());
    }
    let served = served(egress);
    let everywhere = ("identity.passport".to_owned(), &passport.terms.actions);
    for (key, actions) in std::iter::once(everywhere).chain(rules.into_iter().map(|(key, rule)| (key, &rule.actions))) {
        let named: BTreeSet<&str> = actions.iter().flat_map(Actions::services).collect();
        for service in named.into_iter().filter(|service| !served.contains(*service)) {
            warn(format!("{key}.actions names {service}, which is what IAM calls none of egress.services: it allows nothing"));
        }
    }
}

/// What a workload may do more, or less, than was meant.
pub(super) fn workloads(warn: &mut dyn FnMut(String), config: &Config) {
    let Some(egress) = &config.egress else { return };
    let served = served(egress);
    for workload in &config.workloads {
        let name = &workload.name;
        if workload.resources.iter().any(ResourcePattern::is_everything) {
            warn(format!("workloads.{name}.resources is everything: its role's policy is all that limits what its actions are done with"));
        }
        let named: BTreeSet<&str> = workload.actions.services().collect();
        for service in named.into_iter().filter(|service| !served.contains(*service)) {
            warn(format!("workloads.{name}.actions names {service}, which is what IAM calls none of egress.services: it allows nothing"));
        }
    }
}

/// IAM's names of the services that may be called.
fn served(egress: &EgressConfig) -> BTreeSet<String> {
    let signing = |(name, service): (&String, &ServiceConfig)| {
        let known = Service::find(name).map_or(name.as_str(), |known| known.signing_name);
        iam_service(service.signing_name.as_deref().unwrap_or(known)).to_owned()
    };
    egress.services.iter().map(signing).collect()
}

pub(super) fn issuers(warn: &mut dyn FnMut(String), issuer: &IssuerConfig) {
    if let JwksSource::Uri { uri, .. } | JwksSource::Discovery { document: uri, .. } = &issuer.jwks
        && uri.scheme_str() == Some("http")
    {
        warn(format!("the keys of {} come over plain HTTP: whoever answers there can make tokens", issuer.issuer));
    }
    if issuer.key_policy.max_stale > KeyPolicy::default().max_stale {
        warn(format!("jwks.max_stale of {} is over 24h: a key that is withdrawn during an outage is believed as long", issuer.issuer));
    }
    // RFC 8725, section 3.12: rules that two kinds of token cannot both meet. An ID token has the client as its audience.
    if issuer.claims.audience.0 != "aud" && issuer.rules.required.is_empty() {
        warn(format!(
            "claims.audience of {} is {}, and required_claims is unset: other tokens of the issuer, such as ID tokens, may pass for access tokens",
            issuer.issuer, issuer.claims.audience.0
        ));
    }
}

/// Of several issuers, those whose tokens may name any role or scope that a rule asks for.
pub(super) fn granting_anything(warn: &mut dyn FnMut(String), config: &Config) {
    let Some(ingress) = config.ingress.as_ref().filter(|_| config.identity.issuers.len() > 1) else { return };
    let asked = |of: fn(&Asks) -> bool| ingress.access.endpoints.rules().any(|rule| of(&rule.asks));
    let roles = config.users.is_none() && asked(|asks| matches!(asks, Asks::Tenant { roles, .. } if !roles.is_empty()));
    let scopes = asked(|asks| matches!(asks, Asks::Tenant { scopes, .. } if !scopes.is_empty()));
    for issuer in &config.identity.issuers {
        for (what, lacking) in [("roles", roles && issuer.grants.roles.is_none()), ("scopes", scopes && issuer.grants.scopes.is_none())] {
            if lacking {
                warn(format!(
                    "{what} of {} is unset: its tokens may name any of the {what} that ingress.endpoints asks for, whoever runs it",
                    issuer.issuer
                ));
            }
        }
    }
}
