//! From a checked document to [`Config`]: the conversion, and the rules about how settings go together.
//!
//! Functions here return `None` for what could not be built; the error has been reported by then, and the whole is refused.
//! Everything is read before anything is given up, so that one run reports every error.

use std::{io::Read, net::SocketAddr, path::Path};

use super::{
    AdminConfig, BaseConfig, Config, ConfigErrors, CredentialsConfig, DirectoryConfig, EgressConfig, GuardConfig, IngressConfig,
    PlanConfig, ProbesConfig, ResourcesConfig, ServerConfig, TlsConfig, UsersConfig,
    companions::{Companions, Look},
    document::Bounds,
    reader::{Files, Reader, Section},
    settings::{ROOT, parse},
};
use crate::telemetry::Listener;

mod arns;
mod clients;
mod context;
mod credentials;
mod deferred;
mod egress;
mod endpoints;
mod guard;
mod identity;
mod ingress;
mod issuers;
mod keys;
mod limits;
mod passport;
mod plans;
mod presets;
mod revoked;
mod roles;
mod routing;
mod secret;
mod session_policy;
mod shutdown;
mod tables;
mod telemetry;
mod tenants;
mod traces;
mod users;
mod verification;
mod workloads;

pub(crate) use self::{
    limits::{limits, one_second},
    revoked::revoked,
};

/// Where a variable of the environment comes from.
type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

impl Config {
    /// Reads and validates a configuration. `path` is its file, to which relative paths in it are relative; or `env:NAME`, the variable of the
    /// environment that holds its text, in which they are relative to the working directory. `env` answers for that variable, and for those
    /// that secrets refer to.
    ///
    /// # Errors
    /// Everything that is wrong with the file, each with line, column, key and what would be right.
    pub fn load(path: &Path, env: Env<'_>) -> Result<Self, ConfigErrors> {
        let origin = path.display().to_string();
        let text = read_config(path, env).map_err(|wrong| ConfigErrors::of_file(&origin, wrong, ""))?;
        let mut config = Self::parse(&text, &origin, path.parent().unwrap_or(Path::new("")), env)?;
        // A variable of the environment stays as it is.
        if !origin.starts_with("env:") {
            config.companions.note(String::new(), path.to_owned(), Look::of(text.as_bytes()));
        }
        Ok(config)
    }

    /// As [`Config::load`], for somebody who runs nothing: certificates, keys, tokens and variables are not looked for, and secrets are made
    /// up. Returned as well are the settings that this concerns.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_without_files(path: &Path) -> Result<(Self, Vec<String>), ConfigErrors> {
        let origin = path.display().to_string();
        let text = read_config(path, &environment).map_err(|wrong| ConfigErrors::of_file(&origin, wrong, ""))?;
        let base = path.parent().unwrap_or(Path::new(""));
        let reader = Reader::open(&text, &origin, base, ROOT, Bounds::CONFIG)?.looking_for(Files::Named);
        let built = config(&reader.root(), &|_| None);
        let untried = reader.untried();
        let (config, effective) = reader.finish(built)?;
        Ok((Self { effective, ..config }, untried))
    }

    /// As [`Config::load`], from text. `origin` names it in errors; relative paths are relative to `base`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, origin: &str, base: &Path, env: Env<'_>) -> Result<Self, ConfigErrors> {
        let reader = Reader::open(text, origin, base, ROOT, Bounds::CONFIG)?;
        let built = config(&reader.root(), env);
        let companions = reader.companions();
        let (config, effective) = reader.finish(built)?;
        Ok(Self { effective, companions, ..config })
    }
}

/// What a variable of this process's environment holds.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The text of a configuration: of the variable that `env:NAME` names, or of the file at `path`. A file of such a name is `./env:NAME`.
///
/// # Errors
/// Why it cannot be read, as a message.
pub(crate) fn read_config(path: &Path, env: Env<'_>) -> Result<String, String> {
    let Some(name) = path.to_str().and_then(|path| path.strip_prefix("env:")) else { return read_text(path, Bounds::CONFIG.bytes) };
    let text = env(name).filter(|text| !text.trim().is_empty());
    let text = text.ok_or("is not set or is empty; give the variable the text of a configuration, or --config a file")?;
    if text.len() > Bounds::CONFIG.bytes {
        return Err(format!("has more than {} bytes", Bounds::CONFIG.bytes));
    }
    Ok(text)
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// Why it cannot be read, as a message.
pub(crate) fn read_text(path: &Path, limit: usize) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    // One more than is allowed, to tell "just enough" from "too much".
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() > limit {
        return Err(format!("has more than {limit} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

fn config(root: &Section<'_>, env: Env<'_>) -> Option<Config> {
    let server = root.section("server");
    let (has_ingress, has_egress) = (root.has("ingress"), root.has("egress"));
    if !has_ingress && !has_egress {
        root.wrong("ingress", "neither ingress nor egress is here", "give at least one of them");
    }
    let takes_tokens = has_ingress || egress::takes_tokens(&root.section("egress"));
    let identity =
        root.given("identity").and_then(|section| identity::identity(&section, (has_ingress, has_egress), takes_tokens, root.has("users")));
    let names = identity.as_ref().map(|identity| (&identity.tenant_header, &identity.token_header));
    let ingress = root.given("ingress").map(|section| ingress::ingress(&section, &server, names, has_egress, env));
    let has_workloads =
        identity.as_ref().is_none_or(|identity| identity.workloads.mappings.iter().any(|own| own.holds_on(Listener::Egress)));
    let egress = root.given("egress").map(|section| egress::egress(&section, &server, has_ingress, has_workloads, env));
    let region = egress.as_ref().and_then(|egress| egress.as_ref()).map(|egress| egress.region.as_str());
    if let (Some(workloads), Some(section)) = (identity.as_ref().map(|identity| &identity.workloads), root.given("identity")) {
        let (asked, proves) = certificates_asked(ingress.as_ref(), egress.as_ref());
        clients::workloads_can_apply(&section, workloads, &asked, proves);
    }
    let users = root.given("users").map(|section| users::users(&section, region, identity.as_ref()));
    let of_users =
        users.iter().flatten().find_map(|users| if let UsersConfig::DynamoDb(users) = users { Some(&users.table) } else { None });
    let directory = root.given("tenants").and_then(|section| tenants::directory(&section, region));
    let of_tenants = if let Some(DirectoryConfig::DynamoDb(tenants)) = &directory { Some(&tenants.table) } else { None };
    let is_table = |key| root.given(key).and_then(|section| section.given("directory")).is_some_and(|directory| directory.has("dynamodb"));
    let asks_aws = is_table("tenants") || is_table("users");
    let base_region = region.or(of_tenants.or(of_users).map(|table| table.region.as_str()));
    let services: Vec<&str> = egress.iter().flatten().flat_map(|egress| egress.services.keys()).map(String::as_str).collect();
    let is_beside = is_beside_application(has_ingress, egress.as_ref());
    let around = plans::Around {
        egress: egress.iter().flatten().next().map(|egress| (&services[..], egress.proofs)),
        ids_are_known: !matches!(directory, Some(DirectoryConfig::Any | DirectoryConfig::DynamoDb(_))),
        needs_identity: asks_aws || root.has("workloads"),
        may_be_shared: !is_beside,
    };
    let (mut credentials, base) = credentials_of(root, base_region, around, asks_aws, env);
    let guard = guard::guard(root, egress.as_ref(), around.ids_are_known);
    let relied_on = credentials.iter().flatten().any(|credentials| credentials.plans.need_prefix_free_ids())
        || guard.as_ref().is_some_and(GuardConfig::needs_prefix_free_ids);
    let admin = admin(&root.section("admin"), &server, env);
    let probes = probes(&root.section("probes"), &server);
    context::published(root, ingress.iter().flatten().next(), probes.is_some());
    let on_suspend = tenants::on_suspend(&root.section("tenants"));
    users::bound(root, identity.as_ref(), matches!(directory, Some(DirectoryConfig::Any)));
    let headers = ingress.iter().flatten().flat_map(|ingress| &ingress.headers).flat_map(|(_, template)| template.names());
    let of_sessions = credentials.iter().flatten().flat_map(|credentials| credentials.plans.all()).flat_map(PlanConfig::names);
    users::needed(root, headers.chain(of_sessions));
    let mapped = identity.as_ref().map_or(&[][..], |identity| &identity.workloads.mappings[..]);
    let workloads = workloads::workloads(root, egress.as_ref(), mapped);
    if let Some(Some(credentials)) = &mut credentials {
        let tables = [("tenants.directory.dynamodb", of_tenants), ("users.directory.dynamodb", of_users)];
        let beside = roles::Beside {
            tables: tables.into_iter().filter_map(|(key, table)| Some((key, table?))).collect(),
            workloads: workloads.as_deref().unwrap_or_default(),
        };
        roles::told_apart(root, credentials, &beside);
    }
    let limits = limits::limits_config(&root.section("limits"));
    let telemetry = telemetry::telemetry(&root.section("telemetry"), has_egress, env);
    let shutdown = shutdown::shutdown(&root.section("shutdown"));
    let resources = ResourcesConfig { memory: root.section("resources").get("memory", parse::size).map(|bytes| bytes as u64) };
    // Shown under its own name as well, since it is in the file.
    server_config(&server, &server);
    let egress_listen = egress.iter().flatten().flat_map(|egress| egress.listen.iter().map(|listen| ("egress", *listen)));
    let one = |name, listen: Option<SocketAddr>| listen.map(|listen| (name, listen));
    let ingress_listen = one("ingress", ingress.iter().flatten().map(|ingress| ingress.listen).next());
    let admin_listen = one("admin", admin.as_ref().map(|admin| admin.listen));
    let probes_listen = one("probes", probes.iter().flatten().map(|probes| probes.listen).next());
    distinct_addresses(root, ingress_listen.into_iter().chain(egress_listen).chain(admin_listen).chain(probes_listen));
    Some(Config {
        ingress: flatten(ingress)?,
        egress: flatten(egress)?,
        admin: admin?,
        probes: flatten(probes)?,
        identity: identity?,
        directory: directory.map(|directory| if relied_on { tenants::prefix_free(directory) } else { directory })?,
        on_suspend: on_suspend?,
        users: flatten(users)?,
        credentials: flatten(credentials)?,
        base: flatten(base)?,
        workloads: workloads?,
        guard: guard?,
        limits: limits?,
        resources,
        shutdown: shutdown?,
        telemetry: telemetry?,
        effective: serde_json::Value::Null,
        companions: Companions::default(),
    })
}

/// Which listeners ask clients for certificates, and whether one is a proof on the egress. A listener that could not be read counts as asking:
/// its own errors are reported.
fn certificates_asked(ingress: Option<&Option<IngressConfig>>, egress: Option<&Option<EgressConfig>>) -> (Vec<Listener>, bool) {
    let asks = |tls: Option<&TlsConfig>| tls.is_some_and(|tls| tls.clients.is_some());
    let mut asked = Vec::new();
    if ingress.is_some_and(|ingress| ingress.as_ref().is_none_or(|ingress| asks(Some(&ingress.tls)))) {
        asked.push(Listener::Ingress);
    }
    if egress.is_some_and(|egress| egress.as_ref().is_none_or(|egress| asks(egress.tls.as_ref()))) {
        asked.push(Listener::Egress);
    }
    (asked, egress.is_some_and(|egress| egress.as_ref().is_none_or(|egress| egress.proofs.certificate)))
}

/// Whether an application shares this process's network namespace: one behind the ingress, or one that comes to the egress over loopback or a Unix socket. An egress
/// that could not be read counts as one.
fn is_beside_application(has_ingress: bool, egress: Option<&Option<EgressConfig>>) -> bool {
    let on_loopback = |egress: &EgressConfig| egress.socket.is_some() || egress.listen.iter().any(|listen| listen.ip().is_loopback());
    has_ingress || egress.is_some_and(|egress| egress.as_ref().is_none_or(on_loopback))
}

/// Absent, there and wrong, and built are three answers: an outer `None` is "absent", an inner one "wrong". "Absent" is as good as "built"; only "there and wrong" is a failure.
fn flatten<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    part.map_or(Some(None), |built| built.map(Some))
}

/// A part of the configuration: absent, wrong, or built.
type Part<T> = Option<Option<T>>;

/// Tenant credentials where there is an egress; where there is none, and tenants or users are read from AWS, the identity alone.
fn credentials_of(
    root: &Section<'_>,
    region: Option<&str>,
    around: plans::Around<'_>,
    asks_aws: bool,
    env: Env<'_>,
) -> (Part<CredentialsConfig>, Part<BaseConfig>) {
    match (root.given("credentials"), root.has("egress")) {
        (Some(section), true) => (Some(credentials::credentials(&section, region, around, env)), None),
        (Some(section), false) if asks_aws => (None, Some(credentials::base(&section, region, around.may_be_shared, env))),
        (Some(_), false) => {
            root.wrong("credentials", "has no effect without egress", "remove it, or add egress");
            (Some(None), None)
        }
        (None, true) => {
            root.wrong("credentials", "is missing", "egress needs it: give source and assume_role");
            (Some(None), None)
        }
        (None, false) if asks_aws => {
            root.wrong("credentials", "is missing", "tenants or users in DynamoDB need it: give source");
            (None, Some(None))
        }
        (None, false) => (None, None),
    }
}

fn admin(section: &Section<'_>, server: &Section<'_>, env: Env<'_>) -> Option<AdminConfig> {
    let listen = section.get("listen", parse::address);
    let token = secret::secret(section, "token", env);
    let metrics_token = secret::secret(section, "metrics_token", env);
    let quit_from_loopback = section.get("quit_from_loopback", parse::boolean);
    let server = listener(section, server);
    Some(AdminConfig { listen: listen?, token, metrics_token, quit_from_loopback: quit_from_loopback?, server: server? })
}

fn probes(section: &Section<'_>, server: &Section<'_>) -> Option<Option<ProbesConfig>> {
    let server = listener(section, server);
    if section.get("listen", parse::text).as_deref() == Some("none") {
        return None;
    }
    let listen = section.get("listen", parse::address);
    Some(listen.zip(server).map(|(listen, server)| ProbesConfig { listen, server }))
}

/// The `server` of a listener, over the one at the top.
fn listener(section: &Section<'_>, top: &Section<'_>) -> Option<ServerConfig> {
    server_config(&section.section("server"), top)
}

fn server_config(section: &Section<'_>, top: &Section<'_>) -> Option<ServerConfig> {
    let section = section.clone();
    let section = section.over(top);
    let handshake_timeout = section.get("handshake_timeout", parse::duration);
    let header_timeout = section.get("header_timeout", parse::duration);
    let idle_timeout = section.get("idle_timeout", parse::duration);
    let header_bytes = section.get("header_bytes", parse::size);
    let headers = section.get("headers", parse::size);
    let uri_bytes = section.get("uri_bytes", parse::size);
    let connections = section.get("connections", parse::size);
    let drain = section.get("drain", parse::duration);
    Some(ServerConfig {
        handshake_timeout: handshake_timeout?,
        header_timeout: header_timeout?,
        idle_timeout: idle_timeout?,
        header_bytes: header_bytes?,
        headers: headers?,
        uri_bytes: uri_bytes?,
        connections: connections?,
        drain: drain?,
    })
}

/// Two listeners on one address would be found at start; better before.
fn distinct_addresses(root: &Section<'_>, addresses: impl Iterator<Item = (&'static str, SocketAddr)>) {
    let mut seen: Vec<(&str, SocketAddr)> = Vec::new();
    for (name, listen) in addresses {
        let clash = seen.iter().find(|(_, other)| {
            other.port() == listen.port() && (other.ip() == listen.ip() || other.ip().is_unspecified() || listen.ip().is_unspecified())
        });
        // Port 0 is a different port each time.
        if let Some((other, address)) = clash.filter(|_| listen.port() != 0) {
            root.section(name).wrong("listen", format!("{listen} is taken by {other}, which listens on {address}"), "give another port");
        }
        seen.push((name, listen));
    }
}

#[cfg(test)]
mod tests;
