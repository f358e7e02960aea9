//! A process that is killed while it commits: what it acknowledged is there, and no transaction is there in part.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use app::ports::{Clock, Item, Key, Query, Table, Transaction, Write};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::OpenError;
use store::embedded::{Embedded, Options};

const FOLDER: &str = "STORE_CRASH_FOLDER";
const KILLS: usize = 10;
const WRITERS: u64 = 4;

/// A clock that stands still; nothing here expires.
struct Still;

#[async_trait]
impl Clock for Still {
    fn now_ms(&self) -> u64 {
        1
    }

    async fn sleep_until(&self, _: u64) {}
}

/// Small memory, so that kills also meet writing out and merging.
fn open(folder: &Path) -> Result<Arc<Embedded>, OpenError> {
    Embedded::open(folder, Options { memtable_bytes: 128 << 10, ..Options::new(Arc::new(Still)) })
}

fn numbered(number: u64, writer: u64) -> Transaction {
    let body = || format!("{number}-").repeat(usize::try_from(number % 400).unwrap()).into_bytes();
    let item = |partition: &str| Item::new(Key::new(partition, format!("{number:08}")), body());
    let turn = Item::new(Key::new("TURN", writer.to_string()), number.to_string().into_bytes()).due(Some(number));
    Transaction::of(vec![
        Write::Put(item("A"), vec![]),
        Write::Put(item("B").due(Some(number)).expires(Some(u64::MAX)), vec![]),
        // Moves an entry of the index each time.
        Write::Put(turn, vec![]),
        // Also takes something away each time.
        Write::Delete(Key::new("A", format!("{:08}", number / 2)), vec![]),
        Write::Delete(Key::new("B", format!("{:08}", number / 2)), vec![]),
    ])
}

/// The child: commits until it is killed, and says of each commit that it was acknowledged. Does nothing in a usual run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_commits() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let table = open(Path::new(&folder)).unwrap();
    let next = Arc::new(AtomicU64::new(numbers(&*table, "A").await.keys().next_back().map_or(1, |last| last + 1)));
    let writers = (0..WRITERS).map(|writer| {
        let (table, next) = (Arc::clone(&table), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                table.transact(numbered(number, writer)).await.unwrap();
                // One write each, so that a line is whole or absent.
                std::io::stdout().lock().write_all(format!("\nacknowledged {number}\n").as_bytes()).unwrap();
            }
        })
    });
    futures::future::join_all(writers).await;
}

async fn numbers(table: &dyn Table, partition: &str) -> BTreeMap<u64, Item> {
    let mut query = Query::prefix(partition, "", 1_000);
    let mut found = BTreeMap::new();
    loop {
        let page = table.query(&query).await.unwrap();
        found.extend(page.items.into_iter().map(|item| (item.key.sort.parse().unwrap(), item)));
        query.after = page.next;
        if query.after.is_none() {
            return found;
        }
    }
}

fn spawn(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_commits", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn acknowledged(line: &str) -> Option<u64> {
    line.strip_prefix("acknowledged ")?.parse().ok()
}

/// Lets a child commit some, kills it, and gives what it acknowledged.
fn commit_and_kill(folder: &Path, kill_after: usize) -> Vec<u64> {
    let mut child = spawn(folder);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let mut seen: Vec<u64> = lines.by_ref().filter_map(|line| acknowledged(&line)).take(kill_after).collect();
    let refused = open(folder).unwrap_err();
    assert!(refused.to_string().contains(&format!("(process {})", child.id())), "{refused}");
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    seen.extend(lines.filter_map(|line| acknowledged(&line)));
    seen
}

async fn check(folder: &Path, acknowledged: &BTreeSet<u64>) {
    let table = open(folder).unwrap();
    let (a, b) = (numbers(&*table, "A").await, numbers(&*table, "B").await);
    assert!(a.keys().eq(b.keys()), "a transaction is there in part");
    assert!(a.values().zip(b.values()).all(|(a, b)| a.body == b.body));
    let last = *a.keys().next_back().unwrap();
    for number in acknowledged {
        // Removed by the transaction of twice its number, or of one more, whichever was committed.
        let removed = [number * 2, number * 2 + 1].iter().any(|by| *by <= last);
        assert!(removed || a.contains_key(number), "{number} was acknowledged and is not there");
    }
    let turns = numbers(&*table, "TURN").await;
    let told = turns.values().map(|turn| String::from_utf8(turn.body.clone()).unwrap().parse::<u64>().unwrap());
    assert!(told.max().unwrap() >= *acknowledged.last().unwrap(), "a later turn was acknowledged");
    let due: BTreeSet<Key> = table.due(u64::MAX, usize::MAX).await.unwrap().into_iter().collect();
    let expected: BTreeSet<Key> = b.into_values().chain(turns.into_values()).map(|item| item.key).collect();
    assert_eq!(due, expected, "the index and the items agree");
    table.close().await;
}

#[tokio::test]
async fn every_acknowledged_commit_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = BTreeSet::new();
    for _ in 0..KILLS {
        let mut random = [0; 2];
        getrandom::fill(&mut random).unwrap();
        let kill_after = 1 + usize::from(u16::from_be_bytes(random)) % 300;
        all.extend(commit_and_kill(folder.path(), kill_after));
        check(folder.path(), &all).await;
    }
    assert!(all.len() >= KILLS);
}
