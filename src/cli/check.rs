//! `palisade check`: validates a configuration and the files that it names. Opens no port and calls nobody.
//!
//! Errors go to standard error, one a line, and end with exit code 2. What can be run but weakens the security claim is said
//! as well, as a warning: it is a decision to take on purpose.

mod named;
mod plans;

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use super::MISUSED;
use crate::{
    app,
    authorise::{Asks, Unmatched},
    aws::{
        action::{Actions, iam_service},
        resource::ResourcePattern,
        service::Service,
    },
    clock::Clock,
    config::show_duration,
    config::{
        AccessConfig, CacheConfig, Config, CorsConfig, CorsRules, CredentialsSource, DirectoryConfig, EgressConfig, Endpoint, IssuerConfig,
        JwksSource, KeyPolicy, Origins, PassportRule, RouteConfig, RoutingConfig, ServiceConfig, TableConfig, Upstream, UsersConfig,
    },
    directory::{Changes, Directory, OpenError, TenantRecord, TenantStatus, users::UserDirectory},
    identity::workload::WORKLOAD_ISSUER,
    routes::{Routes, place},
    telemetry::Metrics,
};

/// Tenants that are named in warnings of one kind.
const SHOWN: usize = 10;
/// Failures a second from which on a budget bounds nothing: one core checks about as many tokens.
const UNBOUNDED: f64 = 10_000.0;
/// An outage that lasts longer is one that somebody works on.
const LONG_STALE: Duration = Duration::from_secs(3_600);

/// The command line of `palisade check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Validates the file, and the tenant records, certificates and keys that it names.
pub fn run(args: &Args) -> ExitCode {
    let code = check(&args.config, &|name| std::env::var(name).ok(), &mut io::stdout().lock(), &mut io::stderr().lock());
    // Where nobody reads, the exit code still says it.
    ExitCode::from(code.unwrap_or(MISUSED))
}

fn check(path: &Path, env: &dyn Fn(&str) -> Option<String>, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let config = match Config::load(path, env) {
        Ok(config) => config,
        Err(errors) => {
            writeln!(err, "{errors}")?;
            return Ok(MISUSED);
        }
    };
    let probed = app::probe(&config, &path.display().to_string());
    let (directory, users) = match (directory(&config), users(&config), probed) {
        (Ok(directory), Ok(users), Ok(())) => (directory, users),
        (opened, users, probed) => {
            let errors = [opened.err().map(|e| e.to_string()), users.err(), probed.err().map(|e| e.to_string())];
            for errors in errors.into_iter().flatten() {
                writeln!(err, "{errors}")?;
            }
            return Ok(MISUSED);
        }
    };
    let directory = directory.as_ref();
    let mut found = warnings(&config, directory);
    directories(&mut |text| found.push(text), &config, directory, users.as_ref());
    for warning in found {
        writeln!(err, "{}: warning: {warning}", path.display())?;
    }
    writeln!(out, "{}: ok: {}", path.display(), summary(&config, directory, users.as_ref()))?;
    Ok(0)
}

/// The tenants, where they are at hand. A table is not asked: that is for a process that runs.
fn directory(config: &Config) -> Result<Option<Directory>, OpenError> {
    match &config.directory {
        DirectoryConfig::DynamoDb(_) => Ok(None),
        at_hand @ (DirectoryConfig::Any | DirectoryConfig::File(_) | DirectoryConfig::PrefixFreeFile(_)) => {
            Directory::open(at_hand, None).map(Some)
        }
    }
}

/// The users of a file. A table is not asked: that is for a process that runs.
fn users(config: &Config) -> Result<Option<UserDirectory>, String> {
    let Some(users @ UsersConfig::File(_)) = &config.users else { return Ok(None) };
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let opened = UserDirectory::open(users, None, &Changes::default(), &Clock::system(), &metrics);
    opened.map(Some).map_err(|error| error.to_string())
}

fn summary(config: &Config, directory: Option<&Directory>, users: Option<&UserDirectory>) -> String {
    let mut parts = Vec::new();
    if let Some(ingress) = &config.ingress {
        parts.push(format!("ingress {}", ingress.listen));
    }
    if let Some(egress) = &config.egress {
        let listen: Vec<_> = egress.listen.iter().map(ToString::to_string).collect();
        let services: Vec<_> = egress.services.keys().map(String::as_str).collect();
        let socket = egress.socket.as_ref().map(|socket| format!(" {}", socket.path.display())).unwrap_or_default();
        parts.push(format!("egress {}{socket} to {}", listen.join(" "), services.join(" ")));
    }
    parts.push(match &config.directory {
        DirectoryConfig::Any => "any tenant".to_owned(),
        DirectoryConfig::DynamoDb(tenants) => format!("tenants in table {}", tenants.table.name),
        DirectoryConfig::File(_) | DirectoryConfig::PrefixFreeFile(_) => format!("tenants: {}", records(directory).len()),
    });
    match &config.users {
        None => {}
        Some(UsersConfig::File(_)) => parts.push(format!("users: {}", users.and_then(UserDirectory::count).unwrap_or_default())),
        Some(UsersConfig::DynamoDb(table)) => parts.push(format!("users in table {}", table.table.name)),
    }
    parts.push(format!("issuers: {}", config.identity.issuers.len()));
    parts.join(", ")
}

/// What works, and is outside the security claim or next to it.
fn warnings(config: &Config, directory: Option<&Directory>) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |text: String| warnings.push(text);
    if let Some(egress) = &config.egress {
        if egress.proofs.jwt {
            let beside = if egress.proofs.passport { "besides passports" } else { "and no passports" };
            warn(format!(
                "egress.proofs takes JWTs {beside}: outside the security claim, since a token that leaks works for its whole life"
            ));
        }
        if egress.proofs.certificate {
            warn(
                "egress.proofs takes certificates: whoever has the key of a workload's certificate acts for its tenant, with no request in progress"
                    .to_owned(),
            );
        }
        for listen in egress.listen.iter().filter(|listen| egress.tls.is_none() && !listen.ip().is_loopback()) {
            warn(format!("egress.listen {listen} is not loopback: proofs of live requests cross a network in plain HTTP"));
        }
        if egress.presign.is_some() {
            warn(
                "egress.presign is set: outside the security claim, since a presigned URL works without Palisade until it expires"
                    .to_owned(),
            );
            let is_s3 = |(name, service): (&String, &ServiceConfig)| service.signing_name.as_deref().unwrap_or(name) == "s3";
            if !egress.services.iter().any(is_s3) {
                warn("egress.presign has no effect: no service in egress.services signs as s3".to_owned());
            }
        }
        for (name, audience) in egress.defer.iter().flat_map(|defer| &defer.audiences) {
            warn(format!(
                "egress.defer.audiences.{name} is set: outside the security claim, since a context outlives its request, and its caller's token, \
                 by up to {}",
                show_duration(audience.max_lifetime)
            ));
        }
        if let Some(redeem) = &egress.redeem {
            warn(format!(
                "egress.redeem is set: outside the security claim, since what was sealed for {} works until it expires, for whoever reaches this \
                 egress with it",
                redeem.audience
            ));
        }
        for (name, service) in &egress.services {
            plain(&mut warn, &format!("egress.services.{name}.endpoint"), service.endpoint.as_ref());
        }
    }
    if let Some(ingress) = &config.ingress {
        routing(&mut warn, &ingress.routing, directory, matches!(config.directory, DirectoryConfig::Any));
        let is_elsewhere = |(_, route): &(String, &RouteConfig)| !route.upstreams.iter().all(Upstream::is_on_this_host);
        if let Some((key, _)) = ingress.routing.all().find(is_elsewhere)
            && takes_passports(config)
        {
            warn(format!(
                "{key}.upstream is not on this host, and egress.proofs takes passports, which work at the replica alone that made them: run one Palisade beside each copy of the application"
            ));
        }
    }
    passports(&mut warn, config);
    workloads(&mut warn, config);
    if let Some(ingress) = &config.ingress
        && ingress.origin.hops > 0
        && ingress.origin.proxies.is_empty()
    {
        warn(
            "ingress.trusted_hops without trusted_proxies: whoever reaches the listener without a proxy says itself where it comes from"
                .to_owned(),
        );
    }
    if let Some(ingress) = &config.ingress {
        access(&mut warn, &ingress.access);
    }
    let of_base = || config.base.as_ref().map(|base| (&base.source, &base.sts));
    if let Some((source, sts)) = config.credentials.as_ref().map(|credentials| (&credentials.source, &credentials.sts)).or_else(of_base) {
        plain(&mut warn, "credentials.sts.endpoint", sts.endpoint.as_ref());
        if matches!(source, CredentialsSource::Static { .. }) {
            warn(
                "credentials.source is a fixed key: it stays valid wherever it gets to; prefer web_identity, or a file that is rotated"
                    .to_owned(),
            );
        }
        shared(&mut warn, config, source);
    }
    plans::warnings(&mut warn, config, directory);
    warm_up(&mut warn, config, directory);
    config.identity.issuers.iter().for_each(|issuer| issuers(&mut warn, issuer));
    granting_anything(&mut warn, config);
    if config.identity.verification.failures.per_second >= UNBOUNDED {
        warn("identity.verification.failures is as good as none: junk from one address takes checks from everybody".to_owned());
    }
    if matches!(config.directory, DirectoryConfig::Any) {
        warn("tenants.directory is any: no tenant can be suspended, and nothing revoked".to_owned());
    }
    if config.admin.metrics_token.is_none() && !config.admin.listen.ip().is_loopback() {
        warn("admin.metrics_token is unset and admin.listen is not loopback: the names of tenants are open to the network".to_owned());
    }
    named::tiers(&mut warn, config, directory);
    named::roles(&mut warn, config);
    named::services(&mut warn, config);
    named::certificates(&mut warn, config, Clock::system().now());
    warnings
}

fn takes_passports(config: &Config) -> bool {
    config.egress.as_ref().is_some_and(|egress| egress.proofs.passport)
}

/// What makes passports worth more than a request, or less than was meant.
fn passports(warn: &mut dyn FnMut(String), config: &Config) {
    let (Some(passport), Some(egress)) = (&config.identity.passport, &config.egress) else { return };
    let rules = config.ingress.iter().flat_map(|ingress| ingress.access.endpoints.rules()).map(|rule| &rule.passport);
    let rules: Vec<_> = rules.enumerate().map(|(number, rule)| (format!("ingress.endpoints[{number}].passport"), rule)).collect();
    if !egress.proofs.passport {
        if passport.terms.actions.is_some() || passport.terms.max_uses.is_some() {
            warn("identity.passport binds nothing: egress.proofs takes no passports".to_owned());
        }
        if rules.iter().any(|(_, rule)| **rule != PassportRule::default()) {
            warn("passport in ingress.endpoints has no effect: egress.proofs takes no passports".to_owned());
        }
        return;
    }
    if !passport.grace.is_zero() {
        warn("identity.passport.grace is set: a passport works for that long after its request has ended".to_owned());
    }
    let served = served(egress);
    let everywhere = ("identity.passport".to_owned(), &passport.terms.actions);
    for (key, actions) in std::iter::once(everywhere).chain(rules.into_iter().map(|(key, rule)| (key, &rule.actions))) {
        let named: BTreeSet<&str> = actions.iter().flat_map(Actions::services).collect();
        for service in named.into_iter().filter(|service| !served.contains(*service)) {
            warn(format!("{key}.actions names {service}, which is what IAM calls none of egress.services: it allows nothing"));
        }
    }
}

/// What a workload may do more, or less, than was meant.
fn workloads(warn: &mut dyn FnMut(String), config: &Config) {
    let Some(egress) = &config.egress else { return };
    let served = served(egress);
    for workload in &config.workloads {
        let name = &workload.name;
        if workload.resources.iter().any(ResourcePattern::is_everything) {
            warn(format!("workloads.{name}.resources is everything: its role's policy is all that limits what its actions are done with"));
        }
        let named: BTreeSet<&str> = workload.actions.services().collect();
        for service in named.into_iter().filter(|service| !served.contains(*service)) {
            warn(format!("workloads.{name}.actions names {service}, which is what IAM calls none of egress.services: it allows nothing"));
        }
    }
}

/// IAM's names of the services that may be called.
fn served(egress: &EgressConfig) -> BTreeSet<String> {
    let signing = |(name, service): (&String, &ServiceConfig)| {
        let known = Service::find(name).map_or(name.as_str(), |known| known.signing_name);
        iam_service(service.signing_name.as_deref().unwrap_or(known)).to_owned()
    };
    egress.services.iter().map(signing).collect()
}

fn issuers(warn: &mut dyn FnMut(String), issuer: &IssuerConfig) {
    if let JwksSource::Uri { uri, .. } | JwksSource::Discovery { document: uri, .. } = &issuer.jwks
        && uri.scheme_str() == Some("http")
    {
        warn(format!("the keys of {} come over plain HTTP: whoever answers there can make tokens", issuer.issuer));
    }
    if issuer.key_policy.max_stale > KeyPolicy::default().max_stale {
        warn(format!("jwks.max_stale of {} is over 24h: a key that is withdrawn during an outage is believed as long", issuer.issuer));
    }
    // RFC 8725, section 3.12: rules that two kinds of token cannot both meet. An ID token has the client as its audience.
    if issuer.claims.audience.0 != "aud" && issuer.rules.required.is_empty() {
        warn(format!(
            "claims.audience of {} is {}, and required_claims is unset: other tokens of the issuer, such as ID tokens, may pass for access tokens",
            issuer.issuer, issuer.claims.audience.0
        ));
    }
}

/// Of several issuers, those whose tokens may name any role or scope that a rule asks for.
fn granting_anything(warn: &mut dyn FnMut(String), config: &Config) {
    let Some(ingress) = config.ingress.as_ref().filter(|_| config.identity.issuers.len() > 1) else { return };
    let asked = |of: fn(&Asks) -> bool| ingress.access.endpoints.rules().any(|rule| of(&rule.asks));
    let roles = config.users.is_none() && asked(|asks| matches!(asks, Asks::Tenant { roles, .. } if !roles.is_empty()));
    let scopes = asked(|asks| matches!(asks, Asks::Tenant { scopes, .. } if !scopes.is_empty()));
    for issuer in &config.identity.issuers {
        for (what, lacking) in [("roles", roles && issuer.grants.roles.is_none()), ("scopes", scopes && issuer.grants.scopes.is_none())] {
            if lacking {
                warn(format!(
                    "{what} of {} is unset: its tokens may name any of the {what} that ingress.endpoints asks for, whoever runs it",
                    issuer.issuer
                ));
            }
        }
    }
}

/// What lets in more than a reader of the rules may think.
fn access(warn: &mut dyn FnMut(String), access: &AccessConfig) {
    for (number, rule) in access.endpoints.rules().enumerate().filter(|(_, rule)| rule.asks == Asks::Nothing) {
        let who = if rule.clients.is_empty() { "anybody" } else { "each of its clients" };
        warn(format!(
            "ingress.endpoints[{number}] {} is public: {who} may call it without a token, and no tenant's limits hold",
            rule.path.as_str()
        ));
    }
    if access.endpoints.rules().next().is_some() && access.endpoints.unmatched() == Unmatched::Allow {
        warn("ingress.endpoints_default is allow: what no rule fits is open to every user of every tenant".to_owned());
    }
    if access.places.cookie.as_ref().is_some_and(|cookie| !cookie.is_bound_to_host()) {
        warn(
            "ingress.token_cookie does not begin with __Host-: pages on sibling hosts, which may be other tenants', can plant it"
                .to_owned(),
        );
    }
    let Some(CorsConfig::Answer(CorsRules { origins, .. })) = &access.cors else { return };
    match origins {
        Origins::Any => {
            warn(
                "ingress.cors.answer.origins is everybody: every page can use a token that it has got hold of, and read the answers"
                    .to_owned(),
            );
        }
        Origins::These(origins) => {
            for origin in origins.iter().filter(|origin| origin.starts_with("http://")) {
                warn(format!("ingress.cors.answer.origins has {origin}: whoever can change its pages on the way can call as their users"));
            }
        }
    }
}

/// What the records of tenants and users say and will not do.
fn directories(warn: &mut dyn FnMut(String), config: &Config, directory: Option<&Directory>, users: Option<&UserDirectory>) {
    // Who redeems contexts may meet users of issuers that only the sealer knows.
    let redeems = config.egress.as_ref().is_some_and(|egress| egress.redeem.is_some());
    let is_known =
        |name: &String| redeems || name == WORKLOAD_ISSUER || config.identity.issuers.iter().any(|issuer| &issuer.issuer == name);
    let revoked_issuers = directory.map(Directory::revoked_issuers).unwrap_or_default();
    for issuer in revoked_issuers.iter().filter(|issuer| !is_known(issuer)) {
        warn(format!("the tenant records revoke something of {issuer:?}, which is no issuer of identity.issuers: that has no effect"));
    }
    for issuer in users.iter().flat_map(|users| users.issuers()).filter(|issuer| !is_known(issuer)) {
        warn(format!("the users of {issuer:?} are of no issuer of identity.issuers: none of them will ever be asked for"));
    }
    if let DirectoryConfig::DynamoDb(tenants) = &config.directory {
        table(warn, "tenants", &tenants.table, &tenants.cache);
    }
    if let Some(UsersConfig::DynamoDb(users)) = &config.users {
        table(warn, "users", &users.table, &users.cache);
    }
}

/// What makes a directory in a table weaker than it could be.
fn table(warn: &mut dyn FnMut(String), whose: &str, table: &TableConfig, cache: &CacheConfig) {
    let key = format!("{whose}.directory.dynamodb");
    plain(warn, &format!("{key}.endpoint"), table.endpoint.as_ref());
    if table.reader.is_none() {
        warn(format!(
            "{key}.role_arn is unset: the identity that can become every tenant reads the table itself; it should be able to do nothing but assume roles"
        ));
    }
    if cache.max_stale > LONG_STALE {
        warn(format!("{key}.max_stale is over an hour: so long one of the {whose} that is suspended is served while DynamoDB is down"));
    }
}

fn records(directory: Option<&Directory>) -> Vec<Arc<TenantRecord>> {
    directory.map(Directory::records).unwrap_or_default()
}

/// What decides, or may decide, that the application can be who Palisade is.
fn shared(warn: &mut dyn FnMut(String), config: &Config, source: &CredentialsSource) {
    let accepted = config.effective.pointer("/credentials/shared_with_application").is_some();
    match source {
        _ if accepted => warn(
            "credentials.shared_with_application is accepted: outside the security claim, since an application that asks the same source can assume \
             whatever Palisade can"
                .to_owned(),
        ),
        CredentialsSource::DefaultChain { may_be_shared: false } => warn(
            "credentials.source is default_chain: a start is refused where it leads to what the application can ask as well (instance metadata, task \
             role, Pod Identity, an injected web identity)"
                .to_owned(),
        ),
        CredentialsSource::DefaultChain { .. }
        | CredentialsSource::File(_)
        | CredentialsSource::Nobody
        | CredentialsSource::Static { .. }
        | CredentialsSource::WebIdentity { .. } => {}
    }
}

/// What asks for sessions that cannot be had.
fn warm_up(warn: &mut dyn FnMut(String), config: &Config, directory: Option<&Directory>) {
    let Some((credentials, warm_up)) = config.credentials.as_ref().and_then(|all| Some((all, all.warm_up.as_ref()?))) else { return };
    let reasons: Vec<_> = credentials.plans.all().map(plans::of_users).collect();
    let effect = if reasons.iter().all(Option::is_some) { "has no effect" } else { "does not fetch all" };
    for reason in reasons.into_iter().flatten() {
        warn(format!("credentials.warm_up {effect}: {reason}, which is known with a request alone"));
    }
    match config.directory {
        DirectoryConfig::Any if !warm_up.tiers.is_empty() => {
            warn("credentials.warm_up.tiers has no effect: tenants.directory is any, and no record has a tier".to_owned());
        }
        DirectoryConfig::DynamoDb(_) if !warm_up.tiers.is_empty() => {
            warn(
                "credentials.warm_up.tiers has no effect: tenants.directory is a table, of which nobody knows yet who is in a tier; name \
                 credentials.warm_up.tenants"
                    .to_owned(),
            );
        }
        _ => {}
    }
    let (DirectoryConfig::File(_) | DirectoryConfig::PrefixFreeFile(_), Some(directory)) = (&config.directory, directory) else { return };
    let records = directory.records();
    for tenant in warm_up.tenants.iter().filter(|tenant| !records.iter().any(|record| &record.id == *tenant)) {
        warn(format!("credentials.warm_up.tenants names {tenant}, which the tenant records do not have"));
    }
    for tier in warm_up.tiers.iter().filter(|tier| !records.iter().any(|record| record.tier.as_ref() == Some(tier))) {
        warn(format!("credentials.warm_up.tiers names {tier:?}, which no tenant record has"));
    }
}

fn plain(warn: &mut dyn FnMut(String), key: &str, endpoint: Option<&Endpoint>) {
    if let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.tls) {
        warn(format!("{key} http://{} is plain HTTP: whoever listens there gets signed requests", endpoint.authority));
    }
}

/// Upstreams that others can listen to, and tenants that there is no way for.
fn routing(warn: &mut dyn FnMut(String), config: &RoutingConfig, directory: Option<&Directory>, is_any: bool) {
    for (key, route) in config.all() {
        for upstream in route.upstreams.iter().filter(|upstream| upstream.crosses_a_network_in_clear()) {
            warn(format!("{key}.upstream {upstream} is not loopback: passports cross a network in plain HTTP"));
        }
    }
    if is_any {
        // What every tenant's record holds then.
        let bare = "any".parse().ok().map(TenantRecord::bare);
        for (key, route) in config.all() {
            for why in route.upstreams.iter().filter_map(|upstream| place(upstream, bare.as_ref()).err()) {
                warn(format!("{key}.upstream: every request would be refused (no-route), since tenants.directory is any: {why}"));
            }
            if !route.tiers.is_empty() || !route.cells.is_empty() {
                warn(format!("{key} is for nobody, since tenants.directory is any: no record has a tier or a cell"));
            }
        }
    }
    let routes = Routes::new(config);
    let lost = records(directory).into_iter().filter(|record| record.status == TenantStatus::Active).filter_map(|record| {
        let places =
            |number: usize| routes.all()[number].upstreams.iter().try_for_each(|upstream| place(upstream, Some(&record)).map(drop));
        routes.of(Some(&record)).and_then(places).err().map(|why| format!("{}: {why}", record.id))
    });
    let lost: Vec<_> = lost.collect::<BTreeSet<_>>().into_iter().collect();
    for line in lost.iter().take(SHOWN) {
        warn(format!("every request of this tenant would be refused (no-route): {line}"));
    }
    if lost.len() > SHOWN {
        warn(format!("as would be those of {} other tenants", lost.len() - SHOWN));
    }
}

#[cfg(test)]
#[cfg(feature = "sandbox")]
mod tests {
    use std::fs;

    use super::*;
    use crate::server::tls::tests::Issued;

    const CONFIG: &str = "
ingress: {tls: {certificate: tls.crt, private_key: tls.key}, upstream: http://127.0.0.1:8080}
egress: {region: eu-west-1, services: {s3: {}}}
identity: {issuers: [{issuer: i, audience: a, jwks: {uri: https://idp.example.com/keys}}]}
tenants: {directory: {file: tenants.yaml}}
credentials:
  source: {file: base}
  assume_role: {role_arn: 'arn:aws:iam::111122223333:role/tenants/{tenant.id}'}
";

    /// Exit code, standard output, standard error; the folder's name is replaced by `F`.
    fn check_text(config: &str, tenants: &str) -> (u8, String, String) {
        let folder = tempfile::tempdir().unwrap();
        let (issued, other) = (Issued::new(), Issued::new());
        fs::copy(&issued.files.certificate, folder.path().join("tls.crt")).unwrap();
        fs::copy(&issued.files.private_key, folder.path().join("tls.key")).unwrap();
        fs::copy(&other.files.private_key, folder.path().join("other.key")).unwrap();
        let expired = Issued::until(2020);
        fs::copy(&expired.files.certificate, folder.path().join("old.crt")).unwrap();
        fs::copy(&expired.files.private_key, folder.path().join("old.key")).unwrap();
        for byte in [1, 2] {
            use base64::{Engine, engine::general_purpose::STANDARD};
            fs::write(folder.path().join(format!("seal{byte}")), STANDARD.encode([byte; 32])).unwrap();
        }
        fs::write(folder.path().join("junk"), "x").unwrap();
        fs::write(folder.path().join("token"), "3f9c0b1d5e7a2846c0ffee0123456789").unwrap();
        fs::write(folder.path().join("base"), "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = secret\n").unwrap();
        fs::write(folder.path().join("tenants.yaml"), tenants).unwrap();
        fs::write(folder.path().join("users.yaml"), "issuers: {j: {users: {u: {tenants: {}}}}}").unwrap();
        fs::write(folder.path().join("p.yaml"), config).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = check(&folder.path().join("p.yaml"), &|_| Some("secret".to_owned()), &mut out, &mut err).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&folder.path().display().to_string(), "F");
        (code, text(out), text(err))
    }

    #[test]
    fn a_good_file_gets_one_line() {
        let (code, out, err) = check_text(CONFIG, "tenants: {acme: {}, globex: {}}");
        assert_eq!((code, err.as_str()), (0, ""));
        assert_eq!(out, "F/p.yaml: ok: ingress 0.0.0.0:8443, egress 127.0.0.1:8180 to s3, tenants: 2, issuers: 1\n");
    }

    #[test]
    fn errors_of_both_files_are_found() {
        let (code, out, err) = check_text(&CONFIG.replace("region", "regoin"), "tenants: {}");
        assert_eq!((code, out.as_str(), err.lines().count()), (2, "", 2), "{err}");
        assert!(err.contains("F/p.yaml:3:10: egress.regoin: is not a known setting; did you mean region?"), "{err}");
        let (code, _, err) = check_text(CONFIG, "tenants: {x: {}}");
        assert!(code == 2 && err.starts_with("F/tenants.yaml:1:11: tenants.x:"), "{err}");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(check(Path::new("/nowhere.yaml"), &|_| None, &mut out, &mut err).unwrap(), 2);
        assert!(String::from_utf8(err).unwrap().starts_with("/nowhere.yaml: cannot be read"));
    }

    #[test]
    fn files_that_a_start_would_fail_on_are_errors() {
        for (old, new, key, why) in [
            ("certificate: tls.crt", "certificate: junk", "ingress.tls", "F/junk: it holds no PEM certificate"),
            ("private_key: tls.key", "private_key: junk", "ingress.tls", "F/junk: it holds no PEM private key"),
            ("private_key: tls.key", "private_key: other.key", "ingress.tls", "F/other.key is not the key of the first certificate"),
            (
                "{uri: https://idp.example.com/keys}",
                "{file: junk}",
                "identity.issuers[0].jwks.file",
                "F/junk: the document is not JSON, or has a member twice; give a JWK Set",
            ),
            ("/keys}", "/keys, ca: junk}", "identity.issuers[0].jwks.ca", "F/junk: it holds no PEM certificate"),
            (
                "/keys}",
                "/keys, bearer_token_file: tls.key}",
                "identity.issuers[0].jwks.bearer_token_file",
                "F/tls.key: it holds no token on one line",
            ),
            (
                "{uri: https://idp.example.com/keys}",
                "{inline: {keys: []}}",
                "identity.issuers[0].jwks.inline",
                "the document has no usable public key",
            ),
            (
                "{uri: https://idp.example.com/keys}",
                "{inline: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}}",
                "identity.issuers[0].jwks.inline",
                "no key is for algorithms (RS256, ES256), but for EdDSA; correct algorithms, or the keys",
            ),
            ("{s3: {}}", "{s3: {}}, ca: junk", "egress.ca", "F/junk: it holds no PEM certificate"),
            ("{s3: {}}", "{s3: {ca: junk}}", "egress.services.s3.ca", "F/junk: it holds no PEM certificate"),
            ("  source:", "  sts: {ca: junk}\n  source:", "credentials.sts.ca", "F/junk: not a PEM file of certificates"),
            ("{file: base}", "{file: junk}", "credentials.source.file", "F/junk: line 1: there is no profile above it"),
        ] {
            let (code, out, err) = check_text(&CONFIG.replace(old, new), "tenants: {}");
            assert_eq!((code, out.as_str()), (2, ""), "{new}");
            let place = err.strip_prefix("F/p.yaml:").and_then(|rest| rest.split_once(": ")).unwrap_or_default();
            let is_placed = place.0.split(':').filter(|number| number.parse::<usize>().is_ok_and(|number| number > 0)).count() == 2;
            assert!(is_placed && place.1.starts_with(&format!("{key}: {why}")) && err.lines().count() == 1, "{new}: {err}");
        }
        let both = CONFIG.replace("tls.crt", "junk").replace("{s3: {}}", "{s3: {ca: junk}}");
        let (code, _, err) = check_text(&both, "tenants: {x: {}}");
        assert_eq!((code, err.lines().count()), (2, 3), "{err}");
        assert_eq!(check_text(&CONFIG.replace("{s3: {}}", "{s3: {ca: tls.crt}}, ca: tls.crt"), "tenants: {}").0, 0);
    }

    #[test]
    fn what_weakens_the_claim_is_said() {
        let weak = CONFIG
            .replace("127.0.0.1:8080", "app:8080")
            .replace(
                "{s3: {}}",
                "{s3: {endpoint: 'http://127.0.0.1:5000', insecure: true}}, proofs: [passport, jwt, deferred], listen: 0.0.0.0:8180, presign: {}, \
                 defer: {audiences: {mails: {key: {file: seal1}, actions: 's3:*', max_lifetime: 24h}}}, redeem: {audience: reports, keys: [{file: seal2}]}",
            )
            .replace("{uri: https:", "{insecure: true, uri: http:")
            .replace(
                "{file: base}",
                "{static: {access_key_id: test, secret_access_key: {env: X}}}\n  sts: {endpoint: 'http://127.0.0.1:5000', insecure: true}",
            )
            .replace("{file: tenants.yaml}", "{any: {}}")
            .replace("{issuers:", "{verification: {failures: {per_second: 10000}}, issuers:")
            + "admin: {listen: 0.0.0.0:8190}\n";
        let (code, _, err) = check_text(&weak, "");
        assert_eq!(code, 0, "{err}");
        let said = [
            "egress.proofs",
            "egress.listen",
            "egress.presign",
            "egress.defer.audiences.mails is set: outside the security claim, since a context outlives its request, and its caller's token, by up to 24h",
            "egress.redeem",
            "egress.services.s3.endpoint",
            "ingress.upstream",
            "one Palisade beside each copy",
            "sts.endpoint",
            "credentials.source",
            "the keys of i",
            "identity.verification.failures",
            "tenants.directory is any: no tenant",
            "those of tokens (tenants.directory is any): every request of a tenant whose id has a capital letter is refused",
            "admin.metrics_token",
        ];
        assert_eq!(err.lines().count(), said.len(), "{err}");
        for said in said {
            assert!(err.contains(said), "{said}: {err}");
        }
        let routed = "upstream: 'http://app-{cell}.internal', routes: [{cells: c1, upstream: 'unix:/run/a.sock'}]";
        let (_, _, err) = check_text(
            &CONFIG.replace("upstream: http://127.0.0.1:8080", routed),
            "tenants: {acme: {}, globex: {cell: c1}, b1: {status: suspended}}",
        );
        assert!(err.contains("ingress.upstream http://app-{cell}.internal is not loopback"), "{err}");
        assert!(err.contains("(no-route): acme: the upstream is named by the tenant's record: {tenant.cell} has no value"), "{err}");
        assert!(err.contains("ingress.upstream is not on this host") && err.lines().count() == 3, "{err}");
        let any = CONFIG.replace("upstream: http://127.0.0.1:8080", routed).replace("{file: tenants.yaml}", "{any: {}}");
        let (_, _, err) = check_text(&any, "");
        assert!(
            err.contains("ingress.upstream: every request would be refused") && err.contains("ingress.routes[0] is for nobody"),
            "{err}"
        );
        let (_, _, err) = check_text(
            &CONFIG.replace("keys}", "keys, max_stale: 25h}").replace("audience: a", "audience: a, claims: {audience: azp}"),
            "tenants: {}",
        );
        assert!(err.contains("jwks.max_stale of i is over 24h") && err.contains("claims.audience of i is azp"), "{err}");
        let (_, _, err) = check_text(
            &CONFIG.replace(
                "issuer: i, audience: a, jwks: {uri: https:",
                "issuer: 'http://i', audience: a, jwks: {discovery: true, insecure: true, discovery_uri: http:",
            ),
            "tenants: {}",
        );
        assert!(err.contains("the keys of http://i come over plain HTTP"), "{err}");
        let chained = CONFIG.replace("{file: base}", "{web_identity: {token_file: junk, role_arn: 'arn:aws:iam::111122223333:role/base'}}");
        let (_, _, err) = check_text(
            &chained.replace(
                "{role_arn: 'arn:aws:iam::111122223333:role/tenants/{",
                "{duration: 2h, role_arn: 'arn:aws:iam::111122223333:role/tenants/{",
            ),
            "tenants: {}",
        );
        assert!(err.contains("is over 1h"), "{err}");
        assert!(!check_text(&chained, "tenants: {}").2.contains("is over 1h"));
        let chain = CONFIG.replace("{file: base}", "{default_chain: {}}");
        let (_, _, err) = check_text(&chain, "tenants: {}");
        assert!(err.contains("default_chain: a start is refused where") && err.lines().count() == 1, "{err}");
        let (_, _, err) =
            check_text(&chain.replace("default_chain: {}}", "default_chain: {}}\n  shared_with_application: accepted"), "tenants: {}");
        assert!(err.contains("shared_with_application is accepted: outside the security claim") && err.lines().count() == 1, "{err}");
        let secured = "{dynamodb: {}}, presign: {}, listen: 0.0.0.0:8180, tls: {certificate: tls.crt, private_key: tls.key}";
        let (_, _, err) = check_text(&CONFIG.replace("{s3: {}}", secured), "tenants: {}");
        assert!(err.contains("egress.presign has no effect") && !err.contains("egress.listen"), "{err}");
        let bound = |more: &str| CONFIG.replace("{issuers:", &format!("{{passport: {{{more}}}, issuers:"));
        let (_, _, err) = check_text(&bound("grace: 2s, actions: ['s3:Get*', 'monitoring:*']"), "tenants: {}");
        assert!(err.contains("passport.grace is set") && err.contains("names monitoring") && err.lines().count() == 2, "{err}");
        let named =
            bound("actions: ['s3:*', 'cloudwatch:*'], max_uses: 5, upgrade_max_age: 1h").replace("{s3: {}}", "{s3: {}, monitoring: {}}");
        assert_eq!(check_text(&named, "tenants: {}").2, "");
        let (_, _, err) = check_text(&named.replace("{s3: {}, monitoring: {}}", "{s3: {}}, proofs: [jwt]"), "tenants: {}");
        assert!(err.contains("identity.passport binds nothing"), "{err}");
        let hops =
            |more: &str| check_text(&CONFIG.replace("upstream: http", &format!("trusted_hops: 1{more}, upstream: http")), "tenants: {}").2;
        assert!(hops("").contains("ingress.trusted_hops without trusted_proxies"), "{}", hops(""));
        assert_eq!(hops(", trusted_proxies: [10.0.0.0/8]"), "");
        let role = "assume_role: {role_arn: 'arn:aws:iam::111122223333:role/w'}, actions: ['sns:Publish', 's3:GetObject'], resources: '*'";
        let working = format!("{CONFIG}workloads: {{poller: {{token_file: token, {role}}}}}\n");
        let (_, _, err) = check_text(&working, "tenants: {}");
        assert!(err.contains("workloads.poller.resources is everything") && err.contains("workloads.poller.actions names sns"), "{err}");
        assert_eq!(err.lines().count(), 2, "{err}");
        let certificates =
            "{s3: {}}, tls: {certificate: tls.crt, private_key: tls.key, client_ca: tls.crt}, proofs: [passport, certificate]";
        let workload = "identity: {workloads: [{spiffe_id: 'spiffe://prod/a', tenant: acme}], ";
        let (code, _, err) = check_text(&CONFIG.replace("{s3: {}}", certificates).replace("identity: {", workload), "tenants: {}");
        assert!(code == 0 && err.contains("egress.proofs takes certificates"), "{err}");
        let junk = check_text(&CONFIG.replace("private_key: tls.key", "private_key: tls.key, client_ca: junk"), "tenants: {}");
        assert!(junk.0 == 2 && junk.2.contains("ingress.tls: F/junk: it holds no PEM certificate"), "{}", junk.2);
        let open = "endpoints: [{path: '/hooks/*', auth: none}], endpoints_default: allow, token_cookie: token, \
                    cors: {answer: {origins: ['http://a.example']}}, upstream: http://127";
        let (_, _, err) = check_text(&CONFIG.replace("upstream: http://127", open), "tenants: {}");
        for said in ["ingress.endpoints[0] /hooks/* is public", "ingress.endpoints_default", "ingress.token_cookie", "has http://a.example"]
        {
            assert!(err.contains(said), "{said}: {err}");
        }
        let asking = CONFIG
            .replace("upstream: http://127", "endpoints: [{path: /a, roles: admin}, {path: /**, scopes: write}], upstream: http://127");
        assert_eq!(check_text(&asking, "tenants: {}").2, "");
        let two = |granted: &str| {
            let issuers = format!(
                "issuers: [{{issuer: j, audience: a, jwks: {{uri: 'https://j.example/keys'}}, tenants: ['j-*']{granted}}}, {{tenants: [a*], scopes: ['*'], roles: ['*'], "
            );
            check_text(&asking.replace("issuers: [{", &issuers), "tenants: {}").2
        };
        let err = two("");
        assert!(err.contains("roles of j is unset") && err.contains("scopes of j is unset") && err.lines().count() == 2, "{err}");
        assert_eq!(two(", roles: [reader], scopes: ['read-*']"), "");
        let hook = "endpoints: [{path: /hook, auth: none, clients: [{dns: a}]}], upstream: http://127";
        let mutual = CONFIG.replace("private_key: tls.key", "private_key: tls.key, client_ca: tls.crt");
        let (_, _, err) = check_text(&mutual.replace("upstream: http://127", hook), "tenants: {}");
        assert!(err.contains("/hook is public: each of its clients may call it") && err.lines().count() == 1, "{err}");
        let closed = "endpoints: [{path: /**}], token_cookie: __Host-t, cors: {answer: {origins: '*'}}, upstream: http://127";
        let (_, _, err) = check_text(&CONFIG.replace("upstream: http://127", closed), "tenants: {}");
        assert!(err.contains("origins is everybody") && err.lines().count() == 1, "{err}");
    }

    /// Names that nobody has, and a certificate that nobody takes.
    #[test]
    fn what_is_for_nobody_is_said() {
        let told = |old: &str, new: &str, tenants: &str| {
            let (code, _, err) = check_text(&CONFIG.replace(old, new), tenants);
            assert_eq!(code, 0, "{err}");
            err.lines().map(|line| line.strip_prefix("F/p.yaml: warning: ").unwrap().to_owned()).collect::<Vec<_>>()
        };
        let gold = "tenants: {acme: {tier: gold}}";
        assert!(told("", "", gold).is_empty(), "who has no limits by tier has forgotten none");
        let limits = |tiers: &str| format!("limits: {{tiers: {{{tiers}}}}}\ntenants:");
        assert!(told("tenants:", &limits("gold: {concurrent: 5}"), gold).is_empty());
        let free = told("tenants:", &limits("free: {concurrent: 5}"), gold);
        assert_eq!(free, ["the tier \"gold\" of the tenant records is not in limits.tiers: limits.default holds for it"]);

        let upstream = "upstream: http://127.0.0.1:8080";
        let routed = format!("routes: [{{tiers: gould, upstream: 'http://127.0.0.1:1'}}], {upstream}");
        assert_eq!(
            told(upstream, &routed, gold),
            ["ingress.routes[0].tiers has \"gould\", which is the tier of no tenant record; did you mean gold?"]
        );
        let ruled = format!("endpoints: [{{path: /a, tiers: [gold, platinum]}}], {upstream}");
        assert_eq!(told(upstream, &ruled, gold), ["ingress.endpoints[0].tiers has \"platinum\", which is the tier of no tenant record"]);

        let rule = "ingress: {endpoints: [{path: /a, roles: admin}],";
        let with_rule = |grants: &str| {
            let config = CONFIG.replace("ingress: {", rule).replace("{issuer: i,", &format!("{{issuer: i, {grants}"));
            check_text(&config, "tenants: {}").2
        };
        assert!(with_rule("roles: [reader],").contains("endpoints[0].roles has \"admin\", which roles of no issuer lets its tokens give"));
        assert_eq!((with_rule("roles: ['a*'],"), with_rule("")), (String::new(), String::new()));

        assert_eq!(
            told("certificate: tls.crt, private_key: tls.key", "certificate: old.crt, private_key: old.key", "tenants: {}"),
            ["ingress.tls.certificate F/old.crt: it expired at 2020-01-01T00:00:00Z; no client will take it"]
        );

        let nowhere = told("{s3: {}}", "{dynamo: {}, cloudwatch: {}, s3: {}, mine: {endpoint: 'https://mine.example'}}", "tenants: {}");
        assert_eq!(
            nowhere,
            [
                "egress.services.cloudwatch is no service of AWS's that is known here, and has no endpoint; did you mean monitoring?",
                "egress.services.dynamo is no service of AWS's that is known here, and has no endpoint; did you mean dynamodb?",
            ]
        );
    }

    #[test]
    fn sessions_of_users_and_warm_ups_of_nobody_are_said() {
        let tenants = "tenants: {acme: {tier: gold}}";
        let warnings = |config: &str| {
            let (code, _, err) = check_text(&format!("{config}limits: {{tiers: {{gold: {{}}}}}}\n"), tenants);
            assert_eq!(code, 0, "{err}");
            err
        };
        let warm = |what: &str| format!("  warm_up: {{{what}}}\n");
        let of_users = CONFIG.replace("{role_arn:", "{session_name: 'p-{subject}', role_arn:");
        assert_eq!(warnings(&format!("{CONFIG}{}", warm("tenants: [acme], tiers: [gold]"))), "");
        let err = warnings(&of_users);
        assert!(err.lines().count() == 1 && err.contains("session_name has {subject}: each user of a tenant"), "{err}");
        let err = warnings(&format!("{of_users}{}", warm("tenants: acme")));
        assert!(
            err.lines().count() == 2
                && err.contains("credentials.warm_up has no effect: credentials.assume_role.session_name has {subject}"),
            "{err}"
        );
        let err = warnings(&format!("{CONFIG}{}", warm("tenants: [acme, globex], tiers: [gold, silver]")));
        assert!(err.lines().count() == 2 && err.contains("names globex") && err.contains("names \"silver\""), "{err}");
        let any = CONFIG.replace("{file: tenants.yaml}", "{any: {}}");
        let err = warnings(&format!("{any}{}", warm("tiers: gold")));
        assert!(err.contains("credentials.warm_up.tiers has no effect"), "{err}");
    }

    #[test]
    fn what_will_have_no_effect_is_said() {
        let tenants = "tenants: {acme: {revoked: {tokens: [{issuer: i, id: x}]}}}\nrevoked: {subjects: [{issuer: i/, subject: u}]}";
        let (code, _, err) = check_text(CONFIG, tenants);
        assert_eq!((code, err.lines().count()), (0, 1), "{err}");
        assert!(err.contains("the tenant records revoke something of \"i/\""), "{err}");
        let users = format!("{CONFIG}users: {{directory: {{file: users.yaml}}}}\n");
        let (code, out, err) = check_text(&users, "tenants: {}");
        assert_eq!((code, out.contains("users: 1")), (0, true), "{out}{err}");
        assert!(err.lines().count() == 1 && err.contains("the users of \"j\""), "{err}");
        let (code, _, err) = check_text(&users.replace("users.yaml", "junk"), "tenants: {}");
        assert!(code == 2 && err.starts_with("F/junk:1:1:"), "{err}");
        let table = "users: {directory: {dynamodb: {table: t, partition_key: pk, max_stale: 2h, endpoint: 'http://127.0.0.1:1', insecure: true}}}\n";
        let (code, out, err) = check_text(&format!("{CONFIG}{table}"), "tenants: {}");
        assert_eq!((code, out.contains("users in table t")), (0, true), "{out}{err}");
        assert!(
            err.lines().count() == 3 && err.contains("max_stale is over an hour") && err.contains("users.directory.dynamodb.endpoint"),
            "{err}"
        );
        assert!(err.contains("users.directory.dynamodb.role_arn is unset"), "{err}");
        let in_table = |more: &str| check_text(&CONFIG.replace("{file: tenants.yaml}", &format!("{{dynamodb: {{table: t{more}}}}}")), "");
        let (code, out, err) = in_table("");
        assert!(code == 0 && out.contains("tenants in table t"), "{out}{err}");
        assert!(err.lines().count() == 2 && err.contains("tenants.directory.dynamodb.role_arn is unset"), "{err}");
        assert!(err.contains("nobody compares ids, a table's: every request of a tenant whose id has a capital letter"), "{err}");
        let (_, _, err) = in_table(", role_arn: 'arn:aws:iam::111122223333:role/directory', max_stale: 2h");
        assert!(err.lines().count() == 2 && err.contains("tenants.directory.dynamodb.max_stale is over an hour"), "{err}");
        let (code, _, err) = in_table(", ca: junk");
        assert!(code == 2 && err.contains("tenants.directory.dynamodb.ca: F/junk: not a PEM file"), "{err}");
    }

    #[test]
    fn what_is_dangerous_or_unreachable_in_a_plan_is_said() {
        let with = |plans: &str| {
            let (before, _) = CONFIG.split_once("credentials:").unwrap();
            format!("{before}credentials:\n{plans}")
        };
        let role = "arn:aws:iam::111122223333:role";
        let source = "  source: {file: base}\n";
        let said = |plans: &str, tenants: &str| {
            let (code, _, err) = check_text(&with(plans), tenants);
            assert_eq!(code, 0, "{err}");
            err
        };
        let both = format!(
            "{source}  assume_role: {{role_arn: '{role}/a/{{tenant.id}}'}}\n  services: {{s3: {{assume_role: {{role_arn: '{role}/b/{{tenant.id}}'}}}}}}\n"
        );
        let err = said(&both, "tenants: {acme: {}}");
        assert!(err.lines().count() == 1 && err.contains("credentials.assume_role holds for no service"), "{err}");

        let caller = format!("  assume_role_with_web_identity: {{token: {{caller: {{}}}}, role_arn: '{role}/{{tenant.id}}'}}\n");
        let err = said(&caller, "tenants: {acme: {}}");
        assert!(err.lines().count() == 2 && err.contains("a passport keeps its caller's token in memory"), "{err}");
        assert!(err.contains("assume_role_with_web_identity.token is the caller's: each user of a tenant"), "{err}");
        let warm = said(&format!("{caller}  warm_up: {{tenants: acme}}\n"), "tenants: {acme: {}}");
        assert!(warm.contains("credentials.warm_up has no effect: credentials.assume_role_with_web_identity.token is"), "{warm}");
        let some = format!(
            "{caller}  services: {{s3: {{assume_role: {{role_arn: '{role}/b/{{tenant.id}}'}}}}}}\n{source}  warm_up: {{tenants: acme}}\n"
        );
        let warm = said(&some, "tenants: {acme: {}}");
        assert!(warm.contains("credentials.warm_up does not fetch all: credentials.assume_role_with_web_identity.token is"), "{warm}");

        let pool = |policies: &str| format!("{source}  assume_role: {{role_arn: '{role}/data', {policies}}}\n");
        let some = "session_policy: {inline: {Statement: [{Effect: Allow, Action: 's3:*', Resource: 'arn:aws:s3:::a/{tenant.id}/*'}, {Effect: Allow, Action: 's3:*', Resource: '*'}]}}";
        let err = said(&pool(some), "tenants: {acme: {}}");
        assert!(err.lines().count() == 1 && err.contains("session_policy: Statement[1] allows every tenant the same"), "{err}");
        let err = said(&pool(&format!("session_tags: {{T: '{{tenant.id}}'}}, {some}")), "tenants: {acme: {}}");
        assert_eq!(err, "");
        let arns = "policy_arns: ['arn:aws:iam::111122223333:policy/{tenant.id}', 'arn:aws:iam::111122223333:policy/all']";
        let err = said(&pool(arns), "tenants: {acme: {}}");
        assert!(
            err.lines().count() == 1 && err.contains("policy_arns: arn:aws:iam::111122223333:policy/all allows every tenant the same"),
            "{err}"
        );

        let claimed = format!("{source}  assume_role: {{role_arn: '{{claims.role}}', session_tags: {{T: '{{tenant.id}}'}}}}\n");
        assert!(said(&claimed, "tenants: {acme: {}}").contains("role_arn has {claims.role}: whoever issues tokens"));

        let record = format!("{source}  assume_role: {{role_arn: '{{tenant.attributes.role}}', external_id: '{{tenant.external_id}}'}}\n");
        let one = format!("{{external_id: x-1, attributes: {{role: '{role}/one'}}}}");
        let tenants = format!(
            "tenants: {{acme: {one}, beta: {one}, gone: {{status: suspended}}, none: {{}}, user: {{external_id: x-1, attributes: {{role: 'arn:aws:iam::111122223333:user/u'}}}}}}"
        );
        let err = said(&record, &tenants);
        assert_eq!(err.lines().count(), 3, "{err}");
        assert!(err.contains("none: role_arn: {tenant.attributes.role} has no value: every request of this tenant is refused"), "{err}");
        assert!(
            err.contains("user: role_arn is no role's ARN") && err.contains("acme and beta: the same role, tags and policies"),
            "{err}"
        );

        let any = with(&record).replace("{file: tenants.yaml}", "{any: {}}");
        let (_, _, err) = check_text(&any, "");
        assert!(err.contains("has {tenant.attributes.role}, and tenants.directory is any"), "{err}");
        let (_, _, err) = check_text(&CONFIG.replace("{file: tenants.yaml}", "{any: {}}"), "");
        assert!(err.contains("whose id has a capital letter is refused"), "{err}");
    }
}
