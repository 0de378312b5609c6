//! Palisade's own identity: who it is, what the time is where it is known, and what it can do that it should not.

use std::time::{Duration, SystemTime};

use http::StatusCode;

use super::{
    LIMIT, Options,
    aws::{self, Answer, Call, Caller, Place},
    report::{Level, Report},
};
use crate::{
    clock::Clock,
    config::{Config, CredentialsSource, StsConfig},
    credentials::{BaseIdentity, own_key},
    skew::Skew,
};

/// Difference of clocks from which on tokens are refused that others take: `leeway`'s default.
const ODD: Duration = Duration::from_secs(30);
/// Difference from which on AWS refuses signatures.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>
const WRONG: Duration = Duration::from_secs(5 * 60);

/// What the base identity must not be able to do. Each is harmless, and lists one entry at most where that can be said.
const PROBES: &[(&str, &str, Call)] = &[
    ("s3", "s3:ListAllMyBuckets", Call::Get),
    ("dynamodb", "dynamodb:ListTables", Call::Json("DynamoDB_20120810.ListTables", "application/x-amz-json-1.0")),
    ("kms", "kms:ListKeys", Call::Json("TrentService.ListKeys", "application/x-amz-json-1.1")),
    ("secretsmanager", "secretsmanager:ListSecrets", Call::Json("secretsmanager.ListSecrets", "application/x-amz-json-1.1")),
    ("sqs", "sqs:ListQueues", Call::Json("AmazonSQS.ListQueues", "application/x-amz-json-1.0")),
];

/// Who the base identity is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    /// As STS says it: of a session, where a role is behind it.
    pub(super) arn: String,
    /// The ARN by which policies name it.
    pub(super) principal: String,
}

/// The base identity, which can be called with.
pub(super) struct Known {
    pub(super) who: Who,
    pub(super) identity: BaseIdentity,
    caller: Caller,
}

/// Asks STS who the base identity is. `None` where there is none that AWS accepts.
pub(super) async fn examine(report: &mut Report, source: &CredentialsSource, sts: &StsConfig, clock: &Clock, skew: &Skew) -> Option<Known> {
    const KEY: &str = "credentials.source";
    let cannot = |report: &mut Report, why: String, cure: &str| {
        report.add(Level::Failure, KEY, why, cure);
        None
    };
    let opened = BaseIdentity::open(source, sts, skew);
    let identity = match opened {
        Ok(identity) => identity,
        Err(error) => return cannot(report, error.to_string(), "correct credentials.sts.ca"),
    };
    let key = match own_key(&identity).await {
        Ok(key) => key,
        Err(wrong) => return cannot(report, format!("there are no credentials: {wrong}"), cure_of(source)),
    };
    let caller = Caller { key, clock: clock.clone(), limit: sts.timeout.min(LIMIT) };
    let Some(place) = aws::sts(sts) else {
        return cannot(report, format!("{} is no region of AWS", sts.region), "correct credentials.sts.region");
    };
    let call = Call::Query(vec![("Action".to_owned(), "GetCallerIdentity".to_owned()), ("Version".to_owned(), "2011-06-15".to_owned())]);
    let answer = match caller.call(&place, &call).await {
        Ok(answer) => answer,
        Err(wrong) => {
            let cure = "let this process reach STS: a route or a VPC endpoint (com.amazonaws.REGION.sts), DNS, credentials.sts.ca";
            report.add(Level::Failure, "credentials.sts", format!("{} cannot be asked: {wrong}", place.endpoint.authority), cure);
            return None;
        }
    };
    judge_clock(report, answer.date, clock.now());
    let Some(who) = who(&answer, source) else {
        return cannot(report, format!("STS does not accept the credentials: {} ({})", answer.code(), answer.status), cure_of(source));
    };
    report.ok(KEY, format!("Palisade is {}", who.arn));
    if who.arn.ends_with(":root") {
        report.add(
            Level::Failure,
            KEY,
            "it is the root of the account, which may do everything",
            "use a role that may only assume tenants' roles",
        );
    }
    Some(Known { who, identity, caller })
}

fn cure_of(source: &CredentialsSource) -> &'static str {
    match source {
        CredentialsSource::DefaultChain { .. } => {
            "give this process a source of the SDK's default chain: environment, profile, web identity, container, instance"
        }
        CredentialsSource::WebIdentity { .. } => {
            "check that the token is mounted and of the audience sts.amazonaws.com, that IAM has an OIDC provider for its issuer, and that the \
             trust policy of role_arn allows sts:AssumeRoleWithWebIdentity to it for this service account"
        }
        CredentialsSource::File(_) => "write keys that are active into the file, and the secret that belongs to them",
        CredentialsSource::Static { .. } => "check that the key is active, and the secret the one that belongs to it",
        CredentialsSource::Nobody => "give credentials.source",
    }
}

fn who(answer: &Answer, source: &CredentialsSource) -> Option<Who> {
    let arn = answer.elements("Arn").into_iter().next().filter(|_| answer.status == StatusCode::OK)?;
    let principal = match (principal(&arn), source) {
        // A session's ARN leaves out its role's path.
        (principal, CredentialsSource::WebIdentity { role_arn, .. }) if same_role(&principal, role_arn) => role_arn.clone(),
        (principal, _) => principal,
    };
    Some(Who { arn, principal })
}

fn same_role(one: &str, other: &str) -> bool {
    let ends = |arn: &str| (arn.split(':').nth(4).map(str::to_owned), arn.rsplit('/').next().map(str::to_owned));
    ends(one) == ends(other)
}

/// `arn:P:sts::ACCOUNT:assumed-role/NAME/SESSION` is `arn:P:iam::ACCOUNT:role/NAME` in policies.
fn principal(arn: &str) -> String {
    let session =
        arn.split_once(":assumed-role/").and_then(|(front, rest)| Some((front.replacen(":sts:", ":iam:", 1), rest.split_once('/')?.0)));
    session.map_or_else(|| arn.to_owned(), |(front, role)| format!("{front}:role/{role}"))
}

fn judge_clock(report: &mut Report, date: Option<SystemTime>, now: SystemTime) {
    const KEY: &str = "clock";
    let Some(theirs) = date else { return report.add(Level::Warning, KEY, "STS does not say what time it is", "") };
    // The header has seconds, and the answer has been on its way.
    let difference = now.duration_since(theirs).unwrap_or_else(|error| error.duration());
    let found = format!("{} s from STS's", difference.as_secs());
    let cure = "run a time service (chrony, or the host's)";
    match difference {
        far if far >= WRONG => {
            report.add(Level::Failure, KEY, format!("{found}: AWS refuses signatures, and tokens are judged wrongly"), cure)
        }
        far if far >= ODD => report.add(Level::Warning, KEY, format!("{found}: more than tokens are forgiven (leeway)"), cure),
        _ => report.ok(KEY, found),
    }
}

impl Known {
    /// Tries what must be denied.
    pub(super) async fn zero_access(&self, report: &mut Report, config: &Config, sts: &StsConfig, options: &Options) {
        let mut untried = Vec::new();
        for (service, action, call) in PROBES {
            match aws::place(config, sts, service) {
                Some(place) => self.probe(report, action, &place, call).await,
                None => untried.push(*action),
            }
        }
        let list_roles = ["Action=ListRoles", "Version=2010-05-08", "MaxItems=1"].map(|pair| pair.split_once('=').unwrap_or_default());
        let list_roles = Call::Query(list_roles.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        match aws::iam(sts, options.iam.as_ref()) {
            Some(place) => self.probe(report, "iam:ListRoles", &place, &list_roles).await,
            None => untried.push("iam:ListRoles"),
        }
        if !untried.is_empty() {
            let found = format!("not tried, since STS is not AWS's own and nothing says where the services are: {}", untried.join(" "));
            report.add(Level::Warning, "credentials.source", found, "give egress.services.<name>.endpoint, and --iam-endpoint for IAM");
        }
    }

    async fn probe(&self, report: &mut Report, action: &str, place: &Place, call: &Call) {
        const KEY: &str = "credentials.source";
        let cure = format!("take {action} away from {}: `palisade iam --what base` prints all that it needs", self.who.principal);
        match self.caller.call(place, call).await {
            Ok(answer) if answer.is_denied() => report.ok(KEY, format!("zero access not disproved: {action} is denied")),
            Ok(answer) if answer.status.is_success() => {
                report.add(
                    Level::Failure,
                    KEY,
                    format!("the base identity may {action}: it should be able to assume roles and nothing else"),
                    cure,
                );
            }
            Ok(answer) => {
                let found = format!("{action} was neither allowed nor denied: {} ({})", answer.code(), answer.status);
                report.add(Level::Warning, KEY, found, "");
            }
            // A network that lets nothing through to a service that is not used is no fault.
            Err(wrong) => report.add(Level::Warning, KEY, format!("{action} could not be tried: {wrong}"), ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_session_is_named_by_its_role() {
        assert_eq!(principal("arn:aws:sts::111122223333:assumed-role/base/palisade"), "arn:aws:iam::111122223333:role/base");
        assert_eq!(principal("arn:aws:iam::111122223333:user/a/palisade"), "arn:aws:iam::111122223333:user/a/palisade");
        assert!(same_role("arn:aws:iam::111122223333:role/base", "arn:aws:iam::111122223333:role/path/base"));
        assert!(!same_role("arn:aws:iam::111122223333:role/base", "arn:aws:iam::999922223333:role/base"));
    }

    #[test]
    fn a_clock_is_judged_by_what_fails_with_it() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let level = |theirs: Option<u64>| {
            let mut report = Report::default();
            judge_clock(&mut report, theirs.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)), now);
            report.worst()
        };
        assert_eq!([level(Some(1_000_000)), level(Some(999_990)), level(Some(1_000_010))], [Level::Ok; 3]);
        assert_eq!([level(Some(999_960)), level(Some(1_000_040)), level(None)], [Level::Warning; 3]);
        assert_eq!([level(Some(999_000)), level(Some(1_001_000))], [Level::Failure; 2]);
    }
}
