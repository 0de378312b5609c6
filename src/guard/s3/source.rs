//! The source of a copy: `x-amz-copy-source`.
//!
//! `BUCKET/KEY` or `/BUCKET/KEY`, URL-encoded, with `?versionId=ID` behind it ("CopyObject", Amazon S3 API reference). An access point's ARN in place of the
//! bucket is refused: which bucket is behind it, it does not say.

use std::borrow::Cow;

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use crate::aws::resource::s3::bucket_name;

const HEADER: &str = "x-amz-copy-source";

/// What is copied.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source<'a> {
    pub(super) bucket: &'a str,
    pub(super) is_version: bool,
    key: Cow<'a, str>,
    /// The same, where each `+` that is not encoded is a space.
    spaced: Option<String>,
}

impl Source<'_> {
    /// Every key that the source could be: `+` is itself, or a space, where it is written so alone or where it is encoded, too.
    pub(super) fn readings(&self) -> Vec<Cow<'_, str>> {
        let mut readings = vec![Cow::Borrowed(&*self.key)];
        if self.key.contains('+') {
            readings.push(Cow::Owned(self.key.replace('+', " ")));
        }
        if let Some(spaced) = self.spaced.as_deref()
            && readings.iter().all(|reading| reading != spaced)
        {
            readings.push(Cow::Borrowed(spaced));
        }
        readings
    }
}

/// The source that `headers` name.
pub(super) fn of(headers: &HeaderMap) -> Result<Source<'_>, &'static str> {
    let mut values = headers.get_all(HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err("a copy has one source") };
    let text = value.to_str().map_err(|_| "the copy's source is not text")?;
    let text = text.strip_prefix('/').unwrap_or(text);
    let (path, version) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let is_version = match version {
        None => false,
        Some(query) if query.strip_prefix("versionId=").is_some_and(|id| !id.contains(['?', '&'])) => true,
        Some(_) => return Err("the copy's source is followed by what is no version"),
    };
    let (bucket, key) = path.split_once('/').ok_or("the copy's source names no object")?;
    bucket_name(bucket)?;
    let spaced = if key.contains('+') { Some(decoded(&key.replace('+', " "))?.into_owned()) } else { None };
    let key = decoded(key)?;
    if key.is_empty() {
        return Err("the copy's source names no object");
    }
    // Some readers look for the version only after decoding.
    if key.to_ascii_lowercase().contains("?versionid=") {
        return Err("the copy's source hides a version");
    }
    Ok(Source { bucket, is_version, key, spaced })
}

fn decoded(text: &str) -> Result<Cow<'_, str>, &'static str> {
    percent_decode_str(text).decode_utf8().map_err(|_| "the copy's source is not UTF-8")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (http::HeaderName::from_static(HEADER), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_source_is_read_in_every_way_that_s3_could() {
        for (text, bucket, keys, is_version) in [
            ("pool-data/acme/x", "pool-data", &["acme/x"][..], false),
            ("/pool-data/acme/x", "pool-data", &["acme/x"], false),
            ("pool-data//acme/x", "pool-data", &["/acme/x"], false),
            ("pool-data/acme/a%20b%2Fc", "pool-data", &["acme/a b/c"], false),
            ("pool-data/acme/a+b", "pool-data", &["acme/a+b", "acme/a b"], false),
            ("pool-data/acme/a+b%2Bc", "pool-data", &["acme/a+b+c", "acme/a b c", "acme/a b+c"], false),
            ("pool-data/acme/x?versionId=abc", "pool-data", &["acme/x"], true),
            ("pool-data/%61cme/x", "pool-data", &["acme/x"], false),
        ] {
            let headers = headers(&[text]);
            let source = of(&headers).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(
                (source.bucket, source.readings(), source.is_version),
                (bucket, keys.iter().map(|k| Cow::from(*k)).collect(), is_version),
                "{text}"
            );
        }
    }

    #[test]
    fn what_could_be_another_source_is_none() {
        for values in [
            &[][..],
            &["pool-data/acme/x", "pool-data/globex/x"],
            &["pool-data"],
            &["pool-data/"],
            &["/"],
            &["arn:aws:s3:eu-west-1:111122223333:accesspoint/ap/object/acme/x"],
            &["pool%2Ddata/acme/x"],
            &["pool-data%2Facme/x"],
            &["Pool/acme/x"],
            &["pool-x1y2-s3alias/acme/x"],
            &["pool-data/acme/x?versionid=1"],
            &["pool-data/acme/x?versionId=1&versionId=2"],
            &["pool-data/acme/x?y"],
            &["pool-data/acme/x%3FversionId=1"],
            &["pool-data/%ff"],
        ] {
            assert!(of(&headers(values)).is_err(), "{values:?}");
        }
    }
}
