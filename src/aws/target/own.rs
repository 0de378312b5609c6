//! Which hosts mean Palisade itself.

use std::net::{IpAddr, SocketAddr};

use http::uri::Authority;

use super::name;

/// The addresses and names under which the application may call the egress listener.
///
/// A name that is neither AWS's nor one of these is refused, so that nobody can use the listener as an open proxy, or think
/// that it is one.
#[derive(Debug)]
pub(super) struct OwnNames {
    /// Addresses listened on by name.
    addresses: Vec<IpAddr>,
    /// Ports of listeners on all addresses, whose own addresses are not known here.
    open_ports: Vec<u16>,
    /// Names of the configuration, and `localhost`.
    names: Vec<String>,
}

/// How an authority means us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// By name or address alone.
    Bare,
    /// With something before the name: a bucket, perhaps. In lower case, and not checked in any other way.
    Prefixed(String),
}

impl OwnNames {
    pub(super) fn new(listen: &[SocketAddr], hosts: &[String]) -> Self {
        let (open, bound): (Vec<SocketAddr>, Vec<SocketAddr>) = listen.iter().copied().partition(|address| address.ip().is_unspecified());
        Self {
            addresses: bound.iter().map(|a| a.ip().to_canonical()).collect(),
            open_ports: open.iter().map(|a| a.port()).collect(),
            names: hosts.iter().cloned().chain(["localhost".to_owned()]).collect(),
        }
    }

    /// Whether and how `authority` means us.
    ///
    /// That is loopback by address, `localhost`, a name or an address of the configuration, and for a listener on all
    /// addresses any address or undotted name (`palisade` in a compose file) with that listener's port. Before a name, but
    /// not before an address, may stand what S3's virtual-hosted style puts there.
    pub(super) fn find(&self, authority: &Authority) -> Option<Own> {
        let host = authority.host().to_ascii_lowercase();
        let open = authority.port_u16().is_some_and(|port| self.open_ports.contains(&port));
        match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(ip) if is_metadata(ip) => None,
            Ok(ip) => {
                let ours = ip.is_loopback() || self.addresses.contains(&ip) || (open && !ip.is_unspecified() && !ip.is_multicast());
                ours.then_some(Own::Bare)
            }
            Err(_) => self.find_name(&host, open),
        }
    }

    fn find_name(&self, host: &str, open: bool) -> Option<Own> {
        let before = |name: &str| match host.strip_suffix(name)? {
            "" => Some(Own::Bare),
            prefix => Some(Own::Prefixed(prefix.strip_suffix('.')?.to_owned())),
        };
        // The longest name decides: one may end in another.
        let named = self.names.iter().filter_map(|name| Some((name.len(), before(name)?))).max_by_key(|(length, _)| *length);
        let guessed = || match before(host.rsplit('.').next().filter(|_| open)?)? {
            Own::Bare => is_plain_name(host).then_some(Own::Bare),
            // `evil.example`, `metadata.google.internal`: a domain's last label is no machine's name.
            Own::Prefixed(prefix) => name::fits(&host[prefix.len() + 1..]).then_some(Own::Prefixed(prefix)),
        };
        named.map(|(_, own)| own).or_else(guessed)
    }
}

/// Link-local addresses, where instance metadata and container credentials are, and EC2's IPv6 metadata address.
fn is_metadata(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.segments()[..2] == [0xfd00, 0x0ec2],
    }
}

/// A name of one label that no resolver takes for a number (`2852039166`, `0xa9fea9fe`).
fn is_plain_name(host: &str) -> bool {
    host.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(listen: &str, hosts: &[&str], host: &str) -> Option<Own> {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        OwnNames::new(&[listen.parse().unwrap()], &hosts).find(&host.parse().unwrap())
    }

    fn prefixed(prefix: &str) -> Option<Own> {
        Some(Own::Prefixed(prefix.to_owned()))
    }

    #[test]
    fn loopback_and_configured_addresses_mean_us() {
        for host in ["127.0.0.1:8180", "127.0.0.1", "127.9.9.9:1", "localhost:8180", "LOCALHOST", "[::1]:8180", "[::ffff:127.0.0.1]:8180"] {
            assert_eq!(own("127.0.0.1:8180", &[], host), Some(Own::Bare), "{host}");
        }
        assert_eq!(own("10.0.0.7:8180", &[], "10.0.0.7:8180"), Some(Own::Bare));
        for host in ["10.0.0.8:8180", "evil.example", "palisade:8180", "b.palisade:8180", "0.0.0.0:8180", "169.254.169.254"] {
            assert_eq!(own("127.0.0.1:8180", &[], host), None, "{host}");
        }
    }

    #[test]
    fn a_listener_on_all_addresses_knows_itself_by_its_port() {
        for host in ["10.0.0.8:8180", "palisade:8180", "[fd12::1]:8180"] {
            assert_eq!(own("0.0.0.0:8180", &[], host), Some(Own::Bare), "{host}");
        }
        assert_eq!(own("0.0.0.0:8180", &[], "my.bucket.palisade:8180"), prefixed("my.bucket"));
        for host in [
            "10.0.0.8",
            "10.0.0.8:80",
            "palisade",
            "bucket.palisade",
            "bucket.palisade:80",
            "evil.example:8180",
            "s3.eu-west-1.amazonaws.com:8180",
            "metadata.google.internal:8180",
            "bucket.10.0.0.8:8180",
            "bucket.2852039166:8180",
            "169.254.169.254:8180",
            "169.254.170.2:8180",
            "[fd00:ec2::254]:8180",
            "[fe80::1]:8180",
            "[::ffff:169.254.169.254]:8180",
            "2852039166:8180",
            "0xa9fea9fe:8180",
        ] {
            assert_eq!(own("0.0.0.0:8180", &[], host), None, "{host}");
        }
    }

    #[test]
    fn names_of_the_configuration_mean_us_with_something_before_them_too() {
        let hosts = ["palisade.internal", "a.palisade.internal", "palisade"];
        let find = |host| own("127.0.0.1:8180", &hosts, host);
        for host in ["palisade.internal", "palisade.internal:8180", "PALISADE.internal:80", "a.palisade.internal", "palisade:9"] {
            assert_eq!(find(host), Some(Own::Bare), "{host}");
        }
        assert_eq!(find("bucket.palisade.internal:8180"), prefixed("bucket"));
        assert_eq!(find("My.Bucket.palisade.internal"), prefixed("my.bucket"));
        assert_eq!(find("b.a.palisade.internal"), prefixed("b"));
        assert_eq!(find("bucket.localhost:8180"), prefixed("bucket"));
        assert_eq!(find("..localhost"), prefixed("."));
        for host in
            ["evilpalisade.internal", "internal", "palisade.internal.", "bucket.localhost.", "bucket.localhost.evil.example", "b.127.0.0.1"]
        {
            assert_eq!(find(host), None, "{host}");
        }
    }
}
