//! IAM's own simulator, asked with the operator's profile: what the base identity's policies allow, without doing any of it.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>

use super::{
    LIMIT,
    aws::{self, Answer, Call, Caller},
    base::Who,
    report::{Level, Report},
};
use crate::{
    clock::Clock,
    config::{Endpoint, StsConfig},
    credentials::profile_key,
};

/// What nobody but a tenant's session should be able to do, and what leads to more.
const FORBIDDEN: &[&str] = &[
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:ListBucket",
    "s3:ListAllMyBuckets",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
    "lambda:InvokeFunction",
    "aoss:APIAccessAll",
    "iam:PassRole",
    "iam:CreateAccessKey",
    "iam:UpdateAssumeRolePolicy",
    "iam:PutRolePolicy",
    "sts:GetFederationToken",
];

/// Asks for every action in [`FORBIDDEN`], and for a role that is no tenant's.
pub(super) async fn examine(report: &mut Report, sts: &StsConfig, who: &Who, profile: &str, iam: Option<&Endpoint>, clock: &Clock) {
    const KEY: &str = "--profile";
    let mut warn = |found: String, cure: &str| report.add(Level::Warning, KEY, found, cure);
    let Some(place) = aws::iam(sts, iam) else {
        return warn("IAM's place is not known, since STS is not AWS's own".to_owned(), "give --iam-endpoint");
    };
    let key = match profile_key(profile, sts).await {
        Ok(key) => key,
        Err(wrong) => return warn(format!("the profile {profile} has no credentials: {wrong}"), "log in, or correct the name"),
    };
    let caller = Caller { key, clock: clock.clone(), limit: LIMIT };
    let account = who.principal.split(':').nth(4).unwrap_or_default();
    let partition = who.principal.split(':').nth(1).unwrap_or("aws");
    let stranger = format!("arn:{partition}:iam::{account}:role/palisade-doctor-no-tenant");
    for (actions, resource) in [(FORBIDDEN, "*"), (&["sts:AssumeRole"][..], stranger.as_str())] {
        match caller.call(&place, &Call::Query(question(&who.principal, actions, resource))).await {
            Ok(answer) if answer.status.is_success() => judge(report, who, &answer, actions.len(), resource),
            Ok(answer) => report.add(
                Level::Warning,
                KEY,
                format!("the simulator does not answer: {} ({})", answer.code(), answer.status),
                "let the profile call iam:SimulatePrincipalPolicy",
            ),
            Err(wrong) => report.add(Level::Warning, KEY, format!("the simulator cannot be asked: {wrong}"), ""),
        }
    }
}

fn question(principal: &str, actions: &[&str], resource: &str) -> Vec<(String, String)> {
    let fixed = [
        ("Action", "SimulatePrincipalPolicy"),
        ("Version", "2010-05-08"),
        ("PolicySourceArn", principal),
        ("ResourceArns.member.1", resource),
        ("MaxItems", "1000"),
    ];
    let fixed = fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let actions = actions.iter().enumerate().map(|(number, action)| (format!("ActionNames.member.{}", number + 1), (*action).to_owned()));
    fixed.chain(actions).collect()
}

fn judge(report: &mut Report, who: &Who, answer: &Answer, asked: usize, resource: &str) {
    const KEY: &str = "credentials.source";
    let (names, decisions) = (answer.elements("EvalActionName"), answer.elements("EvalDecision"));
    if names.len() != decisions.len() || names.len() < asked {
        return report.add(Level::Warning, KEY, "the simulator's answer cannot be read, or is not whole", "");
    }
    let allowed: Vec<_> =
        names.iter().zip(&decisions).filter(|(_, decision)| *decision == "allowed").map(|(name, _)| name.as_str()).collect();
    if allowed.is_empty() {
        let unseen = if resource == "*" { " (what is allowed on single resources is not seen)" } else { "" };
        report.ok(KEY, format!("zero access not disproved, by IAM's simulator: {asked} actions on {resource} are denied{unseen}"));
    } else {
        let cure = format!("take them away from {}: `palisade iam --what base` prints all that it needs", who.principal);
        report.add(Level::Failure, KEY, format!("by IAM's simulator the base identity may, on {resource}: {}", allowed.join(" ")), cure);
    }
}
