//! A running sandbox, and callers of it that look for secrets in every answer.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
        mpsc,
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;
use tempfile::TempDir;

/// How long a debug build on a busy machine may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sandbox on ports of its own, with a temporary directory of its own. Dropping it kills it.
pub(super) struct Sandbox {
    pub(super) port_base: u16,
    process: Child,
    temporary: TempDir,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// One token, and the tenant that its requests name.
pub(super) struct Caller<'a> {
    sandbox: &'a Sandbox,
    token: Arc<str>,
    tenant: String,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
    headers: HeaderMap,
}

impl Sandbox {
    /// Starts the binary and waits until it says that it is ready.
    pub(super) fn start() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let port_base = free_port_base();
        let mut process = command(temporary.path(), &["dev", "--port-base", &port_base.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(tell.send(line))));
        let first = told.recv_timeout(PATIENCE).ok();
        let mut sandbox = Self { port_base, process, client: client(None), temporary };
        assert_eq!(first.as_deref(), Some("palisade dev: ready"));
        let story: Vec<String> = told.recv_timeout(PATIENCE).into_iter().chain(told.try_iter()).collect();
        assert!(story.iter().all(|line| !line.contains("psp1_")));
        sandbox.client = client(Some(&sandbox.file("ca.crt")));
        sandbox
    }

    /// Ends it as a user would, and looks at what it leaves: nothing, and no secret in its log.
    pub(super) fn stop(mut self) {
        // Opened now: by the time that it is complete, it has no name any more.
        let mut log = fs::File::open(self.file("access.log")).unwrap();
        let secrets = self.secrets();
        let kill = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.process.id())]).status().unwrap();
        assert!(kill.success());
        let deadline = PATIENCE.as_millis() / 20;
        let status = (0..deadline).find_map(|_| {
            std::thread::sleep(Duration::from_millis(20));
            self.process.try_wait().unwrap()
        });
        assert_eq!(status.expect("it did not end").code(), Some(0));
        assert_eq!(fs::read_dir(self.temporary.path()).unwrap().count(), 0, "files were left behind");
        let mut written = String::new();
        log.read_to_string(&mut written).unwrap();
        assert!(secrets.iter().all(|secret| !written.contains(secret.as_str())), "there is a secret in the access log");
    }

    /// A caller with a token made by `palisade dev token`.
    pub(super) fn caller(&self, tenants: &str, more: &[&str]) -> Caller<'_> {
        let base = self.port_base.to_string();
        // In one word, since a time that has passed begins with a hyphen.
        let mut args = vec!["dev".to_owned(), "token".to_owned(), format!("--port-base={base}"), format!("--tenant={tenants}")];
        args.extend(more.chunks(2).map(|pair| pair.join("=")));
        let (code, token, why) = palisade(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(code, 0, "{why}");
        Caller { sandbox: self, token: token.trim_end().into(), tenant: tenants.to_owned() }
    }

    /// Another one on the same ports, which must end by itself.
    pub(super) fn second(&self) -> (i32, String, String) {
        palisade_in(self.temporary.path(), &["dev", "--port-base", &self.port_base.to_string()])
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.temporary.path().join(format!("palisade-dev-{}", self.port_base)).join(name)
    }

    pub(super) fn change(&self, name: &str, change: impl FnOnce(String) -> String) {
        let before = fs::read_to_string(self.file(name)).unwrap();
        let after = change(before.clone());
        assert_ne!(before, after, "nothing was changed in {name}");
        fs::write(self.file(name), after).unwrap();
    }

    pub(super) async fn metrics(&self) -> String {
        let request = Request::get(format!("http://127.0.0.1:{}/metrics", self.port_base + 2));
        self.ask(request.body(Full::default()).unwrap()).await.body
    }

    pub(super) async fn idp(&self, path: &str) -> Answer {
        let request = Request::get(format!("http://127.0.0.1:{}{path}", self.port_base + 3));
        self.ask(request.body(Full::default()).unwrap()).await
    }

    /// What nobody outside may ever see. Access key ids of role sessions begin with `ASIA`.
    fn secrets(&self) -> Vec<String> {
        let file = |name: &str| fs::read_to_string(self.file(name)).unwrap();
        vec!["psp1_".to_owned(), "ASIA".to_owned(), "AKIA".to_owned(), "eyJ".to_owned(), file("base-secret"), file("admin-token")]
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Answer {
        let target = request.uri().to_string();
        let answered = tokio::time::timeout(PATIENCE, self.client.request(request)).await.expect("no answer in time");
        let (head, body) = answered.unwrap_or_else(|error| panic!("{target}: {error:?}")).into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        for secret in self.secrets() {
            assert!(!body.contains(&secret) && !format!("{:?}", head.headers).contains(&secret), "{target} shows a secret: {body}");
        }
        Answer { status: head.status, headers: head.headers, body }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Caller<'_> {
    /// The same token under another tenant's name.
    pub(super) fn naming(&self, tenant: &str) -> Self {
        Self { sandbox: self.sandbox, token: self.token.clone(), tenant: tenant.to_owned() }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    pub(super) async fn send(&self, method: Method, path: &str, body: &'static str) -> Answer {
        let uri = format!("https://localhost:{}{path}", self.sandbox.port_base);
        self.sandbox.ask(self.request(method, &uri).body(body.into()).unwrap()).await
    }

    /// Past the application: the egress itself, with the token.
    pub(super) async fn s3(&self, target: &str) -> Answer {
        let uri = format!("http://127.0.0.1:{}{target}", self.sandbox.port_base + 1);
        let request = self.request(Method::GET, &uri).header("host", "s3.eu-west-1.amazonaws.com");
        self.sandbox.ask(request.body(Full::default()).unwrap()).await
    }

    fn request(&self, method: Method, uri: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", format!("Bearer {}", self.token))
            .header("x-tenant-id", &self.tenant)
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn reason(&self) -> Option<&str> {
        self.header("x-palisade-reason")
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} is no JSON: {}", self.status, self.body))
    }
}

/// Runs the binary to its end: exit code, standard output, standard error.
pub(super) fn palisade(args: &[&str]) -> (i32, String, String) {
    palisade_in(&env::temp_dir(), args)
}

/// The same, with a temporary directory of its own.
pub(super) fn palisade_in(temporary: &Path, args: &[&str]) -> (i32, String, String) {
    let output = command(temporary, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn command(temporary: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command.args(args).env("TMPDIR", temporary);
    command
}

/// Five ports in a row that nobody has, below the ones that systems give out by themselves.
pub(super) fn free_port_base() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let spread = u16::try_from(std::process::id() % 400).unwrap() * 50;
    for _ in 0..100 {
        let base = 10_000 + (spread + NEXT.fetch_add(5, Ordering::Relaxed)) % 20_000;
        let held: Vec<_> = (0..5).map_while(|offset| TcpListener::bind(("127.0.0.1", base + offset)).ok()).collect();
        if held.len() == 5 {
            return base;
        }
    }
    panic!("there are no five free ports in a row");
}

/// HTTP/2 or 1.1, whichever the other side chooses, and trust in one authority alone.
fn client(authority: Option<&Path>) -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = authority {
        roots.add(CertificateDer::from_pem_file(path).unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_all_versions().build();
    Client::builder(TokioExecutor::new()).build(connector)
}
