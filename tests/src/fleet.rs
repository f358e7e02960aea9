//! Many deployments at once on one server, with a proxy before the cluster that misbehaves: what each of them applies, what
//! was told while it waited, what the cluster has in the end, and what the proxy saw of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::FaultProxy;
use testkit::control_plane::KubeApi;
use testkit::faults::{Done, Record, Script, Verb};
use testkit::places::Scratch;

use crate::api::stage_of;
use crate::documents::{APPLICATION, CLOUD, deploy};
use crate::{Desk, Server};

/// Longer than a story takes whose calls hang, on a busy machine.
pub const STORY_MAX: Duration = Duration::from_secs(300);

/// A server with people, and a cluster that is reached through a proxy.
pub struct Fleet {
    /// The server and its people.
    pub desk: Desk,
    /// Before the cluster.
    pub proxy: FaultProxy,
    _limits: Scratch,
}

impl Fleet {
    /// A server that may use these namespaces of the cluster of a kubeconfig. Nothing goes wrong yet.
    pub async fn before(kubeconfig: &str, namespaces: &[String]) -> Self {
        let proxy = FaultProxy::start(kubeconfig, Script::none()).await.unwrap();
        let scratch = Scratch::new("limits").unwrap();
        let file = scratch.path().join("limits.json");
        let limits =
            json!({"execution": {"retryMsFirst": 700, "retryMsMax": 3_000, "stepRetriesMax": 30}, "leaseMs": 5_000, "takesMax": 1_000});
        std::fs::write(&file, limits.to_string()).unwrap();
        let desk = Desk::of(Server::start_with(&["--limits", file.to_str().unwrap()]).await).await;
        let cloud = json!({"name": CLOUD, "kubeconfig": proxy.kubeconfig(), "applications": [APPLICATION], "namespaces": namespaces});
        let _ = desk.admin.post("/api/accounts/cloud", &cloud).await.is(201);
        let account = desk.admin.checked("cloud", CLOUD).await;
        assert_eq!(account["state"], "ready", "{account:#}");
        Self { desk, proxy, _limits: scratch }
    }

    /// The cluster, through the proxy.
    #[must_use]
    pub fn cluster(&self) -> KubeApi {
        self.proxy.api().unwrap()
    }

    /// Saves the story of a namespace under its name, and starts it.
    pub async fn begin(&self, namespace: &str) -> String {
        let _ = self.desk.save(namespace, story(namespace)).await;
        self.desk.start(namespace).await
    }

    /// Follows an execution to its end, and gives also everything that its stages said on the way.
    pub async fn told(&self, id: &str) -> (Value, BTreeSet<String>) {
        let (mut said, mut version, begun) = (BTreeSet::new(), None::<u64>, Instant::now());
        loop {
            let after = version.map(|version| format!("?after={version}&hold=5")).unwrap_or_default();
            let answer = self.desk.developer.raw(Method::GET, &format!("/api/executions/{id}{after}"), &[], Vec::new()).await;
            let detail = answer.unwrap().ok();
            version = detail["version"].as_u64();
            for stage in detail["stages"].as_array().into_iter().flatten() {
                let texts = [&stage["progress"]["message"], &stage["reason"]["message"]];
                said.extend(texts.into_iter().filter_map(|text| text.as_str().map(str::to_owned)));
            }
            if !detail["endedMs"].is_null() {
                return (detail, said);
            }
            assert!(begun.elapsed() < STORY_MAX, "it does not end: {detail:#}\n{:#?}", self.proxy.records().last());
        }
    }

    /// What the proxy saw in a namespace.
    #[must_use]
    pub fn seen(&self, namespace: &str) -> Vec<Record> {
        self.proxy.records().into_iter().filter(|record| record.namespace == namespace).collect()
    }
}

/// A ConfigMap that says this.
#[must_use]
pub fn configuration(namespace: &str, colour: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": namespace}, "data": {"colour": colour}})
}

/// A Deployment of two pods with this image.
#[must_use]
pub fn workload(namespace: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}},
        },
    })
}

/// A Service before it.
#[must_use]
pub fn exposed(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": namespace},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 5000}]},
    })
}

/// Something new, something before it, a change, and a change that cannot work.
#[must_use]
pub fn story(namespace: &str) -> Vec<Value> {
    let of = |image: &str| workload(namespace, &format!("registry.example/{image}"));
    vec![
        deploy("make", &[], json!([configuration(namespace, "red"), of("web:1")])),
        deploy("expose", &["make"], json!([exposed(namespace)])),
        deploy("change", &["expose"], json!([configuration(namespace, "blue"), of("web:2")])),
        deploy("break", &["change"], json!([of("broken-pull:3")])),
    ]
}

/// The story ended as it must: everything went well but what cannot work, which failed for its own reason.
pub fn ended_as_told(detail: &Value, why: &str) {
    for stage in ["make", "expose", "change"] {
        assert_eq!(stage_of(detail, stage)["status"], "SUCCEEDED", "{why}: {detail:#}");
    }
    let broken = stage_of(detail, "break");
    let code = broken["reason"]["code"].as_str().unwrap_or_default();
    assert_eq!((&broken["status"], code), (&json!("TERMINAL"), "pod-failing"), "{why}: {detail:#}");
}

/// What the cluster has of the story, without what is different each time.
pub async fn left(api: &KubeApi, namespace: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for path in ["api/v1|configmaps", "api/v1|services", "apis/apps/v1|deployments", "apis/apps/v1|replicasets"] {
        let (group, kind) = path.split_once('|').unwrap();
        let list = api.get(&format!("/{group}/namespaces/{namespace}/{kind}")).await.unwrap();
        for object in list["items"].as_array().into_iter().flatten() {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            match kind {
                "replicasets" => {
                    let image = &object["spec"]["template"]["spec"]["containers"][0]["image"];
                    found.insert(format!("{kind} of {image}"), json!(null));
                }
                // The cluster's own.
                "configmaps" if name == "kube-root-ca.crt" => {}
                _ => {
                    found.insert(format!("{kind}/{name}"), masked(object, namespace));
                }
            }
        }
    }
    found
}

fn masked(object: &Value, namespace: &str) -> Value {
    let text = object.to_string().replace(namespace, "NAMESPACE");
    let mut object: Value = serde_json::from_str(&text).unwrap();
    object.as_object_mut().unwrap().shift_remove("status");
    for (pointer, keys) in [("/metadata", &["uid", "resourceVersion", "creationTimestamp"][..]), ("/spec", &["clusterIP", "clusterIPs"])] {
        if let Some(fields) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
            keys.iter().for_each(|key| drop(fields.shift_remove(*key)));
        }
    }
    // Who owns what stays; controllers write when they like.
    let fields = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
    if let Some(fields) = fields {
        fields.retain(|entry| entry["manager"] == "waybill");
        fields.iter_mut().for_each(|entry| drop(entry.as_object_mut().unwrap().shift_remove("time")));
    }
    object
}

/// The contents that an object was given, in order, each once for as long as it stayed.
#[must_use]
pub fn contents(records: &[Record]) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::<String, Vec<String>>::new();
    for record in records.iter().filter(|record| record.verb.writes() && !record.dry_run && record.was_done()) {
        let contents = all.entry(record.path.clone()).or_default();
        if contents.last() != Some(&record.body_digest) {
            contents.push(record.body_digest.clone());
        }
    }
    all
}

fn in_short(record: &Record) -> String {
    let Record { number, at_ms, verb, resource, name, fault, upstream_status, answered, done, .. } = record;
    format!("{number} {at_ms} ms {} {resource} {name}: {fault:?} {upstream_status:?} {answered:?} {done:?}", verb.name())
}

/// No call was repeated that must not be. `crashed`: the server was killed meanwhile, so it may repeat what was answered.
pub fn nothing_repeated_amiss(records: &[Record], why: &str, crashed: bool) {
    for (path, contents) in contents(records) {
        let distinct: BTreeSet<&String> = contents.iter().collect();
        assert_eq!(distinct.len(), contents.len(), "{why}: {path} was given an earlier content again");
    }
    let mut last = BTreeMap::<&str, &Record>::new();
    let mut refused = None::<&Record>;
    for record in records.iter().filter(|record| record.verb.writes() && !record.dry_run) {
        assert!(refused.is_none(), "{why}: {record:#?} after the refusal {refused:#?}");
        assert!(record.verb != Verb::Delete || record.uid.is_some(), "{why}: a delete insists on no uid: {record:#?}");
        if let Some(before) = last.insert(&record.path, record).filter(|before| before.body_digest == record.body_digest) {
            assert_eq!(before.query, record.query, "{why}: {} was repeated in another way", record.path);
            let well = before.done == Done::Answered && before.answered.is_some_and(|status| status < 300);
            let between = || records.iter().filter(|one| one.number >= before.number && one.number <= record.number).map(in_short);
            assert!(!well || crashed, "{why}: it was repeated though it had been answered:\n{}", between().collect::<Vec<_>>().join("\n"));
        }
        if matches!(record.answered, Some(400 | 401 | 403 | 404 | 422)) {
            refused = Some(record);
        }
    }
}
