//! Timestamps as SigV4 writes them.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime},
};

use aws_smithy_types::{DateTime, date_time::Format};

/// A moment, to the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmzDate {
    text: String,
}

impl AmzDate {
    /// `None` for a moment that cannot be written, before 1970 or beyond year 9999.
    pub fn new(time: SystemTime) -> Option<Self> {
        let seconds = i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok()?;
        LATEST.with_borrow_mut(|(latest, text)| {
            if *latest != seconds || text.is_empty() {
                *text = DateTime::from_secs(seconds).fmt(Format::DateTime).ok()?.replace(['-', ':'], "");
                *latest = seconds;
            }
            (text.len() == LENGTH).then(|| Self { text: text.clone() })
        })
    }

    /// Parses `YYYYMMDDTHHMMSSZ`, and nothing else that ISO 8601 would allow.
    pub fn parse(text: &str) -> Option<(Self, SystemTime)> {
        let shaped = text.len() == LENGTH
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'Z',
                _ => byte.is_ascii_digit(),
            });
        if !shaped {
            return None;
        }
        let part = |from: usize, to: usize| &text[from..to];
        let long = format!("{}-{}-{}T{}:{}:{}Z", part(0, 4), part(4, 6), part(6, 8), part(9, 11), part(11, 13), part(13, 15));
        let seconds = DateTime::from_str(&long, Format::DateTime).ok()?.secs();
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))?;
        Some((Self { text: text.to_owned() }, time))
    }

    /// `YYYYMMDDTHHMMSSZ`
    pub fn time(&self) -> &str {
        &self.text
    }

    /// `YYYYMMDD`
    pub fn date(&self) -> &str {
        &self.text[..8]
    }
}

thread_local! {
    /// The second that was written last: requests come many to a second.
    static LATEST: RefCell<(i64, String)> = const { RefCell::new((0, String::new())) };
}

const LENGTH: usize = "YYYYMMDDTHHMMSSZ".len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_and_read() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        let written = AmzDate::new(time).unwrap();
        assert_eq!((written.time(), written.date()), ("20130524T000000Z", "20130524"));
        let next = AmzDate::new(time + Duration::from_secs(1)).unwrap();
        let again = AmzDate::new(time + Duration::from_millis(999)).unwrap();
        assert_eq!((next.time(), again), ("20130524T000001Z", written.clone()));
        assert_eq!(AmzDate::parse("20130524T000000Z"), Some((written, time)));
    }

    #[test]
    fn other_forms_are_none() {
        for odd in [
            "",
            "20130524",
            "20130524T000000",
            "2013-05-24T00:00:00Z",
            "20130524T000000z",
            "20131324T000000Z",
            "20130524T006100Z",
            "1969123\u{e9}T000000Z",
        ] {
            assert_eq!(AmzDate::parse(odd), None, "{odd}");
        }
    }
}
