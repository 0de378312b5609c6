//! Header names by which a caller could pose as a proxy in front of the application.
//!
//! Application servers and frameworks take the word of "the proxy" on who the client is, which method, path, host or scheme was meant, and
//! who has logged in. To them Palisade is that proxy, often on loopback, which they trust by default. So whatever they might take for a
//! proxy's word is removed from what callers send; `ingress.keep_headers` lets single names through from proxies that are believed.

use std::sync::LazyLock;

use http::HeaderName;

/// What Palisade says itself. None of these can be kept: they are set anew, or removed.
const REBUILT: &[&str] = &[
    "forwarded",
    "traceparent",
    "tracestate",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

/// What others honour, by what it would change.
const HONOURED: &[(&str, &[&str])] = &[
    (
        "the client's address",
        &[
            "cf-connecting-ip",
            "cf-connecting-ipv6",
            "cf-pseudo-ipv4",
            "client-ip",
            "cloudfront-viewer-address",
            "fastly-client-ip",
            "fly-client-ip",
            "forwarded-for",
            "proxy-client-*",
            "remote-addr",
            "true-client-ip",
            "via",
            "wl-proxy-*",
            "x-appengine-user-ip",
            "x-azure-clientip",
            "x-azure-socketip",
            "x-client-ip",
            "x-cluster-client-ip",
            "x-coming-from",
            "x-envoy-external-address",
            "x-envoy-internal",
            "x-forwarded",
            "x-originating-ip",
            "x-proxyuser-ip",
            "x-vercel-*",
        ],
    ),
    (
        "the client's certificate",
        &[
            "client-cert",
            "client-cert-chain",
            "ssl-client-*",
            "x-amzn-mtls-*",
            "x-arr-clientcert",
            "x-client-cert",
            "x-ssl-client-*",
            "x-ssl-cert",
        ],
    ),
    (
        "the user",
        &[
            "auth-type",
            "auth-user",
            "cf-access-*",
            "impersonate-*",
            "iv-*",
            "oidc-*",
            "remote-*",
            "sm-*",
            "tailscale-*",
            "x-amzn-oidc-*",
            "x-anonymous-consumer",
            "x-apigateway-*",
            "x-auth-request-*",
            "x-auth-user",
            "x-auth-username",
            "x-authenticated-*",
            "x-authentik-*",
            "x-consumer-*",
            "x-credential-*",
            "x-goog-authenticated-user-*",
            "x-endpoint-api-userinfo",
            "x-goog-iap-jwt-assertion",
            "x-ms-client-principal",
            "x-ms-client-principal-*",
            "x-ms-token-*",
            "x-pomerium-*",
            "x-remote-*",
            "x-token-subject",
            "x-userinfo",
            "x-webauth-*",
        ],
    ),
    ("the method", &["x-http-method", "x-http-method-override", "x-method-override"]),
    (
        "the path or the host",
        &[
            "path-info",
            "script-name",
            "x-envoy-original-host",
            "x-envoy-original-path",
            "x-host",
            "x-http-host-override",
            "x-original-*",
            "x-request-uri",
            "x-rewrite-url",
            "x-script-name",
        ],
    ),
    ("the scheme", &["cloudfront-forwarded-proto", "front-end-https", "https", "x-arr-ssl", "x-https", "x-scheme", "x-url-scheme"]),
    // grpc-gateway takes the prefix away and hands on what is left, such as `x-tenant-id`.
    ("any header of these", &["grpc-metadata-*", "grpcgateway-*"]),
    // IBM WebSphere's private headers: address, certificate, user and scheme, as its web server saw them.
    ("what a web server in front of WebSphere saw", &["$ws*"]),
    // Everything else that begins so: prefix, server, ssl, user, email, groups, uri, method, tls-client-cert, access-token …
    ("several of these", &["x-forwarded-*"]),
    // httpoxy: in CGI it becomes HTTP_PROXY, which HTTP clients take for their proxy.
    ("the application's own proxy", &["proxy"]),
    ("which files a proxy sends", &["x-accel-mapping", "x-sendfile-type"]),
    // Next.js skips its middleware, and so its checks, for what it takes to be its own request.
    ("whether a framework checks at all", &["x-middleware-*"]),
];

/// Whether `name`, in any spelling that folds to it, is one that Palisade says itself.
pub(crate) fn is_rebuilt(name: &HeaderName) -> bool {
    REBUILT.iter().any(|known| matches(known, name.as_str()))
}

/// Whether `name`, in any spelling that folds to it, could be taken for a proxy's word.
pub(crate) fn is_spoofed(name: &HeaderName) -> bool {
    // By the byte that they begin with, since every header of every request is looked for.
    static BY_FIRST: LazyLock<[Vec<&str>; 256]> = LazyLock::new(|| {
        let mut by_first = [const { Vec::new() }; 256];
        for known in REBUILT.iter().chain(HONOURED.iter().flat_map(|(_, names)| *names)) {
            by_first[usize::from(first(known))].push(*known);
        }
        by_first
    });
    BY_FIRST[usize::from(first(name.as_str()))].iter().any(|known| matches(known, name.as_str()))
}

fn first(name: &str) -> u8 {
    name.bytes().next().map_or(0, fold)
}

/// What an application server may make of a byte of a name: CGI and its kin make `_` of everything that is neither letter nor digit.
fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Whether `name` is `known`, or begins as one that ends in `*` does.
fn matches(known: &str, name: &str) -> bool {
    match known.strip_suffix('*') {
        None => folds_to(name, known),
        Some(start) => name.len() > start.len() && name.get(..start.len()).is_some_and(|begin| folds_to(begin, start)),
    }
}

/// Whether an application server could take one header name for the other.
pub(super) fn folds_to(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(a, b)| fold(a) == fold(b))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> HeaderName {
        HeaderName::from_bytes(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_frameworks_honour_is_known() {
        for spoofed in [
            "x-http-method-override",
            "x-original-url",
            "x-rewrite-url",
            "x-forwarded-user",
            "x-remote-user",
            "remote-user",
            "x-forwarded-prefix",
            "x-original-host",
            "x-host",
            "x-forwarded-server",
            "front-end-https",
            "x-forwarded-ssl",
            "x-url-scheme",
            "x-client-ip",
            "true-client-ip",
            "cf-connecting-ip",
            "x-cluster-client-ip",
            "x-proxyuser-ip",
            "x-amzn-oidc-data",
            "x-amzn-oidc-identity",
            "x-auth-request-user",
            "forwarded",
            "via",
            "proxy",
            "SCRIPT_NAME",
            "path_info",
            "X-Forwarded-Tls-Client-Cert",
            "x-middleware-subrequest",
            "x-forwarded-client-cert",
            "client-cert",
            "Grpc-Metadata-X-Tenant-Id",
            "grpcgateway-x-palisade-subject",
            "WL-Proxy-Client-Cert",
            "$WSRU",
            "SM_USER",
            "iv-user",
            "X-Endpoint-Api-Userinfo",
            "X-Apigateway-Api-Userinfo",
            "X-Pomerium-Jwt-Assertion",
            "Fly-Client-IP",
            "X-Vercel-Forwarded-For",
        ] {
            assert!(is_spoofed(&name(spoofed)), "{spoofed}");
        }
        for plain in [
            "host",
            "accept",
            "authorization",
            "cookie",
            "origin",
            "referer",
            "user-agent",
            "x-requested-with",
            "x-csrf-token",
            "x-forwarded-",
            "x-api-key",
            "if-none-match",
            "content-type",
            "x-amz-date",
            "remote-",
            "x-authenticate",
            "proxy-x",
            "viaduct",
        ] {
            assert!(!is_spoofed(&name(plain)), "{plain}");
        }
        assert!(is_rebuilt(&name("X_Forwarded_For")) && !is_rebuilt(&name("x-forwarded-user")));
    }

    #[test]
    fn the_guide_lists_every_name() {
        let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/guide/mtls-and-proxies.md")).unwrap();
        for (what, names) in HONOURED {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let row = format!("| {what} | {} |", names.join(", "));
            assert!(guide.contains(&row), "missing or out of date:\n{row}");
        }
    }

    proptest! {
        #[test]
        fn no_spelling_gets_through(index in any::<prop::sample::Index>(), signs in prop::collection::vec("[-_.!#$%&'*+^`|~]", 40), upper in any::<u64>(), tail in "[a-z]{1,8}") {
            let all: Vec<&str> = REBUILT.iter().chain(HONOURED.iter().flat_map(|(_, names)| *names)).copied().collect();
            let known = index.get(&all).replace('*', &tail);
            let spelled: String = known.bytes().enumerate().map(|(at, byte)| match byte {
                b'-' => signs[at % signs.len()].clone(),
                byte if upper >> (at % 64) & 1 == 1 => char::from(byte.to_ascii_uppercase()).to_string(),
                byte => char::from(byte).to_string(),
            }).collect();
            prop_assert!(is_spoofed(&name(&spelled)), "{}", spelled);
        }
    }
}
