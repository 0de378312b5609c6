//! What STS's error answers mean. Pure.
//!
//! Codes of <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html> and of `AssumeRole`. A message of STS
//! is passed on to the log only where it cannot hold more than names: an answer to a bad signature can repeat the signed
//! request, and with it the base identity's session token.

use std::time::{Duration, SystemTime};

use super::error::StsError;

/// Longest part of a message that is kept, in characters.
const KEPT: usize = 300;

/// Sorts an error answer by its code, with its message and HTTP status for what the code leaves open.
pub(super) fn error(code: &str, message: &str, status: u16) -> StsError {
    match code {
        "AccessDenied" | "AccessDeniedException" => StsError::Denied(brief(message)),
        "MalformedPolicyDocument" | "MalformedPolicyDocumentException" => inputs("session_policy", brief(message)),
        "PackedPolicyTooLarge" | "PackedPolicyTooLargeException" => inputs("session_policy", brief(message)),
        "ValidationError" | "ValidationException" | "InvalidParameterValue" | "InvalidParameterCombination" | "MissingParameter" => {
            // The message repeats the value that was not liked; the parameter's name is enough.
            inputs(setting_named_in(message), code.to_owned())
        }
        "InvalidIdentityToken" | "InvalidIdentityTokenException" | "IDPRejectedClaim" | "IDPRejectedClaimException" => {
            StsError::Token(code.to_owned())
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "RequestExpired"
        | "NotAuthorized"
        | "OptInRequired" => StsError::Identity(code.to_owned()),
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete" => throttled(code.to_owned()),
        "RegionDisabledException" => StsError::Unavailable("STS is not activated in credentials.sts.region for this account".to_owned()),
        _ if status == 429 => throttled(format!("{} (HTTP 429)", brief(code))),
        _ if status == 403 => StsError::Denied(format!("{} (HTTP 403)", brief(code))),
        _ => StsError::Unavailable(format!("{} (HTTP {status})", brief(code))),
    }
}

fn throttled(note: String) -> StsError {
    StsError::Throttled { note, retry_after: None }
}

/// The time in a `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(value).ok().map(|at| at.duration_since(now).unwrap_or_default())
}

fn inputs(setting: &'static str, note: String) -> StsError {
    StsError::Inputs { setting, note }
}

/// The setting for the first parameter that `message` names.
fn setting_named_in(message: &str) -> &'static str {
    let message = message.to_ascii_lowercase();
    [
        // Longer names first: `policy` is a part of others, and `tags` of `transitiveTagKeys`' own messages.
        ("rolesessionname", "session_name"),
        ("durationseconds", "duration"),
        ("session limit for roles assumed by role chaining", "duration"),
        ("sourceidentity", "source_identity"),
        ("externalid", "external_id"),
        ("transitivetagkeys", "transitive_tag_keys"),
        ("rolearn", "role_arn"),
        ("webidentitytoken", "token"),
        ("tag", "session_tags"),
        ("policyarn", "policy_arns"),
        ("policy arn", "policy_arns"),
        ("policy", "session_policy"),
        ("arn", "role_arn"),
    ]
    .into_iter()
    .find_map(|(parameter, setting)| message.contains(parameter).then_some(setting))
    .unwrap_or("*")
}

/// An error that is no answer, and its causes. The SDK's messages hold no credentials; its `Debug` texts say too much.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    brief(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// Fit for one log field: no control characters, and not long.
pub(super) fn brief(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(KEPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reject::Reason;

    #[test]
    fn each_kind_of_answer_leads_to_its_refusal() {
        for (code, status, reason, label) in [
            ("AccessDenied", 403, Reason::CredentialsDenied, "denied"),
            ("SomethingNew", 403, Reason::CredentialsDenied, "denied"),
            ("Throttling", 400, Reason::CredentialsThrottled, "throttled"),
            ("TooManyRequestsException", 429, Reason::CredentialsThrottled, "throttled"),
            ("SomethingNew", 429, Reason::CredentialsThrottled, "throttled"),
            ("MalformedPolicyDocument", 400, Reason::PlanIncomplete, "error"),
            ("PackedPolicyTooLarge", 400, Reason::PlanIncomplete, "error"),
            ("ValidationError", 400, Reason::PlanIncomplete, "error"),
            ("InvalidIdentityToken", 400, Reason::CredentialsDenied, "denied"),
            ("IDPRejectedClaim", 403, Reason::CredentialsDenied, "denied"),
            ("IDPCommunicationError", 400, Reason::CredentialsUnavailable, "error"),
            ("ExpiredToken", 400, Reason::CredentialsUnavailable, "error"),
            ("InvalidClientTokenId", 403, Reason::CredentialsUnavailable, "error"),
            ("SignatureDoesNotMatch", 403, Reason::CredentialsUnavailable, "error"),
            ("RegionDisabledException", 403, Reason::CredentialsUnavailable, "error"),
            ("InternalFailure", 500, Reason::CredentialsUnavailable, "error"),
            ("", 503, Reason::CredentialsUnavailable, "error"),
        ] {
            let error = error(code, "", status);
            let refusal = error.refusal("credentials.assume_role");
            assert_eq!((refusal.reason, error.label()), (reason, label), "{code} {status}");
            let passes = matches!(reason, Reason::CredentialsUnavailable | Reason::CredentialsThrottled);
            assert_eq!(refusal.retry_after.is_some(), passes, "{code} {status}");
        }
    }

    #[test]
    fn the_time_for_which_sts_wants_to_be_left_alone_is_kept_within_a_minute() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_470);
        let seconds = |value| retry_after(value, now).map(|after| after.as_secs());
        assert_eq!(seconds(" 7 "), Some(7));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:28:00 GMT"), Some(10));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:27:00 GMT"), Some(0), "past");
        assert_eq!([seconds(""), seconds("-1"), seconds("soon")], [None; 3]);
        let stands =
            |after| error("Throttling", "", 400).retry_after(after).refusal("credentials.assume_role").retry_after.unwrap().as_secs();
        assert_eq!([None, Some(0), Some(9), Some(9_999)].map(|after: Option<u64>| stands(after.map(Duration::from_secs))), [2, 2, 9, 60]);
    }

    #[test]
    fn what_sts_does_not_take_is_named_as_a_setting() {
        for (code, message, setting) in [
            ("MalformedPolicyDocument", "Syntax errors in policy.", "session_policy"),
            ("PackedPolicyTooLarge", "Packed policy consumes 134% of allotted space", "session_policy"),
            (
                "ValidationError",
                "1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint",
                "session_name",
            ),
            ("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", "duration"),
            (
                "ValidationError",
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
                "duration",
            ),
            ("ValidationError", "1 validation error detected: Value 'x' at 'externalId' failed", "external_id"),
            ("ValidationError", "1 validation error detected: Value 'x' at 'tags.1.member.value' failed", "session_tags"),
            ("InvalidParameterValue", "Duplicate tag keys found.", "session_tags"),
            ("ValidationError", "1 validation error detected: Value 'x' at 'webIdentityToken' failed", "token"),
            (
                "ValidationError",
                "At least one Policy ARN in the PolicyArns parameter does not match an existing IAM Managed Policy ARN.",
                "policy_arns",
            ),
            ("ValidationError", "x is invalid", "*"),
        ] {
            let StsError::Inputs { setting: named, .. } = error(code, message, 400) else { panic!("{code}") };
            assert_eq!(named, setting, "{message}");
        }
    }

    #[test]
    fn messages_that_could_repeat_the_request_are_not_kept() {
        for code in
            ["SignatureDoesNotMatch", "IncompleteSignature", "ValidationError", "InvalidClientTokenId", "ExpiredToken", "SomethingNew"]
        {
            for status in [400, 403, 500] {
                let error = error(code, "x-amz-security-token:hunter2", status);
                assert!(!format!("{error} {error:?} {:?}", error.refusal("credentials.assume_role")).contains("hunter2"), "{code}");
            }
        }
    }

    #[test]
    fn a_message_is_cut_and_cleaned() {
        let StsError::Denied(note) = error("AccessDenied", &format!("a\nb\u{1b}{}", "x".repeat(1_000)), 403) else { panic!() };
        assert_eq!(note.chars().count(), KEPT);
        assert!(note.starts_with("abx"));
    }
}
