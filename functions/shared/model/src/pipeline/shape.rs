//! Which shape each setting has, in tables: whatever is of another is told at its place, all of it in one pass.

use super::read::Object;
use crate::problem::{Problems, token};
use serde_json::Value;

/// What a setting may be. `null` is nothing, and always allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A text, or a scalar that stands for one.
    Text,
    /// A switch, also as text.
    Flag,
    /// A number, also as text.
    Number,
    /// A list of texts.
    Texts,
    /// A list.
    List,
    /// An object.
    Object,
}

use Shape::{Flag, List, Number, Object as Map, Text, Texts};

pub(super) type Table = [(&'static str, Shape)];

/// What decides how the pipeline runs.
pub(super) const PIPELINE: &Table = &[("limitConcurrent", Flag), ("keepWaitingPipelines", Flag), ("disabled", Flag), ("roles", Texts)];

/// What is carried, or shown to people.
pub(super) const PIPELINE_CARRIED: &Table = &[
    ("id", Text),
    ("index", Number),
    ("description", Text),
    ("type", Text),
    ("schema", Text),
    ("parallel", Flag),
    ("executionEngine", Text),
    ("spelEvaluator", Text),
    ("locked", Map),
    ("serviceAccount", Text),
    ("tags", List),
    ("manualStartAlert", Map),
    ("respectQuietPeriod", Flag),
    ("templateVariables", Map),
    ("exclude", Texts),
    ("lastModifiedBy", Text),
    ("updateTs", Text),
    ("lastModified", Text),
    ("email", Text),
];

pub(super) const STAGE: &Table = &[
    ("name", Text),
    ("type", Text),
    ("failPipeline", Flag),
    ("continuePipeline", Flag),
    ("completeOtherBranchesThenFail", Flag),
    ("failOnFailedExpressions", Flag),
    ("markSuccessfulOnTimeout", Flag),
    ("restrictExecutionDuringTimeWindow", Flag),
    ("allowSiblingStagesToContinueOnFailure", Flag),
    ("skippable", Flag),
    ("sendNotifications", Flag),
];

pub(super) const STAGE_CARRIED: &Table = &[
    ("overrideTimeout", Flag),
    ("isNew", Flag),
    ("comments", Text),
    ("skipWindowText", Text),
    ("backoffPeriodMs", Number),
    ("expectedArtifacts", List),
    ("alias", Text),
    ("cloudProviderType", Text),
];

pub(super) const TRIGGER: &Table = &[
    ("type", Text),
    ("enabled", Flag),
    ("id", Text),
    ("runAsUser", Text),
    ("expectedArtifactIds", Texts),
    ("account", Text),
    ("registry", Text),
    ("organization", Text),
    ("repository", Text),
    ("tag", Text),
    ("parameters", Map),
];

pub(super) const TRIGGER_CARRIED: &Table = &[
    ("description", Text),
    ("dryRun", Flag),
    ("rebake", Flag),
    ("source", Text),
    ("project", Text),
    ("slug", Text),
    ("branch", Text),
    ("secret", Text),
    ("events", Texts),
    ("payloadConstraints", Map),
    ("attributeConstraints", Map),
    ("application", Text),
    ("pipeline", Text),
    ("status", Texts),
    ("cronExpression", Text),
    ("master", Text),
    ("job", Text),
    ("propertyFile", Text),
    ("pubsubSystem", Text),
    ("subscriptionName", Text),
    ("chart", Text),
    ("version", Text),
    ("artifactorySearchName", Text),
    ("nexusSearchName", Text),
];

pub(super) const PARAMETER: &Table = &[
    ("name", Text),
    ("label", Text),
    ("description", Text),
    ("required", Flag),
    ("hasOptions", Flag),
    ("options", List),
    ("pinned", Flag),
    ("constraint", Text),
    ("conditional", Map),
];

pub(super) const EXPECTED: &Table = &[
    ("id", Text),
    ("displayName", Text),
    ("matchArtifact", Map),
    ("useDefaultArtifact", Flag),
    ("defaultArtifact", Map),
    ("usePriorArtifact", Flag),
    ("boundArtifact", Map),
];

pub(super) const ARTIFACT: &Table = &[
    ("type", Text),
    ("customKind", Flag),
    ("name", Text),
    ("version", Text),
    ("location", Text),
    ("reference", Text),
    ("metadata", Map),
    ("artifactAccount", Text),
    ("provenance", Text),
    ("uuid", Text),
];

pub(super) const NOTIFICATION: &Table =
    &[("type", Text), ("address", Text), ("cc", Text), ("level", Text), ("when", Texts), ("message", Map)];

/// Tells every setting that has another shape; true when all fit.
pub(super) fn check(object: &Object, pointer: &str, table: &Table, problems: &mut Problems) -> bool {
    wrong(object, pointer, table, |pointer, code, message| problems.error(pointer, code, message))
}

/// The same where nothing depends on it.
pub(super) fn remark(object: &Object, pointer: &str, table: &Table, problems: &mut Problems) {
    wrong(object, pointer, table, |pointer, code, message| problems.warning(pointer, code, message));
}

fn wrong(object: &Object, pointer: &str, table: &Table, mut tell: impl FnMut(String, &str, String)) -> bool {
    let mut fine = true;
    for (key, shape) in table {
        let Some(value) = object.get(*key).filter(|value| !fits(value, *shape)) else { continue };
        fine = false;
        let (code, what) = match shape {
            Text => ("not-a-text", "a text"),
            Flag => ("not-a-flag", "true or false"),
            Number => ("not-a-number", "a number"),
            Texts => ("not-a-list", "a list of texts"),
            List => ("not-a-list", "a list"),
            Map => ("not-an-object", "an object"),
        };
        tell(format!("{pointer}/{}", token(key)), code, format!("`{key}` is {what}, here stands {}", called(value)));
    }
    fine
}

fn scalar(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))
}

fn fits(value: &Value, shape: Shape) -> bool {
    let expression = value.as_str().is_some_and(|text| text.contains("${"));
    if value.is_null() || value.as_str() == Some("") || expression {
        return true;
    }
    match shape {
        Text => scalar(value),
        Flag => {
            value.is_boolean()
                || value.as_str().is_some_and(|text| ["true", "false"].iter().any(|word| text.trim().eq_ignore_ascii_case(word)))
        }
        Number => value.is_number() || value.as_str().is_some_and(|text| text.trim().parse::<f64>().is_ok()),
        Texts => value.as_array().is_some_and(|items| items.iter().all(scalar)) || value.is_string(),
        List => value.is_array(),
        Map => value.is_object(),
    }
}

fn called(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a switch",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
