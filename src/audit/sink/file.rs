//! A file, with rotation.
//!
//! It is locked, so that two processes never write into one. What is in it is added to and never changed. Whoever moves it away or
//! removes it is followed: the next batch goes into a new file of the name.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{Sink, numbered};
use crate::audit::line::{After, Header, MAX_LINE, hash};

/// Readable for a group, which a log shipper can share.
const MODE: u32 = 0o640;
/// How much of a file's end is looked at: two lines of any length.
const SEEN: u64 = 2 * MAX_LINE as u64;

/// A file of lines.
#[derive(Debug)]
pub(in crate::audit) struct FileSink {
    path: PathBuf,
    limit: u64,
    keep: usize,
    sync: bool,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
    /// Device and inode, where it is a regular file.
    id: Option<(u64, u64)>,
    /// It ends within a line that is nobody's any more.
    is_broken: bool,
}

impl FileSink {
    /// Opens the file, and says what is at its end.
    ///
    /// # Errors
    /// It cannot be opened, or another process has it.
    pub(super) fn open(path: &Path, limit: u64, keep: usize, sync: bool) -> io::Result<(Self, Option<After>)> {
        let (open, after) = open(path)?;
        Ok((Self { path: path.to_owned(), limit, keep, sync, open: Some(open) }, or_before(after, path)))
    }
}

impl Sink for FileSink {
    fn ready(&mut self) -> io::Result<bool> {
        let is_moved = match &mut self.open {
            None => true,
            Some(Open { id: None, .. }) => false,
            Some(open) => match fs::metadata(&self.path) {
                Ok(there) => {
                    open.size = there.len();
                    id(&there) != open.id
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => true,
                // That it cannot be looked for says nothing of where it is.
                Err(_) => false,
            },
        };
        if is_moved {
            self.open = None;
            self.open = Some(open(&self.path)?.0);
        }
        if let Some(open) = self.open.as_mut().filter(|open| open.is_broken) {
            open.file.write_all(b"\n")?;
            open.is_broken = false;
        }
        Ok(is_moved)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let open = self.open.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let written = open.file.write(bytes)?;
        open.size += written as u64;
        Ok(written)
    }

    fn sync(&mut self) -> io::Result<()> {
        match &self.open {
            Some(open) if self.sync => open.file.sync_data(),
            _ => Ok(()),
        }
    }

    fn is_full(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.id.is_some() && open.size >= self.limit)
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            absent_or(fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1)))?;
        }
        absent_or(fs::rename(&self.path, numbered(&self.path, 1)))?;
        self.open = None;
        self.open = Some(open(&self.path)?.0);
        if let (true, Some(folder)) = (self.sync, self.path.parent()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

fn absent_or(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn id(metadata: &Metadata) -> Option<(u64, u64)> {
    metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
}

fn open(path: &Path) -> io::Result<(Open, Option<After>)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path)?;
    let metadata = file.metadata()?;
    let id = id(&metadata);
    if id.is_none() {
        return Ok((Open { file, size: 0, id, is_broken: false }, None));
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(io::Error::other("another process writes to it: give each process a file of its own")),
        // A file system without locks is no reason not to write.
        Err(TryLockError::Error(error)) => tracing::warn!(path = %path.display(), %error, "the audit log's file cannot be locked"),
    }
    let (after, is_broken) = end_of(&mut file, metadata.len())?;
    Ok((Open { file, size: metadata.len(), id, is_broken }, after))
}

/// A file that was just begun says nothing of the chain before it: the one that was rotated last does.
fn or_before(after: Option<After>, path: &Path) -> Option<After> {
    if after.as_ref().is_some_and(|after| after.instance.is_some()) {
        return after;
    }
    let ended = File::open(numbered(path, 1)).and_then(|mut file| {
        let size = file.metadata()?.len();
        end_of(&mut file, size)
    });
    match ended {
        Ok((Some(last @ After { instance: Some(_), .. }), _)) => Some(After { fragment: after.and_then(|after| after.fragment), ..last }),
        Ok(_) | Err(_) => after,
    }
}

/// The last record of a file and what stands behind it, and whether the file ends within a line.
fn end_of(file: &mut File, size: u64) -> io::Result<(Option<After>, bool)> {
    let from = size.saturating_sub(SEEN);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(size - from).read_to_end(&mut bytes)?;
    let Some(last) = bytes.last() else { return Ok((None, false)) };
    let is_broken = *last != b'\n';
    if is_broken {
        // As it will be. Where the line feed alone was missing, the line is a record.
        bytes.push(b'\n');
    }
    // A crash may have left half a line, and another behind the line feed by which the next process ended that.
    let (mut end, mut lines) = (bytes.len(), 0);
    while end > 0 {
        let start = bytes[..end - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
        let line = &bytes[start..end - 1];
        if let Ok(header) = Header::read(line) {
            let rest = &bytes[end..];
            let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
            let fragment = (end < bytes.len()).then(|| hash(rest));
            return Ok((
                Some(After { instance: Some(header.instance), seq: Some(header.seq), hash: Some(hash(line)), fragment }),
                is_broken,
            ));
        }
        (end, lines) = (start, lines + 1);
    }
    if lines > 1 || !is_broken {
        return Err(io::Error::other("the file has something else in it than an audit log: give another"));
    }
    Ok((Some(After { fragment: Some(hash(&bytes[..bytes.len() - 1])), ..After::default() }), is_broken))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::line::Chain;

    fn write(sink: &mut FileSink, text: &str) {
        sink.ready().unwrap();
        assert_eq!(sink.write(text.as_bytes()).unwrap(), text.len());
    }

    #[test]
    fn what_is_there_is_told_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let open = || FileSink::open(&path, 100, 2, true);
        let (mut sink, after) = open().unwrap();
        assert_eq!(after, None);
        let mut chain = Chain::new("i".to_owned());
        let [one, two] = ["a", "b"].map(|text| chain.append(format!(r#"{{"time":"{text}","event":"e"}}"#).as_bytes()));
        write(&mut sink, std::str::from_utf8(&one).unwrap());
        write(&mut sink, "half of a");
        assert!(open().unwrap_err().to_string().contains("another process"), "two writers");
        drop(sink);
        let (mut sink, after) = open().unwrap();
        let last = After { instance: Some("i".to_owned()), seq: Some(0), hash: Some(hash(one.trim_ascii_end())), fragment: None };
        let with = |fragment: &[u8]| Some(After { fragment: Some(hash(fragment)), ..last.clone() });
        assert_eq!(after, with(b"half of a"));
        // It is ended, and then nothing else comes; or half of something.
        sink.ready().unwrap();
        drop(sink);
        assert_eq!(open().unwrap().1, with(b"half of a"));
        let (mut sink, _) = open().unwrap();
        write(&mut sink, "half");
        drop(sink);
        let (mut sink, after) = open().unwrap();
        assert_eq!(after, with(b"half of a\nhalf"));
        write(&mut sink, std::str::from_utf8(&two).unwrap());
        drop(sink);
        assert_eq!(open().unwrap().1.unwrap().seq, Some(1));
        let text = [&one[..], b"half of a\nhalf\n", &two].concat();
        assert_eq!(fs::read(&path).unwrap(), text);
    }

    #[test]
    fn another_log_is_not_written_into() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "GET / 200\n").unwrap();
        assert!(FileSink::open(&path, 100, 2, true).unwrap_err().to_string().contains("something else"));
        fs::write(&path, "{\"log\":").unwrap();
        assert_eq!(FileSink::open(&path, 100, 2, true).unwrap().1, Some(After { fragment: Some(hash(b"{\"log\":")), ..After::default() }));
    }

    #[test]
    fn old_files_are_numbered_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut sink, _) = FileSink::open(&path, 5, 2, true).unwrap();
        for text in ["first\n", "second\n", "third\n", "x\n"] {
            sink.ready().unwrap();
            if sink.is_full() {
                sink.rotate().unwrap();
            }
            write(&mut sink, text);
        }
        let text = |path: PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!(
            (text(path.clone()), text(numbered(&path, 1)), text(numbered(&path, 2))),
            ("x\n".into(), "third\n".into(), "second\n".into())
        );
        assert!(!numbered(&path, 3).exists());
    }

    #[test]
    fn a_file_without_a_record_is_said_to_stand_behind_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let line = Chain::new("i".to_owned()).append(br#"{"time":"a","event":"e"}"#);
        fs::write(numbered(&path, 1), &line).unwrap();
        let last = After { instance: Some("i".to_owned()), seq: Some(0), hash: Some(hash(line.trim_ascii_end())), fragment: None };
        assert_eq!(FileSink::open(&path, 100, 2, false).unwrap().1, Some(last.clone()));
        fs::write(&path, "half").unwrap();
        assert_eq!(FileSink::open(&path, 100, 2, false).unwrap().1, Some(After { fragment: Some(hash(b"half")), ..last }));
    }

    #[test]
    fn a_file_that_is_moved_or_removed_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut sink, _) = FileSink::open(&path, 100, 2, false).unwrap();
        write(&mut sink, "one\n");
        fs::rename(&path, folder.path().join("moved")).unwrap();
        assert!(sink.ready().unwrap());
        write(&mut sink, "two\n");
        fs::remove_file(&path).unwrap();
        write(&mut sink, "three\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        assert!(!sink.ready().unwrap());
    }
}
