//! The archive in a folder: one file of JSON lines a month, only ever appended to. It is read without a server and without the
//! store, by this command or by any other that reads lines.

use crate::{OpenError, files};
use app::ports::{Archive, StoreError};
use async_trait::async_trait;
use model::id::ExecutionId;
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const ENDING: &str = ".jsonl";

/// An archive that can be read.
#[async_trait]
pub trait Shelf: Archive {
    /// The months there are, the earliest first.
    async fn months(&self) -> Result<Vec<String>, StoreError>;
    /// The newest records of a month, at most so many, each execution once, in the order in which they were kept.
    async fn of_month(&self, month: &str, limit: usize) -> Result<Vec<Vec<u8>>, StoreError>;
    /// The record of an execution.
    async fn find(&self, id: &ExecutionId) -> Result<Option<Vec<u8>>, StoreError>;
}

/// Whether a text is a month: nothing else names a file or a place in a bucket.
pub(crate) fn is_month(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-').is_some_and(|(year, month)| digits(year) && year.len() >= 4 && digits(month) && month.len() == 2)
}

/// The archive in a folder. For one process at a time to write; whoever reads may do so at any time.
#[derive(Debug)]
pub struct FolderArchive {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    writing: Mutex<()>,
}

impl FolderArchive {
    /// The archive in this folder, which is made when something is kept first.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { inner: Arc::new(Inner { folder: folder.into(), writing: Mutex::default() }) }
    }

    /// The same, for reading: fails when there is no such folder.
    ///
    /// # Errors
    /// When it is not there.
    pub fn existing(folder: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let folder = folder.into();
        if !folder.is_dir() {
            let message = "there is no archive: executions go there when they are kept no longer".to_owned();
            return Err(OpenError::Refused { path: folder, message });
        }
        Ok(Self::new(folder))
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> std::io::Result<T> + Send + 'static) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        let done = tokio::task::spawn_blocking(move || work(&inner).map_err(|error| inner.failed(&error))).await;
        done.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }
}

impl Inner {
    fn failed(&self, error: &std::io::Error) -> StoreError {
        StoreError::Unavailable(format!("{}: {error}", self.folder.display()))
    }

    fn file(&self, month: &str) -> std::io::Result<PathBuf> {
        if !is_month(month) {
            return Err(std::io::Error::new(ErrorKind::InvalidInput, format!("`{month}` is no month such as 2026-11")));
        }
        Ok(self.folder.join(format!("{month}{ENDING}")))
    }

    /// A line that a crash cut off stays as it is; what comes after it begins on a line of its own.
    fn keep(&self, month: &str, record: &[u8]) -> std::io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.file(month)?;
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        files::private_folder(&self.folder)?;
        let new = !path.try_exists()?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
        let mut bytes = Vec::with_capacity(record.len() + 2);
        if !ends_a_line(&mut file)? {
            bytes.push(b'\n');
        }
        bytes.extend(record.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
        bytes.push(b'\n');
        file.write_all(&bytes)?;
        file.sync_data()?;
        if new { files::sync_folder(&self.folder) } else { Ok(()) }
    }

    fn months(&self) -> std::io::Result<Vec<String>> {
        let mut months = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let month = name.to_str().and_then(|name| name.strip_suffix(ENDING)).filter(|month| is_month(month));
            months.extend(month.map(str::to_owned));
        }
        months.sort();
        Ok(months)
    }

    fn of_month(&self, month: &str, limit: usize) -> std::io::Result<Vec<Vec<u8>>> {
        let mut last: VecDeque<(String, Vec<u8>)> = VecDeque::new();
        each(&self.file(month)?, |id, line| {
            last.retain(|(other, _)| *other != id);
            last.push_back((id, line));
            if last.len() > limit {
                last.pop_front();
            }
        })?;
        Ok(last.into_iter().map(|(_, line)| line).collect())
    }

    fn find(&self, wanted: &str) -> std::io::Result<Option<Vec<u8>>> {
        for month in self.months()?.iter().rev() {
            let mut found = None;
            each(&self.file(month)?, |id, line| {
                if id == wanted {
                    found = Some(line);
                }
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

fn ends_a_line(file: &mut File) -> std::io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Every whole line of a file with the id in it; none where there is no file. A line that was cut off is told and left out.
fn each(path: &Path, mut what: impl FnMut(String, Vec<u8>)) -> std::io::Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut lines = BufReader::new(file);
    for number in 1_u64.. {
        let mut line = Vec::new();
        if lines.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let id = serde_json::from_slice::<Value>(&line).ok().and_then(|value| Some(value.pointer("/data/id")?.as_str()?.to_owned()));
        match id {
            Some(id) => what(id, line.trim_ascii_end().to_vec()),
            None => tracing::warn!(file = %path.display(), line = number, "a line of the archive cannot be read"),
        }
    }
    Ok(())
}

#[async_trait]
impl Archive for FolderArchive {
    async fn keep(&self, month: &str, _id: &ExecutionId, record: &[u8]) -> Result<(), StoreError> {
        let (month, record) = (month.to_owned(), record.to_vec());
        self.blocking(move |inner| inner.keep(&month, &record)).await
    }
}

#[async_trait]
impl Shelf for FolderArchive {
    async fn months(&self) -> Result<Vec<String>, StoreError> {
        self.blocking(Inner::months).await
    }

    async fn of_month(&self, month: &str, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let month = month.to_owned();
        self.blocking(move |inner| inner.of_month(&month, limit)).await
    }

    async fn find(&self, id: &ExecutionId) -> Result<Option<Vec<u8>>, StoreError> {
        let id = id.to_string();
        self.blocking(move |inner| inner.find(&id)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_was_cut_off_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let archive = FolderArchive::new(folder.path().join("archive"));
        let (one, two) = (ExecutionId::parse("1").unwrap(), ExecutionId::parse("2").unwrap());
        archive.keep("2026-11", &one, br#"{"data":{"id":"1"}}"#).await.unwrap();
        let path = folder.path().join("archive/2026-11.jsonl");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(br#"{"data":{"id":"#).unwrap();
        archive.keep("2026-11", &two, br#"{"data":{"id":"2"}}"#).await.unwrap();
        assert_eq!(archive.of_month("2026-11", 9).await.unwrap().len(), 2);
        assert!(archive.find(&one).await.unwrap().is_some() && archive.find(&two).await.unwrap().is_some());
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
        for month in ["", "../x", "2026-1", "2026/11", "20x6-11"] {
            assert!(archive.keep(month, &one, b"{}").await.is_err(), "{month}");
        }
        assert!(FolderArchive::existing(folder.path().join("none")).is_err());
    }
}
