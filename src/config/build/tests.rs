use std::{collections::BTreeSet, fs, time::Duration};

use proptest::prelude::*;
use serde_json::{Value, json};

mod base;
mod examples;
mod guard;
#[cfg(feature = "cedar")]
mod guard_cedar;
mod guard_dynamodb;
mod guard_search;
mod passport;
mod plans;
mod policies;
mod roles;
mod routing;
mod sessions;
mod telemetry;
mod tenants;
mod traces;
mod users;
mod workloads;

use super::*;
use crate::{
    authorise::{Asks, Methods, Unmatched},
    config::{CorsConfig, CredentialsSource, JwksSource, Limits, Origins, Proofs, document, schema, settings::Kind},
};

/// The least that loads; its lines are counted on below.
const BASE: &str = "\
ingress: {tls: {certificate: c, private_key: c}, upstream: http://127.0.0.1:8080}
egress:
  region: eu-west-1
  services: {s3: {}}
identity:
  issuers:
    - {issuer: i, audience: a, jwks: {file: c}}
tenants: {directory: {any: {}}}
credentials:
  source: {default_chain: {}}
  assume_role:
    role_arn: arn:aws:iam::111122223333:role/tenants/{tenant.id}
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("c"), "hunter2\n").unwrap();
    fs::write(folder.path().join("empty"), "\n").unwrap();
    fs::write(folder.path().join("binary"), [0xff, 0xfe]).unwrap();
    for byte in 1..=3 {
        use base64::{Engine, engine::general_purpose::STANDARD};
        fs::write(folder.path().join(format!("seal{byte}")), STANDARD.encode([byte; 32]) + "\n").unwrap();
    }
    for name in ["key1.pem", "key2.pem"] {
        fs::write(folder.path().join(name), pem()).unwrap();
    }
    fs::write(
        folder.path().join("policy.json"),
        r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/{tenant.id}/*"}}"#,
    )
    .unwrap();
    fs::write(folder.path().join("refused.json"), "{\"Statement\": [\n  {\"Effect\": \"Allow\",\n   \"Actions\": \"s3:*\"}\n]}").unwrap();
    fs::write(folder.path().join("broken.json"), r#"{"Resource": "arn:aws:s3:::b/{tenant.id}*"}"#).unwrap();
    folder
}

/// A private key for signed contexts, as `openssl genpkey` writes it.
fn pem() -> String {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    use base64::{Engine, engine::general_purpose::STANDARD};
    let der = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}

thread_local! {
    /// One for each test, and not for each of a property's cases: it holds keys. It goes with the test's thread.
    static FOLDER: tempfile::TempDir = folder();
}

fn load(text: &str) -> Result<Config, ConfigErrors> {
    let env = |name: &str| (name == "SET").then(|| "swordfish".to_owned());
    FOLDER.with(|folder| Config::parse(text, "P", folder.path(), &env))
}

fn good(text: &str) -> Config {
    load(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// [`BASE`] with one piece replaced.
fn with(old: &str, new: &str) -> String {
    assert_eq!(BASE.matches(old).count(), 1, "{old}");
    BASE.replace(old, new)
}

/// Expects exactly these lines, of which each need only be the beginning.
fn expect(text: &str, lines: &[&str]) {
    assert_eq!(mismatch(text, lines), None);
}

fn mismatch(text: &str, lines: &[&str]) -> Option<String> {
    let errors = load(text).map(drop).expect_err(text).to_string();
    assert!(!errors.contains("hunter2") && !errors.contains("swordfish"), "{errors}");
    let found: Vec<_> = errors.lines().collect();
    let same = found.len() == lines.len() && found.iter().zip(lines).all(|(found, line)| found.starts_with(line));
    (!same).then(|| format!("{text}\nfound {found:#?}\nnot {lines:#?}\n"))
}

#[test]
fn a_configuration_comes_from_a_variable_as_well() {
    let env = |name: &str| match name {
        "GOOD" => Some(
            "identity: {issuers: [{issuer: i, audience: a, jwks: {uri: https://idp.example.com/keys}}]}\negress: {region: x}".to_owned(),
        ),
        "BLANK" => Some(" \n".to_owned()),
        _ => None,
    };
    let said = |path: &str| Config::load(Path::new(path), &env).map(drop).expect_err(path).to_string();
    // It was read as a file is: errors have their place in it.
    assert!(said("env:GOOD").lines().any(|line| line.starts_with("env:GOOD:2:")), "{}", said("env:GOOD"));
    for absent in ["env:BLANK", "env:ABSENT", "env:"] {
        assert!(said(absent).contains(&format!("{absent}: is not set or is empty; give the variable")), "{}", said(absent));
    }
    assert!(said("./env:GOOD").contains("cannot be read"));
}

#[test]
fn certificates_and_keys_come_from_variables_as_well() {
    let tls = |certificate: &str, private_key: &str| format!("tls: {{certificate: {certificate}, private_key: {private_key}}}");
    let config = good(&with("tls: {certificate: c, private_key: c}", &tls("{env: SET}", "{env: SET}")));
    assert_eq!(config.effective["ingress"]["tls"]["private_key"], "[redacted]");
    let tls_of = config.ingress.unwrap().tls;
    assert_eq!((tls_of.certificate.name(), tls_of.certificate.file()), (Path::new("env:SET"), None));
    assert!(!format!("{tls_of:?}").contains("swordfish"));
    for (wrong, said) in [
        ("{env: UNSET}", "the environment variable UNSET is not set; set it, or name a file"),
        ("{file: tls.key}", "is not a reference to a secret; give a path, or {env: NAME}"),
        ("{env: 'hunter2 -----BEGIN'}", "is not a reference to a secret; give a path, or {env: NAME}"),
        ("[tls.key]", "give a path, or {env: NAME}"),
    ] {
        let errors =
            load(&with("tls: {certificate: c, private_key: c}", &tls("{env: SET}", wrong))).map(drop).expect_err(wrong).to_string();
        assert!(errors.contains("ingress.tls.private_key") && errors.contains(said) && !errors.contains("hunter2"), "{errors}");
    }
}

#[test]
fn defaults_are_those_of_the_contract() {
    let config = good(BASE);
    let (ingress, egress) = (config.ingress.unwrap(), config.egress.unwrap());
    assert_eq!(ingress.listen.to_string(), "0.0.0.0:8443");
    assert_eq!(egress.listen, ["127.0.0.1:8180".parse().unwrap()]);
    assert_eq!(
        (egress.regions, egress.proofs),
        (vec!["eu-west-1".to_owned()], Proofs { passport: true, jwt: false, deferred: false, certificate: false })
    );
    assert_eq!(
        (config.admin.listen.to_string(), config.probes.unwrap().listen.to_string()),
        ("127.0.0.1:8190".to_owned(), "0.0.0.0:8191".to_owned())
    );
    assert_eq!((config.identity.tenant_header.as_str(), config.identity.token_header.as_str()), ("x-tenant-id", "x-tenant-token"));
    assert_eq!(config.identity.passport.unwrap().terms.max_age, Duration::from_secs(300));
    let verification = config.identity.verification;
    assert_eq!((verification.cache.entries, verification.cache.bytes), (10_000, 64 << 20));
    assert_eq!((verification.queue, verification.wait), (1_024, Duration::from_secs(1)));
    assert_eq!((verification.failures.per_second, verification.failures.burst), (20.0, 200));
    assert_eq!(verification.concurrency, (std::thread::available_parallelism().unwrap().get() / 2).max(1));
    assert_eq!(config.effective["identity"]["verification"]["concurrency"], verification.concurrency);
    assert_eq!((ingress.server.header_bytes, ingress.server.connections, ingress.server.drain), (65_536, 10_000, Duration::from_secs(25)));
    let credentials = config.credentials.unwrap();
    assert_eq!((credentials.sts.region.as_str(), credentials.plans.sole().duration), ("eu-west-1", Duration::from_secs(3_600)));
    assert_eq!(credentials.plans.sole().session_name.as_text(), "{tenant.id}");
    assert_eq!(config.limits.default, Limits::default());
}

#[test]
fn an_egress_alone_takes_jwts_and_an_ingress_alone_needs_no_credentials() {
    let egress = good(&with("ingress: {tls: {certificate: c, private_key: c}, upstream: http://127.0.0.1:8080}", "# none"));
    assert!(egress.ingress.is_none());
    assert_eq!(egress.egress.unwrap().proofs, Proofs { passport: false, jwt: true, deferred: false, certificate: false });
    let ingress = BASE.split("egress:").next().unwrap().to_owned()
        + "identity:"
        + BASE.split("identity:").nth(1).unwrap().split("credentials:").next().unwrap();
    let ingress = good(&ingress);
    assert!(ingress.egress.is_none() && ingress.credentials.is_none());
}

#[test]
fn an_endpoint_may_have_other_hosts_where_it_is_tls() {
    let config = good(&with(
        "{s3: {}}",
        "{s3: {endpoint: 'https://10.0.0.1:8443', host: gw.example.com, signed_host: 'a.example.com:444'}}\n  hosts: p.internal",
    ));
    let egress = config.egress.unwrap();
    let shown = |host: &Option<http::uri::Authority>| host.as_ref().map(ToString::to_string);
    assert_eq!(
        (shown(&egress.services["s3"].host), shown(&egress.services["s3"].signed_host)),
        (Some("gw.example.com".into()), Some("a.example.com:444".into()))
    );
    assert_eq!(egress.hosts, ["p.internal"]);
    // The same host, said twice.
    good(&with("{s3: {}}", "{s3: {endpoint: 'http://a', insecure: true, host: 'a:80', signed_host: a}}"));
}

#[test]
fn a_listeners_server_overrides_single_values() {
    let config =
        good(&format!("{BASE}server: {{headers: 50, drain: 10s}}\nadmin: {{server: {{headers: 20}}}}\nprobes: {{listen: none}}\n"));
    let server = config.admin.server;
    assert_eq!((server.headers, server.drain, server.uri_bytes), (20, Duration::from_secs(10), 16_384));
    assert_eq!(config.egress.unwrap().server.headers, 50);
    assert!(config.probes.is_none());
    assert_eq!(config.effective["admin"]["server"]["headers"], 20);
    assert_eq!(config.effective["egress"]["server"]["headers"], 50);
}

#[test]
fn limits_fill_in_the_burst() {
    let config = good(&format!("{BASE}limits: {{default: {{requests_per_second: 2.5}}, tiers: {{gold: {{burst: 9}}, free: }}}}\n"));
    assert_eq!(config.limits.default, Limits { requests_per_second: Some(2.5), burst: Some(3), concurrent: None });
    assert_eq!(config.limits.tiers["gold"], Limits { requests_per_second: None, burst: Some(9), concurrent: None });
    assert_eq!(config.limits.tiers["free"], Limits::default());
}

#[test]
fn endpoint_rules_are_read_as_they_are_written() {
    let with_ingress = |text: &str| good(&with("upstream", &format!("{text}, upstream")));
    let access = |text: &str| with_ingress(text).ingress.unwrap().access;
    let none = good(BASE);
    assert!(none.effective["ingress"]["endpoints_default"].is_null());
    let none = none.ingress.unwrap().access;
    assert!(
        none.endpoints.without_path().is_some() && none.cors.is_none() && none.places.cookie.is_none() && none.public_concurrent == 100
    );
    let shown = with_ingress("endpoints: [{path: /a}]").effective;
    assert_eq!((&shown["ingress"]["endpoints_default"], &shown["ingress"]["endpoints_ignore_case"]), (&json!("deny"), &json!(false)));

    let rules = access(
        "endpoints: [{path: /a, methods: [GET, PUT], roles: [r, s], scopes: t}, {path: '/**', auth: none}], endpoints_default: allow",
    );
    assert_eq!(rules.endpoints.unmatched(), Unmatched::Allow);
    let rules: Vec<_> = rules.endpoints.rules().collect();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    assert_eq!(rules[0].asks, Asks::Tenant { roles: words(&["r", "s"]), scopes: words(&["t"]), tiers: words(&[]) });
    assert_eq!(rules[0].methods, Methods::of("GET").unwrap().with(Methods::of("PUT").unwrap()));
    assert_eq!((rules[0].path.as_str(), rules[1].path.as_str(), rules[1].methods), ("/a", "/**", Methods::ALL));
    assert_eq!(rules[1].asks, Asks::Nothing);

    let cors = |text: &str| access(&format!("cors: {text}")).cors.unwrap();
    assert!(matches!(cors("{pass: {}}"), CorsConfig::Pass));
    let CorsConfig::Answer(answer) = cors("{answer: {origins: https://a.example}}") else { panic!("it is answered") };
    assert_eq!(answer.origins, Origins::These(vec!["https://a.example".to_owned()]));
    assert_eq!(answer.headers, ["authorization", "content-type", "x-tenant-id", "x-tenant-token"]);
    assert_eq!((answer.credentials, answer.max_age), (false, Duration::from_secs(600)));
    assert!(!answer.methods.contains(&"OPTIONS".to_owned()) && answer.methods.len() == 6);
    let from = access("tenant_from: {host: '{tenant}.app.example.com', path: '/t/{tenant}/**'}, token_cookie: t");
    assert!(from.places.host.is_some() && from.tenant_path.is_some() && from.places.cookie.is_some());
}

#[test]
fn every_source_of_credentials_can_be_had() {
    let source = |text: &str| good(&with("{default_chain: {}}", text)).credentials.unwrap().source;
    assert!(matches!(source("{default_chain: {}}"), CredentialsSource::DefaultChain { may_be_shared: false }));
    let accepted = source("{default_chain: {}}\n  shared_with_application: accepted");
    assert!(matches!(accepted, CredentialsSource::DefaultChain { may_be_shared: true }));
    assert!(matches!(source("{file: c}"), CredentialsSource::File(path) if path.ends_with("c")));
    let web = source("{web_identity: {token_file: c, role_arn: 'arn:aws:iam::111122223333:role/base'}}");
    assert!(matches!(web, CredentialsSource::WebIdentity { token_file, .. } if token_file.ends_with("c")));
    let fixed = source("{static: {access_key_id: test, secret_access_key: {file: c}, session_token: {env: SET}}}");
    let CredentialsSource::Static { secret_access_key, session_token, .. } = &fixed else { panic!("{fixed:?}") };
    assert_eq!((secret_access_key.expose(), session_token.as_ref().unwrap().expose()), ("hunter2", "swordfish"));
}

#[test]
fn secrets_show_nowhere() {
    let config = good(&format!("{BASE}admin: {{token: {{file: c}}, metrics_token: {{env: SET}}}}\n"));
    assert_eq!(config.admin.token.as_ref().unwrap().expose(), "hunter2");
    assert_eq!(config.effective["admin"]["token"], "[redacted]");
    let shown = format!("{config:?} {}", config.effective);
    assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
}

#[test]
fn a_signed_context_is_off_until_it_is_wanted() {
    assert!(good(BASE).ingress.unwrap().context.is_none());
    let context = |text: &str| with("upstream: http://127.0.0.1:8080", &format!("upstream: http://127.0.0.1:8080, context: {text}"));
    let config = good(&context("{audience: app}")).ingress.unwrap().context.unwrap();
    assert_eq!((config.audience.as_str(), config.issuer.as_str(), config.lifetime.as_secs()), ("app", "palisade", 60));
    assert!(config.algorithm == crate::identity::ContextAlgorithm::Es256 && config.keys.is_empty());
    let config = good(&context("{audience: app, keys: [{file: key1.pem}, {file: key2.pem}]}"));
    assert_eq!(config.effective["ingress"]["context"]["keys"], json!(["[redacted]", "[redacted]"]));
    let context_config = config.ingress.as_ref().unwrap().context.as_ref().unwrap();
    assert!(context_config.keys.len() == 2 && context_config.keys[0].id() != context_config.keys[1].id());
    assert!(!format!("{config:?}").contains("PRIVATE"));

    expect(&context("{issuer: i}"), &["P:1:83: ingress.context.audience: is missing"]);
    expect(&context("{audience: a, lifetime: 2h}"), &["P:1:116: ingress.context.lifetime: \"2h\" is out of range"]);
    expect(
        &context("{audience: a, algorithm: HS256}"),
        &["P:1:117: ingress.context.algorithm: \"HS256\" is not taken here; give ES256 or EdDSA"],
    );
    for (keys, problem) in [
        (
            "[{file: c}]",
            "[0]: the secret is no PEM file with a -----BEGIN PRIVATE KEY----- block (PKCS#8, not encrypted); make one with `openssl",
        ),
        ("[{file: key1.pem}, {file: key1.pem}]", "[1]: is here twice; remove one"),
        ("[{file: key1.pem}, {file: none}]", "[1]: the file cannot be read"),
        ("[hunter2]", "[0]: is a single value"),
    ] {
        let errors = load(&context(&format!("{{audience: a, keys: {keys}}}"))).map(drop).expect_err(keys).to_string();
        assert!(
            errors.lines().count() == 1 && errors.contains(&format!("ingress.context.keys{problem}")) && !errors.contains("hunter2"),
            "{errors}"
        );
    }
    let errors = load(&context("{audience: a, algorithm: EdDSA, keys: [{file: key1.pem}]}")).map(drop).expect_err("type").to_string();
    assert!(errors.contains("is no key for EdDSA; make one with `openssl genpkey -algorithm ED25519`"), "{errors}");
    let unpublished = |text: &str| format!("{}probes: {{listen: none}}\n", context(text));
    let errors = load(&unpublished("{audience: a}")).map(drop).expect_err("unpublished").to_string();
    assert!(errors.contains("nobody could know the key") && errors.starts_with("P:1:"), "{errors}");
    good(&unpublished("{audience: a, keys: [{file: key1.pem}]}"));
}

/// A worker's configuration: no ingress and no issuers.
const WORKER: &str = "\
egress:
  region: eu-west-1
  services: {s3: {}}
  proofs: [deferred]
  redeem: {audience: reports, keys: [{file: seal1}, {file: seal2}]}
identity: {}
tenants: {directory: {any: {}}}
credentials:
  source: {default_chain: {}}
  assume_role:
    role_arn: arn:aws:iam::111122223333:role/tenants/{tenant.id}
";

#[test]
fn deferred_work_has_two_sides() {
    let (sealing, neither) = (
        with("services: {s3: {}}", "services: {s3: {}}\n  defer: {audiences: {reports: {key: {file: seal1}, actions: s3:GetObject}}}"),
        good(BASE),
    );
    let egress = neither.egress.unwrap();
    assert!(egress.defer.is_none() && egress.redeem.is_none() && !egress.proofs.deferred, "it is off by default");
    let config = good(&sealing);
    assert_eq!(
        config.effective["egress"]["defer"],
        json!({"audiences": {"reports": {"key": "[redacted]", "max_lifetime": "1h", "actions": ["s3:GetObject"]}}})
    );
    let defer = config.egress.as_ref().unwrap().defer.as_ref().unwrap();
    assert_eq!(defer.audiences["reports"].max_lifetime, Duration::from_secs(3_600));
    assert!(!format!("{config:?}").contains("AQEB"), "a key is shown");

    let config = good(WORKER);
    assert_eq!(
        config.effective["egress"]["redeem"],
        json!({"audience": "reports", "presign": false, "keys": ["[redacted]", "[redacted]"]})
    );
    assert_eq!(config.egress.as_ref().unwrap().proofs, Proofs { passport: false, jwt: false, deferred: true, certificate: false });
    let redeem = config.egress.unwrap().redeem.unwrap();
    assert!(redeem.audience == "reports" && redeem.keys.len() == 2 && config.identity.issuers.is_empty());
}

#[test]
fn no_process_redeems_what_it_seals() {
    let both = |defer: &str, redeem: &str| {
        with(
            "services: {s3: {}}",
            &format!("services: {{s3: {{}}}}\n  proofs: [passport, deferred]\n  defer: {{audiences: {defer}}}\n  redeem: {redeem}"),
        )
    };
    let mails = "{mails: {key: {file: seal1}, actions: 's3:*'}}";
    good(&both(mails, "{audience: reports, keys: [{file: seal2}]}"));
    expect(
        &both(mails, "{audience: mails, keys: [{file: seal2}]}"),
        &["P:7:22: egress.redeem.audience: \"mails\" is in egress.defer.audiences: this process would redeem what it seals itself"],
    );
    expect(
        &both(mails, "{audience: reports, keys: [{file: seal2}, {file: seal1}]}"),
        &["P:7:53: egress.redeem.keys[1]: is the key of egress.defer.audiences.mails as well; give each audience a key of its own"],
    );
    let two = "{mails: {key: {file: seal1}, actions: 's3:*'}, prints: {key: {file: seal1}, actions: 's3:*'}}";
    expect(
        &both(two, "{audience: reports, keys: [{file: seal2}]}"),
        &["P:6:78: egress.defer.audiences.prints.key: is that of \"mails\" as well; give each audience a key of its own"],
    );
}

#[test]
fn deferred_work_is_configured_whole_or_not_at_all() {
    let worker = |old: &str, new: &str| {
        assert_eq!(WORKER.matches(old).count(), 1, "{old}");
        WORKER.replace(old, new)
    };
    for (text, line) in [
        (worker("[deferred]", "[deferred, jwt]"), "P:6: identity.issuers: is missing; say whose tokens are believed"),
        (
            worker("  proofs: [deferred]\n", "")
                .replace("identity: {}", "identity: {issuers: [{issuer: i, audience: a, jwks: {file: c}}]}"),
            "P:4: egress.redeem: has no effect: egress.proofs does not list deferred",
        ),
        (
            worker("  redeem: {audience: reports, keys: [{file: seal1}, {file: seal2}]}\n", ""),
            "P:4: egress.proofs: takes deferred contexts, and egress.redeem does not say whose",
        ),
        (worker("{file: seal2}", "{file: seal1}"), "P:5: egress.redeem.keys[1]: is here twice"),
        (
            worker("{file: seal2}", "{file: c}"),
            "P:5: egress.redeem.keys[1]: the secret is not 32 bytes in base64; make one with `openssl rand",
        ),
        (worker("{file: seal2}", "{file: none}"), "P:5: egress.redeem.keys[1]: the file cannot be read"),
        (worker("audience: reports, ", ""), "P:5: egress.redeem.audience: is missing"),
        (worker("keys: [", "presign: true, keys: ["), "P:5: egress.redeem.presign: has no effect without egress.presign"),
        (
            worker("  redeem:", "  defer: {audiences: {mails: {key: {file: seal3}, actions: 's3:*'}}}\n  redeem:"),
            "P:5: egress.defer: has no effect: egress.proofs takes no passports",
        ),
    ] {
        let errors = load(&text).map(drop).expect_err(line).to_string();
        let (place, said) = line.split_once(' ').unwrap();
        assert!(errors.lines().count() == 1 && errors.starts_with(place) && errors.contains(said), "{errors}");
    }
    let audience = |text: &str| with("services: {s3: {}}", &format!("services: {{s3: {{}}}}\n  defer: {{audiences: {{reports: {text}}}}}"));
    for (text, key, wrong) in [
        ("{actions: 's3:*'}", "key", "is missing"),
        ("{key: {file: c}, actions: 's3:*'}", "key", "the secret is not 32 bytes in base64; make one with `openssl rand -base64 32`"),
        ("{key: hunter2, actions: 's3:*'}", "key", "is a single value"),
        ("{key: {file: seal1}}", "actions", "is missing"),
        ("{key: {file: seal1}, actions: '*'}", "actions", "\"*\" is not taken here; give an action"),
        ("{key: {file: seal1}, actions: 's3:*', max_lifetime: 337h}", "max_lifetime", "\"337h\" is out of range"),
        ("{key: {file: seal1}, actions: 's3:*', max_uses: 1}", "max_uses", "is not supported yet; remove it"),
    ] {
        let errors = load(&audience(text)).map(drop).expect_err(text).to_string();
        assert!(errors.lines().count() == 1 && errors.contains(&format!("egress.defer.audiences.reports.{key}: {wrong}")), "{errors}");
    }
    let errors =
        load(&with("services: {s3: {}}", "services: {s3: {}}\n  defer: {audiences: {}}")).map(drop).expect_err("empty").to_string();
    assert!(errors.contains("egress.defer.audiences: lists no audience"), "{errors}");
}

#[test]
fn a_policy_can_be_a_file_data_or_text() {
    let policy = |text: &str| {
        let text = format!("{}    session_policy: {text}\n", with("role/tenants/{tenant.id}", "role/data"));
        good(&text).credentials.unwrap().plans.sole().session_policy.as_ref().unwrap().names().count()
    };
    assert_eq!(policy("{file: policy.json}"), 1);
    assert_eq!(
        policy("{inline: {Statement: [{Effect: Allow, Action: 's3:*', Resource: 'arn:aws:s3:::b/{tenant.id}/*'}], Version: 2012-10-17}}"),
        1
    );
    assert_eq!(
        policy(r#"{inline: '{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/{tenant.id}/*"}}'}"#),
        1
    );
}

#[test]
fn json_is_taken_as_well() {
    let json = document::parse(BASE, Bounds::CONFIG).unwrap().to_json();
    let from_json = good(&format!("{json:#}"));
    assert_eq!(from_json.effective, good(BASE).effective);
}

#[test]
fn broken_files_are_told_what_is_wrong_and_where() {
    let mut wrong = Vec::new();
    for (old, new, lines) in [
        // Shape.
        ("region: eu-west-1", "regoin: eu-west-1", &["P:3:3: egress.regoin: is not a known setting; did you mean region?"][..]),
        ("region: eu-west-1", "zone: eu-west-1", &["P:2:1: egress.region: is missing; give a region", "P:3:3: egress.zone: is not"]),
        ("{any: {}}", "{}", &["P:8:11: tenants.directory: says none of its alternatives; give exactly one of file, dynamodb, any"]),
        ("{any: {}}", "{any: {}, file: c}", &["P:8:11: tenants.directory: says more than one of its alternatives"]),
        ("{any: {}}", "{anny: {}}", &["P:8:23: tenants.directory.anny: is not a known setting; did you mean any?"]),
        ("{any: {}}", "{any: {x: 1}}", &["P:8:29: tenants.directory.any.x: is not a known setting; write {}"]),
        ("{any: {}}", "c", &["P:8:22: tenants.directory: is a single value; give exactly one of file, dynamodb, any"]),
        ("{any: {}}", "any", &["P:8:22: tenants.directory: is a single value; write {any: {}}"]),
        ("{any: {}}", "*", &["P:8:22: anchors, aliases and tags (& * !) are not supported; write the value out; quote it"]),
        ("{default_chain: {}}", "{default_chain: true}", &["P:10:27: credentials.source.default_chain: is a single value; write {}"]),
        (
            "{file: c}",
            "https://idp.example/keys",
            &["P:7:38: identity.issuers[0].jwks: is a single value; write {uri: \"https://idp.example/keys\"}"],
        ),
        ("{s3: {}}", "[s3]", &["P:4:13: egress.services: is a list; give a mapping, such as {s3: {}}"]),
        ("{s3: {}}", "{s3: {}, s3: {}}", &["P:4:22: the key \"s3\" is here twice; it was on line 4 already; remove one"]),
        ("    - {issuer", "    {issuer", &["P:7:5: identity.issuers: is a mapping; give a list that is not empty"]),
        ("issuer: i", "issuer: ''", &["P:7:16: identity.issuers[0].issuer: \"\" is not taken here; give text on one line"]),
        ("audience: a", "audience: []", &["P:7:29: identity.issuers[0].audience: is an empty list"]),
        ("audience: a", "audience: [a, {b: c}]", &["P:7:33: identity.issuers[0].audience[1]: is a mapping"]),
        (
            "{tls: {certificate: c, private_key: c}, ",
            "{",
            &["P:1:1: ingress.tls: is missing; give a mapping; its keys are certificate, private_key"],
        ),
        ("credentials:", "credentials: [", &["P:11:3: this is not YAML"]),
        // Values.
        ("eu-west-1", "Ireland", &["P:3:11: egress.region: \"Ireland\" is not taken here; give a region such as eu-west-1"]),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", &["P:1:60: ingress.upstream: \"127.0.0.1:8080\" begins with none of http://"]),
        ("private_key: c", "private_key: absent", &["P:1:46: ingress.tls.private_key: "]),
        ("private_key: c", "private_key: .", &["P:1:46: ingress.tls.private_key: "]),
        (
            "audience: a",
            "audience: a, algorithms: [RS256, HS256]",
            &["P:7:52: identity.issuers[0].algorithms[1]: HS256 is symmetric: everyone"],
        ),
        ("audience: a", "audience: a, algorithms: none", &["P:7:44: identity.issuers[0].algorithms: unsigned tokens prove nothing"]),
        (
            "audience: a",
            "audience: a, leeway: 10",
            &["P:7:40: identity.issuers[0].leeway: \"10\" has no unit; give a duration such as 500ms, 5s, 1m30s or 1h, from 0s to 5m"],
        ),
        ("audience: a", "audience: a, leeway: 10m", &["P:7:40: identity.issuers[0].leeway: \"10m\" is out of range"]),
        (
            "arn:aws:iam::111122223333:role/tenants/{tenant.id}",
            "'{tenant.id}-x'",
            &["P:12:15: credentials.assume_role.role_arn: {tenant.id} is directly followed by '-'"],
        ),
        (
            "arn:aws:iam::111122223333:role/tenants/{tenant.id}",
            "arn:aws:iam::111122223333:role/{tenant.name}",
            &["P:12:15: credentials.assume_role.role_arn: {tenant.name} is not known; known are {tenant.id}"],
        ),
        (
            "arn:aws:iam::111122223333:role/tenants/{tenant.id}",
            "x:{tenant.id}",
            &["P:12:15: credentials.assume_role.role_arn: \"x:{tenant.id}\" is no role's ARN"],
        ),
        (
            "arn:aws:iam::111122223333:role/tenants/{tenant.id}",
            "arn:aws:iam::111122223333:user/anna",
            &["P:12:15: credentials.assume_role.role_arn: \"arn:aws:iam::111122223333:user/anna\" is no role's ARN"],
        ),
        (
            "arn:aws:iam::111122223333:role/tenants/{tenant.id}",
            "arn:aws:iam::111122223333:role/data",
            &["P:12:15: credentials.assume_role.role_arn: is the same for every tenant"],
        ),
        // How settings go together.
        ("{s3: {}}", "{}", &["P:4:3: egress.services: lists no service"]),
        ("{s3: {}}", "{s3: {}, sts: }", &["P:4:22: egress.services.sts: cannot be allowed: "]),
        ("{s3: {}}", "{S3: {}}", &["P:4:14: egress.services.S3: \"S3\" is not taken here; give an endpoint prefix"]),
        (
            "{s3: {}}",
            "{s3: {endpoint: 'http://127.0.0.1:1'}}",
            &["P:4:29: egress.services.s3.endpoint: is plain http; use https://, or write insecure: true beside it"],
        ),
        (
            "{s3: {}}",
            "{s3: {endpoint: 'https://a', insecure: true}}",
            &["P:4:52: egress.services.s3.insecure: has no effect: endpoint is https; remove it"],
        ),
        (
            "{s3: {}}",
            "{s3: {}, execute-api: {}, es: {region: eu-west-1}, aoss: , appsync-api: {endpoint: 'https://a.example.com'}}",
            &[
                "P:4:22: egress.services.execute-api.endpoint: is missing, and hosts of execute-api belong to whoever made them: the \
                 application could have requests signed for anybody's; give your own, such as https://ID.execute-api.REGION.amazonaws.com",
                "P:4:39: egress.services.es.endpoint: is missing",
                "P:4:64: egress.services.aoss.endpoint: is missing",
            ],
        ),
        (
            "{s3: {}}",
            "{s3: {host: s3.example.com, signed_host: 'a.example.com:8443'}}",
            &[
                "P:4:25: egress.services.s3.host: has no effect without endpoint; remove it",
                "P:4:54: egress.services.s3.signed_host: has no effect without endpoint; remove it",
            ],
        ),
        (
            "{s3: {}}",
            "{s3: {endpoint: 'http://10.0.0.1:80', insecure: true, host: a.example.com, signed_host: s3.eu-west-1.amazonaws.com}}",
            &[
                "P:4:73: egress.services.s3.host: is not 10.0.0.1:80, where endpoint is plain http: nothing would show who answers; use https://",
                "P:4:101: egress.services.s3.signed_host: is not 10.0.0.1:80, where endpoint is plain http",
            ],
        ),
        (
            "{s3: {}}",
            "{s3: {endpoint: 'http://a:80', insecure: true, host: a, signed_host: 'a:81'}}",
            &["P:4:82: egress.services.s3.signed_host: is not a:80"],
        ),
        (
            "{s3: {}}",
            "{s3: {endpoint: 'https://a', host: 10.0.0.1, signed_host: 'a b'}}",
            &[
                "P:4:48: egress.services.s3.host: \"10.0.0.1\" is not taken here; give a host name in lower case",
                "P:4:71: egress.services.s3.signed_host: \"a b\" is not taken here",
            ],
        ),
        (
            "{s3: {}}",
            "{s3: {}}\n  hosts: [palisade, com, s3.eu-west-1.amazonaws.com, 10.0.0.1, palisade, 'palisade:80', Palisade]",
            &[
                "P:5:21: egress.hosts[1]: \"com\" is a domain, and not the name of a machine; give a name such as palisade",
                "P:5:26: egress.hosts[2]: \"s3.eu-west-1.amazonaws.com\" is AWS's",
                "P:5:54: egress.hosts[3]: \"10.0.0.1\" is an address",
                "P:5:64: egress.hosts[4]: \"palisade\" is here twice",
                "P:5:74: egress.hosts[5]: \"palisade:80\" is no DNS name in lower case",
                "P:5:89: egress.hosts[6]: \"Palisade\" is no DNS name in lower case",
            ],
        ),
        ("{s3: {}}", "{s3: {insecure: true}}", &["P:4:29: egress.services.s3.insecure: has no effect without endpoint"]),
        ("{s3: {}}", "{s3: {ca: absent}}", &["P:4:23: egress.services.s3.ca: "]),
        ("{s3: {}}", "{s3: {}}\n  regions: [eu-central-1]", &["P:5:3: egress.regions: does not contain egress.region, eu-west-1; add it"]),
        ("{s3: {}}", "{s3: {}}\n  regions: [eu-west-1, eu-west-1]", &["P:5:24: egress.regions[1]: \"eu-west-1\" is here twice"]),
        ("{s3: {}}", "{s3: {}}\n  proofs: [jwt, saml]", &["P:5:17: egress.proofs[1]: \"saml\" is not taken here; give passport or jwt"]),
        ("{s3: {}}", "{s3: {}}\n  proofs: [jwt, jwt]", &["P:5:17: egress.proofs[1]: \"jwt\" is here twice"]),
        (
            "{s3: {}}",
            "{s3: {}}\n  listen: [127.0.0.1:1, unix:/x]",
            &["P:5:25: egress.listen[1]: a Unix socket has a setting of its own, egress.socket"],
        ),
        (
            "{s3: {}}",
            "{s3: {}}\n  listen: 127.0.0.1:8443",
            &["P:5:11: egress.listen: 127.0.0.1:8443 is taken by ingress, which listens on 0.0.0.0:8443"],
        ),
        ("{file: c}", "{file: c, uri: 'https://a/b'}", &["P:7:45: identity.issuers[0].jwks.file: is here beside uri"]),
        ("{file: c}", "{file: c, insecure: true}", &["P:7:58: identity.issuers[0].jwks.insecure: has no effect beside file"]),
        ("{file: c}", "{}", &["P:7:32: identity.issuers[0].jwks.uri: is missing; give one of uri, discovery: true, file and inline"]),
        ("{file: c}", "{discovery: false}", &["P:7:32: identity.issuers[0].jwks.uri: is missing; give one of uri, discovery: true"]),
        (
            "{file: c}",
            "{discovery: maybe}",
            &["P:7:50: identity.issuers[0].jwks.discovery: \"maybe\" is not taken here; give true or false"],
        ),
        (", jwks: {file: c}", "", &["P:7:7: identity.issuers[0].jwks: is missing; give one of uri, discovery: true, file and inline"]),
        (
            "{file: c}",
            "{inline: {keys: []}, uri: 'https://a/b', discovery: true}",
            &[
                "P:7:39: identity.issuers[0].jwks.inline: is here beside uri; give one of uri, discovery, file and inline",
                "P:7:90: identity.issuers[0].jwks.discovery: is here beside uri",
            ],
        ),
        (
            "{file: c}",
            "{file: c, refresh: {most: 5m}, timeout: 1s, bearer_token_file: c}",
            &[
                "P:7:48: identity.issuers[0].jwks.refresh: has no effect beside file; remove it",
                "P:7:78: identity.issuers[0].jwks.timeout: has no effect beside file",
                "P:7:101: identity.issuers[0].jwks.bearer_token_file: has no effect beside file",
            ],
        ),
        (
            "{file: c}",
            "{inline: {keys: []}, max_stale: 1h, ca: c}",
            &[
                "P:7:70: identity.issuers[0].jwks.max_stale: has no effect beside inline; remove it",
                "P:7:78: identity.issuers[0].jwks.ca: has no effect beside inline",
            ],
        ),
        (
            "{file: c}",
            "{uri: 'https://a/b', discovery_uri: 'https://a/c', refresh: {least: 10m, most: 5m}}",
            &[
                "P:7:74: identity.issuers[0].jwks.discovery_uri: has no effect beside uri; remove it",
                "P:7:106: identity.issuers[0].jwks.refresh.least: is longer than most; lower it, or raise most",
            ],
        ),
        (
            "{file: c}",
            "{uri: 'http://a/b', insecure: true, bearer_token_file: c}",
            &["P:7:93: identity.issuers[0].jwks.bearer_token_file: would be sent in clear: uri is plain http; use https://"],
        ),
        ("{file: c}", "{uri: 'https://a/b', bearer_token_file: absent}", &["P:7:78: identity.issuers[0].jwks.bearer_token_file: "]),
        (
            "{file: c}",
            "{discovery: true, discovery_uri: 'http://a/b'}",
            &["P:7:71: identity.issuers[0].jwks.discovery_uri: is plain http; use https://, or write insecure: true beside it"],
        ),
        (
            "audience: a",
            "audience: a, token_types: ['at jwt'], max_lifetime: 5s",
            &[
                "P:7:46: identity.issuers[0].token_types[0]: \"at jwt\" is not taken here; give a type such as JWT or at+jwt, or absent",
                "P:7:71: identity.issuers[0].max_lifetime: \"5s\" is out of range",
            ],
        ),
        (
            "audience: a",
            "audience: a, required_claims: {a: 2.0, b: [], c: {d: e}, f: null}",
            &[
                "P:7:53: identity.issuers[0].required_claims.a: \"2.0\" is not taken here; give text, true, false or a whole number",
                "P:7:61: identity.issuers[0].required_claims.b: is an empty list",
                "P:7:68: identity.issuers[0].required_claims.c: is a mapping",
                "P:7:79: identity.issuers[0].required_claims.f: is null",
            ],
        ),
        ("{file: c}", "{uri: 'http://a/b'}", &["P:7:44: identity.issuers[0].jwks.uri: is plain http"]),
        (
            "{file: c}",
            "{discovery: true}",
            &["P:7:50: identity.issuers[0].jwks.discovery: needs an issuer that is an https:// URI without query, fragment and user"],
        ),
        (
            "{file: c}}",
            "{file: c}}\n    - {issuer: i, audience: b, jwks: {file: c}, tenants: [x*]}",
            &[
                "P:7:7: identity.issuers[0].tenants: is missing, and there is more than one issuer",
                "P:8:16: identity.issuers[1].issuer: \"i\" is here twice",
            ],
        ),
        (
            "identity:",
            "identity:\n  tenant_header: authorization",
            &["P:6:18: identity.tenant_header: \"authorization\" has a meaning of its own"],
        ),
        ("identity:", "identity:\n  token_header: x-tenant-id", &["P:6:17: identity.token_header: is the tenant header as well"]),
        (
            "upstream",
            "headers: {x-palisade-roles: admin, x-tenant-token: a, x-ok: '{subject}'}, upstream",
            &[
                "P:1:60: ingress.headers.x-palisade-roles: \"x-palisade-roles\" has a meaning of its own",
                "P:1:85: ingress.headers.x-tenant-token: ",
            ],
        ),
        (
            "upstream",
            "headers: {X-Email: a}, upstream",
            &["P:1:60: ingress.headers.X-Email: \"X-Email\" is not taken here; give a header name in lower case"],
        ),
        ("upstream", "endpoints: [], upstream", &["P:1:61: ingress.endpoints: is an empty list; give a list that is not empty"]),
        ("upstream", "endpoints: [{methods: [GET]}], upstream", &["P:1:62: ingress.endpoints[0].path: is missing; give a path such as"]),
        (
            "upstream",
            "endpoints: [{path: a, roles: []}], upstream",
            &[
                "P:1:69: ingress.endpoints[0].path: \"a\" is no path pattern: it does not begin with a slash; give a path such as /parks/{park}/**",
                "P:1:79: ingress.endpoints[0].roles: is an empty list",
            ],
        ),
        (
            "upstream",
            "endpoints: [{path: /a/**/b, methods: [get]}], upstream",
            &[
                "P:1:69: ingress.endpoints[0].path: \"/a/**/b\" is no path pattern: ** can only be the last segment",
                "P:1:88: ingress.endpoints[0].methods[0]: \"get\" is not taken here; give DELETE or GET",
            ],
        ),
        (
            "upstream",
            "endpoints: [{path: /a/**}, {path: /b}, {path: '/a/{x}', methods: [GET]}], upstream",
            &[
                "P:1:89: ingress.endpoints[2]: can never be reached: all that it fits is taken before, beginning with endpoints[0]; move it up",
            ],
        ),
        (
            "upstream",
            "endpoints: [{path: '/t/{tenant}', auth: none, roles: a}], upstream",
            &[
                "P:1:69: ingress.endpoints[0].path: names a tenant, and auth is none",
                "P:1:103: ingress.endpoints[0].roles: cannot be asked of nobody: auth is none; remove roles, or auth",
            ],
        ),
        (
            "upstream",
            "endpoints_default: deny, endpoints_ignore_case: true, upstream",
            &[
                "P:1:69: ingress.endpoints_default: has no effect without endpoints",
                "P:1:98: ingress.endpoints_ignore_case: has no effect without endpoints and tenant_from.path",
            ],
        ),
        ("upstream", "tenant_from: {}, upstream", &["P:1:50: ingress.tenant_from.host: is missing, and so is path"]),
        (
            "upstream",
            "tenant_from: {path: /a/**}, upstream",
            &["P:1:70: ingress.tenant_from.path: names no tenant; give a path with a segment {tenant}"],
        ),
        (
            "upstream",
            "tenant_from: {host: '{tenant}.com'}, upstream",
            &["P:1:70: ingress.tenant_from.host: \"{tenant}.com\" is not taken here"],
        ),
        ("upstream", "token_cookie: 'a b', upstream", &["P:1:64: ingress.token_cookie: \"a b\" is not taken here; give a cookie's name"]),
        ("upstream", "cors: {}, upstream", &["P:1:50: ingress.cors: says none of its alternatives; give exactly one of answer, pass"]),
        ("upstream", "cors: {answer: {}}, upstream", &["P:1:57: ingress.cors.answer.origins: is missing"]),
        (
            "upstream",
            "cors: {answer: {origins: '*', credentials: true}}, upstream",
            &["P:1:75: ingress.cors.answer.origins: is everybody, and credentials are sent along; list the origins"],
        ),
        (
            "upstream",
            "cors: {answer: {origins: [https://a.example, '*'], headers: ['*'], expose: ['*']}}, upstream",
            &[
                "P:1:95: ingress.cors.answer.origins[1]: is everybody, beside others",
                "P:1:111: ingress.cors.answer.headers[0]: \"*\" does not stand for Authorization",
                "P:1:126: ingress.cors.answer.expose[0]: ",
            ],
        ),
        (
            "upstream",
            "cors: {answer: {origins: 'null'}}, upstream",
            &["P:1:75: ingress.cors.answer.origins: \"null\" is not taken here; give an origin"],
        ),
        (
            "  assume_role:",
            "  refresh: {ahead: 55m, jitter: 5m}\n  assume_role:",
            &["P:11:20: credentials.refresh.ahead: and jitter leave less than a minute"],
        ),
        (
            "  assume_role:",
            "  assume_role:\n    duration: 10m",
            &[
                "P:12:15: credentials.assume_role.duration: \"10m\" is out of range; give a duration such as 500ms, 5s, 1m30s or 1h, from 15m to 12h",
            ],
        ),
        (
            "  assume_role:",
            "  assume_role:\n    session_tags: {a: '{tenant.id}', A: x, 'aws:b': c}",
            &[
                "P:12:38: credentials.assume_role.session_tags.A: differs from another key in case alone",
                "P:12:44: credentials.assume_role.session_tags.\"aws:b\": ",
            ],
        ),
        (
            "  assume_role:",
            "  assume_role:\n    session_tags: {a: b}\n    transitive_tag_keys: [a, b]",
            &["P:13:30: credentials.assume_role.transitive_tag_keys[1]: \"b\" is no key of session_tags"],
        ),
        (
            "  assume_role:",
            "  assume_role:\n    session_policy: {file: broken.json}",
            &["P:12:28: credentials.assume_role.session_policy.file: the policy cannot be used: {tenant.id} is directly followed by '*'"],
        ),
        (
            "  assume_role:",
            "  assume_role:\n    session_policy: {inline: {Statement: [{Effect: allow, Action: 's3:*', Resource: '*'}]}}",
            &["P:12:44: credentials.assume_role.session_policy.inline.Statement[0].Effect: is neither Allow nor Deny; write Allow or Deny"],
        ),
        (
            "  assume_role:",
            "  assume_role:\n    session_policy: {inline: '{\"Statements\": []}'}",
            &["P:12:30: credentials.assume_role.session_policy.inline.Statements: is no element of a policy; did you mean Statement?"],
        ),
        (
            "  assume_role:",
            "  assume_role:\n    session_policy: {inline: [1]}",
            &["P:12:22: credentials.assume_role.session_policy.inline: the policy cannot be used: it is not a JSON object"],
        ),
        (
            "tenants:",
            "limits: {default: {burst: 1}, tiers: {gold: {burst: 2}}}\ntenants:",
            &["P:8:27: limits.default.burst: has no effect without requests_per_second", "P:8:53: limits.tiers.gold.burst: has no effect"],
        ),
    ] {
        wrong.extend(mismatch(&with(old, new), lines));
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn sections_that_need_each_other() {
    let without = |from: &str, to: &str| {
        let (head, rest) = BASE.split_once(from).unwrap();
        let tail = if to.is_empty() { "" } else { &rest[rest.find(to).unwrap()..] };
        format!("{head}{tail}")
    };
    expect(
        &without("ingress", "identity:"),
        &["P:1:1: ingress: neither ingress nor egress is here", "P:5:1: credentials: has no effect without egress"],
    );
    expect(&without("credentials", ""), &["P:1:1: credentials: is missing; egress needs it"]);
    expect(&without("egress:", "identity:"), &["P:6:1: credentials: has no effect without egress"]);
    expect(&without("identity:", "tenants:"), &["P:1:1: identity: is missing"]);
    let ingress_only = without("egress:", "identity:").replace(BASE.split_once("credentials").unwrap().1, "").replace("credentials", "");
    expect(
        &ingress_only.replace("identity:", "identity:\n  passport: {max_uses: 5}"),
        &["P:3:3: identity.passport: has no effect without egress, which alone takes passports; remove it, or add egress"],
    );
    expect(
        &ingress_only.replace("8080}", "8080, endpoints: [{path: /a, passport: {max_uses: 5}}]}"),
        &["P:1:106: ingress.endpoints[0].passport: has no effect without egress"],
    );
    let egress_only = without("ingress", "egress:");
    expect(
        &egress_only.replace("identity:", "identity:\n  passport: {max_age: 1m}"),
        &["P:5:3: identity.passport: has no effect without ingress"],
    );
    expect(
        &egress_only.replace("{s3: {}}", "{s3: {}}\n  proofs: passport"),
        &["P:4:11: egress.proofs: takes passports, and there is no ingress"],
    );
}

#[test]
fn secrets_that_are_none() {
    for (token, line) in [
        ("hunter2", "P:13:16: admin.token: is a single value; give {file: PATH} or {env: NAME}"),
        ("{hunter2: x}", "P:13:16: admin.token: is not a reference to a secret"),
        ("{value: hunter2}", "P:13:16: admin.token: is not a reference to a secret"),
        ("{env: 'hunter2!'}", "P:13:16: admin.token: is not a reference to a secret"),
        ("{env: SET, file: c}", "P:13:16: admin.token: is not a reference to a secret"),
        ("{env: hunter2}", "P:13:9: admin.token: the environment variable is not set; set it"),
        ("{file: hunter2}", "P:13:9: admin.token: the file cannot be read: "),
        ("{env: ADMIN_TOKEN}", "P:13:9: admin.token: the environment variable ADMIN_TOKEN is not set; set it"),
        ("{file: secrets/admin-token}", "P:13:9: admin.token: the file secrets/admin-token cannot be read: "),
        ("{file: empty}", "P:13:9: admin.token: the secret is empty"),
        ("{file: binary}", "P:13:9: admin.token: the file is not UTF-8"),
    ] {
        expect(&format!("{BASE}admin: {{token: {token}}}\n"), &[line]);
    }
}

#[test]
fn what_is_planned_is_refused_and_null_is_not() {
    let planned = [
        ("limits: {default: {bytes_per_second: 50MiB}}", "P:13:20: limits.default.bytes_per_second"),
        ("limits: {store: {redis: {url: 'redis://a'}}}", "P:13:18: limits.store.redis"),
    ];
    for (text, line) in planned {
        let errors = load(&format!("{BASE}{text}\n")).unwrap_err().to_string();
        assert!(errors.starts_with(&format!("{line}: is not supported yet; remove it")), "{errors}");
    }
    good(&format!("{BASE}limits: {{store: {{memory: {{}}, redis: ~}}}}\ntelemetry: {{audit: null, traces: }}\n"));
    assert!(good(&with("private_key: c", "private_key: c, client_ca: null")).ingress.unwrap().tls.clients.is_none());
    good(&with("{file: c}", "{file: c, discovery: null}"));
}

/// Without its items a list would bound nothing.
#[test]
fn a_list_whose_items_are_all_commented_out_is_an_error() {
    let rule = "endpoints: [{path: /**, auth: none, clients: null}], upstream";
    for (text, wrong) in [
        (with("upstream", "endpoints: null, upstream"), "ingress.endpoints: is null"),
        (with("upstream", rule), "ingress.endpoints[0].clients: is null"),
        (with("audience: a", "audience: a, roles: ~"), "identity.issuers[0].roles: is null"),
        (with("audience: a", "audience: a, tenants: ~"), "identity.issuers[0].tenants: is null"),
    ] {
        let errors = load(&text).unwrap_err().to_string();
        assert!(errors.contains(wrong) && errors.lines().count() == 1, "{errors}");
    }
}

#[test]
fn errors_of_different_steps_are_reported_together() {
    let text = with("region: eu-west-1", "region: eu-west-1\n  lisen: 127.0.0.1:1")
        .replace("{any: {}}", "{file: absent}")
        .replace("audience: a", "audience: a, leeway: 5");
    let errors = load(&text).unwrap_err().to_string();
    let keys: Vec<_> = errors.lines().map(|line| line.split(": ").nth(1).unwrap()).collect();
    assert_eq!(keys, ["egress.lisen", "identity.issuers[0].leeway", "tenants.directory.file"], "{errors}");
}

/// The snippets of the documentation for users.
#[test]
fn what_the_contract_shows_loads() {
    for (old, new) in [
        ("upstream", "headers: {x-user-email: '{claims.email}'}, upstream"),
        (
            "{s3: {}}",
            "{s3: {}, dynamodb: {}, aoss: {endpoint: 'https://abc123.eu-west-1.aoss.amazonaws.com'}, sqs: {endpoint: 'http://127.0.0.1:5000', insecure: true}}\n  ca: null",
        ),
        ("{s3: {}}", "{s3: {}}\n  proofs: [passport, jwt]\n  regions: [eu-west-1]"),
        (
            "{file: c}",
            "{uri: https://idp.example.com/.well-known/jwks.json}, algorithms: [RS256, ES256], claims: {tenant: tenant_id, subject: sub, roles: roles}, leeway: 30s, tenants: ['*']",
        ),
        ("{file: c}", "{file: c}, claims: {tenant: /app_metadata/tenant}"),
        ("issuer: i, audience: a, jwks: {file: c}", "issuer: 'https://i/realms/a/', audience: a, jwks: {discovery: true}"),
        ("{file: c}", "{discovery: true, discovery_uri: 'https://i/.well-known/oauth-authorization-server/a'}"),
        ("{file: c}", "{inline: {keys: [{kty: OKP, crv: Ed25519, kid: d, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}}"),
        ("{file: c}", "{inline: '{\"keys\": []}'}"),
        (
            "{file: c}",
            "{uri: 'https://i/k', ca: c, bearer_token_file: c, refresh: {least: 1m, most: 1h}, max_stale: 0s, unknown_key_interval: 10s, timeout: 2s}",
        ),
        (
            "audience: a",
            "audience: a, token_types: at+jwt, required_claims: {token_use: access, azp: [a, b], jti: '*', /a/b: true}, max_lifetime: 1h",
        ),
        (
            "identity:",
            "identity:\n  passport: {lifetime: request, max_age: 5m}\n  token_header: x-tenant-token\n  tenant_header: x-tenant-id",
        ),
        (
            "  assume_role:",
            "  sts: {endpoint: null, region: eu-west-1, ca: null}\n  refresh: {ahead: 5m, jitter: 1m}\n  assume_role:\n    external_id: '{tenant.external_id}'\n    session_name: '{tenant.id}'\n    session_tags: {TenantID: '{tenant.id}'}\n    duration: 1h",
        ),
        ("role/tenants/{tenant.id}", "role/tenant-{tenant.id}"),
        ("arn:aws:iam::111122223333:role/tenants/{tenant.id}", "arn:aws:iam::{tenant.account}:role/data"),
        (
            "tenants:",
            "limits:\n  default: {requests_per_second: 200, burst: 400, concurrent: 64}\n  tiers: {gold: {requests_per_second: 2000, burst: 4000, concurrent: 256}}\n  store: {memory: {}}\ntenants:",
        ),
        (
            "tenants:",
            "server: {handshake_timeout: 5s, header_timeout: 5s, idle_timeout: 60s, header_bytes: 64KiB, headers: 100, uri_bytes: 16KiB, connections: 10000, drain: 25s}\ntenants:",
        ),
        ("tenants:", "telemetry: {logs: {format: json, level: info}, metrics: {max_tenants: 1000}}\ntenants:"),
        (
            "tenants:",
            "admin: {listen: 127.0.0.1:8190, token: {file: c}, metrics_token: {file: c}, quit_from_loopback: true}\nprobes: {listen: 0.0.0.0:8191}\ntenants:",
        ),
    ] {
        good(&with(old, new));
    }
}

#[test]
fn the_guide_to_endpoints_loads() {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/guide/endpoints.md")).unwrap();
    let snippets: Vec<_> = guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(snippets.len(), 4);
    let (ingress, rest) = BASE.split_once('\n').unwrap();
    assert!(ingress.starts_with("ingress:"));
    for snippet in snippets {
        let whole = snippet
            .replace("ingress:\n", "ingress:\n  tls: {certificate: c, private_key: c, client_ca: c}\n  upstream: http://127.0.0.1:8080\n");
        good(&format!("{whole}{rest}"));
    }
}

fn example(name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(&source).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    for made in ["tls/tls.crt", "tls/tls.key", "tls/ca.crt", "tls/clients.crt", "tls/clients.crl", "secrets/admin-token", "secrets/token"] {
        let path = folder.path().join(made);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "not a secret\n").unwrap();
    }
    fs::write(folder.path().join("secrets/context.pem"), pem()).unwrap();
    fs::write(folder.path().join("secrets/audit.pem"), pem()).unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

#[test]
fn the_examples_load() {
    let env = |name: &str| (name == "PALISADE_METRICS_TOKEN").then(|| "x".to_owned());
    let (_folder, path) = example("minimal.yaml");
    Config::load(&path, &|_| None).unwrap();
    let (_folder, path) = example("full.yaml");
    let config = Config::load(&path, &env).unwrap();
    let directory = crate::directory::Directory::open(&config.directory, None).unwrap();
    assert_eq!(directory.records().len(), 3);
    assert!(matches!(&config.identity.issuers[1].jwks, JwksSource::File(path) if path.is_absolute()));
    let plans = config.credentials.unwrap().plans;
    assert_eq!(plans.default.as_ref().unwrap().session_policy().unwrap().names().count(), 3);
}

/// Settings that the file gives and nothing reads would be ignored in silence.
#[test]
fn every_setting_of_the_example_is_in_effect() {
    let (_folder, path) = example("full.yaml");
    let given = document::parse(&fs::read_to_string(&path).unwrap(), Bounds::CONFIG).unwrap().to_json();
    let config = Config::load(&path, &|_| Some("x".to_owned())).unwrap();
    let mut lost = Vec::new();
    compare(&given, &config.effective, "", &mut lost);
    let redacted = [
        "/ingress/context/keys/0: redacted",
        "/admin/token: redacted",
        "/admin/metrics_token: redacted",
        "/telemetry/audit/checkpoint/key: redacted",
    ];
    assert_eq!(lost, redacted);
    // And the defaults that it does not give are there.
    let effective = good(BASE).effective;
    let mut unread = BTreeSet::new();
    defaults(&effective, ROOT, "", &mut unread);
    assert_eq!(unread, BTreeSet::new());
}

fn compare(given: &Value, effective: &Value, path: &str, lost: &mut Vec<String>) {
    match (given, effective) {
        (Value::Object(_), Value::String(text)) if text == "[redacted]" => lost.push(format!("{path}: redacted")),
        (Value::Object(given), effective) => {
            given
                .iter()
                .for_each(|(key, value)| compare(value, effective.get(key).unwrap_or(&Value::Null), &format!("{path}/{key}"), lost));
        }
        (Value::Array(given), Value::Array(effective)) if given.len() == effective.len() => {
            given
                .iter()
                .zip(effective)
                .enumerate()
                .for_each(|(at, (given, effective))| compare(given, effective, &format!("{path}/{at}"), lost));
        }
        // One value where several could be.
        (Value::String(_), Value::Array(items)) if items.len() == 1 && &items[0] == given => {}
        _ if given == effective => {}
        _ => lost.push(format!("{path}: {given} became {effective}")),
    }
}

/// Collects settings with defaults that are not in the effective configuration.
fn defaults(effective: &Value, settings: &[super::super::settings::Setting], path: &str, unread: &mut BTreeSet<String>) {
    use super::super::settings::Absent;
    for setting in settings {
        let path = format!("{path}.{}", setting.key);
        match (&setting.kind, effective.get(setting.key), setting.absent) {
            (Kind::Section(settings), Some(value), _) => defaults(value, settings, &path, unread),
            (Kind::Section(settings), None, Absent::Default(_))
                if !settings.iter().all(|s| matches!(s.absent, Absent::Unset | Absent::Derived(_))) =>
            {
                unread.insert(path);
            }
            // The section is not there in the test's file, and what it would do is another's.
            (Kind::Scalar(_) | Kind::OneOrMore(_) | Kind::Choice(_), None, Absent::Default(_)) if !path.ends_with("sts.insecure") => {
                unread.insert(path);
            }
            _ => {}
        }
    }
}

#[test]
fn the_schema_is_for_this_file() {
    let properties = schema()["properties"].clone();
    let keys: Vec<_> = properties.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        [
            "ingress",
            "egress",
            "admin",
            "probes",
            "identity",
            "tenants",
            "users",
            "credentials",
            "workloads",
            "guard",
            "limits",
            "server",
            "resources",
            "shutdown",
            "telemetry"
        ]
    );
    assert_eq!(properties["server"]["default"], json!({}));
    assert_eq!(properties["admin"]["anyOf"][0]["properties"]["listen"]["default"], "127.0.0.1:8190");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = load(&text);
    }

    /// A valid file with a piece cut out and something else put in is loaded or refused, and what is refused has a place.
    #[test]
    fn no_damage_panics(from in 0..BASE.len(), length in 0..40_usize, put in "[ -~\n]{0,12}") {
        let to = (from + length).min(BASE.len());
        let text = format!("{}{put}{}", &BASE[..from], &BASE[to..]);
        if let Err(errors) = load(&text) {
            prop_assert!(errors.iter().count() > 0);
            prop_assert!(errors.iter().all(|error| error.at.is_some()), "{}", errors);
            prop_assert!(errors.iter().all(|error| !error.to_string().contains('\n')), "{}", errors);
        }
    }

    /// Any data under any key is loaded or refused.
    #[test]
    fn no_value_panics(key in prop::sample::select(ROOT.iter().map(|setting| setting.key).collect::<Vec<_>>()), text in "[a-z0-9{}\\[\\]:,' ]{0,30}") {
        let _ = load(&format!("{BASE}{key}: {text}\n"));
        let _ = load(&format!("{key}: {text}\n"));
    }
}

#[test]
fn verification_is_set_and_bounded() {
    let some = "identity:\n  verification: {cache: {entries: 500, bytes: 2MiB}, concurrency: 3, queue: 16, wait: 250ms, failures: {per_second: 0.5, burst: 7}}";
    let verification = good(&with("identity:", some)).identity.verification;
    assert_eq!((verification.cache.entries, verification.cache.bytes), (500, 2 << 20));
    assert_eq!((verification.concurrency, verification.queue, verification.wait), (3, 16, Duration::from_millis(250)));
    assert_eq!((verification.failures.per_second, verification.failures.burst), (0.5, 7));
    for (setting, right) in [
        ("concurrency: 0", "P:6:31: identity.verification.concurrency: "),
        ("queue: 7", "P:6:25: identity.verification.queue: "),
        ("wait: 0s", "P:6:24: identity.verification.wait: "),
        ("cache: {entries: 99}", "P:6:35: identity.verification.cache.entries: "),
        ("cache: {bytes: 1KiB}", "P:6:33: identity.verification.cache.bytes: "),
        ("failures: {per_second: 0}", "P:6:41: identity.verification.failures.per_second: "),
        ("failures: {burst: 0}", "P:6:36: identity.verification.failures.burst: "),
    ] {
        expect(&with("identity:", &format!("identity:\n  verification: {{{setting}}}")), &[right]);
    }
}
