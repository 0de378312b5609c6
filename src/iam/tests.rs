//! What is printed is compared with files, and decided upon by an evaluator that was written from AWS's documentation.
//!
//! `PALISADE_BLESS=1 cargo test --lib iam` writes the files anew.

mod decisions;
mod own;
mod plans;
mod refusals;
mod stacks;

use std::{fs, path::Path};

use serde_json::Value;

use super::{Format, IamError, Printed, Wanted, What, print};
use crate::{config::Config, directory::Directory};

const POOLED: &str = "
    role_arn: arn:aws:iam::111122223333:role/data/tenant-pool
    source_identity: '{subject}'
    session_tags: {TenantID: '{tenant.id}', Cell: '{tenant.cell}', App: palisade}
    transitive_tag_keys: [TenantID]
";
const OWN_ROLE: &str = "
    role_arn: arn:aws:iam::111122223333:role/tenant-{tenant.id}
";
const OWN_ACCOUNT: &str = "
    role_arn: arn:aws:iam::{tenant.account}:role/data
    external_id: '{tenant.external_id}'
    session_tags: {TenantID: '{tenant.id}'}
    duration: 2h
";
const BY_SESSION_POLICY: &str = "
    role_arn: arn:aws:iam::111122223333:role/data
    session_policy: {inline: {Version: '2012-10-17', Statement: [{Effect: Allow, Action: 's3:GetObject', Resource: 'arn:aws:s3:::pool/{tenant.id}/*'}]}}
";
const TENANTS: &str = "
tenants:
  acme: {account: '444455556666', external_id: x-acme, cell: c1, kms_key: alias/acme}
  acme-eu: {account: '444455557777', external_id: x-acme-eu, cell: c1}
  globex: {account: '444455558888', external_id: x-globex, cell: c2}
";
const BASE: &str = "arn:aws:iam::999900001111:role/palisade-base";

fn config(plan: &str, services: &str) -> Config {
    with_credentials(&format!("  source: {{web_identity: {{token_file: token, role_arn: '{BASE}'}}}}\n  assume_role: {plan}"), services)
}

/// One with this below `credentials`.
fn with_credentials(credentials: &str, services: &str) -> Config {
    with_tenants("file: tenants.yaml", credentials, services)
}

/// One with tenants of this directory.
fn with_tenants(directory: &str, credentials: &str, services: &str) -> Config {
    load(&format!(
        "egress: {{region: eu-west-1, services: {services}}}
tenants: {{directory: {{{directory}}}}}
credentials:
{credentials}"
    ))
}

/// One with this besides an issuer.
fn load(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tenants.yaml"), TENANTS).unwrap();
    fs::write(folder.path().join("token"), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08").unwrap();
    for file in ["c.pem", "k.pem"] {
        fs::write(folder.path().join(file), "not looked at here").unwrap();
    }
    let issuer = "identity: {issuers: [{issuer: 'https://idp.example.com/', audience: api, jwks: {uri: https://idp.example.com/keys}}]}";
    let text = format!("{issuer}\n{text}");
    let path = folder.path().join("palisade.yaml");
    fs::write(&path, text).unwrap();
    let config = Config::load(&path, &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    Box::leak(Box::new(folder));
    config
}

fn wanted(config: &Config, tenants: &[&str]) -> Wanted {
    let known = Directory::open(&config.directory, None).map(|directory| directory.records()).unwrap_or_default();
    let record = |id: &&str| (**known.iter().find(|record| record.id.as_str() == *id).unwrap()).clone();
    Wanted {
        format: Format::Json,
        what: Vec::new(),
        tenants: tenants.iter().map(record).collect(),
        known: known.iter().map(|record| (**record).clone()).collect(),
        base_arn: None,
        admin_arn: Some("arn:aws:iam::111122223333:role/platform".to_owned()),
        role_policies: Vec::new(),
        buckets: vec!["pool".to_owned()],
        prefix: "{tenant.id}/".to_owned(),
        tables: vec!["orders".to_owned()],
        table_indexes: Vec::new(),
        leading_key: "{tenant.id}#".to_owned(),
        collection: Some("search".to_owned()),
        index: Some("index-v1-{tenant.id}".to_owned()),
    }
}

/// The printed object.
fn json(plan: &str, tenants: &[&str], what: &[What]) -> Result<Value, IamError> {
    json_of(&config(plan, "{s3: {}, dynamodb: {}}"), tenants, what)
}

fn json_of(config: &Config, tenants: &[&str], what: &[What]) -> Result<Value, IamError> {
    let wanted = Wanted { what: what.to_vec(), ..wanted(config, tenants) };
    print(config, &wanted).map(|printed| serde_json::from_str(&printed.text).unwrap())
}

fn compare(name: &str, printed: &Printed) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/iam/tests/golden");
    let (path, notes_path) = (folder.join(name), folder.join(format!("{name}.notes")));
    let notes = printed.notes.iter().fold(String::new(), |text, note| format!("{text}note: {note}\n"));
    if std::env::var_os("PALISADE_BLESS").is_some() {
        fs::write(&path, &printed.text).unwrap();
        if notes.is_empty() {
            // There may be none from before.
            let _ = fs::remove_file(&notes_path);
        } else {
            fs::write(&notes_path, &notes).unwrap();
        }
    }
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    assert!(read(&path) == printed.text, "{name} is out of date: PALISADE_BLESS=1 cargo test --lib iam");
    assert_eq!(read(&notes_path), notes, "{name}");
}

#[test]
fn the_documents_of_each_model_are_those_of_the_files() {
    use What::{Aoss, Base, Data, Kms, Scp, Session, Trust};
    let everything = [Base, Trust, Data, Session, Kms, Scp];
    let services = "{s3: {}, dynamodb: {}}";
    for (name, plan, services, tenants, what) in [
        ("pooled", POOLED, services, &["acme"][..], &everything[..]),
        (
            "own-role",
            OWN_ROLE,
            "{s3: {}, dynamodb: {}, aoss: {endpoint: 'https://abc123.eu-west-1.aoss.amazonaws.com'}, sqs: {}}",
            &["acme", "acme-eu"],
            &[Base, Trust, Data, Aoss, Kms],
        ),
        ("own-account", OWN_ACCOUNT, services, &["acme"], &[]),
        ("session-policy", BY_SESSION_POLICY, services, &["acme"], &[]),
    ] {
        let config = config(plan, services);
        let wanted = Wanted { what: what.to_vec(), ..wanted(&config, tenants) };
        compare(&format!("{name}.json"), &print(&config, &wanted).unwrap());
    }
}

#[test]
fn the_templates_of_each_model_are_those_of_the_files() {
    use What::{Aoss, Base, Data, Kms, Scp, Trust};
    for (format, ending) in [(Format::Cloudformation, "template.json"), (Format::Terraform, "tf")] {
        for (name, plan, services, tenants, what) in [
            ("pooled", POOLED, "{s3: {}, dynamodb: {}}", &[][..], &[Base, Trust, Data, Kms, Scp][..]),
            (
                "own-role",
                OWN_ROLE,
                "{s3: {}, dynamodb: {}, aoss: {endpoint: 'https://abc123.eu-west-1.aoss.amazonaws.com'}}",
                &[],
                &[Base, Trust, Data, Aoss, Kms],
            ),
            (
                "own-roles",
                OWN_ROLE,
                "{s3: {}, aoss: {endpoint: 'https://abc123.eu-west-1.aoss.amazonaws.com'}}",
                &["acme", "globex"],
                &[Base, Trust, Data, Aoss],
            ),
            ("own-account", OWN_ACCOUNT, "{s3: {}, kms: {}}", &[], &[Trust, Data, Kms]),
        ] {
            let config = config(plan, services);
            let open = Wanted { base_arn: None, admin_arn: None, tables: Vec::new(), ..wanted(&config, tenants) };
            let printed = print(&config, &Wanted { format, what: what.to_vec(), ..open }).unwrap();
            compare(&format!("{name}.{ending}"), &printed);
        }
    }
}

#[test]
fn a_note_stands_with_what_it_is_about() {
    let config = config("{role_arn: 'arn:aws:iam::111122223333:role/tenant-{tenant.id}'}", "{s3: {}, sqs: {}}");
    let notes = |what: What| {
        let wanted = Wanted { what: vec![what], format: Format::Terraform, ..wanted(&config, &[]) };
        print(&config, &wanted).unwrap().notes
    };
    let said = |notes: Vec<String>, text: &str| notes.iter().any(|note| note.contains(text));
    assert!(said(notes(What::Base), "the base policy lets") && !said(notes(What::Base), "egress.services has sqs"));
    assert!(said(notes(What::Data), "egress.services has sqs") && !said(notes(What::Data), "the base policy lets"));
    assert!(notes(What::Trust).is_empty());
}
