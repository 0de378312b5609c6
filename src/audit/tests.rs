//! The writer against sinks of every kind, and the verifier against every kind of change.

mod changes;
mod writing;

use std::sync::Arc;

use super::{
    AuditKey,
    line::{After, Chain, Header, hash},
    verify::{Report, Terms, Verifier},
};

/// A log as it could have been written: lines by file, the file that was written last at the end.
#[derive(Debug, Clone, Default)]
struct Log {
    files: Vec<Vec<Vec<u8>>>,
}

/// One chain of it.
#[derive(Debug, Clone)]
struct Run {
    /// A text for each record.
    texts: Vec<String>,
    /// A checkpoint after so many records.
    signed_every: usize,
    /// Records after which a new file is begun.
    rotated: Vec<usize>,
    /// It ends with a part of a line, of so many bytes, and without a last checkpoint.
    crash: Option<usize>,
}

impl Log {
    /// What processes with one `key` would have written, one after the other.
    fn of(runs: &[Run], key: &AuditKey) -> Self {
        let mut log = Self { files: vec![Vec::new()] };
        for (number, run) in runs.iter().enumerate() {
            let mut chain = Chain::new(format!("{number:032x}"));
            let after = log.end();
            let after = after.map_or(String::new(), |after| format!(",\"after\":{}", serde_json::to_string(&after).unwrap()));
            log.push(chain.append(format!(r#"{{"time":"{TIME}","event":"started"{after}}}"#).as_bytes()));
            log.push(chain.checkpoint(TIME, key).unwrap());
            for (number, text) in run.texts.iter().enumerate() {
                let text = serde_json::to_string(text).unwrap();
                log.push(chain.append(format!(r#"{{"time":"{TIME}","event":"allowed","subject":{text}}}"#).as_bytes()));
                if (number + 1).is_multiple_of(run.signed_every) {
                    log.push(chain.checkpoint(TIME, key).unwrap());
                }
                if run.rotated.contains(&number) {
                    log.push(chain.checkpoint(TIME, key).unwrap());
                    log.files.push(Vec::new());
                }
            }
            match run.crash {
                None => log.push(chain.checkpoint(TIME, key).unwrap()),
                Some(bytes) => {
                    let mut line = chain.append(format!(r#"{{"time":"{TIME}","event":"lost"}}"#).as_bytes());
                    line.truncate(bytes.clamp(1, line.len() - 1));
                    log.push(line);
                }
            }
        }
        log
    }

    fn push(&mut self, line: Vec<u8>) {
        self.files.last_mut().unwrap().push(line);
    }

    /// What a process finds that opens the last file, which it then ends with a line feed.
    fn end(&mut self) -> Option<After> {
        let file = self.files.last_mut().unwrap();
        let fragment = file.last_mut().filter(|line| line.last() != Some(&b'\n')).map(|line| {
            let fragment = (hash(line), Header::read(line).is_ok());
            line.push(b'\n');
            fragment
        });
        // A line that lacks its line feed alone is a record as soon as it has that.
        let fragment = fragment.filter(|(_, is_record)| !is_record).map(|(fragment, _)| fragment);
        let last = self
            .files
            .iter()
            .flatten()
            .rev()
            .find_map(|line| Some((Header::read(line.trim_ascii_end()).ok()?, hash(line.trim_ascii_end()))));
        let after =
            last.map(|(header, hash)| After { instance: Some(header.instance), seq: Some(header.seq), hash: Some(hash), fragment: None });
        match (after, fragment) {
            (None, None) => None,
            (after, fragment) => Some(After { fragment, ..after.unwrap_or_default() }),
        }
    }

    fn lines(&self) -> usize {
        self.files.iter().map(Vec::len).sum()
    }

    /// The file and the place in it of a line.
    fn place(&self, mut line: usize) -> (usize, usize) {
        line %= self.lines();
        for (number, file) in self.files.iter().enumerate() {
            if line < file.len() {
                return (number, line);
            }
            line -= file.len();
        }
        unreachable!()
    }

    /// The checkpoint that was exported last.
    fn head(&self) -> Vec<u8> {
        let is_checkpoint = |line: &&Vec<u8>| Header::read(line.trim_ascii_end()).is_ok_and(|header| header.event == "checkpoint");
        self.files.iter().flatten().rfind(is_checkpoint).unwrap().clone()
    }

    fn verify(&self, key: &AuditKey, head: Option<&[u8]>) -> Report {
        verify(self.files.iter().map(|file| file.concat()), terms(key), head)
    }
}

const TIME: &str = "2026-11-28T00:00:00.000Z";

fn terms(key: &AuditKey) -> Terms {
    Terms { keys: vec![key.public().clone()], ..Terms::default() }
}

fn verify(files: impl IntoIterator<Item = Vec<u8>>, terms: Terms, head: Option<&[u8]>) -> Report {
    let mut verifier = Verifier::new(terms);
    for (number, file) in files.into_iter().enumerate() {
        verifier.read(&format!("log.{number}"), &file[..]).unwrap();
    }
    if let Some(head) = head {
        verifier.head("head", head);
    }
    verifier.finish()
}

fn key() -> Arc<AuditKey> {
    Arc::new(AuditKey::generate().unwrap().0)
}

fn said(report: &Report) -> Vec<String> {
    report.problems.iter().map(ToString::to_string).collect()
}
