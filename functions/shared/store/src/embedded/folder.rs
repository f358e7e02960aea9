//! The folder: one process at a time, created whole or not at all, opened with bounded memory.

use super::Options;
use crate::{OpenError, files};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

/// Least that the store below takes; its journal files are that big, too, though sparse.
const JOURNALS_BYTES_MAX: u64 = 64 << 20;
/// Index entries are small, so their memtables are, too.
const INDEX_MEMTABLE_BYTES: u64 = 1 << 20;
/// One writes memory out and never merges, so that memory does not grow while another merges. While all others merge it
/// asks without a pause whether one has ended, so there is one that takes what is asked for twice.
const WORKERS: usize = 3;

/// The open store. The last handle to be dropped closes it, and then gives the folder free.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) items: Keyspace,
    pub(crate) due: Keyspace,
    pub(crate) expires: Keyspace,
    pub(crate) db: Database,
    _lock: Arc<File>,
}

impl Core {
    /// Whether memory is being written out, and more of it waits than is good. Memory that nobody writes out yet is not
    /// waited for: the size at which that begins is fixed when a folder is created, and may be another than today's.
    pub(crate) fn is_behind(&self, buffer_bytes_max: u64) -> bool {
        let sealed = [&self.items, &self.due, &self.expires].iter().any(|keyspace| keyspace.sealed_memtable_count() > 0);
        sealed && self.db.write_buffer_size() > buffer_bytes_max
    }
}

pub(crate) fn open(folder: &Path, options: &Options) -> Result<Core, OpenError> {
    files::private_folder(folder).map_err(|error| OpenError::io(folder, &error))?;
    let lock = Arc::new(lock(folder)?);
    let data = folder.join("data");
    let there = data.try_exists().map_err(|error| OpenError::io(&data, &error))?;
    if !there {
        create(folder, options, &lock)?;
    }
    open_data(&data, options, &lock)
}

/// A store that is created bit by bit could be left half made by a crash, and be refused ever after. So it is made under
/// another name, and takes its own when it is whole.
fn create(folder: &Path, options: &Options, lock: &Arc<File>) -> Result<(), OpenError> {
    let unfinished = folder.join("data.new");
    let io = |error: std::io::Error| OpenError::io(&unfinished, &error);
    if unfinished.try_exists().map_err(io)? {
        fs::remove_dir_all(&unfinished).map_err(io)?;
    }
    drop(open_data(&unfinished, options, lock)?);
    fs::rename(&unfinished, folder.join("data")).map_err(io)?;
    files::sync_folder(folder).map_err(io)
}

/// Most bytes in memory before the writer waits for some to be written out.
pub(crate) fn buffer_bytes_max(memtable_bytes: u64) -> u64 {
    memtable_bytes.saturating_mul(3) + 4 * INDEX_MEMTABLE_BYTES
}

fn open_data(data: &Path, options: &Options, lock: &Arc<File>) -> Result<Core, OpenError> {
    let failed = |error: fjall::Error| understand(data, &error);
    let db = Database::builder(data)
        .cache_size(options.cache_bytes)
        .max_journaling_size(JOURNALS_BYTES_MAX)
        .worker_threads(WORKERS)
        .open()
        .map_err(failed)?;
    let keyspace = |name: &str, memtable_bytes: u64| {
        db.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes)).map_err(failed)
    };
    let items = keyspace("items", options.memtable_bytes)?;
    let due = keyspace("due", INDEX_MEMTABLE_BYTES)?;
    let expires = keyspace("expires", INDEX_MEMTABLE_BYTES)?;
    Ok(Core { items, due, expires, db, _lock: Arc::clone(lock) })
}

fn understand(data: &Path, error: &fjall::Error) -> OpenError {
    match error {
        fjall::Error::Io(error) => OpenError::io(data, error),
        fjall::Error::Locked => OpenError::InUse { path: data.to_owned(), by: String::new() },
        other => OpenError::Damaged { path: data.to_owned(), message: other.to_string() },
    }
}

/// Holds the folder for this process; the system lets go of it when the process ends, however it ends.
fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let io = |error: std::io::Error| OpenError::io(&path, &error);
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let known = file.read_to_string(&mut holder).is_ok() && !holder.is_empty();
            let by = if known { format!(" (process {})", holder.trim()) } else { String::new() };
            return Err(OpenError::InUse { path: folder.to_owned(), by });
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    file.set_len(0).map_err(io)?;
    file.write_all(std::process::id().to_string().as_bytes()).map_err(io)?;
    Ok(file)
}
