//! The adapter against a real control plane: what the API server, its controllers and its scheduler really answer. Pods
//! behave by the name of their image (`broken-pull`, `crash`, `never-ready`; any other runs).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use app::ports::{
    Applied, ApplyOptions, Cluster as _, ClusterError, ListQuery, LogQuery, ObjectKey, Rollout, RolloutReason, VerifyNeeds, WatchSpec,
};
use cluster::{KubeCluster, kubeconfig};
use model::account::ClusterConnection;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::control_plane::{KubeApi, Rights, rule};
use testkit::{ControlPlane, eventually};
use tokio::time::timeout;

/// Longest wait for the cluster to do what it was told.
const SETTLED_MAX: Duration = Duration::from_secs(60);

/// A namespace of the control plane, with the adapter connected as administrator.
struct Place {
    plane: &'static ControlPlane,
    api: KubeApi,
    cluster: KubeCluster,
    at: ClusterConnection,
    namespace: String,
}

impl Place {
    async fn new() -> Self {
        let plane = ControlPlane::shared().await.unwrap();
        let cluster = KubeCluster::new();
        let (at, context) = kubeconfig::read(&plane.kubeconfig(), None, false).unwrap();
        assert_eq!(context, "test");
        let namespace = plane.namespace("cluster").await.unwrap();
        Self { plane, api: plane.api().unwrap(), cluster, at, namespace }
    }

    fn key(&self, api_version: &str, kind: &str, name: &str) -> ObjectKey {
        ObjectKey { api_version: api_version.into(), kind: kind.into(), namespace: Some(self.namespace.clone()), name: name.into() }
    }

    fn path(&self, plural: &str, name: &str) -> String {
        let root = if plural == "pods" || plural == "configmaps" { "/api/v1" } else { "/apis/apps/v1" };
        format!("{root}/namespaces/{}/{plural}/{name}", self.namespace)
    }

    fn workload(&self, kind: &str, name: &str, image: &str, replicas: u32) -> Value {
        let mut spec = json!({"selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": image}]}}});
        match kind {
            "DaemonSet" => {}
            "StatefulSet" => (spec["replicas"], spec["serviceName"]) = (json!(replicas), json!(name)),
            _ => spec["replicas"] = json!(replicas),
        }
        json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": self.namespace}, "spec": spec})
    }

    fn deployment(&self, name: &str, image: &str, replicas: u32) -> Value {
        self.workload("Deployment", name, image, replicas)
    }

    async fn apply(&self, manifest: &Value) -> Result<Applied, ClusterError> {
        self.cluster.apply(&self.at, manifest, ApplyOptions::default()).await
    }

    /// Follows a rollout on its watches, as an execution does, until it is as wanted; gives back every message on the way.
    async fn follow(&self, what: &ObjectKey, wanted: impl Fn(&Rollout) -> bool) -> (Rollout, Vec<String>) {
        let mut seen = Vec::new();
        let end = timeout(SETTLED_MAX, async {
            loop {
                let now = self.cluster.rollout_status(&self.at, what).await.unwrap();
                seen.push(now.message.clone());
                if wanted(&now) {
                    return now;
                }
                let watches = now.read.iter().map(|spec| self.cluster.changed(&self.at, spec));
                futures::future::select_all(watches).await.0.unwrap();
            }
        })
        .await;
        let Ok(end) = end else { panic!("not as wanted in time; seen: {seen:#?}") };
        (end, seen)
    }

    async fn blocked(&self, what: &ObjectKey) -> RolloutReason {
        self.follow(what, |rollout| !rollout.reasons.is_empty()).await.0.reasons.remove(0)
    }
}

fn needs(namespaces: &[&str]) -> VerifyNeeds {
    let right = |verb: &str, group: &str, plural: &str| (verb.to_owned(), group.to_owned(), plural.to_owned());
    VerifyNeeds {
        namespaces: namespaces.iter().map(ToString::to_string).collect(),
        rights: vec![right("get", "apps", "deployments"), right("patch", "apps", "deployments"), right("get", "", "pods/log")],
    }
}

#[tokio::test]
async fn an_account_with_all_rights_is_ready() {
    let place = Place::new().await;
    let second = place.plane.namespace("cluster").await.unwrap();
    let verified = place.cluster.verify(&place.at, &needs(&[&place.namespace, &second])).await.unwrap();
    assert!(verified.version.starts_with("v1."), "{}", verified.version);
    let lines: Vec<_> = verified.checks.iter().map(|check| (check.name.as_str(), check.passed)).collect();
    let rights = [format!("rights:{}", place.namespace), format!("rights:{second}")];
    assert_eq!(lines, [("reachable", true), ("version", true), (rights[0].as_str(), true), (rights[1].as_str(), true)]);
}

#[tokio::test]
async fn a_client_certificate_is_as_good_as_a_token() {
    let place = Place::new().await;
    let (at, _) = kubeconfig::read(&place.plane.kubeconfig_with_certificate(), None, false).unwrap();
    let verified = place.cluster.verify(&at, &needs(&[&place.namespace])).await.unwrap();
    assert!(verified.checks.iter().all(|check| check.passed), "{:?}", verified.checks);
}

#[tokio::test]
async fn missing_rights_and_namespaces_are_named() {
    let place = Place::new().await;
    let rights = Rights { in_namespace: vec![rule(&["apps"], &["deployments"], &["get", "list", "watch"])], in_cluster: Vec::new() };
    let token = place.plane.service_account_token(&place.namespace, "reader", &rights).await.unwrap();
    let at = kubeconfig::from_address(place.plane.server(), Some(place.plane.ca_pem()), &token, false).unwrap();
    let verified = place.cluster.verify(&at, &needs(&[&place.namespace, "no-such-namespace"])).await.unwrap();
    let failed: Vec<_> = verified.checks.iter().filter(|check| !check.passed).map(|check| check.message.as_str()).collect();
    let (here, nowhere) = (
        format!("missing in namespace {}: patch deployments.apps, get pods/log", place.namespace),
        "missing in namespace no-such-namespace",
    );
    assert_eq!(failed[0], here);
    assert!(failed[1].starts_with(nowhere), "may not see that it does not exist: {}", failed[1]);
    let admin = place.cluster.verify(&place.at, &needs(&["no-such-namespace"])).await.unwrap();
    assert_eq!(admin.checks[2].message, "namespace no-such-namespace does not exist");
    assert!(!admin.checks[2].passed);

    let what = place.key("v1", "Secret", "x");
    let denied = place.cluster.get(&at, &what).await.unwrap_err();
    assert!(matches!(&denied, ClusterError::Denied(text) if text.contains("secrets")), "{denied}");
}

#[tokio::test]
async fn accounts_that_cannot_connect_say_why() {
    let place = Place::new().await;
    let (server, ca) = (place.plane.server(), place.plane.ca_pem());
    let verify = async |server: &str, ca: Option<&str>, token: &str| {
        let at = kubeconfig::from_address(server, ca, token, false).unwrap();
        place.cluster.verify(&at, &needs(&[&place.namespace])).await.unwrap_err()
    };
    let wrong = verify(server, Some(ca), "no-such-token").await;
    assert!(matches!(wrong, ClusterError::Unauthorized(_)), "{wrong}");
    assert!(!wrong.to_string().contains("no-such-token"));
    let unreachable = |error: ClusterError| match error {
        ClusterError::Unreachable { code, .. } => code,
        other => panic!("{other}"),
    };
    let token = place.plane.admin_token();
    assert_eq!(unreachable(verify(server, None, token).await), "certificate-not-trusted");
    assert_eq!(unreachable(verify("https://127.0.0.1:1", Some(ca), token).await), "refused");
    assert_eq!(unreachable(verify("https://no-such-host.invalid", Some(ca), token).await), "name-not-found");
    assert_eq!(
        unreachable(verify(&server.replace("127.0.0.1", "127.0.0.2"), Some(ca), token).await),
        "refused",
        "it listens on one address"
    );
}

#[tokio::test]
async fn kinds_are_found_as_people_write_them() {
    let place = Place::new().await;
    for wanted in ["deploy", "deployments.apps", "apps/v1 Deployment", "Deployment"] {
        let found = place.cluster.resolve(&place.at, wanted).await.unwrap();
        assert_eq!(
            (found[0].api_version.as_str(), found[0].plural.as_str(), found[0].scalable),
            ("apps/v1", "deployments", true),
            "{wanted}"
        );
    }
    assert!(!place.cluster.resolve(&place.at, "namespace").await.unwrap()[0].namespaced);
    let unknown = place.cluster.resolve(&place.at, "no-such-kind").await.unwrap_err();
    assert!(matches!(unknown, ClusterError::NotFound(_)), "{unknown}");

    let group = format!("{}.example.com", place.namespace);
    let names = json!({"plural": "backends", "singular": "backend", "kind": "Backend", "shortNames": ["be"]});
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("backends.{group}")},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}});
    place.apply(&definition).await.unwrap();
    let wanted = format!("be.{group}");
    let found = eventually("the new kind", SETTLED_MAX, async || match place.cluster.resolve(&place.at, &wanted).await {
        Ok(found) => Ok(Some(found)),
        Err(ClusterError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    });
    assert_eq!(found.await.unwrap()[0].kind, "Backend", "found within the minute that an answer is kept");
    let own = json!({"apiVersion": format!("{group}/v1"), "kind": "Backend", "metadata": {"name": "b", "namespace": place.namespace}, "spec": {"x": 1}});
    assert!(place.apply(&own).await.unwrap().created);
    let rollout = place.cluster.rollout_status(&place.at, &place.key(&format!("{group}/v1"), "Backend", "b")).await.unwrap();
    assert!(rollout.stable);
    let old = json!({"apiVersion": "extensions/v1beta1", "kind": "Deployment", "metadata": {"name": "d", "namespace": place.namespace}});
    let gone = place.apply(&old).await.unwrap_err().to_string();
    assert!(gone.contains("it has it in apps/v1"), "{gone}");
}

#[tokio::test]
async fn objects_are_applied() {
    let place = Place::new().await;
    let manifest = place.deployment("web", "nginx:1", 1);
    let dry = place.cluster.apply(&place.at, &manifest, ApplyOptions { dry_run: true, ..ApplyOptions::default() }).await.unwrap();
    assert!(dry.created && dry.changed);
    let nothing = place.cluster.get(&place.at, &place.key("apps/v1", "Deployment", "web")).await.unwrap_err();
    assert!(matches!(nothing, ClusterError::NotFound(_)), "{nothing}");

    let made = place.apply(&manifest).await.unwrap();
    assert!(made.created && made.changed && made.left_out.is_empty());
    assert_eq!(made.live["kind"], "Deployment");
    place.follow(&place.key("apps/v1", "Deployment", "web"), |rollout| rollout.stable).await;
    let same = place.apply(&manifest).await.unwrap();
    assert!(!same.created && !same.changed, "{}", same.live["metadata"]);
    let dry_same = place.cluster.apply(&place.at, &manifest, ApplyOptions { dry_run: true, ..ApplyOptions::default() }).await.unwrap();
    assert!(!dry_same.changed);
    let other = place.deployment("web", "nginx:2", 1);
    let dry_other = place.cluster.apply(&place.at, &other, ApplyOptions { dry_run: true, ..ApplyOptions::default() }).await.unwrap();
    assert!(dry_other.changed && !dry_other.created);
    let changed = place.apply(&other).await.unwrap();
    assert!(!changed.created && changed.changed);

    let mut copied = changed.live.clone();
    copied["metadata"] = json!({"name": "web", "namespace": place.namespace, "managedFields": changed.live["metadata"]["managedFields"]});
    copied.as_object_mut().unwrap().remove("status");
    place.apply(&copied).await.expect("what was copied from a cluster carries its records");
}

#[tokio::test]
async fn manifests_that_cannot_be_are_refused_in_words() {
    let place = Place::new().await;
    let refused = async |manifest: &Value| match place.apply(manifest).await.unwrap_err() {
        ClusterError::Invalid(text) => text,
        other => panic!("{other}"),
    };
    let mut typo = place.deployment("web", "nginx", 1);
    typo["spec"]["replica"] = json!(3);
    assert!(refused(&typo).await.contains("replica"), "{}", refused(&typo).await);
    let mut negative = place.deployment("web", "nginx", 1);
    negative["spec"]["replicas"] = json!(-1);
    assert!(refused(&negative).await.starts_with("Deployment web: spec.replicas: "), "{}", refused(&negative).await);
    let mut unplaced = place.deployment("web", "nginx", 1);
    unplaced["metadata"] = json!({"name": "web"});
    assert!(refused(&unplaced).await.contains("namespace"));
    let unnamed = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "x-", "namespace": place.namespace}});
    assert!(refused(&unnamed).await.contains("created, not applied"));
    assert!(refused(&json!({"kind": "Pod"})).await.contains("apiVersion"));
    let mut elsewhere = place.deployment("web", "nginx", 1);
    elsewhere["metadata"]["namespace"] = json!("no-such-namespace");
    let nowhere = place.apply(&elsewhere).await.unwrap_err();
    assert!(matches!(&nowhere, ClusterError::NotFound(text) if text.contains("no-such-namespace")), "{nowhere}");
}

#[tokio::test]
async fn objects_are_created_and_listed() {
    let place = Place::new().await;
    let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-", "namespace": place.namespace, "labels": {"a": "b"}}});
    for _ in 0..3 {
        let made = place.cluster.create(&place.at, &manifest, false).await.unwrap();
        assert!(made["metadata"]["name"].as_str().unwrap().starts_with("made-"));
    }
    assert!(place.cluster.create(&place.at, &manifest, true).await.is_ok());
    let named = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": place.namespace}});
    place.cluster.create(&place.at, &named, false).await.unwrap();
    let again = place.cluster.create(&place.at, &named, false).await.unwrap_err();
    assert!(matches!(&again, ClusterError::Conflict(text) if text.contains("already exists")), "{again}");

    let mut query = ListQuery {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some(place.namespace.clone()),
        labels: Some("a=b".into()),
        fields: None,
        limit: 2,
        continue_token: None,
    };
    let first = place.cluster.list(&place.at, &query).await.unwrap();
    assert_eq!((first.items.len(), first.items[0]["kind"].as_str()), (2, Some("ConfigMap")));
    query.continue_token = first.continue_token;
    let second = place.cluster.list(&place.at, &query).await.unwrap();
    assert_eq!((second.items.len(), second.continue_token), (1, None), "the dry run made none");
    query.labels = Some("((".into());
    query.continue_token = None;
    assert!(matches!(place.cluster.list(&place.at, &query).await.unwrap_err(), ClusterError::Invalid(_)));
}

/// As kubectl's client-side apply, or Spinnaker through it, leaves an object: the annotation, and all fields under its name.
async fn client_side_applied(place: &Place, manifest: &Value, manager: &str) {
    let mut manifest = manifest.clone();
    manifest["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
    let path = format!("/apis/apps/v1/namespaces/{}/deployments?fieldManager={manager}", place.namespace);
    place.api.create(&path, &manifest).await.unwrap();
}

fn managers(live: &Value) -> Vec<String> {
    let entries = live["metadata"]["managedFields"].as_array().unwrap();
    let own = entries.iter().filter(|entry| entry["subresource"].is_null());
    own.map(|entry| format!("{} {}", entry["manager"].as_str().unwrap(), entry["operation"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn what_client_side_apply_made_is_adopted() {
    let place = Place::new().await;
    for (name, manager) in [("by-kubectl", "kubectl-client-side-apply"), ("by-spinnaker", "clouddriver")] {
        let mut before = place.deployment(name, "nginx:1", 1);
        before["metadata"]["labels"] = json!({"keep": "1", "drop": "1"});
        before["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "OLD", "value": "1"}]);
        client_side_applied(&place, &before, manager).await;

        let mut after = place.deployment(name, "nginx:2", 1);
        after["metadata"]["labels"] = json!({"keep": "1"});
        let dry = place.cluster.apply(&place.at, &after, ApplyOptions { dry_run: true, ..ApplyOptions::default() }).await.unwrap();
        assert!(dry.changed);
        let untouched = place.api.get(&place.path("deployments", name)).await.unwrap();
        assert!(managers(&untouched).contains(&format!("{manager} Update")), "a dry run hands nothing over");

        let applied = place.apply(&after).await.unwrap();
        assert!(!applied.created && applied.changed);
        let live = applied.live;
        assert_eq!(live["metadata"]["labels"], json!({"keep": "1"}), "what the manifest no longer has goes away");
        assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["env"], Value::Null);
        assert_eq!(managers(&live), ["waybill Apply"]);
        assert!(live["metadata"]["annotations"].get("kubectl.kubernetes.io/last-applied-configuration").is_none());
        assert!(!place.apply(&after).await.unwrap().changed);
    }
}

#[tokio::test]
async fn what_client_side_apply_made_without_records_is_taken() {
    let place = Place::new().await;
    let before = place.deployment("ancient", "nginx:1", 1);
    client_side_applied(&place, &before, "kubectl").await;
    place.api.merge(&place.path("deployments", "ancient"), &json!({"metadata": {"managedFields": [{}]}})).await.unwrap();
    let applied = place.apply(&place.deployment("ancient", "nginx:2", 1)).await.unwrap();
    assert_eq!(applied.live["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:2");
}

#[tokio::test]
async fn another_managers_field_is_a_conflict_that_names_both() {
    let place = Place::new().await;
    let path = place.path("deployments", "web");
    place.api.apply(&path, "ci-bot", &place.deployment("web", "nginx:1", 2)).await.unwrap();
    let mut ours = place.deployment("web", "nginx:2", 2);
    let error = place.apply(&ours).await.unwrap_err();
    let wanted = r#"conflict: field .spec.template.spec.containers[name="main"].image belongs to manager "ci-bot""#;
    assert_eq!(error.to_string(), wanted);
    let dry = place.cluster.apply(&place.at, &ours, ApplyOptions { dry_run: true, ..ApplyOptions::default() }).await.unwrap_err();
    assert_eq!(dry, error);
    let forced = place.cluster.apply(&place.at, &ours, ApplyOptions { force_conflicts: true, dry_run: false }).await.unwrap();
    assert!(forced.changed);
    ours["spec"]["paused"] = json!(true);
    place.apply(&ours).await.expect("it is ours now");
}

#[tokio::test]
async fn scaled_replicas_are_left_out_and_reported() {
    let place = Place::new().await;
    place.apply(&place.deployment("web", "nginx:1", 2)).await.unwrap();
    let path = place.path("deployments", "web");
    place.api.merge(&format!("{path}/scale?fieldManager=autoscaler"), &json!({"spec": {"replicas": 4}})).await.unwrap();
    let applied = place.apply(&place.deployment("web", "nginx:2", 2)).await.unwrap();
    assert_eq!(applied.left_out, ["/spec/replicas"]);
    assert_eq!(applied.live["spec"]["replicas"], 4);
    assert_eq!(applied.live["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:2");
    let mut without = place.deployment("web", "nginx:3", 2);
    without["spec"].as_object_mut().unwrap().remove("replicas");
    assert!(place.apply(&without).await.unwrap().left_out.is_empty());
}

#[tokio::test]
async fn rollouts_are_followed_on_watches() {
    let place = Place::new().await;
    let what = place.key("apps/v1", "Deployment", "web");
    let gone = place.cluster.rollout_status(&place.at, &what).await.unwrap_err();
    assert!(matches!(gone, ClusterError::NotFound(_)), "{gone}");
    for image in ["nginx:1", "nginx:2"] {
        let mut manifest = place.deployment("web", image, 3);
        manifest["spec"]["template"]["metadata"]["annotations"] = json!({"test/ready-after": "300ms"});
        place.apply(&manifest).await.unwrap();
        let (end, seen) = place.follow(&what, |rollout| rollout.stable).await;
        assert_eq!((end.message.as_str(), end.desired, end.updated, end.available), ("3 of 3 updated pods available", 3, 3, 3));
        assert!(seen.len() > 2, "progress was seen: {seen:?}");
        assert!(end.reasons.is_empty() && !end.failed);
    }
    let end = place.cluster.rollout_status(&place.at, &what).await.unwrap();
    assert_eq!(end.revision, 2);
}

#[tokio::test]
async fn every_kind_of_workload_settles() {
    let place = Place::new().await;
    for (kind, name, desired) in [("StatefulSet", "sts", 2), ("DaemonSet", "ds", 2), ("ReplicaSet", "rs", 2)] {
        for image in ["nginx:1", "nginx:2"] {
            place.apply(&place.workload(kind, name, image, 2)).await.unwrap();
            let (end, _) = place.follow(&place.key("apps/v1", kind, name), |rollout| rollout.stable).await;
            assert_eq!(end.desired, desired, "{kind}");
        }
    }
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]}});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job", "namespace": place.namespace}, "spec": {"template": template}});
    place.apply(&job).await.unwrap();
    let (end, _) = place.follow(&place.key("batch/v1", "Job", "job"), |rollout| rollout.stable).await;
    assert_eq!(end.message, "1 of 1 pod succeeded");
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": place.namespace},
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}});
    place.apply(&service).await.unwrap();
    assert!(place.cluster.rollout_status(&place.at, &place.key("v1", "Service", "web")).await.unwrap().stable);
}

#[tokio::test]
async fn pods_that_hold_a_rollout_back_say_why() {
    let place = Place::new().await;
    let at = |name: &str| place.key("apps/v1", "Deployment", name);
    place.apply(&place.deployment("pull", "broken-pull:1", 1)).await.unwrap();
    let pull = place.blocked(&at("pull")).await;
    assert_eq!((pull.code.as_str(), pull.container.as_deref()), ("ImagePullBackOff", Some("main")));
    assert!(pull.message.contains("broken-pull:1") && pull.object.name.starts_with("pull-"), "{pull:?}");

    place.apply(&place.deployment("crash", "crash:1", 1)).await.unwrap();
    let crash = place.blocked(&at("crash")).await;
    assert_eq!(crash.code, "CrashLoopBackOff");
    assert!(crash.message.ends_with("(last exit code 1)"), "{}", crash.message);

    let mut nowhere = place.deployment("nowhere", "nginx", 1);
    nowhere["spec"]["template"]["spec"]["nodeSelector"] = json!({"no-such": "node"});
    place.apply(&nowhere).await.unwrap();
    let unschedulable = place.blocked(&at("nowhere")).await;
    assert_eq!((unschedulable.code.as_str(), unschedulable.container), ("Unschedulable", None));
    assert!(unschedulable.message.contains("nodes"), "{}", unschedulable.message);

    for kind in ["StatefulSet", "DaemonSet", "ReplicaSet"] {
        let name = kind.to_lowercase();
        place.apply(&place.workload(kind, &name, "crash:1", 1)).await.unwrap();
        assert_eq!(place.blocked(&place.key("apps/v1", kind, &name)).await.code, "CrashLoopBackOff", "{kind}");
    }
}

#[tokio::test]
async fn only_the_new_revision_is_blamed() {
    let place = Place::new().await;
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        let name = kind.to_lowercase();
        let what = place.key("apps/v1", kind, &name);
        place.apply(&place.workload(kind, &name, "crash:1", 1)).await.unwrap();
        assert_eq!(place.blocked(&what).await.code, "CrashLoopBackOff");
        let mut slow = place.workload(kind, &name, "nginx:2", 1);
        slow["spec"]["template"]["metadata"]["annotations"] = json!({"test/ready-after": "500ms"});
        if kind == "StatefulSet" {
            // It waits for the broken pod for ever unless told otherwise; a person deletes it.
            place.apply(&slow).await.unwrap();
            place.api.delete(&place.path("pods", &format!("{name}-0"))).await.unwrap();
        } else {
            place.apply(&slow).await.unwrap();
        }
        let (_, seen) = place
            .follow(&what, |rollout| {
                assert!(rollout.reasons.is_empty(), "{kind}: the cure is blamed for the illness: {:?}", rollout.reasons);
                rollout.stable
            })
            .await;
        assert!(!seen.is_empty());
    }
}

#[tokio::test]
async fn a_deadline_that_passed_is_a_failure() {
    let place = Place::new().await;
    let mut manifest = place.deployment("late", "never-ready", 1);
    manifest["spec"]["progressDeadlineSeconds"] = json!(1);
    place.apply(&manifest).await.unwrap();
    let (end, _) = place.follow(&place.key("apps/v1", "Deployment", "late"), |rollout| rollout.failed).await;
    assert!(end.message.starts_with("Deployment exceeded its progress deadline: 0 of 1"), "{}", end.message);
    place.apply(&place.deployment("late", "nginx", 1)).await.unwrap();
    place.follow(&place.key("apps/v1", "Deployment", "late"), |rollout| rollout.stable).await;
}

#[tokio::test]
async fn a_watch_misses_nothing_since_its_read() {
    let place = Place::new().await;
    place.apply(&place.deployment("web", "nginx:1", 1)).await.unwrap();
    let what = place.key("apps/v1", "Deployment", "web");
    let (read, _) = place.follow(&what, |rollout| rollout.stable).await;
    let path = place.path("deployments", "web");
    place.api.merge(&path, &json!({"metadata": {"labels": {"touched": "1"}}})).await.unwrap();
    timeout(SETTLED_MAX, place.cluster.changed(&place.at, &read.read[0])).await.expect("it changed before the watch began").unwrap();

    let quiet = place.cluster.rollout_status(&place.at, &what).await.unwrap();
    let watch = place.cluster.changed(&place.at, &quiet.read[0]);
    assert!(timeout(Duration::from_millis(300), watch).await.is_err(), "nothing happened, nothing is said");
    let ancient = WatchSpec { resource_version: Some("1".to_owned()), ..quiet.read[0].clone() };
    timeout(SETTLED_MAX, place.cluster.changed(&place.at, &ancient)).await.expect("it did change since").unwrap();

    let from_now = WatchSpec { resource_version: None, ..quiet.read[0].clone() };
    let (seen, _) = tokio::join!(timeout(SETTLED_MAX, place.cluster.changed(&place.at, &from_now)), async {
        // Again and again, since nothing tells from outside when the watch stands.
        for n in 0..50 {
            place.api.merge(&path, &json!({"metadata": {"labels": {"touched": format!("n{n}")}}})).await.unwrap();
        }
    });
    seen.expect("a change after its beginning").unwrap();
}

#[tokio::test]
async fn logs_of_pods() {
    let place = Place::new().await;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": place.namespace}, "spec": {"containers": [{"name": "main", "image": "nginx"}]}});
    place.apply(&pod).await.unwrap();
    place.follow(&place.key("v1", "Pod", "p"), |rollout| rollout.stable).await;
    let log = async |query: LogQuery| place.cluster.pod_logs(&place.at, &place.namespace, "p", &query).await;
    let whole = log(LogQuery { bytes_max: 10_000, ..LogQuery::default() }).await.unwrap();
    assert!(!whole.is_empty());
    let cut = log(LogQuery { bytes_max: 5, ..LogQuery::default() }).await.unwrap();
    assert_eq!(cut, whole[..5]);
    let before =
        log(LogQuery { previous: true, tail_lines: Some(1), bytes_max: 10_000, container: Some("main".into()), ..LogQuery::default() })
            .await;
    assert_ne!(before.unwrap(), whole);
    let wrong = log(LogQuery { container: Some("no-such".into()), bytes_max: 10, ..LogQuery::default() }).await.unwrap_err();
    assert!(matches!(wrong, ClusterError::Invalid(_)), "{wrong}");
    let gone = place.cluster.pod_logs(&place.at, &place.namespace, "no-such", &LogQuery::default()).await.unwrap_err();
    assert!(matches!(gone, ClusterError::NotFound(_)), "{gone}");
}
