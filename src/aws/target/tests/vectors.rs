//! Where botocore sends each service, in every partition: `hosts.tsv`, written by `tests/tools/botocore_tables.py`.

use std::collections::BTreeSet;

use super::*;

/// Vectors that are refused here, and why that is right.
const REFUSED: &[(&str, Reason, &str)] = &[
    ("billingconductor", Reason::TargetConflict, ONE_PLACE),
    ("chime", Reason::TargetConflict, ONE_PLACE),
    ("freetier", Reason::TargetConflict, ONE_PLACE),
    ("importexport", Reason::TargetConflict, ONE_PLACE),
    ("savingsplans", Reason::TargetConflict, ONE_PLACE),
    ("shield", Reason::TargetConflict, ONE_PLACE),
    ("support", Reason::TargetConflict, ONE_PLACE),
    ("waf", Reason::TargetConflict, ONE_PLACE),
    ("neptune-graph", Reason::HostNotAllowed, "on.aws is no partition's suffix: customers have names under it"),
    ("signin", Reason::HostNotAllowed, "it is under signin.aws.amazon.com, hands out tokens, and cannot be configured"),
];
/// Regional services of which a part signs for another region: that region has to be allowed by name.
const ALSO_ELSEWHERE: &[&str] = &["arc-region-switch", "sustainability"];
const ONE_PLACE: &str = "the service has one place; with FIPS or dual stack the rules put the region into a name that does not exist";

/// A host, what leads botocore to it, and what it signs for.
#[derive(Debug)]
struct Vector {
    service: &'static str,
    signing_name: &'static str,
    host: String,
    /// `p` plain, `f` FIPS, `d` dual stack, `b` both, `P` what an endpoint override stands for.
    asked: char,
    region: &'static str,
    signed: &'static str,
}

fn vectors() -> Vec<Vector> {
    let mut regions = BTreeMap::new();
    let mut vectors = Vec::new();
    for line in include_str!("../hosts.tsv").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&'static str> = line.split('\t').collect();
        if let ["@", letter, region, suffix, dual_stack] = fields[..] {
            regions.insert(letter.chars().next().unwrap(), (region, suffix, dual_stack));
            continue;
        }
        let (service, signing_name, host) = (fields[0], fields[1], fields[2]);
        for asked in fields[3].split(' ') {
            let (asked, letters) = (asked.chars().next().unwrap(), &asked[1..]);
            for letter in letters.chars() {
                let (region, suffix, dual_stack) = regions[&letter];
                let host = host.replace('*', region).replace('~', suffix).replace('^', dual_stack);
                let signed = fields.get(4).map_or(region, |letter| regions[&letter.chars().next().unwrap()].0);
                vectors.push(Vector { service, signing_name, host, asked, region, signed });
            }
        }
    }
    vectors
}

fn config_of(vector: &Vector) -> EgressConfig {
    let mut config = config();
    config.services = [(vector.service.to_owned(), service())].into();
    config.region = vector.region.to_owned();
    config.regions = vec![vector.region.to_owned()];
    if ALSO_ELSEWHERE.contains(&vector.service) {
        config.regions.push(vector.signed.to_owned());
    }
    config
}

/// (service, region, name to sign for, dialled host, `Host`)
fn outcome(vector: &Vector, scope: Option<(&str, &str)>, host: &str) -> Result<[String; 5], Reason> {
    let control = vector.service == "s3-control";
    let headers: &[_] = if control { &[("x-amz-account-id", "111122223333")] } else { &[] };
    let target = resolve_with(&config_of(vector), scope, if control { "/v20180820/x" } else { "/" }, Some(host), headers)?;
    assert!(target.dial.tls && target.signed_host == target.host);
    Ok([
        target.service.clone(),
        target.region.clone(),
        target.signing_name.clone(),
        target.dial.authority.to_string(),
        target.host.to_string(),
    ])
}

fn expected(vector: &Vector) -> [String; 5] {
    // Import/Export signs with a name of its own, and that only in the partition where it is.
    let signing_name = if vector.service == "importexport" { "IngestionService" } else { vector.signing_name };
    [vector.service, vector.signed, signing_name, &vector.host, &vector.host].map(str::to_owned)
}

#[test]
fn hosts_are_understood_as_botocore_means_them() {
    let (mut used, mut wrong) = (BTreeSet::new(), Vec::new());
    let vectors = vectors();
    assert!(vectors.len() > 20_000, "{}", vectors.len());
    for vector in &vectors {
        let by_host = outcome(vector, None, &vector.host);
        if let Err(reason) = by_host
            && !"Pp".contains(vector.asked) | matches!(vector.service, "signin")
            && REFUSED.iter().any(|row| row.0 == vector.service && row.1 == reason)
        {
            used.insert(vector.service);
            continue;
        }
        let scoped = outcome(vector, Some((&expected(vector)[2], vector.signed)), &vector.host);
        if by_host != Ok(expected(vector)) || scoped != by_host {
            wrong.push((vector, by_host, scoped));
        }
    }
    assert!(wrong.is_empty(), "{} vectors, such as {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    assert_eq!(used, REFUSED.iter().map(|row| row.0).collect(), "an exception that is none any more");
}

#[test]
fn an_endpoint_override_stands_for_botocores_own_default() {
    for vector in vectors().iter().filter(|vector| vector.asked == 'P') {
        // Signed for us-east-1 under every region's name in `aws`: only such a name can say so.
        let is_odd = vector.service == "sustainability" && vector.signed != vector.region && vector.host.contains(vector.region);
        if vector.service == "signin" || is_odd || vector.signing_name != expected(vector)[2] {
            continue;
        }
        for scope in [(vector.signing_name, vector.region), (vector.signing_name, vector.signed)] {
            assert_eq!(outcome(vector, Some(scope), "127.0.0.1:8180"), Ok(expected(vector)), "{vector:?} {scope:?}");
        }
    }
}

#[test]
fn a_global_services_region_is_that_of_an_allowed_partition() {
    let mut config = config();
    config.services = [("iam".to_owned(), service())].into();
    let iam = |config: &EgressConfig, scope, host| resolve_with(config, scope, "/", Some(host), &[]).map(|target| target.host.to_string());
    for (scope, host) in [(Some(("iam", "cn-north-1")), "127.0.0.1:8180"), (Some(("iam", "us-gov-west-1")), "127.0.0.1:8180")] {
        assert_eq!(iam(&config, scope, host), Err(Reason::RegionNotAllowed));
    }
    for host in ["iam.us-gov.amazonaws.com", "iam.global.api.amazonwebservices.com.cn"] {
        assert_eq!(iam(&config, None, host), Err(Reason::HostNotAllowed), "{host}");
    }
    assert_eq!(iam(&config, None, "iam.cn-north-1.amazonaws.com.cn"), Err(Reason::TargetConflict));
    config.regions.push("us-gov-east-1".to_owned());
    assert_eq!(iam(&config, Some(("iam", "us-gov-east-1")), "127.0.0.1:8180"), Ok("iam.us-gov.amazonaws.com".to_owned()));
    assert_eq!(iam(&config, Some(("iam", "eu-west-1")), "127.0.0.1:8180"), Ok("iam.amazonaws.com".to_owned()));
}
