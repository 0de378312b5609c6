//! The attack table: every check that identity makes, every way to break it, on both listeners, with the expected reason; alone, and in
//! pairs, where the check that comes first in the documented order decides.

mod attempt;
mod table;

use std::{collections::BTreeSet, fs, path::Path};

use self::{
    attempt::{Attempt, House},
    table::{Check, FAULTS, Fault, On},
};
use super::*;

/// Reasons that are none of identity's, or that no single request can bring about.
fn is_elsewhere(reason: Reason) -> bool {
    // Brought about by what is done with passports and by load: their own tests do that.
    let by_load = ["passports-exhausted", "passport-used-up", "action-not-allowed", "verifier-overloaded"];
    let groups = ["aws-", "upstream-", "defer", "context-", "service-", "region-", "operation-", "payload-", "credentials-"];
    let others = [
        "malformed-request",
        "method-not-allowed",
        "request-timeout",
        "body-too-large",
        "uri-too-long",
        "headers-too-large",
        "expectation-failed",
        "rate-limited",
        "concurrency-limited",
        "signature-unsupported",
        "signature-mismatch",
        "signature-expired",
        "header-not-signed",
        "target-conflict",
        "host-not-allowed",
        "plan-incomplete",
        "no-route",
        // Users, what is revoked, workloads and endpoint rules: the rooms that decide about them, and the client suite's matrix.
        "tenant-not-active",
        "user-suspended",
        "user-unknown",
        "users-unavailable",
        "token-revoked",
        "certificate-expired",
        "endpoint-not-allowed",
        "origin-not-allowed",
        "path-ambiguous",
        "scope-insufficient",
        "not-found",
        "overloaded",
        "internal",
    ];
    let name = reason.as_str();
    by_load.contains(&name) || others.contains(&name) || groups.iter().any(|group| name.starts_with(group))
}

fn listeners(fault: &Fault) -> &'static [On] {
    match fault.on {
        On::Both => &[On::Ingress, On::Egress],
        On::Ingress => &[On::Ingress],
        On::Egress => &[On::Egress],
    }
}

#[tokio::test]
async fn a_request_without_a_fault_is_let_in() {
    let house = House::build().await;
    for on in [On::Ingress, On::Egress] {
        assert_eq!(house.verdict(on, Attempt::good()).await, Ok(()), "{on:?}");
    }
}

#[tokio::test]
async fn every_fault_alone_is_refused_for_its_own_reason() {
    let house = House::build().await;
    let mut wrong = Vec::new();
    for fault in FAULTS {
        for on in listeners(fault) {
            let mut attempt = Attempt::good();
            (fault.apply)(&mut attempt);
            let verdict = house.verdict(*on, attempt).await;
            if verdict != Err(fault.reason) {
                wrong.push(format!("{on:?}: {:?}: {}: {verdict:?}, expected {:?}", fault.check, fault.name, fault.reason));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn of_two_faults_the_one_that_is_checked_first_decides() {
    let house = House::build().await;
    let (mut wrong, mut pairs) = (Vec::new(), 0);
    // Every fault, with the first of each other check to stand for it.
    let mut first_of: Vec<&Fault> = FAULTS.iter().collect();
    first_of.dedup_by_key(|fault| fault.check);
    for one in FAULTS {
        for other in &first_of {
            // Two changes of one thing are one change; within a check there is no order to speak of.
            if one.check == other.check || one.touches.iter().any(|part| other.touches.contains(part)) {
                continue;
            }
            let first = if one.check < other.check { one } else { other };
            for on in listeners(one).iter().filter(|on| listeners(other).contains(on)) {
                let mut attempt = Attempt::good();
                (one.apply)(&mut attempt);
                (other.apply)(&mut attempt);
                let verdict = house.verdict(*on, attempt).await;
                pairs += 1;
                if verdict != Err(first.reason) {
                    wrong.push(format!("{on:?}: {} and {}: {verdict:?}, expected {:?}", one.name, other.name, first.reason));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {pairs}:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    assert!(pairs > 8_000, "{pairs} pairs are not the table");
}

#[test]
fn every_check_has_a_fault_and_every_reason_a_row() {
    let broken: BTreeSet<_> = FAULTS.iter().map(|fault| fault.check).collect();
    let unbroken: Vec<_> = Check::ALL.iter().filter(|check| !broken.contains(check)).collect();
    assert!(unbroken.is_empty(), "nothing breaks {unbroken:?}");
    let given: BTreeSet<_> = FAULTS.iter().map(|fault| fault.reason).collect();
    let missing: Vec<_> = Reason::ALL.iter().filter(|reason| !is_elsewhere(**reason) && !given.contains(reason)).collect();
    assert!(missing.is_empty(), "no row gives {missing:?}: add one, or say in is_elsewhere that it is none of identity's");
    let both: Vec<_> = given.iter().filter(|reason| is_elsewhere(**reason)).collect();
    assert!(both.is_empty(), "rows give {both:?}, which is_elsewhere has as well");
    let names: BTreeSet<_> = FAULTS.iter().map(|fault| (fault.check, fault.name)).collect();
    assert_eq!(names.len(), FAULTS.len(), "a name is there twice");
}

/// The guide lists the checks in the order in which the table has them, each with the reasons that its rows give.
#[test]
fn the_guide_has_every_check_in_order() {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/guide/verification.md")).unwrap();
    let documented: Vec<_> = guide.lines().filter(|line| line.starts_with("| `") && line.contains(" | ")).collect();
    let rows: Vec<_> = Check::ALL
        .iter()
        .map(|check| {
            let reasons: BTreeSet<_> = FAULTS.iter().filter(|fault| fault.check == *check).map(|fault| fault.reason.as_str()).collect();
            let reasons: Vec<_> = reasons.iter().map(|reason| format!("`{reason}`")).collect();
            (format!("| `{}` |", check.name()), reasons.join(", "))
        })
        .collect();
    let found: Vec<_> = documented
        .iter()
        .filter_map(|line| {
            rows.iter().find(|(name, _)| line.starts_with(name.as_str())).map(|(name, _)| (name.clone(), (*line).to_owned()))
        })
        .collect();
    assert_eq!(found.iter().map(|(name, _)| name).collect::<Vec<_>>(), rows.iter().map(|(name, _)| name).collect::<Vec<_>>());
    for ((name, reasons), (_, line)) in rows.iter().zip(&found) {
        assert!(line.ends_with(&format!("| {reasons} |")), "{name} gives {reasons}, and the guide says: {line}");
    }
}
