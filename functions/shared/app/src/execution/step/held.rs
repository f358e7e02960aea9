//! An execution in a worker's hands: what was loaded, what changed since the last commit, and the right to commit it.

use super::journal::Tenure;
use super::outcome;
use super::park::park;
use super::{Came, Ports, Rest, Stop};
use crate::error::AppError;
use crate::execution::plan::Plan;
use crate::execution::scope::StageScope;
use crate::execution::start::meta_item;
use crate::execution::stored::{Answer, EventVerdict, Inbound, LogEntry, Meta, Outside, StageData};
use crate::execution::{inbox, keys, restart};
use crate::ports::{Condition, Item, Query, Table, TransactError, Transaction, Write};
use crate::record::{decode, load};
use engine::planted::{Bug, planted};
use engine::{Effect, Event, Execution, decide, wake_at, wanted};
use model::Millis;
use model::id::ExecutionId;
use model::reason::ReasonCode;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Inbox events that are consumed in one commit.
const CONSUMED_A_COMMIT_MAX: usize = 10;
/// An execution that nobody moved yet is taken with its first commit for so long after its start; then each take is written before
/// anything is done, so that those that come to nothing are counted.
const FRESH_MS: Millis = 5_000;
/// Stage items that are read at a time.
const STAGES_PAGE: usize = 200;

/// Identity of a step: stage run, attempt, seq, retry.
pub(crate) type StepKey = (usize, u32, u32, u32);

/// The identity of a step that is to be made.
pub(crate) fn step_key(effect: &Effect) -> Option<StepKey> {
    match effect {
        Effect::Step { run, attempt, seq, retry, .. } => Some((*run, *attempt, *seq, *retry)),
        Effect::Resolve { .. } | Effect::Watch { .. } => None,
    }
}

/// An execution that this worker holds.
pub(crate) struct Held {
    pub(crate) ports: Ports,
    pub(crate) id: ExecutionId,
    pub(crate) meta: Meta,
    /// META's revision in the store.
    pub(crate) revision: u64,
    /// The store knows that this worker holds it. Until then nothing is done that anybody else could notice.
    pub(crate) leased: bool,
    pub(crate) plan: Arc<Plan>,
    pub(crate) stages: Vec<Arc<StageData>>,
    /// Whether this worker is still the one.
    pub(crate) tenure: Arc<Tenure>,
    /// What changed since the last commit.
    pub(crate) dirty: BTreeSet<usize>,
    pub(crate) changed: bool,
    pub(crate) log: LogEntry,
    /// Inbox events consumed since the last commit.
    pub(crate) consumed: Vec<Inbound>,
    /// Traces that the next commit makes superfluous.
    pub(crate) forget: Vec<crate::ports::Key>,
    /// Where traces of steps under way are.
    pub(crate) traces: super::journal::Traces,
    /// META as it was written last.
    pub(crate) saved: Meta,
    /// The plan grew since the last commit.
    pub(crate) grown: bool,
    /// What stages can see, by stage run and attempt: nothing upstream of a live stage changes.
    pub(crate) scopes: BTreeMap<(usize, u32), Arc<StageScope>>,
    /// Steps that an earlier worker may have begun: only those can have a trace.
    pub(crate) inherited: BTreeSet<StepKey>,
    /// Steps that came back since the last commit.
    pub(crate) landed: BTreeSet<StepKey>,
    /// Those of the inherited whose traces this worker has not looked at.
    pub(crate) unseen: BTreeSet<StepKey>,
    /// Subscriptions that the next commit makes, by stage run.
    pub(crate) subscribe: Vec<(usize, ExecutionId)>,
}

/// What became of an attempt to take an execution.
pub(crate) enum Taken {
    Mine(Box<Held>),
    Not(Rest),
}

impl Held {
    /// Takes the execution if nobody holds it, and loads everything about it.
    pub(crate) async fn take(ports: &Ports, id: &ExecutionId) -> Result<Taken, AppError> {
        let Some((mut meta, revision)) = load::<Meta>(ports.table.as_ref(), &keys::meta(id)).await? else {
            return Ok(Taken::Not(Rest::Unknown));
        };
        if meta.execution.status.is_complete() {
            return Ok(Taken::Not(Rest::Ended));
        }
        let now = ports.clock.now_ms();
        let dead = ports.alone_since_ms.is_some_and(|since| meta.lease_until_ms.saturating_sub(ports.limits.lease_ms) < since);
        if !meta.fence.is_empty() && meta.lease_until_ms > now && !dead {
            return Ok(Taken::Not(Rest::Busy));
        }
        if meta.fence.is_empty() && nothing_to_do(ports, &meta, now).await? {
            return Ok(Taken::Not(Rest::Until(wake_at(&meta.execution))));
        }
        let plan = match Plan::of(ports.table.as_ref(), ports.blobs.as_ref(), &meta).await {
            Ok(plan) => Arc::new(plan),
            Err(AppError::Damaged(inside)) => return park(ports, meta, revision, None, (ReasonCode::PlanUnreadable, &inside)).await,
            Err(other) => return Err(other),
        };
        meta.execution.graph = plan.graph()?;
        if meta.takes >= ports.limits.takes_max {
            let message = format!("{} workers died on it one after another without a single commit", meta.takes);
            return park(ports, meta, revision, Some(&plan), (ReasonCode::OrchestratorCrash, &message)).await;
        }
        let fresh = is_fresh(&meta, now);
        meta.fence = ports.entropy.ulid(now);
        meta.lease_until_ms = now + ports.limits.lease_ms;
        meta.takes += 1;
        let stages = if fresh {
            vec![Arc::default(); plan.stages.len()]
        } else {
            let put = Write::Put(meta_item(&meta)?, unchanged(revision));
            match ports.table.transact(Transaction::of(vec![put])).await {
                Ok(()) => {}
                Err(TransactError::Conflict(_)) => return Ok(Taken::Not(Rest::Busy)),
                Err(other) => return Err(other.into()),
            }
            load_taken(ports, &meta, revision + 1, plan.stages.len()).await?
        };
        let saved = meta.clone();
        let inherited: BTreeSet<StepKey> = wanted(&saved.execution).iter().filter_map(step_key).collect();
        Ok(Taken::Mine(Box::new(Self {
            ports: ports.clone(),
            id: id.clone(),
            meta,
            revision: if fresh { revision } else { revision + 1 },
            leased: !fresh,
            plan,
            stages,
            tenure: Arc::new(Tenure::until(ports.clock.clone(), ports.alone_since_ms.is_some(), saved.lease_until_ms)),
            dirty: BTreeSet::new(),
            changed: false,
            log: LogEntry::default(),
            consumed: Vec::new(),
            forget: Vec::new(),
            traces: super::journal::Traces::default(),
            saved,
            grown: false,
            scopes: BTreeMap::new(),
            landed: BTreeSet::new(),
            unseen: inherited.clone(),
            inherited,
            subscribe: Vec::new(),
        })))
    }

    /// Folds an event of our own; such events are never refused.
    pub(crate) fn fold(&mut self, event: &Event, now: Millis) {
        if let Ok(decision) = decide(&self.meta.execution, event, now) {
            self.changed |= decision.changed;
            self.meta.execution = decision.execution;
        }
    }

    /// What a stage run holds, to be changed.
    pub(crate) fn data_mut(&mut self, run: usize) -> Option<&mut StageData> {
        self.stages.get_mut(run).map(Arc::make_mut)
    }

    /// What a stage can see, gathered once an attempt.
    pub(crate) async fn scope(&mut self, run: usize) -> Result<Arc<StageScope>, AppError> {
        let attempt = self.meta.execution.run(run).map_or(0, |stage| stage.attempt);
        if let Some(scope) = self.scopes.get(&(run, attempt)) {
            return Ok(scope.clone());
        }
        let stores = (self.ports.table.as_ref(), self.ports.blobs.as_ref());
        let scope = StageScope::gather(&self.meta.execution, &self.plan, run, &self.stages, stores).await?;
        let scope = Arc::new(scope);
        let execution = &self.meta.execution;
        self.scopes.retain(|(run, attempt), _| execution.run(*run).is_some_and(|s| s.attempt == *attempt && s.live().is_some()));
        self.scopes.insert((run, attempt), scope.clone());
        Ok(scope)
    }

    /// Folds what came back from a step or a watch.
    pub(crate) async fn arrived(&mut self, came: Came, now: Millis) -> Result<(), Stop> {
        match came {
            Came::Step { run, attempt, seq, retry, result } => {
                let expected = wanted(&self.meta.execution).into_iter().any(|effect| {
                    matches!(effect, Effect::Step { run: r, attempt: a, seq: s, retry: n, .. } if (r, a, s, n) == (run, attempt, seq, retry))
                });
                if !expected {
                    return Ok(());
                }
                self.landed.insert((run, attempt, seq, retry));
                let outcome = outcome::take(self, run, attempt, result, now).await?;
                self.fold(&Event::Stepped { run, attempt, seq, retry, outcome }, now);
                self.same_stages();
            }
            Came::Changed { run, attempt, seq } => self.fold(&Event::Changed { run, attempt, seq }, now),
            Came::Inbox | Came::Timer => {}
        }
        Ok(())
    }

    /// The plan holds exactly the stages that the execution has, whatever the engine made of those that were planned.
    fn same_stages(&mut self) {
        let count = self.meta.execution.runs.len();
        if self.plan.stages.len() > count {
            Arc::make_mut(&mut self.plan).stages.truncate(count);
            self.stages.truncate(count);
        }
    }

    /// Folds what people sent. True when there is more. A hold, its end and a restart each have a commit of their own, so that whatever
    /// follows from them is seen.
    pub(crate) async fn read_inbox(&mut self, now: Millis) -> Result<bool, Stop> {
        let mut waiting = inbox::waiting(self.ports.table.as_ref(), &self.id).await?;
        waiting.retain(|inbound| !self.consumed.iter().any(|consumed| consumed.id == inbound.id));
        let whole = |execution: &Execution| (execution.generation, execution.paused.is_some());
        let before = whole(&self.meta.execution);
        for (at, inbound) in waiting.into_iter().enumerate() {
            if at == CONSUMED_A_COMMIT_MAX || whole(&self.meta.execution) != before {
                return Ok(true);
            }
            if planted(Bug::AckBeforeCommit) {
                let event = keys::event(&self.id, &inbound.id);
                self.ports.table.transact(Transaction::of(vec![Write::Delete(event, vec![])])).await?;
            }
            self.consume(inbound, now);
        }
        Ok(false)
    }

    fn consume(&mut self, inbound: Inbound, now: Millis) {
        let execution = &self.meta.execution;
        let decision = (!inbound.is_stale(execution)).then(|| decide(execution, &inbound.event(), now));
        let (verdict, message) = match decision {
            Some(Ok(decision)) => {
                self.changed |= decision.changed;
                let before = std::mem::replace(&mut self.meta.execution, decision.execution);
                self.remember(&inbound, &before, now);
                ("applied".to_owned(), String::new())
            }
            Some(Err(refusal)) => (refusal.code.to_owned(), refusal.message),
            None => ("superseded".to_owned(), "the stage had been answered already, its time was over, or it was started again".to_owned()),
        };
        self.log.verdicts.push(EventVerdict { id: inbound.id.clone(), sender: inbound.sender.clone(), verdict, message });
        self.consumed.push(inbound);
    }

    /// What stands beside the execution follows it.
    fn remember(&mut self, inbound: &Inbound, before: &Execution, now: Millis) {
        match &inbound.what {
            Outside::Restart { run } => {
                let plan = self.plan.clone();
                restart::note(&mut self.meta, before, &plan, *run, &inbound.sender, now);
                for (at, stage) in self.meta.execution.runs.iter().enumerate() {
                    if before.run(at).is_some_and(|was| was.attempt != stage.attempt)
                        && let Some(data) = self.stages.get_mut(at)
                    {
                        *data = Arc::default();
                    }
                }
            }
            Outside::Granted { superseded } => self.meta.supersedes.extend(superseded.iter().cloned()),
            _ => self.remember_answer(inbound),
        }
    }

    fn remember_answer(&mut self, inbound: &Inbound) {
        let Outside::Signal { run, name, body, .. } = &inbound.what else { return };
        if let Some(data) = self.data_mut(*run) {
            let body = serde_json::from_str(body).unwrap_or(Value::Null);
            data.answers.push(Answer { signal: name.clone(), by: inbound.sender.clone(), at: inbound.at, body });
            data.signals.clear();
            self.dirty.insert(*run);
        }
    }

    pub(crate) fn wants_resolving(&self) -> bool {
        wanted(&self.meta.execution).iter().any(|effect| matches!(effect, Effect::Resolve { .. }))
    }

    /// When something must be done even if nothing comes in: a timer, the lease, the end of lingering or of the budget.
    pub(crate) fn next_look(&self, now: Millis, linger_until: Millis, budget_until: Option<Millis>) -> Millis {
        let timers = wake_at(&self.meta.execution).filter(|at| *at > now);
        let lease = self.meta.lease_until_ms.saturating_sub(self.ports.limits.lease_ms / 2).max(now + 1);
        let linger = Some(linger_until).filter(|at| *at > now);
        [timers, Some(lease), linger, budget_until.filter(|at| *at > now)].into_iter().flatten().min().unwrap_or(lease)
    }

    /// Extends the lease when half of it is over, or writes it for the first time.
    pub(crate) async fn keep_lease(&mut self, now: Millis) -> Result<(), Stop> {
        if self.leased && self.meta.lease_until_ms.saturating_sub(now) > self.ports.limits.lease_ms / 2 {
            return Ok(());
        }
        let lease_until_ms = now + self.ports.limits.lease_ms;
        let meta = Meta { lease_until_ms, ..self.saved.clone() };
        self.write_meta(&meta).await?;
        self.meta.lease_until_ms = lease_until_ms;
        self.tenure.extend(lease_until_ms);
        self.saved = meta;
        Ok(())
    }

    /// Gives the lease back. False when something came in meanwhile, so that it must be taken again.
    pub(crate) async fn release(&mut self) -> Result<bool, AppError> {
        let mut meta = self.meta.clone();
        meta.fence = String::new();
        meta.lease_until_ms = 0;
        meta.takes = 0;
        self.tenure.end();
        if !self.leased {
            return inbox::is_empty(self.ports.table.as_ref(), &self.id).await;
        }
        let due = |item: Item| if planted(Bug::TimerLostOnRestart) { item.due(None) } else { item };
        let put = Write::Put(due(meta_item(&meta)?), unchanged(self.revision));
        match self.ports.table.transact(Transaction::of(vec![put])).await {
            Ok(()) => {}
            Err(TransactError::Conflict(_)) => return Ok(true),
            Err(other) => return Err(other.into()),
        }
        if planted(Bug::EventLeftAtRest) {
            return Ok(true);
        }
        inbox::is_empty(self.ports.table.as_ref(), &self.id).await
    }

    /// Lets go of it after a failure, as it was written last, so that the next worker need not wait for the lease.
    pub(crate) async fn let_go(&self, error: &AppError) {
        self.abandon();
        if self.leased {
            give_back(&self.ports, self.saved.clone(), self.revision, error).await;
        }
    }

    /// Drops everything without a word to the store; the lease runs out by itself.
    pub(crate) fn abandon(&self) {
        self.tenure.end();
    }

    /// Writes META alone, on the condition that nobody else did.
    pub(crate) async fn write_meta(&mut self, meta: &Meta) -> Result<(), Stop> {
        let put = Write::Put(meta_item(meta)?, unchanged(self.revision));
        match self.ports.table.transact(Transaction::of(vec![put])).await {
            Ok(()) => {
                self.revision += 1;
                self.leased = true;
                Ok(())
            }
            Err(TransactError::Conflict(_)) => {
                self.abandon();
                Err(Stop::Fenced)
            }
            Err(other) => Err(other.into()),
        }
    }
}

/// Gives the lease back after a failure. What does not answer now, or what only a newer worker can read, is not the execution's fault:
/// such a take does not count among those that came to nothing.
async fn give_back(ports: &Ports, mut meta: Meta, revision: u64, error: &AppError) {
    meta.fence = String::new();
    meta.lease_until_ms = 0;
    if matches!(error, AppError::Unavailable(_) | AppError::Newer { .. }) {
        meta.takes = meta.takes.saturating_sub(1);
    }
    let Ok(put) = meta_item(&meta) else { return };
    let put = Write::Put(put, vec![Condition::Revision(revision)]);
    // Where this is not written either, the lease runs out by itself.
    if let Err(error) = ports.table.transact(Transaction::of(vec![put])).await {
        tracing::debug!(?error, execution = %meta.execution.id, "the lease was not given back");
    }
}

/// On the condition that META is what this worker knows.
pub(crate) fn unchanged(revision: u64) -> Vec<Condition> {
    if planted(Bug::NoVersionCheck) { Vec::new() } else { vec![Condition::Revision(revision)] }
}

/// Nobody has moved it, nobody holds it, and its start is not long ago.
fn is_fresh(meta: &Meta, now: Millis) -> bool {
    let Execution { version, created_ms, .. } = meta.execution;
    meta.fence.is_empty() && meta.takes == 0 && version == 0 && now.abs_diff(created_ms) < FRESH_MS
}

/// A hint that came too early, twice, or for what is done already costs reads and no write.
async fn nothing_to_do(ports: &Ports, meta: &Meta, now: Millis) -> Result<bool, AppError> {
    if !meta.supersedes.is_empty() || wake_at(&meta.execution).is_some_and(|at| at <= now) {
        return Ok(false);
    }
    inbox::is_empty(ports.table.as_ref(), &meta.execution.id).await
}

/// What the stage runs hold of an execution that was just taken; it is given back where that cannot be read.
async fn load_taken(ports: &Ports, meta: &Meta, revision: u64, count: usize) -> Result<Vec<Arc<StageData>>, AppError> {
    let loaded = load_stages(ports.table.as_ref(), &meta.execution, count).await;
    if let Err(error) = &loaded {
        give_back(ports, meta.clone(), revision, error).await;
    }
    loaded
}

/// What the stage runs of an execution hold, by position; what an earlier attempt left counts for nothing.
pub(in crate::execution) async fn load_stages(
    table: &dyn Table,
    execution: &Execution,
    count: usize,
) -> Result<Vec<Arc<StageData>>, AppError> {
    let mut stages = vec![Arc::default(); count];
    let mut query = Query::prefix(keys::partition(&execution.id), "ST#", STAGES_PAGE);
    loop {
        let page = table.query(&query).await?;
        for item in &page.items {
            let Some(run) = item.key.sort.strip_prefix("ST#").and_then(|n| n.parse::<usize>().ok()) else { continue };
            let data: StageData = decode(&item.body)?;
            let is_last = |attempt: u32| planted(Bug::StaleOutcomeAccepted) || attempt == data.attempt.max(1);
            let current = execution.run(run).is_some_and(|stage| is_last(stage.attempt));
            if let Some(slot) = stages.get_mut(run).filter(|_| current) {
                *slot = Arc::new(data);
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(stages),
        }
    }
}
