//! Plans of every form: what is printed for them holds, and what is not known is not printed.

use serde_json::Value;

use super::{
    BASE,
    decisions::{may, tagged, trusts},
    json_of, print, wanted, with_credentials,
};
use crate::{
    iam::{Format, Wanted, What},
    sandbox::aws::policy::Context,
};

const SERVICES: &str = "{s3: {}, dynamodb: {}}";
const SOURCE: &str = "  source: {web_identity: {token_file: token, role_arn: 'arn:aws:iam::999900001111:role/palisade-base'}}\n";
const HUB: &str = "arn:aws:iam::444455556666:role/hub";

fn documents(plans: &str, services: &str, tenants: &[&str], what: &[What]) -> Value {
    json_of(&with_credentials(plans, services), tenants, what).unwrap()
}

fn refused(plans: &str, what: &[What]) -> String {
    json_of(&with_credentials(plans, SERVICES), &["acme"], what).unwrap_err().to_string()
}

#[test]
fn by_way_of_a_hub_each_is_trusted_by_the_next_alone() {
    let plans = format!(
        "{SOURCE}  assume_role: {{via: [{{role_arn: '{HUB}', external_id: x-hub}}], role_arn: 'arn:aws:iam::{{tenant.account}}:role/data', \
         session_tags: {{TenantID: '{{tenant.id}}'}}}}"
    );
    let documents = documents(&plans, SERVICES, &["acme"], &[What::Base, What::Trust]);
    let (hub, role) = (&documents["hubs"][0], &documents["roles"][0]);
    assert_eq!(hub["role_arn"], HUB);
    assert_eq!(hub["setting"], "credentials.assume_role.via[0]");
    let with_id = Context::default().with("sts:ExternalId", "x-hub");
    assert!(trusts(&hub["trust"], "sts:AssumeRole", BASE, &with_id));
    assert!(!trusts(&hub["trust"], "sts:AssumeRole", BASE, &Context::default()), "without its external id");
    assert!(!trusts(&hub["trust"], "sts:TagSession", BASE, &with_id), "it has no tags");
    let tags = tagged(&[("TenantID", "acme")], &[]);
    for action in ["sts:AssumeRole", "sts:TagSession"] {
        assert!(trusts(&role["trust"], action, HUB, &tags), "{action}");
        assert!(!trusts(&role["trust"], action, BASE, &tags), "{action} without the hub");
        assert!(!trusts(&role["trust"], action, HUB, &tagged(&[("TenantID", "globex")], &[])), "{action} for another tenant");
        let target = "arn:aws:iam::444455556666:role/data";
        assert!(may(&hub["policy"], action, target, &tags), "{action}");
        assert!(!may(&hub["policy"], action, HUB, &tags), "{action}");
        assert!(!may(&documents["base"]["policy"], action, target, &tags), "{action} past the hub");
    }
    assert!(may(&documents["base"]["policy"], "sts:AssumeRole", HUB, &Context::default()));
    assert!(!may(&documents["base"]["policy"], "sts:TagSession", HUB, &tags));

    let config = with_credentials(&plans, SERVICES);
    for (format, said) in [(Format::Cloudformation, "HubRoleAssume"), (Format::Terraform, "\"hub_assume\"")] {
        let printed = print(&config, &Wanted { format, what: vec![What::Base, What::Trust], ..wanted(&config, &[]) }).unwrap().text;
        assert!(printed.contains(said), "{printed}");
    }
}

#[test]
fn a_plan_of_a_service_has_a_role_for_that_service_alone() {
    let plans = format!(
        "{SOURCE}  assume_role: {{role_arn: 'arn:aws:iam::111122223333:role/data', session_tags: {{TenantID: '{{tenant.id}}'}}}}
  services: {{dynamodb: {{assume_role: {{role_arn: 'arn:aws:iam::111122223333:role/tables/{{tenant.id}}'}}}}}}"
    );
    let documents = documents(&plans, SERVICES, &["acme"], &[What::Base, What::Trust, What::Data]);
    let of = |arn: &str| documents["roles"].as_array().unwrap().iter().find(|role| role["role_arn"] == arn).unwrap().clone();
    let (objects, tables) = (of("arn:aws:iam::111122223333:role/data"), of("arn:aws:iam::111122223333:role/tables/acme"));
    assert_eq!(tables["setting"], "credentials.services.dynamodb.assume_role");
    let acme = Context::default().with("aws:PrincipalTag/TenantID", "acme").with_all("dynamodb:LeadingKeys", ["acme#1".to_owned()]);
    let table = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders";
    for (role, objects_may, tables_may) in [(&objects, true, false), (&tables, false, true)] {
        assert_eq!(may(&role["data"], "s3:GetObject", "arn:aws:s3:::pool/acme/a", &acme), objects_may);
        assert_eq!(may(&role["data"], "dynamodb:GetItem", table, &acme), tables_may);
    }
    let tags = tagged(&[("TenantID", "acme")], &[]);
    let base = &documents["base"]["policy"];
    assert!(may(base, "sts:AssumeRole", "arn:aws:iam::111122223333:role/tables/acme", &tags));
    assert!(!may(base, "sts:TagSession", "arn:aws:iam::111122223333:role/tables/acme", &tags), "a role without tags is not tagged");
}

#[test]
fn with_a_callers_token_the_role_trusts_the_issuer_for_its_audience_and_the_tokens_tags() {
    let plans = "  assume_role_with_web_identity: {token: {caller: {}}, role_arn: 'arn:aws:iam::111122223333:role/data', token_tags: {TenantID: \
                 '{tenant.id}'}}";
    let documents = documents(plans, SERVICES, &[], &[What::Trust, What::Data]);
    let statements = documents["roles"][0]["trust"]["Statement"].as_array().unwrap();
    let actions: Vec<_> = statements.iter().map(|statement| statement["Action"][0].as_str().unwrap()).collect();
    assert_eq!(actions, ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]);
    for statement in statements {
        // The provider's name has the slash of the issuer's.
        assert_eq!(statement["Principal"]["Federated"], "arn:aws:iam::111122223333:oidc-provider/idp.example.com/");
        assert!(statement["Principal"].get("AWS").is_none());
        assert_eq!(statement["Condition"]["StringEquals"]["idp.example.com/:aud"], "api");
        assert_eq!(statement["Condition"]["StringLike"]["aws:RequestTag/TenantID"], "?*");
    }
    let config = with_credentials(plans, SERVICES);
    let printed = print(&config, &wanted(&config, &[])).unwrap();
    assert!(!printed.text.contains("\"base\""), "{}", printed.text);
    for said in ["no identity of its own", "may ask STS too"] {
        assert!(printed.notes.iter().any(|note| note.contains(said)), "{said}: {:?}", printed.notes);
    }
}

#[test]
fn managed_policies_keep_tenants_apart_where_each_of_them_does() {
    let pool = |arns: &str| format!("{SOURCE}  assume_role: {{role_arn: 'arn:aws:iam::111122223333:role/data', policy_arns: [{arns}]}}");
    let of_tenant = "'arn:aws:iam::111122223333:policy/{tenant.id}'";
    let config = with_credentials(&pool(of_tenant), SERVICES);
    let printed = print(&config, &wanted(&config, &[])).unwrap();
    for said in ["policies that are sent along keep them apart", "credentials.assume_role.policy_arns: these managed policies"] {
        assert!(printed.notes.iter().any(|note| note.contains(said)), "{said}: {:?}", printed.notes);
    }
    let wrong = refused(&pool(&format!("{of_tenant}, 'arn:aws:iam::111122223333:policy/all'")), &[What::Data]);
    assert!(wrong.contains("do not tell tenants apart each"), "{wrong}");
}

#[test]
fn what_is_not_known_is_not_printed() {
    let role = "arn:aws:iam::111122223333:role";
    let token = |token: &str, rest: &str| format!("  assume_role_with_web_identity: {{token: {token}, {rest}}}");
    let hub = |more: &str| format!("{SOURCE}  assume_role: {{via: [{{role_arn: '{HUB}'{more}}}], role_arn: '{role}/{{tenant.id}}'}}");
    let two = |second: &str| {
        format!(
            "{SOURCE}  assume_role: {{role_arn: '{role}/{{tenant.id}}'}}\n  services: {{s3: {{assume_role: {{role_arn: '{role}/{{tenant.id}}'{second}}}}}}}"
        )
    };
    for (plans, what, said) in [
        (
            token("{file: token}", &format!("role_arn: '{role}/{{tenant.id}}'")),
            What::Trust,
            "credentials.assume_role_with_web_identity.token.file",
        ),
        // By a token alone, nothing bounds a caller who asks STS himself.
        (token("{caller: {}}", &format!("role_arn: '{role}/{{tenant.id}}'")), What::Trust, "no tag is {tenant.id} alone"),
        (
            hub(", session_tags: {T: '{tenant.id}'}, transitive_tag_keys: [T]"),
            What::Base,
            "via[0].transitive_tag_keys: palisade iam does not",
        ),
        (hub(""), What::Scp, "does not print a service control policy yet"),
        (two(", external_id: other"), What::Trust, "is assumed in another way"),
    ] {
        let wrong = refused(&plans, &[what]);
        assert!(wrong.contains(said), "{plans}: {wrong}");
    }
    // The rest of it is known.
    let file = with_credentials(&token("{file: token}", &format!("role_arn: '{role}/{{tenant.id}}'")), SERVICES);
    assert!(json_of(&file, &["acme"], &[What::Data]).is_ok());
    // Two plans that ask for the same are one role.
    let same = documents(&two(""), SERVICES, &["acme"], &[What::Trust, What::Data]);
    assert_eq!(same["roles"].as_array().unwrap().len(), 1);
    assert!(may(&same["roles"][0]["data"], "s3:GetObject", "arn:aws:s3:::pool/acme/a", &Context::default()));
}
