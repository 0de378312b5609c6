//! `guard.dynamodb`

use super::{Around, KNOWN_IDS, Section, TABLES, are_possible, names, parse, terms};
use crate::config::{DynamoDbRuleConfig, LeadingKey, NamePattern, PoolConfig, SchemaConfig, TableKeys};

/// What says nothing without `leading_key`.
const OF_POOLS: [&str; 3] = ["key", "indexes", "open_indexes"];

pub(super) fn rule(section: &Section<'_>, around: Around) -> Option<DynamoDbRuleConfig> {
    let tables = names(section, "tables", around).filter(|names| are_possible(section, "tables", names, &TABLES));
    let account = account(section);
    let pool = pool(section, around);
    let (tables, account, pool) = (tables?, account?, pool?);
    let tells_apart =
        tables.iter().all(NamePattern::tells_tenants_apart) || pool.as_ref().is_some_and(|pool| pool.leading_key.tells_tenants_apart());
    let terms = terms(section, around, tells_apart)?;
    Some(DynamoDbRuleConfig { terms, tables, account, pool })
}

/// Absent is as good as built.
fn account(section: &Section<'_>) -> Option<Option<NamePattern>> {
    if !section.has("account") {
        return Some(None);
    }
    let pattern = section.get("account", parse::name_pattern)?;
    let text = pattern.to_string();
    let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if !is_account && text != "{tenant.account}" {
        section.wrong("account", "is no account", "give 12 digits in quotes, or \"{tenant.account}\"");
        return None;
    }
    Some(Some(pattern))
}

/// Absent is as good as built.
fn pool(section: &Section<'_>, around: Around) -> Option<Option<PoolConfig>> {
    let learns = section.get("learn", parse::boolean)?;
    if !section.has("leading_key") {
        let idle: Vec<_> = OF_POOLS.into_iter().filter(|key| section.has(key)).chain(learns.then_some("learn")).collect();
        for key in &idle {
            section.wrong(key, "has no effect without leading_key", "remove it, or add leading_key");
        }
        return idle.is_empty().then_some(None);
    }
    let leading_key = leading_key(section, around);
    let schema = if learns { learnt(section) } else { given(section) };
    Some(Some(PoolConfig { leading_key: leading_key?, schema: schema? }))
}

/// The configuration says which attributes are hash keys.
fn given(section: &Section<'_>) -> Option<SchemaConfig> {
    if !section.has("key") {
        section.wrong(
            "key",
            "is missing: leading_key is about the tables' hash key",
            "give the attribute that is their hash key, or say learn: true to have DynamoDB asked",
        );
    }
    if section.has("open_indexes") {
        section.wrong("open_indexes", "has no effect without learn", "remove it: an index that indexes does not list is open");
        return None;
    }
    let key = section.get("key", parse::text);
    let indexes = section.pairs("indexes", parse::text).into_iter().collect();
    Some(SchemaConfig::Given(TableKeys { key: key?, indexes }))
}

/// DynamoDB says so, and nobody else.
fn learnt(section: &Section<'_>) -> Option<SchemaConfig> {
    let twice: Vec<_> = ["key", "indexes"].into_iter().filter(|key| section.has(key)).collect();
    for key in &twice {
        section.wrong(key, "is given, and learn is true", format!("remove one of the two: with learn DynamoDB says what {key} would say"));
    }
    let open_indexes = section.all("open_indexes", parse::text).into_iter().collect();
    twice.is_empty().then_some(SchemaConfig::Learnt { open_indexes })
}

fn leading_key(section: &Section<'_>, around: Around) -> Option<LeadingKey> {
    let key = section.get("leading_key", parse::leading_key)?;
    if let Some(open) = key.open_end().filter(|_| !around.ids_are_known) {
        section.wrong("leading_key", open.to_string(), KNOWN_IDS);
        return None;
    }
    Some(key)
}
