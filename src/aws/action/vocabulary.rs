//! Every action that a request to a service which the guard reads can need, and how IAM classes it.
//!
//! The actions come from where [`needed`](super::needed) has them, so that none is needed that is not here. Their levels are those of the Service Authorization
//! Reference (`levels.txt`, written by `tests/tools/access_levels.py`); an action that is newer than the reference has none.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use super::{names, s3};
use crate::aws::{
    operation::{names_of, s3_operations_and_objects},
    resource::table::Table,
    service::Service,
};

/// What IAM says that an action does: "access level" in the Service Authorization Reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    List,
    Permissions,
    Read,
    Tagging,
    Write,
}

/// What is known of an action.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// `None`: the reference does not have it.
    pub(crate) level: Option<Level>,
    /// Of S3's: whether an operation on an object needs it.
    pub(crate) on_objects: bool,
    /// Of S3's: whether an operation on a bucket, or on none, does.
    pub(crate) on_buckets: bool,
}

/// By IAM's service, then by the action's name.
pub(crate) type Vocabulary = BTreeMap<&'static str, BTreeMap<&'static str, About>>;

const LEVELS: &str = include_str!("levels.txt");

/// What is done with indexes of OpenSearch, in the words of data access policies, which IAM has not ("Supported operations and plugins in Amazon OpenSearch
/// Serverless"). Levels are ours, in the sense of the reference.
const INDEXES: [(&str, Level); 6] = [
    ("CreateIndex", Level::Write),
    ("DeleteIndex", Level::Write),
    ("DescribeIndex", Level::Read),
    ("ReadDocument", Level::Read),
    ("UpdateIndex", Level::Write),
    ("WriteDocument", Level::Write),
];
/// What IAM has for a whole request to a collection, and to a domain: for its own endpoint, which AWS's models do not have.
const DATA_PLANES: [(&str, &[&str]); 2] = [
    ("aoss", &["APIAccessAll", "DashboardsAccessAll"]),
    ("es", &["ESHttpDelete", "ESHttpGet", "ESHttpHead", "ESHttpPatch", "ESHttpPost", "ESHttpPut"]),
];

/// Operations that name a bucket in their path, and objects in their body.
const OF_OBJECTS_WITHIN: &str = "DeleteObjects";

impl Level {
    pub(crate) const ALL: [Self; 5] = [Self::List, Self::Permissions, Self::Read, Self::Tagging, Self::Write];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Permissions => "permissions",
            Self::Read => "read",
            Self::Tagging => "tagging",
            Self::Write => "write",
        }
    }
}

/// All of them.
pub(crate) fn all() -> &'static Vocabulary {
    static ALL: LazyLock<Vocabulary> = LazyLock::new(collect);
    &ALL
}

fn collect() -> Vocabulary {
    let mut all = Vocabulary::new();
    let levels = levels();
    let mut add = |service: &'static str, action: &'static str, on_an_object: Option<bool>| {
        let about = all.entry(service).or_default().entry(action).or_default();
        about.level = levels.get(&(service, action)).copied();
        about.on_objects |= on_an_object == Some(true);
        about.on_buckets |= on_an_object == Some(false);
    };
    for (operation, on_an_object) in s3_operations_and_objects() {
        for action in s3::could_need(operation) {
            add("s3", action, Some(on_an_object || operation == OF_OBJECTS_WITHIN));
        }
    }
    let read: BTreeSet<&str> =
        Table::all().map(|table| names::iam_service(table.signing_name())).chain(["aoss", "dynamodb", "es", "s3"]).collect();
    // Others go by the same name in IAM: Bedrock's agents, S3 Control. They are not read, and can be spoken of.
    for service in Service::all().filter(|service| service.key != "s3") {
        let Some(name) = read.get(names::iam_service(service.signing_name)) else { continue };
        names_of(service.key).flat_map(|operation| names::needed(name, operation)).for_each(|action| add(name, action, None));
    }
    Table::actions_besides().for_each(|(key, action)| add(names::iam_service(key), action, None));
    for (service, names) in DATA_PLANES {
        names.iter().for_each(|name| add(service, name, None));
    }
    for (service, _) in DATA_PLANES {
        let with_level = |(name, level)| (name, About { level: Some(level), ..About::default() });
        all.entry(service).or_default().extend(INDEXES.map(with_level));
    }
    all
}

fn levels() -> BTreeMap<(&'static str, &'static str), Level> {
    let line = |line: &'static str| {
        let mut words = line.split(' ');
        let (service, level) = (words.next()?, words.next()?);
        let level = Level::ALL.into_iter().find(|known| known.as_str() == level)?;
        Some(words.map(move |action| ((service, action), level)))
    };
    LEVELS.lines().filter_map(line).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_have_the_levels_of_the_reference() {
        let level = |service, action| all().get(service).and_then(|of| of.get(action)).map(|about| about.level);
        for (service, action, is) in [
            ("s3", "GetObject", Some(Level::Read)),
            ("s3", "ListBucket", Some(Level::List)),
            ("s3", "PutObject", Some(Level::Write)),
            ("s3", "PutObjectAcl", Some(Level::Permissions)),
            ("s3", "PutObjectTagging", Some(Level::Tagging)),
            ("dynamodb", "Query", Some(Level::Read)),
            ("dynamodb", "GetRecords", Some(Level::Read)),
            ("sqs", "SendMessage", Some(Level::Write)),
            ("kms", "Decrypt", Some(Level::Write)),
            ("bedrock", "InvokeModel", Some(Level::Read)),
        ] {
            assert_eq!(level(service, action), Some(is), "{service}:{action}");
        }
        assert_eq!(level("sqs", "SendMessageBatch"), None, "no action of IAM's");
        assert_eq!(level("bedrock", "ListFoundationModels"), Some(Some(Level::List)), "of a service beside it");
        assert_eq!(level("s3", "GetAccountPublicAccessBlock"), Some(Some(Level::Read)), "of S3 Control");
        assert_eq!(level("sts", "AssumeRole"), None, "no service that is read");
    }

    /// A line of the file that no level knows would be left out in silence.
    #[test]
    fn every_line_of_the_levels_is_read() {
        let words: usize = LEVELS.lines().map(|line| line.split(' ').count() - 2).sum();
        assert_eq!(levels().len(), words);
        assert!(words > 1_000, "{words}");
    }

    #[test]
    fn actions_of_s3_are_on_objects_or_on_buckets() {
        let on = |action| all().get("s3").and_then(|of| of.get(action)).map(|about| (about.on_objects, about.on_buckets));
        assert_eq!(on("GetObject"), Some((true, false)));
        assert_eq!(on("GetObjectVersion"), Some((true, false)), "of one that names a version");
        assert_eq!(on("PutObjectAcl"), Some((true, false)), "for a header");
        assert_eq!(on("DeleteObject"), Some((true, false)), "also of a DeleteObjects");
        assert_eq!(on("ListBucket"), Some((false, true)));
    }
}
