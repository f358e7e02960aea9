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
    let definitions: Vec<Value> = if headed { columns.iter().map(definition).collect() } else { Vec::new() };
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": definitions, "rows": rows})
}

fn definition((name, wide): &Column) -> Value {
    let number = matches!(*name, "Desired" | "Current" | "Up-to-date" | "Available" | "Data" | "Secrets" | "Replicas");
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

fn cells(row: &Row, object: &Value, now_ms: u64) -> Vec<Value> {
    let said = |pointer: &str| text(object, pointer).to_owned();
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    let count = |pointer: &str| object.pointer(pointer).and_then(Value::as_object).map_or(0, |fields| fields.len());
    let (name, age) = (said("/metadata/name"), age(&said("/metadata/creationTimestamp"), now_ms));
    let of = |ready: &str, wanted: &str| format!("{}/{}", number(ready), number(wanted));
    let (containers, images) = (templates(object, "name"), templates(object, "image"));
    let selector = labels(object.pointer("/spec/selector/matchLabels"));
    match row.kind.kind {
        "Pod" => {
            let (ready, status, restarts) = pod(object);
            let node = or_none(&said("/spec/nodeName"));
            vec![
                json!(name),
                json!(ready),
                json!(status),
                json!(restarts),
                json!(age),
                json!(or_none(&said("/status/podIP"))),
                json!(node),
                json!("<none>"),
                json!("<none>"),
            ]
        }
        "Deployment" => {
            let ready = of("/status/readyReplicas", "/spec/replicas");
            let (updated, available) = (number("/status/updatedReplicas"), number("/status/availableReplicas"));
            vec![json!(name), json!(ready), json!(updated), json!(available), json!(age), json!(containers), json!(images), json!(selector)]
        }
        "ReplicaSet" => {
            let (wanted, there, ready) = (number("/spec/replicas"), number("/status/replicas"), number("/status/readyReplicas"));
            vec![json!(name), json!(wanted), json!(there), json!(ready), json!(age), json!(containers), json!(images), json!(selector)]
        }
        "StatefulSet" => {
            vec![json!(name), json!(of("/status/readyReplicas", "/spec/replicas")), json!(age), json!(containers), json!(images)]
        }
        "DaemonSet" => {
            let counted = ["desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable"];
            let counts = counted.iter().map(|key| json!(number(&format!("/status/{key}"))));
            let after = [json!("<none>"), json!(age), json!(containers), json!(images), json!(selector)];
            std::iter::once(json!(name)).chain(counts).chain(after).collect()
        }
        "Job" => {
            let wanted = object.pointer("/spec/completions").and_then(Value::as_u64).unwrap_or(1);
            let done = format!("{}/{wanted}", number("/status/succeeded"));
            vec![
                json!(name),
                json!(job(object)),
                json!(done),
                json!(duration(object, now_ms)),
                json!(age),
                json!(containers),
                json!(images),
                json!(selector),
            ]
        }
        "Service" => {
            let ports = ports(object);
            let selector = labels(object.pointer("/spec/selector"));
            vec![
                json!(name),
                json!(said("/spec/type")),
                json!(or_none(&said("/spec/clusterIP"))),
                json!(external(object)),
                json!(ports),
                json!(age),
                json!(selector),
            ]
        }
        "Ingress" => {
            let hosts: Vec<&str> =
                list(object, "/spec/rules").iter().map(|rule| text(rule, "/host")).filter(|host| !host.is_empty()).collect();
            let hosts = if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") };
            let ports = if list(object, "/spec/tls").is_empty() { "80" } else { "80, 443" };
            vec![
                json!(name),
                json!(or_none(&said("/spec/ingressClassName"))),
                json!(hosts),
                json!(addresses(object)),
                json!(ports),
                json!(age),
            ]
        }
        "Namespace" => vec![json!(name), json!(said("/status/phase")), json!(age)],
        "Node" => vec![json!(name), json!("Ready"), json!("<none>"), json!(age), json!(said("/status/nodeInfo/kubeletVersion"))],
        "ConfigMap" => vec![json!(name), json!(count("/data") + count("/binaryData")), json!(age)],
        "Secret" => vec![json!(name), json!(said("/type")), json!(count("/data")), json!(age)],
        "Event" => {
            let about = format!("{}/{}", said("/involvedObject/kind").to_lowercase(), said("/involvedObject/name"));
            let seen = self::age(&said("/lastTimestamp"), now_ms);
            vec![
                json!(seen),
                json!(said("/type")),
                json!(said("/reason")),
                json!(about),
                json!(said("/message").trim()),
                json!(number("/count")),
                json!(name),
            ]
        }
        "HorizontalPodAutoscaler" => {
            let about = format!("{}/{}", said("/spec/scaleTargetRef/kind"), said("/spec/scaleTargetRef/name"));
            let (least, most) = (number("/spec/minReplicas"), number("/spec/maxReplicas"));
            vec![
                json!(name),
                json!(about),
                json!(least.to_string()),
                json!(most.to_string()),
                json!(number("/status/currentReplicas")),
                json!(age),
            ]
        }
        _ => vec![json!(name), json!(age)],
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
        120..600 if seconds % 60 > 0 => format!("{minutes}m{}s", seconds % 60),
        120..10_800 => format!("{minutes}m"),
        10_800..28_800 if minutes % 60 > 0 => format!("{hours}h{}m", minutes % 60),
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
