//! Random transactions on embedded tables and on the model in memory: the same answers, the same state. The tables keep
//! nothing of what was written or read lately, a little, or all of it, and answer the same page by page.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod clock;

use app::ports::{Clock, Condition, Item, Key, Page, Query, Table, TransactError, Transaction, Write};
use clock::{HandClock, START};
use proptest::prelude::*;
use std::sync::Arc;
use store::embedded::{Embedded, Options};
use store::memory::Memory;

const PARTITIONS: [&str; 3] = ["A", "A#", "B"];

#[derive(Debug, Clone)]
enum Step {
    Transact(Transaction),
    Advance(u64),
    Sweep,
    Reopen,
}

fn key() -> impl Strategy<Value = Key> {
    (proptest::sample::select(&PARTITIONS), 0..4_u8).prop_map(|(partition, sort)| Key::new(partition, format!("S#{sort}")))
}

fn condition() -> impl Strategy<Value = Condition> {
    let text = || "[xy]";
    prop_oneof![
        Just(Condition::Absent),
        Just(Condition::Exists),
        (0..4_u64).prop_map(Condition::Revision),
        (text(), text()).prop_map(|(name, value)| Condition::Attribute(name, value)),
        text().prop_map(Condition::NoAttribute),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let soon = || proptest::option::of((0..40_u64).prop_map(|ms| START + ms));
    let attributes = proptest::collection::btree_map("[xy]", "[xy]", 0..2);
    (key(), attributes, proptest::collection::vec(any::<u8>(), 0..20), soon(), soon())
        .prop_map(|(key, attributes, body, due_ms, expires_ms)| Item { key, revision: 0, attributes, body, due_ms, expires_ms })
}

fn write() -> impl Strategy<Value = Write> {
    let conditions = || proptest::collection::vec(condition(), 0..2);
    prop_oneof![
        4 => (item(), conditions()).prop_map(|(item, conditions)| Write::Put(item, conditions)),
        2 => (key(), conditions()).prop_map(|(key, conditions)| Write::Delete(key, conditions)),
        1 => (key(), conditions()).prop_map(|(key, conditions)| Write::Check(key, conditions)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let token = proptest::option::weighted(0.2, "[a-c]");
    let transaction = (proptest::collection::vec(write(), 1..4), token);
    prop_oneof![
        20 => transaction.prop_map(|(writes, token)| Step::Transact(Transaction { writes, token })),
        3 => (1..6_u64).prop_map(Step::Advance),
        1 => Just(Step::Sweep),
        1 => Just(Step::Reopen),
    ]
}

/// An answer as far as it must be the same.
fn answer(result: Result<(), TransactError>) -> Result<(), Vec<usize>> {
    match result {
        Ok(()) => Ok(()),
        Err(TransactError::Conflict(places)) => Err(places),
        Err(TransactError::Invalid(_)) => Err(vec![usize::MAX]),
        Err(other) => panic!("{other}"),
    }
}

async fn state(table: &dyn Table, clock: &HandClock) -> (Vec<Vec<Item>>, Vec<Key>) {
    let mut ranges = Vec::new();
    for partition in PARTITIONS {
        for backward in [false, true] {
            let mut query = Query { backward, ..Query::prefix(partition, "S#", 3) };
            let mut items = Vec::new();
            loop {
                let page = table.query(&query).await.unwrap();
                items.extend(page.items);
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
            ranges.push(items);
        }
    }
    let mut due = Vec::new();
    for key in table.due(clock.now_ms(), 100).await.unwrap() {
        // What has expired may or may not be indexed still.
        if table.get(&key).await.unwrap().is_some() {
            due.push(key);
        }
    }
    (ranges, due)
}

/// Everything that a reader could ask, and every page of it.
async fn answers(table: &dyn Table) -> (Vec<Option<Item>>, Vec<Page>) {
    let (mut items, mut pages) = (Vec::new(), Vec::new());
    for partition in PARTITIONS.into_iter().chain(["C"]) {
        for sort in 0..5 {
            items.push(table.get(&Key::new(partition, format!("S#{sort}"))).await.unwrap());
        }
        for (prefix, limit) in [("", 2), ("S#", 9), ("S#1", 9)] {
            for after in [None, Some("S#2")] {
                for backward in [false, true] {
                    let query = Query { after: after.map(str::to_owned), backward, ..Query::prefix(partition, prefix, limit) };
                    pages.push(table.query(&query).await.unwrap());
                }
            }
        }
    }
    (items, pages)
}

/// Nothing is kept, a partition or two, everything.
const LATELY_BYTES: [usize; 3] = [0, 12_000, 8 << 20];

struct Real {
    folder: tempfile::TempDir,
    options: Options,
    table: Arc<Embedded>,
}

impl Real {
    fn open(lately_bytes: usize, clock: &HandClock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { lately_bytes, ..Options::new(Arc::new(clock.clone())) };
        let table = Embedded::open(folder.path(), options.clone()).unwrap();
        Self { folder, options, table }
    }
}

async fn compare(steps: Vec<Step>) {
    let clock = HandClock::new();
    let mut reals = LATELY_BYTES.map(|lately_bytes| Real::open(lately_bytes, &clock));
    let memory = Memory::new(Arc::new(clock.clone()));
    for step in steps {
        let model = if let Step::Transact(transaction) = &step { Some(answer(memory.transact(transaction.clone()).await)) } else { None };
        for real in &mut reals {
            match &step {
                Step::Transact(transaction) => {
                    let done = answer(real.table.transact(transaction.clone()).await);
                    assert_eq!(Some(&done), model.as_ref(), "{step:?}");
                }
                Step::Advance(_) => {}
                Step::Sweep => drop(real.table.sweep_expired(clock.now_ms(), 100).await.unwrap()),
                Step::Reopen => {
                    real.table.close().await;
                    real.table = Embedded::open(real.folder.path(), real.options.clone()).unwrap();
                }
            }
        }
        match &step {
            Step::Advance(ms) => clock.advance(*ms),
            Step::Reopen => memory.forget_tokens(),
            // What replaces an expired item goes on from it while it is there.
            Step::Sweep => memory.sweep_expired(),
            Step::Transact(_) => {}
        }
        let model = state(&memory, &clock).await;
        let uncached = answers(&*reals[0].table).await;
        for (nth, real) in reals.iter().enumerate() {
            assert_eq!(state(&*real.table, &clock).await, model, "after {step:?}");
            // Twice: what the first time is looked for is known the second time.
            for _ in 0..2 * nth.min(1) {
                assert!(answers(&*real.table).await == uncached, "{} bytes, after {step:?}", real.options.lately_bytes);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_tables_do_the_same(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(compare(steps));
    }
}
