//! Headers that are about one connection and end there (RFC 9110, section 7.6.1).

use http::{
    HeaderMap, HeaderName,
    header::{CONNECTION, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE},
};

/// Headers of one hop by their standards, and those that must go whatever `Connection` says.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Removes the headers of one hop, and every header that `Connection` names but `Host`: without one the next hop would put in a name of its own.
///
/// For messages that came in, *before* anything of ours is added: otherwise a caller could have our headers removed by
/// naming them. Whoever lets an upgrade pass adds `connection` and `upgrade` again afterwards.
pub fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok())
        .filter(|name| *name != HOST)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Takes `Expect` off, which is for the next hop (RFC 9110, section 10.1.1). Says whether the client waits to be asked for the
/// body; what else it may expect was refused when the request came.
pub fn take_expectation(headers: &mut HeaderMap) -> bool {
    headers.remove(EXPECT).is_some_and(|expectation| expectation.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_is_of_one_hop_goes_and_the_rest_stays() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Internal ,"),
            ("connection", "x-more, bad name, Host"),
            ("host", "app.example.com"),
            ("x-internal", "1"),
            ("x-more", "1"),
            ("x-more", "2"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "keep-alive"),
            ("x-kept", "1"),
            ("trailer", "grpc-status"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        strip(&mut headers);
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-kept", "host", "trailer"]);
    }

    #[test]
    fn an_expectation_is_taken_off_and_told() {
        for (value, waits) in [("100-continue", true), ("100-Continue", true), ("200-ok", false)] {
            let mut headers = HeaderMap::from_iter([(EXPECT, HeaderValue::from_static(value))]);
            assert_eq!(take_expectation(&mut headers), waits, "{value}");
            assert!(headers.is_empty());
        }
        assert!(!take_expectation(&mut HeaderMap::new()));
    }
}
