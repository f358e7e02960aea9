//! What a kind's name means: the table of kinds a cluster serves, read from its discovery documents, and looked up the
//! way people write kinds. Pure.

use app::ports::KindInfo;
use serde_json::Value;

/// Where objects of a kind live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) plural: String,
    pub(crate) namespaced: bool,
}

/// A kind in one version of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KindRow {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    singular: String,
    short_names: Vec<String>,
    namespaced: bool,
    scalable: bool,
}

impl KindRow {
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    fn info(&self) -> KindInfo {
        KindInfo {
            api_version: self.api_version(),
            kind: self.kind.clone(),
            plural: self.plural.clone(),
            namespaced: self.namespaced,
            scalable: self.scalable,
        }
    }

    fn called(&self, name: &str) -> bool {
        [&self.kind, &self.plural, &self.singular].iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    fn called_for_short(&self, name: &str) -> bool {
        self.short_names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// The kinds a cluster serves: the core group first, groups by priority, in each the preferred version first.
#[derive(Debug, Default)]
pub(crate) struct KindTable {
    rows: Vec<KindRow>,
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

impl KindTable {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds what an `APIGroupDiscoveryList` holds.
    pub(crate) fn add_aggregated(&mut self, document: &Value) {
        for group in list(document, "items") {
            let name = group.get("metadata").map(|metadata| text(metadata, "name")).unwrap_or_default();
            for version in list(group, "versions") {
                for resource in list(version, "resources") {
                    self.rows.push(KindRow {
                        group: name.to_owned(),
                        version: text(version, "version").to_owned(),
                        kind: resource.get("responseKind").map(|kind| text(kind, "kind")).unwrap_or_default().to_owned(),
                        plural: text(resource, "resource").to_owned(),
                        singular: text(resource, "singularResource").to_owned(),
                        short_names: list(resource, "shortNames").filter_map(Value::as_str).map(str::to_owned).collect(),
                        namespaced: text(resource, "scope") == "Namespaced",
                        scalable: list(resource, "subresources").any(|sub| text(sub, "subresource") == "scale"),
                    });
                }
            }
        }
        self.rows.retain(|row| !row.kind.is_empty() && !row.plural.is_empty());
    }

    /// Adds what an `APIResourceList` of one group version holds, as servers before 1.27 give it.
    pub(crate) fn add_resources(&mut self, document: &Value) {
        let group_version = text(document, "groupVersion");
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        let scalable: Vec<&str> =
            list(document, "resources").filter_map(|resource| text(resource, "name").strip_suffix("/scale")).collect();
        for resource in list(document, "resources") {
            let plural = text(resource, "name");
            if plural.is_empty() || plural.contains('/') {
                continue;
            }
            self.rows.push(KindRow {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: text(resource, "kind").to_owned(),
                plural: plural.to_owned(),
                singular: text(resource, "singularName").to_owned(),
                short_names: list(resource, "shortNames").filter_map(Value::as_str).map(str::to_owned).collect(),
                namespaced: resource.get("namespaced").and_then(Value::as_bool).unwrap_or_default(),
                scalable: scalable.contains(&plural),
            });
        }
    }

    /// The place of a kind in exactly this version.
    pub(crate) fn place(&self, api_version: &str, kind: &str) -> Option<Place> {
        let (group, version) = split(api_version);
        let row = self.rows.iter().find(|row| row.group == group && row.version == version && row.kind == kind)?;
        Some(Place { plural: row.plural.clone(), namespaced: row.namespaced })
    }

    /// Why a kind was not found, with the versions it could be had in.
    pub(crate) fn missing(&self, api_version: &str, kind: &str) -> String {
        let mut others: Vec<String> = self.rows.iter().filter(|row| row.kind == kind).map(KindRow::api_version).collect();
        others.dedup();
        others.truncate(5);
        let hint = if others.is_empty() { String::new() } else { format!("; it has it in {}", others.join(", ")) };
        format!("the cluster has no kind {kind} in {api_version}{hint}")
    }

    /// What `deployment`, `deployments.apps`, `deploy.v1.apps`, `apps/v1 Deployment`, … can mean, best first: one entry a
    /// kind, in its preferred version unless the text names one.
    pub(crate) fn resolve(&self, wanted: &str) -> Vec<KindInfo> {
        let wanted = wanted.trim();
        let rows: Vec<&KindRow> = match wanted.rsplit_once([' ', '/']) {
            Some((api_version, kind)) => {
                let (group, version) = split(api_version.trim());
                let served =
                    self.rows.iter().filter(|row| row.group.eq_ignore_ascii_case(group) && row.version.eq_ignore_ascii_case(version));
                named(served.collect(), kind.trim())
            }
            None => match wanted.split_once('.') {
                Some((name, rest)) => named(self.in_group(rest), name),
                None => named(self.rows.iter().collect(), wanted),
            },
        };
        let mut found: Vec<&KindRow> = Vec::new();
        for row in rows {
            if !found.iter().any(|other| other.group == row.group && other.kind == row.kind) {
                found.push(row);
            }
        }
        found.into_iter().map(KindRow::info).collect()
    }

    /// Rows of `group` or of `version.group`.
    fn in_group(&self, wanted: &str) -> Vec<&KindRow> {
        let whole: Vec<&KindRow> = self.rows.iter().filter(|row| row.group.eq_ignore_ascii_case(wanted)).collect();
        if !whole.is_empty() {
            return whole;
        }
        let (version, group) = wanted.split_once('.').unwrap_or((wanted, ""));
        self.rows.iter().filter(|row| row.version.eq_ignore_ascii_case(version) && row.group.eq_ignore_ascii_case(group)).collect()
    }
}

/// Full names win over short ones, as kubectl has it.
fn named<'a>(rows: Vec<&'a KindRow>, name: &str) -> Vec<&'a KindRow> {
    let full: Vec<&KindRow> = rows.iter().filter(|row| row.called(name)).copied().collect();
    if full.is_empty() { rows.into_iter().filter(|row| row.called_for_short(name)).collect() } else { full }
}

/// Group and version.
pub(crate) fn split(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Kinds that every cluster serves under these names, by the promise of their API versions; they need no discovery.
pub(crate) fn well_known(api_version: &str, kind: &str) -> Option<Place> {
    let (plural, namespaced) = match (api_version, kind) {
        ("v1", "Pod") => ("pods", true),
        ("v1", "Service") => ("services", true),
        ("v1", "ConfigMap") => ("configmaps", true),
        ("v1", "Secret") => ("secrets", true),
        ("v1", "ServiceAccount") => ("serviceaccounts", true),
        ("v1", "PersistentVolumeClaim") => ("persistentvolumeclaims", true),
        ("v1", "Event") => ("events", true),
        ("v1", "Namespace") => ("namespaces", false),
        ("v1", "PersistentVolume") => ("persistentvolumes", false),
        ("v1", "Node") => ("nodes", false),
        ("apps/v1", "Deployment") => ("deployments", true),
        ("apps/v1", "ReplicaSet") => ("replicasets", true),
        ("apps/v1", "StatefulSet") => ("statefulsets", true),
        ("apps/v1", "DaemonSet") => ("daemonsets", true),
        ("apps/v1", "ControllerRevision") => ("controllerrevisions", true),
        ("batch/v1", "Job") => ("jobs", true),
        ("batch/v1", "CronJob") => ("cronjobs", true),
        ("autoscaling/v1" | "autoscaling/v2", "HorizontalPodAutoscaler") => ("horizontalpodautoscalers", true),
        ("networking.k8s.io/v1", "Ingress") => ("ingresses", true),
        ("networking.k8s.io/v1", "NetworkPolicy") => ("networkpolicies", true),
        ("policy/v1", "PodDisruptionBudget") => ("poddisruptionbudgets", true),
        ("rbac.authorization.k8s.io/v1", "Role") => ("roles", true),
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => ("rolebindings", true),
        _ => return None,
    };
    Some(Place { plural: plural.to_owned(), namespaced })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resource(plural: &str, kind: &str, short: &[&str], sub: &str) -> Value {
        json!({"resource": plural, "responseKind": {"group": "", "version": "", "kind": kind}, "scope": "Namespaced",
            "singularResource": kind.to_lowercase(), "shortNames": short, "subresources": [{"subresource": sub}]})
    }

    fn table() -> KindTable {
        let mut table = KindTable::default();
        table.add_aggregated(&json!({"items": [{"metadata": {}, "versions": [{"version": "v1", "resources": [
            resource("pods", "Pod", &["po"], "log"), resource("events", "Event", &["ev"], "x")]}]}]}));
        table.add_aggregated(&json!({"items": [
            {"metadata": {"name": "apps"}, "versions": [
                {"version": "v1", "resources": [resource("deployments", "Deployment", &["deploy"], "scale")]},
                {"version": "v1beta1", "resources": [resource("deployments", "Deployment", &["deploy"], "scale")]}]},
            {"metadata": {"name": "events.k8s.io"}, "versions": [{"version": "v1", "resources": [resource("events", "Event", &["ev"], "x")]}]},
            {"metadata": {"name": "example.com"}, "versions": [
                {"version": "v1", "resources": [resource("backends", "Backend", &["po"], "x"), {"resource": "broken", "responseKind": null}]},
                {"version": "v1alpha1", "resources": [resource("olds", "Old", &[], "x")]}]},
        ]}));
        table
    }

    fn names(wanted: &str) -> String {
        let found = table().resolve(wanted);
        found.iter().map(|info| format!("{} {}", info.api_version, info.kind)).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_way_to_write_a_kind() {
        let deployment = "apps/v1 Deployment";
        let ways = [
            "deployment",
            "Deployments",
            "DEPLOY",
            "deployments.apps",
            "deployment.v1.apps",
            "deploy.apps",
            "apps/v1 Deployment",
            "apps/v1/deployment",
        ];
        for way in ways {
            assert_eq!(names(way), deployment, "{way}");
        }
        assert_eq!(names("apps/v1beta1 Deployment"), "apps/v1beta1 Deployment");
        assert_eq!(names("deployments.v1beta1.apps"), "apps/v1beta1 Deployment");
        assert_eq!(names("event"), "v1 Event, events.k8s.io/v1 Event");
        assert_eq!(names("events.events.k8s.io"), "events.k8s.io/v1 Event");
        assert_eq!(names("po"), "v1 Pod, example.com/v1 Backend", "short names may be shared");
        assert_eq!(names("v1 Pod"), "v1 Pod");
        assert_eq!(names("old"), "example.com/v1alpha1 Old", "kinds that only a lesser version has");
        for nothing in ["", "unknown", "apps/v2 Deployment", "deployments.batch", "broken", "."] {
            assert_eq!(names(nothing), "", "{nothing}");
        }
    }

    #[test]
    fn facts_come_along() {
        let found = table().resolve("deploy");
        assert_eq!(
            found[0],
            KindInfo {
                api_version: "apps/v1".into(),
                kind: "Deployment".into(),
                plural: "deployments".into(),
                namespaced: true,
                scalable: true
            }
        );
        assert!(!table().resolve("pod")[0].scalable);
        assert_eq!(table().place("apps/v1", "Deployment").unwrap().plural, "deployments");
        assert!(table().place("apps/v1", "deployment").is_none(), "objects write their kind exactly");
        assert_eq!(
            table().missing("extensions/v1beta1", "Deployment"),
            "the cluster has no kind Deployment in extensions/v1beta1; it has it in apps/v1, apps/v1beta1"
        );
        assert_eq!(table().missing("x/v1", "Y"), "the cluster has no kind Y in x/v1");
    }

    #[test]
    fn old_servers_list_group_versions_one_by_one() {
        let mut table = KindTable::default();
        table.add_resources(&json!({"groupVersion": "apps/v1", "resources": [
            {"name": "deployments", "singularName": "deployment", "namespaced": true, "kind": "Deployment", "shortNames": ["deploy"]},
            {"name": "deployments/scale", "kind": "Scale", "namespaced": true}]}));
        table.add_resources(
            &json!({"groupVersion": "v1", "resources": [{"name": "nodes", "singularName": "", "namespaced": false, "kind": "Node"}]}),
        );
        assert!(table.resolve("deploy")[0].scalable);
        assert_eq!(table.place("v1", "Node").unwrap(), Place { plural: "nodes".into(), namespaced: false });
        assert_eq!(table.resolve("scale"), []);
    }
}
