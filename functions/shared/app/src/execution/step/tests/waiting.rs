//! What waits in an execution's inbox: in which order it is done, how much of it there may be.

use super::*;
use crate::execution::inbox::WAITING_MAX;
use crate::execution::stored::{Inbound, LogEntry};
use crate::execution::{control, epilogue};

/// An execution that waits for a judgment, with nobody at work on it.
async fn resting(world: &World) -> ExecutionId {
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    id
}

async fn put(world: &World, event: Item) {
    world.ports.table.transact(Transaction::of(vec![Write::Put(event, vec![])])).await.unwrap();
}

/// So many events that nothing comes of, beside each other in the inbox.
async fn mail(world: &World, id: &ExecutionId, count: usize) {
    for number in 0..count {
        put(world, epilogue::sent(id, &format!("event-{number:03}"), "waybill", Outside::Resume, world.clock.now_ms()).unwrap()).await;
    }
}

/// When each of those that wait was accepted, by the id of its event.
async fn accepted(world: &World, id: &ExecutionId) -> BTreeMap<String, Millis> {
    let query = Query::prefix(keys::partition(id), keys::EVENTS, 1_000);
    let (events, _) = crate::record::page::<Inbound>(world.ports.table.as_ref(), &query).await.unwrap();
    events.into_iter().map(|event| (event.id, event.at)).collect()
}

/// A clock that is behind.
struct Behind(Millis);

#[async_trait]
impl Clock for Behind {
    fn now_ms(&self) -> Millis {
        self.0
    }

    async fn sleep_until(&self, _at: Millis) {}
}

#[tokio::test]
async fn it_is_done_in_the_order_in_which_it_was_accepted() {
    // The ids say the opposite, as digests of keys may; what stands between them fills more than a commit.
    for between in [0, 25] {
        let world = world(judging);
        let id = resting(&world).await;
        let now = world.clock.now_ms();
        put(&world, epilogue::sent(&id, "z", "dev", Outside::Pause(engine::Cancel::person("dev", "")), now).unwrap()).await;
        mail(&world, &id, between).await;
        put(&world, epilogue::sent(&id, "a", "dev", Outside::Resume, now + 1).unwrap()).await;
        world.settle().await;
        assert_ne!(world.status(&id).await, Status::Paused, "it was paused, and then resumed");
    }
}

#[tokio::test]
async fn what_its_sender_has_seen_waiting_is_done_before_it_whatever_the_clocks_say() {
    let world = world(judging);
    let id = resting(&world).await;
    let now = world.clock.now_ms();
    let behind = Behind(now - 60_000);
    let first = control::pause(world.inbox_ports(), &root(), &id, "", Some("first")).await.unwrap();
    let late = inbox::Ports { clock: &behind, ..world.inbox_ports() };
    let second = control::resume(late, &root(), &id, Some("second")).await.unwrap();
    let third = inbox::cancel(late, &root(), &id, "", Some("third")).await.unwrap();
    let accepted = accepted(&world, &id).await;
    let at = |event: &model::id::EventId| accepted[event.as_str()];
    assert_eq!([at(&first), at(&second), at(&third)], [now, now + 1, now + 2]);
    assert_eq!(control::pause(late, &root(), &id, "", Some("first")).await.unwrap(), first, "its repeat is the same event");
    assert_eq!(accepted.len(), 3);
}

fn code<T: std::fmt::Debug>(result: Result<T, AppError>) -> &'static str {
    match result.unwrap_err() {
        AppError::Conflict { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_accepted_is_as_good_as_done_for_what_is_sent_next() {
    let world = world(judging);
    let id = resting(&world).await;
    let inbox = world.inbox_ports();
    let answer = inbox::Signal { stage: "1".to_owned(), name: "judgment".to_owned(), body: json!({"judgmentStatus": "continue"}) };
    assert_eq!(code(control::resume(inbox, &root(), &id, None).await), "execution-not-paused");
    control::pause(inbox, &root(), &id, "", None).await.unwrap();
    assert_eq!(code(control::pause(inbox, &root(), &id, "", None).await), "execution-paused");
    control::resume(inbox, &root(), &id, None).await.unwrap();
    inbox::signal(inbox, &root(), &id, &answer, None).await.unwrap();
    assert_eq!(code(inbox::signal(inbox, &root(), &id, &answer, None).await), "stage-not-waiting");
    inbox::cancel(inbox, &root(), &id, "", None).await.unwrap();
    assert_eq!(code(inbox::cancel(inbox, &root(), &id, "", None).await), "execution-ended");
    world.settle().await;
    assert_eq!(world.verdicts(&id).await, ["applied"; 4]);
    let whole = |entry: LogEntry| entry.transitions.into_iter().filter(|of| of.stage.is_none()).map(|of| of.to).collect::<Vec<_>>();
    let became: Vec<Status> = world.log(&id).await.into_iter().flat_map(whole).collect();
    assert_eq!(became, [Status::Running, Status::Paused, Status::Running, Status::Canceled], "each is seen");
    assert_eq!(world.status(&id).await, Status::Canceled);
}

#[tokio::test]
async fn a_cancel_right_after_a_restart_is_not_too_late_for_it() {
    let world = world(|call| if call.info.stage_id == "1" { judging(call) } else { succeeds() });
    let stages = json!([{"refId": "1", "type": "wait"}, {"refId": "2", "type": "wait"}]);
    let id = world.prepare(stages).await.unwrap().execution;
    world.settle().await;
    world.allow(json!({"enableRestartRunningExecutions": true})).await;
    control::restart(world.start_ports(), &root(), &id, "2", None).await.unwrap();
    inbox::cancel(world.inbox_ports(), &root(), &id, "", None).await.unwrap();
    world.settle().await;
    assert_eq!(world.verdicts(&id).await, ["applied"; 2]);
    assert_eq!(world.status(&id).await, Status::Canceled);
}

#[tokio::test]
async fn it_is_consumed_ten_at_a_time_within_one_take() {
    let world = world(judging);
    let id = resting(&world).await;
    mail(&world, &id, 25).await;
    let writes = world.writes();
    world.advance(&id).await;
    assert_eq!((world.items(&id, "EVT#").await, world.verdicts(&id).await.len()), (0, 25));
    assert_eq!(world.writes() - writes, 1 + 3 + 1, "take, three commits, the lease given back");
}

#[tokio::test]
async fn a_full_inbox_takes_a_cancel_and_nothing_else() {
    let world = world(judging);
    let id = resting(&world).await;
    mail(&world, &id, WAITING_MAX).await;
    let full = |result: Result<_, AppError>| {
        let refused = result.map(|_: model::id::EventId| ()).unwrap_err();
        assert!(matches!(&refused, AppError::Refused { code, .. } if *code == "inbox-full"), "{refused:?}");
    };
    full(control::pause(world.inbox_ports(), &root(), &id, "", None).await);
    let answer = inbox::Signal { stage: "1".to_owned(), name: "judgment".to_owned(), body: json!({"judgmentStatus": "continue"}) };
    full(inbox::signal(world.inbox_ports(), &root(), &id, &answer, None).await);
    assert_eq!(world.items(&id, "EVT#").await, WAITING_MAX);
    inbox::cancel(world.inbox_ports(), &root(), &id, "", None).await.unwrap();
    world.settle().await;
    assert_eq!((world.status(&id).await, world.items(&id, "EVT#").await), (Status::Canceled, 0));
}
