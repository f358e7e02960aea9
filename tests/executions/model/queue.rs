//! How many executions of a pipeline run at once, who waits, who is next and who never runs.

use serde_json::{Value, json};
use tests::Desk;
use tests::desk::ask;

async fn limited(desk: &Desk, keep: bool) {
    let more = json!({"limitConcurrent": true, "keepWaitingPipelines": keep});
    let _ = desk.save_with("p", vec![ask("1", &[])], more).await;
}

/// What the execution says of itself now.
async fn now(desk: &Desk, id: &str) -> Value {
    desk.developer.get(&format!("/api/executions/{id}")).await.ok()
}

#[tokio::test]
async fn of_simultaneous_starts_one_runs_and_the_others_wait_in_order() {
    let desk = Desk::new().await;
    limited(&desk, true).await;
    let (a, b, c, d) = tokio::join!(desk.start("p"), desk.start("p"), desk.start("p"), desk.start("p"));
    let mut waiting = Vec::new();
    let mut running = Vec::new();
    for id in [a, b, c, d] {
        let seen = now(&desk, &id).await;
        match seen["reason"]["data"]["position"].as_u64() {
            None => running.push(id),
            Some(position) => {
                assert_eq!((&seen["status"], &seen["reason"]["code"]), (&json!("NOT_STARTED"), &json!("waiting-for-slot")), "{seen:#}");
                assert_eq!(seen["reason"]["data"]["limit"], 1, "{seen:#}");
                assert_eq!(seen["stages"][0]["reason"]["code"], "waiting-for-slot", "{seen:#}");
                waiting.push((position, id));
            }
        }
    }
    waiting.sort();
    assert_eq!((running.len(), waiting.iter().map(|(position, _)| *position).collect::<Vec<_>>()), (1, vec![1, 2, 3]));
    for id in running.into_iter().chain(waiting.into_iter().map(|(_, id)| id)) {
        desk.judged(&id, "1", "continue").await;
        assert_eq!(desk.ended(&id).await["status"], "SUCCEEDED");
    }
}

#[tokio::test]
async fn without_keeping_the_newest_runs_and_is_named_by_those_it_superseded() {
    let desk = Desk::new().await;
    limited(&desk, false).await;
    let first = desk.start("p").await;
    let (second, third) = (desk.start("p").await, desk.start("p").await);
    let newest = desk.start("p").await;
    desk.judged(&first, "1", "continue").await;
    let _ = desk.is(&newest, "RUNNING").await;
    for id in [&second, &third] {
        let ended = desk.ended(id).await;
        assert_eq!((&ended["status"], &ended["reason"]["code"]), (&json!("CANCELED"), &json!("superseded")), "{ended:#}");
        assert_eq!(ended["reason"]["data"]["by"], json!(newest), "{ended:#}");
        assert!(ended["reason"]["message"].as_str().unwrap().contains(&newest), "{ended:#}");
    }
    desk.judged(&newest, "1", "continue").await;
    assert_eq!(desk.ended(&newest).await["status"], "SUCCEEDED");
}

#[tokio::test]
async fn several_slots_a_cancelled_waiter_and_a_paused_holder() {
    let desk = Desk::new().await;
    let more = json!({"maxConcurrentExecutions": 2, "keepWaitingPipelines": true});
    let _ = desk.save_with("p", vec![ask("1", &[])], more).await;
    let (first, second) = (desk.start("p").await, desk.start("p").await);
    let _ = desk.developer.stage_is(&first, "1", "SUSPENDED").await;
    let _ = desk.developer.stage_is(&second, "1", "SUSPENDED").await;
    let (third, fourth) = (desk.start("p").await, desk.start("p").await);
    let _ = desk.tell(&third, "pause", &json!({"reason": "r"})).await.refused(409, "execution-not-started");
    let _ = desk.told(&first, "pause", &json!({"reason": "lunch"})).await;
    let _ = desk.is(&first, "PAUSED").await;
    assert_eq!(now(&desk, &third).await["reason"]["code"], "waiting-for-slot", "a paused execution keeps its slot");
    let _ = desk.told(&third, "cancel", &json!({"reason": "not needed"})).await;
    let ended = desk.ended(&third).await;
    assert_eq!((&ended["status"], &ended["reason"]["code"]), (&json!("CANCELED"), &json!("canceled-by-user")), "{ended:#}");
    desk.judged(&second, "1", "continue").await;
    let _ = desk.developer.stage_is(&fourth, "1", "SUSPENDED").await;
    let _ = desk.told(&first, "resume", &json!({})).await;
    for id in [&first, &fourth] {
        desk.judged(id, "1", "continue").await;
        assert_eq!(desk.ended(id).await["status"], "SUCCEEDED");
    }
}

#[tokio::test]
async fn a_start_may_expire_and_a_queue_may_be_full() {
    let desk = Desk::limited(&json!({"waitingMax": 1})).await;
    limited(&desk, true).await;
    let first = desk.start("p").await;
    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() + 700;
    let waits = desk.start_with("p", json!({"startTimeExpiry": soon.to_string()})).await;
    let _ = desk.ask("p", json!({})).await.refused(409, "queue-full");
    let ended = desk.ended(&waits).await;
    assert_eq!((&ended["status"], &ended["reason"]["code"]), (&json!("CANCELED"), &json!("start-time-expired")), "{ended:#}");
    assert_eq!(ended["startByMs"].as_u64().map(u128::from), Some(soon), "{ended:#}");
    let place = desk.start("p").await;
    assert_eq!(now(&desk, &place).await["reason"]["data"]["position"], 1, "the one that expired left its place");
    desk.judged(&first, "1", "continue").await;
    desk.judged(&place, "1", "continue").await;
    let late = desk.start_with("p", json!({"startTimeExpiry": 7})).await;
    assert_eq!(desk.ended(&late).await["reason"]["code"], "start-time-expired");
    for wrong in [json!("soon"), json!(-1), json!(1.5), json!(true)] {
        let _ = desk.ask("p", json!({"startTimeExpiry": wrong})).await.invalid("/startTimeExpiry", "type-differs");
    }
}
