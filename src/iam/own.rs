//! What Palisade asks AWS for where no tenant is concerned: tables of its directories, and roles of workloads.

use std::collections::BTreeSet;

use super::{
    IamError,
    document::{Conditions, Statement},
    roles::{Role, own},
    text::{Open, Text},
};
use crate::config::{Config, DirectoryConfig, TableConfig, UsersConfig, WorkloadRole};

/// A table of a directory, and what is done with it.
#[derive(Debug)]
pub(super) struct Read<'c> {
    key: &'static str,
    sid: &'static str,
    table: &'c TableConfig,
    actions: Vec<&'static str>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Own<'c> {
    reads: Vec<Read<'c>>,
    workloads: Vec<&'c WorkloadRole>,
}

impl<'c> Own<'c> {
    pub(super) fn new(config: &'c Config) -> Self {
        let mut reads = Vec::new();
        if let DirectoryConfig::DynamoDb(tenants) = &config.directory {
            let load = tenants.load.is_some().then_some("dynamodb:Scan");
            let actions = ["dynamodb:GetItem"].into_iter().chain(load).collect();
            reads.push(Read { key: "tenants.directory.dynamodb", sid: "ReadTenants", table: &tenants.table, actions });
        }
        if let Some(UsersConfig::DynamoDb(users)) = &config.users {
            let actions = vec!["dynamodb:GetItem"];
            reads.push(Read { key: "users.directory.dynamodb", sid: "ReadUsers", table: &users.table, actions });
        }
        Self { reads, workloads: config.workloads.iter().map(|workload| &workload.role).collect() }
    }

    /// Whether Palisade asks AWS for nothing.
    pub(super) fn is_nothing(&self) -> bool {
        self.reads.is_empty() && self.workloads.is_empty()
    }

    /// The roles that read tables, each with what it has to be allowed.
    ///
    /// # Errors
    /// One of them is asked for with two external ids: no trust policy demands both.
    pub(super) fn readers<'r>(&self) -> Result<Vec<(Role<'r>, Vec<Statement>)>, IamError> {
        let mut readers: Vec<(Role<'_>, Vec<Statement>)> = Vec::new();
        for read in &self.reads {
            let Some(config) = &read.table.reader else { continue };
            let role = own(format!("{}.role_arn", read.key), &config.role_arn, config.external_id.as_deref());
            let statement = read.statement(role.account.clone());
            match readers.iter_mut().find(|(known, _)| known.arn() == role.arn()) {
                None => readers.push((role, vec![statement])),
                Some((known, statements)) if known.external_id == role.external_id => statements.push(statement),
                Some((known, _)) => {
                    return Err(IamError(format!(
                        "{}: is that of {} too, which has another external_id; give both the same",
                        role.key, known.key
                    )));
                }
            }
        }
        Ok(readers)
    }

    /// What the base identity does itself besides assuming roles.
    pub(super) fn actions(&self) -> BTreeSet<&'static str> {
        self.reads.iter().filter(|read| read.table.reader.is_none()).flat_map(|read| read.actions.iter().copied()).collect()
    }

    /// What the base identity has to be allowed for it, each statement for one kind of action.
    pub(super) fn statements(&self) -> Vec<Statement> {
        let literal = |texts: BTreeSet<&str>| texts.into_iter().map(Text::literal).collect::<Vec<_>>();
        let mut statements = Vec::new();
        let mut allow = |sid, actions: Vec<&'static str>, resources: Vec<Text>, conditions| {
            if !resources.is_empty() {
                statements.push(Statement { sid, actions, resources, conditions, ..Statement::default() });
            }
        };
        let readers = self.reads.iter().filter_map(|read| read.table.reader.as_ref()).map(|reader| reader.role_arn.as_str());
        allow("AssumeReaders", vec!["sts:AssumeRole"], literal(readers.collect()), Conditions::default());
        for read in self.reads.iter().filter(|read| read.table.reader.is_none()) {
            allow(read.sid, read.actions.clone(), vec![read.arn(Text::open(Open::Account))], Conditions::default());
        }
        let roles = |wanted: &dyn Fn(&WorkloadRole) -> bool| {
            literal(self.workloads.iter().filter(|role| wanted(role)).map(|role| role.role_arn.as_str()).collect())
        };
        allow("AssumeWorkloadRoles", vec!["sts:AssumeRole"], roles(&|_| true), Conditions::default());
        let keys = self.workloads.iter().flat_map(|role| &role.session_tags).map(|(key, _)| key.as_str());
        let keys = literal(keys.collect());
        let conditions = Conditions::default().and("ForAllValues:StringEquals", "aws:TagKeys", keys).and_present("aws:TagKeys");
        allow("TagWorkloadSessions", vec!["sts:TagSession"], roles(&|role| !role.session_tags.is_empty()), conditions);
        statements
    }

    /// What has to be allowed to others for it.
    pub(super) fn note(&self, notes: &mut Vec<String>) {
        if !self.workloads.is_empty() {
            notes.push(
                "workloads: their roles are not printed; each has to trust Palisade's own identity, and needs what its workload does"
                    .to_owned(),
            );
        }
    }
}

impl Read<'_> {
    fn statement(&self, account: Text) -> Statement {
        Statement { sid: self.sid, actions: self.actions.clone(), resources: vec![self.arn(account)], ..Statement::default() }
    }

    /// The table's ARN, which may be configured by its name alone: then it is in the `account` of who reads it.
    fn arn(&self, account: Text) -> Text {
        let TableConfig { name, region, .. } = self.table;
        if name.starts_with("arn:") {
            return Text::literal(name);
        }
        let partition = crate::aws::partition::Partition::of(region).map_or("aws", |partition| partition.id);
        Text::literal(format!("arn:{partition}:dynamodb:{region}:")).then(account).then(Text::literal(format!(":table/{name}")))
    }
}
