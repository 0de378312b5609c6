//! What `palisade check` tries: every file that a start would use. Opens no port and calls nobody.

use std::path::Path;

use super::keys::bearer;
use crate::{
    clock::Clock,
    config::{Config, ConfigError, ConfigErrors, DirectoryConfig, JwksSource, UsersConfig, place::Places},
    credentials,
    identity::jwks::{InlineKeys, KeysFile},
    server::ReloadingTls,
    telemetry::Metrics,
    upstream::{self, AppClient, AwsClient, Collector},
};

/// Whether the files that `config`, read from `file`, names are such that a process could work with them.
///
/// # Errors
/// What [`App::build`](super::App::build) would fail on, and key sets that would never let a token in, by setting.
pub fn probe(config: &Config, file: &str) -> Result<(), ConfigErrors> {
    let mut errors = Vec::new();
    let places = Places::open(Path::new(file));
    let mut report = |key: String, outcome: Result<(), String>| {
        if let Err(wrong) = outcome {
            // The cure is in the message.
            errors.push(ConfigError { file: file.into(), at: places.find(&key), key, wrong, right: String::new() });
        }
    };
    let roots = |path| upstream::check_roots(path).map_err(|error| error.to_string());

    if let Some(ingress) = &config.ingress {
        report("ingress.tls".to_owned(), ReloadingTls::check(&ingress.tls).map_err(|error| error.to_string()));
        let (metrics, clock) = (Metrics::new(), Clock::system());
        let client = metrics.map_err(|error| error.to_string());
        let client = client.and_then(|metrics| AppClient::new(&ingress.routing, &metrics, &clock).map_err(|error| error.to_string()));
        let key = if ingress.routing.ca.is_some() { "ingress.upstream_ca" } else { "ingress.upstream" };
        report(key.to_owned(), client.map(drop));
    }
    if let Some(tls) = config.egress.as_ref().and_then(|egress| egress.tls.as_ref()) {
        report("egress.tls".to_owned(), ReloadingTls::check(tls).map_err(|error| error.to_string()));
    }
    for (number, issuer) in config.identity.issuers.iter().enumerate() {
        let key = |name| format!("identity.issuers[{number}].jwks.{name}");
        match &issuer.jwks {
            JwksSource::File(path) => report(key("file"), KeysFile(path.clone()).check(&issuer.algorithms)),
            JwksSource::Inline(text) => report(key("inline"), InlineKeys(text.clone()).check(&issuer.algorithms)),
            JwksSource::Discovery { access, .. } | JwksSource::Uri { access, .. } => {
                report(key("ca"), access.ca.as_deref().map_or(Ok(()), roots));
                report(key("bearer_token_file"), access.bearer_token_file.as_deref().map_or(Ok(()), |path| bearer(path).map(drop)));
            }
        }
    }
    if let Some((source, sts)) = super::identity_of(config) {
        report("credentials.source.file".to_owned(), credentials::check_file(source));
        report("credentials.sts.ca".to_owned(), credentials::check_roots(sts).map_err(|error| error.to_string()));
    }
    let tables = [
        ("users", if let Some(UsersConfig::DynamoDb(users)) = &config.users { Some(&users.table) } else { None }),
        ("tenants", if let DirectoryConfig::DynamoDb(tenants) = &config.directory { Some(&tenants.table) } else { None }),
    ];
    for (key, table) in tables {
        let outcome = table.map_or(Ok(()), |table| credentials::http_client(table.ca.as_deref()).map(drop));
        report(format!("{key}.directory.dynamodb.ca"), outcome.map_err(|error| error.to_string()));
    }
    if let Some(egress) = &config.egress {
        let own = egress.services.iter().map(|(name, service)| (format!("egress.services.{name}.ca"), &service.ca));
        let mut sound = true;
        for (key, ca) in own.chain([("egress.ca".to_owned(), &egress.ca)]) {
            let outcome = ca.as_deref().map_or(Ok(()), roots);
            sound &= outcome.is_ok();
            report(key, outcome);
        }
        // The rest concerns all services together: whether anybody is trusted at all.
        if sound {
            report("egress".to_owned(), AwsClient::new(egress).map(drop).map_err(|error| error.to_string()));
        }
    }
    if let Some(traces) = &config.telemetry.traces {
        let key = if traces.ca.is_some() { "telemetry.traces.ca" } else { "telemetry.traces.otlp" };
        report(key.to_owned(), Collector::new(traces).map(drop).map_err(|error| error.to_string()));
    }
    if errors.is_empty() { Ok(()) } else { Err(ConfigErrors::new(errors)) }
}
