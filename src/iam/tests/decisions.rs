//! Who may do what under the printed policies.

use serde_json::{Value, json};

use super::{BASE, BY_SESSION_POLICY, OWN_ACCOUNT, OWN_ROLE, POOLED, config, json, print, wanted};
use crate::{
    config::template::JsonTemplate,
    directory::TenantRecord,
    iam::{Wanted, What},
    sandbox::aws::policy::{Context, Policy, PolicyKind, Request, Verdict},
};

fn decide(policy: &Value, kind: PolicyKind, action: &str, resource: &str, caller: &str, context: &Context) -> Verdict {
    let caller = [caller.to_owned()];
    Policy::parse(policy, kind).unwrap().evaluate(&Request { action, resource, caller: &caller, context })
}

pub(super) fn may(policy: &Value, action: &str, resource: &str, context: &Context) -> bool {
    decide(policy, PolicyKind::Identity, action, resource, "", context) == Verdict::Allow
}

pub(super) fn trusts(policy: &Value, action: &str, caller: &str, context: &Context) -> bool {
    decide(policy, PolicyKind::Trust, action, "", caller, context) == Verdict::Allow
}

/// What STS sees of a call with these tags.
pub(super) fn tagged(tags: &[(&str, &str)], transitive: &[&str]) -> Context {
    let context = Context::default().with_all("aws:TagKeys", tags.iter().map(|(key, _)| (*key).to_owned()));
    let context = context.with_all("sts:TransitiveTagKeys", transitive.iter().map(|key| (*key).to_owned()));
    tags.iter().fold(context, |context, (key, value)| context.with(&format!("aws:RequestTag/{key}"), *value))
}

fn of(tenant: &str) -> Context {
    Context::default().with("aws:PrincipalTag/TenantID", tenant)
}

#[test]
fn a_pooled_role_is_assumed_by_palisade_with_its_tags_and_in_no_other_way() {
    let documents = json(POOLED, &[], &[What::Trust]).unwrap();
    let trust = &documents["roles"][0]["trust"];
    let right = [("TenantID", "acme"), ("Cell", "c1"), ("App", "palisade")];
    for action in ["sts:AssumeRole", "sts:TagSession"] {
        let allowed = |caller: &str, tags: &[(&str, &str)], transitive: &[&str]| trusts(trust, action, caller, &tagged(tags, transitive));
        assert!(allowed(BASE, &right, &["TenantID"]), "{action}");
        assert!(!allowed("arn:aws:iam::999900001111:role/other", &right, &["TenantID"]), "{action}");
        assert!(!allowed(BASE, &[], &[]), "{action} without tags");
        assert!(!allowed(BASE, &right[1..], &[]), "{action} without the tenant");
        assert!(!allowed(BASE, &[("TenantID", ""), right[1], right[2]], &["TenantID"]), "{action} with an empty tenant");
        assert!(!allowed(BASE, &[right[0], right[1], ("App", "other")], &["TenantID"]), "{action} with another application");
    }
    let with_more = [&right[..], &[("Admin", "yes")]].concat();
    assert!(!trusts(trust, "sts:TagSession", BASE, &tagged(&with_more, &["TenantID"])), "a tag that nobody foresaw");
    assert!(!trusts(trust, "sts:TagSession", BASE, &tagged(&right, &["Cell"])), "a tag that should not stay");
    assert!(trusts(trust, "sts:SetSourceIdentity", BASE, &Context::default().with("sts:SourceIdentity", "user-1")));
    assert!(!trusts(trust, "sts:SetSourceIdentity", BASE, &Context::default()));
    assert!(!trusts(trust, "sts:AssumeRoleWithWebIdentity", BASE, &tagged(&right, &[])));
}

#[test]
fn a_session_of_the_pooled_role_reaches_its_tenants_data_alone() {
    let documents = json(POOLED, &[], &[What::Data]).unwrap();
    let data = &documents["roles"][0]["data"];
    let acme = of("acme");
    let object = |key: &str| format!("arn:aws:s3:::pool/{key}");
    assert!(may(data, "s3:GetObject", &object("acme/a"), &acme) && may(data, "s3:PutObject", &object("acme/"), &acme));
    for key in ["globex/a", "acme-eu/a", "acme", "acm/a", "x/acme/a", ""] {
        assert!(!may(data, "s3:GetObject", &object(key), &acme), "{key}");
    }
    for context in [Context::default(), of("")] {
        assert!(
            !may(data, "s3:GetObject", &object("acme/a"), &context)
                && !may(data, "s3:GetObject", &object("${aws:PrincipalTag/TenantID}/a"), &context)
        );
    }
    let bucket = "arn:aws:s3:::pool";
    let listing = |prefix: &str| acme.clone().with("s3:prefix", prefix);
    assert!(may(data, "s3:ListBucket", bucket, &listing("acme/")) && may(data, "s3:ListBucket", bucket, &listing("acme/a")));
    assert!(!may(data, "s3:ListBucket", bucket, &acme), "a listing of everything");
    assert!(["", "acme", "acme-eu/", "globex/"].iter().all(|prefix| !may(data, "s3:ListBucket", bucket, &listing(prefix))));

    let table = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders";
    let keys = |keys: &[&str]| acme.clone().with_all("dynamodb:LeadingKeys", keys.iter().map(|key| (*key).to_owned()));
    assert!(may(data, "dynamodb:Query", table, &keys(&["acme#1"])));
    assert!(may(data, "dynamodb:BatchGetItem", table, &keys(&["acme#1", "acme#2"])));
    for wrong in [&["globex#1"][..], &["acme#1", "globex#1"], &["acme-eu#1"], &["acme"]] {
        assert!(!may(data, "dynamodb:BatchGetItem", table, &keys(wrong)), "{wrong:?}");
    }
    // What `ForAllValues` alone would let pass.
    assert!(!may(data, "dynamodb:Query", table, &keys(&[])), "a request without keys");
    assert!(!may(data, "dynamodb:Scan", table, &keys(&["acme#1"])));
    assert!(!may(data, "dynamodb:Query", &format!("{table}/index/by-day"), &keys(&["acme#1"])), "an index that nobody has named");
    assert!(!may(data, "dynamodb:DeleteTable", table, &keys(&["acme#1"])));
    assert!(!may(data, "s3:DeleteBucket", bucket, &acme) && !may(data, "s3:PutBucketPolicy", bucket, &acme));
}

/// Whoever writes an item of a table that tenants share chooses its key in a global index: nobody sees that key.
#[test]
fn an_index_of_a_shared_table_is_reached_where_it_is_named() {
    let config = config(POOLED, "{dynamodb: {}}");
    let with = |tables: &[&str], indexes: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let wanted = Wanted { what: vec![What::Data], tables: texts(tables), table_indexes: texts(indexes), ..wanted(&config, &[]) };
        print(&config, &wanted)
            .map(|printed| (serde_json::from_str::<Value>(&printed.text).unwrap()["roles"][0]["data"].clone(), printed.notes))
    };
    let index = |index: &str| format!("arn:aws:dynamodb:eu-west-1:111122223333:table/orders/index/{index}");
    let keys = |keys: &[&str]| of("acme").with_all("dynamodb:LeadingKeys", keys.iter().map(|key| (*key).to_owned()));
    let (data, notes) = with(&["orders", "carts"], &["orders/by-day"]).unwrap();
    assert!(may(&data, "dynamodb:Query", &index("by-day"), &keys(&["acme#1"])));
    assert!(
        !may(&data, "dynamodb:Query", &index("by-day"), &keys(&["globex#1"]))
            && !may(&data, "dynamodb:Query", &index("by-day"), &keys(&[]))
    );
    assert!(
        !may(&data, "dynamodb:Query", &index("by-user"), &keys(&["acme#1"]))
            && !may(&data, "dynamodb:Scan", &index("by-day"), &keys(&["acme#1"]))
    );
    assert!(notes.iter().any(|note| note.starts_with("--table-index orders/by-day: IAM looks at")), "{notes:?}");
    // A table of the tenant's own has whatever indexes it has.
    let (own, notes) = with(&["orders-{tenant.id}"], &[]).unwrap();
    let of_table = |table: &str| format!("arn:aws:dynamodb:eu-west-1:111122223333:table/{table}/index/any");
    assert!(
        may(&own, "dynamodb:Query", &of_table("orders-acme"), &of("acme"))
            && !may(&own, "dynamodb:Query", &of_table("orders-globex"), &of("acme"))
    );
    assert!(!notes.iter().any(|note| note.contains("--table-index")), "{notes:?}");
    for (wrong, said) in [
        ("orders", "is not TABLE/INDEX"),
        ("orders/", "is not TABLE/INDEX"),
        ("other/by-day", "of a table that no --table names"),
        ("orders/*", "means something to IAM"),
        ("orders/{tenant.id}", "cannot stand here"),
    ] {
        let error = with(&["orders"], &[wrong]).unwrap_err().to_string();
        assert!(error.starts_with("--table-index") && error.contains(said), "{wrong}: {error}");
    }
}

/// Whether a role is one tenant's alone, other records decide: where there is a tag, it is what is compared.
#[test]
fn a_tag_is_compared_in_a_role_of_one_tenant_too() {
    let documents = json(OWN_ACCOUNT, &["acme"], &[What::Data, What::Kms]).unwrap();
    let data = &documents["roles"][0]["data"];
    assert!(may(data, "s3:GetObject", "arn:aws:s3:::pool/acme/a", &of("acme")));
    assert!(!may(data, "s3:GetObject", "arn:aws:s3:::pool/acme/a", &of("globex")));
    assert!(!may(data, "s3:GetObject", "arn:aws:s3:::pool/acme/a", &Context::default()));
    assert_eq!(documents["kms"][0]["policy"]["Statement"][1]["Condition"]["StringEquals"]["aws:PrincipalTag/TenantID"], "acme");
}

#[test]
fn a_role_of_one_tenant_is_its_own() {
    let documents = json(OWN_ROLE, &["acme", "globex"], &[What::Trust, What::Data]).unwrap();
    for (role, tenant, other) in [(&documents["roles"][0], "acme", "globex"), (&documents["roles"][1], "globex", "acme")] {
        assert_eq!(role["tenant"], tenant);
        assert_eq!(role["role_arn"], format!("arn:aws:iam::111122223333:role/tenant-{tenant}"));
        assert!(trusts(&role["trust"], "sts:AssumeRole", BASE, &Context::default()));
        assert!(!trusts(&role["trust"], "sts:TagSession", BASE, &tagged(&[("TenantID", tenant)], &[])), "it has no tags");
        let object = |tenant: &str| format!("arn:aws:s3:::pool/{tenant}/a");
        assert!(may(&role["data"], "s3:GetObject", &object(tenant), &Context::default()));
        assert!(!may(&role["data"], "s3:GetObject", &object(other), &Context::default()));
    }
}

#[test]
fn a_role_in_the_tenants_account_demands_its_external_id_and_its_tag() {
    let documents = json(OWN_ACCOUNT, &["acme"], &[What::Trust]).unwrap();
    let role = &documents["roles"][0];
    assert_eq!(role["role_arn"], "arn:aws:iam::444455556666:role/data");
    let call = |tenant: &str, external_id: &str| tagged(&[("TenantID", tenant)], &[]).with("sts:ExternalId", external_id);
    assert!(trusts(&role["trust"], "sts:AssumeRole", BASE, &call("acme", "x-acme")));
    assert!(trusts(&role["trust"], "sts:TagSession", BASE, &tagged(&[("TenantID", "acme")], &[])));
    assert!(!trusts(&role["trust"], "sts:AssumeRole", BASE, &call("acme", "x-globex")), "the confused deputy");
    assert!(!trusts(&role["trust"], "sts:AssumeRole", BASE, &tagged(&[("TenantID", "acme")], &[])));
    assert!(!trusts(&role["trust"], "sts:AssumeRole", BASE, &call("globex", "x-acme")));
}

#[test]
fn palisade_itself_may_become_tenants_and_nothing_else() {
    let role = "arn:aws:iam::111122223333:role/data/tenant-pool";
    let documents = json(POOLED, &[], &[What::Base, What::Scp]).unwrap();
    let base = &documents["base"]["policy"];
    let tags = tagged(&[("TenantID", "acme"), ("Cell", "c1"), ("App", "palisade")], &["TenantID"]);
    for action in ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"] {
        assert!(may(base, action, role, &tags), "{action}");
        assert!(!may(base, action, "arn:aws:iam::111122223333:role/admin", &tags), "{action}");
    }
    assert!(!may(base, "sts:TagSession", role, &tagged(&[("Admin", "yes")], &[])));
    assert!(!may(base, "s3:GetObject", "arn:aws:s3:::pool/acme/a", &of("acme")));

    // Of the organisation: it denies, whatever else allows.
    let scp = &documents["scp"]["policy"];
    let as_principal = |arn: &str| Context::default().with("aws:PrincipalArn", arn);
    let denied = |action: &str, resource: &str, by: &str| {
        decide(scp, PolicyKind::Identity, action, resource, "", &as_principal(by)) == Verdict::ExplicitDeny
    };
    assert!(denied("sts:AssumeRole", role, "arn:aws:iam::111122223333:role/developer") && !denied("sts:AssumeRole", role, BASE));
    for action in ["iam:UpdateAssumeRolePolicy", "iam:CreateRole", "iam:PassRole", "iam:UpdateRoleDescription", "iam:PutRolePolicy"] {
        assert!(denied(action, role, "arn:aws:iam::111122223333:role/developer"), "{action}");
        assert!(!denied(action, role, "arn:aws:iam::111122223333:role/platform"), "{action}");
        assert!(!denied(action, "arn:aws:iam::111122223333:role/app", "arn:aws:iam::111122223333:role/developer"), "{action}");
    }
    assert!(!denied("iam:GetRole", role, "arn:aws:iam::111122223333:role/developer"));
    assert!(denied("s3:GetObject", "arn:aws:s3:::pool/acme/a", BASE) && !denied("s3:GetObject", "arn:aws:s3:::pool/acme/a", role));

    let exact = json(OWN_ROLE, &["acme"], &[What::Base]).unwrap();
    let base = &exact["base"]["policy"];
    assert!(may(base, "sts:AssumeRole", "arn:aws:iam::111122223333:role/tenant-acme", &tags));
    assert!(!may(base, "sts:AssumeRole", "arn:aws:iam::111122223333:role/tenant-globex", &tags));
}

#[test]
fn managed_policies_of_tenants_stay_as_they_are() {
    let plan = "{role_arn: 'arn:aws:iam::111122223333:role/data', session_tags: {TenantID: '{tenant.id}'}, policy_arns: \
                ['arn:aws:iam::111122223333:policy/tenants/{tenant.id}', 'arn:aws:iam::aws:policy/ReadOnlyAccess']}";
    let config = config(plan, "{s3: {}}");
    let with = |role_policies: &[&str]| {
        let role_policies = role_policies.iter().map(|arn| (*arn).to_owned()).collect();
        let wanted = Wanted { what: vec![What::Scp], role_policies, ..wanted(&config, &[]) };
        print(&config, &wanted)
            .map(|printed| (serde_json::from_str::<Value>(&printed.text).unwrap()["scp"]["policy"].clone(), printed.notes))
            .unwrap()
    };
    let denied = |scp: &Value, action: &str, policy: &str, by: &str| {
        let context = Context::default().with("aws:PrincipalArn", format!("arn:aws:iam::111122223333:role/{by}"));
        decide(scp, PolicyKind::Identity, action, &format!("arn:aws:iam::111122223333:policy/{policy}"), "", &context)
            == Verdict::ExplicitDeny
    };
    let (scp, notes) = with(&[]);
    assert!(notes.iter().any(|note| note.contains("--role-policy ARN")), "{notes:?}");
    for action in ["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicyVersion", "iam:CreatePolicy"] {
        assert!(denied(&scp, action, "tenants/acme", "developer") && !denied(&scp, action, "tenants/acme", "platform"), "{action}");
        assert!(!denied(&scp, action, "app", "developer") && !denied(&scp, action, "boundary", "developer"), "{action}");
    }
    assert!(!scp.to_string().contains("ReadOnlyAccess"), "AWS's own is not to be changed anyway: {scp}");
    let (scp, notes) = with(&["arn:aws:iam::111122223333:policy/boundary"]);
    assert!(
        denied(&scp, "iam:CreatePolicyVersion", "boundary", "developer")
            && denied(&scp, "iam:CreatePolicyVersion", "tenants/acme", "developer")
    );
    assert!(!notes.iter().any(|note| note.contains("--role-policy")), "{notes:?}");
}

#[test]
fn a_key_is_used_by_sessions_of_its_tenant() {
    let documents = json(POOLED, &["acme"], &[What::Kms]).unwrap();
    let mut policy = documents["kms"][0]["policy"].clone();
    assert_eq!(policy["Statement"][0]["Principal"]["AWS"], "arn:aws:iam::111122223333:root");
    assert_eq!(policy["Statement"][1]["Principal"]["AWS"], "arn:aws:iam::111122223333:role/data/tenant-pool");
    // The evaluator knows principals with trust policies alone.
    for statement in policy["Statement"].as_array_mut().unwrap() {
        statement.as_object_mut().unwrap().remove("Principal");
    }
    // What the account has, any policy of IAM in it gives on.
    let account = json!({"Version": "2012-10-17", "Statement": policy["Statement"][0]});
    for action in ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKeyPair", "kms:ReEncryptFrom", "kms:CreateGrant", "kms:GenerateMac"] {
        assert!(!may(&account, action, "*", &Context::default()), "{action}");
    }
    for action in ["kms:PutKeyPolicy", "kms:GetKeyPolicy", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:EnableKey"] {
        assert!(may(&account, action, "*", &Context::default()), "{action}");
    }
    let usage = json!({"Version": "2012-10-17", "Statement": policy["Statement"][1]});
    let via = |context: Context| context.with("kms:ViaService", "s3.eu-west-1.amazonaws.com");
    assert!(may(&usage, "kms:Decrypt", "*", &via(of("acme"))));
    assert!(!may(&usage, "kms:Decrypt", "*", &via(of("globex"))) && !may(&usage, "kms:Decrypt", "*", &via(Context::default())));
    assert!(!may(&usage, "kms:Decrypt", "*", &of("acme")), "by itself, without a service");
    assert!(!may(&usage, "kms:ScheduleKeyDeletion", "*", &via(of("acme"))));
}

#[test]
fn a_session_policy_that_is_proposed_can_be_configured_and_holds() {
    let documents = json(POOLED, &[], &[What::Session]).unwrap();
    let template = JsonTemplate::parse(&documents["session"][0]["policy"].to_string()).unwrap();
    let rendered: Value = serde_json::from_str(&template.render(&TenantRecord::bare("acme".parse().unwrap())).unwrap()).unwrap();
    assert!(may(&rendered, "s3:GetObject", "arn:aws:s3:::pool/acme/a", &Context::default()));
    assert!(!may(&rendered, "s3:GetObject", "arn:aws:s3:::pool/globex/a", &Context::default()));

    let configured = json(BY_SESSION_POLICY, &["acme"], &[What::Session, What::Data]).unwrap();
    assert_eq!(configured["session"][0]["policy"]["Statement"][0]["Resource"], "arn:aws:s3:::pool/acme/*");
    // The role's own policy is what all tenants' sessions have in common.
    assert!(may(&configured["roles"][0]["data"], "s3:GetObject", "arn:aws:s3:::pool/globex/a", &Context::default()));
}

#[test]
fn where_keys_are_learnt_the_tables_may_be_described_and_nothing_more() {
    let with = |guard: &str| {
        let text = format!(
            "egress: {{region: eu-west-1, services: {{dynamodb: {{}}}}}}
guard: {{dynamodb: [{{tables: [orders], leading_key: '{{tenant.id}}#', {guard}}}]}}
tenants: {{directory: {{file: tenants.yaml}}}}
credentials:
  source: {{web_identity: {{token_file: token, role_arn: '{BASE}'}}}}
  assume_role: {POOLED}"
        );
        super::json_of(&super::load(&text), &[], &[What::Data]).unwrap()["roles"][0]["data"].clone()
    };
    let data = with("learn: true");
    let may = |policy: &Value, action: &str, table: &str, context: &Context| {
        may(policy, action, &format!("arn:aws:dynamodb:eu-west-1:111122223333:table/{table}"), context)
    };
    let acme = of("acme");
    assert!(may(&data, "dynamodb:DescribeTable", "orders", &acme) && !may(&data, "dynamodb:DescribeTable", "others", &acme));
    for action in ["dynamodb:GetItem", "dynamodb:Scan", "dynamodb:UpdateTable", "dynamodb:DescribeTimeToLive"] {
        assert!(!may(&data, action, "orders", &acme), "{action} without a key");
    }
    assert!(!may(&with("key: pk"), "dynamodb:DescribeTable", "orders", &acme));
}
