//! `UpdateExpression`, read by a grammar of one's own, and what becomes of attributes.

use std::collections::BTreeMap;

use super::{Words, names};
use crate::{
    aws::resource::Untold,
    guard::dynamodb::expression::update::{self, Change},
};

/// What becomes of every attribute is what another reader finds, and no attribute becomes anything that is not told.
pub(crate) fn update(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let names = names();
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let visit = |attribute: &str, change: Change<'_>| {
        let change = match change {
            Change::Other => "something".to_owned(),
            Change::Removed => "nothing".to_owned(),
            Change::Set(value) => value.to_owned(),
        };
        told.entry(attribute.to_owned()).or_default().push(change);
        Ok::<(), Untold>(())
    };
    if update::read(text, names.as_map(), visit).is_err() {
        return false;
    }
    let found = read(text).unwrap_or_else(|| panic!("another reader does not understand {text:?}"));
    assert_eq!(told, found, "{text:?}");
    true
}

fn read(text: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let mut words = Words::of(text)?;
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while let Some(clause) = words.next() {
        let clause = clause.to_ascii_uppercase();
        loop {
            let (attribute, is_whole) = words.path()?;
            let becomes = match clause.as_str() {
                "SET" => {
                    words.need("=")?;
                    operand(&mut words)?
                }
                "REMOVE" => Some("nothing".to_owned()),
                "ADD" | "DELETE" => words.value().map(|_| None)?,
                _ => return None,
            };
            let becomes = becomes.filter(|_| is_whole).unwrap_or_else(|| "something".to_owned());
            found.entry(attribute).or_default().push(becomes);
            if !words.eat(",") {
                break;
            }
        }
    }
    Some(found)
}

/// The value's name, if it is one value and no more; `None` inside where it is worked out.
fn operand(words: &mut Words) -> Option<Option<String>> {
    let mut value = term(words)?;
    while words.eat("+") || words.eat("-") {
        term(words)?;
        value = None;
    }
    Some(value)
}

fn term(words: &mut Words) -> Option<Option<String>> {
    if words.eat("(") {
        let value = operand(words)?;
        return words.need(")").map(|()| value);
    }
    if words.peek()?.starts_with(':') {
        return words.value().map(Some);
    }
    let is_call = words.words.get(words.at + 1).is_some_and(|next| next == "(");
    if is_call && matches!(words.peek(), Some("if_not_exists" | "list_append")) {
        words.at += 2;
        operand(words)?;
        words.need(",")?;
        operand(words)?;
        return words.need(")").map(|()| None);
    }
    words.path().map(|_| None)
}
