//! What the operations of each service are about.
//!
//! One table a service, from botocore's models and the Service Authorization Reference. Every operation of the models is in it (a test sees to that), and
//! one that is not is refused. What an operation does without naming it (a copy made elsewhere, a token that stands for a thing) makes it one of the
//! refused, or one that has to be [listed](Table::listed).

mod bedrock;
mod cloudwatch;
mod events;
mod firehose;
mod kinesis;
mod kms;
mod lambda;
mod logs;
mod secrets;
mod sns;
mod sqs;
mod ssm;
mod states;

use super::{Kind, Untold, kind::MISSING};
pub(crate) use super::{metrics::Metrics, rest::Rest};
use crate::aws::service::Service;

/// The operations of one service.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its key.
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    pub(crate) protocols: Protocols,
    /// What reads, writes and deletes what is in a thing.
    pub(crate) usual: &'static [Row],
    /// What makes, changes or removes a thing itself, opens it to others, or sends what is in it elsewhere.
    pub(crate) listed: &'static [Row],
    /// What is about nothing of anybody's.
    pub(crate) harmless: &'static [&'static str],
    /// What cannot be judged by names, with the reason.
    pub(crate) refused: &'static [(Untold, &'static [&'static str])],
    /// Members that name things in a way that is not read, whichever operation has them.
    pub(crate) foreign: &'static [&'static str],
}

/// In which protocols a service is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocols {
    pub(super) json: bool,
    pub(super) form: bool,
    pub(super) cbor: bool,
}

const JSON: Protocols = Protocols { json: true, form: false, cbor: false };
const FORM: Protocols = Protocols { json: false, form: true, cbor: false };
const BOTH: Protocols = Protocols { json: true, form: true, cbor: false };
const ALL: Protocols = Protocols { json: true, form: true, cbor: true };
/// The operation says what is where.
const REST: Protocols = Protocols { json: false, form: false, cbor: false };

/// Operations that name things in the same way.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) operations: &'static [&'static str],
    pub(crate) about: About,
}

/// Members with which operations do more than their names say, and the action that this needs besides: with the service, in its JSON protocol.
const BESIDES: &[(&str, &[&str], &str, &str)] = &[
    ("logs", &["FilterLogEvents", "GetLogEvents"], "unmask", "Unmask"),
    // Policies may go by tags.
    ("secretsmanager", &["CreateSecret"], "Tags", "TagResource"),
    ("ssm", &["PutParameter"], "Tags", "AddTagsToResource"),
];

/// What an operation is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum About {
    /// What each of these names.
    Each(&'static [Member]),
    /// Metrics, in namespaces.
    Metrics(Metrics),
    Nothing,
    /// What path, query and headers name.
    Rest(Rest),
    /// The one thing that these name, of which there is at least one.
    Same(&'static [Member]),
}

/// A member of the input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    /// Its name, or the way to it: `Entries[].EventBusName`.
    pub(crate) path: &'static str,
    pub(crate) names: Names,
    pub(crate) absent: Absent,
    /// The member with the encryption context.
    pub(crate) context: &'static str,
    /// The action that is needed for this one.
    pub(super) action: Option<&'static str>,
}

/// How a member names a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// By name or by ARN.
    Any(Kind),
    Arn(Kind),
    /// All that is below a path.
    Below(Kind),
    Name(Kind),
    /// It must not be there.
    Nothing,
    /// By name, in the account that another member has.
    Owned(Kind, &'static str),
    /// By a queue's URL.
    Url,
}

/// What it means that a member is not there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Absent {
    /// The thing of this name.
    Default(&'static str),
    /// It cannot be told.
    Refused(Untold),
    /// Another member says it.
    Skipped,
    /// Something that is not a name says it.
    Unnamed,
}

const EVERYBODYS: Untold = "it names what is everybody's";
const ACCOUNTS: Untold = "it is about the account as a whole";
const TOKEN: Untold = "a token stands for what it is about, and does not say whose that is";

const fn row(operations: &'static [&'static str], about: About) -> Row {
    Row { operations, about }
}

const fn member(path: &'static str, names: Names) -> Member {
    Member { path, names, absent: Absent::Refused(MISSING), context: "", action: None }
}

/// One of several members that can name the same.
const fn either(path: &'static str, names: Names) -> Member {
    Member { absent: Absent::Skipped, ..member(path, names) }
}

/// A member that names something else than a rule could be about.
const fn nothing(path: &'static str) -> Member {
    member(path, Names::Nothing)
}

static TABLES: [&Table; 13] = [
    &bedrock::TABLE,
    &cloudwatch::TABLE,
    &events::TABLE,
    &firehose::TABLE,
    &kinesis::TABLE,
    &kms::TABLE,
    &lambda::TABLE,
    &logs::TABLE,
    &secrets::TABLE,
    &sns::TABLE,
    &sqs::TABLE,
    &ssm::TABLE,
    &states::TABLE,
];

impl Table {
    /// Every service that has one.
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        TABLES.into_iter()
    }

    /// That of the service `key`.
    pub(crate) fn of(key: &str) -> Option<&'static Self> {
        Self::all().find(|table| table.key == key)
    }

    /// The name that it signs with.
    pub(crate) fn signing_name(&self) -> &'static str {
        Service::find(self.key).map_or(self.key, |service| service.signing_name)
    }

    /// What an operation is about.
    ///
    /// # Errors
    /// Names do not say it.
    pub(crate) fn about(&self, operation: &str) -> Result<About, Untold> {
        let has = |names: &[&str]| names.contains(&operation);
        if let Some(row) = self.usual.iter().chain(self.listed).find(|row| has(row.operations)) {
            return Ok(row.about);
        }
        if has(self.harmless) {
            return Ok(About::Nothing);
        }
        let refused = self.refused.iter().find(|(_, names)| has(names));
        Err(refused.map_or("what this operation is about is not read here", |(why, _)| why))
    }

    /// The members with which an operation needs more, and what.
    pub(super) fn besides(&self, operation: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
        BESIDES
            .iter()
            .filter(move |(key, of, ..)| *key == self.key && of.contains(&operation))
            .map(|(.., member, action)| (*member, *action))
    }

    /// Every action that some member needs, by service.
    #[cfg(feature = "cedar")]
    pub(crate) fn actions_besides() -> impl Iterator<Item = (&'static str, &'static str)> {
        BESIDES.iter().map(|(key, .., action)| (*key, *action))
    }

    /// The operations that need not be listed.
    pub(crate) fn usual_operations(&self) -> impl Iterator<Item = &'static str> {
        self.usual.iter().flat_map(|row| row.operations).chain(self.harmless).copied()
    }

    /// Every operation.
    #[cfg(test)]
    pub(crate) fn operations(&self) -> impl Iterator<Item = &'static str> {
        let listed = self.listed.iter().flat_map(|row| row.operations).copied();
        self.usual_operations().chain(listed).chain(self.refused.iter().flat_map(|(_, names)| names.iter().copied()))
    }
}
