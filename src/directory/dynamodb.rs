//! A DynamoDB table, read by key: the only place of the directory that knows AWS.
//!
//! The SDK does the protocol alone, as with STS: its retries and its identity cache are off, since the cache above decides when to
//! ask again. The endpoint comes from the configuration, never from `AWS_ENDPOINT_URL`: that is what an application uses to find
//! Palisade. Reads are consistent unless the configuration says otherwise: what was just suspended is not read as active.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::{
        BehaviorVersion, IdentityCache, Region, SharedCredentialsProvider, SharedHttpClient, StalledStreamProtectionConfig,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    types::AttributeValue,
};

use super::{
    item::{Item, Value},
    points::ReadError,
};
use crate::{
    config::TableConfig,
    credentials::{BaseIdentity, BaseIdentityError, Readers, SetupError, http_client},
    skew::Skew,
};

/// A connection that is not up by then will hardly be.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Deadline of a part of a scan, which has up to a megabyte.
const SCAN_TIMEOUT: Duration = Duration::from_secs(10);
/// Deepest nesting of an item that is looked at; DynamoDB's own limit is 32.
const MAX_DEPTH: usize = 32;

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    client: Client,
    identity: BaseIdentity,
    skew: Skew,
    config: TableConfig,
}

/// Items of a part of a table, and where the next part begins; `None` after the last.
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    pub(super) next: Option<Cursor>,
}

/// A place in a table.
pub(super) struct Cursor(HashMap<String, AttributeValue>);

impl Table {
    /// Reads as the one of `readers` that the table is configured with. Sends nothing yet.
    ///
    /// # Errors
    /// A file of extra roots cannot be used.
    pub(super) fn new(config: &TableConfig, readers: Readers<'_>) -> Result<Self, SetupError> {
        let identity = readers.identity(config.reader.as_ref())?;
        let provider = SharedCredentialsProvider::new(identity.clone());
        let client = client(config, http_client(config.ca.as_deref())?, provider);
        Ok(Self { client, identity, skew: readers.skew().clone(), config: config.clone() })
    }

    /// Whether `other` is the same table, read by the same one; `same_base` says whether both have the same base identity.
    pub(super) fn is(&self, other: &Self, same_base: bool) -> bool {
        self.config.is_of_same_table(&other.config, same_base)
    }

    /// Sees to it that there are credentials to read with, ahead of their end: obtaining some can take longer than a read may.
    ///
    /// # Errors
    /// There are none.
    pub(super) async fn prepare(&self) -> Result<(), BaseIdentityError> {
        self.identity.check().await?;
        self.identity.renew_when_due().await;
        Ok(())
    }

    /// The item with these key attributes, all strings.
    pub(super) async fn get(&self, key: &[(&str, &str)]) -> Result<Option<Item>, ReadError> {
        let key: HashMap<_, _> = key.iter().map(|(name, value)| ((*name).to_owned(), AttributeValue::S((*value).to_owned()))).collect();
        match self.client.get_item().table_name(&self.config.name).set_key(Some(key)).consistent_read(self.config.consistent).send().await {
            Ok(output) => Ok(output.item.map(item)),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The next items, at most `limit`, and fewer where they are large.
    pub(super) async fn scan(&self, limit: i32, after: Option<Cursor>) -> Result<Page, ReadError> {
        let call = self.client.scan().table_name(&self.config.name).consistent_read(self.config.consistent).limit(limit);
        let timeouts = TimeoutConfig::builder().operation_timeout(SCAN_TIMEOUT).build();
        let call = call.set_exclusive_start_key(after.map(|cursor| cursor.0)).customize();
        match call.config_override(aws_sdk_dynamodb::Config::builder().timeout_config(timeouts)).send().await {
            Ok(output) => {
                let next = output.last_evaluated_key.filter(|key| !key.is_empty()).map(Cursor);
                Ok(Page { items: output.items.unwrap_or_default().into_iter().map(item).collect(), next })
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(&self, error: &SdkError<E>) -> ReadError {
        let (failure, wrong) = failure(error);
        if let Some(wrong) = wrong {
            self.identity.forget();
            // The table is not believed what time it is: STS is asked.
            if wrong == Wrong::Signature {
                self.skew.complain();
            }
        }
        failure
    }
}

fn item(attributes: HashMap<String, AttributeValue>) -> Item {
    Item(attributes.into_iter().map(|(name, v)| (name, value(v, MAX_DEPTH))).collect())
}

fn client(config: &TableConfig, http: SharedHttpClient, credentials: SharedCredentialsProvider) -> Client {
    let timeouts = TimeoutConfig::builder().connect_timeout(config.timeout.min(CONNECT_TIMEOUT)).operation_timeout(config.timeout).build();
    let mut builder = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled())
        .identity_cache(IdentityCache::no_cache())
        // Items have 400 KB at most; the timeout covers them.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .credentials_provider(credentials);
    builder.set_endpoint_url(config.endpoint.as_ref().map(|endpoint| {
        let scheme = if endpoint.tls { "https" } else { "http" };
        format!("{scheme}://{}", endpoint.authority)
    }));
    Client::from_conf(builder.build())
}

/// What was not accepted of who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Credentials,
    /// Or its time.
    Signature,
}

/// What went wrong, and whether it is the reader's identity that was not accepted. Messages are not kept: an answer to a bad signature
/// can repeat the signed request.
fn failure<E: ProvideErrorMetadata + std::error::Error + 'static>(error: &SdkError<E>) -> (ReadError, Option<Wrong>) {
    let (note, wrong) = match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let code: String = answer.err().code().unwrap_or("").chars().filter(char::is_ascii_alphanumeric).take(100).collect();
            let credentials = ["ExpiredToken", "UnrecognizedClient", "InvalidClientTokenId", "MissingAuthenticationToken"];
            let wrong = match code.as_str() {
                code if code.starts_with("InvalidSignature") => Some(Wrong::Signature),
                code if credentials.iter().any(|known| code.starts_with(known)) => Some(Wrong::Credentials),
                _ => None,
            };
            (format!("{code} (HTTP {status})"), wrong)
        }
        SdkError::TimeoutError(_) => ("no answer in time".to_owned(), None),
        SdkError::ResponseError(_) => ("the answer cannot be read".to_owned(), None),
        other => (crate::credentials::causes(other), None),
    };
    (ReadError::Unavailable(note), wrong)
}

fn value(from: AttributeValue, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Other };
    match from {
        AttributeValue::Bool(value) => Value::Boolean(value),
        AttributeValue::L(items) => Value::List(items.into_iter().map(|item| value(item, depth)).collect()),
        AttributeValue::M(map) => Value::Map(map.into_iter().map(|(name, item)| (name, value(item, depth))).collect()),
        AttributeValue::N(number) => Value::Number(number),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::S(text) => Value::Text(text),
        AttributeValue::Ss(texts) => Value::Strings(texts),
        _ => Value::Other,
    }
}

#[cfg(test)]
pub(super) mod store;
#[cfg(test)]
pub(super) mod tests;
