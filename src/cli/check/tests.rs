//! What `palisade check` says, of a folder with everything that it needs.

mod examples;
mod guard;
mod idle;
mod isolation;
mod plans;
mod weak;

use std::fs;

use super::*;
use crate::server::tls::tests::Issued;

const CONFIG: &str = "
ingress: {tls: {certificate: tls.crt, private_key: tls.key}, upstream: http://127.0.0.1:8080}
egress: {region: eu-west-1, services: {s3: {}}}
identity: {issuers: [{issuer: i, audience: a, jwks: {uri: https://idp.example.com/keys}}]}
tenants: {directory: {file: tenants.yaml}}
guard: {s3: [{buckets: [pool], prefix: '{tenant.id}/'}]}
credentials:
  source: {file: base}
  assume_role: {role_arn: 'arn:aws:iam::111122223333:role/tenants/{tenant.id}'}
";

/// Exit code, standard output, standard error; the folder's name is replaced by `F`.
fn check_text(config: &str, tenants: &str) -> (u8, String, String) {
    check_as(config, tenants, |config| Args { config, without_files: false, strict: false })
}

fn check_as(config: &str, tenants: &str, arguments: impl Fn(PathBuf) -> Args) -> (u8, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (issued, other) = (Issued::new(), Issued::new());
    fs::copy(issued.files.certificate.name(), folder.path().join("tls.crt")).unwrap();
    fs::copy(issued.files.private_key.name(), folder.path().join("tls.key")).unwrap();
    fs::copy(other.files.private_key.name(), folder.path().join("other.key")).unwrap();
    let expired = Issued::until(2020);
    fs::copy(expired.files.certificate.name(), folder.path().join("old.crt")).unwrap();
    fs::copy(expired.files.private_key.name(), folder.path().join("old.key")).unwrap();
    for byte in [1, 2] {
        use base64::{Engine, engine::general_purpose::STANDARD};
        fs::write(folder.path().join(format!("seal{byte}")), STANDARD.encode([byte; 32])).unwrap();
    }
    fs::write(folder.path().join("junk"), "x").unwrap();
    fs::write(folder.path().join("token"), "3f9c0b1d5e7a2846c0ffee0123456789").unwrap();
    fs::write(folder.path().join("base"), "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = secret\n").unwrap();
    fs::write(folder.path().join("tenants.yaml"), tenants).unwrap();
    fs::write(folder.path().join("users.yaml"), "issuers: {j: {users: {u: {tenants: {}}}}}").unwrap();
    fs::write(folder.path().join("p.yaml"), config).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = check(&arguments(folder.path().join("p.yaml")), &|_| Some("secret".to_owned()), &mut out, &mut err).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(&folder.path().display().to_string(), "F");
    (code, text(out), text(err))
}

#[test]
fn a_good_file_gets_one_line() {
    let (code, out, err) = check_text(CONFIG, "tenants: {acme: {}, globex: {}}");
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, "F/p.yaml: ok: ingress 0.0.0.0:8443, egress 127.0.0.1:8180 to s3, tenants: 2, issuers: 1\n");
}

#[test]
fn errors_of_both_files_are_found() {
    let (code, out, err) = check_text(&CONFIG.replace("region", "regoin"), "tenants: {}");
    assert_eq!((code, out.as_str(), err.lines().count()), (2, "", 1), "{err}");
    assert!(err.contains("F/p.yaml:3:10: egress.regoin: is not a known setting; did you mean region?"), "{err}");
    let (code, _, err) = check_text(CONFIG, "tenants: {x: {}}");
    assert!(code == 2 && err.starts_with("F/tenants.yaml:1:11: tenants.x:"), "{err}");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    assert_eq!(
        check(&Args { config: "/nowhere.yaml".into(), without_files: false, strict: false }, &|_| None, &mut out, &mut err).unwrap(),
        2
    );
    assert!(String::from_utf8(err).unwrap().starts_with("/nowhere.yaml: cannot be read"));
}

#[test]
fn files_that_a_start_would_fail_on_are_errors() {
    for (old, new, key, why) in [
        ("certificate: tls.crt", "certificate: junk", "ingress.tls", "F/junk: it holds no PEM certificate"),
        ("private_key: tls.key", "private_key: junk", "ingress.tls", "F/junk: it holds no PEM private key"),
        ("private_key: tls.key", "private_key: other.key", "ingress.tls", "F/other.key is not the key of the first certificate"),
        (
            "{uri: https://idp.example.com/keys}",
            "{file: junk}",
            "identity.issuers[0].jwks.file",
            "F/junk: the document is not JSON, or has a member twice; give a JWK Set",
        ),
        ("/keys}", "/keys, ca: junk}", "identity.issuers[0].jwks.ca", "F/junk: it holds no PEM certificate"),
        (
            "/keys}",
            "/keys, bearer_token_file: tls.key}",
            "identity.issuers[0].jwks.bearer_token_file",
            "F/tls.key: it holds no token on one line",
        ),
        (
            "{uri: https://idp.example.com/keys}",
            "{inline: {keys: []}}",
            "identity.issuers[0].jwks.inline",
            "the document has no usable public key",
        ),
        (
            "{uri: https://idp.example.com/keys}",
            "{inline: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}}",
            "identity.issuers[0].jwks.inline",
            "no key is for algorithms (RS256, ES256), but for EdDSA; correct algorithms, or the keys",
        ),
        ("{s3: {}}", "{s3: {}}, ca: junk", "egress.ca", "F/junk: it holds no PEM certificate"),
        ("{s3: {}}", "{s3: {ca: junk}}", "egress.services.s3.ca", "F/junk: it holds no PEM certificate"),
        ("  source:", "  sts: {ca: junk}\n  source:", "credentials.sts.ca", "F/junk: not a PEM file of certificates"),
        ("{file: base}", "{file: junk}", "credentials.source.file", "F/junk: line 1: there is no profile above it"),
    ] {
        let (code, out, err) = check_text(&CONFIG.replace(old, new), "tenants: {}");
        assert_eq!((code, out.as_str()), (2, ""), "{new}");
        let place = err.strip_prefix("F/p.yaml:").and_then(|rest| rest.split_once(": ")).unwrap_or_default();
        let is_placed = place.0.split(':').filter(|number| number.parse::<usize>().is_ok_and(|number| number > 0)).count() == 2;
        assert!(is_placed && place.1.starts_with(&format!("{key}: {why}")) && err.lines().count() == 1, "{new}: {err}");
    }
    let both = CONFIG.replace("tls.crt", "junk").replace("{s3: {}}", "{s3: {ca: junk}}");
    let (code, _, err) = check_text(&both, "tenants: {x: {}}");
    assert_eq!((code, err.lines().count()), (2, 3), "{err}");
    assert_eq!(check_text(&CONFIG.replace("{s3: {}}", "{s3: {ca: tls.crt}}, ca: tls.crt"), "tenants: {}").0, 0);
}
