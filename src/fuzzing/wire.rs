//! A request's target: what is signed and sent says the same as what came.

use http::uri::PathAndQuery;
use percent_encoding::percent_decode;

use crate::sigv4::{Canon, WireTarget};

/// Path and query mean to another decoder what they meant before, in one form that is left as it is from then on.
pub(super) fn target(bytes: &[u8]) -> bool {
    let Ok(raw) = PathAndQuery::try_from(bytes) else { return false };
    let mut taken = false;
    for canon in [Canon::S3, Canon::Normalised] {
        let Ok(wire) = WireTarget::new(&raw, canon) else { continue };
        taken = true;
        let sent = wire.path_and_query();
        assert_eq!(decoded(raw.path()), decoded(sent.path()), "{raw} became {sent}");
        assert_eq!(pairs(&raw), pairs(sent), "{raw} became {sent}");
        let again = WireTarget::new(sent, canon).unwrap_or_else(|_| panic!("{sent} is refused when it comes again"));
        assert_eq!(again.path_and_query(), sent, "{raw}");
        let names: Vec<Vec<u8>> = pairs(sent).into_iter().map(|(name, _)| name).collect();
        let repeated = names.iter().enumerate().any(|(at, name)| names[..at].contains(name));
        assert_eq!(wire.has_repeated_parameters(), repeated, "{raw}");
        match canon {
            Canon::S3 => assert!(sent.as_str().bytes().all(is_plain), "{sent} could be written otherwise"),
            Canon::Normalised => {
                let path = decoded(raw.path());
                let dots = path.split(|b| matches!(b, b'/' | b'\\')).any(|segment| matches!(segment, b"." | b".."));
                assert!(!dots && sent.path() == raw.path(), "{raw} became {sent}");
            }
        }
    }
    taken
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~/%?&=".contains(&byte)
}

fn decoded(text: &str) -> Vec<u8> {
    percent_decode(text.as_bytes()).collect()
}

/// As the standard has forms, but in bytes; and a pair without `=` is another one than a pair without a value.
fn pairs(target: &PathAndQuery) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let query = target.query().unwrap_or_default().replace('+', " ");
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, value)) => (decoded(name), Some(decoded(value))),
        None => (decoded(pair), None),
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}
