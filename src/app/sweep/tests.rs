use std::{fs, time::UNIX_EPOCH};

use super::*;
use crate::{
    clock::Clock,
    config::{DirectoryConfig, PassportConfig, PassportTerms, VerificationConfig},
    identity::{Passport, TokenFacts},
    telemetry::RequestId,
};

const IDP: &str = "https://idp.test/";

struct Rig {
    sweep: Arc<Sweep>,
    path: std::path::PathBuf,
    held: Vec<(String, Passport)>,
    _folder: tempfile::TempDir,
}

impl Rig {
    /// Passports of two users of acme and one of globex, by the text of the records.
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenants.yaml");
        fs::write(&path, text).unwrap();
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000));
        let metrics = Metrics::new().unwrap();
        let directory = Arc::new(Directory::open_polling(&DirectoryConfig::File(path.clone()), Duration::from_millis(5)).unwrap());
        let life = Duration::from_secs(60);
        let terms = PassportTerms { max_age: life, upgrade_max_age: life, actions: None, max_uses: None };
        let config = PassportConfig { terms, grace: Duration::ZERO, stall: Duration::from_secs(10), max_live: 100 };
        let passports = Passports::new(config, clock.clone(), metrics.clone());
        let mint = |(tenant, subject): (&str, &str)| {
            let facts =
                TokenFacts { issuer: IDP, subject, token_id: Some(subject), context_id: None, issued_at: Some(UNIX_EPOCH), tenants: &[] };
            let passport = passports.mint(&VerifiedTenant::for_tests_of(tenant, facts, None, None), &RequestId::random()).unwrap();
            (format!("{tenant}/{subject}"), passport)
        };
        let held = [("acme", "one"), ("acme", "two"), ("globex", "three")].map(mint).into();
        let verifier = Arc::new(Verifier::new(Vec::new(), &VerificationConfig::ample(), clock, metrics.clone()));
        let sweep = Arc::new(Sweep {
            directory,
            verifier,
            passports: Some(passports),
            broker: None,
            issuers: Some(vec![IDP.to_owned()]),
            metrics,
            revoked_before: Mutex::default(),
        });
        Self { sweep, path, held, _folder: folder }
    }

    /// Changes the records, and waits until the sweep that follows has ended a number of passports; the gauge of those that are left.
    async fn change(&self, text: &str, left: i64) -> i64 {
        let watching = tokio::spawn({
            let sweep = self.sweep.clone();
            async move {
                let (directory, metrics) = (sweep.directory.clone(), sweep.metrics.clone());
                let watch = directory.watch(Clock::manual(UNIX_EPOCH), metrics);
                tokio::join!(watch, sweep.run());
            }
        });
        tokio::task::yield_now().await;
        fs::write(&self.path, text).unwrap();
        for _ in 0..400 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.sweep.metrics.passports_live.get() == left {
                break;
            }
        }
        watching.abort();
        self.sweep.metrics.passports_live.get()
    }
}

#[tokio::test]
async fn passports_end_with_what_their_holder_had() {
    for (text, left) in [
        ("tenants: {acme: {status: suspended}, globex: {}}", 1),
        ("tenants: {globex: {}}", 1),
        ("tenants: {acme: {revoked: {issued_before: 1970-01-01T00:00:01Z}}, globex: {}}", 1),
        ("tenants: {acme: {}, globex: {}}\nrevoked: {subjects: [{issuer: 'https://idp.test/', subject: one}]}", 2),
        ("tenants: {acme: {}, globex: {}}\nrevoked: {tokens: [{issuer: 'https://idp.test/', id: two}]}", 2),
        ("tenants: {acme: {}, globex: {}}\nrevoked: {issued_before: 2000-01-01T00:00:00Z}", 0),
    ] {
        let rig = Rig::new("tenants: {acme: {}, globex: {}}");
        assert_eq!(rig.change(text, left).await, left, "{text}");
        let counted = format!("palisade_revocations_applied_total{{what=\"passports\"}} {}", 3 - left);
        let metrics = String::from_utf8(rig.sweep.metrics.render().unwrap()).unwrap();
        assert!(metrics.contains(&counted), "{counted}: {metrics}");
        drop(rig.held);
    }
}

#[tokio::test]
async fn a_change_that_concerns_nobody_ends_nothing() {
    let rig = Rig::new("tenants: {acme: {}, globex: {}}");
    let other = "tenants: {acme: {tier: gold}, globex: {}, newcomer: {status: suspended}}\nrevoked: {subjects: [{issuer: 'https://other.test/', subject: one}]}";
    rig.change(other, 0).await;
    assert_eq!(rig.sweep.once(), Swept { passports: 0, tokens: 0, sessions: 0 });
    assert_eq!(rig.sweep.metrics.passports_live.get(), 3, "{:?}", rig.held);
}
