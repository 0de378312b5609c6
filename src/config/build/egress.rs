//! `egress`

use std::collections::BTreeMap;

use http::uri::Authority;

use super::{Env, Section, clients::tls, deferred, identity::secured, listener, parse};
use crate::{
    aws::service::customers_host,
    config::{EgressConfig, Endpoint, Proofs, ServiceConfig, SocketConfig, TimeoutsConfig, TlsConfig, error::quote},
    server::is_socket_path,
};

pub(super) fn egress(
    section: &Section<'_>,
    top: &Section<'_>,
    has_ingress: bool,
    has_workloads: bool,
    env: Env<'_>,
) -> Option<EgressConfig> {
    let listen = section.all("listen", parse::address);
    repeated(section, "listen", &listen);
    // The outer `None` is a setting that is wrong, which must not pass for one that is not there.
    let tls = section.given("tls").map_or(Some(None), |given| tls(&given, env).map(Some));
    let socket = section.given("socket").map_or(Some(None), |given| socket(&given, tls.as_ref().and_then(Option::as_ref)).map(Some));
    let hosts = section.all("hosts", parse::text);
    repeated(section, "hosts", &hosts);
    let region = section.get("region", parse::region);
    let regions = regions(section, region.as_deref());
    let proofs = proofs(section, has_ingress);
    if proofs.is_some_and(|proofs| proofs.certificate) {
        certificates_can_prove(section, tls.as_ref().and_then(Option::as_ref), tls.is_some(), has_workloads);
    }
    let services = services(section);
    let given = section.has("ca");
    let ca = section.companion("ca");
    let presign = section.given("presign").map_or(Some(None), |given| given.get("max_expires", parse::duration).map(Some));
    let defer = section.given("defer").map_or(Some(None), |_| deferred::defer(section, proofs, env).map(Some));
    let redeem = section.given("redeem").map_or(Some(None), |_| deferred::redeem(section, env).map(Some));
    deferred::together(section, proofs, defer.as_ref().and_then(Option::as_ref), redeem.as_ref().and_then(Option::as_ref));
    let server = listener(section, top);
    if given && ca.is_none() {
        return None;
    }
    Some(EgressConfig {
        listen,
        socket: socket?,
        hosts,
        tls: tls?,
        region: region?,
        regions,
        proofs: proofs?,
        services: services?,
        ca,
        presign: presign?,
        defer: defer?,
        redeem: redeem?,
        server: server?,
    })
}

/// Whoever comes over the socket shows no certificate, which a listener that requires one may not have a way around.
fn socket(section: &Section<'_>, tls: Option<&TlsConfig>) -> Option<SocketConfig> {
    let path = section.get("path", parse::text).map(|path| section.base().join(path));
    let mode = section.get("mode", |scalar| u32::from_str_radix(&scalar.text, 8).ok());
    if path.as_deref().is_some_and(|path| !is_socket_path(path)) {
        section.wrong("path", "is too long for a socket", "give a path of at most 107 bytes");
        return None;
    }
    if tls.is_some_and(|tls| tls.clients.as_ref().is_some_and(|clients| clients.required)) {
        section.wrong(
            "path",
            "is a way around egress.tls.client_auth, which requires certificates",
            "make them optional, or remove the socket",
        );
        return None;
    }
    Some(SocketConfig { path: path?, mode: mode? })
}

/// Whether an egress without an ingress takes tokens, and so needs issuers.
pub(super) fn takes_tokens(section: &Section<'_>) -> bool {
    !section.has("proofs") || section.all("proofs", parse::text).iter().any(|proof| proof == "jwt")
}

fn regions(section: &Section<'_>, region: Option<&str>) -> Vec<String> {
    let Some(region) = region else { return Vec::new() };
    if !section.has("regions") {
        section.set("regions", serde_json::json!([region]));
        return vec![region.to_owned()];
    }
    let regions = section.all("regions", parse::region);
    repeated(section, "regions", &regions);
    if !regions.iter().any(|other| other == region) {
        section.wrong("regions", format!("does not contain egress.region, {region}"), "add it");
    }
    regions
}

fn proofs(section: &Section<'_>, has_ingress: bool) -> Option<Proofs> {
    if !section.has("proofs") {
        let name = if has_ingress { "passport" } else { "jwt" };
        section.set("proofs", serde_json::json!([name]));
        return Some(Proofs { passport: has_ingress, jwt: !has_ingress, deferred: false, certificate: false });
    }
    let names = section.all("proofs", parse::text);
    repeated(section, "proofs", &names);
    let lists = |proof: &str| names.iter().any(|name| name == proof);
    let proofs = Proofs { passport: lists("passport"), jwt: lists("jwt"), deferred: lists("deferred"), certificate: lists("certificate") };
    if proofs.passport && !has_ingress {
        section.wrong("proofs", "takes passports, and there is no ingress to make any", "write [jwt], or add ingress");
        return None;
    }
    Some(proofs)
}

/// A certificate proves something where clients are asked for one, and where one stands for a tenant.
fn certificates_can_prove(section: &Section<'_>, tls: Option<&TlsConfig>, is_sound: bool, has_workloads: bool) {
    if is_sound && tls.is_none_or(|tls| tls.clients.is_none()) {
        section.wrong(
            "proofs",
            "takes certificates, and egress.tls.client_ca is not set: nobody is asked for one",
            "give egress.tls.client_ca",
        );
    }
    if !has_workloads {
        section.wrong("proofs", "takes certificates, and none stands for a tenant", "give identity.workloads");
    }
}

fn services(section: &Section<'_>) -> Option<BTreeMap<String, ServiceConfig>> {
    let mut services = BTreeMap::new();
    let mut complete = true;
    for (name, service) in section.sections("services") {
        if let Some(why) = refused_service(&name) {
            section.wrong_entry("services", &name, format!("cannot be allowed: {why}"), "remove it");
        }
        if let Some(host) = customers_host(&name)
            && !service.has("endpoint")
        {
            service.wrong(
                "endpoint",
                format!(
                    "is missing, and hosts of {name} belong to whoever made them: the application could have requests signed for anybody's"
                ),
                format!("give your own, such as {host}; for a second one, make up a name and set signing_name"),
            );
        }
        match self::service(&service) {
            Some(service) => drop(services.insert(name, service)),
            None => complete = false,
        }
    }
    if services.is_empty() && complete && section.is_sound("services") {
        section.wrong("services", "lists no service", "list what may be called, such as {s3: {}}");
    }
    complete.then_some(services)
}

/// Why a service may never be listed.
fn refused_service(name: &str) -> Option<&'static str> {
    crate::aws::operation::service_is_refused(name)
}

fn service(section: &Section<'_>) -> Option<ServiceConfig> {
    let endpoint = endpoint(section);
    let at = endpoint.as_ref().and_then(Option::as_ref);
    let (host, signed_host) = (own_host(section, "host", at), own_host(section, "signed_host", at));
    let given = section.has("ca");
    let ca = section.companion("ca");
    let region = section.get("region", parse::region);
    let signing_name = section.get("signing_name", parse::text);
    // A name to sign for may no more hand out credentials than a service may.
    if let Some(why) = signing_name.as_deref().and_then(refused_service) {
        section.wrong("signing_name", format!("cannot be allowed: {why}"), "remove the service");
    }
    let unguarded = section.get("unguarded", parse::boolean);
    let body_limit = section.get("body_limit", parse::size);
    let connections = section.get("connections", parse::size);
    let connection_lifetime = section.get("connection_lifetime", parse::duration);
    let timeouts = section.section("timeouts");
    let duration = |key| timeouts.get(key, parse::duration);
    let (connect, response, idle) = (duration("connect"), duration("response"), duration("idle"));
    if given && ca.is_none() {
        return None;
    }
    Some(ServiceConfig {
        endpoint: endpoint?,
        host,
        signed_host,
        ca,
        region,
        signing_name,
        unguarded: unguarded?,
        body_limit: body_limit?,
        connections: connections?,
        connection_lifetime: connection_lifetime?,
        timeouts: TimeoutsConfig { connect: connect?, response: response?, idle: idle? },
    })
}

/// `host` or `signed_host`, which go with an endpoint. Over plain http nothing shows that who answers there is whom they name.
fn own_host(section: &Section<'_>, key: &str, endpoint: Option<&Endpoint>) -> Option<Authority> {
    let host = section.get(key, parse::host)?;
    if !section.has("endpoint") {
        section.wrong(key, "has no effect without endpoint", "remove it");
    }
    let port = |authority: &Authority| authority.port_u16().unwrap_or(80);
    if let Some(Endpoint { tls: false, authority }) = endpoint
        && !(authority.host().eq_ignore_ascii_case(host.host()) && port(authority) == port(&host))
    {
        section.wrong(key, format!("is not {authority}, where endpoint is plain http: nothing would show who answers"), "use https://");
    }
    Some(host)
}

/// An optional `endpoint` with `insecure` beside it. The outer `None` means that it is wrong.
pub(super) fn endpoint(section: &Section<'_>) -> Option<Option<Endpoint>> {
    if !section.has("endpoint") {
        if section.get("insecure", parse::boolean)? {
            section.wrong("insecure", "has no effect without endpoint", "remove it");
            return None;
        }
        return Some(None);
    }
    let endpoint = section.get("endpoint", parse::endpoint)?;
    secured(section, "endpoint", endpoint.tls).then_some(Some(endpoint))
}

pub(super) fn repeated<T: PartialEq + std::fmt::Display>(section: &Section<'_>, key: &str, items: &[T]) {
    for (number, item) in items.iter().enumerate() {
        if items[..number].contains(item) {
            section.wrong_item(key, number, format!("{} is here twice", quote(&item.to_string())), "remove one");
        }
    }
}
