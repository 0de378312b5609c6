use std::{fs, path::Path};

use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tempfile::TempDir;

use super::*;
use crate::{clock::Clock, secret::Secret};

/// A self-signed certificate for `localhost` and its key, in files.
pub(crate) struct Issued {
    pub(crate) files: TlsConfig,
    certificate: CertificateDer<'static>,
    directory: TempDir,
}

impl Issued {
    pub(crate) fn new() -> Self {
        Self::until(2040)
    }

    /// One that is good until that year begins.
    pub(crate) fn until(year: i32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files =
            TlsConfig { certificate: file(directory.path(), "tls.crt"), private_key: file(directory.path(), "tls.key"), clients: None };
        let certificate = issue(&files, year);
        Self { files, certificate, directory }
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }
}

fn file(folder: &Path, name: &str) -> Pem {
    Pem::File(folder.join(name))
}

fn issue(files: &TlsConfig, until: i32) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(files.certificate.name(), certificate.pem()).unwrap();
    fs::write(files.private_key.name(), key.serialize_pem()).unwrap();
    certificate.der().clone()
}

/// A client that trusts `issued` alone.
pub(crate) fn client_config(issued: &Issued) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(issued.certificate.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(roots).with_no_client_auth()
}

fn load(files: &TlsConfig) -> Result<Arc<ReloadingTls>, TlsError> {
    ReloadingTls::load(files, Listener::Ingress, Clock::system(), Metrics::new().unwrap())
}

#[track_caller]
fn refused(files: &TlsConfig, expected: &[&str]) {
    let message = load(files).unwrap_err().to_string();
    for part in expected {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name_and_a_cure() {
    let mut issued = Issued::new();
    let good = issued.files.clone();

    issued.files.certificate = file(issued.directory.path(), "nowhere.crt");
    refused(&issued.files, &["nowhere.crt", "No such file", "mount the file"]);

    issued.files.certificate = good.private_key.clone();
    refused(&issued.files, &[name(good.private_key.name()), "no PEM certificate", "BEGIN CERTIFICATE"]);

    issued.files = TlsConfig { private_key: good.certificate.clone(), ..good.clone() };
    refused(&issued.files, &[name(good.certificate.name()), "no PEM private key", "PKCS#8"]);

    let other = issued.directory.path().join("other.key");
    fs::write(&other, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    issued.files = TlsConfig { private_key: Pem::File(other.clone()), ..good.clone() };
    refused(&issued.files, &["tls.crt", "other.key", "not the key of the first certificate"]);

    fs::write(&other, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n").unwrap();
    refused(&issued.files, &["other.key", "encrypted", "openssl pkey"]);

    issued.files = TlsConfig { certificate: Pem::File(issued.directory.path().to_owned()), ..good };
    refused(&issued.files, &["readable PEM file"]);
}

#[test]
fn versions_protocols_and_order_are_as_documented() {
    let issued = Issued::new();
    let config = load(&issued.files).unwrap().server_config();
    assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert!(config.ignore_client_order);
    assert_eq!(config.max_early_data_size, 0, "early data can be replayed");
    for version in [&TLS12, &TLS13] {
        let client = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
        let client = client.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let mut client = rustls::ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
        let mut server = rustls::ServerConnection::new(config.clone()).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        server.read_tls(&mut &hello[..]).unwrap();
        server.process_new_packets().unwrap();
        assert_eq!(server.protocol_version(), Some(version.version));
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_and_a_broken_one_is_not() {
    let issued = Issued::new();
    let metrics = Metrics::new().unwrap();
    let tls = ReloadingTls::load(&issued.files, Listener::Ingress, Clock::system(), metrics.clone()).unwrap();
    let current = || tls.current.certified.load_full().cert[0].clone();
    assert_eq!(current(), issued.certificate);
    let shown = || String::from_utf8(metrics.render().unwrap()).unwrap();
    // 1975-01-01, 2040-01-01
    assert!(shown().contains("palisade_tls_certificate_not_before_timestamp_seconds{listener=\"ingress\"} 157766400\n"), "{}", shown());
    assert!(shown().contains("palisade_tls_certificate_expiry_timestamp_seconds{listener=\"ingress\"} 2208988800\n"), "{}", shown());

    // Half of a renewal: a new key beside the old certificate.
    let old_key = fs::read(issued.files.private_key.name()).unwrap();
    fs::write(issued.files.private_key.name(), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    tls.refresh().await;
    assert_eq!(current(), issued.certificate);
    // Unchanged, it is not read again.
    let known = tls.current.fingerprint.load_full();
    tls.refresh().await;
    assert!(Arc::ptr_eq(&known, &tls.current.fingerprint.load_full()));

    fs::remove_file(issued.files.private_key.name()).unwrap();
    tls.refresh().await;
    fs::write(issued.files.private_key.name(), old_key).unwrap();
    tls.refresh().await;
    assert_eq!(current(), issued.certificate);

    let renewed = issue(&issued.files, 2041);
    let watch = tokio::spawn({
        let tls = tls.clone();
        async move { tls.watch(Duration::from_millis(10)).await }
    });
    let taken_up = async {
        while current() != renewed {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), taken_up).await.unwrap();
    watch.abort();
    assert!(shown().contains("{listener=\"ingress\"} 2240611200\n"), "{}", shown());
}

#[tokio::test]
async fn a_certificate_in_variables_serves_and_stays_and_errors_name_the_variable() {
    let issued = Issued::new();
    let variable = |name: &str, text: &[u8]| Pem::Variable {
        name: format!("env:{name}"),
        text: Secret::new(String::from_utf8(text.to_owned()).unwrap()),
    };
    let certificate = variable("CHAIN", &fs::read(issued.files.certificate.name()).unwrap());
    let private_key = variable("KEY", &fs::read(issued.files.private_key.name()).unwrap());
    let good = TlsConfig { certificate, private_key, clients: None };
    let tls = load(&good).unwrap();
    let known = tls.current.fingerprint.load_full();
    tls.refresh().await;
    assert!(Arc::ptr_eq(&known, &tls.current.fingerprint.load_full()), "there is nothing to follow");
    assert_eq!(tls.current.certified.load_full().cert[0], issued.certificate);

    refused(&TlsConfig { private_key: good.certificate.clone(), ..good.clone() }, &["env:CHAIN", "no PEM private key"]);
    refused(&TlsConfig { certificate: variable("CHAIN", b"junk"), ..good.clone() }, &["env:CHAIN", "no PEM certificate"]);
    let other = variable("KEY", KeyPair::generate().unwrap().serialize_pem().as_bytes());
    refused(&TlsConfig { private_key: other, ..good }, &["env:KEY is not the key of the first certificate in env:CHAIN"]);
}

#[test]
fn a_certificate_out_of_its_time_is_told_and_one_within_is_not() {
    let issued = Issued::new();
    let at = |year: i32| SystemTime::from(rcgen::date_time_ymd(year, 1, 1));
    let told = |year| ReloadingTls::out_of_time(&issued.files, at(year));
    assert_eq!(told(2041).as_deref(), Some("it expired at 2040-01-01T00:00:00Z"));
    assert_eq!((told(2026), told(2040)), (None, None));
    // rcgen's own beginning.
    assert_eq!(told(1970).as_deref(), Some("it is not valid before 1975-01-01T00:00:00Z"));
    fs::write(issued.files.certificate.name(), "junk").unwrap();
    assert_eq!(told(2041), None, "another error's business");
}

#[tokio::test]
async fn other_files_are_read_before_they_are_used_and_followed_then() {
    let (old, new) = (Issued::new(), Issued::until(2041));
    let tls = load(&old.files).unwrap();
    let current = || tls.current.certified.load_full().cert[0].clone();
    assert!(tls.prepare(&TlsConfig { certificate: Pem::File(old.directory.path().join("gone")), ..old.files.clone() }).is_err());
    let prepared = tls.prepare(&new.files).unwrap();
    assert_eq!(current(), old.certificate, "nothing is in use that is only prepared");
    tls.adopt(prepared);
    assert_eq!(current(), new.certificate);
    issue(&old.files, 2042);
    tls.refresh().await;
    assert_eq!(current(), new.certificate, "the old files are nobody's any more");
    let renewed = issue(&new.files, 2043);
    tls.refresh().await;
    assert_eq!(current(), renewed);
}
