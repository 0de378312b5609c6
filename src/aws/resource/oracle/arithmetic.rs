//! Expressions of metric math, read the other way round: cut into tokens first, then folded from the inside.

use super::super::arithmetic::is_plain;

/// The first line has the ids, with blanks between them, and the rest is an expression. One that is taken has numbers, operators, parentheses and these ids in it
/// alone, is one value, and calls nothing.
pub(crate) fn arithmetic(bytes: &[u8]) -> bool {
    let Some((line, text)) = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n')) else { return false };
    let mut ids: Vec<&str> = line.split(' ').filter(|id| !id.is_empty()).collect();
    ids.sort_unstable();
    if !is_plain(text, &ids) {
        return false;
    }
    is_arithmetic(text, &ids);
    true
}

/// As CloudWatch cuts an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'e> {
    Close,
    /// `-`, which can be a sign too.
    Minus,
    Name(&'e str),
    Number,
    Open,
    Operator,
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let ends = |from: usize, goes_on: fn(char) -> bool| text[from..].find(|c| !goes_on(c)).map_or(text.len(), |length| from + length);
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(c) = text[at..].chars().next() {
        let mut end = at + c.len_utf8();
        match c {
            ' ' => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '-' => tokens.push(Token::Minus),
            '+' | '*' | '/' | '^' => tokens.push(Token::Operator),
            '0'..='9' => {
                end = ends(at, |c| c.is_ascii_digit());
                if text[end..].starts_with('.') {
                    end = ends(end + 1, |c| c.is_ascii_digit());
                }
                tokens.push(Token::Number);
            }
            // An id begins with a small letter, and has letters, digits and _ (MetricDataQuery, CloudWatch API reference). A function is in capitals.
            'a'..='z' | 'A'..='Z' => {
                end = ends(at, |c| c.is_ascii_alphanumeric() || c == '_');
                tokens.push(Token::Name(&text[at..end]));
            }
            _ => panic!("{c:?} is nothing of arithmetic: {text:?}"),
        }
        at = end;
    }
    tokens
}

/// # Panics
/// It is not.
pub(super) fn is_arithmetic(text: &str, ids: &[&str]) {
    let tokens = tokens(text);
    for (at, token) in tokens.iter().enumerate() {
        let Token::Name(name) = token else { continue };
        assert!(tokens.get(at + 1) != Some(&Token::Open), "{name} is called: {text:?}");
        assert!(name.starts_with(|c: char| c.is_ascii_lowercase()) && ids.contains(name), "{name} is no metric of the request: {text:?}");
    }
    // Whatever has a value is a number as soon as it has one.
    let mut seen: Vec<Token<'_>> = Vec::new();
    for token in tokens {
        seen.push(if let Token::Name(_) = token { Token::Number } else { token });
        loop {
            let folded = match seen[..] {
                [.., Token::Open, Token::Number, Token::Close] | [.., Token::Number, Token::Operator | Token::Minus, Token::Number] => 3,
                [Token::Minus, Token::Number] | [.., Token::Open | Token::Operator | Token::Minus, Token::Minus, Token::Number] => 2,
                _ => break,
            };
            seen.truncate(seen.len() - folded);
            seen.push(Token::Number);
        }
    }
    assert_eq!(seen, [Token::Number], "it is not one value: {text:?}");
}
