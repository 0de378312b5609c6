//! Header names by which a request could be framed otherwise than it was here.
//!
//! To hyper, `Transfer_Encoding` is a header like any other, and it goes on as it came. An application server that makes `_` of `-` before it
//! looks (as CGI and its kin do) finds a `transfer-encoding` there, and ends the body elsewhere. What is left of it is the start of the next
//! request on a connection that tenants share, with whatever identity it claims: request smuggling (CWE-444).

use http::HeaderName;

use super::spoofed::folds_to;

/// Names of more than one word that say where a message ends or what becomes of its connection (RFC 9110, section 7.6.1; RFC 9112, section 6;
/// RFC 9113, section 8.2.2). A name of one word (`te`, `upgrade`) has no other spelling.
const NAMES: [&str; 6] = ["content-length", "http2-settings", "keep-alive", "proxy-authorization", "proxy-connection", "transfer-encoding"];

/// Whether `name` is not one of them, but could be taken for one.
pub(super) fn is_misspelt(name: &HeaderName) -> bool {
    NAMES.iter().any(|known| name != known && folds_to(name.as_str(), known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_are_known_and_the_names_themselves_are_not_touched() {
        for known in NAMES {
            assert!(!is_misspelt(&known.parse().unwrap()), "{known}");
            for sign in ["_", ".", "!", "~"] {
                let spelled = known.replace('-', sign);
                assert!(is_misspelt(&spelled.to_uppercase().parse().unwrap()), "{spelled}");
            }
        }
        for other in ["content-type", "content_type", "contentlength", "content__length", "host", "te"] {
            assert!(!is_misspelt(&other.parse().unwrap()), "{other}");
        }
    }
}
