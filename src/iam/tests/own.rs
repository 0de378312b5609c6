//! What Palisade does for no tenant.

use serde_json::{Value, json};

use super::{
    super::own::Own,
    decisions::{may, tagged},
    json_of, with_credentials, with_tenants,
};
use crate::{iam::What, sandbox::aws::policy::Context};

const PLAN: &str = "  source: {web_identity: {token_file: token, role_arn: 'arn:aws:iam::999900001111:role/palisade-base'}}
  assume_role: {role_arn: 'arn:aws:iam::111122223333:role/tenant-{tenant.id}'}
";
const SERVICES: &str = "{s3: {}, sqs: {}}";
const POLLER: &str = "arn:aws:iam::111122223333:role/poller";
const READER: &str = "arn:aws:iam::111122223333:role/directory";
const TABLE: &str = "arn:aws:dynamodb:eu-west-1:111122223333:table/users";

fn with(more: &str) -> crate::config::Config {
    with_credentials(&format!("{PLAN}{more}"), SERVICES)
}

fn base(more: &str) -> (Value, Vec<String>) {
    let config = with(more);
    let mut notes = Vec::new();
    Own::new(&config).note(&mut notes);
    (json_of(&config, &["acme"], &[What::Base]).unwrap()["base"]["policy"].clone(), notes)
}

#[test]
fn who_reads_a_table_may_and_nobody_else() {
    let none = Context::default();
    let users = |more: &str| format!("users: {{directory: {{dynamodb: {{table: '{TABLE}', partition_key: pk{more}}}}}}}\n");
    let (own, notes) = base(&users(""));
    assert!(may(&own, "dynamodb:GetItem", TABLE, &none) && !may(&own, "dynamodb:Scan", TABLE, &none) && notes.is_empty());
    let (by_role, notes) = base(&users(&format!(", role_arn: '{READER}'")));
    assert!(!may(&by_role, "dynamodb:GetItem", TABLE, &none), "the role reads it");
    assert!(may(&by_role, "sts:AssumeRole", READER, &none) && !may(&own, "sts:AssumeRole", READER, &none));
    assert!(notes.len() == 1 && notes[0].contains(READER) && notes[0].contains("dynamodb:GetItem on the table"), "{notes:?}");
}

#[test]
fn a_table_of_tenants_is_scanned_where_it_is_loaded() {
    for (load, actions) in [("", json!(["dynamodb:GetItem"])), (", load: {every: 5m}", json!(["dynamodb:GetItem", "dynamodb:Scan"]))] {
        let config = with_tenants(&format!("dynamodb: {{table: '{TABLE}'{load}}}"), PLAN, SERVICES);
        let own = Own::new(&config);
        assert_eq!(json!(own.actions()), actions);
        assert_eq!(own.statements().into_iter().map(|statement| json!(statement.actions)).collect::<Vec<_>>(), [actions]);
    }
}

#[test]
fn roles_of_workloads_are_assumed_with_their_tags() {
    let workload = |tags: &str| {
        format!(
            "workloads: {{poller: {{token_file: token, assume_role: {{role_arn: '{POLLER}'{tags}}}, actions: 'sqs:ReceiveMessage', \
             resources: '*'}}}}\n"
        )
    };
    let tags = tagged(&[("App", "poller")], &[]);
    let (tagging, notes) = base(&workload(", session_tags: {App: poller}"));
    assert!(may(&tagging, "sts:AssumeRole", POLLER, &Context::default()) && may(&tagging, "sts:TagSession", POLLER, &tags));
    assert!(!may(&tagging, "sts:TagSession", POLLER, &tagged(&[("TenantID", "acme")], &[])), "no tag of a tenant's");
    assert!(notes[0].starts_with("workloads: "), "{notes:?}");
    let (plain, _) = base(&workload(""));
    assert!(may(&plain, "sts:AssumeRole", POLLER, &Context::default()) && !may(&plain, "sts:TagSession", POLLER, &tags));
}
