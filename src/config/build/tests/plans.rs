//! `credentials.assume_role`, `credentials.assume_role_with_web_identity` and `credentials.services`

use std::{fs, path::Path, time::Duration};

use super::{BASE, example, expect, good, load};
use crate::config::{AskConfig, Config, CredentialsSource, DirectoryConfig, PlanConfig, WebTokenConfig};

const ROLE: &str = "arn:aws:iam::111122223333:role";

/// [`BASE`] with other plans, in its lines 9 and following.
fn with(plans: &str) -> String {
    let (before, _) = BASE.split_once("credentials:\n").unwrap();
    format!("{before}credentials:\n{plans}")
}

fn with_source(plans: &str) -> String {
    with(&format!("  source: {{default_chain: {{}}}}\n{plans}"))
}

fn sole(config: &Config) -> &PlanConfig {
    config.credentials.as_ref().unwrap().plans.default.as_ref().unwrap()
}

#[test]
fn a_plan_by_token_needs_no_identity() {
    let config = good(&with(&format!("  assume_role_with_web_identity: {{token: {{caller: {{}}}}, role_arn: '{ROLE}/{{tenant.id}}'}}\n")));
    let plan = sole(&config);
    assert_eq!((plan.key.as_str(), plan.uses_callers_token()), ("credentials.assume_role_with_web_identity", true));
    assert_eq!(plan.duration(), Duration::from_secs(3_600));
    let credentials = config.credentials.as_ref().unwrap();
    assert!(matches!(credentials.source, CredentialsSource::Nobody) && credentials.plans.use_callers_tokens());

    let tags = format!(
        "  assume_role_with_web_identity: {{token: {{caller: {{}}}}, role_arn: '{ROLE}/data', token_tags: {{TenantID: '{{tenant.id}}'}}, duration: 15m}}\n"
    );
    // An hour's lead makes no sense for sessions of a quarter, and none of these is renewed.
    good(&with(&format!("  refresh: {{ahead: 1h}}\n{tags}")));

    let config = good(&with(&format!("  assume_role_with_web_identity: {{token: {{file: c}}, role_arn: '{ROLE}/{{tenant.id}}'}}\n")));
    let AskConfig::WebIdentity(ask) = &sole(&config).ask else { panic!() };
    assert!(matches!(&ask.token, WebTokenConfig::File(path) if path.is_absolute()));
    assert!(!config.credentials.as_ref().unwrap().plans.use_callers_tokens());
}

#[test]
fn workloads_and_tables_need_an_identity_whatever_plans_do() {
    let by_token = with(&format!("  assume_role_with_web_identity: {{token: {{caller: {{}}}}, role_arn: '{ROLE}/{{tenant.id}}'}}\n"));
    let workload = "workloads: {poller: {token_file: w, assume_role: {role_arn: 'arn:aws:iam::111122223333:role/poller'}, actions: 'sqs:*', \
                    resources: 'arn:aws:sqs:eu-west-1:111122223333:jobs'}}\n";
    for text in [format!("{by_token}{workload}"), by_token.replace("{any: {}}", "{dynamodb: {table: t}}")] {
        let missing = |errors: &str| errors.contains("credentials.source: is missing; assume_role, workloads and tables need it");
        let errors = load(&text).unwrap_err().to_string();
        assert!(missing(&errors), "{errors}");
        let given = load(&text.replace("credentials:\n", "credentials:\n  source: {file: c}\n"));
        assert!(given.map_or_else(|errors| !errors.to_string().contains("credentials.source"), |_| true));
    }
}

#[test]
fn a_token_that_every_container_has_is_no_authority_beside_an_application() {
    let with_token = |more: &str| {
        let token = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";
        let plan = format!("  assume_role_with_web_identity: {{token: {{file: {token}}}, role_arn: '{ROLE}/{{tenant.id}}'}}\n");
        load(&with(&format!("{plan}{more}"))).map(drop).map_or_else(|errors| errors.to_string(), |()| String::new())
    };
    let shared = "assume_role_with_web_identity.token.file: is the token that the platform puts into every container";
    assert!(with_token("").contains(shared), "{}", with_token(""));
    let accepted = "  shared_with_application: accepted\n";
    let errors = with_token(accepted);
    assert!(!errors.contains(shared) && !errors.contains("shared_with_application"), "{errors}");
    let own = format!("  assume_role_with_web_identity: {{token: {{file: c}}, role_arn: '{ROLE}/{{tenant.id}}'}}\n{accepted}");
    let errors = load(&with(&own)).unwrap_err().to_string();
    assert!(errors.contains("credentials.shared_with_application: has no effect: this source is Palisade's own"), "{errors}");
}

#[test]
fn ids_in_a_table_cannot_be_looked_at_beforehand() {
    let plan = format!("  assume_role: {{role_arn: '{ROLE}/{{tenant.id}}-data'}}\n");
    let (file, table) = ("{file: c}", "{dynamodb: {table: t}}");
    let in_directory = |directory: &str| load(&with_source(&plan).replace("{any: {}}", directory)).map_err(|errors| errors.to_string());
    assert!(matches!(in_directory(file).unwrap().directory, DirectoryConfig::PrefixFreeFile(_)));
    let errors = in_directory(table).unwrap_err();
    assert!(errors.contains("credentials.assume_role.role_arn: "), "{errors}");
}

#[test]
fn a_plan_by_token_that_could_not_work_does_not_load() {
    let web = "credentials.assume_role_with_web_identity";
    let by = |more: &str| format!("  assume_role_with_web_identity: {{{more}}}\n");
    let caller = format!("token: {{caller: {{}}}}, role_arn: '{ROLE}/{{tenant.id}}'");
    for (text, line) in [
        (with(&by(&format!("role_arn: '{ROLE}/{{tenant.id}}'"))), format!(": {web}.token: is missing")),
        (with(&by(&format!("token: {{}}, role_arn: '{ROLE}/{{tenant.id}}'"))), format!(": {web}.token: ")),
        (
            with(&by(&format!("token: {{caller: {{}}}}, role_arn: '{ROLE}/data'"))),
            format!(": {web}.role_arn: is the same for every tenant"),
        ),
        (
            with(&by(&format!("token: {{file: c}}, role_arn: '{ROLE}/{{tenant.id}}', token_tags: {{a: b}}"))),
            format!(": {web}.token_tags: is about tokens of callers"),
        ),
        (with_source(&by(&caller)), ": credentials.source: has no effect".to_owned()),
        (
            with_source(&format!("  assume_role: {{role_arn: '{ROLE}/{{tenant.id}}'}}\n{}", by(&caller))),
            format!(": {web}: is here beside assume_role"),
        ),
        (
            with(&by(&caller)).replace("{s3: {}}", "{s3: {}}\n  proofs: [deferred]\n  redeem: {audience: a, keys: [{file: seal1}]}"),
            format!(": {web}.token: is the caller's, and no proof in egress.proofs has one behind it"),
        ),
        (
            with(&format!("  assume_role: {{role_arn: '{ROLE}/{{tenant.id}}'}}\n")),
            ": credentials.source: is missing; assume_role, workloads and tables need it".to_owned(),
        ),
    ] {
        let errors = load(&text).map(drop).expect_err(&text).to_string();
        // A missing proof of its own is reported as well, where the ingress is there.
        assert!(errors.lines().any(|found| found.contains(&line)), "{text}\n{errors}\n{line}");
    }
}

#[test]
fn services_have_plans_of_their_own() {
    let services = "services: {s3: {}, aoss: {endpoint: 'https://a.eu-west-1.aoss.amazonaws.com'}}";
    let load_with = |plans: &str| load(&with_source(plans).replace("services: {s3: {}}", services)).map_err(|errors| errors.to_string());
    let role = |name: &str| format!("{{role_arn: '{ROLE}/{name}/{{tenant.id}}'}}");
    let config = load_with(&format!("  assume_role: {}\n  services: {{aoss: {{assume_role: {}}}}}\n", role("a"), role("b"))).unwrap();
    let plans = &config.credentials.as_ref().unwrap().plans;
    assert_eq!(plans.services["aoss"].key, "credentials.services.aoss.assume_role");
    assert_eq!(plans.services["aoss"].role_arn().as_text(), format!("{ROLE}/b/{{tenant.id}}"));
    assert_eq!(config.effective["credentials"]["services"]["aoss"]["assume_role"]["session_name"], "{tenant.id}");

    let both = format!("  services: {{s3: {{assume_role: {}}}, aoss: {{assume_role: {}}}}}\n", role("a"), role("b"));
    assert!(load_with(&both).unwrap().credentials.unwrap().plans.default.is_none());
    for (plans, line) in [
        (
            format!("  services: {{aoss: {{assume_role: {}}}}}\n", role("b")),
            "credentials.assume_role: is missing, and s3 has no plan of its own",
        ),
        (
            format!("  assume_role: {}\n  services: {{aoss: {{}}}}\n", role("a")),
            "credentials.services.aoss: has no plan; give assume_role or",
        ),
        (
            format!("  assume_role: {}\n  services: {{sqs: {{assume_role: {}}}}}\n", role("a"), role("b")),
            "credentials.services.sqs: is no service of egress.services",
        ),
        (
            format!("  assume_role: {}\n  services: {{aoss: {{assume_role: {{role_arn: '{ROLE}/b'}}}}}}\n", role("a")),
            "credentials.services.aoss.assume_role.role_arn: is the same for every tenant",
        ),
        ("  services: {}\n".to_owned(), "credentials.assume_role: is missing; egress needs it"),
    ] {
        let errors = load_with(&plans).map(drop).expect_err(&plans);
        assert!(errors.lines().count() == 1 && errors.contains(line), "{plans}\n{errors}");
    }
}

#[test]
fn roles_on_the_way_are_checked_with_what_they_leave_to_the_next() {
    let with_via =
        |via: &str, more: &str| with_source(&format!("  assume_role: {{role_arn: '{ROLE}/{{tenant.id}}'{more}, via: [{via}]}}\n"));
    let hub = "role_arn: 'arn:aws:iam::444455556666:role/hub'";
    let config = good(&with_via(
        &format!("{{{hub}, external_id: x-1}}, {{{hub}, session_tags: {{Team: a}}, transitive_tag_keys: [Team]}}"),
        ", session_tags: {TenantID: '{tenant.id}'}",
    ));
    let hops = &config.credentials.as_ref().unwrap().plans.sole().via;
    assert_eq!((hops.len(), hops[0].session_name.as_text()), (2, "palisade"));

    // A tag that stays tells tenants apart as well as one of the last role's own.
    let tagged = format!("{{{hub}, session_tags: {{TenantID: '{{tenant.id}}'}}, transitive_tag_keys: [TenantID]}}");
    good(&with_via(&tagged, "").replace("/{tenant.id}'", "/data'"));
    let untagged = tagged.replace(", transitive_tag_keys: [TenantID]", "");
    for (text, said) in [
        (with_via(&untagged, "").replace("/{tenant.id}'", "/data'"), "assume_role.role_arn: is the same for every tenant"),
        (
            with_via(&tagged, ", session_tags: {tenantid: a}"),
            "assume_role.session_tags.tenantid: is inherited from a role of via already, as TenantID",
        ),
        (with_via(&format!("{tagged}, {tagged}"), ""), "assume_role.via[1].session_tags.TenantID: is inherited"),
        (with_via(&format!("{{{hub}}}"), ", duration: 61m"), "assume_role.duration: is over 1h"),
        (with_via(&vec![format!("{{{hub}}}"); 4].join(", "), ""), "assume_role.via: has 4 roles; 3 are the most"),
        (with_via("{role_arn: hub}", ""), "assume_role.via[0].role_arn: "),
        (with_via(&format!("{{{hub}, source_identity: a}}"), ""), "assume_role.via[0].source_identity: is not a known setting"),
        (with_via("", ""), "assume_role.via: "),
    ] {
        let errors = load(&text).map(drop).expect_err(&text).to_string();
        assert!(errors.lines().count() == 1 && errors.contains(said), "{text}\n{errors}\n{said}");
    }
}

#[test]
fn managed_policies_are_arns_and_at_most_ten() {
    let arns = |arns: &str| with_source(&format!("  assume_role: {{role_arn: '{ROLE}/data', policy_arns: {arns}}}\n"));
    let config = good(&arns("['arn:aws:iam::111122223333:policy/tenants/{tenant.id}', 'arn:aws:iam::aws:policy/ReadOnlyAccess']"));
    assert_eq!(config.credentials.as_ref().unwrap().plans.sole().policy_arns.len(), 2);
    good(&arns("'{tenant.attributes.policy}'"));
    for (wrong, said) in [
        ("[]", "policy_arns: is an empty list"),
        (
            "['arn:aws:iam::111122223333:role/{tenant.id}', 'arn:aws:iam::111122223333:role/a']",
            "policy_arns[1]: \"arn:aws:iam::111122223333:role/a\" is no managed policy's ARN",
        ),
        ("['x{tenant.id}']", "policy_arns[0]: \"x{tenant.id}\" is no managed policy's ARN"),
        ("['arn:aws:iam::1:policy/a', '{tenant.id}']", "policy_arns[0]: "),
    ] {
        let errors = load(&arns(wrong)).map(drop).expect_err(wrong).to_string();
        assert!(errors.lines().next().unwrap().contains(said), "{wrong}\n{errors}");
    }
    let many = (0..11).map(|n| format!("'arn:aws:iam::111122223333:policy/{n}/{{tenant.id}}'")).collect::<Vec<_>>().join(", ");
    expect(&arns(&format!("[{many}]")), &["P:11:66: credentials.assume_role.policy_arns: has 11 policies; STS takes 10"]);
}

/// `{tenant.id}-` is right where no id begins another one, which only a file can show.
#[test]
fn what_rests_on_ids_that_begin_no_other_asks_for_a_file_and_holds_it_to_that() {
    let plans = [
        ("role_arn", format!("{{role_arn: '{ROLE}/{{tenant.id}}-data'}}")),
        ("session_tags.Queue", format!("{{role_arn: '{ROLE}/data', session_tags: {{Queue: '{{tenant.id}}-jobs'}}}}")),
        ("policy_arns[0]", format!("{{role_arn: '{ROLE}/data', policy_arns: ['arn:aws:iam::111122223333:policy/{{tenant.id}}_p']}}")),
        (
            "session_policy.inline",
            format!(
                "{{role_arn: '{ROLE}/data', session_policy: {{inline: {{Statement: {{Effect: Allow, Action: 'sqs:*', Resource: \
                 'arn:aws:sqs:*:*:{{tenant.id}}-*'}}}}}}}}"
            ),
        ),
    ];
    for (setting, plan) in plans {
        let text = with_source(&format!("  assume_role: {plan}\n"));
        let errors = load(&text).map(drop).expect_err(&text).to_string();
        let said = format!("credentials.assume_role.{setting}: ");
        assert!(errors.lines().count() == 1 && errors.contains(&said) && errors.contains("tenants.directory.file"), "{errors}");
        assert!(errors.contains("is directly followed by '"), "{errors}");
        let config = good(&text.replace("{any: {}}", "{file: c}"));
        assert!(matches!(config.directory, DirectoryConfig::PrefixFreeFile(_)), "{setting}");
    }
    assert!(matches!(good(&BASE.replace("{any: {}}", "{file: c}")).directory, DirectoryConfig::File(_)));
}

fn examples() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut models: Vec<_> = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("model-")).collect();
    models.sort();
    models
}

#[test]
fn every_model_has_an_example_that_loads_and_a_place_in_the_guide() {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/guide/isolation-models.md")).unwrap();
    let models = examples();
    assert!(models.len() >= 9, "{models:?}");
    for path in models {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(guide.contains(&format!("(../examples/{name})")), "the guide does not lead to {name}");
        let (folder, _) = example("minimal.yaml");
        let copy = folder.path().join("examples").join(name);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&path, &copy).unwrap();
        let config = Config::load(&copy, &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
        crate::directory::Directory::open(&config.directory, None).unwrap();
    }
    for snippet in guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        let plans = snippet.strip_prefix("credentials:\n").unwrap_or_else(|| panic!("{snippet}"));
        let source = if snippet.contains("assume_role:") { with_source(plans) } else { with(plans) };
        good(
            &source
                .replace("services: {s3: {}}", "services: {s3: {}, aoss: {endpoint: 'https://a.eu-west-1.aoss.amazonaws.com'}}")
                .replace("{any: {}}", "{file: c}"),
        );
    }
}
