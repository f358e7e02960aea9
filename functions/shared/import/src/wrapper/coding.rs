//! Calls of CODING's Open API: the pipeline is a text within the call, under `PipelineJsonContent`.

use super::{Contents, Found, Object, Wrapper, any, below};
use crate::flaw::Flaw;
use crate::json;
use serde_json::Value;

const CONTENT: &str = "PipelineJsonContent";
/// What answers are wrapped in.
const AROUND: [&str; 6] = ["Response", "Data", "Pipeline", "Pipelines", "PipelineConfig", "PipelineConfigs"];

fn content(object: &Object) -> Option<(&String, &Value)> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(CONTENT))
}

/// Whether there is such a text in it, or in what an answer wraps it in.
pub(super) fn holds(object: &Object, depth: usize) -> bool {
    let within = |value: &Value| match value {
        Value::Object(inner) => holds(inner, depth + 1),
        Value::Array(items) => items.iter().filter_map(Value::as_object).any(|inner| holds(inner, depth + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    content(object).is_some() || (depth < 3 && AROUND.iter().filter_map(|key| object.get(*key)).any(within))
}

pub(super) fn open(object: Object, at: &str, depth: usize, contents: &mut Contents) {
    if content(&object).is_none() {
        for (key, value) in object {
            let place = below(at, &key);
            match value {
                Value::Array(items) => {
                    for (index, item) in items.into_iter().enumerate() {
                        any(item, &format!("{place}/{index}"), depth + 1, contents);
                    }
                }
                value if AROUND.contains(&key.as_str()) => any(value, &place, depth + 1, contents),
                _ => {}
            }
        }
        return;
    }
    let text = |key: &str| object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let (application, name) = (text("Application"), text("PipelineName").or_else(|| text("Name")));
    let Some((key, value)) = content(&object) else { return };
    let place = below(at, key);
    let first = contents.pipelines.len();
    match value {
        Value::String(inner) => written(inner, &place, depth, contents),
        Value::Object(_) => any(value.clone(), &place, depth + 1, contents),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {}
    }
    if contents.pipelines.len() == first {
        let mut found = Found::new(&place, Wrapper::Coding, Value::Null);
        found.errors.push(Flaw::at("", "no-pipeline", format!("`{CONTENT}` holds no pipeline")));
        contents.pipelines.push(found);
    }
    for found in contents.pipelines.get_mut(first..).unwrap_or_default() {
        found.wrapper = Wrapper::Coding;
        found.application = found.application.take().or_else(|| application.clone());
        found.name = found.name.take().or_else(|| name.clone());
    }
}

/// Places within the text count from its own beginning.
fn written(text: &str, at: &str, depth: usize, contents: &mut Contents) {
    let within = |mut flaw: Flaw| {
        flaw.message = format!("in the text of `{CONTENT}`: {}", flaw.message);
        flaw
    };
    let document = match json::read(text) {
        Ok(document) => document,
        Err(flaw) => {
            let mut found = Found::new(at, Wrapper::Coding, Value::Null);
            found.errors.push(within(*flaw));
            contents.pipelines.push(found);
            return;
        }
    };
    let first = contents.pipelines.len();
    let value = document.value;
    let bare = value.is_object() && Wrapper::of(&value).is_none();
    if bare {
        contents.pipelines.push(Found::new("", Wrapper::Coding, value))
    } else {
        any(value, "", depth + 1, contents)
    }
    for found in contents.pipelines.get_mut(first..).unwrap_or_default() {
        found.spellings = document.spellings.below(&found.at);
        found.at = format!("{at}{}", found.at);
        found.errors.extend(document.errors.iter().chain(&document.actions).cloned().map(within));
        found.warnings.extend(document.warnings.iter().cloned().map(within));
    }
}
