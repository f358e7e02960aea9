//! What an execution's commit writes outside its own partition: its pipeline's slots, events to other executions, its subscription to
//! a child's end. All of it in the same transaction, so that none of it happens without the other.

use super::held::Held;
use super::{Stop, child_signal};
use crate::error::AppError;
use crate::execution::epilogue::sent;
use crate::execution::keys;
use crate::execution::slots::{self, Slots};
use crate::execution::stored::{Meta, Outside, SUBSCRIBERS_MAX, Subscribers, Subscription};
use crate::ports::{Condition, Hint, Write};
use crate::record::{item, load};
use engine::{Event, Execution, Phase};
use model::Millis;
use model::id::ExecutionId;
use serde_json::json;

/// Superseded executions that one commit tells; the rest follows in the next.
const TOLD_A_COMMIT_MAX: usize = 8;
/// The most that a commit writes elsewhere, subscriptions of its own stages not counted.
pub(crate) const FOREIGN_MAX: usize = TOLD_A_COMMIT_MAX + 2 + slots::GRANTS_MAX + SUBSCRIBERS_MAX;

/// Writes to other partitions, and whom to wake once they are made.
#[derive(Default)]
pub(crate) struct Foreign {
    pub(crate) writes: Vec<Write>,
    pub(crate) hints: Vec<Hint>,
    /// How many of the superseded are told.
    pub(crate) told: usize,
}

impl Held {
    /// Looks at every execution that a stage has just begun to wait for: one that has ended is told to the stage at once.
    pub(crate) async fn meet_children(&mut self, now: Millis) -> Result<(), Stop> {
        self.subscribe.clear();
        let mut waits = Vec::new();
        for (run, stage) in self.meta.execution.runs.iter().enumerate() {
            let Some(Phase::Suspended { signals, .. }) = stage.live().map(|live| &live.phase) else { continue };
            if self.before.run(run).is_some_and(|was| was.attempt == stage.attempt && was.state == stage.state) {
                continue;
            }
            let children = signals.iter().filter_map(|signal| ExecutionId::parse(signal.strip_prefix("execution:")?).ok());
            waits.extend(children.map(|child| (run, child)));
        }
        for (run, child) in waits {
            let found = load::<Meta>(self.ports.table.as_ref(), &keys::meta(&child)).await?;
            match found {
                Some((meta, _)) if !meta.execution.status.is_complete() => self.subscribe.push((run, child)),
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
    pub(crate) async fn foreign(&self, meta: &Meta, now: Millis) -> Result<Foreign, AppError> {
        let mut foreign = Foreign::default();
        self.subscribe_to(meta, &mut foreign).await?;
        for superseded in self.meta.supersedes.iter().take(TOLD_A_COMMIT_MAX) {
            let what = Outside::Superseded { by: self.id.clone() };
            foreign.writes.push(Write::Put(sent(superseded, &format!("superseded-{}", self.id), "waybill", what, now)?, vec![]));
            foreign.hints.push(Hint::Execution { id: superseded.clone() });
            foreign.told += 1;
        }
        if meta.execution.status.is_complete() && !self.before.status.is_complete() {
            self.leave(meta, &mut foreign, now).await?;
            self.tell_subscribers(meta, &mut foreign, now).await?;
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

    /// Gives the slot back, and grants it to who waits.
    async fn leave(&self, meta: &Meta, foreign: &mut Foreign, now: Millis) -> Result<(), AppError> {
        let found = load::<Slots>(self.ports.table.as_ref(), &keys::slots(&meta.pipeline)).await?;
        let Some((mut slots, revision)) = found else { return Ok(()) };
        let (left, grants) = slots.leave(&self.id);
        if !left {
            return Ok(());
        }
        foreign.writes.push(slots::write(&meta.pipeline, &slots, Some(revision))?);
        for grant in grants {
            let what = Outside::Granted { superseded: grant.superseded };
            let event = format!("granted-{}-{}", self.id, meta.execution.generation);
            foreign.writes.push(Write::Put(sent(&grant.execution, &event, "waybill", what, now)?, vec![]));
            foreign.hints.push(Hint::Execution { id: grant.execution });
        }
        Ok(())
    }

    /// Tells every stage that waits for this end. Whoever subscribes at the same moment makes this commit be made again.
    async fn tell_subscribers(&self, meta: &Meta, foreign: &mut Foreign, now: Millis) -> Result<(), AppError> {
        let key = keys::subscribers(&self.id);
        let Some((subscribers, revision)) = load::<Subscribers>(self.ports.table.as_ref(), &key).await? else {
            foreign.writes.push(Write::Check(key, vec![Condition::Absent]));
            return Ok(());
        };
        foreign.writes.push(Write::Delete(key, vec![Condition::Revision(revision)]));
        let Execution { id, status, generation, .. } = &meta.execution;
        for Subscription { execution: parent, run, attempt } in subscribers.list {
            let what = Outside::ChildEnded { run, attempt, child: id.clone(), status: *status };
            let event = format!("child-{id}-{run}-{attempt}-{generation}");
            foreign.writes.push(Write::Put(sent(&parent, &event, "waybill", what, now)?, vec![]));
            foreign.hints.push(Hint::Execution { id: parent });
        }
        Ok(())
    }
}
