//! Stage types: which component serves which `type`, what it may do, and what it says of itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A row of the registry of stage types: what the compiler wrote about one component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageType {
    /// The `type` that stages say.
    pub name: String,
    /// Other spellings that mean the same.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The component's own version.
    pub version: String,
    /// SHA-256 of the component, hex.
    pub wasm_sha256: String,
    /// SHA-256 of its precompiled form, hex; checked before it is mapped.
    pub cwasm_sha256: String,
    /// Which engine settings it was compiled for.
    pub engine: String,
    /// What the component says of itself, frozen when it was vetted.
    pub manifest: Value,
    /// What the administrator granted.
    pub grant: Grant,
    /// Interfaces it exports beside `lifecycle`: `planning`, `compensation`.
    #[serde(default)]
    pub exports: Vec<String>,
    /// Limits of one step.
    pub limits: StepLimits,
    /// Default time for the whole stage.
    pub timeout_ms: u64,
}

/// Limits of one step, already clamped to the installation's ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepLimits {
    /// All memories of the instance together.
    pub memory_bytes_max: u64,
    /// Wall time.
    pub step_ms_max: u64,
    /// Calls of imports.
    pub host_calls_max: u32,
    /// Bytes over the boundary, both ways.
    pub host_call_bytes_max: u64,
    /// Lines of log.
    pub log_lines_max: u32,
    /// Bytes of one line of log.
    pub log_line_bytes_max: u32,
}

impl Default for StepLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 << 20,
            step_ms_max: 2_000,
            host_calls_max: 100,
            host_call_bytes_max: 8 << 20,
            log_lines_max: 1_000,
            log_line_bytes_max: 8 << 10,
        }
    }
}

/// What a component may do. Empty means nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Grant {
    /// Kubernetes, kind by kind.
    pub kubernetes: Vec<KubernetesGrant>,
    /// Whether the sender of the last signal may be adopted.
    pub adopt_sender: bool,
    /// Functions of the `executions` interface, by their WIT names.
    pub executions: Vec<String>,
}

/// Where the stages stand that a component's `planning` is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Before the stage's own step.
    Before,
    /// After it, when it went well.
    After,
    /// After it, when it failed.
    OnFailure,
}

impl Part {
    /// As it stands in JSON and in the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::OnFailure => "on-failure",
        }
    }
}

/// What a component may do with some kinds of objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct KubernetesGrant {
    /// API groups; `""` is the core group, `*` all that the account allows.
    pub api_groups: Vec<String>,
    /// Kinds; `*` all that the account allows.
    pub kinds: Vec<String>,
    /// Functions of the `kubernetes` interface, by their WIT names.
    pub verbs: Vec<String>,
}

impl Grant {
    /// May it call this function on this kind?
    #[must_use]
    pub fn allows(&self, verb: &str, group: &str, kind: &str) -> bool {
        let holds = |list: &[String], what: &str| list.iter().any(|x| x == "*" || x == what);
        self.kubernetes.iter().any(|g| g.verbs.iter().any(|v| v == verb) && holds(&g.api_groups, group) && holds(&g.kinds, kind))
    }

    /// May it call this function of the `executions` interface?
    #[must_use]
    pub fn allows_executions(&self, verb: &str) -> bool {
        self.executions.iter().any(|v| v == verb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_allowed_by_default() {
        assert!(!Grant::default().allows("get", "apps", "Deployment"));
    }

    #[test]
    fn verbs_have_no_wildcard() {
        let g = KubernetesGrant { api_groups: vec!["*".into()], kinds: vec!["*".into()], verbs: vec!["*".into(), "get".into()] };
        let grant = Grant { kubernetes: vec![g], ..Grant::default() };
        assert!(grant.allows("get", "apps", "Deployment"));
        assert!(!grant.allows("delete", "apps", "Deployment"));
        let grant = Grant { executions: vec!["*".into(), "start".into()], ..Grant::default() };
        assert!(grant.allows_executions("start"));
        assert!(!grant.allows_executions("cancel"));
        assert!(!Grant::default().allows_executions("get"));
    }

    #[test]
    fn a_grant_from_before_reads() {
        let grant: Grant = serde_json::from_str(r#"{"kubernetes":[],"adoptSender":true}"#).unwrap();
        assert_eq!(grant, Grant { adopt_sender: true, ..Grant::default() });
    }

    #[test]
    fn parts_have_one_spelling() {
        for part in [Part::Before, Part::After, Part::OnFailure] {
            assert_eq!(serde_json::to_value(part).unwrap(), part.as_str());
        }
    }
}
