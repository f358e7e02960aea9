//! The embedded table: the suite of every table, and what only it promises: durability, shared syncs, one process a
//! folder, sweeping, an orderly end. The suite also runs on the model in memory, and both are held against each other in
//! `store_differential`.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod clock;

use app::ports::{Clock, Condition, Item, Key, Query, StoreError, Table, TransactError, Transaction, Write};
use async_trait::async_trait;
use clock::{HandClock, START};
use futures::future::join_all;
use std::future::{Future, ready};
use std::sync::{Arc, Condvar, Mutex};
use store::OpenError;
use store::embedded::{Embedded, Options};
use store::memory::Memory;
use store::suite::{self, Bench};

fn open(folder: &tempfile::TempDir, clock: &HandClock) -> Arc<Embedded> {
    Embedded::open(folder.path(), Options::new(Arc::new(clock.clone()))).unwrap()
}

fn put(sort: &str, conditions: Vec<Condition>) -> Write {
    Write::Put(Item::new(Key::new("P", sort), b"x".to_vec()), conditions)
}

async fn run_suite(table: &dyn Table, clock: &HandClock, space: &str) {
    let advance = |ms| clock.advance(ms);
    suite::run(&Bench { table, clock, advance: &advance, tokens: true, space }).await.unwrap();
}

#[tokio::test]
async fn the_suite_runs_on_the_embedded_table() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let table = open(&folder, &clock);
    run_suite(&*table, &clock, "one/").await;
    table.close().await;
    let table = open(&folder, &clock);
    run_suite(&*table, &clock, "two/").await;
    table.close().await;
}

#[tokio::test]
async fn the_suite_runs_on_a_table_that_writes_its_memory_out_all_the_time() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let options = || Options { cache_bytes: 0, memtable_bytes: 16 << 10, ..Options::new(Arc::new(clock.clone())) };
    let table = Embedded::open(folder.path(), options()).unwrap();
    run_suite(&*table, &clock, "one/").await;
    table.close().await;
    let table = Embedded::open(folder.path(), options()).unwrap();
    run_suite(&*table, &clock, "two/").await;
}

#[tokio::test]
async fn the_suite_runs_on_the_model() {
    let clock = HandClock::new();
    run_suite(&Memory::new(Arc::new(clock.clone())), &clock, "").await;
}

#[tokio::test]
async fn what_was_written_is_there_after_an_orderly_end() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let table = open(&folder, &clock);
    let item = Item::new(Key::new("P", "a"), b"body".to_vec()).attribute("fence", "1").due(Some(5)).expires(Some(START + 9));
    table.transact(Transaction::of(vec![Write::Put(item.clone(), vec![])])).await.unwrap();
    table.close().await;
    let table = open(&folder, &clock);
    assert_eq!(table.get(&item.key).await.unwrap(), Some(Item { revision: 1, ..item.clone() }));
    assert_eq!(table.due(5, 10).await.unwrap(), vec![item.key.clone()]);
    // Dropped without a close, it is free again just as well.
    drop(table);
    let table = open(&folder, &clock);
    clock.advance(9);
    assert_eq!(table.get(&item.key).await.unwrap(), None);
    assert_eq!(table.sweep_expired(clock.now_ms(), 10).await.unwrap(), 1);
}

#[tokio::test]
async fn after_the_end_everything_is_refused() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let table = open(&folder, &clock);
    table.close().await;
    table.close().await;
    let key = Key::new("P", "a");
    assert!(matches!(table.get(&key).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(table.query(&Query::prefix("P", "", 1)).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(table.due(1, 1).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(table.sweep_expired(1, 1).await, Err(StoreError::Unavailable(_))));
    let written = table.transact(Transaction::of(vec![put("a", vec![])])).await;
    assert!(matches!(written, Err(TransactError::Unavailable(text)) if text.contains("closed")));
}

#[tokio::test]
async fn a_folder_is_open_once() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let first = open(&folder, &clock);
    let second = Embedded::open(folder.path(), Options::new(Arc::new(clock.clone()))).unwrap_err();
    let process = format!("(process {})", std::process::id());
    assert!(matches!(&second, OpenError::InUse { .. }) && second.to_string().contains(&process), "{second}");
    first.transact(Transaction::of(vec![put("a", vec![])])).await.unwrap();
    first.close().await;
    let again = open(&folder, &clock);
    assert!(again.get(&Key::new("P", "a")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_folder_that_is_no_store_is_refused() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let options = || Options::new(Arc::new(clock.clone()));
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(Embedded::open(&file, options()).unwrap_err(), OpenError::Io { .. }));
    // A creation that was cut off is begun anew.
    let cut_off = folder.path().join("cut-off");
    std::fs::create_dir_all(cut_off.join("data.new")).unwrap();
    std::fs::write(cut_off.join("data.new/0.jnl"), "x").unwrap();
    Embedded::open(&cut_off, options()).unwrap().close().await;
    // Data that is not of this store.
    let foreign = folder.path().join("foreign");
    std::fs::create_dir_all(foreign.join("data")).unwrap();
    std::fs::write(foreign.join("data/version"), "something else").unwrap();
    assert!(matches!(Embedded::open(&foreign, options()).unwrap_err(), OpenError::Damaged { .. }));
}

#[tokio::test]
async fn sweeping_removes_what_has_expired_and_nothing_else() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let table = open(&folder, &clock);
    let item = |n: u64, expires| Item::new(Key::new("P", n.to_string()), vec![]).due(Some(n)).expires(expires);
    let writes: Vec<Write> = (0..5).map(|n| Write::Put(item(n, Some(START + 10)), vec![])).collect();
    table.transact(Transaction::of(writes)).await.unwrap();
    // One is put off, one for ever, one is removed.
    let writes =
        vec![Write::Put(item(1, Some(START + 100)), vec![]), Write::Put(item(2, None), vec![]), Write::Delete(Key::new("P", "3"), vec![])];
    table.transact(Transaction::of(writes)).await.unwrap();
    assert_eq!(table.sweep_expired(START + 9, 10).await.unwrap(), 0);
    clock.advance(10);
    assert_eq!(table.due(9, 10).await.unwrap().len(), 4, "expired items are still indexed");
    assert_eq!(table.sweep_expired(clock.now_ms(), 1).await.unwrap(), 1, "the limit is kept");
    assert_eq!(table.sweep_expired(clock.now_ms(), 10).await.unwrap(), 1);
    assert_eq!(table.sweep_expired(clock.now_ms(), 10).await.unwrap(), 0);
    assert_eq!(table.due(9, 10).await.unwrap(), vec![Key::new("P", "1"), Key::new("P", "2")]);
    let page = table.query(&Query::prefix("P", "", 10)).await.unwrap();
    assert_eq!(page.items.len(), 2);
}

/// A clock that holds the writer at the beginning of a round until it is told to go on.
#[derive(Default)]
struct Gate {
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Gate {
    /// Waits until the writer stands at the gate.
    fn until_reached(&self) {
        drop(self.changed.wait_while(self.state.lock().unwrap(), |(reached, _)| !*reached).unwrap());
    }

    fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

#[async_trait]
impl Clock for Gate {
    fn now_ms(&self) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |(_, open)| !*open).unwrap());
        START
    }

    async fn sleep_until(&self, _: u64) {}
}

/// Begins a future that has to wait, and gives it back.
async fn begin<F: Future + Unpin>(mut future: F) -> F {
    tokio::select! {
        biased;
        _ = &mut future => panic!("it did not have to wait"),
        () = ready(()) => future,
    }
}

/// The table with its writer held in a round of its own by one commit, which the future is.
async fn held(folder: &tempfile::TempDir, queue_max: usize) -> (Arc<Embedded>, Arc<Gate>, impl Future<Output = ()>) {
    let gate = Arc::new(Gate::default());
    let clock: Arc<dyn Clock> = Arc::<Gate>::clone(&gate);
    let table = Embedded::open(folder.path(), Options { queue_max, ..Options::new(clock) }).unwrap();
    let first = Arc::clone(&table);
    let first = Box::pin(async move { first.transact(Transaction::of(vec![put("first", vec![])])).await.unwrap() });
    let first = begin(first).await;
    gate.until_reached();
    (table, gate, first)
}

#[tokio::test]
async fn commits_that_wait_share_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let (table, gate, first) = held(&folder, 1_024).await;
    let one = |n: usize| {
        let table = &table;
        async move { table.transact(Transaction::of(vec![put(&n.to_string(), vec![Condition::Absent])])).await.unwrap() }
    };
    let all = begin(join_all((0..63).map(one))).await;
    gate.open();
    first.await;
    all.await;
    let metrics = table.metrics();
    assert_eq!((metrics.commits, metrics.batches, metrics.conflicts), (64, 2, 0));
    assert_eq!(table.query(&Query::prefix("P", "", 100)).await.unwrap().items.len(), 64);
}

#[tokio::test]
async fn a_transaction_sees_the_earlier_ones_of_its_batch() {
    let folder = tempfile::tempdir().unwrap();
    let (table, gate, first) = held(&folder, 1_024).await;
    let due = |at| Item::new(Key::new("P", "a"), b"last".to_vec()).due(Some(at));
    let transactions = [
        vec![Write::Put(due(1), vec![Condition::Absent])],
        vec![put("a", vec![Condition::Absent]), put("never", vec![])],
        vec![put("a", vec![Condition::Revision(1)]), put("b", vec![])],
        vec![Write::Delete(Key::new("P", "a"), vec![Condition::Revision(2)])],
        vec![Write::Put(due(7), vec![Condition::Absent]), Write::Check(Key::new("P", "b"), vec![Condition::Revision(1)])],
    ];
    let all = begin(join_all(transactions.map(|writes| table.transact(Transaction::of(writes))))).await;
    gate.open();
    first.await;
    let ends = all.await;
    let conflict = |end: &Result<(), TransactError>| matches!(end, Err(TransactError::Conflict(places)) if places == &[0]);
    assert!(conflict(&ends[1]), "{ends:?}");
    assert!([0, 2, 3, 4].iter().all(|place| ends[*place].is_ok()), "{ends:?}");
    let metrics = table.metrics();
    assert_eq!((metrics.commits, metrics.batches, metrics.conflicts), (5, 2, 1));
    let item = table.get(&Key::new("P", "a")).await.unwrap().unwrap();
    assert_eq!((item.revision, item.body, item.due_ms), (1, b"last".to_vec(), Some(7)));
    assert_eq!(table.get(&Key::new("P", "never")).await.unwrap(), None);
    assert_eq!(table.due(100, 10).await.unwrap(), vec![Key::new("P", "a")]);
    assert_eq!(table.due(6, 10).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_full_line_makes_callers_wait_and_loses_none() {
    let folder = tempfile::tempdir().unwrap();
    let (table, gate, first) = held(&folder, 1).await;
    let one = |n: usize| {
        let table = &table;
        async move { table.transact(Transaction::of(vec![put(&n.to_string(), vec![])])).await.unwrap() }
    };
    let all = begin(join_all((0..20).map(one))).await;
    gate.open();
    first.await;
    all.await;
    assert_eq!(table.metrics().commits, 21);
}

#[tokio::test]
async fn a_close_waits_for_what_is_in_line() {
    let folder = tempfile::tempdir().unwrap();
    let (table, gate, first) = held(&folder, 1_024).await;
    let second = begin(Box::pin(table.transact(Transaction::of(vec![put("second", vec![])])))).await;
    let close = begin(Box::pin(table.close())).await;
    gate.open();
    let ((), second, ()) = tokio::join!(first, second, close);
    second.unwrap();
    let table = open(&folder, &HandClock::new());
    assert_eq!(table.query(&Query::prefix("P", "", 10)).await.unwrap().items.len(), 2);
}
