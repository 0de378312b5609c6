//! Where a setting stands in its file, for what is found out about it once the file has been read and let go.

use std::path::Path;

use super::{
    build::{environment, read_config},
    document::{At, Bounds, Content, Node, parse},
};

/// A configuration file, to find settings in.
pub(crate) struct Places(Option<Node>);

impl Places {
    /// Those of the configuration at `path`, as [`Config::load`](super::Config::load) takes it. One that cannot be read any more has none.
    pub(crate) fn open(path: &Path) -> Self {
        Self(read_config(path, &environment).ok().and_then(|text| parse(&text, Bounds::CONFIG).ok()))
    }

    /// Where the value of `key` stands, written as errors write it (`identity.issuers[0].jwks.file`). Where the file does not have it, the
    /// innermost section around it that is there.
    pub(crate) fn find(&self, key: &str) -> Option<At> {
        let (mut node, mut at) = (self.0.as_ref()?, None);
        for step in key.split('.') {
            let (name, number) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
                Some((name, number)) => (name, number.parse::<usize>().ok()),
                None => (step, None),
            };
            let Some(entry) = node.get(name) else { break };
            (node, at) = (&entry.node, Some(entry.at));
            let item = if let Content::List(items) = &entry.node.content { number.and_then(|number| items.get(number)) } else { None };
            if let Some(item) = item {
                (node, at) = (item, Some(item.at));
            }
        }
        if matches!(node.content, Content::Scalar(_)) { Some(node.at) } else { at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_where_they_are_or_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.yaml");
        std::fs::write(&path, "a:\n  b: {c: x}\n  list:\n    - d: y\n    - d: z\n").unwrap();
        let places = Places::open(&path);
        let find = |key| places.find(key).map(|at| (at.line, at.column));
        assert_eq!((find("a"), find("a.b"), find("a.b.c")), (Some((1, 1)), Some((2, 3)), Some((2, 10))));
        assert_eq!((find("a.list[0].d"), find("a.list[1].d"), find("a.list[1]")), (Some((4, 10)), Some((5, 10)), Some((5, 7))));
        assert_eq!((find("a.b.absent"), find("a.list[7].d"), find("absent")), (Some((2, 3)), Some((3, 3)), None));
        assert_eq!(Places::open(&folder.path().join("gone")).find("a"), None);
    }
}
