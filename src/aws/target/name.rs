//! Names that may be Palisade's own.

use crate::aws::partition::Partition;

/// Names of one label under which no single machine is: top-level domains, and those that networks make up.
/// Every top-level domain of two letters is a country's.
#[rustfmt::skip]
const SHARED: &[&str] = &[
    "alt", "app", "arpa", "biz", "cloud", "cluster", "com", "corp", "dev", "edu", "example", "gov", "home", "info", "int", "internal", "invalid", "lan",
    "local", "localdomain", "mil", "name", "net", "network", "onion", "online", "org", "pod", "pro", "site", "svc", "tech", "test", "xyz",
];
/// Under which clouds serve instance metadata.
const METADATA: &[&str] = &["instance-data", "instance-data.ec2.internal", "metadata", "metadata.google.internal"];

/// Whether `name` may be one of our own. See [`refusal`].
pub(super) fn fits(name: &str) -> bool {
    refusal(name).is_none()
}

/// Why `name` cannot be a name of our own: whoever sends a request to it would be taken to mean us.
pub(crate) fn refusal(name: &str) -> Option<&'static str> {
    if !is_dns_name(name) {
        return Some("is no DNS name in lower case");
    }
    if may_be_address(name) {
        return Some("is an address, or may be read as one");
    }
    if Partition::split_suffix(&format!("x.{name}")).is_some() {
        return Some("is AWS's");
    }
    if METADATA.iter().any(|metadata| *metadata == name || metadata.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))) {
        return Some("is where instance metadata is");
    }
    (!name.contains('.') && (name.len() <= 2 || SHARED.contains(&name))).then_some("is a domain, and not the name of a machine")
}

/// Whether some resolver may take `name` for an IPv4 address (`127.1`, `2130706433`, `0x7f.1`).
pub(crate) fn may_be_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit())
}

/// Letters, digits and dashes, in labels of 1 to 63, 253 in all.
pub(crate) fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_machines_fit() {
        for name in ["palisade", "palisade.internal", "egress.team.svc.cluster.local", "s3.example.com", "p-1.x9"] {
            assert_eq!(refusal(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_somebody_elses_or_no_name_does_not_fit() {
        for name in [
            "",
            ".",
            "com",
            "uk",
            "internal",
            "Palisade",
            "palisade.",
            ".palisade",
            "a..b",
            "a_b",
            "-a",
            "a-.b",
            "a:80",
            "127.0.0.1",
            "2852039166",
            "0xa9fea9fe",
            "a.0x1",
            "[::1]",
            "amazonaws.com",
            "s3.eu-west-1.amazonaws.com",
            "api.aws",
            "x.amazonaws.com.cn",
            "metadata.google.internal",
            "google.internal",
            "ec2.internal",
            "*.palisade.internal",
        ] {
            assert!(refusal(name).is_some(), "{name:?}");
        }
        assert!(refusal(&"a.".repeat(130)).is_some());
    }
}
