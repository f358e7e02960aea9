//! Label selectors of stages: `labelSelectors.selectors[{key, kind, values}]`.

use serde_json::{Map, Value};

use crate::fields;
use crate::manifest::Problem;

/// A list of conditions that must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selectors(Vec<Condition>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    key: String,
    test: Test,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Any,
    Equals,
    NotEquals,
    Contains,
    NotContains,
    Exists,
    NotExists,
}

impl Selectors {
    /// The stage's selectors; empty when it has none.
    ///
    /// # Errors
    /// Every selector that cannot be understood.
    pub fn of(stage: &Map<String, Value>) -> Result<Self, Vec<Problem>> {
        let list = fields::section(stage, "labelSelectors").and_then(|section| section.get("selectors"));
        let items = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let (mut conditions, mut problems) = (Vec::new(), Vec::new());
        for (index, item) in items.iter().enumerate() {
            match condition(item) {
                Ok(condition) => conditions.push(condition),
                Err(message) => {
                    let at = format!("/labelSelectors/selectors/{index}");
                    problems.push(Problem::new("selector-invalid", at, message));
                }
            }
        }
        if problems.is_empty() { Ok(Self(conditions)) } else { Err(problems) }
    }

    /// Whether there is any condition.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object's labels fit.
    pub fn fit(&self, object: &Map<String, Value>) -> bool {
        let labels = fields::section(object, "metadata").and_then(|metadata| fields::section(metadata, "labels"));
        self.0.iter().all(|condition| {
            let value = labels.and_then(|labels| labels.get(&condition.key)).and_then(Value::as_str);
            condition.holds(value)
        })
    }
}

impl Condition {
    fn holds(&self, value: Option<&str>) -> bool {
        let named = value.is_some_and(|value| self.values.iter().any(|wanted| wanted == value));
        match self.test {
            Test::Any => true,
            Test::Equals | Test::Contains => named,
            Test::NotEquals | Test::NotContains => !named,
            Test::Exists => value.is_some(),
            Test::NotExists => value.is_none(),
        }
    }
}

fn condition(item: &Value) -> Result<Condition, &'static str> {
    let item = item.as_object().ok_or("a selector is an object")?;
    let test = match fields::text(item, "kind").unwrap_or_default() {
        "ANY" => Test::Any,
        "EQUALS" => Test::Equals,
        "NOT_EQUALS" => Test::NotEquals,
        "CONTAINS" => Test::Contains,
        "NOT_CONTAINS" => Test::NotContains,
        "EXISTS" => Test::Exists,
        "NOT_EXISTS" => Test::NotExists,
        _ => {
            return Err("kind is one of ANY, EQUALS, NOT_EQUALS, CONTAINS, NOT_CONTAINS, EXISTS, NOT_EXISTS");
        }
    };
    let key = fields::text(item, "key").unwrap_or_default().to_owned();
    if key.is_empty() && test != Test::Any {
        return Err("a selector needs a key");
    }
    let values = fields::texts(item.get("values"));
    let counted = matches!(test, Test::Equals | Test::NotEquals | Test::Contains | Test::NotContains);
    if counted && values.is_empty() {
        return Err("this kind of selector needs values");
    }
    Ok(Condition { key, test, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(kind: &str, values: &[&str], fits_web: bool, fits_none: bool) {
        let stage = json!({"labelSelectors": {"selectors": [{"key": "app", "kind": kind, "values": values}]}});
        let selectors = Selectors::of(stage.as_object().unwrap()).unwrap();
        let web = json!({"metadata": {"labels": {"app": "web"}}});
        let none = json!({"metadata": {}});
        assert_eq!(selectors.fit(web.as_object().unwrap()), fits_web, "{kind}");
        assert_eq!(selectors.fit(none.as_object().unwrap()), fits_none, "{kind}");
    }

    #[test]
    fn each_kind_of_selector() {
        check("ANY", &[], true, true);
        check("EQUALS", &["web"], true, false);
        check("NOT_EQUALS", &["web"], false, true);
        check("CONTAINS", &["api", "web"], true, false);
        check("NOT_CONTAINS", &["api"], true, true);
        check("EXISTS", &[], true, false);
        check("NOT_EXISTS", &[], false, true);
    }

    #[test]
    fn no_selectors_fit_everything() {
        let selectors = Selectors::of(&Map::new()).unwrap();
        assert!(selectors.is_empty());
        assert!(selectors.fit(&Map::new()));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let stage = json!({"labelSelectors": {"selectors": [3, {"kind": "LIKE"}, {"kind": "EXISTS"}, {"kind": "EQUALS", "key": "a"}]}});
        let problems = Selectors::of(stage.as_object().unwrap()).unwrap_err();
        let at: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(at.len(), 4);
        assert_eq!(at[3], "/labelSelectors/selectors/3");
    }
}
