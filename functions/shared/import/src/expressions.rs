//! Every expression of a pipeline, parsed and not evaluated.
//!
//! Where expressions are evaluated at all is the engine's rule: in stages, in expected artifacts, in what is sent to people;
//! never in triggers nor in what declares parameters.

use crate::limits::{FAILED_MAX, SHOWN_CHARS_MAX};
use crate::walk::{objects, step, texts};
use expression::{Template, has_expression};
use serde::Serialize;
use serde_json::{Map, Value};

/// Settings that name other things, and are never evaluated.
const NEVER: [&str; 5] = ["refId", "requisiteStageRefIds", "type", "stageEnabled", "waybill"];
/// Settings left alone when the stage says so.
const MANIFESTS: [&str; 3] = ["manifests", "manifest", "patchBody"];

/// Functions that fetch something from outside.
const FETCHING: [&str; 4] = ["#fromUrl(", "#jsonFromUrl(", "#yamlFromUrl(", "#propertiesFromUrl("];

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expressions {
    /// So many are well-formed.
    pub parsed: usize,
    /// Those that are not.
    pub failed: Vec<Failed>,
    /// Stages whose settings hold any.
    #[serde(skip)]
    pub stages: Vec<usize>,
    /// Functions that fetch something from outside, and where.
    #[serde(skip)]
    pub fetching: Vec<(String, &'static str)>,
}

/// An expression that is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Where its text stands.
    pub pointer: String,
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub message: String,
}

/// Parses them all.
#[must_use]
pub fn parse(document: &Value) -> Expressions {
    let mut all = Expressions::default();
    for (at, stage) in objects(document, "stages") {
        let pointer = format!("/stages/{at}");
        if let Some(Value::String(condition)) = stage.get("stageEnabled").and_then(|enabled| enabled.get("expression")) {
            all.condition(&format!("{pointer}/stageEnabled/expression"), condition);
        }
        let before = (all.parsed, all.failed.len());
        all.stage(stage, &mut pointer.clone());
        if before != (all.parsed, all.failed.len()) {
            all.stages.push(at);
        }
    }
    for key in ["expectedArtifacts", "notifications"] {
        if let Some(value) = document.get(key) {
            all.settings(value, &mut format!("/{key}"));
        }
    }
    all
}

impl Expressions {
    fn stage(&mut self, stage: &Map<String, Value>, pointer: &mut String) {
        let skips = stage.get("skipExpressionEvaluation").is_some_and(model::pipeline::truthy);
        for (key, value) in stage {
            if NEVER.contains(&key.as_str()) || (skips && MANIFESTS.contains(&key.as_str())) {
                continue;
            }
            step(pointer, key, |pointer| match key.as_str() {
                "preconditions" => self.preconditions(value, pointer),
                _ => self.settings(value, pointer),
            });
        }
    }

    /// Expressions of preconditions may stand without anything around them.
    fn preconditions(&mut self, value: &Value, pointer: &mut String) {
        let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
        for (at, precondition) in list.iter().enumerate() {
            let expression = precondition.get("context").and_then(|context| context.get("expression")).and_then(Value::as_str);
            if let Some(expression) = expression.filter(|text| !text.trim().is_empty() && !has_expression(text)) {
                self.condition(&format!("{pointer}/{at}/context/expression"), expression);
            }
        }
        self.settings(value, pointer);
    }

    /// Texts and keys with expressions in them.
    fn settings(&mut self, value: &Value, pointer: &mut String) {
        keys(value, pointer, &mut |pointer, key| self.template(pointer, key));
        texts(value, pointer, &mut |pointer, text| self.template(pointer, text));
    }

    fn template(&mut self, pointer: &str, text: &str) {
        if has_expression(text) {
            self.count(pointer, text, Template::parse(text));
        }
    }

    fn condition(&mut self, pointer: &str, text: &str) {
        if !text.trim().is_empty() {
            let parsed = if has_expression(text) { Template::parse(text) } else { Template::bare(text) };
            self.count(pointer, text, parsed);
        }
    }

    fn count(&mut self, pointer: &str, text: &str, parsed: Result<Template, expression::Error>) {
        match parsed {
            Ok(_) => {
                let opened = text.matches("${").count() - text.matches("$${").count();
                self.parsed += if has_expression(text) { opened } else { 1 };
                let fetching = FETCHING.iter().filter(|function| text.contains("romUrl(") && text.contains(**function));
                for function in fetching.take(FAILED_MAX.saturating_sub(self.fetching.len())) {
                    self.fetching.push((pointer.to_owned(), function));
                }
            }
            Err(error) => {
                if self.failed.len() < FAILED_MAX {
                    let text = shown(text);
                    self.failed.push(Failed { pointer: pointer.to_owned(), text, message: error.message });
                }
            }
        }
    }
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn keys<'v>(value: &'v Value, pointer: &mut String, visit: &mut dyn FnMut(&str, &'v str)) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate().filter(|(_, item)| item.is_array() || item.is_object()) {
                step(pointer, &index.to_string(), |pointer| keys(item, pointer, visit));
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                step(pointer, key, |pointer| {
                    visit(pointer, key);
                    keys(item, pointer, visit);
                });
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_expression_is_parsed_where_it_would_be_evaluated() {
        let document = json!({
            "triggers": [{"type": "docker", "tag": "${never}"}],
            "parameterConfig": [{"name": "x", "default": "${never"}],
            "expectedArtifacts": [{"id": "a", "defaultArtifact": {"reference": "x:${parameters.tag}"}}],
            "stages": [
                {"type": "wait", "refId": "${no", "name": "Wait ${1}", "waitTime": "${#toInt(parameters.w)}", "stageEnabled": {"type": "expression", "expression": "#judgment('a') == 'b'"}},
                {"type": "checkPreconditions", "preconditions": [{"type": "expression", "context": {"expression": "parameters.x == "}}]},
                {"type": "deployManifest", "skipExpressionEvaluation": true, "manifests": [{"a": "${FOO:-x}"}]},
                {"type": "deployManifest", "manifests": [{"${key}": "a${b}c${d} $${not}", "e": "${FOO:-x}"}]},
            ]
        });
        let all = parse(&document);
        assert_eq!(all.parsed, 1 + 3 + 3, "{all:?}");
        let failed: Vec<_> = all.failed.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(failed, ["/stages/1/preconditions/0/context/expression", "/stages/3/manifests/0/e"]);
        assert_eq!(all.stages, [0, 1, 3]);
    }

    #[test]
    fn what_fetches_is_found() {
        let document = json!({"stages": [{"type": "x", "a": "${#jsonFromUrl('http://h/x')['a']}", "b": "${#fromUrl('http://h')}"}]});
        let functions: Vec<_> = parse(&document).fetching.into_iter().map(|(_, f)| f).collect();
        assert_eq!(functions, ["#jsonFromUrl(", "#fromUrl("]);
    }
}
