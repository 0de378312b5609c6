//! What has to hold for whatever bytes come: other readers of DynamoDB's bodies, expressions and numbers, written another way and with no mind for safety.
//!
//! Each function takes any bytes, panics where the guard and the other reader see different things in them, and says whether they were taken.

mod body;
mod condition;
mod number;
mod update;

pub(crate) use self::{body::body, condition::condition, number::number, update::update};

use super::json::{self, Node, Shape};

static NAMES: Shape = Shape::Map(&Shape::Text);

/// What names stand for in expressions that are made up.
pub(crate) const ALIASES: [(&str, &str); 4] = [("#p", "pk"), ("#s", "sk"), ("#g", "gsi1pk"), ("#d", "pk.x")];

fn names() -> Node<'static> {
    json::read(br##"{"#p":"pk","#s":"sk","#g":"gsi1pk","#d":"pk.x"}"##, &NAMES).unwrap_or_else(|| panic!("the names are not read"))
}

/// An expression, cut into words the simple way: what stands between blanks, with marks of one or two characters apart.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut glued = false;
    for c in text.chars() {
        match c {
            ' ' | '\t' | '\r' | '\n' => glued = false,
            '<' | '>' | '=' | '(' | ')' | '[' | ']' | ',' | '.' | '+' | '-' => {
                let pair = words.last().is_some_and(|last| glued && matches!((last.as_str(), c), ("<" | ">", '=') | ("<", '>')));
                match words.last_mut() {
                    Some(last) if pair => last.push(c),
                    _ => words.push(c.to_string()),
                }
                glued = true;
            }
            '#' | ':' => {
                words.push(c.to_string());
                glued = true;
            }
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => {
                match words.last_mut() {
                    Some(last) if glued && last.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '#' | ':')) => {
                        last.push(c)
                    }
                    _ => words.push(c.to_string()),
                }
                glued = true;
            }
            _ => return None,
        }
    }
    Some(words)
}

/// Words, and how many of them were read.
struct Words {
    words: Vec<String>,
    at: usize,
}

impl Words {
    fn of(text: &str) -> Option<Self> {
        Some(Self { words: words(text)?, at: 0 })
    }

    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Option<String> {
        let word = self.words.get(self.at)?.clone();
        self.at += 1;
        Some(word)
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, word: &str) -> Option<()> {
        self.eat(word).then_some(())
    }

    /// `:value`
    fn value(&mut self) -> Option<String> {
        self.next().filter(|word| word.len() > 1 && word.starts_with(':'))
    }

    /// The attribute of a path, and whether more of the path follows it.
    fn path(&mut self) -> Option<(String, bool)> {
        let word = self.next()?;
        let root = match ALIASES.iter().find(|(alias, _)| *alias == word) {
            Some((_, name)) => (*name).to_owned(),
            None if word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') => word,
            None => return None,
        };
        let mut is_whole = true;
        loop {
            if self.eat(".") {
                self.next()?;
            } else if self.eat("[") {
                self.next().filter(|index| index.bytes().all(|b| b.is_ascii_digit()))?;
                self.need("]")?;
            } else {
                return Some((root, is_whole));
            }
            is_whole = false;
        }
    }
}
