//! The controllers against objects in memory and a clock that is set.

mod deployments;
mod others;
mod pods;
mod workloads;

use serde_json::{Value, json};

/// A template of pods with one container of this image.
fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": image}]}})
}

fn deployment(image: &str, replicas: u64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "x"}}, "template": template(image)}})
}
