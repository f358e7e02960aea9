//! What a step is called with, and which of its settings are resolved for it.

use super::*;
use crate::ports::{ApplyOptions, RunInfo};
use crate::secrets::{self, NewSecret, SecretPorts};

struct Seen {
    info: RunInfo,
    accounts: Vec<String>,
    seed: u64,
}

/// Runs these stages to their end; what each step was called with.
async fn called(stages: Value) -> Vec<Seen> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let world = world(move |call| {
        let accounts = call.accounts.keys().cloned().collect();
        kept.lock().unwrap().push(Seen { info: call.info.clone(), accounts, seed: call.seed });
        succeeds()
    });
    let id = world.prepare(stages).await.unwrap().execution;
    world.account().await;
    assert_eq!(world.advance(&id).await, Rest::Ended);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert!(seen.iter().all(|seen| seen.info.execution_id == id.to_string()));
    seen
}

#[tokio::test]
async fn a_step_knows_what_it_is_a_step_of() {
    let seen = called(json!([{"refId": "a", "type": "wait", "stageTimeoutMs": 5_000}, {"refId": "b", "type": "undo"}])).await;
    let RunInfo { application, pipeline, stage_id, stage_type, attempt, deadline_ms, .. } = seen[0].info.clone();
    assert_eq!((application.as_str(), pipeline.as_str()), ("flaskapp", "deployTesting"));
    assert_eq!((stage_id.as_str(), stage_type.as_str(), attempt), ("a", "wait", 1));
    assert_eq!(deadline_ms, FixedClock::default().now_ms() + 5_000);
    let parts = |of: usize| seen[of].info.traceparent.split('-').map(str::to_owned).collect::<Vec<_>>();
    let (a, b) = (parts(0), parts(1));
    assert_eq!((a[0].as_str(), a[1].len(), a[2].len(), a[3].as_str()), ("00", 32, 16, "01"));
    assert!(a[1] == b[1] && a[2] != b[2], "one trace, a span each");
    assert_ne!(seen[0].seed, seen[1].seed);
}

#[tokio::test]
async fn a_component_that_may_not_touch_a_cluster_is_given_none() {
    let seen = called(json!([{"refId": "a", "type": "wait"}, {"refId": "b", "type": "keeps", "requisiteStageRefIds": ["a"]}])).await;
    assert_eq!((seen[0].accounts.len(), &seen[1].accounts[..]), (0, &["prod".to_owned()][..]));
}

/// What a step does with it is in its trace: a release that draws another number for the same step breaks the replay.
#[test]
fn the_seed_of_a_step_is_the_same_for_ever() {
    assert_eq!(call::seed("e", 0, 1, 0, 0), 3_805_864_331_135_360_034);
    assert_eq!(call::seed("e", 1, 2, 3, 4), 9_588_770_079_651_439_100);
}

/// The settings that a step of one stage is called with.
async fn resolved(more: Value) -> Value {
    let world = world(|_| succeeds());
    let mut stage = json!({"refId": "1", "type": "wait"});
    stage.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let id = world.prepare(json!([stage])).await.unwrap().execution;
    assert_eq!(world.advance(&id).await, Rest::Ended);
    world.settings(0)
}

// Rule 2.9: A component may evaluate some of its settings itself
#[tokio::test]
async fn what_a_component_evaluates_itself_is_left_alone_and_nothing_else() {
    let mine = "${version} of ${nobody.knows}";
    let settings = resolved(json!({
        "type": "keeps",
        "image": "web:${parameters.version}",
        "manifests": [{"data": {"a": mine}, "name": "${parameters.version}"}, {"data": [mine]}, {"none": true}],
        "env": {"A": mine, "b/c": mine, "d~e": mine},
        "list": ["${parameters.version}", mine, "${parameters.version}"],
        "map": {"only": mine, "other": "${parameters.version}"},
    }))
    .await;
    assert_eq!(settings["image"], "web:1.2");
    assert_eq!(settings["manifests"], json!([{"data": {"a": mine}, "name": "1.2"}, {"data": [mine]}, {"none": true}]));
    assert_eq!(settings["env"], json!({"A": mine, "b/c": mine, "d~e": mine}));
    assert_eq!((&settings["list"], &settings["map"]), (&json!(["1.2", mine, "1.2"]), &json!({"only": mine, "other": "1.2"})));
}

// Rule 2.9: `skipExpressionEvaluation` leaves manifests as they are
#[tokio::test]
async fn manifests_are_left_alone_where_the_stage_says_so() {
    let stage = |skips: bool| {
        json!({
            "skipExpressionEvaluation": skips,
            "image": "${parameters.version}",
            "manifests": ["${parameters.version}"],
            "manifest": "${parameters.version}",
            "patchBody": "${parameters.version}",
            "waybill": {"note": "${nobody.knows}"},
        })
    };
    for (skips, manifest) in [(false, "1.2"), (true, "${parameters.version}")] {
        let settings = resolved(stage(skips)).await;
        assert_eq!((&settings["image"], &settings["waybill"]["note"]), (&json!("1.2"), &json!("${nobody.knows}")));
        assert_eq!(
            (&settings["manifests"][0], &settings["manifest"], &settings["patchBody"]),
            (&json!(manifest), &json!(manifest), &json!(manifest))
        );
    }
}

// Rule 2.9: What cannot be resolved fails the stage before it runs; no text is left as it was
#[tokio::test]
async fn what_cannot_be_resolved_is_named_by_its_place() {
    let world = world(|_| succeeds());
    let stage = json!({"refId": "1", "type": "wait", "deep": {"list": ["fine", "${nobody.knows}"]}, "other": "${nor.this}"});
    let id = world.prepare(json!([stage])).await.unwrap().execution;
    world.advance(&id).await;
    let reason = world.detail(&id).await.stages[0].reason.clone().unwrap();
    let places: Vec<&str> = reason.data["errors"].as_array().unwrap().iter().filter_map(|error| error["pointer"].as_str()).collect();
    assert_eq!(places, ["/deep/list/1", "/other"]);
    assert!(reason.message.ends_with("at /deep/list/1"), "{}", reason.message);
}

#[tokio::test]
async fn a_step_hands_over_a_reference_and_the_cluster_gets_the_value() {
    let cluster = Arc::new(ScriptedCluster::default());
    let mut world = world(|call| {
        let cluster = call.cluster.clone();
        async move {
            let at = cluster.read_address("https://c", None, "t", false).unwrap();
            let env = json!([{"name": "PASSWORD", "value": "secret://db"}]);
            let pod = json!({"kind": "Pod", "spec": {"containers": [{"name": "c", "env": env}]}});
            let applied = cluster.apply(&at, &pod, ApplyOptions::default()).await.unwrap();
            let results = StepResults { outputs: json!({"live": applied.live}), ..StepResults::default() };
            Ok(report(StepEnd::Succeeded(results)))
        }
        .boxed()
    });
    world.ports.cluster = cluster.clone();
    let pipeline = world.install(json!({"stages": [{"refId": "1", "type": "wait", "note": "with secret://db"}]})).await.unwrap();
    let p = &world.ports;
    let ports = SecretPorts { table: p.table.as_ref(), clock: p.clock.as_ref(), sealer: p.sealer.as_ref(), changes: p.changes.as_ref() };
    let new = NewSecret { name: "db".to_owned(), value: "hunter2-long".to_owned() };
    secrets::put(ports, &root(), &AppName::parse("flaskapp").unwrap(), &new, &Expect::Nothing).await.unwrap();
    let id = world.start(&pipeline).await;
    assert_eq!(world.advance(&id).await, Rest::Ended);
    let detail = world.detail(&id).await;
    let ports = follow::Ports { table: p.table.as_ref(), blobs: p.blobs.as_ref(), changes: p.changes.as_ref(), clock: p.clock.as_ref() };
    let stage = follow::stage(ports, &root(), &id, "1").await.unwrap();
    assert_eq!(detail.status, Status::Succeeded);
    assert!(cluster.applied()[0].to_string().contains("hunter2-long"));
    let kept = format!("{detail:?} {stage:?} {}", world.table.table.dump());
    assert!(kept.contains("secret://db") && !kept.contains("hunter2-long"), "nothing that is kept or shown holds the value");
}
