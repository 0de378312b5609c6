//! Whose certificates clients have to show.

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore,
    pki_types::{CertificateRevocationListDer, pem::PemObject},
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{
    files::{TlsError, certificates, content, read},
    provider,
};
use crate::config::ClientAuthConfig;

/// Reads the roots and revocation lists.
///
/// With revocation lists, every authority of a chain needs one that is not out of date: what cannot be looked up is not good.
pub(super) fn verifier(config: &ClientAuthConfig) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in certificates(&config.ca)? {
        roots.add(root).map_err(|error| content(&config.ca, error.to_string(), "give the certificates of authorities, in PEM"))?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    if let Some(path) = &config.crl {
        builder = builder.with_crls(revocation_lists(path)?).enforce_revocation_expiration();
    }
    if !config.required {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|error| match (&error, &config.crl) {
        (VerifierBuilderError::InvalidCrl(problem), Some(path)) => {
            content(path, format!("it holds a revocation list that is none: {problem:?}"), REVOCATION_LISTS)
        }
        _ => content(&config.ca, error.to_string(), "give the certificates of authorities, in PEM"),
    })
}

const REVOCATION_LISTS: &str = "give a PEM file with -----BEGIN X509 CRL----- blocks, one for every authority";

fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let text = read(path)?;
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&text).collect();
    match lists {
        Ok(lists) if lists.is_empty() => Err(content(path, "it holds no PEM revocation list".to_owned(), REVOCATION_LISTS)),
        Ok(lists) => Ok(lists),
        Err(error) => Err(content(path, error.to_string(), REVOCATION_LISTS)),
    }
}

/// No session is resumed where clients show certificates: a resumed one brings back the client's name without another look at its
/// certificate, which may have expired, been revoked, or lost its root since.
pub(super) fn without_resumption(config: &mut rustls::ServerConfig) {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
}
