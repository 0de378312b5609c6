//! Form bodies of the Query protocol, read so that no other reader sees another form.
//!
//! What the operation is named by is looked for leniently elsewhere, so that nothing hides. Here a name is *taken*, so anything that SDKs do not write
//! is no form at all: a separator of another kind, an encoded key, an encoding that is none, a key twice or in another case, a gap in a list.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::Untold;

/// Longest key, in bytes: those of SDKs have less than a hundred.
const MAX_KEY: usize = 256;
/// Most parameters. A batch of ten messages with ten attributes each has a few hundred.
const MAX_PAIRS: usize = 4_096;

const UNREADABLE: Untold = "the body is a form that could be read in several ways";

/// The parameters of a form.
#[derive(Debug)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Untold> {
        let text = std::str::from_utf8(body).map_err(|_| UNREADABLE)?;
        let (mut pairs, mut seen) = (BTreeMap::new(), BTreeSet::new());
        for (number, pair) in text.split('&').enumerate() {
            if number == MAX_PAIRS {
                return Err("the body is a form of more parameters than any request has");
            }
            let (key, value) = pair.split_once('=').ok_or(UNREADABLE)?;
            let is_key =
                (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            if !is_key || !seen.insert(key.to_ascii_lowercase()) {
                return Err(UNREADABLE);
            }
            pairs.insert(key.to_owned(), decode(value).ok_or(UNREADABLE)?);
        }
        let form = Self(pairs);
        if form.lists_are_whole() { Ok(form) } else { Err(UNREADABLE) }
    }

    /// The parameter `key`, where there is none that is called so in another case, or as if it were a list or a structure.
    pub(super) fn get(&self, key: &str) -> Result<Option<&str>, Untold> {
        for name in self.0.keys().filter(|name| *name != key) {
            let alike = name.get(..key.len()).is_some_and(|start| start.eq_ignore_ascii_case(key));
            if alike && name.as_bytes().get(key.len()).is_none_or(|b| *b == b'.') {
                return Err("a parameter's name is spelled in another way");
            }
        }
        Ok(self.0.get(key).map(String::as_str))
    }

    /// What JSON would have said: `A.member.1.B=x` is `{"A": [{"B": "x"}]}`. `None` where a parameter is a value and a structure, or where a list is of anything else
    /// than items. As deep as a key is long.
    pub(super) fn tree(&self) -> Option<Map<String, Value>> {
        let pairs: Vec<(&str, &str)> = self.0.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        structure(&pairs)
    }

    /// How many there are.
    #[cfg(any(test, fuzzing))]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether each list has its items from 1 on, none missing.
    fn lists_are_whole(&self) -> bool {
        let mut lists: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        for key in self.0.keys() {
            let mut at = 0;
            for part in key.split('.') {
                if part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty() {
                    let number = part.parse().ok().filter(|number: &u32| part == number.to_string());
                    let Some(number) = number else { return false };
                    lists.entry(&key[..at]).or_default().insert(number);
                }
                at += part.len() + 1;
            }
        }
        lists.values().all(|numbers| numbers.iter().zip(1..).all(|(number, place)| *number == place))
    }
}

/// No deeper than a key has dots.
fn structure(pairs: &[(&str, &str)]) -> Option<Map<String, Value>> {
    let mut members: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    let mut values = Map::new();
    for (key, value) in pairs {
        match key.split_once('.') {
            Some((name, rest)) => members.entry(name).or_default().push((rest, value)),
            None => {
                values.insert((*key).to_owned(), Value::String((*value).to_owned()));
            }
        }
    }
    for (name, below) in members {
        if name.is_empty() || values.contains_key(name) {
            return None;
        }
        let inside = structure_or_list(&below)?;
        values.insert(name.to_owned(), inside);
    }
    Some(values)
}

fn structure_or_list(pairs: &[(&str, &str)]) -> Option<Value> {
    let items = pairs.iter().map(|(key, value)| Some((key.strip_prefix("member.")?, *value))).collect::<Option<Vec<_>>>();
    let Some(items) = items else {
        let is_mixed = pairs.iter().any(|(key, _)| key.split('.').next().is_some_and(|name| name.eq_ignore_ascii_case("member")));
        return if is_mixed { None } else { structure(pairs).map(Value::Object) };
    };
    let mut list: BTreeMap<u32, Vec<(&str, &str)>> = BTreeMap::new();
    for (key, value) in items {
        let (number, rest) = key.split_once('.').unwrap_or((key, ""));
        list.entry(number.parse().ok()?).or_default().push((rest, value));
    }
    let item = |pairs: Vec<(&str, &str)>| match pairs[..] {
        [("", value)] => Some(Value::String(value.to_owned())),
        _ if pairs.iter().any(|(key, _)| key.is_empty()) => None,
        _ => structure_or_list(&pairs),
    };
    list.into_values().map(item).collect::<Option<Vec<_>>>().map(Value::Array)
}

fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'%' if bytes.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)) => at += 3,
            // Some servers separate parameters here, and cut at the others.
            b'%' | b';' | b'#' | 0..=b' ' | 0x7f.. => return None,
            _ => at += 1,
        }
    }
    Some(percent_decode_str(&text.replace('+', " ")).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(text: &str, key: &str) -> Result<Option<String>, Untold> {
        Form::parse(text.as_bytes()).and_then(|form| form.get(key).map(|value| value.map(str::to_owned)))
    }

    #[test]
    fn what_sdks_write_is_read() {
        let text = "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns&Message=a%26b+c%3B%C3%A9&Attributes.entry.1.key=x&Attributes.entry.2.key=";
        assert_eq!(get(text, "TopicArn"), Ok(Some("arn:aws:sns".into())));
        assert_eq!(get(text, "Message"), Ok(Some("a&b c;\u{e9}".into())));
        assert_eq!(get(text, "TargetArn"), Ok(None));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not() {
        for text in [
            "",
            "TopicArn",
            "TopicArn=a&TopicArn=a",
            "TopicArn=a&topicarn=b",
            "topicArn=a",
            "TopicArn.1=a",
            "TopicArn=a&TopicArn.member.1=b",
            "TopicArn=a;b",
            "TopicArn=a#b",
            "TopicArn=a b",
            "Topic%41rn=a",
            "+TopicArn=a",
            "TopicArn=%",
            "TopicArn=%4",
            "TopicArn=%zz",
            "TopicArn=%ff",
            "TopicArn=\u{e9}",
            "TopicArn=a&",
            "&TopicArn=a",
            "TopicArn=a&&b=c",
            "TopicArn[]=a",
            "TopicArn=a&x.0=b",
            "TopicArn=a&x.2=b",
            "TopicArn=a&x.1=b&x.3=c",
            "TopicArn=a&x.01=b",
            "TopicArn=a&x.1.y.2=b",
            "TopicArn=a&x.99999999999=b",
        ] {
            assert!(get(text, "TopicArn").is_err(), "{text}");
        }
    }

    #[test]
    fn a_form_is_a_tree() {
        let tree = |text: &str| Form::parse(text.as_bytes()).ok().and_then(|form| form.tree()).map(Value::Object);
        let text = "Action=PutMetricData&D.member.1.N=a&D.member.1.V.member.1=1&D.member.1.V.member.2=2&D.member.2.N=b&D2=x&S.T.U=y";
        let read = serde_json::json!({"Action": "PutMetricData", "D": [{"N": "a", "V": ["1", "2"]}, {"N": "b"}], "D2": "x", "S": {"T": {"U": "y"}}});
        assert_eq!(tree(text), Some(read));
        let many = (1..=12).map(|number| format!("L.member.{number}={number}")).collect::<Vec<_>>().join("&");
        assert_eq!(
            tree(&many).unwrap()["L"].as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>().join(" "),
            "1 2 3 4 5 6 7 8 9 10 11 12"
        );
        for text in [
            "A=1&A.b=2",
            "A.b=1&A.b.c=2",
            "A.member.1=1&A.member.1.b=2",
            "A.member.1=1&A.b=2",
            "A.member=1",
            "A.member.x=1",
            "A.Member.1=1",
            ".a=1",
            "A..b=1",
        ] {
            assert_eq!(tree(text), None, "{text}");
        }
    }

    /// What is kept of a key grows with its length alone.
    #[test]
    fn what_no_sdk_writes_is_not_taken_apart() {
        let long = format!("Action=Publish&{}1=x", "1.".repeat(MAX_KEY));
        assert!(Form::parse(long.as_bytes()).is_err());
        let most = |count: usize| (0..count).map(|number| format!("k{number}=")).collect::<Vec<_>>().join("&");
        assert!(Form::parse(most(MAX_PAIRS).as_bytes()).is_ok() && Form::parse(most(MAX_PAIRS + 1).as_bytes()).is_err());
        let deepest = format!("{}1=x", "1.".repeat(MAX_KEY / 2 - 1));
        assert!(Form::parse(deepest.as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "[a-zA-Z0-9.%&=+;]{0,48}") {
            for form in [Form::parse(&bytes), Form::parse(text.as_bytes())].into_iter().flatten() {
                let _ = (form.get("a"), form.get("TopicArn"), form.tree());
            }
        }
    }
}
