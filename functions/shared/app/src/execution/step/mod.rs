//! Moves an execution: takes it, runs every ready stage, folds what comes back through the engine, commits, and goes on until
//! the execution rests or the budget is spent. After the start nothing else commits an execution.
//!
//! One worker is one future: steps, watches and timers are polled inside it, nothing is spawned, so a simulation drives it
//! deterministically and dropping it stops everything.

mod call;
mod commit;
mod flight;
mod foreign;
mod held;
mod journal;
mod outcome;
mod park;
mod planned;
pub(in crate::execution) mod resolve;

use super::epilogue;
use crate::error::AppError;
use crate::limits::Limits;
use crate::ports::{Blobs, Changes, Clock, Cluster, Entropy, Hint, Queue, Sealer, StageHost, Table};
use async_trait::async_trait;
pub(super) use commit::views;
use engine::planted::{Bug, planted};
use engine::{Event, is_due, wake_at, wanted};
use flight::{Came, Flights};
pub(super) use foreign::Foreign;
use held::Taken;
pub(super) use held::{Held, load_stages};
pub(crate) use journal::SHAPE as TRACE;
use model::Millis;
use model::id::ExecutionId;
use model::status::Status;
use std::sync::Arc;

/// Stages that are resolved in one commit; the rest follow in the next.
const RESOLVES_A_COMMIT_MAX: usize = 25;
/// How often a commit is made again because what stands beside the execution changed: its pipeline's slots, a child that ended.
const COMMITS_MAX: u32 = 100;
/// Things that came in and are folded into one commit.
const CAME_A_COMMIT_MAX: usize = 10;
/// Longest delay that a hint can have.
const HINT_MS_MAX: Millis = 15 * 60_000;

/// What moving an execution needs of the outside.
#[derive(Clone)]
pub struct Ports {
    /// The table.
    pub table: Arc<dyn Table>,
    /// Plans, outputs.
    pub blobs: Arc<dyn Blobs>,
    /// Hints.
    pub queue: Arc<dyn Queue>,
    /// Followers.
    pub changes: Arc<dyn Changes>,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub entropy: Arc<dyn Entropy>,
    /// Opens the accounts' secrets.
    pub sealer: Arc<dyn Sealer>,
    /// Runs steps.
    pub host: Arc<dyn StageHost>,
    /// Clusters.
    pub cluster: Arc<dyn Cluster>,
    /// What the installation allows.
    pub limits: Arc<Limits>,
    /// Since when this process is the only one that can reach the store, if it is: leases from before are of the dead.
    pub alone_since_ms: Option<Millis>,
}

impl Ports {
    /// What a start needs of them.
    #[must_use]
    pub fn start(&self) -> super::start::Ports<'_> {
        super::start::Ports {
            table: self.table.as_ref(),
            blobs: self.blobs.as_ref(),
            queue: self.queue.as_ref(),
            changes: self.changes.as_ref(),
            clock: self.clock.as_ref(),
            entropy: self.entropy.as_ref(),
            limits: &self.limits,
        }
    }

    fn epilogue(&self) -> epilogue::Ports<'_> {
        epilogue::Ports { table: self.table.as_ref(), clock: self.clock.as_ref(), queue: self.queue.as_ref() }
    }
}

/// Tells a worker that something was put into the execution's inbox.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Returns when the inbox should be looked at; at once when that was asked since the last call.
    async fn woken(&self);
    /// True when the process wants to stop: the worker begins no further step, and rests as soon as no step is under way.
    fn closing(&self) -> bool;
}

/// How long a worker may go on.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Begin no further step from then on, and rest when those that have begun are over.
    pub until_ms: Option<Millis>,
    /// Rest after so long with nothing but watches.
    pub linger_ms_max: Millis,
}

/// Why a worker stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rest {
    /// There is no such execution.
    Unknown,
    /// Another worker holds it.
    Busy,
    /// It has ended.
    Ended,
    /// Nothing to do until then, or until something comes in.
    Until(Option<Millis>),
    /// Another worker has taken over; everything held was dropped.
    Fenced,
    /// It was taken too often without getting anywhere, and was ended with that reason.
    Parked,
}

/// Moves an execution as far as it goes.
pub async fn advance(ports: &Ports, id: &ExecutionId, inbox: &dyn Inbox, budget: Budget) -> Result<Rest, AppError> {
    loop {
        let mut held = match Held::take(ports, id).await? {
            Taken::Mine(held) => *held,
            Taken::Not(rest @ (Rest::Ended | Rest::Parked | Rest::Unknown)) => {
                epilogue::run(ports.epilogue(), id).await?;
                return Ok(rest);
            }
            Taken::Not(rest) => return Ok(rest),
        };
        match drive(&mut held, inbox, budget).await {
            Ok(Some(Rest::Until(until))) => {
                if held.release().await? {
                    hint_at(ports, id, until).await;
                    return Ok(Rest::Until(until));
                }
                // Something came in between the last look and the release: take it again.
            }
            Ok(Some(rest)) => {
                epilogue::run(ports.epilogue(), id).await?;
                return Ok(rest);
            }
            Ok(None) | Err(Stop::Fenced) => return Ok(Rest::Fenced),
            Err(Stop::Failed(error)) => {
                held.let_go(&error).await;
                return Err(error);
            }
        }
    }
}

async fn hint_at(ports: &Ports, id: &ExecutionId, until: Option<Millis>) {
    // What is further away than a hint can be is brought by the tick: a chain of hints would only multiply.
    let delay = until.map(|until| until.saturating_sub(ports.clock.now_ms()));
    if let Some(delay) = delay.filter(|delay| *delay <= HINT_MS_MAX) {
        ports.queue.hint(Hint::Execution { id: id.clone() }, delay).await;
    }
}

/// Why a worker had to stop in the middle.
pub(crate) enum Stop {
    /// Another worker has taken over.
    Fenced,
    /// Something that is needed does not answer.
    Failed(AppError),
}

impl<E: Into<AppError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Folds, commits and waits until the execution rests; `None` when the worker is not the one any more.
async fn drive(held: &mut Held, inbox: &dyn Inbox, budget: Budget) -> Result<Option<Rest>, Stop> {
    let clock = held.ports.clock.clone();
    let mut flights = Flights::new(clock.clone(), inbox);
    let mut busy_since = clock.now_ms();
    let (mut look, mut begun) = (true, false);
    let mut came: Vec<Came> = Vec::new();
    loop {
        let now = clock.now_ms();
        for one in came.drain(..) {
            held.arrived(one, now).await?;
        }
        if look {
            look = held.read_inbox(now).await?;
        }
        if is_due(&held.meta.execution, now) {
            held.fold(&Event::Tick, now);
        }
        if held.meta.execution.status == Status::NotStarted {
            held.fold(&Event::Begin, now);
        }
        held.resolve_some(now).await?;
        if planted(Bug::EffectBeforeCommit) {
            flights.reconcile(held).await?;
            came.extend(flights.next(now + 20, CAME_A_COMMIT_MAX).await);
        }
        held.commit_as_it_stands(now).await?;
        if held.meta.execution.status.is_complete() {
            return Ok(Some(Rest::Ended));
        }
        if !held.leased && !wanted(&held.meta.execution).is_empty() {
            held.keep_lease(now).await?;
        }
        let spent = inbox.closing() || budget.until_ms.is_some_and(|until| now >= until);
        if spent && begun {
            // What has not begun is for another worker, who is hinted at it at once.
            let _left = flights.keep_wanted(held);
        } else {
            // However little time there is, whoever has taken it does something: otherwise nobody ever might.
            flights.reconcile(held).await?;
        }
        if held.leased {
            // Gathering what steps need can take long: no step begins for a worker whose time is over.
            held.keep_lease(clock.now_ms()).await?;
        }
        if flights.has_steps() {
            busy_since = now;
            begun = true;
        }
        let more = look || held.wants_resolving() || !held.meta.supersedes.is_empty();
        let linger = now.saturating_sub(busy_since) >= budget.linger_ms_max;
        if !more && !flights.has_steps() && (!flights.has_watches() || linger || spent) {
            return Ok(Some(Rest::Until(wake_at(&held.meta.execution))));
        }
        if !more {
            let until = held.next_look(now, busy_since + budget.linger_ms_max, budget.until_ms);
            came.extend(flights.next(until, CAME_A_COMMIT_MAX).await);
        }
        look = look || came.iter().any(|one| matches!(one, Came::Inbox));
        held.keep_lease(clock.now_ms()).await?;
    }
}

#[cfg(test)]
mod tests;
