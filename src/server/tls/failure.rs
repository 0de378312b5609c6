//! Why handshakes fail, in a few classes for a metric.

use rustls::{CertificateError, Error};

use crate::causes::find;

/// The class of a failed handshake.
pub(crate) fn class(error: &(dyn std::error::Error + Send + Sync + 'static)) -> &'static str {
    match find::<Error>(error) {
        Some(error) => of_tls(error),
        // The client went, or the network did.
        None => "connection",
    }
}

fn of_tls(error: &Error) -> &'static str {
    match error {
        Error::NoCertificatesPresented => "no-certificate",
        Error::InvalidCertificate(problem) => match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate-expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "certificate-not-yet-valid",
            CertificateError::Revoked => "certificate-revoked",
            // A root of the same name with another key is no root of ours either.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => "certificate-issuer",
            CertificateError::UnknownRevocationStatus
            | CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => "revocation-unknown",
            _ => "certificate-invalid",
        },
        // Most often: it does not trust our certificate, or has none to show.
        Error::AlertReceived(_) => "client-alert",
        _ => "protocol",
    }
}

/// Took longer than `server.handshake_timeout`.
pub(crate) const TIMEOUT: &str = "timeout";
/// A certificate with a good chain, that says something which cannot be relied on.
pub(crate) const IDENTITY: &str = "certificate-identity";
