//! Bodies of S3 that name objects or places: `DeleteObjects` and `RestoreObject`, in XML.
//!
//! Read strictly, since whoever reads differently from S3 could be shown one key while S3 deletes another: UTF-8 alone, no document type, no
//! entities but XML's own five and numbers, no comments, instructions or CDATA, no element or attribute that S3 does not document, and none twice.

use http::{HeaderMap, header};
use quick_xml::{
    Reader,
    escape::resolve_xml_entity,
    events::{BytesDecl, BytesStart, Event, attributes::Attributes},
};

/// Most keys of a request ("DeleteObjects", Amazon S3 API reference).
const MAX_OBJECTS: usize = 1_000;
/// Deeper than any document that is read here.
const MAX_DEPTH: usize = 4;
/// Elements that have elements in them, and between these whatever blanks somebody likes.
const CONTAINERS: [&str; 4] = ["Delete", "GlacierJobParameters", "Object", "RestoreRequest"];
const NAMESPACE: &[u8] = b"http://s3.amazonaws.com/doc/2006-03-01/";

const UNREADABLE: &str = "the body is not the XML that is wanted";
const ODD: &str = "the body has a part of XML that is not taken here";

/// An object to be deleted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) is_version: bool,
}

/// The objects that a `DeleteObjects` deletes. Never empty.
pub(super) fn keys(body: Option<&[u8]>, headers: &HeaderMap) -> Result<Vec<Object>, &'static str> {
    let body = plain(body, headers)?;
    let mut objects = Vec::new();
    let mut current: Option<(Option<String>, Option<String>)> = None;
    let mut quiet = false;
    elements(body, |path, text| {
        match (path, text) {
            (["Delete"], _) | (["Delete", "Object", "ETag" | "LastModifiedTime" | "Size"], _) => {}
            (["Delete", "Quiet"], None) if !quiet => quiet = true,
            (["Delete", "Quiet"], Some(_)) => {}
            (["Delete", "Object"], None) => {
                objects.extend(finish(current.replace((None, None)))?);
                if objects.len() == MAX_OBJECTS {
                    return Err("more objects than S3 deletes at once");
                }
            }
            (["Delete", "Object"], Some(_)) => {}
            (["Delete", "Object", name @ ("Key" | "VersionId")], Some(text)) => {
                let (key, version) = current.as_mut().ok_or(UNREADABLE)?;
                let slot = if *name == "Key" { key } else { version };
                if slot.replace(text).is_some() {
                    return Err("an object with two keys or versions");
                }
            }
            (["Delete", "Object", "Key" | "VersionId"], None) => {}
            _ => return Err("an element that is not S3's"),
        }
        Ok(())
    })?;
    objects.extend(finish(current)?);
    if objects.is_empty() { Err("no object is named") } else { Ok(objects) }
}

fn finish(object: Option<(Option<String>, Option<String>)>) -> Result<Option<Object>, &'static str> {
    let Some((key, version)) = object else { return Ok(None) };
    let key = key.filter(|key| !key.is_empty()).ok_or("an object without a key")?;
    Ok(Some(Object { key, is_version: version.is_some_and(|version| !version.is_empty()) }))
}

/// A body that is UTF-8 to every reader: `Content-Type` wins over what the document declares (RFC 7303, section 3.2).
fn plain<'b>(body: Option<&'b [u8]>, headers: &HeaderMap) -> Result<&'b [u8], &'static str> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err("the body is encoded");
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let media_type = types.next().map_or(Ok(""), |value| value.to_str().map_err(|_| UNREADABLE))?.to_ascii_lowercase();
    let charset = media_type.split(';').skip(1).find_map(|part| part.trim().strip_prefix("charset="));
    if types.next().is_some()
        || charset.is_some_and(|charset| charset.trim_matches('"') != "utf-8")
        || media_type.matches("charset").count() > 1
    {
        return Err("the body is declared not to be UTF-8");
    }
    body.ok_or("the body is not in memory")
}

/// Whether a `RestoreObject` writes somewhere else than back to its object, or cannot be read.
pub(super) fn restores_elsewhere(body: Option<&[u8]>, headers: &HeaderMap) -> bool {
    let Ok(body) = plain(body, headers) else { return true };
    elements(body, |path, _| match path {
        ["RestoreRequest"] | ["RestoreRequest", "Days" | "Description" | "Tier" | "GlacierJobParameters"] => Ok(()),
        ["RestoreRequest", "GlacierJobParameters", "Tier"] => Ok(()),
        _ => Err("another kind of restoration"),
    })
    .is_err()
}

/// Tells `visit` of each element twice: when it begins, with no text, and when it ends, with the text in it.
fn elements(body: &[u8], mut visit: impl FnMut(&[&str], Option<String>) -> Result<(), &'static str>) -> Result<(), &'static str> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8")?;
    if text.starts_with('\u{feff}') {
        return Err("the body begins with a byte order mark");
    }
    let mut reader = Reader::from_str(text);
    // A stack of names and the text in them.
    let mut open: Vec<(String, String)> = Vec::new();
    let mut has_begun = false;
    let mut tell = |open: &[(String, String)], text| {
        let path: Vec<&str> = open.iter().map(|(name, _)| name.as_str()).collect();
        visit(&path, text)
    };
    loop {
        let event = reader.read_event().map_err(|_| UNREADABLE)?;
        match event {
            Event::Decl(declaration) if !has_begun && reader.buffer_position() == declaration.len() as u64 + 4 => declared(&declaration)?,
            Event::Start(start) | Event::Empty(start) if open.is_empty() && has_begun => {
                let _ = start;
                return Err("the body is two documents");
            }
            Event::Start(start) => {
                begin(&start, &mut open)?;
                has_begun = true;
                tell(&open, None)?;
            }
            Event::Empty(start) => {
                begin(&start, &mut open)?;
                has_begun = true;
                tell(&open, None)?;
                tell(&open, Some(String::new()))?;
                open.pop();
            }
            // That it closes what is open the reader has seen to.
            Event::End(_) => {
                let text = open.last_mut().map(|(_, text)| std::mem::take(text)).ok_or(UNREADABLE)?;
                tell(&open, Some(text))?;
                open.pop();
            }
            Event::Text(text) => {
                let text = std::str::from_utf8(&text).map_err(|_| UNREADABLE)?;
                // A bare CR is a line feed to XML (section 2.11), and itself to a reader that does not know.
                let is_between = open.last().is_none_or(|(name, _)| CONTAINERS.contains(&name.as_str()));
                if text.contains('\r') && !(is_between && text.bytes().all(|b| b.is_ascii_whitespace())) {
                    return Err("text with a carriage return");
                }
                match open.last_mut() {
                    Some((_, so_far)) => so_far.push_str(text),
                    None if text.bytes().all(|b| b.is_ascii_whitespace()) => {}
                    None => return Err("text outside of the document"),
                }
            }
            Event::GeneralRef(reference) => {
                let (_, so_far) = open.last_mut().ok_or(ODD)?;
                match reference.resolve_char_ref().map_err(|_| ODD)? {
                    Some(character) => so_far.push(character),
                    None => {
                        let name = std::str::from_utf8(&reference).map_err(|_| ODD)?;
                        so_far.push_str(resolve_xml_entity(name).ok_or("an entity that is not XML's own")?);
                    }
                }
            }
            Event::Eof if open.is_empty() && has_begun => return Ok(()),
            Event::Eof => return Err(UNREADABLE),
            Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::DocType(_) | Event::PI(_) => return Err(ODD),
        }
    }
}

fn declared(declaration: &BytesDecl<'_>) -> Result<(), &'static str> {
    let text = std::str::from_utf8(declaration).map_err(|_| UNREADABLE)?;
    for attribute in Attributes::new(text, "xml".len()) {
        let attribute = attribute.map_err(|_| UNREADABLE)?;
        match attribute.key.as_ref() {
            b"encoding" if attribute.value.eq_ignore_ascii_case(b"utf-8") => {}
            b"encoding" => return Err("the body is declared not to be UTF-8"),
            b"standalone" => {}
            // XML 1.1 has other line ends, which in a key are another character then.
            b"version" if *attribute.value == *b"1.0" => {}
            _ => return Err(ODD),
        }
    }
    Ok(())
}

fn begin(start: &BytesStart<'_>, open: &mut Vec<(String, String)>) -> Result<(), &'static str> {
    if open.len() == MAX_DEPTH {
        return Err("the body is nested too deeply");
    }
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| UNREADABLE)?;
        let is_namespace = open.is_empty() && attribute.key.as_ref() == b"xmlns" && *attribute.value == *NAMESPACE;
        if !is_namespace {
            return Err("an attribute that is not S3's");
        }
    }
    // A prefix would be a part of the name, and is in none that is known.
    let name = std::str::from_utf8(start.name().into_inner()).map_err(|_| UNREADABLE)?.to_owned();
    open.push((name, String::new()));
    Ok(())
}

#[cfg(test)]
mod tests;
