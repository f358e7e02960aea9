//! The server goes away in the middle of things, by a power cut or because it is told to, and comes back on the same
//! folder: what was accepted goes on, and nothing is done twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure is a panic that says what went wrong"
)]

use serde_json::{Value, json};
use tests::api::stage_of;
use tests::documents::{APPLICATION, deploy, deployment, expected, pipeline, service, stage, story, with};
use tests::site::orders_path;
use tests::{Api, Site};

/// Three branches that wait for something each: pods that never get ready by themselves, a clock, a person. Then a Service.
fn waiting_pipeline(site: &Site) -> Value {
    let image = format!("{}/never-ready:1", site.registry.address());
    pipeline(vec![
        deploy("roll", &[], json!([deployment(&site.namespace, &image)])),
        with(stage("clock", &[], "wait"), json!({"waitTime": 2})),
        with(stage("ask", &[], "manualJudgment"), json!({"instructions": "Go on?"})),
        deploy("expose", &["roll", "clock", "ask"], json!([service(&site.namespace)])),
    ])
}

/// An execution whose stages all wait, and the Deployment as it was then.
struct Waiting {
    id: String,
    version: u64,
    deployment: Value,
    pods: Vec<Value>,
}

async fn until_all_wait(site: &Site) -> Waiting {
    let _ = site.save(&waiting_pipeline(site)).await;
    let id = site.order(&json!({})).await;
    let pods = site.live().running_pods(2).await;
    let waits = |detail: &Value| {
        let told = stage_of(detail, "roll")["progress"]["message"].as_str().is_some_and(|said| said.contains("of 2"));
        told && stage_of(detail, "ask")["status"] == "SUSPENDED"
    };
    let detail = site.developer.follow(&id, "every stage to wait", waits).await;
    let deployment = site.live().deployment().await.unwrap();
    Waiting { id, version: detail["version"].as_u64().unwrap(), deployment, pods }
}

/// What was waited for comes, and the execution ends well; nothing was applied anew.
async fn goes_on(site: &Site, waiting: &Waiting) {
    let Waiting { id, version, deployment, pods } = waiting;
    let detail = site.developer.get(&format!("/api/executions/{id}")).await.ok();
    assert_eq!(detail["status"], "RUNNING", "{detail:#}");
    assert!(detail["version"].as_u64() >= Some(*version), "nothing that was shown is taken back: {detail:#}");
    let _ = site.developer.stage_is(id, "clock", "SUCCEEDED").await;
    let answer = json!({"judgmentStatus": "continue"});
    let _ = site.developer.post(&format!("/api/executions/{id}/stages/ask/signals/judgment"), &answer).await.is(202);
    site.live().make_ready(pods).await;
    let ended = site.developer.ended(id).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    let live = site.live().deployment().await.unwrap();
    assert_eq!(live["metadata"]["generation"], 1, "it was applied once: {live:#}");
    assert_eq!(live["metadata"]["uid"], deployment["metadata"]["uid"]);
    assert_eq!(site.live().replica_sets().await.len(), 1);
    assert!(stage_of(&ended, "roll")["objects"][0]["created"] == true, "it is still known who created it: {ended:#}");
    each_status_once(&site.developer, id).await;
    let orders = site.developer.all(&orders_path()).await;
    assert_eq!((orders.len(), &orders[0]["status"]), (1, &json!("SUCCEEDED")), "{orders:#?}");
}

/// Every stage began once and ended once.
async fn each_status_once(api: &Api, id: &str) {
    let entries = api.all(&format!("/api/executions/{id}/log")).await;
    let transitions: Vec<&Value> = entries.iter().flat_map(|entry| entry["transitions"].as_array().into_iter().flatten()).collect();
    for stage in ["roll", "clock", "ask", "expose"] {
        let of = |to: &str| transitions.iter().filter(|t| t["stage"] == stage && t["to"] == to && t["from"] != t["to"]).count();
        assert_eq!(of("SUCCEEDED"), 1, "{stage}: {transitions:#?}");
        let began = transitions.iter().filter(|t| t["stage"] == stage && t["from"] == "NOT_STARTED").count();
        assert_eq!(began, 1, "{stage}: {transitions:#?}");
    }
}

#[tokio::test]
async fn a_rollout_goes_on_after_kill_9() {
    let mut site = Site::new().await;
    let waiting = until_all_wait(&site).await;
    site.server.kill().await;
    site.server.start_again().await;
    goes_on(&site, &waiting).await;
}

#[tokio::test]
async fn a_rollout_goes_on_after_a_stop_in_order() {
    let mut site = Site::new().await;
    let waiting = until_all_wait(&site).await;
    let status = site.server.stop().await;
    assert!(status.success(), "{status}:\n{}", site.server.log());
    site.server.start_again().await;
    goes_on(&site, &waiting).await;
}

#[tokio::test]
async fn what_the_cluster_finished_meanwhile_is_noticed() {
    let mut site = Site::new().await;
    let waiting = until_all_wait(&site).await;
    let answer = json!({"judgmentStatus": "continue"});
    let path = format!("/api/executions/{}/stages/ask/signals/judgment", waiting.id);
    let _ = site.developer.post(&path, &answer).await.is(202);
    // Accepted, and the power goes.
    site.server.kill().await;
    site.live().make_ready(&waiting.pods).await;
    site.server.start_again().await;
    let ended = site.developer.ended(&waiting.id).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    assert_eq!(stage_of(&ended, "ask")["answers"][0]["by"], "dana", "the answer was not lost: {ended:#}");
    each_status_once(&site.developer, &waiting.id).await;
}

#[tokio::test]
async fn killed_again_and_again_it_still_ends_once() {
    let mut site = Site::new().await;
    let mut document = deployment(&site.namespace, &format!("{}/{APPLICATION}:1", site.registry.address()));
    document["spec"]["template"]["metadata"]["annotations"] = json!({"test/ready-after": "4s"});
    let _ = site.save(&pipeline(vec![deploy("1", &[], json!([document])), deploy("2", &["1"], json!([service(&site.namespace)]))])).await;
    let id = site.order(&json!({})).await;
    // The first kill hits the start, the next ones whatever is under way.
    for _ in 0..3 {
        site.server.kill().await;
        site.server.start_again().await;
        let detail = site.developer.get(&format!("/api/executions/{id}")).await.ok();
        assert!(detail["status"] == "RUNNING" || detail["status"] == "NOT_STARTED" || detail["status"] == "SUCCEEDED", "{detail:#}");
    }
    let ended = site.developer.ended(&id).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    assert_eq!(site.live().deployment().await.unwrap()["metadata"]["generation"], 1);
    assert_eq!(site.developer.all(&orders_path()).await.len(), 1);
}

#[tokio::test]
async fn a_push_that_was_acknowledged_survives() {
    let mut site = Site::new().await;
    let image = format!("{}/{APPLICATION}", site.registry.address());
    let mut document = story(&site.registry.address(), &site.namespace);
    document["stages"] = json!([stage("1", &[], "wait")]);
    document["stages"][0]["waitTime"] = json!(1);
    document["expectedArtifacts"] = json!([expected(&image)]);
    let _ = site.save(&document).await;
    let hook = site.hook().await;
    let digest = site.registry.push_image(APPLICATION, "1.0.0", b"acknowledged").await.unwrap();
    let event = json!({"events": [{
        "id": "1", "action": "push", "request": {"host": site.registry.address()},
        "target": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "repository": APPLICATION, "tag": "1.0.0", "digest": digest},
    }]});
    let told = site.developer.with_token(None).post(&hook, &event).await.is(202);
    assert_eq!(told["events"][0]["verdict"], "accepted", "{told}");
    site.server.kill().await;
    site.server.start_again().await;
    let has_one = |page: &Value| page["items"].as_array().is_some_and(|items| !items.is_empty());
    let page = site.developer.until("the order", &orders_path(), has_one).await;
    let ended = site.developer.ended(page["items"][0]["execution"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    let again = site.developer.with_token(None).post(&hook, &event).await.is(202);
    assert_eq!(again["events"][0]["verdict"], "duplicate", "{again}");
    assert_eq!(site.developer.all(&orders_path()).await.len(), 1);
}

#[tokio::test]
async fn two_servers_never_share_a_folder() {
    let site = Site::empty().await;
    let output = tokio::process::Command::new(testkit::places::binary("waybill").unwrap())
        .arg("serve")
        .arg("--data")
        .arg(site.server.data())
        .args(["--listen", "127.0.0.1:0", "--components"])
        .arg(testkit::places::components().unwrap())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(tests::api::WAIT_MAX, output).await.expect("it refuses at once").unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(said.contains("lock") || said.contains("in use") || said.contains("another"), "it says why: {said}");
    assert_eq!(site.developer.get("/api/me").await.ok()["name"], "dana", "the first one goes on");
}
