//! Execution windows: a stage waits for its own, in the time zone that counts, until somebody says not to.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tests::Desk;
use tests::api::stage_of;
use tests::desk::rest;
use tests::documents::with;

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A window that is days away in every time zone.
fn far() -> Value {
    // 1970-01-01 was a Thursday; 1 is Sunday.
    let today = (now_ms() / 86_400_000 + 4) % 7 + 1;
    json!({"days": [(today + 2) % 7 + 1], "whitelist": [{"startHour": 9, "startMin": 0, "endHour": 17, "endMin": 30}]})
}

fn restricted(window: &Value) -> Value {
    let more = json!({"restrictExecutionDuringTimeWindow": true, "restrictedExecutionWindow": window});
    with(rest("1", &[], 0), more)
}

async fn held(desk: &Desk) -> (String, Value) {
    let id = desk.start("p").await;
    let waits = |detail: &Value| !stage_of(detail, "1")["reason"].is_null() && stage_of(detail, "1")["status"] == "RUNNING";
    let detail = desk.developer.follow(&id, "a stage to wait for its window", waits).await;
    let stage = stage_of(&detail, "1").clone();
    assert_eq!((&stage["status"], &stage["deadlineMs"]), (&json!("RUNNING"), &Value::Null), "its time does not run: {stage:#}");
    (id, stage)
}

#[tokio::test]
async fn a_window_in_the_pipelines_zone_is_waited_for_until_somebody_skips_it() {
    let desk = Desk::new().await;
    let zone = json!({"waybill": {"timeZone": "Asia/Shanghai"}});
    let _ = desk.save_with("p", vec![restricted(&far()), rest("2", &["1"], 0)], zone).await;
    let (id, stage) = held(&desk).await;
    let reason = &stage["reason"];
    assert_eq!(reason["code"], "execution-window", "{reason:#}");
    assert_eq!((&reason["data"]["timeZone"], &reason["data"]["timeZoneOf"]), (&json!("Asia/Shanghai"), &json!("pipeline")), "{reason:#}");
    assert!(reason["message"].as_str().unwrap().contains("Asia/Shanghai"), "{reason:#}");
    let until = reason["data"]["until"].as_u64().unwrap();
    assert!(until > now_ms(), "{reason:#}");
    // 09:00 in Shanghai, all year, is 01:00 UTC.
    assert_eq!(until % 86_400_000, 3_600_000, "{reason:#}");
    assert_eq!(stage["may"]["skip-window"]["allowed"], true, "{stage:#}");
    let _ = desk.tell(&id, "stages/2/skip-window", &json!({})).await.refused(409, "stage-not-waiting");
    let event = desk.told(&id, "stages/1/skip-window", &json!({})).await;
    let ended = desk.ended(&id).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    assert_eq!(desk.verdict(&id, &event).await, "applied");
    assert_eq!(stage_of(&ended, "1")["may"]["skip-window"]["allowed"], false, "{ended:#}");
    let _ = desk.tell(&id, "stages/1/skip-window", &json!({})).await.refused(409, "execution-ended");
}

#[tokio::test]
async fn the_servers_zone_is_named_where_it_counts_and_a_cancel_ends_the_wait() {
    let desk = Desk::limited(&json!({"timeZone": "Europe/Berlin"})).await;
    let _ = desk.save("p", vec![restricted(&far())]).await;
    let (id, stage) = held(&desk).await;
    let reason = &stage["reason"];
    assert_eq!((&reason["data"]["timeZone"], &reason["data"]["timeZoneOf"]), (&json!("Europe/Berlin"), &json!("server")), "{reason:#}");
    assert!(reason["message"].as_str().unwrap().contains("Europe/Berlin"), "the server's default is printed: {reason:#}");
    let _ = desk.told(&id, "cancel", &json!({"reason": "no"})).await;
    assert_eq!(desk.ended(&id).await["status"], "CANCELED");
}

#[tokio::test]
async fn jitter_delays_within_the_window_but_not_what_people_start() {
    let desk = Desk::new().await;
    let jitter = |skip: bool| json!({"jitter": {"enabled": true, "skipManual": skip, "minDelay": 500, "maxDelay": 600}});
    let _ = desk.save("p", vec![restricted(&jitter(false))]).await;
    let (id, stage) = held(&desk).await;
    assert_eq!(stage["reason"]["code"], "window-jitter", "{stage:#}");
    let left = stage["reason"]["data"]["until"].as_u64().unwrap().saturating_sub(now_ms());
    assert!((300_000..=600_000).contains(&left), "{left} ms");
    let _ = desk.told(&id, "stages/1/skip-window", &json!({})).await;
    assert_eq!(desk.ended(&id).await["status"], "SUCCEEDED");
    let _ = desk.save("p", vec![restricted(&jitter(true))]).await;
    let id = desk.start("p").await;
    assert_eq!(desk.ended(&id).await["status"], "SUCCEEDED");
}

#[tokio::test]
async fn windows_and_zones_that_are_none_are_refused_when_they_are_saved() {
    let desk = Desk::new().await;
    let document = |more: Value| with(json!({"application": "flaskapp", "name": "p"}), more);
    let bad = document(json!({"stages": [restricted(&json!({"days": [8]}))]}));
    let _ = desk.put("p", &bad).await.invalid("/stages/0/restrictedExecutionWindow/days/0", "day-invalid");
    let mars = document(json!({"stages": [rest("1", &[], 0)], "waybill": {"timeZone": "Mars/Base"}}));
    let said = desk.put("p", &mars).await.invalid("/waybill/timeZone", "time-zone-unknown");
    assert!(said.contains("Mars/Base"), "{said}");
}
