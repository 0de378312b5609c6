//! `UpdateExpression`: what becomes of which attribute.
//!
//! `SET path = value, … REMOVE path, … ADD path :value, … DELETE path :value, …`, each of the four at most once ("Using update expressions", Amazon DynamoDB
//! developer guide).

use super::{MAX_DEPTH, Parser, Path, Token, UNREADABLE};
use crate::{aws::resource::Untold, guard::dynamodb::json::Map};

const CLAUSES: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

/// What becomes of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::guard::dynamodb) enum Change<'t> {
    /// It, or a part of it, becomes what the request does not say.
    Other,
    /// It is no more.
    Removed,
    /// It is the value of this name (`:value`).
    Set(&'t str),
}

/// Tells `visit` of every change.
pub(in crate::guard::dynamodb) fn read<'t, E: From<Untold>>(
    text: &'t str,
    names: Option<&'t Map<'t>>,
    mut visit: impl FnMut(&'t str, Change<'t>) -> Result<(), E>,
) -> Result<(), E> {
    let mut parser = Parser::new(text, names)?;
    let mut seen = [false; CLAUSES.len()];
    loop {
        let Token::Word(word) = parser.advance()? else { return Err(UNREADABLE.into()) };
        let clause = CLAUSES.iter().position(|clause| clause.eq_ignore_ascii_case(word)).ok_or(UNREADABLE)?;
        if std::mem::replace(&mut seen[clause], true) {
            return Err(UNREADABLE.into());
        }
        loop {
            let (path, change) = parser.action(CLAUSES[clause])?;
            visit(path.root, if path.is_whole { change } else { Change::Other })?;
            if !parser.take(",")? {
                break;
            }
        }
        if parser.next == Token::End {
            return Ok(());
        }
    }
}

impl<'t> Parser<'t> {
    fn action(&mut self, clause: &str) -> Result<(Path<'t>, Change<'t>), Untold> {
        let path = self.path()?;
        let change = match clause {
            "SET" => {
                self.need("=")?;
                self.value(0)?.map_or(Change::Other, Change::Set)
            }
            "REMOVE" => Change::Removed,
            // To a set, or a number, that is there already.
            _ => self.literal().map(|_| Change::Other)?,
        };
        Ok((path, change))
    }

    /// The name of the value, where it is one and nothing else.
    fn value(&mut self, depth: usize) -> Result<Option<&'t str>, Untold> {
        if depth > MAX_DEPTH {
            return Err(UNREADABLE);
        }
        let mut value = self.operand(depth)?;
        while self.take("+")? || self.take("-")? {
            self.operand(depth)?;
            value = None;
        }
        Ok(value)
    }

    fn operand(&mut self, depth: usize) -> Result<Option<&'t str>, Untold> {
        match self.advance()? {
            Token::Value(name) => Ok(Some(name)),
            Token::Mark("(") => {
                let value = self.value(depth + 1)?;
                self.need(")")?;
                Ok(value)
            }
            Token::Word("if_not_exists" | "list_append") if self.take("(")? => {
                self.value(depth + 1)?;
                self.need(",")?;
                self.value(depth + 1)?;
                self.need(")")?;
                Ok(None)
            }
            first => self.path_from(first).map(|_| None),
        }
    }
}
