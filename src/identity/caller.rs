//! What a request of the application says about who sends it, and with what authority.
//!
//! An SDK says it in its signature: in the headers, or in the query of a presigned URL. The signature is consumed. Made with
//! keys of the SDK's own invention it says what was meant and proves nothing; made with keys that Palisade vended it is
//! checked, and what the session token was sealed around takes the token's place.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request, uri::PathAndQuery};

use super::{
    client_signature::{AsSigned, Claim, ClientSignature},
    placeholder::Placeholder,
    presigned::QuerySignature,
    unverified::{
        Bearer, ClaimedTenant, IdentityHeaders, Presented, SECURITY_TOKEN, agree, is_scheme, single, take_proof, take_tenant, take_workload,
    },
    vended::{self, Opened, Vending},
};
use crate::{
    reject::{Reason, Refusal},
    secret::Secret,
    sigv4::{Canon, payload_mode::CONTENT_SHA256},
    workload_name::WorkloadName,
};

const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// Everything about the sender of a request, taken out of it.
#[derive(Debug)]
pub struct Caller {
    /// For the verifier.
    pub presented: Presented,
    /// What the signature says of service and region, where there is one.
    pub placeholder: Option<Placeholder>,
    /// To be settled before the request goes on.
    pub signature: ClientSignature,
    /// The workload that it names: then it is to be no tenant's.
    pub workload: Option<WorkloadName>,
}

impl Caller {
    /// Takes claim, proof and placeholder signature out of a request of the application. Without a proof it is refused, unless
    /// the client's certificate may be one (`certified`, or a workload's).
    pub fn take(
        head: &mut request::Parts,
        names: &IdentityHeaders,
        vending: &Vending,
        now: SystemTime,
        certified: bool,
    ) -> Result<Self, Refusal> {
        let caller = match QuerySignature::read(&head.uri)? {
            Some(signature) => Self::presigned(head, names, signature, vending, now)?,
            None => Self::in_headers(head, names, vending, now)?,
        };
        if !certified && caller.workload.is_none() {
            caller.presented.proof()?;
        }
        Ok(caller)
    }

    fn in_headers(head: &mut request::Parts, names: &IdentityHeaders, vending: &Vending, now: SystemTime) -> Result<Self, Refusal> {
        // A signature covers what is taken out below; only one that can be checked needs to be remembered.
        let original = carries_vended(&head.headers).then(|| with_host(head));
        let headers = &mut head.headers;
        let claimed = take_tenant(headers, names)?;
        let (bearer, placeholder) = match single(headers, &header::AUTHORIZATION, Reason::TokenAmbiguous)? {
            Some(value) if is_scheme(&value, "bearer") => (Bearer::take(headers)?, None),
            Some(value) => {
                headers.remove(header::AUTHORIZATION);
                (None, Some(Placeholder::parse(&value)?))
            }
            None => (None, None),
        };
        if let Some(placeholder) = &placeholder {
            placeholder.covers(headers)?;
        }
        let proof = take_proof(headers, names, bearer)?;
        let date = headers.remove(AMZ_DATE);
        let tenant = agree(claimed, placeholder.as_ref().and_then(|p| p.tenant.clone()))?;
        let workload = take_workload(headers, placeholder.as_ref().and_then(|p| p.workload.clone()))?;
        let (Some(placeholder), Some(original)) = (&placeholder, original) else {
            return Ok(Self { presented: Presented::new(tenant, proof), placeholder, signature: ClientSignature::uncheckable(), workload });
        };
        let opened = open(vending, proof.as_ref().ok_or(Reason::TokenMissing)?)?;
        let as_signed = AsSigned { method: &head.method, target: &target(&head.uri), headers: &original };
        let date = date.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
        let claim = Claim { placeholder, date, expires: None };
        let signature = ClientSignature::pending(as_signed, claim, &opened.secret_access_key, now)?.settle_early(&original)?;
        let placeholder = Some(placeholder.clone());
        Ok(Self { presented: redeemed(tenant, opened)?, placeholder, signature, workload })
    }

    fn presigned(
        head: &mut request::Parts,
        names: &IdentityHeaders,
        query: QuerySignature,
        vending: &Vending,
        now: SystemTime,
    ) -> Result<Self, Refusal> {
        for name in [&header::AUTHORIZATION, &names.token, &SECURITY_TOKEN] {
            if head.headers.contains_key(name) {
                return Err(Refusal::noted(Reason::TokenAmbiguous, format!("{name} beside a query signature")));
            }
        }
        query.placeholder.covers(&head.headers)?;
        let opened = open(vending, &query.token)?;
        let original = with_host(head);
        let as_signed = AsSigned { method: &head.method, target: &target(&head.uri), headers: &original };
        let claim = Claim { placeholder: &query.placeholder, date: &query.date, expires: Some(query.expires) };
        let signature = ClientSignature::pending(as_signed, claim, &opened.secret_access_key, now)?;

        let claimed = take_tenant(&mut head.headers, names)?;
        let tenant = agree(claimed, query.placeholder.tenant.clone())?;
        let workload = take_workload(&mut head.headers, query.placeholder.workload.clone())?;
        for (name, value) in query.headers.iter() {
            if head.headers.insert(name, value.clone()).is_some_and(|sent| sent != value) {
                return Err(Refusal::noted(Reason::SignatureMalformed, format!("{name} differs between headers and query")));
            }
        }
        if Canon::of(&query.placeholder.service) == Canon::S3 && !head.headers.contains_key(CONTENT_SHA256) {
            head.headers.insert(CONTENT_SHA256, HeaderValue::from_static("UNSIGNED-PAYLOAD"));
        }
        let signature = signature.settle_early(&head.headers)?;
        set_target(&mut head.uri, query.target)?;
        Ok(Self { presented: redeemed(tenant, opened)?, placeholder: Some(query.placeholder), signature, workload })
    }
}

/// Whether the session token is one of a vended set of keys.
fn carries_vended(headers: &HeaderMap) -> bool {
    headers.get(SECURITY_TOKEN).is_some_and(|value| value.as_bytes().starts_with(vended::PREFIX.as_bytes()))
}

fn open(vending: &Vending, token: &Secret) -> Result<Opened, Refusal> {
    vending.open(token.expose()).ok_or_else(|| Refusal::noted(Reason::KeysUnknown, "not vended by this process"))
}

/// The proof that was sealed, for the tenant that it was sealed for.
fn redeemed(claimed: Option<ClaimedTenant>, opened: Opened) -> Result<Presented, Refusal> {
    Ok(Presented::new(agree(claimed, Some(opened.tenant))?, Some(opened.proof)))
}

/// The headers with `Host`, which HTTP/2 has in the target.
fn with_host(head: &request::Parts) -> HeaderMap {
    let mut headers = head.headers.clone();
    if let (false, Some(authority)) = (headers.contains_key(header::HOST), head.uri.authority())
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(header::HOST, host);
    }
    headers
}

fn target(uri: &Uri) -> PathAndQuery {
    uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
}

fn set_target(uri: &mut Uri, target: PathAndQuery) -> Result<(), Refusal> {
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(target);
    *uri = Uri::from_parts(parts).map_err(|_| Refusal::from(Reason::MalformedRequest))?;
    Ok(())
}

#[cfg(test)]
mod tests;
