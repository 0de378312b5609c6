//! AWS partitions: which regions there are, and under which DNS suffixes.
//!
//! The table is botocore's `partitions.json`. A region that is newer than the table is recognised by its partition's shape
//! (`eu-`, a word, a number), as SDKs do; whether it may be called is decided by `egress.regions`.

mod table;

use std::sync::LazyLock;

/// A partition: a set of regions with one set of DNS suffixes.
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    pub id: &'static str,
    /// DNS suffix of ordinary endpoints, such as `amazonaws.com`.
    pub suffix: &'static str,
    /// DNS suffix of endpoints that speak IPv4 and IPv6, such as `api.aws`.
    pub dual_stack_suffix: &'static str,
    /// What the names of its regions start with.
    prefixes: &'static [&'static str],
    regions: &'static [&'static str],
}

impl Partition {
    /// The partition of `region`; `None` for a text that is no region.
    pub fn of(region: &str) -> Option<&'static Self> {
        // Asked several times for each request. In order: few comparisons cost less than a hash.
        static REGIONS: LazyLock<Vec<(&str, &Partition)>> = LazyLock::new(|| {
            let regions = |partition: &'static Partition| partition.regions.iter().map(move |region| (*region, partition));
            let mut all: Vec<_> = table::PARTITIONS.iter().flat_map(regions).collect();
            all.sort_unstable_by_key(|(region, _)| *region);
            all
        });
        REGIONS
            .binary_search_by_key(&region, |(known, _)| known)
            .ok()
            .map(|at| REGIONS[at].1)
            // The longest prefix decides: `us-gov-` before `us-`.
            .or_else(|| {
                table::PARTITIONS.iter().filter_map(|p| Some((p.shaped(region)?, p))).max_by_key(|(length, _)| *length).map(|(_, p)| p)
            })
    }

    /// Whether the table lists `region`, not just its shape.
    pub fn lists(&self, region: &str) -> bool {
        self.regions.contains(&region)
    }

    /// `host` without the suffix of one of the partitions that use it, and that suffix.
    ///
    /// `aws` and `aws-us-gov` share their suffixes, so a suffix does not tell the partition; the region does.
    pub(crate) fn split_suffix(host: &str) -> Option<(&str, &'static str)> {
        table::PARTITIONS
            .iter()
            .flat_map(|partition| [partition.suffix, partition.dual_stack_suffix])
            .filter_map(|suffix| Some((host.strip_suffix(suffix)?.strip_suffix('.')?, suffix)))
            .min_by_key(|(rest, _)| rest.len())
    }

    /// Whether hosts of this partition end in `suffix`.
    pub(crate) fn has_suffix(&self, suffix: &str) -> bool {
        suffix == self.suffix || suffix == self.dual_stack_suffix
    }

    /// Length of the prefix with which `region` has this partition's shape: prefix, one or more words, number.
    fn shaped(&self, region: &str) -> Option<usize> {
        self.prefixes.iter().find_map(|prefix| {
            let (word, number) = region.strip_prefix(prefix)?.split_once('-')?;
            let well_formed = !word.is_empty()
                && word.bytes().all(|b| b.is_ascii_lowercase())
                && (1..=2).contains(&number.len())
                && number.bytes().all(|b| b.is_ascii_digit());
            well_formed.then_some(prefix.len())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn regions_belong_to_their_partition() {
        for (region, id) in [
            ("eu-west-1", "aws"),
            ("us-east-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            // Not in the table, but of the shape.
            ("eu-west-9", "aws"),
            ("us-gov-north-1", "aws-us-gov"),
        ] {
            assert_eq!(Partition::of(region).map(|p| p.id), Some(id), "{region}");
        }
    }

    #[test]
    fn what_is_no_region_has_no_partition() {
        for text in [
            "",
            "eu",
            "eu-",
            "eu-west",
            "eu-west-",
            "eu-west-x",
            "eu-west-123",
            "EU-WEST-1",
            "eu-west-1.evil.example",
            "eu-west-1/",
            "evil-west-1",
            "aws-global",
            "eu-west-1#",
            "eu_west_1",
            "eu--1",
            "us-east-1@evil",
        ] {
            assert_eq!(Partition::of(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_longest_suffix_is_taken_off() {
        assert_eq!(Partition::split_suffix("s3.cn-north-1.amazonaws.com.cn"), Some(("s3.cn-north-1", "amazonaws.com.cn")));
        assert_eq!(Partition::split_suffix("s3.eu-west-1.amazonaws.com"), Some(("s3.eu-west-1", "amazonaws.com")));
        assert_eq!(Partition::split_suffix("sqs.eu-west-1.api.aws"), Some(("sqs.eu-west-1", "api.aws")));
        assert_eq!(Partition::split_suffix("evilamazonaws.com"), None);
        assert_eq!(Partition::split_suffix("amazonaws.com.evil.example"), None);
    }

    proptest! {
        #[test]
        fn a_region_never_carries_what_means_something_in_a_host(text in "\\PC{0,24}") {
            if Partition::of(&text).is_some() {
                prop_assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            }
        }
    }
}
