//! What is under way for a worker: steps, watches, the inbox, a timer. Derived from the execution after every commit.

use super::held::Held;
use super::{Inbox, Stop, call};
use crate::ports::{Clock, StepFault, StepReport};
use engine::{Effect, wanted};
use futures::future::{AbortHandle, Abortable, BoxFuture};
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{FutureExt, future};
use model::Millis;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something that came in.
pub(crate) enum Came {
    /// A step came back.
    Step { run: usize, attempt: u32, seq: u32, retry: u32, result: Box<Result<StepReport, StepFault>> },
    /// Something watched changed.
    Changed { run: usize, attempt: u32, seq: u32 },
    /// The inbox should be looked at.
    Inbox,
    /// The time has come.
    Timer,
}

/// Identity of something under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Step { run: usize, attempt: u32, seq: u32, retry: u32 },
    Watch { run: usize, attempt: u32, seq: u32 },
}

/// Everything under way.
pub(crate) struct Flights<'a> {
    clock: Arc<dyn Clock>,
    inbox: &'a dyn Inbox,
    pool: FuturesUnordered<BoxFuture<'a, Option<Came>>>,
    aborts: BTreeMap<Key, AbortHandle>,
    listening: bool,
}

impl<'a> Flights<'a> {
    pub(crate) fn new(clock: Arc<dyn Clock>, inbox: &'a dyn Inbox) -> Self {
        Self { clock, inbox, pool: FuturesUnordered::new(), aborts: BTreeMap::new(), listening: false }
    }

    pub(crate) fn has_steps(&self) -> bool {
        self.aborts.keys().any(|key| matches!(key, Key::Step { .. }))
    }

    pub(crate) fn has_watches(&self) -> bool {
        self.aborts.keys().any(|key| matches!(key, Key::Watch { .. }))
    }

    /// Starts what the committed execution wants and stops what it does not want any more.
    pub(crate) async fn reconcile(&mut self, held: &mut Held) -> Result<(), Stop> {
        for (key, effect) in self.keep_wanted(held) {
            if self.aborts.contains_key(&key) {
                continue;
            }
            if let Some(future) = start(held, key, &effect).await? {
                let (abort, registration) = AbortHandle::new_pair();
                self.aborts.insert(key, abort);
                self.pool.push(Abortable::new(future, registration).map(Result::ok).boxed());
            }
        }
        Ok(())
    }

    /// Stops what the committed execution does not want any more, and gives what it wants.
    pub(crate) fn keep_wanted(&mut self, held: &mut Held) -> BTreeMap<Key, Effect> {
        let mut want: BTreeMap<Key, Effect> = BTreeMap::new();
        for effect in wanted(&held.meta.execution) {
            match &effect {
                Effect::Step { run, attempt, seq, retry, .. } => {
                    want.insert(Key::Step { run: *run, attempt: *attempt, seq: *seq, retry: *retry }, effect);
                }
                Effect::Watch { run, attempt, seq } => {
                    want.insert(Key::Watch { run: *run, attempt: *attempt, seq: *seq }, effect);
                }
                Effect::Resolve { .. } => {}
            }
        }
        self.aborts.retain(|key, abort| {
            let keep = want.contains_key(key);
            if !keep {
                abort.abort();
                if let Key::Step { run, attempt, seq, retry } = key {
                    held.inherited.insert((*run, *attempt, *seq, *retry));
                }
            }
            keep
        });
        want
    }

    /// Waits for the first thing to come in, at most until the instant, and takes what came in with it.
    pub(crate) async fn next(&mut self, until: Millis, most: usize) -> Vec<Came> {
        if !self.listening {
            self.listening = true;
            let inbox = self.inbox;
            self.pool.push(async move { inbox.woken().await }.map(|()| Some(Came::Inbox)).boxed());
        }
        let clock = self.clock.clone();
        let timer = async move { clock.sleep_until(until).await }.boxed();
        let mut came = Vec::new();
        match future::select(self.first(), timer).await {
            future::Either::Left((one, _)) => came.push(one),
            future::Either::Right(((), _)) => came.push(Came::Timer),
        }
        while came.len() < most {
            match self.pool.next().now_or_never() {
                Some(Some(Some(one))) => came.push(one),
                Some(Some(None)) => {}
                Some(None) | None => break,
            }
        }
        for one in &came {
            self.landed(one);
        }
        came
    }

    fn first(&mut self) -> BoxFuture<'_, Came> {
        async move {
            loop {
                match self.pool.next().await {
                    Some(Some(one)) => return one,
                    Some(None) => {}
                    None => future::pending::<()>().await,
                }
            }
        }
        .boxed()
    }

    fn landed(&mut self, came: &Came) {
        match came {
            Came::Step { run, attempt, seq, retry, .. } => {
                self.aborts.remove(&Key::Step { run: *run, attempt: *attempt, seq: *seq, retry: *retry });
            }
            Came::Changed { run, attempt, seq } => {
                self.aborts.remove(&Key::Watch { run: *run, attempt: *attempt, seq: *seq });
            }
            Came::Inbox => self.listening = false,
            Came::Timer => {}
        }
    }
}

async fn start(held: &mut Held, key: Key, effect: &Effect) -> Result<Option<BoxFuture<'static, Came>>, Stop> {
    match key {
        Key::Step { run, attempt, seq, retry } => {
            let call = call::prepare(held, effect).await?;
            let host = held.ports.host.clone();
            let made = async move {
                let result = match call {
                    Ok(call) => host.step(call).await,
                    Err(fault) => Err(fault),
                };
                Came::Step { run, attempt, seq, retry, result: Box::new(result) }
            };
            Ok(Some(made.boxed()))
        }
        Key::Watch { run, attempt, seq } => {
            let watches = call::watches(held, run).await?;
            if watches.is_empty() {
                return Ok(None);
            }
            let made = async move {
                let _first_to_change = future::select_all(watches).await;
                Came::Changed { run, attempt, seq }
            };
            Ok(Some(made.boxed()))
        }
    }
}
