//! A table by hand, behind the SDK: `GetItem` and `Scan`, as far as they are used. No sockets.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::config::{SharedCredentialsProvider, http::HttpResponse};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn},
    orchestrator::HttpRequest,
};
use serde_json::{Value as Json, json};

use super::{Table, client};
use crate::{
    clock::Clock,
    config::TableConfig,
    credentials::{BaseIdentity, testing::on_time},
};

/// The table. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub(in crate::directory) struct Store(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    /// By the value of the partition key `pk`.
    items: BTreeMap<String, Json>,
    down: bool,
    gets: usize,
    scans: usize,
    /// Given instead of what was asked for.
    instead: Option<Json>,
    /// Done after so many scans: what a scan meets in its middle.
    then: Option<(usize, BTreeMap<String, Json>)>,
    /// The scan that finds it down.
    breaks_at: Option<usize>,
}

impl Store {
    /// Puts an item in; its members besides the key.
    pub(in crate::directory) fn put(&self, pk: &str, members: &Json) {
        let mut item = members.clone();
        item["pk"] = json!({"S": pk});
        self.0.lock().unwrap().items.insert(pk.to_owned(), item);
    }

    pub(in crate::directory) fn delete(&self, pk: &str) {
        self.0.lock().unwrap().items.remove(pk);
    }

    pub(in crate::directory) fn goes(&self, down: bool) {
        let mut content = self.0.lock().unwrap();
        (content.down, content.breaks_at) = (down, None);
    }

    /// Goes down after the next `scans` scans.
    pub(in crate::directory) fn breaks_after(&self, scans: usize) {
        let mut content = self.0.lock().unwrap();
        content.breaks_at = Some(content.scans + scans + 1);
    }

    pub(in crate::directory) fn says_instead(&self, item: Option<Json>) {
        self.0.lock().unwrap().instead = item;
    }

    /// Replaces everything after the next `scans` scans.
    pub(in crate::directory) fn becomes_after(&self, scans: usize, items: &[(&str, Json)]) {
        let keyed = |(pk, members): &(&str, Json)| {
            let mut item = members.clone();
            item["pk"] = json!({"S": pk});
            ((*pk).to_owned(), item)
        };
        let mut content = self.0.lock().unwrap();
        content.then = Some((content.scans + scans, items.iter().map(keyed).collect()));
    }

    /// Items read by their key, and parts scanned.
    pub(in crate::directory) fn reads(&self) -> (usize, usize) {
        let content = self.0.lock().unwrap();
        (content.gets, content.scans)
    }

    /// The table, as `config` says, read as `identity`.
    pub(in crate::directory) fn table(&self, config: &TableConfig, identity: BaseIdentity) -> Table {
        let store = self.clone();
        let http = http_client_fn(move |_: &HttpConnectorSettings, _| SharedHttpConnector::new(store.clone()));
        let client = client(config, http, SharedCredentialsProvider::new(identity.clone()));
        Table { client, identity, skew: on_time(&Clock::system()), config: config.clone() }
    }
}

impl Content {
    fn answer(&mut self, operation: &str, body: &Json) -> Json {
        if operation == "DynamoDB_20120810.GetItem" {
            let item = self.instead.as_ref().or_else(|| self.items.get(body["Key"]["pk"]["S"].as_str().unwrap()));
            return item.map_or(json!({}), |item| json!({ "Item": item }));
        }
        assert_eq!(operation, "DynamoDB_20120810.Scan");
        let limit = body["Limit"].as_u64().unwrap() as usize;
        let after = body["ExclusiveStartKey"]["pk"]["S"].as_str().unwrap_or("");
        let mut rest = self.items.range(after.to_owned()..).filter(|(pk, _)| pk.as_str() > after);
        let items: Vec<_> = rest.by_ref().take(limit).map(|(_, item)| item.clone()).collect();
        let last = items.last().map(|item| item["pk"].clone());
        // As DynamoDB does it: a full part is followed by another, which may be empty.
        let next = if items.len() == limit { json!({ "pk": last }) } else { Json::Null };
        if self.then.as_ref().is_some_and(|(scans, _)| *scans == self.scans) {
            self.items = self.then.take().unwrap().1;
        }
        json!({ "Items": items, "LastEvaluatedKey": next })
    }
}

impl HttpConnector for Store {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut content = self.0.lock().unwrap();
        let operation = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let body: Json = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        assert_eq!((&body["TableName"], &body["ConsistentRead"]), (&json!("tenants"), &json!(true)));
        let is_get = operation == "DynamoDB_20120810.GetItem";
        *(if is_get { &mut content.gets } else { &mut content.scans }) += 1;
        content.down |= content.breaks_at.is_some_and(|scans| scans <= content.scans);
        let (status, answer) = if content.down { (500, json!({})) } else { (200, content.answer(&operation, &body)) };
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), answer.to_string().into())))
    }
}
