//! Which upstream a tenant's requests go to.
//!
//! Pure: a table and a tenant's record give a place or a refusal, and nothing else has a say, least of all the request. The first
//! rule that is for the tenant holds. There is no second best: a tenant that no rule is for, or whose record lacks what its
//! upstream is named by, is refused, since another tenant's upstream would be the alternative.

use std::net::IpAddr;

use crate::{
    config::{Place, RouteConfig, RoutingConfig, Upstream, template::RenderError},
    directory::TenantRecord,
    reject::{Reason, Refusal},
    upstream::is_forbidden,
};

/// The table.
#[derive(Debug)]
pub struct Routes {
    /// The rules, and last the one for everybody, if there is one.
    routes: Vec<RouteConfig>,
    has_otherwise: bool,
}

/// Why there is nowhere to go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unrouted {
    /// An address where no application of a tenant can be.
    #[error("the address {0} is of this machine, its link or its metadata service")]
    Forbidden(IpAddr),
    /// No rule.
    #[error("no route is for the tenant, and there is no ingress.upstream")]
    NoRoute,
    /// A request of nobody, and an upstream that is each tenant's own.
    #[error("a request without a tenant goes to ingress.upstream alone, which is absent or a template")]
    NoTenant,
    /// A template that the record does not fill.
    #[error("the upstream is named by the tenant's record: {0}")]
    Record(#[from] RenderError),
}

impl From<Unrouted> for Refusal {
    fn from(why: Unrouted) -> Self {
        Self::noted(Reason::NoRoute, why.to_string())
    }
}

impl Routes {
    /// The table that `config` describes.
    pub fn new(config: &RoutingConfig) -> Self {
        let routes = config.routes.iter().chain(&config.otherwise).cloned().collect();
        Self { routes, has_otherwise: config.otherwise.is_some() }
    }

    /// Every rule, in the order of the numbers that [`Routes::of`] gives.
    pub fn all(&self) -> &[RouteConfig] {
        &self.routes
    }

    /// The number of the first rule that is for a tenant, or of `ingress.upstream` for a request of nobody.
    ///
    /// # Errors
    /// There is none. For nobody, also where an upstream is a template.
    pub fn of(&self, tenant: Option<&TenantRecord>) -> Result<usize, Unrouted> {
        let Some(tenant) = tenant else {
            let last = self.has_otherwise.then(|| self.routes.len() - 1).ok_or(Unrouted::NoTenant)?;
            let is_fixed = self.routes[last].upstreams.iter().all(|upstream| matches!(upstream, Upstream::Fixed(_)));
            return if is_fixed { Ok(last) } else { Err(Unrouted::NoTenant) };
        };
        self.routes.iter().position(|route| is_for(route, tenant)).ok_or(Unrouted::NoRoute)
    }
}

/// Whether everything that the rule asks for holds. `ingress.upstream` asks for nothing.
fn is_for(route: &RouteConfig, tenant: &TenantRecord) -> bool {
    let among = |names: &[String], name: Option<&String>| names.is_empty() || name.is_some_and(|name| names.contains(name));
    (route.tenants.is_empty() || route.tenants.iter().any(|pattern| pattern.matches(&tenant.id)))
        && among(&route.tiers, tenant.tier.as_ref())
        && among(&route.cells, tenant.cell.as_ref())
}

/// Where `upstream` is for a tenant.
///
/// # Errors
/// Its record lacks a value, or has one that names no place of its own.
pub fn place(upstream: &Upstream, tenant: Option<&TenantRecord>) -> Result<Place, Unrouted> {
    let template = match upstream {
        Upstream::Fixed(place) => return Ok(place.clone()),
        Upstream::Templated(template) => template,
    };
    let place = template.render(tenant.ok_or(Unrouted::NoTenant)?)?;
    // An address is never looked up, so the guard of the resolver would not see it.
    match place.address().filter(|address| is_forbidden(*address)) {
        Some(address) => Err(Unrouted::Forbidden(address)),
        None => Ok(place),
    }
}

#[cfg(test)]
mod tests;
