//! The `Condition` element.
//!
//! Rules from the IAM user guide ("IAM JSON policy elements: Condition operators", "Conditions with multiple context keys or
//! values", "Multivalued context keys"): operators and keys are joined by AND, the values of one key by OR (for a negated
//! operator: none may match). A key that the request does not have fails a positive operator and meets a negated one;
//! `...IfExists` is then met, `ForAllValues:` is then met, `ForAnyValue:` is not.

use serde_json::Value;

use super::{
    Context, PolicyError,
    pattern::{Glob, Grammar, Pattern},
    texts,
};

/// One operator applied to one key.
#[derive(Debug)]
pub(super) struct Condition {
    quantifier: Quantifier,
    test: Test,
    if_exists: bool,
    /// In lower case: context keys are compared without case.
    key: String,
    values: Vec<Pattern>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Quantifier {
    /// No set operator. On a key with several values all must pass; AWS leaves that case undefined.
    None,
    All,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Test {
    Text { negated: bool, fold: bool },
    Number { negated: bool, relation: Relation },
    Bool,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition {
    /// Every condition of a `Condition` block. An operator that is not known here is an error, not a match.
    pub(super) fn parse_block(block: &Value, variables: bool) -> Result<Vec<Self>, PolicyError> {
        let operators = block.as_object().ok_or_else(|| PolicyError::new("Condition is not an object"))?;
        let mut conditions = Vec::new();
        for (operator, keys) in operators {
            let keys = keys.as_object().ok_or_else(|| PolicyError::new(format!("Condition {operator} is not an object")))?;
            for (key, values) in keys {
                conditions.push(Self::parse(operator, key, values, variables)?);
            }
        }
        Ok(conditions)
    }

    fn parse(operator: &str, key: &str, values: &Value, variables: bool) -> Result<Self, PolicyError> {
        let (quantifier, name) = match operator.split_once(':') {
            None => (Quantifier::None, operator),
            Some(("ForAllValues", name)) => (Quantifier::All, name),
            Some(("ForAnyValue", name)) => (Quantifier::Any, name),
            Some(_) => return Err(unknown(operator)),
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |n| (n, true));
        let (test, wildcards) = test(name).ok_or_else(|| unknown(operator))?;
        if test == Test::Null && (if_exists || quantifier != Quantifier::None) {
            return Err(unknown(operator));
        }
        let values = texts(values)?.iter().map(|v| Pattern::parse(v, Grammar { wildcards, variables })).collect::<Result<_, _>>()?;
        Ok(Self { quantifier, test, if_exists, key: key.to_ascii_lowercase(), values })
    }

    /// Whether the request meets the condition.
    pub(super) fn is_met(&self, context: &Context) -> bool {
        let present = context.get(&self.key);
        if present.is_none() && self.if_exists {
            return true;
        }
        let wanted: Vec<Glob> = self.values.iter().filter_map(|v| v.resolve(context)).collect();
        // A variable without a value makes its element match nothing. For a negated operator "nothing matches" would be true,
        // so there one unresolved value fails the whole condition.
        let unresolved = self.values.len() - wanted.len();
        if unresolved > 0 && (self.negated() || wanted.is_empty()) {
            return false;
        }
        if self.test == Test::Null {
            return wanted.iter().any(|w| w.matches(if present.is_none() { "true" } else { "false" }, true));
        }
        let Some(values) = present else {
            return self.quantifier == Quantifier::All || (self.negated() && self.quantifier == Quantifier::None);
        };
        let passes = |value: &String| wanted.iter().any(|w| self.test.accepts(w, value)) != self.negated();
        match self.quantifier {
            Quantifier::None | Quantifier::All => values.iter().all(passes),
            Quantifier::Any => values.iter().any(passes),
        }
    }

    fn negated(&self) -> bool {
        matches!(self.test, Test::Text { negated: true, .. } | Test::Number { negated: true, .. })
    }
}

/// The test behind an operator's name, and whether its values may hold wildcards.
fn test(name: &str) -> Option<(Test, bool)> {
    let text = |negated, fold| Test::Text { negated, fold };
    let number = |negated, relation| Test::Number { negated, relation };
    Some(match name {
        "StringEquals" => (text(false, false), false),
        "StringNotEquals" => (text(true, false), false),
        "StringEqualsIgnoreCase" => (text(false, true), false),
        "StringNotEqualsIgnoreCase" => (text(true, true), false),
        // ArnEquals and ArnLike behave alike. That AWS compares an ARN's six parts one by one is not reproduced.
        "StringLike" | "ArnLike" | "ArnEquals" => (text(false, false), true),
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (text(true, false), true),
        "NumericEquals" => (number(false, Relation::Equal), false),
        "NumericNotEquals" => (number(true, Relation::Equal), false),
        "NumericLessThan" => (number(false, Relation::Less), false),
        "NumericLessThanEquals" => (number(false, Relation::LessOrEqual), false),
        "NumericGreaterThan" => (number(false, Relation::Greater), false),
        "NumericGreaterThanEquals" => (number(false, Relation::GreaterOrEqual), false),
        "Bool" => (Test::Bool, false),
        "Null" => (Test::Null, false),
        _ => return None,
    })
}

impl Test {
    fn accepts(self, wanted: &Glob, value: &str) -> bool {
        match self {
            Self::Text { fold, .. } => wanted.matches(value, fold),
            Self::Bool | Self::Null => wanted.matches(value, true),
            Self::Number { relation, .. } => match (value.parse::<f64>(), wanted.literal().parse::<f64>()) {
                (Ok(value), Ok(wanted)) => relation.holds(value, wanted),
                _ => false,
            },
        }
    }
}

impl Relation {
    fn holds(self, value: f64, wanted: f64) -> bool {
        match self {
            Self::Equal => value == wanted,
            Self::Less => value < wanted,
            Self::LessOrEqual => value <= wanted,
            Self::Greater => value > wanted,
            Self::GreaterOrEqual => value >= wanted,
        }
    }
}

fn unknown(operator: &str) -> PolicyError {
    PolicyError::new(format!("this double does not know the condition operator {operator:?}"))
}
