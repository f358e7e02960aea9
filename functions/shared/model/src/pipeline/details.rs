//! What a pipeline says beside its graph: for lists and forms, and who may change or start it.

use super::read::{Object, flag};
use crate::lenient::as_text;
use serde_json::Value;

/// How expressions are meant to be evaluated. Whatever it says, a stage's are evaluated when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpelVersion {
    /// `v2`, long gone.
    V2,
    /// `v3`, and where nothing is said.
    #[default]
    V3,
    /// `v4`.
    V4,
}

/// Kept from being changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// In the console.
    pub ui: bool,
    /// There is a button that takes it off.
    pub allow_unlock_ui: bool,
    /// Why.
    pub description: String,
}

/// A label that lists filter by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A banner over the form that starts the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// `danger`, `warning` or `info`.
    pub kind: String,
    /// What it says.
    pub message: String,
}

/// Everything of §1.1 that is not part of the graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// The id it had where it comes from, or has here.
    pub id: Option<String>,
    /// Its place in lists.
    pub index: Option<i64>,
    /// For people.
    pub description: String,
    /// An instance of a template.
    pub templated: bool,
    /// How expressions are meant.
    pub spel: SpelVersion,
    /// Kept from being changed.
    pub lock: Option<Lock>,
    /// Groups all of which somebody must belong to.
    pub roles: Vec<String>,
    /// The account made for those roles.
    pub service_account: Option<String>,
    /// Labels.
    pub tags: Vec<Tag>,
    /// A banner over the form that starts it.
    pub manual_start_alert: Option<Alert>,
    /// Triggers are held back in quiet times.
    pub respect_quiet_period: bool,
    /// Who saved it last, where it comes from.
    pub last_modified_by: Option<String>,
}

pub(super) fn details(object: &Object) -> Details {
    let text = |key: &str| object.get(key).and_then(as_text).filter(|text| !text.is_empty());
    let on = |key: &str| flag(object, key).unwrap_or_default();
    Details {
        id: text("id"),
        index: object.get("index").and_then(|v| v.as_i64().or_else(|| v.as_str().and_then(|s| s.trim().parse().ok()))),
        description: text("description").unwrap_or_default(),
        templated: text("type").is_some_and(|kind| kind.eq_ignore_ascii_case("templatedPipeline")),
        spel: match text("spelEvaluator").as_deref() {
            Some("v2") => SpelVersion::V2,
            Some("v4") => SpelVersion::V4,
            _ => SpelVersion::V3,
        },
        lock: object.get("locked").and_then(Value::as_object).map(lock),
        roles: texts(object.get("roles")),
        service_account: text("serviceAccount"),
        tags: object.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(tag).collect(),
        manual_start_alert: object.get("manualStartAlert").and_then(Value::as_object).map(alert),
        respect_quiet_period: on("respectQuietPeriod"),
        last_modified_by: text("lastModifiedBy"),
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(as_text).filter(|text| !text.is_empty()).collect()
}

fn lock(object: &Object) -> Lock {
    Lock {
        ui: flag(object, "ui").unwrap_or_default(),
        allow_unlock_ui: flag(object, "allowUnlockUi").unwrap_or(true),
        description: object.get("description").and_then(as_text).unwrap_or_default(),
    }
}

fn tag(value: &Value) -> Option<Tag> {
    let text = |key: &str| value.get(key).and_then(as_text).unwrap_or_default();
    Some(Tag { name: text("name"), value: text("value") }).filter(|tag| !tag.name.is_empty())
}

fn alert(object: &Object) -> Alert {
    let text = |key: &str| object.get(key).and_then(as_text).unwrap_or_default();
    Alert { kind: text("type"), message: text("message") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn everything_beside_the_graph_is_read() {
        let document = json!({"id": "x", "index": "3", "description": "d", "type": "templatedPipeline", "spelEvaluator": "v4",
            "locked": {"ui": "true", "description": "as code"}, "roles": ["ops", null], "serviceAccount": "svc",
            "tags": [{"name": "team", "value": 7}, {"value": "none"}], "manualStartAlert": {"type": "danger", "message": "m"},
            "respectQuietPeriod": true, "lastModifiedBy": "me"});
        let expected = Details {
            id: Some("x".to_owned()),
            index: Some(3),
            description: "d".to_owned(),
            templated: true,
            spel: SpelVersion::V4,
            lock: Some(Lock { ui: true, allow_unlock_ui: true, description: "as code".to_owned() }),
            roles: vec!["ops".to_owned()],
            service_account: Some("svc".to_owned()),
            tags: vec![Tag { name: "team".to_owned(), value: "7".to_owned() }],
            manual_start_alert: Some(Alert { kind: "danger".to_owned(), message: "m".to_owned() }),
            respect_quiet_period: true,
            last_modified_by: Some("me".to_owned()),
        };
        assert_eq!(details(document.as_object().unwrap()), expected);
        assert_eq!(details(&Object::new()), Details::default());
    }
}
