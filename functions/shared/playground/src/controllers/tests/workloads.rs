//! StatefulSets, DaemonSets and Jobs.

use super::super::object::{annotation, condition, condition_is, count, is_deleting, label, name_of, ready_since, text};
use super::super::testing::{Cluster, staying};
use super::super::world::{CONTROLLER_REVISION, DAEMON_SET, JOB, NODE, PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET};
use super::template;
use crate::interfaces::Objects;
use serde_json::{Value, json};

fn stateful_set(image: &str, replicas: u64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"},
        "spec": {"replicas": replicas, "serviceName": "x", "selector": {"matchLabels": {"app": "x"}}, "template": template(image)}})
}

fn images(cluster: &Cluster) -> Vec<String> {
    staying(&cluster.list(POD)).iter().map(|pod| format!("{} {}", name_of(pod), text(pod, "/spec/containers/0/image"))).collect()
}

#[test]
fn stateful_sets_come_up_in_order_and_go_down_backwards() {
    let mut cluster = Cluster::new();
    let mut object = stateful_set("shop:1", 3);
    object["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}}]);
    cluster.apply(object.clone());
    cluster.run(10_000, |memory| {
        let pods = memory.list(POD, Some("n"));
        let unready = pods.iter().filter(|pod| ready_since(pod).is_none()).count();
        assert!(unready <= 1, "one after the other");
    });
    assert_eq!(images(&cluster), ["s-0 shop:1", "s-1 shop:1", "s-2 shop:1"]);
    let set = cluster.get(STATEFUL_SET, "s");
    let revision = text(&set, "/status/updateRevision").to_owned();
    assert_eq!(
        set["status"],
        json!({"observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "currentReplicas": 3, "updatedReplicas": 3,
            "currentRevision": revision, "updateRevision": revision, "collisionCount": 0, "availableReplicas": 3})
    );
    let pod = cluster.get(POD, "s-1");
    assert_eq!(label(&pod, "statefulset.kubernetes.io/pod-name"), "s-1");
    assert_eq!(label(&pod, "apps.kubernetes.io/pod-index"), "1");
    assert_eq!(label(&pod, "controller-revision-hash"), revision);
    assert_eq!((text(&pod, "/spec/hostname"), text(&pod, "/spec/subdomain")), ("s-1", "x"));
    assert_eq!(cluster.list(PERSISTENT_VOLUME_CLAIM).len(), 3);
    assert!(cluster.said("SuccessfulCreate: Create Pod s-2 in StatefulSet s successful") == 1);
    object["spec"]["replicas"] = json!(1);
    cluster.apply(object);
    assert_eq!(images(&cluster), ["s-0 shop:1", "s-1 shop:1"], "one at a time");
    cluster.seconds(5);
    assert_eq!(images(&cluster), ["s-0 shop:1"]);
}

#[test]
fn stateful_sets_roll_backwards_to_their_partition() {
    let mut cluster = Cluster::new();
    cluster.apply(stateful_set("shop:1", 3));
    cluster.seconds(10);
    let mut next = stateful_set("shop:2", 3);
    next["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    cluster.apply(next.clone());
    cluster.seconds(10);
    assert_eq!(images(&cluster), ["s-0 shop:1", "s-1 shop:1", "s-2 shop:2"]);
    let set = cluster.get(STATEFUL_SET, "s");
    assert_eq!((count(&set, "/status/currentReplicas"), count(&set, "/status/updatedReplicas")), (2, 1));
    assert_ne!(text(&set, "/status/currentRevision"), text(&set, "/status/updateRevision"));
    cluster.delete(POD, "s-0");
    cluster.seconds(5);
    assert_eq!(images(&cluster)[0], "s-0 shop:1", "below the partition it stays what it was");
    next["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = json!(0);
    cluster.apply(next);
    cluster.run(20_000, |memory| {
        let pods = memory.list(POD, Some("n"));
        assert!(pods.iter().filter(|pod| ready_since(pod).is_some() && !is_deleting(pod)).count() >= 2);
    });
    let set = cluster.get(STATEFUL_SET, "s");
    assert_eq!(text(&set, "/status/currentRevision"), text(&set, "/status/updateRevision"));
    assert_eq!(count(&set, "/status/currentReplicas"), 3);
    assert_eq!(cluster.list(CONTROLLER_REVISION).len(), 2);
}

#[test]
fn stateful_sets_wait_for_a_pod_that_is_not_ready() {
    let mut cluster = Cluster::new();
    cluster.apply(stateful_set("shop:1", 2));
    cluster.seconds(10);
    cluster.apply(stateful_set("shop:bad", 2));
    cluster.seconds(60);
    assert_eq!(images(&cluster), ["s-0 shop:1", "s-1 shop:bad"]);
}

#[test]
fn stateful_sets_may_wait_for_somebody_or_come_all_at_once() {
    let mut cluster = Cluster::new();
    let mut object = stateful_set("shop:1", 3);
    object["spec"]["podManagementPolicy"] = json!("Parallel");
    object["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    cluster.apply(object.clone());
    assert_eq!(cluster.list(POD).len(), 3);
    cluster.seconds(5);
    object["spec"]["template"] = template("shop:2");
    cluster.apply(object);
    cluster.seconds(10);
    assert_eq!(images(&cluster)[1], "s-1 shop:1");
    cluster.delete(POD, "s-1");
    cluster.seconds(5);
    assert_eq!(images(&cluster), ["s-0 shop:1", "s-1 shop:2", "s-2 shop:1"]);
}

fn daemon_set(image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "a"},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template(image)}})
}

#[test]
fn a_daemon_set_has_one_pod_on_the_node() {
    let mut cluster = Cluster::new();
    cluster.apply(daemon_set("shop:1"));
    cluster.seconds(4);
    let set = cluster.get(DAEMON_SET, "a");
    assert_eq!(
        set["status"],
        json!({"observedGeneration": 1, "currentNumberScheduled": 1, "numberMisscheduled": 0, "desiredNumberScheduled": 1, "numberReady": 1,
            "updatedNumberScheduled": 1, "numberAvailable": 1})
    );
    cluster.apply(daemon_set("shop:2"));
    cluster.seconds(6);
    let pods = cluster.list(POD);
    assert_eq!((pods.len(), text(&pods[0], "/spec/containers/0/image")), (1, "shop:2"));
    assert_eq!(label(&pods[0], "pod-template-generation"), "2");
    let set = cluster.get(DAEMON_SET, "a");
    assert_eq!(annotation(&set, "deprecated.daemonset.template.generation"), "2");
    assert_eq!((count(&set, "/status/updatedNumberScheduled"), count(&set, "/status/numberAvailable")), (1, 1));
    let mut away = daemon_set("shop:2");
    away["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "fast"});
    cluster.apply(away);
    cluster.seconds(2);
    assert_eq!(cluster.list(POD).len(), 0);
    assert_eq!(count(&cluster.get(DAEMON_SET, "a"), "/status/desiredNumberScheduled"), 0);
    cluster.change(NODE, "playground", |node| node["metadata"]["labels"]["disk"] = json!("fast"));
    cluster.seconds(4);
    assert_eq!(count(&cluster.get(DAEMON_SET, "a"), "/status/numberAvailable"), 1);
}

#[test]
fn a_daemon_set_surges_or_waits_to_be_deleted() {
    let mut cluster = Cluster::new();
    let with = |image: &str, strategy: Value| {
        let mut object = daemon_set(image);
        object["spec"]["updateStrategy"] = strategy;
        object
    };
    let surge = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    cluster.apply(with("shop:1", surge.clone()));
    cluster.seconds(4);
    cluster.apply(with("shop:2", surge));
    cluster.run(6_000, |memory| {
        let pods = memory.list(POD, Some("n"));
        assert!(pods.iter().any(|pod| ready_since(pod).is_some() && !is_deleting(pod)), "never without one");
    });
    assert_eq!(images(&cluster).len(), 1);
    cluster.apply(with("shop:3", json!({"type": "OnDelete"})));
    cluster.seconds(4);
    assert!(images(&cluster)[0].ends_with("shop:2"));
    let name = name_of(&cluster.list(POD)[0]).to_owned();
    cluster.delete(POD, &name);
    cluster.seconds(4);
    assert!(images(&cluster)[0].ends_with("shop:3"));
}

fn job(image: &str, spec: Value) -> Value {
    let mut template = template(image);
    template["spec"]["restartPolicy"] = json!("Never");
    let mut object = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec});
    object["spec"]["template"] = template;
    object
}

fn ended(cluster: &Cluster, kind: &str) -> Option<(String, String)> {
    let job = cluster.get(JOB, "j");
    let found = condition(&job, kind).filter(|found| text(found, "/status") == "True")?;
    Some((text(found, "/reason").to_owned(), text(found, "/message").to_owned()))
}

#[test]
fn a_job_completes() {
    let mut cluster = Cluster::new();
    cluster.apply(job("shop:1", json!({"completions": 3, "parallelism": 2})));
    let said = cluster.get(JOB, "j")["status"].clone();
    assert_eq!((&said["active"], &said["ready"], &said["terminating"]), (&json!(2), &json!(0), &json!(0)));
    cluster.run(20_000, |memory| {
        let pods = memory.list(POD, Some("n"));
        assert!(pods.iter().filter(|pod| text(pod, "/status/phase") != "Succeeded").count() <= 2);
    });
    let object = cluster.get(JOB, "j");
    assert_eq!(text(&object, "/spec/selector/matchLabels/batch.kubernetes.io~1controller-uid"), text(&object, "/metadata/uid"));
    assert_eq!((&object["status"]["succeeded"], object["status"].get("active")), (&json!(3), None));
    let why = ("CompletionsReached".to_owned(), "Reached expected number of succeeded pods".to_owned());
    assert_eq!(ended(&cluster, "Complete"), Some(why.clone()));
    assert_eq!(ended(&cluster, "SuccessCriteriaMet"), Some(why));
    assert!(!text(&object, "/status/completionTime").is_empty());
    assert_eq!(cluster.said("Completed: Job completed"), 1);
    let pods = cluster.list(POD);
    assert_eq!(pods.len(), 3);
    assert_eq!(text(condition(&pods[0], "Ready").unwrap(), "/reason"), "PodCompleted");
    assert_eq!(pods[0]["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
}

#[test]
fn a_job_fails_after_its_limit() {
    let mut cluster = Cluster::new();
    cluster.apply(job("shop:crash", json!({"backoffLimit": 1})));
    cluster.seconds(6);
    assert_eq!(count(&cluster.get(JOB, "j"), "/status/failed"), 1);
    assert_eq!(ended(&cluster, "Failed"), None);
    cluster.seconds(15);
    let why = ("BackoffLimitExceeded".to_owned(), "Job has reached the specified backoff limit".to_owned());
    assert_eq!(ended(&cluster, "Failed"), Some(why.clone()));
    assert_eq!(ended(&cluster, "FailureTarget"), Some(why));
    assert_eq!(count(&cluster.get(JOB, "j"), "/status/failed"), 2);
    assert!(cluster.list(POD).iter().all(|pod| text(pod, "/status/phase") == "Failed"));
    let mut cluster = Cluster::new();
    let mut object = job("shop:crash", json!({"backoffLimit": 2}));
    object["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure");
    cluster.apply(object);
    cluster.seconds(120);
    assert!(ended(&cluster, "Failed").is_some(), "restarts count as well");
    assert!(cluster.list(POD).is_empty());
}

#[test]
fn a_job_has_a_deadline_and_a_time_to_live() {
    let mut cluster = Cluster::new();
    cluster.apply(job("shop:never-ready", json!({"activeDeadlineSeconds": 5, "ttlSecondsAfterFinished": 10})));
    cluster.seconds(8);
    assert_eq!(ended(&cluster, "Failed").unwrap().0, "DeadlineExceeded");
    cluster.seconds(20);
    assert!(cluster.find(JOB, "j").is_none());
    assert!(cluster.list(POD).is_empty());
}

#[test]
fn a_suspended_job_waits() {
    let mut cluster = Cluster::new();
    cluster.apply(job("shop:1", json!({"suspend": true})));
    cluster.seconds(5);
    assert!(cluster.list(POD).is_empty());
    assert_eq!(ended(&cluster, "Suspended"), Some(("JobSuspended".to_owned(), "Job suspended".to_owned())));
    cluster.change(JOB, "j", |job| job["spec"]["suspend"] = json!(false));
    cluster.seconds(10);
    assert!(ended(&cluster, "Complete").is_some() && !condition_is(&cluster.get(JOB, "j"), "Suspended", "True"));
}

#[test]
fn an_indexed_job_gives_every_pod_a_number() {
    let mut cluster = Cluster::new();
    cluster.apply(job("shop:1", json!({"completions": 4, "parallelism": 4, "completionMode": "Indexed"})));
    cluster.seconds(10);
    assert_eq!(text(&cluster.get(JOB, "j"), "/status/completedIndexes"), "0-3");
    let pods = cluster.list(POD);
    let mut indexes: Vec<&str> = pods.iter().map(|pod| annotation(pod, "batch.kubernetes.io/job-completion-index")).collect();
    indexes.sort();
    assert_eq!(indexes, ["0", "1", "2", "3"]);
    assert!(ended(&cluster, "Complete").is_some());
}
