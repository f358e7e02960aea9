//! What a commit holds: how much, in which order, and what it says to whom.

use super::*;
use crate::execution::logs;
use crate::execution::stored::{Inbound, LogEntry};
use crate::paging::PageRequest;
use crate::ports::{Blame, LogLevel, LogLine, StepFailure};

/// Stages beside each other.
fn beside(count: usize, more: Value) -> Value {
    let stage = |n: usize| {
        let mut stage = json!({"refId": n.to_string(), "type": "wait"});
        stage.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        stage
    };
    json!((1..=count).map(stage).collect::<Vec<_>>())
}

fn line(message: &str) -> LogLine {
    LogLine { level: LogLevel::Info, message: message.to_owned(), fields: vec![] }
}

fn says(lines: Vec<LogLine>, log_dropped: u32) -> Answer {
    let done = StepReport { log: lines, log_dropped, ..report(StepEnd::Succeeded(StepResults::default())) };
    future::ready(Ok(done)).boxed()
}

/// How many stages changed their status, commit by commit.
fn changed(log: &[LogEntry]) -> Vec<usize> {
    log.iter().map(|entry| entry.transitions.iter().filter(|transition| transition.stage.is_some()).count()).collect()
}

// Rule 2.12: Every change of a status is in the log
#[tokio::test]
async fn every_change_of_a_status_is_logged_once_and_told() {
    let world = world(|_| succeeds());
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    let log = world.log(&id).await;
    let seen: Vec<Vec<(Option<&str>, Status, Status)>> =
        log.iter().map(|entry| entry.transitions.iter().map(|t| (t.stage.as_deref(), t.from, t.to)).collect()).collect();
    let begins = |stage| (stage, Status::NotStarted, Status::Running);
    let ends = |stage| (stage, Status::Running, Status::Succeeded);
    assert_eq!(seen, [vec![begins(None), begins(Some("1"))], vec![ends(None), ends(Some("1"))]]);
    assert_eq!(
        log.iter().map(|entry| (entry.version, entry.at)).collect::<Vec<_>>(),
        [1, 2].map(|version| (version, world.clock.now_ms()))
    );
    assert_eq!(
        (world.told(&format!("execution:{id}")).await, world.told("orders:cd-demo").await),
        (2, 1 + 2),
        "each commit, and the order's own start"
    );
}

#[tokio::test]
async fn what_stages_say_is_in_the_log_or_beside_it_when_it_is_long() {
    for (long, blob) in [(false, false), (true, true)] {
        let message = "x".repeat(if long { 20_000 } else { 1_000 });
        let said = message.clone();
        let world = world(move |_| says(vec![line(&said), line("and"), line(&said), line(&said), line(&said)], 3));
        let id = world.prepare(judged()).await.unwrap().execution;
        world.settle().await;
        let entry = world.log(&id).await.pop().unwrap();
        assert_eq!((entry.blob.is_some(), entry.lines.len(), entry.dropped), (blob, if long { 0 } else { 5 }, 3));
        assert_eq!(entry.transitions.len(), 2, "what changed stands in the log itself");
        if let Some(blob) = entry.blob {
            let bytes = world.blobs.0.lock().unwrap()[&blob].clone();
            let blob: Value = serde_json::from_slice(&bytes).unwrap();
            let lines = blob["data"].as_array().unwrap();
            assert_eq!((lines.len(), &lines[4]["stage"], &lines[4]["message"]), (5, &json!("1"), &json!(message)));
            let page = PageRequest { after: None, limit: 50 };
            let (table, blobs) = (world.ports.table.as_ref(), world.blobs.as_ref());
            let read = logs::read(table, blobs, &root(), &id, None, &page).await.unwrap();
            assert_eq!(read.entries.last().map(|entry| entry.lines.len()), Some(5));
        }
    }
}

#[tokio::test]
async fn what_was_dropped_of_several_stages_is_counted_together() {
    let world = world(|_| says(vec![line("a")], 3));
    let id = world.prepare(beside(3, json!({}))).await.unwrap().execution;
    world.settle().await;
    assert_eq!(world.log(&id).await.iter().map(|entry| entry.dropped).collect::<Vec<_>>(), [0, 9]);
}

#[tokio::test]
async fn so_many_stages_begin_in_one_commit() {
    let world = world(|_| ends(judgment(&[])));
    let id = world.prepare(beside(60, json!({}))).await.unwrap().execution;
    assert_eq!(world.advance(&id).await, Rest::Until(Some(world.clock.now_ms() + 3_600_000)));
    // All of them begin at once; 25, 25 and 10 are resolved, then ten at a time come back.
    assert_eq!(changed(&world.log(&id).await), [60, 0, 0, 10, 10, 10, 10, 10, 10]);
}

#[tokio::test]
async fn so_many_steps_come_back_in_one_commit() {
    let world = world(|_| succeeds());
    let id = world.prepare(beside(23, json!({}))).await.unwrap().execution;
    assert_eq!(world.advance(&id).await, Rest::Ended);
    assert_eq!(changed(&world.log(&id).await), [23, 10, 10, 3]);
}

#[tokio::test]
async fn a_commit_has_room_for_stages_beside_everything_else_it_may_write() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    let Taken::Mine(mut held) = Held::take(&world.ports, &id).await.unwrap() else { panic!("nobody holds it") };
    assert_eq!((held.meta.orders.len(), held.room()), (1, 72));
    held.dirty.extend([0, 1]);
    assert_eq!(held.room(), 66);
    let event = |id: &str| Inbound { id: id.to_owned(), sender: "root".to_owned(), at: 0, generation: None, what: Outside::Resume };
    held.consumed.extend(["a", "b", "c"].map(event));
    assert_eq!(held.room(), 60);
    let order = held.meta.orders[0].clone();
    held.meta.orders.extend([order.clone(), order]);
    assert_eq!(held.room(), 58);
    held.dirty.extend(0..30);
    assert_eq!(held.room(), 0);
}

fn failing(message: String, details: Option<Value>) -> Answer {
    ends(StepEnd::Failed(StepFailure {
        code: "broken".to_owned(),
        message,
        retryable: false,
        retry_after_ms: None,
        blame: Blame::Target,
        results: None,
        details,
    }))
}

#[tokio::test]
async fn reasons_are_shortened_where_there_are_too_many_and_only_there() {
    for (stages, shortened) in [(60, true), (20, false)] {
        let said = format!("{}ü", "x".repeat(5_000));
        let message = said.clone();
        let world = world(move |_| failing(message.clone(), Some(json!({"why": "because"}))));
        let id = world.prepare(beside(stages, json!({"continuePipeline": true}))).await.unwrap().execution;
        world.settle().await;
        let execution = world.meta(&id).await.execution;
        assert_eq!(execution.status, Status::Succeeded);
        let reason = execution.run(0).unwrap().reason().unwrap();
        if shortened {
            assert_eq!((reason.message.chars().count(), &reason.data), (121, &json!({"shortened": true})));
            assert!(reason.message.ends_with('…'));
        } else {
            assert!(reason.message.ends_with(&said), "{}", reason.message);
            assert_ne!(reason.data, json!({"shortened": true}));
        }
        let log = world.log(&id).await;
        let logged = log.iter().flat_map(|entry| &entry.transitions).find(|t| t.stage.as_deref() == Some("1") && t.reason.is_some());
        assert!(logged.unwrap().reason.as_ref().unwrap().message.ends_with(&said), "in full in the log");
    }
}

#[tokio::test]
async fn details_that_are_long_are_not_repeated_in_the_reason() {
    // As JSON: quotes and all.
    for (length, whole) in [(4_094, true), (4_095, false)] {
        let details = json!("x".repeat(length));
        let said = details.clone();
        let world = world(move |_| failing("it broke".to_owned(), Some(said.clone())));
        let id = world.prepare(judged()).await.unwrap().execution;
        world.settle().await;
        let stage = world.detail(&id).await.stages[0].clone();
        let stands = if whole { details.clone() } else { json!({"shortened": true}) };
        assert_eq!(stage.reason.unwrap().data["details"], stands);
        assert_eq!(stage.progress.unwrap().details, Some(details), "in full in its progress");
    }
}

/// One stage that leaves this and ends; how it ended, and what its reason says of the bytes.
async fn leaves(results: StepResults) -> (Status, Option<Value>) {
    let world = world(move |_| ends(StepEnd::Succeeded(results.clone())));
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    let reason = world.detail(&id).await.stages[0].reason.clone();
    (world.status(&id).await, reason.map(|reason| reason.data["bytes"].clone()))
}

#[tokio::test]
async fn all_that_a_stage_leaves_counts_to_the_last_byte() {
    let each = |bytes: usize| StepResults {
        outputs: json!({"x": "y".repeat(bytes - 8)}),
        context: json!({"x": "y".repeat(bytes - 8)}),
        artifacts: vec![json!({"x": "y".repeat(bytes - 8)})],
        message: "y".repeat(bytes),
        ..StepResults::default()
    };
    assert_eq!(leaves(each(100_000)).await, (Status::Succeeded, None));
    assert_eq!(leaves(each(1 << 18)).await, (Status::Succeeded, None));
    let mut more = each(1 << 18);
    more.message.push('y');
    assert_eq!(leaves(more).await, (Status::Terminal, Some(json!((1 << 20) + 1))));
}

#[tokio::test]
async fn an_execution_that_is_parked_says_so_in_its_log_and_to_whoever_follows() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    world.judge(&id).await;
    world.kills_everybody(&id);
    let before = world.meta(&id).await.execution.version;
    let told = (world.told(&format!("execution:{id}")).await, world.told("orders:cd-demo").await);
    assert_eq!(world.advance(&id).await, Rest::Parked);
    assert_eq!(world.meta(&id).await.execution.version, before + 1);
    assert_eq!((world.told(&format!("execution:{id}")).await, world.told("orders:cd-demo").await), (told.0 + 1, told.1 + 1));
    let log = world.log(&id).await;
    let entry = log.iter().find(|entry| !entry.transitions.is_empty() && entry.version == before + 1).unwrap();
    let changed: Vec<_> = entry.transitions.iter().map(|t| (t.stage.as_deref(), t.from, t.to)).collect();
    assert_eq!(changed, [(None, Status::Running, Status::Terminal), (Some("1"), Status::Suspended, Status::Canceled)]);
    assert_eq!(entry.at, world.clock.now_ms());
}
