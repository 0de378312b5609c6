//! Where a request is going: one allowed service, region, host and path, or a refusal.
//!
//! A request says where it wants to go in up to four places: the scope of its placeholder signature, the authority of its
//! target, `Host` and `X-Amz-Target`. They have to agree. What they say is checked against the configuration's services and
//! regions and against the partition data before any of it goes into a host name, and only a host that is built or
//! recognised here is ever connected to: a sender cannot name one.
//!
//! A host says something only when it is AWS's. An *endpoint override* (`AWS_ENDPOINT_URL=http://127.0.0.1:8180`) carries
//! our own address, so scope and target decide; what stands before a name of ours is a bucket of S3's, or nothing that we know.
//! Any other host means that somebody takes us for an open proxy.

mod host;
mod memory;
pub(crate) mod name;
mod own;
mod place;

use std::{collections::BTreeMap, ops::Deref, sync::Arc};

use http::{
    HeaderMap, Uri,
    uri::{Authority, PathAndQuery},
};

use self::{
    host::{AwsHost, Kind},
    memory::{Memory, Question},
    own::{Own, OwnNames},
    place::Placed,
};
use crate::{
    aws::{
        operation::{self, TargetHeader},
        partition::Partition,
        service::Service,
    },
    config::{EgressConfig, Endpoint, error::quote},
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope<'a> {
    /// Signing name.
    pub service: &'a str,
    /// Region.
    pub region: &'a str,
}

/// An allowed destination, and what is asked for there. It has the fields of its [`Destination`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Shared by all requests to it.
    pub destination: Arc<Destination>,
    /// Path and query, byte for byte as received; for S3 with an endpoint of one's own the bucket goes from host to path.
    pub path_and_query: PathAndQuery,
}

impl Deref for Target {
    type Target = Destination;

    fn deref(&self) -> &Destination {
        &self.destination
    }
}

/// An allowed destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
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
    /// `Host` to send.
    pub host: Authority,
    /// `Host` to sign: what a gateway on the way makes of it.
    pub signed_host: Authority,
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
    /// Of these regions, the default one's first.
    partitions: Vec<&'static str>,
    own: OwnNames,
    memory: Memory,
}

/// What the configuration says about one service.
#[derive(Debug)]
struct Rule {
    endpoint: Option<Endpoint>,
    host: Option<Authority>,
    signed_host: Option<Authority>,
    region: Option<String>,
    signing_name: String,
    known: Option<&'static Service>,
}

/// What the authority of a request names.
enum Named {
    /// An endpoint of AWS's.
    Aws(AwsHost),
    /// Us, with something before our name.
    Prefixed(String),
    /// Us, or nothing.
    Us,
}

impl Targets {
    /// The name under which the tables know the service that is configured as `key`.
    pub(crate) fn kind<'k>(&'k self, key: &'k str) -> &'k str {
        self.services.get(key).and_then(|rule| rule.known).map_or(key, |service| service.key)
    }

    /// The destinations that `config` allows.
    pub fn new(config: &EgressConfig) -> Self {
        let rule = |key: &String, service: &crate::config::ServiceConfig| {
            let table = Service::find(key);
            let signing_name = service.signing_name.clone().unwrap_or_else(|| table.map_or(key.as_str(), |t| t.signing_name).to_owned());
            let known = table.or_else(|| Service::named(&signing_name));
            Rule {
                endpoint: service.endpoint.clone(),
                host: service.host.clone(),
                signed_host: service.signed_host.clone(),
                region: service.region.clone(),
                signing_name,
                known,
            }
        };
        let regions = std::iter::once(&config.region).chain(&config.regions);
        Self {
            partitions: regions.filter_map(|region| Partition::of(region)).map(|partition| partition.id).collect(),
            services: config.services.iter().map(|(key, service)| (key.clone(), rule(key, service))).collect(),
            region: config.region.clone(),
            regions: config.regions.clone(),
            own: OwnNames::new(&config.listen, &config.hosts),
            memory: Memory::new(),
        }
    }

    /// Where a request that says `hints` goes.
    ///
    /// # Errors
    /// `MalformedRequest`, `HostNotAllowed`, `TargetConflict`, `OperationAmbiguous` (two `X-Amz-Target`), `ServiceUnknown`,
    /// `ServiceNotAllowed`, `RegionNotAllowed`, `SignatureUnsupported` (an endpoint that wants another kind).
    pub fn resolve(&self, hints: &TargetHints<'_>) -> Result<Target, Refusal> {
        let authority = authority(hints)?;
        let header = operation::target_header(hints.headers);
        let question = Question {
            authority: authority.map(Authority::as_str),
            scope: hints.scope,
            prefix: header.as_ref().ok().and_then(|header| header.as_ref()).map(|header| header.prefix),
            is_control: hints.headers.contains_key("x-amz-account-id") && hints.uri.path().starts_with("/v20180820/"),
        };
        // Of a header that cannot be read nothing was ever answered.
        if header.is_ok()
            && let Some(placed) = self.memory.get(&question)
        {
            return placed.target(hints.uri);
        }
        let named = self.named(authority)?;
        let placed = self.place(&question, named, header?.as_ref())?;
        let target = placed.clone().target(hints.uri)?;
        self.memory.put(&question, placed);
        Ok(target)
    }

    fn place(&self, question: &Question<'_>, named: Named, header: Option<&TargetHeader<'_>>) -> Result<Placed, Refusal> {
        let aws = if let Named::Aws(host) = &named { Some(host) } else { None };
        let key = self.service(question, aws, header)?;
        let Some(rule) = self.services.get(&key) else {
            return Err(not_listed(&key));
        };
        if let Some(header) = header {
            rule.check_header(header)?;
        }
        let region = self.region(rule, question.scope, aws)?;
        let host = match named {
            Named::Aws(host) => Some(host),
            Named::Prefixed(prefix) => rule.prefixed(prefix)?,
            Named::Us => None,
        };
        rule.place(key, region, host)
    }

    /// The configured services: key, what the tables have of it, and the name it signs as.
    pub fn services(&self) -> impl Iterator<Item = (&str, Option<&'static Service>, &str)> {
        self.services.iter().map(|(key, rule)| (key.as_str(), rule.known, rule.signing_name.as_str()))
    }

    /// Whether a request for `authority`, or for none, is one to Palisade itself.
    pub fn means_us(&self, authority: Option<&Authority>) -> bool {
        authority.is_none_or(|authority| self.own.find(authority) == Some(own::Own::Bare))
    }

    /// Whether the request names AWS or us.
    fn named(&self, authority: Option<&Authority>) -> Result<Named, Refusal> {
        let Some(authority) = authority else { return Ok(Named::Us) };
        if authority.as_str().contains('@') {
            return Err(Refusal::noted(Reason::MalformedRequest, "user information in the authority"));
        }
        match self.own.find(authority) {
            Some(Own::Bare) => return Ok(Named::Us),
            Some(Own::Prefixed(prefix)) => return Ok(Named::Prefixed(prefix)),
            None => {}
        }
        let name = authority.host().to_ascii_lowercase();
        if !matches!(authority.port_u16(), None | Some(80 | 443)) || authority.as_str().ends_with(':') {
            return Err(Reason::HostNotAllowed.into());
        }
        AwsHost::parse(&name, &self.partitions, |label| self.services.contains_key(label)).map(Named::Aws)
    }

    /// The key of the one service that everything in the request points to.
    fn service(&self, question: &Question<'_>, host: Option<&AwsHost>, header: Option<&TargetHeader<'_>>) -> Result<String, Refusal> {
        let scope = question.scope.map(|scope| scope.service);
        match (host, scope) {
            (Some(host), None) => Ok(host.service.clone()),
            (Some(host), Some(scope)) if self.signs_as(&host.service, scope) => Ok(host.service.clone()),
            (Some(_), Some(_)) => Err(Refusal::noted(Reason::TargetConflict, "the host is not one of the signed service")),
            (None, Some(scope)) => self.service_by_scope(scope, question.is_control, header),
            (None, None) => match header {
                Some(header) => only(self.by_header(header), Service::targeted(header.prefix).next().map(|service| service.key)),
                None => Err(Refusal::noted(
                    Reason::ServiceUnknown,
                    "neither a credential scope nor X-Amz-Target nor a host of AWS's; name one, such as Host: s3.eu-west-1.amazonaws.com",
                )),
            },
        }
    }

    /// Several services may share a signing name: `X-Amz-Target`, S3 Control's paths, and at last the service that is called
    /// as it signs tell them apart.
    fn service_by_scope(&self, scope: &str, is_control: bool, header: Option<&TargetHeader<'_>>) -> Result<String, Refusal> {
        let mut keys: Vec<&String> = self.services.keys().filter(|key| self.signs_as(key, scope)).collect();
        if let Some(header) = header
            && Service::targeted(header.prefix).next().is_some()
        {
            if !Service::targeted(header.prefix).any(|service| service.signing_name == scope || service.key == scope)
                && !keys.iter().any(|key| self.by_header(header).contains(key))
            {
                return Err(Refusal::noted(Reason::TargetConflict, "X-Amz-Target is not of the signed service"));
            }
            keys.retain(|key| self.by_header(header).contains(key));
        } else if scope == "s3" {
            keys.retain(|key| (key.as_str() == "s3-control") == is_control);
        }
        match keys.iter().find(|key| key.as_str() == scope) {
            Some(key) => Ok((*key).clone()),
            None => only(keys, Some(scope)),
        }
    }

    /// The configured services whose `X-Amz-Target` starts as `header` does.
    fn by_header(&self, header: &TargetHeader<'_>) -> Vec<&String> {
        let takes = |rule: &Rule| rule.known.is_some_and(|known| known.takes_target(header.prefix));
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
        if let Some(global) = self.partition(in_host, in_scope).and_then(|partition| rule.known?.global(partition)) {
            let region = match host {
                // A service may have further places, for FIPS.
                Some(AwsHost { kind: Kind::Listed, region: Some(region), .. }) => region,
                _ => global,
            };
            return match (in_host, in_scope) {
                (Some(other), _) if other != region => {
                    Err(Refusal::noted(Reason::TargetConflict, "the service is not in the host's region"))
                }
                // SDKs with an endpoint override sign a global service for their own region.
                (_, Some(other)) if other != region && !self.allows(other) => Err(foreign(other)),
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
            return Err(foreign(region));
        }
        Ok(region.to_owned())
    }

    /// The partition that the request is for: a global service has a place in each.
    fn partition(&self, in_host: Option<&str>, in_scope: Option<&str>) -> Option<&'static Partition> {
        let mut named = [in_host, in_scope, Some(&self.region)].into_iter().flatten().filter_map(Partition::of);
        named.find(|partition| self.partitions.contains(&partition.id))
    }

    fn allows(&self, region: &str) -> bool {
        self.regions.iter().any(|allowed| allowed == region)
    }
}

impl Rule {
    /// `X-Amz-Target` has to be of this service, and a service that knows no such header must not get one.
    fn check_header(&self, header: &TargetHeader<'_>) -> Result<(), Refusal> {
        let agrees = match self.known {
            Some(service) => service.takes_target(header.prefix),
            None => Service::targeted(header.prefix).next().is_none(),
        };
        if agrees { Ok(()) } else { Err(Refusal::noted(Reason::TargetConflict, "X-Amz-Target is not of this service")) }
    }
}

/// The only element; otherwise nothing can be made out, or `named`, which the request asks for, is not allowed.
fn only(keys: Vec<&String>, named: Option<&str>) -> Result<String, Refusal> {
    match (keys.as_slice(), named) {
        ([key], _) => Ok((*key).clone()),
        ([], Some(named)) => Err(not_listed(named)),
        ([], None) => Err(Refusal::noted(Reason::ServiceUnknown, "X-Amz-Target is of no service that is known")),
        _ => Err(Refusal::noted(Reason::ServiceUnknown, "several configured services share the signing name")),
    }
}

fn not_listed(service: &str) -> Refusal {
    Refusal::noted(Reason::ServiceNotAllowed, format!("{} is not in egress.services", quote(service)))
}

fn foreign(region: &str) -> Refusal {
    Refusal::noted(Reason::RegionNotAllowed, format!("{} is not in egress.regions", quote(region)))
}

/// What the request calls its host.
fn authority<'h>(hints: &TargetHints<'h>) -> Result<Option<&'h Authority>, Refusal> {
    match (hints.uri.authority(), hints.host) {
        (Some(target), Some(host)) if !same_authority(target, host, hints.uri.scheme_str()) => {
            Err(Refusal::noted(Reason::TargetConflict, "the absolute-form target and Host differ"))
        }
        (target, host) => Ok(target.or(host)),
    }
}

/// RFC 9112, section 3.2.2: a proxy is told its target twice. Both have to be the same, with default ports filled in.
fn same_authority(target: &Authority, host: &Authority, scheme: Option<&str>) -> bool {
    let default = if scheme == Some("https") { 443 } else { 80 };
    target.host().eq_ignore_ascii_case(host.host())
        && target.port_u16().unwrap_or(default) == host.port_u16().unwrap_or(default)
        && target.as_str().contains('@') == host.as_str().contains('@')
}

#[cfg(any(test, fuzzing))]
#[allow(clippy::unwrap_used, reason = "whoever asks for one wrote its path")]
impl Target {
    /// One in `eu-west-1`, for unit tests and oracles of other rooms.
    pub(crate) fn for_tests((service, api, signing_name): (&str, &str, &str), style: Style, path: &str) -> Self {
        let host = || Authority::from_static("h");
        let destination = Destination {
            service: service.to_owned(),
            api: api.to_owned(),
            signing_name: signing_name.to_owned(),
            region: "eu-west-1".to_owned(),
            style,
            dial: Endpoint { tls: true, authority: host() },
            dial_is_configured: false,
            host: host(),
            signed_host: host(),
        };
        let uri: Uri = path.parse().unwrap();
        let path_and_query = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        Self { destination: Arc::new(destination), path_and_query }
    }
}

#[cfg(test)]
mod tests;
