//! Numbers of DynamoDB, where a tenant's id is one.
//!
//! `1`, `1.0`, `01` and `1e0` are one number, and so one key. What is compared with the tenant's id is the one text that DynamoDB gives such a
//! number back as: a tenant `01` has no number, since it would be that of the tenant `1`.

/// Most digits of a number ("Supported data types", Amazon DynamoDB developer guide).
const MAX_DIGITS: usize = 38;
/// Longer than any way to write one that means it.
const MAX_BYTES: usize = 256;

/// The shortest form of the whole number that `text` is, if it is one and not negative.
pub(super) fn whole(text: &str) -> Option<String> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        None => (text, 0),
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits: Vec<u8> = before.bytes().chain(behind.bytes()).collect();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // How many zeros are to be put behind the digits.
    let mut zeros = exponent - i64::try_from(behind.len()).ok()?;
    while digits.last() == Some(&b'0') {
        digits.pop();
        zeros += 1;
    }
    let first = digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    digits.drain(..first);
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    let zeros = usize::try_from(zeros).ok().filter(|zeros| *zeros <= MAX_DIGITS)?;
    if negative || digits.len() + zeros > MAX_DIGITS {
        return None;
    }
    digits.resize(digits.len() + zeros, b'0');
    String::from_utf8(digits).ok()
}

fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_has_one_text() {
        for text in ["42", "42.0", "042", "+42", "42.", "4.2e1", "0.42E2", "420e-1", "42e0", "4200e-2", "42e+0", "00042.000"] {
            assert_eq!(whole(text).as_deref(), Some("42"), "{text}");
        }
        for text in ["0", "-0", "0.0", "0e5", "0e-5", "000", "-0e99"] {
            assert_eq!(whole(text).as_deref(), Some("0"), "{text}");
        }
        assert_eq!(whole("1e2").as_deref(), Some("100"));
        assert_eq!(whole(&"9".repeat(38)), Some("9".repeat(38)));
        assert_eq!(whole("0e999999").as_deref(), Some("0"));
        assert_eq!(whole(&format!("{}1", "0".repeat(MAX_BYTES - 1))).as_deref(), Some("1"));
    }

    #[test]
    fn what_is_no_whole_number_has_none() {
        let long = "9".repeat(39);
        let zeros = "0".repeat(300);
        for text in [
            "",
            "-",
            ".",
            "e",
            "e1",
            "1e",
            "1e+",
            "x",
            "1x",
            "-42",
            "4.2",
            "42e-1",
            " 42",
            "42 ",
            "4 2",
            "1.2.3",
            "0x1",
            "NaN",
            "Infinity",
            "1e1e1",
            "1e+-1",
            "0e1000000",
            "1e99999999",
            "1e200",
            "٤٢",
            "４２",
            &long,
            &zeros,
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_spelling_of_a_number_is_the_number(number in 0u64.., zeros in 0usize..20, shift in 0usize..20) {
            let text = format!("{}{number}{}e-{shift}", "0".repeat(zeros), "0".repeat(shift));
            prop_assert_eq!(whole(&text), Some(number.to_string()));
        }

        #[test]
        fn nothing_panics(text in ".{0,40}|[-+0-9.eE]{0,40}") {
            if let Some(number) = whole(&text) {
                prop_assert_eq!(whole(&number), Some(number.clone()));
            }
        }
    }
}
