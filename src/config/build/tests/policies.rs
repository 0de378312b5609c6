//! `session_policy`, and what else is to tell tenants apart.

use super::{BASE, good, load};

const ROLE: &str = "arn:aws:iam::111122223333:role";

/// [`BASE`] with other plans, in its lines 11 and following.
fn with(plans: &str) -> String {
    let (before, _) = BASE.split_once("  assume_role:\n").unwrap();
    format!("{before}{plans}")
}

fn errors(text: &str) -> String {
    load(text).map(drop).expect_err(text).to_string()
}

/// The tenant has to stand where it bounds something.
#[test]
fn a_session_policy_that_names_the_tenant_and_bounds_nothing_does_not_load() {
    let with_policy = |statement: &str| {
        with(&format!("  assume_role: {{role_arn: '{ROLE}/data', session_policy: {{inline: {{Statement: [{statement}]}}}}}}\n"))
    };
    good(&with_policy("{Effect: Allow, Action: 's3:*', Resource: 'arn:aws:s3:::b/{tenant.id}/*'}"));
    let open = |condition: &str| format!("{{Effect: Allow, Action: 's3:*', Resource: '*', Condition: {{{condition}}}}}");
    for (statement, place) in [
        ("{Sid: '{tenant.id}', Effect: Allow, Action: 's3:*', Resource: '*'}".to_owned(), "Sid"),
        ("{Effect: Allow, Action: 's3:*', NotResource: 'arn:aws:s3:::b/{tenant.id}/*'}".to_owned(), "NotResource"),
        (open("StringNotLike: {'s3:prefix': '{tenant.id}/*'}"), "the condition StringNotLike of s3:prefix"),
        (open("StringLikeIfExists: {'s3:prefix': '{tenant.id}/*'}"), "the condition StringLikeIfExists of s3:prefix"),
        (
            open("'ForAllValues:StringLike': {'dynamodb:LeadingKeys': '{tenant.id}#*'}"),
            "the condition ForAllValues:StringLike of dynamodb:LeadingKeys",
        ),
    ] {
        let errors = errors(&with_policy(&statement));
        let same = "credentials.assume_role.role_arn: is the same for every tenant";
        let place =
            format!(" (in session_policy the tenant stands in {place} of Statement[0], where it bounds nothing); put {{tenant.id}}");
        assert!(errors.lines().count() == 1 && errors.contains(same) && errors.contains(&place), "{statement}\n{errors}");
    }
    let denied = errors(&with_policy("{Effect: Deny, Action: 's3:*', Resource: 'arn:aws:s3:::b/{tenant.id}/*'}"));
    assert!(denied.contains("is the same for every tenant"), "{denied}");
}

#[test]
fn a_policy_that_sts_refuses_is_told_with_its_line() {
    let text = with(&format!("  assume_role: {{role_arn: '{ROLE}/{{tenant.id}}', session_policy: {{file: refused.json}}}}\n"));
    let errors = errors(&text);
    let lines: Vec<_> = errors.lines().collect();
    assert_eq!(lines.len(), 2, "{errors}");
    assert!(
        lines.iter().all(|line| line.starts_with("P:11:") && line.contains("credentials.assume_role.session_policy.file: ")),
        "{errors}"
    );
    assert!(lines.iter().any(|line| line.contains("refused.json:2:3: Statement[0] has no Resource")), "{errors}");
    let actions = "refused.json:3:4: Statement[0].Actions is no element of a statement; did you mean Action?";
    assert!(lines.iter().any(|line| line.contains(actions)), "{errors}");
}

/// What was to tell tenants apart, and is wrong itself, is what there is to be said.
#[test]
fn a_mistake_in_what_tells_tenants_apart_is_the_only_error() {
    for (plan, said) in [
        (format!("  assume_role: {{role_arn: '{ROLE}/data', session_tags: {{T: '{{tenant.di}}'}}}}\n"), "session_tags.T: "),
        (format!("  assume_role: {{role_arn: '{ROLE}/data', tags: {{T: '{{tenant.id}}'}}}}\n"), "assume_role.tags: is not a known setting"),
        (
            format!("  session_tags: {{T: '{{tenant.id}}'}}\n  assume_role: {{role_arn: '{ROLE}/data'}}\n"),
            "credentials.session_tags: is not a known setting",
        ),
    ] {
        let errors = errors(&with(&plan));
        assert!(errors.lines().count() == 1 && errors.contains(said), "{plan}\n{errors}");
    }
}

#[test]
fn what_was_probably_meant_is_said() {
    let role = "arn:aws:iam::111122223333:role";
    for (text, said) in [
        (
            with(&format!("  assume_role: {{role: '{role}/{{tenant.id}}'}}\n")),
            "assume_role.role: is not a known setting; did you mean role_arn?",
        ),
        (
            with(&format!("  assume_role: {{role_arn: '{role}/a', tags: {{T: '{{tenant.id}}'}}}}\n")),
            "assume_role.tags: is not a known setting; did you mean session_tags?",
        ),
        (
            with("  assume_role: {role_arn: {tenant.attributes.role}}\n"),
            "assume_role.role_arn: is a mapping; put templates in quotes: \"{tenant.attributes.role}\"",
        ),
        (
            with("  assume_role: {role_arn: 'arn:aws:iam::111122223333:role/${tenant.id}'}\n"),
            "assume_role.role_arn: ${tenant.id} is no placeholder; write {tenant.id}",
        ),
        (with("  assume_role: {role_arn: 'arn:aws:iam::111122223333:user/{tenant.id}'}\n"), "role/NAME"),
        (
            BASE.replace("tenants: {directory: {any: {}}}", "tenants: [{id: acme}]"),
            "tenants: is a list; give directory: {file: tenants.yaml}; that file has the records, as in tenants: {acme: {tier: gold}}",
        ),
    ] {
        let errors = errors(&text);
        assert!(errors.lines().any(|line| line.contains(said)), "{text}\n{errors}\n{said}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenants.yaml");
    for (records, said) in [
        ("tenants: [{id: acme, tier: gold}]", "tenants: is a list; give a mapping, such as {acme: {tier: ...}}"),
        ("tenants: [acme]", "give a mapping, such as {acme: {}}"),
    ] {
        std::fs::write(&path, records).unwrap();
        let wrong = crate::directory::Directory::open(&crate::config::DirectoryConfig::File(path.clone()), None).unwrap_err().to_string();
        assert!(wrong.contains(said), "{wrong}");
    }
}
