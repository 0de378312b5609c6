//! Clients with certificates.

use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{PrivateKeyDer, ServerName},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::{clock::Clock, config::ClientAuthConfig, server::tls::provider, server::tls::tests::Issued};

const ID: &str = "spiffe://prod/ns/acme/sa/worker";

/// An authority for clients, with its files beside those of the server.
struct Clients {
    issued: Issued,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as a client has them.
type Identity = (rustls::pki_types::CertificateDer<'static>, KeyPair);

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Clients {
    fn new(required: bool) -> Self {
        let mut issued = Issued::new();
        let authority = authority("clients");
        let ca = issued.files.certificate.name().with_file_name("clients.pem");
        std::fs::write(&ca, authority.pem()).unwrap();
        issued.files.clients = Some(ClientAuthConfig { ca, required, crl: None });
        Self { issued, authority }
    }

    fn config(&self) -> &ClientAuthConfig {
        self.issued.files.clients.as_ref().unwrap()
    }

    fn with_revoked(mut self, serials: &[u64], until: i32) -> Self {
        let path = self.config().ca.with_file_name("clients.crl");
        if let Some(clients) = &mut self.issued.files.clients {
            clients.crl = Some(path);
        }
        self.revoke(serials, until);
        self
    }

    fn revoke(&self, serials: &[u64], until: i32) {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: rcgen::date_time_ymd(2025, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2025, 1, 1),
            next_update: rcgen::date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.authority).unwrap().pem().unwrap();
        std::fs::write(self.config().crl.as_ref().unwrap(), list).unwrap();
    }

    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        issue(&self.authority, change)
    }

    fn start(&self) -> (Running, Arc<ReloadingTls>, Metrics) {
        self.start_with(config())
    }

    fn start_with(&self, config: ServerConfig) -> (Running, Arc<ReloadingTls>, Metrics) {
        self.start_at(config, Clock::system())
    }

    fn start_at(&self, config: ServerConfig, clock: Clock) -> (Running, Arc<ReloadingTls>, Metrics) {
        let metrics = Metrics::new().unwrap();
        let tls = ReloadingTls::load(&self.issued.files, Listener::Ingress, clock, metrics.clone()).unwrap();
        (start_with(Listener::Ingress, config, Some(tls.clone())), tls, metrics)
    }

    fn client(&self, identity: Option<&Identity>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issued.certificate()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                builder.with_client_auth_cert(vec![certificate.clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap()).unwrap()
            }
        }
    }
}

fn issue(authority: &CertifiedIssuer<'static, KeyPair>, change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(ID.try_into().unwrap())];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, authority).unwrap().der().clone(), key)
}

async fn connect(server: &Running, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    TlsConnector::from(config).connect(ServerName::try_from("localhost").unwrap(), server.connect().await).await
}

/// Who the handler is told is calling; an error where there is no connection to ask on. With TLS 1.3 a client may think that there is one, until it
/// reads.
async fn whoami(server: &Running, config: ClientConfig) -> io::Result<String> {
    let mut stream = connect(server, Arc::new(config)).await?;
    ask(&mut stream).await
}

async fn ask(stream: &mut TlsStream<TcpStream>) -> io::Result<String> {
    stream.write_all(b"GET /client HTTP/1.1\r\nHost: h\r\n\r\n").await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b".\n") {
        answer.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await.map_err(io::Error::other)??);
    }
    let text = String::from_utf8(answer).map_err(io::Error::other)?;
    Ok(text.rsplit("\r\n\r\n").next().unwrap_or_default().trim_end_matches(".\n").to_owned())
}

fn failures(metrics: &Metrics, reason: &str) -> bool {
    let line = format!("palisade_tls_handshake_failures_total{{listener=\"ingress\",reason=\"{reason}\"}} 1\n");
    String::from_utf8(metrics.render().unwrap()).unwrap().contains(&line)
}

#[tokio::test]
async fn a_client_s_verified_certificate_is_told_to_the_handler() {
    let clients = Clients::new(true);
    let (server, ..) = clients.start();
    let named = clients.issue(|_| {});
    assert_eq!(whoami(&server, clients.client(Some(&named))).await.unwrap(), ID);
    let by_subject = clients.issue(|params| {
        params.subject_alt_names.clear();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "worker");
    });
    assert_eq!(whoami(&server, clients.client(Some(&by_subject))).await.unwrap(), "CN=worker");
}

#[tokio::test]
async fn who_shows_no_good_certificate_reaches_no_handler() {
    let stranger = authority("clients");
    let ended = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2025, 1, 1);
    let early = |params: &mut CertificateParams| params.not_before = rcgen::date_time_ymd(2099, 1, 1);
    let for_servers = |params: &mut CertificateParams| params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let two_names = |params: &mut CertificateParams| {
        params.subject_alt_names.push(SanType::URI("spiffe://prod/ns/globex/sa/worker".try_into().unwrap()))
    };
    let clients = Clients::new(true);
    for (identity, reason) in [
        (None, "no-certificate"),
        (Some(issue(&stranger, |_| {})), "certificate-issuer"),
        (Some(clients.issue(ended)), "certificate-expired"),
        (Some(clients.issue(early)), "certificate-not-yet-valid"),
        (Some(clients.issue(for_servers)), "certificate-invalid"),
        (Some(clients.issue(two_names)), "certificate-identity"),
    ] {
        let (server, _, metrics) = clients.start();
        assert!(whoami(&server, clients.client(identity.as_ref())).await.is_err(), "{reason}");
        server.until("the failure to be counted", |_| failures(&metrics, reason)).await;
        assert_eq!(server.lab.entered(), 0, "{reason}");
    }
}

#[tokio::test]
async fn where_it_is_optional_a_certificate_that_is_shown_has_to_be_good() {
    let clients = Clients::new(false);
    let (server, ..) = clients.start();
    assert_eq!(whoami(&server, clients.client(None)).await.unwrap(), "nobody");
    assert_eq!(whoami(&server, clients.client(Some(&clients.issue(|_| {})))).await.unwrap(), ID);
    assert!(whoami(&server, clients.client(Some(&issue(&authority("clients"), |_| {})))).await.is_err());
    assert_eq!(server.lab.entered(), 2);
}

#[tokio::test]
async fn a_revoked_certificate_is_none_and_neither_is_one_that_cannot_be_looked_up() {
    let clients = Clients::new(true).with_revoked(&[7], 2099);
    let serial = |serial: u64| clients.issue(|params| params.serial_number = Some(SerialNumber::from(serial)));
    let (good, revoked) = (serial(8), serial(7));
    let (server, tls, metrics) = clients.start();
    assert_eq!(whoami(&server, clients.client(Some(&good))).await.unwrap(), ID);
    assert!(whoami(&server, clients.client(Some(&revoked))).await.is_err());
    server.until("the failure to be counted", |_| failures(&metrics, "certificate-revoked")).await;

    clients.revoke(&[7, 8], 2099);
    tls.refresh_now().await;
    assert!(whoami(&server, clients.client(Some(&good))).await.is_err());

    clients.revoke(&[], 2026);
    tls.refresh_now().await;
    assert!(whoami(&server, clients.client(Some(&good))).await.is_err(), "the list is out of date");
    server.until("the failure to be counted", |_| failures(&metrics, "revocation-unknown")).await;
}

#[tokio::test]
async fn a_root_that_is_gone_is_trusted_no_more_on_any_connection() {
    let mut clients = Clients::new(true);
    let (server, tls, _) = clients.start_with(ServerConfig { idle_timeout: PATIENCE * 2, ..config() });
    let (old, next) = (clients.issue(|_| {}), authority("next"));
    let client = Arc::new(clients.client(Some(&old)));
    let mut open = connect(&server, client.clone()).await.unwrap();
    assert_eq!(ask(&mut open).await.unwrap(), ID);
    // Not a certificate at all: the old root stays.
    std::fs::write(&clients.config().ca, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    tls.refresh_now().await;
    assert_eq!(ask(&mut open).await.unwrap(), ID);
    assert_eq!(ask(&mut connect(&server, client.clone()).await.unwrap()).await.unwrap(), ID);

    std::fs::write(&clients.config().ca, next.pem()).unwrap();
    tls.refresh_now().await;
    assert_eq!(rest(&mut open).await, "", "who was connected by the old root has to come again");
    // The same client configuration, with whatever it remembers of its sessions.
    let mut again = connect(&server, client).await;
    assert!(match &mut again {
        Ok(stream) => ask(stream).await.is_err(),
        Err(_) => true,
    });
    clients.authority = next;
    assert_eq!(whoami(&server, clients.client(Some(&clients.issue(|_| {})))).await.unwrap(), ID);
}

#[tokio::test]
async fn a_connection_ends_with_its_certificate_by_the_clock_that_is_given() {
    let clients = Clients::new(true);
    let ends = |year| {
        let identity = clients.issue(|params| params.not_after = rcgen::date_time_ymd(year, 1, 1));
        let clock = Clock::manual(SystemTime::from(rcgen::date_time_ymd(2098, 1, 1)));
        let (server, ..) = clients.start_at(ServerConfig { idle_timeout: PATIENCE * 2, ..config() }, clock);
        (server, Arc::new(clients.client(Some(&identity))))
    };
    let (server, client) = ends(2099);
    let mut open = connect(&server, client).await.unwrap();
    assert_eq!(ask(&mut open).await.unwrap(), ID);
    assert_eq!(ask(&mut open).await.unwrap(), ID, "there is a year left");
    let (server, client) = ends(2097);
    assert_eq!(rest(&mut connect(&server, client).await.unwrap()).await, "", "it has ended by then");
}

#[tokio::test]
async fn a_request_in_progress_outlives_its_client_s_root_and_nothing_else_does() {
    let clients = Clients::new(true);
    let (server, tls, _) = clients.start_with(ServerConfig { idle_timeout: PATIENCE * 2, ..config() });
    let mut stream = connect(&server, Arc::new(clients.client(Some(&clients.issue(|_| {}))))).await.unwrap();
    stream.write_all(b"GET /gate HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    server.until("the request to be there", |s| s.lab.entered() == 1).await;
    std::fs::write(&clients.config().ca, authority("next").pem()).unwrap();
    tls.refresh_now().await;
    server.lab.0.gate.notify_one();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("through"), "{answer}");
}

#[tokio::test]
async fn no_session_is_resumed_where_certificates_are_shown() {
    let clients = Clients::new(true);
    let (server, ..) = clients.start();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut roots = RootCertStore::empty();
        roots.add(clients.issued.certificate()).unwrap();
        let (certificate, key) = clients.issue(|_| {});
        let builder =
            ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
        let config = builder.with_client_auth_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap()).unwrap();
        let config = Arc::new(config);
        for _ in 0..3 {
            let mut stream = connect(&server, config.clone()).await.unwrap();
            assert_eq!(ask(&mut stream).await.unwrap(), ID);
            assert_ne!(stream.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Resumed), "{version:?}");
        }
    }
}
