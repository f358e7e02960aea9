//! What people ask of an execution that runs: hold it, let it go on, leave a stage out; and dry runs.

use super::*;
use crate::execution::control::{pause, resume, skip};

fn dev() -> Principal {
    principal("dev", Role::Developer)
}

fn conflict<T: std::fmt::Debug>(result: Result<T, AppError>) -> &'static str {
    match result.unwrap_err() {
        AppError::Conflict { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

struct AlwaysWoken;

#[async_trait]
impl Inbox for AlwaysWoken {
    async fn woken(&self) {}

    fn closing(&self) -> bool {
        false
    }
}

// Rule 2.10: Pause: what is under way is finished, nothing else begins; resume goes on
#[tokio::test]
async fn what_is_under_way_is_finished_and_nothing_else_begins() {
    let known = Arc::new(std::sync::OnceLock::<Ports>::new());
    let seen = known.clone();
    let world = world(move |call| {
        let (ports, id) = (seen.get().unwrap().clone(), ExecutionId::parse(call.info.execution_id.clone()).unwrap());
        let first = call.info.stage_id == "1";
        async move {
            if first {
                pause(inbox_of(&ports), &dev(), &id, "lunch", None).await.unwrap();
            }
            succeeds().await
        }
        .boxed()
    });
    assert!(known.set(world.ports.clone()).is_ok());
    let started = world.prepare(two_in_a_row()).await.unwrap();
    let id = &started.execution;
    assert_eq!(advance(&world.ports, id, &AlwaysWoken, BUDGET).await.unwrap(), Rest::Until(None));
    let detail = world.detail(id).await;
    assert_eq!(detail.status, Status::Paused);
    assert!(detail.reason.unwrap().is(ReasonCode::PausedByUser));
    assert_eq!(world.calls().len(), 1);
    assert_eq!(detail.stages[0].status, Status::Succeeded);
    assert!(detail.stages[1].reason.as_ref().unwrap().is(ReasonCode::PausedByUser), "it says who holds it up");
    resume(world.inbox_ports(), &dev(), id, None).await.unwrap();
    world.settle().await;
    assert_eq!((world.status(id).await, world.calls().len()), (Status::Succeeded, 2));
}

// Rule 2.6: Paused time is not counted
#[tokio::test]
async fn paused_time_is_not_the_stages_time() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    let deadline = world.detail(&id).await.stages[0].deadline_ms.unwrap();
    pause(world.inbox_ports(), &dev(), &id, "", None).await.unwrap();
    world.settle().await;
    world.clock.0.advance(48 * 3_600_000);
    world.settle().await;
    assert_eq!(world.status(&id).await, Status::Paused, "a time-out does not run");
    resume(world.inbox_ports(), &dev(), &id, None).await.unwrap();
    world.settle().await;
    assert_eq!(world.detail(&id).await.stages[0].deadline_ms, Some(deadline + 48 * 3_600_000));
}

// Rule 2.10: A judgment is taken while paused and acts on resume
#[tokio::test]
async fn a_judgment_is_taken_while_paused_and_acts_on_resume() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    pause(world.inbox_ports(), &dev(), &id, "", None).await.unwrap();
    world.settle().await;
    world.judge(&id).await;
    world.settle().await;
    assert_eq!((world.status(&id).await, world.calls().len()), (Status::Paused, 1));
    assert_eq!(world.detail(&id).await.stages[0].answers.len(), 1);
    resume(world.inbox_ports(), &dev(), &id, None).await.unwrap();
    world.settle().await;
    assert_eq!(world.status(&id).await, Status::Succeeded);
}

// Rule 2.10: Cancel: a paused execution goes on first
#[tokio::test]
async fn a_paused_execution_can_be_cancelled() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    pause(world.inbox_ports(), &dev(), &id, "", None).await.unwrap();
    world.settle().await;
    world.cancel(&id).await;
    world.settle().await;
    assert_eq!((world.status(&id).await, world.detail(&id).await.paused), (Status::Canceled, None));
}

// Rule 2.10: The same request is carried out once, however often it is sent
#[tokio::test]
async fn what_cannot_be_done_is_refused_and_a_repeat_is_not_done_twice() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    let ports = world.inbox_ports();
    assert_eq!(conflict(pause(ports, &dev(), &id, "", None).await), "execution-not-started");
    world.settle().await;
    assert_eq!(conflict(resume(ports, &dev(), &id, None).await), "execution-not-paused");
    let first = pause(ports, &dev(), &id, "", Some("key")).await.unwrap();
    world.settle().await;
    assert_eq!(conflict(pause(ports, &dev(), &id, "", None).await), "execution-paused");
    resume(ports, &dev(), &id, None).await.unwrap();
    world.settle().await;
    assert_eq!(pause(ports, &dev(), &id, "", Some("key")).await.unwrap(), first, "the same request, long done");
    world.settle().await;
    assert_eq!(world.status(&id).await, Status::Running);
    world.cancel(&id).await;
    world.settle().await;
    assert_eq!(conflict(pause(ports, &dev(), &id, "", None).await), "execution-ended");
    let long = "x".repeat(2_000);
    assert!(matches!(pause(ports, &dev(), &id, &long, None).await, Err(AppError::Invalid(_))));
    let nobody = Principal { role: None, ..dev() };
    assert!(matches!(pause(ports, &nobody, &id, "", None).await, Err(AppError::Denied { .. })));
}

#[tokio::test]
async fn a_repeat_that_was_overtaken_by_its_own_first_try_is_not_done_twice() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    // The second try has found nothing; meanwhile the first is stored, consumed, and undone by somebody.
    let (ports, held) = (world.ports.clone(), id.clone());
    world.table.meanwhile(0, async move {
        let inbox = inbox_of(&ports);
        pause(inbox, &dev(), &held, "", Some("key")).await.unwrap();
        advance(&ports, &held, &NeverWoken, BUDGET).await.unwrap();
        resume(inbox, &dev(), &held, None).await.unwrap();
        advance(&ports, &held, &NeverWoken, BUDGET).await.unwrap();
    });
    pause(world.inbox_ports(), &dev(), &id, "", Some("key")).await.unwrap();
    world.settle().await;
    assert_eq!(world.status(&id).await, Status::Running);
}

// Rule 2.10: Skip by hand: stages whose type or JSON allows it, at once or when their turn comes
#[tokio::test]
async fn a_stage_is_left_out_where_that_is_allowed() {
    let stages = json!([
        {"refId": "1", "type": "wait", "skippable": true},
        {"refId": "2", "type": "wait", "requisiteStageRefIds": ["1"]},
        {"refId": "3", "type": "undo", "requisiteStageRefIds": ["2"]},
    ]);
    let world = world(|call| if call.info.stage_id == "2" { succeeds() } else { judging(call) });
    let id = world.prepare(stages).await.unwrap().execution;
    world.settle().await;
    let ports = world.inbox_ports();
    let detail = world.detail(&id).await;
    let may: Vec<bool> = detail.stages.iter().map(|stage| stage.may_skip.allowed).collect();
    assert_eq!(may, [true, false, true], "what its own JSON or its type says");
    assert_eq!(conflict(skip(ports, &dev(), &id, "2", "", None).await), "stage-not-skippable");
    assert!(matches!(skip(ports, &dev(), &id, "9", "", None).await, Err(AppError::NotFound { .. })));
    skip(ports, &dev(), &id, "3", "not today", None).await.unwrap();
    world.settle().await;
    let waits = world.detail(&id).await.stages[2].clone();
    assert_eq!(waits.status, Status::NotStarted);
    assert!(waits.reason.unwrap().is(ReasonCode::SkippedByUser), "it says that it will be");
    skip(ports, &dev(), &id, "1", "", None).await.unwrap();
    world.settle().await;
    let detail = world.detail(&id).await;
    let statuses: Vec<Status> = detail.stages.iter().map(|stage| stage.status).collect();
    assert_eq!((detail.status, statuses), (Status::Succeeded, vec![Status::Skipped, Status::Succeeded, Status::Skipped]));
    assert!(detail.stages[2].reason.as_ref().unwrap().message.contains("not today"));
    assert_eq!(conflict(skip(ports, &dev(), &id, "1", "", None).await), "execution-ended");
}

// Rule 2.10: Dry run: only what a dry run needs is run, the rest is resolved and left at that
#[tokio::test]
async fn a_dry_run_runs_only_what_it_needs() {
    let stages = json!([
        {"refId": "1", "type": "wait", "image": "${parameters.version}"},
        {"refId": "2", "type": "real", "requisiteStageRefIds": ["1"]},
        {"refId": "3", "type": "wait", "requisiteStageRefIds": ["2"], "image": "${parameters.verison}"},
    ]);
    for said in [json!(true), json!("TRUE")] {
        let world = world(|_| succeeds());
        let pipeline = world.install(json!({"stages": stages})).await.unwrap();
        let trigger = json!({"dryRun": said}).as_object().unwrap().clone();
        let parameters = json!({"version": "1"}).as_object().unwrap().clone();
        let request = Request { trigger, parameters, ..world.request(&pipeline) };
        let id = start::start(world.start_ports(), &request).await.unwrap().execution;
        world.settle().await;
        let detail = world.detail(&id).await;
        assert!(detail.dry_run);
        assert_eq!(world.calls(), [("2".to_owned(), 0)]);
        assert_eq!((detail.stages[0].status, detail.stages[1].status), (Status::Succeeded, Status::Succeeded));
        assert!(detail.stages[0].reason.as_ref().unwrap().is(ReasonCode::DryRun));
        assert!(detail.stages[2].reason.as_ref().unwrap().is(ReasonCode::ExpressionFailed), "settings are resolved all the same");
    }
}
