//! TLS for listeners: what is offered, and certificates that are replaced while they are in use.

mod expiry;
pub(crate) mod files;

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use rustls::{
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use self::files::Fingerprint;
pub use self::files::TlsError;
use crate::{
    config::TlsConfig,
    telemetry::{Metrics, metrics::Listener},
};

/// How often certificate files are looked at: well within the time between a renewal and the old one's end.
pub const POLL: Duration = Duration::from_secs(10);

/// The one cryptography provider of the process. Nothing else names one.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

/// A listener's TLS settings, with a certificate that follows its files.
#[derive(Debug)]
pub struct ReloadingTls {
    server_config: Arc<rustls::ServerConfig>,
    current: Arc<Current>,
    files: TlsConfig,
    listener: Listener,
    metrics: Metrics,
}

impl ReloadingTls {
    /// Reads the files now. The errors say which file, what is wrong with it and what would be right.
    pub fn load(files: &TlsConfig, listener: Listener, metrics: Metrics) -> Result<Arc<Self>, TlsError> {
        // Taken first: a change in between is then seen as one.
        let fingerprint = Fingerprint::of(files);
        let certified = files::certified_key(files)?;
        let current = Arc::new(Current { certified: ArcSwap::new(Arc::new(certified)), fingerprint: ArcSwap::from_pointee(fingerprint) });
        let server_config = server_config(current.clone())?;
        let tls = Self { server_config: Arc::new(server_config), current, files: files.clone(), listener, metrics };
        tls.announce();
        Ok(Arc::new(tls))
    }

    /// Whether [`ReloadingTls::load`] would take the files.
    pub fn check(files: &TlsConfig) -> Result<(), TlsError> {
        files::certified_key(files).map(drop)
    }

    /// For accepting connections. Each handshake takes the certificate that is current then.
    pub fn server_config(&self) -> Arc<rustls::ServerConfig> {
        self.server_config.clone()
    }

    /// End of validity of the current certificate; `None` if it cannot be read from it.
    pub fn not_after(&self) -> Option<SystemTime> {
        expiry::not_after(self.current.certified.load().end_entity_cert().ok()?)
    }

    /// Follows the files, looking every `interval` ([`POLL`]). Never returns. A pair that cannot be used (a renewal caught
    /// half way, say) leaves the old one in use, with a warning.
    pub async fn watch(&self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            self.refresh().await;
        }
    }

    async fn refresh(&self) {
        let (files, known) = (self.files.clone(), self.current.fingerprint.load_full());
        let read = tokio::task::spawn_blocking(move || {
            let fingerprint = Fingerprint::of(&files);
            (fingerprint != *known).then(|| (fingerprint, files::certified_key(&files)))
        });
        let Ok(Some((fingerprint, result))) = read.await else { return };
        // Also after a failure: one warning a change, not one a look.
        self.current.fingerprint.store(Arc::new(fingerprint));
        self.metrics.config_reload(result.is_ok());
        match result {
            Ok(certified) => {
                self.current.certified.store(Arc::new(certified));
                self.announce();
            }
            Err(error) => {
                tracing::warn!(listener = self.listener.as_str(), %error, "the changed certificate cannot be used; the old one stays in use");
            }
        }
    }

    fn announce(&self) {
        let Some(seconds) = self.not_after().and_then(|end| end.duration_since(UNIX_EPOCH).ok()).map(|d| d.as_secs()) else {
            tracing::warn!(listener = self.listener.as_str(), "the certificate's end of validity cannot be read");
            return;
        };
        self.metrics.certificate_expiry(self.listener, seconds as f64);
        tracing::info!(listener = self.listener.as_str(), not_after = seconds, "certificate in use");
    }
}

/// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
fn server_config(resolver: Arc<Current>) -> Result<rustls::ServerConfig, TlsError> {
    let builder = rustls::ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12]);
    let mut config = builder.map_err(TlsError::Unusable)?.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // The server's order of suites, strongest first, is what auditors' scanners ask for.
    config.ignore_client_order = true;
    Ok(config)
}

/// The certificate in use.
struct Current {
    certified: ArcSwap<CertifiedKey>,
    fingerprint: ArcSwap<Fingerprint>,
}

impl ResolvesServerCert for Current {
    /// Whatever name the client asks for: there is one certificate.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certified.load_full())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

#[cfg(test)]
#[cfg(feature = "sandbox")]
pub(crate) mod tests;
