//! Who follows something hears here that it changed: the last changes of this process, and a cursor into them.
//!
//! Cursors begin at a number made of the time of the start, so that one of a former process is known to be too old.

use app::ports::{Change, Changes, Clock};
use async_trait::async_trait;
use model::Millis;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Most changes that are remembered.
pub const CHANGES_MAX: usize = 4_096;

/// 2025-01-01. Counted from here, cursors stay below 2^53 for decades, so that they survive as JSON numbers.
const EPOCH_MS: Millis = 1_735_689_600_000;
/// Room for 4,096 changes a millisecond before a cursor could be one of a later process.
const CHANGES_A_MS_BITS: u32 = 12;

/// The changes of this process.
pub struct ChangeBus {
    clock: Arc<dyn Clock>,
    ring: Mutex<Ring>,
    news: Notify,
}

struct Ring {
    /// Number of the newest change; the cursor of now.
    newest: u64,
    changes: VecDeque<Change>,
}

impl ChangeBus {
    /// A bus without changes.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let start = clock.now_ms().saturating_sub(EPOCH_MS) << CHANGES_A_MS_BITS;
        Self { clock, ring: Mutex::new(Ring { newest: start, changes: VecDeque::new() }), news: Notify::new() }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// What changed after the cursor among the topics, the last of each topic; none when the cursor is not of these changes.
    fn since(&self, topics: &[String], since: u64) -> Option<Vec<Change>> {
        let held = u64::try_from(self.changes.len()).unwrap_or(u64::MAX);
        let behind = self.newest.checked_sub(since).filter(|behind| *behind <= held)?;
        let known = usize::try_from(held - behind).ok()?;
        let mut found: Vec<Change> = Vec::new();
        for change in self.changes.iter().skip(known).filter(|change| topics.contains(&change.topic)) {
            found.retain(|earlier| earlier.topic != change.topic);
            found.push(change.clone());
        }
        Some(found)
    }
}

#[async_trait]
impl Changes for ChangeBus {
    fn publish(&self, change: Change) {
        let mut ring = self.ring();
        if ring.changes.len() >= CHANGES_MAX {
            ring.changes.pop_front();
        }
        ring.changes.push_back(change);
        ring.newest += 1;
        drop(ring);
        self.news.notify_waiters();
    }

    fn cursor(&self) -> u64 {
        self.ring().newest
    }

    async fn wait(&self, topics: &[String], since: u64, until: Millis) -> (u64, Option<Vec<Change>>) {
        let mut since = since;
        loop {
            // Listening begins before looking, so that nothing falls between.
            let news = self.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            let (newest, found) = {
                let ring = self.ring();
                (ring.newest, ring.since(topics, since))
            };
            match found {
                Some(found) if found.is_empty() => since = newest,
                known => return (newest, known),
            }
            if self.clock.now_ms() >= until {
                return (since, Some(Vec::new()));
            }
            tokio::select! {
                () = news => {}
                () = self.clock.sleep_until(until) => {}
            }
        }
    }
}
