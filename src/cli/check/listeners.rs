//! What the listeners let in and out.

use std::collections::BTreeSet;

use super::{Found, SHOWN, records};
use crate::{
    authorise::{Asks, Unmatched},
    config::{
        AccessConfig, Config, CorsConfig, CorsRules, DirectoryConfig, EgressConfig, Endpoint, IngressConfig, Origins, RouteConfig,
        RoutingConfig, ServiceConfig, Upstream, show_duration,
    },
    directory::{Directory, TenantRecord, TenantStatus},
    routes::{Routes, place},
};

/// What leaves by the egress without a request of its own, or in clear.
pub(super) fn egress(warn: &mut dyn FnMut(String), egress: &EgressConfig) {
    if egress.proofs.jwt {
        let beside = if egress.proofs.passport { "besides passports" } else { "and no passports" };
        warn(format!("egress.proofs takes JWTs {beside}: outside the security claim, since a token that leaks works for its whole life"));
    }
    if egress.proofs.certificate {
        warn(
            "egress.proofs takes certificates: whoever has the key of a workload's certificate acts for its tenant, with no request in progress"
                .to_owned(),
        );
    }
    for listen in egress.listen.iter().filter(|listen| egress.tls.is_none() && !listen.ip().is_loopback()) {
        warn(format!("egress.listen {listen} is not loopback: proofs of live requests cross a network in plain HTTP"));
    }
    if egress.presign.is_some() {
        warn("egress.presign is set: outside the security claim, since a presigned URL works without Palisade until it expires".to_owned());
        let is_s3 = |(name, service): (&String, &ServiceConfig)| service.signing_name.as_deref().unwrap_or(name) == "s3";
        if !egress.services.iter().any(is_s3) {
            warn("egress.presign has no effect: no service in egress.services signs as s3".to_owned());
        }
    }
    for (name, audience) in egress.defer.iter().flat_map(|defer| &defer.audiences) {
        warn(format!(
            "egress.defer.audiences.{name} is set: outside the security claim, since a context outlives its request, and its caller's token, \
             by up to {}",
            show_duration(audience.max_lifetime)
        ));
    }
    if let Some(redeem) = &egress.redeem {
        warn(format!(
            "egress.redeem is set: outside the security claim, since what was sealed for {} works until it expires, for whoever reaches this \
             egress with it",
            redeem.audience
        ));
    }
    for (name, service) in &egress.services {
        plain(warn, &format!("egress.services.{name}.endpoint"), service.endpoint.as_ref());
    }
}

/// Where the application is, and who reaches it.
pub(super) fn ingress(found: &mut Found, config: &Config, ingress: &IngressConfig, directory: Option<&Directory>) {
    routing(found, &ingress.routing, directory, matches!(config.directory, DirectoryConfig::Any));
    let warn = &mut |text| found.warn(text);
    let is_elsewhere = |(_, route): &(String, &RouteConfig)| !route.upstreams.iter().all(Upstream::is_on_this_host);
    if let Some((key, _)) = ingress.routing.all().find(is_elsewhere)
        && config.egress.as_ref().is_some_and(|egress| egress.proofs.passport)
    {
        warn(format!(
            "{key}.upstream is not on this host, and egress.proofs takes passports, which work at the replica alone that made them: run one Palisade beside each copy of the application"
        ));
    }
    if ingress.origin.hops > 0 && ingress.origin.proxies.is_empty() {
        warn(
            "ingress.trusted_hops without trusted_proxies: whoever reaches the listener without a proxy says itself where it comes from"
                .to_owned(),
        );
    }
    if ingress.origin.trace && config.telemetry.traces.as_ref().is_some_and(|traces| traces.sampling.follow_parent) {
        warn(
            "ingress.trace_context is continue, and telemetry.traces.sampling.follow_parent is true: unless the proxy replaces the traceparent that \
             callers send, they choose their trace, which may be another tenant's, and whether it is recorded"
                .to_owned(),
        );
    }
    access(warn, &ingress.access);
}

/// What lets in more than a reader of the rules may think.
fn access(warn: &mut dyn FnMut(String), access: &AccessConfig) {
    for (number, rule) in access.endpoints.rules().enumerate().filter(|(_, rule)| rule.asks == Asks::Nothing) {
        let who = if rule.clients.is_empty() { "anybody" } else { "each of its clients" };
        warn(format!(
            "ingress.endpoints[{number}] {} is public: {who} may call it without a token, and no tenant's limits hold",
            rule.path.as_str()
        ));
    }
    if access.endpoints.rules().next().is_some() && access.endpoints.unmatched() == Unmatched::Allow {
        warn("ingress.endpoints_default is allow: what no rule fits is open to every user of every tenant".to_owned());
    }
    if access.places.cookie.as_ref().is_some_and(|cookie| !cookie.is_bound_to_host()) {
        warn(
            "ingress.token_cookie does not begin with __Host-: pages on sibling hosts, which may be other tenants', can plant it"
                .to_owned(),
        );
    }
    let Some(CorsConfig::Answer(CorsRules { origins, .. })) = &access.cors else { return };
    match origins {
        Origins::Any => {
            warn(
                "ingress.cors.answer.origins is everybody: every page can use a token that it has got hold of, and read the answers"
                    .to_owned(),
            );
        }
        Origins::These(origins) => {
            for origin in origins.iter().filter(|origin| origin.starts_with("http://")) {
                warn(format!("ingress.cors.answer.origins has {origin}: whoever can change its pages on the way can call as their users"));
            }
        }
    }
}

pub(super) fn plain(warn: &mut dyn FnMut(String), key: &str, endpoint: Option<&Endpoint>) {
    if let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.tls) {
        warn(format!("{key} http://{} is plain HTTP: whoever listens there gets signed requests", endpoint.authority));
    }
}

/// Upstreams that others can listen to, and tenants that there is no way for.
fn routing(found: &mut Found, config: &RoutingConfig, directory: Option<&Directory>, is_any: bool) {
    for (key, route) in config.all() {
        for upstream in route.upstreams.iter().filter(|upstream| upstream.crosses_a_network_in_clear()) {
            found.warn(format!("{key}.upstream {upstream} is not loopback: passports cross a network in plain HTTP"));
        }
    }
    if is_any {
        // What every tenant's record holds then.
        let bare = "any".parse().ok().map(TenantRecord::bare);
        for (key, route) in config.all() {
            for why in route.upstreams.iter().filter_map(|upstream| place(upstream, bare.as_ref()).err()) {
                let text = format!("{key}.upstream: every request would be refused (no-route), since tenants.directory is any: {why}");
                let is_only = config.all().all(|(other, route)| other == key || !route.tiers.is_empty() || !route.cells.is_empty());
                if is_only { found.refuse(text) } else { found.warn(text) }
            }
            if !route.tiers.is_empty() || !route.cells.is_empty() {
                found.warn(format!("{key} is for nobody, since tenants.directory is any: no record has a tier or a cell"));
            }
        }
    }
    let routes = Routes::new(config);
    let active: Vec<_> = records(directory).into_iter().filter(|record| record.status == TenantStatus::Active).collect();
    let lost = active.iter().filter_map(|record| {
        let places = |number: usize| routes.all()[number].upstreams.iter().try_for_each(|upstream| place(upstream, Some(record)).map(drop));
        routes.of(Some(record)).and_then(places).err().map(|why| format!("{}: {why}", record.id))
    });
    let lost: Vec<_> = lost.collect::<BTreeSet<_>>().into_iter().collect();
    for line in lost.iter().take(SHOWN) {
        found.warn(format!("every request of this tenant would be refused (no-route): {line}"));
    }
    if lost.len() > SHOWN {
        found.warn(format!("as would be those of {} other tenants", lost.len() - SHOWN));
    }
    if !lost.is_empty() && lost.len() == active.len() {
        found.refuse("ingress.upstream: every request of every tenant would be refused (no-route)".to_owned());
    }
}
