//! What a configuration takes in when it is loaded, beside its own text: files that it names and nobody follows afterwards, and secrets, which
//! its effective values do not show.
//!
//! Certificates, key sets, tenant records, users and policies are not among them: whoever uses those files follows them.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

/// More than any such file has; a wrong path must not fill the memory.
const MAX_BYTES: u64 = 8 << 20;

/// What a file was at one moment: a digest of its content, or of why there is none.
///
/// The content is compared, and not the time of change: a mount can replace a file without moving that, and Kubernetes moves a link
/// further up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look([u8; SHA256_OUTPUT_LEN]);

impl Look {
    /// The file as it is now. Follows links.
    pub(crate) fn at(path: &Path) -> Self {
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        match File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes)) {
            Ok(_) => Self::of(&bytes),
            Err(error) => Self::of(error.to_string().as_bytes()),
        }
    }

    /// What a file with this content looks like.
    pub(crate) fn of(content: &[u8]) -> Self {
        let mut look = [0; SHA256_OUTPUT_LEN];
        look.copy_from_slice(digest(&SHA256, content).as_ref());
        Self(look)
    }
}

/// Not even a digest is shown: a file may hold a secret that can be guessed.
impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}

/// What was taken in, by the setting that names it, and the file where it is in one; the configuration itself has no setting.
#[derive(Debug, Clone, Default)]
pub(crate) struct Companions(BTreeMap<String, (Option<PathBuf>, Look)>);

impl Companions {
    /// Notes that the setting `key` was read from `path`, which looked like that.
    pub(crate) fn note(&mut self, key: String, path: PathBuf, look: Look) {
        self.0.insert(key, (Some(path), look));
    }

    /// The same of what is in no file, and so stays what it is while the process runs.
    pub(crate) fn note_value(&mut self, key: String, look: Look) {
        self.0.insert(key, (None, look));
    }

    /// What each file looked like.
    pub(crate) fn looks(&self) -> BTreeMap<PathBuf, Look> {
        self.files().map(|(path, look)| (path.to_owned(), look)).collect()
    }

    /// Whether every file is still what was read of it. One that two settings name was read twice, and must have been the same.
    pub(crate) fn are_still_so(&self) -> bool {
        self.files().all(|(path, look)| Look::at(path) == look)
    }

    fn files(&self) -> impl Iterator<Item = (&Path, Look)> {
        self.0.values().filter_map(|(path, look)| Some((path.as_deref()?, *look)))
    }

    /// The settings that took in something else in `other`, or are there in one of the two alone.
    pub(crate) fn changed<'c>(&'c self, other: &'c Self) -> impl Iterator<Item = &'c str> {
        let look = |of: &Self, key: &str| of.0.get(key).map(|(_, look)| *look);
        let keys = self.0.keys().chain(other.0.keys()).filter(|key| !key.is_empty());
        keys.filter(move |key| look(self, key) != look(other, key)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_by_its_content_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("v1")).unwrap();
        std::fs::create_dir(path("v2")).unwrap();
        for version in ["v1", "v2"] {
            std::fs::write(path(version).join("f"), version).unwrap();
        }
        std::os::unix::fs::symlink("v1", path("..data")).unwrap();
        std::os::unix::fs::symlink("..data/f", path("f")).unwrap();
        let first = Look::at(&path("f"));
        assert_eq!(first, Look::of(b"v1"));
        // As a kubelet does it: a new link takes the place of the old one.
        std::os::unix::fs::symlink("v2", path("..data_tmp")).unwrap();
        std::fs::rename(path("..data_tmp"), path("..data")).unwrap();
        assert_eq!(Look::at(&path("f")), Look::of(b"v2"));
        std::fs::remove_file(path("..data")).unwrap();
        assert!(Look::at(&path("f")) != Look::of(b"v2") && Look::at(&path("f")) != first);
        assert_eq!(format!("{first:?}"), "Look");
    }

    #[test]
    fn settings_are_changed_by_what_their_files_say() {
        let of = |files: &[(&str, &str, &str)]| {
            let mut companions = Companions::default();
            files.iter().for_each(|(key, path, content)| companions.note((*key).into(), path.into(), Look::of(content.as_bytes())));
            companions
        };
        let old = of(&[("", "p.yaml", "1"), ("egress.ca", "a", "x"), ("admin.token", "t", "x")]);
        // The same content under another name is the setting's change, and not the file's.
        let new = of(&[("", "p.yaml", "2"), ("egress.ca", "b", "x"), ("admin.token", "t", "y"), ("users.ca", "u", "x")]);
        let mut changed: Vec<_> = old.changed(&new).collect();
        changed.sort_unstable();
        changed.dedup();
        assert_eq!(changed, ["admin.token", "users.ca"]);
        assert_eq!(new.looks().len(), 4);
    }

    #[test]
    fn what_was_read_is_held_against_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "new").unwrap();
        let of = |looks: [&str; 2]| {
            let mut companions = Companions::default();
            companions.note("admin.token".into(), path.clone(), Look::of(looks[0].as_bytes()));
            companions.note("admin.metrics_token".into(), path.clone(), Look::of(looks[1].as_bytes()));
            companions.note_value("ingress.context.signing_key".into(), Look::of(b"x"));
            companions
        };
        assert!(of(["new", "new"]).are_still_so());
        // Each of two settings that name one file counts.
        assert!(!of(["old", "new"]).are_still_so() && !of(["new", "old"]).are_still_so());
        assert_eq!(of(["new", "new"]).looks().len(), 1, "there is nothing to poll of a variable");
        std::fs::remove_file(&path).unwrap();
        assert!(!of(["new", "new"]).are_still_so());
    }
}
