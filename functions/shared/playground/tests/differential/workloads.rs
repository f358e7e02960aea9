//! What the controllers make of workloads, when they have done their work: status, pods, logs, scale.

use crate::namespace;
use crate::pair::Pair;
use crate::side::{Answer, Call};
use serde_json::{Value, json};

const NAMESPACE: &str = "workloads";

fn workload(kind: &str, name: &str, image: &str, replicas: u32) -> Value {
    let mut spec = json!({"selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": image, "ports": [{"containerPort": 80}]}]}}});
    match kind {
        "DaemonSet" => {}
        "StatefulSet" => (spec["replicas"], spec["serviceName"]) = (json!(replicas), json!(name)),
        _ => spec["replicas"] = json!(replicas),
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// Items in the order of their names without what is generated in them; their owners' too.
fn anonymous(value: Value) -> Value {
    let mut value = value;
    for item in value.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        let prefix = item.pointer("/metadata/generateName").and_then(Value::as_str).is_some();
        if prefix {
            item["metadata"]["name"] = json!("<generated>");
            item["metadata"]["generateName"] = json!("<generated>");
        }
        if item.pointer("/metadata/labels/pod-template-hash").is_some() && !prefix {
            item["metadata"]["name"] = json!("<generated>");
        }
        for owner in item.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
            if owner["kind"] == "ReplicaSet" {
                owner["name"] = json!("<generated>");
            }
        }
    }
    value
}

fn counted(replicas: u64) -> impl Fn(&Answer) -> bool {
    move |answer: &Answer| {
        let status = &answer.body["status"];
        let ready = status["readyReplicas"].as_u64().unwrap_or(0);
        let all = status["replicas"].as_u64().unwrap_or(0);
        let updated = status["updatedReplicas"].as_u64().unwrap_or(0);
        status["observedGeneration"] == answer.body["metadata"]["generation"] && (ready, all, updated) == (replicas, replicas, replicas)
    }
}

pub(crate) async fn compare(pair: &mut Pair) {
    namespace(pair, NAMESPACE).await;
    // Who wrote when and in how many steps is each controller's own.
    pair.mask.left_out = vec!["managedFields", "observedGeneration", "terminatingReplicas"];
    deployments(pair).await;
    others(pair).await;
    broken(pair).await;
    pair.mask.left_out = Vec::new();
}

async fn deployments(pair: &mut Pair) {
    let collection = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments");
    let web = format!("{collection}/web");
    pair.call("workloads/deployment-create", Call::post(&*collection, &workload("Deployment", "web", "image:1", 2))).await;
    pair.wait("two pods", Call::get(&*web), counted(2)).await;
    available(pair, &web).await;
    let items = |real: Value, playground: Value| (anonymous(real), anonymous(playground));
    let sorted = |value: Value| {
        let mut value = value;
        if let Some(conditions) = value.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
            conditions.iter_mut().for_each(|condition| condition["message"] = json!("<message>"));
            conditions.sort_by_key(|condition| condition["type"].to_string());
        }
        value
    };
    let status = |real: Value, playground: Value| (sorted(real), sorted(playground));
    pair.reduced("workloads/deployment", Call::get(&*web), status).await;
    let of = |plural: &str| if plural == "pods" { "api/v1" } else { "apis/apps/v1" };
    let list = |plural: &str| Call::get(format!("/{}/namespaces/{NAMESPACE}/{plural}?labelSelector=app%3Dweb", of(plural)));
    pair.reduced("workloads/replicasets", list("replicasets"), items).await;
    pair.reduced("workloads/pods", list("pods"), items).await;
    pair.call("workloads/scale-get", Call::get(format!("{web}/scale"))).await;
    pair.call("workloads/scale-merge", Call::merge(format!("{web}/scale"), &json!({"spec": {"replicas": 1}}))).await;
    pair.wait("one pod", Call::get(&*web), counted(1)).await;
    pair.call("workloads/scale-bad", Call::merge(format!("{web}/scale"), &json!({"spec": {"replicas": -1}}))).await;
    pair.call("workloads/scale-after", Call::get(format!("{web}/scale"))).await;
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "image:2"}]}}}});
    pair.call("workloads/new-image", Call::strategic(format!("{web}?fieldManager=kubectl-set"), &image)).await;
    pair.wait("the new pod", Call::get(&*web), counted(1)).await;
    available(pair, &web).await;
    pair.reduced("workloads/deployment-after", Call::get(&*web), status).await;
    let revisions = |value: Value| {
        let mut found: Vec<String> = Vec::new();
        for set in value["items"].as_array().into_iter().flatten() {
            let of = &set["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
            found.push(format!("revision {of}: {} of {}", set["status"]["replicas"], set["spec"]["replicas"]));
        }
        found.sort();
        json!(found)
    };
    pair.reduced("workloads/revisions", list("replicasets"), move |real, playground| (revisions(real), revisions(playground))).await;
    pair.call("workloads/orphan", Call::delete(format!("{web}?propagationPolicy=Orphan"))).await;
    pair.wait("the deployment to go", Call::get(&*web), |answer| answer.status == 404).await;
    let owners = |value: Value| {
        json!(
            value["items"].as_array().into_iter().flatten().map(|set| set["metadata"].get("ownerReferences").is_some()).collect::<Vec<_>>()
        )
    };
    pair.reduced("workloads/orphans", list("replicasets"), move |real, playground| (owners(real), owners(playground))).await;
    pair.arrange(Call::post(&*collection, &workload("Deployment", "web", "image:2", 1))).await;
    pair.wait("the pod again", Call::get(&*web), counted(1)).await;
    pair.call("workloads/foreground", Call::delete(format!("{web}?propagationPolicy=Foreground"))).await;
    pair.wait("the deployment to go", Call::get(&*web), |answer| answer.status == 404).await;
    pair.wait("its sets to go", list("replicasets"), |answer| answer.body["items"].as_array().is_some_and(Vec::is_empty)).await;
    pair.wait("its pods to go", list("pods"), |answer| answer.body["items"].as_array().is_some_and(Vec::is_empty)).await;
}

async fn available(pair: &mut Pair, at: &str) {
    let done = |answer: &Answer| {
        let conditions = answer.body["status"]["conditions"].as_array().into_iter().flatten();
        let reasons: Vec<&Value> = conditions.map(|condition| &condition["reason"]).collect();
        reasons.contains(&&json!("NewReplicaSetAvailable")) && reasons.contains(&&json!("MinimumReplicasAvailable"))
    };
    pair.wait("the rollout", Call::get(at), done).await;
}

async fn others(pair: &mut Pair) {
    let items = |real: Value, playground: Value| (anonymous(real), anonymous(playground));
    let of = |plural: &str| format!("/apis/apps/v1/namespaces/{NAMESPACE}/{plural}");
    pair.call("workloads/statefulset-create", Call::post(of("statefulsets"), &workload("StatefulSet", "db", "image:1", 2))).await;
    let db = format!("{}/db", of("statefulsets"));
    pair.wait("two pods in turn", Call::get(&*db), |answer| {
        answer.body["status"]["readyReplicas"] == 2 && answer.body["status"]["availableReplicas"] == 2
    })
    .await;
    let revisionless = |value: Value| {
        let mut value = value;
        for key in ["currentRevision", "updateRevision"] {
            if let Some(revision) = value.pointer_mut(&format!("/status/{key}")) {
                *revision = json!("<revision>");
            }
        }
        value
    };
    pair.reduced("workloads/statefulset", Call::get(&*db), move |real, playground| (revisionless(real), revisionless(playground))).await;
    let pods = |app: &str| Call::get(format!("/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{app}"));
    pair.reduced("workloads/statefulset-pods", pods("db"), items).await;
    let log = |query: &str| Call::get(format!("/api/v1/namespaces/{NAMESPACE}/pods/db-0/log?{query}"));
    pair.call("workloads/log-no-container", log("container=other")).await;
    pair.call("workloads/log-bad-tail", log("tailLines=-1")).await;
    pair.call("workloads/log-bad-limit", log("limitBytes=0")).await;
    pair.call("workloads/log-previous-none", log("tailLines=x")).await;
    pair.call("workloads/pod-delete-dry", Call::delete(format!("/api/v1/namespaces/{NAMESPACE}/pods/db-0?dryRun=All"))).await;
    pair.arrange(Call::delete(&*db)).await;
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {"parallelism": 1, "suspend": true,
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "image:1"}]}}}});
    pair.call("workloads/job-create", Call::post(format!("/apis/batch/v1/namespaces/{NAMESPACE}/jobs"), &job)).await;
}

async fn broken(pair: &mut Pair) {
    let collection = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments");
    for (image, reason) in [("broken-pull:1", "ImagePullBackOff"), ("crash:1", "CrashLoopBackOff")] {
        let name = image.split(':').next().unwrap().replace("broken-pull", "broken");
        pair.arrange(Call::post(&*collection, &workload("Deployment", &name, image, 1))).await;
        let pods = Call::get(format!("/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{name}"));
        let waits = |answer: &Answer| {
            answer.body.pointer("/items/0/status/containerStatuses/0/state/waiting/reason").is_some_and(|found| found == reason)
        };
        pair.wait(reason, pods.clone(), waits).await;
        let state = |value: Value| {
            let status = value["items"][0]["status"].clone();
            json!({"phase": status["phase"], "waiting": status.pointer("/containerStatuses/0/state/waiting/reason"), "ready": status.pointer("/containerStatuses/0/ready")})
        };
        pair.reduced(&format!("workloads/{name}"), pods, move |real, playground| (state(real), state(playground))).await;
        pair.arrange(Call::delete(format!("{collection}/{name}"))).await;
    }
}
