//! Events about objects: one that repeats another raises its count; the oldest go when there are many.

use super::{State, text, time};
use crate::interfaces::{EventKind, Kind, Objects as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Most Events kept.
const EVENTS_MAX: usize = 1_000;
/// How many go at once then.
const EVENTS_DROPPED: usize = 100;

pub(crate) const EVENT: Kind = Kind { api_version: "v1", kind: "Event" };

impl State {
    /// Writes an Event, or raises the count of the same one.
    pub(super) fn tell(&mut self, about: &Value, kind: EventKind, reason: &str, message: &str) {
        let now = time((self.clock.0)());
        let (name, own) = (text(about, "/metadata/name"), text(about, "/metadata/namespace"));
        let namespace = if own.is_empty() { "default" } else { own };
        let mut hash = Sha256::new();
        let path = text(about, "/fieldPath");
        for part in [text(about, "/kind"), text(about, "/metadata/uid"), path, reason, message] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let digest = hex::encode(hash.finalize());
        let event_name = format!("{name}.{}", digest.get(..16).unwrap_or_default());
        if let Some(same) = self.find(EVENT, namespace, &event_name) {
            let mut again = Value::clone(&same);
            let count = again.get("count").and_then(Value::as_u64).unwrap_or(1) + 1;
            if let Value::Object(fields) = &mut again {
                fields.insert("count".to_owned(), count.into());
                fields.insert("lastTimestamp".to_owned(), now.into());
            }
            self.update(again);
            return;
        }
        self.forget_events();
        let kind = match kind {
            EventKind::Normal => "Normal",
            EventKind::Warning => "Warning",
        };
        let component = component(text(about, "/kind"), reason);
        let mut event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": event_name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": text(about, "/apiVersion"), "kind": text(about, "/kind"), "name": name, "namespace": own,
                "uid": text(about, "/metadata/uid"), "resourceVersion": text(about, "/metadata/resourceVersion"),
            },
            "reason": reason, "message": message, "type": kind, "count": 1,
            "firstTimestamp": now, "lastTimestamp": now, "eventTime": null,
            "source": {"component": component}, "reportingComponent": component, "reportingInstance": "",
        });
        if let (false, Some(Value::Object(involved))) = (path.is_empty(), event.get_mut("involvedObject")) {
            // Which container of a pod it is about.
            involved.insert("fieldPath".to_owned(), path.into());
        }
        self.create(event);
    }

    fn forget_events(&mut self) {
        let mut events = self.all_of(EVENT, None);
        if events.len() < EVENTS_MAX {
            return;
        }
        events.sort_by_key(|event| text(event, "/lastTimestamp").to_owned());
        for event in events.iter().take(EVENTS_DROPPED) {
            self.remove(event);
        }
    }
}

fn component(kind: &str, reason: &str) -> &'static str {
    match kind {
        "Pod" if reason.contains("Schedul") => "default-scheduler",
        "Pod" => "kubelet",
        "Deployment" => "deployment-controller",
        "ReplicaSet" => "replicaset-controller",
        "StatefulSet" => "statefulset-controller",
        "DaemonSet" => "daemonset-controller",
        "Job" => "job-controller",
        "Service" => "service-controller",
        _ => "playground",
    }
}
