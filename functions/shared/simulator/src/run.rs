//! One run of a scenario: tasks are polled when something they wait for happened, and what happens next is what is earliest.

use crate::base;
use crate::check::{self, Outcome};
use crate::fault::Fault;
use crate::faults::Faults;
use crate::people;
use crate::ports::{LIMITS, Port, Ports};
use crate::process::{self, Mailbox};
use crate::pushes;
use crate::scenario::{From, Place, Scenario};
use crate::state::{Event, Failure, Request, START, State, Who, World};
use app::error::AppError;
use app::execution::step::{self, Budget, Inbox};
use app::ports::{Hint, Key};
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{self, BoxFuture};
use model::Millis;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// A run that is at rest may be looked at so often by ticks that find nothing to do, and for so long: one that failed lately is left
/// alone for a minute, and may fail again.
const IDLE_TICKS_MAX: u32 = 100;
const IDLE_MS_MAX: Millis = 20 * 60_000;
/// A run takes no longer than this.
const RUN_MS_MAX: Millis = 4_000 * 24 * 3_600_000;

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// What went wrong.
    pub failure: Option<Failure>,
    /// What the executions came to.
    pub outcomes: Vec<Option<Outcome>>,
    /// The faults there were.
    pub faults: Vec<(u64, Fault)>,
    /// Calls that were made.
    pub calls: u64,
    /// What happened, if it was to be told.
    pub story: Vec<String>,
    /// Transitions of all executions.
    pub transitions: u64,
    /// What came to pass.
    pub shown: BTreeSet<&'static str>,
    /// Items in the store at the end.
    pub items: usize,
}

/// How a run is made.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// Exactly these faults; none draws them from the seed.
    pub faults: Option<Vec<(u64, Fault)>>,
    /// Keep what happened.
    pub told: bool,
}

/// Runs a scenario.
#[must_use]
pub fn run(scenario: &Arc<Scenario>, how: &How) -> Report {
    let faults = how.faults.as_ref().map_or_else(Faults::default, |list| Faults::listed(list.iter().copied()));
    let store = base::store(scenario);
    let world = World::new(State::new(scenario.clone(), store, faults, how.told));
    let mut runner = Runner { world: world.clone(), tasks: BTreeMap::new(), ready: Arc::default(), next: 1, idle: 0, idle_since: None };
    let done = catch_unwind(AssertUnwindSafe(|| runner.run()));
    if let Err(panic) = done {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        world.lock().fail("panic", text.unwrap_or_default());
    }
    let tasks = std::mem::take(&mut runner.tasks);
    drop(catch_unwind(AssertUnwindSafe(|| drop(tasks))));
    let mut state = world.lock();
    Report {
        failure: state.failure.clone(),
        outcomes: check::outcome(&state),
        faults: std::mem::take(&mut state.faults.fired),
        calls: state.calls,
        transitions: state.watch.runs.iter().map(|run| run.transitions).sum(),
        shown: check::shown(&state),
        items: state.kept(),
        story: state.story(),
    }
}

#[derive(Default)]
struct Ready(Mutex<VecDeque<u64>>);

impl Ready {
    fn push(&self, task: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(task);
    }

    fn pop(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

struct Ring {
    task: u64,
    rung: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::Relaxed) {
            self.ready.push(self.task);
        }
    }
}

struct Task {
    future: BoxFuture<'static, ()>,
    process: usize,
    ring: Arc<Ring>,
    /// What is lost when it dies.
    post: Option<usize>,
}

struct Runner {
    world: Arc<World>,
    tasks: BTreeMap<u64, Task>,
    ready: Arc<Ready>,
    next: u64,
    /// Ticks since everything came to rest.
    idle: u32,
    idle_since: Option<Millis>,
}

impl Runner {
    fn run(&mut self) {
        {
            let mut state = self.world.lock();
            people::begin(&mut state);
            let front = state.scenario.place.front();
            process::first_tick(&mut state, front);
        }
        while self.world.lock().failure.is_none() {
            if let Some(task) = self.ready.pop() {
                self.poll(task);
            } else if !self.happen() {
                break;
            }
        }
        let mut state = self.world.lock();
        if state.failure.is_none() {
            check::at_rest(&mut state);
        }
    }

    fn poll(&mut self, id: u64) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.ring.rung.store(false, Ordering::Relaxed);
        self.world.lock().task = id;
        let waker = Waker::from(task.ring.clone());
        if task.future.poll_unpin(&mut Context::from_waker(&waker)).is_ready() {
            self.tasks.remove(&id);
        }
    }

    fn spawn(&mut self, process: usize, post: Option<usize>, future: BoxFuture<'static, ()>) {
        let id = self.next;
        self.next += 1;
        let ring = Arc::new(Ring { task: id, rung: AtomicBool::new(true), ready: self.ready.clone() });
        self.ready.push(id);
        self.tasks.insert(id, Task { future, process, ring, post });
    }

    /// The next thing happens. False when nothing ever will again.
    fn happen(&mut self) -> bool {
        let world = self.world.clone();
        let mut state = world.lock();
        let next = state.next_at();
        if let Some((at, process, horizon)) = process::next_tick(&state)
            && next.is_none_or(|next| at < next)
        {
            if self.is_idle(&state) {
                self.idle += 1;
                let since = *self.idle_since.get_or_insert(state.now);
                if self.idle > IDLE_TICKS_MAX && state.now.saturating_sub(since) > IDLE_MS_MAX {
                    let due = state.store.first_due().map(|(_, key)| key.clone());
                    state.fail("due-left", format!("everything rests, and {due:?} stays due"));
                    return false;
                }
            }
            process::tick(&mut state, at, process, horizon);
        }
        let Some(event) = state.next_event() else { return false };
        if state.now - START > RUN_MS_MAX {
            state.fail("never-rests", "it goes on for more than ten years");
            return false;
        }
        if let Some(process) = state.waits_for(&event) {
            let until = state.processes[process].stalled_until;
            if until > state.now {
                state.at(until, event);
                return true;
            }
        }
        match event {
            Event::Arrive { slot, number } => state.arrive(slot, number),
            Event::Answer { slot, number } => state.answer(slot, number),
            other => {
                drop(state);
                self.handle(other);
            }
        }
        true
    }

    fn is_idle(&self, state: &State) -> bool {
        // One that another execution may start may never be there.
        let complete = |(run, seen): (usize, &check::Seen)| match &seen.meta {
            Some(meta) => meta.execution.status.is_complete(),
            None => matches!(state.scenario.runs[run].from, From::Child { .. }),
        };
        // One that stands still was given its ticks for nothing: it looks when it goes on.
        let works = state.processes.iter().any(|process| process.is_at_work() || process.stalled_until > state.now);
        !works && state.people.rest() && state.watch.runs.iter().enumerate().all(complete)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Hint { process, life, hint } => self.hint(process, life, hint),
            Event::Tick { process, horizon_ms } => self.tick(process, horizon_ms),
            Event::Send(at) => self.send(at),
            Event::Crash(who) => self.crash(who),
            Event::Restart(process) => self.restart(process),
            Event::Arrive { .. } | Event::Answer { .. } => {}
        }
    }

    fn who(&self, process: usize) -> Option<Who> {
        let state = self.world.lock();
        let Process { up, life } = Process { up: state.processes[process].up, life: state.processes[process].life };
        up.then_some(Who { process, life })
    }

    /// Starts a task for the execution, or tells the one that is at it.
    fn hint(&mut self, process: usize, life: Option<u32>, hint: Hint) {
        let Some(who) = self.who(process) else {
            // A queue delivers again; what was kept in memory is gone.
            if life.is_none() {
                let mut state = self.world.lock();
                let later = state.now + 1_000;
                state.at(later, Event::Hint { process, life, hint });
            }
            return;
        };
        if life.is_some_and(|life| life != who.life) {
            return;
        }
        let mut state = self.world.lock();
        if let Some(mailbox) = state.processes[process].mailbox(&hint) {
            drop(state);
            return mailbox.post();
        }
        let mailbox = Arc::new(Mailbox::default());
        state.processes[process].attends(hint.clone(), self.next, mailbox.clone());
        drop(state);
        let future = attend(self.world.clone(), who, hint, mailbox).boxed();
        self.spawn(process, None, future);
    }

    fn tick(&mut self, process: usize, horizon_ms: Millis) {
        let Some(who) = self.who(process) else { return };
        let future = look(self.world.clone(), who, horizon_ms).boxed();
        self.spawn(process, None, future);
    }

    fn send(&mut self, at: usize) {
        let front = self.world.lock().scenario.place.front();
        let Some(who) = self.who(front) else {
            return people::again(&mut self.world.lock(), at);
        };
        let ports = Ports::new(&self.world, who);
        let future = people::deliver(self.world.clone(), ports, at).boxed();
        self.spawn(front, Some(at), future);
    }

    fn crash(&mut self, who: Who) {
        if self.who(who.process) != Some(who) {
            return;
        }
        let dead: Vec<u64> = self.tasks.iter().filter(|(_, task)| task.process == who.process).map(|(id, _)| *id).collect();
        let mut lost = Vec::new();
        {
            let mut state = self.world.lock();
            state.tell(|| format!("p{}  dies", who.process));
            state.processes[who.process].die();
        }
        for id in dead {
            // Dropping it forgets its calls; what it had sent may still arrive.
            lost.extend(self.tasks.remove(&id).and_then(|task| task.post));
        }
        let mut state = self.world.lock();
        for post in lost {
            people::again(&mut state, post);
        }
        let alone = state.scenario.place == Place::Alone;
        let down = state.chance(u64::from(who.life), 0xD0) % if alone { 20_000 } else { 5_000 };
        let at = state.now + down;
        state.at(at, Event::Restart(who.process));
    }

    fn restart(&mut self, process: usize) {
        let mut state = self.world.lock();
        let now = state.now.saturating_add_signed(state.processes[process].skew);
        let alone = state.scenario.place == Place::Alone;
        state.processes[process].up = true;
        state.processes[process].alone_since_ms = alone.then_some(now);
        state.tell(|| format!("p{process}  is back"));
        if alone {
            process::first_tick(&mut state, process);
        }
    }
}

struct Process {
    up: bool,
    life: u32,
}

/// Works on an execution until nobody asks to look again.
async fn attend(world: Arc<World>, who: Who, hint: Hint, mailbox: Arc<Mailbox>) {
    let ports = Ports::new(&world, who);
    let port = Port { world: world.clone(), who };
    loop {
        mailbox.take();
        let result = work(&port, &ports, &hint, &mailbox).await;
        let mut state = world.lock();
        let now = state.now;
        if let Err(error) = &result {
            state.tell(|| format!("p{}  gives up: {error:?}", who.process));
        }
        state.processes[who.process].note(&hint, result.is_err(), now);
        if !mailbox.take() {
            state.processes[who.process].rests(&hint);
            return;
        }
    }
}

async fn work(port: &Port, ports: &Ports, hint: &Hint, mailbox: &Arc<Mailbox>) -> Result<(), AppError> {
    let id = match hint {
        Hint::Execution { id } => id,
        Hint::Delivery { trigger, id } => return pushes::process(port, ports, trigger, id).await,
        _ => return Ok(()),
    };
    let (place, chance, now) = {
        let state = port.world.lock();
        let skew = state.processes[port.who.process].skew;
        (state.scenario.place, state.chance(state.calls, 0xB0D6), state.now.saturating_add_signed(skew))
    };
    let rest = match place {
        Place::Alone => {
            let budget = Budget { until_ms: None, linger_ms_max: LIMITS.linger_ms_max };
            step::advance(&ports.step, id, mailbox.as_ref(), budget).await?
        }
        Place::Apart(_) => {
            let length = if chance % 3 == 0 { 5_000 + (chance >> 8) % 60_000 } else { 840_000 };
            let budget = Budget { until_ms: Some(now + length), linger_ms_max: LIMITS.linger_ms_max };
            let inbox = Looking { mailbox: mailbox.clone(), port: port.clone() };
            step::advance(&ports.step, id, &inbox, budget).await?
        }
    };
    let mut state = port.world.lock();
    state.tell(|| format!("p{}  rests: {rest:?}", port.who.process));
    Ok(())
}

/// An inbox that is looked at from time to time: on Lambda another invocation gets the hint.
struct Looking {
    mailbox: Arc<Mailbox>,
    port: Port,
}

const LOOK_MS: Millis = 9_000;

#[async_trait]
impl Inbox for Looking {
    async fn woken(&self) {
        let now = self.port.world.lock().now;
        let timer = self.port.call(Request::Sleep(now + LOOK_MS)).boxed();
        future::select(self.mailbox.woken(), timer).await;
    }

    fn closing(&self) -> bool {
        self.mailbox.closing()
    }
}

/// The tick: sends a hint for everything that is due.
async fn look(world: Arc<World>, who: Who, horizon_ms: Millis) {
    let ports = Ports::new(&world, who);
    let now = ports.step.clock.now_ms();
    let Ok(keys) = ports.step.table.due(now + horizon_ms, 10_000).await else { return };
    let place = world.lock().scenario.place;
    let mut seen: Vec<Hint> = Vec::new();
    for hint in keys.iter().filter_map(hint_of) {
        if seen.contains(&hint) {
            continue;
        }
        seen.push(hint.clone());
        if place == Place::Alone {
            let mut state = world.lock();
            let now = state.now;
            if !state.processes[who.process].pauses(&hint, now) {
                state.at(now, Event::Hint { process: who.process, life: Some(who.life), hint });
            }
        } else {
            let due = keys.iter().filter(|key| hint_of(key).as_ref() == Some(&hint)).filter_map(|key| due_of(&world, key)).min();
            ports.step.queue.hint(hint, due.unwrap_or(now).saturating_sub(now)).await;
        }
    }
}

fn due_of(world: &World, key: &Key) -> Option<Millis> {
    let state = world.lock();
    state.store.get(key, state.now)?.due_ms
}

fn hint_of(key: &Key) -> Option<Hint> {
    let execution = app::execution::keys::execution_of(&key.partition).map(|id| Hint::Execution { id });
    execution.or_else(|| app::pushes::due_hint(key))
}
