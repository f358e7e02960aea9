//! The stage's parameters, read once; what is wrong with them, each at its place.

use sdk::fields;
use sdk::manifest::Problem;
use serde_json::{Map, Value};

/// What is to be run, and how.
#[derive(Debug, PartialEq)]
pub(crate) struct Settings {
    /// The stage's own application when absent.
    pub(crate) application: Option<String>,
    /// Id or name.
    pub(crate) pipeline: String,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) wait: bool,
    pub(crate) skip_outputs: bool,
}

impl Settings {
    pub(crate) fn of(stage: &Map<String, Value>) -> Result<Self, Vec<Problem>> {
        let mut problems = problems(stage);
        let parameters = match stage.get("pipelineParameters") {
            Some(Value::Object(parameters)) => parameters.clone(),
            Some(value) if fields::unresolved(value) => {
                problems.push(problem("/pipelineParameters", "the text holds an expression that was not resolved"));
                Map::new()
            }
            _ => Map::new(),
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            application: fields::text(stage, "application").map(str::to_owned),
            pipeline: fields::text(stage, "pipeline").unwrap_or_default().to_owned(),
            parameters,
            wait: fields::flag(stage.get("waitForCompletion")).unwrap_or(true),
            skip_outputs: fields::flag(stage.get("skipDownstreamOutput")).unwrap_or(false),
        })
    }
}

/// Every problem that can be seen before expressions are resolved.
pub(crate) fn problems(stage: &Map<String, Value>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if fields::text(stage, "pipeline").is_none() {
        problems.push(problem("/pipeline", "which pipeline is to run? Its id or its name is needed"));
    }
    if stage.get("application").is_some_and(|value| !value.is_null() && !value.is_string()) {
        problems.push(problem("/application", "an application's name is text"));
    }
    let is_map = |value: &Value| value.is_object() || is_absent(value) || fields::unresolved(value);
    if stage.get("pipelineParameters").is_some_and(|value| !is_map(value)) {
        problems.push(problem("/pipelineParameters", "the parameters are an object, each by its name"));
    }
    for key in ["waitForCompletion", "skipDownstreamOutput"] {
        let is_flag = |value: &Value| fields::flag(Some(value)).is_some() || is_absent(value) || fields::unresolved(value);
        if stage.get(key).is_some_and(|value| !is_flag(value)) {
            problems.push(problem(&format!("/{key}"), "true or false"));
        }
    }
    problems
}

fn problem(pointer: &str, message: &str) -> Problem {
    Problem::new("params-invalid", pointer, message)
}

/// Null and blank text mean what leaving the field out means.
fn is_absent(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}
