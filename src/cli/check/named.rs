//! Names that a configuration gives to what nobody has: a slip of the pen, by which a rule is for nobody, or a service nowhere.

use std::{collections::BTreeSet, time::SystemTime};

use super::records;
use crate::{
    authorise::Asks,
    aws::{action::iam_service, service::Service},
    config::{Config, DirectoryConfig, Grants, ServiceConfig, suggest::closest},
    directory::Directory,
    server::ReloadingTls,
};

/// Tiers that no record has. Where no records can be seen, nothing can be said.
pub(super) fn tiers(warn: &mut dyn FnMut(String), config: &Config, directory: Option<&Directory>) {
    let held: BTreeSet<String> = records(directory).iter().filter_map(|record| record.tier.clone()).collect();
    // Who gives some tiers limits of their own means to have thought of all.
    for tier in held.iter().filter(|tier| !config.limits.tiers.is_empty() && !config.limits.tiers.contains_key(*tier)) {
        warn(format!("the tier {tier:?} of the tenant records is not in limits.tiers: limits.default holds for it"));
    }
    if !matches!(config.directory, DirectoryConfig::File(_)) {
        return;
    }
    let Some(ingress) = &config.ingress else { return };
    let routes = ingress.routing.all().map(|(key, route)| (key, &route.tiers[..]));
    let rules = ingress.access.endpoints.rules().enumerate().filter_map(|(number, rule)| match &rule.asks {
        Asks::Tenant { tiers, .. } => Some((format!("ingress.endpoints[{number}]"), &tiers[..])),
        Asks::Nothing => None,
    });
    for (key, tiers) in routes.chain(rules) {
        for tier in tiers.iter().filter(|tier| !held.contains(*tier)) {
            let meant = did_you_mean(closest(tier, held.iter().map(String::as_str)));
            warn(format!("{key}.tiers has {tier:?}, which is the tier of no tenant record{meant}"));
        }
    }
}

/// Roles that a rule asks for and no issuer may give. Users of a directory have theirs from there.
pub(super) fn roles(warn: &mut dyn FnMut(String), config: &Config) {
    let Some(ingress) = config.ingress.as_ref().filter(|_| config.users.is_none()) else { return };
    let is_given = |role: &String| {
        let gives = |grants: &Grants| !Grants::kept(grants.roles.as_deref(), vec![role.clone()]).is_empty();
        config.identity.issuers.iter().any(|issuer| gives(&issuer.grants))
    };
    for (number, rule) in ingress.access.endpoints.rules().enumerate() {
        let Asks::Tenant { roles, .. } = &rule.asks else { continue };
        for role in roles.iter().filter(|role| !is_given(role)) {
            warn(format!("ingress.endpoints[{number}].roles has {role:?}, which roles of no issuer lets its tokens give"));
        }
    }
}

/// Services by names that AWS does not have, and that nothing says the place of.
pub(super) fn services(warn: &mut dyn FnMut(String), config: &Config) {
    let is_unknown =
        |(name, service): &(&String, &ServiceConfig)| service.endpoint.is_none() && service.host.is_none() && Service::find(name).is_none();
    for (name, _) in config.egress.iter().flat_map(|egress| &egress.services).filter(is_unknown) {
        let by_iam = Service::all()
            .find(|service| service.signing_name != name && iam_service(service.signing_name) == name)
            .map(|service| service.key);
        let meant = did_you_mean(by_iam.or_else(|| closest(name, Service::all().map(|service| service.key))));
        warn(format!("egress.services.{name} is no service of AWS's that is known here, and has no endpoint{meant}"));
    }
}

/// Certificates of our own that no client will take.
pub(super) fn certificates(warn: &mut dyn FnMut(String), config: &Config, now: SystemTime) {
    let ingress = config.ingress.iter().map(|ingress| ("ingress", &ingress.tls));
    let egress = config.egress.iter().filter_map(|egress| Some(("egress", egress.tls.as_ref()?)));
    for (listener, tls) in ingress.chain(egress) {
        if let Some(why) = ReloadingTls::out_of_time(tls, now) {
            warn(format!("{listener}.tls.certificate {}: {why}; no client will take it", tls.certificate.name().display()));
        }
    }
}

fn did_you_mean(word: Option<&str>) -> String {
    word.map(|word| format!("; did you mean {word}?")).unwrap_or_default()
}
