//! How long a worker holds an execution, how it keeps it, and what it knows once it has lost it.

use super::*;
use crate::ports::{Hint, JournalError, StepJournal};

/// Ready once a clock that moves while somebody sleeps has come to an instant.
fn until(clock: Arc<FixedClock>, at: Millis) -> impl Future<Output = ()> {
    future::poll_fn(move |cx| {
        cx.waker().wake_by_ref();
        if clock.now_ms() < at { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
}

/// One stage whose step takes so long by a clock that moves while somebody sleeps; the step's journal is kept.
async fn lasting(ms: Millis) -> (World, ExecutionId, Arc<Mutex<Vec<Arc<dyn StepJournal>>>>) {
    let clock = Arc::new(FixedClock::default());
    let (time, at) = (clock.clone(), clock.now_ms() + ms);
    let journals = Arc::new(Mutex::new(Vec::new()));
    let kept = journals.clone();
    let mut world = world(move |call| {
        kept.lock().unwrap().push(call.journal.clone());
        until(time.clone(), at).then(|()| succeeds()).boxed()
    });
    world.ports.clock = clock;
    let id = world.prepare(judged()).await.unwrap().execution;
    (world, id, journals)
}

/// One stage whose step never ends; the journals of its steps are kept.
async fn hanging() -> (World, ExecutionId, Arc<Mutex<Vec<Arc<dyn StepJournal>>>>) {
    let journals = Arc::new(Mutex::new(Vec::new()));
    let kept = journals.clone();
    let world = world(move |call| {
        kept.lock().unwrap().push(call.journal.clone());
        future::pending().boxed()
    });
    let id = world.prepare(judged()).await.unwrap().execution;
    (world, id, journals)
}

async fn held(world: &World, id: &ExecutionId) -> Held {
    match Held::take(&world.ports, id).await.unwrap() {
        Taken::Mine(held) => *held,
        Taken::Not(rest) => panic!("{rest:?}"),
    }
}

#[tokio::test]
async fn it_is_kept_as_long_as_a_step_takes_whatever_the_budget() {
    let (world, id, _) = lasting(100_000).await;
    let from = world.ports.clock.now_ms();
    let budget = Budget { until_ms: Some(from + 20_000), linger_ms_max: 50_000 };
    assert_eq!(advance(&world.ports, &id, &NeverWoken, budget).await.unwrap(), Rest::Ended);
    assert_eq!(world.status(&id).await, Status::Succeeded);
    // The start, the step's start, its outcome; and the lease, every 15 s until that was seen.
    assert_eq!(world.writes(), 3 + 7);
}

#[tokio::test]
async fn without_a_budget_left_no_further_step_begins_and_a_hint_brings_the_next_worker() {
    let clock = Arc::new(FixedClock::default());
    let time = clock.clone();
    let mut world = world(move |_| {
        let at = time.now_ms() + 1_000;
        until(time.clone(), at).then(|()| succeeds()).boxed()
    });
    world.ports.clock = clock;
    let chain = json!([
        {"refId": "1", "type": "wait"}, {"refId": "2", "type": "wait", "requisiteStageRefIds": ["1"]},
        {"refId": "3", "type": "wait", "requisiteStageRefIds": ["2"]}, {"refId": "4", "type": "wait", "requisiteStageRefIds": ["3"]},
        {"refId": "5", "type": "wait", "requisiteStageRefIds": ["4"]},
    ]);
    let id = world.prepare(chain).await.unwrap().execution;
    let mut made = Vec::new();
    loop {
        let now = world.ports.clock.now_ms();
        // The last one is late before it begins, and makes a step all the same.
        let until_ms = if made.is_empty() { now + 1_500 } else { now };
        world.hints.take();
        let rest = advance(&world.ports, &id, &NeverWoken, Budget { until_ms: Some(until_ms), ..BUDGET }).await.unwrap();
        made.push(world.calls().len());
        if rest == Rest::Ended {
            break;
        }
        assert!(matches!(rest, Rest::Until(Some(at)) if at <= world.ports.clock.now_ms()), "{rest:?}");
        assert_eq!(world.hints.take(), [Hint::Execution { id: id.clone() }], "another worker is called");
        assert!(world.meta(&id).await.fence.is_empty(), "who need not wait for the lease");
    }
    assert_eq!(made, [1, 2, 3, 4, 5], "one step each");
    assert_eq!(world.status(&id).await, Status::Succeeded);
}

#[tokio::test]
async fn it_holds_to_its_last_millisecond_and_no_longer() {
    let world = world(|_| future::pending().boxed());
    let id = world.prepare(judged()).await.unwrap().execution;
    assert!(advance(&world.ports, &id, &NeverWoken, BUDGET).now_or_never().is_none());
    let taken = world.clock.now_ms();
    let mut alone = world.ports.clone();
    alone.alone_since_ms = Some(taken);
    assert_eq!(advance(&alone, &id, &NeverWoken, BUDGET).now_or_never().unwrap().unwrap(), Rest::Busy, "it may be of this very process");
    world.clock.0.advance(LEASE_MS - 1);
    assert_eq!(advance(&world.ports, &id, &NeverWoken, BUDGET).now_or_never().unwrap().unwrap(), Rest::Busy);
    world.clock.0.advance(1);
    assert!(advance(&world.ports, &id, &NeverWoken, BUDGET).now_or_never().is_none(), "it was taken");
    assert_eq!(world.meta(&id).await.lease_until_ms, taken + 2 * LEASE_MS);
}

#[tokio::test]
async fn a_take_is_written_unless_the_execution_is_fresh() {
    for (age, takes) in [(0, 0), (4_999, 0), (5_000, 1)] {
        let world = world(judging);
        let id = world.prepare(judged()).await.unwrap().execution;
        world.clock.0.advance(age);
        world.advance(&id).await;
        // The start; the step's start, its outcome, the lease given back.
        assert_eq!(world.writes(), 1 + takes + 3, "{age} ms old");
    }
}

#[tokio::test]
async fn it_is_written_where_it_stands_nowhere_and_extended_when_half_of_it_is_over() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    let (mut held, now) = (held(&world, &id).await, world.clock.now_ms());
    for (at, until, writes) in
        [(now, now + LEASE_MS, 2), (now + LEASE_MS / 2 - 1, now + LEASE_MS, 2), (now + LEASE_MS / 2, now + LEASE_MS / 2 + LEASE_MS, 3)]
    {
        assert!(held.keep_lease(at).await.is_ok());
        assert_eq!((held.meta.lease_until_ms, world.meta(&id).await.lease_until_ms, world.writes()), (until, until, writes));
    }
    assert_eq!(world.meta(&id).await.fence, held.meta.fence);
}

#[tokio::test]
async fn the_next_look_is_at_the_first_of_what_is_to_come() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    let (held, now) = (held(&world, &id).await, world.clock.now_ms());
    let half = now + LEASE_MS / 2;
    for (at, linger, budget, look) in [
        (now, now, None, half),
        (now, now + 5, None, now + 5),
        (now, now + 5, Some(now + 4), now + 4),
        (now, now + 5, Some(now + 6), now + 5),
        (now, now - 1, Some(now), half),
        (now, now, Some(now - 1), half),
        (half, now, None, half + 1),
        (half + 7, now, None, half + 8),
        // Its beginning is something to come.
        (now - 1, now + 5, None, now),
        (now - 2, now - 1, None, now - 1),
    ] {
        assert_eq!(held.next_look(at, linger, budget), look, "at {at}");
    }
}

#[tokio::test]
async fn a_step_of_a_worker_that_was_overtaken_writes_nothing_more_and_knows() {
    let (mut world, id, journals) = hanging().await;
    // By the clock alone nobody knows it there.
    world.ports.alone_since_ms = Some(world.clock.now_ms());
    for _ in 0..2 {
        assert!(advance(&world.ports, &id, &NeverWoken, BUDGET).now_or_never().is_none());
        world.clock.0.advance(LEASE_MS);
    }
    let [first, second] = journals.lock().unwrap()[..].to_vec().try_into().ok().unwrap();
    let entry = |index| TraceEntry { index, call: "kubernetes.apply".to_owned(), request: "r".to_owned(), response: None };
    assert!(first.is_current(), "it was not told yet");
    assert!(matches!(first.intend(vec![entry(0)]).await, Err(JournalError::Fenced)));
    assert!(!first.is_current());
    second.intend((0..61).map(entry).collect()).await.unwrap();
    assert!(second.is_current());
    assert_eq!(world.items(&id, "J#").await, 61);
}

#[tokio::test]
async fn a_step_knows_by_the_clock_how_long_its_worker_is_the_one() {
    for alone in [false, true] {
        let (mut world, id, journals) = hanging().await;
        world.ports.alone_since_ms = alone.then(|| world.clock.now_ms());
        let mut drives = Box::pin(advance(&world.ports, &id, &NeverWoken, BUDGET));
        assert!(drives.as_mut().now_or_never().is_none());
        let journal = journals.lock().unwrap()[0].clone();
        world.clock.0.advance(world.meta(&id).await.lease_until_ms - world.clock.now_ms() - 1);
        assert!(journal.is_current(), "its last millisecond");
        world.clock.0.advance(1);
        assert_eq!(journal.is_current(), alone, "nobody takes over from who is alone");
    }
}

#[tokio::test]
async fn a_worker_that_cannot_extend_it_drops_what_is_under_way() {
    let (world, id, journals) = lasting(100_000).await;
    let (table, key, mut meta) = (world.ports.table.clone(), keys::meta(&id), world.meta(&id).await);
    meta.fence = "other".to_owned();
    // The step's start, then the lease.
    world.table.meanwhile(1, async move {
        table.transact(Transaction::of(vec![Write::Put(item(key, &meta).unwrap(), vec![])])).await.unwrap();
    });
    assert_eq!(world.advance(&id).await, Rest::Fenced);
    assert!(!journals.lock().unwrap()[0].is_current());
    assert_eq!(world.meta(&id).await.fence, "other");
}

#[tokio::test]
async fn a_worker_that_meets_an_outage_drops_what_is_under_way() {
    let (world, id, journals) = lasting(100_000).await;
    world.table.lie(1, Lie::Refused);
    let met = advance(&world.ports, &id, &NeverWoken, BUDGET).await;
    assert!(matches!(met, Err(AppError::Unavailable(_))), "{met:?}");
    assert!(!journals.lock().unwrap()[0].is_current());
    let meta = world.meta(&id).await;
    assert_eq!((meta.fence.as_str(), meta.lease_until_ms), ("", 0));
}

#[tokio::test]
async fn what_comes_in_as_the_lease_is_given_back_is_taken_at_once() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    let (ports, sent) = (world.ports.clone(), id.clone());
    // The step's start, its outcome; then the lease.
    world.table.meanwhile(2, async move {
        inbox::cancel(inbox_of(&ports), &root(), &sent, "", None).await.unwrap();
    });
    assert_eq!(world.advance(&id).await, Rest::Ended);
    assert_eq!(world.status(&id).await, Status::Canceled);
}

// Rule 2.3: Nothing has to be pushed: what is to be done next follows from the stored execution
#[tokio::test]
async fn what_is_near_is_hinted_and_what_is_far_is_left_to_the_tick() {
    for (after, hinted) in [(60_000, true), (15 * 60_000, true), (15 * 60_000 + 1, false)] {
        let world = world(move |call| ends(StepEnd::Suspended { any_of: vec![], until_ms: Some(call.now_ms + after) }));
        let id = world.prepare(judged()).await.unwrap().execution;
        world.hints.take();
        assert_eq!(world.advance(&id).await, Rest::Until(Some(world.clock.now_ms() + after)));
        assert_eq!(world.hints.take(), if hinted { vec![Hint::Execution { id }] } else { vec![] }, "after {after} ms");
    }
}
