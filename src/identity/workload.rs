//! Clients whose certificates stand for one tenant.
//!
//! A leaf: a [`Workload`] is made here alone, from a certificate that TLS has verified and a mapping of the configuration. What comes over such a
//! connection is that tenant's: a proof beside it must agree, and on the egress the certificate may be the proof by itself.

use std::time::SystemTime;

use crate::{
    clock::Clock,
    config::WorkloadsConfig,
    reject::{Reason, Refusal},
    server::Peer,
    telemetry::Listener,
    tenant::TenantId,
};

/// The issuer of proofs that are certificates. No configured issuer can be called so.
pub const WORKLOAD_ISSUER: &str = "urn:palisade:workload";

/// The mappings of `identity.workloads`.
#[derive(Debug, Clone)]
pub struct Workloads {
    config: WorkloadsConfig,
    clock: Clock,
}

/// A client that works for one tenant, by its certificate.
#[derive(Debug)]
pub struct Workload {
    tenant: TenantId,
    subject: String,
    roles: Vec<String>,
    since: SystemTime,
    expires: SystemTime,
}

impl Workloads {
    /// The mappings, and the time by which certificates expire.
    pub fn new(config: WorkloadsConfig, clock: Clock) -> Self {
        Self { config, clock }
    }

    /// Which workload `peer` is on `listener`; `None` where its certificate, if there is one, stands for nobody.
    pub fn find(&self, peer: &Peer, listener: Listener) -> Result<Option<Workload>, Refusal> {
        let Some(client) = peer.client() else { return Ok(None) };
        let mut found = self.config.mappings.iter().filter(|mapping| mapping.holds_on(listener) && mapping.client.matches(client));
        let Some(mapping) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(Refusal::noted(
                Reason::TenantAmbiguous,
                "the client's certificate is in identity.workloads twice, by id and by subject",
            ));
        }
        let now = self.clock.now();
        client.still_valid(now)?;
        Ok(Some(Workload {
            tenant: mapping.tenant.clone(),
            subject: client.name(),
            roles: mapping.roles.clone(),
            since: client.not_before(),
            expires: client.not_after().min(now + self.config.max_age),
        }))
    }
}

impl Workload {
    /// The tenant that it works for.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Its SPIFFE id, or else its certificate's subject.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Its roles where the certificate is the proof.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// When its certificate began to be valid.
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// When a proof that is made of it now ends.
    pub fn expires(&self) -> SystemTime {
        self.expires
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::{client_pattern::ClientPattern, config::WorkloadConfig, server::ClientCertificate};

    const ID: &str = "spiffe://prod/ns/acme/sa/worker";

    fn mapping(client: &str, tenant: &str, listener: Option<Listener>) -> WorkloadConfig {
        WorkloadConfig {
            client: ClientPattern::for_tests(client),
            tenant: tenant.parse().unwrap(),
            listener,
            roles: vec!["writer".to_owned()],
        }
    }

    fn workloads(mappings: Vec<WorkloadConfig>, at: u64) -> Workloads {
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(at));
        Workloads::new(WorkloadsConfig { mappings, max_age: Duration::from_secs(600) }, clock)
    }

    fn peer() -> Peer {
        Peer::for_tests(ClientCertificate::for_tests(Some(ID), "CN=worker", &[]))
    }

    #[test]
    fn a_certificate_is_the_workload_that_it_is_mapped_to() {
        let mappings = vec![mapping("spiffe://prod/ns/globex/*", "globex", None), mapping("spiffe://prod/ns/acme/*", "acme", None)];
        let found = workloads(mappings, 5_000).find(&peer(), Listener::Egress).unwrap().unwrap();
        assert_eq!((found.tenant().as_str(), found.subject(), found.roles()), ("acme", ID, &["writer".to_owned()][..]));
        assert_eq!(found.expires(), UNIX_EPOCH + Duration::from_secs(5_600), "no longer than it may");
        assert_eq!(found.since(), UNIX_EPOCH + Duration::from_secs(1_000));
        let late = workloads(vec![mapping(ID, "acme", None)], 1_999_999_900).find(&peer(), Listener::Egress).unwrap().unwrap();
        assert_eq!(late.expires(), UNIX_EPOCH + Duration::from_secs(2_000_000_000), "nor than the certificate");
    }

    #[test]
    fn others_are_nobody_and_an_expired_one_is_refused() {
        let own = || vec![mapping(ID, "acme", Some(Listener::Egress))];
        let find =
            |mappings, at, peer: &Peer, listener| workloads(mappings, at).find(peer, listener).map(|w| w.is_some()).map_err(|r| r.reason);
        assert_eq!(find(own(), 5_000, &peer(), Listener::Egress), Ok(true));
        assert_eq!(find(own(), 5_000, &peer(), Listener::Ingress), Ok(false));
        assert_eq!(find(own(), 5_000, &Peer::at("192.0.2.1:5".parse().unwrap()), Listener::Egress), Ok(false));
        assert_eq!(find(vec![mapping("spiffe://prod/other", "acme", None)], 5_000, &peer(), Listener::Egress), Ok(false));
        assert_eq!(find(own(), 2_000_000_000, &peer(), Listener::Egress), Err(Reason::CertificateExpired));
        let twice = vec![mapping(ID, "acme", None), mapping("CN=worker", "globex", None)];
        assert_eq!(find(twice, 5_000, &peer(), Listener::Egress), Err(Reason::TenantAmbiguous));
    }
}
