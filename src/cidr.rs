//! Ranges of addresses, as operators write them.

use std::{fmt, net::IpAddr, str::FromStr};

/// `10.0.0.0/8`, `fd00::/8`, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Whether `address` is in the range. An IPv4 address that is written as IPv6 (`::ffff:10.0.0.1`) is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && masked(address, self.bits) == masked(self.network, self.bits)
    }
}

/// The leading `bits` of an address.
fn masked(address: IpAddr, bits: u8) -> u128 {
    let (value, width) = match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    value.checked_shr(width - u32::from(bits)).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let network: IpAddr = address.parse().map_err(|_| format!("{address:?} is no IP address"))?;
        if network.to_canonical() != network {
            return Err(format!("{address} is an IPv4 address that is written as IPv6"));
        }
        let width = if network.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(bits) if bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().map_err(|_| too_long(width))?,
            Some(bits) => return Err(format!("{bits:?} is no prefix length")),
        };
        if bits > width {
            return Err(too_long(width));
        }
        let cidr = Self { network, bits };
        // Written so, it may be meant as the one address or as the whole range.
        let host_bits = u32::from(width - bits);
        let rounded = masked(network, bits).checked_shl(host_bits).unwrap_or(0);
        if rounded != masked(network, width) {
            return Err(format!("{address} has bits beyond /{bits}; give the range's first address"));
        }
        Ok(cidr)
    }
}

fn too_long(width: u8) -> String {
    format!("the prefix length is at most {width}")
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_what_begins_like_it() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.128/25", "10.1.2.255", "10.1.2.127"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("10.0.0.0/8", "::ffff:10.1.1.1", "::ffff:11.1.1.1"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "fe80::1", "127.0.0.1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
        ] {
            let cidr: Cidr = range.parse().unwrap();
            assert!(cidr.contains(inside.parse().unwrap()), "{inside} in {range}");
            assert!(!cidr.contains(outside.parse().unwrap()), "{outside} in {range}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for bad in [
            "",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "::/129",
            "::1/64",
            "10.0.0/8",
            "10.0.0.0/+8",
            "10.0.0.0/256",
            "::ffff:10.0.0.0/104",
            "a",
        ] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad:?}");
        }
    }
}
