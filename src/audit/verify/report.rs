//! What a verifier found, in words.

use std::fmt;

use super::Problem;

/// What a log comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Every chain of which something is here.
    pub chains: Vec<ChainReport>,
    /// What no honest log has, in the order of the lines.
    pub problems: Vec<Problem>,
    /// What an honest log may have, and what should be known.
    pub notes: Vec<String>,
}

/// One chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// Its id.
    pub instance: String,
    /// Number of its first record here.
    pub first: u64,
    /// Number of its last one.
    pub last: u64,
    /// The first one's time.
    pub from: String,
    /// The last one's.
    pub to: String,
    /// Number of the last checkpoint.
    pub signed: Option<u64>,
}

impl Report {
    /// Whether nothing was changed, removed or put in, as far as that can be told.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ChainReport { instance, first, last, from, to, signed } in &self.chains {
            write!(f, "chain {instance}: records {first} to {last}, {from} to {to}")?;
            match signed {
                Some(signed) => writeln!(f, ", signed up to record {signed}")?,
                None => writeln!(f, ", not signed")?,
            }
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}
