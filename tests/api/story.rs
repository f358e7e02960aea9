//! The story of the first release: an operator sets everything up, a push rolls out by itself, a developer releases by hand.
//! Told over HTTP only, and compared with what the cluster really has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests: a failure is a panic that says what went wrong"
)]

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use testkit::registry::Notifications;
use tests::api::stage_of;
use tests::documents::{
    APPLICATION, CLOUD, EXPECTED, PIPELINE, PROJECT, REGISTRY, application, deploy, deployment, pipeline, service, stage, story, with,
};
use tests::site::{Home, orders_path, person, pipeline_path};
use tests::{Answer, Deployed, Site};

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// The newest order, once there are so many.
async fn newest_order(site: &Site<impl Home>, count: usize) -> Value {
    let enough = |page: &Value| page["items"].as_array().is_some_and(|items| items.len() >= count);
    let page = site.developer.until("an order", &orders_path(), enough).await;
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), count, "{items:#?}");
    items[0].clone()
}

async fn deliveries(site: &Site<impl Home>) -> Value {
    let triggers = site.operator.get(&format!("{}/triggers", pipeline_path())).await.ok();
    let trigger = triggers["items"][0]["id"].as_str().unwrap();
    site.operator.get(&format!("{}/triggers/{trigger}/deliveries", pipeline_path())).await.ok()
}

#[tokio::test]
async fn a_push_rolls_out_by_itself_and_a_developer_releases_by_hand() {
    told(Site::empty().await).await;
}

#[tokio::test]
async fn the_story_is_the_same_on_lambda() {
    told(Site::on(Deployed::start()).await).await;
}

async fn told(mut site: Site<impl Home>) {
    set_up(&mut site).await;
    let digest = pushed(&site).await;
    pushed_again(&site, &digest).await;
    by_hand(&site).await;
}

/// What administrator and operator do, step by step, and what they see of it.
async fn set_up(site: &mut Site<impl Home>) {
    let me = site.admin.get("/api/me").await.ok();
    assert_eq!(me["role"], "administrator", "{me}");
    let me = site.developer.get("/api/me").await.ok();
    assert_eq!((&me["name"], &me["role"]), (&json!("dana"), &json!("developer")), "{me}");
    assert_eq!(me["may"]["execute"]["allowed"], true, "{me}");
    assert_eq!(me["may"]["manage-accounts"]["code"], "role-too-low", "{me}");
    site.accounts().await;
    let cloud = site.operator.get(&format!("/api/accounts/cloud/{CLOUD}")).await.ok();
    assert_eq!((&cloud["namespaces"], &cloud["applications"]), (&json!([site.namespace]), &json!([APPLICATION])), "{cloud}");
    assert!(cloud["checks"].as_array().is_some_and(|checks| checks.iter().all(|check| check["passed"] == true)), "{cloud:#}");
    let text = cloud.to_string();
    assert!(!text.contains(site.plane.admin_token()) && !text.contains("kubeconfig"), "secrets are shown");
    site.application().await;
    let shown = site.developer.get(&format!("/api/applications/{APPLICATION}")).await.ok();
    for (field, value) in application().as_object().unwrap() {
        assert_eq!(&shown["application"][field], value, "{field}: {shown}");
    }
    let project = site.developer.get(&format!("/api/projects/{PROJECT}")).await.ok();
    assert_eq!(project["applications"], json!([APPLICATION]), "{project}");
    let mut document = story(&site.registry.address(), &site.namespace);
    document["somebodyElses"] = json!({"kept": true});
    let saved = site.save(&document).await;
    assert_eq!(saved["revision"], 1, "{saved}");
    let read = site.developer.get(&pipeline_path()).await;
    assert!(read.headers.contains_key("etag"));
    let read = read.ok().to_string();
    assert!(read.contains("somebodyElses") && read.contains("requiredArtifactIds"), "{read}");
    let _ = site.developer.get(&format!("{}/triggers", pipeline_path())).await.refused(403, "role-too-low");
    let url = format!("{}{}", site.server.url(), site.hook().await);
    site.registry.notify(Some(Notifications { url, headers: Vec::new() })).await.unwrap();
}

/// A push, and everything that follows from it alone. Gives the image's digest.
async fn pushed(site: &Site<impl Home>) -> String {
    let begun = now_ms();
    let digest = site.registry.push_image(APPLICATION, "1.0.0", b"flaskapp 1.0.0").await.unwrap();
    let done = now_ms();
    let order = newest_order(site, 1).await;
    assert_eq!((&order["submitter"], &order["origin"]["kind"]), (&json!("trigger:flaskapp"), &json!("trigger")), "{order}");
    let id = order["execution"].as_str().unwrap();
    let ended = site.developer.ended(id).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    let first = stage_of(&ended, "1")["startedMs"].as_i64().unwrap();
    let told = deliveries(site).await["items"][0]["receivedMs"].as_i64().unwrap();
    println!(
        "push to first stage running: {} ms after the registry told of it, {} ms after the end of the push, {} ms after its beginning",
        first - told,
        first - done,
        first - begun
    );
    compare_live(site, &digest).await;
    let detail = site.developer.get(&format!("{}/1", orders_path())).await.ok();
    let objects = &stage_of(&detail["execution"], "2")["objects"];
    let live = site.live().service().await.unwrap();
    let address = &live["status"]["loadBalancer"]["ingress"][0]["ip"];
    assert!(address.is_string(), "{live}");
    assert_eq!((&objects[0]["kind"], &objects[0]["loadBalancer"]), (&json!("Service"), address), "{objects}");
    assert_eq!(objects[0]["uid"], live["metadata"]["uid"]);
    digest
}

/// What the cluster really has is what the pipeline said, with the pushed image and the marks of who deployed it.
async fn compare_live(site: &Site<impl Home>, digest: &str) {
    let live = site.live().deployment().await.unwrap();
    let image = format!("{}/{APPLICATION}@{digest}", site.registry.address());
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], image, "{live:#}");
    assert_eq!((&live["status"]["availableReplicas"], &live["status"]["updatedReplicas"]), (&json!(2), &json!(2)), "{live:#}");
    for metadata in [&live["metadata"], &live["spec"]["template"]["metadata"]] {
        let annotations = &metadata["annotations"];
        let marks = [
            ("moniker.spinnaker.io/application", APPLICATION),
            ("moniker.spinnaker.io/cluster", "deployment flaskapp"),
            ("artifact.spinnaker.io/type", "kubernetes/deployment"),
            ("artifact.spinnaker.io/name", "flaskapp"),
            ("artifact.spinnaker.io/location", site.namespace.as_str()),
        ];
        for (key, value) in marks {
            assert_eq!(annotations[key], value, "{key}: {annotations:#}");
        }
        assert!(annotations["artifact.spinnaker.io/version"].is_null(), "it is not versioned: {annotations:#}");
        assert_eq!(metadata["labels"]["app.kubernetes.io/name"], APPLICATION, "{metadata:#}");
        assert!(metadata["labels"]["app.kubernetes.io/managed-by"].is_string(), "{metadata:#}");
        assert_eq!(metadata["labels"]["app"], APPLICATION, "what the manifest says stays");
    }
}

/// The same tag and digest again start nothing.
async fn pushed_again(site: &Site<impl Home>, digest: &str) {
    let again = site.registry.push_image(APPLICATION, "1.0.0", b"flaskapp 1.0.0").await.unwrap();
    assert_eq!(again, digest);
    // A push that fits comes after it on the same way; whatever the first one starts would have been started by then.
    let _ = site.registry.push_image(APPLICATION, "1.0.1", b"flaskapp 1.0.1").await.unwrap();
    let order = newest_order(site, 2).await;
    assert_eq!(order["artifacts"][0]["version"], "1.0.1", "{order}");
    let ended = site.developer.ended(order["execution"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    let listed = deliveries(site).await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "{listed:#}");
}

/// A version that no trigger takes, released by a developer, who then reads everything about it.
async fn by_hand(site: &Site<impl Home>) {
    let digest = site.registry.push_image(APPLICATION, "1.1.0", b"flaskapp 1.1.0").await.unwrap();
    let wanted = json!({
        "application": APPLICATION, "pipeline": PIPELINE, "parameters": {"ticket": "OPS-7"}, "note": "The one with the new colours",
        "artifacts": [{"expectedArtifact": EXPECTED, "version": "1.1.0"}],
    });
    let keyed = [("idempotency-key", "order-1-1-0")];
    let made = site.developer.post_with(&orders_path(), &keyed, &wanted).await;
    assert_eq!(made.headers["location"], format!("{}/3", orders_path()).as_str());
    let made = made.is(201);
    let repeated = site.developer.post_with(&orders_path(), &keyed, &wanted).await.ok();
    assert_eq!(repeated, made, "the same key is the same order");
    let ended = site.developer.ended(made["execution"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    compare_live(site, &digest).await;
    let detail = site.developer.get(&format!("{}/3", orders_path())).await.ok();
    let order = &detail["order"];
    assert_eq!((&order["submitter"], &order["note"], &order["status"]), (&json!("dana"), &wanted["note"], &json!("SUCCEEDED")), "{order}");
    assert_eq!(order["parameters"]["ticket"], "OPS-7", "{order}");
    let artifact = &order["artifacts"][0];
    assert_eq!((&artifact["type"], &artifact["version"]), (&json!("docker/image"), &json!("1.1.0")), "{artifact}");
    assert!(artifact.to_string().contains(&digest), "the artifact has its digest: {artifact}");
    assert_eq!(detail["source"]["somebodyElses"]["kept"], true, "the source is the pipeline as it was");
    graph(&detail["execution"]);
    log(site, &ended).await;
    let stage = site.developer.get(&format!("/api/executions/{}/stages/1", ended["id"].as_str().unwrap())).await.ok();
    assert_eq!(stage["objects"][0]["kind"], "Deployment", "{stage:#}");
    let ids: Vec<Value> = site.developer.all(&format!("/api/applications/{APPLICATION}/executions")).await;
    assert_eq!((ids.len(), &ids[0]["id"]), (3, &ended["id"]), "newest first: {ids:#?}");
    let orders = site.developer.all(&format!("{}?limit=2", orders_path())).await;
    let numbers: Vec<u64> = orders.iter().filter_map(|order| order["number"].as_u64()).collect();
    assert_eq!(numbers, [3, 2, 1], "page by page");
}

/// Two stages, one after the other, with their times and what they applied.
fn graph(execution: &Value) {
    let (first, second) = (stage_of(execution, "1"), stage_of(execution, "2"));
    assert_eq!((&first["requisiteStageRefIds"], &second["requisiteStageRefIds"]), (&json!([]), &json!(["1"])), "{execution:#}");
    let time = |stage: &Value, key: &str| stage[key].as_i64().unwrap_or_else(|| panic!("{key}: {stage:#}"));
    let times = [time(first, "startedMs"), time(first, "endedMs"), time(second, "startedMs"), time(second, "endedMs")];
    assert!(times.is_sorted(), "{times:?}");
    for (stage, kind) in [(first, "Deployment"), (second, "Service")] {
        assert_eq!(stage["status"], "SUCCEEDED", "{stage:#}");
        assert_eq!((&stage["objects"][0]["kind"], &stage["objects"][0]["name"]), (&json!(kind), &json!(APPLICATION)), "{stage:#}");
        assert!(stage["component"].as_str().is_some_and(|component| component.starts_with("deployManifest")), "{stage:#}");
    }
}

/// The log tells every status of every stage in order, and what the stages said.
async fn log(site: &Site<impl Home>, ended: &Value) {
    let entries = site.developer.all(&format!("/api/executions/{}/log", ended["id"].as_str().unwrap())).await;
    let versions: Vec<u64> = entries.iter().filter_map(|entry| entry["version"].as_u64()).collect();
    assert!(versions.is_sorted() && versions.len() == entries.len(), "{versions:?}");
    let transitions = |entry: &Value| entry["transitions"].as_array().cloned().unwrap_or_default();
    let place = |stage: Value, to: &str| {
        let fits = |entry: &Value| transitions(entry).iter().any(|t| t["stage"] == stage && t["to"] == to);
        entries.iter().position(fits).unwrap_or_else(|| panic!("{stage} to {to} is missing: {entries:#?}"))
    };
    let (first, second) = (json!("1"), json!("2"));
    let order = [
        place(Value::Null, "RUNNING"),
        place(first.clone(), "RUNNING"),
        place(first, "SUCCEEDED"),
        place(second.clone(), "RUNNING"),
        place(second, "SUCCEEDED"),
        place(Value::Null, "SUCCEEDED"),
    ];
    assert!(order.is_sorted(), "{order:?}: {entries:#?}");
    let lines = entries.iter().map(|entry| entry["lines"].as_array().map_or(0, Vec::len)).sum::<usize>();
    assert!(lines > 0, "the stages said something: {entries:#?}");
}

#[tokio::test]
async fn a_judgment_is_answered_once_by_somebody_allowed_to() {
    let site = Site::new().await;
    let judge = person(&site.admin, "quinn", "developer", &["qa"]).await;
    let asks =
        json!({"selectedStageRoles": ["qa"], "instructions": "Fit to go?", "judgmentInputs": [{"value": "blue"}, {"value": "green"}]});
    let asked = with(stage("ask", &[], "manualJudgment"), asks);
    let rests = with(stage("rest", &["ask"], "wait"), json!({"waitTime": 1}));
    let _ = site.save(&pipeline(vec![asked, rests])).await;
    let id = site.order(&json!({})).await;
    let waiting = site.developer.stage_is(&id, "ask", "SUSPENDED").await;
    assert_eq!(waiting["reason"]["code"], "awaiting-judgment", "{waiting:#}");
    let signal = &waiting["signals"][0];
    assert_eq!((&signal["name"], &signal["prompt"]), (&json!("judgment"), &json!("Fit to go?")), "{signal:#}");
    assert_eq!(signal["may"]["code"], "not-in-group", "{signal:#}");
    let path = format!("/api/executions/{id}/stages/ask/signals/judgment");
    let go = json!({"judgmentStatus": "continue", "judgmentInput": "blue", "comment": "looks good"});
    let _ = site.developer.post(&path, &go).await.refused(403, "not-in-group");
    let _ = site.operator.post(&path, &go).await.refused(403, "not-in-group");
    let _ = judge.post(&path, &json!({"judgmentStatus": "perhaps"})).await.invalid("/body/judgmentStatus", "form-not-met");
    let _ = judge.post(&path.replace("judgment", "applause"), &go).await.is(409);
    let _ = judge.post(&path.replace("/ask/", "/nobody/"), &go).await.refused(404, "not-found");
    let accepted = judge.post(&path, &go).await.is(202);
    let answered = site.developer.stage_is(&id, "ask", "SUCCEEDED").await;
    assert_eq!((&answered["answers"][0]["by"], &answered["answers"][0]["body"]), (&json!("quinn"), &go), "{answered:#}");
    let again: Answer = judge.post(&path, &go).await;
    assert_eq!(again.status, 409, "{}", again.body);
    let ended = site.developer.ended(&id).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    let rested = stage_of(&ended, "rest");
    let waited = rested["endedMs"].as_i64().unwrap() - rested["startedMs"].as_i64().unwrap();
    assert!((1_000..15_000).contains(&waited), "waited {waited} ms");
    let _ = judge.post(&path, &go).await.is(409);
    let outputs = site.developer.get(&format!("/api/executions/{id}/stages/ask")).await.ok();
    assert_eq!(outputs["outputs"]["judgmentInput"], "blue", "{outputs:#}");
    let log = site.developer.all(&format!("/api/executions/{id}/log")).await;
    let verdicts: Vec<&Value> = log.iter().flat_map(|entry| entry["verdicts"].as_array().into_iter().flatten()).collect();
    assert_eq!(verdicts.len(), 1, "{verdicts:?}");
    assert_eq!((&verdicts[0]["id"], &verdicts[0]["verdict"]), (&accepted["event"], &json!("applied")), "{verdicts:?}");
}

#[tokio::test]
async fn a_judgment_that_says_stop_ends_the_execution() {
    let site = Site::new().await;
    let _ = site.save(&pipeline(vec![stage("ask", &[], "manualJudgment"), stage("never", &["ask"], "wait")])).await;
    let id = site.order(&json!({})).await;
    let _ = site.developer.stage_is(&id, "ask", "SUSPENDED").await;
    let path = format!("/api/executions/{id}/stages/ask/signals/judgment");
    let _ = site.developer.post(&path, &json!({"judgmentStatus": "stop"})).await.is(202);
    let ended = site.developer.ended(&id).await;
    assert_eq!((&ended["status"], &ended["reason"]["code"]), (&json!("TERMINAL"), &json!("execution-failed")), "{ended:#}");
    assert_eq!(stage_of(&ended, "ask")["reason"]["code"], "judgment-stopped", "{ended:#}");
    let never = stage_of(&ended, "never");
    assert_eq!((&never["status"], &never["reason"]["code"]), (&json!("NOT_STARTED"), &json!("upstream-halted")), "{never:#}");
}

#[tokio::test]
async fn a_rollout_that_cannot_work_fails_early_and_says_why() {
    let site = Site::new().await;
    for (image, reason) in
        [("broken-pull:1", "ImagePullBackOff"), ("crash:1", "CrashLoopBackOff"), ("bad-config:1", "CreateContainerConfigError")]
    {
        let image = format!("{}/{image}", site.registry.address());
        let _ = site.save(&pipeline(vec![deploy("1", &[], json!([deployment(&site.namespace, &image)]))])).await;
        let id = site.order(&json!({})).await;
        let ended = site.developer.ended(&id).await;
        assert_eq!(ended["status"], "TERMINAL", "{ended:#}");
        let failed = stage_of(&ended, "1");
        let said = failed["reason"]["message"].as_str().unwrap();
        assert_eq!(failed["reason"]["code"], "pod-failing", "{failed:#}");
        assert!(said.contains(reason) && said.contains("web"), "reason and container are named: {said}");
        let pods = site.live().pods().await;
        let named = pods.iter().any(|pod| said.contains(pod["metadata"]["name"].as_str().unwrap()));
        assert!(named, "the pod is named: {said}");
        assert!(ended["reason"]["message"].is_string() && ended["reason"]["code"] == "execution-failed", "{ended:#}");
    }
}

#[tokio::test]
async fn progress_is_live_and_a_cancel_in_the_middle_ends_it() {
    let site = Site::new().await;
    let image = format!("{}/never-ready:1", site.registry.address());
    let rolled = deploy("1", &[], json!([deployment(&site.namespace, &image)]));
    let exposed = deploy("2", &["1"], json!([service(&site.namespace)]));
    let _ = site.save(&pipeline(vec![rolled, exposed])).await;
    let id = site.order(&json!({"note": "too early"})).await;
    let says = |detail: &Value| stage_of(detail, "1")["progress"]["message"].as_str().is_some_and(|said| said.contains("of 2"));
    let live = site.developer.follow(&id, "progress in words", says).await;
    assert_eq!((&live["status"], &live["may"]["cancel"]["allowed"]), (&json!("RUNNING"), &json!(true)), "{live:#}");
    let waits = stage_of(&live, "2");
    assert_eq!((&waits["status"], &waits["reason"]["code"]), (&json!("NOT_STARTED"), &json!("waiting-for-upstream")), "{waits:#}");
    let in_use = site.admin.delete(&format!("/api/accounts/cloud/{CLOUD}")).await.refused(409, "account-in-use");
    assert!(in_use.to_string().contains(PIPELINE), "it says by what: {in_use}");
    let _ = site.admin.delete(&format!("/api/accounts/registry/{REGISTRY}")).await.is(204);
    let _ = site.developer.post(&format!("/api/executions/{id}/cancel"), &json!({"reason": "wrong version"})).await.is(202);
    let ended = site.developer.ended(&id).await;
    assert_eq!((&ended["status"], &ended["reason"]["code"]), (&json!("CANCELED"), &json!("canceled-by-user")), "{ended:#}");
    assert_eq!(ended["cancel"], json!({"by": "dana", "reason": "wrong version"}), "{ended:#}");
    assert_eq!(stage_of(&ended, "1")["status"], "CANCELED", "{ended:#}");
    assert!(site.live().deployment().await.is_some(), "what was deployed stays deployed");
    assert!(site.live().service().await.is_none(), "what had not started never starts");
    let again = site.developer.post(&format!("/api/executions/{id}/cancel"), &json!({"reason": "again"})).await;
    assert_eq!(again.status, 409, "{}", again.body);
    assert_eq!(ended["may"]["cancel"]["code"], "execution-ended", "{ended:#}");
}
