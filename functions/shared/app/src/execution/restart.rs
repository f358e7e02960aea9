//! An execution that has ended is opened again: one transaction that nobody else can have made meanwhile, since nobody works on it.
//! While it runs, its worker folds the restart as any outside event.

use super::inbox::done;
use super::plan::Plan;
use super::start::{self, meta_item};
use super::step::views;
use super::stored::{EventVerdict, Inbound, LogEntry, Meta, Outside, RESTARTS_KEPT_MAX, Restarted, Transition};
use super::{epilogue, keys};
use crate::error::AppError;
use crate::ports::{Condition, Hint, TransactError, Transaction, Write};
use crate::record::{item, load};
use engine::{Event, Execution, decide};
use model::Millis;
use model::id::EventId;
use model::person::Principal;

/// Restarts a stage of an execution that has ended. False when somebody else did something to it meanwhile.
pub(super) async fn ended(
    ports: start::Ports<'_>,
    caller: &Principal,
    meta: Meta,
    plan: &Plan,
    run: usize,
    event: &EventId,
) -> Result<bool, AppError> {
    let id = meta.execution.id.clone();
    // What was sent to the earlier generation is answered, and its end told, before there is another.
    epilogue::run(epilogue::Ports { table: ports.table, clock: ports.clock, queue: ports.queue }, &id).await?;
    let Some((found, revision)) = load::<Meta>(ports.table, &keys::meta(&id)).await? else { return Ok(false) };
    if found.execution.version != meta.execution.version {
        return Ok(false);
    }
    let now = ports.clock.now_ms();
    let mut next = found;
    next.execution = match decide(&meta.execution, &Event::Restart { run }, now) {
        Ok(decision) => decision.execution,
        Err(refusal) => return Err(AppError::refused(refusal.code, refusal.message)),
    };
    note(&mut next, &meta.execution, plan, run, &caller.name, now);
    next.execution.version += 1;
    let mut writes = Vec::new();
    let slots = start::enter(ports, plan, &mut next.execution, now).await?;
    writes.push(Write::Put(meta_item(&next)?, vec![Condition::Revision(revision)]));
    writes.push(slots);
    let entry = LogEntry {
        version: next.execution.version,
        at: now,
        transitions: vec![Transition {
            stage: None,
            from: meta.execution.status,
            to: next.execution.status,
            reason: next.execution.reason.clone(),
        }],
        verdicts: vec![EventVerdict {
            id: event.to_string(),
            sender: caller.name.clone(),
            verdict: "applied".to_owned(),
            message: String::new(),
        }],
        ..LogEntry::default()
    };
    writes.push(Write::Put(item(keys::log(&id, next.execution.version), &entry)?, vec![Condition::Absent]));
    let inbound = Inbound { id: event.to_string(), sender: caller.name.clone(), at: now, generation: None, what: Outside::Restart { run } };
    writes.push(done(&id, &inbound, vec![Condition::Absent])?);
    if let Some(parent) = &plan.parent {
        // The next attempt of the stage that started it finds this execution instead of starting another.
        let correlation = start::child_correlation(parent, parent.attempt + 1, &plan.pipeline);
        writes.push(Write::Put(start::correlate(&correlation, &id, &[], now)?, vec![]));
    }
    writes.extend(views(ports.table, &next, Some(plan), ports.limits.kept_ms).await?);
    match ports.table.transact(Transaction::of(writes)).await {
        Ok(()) => {
            ports.queue.hint(Hint::Execution { id }, 0).await;
            Ok(true)
        }
        Err(TransactError::Conflict(_)) => Ok(false),
        Err(other) => Err(other.into()),
    }
}

/// Notes a restart beside the execution.
pub(crate) fn note(meta: &mut Meta, before: &Execution, plan: &Plan, run: usize, by: &str, now: Millis) {
    let top = before.graph.top_of(run);
    let stage = plan.stages.get(top).map(|stage| stage.ref_id.to_string()).unwrap_or_default();
    let was = before.run(top);
    meta.restarts.push(Restarted {
        stage,
        by: by.to_owned(),
        at: now,
        generation: meta.execution.generation,
        previous: was.map_or(model::status::Status::NotStarted, |run| run.status()),
        previous_reason: was.and_then(|run| run.reason()).cloned(),
    });
    let surplus = meta.restarts.len().saturating_sub(RESTARTS_KEPT_MAX);
    meta.restarts.drain(..surplus);
}
