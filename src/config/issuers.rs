//! What the configuration says of an issuer's keys and of its tokens.

use std::{path::PathBuf, time::Duration};

use http::Uri;
use serde_json::{Map, Value};

use super::ClaimPath;

/// Where a key set comes from: one of `uri`, `discovery`, `file` and `inline` of `identity.issuers[].jwks`.
#[derive(Debug, Clone)]
pub enum JwksSource {
    /// A local file, read again in the background.
    File(PathBuf),
    /// The JSON text of a key set in the configuration itself.
    Inline(String),
    /// A URI, fetched again in the background.
    Uri {
        /// `https`, or `http` where the configuration says `insecure: true`.
        uri: Uri,
        /// How it is fetched.
        access: KeyAccess,
    },
    /// The document of OpenID Connect Discovery, which names the key set.
    Discovery {
        /// Where the document is; `https`, or `http` where the configuration says `insecure: true`. Then, and only then, the key
        /// set may be at an `http` URI too.
        document: Uri,
        /// How both are fetched.
        access: KeyAccess,
    },
}

/// What is needed to fetch a key set.
#[derive(Debug, Clone, Default)]
pub struct KeyAccess {
    /// PEM file of extra roots.
    pub ca: Option<PathBuf>,
    /// A file with a bearer token; read for each fetch, since projected tokens change. Never together with plain `http`.
    pub bearer_token_file: Option<PathBuf>,
}

/// When a key set is fetched, and for how long it serves.
#[derive(Debug, Clone, Copy)]
pub struct KeyPolicy {
    /// Shortest time that a fetched set is taken to be fresh, whatever the provider says.
    pub least: Duration,
    /// Longest time. A key that the provider withdraws is believed that long at most while the provider answers.
    pub most: Duration,
    /// Between fetches that unknown key ids may cause.
    pub unknown_key_interval: Duration,
    /// How long a set serves after it stopped being fresh, while no other can be had.
    pub max_stale: Duration,
    /// Longest fetch, and so the longest that a request waits for one.
    pub timeout: Duration,
}

impl KeyPolicy {
    /// A file costs next to nothing to read, and says nothing of how long it is good for.
    pub const FILE_POLL: Duration = Duration::from_secs(10);
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self {
            least: Duration::from_secs(60),
            most: Duration::from_secs(15 * 60),
            unknown_key_interval: Duration::from_secs(30),
            max_stale: Duration::from_secs(24 * 3600),
            timeout: Duration::from_secs(5),
        }
    }
}

/// The roles and scopes that an issuer may give. What its tokens name beyond them is left out, as if they did not.
///
/// A customer's own provider speaks for that customer alone, and yet a rule for `platform-admin` means a role of the operator's.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// `roles`; `None` for any.
    pub roles: Option<Vec<WordPattern>>,
    /// `scopes`; `None` for any.
    pub scopes: Option<Vec<WordPattern>>,
}

impl Grants {
    /// Those of `words` that one of `patterns` means.
    pub fn kept(patterns: Option<&[WordPattern]>, mut words: Vec<String>) -> Vec<String> {
        if let Some(patterns) = patterns {
            words.retain(|word| patterns.iter().any(|pattern| pattern.matches(word)));
        }
        words
    }
}

/// A role or a scope in which up to two `*` stand for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordPattern(pub String);

impl WordPattern {
    fn matches(&self, word: &str) -> bool {
        super::glob(self.0.as_bytes(), word.as_bytes())
    }
}

/// What a token must say besides its issuer, audience, dates, subject and tenant.
#[derive(Debug, Clone, Default)]
pub struct TokenRules {
    /// `token_types`
    pub types: TokenTypes,
    /// `required_claims`; all of them.
    pub required: Vec<RequiredClaim>,
    /// `max_lifetime`: longest time from `iat` to `exp`.
    pub max_lifetime: Option<Duration>,
}

/// Accepted values of the header parameter `typ`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTypes {
    /// Whether a token may have none.
    pub absent: bool,
    /// As [`TokenTypes::canonical`] writes them.
    pub named: Vec<String>,
}

impl Default for TokenTypes {
    fn default() -> Self {
        Self { absent: true, named: vec!["jwt".to_owned(), "at+jwt".to_owned()] }
    }
}

impl TokenTypes {
    /// The word of the configuration for "no `typ` at all".
    pub const ABSENT: &'static str = "absent";

    /// What the configuration lists.
    pub fn new(words: &[String]) -> Self {
        let named = words.iter().filter(|word| *word != Self::ABSENT).map(|word| Self::canonical(word)).collect();
        Self { absent: words.iter().any(|word| word == Self::ABSENT), named }
    }

    /// One spelling of a media type: RFC 7515, section 4.1.9 compares without regard to case, and lets `application/` be left out
    /// where no other slash follows.
    pub fn canonical(word: &str) -> String {
        let word = word.to_ascii_lowercase();
        match word.strip_prefix("application/") {
            Some(rest) if !rest.is_empty() && !rest.contains('/') => rest.to_owned(),
            _ => word,
        }
    }

    /// Whether a token with this `typ` may be taken.
    pub fn accept(&self, typ: Option<&str>) -> bool {
        typ.map_or(self.absent, |typ| self.named.contains(&Self::canonical(typ)))
    }
}

/// One entry of `required_claims`.
#[derive(Debug, Clone, PartialEq)]
pub struct RequiredClaim {
    /// Which claim.
    pub path: ClaimPath,
    /// What it must be.
    pub demand: Demand,
}

/// What a required claim must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Demand {
    /// There, and neither null nor empty.
    Present,
    /// One of these, exactly; or an array that has one of them as an item.
    OneOf(Vec<Value>),
}

impl Demand {
    /// The word of the configuration for [`Demand::Present`].
    pub const ANY: &'static str = "*";

    /// What the configuration lists.
    pub fn new(values: Vec<Value>) -> Self {
        if values.iter().any(|value| value == Self::ANY) { Self::Present } else { Self::OneOf(values) }
    }
}

impl RequiredClaim {
    /// Whether the token has it.
    pub fn is_met(&self, claims: &Map<String, Value>) -> bool {
        let Some(value) = self.path.find(claims) else { return false };
        match &self.demand {
            Demand::Present => match value {
                Value::Null => false,
                Value::String(text) => !text.is_empty(),
                Value::Array(items) => !items.is_empty(),
                Value::Object(members) => !members.is_empty(),
                Value::Bool(_) | Value::Number(_) => true,
            },
            Demand::OneOf(accepted) => match value {
                Value::Array(items) => items.iter().any(|item| accepted.contains(item)),
                value => accepted.contains(value),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_media_types_and_lists_are_exact() {
        let default = TokenTypes::default();
        for typ in [None, Some("JWT"), Some("jwt"), Some("at+jwt"), Some("AT+JWT"), Some("application/at+jwt"), Some("Application/JWT")] {
            assert!(default.accept(typ), "{typ:?}");
        }
        for typ in
            ["", "absent", "logout+jwt", "dpop+jwt", "secevent+jwt", "JWT ", "application/", "application/x/jwt", "text/jwt", "jwt+at"]
        {
            assert!(!default.accept(Some(typ)), "{typ}");
        }
        let words = |list: &[&str]| TokenTypes::new(&list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let exact = words(&["application/at+jwt"]);
        assert!(exact.accept(Some("at+jwt")) && exact.accept(Some("application/AT+JWT")));
        assert!(!exact.accept(Some("JWT")) && !exact.accept(None));
        assert_eq!(words(&["absent", "JWT", "at+jwt"]), default);
        assert!(!words(&["absent"]).accept(Some("absent")), "the word for none is no type");
    }

    #[test]
    fn demands_compare_kind_and_value() {
        let claims = json!({"use": "access", "list": ["a", 7], "flag": true, "n": 1, "none": null, "empty": "", "no": [], "bare": {}, "o": {"p": "q"}});
        let met = |path: &str, values: Value| {
            let Value::Array(values) = values else { panic!() };
            RequiredClaim { path: ClaimPath(path.to_owned()), demand: Demand::new(values) }.is_met(claims.as_object().unwrap())
        };
        for (path, values) in [
            ("use", json!(["access"])),
            ("use", json!(["id", "access"])),
            ("use", json!(["*"])),
            ("list", json!(["a"])),
            ("list", json!([7])),
            ("flag", json!([true])),
            ("n", json!([1])),
            ("/o/p", json!(["q"])),
            ("o", json!(["*"])),
            ("flag", json!(["*"])),
        ] {
            assert!(met(path, values.clone()), "{path} {values}");
        }
        for (path, values) in [
            ("use", json!(["id"])),
            ("use", json!(["Access"])),
            ("use", json!(["access "])),
            ("list", json!(["b"])),
            ("list", json!(["7"])),
            ("flag", json!(["true"])),
            ("n", json!(["1"])),
            ("n", json!([true])),
            ("absent", json!(["*"])),
            ("none", json!(["*"])),
            ("empty", json!(["*"])),
            ("no", json!(["*"])),
            ("bare", json!(["*"])),
            ("o", json!(["q"])),
            ("/use/x", json!(["*"])),
        ] {
            assert!(!met(path, values.clone()), "{path} {values}");
        }
    }
}
