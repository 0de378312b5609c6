//! What is not printed, and what is left open.

use super::{BASE, OWN_ACCOUNT, OWN_ROLE, POOLED, config, json, wanted};
use crate::iam::{Format, Wanted, What, print};

fn refused(plan: &str, change: impl Fn(&mut Wanted)) -> String {
    let config = config(plan, "{s3: {}, aoss: {endpoint: 'https://abc123.eu-west-1.aoss.amazonaws.com'}}");
    let mut wanted = wanted(&config, &[]);
    change(&mut wanted);
    print(&config, &wanted).unwrap_err().to_string()
}

#[test]
fn names_and_prefixes_that_let_tenants_meet_are_refused() {
    for (text, said) in [
        ("data/", "no {tenant.id}"),
        ("{tenant.id}", "directly followed by '*'"),
        ("{tenant.id}-", "directly followed by '-'"),
        ("{tenant.cell}/", "only {tenant.id} can"),
        ("*/{tenant.id}/", "means something to IAM"),
        ("{tenant.id", "without its '}'"),
    ] {
        let wrong = refused(POOLED, |wanted| wanted.prefix = text.to_owned());
        assert!(wrong.starts_with("--prefix") && wrong.contains(said), "{text}: {wrong}");
        let wrong = refused(POOLED, |wanted| wanted.leading_key = text.to_owned());
        assert!(wrong.starts_with("--leading-key"), "{text}: {wrong}");
    }
    let wrong = refused(POOLED, |wanted| wanted.buckets = vec!["*".to_owned()]);
    assert!(wrong.contains("means something"), "{wrong}");
    let wrong = refused(POOLED, |wanted| wanted.buckets = vec!["pool".to_owned(), "backups-{tenant.id}".to_owned()]);
    assert!(wrong.contains("either all of the names"), "{wrong}");
}

#[test]
fn an_index_that_every_tenants_role_would_reach_is_refused() {
    let with = |index: &str, collection: &str| {
        let config = config(OWN_ROLE, "{aoss: {endpoint: 'https://abc123.eu-west-1.aoss.amazonaws.com'}}");
        let named = |name: &str| Some(name.to_owned());
        let wanted = wanted(&config, &["acme", "globex"]);
        let wanted = Wanted { index: named(index), collection: named(collection), what: vec![What::Aoss], ..wanted };
        print(&config, &wanted).map(|printed| printed.text).map_err(|error| error.to_string())
    };
    assert!(with("logs", "search").unwrap_err().contains("--index: has no {tenant.id}"));
    let printed = with("logs", "search-{tenant.id}").unwrap();
    assert!(printed.contains("index/search-acme/logs") && printed.contains("index/search-globex/logs"), "{printed}");
}

#[test]
fn what_cannot_tell_tenants_apart_is_refused_with_the_cure() {
    let by_attribute = "{role_arn: 'arn:aws:iam::111122223333:role/data', session_tags: {Bucket: '{tenant.attributes.bucket}'}}";
    for what in [What::Data, What::Kms] {
        let wrong = refused(by_attribute, |wanted| wanted.what = vec![what]);
        assert!(wrong.contains("no session tag is {tenant.id} alone") && wrong.contains("TenantID"), "{wrong}");
    }
    let wrong = refused(POOLED, |wanted| wanted.what = vec![What::Aoss]);
    assert!(wrong.contains("neither session tags nor session policies"), "{wrong}");
    let wrong = refused(POOLED, |wanted| {
        wanted.format = Format::Terraform;
        wanted.what = vec![What::Session];
    });
    assert!(wrong.contains("use --format json"), "{wrong}");
    let wrong = refused("{role_arn: '{tenant.attributes.role}'}", |_| {});
    assert!(wrong.contains("give --tenant ID"), "{wrong}");
}

#[test]
fn a_document_in_which_something_is_open_cannot_be_applied() {
    let wrong = json(OWN_ROLE, &[], &[]).unwrap_err().to_string();
    assert!(wrong.contains("depend on tenant.id") && wrong.contains("cloudformation"), "{wrong}");

    let config = config(POOLED, "{s3: {}, dynamodb: {}}");
    let open =
        Wanted { buckets: Vec::new(), tables: Vec::new(), admin_arn: None, what: vec![What::Data, What::Scp], ..wanted(&config, &[]) };
    let printed = print(&config, &open).unwrap().text;
    for missing in ["\"<give --bucket NAME>\"", "\"<give --table NAME>\"", "\"<give --admin-arn ARN>\""] {
        assert!(printed.contains(missing), "{missing}: {printed}");
    }
    assert!(printed.contains(BASE) && !printed.contains("arn:aws:s3:::/"), "{printed}");
    let known = Wanted { base_arn: Some("arn:aws:iam::111122223333:user/other".to_owned()), ..open };
    assert!(!print(&config, &known).unwrap().text.contains(BASE), "the command line wins");
}

/// Two tenants whose records name one role would each reach what the other's policy of it names.
#[test]
fn a_role_that_two_records_name_is_no_tenants_own() {
    let by = |value: &str| format!("{{role_arn: 'arn:aws:iam::{value}'}}");
    let printed = |plan: &str, tenants: &[&str], change: &dyn Fn(&mut Wanted)| {
        let config = config(plan, "{s3: {}, kms: {}}");
        let mut wanted = wanted(&config, tenants);
        (wanted.format, wanted.what) = (Format::Terraform, vec![What::Trust, What::Data, What::Kms]);
        change(&mut wanted);
        print(&config, &wanted).map(|printed| printed.notes).map_err(|error| error.to_string())
    };
    let same_account = |wanted: &mut Wanted| {
        let account = wanted.known[0].account.clone();
        wanted.known.iter_mut().filter(|record| record.id.as_str() == "globex").for_each(|record| record.account.clone_from(&account));
        let known = wanted.known.clone();
        wanted.tenants.iter_mut().for_each(|tenant| *tenant = known.iter().find(|record| record.id == tenant.id).unwrap().clone());
    };
    let account = by("{tenant.account}:role/data");
    for tenants in [&[][..], &["acme"], &["globex"]] {
        assert!(printed(&account, tenants, &|_| {}).is_ok(), "{tenants:?}");
        let wrong = printed(&account, tenants, &same_account).unwrap_err();
        assert!(
            wrong.contains("credentials.assume_role.role_arn: acme and globex have one role, by {tenant.account} of their records"),
            "{wrong}"
        );
    }
    // A pair that nothing is printed for keeps nobody waiting.
    assert!(printed(&account, &["acme-eu"], &same_account).is_ok());
    // The id is in one name alone.
    assert!(printed(&by("{tenant.account}:role/t-{tenant.id}"), &["acme"], &same_account).is_ok());

    let unknown = |wanted: &mut Wanted| wanted.known.clear();
    let note = |plan: &str| {
        printed(plan, &["acme"], &unknown).unwrap().into_iter().filter(|note| note.contains("right only where no two")).count()
    };
    assert_eq!((note(&account), note(&by("{tenant.account}:role/t-{tenant.id}")), note(OWN_ACCOUNT)), (1, 0, 0));
}
