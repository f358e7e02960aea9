//! What must hold of the parameters that somebody gives to start a pipeline. Enforced here, not by a form.

use super::Parameter;
use super::read_parts::is_asked;
use crate::lenient::as_text;
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

/// Fills in defaults and checks what was given. Parameters that are not declared are kept; what is not asked for, because another
/// parameter says so, need not be given.
pub fn bind_parameters(declared: &[Parameter], given: &Map<String, Value>) -> Result<Map<String, Value>, Vec<InvalidParameter>> {
    let mut bound = given.clone();
    for parameter in declared {
        if !bound.contains_key(&parameter.name) && !parameter.default.is_null() {
            bound.insert(parameter.name.clone(), parameter.default.clone());
        }
    }
    let asked = declared.iter().filter(|parameter| is_asked(parameter, &bound));
    let problems: Vec<InvalidParameter> = asked.filter_map(|parameter| refusal(parameter, bound.get(&parameter.name))).collect();
    if problems.is_empty() { Ok(bound) } else { Err(problems) }
}

fn refusal(parameter: &Parameter, value: Option<&Value>) -> Option<InvalidParameter> {
    let refuse = |code, message| Some(InvalidParameter { name: parameter.name.clone(), code, message });
    let value = value.filter(|v| !v.is_null() && !v.as_str().is_some_and(|s| s.trim().is_empty()));
    let Some(value) = value else {
        return if parameter.required { refuse("parameter-missing", format!("parameter `{}` is required", parameter.name)) } else { None };
    };
    if parameter.has_options && !parameter.options.iter().any(|o| text(o) == text(value)) {
        let options: Vec<String> = parameter.options.iter().map(text).collect();
        let message = format!("parameter `{}` must be one of {}", parameter.name, options.join(", "));
        return refuse("parameter-not-an-option", message);
    }
    if parameter.constraint == "date" && !is_date(value) {
        let message = format!("parameter `{}` must be a date, such as 2026-05-04", parameter.name);
        return refuse("parameter-not-a-date", message);
    }
    None
}

/// A day, with or without a time; or milliseconds since the epoch.
fn is_date(value: &Value) -> bool {
    let Some(text) = as_text(value) else { return false };
    let text = text.trim();
    text.parse::<jiff::civil::Date>().is_ok()
        || text.parse::<jiff::Timestamp>().is_ok()
        || text.parse::<jiff::civil::DateTime>().is_ok()
        || (text.len() > 8 && text.parse::<i64>().is_ok_and(|ms| jiff::Timestamp::from_millisecond(ms).is_ok()))
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

    #[test]
    fn what_is_not_asked_for_need_not_be_given() {
        let declared = [
            parameter(json!({"name": "kind", "default": "plain"})),
            parameter(
                json!({"name": "replicas", "required": true, "conditional": {"parameter": "kind", "comparator": "=", "comparatorValue": "many"}}),
            ),
            parameter(
                json!({"name": "zone", "required": true, "conditional": {"parameter": "replicas", "comparator": ">", "comparatorValue": "9"}}),
            ),
        ];
        let codes = |given_json: Value| match bind_parameters(&declared, &given(given_json)) {
            Ok(_) => vec![],
            Err(problems) => problems.into_iter().map(|p| p.name).collect(),
        };
        assert_eq!(codes(json!({})), Vec::<String>::new());
        assert_eq!(codes(json!({"kind": "many"})), ["replicas"]);
        assert_eq!(codes(json!({"kind": "many", "replicas": "10"})), ["zone"], "as numbers, where both are");
        assert_eq!(codes(json!({"kind": "many", "replicas": 9})), Vec::<String>::new());
    }

    #[test]
    fn dates_are_dates() {
        let declared = [parameter(json!({"name": "on", "constraint": "date"}))];
        for fine in [json!("2026-05-04"), json!("2026-05-04T10:00:00Z"), json!(1_767_225_600_000_i64), json!(""), json!(null)] {
            assert!(bind_parameters(&declared, &given(json!({"on": fine}))).is_ok(), "{fine}");
        }
        for wrong in [json!("tomorrow"), json!("2026-13-01"), json!("20"), json!([1]), json!(true)] {
            let problems = bind_parameters(&declared, &given(json!({"on": wrong}))).unwrap_err();
            assert_eq!(problems[0].code, "parameter-not-a-date");
        }
    }
}
