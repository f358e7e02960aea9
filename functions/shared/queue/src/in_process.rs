//! The queue within one process. A hint that waits already is not queued twice; too many hints are dropped, and the tick
//! over what is due makes them good.
//!
//! There is no task behind it: delayed hints ripen while somebody waits in [`Receiver::next`].

use app::ports::{Clock, Hint, Queue};
use async_trait::async_trait;
use model::Millis;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Most hints that wait, now or delayed; more are dropped.
pub const HINTS_MAX: usize = 100_000;
/// Longest delay; longer ones are cut to it.
pub const DELAY_MS_MAX: u64 = 15 * 60 * 1_000;

/// Where hints are put.
pub struct InProcess {
    shared: Arc<Shared>,
}

/// Where hints are taken. Several may wait at once; each hint goes to one of them.
pub struct Receiver {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    waiting: Mutex<Waiting>,
    /// Something new waits, now or later.
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    now: VecDeque<Hint>,
    among_now: HashSet<Hint>,
    later: BTreeMap<(Millis, u64), Hint>,
    among_later: HashSet<(Millis, Hint)>,
    /// Keeps delayed hints of one instant in the order they came.
    next: u64,
}

impl InProcess {
    /// A queue and its receiver; the clock times the delays.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> (Arc<Self>, Receiver) {
        let shared = Arc::new(Shared { clock, waiting: Mutex::default(), news: Notify::new() });
        (Arc::new(Self { shared: Arc::clone(&shared) }), Receiver { shared })
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether it was new.
    fn put_now(&mut self, hint: Hint) -> bool {
        let new = self.among_now.insert(hint.clone());
        if new {
            self.now.push_back(hint);
        }
        new
    }

    fn put_later(&mut self, at: Millis, hint: Hint) -> bool {
        let new = self.among_later.insert((at, hint.clone()));
        if new {
            self.next += 1;
            self.later.insert((at, self.next), hint);
        }
        new
    }

    /// Lets what has ripened wait among the others.
    fn ripen(&mut self, now: Millis) {
        while let Some(first) = self.later.first_entry().filter(|first| first.key().0 <= now) {
            let ((at, _), hint) = first.remove_entry();
            self.among_later.remove(&(at, hint.clone()));
            self.put_now(hint);
        }
    }

    fn take(&mut self) -> Option<Hint> {
        let hint = self.now.pop_front()?;
        // From here on the same hint is a new one: what is being looked at may have changed since.
        self.among_now.remove(&hint);
        Some(hint)
    }

    fn is_full(&self) -> bool {
        self.now.len() + self.later.len() >= HINTS_MAX
    }
}

#[async_trait]
impl Queue for InProcess {
    async fn hint(&self, hint: Hint, delay_ms: u64) {
        let mut waiting = self.shared.waiting();
        if waiting.is_full() {
            drop(waiting);
            tracing::warn!(?hint, "too many hints wait; one is dropped");
            return;
        }
        let new = if delay_ms == 0 {
            waiting.put_now(hint)
        } else {
            waiting.put_later(self.shared.clock.now_ms().saturating_add(delay_ms.min(DELAY_MS_MAX)), hint)
        };
        drop(waiting);
        if new {
            self.shared.news.notify_one();
        }
    }
}

impl Receiver {
    /// The next hint, when there is one. Nothing is lost when the caller stops waiting.
    pub async fn next(&self) -> Hint {
        loop {
            let (hint, ripe_at, more) = {
                let mut waiting = self.shared.waiting();
                waiting.ripen(self.shared.clock.now_ms());
                let hint = waiting.take();
                (hint, waiting.later.keys().next().map(|(at, _)| *at), !waiting.now.is_empty())
            };
            if let Some(hint) = hint {
                // Several may have ripened at once; the next one who waits must hear of the rest.
                if more {
                    self.shared.news.notify_one();
                }
                return hint;
            }
            match ripe_at {
                None => self.shared.news.notified().await,
                Some(at) => {
                    tokio::select! {
                        () = self.shared.news.notified() => {}
                        () = self.shared.clock.sleep_until(at) => {}
                    }
                }
            }
        }
    }

    /// How many hints wait, now and later.
    #[must_use]
    pub fn len(&self) -> usize {
        let waiting = self.shared.waiting();
        waiting.now.len() + waiting.later.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
