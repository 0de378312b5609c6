//! From an item to a tenant's record. Nothing is guessed: what is there has to be of its kind and form, and the status has to be there.

use std::{collections::BTreeMap, time::SystemTime};

use crate::{
    config::{
        Limits, TenantAttributesConfig,
        build::one_second,
        document::Scalar,
        settings::parse::{self as form},
    },
    directory::{
        Revoked, TenantRecord, TenantStatus,
        item::{Item, ItemError, Value},
    },
    tenant::TenantId,
};

/// Largest count in a limit, as in a file.
const MAX_COUNT: u64 = 1_000_000;

type Members = BTreeMap<String, Value>;

/// The record of `id`, whose item this is.
///
/// # Errors
/// The attribute that is not what it should be.
pub(super) fn record(id: TenantId, item: &Item, names: &TenantAttributesConfig) -> Result<TenantRecord, ItemError> {
    let status = match item.text(&names.status)? {
        Some("active") => TenantStatus::Active,
        Some("suspended") => TenantStatus::Suspended,
        Some(_) => return Err(ItemError::new(&names.status, "neither active nor suspended")),
        None => return Err(ItemError::new(&names.status, "missing")),
    };
    let text = |name: &str, parse: fn(&Scalar) -> Option<String>, wrong: &'static str| {
        let text = item.text(name)?;
        text.map(|text| parse(&scalar(text)).ok_or_else(|| ItemError::new(name, wrong))).transpose()
    };
    let line = "no text of 1 to 1024 characters on one line";
    Ok(TenantRecord {
        id,
        status,
        tier: text(&names.tier, form::text, line)?,
        cell: text(&names.cell, form::text, line)?,
        account: text(&names.account, form::account, "no AWS account id of 12 digits")?,
        external_id: text(&names.external_id, form::external_id, "no external id")?,
        kms_key: text(&names.kms_key, form::text, line)?,
        region: text(&names.region, form::region, "no region")?,
        limits: item.map(&names.limits)?.map(|members| limits(members, &names.limits)).transpose()?,
        revoked: item.map(&names.revoked)?.map(|members| revoked(members, &names.revoked)).transpose()?.unwrap_or_default(),
        attributes: item.scalars(&names.attributes)?,
    })
}

/// A number is a plain scalar, and a string a quoted one, as in a file.
fn scalar(text: &str) -> Scalar {
    Scalar { text: text.to_owned(), plain: false }
}

/// The members of a map that may have `known` and nothing else: what is not understood could be a limit or a revocation.
fn only(members: &Members, known: &[&str], of: &str) -> Result<(), ItemError> {
    if members.keys().all(|name| known.contains(&name.as_str())) {
        Ok(())
    } else {
        Err(ItemError::new(of, "a map with a member that is not known"))
    }
}

fn limits(members: &Members, of: &str) -> Result<Limits, ItemError> {
    only(members, &["requests_per_second", "burst", "concurrent"], of)?;
    let wrong = || ItemError::new(of, "no map to numbers in range");
    let number = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(text)) => Ok(Some(Scalar { text: text.clone(), plain: true })),
        Some(_) => Err(wrong()),
    };
    let count = |name: &str| {
        let count = number(name)?.map(|scalar| form::count(&scalar).filter(|count| (1..=MAX_COUNT).contains(count)).ok_or_else(wrong));
        count.transpose()?.map(|count| u32::try_from(count).map_err(|_| wrong())).transpose()
    };
    let rate = number("requests_per_second")?.map(|scalar| form::rate(&scalar).ok_or_else(wrong)).transpose()?;
    Ok(Limits { requests_per_second: rate, burst: count("burst")?.or(rate.map(one_second)), concurrent: count("concurrent")? })
}

fn revoked(members: &Members, of: &str) -> Result<Revoked, ItemError> {
    only(members, &["issued_before", "subjects", "tokens"], of)?;
    let mut revoked = Revoked::default();
    if let Some(moment) = moment(members, of)? {
        revoked.all_before(moment);
    }
    for entry in entries(members, "subjects", of)? {
        only(entry, &["issuer", "subject", "issued_before"], of)?;
        revoked.subject(required(entry, "issuer", of)?, required(entry, "subject", of)?, moment(entry, of)?);
    }
    for entry in entries(members, "tokens", of)? {
        only(entry, &["issuer", "id"], of)?;
        revoked.token(required(entry, "issuer", of)?, required(entry, "id", of)?);
    }
    Ok(revoked)
}

fn entries<'m>(members: &'m Members, name: &str, of: &str) -> Result<Vec<&'m Members>, ItemError> {
    let wrong = || ItemError::new(of, "a map whose subjects or tokens are no lists of maps");
    match members.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::List(items)) => {
            items.iter().map(|item| if let Value::Map(members) = item { Ok(members) } else { Err(wrong()) }).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn required(members: &Members, name: &str, of: &str) -> Result<String, ItemError> {
    match members.get(name) {
        Some(Value::Text(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(ItemError::new(of, "a map with an entry that lacks its issuer, subject or id")),
    }
}

fn moment(members: &Members, of: &str) -> Result<Option<SystemTime>, ItemError> {
    let wrong = || ItemError::new(of, "a map with an issued_before that is no date and time with an offset");
    match members.get("issued_before") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => form::moment(&scalar(text)).map(Some).ok_or_else(wrong),
        Some(_) => Err(wrong()),
    }
}
