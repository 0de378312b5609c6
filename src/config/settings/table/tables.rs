//! What every directory in a DynamoDB table is configured with.

use std::time::Duration;

use super::{ENDPOINT as ENDPOINT_KIND, Form, INSECURE as INSECURE_KIND, INSECURE_ABOUT, Kind, PATH, REGION as REGION_KIND};
use super::{Setting, default, derived, optional, short};

pub(super) const REGION: Setting =
    derived("region", REGION_KIND, "`egress.region`; required without `egress`", "Region to call and sign for.");
pub(super) const ENDPOINT: Setting = optional("endpoint", ENDPOINT_KIND, "Where DynamoDB is, when it is not AWS's regional endpoint.");
pub(super) const INSECURE: Setting = default("insecure", INSECURE_KIND, "false", INSECURE_ABOUT);
pub(super) const CA: Setting = optional("ca", PATH, "PEM file of extra roots.");
pub(super) const TIMEOUT: Setting =
    default("timeout", short(), "1s", "Deadline of one read. A request waits for it only when its record is not at hand.");
pub(super) const ROLE_ARN: Setting = optional(
    "role_arn",
    Kind::Scalar(Form::RoleArn),
    "The role that reads the table, assumed with Palisade's own identity (`credentials.source`). Without one that identity reads it itself, and can do more than assume roles.",
);
pub(super) const EXTERNAL_ID: Setting =
    optional("external_id", Kind::Scalar(Form::ExternalId), "External id that the role's trust policy demands.");
pub(super) const CONSISTENT_READS: Setting = default(
    "consistent_reads",
    Kind::Scalar(Form::Boolean),
    "true",
    "Reads see every change that was made before them. `false` costs half, and a change may be noticed a second or so later.",
);
pub(super) const CACHE: Setting = default(
    "cache",
    Kind::Scalar(Form::Duration { least: Duration::from_secs(1), most: Duration::from_secs(3600) }),
    "30s",
    "How long an answer is used: so long a change of an item may take to be noticed. Up to a tenth less, so that records are not all read at once.",
);
pub(super) const MAX_STALE: Setting = default(
    "max_stale",
    Kind::Scalar(Form::Duration { least: Duration::from_secs(1), most: Duration::from_secs(24 * 3600) }),
    "5m",
    "How old an answer may become while the table cannot be read; after that it is refused. Not below `cache`. An outage of DynamoDB is survived so long, and a suspension missed so long.",
);
pub(super) const NEGATIVE: Setting = derived(
    "negative",
    Kind::Scalar(Form::Duration { least: Duration::from_millis(100), most: Duration::from_secs(3600) }),
    "`5s`, or `cache` where that is less",
    "How long it is remembered that there is no item, or that it cannot be used: so long a new one may take to be found. Not above `cache`.",
);
