//! Stage type `evaluateVariables`: gives names to values, in order, for the stages downstream.
//!
//! The values reach it as they were written and are evaluated here, one after the other, each with the variables before it in
//! sight. What cannot be evaluated has no value: its text is never handed on in its place.
#![allow(clippy::result_large_err, reason = "a failure is built once and ends its step; boxing it would only hide that")]

use sdk::contract::{Blame, Failure, Outcome, Results, StepInput};
use sdk::fields;
use sdk::host::Expressions;
use sdk::manifest::{self, Problem};
use serde_json::{Map, Value, json};

/// Most variables of a stage.
pub const VARIABLES_MAX: usize = 100;
/// Most texts with expressions in all variables together.
pub const TEXTS_MAX: usize = 250;
/// Deepest value.
pub const DEPTH_MAX: usize = 32;
/// Longest name.
pub const KEY_CHARS_MAX: usize = 200;
const SHOWN_CHARS_MAX: usize = 200;
const LIST: &str = "variables";
const INVALID: &str = "variable-invalid";

/// The manifest.
pub fn describe() -> String {
    include_str!("../manifest.json").to_owned()
}

/// Every problem of the parameters, as (JSON pointer, message).
pub fn validate(params: &str) -> Vec<(String, String)> {
    let stage = match fields::object(params) {
        Ok(stage) => stage,
        Err(failure) => return vec![(String::new(), failure.message)],
    };
    let problems = variables(&stage).err().unwrap_or_default();
    problems.into_iter().map(|problem| (problem.pointer, problem.message)).collect()
}

/// One step: all variables.
///
/// # Errors
/// One of the manifest's `failures`.
pub fn step<H: Expressions>(input: &StepInput, host: &mut H) -> Result<Outcome, Failure> {
    let stage = fields::object(&input.params)?;
    let variables = variables(&stage).map_err(|problems| manifest::failure(&problems))?;
    let soft = fields::flag(stage.get("failOnFailedExpressions")) == Some(false);
    let mut evaluation = Evaluation { host, values: Map::new(), texts: 0 };
    let mut failed = Vec::new();
    for Variable { pointer, key, value } in &variables {
        match evaluation.value(pointer, key, value, 0) {
            Ok(value) => {
                evaluation.values.insert((*key).to_owned(), value);
            }
            Err(Trouble::Expression(what)) if soft => {
                // An earlier variable of that name does not stand in for one that has no value.
                evaluation.values.remove(*key);
                failed.push(what);
            }
            Err(trouble) => return Err(trouble.failure()),
        }
    }
    let count = evaluation.values.len();
    let mut message = match count {
        1 => "1 variable has its value".to_owned(),
        _ => format!("{count} variables have their values"),
    };
    if !failed.is_empty() {
        let names: Vec<&str> = failed.iter().filter_map(|what| what.get("key").and_then(Value::as_str)).collect();
        message = format!("{message}; without one, because it cannot be evaluated: {}", names.join(", "));
    }
    let mut results = Results::of(&Value::Object(evaluation.values), message);
    if !failed.is_empty() {
        let mut context: Map<String, Value> = fields::object(&results.context)?;
        context.insert("expressionEvaluationSummary".to_owned(), Value::Array(failed));
        results.context = Value::Object(context).to_string();
    }
    Ok(Outcome::Succeeded(results))
}

/// A variable as it was written.
#[derive(Debug)]
struct Variable<'a> {
    pointer: String,
    key: &'a str,
    value: &'a Value,
}

/// The list of the stage; every problem of it at once.
fn variables(stage: &Map<String, Value>) -> Result<Vec<Variable<'_>>, Vec<Problem>> {
    let pointer = format!("/{LIST}");
    let list = match stage.get(LIST) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(vec![Problem::new(INVALID, pointer, "this is not a list of variables")]),
    };
    if list.len() > VARIABLES_MAX {
        let message = format!("there are {} variables; a stage has at most {VARIABLES_MAX}", list.len());
        return Err(vec![Problem::new("too-many-variables", pointer, message)]);
    }
    let mut found = Vec::with_capacity(list.len());
    let mut problems = Vec::new();
    for (at, entry) in list.iter().enumerate() {
        match variable(format!("{pointer}/{at}"), entry) {
            Ok(variable) => found.push(variable),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn variable(pointer: String, entry: &Value) -> Result<Variable<'_>, Problem> {
    let Value::Object(map) = entry else {
        return Err(Problem::new(INVALID, pointer, "a variable is an object with a key and a value"));
    };
    let Some(key) = fields::text(map, "key") else {
        return Err(Problem::new(INVALID, format!("{pointer}/key"), "the variable has no name"));
    };
    if key.chars().count() > KEY_CHARS_MAX {
        let message = format!("a variable's name has at most {KEY_CHARS_MAX} characters");
        return Err(Problem::new(INVALID, format!("{pointer}/key"), message));
    }
    if key.contains("${") {
        return Err(Problem::new(INVALID, format!("{pointer}/key"), "a variable's name holds no expression"));
    }
    Ok(Variable { pointer: format!("{pointer}/value"), key, value: map.get("value").unwrap_or(&Value::Null) })
}

/// Why a value is none.
enum Trouble {
    /// What it says cannot be evaluated; for people.
    Expression(Value),
    /// Something else, and what.
    Other(Failure),
}

impl Trouble {
    fn failure(self) -> Failure {
        match self {
            Self::Expression(what) => {
                let text = |key: &str| what.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                let message = format!("variable {}: {} (in {})", text("key"), text("message"), text("expression"));
                let blame = if text("reason") == "not-json" { Blame::Platform } else { Blame::User };
                Failure::new("expression-failed", blame, message).with_details(&what)
            }
            Self::Other(failure) => failure,
        }
    }
}

struct Evaluation<'a, H> {
    host: &'a mut H,
    /// Those that have a value, in sight of those that follow.
    values: Map<String, Value>,
    texts: usize,
}

impl<H: Expressions> Evaluation<'_, H> {
    fn value(&mut self, pointer: &str, key: &str, value: &Value, depth: usize) -> Result<Value, Trouble> {
        if depth > DEPTH_MAX {
            let message = format!("{pointer}: the value is nested deeper than {DEPTH_MAX}");
            return Err(Trouble::Other(Failure::user("too-deep", message)));
        }
        match value {
            Value::String(text) if text.contains("${") => self.text(pointer, key, text),
            Value::Array(items) => {
                let each = |(at, item): (usize, &Value)| self.value(&format!("{pointer}/{at}"), key, item, depth + 1);
                Ok(Value::Array(items.iter().enumerate().map(each).collect::<Result<_, _>>()?))
            }
            Value::Object(map) => {
                let mut out = Map::with_capacity(map.len());
                for (name, item) in map {
                    let below = fields::pointer(pointer, name);
                    let name = if name.contains("${") { fields::spelled(&self.text(&below, key, name)?) } else { name.clone() };
                    out.insert(name, self.value(&below, key, item, depth + 1)?);
                }
                Ok(Value::Object(out))
            }
            plain => Ok(plain.clone()),
        }
    }

    fn text(&mut self, pointer: &str, key: &str, text: &str) -> Result<Value, Trouble> {
        self.texts += 1;
        if self.texts > TEXTS_MAX {
            let message = format!("the variables hold more than {TEXTS_MAX} texts with expressions");
            return Err(Trouble::Other(Failure::user("too-many-variables", message)));
        }
        let failed = |position: u32, reason: &str, message: &str| {
            let shown = fields::cut(text, SHOWN_CHARS_MAX);
            Trouble::Expression(json!({
                "key": key, "pointer": pointer, "expression": shown, "position": position, "reason": reason, "message": message,
            }))
        };
        let locals = Value::Object(self.values.clone()).to_string();
        let found = self.host.evaluate(text, &locals).map_err(|error| failed(error.position, &error.reason, &error.message))?;
        serde_json::from_str(&found).map_err(|error| failed(0, "not-json", &error.to_string()))
    }
}

sdk::export_stage!(describe: crate::describe, validate: crate::validate, step: crate::step);

#[cfg(test)]
mod tests;
