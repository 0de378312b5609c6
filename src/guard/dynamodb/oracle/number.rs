//! Numbers, worked out.

use num_bigint::BigUint;

use crate::guard::dynamodb::number::whole;

/// Two numbers have one text exactly where they are one whole number, which is not negative and has 38 digits at most. The bytes are two of them, apart by a blank.
pub(crate) fn number(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (one, other) = text.split_once(' ').unwrap_or((text, "0"));
    for text in [one, other] {
        let found = whole(text);
        assert_eq!(found, value(text).map(|value| value.to_string()), "{text:?}");
        if let Some(found) = found {
            assert_eq!(whole(&found).as_ref(), Some(&found), "{text:?}");
        }
    }
    if let (Some(first), Some(second)) = (value(one), value(other)) {
        assert_eq!(whole(one) == whole(other), first == second, "{one:?} {other:?}");
    }
    whole(one).is_some()
}

/// The whole number that `text` is, as arithmetic has it.
fn value(text: &str) -> Option<BigUint> {
    if text.len() > 256 {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let unsigned = exponent.trim_start_matches(['+', '-']);
    if exponent.len() - unsigned.len() > 1 || unsigned.len() > 6 {
        return None;
    }
    let exponent: i64 = if unsigned.starts_with(|c: char| c.is_ascii_digit()) { exponent.parse().ok()? } else { return None };
    let magnitude = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let point = magnitude.find('.').unwrap_or(magnitude.len());
    let digits = magnitude.replacen('.', "", 1);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let coefficient: BigUint = digits.parse().ok()?;
    if coefficient == BigUint::ZERO {
        return Some(coefficient);
    }
    if mantissa.starts_with('-') {
        return None;
    }
    let scale = exponent - i64::try_from(magnitude.len().saturating_sub(point + 1)).ok()?;
    let ten = BigUint::from(10u8);
    // Beyond that there is no whole number of 38 digits, whatever the coefficient.
    let by = u32::try_from(scale.unsigned_abs()).ok().filter(|by| *by <= 300)?;
    let value = if scale >= 0 {
        coefficient * ten.pow(by)
    } else {
        let divisor = ten.pow(by);
        if &coefficient % &divisor != BigUint::ZERO {
            return None;
        }
        coefficient / divisor
    };
    (value < ten.pow(38)).then_some(value)
}
