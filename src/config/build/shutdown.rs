//! `shutdown`

use super::{Section, parse};
use crate::config::{ShutdownConfig, ShutdownOrder};

/// How the process ends.
pub(super) fn shutdown(section: &Section<'_>) -> Option<ShutdownConfig> {
    let delay = section.get("delay", parse::duration);
    let order = section.get("order", |scalar| match scalar.text.as_str() {
        "ingress_first" => Some(ShutdownOrder::IngressFirst),
        "together" => Some(ShutdownOrder::Together),
        _ => None,
    });
    let linger = section.get("linger", parse::duration);
    if order == Some(ShutdownOrder::Together) && linger.is_some_and(|linger| !linger.is_zero()) {
        section.wrong("linger", "has no effect: the egress does not outlive the ingress with order: together", "remove one of the two");
        return None;
    }
    Some(ShutdownConfig { delay: delay?, order: order?, linger: linger? })
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use crate::config::{Config, ShutdownOrder};

    fn load(shutdown: &str) -> Result<Config, String> {
        let text = format!(
            "{{egress: {{region: eu-west-1, services: {{s3: {{}}}}}}, identity: {{issuers: [{{issuer: i, audience: a, jwks: {{uri: 'https://i/'}}}}]}},
              tenants: {{directory: {{any: {{}}}}}}, credentials: {{source: {{default_chain: {{}}}}, assume_role: {{role_arn: 'arn:aws:iam::111122223333:role/{{tenant.id}}'}}}},
              shutdown: {shutdown}}}"
        );
        Config::parse(&text, "test", Path::new("."), &|_| None).map_err(|errors| errors.to_string())
    }

    #[test]
    fn the_end_is_at_once_and_in_order_unless_said_otherwise() {
        let shutdown = load("{}").unwrap().shutdown;
        assert_eq!((shutdown.delay, shutdown.order, shutdown.linger), (Duration::ZERO, ShutdownOrder::IngressFirst, Duration::ZERO));
        let shutdown = load("{delay: 5s, order: together}").unwrap().shutdown;
        assert_eq!((shutdown.delay, shutdown.order), (Duration::from_secs(5), ShutdownOrder::Together));
        assert!(load("{order: together, linger: 1s}").unwrap_err().contains("shutdown.linger: has no effect"));
        assert!(load("{delay: 11m}").is_err() && load("{order: egress_first}").is_err());
    }
}
