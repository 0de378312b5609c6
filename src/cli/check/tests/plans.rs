//! What is dangerous or cannot work in a plan.

use super::{CONFIG, check_text};

#[test]
fn what_is_dangerous_or_unreachable_in_a_plan_is_said() {
    let with = |plans: &str| {
        let (before, _) = CONFIG.split_once("credentials:").unwrap();
        format!("{before}credentials:\n{plans}")
    };
    let role = "arn:aws:iam::111122223333:role";
    let source = "  source: {file: base}\n";
    let said = |plans: &str, tenants: &str| {
        let (code, _, err) = check_text(&with(plans), tenants);
        assert_eq!(code, 0, "{err}");
        err
    };
    let both = format!(
        "{source}  assume_role: {{role_arn: '{role}/a/{{tenant.id}}'}}\n  services: {{s3: {{assume_role: {{role_arn: '{role}/b/{{tenant.id}}'}}}}}}\n"
    );
    let err = said(&both, "tenants: {acme: {}}");
    assert!(err.lines().count() == 1 && err.contains("credentials.assume_role holds for no service"), "{err}");

    let caller = format!("  assume_role_with_web_identity: {{token: {{caller: {{}}}}, role_arn: '{role}/{{tenant.id}}'}}\n");
    let err = said(&caller, "tenants: {acme: {}}");
    assert!(err.lines().count() == 2 && err.contains("a passport keeps its caller's token in memory"), "{err}");
    assert!(err.contains("assume_role_with_web_identity.token is the caller's: each user of a tenant"), "{err}");
    let warm = said(&format!("{caller}  warm_up: {{tenants: acme}}\n"), "tenants: {acme: {}}");
    assert!(warm.contains("credentials.warm_up has no effect: credentials.assume_role_with_web_identity.token is"), "{warm}");
    let some = format!(
        "{caller}  services: {{s3: {{assume_role: {{role_arn: '{role}/b/{{tenant.id}}'}}}}}}\n{source}  warm_up: {{tenants: acme}}\n"
    );
    let warm = said(&some, "tenants: {acme: {}}");
    assert!(warm.contains("credentials.warm_up does not fetch all: credentials.assume_role_with_web_identity.token is"), "{warm}");

    let pool = |policies: &str| format!("{source}  assume_role: {{role_arn: '{role}/data', {policies}}}\n");
    let some = "session_policy: {inline: {Statement: [{Effect: Allow, Action: 's3:*', Resource: 'arn:aws:s3:::a/{tenant.id}/*'}, \
                {Effect: Allow, Action: 's3:ListAllMyBuckets', Resource: '*'}]}}";
    let err = said(&pool(some), "tenants: {acme: {}}");
    assert!(err.lines().count() == 1 && err.contains("session_policy: Statement[1] allows every tenant the same"), "{err}");
    let err = said(&pool(&format!("session_tags: {{T: '{{tenant.id}}'}}, {some}")), "tenants: {acme: {}}");
    assert_eq!(err, "");
    let arns = "policy_arns: ['arn:aws:iam::111122223333:policy/{tenant.id}', 'arn:aws:iam::111122223333:policy/all']";
    let err = said(&pool(arns), "tenants: {acme: {}}");
    assert!(
        err.lines().count() == 1 && err.contains("policy_arns: arn:aws:iam::111122223333:policy/all allows every tenant the same"),
        "{err}"
    );

    let claimed = format!("{source}  assume_role: {{role_arn: '{{claims.role}}', session_tags: {{T: '{{tenant.id}}'}}}}\n");
    assert!(said(&claimed, "tenants: {acme: {}}").contains("role_arn has {claims.role}: whoever issues tokens"));

    let record = format!("{source}  assume_role: {{role_arn: '{{tenant.attributes.role}}', external_id: '{{tenant.external_id}}'}}\n");
    let one = format!("{{external_id: x-1, attributes: {{role: '{role}/one'}}}}");
    let tenants = format!(
        "tenants: {{acme: {one}, beta: {one}, gone: {{status: suspended}}, none: {{}}, user: {{external_id: x-1, attributes: {{role: 'arn:aws:iam::111122223333:user/u'}}}}}}"
    );
    let err = said(&record, &tenants);
    assert_eq!(err.lines().count(), 3, "{err}");
    assert!(err.contains("none: role_arn: {tenant.attributes.role} has no value: every request of this tenant is refused"), "{err}");
    assert!(err.contains("user: role_arn is no role's ARN") && err.contains("acme and beta: the same role, tags and policies"), "{err}");

    let (code, _, err) = check_text(&with(&record), "tenants: {none: {}, gone: {status: suspended}}");
    assert!(code == 2 && err.contains(": credentials.assume_role: can be carried out for none of the tenants"), "{err}");

    let any = with(&record).replace("{file: tenants.yaml}", "{any: {}}");
    let (code, _, err) = check_text(&any, "");
    assert!(code == 2 && err.contains("assume_role: has {tenant.attributes.role}, and tenants.directory is any"), "{err}");
    let (_, _, err) = check_text(&CONFIG.replace("{file: tenants.yaml}", "{any: {}}"), "");
    assert!(err.contains("whose id has a capital letter is refused"), "{err}");
}
