//! Who is at the other end of a connection.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// The other end of a connection, as the connection itself shows it: nothing that a request says is in here. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Peer {
    address: SocketAddr,
}

impl Peer {
    /// A peer that is known by its address alone.
    pub const fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Where the connection comes from: the nearest proxy, where there is one in front.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address without its port.
    pub const fn ip(&self) -> IpAddr {
        self.address.ip()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}
