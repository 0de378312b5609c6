//! File descriptors: enough for the connections that the configuration allows.
//!
//! A process often starts with a soft limit of 1,024 and a hard one far above it. Every connection takes a descriptor, and its
//! way on another; when they run out, no listener can accept, that of the probes included.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// For everything that is no connection of a listener: files, STS, key sets, the runtime.
const OTHERS: u64 = 128;
/// Fewer connections are no use to anybody.
const LEAST: usize = 16;

/// Raises the soft limit to the hard one. Where even that is less than what `config` allows, it is said, and no listener takes more connections than
/// there are descriptors.
pub(super) fn raise(config: &mut Config) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    let (have, need) = (getrlimit(Resource::Nofile).current, needed(config));
    if let Some(have) = have.filter(|have| *have < need) {
        let what = if fit(config, have.saturating_sub(OTHERS)) { "; listeners take fewer" } else { "" };
        tracing::warn!(
            have,
            need,
            "open files are limited to less than the configured connections need{what}: raise the limit (ulimit -n), or lower server.connections"
        );
    }
}

/// No listener has more connections than there are descriptors, each of which takes one while it is idle. Whether that is less than it was to have.
fn fit(config: &mut Config, have: u64) -> bool {
    let most = usize::try_from(have).unwrap_or(usize::MAX).max(LEAST);
    let servers =
        config.ingress.iter_mut().map(|ingress| &mut ingress.server).chain(config.egress.iter_mut().map(|egress| &mut egress.server));
    let servers = servers.chain(std::iter::once(&mut config.admin.server)).chain(config.probes.iter_mut().map(|probes| &mut probes.server));
    servers.fold(false, |is_less, server| {
        let before = server.connections;
        server.connections = before.min(most);
        is_less || server.connections < before
    })
}

/// Two for each connection of callers and of the application, one for each of operators.
fn needed(config: &Config) -> u64 {
    let both_ways = config.ingress.iter().map(|ingress| &ingress.server).chain(config.egress.iter().map(|egress| &egress.server));
    let one_way = std::iter::once(&config.admin.server).chain(config.probes.iter().map(|probes| &probes.server));
    let sum = both_ways.map(|server| 2 * server.connections as u64).sum::<u64>();
    sum + one_way.map(|server| server.connections as u64).sum::<u64>() + OTHERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let config = Config::parse(
            "{egress: {region: eu-west-1, services: {s3: {}}}, identity: {issuers: [{issuer: i, audience: a, jwks: {uri: 'https://i/'}}]},
              tenants: {directory: {any: {}}}, credentials: {source: {default_chain: {}}, assume_role: {role_arn: 'arn:aws:iam::111122223333:role/{tenant.id}'}},
              server: {connections: 100}}",
            "test",
            std::path::Path::new("."),
            &|_| None,
        );
        let mut config = config.unwrap();
        raise(&mut config);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(needed(&config), 400 + OTHERS);
        assert!(!fit(&mut config, 100), "nothing is taken from anybody");
        assert!(fit(&mut config, 40));
        assert_eq!([config.egress.as_ref().unwrap().server.connections, config.admin.server.connections], [40, 40]);
        fit(&mut config, 0);
        assert_eq!(config.admin.server.connections, LEAST);
    }
}
