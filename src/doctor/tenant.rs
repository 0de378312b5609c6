//! The directory of tenants, and the tenant in it.

use super::report::{Level, Report};
use crate::{
    clock::Clock,
    config::{Config, DirectoryConfig, TableConfig, UsersConfig},
    credentials::Readers,
    directory::{Changes, Directory, Tables, TenantRecord, TenantStatus},
    telemetry::Metrics,
    tenant::TenantId,
};

const KEY: &str = "tenants.directory";

/// The record to try the plan with, where there is one.
///
/// `readers` can read tables; there are none where the base identity does not work.
pub(super) async fn examine(
    report: &mut Report,
    config: &Config,
    readers: Option<Readers<'_>>,
    tenant: Option<&TenantId>,
    (clock, metrics): (&Clock, &Metrics),
) -> Option<TenantRecord> {
    if let Some(UsersConfig::DynamoDb(users)) = &config.users {
        read_by(report, "users.directory.dynamodb", &users.table, readers).await;
        report.ok("users.directory", "whether its table can be read was not tried: no user is known here");
    }
    let is_table = if let DirectoryConfig::DynamoDb(tenants) = &config.directory {
        read_by(report, "tenants.directory.dynamodb", &tenants.table, readers).await;
        true
    } else {
        false
    };
    if is_table && readers.is_none() {
        report.add(Level::Failure, KEY, "the table cannot be read: there are no credentials", "see credentials.source");
        return None;
    }
    let changes = Changes::default();
    let tables = readers.map(|readers| Tables { readers, changes: &changes, clock, metrics });
    match Directory::open(&config.directory, tables) {
        Ok(directory) => find(report, config, &directory, is_table, tenant).await,
        Err(errors) => {
            report.add(Level::Failure, KEY, errors.to_string(), "");
            None
        }
    }
}

/// Who reads `table`, and whether Palisade can be that one. Nothing is read.
async fn read_by(report: &mut Report, key: &'static str, table: &TableConfig, readers: Option<Readers<'_>>) {
    let name = &table.name;
    let Some(reader) = &table.reader else {
        let found = format!("the table {name} is read by the base identity, which should be able to assume roles and nothing else");
        return report.add(Level::Warning, key, found, "give role_arn, a role that may read this table alone");
    };
    let role = format!("{}, the role that reads the table {name}", reader.role_arn);
    let Some(readers) = readers else {
        return report.add(Level::Warning, key, format!("{role}, was not tried: there are no credentials"), "see credentials.source");
    };
    let outcome = match readers.identity(Some(reader)) {
        Ok(identity) => identity.check().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(()) => report.ok(key, format!("Palisade can assume {role}")),
        Err(wrong) => {
            let cure = "the base identity has to be allowed to assume it, and it has to trust the base identity: `palisade iam --what base,trust` prints both";
            report.add(Level::Failure, key, format!("Palisade cannot assume {role}: {wrong}"), cure);
        }
    }
}

async fn find(
    report: &mut Report,
    config: &Config,
    directory: &Directory,
    is_table: bool,
    tenant: Option<&TenantId>,
) -> Option<TenantRecord> {
    let is_any = matches!(config.directory, DirectoryConfig::Any);
    if is_any {
        report.add(Level::Warning, KEY, "any tenant exists that a token names; none can be suspended", "keep the tenants in a file");
    } else if !is_table {
        report.ok(KEY, format!("{} tenants", directory.records().len()));
    }
    let Some(tenant) = tenant else {
        if is_table {
            let cure = "give --tenant ID of a tenant that exists";
            report.add(Level::Warning, KEY, "whether the table can be read was not tried: no tenant is given", cure);
        }
        return None;
    };
    if is_any {
        return Some(TenantRecord::bare(tenant.clone()));
    }
    directory.renew(tenant).await;
    let found = directory.records().into_iter().find(|record| record.id == *tenant);
    match &found {
        None if directory.serves(tenant) => {
            report.add(
                Level::Failure,
                KEY,
                format!("the record of {tenant} cannot be read or used; the log says why"),
                "see config/guide/tenants.md",
            );
        }
        None => report.add(Level::Failure, KEY, format!("it has no tenant {tenant}: each of its requests is refused"), "add the record"),
        Some(record) if record.status == TenantStatus::Suspended => {
            report.add(Level::Warning, KEY, format!("the tenant {tenant} is suspended: each of its requests is refused"), "");
        }
        Some(_) => report.ok(KEY, format!("the tenant {tenant} is active")),
    }
    found.map(|record| (*record).clone())
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;
    use crate::{
        config::{CredentialsSource, Endpoint, StsConfig},
        credentials::BaseIdentity,
        secret::Secret,
        skew::Skew,
    };

    /// An STS that gives the role `directory` to whoever asks for anything.
    async fn sts() -> StsConfig {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string().parse().unwrap();
        tokio::spawn(async move {
            let xml = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials><AccessKeyId>ASIAX</AccessKeyId>\
                       <SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken><Expiration>2099-01-15T09:00:00Z</Expiration></Credentials>\
                       <AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/directory/palisade-directory</Arn><AssumedRoleId>A:x</AssumedRoleId>\
                       </AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>";
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 8_192]).await;
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{xml}", xml.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        StsConfig {
            endpoint: Some(Endpoint { tls: false, authority }),
            ca: None,
            region: "eu-west-1".into(),
            timeout: std::time::Duration::from_secs(5),
        }
    }

    /// Of tenants in a table that `reader` reads, and users in another that nobody can be.
    fn config(reader: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "egress: {{region: eu-west-1, services: {{s3: {{}}}}}}
identity: {{issuers: [{{issuer: i, audience: a, jwks: {{uri: https://idp.example.com/keys}}}}]}}
tenants: {{directory: {{dynamodb: {{table: tenants, role_arn: 'arn:aws:iam::111122223333:role/{reader}'}}}}}}
users: {{directory: {{dynamodb: {{table: users, role_arn: 'arn:aws:iam::111122223333:role/nobody', partition_key: pk}}}}}}
credentials:
  source: {{static: {{access_key_id: AKIABASE, secret_access_key: {{env: SECRET}}}}}}
  assume_role: {{role_arn: 'arn:aws:iam::111122223333:role/tenants/{{tenant.id}}'}}"
        );
        std::fs::write(folder.path().join("palisade.yaml"), text).unwrap();
        Config::load(&folder.path().join("palisade.yaml"), &|_| Some("base-secret".to_owned())).unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// Level, key and what was found, for the tables.
    async fn found(reader: &str, has_credentials: bool) -> Vec<(Level, String, String)> {
        let (config, sts, clock, metrics) = (config(reader), sts().await, Clock::system(), Metrics::new().unwrap());
        let skew = Skew::new(clock.clone(), metrics.clone());
        let secret_access_key = Secret::new("base-secret".into());
        let source = CredentialsSource::Static { access_key_id: "AKIABASE".into(), secret_access_key, session_token: None };
        let base = BaseIdentity::open(&source, &sts, &skew).unwrap();
        let mut report = Report::default();
        let readers = has_credentials.then(|| Readers::new(&base, &sts, &skew));
        assert!(examine(&mut report, &config, readers, None, (&clock, &metrics)).await.is_none());
        report.findings().iter().map(|finding| (finding.level, finding.key.clone(), finding.found.clone())).collect()
    }

    #[tokio::test]
    async fn what_was_tried_of_a_table_is_said_and_what_was_not() {
        let all = found("directory", true).await;
        let of = |key: &str| {
            let (level, _, found) = all.iter().find(|(_, of, _)| of == key).unwrap_or_else(|| panic!("{key}: {all:?}"));
            (*level, found.as_str())
        };
        let (level, found) = of("tenants.directory.dynamodb");
        assert!(level == Level::Ok && found.starts_with("Palisade can assume arn:aws:iam::111122223333:role/directory"), "{found}");
        let (level, found) = of("tenants.directory");
        assert!(level == Level::Warning && found.contains("was not tried"), "{found}");
        let (level, found) = of("users.directory.dynamodb");
        assert!(level == Level::Failure && found.starts_with("Palisade cannot assume"), "it is another role: {found}");
        let (level, found) = of("users.directory");
        assert!(level == Level::Ok && found.contains("was not tried"), "{found}");
    }

    #[tokio::test]
    async fn without_credentials_no_role_is_tried() {
        let all = found("directory", false).await;
        let untried = all
            .iter()
            .filter(|(level, key, found)| *level == Level::Warning && key.ends_with(".dynamodb") && found.contains("was not tried"));
        assert_eq!(untried.count(), 2, "{all:?}");
    }
}
