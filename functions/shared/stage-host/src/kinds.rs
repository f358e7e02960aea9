//! Which kinds a component may ever touch, whatever its grant says.
//!
//! Four classes: never, ordinary (an account needs to say nothing), ordinary to read but not to write, and all others, which
//! an account must name in its extra kinds. A kind that is not listed here is one of the others.

/// What is known of a kind without asking a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// No grant and no account opens it; says why.
    Never(&'static str),
    /// Workloads, services and configuration, namespaced.
    Ordinary,
    /// Namespaced, made by controllers: to be read, not written.
    ReadOnly,
    /// Needs to be among the account's extra kinds; whether it is namespaced, if that is known.
    Extra(Option<bool>),
}

/// Groups that decide who may do what, or what the API server itself does.
const GROUPS_NEVER: &[(&str, &str)] = &[
    ("rbac.authorization.k8s.io", "it gives rights"),
    ("authorization.openshift.io", "it gives rights"),
    ("authorization.k8s.io", "it is about rights"),
    ("authentication.k8s.io", "it is about identities"),
    ("certificates.k8s.io", "it gives identities"),
    ("admissionregistration.k8s.io", "it decides what the API server accepts"),
    ("apiextensions.k8s.io", "it changes the API itself"),
    ("apiregistration.k8s.io", "it changes the API itself"),
];

/// (group, kind) that are never touched, beyond [`GROUPS_NEVER`].
const KINDS_NEVER: &[(&str, &str, &str)] = &[
    ("", "Node", "nodes are not an application's"),
    ("", "Binding", "it is a subresource"),
    ("policy", "Eviction", "it is a subresource"),
    ("autoscaling", "Scale", "it is a subresource"),
];

const ORDINARY: &[(&str, &str)] = &[
    ("", "ConfigMap"),
    ("", "PersistentVolumeClaim"),
    ("", "Pod"),
    ("", "ReplicationController"),
    ("", "Secret"),
    ("", "Service"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
];

/// Writing endpoints would lead a Service's traffic into other namespaces.
const READ_ONLY: &[(&str, &str)] =
    &[("", "Endpoints"), ("", "Event"), ("apps", "ControllerRevision"), ("discovery.k8s.io", "EndpointSlice"), ("events.k8s.io", "Event")];

/// Built-in kinds whose scope needs no question to the cluster.
const NAMESPACED: &[(&str, &str)] =
    &[("", "LimitRange"), ("", "PodTemplate"), ("", "ResourceQuota"), ("", "ServiceAccount"), ("coordination.k8s.io", "Lease")];
const CLUSTER_SCOPED: &[(&str, &str)] = &[
    ("", "Namespace"),
    ("", "PersistentVolume"),
    ("networking.k8s.io", "IngressClass"),
    ("node.k8s.io", "RuntimeClass"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "StorageClass"),
];

/// Namespaces that are the cluster's own.
pub(crate) const NAMESPACES_NEVER: &[&str] = &["kube-system", "kube-node-lease"];

/// What is known of a kind.
pub(crate) fn classify(group: &str, kind: &str) -> Class {
    let among = |list: &[(&str, &str)]| list.contains(&(group, kind));
    if let Some((_, why)) = GROUPS_NEVER.iter().find(|(g, _)| *g == group) {
        return Class::Never(why);
    }
    if let Some((_, _, why)) = KINDS_NEVER.iter().find(|(g, k, _)| *g == group && *k == kind) {
        return Class::Never(why);
    }
    if among(ORDINARY) {
        return Class::Ordinary;
    }
    if among(READ_ONLY) {
        return Class::ReadOnly;
    }
    match (among(NAMESPACED), among(CLUSTER_SCOPED)) {
        (true, _) => Class::Extra(Some(true)),
        (_, true) => Class::Extra(Some(false)),
        _ => Class::Extra(None),
    }
}

/// A kind as an account's extra kinds name it.
pub(crate) fn full_name(group: &str, kind: &str) -> String {
    if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") }
}

/// Secrets whose content is an identity.
pub(crate) fn is_identity_secret(secret_type: &str) -> bool {
    matches!(secret_type, "kubernetes.io/service-account-token" | "bootstrap.kubernetes.io/token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_webhooks_and_nodes_are_never_touched() {
        let never = [
            ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
            ("rbac.authorization.k8s.io", "Role"),
            ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
            ("apiregistration.k8s.io", "APIService"),
            ("certificates.k8s.io", "CertificateSigningRequest"),
            ("", "Node"),
            ("policy", "Eviction"),
        ];
        for (group, kind) in never {
            assert!(matches!(classify(group, kind), Class::Never(_)), "{group}/{kind}");
        }
    }

    #[test]
    fn only_what_is_listed_is_ordinary() {
        assert_eq!(classify("apps", "Deployment"), Class::Ordinary);
        assert_eq!(classify("evil.example", "Deployment"), Class::Extra(None));
        assert_eq!(classify("", "Event"), Class::ReadOnly);
        assert_eq!(classify("", "ServiceAccount"), Class::Extra(Some(true)));
        assert_eq!(classify("", "Namespace"), Class::Extra(Some(false)));
        assert_eq!(full_name("argoproj.io", "Rollout"), "Rollout.argoproj.io");
        assert_eq!(full_name("", "Namespace"), "Namespace");
    }
}
