//! Expressions of metric math, of which only plain arithmetic over metrics of the same request is taken.
//!
//! `SEARCH`, `SELECT`, `INSIGHT_RULE_METRIC`, `LAMBDA` and whatever function AWS adds find metrics by themselves, so that no function is taken at all; nor are quotes,
//! which everything has that names a metric by itself.

/// Longest expression (`MetricExpression`, CloudWatch API reference).
const MAX_BYTES: usize = 2_048;

/// Whether `text` is numbers and `ids`, which are sorted, with `+ - * / ^` between them, and nothing else. What CloudWatch takes for no id is none.
pub(super) fn is_plain(text: &str, ids: &[&str]) -> bool {
    if text.len() > MAX_BYTES {
        return false;
    }
    let mut rest = text;
    let (mut open, mut wants_operand) = (0_usize, true);
    while let Some(first) = rest.bytes().next() {
        let end = rest.bytes().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))).unwrap_or(rest.len());
        let taken = match (first, wants_operand) {
            (b' ', _) => 1,
            (b'(', true) => {
                open += 1;
                1
            }
            (b')', false) if open > 0 => {
                open -= 1;
                1
            }
            (b'-', true) => 1,
            (b'+' | b'-' | b'*' | b'/' | b'^', false) => {
                wants_operand = true;
                1
            }
            (_, true) if end > 0 && (is_number(&rest[..end]) || (is_id(&rest[..end]) && ids.binary_search(&&rest[..end]).is_ok())) => {
                wants_operand = false;
                end
            }
            _ => return false,
        };
        rest = &rest[taken..];
    }
    open == 0 && !wants_operand
}

/// Begins with a small letter, and has letters, digits and `_` (`MetricDataQuery`, CloudWatch API reference). Names of functions and words of its language are in capitals.
fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.contains('.')
}

fn is_number(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    [whole, part].iter().all(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn arithmetic_over_the_requests_own_metrics_is_plain() {
        for text in ["m1", "m1/m2", "100 * (m1 - m2) / m1", "-m1", "m1^2", "((m1))", "m1 + 0.5", "1-(-m2)"] {
            assert!(is_plain(text, &["m1", "m2"]), "{text}");
        }
    }

    #[test]
    fn whatever_could_find_a_metric_by_itself_is_not() {
        for text in [
            "",
            " ",
            "m3",
            "M1",
            "m1 m2",
            "m1(m2)",
            "sum(m1)",
            "SUM(m1)",
            "SUM(METRICS())",
            "METRICS()",
            "SEARCH('{ns}', 'Sum')",
            "SELECT AVG(m1) FROM m2",
            "m1 > m2",
            "m1 && m2",
            "[m1]",
            "'m1'",
            "\"m1\"",
            "m1 +",
            "(m1",
            "m1)",
            ")m1(",
            "m1\n+m2",
            "m1;m2",
            "1.2.3",
            ".5",
            "1e5",
            "m1\u{a0}",
            "\u{e9}",
        ] {
            assert!(!is_plain(text, &["m1", "m2"]), "{text}");
        }
        for id in ["1e5", "M1", "_m1", "m1.x"] {
            assert!(!is_plain(id, &[id]), "{id} is no id");
        }
        assert!(!is_plain("select avg(x) from ns", &["avg", "from", "ns", "select", "x"]));
        assert!(!is_plain(&format!("m1{}", "+m1".repeat(MAX_BYTES)), &["m1"]));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,32}", plain in "[m1-2+*/() ^.-]{0,24}") {
            let _ = (is_plain(&text, &["m1"]), is_plain(&plain, &["m1"]));
        }
    }
}
