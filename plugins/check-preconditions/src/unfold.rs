//! From preconditions to stages: one each, beside each other, with the stage's own settings and what the precondition says.

use sdk::contract::{Failure, PLANNED_MAX};
use sdk::fields;
use sdk::host::Expressions;
use sdk::manifest::{self, Problem};
use serde_json::{Map, Value, json};

use crate::precondition::Precondition;
use crate::{MANY, ONE, TYPE, evaluate};

/// What decides how a failure counts.
const FAILURE_OPTIONS: [&str; 3] = ["failPipeline", "continuePipeline", "completeOtherBranchesThenFail"];

/// Preconditions, each with its pointer.
type Listed<'a> = Vec<(String, &'a Value)>;

/// The preconditions of a stage that unfolds, a single object as a list of one; `None` when it does not unfold.
pub(crate) fn listed(stage: &Map<String, Value>) -> Result<Option<Listed<'_>>, Vec<Problem>> {
    let list = match stage.get(MANY) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(items)) => items.iter().enumerate().map(|(index, item)| (format!("/{MANY}/{index}"), item)).collect(),
        Some(one @ Value::Object(_)) => vec![(format!("/{MANY}"), one)],
        Some(_) => return Err(vec![Problem::new("precondition-invalid", format!("/{MANY}"), "the preconditions are a list")]),
    };
    if list.len() > PLANNED_MAX {
        let message = format!("{} preconditions; {PLANNED_MAX} are allowed", list.len());
        return Err(vec![Problem::new("too-many-preconditions", format!("/{MANY}"), message)]);
    }
    Ok(Some(list))
}

/// The stages, in the order of the preconditions.
pub(crate) fn children<H: Expressions>(stage: &Map<String, Value>, host: &mut H) -> Result<Vec<Value>, Failure> {
    let list = listed(stage).map_err(|problems| manifest::failure(&problems))?.unwrap_or_default();
    let mut problems = Vec::new();
    let mut names: Vec<&'static str> = Vec::new();
    let mut children = Vec::with_capacity(list.len());
    for (index, (pointer, value)) in list.iter().enumerate() {
        let precondition = match Precondition::of(pointer, value) {
            Ok(precondition) => precondition,
            Err(found) => {
                problems.extend(found);
                continue;
            }
        };
        names.push(precondition.name());
        let same = names.iter().filter(|name| **name == precondition.name()).count();
        let name = if same == 1 { precondition.name().to_owned() } else { format!("{} {same}", precondition.name()) };
        let mut child = json!({"refId": (index + 1).to_string(), "requisiteStageRefIds": [], "type": TYPE, "name": name, ONE: value});
        if let Value::Object(child) = &mut child {
            child.extend(failure_options(stage, pointer, value, host)?);
        }
        children.push(child);
    }
    if problems.is_empty() { Ok(children) } else { Err(manifest::failure(&problems)) }
}

/// The stage's own, unless the precondition has a word in it.
fn failure_options<H: Expressions>(
    stage: &Map<String, Value>,
    pointer: &str,
    precondition: &Value,
    host: &mut H,
) -> Result<Map<String, Value>, Failure> {
    let said = match precondition.get("failPipeline") {
        Some(value) if fields::unresolved(value) => {
            Some(evaluate::template(&format!("{pointer}/failPipeline"), value.as_str().unwrap_or_default(), host)?)
        }
        said => said.cloned(),
    };
    let fails = match &said {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.trim().is_empty() => None,
        Some(value) => Some(fields::flag(Some(value)).ok_or_else(|| not_a_flag(pointer))?),
    };
    let options = match fails {
        Some(fails) => FAILURE_OPTIONS.into_iter().map(|key| (key.to_owned(), json!(fails && key == "failPipeline"))).collect(),
        None => FAILURE_OPTIONS.into_iter().filter_map(|key| Some((key.to_owned(), stage.get(key)?.clone()))).collect(),
    };
    Ok(options)
}

fn not_a_flag(pointer: &str) -> Failure {
    manifest::failure(&[Problem::new("precondition-invalid", format!("{pointer}/failPipeline"), "true or false")])
}
