//! Connections to upstreams: TCP, TLS with which roots, and one deadline over all of it.

use std::{
    path::Path,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Uri, uri::Authority};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Builder, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::time::Instant;
use tower::Service;

use super::{progress::Watched, resolve::Resolver};
use crate::{
    body::BoxError,
    server::tls::{self, TlsError},
};

/// Kept connections to one host; more are opened under load and closed after.
const MAX_IDLE_CONNECTIONS: usize = 64;
/// When probing of a silent upstream begins.
const PROBE: Duration = Duration::from_secs(60);

/// What to do when nobody is trusted.
pub(super) const NO_ROOTS: &str = "there are no trusted roots: install the system's CA bundle, set SSL_CERT_FILE, or set `ca`";

/// Connects to `https`, and to `http` where that was asked for.
pub(super) type Connector = Timed<HttpsConnector<HttpConnector<Resolver>>>;

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file of roots cannot be used.
    #[error(transparent)]
    Ca(#[from] TlsError),
    /// A header cannot be sent as it is configured.
    #[error("the header {0} has a value that no header can have")]
    Header(http::HeaderName),
    /// Nobody could be trusted.
    #[error("{NO_ROOTS}")]
    NoRoots,
    /// The TLS library takes none of our settings; a fault of ours.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// The roots that the system trusts. Costs a few milliseconds; none is not an error yet.
pub(super) fn platform_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's trusted roots cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

/// Adds the roots of a PEM file. Every one must be usable: a bundle that is trusted in part is a surprise for later.
pub(super) fn add_roots(roots: &mut RootCertStore, ca: Option<&Path>) -> Result<(), SetupError> {
    for root in ca.map(tls::files::certificates).transpose()?.into_iter().flatten() {
        roots.add(root)?;
    }
    Ok(())
}

/// Whether the roots of a PEM file can be used.
pub fn check_roots(ca: &Path) -> Result<(), SetupError> {
    add_roots(&mut RootCertStore::empty(), Some(ca))
}

/// TLS 1.2 and 1.3 towards servers that `roots` vouch for. Without roots, no server is trusted.
pub(super) fn client_config(roots: RootCertStore) -> Result<ClientConfig, SetupError> {
    let builder = ClientConfig::builder_with_provider(tls::provider()).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Which protocols a connection may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocols {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// What ALPN yields.
    Negotiated,
}

/// A connector for `tls` hosts, and for clear-text ones if `allow_http`. The server's certificate has to be for `name`, or else for
/// the host that is dialled.
pub(super) fn connector(
    tls: ClientConfig,
    protocols: Protocols,
    resolver: Resolver,
    allow_http: bool,
    limit: Duration,
    name: Option<&Authority>,
) -> Connector {
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
    let mut builder = if allow_http { builder.https_or_http() } else { builder.https_only() };
    if let Some(name) = name.map(Authority::host).map(str::to_owned) {
        // A name that is none fails the handshake; the configuration has none such.
        builder = builder.with_server_name_resolver(move |_: &Uri| ServerName::try_from(name.clone()));
    }
    let tcp = tcp(resolver, limit);
    let inner = match protocols {
        Protocols::Http1 => builder.enable_http1().wrap_connector(tcp),
        Protocols::Http2 => builder.enable_http2().wrap_connector(tcp),
        Protocols::Negotiated => builder.enable_all_versions().wrap_connector(tcp),
    };
    Timed { inner, limit }
}

/// TCP without delay, with probes. A name's addresses are tried one after the other, and share `limit`.
pub(super) fn tcp<R>(resolver: R, limit: Duration) -> HttpConnector<R> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(PROBE));
    tcp.set_connect_timeout(Some(limit));
    tcp
}

/// A pooling client over `connector`; connections unused for `idle` are closed.
pub(super) fn client<C>(connector: C, idle: Duration) -> Client<C, Watched>
where
    C: hyper_util::client::legacy::connect::Connect + Clone,
{
    builder(idle).build(connector)
}

/// Response bytes of one HTTP/2 stream that may wait for its reader.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all streams of a connection, which tenants share: so much that no tenant's unread streams use up another's.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// The settings of [`client`].
pub(super) fn builder(idle: Duration) -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.http2_initial_stream_window_size(STREAM_WINDOW).http2_initial_connection_window_size(CONNECTION_WINDOW);
    builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(idle).pool_max_idle_per_host(MAX_IDLE_CONNECTIONS);
    builder
}

/// A connector with a deadline.
#[derive(Debug, Clone)]
pub(super) struct Timed<C> {
    /// Does the work.
    pub(super) inner: C,
    /// For all of it: resolution, TCP, TLS.
    pub(super) limit: Duration,
}

/// A connection that took too long.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {} ms", limit.as_millis())]
struct ConnectOverdue {
    limit: Duration,
}

impl<C> Service<Uri> for Timed<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let (connecting, limit) = (self.inner.call(target), self.limit);
        Box::pin(async move {
            let begun = Instant::now();
            match tokio::time::timeout(limit, connecting).await {
                // The last address's share of the time ends with the whole.
                Ok(Err(_)) if begun.elapsed() >= limit => Err(ConnectOverdue { limit }.into()),
                Ok(result) => result.map_err(Into::into),
                Err(_) => Err(ConnectOverdue { limit }.into()),
            }
        })
    }
}
