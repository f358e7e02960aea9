//! Makes a document ready to be saved: what the server owns (id, application, triggers' ids) is put in, everything else stays.

use super::AccountUse;
use model::id::{AppName, PipelineId};
use model::pipeline::Pipeline;
use model::problem::Problem;
use serde_json::{Map, Value};

/// What the document is saved as.
pub(super) struct Place<'a> {
    pub(super) application: &'a AppName,
    pub(super) id: &'a PipelineId,
    /// The name in the address of a pipeline that does not exist yet.
    pub(super) new_name: Option<&'a str>,
    /// The revision before.
    pub(super) old: Option<&'a Value>,
}

/// A document that may be saved.
pub(super) struct Prepared {
    pub(super) document: Value,
    pub(super) pipeline: Pipeline,
    pub(super) warnings: Vec<Problem>,
}

fn problem(pointer: &str, code: &str, message: String) -> Problem {
    Problem { pointer: pointer.to_owned(), code: code.to_owned(), message, warning: false }
}

/// Puts in what the server owns, and reads the whole. `fresh` gives ids for triggers.
pub(super) fn prepare(mut document: Value, place: &Place<'_>, fresh: &mut dyn FnMut() -> String) -> Result<Prepared, Vec<Problem>> {
    let mut errors = Vec::new();
    if let Some(object) = document.as_object_mut() {
        own(object, place, &mut errors);
        let old = place.old.and_then(|old| old.get("triggers")).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if let Some(triggers) = object.get_mut("triggers").and_then(Value::as_array_mut) {
            issue_ids(triggers, old, fresh);
        }
    }
    match Pipeline::parse(&document) {
        Ok((pipeline, warnings)) if errors.is_empty() => Ok(Prepared { document, pipeline, warnings }),
        Ok((_, warnings)) => Err(errors.into_iter().chain(warnings).collect()),
        Err(found) => Err(errors.into_iter().chain(found).collect()),
    }
}

fn own(object: &mut Map<String, Value>, place: &Place<'_>, errors: &mut Vec<Problem>) {
    object.insert("id".to_owned(), Value::String(place.id.to_string()));
    match object.get("application") {
        None | Some(Value::Null) => {
            object.insert("application".to_owned(), Value::String(place.application.to_string()));
        }
        Some(Value::String(other)) if !other.eq_ignore_ascii_case(place.application.as_str()) => {
            let message = format!("it is saved in application `{}`, and says `{other}`", place.application);
            errors.push(problem("/application", "application-differs", message));
        }
        Some(_) => {}
    }
    let name = match (object.get("name"), place.new_name) {
        (Some(Value::String(name)), _) => Some(name.trim().to_owned()),
        (None | Some(Value::Null), Some(name)) => Some(name.trim().to_owned()),
        _ => None,
    };
    if let (Some(name), Some(address)) = (&name, place.new_name)
        && name.to_lowercase() != address.trim().to_lowercase()
    {
        let message = format!("there is no pipeline `{address}`, and one that is made there cannot be called `{name}`");
        errors.push(problem("/name", "name-differs", message));
    }
    if let Some(name) = name {
        object.insert("name".to_owned(), Value::String(name));
    }
    // A save without a place in the list keeps the old one.
    if object.get("index").is_none_or(Value::is_null)
        && let Some(index) = place.old.and_then(|old| old.get("index")).filter(|i| !i.is_null())
    {
        object.insert("index".to_owned(), index.clone());
    }
}

fn text<'a>(trigger: &'a Value, key: &str) -> &'a str {
    trigger.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn same_id(new: &Value, old: &Value) -> bool {
    text(new, "id") == text(old, "id")
}

fn same_content(new: &Value, old: &Value) -> bool {
    let without_id = |trigger: &Value| {
        let mut object = trigger.as_object().cloned().unwrap_or_default();
        object.remove("id");
        object
    };
    without_id(new) == without_id(old)
}

fn same_source(new: &Value, old: &Value) -> bool {
    text(new, "type") == "docker"
        && ["type", "account", "registry", "organization", "repository"].iter().all(|key| text(new, key) == text(old, key))
}

/// Gives every trigger an id of this pipeline: its own if it had it before, that of the trigger it obviously is (files kept
/// elsewhere carry no ids, copies carry foreign ones), or a fresh one. An id is the trigger's identity: hooks hang on it.
fn issue_ids(triggers: &mut [Value], old: &[Value], fresh: &mut dyn FnMut() -> String) {
    let mut free: Vec<&Value> = old.iter().filter(|t| !text(t, "id").is_empty()).collect();
    let mut issued: Vec<Option<String>> = vec![None; triggers.len()];
    for same in [same_id, same_content, same_source] {
        for (trigger, slot) in triggers.iter().zip(&mut issued).filter(|(_, slot)| slot.is_none()) {
            if let Some(position) = free.iter().position(|old| same(trigger, old)) {
                *slot = Some(text(free.remove(position), "id").to_owned());
            }
        }
    }
    for (trigger, id) in triggers.iter_mut().zip(issued) {
        if let Some(object) = trigger.as_object_mut() {
            object.insert("id".to_owned(), Value::String(id.unwrap_or_else(&mut *fresh)));
        }
    }
}

/// Accounts that stages and triggers name in plain text: (cloud, registry).
pub(super) fn uses(pipeline: &Pipeline) -> (Vec<AccountUse>, Vec<AccountUse>) {
    let mut clouds = Vec::new();
    for stage in &pipeline.stages {
        for key in ["account", "credentials"] {
            let account = stage.json.get(key).and_then(Value::as_str).filter(|a| !a.is_empty() && !a.contains("${"));
            let Some(account) = account else { continue };
            let entry = AccountUse { account: account.to_owned(), place: format!("stage {} ({})", stage.ref_id, stage.name) };
            if !clouds.contains(&entry) {
                clouds.push(entry);
            }
        }
    }
    let docker = pipeline.triggers.iter().filter(|t| t.kind == "docker" && !t.account.is_empty());
    let registries =
        docker.map(|t| AccountUse { account: t.account.clone(), place: format!("trigger on {}", t.repository_path()) }).collect();
    (clouds, registries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn prepared(document: Value, new_name: Option<&str>, old: Option<&Value>) -> Result<Prepared, Vec<Problem>> {
        let (application, id) = (AppName::parse("flaskapp").unwrap(), PipelineId::parse("p1").unwrap());
        let mut count = 0;
        let mut fresh = || {
            count += 1;
            format!("fresh{count}")
        };
        prepare(document, &Place { application: &application, id: &id, new_name, old }, &mut fresh)
    }

    fn ids(triggers: Value, old: Value) -> Vec<String> {
        let old = json!({ "triggers": old });
        let document = json!({"name": "p", "triggers": triggers});
        let prepared = prepared(document, None, Some(&old)).unwrap_or_else(|e| panic!("{e:?}"));
        prepared.pipeline.triggers.iter().map(|t| t.id.clone()).collect()
    }

    fn docker(id: Option<&str>, repository: &str, tag: &str) -> Value {
        let mut trigger = json!({"type": "docker", "account": "r", "repository": repository, "tag": tag});
        if let Some(id) = id {
            trigger["id"] = json!(id);
        }
        trigger
    }

    #[test]
    fn unknown_fields_stay_and_the_servers_are_put_in() {
        let got = prepared(json!({"zebra": {"b": 1, "a": 2}, "name": " deploy ", "id": "foreign"}), Some("Deploy"), None)
            .unwrap_or_else(|e| panic!("{e:?}"));
        let want = r#"{"zebra":{"b":1,"a":2},"name":"deploy","id":"p1","application":"flaskapp"}"#;
        assert_eq!(got.document.to_string(), want);
    }

    #[test]
    fn trigger_ids_stay_over_saves_and_foreign_ones_do_not() {
        let old = json!([docker(Some("a"), "team/web", "1.*"), docker(Some("b"), "team/web", "2.*")]);
        assert_eq!(ids(json!([docker(Some("b"), "team/web", "2.*"), docker(Some("a"), "x", "y")]), old.clone()), ["b", "a"]);
        assert_eq!(ids(json!([docker(None, "team/web", "2.*"), docker(None, "team/web", "1.*")]), old.clone()), ["b", "a"], "by content");
        assert_eq!(ids(json!([docker(None, "team/web", "9.*")]), old.clone()), ["a"], "by source");
        assert_eq!(ids(json!([docker(Some("z"), "team/api", "")]), old.clone()), ["fresh1"], "a foreign id");
        assert_eq!(ids(json!([docker(Some("a"), "team/web", "1.*"), docker(Some("a"), "team/db", "")]), old), ["a", "fresh1"], "a copy");
    }

    #[test]
    fn another_application_or_name_is_refused() {
        let codes =
            |result: Result<Prepared, Vec<Problem>>| result.err().unwrap_or_default().into_iter().map(|p| p.code).collect::<Vec<_>>();
        assert_eq!(codes(prepared(json!({"application": "other", "name": "p"}), None, None)), ["application-differs"]);
        assert_eq!(codes(prepared(json!({"application": "FLASKAPP", "name": "p"}), Some("q"), None)), ["name-differs"]);
        assert_eq!(codes(prepared(json!({}), None, None)), ["name-missing"]);
        assert_eq!(codes(prepared(json!([]), None, None)), ["not-an-object"]);
    }

    #[test]
    fn the_index_is_kept() {
        let got = prepared(json!({"name": "p"}), None, Some(&json!({"index": 4}))).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(got.document["index"], 4);
    }

    #[test]
    fn accounts_in_use_are_found() {
        let document = json!({"name": "p", "triggers": [docker(None, "team/web", "")], "stages": [
            {"refId": "1", "type": "deployManifest", "name": "Deploy", "account": "prod"},
            {"refId": "2", "type": "deployManifest", "account": "${parameters.where}"}]});
        let prepared = prepared(document, None, None).unwrap_or_else(|e| panic!("{e:?}"));
        let (clouds, registries) = uses(&prepared.pipeline);
        assert_eq!(clouds, [AccountUse { account: "prod".to_owned(), place: "stage 1 (Deploy)".to_owned() }]);
        assert_eq!(registries, [AccountUse { account: "r".to_owned(), place: "trigger on team/web".to_owned() }]);
    }
}
