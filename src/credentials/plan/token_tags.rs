//! Session tags that a caller's token carries.
//!
//! With `AssumeRoleWithWebIdentity` STS takes them out of the token, where they stand nested
//! (`"https://aws.amazon.com/tags": {"principal_tags": {"TenantID": ["acme"]}}`) or flat
//! (`"https://aws.amazon.com/tags/principal_tags/TenantID": "acme"`), and does not tell keys apart by case
//! ([session tags](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp)).
//! The issuer says them, not Palisade: so they are held here against the tenant that the request was let in for, and whatever
//! could be read in two ways is refused.

use serde_json::{Map, Value};

use super::Wrong;

const NESTED: &str = "https://aws.amazon.com/tags";
const FLAT: &str = "https://aws.amazon.com/tags/principal_tags/";

/// Whether the session that `claims` lead to is tagged with `key` and this very `value`.
///
/// # Errors
/// It is not, or it cannot be told.
pub(super) fn check(claims: &Map<String, Value>, key: &str, value: &str) -> Result<(), Wrong> {
    let nested = claims.get(NESTED).and_then(|tags| tags.get("principal_tags")).and_then(Value::as_object);
    let nested = nested.into_iter().flatten().filter(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value);
    let is_flat = |name: &str| name.strip_prefix(FLAT).is_some_and(|name| name.eq_ignore_ascii_case(key));
    let flat = claims.iter().filter(|(name, _)| is_flat(name)).map(|(_, value)| value);
    let found: Vec<Option<&str>> = nested.chain(flat).map(sole).collect();
    let why = match found[..] {
        [] => "is not among the session tags of the caller's token",
        [Some(found)] if found == value => return Ok(()),
        [Some(_)] => "has another value in the caller's token",
        _ => "is in the caller's token more than once, or as something else than a text",
    };
    Err(Wrong::new(format!("token_tags.{key}"), why))
}

/// The one text that `value` is, or holds.
fn sole(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(items) => match &items[..] {
            [Value::String(text)] => Some(text),
            _ => None,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(claims: Value) -> Result<(), String> {
        let Value::Object(claims) = claims else { panic!() };
        check(&claims, "TenantID", "acme").map_err(|wrong| format!("{}: {}", wrong.setting, wrong.why))
    }

    #[test]
    fn a_tag_counts_where_sts_reads_it_and_is_the_tenant_s() {
        for good in [
            json!({"https://aws.amazon.com/tags": {"principal_tags": {"TenantID": ["acme"], "Team": ["a", "b"]}}}),
            json!({"https://aws.amazon.com/tags": {"principal_tags": {"tenantid": "acme"}}}),
            json!({"https://aws.amazon.com/tags/principal_tags/TenantID": "acme"}),
        ] {
            assert_eq!(said(good.clone()), Ok(()), "{good}");
        }
        for (wrong, why) in [
            (json!({}), "is not among"),
            (json!({"TenantID": "acme", "tenant_id": "acme"}), "is not among"),
            (json!({"https://aws.amazon.com/tags": {"TenantID": ["acme"]}}), "is not among"),
            (json!({"https://aws.amazon.com/tags": {"principal_tags": {"TenantID": ["globex"]}}}), "another value"),
            (json!({"https://aws.amazon.com/tags": {"principal_tags": {"TenantID": ["ACME"]}}}), "another value"),
            (json!({"https://aws.amazon.com/tags": {"principal_tags": {"TenantID": ["acme", "globex"]}}}), "more than once"),
            (json!({"https://aws.amazon.com/tags": {"principal_tags": {"TenantID": ["acme"], "tenantid": ["globex"]}}}), "more than once"),
            (json!({"https://aws.amazon.com/tags": {"principal_tags": {"TenantID": {}}}}), "something else"),
            (
                json!({
                    "https://aws.amazon.com/tags": {"principal_tags": {"TenantID": ["acme"]}},
                    "https://aws.amazon.com/tags/principal_tags/TenantID": "globex",
                }),
                "more than once",
            ),
        ] {
            let said = said(wrong.clone()).unwrap_err();
            assert!(said.starts_with("token_tags.TenantID: ") && said.contains(why), "{wrong}: {said}");
        }
    }
}
