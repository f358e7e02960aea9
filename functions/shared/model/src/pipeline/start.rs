//! What must hold of the parameters that somebody gives to start a pipeline. Enforced here, not by a form.

use super::Parameter;
use serde_json::{Map, Value};

/// A parameter that refuses the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidParameter {
    /// Its name.
    pub name: String,
    /// Stable, kebab-case.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// Fills in defaults and checks what was given. Parameters that are not declared are kept.
pub fn bind_parameters(declared: &[Parameter], given: &Map<String, Value>) -> Result<Map<String, Value>, Vec<InvalidParameter>> {
    let mut bound = given.clone();
    let mut problems = Vec::new();
    for parameter in declared {
        let refuse = |code, message| InvalidParameter { name: parameter.name.clone(), code, message };
        if !bound.contains_key(&parameter.name) && !parameter.default.is_null() {
            bound.insert(parameter.name.clone(), parameter.default.clone());
        }
        let value = bound.get(&parameter.name).filter(|v| !v.is_null());
        let blank = value.is_none_or(|v| v.as_str().is_some_and(|s| s.trim().is_empty()));
        if blank && parameter.required {
            problems.push(refuse("parameter-missing", format!("parameter `{}` is required", parameter.name)));
        }
        if let Some(value) = value
            && !blank
            && parameter.has_options
            && !parameter.options.iter().any(|o| text(o) == text(value))
        {
            let options: Vec<String> = parameter.options.iter().map(text).collect();
            let message = format!("parameter `{}` must be one of {}", parameter.name, options.join(", "));
            problems.push(refuse("parameter-not-an-option", message));
        }
    }
    if problems.is_empty() { Ok(bound) } else { Err(problems) }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parameter(json: Value) -> Parameter {
        serde_json::from_value(json).unwrap()
    }

    fn given(json: Value) -> Map<String, Value> {
        json.as_object().unwrap().clone()
    }

    #[test]
    fn defaults_fill_only_what_is_missing() {
        let declared = [parameter(json!({"name": "x", "default": "d"}))];
        assert_eq!(bind_parameters(&declared, &given(json!({}))).unwrap(), given(json!({"x": "d"})));
        assert_eq!(bind_parameters(&declared, &given(json!({"x": "", "y": 1}))).unwrap(), given(json!({"x": "", "y": 1})));
    }

    #[test]
    fn every_problem_is_named() {
        let declared =
            [parameter(json!({"name": "x", "required": true})), parameter(json!({"name": "o", "hasOptions": true, "options": ["a", 1]}))];
        let problems = bind_parameters(&declared, &given(json!({"o": "b"}))).unwrap_err();
        assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), ["parameter-missing", "parameter-not-an-option"]);
        assert!(bind_parameters(&declared, &given(json!({"x": 1, "o": "1"}))).is_ok(), "options compare as text");
    }
}
