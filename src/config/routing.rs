//! `ingress.upstream`, `ingress.routes` and what goes with them.

use std::{path::PathBuf, time::Duration};

use super::{TenantPattern, TimeoutsConfig, Upstream};

/// Where the application is, for whom, and how it is reached.
#[derive(Debug, Clone)]
pub struct RoutingConfig {
    /// `ingress.routes`, in order: the first that is for a tenant holds.
    pub routes: Vec<RouteConfig>,
    /// `ingress.upstream`: for tenants that no route is for, and for requests without a tenant.
    pub otherwise: Option<RouteConfig>,
    /// PEM file of the roots that vouch for `https://` upstreams; the platform's without one.
    pub ca: Option<PathBuf>,
    /// How one of several upstreams is chosen.
    pub balance: Balance,
    /// Active checks; nothing is ever taken out of use without them.
    pub health: Option<HealthConfig>,
    /// Deadlines towards the application.
    pub timeouts: TimeoutsConfig,
    /// Upstreams of templates with connections and checks of their own at once.
    pub max_upstreams: usize,
}

/// One rule, and where it leads.
#[derive(Debug, Clone)]
pub struct RouteConfig {
    /// For the log and the metrics. Unique.
    pub name: String,
    /// Any of these, where there are some.
    pub tenants: Vec<TenantPattern>,
    /// Any of these, where there are some.
    pub tiers: Vec<String>,
    /// Any of these, where there are some.
    pub cells: Vec<String>,
    /// At least one, each different.
    pub upstreams: Vec<Upstream>,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// What is spoken to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC that came over HTTP/2 goes over HTTP/2, everything else over HTTP/1.1.
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, in clear with prior knowledge. What asks for an upgrade goes over HTTP/1.1, which alone has them.
    Http2,
}

/// How one of several upstreams is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// The one with the fewest requests in progress; in turn among equals.
    LeastRequests,
    /// In turn.
    RoundRobin,
}

/// `ingress.health`
#[derive(Debug, Clone)]
pub struct HealthConfig {
    /// What is asked for.
    pub path: http::uri::PathAndQuery,
    /// Pause between two checks.
    pub interval: Duration,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Failures in a row that take an upstream out of use.
    pub unhealthy: u32,
    /// Successes in a row that bring it back.
    pub healthy: u32,
    /// Statuses that count as success.
    pub expect: Vec<u16>,
    /// Whether `/readyz` waits for an upstream that is healthy.
    pub readiness: bool,
}

impl RoutingConfig {
    /// Every route, with the key of its settings.
    pub fn all(&self) -> impl Iterator<Item = (String, &RouteConfig)> {
        let numbered = self.routes.iter().enumerate().map(|(number, route)| (format!("ingress.routes[{number}]"), route));
        numbered.chain(self.otherwise.iter().map(|route| ("ingress".to_owned(), route)))
    }

    /// Whether any connection is made over TLS.
    pub fn uses_tls(&self) -> bool {
        self.all().any(|(_, route)| route.upstreams.iter().any(Upstream::is_tls))
    }
}

impl RouteConfig {
    /// Whether every tenant that `other` is for, this one is for too. Never true by mistake.
    pub(super) fn covers(&self, other: &Self) -> bool {
        fn within<T>(mine: &[T], theirs: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
            mine.is_empty() || (!theirs.is_empty() && theirs.iter().all(|theirs| mine.iter().any(|mine| covers(mine, theirs))))
        }
        // A rule that says nothing of tenants is for all of them, and so is a bare `*`.
        let is_for_all = self.tenants.iter().any(TenantPattern::is_everybody);
        (is_for_all || within(&self.tenants, &other.tenants, TenantPattern::covers))
            && within(&self.tiers, &other.tiers, |mine, theirs| mine == theirs)
            && within(&self.cells, &other.cells, |mine, theirs| mine == theirs)
    }

    /// The rule as several, each of which asks about one value of what it asks about, where that is one thing alone.
    pub(super) fn alternatives(&self) -> Vec<Self> {
        let bare = Self { tenants: Vec::new(), tiers: Vec::new(), cells: Vec::new(), ..self.clone() };
        match (&self.tenants[..], &self.tiers[..], &self.cells[..]) {
            (tenants, [], []) => tenants.iter().map(|tenant| Self { tenants: vec![tenant.clone()], ..bare.clone() }).collect(),
            ([], tiers, []) => tiers.iter().map(|tier| Self { tiers: vec![tier.clone()], ..bare.clone() }).collect(),
            ([], [], cells) => cells.iter().map(|cell| Self { cells: vec![cell.clone()], ..bare.clone() }).collect(),
            _ => vec![self.clone()],
        }
    }
}
