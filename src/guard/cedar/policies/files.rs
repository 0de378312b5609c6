//! The files that policies are in.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use crate::config::build::read_text;

/// What files of policies end in, in a folder.
const ENDING: &str = "cedar";
/// Largest file.
pub(super) const FILE_BYTES: usize = 1 << 20;
/// Most files of a folder.
pub(super) const MOST_FILES: usize = 256;

/// What the files were at a look: a digest.
pub(super) type Look = [u8; 32];

/// What is read of them.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// In the order of their names, or why they cannot be listed.
    pub(super) files: Result<Vec<File>, String>,
}

/// One file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// Its text, or why it cannot be read.
    pub(super) text: Result<String, String>,
}

impl Source {
    pub(super) fn read(path: &Path) -> Self {
        let read = |path: PathBuf| File { text: read_text(&path, FILE_BYTES), path };
        let files = listed(path).map(|files| files.into_iter().map(read).collect());
        Self { path: path.to_owned(), files }
    }

    pub(super) fn look(&self) -> Look {
        let mut context = Context::new(&SHA256);
        let mut add = |text: &str| {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        };
        match &self.files {
            Err(wrong) => add(wrong),
            Ok(files) => {
                for File { path, text } in files {
                    add(&path.to_string_lossy());
                    match text {
                        Ok(text) => add(text),
                        Err(wrong) => add(wrong),
                    }
                }
            }
        }
        let mut look = Look::default();
        look.copy_from_slice(context.finish().as_ref());
        look
    }
}

/// The file itself, or those of a folder.
fn listed(path: &Path) -> Result<Vec<PathBuf>, String> {
    let wrong = |error: std::io::Error| format!("cannot be read: {error}");
    if !std::fs::metadata(path).map_err(wrong)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let is_hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if path.extension().is_some_and(|ending| ending == ENDING) && !is_hidden {
            files.push(path);
        }
        if files.len() > MOST_FILES {
            return Err(format!("has more than {MOST_FILES} files that end in .{ENDING}"));
        }
    }
    files.sort_unstable();
    if files.is_empty() { Err(format!("has no file that ends in .{ENDING}")) } else { Ok(files) }
}
