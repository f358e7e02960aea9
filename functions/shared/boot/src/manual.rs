//! A clock that stands still until it is moved: simulated time for tests.

use app::ports::Clock;
use async_trait::async_trait;
use model::Millis;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// A clock moved by hand. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Somebody fell asleep or woke up.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    now: Millis,
    next: u64,
    sleepers: BTreeMap<(Millis, u64), oneshot::Sender<()>>,
}

impl ManualClock {
    /// A clock that shows an instant.
    #[must_use]
    pub fn new(now: Millis) -> Self {
        let state = Mutex::new(State { now, next: 0, sleepers: BTreeMap::new() });
        Self { shared: Arc::new(Shared { state, changed: Notify::new() }) }
    }

    /// Moves it on, and wakes who slept until then.
    pub fn advance(&self, ms: u64) {
        let mut state = self.shared.state();
        let now = state.now.saturating_add(ms);
        state.show(now);
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// Sets it, back too, as people set clocks; wakes who slept until then.
    pub fn set(&self, now: Millis) {
        self.shared.state().show(now);
        self.shared.changed.notify_waiters();
    }

    /// When the next sleeper wants to wake; none when nobody sleeps.
    #[must_use]
    pub fn next_wake_ms(&self) -> Option<Millis> {
        self.shared.state().sleepers.keys().next().map(|(at, _)| *at)
    }

    /// Waits until at least so many sleep: what a test waits for before it moves the clock.
    pub async fn until_asleep(&self, sleepers: usize) {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.shared.state().sleepers.len() >= sleepers {
                return;
            }
            changed.await;
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn show(&mut self, now: Millis) {
        self.now = now;
        while let Some(sleeper) = self.sleepers.first_entry().filter(|sleeper| sleeper.key().0 <= now) {
            // Whoever stopped sleeping by itself is not told.
            let _ = sleeper.remove().send(());
        }
    }
}

/// Takes a sleeper that is dropped off the list.
struct Bed<'a> {
    shared: &'a Shared,
    place: (Millis, u64),
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        self.shared.state().sleepers.remove(&self.place);
        self.shared.changed.notify_waiters();
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now_ms(&self) -> Millis {
        self.shared.state().now
    }

    async fn sleep_until(&self, at: Millis) {
        let (wake, woken) = oneshot::channel();
        let place = {
            let mut state = self.shared.state();
            if state.now >= at {
                return;
            }
            state.next += 1;
            let place = (at, state.next);
            state.sleepers.insert(place, wake);
            place
        };
        let _bed = Bed { shared: &self.shared, place };
        self.shared.changed.notify_waiters();
        // The sender is only dropped with the bed, so this ends when the clock says so.
        drop(woken.await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_in_their_time() {
        let clock = ManualClock::new(100);
        clock.sleep_until(100).await;
        let nap = |at| {
            let clock = clock.clone();
            tokio::spawn(async move { clock.sleep_until(at).await })
        };
        let (early, late) = (nap(150), nap(300));
        clock.until_asleep(2).await;
        assert_eq!(clock.next_wake_ms(), Some(150));
        clock.advance(50);
        early.await.unwrap();
        assert!(!late.is_finished());
        assert_eq!((clock.now_ms(), clock.next_wake_ms()), (150, Some(300)));
        late.abort();
        assert!(late.await.unwrap_err().is_cancelled());
        assert_eq!(clock.next_wake_ms(), None);
        clock.set(10);
        assert_eq!(clock.now_ms(), 10);
    }
}
