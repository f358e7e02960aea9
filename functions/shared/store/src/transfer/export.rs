//! Writes the file: first beside its place, whole and synced, then under its name. An existing file is never replaced.

use super::line::{End, Header, Line};
use super::{Report, TransferError};
use crate::garbage::Sweepable;
use crate::{Everything, files};
use app::importing;
use app::ports::Clock;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const ITEMS_A_PAGE: usize = 500;
const BLOBS_A_PAGE: usize = 1_000;

/// What the header says of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// The installation, in words: a folder, or a table and its region.
    pub place: String,
    /// The key that secrets are sealed with.
    pub sealed_with: Option<String>,
}

/// Writes everything into a new file. What is written into the store meanwhile may or may not be in it: stop what works on it first.
///
/// # Errors
/// When the file is there already, when the store cannot be read or holds half an import, when the file system refuses. Then there
/// is no file.
pub async fn export(
    table: &dyn Everything,
    blobs: &dyn Sweepable,
    clock: &dyn Clock,
    from: From,
    path: &Path,
) -> Result<Report, TransferError> {
    if path.try_exists().map_err(TransferError::file(path))? {
        return Err(TransferError::Refused(format!("{} is there already: name another file", path.display())));
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let written = write(table, blobs, Header::new(from, clock.now_ms()), &unfinished).await;
    let named = written.and_then(|report| {
        fs::rename(&unfinished, path).map_err(TransferError::file(path))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        files::sync_folder(folder).map_err(TransferError::file(folder))?;
        Ok(report)
    });
    if named.is_err() {
        // It is of no use, and only takes space.
        drop(files::remove_if_there(&unfinished));
    }
    named
}

/// A file that is being written, with the digest of what stands in it so far.
struct Out {
    file: BufWriter<File>,
    digest: Sha256,
    path: PathBuf,
    report: Report,
}

impl Out {
    fn line(&mut self, line: &Line) -> Result<(), TransferError> {
        let bytes = line.bytes().map_err(TransferError::Refused)?;
        self.digest.update(&bytes);
        self.raw(&bytes)
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        self.file.write_all(bytes).map_err(TransferError::file(&self.path))
    }
}

async fn write(table: &dyn Everything, blobs: &dyn Sweepable, mut header: Header, path: &Path) -> Result<Report, TransferError> {
    use std::os::unix::fs::OpenOptionsExt;
    let io = TransferError::file(path);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(&io)?;
    let mut out = Out { file: BufWriter::new(file), digest: Sha256::new(), path: path.to_owned(), report: Report::default() };
    out.raw(&header.line().map_err(TransferError::Refused)?)?;
    // Items before blobs: what an item refers to was there before it.
    items(table, &mut out).await?;
    stored_blobs(blobs, &mut out).await?;
    (header.items, header.blobs) = (out.report.items, out.report.blobs);
    let first = header.line().map_err(TransferError::Refused)?;
    out.digest.update(&first);
    let sha256 = hex::encode(out.digest.finalize_reset());
    let end = Line::End(End { items: header.items, blobs: header.blobs, sha256 });
    out.raw(&end.bytes().map_err(TransferError::Refused)?)?;
    let mut file = out.file.into_inner().map_err(|error| io(error.into_error()))?;
    file.seek(SeekFrom::Start(0)).map_err(&io)?;
    file.write_all(&first).map_err(&io)?;
    file.sync_all().map_err(&io)?;
    Ok(out.report)
}

async fn items(table: &dyn Everything, out: &mut Out) -> Result<(), TransferError> {
    let mut after = None;
    loop {
        let (items, next) = table.page(after.as_ref(), ITEMS_A_PAGE).await?;
        for item in &items {
            if item.key == importing::key() {
                let message = "this store holds half an import: finish it first, with the file it was begun with";
                return Err(TransferError::Refused(message.to_owned()));
            }
            out.line(&Line::item(item))?;
            out.report.items += 1;
        }
        after = next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn stored_blobs(blobs: &dyn Sweepable, out: &mut Out) -> Result<(), TransferError> {
    let mut after = None;
    loop {
        let (page, next) = blobs.list(after.as_deref(), BLOBS_A_PAGE).await?;
        for stored in page {
            // One that was swept meanwhile is referred to by nothing.
            let Some(bytes) = blobs.get(&stored.sha256).await? else { continue };
            out.line(&Line::blob(&stored.sha256, &bytes))?;
            out.report.blobs += 1;
        }
        after = next;
        if after.is_none() {
            return Ok(());
        }
    }
}
