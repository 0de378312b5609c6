//! `ingress`: where the application is.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Section, egress::repeated, parse};
use crate::config::{
    Balance, HealthConfig, Protocol, RouteConfig, RoutingConfig, TimeoutsConfig, Upstream, document::Scalar, error::quote,
};

/// What `ingress.upstream` is called in the log and in metrics.
const OTHERWISE: &str = "default";
/// More of either is a list that a machine wrote: a template, or a balancer behind one upstream, serves better.
const MAX_ROUTES: usize = 1_000;
const MAX_UPSTREAMS_EACH: usize = 64;

pub(super) fn routing(section: &Section<'_>, idle_timeout: Option<std::time::Duration>) -> Option<RoutingConfig> {
    let protocol = section.get("protocol", protocol);
    let otherwise = otherwise(section, protocol);
    let routes = routes(section, protocol);
    let ca_is_given = section.has("upstream_ca");
    let ca = section.companion("upstream_ca");
    let takes_addresses = section.get("upstream_addresses", parse::boolean);
    let balance = section.get("balance", balance);
    let max_upstreams = section.get("max_upstreams", parse::size);
    let health = section.given("health").map_or(Some(None), |given| health(&given).map(Some));
    let timeouts = timeouts(section, idle_timeout);
    if ca_is_given && ca.is_none() {
        return None;
    }
    let routing = RoutingConfig {
        routes: routes?,
        otherwise: otherwise?,
        ca,
        balance: balance?,
        health: health?,
        timeouts: timeouts?,
        max_upstreams: max_upstreams?,
    };
    together(section, &routing, takes_addresses?).then_some(routing)
}

/// `ingress.upstream`. The outer `None` means that it is wrong.
fn otherwise(section: &Section<'_>, protocol: Option<Protocol>) -> Option<Option<RouteConfig>> {
    if !section.has("upstream") {
        if !section.has("routes") {
            section.wrong(
                "upstream",
                "is missing",
                "give http://HOST:PORT, https://HOST:PORT or unix:/PATH, or routes that cover all tenants",
            );
            return None;
        }
        return Some(None);
    }
    let upstreams = upstreams(section)?;
    let name = OTHERWISE.to_owned();
    Some(Some(RouteConfig { name, tenants: Vec::new(), tiers: Vec::new(), cells: Vec::new(), upstreams, protocol: protocol? }))
}

fn upstreams(section: &Section<'_>) -> Option<Vec<Upstream>> {
    let upstreams = section.all("upstream", parse::upstream);
    repeated(section, "upstream", &upstreams);
    if upstreams.len() > MAX_UPSTREAMS_EACH {
        section.wrong("upstream", format!("has more than {MAX_UPSTREAMS_EACH} entries"), "put a balancer before them");
    }
    // A misshapen one has been reported.
    (!upstreams.is_empty()).then_some(upstreams)
}

fn routes(section: &Section<'_>, protocol: Option<Protocol>) -> Option<Vec<RouteConfig>> {
    let sections = section.sections("routes");
    if sections.len() > MAX_ROUTES {
        section.wrong("routes", format!("has more than {MAX_ROUTES} entries"), "use a template over the tenant's record");
        return None;
    }
    let mut names = BTreeSet::from([OTHERWISE.to_owned()]);
    let mut routes: Vec<RouteConfig> = Vec::with_capacity(sections.len());
    let mut complete = true;
    for (number, (_, entry)) in sections.iter().enumerate() {
        let Some(route) = route(entry, number + 1, protocol) else {
            complete = false;
            continue;
        };
        if !names.insert(route.name.clone()) {
            let wrong = format!("is called {}, as another one is", quote(&route.name));
            section.wrong_item("routes", number, wrong, "give each a name of its own; default is that of ingress.upstream");
        }
        if let Some(before) = shadow(&routes, &route) {
            let wrong = format!("never holds: {} comes first for every tenant that it is for", quote(before));
            section.wrong_item("routes", number, wrong, "move it up, or remove it");
        }
        routes.push(route);
    }
    // A list that is there and wrong yields no sections.
    (complete && (!section.has("routes") || section.is_sound("routes"))).then_some(routes)
}

fn route(section: &Section<'_>, number: usize, inherited: Option<Protocol>) -> Option<RouteConfig> {
    let name = if section.has("name") {
        section.get("name", parse::text)
    } else {
        let name = format!("route-{number}");
        section.set("name", json!(name));
        Some(name)
    };
    let tenants = section.all("tenants", parse::tenant_pattern);
    let tiers = section.all("tiers", parse::text);
    let cells = section.all("cells", parse::text);
    let upstreams = upstreams(section);
    let protocol = if section.has("protocol") {
        section.get("protocol", protocol)
    } else {
        inherited.inspect(|inherited| section.set("protocol", json!(word(*inherited))))
    };
    if !["tenants", "tiers", "cells"].iter().any(|key| section.has(key)) {
        section.wrong("tenants", "is missing, as are tiers and cells", "say for whom the route is, or make it ingress.upstream");
        return None;
    }
    // One of them that is wrong must not pass for one that is not there.
    if ["tenants", "tiers", "cells"].iter().any(|key| section.has(key) && !section.is_sound(key)) {
        return None;
    }
    Some(RouteConfig { name: name?, tenants, tiers, cells, upstreams: upstreams?, protocol: protocol? })
}

/// The earlier rule, or the last of those, that leave nobody to `route`.
fn shadow<'r>(earlier: &'r [RouteConfig], route: &RouteConfig) -> Option<&'r str> {
    fn first<'r>(earlier: &'r [RouteConfig], route: &RouteConfig) -> Option<&'r str> {
        earlier.iter().find(|earlier| earlier.covers(route)).map(|earlier| earlier.name.as_str())
    }
    let one_by_one = || route.alternatives().iter().map(|route| first(earlier, route)).collect::<Option<Vec<_>>>();
    first(earlier, route).or_else(|| one_by_one()?.pop())
}

fn health(section: &Section<'_>) -> Option<HealthConfig> {
    let path = section.get("path", parse::http_path);
    let (interval, timeout) = (section.get("interval", parse::duration), section.get("timeout", parse::duration));
    let (unhealthy, healthy) = (section.get("unhealthy", parse::count), section.get("healthy", parse::count));
    let expect = section.all("expect", parse::count);
    let readiness = section.get("readiness", parse::boolean);
    Some(HealthConfig {
        path: path?,
        interval: interval?,
        timeout: timeout?,
        unhealthy: u32::try_from(unhealthy?).ok()?,
        healthy: u32::try_from(healthy?).ok()?,
        expect: expect.into_iter().map(u16::try_from).collect::<Result<_, _>>().ok()?,
        readiness: readiness?,
    })
}

fn timeouts(section: &Section<'_>, idle_timeout: Option<std::time::Duration>) -> Option<TimeoutsConfig> {
    let timeouts = section.section("timeouts");
    let (connect, response) = (timeouts.get("connect", parse::duration), timeouts.get("response", parse::duration));
    let idle = if timeouts.has("idle") {
        timeouts.get("idle", parse::duration)
    } else {
        idle_timeout.inspect(|idle| timeouts.set("idle", json!(crate::config::quantity::show_duration(*idle))))
    };
    Some(TimeoutsConfig { connect: connect?, response: response?, idle: idle? })
}

/// How the settings go together.
fn together(section: &Section<'_>, routing: &RoutingConfig, takes_addresses: bool) -> bool {
    let mut sound = true;
    let mut wrong = |key: &str, wrong: &str, right: &str| {
        section.wrong(key, wrong, right);
        sound = false;
    };
    if routing.ca.is_some() && !routing.uses_tls() {
        wrong("upstream_ca", "has no effect: no upstream is https://", "remove it");
    }
    let (mut is_several, mut is_address, mut is_fixed) = (false, false, false);
    for (_, route) in routing.all() {
        is_fixed |= route.upstreams.iter().any(|upstream| matches!(upstream, Upstream::Fixed(_)));
        is_several |= route.upstreams.len() > 1;
        is_address |= route.upstreams.iter().any(Upstream::takes_address);
    }
    if routing.health.as_ref().is_some_and(|health| health.readiness) && !is_fixed {
        wrong("health", "has nothing for readiness to wait for: every upstream is a template, each tenant's own", "remove readiness");
    }
    if section.has("balance") && !is_several {
        wrong("balance", "has no effect: there is no list of upstreams to choose from", "remove it");
    }
    if takes_addresses && !is_address {
        wrong("upstream_addresses", "has no effect: no upstream has a placeholder for its host", "remove it");
    }
    if is_address && !takes_addresses {
        let key =
            if routing.otherwise.iter().any(|route| route.upstreams.iter().any(Upstream::takes_address)) { "upstream" } else { "routes" };
        wrong(
            key,
            "has a host that is a placeholder: an address out of the tenant's record",
            "put the placeholder into a name such as app.{tenant.cell}.internal, or set upstream_addresses: true",
        );
    }
    sound
}

fn protocol(scalar: &Scalar) -> Option<Protocol> {
    match scalar.text.as_str() {
        "auto" => Some(Protocol::Auto),
        "http1" => Some(Protocol::Http1),
        "http2" => Some(Protocol::Http2),
        _ => None,
    }
}

fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Auto => "auto",
        Protocol::Http1 => "http1",
        Protocol::Http2 => "http2",
    }
}

fn balance(scalar: &Scalar) -> Option<Balance> {
    match scalar.text.as_str() {
        "round_robin" => Some(Balance::RoundRobin),
        "least_requests" => Some(Balance::LeastRequests),
        _ => None,
    }
}
