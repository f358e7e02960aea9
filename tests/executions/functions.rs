//! The functions as Lambda runs them, one invocation at a time, on the stand-in for AWS: an orchestrator whose time runs out, two
//! of them at one execution, one that is killed in the middle of a commit, the tick that brings back what was lost, and what was
//! laid aside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure is a panic that says what went wrong"
)]

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::gate::Hold;
use testkit::{Gate, LambdaRuntime, places};
use tests::desk::{ask, check};
use tests::{Deployed, Desk, WAIT_MAX, Worker};
use tokio::process::Command;

/// As long as nobody looks at the clock.
const LONG: Duration = Duration::from_secs(300);
const PIPELINE: &str = "chain";

/// A chain of so many stages.
fn chain(length: usize) -> Vec<Value> {
    let name = |at: usize| at.to_string();
    (0..length)
        .map(|at| match at.checked_sub(1) {
            None => check(&name(at), &[], "true"),
            Some(before) => check(&name(at), &[&name(before)], "true"),
        })
        .collect()
}

/// A desk whose executions nobody moves, with a chain of so many stages. A lease is soon over.
async fn desk(length: usize) -> Desk<Deployed> {
    let desk = Desk::of(Deployed::still(json!({"leaseMs": 1_000})).await).await;
    let _ = desk.save(PIPELINE, chain(length)).await;
    desk
}

async fn orchestrator(desk: &Desk<Deployed>) -> Worker {
    Worker::start(&desk.server, "orchestrator", &desk.server.cloud.endpoint()).await
}

/// Every stage came to each of its statuses once, and the execution ended well.
async fn nothing_doubled(desk: &Desk<Deployed>, id: &str, stages: usize) {
    let ended = desk.ended(id).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    let mut count = BTreeMap::<(String, String), usize>::new();
    for entry in desk.developer.all(&format!("/api/executions/{id}/log")).await {
        for transition in entry["transitions"].as_array().into_iter().flatten() {
            *count.entry((transition["stage"].to_string(), transition["to"].to_string())).or_default() += 1;
        }
    }
    assert!(count.values().all(|count| *count == 1), "{count:?}");
    let succeeded = count.keys().filter(|(stage, to)| stage != "null" && !stage.contains('<') && to == "\"SUCCEEDED\"").count();
    assert_eq!(succeeded, stages, "{count:?}");
}

#[tokio::test]
async fn an_orchestrator_whose_time_runs_out_rests_and_another_goes_on() {
    let desk = desk(40).await;
    let worker = orchestrator(&desk).await;
    let id = desk.start(PIPELINE).await;
    let mut invocations = 0;
    loop {
        let hints = desk.server.next_hints().await;
        assert!(worker.told(&hints, Duration::from_millis(800)).await.is_empty());
        invocations += 1;
        let detail = desk.developer.get(&format!("/api/executions/{id}")).await.ok();
        if !detail["endedMs"].is_null() {
            break;
        }
    }
    assert!(invocations > 1, "a chain of 40 takes longer than 400 ms");
    nothing_doubled(&desk, &id, 40).await;
}

#[tokio::test]
async fn one_that_hangs_gives_up_in_time_and_another_goes_on() {
    let desk = desk(3).await;
    let gate = Gate::start(&desk.server.cloud.endpoint(), 2, Hold::Before).await.unwrap();
    let hanging = Worker::start(&desk.server, "orchestrator", &gate.endpoint()).await;
    let next = orchestrator(&desk).await;
    let id = desk.start(PIPELINE).await;
    let failed = hanging.told(&desk.server.next_hints().await, Duration::from_secs(3)).await;
    assert!(failed.is_empty(), "it is no failure");
    assert!(next.told(&desk.server.next_hints().await, LONG).await.is_empty());
    nothing_doubled(&desk, &id, 3).await;
}

#[tokio::test]
async fn of_two_orchestrators_one_leads() {
    let desk = desk(10).await;
    let (one, other) = tokio::join!(orchestrator(&desk), orchestrator(&desk));
    for _ in 0..3 {
        let id = desk.start(PIPELINE).await;
        let hints = desk.server.next_hints().await;
        let poisoned = [hints.clone(), vec!["no hint".to_owned()]].concat();
        let (by_one, by_other) = tokio::join!(one.told(&hints, LONG), other.told(&poisoned, LONG));
        assert_eq!((by_one, by_other), (vec![], vec![hints.len()]), "only what is of no use comes again");
        nothing_doubled(&desk, &id, 10).await;
    }
}

#[tokio::test]
async fn one_that_is_killed_in_the_middle_of_a_commit_is_followed_by_another() {
    let desk = desk(3).await;
    let next = orchestrator(&desk).await;
    for (after, hold) in [(0, Hold::After), (1, Hold::Before), (1, Hold::After), (2, Hold::After), (3, Hold::Before), (4, Hold::After)] {
        let id = desk.start(PIPELINE).await;
        let hints = desk.server.next_hints().await;
        let gate = Gate::start(&desk.server.cloud.endpoint(), after, hold).await.unwrap();
        let killed = Worker::start(&desk.server, "orchestrator", &gate.endpoint()).await;
        tokio::select! {
            answer = killed.told(&hints, LONG) => panic!("{answer:?} before transaction {after} was held"),
            () = gate.holds() => {}
        }
        killed.kill().await;
        // The message that nobody answered to comes again.
        let over = testkit::eventually("another orchestrator to end it", WAIT_MAX, || async {
            assert!(next.told(&hints, LONG).await.is_empty());
            let detail = desk.developer.get(&format!("/api/executions/{id}")).await.ok();
            Ok::<_, testkit::Error>((!detail["endedMs"].is_null()).then_some(()))
        });
        over.await.unwrap();
        nothing_doubled(&desk, &id, 3).await;
    }
}

#[tokio::test]
async fn the_tick_brings_back_what_the_queue_lost() {
    let desk = desk(2).await;
    let endpoint = desk.server.cloud.endpoint();
    let (worker, tick) = tokio::join!(orchestrator(&desk), Worker::start(&desk.server, "tick", &endpoint));
    assert_eq!(tick.asked(json!({"detail-type": "Scheduled Event", "detail": {}})).await, json!({"hints": 0}));
    let id = desk.start(PIPELINE).await;
    let lost = desk.server.next_hints().await;
    assert!(!lost.is_empty());
    assert_eq!(tick.asked(json!({})).await, json!({"hints": 1}));
    let found = desk.server.next_hints().await;
    assert_eq!(found, lost);
    assert!(worker.told(&found, LONG).await.is_empty());
    nothing_doubled(&desk, &id, 2).await;
    assert_eq!(tick.asked(json!({"sweep": true})).await, json!({"blobs": 0}), "all of them are young");
}

#[tokio::test]
async fn an_answer_wakes_another_invocation() {
    let desk = desk(1).await;
    let worker = orchestrator(&desk).await;
    let _ = desk.save("asks", vec![ask("1", &[]), check("2", &["1"], "true")]).await;
    let id = desk.start("asks").await;
    assert!(worker.told(&desk.server.next_hints().await, LONG).await.is_empty(), "it rests when only a person is waited for");
    desk.judged(&id, "1", "continue").await;
    assert!(worker.told(&desk.server.next_hints().await, LONG).await.is_empty());
    let ended = desk.ended(&id).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
}

#[tokio::test]
async fn the_clock_wakes_the_tick() {
    let desk = Desk::of(Deployed::ticking().await).await;
    let _ = desk.save(PIPELINE, chain(1)).await;
    let _ = desk.start(PIPELINE).await;
    let lost = desk.server.next_hints().await;
    let found = testkit::eventually("the tick of a minute", Duration::from_secs(180), || async {
        let hints = desk.server.hints().await;
        Ok::<_, testkit::Error>((!hints.is_empty()).then_some(hints))
    });
    assert_eq!(found.await.unwrap(), lost);
}

#[tokio::test]
async fn what_is_of_no_use_is_laid_aside_alone() {
    let desk = Desk::of(Deployed::impatient().await).await;
    let _ = desk.save(PIPELINE, chain(2)).await;
    for body in ["no hint", r#"{"v":1,"hint":{"kind":"dance"}}"#] {
        desk.server.send(body).await;
    }
    let id = desk.start(PIPELINE).await;
    nothing_doubled(&desk, &id, 2).await;
    let aside = std::sync::Mutex::new(Vec::new());
    let both = testkit::eventually("both to be laid aside", WAIT_MAX, || async {
        let came = desk.server.laid_aside().await;
        let mut aside = aside.lock().unwrap();
        aside.extend(came);
        Ok::<_, testkit::Error>((aside.len() >= 2).then(|| aside.clone()))
    });
    let mut both = both.await.unwrap();
    both.sort();
    assert_eq!(both, ["no hint", r#"{"v":1,"hint":{"kind":"dance"}}"#]);
}

#[tokio::test]
async fn what_was_laid_aside_is_shown_and_sent_back() {
    let deployed = Deployed::still(json!({})).await;
    assert!(deployed.waybill(&["dead-letters", "list"]).await.contains("nothing"));
    deployed.lay_aside("one").await;
    deployed.lay_aside("another").await;
    let redriven: Value = serde_json::from_str(&deployed.waybill(&["dead-letters", "redrive", "--json"]).await).unwrap();
    assert_eq!(redriven, json!({"sent": 2}));
    let mut back = deployed.next_hints().await;
    back.sort();
    assert_eq!(back, ["another", "one"]);
    deployed.lay_aside("a third").await;
    let listed: Value = serde_json::from_str(&deployed.waybill(&["dead-letters", "list", "--json"]).await).unwrap();
    assert_eq!(listed["items"][0]["body"], "a third", "{listed}");
}

#[tokio::test]
async fn a_function_that_lacks_a_setting_names_it() {
    let settings = ["WAYBILL_TABLE", "WAYBILL_BUCKET", "WAYBILL_QUEUE", "WAYBILL_KEY_FILE"];
    let runtime = LambdaRuntime::start().await.unwrap();
    for (function, told) in tests::stack::FUNCTIONS {
        let needed: Vec<&str> = settings.into_iter().filter(|name| *name == "WAYBILL_TABLE" || told.contains(name)).collect();
        for missing in &needed {
            let mut command = Command::new(places::binary(function).unwrap());
            command.env_clear().envs(runtime.environment()).env("AWS_REGION", "eu-west-1").stdin(Stdio::null()).kill_on_drop(true);
            command.envs(needed.iter().filter(|name| name != &missing).map(|name| (*name, "said")));
            let done = tokio::time::timeout(WAIT_MAX, command.output()).await.expect("it ends").unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(!done.status.success() && said.contains(missing), "{function} without {missing}: {said}");
        }
    }
}
