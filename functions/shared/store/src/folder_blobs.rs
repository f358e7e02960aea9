//! Blobs as files of a folder, named by their SHA-256: whole or absent after a crash, checked when read. A file's time says
//! when it was put last, so that a sweep throws away nothing that somebody is about to refer to.

use crate::garbage::{Stored, Sweepable};
use crate::{OpenError, files};
use app::ports::{Blobs, StoreError};
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

/// Blobs in a folder: `<folder>/<two digits>/<digest>`. For one process at a time.
#[derive(Debug)]
pub struct FolderBlobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    unfinished: PathBuf,
    /// Tells files apart that are being written at the same time.
    next: AtomicU64,
    /// Held alone by whoever removes a file, and together by whoever puts one.
    removing: RwLock<()>,
}

impl FolderBlobs {
    /// Opens the folder, creating it if need be, and clears what a crash left unfinished.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let folder = folder.into();
        let unfinished = folder.join("unfinished");
        let io = |error: std::io::Error| OpenError::io(&unfinished, &error);
        if unfinished.try_exists().map_err(io)? {
            fs::remove_dir_all(&unfinished).map_err(io)?;
        }
        files::private_folder(&unfinished).map_err(io)?;
        files::sync_folder(&folder).map_err(io)?;
        Ok(Self { inner: Arc::new(Inner { folder, unfinished, next: AtomicU64::new(0), removing: RwLock::default() }) })
    }
}

impl Inner {
    /// Where a blob lives; none when the text is no digest, so that no other file is ever reached.
    fn place(&self, sha256: &str) -> Option<(PathBuf, PathBuf)> {
        let digest = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let folder = self.folder.join(sha256.get(..2).filter(|_| digest)?);
        let file = folder.join(sha256);
        Some((folder, file))
    }

    fn put(&self, bytes: &[u8]) -> Result<String, StoreError> {
        let digest = hex::encode(Sha256::digest(bytes));
        let Some((folder, file)) = self.place(&digest) else {
            return Err(StoreError::Damaged("a digest is not one".to_owned()));
        };
        let _no_removal = self.removing.read().unwrap_or_else(PoisonError::into_inner);
        // A blob that is there is whole; one that no longer matches its name is written again.
        if matches!(fs::read(&file), Ok(there) if there == bytes) {
            return match touch(&file) {
                Ok(()) => Ok(digest),
                Err(error) => Err(StoreError::Unavailable(format!("{}: {error}", file.display()))),
            };
        }
        let temporary = self.unfinished.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        self.write(bytes, &temporary, &folder, &file).map_err(|error| {
            // Left behind it would only take space until the next start.
            drop(files::remove_if_there(&temporary));
            StoreError::Unavailable(format!("{}: {error}", file.display()))
        })?;
        Ok(digest)
    }

    fn write(&self, bytes: &[u8], temporary: &Path, folder: &Path, file: &Path) -> std::io::Result<()> {
        files::write_new(temporary, bytes)?;
        if !folder.try_exists()? {
            files::private_folder(folder)?;
            files::sync_folder(&self.folder)?;
        }
        fs::rename(temporary, file)?;
        files::sync_folder(folder)
    }

    fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((_, file)) = self.place(sha256) else { return Ok(None) };
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::Unavailable(format!("{}: {error}", file.display()))),
        };
        if hex::encode(Sha256::digest(&bytes)) == sha256 {
            Ok(Some(bytes))
        } else {
            Err(StoreError::Damaged(format!("the blob {sha256} does not match its digest")))
        }
    }
}

/// The file is as good as written now, and durably so. The time is the file system's business, as it is when one is written.
fn touch(file: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).open(file)?;
    file.set_modified(SystemTime::now())?;
    file.sync_all()
}

/// Names of a folder, in order.
fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

/// The copy that a file is, by its time; none when it is gone.
fn stored(file: &Path, sha256: &str) -> std::io::Result<Option<Stored>> {
    let modified = match fs::metadata(file) {
        Ok(metadata) => metadata.modified()?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let stored_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Ok(Some(Stored { sha256: sha256.to_owned(), stored_ms, copy: since.as_nanos().to_string() }))
}

impl Inner {
    /// The blobs of the first folders after a digest, until there are enough of them.
    fn list(&self, after: Option<&str>, limit: usize) -> std::io::Result<(Vec<Stored>, Option<String>)> {
        let mut found = Vec::new();
        let first = after.and_then(|after| after.get(..2)).unwrap_or_default();
        for folder in names(&self.folder)?.into_iter().filter(|name| name.len() == 2 && name.as_str() >= first) {
            for sha256 in names(&self.folder.join(folder))? {
                if after.is_some_and(|after| sha256.as_str() <= after) {
                    continue;
                }
                if found.len() >= limit.max(1) {
                    let next = found.last().map(|last: &Stored| last.sha256.clone());
                    return Ok((found, next));
                }
                let Some((_, file)) = self.place(&sha256) else { continue };
                found.extend(stored(&file, &sha256)?);
            }
        }
        Ok((found, None))
    }

    fn remove(&self, copy: &Stored) -> std::io::Result<bool> {
        let Some((folder, file)) = self.place(&copy.sha256) else { return Ok(false) };
        let _alone = self.removing.write().unwrap_or_else(PoisonError::into_inner);
        if stored(&file, &copy.sha256)?.as_ref() != Some(copy) {
            return Ok(false);
        }
        fs::remove_file(&file)?;
        files::sync_folder(&folder)?;
        Ok(true)
    }

    fn failed(&self, error: &std::io::Error) -> StoreError {
        StoreError::Unavailable(format!("{}: {error}", self.folder.display()))
    }
}

fn stopped(error: tokio::task::JoinError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

#[async_trait]
impl Blobs for FolderBlobs {
    async fn put(&self, bytes: &[u8]) -> Result<String, StoreError> {
        let (inner, bytes) = (Arc::clone(&self.inner), bytes.to_vec());
        tokio::task::spawn_blocking(move || inner.put(&bytes)).await.map_err(stopped)?
    }

    async fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (inner, sha256) = (Arc::clone(&self.inner), sha256.to_owned());
        tokio::task::spawn_blocking(move || inner.get(&sha256)).await.map_err(stopped)?
    }
}

#[async_trait]
impl Sweepable for FolderBlobs {
    async fn list(&self, after: Option<&str>, limit: usize) -> Result<(Vec<Stored>, Option<String>), StoreError> {
        let (inner, after) = (Arc::clone(&self.inner), after.map(str::to_owned));
        let list = move || inner.list(after.as_deref(), limit).map_err(|error| inner.failed(&error));
        tokio::task::spawn_blocking(list).await.map_err(stopped)?
    }

    async fn remove(&self, stored: &Stored) -> Result<bool, StoreError> {
        let (inner, copy) = (Arc::clone(&self.inner), stored.clone());
        let remove = move || inner.remove(&copy).map_err(|error| inner.failed(&error));
        tokio::task::spawn_blocking(remove).await.map_err(stopped)?
    }
}
