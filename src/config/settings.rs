//! The table of settings: every key there is, what it takes, what holds when it is absent, and why.
//!
//! One table serves five readers: the walk that finds unknown, missing and misshapen settings ([`walk`]), the values that
//! hold by default, the JSON Schema of `palisade schema`, the reference in `config/README.md`, and the answer "not supported
//! yet" for settings that are planned and not built, which must never be ignored in silence.

mod form;
#[cfg(test)]
mod reference;
mod schema;
mod table;
pub(crate) mod walk;

pub use self::schema::schema;
pub(crate) use self::{
    form::{Form, parse},
    table::{RECORDS, ROOT, USER_RECORDS},
};

/// One key.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    pub(crate) absent: Absent,
    /// What it does and why its default is what it is: a sentence or two, for the schema and the reference.
    pub(crate) about: &'static str,
}

/// What a key takes.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A mapping with exactly one of these keys.
    Choice(&'static [Setting]),
    /// A list, which may be empty.
    Entries(&'static Kind),
    /// Any data: a JSON policy in place.
    Json,
    /// A list, not empty.
    List(&'static Kind),
    /// A mapping with names of one's own.
    Map(&'static Form, &'static Kind),
    /// Planned; refused until it is built.
    NotYet,
    /// One value, or a list of them.
    OneOrMore(&'static Form),
    /// One value, a list of them, or a mapping with these keys.
    OneOrMoreOr(&'static Form, &'static [Setting]),
    /// A file that may be a variable of the environment instead: a path, or `{env: NAME}`.
    PathOrEnv,
    /// One value.
    Scalar(Form),
    /// `{file: PATH}` or `{env: NAME}`. Never quoted in a message.
    Secret,
    /// A mapping with these keys.
    Section(&'static [Setting]),
}

impl Kind {
    /// Whether it is a list of items, of which there has to be one.
    pub(crate) const fn is_list(&self) -> bool {
        matches!(self, Self::List(_) | Self::OneOrMore(_) | Self::OneOrMoreOr(..))
    }
}

/// What holds when a key is absent or null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// This YAML.
    Default(&'static str),
    /// Something that follows from other settings, in words.
    Derived(&'static str),
    /// It may not be absent.
    Required,
    /// Nothing.
    Unset,
    /// Nothing, and null is an error: what is commented out inside it would have bounded something.
    UnsetNotNull,
}

impl Setting {
    /// Whether null is as good as leaving the key out. It is not where a list of items, or a whole section that only forbids, is all commented out:
    /// without it, what it was to bound would be open to all.
    pub(crate) fn may_be_null(&self) -> bool {
        self.absent != Absent::UnsetNotNull && !self.kind.is_list()
    }
}

impl Kind {
    /// For messages: what is expected here.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Choice(settings) => format!("give exactly one of {}", keys(settings)),
            Self::Entries(_) => "give a list".to_owned(),
            Self::Json => "give JSON or YAML data".to_owned(),
            Self::List(_) => "give a list that is not empty".to_owned(),
            Self::Map(..) => "give a mapping".to_owned(),
            Self::NotYet => "remove it".to_owned(),
            Self::OneOrMore(form) => format!("{}, or a list of such", form.expected()),
            Self::OneOrMoreOr(form, settings) => format!("{}, a list of such, or a mapping with {}", form.expected(), keys(settings)),
            Self::PathOrEnv => "give a path, or {env: NAME}".to_owned(),
            Self::Scalar(form) => form.expected(),
            Self::Secret => "give {file: PATH} or {env: NAME}".to_owned(),
            Self::Section([]) => "write {}".to_owned(),
            Self::Section(settings) => format!("give a mapping; its keys are {}", keys(settings)),
        }
    }
}

/// Whether a configuration has a setting of this name at its top.
pub(crate) fn is_known(section: &str) -> bool {
    ROOT.iter().any(|setting| setting.key == section)
}

/// The keys that can be used, for messages.
pub(crate) fn keys(settings: &[Setting]) -> String {
    let keys: Vec<_> = settings.iter().filter(|setting| !matches!(setting.kind, Kind::NotYet)).map(|setting| setting.key).collect();
    keys.join(", ")
}

const fn required(key: &'static str, kind: Kind, about: &'static str) -> Setting {
    Setting { key, kind, absent: Absent::Required, about }
}

const fn optional(key: &'static str, kind: Kind, about: &'static str) -> Setting {
    Setting { key, kind, absent: Absent::Unset, about }
}

const fn bounding(key: &'static str, kind: Kind, about: &'static str) -> Setting {
    Setting { key, kind, absent: Absent::UnsetNotNull, about }
}

const fn default(key: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Setting {
    Setting { key, kind, absent: Absent::Default(default), about }
}

const fn derived(key: &'static str, kind: Kind, from: &'static str, about: &'static str) -> Setting {
    Setting { key, kind, absent: Absent::Derived(from), about }
}

const fn not_yet(key: &'static str, about: &'static str) -> Setting {
    Setting { key, kind: Kind::NotYet, absent: Absent::Unset, about }
}

#[cfg(test)]
mod tests;
