use std::{fs, time::UNIX_EPOCH};

use super::*;
use crate::{
    clock::Clock,
    config::{DirectoryConfig, OnSuspend, PassportConfig, PassportTerms, VerificationConfig},
    directory::testing::TableRig,
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

/// Passports of two users of acme and one of globex.
fn holders(clock: &Clock, metrics: &Metrics) -> (Passports, Vec<(String, Passport)>) {
    let life = Duration::from_secs(60);
    let terms = PassportTerms { max_age: life, upgrade_max_age: life, actions: None, max_uses: None };
    let config = PassportConfig { terms, grace: Duration::ZERO, stall: Duration::from_secs(10), max_live: 100 };
    let passports = Passports::new(config, clock.clone(), metrics.clone());
    let mint = |(tenant, subject): (&str, &str)| {
        let facts =
            TokenFacts { issuer: IDP, subject, token_id: Some(subject), context_id: None, issued_at: Some(UNIX_EPOCH), tenants: &[] };
        let passport = passports.mint_for_tests(&VerifiedTenant::for_tests_of(tenant, facts, None, None), &RequestId::random()).unwrap();
        (format!("{tenant}/{subject}"), passport)
    };
    let held = [("acme", "one"), ("acme", "two"), ("globex", "three")].map(mint).into();
    (passports, held)
}

impl Rig {
    /// As [`holders`] has them, by the text of the records.
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenants.yaml");
        fs::write(&path, text).unwrap();
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000));
        let metrics = Metrics::new().unwrap();
        let directory = Arc::new(Directory::open_polling(&DirectoryConfig::File(path.clone()), None, Duration::from_millis(5)).unwrap());
        let (passports, held) = holders(&clock, &metrics);
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

/// What is left for tenants of a table of whom nobody sends a request, when acme's item has become `item` or has gone: passports, and whose
/// sessions.
async fn left_of_idle_tenants(item: Option<serde_json::Value>, on_suspend: OnSuspend) -> (i64, Vec<String>) {
    let active = serde_json::json!({"status": {"S": "active"}});
    let rig = TableRig::new(on_suspend, None).await;
    let metrics = Metrics::new().unwrap();
    let (passports, held) = holders(&rig.clock, &metrics);
    let broker = crate::credentials::testing::broker(&rig.clock, &metrics);
    for tenant in ["acme", "globex"] {
        rig.put(tenant, &active);
        let tenant = rig.directory.resolve(VerifiedTenant::for_tests(tenant)).await.unwrap();
        broker.credentials_for("s3", &tenant).await.unwrap();
    }
    let sweep = Sweep {
        directory: rig.directory.clone(),
        verifier: Arc::new(Verifier::new(Vec::new(), &VerificationConfig::ample(), rig.clock.clone(), metrics.clone())),
        passports: Some(passports),
        broker: Some(broker.clone()),
        issuers: None,
        metrics: metrics.clone(),
        revoked_before: Mutex::default(),
    };
    match item {
        Some(item) => rig.put("acme", &item),
        None => rig.delete("acme"),
    }
    let clock = async {
        // The manual clock goes as the paused one does. The passports would live for a minute.
        for _ in 0..45 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            rig.clock.advance(Duration::from_secs(1));
        }
    };
    tokio::select! {
        () = sweep.run() => {}
        () = clock => {}
    }
    let live = metrics.passports_live.get();
    drop(held);
    let mut sessions: Vec<_> = broker.sessions().into_iter().map(|session| session.owner.to_string()).collect();
    sessions.sort();
    (live, sessions)
}

#[tokio::test(start_paused = true)]
async fn of_a_table_idle_tenants_lose_what_they_have_within_the_cache_s_time() {
    use OnSuspend::{Cut, Finish};
    use serde_json::json;
    let suspended = || Some(json!({"status": {"S": "suspended"}}));
    let revoked = |list: serde_json::Value| Some(json!({"status": {"S": "active"}, "revoked": {"M": list}}));
    let one = json!({"subjects": {"L": [{"M": {"issuer": {"S": IDP}, "subject": {"S": "one"}}}]}});
    for (item, on_suspend, passports, sessions) in [
        (suspended(), Cut, 1, &["globex"][..]),
        (suspended(), Finish, 3, &["globex"]),
        (None, Cut, 1, &["globex"]),
        (revoked(json!({"issued_before": {"S": "1970-01-01T00:00:01Z"}})), Cut, 1, &["globex"]),
        (revoked(one), Cut, 2, &["acme", "globex"]),
        (Some(json!({"status": {"S": "active"}, "tier": {"S": "gold"}})), Cut, 3, &["acme", "globex"]),
    ] {
        let left = left_of_idle_tenants(item.clone(), on_suspend).await;
        assert_eq!((left.0, left.1.iter().map(String::as_str).collect::<Vec<_>>().as_slice()), (passports, sessions), "{item:?}");
    }
}
