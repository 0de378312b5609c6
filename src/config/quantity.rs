//! Durations, sizes and moments as people write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// Reads `2026-11-28T10:00:00Z`: a date and a time with an offset (RFC 3339), from 1970 on, without leap seconds. `None` for anything
/// else, a time without an offset included: it could be anybody's.
pub(crate) fn moment(text: &str) -> Option<SystemTime> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix('T')?.split_at_checked(8)?;
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = fields(time, ':', [2, 2, 2])?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    if year < 1970 || !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, offset) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(fraction) => {
            let end = fraction.find(|c: char| !c.is_ascii_digit()).filter(|end| (1..=9).contains(end))?;
            (format!("{:0<9}", &fraction[..end]).parse().ok()?, &fraction[end..])
        }
    };
    let years = year - 1970;
    // Days of the years before, with those that leap years have more: of 4, not of 100, of 400.
    let leaps = (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 - 477;
    let days = years * 365 + leaps + lengths[..usize::try_from(month - 1).ok()?].iter().sum::<u64>() + day - 1;
    let local = UNIX_EPOCH + Duration::new(days * 86_400 + hour * 3_600 + minute * 60 + second, nanos);
    let (sign, offset) = match offset {
        "Z" => return Some(local),
        _ => offset.split_at_checked(1)?,
    };
    let [hours, minutes] = fields(offset, ':', [2, 2])?;
    if hours > 23 || minutes > 59 {
        return None;
    }
    let by = Duration::from_secs(hours * 3_600 + minutes * 60);
    match sign {
        "+" => local.checked_sub(by).filter(|moment| *moment >= UNIX_EPOCH),
        "-" => local.checked_add(by),
        _ => None,
    }
}

/// Numbers of so many digits, with `separator` between them.
fn fields<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[u64; N]> {
    let mut fields = [0; N];
    let mut parts = text.split(separator);
    for (field, digits) in fields.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
        *field = part.parse().ok()?;
    }
    parts.next().is_none().then_some(fields)
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

    #[test]
    fn reads_moments_with_an_offset() {
        for (text, seconds, nanos) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2000-02-29T23:59:59Z", 951_868_799, 0),
            ("2026-11-28T10:00:00Z", 1_795_860_000, 0),
            ("2026-11-28T12:00:00.5+02:00", 1_795_860_000, 500_000_000),
            ("2026-11-28T04:30:00-05:30", 1_795_860_000, 0),
            ("2100-03-01T00:00:00Z", 4_107_542_400, 0),
        ] {
            assert_eq!(moment(text), Some(UNIX_EPOCH + Duration::new(seconds, nanos)), "{text}");
        }
        for text in [
            "",
            "2026-11-28",
            "2026-11-28T10:00:00",
            "2026-11-28 10:00:00Z",
            "2026-11-28T10:00Z",
            "2026-11-28T10:00:60Z",
            "2026-11-28T24:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "2026-11-28T10:00:00.Z",
            "2026-11-28T10:00:00z",
            "2026-11-28T10:00:00Zx",
            "2026-11-28T10:00:00+1:00",
            "2026-11-28T10:00:00+24:00",
            "+026-11-28T10:00:00Z",
            "1795860000",
            "２０２６-11-28T10:00:00Z",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
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
