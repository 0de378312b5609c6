//! What a caller says, before anything of it is believed.
//!
//! The one place where raw identity headers are read. Each is read once, in a way that tells *absent*, *duplicated* and
//! *malformed* apart, and is taken out of the request in the same step, so that nothing that was consumed here can travel
//! on. What comes out, [`Presented`], is accepted by the verifier alone.

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use super::placeholder::Placeholder;
use crate::{
    reject::{Reason, Refusal},
    secret::Secret,
    tenant::TenantId,
};

/// The session token of SigV4: where SDKs put the proof.
pub const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What our own header names begin with.
const PREFIX: &str = "x-palisade-";

/// The tenant that a caller claims to act for. Neither a key nor a label, and not to be copied.
#[derive(Debug, PartialEq, Eq)]
pub struct ClaimedTenant(TenantId);

impl ClaimedTenant {
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
    pub(super) proof: Secret,
}

/// Names of the headers that carry identity; two of them are configurable.
#[derive(Debug, Clone)]
pub struct IdentityHeaders {
    /// `identity.tenant_header`
    pub tenant: HeaderName,
    /// `identity.token_header`
    pub token: HeaderName,
}

impl Presented {
    /// Takes the claim and the proof out of a request from the outside.
    pub fn take_ingress(headers: &mut HeaderMap, names: &IdentityHeaders) -> Result<Self, Refusal> {
        let tenant = take_tenant(headers, names)?;
        let bearer = Bearer::take(headers)?;
        let proof = take_proof(headers, names, bearer)?;
        Ok(Self { tenant, proof })
    }

    /// Takes claim, proof and placeholder signature out of a request of the application.
    ///
    /// The signature of an SDK that was given placeholder credentials proves nothing and is consumed; what it says about
    /// service and region stays available as a [`Placeholder`].
    pub fn take_egress(headers: &mut HeaderMap, uri: &Uri, names: &IdentityHeaders) -> Result<(Self, Option<Placeholder>), Refusal> {
        refuse_query_signature(uri)?;
        let header_tenant = take_tenant(headers, names)?;
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
        let tenant = agree(header_tenant, placeholder.as_ref().and_then(|p| p.tenant.clone()))?;
        headers.remove("x-amz-date");
        Ok((Self { tenant, proof }, placeholder))
    }
}

/// Removes every header by which a caller could pose as us, or as another sender: identity and forwarding headers in any spelling that
/// an application server folds together (`X_Tenant_Id` becomes the same CGI variable as `X-Tenant-Id`).
pub fn strip_identity_headers<'a>(headers: &mut HeaderMap, names: &IdentityHeaders, mapped: impl Iterator<Item = &'a HeaderName>) {
    let mapped: Vec<&HeaderName> = mapped.collect();
    let ours = |name: &HeaderName| {
        name.as_str().get(..PREFIX.len()).is_some_and(|start| folds_to(start, PREFIX))
            || FIXED.iter().any(|fixed| folds_to(name.as_str(), fixed))
            || [&names.tenant, &names.token].iter().chain(&mapped).any(|known| folds_to(name.as_str(), known.as_str()))
    };
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| ours(name)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

/// Header names that say where a request came from, or where it goes, under names that no configuration changes.
const FIXED: &[&str] = &[
    "forwarded",
    "traceparent",
    "tracestate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
];

/// Whether an application server could take one header name for the other. CGI and its kin make `_` of everything that is
/// neither letter nor digit.
fn folds_to(one: &str, other: &str) -> bool {
    let fold = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'-' };
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(a, b)| fold(a) == fold(b))
}

fn take_tenant(headers: &mut HeaderMap, names: &IdentityHeaders) -> Result<Option<ClaimedTenant>, Refusal> {
    let Some(value) = single(headers, &names.tenant, Reason::TenantAmbiguous)? else { return Ok(None) };
    headers.remove(&names.tenant);
    let text = value.to_str().map_err(|_| Reason::TenantMalformed)?;
    let id = text.parse().map_err(|e| Refusal::noted(Reason::TenantMalformed, format!("{e}")))?;
    Ok(Some(ClaimedTenant(id)))
}

/// Collects the proof from its three places. The same proof in two places is one proof; two different ones are refused, since
/// whoever comes after us might look at the other.
fn take_proof(headers: &mut HeaderMap, names: &IdentityHeaders, bearer: Option<Secret>) -> Result<Secret, Refusal> {
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
        Some(proof) if !proof.expose().is_empty() => Ok(proof),
        _ => Err(Reason::TokenMissing.into()),
    }
}

/// A claim in the header and one in the access key id must agree.
fn agree(header: Option<ClaimedTenant>, key: Option<TenantId>) -> Result<Option<ClaimedTenant>, Refusal> {
    match (header, key) {
        (Some(header), Some(key)) if !header.names(&key) => {
            Err(Refusal::noted(Reason::TenantAmbiguous, "the tenant header and the access key id name different tenants"))
        }
        (Some(header), _) => Ok(Some(header)),
        (None, key) => Ok(key.map(ClaimedTenant)),
    }
}

/// A query signature (a presigned URL) would put the proof into URLs, which are logged and shared.
fn refuse_query_signature(uri: &Uri) -> Result<(), Refusal> {
    let names = uri.query().unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    for name in names {
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        let signature = [
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-Security-Token",
            "X-Amz-Signature",
            "X-Amz-SignedHeaders",
            "AWSAccessKeyId",
            "Signature",
        ];
        if signature.iter().any(|s| s.eq_ignore_ascii_case(&name)) {
            return Err(Refusal::noted(Reason::SignatureUnsupported, "signature in the query string"));
        }
    }
    Ok(())
}

struct Bearer;

impl Bearer {
    /// Takes `Authorization: Bearer T` (RFC 6750, section 2.1); another scheme is left alone and is no proof.
    fn take(headers: &mut HeaderMap) -> Result<Option<Secret>, Refusal> {
        let Some(value) = single(headers, &header::AUTHORIZATION, Reason::TokenAmbiguous)? else { return Ok(None) };
        if !is_scheme(&value, "bearer") {
            return Ok(None);
        }
        headers.remove(header::AUTHORIZATION);
        let text = value.to_str().map_err(|_| Refusal::noted(Reason::TokenMalformed, "the token is not visible ASCII"))?;
        Ok(Some(Secret::new(text["bearer".len()..].trim_start_matches(' ').to_owned())))
    }
}

fn is_scheme(value: &HeaderValue, scheme: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() > scheme.len() && bytes[..scheme.len()].eq_ignore_ascii_case(scheme.as_bytes()) && bytes[scheme.len()] == b' '
}

/// The only value of `name`: absent, one, or a refusal for several.
fn single(headers: &HeaderMap, name: &HeaderName, several: Reason) -> Result<Option<HeaderValue>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Refusal::noted(several, format!("{name} is there more than once"))),
        (value, None) => Ok(value.cloned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> IdentityHeaders {
        IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") }
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), HeaderValue::from_str(v).unwrap())).collect()
    }

    fn ingress(lines: &[(&str, &str)]) -> Result<(Option<String>, String, HeaderMap), Reason> {
        let mut map = headers(lines);
        let presented = Presented::take_ingress(&mut map, &names()).map_err(|r| r.reason)?;
        Ok((presented.tenant.map(|t| t.id().to_string()), presented.proof.expose().to_owned(), map))
    }

    #[test]
    fn each_place_of_a_proof_works_and_is_emptied() {
        for place in [("authorization", "Bearer T"), ("authorization", "bEARER  T"), ("x-tenant-token", "T"), ("x-amz-security-token", "T")]
        {
            let (tenant, proof, rest) = ingress(&[("x-tenant-id", "acme"), place]).unwrap();
            assert_eq!((tenant.as_deref(), proof.as_str()), (Some("acme"), "T"));
            assert!(rest.is_empty(), "{rest:?} is left");
        }
    }

    #[test]
    fn the_same_proof_twice_is_one_and_two_are_refused() {
        assert!(ingress(&[("authorization", "Bearer T"), ("x-tenant-token", "T")]).is_ok());
        assert_eq!(ingress(&[("authorization", "Bearer T"), ("x-tenant-token", "U")]).unwrap_err(), Reason::TokenAmbiguous);
        assert_eq!(ingress(&[("x-amz-security-token", "T"), ("x-tenant-token", "U")]).unwrap_err(), Reason::TokenAmbiguous);
        assert_eq!(ingress(&[("authorization", "Bearer T"), ("authorization", "Bearer T")]).unwrap_err(), Reason::TokenAmbiguous);
        assert_eq!(ingress(&[("x-tenant-token", "T"), ("x-tenant-token", "T")]).unwrap_err(), Reason::TokenAmbiguous);
    }

    #[test]
    fn absent_duplicated_and_malformed_tenants_are_three_answers() {
        let token = ("x-tenant-token", "T");
        assert_eq!(ingress(&[token]).unwrap().0, None);
        assert_eq!(ingress(&[token, ("x-tenant-id", "a1"), ("x-tenant-id", "a1")]).unwrap_err(), Reason::TenantAmbiguous);
        for bad in ["", "a", "a,b", "acme, globex", "acme*", " ", "a\tb", "acm\u{e9}"] {
            let mut map = headers(&[token]);
            map.insert("x-tenant-id", HeaderValue::from_bytes(bad.as_bytes()).unwrap());
            assert_eq!(Presented::take_ingress(&mut map, &names()).unwrap_err().reason, Reason::TenantMalformed, "{bad:?}");
        }
    }

    #[test]
    fn no_proof_is_a_refusal_and_other_schemes_are_none() {
        assert_eq!(ingress(&[("x-tenant-id", "acme")]).unwrap_err(), Reason::TokenMissing);
        assert_eq!(ingress(&[("authorization", "Basic eDp5")]).unwrap_err(), Reason::TokenMissing);
        assert_eq!(ingress(&[("authorization", "Bearer ")]).unwrap_err(), Reason::TokenMissing);
        assert_eq!(ingress(&[("authorization", "BearerT")]).unwrap_err(), Reason::TokenMissing);
        let (_, _, rest) = ingress(&[("authorization", "Basic eDp5"), ("x-tenant-token", "T")]).unwrap();
        assert!(rest.contains_key("authorization"), "a scheme that is no proof stays with the request");
    }

    const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=tenant.acme/20261122/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=0000000000000000000000000000000000000000000000000000000000000000";

    fn egress(lines: &[(&str, &str)], uri: &str) -> Result<(Option<String>, Option<Placeholder>, HeaderMap), Reason> {
        let mut map = headers(lines);
        let (presented, placeholder) = Presented::take_egress(&mut map, &uri.parse().unwrap(), &names()).map_err(|r| r.reason)?;
        Ok((presented.tenant.map(|t| t.id().to_string()), placeholder, map))
    }

    #[test]
    fn an_sdk_request_is_read_and_its_signature_consumed() {
        let lines = [("authorization", SIGNED), ("x-amz-date", "20261122T000000Z"), ("x-amz-security-token", "T"), ("host", "h")];
        let (tenant, placeholder, rest) = egress(&lines, "/b/k").unwrap();
        let placeholder = placeholder.unwrap();
        assert_eq!(tenant.as_deref(), Some("acme"));
        assert_eq!((placeholder.service.as_str(), placeholder.region.as_str()), ("s3", "eu-west-1"));
        assert_eq!(rest.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["host"]);
    }

    #[test]
    fn the_two_places_of_a_tenant_must_agree() {
        let base = [("authorization", SIGNED), ("x-amz-security-token", "T")];
        assert!(egress(&[base[0], base[1], ("x-tenant-id", "acme")], "/").is_ok());
        assert_eq!(egress(&[base[0], base[1], ("x-tenant-id", "globex")], "/").unwrap_err(), Reason::TenantAmbiguous);
    }

    #[test]
    fn unsigned_amz_headers_are_not_laundered() {
        let lines = [("authorization", SIGNED), ("x-amz-security-token", "T"), ("x-amz-acl", "public-read")];
        assert_eq!(egress(&lines, "/").unwrap_err(), Reason::HeaderNotSigned);
    }

    #[test]
    fn signatures_in_the_query_are_refused_in_any_spelling() {
        let base = [("x-tenant-token", "T")];
        for query in [
            "X-Amz-Signature=0",
            "x-amz-security-token=T",
            "a=b&X-Amz-Credential=x",
            "X%2DAmz%2DSignature=0",
            "AWSAccessKeyId=x",
            "Signature=x",
            "X-Amz-Expires=9",
            "x-amz-date=1",
            "X-Amz-SignedHeaders=host",
        ] {
            assert_eq!(egress(&base, &format!("/b/k?{query}")).unwrap_err(), Reason::SignatureUnsupported, "{query}");
        }
        assert!(egress(&base, "/b/k?X-Amz-Meta=1&list-type=2").is_ok());
    }

    #[test]
    fn identity_headers_go_in_every_spelling() {
        let mut map = headers(&[
            ("x-tenant-id", "a1"),
            ("x_tenant_id", "a1"),
            ("x_tenant-id", "a1"),
            ("x.tenant.id", "a1"),
            ("x!palisade~roles", "admin"),
            ("x_forwarded_for", "10.0.0.1"),
            ("x-original-url", "/admin"),
            ("x-palisade-passport", "p"),
            ("x_palisade_roles", "admin"),
            ("x-palisade-anything-new", "x"),
            ("x-request-id", "1"),
            ("traceparent", "1"),
            ("x-user-email", "e"),
            ("x_user_email", "e"),
            ("x-tenant-token", "t"),
            ("accept", "*/*"),
        ]);
        let mapped = [HeaderName::from_static("x-user-email")];
        strip_identity_headers(&mut map, &names(), mapped.iter());
        assert_eq!(map.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }
}
