//! What people send to an execution: answers and cancels. Refused now when they cannot apply, stored once otherwise; the
//! worker consumes them in a commit of its own.

use super::events::CHILD_SIGNAL;
use super::keys;
use super::plan::Plan;
use super::stored::{Inbound, Meta, Outside, StageData};
use crate::error::{AppError, require};
use crate::ports::{Blobs, Clock, Condition, Entropy, Hint, Query, Queue, SignalSpec, Table, TransactError, Transaction, Write};
use crate::record::{item, load};
use crate::{applications, paging};
use engine::planted::{Bug, planted};
use engine::{Cancel, Event, Execution, decide};
use futures::{TryFutureExt, future};
use model::Millis;
use model::application::Application;
use model::id::{EventId, ExecutionId};
use model::person::{Action, May, Principal, may};
use model::problem::Problems;
use model::status::Status;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Most bytes of an answer.
pub const BODY_BYTES_MAX: usize = 16 << 10;
/// Most bytes of a cancel's reason.
pub const REASON_BYTES_MAX: usize = 1_024;
/// An event that nobody consumed is forgotten after this.
const EVENT_KEPT_MS: Millis = 90 * 24 * 3_600_000;
/// How long the repeat of a request is recognised after it was consumed.
const DONE_KEPT_MS: Millis = 24 * 3_600_000;
/// How often a send is tried again when the execution moved meanwhile.
const TRIES_MAX: u32 = 10;
/// So many events may wait before people are refused; one from another execution is always taken in.
pub const WAITING_MAX: usize = 200;

/// Stages that wait are read before it is known which of them is meant, when there are no more than these.
const WAITING_BESIDE_MAX: usize = 4;

/// What sending needs of the outside.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// The table.
    pub table: &'a dyn Table,
    /// Plans.
    pub blobs: &'a dyn Blobs,
    /// Hints.
    pub queue: &'a dyn Queue,
    /// Now.
    pub clock: &'a dyn Clock,
    /// Fresh ids.
    pub entropy: &'a dyn Entropy,
}

/// An answer to a waiting stage.
#[derive(Debug, Clone)]
pub struct Signal {
    /// The stage's refId.
    pub stage: String,
    /// The signal's name; `judgment` for a judgment.
    pub name: String,
    /// What is said.
    pub body: Value,
}

/// May this caller send this signal? Whoever the stage names; whoever may judge in the application when it names nobody.
#[must_use]
pub fn may_signal(caller: &Principal, application: &Application, signal: &SignalSpec) -> May {
    if signal.allowed.is_empty() {
        return application.may(caller, Action::Judge);
    }
    let base = may(caller, Action::Judge);
    if !base.allowed || caller.is_among(&signal.allowed) {
        return base;
    }
    May::no("not-in-group", format!("only {} may answer this", signal.allowed.join(", ")))
}

/// Sends an answer. Gives the id of the event; what became of it stands in the execution's log.
pub async fn signal(
    ports: Ports<'_>,
    caller: &Principal,
    id: &ExecutionId,
    signal: &Signal,
    key: Option<&str>,
) -> Result<EventId, AppError> {
    let body = signal.body.to_string();
    if body.len() > BODY_BYTES_MAX {
        return Err(AppError::invalid("/body", "too-long", format!("an answer has at most {BODY_BYTES_MAX} bytes")));
    }
    if signal.name.starts_with(CHILD_SIGNAL) {
        let message = "only the end of an execution sends this signal, not a person";
        return Err(AppError::Denied { code: "signal-reserved".to_owned(), message: message.to_owned() });
    }
    let event = event_id(ports, caller, id, key)?;
    for _ in 0..TRIES_MAX {
        let beside = |runs: Vec<usize>| future::try_join(ahead(ports, id, &event), suspended(ports.table, id, runs));
        let (Opened { meta, plan, application }, beside) = open_beside(ports, caller, id, beside).await?;
        let (ahead, stages) = beside?;
        let unknown = || AppError::NotFound { what: "stage", id: signal.stage.clone() };
        let run = plan.position(&signal.stage).ok_or_else(unknown)?;
        let seq = meta.execution.run(run).map(|r| r.seq).unwrap_or_default();
        if ahead.sent {
            return Ok(event);
        }
        let sent = Event::Signal { run, name: signal.name.clone(), sender: caller.name.clone(), body: body.clone() };
        ahead.refuse(&meta, &sent, ports.clock.now_ms())?;
        let data = match stages.into_iter().find(|(known, _)| *known == run) {
            Some((_, data)) => data,
            None => stage_data(ports.table, id, run).await?.1,
        };
        let Some(spec) = data.signals.iter().find(|spec| spec.name == signal.name) else { continue };
        require(may_signal(caller, &application, spec))?;
        fits_form(spec, &signal.body)?;
        let attempt = meta.execution.run(run).map(|r| r.attempt).unwrap_or_default();
        let same = Condition::Attribute(keys::suspension(run), format!("{attempt}:{seq}"));
        let what = Outside::Signal { run, attempt, seq, name: signal.name.clone(), body: body.clone() };
        if put(ports, &caller.name, &meta, &event, &ahead, what, vec![same]).await? {
            return Ok(event);
        }
    }
    Err(AppError::conflict("changed-in-between", "the execution moves faster than it can be answered: try again"))
}

/// Asks the execution to end.
pub async fn cancel(ports: Ports<'_>, caller: &Principal, id: &ExecutionId, reason: &str, key: Option<&str>) -> Result<EventId, AppError> {
    if reason.len() > REASON_BYTES_MAX {
        return Err(AppError::invalid("/reason", "too-long", format!("a reason has at most {REASON_BYTES_MAX} bytes")));
    }
    let event = event_id(ports, caller, id, key)?;
    for _ in 0..TRIES_MAX {
        let (Opened { meta, application, .. }, ahead) = open_for(ports, caller, id, &event).await?;
        require(application.may(caller, Action::Cancel))?;
        if ahead.sent {
            return Ok(event);
        }
        let cancel = Cancel::person(&caller.name, reason);
        ahead.refuse(&meta, &Event::Cancel(cancel.clone()), ports.clock.now_ms())?;
        if put(ports, &caller.name, &meta, &event, &ahead, Outside::Cancel(cancel), vec![]).await? {
            return Ok(event);
        }
    }
    Err(AppError::conflict("changed-in-between", "the execution moves faster than it can be cancelled: try again"))
}

/// The event's id: from the caller's own key, so that a repeat is the same event, or a fresh one.
pub(super) fn event_id(ports: Ports<'_>, caller: &Principal, id: &ExecutionId, key: Option<&str>) -> Result<EventId, AppError> {
    let text = match key {
        Some(key) => hex::encode(Sha256::digest(format!("{}\n{id}\n{key}", caller.name))).chars().take(40).collect(),
        None => ports.entropy.ulid(ports.clock.now_ms()),
    };
    EventId::parse(text).map_err(|error| AppError::invalid("", "idempotency-key-invalid", error.to_string()))
}

/// An execution that somebody may see.
pub(super) struct Opened {
    pub(super) meta: Meta,
    pub(super) plan: Plan,
    pub(super) application: Application,
}

/// What was sent to an execution before a request.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// This very request waits to be consumed, or has been.
    pub(super) sent: bool,
    /// What waits to be consumed, in its order.
    waiting: Vec<Inbound>,
}

impl Ahead {
    /// The refusal that a person should see now: what was accepted before is as good as done.
    pub(super) fn refuse(&self, meta: &Meta, event: &Event, now: Millis) -> Result<(), AppError> {
        match decide(&self.expected(meta, now), event, now) {
            Ok(_) => Ok(()),
            Err(refusal) => Err(AppError::Conflict { code: refusal.code, message: refusal.message, data: Value::Null }),
        }
    }

    /// The execution as it will stand when its worker has done what waits.
    fn expected<'m>(&self, meta: &'m Meta, now: Millis) -> Cow<'m, Execution> {
        let mut execution = Cow::Borrowed(&meta.execution);
        for inbound in &self.waiting {
            if inbound.is_stale(&execution) {
                continue;
            }
            // What is refused will be refused then, too.
            if let Ok(decision) = decide(&execution, &inbound.event(), now) {
                execution = Cow::Owned(decision.execution);
            }
        }
        execution
    }
}

/// Opens an execution to ask something of it.
pub(super) async fn open_for(ports: Ports<'_>, caller: &Principal, id: &ExecutionId, event: &EventId) -> Result<(Opened, Ahead), AppError> {
    let (opened, ahead) = open_beside(ports, caller, id, |_| ahead(ports, id, event)).await?;
    Ok((opened, ahead?))
}

pub(super) async fn open(ports: Ports<'_>, caller: &Principal, id: &ExecutionId) -> Result<Opened, AppError> {
    Ok(open_beside(ports, caller, id, |_| future::ready(())).await?.0)
}

/// META comes first: whatever it shows of a request, what else is read shows that request, too. What is read beside the rest knows
/// which runs wait for somebody.
async fn open_beside<F: Future>(
    ports: Ports<'_>,
    caller: &Principal,
    id: &ExecutionId,
    beside: impl FnOnce(Vec<usize>) -> F,
) -> Result<(Opened, F::Output), AppError> {
    let unknown = || AppError::NotFound { what: "execution", id: id.to_string() };
    require(may(caller, Action::Read))?;
    let (mut meta, _) = load::<Meta>(ports.table, &keys::meta(id)).await?.ok_or_else(unknown)?;
    let seen = applications::get(ports.table, caller, &meta.application);
    let waiting = (0..meta.execution.runs.len()).filter(|run| meta.execution.status_of(*run) == Status::Suspended).collect();
    let (seen, plan, beside) = future::join3(seen, Plan::of(ports.table, ports.blobs, &meta), beside(waiting)).await;
    let (application, _) = seen.map_err(|error| match error {
        AppError::NotFound { .. } => unknown(),
        other => other,
    })?;
    let plan = plan?;
    meta.execution.graph = plan.graph()?;
    Ok((Opened { meta, plan, application }, beside))
}

/// What stages that wait are waiting for, where they are few: nobody knows yet which of them is meant.
async fn suspended(table: &dyn Table, id: &ExecutionId, runs: Vec<usize>) -> Result<Vec<(usize, StageData)>, AppError> {
    let few: Vec<_> = runs.iter().filter(|_| runs.len() <= WAITING_BESIDE_MAX).map(|run| stage_data(table, id, *run)).collect();
    future::try_join_all(few).await
}

async fn stage_data(table: &dyn Table, id: &ExecutionId, run: usize) -> Result<(usize, StageData), AppError> {
    let data = load::<StageData>(table, &keys::stage(id, run)).await?.map(|(data, _)| data);
    Ok((run, data.unwrap_or_default()))
}

/// What waits, and whether this request is among it or was carried out: a repeat of it then is no other.
async fn ahead(ports: Ports<'_>, id: &ExecutionId, event: &EventId) -> Result<Ahead, AppError> {
    let done = keys::done(id, event.as_str());
    let (waiting, done) = future::try_join(waiting(ports.table, id), ports.table.get(&done).map_err(AppError::from)).await?;
    let sent = done.is_some() || waiting.iter().any(|inbound| inbound.id == event.as_str());
    Ok(Ahead { sent, waiting })
}

/// What waits in an execution's inbox, in the order in which it was accepted. The order of the store says nothing: what is sent with a
/// key has an id that is made of it.
pub(super) async fn waiting(table: &dyn Table, id: &ExecutionId) -> Result<Vec<Inbound>, AppError> {
    let found = paging::all::<Inbound>(table, &keys::partition(id), keys::EVENTS).await?;
    let mut events: Vec<Inbound> = found.into_iter().map(|(inbound, _)| inbound).collect();
    events.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
    Ok(events)
}

/// Nothing waits.
pub(super) async fn is_empty(table: &dyn Table, id: &ExecutionId) -> Result<bool, AppError> {
    let query = Query::prefix(keys::partition(id), keys::EVENTS, 1);
    Ok(table.query(&query).await?.items.is_empty())
}

/// Remembers a request of a person that was consumed, so that its repeat does not do the same once more.
pub(super) fn done(id: &ExecutionId, inbound: &Inbound, conditions: Vec<Condition>) -> Result<Write, AppError> {
    let item = item(keys::done(id, &inbound.id), inbound)?.expires(Some(inbound.at + DONE_KEPT_MS));
    Ok(Write::Put(item, conditions))
}

fn fits_form(spec: &SignalSpec, body: &Value) -> Result<(), AppError> {
    let Some(form) = &spec.form else { return Ok(()) };
    let validator =
        jsonschema::validator_for(form).map_err(|error| AppError::Damaged(format!("the stage's form is no schema: {error}")))?;
    let mut problems = Problems::default();
    for error in validator.iter_errors(body) {
        problems.error(format!("/body{}", error.instance_path()), "form-not-met", error.to_string());
    }
    if problems.has_errors() { Err(AppError::Invalid(problems.into_vec())) } else { Ok(()) }
}

/// An event that nobody consumed is found by the tick.
pub(super) fn found_by_tick(now: Millis) -> Option<Millis> {
    (!planted(Bug::EventLeftAtRest)).then_some(now)
}

/// Stores the event. False when the execution moved meanwhile.
pub(super) async fn put(
    ports: Ports<'_>,
    sender: &str,
    meta: &Meta,
    event: &EventId,
    ahead: &Ahead,
    what: Outside,
    same: Vec<Condition>,
) -> Result<bool, AppError> {
    // A cancel always finds room: a second one would not have come so far.
    if ahead.waiting.len() >= WAITING_MAX && !matches!(what, Outside::Cancel(_)) {
        let message =
            format!("{} requests wait to be looked at: this execution takes no more until it has looked at some", ahead.waiting.len());
        return Err(AppError::refused("inbox-full", message));
    }
    let now = ports.clock.now_ms();
    let id = &meta.execution.id;
    let generation = Some(ahead.expected(meta, now).generation);
    // What waits already is done before it, whatever the clock says of the process that took it in.
    let at = ahead.waiting.last().map_or(now, |last| now.max(last.at + 1));
    let inbound = Inbound { id: event.to_string(), sender: sender.to_owned(), at, generation, what };
    let item = item(keys::event(id, event.as_str()), &inbound)?.due(found_by_tick(now)).expires(Some(now + EVENT_KEPT_MS));
    let mut conditions = vec![Condition::Attribute(keys::OPEN.to_owned(), "1".to_owned())];
    conditions.extend(same);
    let writes = vec![
        Write::Put(item, vec![Condition::Absent]),
        Write::Check(keys::done(id, event.as_str()), vec![Condition::Absent]),
        Write::Check(keys::meta(id), conditions),
    ];
    match ports.table.transact(Transaction::of(writes)).await {
        Ok(()) => {
            ports.queue.hint(Hint::Execution { id: id.clone() }, 0).await;
            Ok(true)
        }
        Err(TransactError::Conflict(_)) => Ok(false),
        Err(other) => Err(other.into()),
    }
}
