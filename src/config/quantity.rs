//! Durations and sizes as people write them.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];
const SIZE_UNITS: [(&str, u64); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// Reads `500ms`, `5s`, `1m30s`, `1h`: whole numbers with units, largest first. `None` for anything else, a number without a
/// unit included: it could mean seconds or milliseconds.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0_u64;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let (number, tail) = number(rest)?;
        let (unit, millis) = DURATION_UNITS.iter().find(|(unit, _)| tail.starts_with(unit))?;
        if *millis >= last {
            return None;
        }
        last = *millis;
        total = total.checked_add(number.checked_mul(*millis)?)?;
        rest = &tail[unit.len()..];
    }
    (last != u64::MAX).then(|| Duration::from_millis(total))
}

/// Reads `64KiB`, `1MiB`, `10MB`, `4096`: bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (number, unit) = number(text)?;
    let factor = if unit.is_empty() { 1 } else { SIZE_UNITS.iter().find(|(name, _)| *name == unit)?.1 };
    number.checked_mul(factor)
}

/// Writes a duration as [`duration`] reads it.
pub(crate) fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        let count = rest / millis;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
        rest %= millis;
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Writes a size as [`size`] reads it, in the largest unit that leaves no remainder.
pub(crate) fn show_size(bytes: u64) -> String {
    SIZE_UNITS[..4]
        .iter()
        .rev()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in
            [("500ms", 500), ("5s", 5_000), ("1m30s", 90_000), ("1h", 3_600_000), ("0s", 0), ("1h1m1s1ms", 3_661_001), ("90m", 5_400_000)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "5", "s", "5 s", "5S", "-5s", "1.5s", "5s5s", "5s1h", "1d", "5sx", "99999999999999999999s", "9999999999999999h", "５s"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
        for (text, bytes) in [("64KiB", 65_536), ("1MiB", 1_048_576), ("10MB", 10_000_000), ("0", 0), ("17", 17), ("17B", 17)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "KiB", "1 KiB", "1kib", "1K", "-1", "1.5MiB", "99999999TiB", "99999999999999999999"] {
            assert_eq!(size(text), None, "{text}");
        }
        assert_eq!((show_size(65_536), show_size(1_500), show_size(0)), ("64KiB".to_owned(), "1500".to_owned(), "0".to_owned()));
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_read(millis in 0..u64::from(u32::MAX), bytes in any::<u64>()) {
            let time = Duration::from_millis(millis);
            prop_assert_eq!(duration(&show_duration(time)), Some(time));
            prop_assert_eq!(size(&show_size(bytes)), Some(bytes));
        }
    }
}
