//! What is known of Kubernetes kinds without asking a cluster: order of applying, scope, names.

/// Where in the order of a deployment a kind comes, low first; equal ones keep the order they were given in.
pub fn order(kind: &str) -> u16 {
    match kind {
        "Namespace" => 0,
        "Role" | "ClusterRole" => 20,
        "RoleBinding" | "ClusterRoleBinding" | "CustomResourceDefinition" => 30,
        "ServiceAccount" | "StorageClass" | "PersistentVolume" | "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => 40,
        "ConfigMap" | "Secret" | "PersistentVolumeClaim" => 50,
        "Service" | "Ingress" | "NetworkPolicy" => 70,
        "APIService" => 80,
        "PodDisruptionBudget" | "LimitRange" | "PodPreset" | "PodSecurityPolicy" => 90,
        "Pod" | "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob" => 100,
        "HorizontalPodAutoscaler" => 110,
        _ => 1000,
    }
}

/// Group of an `apiVersion`; empty for the core group.
pub fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// Whether the group is Kubernetes' own, as far as its name tells.
pub fn is_builtin_group(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io")
}

/// Whether objects of a kind live in a namespace; `None` when only the cluster knows.
pub fn namespaced(api_version: &str, kind: &str) -> Option<bool> {
    if !is_builtin_group(group(api_version)) {
        return None;
    }
    match kind {
        "Namespace"
        | "Node"
        | "PersistentVolume"
        | "StorageClass"
        | "VolumeAttachment"
        | "CSIDriver"
        | "CSINode"
        | "ClusterRole"
        | "ClusterRoleBinding"
        | "CustomResourceDefinition"
        | "APIService"
        | "MutatingWebhookConfiguration"
        | "ValidatingWebhookConfiguration"
        | "ValidatingAdmissionPolicy"
        | "ValidatingAdmissionPolicyBinding"
        | "PriorityClass"
        | "RuntimeClass"
        | "IngressClass"
        | "PodSecurityPolicy"
        | "CertificateSigningRequest" => Some(false),
        "Role"
        | "RoleBinding"
        | "ServiceAccount"
        | "ConfigMap"
        | "Secret"
        | "PersistentVolumeClaim"
        | "Service"
        | "Endpoints"
        | "EndpointSlice"
        | "Ingress"
        | "NetworkPolicy"
        | "PodDisruptionBudget"
        | "LimitRange"
        | "ResourceQuota"
        | "Pod"
        | "PodTemplate"
        | "ReplicationController"
        | "Deployment"
        | "ReplicaSet"
        | "StatefulSet"
        | "DaemonSet"
        | "Job"
        | "CronJob"
        | "HorizontalPodAutoscaler"
        | "Lease" => Some(true),
        _ => None,
    }
}

/// Whether objects of a kind can be applied and not yet have settled. All others have settled as soon as they are applied,
/// a Service without address included: that is what existing pipelines rely on.
pub fn settles_later(api_version: &str, kind: &str) -> bool {
    is_builtin_group(group(api_version))
        && matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "CronJob" | "Pod" | "HorizontalPodAutoscaler")
}

/// A kind as Spinnaker writes it in names and artifact types: `deployment`, `configMap`, `virtualService.networking.istio.io`.
pub fn spinnaker_name(api_version: &str, kind: &str) -> String {
    let chars: Vec<char> = kind.chars().collect();
    let upper = chars.iter().take_while(|c| c.is_ascii_uppercase()).count();
    // An acronym keeps only its last letter, which begins the next word: APIService, apiService.
    let lowered = if upper > 1 && upper < chars.len() { upper - 1 } else { upper };
    let name = chars.iter().enumerate().map(|(i, c)| if i < lowered { c.to_ascii_lowercase() } else { *c });
    let group = group(api_version);
    if is_builtin_group(group) { name.collect() } else { name.chain(".".chars()).chain(group.chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_spinnakers() {
        let mut kinds = vec!["HorizontalPodAutoscaler", "Rollout", "Deployment", "Service", "ConfigMap", "Namespace"];
        kinds.sort_by_key(|kind| order(kind));
        assert_eq!(kinds, ["Namespace", "ConfigMap", "Service", "Deployment", "HorizontalPodAutoscaler", "Rollout"]);
    }

    #[test]
    fn scope_is_known_or_left_to_the_cluster() {
        assert_eq!(namespaced("apps/v1", "Deployment"), Some(true));
        assert_eq!(namespaced("rbac.authorization.k8s.io/v1", "ClusterRole"), Some(false));
        assert_eq!(namespaced("acme.io/v1", "Deployment"), None);
        assert_eq!(namespaced("v1", "Surprise"), None);
    }

    #[test]
    fn only_workloads_settle_later() {
        assert!(settles_later("apps/v1", "Deployment"));
        assert!(!settles_later("v1", "Service"));
        assert!(!settles_later("acme.io/v1", "Job"));
    }

    #[test]
    fn names_are_spinnakers() {
        assert_eq!(spinnaker_name("apps/v1", "ReplicaSet"), "replicaSet");
        assert_eq!(spinnaker_name("v1", "ConfigMap"), "configMap");
        assert_eq!(spinnaker_name("apiregistration.k8s.io/v1", "APIService"), "apiService");
        assert_eq!(spinnaker_name("networking.istio.io/v1", "VirtualService"), "virtualService.networking.istio.io");
    }
}
