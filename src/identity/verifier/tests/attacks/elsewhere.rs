//! Reasons that have no row here, and the tests of other rooms that bring them about: they are none of identity's, or no single request can
//! have them.

use super::super::*;

/// The file of the tests, and the reasons.
pub(super) const ELSEWHERE: &[(&str, &[Reason])] = {
    use Reason::*;
    &[
        // What HTTP, the wire and the way there are about.
        ("src/server/tests/malformed.rs", &[MalformedRequest, MethodNotAllowed, UriTooLong, HeadersTooLarge]),
        ("src/server/edge/rules/tests.rs", &[ExpectationFailed]),
        ("src/upstream/tests.rs", &[RequestTimeout, UpstreamUnavailable, UpstreamTimeout]),
        ("src/upstream/tests/fleet.rs", &[Overloaded]),
        ("src/routes/tests.rs", &[NoRoute]),
        ("tests/clients/test_vended.py", &[NotFound]),
        ("tests/clients/test_audit.py", &[AuditUnavailable]),
        // What is asked once it is known who asks.
        ("src/authorise/rules/tests.rs", &[PathAmbiguous, EndpointNotAllowed, ScopeInsufficient]),
        ("src/ingress/cors.rs", &[OriginNotAllowed]),
        ("src/limits/tests.rs", &[RateLimited, ConcurrencyLimited]),
        // What only load, or what is done with a passport, brings about.
        ("src/identity/verifier/tests/flood.rs", &[VerifierOverloaded]),
        ("src/identity/passport/tests.rs", &[PassportsExhausted, PassportUsedUp, ActionNotAllowed]),
        // Work of no tenant.
        ("src/workloads/registry/tests.rs", &[ResourceNotAllowed, WorkloadAmbiguous, WorkloadUnproved]),
        // Signatures of clients, and work that is deferred.
        ("src/identity/caller/tests.rs", &[SignatureUnsupported, SignatureMismatch, SignatureExpired, HeaderNotSigned]),
        ("src/identity/deferred/tests.rs", &[DeferNotAllowed, DeferredUnknown, DeferredNotForUs, DeferredExpired, ContextTooLarge]),
        // Where a request goes, and with whose credentials.
        ("src/aws/target/tests.rs", &[ServiceUnknown, ServiceNotAllowed, RegionNotAllowed, TargetConflict, HostNotAllowed]),
        ("src/aws/operation/tests.rs", &[OperationRefused, OperationAmbiguous]),
        ("src/aws/response/tests.rs", &[AwsDenied, AwsCredentialsRejected, AwsRedirect, AwsResponseWithheld]),
        ("src/signing/payload.rs", &[BodyTooLarge, PayloadUnsupported, PayloadMalformed, PayloadHashMismatch]),
        ("src/credentials/broker/tests.rs", &[PlanIncomplete, CredentialsDenied, CredentialsThrottled, CredentialsUnavailable, Internal]),
        ("src/admin/tests.rs", &[AdminTokenWrong, AdminTokenUnset]),
        ("src/directory/tenants/tests.rs", &[TenantsUnavailable]),
        ("tests/guard/s3.json", &[GuardDenied]),
    ]
};

/// The part of a source file that is tests.
fn tests_of<'t>(path: &str, text: &'t str) -> &'t str {
    let is_all = path.contains("/tests/") || path.ends_with("tests.rs") || path.starts_with("tests/");
    if is_all { text } else { text.split_once("\n#[cfg(test)]\nmod tests {").unwrap_or_else(|| panic!("no tests in {path}")).1 }
}

#[test]
fn what_is_proved_elsewhere_is_named_there() {
    for (path, reasons) in ELSEWHERE {
        let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        let tests = tests_of(path, &text);
        for reason in *reasons {
            let (variant, name) = (format!("{reason:?}"), format!("\"{}\"", reason.as_str()));
            let is_word = tests.match_indices(&variant).any(|(at, _)| !tests[at + variant.len()..].starts_with(char::is_alphanumeric));
            assert!(is_word || tests.contains(&name), "the tests of {path} do not name {}", reason.as_str());
        }
    }
}
