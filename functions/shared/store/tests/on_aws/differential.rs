//! Random operations on the table on DynamoDB, on the embedded one and on the plain model: every answer is the same, with
//! requests and answers lost on the way, pages cut short, and what has expired removed or not yet. A sequence that shows a
//! difference is made as short as it gets.
//!
//! `WAYBILL_OPERATIONS` says how many operations are compared; 2,000 without it.

use crate::aws;
use crate::clock::{HandClock, START};
use crate::faulty::{Fault, Faults};
use app::ports::{Clock, Condition, Item, Key, Page, Query, StoreError, Table, TransactError, Transaction, Write};
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::dynamodb::{CALLS_MAX, Dynamo};
use store::embedded::{Embedded, Options};
use store::memory::Memory;

const PARTITIONS: [&str; 3] = ["A", "A#", "B"];
const OPERATIONS_A_SEQUENCE: usize = 100;

/// What goes wrong on the way to DynamoDB, all of it passing.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    None,
    Lost,
    AnswerLost,
    Throttled,
    Conflict,
    Internal,
    /// Of every page only so many items come.
    Short(usize),
    /// Nothing comes through, so often that it is given up.
    Down,
    /// Everything comes through and no answer does, so often that it is given up.
    Mute,
}

#[derive(Debug, Clone)]
enum Step {
    Transact(Transaction, Trouble),
    /// The last transaction again, token and all.
    Again(Trouble),
    Get(Key, Trouble),
    Query(Query, Trouble),
    Due(u64, Trouble),
    Advance(u64),
    /// What has expired is removed, everywhere.
    Sweep,
}

fn key() -> impl Strategy<Value = Key> {
    (proptest::sample::select(&PARTITIONS), 0..5_u8).prop_map(|(partition, sort)| Key::new(partition, format!("S#{sort}")))
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
    let body = prop_oneof![Just(b"{}".to_vec()), proptest::collection::vec(any::<u8>(), 0..20)];
    (key(), attributes, body, soon(), soon()).prop_map(|(key, attributes, body, due_ms, expires_ms)| Item {
        key,
        revision: 0,
        attributes,
        body,
        due_ms,
        expires_ms,
    })
}

fn write() -> impl Strategy<Value = Write> {
    let conditions = || proptest::collection::vec(condition(), 0..2);
    prop_oneof![
        4 => (item(), conditions()).prop_map(|(item, conditions)| Write::Put(item, conditions)),
        2 => (key(), conditions()).prop_map(|(key, conditions)| Write::Delete(key, conditions)),
        1 => (key(), conditions()).prop_map(|(key, conditions)| Write::Check(key, conditions)),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        12 => Just(Trouble::None),
        1 => Just(Trouble::Lost),
        1 => Just(Trouble::AnswerLost),
        1 => Just(Trouble::Throttled),
        1 => Just(Trouble::Conflict),
        1 => Just(Trouble::Internal),
        2 => (1..4_usize).prop_map(Trouble::Short),
        1 => Just(Trouble::Down),
        1 => Just(Trouble::Mute),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let prefix = prop_oneof![Just(""), Just("S#"), Just("S#1"), Just("T")];
    let after = proptest::option::of(prop_oneof![Just("S#2"), Just("S#"), Just("S#25"), Just("A"), Just("Z"), Just("S#1")]);
    (proptest::sample::select(&PARTITIONS), prefix, after, any::<bool>(), 1..7_usize).prop_map(
        |(partition, prefix, after, backward, limit)| Query {
            after: after.map(str::to_owned),
            backward,
            ..Query::prefix(partition, prefix, limit)
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let token = proptest::option::weighted(0.3, "[a-c]");
    let transaction = (proptest::collection::vec(write(), 0..4), token).prop_map(|(writes, token)| Transaction { writes, token });
    prop_oneof![
        10 => (transaction, trouble()).prop_map(|(transaction, trouble)| Step::Transact(transaction, trouble)),
        1 => trouble().prop_map(Step::Again),
        4 => (key(), trouble()).prop_map(|(key, trouble)| Step::Get(key, trouble)),
        5 => (query(), trouble()).prop_map(|(query, trouble)| Step::Query(query, trouble)),
        2 => (0..50_u64, trouble()).prop_map(|(ms, trouble)| Step::Due(START + ms, trouble)),
        2 => (1..6_u64).prop_map(Step::Advance),
        1 => Just(Step::Sweep),
    ]
}

fn faults(trouble: Trouble) -> Vec<Fault> {
    // The index is asked in parts, all of which shall meet it.
    let often = |fault: Fault| vec![fault; CALLS_MAX as usize * 8];
    match trouble {
        Trouble::None => vec![],
        Trouble::Lost => vec![Fault::Lost],
        Trouble::AnswerLost => vec![Fault::AnswerLost, Fault::AnswerLost],
        Trouble::Throttled => vec![Fault::throttled(); 3],
        Trouble::Conflict => vec![Fault::canceled(&[("TransactionConflict", None)])],
        Trouble::Internal => vec![Fault::trouble()],
        Trouble::Short(items) => vec![Fault::ShortPage(items); 3],
        Trouble::Down => often(Fault::Lost),
        Trouble::Mute => often(Fault::AnswerLost),
    }
}

/// An answer as far as it must be the same.
#[derive(Debug, PartialEq)]
enum Answer {
    Written,
    Conflict(Vec<usize>),
    Invalid,
    Unknown,
    Unavailable,
    Item(Option<Item>),
    Page(Page),
    Keys(Vec<Key>),
}

fn written(result: Result<(), TransactError>) -> Answer {
    match result {
        Ok(()) => Answer::Written,
        Err(TransactError::Conflict(places)) => Answer::Conflict(places),
        Err(TransactError::Invalid(_)) => Answer::Invalid,
        Err(TransactError::Unknown(_)) => Answer::Unknown,
        Err(TransactError::Unavailable(_)) => Answer::Unavailable,
    }
}

fn read<T>(result: Result<T, StoreError>, answer: impl FnOnce(T) -> Answer) -> Answer {
    result.map_or(Answer::Unavailable, answer)
}

async fn ask(table: &dyn Table, step: &Step) -> Answer {
    match step {
        Step::Transact(transaction, _) => written(table.transact(transaction.clone()).await),
        Step::Get(key, _) => read(table.get(key).await, Answer::Item),
        Step::Query(query, _) => read(table.query(query).await, Answer::Page),
        Step::Due(now, _) => read(table.due(*now, 1_000).await, Answer::Keys),
        Step::Again(_) | Step::Advance(_) | Step::Sweep => Answer::Written,
    }
}

/// All pages from here on, as one.
async fn all_pages(table: &dyn Table, query: &Query) -> Page {
    let mut query = query.clone();
    let mut all = Page { items: vec![], next: None };
    loop {
        let page = table.query(&query).await.unwrap();
        all.items.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            return all;
        }
    }
}

/// The three tables, and a clock for all of them.
struct Tables {
    clock: HandClock,
    model: Memory,
    embedded: Arc<Embedded>,
    _folder: tempfile::TempDir,
    dynamo: Dynamo,
    faults: Faults,
    client: Client,
    name: String,
}

impl Tables {
    async fn new(endpoint: &str) -> Self {
        let (clock, folder, faults) = (HandClock::new(), tempfile::tempdir().unwrap(), Faults::default());
        let name = aws::fresh("differential");
        let dynamo = Dynamo::new(&aws::config(endpoint).http_client(faults.client()).build(), aws::options(&name, &clock));
        dynamo.create().await.unwrap();
        Self {
            model: Memory::new(Arc::new(clock.clone())),
            embedded: Embedded::open(folder.path(), Options::new(Arc::new(clock.clone()))).unwrap(),
            _folder: folder,
            dynamo,
            faults,
            client: Client::new(&aws::plain(endpoint)),
            name,
            clock,
        }
    }

    /// DynamoDB removes what has expired in its own time: now.
    async fn sweep(&self) {
        self.model.sweep_expired();
        self.embedded.sweep_expired(self.clock.now_ms(), 1_000).await.unwrap();
        let stored = self.client.scan().table_name(&self.name).consistent_read(true).send().await.unwrap().items.unwrap();
        for mut item in stored {
            let expires = item.get("e").and_then(|value| value.as_n().ok()).and_then(|ms| ms.parse::<u64>().ok());
            if expires.is_some_and(|at| at <= self.clock.now_ms()) {
                item.retain(|name, _| name == "pk" || name == "sk");
                self.client.delete_item().table_name(&self.name).set_key(Some(item)).send().await.unwrap();
            }
        }
    }

    /// One step everywhere; what differs, if anything.
    async fn step(&self, step: &Step) -> Result<(), String> {
        let trouble = match step {
            Step::Advance(ms) => {
                self.clock.advance(*ms);
                return Ok(());
            }
            Step::Sweep => {
                self.sweep().await;
                return Ok(());
            }
            Step::Transact(_, trouble) | Step::Again(trouble) | Step::Get(_, trouble) | Step::Query(_, trouble) | Step::Due(_, trouble) => {
                *trouble
            }
        };
        // Only a transaction can be in the way of another.
        let harmless = matches!(trouble, Trouble::Conflict) && !matches!(step, Step::Transact(..));
        self.faults.plan(if harmless { vec![] } else { faults(trouble) });
        let dynamo = ask(&self.dynamo, step).await;
        self.faults.clear();
        // An end that is open, or a read that was given up, and why.
        match (trouble, &dynamo) {
            (Trouble::Down, Answer::Unknown | Answer::Unavailable) | (Trouble::Mute, Answer::Unavailable) => return Ok(()),
            (Trouble::Mute, Answer::Unknown) => {}
            (_, Answer::Unknown | Answer::Unavailable) => return Err(format!("{step:?}: DynamoDB gave up: {dynamo:?}")),
            _ => {}
        }
        let model = ask(&self.model, step).await;
        if dynamo != model && dynamo != Answer::Unknown {
            return Err(format!("{step:?}: DynamoDB says {dynamo:?}, the model {model:?}"));
        }
        let (embedded, model) = match step {
            // Its pages may end with an expired item; followed to the end they are the same.
            Step::Query(query, _) => {
                (Answer::Page(all_pages(&*self.embedded, query).await), Answer::Page(all_pages(&self.model, query).await))
            }
            _ => (ask(&*self.embedded, step).await, model),
        };
        if embedded == model { Ok(()) } else { Err(format!("{step:?}: the embedded table says {embedded:?}, the model {model:?}")) }
    }

    /// Everything that is stored, everywhere.
    async fn compare(&self) -> Result<(), String> {
        for partition in PARTITIONS {
            for backward in [false, true] {
                self.step(&Step::Query(Query { backward, ..Query::prefix(partition, "", 100) }, Trouble::None)).await?;
            }
        }
        self.step(&Step::Due(u64::MAX >> 1, Trouble::None)).await
    }

    async fn run(&self, steps: &[Step], compared: &AtomicUsize) -> Result<(), String> {
        let mut last = None;
        for step in steps {
            let step = match step {
                // After an open end, tables may differ in what they remember of a token.
                Step::Transact(transaction, trouble @ (Trouble::Down | Trouble::Mute)) => {
                    Step::Transact(Transaction { token: None, ..transaction.clone() }, *trouble)
                }
                Step::Again(Trouble::Down | Trouble::Mute) => continue,
                Step::Again(trouble) => match &last {
                    Some(transaction) => Step::Transact(Transaction::clone(transaction), *trouble),
                    None => continue,
                },
                step => step.clone(),
            };
            if let Step::Transact(transaction, _) = &step {
                last = Some(transaction.clone());
            }
            compared.fetch_add(usize::from(!matches!(step, Step::Advance(_) | Step::Sweep)), Ordering::Relaxed);
            self.step(&step).await?;
        }
        self.compare().await
    }
}

/// Random sequences until so many operations were compared; the shortest that shows a difference, and the difference.
fn search<F: Future<Output = Result<(), String>>>(operations: usize, run: impl Fn(Vec<Step>) -> F) -> Option<(Vec<Step>, String)> {
    let cases = u32::try_from(operations.div_ceil(OPERATIONS_A_SEQUENCE * 7 / 10)).unwrap();
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 3_000, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Most are long; it may be shortened to nothing.
    let steps = proptest::collection::vec(step(), 0..=2 * OPERATIONS_A_SEQUENCE);
    match runner.run(&steps, |steps| runtime.block_on(run(steps)).map_err(TestCaseError::fail)) {
        Ok(()) => None,
        Err(TestError::Fail(reason, steps)) => Some((steps, reason.message().to_owned())),
        Err(TestError::Abort(reason)) => Some((vec![], reason.message().to_owned())),
    }
}

#[test]
fn all_tables_answer_the_same() {
    let operations = std::env::var("WAYBILL_OPERATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let endpoint = runtime.block_on(aws::endpoint());
    let compared = AtomicUsize::new(0);
    let run = |steps: Vec<Step>| {
        let (endpoint, compared) = (endpoint.clone(), &compared);
        async move {
            let tables = Tables::new(&endpoint).await;
            let end = tables.run(&steps, compared).await;
            tables.client.delete_table().table_name(&tables.name).send().await.unwrap();
            end
        }
    };
    // Sequences are of random length: what one search leaves of the count, the next one compares.
    while compared.load(Ordering::Relaxed) < operations {
        let found = search(operations - compared.load(Ordering::Relaxed), run);
        assert!(found.is_none(), "{found:#?}");
    }
}

/// A table that takes one kind of condition for true.
struct Lying(Memory);

#[async_trait]
impl Table for Lying {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.0.get(key).await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.0.query(query).await
    }

    async fn transact(&self, mut transaction: Transaction) -> Result<(), TransactError> {
        for write in &mut transaction.writes {
            if let Write::Check(_, conditions) = write {
                conditions.retain(|condition| !matches!(condition, Condition::Exists));
            }
        }
        self.0.transact(transaction).await
    }

    async fn due(&self, now: u64, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.0.due(now, limit).await
    }
}

#[test]
fn a_difference_is_found_and_made_short() {
    let run = |steps: Vec<Step>| async move {
        let clock: Arc<dyn Clock> = Arc::new(HandClock::new());
        let (model, lying) = (Memory::new(Arc::clone(&clock)), Lying(Memory::new(clock)));
        for step in &steps {
            let (one, other) = (ask(&model, step).await, ask(&lying, step).await);
            if one != other {
                return Err(format!("{one:?}, not {other:?}"));
            }
        }
        Ok(())
    };
    let (steps, reason) = search(20_000, run).unwrap();
    assert!(reason.contains("Conflict"), "{reason}");
    assert!(steps.iter().filter(|step| matches!(step, Step::Transact(..))).count() <= 2 && steps.len() <= 3, "{steps:#?}");
}
