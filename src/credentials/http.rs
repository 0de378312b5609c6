//! The HTTP client for STS, for the base identity, and for what else is asked with it.

use std::path::Path;

use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::error::SetupError;

/// A client that trusts the platform's roots and those in the PEM file `ca`. Speaks `http` too, where an endpoint says so.
///
/// # Errors
/// The file cannot be read, or is no PEM file of certificates.
pub(crate) fn client(ca: Option<&Path>) -> Result<SharedHttpClient, SetupError> {
    // The SDK panics on a PEM file that it cannot parse, and in debug builds on a machine without roots. Both are tried first.
    let mut roots = TrustStore::empty().with_native_roots(platform_has_roots());
    if let Some(path) = ca {
        roots = roots.with_pem_certificate(certificates(path)?);
    }
    let provider = Provider::Rustls(CryptoMode::AwsLc);
    let context = TlsContext::builder().with_trust_store(roots).build().map_err(|_| invalid(ca.unwrap_or(Path::new(""))))?;
    Ok(Builder::new().tls_provider(provider).tls_context(context).build_https())
}

fn certificates(path: &Path) -> Result<Vec<u8>, SetupError> {
    let pem = std::fs::read(path).map_err(|source| SetupError::CaUnreadable { path: path.to_owned(), source })?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| invalid(path))?;
    let count = certificates.len();
    let mut store = RootCertStore::empty();
    if certificates.into_iter().try_for_each(|certificate| store.add(certificate)).is_err() || count == 0 {
        return Err(invalid(path));
    }
    Ok(pem)
}

fn platform_has_roots() -> bool {
    RootCertStore::empty().add_parsable_certificates(rustls_native_certs::load_native_certs().certs).0 > 0
}

fn invalid(path: &Path) -> SetupError {
    SetupError::CaInvalid { path: path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_that_is_none_is_an_error_and_not_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent.pem");
        assert!(matches!(client(Some(&absent)), Err(SetupError::CaUnreadable { .. })));
        for content in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\n"] {
            let path = folder.path().join("ca.pem");
            std::fs::write(&path, content).unwrap();
            assert!(matches!(client(Some(&path)), Err(SetupError::CaInvalid { .. })), "{content:?}");
        }
        assert!(client(None).is_ok());
    }
}
