//! The kinds that are served: names, scope, sub-resources. What has no behaviour of its own is stored as it is; a kind that
//! is not here is unknown, as it is to an API server without its definition.

use crate::interfaces::Kind;

/// One kind of one group version, and how it is called.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) short_names: &'static [&'static str],
    pub(crate) namespaced: bool,
    /// Among what `kubectl get all` shows.
    pub(crate) in_all: bool,
    /// `status`, `scale`, `log`.
    pub(crate) subresources: &'static [&'static str],
    /// `metadata.generation` counts the changes of `spec`.
    pub(crate) counts_generations: bool,
}

impl Row {
    pub(crate) fn has(&self, subresource: &str) -> bool {
        self.subresources.contains(&subresource)
    }

    /// As messages name it: `deployments.apps`, `pods`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
}

/// Verbs of every kind, as discovery lists them.
pub(crate) const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// Group versions that only answer reviews.
pub(crate) const REVIEWS: [(&str, &str, &str, &str); 3] = [
    ("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews"),
];

const STATUS: &[&str] = &["status"];
const SCALED: &[&str] = &["scale", "status"];
const NONE: &[&str] = &[];

const fn row(
    api_version: &'static str,
    group: &'static str,
    version: &'static str,
    names: [&'static str; 3],
    short_names: &'static [&'static str],
) -> Row {
    let [kind, plural, singular] = names;
    Row {
        kind: Kind { api_version, kind },
        group,
        version,
        plural,
        singular,
        short_names,
        namespaced: true,
        in_all: false,
        subresources: NONE,
        counts_generations: false,
    }
}

const fn core(names: [&'static str; 3], short_names: &'static [&'static str]) -> Row {
    row("v1", "", "v1", names, short_names)
}

const fn apps(names: [&'static str; 3], short_names: &'static [&'static str]) -> Row {
    row("apps/v1", "apps", "v1", names, short_names)
}

const fn rbac(names: [&'static str; 3]) -> Row {
    row("rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io", "v1", names, NONE)
}

impl Row {
    const fn cluster(mut self) -> Self {
        self.namespaced = false;
        self
    }

    const fn all(mut self) -> Self {
        self.in_all = true;
        self
    }

    const fn with(mut self, subresources: &'static [&'static str]) -> Self {
        self.subresources = subresources;
        self
    }

    const fn counted(mut self) -> Self {
        self.counts_generations = true;
        self
    }
}

/// Every kind, groups in the order discovery gives them.
pub(crate) static KINDS: [Row; 34] = [
    core(["ConfigMap", "configmaps", "configmap"], &["cm"]),
    core(["Endpoints", "endpoints", "endpoints"], &["ep"]),
    core(["Event", "events", "event"], &["ev"]),
    core(["LimitRange", "limitranges", "limitrange"], &["limits"]),
    core(["Namespace", "namespaces", "namespace"], &["ns"]).cluster().with(&["finalize", "status"]),
    core(["Node", "nodes", "node"], &["no"]).cluster().with(STATUS),
    core(["PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim"], &["pvc"]).with(STATUS),
    core(["PersistentVolume", "persistentvolumes", "persistentvolume"], &["pv"]).cluster().with(STATUS),
    core(["Pod", "pods", "pod"], &["po"]).all().with(&["log", "status"]).counted(),
    core(["PodTemplate", "podtemplates", "podtemplate"], NONE).counted(),
    core(["ReplicationController", "replicationcontrollers", "replicationcontroller"], &["rc"]).all().with(SCALED).counted(),
    core(["ResourceQuota", "resourcequotas", "resourcequota"], &["quota"]).with(STATUS),
    core(["Secret", "secrets", "secret"], NONE),
    core(["ServiceAccount", "serviceaccounts", "serviceaccount"], &["sa"]),
    core(["Service", "services", "service"], &["svc"]).all().with(STATUS),
    apps(["ControllerRevision", "controllerrevisions", "controllerrevision"], NONE),
    apps(["DaemonSet", "daemonsets", "daemonset"], &["ds"]).all().with(STATUS).counted(),
    apps(["Deployment", "deployments", "deployment"], &["deploy"]).all().with(SCALED).counted(),
    apps(["ReplicaSet", "replicasets", "replicaset"], &["rs"]).all().with(SCALED).counted(),
    apps(["StatefulSet", "statefulsets", "statefulset"], &["sts"]).all().with(SCALED).counted(),
    row(
        "autoscaling/v2",
        "autoscaling",
        "v2",
        ["HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler"],
        &["hpa"],
    )
    .all()
    .with(STATUS),
    row("batch/v1", "batch", "v1", ["CronJob", "cronjobs", "cronjob"], &["cj"]).all().with(STATUS).counted(),
    row("batch/v1", "batch", "v1", ["Job", "jobs", "job"], NONE).all().with(STATUS).counted(),
    row("networking.k8s.io/v1", "networking.k8s.io", "v1", ["IngressClass", "ingressclasses", "ingressclass"], NONE).cluster().counted(),
    row("networking.k8s.io/v1", "networking.k8s.io", "v1", ["Ingress", "ingresses", "ingress"], &["ing"]).with(STATUS).counted(),
    row("networking.k8s.io/v1", "networking.k8s.io", "v1", ["NetworkPolicy", "networkpolicies", "networkpolicy"], &["netpol"]).counted(),
    row("policy/v1", "policy", "v1", ["PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget"], &["pdb"])
        .with(STATUS)
        .counted(),
    rbac(["ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding"]).cluster(),
    rbac(["ClusterRole", "clusterroles", "clusterrole"]).cluster(),
    rbac(["RoleBinding", "rolebindings", "rolebinding"]),
    rbac(["Role", "roles", "role"]),
    row("storage.k8s.io/v1", "storage.k8s.io", "v1", ["StorageClass", "storageclasses", "storageclass"], &["sc"]).cluster(),
    row("coordination.k8s.io/v1", "coordination.k8s.io", "v1", ["Lease", "leases", "lease"], NONE),
    row("discovery.k8s.io/v1", "discovery.k8s.io", "v1", ["EndpointSlice", "endpointslices", "endpointslice"], NONE).counted(),
];

/// The kind at a path.
pub(crate) fn by_path(group: &str, version: &str, plural: &str) -> Option<&'static Row> {
    KINDS.iter().find(|row| row.group == group && row.version == version && row.plural == plural)
}

/// The kind an object says it is.
pub(crate) fn by_kind(api_version: &str, kind: &str) -> Option<&'static Row> {
    KINDS.iter().find(|row| row.kind.api_version == api_version && row.kind.kind == kind)
}

/// Every group and version once, in order, those of reviews last.
pub(crate) fn group_versions() -> Vec<(&'static str, &'static str)> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    let all = KINDS.iter().map(|row| (row.group, row.version)).chain(REVIEWS.iter().map(|(group, version, ..)| (*group, *version)));
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_path_and_by_name() {
        assert_eq!(by_path("apps", "v1", "deployments").unwrap().kind.kind, "Deployment");
        assert_eq!(by_kind("v1", "Pod").unwrap().plural, "pods");
        assert!(by_path("apps", "v1", "widgets").is_none() && by_kind("v2", "Pod").is_none());
        assert_eq!(by_kind("apps/v1", "Deployment").unwrap().qualified(), "deployments.apps");
        assert_eq!(group_versions().first(), Some(&("", "v1")));
    }

    #[test]
    fn no_two_have_a_path() {
        for row in &KINDS {
            assert_eq!(KINDS.iter().filter(|other| (other.group, other.plural) == (row.group, row.plural)).count(), 1, "{}", row.plural);
        }
    }
}
