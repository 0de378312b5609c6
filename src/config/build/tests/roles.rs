//! Roles that tenants must not be called after.

use super::{BASE, load};

const ROLE: &str = "arn:aws:iam::111122223333:role";

/// What is said of [`BASE`] with these plans and whatever stands beside them.
fn said(credentials: &str, beside: &str) -> String {
    let (before, _) = BASE.split_once("credentials:\n").unwrap();
    let before = if beside.contains("dynamodb: {table: tenants") {
        before.replace("tenants: {directory: {any: {}}}\n", "")
    } else {
        before.to_owned()
    };
    let text = format!("{before}{beside}credentials:\n{credentials}");
    let errors = load(&text).map_or_else(|errors| errors.to_string(), |_| String::new());
    errors.lines().filter(|line| line.contains("role_arn: can be")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_role_that_a_tenant_could_be_called_after_is_refused() {
    let plan = |more: &str| format!("  source: {{default_chain: {{}}}}\n  assume_role: {{role_arn: '{ROLE}/{{tenant.id}}'{more}}}\n");
    let workload = format!(
        "workloads: {{poller: {{token_file: c, assume_role: {{role_arn: '{ROLE}/Queue-Poller'}}, actions: 'sqs:*', resources: 'arn:aws:sqs:eu-west-1:1:q'}}}}\n"
    );
    let table = |key: &str| format!("{key}: {{directory: {{dynamodb: {{table: {key}, partition_key: pk, role_arn: '{ROLE}/reader'}}}}}}\n");
    let base = format!(
        "  source: {{web_identity: {{token_file: c, role_arn: '{ROLE}/base'}}}}\n  assume_role: {{role_arn: '{ROLE}/{{tenant.id}}'}}\n"
    );
    let service =
        |role: &str| format!("  services: {{s3: {{assume_role: {{role_arn: '{ROLE}/{role}', session_tags: {{T: '{{tenant.id}}'}}}}}}}}\n");
    for (credentials, beside, other) in [
        (plan(""), table("tenants"), "/reader, which is tenants.directory.dynamodb.role_arn"),
        (plan(""), table("users"), "/reader, which is users.directory.dynamodb.role_arn"),
        (base, String::new(), "/base, which is credentials.source.web_identity.role_arn"),
        (plan(&format!(", via: [{{role_arn: '{ROLE}/hub'}}]")), String::new(), "/hub, which is credentials.assume_role.via[0].role_arn"),
        (plan(&format!(", via: [{{role_arn: '{ROLE}/hub-{{tenant.cell}}'}}]")), String::new(), "/hub-{tenant.cell}, which is"),
        (format!("{}{}", plan(""), service("pool")), String::new(), "/pool, which is credentials.services.s3.assume_role.role_arn"),
    ] {
        let said = said(&credentials, &beside);
        assert!(said.contains(&format!("credentials.assume_role.role_arn: can be {ROLE}{other}")), "{credentials}{beside}: {said}");
        assert!(said.contains("; give tenants' roles a prefix that no other role has") && said.lines().count() == 1, "{said}");
    }
    // A workload's token is checked elsewhere; its role is compared all the same.
    let text = BASE.replace("role/tenants/{tenant.id}", "role/{tenant.id}");
    let folder = super::folder();
    std::fs::write(folder.path().join("w"), "3f9c0b1d5e7a2846c0ffee0123456789abcdef0123456789\n").unwrap();
    let text = format!("{text}{}", workload.replace("token_file: c", "token_file: w"));
    let errors = crate::config::Config::parse(&text, "P", folder.path(), &|_| None).unwrap_err().to_string();
    assert!(
        errors.contains("P:12:15: credentials.assume_role.role_arn: can be") && errors.contains("workloads.poller.assume_role"),
        "{errors}"
    );
    // Of two plans, the second is told.
    let two = format!("{}{}", plan(""), service("search-{tenant.id}"));
    assert!(said(&two, "").starts_with("P:12:43: credentials.services.s3.assume_role.role_arn: can be"), "{}", said(&two, ""));
}

#[test]
fn roles_with_a_prefix_of_their_own_load() {
    let hubs = format!("via: [{{role_arn: '{ROLE}/hub'}}, {{role_arn: '{ROLE}/hubs/{{tenant.cell}}'}}]");
    let plans = format!(
        "  source: {{web_identity: {{token_file: c, role_arn: '{ROLE}/base'}}}}
  assume_role: {{{hubs}, role_arn: '{ROLE}/tenants/{{tenant.id}}'}}
  services:
    s3: {{assume_role: {{{hubs}, role_arn: '{ROLE}/tenants/{{tenant.id}}', session_tags: {{T: '{{tenant.id}}'}}}}}}
"
    );
    assert_eq!(said(&plans, ""), "");
    // Nothing can be told of what comes whole out of the record, before it comes.
    let whole = plans.replace(&format!("{ROLE}/tenants/{{tenant.id}}"), "{tenant.attributes.role}");
    assert_eq!(said(&whole, ""), "");
    let config = load(&BASE.replace(
        &format!("{ROLE}/tenants/{{tenant.id}}"),
        &format!("'{{tenant.attributes.role}}'\n    via: [{{role_arn: '{ROLE}/hub'}}]"),
    ))
    .unwrap();
    let plan = config.credentials.as_ref().unwrap().plans.default.as_ref().unwrap();
    assert_eq!((&*plan.others[0].arn, &*plan.others[0].setting), (&*format!("{ROLE}/hub"), "credentials.assume_role.via[0].role_arn"));
    // What is looked at twice is shown once and whole.
    assert_eq!(config.effective["credentials"]["assume_role"]["via"][0]["role_arn"], format!("{ROLE}/hub"));
}

#[test]
fn ids_that_nobody_has_compared_are_in_lower_case_where_they_name_roles() {
    let lower_case =
        |text: &str| load(text).unwrap_or_else(|errors| panic!("{errors}")).credentials.unwrap().plans.default.unwrap().lower_case_ids;
    let in_file = BASE.replace("{any: {}}", "{file: c}");
    let by_tag = |policies: &str| {
        BASE.replace(
            "/tenants/{tenant.id}\n",
            &format!("/data\n    session_tags: {{T: '{{tenant.id}}'}}\n    policy_arns: ['arn:aws:iam::111122223333:policy/{policies}']\n"),
        )
    };
    assert!(lower_case(BASE) && lower_case(&by_tag("{tenant.id}")));
    assert!(!lower_case(&by_tag("data")) && !lower_case(&in_file));
    let hub = by_tag("data").replace("    policy_arns", &format!("    via: [{{role_arn: '{ROLE}/hubs/{{tenant.id}}'}}]\n    policy_arns"));
    assert!(lower_case(&hub));
}

/// Only what is a record's value as it is cannot be told before it comes.
#[test]
fn a_record_s_value_with_an_id_behind_it_is_compared_too() {
    let plan = |arn: &str| format!("  source: {{default_chain: {{}}}}\n  assume_role: {{role_arn: '{arn}'}}\n");
    let table = format!("users: {{directory: {{dynamodb: {{table: users, partition_key: pk, role_arn: '{ROLE}/reader'}}}}}}\n");
    assert!(said(&plan("{tenant.attributes.base}/{tenant.id}"), &table).contains("/reader, which is users.directory.dynamodb.role_arn"));
    assert_eq!(said(&plan("{tenant.attributes.role}"), &table), "");
}
