//! What STS takes: limits and character sets of
//! [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html) and
//! [AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).
//!
//! Policies and tags also share a packed size, which is AWS's own to reckon: it comes with each answer
//! (`palisade_sts_packed_policy_percent`), and a call that goes beyond it is refused by STS.

use super::{Authority, Hop, StsInputs, Wrong};
use crate::config::{
    settings::parse::{is_policy_arn, is_role_arn},
    template::SESSION_POLICY_LIMIT,
};

/// What STS gives at most to a role that another role assumes, in seconds.
const MAX_CHAINED: i32 = 3_600;

impl StsInputs {
    /// Whether STS would take these inputs, as far as that can be told without asking.
    pub(super) fn acceptable(&self) -> Result<(), Wrong> {
        is_role_arn(&self.role_arn).or_else_say("role_arn", "is not the ARN of an IAM role")?;
        holds(&self.session_name, 2..=64, in_name).or_else_say("session_name", "is not 2 to 64 characters of [A-Za-z0-9_+=,.@-]")?;
        external_id("", self.external_id.as_deref())?;
        if let Some(identity) = &self.source_identity {
            let fine = holds(identity, 2..=64, in_name) && !identity.starts_with("aws:");
            fine.or_else_say("source_identity", "is not 2 to 64 characters of [A-Za-z0-9_+=,.@-]")?;
        }
        self.acceptable_policies()?;
        (900..=43_200).contains(&self.duration_seconds).or_else_say("duration", "is not 15 minutes to 12 hours")?;
        tags("", &self.tags, &self.transitive_tag_keys)?;
        let Authority::Identity(hops) = &self.authority else { return Ok(()) };
        let capped = hops.is_empty() || self.duration_seconds <= MAX_CHAINED;
        capped.or_else_say("duration", "is over an hour, and the role is assumed by way of others")?;
        hops.iter().enumerate().try_for_each(|(number, hop)| hop.acceptable(&format!("via[{number}].")))
    }

    fn acceptable_policies(&self) -> Result<(), Wrong> {
        if let Some(policy) = &self.policy {
            // The characters that STS takes in a policy: tab, line ends, space to U+00FF.
            let in_policy = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}');
            let fine = holds(policy, 1..=SESSION_POLICY_LIMIT, in_policy);
            fine.or_else_say("session_policy", "is over 2048 characters, or has one beyond U+00FF")?;
        }
        (self.policy_arns.len() <= 10).or_else_say("policy_arns", "are more than 10")?;
        self.policy_arns
            .iter()
            .all(|arn| is_policy_arn(arn))
            .or_else_say("policy_arns", "have one that is not the ARN of a managed policy")?;
        let sum: usize = self.policy.iter().chain(&self.policy_arns).map(|text| text.chars().count()).sum();
        (sum <= SESSION_POLICY_LIMIT).or_else_say("policy_arns", "have over 2048 characters together with session_policy")
    }
}

impl Hop {
    fn acceptable(&self, prefix: &str) -> Result<(), Wrong> {
        let setting = |name: &str| format!("{prefix}{name}");
        is_role_arn(&self.role_arn).or_else_say(setting("role_arn"), "is not the ARN of an IAM role")?;
        let name = holds(&self.session_name, 2..=64, in_name);
        name.or_else_say(setting("session_name"), "is not 2 to 64 characters of [A-Za-z0-9_+=,.@-]")?;
        external_id(prefix, self.external_id.as_deref())?;
        tags(prefix, &self.tags, &self.transitive_tag_keys)
    }
}

fn external_id(prefix: &str, id: Option<&str>) -> Result<(), Wrong> {
    let fine = id.is_none_or(|id| holds(id, 2..=1224, |c| in_name(c) || ":/".contains(c)));
    fine.or_else_say(format!("{prefix}external_id"), "is not 2 to 1224 characters of [A-Za-z0-9_+=,.@:/-]")
}

fn tags(prefix: &str, tags: &[(String, String)], transitive: &[String]) -> Result<(), Wrong> {
    let setting = || format!("{prefix}session_tags");
    (tags.len() <= 50).or_else_say(setting(), "are more than 50")?;
    let tag = |c: char| c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c);
    for (index, (key, value)) in tags.iter().enumerate() {
        let fine = holds(key, 1..=128, tag) && !key.to_ascii_lowercase().starts_with("aws:");
        fine.or_else_say(setting(), "have a key that is not 1 to 128 of the allowed characters")?;
        holds(value, 0..=256, tag).or_else_say(setting(), "have a value that is not at most 256 of the allowed characters")?;
        // STS takes `Department` and `department` for one key.
        let again = tags[..index].iter().any(|(other, _)| other.eq_ignore_ascii_case(key));
        (!again).or_else_say(setting(), "have a key twice")?;
    }
    let known = |key: &String| tags.iter().any(|(tag, _)| tag == key);
    transitive.iter().all(known).or_else_say(format!("{prefix}transitive_tag_keys"), "name a tag that is not in session_tags")
}

trait OrElseSay {
    fn or_else_say(self, setting: impl Into<String>, why: &'static str) -> Result<(), Wrong>;
}

impl OrElseSay for bool {
    fn or_else_say(self, setting: impl Into<String>, why: &'static str) -> Result<(), Wrong> {
        if self { Ok(()) } else { Err(Wrong::new(setting, why)) }
    }
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

fn holds(text: &str, length: std::ops::RangeInclusive<usize>, allowed: impl Fn(char) -> bool) -> bool {
    length.contains(&text.chars().count()) && text.chars().all(allowed)
}
