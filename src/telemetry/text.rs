//! Lines for people: `name=value`, in the order of the JSON.

use serde::Serialize;
use serde_json::Value;

/// The members of `of` on one line. Text that could be taken for something else is quoted as in JSON, as is what is no single value.
pub(super) fn line(of: &impl Serialize) -> Result<String, serde_json::Error> {
    let Value::Object(members) = serde_json::to_value(of)? else { return Ok(String::new()) };
    let mut line = String::new();
    for (name, value) in members {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&name);
        line.push('=');
        match value {
            Value::String(text) if is_plain(&text) => line.push_str(&text),
            Value::Array(_) | Value::Object(_) => line.push_str(&Value::String(value.to_string()).to_string()),
            value => line.push_str(&value.to_string()),
        }
    }
    Ok(line)
}

/// One word of ASCII, without quotes and what else a reader could stumble over.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'='))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_value_can_be_taken_for_another_member() {
        let members = json!({"a": "b", "c": "d e=f", "g": "", "h": "\u{1b}[31m", "i": 1.5, "j": true, "k": [{"l": "m n"}], "o": "\u{fc}"});
        let expected = r#"a=b c="d e=f" g="" h="\u001b[31m" i=1.5 j=true k="[{\"l\":\"m n\"}]" o="ü""#;
        assert_eq!(line(&members).unwrap(), expected);
    }
}
