//! Actions, in IAM's vocabulary: `service:Operation`.
//!
//! A passport can be bound to some of them. What a request needs is worked out from what it is, and always so that doubt asks for
//! more: a request that can be read in two ways needs the actions of both, one whose body says what it does needs all that
//! the body could say, and one without a name fits `service:*` alone. IAM stays the judge of what a tenant may do; this is about which
//! part of that an endpoint of the application needs.
//!
//! The attack that this has to stand is a request that is one operation here and another to AWS; what is by the letter, and what adds a reading or costs
//! the name, is for [`operation`](crate::aws::operation) to say.

mod names;
mod s3;
mod table;
#[cfg(feature = "cedar")]
pub(crate) mod vocabulary;

use std::sync::{Arc, LazyLock};

use http::HeaderMap;

use crate::aws::{glob, operation::Named, service::Service, target::Target};

/// The longest pattern, in bytes: longer than any action.
const PATTERN_BYTES: usize = 160;

/// What may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actions(Arc<[Pattern]>);

/// `service:Operation`, where the operation may have `*` for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    service: String,
    operation: String,
}

/// What a request needs to be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed<'n> {
    /// IAM's name of the service.
    service: &'n str,
    /// All of these; nothing where the request has no name.
    operations: Option<Vec<&'n str>>,
}

impl Actions {
    /// `None` for no patterns at all.
    pub fn new(patterns: Vec<Pattern>) -> Option<Self> {
        (!patterns.is_empty()).then(|| Self(patterns.into()))
    }

    /// What allows nothing.
    pub(crate) fn nothing() -> &'static Self {
        static NOTHING: LazyLock<Actions> = LazyLock::new(|| Actions(Arc::new([])));
        &NOTHING
    }

    /// Whether everything that is needed is allowed.
    ///
    /// # Errors
    /// What is missing, for a log.
    pub fn allow(&self, needed: &Needed<'_>) -> Result<(), String> {
        match (self.missing(needed), &needed.operations) {
            (None, _) => Ok(()),
            (Some(missing), None) => Err(format!("a request of {} without a name needs {missing}", needed.service)),
            (Some(missing), Some(_)) => Err(format!("the proof is not for {missing}")),
        }
    }

    /// The first action that is needed and not allowed. A request without a name needs `service:*`.
    pub fn missing(&self, needed: &Needed<'_>) -> Option<String> {
        let of_service = || self.0.iter().filter(|pattern| pattern.service == needed.service);
        let Some(operations) = &needed.operations else {
            let whole = of_service().any(|pattern| pattern.operation == "*");
            return (!whole).then(|| format!("{}:*", needed.service));
        };
        let missing = operations.iter().find(|operation| !of_service().any(|pattern| fits(&pattern.operation, operation)));
        missing.map(|operation| format!("{}:{operation}", needed.service))
    }

    /// Whether everything that `other` allows is allowed. In doubt it is not: two patterns that only together allow what one of `other`
    /// does are not looked for.
    pub fn cover(&self, other: &Self) -> bool {
        other.0.iter().all(|narrow| self.0.iter().any(|wide| wide.covers(narrow)))
    }

    /// Each of them.
    pub(crate) fn patterns(&self) -> &[Pattern] {
        &self.0
    }

    /// Those that no request needs which is known here.
    #[cfg(feature = "cedar")]
    pub(crate) fn meaningless(&self) -> impl Iterator<Item = String> {
        let is_known = |pattern: &&Pattern| {
            vocabulary::all().get(&*pattern.service).is_some_and(|actions| actions.keys().any(|action| fits(&pattern.operation, action)))
        };
        self.0.iter().filter(move |pattern| !is_known(pattern)).map(|pattern| format!("{}:{}", pattern.service, pattern.operation))
    }

    /// The services that are named, in IAM's words.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|pattern| pattern.service.as_str())
    }
}

impl Pattern {
    /// Whether everything that fits `other` fits this. A `*` of `other`, taken as a character, fits only where this has a `*` too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.service == other.service && fits(&self.operation, &other.operation)
    }

    /// Reads a pattern: the service by name, in lower case, then the operation, of letters, digits and `*`. The operation's case does
    /// not matter, as in IAM.
    pub fn parse(text: &str) -> Option<Self> {
        let (service, operation) = text.split_once(':')?;
        let fits = text.len() <= PATTERN_BYTES
            && !service.is_empty()
            && service.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !operation.is_empty()
            && operation.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'*');
        fits.then(|| Self { service: service.to_owned(), operation: operation.to_owned() })
    }
}

/// What a request to `target` needs. `named` is what was made out for it.
pub fn needed<'n>(target: &'n Target, headers: &HeaderMap, named: &'n Named) -> Needed<'n> {
    let service = names::iam_service(&target.signing_name);
    let operations = if Service::find(&target.api).is_some_and(Service::is_s3) {
        s3::needed(&target.signing_name, named, headers)
    } else {
        let mut actions: Vec<&str> = named.names().flat_map(|name| names::needed(service, name)).collect();
        actions.sort_unstable();
        actions.dedup();
        (!actions.is_empty()).then_some(actions)
    };
    Needed { service, operations }
}

/// All that these operations of a service need.
pub(crate) fn of_operations<'o>(signing_name: &str, operations: impl Iterator<Item = &'o str>) -> Option<Actions> {
    let service = names::iam_service(signing_name);
    let pattern = |operation: &str| Pattern { service: service.to_owned(), operation: operation.to_owned() };
    Actions::new(operations.flat_map(|operation| names::needed(service, operation)).map(pattern).collect())
}

/// How IAM calls the service that `target` of the configuration signs as.
pub fn iam_service(signing_name: &str) -> &str {
    names::iam_service(signing_name)
}

/// `*` is any run of characters; the rest is compared without regard to case.
fn fits(pattern: &str, text: &str) -> bool {
    glob::fits(pattern, text, u8::eq_ignore_ascii_case)
}

impl<'n> Needed<'n> {
    /// The actions, in IAM's words.
    pub(crate) fn actions(&self) -> Vec<String> {
        let operations = self.operations.as_deref();
        operations
            .map_or_else(|| vec![format!("{}:*", self.service)], |all| all.iter().map(|name| format!("{}:{name}", self.service)).collect())
    }

    /// The actions that are not `others`, for a request that is about several things.
    pub(crate) fn without(&self, others: &[&str]) -> Self {
        let rest = |operations: &Vec<&'n str>| operations.iter().filter(|name| !others.contains(name)).copied().collect();
        Self { service: self.service, operations: self.operations.as_ref().map(rest) }
    }

    /// One action of the same service.
    pub(crate) fn one(&self, operation: &'n str) -> Self {
        Self { service: self.service, operations: Some(vec![operation]) }
    }
}

#[cfg(test)]
impl<'n> Needed<'n> {
    /// One action.
    pub(crate) fn for_tests(service: &'n str, operation: &'n str) -> Self {
        Self { service, operations: Some(vec![operation]) }
    }
}

#[cfg(test)]
pub(crate) mod tests;
