//! From single values to types. `None` means that the value does not have the form; [`Form`](super::Form) says why.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use http::{
    HeaderName, Uri,
    uri::{Authority, PathAndQuery},
};
use jsonwebtoken::Algorithm;
use serde_json::Value;

use super::super::super::{
    ClaimPath, Endpoint, KeyTemplate, LeadingKey, NamePattern, NamePrefix, TenantKeyTemplate, TenantPattern, Upstream, WordPattern,
    document::Scalar, quantity,
};
use crate::{
    authorise::PathPattern,
    aws::{action::Pattern, resource::ResourcePattern, target::name},
    cidr::Cidr,
    client_pattern::DnsPattern,
    distinguished_name,
    identity::{CookieName, TenantHost},
    spiffe::{SpiffeError, SpiffePattern},
    tenant::TenantId,
};

/// What tokens may be signed with: asymmetric algorithms alone.
pub(super) const ALGORITHMS: [&str; 9] = ["ES256", "ES384", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];
/// Requests per second beyond which a limit is a slip of the finger.
pub(super) const MAX_RATE: f64 = 1_000_000.0;
/// Longest free text, in bytes.
const MAX_TEXT: usize = 1024;

pub(crate) fn text(scalar: &Scalar) -> Option<String> {
    let text = &scalar.text;
    (!text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control)).then(|| text.clone())
}

pub(crate) fn boolean(scalar: &Scalar) -> Option<bool> {
    scalar.as_bool()
}

pub(crate) fn count(scalar: &Scalar) -> Option<u64> {
    (scalar.plain && scalar.text.bytes().all(|b| b.is_ascii_digit())).then(|| scalar.text.parse().ok())?
}

pub(crate) fn rate(scalar: &Scalar) -> Option<f64> {
    let rate: f64 = scalar.plain.then(|| scalar.text.parse().ok())??;
    (rate > 0.0 && rate <= MAX_RATE).then_some(rate)
}

pub(crate) fn ratio(scalar: &Scalar) -> Option<f64> {
    let ratio: f64 = scalar.plain.then(|| scalar.text.parse().ok())??;
    (0.0..=1.0).contains(&ratio).then_some(ratio)
}

pub(crate) fn duration(scalar: &Scalar) -> Option<Duration> {
    quantity::duration(&scalar.text)
}

pub(crate) fn moment(scalar: &Scalar) -> Option<SystemTime> {
    quantity::moment(&scalar.text)
}

pub(crate) fn key_template(scalar: &Scalar) -> Option<KeyTemplate> {
    KeyTemplate::parse(&scalar.text)
}

pub(crate) fn tenant_key_template(scalar: &Scalar) -> Option<TenantKeyTemplate> {
    TenantKeyTemplate::parse(&scalar.text)
}

pub(crate) fn size(scalar: &Scalar) -> Option<usize> {
    quantity::size(&scalar.text)?.try_into().ok()
}

pub(crate) fn action(scalar: &Scalar) -> Option<Pattern> {
    Pattern::parse(&scalar.text)
}

pub(crate) fn leading_key(scalar: &Scalar) -> Option<LeadingKey> {
    LeadingKey::parse(&scalar.text).ok()
}

pub(crate) fn name_pattern(scalar: &Scalar) -> Option<NamePattern> {
    NamePattern::parse(&scalar.text).ok()
}

pub(crate) fn name_prefix(scalar: &Scalar) -> Option<NamePrefix> {
    NamePrefix::parse(&scalar.text).ok()
}

pub(crate) fn resource(scalar: &Scalar) -> Option<ResourcePattern> {
    scalar.text.parse().ok()
}

pub(crate) fn address(scalar: &Scalar) -> Option<SocketAddr> {
    scalar.text.parse().ok()
}

pub(crate) fn endpoint(scalar: &Scalar) -> Option<Endpoint> {
    let uri = uri(scalar)?;
    if uri.path_and_query().is_some_and(|rest| rest.as_str() != "/") {
        return None;
    }
    Some(Endpoint { tls: uri.scheme_str() == Some("https"), authority: uri.authority()?.clone() })
}

pub(crate) fn uri(scalar: &Scalar) -> Option<Uri> {
    if scalar.text.contains('#') || scalar.text.len() > MAX_TEXT {
        return None;
    }
    let uri: Uri = scalar.text.parse().ok()?;
    let authority = uri.authority()?;
    // With a user in front there is no such prefix. A port that is empty or too large is no number.
    let port = authority.as_str().strip_prefix(authority.host())?;
    let port_fits = port.is_empty() || authority.port_u16().is_some_and(|port| port > 0);
    let plain = !authority.host().is_empty() && port_fits;
    (plain && matches!(uri.scheme_str(), Some("http" | "https"))).then_some(uri)
}

pub(crate) fn upstream(scalar: &Scalar) -> Option<Upstream> {
    Upstream::parse(&scalar.text).ok()
}

pub(crate) fn http_path(scalar: &Scalar) -> Option<PathAndQuery> {
    let fits = scalar.text.starts_with('/') && !scalar.text.contains('#') && scalar.text.len() <= MAX_TEXT;
    fits.then(|| scalar.text.parse().ok()).flatten()
}

pub(crate) fn path_pattern(scalar: &Scalar) -> Option<PathPattern> {
    PathPattern::parse(&scalar.text).ok()
}

pub(crate) fn tenant_host(scalar: &Scalar) -> Option<TenantHost> {
    TenantHost::parse(&scalar.text)
}

pub(crate) fn cookie_name(scalar: &Scalar) -> Option<CookieName> {
    CookieName::new(&scalar.text)
}

/// An origin in the only form that browsers send it in (the HTML standard, "serialization of an origin"): one that differs would
/// never be equal to theirs. `null` is everybody's who hides where a request is from.
pub(crate) fn origin(scalar: &Scalar) -> Option<String> {
    let text = &scalar.text;
    if text == "*" {
        return Some(text.clone());
    }
    let uri = uri(scalar)?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let default = if scheme == "https" { 443 } else { 80 };
    let host = authority.host();
    let is_host = host.starts_with('[') || host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    let exact = format!("{scheme}://{}", authority.as_str().to_ascii_lowercase());
    (is_host && *text == exact && authority.port_u16() != Some(default)).then_some(exact)
}

/// In lower case, so that it is signed as it is compared.
pub(crate) fn host(scalar: &Scalar) -> Option<Authority> {
    let authority: Authority = scalar.text.parse().ok()?;
    let port = authority.as_str().strip_prefix(authority.host())?;
    let port_fits = port.is_empty() || authority.port_u16().is_some_and(|port| port > 0);
    (port_fits && name::is_dns_name(authority.host()) && !name::may_be_address(authority.host())).then_some(authority)
}

/// In lower case only: HTTP/2 has no other, and one spelling can be searched for.
pub(crate) fn header(scalar: &Scalar) -> Option<HeaderName> {
    HeaderName::from_lowercase(scalar.text.as_bytes()).ok()
}

pub(crate) fn algorithm(scalar: &Scalar) -> Option<Algorithm> {
    ALGORITHMS.contains(&scalar.text.as_str()).then(|| scalar.text.parse().ok())?
}

pub(crate) fn claim(scalar: &Scalar) -> Option<ClaimPath> {
    text(scalar).map(ClaimPath)
}

/// What a claim must be: text, a boolean or a whole number, by the way it is written. A number with a fraction has more than one
/// spelling, and is most likely meant as text (`"2.0"`).
pub(crate) fn claim_value(scalar: &Scalar) -> Option<Value> {
    text(scalar)?;
    Some(scalar.to_json()).filter(|value| match value {
        Value::Number(number) => !number.is_f64(),
        Value::Null => false,
        _ => true,
    })
}

/// A media type with or without `application/`, or the word for a token that has none.
pub(crate) fn token_type(scalar: &Scalar) -> Option<String> {
    let text = &scalar.text;
    let taken = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+/".contains(&b);
    ((1..=127).contains(&text.len()) && text.bytes().all(taken)).then(|| text.clone())
}

pub(crate) fn cidr(text: &str) -> Result<Cidr, String> {
    text.parse()
}

pub(crate) fn spiffe_pattern(text: &str) -> Result<SpiffePattern, SpiffeError> {
    text.parse()
}

pub(crate) fn dns_pattern(scalar: &Scalar) -> Option<DnsPattern> {
    DnsPattern::parse(&scalar.text)
}

/// In the one spelling.
pub(crate) fn subject(scalar: &Scalar) -> Option<String> {
    distinguished_name::parse(&text(scalar)?)
}

pub(crate) fn tenant(scalar: &Scalar) -> Option<TenantId> {
    scalar.text.parse().ok()
}

/// At most two `*`: matching takes time that grows with a power of their number.
pub(crate) fn tenant_pattern(scalar: &Scalar) -> Option<TenantPattern> {
    let text = &scalar.text;
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b == b'*' || crate::tenant::TenantId::is_id_byte(b))
        && text.bytes().filter(|b| *b == b'*').count() <= 2
        && !text.contains("**");
    fits.then(|| TenantPattern(text.clone()))
}

pub(crate) fn word_pattern(scalar: &Scalar) -> Option<WordPattern> {
    let text = &scalar.text;
    let fits = (1..=256).contains(&text.len())
        && !text.chars().any(char::is_control)
        && text.bytes().filter(|b| *b == b'*').count() <= 2
        && !text.contains("**");
    fits.then(|| WordPattern(text.clone()))
}

/// By shape alone; whether the region exists is known where the partitions are.
pub(crate) fn region(scalar: &Scalar) -> Option<String> {
    let mut parts = scalar.text.split('-');
    let area = parts.next()?;
    let rest: Vec<_> = parts.collect();
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let fits = scalar.text.len() <= 32
        && area.len() >= 2
        && area.bytes().all(|b| b.is_ascii_lowercase())
        && rest.len() >= 2
        && rest.iter().all(|part| word(part));
    fits.then(|| scalar.text.clone())
}

/// `arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME`
pub(crate) fn role_arn(scalar: &Scalar) -> Option<String> {
    is_role_arn(&scalar.text).then(|| scalar.text.clone())
}

/// A path has at most 512 characters and a name 64.
pub(crate) fn is_role_arn(text: &str) -> bool {
    is_iam_arn(text, "role/", 512 + 64, false)
}

/// `arn:PARTITION:iam::ACCOUNT:policy/[PATH/]NAME`, with `aws` for the account of those that AWS manages.
pub(crate) fn is_policy_arn(text: &str) -> bool {
    is_iam_arn(text, "policy/", 512 + 128, true)
}

fn is_iam_arn(text: &str, kind: &str, longest: usize, may_be_of_aws: bool) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else { return false };
    let name = resource.strip_prefix(kind).filter(|name| !name.split('/').any(str::is_empty));
    partition.starts_with("aws")
        && (is_account(account) || (may_be_of_aws && account == "aws"))
        && name.is_some_and(|name| name.len() <= longest && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@/-".contains(&b)))
}

pub(crate) fn account(scalar: &Scalar) -> Option<String> {
    is_account(&scalar.text).then(|| scalar.text.clone())
}

/// `ExternalId` of [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
pub(crate) fn external_id(scalar: &Scalar) -> Option<String> {
    let text = &scalar.text;
    let fits = (2..=1224).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b));
    fits.then(|| text.clone())
}

/// AWS's own have 16 characters or more; emulators take `test`.
pub(crate) fn access_key_id(scalar: &Scalar) -> Option<String> {
    let text = &scalar.text;
    ((1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')).then(|| text.clone())
}

/// An endpoint prefix.
pub(crate) fn service(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// [Tag](https://docs.aws.amazon.com/STS/latest/APIReference/API_Tag.html); the prefix `aws:` is AWS's own.
pub(crate) fn tag_key(text: &str) -> bool {
    let taken = |c: char| c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c);
    (1..=128).contains(&text.chars().count()) && text.chars().all(taken) && !text.to_ascii_lowercase().starts_with("aws:")
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}
