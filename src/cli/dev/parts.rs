//! Parts of the sandbox, each by itself, for a Palisade that runs beside them with a configuration of one's own: in containers, say.
//!
//! `files` makes what they share, `backends` are the identity provider and the AWS double, `application` is the demo application. None of
//! them is safe to show to a network that is not yours: the identity provider gives anybody a token for any tenant.

use std::{
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{
    certificates::Certificates,
    sandbox::{self, Ports, SandboxError, Surroundings},
    say,
};
use crate::{
    clock::Clock,
    sandbox::{app::DemoApp, idp::IdentityProvider},
    secret::Secret,
};

const BASE_SECRET: &str = "base-secret";
const FILES: [&str; 5] = ["ca.crt", "server.crt", "server.key", BASE_SECRET, "admin-token"];

/// Arguments of `palisade dev files`.
#[derive(Debug, clap::Args)]
pub(super) struct FilesArgs {
    /// The folder, which has to be there.
    #[arg(long, value_name = "FOLDER")]
    into: PathBuf,
    /// Another name than localhost that the certificate is for; may be given again.
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
}

/// Arguments of `palisade dev backends`.
#[derive(Debug, clap::Args)]
pub(super) struct BackendsArgs {
    /// The folder that `palisade dev files` wrote.
    #[arg(long, value_name = "FOLDER")]
    files: PathBuf,
    /// The address to listen on; 0.0.0.0 in a container. The ports are the last two of the five.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// What the identity provider calls itself in tokens; http:// and where it listens without it.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

/// Arguments of `palisade dev application`.
#[derive(Debug, clap::Args)]
pub(super) struct ApplicationArgs {
    /// Where it listens for the ingress.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Palisade's egress.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8180")]
    egress: SocketAddr,
}

/// Writes certificates and secrets. What an earlier call has written stays as it is: others may be running with it.
pub(super) fn files(args: &FilesArgs, clock: &Clock) -> Result<(), SandboxError> {
    let folder = &args.into;
    if FILES.iter().all(|name| folder.join(name).exists()) {
        say(&format!("palisade dev files: {} has them; remove them for new ones\n", folder.display()));
        return Ok(());
    }
    let certificates = Certificates::make(&args.host, clock.now())?;
    let (base, admin) = (sandbox::random_text()?, sandbox::random_text()?);
    let texts = [&certificates.authority, &certificates.server, &certificates.server_key, base.expose(), admin.expose()];
    for (name, text) in FILES.iter().zip(texts) {
        write(&folder.join(name), text)?;
    }
    say(&format!("palisade dev files: {} in {}\n", FILES.join(", "), folder.display()));
    Ok(())
}

/// Serves identity provider and AWS double until `stop` is ready.
pub(super) async fn backends(args: BackendsArgs, ports: Ports, clock: Clock, stop: impl Future<Output = ()>) -> Result<(), SandboxError> {
    let path = args.files.join(BASE_SECRET);
    let secret = fs::read_to_string(&path).map_err(|error| {
        let cure = "make it with `palisade dev files`";
        io::Error::new(error.kind(), format!("{}: {error}; {cure}", path.display()))
    })?;
    let (idp, aws) = (ports.idp().port(), ports.aws().port());
    let idp = sandbox::bind(SocketAddr::new(args.listen, idp))?;
    let aws = sandbox::bind(SocketAddr::new(args.listen, aws))?;
    let (issuer, told) = (args.issuer.unwrap_or_else(|| format!("http://{}", idp.local_addr())), [idp.local_addr(), aws.local_addr()]);
    let double = sandbox::aws_double(Secret::new(secret.trim_end().to_owned()), clock.clone())?;
    let provider = IdentityProvider::new(issuer.clone(), clock)?;
    let mut around = Surroundings::new();
    around.add(idp, |listener, stopped| provider.serve(listener, stopped));
    around.add(aws, |listener, stopped| double.serve(listener, stopped));
    say(&format!("palisade dev backends: ready; identity provider {} as {issuer}, AWS double {}\n", told[0], told[1]));
    stop.await;
    around.end().await;
    Ok(())
}

/// Serves the demo application until `stop` is ready.
pub(super) async fn application(args: &ApplicationArgs, clock: Clock, stop: impl Future<Output = ()>) -> Result<(), SandboxError> {
    let bound = sandbox::bind(args.listen)?;
    let address = bound.local_addr();
    let application = DemoApp::new(args.egress, clock);
    let mut around = Surroundings::new();
    around.add(bound, |listener, stopped| application.serve(listener, stopped));
    say(&format!("palisade dev application: ready; listens on {address}, goes out by {}\n", args.egress));
    stop.await;
    around.end().await;
    Ok(())
}

/// For its owner alone, and anew: a link in its place is not followed.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(error)),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(named)?;
    file.write_all(text.as_bytes()).map_err(named)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use http::{Method, StatusCode};
    use tokio::sync::oneshot;

    use super::*;
    use crate::admin::client;

    #[test]
    fn files_are_private_and_stay_until_one_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let args = FilesArgs { into: folder.path().to_owned(), host: vec!["palisade".to_owned()] };
        let all = || FILES.map(|name| fs::read_to_string(folder.path().join(name)).unwrap());
        files(&args, &Clock::system()).unwrap();
        let first = all();
        for name in FILES {
            assert_eq!(fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
        files(&args, &Clock::system()).unwrap();
        assert_eq!(all(), first);
        fs::remove_file(folder.path().join("ca.crt")).unwrap();
        files(&args, &Clock::system()).unwrap();
        assert!(all().iter().zip(&first).all(|(new, old)| new != old), "parts of two issues do not go together");

        let nowhere = FilesArgs { into: folder.path().join("nowhere"), host: Vec::new() };
        assert!(files(&nowhere, &Clock::system()).unwrap_err().to_string().contains("nowhere/ca.crt"));
    }

    #[tokio::test]
    async fn backends_want_their_files_and_name_themselves_as_they_are_told() {
        let folder = tempfile::tempdir().unwrap();
        // Ports of the system's choice would not be known to the test. These are below those that the kernel gives to connections.
        let some = || Ports(20_000 + u16::try_from(getrandom::u32().unwrap() % 10_000).unwrap());
        let args = |issuer: &str| BackendsArgs {
            files: folder.path().to_owned(),
            listen: Ipv4Addr::LOCALHOST.into(),
            issuer: Some(issuer.to_owned()),
        };
        let missing = backends(args("http://idp:1"), some(), Clock::system(), async {}).await.unwrap_err().to_string();
        assert!(missing.contains("base-secret") && missing.contains("palisade dev files"), "{missing}");

        fs::write(folder.path().join(BASE_SECRET), "s3cret").unwrap();
        let limit = std::time::Duration::from_secs(5);
        let mut attempts = 0;
        let (stop, served, answer) = 'attempt: loop {
            let (ports, (stop, stopped)) = (some(), oneshot::channel::<()>());
            let served = tokio::spawn(backends(args("http://idp:1"), ports, Clock::system(), async { drop(stopped.await) }));
            while !served.is_finished() {
                if let Ok(answer) =
                    client::call(&ports.idp().to_string(), Method::GET, "/.well-known/openid-configuration", None, limit).await
                {
                    break 'attempt (stop, served, answer);
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            // Somebody else may be on them.
            attempts += 1;
            assert!(attempts < 5, "{:?}", served.await);
        };
        assert_eq!(answer.0, StatusCode::OK);
        assert!(String::from_utf8_lossy(&answer.1).contains("\"issuer\": \"http://idp:1\""));
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
    }
}
