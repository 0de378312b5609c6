//! Who is at the other end of a connection.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::{
    ClientCertificate,
    stream::{NO_ADDRESS, User},
};

/// The other end of a connection, as the connection itself shows it: nothing that a request says is in here. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Peer {
    address: SocketAddr,
    /// The peer in writing, since every request is logged with it.
    text: Arc<str>,
    client: Option<Arc<ClientCertificate>>,
    user: Option<User>,
}

impl Peer {
    /// A peer that is known by its address alone.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, text: address.to_string().into(), client: None, user: None }
    }

    /// A peer on a Unix socket, and which user it is, where the kernel says so. Its address is loopback, with port 0.
    pub(crate) fn over_socket(user: Option<User>) -> Self {
        let text = user.map_or_else(|| NO_ADDRESS.to_string(), |user| user.to_string());
        Self { address: NO_ADDRESS, text: text.into(), client: None, user }
    }

    /// The same peer, which has shown that a certificate is its own.
    pub(super) fn with_client(self, client: Arc<ClientCertificate>) -> Self {
        Self { client: Some(client), ..self }
    }

    /// The address and port, or the user: what it is called in logs.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the connection comes from: the nearest proxy, where there is one in front.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address without its port. An IPv4 address is one, also where the socket speaks IPv6.
    pub fn ip(&self) -> IpAddr {
        self.address.ip().to_canonical()
    }

    /// The same; `None` for whoever comes over a Unix socket, and so from no address.
    #[cfg(feature = "cedar")]
    pub(crate) fn source(&self) -> Option<IpAddr> {
        (self.address != NO_ADDRESS).then(|| self.ip())
    }

    /// The verified certificate; `None` where none was asked for, or none given and none required.
    pub fn client(&self) -> Option<&ClientCertificate> {
        self.client.as_deref()
    }

    /// The user of this machine that it is; `None` for whoever comes over TCP.
    pub const fn user(&self) -> Option<User> {
        self.user
    }

    /// A peer with a certificate, for unit tests of other rooms.
    #[cfg(test)]
    pub(crate) fn for_tests(client: ClientCertificate) -> Self {
        Self::at(SocketAddr::from(([192, 0, 2, 1], 5))).with_client(Arc::new(client))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
