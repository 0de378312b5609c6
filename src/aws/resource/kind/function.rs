//! Functions of Lambda, which have more forms of names than any other thing.
//!
//! What a form could mean beside what it is taken for makes it none: somebody else's function could be meant.

use super::{Arn, Kind, MISSING, is_account};
use crate::aws::resource::{Resource, Untold};

/// A function, by `NAME`, `NAME:QUALIFIER` or `ACCOUNT:function:NAME` with or without `:QUALIFIER` ("Function name formats", Lambda API reference).
///
/// Lambda takes leaves out of an ARN from the front on, so that what stands before the one colon is a name only if it is nothing of an ARN's.
pub(super) fn named(text: &str) -> Result<Resource, Untold> {
    let parts: Vec<&str> = text.split(':').collect();
    let (account, name, part) = match parts[..] {
        [name] => (None, name, None),
        [name, part] if name != "function" && !is_account(name) && !is_region(name) => (None, name, Some(part)),
        [account, "function", name] if is_account(account) => (Some(account), name, None),
        [account, "function", name, part] if is_account(account) => (Some(account), name, Some(part)),
        _ => return Err(MISSING),
    };
    if !Kind::Function.is_name(name) || !part.is_none_or(is_qualifier) {
        return Err(MISSING);
    }
    let (account, part) = (account.map(str::to_owned), part.map(str::to_owned));
    Ok(Resource { kind: Kind::Function, names: vec![name.to_owned()], below: false, account, region: None, stated: None, part })
}

/// The function in an ARN that may be of a version, an alias or a run of it.
pub(super) fn stated(text: &str, arn: &Arn<'_>) -> Result<Resource, Untold> {
    let rest = arn.resource.strip_prefix(Kind::Function.before()).ok_or(MISSING)?;
    let (name, part) = rest.split_once(':').map_or((rest, None), |(name, part)| (name, Some(part)));
    // Behind a version: durable-execution/NAME/ID.
    let qualifier = part.map(|part| part.split_once("/durable-execution/").map_or(part, |(qualifier, _)| qualifier));
    if !Kind::Function.is_name(name) || !qualifier.is_none_or(is_qualifier) {
        return Err(MISSING);
    }
    let whole = part.map_or(text, |part| &text[..text.len() - part.len() - 1]);
    Ok(Resource {
        kind: Kind::Function,
        names: vec![name.to_owned()],
        below: false,
        account: Some(arn.account.to_owned()),
        region: Some(arn.region.to_owned()),
        stated: Some(whole.to_owned()),
        part: part.map(str::to_owned),
    })
}

/// A version or an alias of a function.
pub(in crate::aws::resource) fn is_qualifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'$' | b'.'))
}

/// What looks like a region: `eu-west-1`, `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [first, middle @ .., last] = &parts[..] else { return false };
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    (2..=4).contains(&first.len())
        && is_word(first)
        && (1..=2).contains(&middle.len())
        && middle.iter().all(is_word)
        && (1..=2).contains(&last.len())
        && last.bytes().all(|b| b.is_ascii_digit())
}
