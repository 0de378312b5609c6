//! What belongs into one stack, and what is said of the rest.

use super::{OWN_ROLE, POOLED, config, print, wanted, with_credentials};
use crate::iam::{Format, Printed, Wanted, What, needed};

const FORMATS: [Format; 2] = [Format::Cloudformation, Format::Terraform];
const SOURCE: &str = "  source: {web_identity: {token_file: token, role_arn: 'arn:aws:iam::999900001111:role/palisade-base'}}\n";

fn printed(plan: &str, format: Format, tenants: &[&str], what: &[What]) -> Printed {
    let config = config(plan, "{s3: {}}");
    print(&config, &Wanted { format, what: what.to_vec(), ..wanted(&config, tenants) }).unwrap()
}

/// Whether Palisade's own policy is there.
fn has_base(printed: &Printed) -> bool {
    printed.text.contains("PalisadeBase") || printed.text.contains("palisade_base")
}

#[test]
fn a_stack_for_each_tenant_has_nothing_that_is_there_once() {
    const SAID: &str = "belong to a stack of their own: print them with --what base";
    for format in FORMATS {
        let each = printed(OWN_ROLE, format, &[], &[]);
        assert!(!has_base(&each) && each.notes.iter().any(|note| note.ends_with(SAID)), "{each:?}");
        assert!(!each.notes.iter().any(|note| note.contains("the base policy lets")), "{each:?}");
        assert!(has_base(&printed(OWN_ROLE, format, &[], &[What::Base])), "asked for");
        for all in [printed(OWN_ROLE, format, &["acme", "globex"], &[]), printed(POOLED, format, &[], &[])] {
            assert!(has_base(&all) && !all.notes.iter().any(|note| note.ends_with(SAID)), "{all:?}");
        }
        let by_hub = "{via: [{role_arn: 'arn:aws:iam::444455556666:role/hub'}], role_arn: 'arn:aws:iam::{tenant.account}:role/data'}";
        let hub = |what: &[What]| {
            let text = printed(by_hub, format, &[], what).text;
            text.contains("HubRole") || text.contains("\"hub\"")
        };
        assert!(!hub(&[]) && hub(&[What::Base]) && hub(&[What::Trust]));
    }
    assert!(printed(OWN_ROLE, Format::Json, &["acme"], &[]).text.contains("\"base\""));
}

#[test]
fn a_role_in_a_tenants_account_is_said_to_want_an_external_id() {
    for (external_id, said) in [("", "external_id is unset: "), (", external_id: palisade", "external_id is the same for every tenant: ")] {
        let plan = format!("{{role_arn: 'arn:aws:iam::{{tenant.account}}:role/data'{external_id}}}");
        let notes = printed(&plan, Format::Json, &["acme"], &[What::Trust]).notes;
        assert!(notes.len() == 1 && notes[0].contains(said) && notes[0].contains("confused deputy"), "{notes:?}");
        assert!(printed(&plan, Format::Json, &["acme"], &[What::Data]).notes.is_empty());
    }
    let own = "{role_arn: 'arn:aws:iam::{tenant.account}:role/data', external_id: '{tenant.external_id}'}";
    assert!(printed(own, Format::Json, &["acme"], &[What::Trust]).notes.is_empty());
}

#[test]
fn a_record_that_names_no_role_gets_no_role() {
    let config = config("{role_arn: '{tenant.attributes.role}'}", "{s3: {}}");
    let mut wanted = Wanted { what: vec![What::Trust], ..wanted(&config, &["acme"]) };
    for (arn, is_role) in [
        ("arn:aws:iam::111122223333:role/a", true),
        ("arn:aws:iam::111122223333:role/path/a", true),
        ("arn:aws:iam::111122223333:user/a", false),
        ("arn:aws:iam::111122223333:role", false),
        ("arn:aws:s3::111122223333:role/a", false),
    ] {
        wanted.tenants[0].attributes.insert("role".to_owned(), arn.to_owned());
        let printed = print(&config, &wanted).map_err(|error| error.to_string());
        assert_eq!(printed.is_ok(), is_role, "{arn}: {printed:?}");
        assert!(is_role || printed.unwrap_err().contains("role_arn: is no role's ARN for acme"), "{arn}");
    }
}

/// A statement that is right for the one plan would let it in without what the other's demands.
#[test]
fn no_trust_statement_is_given_for_a_role_that_two_plans_ask_for_differently() {
    let role = "role_arn: 'arn:aws:iam::111122223333:role/data'";
    let bounded = "session_policy: {inline: {Statement: [{Effect: Allow, Action: 's3:*', Resource: 'arn:aws:s3:::pool/{tenant.id}/*'}]}}";
    let of = |second: &str| {
        let plans = format!(
            "{SOURCE}  assume_role: {{{role}, session_tags: {{TenantID: '{{tenant.id}}'}}}}\n  services: {{s3: {{assume_role: {{{second}, {bounded}}}}}}}"
        );
        let config = with_credentials(&plans, "{s3: {}, dynamodb: {}}");
        let record = wanted(&config, &["acme"]).tenants.remove(0);
        needed(&config, "credentials.services.s3.assume_role", &record, "arn:aws:iam::999900001111:role/palisade-base").unwrap()
    };
    let other = of(role);
    assert_eq!((other.trust.len(), other.rival.as_deref()), (0, Some("credentials.assume_role")));
    assert!(!other.base.is_empty());
    for alike in [&format!("{role}, session_tags: {{TenantID: '{{tenant.id}}'}}"), "role_arn: 'arn:aws:iam::111122223333:role/other'"] {
        let same = of(alike);
        assert!(same.rival.is_none() && !same.trust.is_empty(), "{alike}: {same:?}");
    }
}
