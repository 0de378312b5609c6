//! Written by `tests/tools/botocore_tables.py` from the models of botocore 1.44.5; do not edit.

use super::Partition;

/// Every partition and its regions.
#[rustfmt::skip]
pub(super) const PARTITIONS: &[Partition] = &[
    Partition { id: "aws", suffix: "amazonaws.com", dual_stack_suffix: "api.aws",
        prefixes: &["us-", "eu-", "ap-", "sa-", "ca-", "me-", "af-", "il-", "mx-"],
        regions: &["af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1", "me-south-1", "me-west-1", "mx-central-1", "sa-east-1", "sa-west-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"] },
    Partition { id: "aws-cn", suffix: "amazonaws.com.cn", dual_stack_suffix: "api.amazonwebservices.com.cn",
        prefixes: &["cn-"],
        regions: &["cn-north-1", "cn-northwest-1"] },
    Partition { id: "aws-eusc", suffix: "amazonaws.eu", dual_stack_suffix: "api.amazonwebservices.eu",
        prefixes: &["eusc-de-"],
        regions: &["eusc-de-east-1"] },
    Partition { id: "aws-iso", suffix: "c2s.ic.gov", dual_stack_suffix: "api.aws.ic.gov",
        prefixes: &["us-iso-"],
        regions: &["us-iso-east-1", "us-iso-west-1"] },
    Partition { id: "aws-iso-b", suffix: "sc2s.sgov.gov", dual_stack_suffix: "api.aws.scloud",
        prefixes: &["us-isob-"],
        regions: &["us-isob-east-1", "us-isob-west-1"] },
    Partition { id: "aws-iso-e", suffix: "cloud.adc-e.uk", dual_stack_suffix: "api.cloud-aws.adc-e.uk",
        prefixes: &["eu-isoe-"],
        regions: &["eu-isoe-west-1"] },
    Partition { id: "aws-iso-f", suffix: "csp.hci.ic.gov", dual_stack_suffix: "api.aws.hci.ic.gov",
        prefixes: &["us-isof-"],
        regions: &["us-isof-east-1", "us-isof-south-1"] },
    Partition { id: "aws-us-gov", suffix: "amazonaws.com", dual_stack_suffix: "api.aws",
        prefixes: &["us-gov-"],
        regions: &["us-gov-east-1", "us-gov-west-1"] },
];
