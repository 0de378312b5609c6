//! AssumeRole's parameters: read from the Query protocol's form, and held to the limits that AWS documents for them
//! ("AssumeRole" in the STS API reference, "IAM and STS quotas").

use std::collections::BTreeMap;

use super::super::{failure::Failure, wire::Wire};

/// A request for a role, every parameter within its limits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AssumeRole {
    pub(super) role_arn: String,
    pub(super) session_name: String,
    pub(super) tags: Vec<(String, String)>,
    pub(super) transitive_tag_keys: Vec<String>,
    pub(super) source_identity: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) policy: Option<String>,
    pub(super) duration_seconds: u64,
}

impl AssumeRole {
    /// Reads the form. A parameter that this double does not know is refused, so that nothing is silently without effect.
    pub(super) fn read(form: &[(String, String)]) -> Result<Self, Failure> {
        let mut lists = Lists::default();
        let mut single: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, value) in form {
            let known = match name.as_str() {
                "Action" | "Version" => continue,
                "RoleArn" | "RoleSessionName" | "ExternalId" | "Policy" | "SourceIdentity" | "DurationSeconds" => {
                    single.insert(name, value).is_none()
                }
                // How SDKs write an empty list.
                "Tags" | "TransitiveTagKeys" | "PolicyArns" => value.is_empty(),
                member => lists.put(member, value),
            };
            if !known {
                return Err(invalid(format!("the parameter {name} is repeated, malformed or not supported by this double")));
            }
        }
        let owned = |name: &str| single.get(name).map(|v| (*v).to_owned());
        let request = Self {
            role_arn: owned("RoleArn").ok_or_else(|| invalid("RoleArn is required"))?,
            session_name: owned("RoleSessionName").ok_or_else(|| invalid("RoleSessionName is required"))?,
            tags: lists.tags()?,
            transitive_tag_keys: lists.transitive.into_values().collect(),
            source_identity: owned("SourceIdentity"),
            external_id: owned("ExternalId"),
            policy: owned("Policy"),
            duration_seconds: match owned("DurationSeconds") {
                None => 3_600,
                Some(text) => text.parse().map_err(|_| invalid("DurationSeconds is not a number"))?,
            },
        };
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), Failure> {
        let word = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        within("RoleArn", &self.role_arn, 20..=2048, |c| !c.is_control())?;
        within("RoleSessionName", &self.session_name, 2..=64, word)?;
        if let Some(identity) = &self.source_identity {
            within("SourceIdentity", identity, 2..=64, word)?;
            if identity.to_ascii_lowercase().starts_with("aws:") {
                return Err(invalid("SourceIdentity must not begin with aws:"));
            }
        }
        if let Some(id) = &self.external_id {
            within("ExternalId", id, 2..=1224, |c| word(c) || ":/".contains(c))?;
        }
        if let Some(policy) = &self.policy {
            within("Policy", policy, 1..=2048, |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}'))?;
        }
        if !(900..=43_200).contains(&self.duration_seconds) {
            return Err(invalid("DurationSeconds must be from 900 to 43200"));
        }
        self.check_tags()
    }

    fn check_tags(&self) -> Result<(), Failure> {
        if self.tags.len() > 50 || self.transitive_tag_keys.len() > 50 {
            return Err(invalid("there are more than 50 session tags"));
        }
        let tag = |c: char| c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c);
        let mut keys = Vec::new();
        for (key, value) in &self.tags {
            within("Tags.Key", key, 1..=128, tag)?;
            within("Tags.Value", value, 0..=256, tag)?;
            let key = key.to_lowercase();
            if key.starts_with("aws:") {
                return Err(invalid("a tag's key must not begin with aws:"));
            }
            if keys.contains(&key) {
                return Err(invalid("a tag's key is there more than once; keys are compared without case"));
            }
            keys.push(key);
        }
        match self.transitive_tag_keys.iter().all(|key| keys.contains(&key.to_lowercase())) {
            true => Ok(()),
            false => Err(invalid("a transitive tag key has no session tag")),
        }
    }

    /// How full the packed limit for policy and tags is, in percent. AWS's packing is not documented; plain lengths are used.
    pub(super) fn packed_size(&self) -> usize {
        let tags: usize = self.tags.iter().map(|(k, v)| k.len() + v.len()).sum();
        (self.policy.as_ref().map_or(0, String::len) + tags).div_ceil(41)
    }
}

/// `Tags.member.N.Key` and the like, by their number.
#[derive(Default)]
struct Lists {
    tags: BTreeMap<u16, (Option<String>, Option<String>)>,
    transitive: BTreeMap<u16, String>,
}

impl Lists {
    /// Whether `name` is a member of a known list and was not there before.
    fn put(&mut self, name: &str, value: &str) -> bool {
        let mut path = name.split('.');
        let (list, member, index, field) = (path.next(), path.next(), path.next(), path.next());
        let Some(index) = index.and_then(|i| i.parse().ok()).filter(|i| (1..=100).contains(i)) else { return false };
        if member != Some("member") || path.next().is_some() {
            return false;
        }
        match (list, field) {
            (Some("Tags"), Some("Key")) => self.tags.entry(index).or_default().0.replace(value.to_owned()).is_none(),
            (Some("Tags"), Some("Value")) => self.tags.entry(index).or_default().1.replace(value.to_owned()).is_none(),
            (Some("TransitiveTagKeys"), None) => self.transitive.insert(index, value.to_owned()).is_none(),
            _ => false,
        }
    }

    fn tags(&mut self) -> Result<Vec<(String, String)>, Failure> {
        let whole = |tag| match tag {
            (Some(key), Some(value)) => Ok((key, value)),
            _ => Err(invalid("a tag needs a Key and a Value")),
        };
        std::mem::take(&mut self.tags).into_values().map(whole).collect()
    }
}

fn within(name: &str, text: &str, length: std::ops::RangeInclusive<usize>, allowed: impl Fn(char) -> bool) -> Result<(), Failure> {
    let count = text.chars().count();
    if !length.contains(&count) {
        return Err(invalid(format!("{name} must have {} to {} characters; it has {count}", length.start(), length.end())));
    }
    match text.chars().all(allowed) {
        true => Ok(()),
        false => Err(invalid(format!("{name} has a character that is not allowed there"))),
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::validation(Wire::Query, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(extra: &[(&str, &str)]) -> Result<AssumeRole, Failure> {
        let mut form = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", "arn:aws:iam::111122223333:role/data"),
            ("RoleSessionName", "acme"),
        ];
        form.retain(|(name, _)| !extra.iter().any(|(n, _)| n == name));
        form.extend(extra);
        AssumeRole::read(&form.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn everything_given_is_read() {
        let request = read(&[
            ("Tags.member.2.Key", "b"),
            ("Tags.member.2.Value", ""),
            ("Tags.member.1.Value", "x y"),
            ("Tags.member.1.Key", "TenantID"),
            ("TransitiveTagKeys.member.1", "tenantid"),
            ("SourceIdentity", "jane@example.com"),
            ("ExternalId", "a:b/c"),
            ("Policy", "{}"),
            ("DurationSeconds", "900"),
        ])
        .unwrap();
        assert_eq!(request.tags, [("TenantID".to_owned(), "x y".to_owned()), ("b".to_owned(), String::new())]);
        assert_eq!(request.transitive_tag_keys, ["tenantid"]);
        assert_eq!(request.duration_seconds, 900);
        assert_eq!(read(&[("Tags", ""), ("PolicyArns", "")]).unwrap().duration_seconds, 3_600);
    }

    #[test]
    fn what_aws_documents_as_invalid_is_refused() {
        let long = |n| "a".repeat(n);
        let cases: Vec<(&str, String)> = vec![
            ("RoleSessionName", "a".to_owned()),
            ("RoleSessionName", long(65)),
            ("RoleSessionName", "a b".to_owned()),
            ("RoleSessionName", "a/b".to_owned()),
            ("RoleArn", "short".to_owned()),
            ("SourceIdentity", "x".to_owned()),
            ("SourceIdentity", "aws:me".to_owned()),
            ("ExternalId", "a b".to_owned()),
            ("ExternalId", long(1225)),
            ("Policy", long(2049)),
            ("Policy", String::new()),
            ("Policy", "\u{100}".to_owned()),
            ("DurationSeconds", "899".to_owned()),
            ("DurationSeconds", "43201".to_owned()),
            ("DurationSeconds", "1h".to_owned()),
            ("TransitiveTagKeys.member.1", "missing".to_owned()),
            ("Tags.member.1.Key", "no value".to_owned()),
            ("Tags.member.0.Key", "k".to_owned()),
            ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/x".to_owned()),
            ("SerialNumber", "x".to_owned()),
        ];
        for (name, value) in cases {
            assert!(read(&[(name, &value)]).is_err(), "{name}={value}");
        }
        for (key, value) in [("", "v"), ("aws:x", "v"), ("k*", "v"), ("k", "v*"), ("k", "v?"), ("k", "${x}"), ("k", &long(257))] {
            assert!(read(&[("Tags.member.1.Key", key), ("Tags.member.1.Value", value)]).is_err(), "{key}={value}");
        }
    }

    #[test]
    fn tags_are_counted_and_compared_without_case() {
        let names: Vec<(String, String)> = (1..=51).map(|i| (format!("Tags.member.{i}.Key"), format!("k{i}"))).collect();
        let values: Vec<String> = (1..=51).map(|i| format!("Tags.member.{i}.Value")).collect();
        let form: Vec<(&str, &str)> =
            names.iter().map(|(n, k)| (n.as_str(), k.as_str())).chain(values.iter().map(|n| (n.as_str(), "v"))).collect();
        assert!(read(&form).is_err());
        let fifty: Vec<_> = form.iter().filter(|(n, _)| !n.contains(".51.")).copied().collect();
        assert_eq!(read(&fifty).unwrap().tags.len(), 50);
        let twice = [("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "1"), ("Tags.member.2.Key", "K"), ("Tags.member.2.Value", "2")];
        assert!(read(&twice).is_err());
        assert!(read(&[("RoleArn", "arn:aws:iam::111122223333:role/a"), ("RoleArn", "arn:aws:iam::111122223333:role/b")]).is_err());
    }
}
