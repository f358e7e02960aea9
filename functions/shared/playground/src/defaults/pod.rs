//! Pods and the templates of pods.

use super::{filled, items, quantity, said, set, within};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Where the token of a service account is mounted.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const SUFFIX: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// What a template and a pod have in common; `spec` is the pod's.
pub(super) fn spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    for pointer in ["/initContainers", "/containers", "/ephemeralContainers"] {
        items(spec, pointer).for_each(container);
    }
    items(spec, "/volumes").for_each(volume);
    let account = said(spec, "/serviceAccountName").to_owned();
    let old_account = said(spec, "/serviceAccount").to_owned();
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("securityContext", json!({})),
        ("schedulerName", json!("default-scheduler")),
    ] {
        set(Some(&mut *spec), field, value);
    }
    if !account.is_empty() {
        set(Some(&mut *spec), "serviceAccount", account);
    } else if !old_account.is_empty() {
        set(Some(&mut *spec), "serviceAccountName", old_account);
    }
}

fn container(container: &mut Value) {
    let image = said(container, "/image").to_owned();
    let policy = if is_latest(&image) { "Always" } else { "IfNotPresent" };
    let Some(resources) = within(container, "resources") else { return };
    quantity::canonical(resources);
    set(Some(&mut *container), "terminationMessagePath", "/dev/termination-log");
    set(Some(&mut *container), "terminationMessagePolicy", "File");
    set(Some(&mut *container), "imagePullPolicy", policy);
    items(container, "/ports").for_each(|port| set(Some(port), "protocol", "TCP"));
    items(container, "/env").for_each(|variable| set(variable.pointer_mut("/valueFrom/fieldRef"), "apiVersion", "v1"));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(probe) else { continue };
        for (field, value) in [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)] {
            set(Some(&mut *probe), field, value);
        }
        set(probe.get_mut("grpc"), "service", "");
        http_get(probe);
    }
    for hook in ["/lifecycle/postStart", "/lifecycle/preStop"] {
        if let Some(hook) = container.pointer_mut(hook) {
            http_get(hook);
        }
    }
}

fn http_get(handler: &mut Value) {
    set(handler.get_mut("httpGet"), "path", "/");
    set(handler.get_mut("httpGet"), "scheme", "HTTP");
}

/// No tag and no digest, or the tag `latest`.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or_default();
    matches!(name.split_once(':'), None | Some((_, "latest")))
}

fn volume(volume: &mut Value) {
    if volume.as_object().is_some_and(|fields| fields.keys().all(|field| field == "name")) {
        set(Some(&mut *volume), "emptyDir", json!({}));
    }
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        set(volume.get_mut(source), "defaultMode", 420);
    }
    set(volume.get_mut("hostPath"), "type", "");
    items(volume, "/downwardAPI/items").for_each(|item| set(item.get_mut("fieldRef"), "apiVersion", "v1"));
    items(volume, "/projected/sources").for_each(|source| {
        set(source.get_mut("serviceAccountToken"), "expirationSeconds", 3600);
        items(source, "/downwardAPI/items").for_each(|item| set(item.get_mut("fieldRef"), "apiVersion", "v1"));
    });
}

/// A pod, with what admission adds to it.
pub(super) fn pod(pod: &mut Value) {
    let identity = format!("{}/{}", said(pod, "/metadata/namespace"), said(pod, "/metadata/name"));
    if let Some(inner) = pod.get_mut("spec").filter(|inner| inner.is_object()) {
        spec(inner);
        for pointer in ["/initContainers", "/containers"] {
            items(inner, pointer).for_each(requests);
        }
        if inner.get("hostNetwork") == Some(&Value::Bool(true)) {
            host_ports(inner);
        }
        admission(inner, &identity);
    }
    let class = quality(pod.get("spec").unwrap_or(&Value::Null));
    let status = within(pod, "status").filter(|status| status.is_object());
    if let Some(status) = status {
        set(Some(&mut *status), "phase", "Pending");
        set(Some(status), "qosClass", class);
    }
}

/// What is limited and not asked for is asked for.
fn requests(container: &mut Value) {
    let Some(limits) = filled(container.pointer("/resources/limits")).cloned() else { return };
    let Some(requests) = container.get_mut("resources").and_then(|resources| within(resources, "requests")) else { return };
    for (name, limit) in limits {
        set(Some(&mut *requests), &name, limit);
    }
}

fn host_ports(spec: &mut Value) {
    for pointer in ["/initContainers", "/containers"] {
        items(spec, pointer).for_each(|container| {
            items(container, "/ports").for_each(|port| {
                if let Some(number) = port.get("containerPort").cloned() {
                    set(Some(port), "hostPort", number);
                }
            });
        });
    }
}

fn admission(spec: &mut Value, identity: &str) {
    set(Some(&mut *spec), "serviceAccountName", "default");
    let account = spec.get("serviceAccountName").cloned().unwrap_or_default();
    set(Some(&mut *spec), "serviceAccount", account);
    set(Some(&mut *spec), "priority", 0);
    set(Some(&mut *spec), "preemptionPolicy", "PreemptLowerPriority");
    set(Some(&mut *spec), "enableServiceLinks", true);
    set(Some(&mut *spec), "tolerations", json!([]));
    if let Some(tolerations) = spec.get_mut("tolerations").and_then(Value::as_array_mut) {
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let tolerated = tolerations.iter().any(|toleration| {
                let is = |field: &str| toleration.get(field).and_then(Value::as_str).unwrap_or_default();
                (is("key") == key || is("key").is_empty()) && matches!(is("effect"), "NoExecute" | "")
            });
            if !tolerated {
                tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
            }
        }
    }
    if spec.get("automountServiceAccountToken") != Some(&Value::Bool(false)) {
        token(spec, identity);
    }
}

/// The volume with the token, in every container that has nothing at its place yet.
fn token(spec: &mut Value, identity: &str) {
    const PREFIX: &str = "kube-api-access-";
    let named = |volume: &Value| volume.get("name").and_then(Value::as_str).filter(|name| name.starts_with(PREFIX)).map(str::to_owned);
    let there = spec.get("volumes").and_then(Value::as_array).and_then(|volumes| volumes.iter().find_map(named));
    let name = there.clone().unwrap_or_else(|| format!("{PREFIX}{}", suffix(identity)));
    let mut mounted = false;
    for pointer in ["/initContainers", "/containers"] {
        items(spec, pointer).for_each(|container| {
            let taken = items(container, "/volumeMounts").any(|mount| said(mount, "/mountPath") == TOKEN_PATH);
            if !taken {
                set(Some(&mut *container), "volumeMounts", json!([]));
                if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
                    mounts.push(json!({"name": name, "readOnly": true, "mountPath": TOKEN_PATH}));
                    mounted = true;
                }
            }
        });
    }
    if there.is_some() || !mounted {
        return;
    }
    set(Some(&mut *spec), "volumes", json!([]));
    if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
        volumes.push(json!({"name": name, "projected": {"sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ], "defaultMode": 420}}));
    }
}

/// Five letters that follow from a name.
fn suffix(identity: &str) -> String {
    let digest = Sha256::digest(identity);
    digest.iter().take(5).filter_map(|byte| SUFFIX.get(usize::from(*byte) % SUFFIX.len())).map(|letter| char::from(*letter)).collect()
}

fn quality(spec: &Value) -> &'static str {
    let containers = ["initContainers", "containers"].into_iter().filter_map(|list| spec.get(list).and_then(Value::as_array)).flatten();
    let (mut any, mut guaranteed) = (false, true);
    for container in containers {
        let of = |list: &str, name: &str| container.pointer(&format!("/resources/{list}/{name}")).cloned();
        for name in ["cpu", "memory"] {
            let (limit, request) = (of("limits", name), of("requests", name));
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    if !any {
        "BestEffort"
    } else if guaranteed {
        "Guaranteed"
    } else {
        "Burstable"
    }
}
