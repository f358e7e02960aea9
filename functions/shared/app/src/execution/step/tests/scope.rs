//! What a stage sees of those before it.

use super::*;

/// Every stage outputs its own name; the first two also something of their own.
fn naming(call: &StepCall) -> Answer {
    let stage = call.info.stage_id.clone();
    let outputs = json!({"nearest": stage, format!("of{stage}"): stage, "trigger": "hidden"});
    ends(StepEnd::Succeeded(StepResults { outputs, artifacts: vec![json!({"name": stage})], ..StepResults::default() }))
}

fn stage(ref_id: &str, requisites: &[&str], see: Value) -> Value {
    json!({"refId": ref_id, "name": format!("stage {ref_id}"), "type": "wait", "requisiteStageRefIds": requisites, "see": see})
}

// Rule 2.8: A bare name is the output of that name of the nearest stage before
#[tokio::test]
async fn a_bare_name_is_the_nearest_output_before_it() {
    let world = world(naming);
    let stages = json!([
        stage("1", &[], json!(null)),
        stage("2", &["1"], json!("${nearest}")),
        stage("3", &["2"], json!(["${nearest}", "${of1}", "${trigger.user}", "${stages['stage 1'].outputs.of1}"])),
        stage("4", &[], json!("${stages}")),
    ]);
    let id = world.prepare(stages).await.unwrap().execution;
    world.settle().await;
    assert_eq!(world.status(&id).await, Status::Succeeded);
    let calls = world.host.calls.lock().unwrap();
    let seen = |stage: &str| calls.iter().find(|(made, _, _)| made == stage).unwrap().2["see"].clone();
    assert_eq!(seen("2"), json!("1"));
    assert_eq!(seen("3"), json!(["2", "1", "root", "1"]), "no output hides the trigger");
    assert_eq!(seen("4"), json!({}), "what stands beside it is not seen");
}

// Rule 2.8: Artifacts are collected from all stages before, the nearest first, and the trigger
#[tokio::test]
async fn artifacts_are_collected_from_all_before_it_the_nearest_first() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = seen.clone();
    let world = world(move |call| {
        if call.info.stage_id == "3" {
            *into.lock().unwrap() = call.scope.artifacts();
        }
        naming(call)
    });
    let stages = json!([stage("1", &[], json!(null)), stage("2", &["1"], json!(null)), stage("3", &["2"], json!(null))]);
    world.prepare(stages).await.unwrap();
    world.settle().await;
    let names: Vec<Value> = seen.lock().unwrap().iter().map(|artifact| artifact["name"].clone()).collect();
    assert_eq!(names, ["2", "1"]);
}

// Rule 2.8: What nothing here left, the execution that started this one may have
#[tokio::test]
async fn what_nothing_here_left_the_execution_above_may_have() {
    let world = world(naming);
    let pipeline =
        world.install(json!({"stages": [stage("1", &[], json!(["${version}", "${trigger.parentExecution.id}"]))]})).await.unwrap();
    let above = json!({"id": "above", "stages": [{"name": "make", "outputs": {"version": "7"}}]});
    let trigger = json!({"parentExecution": above}).as_object().unwrap().clone();
    let request = Request { trigger, ..world.request(&pipeline) };
    start::start(world.start_ports(), &request).await.unwrap();
    world.settle().await;
    assert_eq!(world.settings(0)["see"], json!(["7", "above"]));
}

// Rule 2.8: A part sees what its stage sees
#[tokio::test]
async fn a_part_sees_what_its_stage_sees() {
    let world = world(|call| match &call.export {
        Export::Plan(model::component::Part::Before) => {
            let part = json!({"refId": "a", "type": "wait", "see": "${of1}"});
            ends(StepEnd::Planned(vec![part.as_object().unwrap().clone()]))
        }
        Export::Plan(_) => ends(StepEnd::Planned(vec![])),
        _ => naming(call),
    });
    let mut unfolds = stage("2", &["1"], json!(null));
    unfolds["type"] = json!("plan");
    world.prepare(json!([stage("1", &[], json!(null)), unfolds])).await.unwrap();
    world.settle().await;
    let calls = world.host.calls.lock().unwrap();
    let part = calls.iter().find(|(stage, _, _)| stage == "2<a").unwrap();
    assert_eq!(part.2["see"], json!("1"));
}

// Rule 2.8: A stage's own setting comes before what others left, unless it is itself an expression
#[tokio::test]
async fn what_the_stage_itself_says_comes_first() {
    let world = world(naming);
    let mut one = stage("2", &["1"], json!(["${plain}", "${nearest}", "${of1}", "${pipelineId}"]));
    one["plain"] = json!({"a": [1]});
    one["nearest"] = json!("own");
    one["of1"] = json!("${of1}");
    let id = world.prepare(json!([stage("1", &[], json!(null)), one])).await.unwrap().execution;
    world.settle().await;
    let pipeline = world.detail(&id).await.pipeline;
    let calls = world.host.calls.lock().unwrap();
    let seen = &calls.iter().find(|(made, _, _)| made == "2").unwrap().2;
    assert_eq!(seen["see"], json!([{"a": [1]}, "own", "1", pipeline]), "a setting that asks for its own name means what stands before it");
    assert_eq!(seen["of1"], "1");
}

// Rule 2.9: Functions see every stage's status, and what those before it left
#[tokio::test]
async fn functions_look_at_the_stages_of_the_execution() {
    let world = world(naming);
    let see = json!([
        "${#stage('stage 1').status}",
        "${#stage('stage 1').hasSucceeded}",
        "${#stage('stage 1')['outputs']['of1']}",
        "${#currentStage()['refId']}",
        "${#stage('stage 9')['status'].toString()}",
        "${#stageExists('stage 7')}",
        "${execution.stages.?[name == 'stage 1'][0].type}",
    ]);
    let stages = json!([stage("1", &[], json!(null)), stage("2", &["1"], see), stage("9", &["2"], json!(null))]);
    let id = world.prepare(stages).await.unwrap().execution;
    world.settle().await;
    assert_eq!(world.status(&id).await, Status::Succeeded);
    let calls = world.host.calls.lock().unwrap();
    let seen = calls.iter().find(|(made, _, _)| made == "2").unwrap().2["see"].clone();
    assert_eq!(seen, json!(["SUCCEEDED", true, "1", "2", "NOT_STARTED", false, "wait"]));
}

// Rule 2.9: Pipelines of the own application are found by name, and no other's
#[tokio::test]
async fn pipelines_are_found_by_name_within_the_application() {
    let world = world(naming);
    let see = json!(["${#pipelineId('deployTESTING')}", "${#pipelineIdInApplication('deployTesting', 'FlaskApp')}"]);
    let id = world.prepare(json!([stage("1", &[], see)])).await.unwrap().execution;
    world.settle().await;
    let pipeline = world.detail(&id).await.pipeline;
    assert_eq!(world.settings(0)["see"], json!([pipeline, pipeline]));

    for text in ["${#pipelineId('other')}", "${#pipelineIdInApplication('deployTesting', 'other')}", "${#applicationMetadata('flaskapp')}"]
    {
        let world = super::world(naming);
        let id = world.prepare(json!([stage("1", &[], json!(text))])).await.unwrap().execution;
        world.settle().await;
        let detail = world.detail(&id).await;
        assert!(detail.stages[0].reason.as_ref().unwrap().is(ReasonCode::ExpressionFailed), "{text}: {detail:?}");
    }
}

// Rule 2.9: A stage's name may hold expressions, and is shown as they came out
#[tokio::test]
async fn a_name_is_shown_as_it_came_out() {
    let world = world(naming);
    let named = |ref_id: &str, after: &[&str], name: &str| {
        let mut stage = stage(ref_id, after, json!(null));
        stage["name"] = json!(name);
        stage
    };
    let mut strict = named("3", &["2"], "${parameters.nobody}");
    strict["failOnFailedExpressions"] = json!(true);
    let stages = json!([named("1", &[], "to ${parameters.version}"), named("2", &["1"], "${parameters.nobody}"), strict]);
    let id = world.prepare(stages).await.unwrap().execution;
    world.settle().await;
    let detail = world.detail(&id).await;
    assert_eq!(detail.stages[0].name, "to 1.2");
    assert_eq!(detail.stages[1].name, "${parameters.nobody}", "one that cannot be evaluated stays as it was written");
    assert_eq!(detail.stages[1].status, Status::Succeeded, "only people read it");
    let lines: Vec<String> = world.log(&id).await.into_iter().flat_map(|entry| entry.lines).map(|line| line.line.message).collect();
    assert!(lines.iter().any(|line| line.contains("/name stays as it was written: there is no parameter `nobody`")), "{lines:?}");
    assert_eq!(detail.stages[2].status, Status::Terminal, "unless the stage wants to fail of it");
}

// Rule 2.9: Time and chance are those of the step, and no URL is fetched
#[tokio::test]
async fn time_and_chance_belong_to_the_step() {
    let world = world(naming);
    let uuid = "${T(java.util.UUID).randomUUID().toString()}";
    let see = json!([uuid, uuid, "${new java.util.Date().getTime()}", "${#readYaml('a: [1, x]')}"]);
    world.prepare(json!([stage("1", &[], see)])).await.unwrap();
    world.settle().await;
    let seen = world.settings(0)["see"].clone();
    assert_ne!(seen[0], seen[1], "each draws its own");
    assert_eq!(seen[0].as_str().map(str::len), Some(36));
    assert!(seen[2].as_i64().is_some_and(|ms| ms > 1_000_000_000_000), "{seen}");
    assert_eq!(seen[3], json!({"a": [1, "x"]}));

    let moment = crate::ports::Moment { now_ms: 5, seed: 9 };
    let draw = || {
        let asked = crate::execution::scope::Asked::at(moment, None);
        expression::evaluate_with(uuid, &Map::new(), &asked).unwrap()
    };
    assert_eq!(draw(), draw(), "made again, it draws the same");

    let world = super::world(naming);
    let fetches = json!([stage("1", &[], json!("${#fromUrl('http://localhost')}"))]);
    let id = world.prepare(fetches).await.unwrap().execution;
    world.settle().await;
    let detail = world.detail(&id).await;
    assert!(detail.stages[0].reason.as_ref().unwrap().is(ReasonCode::ExpressionFailed), "{detail:?}");
}
