//! Rollouts.

use super::super::object::{annotation, condition, count, flag, is_deleting, name_of, ready_since, scaled, text};
use super::super::testing::{Cluster, Memory, staying};
use super::super::world::{DEPLOYMENT, POD, REPLICA_SET};
use super::deployment;
use crate::interfaces::Objects;
use proptest::prelude::*;
use serde_json::{Value, json};

fn status(cluster: &Cluster) -> Value {
    cluster.get(DEPLOYMENT, "d")["status"].clone()
}

fn progressing(cluster: &Cluster) -> (String, String, String) {
    let deployment = cluster.get(DEPLOYMENT, "d");
    let found = condition(&deployment, "Progressing").unwrap();
    let said = |field: &str| text(found, field).to_owned();
    (said("/status"), said("/reason"), said("/message"))
}

#[test]
fn a_deployment_comes_up() {
    let mut cluster = Cluster::new();
    cluster.apply(deployment("nginx:1", 3));
    let set = cluster.list(REPLICA_SET)[0].clone();
    assert_eq!(annotation(&set, "deployment.kubernetes.io/revision"), "1");
    assert_eq!(annotation(&set, "deployment.kubernetes.io/desired-replicas"), "3");
    assert_eq!(annotation(&set, "deployment.kubernetes.io/max-replicas"), "4");
    let hash = text(&set, "/metadata/labels/pod-template-hash").to_owned();
    assert_eq!(name_of(&set), format!("d-{hash}"));
    assert_eq!(text(&set, "/spec/selector/matchLabels/pod-template-hash"), hash);
    assert_eq!(status(&cluster)["unavailableReplicas"], 3);
    assert_eq!(progressing(&cluster).1, "ReplicaSetUpdated");
    cluster.seconds(3);
    let mut said = status(&cluster);
    let conditions = said.as_object_mut().unwrap().shift_remove("conditions").unwrap();
    assert_eq!(
        said,
        json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3, "terminatingReplicas": 0})
    );
    assert_eq!(conditions.as_array().unwrap().len(), 2);
    assert_eq!(
        progressing(&cluster),
        ("True".into(), "NewReplicaSetAvailable".into(), format!("ReplicaSet \"d-{hash}\" has successfully progressed."))
    );
    let deployment = cluster.get(DEPLOYMENT, "d");
    let available = condition(&deployment, "Available").unwrap();
    assert_eq!(
        (text(available, "/reason"), text(available, "/message")),
        ("MinimumReplicasAvailable", "Deployment has minimum availability.")
    );
    assert_eq!(annotation(&deployment, "deployment.kubernetes.io/revision"), "1");
    assert_eq!(cluster.said(&format!("ScalingReplicaSet: Scaled up replica set d-{hash} from 0 to 3")), 1);
    assert_eq!(cluster.said("SuccessfulCreate: Created pod: d-"), 3);
}

/// Pods that stay, and those of them that are available.
fn counts(memory: &Memory) -> (i64, i64) {
    let pods = staying(&memory.list(POD, Some("n")));
    let available = pods.iter().filter(|pod| ready_since(pod).is_some()).count();
    (pods.len() as i64, available as i64)
}

#[test]
fn revisions_go_up_and_histories_end() {
    let mut cluster = Cluster::new();
    let next = |cluster: &mut Cluster, image: &str| {
        let mut object = deployment(image, 1);
        object["spec"]["revisionHistoryLimit"] = json!(2);
        cluster.apply(object);
        cluster.seconds(10);
    };
    for image in ["a:1", "a:2", "a:3", "a:4", "a:5"] {
        next(&mut cluster, image);
    }
    let sets = cluster.list(REPLICA_SET);
    let mut revisions: Vec<&str> = sets.iter().map(|set| annotation(set, "deployment.kubernetes.io/revision")).collect();
    revisions.sort();
    assert_eq!(revisions, ["3", "4", "5"]);
    next(&mut cluster, "a:4");
    let deployment = cluster.get(DEPLOYMENT, "d");
    assert_eq!(annotation(&deployment, "deployment.kubernetes.io/revision"), "6");
    let sets = cluster.list(REPLICA_SET);
    let back = sets.iter().find(|set| count(set, "/spec/replicas") == 1).unwrap();
    assert_eq!(annotation(back, "deployment.kubernetes.io/revision"), "6");
    assert_eq!(annotation(back, "deployment.kubernetes.io/revision-history"), "4");
}

#[test]
fn a_deadline_is_exceeded_and_recovered_from() {
    let mut cluster = Cluster::new();
    let mut object = deployment("shop:bad", 2);
    object["spec"]["progressDeadlineSeconds"] = json!(20);
    cluster.apply(object.clone());
    cluster.seconds(15);
    assert_eq!(progressing(&cluster).0, "True");
    cluster.seconds(10);
    let set = name_of(&cluster.list(REPLICA_SET)[0]).to_owned();
    assert_eq!(
        progressing(&cluster),
        ("False".into(), "ProgressDeadlineExceeded".into(), format!("ReplicaSet \"{set}\" has timed out progressing."))
    );
    let deployment = cluster.get(DEPLOYMENT, "d");
    let available = condition(&deployment, "Available").unwrap();
    assert_eq!((text(available, "/status"), text(available, "/reason")), ("False", "MinimumReplicasUnavailable"));
    object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("shop:1");
    cluster.apply(object);
    assert_eq!(progressing(&cluster).0, "True");
    cluster.seconds(5);
    assert_eq!(progressing(&cluster).1, "NewReplicaSetAvailable");
}

#[test]
fn a_bad_rollout_keeps_what_is_available() {
    let mut cluster = Cluster::new();
    cluster.apply(deployment("shop:1", 4));
    cluster.seconds(5);
    for bad in ["shop:bad", "shop:crash", "shop:never-ready", "shop:bad-config", "shop:err-pull"] {
        cluster.apply(deployment(bad, 4));
        cluster.run(120_000, |memory| {
            let (total, available) = counts(memory);
            assert!(total <= 5 && available >= 3, "{bad}: {total} pods, {available} available");
        });
        let said = status(&cluster);
        assert_eq!((&said["availableReplicas"], &said["updatedReplicas"]), (&json!(3), &json!(2)), "{bad}");
    }
    cluster.apply(deployment("shop:1", 4));
    cluster.seconds(10);
    assert_eq!(status(&cluster)["updatedReplicas"], 4);
    assert_eq!(staying(&cluster.list(POD)).len(), 4);
}

#[test]
fn paused_ones_wait_and_resumed_ones_go_on() {
    let mut cluster = Cluster::new();
    cluster.apply(deployment("shop:1", 2));
    cluster.seconds(5);
    cluster.change(DEPLOYMENT, "d", |object| object["spec"]["paused"] = json!(true));
    assert_eq!(progressing(&cluster), ("Unknown".into(), "DeploymentPaused".into(), "Deployment is paused".into()));
    cluster.change(DEPLOYMENT, "d", |object| object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("shop:2"));
    cluster.seconds(30);
    assert_eq!(cluster.list(REPLICA_SET).len(), 1);
    let said = status(&cluster);
    assert_eq!((&said["observedGeneration"], said.get("updatedReplicas")), (&json!(3), None));
    cluster.change(DEPLOYMENT, "d", |object| object["spec"]["replicas"] = json!(3));
    cluster.seconds(5);
    assert_eq!(staying(&cluster.list(POD)).len(), 3, "scaled although paused");
    cluster.change(DEPLOYMENT, "d", |object| object["spec"]["paused"] = json!(false));
    cluster.seconds(20);
    assert_eq!(status(&cluster)["updatedReplicas"], 3);
    assert_eq!(progressing(&cluster).1, "NewReplicaSetAvailable");
}

#[test]
fn recreating_ends_everything_first() {
    let mut cluster = Cluster::new();
    let object = |image: &str| {
        let mut object = deployment(image, 3);
        object["spec"]["strategy"] = json!({"type": "Recreate"});
        object
    };
    cluster.apply(object("shop:1"));
    cluster.seconds(5);
    cluster.apply(object("shop:2"));
    cluster.run(20_000, |memory| {
        let pods = memory.list(POD, Some("n"));
        let images = |image: &str| pods.iter().any(|pod| text(pod, "/spec/containers/0/image") == image);
        assert!(!(images("shop:1") && images("shop:2")), "old and new at a time");
    });
    assert_eq!(status(&cluster)["availableReplicas"], 3);
}

#[test]
fn availability_waits_for_min_ready_seconds() {
    let mut cluster = Cluster::new();
    let mut object = deployment("shop:1", 1);
    object["spec"]["minReadySeconds"] = json!(5);
    cluster.apply(object);
    cluster.seconds(4);
    assert_eq!((status(&cluster).get("availableReplicas"), &status(&cluster)["readyReplicas"]), (None, &json!(1)));
    cluster.seconds(4);
    assert_eq!(status(&cluster)["availableReplicas"], 1);
}

#[test]
fn scaling_goes_both_ways_and_prefers_what_is_not_ready() {
    let mut cluster = Cluster::new();
    cluster.apply(deployment("shop:1", 2));
    cluster.seconds(5);
    let old: Vec<String> = cluster.list(POD).iter().map(|pod| name_of(pod).to_owned()).collect();
    cluster.change(DEPLOYMENT, "d", |object| object["spec"]["replicas"] = json!(5));
    assert_eq!(cluster.list(POD).len(), 5);
    cluster.change(DEPLOYMENT, "d", |object| object["spec"]["replicas"] = json!(2));
    let kept: Vec<String> = staying(&cluster.list(POD)).iter().map(|pod| name_of(pod).to_owned()).collect();
    assert_eq!(kept, old);
    cluster.change(DEPLOYMENT, "d", |object| object["spec"]["replicas"] = json!(0));
    cluster.seconds(2);
    assert_eq!(cluster.list(POD).len(), 0);
    assert_eq!(status(&cluster).get("replicas"), None);
}

#[test]
fn replica_sets_and_pods_are_adopted() {
    let mut cluster = Cluster::new();
    cluster.apply(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone", "labels": {"app": "x"}},
        "spec": {"containers": [{"name": "c", "image": "shop:1"}]}}));
    cluster.apply(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "r", "labels": {"app": "x"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "x"}}, "template": super::template("shop:1")}}));
    assert_eq!(cluster.list(POD).len(), 2, "one was there");
    cluster.apply(deployment("shop:1", 2));
    cluster.seconds(3);
    let sets = cluster.list(REPLICA_SET);
    assert_eq!(sets.len(), 1, "its template is the same");
    assert!(flag(&sets[0], "/metadata/ownerReferences/0/controller"));
    assert_eq!(status(&cluster)["availableReplicas"], 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn rollouts_stay_within_their_bounds(
        desired in 0_i64..8, surge in 0_i64..6, unavailable in 0_i64..6, percent in any::<bool>(),
        then in 1_i64..8, images in proptest::collection::vec(0_usize..4, 1..4), pause_ms in 0_u64..4000,
    ) {
        let both = |number: i64| if percent { json!(format!("{}%", number * 20)) } else { json!(number) };
        let (surge, unavailable) = (both(surge), both(if surge == 0 { unavailable.max(1) } else { unavailable }));
        let object = |image: &str, replicas: i64| {
            let mut object = deployment(image, replicas as u64);
            object["spec"]["strategy"] = json!({"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}});
            object
        };
        let mut cluster = Cluster::new();
        cluster.apply(object("shop:1", desired));
        cluster.seconds(5);
        let most = desired + scaled(Some(&surge), desired, true);
        let may_miss = scaled(Some(&unavailable), desired, false);
        let may_miss = if may_miss == 0 && most == desired { 1 } else { may_miss };
        for image in images {
            cluster.apply(object(["shop:2", "shop:crash", "shop:slow", "shop:bad"][image], desired));
            cluster.run(pause_ms + 500, |memory| {
                let (total, available) = counts(memory);
                assert!(total <= most, "{total} pods, at most {most}");
                assert!(available >= desired - may_miss, "{available} available of {desired}, {may_miss} may miss");
            });
        }
        cluster.apply(object("shop:4", desired));
        cluster.run(60_000, |memory| {
            let (total, available) = counts(memory);
            assert!(total <= most && available >= desired - may_miss);
        });
        let end = cluster.get(DEPLOYMENT, "d");
        prop_assert_eq!(count(&end, "/status/updatedReplicas"), desired);
        prop_assert_eq!(count(&end, "/status/availableReplicas"), desired);
        // Scaling in the middle of a rollout comes to its end as well.
        cluster.apply(object("shop:5", desired));
        cluster.run(300, |_| ());
        cluster.apply(object("shop:5", then));
        cluster.seconds(60);
        let end = cluster.get(DEPLOYMENT, "d");
        prop_assert_eq!(count(&end, "/status/updatedReplicas"), then);
        prop_assert_eq!(count(&end, "/status/availableReplicas"), then);
        prop_assert_eq!(cluster.list(POD).iter().filter(|pod| !is_deleting(pod)).count() as i64, then);
    }
}
