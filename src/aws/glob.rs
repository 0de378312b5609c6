//! Text against text: `*` for any run of characters, and order without regard to case.

use std::cmp::Ordering;

/// Whether `text` fits `pattern`, where two other bytes are the same if `same` says so. Takes time in proportion to both lengths at most.
pub(super) fn fits(pattern: &str, text: &str, same: fn(&u8, &u8) -> bool) -> bool {
    fits_bytes(pattern.as_bytes(), text.as_bytes(), same)
}

/// As [`fits`], for what need not be text.
pub(crate) fn fits_bytes(pattern: &[u8], text: &[u8], same: fn(&u8, &u8) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and where the text goes on behind what it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if same(byte, &text[t]) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Order without regard to the case of ASCII letters.
pub(super) fn without_case(one: &str, other: &str) -> Ordering {
    one.bytes().map(|b| b.to_ascii_lowercase()).cmp(other.bytes().map(|b| b.to_ascii_lowercase()))
}
