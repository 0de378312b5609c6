//! Texts of IAM documents, in which something may still be open.
//!
//! What is open becomes a parameter of a template, and in a plain document a text that IAM does not take: a policy that was
//! printed before everything was known cannot be applied by mistake.

use std::fmt;

use crate::{
    config::template::{self, Name, Segment, TemplateError, Values},
    directory::TenantRecord,
};

/// A text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) Vec<Part>);

/// A piece of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// As it stands, wildcards of IAM among it.
    Literal(String),
    /// What IAM fills in when it decides: `${aws:PrincipalTag/TenantID}`, without the braces.
    Variable(String),
    /// Not known yet.
    Open(Open),
}

/// What may be open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Open {
    /// The ARN of Palisade's own role or user.
    Base,
    /// The ARN of whoever may change the roles.
    Admin,
    /// A bucket's name.
    Bucket,
    /// A table's name.
    Table,
    /// The name of a collection of OpenSearch Serverless.
    Collection,
    /// The name of a tenant's index in it.
    Index,
    /// The AWS account of Palisade's own role.
    Account,
    /// What the tenant's record says.
    Value(Name),
}

impl Open {
    /// How to say it on the command line.
    pub(super) fn argument(&self) -> String {
        match self {
            Self::Base | Self::Account => "--base-arn ARN".to_owned(),
            Self::Admin => "--admin-arn ARN".to_owned(),
            Self::Bucket => "--bucket NAME".to_owned(),
            Self::Table => "--table NAME".to_owned(),
            Self::Collection => "--collection NAME".to_owned(),
            Self::Index => "--index NAME".to_owned(),
            Self::Value(name) => format!("--tenant ID, whose record has {name}"),
        }
    }

    /// What it is, for whoever fills in a parameter.
    pub(super) fn about(&self) -> String {
        match self {
            Self::Base => "ARN of Palisade's own role".to_owned(),
            Self::Account => "AWS account of Palisade's own role".to_owned(),
            Self::Admin => "ARN of the role that may change tenant roles".to_owned(),
            Self::Bucket => "Bucket of the tenants' objects".to_owned(),
            Self::Table => "DynamoDB table of the tenants' items".to_owned(),
            Self::Collection => "OpenSearch Serverless collection".to_owned(),
            Self::Index => "Index of the tenant in the collection".to_owned(),
            Self::Value(name) => format!("{name} in the tenant's record"),
        }
    }

    /// Its words: `tenant`, `id`.
    pub(super) fn words(&self) -> Vec<String> {
        let text = match self {
            Self::Base => "base arn".to_owned(),
            Self::Account => "base account".to_owned(),
            Self::Admin => "admin arn".to_owned(),
            Self::Bucket => "bucket".to_owned(),
            Self::Table => "table".to_owned(),
            Self::Collection => "collection".to_owned(),
            Self::Index => "index".to_owned(),
            Self::Value(name) => name.to_string(),
        };
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_ascii_lowercase).collect()
    }
}

impl Text {
    pub(super) fn literal(text: impl Into<String>) -> Self {
        Self(vec![Part::Literal(text.into())])
    }

    pub(super) fn open(open: Open) -> Self {
        Self(vec![Part::Open(open)])
    }

    /// A text of the configuration's or the command line's, with its placeholders.
    ///
    /// # Errors
    /// Unknown names, stray braces.
    pub(super) fn template(text: &str) -> Result<Self, TemplateError> {
        let part = |segment| match segment {
            Segment::Literal(literal) => Part::Literal(literal),
            Segment::Placeholder(name) => Part::Open(Open::Value(name)),
        };
        Ok(Self(template::segments(text)?.into_iter().map(part).collect()))
    }

    /// Both, one after the other.
    pub(super) fn then(mut self, next: impl Into<Self>) -> Self {
        for part in next.into().0 {
            match (self.0.last_mut(), part) {
                (Some(Part::Literal(last)), Part::Literal(text)) => last.push_str(&text),
                (_, part) => self.0.push(part),
            }
        }
        self
    }

    /// The same, with each open part as `fill` says.
    pub(super) fn map(&self, fill: impl Fn(&Open) -> Self) -> Self {
        self.0.iter().fold(Self::default(), |text, part| match part {
            Part::Open(open) => text.then(fill(open)),
            Part::Literal(_) | Part::Variable(_) => text.then(Self(vec![part.clone()])),
        })
    }

    /// The same, with what `record` says of `wanted`.
    ///
    /// # Errors
    /// A value that is missing, or that would mean something to IAM.
    pub(super) fn fill(&self, record: &TenantRecord, wanted: impl Fn(&Name) -> bool) -> Result<Self, String> {
        for name in self.names().filter(|name| wanted(name) && is_of_record(name)) {
            let value = record.value(name).ok_or_else(|| format!("the tenant {} has no {name}", record.id))?;
            if value.contains(['*', '?', '$', '{', '}']) || value.chars().any(char::is_control) {
                return Err(format!("{name} of the tenant {} has a character that means something to IAM", record.id));
            }
        }
        Ok(self.map(|open| match open {
            Open::Value(name) if wanted(name) => record.value(name).map_or_else(|| Self::open(open.clone()), Self::literal),
            _ => Self::open(open.clone()),
        }))
    }

    /// What is open.
    pub(super) fn opens(&self) -> impl Iterator<Item = &Open> {
        self.0.iter().filter_map(|part| if let Part::Open(open) = part { Some(open) } else { None })
    }

    /// The placeholders.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.opens().filter_map(|open| if let Open::Value(name) = open { Some(name) } else { None })
    }

    /// At most `most` pieces, cut at `separator` in what is literal.
    pub(super) fn split(&self, separator: char, most: usize) -> Vec<Self> {
        let mut pieces = vec![Self::default()];
        for part in &self.0 {
            let Part::Literal(literal) = part else {
                let last = pieces.pop().unwrap_or_default();
                pieces.push(last.then(Self(vec![part.clone()])));
                continue;
            };
            for (number, piece) in literal.splitn(most.saturating_sub(pieces.len() - 1), separator).enumerate() {
                let last = if number == 0 { pieces.pop().unwrap_or_default() } else { Self::default() };
                pieces.push(if piece.is_empty() { last } else { last.then(Self::literal(piece)) });
            }
        }
        pieces
    }

    /// The text as a pattern: whatever is open can be anything.
    pub(super) fn as_pattern(&self) -> Self {
        self.map(|open| if matches!(open, Open::Value(_)) { Self::literal("*") } else { Self::open(open.clone()) })
    }
}

/// Whether the operator's record says it, and not the caller.
pub(super) fn is_of_record(name: &Name) -> bool {
    !name.is_from_token() && !matches!(name, Name::ClientSpiffeId | Name::ClientSubject)
}

/// As IAM reads it. What is open stands there as in a template of Palisade's, or as what to give for it.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Literal(literal) => f.write_str(literal),
            Part::Variable(name) => write!(f, "${{{name}}}"),
            Part::Open(Open::Value(name)) => write!(f, "{{{name}}}"),
            Part::Open(open) => write!(f, "<give {}>", open.argument()),
        })
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::literal(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_it_is_literal() {
        let arn = Text::template("arn:aws:iam::{tenant.account}:role/a:b/{tenant.id}").unwrap();
        let pieces = arn.split(':', 6);
        assert_eq!(pieces.len(), 6);
        assert_eq!(pieces[3], Text::default());
        assert_eq!(pieces[4], Text::open(Open::Value(Name::TenantAccount)));
        assert_eq!(pieces[5], Text::literal("role/a:b/").then(Text::open(Open::Value(Name::TenantId))));
        assert_eq!(Text::literal("a::b").split(':', 6), [Text::literal("a"), Text::default(), Text::literal("b")]);
    }

    #[test]
    fn a_record_fills_what_it_knows_and_nothing_that_iam_would_read() {
        let mut record = TenantRecord::bare("acme".parse().unwrap());
        let text = Text::template("{tenant.id}/{tenant.cell}/{subject}").unwrap();
        assert!(text.fill(&record, |_| true).unwrap_err().contains("tenant.cell"));
        record.cell = Some("c*".to_owned());
        assert!(text.fill(&record, |_| true).unwrap_err().contains("means something"));
        record.cell = Some("c1".to_owned());
        let filled = text.fill(&record, |_| true).unwrap();
        assert_eq!(filled, Text::literal("acme/c1/").then(Text::open(Open::Value(Name::Subject))));
        assert_eq!(text.fill(&record, |name| *name == Name::TenantId).unwrap().names().count(), 2);
    }

    #[test]
    fn what_is_open_has_a_name_everywhere() {
        let attribute = Open::Value(Name::TenantAttribute("role-arn".to_owned()));
        assert_eq!(attribute.words(), ["tenant", "attributes", "role", "arn"]);
    }
}
