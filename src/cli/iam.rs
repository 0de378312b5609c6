//! `palisade iam`: prints what AWS has to allow for a configuration. Calls nobody and applies nothing.
//!
//! Documents go to standard output, what the reader should know of them to standard error.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use super::MISUSED;
use crate::{
    config::{Config, DirectoryConfig, settings::parse::is_policy_arn},
    directory::{Directory, TenantRecord},
    iam::{Format, Wanted, What, print},
    tenant::TenantId,
};

/// Arguments of `palisade iam`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file, or env:NAME for a variable of the environment that holds it.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// In which form.
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
    /// What to print; by default whatever the configuration needs, but for `scp`.
    #[arg(long, value_enum, value_delimiter = ',')]
    what: Vec<What>,
    /// A tenant, whose record fills in what is a tenant's; may be given again.
    #[arg(long, value_name = "ID")]
    tenant: Vec<TenantId>,
    /// ARN of Palisade's own role or user, where credentials.source does not say it.
    #[arg(long, value_name = "ARN", value_parser = principal)]
    base_arn: Option<String>,
    /// ARN of the role that may change tenants' roles, for `scp`.
    #[arg(long, value_name = "ARN", value_parser = principal)]
    admin_arn: Option<String>,
    /// ARN of a managed policy that tenants' roles carry, for `scp`; may be given again.
    #[arg(long, value_name = "ARN", value_parser = managed_policy)]
    role_policy: Vec<String>,
    /// A bucket of tenants' data; {tenant.id} may stand in its name; may be given again.
    #[arg(long, value_name = "NAME")]
    bucket: Vec<String>,
    /// How a tenant's keys begin in a bucket that tenants share.
    #[arg(long, value_name = "TEMPLATE", default_value = "{tenant.id}/")]
    prefix: String,
    /// A DynamoDB table of tenants' data; {tenant.id} may stand in its name; may be given again.
    #[arg(long, value_name = "NAME")]
    table: Vec<String>,
    /// An index of one of these tables that tenants share, as TABLE/INDEX; may be given again. Whoever writes an item chooses its place in a global index.
    #[arg(long, value_name = "TABLE/INDEX")]
    table_index: Vec<String>,
    /// How a tenant's partition keys begin in a table that tenants share.
    #[arg(long, value_name = "TEMPLATE", default_value = "{tenant.id}#")]
    leading_key: String,
    /// An OpenSearch Serverless collection.
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// A tenant's index in it; {tenant.id} may stand in its name.
    #[arg(long, value_name = "NAME")]
    index: Option<String>,
}

/// `arn:PARTITION:iam::ACCOUNT:role/NAME` or `:user/NAME`.
fn principal(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let fits = matches!(parts[..], ["arn", partition, "iam", "", account, name]
        if partition.starts_with("aws")
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && (name.starts_with("role/") || name.starts_with("user/"))
            && name[5..].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@/-".contains(&byte))
            && !name.ends_with('/'));
    let cure = "give the ARN of a role or user, such as arn:aws:iam::111122223333:role/palisade-base, without wildcards";
    if fits { Ok(text.to_owned()) } else { Err(cure.to_owned()) }
}

/// `arn:PARTITION:iam::ACCOUNT:policy/NAME`, of the organisation's own: those of AWS nobody can change.
fn managed_policy(text: &str) -> Result<String, String> {
    let fits = is_policy_arn(text) && text.split(':').nth(4) != Some("aws");
    let cure = "give the ARN of a managed policy of yours, such as arn:aws:iam::111122223333:policy/tenant-data";
    if fits { Ok(text.to_owned()) } else { Err(cure.to_owned()) }
}

/// Prints the documents. Exit code 2 where there are none.
pub fn run(args: Args) -> ExitCode {
    match documents(args) {
        Ok((text, notes)) => {
            // Where nobody reads, there is nobody to tell.
            let _ = io::stdout().lock().write_all(text.as_bytes());
            for note in notes {
                let _ = writeln!(io::stderr().lock(), "note: {note}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "{error}");
            ExitCode::from(MISUSED)
        }
    }
}

fn documents(args: Args) -> Result<(String, Vec<String>), String> {
    // Nothing is run: whoever writes policies has neither the keys nor the tokens of what will.
    let (config, _) = Config::load_without_files(&args.config).map_err(|errors| errors.to_string())?;
    let known = known(&config, !args.tenant.is_empty())?;
    let wanted = Wanted {
        format: args.format,
        what: args.what,
        tenants: records(&config, &known, args.tenant)?,
        known,
        base_arn: args.base_arn,
        admin_arn: args.admin_arn,
        role_policies: args.role_policy,
        buckets: args.bucket,
        prefix: args.prefix,
        tables: args.table,
        table_indexes: args.table_index,
        leading_key: args.leading_key,
        collection: args.collection,
        index: args.index,
    };
    let printed = print(&config, &wanted).map_err(|error| format!("{}: {error}", args.config.display()))?;
    Ok((printed.text, printed.notes))
}

/// The records of all tenants, where a file has them. One that is not there is missed only where tenants are asked about.
fn known(config: &Config, is_asked: bool) -> Result<Vec<TenantRecord>, String> {
    match &config.directory {
        DirectoryConfig::DynamoDb(_) => Ok(Vec::new()),
        DirectoryConfig::File(path) | DirectoryConfig::PrefixFreeFile(path) if !is_asked && !path.exists() => Ok(Vec::new()),
        directory => {
            let directory = Directory::open(directory, None).map_err(|error| error.to_string())?;
            Ok(directory.records().iter().map(|record| (**record).clone()).collect())
        }
    }
}

/// The records of `tenants`. A directory that is no file knows no more of them than their ids.
fn records(config: &Config, known: &[TenantRecord], tenants: Vec<TenantId>) -> Result<Vec<TenantRecord>, String> {
    let record = |id: TenantId| match &config.directory {
        DirectoryConfig::File(path) | DirectoryConfig::PrefixFreeFile(path) => {
            let found = known.iter().find(|record| record.id == id).cloned();
            found.ok_or_else(|| format!("{}: it has no tenant {id}", path.display()))
        }
        DirectoryConfig::Any | DirectoryConfig::DynamoDb(_) => Ok(TenantRecord::bare(id)),
    };
    tenants.into_iter().map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_one_and_no_pattern() {
        for fine in ["arn:aws:iam::111122223333:role/palisade-base", "arn:aws-cn:iam::111122223333:user/path/palisade"] {
            assert_eq!(principal(fine).as_deref(), Ok(fine));
        }
        for wrong in [
            "*",
            "arn:aws:iam::111122223333:role/*",
            "arn:aws:iam::*:role/a",
            "arn:aws:sts::111122223333:assumed-role/a/b",
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:role/",
        ] {
            assert!(principal(wrong).is_err(), "{wrong}");
        }
        assert!(managed_policy("arn:aws:iam::111122223333:policy/tenants/data").is_ok());
        for wrong in
            ["*", "arn:aws:iam::111122223333:policy/*", "arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::111122223333:role/a"]
        {
            assert!(managed_policy(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_but_the_configuration_and_the_tenants_has_to_be_there() {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
        let print = |name: &str, more: &[&str]| {
            let file = folder.join(name);
            let line = ["iam", "--config", file.to_str().unwrap()].into_iter().chain(more.iter().copied());
            documents(Line::try_parse_from(line).map_err(|error| error.to_string())?.args)
        };
        for name in ["model-account-per-tenant.yaml", "model-by-service.yaml", "model-pool-tags.yaml"] {
            let (text, _) = print(name, &["--format", "terraform"]).unwrap();
            assert!(text.contains("sts:AssumeRole"), "{name}: {text}");
        }
        let (text, _) = print("model-account-per-tenant.yaml", &["--tenant", "acme"]).unwrap();
        assert!(text.contains(":role/palisade-data") && !text.contains("{tenant.account}"), "{text}");
        assert!(print("model-account-per-tenant.yaml", &["--tenant", "nobody"]).unwrap_err().contains("it has no tenant nobody"));
    }
}
