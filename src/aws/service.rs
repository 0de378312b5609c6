//! AWS's services: under which name each is configured, signed for and reached, and which protocols it speaks.
//!
//! A service's *key*, the name in `egress.services`, is its endpoint prefix (`s3`, `dynamodb`, `monitoring`), or botocore's
//! name for its client where the prefix has a dot (`streams.dynamodb` is `dynamodbstreams`). Several services may sign with
//! one *signing name*: `dynamodb` and `dynamodbstreams`, `s3` and `s3-control`.

mod table;

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
    /// Where it is.
    pub hosting: Hosting,
    /// Protocols it speaks, its most usual one first.
    pub protocols: &'static [Dialect],
    /// What stands before the operation in `X-Amz-Target`; empty for services without such a protocol.
    pub targets: &'static [&'static str],
}

/// Where a service's endpoints are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosting {
    /// One endpoint a region, only under the dual-stack suffix.
    DualStack,
    /// One endpoint for the `aws` partition; elsewhere taken to be regional.
    Global {
        /// Its name.
        host: &'static str,
        /// The region to sign for.
        region: &'static str,
    },
    /// One endpoint a region.
    Regional,
}

impl Service {
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
        table::SERVICES.iter().find(|service| service.labels.contains(&label))
    }

    /// The services that `prefix` stands for in `X-Amz-Target`. Upper and lower case are the same here, so that no
    /// spelling can be known to AWS and unknown to us.
    pub(crate) fn targeted(prefix: &str) -> impl Iterator<Item = &'static Self> {
        table::SERVICES.iter().filter(move |service| service.takes_target(prefix))
    }

    /// Whether `prefix` in `X-Amz-Target` means this service.
    pub(crate) fn takes_target(&self, prefix: &str) -> bool {
        self.targets.iter().any(|target| target.eq_ignore_ascii_case(prefix))
    }

    /// Whether every request names its operation outside the path.
    pub(crate) fn is_rpc(&self) -> bool {
        self.protocols.iter().all(|protocol| protocol.is_rpc())
    }

    /// The fixed place of a service that has one for the whole of `partition`: host and region to sign for.
    pub(crate) fn global(&self, partition: &Partition) -> Option<(&'static str, &'static str)> {
        match self.hosting {
            Hosting::Global { host, region } if partition.id == "aws" => Some((host, region)),
            Hosting::Global { .. } | Hosting::DualStack | Hosting::Regional => None,
        }
    }
}

/// The host of the service called `label` in a region of `partition`.
///
/// `region` is already checked: it goes into the name as it is.
pub(crate) fn regional_host(service: Option<&Service>, label: &str, region: &str, partition: &Partition) -> String {
    match service.map(|s| s.hosting) {
        Some(Hosting::DualStack) => format!("{label}.{region}.{}", partition.dual_stack_suffix),
        Some(Hosting::Regional | Hosting::Global { .. }) | None => format!("{label}.{region}.{}", partition.suffix),
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
            regional_host(Some(service), service.labels[0], region, Partition::of(region).unwrap())
        };
        assert_eq!(host("dynamodb", "eu-west-1"), "dynamodb.eu-west-1.amazonaws.com");
        assert_eq!(host("dynamodbstreams", "eu-west-1"), "streams.dynamodb.eu-west-1.amazonaws.com");
        assert_eq!(host("sqs", "cn-north-1"), "sqs.cn-north-1.amazonaws.com.cn");
        assert_eq!(host("s3vectors", "eu-west-1"), "s3vectors.eu-west-1.api.aws");
        let aws = Partition::of("eu-west-1").unwrap();
        assert_eq!(Service::find("iam").unwrap().global(aws), Some(("iam.amazonaws.com", "us-east-1")));
        assert_eq!(Service::find("iam").unwrap().global(Partition::of("cn-north-1").unwrap()), None);
    }
}
