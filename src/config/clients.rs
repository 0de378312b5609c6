//! Client certificates, and what is believed of proxies in front.

use std::{path::PathBuf, time::Duration};

use http::HeaderName;

use crate::{cidr::Cidr, client_pattern::ClientPattern, telemetry::Listener, tenant::TenantId};

/// `tls.client_ca` and what goes with it.
#[derive(Debug, Clone)]
pub struct ClientAuthConfig {
    /// PEM file of the roots that clients' certificates have to lead to.
    pub ca: PathBuf,
    /// Whether a client without a certificate is turned away.
    pub required: bool,
    /// PEM file of revocation lists, one for every authority of a chain.
    pub crl: Option<PathBuf>,
}

/// `identity.workloads[]`
#[derive(Debug, Clone)]
pub struct WorkloadConfig {
    /// Whose certificate.
    pub client: ClientPattern,
    /// The one tenant that it works for.
    pub tenant: TenantId,
    /// Where this holds; `None` is on both listeners.
    pub listener: Option<Listener>,
    /// Its roles, where the certificate alone is the proof.
    pub roles: Vec<String>,
}

impl WorkloadConfig {
    /// Whether this holds for connections of `listener`.
    pub fn holds_on(&self, listener: Listener) -> bool {
        self.listener.is_none_or(|own| own == listener)
    }
}

/// `identity.workloads` and its limits.
#[derive(Debug, Clone, Default)]
pub struct WorkloadsConfig {
    /// None of which overlap.
    pub mappings: Vec<WorkloadConfig>,
    /// Longest life of a proof that is a certificate alone, from each request on.
    pub max_age: Duration,
}

/// What is believed of what proxies in front say: `ingress.trusted_hops` and its neighbours.
#[derive(Debug, Clone, Default)]
pub struct OriginConfig {
    /// How many proxies are in front, counted from here.
    pub hops: usize,
    /// Which they may be; empty is whoever connects, where `hops` is not 0.
    pub proxies: Vec<Cidr>,
    /// Where addresses are read from.
    pub header: ForwardingHeader,
    /// Whether the proxies' word on the scheme is taken.
    pub proto: bool,
    /// Whether the proxies' word on the host is taken.
    pub host: bool,
    /// Headers that proxies set and that stay.
    pub keep: Vec<HeaderName>,
    /// Whether the proxies' `x-request-id` is taken.
    pub request_id: bool,
    /// Whether the proxies' trace goes on.
    pub trace: bool,
}

impl OriginConfig {
    /// Whether anybody in front is believed at all.
    pub fn trusts_anybody(&self) -> bool {
        self.hops > 0 || !self.proxies.is_empty()
    }
}

/// `ingress.forwarded_header`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardingHeader {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For` and its kin.
    #[default]
    XForwarded,
}
