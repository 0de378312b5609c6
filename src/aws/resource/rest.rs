//! Requests of REST services: names stand in the path, some in the query and in headers; the body is the application's own.
//!
//! Labels of the path are decoded once, by the letter, or there is no operation (see `operation`). A query is read as strictly as a form. A header counts where it is
//! there once.

use http::{HeaderMap, HeaderName, header};
use serde_json::{Map, Value};

use super::{
    Asked, Kind, Touch, Untold,
    form::Form,
    json::member,
    kind::{MISSING, is_qualifier},
};
use crate::strict_json;

/// The tenant for whom a function with tenant isolation is invoked.
const TENANT: HeaderName = HeaderName::from_static("x-amz-tenant-id");
/// What an invocation of a durable function is called. One with a name and a payload that were there before is answered by what came of that one ("Execution names",
/// AWS Lambda developer guide), and names are the function's: nothing says that they are the tenant's.
const EXECUTION: HeaderName = HeaderName::from_static("x-amz-durable-execution-name");
/// The guardrail of an `InvokeModel`.
const GUARDRAIL: HeaderName = HeaderName::from_static("x-amzn-bedrock-guardrailidentifier");
/// What a rule's `tenant_id` is compared with, as if it were an encryption context.
pub(crate) const TENANT_ID: &str = "tenant_id";
const QUALIFIERS: Untold = "path and query name two versions, or none that there could be";
/// What a model reads from S3, with the credentials that sign; and what it is to do besides with tools of AWS's, such as to search the web.
const ELSEWHERE: [&str; 2] = ["s3Location", "systemTool"];

/// How a request to a REST service names things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// The ARN of a function, or of a run of it, in this label.
    Arn(&'static str),
    /// The label `FunctionName`, and `Qualifier` in the query.
    Function,
    /// The label `guardrailIdentifier`.
    Guardrail,
    /// The same as of a function, to run it: for the tenant in a header.
    Invocation,
    /// The label `modelId`, a guardrail in a header or in the body, and no documents of S3.
    Model,
}

impl Rest {
    pub(super) fn touches(self, asked: &Asked<'_>) -> Result<Vec<Touch>, Untold> {
        let query = match asked.target.path_and_query.query() {
            None | Some("") => None,
            Some(query) => Some(Form::parse(query.as_bytes()).map_err(|_| "the query could be read in several ways")?),
        };
        let touch = |resource, context| Touch { resource: Some(resource), context, action: None };
        match self {
            Self::Arn(label) => Ok(vec![touch(Kind::Function.stated(asked.label(label)?)?, None)]),
            Self::Function | Self::Invocation => {
                let mut function = Kind::Function.any(asked.label("FunctionName")?)?;
                let qualifier = query.as_ref().map_or(Ok(None), |query| query.get("Qualifier"))?;
                if let Some(qualifier) = qualifier {
                    if function.part.as_deref().is_some_and(|part| part != qualifier) || !is_qualifier(qualifier) {
                        return Err(QUALIFIERS);
                    }
                    function.part = Some(qualifier.to_owned());
                }
                let tenant = if self == Self::Invocation { one(asked.headers, TENANT)? } else { None };
                if tenant.is_some() && asked.headers.contains_key(EXECUTION) {
                    return Err("an invocation for one tenant has a name, which another tenant's could have had");
                }
                let context = tenant.map(|tenant| (TENANT_ID.to_owned(), tenant.to_owned())).into_iter().collect();
                Ok(vec![touch(function, (self == Self::Invocation).then_some(context))])
            }
            Self::Guardrail => Ok(vec![touch(Kind::Guardrail.any(asked.label("guardrailIdentifier")?)?, None)]),
            Self::Model => {
                let mut touches = vec![touch(Kind::Model.any(asked.label("modelId")?)?, None)];
                let body = document(asked)?;
                for guardrail in [one(asked.headers, GUARDRAIL)?, guardrail(&body)?].into_iter().flatten() {
                    touches.push(touch(Kind::Guardrail.any(guardrail)?, None));
                }
                Ok(touches)
            }
        }
    }
}

fn one(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Untold> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| MISSING),
        (Some(_), Some(_)) => Err("a header is there twice"),
    }
}

/// What a model is asked. Which members that are not Converse's mean what, each model says for itself; one that names a place in S3 has the same name in all of them.
fn document(asked: &Asked<'_>) -> Result<Map<String, Value>, Untold> {
    if asked.headers.contains_key(header::CONTENT_ENCODING) {
        return Err("the body is encoded");
    }
    let body = strict_json::deep_object(asked.body.ok_or("the body streams")?).ok_or("the body is not one JSON object")?;
    if body.iter().any(|(name, value)| leads_out(name, value)) {
        return Err("it has a model read from S3, or use a tool of AWS's");
    }
    Ok(body)
}

/// As deep as documents are read.
fn leads_out(name: &str, value: &Value) -> bool {
    ELSEWHERE.iter().any(|elsewhere| name.eq_ignore_ascii_case(elsewhere))
        || match value {
            Value::Object(members) => members.iter().any(|(name, value)| leads_out(name, value)),
            Value::Array(items) => items.iter().any(|value| leads_out("", value)),
            _ => false,
        }
}

fn guardrail(body: &Map<String, Value>) -> Result<Option<&str>, Untold> {
    let Some(config) = member(body, "guardrailConfig")? else { return Ok(None) };
    let identifier = member(config.as_object().ok_or(MISSING)?, "guardrailIdentifier")?;
    identifier.map(|value| value.as_str().ok_or(MISSING)).transpose()
}
