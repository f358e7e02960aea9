//! Pipelines: rows to find them by, and the immutable revisions of their documents.
//!
//! A document may be larger than an item, so a revision is a head and parts, written in the transaction that saves it.

mod bring;
mod document;
pub(crate) mod hooks;
mod inspect;
mod lock;
mod run_as;
mod save;

pub use bring::{Batch, Brought, BroughtPipeline, BroughtSecrets, PIPELINES_A_BATCH_MAX, SECRETS_A_BATCH_MAX, Was, bring};
pub use hooks::{HOOK_PREFIX, HookRow, TriggerHook, trigger_by_hook, triggers};
pub use inspect::{Inspection, StageRow, inspect};
pub use save::{DOCKER_TRIGGERS_MAX, SavePorts, Saved, Written, delete, save};

use crate::applications;
use crate::error::AppError;
use crate::paging::{self, Listed, PageRequest};
use crate::ports::{Key, Query, Table};
use crate::record::{self, Record, Shape, shape};
use futures::future::{join, try_join};
use model::Millis;
use model::exact::Spellings;
use model::id::{AppName, PipelineId};
use model::person::{Action, Principal};
use model::pipeline::Revision;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A pipeline as lists show it. Its version, for `If-Match`, is its revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineRow {
    /// Stable over renames.
    pub id: PipelineId,
    /// Owning application.
    pub application: AppName,
    /// Unique within the application, ignoring case.
    pub name: String,
    /// Number of the newest revision.
    pub revision: u64,
    /// Its place in lists, if it says one.
    #[serde(default)]
    pub index: Option<i64>,
    /// Any start is refused.
    #[serde(default)]
    pub disabled: bool,
    /// Its stages' types.
    pub stage_types: BTreeSet<String>,
    /// Cloud accounts that its stages name.
    pub cloud_accounts: Vec<AccountUse>,
    /// Registry accounts that its triggers name.
    pub registry_accounts: Vec<AccountUse>,
    /// Who saved the newest revision.
    pub author: String,
    /// When.
    pub updated_ms: Millis,
}

impl Record for PipelineRow {
    const SHAPE: &'static str = "pipeline";
}

/// Where an account is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountUse {
    /// The account.
    pub account: String,
    /// The stage or trigger, for people.
    pub place: String,
}

/// Which application a pipeline is in, to find it by its id alone.
#[derive(Serialize, Deserialize)]
struct HomeRow {
    application: AppName,
}

impl Record for HomeRow {
    const SHAPE: &'static str = "pipeline-home";
}

/// Which pipeline has a name, and which stage types its newest revision has: who starts it by name reads them beside it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NameRow {
    id: PipelineId,
    #[serde(default)]
    stage_types: BTreeSet<String>,
}

impl Record for NameRow {
    const SHAPE: &'static str = "pipeline-name";
}

/// What is known of a revision without its document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionHead {
    /// Number, from 1.
    pub number: u64,
    /// Who saved it.
    pub author: String,
    /// When.
    pub created_ms: Millis,
    /// Bytes of the document.
    pub bytes: u64,
    parts: u32,
}

impl Record for RevisionHead {
    const SHAPE: &'static str = "pipeline-revision";
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<PipelineRow>(), shape::<HomeRow>(), shape::<NameRow>(), shape::<RevisionHead>()];

/// Names that are read at a time.
const NAMES_PAGE: usize = 200;

fn partition(application: &AppName) -> String {
    format!("APP#{}", application.key())
}

fn row_key(application: &AppName, id: &str) -> Key {
    Key::new(partition(application), format!("PIPE#{id}"))
}

fn name_key(application: &AppName, name: &str) -> Key {
    Key::new(partition(application), format!("NAME#{}", import::text::name_key(name)))
}

fn pipe(id: &PipelineId) -> String {
    format!("PIPE#{id}")
}

fn home_key(id: &PipelineId) -> Key {
    Key::new(pipe(id), "HOME")
}

fn head_key(id: &PipelineId, number: u64) -> Key {
    Key::new(pipe(id), format!("REV#{number:010}"))
}

fn part_key(id: &PipelineId, number: u64, part: usize) -> Key {
    Key::new(pipe(id), format!("DOC#{number:010}#{part:03}"))
}

pub(crate) fn unknown(name_or_id: &str) -> AppError {
    AppError::NotFound { what: "pipeline", id: name_or_id.to_owned() }
}

/// What a name or an id leads to, before anything else of it is read.
#[derive(Debug)]
pub(crate) struct Sought {
    /// Which pipeline.
    pub(crate) id: PipelineId,
    /// Its stages' types, as far as they are known yet.
    pub(crate) stage_types: BTreeSet<String>,
    row: Option<(PipelineRow, u64)>,
}

impl Sought {
    /// By its id.
    pub(crate) fn by(id: &PipelineId) -> Self {
        Self { id: id.clone(), stage_types: BTreeSet::new(), row: None }
    }
}

/// Finds out which pipeline an id or a name stands for.
pub(crate) async fn seek(table: &dyn Table, application: &AppName, name_or_id: &str) -> Result<Option<Sought>, AppError> {
    let by_id = async {
        match PipelineId::parse(name_or_id) {
            Ok(_) => record::load::<PipelineRow>(table, &row_key(application, name_or_id)).await,
            Err(_) => Ok(None),
        }
    };
    let name_key = name_key(application, name_or_id);
    // Side by side: a name may look like an id.
    let (row, name) = try_join(by_id, record::load::<NameRow>(table, &name_key)).await?;
    Ok(match (row, name) {
        (Some((row, item)), _) => Some(Sought { id: row.id.clone(), stage_types: row.stage_types.clone(), row: Some((row, item)) }),
        (None, Some((name, _))) => Some(Sought { id: name.id, stage_types: name.stage_types, row: None }),
        (None, None) => None,
    })
}

/// The row of what was sought, with the item's revision.
async fn sought_row(table: &dyn Table, application: &AppName, sought: &Sought) -> Result<Option<(PipelineRow, u64)>, AppError> {
    match &sought.row {
        Some(row) => Ok(Some(row.clone())),
        None => record::load(table, &row_key(application, sought.id.as_str())).await,
    }
}

/// A pipeline with its newest revision, and the revision of its item.
pub(crate) type Whole = (PipelineRow, u64, Revision);

/// Everything of what was sought, in one round.
pub(crate) async fn whole(table: &dyn Table, application: &AppName, sought: &Sought) -> Result<Option<Whole>, AppError> {
    let (row, newest) = try_join(sought_row(table, application, sought), newest(table, &sought.id)).await?;
    let Some((row, item)) = row else { return Ok(None) };
    let revision = match newest.filter(|newest| newest.number == row.revision) {
        Some(newest) => newest,
        // It was saved between two of these reads.
        None => revision(table, &row.id, row.revision)
            .await?
            .ok_or_else(|| AppError::Damaged(format!("pipeline {} has no revision {}", row.id, row.revision)))?,
    };
    Ok(Some((row, item, revision)))
}

/// Ids of an application's pipelines by their names in lower case, so many at most.
pub(crate) async fn ids_by_name(table: &dyn Table, application: &AppName, most: usize) -> Result<BTreeMap<String, PipelineId>, AppError> {
    let mut found = BTreeMap::new();
    let mut query = Query::prefix(partition(application), "NAME#", NAMES_PAGE);
    loop {
        let page = table.query(&query).await?;
        for item in &page.items {
            let name = item.key.sort.strip_prefix("NAME#").unwrap_or_default();
            found.insert(name.to_owned(), record::decode::<NameRow>(&item.body)?.id);
        }
        match page.next.filter(|_| found.len() < most) {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}

/// Reads a revision; none when there is no such number.
pub async fn revision(table: &dyn Table, id: &PipelineId, number: u64) -> Result<Option<Revision>, AppError> {
    let head_key = head_key(id, number);
    let (head, (text, parts)) = try_join(record::load::<RevisionHead>(table, &head_key), document(table, id, number)).await?;
    let Some((head, _)) = head else { return Ok(None) };
    made(id, head, &text, parts).map(Some)
}

fn made(id: &PipelineId, head: RevisionHead, text: &[u8], parts: u32) -> Result<Revision, AppError> {
    let number = head.number;
    if parts != head.parts {
        return Err(AppError::Damaged(format!("pipeline {id} revision {number} has {parts} of {} parts", head.parts)));
    }
    let damaged = |error: &dyn std::fmt::Display| AppError::Damaged(format!("pipeline {id} revision {number}: {error}"));
    let text = std::str::from_utf8(text).map_err(|error| damaged(&error))?;
    let document: Value = serde_json::from_str(text).map_err(|error| damaged(&error))?;
    let spellings = Spellings::read(text);
    Ok(Revision { pipeline: id.clone(), number, document, spellings, author: head.author, created_ms: head.created_ms })
}

/// The newest revision, without knowing its number; none when there is none, or when it was saved in between.
async fn newest(table: &dyn Table, id: &PipelineId) -> Result<Option<Revision>, AppError> {
    let last = |prefix: &str| Query { backward: true, ..Query::prefix(pipe(id), prefix, 1) };
    let (head, part) = (last("REV#"), last("DOC#"));
    let (heads, parts) = try_join(record::page::<RevisionHead>(table, &head), async { Ok(table.query(&part).await?) }).await?;
    let (Some(head), Some(part)) = (heads.0.into_iter().next(), parts.items.into_iter().next()) else { return Ok(None) };
    if part.key != part_key(id, head.number, 0) {
        return revision(table, id, head.number).await;
    }
    made(id, head, &part.body, 1).map(Some)
}

/// The text of a revision's document, and of how many parts it is made.
async fn document(table: &dyn Table, id: &PipelineId, number: u64) -> Result<(Vec<u8>, u32), AppError> {
    let mut text = Vec::new();
    let mut query = Query::prefix(pipe(id), format!("DOC#{number:010}#"), paging::ENTRIES_A_PAGE_MAX);
    let mut parts = 0;
    loop {
        let page = table.query(&query).await?;
        for item in page.items {
            text.extend_from_slice(&item.body);
            parts += 1;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok((text, parts)),
        }
    }
}

/// Reads a pipeline and its newest revision, for use cases; asks nobody's rights.
pub async fn load(table: &dyn Table, application: &AppName, name_or_id: &str) -> Result<(PipelineRow, Revision), AppError> {
    let sought = seek(table, application, name_or_id).await?.ok_or_else(|| unknown(name_or_id))?;
    let (row, _, revision) = whole(table, application, &sought).await?.ok_or_else(|| unknown(name_or_id))?;
    Ok((row, revision))
}

/// Reads a pipeline by its id and its newest revision, for use cases; asks nobody's rights.
pub(crate) async fn of(table: &dyn Table, application: &AppName, id: &PipelineId) -> Result<(PipelineRow, Revision), AppError> {
    let (row, _, revision) = whole(table, application, &Sought::by(id)).await?.ok_or_else(|| unknown(id.as_str()))?;
    Ok((row, revision))
}

/// The application that a pipeline is in; none when there is no such pipeline.
async fn home(table: &dyn Table, id: &PipelineId) -> Result<Option<AppName>, AppError> {
    Ok(record::load::<HomeRow>(table, &home_key(id)).await?.map(|(home, _)| home.application))
}

/// What a name or an id of an application stands for, to who may do this with it.
async fn seek_for(
    table: &dyn Table,
    (caller, action): (&Principal, Action),
    application: &AppName,
    name_or_id: &str,
) -> Result<Sought, AppError> {
    // Side by side; what is told of the pipeline is told to who may.
    let (may, sought) = join(applications::get_for(table, caller, application, action), seek(table, application, name_or_id)).await;
    may?;
    sought?.ok_or_else(|| unknown(name_or_id))
}

/// Reads a pipeline and its newest revision.
pub async fn get(
    table: &dyn Table,
    caller: &Principal,
    application: &AppName,
    name_or_id: &str,
) -> Result<(PipelineRow, Revision), AppError> {
    let sought = seek_for(table, (caller, Action::Read), application, name_or_id).await?;
    let (row, _, revision) = whole(table, application, &sought).await?.ok_or_else(|| unknown(name_or_id))?;
    Ok((row, revision))
}

/// All pipelines of an application, in their order: by index, then by name ignoring case. Asks nobody's rights.
pub async fn rows(table: &dyn Table, application: &AppName) -> Result<Vec<PipelineRow>, AppError> {
    let found = paging::all::<PipelineRow>(table, &partition(application), "PIPE#").await?;
    let mut rows: Vec<PipelineRow> = found.into_iter().map(|(row, _)| row).collect();
    rows.sort_by_cached_key(place);
    Ok(rows)
}

fn place(row: &PipelineRow) -> (i64, String, String) {
    (row.index.unwrap_or(i64::MAX), row.name.to_lowercase(), row.id.to_string())
}

/// A page of an application's pipelines, in their order.
pub async fn list(
    table: &dyn Table,
    caller: &Principal,
    application: &AppName,
    page: &PageRequest,
) -> Result<Listed<PipelineRow>, AppError> {
    let after: Option<(i64, String, String)> = match &page.after {
        None => None,
        Some(text) => {
            let bad = |_| AppError::invalid("", "cursor-invalid", "the cursor is not one of this list");
            Some(serde_json::from_str(text).map_err(bad)?)
        }
    };
    let (seen, rows) = join(applications::get(table, caller, application), rows(table, application)).await;
    seen?;
    let mut rows = rows?;
    rows.retain(|row| after.as_ref().is_none_or(|a| place(row) > *a));
    let more = rows.len() > page.limit;
    rows.truncate(page.limit);
    let next = rows.last().filter(|_| more).and_then(|row| serde_json::to_string(&place(row)).ok());
    Ok(Listed { entries: rows, next })
}

/// A page of a pipeline's revisions, newest first, with the pipeline.
pub async fn revisions(
    table: &dyn Table,
    caller: &Principal,
    application: &AppName,
    name_or_id: &str,
    page: &PageRequest,
) -> Result<(PipelineRow, Listed<RevisionHead>), AppError> {
    let sought = seek_for(table, (caller, Action::Read), application, name_or_id).await?;
    let query = Query { backward: true, ..page.query(pipe(&sought.id), "REV#") };
    let (row, listed) = try_join(sought_row(table, application, &sought), paging::rows::<RevisionHead>(table, &query)).await?;
    let (row, _) = row.ok_or_else(|| unknown(name_or_id))?;
    Ok((row, Listed { entries: listed.entries.into_iter().map(|(head, _)| head).collect(), next: listed.next }))
}

/// One revision of a pipeline, with the pipeline.
pub async fn get_revision(
    table: &dyn Table,
    caller: &Principal,
    application: &AppName,
    name_or_id: &str,
    number: u64,
) -> Result<(PipelineRow, Revision), AppError> {
    let sought = seek_for(table, (caller, Action::Read), application, name_or_id).await?;
    let (row, found) = try_join(sought_row(table, application, &sought), revision(table, &sought.id, number)).await?;
    let (row, _) = row.ok_or_else(|| unknown(name_or_id))?;
    let found = found.ok_or_else(|| AppError::NotFound { what: "revision", id: number.to_string() })?;
    Ok((row, found))
}

/// May the caller do this with pipelines of this application?
pub async fn require_on(table: &dyn Table, caller: &Principal, application: &AppName, action: Action) -> Result<(), AppError> {
    applications::get_for(table, caller, application, action).await.map(|_| ())
}
