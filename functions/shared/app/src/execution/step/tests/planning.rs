//! Stages that unfold into others: what a component planned joins the plan, checked and pinned, exactly once.

use super::*;
use crate::execution::control;
use crate::ports::PLANNED_STAGES_MAX;
use model::component::Part::{After, Before, OnFailure};

fn plans(stages: &Value) -> Answer {
    let list = stages.as_array().unwrap().iter().map(|stage| stage.as_object().unwrap().clone());
    ends(StepEnd::Planned(list.collect()))
}

fn one(kind: &str) -> Value {
    json!([{"refId": "1", "type": kind}])
}

/// Stage `1` unfolds before its work into these; everything else goes well.
fn unfolding(stages: Value) -> World {
    world(move |call| match &call.export {
        Export::Plan(Before) if call.info.stage_id == "1" => plans(&stages),
        Export::Plan(_) => plans(&json!([])),
        _ => succeeds(),
    })
}

/// Whoever sends an event reads META, then the plan: a stage may have unfolded in between.
#[tokio::test]
async fn an_event_is_judged_by_the_stages_there_were_when_it_was_read() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    let mut plan = world.plan(&id).await;
    let mut more = plan.stages[0].clone();
    more.ref_id = model::id::RefId::parse("1<0").unwrap();
    more.parent = Some(engine::Parent { run: 0, attempt: 1, part: Before });
    plan.stages.push(more);
    let (_, grown) = plan.keep(world.blobs.as_ref(), &id).await.unwrap();
    world.ports.table.transact(Transaction::of(grown.into_iter().collect())).await.unwrap();
    control::pause(world.inbox_ports(), &root(), &id, "", None).await.unwrap();
    assert_eq!(world.items(&id, "EVT#").await, 1);
    assert_eq!(world.detail(&id).await.stages.len(), 1);
}

// Rule 2.11: Before stages run before the stage's own work, after stages when that is done
// Rule 2.11: Parts are named `3<1`, `3>1`, `3!1`, and name their parent and part
#[tokio::test]
async fn before_its_work_and_after_it() {
    let world = world(|call| match &call.export {
        Export::Plan(Before) => {
            plans(&json!([{"refId": "a", "type": "wait"}, {"refId": "b", "type": "wait", "requisiteStageRefIds": ["a"]}]))
        }
        Export::Plan(After) => plans(&json!([{"type": "wait", "see": "${made}"}, {"type": "wait"}])),
        Export::Plan(OnFailure) => plans(&json!([])),
        _ => succeeds(),
    });
    let id = world.prepare(one("plan")).await.unwrap().execution;
    world.settle().await;
    let order: Vec<String> = world.exports().into_iter().filter(|(_, export)| *export == Export::Step).map(|(stage, _)| stage).collect();
    assert_eq!(order, ["1<a", "1<b", "1", "1>0", "1>1"]);
    let (meta, plan) = (world.meta(&id).await, world.plan(&id).await);
    assert_eq!((plan.stages.len(), meta.execution.runs.len(), meta.execution.status), (5, 5, Status::Succeeded));
    let detail = world.detail(&id).await;
    let seen: Vec<_> = detail.stages.iter().map(|s| (s.ref_id.as_str(), s.parent_ref_id.as_deref(), s.part, s.current)).collect();
    assert_eq!(seen[1..3], [("1<a", Some("1"), Some(Before), true), ("1<b", Some("1"), Some(Before), true)]);
    assert_eq!(seen[3..], [("1>0", Some("1"), Some(After), true), ("1>1", Some("1"), Some(After), true)]);
    assert_eq!(detail.stages[2].requisite_stage_ref_ids, ["1<a"]);
}

// Rule 2.3: A stage that failed may unfold into stages for that
#[tokio::test]
async fn after_its_failure() {
    let world = world(|call| match &call.export {
        Export::Plan(OnFailure) => plans(&json!([{"refId": "mend", "type": "wait"}])),
        Export::Plan(_) => plans(&json!([])),
        _ if call.info.stage_id == "1" => fails(),
        _ => succeeds(),
    });
    let id = world.prepare(one("plan")).await.unwrap().execution;
    world.settle().await;
    let detail = world.detail(&id).await;
    assert_eq!((detail.status, detail.stages[1].ref_id.as_str(), detail.stages[1].status), (Status::Terminal, "1!mend", Status::Succeeded));
}

// Rule 2.11: What was planned is planned once, whoever dies
#[tokio::test]
async fn a_worker_killed_at_any_write_plans_once() {
    for lie in [Lie::Hang, Lie::WrittenHang] {
        for write in 0..8 {
            let world = unfolding(json!([{"refId": "a", "type": "wait"}, {"refId": "b", "type": "wait"}]));
            let id = world.prepare(one("plan")).await.unwrap().execution;
            world.killed(&id, write, lie);
            world.settle().await;
            let detail = world.detail(&id).await;
            assert_eq!((detail.status, detail.stages.len()), (Status::Succeeded, 3), "killed at {write}");
        }
    }
}

async fn refused(world: &World, stages: Value) -> model::reason::Reason {
    let id = world.prepare(stages).await.unwrap().execution;
    world.settle().await;
    let detail = world.detail(&id).await;
    assert_eq!(detail.status, Status::Terminal);
    let reason = detail.stages[0].reason.clone().unwrap();
    assert!(reason.is(ReasonCode::PlanningFailed), "{reason:?}");
    reason
}

// Rule 2.3: Planning that fails is its stage's failure
#[tokio::test]
async fn what_cannot_run_is_refused_with_its_reason() {
    let many: Vec<Value> = (0..=PLANNED_STAGES_MAX).map(|_| json!({"type": "wait"})).collect();
    for (planned, why) in [
        (json!([{"refId": "a", "type": "real"}]), "does not name"),
        (json!([{"refId": "a", "type": "nobodys"}]), "no stage type `nobodys` is installed"),
        (json!([{"refId": "a", "type": "wait", "requisiteStageRefIds": ["1"]}]), "1<1"),
        (json!([{"refId": "a", "type": "wait", "requisiteStageRefIds": ["a"]}]), "1<a"),
        (json!([{"refId": "a", "type": "wait"}, {"refId": "a", "type": "wait"}]), "already"),
        (json!([{"refId": "a"}]), "type"),
        (json!(many), "33 stages"),
    ] {
        let reason = refused(&unfolding(planned.clone()), one("plan")).await;
        assert!(reason.message.contains(why), "{planned}: {}", reason.message);
    }
}

// Rule 2.11: Stages unfold only so deep, and into so many
#[tokio::test]
async fn an_execution_has_so_many_stage_runs() {
    // Ten times 32 and 200 are too many.
    let parts: Vec<Value> = (0..PLANNED_STAGES_MAX).map(|_| json!({"type": "wait"})).collect();
    let world = world(move |call| match &call.export {
        Export::Plan(Before) => plans(&json!(parts)),
        Export::Plan(_) => plans(&json!([])),
        _ => ends(judgment(&[])),
    });
    let kind = |n: u32| if n < 10 { "plan" } else { "wait" };
    let stages: Vec<Value> = (0..200).map(|n| json!({"refId": n.to_string(), "type": kind(n)})).collect();
    let id = world.prepare(json!(stages)).await.unwrap().execution;
    world.settle().await;
    let meta = world.meta(&id).await.execution;
    assert_eq!((meta.status, meta.runs.len()), (Status::Terminal, 200 + 9 * PLANNED_STAGES_MAX));
    let failed = meta.runs.iter().find(|run| run.status() == Status::Terminal).unwrap();
    assert_eq!(failed.reason().unwrap().data["cause"]["code"], json!("too-many-stage-runs"));
}

// Rule 2.11: Stages unfold only so deep, and into so many
#[tokio::test]
async fn an_execution_has_as_many_stage_runs_as_it_may() {
    for (last, status) in [(12, Status::Running), (13, Status::Terminal)] {
        // All but the first part wait for that.
        let parts = |count: usize| {
            let after = |n: usize| if n == 0 { vec![] } else { vec!["0"] };
            plans(&json!(
                (0..count).map(|n| json!({"refId": n.to_string(), "type": "wait", "requisiteStageRefIds": after(n)})).collect::<Vec<_>>()
            ))
        };
        let world = world(move |call| match &call.export {
            Export::Plan(Before) => parts(if call.info.stage_id == "9" { last } else { PLANNED_STAGES_MAX }),
            Export::Plan(_) => plans(&json!([])),
            _ => ends(judgment(&[])),
        });
        let stage = |n: usize| match n {
            0..10 => json!({"refId": n.to_string(), "type": "plan"}),
            _ => json!({"refId": n.to_string(), "type": "wait", "requisiteStageRefIds": ["0"]}),
        };
        let id = world.prepare(json!((0..200).map(stage).collect::<Vec<_>>())).await.unwrap().execution;
        world.settle().await;
        let meta = world.meta(&id).await.execution;
        assert_eq!((meta.status, meta.runs.len() == engine::STAGE_RUNS_MAX), (status, status == Status::Running));
    }
}

/// The engine has the last word on which stages there are.
#[tokio::test]
async fn the_plan_holds_no_stage_that_the_execution_does_not_have() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    let Taken::Mine(mut held) = Held::take(&world.ports, &id).await.unwrap() else { panic!("nobody holds it") };
    let now = world.clock.now_ms();
    held.fold(&Event::Begin, now);
    assert!(held.resolve_some(now).await.is_ok());
    let more = held.plan.stages[0].clone();
    Arc::make_mut(&mut held.plan).stages.push(more);
    held.stages.push(Arc::default());
    let result = Box::new(Ok(report(StepEnd::Yielded)));
    assert!(held.arrived(Came::Step { run: 0, attempt: 1, seq: 0, retry: 0, result }, now).await.is_ok());
    assert_eq!((held.plan.stages.len(), held.stages.len(), held.landed.len()), (1, 1, 1));
}

// Rule 2.11: Stages unfold only so deep, and into so many
#[tokio::test]
async fn stages_unfold_into_stages_only_so_deep() {
    // `plan` and `nest` unfold into each other for ever.
    let world = world(|call| match (&call.export, call.info.stage_type.as_str()) {
        (Export::Plan(Before), "plan") => plans(&json!([{"refId": "n", "type": "nest"}])),
        (Export::Plan(Before), _) => plans(&json!([{"refId": "p", "type": "plan"}])),
        (Export::Plan(_), _) => plans(&json!([])),
        _ => succeeds(),
    });
    let id = world.prepare(one("plan")).await.unwrap().execution;
    world.settle().await;
    let detail = world.detail(&id).await;
    let names: Vec<&str> = detail.stages.iter().map(|stage| stage.ref_id.as_str()).collect();
    assert_eq!((detail.status, names), (Status::Terminal, vec!["1", "1<n", "1<n<p", "1<n<p<n"]));
    assert!(detail.stages[3].reason.as_ref().unwrap().message.contains("3 deep"));
    assert!(detail.stages[0].reason.as_ref().unwrap().is(ReasonCode::SyntheticStageFailed));
}

#[tokio::test]
async fn a_stage_of_its_parents_type_does_not_unfold_again() {
    let world = unfolding(json!([{"refId": "a", "type": "plan"}]));
    let id = world.prepare(one("plan")).await.unwrap().execution;
    world.settle().await;
    assert_eq!(world.status(&id).await, Status::Succeeded);
    assert!(!world.exports().contains(&("1<a".to_owned(), Export::Plan(Before))));
}

// Rule 2.10: Restart: a part is restarted with its top-level stage
#[tokio::test]
async fn a_restarted_part_restarts_its_whole_which_plans_anew() {
    let world = world(|call| match &call.export {
        Export::Plan(Before) => plans(&json!([{"refId": "a", "type": "wait"}])),
        Export::Plan(_) => plans(&json!([])),
        _ if call.info.stage_id == "1<a" && call.seq == 0 => judging(call),
        _ => succeeds(),
    });
    let id = world.prepare(one("plan")).await.unwrap().execution;
    world.settle().await;
    let judge = async |key: &str| {
        let signal = inbox::Signal { stage: "1<a".to_owned(), name: "judgment".to_owned(), body: json!({"judgmentStatus": "continue"}) };
        inbox::signal(world.inbox_ports(), &root(), &id, &signal, Some(key)).await.unwrap();
        world.settle().await;
    };
    judge("first").await;
    assert_eq!(world.status(&id).await, Status::Succeeded);
    control::restart(world.start_ports(), &root(), &id, "1<a", None).await.unwrap();
    world.settle().await;
    assert_eq!(world.status(&id).await, Status::Running, "the new one waits for its own answer");
    judge("second").await;
    let detail = world.detail(&id).await;
    let seen: Vec<_> = detail.stages.iter().map(|stage| (stage.ref_id.as_str(), stage.attempt, stage.current)).collect();
    assert_eq!((detail.status, seen), (Status::Succeeded, vec![("1", 2, true), ("1<a", 1, false), ("1<a", 1, true)]));
    assert_eq!(detail.restarts[0].stage, "1");
}

#[tokio::test]
async fn a_cancel_stops_what_it_unfolded_into() {
    let world = world(|call| match &call.export {
        Export::Plan(Before) => {
            plans(&json!([{"refId": "a", "type": "undo"}, {"refId": "b", "type": "wait", "requisiteStageRefIds": ["a"]}]))
        }
        Export::Cancel(_) => succeeds(),
        _ => ends(judgment(&[])),
    });
    let id = world.prepare(one("plan")).await.unwrap().execution;
    world.settle().await;
    world.cancel(&id).await;
    world.settle().await;
    let detail = world.detail(&id).await;
    let statuses: Vec<Status> = detail.stages.iter().map(|stage| stage.status).collect();
    assert_eq!((detail.status, statuses), (Status::Canceled, vec![Status::Canceled, Status::Canceled, Status::NotStarted]));
    assert!(matches!(world.exports().last(), Some((stage, Export::Cancel(_))) if stage == "1<a"));
}
