//! The files in `config`, as they are in a fresh clone.

use std::path::Path;

use super::*;

fn check_file(path: &Path, without_files: bool) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = Args { config: path.to_owned(), without_files, strict: false };
    let code = check(&args, &|_| None, &mut out, &mut err).unwrap();
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn every_example_is_right_on_a_machine_that_has_none_of_its_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let examples = fs::read_dir(folder.join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let examples = examples.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    let all: Vec<_> = examples.chain(["minimal.yaml", "full.yaml"].map(|name| folder.join(name))).collect();
    assert!(all.len() >= 19, "{all:?}");
    for path in all {
        let (code, out, err) = check_file(&path, true);
        assert_eq!(code, 0, "{err}");
        for apart in ["OpenSearch Serverless looks", "confused deputy", "every tenant the same", ".Condition: "] {
            assert!(!err.contains(apart), "{err}");
        }
        let untried = out.lines().next().unwrap();
        assert!(untried.contains(": not tried, since files and variables are not looked for: "), "{out}");
        assert!(untried.contains("ingress.tls.certificate, ingress.tls.private_key"), "{out}");
        // The tenants' records are in the clone, and are read.
        assert!(!untried.contains("tenants.directory.file") && out.lines().count() == 2, "{out}");
        let (code, _, err) = check_file(&path, false);
        assert!(code == 2 && err.contains("tls.crt cannot be read"), "{err}");
    }
}

#[test]
fn what_is_not_looked_for_is_said_and_the_rest_is_checked() {
    let config = CONFIG.replace("{file: base}", "{static: {access_key_id: AKIA1, secret_access_key: {env: NOWHERE}}}")
        + "admin: {listen: 0.0.0.0:8190, token: {file: none}, metrics_token: {env: NOWHERE}}\n";
    let without = |config: &str, tenants: &str| check_as(config, tenants, |config| Args { config, without_files: true, strict: false });
    let (code, out, err) = without(&config.replace("tls.crt", "none"), "tenants: {acme: {}}");
    assert_eq!(code, 0, "{err}");
    let untried =
        "ingress.tls.certificate, ingress.tls.private_key, credentials.source.static.secret_access_key, admin.token, admin.metrics_token";
    assert!(out.lines().next().unwrap().ends_with(untried), "{out}");
    assert!(err.lines().count() == 1 && err.contains("credentials.source is a fixed key"), "{err}");
    let (code, _, err) = without(&config, "tenants: {x: {}}");
    assert!(code == 2 && err.starts_with("F/tenants.yaml:1:11: tenants.x:"), "{err}");
    let (code, out, err) = without(&config.replace("{file: tenants.yaml}", "{file: none.yaml}"), "");
    assert!(code == 0 && out.contains("tenants.directory.file"), "{out}{err}");
}

#[test]
fn taken_strictly_a_warning_is_an_error() {
    let strict = |tenants: &str| check_as(CONFIG, tenants, |config| Args { config, without_files: false, strict: true });
    assert_eq!(strict("tenants: {acme: {}}").0, 0);
    let (code, out, err) = strict("tenants: {acme: {}}\nrevoked: {subjects: [{issuer: i/, subject: u}]}");
    assert!(code == 2 && out.is_empty() && err.contains(": warning: "), "{out}{err}");
}
