//! Name resolution that keeps requests for AWS off this machine and its metadata services.
//!
//! Names of AWS endpoints are made from what a request says, within an allow-list; DNS has the last word on where they lead.
//! So the addresses are checked, at each connection, and the checked ones are those connected to. Private addresses are
//! allowed: VPC endpoints answer AWS's names with them, and TLS proves who is there.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

/// A host that leads nowhere it may.
#[derive(Debug, thiserror::Error)]
#[error("the host has no address that may be connected to")]
pub(super) struct Forbidden;

/// The system's resolver, with or without the guard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver {
    /// Off for hosts that the configuration names: an emulator on loopback is the operator's choice.
    pub(super) is_guarded: bool,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let is_guarded = self.is_guarded;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = if is_guarded { allowed(found) } else { found.collect() };
            if allowed.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, Forbidden));
            }
            Ok(allowed.into_iter())
        })
    }
}

/// Of a mixed answer, what may be connected to, in its order.
fn allowed(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    found.filter(|address| !is_forbidden(address.ip())).collect()
}

/// Whether no AWS endpoint can be at `address`: this host, its link, its metadata services, no single host, or an IPv4
/// address of that kind inside an IPv6 one. 100.64.0.0/10 is not among them: subnets of VPCs have addresses from there, and with
/// them VPC endpoints.
pub fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_forbidden_v4(address),
        IpAddr::V6(address) => is_forbidden_v6(address),
    }
}

fn is_forbidden_v4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        // 169.254.169.254 (instance metadata), 169.254.170.2 and .23 (ECS and EKS credentials), and all their kin.
        || address.is_link_local()
        // 0.0.0.0/8 is "this host" to Linux.
        || address.octets()[0] == 0
        // 192.0.0.0/24: special purposes of the IETF, metadata of another cloud among them.
        || address.octets()[..3] == [192, 0, 0]
        || address.is_multicast()
        // 240.0.0.0/4, broadcast included.
        || address.octets()[0] >= 240
}

fn is_forbidden_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        // fec0::/10, the retired site-local range.
        || segments[0] & 0xffc0 == 0xfec0
        // fd00:ec2::/32: metadata (::254), EKS credentials (::23), time (::123).
        || segments[..2] == [0xfd00, 0x0ec2]
        // 2001::/32 (Teredo) and 64:ff9b:1::/48 (NAT64 of a local kind) hold IPv4 addresses in forms that vary.
        || segments[..2] == [0x2001, 0]
        || segments[..3] == [0x64, 0xff9b, 1]
        || embedded_v4(segments).is_some_and(is_forbidden_v4)
}

/// The IPv4 address inside a mapped (::ffff:0:0/96), translated (::ffff:0:0:0/96), compatible (::/96), NAT64 (64:ff9b::/96), 6to4
/// (2002::/16) or ISATAP (any prefix, then 0:5efe or 200:5efe) address.
fn embedded_v4(segments: [u16; 8]) -> Option<Ipv4Addr> {
    let (high, low) = match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => (high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => (high, low),
        _ => return None,
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_its_link_and_metadata_are_forbidden() {
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::1",
            "192.0.0.192",
            "::ffff:0:169.254.169.254",
            "::ffff:0.0.0.1",
            "64:ff9b:1::a9fe:a9fe",
            "2001::5601:5601",
            "2600:1f18::5efe:a9fe:a9fe",
            "fd12::200:5efe:7f00:1",
        ] {
            assert!(is_forbidden(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn public_addresses_and_vpc_endpoints_are_not() {
        for address in
            ["52.218.1.1", "10.0.0.5", "172.31.0.5", "192.168.1.5", "100.64.0.1", "2600:1f18::1", "fd12:3456::1", "64:ff9b::34da:101"]
        {
            assert!(!is_forbidden(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn of_a_mixed_answer_the_forbidden_part_is_left_out() {
        let address = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 0);
        let found = ["169.254.169.254", "52.218.1.1", "::ffff:127.0.0.1", "2600:1f18::1", "10.0.0.5"].map(address);
        assert_eq!(allowed(found.into_iter()), ["52.218.1.1", "2600:1f18::1", "10.0.0.5"].map(address));
        assert!(allowed([address("127.0.0.1"), address("fd00:ec2::254")].into_iter()).is_empty());
    }

    #[tokio::test]
    async fn the_guard_looks_at_addresses_not_names() {
        let resolve = |is_guarded| async move {
            let name: Name = "localhost".parse().unwrap();
            Resolver { is_guarded }.call(name).await.map(|addresses| addresses.count())
        };
        let error = resolve(true).await.unwrap_err();
        assert!(error.get_ref().unwrap().is::<Forbidden>());
        assert!(resolve(false).await.unwrap() > 0);
    }
}
