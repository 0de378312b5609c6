//! `ingress`

use http::HeaderName;

use super::{
    Env, Section,
    clients::{origin, tls},
    context::context,
    endpoints::{self, Around},
    listener, parse, routing,
};
use crate::config::{
    IngressConfig,
    error::quote,
    template::{Lands, Template},
};

/// Headers with a meaning of their own. A template that set one could change what a request is, or who it claims to be from.
const RESERVED: [&str; 22] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amz-security-token",
    "x-real-ip",
    "x-request-id",
    "x-tenant-id",
];
/// The names under which Palisade itself speaks, and those of the proxies in front.
const RESERVED_PREFIXES: [&str; 2] = ["x-palisade-", "x-forwarded-"];

pub(super) fn ingress(
    section: &Section<'_>,
    top: &Section<'_>,
    names: Option<(&HeaderName, &HeaderName)>,
    has_egress: bool,
    env: Env<'_>,
) -> Option<IngressConfig> {
    let listen = section.get("listen", parse::address);
    let tls = section.given("tls").and_then(|given| tls(&given, env));
    let origin = origin(section);
    let headers = headers(section, names);
    let context = section.given("context").map_or(Some(None), |given| context(&given, env).map(Some));
    // One that could not be read counts as asking: its own errors are reported.
    let has_clients = tls.as_ref().is_none_or(|tls| tls.clients.is_some());
    let access = endpoints::access(section, names, Around { has_clients, has_egress });
    let server = listener(section, top);
    let routing = routing::routing(section, server.as_ref().map(|server| server.idle_timeout));
    Some(IngressConfig {
        listen: listen?,
        tls: tls?,
        routing: routing?,
        origin: origin?,
        headers,
        context: context?,
        access: access?,
        server: server?,
    })
}

fn headers(section: &Section<'_>, names: Option<(&HeaderName, &HeaderName)>) -> Vec<(HeaderName, Template)> {
    let pairs = section.pairs("headers", |scalar| Template::parse(&scalar.text, Lands::Header).ok());
    let mut headers = Vec::with_capacity(pairs.len());
    for (name, template) in pairs {
        let Ok(header) = HeaderName::from_lowercase(name.as_bytes()) else { continue };
        let own = names.is_some_and(|(tenant, token)| header == tenant || header == token);
        if own || is_reserved(&name) {
            section.wrong_entry(
                "headers",
                &name,
                format!("{} has a meaning of its own", quote(&name)),
                "choose a name such as x-user-email",
            );
        }
        headers.push((header, template));
    }
    headers
}

/// Whether a header cannot be given away by the configuration.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
