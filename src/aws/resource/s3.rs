//! Which bucket and key a request to S3 is about, in the one way in which S3 can read it.
//!
//! A key is decoded once, and is then what S3 stores: it has no folders, so `..`, `//` and a leading `/` are parts of it like any other. Stores that keep keys as files
//! think otherwise, so what they would follow or cut off is refused wherever beginnings are compared ([`plain`]).

use std::borrow::Cow;

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use super::{Asked, Home, Untold};
use crate::aws::target::{Style, Target};

/// Names that stand for something else than a bucket: access points by their alias, Object Lambda, directory buckets ("Bucket naming rules", Amazon S3
/// user guide). What is behind an alias its name does not say.
const OTHERS: [&str; 6] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "--xa-s3"];

/// How headers begin with which a request is another one: MinIO and Snow devices take an upload apart as an archive and write what is in it, under its own names; a
/// directory bucket moves an object. The rest is what compatible stores have of their own beside S3's headers, or in place of them.
const ELSEWHERE: [&str; 13] = [
    "x-amz-meta-minio-snowball",
    "x-amz-meta-snowball",
    "x-amz-rename-source",
    "x-cos-",
    "x-emc-",
    "x-goog-",
    "x-minio-",
    "x-object-manifest",
    "x-obs-",
    "x-oss-",
    "x-rgw-",
    "x-static-large-object",
    "x-symlink-",
];
/// How headers begin whose names are S3's.
const OURS: &str = "x-amz-";
/// How those begin whose names are the application's.
const OWN: &str = "x-amz-meta-";

/// What says, in a header's name, that it names the source of a copy.
const OF_SOURCES: [&str; 2] = ["copy-source", "copy-from"];
/// The one header that does, with its conditions and keys ([`named`] refuses it, and the guard reads it).
const SOURCE: &str = "x-amz-copy-source";

/// What names objects in its body, or another place to write to.
const IN_BODY: [&str; 2] = ["delete", "restore"];

/// The bucket of a request, and its key, which is empty where it is about the bucket alone.
///
/// # Errors
/// It is about no bucket, or about something by another name.
pub(crate) fn place(target: &Target) -> Result<(&str, Cow<'_, str>), Untold> {
    if target.signing_name != "s3" || target.host.as_str().contains("accesspoint") {
        return Err("a kind of S3 endpoint that is not read here");
    }
    let path = target.path_and_query.path();
    let path = path.strip_prefix('/').unwrap_or(path);
    let (bucket, key) = match &target.style {
        Style::Bucket(bucket) => (bucket.as_str(), path),
        Style::Plain => path.split_once('/').unwrap_or((path, "")),
    };
    bucket_name(bucket)?;
    let key = percent_decode_str(key).decode_utf8().map_err(|_| "the key is not UTF-8")?;
    Ok((bucket, key))
}

/// Whether `name` is a bucket's own.
pub(crate) fn bucket_name(name: &str) -> Result<(), Untold> {
    let is_name =
        (3..=63).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    if !is_name {
        return Err("the request is about no bucket");
    }
    if OTHERS.iter().any(|end| name.ends_with(end)) {
        return Err("the name is an alias, or of another kind of bucket");
    }
    Ok(())
}

/// Whether no store could take `key` for another one.
pub(crate) fn plain(key: &str) -> Result<(), Untold> {
    if key.split(['/', '\\']).any(|step| step == "..") {
        return Err("a key has .. in it, which stores that keep keys as files would follow");
    }
    if key.contains('\0') { Err("a key has a NUL in it") } else { Ok(()) }
}

/// Whether no header makes the request one about other objects.
pub(crate) fn stays(headers: &HeaderMap) -> Result<(), Untold> {
    let leads_elsewhere = |name: &str| {
        // Stores that have headers as variables of an environment (CGI, WSGI) cannot tell the two apart.
        let read = if name.contains('_') { Cow::Owned(name.replace('_', "-")) } else { Cow::Borrowed(name) };
        let is_respelt = matches!(read, Cow::Owned(_)) && read.starts_with(OURS) && !name.starts_with(OWN);
        let is_of_source = !name.starts_with(SOURCE) && OF_SOURCES.iter().any(|word| read.contains(word));
        is_respelt || is_of_source || ELSEWHERE.iter().any(|beginning| read.starts_with(beginning))
    };
    if headers.keys().any(|name| leads_elsewhere(name.as_str())) {
        return Err("a header with which some stores read or write other objects than the one that is named");
    }
    Ok(())
}

/// Whether the query has something that S3 takes for a header when a request is presigned, or that `also` is about; in whatever case.
pub(crate) fn query_says(target: &Target, also: impl Fn(&str) -> bool) -> bool {
    let query = target.path_and_query.query().unwrap_or_default();
    let key_of =
        |pair: &str| percent_decode_str(pair.split('=').next().unwrap_or_default()).decode_utf8_lossy().trim().to_ascii_lowercase();
    query.split(['&', ';']).map(key_of).any(|key| key.starts_with("x-amz-") || also(&key))
}

pub(super) fn named(asked: &Asked<'_>, home: &Home) -> Result<String, Untold> {
    if asked.operation.is_none() {
        return Err("what S3 makes of the request is not known, nor what else it names");
    }
    if asked.headers.contains_key(SOURCE) {
        return Err("the request copies from another object");
    }
    if query_says(asked.target, |key| IN_BODY.contains(&key)) {
        return Err("the body, or a header in the query, says which objects");
    }
    stays(asked.headers)?;
    let (bucket, key) = place(asked.target)?;
    plain(&key)?;
    let partition = &home.partition;
    Ok(if key.is_empty() { format!("arn:{partition}:s3:::{bucket}") } else { format!("arn:{partition}:s3:::{bucket}/{key}") })
}
