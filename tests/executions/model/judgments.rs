//! Judgments: by whom, once, in time.

use serde_json::{Value, json};
use tests::Desk;
use tests::api::stage_of;
use tests::desk::ask;
use tests::documents::with;
use tests::site::person;

#[tokio::test]
async fn only_those_who_are_named_may_answer_and_only_once() {
    let desk = Desk::new().await;
    let quinn = person(&desk.admin, "quinn", "developer", &["qa"]).await;
    let _ = desk.save("p", vec![with(ask("1", &[]), json!({"selectedStageRoles": ["qa"]})), ask("2", &["1"])]).await;
    let id = desk.start("p").await;
    let _ = desk.developer.stage_is(&id, "1", "SUSPENDED").await;
    let problem = desk.judge(&id, "1", "continue").await.refused(403, "not-in-group");
    assert!(problem["detail"].as_str().unwrap().contains("qa"), "{problem}");
    let _ = desk.judge(&id, "2", "continue").await.refused(409, "stage-not-waiting");
    let path = format!("/api/executions/{id}/stages/1/signals/judgment");
    let go = json!({"judgmentStatus": "continue"});
    let stop = json!({"judgmentStatus": "stop"});
    let (one, two) = tokio::join!(quinn.post(&path, &go), quinn.post(&path, &stop));
    let accepted: Vec<&Value> = [&one, &two].into_iter().filter(|answer| answer.status == 202).map(|answer| &answer.body).collect();
    assert!(!accepted.is_empty(), "{} {}", one.body, two.body);
    assert!([&one, &two].into_iter().all(|answer| [202, 409].contains(&answer.status)), "{} {}", one.body, two.body);
    let mut verdicts = Vec::new();
    for event in accepted {
        verdicts.push(desk.verdict(&id, event["event"].as_str().unwrap()).await);
    }
    assert_eq!(verdicts.iter().filter(|verdict| *verdict == "applied").count(), 1, "one of both counts: {verdicts:?}");
    let _ = quinn.post(&path, &go).await.is(409);
    let detail = desk.developer.get(&format!("/api/executions/{id}")).await.ok();
    assert_eq!(stage_of(&detail, "1")["answers"].as_array().map(Vec::len), Some(1), "{detail:#}");
}

#[tokio::test]
async fn an_answer_that_comes_beside_the_end_gets_its_verdict() {
    let desk = Desk::new().await;
    let _ = desk.save("p", vec![ask("1", &[])]).await;
    let id = desk.start("p").await;
    let _ = desk.developer.stage_is(&id, "1", "SUSPENDED").await;
    let nothing = json!({});
    let (cancel, answer) = tokio::join!(desk.tell(&id, "cancel", &nothing), desk.judge(&id, "1", "continue"));
    let ended = desk.ended(&id).await;
    assert!(["CANCELED", "SUCCEEDED"].contains(&ended["status"].as_str().unwrap()), "{ended:#}");
    for told in [cancel, answer].into_iter().filter(|told| told.status == 202) {
        let verdict = desk.verdict(&id, told.body["event"].as_str().unwrap()).await;
        assert!(["applied", "execution-ended", "stage-not-waiting", "superseded"].contains(&verdict.as_str()), "{verdict}");
    }
}
