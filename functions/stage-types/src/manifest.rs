//! The manifest of a component: read from what it says of itself, against the published schema.
//!
//! A schema inside it reaches nothing outside itself and has no pattern that can take for ever.

use jsonschema::Validator;
use regex::RegexBuilder;
use serde::Deserialize;
use serde_json::Value;

/// The published JSON Schema of manifests.
pub const MANIFEST_SCHEMA: &str = include_str!("manifest.schema.json");

/// Most faults that are told.
const FAULTS_MAX: usize = 20;
/// Longest regular expression, compiled.
const PATTERN_BYTES_MAX: usize = 256 << 10;

/// What a row is made from.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    #[serde(rename = "type")]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) capabilities: Capabilities,
    #[serde(default)]
    pub(crate) adopt_sender: bool,
    pub(crate) timeout_ms: Option<u64>,
    /// What its `planning` may answer; the types in it are read where stages are planned.
    pub(crate) planning: Option<Value>,
    #[serde(default)]
    pub(crate) limits: Limits,
}

/// What it asks to be granted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Capabilities {
    pub(crate) kubernetes: Vec<model::component::KubernetesGrant>,
    pub(crate) http: Vec<Value>,
    pub(crate) executions: Vec<String>,
    pub(crate) secrets: Vec<Value>,
    pub(crate) adopt_sender: bool,
}

/// What it asks to use in a step.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Limits {
    #[serde(rename = "memoryMiB")]
    pub(crate) memory_mib: Option<u64>,
    pub(crate) step_ms: Option<u64>,
    pub(crate) host_calls: Option<u32>,
}

/// Reads a manifest; the faults are `pointer: message`.
pub(crate) fn read(text: &str) -> Result<(Manifest, Value), Vec<String>> {
    let one = |fault: String| vec![fault];
    let value: Value = serde_json::from_str(text).map_err(|e| one(format!("it is not JSON: {e}")))?;
    let mut faults = faults(&schema().map_err(one)?, &value);
    for key in ["params", "outputs"] {
        if let Some(inner) = value.get(key) {
            check_schema(inner, &format!("/{key}"), &mut faults);
        }
    }
    if !faults.is_empty() {
        faults.truncate(FAULTS_MAX);
        return Err(faults);
    }
    let manifest = serde_json::from_value(value.clone()).map_err(|e| one(e.to_string()))?;
    Ok((manifest, value))
}

fn schema() -> Result<Validator, String> {
    let schema: Value = serde_json::from_str(MANIFEST_SCHEMA).map_err(|e| e.to_string())?;
    jsonschema::validator_for(&schema).map_err(|e| e.to_string())
}

fn faults(validator: &Validator, value: &Value) -> Vec<String> {
    let fault = |e: jsonschema::ValidationError<'_>| format!("{}: {e}", e.instance_path().as_str());
    validator.iter_errors(value).take(FAULTS_MAX).map(fault).collect()
}

/// A schema within the manifest: draft 2020-12, without references to the outside.
fn check_schema(schema: &Value, at: &str, faults: &mut Vec<String>) {
    let before = faults.len();
    check_words(schema, at, faults);
    if faults.len() == before
        && let Err(error) = jsonschema::draft202012::new(schema)
    {
        faults.push(format!("{at}: it is no JSON Schema: {error}"));
    }
}

fn check_words(value: &Value, at: &str, faults: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let place = format!("{at}/{key}");
                match (key.as_str(), inner) {
                    ("$ref" | "$dynamicRef", Value::String(to)) if !to.starts_with('#') => {
                        faults.push(format!("{place}: {to:?} leads outside"));
                    }
                    ("pattern", Value::String(pattern)) => check_pattern(pattern, &place, faults),
                    ("patternProperties", Value::Object(by_pattern)) => {
                        by_pattern.keys().for_each(|pattern| check_pattern(pattern, &place, faults));
                    }
                    _ => {}
                }
                check_words(inner, &place, faults);
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| check_words(item, &format!("{at}/{n}"), faults)),
        _ => {}
    }
}

/// Only patterns that are matched in linear time, and small ones.
fn check_pattern(pattern: &str, at: &str, faults: &mut Vec<String>) {
    if let Err(error) = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build() {
        faults.push(format!("{at}: {pattern:?} is refused: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn small() -> Value {
        json!({"manifest": 1, "type": "wait", "version": "0.1.0", "title": {"en": "Wait"}, "contract": "waybill:stage@0.1.0",
            "checkpointSchemas": [1], "params": {"type": "object"}})
    }

    fn refused(change: impl FnOnce(&mut Value), why: &str) {
        let mut manifest = small();
        change(&mut manifest);
        let faults = read(&manifest.to_string()).unwrap_err().join("\n");
        assert!(faults.contains(why), "{faults}");
    }

    #[test]
    fn the_smallest_manifest_is_read() {
        let (manifest, value) = read(&small().to_string()).unwrap();
        assert_eq!((manifest.name.as_str(), manifest.limits.step_ms, value), ("wait", None, small()));
    }

    #[test]
    fn what_it_plans_runs_and_skips_is_read() {
        let mut manifest = small();
        manifest["planning"] = json!({"types": ["checkPreconditions", "acme.canary-score"]});
        manifest["capabilities"] = json!({"executions": ["start", "get"]});
        manifest["expressions"] = json!({"byStage": ["/preconditions", "/a/0/b~1c"], "never": ["/script"]});
        (manifest["dryRun"], manifest["manualSkip"]) = (json!("execute"), json!(true));
        let (read, value) = read(&manifest.to_string()).unwrap();
        assert_eq!((read.planning.is_some(), read.capabilities.executions, value), (true, vec!["start".into(), "get".into()], manifest));
    }

    #[test]
    fn faults_are_told_with_their_place() {
        refused(|m| m["manifest"] = json!(2), "/manifest: ");
        refused(|m| m["type"] = json!("two words"), "/type: ");
        refused(|m| m["checkpointSchemas"] = json!([]), "/checkpointSchemas: ");
        refused(|m| m["contract"] = json!("waybill:stage@9.0.0"), "/contract: ");
        refused(|m| m["limits"] = json!({"memory": 1}), "/limits: ");
        refused(|m| m["capabilities"] = json!({"kubernetes": [{"apiGroups": [], "kinds": ["*"], "verbs": ["get"]}]}), "apiGroups");
        refused(|m| m["surprise"] = json!(1), "surprise");
        refused(|m| m["capabilities"] = json!({"executions": "start"}), "/capabilities/executions: ");
        refused(|m| m["capabilities"] = json!({"executions": ["*"]}), "/capabilities/executions/0: ");
        refused(|m| m["expressions"] = json!({"byStage": ["preconditions"]}), "/expressions/byStage/0: ");
        refused(|m| m["expressions"] = json!({"by-stage": ["/preconditions"]}), "by-stage");
        refused(|m| m["dryRun"] = json!("maybe"), "/dryRun: ");
        refused(|m| m["dryRun"] = json!(true), "/dryRun: ");
        refused(|m| m["manualSkip"] = json!("yes"), "/manualSkip: ");
        refused(|m| m["planning"] = json!({}), "types");
        refused(|m| m["planning"] = json!({"types": []}), "/planning/types: ");
        refused(|m| m["planning"] = json!({"types": ["two words"]}), "/planning/types/0: ");
        refused(|m| m["planning"] = json!({"types": ["wait", "wait"]}), "/planning/types: ");
        refused(|m| m["planning"] = json!({"types": ["wait"], "depth": 3}), "depth");
        assert!(read("{").unwrap_err()[0].contains("not JSON"));
    }

    #[test]
    fn schemas_stay_within_themselves_and_patterns_are_small() {
        refused(|m| m["params"] = json!({"properties": {"a": {"$ref": "https://evil.example/s.json"}}}), "/params/properties/a/$ref: ");
        refused(|m| m["params"] = json!({"properties": {"a": {"pattern": "(a+)+\\1$"}}}), "is refused");
        refused(|m| m["params"] = json!({"properties": {"a": {"pattern": "((((a{100}){100}){100}){100})"}}}), "is refused");
        refused(|m| m["params"] = json!({"patternProperties": {"(?=x)y": {}}}), "is refused");
        refused(|m| m["params"] = json!({"type": "objekt"}), "/params: it is no JSON Schema");
    }
}
