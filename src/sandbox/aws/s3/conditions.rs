//! Conditional requests: `If-Match` and `If-None-Match` on reading, writing and copying from.

use http::{HeaderMap, Method, request::Parts};
use s3s::dto::{ETag, ETagCondition};

use super::{super::failure::Failure, store::Object};

/// What a request demands of the object that is there.
#[derive(Debug, Default)]
pub(super) struct Conditions<'a> {
    pub(super) if_match: Option<&'a ETagCondition>,
    pub(super) if_none_match: Option<&'a ETagCondition>,
}

impl Conditions<'_> {
    /// Checks both (RFC 9110, section 13.1); `no_match` is what an unmet `If-None-Match` means.
    fn check(&self, object: Option<&Object>, no_match: fn() -> Failure) -> Result<(), Failure> {
        let matches = |condition: &ETagCondition| match (condition, object) {
            (_, None) => false,
            (ETagCondition::Any, Some(_)) => true,
            (ETagCondition::ETag(etag), Some(object)) => etag.weak_cmp(&ETag::Strong(object.etag.clone())),
        };
        if self.if_match.is_some_and(|c| !matches(c)) {
            return Err(failed());
        }
        if self.if_none_match.is_some_and(matches) { Err(no_match()) } else { Ok(()) }
    }

    pub(super) fn check_read(&self, object: &Object) -> Result<(), Failure> {
        self.check(Some(object), || Failure::operation(304, "NotModified", "Not Modified"))
    }

    pub(super) fn check_write(&self, object: Option<&Object>) -> Result<(), Failure> {
        self.check(object, failed)
    }
}

fn failed() -> Failure {
    Failure::operation(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
}

/// Refuses the conditions that are not here: ignored, they would let through what was to be stopped.
pub(super) fn refuse_others(parts: &Parts) -> Result<(), Failure> {
    let dates =
        ["if-modified-since", "if-unmodified-since", "x-amz-copy-source-if-modified-since", "x-amz-copy-source-if-unmodified-since"];
    let of_deletion = ["x-amz-if-match-last-modified-time", "x-amz-if-match-size", "x-amz-if-match-initiated-time"];
    let has = |headers: &HeaderMap, names: &[&str]| names.iter().any(|name| headers.contains_key(*name));
    let tagged = has(&parts.headers, &["if-match", "if-none-match"]);
    let copies = parts.headers.contains_key("x-amz-copy-source");
    let elsewhere = tagged && (copies || parts.method == Method::DELETE || parts.method == Method::POST);
    match elsewhere || has(&parts.headers, &dates) || has(&parts.headers, &of_deletion) {
        true => Err(Failure::operation(501, "NotImplemented", "this double does not know a condition of the request")),
        false => Ok(()),
    }
}
