//! A certificate authority for one sandbox, and a server certificate of it.

use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Clocks may differ a little, and a sandbox may run for a while.
const BACKDATED: Duration = Duration::from_secs(3_600);
const VALID: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What the ingress and its callers need, as PEM. The authority's own key is forgotten, so that nothing else can be signed.
pub(super) struct Certificates {
    /// For callers to trust.
    pub(super) authority: String,
    /// For `localhost`, `127.0.0.1`, `::1` and what else was asked for.
    pub(super) server: String,
    pub(super) server_key: String,
}

impl Certificates {
    pub(super) fn make(hosts: &[String], now: SystemTime) -> Result<Self, rcgen::Error> {
        let mut authority = params(&[], "palisade dev: authority of one sandbox", now)?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_key = KeyPair::generate()?;
        let authority_pem = authority.self_signed(&authority_key)?.pem();
        let issuer = Issuer::new(authority, authority_key);

        let names: Vec<&str> = ["localhost", "127.0.0.1", "::1"].into_iter().chain(hosts.iter().map(String::as_str)).collect();
        let mut server = params(&names, "palisade dev", now)?;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let server_key = KeyPair::generate()?;
        let server_pem = server.signed_by(&server_key, &issuer)?.pem();
        Ok(Self { authority: authority_pem, server: server_pem, server_key: server_key.serialize_pem() })
    }
}

fn params(names: &[&str], common_name: &str, now: SystemTime) -> Result<CertificateParams, rcgen::Error> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + VALID).into();
    Ok(params)
}
