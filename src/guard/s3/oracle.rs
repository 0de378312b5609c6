//! What has to hold for whatever bytes come: other readers of the same requests, which know nothing of how these are read here.
//!
//! Each function takes any bytes, panics where the guard and another reader see different things in them, and says whether they were taken: what is refused
//! is nobody's, and is compared with nothing.

use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode;

use super::{delete, source};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The keys of a `DeleteObjects` are those that two other readers of XML find: one that knows the standard, and one that looks for `<Key>` alone.
pub(crate) fn delete_objects(body: &[u8]) -> bool {
    let Ok(objects) = delete::keys(Some(body), &HeaderMap::new()) else { return false };
    let text = std::str::from_utf8(body).unwrap_or_else(|_| panic!("what is no UTF-8 was taken"));
    let found: Vec<(String, bool)> = objects.into_iter().map(|object| (object.key, object.is_version)).collect();
    assert!(!found.is_empty() && found.iter().all(|(key, _)| !key.is_empty()), "an object without a key was taken: {text:?}");
    // A document that a reader of the standard refuses, S3 refuses.
    if let Ok(document) = roxmltree::Document::parse(text) {
        assert_eq!(found, by_standard(&document), "{text:?}");
    }
    let keys: Vec<String> = found.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, by_eye(text), "{text:?}");
    true
}

/// A restoration that is taken names nothing but how long and how fast, to a reader of the standard too.
pub(crate) fn restore_object(body: &[u8]) -> bool {
    if delete::restores_elsewhere(Some(body), &HeaderMap::new()) {
        return false;
    }
    let text = std::str::from_utf8(body).unwrap_or_else(|_| panic!("what is no UTF-8 was taken"));
    let Ok(document) = roxmltree::Document::parse(text) else { return true };
    for element in document.descendants().filter(roxmltree::Node::is_element) {
        let known = ["RestoreRequest", "Days", "Description", "Tier", "GlacierJobParameters"];
        assert!(known.contains(&element.tag_name().name()), "{text:?}");
    }
    true
}

fn by_standard(document: &roxmltree::Document<'_>) -> Vec<(String, bool)> {
    let is = |node: &roxmltree::Node<'_, '_>, name: &str| {
        node.is_element() && node.tag_name().name() == name && matches!(node.tag_name().namespace(), None | Some(NAMESPACE))
    };
    let objects = document.root_element().children().filter(|node| is(node, "Object"));
    let read = |object: roxmltree::Node<'_, '_>| {
        let of = |name: &str| object.children().filter(|node| is(node, name)).map(text_of).collect::<Vec<String>>();
        (of("Key").concat(), of("VersionId").iter().any(|version| !version.is_empty()))
    };
    assert!(is(&document.root_element(), "Delete"), "the root is another element");
    objects.map(read).collect()
}

fn text_of(node: roxmltree::Node<'_, '_>) -> String {
    node.descendants().filter(roxmltree::Node::is_text).filter_map(|node| node.text()).collect()
}

/// As a reader that knows next to nothing of XML: what stands between `<Key>` and `</Key>`.
fn by_eye(text: &str) -> Vec<String> {
    let begin = |rest: &str| {
        let at = rest.match_indices("<Key").find(|(at, _)| rest[at + 4..].starts_with(['>', ' ', '\t', '\r', '\n']))?.0;
        let end = at + rest[at..].find('>')? + 1;
        Some(end)
    };
    let (mut rest, mut keys) = (text, Vec::new());
    while let Some(at) = begin(rest) {
        let end = rest[at..].find("</Key").map_or(rest.len(), |end| at + end);
        keys.push(unescaped(&rest[at..end]));
        rest = &rest[end..];
    }
    keys
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').unwrap_or((part, ""));
        let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let character = match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => {
                name.strip_prefix('#').and_then(|name| name.strip_prefix('x').map_or_else(|| number(name, 10), |digits| number(digits, 16)))
            }
        };
        plain.extend(character);
        plain.push_str(rest);
    }
    plain
}

/// What is copied is, to every reader that there is of `x-amz-copy-source`, the bucket and one of the keys that are judged.
pub(crate) fn copy_source(value: &[u8]) -> bool {
    let Ok(value) = HeaderValue::from_bytes(value) else { return false };
    let headers: HeaderMap = [(http::HeaderName::from_static("x-amz-copy-source"), value.clone())].into_iter().collect();
    let Ok(source) = source::of(&headers) else { return false };
    let readings = source.readings();
    for (reader, (bucket, key)) in readers(value.as_bytes()) {
        assert_eq!(source.bucket.as_bytes(), bucket, "{reader}: {value:?}");
        assert!(readings.iter().any(|reading| reading.as_bytes() == key), "{reader} reads {key:?}, judged is {readings:?}: {value:?}");
    }
    true
}

type Place = (Vec<u8>, Vec<u8>);

/// Bucket and key as stores are known to read them: the version cut off before decoding or behind it, `+` itself or a space, bucket and key told apart before
/// decoding or behind it.
fn readers(value: &[u8]) -> Vec<(&'static str, Place)> {
    let decode = |bytes: &[u8]| percent_decode(bytes).collect::<Vec<u8>>();
    let spaced = |bytes: &[u8]| bytes.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect::<Vec<u8>>();
    let cut = |bytes: &[u8]| {
        let at = bytes.windows(11).position(|window| window == b"?versionId=");
        bytes[..at.unwrap_or(bytes.len())].to_vec()
    };
    let place = |bytes: &[u8]| {
        let bytes = bytes.strip_prefix(b"/").unwrap_or(bytes);
        let at = bytes.iter().position(|b| *b == b'/').unwrap_or(bytes.len());
        (bytes[..at].to_vec(), bytes.get(at + 1..).unwrap_or_default().to_vec())
    };
    let by_parts = |(bucket, key): Place| (decode(&bucket), decode(&key));
    vec![
        ("cuts, then decodes", place(&decode(&cut(value)))),
        ("decodes, then cuts", place(&cut(&decode(value)))),
        ("takes + for a space, cuts, then decodes", place(&decode(&spaced(&cut(value))))),
        ("takes + for a space, decodes, then cuts", place(&cut(&decode(&spaced(value))))),
        ("splits, then decodes", by_parts(place(&cut(value)))),
    ]
}
