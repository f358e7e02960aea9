//! What is due: the table's `due` index, read as hints. One mechanism brings back whatever time alone moves, and whatever was
//! lost: queues, workers, messages.
//!
//! Nothing is decided here: a hint that comes twice, or for what is done already, changes nothing.

use crate::error::AppError;
use crate::execution::{keys, retention};
use crate::ports::{Hint, Key, Queue, Table};
use crate::{accounts, pushes};
use model::Millis;
use std::collections::HashSet;

/// Most keys of the `due` index that are looked at at once.
pub const KEYS_A_LOOK_MAX: usize = 10_000;
/// The same, where executions that may go stand before everything else.
const KEYS_A_CROWDED_LOOK_MAX: usize = 200_000;
/// Most executions that one look begins to forget.
const FORGOTTEN_A_LOOK_MAX: usize = 200;
/// How far the tick of a minute looks ahead: beyond the next tick, which may be late.
pub const AHEAD_MS: Millis = 120_000;
/// What falls due ahead is hinted at no later than this after it.
const STEP_MS: Millis = 10_000;

/// The hint for an item under the `due` index; none for what nobody looks after.
#[must_use]
pub fn hint_of(key: &Key) -> Option<Hint> {
    let execution = || keys::execution_of(&key.partition).map(|id| Hint::Execution { id });
    execution().or_else(|| retention::due_hint(key)).or_else(|| pushes::due_hint(key)).or_else(|| accounts::due_hint(key))
}

/// Hints at everything that is due by then, the earliest first, each once: several items of one execution may be due.
///
/// # Errors
/// When the index cannot be read: the next look sees the same.
pub async fn hints(table: &dyn Table, until: Millis) -> Result<Vec<Hint>, AppError> {
    let mut keys = table.due(until, KEYS_A_LOOK_MAX).await?;
    let all = keys.len();
    keys = retention::bounded(keys, FORGOTTEN_A_LOOK_MAX);
    if all == KEYS_A_LOOK_MAX && keys.len() < all {
        // The index gives the earliest first, and what may go has been due for long: what is urgent stands behind it.
        keys = retention::bounded(table.due(until, KEYS_A_CROWDED_LOOK_MAX).await?, FORGOTTEN_A_LOOK_MAX);
    }
    let mut seen = HashSet::new();
    Ok(keys.iter().filter_map(hint_of).filter(|hint| seen.insert(hint.clone())).collect())
}

/// The tick of a minute: sends a hint for all that is due now, and delayed ones for all that falls due before the next tick but
/// one. Says how many.
///
/// # Errors
/// When the index cannot be read: the next tick sees the same.
pub async fn tick(table: &dyn Table, queue: &dyn Queue, now: Millis) -> Result<usize, AppError> {
    // Most of the time there is nothing, and one look is enough to know that.
    let mut left = hints(table, now.saturating_add(AHEAD_MS)).await?;
    let mut sent = Vec::new();
    let mut ahead = 0;
    while !left.is_empty() && ahead < AHEAD_MS {
        let due: HashSet<Hint> = hints(table, now.saturating_add(ahead)).await?.into_iter().collect();
        let (ripe, later) = left.into_iter().partition(|hint| due.contains(hint));
        sent.extend(Vec::into_iter(ripe).map(|hint| (hint, ahead)));
        left = later;
        ahead += STEP_MS;
    }
    sent.extend(left.into_iter().map(|hint| (hint, AHEAD_MS)));
    let count = sent.len();
    queue.hint_all(sent).await;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Item, Transaction, Write};
    use crate::testing::MemoryTable;
    use async_trait::async_trait;
    use model::id::{AccountName, ExecutionId, PipelineId};
    use std::sync::Mutex;

    #[derive(Default)]
    struct Sent(Mutex<Vec<(Hint, u64)>>);

    #[async_trait]
    impl Queue for Sent {
        async fn hint(&self, hint: Hint, delay_ms: u64) {
            self.0.lock().unwrap().push((hint, delay_ms));
        }
    }

    #[test]
    fn due_items_lead_to_what_they_belong_to() {
        let id = ExecutionId::parse("01J").unwrap();
        assert_eq!(hint_of(&keys::meta(&id)), Some(Hint::Execution { id: id.clone() }));
        assert_eq!(hint_of(&keys::event(&id, "e")), Some(Hint::Execution { id: id.clone() }));
        let pipeline = PipelineId::parse("p").unwrap();
        let retention = Some(Hint::Retention { pipeline: pipeline.clone(), execution: id.clone() });
        assert_eq!((hint_of(&keys::of_pipeline(&pipeline, &id)), hint_of(&keys::slots(&pipeline))), (retention, None));
        let delivery = Some(Hint::Delivery { trigger: "t".into(), id: "d".into() });
        assert_eq!(hint_of(&Key::new("PUSH#t", "DLV#d")), delivery);
        let name = AccountName::parse("prod").unwrap();
        assert_eq!(hint_of(&Key::new("CLOUD", "prod")), Some(Hint::CloudAccount { name: name.clone() }));
        assert_eq!(hint_of(&Key::new("REGISTRIES", "prod")), Some(Hint::RegistryAccount { name }));
        assert_eq!(hint_of(&Key::new("SYSTEM", "x")), None);
    }

    #[tokio::test]
    async fn a_tick_sends_what_is_due_now_and_soon_and_nothing_else() {
        let table = MemoryTable::default();
        let queue = Sent::default();
        assert_eq!(tick(&table, &queue, 1_000_000).await.unwrap(), 0);
        let id = |name: &str| ExecutionId::parse(name).unwrap();
        let item = |key: Key, at: Millis| Write::Put(Item::new(key, b"{}".to_vec()).due(Some(at)), vec![]);
        let writes = vec![
            item(keys::meta(&id("over")), 5),
            item(keys::event(&id("over"), "e"), 1_000_000),
            item(keys::meta(&id("soon")), 1_000_001),
            item(keys::meta(&id("later")), 1_119_999),
            item(keys::meta(&id("last")), 1_120_000),
            item(keys::meta(&id("after")), 1_120_001),
            item(Key::new("SYSTEM", "x"), 5),
        ];
        table.transact(Transaction::of(writes)).await.unwrap();
        assert_eq!(tick(&table, &queue, 1_000_000).await.unwrap(), 4);
        let sent = queue.0.lock().unwrap().clone();
        let named = [("over", 0), ("soon", 10_000), ("later", 120_000), ("last", 120_000)];
        assert_eq!(sent, named.map(|(name, delay)| (Hint::Execution { id: id(name) }, delay)));
    }
}
