//! What documents of the JSON protocols are about, operation by operation. One that is not here has no answer.

use http::Uri;
use serde_json::{Map, Value};

use super::{Asked, Home, Untold};
use crate::strict_json;

const UNKNOWN: Untold = "what this operation is about is not read here";
const MISSING: Untold = "the member that says what the request is about is missing, or is not what it should be";

/// The members of a document.
#[derive(Debug)]
pub(super) struct Members(Map<String, Value>);

impl Members {
    /// `None` where the body is not exactly one object without a member twice.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        strict_json::object(body).map(Self)
    }

    /// The member `name`, where no other is called so in another case, which some reader could take for it.
    fn get(&self, name: &str) -> Result<Option<&Value>, Untold> {
        let mut alike = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        match (alike.next(), alike.next()) {
            (None, _) => Ok(None),
            (Some((key, value)), None) if key == name => Ok(Some(value)),
            _ => Err("a member's name is spelled in another way"),
        }
    }

    fn text(&self, name: &str) -> Result<&str, Untold> {
        self.get(name)?.and_then(Value::as_str).ok_or(MISSING)
    }

    fn texts(&self, name: &str) -> Result<Vec<&str>, Untold> {
        let items = self.get(name)?.and_then(Value::as_array).ok_or(MISSING)?;
        items.iter().map(Value::as_str).collect::<Option<_>>().ok_or(MISSING)
    }
}

fn in_region(service: &str, asked: &Asked<'_>, home: &Home, account: &str, resource: &str) -> String {
    format!("arn:{}:{service}:{}:{account}:{resource}", home.partition, asked.target.region)
}

fn is_name(text: &str, more: &[u8]) -> bool {
    (1..=2_048).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-' || more.contains(&b))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// An ARN of `service` that a request states itself.
fn stated(text: &str, service: &str) -> Result<String, Untold> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let fits = parts.len() == 6
        && parts[0] == "arn"
        && parts[2] == service
        && !text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '*');
    if fits { Ok(text.to_owned()) } else { Err(MISSING) }
}

pub(super) fn sqs(operation: &str, body: &Members, asked: &Asked<'_>, home: &Home) -> Result<Vec<String>, Untold> {
    let (account, name) = match operation {
        "AddPermission"
        | "ChangeMessageVisibility"
        | "ChangeMessageVisibilityBatch"
        | "DeleteMessage"
        | "DeleteMessageBatch"
        | "DeleteQueue"
        | "GetQueueAttributes"
        | "ListDeadLetterSourceQueues"
        | "ListQueueTags"
        | "PurgeQueue"
        | "ReceiveMessage"
        | "RemovePermission"
        | "SendMessage"
        | "SendMessageBatch"
        | "SetQueueAttributes"
        | "TagQueue"
        | "UntagQueue" => queue_of(body.text("QueueUrl")?)?,
        "CreateQueue" => (home.account.clone(), body.text("QueueName")?.to_owned()),
        "GetQueueUrl" => {
            let account = match body.get("QueueOwnerAWSAccountId")? {
                None => home.account.as_str(),
                Some(account) => account.as_str().filter(|account| is_account(account)).ok_or(MISSING)?,
            };
            (account.to_owned(), body.text("QueueName")?.to_owned())
        }
        _ => return Err(UNKNOWN),
    };
    if is_name(&name, b".") { Ok(vec![in_region("sqs", asked, home, &account, &name)]) } else { Err(MISSING) }
}

/// Account and name of `https://HOST/ACCOUNT/NAME`. The host is not where the request goes.
fn queue_of(url: &str) -> Result<(String, String), Untold> {
    let url: Uri = url.parse().map_err(|_| MISSING)?;
    let place = url.path().strip_prefix('/').and_then(|path| path.split_once('/')).filter(|_| url.query().is_none());
    let (account, name) = place.filter(|(account, _)| is_account(account)).ok_or(MISSING)?;
    Ok((account.to_owned(), name.to_owned()))
}

pub(super) fn parameters(operation: &str, body: &Members, asked: &Asked<'_>, home: &Home) -> Result<Vec<String>, Untold> {
    let names = match operation {
        "DeleteParameter" | "GetParameter" | "GetParameterHistory" | "PutParameter" => vec![body.text("Name")?],
        "DeleteParameters" | "GetParameters" => body.texts("Names")?,
        // Everything below: a pattern has to have a * there itself.
        "GetParametersByPath" => {
            let path = body.text("Path")?.trim_end_matches('/');
            let sound = path.is_empty() || (path.starts_with('/') && is_name(path, b"./"));
            return if sound {
                Ok(vec![in_region("ssm", asked, home, &home.account, &format!("parameter{path}/*"))])
            } else {
                Err(MISSING)
            };
        }
        _ => return Err(UNKNOWN),
    };
    let arn = |name: &str| {
        // Behind a colon a version or a label is named.
        let name = name.split_once(':').map_or(name, |(name, _)| name);
        // A parameter of another account is named by its ARN.
        if name == "arn" || !is_name(name, b"./") {
            return Err(MISSING);
        }
        Ok(in_region("ssm", asked, home, &home.account, &format!("parameter/{}", name.strip_prefix('/').unwrap_or(name))))
    };
    names.into_iter().map(arn).collect()
}

/// A secret's ARN ends with characters that its name does not say, so only a request that has the ARN tells it.
pub(super) fn secrets(operation: &str, body: &Members) -> Result<Vec<String>, Untold> {
    match operation {
        "DeleteSecret"
        | "DescribeSecret"
        | "GetResourcePolicy"
        | "GetSecretValue"
        | "ListSecretVersionIds"
        | "PutSecretValue"
        | "RestoreSecret"
        | "TagResource"
        | "UntagResource"
        | "UpdateSecret"
        | "UpdateSecretVersionStage" => Ok(vec![stated(body.text("SecretId")?, "secretsmanager")?]),
        _ => Err(UNKNOWN),
    }
}

pub(super) fn dynamodb(operation: &str, body: &Members, asked: &Asked<'_>, home: &Home) -> Result<Vec<String>, Untold> {
    let table = |name: &str| match name.starts_with("arn:") {
        true => stated(name, "dynamodb"),
        false if is_name(name, b".") => Ok(in_region("dynamodb", asked, home, &home.account, &format!("table/{name}"))),
        false => Err(MISSING),
    };
    match operation {
        "CreateTable" | "DeleteItem" | "DeleteTable" | "DescribeTable" | "DescribeTimeToLive" | "GetItem" | "PutItem" | "UpdateItem"
        | "UpdateTable" | "UpdateTimeToLive" => Ok(vec![table(body.text("TableName")?)?]),
        "Query" | "Scan" => {
            let table = table(body.text("TableName")?)?;
            Ok(vec![match body.get("IndexName")? {
                None => table,
                Some(index) => {
                    let index = index.as_str().filter(|index| is_name(index, b".")).ok_or(MISSING)?;
                    format!("{table}/index/{index}")
                }
            }])
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body.get("RequestItems")?.and_then(Value::as_object).ok_or(MISSING)?;
            tables.keys().map(|name| table(name)).collect()
        }
        "TransactGetItems" | "TransactWriteItems" => {
            let items = body.get("TransactItems")?.and_then(Value::as_array).ok_or(MISSING)?;
            let of_item = |item: &Value| {
                let item = item.as_object().filter(|item| item.len() == 1).ok_or(MISSING)?;
                let order = item.values().next().and_then(Value::as_object).ok_or(MISSING)?;
                table(Members(order.clone()).text("TableName")?)
            };
            items.iter().map(of_item).collect()
        }
        _ => Err(UNKNOWN),
    }
}
