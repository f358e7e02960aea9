//! One precondition as it was written; what is wrong with it, each problem at its place.

use sdk::fields;
use sdk::manifest::Problem;
use serde_json::{Map, Value};

/// What is to hold. Texts may hold expressions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rule {
    /// An expression is true.
    Expression(String),
    /// A stage before this one ended like this.
    StageStatus { stage: String, status: String },
}

/// A rule, and what people are told when it does not hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Precondition {
    pub(crate) rule: Rule,
    pub(crate) failure_message: Option<String>,
}

impl Precondition {
    pub(crate) fn of(pointer: &str, value: &Value) -> Result<Self, Vec<Problem>> {
        let problem = |code, key: &str, message: &str| Problem::new(code, format!("{pointer}{key}"), message);
        let Value::Object(map) = value else {
            return Err(vec![problem("precondition-invalid", "", "a precondition is an object")]);
        };
        let none = Map::new();
        let context = fields::section(map, "context").unwrap_or(&none);
        let mut problems = Vec::new();
        let mut needed = |key: &str, message: &str| match text(context, key) {
            Some(text) => text,
            None => {
                problems.push(problem("precondition-invalid", &format!("/context/{key}"), message));
                String::new()
            }
        };
        let rule = match fields::text(map, "type") {
            Some("expression") => Rule::Expression(needed("expression", "which expression is to be true?")),
            Some("stageStatus") => Rule::StageStatus {
                stage: needed("stageName", "which stage is meant?"),
                status: needed("stageStatus", "how is the stage to have ended?"),
            },
            Some("clusterSize") => {
                return Err(vec![problem(
                    "precondition-unsupported",
                    "/type",
                    "the size of a cluster cannot be checked here: it counts server groups",
                )]);
            }
            Some(other) => {
                let message = format!("there is no precondition of type \"{}\"", fields::cut(other, 100));
                return Err(vec![problem("precondition-unsupported", "/type", &message)]);
            }
            None => return Err(vec![problem("precondition-invalid", "/type", "a precondition needs a type")]),
        };
        let failure_message = text(context, "failureMessage");
        if problems.is_empty() { Ok(Self { rule, failure_message }) } else { Err(problems) }
    }

    /// Its name among stages.
    pub(crate) fn name(&self) -> &'static str {
        match self.rule {
            Rule::Expression(_) => "Check expression",
            Rule::StageStatus { .. } => "Check stage status",
        }
    }
}

/// A text that is not blank. JSON that says true or false means the text that does.
fn text(context: &Map<String, Value>, key: &str) -> Option<String> {
    match context.get(key) {
        Some(Value::Bool(flag)) => Some(flag.to_string()),
        _ => fields::text(context, key).map(str::to_owned),
    }
}
