//! A tripwire for what hyper tidies away.
//!
//! hyper drops `Content-Length` from a request that also has `Transfer-Encoding`, and merges equal `Content-Length` lines,
//! before any service sees the request. It frames such a request in a safe way (RFC 9112, section 6.3) and closes the
//! connection after the first kind, but a sender that contradicts itself about where its body ends is refused here, as the
//! same section recommends. So the bytes of a head are looked at once more, for this question alone. The look can only
//! add a refusal: what it does not recognise stays with hyper's reading.

use http::Method;

/// Whether `raw`, the bytes that came before and with the head of a `method` request, frames its body twice.
///
/// Says no when `raw` does not begin with that request (after pipelining it may begin in the middle of something).
pub(super) fn contradicts_itself(raw: &[u8], method: &Method) -> bool {
    // RFC 9112, section 2.2: empty lines before the request line are ignored.
    let start = raw.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(raw.len());
    let Some(rest) = raw[start..].strip_prefix(method.as_str().as_bytes()) else { return false };
    if rest.first() != Some(&b' ') {
        return false;
    }
    let (mut lengths, mut encodings) = (0, 0);
    for end in memchr::memchr_iter(b'\n', rest) {
        let line = &rest[end + 1..];
        match line {
            [] | [b'\n', ..] | [b'\r', b'\n', ..] => break,
            [b'c' | b'C', ..] => lengths += usize::from(is_named(line, b"content-length")),
            [b't' | b'T', ..] => encodings += usize::from(is_named(line, b"transfer-encoding")),
            _ => {}
        }
    }
    lengths + encodings > 1
}

/// Whether a header line, with everything behind it, has this name.
fn is_named(line: &[u8], name: &[u8]) -> bool {
    let ends = |rest: &[u8]| matches!(rest, [] | [b'\r'] | [b':' | b'\n', ..] | [b'\r', b'\n', ..]);
    line.split_at_checked(name.len()).is_some_and(|(start, rest)| start.eq_ignore_ascii_case(name) && ends(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(raw: &str) -> bool {
        contradicts_itself(raw.as_bytes(), &Method::POST)
    }

    #[test]
    fn two_framings_are_seen_whatever_their_order_and_case() {
        assert!(judge("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"));
        assert!(judge("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nX: y\r\nCONTENT-LENGTH: 3\r\n\r\n"));
        assert!(judge("\r\n\r\nPOST / HTTP/1.1\ncontent-length: 3\ncontent-length: 3\n\n"));
    }

    #[test]
    fn one_framing_is_fine_and_a_body_is_not_a_head() {
        assert!(!judge("POST / HTTP/1.1\r\nContent-Length: 40\r\n\r\nContent-Length: 3\r\nTransfer-Encoding: x\r\n"));
        assert!(!judge("POST / HTTP/1.1\r\nX-Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"));
    }

    #[test]
    fn bytes_that_are_not_this_request_are_left_alone() {
        assert!(!judge("tail of a body\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"));
        assert!(!judge("POSTAL: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"));
        assert!(!judge(""));
    }
}
