//! The queue of one process: each hint once, in time, to one receiver; and the changes that are followed.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use app::ports::{Change, Changes, Clock, Hint, Queue};
use async_trait::async_trait;
use model::id::ExecutionId;
use queue::changes::{CHANGES_MAX, ChangeBus};
use queue::in_process::{DELAY_MS_MAX, HINTS_MAX, InProcess, Receiver};
use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

const START: u64 = 1_800_000_000_000;

/// A clock moved by hand. Clones show the same time.
#[derive(Clone)]
struct HandClock {
    now: Arc<watch::Sender<u64>>,
    /// The instant that was asked for last.
    wish: Arc<AtomicU64>,
}

impl HandClock {
    fn new() -> Self {
        Self { now: Arc::new(watch::Sender::new(START)), wish: Arc::default() }
    }

    fn advance(&self, ms: u64) {
        self.now.send_modify(|now| *now += ms);
    }

    /// Waits until so many sleep.
    async fn until_asleep(&self, sleepers: usize) {
        while self.now.receiver_count() < sleepers {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until somebody wants to sleep until then.
    async fn until_wished(&self, at: u64) {
        while self.wish.load(Ordering::SeqCst) != at {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now_ms(&self) -> u64 {
        *self.now.borrow()
    }

    async fn sleep_until(&self, at: u64) {
        let mut now = self.now.subscribe();
        self.wish.store(at, Ordering::SeqCst);
        drop(now.wait_for(|now| *now >= at).await);
    }
}

fn hint(n: usize) -> Hint {
    Hint::Execution { id: ExecutionId::parse(format!("e{n}")).unwrap() }
}

fn queue() -> (HandClock, Arc<InProcess>, Receiver) {
    let clock = HandClock::new();
    let (queue, receiver) = InProcess::new(Arc::new(clock.clone()));
    (clock, queue, receiver)
}

/// The value of a future that must not have to wait; none when it would.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        value = future => Some(value),
        () = ready(()) => None,
    }
}

#[tokio::test]
async fn hints_come_in_order_and_once() {
    let (_, queue, receiver) = queue();
    for n in [1, 2, 1, 3, 2] {
        queue.hint(hint(n), 0).await;
    }
    assert_eq!(receiver.len(), 3);
    for n in [1, 2, 3] {
        assert_eq!(at_once(receiver.next()).await, Some(hint(n)));
    }
    assert_eq!(at_once(receiver.next()).await, None);
    assert!(receiver.is_empty());
}

#[tokio::test]
async fn a_hint_that_was_taken_is_a_new_one() {
    let (_, queue, receiver) = queue();
    queue.hint(hint(1), 0).await;
    assert_eq!(receiver.next().await, hint(1));
    queue.hint(hint(1), 0).await;
    assert_eq!(at_once(receiver.next()).await, Some(hint(1)));
}

#[tokio::test]
async fn delayed_hints_come_in_their_time() {
    let (clock, queue, receiver) = queue();
    queue.hint(hint(2), 2_000).await;
    queue.hint(hint(1), 1_000).await;
    queue.hint(hint(1), 1_000).await;
    queue.hint(hint(3), 1_000).await;
    queue.hint(hint(9), DELAY_MS_MAX * 5).await;
    assert_eq!(receiver.len(), 4, "the same hint for the same instant is one");
    let waiting = tokio::spawn(async move { (receiver.next().await, receiver) });
    clock.until_asleep(1).await;
    clock.advance(999);
    assert!(!waiting.is_finished());
    clock.advance(1);
    let (first, receiver) = waiting.await.unwrap();
    assert_eq!(first, hint(1));
    assert_eq!(at_once(receiver.next()).await, Some(hint(3)));
    assert_eq!(at_once(receiver.next()).await, None);
    clock.advance(1_000);
    assert_eq!(at_once(receiver.next()).await, Some(hint(2)));
    clock.advance(DELAY_MS_MAX - 2_000);
    assert_eq!(at_once(receiver.next()).await, Some(hint(9)), "a delay is cut to the longest");
}

#[tokio::test]
async fn an_earlier_delay_wakes_who_waits_for_a_later_one() {
    let (clock, queue, receiver) = queue();
    queue.hint(hint(2), 60_000).await;
    let waiting = tokio::spawn(async move { receiver.next().await });
    clock.until_wished(START + 60_000).await;
    queue.hint(hint(1), 10).await;
    clock.until_wished(START + 10).await;
    clock.advance(10);
    assert_eq!(waiting.await.unwrap(), hint(1));
}

#[tokio::test]
async fn every_receiver_that_waits_gets_one() {
    let (clock, queue, receiver) = queue();
    let receiver = Arc::new(receiver);
    for n in 0..20 {
        queue.hint(hint(n), 500).await;
    }
    let takers: Vec<_> = (0..20)
        .map(|_| {
            let receiver = Arc::clone(&receiver);
            tokio::spawn(async move { receiver.next().await })
        })
        .collect();
    clock.until_asleep(20).await;
    clock.advance(500);
    let mut got = Vec::new();
    for taker in takers {
        got.push(taker.await.unwrap());
    }
    assert!((0..20).all(|n| got.contains(&hint(n))), "{got:?}");
    assert!(receiver.is_empty());
}

#[tokio::test]
async fn too_many_hints_are_dropped() {
    let (_, queue, receiver) = queue();
    for n in 0..HINTS_MAX + 10 {
        queue.hint(hint(n), u64::from(n % 2 == 0)).await;
    }
    assert_eq!(receiver.len(), HINTS_MAX);
}

fn change(topic: &str, version: u64) -> Change {
    Change { topic: topic.to_owned(), version }
}

fn topics(topics: &[&str]) -> Vec<String> {
    topics.iter().map(|topic| (*topic).to_owned()).collect()
}

#[tokio::test]
async fn changes_are_told_to_who_follows_them() {
    let clock = HandClock::new();
    let bus = ChangeBus::new(Arc::new(clock.clone()));
    let start = bus.cursor();
    bus.publish(change("execution:a", 1));
    bus.publish(change("execution:b", 1));
    bus.publish(change("execution:a", 2));
    let (cursor, found) = bus.wait(&topics(&["execution:a"]), start, START).await;
    assert_eq!((cursor, found), (bus.cursor(), Some(vec![change("execution:a", 2)])), "the last of a topic");
    let (_, both) = bus.wait(&topics(&["execution:a", "execution:b"]), start, START).await;
    assert_eq!(both, Some(vec![change("execution:b", 1), change("execution:a", 2)]));
    let (same, nothing) = bus.wait(&topics(&["execution:a"]), cursor, START).await;
    assert_eq!((same, nothing), (cursor, Some(vec![])), "the time is over");
}

#[tokio::test]
async fn who_waits_is_woken_by_its_topic_or_by_time() {
    let clock = HandClock::new();
    let bus = Arc::new(ChangeBus::new(Arc::new(clock.clone())));
    let follow = |until| {
        let bus = Arc::clone(&bus);
        let since = bus.cursor();
        tokio::spawn(async move { bus.wait(&topics(&["t"]), since, until).await })
    };
    let waiting = follow(START + 1_000);
    clock.until_asleep(1).await;
    // More than is remembered, but of another topic: the one who waits keeps up.
    for n in 0..CHANGES_MAX * 2 {
        bus.publish(change("other", n as u64));
        if n % 1_000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    bus.publish(change("t", 7));
    assert_eq!(waiting.await.unwrap(), (bus.cursor(), Some(vec![change("t", 7)])));
    let waiting = follow(START + 1_000);
    clock.until_asleep(1).await;
    clock.advance(1_000);
    assert_eq!(waiting.await.unwrap(), (bus.cursor(), Some(vec![])));
}

#[tokio::test]
async fn a_cursor_that_cannot_be_told_is_too_old() {
    let clock = HandClock::new();
    let old = ChangeBus::new(Arc::new(clock.clone()));
    let start = old.cursor();
    for n in 0..CHANGES_MAX {
        old.publish(change("t", n as u64));
    }
    assert!(old.wait(&topics(&["t"]), start, 0).await.1.is_some(), "as many as are remembered");
    old.publish(change("t", 0));
    assert_eq!(old.wait(&topics(&["t"]), start, u64::MAX).await, (old.cursor(), None));
    assert!(old.wait(&topics(&["t"]), start + 1, 0).await.1.is_some());
    // A later process, and one whose clock was set back.
    clock.advance(10);
    let later = ChangeBus::new(Arc::new(clock.clone()));
    assert!(later.cursor() > old.cursor());
    assert_eq!(later.wait(&topics(&["t"]), old.cursor(), u64::MAX).await.1, None);
    assert_eq!(old.wait(&topics(&["t"]), later.cursor(), u64::MAX).await.1, None);
    assert_eq!(later.wait(&topics(&["t"]), 0, u64::MAX).await.1, None);
    assert!(later.cursor() < 1 << 53, "cursors are JSON numbers, {}", clock.now_ms());
}
