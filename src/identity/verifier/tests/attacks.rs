//! The attack table: every check that identity makes, every way to break it, on both listeners, with the expected reason; alone, and in
//! pairs, where the check that comes first in the documented order decides.

mod attempt;
mod directory;
mod elsewhere;
mod house;
mod table;

use std::{collections::BTreeSet, fs, path::Path};

use self::{
    attempt::{Attempt, Certificate, Proof, Rules},
    directory::{BOUND, Day, MOMENT, MOMENT_HERE, SIGNED_OUT},
    elsewhere::ELSEWHERE,
    house::House,
    table::{Check, On, faults},
};
use super::*;

fn attempt(change: impl FnOnce(&mut Attempt)) -> Attempt {
    let mut attempt = Attempt::good();
    change(&mut attempt);
    attempt
}

fn listeners(on: On) -> &'static [On] {
    match on {
        On::Both => &[On::Ingress, On::Egress],
        On::Ingress => &[On::Ingress],
        On::Egress => &[On::Egress],
    }
}

#[tokio::test]
async fn a_request_without_a_fault_is_let_in() {
    let house = House::build().await;
    for rules in [Rules::TokensTell, Rules::UsersAreKnown, Rules::CertificatesProve] {
        for on in [On::Ingress, On::Egress] {
            assert_eq!(house.verdict(on, &attempt(|a| a.rules = rules)).await, Ok(()), "{on:?}");
        }
    }
}

/// What is next to a fault, and is none: a check that refused too much would be found here.
#[tokio::test]
async fn what_is_nearly_a_fault_is_let_in() {
    let house = House::build().await;
    type Near = (&'static str, On, fn(&mut Attempt));
    let near: [Near; 20] = [
        ("a user whom another tenant has revoked", On::Both, |a| {
            a.tenant("hooli");
            a.claim("sub", json!("gone-here"));
        }),
        ("a token that another tenant has revoked", On::Both, |a| {
            a.tenant("hooli");
            a.claim("jti", json!("leaked-here"));
        }),
        ("a token of before another tenant's moment, and of the one of all", On::Both, |a| {
            a.tenant("hooli");
            a.claim("iat", json!(MOMENT));
        }),
        ("a token of the tenant's moment", On::Both, |a| a.claim("iat", json!(MOMENT_HERE))),
        ("a user who came back after being signed out", On::Both, |a| {
            a.claim("sub", json!("signed-out"));
            a.claim("iat", json!(SIGNED_OUT));
        }),
        ("the same where the tenant signed the user out", On::Both, |a| {
            a.claim("sub", json!("signed-out-here"));
            a.claim("iat", json!(SIGNED_OUT));
        }),
        ("a user called as a revoked one of another issuer", On::Both, |a| {
            a.bound("acme");
            a.claim("sub", json!("gone"));
        }),
        ("a token with the id of a revoked one of another issuer", On::Both, |a| {
            a.bound("acme");
            a.claim("jti", json!("leaked"));
        }),
        ("a user called as a revoked one in another case", On::Both, |a| a.claim("sub", json!("Gone"))),
        ("a bound issuer, and a tenant that names it", On::Both, |a| a.bound("hooli")),
        ("the certificate of the tenant's workload", On::Both, |a| a.certificate = Some(Certificate::Of("acme/worker"))),
        ("the same, which is all that says the tenant", On::Both, |a| {
            a.certificate = Some(Certificate::Of("acme/worker"));
            a.tenants.clear();
        }),
        ("a certificate that stands for nobody", On::Both, |a| a.certificate = Some(Certificate::Of("soylent/worker"))),
        ("the certificate of a workload that is revoked, beside a token", On::Both, |a| {
            a.certificate = Some(Certificate::Of("acme/leaver"));
        }),
        ("a certificate as the proof", On::Egress, |a| a.proved_by(Certificate::Of("acme/worker"))),
        ("a certificate of the tenant's moment", On::Egress, |a| a.proved_by(Certificate::MadeAt(MOMENT_HERE))),
        ("a certificate, and the tenant said", On::Egress, |a| {
            a.proved_by(Certificate::Of("acme/worker"));
            a.tenants = vec![b"acme"];
        }),
        ("a token beside a certificate that could be the proof", On::Both, |a| {
            a.rules = Rules::CertificatesProve;
            a.certificate = Some(Certificate::Of("acme/worker"));
        }),
        ("a user whose token names another tenant", On::Both, |a| {
            a.user("u");
            a.claim("tenant_id", json!("globex"));
        }),
        ("a user whose token names no tenant", On::Both, |a| {
            a.user("u");
            a.claim("tenant_id", None);
        }),
    ];
    for (name, on, apply) in near {
        for on in listeners(on) {
            assert_eq!(house.verdict(*on, &attempt(apply)).await, Ok(()), "{on:?}: {name}");
        }
    }
}

#[tokio::test]
async fn every_fault_alone_is_refused_for_its_own_reason() {
    let house = House::build().await;
    let mut wrong = Vec::new();
    for fault in faults() {
        for on in listeners(fault.on) {
            let verdict = house.verdict(*on, &attempt(fault.apply)).await;
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
    let all = faults();
    let mut first_of = all.clone();
    first_of.dedup_by_key(|fault| fault.check);
    for one in &all {
        for other in &first_of {
            // Within a check there is no order to speak of.
            if one.check == other.check || !one.goes_with(other) {
                continue;
            }
            let first = if one.check < other.check { one } else { other };
            for on in listeners(one.on).iter().filter(|on| listeners(other.on).contains(on)) {
                let both = attempt(|a| {
                    (one.apply)(a);
                    (other.apply)(a);
                });
                let verdict = house.verdict(*on, &both).await;
                pairs += 1;
                if verdict != Err(first.reason) {
                    wrong.push(format!("{on:?}: {} and {}: {verdict:?}, expected {:?}", one.name, other.name, first.reason));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {pairs}:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    assert!(pairs > 10_000, "{pairs} pairs are not the table");
}

/// A token that was good, and whose signature nobody checks again, is no way around what the directories have taken away since; nor is a
/// passport that was made for it.
#[tokio::test]
async fn what_was_let_in_yesterday_is_refused_today() {
    let mut house = House::build().await;
    house.set(Day::Yesterday);
    let taken: Vec<_> = faults().into_iter().filter(|fault| fault.check.asks_a_directory()).collect();
    let (mut requests, mut passports) = (Vec::new(), Vec::new());
    for fault in &taken {
        let has_token = fault.on == On::Both;
        let request = attempt(fault.apply);
        let request = if has_token { house.written(request) } else { request };
        for on in listeners(fault.on) {
            assert_eq!(house.verdict_again(*on, &request).await, Ok(()), "{on:?}: {}, yesterday", fault.name);
        }
        if has_token {
            passports.push((fault, house.passport(&request).await.unwrap()));
        }
        requests.push((fault, request));
    }
    house.set(Day::Today);
    for (fault, request) in &requests {
        for on in listeners(fault.on) {
            let recalled = house.recalled();
            assert_eq!(house.verdict_again(*on, request).await, Err(fault.reason), "{on:?}: {}", fault.name);
            assert_eq!(house.recalled() - recalled, usize::from(fault.on == On::Both), "{on:?}: {}: is it remembered?", fault.name);
        }
    }
    assert!(passports.len() > 15, "{} passports", passports.len());
    for (fault, passport) in &passports {
        let request = attempt(|a| {
            (fault.apply)(a);
            a.proof = Some(Proof::Written(house::text(passport)));
        });
        assert_eq!(house.verdict_again(On::Egress, &request).await, Err(fault.reason), "behind a passport: {}", fault.name);
    }
    // The house has not just shut.
    assert_eq!(house.verdict_again(On::Both, &Attempt::good()).await, Ok(()));
    assert_eq!(house.verdict_again(On::Both, &attempt(|a| a.bound("hooli"))).await, Ok(()), "{BOUND}");
}

#[test]
fn every_check_has_a_fault_and_every_reason_a_row() {
    let all = faults();
    assert!(all.is_sorted_by_key(|fault| fault.check), "the table is not in the order of its checks");
    let broken: BTreeSet<_> = all.iter().map(|fault| fault.check).collect();
    let unbroken: Vec<_> = Check::ALL.iter().filter(|check| !broken.contains(check)).collect();
    assert!(unbroken.is_empty(), "nothing breaks {unbroken:?}");
    let given: BTreeSet<_> = all.iter().map(|fault| fault.reason).collect();
    let others: Vec<_> = ELSEWHERE.iter().flat_map(|(_, reasons)| *reasons).copied().collect();
    let missing: Vec<_> = Reason::ALL.iter().filter(|reason| !others.contains(reason) && !given.contains(reason)).collect();
    assert!(missing.is_empty(), "no row gives {missing:?}: add one, or say in ELSEWHERE which test of another room does");
    let both: Vec<_> = given.iter().filter(|reason| others.contains(reason)).collect();
    assert!(both.is_empty(), "rows give {both:?}, which ELSEWHERE has as well");
    assert_eq!(others.iter().collect::<BTreeSet<_>>().len(), others.len(), "ELSEWHERE has a reason twice");
    let names: BTreeSet<_> = all.iter().map(|fault| (fault.check, fault.name)).collect();
    assert_eq!(names.len(), all.len(), "a name is there twice");
}

/// The guide lists the checks in the order in which the table has them, each with the reasons that its rows give.
#[test]
fn the_guide_has_every_check_in_order() {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/guide/verification.md")).unwrap();
    let documented: Vec<_> = guide.lines().filter(|line| line.starts_with("| `") && line.contains(" | ")).collect();
    let all = faults();
    let rows: Vec<_> = Check::ALL
        .iter()
        .map(|check| {
            let reasons: BTreeSet<_> = all.iter().filter(|fault| fault.check == *check).map(|fault| fault.reason.as_str()).collect();
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
