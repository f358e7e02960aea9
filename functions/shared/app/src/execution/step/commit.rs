//! The commit: one transaction a transition, with everything that lists and followers need.

use super::held::{Held, StepKey, unchanged};
use super::{COMMITS_MAX, Stop, journal};
use crate::error::AppError;
use crate::execution::inbox::done;
use crate::execution::keys;
use crate::execution::plan::Plan;
use crate::execution::retention::listed;
use crate::execution::start::{meta_item, order_row, summaries};
use crate::execution::stored::{LogEntry, LogLines, Meta, OrderRow, Summary, Transition};
use crate::ports::{Change, ITEMS_A_COMMIT_MAX, Item, Key, Table, TransactError, Transaction, Write};
use crate::record::{self, item, load};
use engine::planted::{Bug, planted};
use engine::{Execution, Phase, RunState};
use model::Millis;
use serde_json::json;
use std::sync::Arc;

/// Log lines of one commit beyond this many bytes go to a blob.
const LOG_INLINE_BYTES_MAX: usize = 64 << 10;
/// Most bytes of META before reasons are shortened; an item may have 380 KB.
const META_BYTES_MAX: usize = 240 << 10;
/// What is kept of a shortened reason.
const REASON_CHARS_KEPT: usize = 120;
/// So many traces fit into any commit.
const FORGET_SURE: usize = 20;
/// How often a commit with an unknown answer is looked up.
const LOOKS_MAX: u32 = 5;

impl Held {
    /// Commits what changed since the last commit, if anything did, with what follows from it elsewhere. What stands elsewhere may
    /// change meanwhile; then it is looked at again.
    pub(crate) async fn commit_as_it_stands(&mut self, now: Millis) -> Result<(), Stop> {
        for _ in 0..COMMITS_MAX {
            self.meet_children(now).await?;
            if self.commit(now).await? {
                return Ok(());
            }
        }
        Err(AppError::Unavailable("what the commit depends on changes faster than it can be read".to_owned()).into())
    }

    /// False when something beside the execution had changed, and nothing was written.
    async fn commit(&mut self, now: Millis) -> Result<bool, Stop> {
        if !self.changed && self.consumed.is_empty() && self.dirty.is_empty() && self.meta.supersedes.is_empty() {
            return Ok(true);
        }
        let mut grown = None;
        if self.grown {
            (self.meta.plan, grown) = self.plan.keep(self.ports.blobs.as_ref(), &self.id).await?;
        }
        let mut meta = self.meta.clone();
        meta.execution.version += 1;
        meta.takes = 0;
        meta.lease_until_ms = now + self.ports.limits.lease_ms;
        meta.commit_id = format!("{}-{}", meta.fence, meta.execution.version);
        let ended = meta.execution.status.is_complete();
        if ended {
            meta.fence = String::new();
            meta.lease_until_ms = 0;
        }
        let execution = &meta.execution;
        let idle = journal::take_idle(&self.traces, |run| execution.run(run).is_some_and(|stage| stage.live().is_some()));
        self.forget.extend(idle);
        meta.untidy |= self.leaves_traces(&meta.execution);
        let mut foreign = self.foreign(&meta, now).await?;
        foreign.writes.extend(grown);
        meta.supersedes.drain(..foreign.told.min(meta.supersedes.len()));
        let writes = self.writes(&mut meta, foreign.writes, now).await?;
        if !self.transact(writes, &meta.commit_id).await? {
            return Ok(false);
        }
        self.committed(meta, ended);
        for hint in foreign.hints {
            self.ports.queue.hint(hint, 0).await;
        }
        Ok(true)
    }

    /// Whether traces stay of steps that are not wanted any more: such as this worker never saw, has no room to remove, or has just sent.
    /// They are looked for once the execution has ended.
    fn leaves_traces(&self, execution: &Execution) -> bool {
        let gone = |step: &StepKey| !under_way(execution).any(|other| other == *step);
        // A step that is stopped now may have a write under way that arrives after this commit, unless this one takes the fence away.
        let stopped = || under_way(&self.saved.execution).any(|step| !self.landed.contains(&step) && gone(&step));
        let open = !execution.status.is_complete();
        self.forget.len() > FORGET_SURE || self.unseen.iter().any(gone) || (open && stopped())
    }

    fn committed(&mut self, meta: Meta, ended: bool) {
        self.revision += 1;
        self.leased = true;
        self.tenure.extend(meta.lease_until_ms);
        self.meta = meta;
        self.saved = self.meta.clone();
        self.changed = false;
        self.grown = false;
        self.subscribe.clear();
        self.dirty.clear();
        self.consumed.clear();
        self.forget.clear();
        self.landed.clear();
        self.log = LogEntry::default();
        let version = self.meta.execution.version;
        let changes = &self.ports.changes;
        changes.publish(Change { topic: format!("execution:{}", self.id), version });
        for order in &self.meta.orders {
            changes.publish(Change { topic: format!("orders:{}", order.project), version: order.number });
        }
        if ended {
            self.abandon();
        }
    }

    /// META stands first: [`Held::transact`] reads the places of what did not hold.
    async fn writes(&mut self, meta: &mut Meta, foreign: Vec<Write>, now: Millis) -> Result<Vec<Write>, Stop> {
        let log = self.log_entry(meta, now).await?;
        let mut put = meta_item(meta)?;
        if put.body.len() > META_BYTES_MAX {
            shorten(&mut meta.execution);
            put = meta_item(meta)?;
        }
        let mut writes = vec![Write::Put(put, unchanged(self.revision))];
        writes.extend(foreign);
        for run in &self.dirty {
            if let Some(data) = self.stages.get_mut(*run).map(Arc::make_mut) {
                data.attempt = meta.execution.run(*run).map_or(1, |stage| stage.attempt);
                writes.push(Write::Put(item(keys::stage(&self.id, *run), &*data)?, vec![]));
            }
        }
        writes.push(Write::Put(log, vec![]));
        for inbound in &self.consumed {
            if !planted(Bug::EventConsumedTwice) {
                writes.push(Write::Delete(keys::event(&self.id, &inbound.id), vec![]));
            }
            if inbound.is_asked() {
                writes.push(done(&self.id, inbound, vec![])?);
            }
        }
        if (self.saved.execution.status, &self.saved.execution.reason) != (meta.execution.status, &meta.execution.reason) {
            writes.extend(views(self.ports.table.as_ref(), meta, Some(&self.plan), self.ports.limits.kept_ms).await?);
        }
        debug_assert!(writes.len() <= ITEMS_A_COMMIT_MAX, "a commit of {} items", writes.len());
        let room = ITEMS_A_COMMIT_MAX.saturating_sub(writes.len());
        writes.extend(self.forget.iter().take(room).map(|key| Write::Delete(key.clone(), vec![])));
        Ok(writes)
    }

    /// What the commit says for the audit. It is kept until the commit is known to stand, so that one that fails can be made again.
    async fn log_entry(&mut self, meta: &Meta, now: Millis) -> Result<Item, AppError> {
        let log = &mut self.log;
        log.version = meta.execution.version;
        log.at = now;
        log.transitions = transitions(&self.saved.execution, &meta.execution, Some(&self.plan));
        let key = keys::log(&self.id, meta.execution.version);
        let whole = item(key.clone(), log)?;
        if whole.body.len() <= LOG_INLINE_BYTES_MAX {
            return Ok(whole);
        }
        let lines = record::encode(&LogLines(log.lines.clone()))?;
        let blob = self.ports.blobs.put(&lines).await?;
        item(key, &LogEntry { blob: Some(blob), lines: Vec::new(), ..log.clone() })
    }

    /// Writes; an unknown answer is looked up until it is known. False when only something beside the execution had changed.
    async fn transact(&mut self, writes: Vec<Write>, commit_id: &str) -> Result<bool, Stop> {
        let transaction = Transaction { writes, token: Some(commit_id.to_owned()) };
        for _ in 0..LOOKS_MAX {
            let error = match self.ports.table.transact(transaction.clone()).await {
                Ok(()) => return Ok(true),
                Err(error) => error,
            };
            match error {
                TransactError::Conflict(places) => {
                    if self.stands(commit_id).await? {
                        return Ok(true);
                    }
                    if !places.contains(&0) {
                        return Ok(false);
                    }
                    self.abandon();
                    return Err(Stop::Fenced);
                }
                TransactError::Unknown(_) if planted(Bug::AmbiguousCommitRetried) => {
                    let found = load::<Meta>(self.ports.table.as_ref(), &keys::meta(&self.id)).await?;
                    (self.meta.execution.version, self.revision) =
                        found.map_or_else(Default::default, |(meta, revision)| (meta.execution.version, revision));
                    return Ok(false);
                }
                TransactError::Unknown(_) => {
                    if self.stands(commit_id).await? {
                        return Ok(true);
                    }
                }
                TransactError::Invalid(_) | TransactError::Unavailable(_) => return Err(error.into()),
            }
        }
        Err(AppError::Unavailable("the outcome of a commit stayed unknown".to_owned()).into())
    }

    async fn stands(&self, commit_id: &str) -> Result<bool, AppError> {
        let found = load::<Meta>(self.ports.table.as_ref(), &keys::meta(&self.id)).await?;
        Ok(found.is_some_and(|(meta, _)| meta.commit_id == commit_id))
    }
}

/// The steps that an execution wants made.
fn under_way(execution: &Execution) -> impl Iterator<Item = StepKey> {
    execution.runs.iter().enumerate().filter_map(|(run, stage)| match stage.live()?.phase {
        Phase::Step { retry, .. } => Some((run, stage.attempt, stage.seq, retry)),
        _ => None,
    })
}

/// Keeps META within an item: reasons of stages lose their data, and long ones their tails. LOG has them in full.
fn shorten(execution: &mut Execution) {
    for position in 0..execution.runs.len() {
        let Some(run) = execution.runs.get_mut(position) else { continue };
        let reason = match &mut run.state {
            RunState::Done(done) => done.reason.as_mut(),
            RunState::Live(live) => live.reason.as_mut(),
            RunState::NotStarted => None,
        };
        let Some(reason) = reason else { continue };
        reason.data = json!({"shortened": true});
        if let Some((cut, _)) = reason.message.char_indices().nth(REASON_CHARS_KEPT) {
            reason.message.truncate(cut);
            reason.message.push('…');
        }
    }
}

/// What changed, stage by stage.
pub(super) fn transitions(before: &Execution, after: &Execution, plan: Option<&Plan>) -> Vec<Transition> {
    let mut list = Vec::new();
    if before.status != after.status {
        list.push(Transition { stage: None, from: before.status, to: after.status, reason: after.reason.clone() });
    }
    for (run, is) in after.runs.iter().enumerate() {
        let Some(was) = before.run(run).filter(|was| was.status() != is.status()) else { continue };
        let Some(stage) = plan.and_then(|plan| plan.stages.get(run)) else { continue };
        list.push(Transition { stage: Some(stage.ref_id.to_string()), from: was.status(), to: is.status(), reason: is.reason().cloned() });
    }
    list
}

/// The rows that lists show, with the execution's status as it is now. Without its plan they are read and changed.
pub(in crate::execution) async fn views(
    table: &dyn Table,
    meta: &Meta,
    plan: Option<&Plan>,
    kept_ms: Millis,
) -> Result<Vec<Write>, AppError> {
    let rows = match plan {
        Some(plan) => summaries(meta, plan),
        None => stored_rows(table, meta).await?,
    };
    let mut writes = Vec::with_capacity(rows.len() + meta.orders.len());
    for (key, row) in rows {
        writes.push(Write::Put(listed(key, &row, kept_ms)?, vec![]));
    }
    for order in &meta.orders {
        let key = keys::order(&order.project, order.number);
        if let Some((row, _)) = load::<OrderRow>(table, &key).await? {
            writes.push(Write::Put(item(key, &order_row(row.order, &meta.execution))?, vec![]));
        }
    }
    Ok(writes)
}

/// The rows of lists as they are stored, brought up to date.
async fn stored_rows(table: &dyn Table, meta: &Meta) -> Result<Vec<(Key, Summary)>, AppError> {
    let execution = &meta.execution;
    let mut rows = Vec::new();
    for key in [keys::of_pipeline(&meta.pipeline, &execution.id), keys::of_application(&meta.application.key(), &execution.id)] {
        if let Some((mut row, _)) = load::<Summary>(table, &key).await? {
            row.status = execution.status;
            row.reason.clone_from(&execution.reason);
            row.started_ms = execution.started_ms;
            row.ended_ms = execution.ended_ms;
            rows.push((key, row));
        }
    }
    Ok(rows)
}
