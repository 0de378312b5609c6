use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::{super::path::oracles::ORACLES, *};
use crate::{config::PassportRule, directory::TenantRecord, identity::VerifiedTenant};

fn list(words: &[&str]) -> Box<[String]> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn rule(methods: &str, path: &str, asks: Asks) -> Rule {
    let methods = if methods == "*" { Methods::ALL } else { methods.split(' ').filter_map(Methods::of).fold(Methods::NONE, Methods::with) };
    Rule { methods, path: PathPattern::parse(path).unwrap(), clients: [].into(), asks, passport: PassportRule::default() }
}

fn wants(roles: &[&str], scopes: &[&str], tiers: &[&str]) -> Asks {
    Asks::Tenant { roles: list(roles), scopes: list(scopes), tiers: list(tiers) }
}

fn user(roles: &[&str], scopes: &[&str], tier: Option<&str>) -> ActiveTenant {
    let mut record = TenantRecord::bare("acme".parse().unwrap());
    record.tier = tier.map(str::to_owned);
    ActiveTenant::join(VerifiedTenant::for_tests_as("acme", roles, scopes), Arc::new(record)).unwrap()
}

fn decide(endpoints: &Endpoints, method: Method, path: &str, user: &ActiveTenant) -> Result<(), Reason> {
    let path = endpoints.read(path).map_err(|refusal| refusal.reason)?;
    endpoints.rule_on(&method, &path).permit(user, shown(None)).map_err(|refusal| refusal.reason)
}

fn shown(certificate: Option<&ClientCertificate>) -> Shown<'_> {
    Shown { certificate, at: UNIX_EPOCH + Duration::from_secs(5_000) }
}

#[test]
fn the_first_rule_that_fits_decides_alone() {
    let rules = vec![
        rule("GET", "/parks/closed", wants(&["admin"], &[], &[])),
        rule("GET", "/parks/**", wants(&["reader", "admin"], &[], &[])),
        rule("*", "/parks/**", wants(&["admin"], &[], &[])),
    ];
    let endpoints = Endpoints::new(rules, Unmatched::Deny, false);
    let (reader, admin, nobody) = (user(&["reader"], &[], None), user(&["admin"], &[], None), user(&[], &[], None));
    let no = Err(Reason::EndpointNotAllowed);
    for (method, path, as_reader, as_admin) in [
        (Method::GET, "/parks", Ok(()), Ok(())),
        (Method::GET, "/parks/7/", Ok(()), Ok(())),
        (Method::HEAD, "/parks/7", Ok(()), Ok(())),
        (Method::GET, "/parks/closed", no, Ok(())),
        (Method::HEAD, "/parks/closed", no, Ok(())),
        (Method::GET, "/%70arks/c%6Cosed/", no, Ok(())),
        (Method::POST, "/parks/7", no, Ok(())),
        (Method::OPTIONS, "/parks/7", no, Ok(())),
        (Method::GET, "/Parks/7", no, no),
        (Method::GET, "/", no, no),
        (Method::GET, "/parks%2f7", Err(Reason::PathAmbiguous), Err(Reason::PathAmbiguous)),
    ] {
        assert_eq!(decide(&endpoints, method.clone(), path, &reader), as_reader, "{method} {path} reader");
        assert_eq!(decide(&endpoints, method.clone(), path, &admin), as_admin, "{method} {path} admin");
        assert!(decide(&endpoints, method.clone(), path, &nobody).is_err(), "{method} {path} nobody");
    }
}

#[test]
fn one_of_each_list_is_wanted_and_an_absent_list_wants_nothing() {
    let no = Err(Reason::EndpointNotAllowed);
    for (asks, roles, scopes, tier, expected) in [
        (wants(&[], &[], &[]), &[][..], &[][..], None, Ok(())),
        (wants(&["a", "b"], &[], &[]), &["b", "c"], &[], None, Ok(())),
        (wants(&["a"], &[], &[]), &["A"], &[], None, no),
        (wants(&["a"], &["s"], &[]), &["a"], &["s", "t"], None, Ok(())),
        (wants(&["a"], &["s"], &[]), &["a"], &["t"], None, Err(Reason::ScopeInsufficient)),
        (wants(&["a"], &["s"], &[]), &[], &["s"], None, no),
        (wants(&["a"], &["s"], &[]), &[], &[], None, no),
        (wants(&[], &[], &["gold"]), &[], &[], Some("gold"), Ok(())),
        (wants(&[], &[], &["gold"]), &[], &[], Some("Gold"), no),
        (wants(&[], &[], &["gold"]), &["gold"], &["gold"], None, no),
        (wants(&[], &["s"], &["gold", "free"]), &[], &["s"], Some("free"), Ok(())),
        (wants(&[], &["s"], &["gold"]), &[], &[], Some("free"), no),
    ] {
        let shown = format!("{asks:?} {roles:?} {scopes:?} {tier:?}");
        let endpoints = Endpoints::new(vec![rule("*", "/**", asks)], Unmatched::Deny, false);
        assert_eq!(decide(&endpoints, Method::GET, "/x", &user(roles, scopes, tier)), expected, "{shown}");
    }
}

#[test]
fn a_rule_is_for_its_clients_whoever_the_user_is() {
    let clients = |texts: &[&str]| texts.iter().map(|text| ClientPattern::for_tests(text)).collect();
    let rules = vec![
        Rule { clients: clients(&["spiffe://prod/ns/*/sa/api", "dns:*.mesh.example"]), ..rule("*", "/mesh", wants(&["r"], &["s"], &[])) },
        Rule { clients: clients(&["CN=hook"]), ..rule("POST", "/hook", Asks::Nothing) },
        rule("*", "/**", wants(&[], &[], &[])),
    ];
    let endpoints = Endpoints::new(rules, Unmatched::Deny, false);
    let ruling = |path| endpoints.rule_on(&Method::POST, &endpoints.read(path).unwrap());
    let permit = |path, user: &ActiveTenant, client| ruling(path).permit(user, client).map_err(|refusal| refusal.reason);
    let (full, unscoped, nobody) = (user(&["r"], &["s"], None), user(&["r"], &[], None), user(&[], &[], None));
    let api = ClientCertificate::for_tests(Some("spiffe://prod/ns/a/sa/api"), "CN=api", &[]);
    let meshed = ClientCertificate::for_tests(None, "CN=x", &["a.example", "w.mesh.example"]);
    let hook = ClientCertificate::for_tests(Some("spiffe://prod/ns/a/sa/hook"), "CN=hook", &["w.mesh.other"]);
    let no = Err(Reason::EndpointNotAllowed);
    for client in [&api, &meshed] {
        assert_eq!(permit("/mesh", &full, shown(Some(client))), Ok(()));
        assert_eq!(permit("/mesh", &unscoped, shown(Some(client))), Err(Reason::ScopeInsufficient));
        assert_eq!(permit("/mesh", &nobody, shown(Some(client))), no, "a client stands for no role");
    }
    for client in [None, Some(&hook)] {
        assert_eq!(permit("/mesh", &full, shown(client)), no, "the rule decides alone: the next is not tried");
        assert_eq!(permit("/mesh", &unscoped, shown(client)), no, "another scope would not help");
        assert_eq!(permit("/else", &nobody, shown(client)), Ok(()));
    }
    let public = |path, client| ruling(path).permit_nobody(client).map_err(|refusal| refusal.reason);
    assert_eq!(public("/hook", shown(Some(&hook))), Ok(()));
    for client in [None, Some(&api)] {
        assert_eq!(public("/hook", shown(client)), no);
    }
    for path in ["/mesh", "/else"] {
        assert_eq!(public(path, shown(Some(&api))), no, "what asks for a user is not for nobody");
    }
    let late = Shown { certificate: Some(&api), at: api.not_after() };
    assert_eq!(permit("/mesh", &full, late), Err(Reason::CertificateExpired));
    assert_eq!(permit("/else", &full, late), Ok(()));
    assert_eq!(public("/hook", Shown { certificate: Some(&hook), ..late }), Err(Reason::CertificateExpired));
}

#[test]
fn what_no_rule_fits_is_decided_by_the_default() {
    let with = |unmatched| Endpoints::new(vec![rule("GET", "/a", wants(&["admin"], &[], &[]))], unmatched, false);
    let nobody = user(&[], &[], None);
    assert_eq!(decide(&with(Unmatched::Allow), Method::GET, "/b", &nobody), Ok(()));
    assert_eq!(decide(&with(Unmatched::Deny), Method::GET, "/b", &nobody), Err(Reason::EndpointNotAllowed));
    assert_eq!(
        decide(&with(Unmatched::Allow), Method::GET, "/a", &nobody),
        Err(Reason::EndpointNotAllowed),
        "a rule that fits is not passed over"
    );
    assert!(Endpoints::none().without_path().is_some() && with(Unmatched::Allow).without_path().is_none());
}

#[test]
fn public_routes_and_tenants_in_paths_are_known() {
    let rules = vec![rule("GET POST", "/hooks/*", Asks::Nothing), rule("*", "/t/{tenant}/**", wants(&[], &[], &[]))];
    let endpoints = Endpoints::new(rules, Unmatched::Allow, false);
    let rule_on = |method: Method, path: &str| {
        let path = endpoints.read(path).unwrap();
        let ruling = endpoints.rule_on(&method, &path);
        (ruling.is_public(), ruling.tenant(&path).map(str::to_owned))
    };
    assert_eq!(rule_on(Method::POST, "/hooks/a"), (true, None));
    assert_eq!(rule_on(Method::PUT, "/hooks/a"), (false, None));
    assert_eq!(rule_on(Method::POST, "/hooks/a/b"), (false, None));
    assert_eq!(rule_on(Method::GET, "/t/acme/x"), (false, Some("acme".to_owned())));
    assert_eq!(rule_on(Method::GET, "/t/acme"), (false, Some("acme".to_owned())));
    assert_eq!(rule_on(Method::GET, "/t"), (false, None));
}

#[test]
fn case_can_be_ignored_and_is_not_by_default() {
    let rules = || vec![rule("GET", "/Admin/**", wants(&["admin"], &[], &[])), rule("GET", "/**", wants(&[], &[], &[]))];
    let nobody = user(&[], &[], None);
    let (exact, folded) = (Endpoints::new(rules(), Unmatched::Deny, false), Endpoints::new(rules(), Unmatched::Deny, true));
    assert_eq!(decide(&exact, Method::GET, "/ADMIN/x", &nobody), Ok(()));
    assert_eq!(decide(&folded, Method::GET, "/aDMIN/x", &nobody), Err(Reason::EndpointNotAllowed));
    assert_eq!(decide(&folded, Method::GET, "/admim/x", &nobody), Ok(()));
    // The long s folds into an s for some: it is no way around.
    assert_eq!(decide(&folded, Method::GET, "/admin%C5%BF/x", &nobody), Err(Reason::PathAmbiguous));
}

/// The first rule that fits some segments, by the plainest way there is.
fn naive(rules: &[(String, String)], method: &str, segments: &[String]) -> Option<usize> {
    rules.iter().position(|(methods, path)| {
        let wanted: Vec<&str> = path.split('/').skip(1).filter(|segment| !segment.is_empty()).collect();
        let (closed, open) = match wanted.split_last() {
            Some((&"**", before)) => (before, true),
            _ => (wanted.as_slice(), false),
        };
        let method_fits = methods == "*" || methods == method || (methods == "GET" && method == "HEAD");
        let length_fits = segments.len() == closed.len() || (open && segments.len() > closed.len());
        method_fits && length_fits && closed.iter().zip(segments).all(|(wanted, segment)| *wanted == "*" || wanted == segment)
    })
}

fn found(endpoints: &Endpoints, method: &str, path: &SafePath<'_>) -> Option<usize> {
    match endpoints.rule_on(&method.parse().unwrap(), path).0 {
        Decided::Rule(number, _) => Some(number),
        Decided::Unmatched(_) => None,
    }
}

fn some_rules() -> impl Strategy<Value = Vec<(String, String)>> {
    let methods = prop_oneof![Just("*"), Just("GET"), Just("POST"), Just("HEAD")].prop_map(str::to_owned);
    let path = prop_oneof!["(/(a|b|admin|v1:x|[*])){0,3}(/[*]{2})?", Just("/**".to_owned())];
    proptest::collection::vec((methods, path.prop_map(|path| if path.is_empty() { "/".to_owned() } else { path })), 0..8)
}

/// Paths that mean well and paths that do not.
fn some_path() -> impl Strategy<Value = String> {
    let pieces = [
        "/",
        "/",
        "/",
        "a",
        "b",
        "admin",
        "adm%69n",
        "%61",
        "v1:x",
        "v1%3ax",
        "v1%3Ax",
        "x",
        "%2e",
        ".",
        "..",
        "%2f",
        "%5c",
        "\\",
        ";a",
        "%3b",
        "%25",
        "%252e",
        "%20",
        "+",
        "*",
        "%2a",
        "%00",
        "%c0%af",
        "%ef%bd%81",
        "%c3%a9",
        "%40",
        "//",
        "~",
        "%7e",
        "A",
        "%c5%bf",
        "%",
        "%zz",
        "%u0061",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn endpoints_of(rules: &[(String, String)]) -> Endpoints {
    Endpoints::new(rules.iter().map(|(methods, path)| rule(methods, path, wants(&[], &[], &[]))).collect(), Unmatched::Deny, false)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_decided_is_what_every_server_would_decide(rules in some_rules(), method in "GET|POST|HEAD|PUT", path in some_path()) {
        let endpoints = endpoints_of(&rules);
        if let Ok(safe) = endpoints.read(&path) {
            let ours = found(&endpoints, &method, &safe);
            for (name, oracle) in ORACLES {
                // The application gets the safe form; those that would have read the caller's own differently are no danger.
                if let Some(seen) = oracle(safe.as_str()) {
                    prop_assert_eq!(naive(&rules, &method, &seen), ours, "{} sees {:?} in {}", name, seen, path);
                }
            }
            let raw: Vec<String> = safe.segments().map(str::to_owned).collect();
            prop_assert_eq!(naive(&rules, &method, &raw), ours, "by the raw text of {}", path);
            prop_assert!(endpoints.read(safe.as_str()).is_ok_and(|again| again == safe), "{} is not stable", safe.as_str());
        }
    }

    #[test]
    fn the_tree_finds_what_the_list_has(rules in some_rules(), method in "GET|POST|HEAD|PUT", path in "(/(a|b|admin|v1:x|zz)){0,4}/?") {
        let endpoints = endpoints_of(&rules);
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let safe = endpoints.read(&path).unwrap();
        let listed = endpoints.rules.iter().position(|rule| rule.methods.contains(&method.parse().unwrap()) && rule.path.fits(&safe, false));
        prop_assert_eq!(found(&endpoints, &method, &safe), listed);
    }
}
