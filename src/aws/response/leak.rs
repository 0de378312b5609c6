//! Looks for what must not leave, in the encodings that error bodies use.

use percent_encoding::percent_decode;

/// What no error that may pass contains, whatever the credentials are: session ARNs and pieces of signatures.
const MARKERS: &[&str] = &["assumed-role/", "AWS4-HMAC-SHA256", "aws4_request"];
/// Shorter texts are found by chance.
const SECRET_BYTES: usize = 8;
/// The shortest run of letters and digits that stands for a whole secret.
const RUN_BYTES: usize = 20;

/// Whether `text` contains one of `secrets` or a marker: as it is, percent-encoded, with JSON's backslashes, or with its
/// punctuation written in some other way.
pub(super) fn found(text: &[u8], secrets: &[&str]) -> bool {
    let plain: Vec<u8> = percent_decode(text).filter(|b| *b != b'\\').collect();
    let there = |needle: &str| contains(text, needle.as_bytes()) || contains(&plain, needle.as_bytes());
    let secrets = secrets.iter().filter(|secret| secret.len() >= SECRET_BYTES);
    MARKERS.iter().any(|marker| there(marker)) || secrets.flat_map(|secret| [Some(*secret), run(secret)]).flatten().any(there)
}

/// The longest run of letters and digits: no encoding in use changes those, while a session token's `+`, `/` and `=` have
/// many spellings.
fn run(secret: &str) -> Option<&str> {
    secret.split(|c: char| !c.is_ascii_alphanumeric()).max_by_key(|run| run.len()).filter(|run| run.len() >= RUN_BYTES)
}

/// Whether `needle` is in `haystack`.
pub(super) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "IQoJb3JpZ2luX2VjEJr//////////wEaCWV1LXdlc3QtMSJHMEUCIQD+abc/def==";
    const ROLE: &str = "arn:aws:iam::111122223333:role/tenant-data";

    #[test]
    fn secrets_are_found_in_every_spelling() {
        for text in [
            format!("token {TOKEN}."),
            TOKEN.replace('/', "%2F").replace('+', "%2B"),
            TOKEN.replace('/', "\\/"),
            TOKEN.replace('/', "&#x2F;"),
            ROLE.to_owned(),
            ROLE.replace(':', "%3A").replace('/', "%2f"),
            ROLE.replace('/', "\\/"),
            "ASIAEXAMPLEEXAMPLE12".to_owned(),
            "arn:aws:sts::111122223333:assumed-role/x/y".to_owned(),
            "AWS4-HMAC-SHA256\n20250101T000000Z".to_owned(),
        ] {
            assert!(found(text.as_bytes(), &[TOKEN, ROLE, "ASIAEXAMPLEEXAMPLE12"]), "{text}");
        }
    }

    #[test]
    fn ordinary_errors_pass() {
        for text in [
            "The specified key does not exist.",
            "Requested resource not found: Table: orders not found",
            "111122223333",
            "",
            "arn:aws:dynamodb:eu-west-1:111122223333:table/orders",
        ] {
            assert!(!found(text.as_bytes(), &[TOKEN, ROLE, "ASIAEXAMPLEEXAMPLE12", ""]), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_secret_is_found_wherever_it_stands(before in "\\PC{0,20}", secret in "[A-Za-z0-9]{20,40}", after in "\\PC{0,20}") {
            let text = format!("{before}{secret}{after}");
            prop_assert!(found(text.as_bytes(), &[&secret]));
        }
    }
}
