//! The whole way through, from the application's request to what reaches the service.

use std::{
    sync::{Mutex, PoisonError},
    time::UNIX_EPOCH,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{
    config::{Config, DirectoryConfig, LimitsConfig, PassportConfig, PassportTerms, Proofs, VerificationConfig},
    credentials::{SdkSts, testing::dated},
    directory::Directory,
    identity::{IdentityHeaders, Jwks, Passports, Vending, VerifiedTenant, Verifier, Workloads},
    telemetry::{AccessLog, Metrics, RequestId, TenantLabels, Tracer},
    workloads::testing::{peer, reader_of_s3},
};

/// An S3 that keeps the heads of requests and answers each with nothing.
async fn s3() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, heads) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
    let seen = heads.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(String::from_utf8(head).unwrap());
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
        }
    });
    (port, heads)
}

struct Rig {
    egress: Egress,
    sts: Arc<SdkSts>,
    passports: Passports,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Rig {
    /// On a machine that thinks that it is `now`, while STS says that it is `date`.
    async fn new(now: Duration, date: &str, expiration: &str) -> Self {
        let (port, heads) = s3().await;
        let (folder, clock, metrics) = (tempfile::tempdir().unwrap(), Clock::manual(UNIX_EPOCH + now), Metrics::new().unwrap());
        let text = format!(
            "egress: {{region: eu-west-1, services: {{s3: {{endpoint: 'http://127.0.0.1:{port}', insecure: true}}}}}}
identity: {{issuers: [{{issuer: 'https://idp.test/', audience: a, jwks: {{uri: https://idp.example.com/keys}}}}]}}
tenants: {{directory: {{any: {{}}}}}}
credentials:
  assume_role_with_web_identity: {{token: {{caller: {{}}}}, role_arn: 'arn:aws:iam::111122223333:role/a', token_tags: {{T: '{{tenant.id}}'}}}}"
        );
        std::fs::write(folder.path().join("palisade.yaml"), text).unwrap();
        let config = Config::load(&folder.path().join("palisade.yaml"), &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
        let settings = config.egress.as_ref().unwrap();
        let life = Duration::from_secs(60);
        let terms = PassportTerms { max_age: life, upgrade_max_age: life, actions: None, max_uses: None };
        let passport = PassportConfig { terms, grace: Duration::ZERO, stall: life, max_live: 10 };
        let passports = Passports::new(passport, clock.clone(), metrics.clone());
        let (broker, sts, skew) = dated(&clock, &metrics, date, expiration);
        // That of tests' tokens.
        let issuer = &config.identity.issuers[0];
        let keys = Jwks::new(issuer.issuer.clone(), crate::app::key_source(issuer).unwrap(), clock.clone(), metrics.clone());
        let gate = Gate {
            verifier: Arc::new(Verifier::new(
                vec![(issuer.clone(), Arc::new(keys))],
                &VerificationConfig::ample(),
                clock.clone(),
                metrics.clone(),
            )),
            passports: Some(passports.clone()),
            redeemer: None,
            proofs: Proofs { passport: true, ..settings.proofs },
            names: IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") },
            vending: Arc::new(Vending::new().unwrap()),
            clock: clock.clone(),
            directory: Arc::new(Directory::open(&DirectoryConfig::Any, None).unwrap()),
            workloads: Workloads::new(config.identity.workloads.clone(), clock.clone()),
            named: reader_of_s3("poller", &clock),
        };
        let log = AccessLog::to(std::io::sink(), metrics.clone()).unwrap();
        let limits = LimitsConfig { default: crate::config::Limits::default(), tiers: std::collections::BTreeMap::new() };
        let egress = Egress::new(Pipeline {
            gate,
            limiter: Arc::new(Limiter::new(&limits, clock.clone())),
            guard: Arc::new(Guard::new(settings, &config.guard)),
            broker,
            upstream: AwsClient::new(settings).unwrap(),
            region: settings.region.clone(),
            regions: settings.regions.clone(),
            presign: None,
            sealer: None,
            recorder: Recorder { metrics, log, labels: TenantLabels::new(10), traces: Tracer::off(), clock: clock.clone() },
            clock,
            skew,
            hoarding: Arc::default(),
        });
        Self { egress, sts, passports, heads }
    }

    /// The time and the day that the service finds in the signature of a request with `headers`.
    async fn signed_at(&self, headers: &[(&str, http::HeaderValue)]) -> (String, String) {
        let mut request = Request::get("/pool/acme/one").header("host", "s3.eu-west-1.amazonaws.com");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = self.egress.handle(request.body(body::empty()).unwrap(), peer()).await;
        assert_eq!(response.status(), 200, "{:?}", response.headers());
        let head = self.heads.lock().unwrap().pop().unwrap();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        (header("x-amz-date:"), header("authorization:").split('/').nth(1).unwrap().to_owned())
    }

    async fn tenant(&self) -> (String, String) {
        let passport = self.passports.mint_for_tests(&VerifiedTenant::for_tests("acme"), &RequestId::random()).unwrap();
        self.signed_at(&[("x-tenant-id", "acme".parse().unwrap()), ("x-tenant-token", passport.header_value().unwrap())]).await
    }

    async fn workload(&self) -> (String, String) {
        self.signed_at(&[("x-palisade-workload", "poller".parse().unwrap())]).await
    }
}

#[tokio::test]
async fn requests_are_signed_by_aws_s_time_once_sts_has_said_what_it_is() {
    // 2027-01-15 08:00 here, 17 hours later there: the day of the signing key differs as well.
    let rig = Rig::new(Duration::from_secs(1_800_000_000), "Sat, 16 Jan 2027 01:00:00 GMT", "2027-01-16T02:00:00Z").await;
    let (ours, theirs) = (("20270115T080000Z", "20270115"), ("20270116T010000Z", "20270116"));
    let owned = |(time, day): (&str, &str)| (time.to_owned(), day.to_owned());
    // The sessions of both are two answers of STS, and one more is needed to believe it.
    assert_eq!(rig.tenant().await, owned(ours));
    assert_eq!(rig.workload().await, owned(ours));
    let _ = rig.sts.check_identity().await;
    assert_eq!(rig.tenant().await, owned(theirs));
    assert_eq!(rig.workload().await, owned(theirs));
}
