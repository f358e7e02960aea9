//! Why a rollout does not go on: which pods belong to the new revision, and what each of them and its containers wait
//! for. Pure, over objects as the API server gives them. It never blames a pod of an older revision.

use app::ports::{ObjectKey, RolloutReason};
use serde_json::{Map, Value};

/// Most reasons of one rollout.
pub(crate) const REASONS_MAX: usize = 50;

/// Waiting reasons that hold a container back and do not go away by themselves soon.
const WAITING: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];
const HASH: &str = "pod-template-hash";
const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Whether `object` is controlled by the one with this uid.
pub(crate) fn owned_by(object: &Value, uid: &str) -> bool {
    !uid.is_empty() && list(object, "/metadata/ownerReferences").any(|owner| text(owner, "/uid") == uid)
}

/// The ReplicaSet of a Deployment's present template. The controller finds it by the template, as is done here first;
/// where a server has meanwhile written defaults into one of the two, by the revision both carry, unless the Deployment
/// is paused and so may have none for this template.
pub(crate) fn new_replica_set<'a>(deployment: &Value, sets: &'a [Value]) -> Option<&'a Value> {
    let uid = text(deployment, "/metadata/uid");
    let own: Vec<&Value> = sets.iter().filter(|set| owned_by(set, uid)).collect();
    let wanted = deployment.pointer("/spec/template");
    if let Some(same) = own.iter().find(|set| template(set).as_ref() == wanted) {
        return Some(same);
    }
    let paused = deployment.pointer("/spec/paused").and_then(Value::as_bool).unwrap_or_default();
    let revision = text(deployment, REVISION);
    own.into_iter().find(|set| !paused && !revision.is_empty() && text(set, REVISION) == revision)
}

/// A ReplicaSet's template without the label the controller added.
fn template(set: &Value) -> Option<Value> {
    let mut template = set.pointer("/spec/template")?.clone();
    if let Some(Value::Object(labels)) = template.pointer_mut("/metadata/labels") {
        labels.shift_remove(HASH);
    }
    Some(template)
}

/// The hash of the newest of a DaemonSet's own revisions.
pub(crate) fn newest_revision_hash<'a>(owner: &Value, revisions: &'a [Value]) -> Option<&'a str> {
    let uid = text(owner, "/metadata/uid");
    let own = revisions.iter().filter(|revision| owned_by(revision, uid));
    let newest = own.max_by_key(|revision| revision.get("revision").and_then(Value::as_i64).unwrap_or_default())?;
    Some(text(newest, "/metadata/labels/controller-revision-hash")).filter(|hash| !hash.is_empty())
}

/// A label selector in Kubernetes' words, the pairs sorted. Expressions count only where there is no pair: owners tell
/// the pods apart anyway.
pub(crate) fn selector_text(object: &Value) -> Option<String> {
    let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object).filter(|labels| !labels.is_empty());
    if let Some(labels) = labels {
        return Some(pairs(labels));
    }
    let expressions: Vec<String> = list(object, "/spec/selector/matchExpressions").filter_map(expression).collect();
    if expressions.is_empty() { None } else { Some(expressions.join(",")) }
}

fn pairs(labels: &Map<String, Value>) -> String {
    let mut pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    pairs.sort();
    pairs.join(",")
}

fn expression(expression: &Value) -> Option<String> {
    let key = text(expression, "/key");
    let values: Vec<&str> = list(expression, "/values").filter_map(Value::as_str).collect();
    match text(expression, "/operator") {
        "In" => Some(format!("{key} in ({})", values.join(","))),
        "NotIn" => Some(format!("{key} notin ({})", values.join(","))),
        "Exists" => Some(key.to_owned()),
        "DoesNotExist" => Some(format!("!{key}")),
        _ => None,
    }
}

/// What all these pods wait for, in the order of their names; pods that are going away do not count.
pub(crate) fn of_pods<'a>(pods: impl Iterator<Item = &'a Value>) -> Vec<RolloutReason> {
    let mut staying: Vec<&Value> = pods.filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none()).collect();
    staying.sort_by_key(|pod| text(pod, "/metadata/name"));
    let mut reasons: Vec<RolloutReason> = staying.into_iter().flat_map(of_pod).collect();
    reasons.truncate(REASONS_MAX);
    reasons
}

/// What one pod and its containers wait for.
fn of_pod(pod: &Value) -> Vec<RolloutReason> {
    let object = ObjectKey {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        namespace: Some(text(pod, "/metadata/namespace").to_owned()).filter(|namespace| !namespace.is_empty()),
        name: text(pod, "/metadata/name").to_owned(),
    };
    let reason = |code: &str, container: Option<&str>, message: String| RolloutReason {
        code: code.to_owned(),
        object: object.clone(),
        container: container.map(str::to_owned),
        message,
    };
    let unscheduled = list(pod, "/status/conditions").find(|condition| {
        text(condition, "/type") == "PodScheduled" && text(condition, "/status") == "False" && text(condition, "/reason") == "Unschedulable"
    });
    let mut reasons: Vec<RolloutReason> =
        unscheduled.into_iter().map(|condition| reason("Unschedulable", None, text(condition, "/message").to_owned())).collect();
    let containers = ["/status/initContainerStatuses", "/status/containerStatuses"].into_iter().flat_map(|pointer| list(pod, pointer));
    for container in containers {
        let code = text(container, "/state/waiting/reason");
        if WAITING.contains(&code) {
            reasons.push(reason(code, Some(text(container, "/name")), waiting_message(container, code)));
        }
    }
    reasons
}

/// The kubelet's message; for a crash also how the container ended last, which the message does not say.
fn waiting_message(container: &Value, code: &str) -> String {
    let said = text(container, "/state/waiting/message");
    let last = container.pointer("/lastState/terminated");
    let exit = last.and_then(|last| last.get("exitCode")).and_then(Value::as_i64);
    let (Some(exit), "CrashLoopBackOff") = (exit, code) else {
        return said.to_owned();
    };
    let why = last.map(|last| text(last, "/reason")).filter(|why| !matches!(*why, "" | "Error")).map(|why| format!(", {why}"));
    format!("{said} (last exit code {exit}{})", why.unwrap_or_default()).trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn waiting(name: &str, reason: &str, message: &str) -> Value {
        json!({"name": name, "state": {"waiting": {"reason": reason, "message": message}}})
    }

    fn pod(name: &str, status: Value) -> Value {
        json!({"metadata": {"name": name, "namespace": "n"}, "status": status})
    }

    fn told(pods: &[Value]) -> Vec<String> {
        let reasons = of_pods(pods.iter());
        reasons.iter().map(|r| format!("{}/{} {}: {}", r.object.name, r.container.as_deref().unwrap_or("-"), r.code, r.message)).collect()
    }

    #[test]
    fn containers_that_wait_are_told() {
        for code in WAITING {
            assert_eq!(told(&[pod("p", json!({"containerStatuses": [waiting("c", code, "m")]}))]), [format!("p/c {code}: m")]);
        }
        for code in ["ContainerCreating", "PodInitializing", ""] {
            assert!(told(&[pod("p", json!({"containerStatuses": [waiting("c", code, "m")]}))]).is_empty(), "{code}");
        }
        let init = json!({"initContainerStatuses": [waiting("i", "ErrImagePull", "m")], "containerStatuses": [waiting("c", "PodInitializing", "")]});
        assert_eq!(told(&[pod("p", init)]), ["p/i ErrImagePull: m"]);
        assert!(told(&[pod("p", json!({"containerStatuses": [{"name": "c", "state": {"running": {}}}]}))]).is_empty());
    }

    #[test]
    fn crashes_say_how_they_ended() {
        let crash = |last: Value| {
            let mut container = waiting("c", "CrashLoopBackOff", "back-off 40s");
            container["lastState"] = json!({"terminated": last});
            told(&[pod("p", json!({"containerStatuses": [container]}))]).remove(0)
        };
        assert_eq!(crash(json!({"exitCode": 1, "reason": "Error"})), "p/c CrashLoopBackOff: back-off 40s (last exit code 1)");
        assert_eq!(
            crash(json!({"exitCode": 137, "reason": "OOMKilled"})),
            "p/c CrashLoopBackOff: back-off 40s (last exit code 137, OOMKilled)"
        );
        assert_eq!(crash(json!({})), "p/c CrashLoopBackOff: back-off 40s");
    }

    #[test]
    fn pods_without_a_place_are_told() {
        let condition =
            |reason: &str| json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": reason, "message": "0/2 nodes"}]});
        assert_eq!(told(&[pod("p", condition("Unschedulable"))]), ["p/- Unschedulable: 0/2 nodes"]);
        assert!(told(&[pod("p", condition("SchedulingGated"))]).is_empty());
    }

    #[test]
    fn pods_are_sorted_bounded_and_staying() {
        let bad = json!({"containerStatuses": [waiting("c", "ErrImagePull", "m")]});
        let mut going = pod("a", bad.clone());
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(told(&[pod("c", bad.clone()), going, pod("b", bad.clone())]), ["b/c ErrImagePull: m", "c/c ErrImagePull: m"]);
        let many: Vec<Value> = (0..80).map(|n| pod(&format!("p{n}"), bad.clone())).collect();
        assert_eq!(told(&many).len(), REASONS_MAX);
    }

    fn set(name: &str, owner: &str, image: &str, revision: &str) -> Value {
        json!({"metadata": {"name": name, "ownerReferences": [{"uid": owner}], "annotations": {"deployment.kubernetes.io/revision": revision}},
            "spec": {"template": {"metadata": {"labels": {"app": "x", "pod-template-hash": name}}, "spec": {"image": image}}}})
    }

    fn deployment(image: &str, revision: &str, paused: bool) -> Value {
        json!({"metadata": {"uid": "u", "annotations": {"deployment.kubernetes.io/revision": revision}},
            "spec": {"paused": paused, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"image": image}}}})
    }

    #[test]
    fn the_new_replica_set_is_that_of_the_template() {
        let sets = [set("foreign", "v", "new", "3"), set("old", "u", "old", "1"), set("new", "u", "new", "2")];
        let found = |deployment: &Value| new_replica_set(deployment, &sets).map(|set| text(set, "/metadata/name"));
        assert_eq!(found(&deployment("new", "1", false)), Some("new"), "whatever its revision");
        assert_eq!(found(&deployment("old", "2", false)), Some("old"), "rolled back");
        assert_eq!(found(&deployment("defaulted", "2", false)), Some("new"), "by revision when no template is the same");
        assert_eq!(found(&deployment("next", "2", true)), None, "paused: none for this template yet");
        assert_eq!(found(&deployment("next", "9", false)), None);
    }

    #[test]
    fn the_newest_revision_is_the_owners_own() {
        let revision = |owner: &str, number: i64, hash: &str| json!({"metadata": {"ownerReferences": [{"uid": owner}], "labels": {"controller-revision-hash": hash}}, "revision": number});
        let revisions = [revision("u", 1, "a"), revision("u", 10, "b"), revision("u", 9, "c"), revision("v", 99, "d")];
        assert_eq!(newest_revision_hash(&json!({"metadata": {"uid": "u"}}), &revisions), Some("b"));
        assert_eq!(newest_revision_hash(&json!({"metadata": {"uid": "w"}}), &revisions), None);
    }

    #[test]
    fn selectors_are_canonical() {
        let labels = json!({"spec": {"selector": {"matchLabels": {"tier": "web", "app": "x"}, "matchExpressions": [{"key": "k", "operator": "Exists"}]}}});
        assert_eq!(selector_text(&labels).unwrap(), "app=x,tier=web");
        let expressions = json!({"spec": {"selector": {"matchExpressions": [
            {"key": "a", "operator": "In", "values": ["x", "y"]}, {"key": "b", "operator": "NotIn", "values": ["z"]},
            {"key": "c", "operator": "Exists"}, {"key": "d", "operator": "DoesNotExist"}]}}});
        assert_eq!(selector_text(&expressions).unwrap(), "a in (x,y),b notin (z),c,!d");
        assert_eq!(selector_text(&json!({"spec": {}})), None);
    }
}
