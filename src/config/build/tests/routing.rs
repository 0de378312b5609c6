//! `ingress.upstream`, `ingress.routes` and what goes with them.

use super::*;
use crate::config::{Balance, Protocol, RoutingConfig, Upstream};

/// [`BASE`] with this for its upstream.
fn ingress(text: &str) -> String {
    with("upstream: http://127.0.0.1:8080}", &format!("{text}}}"))
}

fn routing(text: &str) -> RoutingConfig {
    good(&ingress(text)).ingress.unwrap().routing
}

fn shown(upstreams: &[Upstream]) -> Vec<String> {
    upstreams.iter().map(ToString::to_string).collect()
}

#[test]
fn defaults_are_what_they_were_when_they_could_not_be_set() {
    let routing = routing("upstream: http://127.0.0.1:8080");
    let timeouts = routing.timeouts;
    assert_eq!((timeouts.connect, timeouts.response, timeouts.idle), (secs(5), secs(300), secs(60)));
    assert!(routing.routes.is_empty() && routing.health.is_none() && routing.ca.is_none());
    let otherwise = routing.otherwise.unwrap();
    assert_eq!(
        (otherwise.name.as_str(), otherwise.protocol, shown(&otherwise.upstreams)),
        ("default", Protocol::Auto, vec!["http://127.0.0.1:8080".into()])
    );
    let config = good(&ingress("upstream: http://a, server: {idle_timeout: 7s}"));
    assert_eq!(config.ingress.unwrap().routing.timeouts.idle, secs(7));
    assert_eq!(config.effective["ingress"]["timeouts"]["idle"], "7s");
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn everything_that_is_said_is_kept() {
    let routing = self::routing(
        "upstream: [unix:/run/a.sock, unix:/run/b.sock], protocol: http2, balance: least_requests, max_upstreams: 7, upstream_addresses: true,
          upstream_ca: c, timeouts: {connect: 1s, response: 2s, idle: 3s},
          routes: [{tenants: [a1, 'b-*'], tiers: gold, upstream: 'https://{tenant.id}.apps.internal'},
                   {name: cells, cells: [c1, c2], protocol: http1, upstream: 'http://{tenant.attributes.ip}:80'}],
          health: {path: '/healthz?full', interval: 1s, timeout: 500ms, unhealthy: 2, healthy: 4, expect: [200, 204], readiness: true}",
    );
    assert_eq!((routing.balance, routing.max_upstreams), (Balance::LeastRequests, 7));
    assert_eq!((routing.timeouts.connect, routing.timeouts.response, routing.timeouts.idle), (secs(1), secs(2), secs(3)));
    let [first, second] = &routing.routes[..] else { panic!("{routing:?}") };
    assert_eq!((first.name.as_str(), first.protocol, &first.tiers[..]), ("route-1", Protocol::Http2, &["gold".to_owned()][..]));
    assert_eq!(first.tenants.iter().map(|pattern| pattern.0.as_str()).collect::<Vec<_>>(), ["a1", "b-*"]);
    assert_eq!((second.name.as_str(), second.protocol, second.cells.len()), ("cells", Protocol::Http1, 2));
    let health = routing.health.unwrap();
    assert_eq!((health.path.as_str(), health.interval, health.timeout), ("/healthz?full", secs(1), Duration::from_millis(500)));
    assert_eq!((health.unhealthy, health.healthy, health.expect, health.readiness), (2, 4, vec![200, 204], true));
    assert_eq!(shown(&routing.otherwise.unwrap().upstreams), ["unix:/run/a.sock", "unix:/run/b.sock"]);
    assert!(self::routing("routes: [{cells: c1, upstream: 'http://a'}]").otherwise.is_none());
}

#[test]
fn what_does_not_go_together_is_told() {
    let mut wrong = Vec::new();
    for (text, lines) in [
        ("headers: {}", &["P:1:1: ingress.upstream: is missing; give http://HOST:PORT, https://HOST:PORT or unix:/PATH, or routes"][..]),
        ("upstream: []", &["P:1:60: ingress.upstream: is an empty list"]),
        ("upstream: 'http://app.{tenant.cell}'", &["P:1:60: ingress.upstream: \"http://app.{tenant.cell}\" ends in a placeholder"]),
        ("upstream: [http://a, http://a]", &["P:1:71: ingress.upstream[1]: \"http://a\" is here twice"]),
        ("upstream: http://a, upstream_ca: c", &["P:1:83: ingress.upstream_ca: has no effect: no upstream is https://"]),
        ("upstream: http://a, balance: least_requests", &["P:1:79: ingress.balance: has no effect"]),
        ("upstream: http://a, upstream_addresses: true", &["P:1:90: ingress.upstream_addresses: has no effect"]),
        ("upstream: 'http://{tenant.attributes.a}'", &["P:1:60: ingress.upstream: has a host that is a placeholder"]),
        ("upstream: http://a, routes: []", &["P:1:78: ingress.routes: is an empty list"]),
        ("upstream: http://a, routes: [{upstream: http://b}]", &["P:1:79: ingress.routes[0].tenants: is missing, as are tiers and cells"]),
        ("routes: [{cells: c1}]", &["P:1:59: ingress.routes[0].upstream: is missing"]),
        (
            "routes: [{cells: c1, upstream: http://a, name: A}]",
            &["P:1:97: ingress.routes[0].name: \"A\" is not taken here; give a name such as gold"],
        ),
        (
            "routes: [{cells: c1, upstream: http://a, name: n}, {cells: c2, upstream: http://b, name: n}]",
            &["P:1:101: ingress.routes[1]: is called \"n\", as another one is"],
        ),
        ("routes: [{cells: c1, upstream: http://a, name: default}]", &["P:1:59: ingress.routes[0]: is called \"default\""]),
        ("upstream: http://a, health: {}", &["P:1:70: ingress.health.path: is missing; give a path such as /healthz"]),
        ("upstream: http://a, health: {path: healthz}", &["P:1:85: ingress.health.path: \"healthz\" is not taken here"]),
        ("upstream: http://a, health: {path: /h, expect: 99}", &["P:1:97: ingress.health.expect: \"99\" is out of range"]),
        (
            "upstream: 'unix:/run/{tenant.id}.sock', health: {path: /h, readiness: true}",
            &["P:1:90: ingress.health: has nothing for readiness to wait for"],
        ),
        ("upstream: http://a, timeouts: {connect: 10m}", &["P:1:90: ingress.timeouts.connect: \"10m\" is out of range"]),
    ] {
        wrong.extend(mismatch(&ingress(text), lines));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_rule_that_no_tenant_can_come_to_is_an_error() {
    let check = |rules: &str| load(&ingress(&format!("routes: [{rules}]"))).map(drop).map_err(|errors| errors.to_string());
    let rule = |what: &str| format!("{{{what}, upstream: 'http://a'}}");
    for (earlier, last) in [
        (vec!["tenants: a1"], "tenants: a1"),
        (vec!["tenants: 'a*'"], "tenants: [a1, 'ab*']"),
        (vec!["tenants: '*'"], "tenants: 'a*', cells: c1"),
        (vec!["tenants: '*'"], "cells: c1, tenants: b1"),
        (vec!["tenants: '*'"], "tiers: gold"),
        (vec!["tenants: [a1, '*']"], "cells: [c1, c2]"),
        (vec!["tenants: '*', tiers: gold"], "tiers: gold, cells: c1"),
        (vec!["tiers: [gold, free]"], "tiers: free"),
        (vec!["tiers: gold"], "tiers: gold, cells: c1"),
        (vec!["cells: c1", "cells: c2"], "cells: [c1, c2]"),
        (vec!["tenants: 'a*'", "tenants: 'b*'"], "tenants: [a1, b1, 'bb*']"),
    ] {
        let rules: Vec<_> = earlier.iter().chain([&last]).map(|what| rule(what)).collect();
        let errors = check(&rules.join(", ")).expect_err(last);
        assert!(errors.contains("never holds: \"route-") && errors.lines().count() == 1, "{last}: {errors}");
    }
    for (earlier, last) in [
        ("tenants: a1", "tenants: [a1, a2]"),
        ("tenants: 'ab*'", "tenants: 'a*'"),
        ("tenants: 'a*b'", "tenants: 'a*'"),
        ("tiers: gold, cells: c1", "tiers: gold"),
        ("tenants: '*', cells: c1", "tenants: a1"),
        ("tenants: '*', cells: c1", "tiers: gold"),
        ("tenants: 'a*'", "tiers: gold"),
        ("cells: c1", "tiers: gold"),
        // Not every tenant has a cell.
        ("cells: [c1, c2]", "tenants: '*'"),
    ] {
        check(&[rule(earlier), rule(last)].join(", ")).unwrap();
    }
}

/// Every configuration that the guide shows.
#[test]
fn the_guide_s_examples_load() {
    let (folder, _) = example("minimal.yaml");
    fs::write(folder.path().join("c"), "{}").unwrap();
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/guide/routing.md")).unwrap();
    let rest = format!("identity:{}", BASE.split("identity:").nth(1).unwrap().split("credentials:").next().unwrap());
    let examples: Vec<_> = guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 4, "{examples:?}");
    for text in examples {
        Config::parse(&format!("{text}{rest}"), "P", folder.path(), &|_| None).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    }
}
