//! Requests that a browser sends with a cookie because another site's page made it.
//!
//! A token in a header was put there by whoever holds it. A token in a cookie goes along with every request to its host,
//! whichever page causes it: cross-site request forgery. So where nothing but a cookie proves the caller, a request that may
//! change something has to show that the browser knows it to be the application's own.

use http::{HeaderMap, HeaderName, Method, header, request::Parts, uri::Authority};

use super::cors::{Cors, origin};
use crate::{
    reject::{Reason, Refusal},
    server::edge,
};

/// [Fetch Metadata](https://www.w3.org/TR/fetch-metadata/): set by browsers, and never by scripts.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks a request whose only proof is a cookie. `host` is what the client asked for, as far as proxies in front are believed about it: a page
/// is the application's own by the host that its browser knows, which is not always the one that a proxy calls us by.
///
/// `Sec-Fetch-Site: same-origin` is the application itself, `none` the user. `same-site` is not enough by itself: sibling hosts
/// may be other tenants' pages. Otherwise `Origin` decides: the request's own host, or one that `ingress.cors` trusts with credentials. A
/// request that says neither is refused. `GET`, `HEAD` and `OPTIONS` change nothing and pass, but for the handshake of a WebSocket, which no
/// page needs permission for and every page can talk through.
///
/// # Errors
/// [`Reason::OriginNotAllowed`].
pub(super) fn check(head: &Parts, host: Option<&Authority>, cors: &Cors) -> Result<(), Refusal> {
    let is_safe = matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if is_safe && !head.headers.contains_key(header::UPGRADE) {
        return Ok(());
    }
    if matches!(only(&head.headers, &SEC_FETCH_SITE), Some(b"same-origin" | b"none")) {
        return Ok(());
    }
    match origin(&head.headers) {
        Some(origin) if is_own(origin.as_bytes(), host) || cors.trusts_with_cookies(&origin) => Ok(()),
        _ => Err(Refusal::noted(
            Reason::OriginNotAllowed,
            "the token is in a cookie, and nothing shows that the request is the application's own",
        )),
    }
}

/// Whether `origin` is the host that the request is for. The ingress is TLS, and so is what is in front of it.
fn is_own(origin: &[u8], named: Option<&Authority>) -> bool {
    // An origin has no user information (RFC 6454, section 7), nor anything but a host and a port.
    let (Some(origin), Some(named)) = (origin.strip_prefix(b"https://").and_then(edge::parse_host), named) else { return false };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(443);
    origin.host().eq_ignore_ascii_case(named.host()) && port(&origin) == port(named)
}

/// The only value of a header.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).map(|value| value.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;

    use super::*;
    use crate::config::{CorsConfig, CorsRules, Origins};

    fn cors(credentials: bool) -> Cors {
        let rules = CorsRules {
            origins: Origins::These(vec!["https://app.example".to_owned()]),
            methods: vec!["GET".to_owned()],
            headers: vec!["authorization".to_owned()],
            expose: Vec::new(),
            credentials,
            max_age: Duration::from_secs(1),
        };
        Cors::new(Some(&CorsConfig::Answer(rules))).unwrap()
    }

    fn passes(method: &str, headers: &[(&str, &str)], cors: &Cors) -> bool {
        passes_for(Some("api.example:8443"), method, headers, cors)
    }

    fn passes_for(host: Option<&str>, method: &str, headers: &[(&str, &str)], cors: &Cors) -> bool {
        let host = host.map(|host| host.parse().unwrap());
        let request = Request::builder().method(method).header("host", "inside.example");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let (head, ()) = request.body(()).unwrap().into_parts();
        check(&head, host.as_ref(), cors).is_ok()
    }

    #[test]
    fn what_may_change_something_shows_whose_it_is() {
        let trusting = cors(true);
        for (headers, expected) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "SAME-ORIGIN")], false),
            (&[("origin", "https://api.example:8443")], true),
            (&[("origin", "https://API.example:8443")], true),
            (&[("origin", "https://api.example")], false),
            (&[("origin", "http://api.example:8443")], false),
            (&[("origin", "https://app.example")], true),
            (&[("sec-fetch-site", "same-site"), ("origin", "https://app.example")], true),
            (&[("sec-fetch-site", "same-site"), ("origin", "https://globex.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", "https://app.example"), ("origin", "https://app.example")], false),
            (&[("origin", "https://api.example:8443.evil.test")], false),
            (&[("origin", "https://evil.test@api.example:8443")], false),
        ] {
            for method in ["POST", "PUT", "PATCH", "DELETE"] {
                assert_eq!(passes(method, headers, &trusting), expected, "{method} {headers:?}");
            }
            assert!(["GET", "HEAD", "OPTIONS"].iter().all(|method| passes(method, headers, &trusting)), "{headers:?}");
            let handshake = [headers, &[("upgrade", "websocket")]].concat();
            assert_eq!(passes("GET", &handshake, &trusting), expected, "{handshake:?}");
        }
    }

    #[test]
    fn a_page_is_the_applications_own_by_the_host_that_the_client_asked_for() {
        let none = Cors::new(None).unwrap();
        let from = |host, origin| passes_for(host, "POST", &[("origin", origin)], &none);
        assert!(from(Some("shop.example"), "https://shop.example") && from(Some("shop.example:443"), "https://shop.example"));
        assert!(!from(Some("shop.example"), "https://inside.example"), "the host that a proxy calls us by");
        assert!(!from(None, "https://inside.example") && !from(None, "https://") && !from(Some("shop.example"), "https://"));
    }

    #[test]
    fn an_origin_is_trusted_with_cookies_by_name_alone() {
        let app = &[("origin", "https://app.example")][..];
        assert!(passes("POST", app, &cors(true)));
        assert!(!passes("POST", app, &cors(false)));
        assert!(!passes("POST", app, &Cors::new(None).unwrap()));
        assert!(!passes("POST", app, &Cors::new(Some(&CorsConfig::Pass)).unwrap()));
    }
}
