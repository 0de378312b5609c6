//! TLS for listeners: what is offered, whose certificates clients show, and files that are replaced while they are in use.

mod clients;
pub(crate) mod described;
pub(crate) mod failure;
pub(crate) mod files;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use aws_smithy_types::{DateTime, date_time::Format};
use rustls::{
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio::sync::watch;

use self::files::Fingerprint;
pub use self::files::TlsError;
use super::client;
use crate::{
    clock::Clock,
    config::{ClientAuthConfig, Pem, TlsConfig},
    telemetry::{Metrics, metrics::Listener},
};

/// How often files are looked at: well within the time between a renewal and the old certificate's end.
pub const POLL: Duration = Duration::from_secs(10);

/// The one cryptography provider of the process. Nothing else names one.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

/// A listener's TLS settings, with a certificate and roots for clients that follow their files.
#[derive(Debug)]
pub struct ReloadingTls {
    terms: ArcSwap<Terms>,
    current: Arc<Current>,
    /// The state of the files behind `terms`, as far as they were read, with or without success.
    clients: ArcSwap<Fingerprint>,
    files: ArcSwap<TlsConfig>,
    listener: Listener,
    clock: Clock,
    metrics: Metrics,
}

/// A certificate that was read and is not in use yet.
#[derive(Debug)]
pub struct Prepared {
    files: TlsConfig,
    certified: CertifiedKey,
    fingerprint: Fingerprint,
}

/// On which terms connections are taken, until whom clients are trusted for changes.
#[derive(Debug)]
struct Terms {
    server_config: Arc<rustls::ServerConfig>,
    /// Its end says that these terms are no longer in force.
    in_force: watch::Sender<()>,
}

impl ReloadingTls {
    /// Reads the files now. The errors say which file, what is wrong with it and what would be right.
    pub fn load(files: &TlsConfig, listener: Listener, clock: Clock, metrics: Metrics) -> Result<Arc<Self>, TlsError> {
        // Taken first: a change in between is then seen as one.
        let fingerprint = Fingerprint::of(&own(files));
        let clients = ArcSwap::from_pointee(Fingerprint::of(&of_clients(files)));
        let certified = files::certified_key(files)?;
        let current = Arc::new(Current { certified: ArcSwap::new(Arc::new(certified)), fingerprint: ArcSwap::from_pointee(fingerprint) });
        let terms = ArcSwap::from_pointee(Terms::read(files, current.clone())?);
        let tls = Self { terms, current, clients, files: ArcSwap::from_pointee(files.clone()), listener, clock, metrics };
        tls.announce();
        Ok(Arc::new(tls))
    }

    /// Whether [`ReloadingTls::load`] would take the files.
    pub fn check(files: &TlsConfig) -> Result<(), TlsError> {
        files::certified_key(files)?;
        files.clients.as_ref().map_or(Ok(()), |clients| clients::verifier(clients).map(drop))
    }

    /// What clients will have against the certificate in `files` at `now`: it has expired, or is not valid yet. Nothing where it is good,
    /// or cannot be read, which [`ReloadingTls::check`] says.
    pub fn out_of_time(files: &TlsConfig, now: SystemTime) -> Option<String> {
        let certified = files::certified_key(files).ok()?;
        out_of_time(client::validity(certified.end_entity_cert().ok()?)?, now)
    }

    /// For accepting connections. Each handshake takes the certificate that is current then.
    pub fn server_config(&self) -> Arc<rustls::ServerConfig> {
        self.terms.load().server_config.clone()
    }

    /// The same, with what tells when clients that were trusted on it no longer are.
    pub(super) fn terms(&self) -> (Arc<rustls::ServerConfig>, watch::Receiver<()>) {
        let terms = self.terms.load();
        (terms.server_config.clone(), terms.in_force.subscribe())
    }

    /// By which time the certificates of clients end.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Which listener's it is, and where handshakes are counted.
    pub(super) fn failed(&self, class: &'static str) {
        self.metrics.handshake_failure(self.listener, class);
    }

    /// Of the current certificate, both ends; `None` if they cannot be read from it.
    fn validity(&self) -> Option<(SystemTime, SystemTime)> {
        client::validity(self.current.certified.load().end_entity_cert().ok()?)
    }

    /// Reads other files for the server's own certificate, to be taken over by [`ReloadingTls::adopt`]. Those for clients stay.
    ///
    /// # Errors
    /// As [`ReloadingTls::load`].
    pub fn prepare(&self, files: &TlsConfig) -> Result<Prepared, TlsError> {
        let fingerprint = Fingerprint::of(&own(files));
        let certified = files::certified_key(files)?;
        let clients = self.files.load().clients.clone();
        Ok(Prepared { files: TlsConfig { clients, ..files.clone() }, certified, fingerprint })
    }

    /// Uses what was prepared for every handshake from here on, and follows its files.
    pub fn adopt(&self, prepared: Prepared) {
        let Prepared { files, certified, fingerprint } = prepared;
        self.files.store(Arc::new(files));
        self.current.fingerprint.store(Arc::new(fingerprint));
        self.current.certified.store(Arc::new(certified));
        self.announce();
    }

    /// Follows the files, looking every `interval` ([`POLL`]). Never returns. What cannot be used (a renewal caught half way, say) leaves
    /// the old in use, with a warning.
    pub async fn watch(&self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            self.refresh().await;
        }
    }

    /// One look, now.
    pub(crate) async fn refresh_now(&self) {
        self.refresh().await;
    }

    async fn refresh(&self) {
        self.refresh_certificate().await;
        self.refresh_clients().await;
    }

    async fn refresh_certificate(&self) {
        let (files, known) = (self.files.load_full(), self.current.fingerprint.load_full());
        let followed = files.clone();
        let read = tokio::task::spawn_blocking(move || {
            let fingerprint = Fingerprint::of(&own(&files));
            (fingerprint != *known).then(|| (fingerprint, files::certified_key(&files)))
        });
        let Ok(Some((fingerprint, result))) = read.await else { return };
        // Others may be in use since.
        if !Arc::ptr_eq(&followed, &self.files.load()) {
            return;
        }
        // Also after a failure: one warning a change, not one a look.
        self.current.fingerprint.store(Arc::new(fingerprint));
        self.metrics.config_reload(&format!("certificate of the {}", self.listener.as_str()), result.is_ok());
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

    /// New roots or revocation lists are new terms: who is connected on the old ones is asked to come again.
    async fn refresh_clients(&self) {
        let (files, known, resolver) = (self.files.load_full(), self.clients.load_full(), self.current.clone());
        let read = tokio::task::spawn_blocking(move || {
            let fingerprint = Fingerprint::of(&of_clients(&files));
            (fingerprint != *known).then(|| (fingerprint, Terms::read(&files, resolver)))
        });
        let Ok(Some((fingerprint, result))) = read.await else { return };
        self.clients.store(Arc::new(fingerprint));
        self.metrics.config_reload(&format!("client roots of the {}", self.listener.as_str()), result.is_ok());
        match result {
            Ok(terms) => {
                self.terms.store(Arc::new(terms));
                tracing::info!(listener = self.listener.as_str(), "changed roots for client certificates in use");
            }
            Err(error) => {
                tracing::warn!(listener = self.listener.as_str(), %error, "the changed roots for client certificates cannot be used; the old ones stay in use");
            }
        }
    }

    fn announce(&self) {
        let Some(validity) = self.validity() else {
            tracing::warn!(listener = self.listener.as_str(), "the certificate's validity cannot be read");
            return;
        };
        self.metrics.certificate_validity(self.listener, validity);
        let seconds = validity.1.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        match out_of_time(validity, self.clock.now()) {
            None => tracing::info!(listener = self.listener.as_str(), not_after = seconds, "certificate in use"),
            Some(why) => tracing::warn!(
                listener = self.listener.as_str(),
                not_after = seconds,
                why,
                "certificate in use, and no client will take it"
            ),
        }
    }
}

impl Terms {
    /// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    fn read(files: &TlsConfig, resolver: Arc<Current>) -> Result<Self, TlsError> {
        let builder = rustls::ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12]);
        let builder = builder.map_err(TlsError::Unusable)?;
        let mut config = match &files.clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(clients::verifier(clients)?),
        }
        .with_cert_resolver(resolver);
        if files.clients.is_some() {
            clients::without_resumption(&mut config);
        }
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // The server's order of suites, strongest first, is what auditors' scanners ask for.
        config.ignore_client_order = true;
        Ok(Self { server_config: Arc::new(config), in_force: watch::Sender::new(()) })
    }
}

/// RFC 5280, section 4.1.2.5: both ends of the validity belong to it.
fn out_of_time((not_before, not_after): (SystemTime, SystemTime), now: SystemTime) -> Option<String> {
    let shown = |time: SystemTime| DateTime::from(time).fmt(Format::DateTime).unwrap_or_default();
    if now > not_after {
        return Some(format!("it expired at {}", shown(not_after)));
    }
    (now < not_before).then(|| format!("it is not valid before {}", shown(not_before)))
}

/// The files of the server's own certificate; none where it is in variables.
fn own(files: &TlsConfig) -> Vec<PathBuf> {
    [&files.certificate, &files.private_key].into_iter().filter_map(Pem::file).map(Path::to_owned).collect()
}

/// The files that say which clients are trusted; none where none is asked for.
fn of_clients(files: &TlsConfig) -> Vec<PathBuf> {
    files.clients.iter().flat_map(|ClientAuthConfig { ca, crl, .. }| std::iter::once(ca).chain(crl)).cloned().collect()
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
