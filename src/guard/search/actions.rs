//! What is done with an index, in the words of data access policies of OpenSearch Serverless.
//!
//! IAM has one action for whatever is asked of a collection (`aoss:APIAccessAll`), and of a domain it knows methods: `es:ESHttpPost` is a search and a deletion
//! of everything alike. So rules of both have the words in which data access policies say it ("Supported operations and plugins in Amazon OpenSearch Serverless"), each
//! behind its service's prefix: `aoss:ReadDocument`, `es:ReadDocument`.

use crate::aws::action::{Actions, Pattern};

pub(super) const CREATE_INDEX: &str = "CreateIndex";
pub(super) const DELETE_INDEX: &str = "DeleteIndex";
pub(super) const DESCRIBE_INDEX: &str = "DescribeIndex";
pub(super) const READ_DOCUMENT: &str = "ReadDocument";
pub(super) const UPDATE_INDEX: &str = "UpdateIndex";
pub(super) const WRITE_DOCUMENT: &str = "WriteDocument";

const ALL: [&str; 6] = [CREATE_INDEX, DELETE_INDEX, DESCRIBE_INDEX, READ_DOCUMENT, UPDATE_INDEX, WRITE_DOCUMENT];
const USUAL: [&str; 3] = [DESCRIBE_INDEX, READ_DOCUMENT, WRITE_DOCUMENT];

/// What may be done where a rule of `section` does not say: reading, writing and deleting documents, and looking at how an index is set up.
pub(crate) fn usual(section: &str) -> Option<Actions> {
    Actions::new(patterns(section, &USUAL))
}

/// Whether each of a rule's `actions` means something that can be done with an index.
pub(crate) fn are_meant(section: &str, actions: &Actions) -> bool {
    let all = patterns(section, &ALL);
    actions.patterns().iter().all(|own| all.iter().any(|one| own.covers(one)))
}

/// All of them, for a message.
pub(crate) fn all_of(section: &str) -> String {
    ALL.map(|name| format!("{section}:{name}")).join(", ")
}

fn patterns(section: &str, names: &[&str]) -> Vec<Pattern> {
    names.iter().filter_map(|name| Pattern::parse(&format!("{section}:{name}"))).collect()
}
