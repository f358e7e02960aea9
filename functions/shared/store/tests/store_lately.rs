//! Readers beside the writer, with room for everything, for a little, and for nothing of what was written lately: they see
//! transactions whole, in their order, and at the latest when they are acknowledged.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

#[allow(dead_code, reason = "shared with other suites, which use other parts of it")]
mod clock;

use app::ports::{Condition, Item, Key, Query, Table, Transaction, Write};
use clock::HandClock;
use futures::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::embedded::{Embedded, Options};

const COMMITS: u64 = 300;
const READERS: usize = 6;
/// Where each transaction writes its number.
const PLACES: [(&str, &str); 4] = [("A", "x"), ("B", "x"), ("B", "y"), ("C", "x")];

fn put(partition: &str, sort: &str, number: u64) -> Write {
    Write::Put(Item::new(Key::new(partition, sort), number.to_be_bytes().to_vec()), vec![])
}

/// The number of a place; none counts as 0.
async fn read(table: &Embedded, place: (&str, &str)) -> u64 {
    let item = table.get(&Key::new(place.0, place.1)).await.unwrap();
    item.map_or(0, |item| u64::from_be_bytes(item.body.try_into().unwrap()))
}

async fn write_on(table: Arc<Embedded>, acknowledged: Arc<AtomicU64>) {
    for number in 1..=COMMITS {
        let mut writes: Vec<Write> = PLACES.iter().map(|(partition, sort)| put(partition, sort, number)).collect();
        // One that comes and goes, one that is written once, and a partition that begins.
        let key = || Key::new("B", "z");
        writes.push(if number % 2 == 0 { Write::Delete(key(), vec![]) } else { Write::Put(Item::new(key(), vec![]), vec![]) });
        writes.push(put("LOG", &format!("{number:06}"), number));
        writes.push(Write::Put(Item::new(Key::new(format!("NEW#{number}"), "x"), vec![1; 500]), vec![Condition::Absent]));
        table.transact(Transaction::of(writes)).await.unwrap();
        acknowledged.store(number, Ordering::SeqCst);
    }
}

async fn read_on(table: Arc<Embedded>, acknowledged: Arc<AtomicU64>, nth: usize) {
    let mut newest = 0;
    while newest < COMMITS {
        let least = acknowledged.load(Ordering::SeqCst).max(newest);
        // Each looks in another order.
        for at in 0..PLACES.len() {
            let number = read(&table, PLACES[(at + nth) % PLACES.len()]).await;
            assert!(number >= newest && number >= least, "{number} after {newest}, acknowledged {least}");
            newest = number;
        }
        let page = table.query(&Query::prefix("B", "", 10)).await.unwrap();
        let numbers: Vec<u64> = page.items.iter().filter(|item| item.body.len() == 8).map(|item| item.revision).collect();
        assert!(numbers.iter().all(|number| *number == numbers[0] && *number >= newest), "{numbers:?} after {newest}");
        newest = numbers.first().copied().unwrap_or(newest);
        let odd = page.items.iter().any(|item| item.key.sort == "z");
        assert_eq!(odd, newest % 2 == 1, "a page is of one moment");
        let last = table.query(&Query { backward: true, ..Query::prefix("LOG", "", 1) }).await.unwrap();
        let last = last.items.first().map_or(0, |item| u64::from_be_bytes(item.body.clone().try_into().unwrap()));
        assert!(last >= newest, "{last} after {newest}");
        newest = last;
        if newest > 0 {
            assert!(table.get(&Key::new(format!("NEW#{newest}"), "x")).await.unwrap().is_some());
            assert!(table.get(&Key::new(format!("NEW#{newest}"), "y")).await.unwrap().is_none());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_whole_transactions_in_their_order() {
    for lately_bytes in [0, 3_000, 20_000, 8 << 20] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { lately_bytes, ..Options::new(Arc::new(HandClock::new())) };
        let table = Embedded::open(folder.path(), options).unwrap();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let readers = (0..READERS).map(|nth| tokio::spawn(read_on(Arc::clone(&table), Arc::clone(&acknowledged), nth)));
        let readers: Vec<_> = readers.collect();
        let writer = tokio::spawn(write_on(Arc::clone(&table), acknowledged));
        for ended in join_all(readers.into_iter().chain([writer])).await {
            ended.unwrap();
        }
    }
}
