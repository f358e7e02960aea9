//! What comes too late, and what is too large.

use super::*;
use crate::execution::stored::{Kept, LogEntry, StageData};
use crate::execution::{control, epilogue};

/// An execution about to end, into whose last commit a cancel is sent.
async fn ending(world: &World) -> ExecutionId {
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    world.judge(&id).await;
    let (ports, late) = (world.ports.clone(), id.clone());
    // Take, the answer, then the end.
    world.table.meanwhile(2, async move {
        let inbox = inbox_of(&ports);
        inbox::cancel(inbox, &root(), &late, "", Some("late")).await.unwrap();
    });
    id
}

async fn answered(world: &World, id: &ExecutionId) {
    assert_eq!(world.status(id).await, Status::Succeeded);
    assert_eq!((world.verdicts(id).await, world.items(id, "EVT#").await), (vec!["applied".to_owned(), "execution-ended".to_owned()], 0));
    assert!(world.nothing_waits().await);
}

// Rule 2.10: What comes after the end is told so
#[tokio::test]
async fn an_event_that_met_the_end_is_told_so_and_goes() {
    let world = world(judging);
    let id = ending(&world).await;
    assert_eq!(world.advance(&id).await, Rest::Ended);
    answered(&world, &id).await;
    let query = Query::prefix(keys::partition(&id), "LOG#", 50);
    let (entries, _) = crate::record::page::<LogEntry>(world.ports.table.as_ref(), &query).await.unwrap();
    let verdict = &entries.last().unwrap().verdicts[0];
    assert_eq!(verdict.sender, "root");
    assert!(verdict.message.contains("SUCCEEDED"));
}

#[tokio::test]
async fn its_repeat_is_not_taken_for_a_new_one_when_the_execution_was_opened_again() {
    let world = world(judging);
    let id = ending(&world).await;
    assert_eq!(world.advance(&id).await, Rest::Ended);
    control::restart(world.ports.start(), &root(), &id, "1", None).await.unwrap();
    world.settle().await;
    assert!(!world.status(&id).await.is_complete());
    for key in ["late", "new"] {
        let _sent = inbox::cancel(world.inbox_ports(), &root(), &id, "", Some(key)).await.unwrap();
        world.settle().await;
        assert_eq!((world.status(&id).await == Status::Canceled, world.items(&id, "EVT#").await), (key == "new", 0), "{key}");
    }
}

#[tokio::test]
async fn so_it_is_when_the_worker_dies_right_after_its_last_commit() {
    // Not at the third: that one is the late event itself.
    for write in [2, 4, 5] {
        for lie in [Lie::WrittenHang, Lie::Hang] {
            let world = world(judging);
            let id = ending(&world).await;
            world.killed(&id, write, lie);
            world.settle().await;
            let meta = world.meta(&id).await;
            if meta.execution.status == Status::Canceled {
                // Killed before the end stood: the cancel came in time.
                assert_eq!((write, world.items(&id, "EVT#").await), (2, 0));
                continue;
            }
            answered(&world, &id).await;
        }
    }
}

/// A worker died in a step that had written its trace.
async fn traced(world: &World) -> ExecutionId {
    let id = world.prepare(judged()).await.unwrap().execution;
    let _killed = advance(&world.ports, &id, &NeverWoken, BUDGET).now_or_never();
    world.clock.0.advance(LEASE_MS + 1);
    assert_eq!(world.items(&id, "J#").await, 1);
    id
}

/// A step that writes its trace and never comes back.
fn traced_for_ever(call: &StepCall) -> Answer {
    let journal = call.journal.clone();
    async move {
        let entry = TraceEntry { index: 0, call: "kubernetes.apply".to_owned(), request: "r".to_owned(), response: None };
        journal.intend(vec![entry]).await.unwrap();
        future::pending().await
    }
    .boxed()
}

fn traces() -> World {
    world(traced_for_ever)
}

#[tokio::test]
async fn traces_that_the_last_worker_never_saw_go_even_if_it_dies_right_after_the_end() {
    let world = traces();
    let id = traced(&world).await;
    world.cancel(&id).await;
    // Take, then the end.
    world.killed(&id, 1, Lie::WrittenHang);
    assert_eq!((world.status(&id).await, world.items(&id, "J#").await), (Status::Canceled, 1));
    world.settle().await;
    assert_eq!(world.items(&id, "J#").await, 0);
    assert!(world.nothing_waits().await);
}

#[tokio::test]
async fn more_traces_than_the_last_commit_has_room_for_go_even_if_its_worker_dies() {
    let world = world(|call| {
        let journal = call.journal.clone();
        let entry = |index| TraceEntry { index, call: "kubernetes.get".to_owned(), request: "r".to_owned(), response: Some(json!({})) };
        let entries = (0..100).map(entry).collect();
        async move { journal.intend(entries).await.unwrap() }.then(|()| succeeds()).boxed()
    });
    let id = world.prepare(judged()).await.unwrap().execution;
    // The step's start, its trace in two writes, then the end.
    world.killed(&id, 3, Lie::WrittenHang);
    assert!(world.status(&id).await == Status::Succeeded && world.items(&id, "J#").await > 0);
    world.settle().await;
    assert!(world.items(&id, "J#").await == 0 && world.nothing_waits().await);
}

#[tokio::test]
async fn a_trace_stays_as_long_as_its_step_is_under_way() {
    let world = world(|call| if call.info.stage_id == "1" { traced_for_ever(call) } else { succeeds() });
    let id = world.prepare(json!([{"refId": "1", "type": "wait"}, {"refId": "2", "type": "wait"}])).await.unwrap().execution;
    assert!(advance(&world.ports, &id, &NeverWoken, BUDGET).now_or_never().is_none());
    assert_eq!((world.detail(&id).await.stages[1].status, world.items(&id, "J#").await), (Status::Succeeded, 1));
}

/// Looks into the inbox a few times in a row, then never again.
struct Curious(AtomicU32);

#[async_trait]
impl Inbox for Curious {
    async fn woken(&self) {
        if self.0.fetch_add(1, Ordering::SeqCst) > 3 {
            future::pending::<()>().await;
        }
    }

    fn closing(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_trace_that_arrives_after_its_step_was_stopped_goes_with_the_rest() {
    let world = world(|call| match (&call.export, call.info.stage_id.as_str()) {
        (Export::Cancel(_), _) if call.wake == crate::ports::Wake::Poll => succeeds(),
        (Export::Cancel(_), _) => ends(StepEnd::Running { poll_after_ms: 5_000, watch: vec![] }),
        (_, "1") => ends(judgment(&[])),
        _ => traced_for_ever(call),
    });
    let id = world.prepare(json!([{"refId": "1", "type": "undo"}, {"refId": "2", "type": "wait"}])).await.unwrap().execution;
    let (ports, sent) = (world.ports.clone(), id.clone());
    // Whatever was written first, the trace of the second stage is on its way.
    world.table.meanwhile(2, async move {
        inbox::cancel(inbox_of(&ports), &root(), &sent, "", None).await.unwrap();
    });
    let rest = advance(&world.ports, &id, &Curious(AtomicU32::new(0)), BUDGET).await.unwrap();
    assert!(matches!(rest, Rest::Until(Some(_))), "{rest:?}");
    assert_eq!(world.items(&id, "J#").await, 0);
    let late = Item::new(keys::trace(&id, (1, 1, 0, 0), 0), b"{}".to_vec());
    world.ports.table.transact(Transaction::of(vec![Write::Put(late, vec![])])).await.unwrap();
    world.clock.0.advance(5_000);
    world.killed(&id, 2, Lie::WrittenHang);
    world.settle().await;
    assert_eq!((world.status(&id).await, world.items(&id, "J#").await), (Status::Canceled, 0));
    assert!(world.nothing_waits().await);
}

#[tokio::test]
async fn so_it_does_when_another_step_was_under_way() {
    for write in 3..12 {
        let world = world(|call| match (call.info.stage_id.as_str(), call.seq) {
            ("1", _) => traced_for_ever(call),
            (_, 0..3) => ends(StepEnd::Yielded),
            _ => succeeds(),
        });
        let stages = json!([{"refId": "1", "type": "wait", "skippable": true}, {"refId": "2", "type": "wait"}]);
        let id = world.prepare(stages).await.unwrap().execution;
        let (ports, sent) = (world.ports.clone(), id.clone());
        // The steps' start, then the trace of the first.
        world.table.meanwhile(1, async move {
            control::skip(inbox_of(&ports), &root(), &sent, "1", "", None).await.unwrap();
        });
        world.table.lie(write, Lie::WrittenHang);
        let _killed = advance(&world.ports, &id, &Curious(AtomicU32::new(0)), BUDGET).now_or_never();
        if !world.status(&id).await.is_complete() {
            continue;
        }
        // It was on its way when its stage was left out.
        let late = Item::new(keys::trace(&id, (0, 1, 0, 0), 7), b"{}".to_vec());
        world.ports.table.transact(Transaction::of(vec![Write::Put(late, vec![])])).await.unwrap();
        world.settle().await;
        assert!(world.items(&id, "J#").await == 0 && world.nothing_waits().await, "killed at {write}");
        return;
    }
    panic!("it never ends");
}

#[tokio::test]
async fn traces_of_an_execution_that_is_given_up_go_too() {
    let world = traces();
    let id = traced(&world).await;
    world.kills_everybody(&id);
    world.killed(&id, 0, Lie::WrittenHang);
    assert!(world.status(&id).await.is_complete());
    world.settle().await;
    assert!(world.items(&id, "J#").await == 0 && world.nothing_waits().await);
}

#[tokio::test]
async fn results_that_are_too_large_fail_the_stage() {
    let large = || json!({"x": "y".repeat(1 << 20)});
    let ways: [fn(StepResults) -> StepEnd; 3] = [StepEnd::Succeeded, StepEnd::Skipped, StepEnd::Canceled];
    for end in ways {
        for results in [
            StepResults { outputs: large(), ..StepResults::default() },
            StepResults { context: large(), ..StepResults::default() },
            StepResults { artifacts: vec![large()], ..StepResults::default() },
        ] {
            let world = world(move |_| ends(end(results.clone())));
            let id = world.prepare(judged()).await.unwrap().execution;
            world.settle().await;
            let reason = world.detail(&id).await.stages[0].reason.clone().unwrap();
            assert!(reason.is(ReasonCode::ContextTooLarge), "{}", reason.message);
            assert_eq!((world.status(&id).await, &reason.data["bytesMax"]), (Status::Terminal, &json!(1 << 20)));
        }
    }
}

#[tokio::test]
async fn a_failure_keeps_its_own_reason_and_what_it_leaves_unless_that_is_too_large() {
    for (size, kept) in [(10, true), (1 << 20, false)] {
        let world = world(move |_| {
            let results = StepResults { outputs: json!({"x": "y".repeat(size)}), ..StepResults::default() };
            ends(StepEnd::Failed(crate::ports::StepFailure {
                code: "broken".to_owned(),
                message: "it broke".to_owned(),
                retryable: false,
                retry_after_ms: None,
                blame: crate::ports::Blame::Target,
                results: Some(results),
                details: None,
            }))
        });
        let id = world.prepare(judged()).await.unwrap().execution;
        world.settle().await;
        let reason = world.detail(&id).await.stages[0].reason.clone().unwrap();
        assert_eq!(reason.code, model::reason::Code::Stage("broken".to_owned()));
        assert!(world.meta(&id).await.execution.status == Status::Terminal);
        let data = load::<StageData>(world.ports.table.as_ref(), &keys::stage(&id, 0)).await.unwrap().unwrap().0;
        let lines: Vec<String> = world.log(&id).await.into_iter().flat_map(|entry| entry.lines).map(|line| line.line.message).collect();
        assert_eq!((data.outputs != Kept::Nothing, lines.is_empty()), (kept, kept), "{lines:?}");
    }
}

/// Whoever cleans up after an end read META and the inbox; then the execution is opened again, and gets its slot by an event of the
/// same name as one that was there before.
#[tokio::test]
async fn what_comes_in_for_one_that_was_opened_again_is_not_answered_as_too_late() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    world.judge(&id).await;
    world.settle().await;
    assert_eq!(world.status(&id).await, Status::Succeeded);
    let event = |name: &str, what: Outside| {
        let item = epilogue::sent(&id, name, "waybill", what, world.clock.now_ms()).unwrap();
        Transaction::of(vec![Write::Put(item, vec![])])
    };
    world.ports.table.transact(event("a", Outside::Resume)).await.unwrap();
    world.ports.table.transact(event("b", Outside::Resume)).await.unwrap();
    let (ports, restarted, granted) = (world.ports.clone(), id.clone(), event("b", Outside::Granted { superseded: vec![] }));
    world.table.meanwhile(0, async move {
        control::restart(ports.start(), &root(), &restarted, "1", None).await.unwrap();
        ports.table.transact(granted).await.unwrap();
    });
    assert_eq!(world.advance(&id).await, Rest::Ended);
    assert_eq!(world.items(&id, "EVT#").await, 1, "it is for the execution that goes on");
}

/// Sends this to an execution that waits and moves it; what became of it.
async fn sent(world: &World, id: &ExecutionId, what: Outside) -> String {
    let item = epilogue::sent(id, "sent", "waybill", what, world.clock.now_ms()).unwrap();
    world.ports.table.transact(Transaction::of(vec![Write::Put(item, vec![])])).await.unwrap();
    world.settle().await;
    world.verdicts(id).await.pop().unwrap()
}

#[tokio::test]
async fn an_answer_to_another_suspension_or_another_attempt_is_not_taken() {
    for (other_attempt, other_seq, verdict) in [(0, 0, "applied"), (1, 0, "superseded"), (0, 1, "superseded")] {
        let world = world(judging);
        let id = world.prepare(judged()).await.unwrap().execution;
        world.settle().await;
        let stage = world.meta(&id).await.execution.run(0).unwrap().clone();
        let (attempt, seq, body) = (stage.attempt + other_attempt, stage.seq + other_seq, "{}".to_owned());
        let became = sent(&world, &id, Outside::Signal { run: 0, attempt, seq, name: "judgment".to_owned(), body }).await;
        assert_eq!((became.as_str(), world.status(&id).await == Status::Succeeded), (verdict, verdict == "applied"));
    }
}

#[tokio::test]
async fn the_end_of_another_execution_or_for_another_attempt_is_not_taken() {
    let awaited = ExecutionId::parse("awaited").unwrap();
    for (child, attempt, verdict) in [("awaited", 1, "applied"), ("other", 1, "superseded"), ("awaited", 2, "superseded")] {
        let (child, on) = (ExecutionId::parse(child).unwrap(), awaited.clone());
        let world = world(move |call| match call.wake {
            crate::ports::Wake::Signal { .. } => succeeds(),
            _ => awaits(&on),
        });
        let other = world.prepare(judged()).await.unwrap().execution;
        // Nobody waits for what is not there: it has to be open as the stage begins to wait.
        let mut open = world.meta(&other).await;
        open.execution.id = awaited.clone();
        let open = start::meta_item(&open).unwrap().due(None);
        world.ports.table.transact(Transaction::of(vec![Write::Put(open, vec![])])).await.unwrap();
        world.advance(&other).await;
        let became = sent(&world, &other, Outside::ChildEnded { run: 0, attempt, child, status: Status::Succeeded }).await;
        assert_eq!((became.as_str(), world.status(&other).await == Status::Succeeded), (verdict, verdict == "applied"));
    }
}
