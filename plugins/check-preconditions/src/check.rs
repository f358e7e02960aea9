//! The check of one precondition: it holds, it does not, or it cannot be told.

use sdk::contract::{Blame, Failure, Outcome, Results};
use sdk::fields;
use sdk::host::{Context, Expressions};
use serde_json::{Value, json};

use crate::evaluate;
use crate::precondition::{Precondition, Rule};

const SHOWN_CHARS_MAX: usize = 200;

pub(crate) fn check<H: Expressions + Context>(precondition: &Precondition, host: &mut H) -> Result<Outcome, Failure> {
    match &precondition.rule {
        Rule::Expression(text) => expression(precondition, text, host),
        Rule::StageStatus { stage, status } => stage_status(precondition, stage, status, host),
    }
}

fn expression<H: Expressions>(precondition: &Precondition, text: &str, host: &mut H) -> Result<Outcome, Failure> {
    let template = if text.contains("${") { text.to_owned() } else { format!("${{ {text} }}") };
    let value = evaluate::template("the condition", &template, host)?;
    let context = json!({"preconditionType": "expression", "expressionResult": value});
    let shown = fields::cut(text, SHOWN_CHARS_MAX);
    match fields::flag(Some(&value)) {
        Some(true) => Ok(met(&context, format!("{shown} is true"))),
        Some(false) => not_met(precondition, &context, format!("the condition is false: {shown}"), host),
        None => {
            let found = fields::cut(&fields::spelled(&value), SHOWN_CHARS_MAX);
            not_met(precondition, &context, format!("the condition is neither true nor false, but {found}: {shown}"), host)
        }
    }
}

fn stage_status<H: Expressions + Context>(
    precondition: &Precondition,
    stage: &str,
    status: &str,
    host: &mut H,
) -> Result<Outcome, Failure> {
    // The stages of a dry run have not done what a status would speak of.
    if fields::flag(look_up("/trigger/dryRun", host)?.as_ref()) == Some(true) {
        return Ok(Outcome::Skipped(Results::message("the status of a stage is not checked in a dry run")));
    }
    let stage = evaluate::text("the stage's name", stage, host)?;
    let status = evaluate::text("the stage's status", status, host)?;
    let pointer = format!("{}/status", fields::pointer("/stages", &stage));
    let Some(found) = look_up(&pointer, host)? else {
        let details = json!({"stageName": stage, "stageStatus": status});
        return Err(Failure::user("stage-not-found", format!("no stage named \"{stage}\" comes before this one")).with_details(&details));
    };
    let found = fields::spelled(&found);
    let context = json!({"preconditionType": "stageStatus", "stageName": stage, "stageStatus": status, "foundStatus": found});
    if found == status {
        return Ok(met(&context, format!("{stage} is {status}")));
    }
    not_met(precondition, &context, format!("{stage} is {found}, not {status}"), host)
}

fn look_up<H: Context>(pointer: &str, host: &mut H) -> Result<Option<Value>, Failure> {
    let unavailable = |why: String| Failure::new("context-unavailable", Blame::Platform, format!("{pointer} cannot be looked up: {why}"));
    let text = host.lookup(pointer).map_err(unavailable)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| unavailable(error.to_string()))).transpose()
}

fn met(context: &Value, message: String) -> Outcome {
    Outcome::Succeeded(results(context, message))
}

/// The precondition's own words come first; what was found stays in the details.
fn not_met<H: Expressions>(precondition: &Precondition, context: &Value, found: String, host: &mut H) -> Result<Outcome, Failure> {
    let words = match &precondition.failure_message {
        // A message that cannot be evaluated must not hide that the precondition does not hold.
        Some(text) => evaluate::text("the failure message", text, host).unwrap_or_else(|_| text.clone()),
        None => found.clone(),
    };
    let mut details = context.clone();
    if let Some(map) = details.as_object_mut() {
        map.insert("found".to_owned(), json!(found));
    }
    Err(Failure::user("precondition-not-met", words.clone()).with_details(&details).with_results(results(context, words)))
}

/// Visible as the stage's context; later stages do not find it by bare name.
fn results(context: &Value, message: String) -> Results {
    Results { outputs: "{}".to_owned(), ..Results::of(context, message) }
}
