//! What of AWS's answers may reach the application.
//!
//! AWS's authentication errors echo the canonical request, and with it the session token; its denials name account, role and
//! session; S3's redirects make SDKs go around Palisade and take the proof along. So redirects are never relayed, and the
//! body of every error is looked at before it passes.
//!
//! Limits, on purpose: answers to `HEAD` have no body to look at, so their status alone passes. S3 sends some errors after
//! a 200 (`CompleteMultipartUpload`, `CopyObject`, and the entries of a `DeleteObjects` result); these stream through, since
//! holding them back would hold back S3's keep-alive bytes and large results too. They are written after S3 has accepted
//! the signature, so they are denials or faults and never echo it.

mod code;
mod leak;

use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::reject::Reason;

/// The largest error body that is looked at, in bytes; a larger one does not pass.
pub const INSPECT_BYTES: usize = 64 * 1024;

/// What to do with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Read at most [`INSPECT_BYTES`] and one more of the body, and let [`examine`] decide.
    Inspect,
    /// Stream it.
    Pass,
    /// Answer with [`Reason::AwsRedirect`] instead.
    Redirect,
}

/// What to do with an answer of this status. 304 is an answer to a condition, not a redirect.
pub fn triage(status: StatusCode) -> Verdict {
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        Verdict::Redirect
    } else if status.is_client_error() || status.is_server_error() {
        Verdict::Inspect
    } else {
        Verdict::Pass
    }
}

/// What kind of error an error code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Nothing of ours: the application's business.
    Other,
    /// The tenant's role may not do this.
    Denied,
    /// Another region or endpoint is named.
    Redirect,
    /// AWS did not accept credentials or signature.
    Credentials,
}

/// Decides on an error: `None` passes it on as it is, a reason replaces it.
///
/// `secrets` are the texts that must not leave: access key id, session token, role ARN.
pub fn examine(status: StatusCode, headers: &HeaderMap, body: &[u8], secrets: &[&str]) -> Option<Reason> {
    let readable = body.len() <= INSPECT_BYTES && is_identity(headers);
    let body = if readable { body } else { &[] };
    let class = code::all(headers, body).iter().map(|code| classify(code, body)).max().unwrap_or(Class::Other);
    let leaks = || leak::found(body, secrets) || headers.values().any(|value| leak::found(value.as_bytes(), secrets));
    match class {
        Class::Credentials => Some(Reason::AwsCredentialsRejected),
        Class::Redirect => Some(Reason::AwsRedirect),
        Class::Denied => Some(Reason::AwsDenied),
        Class::Other if !readable => Some(Reason::AwsResponseWithheld),
        // A denial without a code of its own, as gateways and search clusters send them.
        Class::Other if leaks() && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Some(Reason::AwsDenied),
        Class::Other if leaks() => Some(Reason::AwsResponseWithheld),
        Class::Other => None,
    }
}

/// What AWS did not like about credentials or signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejected {
    /// Something that other credentials do not mend.
    Other,
    /// The signature, or its time: some services say the one and mean the other, as SDKs know.
    Signature,
    /// The session: others are needed.
    Session,
}

/// What an answer that [`examine`] found to be [`Reason::AwsCredentialsRejected`] is about.
pub fn rejected(headers: &HeaderMap, body: &[u8]) -> Rejected {
    let about = |code: &String| match code.as_str() {
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSecurity"
        | "InvalidSecurityToken"
        | "InvalidSecurityTokenException"
        | "InvalidToken"
        | "InvalidTokenId"
        | "TokenRefreshRequired"
        | "UnrecognizedClient"
        | "UnrecognizedClientException" => Rejected::Session,
        "AuthFailure"
        | "InvalidSignature"
        | "InvalidSignatureException"
        | "RequestExpired"
        | "RequestInTheFuture"
        | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch"
        | "SignatureDoesNotMatchException" => Rejected::Signature,
        _ => Rejected::Other,
    };
    code::all(headers, body).iter().map(about).max().unwrap_or(Rejected::Other)
}

/// Sources: "Common errors" of the Query and JSON services, S3's and EC2's lists of error codes.
fn classify(code: &str, body: &[u8]) -> Class {
    match code {
        // S3 answers a signature for the wrong region with the right one, and SDKs go there.
        "AuthorizationHeaderMalformed" if leak::contains(body, b"<Region>") => Class::Redirect,
        "IllegalLocationConstraintException" | "PermanentRedirect" | "Redirect" | "TemporaryRedirect" => Class::Redirect,

        "AuthFailure"
        | "AuthorizationHeaderMalformed"
        | "AuthorizationQueryParametersError"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSecurity"
        | "InvalidSecurityToken"
        | "InvalidSecurityTokenException"
        | "InvalidSignature"
        | "InvalidSignatureException"
        | "InvalidToken"
        | "InvalidTokenId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "MissingSecurityHeader"
        | "NotSignedUp"
        | "OptInRequired"
        | "RequestExpired"
        | "RequestInTheFuture"
        | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch"
        | "SignatureDoesNotMatchException"
        | "TokenRefreshRequired"
        | "UnrecognizedClient"
        | "UnrecognizedClientException" => Class::Credentials,

        "AccessDenied"
        | "AccessDeniedException"
        | "AccessDeniedFault"
        | "AllAccessDisabled"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "Client.UnauthorizedOperation"
        | "Forbidden"
        | "ForbiddenException"
        | "KMS.AccessDeniedException"
        | "KMSAccessDenied"
        | "KMSAccessDeniedException"
        | "KmsAccessDenied"
        | "NotAuthorized"
        | "UnauthorizedAccess"
        | "UnauthorizedException"
        | "UnauthorizedOperation"
        | "authorization_exception"
        | "security_exception" => Class::Denied,
        _ => Class::Other,
    }
}

/// What is compressed cannot be looked at.
fn is_identity(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().all(|value| {
        let text = value.to_str().unwrap_or("?").trim();
        text.is_empty() || text.eq_ignore_ascii_case("identity")
    })
}

/// Headers that end at this hop (RFC 9110, section 7.6.1), and two that would lead clients elsewhere.
const REMOVED: &[&str] = &[
    "alt-svc",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amz-security-token",
];

/// Takes out of an answer's headers what ends at this hop, what would lead clients elsewhere, and what only we may say.
///
/// `x-amz-bucket-region` stays on successes where it names an allowed region: on errors SDKs take it as a redirect.
pub fn clean_headers(status: StatusCode, headers: &mut HeaderMap, allowed_regions: &[String]) {
    let named = headers.get_all(header::CONNECTION).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let named = named.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    let allowed = |value: &http::HeaderValue| allowed_regions.iter().any(|region| value.as_bytes() == region.as_bytes());
    let is_ours = |name: &HeaderName, value: &http::HeaderValue| {
        REMOVED.contains(&name.as_str())
            || name.as_str().starts_with("x-palisade-")
            || (name == BUCKET_REGION && !(status.is_success() && allowed(value)))
            || (name == header::LOCATION && !status.is_success())
    };
    let ours = headers.iter().filter(|(name, value)| is_ours(name, value)).map(|(name, _)| name.clone());
    for name in named.chain(ours).collect::<Vec<_>>() {
        headers.remove(name);
    }
}

const BUCKET_REGION: &str = "x-amz-bucket-region";

#[cfg(test)]
mod tests;
