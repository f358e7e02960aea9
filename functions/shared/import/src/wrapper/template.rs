//! Templates: of the second kind they hold a pipeline; of the first they have to be filled in by a program that is no more.

use super::{Found, Object, Wrapper, below};
use crate::flaw::Flaw;
use serde_json::{Map, Value};

fn text<'a>(object: &'a Object, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A template of the first kind, or a use of one.
pub(super) fn is_v1(object: &Object) -> bool {
    let first = match object.get("schema") {
        Some(Value::String(schema)) => schema == "1",
        Some(Value::Number(schema)) => schema.as_u64() == Some(1),
        _ => false,
    };
    let config = object.get("config").and_then(Value::as_object).is_some_and(is_v1);
    let stages = object.get("stages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let old = |stage: &Value| stage.get("dependsOn").is_some() || stage.get("inject").is_some();
    let parts = ["configuration", "metadata", "modules", "partials", "variables"].iter().any(|key| object.contains_key(*key));
    let used = object.get("pipeline").and_then(|p| p.get("template")).is_some_and(|t| t.get("source").is_some());
    let own = !object.contains_key("application");
    config || (own && (stages.iter().any(old) || (first && (parts || used))))
}

pub(super) fn first_kind(value: Value, at: &str) -> Found {
    let object = value.as_object();
    let name = object.map(|o| text(o, "id").to_owned()).filter(|id| !id.is_empty());
    let name = name.or_else(|| value.pointer("/pipeline/name").and_then(Value::as_str).map(str::to_owned));
    let mut found = Found::new(at, Wrapper::TemplateV1, value);
    found.name = name;
    let message = "templates of the first kind are not filled in here: have Spinnaker expand it, and bring the pipeline";
    found.errors.push(Flaw::at("", "template-v1", message));
    found
}

pub(super) fn second_kind(value: Value, at: &str) -> Found {
    let Value::Object(mut around) = value else { return Found::new(at, Wrapper::TemplateV2, value) };
    let mut document = around.remove("pipeline").unwrap_or_default();
    let id = Some(text(&around, "id").to_owned()).filter(|id| !id.is_empty());
    let name = around.get("metadata").and_then(|m| m.get("name")).and_then(Value::as_str).map(str::to_owned);
    let mut found = Found::new(&below(at, "pipeline"), Wrapper::TemplateV2, Value::Null);
    if let Some(own) = &id
        && reference(&document).is_some_and(|used| used == own)
    {
        found.errors.push(Flaw::at("/template", "template-includes-itself", format!("the template `{own}` uses itself")));
    }
    let defaults = defaults(around.get("variables"));
    if let Some(pipeline) = document.as_object_mut()
        && !defaults.is_empty()
        && !pipeline.contains_key("templateVariables")
    {
        pipeline.insert("templateVariables".to_owned(), Value::Object(defaults));
    }
    found.document = document;
    found.name = name.filter(|name| !name.is_empty()).or_else(|| id.clone());
    found.template_id = id;
    found
}

/// The variables, with their defaults; one without is null.
fn defaults(variables: Option<&Value>) -> Map<String, Value> {
    let list = variables.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let pair = |variable: &Value| {
        let name = variable.get("name")?.as_str()?.to_owned();
        Some((name, variable.get("defaultValue").cloned().unwrap_or_default()))
    };
    list.iter().filter_map(pair).collect()
}

/// The id of the template that a pipeline uses.
pub(crate) fn reference(pipeline: &Value) -> Option<&str> {
    let template = pipeline.get("template")?;
    let reference = template.get("reference").and_then(Value::as_str).or_else(|| template.as_str())?;
    let id = reference.strip_prefix("spinnaker://").unwrap_or(reference);
    let end = id.find(['@', ':']).unwrap_or(id.len());
    id.get(..end).filter(|id| !id.is_empty())
}

/// Gives uses of a template that stands in the same file what the template holds.
pub(super) fn expand(all: &mut [Found]) {
    let known: Vec<(String, Value)> = all.iter().filter_map(|found| Some((found.template_id.clone()?, found.document.clone()))).collect();
    expand_by(all, &known);
}

/// The same with templates that stand elsewhere, by their ids.
pub(crate) fn expand_by(all: &mut [Found], known: &[(String, Value)]) {
    let uses =
        |found: &Found| (found.wrapper == Wrapper::TemplateInstance).then(|| reference(&found.document).map(str::to_owned)).flatten();
    if known.is_empty() {
        return;
    }
    for found in all.iter_mut() {
        let Some(id) = uses(found) else { continue };
        let Some((_, template)) = known.iter().find(|(known, _)| *known == id) else { continue };
        if reference(template).is_some() {
            found.errors.push(Flaw::at("/template", "template-of-template", format!("the template `{id}` itself uses a template")));
            continue;
        }
        if let (Some(instance), Some(template)) = (found.document.as_object(), template.as_object()) {
            found.document = Value::Object(expanded(instance, template));
        }
    }
}

/// Stages and expected artifacts are the template's; triggers, parameters and notifications are both's, unless excluded.
fn expanded(instance: &Object, template: &Object) -> Object {
    let mut out = template.clone();
    for key in ["application", "name", "id", "description", "index", "disabled", "locked", "roles", "serviceAccount", "tags"] {
        if let Some(value) = instance.get(key) {
            out.insert(key.to_owned(), value.clone());
        }
    }
    let excluded = instance.get("exclude").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (key, word) in [("triggers", "triggers"), ("parameterConfig", "parameters"), ("notifications", "notifications")] {
        let own = instance.get(key).or_else(|| instance.get(word));
        let items = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let mut merged = if excluded.iter().any(|e| e == word) { Vec::new() } else { items(template.get(key)) };
        merged.extend(items(own).into_iter().filter(|item| !merged.contains(item)).collect::<Vec<_>>());
        out.insert(key.to_owned(), Value::Array(merged));
    }
    let mut variables = template.get("templateVariables").and_then(Value::as_object).cloned().unwrap_or_default();
    for key in ["variables", "templateVariables"] {
        variables.extend(instance.get(key).and_then(Value::as_object).cloned().unwrap_or_default());
    }
    out.insert("templateVariables".to_owned(), Value::Object(variables));
    out
}

#[cfg(test)]
mod tests {
    use crate::wrapper::{Wrapper, open};
    use model::exact::Spellings;
    use serde_json::{Value, json};

    fn template() -> Value {
        json!({"schema": "v2", "id": "base", "metadata": {"name": "Base"}, "variables": [{"name": "where", "defaultValue": "dev"}, {"name": "n"}],
            "pipeline": {"triggers": [{"type": "cron"}], "stages": [{"type": "wait", "refId": "1", "waitTime": "${templateVariables.n}"}]}})
    }

    #[test]
    fn variables_come_with_their_defaults() {
        let found = open(template(), &Spellings::default()).pipelines.remove(0);
        assert_eq!((found.name.as_deref(), found.template_id.as_deref()), (Some("Base"), Some("base")));
        assert_eq!(found.document["templateVariables"], json!({"where": "dev", "n": null}));
    }

    #[test]
    fn a_use_gets_what_the_template_beside_it_holds() {
        let instance = json!({"schema": "v2", "type": "templatedPipeline", "application": "a", "name": "x", "exclude": ["triggers"],
            "template": {"reference": "spinnaker://base:latest"}, "variables": {"n": 3}, "triggers": [{"type": "git"}]});
        let found = open(json!([template(), instance]), &Spellings::default()).pipelines.remove(1);
        assert_eq!(found.wrapper, Wrapper::TemplateInstance);
        assert_eq!(found.document["stages"][0]["type"], "wait");
        assert_eq!(found.document["triggers"], json!([{"type": "git"}]));
        assert_eq!(found.document["templateVariables"], json!({"where": "dev", "n": 3}));
    }

    #[test]
    fn a_template_that_uses_itself_is_refused() {
        let mut own = template();
        own["pipeline"]["template"] = json!({"reference": "spinnaker://base@sha256:0"});
        let found = open(own, &Spellings::default()).pipelines.remove(0);
        assert_eq!(found.errors[0].code, "template-includes-itself");
    }

    #[test]
    fn the_first_kind_is_told_and_no_more() {
        let first = json!({"schema": "1", "id": "old", "configuration": {}, "stages": [{"id": "s", "type": "wait", "dependsOn": [], "config": {}}]});
        let found = open(first, &Spellings::default()).pipelines.remove(0);
        assert_eq!((found.wrapper, found.errors[0].code.as_str()), (Wrapper::TemplateV1, "template-v1"));
        let used = json!({"schema": "1", "pipeline": {"application": "a", "name": "n", "template": {"source": "spinnaker://old"}}, "configuration": {}});
        assert_eq!(open(used, &Spellings::default()).pipelines[0].wrapper, Wrapper::TemplateV1);
    }
}
