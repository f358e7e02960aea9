//! Whether an object has settled, and if not, what holds it back: reads what the rules need and no more. One request for
//! what is settled, two or three while it is not.

mod reasons;
mod rules;
#[cfg(test)]
mod rules_tests;

use crate::link::Link;
use crate::{objects, paths};
use app::ports::{ClusterError, ListQuery, ObjectKey, ObjectPage, Rollout, RolloutReason, WatchKey, WatchSpec};
use rules::Verdict;
use serde_json::Value;
use std::time::Instant;

/// Most pods, ReplicaSets or revisions looked at.
const PAGE: u32 = 500;

pub(crate) async fn status(link: &Link, what: &ObjectKey) -> Result<Rollout, ClusterError> {
    // A list without a namespace would look into all of them.
    let collection = objects::collection_of(link, &what.api_version, &what.kind, what.namespace.as_deref()).await?;
    let (object, version) = read(link, what, &paths::object(&collection, &what.name)?).await?;
    let watch = WatchSpec { what: WatchKey::Object(what.clone()), resource_version: version };
    let verdict = rules::judge(&object, None);
    if verdict.stable {
        return Ok(rollout(verdict, Vec::new(), vec![watch]));
    }
    let (verdict, reasons, pods) = why(link, what, &object, verdict).await?;
    Ok(rollout(verdict, reasons, [watch].into_iter().chain(pods).collect()))
}

fn rollout(verdict: Verdict, reasons: Vec<RolloutReason>, read: Vec<WatchSpec>) -> Rollout {
    Rollout {
        stable: verdict.stable,
        failed: verdict.failed,
        paused: verdict.paused,
        revision: verdict.revision,
        desired: verdict.desired,
        updated: verdict.updated,
        available: verdict.available,
        message: verdict.message,
        reasons,
        read,
    }
}

/// Reads the object through a list of one. The list's resourceVersion is of now, so a watch from it works however long
/// ago the object itself changed; the object's own may be too old to watch from.
async fn read(link: &Link, what: &ObjectKey, path: &str) -> Result<(Value, Option<String>), ClusterError> {
    let query = ListQuery {
        api_version: what.api_version.clone(),
        kind: what.kind.clone(),
        namespace: what.namespace.clone(),
        labels: None,
        fields: Some(objects::named(&what.name)),
        limit: 1,
        continue_token: None,
    };
    let page = objects::list(link, &query).await;
    if let Ok(page) = &page {
        // Also where the object is not in it: it may only be that it was not there yet.
        link.written.fresh(link.server(), path, &page.resource_version, Instant::now())?;
    }
    match page {
        Ok(page) => match page.items.into_iter().find(|item| item.pointer("/metadata/name").is_some_and(|name| *name == *what.name)) {
            Some(object) => Ok((object, Some(page.resource_version))),
            None => Err(ClusterError::NotFound(format!("{} {} does not exist", what.kind, what.name))),
        },
        // May get, may not list.
        Err(ClusterError::Denied(_)) => {
            let object = objects::get(link, what).await?;
            let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str).map(str::to_owned);
            Ok((object, version))
        }
        Err(error) => Err(error),
    }
}

/// What holds an unsettled object back, the verdict made more exact by it, and the pods it was seen at.
async fn why(
    link: &Link,
    what: &ObjectKey,
    object: &Value,
    verdict: Verdict,
) -> Result<(Verdict, Vec<RolloutReason>, Option<WatchSpec>), ClusterError> {
    let none = |verdict| Ok((verdict, Vec::new(), None));
    match (what.api_version.as_str(), what.kind.as_str()) {
        ("v1", "Pod") => return Ok((verdict, reasons::of_pods([object].into_iter()), None)),
        ("apps/v1", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch/v1", "Job") => {}
        _ => return none(verdict),
    }
    let Some(selector) = reasons::selector_text(object) else {
        return none(verdict);
    };
    let (pods, revisions) = futures::try_join!(page(link, what, "v1", "Pod", &selector), revisions(link, what, object, &selector))?;
    let Some(pods) = pods else {
        return none(verdict);
    };
    let watch = WatchSpec {
        what: WatchKey::Selection {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: what.namespace.clone(),
            labels: Some(selector),
            fields: None,
        },
        resource_version: Some(pods.resource_version),
    };
    let (verdict, reasons) = explain(what, object, verdict, &pods.items, &revisions);
    Ok((verdict, reasons, Some(watch)))
}

/// What tells a workload's revisions apart, where its own status does not.
async fn revisions(link: &Link, what: &ObjectKey, object: &Value, selector: &str) -> Result<Vec<Value>, ClusterError> {
    let kind = match what.kind.as_str() {
        "Deployment" => "ReplicaSet",
        "DaemonSet" => "ControllerRevision",
        _ => return Ok(Vec::new()),
    };
    if !rules::observed(object) {
        return Ok(Vec::new());
    }
    Ok(page(link, what, "apps/v1", kind, selector).await?.map(|page| page.items).unwrap_or_default())
}

/// A page of what belongs to a workload; none where these credentials may not see it, which is no failure of the rollout.
async fn page(link: &Link, what: &ObjectKey, api_version: &str, kind: &str, selector: &str) -> Result<Option<ObjectPage>, ClusterError> {
    let query = ListQuery {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: what.namespace.clone(),
        labels: Some(selector.to_owned()),
        fields: None,
        limit: PAGE,
        continue_token: None,
    };
    match objects::list(link, &query).await {
        Ok(page) => Ok(Some(page)),
        Err(ClusterError::Denied(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Picks the pods of the new revision and says what they wait for. Where the new revision cannot be told, nothing is
/// said: a pod of the old one may be broken, and what is being rolled out may be its cure.
fn explain(what: &ObjectKey, object: &Value, verdict: Verdict, pods: &[Value], revisions: &[Value]) -> (Verdict, Vec<RolloutReason>) {
    if what.kind != "Job" && !rules::observed(object) {
        return (verdict, Vec::new());
    }
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
    let hash = |pod: &Value| pod.pointer("/metadata/labels/controller-revision-hash").and_then(Value::as_str).map(str::to_owned);
    let own = |owner: &str| pods.iter().filter(|pod| reasons::owned_by(pod, owner)).collect::<Vec<_>>();
    let of_hash = |wanted: Option<&str>| own(uid).into_iter().filter(|pod| wanted.is_some() && hash(pod).as_deref() == wanted).collect();
    let (verdict, new): (Verdict, Vec<&Value>) = match what.kind.as_str() {
        "Deployment" => match reasons::new_replica_set(object, revisions) {
            Some(set) => {
                let available = set.pointer("/status/availableReplicas").and_then(Value::as_u64).unwrap_or_default();
                let uid = set.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
                (rules::judge(object, Some(u32::try_from(available).unwrap_or(u32::MAX))), own(uid))
            }
            None => (verdict, Vec::new()),
        },
        "StatefulSet" => (verdict, of_hash(object.pointer("/status/updateRevision").and_then(Value::as_str))),
        "DaemonSet" => (verdict, of_hash(reasons::newest_revision_hash(object, revisions))),
        _ => (verdict, own(uid)),
    };
    (verdict, reasons::of_pods(new.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(kind: &str) -> ObjectKey {
        ObjectKey { api_version: "apps/v1".into(), kind: kind.into(), namespace: Some("n".into()), name: "x".into() }
    }

    fn broken(name: &str, owner: &str, hash: &str) -> Value {
        json!({"metadata": {"name": name, "ownerReferences": [{"uid": owner}], "labels": {"controller-revision-hash": hash}},
            "status": {"containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}})
    }

    fn blamed(kind: &str, object: &Value, pods: &[Value], revisions: &[Value]) -> Vec<String> {
        let (_, reasons) = explain(&key(kind), object, Verdict::default(), pods, revisions);
        reasons.into_iter().map(|reason| reason.object.name).collect()
    }

    #[test]
    fn only_the_new_replica_sets_pods_are_blamed() {
        let set = |uid: &str, image: &str| json!({"metadata": {"uid": uid, "ownerReferences": [{"uid": "d"}]}, "spec": {"template": {"image": image}}, "status": {"availableReplicas": 1}});
        let deployment = |seen: u64| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"uid": "d", "generation": 2}, "spec": {"replicas": 3, "template": {"image": "b"}},
                "status": {"observedGeneration": seen, "updatedReplicas": 2, "availableReplicas": 3, "replicas": 4}})
        };
        let sets = [set("old", "a"), set("new", "b")];
        let pods = [broken("p-old", "old", ""), broken("p-new", "new", "")];
        assert_eq!(blamed("Deployment", &deployment(2), &pods, &sets), ["p-new"]);
        assert!(blamed("Deployment", &deployment(1), &pods, &sets).is_empty(), "the controller has not made the new one yet");
        assert!(blamed("Deployment", &deployment(2), &pods, &sets[..1]).is_empty(), "no new one to be seen");
        let (verdict, _) = explain(&key("Deployment"), &deployment(2), Verdict::default(), &pods, &sets);
        assert_eq!((verdict.updated, verdict.available), (2, 1), "old pods are not counted");
    }

    #[test]
    fn stateful_and_daemon_sets_blame_the_new_revision() {
        let pods = [broken("p-old", "s", "a"), broken("p-new", "s", "b"), broken("p-foreign", "t", "b")];
        let set = json!({"metadata": {"uid": "s", "generation": 1}, "status": {"observedGeneration": 1, "updateRevision": "b"}});
        assert_eq!(blamed("StatefulSet", &set, &pods, &[]), ["p-new"]);
        let revision = |number: u64, hash: &str| json!({"metadata": {"ownerReferences": [{"uid": "s"}], "labels": {"controller-revision-hash": hash}}, "revision": number});
        assert_eq!(blamed("DaemonSet", &set, &pods, &[revision(2, "b"), revision(1, "a")]), ["p-new"]);
        assert!(blamed("DaemonSet", &set, &pods, &[]).is_empty());
    }

    #[test]
    fn replica_sets_and_jobs_blame_their_own() {
        let pods = [broken("own", "s", ""), broken("foreign", "t", "")];
        let set = json!({"metadata": {"uid": "s", "generation": 1}, "status": {"observedGeneration": 1}});
        assert_eq!(blamed("ReplicaSet", &set, &pods, &[]), ["own"]);
        assert_eq!(blamed("Job", &json!({"metadata": {"uid": "s"}}), &pods, &[]), ["own"], "a Job has no observed generation");
    }
}
