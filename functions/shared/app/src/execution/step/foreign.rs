//! What an execution's commit writes outside its own partition: its pipeline's slots, events to other executions, its subscription to
//! a child's end. All of it in the same transaction, so that none of it happens without the other.

use super::Stop;
use super::held::Held;
use crate::error::AppError;
use crate::execution::epilogue::sent;
use crate::execution::events::child_signal;
use crate::execution::keys;
use crate::execution::slots::{self, Slots};
use crate::execution::stored::{Meta, Outside, Subscribers, Subscription};
use crate::ports::{Condition, Hint, Table, Write};
use crate::record::{item, load};
use engine::planted::{Bug, planted};
use engine::{Event, Execution, Phase};
use model::Millis;
use model::id::ExecutionId;
use model::status::Status;
use serde_json::json;

/// Events to other executions that one commit sends; the rest follows in the next, or once it has ended.
const EVENTS_A_COMMIT_MAX: usize = 5;
/// The most that a commit writes elsewhere, subscriptions of its own stages not counted.
pub(crate) const FOREIGN_MAX: usize = 2 + slots::GRANTS_MAX + EVENTS_A_COMMIT_MAX;

/// Writes to other partitions, and whom to wake once they are made.
#[derive(Default)]
pub(in crate::execution) struct Foreign {
    pub(in crate::execution) writes: Vec<Write>,
    pub(in crate::execution) hints: Vec<Hint>,
    /// How many of the superseded are told.
    pub(in crate::execution) told: usize,
}

impl Held {
    /// Looks at every execution that a stage has just begun to wait for: one that has ended is told to the stage at once.
    pub(crate) async fn meet_children(&mut self, now: Millis) -> Result<(), Stop> {
        self.subscribe.clear();
        let mut waits = Vec::new();
        for (run, stage) in self.meta.execution.runs.iter().enumerate() {
            let Some(Phase::Suspended { signals, .. }) = stage.live().map(|live| &live.phase) else { continue };
            if self.saved.execution.run(run).is_some_and(|was| was.attempt == stage.attempt && was.state == stage.state) {
                continue;
            }
            let children = signals.iter().filter_map(|signal| ExecutionId::parse(signal.strip_prefix("execution:")?).ok());
            waits.extend(children.map(|child| (run, child)));
        }
        for (run, child) in waits {
            let found = load::<Meta>(self.ports.table.as_ref(), &keys::meta(&child)).await?;
            match found {
                Some((meta, _)) if !meta.execution.status.is_complete() => self.subscribe.push((run, child)),
                _ if planted(Bug::ChildEndLost) => {}
                found => {
                    let status = found.map(|(meta, _)| meta.execution.status);
                    let body = json!({"execution": child, "status": status}).to_string();
                    self.fold(&Event::Signal { run, name: child_signal(&child), sender: "waybill".to_owned(), body }, now);
                }
            }
        }
        Ok(())
    }

    /// Everything that this commit writes elsewhere.
    pub(super) async fn foreign(&self, meta: &Meta, now: Millis) -> Result<Foreign, AppError> {
        let mut foreign = Foreign::default();
        self.subscribe_to(meta, &mut foreign).await?;
        let ends = meta.execution.status.is_complete() && !self.saved.execution.status.is_complete();
        if ends {
            // Whom it superseded is told afterwards: an end has enough to write.
            foreign.at_end(self.ports.table.as_ref(), meta, now).await?;
            return Ok(foreign);
        }
        for superseded in self.meta.supersedes.iter().take(EVENTS_A_COMMIT_MAX) {
            let what = Outside::Superseded { by: self.id.clone() };
            foreign.send(superseded, &format!("superseded-{}", self.id), what, now)?;
            foreign.told += 1;
        }
        Ok(foreign)
    }

    /// Enters this execution's stages with the executions they wait for, as long as those are open.
    async fn subscribe_to(&self, meta: &Meta, foreign: &mut Foreign) -> Result<(), AppError> {
        let mut children: Vec<&ExecutionId> = self.subscribe.iter().map(|(_, child)| child).collect();
        children.sort();
        children.dedup();
        for child in children {
            let key = keys::subscribers(child);
            let (mut subscribers, revision) = match load::<Subscribers>(self.ports.table.as_ref(), &key).await? {
                Some((subscribers, revision)) => (subscribers, Condition::Revision(revision)),
                None => (Subscribers::default(), Condition::Absent),
            };
            for (run, _) in self.subscribe.iter().filter(|(_, waited)| waited == child) {
                let Some(attempt) = meta.execution.run(*run).map(|stage| stage.attempt) else { continue };
                subscribers.list.retain(|subscription| subscription.execution != self.id || subscription.run != *run);
                subscribers.list.push(Subscription { execution: self.id.clone(), run: *run, attempt });
            }
            foreign.writes.push(Write::Put(item(key, &subscribers)?, vec![revision]));
            foreign.writes.push(Write::Check(keys::meta(child), vec![Condition::Attribute(keys::OPEN.to_owned(), "1".to_owned())]));
        }
        Ok(())
    }
}

impl Foreign {
    pub(in crate::execution) fn send(&mut self, to: &ExecutionId, event: &str, what: Outside, now: Millis) -> Result<(), AppError> {
        self.writes.push(Write::Put(sent(to, event, "waybill", what, now)?, vec![]));
        self.hints.push(Hint::Execution { id: to.clone() });
        Ok(())
    }

    /// What the end of an execution writes elsewhere, whoever ends it.
    pub(super) async fn at_end(&mut self, table: &dyn Table, meta: &Meta, now: Millis) -> Result<(), AppError> {
        self.leave(table, meta, now).await?;
        self.tell_subscribers(table, meta, now).await
    }

    /// Gives the slot back, and grants it to who waits.
    async fn leave(&mut self, table: &dyn Table, meta: &Meta, now: Millis) -> Result<(), AppError> {
        if planted(Bug::SlotKeptOnCancel) && meta.execution.status == Status::Canceled {
            return Ok(());
        }
        let key = keys::slots(&meta.pipeline);
        let Some((mut slots, revision)) = load::<Slots>(table, &key).await? else {
            // A pipeline that gets its first limit at this very moment would count this execution among those that run.
            self.writes.push(Write::Check(key, vec![Condition::Absent]));
            return Ok(());
        };
        let (left, grants) = slots.leave(&meta.execution.id);
        if !left && slots.seeded {
            return Ok(());
        }
        // Slots that are not seeded are written as they are: whoever seeds them now has read this execution as open.
        self.writes.push(slots::write(&meta.pipeline, &slots, Some(revision))?);
        for grant in grants {
            let event = format!("granted-{}-{}", meta.execution.id, meta.execution.generation);
            self.send(&grant.execution, &event, Outside::Granted { superseded: grant.superseded }, now)?;
        }
        Ok(())
    }

    /// Tells the stages that wait for this end, the first of them now. Whoever subscribes at the same moment makes this commit be
    /// made again.
    pub(in crate::execution) async fn tell_subscribers(&mut self, table: &dyn Table, meta: &Meta, now: Millis) -> Result<(), AppError> {
        let key = keys::subscribers(&meta.execution.id);
        let Some((mut subscribers, revision)) = load::<Subscribers>(table, &key).await? else {
            self.writes.push(Write::Check(key, vec![Condition::Absent]));
            return Ok(());
        };
        let Execution { id, status, generation, .. } = &meta.execution;
        let told = subscribers.list.len().min(EVENTS_A_COMMIT_MAX);
        for Subscription { execution: parent, run, attempt } in subscribers.list.drain(..told) {
            let what = Outside::ChildEnded { run, attempt, child: id.clone(), status: *status };
            self.send(&parent, &format!("child-{id}-{run}-{attempt}-{generation}"), what, now)?;
        }
        let same = vec![Condition::Revision(revision)];
        self.writes.push(match subscribers.list.is_empty() {
            true => Write::Delete(key, same),
            false => Write::Put(item(key, &subscribers)?.due(Some(now)), same),
        });
        Ok(())
    }
}
