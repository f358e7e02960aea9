//! Stage type `checkPreconditions`: unfolds into one stage for each of its preconditions, all at once; such a stage checks one.
//!
//! Preconditions reach it as they were written. What is an expression in them is evaluated here, where the precondition is
//! checked and nowhere before, so each text is evaluated once and a false condition differs from one that makes no sense.
#![allow(clippy::result_large_err, reason = "a failure is built once and ends its step; boxing it would only hide that")]

mod check;
mod evaluate;
mod precondition;
mod unfold;

use sdk::contract::{Failure, Outcome, Part, Results, StepInput};
use sdk::fields;
use sdk::host::{Context, Expressions};
use sdk::manifest;
use serde_json::{Map, Value};

use crate::precondition::Precondition;
use crate::unfold::listed;

/// The stage's own type, and that of the stages it unfolds into.
const TYPE: &str = "checkPreconditions";
/// The settings of a stage that unfolds, and of one that checks.
const MANY: &str = "preconditions";
const ONE: &str = "precondition";

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
    let problems = match (listed(&stage), single(&stage)) {
        (Err(problems), _) => problems,
        (Ok(Some(list)), _) => list.iter().filter_map(|(pointer, value)| Precondition::of(pointer, value).err()).flatten().collect(),
        (Ok(None), Some(value)) => Precondition::of("/precondition", value).err().unwrap_or_default(),
        (Ok(None), None) => Vec::new(),
    };
    problems.into_iter().map(|problem| (problem.pointer, problem.message)).collect()
}

/// The stages it unfolds into: before its own step, one for each precondition; never any others.
///
/// # Errors
/// When a precondition cannot be understood, or there are too many.
pub fn plan<H: Expressions>(part: Part, input: &StepInput, host: &mut H) -> Result<Vec<Value>, Failure> {
    if part != Part::Before {
        return Ok(Vec::new());
    }
    unfold::children(&fields::object(&input.params)?, host)
}

/// One step: the check of one precondition, or nothing when others have checked them.
///
/// # Errors
/// One of the manifest's `failures`: the precondition is not met, or cannot be checked.
pub fn step<H: Expressions + Context>(input: &StepInput, host: &mut H) -> Result<Outcome, Failure> {
    let stage = fields::object(&input.params)?;
    let list = listed(&stage).map_err(|problems| manifest::failure(&problems))?;
    match (list, single(&stage)) {
        (Some(list), _) => Ok(Outcome::Succeeded(Results::message(match list.len() {
            0 => "there is nothing to check".to_owned(),
            1 => "1 precondition was checked".to_owned(),
            count => format!("{count} preconditions were checked"),
        }))),
        (None, Some(value)) => {
            let precondition = Precondition::of("/precondition", value).map_err(|problems| manifest::failure(&problems))?;
            check::check(&precondition, host)
        }
        (None, None) => Ok(Outcome::Succeeded(Results::message("there is nothing to check"))),
    }
}

/// The precondition of a stage that checks one.
fn single(stage: &Map<String, Value>) -> Option<&Value> {
    stage.get(ONE).filter(|value| !value.is_null())
}

sdk::export_stage!(describe: crate::describe, validate: crate::validate, step: crate::step, plan: crate::plan);

#[cfg(test)]
mod tests;
