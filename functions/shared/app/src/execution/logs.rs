//! What happened in an execution and what its stages said, page by page.

use super::keys;
use super::stored::{EventVerdict, LogEntry, LogLines, Meta, StageLine, Transition};
use crate::applications;
use crate::error::AppError;
use crate::paging::{Listed, PageRequest};
use crate::ports::{Blobs, Query, Table};
use crate::record::{self, load};
use model::Millis;
use model::id::ExecutionId;
use model::person::Principal;
use serde::Serialize;

/// One transition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The version it made.
    pub version: u64,
    /// When.
    pub at: Millis,
    /// What changed.
    pub transitions: Vec<Transition>,
    /// What became of outside events.
    pub verdicts: Vec<EventVerdict>,
    /// What stages said.
    pub lines: Vec<StageLine>,
    /// Lines dropped beyond the limit.
    pub dropped: u32,
}

/// Reads the log of an execution, of one stage when asked, oldest first.
pub async fn read(
    table: &dyn Table,
    blobs: &dyn Blobs,
    caller: &Principal,
    id: &ExecutionId,
    stage: Option<&str>,
    page: &PageRequest,
) -> Result<Listed<Entry>, AppError> {
    let unknown = || AppError::NotFound { what: "execution", id: id.to_string() };
    let (meta, _) = load::<Meta>(table, &keys::meta(id)).await?.ok_or_else(unknown)?;
    applications::get(table, caller, &meta.application).await?;
    let mut query: Query = page.query(keys::partition(id), "LOG#");
    query.backward = false;
    let (rows, next) = record::page::<LogEntry>(table, &query).await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let lines = match &row.blob {
            None => row.lines,
            Some(digest) => {
                let bytes = blobs.get(digest).await?.ok_or_else(|| AppError::Damaged(format!("the log {digest} is gone")))?;
                lines_of(digest, &bytes)?
            }
        };
        let mine = |line: &StageLine| stage.is_none_or(|stage| line.stage == stage);
        let ours = |t: &Transition| stage.is_none() || t.stage.as_deref() == stage;
        entries.push(Entry {
            version: row.version,
            at: row.at,
            transitions: row.transitions.into_iter().filter(ours).collect(),
            verdicts: row.verdicts,
            lines: lines.into_iter().filter(mine).collect(),
            dropped: row.dropped,
        });
    }
    Ok(Listed { entries, next })
}

/// The lines that a blob holds.
fn lines_of(digest: &str, bytes: &[u8]) -> Result<Vec<StageLine>, AppError> {
    if record::begins::<LogLines>(bytes) {
        return Ok(record::decode::<LogLines>(bytes)?.0);
    }
    // From before blobs said their shape: the list itself.
    serde_json::from_slice(bytes).map_err(|error| AppError::Damaged(format!("the log {digest}: {error}")))
}
