//! `application/x-www-form-urlencoded` pairs, in query strings and bodies, read so that no other reader sees more.

use std::borrow::Cow;

use percent_encoding::{percent_decode, percent_decode_str};

use super::{ambiguous, checked_name};
use crate::reject::Refusal;

/// Names of parameters that say what a request does.
const OPERATION_KEYS: &[&str] = &["action", "x-amz-target"];

/// The pairs of a query string or form body, in order, decoded.
#[derive(Debug)]
pub(super) struct Pairs<'b>(Vec<(Cow<'b, str>, Cow<'b, str>)>);

impl<'b> Pairs<'b> {
    /// Splits at `&`, and at `;`, which some servers take for a separator too. Bytes that are not UTF-8 become U+FFFD.
    pub(super) fn parse(bytes: &'b [u8]) -> Self {
        let pair = |bytes: &'b [u8]| match bytes.iter().position(|b| *b == b'=') {
            Some(at) => (decoded(&bytes[..at]), decoded(&bytes[at + 1..])),
            None => (decoded(bytes), Cow::Borrowed("")),
        };
        Self(bytes.split(|b| matches!(b, b'&' | b';')).filter(|part| !part.is_empty()).map(pair).collect())
    }

    /// Whether there is a pair with this key, upper and lower case being the same.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name.trim().eq_ignore_ascii_case(key))
    }

    /// How many pairs have this key, upper and lower case being the same.
    pub(super) fn count(&self, key: &str) -> usize {
        self.0.iter().filter(|(name, _)| name.trim().eq_ignore_ascii_case(key)).count()
    }

    /// Whether there is a pair whose key begins so, upper and lower case being the same.
    pub(super) fn has_prefix(&self, prefix: &str) -> bool {
        self.0.iter().any(|(name, _)| name.trim().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)))
    }

    /// Whether there is a pair with this key and this value, upper and lower case being the same.
    pub(super) fn has_value(&self, key: &str, value: &str) -> bool {
        self.0.iter().any(|(name, text)| name.trim().eq_ignore_ascii_case(key) && text.trim().eq_ignore_ascii_case(value))
    }

    /// The operation that `Action` names.
    ///
    /// # Errors
    /// `OperationAmbiguous` when it is repeated, or is no name.
    pub(super) fn operation(&self) -> Result<Option<String>, Refusal> {
        let is_operation = |name: &str| OPERATION_KEYS.iter().any(|key| name.trim().eq_ignore_ascii_case(key));
        let mut named = self.0.iter().filter(|(name, _)| is_operation(name));
        let Some((_, value)) = named.next() else { return Ok(None) };
        if named.next().is_some() {
            return Err(ambiguous("the operation is named more than once"));
        }
        checked_name(value.rsplit_once('.').map_or(&**value, |(_, operation)| operation)).map(|name| Some(name.to_owned()))
    }
}

/// One side of a pair, as a form has it.
fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    if !bytes.contains(&b'+') {
        return percent_decode(bytes).decode_utf8_lossy();
    }
    let spaced: Vec<u8> = bytes.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    percent_decode(&spaced).decode_utf8_lossy().into_owned().into()
}

/// The decoded pairs of a query that every reader reads so. `None` for one with `;`, which separates for some, or with bytes that are no text.
pub(super) fn exact_pairs(query: &str) -> Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> {
    if query.contains(';') {
        return None;
    }
    let pair = |part| {
        let (key, value) = str::split_once(part, '=').unwrap_or((part, ""));
        Some((percent_decode_str(key).decode_utf8().ok()?, percent_decode_str(value).decode_utf8().ok()?))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reject::Reason;

    fn operation(text: &str) -> Result<Option<String>, Reason> {
        Pairs::parse(text.as_bytes()).operation().map_err(|refusal| refusal.reason)
    }

    #[test]
    fn an_action_is_found_however_it_is_written() {
        for text in [
            "Action=AssumeRole",
            "Version=1&Action=AssumeRole",
            "action=AssumeRole",
            "%41ction=AssumeRole",
            "Action=%41ssumeRole",
            "x=y;Action=AssumeRole",
            "+Action=AssumeRole",
            "&&Action=AssumeRole&",
            "X-Amz-Target=Svc_1.AssumeRole",
        ] {
            assert_eq!(operation(text), Ok(Some("AssumeRole".to_owned())), "{text}");
        }
        assert_eq!(operation("Reaction=AssumeRole&NotAction=x"), Ok(None));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for text in [
            "Action=A&Action=B",
            "Action=A&Action=A",
            "Action=",
            "Action",
            "Action=A%20",
            "Action=A%00",
            "Action=A&X-Amz-Target=T.A",
            "Action=%ff",
        ] {
            assert_eq!(operation(text), Err(Reason::OperationAmbiguous), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let pairs = Pairs::parse(&bytes);
            let _ = (pairs.operation(), pairs.has("session"));
        }
    }
}
