//! AWS's services: under which name each is configured, signed for and reached, and which protocols it speaks.
//!
//! A service's *key*, the name in `egress.services`, is its endpoint prefix (`s3`, `dynamodb`, `monitoring`), or botocore's
//! name for its client where the prefix has a dot (`streams.dynamodb` is `dynamodbstreams`). Several services may sign with
//! one *signing name*: `dynamodb` and `dynamodbstreams`, `s3` and `s3-control`.

mod places;
mod table;

use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use crate::aws::{dialect::Dialect, partition::Partition};

/// One service, as botocore's models describe it.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    /// Name in `egress.services`.
    pub key: &'static str,
    /// Name in the credential scope.
    pub signing_name: &'static str,
    /// What host names call it; the first is the one to use.
    pub labels: &'static [&'static str],
    /// Where it is, unless the table of places says otherwise.
    pub hosting: Hosting,
    /// Protocols it speaks, its most usual one first.
    pub protocols: &'static [Dialect],
    /// What stands before the operation in `X-Amz-Target`; empty for services without such a protocol.
    pub targets: &'static [&'static str],
}

/// Under which suffix a service's endpoints are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosting {
    /// Only under the dual-stack suffix.
    DualStack,
    /// Under the ordinary suffix.
    Regional,
}

/// Where a service is in a partition or region, if it is not at `label.region.suffix`.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    service: &'static str,
    /// A partition, or one region of it.
    within: &'static str,
    /// With `{region}` where the region goes.
    host: &'static str,
    /// The one region to sign for; empty for that of the request.
    region: &'static str,
}

/// A host whose shape does not say its service and region: of a service with one place for a whole partition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Host {
    name: &'static str,
    /// Two partitions may have one name in common.
    partition: &'static str,
    /// The service's key.
    pub(crate) service: &'static str,
    /// The region to sign for; empty for that of the request.
    pub(crate) region: &'static str,
}

impl Host {
    /// The host called `name`, in the first of `partitions` that has it.
    pub(crate) fn listed(name: &str, partitions: &[&str]) -> Option<&'static Self> {
        let start = places::HOSTS.partition_point(|host| host.name < name);
        let named = places::HOSTS[start..].iter().take_while(|host| host.name == name);
        named
            .filter_map(|host| Some((partitions.iter().position(|id| *id == host.partition)?, host)))
            .min_by_key(|(order, _)| *order)
            .map(|(_, host)| host)
    }
}

impl Service {
    /// Every service of the table.
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        table::SERVICES.iter()
    }

    /// The service configured as `key`.
    pub fn find(key: &str) -> Option<&'static Self> {
        table::SERVICES.binary_search_by(|service| service.key.cmp(key)).ok().map(|index| &table::SERVICES[index])
    }

    /// The service that `name` stands for as key or, failing that, as signing name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::find(name).or_else(|| table::SERVICES.iter().find(|service| service.signing_name == name))
    }

    /// The service that host names call `label`.
    pub(crate) fn labelled(label: &str) -> Option<&'static Self> {
        // Asked several times for each request. Where two have one label, the first of the table has it: sorting keeps their order.
        static LABELS: LazyLock<Vec<(&str, &Service)>> = LazyLock::new(|| {
            let labels = |service: &'static Service| service.labels.iter().map(move |label| (*label, service));
            let mut all: Vec<_> = table::SERVICES.iter().flat_map(labels).collect();
            all.sort_by_key(|(label, _)| *label);
            all.dedup_by_key(|(label, _)| *label);
            all
        });
        LABELS.binary_search_by_key(&label, |(known, _)| known).ok().map(|at| LABELS[at].1)
    }

    /// The services that `prefix` stands for in `X-Amz-Target`. Upper and lower case are the same here, so that no
    /// spelling can be known to AWS and unknown to us.
    pub(crate) fn targeted(prefix: &str) -> impl Iterator<Item = &'static Self> {
        static PREFIXES: LazyLock<HashMap<String, Vec<&Service>>> = LazyLock::new(|| {
            let mut services: HashMap<String, Vec<&Service>> = HashMap::new();
            for service in table::SERVICES {
                let prefixes: BTreeSet<_> = service.targets.iter().map(|prefix| prefix.to_ascii_lowercase()).collect();
                for prefix in prefixes {
                    services.entry(prefix).or_default().push(service);
                }
            }
            services
        });
        PREFIXES.get(&prefix.to_ascii_lowercase()).into_iter().flatten().copied()
    }

    /// Whether `prefix` in `X-Amz-Target` means this service.
    pub(crate) fn takes_target(&self, prefix: &str) -> bool {
        self.targets.iter().any(|target| target.eq_ignore_ascii_case(prefix))
    }

    /// Whether it speaks S3's protocol.
    pub(crate) fn is_s3(&self) -> bool {
        self.protocols.contains(&Dialect::S3Xml)
    }

    /// Whether every request names its operation outside the path.
    pub(crate) fn is_rpc(&self) -> bool {
        self.protocols.iter().all(|protocol| protocol.is_rpc())
    }

    /// The region to sign for, of a service that has one for the whole of `partition`.
    pub(crate) fn global(&self, partition: &Partition) -> Option<&'static str> {
        self.place(partition.id).map(|place| place.region).filter(|region| !region.is_empty())
    }

    /// The service's host in a region of `partition`.
    ///
    /// `region` is already checked: it goes into the name as it is.
    pub(crate) fn host(&self, region: &str, partition: &Partition) -> String {
        match (self.place(region).or_else(|| self.place(partition.id)), self.hosting) {
            (Some(place), _) => place.host.replace("{region}", region),
            (None, Hosting::DualStack) => format!("{}.{region}.{}", self.labels[0], partition.dual_stack_suffix),
            (None, Hosting::Regional) => format!("{}.{region}.{}", self.labels[0], partition.suffix),
        }
    }

    fn place(&self, within: &str) -> Option<&'static Place> {
        let found = places::PLACES.binary_search_by(|place| (place.service, place.within).cmp(&(self.key, within)));
        found.ok().map(|index| &places::PLACES[index])
    }
}

/// How a host of the service `key` looks, where such hosts belong to customers, of whatever account.
///
/// The owner of such a host gets the requests that are sent to it, signature and session token included. So it has to be the
/// configuration that names it, and never the request.
pub fn customers_host(key: &str) -> Option<&'static str> {
    match key {
        "aoss" => Some("https://ID.REGION.aoss.amazonaws.com"),
        "appsync-api" => Some("https://ID.appsync-api.REGION.amazonaws.com"),
        "es" => Some("https://search-NAME-ID.REGION.es.amazonaws.com"),
        "execute-api" => Some("https://ID.execute-api.REGION.amazonaws.com"),
        _ => None,
    }
}

/// The service `key`, where its configured endpoint speaks OpenSearch's own interface.
pub(crate) fn search_key(key: &str) -> Option<&'static str> {
    ["aoss", "es"].into_iter().find(|known| *known == key)
}

const fn place(service: &'static str, within: &'static str, host: &'static str, region: &'static str) -> Place {
    Place { service, within, host, region }
}

const fn host(name: &'static str, partition: &'static str, service: &'static str, region: &'static str) -> Host {
    Host { name, partition, service, region }
}

/// A row of the table.
const fn row(
    key: &'static str,
    signing_name: &'static str,
    labels: &'static [&'static str],
    hosting: Hosting,
    protocols: &'static [Dialect],
    targets: &'static [&'static str],
) -> Service {
    Service { key, signing_name, labels, hosting, protocols, targets }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_searched() {
        assert!(table::SERVICES.is_sorted_by(|a, b| a.key < b.key), "keys are not sorted or not unique");
        for service in table::SERVICES {
            assert_eq!(Service::find(service.key), Some(service));
            assert!(!service.protocols.is_empty() && !service.labels.is_empty(), "{}", service.key);
            let syntax = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            assert!(syntax(service.key) && service.key.len() <= 63, "{} cannot be configured", service.key);
        }
        assert!(places::PLACES.is_sorted_by_key(|place| (place.service, place.within)));
        assert!(places::HOSTS.is_sorted_by_key(|host| (host.name, host.partition)));
        for service in places::PLACES.iter().map(|place| place.service).chain(places::HOSTS.iter().map(|host| host.service)) {
            assert!(Service::find(service).is_some(), "{service}");
        }
    }

    #[test]
    fn labels_are_unambiguous() {
        let mut labels: Vec<_> = table::SERVICES.iter().flat_map(|s| s.labels).collect();
        labels.sort_unstable();
        assert!(labels.windows(2).all(|pair| pair[0] != pair[1]), "a label means two services");
    }

    #[test]
    fn known_services_are_as_documented() {
        for (key, signing, protocol, target) in [
            ("s3", "s3", Dialect::S3Xml, None),
            ("s3-control", "s3", Dialect::RestXml, None),
            ("dynamodb", "dynamodb", Dialect::AwsJson10, Some("DynamoDB_20120810")),
            ("dynamodbstreams", "dynamodb", Dialect::AwsJson10, Some("DynamoDBStreams_20120810")),
            ("sqs", "sqs", Dialect::AwsJson10Compatible, Some("AmazonSQS")),
            ("kms", "kms", Dialect::AwsJson11, Some("TrentService")),
            ("sns", "sns", Dialect::Query, None),
            ("ec2", "ec2", Dialect::Ec2Query, None),
            ("lambda", "lambda", Dialect::RestJson, None),
            ("email", "ses", Dialect::RestJson, None),
            ("ecr", "ecr", Dialect::AwsJson11, Some("AmazonEC2ContainerRegistry_V20150921")),
            ("route53", "route53", Dialect::RestXml, None),
        ] {
            let service = Service::find(key).unwrap();
            assert_eq!(
                (service.signing_name, service.protocols[0], service.targets.first().copied()),
                (signing, protocol, target),
                "{key}"
            );
        }
    }

    #[test]
    fn hosts_follow_the_partition() {
        let host = |key: &str, region: &str| {
            let service = Service::find(key).unwrap();
            service.host(region, Partition::of(region).unwrap())
        };
        assert_eq!(host("dynamodb", "eu-west-1"), "dynamodb.eu-west-1.amazonaws.com");
        assert_eq!(host("dynamodbstreams", "eu-west-1"), "streams.dynamodb.eu-west-1.amazonaws.com");
        assert_eq!(host("sqs", "cn-north-1"), "sqs.cn-north-1.amazonaws.com.cn");
        assert_eq!(host("s3vectors", "eu-west-1"), "s3vectors.eu-west-1.api.aws");
        assert_eq!(host("iam", "eu-west-1"), "iam.amazonaws.com");
        assert_eq!(host("iam", "cn-northwest-1"), "iam.cn-north-1.amazonaws.com.cn");
        assert_eq!(host("iam", "us-gov-east-1"), "iam.us-gov.amazonaws.com");
        assert_eq!(host("route53", "cn-north-1"), "route53.amazonaws.com.cn");
        assert_eq!(host("mediaconvert", "cn-northwest-1"), "subscribe.mediaconvert.cn-northwest-1.amazonaws.com.cn");
        for (region, signed) in
            [("eu-west-1", Some("us-east-1")), ("cn-northwest-1", Some("cn-north-1")), ("us-gov-east-1", Some("us-gov-west-1"))]
        {
            assert_eq!(Service::find("iam").unwrap().global(Partition::of(region).unwrap()), signed);
        }
        assert_eq!(Service::find("s3").unwrap().global(Partition::of("eu-west-1").unwrap()), None);
    }

    #[test]
    fn a_host_of_two_partitions_is_that_of_the_first_one_asked_for() {
        let region = |partitions: &[&str]| Host::listed("budgets.amazonaws.com", partitions).map(|host| host.region);
        assert_eq!(region(&["aws"]), Some("us-east-1"));
        assert_eq!(region(&["aws-us-gov", "aws"]), Some("us-gov-west-1"));
        assert_eq!(region(&["aws-cn"]), None);
        assert_eq!(Host::listed("budgets.amazonaws.com.evil.example", &["aws"]), None);
    }
}
