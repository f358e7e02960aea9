//! Trying expressions: a text, or a whole document, as a stage of a past execution would see it, or with names made up for the trial.
//! Nothing is started, stored or fetched.

use crate::error::AppError;
use crate::execution::follow::{self, Ports};
use crate::execution::scope::Asked;
use crate::ports::Moment;
use expression::{Error, Host, Located, Scope};
use model::id::ExecutionId;
use model::person::{Action, Principal, may};
use serde::Serialize;
use serde_json::{Map, Value};

pub use expression::{Explanation, Line, explain};

/// Most texts with expressions of one trial.
pub const TEXTS_MAX: usize = 200;

/// What is to be evaluated, and what it may see.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// A text, or a document whose texts are evaluated, such as a whole stage.
    pub value: Value,
    /// An execution whose trigger, parameters and outputs are seen.
    pub execution: Option<ExecutionId>,
    /// A stage of it: then only what that one would see. Otherwise everything it has left so far.
    pub stage: Option<String>,
    /// Names that come before all others.
    pub context: Map<String, Value>,
}

/// What came of it: a value, or everything that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Evaluated {
    /// The value; null where something is wrong.
    pub value: Value,
    /// What is wrong.
    pub errors: Vec<Wrong>,
}

/// An expression that has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// Where in the document its text stands, as a JSON pointer; empty for a text alone.
    pub pointer: String,
    /// First byte in the text that is wrong.
    pub position: u32,
    /// First byte after it.
    pub end: u32,
    /// Stable, kebab-case.
    pub reason: String,
    /// For people.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl From<Located> for Wrong {
    fn from(Located { pointer, error }: Located) -> Self {
        let Error { position, end, reason, message, suggestion } = error;
        Self { pointer, position, end, reason: reason.to_owned(), message, suggestion }
    }
}

/// Evaluates for somebody who may read the execution.
pub async fn evaluate(ports: Ports<'_>, caller: &Principal, trial: &Trial, seed: u64) -> Result<Evaluated, AppError> {
    crate::error::require(may(caller, Action::Read))?;
    bounded(&trial.value)?;
    let moment = Moment { now_ms: ports.clock.now_ms(), seed };
    let Some(id) = &trial.execution else {
        if trial.stage.is_some() {
            return Err(AppError::invalid("/stage", "execution-missing", "a stage is one of an execution: say which"));
        }
        return Ok(evaluated(&trial.value, &trial.context, &Asked::at(moment, None)));
    };
    let scope = follow::scope(ports, caller, id, trial.stage.as_deref()).await?;
    Ok(evaluated(&trial.value, &scope.with(&trial.context), &scope.asked(moment)))
}

/// Evaluates with made-up names alone: what `waybill expressions evaluate` does without a server.
pub fn evaluate_alone(value: &Value, context: &Map<String, Value>, moment: Moment) -> Result<Evaluated, AppError> {
    bounded(value)?;
    Ok(evaluated(value, context, &Asked::at(moment, None)))
}

fn evaluated(value: &Value, scope: &dyn Scope, host: &dyn Host) -> Evaluated {
    match expression::resolve_with(value, scope, host) {
        Ok(value) => Evaluated { value, errors: Vec::new() },
        Err(errors) => Evaluated { value: Value::Null, errors: errors.into_iter().map(Wrong::from).collect() },
    }
}

fn bounded(value: &Value) -> Result<(), AppError> {
    let texts = count(value, 0);
    if texts > TEXTS_MAX {
        let message =
            format!("a trial has at most {TEXTS_MAX} texts with expressions, nested no deeper than others; here are {texts} or more");
        return Err(AppError::invalid("/value", "too-large", message));
    }
    Ok(())
}

/// Texts with expressions; what is nested too deep counts as too many.
fn count(value: &Value, depth: usize) -> usize {
    if depth > expression::limits::DEPTH_MAX {
        return TEXTS_MAX + 1;
    }
    match value {
        Value::String(text) => usize::from(expression::has_expression(text)),
        Value::Array(items) => items.iter().fold(0, |sum, item| sum.saturating_add(count(item, depth + 1))),
        Value::Object(map) => map.iter().fold(0, |sum, (key, item)| {
            sum.saturating_add(usize::from(expression::has_expression(key))).saturating_add(count(item, depth + 1))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MOMENT: Moment = Moment { now_ms: 1_700_000_000_000, seed: 1 };

    fn alone(value: Value, context: Value) -> Evaluated {
        evaluate_alone(&value, context.as_object().unwrap(), MOMENT).unwrap()
    }

    #[test]
    fn documents_and_texts_are_evaluated_with_made_up_names() {
        let context = json!({"parameters": {"version": "7"}});
        assert_eq!(alone(json!("v${parameters.version}"), context.clone()).value, json!("v7"));
        let stage = json!({"name": "Deploy ${parameters.version}", "count": "${1 + 1}", "plain": [true]});
        assert_eq!(alone(stage, context).value, json!({"name": "Deploy 7", "count": 2, "plain": [true]}));
        assert_eq!(alone(json!("${new java.util.Date().getTime()}"), json!({})).value, json!(1_700_000_000_000_i64));
    }

    #[test]
    fn everything_that_is_wrong_is_said_with_its_place() {
        let wrong = alone(json!({"a": ["${parameters.verison}"], "b": "${1 +}"}), json!({"parameters": {"version": "7"}}));
        assert_eq!(wrong.value, Value::Null);
        let places: Vec<&str> = wrong.errors.iter().map(|wrong| wrong.pointer.as_str()).collect();
        assert_eq!(places, ["/a/0", "/b"]);
        assert_eq!(wrong.errors[0].suggestion.as_deref(), Some("version"), "{wrong:?}");
        assert!(wrong.errors[0].message.contains("verison"), "{wrong:?}");
    }

    #[test]
    fn a_trial_is_bounded() {
        let many = |count: usize| json!(vec!["${1}"; count]);
        assert!(evaluate_alone(&many(TEXTS_MAX), &Map::new(), MOMENT).is_ok());
        assert!(matches!(evaluate_alone(&many(TEXTS_MAX + 1), &Map::new(), MOMENT), Err(AppError::Invalid(_))));
        let deep = (0..expression::limits::DEPTH_MAX + 2).fold(json!(1), |inner, _| json!([inner]));
        assert!(matches!(evaluate_alone(&deep, &Map::new(), MOMENT), Err(AppError::Invalid(_))));
    }
}
