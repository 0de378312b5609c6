//! What a caller says, before anything of it is believed.
//!
//! The one place where raw identity headers are read. Each is read once, in a way that tells *absent*, *duplicated* and
//! *malformed* apart, and is taken out of the request in the same step, so that nothing that was consumed here can travel
//! on. What comes out, [`Presented`], is accepted by the verifier alone.

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, uri::Authority};

use super::{
    cookie::CookieName,
    framing,
    spoofed::{self, folds_to},
    tenant_host::TenantHost,
    workload::Workload,
};
use crate::{
    reject::{Reason, Refusal},
    secret::Secret,
    tenant::TenantId,
    workload_name::WorkloadName,
};

/// The session token of SigV4: where SDKs put the proof.
pub const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Names a workload, whose request is no tenant's.
const WORKLOAD: HeaderName = HeaderName::from_static("x-palisade-workload");

/// What our own header names begin with.
const PREFIX: &str = "x-palisade-";

/// The tenant that a caller claims to act for. Neither a key nor a label, and not to be copied.
#[derive(Debug, PartialEq, Eq)]
pub struct ClaimedTenant(TenantId);

impl ClaimedTenant {
    #[cfg(test)]
    pub(super) fn for_tests(tenant: &str) -> Self {
        Self(tenant.parse().unwrap())
    }

    /// Whether the claim names `tenant`.
    pub(super) fn names(&self, tenant: &TenantId) -> bool {
        &self.0 == tenant
    }

    /// The claim as an id, for the verifier to compare and then to prove.
    pub(super) fn id(&self) -> &TenantId {
        &self.0
    }
}

/// Everything that a request presents about who it is.
#[derive(Debug)]
pub struct Presented {
    pub(super) tenant: Option<ClaimedTenant>,
    /// `None` where a certificate takes its place.
    pub(super) proof: Option<Secret>,
    /// Whether a proof that names one tenant alone may stand for its claim.
    pub(super) may_be_sole: bool,
    /// Whether the proof stands in a cookie alone, which browsers send whoever made them do it.
    by_cookie: bool,
}

/// Names of the headers that carry identity; two of them are configurable.
#[derive(Debug, Clone)]
pub struct IdentityHeaders {
    /// `identity.tenant_header`
    pub tenant: HeaderName,
    /// `identity.token_header`
    pub token: HeaderName,
}

/// Where callers of the ingress may say who they are, besides those headers.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// `ingress.token_cookie`
    pub cookie: Option<CookieName>,
    /// `ingress.tenant_from.host`
    pub host: Option<TenantHost>,
}

impl Presented {
    /// Takes the claim and the proof out of a request from the outside. `host` is what the client asked for, as far as proxies in front
    /// are believed about it; `in_path` is what the path says of the tenant, at each of the places where it may. Everything that is said
    /// has to agree.
    pub fn take_ingress(
        headers: &mut HeaderMap,
        names: &IdentityHeaders,
        places: &Places,
        host: Option<&Authority>,
        in_path: &[String],
    ) -> Result<Self, Refusal> {
        let mut tenant = take_tenant(headers, names)?;
        if let Some(pattern) = &places.host {
            tenant = agree(tenant, pattern.find(host)?)?;
        }
        for said in in_path {
            let id = said.parse().map_err(|e| Refusal::noted(Reason::TenantMalformed, format!("by the path: {e}")))?;
            tenant = agree(tenant, Some(id))?;
        }
        let cookie = places.cookie.as_ref().map_or(Ok(None), |cookie| cookie.take(headers))?;
        let bearer = Bearer::take(headers)?;
        let in_headers = take_proof(headers, names, bearer)?;
        let by_cookie = in_headers.is_none() && cookie.is_some();
        let proof = match (in_headers, cookie) {
            (Some(one), Some(other)) if !one.matches(other.expose().as_bytes()) => return Err(Reason::TokenAmbiguous.into()),
            (one, other) => one.or(other),
        };
        Ok(Self { by_cookie, ..Self::new(tenant, Some(present(proof)?)) })
    }

    /// Takes claim and proof out of a request for one of Palisade's own paths on the egress.
    ///
    /// SDKs that fetch credentials send what they were given as the whole of `Authorization`, with or without a scheme, and can
    /// be told nothing but a URI: so the tenant may be its parameter `tenant`, or stay unsaid where the proof names but one.
    pub fn take_own(headers: &mut HeaderMap, uri: &Uri, names: &IdentityHeaders) -> Result<Self, Refusal> {
        if headers.contains_key(WORKLOAD) {
            return Err(Refusal::noted(Reason::WorkloadAmbiguous, "Palisade's own paths are for tenants"));
        }
        let in_header = take_tenant(headers, names)?;
        let in_query = tenant_parameter(uri)?;
        let proof = match single(headers, &header::AUTHORIZATION, Reason::TokenAmbiguous)? {
            Some(value) if !is_scheme(&value, "bearer") => {
                headers.remove(header::AUTHORIZATION);
                let text = value.to_str().map_err(|_| Refusal::noted(Reason::TokenMalformed, "the token is not visible ASCII"))?.trim();
                if text.contains(' ') {
                    return Err(Refusal::noted(Reason::TokenMalformed, "Authorization is neither Bearer nor a token alone"));
                }
                Some(Secret::new(text.to_owned()))
            }
            Some(_) => Bearer::take(headers)?,
            None => None,
        };
        let proof = present(take_proof(headers, names, proof)?)?;
        Ok(Self { may_be_sole: true, ..Self::new(agree(in_header, in_query)?, Some(proof)) })
    }

    /// What a caller said, once it is out of its request.
    pub(super) const fn new(tenant: Option<ClaimedTenant>, proof: Option<Secret>) -> Self {
        Self { tenant, proof, may_be_sole: false, by_cookie: false }
    }

    /// Whether nothing but a cookie proves it: then somebody else's page may have sent it.
    pub(crate) const fn is_by_cookie(&self) -> bool {
        self.by_cookie
    }

    /// Whether a tenant is named, in whatever place.
    pub(crate) const fn names_a_tenant(&self) -> bool {
        self.tenant.is_some()
    }

    /// The proof, to be sealed or verified.
    pub(crate) fn proof(&self) -> Result<&Secret, Refusal> {
        self.proof.as_ref().ok_or_else(|| Reason::TokenMissing.into())
    }

    /// What is left to say for a client whose certificate is one tenant's: nothing, or the same.
    pub(crate) fn pinned(self, workload: Option<&Workload>) -> Result<Self, Refusal> {
        let Some(own) = workload.map(Workload::tenant) else { return Ok(self) };
        if self.tenant.as_ref().is_some_and(|claimed| !claimed.names(own)) {
            return Err(Refusal::noted(Reason::TenantMismatch, "the client's certificate is of another tenant than the request names"));
        }
        Ok(Self { tenant: Some(ClaimedTenant(own.clone())), ..self })
    }
}

/// Removes every proof from a request that needs none: it is not for the application either.
pub fn discard_proofs(headers: &mut HeaderMap, names: &IdentityHeaders, places: &Places) -> Result<(), Refusal> {
    if let Some(cookie) = &places.cookie {
        cookie.remove(headers)?;
    }
    // Of several, which one the application would take is its own business: none of them stays.
    if headers.get_all(header::AUTHORIZATION).iter().any(begins_as_bearer) {
        headers.remove(header::AUTHORIZATION);
    }
    headers.remove(&names.token);
    headers.remove(SECURITY_TOKEN);
    Ok(())
}

/// Removes every header by which a caller could pose as us, or as another sender: identity and forwarding headers in any spelling that
/// an application server folds together (`X_Tenant_Id` becomes the same CGI variable as `X-Tenant-Id`).
pub fn strip_identity_headers<'a>(headers: &mut HeaderMap, names: &IdentityHeaders, mapped: impl Iterator<Item = &'a HeaderName>) {
    let mapped: Vec<&HeaderName> = mapped.collect();
    let ours = |name: &HeaderName| {
        name.as_str().get(..PREFIX.len()).is_some_and(|start| folds_to(start, PREFIX))
            || spoofed::is_rebuilt(name)
            || [&names.tenant, &names.token].iter().chain(&mapped).any(|known| folds_to(name.as_str(), known.as_str()))
    };
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| ours(name)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

/// The same for a request that goes on to the application, which might take a caller's word for that of a proxy, or frame the request by a
/// name that frames nothing here. Of what proxies say, `kept` stays as it is, in that spelling alone.
pub fn strip_spoofed_headers<'a>(
    headers: &mut HeaderMap,
    names: &IdentityHeaders,
    mapped: impl Iterator<Item = &'a HeaderName>,
    kept: &[HeaderName],
) {
    let is_doomed = |name: &HeaderName| framing::is_misspelt(name) || (spoofed::is_spoofed(name) && !kept.contains(name));
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| is_doomed(name)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
    strip_identity_headers(headers, names, mapped);
}

pub(super) fn take_tenant(headers: &mut HeaderMap, names: &IdentityHeaders) -> Result<Option<ClaimedTenant>, Refusal> {
    let Some(value) = single(headers, &names.tenant, Reason::TenantAmbiguous)? else { return Ok(None) };
    headers.remove(&names.tenant);
    let text = value.to_str().map_err(|_| Reason::TenantMalformed)?;
    let id = text.parse().map_err(|e| Refusal::noted(Reason::TenantMalformed, format!("{e}")))?;
    Ok(Some(ClaimedTenant(id)))
}

/// The workload that the header or the access key id names. Both have to name the same.
pub(super) fn take_workload(headers: &mut HeaderMap, key: Option<WorkloadName>) -> Result<Option<WorkloadName>, Refusal> {
    let Some(value) = single(headers, &WORKLOAD, Reason::WorkloadAmbiguous)? else { return Ok(key) };
    headers.remove(WORKLOAD);
    let name = value.to_str().ok().and_then(|text| text.parse::<WorkloadName>().ok());
    let name = name.ok_or_else(|| Refusal::noted(Reason::WorkloadUnproved, format!("{WORKLOAD} is no workload's name")))?;
    match key {
        Some(key) if key != name => Err(Refusal::noted(Reason::WorkloadAmbiguous, "two places of the request name different workloads")),
        _ => Ok(Some(name)),
    }
}

/// The parameter `tenant` of a target: absent, one, or a refusal.
fn tenant_parameter(uri: &Uri) -> Result<Option<TenantId>, Refusal> {
    let mut found = None;
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let Some(("tenant", value)) = pair.split_once('=') else {
            return Err(Refusal::noted(Reason::MalformedRequest, "a parameter other than tenant"));
        };
        // No character of a tenant id needs an escape.
        let id = value.parse().map_err(|e| Refusal::noted(Reason::TenantMalformed, format!("{e}")))?;
        if found.replace(id).is_some() {
            return Err(Reason::TenantAmbiguous.into());
        }
    }
    Ok(found)
}

/// Collects the proof from its three places. The same proof in two places is one proof; two different ones are refused, since
/// whoever comes after us might look at the other.
pub(super) fn take_proof(headers: &mut HeaderMap, names: &IdentityHeaders, bearer: Option<Secret>) -> Result<Option<Secret>, Refusal> {
    let mut found: Option<Secret> = bearer;
    for name in [&names.token, &SECURITY_TOKEN] {
        let Some(value) = single(headers, name, Reason::TokenAmbiguous)? else { continue };
        headers.remove(name);
        let text = value.to_str().map_err(|_| Refusal::noted(Reason::TokenMalformed, "the token is not visible ASCII"))?;
        match &found {
            Some(other) if !other.matches(text.as_bytes()) => return Err(Reason::TokenAmbiguous.into()),
            Some(_) => {}
            None => found = Some(Secret::new(text.to_owned())),
        }
    }
    match found {
        // Absent and empty are two things: whoever sends an empty one meant to send a proof.
        Some(proof) if proof.expose().is_empty() => Err(Reason::TokenMissing.into()),
        found => Ok(found),
    }
}

fn present(proof: Option<Secret>) -> Result<Secret, Refusal> {
    proof.filter(|proof| !proof.expose().is_empty()).ok_or_else(|| Reason::TokenMissing.into())
}

/// A claim in the header and one elsewhere (the access key id, the query, the host, the path) must agree.
pub(super) fn agree(header: Option<ClaimedTenant>, key: Option<TenantId>) -> Result<Option<ClaimedTenant>, Refusal> {
    match (header, key) {
        (Some(header), Some(key)) if !header.names(&key) => {
            Err(Refusal::noted(Reason::TenantAmbiguous, "two places of the request name different tenants"))
        }
        (Some(header), _) => Ok(Some(header)),
        (None, key) => Ok(key.map(ClaimedTenant)),
    }
}

/// `Authorization: Bearer T`
pub(super) struct Bearer;

impl Bearer {
    /// Takes `Authorization: Bearer T` (RFC 6750, section 2.1); another scheme is left alone and is no proof.
    ///
    /// What only begins so (`Bearer<TAB>T`, `BearerT`) is refused: an application that reads more into it than the standard does would
    /// find a token there that nobody has checked.
    pub(super) fn take(headers: &mut HeaderMap) -> Result<Option<Secret>, Refusal> {
        let Some(value) = single(headers, &header::AUTHORIZATION, Reason::TokenAmbiguous)? else { return Ok(None) };
        if !begins_as_bearer(&value) {
            return Ok(None);
        }
        headers.remove(header::AUTHORIZATION);
        let is_alone = value.as_bytes().trim_ascii().len() == "bearer".len();
        if !(is_scheme(&value, "bearer") || is_alone) {
            return Err(Refusal::noted(Reason::TokenMalformed, "Authorization begins as Bearer, without a space before the token"));
        }
        let text = value.to_str().map_err(|_| Refusal::noted(Reason::TokenMalformed, "the token is not visible ASCII"))?;
        Ok(Some(Secret::new(text.trim()["bearer".len()..].trim_start_matches(' ').to_owned())))
    }
}

/// Whether an application could take it for a bearer token, read loosely: in any case, whatever comes behind the word. HTTP/2 does not take off
/// the white space around a value, and the application's HTTP/1.1 does.
fn begins_as_bearer(value: &HeaderValue) -> bool {
    value.as_bytes().trim_ascii_start().get(.."bearer".len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
}

pub(super) fn is_scheme(value: &HeaderValue, scheme: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() > scheme.len() && bytes[..scheme.len()].eq_ignore_ascii_case(scheme.as_bytes()) && bytes[scheme.len()] == b' '
}

/// The only value of `name`: absent, one, or a refusal for several.
pub(super) fn single(headers: &HeaderMap, name: &HeaderName, several: Reason) -> Result<Option<HeaderValue>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Refusal::noted(several, format!("{name} is there more than once"))),
        (value, None) => Ok(value.cloned()),
    }
}

#[cfg(test)]
impl Presented {
    /// What a request with these headers, under the names that hold by default, says on the ingress.
    pub(crate) fn for_tests(mut headers: HeaderMap) -> Result<Self, Refusal> {
        let names = IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") };
        Self::take_ingress(&mut headers, &names, &Places::default(), None, &[])
    }

    /// What they say on the egress, where a certificate may take the place of a token.
    pub(crate) fn for_tests_of_egress(mut headers: HeaderMap) -> Result<Self, Refusal> {
        let names = IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") };
        let tenant = take_tenant(&mut headers, &names)?;
        let bearer = Bearer::take(&mut headers)?;
        Ok(Self::new(tenant, take_proof(&mut headers, &names, bearer)?))
    }
}

#[cfg(test)]
mod tests;
