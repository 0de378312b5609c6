//! Resources: what a request is about, where it says so in one way alone.
//!
//! Exact or not at all: this *allows* something, so a request that AWS could read as being about anything else than what is found here has no
//! answer, and is refused where resources are listed. S3 is read from host and path; other services by a [`table`] each, which says of every operation
//! where in its input the resources stand. A member is known by its exact name; one that differs from it in case alone beside it, or a document with a
//! member twice, is nothing. Formats of ARNs are those of the Service Authorization Reference. IAM stays the judge of what the role may do.
//!
//! Two readers: lists of [workloads](crate::workloads), in IAM's words, and the [guard](crate::guard), which compares names.

mod arithmetic;
mod cbor;
mod form;
mod input;
mod json;
mod kind;
mod metrics;
#[cfg(any(test, fuzzing))]
pub(crate) mod oracle;
mod pattern;
mod rest;
pub(crate) mod s3;
pub(crate) mod table;

use std::collections::BTreeMap;

use http::HeaderMap;

pub use self::pattern::{InvalidResourcePattern, ResourcePattern};
use self::{
    input::Input,
    table::{About, Table},
};
pub(crate) use self::{kind::Kind, rest::TENANT_ID};
use crate::aws::target::Target;

/// Where resources are that a request does not place itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// `aws`, `aws-cn`...
    pub partition: String,
    /// 12 digits.
    pub account: String,
}

impl Home {
    /// That of a role.
    pub fn of_role(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        let (partition, account) = (parts.nth(1)?, parts.nth(2)?);
        Some(Self { partition: partition.to_owned(), account: account.to_owned() })
    }
}

/// A request, as it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Where it goes.
    pub target: &'a Target,
    /// Its name.
    pub operation: Option<&'a str>,
    /// What the path has for the labels of the operation's template.
    pub labels: &'a [(&'static str, String)],
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body, where it is held in memory.
    pub body: Option<&'a [u8]>,
}

/// Why it cannot be told what a request is about, for a log.
pub type Untold = &'static str;

/// A thing that a request is about, as the request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) kind: Kind,
    /// Its name, in every way in which the service could read it; never empty.
    pub(crate) names: Vec<String>,
    /// Whether it is whatever has a name that begins so.
    pub(crate) below: bool,
    /// The account, where the request states it; otherwise it is the caller's.
    pub(crate) account: Option<String>,
    /// The region, where the request states it; otherwise it is that of the request.
    pub(crate) region: Option<String>,
    /// The ARN, where the request states it; of a function without what is behind its name.
    pub(crate) stated: Option<String>,
    /// A version, an alias or a run of a function.
    pub(crate) part: Option<String>,
}

impl Asked<'_> {
    /// What the path has for this label.
    fn label(&self, name: &str) -> Result<&str, Untold> {
        self.labels.iter().find(|(label, _)| *label == name).map(|(_, value)| value.as_str()).ok_or(kind::MISSING)
    }
}

/// One thing that a request does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Touch {
    /// With what; `None` where something that is not a name says it.
    pub(crate) resource: Option<Resource>,
    /// The encryption context, of operations that take one; of metrics their dimensions; of an invocation for whom it is.
    pub(crate) context: Option<BTreeMap<String, String>>,
    /// The action that it needs, where the request needs another one for something else.
    pub(crate) action: Option<&'static str>,
}

/// Everything that a request to a service with a table does; nothing where it is about nothing of anybody's.
///
/// # Errors
/// It cannot be told, or is about what is everybody's.
pub(crate) fn touches(table: &Table, asked: &Asked<'_>) -> Result<Vec<Touch>, Untold> {
    let operation = asked.operation.ok_or("a request without a name")?;
    match table.about(operation)? {
        About::Nothing => Input::read(table, operation, asked).map(|_| Vec::new()),
        About::Rest(rest) => rest.touches(asked),
        about => {
            let input = Input::read(table, operation, asked)?;
            let mut touches = input.touches(about)?;
            let names = touches.len();
            for (member, action) in table.besides(operation) {
                if input.says(member)? {
                    let with_action = |touch: &Touch| Touch { action: Some(action), ..touch.clone() };
                    touches.extend(touches[..names].iter().map(with_action).collect::<Vec<_>>());
                }
            }
            Ok(touches)
        }
    }
}

/// The resources that `asked` is about. Never empty.
///
/// # Errors
/// As [`touches`]; or it is about nothing in particular.
pub(crate) fn named(table: &Table, asked: &Asked<'_>) -> Result<Vec<Resource>, Untold> {
    let touched: Option<Vec<Resource>> = touches(table, asked)?.into_iter().map(|touch| touch.resource).collect();
    touched.filter(|resources| !resources.is_empty()).ok_or("the request is about nothing in particular")
}

/// The ARNs of everything that `asked` is about. Never empty.
///
/// # Errors
/// It cannot be told, or it is about nothing in particular.
pub fn arns(asked: &Asked<'_>, home: &Home) -> Result<Vec<String>, Untold> {
    if asked.target.api == "s3" {
        return s3::named(asked, home).map(|arn| vec![arn]);
    }
    if asked.target.signing_name == "dynamodb" {
        let found = json::dynamodb(asked.operation.ok_or("a request without a name")?, &input::document(asked)?, asked, home)?;
        return if found.is_empty() { Err("the request is about nothing") } else { Ok(found) };
    }
    let table = Table::of(&asked.target.api).ok_or("what a request of this service is about is not read here")?;
    named(table, asked)?.iter().map(|resource| resource.arn_of(&asked.target.region, home)).collect()
}

impl Resource {
    /// What `arn` names.
    pub(crate) fn stated(kind: Kind, arn: &str) -> Option<Self> {
        kind.stated(arn).ok()
    }

    /// Its ARN, where the request says all of it, in the words in which IAM has it.
    fn arn_of(&self, region: &str, home: &Home) -> Result<String, Untold> {
        let [name] = &self.names[..] else {
            return self.stated.clone().filter(|_| self.kind == Kind::Secret).ok_or("the ARN could be of two");
        };
        match (&self.stated, self.kind) {
            (_, Kind::Namespace) => Err("metrics have no ARN"),
            (None, Kind::Guardrail | Kind::Model) => Err("a model's ARN has its kind, which its name does not say"),
            (_, Kind::Key) if name.starts_with("alias/") => Err("which key is behind an alias its name does not say"),
            (Some(_), Kind::Parameter) => Err("a parameter of another account is named by its ARN"),
            (Some(arn), _) => Ok(self.with_part(arn.clone())),
            (None, Kind::Secret) => Err("a secret's ARN ends with characters that its name does not say"),
            (None, _) => {
                let account = self.account.as_deref().unwrap_or(&home.account);
                let arn = self.kind.arn((&home.partition, region, account), name);
                Ok(if self.below { format!("{arn}*") } else { self.with_part(arn) })
            }
        }
    }

    /// IAM has versions, aliases and runs apart.
    fn with_part(&self, arn: String) -> String {
        match &self.part {
            Some(part) => format!("{arn}:{part}"),
            None => arn,
        }
    }
}

#[cfg(test)]
mod tests;
