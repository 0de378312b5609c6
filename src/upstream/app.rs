//! The application: one place or many, on this host or on others.
//!
//! [`AppClient::route`] picks the places for a request's tenant, and [`RoutedRequest::send`] tries them. Both steps take the
//! tenant out of the request, so that the upstream is that of the tenant that the request's headers name. Each place has
//! connections of its own, which no other tenant's place shares, and they are bounded in number.
//!
//! A request goes on to the next place only when there was no connection to the one before: then nothing was sent, whatever the
//! method.

mod dial;
mod health;
mod lend;
mod member;
mod monitor;
mod pool;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};

pub use self::member::Busy;
use self::{
    member::{Member, Origin, Workshop},
    pool::Pool,
};
use super::{Answer, connect::SetupError};
use crate::{
    body::Body,
    clock::Clock,
    config::{Balance, HealthConfig, RouteConfig, RoutingConfig, Upstream},
    directory::{ActiveTenant, TenantRecord},
    ingress::ForwardRequest,
    reject::{Reason, Refusal},
    routes::{self, Routes},
    telemetry::Metrics,
};

/// How many places one request tries. More would only keep its caller waiting: each may take the whole `connect` time.
const ATTEMPTS: usize = 3;

/// Sends verified requests to the application. Cheap to clone.
#[derive(Clone)]
pub struct AppClient(Arc<Shared>);

struct Shared {
    routes: Routes,
    /// As many as there are routes, in their order.
    clusters: Vec<Cluster>,
    balance: Balance,
    health: Option<HealthConfig>,
    workshop: Workshop,
    /// The members out of templates.
    pool: Pool,
    clock: Clock,
}

/// The upstreams of one route.
struct Cluster {
    origin: Origin,
    slots: Vec<Slot>,
    /// Where the next round begins.
    turn: AtomicUsize,
}

enum Slot {
    Fixed(Arc<Member>),
    Templated(Upstream),
}

/// A request with the places that it may go to: those of its tenant.
pub struct RoutedRequest {
    request: Request<Body>,
    expects_continue: bool,
    route: Arc<str>,
    /// In the order in which they are tried.
    members: Vec<Arc<Member>>,
    /// When a place that is out of use is looked at again.
    recheck: Duration,
}

impl AppClient {
    /// A client for the places that `config` names. Reads the file of roots, and opens nothing.
    pub fn new(config: &RoutingConfig, metrics: &Metrics, clock: &Clock) -> Result<Self, SetupError> {
        let workshop = Workshop::new(config, metrics)?;
        let routes = Routes::new(config);
        let cluster = |route: &RouteConfig| {
            let origin = Origin { route: route.name.as_str().into(), protocol: route.protocol };
            let slots = route.upstreams.iter().map(|upstream| match upstream {
                // The operator names the host; it is on loopback as a rule.
                Upstream::Fixed(place) => workshop.member(&origin, place, false).map(Slot::Fixed),
                Upstream::Templated(_) => Ok(Slot::Templated(upstream.clone())),
            });
            let slots = slots.collect::<Result<_, _>>()?;
            Ok(Cluster { origin, slots, turn: AtomicUsize::new(0) })
        };
        let clusters = routes.all().iter().map(cluster).collect::<Result<_, SetupError>>()?;
        let shared = Shared {
            routes,
            clusters,
            balance: config.balance,
            health: config.health.clone(),
            workshop,
            pool: Pool::new(config.max_upstreams),
            clock: clock.clone(),
        };
        Ok(Self(Arc::new(shared)))
    }

    /// Finds where the request goes: by the record of the tenant that it is from, or for a request without a tenant to
    /// `ingress.upstream`.
    ///
    /// # Errors
    /// There is no route, the tenant's record does not fill its upstream, or there is no room for another place.
    pub fn route(&self, request: ForwardRequest) -> Result<RoutedRequest, Refusal> {
        let expects_continue = request.expects_continue();
        let (cluster, members) = self.0.members(request.tenant().map(ActiveTenant::record))?;
        Ok(self.0.routed(cluster, members, request.into_request(), expects_continue))
    }

    /// One round of [`AppClient::maintain`].
    #[cfg(test)]
    pub(super) async fn round(&self) {
        monitor::round(&self.0).await;
    }

    /// The places out of templates that are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> Vec<String> {
        let mut held: Vec<_> = self.0.pool.all().iter().map(|member| format!("{member:?}")).collect();
        held.sort();
        held
    }

    /// A request of nobody that is as good as it stands.
    #[cfg(test)]
    pub(super) fn routed(&self, request: Request<Body>, expects_continue: bool) -> Result<RoutedRequest, Refusal> {
        let (cluster, members) = self.0.members(None)?;
        Ok(self.0.routed(cluster, members, request, expects_continue))
    }

    /// Sends one.
    #[cfg(test)]
    pub(super) async fn deliver(&self, request: Request<Body>, expects_continue: bool) -> Result<Response<Answer>, Refusal> {
        Ok(self.routed(request, expects_continue)?.send().await?.0)
    }

    /// Checks the places, and lets go of those that nobody asks for any more, for ever.
    pub async fn maintain(&self) {
        monitor::maintain(&self.0).await;
    }

    /// Whether `other` is a clone of this one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether some place is known to work, where readiness depends on it. Places out of templates do not count: one tenant's
    /// must not take all others out of service.
    pub fn is_ready(&self) -> Option<bool> {
        self.0.health.as_ref().filter(|health| health.readiness)?;
        Some(self.0.fixed().any(|member| member.is_known_to_work()))
    }
}

impl std::fmt::Debug for AppClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppClient").finish_non_exhaustive()
    }
}

impl Shared {
    fn routed(&self, cluster: &Cluster, members: Vec<Arc<Member>>, request: Request<Body>, expects_continue: bool) -> RoutedRequest {
        let recheck = self.health.as_ref().map_or(Duration::ZERO, |health| health.interval);
        RoutedRequest { request, expects_continue, route: cluster.origin.route.clone(), members, recheck }
    }

    /// The places for a tenant in the order of preference, those out of use included.
    fn members(&self, tenant: Option<&TenantRecord>) -> Result<(&Cluster, Vec<Arc<Member>>), Refusal> {
        let number = self.routes.of(tenant)?;
        let cluster = self.clusters.get(number).ok_or_else(|| Refusal::noted(Reason::Internal, "a route without upstreams"))?;
        let mut members = Vec::with_capacity(cluster.slots.len());
        for slot in &cluster.slots {
            members.push(match slot {
                Slot::Fixed(member) => member.clone(),
                Slot::Templated(upstream) => {
                    let place = routes::place(upstream, tenant)?;
                    let make = |place: &_| self.workshop.member(&cluster.origin, place, true);
                    self.pool.get(number, place, self.clock.instant(), make)?
                }
            });
        }
        if members.len() > 1 {
            let first = cluster.turn.fetch_add(1, Ordering::Relaxed) % members.len();
            members.rotate_left(first);
            if self.balance == Balance::LeastRequests {
                members.sort_by_key(|member| member.in_progress());
            }
        }
        Ok((cluster, members))
    }

    /// The places that are the same for everybody.
    fn fixed(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.clusters.iter().flat_map(|cluster| &cluster.slots).filter_map(|slot| match slot {
            Slot::Fixed(member) => Some(member),
            Slot::Templated(_) => None,
        })
    }

    /// Every place that there is now.
    fn everybody(&self) -> Vec<Arc<Member>> {
        self.fixed().cloned().chain(self.pool.all()).collect()
    }
}

impl RoutedRequest {
    /// The route's name.
    pub fn route(&self) -> &Arc<str> {
        &self.route
    }

    /// Sends the request and yields the response as soon as its head is there. [`Busy`] is to be kept for as long as the response
    /// lasts.
    ///
    /// A `101` can be followed by [`hyper::upgrade::on`].
    ///
    /// # Errors
    /// Every place is out of use; or else the refusal of the last one that was tried.
    pub async fn send(self) -> Result<(Response<Answer>, Busy), Refusal> {
        let Self { request, expects_continue, route, members, recheck } = self;
        let mut usable = members.into_iter().filter(|member| member.is_usable()).take(ATTEMPTS);
        let Some(mut member) = usable.next() else {
            let note = format!("{route}: every upstream is out of use");
            return Err(Refusal::noted(Reason::UpstreamUnavailable, note).retry_after(recheck));
        };
        let (head, mut body) = request.into_parts();
        for next in usable {
            // A body that may have to go elsewhere comes back, if nobody touched it.
            let (given, lent) = lend::lend(body);
            match member.attempt(Request::from_parts(head.clone(), given), expects_continue).await {
                Err(failed) if failed.is_unconnected => match lent.take() {
                    Some(back) => (member, body) = (next, back),
                    None => return Err(failed.refusal),
                },
                outcome => return outcome.map_err(|failed| failed.refusal),
            }
        }
        member.attempt(Request::from_parts(head, body), expects_continue).await.map_err(|failed| failed.refusal)
    }
}
