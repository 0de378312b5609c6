//! Certificates of the listeners: whom they are for, and until when.

use std::time::{Duration, SystemTime};

use super::report::{Level, Report};
use crate::{
    clock::Clock,
    config::{Config, TlsConfig, show_duration},
    server::tls::described::{Described, describe},
};

/// With less life than this, a renewal is overdue: those that renew by themselves do it weeks ahead.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// Names that are shown.
const SHOWN: usize = 8;

pub(super) fn examine(report: &mut Report, config: &Config, clock: &Clock) {
    let ingress = config.ingress.as_ref().map(|ingress| ("ingress.tls", &ingress.tls));
    let egress = config.egress.as_ref().and_then(|egress| egress.tls.as_ref()).map(|tls| ("egress.tls", tls));
    for (key, TlsConfig { certificate, .. }) in ingress.into_iter().chain(egress) {
        // What cannot be read has been reported.
        if let Ok(described) = describe(certificate) {
            judge(report, key, &described, clock.now());
        }
    }
}

fn judge(report: &mut Report, key: &str, described: &Described, now: SystemTime) {
    let renew = "renew it, and put both files in place; a running process takes them over";
    if described.names.is_empty() {
        let cure = "issue it with subjectAltName: clients look at no other name (RFC 9525)";
        report.add(Level::Warning, key, "the certificate is for no name", cure);
    }
    let mut names = described.names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(" ");
    if described.names.len() > SHOWN {
        names.push_str(" ...");
    }
    let to_the_minute = |life: Duration| show_duration(Duration::from_secs(life.as_secs() / 60 * 60));
    match (described.not_before.duration_since(now), described.not_after.duration_since(now)) {
        (Ok(until), _) if !until.is_zero() => {
            let found = format!("the certificate is valid only in {}", to_the_minute(until));
            report.add(Level::Failure, key, found, "check the clock, or take one that is valid now");
        }
        (_, Err(_)) => report.add(Level::Failure, key, "the certificate has expired", renew),
        (_, Ok(life)) if life < SOON => {
            report.add(Level::Warning, key, format!("the certificate, for {names}, ends in {}", to_the_minute(life)), renew);
        }
        (_, Ok(life)) => report.ok(key, format!("the certificate, for {names}, ends in {}", to_the_minute(life))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_certificate_is_judged_by_its_time_and_its_names() {
        let day = |days: u64| UNIX_EPOCH + Duration::from_secs(days * 86_400);
        let judged = |names: &[&str], now: u64| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let mut report = Report::default();
            judge(&mut report, "ingress.tls", &Described { not_before: day(100), not_after: day(200), names }, day(now));
            (report.worst(), report.text())
        };
        for (now, level, said) in [
            (99, Level::Failure, "valid only in"),
            (100, Level::Ok, "for a.example, ends in"),
            (150, Level::Ok, "ends in"),
            (187, Level::Warning, "ends in"),
            (201, Level::Failure, "has expired"),
        ] {
            let (worst, text) = judged(&["a.example"], now);
            assert!(worst == level && text.contains(said), "{now}: {text}");
        }
        assert_eq!(judged(&[], 150).0, Level::Warning);
        assert!(judged(&["a"; 9], 150).1.contains("a ..."));
    }
}
