//! What a start would run, said beforehand, and what then runs.

use super::*;
use crate::execution::preview::{Outlook, Preview, PreviewedStage, preview};

fn stage<'a>(preview: &'a Preview, ref_id: &str) -> &'a PreviewedStage {
    preview.stages.iter().find(|stage| stage.ref_id.to_string() == ref_id).unwrap()
}

fn parameters(given: Value) -> Map<String, Value> {
    given.as_object().unwrap().clone()
}

fn document() -> Value {
    let when = |expression: &str| json!({"type": "expression", "expression": expression});
    json!({
        "parameterConfig": [{"name": "version", "default": "1"}, {"name": "env", "required": true, "hasOptions": true,
            "options": [{"value": "testing"}, {"value": "production"}]}],
        "stages": [
            {"refId": "3", "type": "wait", "name": "third", "requisiteStageRefIds": ["1", "2"], "say": "${nearest} of ${parameters.version}",
                "plain": "${parameters.version}"},
            {"refId": "1", "type": "wait", "name": "Deploy ${parameters.version}", "list": [{"tag": "v${parameters.version}"}, "${undefined}"]},
            {"refId": "2", "type": "wait", "name": "second", "stageEnabled": when("parameters.env == 'production'"), "n": 7},
            {"refId": "4", "type": "wait", "name": "4th", "requisiteStageRefIds": ["3"], "stageEnabled": when("#stage('second').status == 'SKIPPED'")},
            {"refId": "5", "type": "wait", "name": "5th", "requisiteStageRefIds": ["3"], "stageEnabled": when("parameters.env +")},
            {"refId": "6", "type": "plan", "name": "6th", "requisiteStageRefIds": ["3"], "own": 3, "twice": "${own * 2}"},
        ],
    })
}

#[tokio::test]
async fn it_says_what_would_run_and_starts_nothing() {
    let world = world(|_| succeeds());
    let pipeline = world.install(document()).await.unwrap();
    let before = world.table.writes.load(Ordering::SeqCst);
    let request = Request { parameters: parameters(json!({"env": "testing"})), ..world.request(&pipeline) };
    let said = preview(world.start_ports(), &request).await.unwrap();
    assert_eq!((world.table.writes.load(Ordering::SeqCst), world.hints.take().len(), world.calls().len()), (before, 0, 0));
    assert_eq!((said.revision, said.dry_run, &said.waits, &said.parameters["version"]), (1, false, &None, &json!("1")));
    let order: Vec<(String, usize)> = said.stages.iter().map(|stage| (stage.ref_id.to_string(), stage.rank)).collect();
    assert_eq!(order, [("1", 0), ("2", 0), ("3", 1), ("4", 2), ("5", 2), ("6", 2)].map(|(id, rank)| (id.to_owned(), rank)));
    let first = stage(&said, "1");
    assert_eq!((first.outlook, first.name.as_str()), (Outlook::Fails, "Deploy 1"));
    let reason = first.reason.as_ref().unwrap();
    assert!(reason.is(ReasonCode::ExpressionFailed), "{reason:?}");
    assert_eq!(reason.data["errors"][0]["pointer"], "/list/1", "{reason:?}");
    let second = stage(&said, "2");
    assert_eq!((second.outlook, &second.settings["n"]), (Outlook::Skipped, &json!(7)));
    assert!(second.reason.as_ref().unwrap().is(ReasonCode::ConditionFalse));
    let third = stage(&said, "3");
    assert_eq!((third.outlook, third.open.as_slice()), (Outlook::Runs, ["/say".to_owned()].as_slice()));
    assert_eq!((&third.settings["plain"], &third.settings["say"]), (&json!("1"), &json!("${nearest} of ${parameters.version}")));
    assert_eq!(third.requires.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1", "2"]);
    let fourth = stage(&said, "4");
    assert_eq!((fourth.outlook, &fourth.reason, fourth.open[0].as_str()), (Outlook::Open, &None, "/stageEnabled/expression"));
    assert!(stage(&said, "5").reason.as_ref().unwrap().is(ReasonCode::ConditionInvalid));
    let sixth = stage(&said, "6");
    assert_eq!((sixth.unfolds, &sixth.settings["twice"], sixth.open.len()), (true, &json!(6), 0), "its own settings are no guess");
}

#[tokio::test]
async fn what_would_be_refused_is_refused() {
    let world = world(|_| succeeds());
    let pipeline = world.install(document()).await.unwrap();
    let ask = async |request: Request| preview(world.start_ports(), &request).await.unwrap_err();
    let AppError::Invalid(problems) = ask(world.request(&pipeline)).await else { panic!("a parameter is missing") };
    assert_eq!((problems[0].pointer.as_str(), problems[0].code.as_str()), ("/parameters/env", "parameter-missing"));
    let stranger = Principal { name: "nobody".to_owned(), role: None, groups: std::collections::BTreeSet::new() };
    let refused = ask(Request { submitter: stranger, parameters: parameters(json!({"env": "testing"})), ..world.request(&pipeline) }).await;
    assert!(matches!(refused, AppError::Denied { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_dry_run_and_a_full_pipeline_are_said() {
    let world = world(judging);
    let stages = json!([{"refId": "1", "type": "wait"}, {"refId": "2", "type": "real"}]);
    let pipeline = world.install(json!({"stages": stages, "limitConcurrent": true})).await.unwrap();
    world.start(&pipeline).await;
    let dry = Request { trigger: parameters(json!({"dryRun": true})), ..world.request(&pipeline) };
    let said = preview(world.start_ports(), &dry).await.unwrap();
    assert!(said.dry_run && said.waits.as_ref().unwrap().is(ReasonCode::WaitingForSlot));
    let outlooks: Vec<Outlook> = said.stages.iter().map(|stage| stage.outlook).collect();
    assert_eq!(outlooks, [Outlook::Skipped, Outlook::Runs]);
    assert!(said.stages[0].reason.as_ref().unwrap().is(ReasonCode::DryRun));
}

/// Where it says that nothing is open, the execution does exactly that.
#[tokio::test]
async fn what_it_says_is_what_then_happens() {
    let world = world(|_| succeeds());
    let when = |expression: &str| json!({"type": "expression", "expression": expression});
    let stages = json!([
        {"refId": "1", "type": "wait", "name": "one", "stageEnabled": when("parameters.a == 'yes'"), "x": "${parameters.a}!"},
        {"refId": "2", "type": "wait", "name": "two", "requisiteStageRefIds": ["1"], "y": {"z": ["${trigger.user}", "${own ?: 1}"]}, "own": 5},
        {"refId": "3", "type": "wait", "name": "three", "requisiteStageRefIds": ["2"], "stageEnabled": when("${parameters.a == 'no'}")},
    ]);
    for answer in ["yes", "no"] {
        let world = if answer == "yes" { &world } else { &super::world(|_| succeeds()) };
        let pipeline = world.install(json!({"stages": stages, "parameterConfig": [{"name": "a"}]})).await.unwrap();
        let request = Request { parameters: parameters(json!({"a": answer})), ..world.request(&pipeline) };
        let said = preview(world.start_ports(), &request).await.unwrap();
        assert!(said.stages.iter().all(|stage| stage.open.is_empty()), "{said:#?}");
        let id = start::start(world.start_ports(), &request).await.unwrap().execution;
        world.settle().await;
        let detail = world.detail(&id).await;
        for (became, said) in detail.stages.iter().zip(&said.stages) {
            let expected = match said.outlook {
                Outlook::Runs => Status::Succeeded,
                Outlook::Skipped => Status::Skipped,
                Outlook::Fails | Outlook::Open => panic!("{said:?}"),
            };
            assert_eq!((became.status, became.reason.as_ref().map(|r| &r.code)), (expected, said.reason.as_ref().map(|r| &r.code)));
        }
        for (stage, _, settings) in world.host.calls.lock().unwrap().iter() {
            let said = said.stages.iter().find(|said| said.ref_id.to_string() == *stage).unwrap();
            assert_eq!(*settings, Value::Object(said.settings.clone()));
        }
    }
}
