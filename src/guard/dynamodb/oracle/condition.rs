//! `KeyConditionExpression`, with everything that conditions of DynamoDB have, and what they say of items.

use super::{ALIASES, Words, names};
use crate::guard::dynamodb::expression::condition::value_of;

/// A condition.
enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Begins(String, String),
    Between(String, String, String),
    Compares(String, String, String),
    Not(Box<Self>),
    OneOf(String, Vec<String>),
}

/// What is there to be a hash key or another attribute, and to be compared with.
const VALUES: [&str; 4] = ["", "acme#1", "globex#1", "acme#1x"];
/// Longer expressions are not taken.
const LONGEST: usize = 4_096;

/// Where a value is found for the hash key, the condition holds for no item that has another: tried with every item, and every value, that there is.
pub(crate) fn condition(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let names = names();
    let Ok(found) = value_of(text, names.as_map(), "pk") else { return false };
    let Some(condition) = Condition::read(text) else { panic!("another reader does not understand {text:?}") };
    for own in VALUES {
        // Every placeholder but the one that was found may be anything.
        for other in VALUES {
            let value = |name: &str| if name == found { own } else { other };
            for pk in VALUES {
                for sk in VALUES {
                    let item = |attribute: &str| if attribute == "pk" { pk } else { sk };
                    assert!(pk == own || !condition.holds(&item, &value), "{text:?} holds for {pk:?}, and {found} is {own:?}");
                }
            }
        }
    }
    let printed = condition.print();
    if printed.len() <= LONGEST {
        assert_eq!(value_of(&printed, names.as_map(), "pk"), Ok(found), "{text:?}, printed as {printed:?}");
    }
    true
}

impl Condition {
    fn read(text: &str) -> Option<Self> {
        let mut words = Words::of(text)?;
        let condition = Self::any(&mut words)?;
        words.peek().is_none().then_some(condition)
    }

    fn any(words: &mut Words) -> Option<Self> {
        let mut parts = vec![Self::all(words)?];
        while words.eat("OR") {
            parts.push(Self::all(words)?);
        }
        if parts.len() == 1 { parts.pop() } else { Some(Self::Any(parts)) }
    }

    fn all(words: &mut Words) -> Option<Self> {
        let mut parts = vec![Self::one(words)?];
        while words.eat("AND") {
            parts.push(Self::one(words)?);
        }
        if parts.len() == 1 { parts.pop() } else { Some(Self::All(parts)) }
    }

    fn one(words: &mut Words) -> Option<Self> {
        if words.eat("NOT") {
            return Self::one(words).map(|condition| Self::Not(Box::new(condition)));
        }
        if words.eat("(") {
            let condition = Self::any(words)?;
            return words.need(")").map(|()| condition);
        }
        if words.peek() == Some("begins_with") && words.words.get(words.at + 1).is_some_and(|next| next == "(") {
            words.at += 2;
            let (path, _) = words.path()?;
            words.need(",")?;
            let value = words.value()?;
            return words.need(")").map(|()| Self::Begins(path, value));
        }
        let (path, _) = words.path()?;
        if words.eat("BETWEEN") {
            let low = words.value()?;
            words.need("AND")?;
            return Some(Self::Between(path, low, words.value()?));
        }
        if words.eat("IN") {
            words.need("(")?;
            let mut values = vec![words.value()?];
            while words.eat(",") {
                values.push(words.value()?);
            }
            return words.need(")").map(|()| Self::OneOf(path, values));
        }
        let operator = words.next().filter(|word| ["=", "<>", "<", "<=", ">", ">="].contains(&word.as_str()))?;
        Some(Self::Compares(path, operator, words.value()?))
    }

    fn holds<'v>(&self, item: &dyn Fn(&str) -> &'v str, value: &dyn Fn(&str) -> &'v str) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(item, value)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(item, value)),
            Self::Begins(path, beginning) => item(path).starts_with(value(beginning)),
            Self::Between(path, low, high) => (value(low)..=value(high)).contains(&item(path)),
            Self::Compares(path, operator, name) => {
                let (one, other) = (item(path), value(name));
                match operator.as_str() {
                    "=" => one == other,
                    "<>" => one != other,
                    "<" => one < other,
                    "<=" => one <= other,
                    ">" => one > other,
                    _ => one >= other,
                }
            }
            Self::Not(part) => !part.holds(item, value),
            Self::OneOf(path, values) => values.iter().any(|name| value(name) == item(path)),
        }
    }

    /// The same in other words: other names, blanks and cases, and no parentheses, which change nothing where all is joined by `AND`.
    fn print(&self) -> String {
        let joined = |parts: &[Self], word: &str| parts.iter().map(Self::print).collect::<Vec<_>>().join(word);
        let alias = |name: &str| ALIASES.iter().find(|(_, means)| *means == name).map_or(name, |(alias, _)| *alias).to_owned();
        match self {
            Self::All(parts) => joined(parts, "\tand\r\n"),
            Self::Any(parts) => joined(parts, " oR "),
            Self::Begins(path, value) => format!("begins_with (  {},{value} )", alias(path)),
            Self::Between(path, low, high) => format!("{} between {low} aNd {high}", alias(path)),
            Self::Compares(path, operator, value) => format!("{}{operator}{value}", alias(path)),
            Self::Not(part) => format!("not {}", part.print()),
            Self::OneOf(path, values) => format!("{} in({})", alias(path), values.join(" , ")),
        }
    }
}
