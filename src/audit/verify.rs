//! Proof that an audit log is whole, or of where it is not.
//!
//! Files are read once, from front to back, in any order: what of a chain stands in one of them is a *run*, and runs are put together by their sequence numbers
//! when all are known. Memory is bounded by the number of runs and checkpoints, and not by that of records.
//!
//! A file has one writer, so a chain may begin in it only as its first line, or behind a line that the chain's first record names. A log that a collector
//! *merged* out of several processes' output has lines of other kinds and of several chains in between; there a chain may begin anywhere.

mod report;
mod scan;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    io::{self, BufRead},
    sync::Arc,
};

pub use self::report::{ChainReport, Report};
use self::scan::{Run, Scan};
use super::{
    key::PublicKey,
    line::{Header, hash},
};

/// What is known beforehand, and what is asked for.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Keys that checkpoints may be signed with.
    pub keys: Vec<PublicKey>,
    /// Takes the keys that the log itself names. Whoever can write the log can name any.
    pub believe_keys_of_the_log: bool,
    /// The files are a collector's, with lines of several processes.
    pub merged: bool,
    /// Chains have to begin at their first record, and to end with a checkpoint.
    pub whole: bool,
}

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// As it was given.
    pub file: Arc<str>,
    /// From 1.
    pub line: u64,
    /// In the order in which files were given.
    number: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Something that no honest log has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The first line that shows it; `None` where what shows it is that there is no line.
    pub at: Option<Place>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(place) => write!(f, "{place}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Reads a log.
#[derive(Debug)]
pub struct Verifier {
    terms: Terms,
    /// By id: those of the terms, and those of the log where they are believed.
    keys: HashMap<String, PublicKey>,
    runs: Vec<Run>,
    /// Hashes of the checkpoints, by instance and number.
    checkpoints: HashMap<(String, u64), String>,
    /// The first line of each file, with the file's number.
    first_lines: Vec<(usize, Vec<u8>)>,
    /// What stands at the end of files without a line feed.
    tails: Vec<(Place, Vec<u8>)>,
    heads: Vec<(String, Header, String)>,
    problems: Vec<Problem>,
    notes: Vec<String>,
    files: usize,
    skipped: u64,
}

/// Chains that another one was begun behind, which is signed, or sealed itself: and by which.
fn sealed(chains: &BTreeMap<String, Vec<Run>>) -> BTreeMap<&str, &str> {
    let begun_behind = |run: &'_ Run| {
        let after = run.after.as_ref()?;
        let (instance, last) =
            chains.get_key_value(after.instance.as_ref()?).and_then(|(instance, runs)| Some((instance, runs.last()?)))?;
        (after.seq == Some(last.last_seq) && after.hash.as_ref() == Some(&last.last_hash)).then_some(instance.as_str())
    };
    let links: Vec<_> =
        chains.iter().flat_map(|(by, runs)| runs.iter().filter_map(move |run| Some((begun_behind(run)?, by.as_str())))).collect();
    let is_signed = |by: &str| chains.get(by).is_some_and(|runs| runs.iter().any(|run| run.signed.is_some()));
    let mut sealed = BTreeMap::new();
    loop {
        let more = links.iter().find(|(of, by)| !sealed.contains_key(of) && (is_signed(by) || sealed.contains_key(by)));
        let Some((of, by)) = more else { return sealed };
        sealed.insert(*of, *by);
    }
}

impl Verifier {
    /// One that has read nothing.
    pub fn new(terms: Terms) -> Self {
        let keys = terms.keys.iter().map(|key| (key.id().to_owned(), key.clone())).collect();
        Self {
            terms,
            keys,
            runs: Vec::new(),
            checkpoints: HashMap::new(),
            first_lines: Vec::new(),
            tails: Vec::new(),
            heads: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
            files: 0,
            skipped: 0,
        }
    }

    /// Reads a file of the log.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&mut self, name: &str, lines: impl BufRead) -> io::Result<()> {
        self.files += 1;
        Scan::new(self, name).read(lines)
    }

    /// Takes a checkpoint that was exported: the log has to have it. Read it before or after the log.
    pub fn head(&mut self, name: &str, text: &[u8]) {
        let line = text.trim_ascii_end();
        match Header::read(line) {
            // Its signature is asked for when all keys are known.
            Ok(header) if header.is_checkpoint(line) => self.heads.push((name.to_owned(), header, hash(line))),
            Ok(_) => self.problem(None, format!("{name} is no checkpoint: give what GET /audit/head answers")),
            Err(wrong) => self.problem(None, format!("{name} {wrong}")),
        }
    }

    /// What it comes to.
    pub fn finish(mut self) -> Report {
        let chains = self.stitch();
        self.links(&chains);
        self.exported(&chains);
        self.tails();
        if chains.is_empty() && self.problems.is_empty() {
            self.problem(None, "there is no record".to_owned());
        }
        let sealed = sealed(&chains);
        let reports =
            chains.iter().map(|(instance, chain)| self.summary(instance, chain, sealed.get(instance.as_str()).copied())).collect();
        if self.skipped > 0 {
            self.notes.push(format!("{} lines are no records of an audit log, and were passed over", self.skipped));
        }
        let place = |problem: &Problem| problem.at.as_ref().map_or((usize::MAX, 0), |at| (at.number, at.line));
        self.problems.sort_by_key(place);
        Report { chains: reports, problems: self.problems, notes: self.notes }
    }

    fn problem(&mut self, at: Option<&Place>, what: String) {
        self.problems.push(Problem { at: at.cloned(), what });
    }

    /// Why the signature of a checkpoint is none.
    fn unsigned(&self, header: &Header) -> Option<String> {
        let id = header.key.as_deref().unwrap_or_default();
        let Some(key) = self.keys.get(id) else { return Some(format!("is signed with key {id}, which was not given")) };
        let is_good = header.signature.as_ref().is_some_and(|signature| key.verifies(&header.message(), signature));
        (!is_good).then(|| "has a signature that is not its key's".to_owned())
    }

    /// Puts runs together. By instance, in order.
    fn stitch(&mut self) -> BTreeMap<String, Vec<Run>> {
        let mut chains: BTreeMap<String, Vec<Run>> = BTreeMap::new();
        for run in std::mem::take(&mut self.runs) {
            chains.entry(run.instance.clone()).or_default().push(run);
        }
        for runs in chains.values_mut() {
            runs.sort_by_key(|run| (run.first_seq, run.last_seq));
            for pair in runs.windows(2) {
                let [before, behind] = pair else { continue };
                // What stands in one file was compared when it was read.
                if before.last_at.number == behind.first_at.number && !self.terms.merged {
                    continue;
                }
                if let Some(wrong) = behind.follows(before.last_seq, &before.last_hash, &format!(" ({})", before.last_at)) {
                    self.problem(Some(&behind.first_at), wrong);
                }
            }
            if let Some(first) = runs.first().filter(|run| run.first_seq > 0) {
                let what = format!("chain {} begins with record {}: those before it are not here", first.instance, first.first_seq);
                if self.terms.whole {
                    self.problem(Some(&first.first_at), what);
                } else {
                    self.notes.push(format!("{}: {what}", first.first_at));
                }
            }
        }
        chains
    }

    /// A chain that was begun behind another has to find that as it was.
    fn links(&mut self, chains: &BTreeMap<String, Vec<Run>>) {
        for run in chains.values().flatten() {
            let Some(after) = &run.after else { continue };
            let (Some(instance), Some(seq), Some(hash)) = (&after.instance, after.seq, &after.hash) else { continue };
            match chains.get(instance).and_then(|runs| runs.last()) {
                None if self.terms.whole => {
                    self.problem(Some(&run.first_at), format!("it was begun behind chain {instance}, of which nothing is here"));
                }
                None => self.notes.push(format!("{}: it was begun behind chain {instance}, of which nothing is here", run.first_at)),
                Some(last) if last.last_seq == seq && last.last_hash == *hash => {}
                Some(last) => {
                    let what = format!(
                        "chain {} was begun behind record {seq} of chain {instance}, which ends otherwise: with record {} ({})",
                        run.instance, last.last_seq, last.last_at
                    );
                    self.problem(Some(&run.first_at), what);
                }
            }
        }
    }

    /// The log has to have what was exported.
    fn exported(&mut self, chains: &BTreeMap<String, Vec<Run>>) {
        for (name, head, hash) in std::mem::take(&mut self.heads) {
            let Header { instance, seq, time, .. } = &head;
            if let Some(wrong) = self.unsigned(&head) {
                self.problem(None, format!("{name} {wrong}"));
                continue;
            }
            let ends = chains.get(instance).and_then(|runs| runs.first().zip(runs.last()));
            let (at, what) = match ends {
                None => (None, format!("nothing is here of chain {instance}, of which {name} has record {seq} of {time}")),
                Some((_, last)) if last.last_seq < *seq => (
                    Some(&last.last_at),
                    format!(
                        "chain {instance} ends with record {}: {name} has record {seq} of {time}, so that the end is cut off",
                        last.last_seq
                    ),
                ),
                Some((first, _)) if first.first_seq > *seq => (
                    Some(&first.first_at),
                    format!(
                        "chain {instance} begins with record {}: {name} has record {seq} of {time}, which is not here",
                        first.first_seq
                    ),
                ),
                Some(_) if self.checkpoints.get(&(instance.clone(), *seq)) != Some(&hash) => {
                    (None, format!("record {seq} of chain {instance} is another than that of {name}"))
                }
                Some(_) => continue,
            };
            self.problem(at, what);
        }
    }

    /// Half a line is no harm where the next file has the whole of it, or where nothing follows.
    fn tails(&mut self) {
        for (at, tail) in std::mem::take(&mut self.tails) {
            if self.first_lines.iter().any(|(number, line)| *number != at.number && line.starts_with(&tail)) {
                continue;
            }
            let what = "half a line at the end: of a process that is writing it, or was ended while it did";
            if self.terms.whole {
                self.problem(Some(&at), what.to_owned());
            } else {
                self.notes.push(format!("{at}: {what}"));
            }
        }
    }

    /// `sealed` is the chain that was begun behind this one, where that is signed.
    fn summary(&mut self, instance: &str, runs: &[Run], sealed: Option<&str>) -> ChainReport {
        let (first, last) = (&runs[0], &runs[runs.len() - 1]);
        let signed = runs.iter().filter_map(|run| run.signed).max();
        let report = ChainReport {
            instance: instance.to_owned(),
            first: first.first_seq,
            last: last.last_seq,
            from: first.first_time.clone(),
            to: last.last_time.clone(),
            signed,
        };
        match signed {
            // Whoever has changed them did so before the next process began.
            signed if sealed.is_some() && signed.is_none_or(|signed| signed < last.last_seq) => {
                let (first, by) = (signed.map_or(first.first_seq, |signed| signed + 1), sealed.unwrap_or_default());
                let last = last.last_seq;
                self.notes.push(format!(
                    "records {first} to {last} of chain {instance} are not signed by it: chain {by} has sealed them as it found them"
                ));
            }
            // A process that ended at once.
            None if last.last_seq == 0 && !self.terms.whole => {
                self.notes.push(format!("{}: chain {instance} has no signature", first.first_at))
            }
            None if runs.iter().any(|run| run.is_told) => {}
            None => self.problem(Some(&first.first_at), format!("chain {instance} has no signature: nothing of it is proved")),
            Some(signed) if signed < last.last_seq => {
                let what = format!(
                    "records {} to {} of chain {instance} are not signed: anybody could have written them",
                    signed + 1,
                    last.last_seq
                );
                if self.terms.whole {
                    self.problem(Some(&last.last_at), what);
                } else {
                    self.notes.push(what);
                }
            }
            Some(_) => {}
        }
        report
    }
}
