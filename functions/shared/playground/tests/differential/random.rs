//! Random stories of one object, by seed: created, applied by two managers, patched in every way, replaced, deleted.

use crate::basics::collection;
use crate::namespace;
use crate::pair::Pair;
use crate::side::Call;
use serde_json::{Map, Value, json};

const STEPS: usize = 12;

/// Deterministic numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    fn words(&mut self, most: u64) -> Map<String, Value> {
        (0..self.below(most + 1)).map(|_| (self.pick(&["a", "b", "c", "d/e"]).to_owned(), json!(self.pick(&["1", "2", "x", ""])))).collect()
    }

    fn metadata(&mut self) -> Value {
        let mut metadata = json!({"name": "story"});
        for key in ["labels", "annotations"] {
            if self.chance(2) {
                metadata[key] = Value::Object(self.words(3));
            }
        }
        if self.chance(6) {
            metadata["finalizers"] = json!([self.pick(&["a/a", "b/b"])]);
        }
        metadata
    }

    fn container(&mut self, name: &str) -> Value {
        let mut container = json!({"name": name, "image": self.pick(&["image:1", "image:2", "image", "reg.example.com/a/image:latest"])});
        if self.chance(2) {
            let first = if name == "main" { 80 } else { 81 };
            let mut ports = vec![json!({"containerPort": first})];
            if self.chance(2) {
                ports.push(json!({"containerPort": first + 363, "name": format!("https-{name}")}));
            }
            container["ports"] = json!(ports);
        }
        if self.chance(2) {
            container["env"] = ["A", "B", "C"].iter().filter(|_| self.chance(2)).map(|name| json!({"name": name, "value": "v"})).collect();
        }
        if self.chance(3) {
            container["resources"] = json!({"requests": {"cpu": self.pick(&["1", "100m", "0.5"]), "memory": self.pick(&["1Gi", "64Mi"])}});
        }
        if self.chance(3) {
            container["readinessProbe"] = json!({"httpGet": {"path": "/", "port": 80}});
        }
        if self.chance(3) {
            container["volumeMounts"] = json!([{"name": "v", "mountPath": self.pick(&["/a", "/b"])}]);
        }
        if self.chance(4) {
            container["command"] = json!(["run", self.pick(&["a", "b"])]);
        }
        container
    }

    fn template(&mut self) -> Value {
        let mut containers = vec![self.container("main")];
        if self.chance(3) {
            containers.push(self.container("side"));
        }
        let mut spec = json!({"containers": containers, "volumes": [{"name": "v", "emptyDir": {}}]});
        if self.chance(3) {
            spec["tolerations"] = json!([{"key": "a", "operator": "Exists", "effect": "NoSchedule"}]);
        }
        if self.chance(4) {
            spec["imagePullSecrets"] = json!([{"name": "s"}]);
        }
        if self.chance(4) {
            spec["securityContext"] = json!({"runAsNonRoot": true});
        }
        json!({"metadata": {"labels": {"app": "story"}}, "spec": spec})
    }

    /// An object of the kind; nothing in it is for a controller to bring up.
    pub(crate) fn object(&mut self, kind: &str) -> Value {
        let (metadata, selector) = (self.metadata(), json!({"matchLabels": {"app": "story"}}));
        let of = |api_version: &str, kind: &str, key: &str, value: Value| json!({"apiVersion": api_version, "kind": kind, "metadata": metadata.clone(), (key): value});
        match kind {
            "api/v1 configmaps" => of(
                "v1",
                "ConfigMap",
                "data",
                Value::Object(self.words(3).into_iter().map(|(key, value)| (key.replace('/', "."), value)).collect()),
            ),
            "api/v1 secrets" => of("v1", "Secret", "data", json!({(self.pick(&["a", "b"])): self.pick(&["AAE=", "YQ=="])})),
            "api/v1 services" => {
                let mut ports = vec![json!({"port": 80, "name": "web"})];
                if self.chance(2) {
                    ports.push(json!({"port": 443, "name": "tls", "targetPort": self.pick(&["tls", "web"])}));
                }
                let mut spec = json!({"ports": ports});
                if self.chance(2) {
                    spec["selector"] = json!({"app": self.pick(&["a", "b"])});
                }
                if self.chance(4) {
                    spec["sessionAffinity"] = json!("ClientIP");
                }
                of("v1", "Service", "spec", spec)
            }
            "apps/v1 replicasets" => {
                of("apps/v1", "ReplicaSet", "spec", json!({"replicas": 0, "selector": selector, "template": self.template()}))
            }
            "apps/v1 deployments" => {
                let mut spec = json!({"replicas": 0, "selector": selector, "template": self.template()});
                if self.chance(3) {
                    spec["strategy"] = json!({"type": self.pick(&["Recreate", "RollingUpdate"])});
                }
                if self.chance(3) {
                    spec["minReadySeconds"] = json!(self.below(3));
                }
                of("apps/v1", "Deployment", "spec", spec)
            }
            "networking.k8s.io/v1 ingresses" => {
                let backend = json!({"service": {"name": "a", "port": {"number": 80}}});
                let path = json!({"path": self.pick(&["/", "/a"]), "pathType": self.pick(&["Prefix", "Exact"]), "backend": backend});
                of(
                    "networking.k8s.io/v1",
                    "Ingress",
                    "spec",
                    json!({"rules": [{"host": self.pick(&["a.example.com", "b.example.com"]), "http": {"paths": [path]}}]}),
                )
            }
            _ => of("batch/v1", "Job", "spec", {
                let mut template = self.template();
                template["spec"]["restartPolicy"] = json!("Never");
                json!({"suspend": true, "template": template})
            }),
        }
    }
}

pub(crate) const KINDS: [&str; 7] = [
    "api/v1 configmaps",
    "api/v1 secrets",
    "api/v1 services",
    "apps/v1 replicasets",
    "apps/v1 deployments",
    "networking.k8s.io/v1 ingresses",
    "batch/v1 jobs",
];

pub(crate) async fn compare(pair: &mut Pair, seed: u64) {
    let space = format!("random-{seed}");
    namespace(pair, &space).await;
    let mut random = Random(seed);
    let kind = KINDS[usize::try_from(seed % KINDS.len() as u64).unwrap()];
    let (collection, plural) = collection(kind, &space);
    let at = format!("{collection}/story");
    // The controllers' part: what they write, and when.
    pair.mask.left_out = vec!["status", "managedFields", "generation", "deployment.kubernetes.io/revision"];
    if !matches!(plural.as_str(), "deployments" | "replicasets" | "jobs") {
        pair.mask.left_out.clear();
    }
    for step in 0..STEPS {
        let object = random.object(kind);
        let (what, call) = match random.below(9) {
            0 => ("create", Call::post(format!("{collection}?fieldManager=c"), &object)),
            1 | 2 => ("apply-a", Call::apply(format!("{at}?fieldManager=a&fieldValidation=Strict"), &object)),
            3 => ("apply-b", Call::apply(format!("{at}?fieldManager=b&force={}", random.chance(2)), &object)),
            4 => ("replace", Call::put(format!("{at}?fieldManager=r"), &object)),
            5 => ("merge", Call::merge(&*at, &json!({"metadata": {"labels": random.words(2), "annotations": null}}))),
            6 => (
                "strategic",
                Call::strategic(&*at, &json!({"metadata": object["metadata"], "spec": object.get("spec").cloned().unwrap_or_default()})),
            ),
            7 => ("json", Call::json(&*at, &json!([{"op": "add", "path": "/metadata/labels", "value": random.words(2)}]))),
            _ => ("dry-apply", Call::apply(format!("{at}?fieldManager=a&dryRun=All&force=true"), &object)),
        };
        pair.call(&format!("random/{plural}/{what}/seed-{seed}-step-{step}"), call).await;
    }
    pair.call(&format!("random/{plural}/get/seed-{seed}"), Call::get(&*at)).await;
    pair.call(&format!("random/{plural}/delete/seed-{seed}"), Call::delete(&*at)).await;
    pair.mask.left_out = Vec::new();
}
