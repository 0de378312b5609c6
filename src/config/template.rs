//! Templates: texts with `{placeholders}` that are filled in from the verified tenant.
//!
//! Everything about a template that can be wrong is found when the configuration loads: unknown names, stray braces,
//! literal text that the destination does not take, and placeholders whose end cannot be told (see [`parse`]). A *value*
//! can only be judged when it comes, so [`Template::render`] refuses one that the destination does not take. Nothing is
//! ever replaced by a similar character: a refused value is a refused request.

mod json;
mod overlap;
mod parse;

use std::{borrow::Cow, fmt};

pub(crate) use self::json::grammar;
pub use self::json::{Alike, JsonTemplate, Loose, SESSION_POLICY_LIMIT};
pub use self::parse::OpenEnd;
pub(crate) use self::parse::{check_ends, segments, told_apart};
use super::ClaimPath;

/// What a placeholder may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// `{claims.NAME}`, or `{claims./JSON/POINTER}`: a claim of the verified token.
    Claim(ClaimPath),
    /// `{client.spiffe_id}`: the SPIFFE id of the client's certificate.
    ClientSpiffeId,
    /// `{client.subject}`: the subject of the client's certificate.
    ClientSubject,
    /// `{issuer}`: the token's `iss`.
    Issuer,
    /// `{subject}`: the token's subject.
    Subject,
    /// `{tenant.account}`
    TenantAccount,
    /// `{tenant.attributes.NAME}`: a free value of the tenant's record.
    TenantAttribute(String),
    /// `{tenant.cell}`, for short `{cell}`
    TenantCell,
    /// `{tenant.external_id}`
    TenantExternalId,
    /// `{tenant.id}`
    TenantId,
    /// `{tenant.kms_key}`
    TenantKmsKey,
    /// `{tenant.region}`
    TenantRegion,
    /// `{tenant.tier}`
    TenantTier,
    /// `{user.attributes.NAME}`: a free value of the user's record.
    UserAttribute(String),
}

impl Name {
    /// Whether the value is the caller's, out of the token or out of the directory of users, where users may keep their own profile; and not
    /// out of the operator's directory of tenants.
    pub(crate) fn is_from_token(&self) -> bool {
        matches!(self, Self::Claim(_) | Self::Issuer | Self::Subject | Self::UserAttribute(_))
    }

    /// Whether the value comes out of the certificate that the client showed on its connection.
    fn is_from_connection(&self) -> bool {
        matches!(self, Self::ClientSpiffeId | Self::ClientSubject)
    }

    /// Whether two tenants do not share the value, as far as the name alone tells.
    pub fn tells_tenants_apart(&self) -> bool {
        matches!(self, Self::TenantId | Self::TenantAccount | Self::TenantAttribute(_) | Self::TenantKmsKey)
    }

    /// Whether the value is of the user, the token or the connection, and not of the tenant's record.
    pub fn is_of_a_user(&self) -> bool {
        match self {
            Self::Claim(_) | Self::ClientSpiffeId | Self::ClientSubject | Self::Issuer | Self::Subject | Self::UserAttribute(_) => true,
            Self::TenantAccount
            | Self::TenantAttribute(_)
            | Self::TenantCell
            | Self::TenantExternalId
            | Self::TenantId
            | Self::TenantKmsKey
            | Self::TenantRegion
            | Self::TenantTier => false,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(path) => write!(f, "claims.{}", path.0),
            Self::ClientSpiffeId => f.write_str("client.spiffe_id"),
            Self::ClientSubject => f.write_str("client.subject"),
            Self::Issuer => f.write_str("issuer"),
            Self::Subject => f.write_str("subject"),
            Self::TenantAccount => f.write_str("tenant.account"),
            Self::TenantAttribute(name) => write!(f, "tenant.attributes.{name}"),
            Self::TenantCell => f.write_str("tenant.cell"),
            Self::TenantExternalId => f.write_str("tenant.external_id"),
            Self::TenantId => f.write_str("tenant.id"),
            Self::TenantKmsKey => f.write_str("tenant.kms_key"),
            Self::TenantRegion => f.write_str("tenant.region"),
            Self::TenantTier => f.write_str("tenant.tier"),
            Self::UserAttribute(name) => write!(f, "user.attributes.{name}"),
        }
    }
}

/// Where a rendering lands. It decides which literal text and which values are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lands {
    /// An ARN: `[A-Za-z0-9+=,.@_/:-]`, 20 to 2048 characters, no `..`. A value out of the token may contain `/` or `:` only where
    /// it is the whole ARN, since it could otherwise name another path or account.
    Arn,
    /// STS `ExternalId`: `[A-Za-z0-9_+=,.@:/-]`, 2 to 1224 characters.
    ExternalId,
    /// An HTTP header value: visible ASCII and inner spaces.
    Header,
    /// STS `RoleSessionName`: `[A-Za-z0-9_+=,.@-]`, 2 to 64 characters.
    SessionName,
    /// STS `SourceIdentity`: as [`Lands::SessionName`], and not beginning with `aws:`.
    SourceIdentity,
    /// STS tag value: letters, numbers and spaces of any script, `_.:/=+-@`, at most 256 characters. A value out of the token may contain
    /// `/` or `:` only where no other value stands beside it, since one could otherwise be taken for a part of the other.
    TagValue,
}

impl Lands {
    /// Whether `c` may stand here, whoever wrote it.
    fn takes(self, c: char) -> bool {
        let word = c.is_ascii_alphanumeric() || c == '_';
        match self {
            Self::Arn | Self::ExternalId => word || "+=,.@:/-".contains(c),
            Self::Header => c == ' ' || c.is_ascii_graphic(),
            Self::SessionName | Self::SourceIdentity => word || "+=,.@-".contains(c),
            Self::TagValue => c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c),
        }
    }

    /// Lengths of a whole rendering, in characters. STS counts characters, not bytes; only tag values have others than ASCII.
    fn length(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Arn => 20..=2048,
            Self::ExternalId => 2..=1224,
            Self::Header => 0..=8192,
            Self::SessionName | Self::SourceIdentity => 2..=64,
            Self::TagValue => 0..=256,
        }
    }

    /// Whether a value that is empty makes sense.
    fn takes_empty(self) -> bool {
        matches!(self, Self::Header | Self::TagValue)
    }

    /// Whether it matters where a placeholder's value ends. Names of sessions, ids and headers are compared as a whole by
    /// nobody that grants anything for it.
    fn is_matched(self) -> bool {
        matches!(self, Self::Arn | Self::TagValue)
    }

    /// What a value out of the token may not contain where it is told from another one by it.
    fn separators(self) -> &'static [char] {
        if self.is_matched() { &['/', ':'] } else { &[] }
    }

    /// For messages.
    fn name(self) -> &'static str {
        match self {
            Self::Arn => "an ARN",
            Self::ExternalId => "an external id",
            Self::Header => "a header value",
            Self::SessionName => "a session name",
            Self::SourceIdentity => "a source identity",
            Self::TagValue => "a tag value",
        }
    }
}

/// Answers for placeholders.
pub trait Values {
    /// The value of `name`; `None` where the tenant or token has none.
    fn value(&self, name: &Name) -> Option<Cow<'_, str>>;
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(pub String);

/// Why a template cannot be filled in. Names the placeholder; the value may be personal and is left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// There is no value, or an empty one where that would leave a hole.
    #[error("{{{0}}} has no value")]
    Missing(String),
    /// The destination does not take the value, or the whole.
    #[error("{0} has a value that is not taken here")]
    Unsafe(String),
}

/// A text with placeholders, checked for where it lands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    lands: Lands,
    segments: Vec<Segment>,
    open_end: Option<OpenEnd>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    Placeholder(Name),
}

impl Template {
    /// Parses `text`.
    ///
    /// # Errors
    /// Unknown names, unbalanced braces, literal text that `lands` does not take, and, in ARNs and tag values, a placeholder
    /// whose end cannot be told, whatever the ids are, by what follows or by the next one.
    pub fn parse(text: &str, lands: Lands) -> Result<Self, TemplateError> {
        let template = Self::parse_open(text, lands)?;
        template.open_end.as_ref().map_or(Ok(()), |open| Err(TemplateError(open.to_string())))?;
        Ok(template)
    }

    /// As [`Template::parse`], for whoever settles [`Template::open_end`].
    ///
    /// # Errors
    /// As [`Template::parse`], but for what depends on the ids.
    pub fn parse_open(text: &str, lands: Lands) -> Result<Self, TemplateError> {
        let segments = parse::segments(text)?;
        // Elsewhere there is no connection to speak of: a passport's request came over one, and is used over another.
        if lands != Lands::Header
            && let Some(name) = names(&segments).find(|name| name.is_from_connection())
        {
            return Err(TemplateError(format!("{{{name}}} is known in ingress.headers alone")));
        }
        let open_end = if lands.is_matched() { parse::check_ends(&segments)? } else { None };
        if lands.is_matched() {
            told_apart(&segments, lands.separators())?;
        }
        for (number, segment) in segments.iter().enumerate() {
            if let Segment::Literal(literal) = segment
                && let Some(c) = literal.chars().find(|c| !lands.takes(*c))
            {
                if let Some(Segment::Placeholder(name)) = segments.get(number + 1).filter(|_| literal.ends_with('$')) {
                    return Err(TemplateError(format!("${{{name}}} is no placeholder; write {{{name}}}")));
                }
                return Err(TemplateError(format!("{c:?} cannot stand in {}", lands.name())));
            }
        }
        let template = Self { text: text.to_owned(), lands, segments, open_end };
        if template.names().next().is_none() {
            template.check_whole(text).map_err(|_| {
                let length = lands.length();
                let aws = if lands == Lands::SourceIdentity { ", and does not begin with \"aws:\"" } else { "" };
                TemplateError(format!("{} has {} to {} characters{aws}", lands.name(), length.start(), length.end()))
            })?;
        }
        Ok(template)
    }

    /// The text with every placeholder replaced.
    ///
    /// # Errors
    /// [`RenderError`], with the placeholder's name.
    pub fn render(&self, values: &dyn Values) -> Result<String, RenderError> {
        let mut text = String::with_capacity(self.text.len() + 32);
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => text.push_str(literal),
                Segment::Placeholder(name) => text.push_str(&self.value(name, values)?),
            }
        }
        self.check_whole(&text).map(|()| text)
    }

    /// The placeholders, in order.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        names(&self.segments)
    }

    /// What makes it right only where no tenant's id is the beginning of another one.
    pub fn open_end(&self) -> Option<&OpenEnd> {
        self.open_end.as_ref()
    }

    /// Whether it could be the same text as `other`, for some values each, as ARNs of roles are compared.
    pub(crate) fn may_equal(&self, other: &Self) -> bool {
        overlap::overlap(&self.segments, &other.segments)
    }

    /// The template as it was written.
    pub fn as_text(&self) -> &str {
        &self.text
    }

    fn value<'v>(&self, name: &Name, values: &'v dyn Values) -> Result<Cow<'v, str>, RenderError> {
        let value = values.value(name).ok_or_else(|| RenderError::Missing(name.to_string()))?;
        if value.is_empty() && !self.lands.takes_empty() {
            return Err(RenderError::Missing(name.to_string()));
        }
        // A literal part of a tag's value is no path that could be left, while another value is what it could be taken for.
        let is_beside = if self.lands == Lands::Arn { self.segments.len() > 1 } else { self.names().nth(1).is_some() };
        let escapes = is_beside && name.is_from_token() && value.contains(self.lands.separators());
        if escapes || (self.lands == Lands::Arn && value.contains("..")) || !value.chars().all(|c| self.lands.takes(c)) {
            return Err(RenderError::Unsafe(format!("{{{name}}}")));
        }
        Ok(value)
    }

    /// What can be said only of a whole rendering.
    fn check_whole(&self, text: &str) -> Result<(), RenderError> {
        let reserved = self.lands == Lands::SourceIdentity && text.to_ascii_lowercase().starts_with("aws:");
        let padded = self.lands == Lands::Header && (text.starts_with(' ') || text.ends_with(' '));
        if reserved || padded || !self.lands.length().contains(&text.chars().count()) {
            return Err(RenderError::Unsafe(self.lands.name().to_owned()));
        }
        Ok(())
    }
}

fn names(segments: &[Segment]) -> impl Iterator<Item = &Name> {
    segments.iter().filter_map(|segment| match segment {
        Segment::Literal(_) => None,
        Segment::Placeholder(name) => Some(name),
    })
}

#[cfg(test)]
mod tests;
