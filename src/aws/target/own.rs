//! Which hosts mean Palisade itself.

use std::net::{IpAddr, SocketAddr};

use http::uri::Authority;

/// The addresses under which the application may call the egress listener.
///
/// A name that is neither AWS's nor one of these is refused, so that nobody can use the listener as an open proxy, or think
/// that it is one.
#[derive(Debug)]
pub(super) struct OwnAddresses {
    /// Addresses listened on by name.
    addresses: Vec<IpAddr>,
    /// Ports of listeners on all addresses, whose own addresses are not known here.
    open_ports: Vec<u16>,
}

impl OwnAddresses {
    pub(super) fn new(listen: &[SocketAddr]) -> Self {
        let (open, bound): (Vec<SocketAddr>, Vec<SocketAddr>) = listen.iter().copied().partition(|address| address.ip().is_unspecified());
        Self { addresses: bound.iter().map(|a| a.ip().to_canonical()).collect(), open_ports: open.iter().map(|a| a.port()).collect() }
    }

    /// Whether `authority` means us.
    ///
    /// That is loopback by address or as `localhost`, an address of the configuration, and for a listener on all addresses
    /// any address or undotted name (`palisade` in a compose file) with that listener's port. A dotted name does not count:
    /// it might carry a bucket (`bucket.localhost`), which would be lost.
    pub(super) fn contains(&self, authority: &Authority) -> bool {
        let host = authority.host();
        let open = authority.port_u16().is_some_and(|port| self.open_ports.contains(&port));
        match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(ip) if is_metadata(ip) => false,
            Ok(ip) => ip.is_loopback() || self.addresses.contains(&ip) || (open && !ip.is_unspecified() && !ip.is_multicast()),
            Err(_) => host.eq_ignore_ascii_case("localhost") || (open && is_plain_name(host)),
        }
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

    fn means_us(listen: &str, host: &str) -> bool {
        OwnAddresses::new(&[listen.parse().unwrap()]).contains(&host.parse().unwrap())
    }

    #[test]
    fn loopback_and_configured_addresses_mean_us() {
        for host in ["127.0.0.1:8180", "127.0.0.1", "127.9.9.9:1", "localhost:8180", "LOCALHOST", "[::1]:8180", "[::ffff:127.0.0.1]:8180"] {
            assert!(means_us("127.0.0.1:8180", host), "{host}");
        }
        assert!(means_us("10.0.0.7:8180", "10.0.0.7:8180"));
        for host in ["10.0.0.8:8180", "evil.example", "bucket.localhost:8180", "palisade:8180", "0.0.0.0:8180", "169.254.169.254"] {
            assert!(!means_us("127.0.0.1:8180", host), "{host}");
        }
    }

    #[test]
    fn a_listener_on_all_addresses_knows_itself_by_its_port() {
        for host in ["10.0.0.8:8180", "palisade:8180", "[fd12::1]:8180"] {
            assert!(means_us("0.0.0.0:8180", host), "{host}");
        }
        for host in [
            "10.0.0.8",
            "10.0.0.8:80",
            "palisade",
            "evil.example:8180",
            "169.254.169.254:8180",
            "169.254.170.2:8180",
            "[fd00:ec2::254]:8180",
            "[fe80::1]:8180",
            "[::ffff:169.254.169.254]:8180",
            "2852039166:8180",
            "0xa9fea9fe:8180",
        ] {
            assert!(!means_us("0.0.0.0:8180", host), "{host}");
        }
    }
}
