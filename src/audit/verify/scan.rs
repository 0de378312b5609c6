//! One file, line by line.

use std::{
    collections::HashMap,
    io::{self, BufRead, Read},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Place, Verifier};
use crate::{
    audit::{
        key::PublicKey,
        line::{After, Header, MAX_LINE, NOTHING, hash},
    },
    config::quantity,
};

/// Records are written in the order in which they are handed in, and have the time at which they were made: a little less is nothing.
const BACK: Duration = Duration::from_secs(5);

/// Records of one chain that stand behind each other in one file.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) instance: String,
    pub(super) first_seq: u64,
    pub(super) first_prev: String,
    pub(super) first_at: Place,
    pub(super) first_time: String,
    pub(super) last_seq: u64,
    pub(super) last_hash: String,
    pub(super) last_at: Place,
    pub(super) last_time: String,
    /// The last checkpoint that verifies.
    pub(super) signed: Option<u64>,
    /// One that does not was told.
    pub(super) is_told: bool,
    /// What its first record says of the line before it.
    pub(super) after: Option<After>,
}

impl Run {
    /// What is wrong where it should go on behind record `seq`.
    pub(super) fn follows(&self, seq: u64, hash: &str, before: &str) -> Option<String> {
        follows((self.first_seq, &self.first_prev), (seq, hash), before)
    }
}

fn follows((seq, prev): (u64, &str), (last, hash): (u64, &str), before: &str) -> Option<String> {
    match seq.checked_sub(last) {
        None | Some(0) => Some(format!("record {seq} stands behind record {last}{before}: moved, or here twice")),
        Some(1) if prev == hash => None,
        Some(1) => Some(format!("record {seq} does not follow from the line before it{before}: that one was changed, or this one")),
        Some(2) => Some(format!("record {} is missing behind record {last}{before}", last + 1)),
        Some(_) => Some(format!("records {} to {} are missing behind record {last}{before}", last + 1, seq - 1)),
    }
}

/// A file that is being read.
pub(super) struct Scan<'v> {
    verifier: &'v mut Verifier,
    file: Arc<str>,
    line: u64,
    /// Where the runs that may go on are, by instance: one, unless the file is merged.
    open: HashMap<String, usize>,
    /// Hash of the last whole record.
    last: Option<String>,
    /// Lines that are no records, and what is wrong with the first: halves of some, if the next says so.
    broken: Option<(Place, Vec<u8>, String)>,
    /// Of the last record.
    time: Option<SystemTime>,
}

impl<'v> Scan<'v> {
    pub(super) fn new(verifier: &'v mut Verifier, name: &str) -> Self {
        Self { verifier, file: name.into(), line: 0, open: HashMap::new(), last: None, broken: None, time: None }
    }

    pub(super) fn read(mut self, mut lines: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if (&mut lines).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            self.line += 1;
            if line.pop_if(|last| *last == b'\n').is_some() {
                self.look(&line);
            } else if line.len() > MAX_LINE {
                self.problem("is longer than 1 MiB".to_owned());
                lines.skip_until(b'\n')?;
            } else {
                let at = self.place();
                self.verifier.tails.push((at, std::mem::take(&mut line)));
            }
        }
        self.settle(None);
        Ok(())
    }

    fn place(&self) -> Place {
        Place { file: self.file.clone(), line: self.line, number: self.verifier.files }
    }

    fn problem(&mut self, what: String) {
        let at = self.place();
        self.verifier.problem(Some(&at), what);
    }

    fn look(&mut self, line: &[u8]) {
        if self.line == 1 {
            self.verifier.first_lines.push((self.verifier.files, line.to_vec()));
        }
        match Header::read(line) {
            Ok(header) => {
                self.settle(header.after.as_ref());
                self.record(&header, line);
            }
            Err(_) if self.verifier.terms.merged => self.verifier.skipped += 1,
            Err(wrong) => match &mut self.broken {
                Some((_, bytes, _)) if bytes.len() <= MAX_LINE => {
                    bytes.push(b'\n');
                    bytes.extend_from_slice(line);
                }
                Some(_) => self.settle(None),
                None => self.broken = Some((self.place(), line.to_vec(), wrong)),
            },
        }
    }

    /// What is no record was half of one, if the first record of the next chain names it.
    fn settle(&mut self, after: Option<&After>) {
        let named = after.and_then(|after| after.fragment.as_ref());
        match self.broken.take() {
            Some((at, bytes, wrong)) if named != Some(&hash(&bytes)) => self.verifier.problem(Some(&at), wrong),
            None if named.is_some() && !self.verifier.terms.merged => {
                self.problem("names half a line before it, which is not here".to_owned())
            }
            Some(_) | None => {}
        }
    }

    fn record(&mut self, header: &Header, line: &[u8]) {
        let hash = hash(line);
        let run = self.open.get(&header.instance).copied().filter(|run| self.goes_on(*run, header));
        let run = match run {
            Some(run) => run,
            None => self.begin(header),
        };
        self.watch_time(header);
        if header.event == "checkpoint" {
            self.checkpoint(header, line, &hash, run);
        }
        let at = self.place();
        let run = &mut self.verifier.runs[run];
        run.last_seq = header.seq;
        run.last_at = at;
        run.last_time.clone_from(&header.time);
        run.last_hash.clone_from(&hash);
        self.last = Some(hash);
    }

    /// Whether the record goes on with a run.
    fn goes_on(&mut self, run: usize, header: &Header) -> bool {
        let run = &self.verifier.runs[run];
        match follows((header.seq, &header.prev), (run.last_seq, &run.last_hash), "") {
            None => true,
            Some(wrong) => {
                self.problem(wrong);
                false
            }
        }
    }

    /// A run that begins with this record.
    fn begin(&mut self, header: &Header) -> usize {
        let is_first = header.seq == 0;
        if is_first && (header.prev != NOTHING || header.event != "started") {
            self.problem("is record 0, and begins no chain".to_owned());
        }
        // In a file with one writer, what goes on behind a problem has been told of already.
        let is_known = self.open.contains_key(&header.instance);
        if !self.verifier.terms.merged && !is_known && self.last.is_some() {
            let named = header.after.as_ref().and_then(|after| after.hash.as_ref());
            if !is_first {
                self.problem(format!("record {} of chain {} stands among those of another", header.seq, header.instance));
            } else if named != self.last.as_ref() {
                self.problem(format!("chain {} was begun behind another line than the one before it", header.instance));
            }
        }
        if self.verifier.terms.believe_keys_of_the_log
            && let Some(key) = header.public_key.as_deref().and_then(PublicKey::from_base64)
        {
            self.verifier.keys.insert(key.id().to_owned(), key);
        }
        let at = self.place();
        if !self.verifier.terms.merged {
            self.open.clear();
        }
        self.open.insert(header.instance.clone(), self.verifier.runs.len());
        self.verifier.runs.push(Run {
            instance: header.instance.clone(),
            first_seq: header.seq,
            first_prev: header.prev.clone(),
            first_at: at.clone(),
            first_time: header.time.clone(),
            last_seq: header.seq,
            last_hash: String::new(),
            last_at: at,
            last_time: header.time.clone(),
            signed: None,
            is_told: false,
            after: header.after.clone().filter(|_| is_first),
        });
        self.verifier.runs.len() - 1
    }

    fn checkpoint(&mut self, header: &Header, line: &[u8], hash: &str, run: usize) {
        let wrong = if header.is_checkpoint(line) {
            self.verifier.unsigned(header)
        } else {
            Some("is no checkpoint as they are written".to_owned())
        };
        match wrong {
            Some(wrong) => {
                self.verifier.runs[run].is_told = true;
                self.problem(format!("checkpoint {} {wrong}", header.seq));
            }
            None => {
                self.verifier.runs[run].signed = Some(header.seq);
                self.verifier.checkpoints.insert((header.instance.clone(), header.seq), hash.to_owned());
            }
        }
    }

    fn watch_time(&mut self, header: &Header) {
        let Some(time) = quantity::moment(&header.time) else {
            return self.problem(format!("record {} has no time", header.seq));
        };
        if let Some(back) = self.time.and_then(|before| before.duration_since(time).ok()).filter(|back| *back >= BACK)
            && !self.verifier.terms.merged
        {
            let note = format!("{}: the clock went back by {} seconds", self.place(), back.as_secs());
            self.verifier.notes.push(note);
        }
        self.time = Some(time);
    }
}
