//! Execution windows: a stage waits for its window, in the zone that holds, and says so.

use super::*;
use crate::execution::control;

/// The clock of these tests stands at 22:13:20 UTC on a Tuesday.
const NINE_IN_UTC: Millis = 1_700_038_800_000;
const NINE_IN_SHANGHAI: Millis = 1_700_010_000_000;

fn from_nine() -> Value {
    json!({"whitelist": [{"startHour": 9, "startMin": 0, "endHour": 17, "endMin": 59}]})
}

fn stage(window: Value) -> Value {
    json!([{"refId": "1", "type": "wait", "stageTimeoutMs": 60_000, "restrictExecutionDuringTimeWindow": true, "restrictedExecutionWindow": window}])
}

async fn started(world: &World, document: Value) -> ExecutionId {
    let pipeline = world.install(document).await.unwrap();
    let id = world.start(&pipeline).await;
    world.settle().await;
    id
}

fn to(world: &World, instant: Millis) {
    world.clock.0.advance(instant - world.clock.now_ms());
}

async fn reason(world: &World, id: &ExecutionId) -> model::reason::Reason {
    world.detail(id).await.stages[0].reason.clone().unwrap()
}

// Rule 2.7: Outside its window a stage waits, RUNNING, and starts when it opens
// Rule 2.7: The zone is the pipeline's, else the server's, and the reason names it
#[tokio::test]
async fn a_stage_waits_for_its_window_and_names_the_zone() {
    let ours = json!({"stages": stage(from_nine()), "waybill": {"timeZone": "asia/shanghai"}});
    for (document, server, opens, zone, whose) in [
        (json!({"stages": stage(from_nine())}), "UTC", NINE_IN_UTC, "UTC", "server"),
        (json!({"stages": stage(from_nine())}), "Asia/Shanghai", NINE_IN_SHANGHAI, "Asia/Shanghai", "server"),
        (ours, "UTC", NINE_IN_SHANGHAI, "Asia/Shanghai", "pipeline"),
    ] {
        let mut world = world(|_| succeeds());
        world.ports.limits = Arc::new(Limits { time_zone: server.to_owned(), ..Default::default() });
        let id = started(&world, document).await;
        let why = reason(&world, &id).await;
        assert!(why.is(ReasonCode::ExecutionWindow));
        assert_eq!((&why.data["until"], &why.data["timeZone"], &why.data["timeZoneOf"]), (&json!(opens), &json!(zone), &json!(whose)));
        assert_eq!((world.status(&id).await, world.detail(&id).await.stages[0].status), (Status::Running, Status::Running));
        to(&world, opens - 1);
        world.settle().await;
        assert_eq!(world.calls(), []);
        to(&world, opens);
        world.settle().await;
        assert_eq!((world.status(&id).await, world.calls().len()), (Status::Succeeded, 1));
    }
}

// Rule 2.6: Time in the execution window is not counted
#[tokio::test]
async fn waiting_for_the_window_is_not_the_stages_time() {
    let world = world(judging);
    let id = started(&world, json!({"stages": stage(from_nine())})).await;
    assert_eq!(world.detail(&id).await.stages[0].deadline_ms, None);
    to(&world, NINE_IN_UTC);
    world.settle().await;
    assert_eq!(world.detail(&id).await.stages[0].deadline_ms, Some(NINE_IN_UTC + 60_000));
}

fn jitter(more: Value) -> Value {
    let mut window = json!({"whitelist": [], "jitter": {"enabled": true, "minDelay": 60, "maxDelay": 60}});
    window.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    stage(window)
}

// Rule 2.7: Jitter delays once, and may leave out what people start
#[tokio::test]
async fn the_random_delay_is_waited_once() {
    let world = world(|_| succeeds());
    let id = started(&world, json!({"stages": jitter(json!({}))})).await;
    let until = world.clock.now_ms() + 60_000;
    let why = reason(&world, &id).await;
    assert!(why.is(ReasonCode::WindowJitter));
    assert_eq!(why.data["until"], json!(until));
    to(&world, until);
    world.settle().await;
    assert_eq!(world.status(&id).await, Status::Succeeded);
}

#[tokio::test]
async fn a_delay_of_nothing_is_not_waited_for() {
    let world = world(|_| succeeds());
    let window = jitter(json!({"jitter": {"enabled": true, "minDelay": 0, "maxDelay": 1}}));
    let pipeline = world.install(json!({"stages": window})).await.unwrap();
    let mut rests = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let id = world.start(&pipeline).await;
        rests.insert(format!("{:?}", world.advance(&id).await));
    }
    let delayed = format!("{:?}", Rest::Until(Some(world.clock.now_ms() + 1_000)));
    assert_eq!(rests.into_iter().collect::<Vec<_>>(), ["Ended".to_owned(), delayed]);
}

#[tokio::test]
async fn a_window_that_closes_during_the_delay_is_waited_for_without_another_delay() {
    let world = world(|_| succeeds());
    // Open until the end of this very minute.
    let range = json!({"startHour": 22, "startMin": 0, "endHour": 22, "endMin": 13});
    let id = started(&world, json!({"stages": jitter(json!({"whitelist": [range]}))})).await;
    assert!(reason(&world, &id).await.is(ReasonCode::WindowJitter));
    world.clock.0.advance(60_000);
    world.settle().await;
    let why = reason(&world, &id).await;
    assert!(why.is(ReasonCode::ExecutionWindow));
    to(&world, why.data["until"].as_u64().unwrap());
    world.settle().await;
    assert_eq!(world.status(&id).await, Status::Succeeded);
}

// Rule 2.7: Jitter delays once, and may leave out what people start
#[tokio::test]
async fn the_delay_may_leave_out_what_people_start() {
    let stages = jitter(json!({"jitter": {"enabled": true, "minDelay": 60, "maxDelay": 60, "skipManual": true}}));
    let world = world(|_| succeeds());
    let pipeline = world.install(json!({"stages": stages})).await.unwrap();
    let by_hand = world.start(&pipeline).await;
    let origin = Origin::Trigger { trigger_type: "docker".to_owned(), trigger: "t".to_owned() };
    let request = Request { origin, ..world.request(&pipeline) };
    let by_push = start::start(world.start_ports(), &request).await.unwrap().execution;
    world.settle().await;
    assert_eq!((world.status(&by_hand).await, world.status(&by_push).await), (Status::Succeeded, Status::Running));
}

// Rule 2.7: Somebody may skip the wait
#[tokio::test]
async fn somebody_may_not_want_to_wait() {
    for stages in [stage(from_nine()), jitter(json!({}))] {
        let world = world(judging);
        let id = started(&world, json!({"stages": stages})).await;
        let dev = principal("dev", Role::Developer);
        let skip = || control::skip_window(world.inbox_ports(), &dev, &id, "1", None);
        skip().await.unwrap();
        world.settle().await;
        assert_eq!(world.calls().len(), 1);
        assert!(matches!(skip().await.unwrap_err(), AppError::Conflict { code: "stage-not-waiting", .. }));
        world.judge(&id).await;
        world.settle().await;
        assert_eq!((world.status(&id).await, world.verdicts(&id).await), (Status::Succeeded, vec!["applied".to_owned(); 2]));
    }
}

#[tokio::test]
async fn a_restarted_stage_waits_for_its_window_again() {
    let world = world(|_| succeeds());
    let id = started(&world, json!({"stages": stage(from_nine())})).await;
    to(&world, NINE_IN_UTC);
    world.settle().await;
    world.clock.0.advance(12 * 3_600_000);
    control::restart(world.start_ports(), &root(), &id, "1", None).await.unwrap();
    world.settle().await;
    assert!(reason(&world, &id).await.is(ReasonCode::ExecutionWindow));
}

#[tokio::test]
async fn a_server_without_a_zone_fails_the_stage_and_says_so() {
    let mut world = world(|_| succeeds());
    world.ports.limits = Arc::new(Limits { time_zone: "Mars/Base".to_owned(), ..Default::default() });
    let id = started(&world, json!({"stages": stage(from_nine())})).await;
    let why = reason(&world, &id).await;
    assert!(why.is(ReasonCode::InvalidStageSettings) && why.message.contains("Mars/Base"));
}
