//! Host names of AWS endpoints, taken apart.
//!
//! Understood are `<service>.<region>.<suffix>` with the variants that SDKs produce: FIPS, dual stack, account ids before
//! DynamoDB and S3 Control, buckets and access points before S3, ids before API Gateway and OpenSearch, the older S3 forms
//! without a region or with a dash, and VPC endpoints. Everything else in AWS's name space is unknown, and so refused.

use crate::{
    aws::{
        partition::Partition,
        service::{Host, Service},
    },
    reject::{Reason, Refusal},
};

/// An AWS endpoint as its host name describes it. Nothing of it is allowed yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AwsHost {
    /// The service's key.
    pub(super) service: String,
    /// The region in the name or of the table, where there is one.
    pub(super) region: Option<String>,
    /// What stands before the service: a bucket, an account, an id.
    pub(super) resource: Option<String>,
    /// The name without `resource`: what to connect to where that is not the same. Empty where only the bucket is known.
    pub(super) endpoint: String,
    /// What kind of endpoint it is.
    pub(super) kind: Kind,
}

/// Kinds of endpoints that need different treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An S3 access point: a resource that no path can name.
    AccessPoint,
    /// In the table of hosts, which says what its shape does not.
    Listed,
    /// Anything else.
    Ordinary,
    /// A VPC endpoint's own name.
    VpcEndpoint,
}

/// Services that let something stand before their name.
const PREFIXED: &[&str] = &["aoss", "appsync-api", "es", "execute-api", "s3", "s3-control", "s3-object-lambda"];

/// Services that let an account id stand before their name. It only routes: the request names the account elsewhere too.
pub(super) const ROUTED: &[&str] = &["dynamodb", "kinesis", "s3-control"];

impl AwsHost {
    /// A bucket of S3, in whatever region.
    pub(super) fn of_bucket(bucket: String) -> Self {
        Self { service: "s3".to_owned(), region: None, resource: Some(bucket), endpoint: String::new(), kind: Kind::Ordinary }
    }

    /// Takes `host` (lower case, no port, no final dot) apart. `configured` says which service names the configuration has
    /// beyond the table, `partitions` in which partitions its regions are, the default one's first.
    ///
    /// # Errors
    /// `HostNotAllowed` for a name outside AWS's name space, or one inside it that is no endpoint we know;
    /// `SignatureUnsupported`.
    pub(super) fn parse(host: &str, partitions: &[&str], configured: impl Fn(&str) -> bool) -> Result<Self, Refusal> {
        let (name, suffix) = Partition::split_suffix(host).ok_or(Reason::HostNotAllowed)?;
        let labels: Vec<&str> = name.split('.').collect();
        if labels.iter().any(|label| !is_label(label)) {
            return Err(Reason::HostNotAllowed.into());
        }
        if let Some((reason, note)) = unsupported(&labels) {
            return Err(Refusal::noted(reason, note));
        }
        if let Some(listed) = Host::listed(host, partitions) {
            let region = (!listed.region.is_empty()).then(|| listed.region.to_owned());
            return Ok(Self { service: listed.service.to_owned(), region, resource: None, endpoint: host.to_owned(), kind: Kind::Listed });
        }
        shaped(host, labels, suffix, configured).ok_or_else(|| Reason::HostNotAllowed.into())
    }
}

/// Why an endpoint of S3's is refused although it is one.
fn unsupported(labels: &[&str]) -> Option<(Reason, &'static str)> {
    let region = |label: &str| Partition::of(label).is_some();
    match labels {
        [.., "accesspoint", "s3-global"] => {
            Some((Reason::SignatureUnsupported, "Multi-Region Access Points want SigV4A, which is not supported"))
        }
        // Through whatever region is near, and without a region in the name to check.
        [.., "s3-accelerate"] | [.., "s3-accelerate", "dualstack"] => {
            Some((Reason::HostNotAllowed, "S3 Transfer Acceleration is not supported: use the region's endpoint"))
        }
        [.., "s3-website", last] if region(last) => Some((Reason::HostNotAllowed, WEBSITE)),
        [.., last] if last.strip_prefix("s3-website-").is_some_and(region) => Some((Reason::HostNotAllowed, WEBSITE)),
        [_, outpost, "s3-outposts", last] if region(last) && outpost.starts_with("op-") => {
            Some((Reason::HostNotAllowed, "access points of S3 on Outposts are not supported"))
        }
        [.., zone, last] | [.., zone, "dualstack", last] if region(last) && zone.starts_with("s3express-") && !is_express_control(zone) => {
            Some((Reason::HostNotAllowed, "directory buckets want the credentials of CreateSession, which is refused"))
        }
        _ => None,
    }
}

const WEBSITE: &str = "S3's website endpoints take no signed requests";

fn is_express_control(label: &str) -> bool {
    matches!(label, "s3express-control" | "s3express-control-fips")
}

/// `host` by its shape alone; `labels` is what stands before `suffix`.
fn shaped(host: &str, mut labels: Vec<&str>, suffix: &str, configured: impl Fn(&str) -> bool) -> Option<AwsHost> {
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

/// Whether each label of a bucket's name is one, and the whole is no address, which S3 has not for names either.
pub(super) fn is_bucket(name: &str) -> bool {
    name.split('.').all(is_label) && name.parse::<std::net::Ipv4Addr>().is_err()
}

/// An account id.
pub(super) fn is_account(label: &str) -> bool {
    label.len() == 12 && label.bytes().all(|b| b.is_ascii_digit())
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
        // `id.eu-west-1.aoss`, `search-name.eu-west-1.es`, `eu-west-1.neptune-graph`, `eu-west-1.queue`
        [.., region, "aoss" | "es" | "neptune-graph" | "queue"] if is_region(region) => {
            let region = (*region).to_owned();
            labels.remove(labels.len() - 2);
            (Some(region), labels)
        }
        // `s3-eu-west-1`, `bucket.s3-eu-west-1`, and an old name of us-east-1
        [.., last] => match last.strip_prefix("s3-").map(|old| if old == "external-1" { "us-east-1" } else { old }).filter(is_region) {
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
            "queue" => known("sqs"),
            "s3-accesspoint" => Some(("s3".to_owned(), start, Kind::AccessPoint)),
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
    match (service, resource) {
        ("s3", []) => kind == Kind::Ordinary,
        (_, []) => true,
        (routed, [one]) if ROUTED.contains(&routed) => is_account(one),
        // Buckets may have dots in their names; nothing else may.
        ("s3", _) if kind == Kind::Ordinary => true,
        (_, [_]) => PREFIXED.contains(&service),
        _ => false,
    }
}

/// `vpce-1a2b.dynamodb.eu-west-1.vpce`, `[name.]bucket.vpce-1a2b.s3.eu-west-1.vpce`, `[account.]control.vpce-1a2b.s3...`.
///
/// A name in which a third party's endpoint service stands for the service (`vpce-svc-...`) has no known service and does
/// not get here.
fn vpc_endpoint(host: &str, service: String, region: String, before: &[&str]) -> Option<AwsHost> {
    let (id, before) = before.split_last()?;
    if !id.starts_with("vpce-") || id.starts_with("vpce-svc-") {
        return None;
    }
    // S3's endpoint is S3 Control's too.
    let (service, resource, kind) = match (service.as_str(), before) {
        (_, []) | ("s3", ["bucket"]) => (service, None, Kind::VpcEndpoint),
        ("s3", [name @ .., "bucket"]) => (service, Some(name.join(".")), Kind::VpcEndpoint),
        ("s3", [name, "accesspoint"]) => (service, Some((*name).to_owned()), Kind::AccessPoint),
        ("s3", ["control"]) => ("s3-control".to_owned(), None, Kind::VpcEndpoint),
        ("s3", [account, "control"]) if is_account(account) => ("s3-control".to_owned(), Some((*account).to_owned()), Kind::VpcEndpoint),
        _ => return None,
    };
    let endpoint = resource.as_deref().map_or(host, |r| &host[r.len() + 1..]).to_owned();
    Some(AwsHost { service, region: Some(region), resource, endpoint, kind })
}
