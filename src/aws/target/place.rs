//! The destination, put together from parts that are all checked.

use std::sync::Arc;

use http::{
    Uri,
    uri::{Authority, PathAndQuery},
};

use super::{
    Destination, Rule, Style, Target,
    host::{self, AwsHost, Kind},
};
use crate::{
    aws::partition::Partition,
    config::{Endpoint, error::quote},
    reject::{Reason, Refusal},
};

impl Rule {
    /// What stands before our own name: a bucket, or an account that only routes.
    pub(super) fn prefixed(&self, prefix: String) -> Result<Option<AwsHost>, Refusal> {
        match self.known.map(|service| service.key) {
            Some("s3") if host::is_bucket(&prefix) => Ok(Some(AwsHost::of_bucket(prefix))),
            Some("s3") => Err(Refusal::noted(Reason::HostNotAllowed, "what stands before our own name is no bucket's name")),
            Some("s3-control") if host::is_account(&prefix) => Ok(None),
            _ => Err(Refusal::noted(Reason::HostNotAllowed, "only S3 may have something before our own name")),
        }
    }

    /// Where a request to this service goes.
    pub(super) fn place(&self, key: String, region: String, host: Option<AwsHost>) -> Result<Placed, Refusal> {
        let api = self.known.map_or(key.as_str(), |service| service.key).to_owned();
        let place = match &self.endpoint {
            Some(endpoint) => self.own_place(endpoint, host)?,
            None => self.aws_place(&key, &region, host)?,
        };
        let destination = Destination {
            service: key,
            api,
            signing_name: self.signing_name.clone(),
            region,
            style: place.style,
            dial: place.dial,
            dial_is_configured: self.endpoint.is_some(),
            signed_host: self.signed_host.clone().unwrap_or_else(|| place.host.clone()),
            host: place.host,
        };
        Ok(Placed { destination: Arc::new(destination), bucket: place.bucket.map(Arc::from) })
    }

    /// AWS's own endpoint: the one that the request names, or the region's.
    fn aws_place(&self, key: &str, region: &str, host: Option<AwsHost>) -> Result<Place, Refusal> {
        // Before it goes into a name: only with an endpoint of its own may a service have regions that AWS does not have.
        let partition = Partition::of(region)
            .ok_or_else(|| Refusal::noted(Reason::RegionNotAllowed, format!("{} is not a region of AWS's", quote(region))))?;
        let (resource, endpoint, kind) = match host {
            // S3's name without a region redirects to wherever the bucket is: the region's own name does not.
            Some(AwsHost { region: None, resource, kind: Kind::Ordinary, .. }) => (resource, None, Kind::Ordinary),
            Some(host) => (host.resource, Some(host.endpoint), host.kind),
            None => (None, None, Kind::Ordinary),
        };
        let endpoint = endpoint.unwrap_or_else(|| match self.known {
            Some(service) => service.host(region, partition),
            None => format!("{key}.{region}.{}", partition.suffix),
        });
        let named = resource.as_deref().map_or_else(|| endpoint.clone(), |resource| format!("{resource}.{endpoint}"));
        let bucket = resource.filter(|_| self.known.is_some_and(|s| matches!(s.key, "s3" | "s3-object-lambda")));
        // Connecting without the bucket keeps certificates valid for buckets with dots, and names of buckets out of DNS.
        let dial = if bucket.is_some() && kind == Kind::Ordinary && key == "s3" { endpoint } else { named.clone() };
        Ok(Place {
            style: bucket.map_or(Style::Plain, Style::Bucket),
            dial: Endpoint { tls: true, authority: authority(&dial)? },
            host: authority(&named)?,
            bucket: None,
        })
    }

    /// The configured endpoint. What the request's host names besides the service has to go into the path, or be refused.
    fn own_place(&self, endpoint: &Endpoint, host: Option<AwsHost>) -> Result<Place, Refusal> {
        let sent = self.host.as_ref().unwrap_or(&endpoint.authority);
        let same = |host: &AwsHost| host.resource.as_deref().map(|r| format!("{r}.{}", host.endpoint)).as_deref() == Some(sent.host());
        let bucket = match host {
            Some(AwsHost { resource: Some(bucket), kind: Kind::Ordinary | Kind::VpcEndpoint, ref service, .. }) if service == "s3" => {
                Some(bucket)
            }
            Some(AwsHost { resource: None, .. }) | None => None,
            Some(ref host) if host::ROUTED.contains(&host.service.as_str()) || same(host) => None,
            Some(_) => {
                return Err(Refusal::noted(Reason::TargetConflict, "the host names a resource that the configured endpoint does not have"));
            }
        };
        Ok(Place { style: Style::Plain, dial: endpoint.clone(), host: sent.clone(), bucket })
    }
}

/// Where to connect, and what to say there.
struct Place {
    style: Style,
    dial: Endpoint,
    host: Authority,
    /// To be put before the path.
    bucket: Option<String>,
}

/// Where requests go, whatever they ask for there. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    destination: Arc<Destination>,
    /// To be put before the path.
    bucket: Option<Arc<str>>,
}

impl Placed {
    /// With what is asked for.
    pub(super) fn target(self, uri: &Uri) -> Result<Target, Refusal> {
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        if !path.as_str().starts_with('/') {
            return Err(Reason::MalformedRequest.into());
        }
        let path_and_query = match &self.bucket {
            Some(bucket) => PathAndQuery::try_from(format!("/{bucket}{path}")).map_err(|_| Reason::MalformedRequest)?,
            None => path,
        };
        Ok(Target { destination: self.destination, path_and_query })
    }
}

fn authority(name: &str) -> Result<Authority, Refusal> {
    name.parse().map_err(|_| Reason::HostNotAllowed.into())
}
