//! What leaves tenants together.

use super::{CONFIG, check_text};

/// [`CONFIG`] with one plan, and with `services`.
fn with_plan(plan: &str, services: &str) -> String {
    let (before, _) = CONFIG.split_once("  assume_role:").unwrap();
    format!("{before}  assume_role: {plan}\n").replace("{s3: {}}", services)
}

#[test]
fn what_leaves_tenants_together_in_a_session_policy_is_said() {
    let role = "role_arn: 'arn:aws:iam::111122223333:role/data'";
    let mine = "{Effect: Allow, Action: 's3:*', Resource: 'arn:aws:s3:::a/{tenant.id}/*'}";
    let said = |more: &str, statements: &str| {
        let plan = format!("{{{role}{more}, session_policy: {{inline: {{Statement: [{statements}]}}}}}}");
        let (code, _, err) = check_text(&with_plan(&plan, "{s3: {}}"), "tenants: {acme: {}}");
        assert_eq!(code, 0, "{err}");
        err
    };
    let err = said("", &format!("{mine}, {{Sid: '{{tenant.id}}', Effect: Allow, Action: 's3:*', Resource: '*'}}"));
    assert!(err.contains("Statement[1] allows every tenant the same") && err.contains("the tenant stands in Sid"), "{err}");
    let err = said("", "{Effect: Allow, Action: 's3:*', Resource: ['arn:aws:s3:::a/{tenant.id}/*', 'arn:aws:s3:::a']}");
    assert!(err.contains("Statement[0] allows every tenant") && err.contains("with the resource arn:aws:s3:::a;"), "{err}");
    let scan = "{Effect: Allow, Action: 'dynamodb:*', Resource: '*', Condition: {'ForAllValues:StringLike': {'dynamodb:LeadingKeys': '{tenant.id}#*'}}}";
    let err = said("", &format!("{mine}, {scan}"));
    assert!(err.contains("session_policy: Statement[1].Condition: ForAllValues:StringLike of dynamodb:LeadingKeys"), "{err}");
    assert!(err.contains(r#"add "Null": {"dynamodb:LeadingKeys": "false"} to the Condition"#) && err.lines().count() == 2, "{err}");
    let tagged = ", session_tags: {T: '{tenant.id}'}";
    // Beside tags it is one of two bounds, and loose all the same.
    let loose = "{Effect: Allow, Action: 's3:*', Resource: '*', Condition: {StringLikeIfExists: {'s3:prefix': '{tenant.id}/*'}}}";
    let err = said(tagged, loose);
    assert!(err.lines().count() == 1 && err.contains("StringLikeIfExists of s3:prefix"), "{err}");
    let err = said(tagged, "{Effect: Deny, Action: 's3:*', Resource: '*'}");
    assert!(err.lines().count() == 1 && err.contains("no statement allows anything"), "{err}");
    // With the place of the setting.
    assert!(err.starts_with("F/p.yaml:9:"), "{err}");
}

#[test]
fn a_role_that_tenants_share_is_no_bound_in_a_search_collection() {
    let services = "{s3: {}, search: {unguarded: true, signing_name: aoss, endpoint: 'https://a.eu-west-1.aoss.amazonaws.com'}}";
    let said = |role: &str| {
        let plan = format!("{{role_arn: 'arn:aws:iam::111122223333:role/{role}', session_tags: {{T: '{{tenant.id}}'}}}}");
        check_text(&with_plan(&plan, services), "tenants: {acme: {cell: c1}}").2
    };
    let err = said("{tenant.cell}");
    assert!(err.lines().count() == 1 && err.contains("holds for egress.services.search: OpenSearch Serverless looks at neither"), "{err}");
    assert_eq!(said("{tenant.id}"), "");
}

/// A guard that enforces rules there makes it one line, and not two.
#[test]
fn what_the_guard_adds_where_a_role_is_shared_is_said() {
    let services = "{aoss: {endpoint: 'https://a.eu-west-1.aoss.amazonaws.com'}}";
    let plan = "{role_arn: 'arn:aws:iam::111122223333:role/pool', session_tags: {T: '{tenant.id}'}}";
    let said = |rule: &str| {
        let rules = format!("aoss: [{{indexes: ['a-{{tenant.id}}']{rule}}}]");
        let text = with_plan(plan, "{}").replace("services: {}", &format!("services: {services}"));
        let guard = text.lines().find(|line| line.starts_with("guard:")).unwrap().to_owned();
        check_text(&text.replace(&guard, &format!("guard: {{{rules}}}")), "tenants: {acme: {}}").2
    };
    assert!(said("").contains("guard.aoss alone keeps tenants apart there"), "{}", said(""));
    assert!(!said(", mode: audit").contains("guard.aoss alone"));
}

#[test]
fn an_account_for_each_tenant_asks_for_an_external_id_for_each() {
    let two = "tenants: {acme: {account: '444455556666', external_id: x-1}, beta: {account: '444455557777', external_id: ID}}";
    let said = |external_id: &str, tenants: &str| {
        let plan = format!("{{role_arn: 'arn:aws:iam::{{tenant.account}}:role/data'{external_id}}}");
        let (code, _, err) = check_text(&with_plan(&plan, "{s3: {}}"), tenants);
        assert_eq!(code, 0, "{err}");
        err
    };
    let own = ", external_id: '{tenant.external_id}'";
    assert_eq!(said(own, &two.replace("ID", "x-2")), "");
    for (external_id, told) in
        [("", "external_id is unset, and the role is in"), (", external_id: palisade", "external_id is the same for every tenant")]
    {
        let err = said(external_id, &two.replace("ID", "x-2"));
        assert!(err.lines().count() == 1 && err.contains(told) && err.contains("confused deputy"), "{err}");
    }
    let err = said(own, &two.replace("ID", "x-1"));
    assert!(err.lines().count() == 1 && err.contains("external_id is the same for acme and beta") && !err.contains("x-1"), "{err}");
    // The accounts may as well stand in the records' ARNs.
    let records = |accounts: [&str; 2]| {
        let [one, two] = accounts.map(|account| format!("{{attributes: {{r: 'arn:aws:iam::{account}:role/r-{account}'}}}}"));
        let tenants = format!("tenants: {{acme: {one}, beta: {}}}", two.replace("r-", "s-"));
        check_text(&with_plan("{role_arn: '{tenant.attributes.r}'}", "{s3: {}}"), &tenants).2
    };
    let err = records(["444455556666", "444455557777"]);
    assert!(err.lines().count() == 1 && err.contains("external_id is unset, and tenants' roles are in several accounts"), "{err}");
    assert_eq!(records(["444455556666", "444455556666"]), "");
}
