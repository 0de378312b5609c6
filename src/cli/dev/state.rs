//! The sandbox's few files: a private directory that goes when the sandbox ends.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The directory. Dropping it removes it.
#[derive(Debug)]
pub(super) struct StateDir(PathBuf);

impl StateDir {
    /// Makes the directory of the sandbox at `port_base`, for its owner alone. What a crashed sandbox left there is removed; the
    /// caller holds one of its ports, so no running one is disturbed.
    pub(super) fn create(port_base: u16) -> io::Result<Self> {
        Self::create_at(env::temp_dir().join(format!("palisade-dev-{port_base}")))
    }

    fn create_at(path: PathBuf) -> io::Result<Self> {
        // Neither of these follows a symbolic link, and making a directory fails where somebody else has put one: a shared
        // temporary directory is nobody's friend.
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(&path, &error)),
            _ => {}
        }
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| named(&path, &error))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes a file that its owner alone can read, and opens it for writing.
    pub(super) fn create_file(&self, name: &str) -> io::Result<fs::File> {
        let path = self.0.join(name);
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(|error| named(&path, &error))
    }

    pub(super) fn write(&self, name: &str, content: &str) -> io::Result<()> {
        self.create_file(name)?.write_all(content.as_bytes()).map_err(|error| named(&self.0.join(name), &error))
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // There is nobody left to tell, and the next sandbox on these ports tries again.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_directory_is_private_fresh_and_gone_at_the_end() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("state");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("left-over"), "x").unwrap();

        let state = StateDir::create_at(path.clone()).unwrap();
        assert!(!path.join("left-over").exists());
        state.write("secret", "s").unwrap();
        assert_eq!((mode(&path), mode(&path.join("secret"))), (0o700, 0o600));
        drop(state);
        assert!(!path.exists());
    }

    #[test]
    fn a_link_in_its_place_leads_nowhere() {
        let parent = tempfile::tempdir().unwrap();
        let victim = parent.path().join("victim");
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join("file"), "x").unwrap();
        let path = parent.path().join("state");
        symlink(&victim, &path).unwrap();
        // Whether the link is replaced or refused is the system's choice; what it points to is left alone.
        let state = StateDir::create_at(path);
        assert!(victim.join("file").exists());
        drop(state);
        assert!(victim.join("file").exists());
    }
}
