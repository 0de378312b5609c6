//! What Palisade does for no tenant.

use serde_json::{Value, json};

use super::{
    super::own::Own,
    decisions::{may, tagged},
    json_of, load, wanted, with_credentials, with_tenants,
};
use crate::{
    iam::{Format, Wanted, What, print},
    sandbox::aws::policy::Context,
};

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
    assert!(notes.is_empty(), "it is printed: {notes:?}");
}

#[test]
fn the_role_that_reads_a_table_is_printed_with_an_egress_and_without_one() {
    let none = Context::default();
    let read = |more: &str| format!("{{dynamodb: {{table: users, region: eu-west-1, role_arn: '{READER}', partition_key: pk{more}}}}}");
    let tenants = |more: &str| read(more).replace("table: users", "table: tenants").replace(", partition_key: pk", "");
    let source = "credentials: {source: {web_identity: {token_file: token, role_arn: 'arn:aws:iam::999900001111:role/palisade-base'}}}";
    let ingress = "ingress: {tls: {certificate: c.pem, private_key: k.pem}, upstream: 'http://127.0.0.1:8080'}";
    let egress_less = load(&format!(
        "{ingress}\ntenants: {{directory: {}}}\nusers: {{directory: {}}}\n{source}\n",
        tenants(", external_id: x-1"),
        read(", external_id: x-1")
    ));
    let documents = json_of(&egress_less, &[], &[]).unwrap();
    assert!(documents.get("roles").is_none() && may(&documents["base"]["policy"], "sts:AssumeRole", READER, &none), "{documents}");
    let [reader] = &documents["readers"].as_array().unwrap()[..] else { panic!("{documents}") };
    assert_eq!((&reader["role_arn"], &reader["setting"]), (&json!(READER), &json!("tenants.directory.dynamodb.role_arn")));
    // A table that is given by its name is in the account of who reads it.
    for table in ["tenants", "users"] {
        let arn = format!("arn:aws:dynamodb:eu-west-1:111122223333:table/{table}");
        assert!(
            may(&reader["policy"], "dynamodb:GetItem", &arn, &none) && !may(&reader["policy"], "dynamodb:PutItem", &arn, &none),
            "{reader}"
        );
    }
    let trust = &reader["trust"]["Statement"][0];
    assert_eq!(trust["Principal"]["AWS"], "arn:aws:iam::999900001111:role/palisade-base");
    assert_eq!(trust["Condition"]["StringEquals"]["sts:ExternalId"], "x-1");
    let refused = json_of(&egress_less, &[], &[What::Data]).unwrap_err().to_string();
    assert!(refused.contains("--what base,trust"), "{refused}");

    let beside = with(&format!("users: {{directory: {}}}\n", read("")));
    let documents = json_of(&beside, &["acme"], &[What::Base, What::Trust]).unwrap();
    assert!(documents["readers"][0]["role_arn"] == READER && documents["roles"].is_array(), "{documents}");
    for (format, said) in
        [(Format::Cloudformation, "\"ReaderRoleRead\""), (Format::Terraform, "resource \"aws_iam_role_policy\" \"reader_read\"")]
    {
        let printed = print(&egress_less, &Wanted { format, ..wanted(&egress_less, &[]) }).unwrap();
        assert!(printed.text.contains(said), "{}", printed.text);
    }
    let two = load(&format!(
        "{ingress}\ntenants: {{directory: {}}}\nusers: {{directory: {}}}\n{source}\n",
        tenants(""),
        read(", external_id: x-1")
    ));
    assert!(json_of(&two, &[], &[]).unwrap_err().to_string().contains("another external_id"));
    let nothing = load(&format!("{ingress}\ntenants: {{directory: {{any: {{}}}}}}\n"));
    assert!(json_of(&nothing, &[], &[]).unwrap_err().to_string().starts_with("there is no egress"));
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
