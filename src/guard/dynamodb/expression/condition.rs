//! `KeyConditionExpression`: which hash key is asked for.
//!
//! Tests joined by `AND`, with parentheses around any of them. One is `=` between the hash key and a value; what is said of other attributes narrows that.
//! `OR`, `NOT`, `IN` and `<>` are in no such expression.

use super::{MAX_DEPTH, Parser, Token, UNREADABLE};
use crate::{aws::resource::Untold, guard::dynamodb::json::Map};

/// The name of the value (`:value`) that `hash` is to equal.
pub(in crate::guard::dynamodb) fn value_of<'t>(text: &'t str, names: Option<&'t Map<'t>>, hash: &str) -> Result<&'t str, Untold> {
    let mut parser = Parser::new(text, names)?;
    let mut found = None;
    parser.conjunction(0, hash, &mut found)?;
    if parser.next != Token::End {
        return Err(UNREADABLE);
    }
    found.ok_or("the query does not say which hash key it is for")
}

impl<'t> Parser<'t> {
    fn conjunction(&mut self, depth: usize, hash: &str, found: &mut Option<&'t str>) -> Result<(), Untold> {
        if depth > MAX_DEPTH {
            return Err(UNREADABLE);
        }
        loop {
            if self.take("(")? {
                self.conjunction(depth + 1, hash, found)?;
                self.need(")")?;
            } else {
                self.test(hash, found)?;
            }
            if !self.take_word("AND")? {
                return Ok(());
            }
        }
    }

    fn test(&mut self, hash: &str, found: &mut Option<&'t str>) -> Result<(), Untold> {
        let first = self.advance()?;
        let (path, equal) = if first == Token::Word("begins_with") && self.take("(")? {
            let path = self.path()?;
            self.need(",")?;
            self.literal()?;
            self.need(")")?;
            (path, None)
        } else {
            let path = self.path_from(first)?;
            (path, self.comparison()?)
        };
        if !path.is_whole {
            return Err("the query tests a part of an attribute, which no key is");
        }
        match equal {
            _ if path.root != hash => Ok(()),
            Some(value) if found.is_none() => {
                *found = Some(value);
                Ok(())
            }
            Some(_) | None => Err("the query tests its hash key in another way than =, or twice"),
        }
    }

    /// What follows the attribute; the value where that is `=`.
    fn comparison(&mut self) -> Result<Option<&'t str>, Untold> {
        if self.take_word("BETWEEN")? {
            self.literal()?;
            if !self.take_word("AND")? {
                return Err(UNREADABLE);
            }
            self.literal()?;
            return Ok(None);
        }
        match self.advance()? {
            Token::Mark("=") => self.literal().map(Some),
            Token::Mark("<" | "<=" | ">" | ">=") => self.literal().map(|_| None),
            _ => Err(UNREADABLE),
        }
    }
}
