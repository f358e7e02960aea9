//! The simulated world: time, calls under way, the store, the outside. Single-threaded; whoever holds the lock decides.
//!
//! Every call of a port is put here, gets an instant at which it arrives and one at which it is answered, and may get a
//! fault. Between two calls nothing of the code under test runs.

use crate::check::Watch;
use crate::fault::Fault;
use crate::faults::Faults;
use crate::people::People;
use crate::process::Process;
use crate::reality::Reality;
use crate::rng::mix;
use crate::scenario::Scenario;
use crate::store::{Repeat, Store};
use app::ports::{Hint, Item, Key, Page, Query, TransactError, Transaction};
use model::Millis;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// When every run begins.
pub(crate) const START: Millis = 1_800_000_000_000;
/// A call that takes so long is answered when what it waits for happens.
const NEVER: u64 = u64::MAX >> 2;
/// What has not come to rest after so many calls never will.
const CALLS_MAX: u64 = 150_000;

/// Who calls: a process in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) process: usize,
    pub(crate) life: u32,
}

/// What is asked of the world.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Get(Key),
    Query(Query),
    Transact(Transaction),
    Due {
        until: Millis,
        limit: usize,
    },
    PutBlob(Vec<u8>),
    GetBlob(String),
    Hint {
        hint: Hint,
        delay_ms: u64,
    },
    /// A timer, at an instant of the world.
    Sleep(Millis),
    /// A component is called.
    Begin,
    /// A component's settings are checked.
    Validate,
    /// A registry is asked.
    Registry,
    /// Something outside is read.
    Read,
    /// Something outside is changed.
    Write(crate::reality::Effect),
    /// Something outside is watched.
    Watch(crate::reality::Watched),
}

/// What comes back.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Item(Option<Item>),
    Page(Page),
    Transacted(Result<(), TransactError>),
    Keys(Vec<Key>),
    Digest(String),
    Blob(Option<Vec<u8>>),
    Number(u64),
    Done,
    /// It did not work.
    Failed,
    /// The component trapped.
    Trapped,
}

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A call arrives.
    Arrive { slot: usize, number: u64 },
    /// A call is answered.
    Answer { slot: usize, number: u64 },
    /// A hint is delivered, to a process in one of its lives if it was kept in memory.
    Hint { process: usize, life: Option<u32>, hint: Hint },
    /// A process dies.
    Crash(Who),
    /// A process comes back.
    Restart(usize),
    /// The tick.
    Tick { process: usize, horizon_ms: u64 },
    /// Somebody sends something.
    Send(usize),
}

struct Entry {
    at: Millis,
    tie: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.tie, self.order).cmp(&(other.at, other.tie, other.order))
    }
}

struct Slot {
    number: u64,
    who: Who,
    task: u64,
    request: Option<Request>,
    answer: Option<Answer>,
    waker: Option<Waker>,
    fault: Option<Fault>,
    answer_after_ms: u64,
    /// Nobody waits for the answer any more.
    dropped: bool,
}

/// What went wrong in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which rule, stable: shrinking keeps it.
    pub rule: &'static str,
    /// For people.
    pub message: String,
}

/// The world of one run.
pub(crate) struct World(Mutex<State>);

impl World {
    pub(crate) fn new(state: State) -> Arc<Self> {
        Arc::new(Self(Mutex::new(state)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct State {
    pub(crate) now: Millis,
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) store: Store,
    pub(crate) processes: Vec<Process>,
    pub(crate) reality: Reality,
    pub(crate) watch: Watch,
    pub(crate) people: People,
    pub(crate) faults: Faults,
    pub(crate) failure: Option<Failure>,
    /// The task that runs now.
    pub(crate) task: u64,
    /// Calls made so far.
    pub(crate) calls: u64,
    /// Fresh ids so far.
    pub(crate) ids: u64,
    /// Tasks whose calls do not fail now, with how many of their steps ask for it.
    pub(crate) spared: BTreeMap<u64, u32>,
    blobs: BTreeMap<String, Vec<u8>>,
    heap: BinaryHeap<Reverse<Entry>>,
    order: u64,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Calls that wait for a gate.
    gates: Vec<(usize, u64)>,
    story: Option<Vec<String>>,
}

impl State {
    pub(crate) fn new(scenario: Arc<Scenario>, store: Store, faults: Faults, told: bool) -> Self {
        let processes = (0..scenario.place.processes()).map(|at| Process::new(&scenario, at)).collect();
        Self {
            now: START,
            store,
            processes,
            reality: Reality::default(),
            watch: Watch::new(&scenario),
            people: People::new(&scenario),
            faults,
            failure: None,
            task: 0,
            calls: 0,
            ids: 0,
            spared: BTreeMap::new(),
            blobs: BTreeMap::new(),
            heap: BinaryHeap::new(),
            order: 0,
            slots: Vec::new(),
            free: Vec::new(),
            gates: Vec::new(),
            story: told.then(Vec::new),
            scenario,
        }
    }

    /// Tells something to whoever reads the trace.
    pub(crate) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            let ms = self.now - START;
            story.push(format!("{:>9}.{:03}  {}", ms / 1_000, ms % 1_000, what()));
        }
    }

    pub(crate) fn story(&mut self) -> Vec<String> {
        self.story.take().unwrap_or_default()
    }

    /// The first failure counts.
    pub(crate) fn fail(&mut self, rule: &'static str, message: impl Into<String>) {
        if self.failure.is_none() {
            let message = message.into();
            self.tell(|| format!("!! {rule}: {message}"));
            self.failure = Some(Failure { rule, message });
        }
    }

    pub(crate) fn at(&mut self, at: Millis, event: Event) {
        self.order += 1;
        let tie = mix(self.scenario.seed, self.order ^ 0x71E);
        self.heap.push(Reverse(Entry { at: at.max(self.now), tie, order: self.order, event }));
    }

    /// When the next thing happens that somebody still waits for.
    pub(crate) fn next_at(&mut self) -> Option<Millis> {
        while let Some(Reverse(entry)) = self.heap.peek() {
            let gone = match &entry.event {
                Event::Arrive { slot, number } | Event::Answer { slot, number } => self.slots[*slot].number != *number,
                _ => false,
            };
            if !gone {
                return Some(entry.at);
            }
            self.heap.pop();
        }
        None
    }

    /// The next thing that happens; time goes there.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.next_at()?;
        let Reverse(entry) = self.heap.pop()?;
        self.now = entry.at;
        Some(entry.event)
    }

    /// A number that belongs to a call and to nothing else.
    pub(crate) fn chance(&self, number: u64, salt: u64) -> u64 {
        mix(mix(self.scenario.seed, salt), number)
    }

    /// Somebody calls.
    pub(crate) fn call(&mut self, who: Who, request: Request) -> (usize, u64) {
        self.calls += 1;
        let number = self.calls;
        if number > CALLS_MAX {
            self.fail("never-rests", format!("{CALLS_MAX} calls were made, and it goes on"));
        }
        let fault = crate::faults::decide(self, number, who, &request);
        if let Some(fault) = fault {
            self.tell(|| format!("p{}  call {number} ({}): {fault:?}", who.process, name(&request)));
        }
        let (mut takes, answer_after_ms) = self.latency(number, &request);
        match fault {
            Some(Fault::Slow(ms)) => takes = takes.min(NEVER - 1).min(ms) + ms,
            Some(Fault::Stall(ms)) => self.processes[who.process].stalled_until = self.now + ms,
            Some(Fault::ClockJump(ms)) => self.processes[who.process].skew += ms,
            _ => {}
        }
        let slot = Slot {
            number,
            who,
            task: self.task,
            request: Some(request),
            answer: None,
            waker: None,
            fault,
            answer_after_ms,
            dropped: false,
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place] = slot;
                place
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        if takes < NEVER {
            self.at(self.now + takes, Event::Arrive { slot: place, number });
        } else if fault.is_none() {
            self.gates.push((place, number));
        }
        (place, number)
    }

    /// Something was committed: gates that are watched may be open now.
    pub(crate) fn look_at_gates(&mut self) {
        for (slot, number) in std::mem::take(&mut self.gates) {
            let Some(entry) = self.slots.get(slot).filter(|s| s.number == number && !s.dropped) else { continue };
            let Some(Request::Watch(watched)) = entry.request.clone() else { continue };
            match crate::reality::changes_after(self, &watched, self.chance(number, 0x6A7E)) {
                Some(after) => self.at(self.now + after, Event::Arrive { slot, number }),
                None => self.gates.push((slot, number)),
            }
        }
    }

    fn latency(&self, number: u64, request: &Request) -> (u64, u64) {
        let chance = self.chance(number, 0x1A7);
        let up_to = match request {
            Request::Sleep(at) => return (at.saturating_sub(self.now) + chance % 3, 0),
            Request::Watch(watched) => return (crate::reality::changes_after(self, watched, chance).unwrap_or(NEVER), 0),
            Request::Get(_) | Request::Query(_) | Request::GetBlob(_) | Request::PutBlob(_) | Request::Due { .. } => 3,
            Request::Hint { .. } | Request::Validate => 2,
            Request::Transact(_) => 8,
            Request::Begin | Request::Read | Request::Write(_) | Request::Registry => 12,
        };
        let back = if chance.is_multiple_of(4) { (chance >> 8) % 5 } else { 0 };
        ((chance >> 16) % (up_to + 1), back)
    }

    /// A call arrives where it goes.
    pub(crate) fn arrive(&mut self, slot: usize, number: u64) {
        let Some((request, who, task, fault)) = self.slots.get_mut(slot).filter(|s| s.number == number).and_then(|s| {
            let request = s.request.take()?;
            Some((request, s.who, s.task, s.fault))
        }) else {
            return;
        };
        let dropped = self.slots[slot].dropped;
        if fault == Some(Fault::CrashBefore) && !dropped {
            self.at(self.now, Event::Crash(who));
            return;
        }
        let answer = match fault {
            Some(Fault::Fail) => failed(&request),
            Some(Fault::Trap) => Answer::Trapped,
            Some(Fault::AnswerLost { done }) => {
                if done {
                    self.carry_out(request, number, task, who, None);
                }
                Answer::Transacted(Err(TransactError::Unknown("the answer was lost".to_owned())))
            }
            fault => self.carry_out(request, number, task, who, fault),
        };
        if dropped {
            self.release(slot);
            return;
        }
        if fault == Some(Fault::CrashAfter) {
            self.at(self.now, Event::Crash(who));
            return;
        }
        let standing = self.processes[who.process].stalled_until.saturating_sub(self.now);
        let entry = &mut self.slots[slot];
        entry.answer = Some(answer);
        entry.answer_after_ms = entry.answer_after_ms.max(standing);
        if entry.answer_after_ms == 0 {
            self.answer(slot, number);
        } else {
            let after = entry.answer_after_ms;
            self.at(self.now + after, Event::Answer { slot, number });
        }
    }

    /// The answer of a call reaches who asked.
    pub(crate) fn answer(&mut self, slot: usize, number: u64) {
        let Some(entry) = self.slots.get_mut(slot).filter(|s| s.number == number) else { return };
        entry.answer_after_ms = 0;
        if entry.answer.is_some()
            && let Some(waker) = entry.waker.take()
        {
            waker.wake();
        }
    }

    /// The process that waits for what happens, if it is a call's.
    pub(crate) fn waits_for(&self, event: &Event) -> Option<usize> {
        match event {
            Event::Answer { slot, number } => self.slots.get(*slot).filter(|s| s.number == *number && !s.dropped).map(|s| s.who.process),
            Event::Arrive { slot, number } => {
                let timer = |s: &&Slot| s.number == *number && !s.dropped && matches!(s.request, Some(Request::Sleep(_)));
                self.slots.get(*slot).filter(timer).map(|s| s.who.process)
            }
            Event::Hint { process, .. } | Event::Tick { process, .. } => Some(*process),
            Event::Crash(_) | Event::Restart(_) | Event::Send(_) => None,
        }
    }

    /// Takes the answer of a call, or remembers whom to wake.
    pub(crate) fn poll(&mut self, slot: usize, number: u64, waker: &Waker) -> Option<Answer> {
        let entry = self.slots.get_mut(slot).filter(|s| s.number == number)?;
        if entry.answer_after_ms == 0
            && let Some(answer) = entry.answer.take()
        {
            self.release(slot);
            return Some(answer);
        }
        entry.waker = Some(waker.clone());
        None
    }

    /// Nobody waits for a call any more. What was sent may arrive all the same.
    pub(crate) fn forget(&mut self, slot: usize, number: u64) {
        let Some(entry) = self.slots.get_mut(slot).filter(|s| s.number == number) else { return };
        entry.dropped = true;
        entry.waker = None;
        let sent = entry.request.as_ref().is_some_and(|request| {
            matches!(request, Request::Transact(_) | Request::Write(_) | Request::Hint { .. } | Request::PutBlob(_))
        });
        let lost = entry.fault == Some(Fault::CrashBefore);
        if !sent || lost || self.chance(number, 0x6057).is_multiple_of(2) {
            self.release(slot);
        }
    }

    fn release(&mut self, slot: usize) {
        let entry = &mut self.slots[slot];
        entry.number = 0;
        entry.request = None;
        entry.answer = None;
        entry.waker = None;
        self.free.push(slot);
    }

    fn carry_out(&mut self, request: Request, number: u64, task: u64, who: Who, fault: Option<Fault>) -> Answer {
        match request {
            Request::Get(key) => Answer::Item(self.store.get(&key, self.now).cloned()),
            Request::Query(query) => Answer::Page(self.store.query(&query, self.now)),
            Request::Transact(transaction) => Answer::Transacted(self.transact(transaction, task, who)),
            Request::Due { until, limit } if fault == Some(Fault::Stale) => Answer::Keys(self.store.stale_due(until, limit)),
            Request::Due { until, limit } => Answer::Keys(self.store.due(until, limit)),
            Request::PutBlob(bytes) => {
                let digest = digest(&bytes);
                self.blobs.insert(digest.clone(), bytes);
                Answer::Digest(digest)
            }
            Request::GetBlob(digest) => Answer::Blob(self.blobs.get(&digest).cloned()),
            Request::Hint { hint, delay_ms } => {
                crate::process::send(self, number, who, &hint, delay_ms, fault);
                Answer::Done
            }
            Request::Read => Answer::Number(self.reality.read()),
            Request::Write(effect) => Answer::Number(crate::reality::write(self, effect)),
            Request::Sleep(_) | Request::Begin | Request::Validate | Request::Registry | Request::Watch(_) => Answer::Done,
        }
    }

    pub(crate) fn blob(&self, digest: &str) -> Option<&[u8]> {
        self.blobs.get(digest).map(Vec::as_slice)
    }

    fn transact(&mut self, transaction: Transaction, task: u64, who: Who) -> Result<(), TransactError> {
        match self.store.check(&transaction, self.now, self.scenario.tokens)? {
            Repeat::Yes => Ok(()),
            Repeat::No => {
                let noticed = crate::check::before_write(self, &transaction, task, who);
                self.store.write(transaction, self.now);
                crate::check::after_write(self, noticed);
                Ok(())
            }
        }
    }

    /// How many keys there are, and how many bytes of blobs: for reports.
    pub(crate) fn kept(&self) -> usize {
        self.store.items().count()
    }
}

fn failed(request: &Request) -> Answer {
    match request {
        Request::Transact(_) => Answer::Transacted(Err(TransactError::Unavailable("not now".to_owned()))),
        _ => Answer::Failed,
    }
}

pub(crate) fn name(request: &Request) -> String {
    match request {
        Request::Get(key) => format!("get {}", key.sort),
        Request::Query(query) => format!("query {}", query.prefix),
        Request::Transact(t) => format!("write {}", t.writes.iter().map(|w| w.key().sort.as_str()).collect::<Vec<_>>().join(" ")),
        Request::Due { .. } => "due".to_owned(),
        Request::PutBlob(_) => "put blob".to_owned(),
        Request::GetBlob(_) => "get blob".to_owned(),
        Request::Hint { .. } => "hint".to_owned(),
        Request::Sleep(_) => "sleep".to_owned(),
        Request::Begin => "step".to_owned(),
        Request::Validate => "validate".to_owned(),
        Request::Registry => "ask registry".to_owned(),
        Request::Read => "read outside".to_owned(),
        Request::Write(_) => "change outside".to_owned(),
        Request::Watch(_) => "watch".to_owned(),
    }
}

/// Not SHA-256: here it only has to tell blobs apart, quickly.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let (mut a, mut b) = (0xCBF2_9CE4_8422_2325_u64, 0x9E37_79B9_7F4A_7C15_u64);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        a = mix(a, u64::from_le_bytes(word));
        b = b.rotate_left(7) ^ a;
    }
    format!("{a:016x}{b:016x}{:016x}{:016x}", mix(a, b), bytes.len())
}
