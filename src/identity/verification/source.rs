//! Whom a token's cost is put down to.

use std::net::{IpAddr, Ipv6Addr};

use crate::tenant::TenantId;

/// Bits of an IPv6 address that say who it is. A customer is given 64 bits of addresses, at the least, to choose from
/// (RFC 6177; RFC 4291, section 2.5.1).
const V6_PREFIX: u32 = 64;

/// Who sent a token, as far as sharing goes. Nobody is trusted for being one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::identity) enum Source {
    /// A caller from the outside: an IPv4 address, or the network of an IPv6 address.
    Client(IpAddr),
    /// The application, in a request that claims to be of this tenant.
    ///
    /// It is one peer for all tenants. What it passes on for one of them must not keep the others out, so they take turns by
    /// claim; and since whoever sends junk also chooses the claim, a claim has no budget that could be used up for others.
    Application(Option<TenantId>),
}

impl Source {
    /// The source behind an address.
    pub(in crate::identity) fn client(address: IpAddr) -> Self {
        Self::Client(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> V6_PREFIX << V6_PREFIX)),
        })
    }

    /// For the log: what whoever sent it could have said.
    pub(in crate::identity) fn how_to_name_a_tenant(&self) -> &'static str {
        match self {
            Self::Client(_) => "name it in identity.tenant_header, or as ingress.tenant_from says",
            Self::Application(_) => "name it as access key id tenant.ID, or in identity.tenant_header",
        }
    }

    /// Whether its failures are counted.
    pub(super) fn has_budget(&self) -> bool {
        matches!(self, Self::Client(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::client(text.parse().unwrap())
    }

    #[test]
    fn an_ipv6_network_is_one_source_and_an_ipv4_address_another() {
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"), "an IPv4 client of a socket that takes both");
        assert_ne!(source("::ffff:192.0.2.1"), source("::ffff:192.0.2.2"));
    }

    #[test]
    fn only_clients_have_a_budget() {
        assert!(source("192.0.2.1").has_budget());
        assert!(!Source::Application(None).has_budget());
    }
}
