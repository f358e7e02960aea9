//! From a manifest's wishes to what a registry row says: limits clamped, unknown words left out.
//!
//! Built-in components are granted what they ask for by the installer, visibly in the row; an administrator may take it back.

use crate::contract::DECLARED;
use crate::manifest::{Limits, Manifest};
use model::component::{Grant, StepLimits};

/// Functions of the `kubernetes` interface.
const FUNCTIONS: [&str; 14] = [
    "resolve",
    "get",
    "list-objects",
    "apply",
    "apply-many",
    "create",
    "replace",
    "patch",
    "delete",
    "scale",
    "rollout-status",
    "history",
    "undo-rollout",
    "pod-logs",
];

/// Functions of the `executions` interface.
const OF_EXECUTIONS: [&str; 4] = ["start", "get", "newest", "cancel"];

const MEMORY_MIB_MAX: u64 = 256;
const STEP_MS_MIN: u64 = 100;
const STEP_MS_MAX: u64 = 60_000;
const HOST_CALLS_MAX: u32 = 1_000;
const TIMEOUT_MS_DEFAULT: u64 = 60 * 60 * 1_000;
const TIMEOUT_MS_MAX: u64 = 400 * 24 * 60 * 60 * 1_000;

/// What it may do.
pub(crate) fn grant(manifest: &Manifest) -> Grant {
    let mut kubernetes = manifest.capabilities.kubernetes.clone();
    for wish in &mut kubernetes {
        wish.verbs.retain(|verb| FUNCTIONS.contains(&verb.as_str()));
    }
    let wished = &manifest.capabilities.executions;
    let executions = OF_EXECUTIONS.into_iter().filter(|verb| wished.iter().any(|w| w == verb)).map(str::to_owned).collect();
    Grant { kubernetes, adopt_sender: manifest.adopt_sender || manifest.capabilities.adopt_sender, executions }
}

/// What a step may use.
pub(crate) fn limits(asked: Limits) -> StepLimits {
    let usual = StepLimits::default();
    StepLimits {
        memory_bytes_max: asked.memory_mib.map_or(usual.memory_bytes_max, |mib| mib.clamp(1, MEMORY_MIB_MAX) << 20),
        step_ms_max: asked.step_ms.map_or(usual.step_ms_max, |ms| ms.clamp(STEP_MS_MIN, STEP_MS_MAX)),
        host_calls_max: asked.host_calls.map_or(usual.host_calls_max, |calls| calls.clamp(1, HOST_CALLS_MAX)),
        ..usual
    }
}

/// Default time for the whole stage.
pub(crate) fn timeout_ms(asked: Option<u64>) -> u64 {
    asked.unwrap_or(TIMEOUT_MS_DEFAULT).clamp(1, TIMEOUT_MS_MAX)
}

/// The import list is the cheapest honest statement of a component: what it imports it declares, and the reverse.
pub(crate) fn undeclared(manifest: &Manifest, imports: &[String]) -> Vec<String> {
    let capabilities = &manifest.capabilities;
    let declared = |name: &str| match name {
        "kubernetes" => !capabilities.kubernetes.is_empty(),
        "http" => !capabilities.http.is_empty(),
        "executions" => !capabilities.executions.is_empty(),
        _ => !capabilities.secrets.is_empty(),
    };
    let mut faults = Vec::new();
    for name in DECLARED {
        match (imports.iter().any(|i| i == name), declared(name)) {
            (true, false) => faults.push(format!("/capabilities/{name}: it imports {name} but does not declare it")),
            (false, true) => faults.push(format!("/capabilities/{name}: it declares {name} but does not import it")),
            _ => {}
        }
    }
    faults
}

/// What a component plans it names, and only then.
pub(crate) fn unplanned(manifest: &Manifest, exports: &[String]) -> Vec<String> {
    let fault = match (exports.iter().any(|e| e == "planning"), &manifest.planning) {
        (true, None) => "/planning: it exports planning but does not name the types that it may plan",
        (false, Some(_)) => "/planning: it names types that it may plan but does not export planning",
        (true, Some(_)) | (false, None) => return Vec::new(),
    };
    vec![fault.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn manifest(capabilities: &Value) -> Manifest {
        let (name, version) = ("wait", "0.1.0");
        serde_json::from_value(json!({"type": name, "version": version, "capabilities": capabilities})).unwrap()
    }

    #[test]
    fn wishes_become_a_grant_without_unknown_words() {
        let asked =
            json!({"kubernetes": [{"apiGroups": ["apps"], "kinds": ["*"], "verbs": ["get", "list", "exec", "*"]}], "adoptSender": true});
        let grant = grant(&manifest(&asked));
        assert_eq!((grant.kubernetes[0].verbs.as_slice(), grant.adopt_sender), (["get".to_owned()].as_slice(), true));
    }

    #[test]
    fn wishes_for_executions_become_a_grant_without_unknown_words_and_repetitions() {
        let grant = grant(&manifest(&json!({"executions": ["cancel", "start", "restart", "start", "*"]})));
        assert_eq!(grant.executions, ["start", "cancel"]);
        assert!(!grant.allows_executions("get"));
    }

    #[test]
    fn planning_and_the_types_it_names_agree() {
        let planning = |types: Option<&[&str]>| -> Manifest {
            let mut said = json!({"type": "wait", "version": "0.1.0"});
            if let Some(types) = types {
                said["planning"] = json!({"types": types});
            }
            serde_json::from_value(said).unwrap()
        };
        let exports = ["compensation".to_owned(), "planning".to_owned()];
        assert!(unplanned(&planning(Some(&["wait"])), &exports).is_empty());
        assert!(unplanned(&planning(None), &exports[..1]).is_empty());
        assert!(unplanned(&planning(None), &exports)[0].contains("does not name"));
        assert!(unplanned(&planning(Some(&["wait"])), &exports[..1])[0].contains("does not export"));
    }

    #[test]
    fn limits_are_clamped() {
        let greedy = limits(Limits { memory_mib: Some(1 << 40), step_ms: Some(u64::MAX), host_calls: Some(u32::MAX) });
        assert_eq!((greedy.memory_bytes_max, greedy.step_ms_max, greedy.host_calls_max), (256 << 20, 60_000, 1_000));
        assert_eq!(limits(Limits::default()), StepLimits::default());
        assert_eq!(limits(Limits { step_ms: Some(1), ..Limits::default() }).step_ms_max, 100);
        assert_eq!((timeout_ms(None), timeout_ms(Some(u64::MAX))), (3_600_000, 34_560_000_000));
    }

    #[test]
    fn imports_and_capabilities_agree() {
        let cluster = json!({"kubernetes": [{"apiGroups": [""], "kinds": ["Pod"], "verbs": ["get"]}]});
        let imports = |names: &[&str]| -> Vec<String> { names.iter().map(|n| (*n).to_owned()).collect() };
        assert!(undeclared(&manifest(&cluster), &imports(&["kubernetes", "log"])).is_empty());
        assert!(undeclared(&manifest(&json!({})), &imports(&["kubernetes"]))[0].contains("does not declare"));
        assert!(undeclared(&manifest(&cluster), &imports(&["log"]))[0].contains("does not import"));
        assert!(undeclared(&manifest(&json!({})), &imports(&["http"]))[0].contains("http"));
        let runs = json!({"executions": ["start"]});
        assert!(undeclared(&manifest(&runs), &imports(&["executions"])).is_empty());
        assert!(undeclared(&manifest(&json!({})), &imports(&["executions"]))[0].contains("imports executions but does not declare"));
        assert!(undeclared(&manifest(&runs), &imports(&["log"]))[0].contains("declares executions but does not import"));
    }
}
