//! What a cloud account's credentials must be able to do, from what the installed stage types were granted.

use crate::ports::VerifyNeeds;
use model::account::CloudAccount;
use model::component::StageType;
use std::collections::BTreeSet;

/// Kinds that are asked for where a grant says `*`: those every deployment has to do with. Others show when they are deployed.
const ORDINARY: [(&str, &str, &str); 2] = [("Deployment", "apps", "deployments"), ("Service", "", "services")];
/// What stability and early failure are read from, besides the object itself.
const WATCHED: [(&str, &str); 2] = [("apps", "replicasets"), ("", "pods")];
const KINDS: [(&str, &str, &str); 14] = [
    ("Deployment", "apps", "deployments"),
    ("StatefulSet", "apps", "statefulsets"),
    ("DaemonSet", "apps", "daemonsets"),
    ("ReplicaSet", "apps", "replicasets"),
    ("Service", "", "services"),
    ("ConfigMap", "", "configmaps"),
    ("Secret", "", "secrets"),
    ("Pod", "", "pods"),
    ("PersistentVolumeClaim", "", "persistentvolumeclaims"),
    ("Job", "batch", "jobs"),
    ("CronJob", "batch", "cronjobs"),
    ("Ingress", "networking.k8s.io", "ingresses"),
    ("NetworkPolicy", "networking.k8s.io", "networkpolicies"),
    ("HorizontalPodAutoscaler", "autoscaling", "horizontalpodautoscalers"),
];

/// Kubernetes' verbs behind a function of the `kubernetes` interface.
fn verbs(function: &str) -> &'static [&'static str] {
    match function {
        "get" | "history" => &["get"],
        "list-objects" => &["list"],
        "rollout-status" => &["get", "list", "watch"],
        "apply" | "apply-many" => &["get", "create", "patch"],
        "create" => &["create"],
        "replace" => &["update"],
        "patch" | "scale" | "undo-rollout" => &["get", "patch"],
        "delete" => &["delete"],
        _ => &[],
    }
}

/// (group, plural) of the kinds that a grant names.
fn plurals(kinds: &[String]) -> Vec<(&'static str, &'static str)> {
    if kinds.iter().any(|kind| kind == "*") {
        return ORDINARY.iter().map(|(_, group, plural)| (*group, *plural)).collect();
    }
    KINDS.iter().filter(|(kind, _, _)| kinds.iter().any(|k| k == kind)).map(|(_, group, plural)| (*group, *plural)).collect()
}

/// What this account needs for these stage types, in each of its namespaces.
#[must_use]
pub fn of(account: &CloudAccount, stage_types: &[StageType]) -> VerifyNeeds {
    let mut rights: BTreeSet<(String, String, String)> = BTreeSet::new();
    let mut add = |verb: &str, group: &str, plural: &str| {
        rights.insert((verb.to_owned(), group.to_owned(), plural.to_owned()));
    };
    for grant in stage_types.iter().flat_map(|row| &row.grant.kubernetes) {
        for function in &grant.verbs {
            for (group, plural) in plurals(&grant.kinds) {
                verbs(function).iter().for_each(|verb| add(verb, group, plural));
            }
            if function == "rollout-status" {
                for (group, plural) in WATCHED {
                    ["get", "list", "watch"].iter().for_each(|verb| add(verb, group, plural));
                }
            }
            if function == "pod-logs" {
                add("get", "", "pods/log");
            }
        }
    }
    VerifyNeeds { namespaces: account.namespaces.iter().cloned().collect(), rights: rights.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage_types::tests::row;
    use model::account::{AccountState, Sealed};
    use model::component::KubernetesGrant;
    use model::id::AccountName;

    fn account() -> CloudAccount {
        CloudAccount {
            name: AccountName::parse("prod").unwrap(),
            server: "https://x".to_owned(),
            context: None,
            insecure_skip_tls_verify: false,
            applications: BTreeSet::new(),
            namespaces: BTreeSet::from(["web".to_owned()]),
            extra_kinds: BTreeSet::new(),
            connection: Sealed { key: String::new(), data: String::new() },
            state: AccountState::Verifying,
            reason: None,
            checks: vec![],
            verified_ms: None,
            created_ms: 0,
        }
    }

    fn needs(kinds: &[&str], functions: &[&str]) -> Vec<String> {
        let list = |items: &[&str]| items.iter().map(|i| (*i).to_owned()).collect();
        let mut stage_type = row("deployManifest", &[]);
        stage_type.grant.kubernetes = vec![KubernetesGrant { api_groups: list(&["*"]), kinds: list(kinds), verbs: list(functions) }];
        let needs = of(&account(), &[stage_type]);
        assert_eq!(needs.namespaces, ["web"]);
        needs.rights.iter().map(|(verb, group, plural)| format!("{verb} {plural}.{group}")).collect()
    }

    #[test]
    fn rights_follow_the_grants() {
        assert_eq!(needs(&["Job"], &["create"]), ["create jobs.batch"]);
        let deploy = needs(&["*"], &["apply-many", "rollout-status"]);
        for right in ["create deployments.apps", "patch services.", "watch pods.", "list replicasets.apps"] {
            assert!(deploy.iter().any(|r| r == right), "{right}: {deploy:?}");
        }
        assert!(!deploy.iter().any(|r| r.starts_with("delete") || r.contains("secrets")), "{deploy:?}");
        assert_eq!(needs(&["Pod"], &["pod-logs"]), ["get pods/log."]);
    }

    #[test]
    fn no_stage_type_needs_nothing() {
        assert!(of(&account(), &[row("wait", &[])]).rights.is_empty());
    }
}
