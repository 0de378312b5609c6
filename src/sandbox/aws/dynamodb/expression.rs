//! The expressions of DynamoDB's API, as far as this double goes: names at the top level of an item, no paths into it.
//!
//! * `KeyConditionExpression`: the partition key equals a value; and the sort key `=`, `<`, `<=`, `>`, `>=`, `BETWEEN`, `begins_with`.
//! * `ConditionExpression`: `attribute_exists` and `attribute_not_exists`, joined by `AND`.
//! * `UpdateExpression`: `SET name = value | name | if_not_exists(name, value)` and `REMOVE name`.
//! * `ProjectionExpression`: a list of names.

use serde_json::Value;

use super::{
    invalid,
    table::TableConfig,
    value::{Item, KeyType, KeyValue},
};
use crate::sandbox::aws::failure::Failure;

/// Bounds the recursion that parentheses cause.
const MAX_PARENTHESES: usize = 16;

/// What `#name` and `:value` stand for.
#[derive(Debug, Default)]
pub(super) struct Terms<'a> {
    pub(super) names: Option<&'a Item>,
    pub(super) values: Option<&'a Item>,
}

/// What a Query asks for.
#[derive(Debug, PartialEq)]
pub(super) struct KeyCondition<'a> {
    /// The partition key's value, as written.
    pub(super) partition: &'a Value,
    pub(super) sort: Option<SortTest>,
}

/// A test of the sort key.
#[derive(Debug, PartialEq)]
pub(super) enum SortTest {
    Compare(&'static str, KeyValue),
    Between(KeyValue, KeyValue),
    BeginsWith(KeyValue),
}

impl SortTest {
    pub(super) fn accepts(&self, key: &KeyValue) -> bool {
        match self {
            Self::Compare("=", value) => key == value,
            Self::Compare("<", value) => key < value,
            Self::Compare("<=", value) => key <= value,
            Self::Compare(">", value) => key > value,
            Self::Compare(_, value) => key >= value,
            Self::Between(low, high) => low <= key && key <= high,
            Self::BeginsWith(start) => key.begins_with(start),
        }
    }
}

/// One condition on an item as it is before the write.
#[derive(Debug, PartialEq)]
pub(super) struct Exists {
    pub(super) name: String,
    pub(super) wanted: bool,
}

/// One change of an update.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    Set(String, Operand),
    Remove(String),
}

/// What an attribute is set to.
#[derive(Debug, PartialEq)]
pub(super) enum Operand {
    Value(Value),
    Attribute(String),
    IfNotExists(String, Box<Self>),
}

impl Operand {
    /// The value, given the item as it was.
    pub(super) fn resolve(&self, item: &Item) -> Result<Value, Failure> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Attribute(name) => item
                .get(name)
                .cloned()
                .ok_or_else(|| invalid("The provided expression refers to an attribute that does not exist in the item")),
            Self::IfNotExists(name, other) => item.get(name).map_or_else(|| other.resolve(item), |value| Ok(value.clone())),
        }
    }
}

impl<'a> Terms<'a> {
    /// Reads a `KeyConditionExpression` over `table`'s key.
    pub(super) fn key_condition(&self, text: &str, table: &TableConfig) -> Result<KeyCondition<'a>, Failure> {
        let mut parser = Parser::new(text, self)?;
        let (mut partition, mut sort) = (None, None);
        parser.conjunction(0, &mut |parser| {
            let (name, test) = parser.key_test()?;
            match (&table.sort, test) {
                (_, KeyTest::Compare("=", value)) if name == table.partition.0 && partition.is_none() => partition = Some(value),
                (Some((key, kind)), test) if name == *key && sort.is_none() => sort = Some(test.of_sort_key(*kind)?),
                _ => return Err(invalid("Query condition missed key schema element, or tests a key in a way that is not supported")),
            }
            Ok(())
        })?;
        parser.end()?;
        let partition = partition.ok_or_else(|| invalid(format!("Query condition missed key schema element: {}", table.partition.0)))?;
        Ok(KeyCondition { partition, sort })
    }

    /// Reads a `ConditionExpression`.
    pub(super) fn condition(&self, text: &str) -> Result<Vec<Exists>, Failure> {
        let mut parser = Parser::new(text, self)?;
        let mut all = Vec::new();
        parser.conjunction(0, &mut |parser| {
            let wanted = match parser.next() {
                Some(Token::Word(word)) if word == "attribute_exists" => true,
                Some(Token::Word(word)) if word == "attribute_not_exists" => false,
                _ => return Err(invalid("this double supports only attribute_exists and attribute_not_exists in a ConditionExpression")),
            };
            parser.need("(")?;
            all.push(Exists { name: parser.name()?, wanted });
            parser.need(")")
        })?;
        parser.end()?;
        Ok(all)
    }

    /// Reads an `UpdateExpression`.
    pub(super) fn update(&self, text: &str) -> Result<Vec<Change>, Failure> {
        let mut parser = Parser::new(text, self)?;
        let mut changes = Vec::new();
        loop {
            let set = if parser.take_word("SET") {
                true
            } else if parser.take_word("REMOVE") {
                false
            } else {
                return Err(invalid("this double supports only SET and REMOVE in an UpdateExpression"));
            };
            loop {
                let name = parser.name()?;
                changes.push(match set {
                    true => {
                        parser.need("=")?;
                        Change::Set(name, parser.operand()?)
                    }
                    false => Change::Remove(name),
                });
                if !parser.take(",") {
                    break;
                }
            }
            if parser.at_end() {
                return Ok(changes);
            }
        }
    }

    /// Reads a `ProjectionExpression`.
    pub(super) fn projection(&self, text: &str) -> Result<Vec<String>, Failure> {
        let mut parser = Parser::new(text, self)?;
        let mut names = vec![parser.name()?];
        while parser.take(",") {
            names.push(parser.name()?);
        }
        parser.end()?;
        Ok(names)
    }
}

enum KeyTest<'a> {
    Compare(&'static str, &'a Value),
    Between(&'a Value, &'a Value),
    BeginsWith(&'a Value),
}

impl KeyTest<'_> {
    fn of_sort_key(self, kind: KeyType) -> Result<SortTest, Failure> {
        let read = |value| KeyValue::read(value, kind);
        Ok(match self {
            Self::Compare(operator, value) => SortTest::Compare(operator, read(value)?),
            Self::Between(low, high) => SortTest::Between(read(low)?, read(high)?),
            Self::BeginsWith(start) => SortTest::BeginsWith(read(start)?),
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A bare name, a keyword or a function.
    Word(String),
    /// `#name`
    Name(String),
    /// `:value`
    Value(String),
    Mark(&'static str),
}

struct Parser<'t, 'a> {
    tokens: Vec<Token>,
    at: usize,
    terms: &'t Terms<'a>,
}

impl<'t, 'a> Parser<'t, 'a> {
    fn new(text: &str, terms: &'t Terms<'a>) -> Result<Self, Failure> {
        if text.len() > 4_096 {
            return Err(invalid("Expression size has exceeded the maximum allowed size"));
        }
        Ok(Self { tokens: tokens(text)?, at: 0, terms })
    }

    fn next(&mut self) -> Option<Token> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn end(&self) -> Result<(), Failure> {
        if self.at_end() { Ok(()) } else { Err(syntax()) }
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Mark(m)) if *m == mark);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, mark: &str) -> Result<(), Failure> {
        if self.take(mark) { Ok(()) } else { Err(syntax()) }
    }

    fn name(&mut self) -> Result<String, Failure> {
        match self.next() {
            Some(Token::Word(name)) => Ok(name),
            Some(Token::Name(alias)) => {
                let name = self.terms.names.and_then(|n| n.get(&alias)).and_then(Value::as_str);
                name.map(str::to_owned).ok_or_else(|| invalid(format!("An expression attribute name is not defined: {alias}")))
            }
            _ => Err(syntax()),
        }
    }

    fn value(&mut self) -> Result<&'a Value, Failure> {
        match self.next() {
            Some(Token::Value(alias)) => {
                let value = self.terms.values.and_then(|v| v.get(&alias));
                value.ok_or_else(|| invalid(format!("An expression attribute value is not defined: {alias}")))
            }
            _ => Err(syntax()),
        }
    }

    /// Terms joined by `AND`, with parentheses around any of them or around the whole.
    fn conjunction(&mut self, depth: usize, term: &mut dyn FnMut(&mut Self) -> Result<(), Failure>) -> Result<(), Failure> {
        if depth > MAX_PARENTHESES {
            return Err(syntax());
        }
        loop {
            if self.take("(") {
                self.conjunction(depth + 1, term)?;
                self.need(")")?;
            } else {
                term(self)?;
            }
            if !self.take_word("AND") {
                return Ok(());
            }
        }
    }

    fn key_test(&mut self) -> Result<(String, KeyTest<'a>), Failure> {
        if self.tokens.get(self.at) == Some(&Token::Word("begins_with".to_owned())) {
            self.at += 1;
            self.need("(")?;
            let name = self.name()?;
            self.need(",")?;
            let start = self.value()?;
            self.need(")")?;
            return Ok((name, KeyTest::BeginsWith(start)));
        }
        let name = self.name()?;
        if self.take_word("BETWEEN") {
            let low = self.value()?;
            return match self.take_word("AND") {
                true => Ok((name, KeyTest::Between(low, self.value()?))),
                false => Err(syntax()),
            };
        }
        match self.next() {
            Some(Token::Mark(operator @ ("=" | "<" | "<=" | ">" | ">="))) => Ok((name, KeyTest::Compare(operator, self.value()?))),
            _ => Err(syntax()),
        }
    }

    fn operand(&mut self) -> Result<Operand, Failure> {
        match self.tokens.get(self.at) {
            Some(Token::Value(_)) => Ok(Operand::Value(self.value()?.clone())),
            Some(Token::Word(function)) if function == "if_not_exists" => {
                self.at += 1;
                self.need("(")?;
                let name = self.name()?;
                self.need(",")?;
                // Nesting it would be legal and pointless; this also bounds the recursion.
                let other = match self.tokens.get(self.at) {
                    Some(Token::Value(_)) => Operand::Value(self.value()?.clone()),
                    _ => Operand::Attribute(self.name()?),
                };
                self.need(")")?;
                Ok(Operand::IfNotExists(name, Box::new(other)))
            }
            _ => Ok(Operand::Attribute(self.name()?)),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Failure> {
    const MARKS: [&str; 9] = ["<=", ">=", "=", "<", ">", "(", ")", ",", "."];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            tokens.push(Token::Mark(mark));
            rest = rest[mark.len()..].trim_start();
            continue;
        }
        let sigil = usize::from(first == '#' || first == ':');
        let length = rest[sigil..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len() - sigil);
        if length == 0 {
            return Err(invalid("Invalid expression: this double does not know a character in it"));
        }
        let word = rest[..sigil + length].to_owned();
        tokens.push(match first {
            '#' => Token::Name(word),
            ':' => Token::Value(word),
            _ => Token::Word(word),
        });
        rest = rest[sigil + length..].trim_start();
    }
    if tokens.is_empty() { Err(invalid("Invalid expression: The expression can not be empty")) } else { Ok(tokens) }
}

fn syntax() -> Failure {
    invalid("Invalid expression: Syntax error, or something that this double does not support")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with<T>(check: impl FnOnce(&Terms<'_>) -> T) -> T {
        let names = json!({"#p": "pk", "#s": "sk", "#n": "name"});
        let values = json!({":p": {"S": "acme"}, ":a": {"N": "1"}, ":b": {"N": "2"}});
        check(&Terms { names: names.as_object(), values: values.as_object() })
    }

    fn table() -> TableConfig {
        TableConfig { name: "t".to_owned(), partition: ("pk".to_owned(), KeyType::Text), sort: Some(("sk".to_owned(), KeyType::Number)) }
    }

    #[test]
    fn key_conditions_name_one_partition() {
        let number = |text| KeyValue::Number(crate::sandbox::aws::dynamodb::value::Number::parse(text).unwrap());
        let sort = |text: &str| with(|terms| terms.key_condition(text, &table()).map(|c| (c.partition.clone(), c.sort)));
        let acme = json!({"S": "acme"});
        assert_eq!(sort("pk = :p"), Ok((acme.clone(), None)));
        assert_eq!(sort("(#s >= :a) and (#p = :p)"), Ok((acme.clone(), Some(SortTest::Compare(">=", number("1"))))));
        assert_eq!(sort("#p=:p AND sk BETWEEN :a AND :b"), Ok((acme, Some(SortTest::Between(number("1"), number("2"))))));
        assert!(sort("((pk = :p) AND (#s BETWEEN :a AND :b))").is_ok());
        let deep = format!("{}pk = :p{}", "(".repeat(17), ")".repeat(17));
        for bad in [
            "",
            &deep,
            "sk = :a",
            "pk > :p",
            "pk = :p OR sk = :a",
            "pk = :p AND pk = :p",
            "pk = :p AND sk <> :a",
            "pk = :p AND other = :a",
            "pk = :none",
            "#none = :p",
            "pk = :p AND sk = :p",
            "pk = :p extra",
            "(pk = :p",
            "pk.x = :p",
            "begins_with(pk, :p)",
        ] {
            assert!(sort(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sort_tests_compare() {
        let text = |t: &str| KeyValue::Text(t.to_owned());
        assert!(SortTest::BeginsWith(text("ab")).accepts(&text("abc")) && !SortTest::BeginsWith(text("ab")).accepts(&text("ba")));
        assert!(
            SortTest::Between(text("a"), text("c")).accepts(&text("c")) && !SortTest::Between(text("a"), text("c")).accepts(&text("d"))
        );
        for (operator, less, equal, greater) in [
            ("=", false, true, false),
            ("<", true, false, false),
            ("<=", true, true, false),
            (">", false, false, true),
            (">=", false, true, true),
        ] {
            let accepts = |t| SortTest::Compare(operator, text("m")).accepts(&text(t));
            assert_eq!((accepts("a"), accepts("m"), accepts("z")), (less, equal, greater), "{operator}");
        }
    }

    #[test]
    fn conditions_and_updates_are_read() {
        with(|terms| {
            let exists = |name: &str, wanted| Exists { name: name.to_owned(), wanted };
            let both = terms.condition("(attribute_not_exists(pk)) AND attribute_exists(#n)");
            assert_eq!(both, Ok(vec![exists("pk", false), exists("name", true)]));
            assert!(terms.condition("pk = :p").is_err() && terms.condition("attribute_exists(pk) OR attribute_exists(sk)").is_err());
            let changes = terms.update("SET #n = :p, n = if_not_exists(n, :a), m = n REMOVE x, y").unwrap();
            assert_eq!(changes.len(), 5);
            assert_eq!(changes[4], Change::Remove("y".to_owned()));
            for bad in ["ADD n :a", "SET n = n + :a", "SET a.b = :a", "SET n :a", "REMOVE", "DELETE s :p"] {
                assert!(terms.update(bad).is_err(), "{bad}");
            }
            assert_eq!(terms.projection("pk, #n"), Ok(vec!["pk".to_owned(), "name".to_owned()]));
        });
    }
}
