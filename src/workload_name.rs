//! The name of a workload.

use std::{fmt, str::FromStr, sync::Arc};

/// A name of the configuration: 2 to 48 of `a-z`, `0-9` and `-`, beginning with a letter. Well-formed, not trusted.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkloadName(Arc<str>);

impl WorkloadName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no workload's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a workload's name is 2 to 48 of a-z 0-9 - and begins with a letter")]
pub struct InvalidWorkloadName;

impl FromStr for WorkloadName {
    type Err = InvalidWorkloadName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (2..=48).contains(&text.len()) && text.as_bytes()[0].is_ascii_lowercase() && text.bytes().all(letters);
        if fits { Ok(Self(text.into())) } else { Err(InvalidWorkloadName) }
    }
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkloadName({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_in_lower_case() {
        for name in ["poller", "p1", "queue-poller-2", &"x".repeat(48)] {
            assert_eq!(name.parse::<WorkloadName>().map(|name| name.to_string()), Ok(name.to_owned()));
        }
        for name in ["", "p", "Poller", "1poller", "-poller", "poller.one", "poller_one", "poller/", "p\u{f6}ller", &"x".repeat(49)] {
            assert_eq!(name.parse::<WorkloadName>(), Err(InvalidWorkloadName), "{name:?}");
        }
    }
}
