//! Which resources are meant, as a rule says it.

use std::{fmt, str::FromStr};

use crate::aws::glob;

/// Longest pattern, in bytes: a bucket's key has 1,024.
const MAX_BYTES: usize = 1_600;
/// `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`
const PARTS: usize = 6;

/// An ARN in which region and account may be `*`, and the resource may have `*` for any run of characters; or `*` alone, for whatever there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourcePattern(Option<[String; PARTS]>);

/// Why a text is no such pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResourcePattern {
    /// Not six parts, or one that is empty and may not be.
    #[error("it is not arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE")]
    Parts,
    /// A wildcard where it would mean more than anybody sees.
    #[error("* stands for the whole region or account, or for a part of the resource; partition and service are written out")]
    Wildcard,
}

impl ResourcePattern {
    /// Whether everything is meant, also what cannot be told.
    pub fn is_everything(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the resource with this ARN is meant. Upper and lower case are two.
    pub fn matches(&self, arn: &str) -> bool {
        let Some(own) = &self.0 else { return true };
        let Some(parts) = split(arn) else { return false };
        let [head @ .., resource] = own;
        let same = |(own, part): (&String, &&str)| own == part || own == "*";
        head.iter().zip(&parts).all(same) && glob::fits(resource, parts[PARTS - 1], |a, b| a == b)
    }
}

fn split(arn: &str) -> Option<[&str; PARTS]> {
    let parts: Vec<&str> = arn.splitn(PARTS, ':').collect();
    parts.try_into().ok()
}

impl FromStr for ResourcePattern {
    type Err = InvalidResourcePattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Ok(Self(None));
        }
        let parts = split(text).filter(|_| text.len() <= MAX_BYTES && !text.chars().any(|c| c.is_control() || c.is_whitespace()));
        let parts = parts.ok_or(InvalidResourcePattern::Parts)?;
        let [arn, partition, service, region, account, resource] = parts;
        if arn != "arn" || partition.is_empty() || service.is_empty() || resource.is_empty() {
            return Err(InvalidResourcePattern::Parts);
        }
        let whole = |part: &str| part == "*" || !part.contains('*');
        if partition.contains('*') || service.contains('*') || !whole(region) || !whole(account) {
            return Err(InvalidResourcePattern::Wildcard);
        }
        Ok(Self(Some(parts.map(str::to_owned))))
    }
}

impl fmt::Display for ResourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("*"),
            Some(parts) => f.write_str(&parts.join(":")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, arn: &str) -> bool {
        pattern.parse::<ResourcePattern>().unwrap().matches(arn)
    }

    #[test]
    fn a_wildcard_reaches_no_further_than_its_part() {
        let arn = "arn:aws:sqs:eu-west-1:111122223333:jobs";
        for pattern in [arn, "*", "arn:aws:sqs:*:*:jobs", "arn:aws:sqs:eu-west-1:111122223333:*", "arn:aws:sqs:*:111122223333:jo*s"] {
            assert!(matches(pattern, arn), "{pattern}");
        }
        for pattern in [
            "arn:aws:sqs:eu-west-1:111122223333:job",
            "arn:aws:sqs:eu-west-1:111122223333:JOBS",
            "arn:aws:sqs:eu-west-1:999999999999:jobs",
            "arn:aws:sqs:us-east-1:*:jobs",
            "arn:aws:sns:*:*:jobs",
            "arn:aws-cn:sqs:*:*:jobs",
            "arn:aws:sqs:*:*:*-dead",
        ] {
            assert!(!matches(pattern, arn), "{pattern}");
        }
        assert!(!matches("arn:aws:sqs:*:*:*", "arn:aws:sqs:eu-west-1"), "what is no ARN is no resource");
        assert!(matches("arn:aws:s3:::pool/a:b/*", "arn:aws:s3:::pool/a:b/c"));
        assert!(!matches("arn:aws:s3:::pool/k", "arn:aws:s3:::pool/k*"), "a * of the resource's own is a character");
    }

    #[test]
    fn what_means_more_than_it_seems_is_no_pattern() {
        use InvalidResourcePattern::{Parts, Wildcard};
        for (text, wrong) in [
            ("", Parts),
            ("jobs", Parts),
            ("arn:aws:sqs:eu-west-1:111122223333", Parts),
            ("arn:aws:sqs:eu-west-1:111122223333:", Parts),
            ("urn:aws:sqs:eu-west-1:111122223333:jobs", Parts),
            ("arn::sqs:eu-west-1:111122223333:jobs", Parts),
            ("arn:aws:sqs:eu-west-1:111122223333:jobs two", Parts),
            ("**", Parts),
            ("arn:*:sqs:eu-west-1:111122223333:jobs", Wildcard),
            ("arn:aws:*:eu-west-1:111122223333:jobs", Wildcard),
            ("arn:aws:sqs:eu-*:111122223333:jobs", Wildcard),
            ("arn:aws:sqs:eu-west-1:1111*:jobs", Wildcard),
        ] {
            assert_eq!(text.parse::<ResourcePattern>(), Err(wrong), "{text}");
        }
    }
}
