use std::{fs, io, sync::Mutex};

use http::{Method, Request};

use super::*;
use crate::{
    app::ready::tests::process,
    body,
    config::DirectoryConfig,
    identity::{Occasion, Passport, VerifiedTenant},
    server::{Handler, tls::tests::Issued},
    telemetry::{AccessLog, Metrics, RequestId, TenantLabels, Tracer},
    workloads::testing::peer,
};

const UPSTREAM: &str = "upstream: 'http://127.0.0.1:9'";
const WITH_A_HEADER: &str = "upstream: 'http://127.0.0.1:9', headers: {x-a: '{tenant.id}'}";
const ALLOWING: &str = "permit(principal, action, resource);\n";
const FORBIDDING: &str = "forbid(principal, action, resource);\n";
const USERS: &str = "issuers: {'https://idp.test/': {users: {user-1: {active_tenant: acme, tenants: {acme: {}}}}}}\n";

/// A process that serves, whose configuration is reloaded when a test says so.
struct Rig {
    folder: tempfile::TempDir,
    reloader: Reloader,
    following: Following,
    files: Files,
    last: Option<Outcome>,
    text: String,
    _issued: Issued,
}

impl Rig {
    async fn new() -> Self {
        let (folder, issued) = (tempfile::tempdir().unwrap(), Issued::new());
        let pem = |pem: &crate::config::Pem| pem.file().unwrap().display().to_string();
        let text = format!(
            "ingress: {{listen: '127.0.0.1:0', upstream: 'http://127.0.0.1:9', tls: {{certificate: '{}', private_key: '{}'}}}}
egress: {{listen: '127.0.0.1:0', region: eu-west-1, services: {{s3: {{}}}}}}
identity:
  issuers: [{{issuer: 'https://idp.test/', audience: a, algorithms: [EdDSA], jwks: {{inline: {{keys: [{{kty: OKP, crv: Ed25519, kid: '1', x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}}]}}}}}}]
  passport: {{max_age: 5m}}
tenants: {{directory: {{file: tenants.yaml}}}}
credentials:
  source: {{static: {{access_key_id: AKIAEXAMPLE, secret_access_key: {{env: X}}}}}}
  sts: {{endpoint: 'http://127.0.0.1:9', insecure: true}}
  assume_role: {{role_arn: 'arn:aws:iam::111122223333:role/{{tenant.id}}'}}
guard: {{mode: audit, cedar: {{policies: a.cedar}}}}
admin: {{listen: '127.0.0.1:0'}}
probes: {{listen: '127.0.0.1:0'}}
",
            pem(&issued.files.certificate),
            pem(&issued.files.private_key),
        );
        for (name, text) in [("tenants.yaml", "tenants: {acme: {}}"), ("a.cedar", ALLOWING), ("b.cedar", ALLOWING), ("users.yaml", USERS)] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let path = folder.path().join("palisade.yaml");
        fs::write(&path, &text).unwrap();
        let following = Following { env: |_| Some("secret".to_owned()), ..Following::new(path.clone(), Arc::default(), Arc::new(|_| {})) };
        let config = Config::load(&path, &following.env).unwrap_or_else(|errors| panic!("{errors}"));
        let metrics = Metrics::new().unwrap();
        let log = AccessLog::to(io::sink(), metrics.clone()).unwrap();
        let clock = crate::clock::Clock::system();
        let recorder = Recorder { metrics, log, labels: TenantLabels::new(10), traces: Tracer::off(), clock };
        let process = Arc::into_inner(process()).unwrap();
        let lasting = Lasting::new(&config, recorder, process).unwrap();
        let files = Files::new(config.companions.looks());
        let generation = Generation::build(config, &lasting, None).await.unwrap();
        let served = Arc::new(ArcSwap::new(generation.served.clone()));
        let mut reloader = Reloader::new(lasting, generation, served);
        reloader.background = reloader.current.background.clone().begin();
        let this = Self { folder, reloader, following, files, last: None, text, _issued: issued };
        // Its keys are there, and it serves.
        this.until(|rig| rig.reloader.current.state.ready().iter().all(|check| check.ok || check.name == "base_identity")).await;
        this
    }

    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let so = async {
            while !is_so(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), so).await.expect("it is never so");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Reloads as for a signal, with `old` replaced by `new` in the configuration as it was at first.
    async fn reload(&mut self, old: &str, new: &str) -> Outcome {
        assert!(self.text.contains(old), "{old}");
        fs::write(&self.following.path, self.text.replace(old, new)).unwrap();
        self.again(Trigger::Hangup).await
    }

    async fn again(&mut self, trigger: Trigger) -> Outcome {
        self.reloader.take(&self.following, &mut self.files, trigger, &mut self.last).await;
        self.last.clone().unwrap()
    }

    /// The sample of a metric, as it is written.
    fn metric(&self, line: &str) -> f64 {
        let text = String::from_utf8(self.reloader.lasting.recorder.metrics.render().unwrap()).unwrap();
        let found = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' ')?.parse().ok());
        found.unwrap_or(0.0)
    }

    /// What the newest configuration is refused for.
    fn refused_parts(&self) -> Vec<&'static str> {
        let is_refused = |part: &Refused| self.metric(&format!("palisade_config_refused{{part=\"{}\"}}", part.as_str())) > 0.0;
        Refused::ALL.iter().filter(|part| is_refused(part)).map(|part| part.as_str()).collect()
    }

    fn mint(&self, path: &str) -> Passport {
        let occasion = Occasion { request: &RequestId::random(), method: &Method::GET, path, rule: None };
        let passports = self.reloader.current.parts.passports.as_ref().unwrap();
        passports.mint(&VerifiedTenant::for_tests("acme"), occasion).unwrap()
    }

    fn live(&self) -> i64 {
        self.reloader.lasting.recorder.metrics.passports_live.get()
    }
}

const fn part(outcome: &Outcome) -> Option<Refused> {
    match outcome {
        Outcome::Rejected(rejection) => Some(rejection.part),
        Outcome::Applied { .. } | Outcome::Unchanged => None,
    }
}

/// What is logged in the test's own thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn count(&self, words: &[&str]) -> usize {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_while_it_is_made_leaves_the_old_in_use_and_the_next_reload_works() {
    let mut rig = Rig::new().await;
    let (lines, _guard) = Lines::begin();
    let before = rig.reloader.served.load_full();
    rig.following.made = |_| panic!("made up by a test");
    let outcome = rig.reload(UPSTREAM, WITH_A_HEADER).await;
    assert_eq!(part(&outcome), Some(Refused::Fault));
    assert!(Arc::ptr_eq(&before, &rig.reloader.served.load_full()), "another one is in use");
    assert_eq!(rig.reloader.background.len(), rig.reloader.current.background.clone().begin().len(), "what ran beside it runs");
    assert_eq!(rig.refused_parts(), ["fault"]);
    assert_eq!(rig.metric("palisade_config_last_reload_successful"), 0.0);
    assert_eq!(rig.metric("palisade_config_reloads_total{result=\"rejected\"}"), 1.0);
    assert_eq!(lines.count(&["ERROR", "a fault of Palisade", "the old one stays in use", "fault"]), 1);
    rig.following.made = |_| {};
    assert!(matches!(rig.again(Trigger::Again).await, Outcome::Applied { .. }));
    assert!(!Arc::ptr_eq(&before, &rig.reloader.served.load_full()));
    assert_eq!((rig.refused_parts(), rig.metric("palisade_config_last_reload_successful")), (vec![], 1.0));
}

#[tokio::test]
async fn what_is_refused_is_named_and_a_process_that_serves_stays_ready() {
    let mut rig = Rig::new().await;
    let ready = |rig: &Rig| rig.reloader.current.state.ready().into_iter().map(|check| (check.name, check.ok)).collect::<Vec<_>>();
    let before = ready(&rig);
    let other = rig.path("no.cedar").display().to_string();
    for (old, new, expected) in [
        ("upstream:", "upsteram:", Refused::Files),
        ("policies: a.cedar", other.as_str(), Refused::Files),
        ("egress: {listen: '127.0.0.1:0'", "egress: {listen: '127.0.0.1:9'", Refused::Restart),
    ] {
        let outcome = rig.reload(old, new).await;
        assert_eq!((part(&outcome), rig.refused_parts()), (Some(expected), vec![expected.as_str()]), "{new}");
        assert_eq!(ready(&rig), before, "{new}");
    }
    assert_eq!(rig.metric("palisade_config_reloads_total{result=\"rejected\"}"), 3.0);
    // The same again is no news, and something else is.
    rig.again(Trigger::Again).await;
    assert_eq!(rig.metric("palisade_config_reloads_total{result=\"rejected\"}"), 3.0);
    assert_eq!(rig.reload("upstream:", "upstream:").await, Outcome::Unchanged);
    assert!(rig.refused_parts().is_empty());
}

/// Rewrites the file of policies that a configuration names.
fn forbid(generation: &Generation) {
    fs::write(&generation.config.guard.cedar.as_ref().unwrap().policies, format!("{ALLOWING}{FORBIDDING}")).unwrap();
}

/// Suspends the tenant of the file that a configuration names.
fn suspend(generation: &Generation) {
    let DirectoryConfig::File(path) = &generation.config.directory else { panic!("no file") };
    fs::write(path, "tenants: {acme: {status: suspended}}").unwrap();
}

fn with_another_user(generation: &Generation) {
    let Some(crate::config::UsersConfig::File(path)) = &generation.config.users else { panic!("no file") };
    fs::write(path, USERS.replace("users: {", "users: {user-2: {active_tenant: acme, tenants: {acme: {}}}, ")).unwrap();
}

#[tokio::test]
async fn files_that_change_while_it_is_made_are_in_force_with_it() {
    let mut rig = Rig::new().await;
    rig.following.made = forbid;
    assert!(matches!(rig.reload("policies: a.cedar", "policies: b.cedar").await, Outcome::Applied { .. }));
    assert_eq!(rig.reloader.current.background.policies.count(), Some(2));

    let mut rig = Rig::new().await;
    fs::write(rig.path("other.yaml"), "tenants: {acme: {}}").unwrap();
    rig.following.made = suspend;
    assert!(matches!(rig.reload("file: tenants.yaml", "file: other.yaml").await, Outcome::Applied { .. }));
    assert!(!rig.reloader.current.parts.directory.serves(&"acme".parse().unwrap()));

    let mut rig = Rig::new().await;
    rig.following.made = with_another_user;
    let users = "file: tenants.yaml}}\nusers: {directory: {file: users.yaml}}";
    assert!(matches!(rig.reload("file: tenants.yaml}}", users).await, Outcome::Applied { .. }));
    assert_eq!(rig.reloader.current.parts.users.as_ref().unwrap().count(), Some(2));
}

/// As somebody writes the configuration once more.
fn rewrite(generation: &Generation) {
    let DirectoryConfig::File(path) = &generation.config.directory else { panic!("no file") };
    let path = path.with_file_name("palisade.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("max_age: 4m", "max_age: 3m")).unwrap();
}

#[tokio::test]
async fn a_configuration_that_changes_while_it_is_made_is_read_again() {
    let mut rig = Rig::new().await;
    rig.following.made = rewrite;
    assert!(matches!(rig.reload("max_age: 5m", "max_age: 4m").await, Outcome::Applied { .. }));
    let max_age = |rig: &Rig| rig.reloader.current.config.identity.passport.as_ref().unwrap().terms.max_age.as_secs();
    assert_eq!(max_age(&rig), 240, "what was read is in use, and nothing that was not");
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), rig.files.next()).await.ok(), Some(Trigger::Changed));
    assert!(matches!(rig.again(Trigger::Changed).await, Outcome::Applied { .. }));
    assert_eq!(max_age(&rig), 180);
}

/// The files of the generation before are followed for as long as that is in use, and those of the next from then on.
#[tokio::test]
async fn what_is_followed_in_the_next_configuration_is_followed_after_it_came() {
    let mut rig = Rig::new().await;
    assert!(matches!(rig.reload("policies: a.cedar", "policies: b.cedar").await, Outcome::Applied { .. }));
    fs::write(rig.path("a.cedar"), "nonsense").unwrap();
    fs::write(rig.path("b.cedar"), format!("{ALLOWING}{FORBIDDING}")).unwrap();
    rig.until(|rig| rig.reloader.current.background.policies.count() == Some(2)).await;
    fs::write(rig.path("tenants.yaml"), "tenants: {acme: {status: suspended}}").unwrap();
    rig.until(|rig| !rig.reloader.current.parts.directory.serves(&"acme".parse().unwrap())).await;
    assert_eq!(rig.metric("palisade_config_reloads_total{result=\"rejected\"}"), 0.0);
}

#[tokio::test]
async fn passports_keep_their_terms_and_end_where_they_are_good_for_more_than_would_be_given_now() {
    let mut rig = Rig::new().await;
    let [reports, other] = ["/reports/1", "/other"].map(|path| rig.mint(path));
    // Other terms are for others.
    for terms in ["max_age: 1m", "max_age: 5m, max_uses: 1", "max_age: 5m, stall: 5s, grace: 1s", "max_age: 5m"] {
        assert!(matches!(rig.reload("max_age: 5m", terms).await, Outcome::Applied { .. }), "{terms}");
        assert_eq!(rig.live(), 2, "{terms}");
    }
    assert_eq!((reports.stall(), rig.mint("/x").stall()), (Duration::from_secs(20), Duration::from_secs(20)));
    let rule = "endpoints: [{path: '/reports/**', passport: {actions: ['s3:GetObject']}}, {path: '/**'}]";
    assert!(matches!(rig.reload(UPSTREAM, &format!("{UPSTREAM}, {rule}")).await, Outcome::Applied { .. }));
    assert_eq!(rig.live(), 1);
    assert!(matches!(rig.reload("max_age: 5m", "max_age: 5m, actions: ['s3:*']").await, Outcome::Applied { .. }));
    assert_eq!(rig.live(), 0);
    let third = rig.mint("/other");
    assert!(matches!(rig.reload("region: eu-west-1,", "region: eu-west-1, proofs: [jwt],").await, Outcome::Applied { .. }));
    assert_eq!(rig.live(), 0, "nobody takes them any more");
    drop((reports, other, third));
    assert_eq!(rig.live(), 0);
}

#[tokio::test]
async fn a_passport_that_is_kept_is_not_news_again_because_of_a_reload() {
    let mut rig = Rig::new().await;
    let (lines, _guard) = Lines::begin();
    for (old, new) in [("max_age: 5m", "max_age: 3m"), ("max_age: 5m", "max_age: 4m"), (UPSTREAM, WITH_A_HEADER)] {
        assert!(matches!(rig.reload(old, new).await, Outcome::Applied { .. }), "{new}");
        let passport = rig.mint("/");
        let kept = passport.header_value().unwrap();
        drop(passport);
        let egress = rig.reloader.served.load().egress.clone().unwrap();
        let request = Request::get("/pool/acme/one").header("host", "s3.eu-west-1.amazonaws.com");
        let request = request.header("x-tenant-id", "acme").header("x-tenant-token", kept).body(body::empty()).unwrap();
        assert!(egress.handle(request, peer()).await.status().is_client_error());
    }
    assert_eq!(lines.count(&["used after its request had ended"]), 1);
}
