//! S3, whose actions are its own vocabulary.
//!
//! From "Required permissions for Amazon S3 API operations" in the S3 user guide. What the table does not have needs the action of its
//! own name.

use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode;

use crate::aws::operation::Named;

/// Signs requests to directory buckets, whose one action, `CreateSession`, hands out credentials.
const EXPRESS: &str = "s3express";

/// An operation, the action it needs, and the one it needs instead where a version is named (empty where that changes nothing).
const OPERATIONS: &[(&str, &str, &str)] = &[
    ("CompleteMultipartUpload", "PutObject", ""),
    ("CopyObject", "PutObject", ""),
    ("CreateBucketMetadataConfiguration", "CreateBucketMetadataTableConfiguration", ""),
    ("CreateMultipartUpload", "PutObject", ""),
    ("DeleteBucketAnalyticsConfiguration", "PutAnalyticsConfiguration", ""),
    ("DeleteBucketCors", "PutBucketCORS", ""),
    ("DeleteBucketEncryption", "PutEncryptionConfiguration", ""),
    ("DeleteBucketIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration", ""),
    ("DeleteBucketInventoryConfiguration", "PutInventoryConfiguration", ""),
    ("DeleteBucketLifecycle", "PutLifecycleConfiguration", ""),
    ("DeleteBucketMetadataConfiguration", "DeleteBucketMetadataTableConfiguration", ""),
    ("DeleteBucketMetricsConfiguration", "PutMetricsConfiguration", ""),
    ("DeleteBucketOwnershipControls", "PutBucketOwnershipControls", ""),
    ("DeleteBucketReplication", "PutReplicationConfiguration", ""),
    ("DeleteBucketTagging", "PutBucketTagging", ""),
    ("DeleteObject", "DeleteObject", "DeleteObjectVersion"),
    ("DeleteObjectTagging", "DeleteObjectTagging", "DeleteObjectVersionTagging"),
    ("DeleteObjects", "DeleteObject", ""),
    ("DeletePublicAccessBlock", "PutBucketPublicAccessBlock", ""),
    ("GetBucketAccelerateConfiguration", "GetAccelerateConfiguration", ""),
    ("GetBucketAnalyticsConfiguration", "GetAnalyticsConfiguration", ""),
    ("GetBucketCors", "GetBucketCORS", ""),
    ("GetBucketEncryption", "GetEncryptionConfiguration", ""),
    ("GetBucketIntelligentTieringConfiguration", "GetIntelligentTieringConfiguration", ""),
    ("GetBucketInventoryConfiguration", "GetInventoryConfiguration", ""),
    ("GetBucketLifecycleConfiguration", "GetLifecycleConfiguration", ""),
    ("GetBucketMetadataConfiguration", "GetBucketMetadataTableConfiguration", ""),
    ("GetBucketMetricsConfiguration", "GetMetricsConfiguration", ""),
    ("GetBucketNotificationConfiguration", "GetBucketNotification", ""),
    ("GetBucketReplication", "GetReplicationConfiguration", ""),
    ("GetObject", "GetObject", "GetObjectVersion"),
    ("GetObjectAcl", "GetObjectAcl", "GetObjectVersionAcl"),
    ("GetObjectAttributes", "GetObject", "GetObjectVersion"),
    ("GetObjectLockConfiguration", "GetBucketObjectLockConfiguration", ""),
    ("GetObjectTagging", "GetObjectTagging", "GetObjectVersionTagging"),
    ("GetObjectTorrent", "GetObjectTorrent", "GetObjectVersionTorrent"),
    ("GetPublicAccessBlock", "GetBucketPublicAccessBlock", ""),
    ("HeadBucket", "ListBucket", ""),
    ("HeadObject", "GetObject", "GetObjectVersion"),
    ("ListBucketAnalyticsConfigurations", "GetAnalyticsConfiguration", ""),
    ("ListBucketIntelligentTieringConfigurations", "GetIntelligentTieringConfiguration", ""),
    ("ListBucketInventoryConfigurations", "GetInventoryConfiguration", ""),
    ("ListBucketMetricsConfigurations", "GetMetricsConfiguration", ""),
    ("ListBuckets", "ListAllMyBuckets", ""),
    // Of directory buckets, at an endpoint of their own: here the same request is ListBuckets.
    ("ListDirectoryBuckets", "ListAllMyBuckets", ""),
    ("ListMultipartUploads", "ListBucketMultipartUploads", ""),
    ("ListObjectVersions", "ListBucketVersions", ""),
    ("ListObjects", "ListBucket", ""),
    ("ListObjectsV2", "ListBucket", ""),
    ("ListParts", "ListMultipartUploadParts", ""),
    ("PutBucketAccelerateConfiguration", "PutAccelerateConfiguration", ""),
    ("PutBucketAnalyticsConfiguration", "PutAnalyticsConfiguration", ""),
    ("PutBucketCors", "PutBucketCORS", ""),
    ("PutBucketEncryption", "PutEncryptionConfiguration", ""),
    ("PutBucketIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration", ""),
    ("PutBucketInventoryConfiguration", "PutInventoryConfiguration", ""),
    ("PutBucketLifecycleConfiguration", "PutLifecycleConfiguration", ""),
    ("PutBucketMetricsConfiguration", "PutMetricsConfiguration", ""),
    ("PutBucketNotificationConfiguration", "PutBucketNotification", ""),
    ("PutBucketReplication", "PutReplicationConfiguration", ""),
    ("PutObjectAcl", "PutObjectAcl", "PutObjectVersionAcl"),
    ("PutObjectLockConfiguration", "PutBucketObjectLockConfiguration", ""),
    ("PutObjectTagging", "PutObjectTagging", "PutObjectVersionTagging"),
    ("PutPublicAccessBlock", "PutBucketPublicAccessBlock", ""),
    ("SelectObjectContent", "GetObject", "GetObjectVersion"),
    ("UploadPart", "PutObject", ""),
    ("UploadPartCopy", "PutObject", ""),
];

/// Headers with which some operations do more than their name says, the operations, and the action that this needs.
const HEADERS: &[(&str, &[&str], &str)] = &[
    ("x-amz-acl", UPLOADS, "PutObjectAcl"),
    ("x-amz-acl", &["CreateBucket"], "PutBucketAcl"),
    ("x-amz-bucket-object-lock-enabled", &["CreateBucket"], "PutBucketObjectLockConfiguration"),
    ("x-amz-bucket-object-lock-enabled", &["CreateBucket"], "PutBucketVersioning"),
    ("x-amz-bypass-governance-retention", &["DeleteObject", "DeleteObjects", "PutObjectRetention"], "BypassGovernanceRetention"),
    (LEGAL_HOLD, UPLOADS, "PutObjectLegalHold"),
    ("x-amz-object-ownership", &["CreateBucket"], "PutBucketOwnershipControls"),
    ("x-amz-tagging", UPLOADS, "PutObjectTagging"),
];
const LEGAL_HOLD: &str = "x-amz-object-lock-legal-hold";
/// How the others begin that say for how long an object stays: until a date, or from an event on.
const LOCK: &str = "x-amz-object-lock-";
/// One of several headers that grant.
const GRANT: &str = "x-amz-grant-";
/// What makes an object.
const UPLOADS: &[&str] = &["CopyObject", "CreateMultipartUpload", "PutObject"];
const COPY_SOURCE: &str = "x-amz-copy-source";

/// The actions of all that the request could be; `None` where that is nothing.
pub(super) fn needed(signing_name: &str, named: &Named, headers: &HeaderMap) -> Option<Vec<&'static str>> {
    if signing_name == EXPRESS {
        return None;
    }
    let versioned = named.has_version();
    let mut actions: Vec<&str> = Vec::new();
    for name in named.listed() {
        let row = OPERATIONS.iter().find(|(operation, ..)| *operation == name);
        actions.push(row.map_or(name, |(_, plain, version)| if versioned && !version.is_empty() { version } else { plain }));
        actions.extend(beside(name, versioned, headers));
        actions.extend(
            HEADERS.iter().filter(|(header, of, _)| of.contains(&name) && headers.contains_key(*header)).map(|(_, _, action)| action),
        );
        let retains = |header: &HeaderName| header.as_str().starts_with(LOCK) && header.as_str() != LEGAL_HOLD;
        if UPLOADS.contains(&name) && headers.keys().any(retains) {
            actions.push("PutObjectRetention");
        }
        if headers.keys().any(|header| header.as_str().starts_with(GRANT)) {
            actions.extend(match name {
                "CreateBucket" => Some("PutBucketAcl"),
                name if UPLOADS.contains(&name) => Some("PutObjectAcl"),
                _ => None,
            });
        }
    }
    actions.sort_unstable();
    actions.dedup();
    (!actions.is_empty()).then_some(actions)
}

/// What an operation needs besides the action of its row.
fn beside(name: &str, versioned: bool, headers: &HeaderMap) -> Vec<&'static str> {
    match name {
        "CopyObject" | "UploadPartCopy" => {
            let source = headers.get_all(COPY_SOURCE).iter();
            // Read with tolerance: to need more than S3 does costs nothing but an entry in the list.
            let mut decoded = source.map(|value| percent_decode(value.as_bytes()).decode_utf8_lossy().to_ascii_lowercase());
            let of_version = decoded.any(|value| value.contains("versionid"));
            if of_version { vec!["GetObject", "GetObjectVersion"] } else { vec!["GetObject"] }
        }
        // Its body may name versions, and is not read.
        "DeleteObjects" => vec!["DeleteObjectVersion"],
        "GetObjectAttributes" if versioned => vec!["GetObjectVersionAttributes"],
        "GetObjectAttributes" => vec!["GetObjectAttributes"],
        _ => Vec::new(),
    }
}

/// Everything that a request for the operation `name` can need, whatever is in it.
#[cfg(feature = "cedar")]
pub(super) fn could_need(name: &'static str) -> Vec<&'static str> {
    let row = OPERATIONS.iter().find(|(operation, ..)| *operation == name);
    let mut actions = row.map_or_else(|| vec![name], |(_, plain, version)| vec![plain, version]);
    actions.extend(HEADERS.iter().filter(|(_, of, _)| of.contains(&name)).map(|(_, _, action)| action));
    actions.extend(match name {
        "CopyObject" | "UploadPartCopy" => &["GetObject", "GetObjectVersion"][..],
        "CreateBucket" => &["PutBucketAcl"],
        "DeleteObjects" => &["DeleteObjectVersion"],
        "GetObjectAttributes" => &["GetObjectAttributes", "GetObjectVersionAttributes"],
        _ => &[],
    });
    if UPLOADS.contains(&name) {
        actions.extend(["PutObjectAcl", "PutObjectRetention"]);
    }
    actions.retain(|action| !action.is_empty());
    actions
}

#[cfg(test)]
pub(super) fn rows() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().map(|(operation, ..)| *operation)
}

#[cfg(test)]
pub(super) fn operations() -> impl Iterator<Item = &'static str> {
    rows().chain(HEADERS.iter().flat_map(|(_, of, _)| of.iter().copied()))
}
