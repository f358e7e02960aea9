//! Objects as tables for people: the columns `kubectl get` shows. Pure.

use super::shape::metadata_of;
use crate::kinds::Row;
use crate::state::text;
use serde_json::{Value, json};

/// A column: its name, and whether only `-o wide` shows it.
type Column = (&'static str, bool);

/// A `Table` of objects; `include` says how much of each object comes along.
pub(crate) fn table<'a>(
    row: &Row,
    objects: impl IntoIterator<Item = &'a Value>,
    metadata: Value,
    include: Option<&str>,
    headed: bool,
    now_ms: u64,
) -> Value {
    let columns = columns(row);
    let rows: Vec<Value> = objects
        .into_iter()
        .map(|object| {
            let mut cells = cells(row, object, now_ms);
            cells.resize(columns.len(), Value::Null);
            let object = match include {
                Some("None") => Value::Null,
                Some("Object") => object.clone(),
                _ => metadata_of(object),
            };
            json!({"cells": cells, "object": object})
        })
        .collect();
    let definitions: Vec<Value> = if headed { columns.iter().map(|column| definition(row, column)).collect() } else { Vec::new() };
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": definitions, "rows": rows})
}

fn definition(row: &Row, (name, wide): &Column) -> Value {
    let number = match row.kind.kind {
        "ReplicaSet" | "DaemonSet" => matches!(*name, "Desired" | "Current" | "Ready" | "Up-to-date" | "Available"),
        kind => matches!(*name, "Secrets" | "Replicas") || (matches!(*name, "Desired" | "Current") && kind != "Deployment"),
    };
    let kind = if number { "integer" } else { "string" };
    let format = if *name == "Name" { "name" } else { "" };
    json!({"name": name, "type": kind, "format": format, "description": "", "priority": i32::from(*wide)})
}

fn columns(row: &Row) -> Vec<Column> {
    let (shown, wide): (&[&'static str], &[&'static str]) = match row.kind.kind {
        "Pod" => (&["Name", "Ready", "Status", "Restarts", "Age"], &["IP", "Node", "Nominated Node", "Readiness Gates"]),
        "Deployment" => (&["Name", "Ready", "Up-to-date", "Available", "Age"], &["Containers", "Images", "Selector"]),
        "ReplicaSet" => (&["Name", "Desired", "Current", "Ready", "Age"], &["Containers", "Images", "Selector"]),
        "StatefulSet" => (&["Name", "Ready", "Age"], &["Containers", "Images"]),
        "DaemonSet" => (
            &["Name", "Desired", "Current", "Ready", "Up-to-date", "Available", "Node Selector", "Age"],
            &["Containers", "Images", "Selector"],
        ),
        "Job" => (&["Name", "Status", "Completions", "Duration", "Age"], &["Containers", "Images", "Selector"]),
        "Service" => (&["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"], &["Selector"]),
        "Ingress" => (&["Name", "Class", "Hosts", "Address", "Ports", "Age"], &[]),
        "Namespace" => (&["Name", "Status", "Age"], &[]),
        "Node" => (&["Name", "Status", "Roles", "Age", "Version"], &[]),
        "ConfigMap" => (&["Name", "Data", "Age"], &[]),
        "Secret" => (&["Name", "Type", "Data", "Age"], &[]),
        "Event" => (&["Last Seen", "Type", "Reason", "Object", "Message"], &["Count", "Name"]),
        "HorizontalPodAutoscaler" => (&["Name", "Reference", "MinPods", "MaxPods", "Replicas", "Age"], &[]),
        _ => (&["Name", "Age"], &[]),
    };
    shown.iter().map(|name| (*name, false)).chain(wide.iter().map(|name| (*name, true))).collect()
}

/// What cells are made of: one object, and the time.
struct Cells<'a> {
    object: &'a Value,
    name: Value,
    age: Value,
}

fn cells(row: &Row, object: &Value, now_ms: u64) -> Vec<Value> {
    let age = Value::from(age(text(object, "/metadata/creationTimestamp"), now_ms));
    let cells = Cells { object, name: text(object, "/metadata/name").into(), age };
    match row.kind.kind {
        "Pod" => cells.pod(),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => cells.workload(row.kind.kind),
        "Job" => cells.job(now_ms),
        "Service" => cells.service(),
        "Ingress" => cells.ingress(),
        "Event" => cells.event(now_ms),
        "HorizontalPodAutoscaler" => cells.autoscaler(),
        "Namespace" => vec![cells.name.clone(), cells.said("/status/phase"), cells.age],
        "Node" => {
            let version = cells.said("/status/nodeInfo/kubeletVersion");
            vec![cells.name.clone(), "Ready".into(), "<none>".into(), cells.age, version]
        }
        "ConfigMap" => vec![cells.name.clone(), (cells.count("/data") + cells.count("/binaryData")).into(), cells.age],
        "Secret" => vec![cells.name.clone(), cells.said("/type"), cells.count("/data").into(), cells.age],
        _ => vec![cells.name, cells.age],
    }
}

impl Cells<'_> {
    fn said(&self, pointer: &str) -> Value {
        text(self.object, pointer).into()
    }

    fn said_or_none(&self, pointer: &str) -> Value {
        or_none(text(self.object, pointer)).into()
    }

    fn number(&self, pointer: &str) -> u64 {
        self.object.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
    }

    fn count(&self, pointer: &str) -> usize {
        self.object.pointer(pointer).and_then(Value::as_object).map_or(0, |fields| fields.len())
    }

    /// Containers, images and the selector.
    fn template(&self) -> [Value; 3] {
        let selector = labels(self.object.pointer("/spec/selector/matchLabels"));
        [templates(self.object, "name").into(), templates(self.object, "image").into(), selector.into()]
    }

    fn ready(&self) -> Value {
        format!("{}/{}", self.number("/status/readyReplicas"), self.number("/spec/replicas")).into()
    }

    fn pod(self) -> Vec<Value> {
        let (ready, status, restarts) = pod(self.object);
        let (ip, node) = (self.said_or_none("/status/podIP"), self.said_or_none("/spec/nodeName"));
        vec![self.name, ready.into(), status.into(), restarts.into(), self.age, ip, node, "<none>".into(), "<none>".into()]
    }

    fn workload(self, kind: &str) -> Vec<Value> {
        let numbers = |pointers: &[&str]| pointers.iter().map(|pointer| self.number(pointer).into()).collect::<Vec<Value>>();
        let shown: Vec<Value> = match kind {
            "Deployment" => [vec![self.ready()], numbers(&["/status/updatedReplicas", "/status/availableReplicas"])].concat(),
            "ReplicaSet" => numbers(&["/spec/replicas", "/status/replicas", "/status/readyReplicas"]),
            "StatefulSet" => vec![self.ready()],
            _ => {
                let counted =
                    ["desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable"];
                let counts = counted.iter().map(|key| self.number(&format!("/status/{key}")).into());
                counts.chain([labels(self.object.pointer("/spec/template/spec/nodeSelector")).into()]).collect()
            }
        };
        let mut template = self.template().to_vec();
        if kind == "StatefulSet" {
            template.truncate(2);
        }
        [vec![self.name], shown, vec![self.age], template].concat()
    }

    fn job(self, now_ms: u64) -> Vec<Value> {
        let wanted = self.object.pointer("/spec/completions").and_then(Value::as_u64).unwrap_or(1);
        let done = format!("{}/{wanted}", self.number("/status/succeeded"));
        let shown = vec![job(self.object).into(), done.into(), duration(self.object, now_ms).into()];
        let template = self.template().to_vec();
        [vec![self.name], shown, vec![self.age], template].concat()
    }

    fn service(self) -> Vec<Value> {
        let (kind, address) = (self.said("/spec/type"), self.said_or_none("/spec/clusterIP"));
        let selector = labels(self.object.pointer("/spec/selector"));
        vec![self.name, kind, address, external(self.object).into(), ports(self.object).into(), self.age, selector.into()]
    }

    fn ingress(self) -> Vec<Value> {
        let rules = list(self.object, "/spec/rules").iter();
        let hosts: Vec<&str> = rules.map(|rule| text(rule, "/host")).filter(|host| !host.is_empty()).collect();
        let hosts = if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") };
        let ports = if list(self.object, "/spec/tls").is_empty() { "80" } else { "80, 443" };
        let class = self.said_or_none("/spec/ingressClassName");
        vec![self.name, class, hosts.into(), addresses(self.object).into(), ports.into(), self.age]
    }

    fn event(self, now_ms: u64) -> Vec<Value> {
        let about = format!("{}/{}", text(self.object, "/involvedObject/kind").to_lowercase(), text(self.object, "/involvedObject/name"));
        let (seen, message) = (age(text(self.object, "/lastTimestamp"), now_ms), text(self.object, "/message").trim());
        let count = self.number("/count").into();
        vec![seen.into(), self.said("/type"), self.said("/reason"), about.into(), message.into(), count, self.name]
    }

    fn autoscaler(self) -> Vec<Value> {
        let about = format!("{}/{}", text(self.object, "/spec/scaleTargetRef/kind"), text(self.object, "/spec/scaleTargetRef/name"));
        let (least, most) = (self.number("/spec/minReplicas").to_string(), self.number("/spec/maxReplicas").to_string());
        let now = self.number("/status/currentReplicas").into();
        vec![self.name, about.into(), least.into(), most.into(), now, self.age]
    }
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "<none>".to_owned() } else { text.to_owned() }
}

fn labels(labels: Option<&Value>) -> String {
    let Some(Value::Object(labels)) = labels else { return "<none>".to_owned() };
    let mut pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    pairs.sort_unstable();
    or_none(&pairs.join(","))
}

fn templates(object: &Value, key: &str) -> String {
    let containers = list(object, "/spec/template/spec/containers").iter();
    containers.map(|container| text(container, &format!("/{key}"))).collect::<Vec<_>>().join(",")
}

/// How long ago, as `kubectl` says it.
fn age(since: &str, now_ms: u64) -> String {
    let Ok(since) = since.parse::<jiff::Timestamp>() else { return "<unknown>".to_owned() };
    let ms = u64::try_from(since.as_millisecond()).unwrap_or_default();
    lasting(now_ms.saturating_sub(ms) / 1_000)
}

fn lasting(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 if !seconds.is_multiple_of(60) => format!("{minutes}m{}s", seconds % 60),
        120..10_800 => format!("{minutes}m"),
        10_800..28_800 if !minutes.is_multiple_of(60) => format!("{hours}h{}m", minutes % 60),
        10_800..172_800 => format!("{hours}h"),
        _ => format!("{}d", hours / 24),
    }
}

/// Ready containers, what the pod is doing, and restarts.
fn pod(object: &Value) -> (String, String, String) {
    let statuses = list(object, "/status/containerStatuses");
    let is_ready = |status: &&Value| status.get("ready") == Some(&Value::Bool(true));
    let ready = format!("{}/{}", statuses.iter().filter(is_ready).count(), list(object, "/spec/containers").len());
    let restarts: u64 = statuses.iter().filter_map(|status| status.get("restartCount")).filter_map(Value::as_u64).sum();
    let mut said = text(object, "/status/phase").to_owned();
    let own = text(object, "/status/reason");
    if !own.is_empty() {
        own.clone_into(&mut said);
    }
    for status in statuses {
        for pointer in ["/state/waiting/reason", "/state/terminated/reason"] {
            let reason = text(status, pointer);
            if !reason.is_empty() {
                reason.clone_into(&mut said);
            }
        }
    }
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        "Terminating".clone_into(&mut said);
    }
    (ready, said, restarts.to_string())
}

fn job(object: &Value) -> &'static str {
    let holds = |kind: &str| {
        list(object, "/status/conditions").iter().any(|condition| text(condition, "/type") == kind && text(condition, "/status") == "True")
    };
    match () {
        () if holds("Complete") => "Complete",
        () if holds("Failed") => "Failed",
        () if holds("Suspended") => "Suspended",
        () => "Running",
    }
}

fn duration(object: &Value, now_ms: u64) -> String {
    let at =
        |pointer: &str| text(object, pointer).parse::<jiff::Timestamp>().ok().and_then(|time| u64::try_from(time.as_millisecond()).ok());
    let Some(start) = at("/status/startTime") else { return String::new() };
    lasting(at("/status/completionTime").unwrap_or(now_ms).saturating_sub(start) / 1_000)
}

fn ports(object: &Value) -> String {
    let one = |port: &Value| {
        let number = |key: &str| port.get(key).and_then(Value::as_u64);
        let node = number("nodePort").map(|node| format!(":{node}")).unwrap_or_default();
        format!("{}{node}/{}", number("port").unwrap_or_default(), text(port, "/protocol"))
    };
    or_none(&list(object, "/spec/ports").iter().map(one).collect::<Vec<_>>().join(","))
}

fn addresses(object: &Value) -> String {
    let one = |entry: &Value| {
        let ip = text(entry, "/ip");
        if ip.is_empty() { text(entry, "/hostname") } else { ip }.to_owned()
    };
    list(object, "/status/loadBalancer/ingress").iter().map(one).collect::<Vec<_>>().join(",")
}

fn external(object: &Value) -> String {
    let found = addresses(object);
    match text(object, "/spec/type") {
        "LoadBalancer" if found.is_empty() => "<pending>".to_owned(),
        "ExternalName" => text(object, "/spec/externalName").to_owned(),
        _ => or_none(&found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[test]
    fn every_kind_has_as_many_cells_as_columns() {
        for row in &kinds::KINDS {
            let (cells, columns) = (cells(row, &json!({"metadata": {"name": "x"}}), 0), columns(row));
            assert_eq!(cells.len(), columns.len(), "{}", row.kind.kind);
        }
    }

    #[test]
    fn ages_are_short() {
        let said: Vec<String> = [5, 119, 120, 125, 700, 10_800, 11_000, 100_000, 200_000].into_iter().map(lasting).collect();
        assert_eq!(said, ["5s", "119s", "2m", "2m5s", "11m", "3h", "3h3m", "27h", "2d"]);
    }

    #[test]
    fn pods_say_what_they_wait_for() {
        let status = json!({"ready": false, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        let object = json!({"spec": {"containers": [{}]}, "status": {"phase": "Running", "containerStatuses": [status]}});
        assert_eq!(pod(&object), ("0/1".to_owned(), "CrashLoopBackOff".to_owned(), "3".to_owned()));
    }
}
