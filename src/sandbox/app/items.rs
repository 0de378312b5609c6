//! The tenant's items: all tenants share a table, and each has a partition key.

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::{
    super::tenants::TABLE,
    answer,
    caller::Caller,
    egress::{Call, Egress, Failed, Payload, Service},
};
use crate::body::{Body, BoxError};

/// A DynamoDB item has 400 KB at most, names and keys included.
const MAX_ITEM: usize = 256 * 1024;
const MAX_LISTED: usize = 100;

/// Lists the items of `owner`, with the passport of `caller`.
pub(super) async fn list(egress: &Egress, caller: &Caller, owner: &str) -> Result<Response<Body>, Failed> {
    let query = json!({
        "TableName": TABLE,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": partition(owner)}},
        "Limit": MAX_LISTED,
    });
    let answered = ask(egress, caller, "Query", &query).await?;
    let items: Vec<Value> = answered["Items"].as_array().into_iter().flatten().map(shown).collect();
    let truncated = answered.get("LastEvaluatedKey").is_some();
    Ok(answer::json(StatusCode::OK, &json!({"tenant": owner, "table": TABLE, "items": items, "truncated": truncated})))
}

/// Reads an item.
pub(super) async fn get(egress: &Egress, caller: &Caller, id: &str) -> Result<Response<Body>, Failed> {
    let answered = ask(egress, caller, "GetItem", &json!({"TableName": TABLE, "Key": key(&caller.tenant, id)})).await?;
    Ok(match answered.get("Item") {
        None => answer::error(StatusCode::NOT_FOUND, "there is no such item"),
        Some(item) => answer::json(StatusCode::OK, &shown(item)),
    })
}

/// Writes an item, whose content is the request's body: any JSON.
pub(super) async fn put(egress: &Egress, caller: &Caller, id: &str, body: Body) -> Result<Response<Body>, Failed> {
    let Some(bytes) = read(body).await? else {
        return Ok(answer::error(StatusCode::PAYLOAD_TOO_LARGE, "an item is 256 KiB at most"));
    };
    let Ok(content) = serde_json::from_slice::<Value>(&bytes) else {
        return Ok(answer::error(StatusCode::BAD_REQUEST, "an item is JSON"));
    };
    let mut item = key(&caller.tenant, id);
    item["content"] = json!({"S": content.to_string()});
    ask(egress, caller, "PutItem", &json!({"TableName": TABLE, "Item": item})).await?;
    Ok(answer::json(StatusCode::OK, &json!({"id": id, "content": content, "table": TABLE})))
}

/// The whole body; `None` when it is too long.
async fn read(mut body: Body) -> Result<Option<Vec<u8>>, Failed> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(Failed::Broken)?.into_data() {
            if bytes.len() + data.len() > MAX_ITEM {
                return Ok(None);
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Some(bytes))
}

async fn ask(egress: &Egress, caller: &Caller, operation: &str, input: &Value) -> Result<Value, Failed> {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0")),
        (HeaderName::from_static("x-amz-target"), HeaderValue::try_from(format!("DynamoDB_20120810.{operation}")).map_err(BoxError::from)?),
    ];
    let payload = Payload::Whole(input.to_string().into());
    let call = Call { service: Service::DynamoDb, method: Method::POST, target: "/".to_owned(), headers: &headers, payload };
    Ok(serde_json::from_slice(&egress.document(caller, call).await?).map_err(BoxError::from)?)
}

fn partition(owner: &str) -> String {
    format!("{owner}#items")
}

fn key(owner: &str, id: &str) -> Value {
    json!({"pk": {"S": partition(owner)}, "sk": {"S": id}})
}

/// An item as it is shown: without its partition key, and its content as the JSON that it was.
fn shown(item: &Value) -> Value {
    let content = item["content"]["S"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({"id": item["sk"]["S"], "content": content})
}
