//! Issuers' keys: whether they can be had from here, and whether they can verify anything.

use super::report::{Level, Report};
use crate::{
    app,
    config::{Config, IssuerConfig},
    identity::jwks::Fetched,
};

pub(super) async fn examine(report: &mut Report, config: &Config) {
    for (number, issuer) in config.identity.issuers.iter().enumerate() {
        let key = format!("identity.issuers[{number}].jwks");
        let fetched = match app::key_source(issuer) {
            Ok(source) => source.fetch().await,
            Err(error) => Err(error.to_string()),
        };
        judge(report, &key, issuer, fetched);
    }
}

fn judge(report: &mut Report, key: &str, issuer: &IssuerConfig, fetched: Result<Fetched, String>) {
    let name = &issuer.issuer;
    let fetched = match fetched {
        Ok(fetched) => fetched,
        Err(wrong) => {
            let cure = "let this process reach the place (DNS, egress rules of the network, jwks.ca for its certificate), or correct it";
            return report.add(Level::Failure, key, format!("the keys of {name} cannot be had: {wrong}"), cure);
        }
    };
    match fetched.survey() {
        Err(wrong) => {
            report.add(Level::Failure, key, format!("the keys of {name} are of no use: {wrong}"), "give the address of its JWK Set")
        }
        Ok((count, algorithms)) => {
            let shown = algorithms.iter().map(|algorithm| format!("{algorithm:?}")).collect::<Vec<_>>().join(" ");
            if algorithms.iter().any(|algorithm| issuer.algorithms.contains(algorithm)) {
                report.ok(key, format!("{count} keys of {name}, for {shown}"));
            } else {
                let cure = "add one of them to algorithms, if the issuer signs with it";
                report.add(Level::Failure, key, format!("the keys of {name} are for {shown}, and none of these is in algorithms"), cure);
            }
        }
    }
}
