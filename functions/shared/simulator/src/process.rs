//! Processes and how hints reach them. A process has at most one task an execution and a mailbox for what comes in
//! meanwhile, as the real orchestrator has; what it holds dies with it.

use crate::fault::Fault;
use crate::ports::LIMITS;
use crate::rng::mix;
use crate::scenario::{Place, Scenario};
use crate::state::{Event, START, State, Who};
use app::execution::step::Inbox;
use app::ports::Hint;
use async_trait::async_trait;
use model::Millis;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// First pause after a failure before a tick may bring an execution back; doubles with each further one.
const PAUSE_MS_FIRST: Millis = 1_000;
const PAUSE_MS_MAX: Millis = 60_000;
/// How far ahead the tick looks that sends hints through a queue.
const AHEAD_MS: Millis = 120_000;

/// A process.
pub(crate) struct Process {
    /// Raised with every restart.
    pub(crate) life: u32,
    pub(crate) up: bool,
    /// It stands still until then.
    pub(crate) stalled_until: Millis,
    /// How far its clock is off.
    pub(crate) skew: i64,
    pub(crate) alone_since_ms: Option<Millis>,
    /// When the last tick was.
    ticked: Millis,
    live: Vec<Live>,
    failures: Vec<(Hint, u32, Millis)>,
}

struct Live {
    hint: Hint,
    task: u64,
    mailbox: Arc<Mailbox>,
}

impl Process {
    pub(crate) fn new(scenario: &Scenario, at: usize) -> Self {
        let off = mix(scenario.seed, at as u64 ^ 0xC10C) % 20_001;
        let skewed = scenario.classes.has(crate::fault::Class::Clocks);
        Self {
            life: 0,
            up: true,
            stalled_until: 0,
            skew: if skewed { off as i64 - 10_000 } else { 0 },
            alone_since_ms: (scenario.place == Place::Alone).then_some(START),
            ticked: START,
            live: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// The executions it works on.
    pub(crate) fn executions(&self) -> impl Iterator<Item = &str> {
        self.live.iter().filter_map(|live| id_of(&live.hint))
    }

    /// Whether something is under way.
    pub(crate) fn is_at_work(&self) -> bool {
        !self.live.is_empty()
    }

    /// The execution that a task works on.
    pub(crate) fn execution_of(&self, task: u64) -> Option<&str> {
        self.live.iter().find(|live| live.task == task).and_then(|live| id_of(&live.hint))
    }

    /// The mailbox of the task that is at it already.
    pub(crate) fn mailbox(&self, hint: &Hint) -> Option<Arc<Mailbox>> {
        self.live.iter().find(|live| live.hint == *hint).map(|live| live.mailbox.clone())
    }

    pub(crate) fn attends(&mut self, hint: Hint, task: u64, mailbox: Arc<Mailbox>) {
        self.live.push(Live { hint, task, mailbox });
    }

    pub(crate) fn rests(&mut self, hint: &Hint) {
        self.live.retain(|live| live.hint != *hint);
    }

    /// Whether a tick leaves it alone, because it failed lately.
    pub(crate) fn pauses(&self, hint: &Hint, now: Millis) -> bool {
        self.failures.iter().any(|(failed, _, until)| failed == hint && *until > now)
    }

    pub(crate) fn note(&mut self, hint: &Hint, failed: bool, now: Millis) {
        let count = self.failures.iter().find(|(other, ..)| other == hint).map_or(0, |(_, count, _)| *count);
        self.failures.retain(|(other, ..)| other != hint);
        if failed {
            let pause = PAUSE_MS_FIRST.saturating_mul(1 << count.min(16)).min(PAUSE_MS_MAX);
            self.failures.push((hint.clone(), count + 1, now + pause));
        }
    }

    /// It dies: everything it held is gone.
    pub(crate) fn die(&mut self) {
        self.up = false;
        self.life += 1;
        self.live.clear();
        self.failures.clear();
        self.stalled_until = 0;
    }
}

fn id_of(hint: &Hint) -> Option<&str> {
    match hint {
        Hint::Execution { id } => Some(id.as_str()),
        _ => None,
    }
}

/// A hint came to the queue.
pub(crate) fn send(state: &mut State, number: u64, who: Who, hint: &Hint, delay_ms: u64, fault: Option<Fault>) {
    let late = match fault {
        Some(Fault::HintLost) => return,
        Some(Fault::HintLate(ms)) => ms,
        _ => 0,
    };
    let chance = state.chance(number, 0x41A7);
    deliver(state, chance, who, hint, delay_ms + late);
    if let Some(Fault::HintTwice(ms)) = fault {
        deliver(state, chance >> 13, who, hint, delay_ms + ms);
    }
}

fn deliver(state: &mut State, chance: u64, who: Who, hint: &Hint, delay_ms: u64) {
    let hint = hint.clone();
    let event = match state.scenario.place {
        Place::Alone => Event::Hint { process: 0, life: Some(who.life), hint },
        Place::Apart(workers) => Event::Hint { process: chance as usize % workers, life: None, hint },
    };
    let travels = if state.scenario.place == Place::Alone { 0 } else { (chance >> 8) % 50 };
    state.at(state.now + delay_ms + travels, event);
}

/// When the next tick finds something, and where it runs; a tick that finds nothing is left out.
pub(crate) fn next_tick(state: &State) -> Option<(Millis, usize, Millis)> {
    let process = state.scenario.place.front();
    let (due, _) = state.store.first_due()?;
    let Process { up, ticked, skew, .. } = &state.processes[process];
    if !up {
        return None;
    }
    let (period, ahead) = match state.scenario.place {
        Place::Alone => (1_000, 0),
        Place::Apart(_) => (60_000, AHEAD_MS),
    };
    let due = due.saturating_add_signed(-skew).saturating_sub(ahead);
    Some(((ticked + period).max(due), process, ahead))
}

/// A tick is due: puts it where things happen, late or double when the index is in trouble.
pub(crate) fn tick(state: &mut State, at: Millis, process: usize, horizon_ms: Millis) {
    state.processes[process].ticked = at.max(state.now);
    let trouble = state.scenario.classes.has(crate::fault::Class::Index) && state.calls < state.scenario.faulty_calls_max;
    let chance = mix(state.scenario.seed, at ^ 0x71C4);
    let late = if trouble && chance.is_multiple_of(4) { (chance >> 8) % 120_000 } else { 0 };
    state.at(at + late, Event::Tick { process, horizon_ms });
    if trouble && chance.is_multiple_of(5) {
        state.at(at + (chance >> 16) % 3_000, Event::Tick { process, horizon_ms });
    }
    state.processes[process].ticked += late;
}

/// The tick of a process that has just come up looks one lease ahead: what is left is of the dead.
pub(crate) fn first_tick(state: &mut State, process: usize) {
    state.at(state.now, Event::Tick { process, horizon_ms: LIMITS.lease_ms });
}

/// The mailbox of a task: one bit, somebody asked to look again.
#[derive(Default)]
pub(crate) struct Mailbox(Mutex<Post>);

#[derive(Default)]
struct Post {
    pending: bool,
    waker: Option<Waker>,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Post> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn post(&self) {
        let waker = {
            let mut post = self.lock();
            post.pending = true;
            post.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn take(&self) -> bool {
        std::mem::take(&mut self.lock().pending)
    }
}

#[async_trait]
impl Inbox for Mailbox {
    async fn woken(&self) {
        poll_fn(|context| {
            if self.take() {
                return Poll::Ready(());
            }
            self.lock().waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn closing(&self) -> bool {
        false
    }
}
