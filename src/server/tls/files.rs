//! Certificates and keys from PEM files, with errors that an operator can act on.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustls::{
    InconsistentKeys,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use zeroize::Zeroizing;

use super::provider;
use crate::config::{Pem, TlsConfig};

/// Larger than any chain or bundle of roots; a wrong path (a log, a device) must not fill the memory.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: {source}; {cure}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
        /// What to do.
        cure: &'static str,
    },
    /// A file does not hold what it should.
    #[error("{path}: {problem}; {cure}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        cure: &'static str,
    },
    /// Certificate and key are of different pairs.
    #[error(
        "{key} is not the key of the first certificate in {certificate}; give the two files of one issue, with the leaf certificate first",
        key = key.display(), certificate = certificate.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The TLS library takes none of our settings; a fault of ours.
    #[error("TLS cannot be set up: {0}")]
    Unusable(rustls::Error),
}

/// Reads a listener's chain and key, and checks that they belong together.
pub(super) fn certified_key(files: &TlsConfig) -> Result<CertifiedKey, TlsError> {
    let chain = chain(&files.certificate)?;
    let key = private_key(&files.private_key)?;
    let (certificate, own_key) = (files.certificate.name(), files.private_key.name());
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { certificate: certificate.to_owned(), key: own_key.to_owned() }
        }
        rustls::Error::InvalidCertificate(problem) => content(certificate, problem.to_string(), "give an X.509 version 3 certificate"),
        problem => content(own_key, problem.to_string(), "give an RSA (2048 bits or more), ECDSA (P-256, P-384) or Ed25519 key"),
    })
}

/// Every certificate of a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates_in(path, &read(path)?)
}

/// Every certificate of a listener's chain, at least one.
pub(super) fn chain(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates_in(pem.name(), &text(pem)?)
}

/// `path` is what the text is called.
fn certificates_in(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    const CURE: &str = "give a PEM file with -----BEGIN CERTIFICATE----- blocks, leaf first";
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(content(path, "it holds no PEM certificate".to_owned(), CURE)),
        Ok(chain) => Ok(chain),
        Err(error) => Err(content(path, error.to_string(), CURE)),
    }
}

fn private_key(pem: &Pem) -> Result<PrivateKeyDer<'static>, TlsError> {
    let (path, text) = (pem.name(), text(pem)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        // The parser's message is dropped: it may quote the file.
        if text.windows(9).any(|window| window == b"ENCRYPTED") {
            return content(path, "the key is encrypted".to_owned(), "decrypt it, for example with `openssl pkey`, and protect the file");
        }
        content(
            path,
            "it holds no PEM private key".to_owned(),
            "give a PEM file with a -----BEGIN PRIVATE KEY----- block (PKCS#8, PKCS#1 or SEC1)",
        )
    })
}

fn text(pem: &Pem) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    match pem {
        Pem::File(path) => read(path),
        Pem::Variable { text, .. } => Ok(Zeroizing::new(text.expose().as_bytes().to_owned())),
    }
}

pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let failed = |source: io::Error| {
        let cure = match source.kind() {
            io::ErrorKind::NotFound => "correct the path, or mount the file before the start",
            io::ErrorKind::PermissionDenied => "let the user that Palisade runs as read it",
            _ => "give a readable PEM file",
        };
        TlsError::File { path: path.to_owned(), source, cure }
    };
    if fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
        return Err(content(path, format!("it is larger than {MAX_FILE} bytes"), "give a PEM file"));
    }
    fs::read(path).map(Zeroizing::new).map_err(failed)
}

pub(super) fn content(path: &Path, problem: String, cure: &'static str) -> TlsError {
    TlsError::Content { path: path.to_owned(), problem, cure }
}

/// Tells a changed file without reading it. Follows links, which is how mounted secrets are swapped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(Vec<Option<(SystemTime, u64)>>);

impl Fingerprint {
    /// The state of these files; a missing one is a state too.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let state = |path: &PathBuf| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        Self(paths.iter().map(state).collect())
    }
}
