//! What an application beside Palisade may not be able to ask.

use super::*;

const ACCEPTED: &str = "{default_chain: {}}\n  shared_with_application: accepted";

fn wrong(text: &str) -> Vec<String> {
    load(text).map(drop).expect_err(text).to_string().lines().map(str::to_owned).collect()
}

/// No ingress, and an egress that applications come to from elsewhere.
fn gateway(source: &str) -> String {
    let (_, rest) = BASE.split_once('\n').unwrap();
    rest.replace("  region:", "  listen: 10.0.0.1:8180\n  region:").replace("{default_chain: {}}", source)
}

fn may_be_shared(text: &str) -> bool {
    let source = good(text).credentials.unwrap().source;
    let CredentialsSource::DefaultChain { may_be_shared } = source else { panic!("{source:?}") };
    may_be_shared
}

#[test]
fn a_chain_may_lead_anywhere_where_no_application_is_beside_or_where_that_is_accepted() {
    assert!(!may_be_shared(BASE));
    assert!(may_be_shared(&with("{default_chain: {}}", ACCEPTED)));
    assert!(may_be_shared(&gateway("{default_chain: {}}")));
    let (_, sidecar) = BASE.split_once('\n').unwrap();
    assert!(!may_be_shared(sidecar), "the application comes over loopback");
}

#[test]
fn accepting_what_cannot_be_is_an_error() {
    let own = wrong(&with("{default_chain: {}}", "{file: c}\n  shared_with_application: accepted"));
    assert!(
        own.len() == 1 && own[0].contains("credentials.shared_with_application: has no effect: this source is Palisade's own"),
        "{own:?}"
    );
    let alone = wrong(&gateway(ACCEPTED));
    assert!(
        alone.len() == 1 && alone[0].contains("credentials.shared_with_application: has no effect: no application is beside"),
        "{alone:?}"
    );
    let other = wrong(&with("{default_chain: {}}", "{default_chain: {}}\n  shared_with_application: refused"));
    assert!(other.len() == 1 && other[0].contains("credentials.shared_with_application: \"refused\" is not taken here"), "{other:?}");
}
