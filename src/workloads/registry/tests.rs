use std::{
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::{
    aws::action::Pattern,
    config::WorkloadRole,
    credentials::Owner,
    server::{ClientCertificate, User},
};

const POLLER: &str = "3f9c0b1d5e7a2846c0ffee0123456789abcdef0123456789";
const OTHER: &str = "b3f9c0b1d5e7a2846c0ffee0123456789abcdef012345678";
const SPIFFE: &str = "spiffe://prod/ns/platform/sa/metrics";

struct Rig {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Rig {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: Clock::manual(UNIX_EPOCH + Duration::from_secs(5_000)) }
    }

    fn token(&self, name: &str, token: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, format!("{token}\n")).unwrap();
        path
    }

    fn config(&self, name: &str, proof: WorkloadProof) -> NamedWorkloadConfig {
        NamedWorkloadConfig {
            name: name.parse().unwrap(),
            proof,
            role: WorkloadRole {
                role_arn: format!("arn:aws:iam::111122223333:role/{name}"),
                session_name: name.to_owned(),
                external_id: None,
                session_tags: vec![("Component".to_owned(), name.to_owned())],
                duration: Duration::from_secs(3_600),
            },
            actions: Actions::new(vec![Pattern::parse("sqs:Receive*").unwrap()]).unwrap(),
            resources: vec!["arn:aws:sqs:eu-west-1:111122223333:jobs".parse().unwrap()],
            limits: Limits::default(),
        }
    }

    fn open(&self, configs: &[NamedWorkloadConfig]) -> Result<NamedWorkloads, UnusableWorkload> {
        NamedWorkloads::open(configs, "eu-west-1", Limits::default(), &self.clock)
    }

    /// `poller` by token, `other` by another, `metrics` by certificate, `agent` by user.
    fn workloads(&self) -> NamedWorkloads {
        let by_token = |name: &str, token| self.config(name, WorkloadProof::TokenFile(self.token(name, token)));
        let metrics = self.config("metrics", WorkloadProof::Client(crate::client_pattern::ClientPattern::for_tests(SPIFFE)));
        let agent = self.config("agent", WorkloadProof::User(1_000));
        self.open(&[by_token("poller", POLLER), by_token("other", OTHER), metrics, agent]).unwrap()
    }
}

fn presented(lines: &[(&'static str, &str)]) -> Presented {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    Presented::for_tests_of_egress(headers).unwrap()
}

fn nobody() -> Peer {
    Peer::at("127.0.0.1:5".parse().unwrap())
}

fn user(uid: u32) -> Peer {
    Peer::over_socket(Some(User { uid, pid: 7 }))
}

fn certified(spiffe_id: &str) -> Peer {
    Peer::for_tests(ClientCertificate::for_tests(Some(spiffe_id), "CN=worker", &[]))
}

#[test]
fn a_workload_is_who_has_its_proof_and_nobody_else() {
    let rig = Rig::new();
    let workloads = rig.workloads();
    let (token, none): (&[_], &[_]) = (&[("x-tenant-token", POLLER)], &[]);
    let jwt = [("authorization", "Bearer eyJhbGciOiJFUzI1NiJ9.e30.AAAA")];
    let tenant = [("x-tenant-token", POLLER), ("x-tenant-id", "acme")];
    let both = [("x-tenant-id", "acme")];
    for (name, lines, peer, expected) in [
        ("poller", token, nobody(), Ok("poller")),
        ("poller", &[("authorization", const_bearer())][..], nobody(), Ok("poller")),
        ("poller", &[("x-amz-security-token", POLLER)], nobody(), Ok("poller")),
        ("metrics", none, certified(SPIFFE), Ok("metrics")),
        ("agent", none, user(1_000), Ok("agent")),
        // Without its proof, or with another's.
        ("agent", none, user(1_001), Err(Reason::WorkloadUnproved)),
        ("agent", none, user(0), Err(Reason::WorkloadUnproved)),
        ("agent", none, Peer::over_socket(None), Err(Reason::WorkloadUnproved)),
        ("agent", none, nobody(), Err(Reason::WorkloadUnproved)),
        ("agent", token, user(1_000), Err(Reason::WorkloadUnproved)),
        ("poller", none, user(1_000), Err(Reason::WorkloadUnproved)),
        ("metrics", none, user(1_000), Err(Reason::WorkloadUnproved)),
        ("poller", none, nobody(), Err(Reason::WorkloadUnproved)),
        ("other", token, nobody(), Err(Reason::WorkloadUnproved)),
        ("poller", &jwt, nobody(), Err(Reason::WorkloadUnproved)),
        ("poller", none, certified(SPIFFE), Err(Reason::WorkloadUnproved)),
        ("metrics", none, nobody(), Err(Reason::WorkloadUnproved)),
        ("metrics", none, certified("spiffe://prod/ns/platform/sa/metric"), Err(Reason::WorkloadUnproved)),
        ("metrics", token, certified(SPIFFE), Err(Reason::WorkloadUnproved)),
        ("nobody", token, nobody(), Err(Reason::WorkloadUnproved)),
        // For a tenant, never.
        ("poller", &tenant, nobody(), Err(Reason::WorkloadAmbiguous)),
        ("metrics", &both, certified(SPIFFE), Err(Reason::WorkloadAmbiguous)),
        ("agent", &both, user(1_000), Err(Reason::WorkloadAmbiguous)),
        ("nobody", &tenant, nobody(), Err(Reason::WorkloadAmbiguous)),
    ] {
        let proved = workloads.prove(&name.parse().unwrap(), &presented(lines), &peer);
        let proved = proved.as_ref().map(|proved| proved.name().as_str()).map_err(|refusal| refusal.reason);
        assert_eq!(proved, expected, "{name} {lines:?}");
    }
    rig.clock.advance(Duration::from_secs(2_000_000_000));
    let late = workloads.prove(&"metrics".parse().unwrap(), &presented(none), &certified(SPIFFE));
    assert_eq!(late.map(drop).unwrap_err().reason, Reason::CertificateExpired);
}

const fn const_bearer() -> &'static str {
    "Bearer 3f9c0b1d5e7a2846c0ffee0123456789abcdef0123456789"
}

#[test]
fn its_session_is_its_own() {
    let rig = Rig::new();
    let proved = rig.workloads().prove(&"poller".parse().unwrap(), &presented(&[("x-tenant-token", POLLER)]), &nobody()).unwrap();
    let inputs = proved.inputs();
    assert_eq!(inputs.owner, Owner::Workload("poller".parse().unwrap()));
    assert_eq!((inputs.role_arn.as_str(), inputs.session_name.as_str()), ("arn:aws:iam::111122223333:role/poller", "poller"));
    assert_eq!((proved.home().partition.as_str(), proved.home().account.as_str()), ("aws", "111122223333"));
}

#[test]
fn it_may_do_what_is_listed_with_what_is_listed() {
    let rig = Rig::new();
    let mut config = rig.config("poller", WorkloadProof::TokenFile(rig.token("poller", POLLER)));
    let prove = |config: &NamedWorkloadConfig| {
        let workloads = rig.open(std::slice::from_ref(config)).unwrap();
        workloads.prove(&"poller".parse().unwrap(), &presented(&[("x-tenant-token", POLLER)]), &nobody()).unwrap()
    };
    let needed = |operation| Needed::for_tests("sqs", operation);
    let arn = |queue: &str| format!("arn:aws:sqs:eu-west-1:111122223333:{queue}");
    let poller = prove(&config);
    let reason = |outcome: Result<(), Refusal>| outcome.map_err(|refusal| refusal.reason);
    let (action, resource) = (Err(Reason::ActionNotAllowed), Err(Reason::ResourceNotAllowed));
    assert_eq!(reason(poller.permit(&needed("ReceiveMessage"), || Ok(vec![arn("jobs")]))), Ok(()));
    assert_eq!(reason(poller.permit(&needed("SendMessage"), || Ok(vec![arn("jobs")]))), action);
    assert_eq!(reason(poller.permit(&Needed::for_tests("s3", "ReceiveMessage"), || Ok(vec![arn("jobs")]))), action);
    assert_eq!(reason(poller.permit(&needed("ReceiveMessage"), || Ok(vec![arn("other")]))), resource);
    assert_eq!(reason(poller.permit(&needed("ReceiveMessage"), || Ok(vec![arn("jobs"), arn("other")]))), resource, "one of two");
    assert_eq!(reason(poller.permit(&needed("ReceiveMessage"), || Err("untold"))), resource);
    config.resources = vec!["*".parse().unwrap()];
    assert_eq!(reason(prove(&config).permit(&needed("ReceiveMessage"), || Err("untold"))), Ok(()));
    assert_eq!(reason(prove(&config).permit(&needed("SendMessage"), || Err("untold"))), action);
}

#[test]
fn it_may_call_an_operation_of_a_rest_service() {
    let rig = Rig::new();
    let mut config = rig.config("poller", WorkloadProof::TokenFile(rig.token("poller", POLLER)));
    config.actions = Actions::new(vec![Pattern::parse("lambda:InvokeFunction").unwrap()]).unwrap();
    config.resources = vec!["*".parse().unwrap()];
    let workloads = rig.open(std::slice::from_ref(&config)).unwrap();
    let proved = workloads.prove(&"poller".parse().unwrap(), &presented(&[("x-tenant-token", POLLER)]), &nobody()).unwrap();
    let permit = |path| {
        let needed = crate::aws::action::tests::asked("lambda", http::Method::POST, path, &[], Some(b"{}"));
        proved.permit(&needed, || Err("untold")).map_err(|refusal| refusal.reason)
    };
    assert_eq!(permit("/2015-03-31/functions/f/invocations"), Ok(()));
    assert_eq!(permit("/2015-03-31/functions/f/versions"), Err(Reason::ActionNotAllowed), "PublishVersion");
    assert_eq!(permit("/2015-03-31/functions/f//invocations"), Err(Reason::ActionNotAllowed), "no name at all");
}

#[test]
fn what_could_be_taken_for_another_does_not_start() {
    let rig = Rig::new();
    let path = rig.token("shared", POLLER);
    let same = |name: &str| rig.config(name, WorkloadProof::TokenFile(path.clone()));
    let error = rig.open(&[same("one"), same("two")]).map(drop).unwrap_err().to_string();
    assert!(error.contains("workloads.two.token_file: the token is that of one as well") && !error.contains(POLLER), "{error}");
    let error = rig.open(&[rig.config("weak", WorkloadProof::TokenFile(rig.token("weak", "hunter2")))]).map(drop).unwrap_err().to_string();
    assert!(error.contains("workloads.weak.token_file: ") && !error.contains("hunter2"), "{error}");
    let mut odd = same("odd");
    odd.role.session_tags = vec![("Component".to_owned(), "a*b".to_owned())];
    let error = rig.open(&[odd]).map(drop).unwrap_err().to_string();
    assert!(error.contains("workloads.odd.assume_role: session_tags have a value"), "{error}");
}
