//! `workloads`

use super::*;
use crate::config::{NamedWorkloadConfig, WorkloadProof};

const TOKEN: &str = "3f9c0b1d5e7a2846c0ffee0123456789abcdef0123456789";

/// [`load`] with `text` for the only workload, `poller`; `t` is a file with a token.
fn workload(text: &str) -> Result<Config, ConfigErrors> {
    load_with(&format!("{BASE}workloads: {{poller: {{{text}}}}}\n"))
}

fn load_with(text: &str) -> Result<Config, ConfigErrors> {
    let folder = folder();
    fs::write(folder.path().join("t"), format!("{TOKEN}\n")).unwrap();
    fs::create_dir(folder.path().join("secrets")).unwrap();
    for name in ["queue-poller", "metrics", "token"] {
        fs::write(folder.path().join("secrets").join(name), format!("{name}-{TOKEN}\n")).unwrap();
    }
    Config::parse(text, "P", folder.path(), &|_| None)
}

fn wrong(text: &str) -> Vec<String> {
    let errors = workload(text).map(drop).expect_err(text).to_string();
    assert!(!errors.contains("hunter2") && !errors.contains(TOKEN), "{errors}");
    errors.lines().map(|line| line.split_once(": ").map_or(line, |(_, rest)| rest).to_owned()).collect()
}

const ROLE: &str = "assume_role: {role_arn: 'arn:aws:iam::111122223333:role/poller'}";
const DOES: &str = "actions: 'sqs:ReceiveMessage', resources: 'arn:aws:sqs:eu-west-1:111122223333:jobs'";

#[test]
fn everything_that_is_said_is_kept() {
    let text = "token_file: t, assume_role: {role_arn: 'arn:aws:iam::111122223333:role/poller', external_id: ex, session_tags: {Component: p}, duration: 15m}, \
                actions: ['sqs:Receive*', 'sqs:DeleteMessage'], resources: ['arn:aws:sqs:*:111122223333:jobs-*'], limits: {concurrent: 3}";
    let config = workload(text).unwrap_or_else(|errors| panic!("{errors}"));
    let [NamedWorkloadConfig { name, proof, role, actions, resources, limits }] = &config.workloads[..] else { panic!() };
    assert_eq!(name.as_str(), "poller");
    assert!(matches!(proof, WorkloadProof::TokenFile(path) if path.ends_with("t")));
    assert_eq!((role.session_name.as_str(), role.external_id.as_deref(), role.duration), ("poller", Some("ex"), Duration::from_secs(900)));
    assert_eq!(role.session_tags, [("Component".to_owned(), "p".to_owned())]);
    assert_eq!(
        (actions.services().collect::<Vec<_>>(), resources[0].to_string().as_str()),
        (vec!["sqs"; 2], "arn:aws:sqs:*:111122223333:jobs-*")
    );
    assert_eq!(limits.concurrent, Some(3));
    assert_eq!(config.effective["workloads"]["poller"]["assume_role"]["session_name"], "poller");
    assert!(good(BASE).workloads.is_empty());
}

#[test]
fn what_would_not_hold_is_an_error() {
    for (text, said) in [
        (format!("{ROLE}, {DOES}"), "workloads.poller.token_file: is missing: nothing proves"),
        (format!("token_file: t, subject: CN=p, {ROLE}, {DOES}"), "workloads.poller.subject: is here beside token_file"),
        (format!("token_file: c, {ROLE}, {DOES}"), "workloads.poller.token_file: a token has less than 128 bits"),
        (
            format!("spiffe_id: 'spiffe://prod/a', {ROLE}, {DOES}"),
            "workloads.poller.spiffe_id: can never apply: egress asks for no certificates",
        ),
        (format!("uid: 1000, {ROLE}, {DOES}"), "workloads.poller.uid: can never apply: users are known on egress.socket alone"),
        (format!("uid: -1, {ROLE}, {DOES}"), "workloads.poller.uid: "),
        (format!("token_file: t, {DOES}"), "workloads.poller.assume_role: is missing"),
        (format!("token_file: t, {ROLE}, resources: '*'"), "workloads.poller.actions: is missing"),
        (format!("token_file: t, {ROLE}, actions: 'sqs:*'"), "workloads.poller.resources: is missing"),
        (format!("token_file: t, {ROLE}, actions: '*', resources: '*'"), "workloads.poller.actions: \"*\" is not taken here"),
        (format!("token_file: t, {ROLE}, actions: 'sqs:*', resources: jobs"), "workloads.poller.resources: \"jobs\" is no resource"),
        (
            format!("token_file: t, {DOES}, assume_role: {{role_arn: 'arn:aws:iam::111122223333:role/{{tenant.id}}'}}"),
            "workloads.poller.assume_role.role_arn: ",
        ),
        (
            format!(
                "token_file: t, {DOES}, assume_role: {{role_arn: 'arn:aws:iam::111122223333:role/p', session_tags: {{TenantID: '{{tenant.id}}'}}}}"
            ),
            "workloads.poller.assume_role.session_tags: have a value",
        ),
    ] {
        let errors = wrong(&text);
        assert!(errors.len() == 1 && errors[0].contains(said), "{text}: {errors:?}");
    }
    let named = load_with(&format!("{BASE}workloads: {{Poller: {{token_file: t, {ROLE}, {DOES}}}}}\n")).map(drop).unwrap_err().to_string();
    assert!(named.contains("workloads.Poller") && named.contains("2 to 48 of a-z"), "{named}");
    let ingress_only = "ingress: {tls: {certificate: c, private_key: c}, upstream: http://127.0.0.1:8080}\n\
                        identity: {issuers: [{issuer: i, audience: a, jwks: {file: c}}]}\ntenants: {directory: {any: {}}}\n";
    let text = format!("{ingress_only}workloads: {{poller: {{token_file: t, {ROLE}, {DOES}}}}}\n");
    let errors = load_with(&text).map(drop).unwrap_err().to_string();
    assert!(errors.contains("workloads: has no effect without egress"), "{errors}");
}

#[test]
fn a_user_is_one_workload_s_and_comes_over_the_socket() {
    let with_socket = |more: &str, workloads: &str| {
        let text = BASE.replace("  services:", &format!("{more}  socket: {{path: egress.sock}}\n  services:"));
        load_with(&format!("{text}workloads: {{{workloads}}}\n")).map_err(|errors| errors.to_string())
    };
    let agent = |name: &str, uid: u32| format!("{name}: {{uid: {uid}, {ROLE}, {DOES}}}");
    let config = with_socket("", &agent("agent", 1_000)).unwrap();
    let socket = config.egress.unwrap().socket.unwrap();
    assert!(socket.path.is_absolute() && socket.path.ends_with("egress.sock") && socket.mode == 0o660, "{socket:?}");
    assert!(matches!(config.workloads[0].proof, WorkloadProof::User(1_000)));
    let errors = with_socket("", &format!("{}, {}", agent("one", 7), agent("two", 7))).map(drop).unwrap_err();
    assert!(errors.contains("workloads.two.uid: is that of one as well") && errors.lines().count() == 1, "{errors}");
    let errors = with_socket("", &agent("anybody", 65_534)).map(drop).unwrap_err();
    assert!(errors.contains("workloads.anybody.uid: is whoever has no number"), "{errors}");
    let tls = "  tls: {certificate: c, private_key: c, client_ca: c}\n";
    let errors = with_socket(tls, &agent("agent", 7)).map(drop).unwrap_err();
    assert!(errors.contains("egress.socket.path: is a way around egress.tls.client_auth"), "{errors}");
}

#[test]
fn a_certificate_is_one_workload_s_and_no_tenant_s() {
    let secured = BASE.replace("  services:", "  tls: {certificate: c, private_key: c, client_ca: c}\n  services:");
    let with = |identity: &str, workloads: &str| {
        let text = secured.replace("identity:\n", &format!("identity:\n{identity}"));
        load_with(&format!("{text}workloads: {{{workloads}}}\n")).map(drop).map_err(|errors| errors.to_string())
    };
    let named = |name: &str, id: &str| format!("{name}: {{spiffe_id: '{id}', {ROLE}, {DOES}}}");
    let mapped = "  workloads: [{spiffe_id: 'spiffe://prod/ns/*', tenant: acme}]\n";
    assert_eq!(with(mapped, &named("poller", "spiffe://prod/platform")), Ok(()));
    for (identity, workloads) in [
        (mapped, named("poller", "spiffe://prod/ns/a")),
        ("", format!("{}, {}", named("one", "spiffe://prod/x/a"), named("two", "spiffe://prod/x/*"))),
    ] {
        let errors = with(identity, &workloads).unwrap_err();
        assert!(errors.contains("mean the same certificates") && errors.lines().count() == 1, "{errors}");
    }
}

#[test]
fn the_guides_examples_load() {
    for (guide, count) in [("workloads.md", 2), ("base-identity.md", 2)] {
        let text = fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/guide").join(guide)).unwrap();
        let examples: Vec<_> = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert_eq!(examples.len(), count, "{guide}");
        for example in examples {
            let mut base = if example.contains("credentials:") { BASE.split("credentials:").next().unwrap() } else { BASE }.to_owned();
            if example.contains("egress:") {
                base = base.replace("egress:\n  region: eu-west-1\n  services: {s3: {}}\n", "");
            }
            load_with(&format!("{base}{example}")).unwrap_or_else(|errors| panic!("{guide}: {errors}"));
        }
    }
}
