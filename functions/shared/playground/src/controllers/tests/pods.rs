//! Pods by the names of their images.

use super::super::logs;
use super::super::object::{condition, condition_is, count, text};
use super::super::testing::Cluster;
use super::super::world::POD;
use serde_json::{Value, json};
use std::sync::Arc;

fn pod(image: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": image}]}})
}

fn waiting(pod: &Arc<Value>) -> &str {
    text(pod, "/status/containerStatuses/0/state/waiting/reason")
}

#[test]
fn an_ordinary_pod_is_ready_within_two_seconds() {
    let mut cluster = Cluster::new();
    cluster.apply(pod("nginx:1"));
    let first = cluster.get(POD, "p");
    assert_eq!((text(&first, "/status/phase"), waiting(&first)), ("Pending", "ContainerCreating"));
    assert_eq!(text(&first, "/spec/nodeName"), "playground");
    assert!(condition_is(&first, "PodScheduled", "True") && condition_is(&first, "Ready", "False"));
    let unready = condition(&first, "Ready").unwrap();
    assert_eq!((text(unready, "/reason"), text(unready, "/message")), ("ContainersNotReady", "containers with unready status: [c]"));
    cluster.run(2000, |_| ());
    let ready = cluster.get(POD, "p");
    assert_eq!(text(&ready, "/status/phase"), "Running");
    assert!(["Ready", "ContainersReady", "Initialized", "PodReadyToStartContainers"].iter().all(|kind| condition_is(&ready, kind, "True")));
    assert_eq!(ready["status"]["containerStatuses"][0]["ready"], true);
    assert!(text(&ready, "/status/podIP").starts_with("10.244."));
    for event in [
        "Scheduled: Successfully assigned n/p to playground",
        "Pulling: Pulling image \"nginx:1\"",
        "Pulled: Successfully pulled image \"nginx:1\" in ",
        "Created: Container created",
        "Started: Container started",
    ] {
        assert_eq!(cluster.said(event), 1, "{event}");
    }
    assert!(logs(&ready, "c", false, cluster.memory.now_ms).iter().any(|(_, line)| line.contains("listening")));
    assert!(logs(&ready, "c", true, cluster.memory.now_ms).is_empty());
    assert!(logs(&ready, "other", false, cluster.memory.now_ms).is_empty());
}

#[test]
fn images_that_cannot_be_pulled_are_tried_again() {
    let mut cluster = Cluster::new();
    cluster.apply(pod("r.io/shop:bad"));
    let mut seen = Vec::new();
    cluster.run(40_000, |memory| {
        let pods = crate::interfaces::Objects::list(memory, POD, None);
        let reason = waiting(&pods[0]).to_owned();
        if seen.last() != Some(&reason) {
            seen.push(reason);
        }
    });
    assert_eq!(seen[..4], ["ContainerCreating", "ErrImagePull", "ImagePullBackOff", "ErrImagePull"]);
    assert_eq!(text(&cluster.get(POD, "p"), "/status/phase"), "Pending");
    assert_eq!(cluster.said("Pulling: "), 3, "after 10 and 20 seconds");
    for event in ["BackOff: Back-off pulling image \"r.io/shop:bad\"", "Failed: Error: ImagePullBackOff", "Failed: Error: ErrImagePull"] {
        assert!(cluster.said(event) >= 2, "{event}");
    }
    assert!(logs(&cluster.get(POD, "p"), "c", false, cluster.memory.now_ms).is_empty());
}

#[test]
fn crashes_are_started_again_less_and_less_often() {
    let mut cluster = Cluster::new();
    cluster.apply(pod("shop:crash"));
    let mut back_offs = Vec::new();
    let mut restarts = 0;
    cluster.run(200_000, |memory| {
        let pods = crate::interfaces::Objects::list(memory, POD, None);
        let message = text(&pods[0], "/status/containerStatuses/0/state/waiting/message").to_owned();
        if message.contains("back-off") && back_offs.last() != Some(&message) {
            back_offs.push(message);
        }
        let now = count(&pods[0], "/status/containerStatuses/0/restartCount");
        assert!(now >= restarts, "restarts never go down");
        restarts = now;
    });
    let expected = |time: &str| format!("back-off {time} restarting failed container=c pod=p_n(uid-2)");
    assert_eq!(back_offs[..4], ["10s", "20s", "40s", "1m20s"].map(expected));
    assert_eq!(restarts, 5);
    let crashed = cluster.get(POD, "p");
    assert_eq!((text(&crashed, "/status/phase"), waiting(&crashed)), ("Running", "CrashLoopBackOff"));
    let last = &crashed["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!((&last["exitCode"], &last["reason"]), (&json!(1), &json!("Error")));
    assert!(logs(&crashed, "c", true, cluster.memory.now_ms).iter().any(|(_, line)| line.contains("fatal")));
}

#[test]
fn slow_ones_and_those_never_ready() {
    let mut cluster = Cluster::new();
    cluster.apply(pod("shop:slow"));
    cluster.seconds(9);
    assert!(condition_is(&cluster.get(POD, "p"), "Ready", "False"));
    cluster.seconds(3);
    assert!(condition_is(&cluster.get(POD, "p"), "Ready", "True"));
    let mut cluster = Cluster::new();
    cluster.apply(pod("shop:never-ready"));
    cluster.seconds(600);
    let never = cluster.get(POD, "p");
    assert!(condition_is(&never, "Ready", "False"));
    assert_eq!(text(&never, "/status/phase"), "Running");
    assert!(cluster.said("Warning Pod p Unhealthy: Readiness probe failed") > 1);
}

#[test]
fn pods_without_a_node_wait() {
    let mut cluster = Cluster::new();
    let mut object = pod("shop:1");
    object["spec"]["nodeSelector"] = json!({"disk": "fast"});
    cluster.apply(object);
    let waits = cluster.get(POD, "p");
    let unscheduled = condition(&waits, "PodScheduled").unwrap();
    assert_eq!((text(unscheduled, "/status"), text(unscheduled, "/reason")), ("False", "Unschedulable"));
    assert!(text(unscheduled, "/message").starts_with("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."));
    assert_eq!(cluster.said("FailedScheduling"), 1);
    cluster.change(super::super::world::NODE, "playground", |node| node["metadata"]["labels"]["disk"] = json!("fast"));
    cluster.seconds(3);
    assert!(condition_is(&cluster.get(POD, "p"), "Ready", "True"));
}

#[test]
fn pods_end_within_a_second() {
    let mut cluster = Cluster::new();
    cluster.apply(pod("shop:1"));
    cluster.seconds(3);
    cluster.delete(POD, "p");
    assert!(cluster.find(POD, "p").is_some(), "it is given its time");
    assert_eq!(cluster.said("Killing: Stopping container c"), 1);
    cluster.seconds(1);
    assert!(cluster.find(POD, "p").is_none());
}

#[test]
fn init_containers_come_first_and_sidecars_stay() {
    let mut cluster = Cluster::new();
    let mut object = pod("shop:1");
    object["spec"]["initContainers"] =
        json!([{"name": "i", "image": "init:1"}, {"name": "s", "image": "proxy:1", "restartPolicy": "Always"}]);
    cluster.apply(object);
    let first = cluster.get(POD, "p");
    let initialized = condition(&first, "Initialized").unwrap();
    assert_eq!(text(initialized, "/message"), "containers with incomplete status: [i s]");
    assert_eq!(waiting(&first), "PodInitializing");
    cluster.seconds(8);
    let ready = cluster.get(POD, "p");
    assert!(condition_is(&ready, "Ready", "True") && condition_is(&ready, "Initialized", "True"));
    assert_eq!(ready["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
    assert!(ready["status"]["initContainerStatuses"][1]["state"]["running"].is_object());
}

#[test]
fn one_bad_container_is_enough() {
    let mut cluster = Cluster::new();
    let mut object = pod("shop:1");
    object["spec"]["containers"] = json!([{"name": "good", "image": "shop:1"}, {"name": "ill", "image": "shop:bad-config"}]);
    cluster.apply(object);
    cluster.seconds(5);
    let both = cluster.get(POD, "p");
    assert_eq!(text(&both, "/status/containerStatuses/1/state/waiting/reason"), "CreateContainerConfigError");
    assert_eq!(both["status"]["containerStatuses"][0]["ready"], true);
    assert_eq!(text(condition(&both, "Ready").unwrap(), "/message"), "containers with unready status: [ill]");
    assert_eq!(text(&both, "/status/phase"), "Pending");
}

#[test]
fn another_image_starts_the_container_anew() {
    let mut cluster = Cluster::new();
    cluster.apply(pod("shop:1"));
    cluster.seconds(3);
    cluster.change(POD, "p", |pod| pod["spec"]["containers"][0]["image"] = json!("shop:2"));
    cluster.seconds(3);
    let changed = cluster.get(POD, "p");
    assert!(text(&changed, "/status/containerStatuses/0/image").ends_with("shop:2"));
    assert_eq!(count(&changed, "/status/containerStatuses/0/restartCount"), 1);
    assert!(condition_is(&changed, "Ready", "True"));
}
