//! `users`

use std::path::PathBuf;

use super::{CacheConfig, TableConfig};

/// `tenants.on_suspend`: what becomes of requests in progress when their tenant is suspended or taken out of the directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnSuspend {
    /// They are broken off.
    #[default]
    Cut,
    /// They go on to their end; new ones are refused, on both listeners.
    Finish,
}

/// `users.directory`
#[derive(Debug)]
pub enum UsersConfig {
    /// A YAML file of users, read again when it changes.
    File(PathBuf),
    /// Items of a DynamoDB table.
    DynamoDb(Box<UsersTableConfig>),
}

/// `users.directory.dynamodb`
#[derive(Debug)]
pub struct UsersTableConfig {
    /// The table.
    pub table: TableConfig,
    /// The attribute that is the table's partition key, and its value for a user.
    pub partition_key: (String, KeyTemplate),
    /// The same for the sort key, where the table has one.
    pub sort_key: Option<(String, KeyTemplate)>,
    /// Which attributes mean what.
    pub attributes: UserAttributesConfig,
    /// How long answers are kept.
    pub cache: CacheConfig,
}

/// `users.directory.dynamodb.attributes`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserAttributesConfig {
    /// `active` or `suspended`; an item without it is not accepted.
    pub status: String,
    /// The id of the active tenant.
    pub active_tenant: String,
    /// Roles by tenant, or a list of tenants.
    pub memberships: String,
    /// Free values.
    pub attributes: String,
}

/// The value of a key attribute for a user: text with `{issuer}` and `{subject}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Issuer,
    Subject,
}

impl KeyTemplate {
    /// Parses `text`; `None` where it has other placeholders, one of them twice, or stray braces.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (before, tail) = rest.split_at(open);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let known = [("{issuer}", Part::Issuer), ("{subject}", Part::Subject)];
            let (name, part) = known.into_iter().find(|(name, _)| tail.starts_with(name))?;
            if parts.contains(&part) {
                return None;
            }
            parts.push(part);
            rest = &tail[name.len()..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        (!parts.is_empty() && text.len() <= 1024 && !text.chars().any(char::is_control)).then(|| Self { text: text.to_owned(), parts })
    }

    /// The key of a user.
    pub fn render(&self, issuer: &str, subject: &str) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Issuer => issuer.to_owned(),
            Part::Subject => subject.to_owned(),
        };
        self.parts.iter().map(part).collect()
    }

    /// Whether users of one issuer differ in it.
    pub fn tells_subjects_apart(&self) -> bool {
        self.parts.contains(&Part::Subject)
    }

    /// Whether users of one name of different issuers differ in it.
    pub fn tells_issuers_apart(&self) -> bool {
        self.parts.contains(&Part::Issuer)
    }

    /// Two of `issuers` of which a user of one could be taken for a user of the other: what stands before the subject in the key
    /// of one begins that of the other, so that the rest could be a part of a subject. The same from the end.
    pub fn confuses<'i>(&self, issuers: &[&'i str]) -> Option<(&'i str, &'i str)> {
        let at = self.parts.iter().position(|part| *part == Part::Subject)?;
        let around = |parts: &[Part], issuer: &str| Self { text: String::new(), parts: parts.to_vec() }.render(issuer, "");
        let confused = |a: &str, b: &str| {
            let (before, after) = (&self.parts[..at], &self.parts[at + 1..]);
            // With the issuer on one side of the subject, the other side is the same for all and tells nothing.
            if before.contains(&Part::Issuer) {
                around(before, a).starts_with(&around(before, b))
            } else {
                around(after, a).ends_with(&around(after, b))
            }
        };
        let pairs = issuers
            .iter()
            .enumerate()
            .flat_map(|(n, a)| issuers.iter().enumerate().filter(move |(m, _)| *m != n).map(move |(_, b)| (*a, *b)));
        pairs.into_iter().find(|(a, b)| confused(a, b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_rendered_and_says_who_it_is_for() {
        let key = KeyTemplate::parse("USER#{issuer}#{subject}").unwrap();
        assert_eq!(key.render("https://idp/", "auth0|1"), "USER#https://idp/#auth0|1");
        assert!(key.tells_subjects_apart() && !KeyTemplate::parse("PROFILE").unwrap().tells_subjects_apart());
        for wrong in ["", "{user}", "{subject}{subject}", "{subject", "subject}", "a\n{subject}", "{tenant.id}"] {
            assert_eq!(KeyTemplate::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn keys_that_two_users_could_share_are_found() {
        let confuses = |text: &str, issuers: &[&str]| KeyTemplate::parse(text).unwrap().confuses(issuers).is_some();
        let apart = ["https://a/", "https://b/"];
        assert!(!confuses("{issuer}#{subject}", &apart) && !confuses("{subject}@{issuer}", &apart));
        assert!(confuses("{subject}", &apart), "without the issuer");
        // https://a/ with the subject "x/#u" would be https://a/x/ with the subject "u".
        assert!(confuses("{issuer}{subject}", &["https://a/", "https://a/x/"]));
        assert!(!confuses("{issuer}#{subject}", &["https://a/", "https://a/x/"]));
        assert!(confuses("{issuer}#{subject}", &["https://a", "https://a#b"]));
        assert!(confuses("{subject}{issuer}", &["idp.example", "my.idp.example"]));
        assert!(!confuses("{issuer}#{subject}", &["https://a/"]), "a single issuer has nobody to be confused with");
    }
}
