//! The real components, precompiled by the compiler's binary and run by a host without one, on a scripted cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may panic as the test may"
)]

use crate::parts::{MemoryJournal, Setup, manifest};
use app::ports::{Export, StageHost, StepCall, StepEnd, StepFault, StepMode, StepReport, Wake, WatchKey};
use model::component::{Part, StageType};
use serde_json::{Value, json};
use stage_host::{HostOptions, WasmHost, engine_fingerprint};
use std::sync::Arc;

struct Bench {
    host: Arc<WasmHost>,
    types: Vec<StageType>,
}

impl Bench {
    /// None, said aloud, where the components are not built; in CI that is a failure.
    fn open() -> Option<Self> {
        let folder = match testkit::places::components() {
            Ok(folder) => folder,
            Err(missing) if std::env::var_os("CI").is_some() => panic!("{missing}"),
            Err(missing) => {
                eprintln!("not tested: {missing}");
                return None;
            }
        };
        let index = std::fs::read(folder.join("index.json")).unwrap();
        let host = WasmHost::new(HostOptions::new(folder)).unwrap();
        Some(Self { host, types: serde_json::from_slice(&index).unwrap() })
    }

    fn of(&self, name: &str) -> &StageType {
        self.types.iter().find(|t| t.name == name).unwrap()
    }

    fn call(&self, name: &str, setup: &Setup, params: &Value) -> StepCall {
        let row = self.of(name);
        let mut call = setup.call();
        call.cwasm_sha256 = row.cwasm_sha256.clone();
        call.checkpoint_schemas = vec![1];
        call.grant = row.grant.clone();
        // The machine that runs the tests may be busy.
        call.limits = model::component::StepLimits { step_ms_max: 60_000, ..row.limits };
        call.params = params.to_string();
        call
    }

    async fn start(&self, name: &str, setup: &Setup, params: &Value) -> Result<StepReport, StepFault> {
        self.host.step(self.call(name, setup, params)).await
    }
}

#[tokio::test]
async fn rows_are_for_this_engine() {
    let Some(bench) = Bench::open() else { return };
    let names: Vec<_> = bench.types.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["checkPreconditions", "deployManifest", "evaluateVariables", "manualJudgment", "pipeline", "wait"]);
    for row in &bench.types {
        assert_eq!(row.engine, engine_fingerprint());
        assert_eq!(
            bench.host.describe(&row.cwasm_sha256, 3).await.map(|t| serde_json::from_str::<Value>(&t).unwrap()),
            Ok(row.manifest.clone())
        );
    }
}

#[tokio::test]
async fn a_wait_rests_until_its_instant() {
    let Some(bench) = Bench::open() else { return };
    let (setup, params) = (Setup::default(), json!({"type": "wait", "waitTime": 30}));
    let report = bench.start("wait", &setup, &params).await.unwrap();
    let StepEnd::Suspended { any_of, until_ms } = report.end else { panic!("{report:?}") };
    assert_eq!((any_of[0].name.as_str(), until_ms), ("skip-wait", Some(31_000)));

    let mut later = bench.call("wait", &setup, &params);
    (later.wake, later.checkpoint, later.now_ms, later.seq) = (Wake::TimedOut, report.checkpoint, 31_000, 1);
    let report = bench.host.step(later).await.unwrap();
    let StepEnd::Succeeded(results) = report.end else { panic!("{report:?}") };
    assert_eq!(results.outputs["waitedMs"], json!(30_000));

    let problems = bench.host.validate(&bench.of("wait").cwasm_sha256, &json!({"waitTime": -1}).to_string()).await.unwrap();
    assert_eq!(problems[0].0, "/waitTime");
}

#[tokio::test]
async fn a_judgment_is_answered() {
    let Some(bench) = Bench::open() else { return };
    let (setup, params) = (Setup::default(), json!({"type": "manualJudgment", "instructions": "Go?\nSay so."}));
    let report = bench.start("manualJudgment", &setup, &params).await.unwrap();
    let StepEnd::Suspended { any_of, until_ms: None } = report.end else { panic!("{report:?}") };
    assert_eq!((any_of[0].name.as_str(), any_of[0].prompt.as_str()), ("judgment", "Go?\nSay so."));

    let mut answered = bench.call("manualJudgment", &setup, &params);
    let body = json!({"judgmentStatus": "continue"}).to_string();
    answered.wake = Wake::Signal { name: "judgment".into(), sender: "mei".into(), body };
    (answered.checkpoint, answered.seq) = (report.checkpoint, 1);
    let report = bench.host.step(answered).await.unwrap();
    assert!(matches!(report.end, StepEnd::Succeeded(_)), "{report:?}");
}

/// The step that starts the child, after the one that only says so.
async fn starting(bench: &Bench, setup: &Setup, params: &Value) -> StepCall {
    let said = bench.start("pipeline", &Setup::default(), params).await.unwrap();
    assert!(said.end == StepEnd::Yielded && said.host_calls == 0, "{said:?}");
    let mut call = bench.call("pipeline", setup, params);
    (call.wake, call.checkpoint, call.seq) = (Wake::Poll, said.checkpoint, 1);
    call
}

#[tokio::test]
async fn a_child_is_started_waited_for_and_ended() {
    let Some(bench) = Bench::open() else { return };
    let (setup, params) = (Setup::default(), json!({"type": "pipeline", "application": "shop", "pipeline": "deploy"}));
    let report = bench.host.step(starting(&bench, &setup, &params).await).await.unwrap();
    let StepEnd::Suspended { any_of, until_ms: None } = &report.end else { panic!("{report:?}") };
    assert_eq!(any_of[0].name, "execution:01CHILD");
    let calls = setup.executions.calls();
    assert!(calls.len() == 2 && calls[0].starts_with("start shop/deploy {") && calls[1].starts_with("get 01CHILD status,"), "{calls:?}");

    // The step died before its outcome was written: it starts again, and the child is the same.
    let again = bench.host.step(starting(&bench, &setup, &params).await).await.unwrap();
    assert_eq!((again.end, setup.executions.children.lock().unwrap().len()), (report.end, 1));
    // With its trace it asks for nothing.
    let traced = Setup { journal: MemoryJournal::after(report.trace), ..Setup::default() };
    bench.host.step(starting(&bench, &traced, &params).await).await.unwrap();
    assert_eq!(traced.executions.calls(), [""; 0]);

    let mut stop = bench.call("pipeline", &setup, &params);
    (stop.export, stop.checkpoint, stop.seq) = (Export::Cancel("enough".into()), report.checkpoint, 2);
    let report = bench.host.step(stop).await.unwrap();
    assert!(matches!(report.end, StepEnd::Running { .. }), "{report:?}");
    assert!(setup.executions.calls().iter().any(|c| c.starts_with("cancel 01CHILD") && c.ends_with("enough")));
}

#[tokio::test]
async fn a_child_is_not_started_without_the_grant_or_in_a_plan() {
    let Some(bench) = Bench::open() else { return };
    let params = json!({"type": "pipeline", "application": "shop", "pipeline": "deploy"});
    let (bare, plan) = (Setup::default(), Setup { mode: StepMode::Plan, ..Setup::default() });
    let mut call = starting(&bench, &bare, &params).await;
    call.grant.executions.clear();
    let report = bench.host.step(call).await.unwrap();
    assert!(matches!(&report.end, StepEnd::Failed(failure) if failure.code == "child-refused"), "{report:?}");
    let report = bench.start("pipeline", &plan, &params).await.unwrap();
    assert!(matches!(report.end, StepEnd::Skipped(_)), "{report:?}");
    assert_eq!((bare.executions.calls(), plan.executions.calls()), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn preconditions_unfold_into_stages() {
    let Some(bench) = Bench::open() else { return };
    let row = bench.of("checkPreconditions");
    assert_eq!((row.exports.clone(), &row.manifest["planning"]["types"]), (vec!["planning".into()], &json!(["checkPreconditions"])));
    let condition = json!({"type": "expression", "context": {"expression": "true"}});
    let params = json!({"type": "checkPreconditions", "preconditions": [condition, condition]});
    for (part, count) in [(Part::Before, 2), (Part::After, 0), (Part::OnFailure, 0)] {
        let setup = Setup { export: Export::Plan(part), ..Setup::default() };
        let report = bench.start("checkPreconditions", &setup, &params).await.unwrap();
        let StepEnd::Planned(stages) = &report.end else { panic!("{report:?}") };
        assert_eq!(stages.len(), count, "{part:?}");
        assert!(stages.iter().all(|s| s["type"] == "checkPreconditions"), "{stages:?}");
    }
    let asked = Setup { export: Export::Plan(Part::Before), ..Setup::default() };
    let report = bench.start("checkPreconditions", &asked, &json!({"preconditions": "all of them"})).await.unwrap();
    assert!(matches!(&report.end, StepEnd::Failed(failure) if failure.code == "precondition-invalid"), "{report:?}");
    let ended = bench.start("wait", &asked, &json!({"waitTime": 1})).await;
    assert!(matches!(&ended, Err(StepFault::Component(why)) if why.contains("does not export waybill:stage/planning")), "{ended:?}");
}

fn deployment() -> Value {
    let mut deployment = manifest("apps/v1", "Deployment", Some("shop"), "web");
    deployment["spec"] = json!({"selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "flask"}]}}});
    deployment
}

fn deploy(manifests: &[Value]) -> Value {
    json!({"type": "deployManifest", "account": "prod", "source": "text", "manifests": manifests})
}

#[tokio::test]
async fn a_deployment_is_applied_and_watched_from_where_it_was_read() {
    let Some(bench) = Bench::open() else { return };
    let setup = Setup::default();
    let params = deploy(&[deployment(), manifest("v1", "Service", Some("shop"), "web")]);
    let report = bench.start("deployManifest", &setup, &params).await.unwrap();
    let calls = setup.cluster.calls();
    let expected = ["get Deployment/shop/web", "apply Service/shop/web", "apply Deployment/shop/web", "rollout Deployment/shop/web"];
    assert_eq!(calls, expected, "{report:?}");
    let StepEnd::Running { watch, .. } = &report.end else { panic!("{report:?}") };
    assert!(matches!(&watch[0].1.what, WatchKey::Object(key) if key.name == "web"));
    assert_eq!(watch[0].1.resource_version.as_deref(), Some("41"));
    let pods = watch.iter().find(|(_, s)| matches!(&s.what, WatchKey::Selection { kind, .. } if kind == "Pod")).unwrap();
    assert_eq!((pods.0.as_str(), pods.1.resource_version.as_deref()), ("prod", Some("42")));
    assert!(report.progress.unwrap().0.contains("2 of 3"));
    assert!(!setup.journal.writes().is_empty());

    // The worker died after its last write: the next one replays what was read, sends the last change again and goes on.
    let setup = Setup { journal: MemoryJournal::after(setup.journal.entries()), ..Setup::default() };
    let again = bench.start("deployManifest", &setup, &params).await.unwrap();
    assert_eq!(again.end, report.end);
    assert_eq!(setup.cluster.calls(), expected[1..]);

    // With another manifest it is not the same step.
    let setup = Setup { journal: MemoryJournal::after(setup.journal.recorded.clone()), ..Setup::default() };
    let params = deploy(&[manifest("v1", "Service", Some("shop"), "web")]);
    let ended = bench.start("deployManifest", &setup, &params).await;
    assert!(matches!(ended, Err(StepFault::Nondeterministic(_))), "{ended:?}");
    assert_eq!(setup.cluster.calls(), [""; 0]);
}

#[tokio::test]
async fn what_the_account_does_not_allow_is_not_deployed() {
    let Some(bench) = Bench::open() else { return };
    let config = |namespace, name| manifest("v1", "ConfigMap", Some(namespace), name);
    let binding = manifest("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", None, "root");
    let hidden = json!({"apiVersion": "v1", "kind": "List", "items": [config("shop", "a"), config("shop", "b"), binding]});
    for (manifests, missing) in [
        (vec![config("billing", "a")], "\"billing\" in the account's namespaces"),
        (vec![hidden], "always denied"),
        (vec![manifest("v1", "ServiceAccount", Some("shop"), "a")], "\"ServiceAccount\" in the account's extraKinds"),
    ] {
        let setup = Setup::default();
        let report = bench.start("deployManifest", &setup, &deploy(&manifests)).await.unwrap();
        let StepEnd::Failed(failure) = report.end else { panic!("{report:?}") };
        assert!(failure.code == "denied" && failure.message.contains(missing), "{failure:?}");
        let sent: Vec<_> = setup.cluster.calls().into_iter().filter(|c| c.starts_with("apply")).collect();
        assert!(!sent.iter().any(|c| c.contains("billing") || c.contains("root")), "{sent:?}");
    }
    let elsewhere = json!({"account": "other", "manifests": [config("shop", "a")]});
    let report = bench.start("deployManifest", &Setup::default(), &elsewhere).await.unwrap();
    let StepEnd::Failed(failure) = report.end else { panic!("{report:?}") };
    assert!(failure.message.contains("account other does not exist or does not list this application"), "{failure:?}");
}

#[tokio::test]
async fn a_byte_less_and_it_is_not_loaded() {
    let Some(bench) = Bench::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let digest = &bench.of("wait").cwasm_sha256;
    let code = std::fs::read(testkit::places::components().unwrap().join(format!("{digest}.cwasm"))).unwrap();
    std::fs::write(folder.path().join(format!("{digest}.cwasm")), &code[1..]).unwrap();
    let host = WasmHost::new(HostOptions::new(folder.path().to_owned())).unwrap();
    let ended = host.step(bench.call("wait", &Setup::default(), &json!({}))).await;
    assert!(matches!(&ended, Err(StepFault::Component(why)) if why.contains("has other bytes")), "{ended:?}");
}
