//! Both listeners, under each configuration that a fault needs, over the same directories.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use http::{HeaderMap, Request};

use super::{
    super::*,
    attempt::{Attempt, Certificate, DOWN, From, Proof, Rules},
    directory::{self, BOUND, Day, LASTING, Residents},
    table::On,
};
use crate::{
    body,
    client_pattern::ClientPattern,
    config::{Demand, FailureBudget, Limits, OriginConfig, RequiredClaim, TokenRules, WorkloadConfig, WorkloadsConfig},
    egress,
    identity::{Passport, Vending, workload::Workloads},
    ingress::{self, Cors, Origins},
    server::{ClientCertificate, Peer},
    workloads::NamedWorkloads,
};

/// The two listeners of one configuration.
struct Doors {
    ingress: ingress::Gate,
    egress: egress::Gate,
}

pub(super) struct House {
    keys: &'static Keys,
    strangers: &'static Keys,
    tokens_tell: Doors,
    users_are_known: Doors,
    certificates_prove: Doors,
    residents: Arc<Residents>,
    passports: Passports,
    live: Passport,
    other: Passport,
    expired: Passport,
    ended: String,
    metrics: Metrics,
    number: AtomicU32,
}

/// Has sent its share of junk.
const JUNK: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 66));

impl House {
    pub(super) async fn build() -> Self {
        let (keys, strangers) = (Keys::ours(), Keys::theirs());
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(NOW));
        let metrics = Metrics::new().unwrap();
        let residents = Arc::new(Residents::default());
        let passports = Passports::for_tests(Duration::from_secs(10), clock.clone());
        let mint = |tenant: &str| passports.mint_for_tests(&VerifiedTenant::for_tests(tenant), &RequestId::random()).unwrap();
        let expired = mint("acme");
        clock.advance(Duration::from_secs(10));
        let ended = text(&mint("acme"));
        let (live, other) = (mint("acme"), mint("globex"));

        let (by_token, by_user) = (issuers(true), issuers(false));
        let config = VerificationConfig { failures: FailureBudget { per_second: 1e-3, burst: 500 }, ..VerificationConfig::ample() };
        let verifier = |issuers: Vec<IssuerConfig>| {
            let with_keys = issuers.into_iter().map(|issuer| {
                let document = if issuer.issuer == DOWN { json!("no keys") } else { keys.document.clone() };
                let jwks = Jwks::new(issuer.issuer.as_str().into(), Box::new(Fixed(document)), clock.clone(), metrics.clone());
                (issuer, Arc::new(jwks))
            });
            Verifier::new(with_keys.collect(), &config, clock.clone(), metrics.clone())
        };
        let by_token = Arc::new(verifier(by_token));
        let by_user = Arc::new(verifier(by_user).with_users(Some(residents.clone())));
        for _ in 0..500 {
            for verifier in [&by_token, &by_user] {
                let _ = verifier.verify_token(presented(Some("acme"), "junk"), JUNK).await;
            }
        }
        let doors = |verifier: &Arc<Verifier>, certificate: bool| {
            let names =
                IdentityHeaders { tenant: HeaderName::from_static("x-tenant-id"), token: HeaderName::from_static("x-tenant-token") };
            let (workloads, directory) = (Workloads::new(workloads(), clock.clone()), directory::tenants(Day::Today, None));
            Doors {
                ingress: ingress::Gate {
                    verifier: verifier.clone(),
                    directory: directory.clone(),
                    names: names.clone(),
                    places: Places::default(),
                    workloads: workloads.clone(),
                },
                egress: egress::Gate {
                    verifier: verifier.clone(),
                    passports: Some(passports.clone()),
                    redeemer: None,
                    proofs: Proofs { passport: true, jwt: true, deferred: false, certificate },
                    names,
                    vending: Vending::new().unwrap().into(),
                    workloads,
                    named: NamedWorkloads::open(&[], "eu-west-1", Limits::default(), &clock).unwrap(),
                    clock: clock.clone(),
                    directory,
                },
            }
        };
        let (tokens_tell, users_are_known, certificates_prove) = (doors(&by_token, false), doors(&by_user, false), doors(&by_token, true));
        let number = AtomicU32::new(0);
        let mut house = Self {
            keys,
            strangers,
            tokens_tell,
            users_are_known,
            certificates_prove,
            residents,
            passports,
            live,
            other,
            expired,
            ended,
            metrics,
            number,
        };
        house.set(Day::Today);
        house
    }

    /// Changes what both directories say.
    pub(super) fn set(&mut self, day: Day) {
        self.residents.set(day);
        let (alone, with_users) = (directory::tenants(day, None), directory::tenants(day, Some(self.residents.clone())));
        for (doors, directory) in
            [(&mut self.tokens_tell, &alone), (&mut self.users_are_known, &with_users), (&mut self.certificates_prove, &alone)]
        {
            doors.ingress.directory = directory.clone();
            doors.egress.directory = directory.clone();
        }
    }

    /// What becomes of a request of which nothing is remembered.
    pub(super) async fn verdict(&self, on: On, attempt: &Attempt) -> Result<(), Reason> {
        self.doors(attempt.rules).ingress.verifier.forget_where(|_| true);
        self.verdict_again(on, attempt).await
    }

    /// What becomes of a request.
    pub(super) async fn verdict_again(&self, on: On, attempt: &Attempt) -> Result<(), Reason> {
        match on {
            On::Ingress | On::Both => self.enters(attempt).await.map(drop),
            On::Egress => {
                let gate = &self.doors(attempt.rules).egress;
                let taken =
                    egress::Taken::take(self.head(attempt), body::empty(), &peer(attempt), gate).map_err(|refusal| refusal.reason)?;
                let verified = egress::VerifiedRequest::verify(taken, gate).await;
                verified.map(drop).map_err(|refusal| refusal.reason)
            }
        }
    }

    /// A passport for a request that is let in.
    pub(super) async fn passport(&self, attempt: &Attempt) -> Result<Passport, Reason> {
        let verified = self.enters(attempt).await?;
        Ok(self.passports.mint_for_tests(&verified, &RequestId::random()).unwrap())
    }

    /// The same request with its token written down: signed anew it would be another token.
    pub(super) fn written(&self, attempt: Attempt) -> Attempt {
        let token = attempt.token(self.keys, self.strangers);
        Attempt { proof: Some(Proof::Written(token)), ..attempt }
    }

    /// How many tokens were remembered when they came.
    pub(super) fn recalled(&self) -> usize {
        let text = String::from_utf8(self.metrics.render().unwrap()).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("palisade_token_verifications_total") && line.contains("\"cached\""));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap()).sum()
    }

    async fn enters(&self, attempt: &Attempt) -> Result<Arc<VerifiedTenant>, Reason> {
        let (mut head, cors) = (self.head(attempt), Cors::new(None).unwrap());
        let gate = &self.doors(attempt.rules).ingress;
        let source = Peer::at(SocketAddr::from((self.address(attempt.source), 1)));
        let origin = Origins::new(OriginConfig::default()).of(&source, &head.headers, &head.uri);
        let proved = gate.prove(&mut head, &[], &peer(attempt), &origin, &cors).await;
        proved.map(|tenant| tenant.verified().clone()).map_err(|refusal| refusal.reason)
    }

    fn doors(&self, rules: Rules) -> &Doors {
        match rules {
            Rules::TokensTell => &self.tokens_tell,
            Rules::UsersAreKnown => &self.users_are_known,
            Rules::CertificatesProve => &self.certificates_prove,
        }
    }

    fn head(&self, attempt: &Attempt) -> http::request::Parts {
        let token = match &attempt.proof {
            None => attempt.token(self.keys, self.strangers),
            Some(Proof::LivePassport) => text(&self.live),
            Some(Proof::EndedPassport) => self.ended.clone(),
            Some(Proof::ExpiredPassport) => text(&self.expired),
            Some(Proof::MadeUpPassport) => format!("{}{}", passport::PREFIX, B64.encode([7; 32])),
            Some(Proof::PassportOfAnother) => text(&self.other),
            Some(Proof::Written(text)) => text.clone(),
            Some(Proof::Vended) => format!("{}AAAA", vended::PREFIX),
            Some(Proof::Deferred) => "pdc1_AAAA".to_owned(),
        };
        let mut headers = HeaderMap::new();
        for tenant in &attempt.tenants {
            headers.append("x-tenant-id", HeaderValue::from_bytes(tenant).unwrap());
        }
        for (name, value) in &attempt.places {
            headers.append(*name, HeaderValue::from_str(&value.replace('T', &token)).unwrap());
        }
        for (name, value) in &attempt.more {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let (mut head, ()) = Request::new(()).into_parts();
        head.headers = headers;
        head
    }

    /// A new address for each attempt: none of them uses its budget up.
    fn address(&self, from: From) -> IpAddr {
        match from {
            From::ASourceOfJunk => JUNK,
            From::Anywhere => Ipv4Addr::from_bits(0x0a00_0000 + self.number.fetch_add(1, Ordering::Relaxed)).into(),
        }
    }
}

/// Every issuer. Without `name_tenants` a directory of users says for whom their users act.
fn issuers(name_tenants: bool) -> Vec<IssuerConfig> {
    let required = RequiredClaim { path: ClaimPath("token_use".into()), demand: Demand::new(vec![json!("access")]) };
    let mut trusted = IssuerConfig {
        algorithms: vec![Algorithm::ES256, Algorithm::RS256],
        rules: TokenRules { required: vec![required], max_lifetime: Some(Duration::from_secs(3_600)), ..TokenRules::default() },
        ..issuer(&["acme", "globex", "hooli", "initech", "ghost"])
    };
    if !name_tenants {
        trusted.claims.tenant = None;
    }
    let down = IssuerConfig { issuer: DOWN.into(), ..trusted.clone() };
    let bound = IssuerConfig { issuer: BOUND.into(), tenants: IssuerTenants::Attribute("idp".to_owned()), ..trusted.clone() };
    let lasting = TokenRules { max_lifetime: None, ..trusted.rules.clone() };
    let lasting = IssuerConfig { issuer: LASTING.into(), rules: lasting, ..trusted.clone() };
    vec![trusted, down, bound, lasting]
}

fn workloads() -> WorkloadsConfig {
    let mapping = |client: &str, tenant: &str| WorkloadConfig {
        client: ClientPattern::for_tests(client),
        tenant: tenant.parse().unwrap(),
        listener: None,
        roles: Vec::new(),
    };
    let by_id = ["acme", "globex", "ghost", "initech"].map(|tenant| mapping(&format!("spiffe://prod/ns/{tenant}/*"), tenant));
    let mappings = by_id.into_iter().chain([mapping("CN=worker", "globex")]).collect();
    WorkloadsConfig { mappings, max_age: Duration::from_secs(60) }
}

fn peer(attempt: &Attempt) -> Peer {
    let of = |id: &str, subject: &str, times: [u64; 2]| {
        let [since, until] = times.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        let certificate = ClientCertificate::for_tests(Some(&format!("spiffe://prod/ns/{id}")), subject, &[]);
        Peer::for_tests(certificate.valid(since, until))
    };
    match attempt.certificate {
        None => Peer::at(SocketAddr::from(([127, 0, 0, 1], 1))),
        Some(Certificate::Of(id)) => of(id, "CN=somebody", [NOW, NOW + 3_600]),
        Some(Certificate::Twice) => of("acme/worker", "CN=worker", [NOW, NOW + 3_600]),
        Some(Certificate::Expired) => of("acme/worker", "CN=somebody", [NOW, NOW + 10]),
        Some(Certificate::MadeAt(since)) => of("acme/worker", "CN=somebody", [since, NOW + 3_600]),
    }
}

pub(super) fn text(passport: &Passport) -> String {
    passport.header_value().unwrap().to_str().unwrap().to_owned()
}
