//! The form of a line: what every record has, how lines hang together, and what a checkpoint signs. Pure.
//!
//! A line is one JSON object (RFC 8259) in UTF-8 without any space between its members, and a line feed. Its hash is the SHA-256 of
//! its bytes without the line feed, in hex: nothing is ever put into another form to be hashed, so that there is nothing about
//! which two readers could differ.

use std::{cell::RefCell, time::SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use super::key::AuditKey;

/// What tells these lines from those of the access log.
pub(crate) const LOG: &str = "audit";
/// The version of this form.
const VERSION: u64 = 1;
/// `prev` of a chain's first record.
pub(super) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Longest line that a verifier reads, in bytes. Writers stay far below.
pub(super) const MAX_LINE: usize = 1 << 20;

/// What a verifier looks at. The rest of a record is for people.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Header {
    pub(super) log: String,
    pub(super) v: u64,
    /// 128 random bits in hex, of one run of one process.
    pub(super) instance: String,
    /// From 0, without a gap.
    pub(super) seq: u64,
    /// Hash of the line before it.
    pub(super) prev: String,
    pub(super) time: String,
    pub(super) event: String,
    /// Of a checkpoint, and of the first record: the id of the key.
    pub(super) key: Option<String>,
    /// Of a checkpoint.
    pub(super) signature: Option<String>,
    /// Of the first record: the key itself.
    pub(super) public_key: Option<String>,
    /// Of the first record: what stood in the file before it.
    pub(super) after: Option<After>,
}

/// What stood in a file when a chain was begun in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    /// Of the last record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instance: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
    /// Hash of its line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hash: Option<String>,
    /// Hash of what stood behind it, without a line feed at its end: half a line, of a process that was ended while it wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fragment: Option<String>,
}

impl Header {
    /// Reads a line, without its line feed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        let header: Self = serde_json::from_slice(line).map_err(|error| format!("is no record: {error}"))?;
        match &header {
            Self { log, .. } if log != LOG => Err("is no record of an audit log".to_owned()),
            Self { v, .. } if *v != VERSION => Err(format!("has version {v} of the format, which this release does not know")),
            _ => Ok(header),
        }
    }

    /// The message that a checkpoint signs.
    pub(super) fn message(&self) -> Vec<u8> {
        message(&self.instance, self.seq, &self.prev, &self.time)
    }

    /// Whether `line` is a checkpoint's, to the last byte: its signature is for the members that it is made of, and none other may stand beside them.
    pub(super) fn is_checkpoint(&self, line: &[u8]) -> bool {
        let (Some(key), Some(signature)) = (&self.key, &self.signature) else { return false };
        let body = checkpoint_body(&self.time, key, signature);
        line == &with_head(&self.instance, self.seq, &self.prev, body.as_bytes())[..]
    }
}

/// The place of the next record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) instance: String,
    /// Of the next record.
    pub(super) seq: u64,
    pub(super) prev: String,
}

impl Chain {
    /// One that begins.
    pub(super) fn new(instance: String) -> Self {
        Self { instance, seq: 0, prev: NOTHING.to_owned() }
    }

    /// The line of a record, its line feed included. `body` is a JSON object that is not empty.
    pub(super) fn append(&mut self, body: &[u8]) -> Vec<u8> {
        let mut line = with_head(&self.instance, self.seq, &self.prev, body);
        self.prev = hash(&line);
        self.seq += 1;
        line.push(b'\n');
        line
    }

    /// The line of a checkpoint.
    ///
    /// # Errors
    /// The library failed.
    pub(super) fn checkpoint(&mut self, time: &str, key: &AuditKey) -> Result<Vec<u8>, super::key::KeyProblem> {
        let signature = key.sign(&message(&self.instance, self.seq, &self.prev, time))?;
        Ok(self.append(checkpoint_body(time, key.public().id(), &signature).as_bytes()))
    }
}

/// Where it stands and in which chain, and all before it by their hash: whoever changes any of that needs the key.
fn message(instance: &str, seq: u64, prev: &str, time: &str) -> Vec<u8> {
    format!("palisade-audit-v1\n{instance}\n{seq}\n{prev}\n{time}\n").into_bytes()
}

fn checkpoint_body(time: &str, key: &str, signature: &str) -> String {
    // What a verifier reads out of a line may be anything.
    let [time, key, signature] = [time, key, signature].map(|text| serde_json::Value::from(text).to_string());
    format!(r#"{{"time":{time},"event":"checkpoint","key":{key},"signature":{signature}}}"#)
}

fn with_head(instance: &str, seq: u64, prev: &str, body: &[u8]) -> Vec<u8> {
    let [instance, prev] = [instance, prev].map(|text| serde_json::Value::from(text).to_string());
    let mut line = format!(r#"{{"log":"{LOG}","v":{VERSION},"instance":{instance},"seq":{seq},"prev":{prev},"#).into_bytes();
    line.extend_from_slice(body.get(1..).unwrap_or_default());
    line
}

/// Of a line without its line feed.
pub(super) fn hash(line: &[u8]) -> String {
    hex(digest(&SHA256, line).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// RFC 3339 in UTC, with milliseconds.
pub(crate) fn written(time: SystemTime) -> String {
    let time = aws_smithy_types::DateTime::from(time);
    let milliseconds = time.subsec_nanos() / 1_000_000;
    LATEST.with_borrow_mut(|(latest, text)| {
        if *latest != time.secs() || text.is_empty() {
            let whole = aws_smithy_types::DateTime::from_secs(time.secs());
            *text = whole.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap_or_default();
            text.truncate(text.trim_end_matches('Z').len());
            *latest = time.secs();
        }
        let mut written = String::with_capacity(text.len() + ".000Z".len());
        written.push_str(text);
        written.push('.');
        written.extend([milliseconds / 100, milliseconds / 10 % 10, milliseconds % 10].map(|digit| char::from(b'0' + digit as u8)));
        written.push('Z');
        written
    })
}

thread_local! {
    /// The second that was written last: lines come many to a second.
    static LATEST: RefCell<(i64, String)> = const { RefCell::new((0, String::new())) };
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_line_names_the_one_before_it() {
        let mut chain = Chain::new("i".to_owned());
        let first = chain.append(br#"{"time":"t","event":"started"}"#);
        let text = std::str::from_utf8(&first).unwrap();
        assert_eq!(
            text,
            format!(
                "{{\"log\":\"audit\",\"v\":1,\"instance\":\"i\",\"seq\":0,\"prev\":\"{NOTHING}\",\"time\":\"t\",\"event\":\"started\"}}\n"
            )
        );
        let second = Header::read(chain.append(br#"{"time":"t","event":"stopped"}"#).trim_ascii_end()).unwrap();
        assert_eq!((second.seq, second.prev), (1, hash(first.trim_ascii_end())));
        assert_eq!(hash(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "FIPS 180-2, appendix B.1");
    }

    #[test]
    fn a_checkpoint_is_its_members_and_nothing_else() {
        let (key, _) = AuditKey::generate().unwrap();
        let mut chain = Chain::new("i".to_owned());
        let line = chain.checkpoint("t", &key).unwrap();
        let line = line.trim_ascii_end();
        let header = Header::read(line).unwrap();
        assert!(header.is_checkpoint(line) && key.public().verifies(&header.message(), header.signature.as_deref().unwrap()));
        let more = String::from_utf8(line.to_vec()).unwrap().replace("}", ",\"x\":1}");
        assert!(!Header::read(more.as_bytes()).unwrap().is_checkpoint(more.as_bytes()));
    }

    #[test]
    fn a_time_is_written_as_rfc_3339_has_it_whatever_was_written_before() {
        let at = |milliseconds| written(UNIX_EPOCH + std::time::Duration::from_millis(milliseconds));
        assert_eq!(at(1_369_353_600_007), "2013-05-24T00:00:00.007Z");
        assert_eq!(at(1_369_353_600_980), "2013-05-24T00:00:00.980Z");
        assert_eq!(at(1_369_353_599_999), "2013-05-23T23:59:59.999Z");
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(1_369_353_600_123), "2013-05-24T00:00:00.123Z");
    }

    #[test]
    fn what_is_no_record_is_told() {
        let record = |text: &str| Header::read(text.as_bytes()).unwrap_err();
        assert!(record("").starts_with("is no record: "));
        assert!(record("{}").starts_with("is no record: missing field"));
        let line = r#"{"log":"access","v":1,"instance":"i","seq":0,"prev":"p","time":"t","event":"e"}"#;
        assert_eq!(record(line), "is no record of an audit log");
        assert!(record(&line.replace("access", "audit").replace(":1,", ":2,")).contains("version 2"));
        // Which of two members counts is up to each reader.
        assert!(record(&line.replace("access", "audit").replace("\"v\"", "\"seq\":1,\"v\"")).contains("duplicate field"));
    }

    #[test]
    fn time_has_milliseconds() {
        assert_eq!(written(UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_045)), "2023-11-14T22:13:20.045Z");
    }
}
