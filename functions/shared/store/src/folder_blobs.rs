//! Blobs as files of a folder, named by their SHA-256: whole or absent after a crash, checked when read.

use crate::{OpenError, files};
use app::ports::{Blobs, StoreError};
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
        Ok(Self { inner: Arc::new(Inner { folder, unfinished, next: AtomicU64::new(0) }) })
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
        // A blob that is there is whole; one that no longer matches its name is written again.
        if matches!(fs::read(&file), Ok(there) if there == bytes) {
            return Ok(digest);
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
