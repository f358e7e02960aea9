//! Reads the file: first all of it without writing anything, then into an empty store, with a mark in it while that goes on. Whoever
//! is interrupted calls again with the same file and goes on.

use super::line::{Header, Line};
use super::{Report, TransferError};
use crate::Restorable;
use crate::garbage::Sweepable;
use crate::rules;
use app::importing::{self, Importing};
use app::ports::{Clock, Item, Transaction, Write};
use app::shapes;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Longest line that is read: a blob has a few MB at most.
const LINE_BYTES_MAX: u64 = 64 << 20;
/// Items that are put at a time, by number and by bytes.
const ITEMS_A_TURN: usize = 200;
const BYTES_A_TURN: usize = 4 << 20;
const ITEMS_A_PAGE: usize = 500;

/// A file of which every line was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Its header.
    pub header: Header,
    /// Its digest.
    pub sha256: String,
}

/// The lines of a file, with their numbers.
struct Lines<'a> {
    path: &'a Path,
    file: BufReader<File>,
    number: u64,
}

impl<'a> Lines<'a> {
    fn open(path: &'a Path) -> Result<Self, TransferError> {
        let file = File::open(path).map_err(TransferError::file(path))?;
        Ok(Self { path, file: BufReader::with_capacity(1 << 20, file), number: 0 })
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, TransferError> {
        let mut line = Vec::new();
        let read = self.file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(TransferError::file(self.path))?;
        self.number += 1;
        match (read, line.last()) {
            (0, _) => Ok(None),
            (_, Some(b'\n')) => Ok(Some(line)),
            _ => Err(self.wrong("it has no end: the file was cut off here; export it again, or copy it again".to_owned())),
        }
    }

    fn wrong(&self, message: String) -> TransferError {
        TransferError::Line { path: self.path.to_owned(), line: self.number, message }
    }

    fn header(&mut self) -> Result<(Header, Vec<u8>), TransferError> {
        let first = self.next()?.ok_or_else(|| self.wrong("the file is empty".to_owned()))?;
        Ok((Header::read(&first).map_err(|message| self.wrong(message))?, first))
    }
}

/// Looks at every line: whether this program can read it, and whether the file is whole. Writes nothing.
///
/// # Errors
/// With the number of the first line that is wrong.
pub fn check(path: &Path) -> Result<Checked, TransferError> {
    let mut lines = Lines::open(path)?;
    let (header, first) = lines.header()?;
    let (mut digest, mut items, mut blobs) = (Sha256::new(), 0, 0);
    loop {
        let Some(bytes) = lines.next()? else {
            return Err(lines.wrong("the file ends without its last line: it was cut off; export it again, or copy it again".to_owned()));
        };
        match Line::read(&bytes).map_err(|message| lines.wrong(message))? {
            Line::Item(item) => {
                let item = item.into_item().map_err(|message| lines.wrong(message))?;
                fits(&item).map_err(|message| lines.wrong(message))?;
                items += 1;
            }
            Line::Blob(blob) => {
                let (sha256, bytes) = (blob.sha256.clone(), blob.into_bytes().map_err(|message| lines.wrong(message))?);
                if hex::encode(Sha256::digest(&bytes)) != sha256 {
                    return Err(lines.wrong(format!("the blob {sha256} does not match its digest")));
                }
                blobs += 1;
            }
            Line::End(end) => {
                digest.update(&first);
                let sha256 = hex::encode(digest.finalize());
                let counted = (end.items, end.blobs) == (items, blobs) && (header.items, header.blobs) == (items, blobs);
                if !counted || end.sha256 != sha256 {
                    return Err(lines.wrong("the file is not what was exported: lines are missing or were changed".to_owned()));
                }
                if lines.next()?.is_some() {
                    return Err(lines.wrong("there is something after the end".to_owned()));
                }
                return Ok(Checked { header, sha256 });
            }
        }
        digest.update(&bytes);
    }
}

/// Whether an item may be stored, and can be read by this program.
fn fits(item: &Item) -> Result<(), String> {
    if item.revision == 0 {
        return Err("an item has no revision".to_owned());
    }
    let put = Transaction::of(vec![Write::Put(item.clone(), vec![])]);
    rules::check(&put).map_err(|error| format!("{} / {}: {error}", item.key.partition, item.key.sort))?;
    shapes::check(item).map_err(|error| match error {
        app::error::AppError::Damaged(inside) => inside,
        other => other.to_string(),
    })
}

/// Puts everything of a file into an empty store.
///
/// # Errors
/// When the file is not whole, when something stands in the store already, when either cannot be reached. What was written until
/// then is marked: the same call goes on with it, and nothing serves the store meanwhile.
pub async fn import(table: &dyn Restorable, blobs: &dyn Sweepable, clock: &dyn Clock, path: &Path) -> Result<Report, TransferError> {
    let checked = check(path)?;
    let resumed = begin(table, &checked, clock).await?;
    put_blobs(blobs, path).await?;
    let lasting = put_items(table, path).await?;
    let there = count(table).await?;
    // What expires may have done so by now.
    if !(lasting..=checked.header.items).contains(&there) {
        let expected = checked.header.items;
        return Err(TransferError::Refused(format!(
            "{there} items are in the store where {expected} were put: somebody else writes into it; stop that, empty it, and begin anew"
        )));
    }
    importing::end(table).await?;
    Ok(Report { items: checked.header.items, blobs: checked.header.blobs, resumed })
}

/// Marks the store; true when it was marked already, by the same file.
async fn begin(table: &dyn Restorable, checked: &Checked, clock: &dyn Clock) -> Result<bool, TransferError> {
    match importing::under_way(table).await? {
        Some(mark) if mark.sha256 == checked.sha256 => return Ok(true),
        Some(_) => {
            let message = "the import of another file was begun here and not finished: finish it with that file, or empty the store";
            return Err(TransferError::Refused(message.to_owned()));
        }
        None => {}
    }
    if let Some(item) = first(table).await? {
        return Err(TransferError::Refused(format!(
            "the store is not empty: it holds {} / {}, for one; import into a new one",
            item.key.partition, item.key.sort
        )));
    }
    let Header { items, blobs, .. } = checked.header;
    importing::begin(table, &Importing { sha256: checked.sha256.clone(), items, blobs, begun_ms: clock.now_ms() }).await?;
    Ok(false)
}

/// Any item there is.
async fn first(table: &dyn Restorable) -> Result<Option<Item>, TransferError> {
    let mut after = None;
    loop {
        let (items, next) = table.page(after.as_ref(), ITEMS_A_PAGE).await?;
        if let Some(item) = items.into_iter().next() {
            return Ok(Some(item));
        }
        after = next;
        if after.is_none() {
            return Ok(None);
        }
    }
}

/// How many items there are, without the mark.
async fn count(table: &dyn Restorable) -> Result<u64, TransferError> {
    let (mut count, mut after) = (0, None);
    loop {
        let (items, next) = table.page(after.as_ref(), ITEMS_A_PAGE).await?;
        count += items.iter().map(|item| u64::from(item.key != importing::key())).sum::<u64>();
        after = next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

async fn put_blobs(blobs: &dyn Sweepable, path: &Path) -> Result<(), TransferError> {
    let mut lines = Lines::open(path)?;
    lines.header()?;
    while let Some(bytes) = lines.next()? {
        if let Line::Blob(blob) = Line::read(&bytes).map_err(|message| lines.wrong(message))? {
            blobs.put(&blob.into_bytes().map_err(|message| lines.wrong(message))?).await?;
        }
    }
    Ok(())
}

/// Says how many of them never expire.
async fn put_items(table: &dyn Restorable, path: &Path) -> Result<u64, TransferError> {
    let mut lines = Lines::open(path)?;
    lines.header()?;
    let (mut turn, mut bytes, mut lasting) = (Vec::new(), 0, 0);
    while let Some(line) = lines.next()? {
        let Line::Item(item) = Line::read(&line).map_err(|message| lines.wrong(message))? else { continue };
        let item = item.into_item().map_err(|message| lines.wrong(message))?;
        lasting += u64::from(item.expires_ms.is_none());
        bytes += rules::item_bytes(&item);
        turn.push(item);
        if turn.len() >= ITEMS_A_TURN || bytes >= BYTES_A_TURN {
            table.restore(std::mem::take(&mut turn)).await?;
            bytes = 0;
        }
    }
    if !turn.is_empty() {
        table.restore(turn).await?;
    }
    Ok(lasting)
}
