use std::{
    fs,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::FutureExt;
use proptest::prelude::*;

mod table;

use super::*;
use crate::{config::Limits, directory::Standing, identity::users::tests as users};

const RECORDS: &str = r#"
tenants:
  acme:
    status: active
    tier: gold
    cell: c1
    account: "012345678901"
    external_id: x-1
    kms_key: alias/acme
    region: eu-west-1
    limits: {requests_per_second: 2.5, concurrent: 3}
    attributes: {bucket: pool-1}
  globex:
  initech: {status: suspended}
"#;

fn open(text: &str) -> (tempfile::TempDir, PathBuf, Result<Directory, OpenError>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenants.yaml");
    fs::write(&path, text).unwrap();
    let directory = Directory::open_polling(&DirectoryConfig::File(path.clone()), None, Duration::from_millis(5));
    (folder, path, directory)
}

/// Nothing of a file has to be waited for.
fn resolve(directory: &Directory, verified: Arc<VerifiedTenant>) -> Result<ActiveTenant, Refusal> {
    directory.resolve(verified).now_or_never().expect("a file made somebody wait")
}

fn refused(directory: &Directory, verified: Arc<VerifiedTenant>) -> Option<Reason> {
    resolve(directory, verified).err().map(|refusal| refusal.reason)
}

fn reason(directory: &Directory, tenant: &str) -> Option<Reason> {
    refused(directory, VerifiedTenant::for_tests(tenant))
}

#[test]
fn resolves_the_active_and_refuses_the_rest() {
    let (_folder, _, directory) = open(RECORDS);
    let directory = directory.unwrap();
    let acme = resolve(&directory, VerifiedTenant::for_tests("acme")).unwrap();
    let expected = TenantRecord {
        tier: Some("gold".to_owned()),
        cell: Some("c1".to_owned()),
        account: Some("012345678901".to_owned()),
        external_id: Some("x-1".to_owned()),
        kms_key: Some("alias/acme".to_owned()),
        region: Some("eu-west-1".to_owned()),
        limits: Some(Limits { requests_per_second: Some(2.5), burst: Some(3), concurrent: Some(3) }),
        attributes: [("bucket".to_owned(), "pool-1".to_owned())].into(),
        ..TenantRecord::bare("acme".parse().unwrap())
    };
    assert_eq!(acme.record(), &expected);
    assert_eq!(reason(&directory, "globex"), None);
    assert_eq!(reason(&directory, "initech"), Some(Reason::TenantSuspended));
    assert_eq!(reason(&directory, "Acme"), Some(Reason::TenantUnknown));
    assert_eq!(directory.records().iter().map(|record| record.id.to_string()).collect::<Vec<_>>(), ["acme", "globex", "initech"]);
}

#[test]
fn any_knows_everyone_and_nothing() {
    let directory = Directory::open(&DirectoryConfig::Any, None).unwrap();
    let tenant = resolve(&directory, VerifiedTenant::for_tests("whoever")).unwrap();
    assert_eq!(tenant.record(), &TenantRecord::bare("whoever".parse().unwrap()));
    assert_eq!(tenant.record().status, TenantStatus::Active);
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let (_folder, path, directory) = open(
        "tenants:\n  a: {}\n  acme: {status: paused, account: 12}\n  ACME: {}\n  x..y:\n    teir: gold\n  ok: {region: nowhere, limits: {bytes_per_second: 1MiB}}\n  ok: {}\n",
    );
    assert_eq!(directory.unwrap_err().to_string().lines().count(), 1, "a repeated key is found before anything else");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("\n  ok: {}", "")).unwrap();
    let errors = Directory::open(&DirectoryConfig::File(path.clone()), None).unwrap_err().to_string();
    let found: Vec<_> = errors.lines().map(|line| line.replacen(&path.display().to_string(), "F", 1)).collect();
    let expected = [
        "F:2:3: tenants.a: \"a\" is not taken here; give a tenant id",
        "F:3:18: tenants.acme.status: \"paused\" is not taken here; give active or suspended",
        "F:3:35: tenants.acme.account: \"12\" is not taken here; give an AWS account id, 12 digits",
        "F:4:3: tenants.ACME: differs from acme in case alone",
        "F:5:3: tenants.\"x..y\": \"x..y\" is not taken here",
        "F:6:5: tenants.\"x..y\".teir: is not a known setting; did you mean tier?",
        "F:7:16: tenants.ok.region: \"nowhere\" is not taken here",
        "F:7:34: tenants.ok.limits.bytes_per_second: is not supported yet",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
}

/// A template of the configuration relies on it, so it has to stay so.
#[test]
fn ids_of_which_one_begins_another_are_refused_where_that_matters() {
    let (_folder, path, directory) = open("tenants:\n  acme: {}\n  acme-eu: {}\n  acme.x: {}\n  acm: {status: suspended}\n  globex: {}\n");
    assert_eq!(directory.unwrap().records().len(), 5);
    let strict = DirectoryConfig::PrefixFreeFile(path.clone());
    let errors = Directory::open(&strict, None).unwrap_err().to_string().replace(&path.display().to_string(), "F");
    let places: Vec<_> =
        errors.lines().map(|line| line.split("begins with ").map(|part| part.split(',').next().unwrap()).collect::<Vec<_>>()).collect();
    let expected = [["F:2:3: tenants.acme: ", "acm"], ["F:3:3: tenants.acme-eu: ", "acm"], ["F:4:3: tenants.\"acme.x\": ", "acm"]];
    assert_eq!(places, expected, "{errors}");
    fs::write(&path, "tenants: {acme: {}, bcme: {}, acm_: {}}").unwrap();
    assert_eq!(Directory::open(&strict, None).unwrap().records().len(), 3);
}

#[tokio::test]
async fn a_file_whose_ids_come_to_begin_one_another_is_not_taken_over() {
    let (_folder, path, _) = open("tenants: {acme: {}}");
    let directory =
        Arc::new(Directory::open_polling(&DirectoryConfig::PrefixFreeFile(path.clone()), None, Duration::from_millis(5)).unwrap());
    let watching = tokio::spawn({
        let directory = directory.clone();
        async move { directory.watch(Clock::system(), Metrics::new().unwrap()).await }
    });
    fs::write(&path, "tenants: {acme: {}, acme-eu: {}}").unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(reason(&directory, "acme-eu"), Some(Reason::TenantUnknown));
    fs::write(&path, "tenants: {acme: {}, eu-acme: {}}").unwrap();
    let found = async {
        while reason(&directory, "eu-acme").is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), found).await.unwrap();
    watching.abort();
}

#[test]
fn a_missing_file_is_an_error() {
    let config = DirectoryConfig::File(PathBuf::from("/nowhere/tenants.yaml"));
    assert!(Directory::open(&config, None).unwrap_err().to_string().starts_with("/nowhere/tenants.yaml: cannot be read"));
}

/// Waits until `done` holds, at most five seconds of real time.
async fn eventually(done: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came");
}

#[tokio::test]
async fn changes_are_taken_over_and_broken_files_are_not() {
    let (_folder, path, directory) = open(RECORDS);
    let directory = Arc::new(directory.unwrap());
    let metrics = Metrics::new().unwrap();
    let watching = tokio::spawn({
        let (directory, metrics) = (directory.clone(), metrics.clone());
        async move { directory.watch(Clock::manual(SystemTime::UNIX_EPOCH), metrics).await }
    });

    fs::write(&path, RECORDS.replace("status: active", "status: suspended")).unwrap();
    eventually(|| reason(&directory, "acme") == Some(Reason::TenantSuspended)).await;

    for broken in ["tenants: [", "tenants: {acme: {status: actve}}", "", "other: {}"] {
        fs::write(&path, broken).unwrap();
        tokio::time::sleep(Duration::from_millis(40)).await;
        assert_eq!(reason(&directory, "acme"), Some(Reason::TenantSuspended), "{broken}");
        assert_eq!(reason(&directory, "globex"), None, "{broken}");
    }
    fs::remove_file(&path).unwrap();
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(reason(&directory, "globex"), None);

    // The same length and, where the clock is coarse, the same time.
    fs::write(&path, "tenants: {newcomer: {}}").unwrap();
    eventually(|| reason(&directory, "newcomer").is_none()).await;
    assert_eq!(reason(&directory, "acme"), Some(Reason::TenantUnknown));
    fs::write(&path, "tenants: {newcomee: {}}").unwrap();
    eventually(|| reason(&directory, "newcomee").is_none()).await;
    watching.abort();
    let text = String::from_utf8(metrics.render().unwrap()).unwrap();
    assert!(text.contains("palisade_config_reloads_total{result=\"applied\"} 3"), "{text}");
    assert!(text.contains("palisade_config_reloads_total{result=\"rejected\"}"), "{text}");
}

const IDP: &str = "https://idp.test/";

fn token<'a>(issuer: &'a str, subject: &'a str, id: &'a str, made: Option<u64>) -> TokenFacts<'a> {
    TokenFacts {
        issuer,
        subject,
        token_id: Some(id),
        context_id: None,
        issued_at: made.map(|s| UNIX_EPOCH + Duration::from_secs(s)),
        tenants: &[],
    }
}

fn holder(tenant: &str, facts: TokenFacts<'_>) -> Arc<VerifiedTenant> {
    VerifiedTenant::for_tests_of(tenant, facts, None, None)
}

const REVOKED: &str = r#"
tenants:
  acme:
    revoked:
      issued_before: 2001-09-09T01:46:40Z
      subjects: [{issuer: "https://idp.test/", subject: of-acme}]
      tokens: []
  globex: {}
revoked:
  subjects:
    - {issuer: "https://idp.test/", subject: gone}
    - {issuer: "https://idp.test/", subject: signed-out, issued_before: 2001-09-09T01:46:40Z}
  tokens: [{issuer: "https://idp.test/", id: leaked}]
"#;
/// The moment in it.
const MOMENT: u64 = 1_000_000_000;

#[test]
fn what_is_revoked_is_refused_for_its_tenant_or_for_all() {
    let (_folder, _, directory) = open(REVOKED);
    let directory = directory.unwrap();
    let late = Some(MOMENT);
    for (tenant, facts, is_refused) in [
        ("acme", token(IDP, "u", "t", late), false),
        ("acme", token(IDP, "u", "t", Some(MOMENT - 1)), true),
        ("acme", token(IDP, "u", "t", None), true),
        ("globex", token(IDP, "u", "t", None), false),
        ("acme", token(IDP, "of-acme", "t", late), true),
        ("globex", token(IDP, "of-acme", "t", late), false),
        ("globex", token(IDP, "gone", "t", late), true),
        ("globex", token("https://other.test/", "gone", "t", late), false),
        ("globex", token(IDP, "signed-out", "t", Some(MOMENT - 1)), true),
        ("globex", token(IDP, "signed-out", "t", None), true),
        ("globex", token(IDP, "signed-out", "t", late), false),
        ("globex", token(IDP, "u", "leaked", late), true),
        ("globex", token("https://other.test/", "u", "leaked", late), false),
    ] {
        let expected = is_refused.then_some(Reason::TokenRevoked);
        assert_eq!(refused(&directory, holder(tenant, facts)), expected, "{tenant} {facts:?}");
        assert_eq!(directory.stands(&holder(tenant, facts)).is_err(), is_refused, "{tenant} {facts:?}");
        let names = [tenant.to_owned()];
        assert_eq!(directory.may_use(&TokenFacts { tenants: &names, ..facts }), !is_refused, "{tenant} {facts:?}");
    }
    assert_eq!(directory.revoked_issuers(), [IDP]);
    let moment = UNIX_EPOCH + Duration::from_secs(MOMENT);
    assert_eq!(directory.revoked_before(&"acme".parse().unwrap()), Some(moment));
    assert_eq!(directory.revoked_before(&"globex".parse().unwrap()), None);
}

#[test]
fn an_entry_that_cannot_be_read_is_an_error_and_no_smaller_list() {
    for (old, new, line) in [
        ("subject: gone", "subjct: gone", "subjct: is not a known setting; did you mean subject?"),
        (", subject: gone", "", "subject: is missing"),
        ("issuer: \"https://idp.test/\", id: leaked", "id: leaked", "issuer: is missing"),
        ("signed-out, issued_before: 2001-09-09T01:46:40Z", "signed-out, issued_before: yesterday", "\"yesterday\" is not taken here"),
        ("issued_before: 2001-09-09T01:46:40Z\n", "issued_before: 2001-09-09\n", "\"2001-09-09\" is not taken here"),
    ] {
        assert_eq!(REVOKED.matches(old).count(), 1, "{old}");
        let errors = open(&REVOKED.replace(old, new)).2.unwrap_err().to_string();
        assert!(errors.contains(line) && errors.contains("revoked."), "{errors}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is on the list in whatever order, a token is refused exactly when an entry means it.
    #[test]
    fn a_token_is_refused_exactly_when_an_entry_means_it(
        entries in prop::collection::vec((0..4_u8, 0..2_u8, 0..3_u8, 0..3_u64, any::<bool>()), 0..8),
        (issuer, subject, id, made) in (0..2_u8, 0..3_u8, 0..3_u8, prop::option::of(0..3_u64)),
    ) {
        let moment = |n: u64| format!("1970-01-01T00:00:0{n}Z");
        let (mut own, mut all, mut meant) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()], false);
        let (mut own_before, mut all_before): (Option<u64>, Option<u64>) = (None, None);
        let is_before = |n: u64| made.is_none_or(|made| made < n);
        for (kind, i, n, at, is_own) in entries {
            let lists = if is_own { &mut own } else { &mut all };
            match kind {
                0 => {
                    lists[0].push(format!("{{issuer: i{i}, subject: s{n}}}"));
                    meant |= i == issuer && n == subject;
                }
                1 => {
                    lists[0].push(format!("{{issuer: i{i}, subject: s{n}, issued_before: {}}}", moment(at)));
                    meant |= i == issuer && n == subject && is_before(at);
                }
                2 => {
                    lists[1].push(format!("{{issuer: i{i}, id: t{n}}}"));
                    meant |= i == issuer && n == id;
                }
                _ => *if is_own { &mut own_before } else { &mut all_before } = Some(at),
            }
        }
        meant |= own_before.is_some_and(is_before) || all_before.is_some_and(is_before);
        let list = |[subjects, tokens]: [Vec<String>; 2], before: Option<u64>| {
            let before = before.map_or("null".to_owned(), moment);
            format!("{{issued_before: {before}, subjects: [{}], tokens: [{}]}}", subjects.join(", "), tokens.join(", "))
        };
        let text = format!("tenants: {{acme: {{revoked: {}}}}}\nrevoked: {}\n", list(own, own_before), list(all, all_before));
        let directory = open(&text).2.unwrap();
        let (issuer, subject, id) = (format!("i{issuer}"), format!("s{subject}"), format!("t{id}"));
        let found = refused(&directory, holder("acme", token(&issuer, &subject, &id, made)));
        prop_assert_eq!(found, meant.then_some(Reason::TokenRevoked), "{}", text);
    }
}

/// A directory that looks at its file all the time, and the file.
struct Watching {
    directory: Arc<Directory>,
    path: PathBuf,
    metrics: Metrics,
    task: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Watching {
    fn start(text: &str, on_suspend: OnSuspend, users: Option<Arc<dyn Users>>) -> Self {
        let (folder, path, directory) = open(text);
        let directory = Arc::new(directory.unwrap().with_users(users, Changes::default(), on_suspend));
        let metrics = Metrics::new().unwrap();
        let task = tokio::spawn({
            let (directory, metrics) = (directory.clone(), metrics.clone());
            async move { directory.watch(Clock::manual(UNIX_EPOCH), metrics).await }
        });
        Self { directory, path, metrics, task, _folder: folder }
    }

    async fn standing(&self, verified: Arc<VerifiedTenant>) -> Standing {
        Standing::of(&self.directory.resolve(verified).await.unwrap(), &self.directory, &self.metrics)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How work under a standing ends; `None` when it is not broken off.
async fn broken_off(standing: &Standing) -> Option<Reason> {
    let work = standing.cover(std::future::pending::<Result<(), Refusal>>());
    tokio::time::timeout(Duration::from_secs(5), work).await.ok().map(|outcome| outcome.unwrap_err().reason)
}

#[tokio::test]
async fn requests_in_progress_are_broken_off_when_their_token_is_revoked() {
    use http_body_util::{BodyExt, StreamBody};
    let watching = Watching::start("tenants: {acme: {}, globex: {}}", OnSuspend::Finish, None);
    let gone = watching.standing(holder("acme", token(IDP, "gone", "t", Some(1)))).await;
    let stays = watching.standing(holder("acme", token(IDP, "stays", "t", Some(1)))).await;
    let endless = || StreamBody::new(futures_util::stream::pending::<Result<http_body::Frame<bytes::Bytes>, crate::body::BoxError>>());
    let (mut ending, mut going) = (gone.cover_body(endless().boxed_unsync()), stays.cover_body(endless().boxed_unsync()));
    fs::write(&watching.path, "tenants: {acme: {}, globex: {}}\nrevoked: {subjects: [{issuer: 'https://idp.test/', subject: gone}]}")
        .unwrap();
    assert_eq!(broken_off(&gone).await, Some(Reason::TokenRevoked));
    let frame = tokio::time::timeout(Duration::from_secs(5), ending.frame()).await.expect("the response goes on").unwrap();
    assert!(frame.unwrap_err().to_string().contains("token-revoked"));
    assert!(ending.frame().await.unwrap().is_err(), "and does not come back");
    assert!(going.frame().now_or_never().is_none());
    let text = String::from_utf8(watching.metrics.render().unwrap()).unwrap();
    assert!(text.contains("palisade_revocations_applied_total{what=\"requests\"} 2"), "{text}");
}

#[tokio::test]
async fn a_suspension_cuts_or_lets_finish_and_a_change_before_the_listening_is_heard() {
    for (on_suspend, expected) in [(OnSuspend::Cut, Some(Reason::TenantSuspended)), (OnSuspend::Finish, None)] {
        let watching = Watching::start("tenants: {acme: {}}", on_suspend, None);
        let tenant = watching.directory.resolve(VerifiedTenant::for_tests("acme")).await.unwrap();
        fs::write(&watching.path, "tenants: {acme: {status: suspended}}").unwrap();
        eventually(|| reason(&watching.directory, "acme") == Some(Reason::TenantSuspended)).await;
        // Only now does the request begin to listen.
        let standing = Standing::of(&tenant, &watching.directory, &watching.metrics);
        let work = standing.cover(std::future::pending::<Result<(), Refusal>>());
        let outcome = tokio::time::timeout(Duration::from_millis(300), work).await.ok().map(|outcome| outcome.unwrap_err().reason);
        assert_eq!(outcome, expected, "{on_suspend:?}");
        let refusal = resolve(&watching.directory, VerifiedTenant::for_tests("acme")).unwrap_err();
        assert_eq!(watching.directory.lets_finish(&refusal), expected.is_none());
    }
}

#[tokio::test]
async fn a_broken_file_revokes_nothing_more_and_nothing_less() {
    let watching = Watching::start(REVOKED, OnSuspend::Cut, None);
    for broken in [&REVOKED.replace("revoked:", "revokd:"), "", "revoked: {}", &REVOKED.replace("id: leaked", "id: ''")] {
        fs::write(&watching.path, broken).unwrap();
        tokio::time::sleep(Duration::from_millis(40)).await;
        assert_eq!(refused(&watching.directory, holder("globex", token(IDP, "gone", "t", Some(MOMENT)))), Some(Reason::TokenRevoked));
        assert_eq!(refused(&watching.directory, holder("globex", token(IDP, "u", "t", Some(MOMENT)))), None);
    }
}

/// Users by hand.
#[derive(Debug, Default)]
struct Script(std::sync::Mutex<BTreeMap<(String, String), Result<crate::identity::UserRecord, Reason>>>);

impl Script {
    fn put(&self, subject: &str, record: Result<crate::identity::UserRecord, Reason>) {
        self.0.lock().unwrap().insert((IDP.to_owned(), subject.to_owned()), record);
    }

    fn get(&self, issuer: &str, subject: &str) -> Result<crate::identity::UserRecord, Reason> {
        self.0.lock().unwrap().get(&(issuer.to_owned(), subject.to_owned())).cloned().unwrap_or(Err(Reason::UserUnknown))
    }
}

impl Users for Script {
    fn find<'a>(
        &'a self,
        issuer: &'a str,
        subject: &'a str,
    ) -> futures_util::future::BoxFuture<'a, Result<Arc<crate::identity::UserRecord>, Refusal>> {
        Box::pin(std::future::ready(self.get(issuer, subject).map(Arc::new).map_err(Refusal::from)))
    }

    fn recall(&self, issuer: &str, subject: &str) -> Recalled {
        match self.get(issuer, subject) {
            Ok(record) => Recalled::Record(Arc::new(record)),
            Err(Reason::UserUnknown) => Recalled::Unknown,
            Err(_) => Recalled::Nothing,
        }
    }

    fn recheck(&self) -> Option<Duration> {
        Some(Duration::from_millis(20))
    }
}

#[tokio::test]
async fn with_users_a_proof_stands_while_its_user_acts_for_its_tenant() {
    let script = Arc::new(Script::default());
    let (_folder, _, directory) = open("tenants: {acme: {}, globex: {}, initech: {status: suspended}}");
    let directory = directory.unwrap().with_users(Some(script.clone()), Changes::default(), OnSuspend::Cut);
    let of_user = |tenant: &str| holder(tenant, token(IDP, "u", "t", None));
    let check = |tenant: &str, expected: Option<Reason>| {
        assert_eq!(refused(&directory, of_user(tenant)), expected, "{tenant}");
        let at_hand = directory.stands(&of_user(tenant)).err().map(|refusal| refusal.reason);
        assert_eq!(at_hand, expected.filter(|reason| *reason != Reason::UsersUnavailable), "{tenant}");
    };
    check("acme", Some(Reason::UserUnknown));
    script.put("u", Ok(users::record(Some("acme"), &[("acme", &["admin"]), ("globex", &[]), ("initech", &[])])));
    check("acme", None);
    check("globex", Some(Reason::TenantNotActive));
    assert_eq!(resolve(&directory, of_user("acme")).unwrap().user().unwrap().roles(), ["admin"]);
    script.put("u", Ok(users::record(Some("globex"), &[("acme", &["admin"]), ("globex", &[])])));
    check("acme", Some(Reason::TenantNotActive));
    check("globex", None);
    script.put("u", Ok(users::record(Some("initech"), &[("initech", &[])])));
    check("initech", Some(Reason::TenantSuspended));
    script.put("u", Err(Reason::UsersUnavailable));
    check("acme", Some(Reason::UsersUnavailable));
    assert!(directory.may_use(&token(IDP, "u", "t", None)), "nothing is known of the user");
    script.put("u", Err(Reason::UserUnknown));
    assert!(!directory.may_use(&token(IDP, "u", "t", None)));
}

#[tokio::test]
async fn requests_in_progress_ask_for_their_user_again_from_time_to_time() {
    let script = Arc::new(Script::default());
    script.put("u", Ok(users::record(Some("acme"), &[("acme", &[])])));
    let watching = Watching::start("tenants: {acme: {}}", OnSuspend::Cut, Some(script.clone()));
    let standing = watching.standing(holder("acme", token(IDP, "u", "t", None))).await;
    let quick = standing.cover(async { Ok(7) }).await;
    assert_eq!(quick.unwrap(), 7);
    // Nobody announces it.
    script.put("u", Err(Reason::UserUnknown));
    assert_eq!(broken_off(&standing).await, Some(Reason::UserUnknown));
}

#[tokio::test(start_paused = true)]
async fn requests_in_progress_stand_or_fall_with_the_directory_that_takes_the_place() {
    let (_folder, _, old) = open(RECORDS);
    let old = Arc::new(old.unwrap());
    let metrics = Metrics::new().unwrap();
    let standing = |tenant: &str| {
        let active = resolve(&old, VerifiedTenant::for_tests(tenant)).unwrap();
        Standing::of(&active, &old, &metrics)
    };
    let (acme, globex) = (tokio::spawn(standing("acme").lost()), tokio::spawn(standing("globex").lost()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (_other, _, new) = open("tenants: {globex: {}}");
    let new = Arc::new(new.unwrap().with_users(None, old.announced_in(), OnSuspend::default()));
    old.succeeded_by(new.clone());
    assert_eq!(acme.await.unwrap().reason, Reason::TenantUnknown);
    // And the one after that.
    let (_last, _, last) = open("tenants: {}");
    new.succeeded_by(Arc::new(last.unwrap().with_users(None, new.announced_in(), OnSuspend::default())));
    assert_eq!(globex.await.unwrap().reason, Reason::TenantUnknown);
}

/// A request that began before, and is let in, or asks again ahead of its credentials, after the change.
#[tokio::test]
async fn a_directory_whose_place_was_taken_answers_as_the_one_that_holds_now() {
    let (_folder, _, old) = open("tenants: {acme: {}, globex: {}}");
    let old = Arc::new(old.unwrap());
    assert_eq!((reason(&old, "acme"), reason(&old, "initech")), (None, Some(Reason::TenantUnknown)));
    let script = Arc::new(Script::default());
    script.put("u", Ok(users::record(Some("globex"), &[("globex", &["admin"])])));
    let next = |text: &str, before: &Directory, users: Option<Arc<dyn Users>>| {
        let (folder, _, next) = open(text);
        (folder, Arc::new(next.unwrap().with_users(users, before.announced_in(), OnSuspend::default())))
    };
    let (_other, new) = next("tenants: {acme: {status: suspended}, globex: {}, initech: {}}", &old, None);
    old.succeeded_by(new.clone());
    assert_eq!((reason(&old, "acme"), reason(&old, "initech")), (Some(Reason::TenantSuspended), None));
    // The one after that, with users that the first knew nothing of.
    let (_last, last) = next("tenants: {acme: {}, globex: {}}", &new, Some(script.clone()));
    new.succeeded_by(last.clone());
    let of_user = |tenant: &str| holder(tenant, token(IDP, "u", "t", None));
    assert_eq!(refused(&old, of_user("acme")), Some(Reason::TenantNotActive));
    let active = resolve(&old, of_user("globex")).unwrap();
    assert_eq!(active.user().unwrap().roles(), ["admin"]);
    // What is let in so hears of what the newest says later.
    let metrics = Metrics::new().unwrap();
    let standing = Standing::of(&active, &old, &metrics);
    script.put("u", Err(Reason::UserUnknown));
    assert_eq!(broken_off(&standing).await, Some(Reason::UserUnknown));
}
