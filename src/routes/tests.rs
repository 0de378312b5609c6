use proptest::prelude::*;

use super::*;
use crate::config::{Balance, Protocol, TenantPattern, TimeoutsConfig};

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

fn route(name: &str, tenants: &[&str], tiers: &[&str], cells: &[&str], upstreams: &[&str]) -> RouteConfig {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    RouteConfig {
        name: name.to_owned(),
        tenants: tenants.iter().map(|pattern| TenantPattern((*pattern).to_owned())).collect(),
        tiers: owned(tiers),
        cells: owned(cells),
        upstreams: upstreams.iter().map(|text| Upstream::parse(text).unwrap()).collect(),
        protocol: Protocol::Auto,
    }
}

fn table(routes: Vec<RouteConfig>, otherwise: Option<&str>) -> Routes {
    Routes::new(&RoutingConfig {
        routes,
        otherwise: otherwise.map(|upstream| route("default", &[], &[], &[], &[upstream])),
        ca: None,
        balance: Balance::RoundRobin,
        health: None,
        timeouts: TimeoutsConfig { connect: SECOND, response: SECOND, idle: SECOND },
        max_upstreams: 1,
    })
}

fn tenant(id: &str, tier: Option<&str>, cell: Option<&str>) -> TenantRecord {
    let mut record = TenantRecord::bare(id.parse().unwrap());
    (record.tier, record.cell) = (tier.map(str::to_owned), cell.map(str::to_owned));
    record
}

/// Where a tenant's requests can go, as text.
fn places(routes: &Routes, tenant: Option<&TenantRecord>) -> Result<Vec<String>, Unrouted> {
    let route = &routes.all()[routes.of(tenant)?];
    route.upstreams.iter().map(|upstream| place(upstream, tenant).map(|place| place.to_string())).collect()
}

#[test]
fn the_first_rule_that_is_for_the_tenant_holds() {
    let routes = table(
        vec![
            route("vip", &["acme", "b-*"], &[], &[], &["http://vip"]),
            route("both", &[], &["gold"], &["c1"], &["http://both"]),
            route("gold", &[], &["gold", "platinum"], &[], &["http://gold"]),
            route("cell", &[], &[], &["c1"], &["http://cell"]),
        ],
        Some("http://rest"),
    );
    for (id, tier, cell, expected) in [
        ("acme", Some("gold"), Some("c1"), "http://vip"),
        ("b-x", None, None, "http://vip"),
        ("acme-eu", Some("gold"), Some("c1"), "http://both"),
        ("acme-eu", Some("gold"), Some("c2"), "http://gold"),
        ("acme-eu", Some("platinum"), Some("c1"), "http://gold"),
        ("acme-eu", Some("Gold"), None, "http://rest"),
        ("acme-eu", None, Some("c1"), "http://cell"),
        ("acme-eu", None, Some("c11"), "http://rest"),
    ] {
        assert_eq!(places(&routes, Some(&tenant(id, tier, cell))).unwrap(), [expected], "{id} {tier:?} {cell:?}");
    }
}

#[test]
fn without_a_rule_or_a_value_there_is_no_second_best() {
    let routes = table(vec![route("cell", &[], &[], &["c1"], &["http://cell"])], None);
    assert_eq!(places(&routes, Some(&tenant("acme", None, Some("c2")))), Err(Unrouted::NoRoute));
    let routes =
        table(vec![route("own", &["a*"], &[], &[], &["http://app.{tenant.cell}.internal", "http://spare"])], Some("http://everybody"));
    assert!(matches!(places(&routes, Some(&tenant("acme", None, None))), Err(Unrouted::Record(RenderError::Missing(_)))));
    assert!(matches!(places(&routes, Some(&tenant("acme", None, Some("C1")))), Err(Unrouted::Record(RenderError::Unsafe(_)))));
    assert_eq!(places(&routes, Some(&tenant("acme", None, Some("c1")))).unwrap(), ["http://app.c1.internal", "http://spare"]);
    assert_eq!(places(&routes, Some(&tenant("globex", None, None))).unwrap(), ["http://everybody"]);
    let refusal = Refusal::from(places(&routes, Some(&tenant("acme", None, None))).unwrap_err());
    assert_eq!(refusal.reason, Reason::NoRoute);
    assert!(refusal.note.unwrap().contains("{tenant.cell} has no value"));
}

#[test]
fn a_request_of_nobody_goes_to_the_plain_upstream_alone() {
    let rules = || vec![route("all", &["*"], &[], &[], &["http://tenants"])];
    assert_eq!(places(&table(rules(), Some("http://rest")), None).unwrap(), ["http://rest"]);
    assert_eq!(places(&table(rules(), None), None), Err(Unrouted::NoTenant));
    assert_eq!(places(&table(rules(), Some("http://app.{tenant.cell}.internal")), None), Err(Unrouted::NoTenant));
    assert_eq!(places(&table(Vec::new(), Some("unix:/run/{tenant.id}.sock")), None), Err(Unrouted::NoTenant));
}

#[test]
fn no_record_leads_to_this_machine_or_its_metadata() {
    let routes = table(Vec::new(), Some("http://{tenant.attributes.address}:8080"));
    let at = |address: &str| {
        let mut record = tenant("acme", None, None);
        record.attributes.insert("address".to_owned(), address.to_owned());
        places(&routes, Some(&record))
    };
    for address in ["127.0.0.1", "::1", "169.254.169.254", "169.254.170.2", "0.0.0.0", "::ffff:127.0.0.1", "fd00:ec2::254", "fe80::1"] {
        assert!(matches!(at(address), Err(Unrouted::Forbidden(_))), "{address}: {:?}", at(address));
    }
    assert_eq!(at("10.0.0.5").unwrap(), ["http://10.0.0.5:8080"]);
    assert_eq!(at("fd12::5").unwrap(), ["http://[fd12::5]:8080"]);
}

/// A table and what it means, each told in its own words.
#[derive(Debug, Clone)]
struct Rule {
    tenants: Vec<&'static str>,
    tiers: Vec<&'static str>,
    cells: Vec<&'static str>,
    upstream: &'static str,
}

const PATTERNS: [&str; 6] = ["*", "aa", "ab", "a*", "*b", "b*b"];
const IDS: [&str; 7] = ["aa", "ab", "bb", "bab", "a.b", "A1", "a_b"];
const WORDS: [&str; 3] = ["x", "y", "Z"];
const PLACES: [&str; 6] = [
    "http://fixed-1:80",
    "unix:/run/fixed.sock",
    "http://app.{tenant.cell}.internal:8080",
    "https://{tenant.id}.apps.internal",
    "unix:/run/{tenant.cell}/{tenant.id}.sock",
    "http://t-{tenant.tier}",
];

fn rule() -> impl Strategy<Value = Rule> {
    let some = |of: &'static [&'static str]| prop::collection::vec(prop::sample::select(of), 0..3);
    (some(&PATTERNS), some(&WORDS), some(&WORDS), prop::sample::select(&PLACES[..])).prop_map(|(tenants, tiers, cells, upstream)| Rule {
        tenants,
        tiers,
        cells,
        upstream,
    })
}

fn record() -> impl Strategy<Value = TenantRecord> {
    let word = || prop::option::of(prop::sample::select(&WORDS[..]));
    (prop::sample::select(&IDS[..]), word(), word()).prop_map(|(id, tier, cell)| tenant(id, tier, cell))
}

/// What the documentation says, word by word, without a line of the code above.
fn oracle(rules: &[Rule], otherwise: Option<&'static str>, record: &TenantRecord) -> Option<String> {
    let (id, tier, cell) = (record.id.as_str(), record.tier.as_deref(), record.cell.as_deref());
    let named = |pattern: &&str| match pattern.split_once('*') {
        None => *pattern == id,
        Some((before, after)) => id.len() >= before.len() + after.len() && id.starts_with(before) && id.ends_with(after),
    };
    let holds = |rule: &&Rule| {
        (rule.tenants.is_empty() || rule.tenants.iter().any(named))
            && (rule.tiers.is_empty() || tier.is_some_and(|tier| rule.tiers.contains(&tier)))
            && (rule.cells.is_empty() || cell.is_some_and(|cell| rule.cells.contains(&cell)))
    };
    let mut text = rules.iter().find(holds).map(|rule| rule.upstream).or(otherwise)?.to_owned();
    for (name, value) in [("{tenant.id}", Some(id)), ("{tenant.tier}", tier), ("{tenant.cell}", cell)] {
        if text.contains(name) {
            let value = value.filter(|value| value.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-')))?;
            text = text.replace(name, value);
        }
    }
    Some(text)
}

proptest! {
    #[test]
    fn random_tables_mean_what_is_documented(
        rules in prop::collection::vec(rule(), 0..5),
        otherwise in prop::option::of(prop::sample::select(&PLACES[..])),
        record in record(),
    ) {
        let routes = rules.iter().map(|rule| route("r", &rule.tenants, &rule.tiers, &rule.cells, &[rule.upstream])).collect();
        let found = places(&table(routes, otherwise), Some(&record)).ok().map(|mut places| places.remove(0));
        prop_assert_eq!(found, oracle(&rules, otherwise, &record));
    }

    /// Where each cell has upstreams of its own, by name or by template, no two cells share one.
    #[test]
    fn tenants_of_two_cells_never_reach_the_same_place(
        kinds in prop::collection::vec((prop::sample::select(&WORDS[..]), any::<bool>()), 0..6),
        ends_in_template in any::<bool>(),
        first in record(),
        second in record(),
    ) {
        prop_assume!(first.cell != second.cell);
        let own: Vec<String> = kinds.iter().enumerate().map(|(number, (cell, is_template))| {
            if *is_template { "http://app.{tenant.cell}.internal".to_owned() } else { format!("http://{}-{number}", cell.to_lowercase()) }
        }).collect();
        let routes = kinds.iter().zip(&own).map(|((cell, _), own)| route("r", &[], &[], &[cell], &[own])).collect();
        let routes = table(routes, ends_in_template.then_some("unix:/run/{tenant.cell}/app.sock"));
        if let (Ok(first), Ok(second)) = (places(&routes, Some(&first)), places(&routes, Some(&second))) {
            prop_assert!(first.iter().all(|place| !second.contains(place)), "{:?} and {:?}", first, second);
        }
    }
}
