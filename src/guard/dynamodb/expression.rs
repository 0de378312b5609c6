//! DynamoDB's expressions: their words, and the paths in them.
//!
//! What is parsed here is what decides whose an item is, `KeyConditionExpression` and `UpdateExpression`. The others (`FilterExpression`, `ConditionExpression`,
//! `ProjectionExpression`) only narrow what was found or done, and are not looked at. What is not understood is an error, and so a refused request. Words
//! are told apart as the developer guide has them ("Expressions"): keywords in any case, functions in lower case, `#name` and `:value` for what
//! stands in `ExpressionAttributeNames` and `ExpressionAttributeValues`.

pub(super) mod condition;
pub(super) mod update;

use super::json::Map;
use crate::aws::resource::Untold;

/// Longest expression ("Service quotas", Amazon DynamoDB developer guide).
const MAX_BYTES: usize = 4_096;
/// Deepest nesting of parentheses and functions.
const MAX_DEPTH: usize = 16;
/// Words that are no names.
const KEYWORDS: [&str; 9] = ["ADD", "AND", "BETWEEN", "DELETE", "IN", "NOT", "OR", "REMOVE", "SET"];
/// Longer ones before those that they begin with.
const MARKS: [&str; 14] = ["<=", ">=", "<>", "=", "<", ">", "(", ")", "[", "]", ",", ".", "+", "-"];

const UNREADABLE: Untold = "an expression is not understood";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    /// `#name`
    Alias(&'t str),
    End,
    Mark(&'static str),
    /// Digits: the index of a list.
    Number,
    /// `:value`
    Value(&'t str),
    /// A name, a keyword or a function.
    Word(&'t str),
}

/// An attribute, or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Path<'t> {
    /// The attribute's own name.
    root: &'t str,
    /// Whether it is meant as a whole.
    is_whole: bool,
}

struct Parser<'t> {
    next: Token<'t>,
    rest: &'t str,
    names: Option<&'t Map<'t>>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, names: Option<&'t Map<'t>>) -> Result<Self, Untold> {
        if text.len() > MAX_BYTES {
            return Err("an expression is longer than DynamoDB takes");
        }
        let mut parser = Self { next: Token::End, rest: text, names };
        parser.advance()?;
        Ok(parser)
    }

    /// Takes the token that is next.
    fn advance(&mut self) -> Result<Token<'t>, Untold> {
        let (token, rest) = token(self.rest)?;
        self.rest = rest;
        Ok(std::mem::replace(&mut self.next, token))
    }

    fn take(&mut self, mark: &str) -> Result<bool, Untold> {
        let found = matches!(self.next, Token::Mark(next) if next == mark);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn need(&mut self, mark: &str) -> Result<(), Untold> {
        if self.take(mark)? { Ok(()) } else { Err(UNREADABLE) }
    }

    fn take_word(&mut self, word: &str) -> Result<bool, Untold> {
        let found = matches!(self.next, Token::Word(next) if next.eq_ignore_ascii_case(word));
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// `:value`
    fn literal(&mut self) -> Result<&'t str, Untold> {
        if let Token::Value(name) = self.advance()? { Ok(name) } else { Err(UNREADABLE) }
    }

    fn path(&mut self) -> Result<Path<'t>, Untold> {
        let first = self.advance()?;
        self.path_from(first)
    }

    /// The path whose first token was taken.
    fn path_from(&mut self, first: Token<'t>) -> Result<Path<'t>, Untold> {
        let root = match first {
            Token::Word(word) if !KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word)) => word,
            Token::Alias(alias) => {
                self.names.and_then(|names| names.text(alias)).ok_or("an expression has a name that stands for nothing")?
            }
            _ => return Err(UNREADABLE),
        };
        let mut is_whole = true;
        loop {
            if self.take(".")? {
                let (Token::Word(_) | Token::Alias(_)) = self.advance()? else { return Err(UNREADABLE) };
            } else if self.take("[")? {
                let Token::Number = self.advance()? else { return Err(UNREADABLE) };
                self.need("]")?;
            } else {
                return Ok(Path { root, is_whole });
            }
            is_whole = false;
        }
    }
}

/// The token that `text` begins with, and what follows it.
fn token(text: &str) -> Result<(Token<'_>, &str), Untold> {
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    let Some(first) = text.bytes().next() else { return Ok((Token::End, "")) };
    if let Some(mark) = MARKS.iter().find(|mark| text.starts_with(**mark)) {
        return Ok((Token::Mark(mark), &text[mark.len()..]));
    }
    let sigil = usize::from(matches!(first, b'#' | b':'));
    let length = text.bytes().skip(sigil).take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let (word, rest) = text.split_at(sigil + length);
    let token = match first {
        _ if length == 0 => return Err(UNREADABLE),
        b'#' => Token::Alias(word),
        b':' => Token::Value(word),
        b'0'..=b'9' if word.bytes().all(|b| b.is_ascii_digit()) => Token::Number,
        b'0'..=b'9' => return Err(UNREADABLE),
        _ => Token::Word(word),
    };
    Ok((token, rest))
}

#[cfg(test)]
mod tests;
