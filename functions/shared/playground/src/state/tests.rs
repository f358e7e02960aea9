//! Objects, versions and what watches are told.

use super::*;
use crate::interfaces::{EventKind, Objects as _};
use serde_json::json;

const CONFIG_MAP: Kind = Kind { api_version: "v1", kind: "ConfigMap" };

const START: u64 = 1_700_000_000_000;

fn state(limits: Limits) -> State {
    State::new(Clock(Arc::new(|| START)), limits)
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "a"}})
}

#[test]
fn every_write_is_a_version_and_a_change() {
    let mut state = state(Limits::default());
    let made = state.create(map("one")).unwrap();
    assert_eq!(text(&made, "/metadata/creationTimestamp"), "2023-11-14T22:13:20Z");
    assert!(state.create(map("one")).is_none());
    let mut other = Value::clone(&made);
    other["data"] = json!({"a": "b"});
    state.update(other.clone()).unwrap();
    let version = state.version();
    state.update(Value::clone(&state.find(CONFIG_MAP, "a", "one").unwrap())).unwrap();
    assert_eq!(state.version(), version, "nothing changed");
    state.remove(&other);
    let kinds: Vec<What> = state.since(START).unwrap().map(|change| change.what).collect();
    assert_eq!(kinds, [What::Added, What::Modified, What::Deleted]);
    assert!(state.update(other).is_none(), "it is gone");
    assert_eq!((state.count, state.bytes), (0, 0));
}

#[test]
fn history_is_bounded() {
    let mut state = state(Limits { changes_max: 3, ..Limits::default() });
    for n in 0..5 {
        state.create(map(&format!("m{n}"))).unwrap();
    }
    assert_eq!(state.since(START + 1).map(|_| ()), Err(Expired { oldest: START + 2 }));
    assert_eq!(state.since(START + 2).unwrap().count(), 3);
}

#[test]
fn there_is_room_for_so_much() {
    let mut state = state(Limits { objects_max: 2, bytes_max: 2_000, ..Limits::default() });
    state.put(CONFIG_MAP, map("a")).unwrap();
    let mut big = map("b");
    big["data"] = json!({"text": "x".repeat(3_000)});
    assert_eq!(state.put(CONFIG_MAP, big).unwrap_err().what, "bytes");
    state.put(CONFIG_MAP, map("b")).unwrap();
    assert_eq!(state.put(CONFIG_MAP, map("c")).unwrap_err().what, "count/objects");
    state.put(CONFIG_MAP, map("b")).unwrap();
}

#[test]
fn generations_count_specs() {
    let mut state = state(Limits::default());
    let deployment =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "a"}, "spec": {"replicas": 1}});
    let mut now = Value::clone(&state.create(deployment).unwrap());
    assert_eq!(now["metadata"]["generation"], 1);
    now["status"] = json!({"replicas": 1});
    let mut now = Value::clone(&state.update(now).unwrap());
    assert_eq!(now["metadata"]["generation"], 1);
    now["spec"]["replicas"] = json!(2);
    assert_eq!(state.update(now).unwrap()["metadata"]["generation"], 2);
}

#[test]
fn events_that_repeat_are_counted() {
    let mut state = state(Limits::default());
    let about = state.create(map("one")).unwrap();
    state.event(&about, EventKind::Warning, "Bad", "it is bad");
    state.event(&about, EventKind::Warning, "Bad", "it is bad");
    state.event(&about, EventKind::Normal, "Good", "it is good");
    let events = state.all_of(events::EVENT, Some("a"));
    let mut counts: Vec<u64> = events.iter().map(|event| event["count"].as_u64().unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2]);
    for n in 0..2_000 {
        state.event(&about, EventKind::Normal, "Good", &format!("{n}"));
    }
    assert!(state.all_of(events::EVENT, None).len() <= 1_000);
}

#[test]
fn what_a_cluster_begins_with() {
    let mut state = state(Limits::default());
    state.seed();
    assert!(state.find(Kind { api_version: "v1", kind: "ServiceAccount" }, "default", "default").is_some());
    assert_eq!(state.all_of(Kind { api_version: "v1", kind: "Node" }, None).len(), 1);
}

#[test]
fn uids_are_version_4() {
    let uid = uid();
    assert_eq!((uid.len(), &uid[14..15]), (36, "4"));
    assert!("89ab".contains(&uid[19..20]), "{uid}");
}
