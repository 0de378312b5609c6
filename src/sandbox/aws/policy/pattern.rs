//! Text of a policy that is matched against a request: wildcards and policy variables.
//!
//! Rules from the IAM user guide ("IAM JSON policy elements: Resource", "... Variables and tags"): `*` stands for any run of
//! characters, colons and slashes included, and `?` for exactly one; `${key}` stands for the value of a single-valued context
//! key, `${key, 'default'}` falls back, and `${*}`, `${?}`, `${$}` are the characters themselves. What a variable stands for is
//! never a wildcard.

use super::{Context, PolicyError};

/// A pattern as written, its variables not yet filled in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Token(Token),
    Variable { key: String, default: Option<String> },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Run,
}

/// What a pattern may contain besides plain text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grammar {
    pub(super) wildcards: bool,
    pub(super) variables: bool,
}

impl Pattern {
    /// Parses `text`; a variable that is not closed or empty is an error.
    pub(super) fn parse(text: &str, grammar: Grammar) -> Result<Self, PolicyError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if grammar.variables && rest.starts_with("${") {
                let end = rest.find('}').ok_or_else(|| PolicyError::new(format!("a variable is not closed in {text:?}")))?;
                pieces.push(variable(&rest[2..end])?);
                rest = &rest[end + 1..];
                continue;
            }
            pieces.push(Piece::Token(match next {
                '*' if grammar.wildcards => Token::Run,
                '?' if grammar.wildcards => Token::One,
                other => Token::Char(other),
            }));
            rest = &rest[next.len_utf8()..];
        }
        Ok(Self(pieces))
    }

    /// Fills the variables in; `None` when one has no value and no default.
    pub(super) fn resolve(&self, context: &Context) -> Option<Glob> {
        let mut tokens = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            match piece {
                Piece::Token(token) => tokens.push(*token),
                Piece::Variable { key, default } => {
                    let value = context.single(key).or(default.as_deref())?;
                    tokens.extend(value.chars().map(Token::Char));
                }
            }
        }
        Some(Glob(tokens))
    }
}

fn variable(inner: &str) -> Result<Piece, PolicyError> {
    if let "*" | "?" | "$" = inner {
        return Ok(Piece::Token(Token::Char(inner.chars().next().unwrap_or('$'))));
    }
    let (key, default) = match inner.split_once(',') {
        None => (inner, None),
        Some((key, default)) => {
            let quoted = default.trim().strip_prefix('\'').and_then(|d| d.strip_suffix('\''));
            (key, Some(quoted.ok_or_else(|| PolicyError::new(format!("the default in {inner:?} is not quoted")))?.to_owned()))
        }
    };
    let key = key.trim();
    if key.is_empty() {
        return Err(PolicyError::new("a variable without a name"));
    }
    Ok(Piece::Variable { key: key.to_ascii_lowercase(), default })
}

/// A pattern whose variables are filled in.
#[derive(Debug)]
pub(super) struct Glob(Vec<Token>);

impl Glob {
    /// Whether the whole of `text` matches. With `fold`, letters are compared without case.
    ///
    /// Takes time proportional to the product of both lengths at most: only the last `*` is ever tried again.
    pub(super) fn matches(&self, text: &str, fold: bool) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut token, mut at) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(token) {
                Some(Token::Run) => {
                    retry = Some((token, at));
                    token += 1;
                }
                Some(Token::One) => (token, at) = (token + 1, at + 1),
                Some(Token::Char(c)) if same(*c, text[at], fold) => (token, at) = (token + 1, at + 1),
                _ => match retry {
                    Some((run, from)) => {
                        retry = Some((run, from + 1));
                        (token, at) = (run + 1, from + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[token..].iter().all(|t| *t == Token::Run)
    }

    /// The text of a pattern that was parsed without wildcards.
    pub(super) fn literal(&self) -> String {
        self.0.iter().map(|t| if let Token::Char(c) = t { *c } else { '*' }).collect()
    }
}

fn same(a: char, b: char, fold: bool) -> bool {
    a == b || (fold && a.to_lowercase().eq(b.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let context = Context::default().with("aws:PrincipalTag/team", "red*");
        let pattern = Pattern::parse(pattern, Grammar { wildcards: true, variables: true }).unwrap();
        pattern.resolve(&context).is_some_and(|g| g.matches(text, false))
    }

    #[test]
    fn wildcards_match_runs_and_single_characters() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*/*/x", "a/b/c/x", true),
            ("a**b", "ab", true),
            ("*a", "aaab", false),
            ("${*}", "*", true),
            ("${*}", "x", false),
            ("${?}${$}", "?$", true),
            ("A", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn a_variable_is_literal_defaulted_or_fails() {
        assert!(matches("x/${aws:principaltag/TEAM}/*", "x/red*/y"));
        assert!(!matches("x/${aws:PrincipalTag/team}", "x/redder"), "a value acted as a wildcard");
        assert!(!matches("${aws:PrincipalTag/none}", ""));
        assert!(matches("${aws:PrincipalTag/none, 'blue'}", "blue"));
        let parse = |t| Pattern::parse(t, Grammar { wildcards: true, variables: true });
        assert!(parse("${aws:x").is_err() && parse("${}").is_err() && parse("${a, b}").is_err());
    }
}
