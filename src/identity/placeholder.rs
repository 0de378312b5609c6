//! The SigV4 `Authorization` header of an SDK that holds placeholder credentials.
//!
//! By itself it proves nothing, but it says what the SDK meant: service and region in the credential scope, the tenant in the
//! access key id, and which headers it signed.

use http::{HeaderMap, HeaderValue};

use crate::{
    reject::{Reason, Refusal},
    sigv4::payload_mode::CONTENT_SHA256,
    tenant::TenantId,
    workload_name::WorkloadName,
};

/// What an access key id that names a tenant begins with.
pub(super) const TENANT_PREFIX: &str = "tenant.";
/// What an access key id that names a workload begins with.
const WORKLOAD_PREFIX: &str = "workload.";
/// Longest region or service name in a credential scope; AWS's longest is below half of it.
const MAX_NAME: usize = 63;

/// A parsed placeholder signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// From an access key id `tenant.<id>`.
    pub(super) tenant: Option<TenantId>,
    /// From an access key id `workload.<name>`.
    pub(super) workload: Option<WorkloadName>,
    /// Region of the credential scope.
    pub region: String,
    /// Service of the credential scope: the signing name.
    pub service: String,
    /// `YYYYMMDD`, of the credential scope.
    pub(super) date: String,
    /// Lower case, in the order sent.
    pub(super) signed_headers: Vec<String>,
    /// As sent.
    pub(super) signature: String,
}

/// Services to which bodies are sent only whole, and with their own hash, and whose clients do not always sign what they say of it.
const HASH_IS_CHECKED: [&str; 2] = ["aoss", "es"];

impl Placeholder {
    /// Parses the value of an `Authorization` header whose scheme is not `Bearer`.
    pub(crate) fn parse(value: &HeaderValue) -> Result<Self, Refusal> {
        let malformed = |note: &'static str| Refusal::noted(Reason::SignatureMalformed, note);
        let text = value.to_str().map_err(|_| malformed("the Authorization header is not visible ASCII"))?;
        let (scheme, rest) = text.split_once(' ').ok_or_else(|| malformed("the Authorization header has no fields"))?;
        match scheme {
            "AWS4-HMAC-SHA256" => {}
            "AWS4-ECDSA-P256-SHA256" => return Err(Refusal::noted(Reason::SignatureUnsupported, "SigV4A is not supported")),
            "AWS" => return Err(Refusal::noted(Reason::SignatureUnsupported, "SigV2 is not supported")),
            _ => return Err(malformed("the Authorization scheme is neither Bearer nor AWS4-HMAC-SHA256")),
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in rest.split(',') {
            let (name, value) = field.trim().split_once('=').ok_or_else(|| malformed("a signature field has no value"))?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(malformed("unknown signature field")),
            };
            if slot.replace(value).is_some() {
                return Err(malformed("a signature field is repeated"));
            }
        }
        let (Some(credential), Some(signed_headers), Some(signature)) = (credential, signed_headers, signature) else {
            return Err(malformed("Credential, SignedHeaders and Signature are all needed"));
        };
        Self::read(credential, signed_headers, signature)
    }

    /// The three fields of a signature, wherever they stood.
    pub(super) fn read(credential: &str, signed_headers: &str, signature: &str) -> Result<Self, Refusal> {
        let scope = Self::scope(credential);
        let mut placeholder = scope.ok_or_else(|| Refusal::noted(Reason::SignatureMalformed, "the credential scope is malformed"))?;
        (placeholder.tenant, placeholder.workload) = claimed(credential)?;
        placeholder.signed_headers = signed_headers.split(';').map(str::to_ascii_lowercase).collect();
        placeholder.signature = signature.to_owned();
        Ok(placeholder)
    }

    /// What a request of our own making is for.
    pub(crate) fn of_our_own(region: &str, service: &str) -> Self {
        Self {
            tenant: None,
            workload: None,
            region: region.to_owned(),
            service: service.to_owned(),
            date: String::new(),
            signed_headers: Vec::new(),
            signature: String::new(),
        }
    }

    /// `<access key id>/<date>/<region>/<service>/aws4_request`
    fn scope(credential: &str) -> Option<Self> {
        let mut parts = credential.rsplit('/');
        let (terminator, service, region, date) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let key = parts.next()?;
        let name =
            |s: &str| !s.is_empty() && s.len() <= MAX_NAME && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let sound = terminator == "aws4_request"
            && name(service)
            && name(region)
            && date.len() == 8
            && date.bytes().all(|b| b.is_ascii_digit())
            && !key.is_empty()
            && parts.next().is_none();
        sound.then(|| Self { date: date.to_owned(), ..Self::of_our_own(region, service) })
    }

    /// Refuses an `x-amz-*` header that the client did not sign, as S3 does: signing it here would turn what somebody slipped
    /// in between the SDK and us into something that AWS believes. The hash of a body is believed by nobody where bodies are read whole: it is compared with the body.
    /// OpenSearch's client for Python adds it behind its signature.
    pub(super) fn covers(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        for name in headers.keys() {
            let name = name.as_str();
            let is_checked = name == CONTENT_SHA256.as_str() && HASH_IS_CHECKED.contains(&self.service.as_str());
            if name.starts_with("x-amz-") && !is_checked && !self.signed_headers.iter().any(|s| s == name) {
                return Err(Refusal::noted(Reason::HeaderNotSigned, format!("{name} is not among the signed headers")));
            }
        }
        Ok(())
    }
}

/// The tenant of an access key id `tenant.<id>`, or the workload of `workload.<name>`. Another key id names neither; a malformed name is not "none".
fn claimed(credential: &str) -> Result<(Option<TenantId>, Option<WorkloadName>), Refusal> {
    let key = credential.split('/').next().unwrap_or_default();
    if let Some(id) = key.strip_prefix(TENANT_PREFIX) {
        return id.parse().map(|id| (Some(id), None)).map_err(|e| Refusal::noted(Reason::TenantMalformed, format!("{e}")));
    }
    match key.strip_prefix(WORKLOAD_PREFIX) {
        None => Ok((None, None)),
        Some(name) => name.parse().map(|name| (None, Some(name))).map_err(|e| Refusal::noted(Reason::WorkloadUnproved, format!("{e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Placeholder, Reason> {
        Placeholder::parse(&HeaderValue::from_str(text).unwrap()).map_err(|r| r.reason)
    }

    #[test]
    fn reads_what_sdks_send() {
        let p = parse("AWS4-HMAC-SHA256 Credential=tenant.acme-1.x/20261122/us-gov-west-1/dynamodb/aws4_request, SignedHeaders=content-type;host;X-Amz-Date, Signature=ab").unwrap();
        assert_eq!(p.tenant.unwrap().as_str(), "acme-1.x");
        assert_eq!((p.region.as_str(), p.service.as_str()), ("us-gov-west-1", "dynamodb"));
        assert_eq!(p.signed_headers, ["content-type", "host", "x-amz-date"]);
        // Without blanks after the commas, and with a key id that names nobody.
        let p =
            parse("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/eu-west-1/s3/aws4_request,SignedHeaders=host,Signature=ab").unwrap();
        assert_eq!((p.tenant, p.workload), (None, None));
        let p = parse("AWS4-HMAC-SHA256 Credential=workload.poller/20261122/eu-west-1/sqs/aws4_request,SignedHeaders=host,Signature=ab")
            .unwrap();
        assert_eq!((p.tenant, p.workload.unwrap().as_str()), (None, "poller"));
        // Nothing but the whole prefix, in lower case, means one.
        let p = parse("AWS4-HMAC-SHA256 Credential=Workload.poller/20261122/eu-west-1/sqs/aws4_request,SignedHeaders=host,Signature=ab")
            .unwrap();
        assert_eq!((p.tenant, p.workload), (None, None));
    }

    #[test]
    fn refuses_the_rest() {
        use Reason::{SignatureMalformed as Bad, SignatureUnsupported as Unsupported, TenantMalformed, WorkloadUnproved};
        let scope = "20261122/eu-west-1/s3/aws4_request";
        let full = |credential: &str| format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=ab");
        for (text, reason) in [
            ("AWS4-ECDSA-P256-SHA256 Credential=x/20261122/s3/aws4_request, SignedHeaders=host, Signature=ab".to_owned(), Unsupported),
            ("AWS AKID:signature".to_owned(), Unsupported),
            ("Basic eDp5".to_owned(), Bad),
            ("AWS4-HMAC-SHA256".to_owned(), Bad),
            (format!("AWS4-HMAC-SHA256 Credential=k/{scope}, SignedHeaders=host"), Bad),
            (format!("AWS4-HMAC-SHA256 Credential=k/{scope}, Credential=k/{scope}, SignedHeaders=host, Signature=ab"), Bad),
            (format!("AWS4-HMAC-SHA256 Credential=k/{scope}, SignedHeaders=host, Signature=ab, Extra=1"), Bad),
            (full("k/20261122/eu-west-1/s3"), Bad),
            (full("k/20261122/eu-west-1/s3/aws4"), Bad),
            (full("/20261122/eu-west-1/s3/aws4_request"), Bad),
            (full("k/2026112/eu-west-1/s3/aws4_request"), Bad),
            (full("k/2026112x/eu-west-1/s3/aws4_request"), Bad),
            (full("k/20261122//s3/aws4_request"), Bad),
            (full(&format!("k/20261122/{}/s3/aws4_request", "r".repeat(64))), Bad),
            (full("k/20261122/EU-WEST-1/s3/aws4_request"), Bad),
            (full("k/20261122/eu-west-1.evil.example/s3/aws4_request"), Bad),
            (full("k/20261122/eu-west-1/s3@evil/aws4_request"), Bad),
            (full("a/b/20261122/eu-west-1/s3/aws4_request"), Bad),
            (full(&format!("tenant.*/{scope}")), TenantMalformed),
            (full(&format!("tenant./{scope}")), TenantMalformed),
            (full(&format!("workload./{scope}")), WorkloadUnproved),
            (full(&format!("workload.POLLER/{scope}")), WorkloadUnproved),
            (full(&format!("workload.tenant.acme/{scope}")), WorkloadUnproved),
        ] {
            assert_eq!(parse(&text).err(), Some(reason), "{text}");
        }
    }
}
