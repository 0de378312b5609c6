//! Requests to S3: which objects and listings they are about, and which of them are a tenant's.
//!
//! The attack, and what is done about it:
//! * **another key**: the key of the request, every key of a `DeleteObjects` body and the source of a copy have to begin as the rule says, after one
//!   decoding and byte for byte. A key with a `..` in it is refused: S3 keeps it as it is, but stores that keep keys as files do not;
//! * **another bucket**, or the alias of an access point to one: bucket names are compared with the rule's patterns, aliases and ARNs are none;
//! * **everybody's keys**: a listing has to name a prefix that begins as the rule says, `ListBuckets` is refused;
//! * **the bucket itself**: what changes a bucket (its policy, replication, notification...) is refused, what reads its settings too where it is shared;
//! * **another operation** than the path says: a name is read only where S3 can read it in one way ([`s3_readings`]), and a query
//!   that S3 would take for headers is refused;
//! * **another key of KMS**, or one that the application brings along ([`encryption`]);
//! * **another body**: `DeleteObjects` and `RestoreObject` are read from the bytes that are signed and sent.

mod delete;
mod encryption;
#[cfg(any(test, fuzzing))]
pub(crate) mod oracle;
mod source;

use std::{borrow::Cow, sync::LazyLock};

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use super::{
    rules::{Additions, Opinion, Question, Terms, Unruled, Verdict, any_fits},
    seen::{Thing, Within},
};
use crate::{
    aws::{
        action::{Actions, Needed, Pattern},
        operation::s3_readings,
        resource::{
            Asked,
            s3::{self, place, plain, query_says},
        },
        target::Target,
    },
    config::{NamePattern, NamePrefix, S3EncryptionConfig, S3RuleConfig, template::Values},
};

/// What may be done where a rule does not say: reading, writing, deleting, tagging and listing objects. Not what opens them to others, or keeps them from being
/// deleted.
const USUAL: [&str; 23] = [
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersion",
    "s3:DeleteObjectVersionTagging",
    "s3:GetBucketLocation",
    "s3:GetObject",
    "s3:GetObjectAcl",
    "s3:GetObjectAttributes",
    "s3:GetObjectLegalHold",
    "s3:GetObjectRetention",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionAttributes",
    "s3:GetObjectVersionTagging",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionTagging",
];

pub(super) static USUAL_ACTIONS: LazyLock<Option<Actions>> =
    LazyLock::new(|| Actions::new(USUAL.iter().filter_map(|text| Pattern::parse(text)).collect()));

/// Operations on one object, named by the path, whose body and headers name no other resource.
const OF_OBJECT: [&str; 26] = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CreateMultipartUpload",
    "DeleteObject",
    "DeleteObjectAnnotation",
    "DeleteObjectTagging",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAnnotation",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectTorrent",
    "HeadObject",
    "ListObjectAnnotations",
    "ListParts",
    "PutObject",
    "PutObjectAcl",
    "PutObjectAnnotation",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "RestoreObject",
    "SelectObjectContent",
    "UploadPart",
];
/// Operations that write one object and read another.
const COPIES: [&str; 2] = ["CopyObject", "UploadPartCopy"];
/// Operations that list what begins with `prefix`.
const LISTINGS: [&str; 4] = ["ListMultipartUploads", "ListObjectVersions", "ListObjects", "ListObjectsV2"];
/// Operations that tell nothing of a bucket but that it is there.
const HARMLESS: [&str; 2] = ["GetBucketLocation", "HeadBucket"];
/// Operations that make an object, and say how it is encrypted.
const WRITES: [&str; 3] = ["CopyObject", "CreateMultipartUpload", "PutObject"];
/// What reads an object.
const READS: [&str; 2] = ["GetObject", "GetObjectVersion"];

/// One of `guard.s3`.
#[derive(Debug)]
pub(super) struct S3Rule {
    terms: Terms,
    buckets: Vec<NamePattern>,
    prefix: Option<NamePrefix>,
    encryption: Option<S3EncryptionConfig>,
    customer_keys: bool,
}

/// One thing that a request is about.
enum Touch<'a> {
    Object(&'a str, &'a HeaderMap),
    /// An object that is made, with what the request says of its encryption.
    Write(&'a str, &'a HeaderMap),
    /// What begins so.
    Listing(Option<&'a str>),
    /// The bucket, of which next to nothing is told.
    Harmless,
    /// The bucket's settings.
    Settings,
}

impl Touch<'_> {
    fn within(&self) -> Within {
        match self {
            Self::Object(key, _) | Self::Write(key, _) => Within::Key((*key).to_owned()),
            Self::Listing(prefix) => Within::Listing(prefix.map(str::to_owned)),
            Self::Harmless => Within::Itself,
            Self::Settings => Within::Settings,
        }
    }
}

impl S3Rule {
    pub(super) fn new(config: &S3RuleConfig) -> Self {
        let usual = USUAL_ACTIONS.as_ref().unwrap_or(Actions::nothing());
        Self {
            terms: Terms::new(&config.terms, usual),
            buckets: config.buckets.clone(),
            prefix: config.prefix.clone(),
            encryption: config.encryption.clone(),
            customer_keys: config.customer_keys,
        }
    }

    fn opinion(&self, bucket: &str, touch: &Touch<'_>, needed: &Needed<'_>, tenant: &dyn Values) -> Opinion {
        if let Err(opinion) = any_fits(&self.buckets, |pattern| pattern.matches(bucket, tenant)) {
            return opinion;
        }
        match self.has(touch, tenant).and_then(|()| self.encrypts(touch, tenant)) {
            Err(why) => Opinion::Denied(why),
            Ok(added) => match self.terms.allow(needed) {
                Opinion::Allowed(_) => Opinion::Allowed(added),
                other => other,
            },
        }
    }

    /// What has to be added to a write.
    fn encrypts(&self, touch: &Touch<'_>, tenant: &dyn Values) -> Result<Additions, Cow<'static, str>> {
        let (Touch::Object(_, headers) | Touch::Write(_, headers)) = touch else { return Ok(Vec::new()) };
        if !self.customer_keys && encryption::brings_a_key(headers) {
            return Err("the request brings a key of its own along".into());
        }
        match (&self.encryption, touch) {
            (Some(encryption), Touch::Write(..)) => encryption::missing(encryption, headers, tenant),
            _ => Ok(Vec::new()),
        }
    }

    fn has(&self, touch: &Touch<'_>, tenant: &dyn Values) -> Result<(), Cow<'static, str>> {
        let Some(prefix) = &self.prefix else { return Ok(()) };
        let begins = |name: &str| prefix.begins(name.as_bytes(), tenant).map_err(|missing| Cow::from(missing.to_string()));
        match touch {
            Touch::Harmless => Ok(()),
            Touch::Settings => Err("the settings of a bucket that has a prefix are everybody's".into()),
            Touch::Listing(None) => {
                Err(format!("a listing without a prefix is of everybody's objects; it has to begin with {prefix}").into())
            }
            Touch::Listing(Some(of)) if begins(of)? => Ok(()),
            Touch::Listing(Some(_)) => Err(format!("the listing's prefix does not begin with {prefix}").into()),
            Touch::Object(key, _) | Touch::Write(key, _) if begins(key)? => Ok(()),
            Touch::Object(..) | Touch::Write(..) => Err(format!("a key does not begin with {prefix}").into()),
        }
    }
}

/// Whether what a request is about stands in its body.
pub(super) fn reads_body(asked: &Asked<'_>, method: &Method) -> bool {
    *method == Method::POST && s3_readings(asked.target, method, asked.headers).operations.iter().any(|name| in_body(name))
}

fn in_body(operation: &str) -> bool {
    matches!(operation, "DeleteObjects" | "RestoreObject")
}

pub(super) fn judge(rules: &[S3Rule], question: &Question<'_>, unruled: Unruled<'_>) -> Verdict {
    let Question { asked, method, named, needed, tenant, .. } = *question;
    let ask = |bucket: &str, touch: &Touch<'_>, needed: &Needed<'_>| {
        let nobody = || format!("no rule is about the bucket {bucket}").into();
        let thing = || Thing::new("s3", "bucket", bucket, touch.within(), needed);
        unruled.about(thing).ask(rules, |rule| &rule.terms, |rule| rule.opinion(bucket, touch, needed, tenant), nobody)
    };
    let deny = |why: &'static str| unruled.verdict(why.into());

    if named.listed().any(|name| name == "ListBuckets") {
        return deny("ListBuckets names everybody's buckets");
    }
    let mut readings = named.listed();
    let operation = match (readings.next(), readings.next()) {
        (Some(operation), None) => operation,
        (None, _) => return deny("what S3 makes of the request is not known"),
        (Some(_), Some(_)) => return deny("S3 could read the request as several operations"),
    };
    // Refused before now, and no less here, where it would let another key through.
    if query_says(asked.target, |_| false) {
        return deny("the query has what belongs into headers");
    }
    if let Err(why) = s3::stays(asked.headers) {
        return deny(why);
    }
    let (bucket, key) = match place(asked.target) {
        Ok(place) => place,
        Err(why) => return deny(why),
    };
    if let Err(why) = plain(&key) {
        return deny(why);
    }
    match operation {
        "DeleteObjects" => match delete::keys(asked.body, asked.headers) {
            Err(why) => deny(why),
            Ok(objects) => objects.into_iter().fold(Verdict::allowed(), |verdict, object| {
                verdict.and(|| match plain(&object.key) {
                    Err(why) => deny(why),
                    Ok(()) if object.is_version => {
                        ask(bucket, &Touch::Object(&object.key, asked.headers), &needed.without(&["DeleteObject"]))
                    }
                    Ok(()) => ask(bucket, &Touch::Object(&object.key, asked.headers), &needed.without(&["DeleteObjectVersion"])),
                })
            }),
        },
        "RestoreObject" if delete::restores_elsewhere(asked.body, asked.headers) => {
            deny("a restoration that writes elsewhere, or cannot be read")
        }
        _ if COPIES.contains(&operation) => match source::of(asked.headers) {
            Err(why) => deny(why),
            Ok(source) => source.readings().into_iter().fold(
                ask(bucket, &made(operation, &key, asked.headers), &needed.without(&READS)),
                |verdict, from| {
                    let read = needed.one(READS[usize::from(source.is_version)]);
                    verdict.and(|| match plain(&from) {
                        Err(why) => deny(why),
                        Ok(()) => ask(source.bucket, &Touch::Object(&from, asked.headers), &read),
                    })
                },
            ),
        },
        _ if OF_OBJECT.contains(&operation) => ask(bucket, &made(operation, &key, asked.headers), needed),
        _ if LISTINGS.contains(&operation) => match prefix_of(asked.target) {
            Err(why) => deny(why),
            Ok(prefix) => ask(bucket, &Touch::Listing(prefix.as_deref()), needed),
        },
        _ if HARMLESS.contains(&operation) => ask(bucket, &Touch::Harmless, needed),
        _ if *method == Method::GET => ask(bucket, &Touch::Settings, needed),
        _ => deny("it changes the bucket, or what the guard does not understand"),
    }
}

/// The object that an operation makes, or is about.
fn made<'a>(operation: &str, key: &'a str, headers: &'a HeaderMap) -> Touch<'a> {
    if WRITES.contains(&operation) { Touch::Write(key, headers) } else { Touch::Object(key, headers) }
}

/// `prefix` of a listing, if there is one.
fn prefix_of(target: &Target) -> Result<Option<Cow<'_, str>>, &'static str> {
    let query = target.path_and_query.query().unwrap_or_default();
    let mut found = None;
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if percent_decode_str(key).decode_utf8_lossy() != "prefix" {
            continue;
        }
        if found.is_some() {
            return Err("a listing with two prefixes");
        }
        found = Some(percent_decode_str(value).decode_utf8().map_err(|_| "the listing's prefix is not UTF-8")?);
    }
    match &found {
        Some(prefix) => plain(prefix).map(|()| found),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
