"""Reasons of refusals in classes, as the rules of charts/palisade/files/rules.yaml have them too."""

# Something behind Palisade, or Palisade, does not work: no caller can help it.
FAULTS = ("audit-unavailable", "aws-credentials-rejected", "aws-response-withheld", "credentials-throttled", "credentials-unavailable", "internal", "keys-unavailable", "no-route",
          "overloaded", "passports-exhausted", "tenants-unavailable", "upstream-timeout", "upstream-unavailable", "users-unavailable", "verifier-overloaded")
# Honest callers and applications seldom cause them.
ISOLATION = ("action-not-allowed", "admin-token-wrong", "deferred-not-for-us", "deferred-unknown", "guard-denied", "header-not-signed", "host-not-allowed",
             "issuer-not-for-tenant", "keys-unknown", "operation-refused", "passport-unknown", "passport-used-up", "proof-not-accepted", "resource-not-allowed",
             "service-not-allowed", "signature-mismatch", "tenant-mismatch", "tenant-not-active", "token-algorithm", "token-issuer", "token-revoked",
             "token-signature", "workload-unproved")
OVERLOAD = ("overloaded", "passports-exhausted", "verifier-overloaded")
TENANT_LIMITS = ("rate-limited", "concurrency-limited")
SIZES = ("body-too-large", "headers-too-large", "uri-too-long", "context-too-large")
FRAMING = ("malformed-request", "method-not-allowed", "request-timeout", "expectation-failed", "path-ambiguous", *SIZES)


def any_of(reasons: tuple[str, ...]) -> str:
    return "|".join(reasons)
