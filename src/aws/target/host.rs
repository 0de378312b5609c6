//! Host names of AWS endpoints, taken apart.
//!
//! Understood are `<service>.<region>.<suffix>` with the variants that SDKs produce: FIPS, dual stack, account ids before
//! DynamoDB and S3 Control, buckets and access points before S3, ids before API Gateway and OpenSearch, the older S3 forms
//! without a region or with a dash, and VPC endpoints. Everything else in AWS's name space is unknown, and so refused.

use crate::aws::{partition::Partition, service::Service};

/// An AWS endpoint as its host name describes it. Nothing of it is allowed yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AwsHost {
    /// The service's key.
    pub(super) service: String,
    /// The region in the name, where there is one.
    pub(super) region: Option<String>,
    /// What stands before the service: a bucket, an account, an id.
    pub(super) resource: Option<String>,
    /// The name without `resource`: what to connect to where that is not the same.
    pub(super) endpoint: String,
    /// What kind of endpoint it is.
    pub(super) kind: Kind,
}

/// Kinds of endpoints that need different treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An S3 access point: a resource that no path can name.
    AccessPoint,
    /// Anything else.
    Ordinary,
    /// A VPC endpoint's own name.
    VpcEndpoint,
}

/// Services that let something stand before their name.
const PREFIXED: &[&str] = &["aoss", "appsync-api", "es", "execute-api", "kinesis", "s3", "s3-control", "s3-object-lambda", "s3express"];

/// Takes `host` (lower case, no port, no final dot) apart.
///
/// `None` is a name outside AWS's name space, or one inside it that is no endpoint we know. `configured` says which service
/// names the configuration has beyond the table.
pub(super) fn parse(host: &str, configured: impl Fn(&str) -> bool) -> Option<AwsHost> {
    let (name, suffix) = Partition::split_suffix(host)?;
    let mut labels: Vec<&str> = name.split('.').collect();
    if labels.iter().any(|label| !is_label(label)) {
        return None;
    }
    let vpc = labels.last() == Some(&"vpce");
    if vpc {
        labels.pop();
    }
    let (region, labels) = take_region(labels);
    if region.as_deref().and_then(Partition::of).is_some_and(|partition| !partition.has_suffix(suffix)) {
        return None;
    }
    let (service, start, kind) = find_service(&labels, &configured)?;
    let resource = &labels[..start];
    if vpc {
        return vpc_endpoint(host, service, region?, resource);
    }
    if !may_precede(&service, resource, kind) {
        return None;
    }
    let resource = (!resource.is_empty()).then(|| resource.join("."));
    let endpoint = resource.as_deref().map_or(host, |r| &host[r.len() + 1..]).to_owned();
    Some(AwsHost { service, region, resource, endpoint, kind })
}

/// A DNS label, with the underscore that old buckets may have.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

/// The region of a name, and the labels without it.
fn take_region(mut labels: Vec<&str>) -> (Option<String>, Vec<&str>) {
    let is_region = |label: &&str| Partition::of(label).is_some();
    match labels.as_slice() {
        [.., region] if is_region(region) => {
            let region = (*region).to_owned();
            labels.pop();
            (Some(region), labels)
        }
        // `id.eu-west-1.aoss`, `search-name.eu-west-1.es`, `eu-west-1.queue`
        [.., region, "aoss" | "es" | "queue"] if is_region(region) => {
            let region = (*region).to_owned();
            labels.remove(labels.len() - 2);
            (Some(region), labels)
        }
        // `s3-eu-west-1`, `bucket.s3-eu-west-1`
        [.., last] => match last.strip_prefix("s3-").filter(is_region) {
            Some(region) => {
                let region = region.to_owned();
                labels.pop();
                labels.push("s3");
                (Some(region), labels)
            }
            None => (None, labels),
        },
        [] => (None, labels),
    }
}

/// The service that the labels end in (longest name first, so that `streams.dynamodb` is not `dynamodb` with something
/// before it), and the position of its first label.
fn find_service(labels: &[&str], configured: impl Fn(&str) -> bool) -> Option<(String, usize, Kind)> {
    let labels = labels.strip_suffix(&["dualstack"]).unwrap_or(labels);
    (0..labels.len()).find_map(|start| {
        let name = labels[start..].join(".");
        let name = name.strip_suffix("-fips").or_else(|| name.strip_prefix("fips-")).unwrap_or(&name);
        let known = |key: &str| Some((key.to_owned(), start, Kind::Ordinary));
        match name {
            "ddb" => known("dynamodb"),
            "queue" => known("sqs"),
            "s3-accesspoint" => Some(("s3".to_owned(), start, Kind::AccessPoint)),
            // One label, the zone: with anything after it the name may be a customer's load balancer.
            _ if name.starts_with("s3express-") && !name.contains('.') => known("s3express"),
            _ => match Service::labelled(name) {
                Some(service) => known(service.key),
                None if configured(name) => known(name),
                None => None,
            },
        }
    })
}

/// Whether `resource`, possibly nothing, may stand before the service.
fn may_precede(service: &str, resource: &[&str], kind: Kind) -> bool {
    let account = |label: &str| label.len() == 12 && label.bytes().all(|b| b.is_ascii_digit());
    match (service, resource) {
        ("dynamodb" | "s3-control", [one]) => account(one),
        ("s3", []) => kind == Kind::Ordinary,
        (_, []) => true,
        // Buckets may have dots in their names; nothing else may.
        ("s3", _) if kind == Kind::Ordinary => true,
        (_, [_]) => PREFIXED.contains(&service),
        _ => false,
    }
}

/// `vpce-1a2b.dynamodb.eu-west-1.vpce`, `[bucket.]bucket.vpce-1a2b.s3.eu-west-1.vpce`.
///
/// A name in which a third party's endpoint service stands for the service (`vpce-svc-...`) has no known service and does
/// not get here.
fn vpc_endpoint(host: &str, service: String, region: String, before: &[&str]) -> Option<AwsHost> {
    let (id, before) = before.split_last()?;
    if !id.starts_with("vpce-") || id.starts_with("vpce-svc-") {
        return None;
    }
    let (resource, kind) = match (service.as_str(), before) {
        (_, []) | ("s3", ["bucket"]) | ("s3-control", ["control"]) => (None, Kind::VpcEndpoint),
        ("s3", [name @ .., "bucket"]) => (Some(name.join(".")), Kind::VpcEndpoint),
        ("s3", [name, "accesspoint"]) => (Some((*name).to_owned()), Kind::AccessPoint),
        ("s3-control", [account, "control"]) => (Some((*account).to_owned()), Kind::VpcEndpoint),
        _ => return None,
    };
    let endpoint = resource.as_deref().map_or(host, |r| &host[r.len() + 1..]).to_owned();
    Some(AwsHost { service, region: Some(region), resource, endpoint, kind })
}
