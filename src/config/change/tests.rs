use serde_json::json;

use super::*;
use crate::config::settings::{Kind, ROOT, Setting};

fn changed(old: Value, new: Value) -> Vec<String> {
    let mut found = BTreeSet::new();
    differences(&old, &new, &mut String::new(), &mut found);
    found.into_iter().collect()
}

#[test]
fn differences_are_named_as_errors_name_settings() {
    let old = json!({"a": {"b": 1, "c": [1, {"d": 2}]}, "same": {"x": null}, "gone": {"y": 1}});
    let new = json!({"a": {"b": 2, "c": [1, {"d": 3}]}, "same": {}, "come": {}, "new one": true});
    assert_eq!(changed(old.clone(), new), ["\"new one\"", "a.b", "a.c[1].d", "come", "gone.y"]);
    assert_eq!(changed(old.clone(), old), [""; 0]);
    assert_eq!(changed(json!({"l": [1, 2]}), json!({"l": [1]})), ["l"]);
    assert_eq!(changed(json!({"choice": "any"}), json!({"choice": {"file": "f"}})), ["choice"]);
    assert_eq!(changed(json!({"s": null}), json!({"s": {"t": {"u": 1}}})), ["s.t.u"]);
}

#[test]
fn the_longest_row_holds_and_what_is_in_none_cannot_be_changed() {
    for (setting, part) in [
        ("ingress.endpoints[3].roles[0]", Part::Ingress),
        ("ingress.upstream", Part::Application),
        ("ingress.upstream_ca", Part::Application),
        ("ingress.listen", Part::Start),
        ("ingress.tls.client_crl[0]", Part::Start),
        ("ingress.tls.certificate", Part::Certificates),
        ("egress.services.s3.ca", Part::Egress),
        ("egress.tls", Part::Start),
        ("identity.passport.max_age", Part::Passports),
        ("guard.cedar.policies", Part::Policies),
        ("guardian", Part::Start),
        ("telemetry", Part::Start),
        ("", Part::Start),
    ] {
        assert_eq!(part_of(setting), part, "{setting}");
    }
}

/// Every setting that there is, as a change of it would be named.
fn all(settings: &[Setting], path: &str, found: &mut Vec<String>) {
    for setting in settings {
        let path = if path.is_empty() { setting.key.to_owned() } else { format!("{path}.{}", setting.key) };
        match &setting.kind {
            Kind::NotYet => continue,
            Kind::Choice(below) | Kind::Section(below) | Kind::OneOrMoreOr(_, below) => all(below, &path, found),
            Kind::List(Kind::Choice(below) | Kind::Section(below)) | Kind::Entries(Kind::Section(below)) => {
                all(below, &format!("{path}[0]"), found);
            }
            Kind::Map(_, Kind::Section(below)) => all(below, &format!("{path}.NAME"), found),
            _ => {}
        }
        found.push(path);
    }
}

/// The guide names every setting that needs a restart; `tests/clients/test_reload.py` tries each of its rows.
#[test]
fn the_guide_lists_what_needs_a_restart() {
    let guide = include_str!("../../../config/guide/reload.md");
    let section = guide.split_once("## What needs a restart").and_then(|(_, rest)| rest.split_once("\n## ")).unwrap().0;
    let listed: BTreeSet<_> = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(key, _)| key).collect();
    let of_table = PARTS.iter().filter(|(_, part)| *part == Part::Start).map(|(key, _)| *key);
    assert_eq!(listed, of_table.chain(["egress.tls"]).collect());
}

/// A new setting has to be given a place in the table on purpose: at the top there is no row that stands for what nobody thought of.
#[test]
fn every_setting_is_in_the_table_and_every_row_is_a_setting() {
    let mut settings = Vec::new();
    all(ROOT, "", &mut settings);
    let is_in =
        |setting: &str, row: &str| setting == row || setting.starts_with(&format!("{row}.")) || setting.starts_with(&format!("{row}["));
    let sections = ["probes", "telemetry"];
    let lost: Vec<_> = settings
        .iter()
        .filter(|setting| !sections.contains(&setting.as_str()) && !PARTS.iter().any(|(row, _)| is_in(setting, row)))
        .collect();
    assert!(lost.is_empty(), "no row of PARTS says what these are part of: {lost:?}");
    let stale: Vec<_> = PARTS.iter().filter(|(row, _)| !settings.iter().any(|setting| setting == row)).collect();
    assert!(stale.is_empty(), "these rows are no settings: {stale:?}");
}

/// Secrets are all shown alike.
#[test]
fn another_secret_is_a_change_of_every_setting_that_has_one() {
    const CONFIG: &str = "
egress: {listen: '127.0.0.1:0', region: eu-west-1, services: {s3: {}}, proofs: [jwt, deferred], redeem: {audience: w, keys: [{env: K1}, {env: K2}]}}
identity: {issuers: [{issuer: i, audience: a, jwks: {uri: https://idp.example.com/keys}}]}
tenants: {directory: {any: {}}}
credentials:
  source: {static: {access_key_id: AKIAEXAMPLE, secret_access_key: {env: S1}}}
  assume_role: {role_arn: 'arn:aws:iam::111122223333:role/{tenant.id}'}
admin: {listen: '127.0.0.1:0', token: {env: T1}}
";
    let env = |name: &str| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        // S3 says the same as S1.
        let said = if name == "S3" { "S1" } else { name };
        let mut bytes = [7; 32];
        bytes[..said.len()].copy_from_slice(said.as_bytes());
        Some(STANDARD.encode(bytes))
    };
    let load = |text: &str| Config::parse(text, "p.yaml", std::path::Path::new(""), &env).unwrap_or_else(|errors| panic!("{errors}"));
    let old = load(CONFIG);
    for (from, to, settings, part) in [
        ("{env: S1}", "{env: S2}", &["credentials.source.static.secret_access_key"][..], Part::Base),
        ("{env: T1}", "{env: T2}", &["admin.token"][..], Part::Admin),
        ("{env: K1}, {env: K2}", "{env: K2}, {env: K1}", &["egress.redeem.keys[0]", "egress.redeem.keys[1]"][..], Part::Egress),
    ] {
        let change = old.change_to(&load(&CONFIG.replace(from, to)));
        assert_eq!(change.settings().collect::<Vec<_>>(), settings);
        assert!(change.concerns(part), "{settings:?}");
    }
    assert!(old.change_to(&load(CONFIG)).is_nothing());
    assert!(old.change_to(&load(&CONFIG.replace("{env: S1}", "{env: S3}"))).is_nothing(), "it is the secret that counts, and not its name");
}
