//! What every directory in a DynamoDB table has.

use std::time::Duration;

use serde_json::json;

use super::{Section, egress::endpoint, parse};
use crate::config::{CacheConfig, ReaderConfig, TableConfig, show_duration};

/// How long an absence is remembered, unless that is longer than an answer is used.
const NEGATIVE: Duration = Duration::from_secs(5);

/// `region` is that of the egress, where there is one.
pub(super) fn table(section: &Section<'_>, region: Option<&str>) -> Option<TableConfig> {
    let name = section.get("table", parse::text);
    let region = section.get("region", parse::region).or_else(|| {
        if section.has("region") {
            return None;
        }
        match region {
            Some(region) => section.set("region", region.into()),
            None => section.wrong("region", "is missing, and there is no egress to take it from", "give the table's region"),
        }
        region.map(str::to_owned)
    });
    let endpoint = endpoint(section);
    let given = section.has("ca");
    let ca = section.companion("ca");
    let timeout = section.get("timeout", parse::duration);
    let consistent = section.get("consistent_reads", parse::boolean);
    let reader = reader(section);
    if given && ca.is_none() {
        return None;
    }
    Some(TableConfig { name: name?, region: region?, endpoint: endpoint?, ca, timeout: timeout?, consistent: consistent?, reader: reader? })
}

/// The outer `None` means that it is wrong.
fn reader(section: &Section<'_>) -> Option<Option<ReaderConfig>> {
    let (role_arn, external_id) = (section.get("role_arn", parse::role_arn), section.get("external_id", parse::external_id));
    if section.has("external_id") && !section.has("role_arn") {
        section.wrong("external_id", "has no effect without role_arn", "give role_arn, or remove it");
        return None;
    }
    if !section.has("role_arn") {
        return Some(None);
    }
    role_arn.map(|role_arn| Some(ReaderConfig { role_arn, external_id }))
}

/// `max_entries` is the key of that setting.
pub(super) fn cache(section: &Section<'_>, max_entries: &str) -> Option<CacheConfig> {
    let (fresh, max_stale) = (section.get("cache", parse::duration), section.get("max_stale", parse::duration));
    let max_entries = section.get(max_entries, parse::size);
    let negative = section.get("negative", parse::duration);
    let (fresh, max_stale) = (fresh?, max_stale?);
    if max_stale < fresh {
        section.wrong("max_stale", "is below cache, for which an answer is used in any case", "raise it, or lower cache");
    }
    if negative.is_some_and(|negative| negative > fresh) {
        section.wrong("negative", "is above cache, for which an item is used that is there", "lower it, or raise cache");
    }
    let negative = match negative {
        Some(negative) => negative,
        None if section.has("negative") => return None,
        None => {
            section.set("negative", json!(show_duration(NEGATIVE.min(fresh))));
            NEGATIVE.min(fresh)
        }
    };
    Some(CacheConfig { fresh, max_stale, negative, max_entries: max_entries? })
}

/// The sort key's attribute and its value, which go together. The outer `None` means that it is wrong.
pub(super) fn sort_key<T>(section: &Section<'_>, template: Option<T>) -> Option<Option<(String, T)>> {
    let name = section.get("sort_key", parse::text);
    for (key, other) in [("sort_key", "sort_key_template"), ("sort_key_template", "sort_key")] {
        if section.has(key) && !section.has(other) {
            section.wrong(key, format!("is here without {other}"), "give both, or neither");
            return None;
        }
    }
    if section.has("sort_key") { name.zip(template).map(Some) } else { Some(None) }
}
