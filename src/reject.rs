//! Refusals: the only place where "no" becomes a response.
//!
//! A [`Reason`] is a closed list. Its kebab-case name is what `x-palisade-reason`, the access log, the `reason` label of
//! `palisade_refusals_total` and the documentation use. Every reason has one status, one fixed outward text and one class
//! of AWS error; nothing that a peer sent and nothing internal gets into a response. What an operator needs to know in
//! addition is the refusal's *note*, which goes to the log alone.

mod grpc;
mod render;

use std::{borrow::Cow, time::Duration};

use http::StatusCode;

use crate::{telemetry::RequestId, tenant::TenantId};

pub(crate) use self::render::stamp;
pub use self::{
    grpc::GrpcCall,
    render::{REASON_HEADER, REQUEST_ID_HEADER, problem},
};

/// A request that is not carried out, and why.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Why, in one word.
    pub reason: Reason,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
    /// The limit that was hit, for `RateLimit` headers.
    pub limit: Option<LimitHit>,
    /// For the log alone; never a secret, never sent.
    pub note: Option<Cow<'static, str>>,
    /// The ingress request whose passport was presented, for the log alone.
    pub for_request: Option<RequestId>,
    /// The context of deferred work that was presented, for the log alone.
    pub context: Option<Box<OpenedContext>>,
}

/// What is known of a context of deferred work once its seal is open, whatever becomes of the request.
#[derive(Debug, Clone)]
pub struct OpenedContext {
    /// Its own id.
    pub id: String,
    /// What it was made for.
    pub purpose: String,
    /// The ingress request that it was made in.
    pub for_request: String,
    /// Whose it is.
    pub tenant: TenantId,
}

/// A limit that refused a request, as the `RateLimit` header fields describe it
/// (draft-ietf-httpapi-ratelimit-headers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitHit {
    /// Policy name: `requests` or `concurrency`.
    pub policy: &'static str,
    /// The policy's quota.
    pub quota: u64,
    /// The policy's window in seconds, where it has one.
    pub window: Option<u64>,
}

impl Refusal {
    /// A refusal with an explanation for the log.
    pub fn noted(reason: Reason, note: impl Into<Cow<'static, str>>) -> Self {
        Self { note: Some(note.into()), ..reason.into() }
    }

    /// Says when to come back.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Says which context of deferred work was presented.
    pub fn of_context(self, context: OpenedContext) -> Self {
        Self { context: Some(Box::new(context)), ..self }
    }

    /// Says whose passport was presented.
    pub fn of_request(mut self, request: RequestId) -> Self {
        self.for_request = Some(request);
        self
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, retry_after: None, limit: None, note: None, for_request: None, context: None }
    }
}

/// What kind of AWS error a refusal is, for each dialect to spell in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsError {
    /// `AccessDenied`, `AccessDeniedException`
    AccessDenied,
    /// S3 `XAmzContentSHA256Mismatch`; elsewhere a signature that does not fit the body.
    BodyHashMismatch,
    /// `ExpiredToken`, `ExpiredTokenException`
    ExpiredToken,
    /// S3 `InternalError`, elsewhere `InternalFailure`
    Internal,
    /// S3 `InvalidRequest`, elsewhere `ValidationException` or its kin.
    Invalid,
    /// S3 `MethodNotAllowed`
    MethodNotAllowed,
    /// `MissingAuthenticationToken`, `MissingAuthenticationTokenException`; S3 `AccessDenied`
    MissingToken,
    /// `ServiceUnavailable`
    ServiceUnavailable,
    /// S3 and Query `SignatureDoesNotMatch`, elsewhere `InvalidSignatureException`
    SignatureMismatch,
    /// S3 `RequestTimeTooSkewed`, Query `RequestExpired`, elsewhere `InvalidSignatureException`
    SkewedTime,
    /// S3 `SlowDown`, JSON `ThrottlingException`, Query `Throttling`
    Throttled,
    /// S3 `EntityTooLarge`, elsewhere `RequestEntityTooLarge`
    TooLarge,
}

impl Reason {
    /// Whether honest callers and applications seldom cause it, so that somebody wants to hear of the first ones.
    pub(crate) const fn is_suspicious(self) -> bool {
        matches!(
            self,
            Self::ActionNotAllowed
                | Self::AdminTokenWrong
                | Self::DeferredNotForUs
                | Self::DeferredUnknown
                | Self::GuardDenied
                | Self::HeaderNotSigned
                | Self::HostNotAllowed
                | Self::IssuerNotForTenant
                | Self::KeysUnknown
                | Self::OperationRefused
                | Self::PassportUnknown
                | Self::PassportUsedUp
                | Self::ProofNotAccepted
                | Self::ResourceNotAllowed
                | Self::ServiceNotAllowed
                | Self::SignatureMismatch
                | Self::TenantMismatch
                | Self::TenantNotActive
                | Self::TokenAlgorithm
                | Self::TokenIssuer
                | Self::TokenRevoked
                | Self::TokenSignature
                | Self::WorkloadUnproved
        )
    }
}

macro_rules! reasons {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $aws:ident, $text:literal; )*) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $( $(#[$doc])* $variant, )* }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The kebab-case name used in headers, logs, metrics and docs.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// The status on the ingress; the egress derives its own from [`Reason::aws`].
            pub const fn status(self) -> StatusCode {
                match self { $( Self::$variant => StatusCode::$status, )* }
            }

            /// The class of AWS error on the egress.
            pub const fn aws(self) -> AwsError {
                match self { $( Self::$variant => AwsError::$aws, )* }
            }

            /// The fixed outward text.
            pub const fn text(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }
        }
    };
}

reasons! {
    /// The request's framing, target or headers are malformed or contradictory.
    MalformedRequest = "malformed-request", BAD_REQUEST, Invalid, "The request is malformed or ambiguous.";
    /// A method outside the allowed list.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, MethodNotAllowed, "The method is not allowed.";
    /// The client was too slow.
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, Invalid, "The request did not arrive in time.";
    /// A body over a limit.
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, TooLarge, "The request body is too large.";
    /// A target over `server.uri_bytes`.
    UriTooLong = "uri-too-long", URI_TOO_LONG, Invalid, "The request target is too long.";
    /// Headers over `server.header_bytes` or `server.headers`.
    HeadersTooLarge = "headers-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, Invalid, "The request headers are too large.";
    /// An `Expect` header that says anything but `100-continue`.
    ExpectationFailed = "expectation-failed", EXPECTATION_FAILED, Invalid, "Nothing but 100-continue can be expected.";

    /// No tenant named.
    TenantMissing = "tenant-missing", BAD_REQUEST, Invalid, "The request names no tenant.";
    /// Two tenants named, or one twice.
    TenantAmbiguous = "tenant-ambiguous", BAD_REQUEST, Invalid, "The request names its tenant more than once or in contradictory ways.";
    /// A tenant id outside the syntax.
    TenantMalformed = "tenant-malformed", BAD_REQUEST, Invalid, "The tenant id is malformed.";
    /// The token, or the client's certificate, is not the tenant's.
    TenantMismatch = "tenant-mismatch", FORBIDDEN, AccessDenied, "The token or certificate is not for this tenant.";
    /// The token names no tenant at all, or in a form that is none.
    TenantNotInToken = "tenant-not-in-token", FORBIDDEN, AccessDenied, "The token names no tenant.";
    /// The issuer may not speak for the tenant.
    IssuerNotForTenant = "issuer-not-for-tenant", FORBIDDEN, AccessDenied, "The token is not for this tenant.";
    /// The directory does not know the tenant.
    TenantUnknown = "tenant-unknown", FORBIDDEN, AccessDenied, "The tenant is not available.";
    /// The directory says that the tenant is suspended.
    TenantSuspended = "tenant-suspended", FORBIDDEN, AccessDenied, "The tenant is not available.";
    /// The directory of tenants cannot be asked, or its entry cannot be used, or changed while the request was on its way to AWS.
    TenantsUnavailable = "tenants-unavailable", SERVICE_UNAVAILABLE, ServiceUnavailable, "Tenants cannot be looked up at the moment.";
    /// The tenant is not the one that the user acts for, or the user acts for none.
    TenantNotActive = "tenant-not-active", FORBIDDEN, AccessDenied, "The tenant is not the user's active tenant.";
    /// The directory does not know the user.
    UserUnknown = "user-unknown", FORBIDDEN, AccessDenied, "The user is not available.";
    /// The directory says that the user is suspended.
    UserSuspended = "user-suspended", FORBIDDEN, AccessDenied, "The user is not available.";
    /// The directory of users cannot be asked, or its entry cannot be used.
    UsersUnavailable = "users-unavailable", SERVICE_UNAVAILABLE, ServiceUnavailable, "Users cannot be looked up at the moment.";

    /// No proof.
    TokenMissing = "token-missing", UNAUTHORIZED, MissingToken, "The request carries no token.";
    /// Two different proofs, or a repeated header.
    TokenAmbiguous = "token-ambiguous", BAD_REQUEST, Invalid, "The request carries more than one token.";
    /// Not a well-formed JWT, or one with features that are refused.
    TokenMalformed = "token-malformed", UNAUTHORIZED, MissingToken, "The token is malformed.";
    /// An algorithm that the issuer or the key does not allow.
    TokenAlgorithm = "token-algorithm", UNAUTHORIZED, MissingToken, "The token's algorithm is not accepted.";
    /// Another kind of token than the issuer's `token_types` have.
    TokenType = "token-type", UNAUTHORIZED, MissingToken, "The token is of a kind that is not accepted.";
    /// A key id that the issuer does not publish.
    TokenKeyUnknown = "token-key-unknown", UNAUTHORIZED, MissingToken, "The token's key is not known.";
    /// The signature is wrong.
    TokenSignature = "token-signature", UNAUTHORIZED, MissingToken, "The token's signature is not valid.";
    /// An issuer that is not configured.
    TokenIssuer = "token-issuer", UNAUTHORIZED, MissingToken, "The token's issuer is not accepted.";
    /// None of the configured audiences.
    TokenAudience = "token-audience", UNAUTHORIZED, MissingToken, "The token's audience is not accepted.";
    /// A mandatory claim is absent or of the wrong type.
    TokenClaims = "token-claims", UNAUTHORIZED, MissingToken, "The token's claims are not acceptable.";
    /// Past `exp`.
    TokenExpired = "token-expired", UNAUTHORIZED, ExpiredToken, "The token has expired.";
    /// The directory says that the token, or everything of its user or its time, is revoked.
    TokenRevoked = "token-revoked", UNAUTHORIZED, ExpiredToken, "The token is no longer accepted.";
    /// Before `nbf`, or issued in the future.
    TokenNotYetValid = "token-not-yet-valid", UNAUTHORIZED, MissingToken, "The token is not valid yet.";
    /// The sender's address has sent too much that is no token of an issuer's, and this is none that is known to be good.
    TooManyBadTokens = "too-many-bad-tokens", TOO_MANY_REQUESTS, Throttled, "Too many tokens from this address were not valid.";
    /// Too many tokens are being checked.
    VerifierOverloaded = "verifier-overloaded", SERVICE_UNAVAILABLE, ServiceUnavailable, "Too many tokens are being verified at the moment.";
    /// The issuer's keys are not at hand.
    KeysUnavailable = "keys-unavailable", SERVICE_UNAVAILABLE, ServiceUnavailable, "Tokens cannot be verified at the moment.";
    /// A kind of proof that this listener does not take.
    ProofNotAccepted = "proof-not-accepted", FORBIDDEN, AccessDenied, "This kind of proof is not accepted here.";
    /// Another token than the one that is configured for operators.
    AdminTokenWrong = "admin-token-wrong", FORBIDDEN, AccessDenied, "The admin token is wrong.";
    /// What needs `admin.token`, where none is configured.
    AdminTokenUnset = "admin-token-unset", FORBIDDEN, AccessDenied, "Nobody may do this, since admin.token is not set.";
    /// The client's certificate has expired since its handshake.
    CertificateExpired = "certificate-expired", UNAUTHORIZED, ExpiredToken, "The client's certificate has expired.";
    /// A passport that never was, or whose request has ended.
    PassportUnknown = "passport-unknown", FORBIDDEN, ExpiredToken, "The passport is not valid, or its request has ended.";
    /// A passport past its longest life.
    PassportExpired = "passport-expired", FORBIDDEN, ExpiredToken, "The passport has expired.";
    /// A passport that has been used as often as it may be.
    PassportUsedUp = "passport-used-up", FORBIDDEN, AccessDenied, "The passport has been used up.";
    /// An action that the passport, or the deferred context, is not for.
    ActionNotAllowed = "action-not-allowed", FORBIDDEN, AccessDenied, "The action is not allowed for this request.";
    /// A resource that the workload is not for, or one that cannot be told.
    ResourceNotAllowed = "resource-not-allowed", FORBIDDEN, AccessDenied, "The resource is not allowed for this request.";
    /// Nothing that a rule of the guard allows, or that can be told to be.
    GuardDenied = "guard-denied", FORBIDDEN, AccessDenied, "The request is about something that the tenant may not reach through here.";
    /// A workload named beside a tenant, or two workloads.
    WorkloadAmbiguous = "workload-ambiguous", BAD_REQUEST, Invalid, "The request names a workload and a tenant, or two workloads.";
    /// A workload named that there is not, or without its proof.
    WorkloadUnproved = "workload-unproved", FORBIDDEN, AccessDenied, "The request does not prove that it is the workload's.";
    /// No room for another passport, or the tenant has half of them.
    PassportsExhausted = "passports-exhausted", SERVICE_UNAVAILABLE, ServiceUnavailable, "Too many requests are in progress.";

    /// Deferring what the audience or the passport does not allow.
    DeferNotAllowed = "defer-not-allowed", FORBIDDEN, AccessDenied, "This cannot be deferred.";
    /// A deferred context that is not sealed with a key that is known here, or that was changed.
    DeferredUnknown = "deferred-unknown", FORBIDDEN, AccessDenied, "The deferred context is not valid here.";
    /// A deferred context for another audience, or of this very process.
    DeferredNotForUs = "deferred-not-for-us", FORBIDDEN, AccessDenied, "The deferred context is not to be redeemed here.";
    /// A deferred context past its life.
    DeferredExpired = "deferred-expired", FORBIDDEN, ExpiredToken, "The deferred context has expired.";
    /// A statement about the caller, or a deferred context, that does not fit into a header.
    ContextTooLarge = "context-too-large", FORBIDDEN, AccessDenied, "The caller has too many roles, or too much is asked for.";

    /// Over the tenant's request rate.
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, Throttled, "The tenant's request rate is exhausted.";
    /// Over the tenant's requests in progress.
    ConcurrencyLimited = "concurrency-limited", TOO_MANY_REQUESTS, Throttled, "The tenant has too many requests in progress.";

    /// A path that servers read in different ways, where endpoint rules have to read it.
    PathAmbiguous = "path-ambiguous", BAD_REQUEST, Invalid, "The path can be read in more than one way.";
    /// The endpoint rules do not let the caller do this.
    EndpointNotAllowed = "endpoint-not-allowed", FORBIDDEN, AccessDenied, "The caller may not do this.";
    /// The endpoint rules want a scope that the token does not have.
    ScopeInsufficient = "scope-insufficient", FORBIDDEN, AccessDenied, "The token's scope does not cover this.";
    /// A browser sends the request on behalf of a site that may not.
    OriginNotAllowed = "origin-not-allowed", FORBIDDEN, AccessDenied, "The request's origin is not allowed.";

    /// Placeholder SigV4 material that cannot be read.
    SignatureMalformed = "signature-malformed", BAD_REQUEST, Invalid, "The request's signature fields are malformed.";
    /// SigV4A, SigV2, and query signatures but those of SigV4 with vended keys.
    SignatureUnsupported = "signature-unsupported", BAD_REQUEST, Invalid, "This kind of request signature is not supported.";
    /// The signature made with vended keys is wrong.
    SignatureMismatch = "signature-mismatch", FORBIDDEN, SignatureMismatch, "The request signature we calculated does not match the signature you provided.";
    /// The signature made with vended keys is too old, or from the future.
    SignatureExpired = "signature-expired", FORBIDDEN, SkewedTime, "The difference between the request time and the current time is too large, or the request has expired.";
    /// Vended keys that are not of this process.
    KeysUnknown = "keys-unknown", FORBIDDEN, ExpiredToken, "The credentials are not valid here, or no longer.";
    /// An `x-amz-*` header that the client's signature does not cover.
    HeaderNotSigned = "header-not-signed", FORBIDDEN, AccessDenied, "There were headers present in the request which were not signed.";
    /// No service can be made out.
    ServiceUnknown = "service-unknown", BAD_REQUEST, Invalid, "The request does not say which AWS service it is for.";
    /// A service outside `egress.services`.
    ServiceNotAllowed = "service-not-allowed", FORBIDDEN, AccessDenied, "The service is not allowed.";
    /// A region outside `egress.regions`, or none that exists.
    RegionNotAllowed = "region-not-allowed", FORBIDDEN, AccessDenied, "The region is not allowed.";
    /// Credential scope, Host and target disagree.
    TargetConflict = "target-conflict", BAD_REQUEST, Invalid, "The request contradicts itself about where it is going.";
    /// A host that is not an AWS endpoint.
    HostNotAllowed = "host-not-allowed", FORBIDDEN, AccessDenied, "The host is not allowed.";
    /// An operation that hands out credentials or tokens.
    OperationRefused = "operation-refused", FORBIDDEN, AccessDenied, "The operation is not allowed through this proxy.";
    /// The operation cannot be made out, or the request names two.
    OperationAmbiguous = "operation-ambiguous", BAD_REQUEST, Invalid, "The request contradicts itself about its operation.";
    /// A payload mode that this release does not take.
    PayloadUnsupported = "payload-unsupported", NOT_IMPLEMENTED, Invalid, "The payload signing mode is not supported.";
    /// Signed chunks that are not framed as SigV4 has them, or not of the declared length.
    PayloadMalformed = "payload-malformed", BAD_REQUEST, Invalid, "The chunks of the request body are malformed, or not of the declared length.";
    /// The body is not what its declared hash says.
    PayloadHashMismatch = "payload-hash-mismatch", BAD_REQUEST, BodyHashMismatch, "The provided x-amz-content-sha256 header does not match what was computed.";

    /// A template needs a value that the tenant or token does not have, or one that STS does not take.
    PlanIncomplete = "plan-incomplete", FORBIDDEN, AccessDenied, "No credentials can be obtained for the tenant.";
    /// STS said no.
    CredentialsDenied = "credentials-denied", FORBIDDEN, AccessDenied, "No credentials can be obtained for the tenant.";
    /// More calls to STS are needed than `credentials.budget` has room for, or STS throttles.
    CredentialsThrottled = "credentials-throttled", TOO_MANY_REQUESTS, Throttled, "Too many sessions are being obtained at the moment.";
    /// STS cannot be asked, or Palisade has no identity of its own.
    CredentialsUnavailable = "credentials-unavailable", SERVICE_UNAVAILABLE, ServiceUnavailable, "No credentials can be obtained at the moment.";

    /// AWS denied the tenant's request.
    AwsDenied = "aws-denied", FORBIDDEN, AccessDenied, "AWS denied the request.";
    /// AWS did not accept the credentials or the signature.
    AwsCredentialsRejected = "aws-credentials-rejected", SERVICE_UNAVAILABLE, ServiceUnavailable, "AWS did not accept the request's credentials.";
    /// AWS pointed to another endpoint.
    AwsRedirect = "aws-redirect", FORBIDDEN, AccessDenied, "The resource is in another region or at another endpoint.";
    /// AWS's answer could have carried something that must not leave.
    AwsResponseWithheld = "aws-response-withheld", BAD_GATEWAY, Internal, "The response could not be passed on.";

    /// No route to the application is for the tenant, or its record lacks what its upstream is named by.
    NoRoute = "no-route", SERVICE_UNAVAILABLE, ServiceUnavailable, "There is no route to the application for this tenant.";
    /// The application or AWS could not be reached.
    UpstreamUnavailable = "upstream-unavailable", BAD_GATEWAY, ServiceUnavailable, "The upstream cannot be reached.";
    /// The application or AWS did not answer in time.
    UpstreamTimeout = "upstream-timeout", GATEWAY_TIMEOUT, ServiceUnavailable, "The upstream did not answer in time.";
    /// Nothing at this path.
    NotFound = "not-found", NOT_FOUND, Invalid, "There is nothing here.";
    /// The audit log does not take the request's record, and `telemetry.audit.on_failure` is `refuse`.
    AuditUnavailable = "audit-unavailable", SERVICE_UNAVAILABLE, ServiceUnavailable, "Requests cannot be recorded at the moment.";
    /// Too much is held in memory for other requests, or too many connections are open to a service.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, ServiceUnavailable, "The proxy is too busy.";
    /// A fault of Palisade's own.
    Internal = "internal", INTERNAL_SERVER_ERROR, Internal, "The proxy failed.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_kebab_case() {
        let names: BTreeSet<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }

    #[test]
    fn every_refusal_is_an_error_status() {
        assert!(Reason::ALL.iter().all(|r| r.status().is_client_error() || r.status().is_server_error()));
    }
}
