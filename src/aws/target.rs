//! Where a request is going: one allowed service, region, host and path, or a refusal.
//!
//! A request says where it wants to go in up to four places: the scope of its placeholder signature, the authority of its
//! target, `Host` and `X-Amz-Target`. They have to agree. What they say is checked against the configuration's services and
//! regions and against the partition data before any of it goes into a host name, and only a host that is built or
//! recognised here is ever connected to: a sender cannot name one.
//!
//! A host says something only when it is AWS's. An *endpoint override* (`AWS_ENDPOINT_URL=http://127.0.0.1:8180`) carries
//! our own address, so scope and target decide. Any other host means that somebody takes us for an open proxy.

mod host;
mod own;

use std::collections::BTreeMap;

use http::{
    HeaderMap, Uri,
    uri::{Authority, PathAndQuery},
};

use self::{
    host::{AwsHost, Kind},
    own::OwnAddresses,
};
use crate::{
    aws::{
        operation::{self, TargetHeader},
        partition::Partition,
        service::{self, Service},
    },
    config::{EgressConfig, Endpoint},
    reject::{Reason, Refusal},
};

/// What a request says about its destination. None of it is trusted.
#[derive(Debug, Clone, Copy)]
pub struct TargetHints<'a> {
    /// Scope of the placeholder signature, where there is one.
    pub scope: Option<Scope<'a>>,
    /// The request's target, in origin or absolute form.
    pub uri: &'a Uri,
    /// `Host`, at most one.
    pub host: Option<&'a Authority>,
    /// For `X-Amz-Target` and what tells S3 Control from S3.
    pub headers: &'a HeaderMap,
}

/// The part of a credential scope that says where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// Signing name.
    pub service: &'a str,
    /// Region.
    pub region: &'a str,
}

/// An allowed destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Key in `egress.services`.
    pub service: String,
    /// The name under which the tables know the service; differs from `service` where the configuration made up a key.
    pub api: String,
    /// Name to sign for.
    pub signing_name: String,
    /// Region to sign for.
    pub region: String,
    /// Where the resource is named.
    pub style: Style,
    /// Where to connect.
    pub dial: Endpoint,
    /// Whether `dial` comes from the configuration, and not from AWS's naming.
    pub dial_is_configured: bool,
    /// `Host` to send and to sign.
    pub host: Authority,
    /// Path and query, byte for byte as received; for S3 with an endpoint of one's own the bucket goes from host to path.
    pub path_and_query: PathAndQuery,
}

/// Where a request names its resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Style {
    /// In the host: S3's virtual-hosted style. The whole path is the key.
    Bucket(String),
    /// In the path, or nowhere.
    Plain,
}

/// The destinations that the configuration allows.
#[derive(Debug)]
pub struct Targets {
    services: BTreeMap<String, Rule>,
    region: String,
    regions: Vec<String>,
    own: OwnAddresses,
}

/// What the configuration says about one service.
#[derive(Debug)]
struct Rule {
    endpoint: Option<Endpoint>,
    region: Option<String>,
    signing_name: String,
    known: Option<&'static Service>,
}

impl Targets {
    /// The destinations that `config` allows.
    pub fn new(config: &EgressConfig) -> Self {
        let rule = |key: &String, service: &crate::config::ServiceConfig| {
            let table = Service::find(key);
            let signing_name = service.signing_name.clone().unwrap_or_else(|| table.map_or(key.as_str(), |t| t.signing_name).to_owned());
            let known = table.or_else(|| Service::named(&signing_name));
            Rule { endpoint: service.endpoint.clone(), region: service.region.clone(), signing_name, known }
        };
        Self {
            services: config.services.iter().map(|(key, service)| (key.clone(), rule(key, service))).collect(),
            region: config.region.clone(),
            regions: config.regions.clone(),
            own: OwnAddresses::new(&config.listen),
        }
    }

    /// Where a request that says `hints` goes.
    ///
    /// # Errors
    /// `MalformedRequest`, `HostNotAllowed`, `TargetConflict`, `OperationAmbiguous` (two `X-Amz-Target`), `ServiceUnknown`,
    /// `ServiceNotAllowed`, `RegionNotAllowed`.
    pub fn resolve(&self, hints: &TargetHints<'_>) -> Result<Target, Refusal> {
        let host = self.aws_host(hints)?;
        let header = operation::target_header(hints.headers)?;
        let key = self.service(hints, host.as_ref(), header.as_ref())?;
        let Some(rule) = self.services.get(&key) else {
            return Err(Refusal::noted(Reason::ServiceNotAllowed, format!("{key} is not in egress.services")));
        };
        if let Some(header) = &header {
            rule.check_header(header)?;
        }
        let region = self.region(rule, hints.scope, host.as_ref())?;
        rule.target(key, region, hints.uri, host)
    }

    /// Whether a request for `authority`, or for none, is one to Palisade itself.
    pub fn means_us(&self, authority: Option<&Authority>) -> bool {
        authority.is_none_or(|authority| self.own.contains(authority))
    }

    /// The AWS endpoint that the request names, or `None` where it names us.
    fn aws_host(&self, hints: &TargetHints<'_>) -> Result<Option<AwsHost>, Refusal> {
        let authority = match (hints.uri.authority(), hints.host) {
            (Some(target), Some(host)) if !same_authority(target, host, hints.uri.scheme_str()) => {
                return Err(Refusal::noted(Reason::TargetConflict, "the absolute-form target and Host differ"));
            }
            (Some(authority), _) | (None, Some(authority)) => authority,
            (None, None) => return Ok(None),
        };
        if authority.as_str().contains('@') {
            return Err(Refusal::noted(Reason::MalformedRequest, "user information in the authority"));
        }
        if self.own.contains(authority) {
            return Ok(None);
        }
        let name = authority.host().to_ascii_lowercase();
        if !matches!(authority.port_u16(), None | Some(80 | 443)) || authority.as_str().ends_with(':') {
            return Err(Reason::HostNotAllowed.into());
        }
        host::parse(&name, |label| self.services.contains_key(label)).map(Some).ok_or_else(|| Reason::HostNotAllowed.into())
    }

    /// The key of the one service that everything in the request points to.
    fn service(&self, hints: &TargetHints<'_>, host: Option<&AwsHost>, header: Option<&TargetHeader>) -> Result<String, Refusal> {
        let scope = hints.scope.map(|scope| scope.service);
        match (host, scope) {
            (Some(host), None) => Ok(host.service.clone()),
            (Some(host), Some(scope)) if self.signs_as(&host.service, scope) => Ok(host.service.clone()),
            (Some(_), Some(_)) => Err(Refusal::noted(Reason::TargetConflict, "the host is not one of the signed service")),
            (None, Some(scope)) => self.service_by_scope(scope, hints, header),
            (None, None) => match header {
                Some(header) => only(self.by_header(header), Service::targeted(&header.prefix).next().is_some()),
                None => Err(Reason::ServiceUnknown.into()),
            },
        }
    }

    /// Several services may share a signing name: `X-Amz-Target`, S3 Control's paths, and at last the service that is called
    /// as it signs tell them apart.
    fn service_by_scope(&self, scope: &str, hints: &TargetHints<'_>, header: Option<&TargetHeader>) -> Result<String, Refusal> {
        let mut keys: Vec<&String> = self.services.keys().filter(|key| self.signs_as(key, scope)).collect();
        if let Some(header) = header
            && Service::targeted(&header.prefix).next().is_some()
        {
            if !Service::targeted(&header.prefix).any(|service| service.signing_name == scope || service.key == scope)
                && !keys.iter().any(|key| self.by_header(header).contains(key))
            {
                return Err(Refusal::noted(Reason::TargetConflict, "X-Amz-Target is not of the signed service"));
            }
            keys.retain(|key| self.by_header(header).contains(key));
        } else if scope == "s3" {
            let control = hints.headers.contains_key("x-amz-account-id") && hints.uri.path().starts_with("/v20180820/");
            keys.retain(|key| (key.as_str() == "s3-control") == control);
        }
        match keys.iter().find(|key| key.as_str() == scope) {
            Some(key) => Ok((*key).clone()),
            None => only(keys, true),
        }
    }

    /// The configured services whose `X-Amz-Target` starts as `header` does.
    fn by_header(&self, header: &TargetHeader) -> Vec<&String> {
        let takes = |rule: &Rule| rule.known.is_some_and(|known| known.takes_target(&header.prefix));
        self.services.iter().filter(|(_, rule)| takes(rule)).map(|(key, _)| key).collect()
    }

    /// Whether requests to `key` may be signed for `scope`.
    fn signs_as(&self, key: &str, scope: &str) -> bool {
        match self.services.get(key) {
            Some(rule) => rule.signing_name == scope || key == scope,
            // Not configured: the table is enough to tell a contradiction from a service that is not allowed.
            None => key == scope || Service::find(key).is_some_and(|service| service.signing_name == scope),
        }
    }

    fn region(&self, rule: &Rule, scope: Option<Scope<'_>>, host: Option<&AwsHost>) -> Result<String, Refusal> {
        let in_host = host.and_then(|host| host.region.as_deref());
        let in_scope = scope.map(|scope| scope.region);
        if let Some(region) = &rule.region {
            return match in_host {
                Some(other) if other != region => {
                    Err(Refusal::noted(Reason::TargetConflict, "the host is in another region than configured"))
                }
                _ => Ok(region.clone()),
            };
        }
        if let Some((_, region)) = rule.global(&self.region) {
            return match (in_host, in_scope) {
                (Some(other), _) if other != region => {
                    Err(Refusal::noted(Reason::TargetConflict, "the service is not in the host's region"))
                }
                // SDKs with an endpoint override sign a global service for their own region.
                (_, Some(other)) if other != region && !self.allows(other) => Err(Reason::RegionNotAllowed.into()),
                _ => Ok(region.to_owned()),
            };
        }
        let region = match (in_host, in_scope) {
            (Some(host), Some(scope)) if host != scope => {
                return Err(Refusal::noted(Reason::TargetConflict, "host and credential scope are in different regions"));
            }
            (Some(region), _) | (None, Some(region)) => region,
            (None, None) => &self.region,
        };
        if !self.allows(region) {
            return Err(Reason::RegionNotAllowed.into());
        }
        Ok(region.to_owned())
    }

    fn allows(&self, region: &str) -> bool {
        self.regions.iter().any(|allowed| allowed == region)
    }
}

impl Rule {
    /// The service's one place, where it has one and nothing else is configured.
    fn global(&self, default_region: &str) -> Option<(&'static str, &'static str)> {
        self.known?.global(Partition::of(default_region)?)
    }

    /// `X-Amz-Target` has to be of this service, and a service that knows no such header must not get one.
    fn check_header(&self, header: &TargetHeader) -> Result<(), Refusal> {
        let agrees = match self.known {
            Some(service) => service.takes_target(&header.prefix),
            None => Service::targeted(&header.prefix).next().is_none(),
        };
        if agrees { Ok(()) } else { Err(Refusal::noted(Reason::TargetConflict, "X-Amz-Target is not of this service")) }
    }

    /// Puts the destination together, from parts that are all checked.
    fn target(&self, key: String, region: String, uri: &Uri, host: Option<AwsHost>) -> Result<Target, Refusal> {
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        if !path.as_str().starts_with('/') {
            return Err(Reason::MalformedRequest.into());
        }
        let api = self.known.map_or(key.as_str(), |service| service.key).to_owned();
        let place = match &self.endpoint {
            Some(endpoint) => Place::configured(endpoint, host, &path)?,
            None => self.aws_place(&key, &region, host)?,
        };
        Ok(Target {
            service: key,
            api,
            signing_name: self.signing_name.clone(),
            region,
            style: place.style,
            dial: place.dial,
            dial_is_configured: self.endpoint.is_some(),
            host: place.host,
            path_and_query: place.path.unwrap_or(path),
        })
    }

    /// AWS's own endpoint: the one that the request names, or the region's.
    fn aws_place(&self, key: &str, region: &str, host: Option<AwsHost>) -> Result<Place, Refusal> {
        // Before it goes into a name: only with an endpoint of its own may a service have regions that AWS does not have.
        let partition = Partition::of(region).ok_or_else(|| Refusal::noted(Reason::RegionNotAllowed, "not a region of AWS"))?;
        let (resource, endpoint, kind) = match host {
            // S3's name without a region redirects to wherever the bucket is: the region's own name does not.
            Some(AwsHost { region: None, resource, .. }) if self.global(region).is_none() => (resource, None, Kind::Ordinary),
            Some(host) => (host.resource, Some(host.endpoint), host.kind),
            None => (None, None, Kind::Ordinary),
        };
        let endpoint = endpoint.unwrap_or_else(|| match self.global(region) {
            Some((host, _)) => host.to_owned(),
            None => service::regional_host(self.known, self.known.map_or(key, |s| s.labels[0]), region, partition),
        });
        let named = resource.as_deref().map_or_else(|| endpoint.clone(), |resource| format!("{resource}.{endpoint}"));
        let bucket = resource.filter(|_| self.known.is_some_and(|s| matches!(s.key, "s3" | "s3express" | "s3-object-lambda")));
        // Connecting without the bucket keeps certificates valid for buckets with dots, and names of buckets out of DNS.
        let dial = if bucket.is_some() && kind == Kind::Ordinary && key == "s3" { endpoint } else { named.clone() };
        Ok(Place {
            style: bucket.map_or(Style::Plain, Style::Bucket),
            dial: Endpoint { tls: true, authority: authority(&dial)? },
            host: authority(&named)?,
            path: None,
        })
    }
}

/// Where to connect, and what to say there.
struct Place {
    style: Style,
    dial: Endpoint,
    host: Authority,
    path: Option<PathAndQuery>,
}

impl Place {
    /// The configured endpoint. What the request's host names besides the service has to go into the path, or be refused.
    fn configured(endpoint: &Endpoint, host: Option<AwsHost>, path: &PathAndQuery) -> Result<Self, Refusal> {
        let same = |host: &AwsHost| {
            host.resource.as_deref().map(|r| format!("{r}.{}", host.endpoint)).as_deref() == Some(endpoint.authority.host())
        };
        let path = match host {
            Some(AwsHost { resource: Some(bucket), kind: Kind::Ordinary | Kind::VpcEndpoint, ref service, .. }) if service == "s3" => {
                Some(PathAndQuery::try_from(format!("/{bucket}{path}")).map_err(|_| Reason::MalformedRequest)?)
            }
            // The account before DynamoDB and S3 Control only routes; both name it elsewhere too.
            Some(AwsHost { resource: None, .. }) | None => None,
            Some(ref host) if matches!(host.service.as_str(), "dynamodb" | "s3-control") || same(host) => None,
            Some(_) => {
                return Err(Refusal::noted(Reason::TargetConflict, "the host names a resource that the configured endpoint does not have"));
            }
        };
        Ok(Self { style: Style::Plain, dial: endpoint.clone(), host: endpoint.authority.clone(), path })
    }
}

/// The only element; otherwise nothing can be made out, or nothing is allowed.
fn only(keys: Vec<&String>, named_something: bool) -> Result<String, Refusal> {
    match keys.as_slice() {
        [key] => Ok((*key).clone()),
        [] if named_something => Err(Reason::ServiceNotAllowed.into()),
        [] => Err(Reason::ServiceUnknown.into()),
        _ => Err(Refusal::noted(Reason::ServiceUnknown, "several configured services share the signing name")),
    }
}

fn authority(name: &str) -> Result<Authority, Refusal> {
    name.parse().map_err(|_| Reason::HostNotAllowed.into())
}

/// RFC 9112, section 3.2.2: a proxy is told its target twice. Both have to be the same, with default ports filled in.
fn same_authority(target: &Authority, host: &Authority, scheme: Option<&str>) -> bool {
    let default = if scheme == Some("https") { 443 } else { 80 };
    target.host().eq_ignore_ascii_case(host.host())
        && target.port_u16().unwrap_or(default) == host.port_u16().unwrap_or(default)
        && target.as_str().contains('@') == host.as_str().contains('@')
}

#[cfg(test)]
mod tests;
