//! From text to segments, and the rule about where a placeholder ends.
//!
//! `arn:…:role/{tenant.id}-data` looks harmless until a tenant is called `acme-eu`: with a prefix or wildcard match `acme-`
//! also begins `acme-eu-`. So where a rendering is matched (ARNs, tags, policies), `{tenant.id}` may not be followed by a
//! byte that can stand in an id, nothing at all may be followed by another placeholder, and no placeholder by a wildcard.
//! `/` and `#` are outside the id alphabet and make good separators.
//!
//! Where no id of the directory is the beginning of another one, `acme-` begins nobody else's name, and a character of the alphabet
//! may follow after all: whether that is so cannot be told here, so it is said of the template ([`OpenEnd`]) and settled by
//! who knows the ids.
//!
//! The same holds in front: `*-{tenant.id}` rendered for `eu` also matches what belongs to `acme-eu`. A separator is no help there, since
//! IAM's wildcards cross `/` and `#`: `*/{tenant.id}/*` rendered for a tenant `images` also matches `app/globex/images/1`. So no wildcard
//! stands before a value of the tenant's record, and none directly before any other.
//!
//! And it holds between two placeholders, wildcard or not: `{tenant.cell}-{tenant.id}` is `eu-west-acme` for `acme` in the cell `eu-west` and for
//! `west-acme` in the cell `eu`. So between them stands something that the first one's values do not contain ([`told_apart`]).

use super::{ClaimPath, Name, Segment, TemplateError};
use crate::tenant::TenantId;

/// Longest placeholder, in bytes; a claim's JSON pointer is the longest thing that one names.
const MAX_NAME: usize = 256;

/// Splits `text` at its placeholders. Braces mean nothing else and cannot be escaped.
pub(crate) fn segments(text: &str) -> Result<Vec<Segment>, TemplateError> {
    let mut segments = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let (literal, tail) = rest.split_at(open);
        if !literal.is_empty() {
            segments.push(Segment::Literal(literal.to_owned()));
        }
        let (name, after) = placeholder(tail)?;
        segments.push(Segment::Placeholder(name));
        rest = after;
    }
    if !rest.is_empty() {
        segments.push(Segment::Literal(rest.to_owned()));
    }
    Ok(segments)
}

/// Takes the placeholder that `text` begins with, and returns what follows it.
pub(super) fn placeholder(text: &str) -> Result<(Name, &str), TemplateError> {
    let Some(inner) = text.strip_prefix('{') else {
        return Err(TemplateError("there is a '}' without its '{'".to_owned()));
    };
    // As other languages of templates write it.
    if let Some(doubled) = inner.strip_prefix('{').and_then(|rest| rest.split_once("}}")).map(|(word, _)| word.trim())
        && let Ok(name) = name(doubled)
    {
        return Err(TemplateError(format!("{{{{{doubled}}}}} is no placeholder; write {{{name}}}")));
    }
    match inner.find(['{', '}']) {
        Some(end) if inner[end..].starts_with('}') => Ok((name(&inner[..end])?, &inner[end + 1..])),
        _ => Err(TemplateError("there is a '{' without its '}'".to_owned())),
    }
}

/// `{tenant.id}` is followed by a character that can stand in an id: right only where no id is the beginning of another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OpenEnd(String);

/// Refuses placeholders whose value could run on into what follows, and tells of the first that does so unless ids are prefix-free.
pub(crate) fn check_ends(segments: &[Segment]) -> Result<Option<OpenEnd>, TemplateError> {
    let mut open = None;
    for pair in segments.windows(2) {
        let [Segment::Placeholder(name), next] = pair else { continue };
        let next = match next {
            Segment::Placeholder(next) => {
                return Err(TemplateError(format!(
                    "{{{name}}} and {{{next}}} need something between them: it could not be told where one ends; separate with a \
                     character outside the id alphabet, such as / or #"
                )));
            }
            Segment::Literal(literal) => literal,
        };
        open = open.or(check_end(name, next)?);
    }
    Ok(open)
}

/// Refuses `after` as what follows `name`'s value, and tells where it is right only for ids that are prefix-free.
pub(super) fn check_end(name: &Name, after: &str) -> Result<Option<OpenEnd>, TemplateError> {
    let cure = "separate with a character outside the id alphabet, such as / or #";
    let run = after.bytes().take_while(|byte| TenantId::is_id_byte(*byte)).count();
    let (run, rest) = after.split_at(run);
    let wildcard = rest.chars().next().filter(|c| matches!(c, '*' | '?'));
    match (wildcard, run.chars().next()) {
        (Some(wildcard), None) => Err(TemplateError(format!(
            "{{{name}}} is directly followed by '{wildcard}', and \"c1{wildcard}\" also matches \"c10\"; {cure}"
        ))),
        (_, Some(next)) if *name == Name::TenantId => Ok(Some(OpenEnd(format!(
            "{{{name}}} is directly followed by '{next}', and \"acme{next}\" also begins \"acme{next}eu{next}\"; {cure}"
        )))),
        // An account id has twelve digits, whatever follows.
        (Some(wildcard), Some(_)) if *name != Name::TenantAccount => Err(TemplateError(format!(
            "{{{name}}} is followed by '{run}{wildcard}', and \"c1{run}{wildcard}\" also matches what begins with \"c1{run}2{run}\"; {cure}"
        ))),
        _ => Ok(None),
    }
}

/// Refuses two placeholders with nothing between them that the first one's values cannot contain: another pair of values would be the same text.
///
/// `closed` are the characters for which values of the caller's are refused where they are not the whole text. The end of `{tenant.id}` is
/// [`check_ends`]' matter.
pub(crate) fn told_apart(segments: &[Segment], closed: &[char]) -> Result<(), TemplateError> {
    let mut open: Option<(&Name, bool)> = None;
    for segment in segments {
        match segment {
            Segment::Literal(literal) => {
                if let Some((name, is_told)) = &mut open {
                    *is_told |= literal.chars().any(|c| if name.is_from_token() { closed.contains(&c) } else { !is_id_char(c) });
                }
            }
            Segment::Placeholder(next) => {
                if let Some((name, false)) = open {
                    let cure = if name.is_from_token() {
                        format!("separate with one of {}", closed.iter().map(char::to_string).collect::<Vec<_>>().join(" "))
                    } else {
                        "separate with a character outside the id alphabet, such as /".to_owned()
                    };
                    return Err(TemplateError(format!(
                        "between {{{name}}} and {{{next}}} stands nothing that the first one's values cannot contain: \"eu-west\" and \"acme\" would \
                         be the same as \"eu\" and \"west-acme\"; {cure}"
                    )));
                }
                // An account id has twelve digits, whatever follows.
                open = Some((next, matches!(next, Name::TenantId | Name::TenantAccount)));
            }
        }
    }
    Ok(())
}

fn is_id_char(c: char) -> bool {
    u8::try_from(c).is_ok_and(TenantId::is_id_byte)
}

/// What stands before a placeholder, as far as it can match more than itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing that could.
    #[default]
    Closed,
    /// A policy variable, of which nobody knows what its value contains.
    Variable,
    /// A wildcard.
    Wildcard,
    /// A wildcard, and after it only what can stand in an id.
    RunOn,
    /// A wildcard, and after it something that cannot.
    Apart,
}

impl Before {
    /// After `text` too, of which the first `front` bytes are fields of an ARN before the resource: no wildcard there crosses a colon.
    pub(super) fn then(self, text: &str, front: usize) -> Self {
        let (fields, resource) = text.split_at(front.min(text.len()));
        let before = match fields.rsplit_once(':') {
            Some((_, field)) => Self::Closed.then_text(field),
            None => self.then_text(fields),
        };
        before.then_text(resource)
    }

    fn then_text(self, text: &str) -> Self {
        text.bytes().fold(self, |before, byte| match byte {
            b'*' | b'?' => Self::Wildcard,
            _ if TenantId::is_id_byte(byte) => before.then_value(),
            _ => match before {
                Self::Wildcard | Self::RunOn => Self::Apart,
                Self::Closed | Self::Variable | Self::Apart => before,
            },
        })
    }

    /// After the value of a placeholder too.
    pub(super) fn then_value(self) -> Self {
        match self {
            Self::Wildcard | Self::RunOn => Self::RunOn,
            Self::Closed | Self::Variable | Self::Apart => self,
        }
    }

    /// After a policy variable too.
    pub(super) fn then_variable(self) -> Self {
        if self == Self::Closed { Self::Variable } else { self.then_value() }
    }
}

/// Where the resource of an ARN begins in `text`; 0 in a text that is none.
pub(super) fn resource_at(text: &str) -> usize {
    let (mut depth, mut colons) = (0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 => colons += 1,
            _ => {}
        }
        if colons == 5 {
            return if text.starts_with("arn:") { at + 1 } else { 0 };
        }
    }
    0
}

/// Refuses `name` where what stands before it could match the beginning of a longer value, or of another tenant's.
pub(super) fn check_start(name: &Name, before: Before) -> Result<(), TemplateError> {
    let what = match before {
        Before::Wildcard => "directly follows a wildcard",
        Before::RunOn | Before::Apart if !name.is_of_a_user() => "follows a wildcard",
        Before::Variable if !name.is_of_a_user() => "follows a policy variable, whose value may have any character",
        Before::Variable | Before::RunOn | Before::Apart | Before::Closed => return Ok(()),
    };
    Err(TemplateError(format!(
        "{{{name}}} {what}, and \"*/images/*\" also matches \"x/acme/images/1\", as \"*-eu\" does \"acme-eu\"; put it before whatever is not the \
         same for everybody"
    )))
}

fn name(text: &str) -> Result<Name, TemplateError> {
    if text.len() > MAX_NAME {
        return Err(TemplateError(format!("a placeholder is at most {MAX_NAME} characters long")));
    }
    if text.chars().any(char::is_control) {
        return Err(unknown(text));
    }
    Ok(match text {
        "cell" | "tenant.cell" => Name::TenantCell,
        "client.spiffe_id" => Name::ClientSpiffeId,
        "client.subject" => Name::ClientSubject,
        "issuer" => Name::Issuer,
        "subject" => Name::Subject,
        "tenant.account" => Name::TenantAccount,
        "tenant.external_id" => Name::TenantExternalId,
        "tenant.id" => Name::TenantId,
        "tenant.kms_key" => Name::TenantKmsKey,
        "tenant.region" => Name::TenantRegion,
        "tenant.tier" => Name::TenantTier,
        _ => {
            let named = |prefix| text.strip_prefix(prefix).filter(|name: &&str| !name.is_empty()).map(str::to_owned);
            let attribute = named("tenant.attributes.").map(Name::TenantAttribute);
            let of_user = || named("user.attributes.").map(Name::UserAttribute);
            let claim = || named("claims.").map(|path| Name::Claim(ClaimPath(path)));
            attribute.or_else(of_user).or_else(claim).ok_or_else(|| unknown(text))?
        }
    })
}

fn unknown(text: &str) -> TemplateError {
    TemplateError(format!(
        "{{{}}} is not known; known are {{tenant.id}}, {{tenant.account}}, {{tenant.cell}}, {{tenant.external_id}}, {{tenant.kms_key}}, \
         {{tenant.region}}, {{tenant.tier}}, {{tenant.attributes.NAME}}, {{user.attributes.NAME}}, {{subject}}, {{issuer}}, {{claims.NAME}}, \
         {{claims./JSON/POINTER}}, {{client.spiffe_id}} and {{client.subject}}",
        text.escape_debug()
    ))
}
