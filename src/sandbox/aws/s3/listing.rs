//! Pages of a bucket's keys: prefix, delimiter, and where to go on.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    super::failure::Failure,
    store::{Object, Store},
};

/// AWS gives at most this many entries in a page.
const MAX_KEYS: usize = 1_000;

/// What `encoding-type=url` leaves alone.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// What is listed, and from where.
#[derive(Debug)]
pub(super) struct Query<'a> {
    pub(super) bucket: &'a str,
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    /// Only keys (and common prefixes) after this one.
    pub(super) after: &'a str,
    pub(super) max_keys: Option<i32>,
}

/// One page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<(String, Object)>,
    pub(super) prefixes: Vec<String>,
    /// The last entry of this page, when there are more behind it.
    pub(super) next: Option<String>,
    pub(super) max_keys: usize,
}

/// Lists one page. A negative `max_keys` is an error, one over a thousand is a thousand.
pub(super) fn list(store: &Store, query: &Query<'_>) -> Result<Page, Failure> {
    let max_keys = match query.max_keys.map(usize::try_from) {
        None => MAX_KEYS,
        Some(Ok(asked)) => asked.min(MAX_KEYS),
        Some(Err(_)) => return Err(Failure::operation(400, "InvalidArgument", "max-keys must not be negative")),
    };
    let mut page = Page { max_keys, ..Page::default() };
    let (mut read_to, mut last_entry) = (query.after.to_owned(), None);
    loop {
        // One more than fits tells whether there is another page.
        let found = store.range(query.bucket, query.prefix, &read_to, MAX_KEYS + 1)?;
        let Some((last, _)) = found.last() else { return Ok(page) };
        read_to.clone_from(last);
        for (key, object) in found {
            let common = common_prefix(&key, query);
            // Common prefixes are given once; a page that ended with one goes on behind all keys that it stands for.
            if common.as_ref().is_some_and(|c| c == query.after || page.prefixes.last() == Some(c)) {
                continue;
            }
            if page.objects.len() + page.prefixes.len() == max_keys {
                page.next = last_entry;
                return Ok(page);
            }
            last_entry = Some(common.clone().unwrap_or_else(|| key.clone()));
            match common {
                Some(common) => page.prefixes.push(common),
                None => page.objects.push((key, object)),
            }
        }
    }
}

fn common_prefix(key: &str, query: &Query<'_>) -> Option<String> {
    let delimiter = query.delimiter.filter(|d| !d.is_empty())?;
    let end = key[query.prefix.len()..].find(delimiter)? + query.prefix.len() + delimiter.len();
    Some(key[..end].to_owned())
}

/// A key as `encoding-type=url` wants it.
pub(super) fn encode(text: &str, url: bool) -> String {
    if url { utf8_percent_encode(text, KEPT).to_string() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::sandbox::aws::s3::store::Attributes;

    fn store(keys: &[&str]) -> Store {
        let store = Store::new(1_000, 10_000_000);
        store.create_bucket("b", "1", UNIX_EPOCH).unwrap();
        for key in keys {
            let object = Object { bytes: "x".into(), etag: String::new(), modified: UNIX_EPOCH, attributes: Attributes::default() };
            store.put("b", key, object).unwrap();
        }
        store
    }

    /// All pages, each as the keys and the common prefixes (with a trailing `*`) in order.
    fn pages(store: &Store, prefix: &str, delimiter: Option<&str>, max_keys: i32) -> Vec<Vec<String>> {
        let (mut pages, mut after) = (Vec::new(), String::new());
        loop {
            let query = Query { bucket: "b", prefix, delimiter, after: &after, max_keys: Some(max_keys) };
            let page = list(store, &query).unwrap();
            let mut names: Vec<String> = page.objects.iter().map(|(k, _)| k.clone()).collect();
            names.extend(page.prefixes.iter().map(|p| format!("{p}*")));
            pages.push(names);
            match page.next {
                Some(next) => after = next,
                None => return pages,
            }
        }
    }

    #[test]
    fn prefixes_and_delimiters_group_keys() {
        let store = store(&["a/1", "a/2", "a/b/3", "a/c/4", "ab", "b/5"]);
        assert_eq!(pages(&store, "a/", None, 1000), [["a/1", "a/2", "a/b/3", "a/c/4"]]);
        assert_eq!(pages(&store, "a/", Some("/"), 1000), [["a/1", "a/2", "a/b/*", "a/c/*"]]);
        assert_eq!(pages(&store, "", Some("/"), 1000), [["ab", "a/*", "b/*"]]);
        assert_eq!(pages(&store, "none", None, 1000), [Vec::<String>::new()]);
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended() {
        let store = store(&["a/1", "a/2", "b", "c/1", "c/2", "d"]);
        assert_eq!(pages(&store, "", None, 4), [vec!["a/1", "a/2", "b", "c/1"], vec!["c/2", "d"]]);
        assert_eq!(pages(&store, "", Some("/"), 1), [["a/*"], ["b"], ["c/*"], ["d"]]);
        assert_eq!(pages(&store, "", Some("/"), 2), [["b", "a/*"], ["d", "c/*"]]);
        assert_eq!(pages(&store, "", None, 0), [Vec::<String>::new()]);
        let behind = Query { bucket: "b", prefix: "", delimiter: Some("/"), after: "a/1", max_keys: None };
        assert_eq!(list(&store, &behind).unwrap().prefixes, ["a/", "c/"]);
    }

    #[test]
    fn more_keys_than_one_reading_are_all_listed() {
        let keys: Vec<String> = (0..2_500).map(|i| format!("k{i:05}")).collect();
        let store = store(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        let listed: Vec<String> = pages(&store, "", None, 999).concat();
        assert_eq!(listed, keys);
        assert_eq!(pages(&store, "", Some("0"), 1000), [["k0*"]], "2,500 keys are one common prefix");
    }

    #[test]
    fn url_encoding_keeps_slashes() {
        assert_eq!(encode("a b/ü+&", true), "a%20b/%C3%BC%2B%26");
        assert_eq!(encode("a b", false), "a b");
    }
}
