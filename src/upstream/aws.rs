//! AWS, or what the configuration puts in its place.

use std::{collections::HashMap, time::Duration};

use http::{HeaderValue, Response, StatusCode, Uri, Version, header, uri::Scheme};
use hyper_util::client::legacy::{Client, connect::capture_connection};
use rustls::ClientConfig;

use super::{
    Answer, Sending,
    connect::{self, Connector, Protocols, SetupError},
    exchange,
    fleet::{Bounded, Fleet},
    progress::Watched,
    resolve::Resolver,
};
use crate::{
    aws::target::Destination,
    config::{EgressConfig, Endpoint, ServiceConfig},
    reject::{Reason, Refusal},
    signing::{SignedRequest, signer::SignedParts},
};

/// Below the time after which AWS's front ends close a kept connection.
const IDLE: Duration = Duration::from_secs(15);

/// Sends signed requests.
#[derive(Clone)]
pub struct AwsClient {
    services: HashMap<String, ServiceClient>,
}

/// Each service has its own connections, with its own trusted roots.
#[derive(Clone)]
struct ServiceClient {
    /// The endpoint that the configuration gives, if it gives one.
    endpoint: Option<Endpoint>,
    http1: Client<Bounded<Connector>, Watched>,
    negotiated: Client<Bounded<Connector>, Watched>,
    /// The connections of both.
    fleet: Fleet,
}

impl AwsClient {
    /// Clients for every configured service. Reads the system's roots and every file of roots now.
    pub fn new(config: &EgressConfig) -> Result<Self, SetupError> {
        let mut roots = connect::platform_roots();
        connect::add_roots(&mut roots, config.ca.as_deref())?;
        // Most services trust the same roots, and those are large.
        let shared = connect::client_config(roots.clone())?;
        let mut services = HashMap::new();
        for (name, service) in &config.services {
            let tls = match &service.ca {
                None => shared.clone(),
                Some(ca) => {
                    let mut own = roots.clone();
                    connect::add_roots(&mut own, Some(ca))?;
                    connect::client_config(own)?
                }
            };
            let needs_roots = service.endpoint.as_ref().is_none_or(|endpoint| endpoint.tls);
            if needs_roots && roots.is_empty() && service.ca.is_none() {
                return Err(SetupError::NoRoots);
            }
            services.insert(name.clone(), ServiceClient::new(service, &tls));
        }
        Ok(Self { services })
    }

    /// Sends the request, unchanged but for `Expect`, and yields the response as soon as its head is there.
    pub async fn send(&self, request: SignedRequest) -> Result<Response<Answer>, Refusal> {
        self.deliver(request.into_parts()).await
    }

    pub(super) async fn deliver(&self, parts: SignedParts) -> Result<Response<Answer>, Refusal> {
        let SignedParts { destination, timeouts, expects_continue, mut request } = parts;
        let Destination { service, dial, dial_is_configured: is_configured, .. } = &*destination;
        let Some(client) = self.services.get(service) else {
            return Err(Refusal::noted(Reason::Internal, "a request was signed for a service without a client"));
        };
        if *is_configured != (client.endpoint.as_ref() == Some(dial)) {
            return Err(Refusal::noted(Reason::Internal, "a request was signed for an endpoint that is not the service's"));
        }
        // An address is never looked up, so the guard of the resolver would not see it.
        if !is_configured && (!dial.tls || is_address(dial.authority.host())) {
            return Err(Reason::HostNotAllowed.into());
        }

        let is_own_host = request.headers().get(header::HOST).map(HeaderValue::as_bytes) == Some(dial.authority.as_str().as_bytes());
        let mut target = request.uri().clone().into_parts();
        target.scheme = Some(if dial.tls { Scheme::HTTPS } else { Scheme::HTTP });
        target.authority = Some(dial.authority.clone());
        *request.uri_mut() = Uri::from_parts(target).map_err(|_| Refusal::noted(Reason::Internal, "the target is not a path"))?;
        *request.version_mut() = Version::HTTP_11;
        // HTTP/2 sends the dialled authority as the request's host. Where another one is signed, only HTTP/1.1 can say so.
        let pool = if is_own_host { &client.negotiated } else { &client.http1 };
        let handle = client.fleet.before(&mut request);
        let connection = handle.clone().or_else(|| expects_continue.then(|| capture_connection(&mut request)));
        let answer = exchange(pool, request, Sending { timeouts: &timeouts, expects_continue, connection }).await;
        if let Some(handle) = handle {
            client.fleet.after(&handle);
        }
        // Offers to change the protocol are not passed on, so there is none to accept.
        match answer {
            Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(Refusal::noted(Reason::UpstreamUnavailable, "an answer of 101 that nobody asked for"))
            }
            answer => answer.map_err(|failed| failed.refusal),
        }
    }
}

impl ServiceClient {
    fn new(service: &ServiceConfig, tls: &ClientConfig) -> Self {
        let resolver = Resolver { is_guarded: service.endpoint.is_none() };
        let allow_http = service.endpoint.as_ref().is_some_and(|endpoint| !endpoint.tls);
        let fleet = Fleet::new(service.connections, service.timeouts.connect, service.connection_lifetime);
        let client = |protocols| {
            let inner = connect::connector(tls.clone(), protocols, resolver, allow_http, service.timeouts.connect, service.host.as_ref());
            connect::client(Bounded { inner, fleet: fleet.clone() }, IDLE)
        };
        let (http1, negotiated) = (client(Protocols::Http1), client(Protocols::Negotiated));
        Self { endpoint: service.endpoint.clone(), http1, negotiated, fleet }
    }
}

fn is_address(host: &str) -> bool {
    // A bracket can only be the start of an IPv6 address. What is all digits and dots may be read as IPv4 by some resolver
    // (`127.1`, `2130706433`), and so may hexadecimal.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")).is_some();
    host.starts_with('[') || is_hex || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_names() {
        for host in ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "1.0x1", "[::1]", "[fd00:ec2::254]"] {
            assert!(is_address(host), "{host}");
        }
        for host in ["s3.eu-west-1.amazonaws.com", "1-2-3.s3.eu-west-1.amazonaws.com", "localhost"] {
            assert!(!is_address(host), "{host}");
        }
    }
}
