//! What is around pipelines in files: found out from the document alone, taken off, and told.
//!
//! Only shapes are looked at here; whether a pipeline makes sense is for `model` to say.

mod coding;
mod pacrd;
pub(crate) mod template;

use crate::flaw::Flaw;
use crate::limits::PIPELINES_MAX;
use model::exact::Spellings;
use model::problem::token;
use serde::Serialize;
use serde_json::{Map, Value};

/// What was around a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrapper {
    /// Nothing: the pipeline is the document.
    Bare,
    /// A list of pipelines.
    List,
    /// `{application, pipelines: […]}`, a Dinghy file.
    Dinghy,
    /// As Front50 stores it.
    Front50,
    /// `{pipeline: {…}}`, a template of the second kind.
    TemplateV2,
    /// What a template of the second kind is used by.
    TemplateInstance,
    /// A template of the first kind, or what one is used by.
    TemplateV1,
    /// `kind: Pipeline` of PaCRD.
    Pacrd,
    /// The body of a call of CODING's Open API.
    Coding,
}

/// A pipeline that was found in a file. Its `Debug` leaves the document out: that may hold secrets.
#[derive(Clone, PartialEq)]
pub struct Found {
    /// Where in the file's document it stands, as a JSON pointer.
    pub at: String,
    /// What was around it.
    pub wrapper: Wrapper,
    /// The pipeline's document, with nothing around it.
    pub document: Value,
    /// How its numbers are written.
    pub spellings: Spellings,
    /// The application that the wrapper names.
    pub application: Option<String>,
    /// The name that the wrapper gives.
    pub name: Option<String>,
    /// The id under which others use it, where it is a template.
    pub template_id: Option<String>,
    /// What is wrong with the wrapper.
    pub errors: Vec<Flaw>,
    /// What is remarkable about it.
    pub warnings: Vec<Flaw>,
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Found").field("at", &self.at).field("wrapper", &self.wrapper).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Found {
    fn new(at: &str, wrapper: Wrapper, document: Value) -> Self {
        Self {
            at: at.to_owned(),
            wrapper,
            document,
            spellings: Spellings::default(),
            application: None,
            name: None,
            template_id: None,
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// What a document holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    /// The pipelines.
    pub pipelines: Vec<Found>,
    /// What it is instead, where that is known.
    pub instead: Option<&'static str>,
    /// There are more than are taken from one file.
    pub more: bool,
}

impl Contents {
    fn is_full(&mut self) -> bool {
        self.more |= self.pipelines.len() >= PIPELINES_MAX;
        self.more
    }
}

type Object = Map<String, Value>;

/// Takes off whatever is around the pipelines of a document.
#[must_use]
pub fn open(document: Value, spellings: &Spellings) -> Contents {
    let mut contents = Contents::default();
    any(document, "", 0, &mut contents);
    if !spellings.is_empty() {
        for found in contents.pipelines.iter_mut().filter(|found| found.wrapper != Wrapper::Pacrd && found.wrapper != Wrapper::Coding) {
            found.spellings = spellings.below(&found.at);
        }
    }
    template::expand(&mut contents.pipelines);
    contents
}

/// Wrappers within wrappers.
const WRAPPERS_MAX: usize = 4;

fn any(document: Value, at: &str, depth: usize, contents: &mut Contents) {
    if depth > WRAPPERS_MAX || contents.is_full() {
        return;
    }
    match document {
        Value::Array(items) => list(items, at, Wrapper::List, depth, contents),
        Value::Object(object) => one(object, at, depth, contents),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A list counts when anything in it does; then whatever does not is told.
fn list(items: Vec<Value>, at: &str, wrapper: Wrapper, depth: usize, contents: &mut Contents) {
    let first = contents.pipelines.len();
    let mut strangers = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let place = format!("{at}/{index}");
        let before = contents.pipelines.len();
        let kind = Wrapper::of(&item);
        any(item, &place, depth + 1, contents);
        if contents.pipelines.len() == before && kind.is_none() {
            strangers.push(place);
        }
    }
    let found = contents.pipelines.get_mut(first..).unwrap_or_default();
    if found.is_empty() && wrapper == Wrapper::List {
        return;
    }
    for found in found.iter_mut().filter(|found| found.wrapper == Wrapper::Bare) {
        found.wrapper = wrapper;
    }
    for place in strangers {
        if contents.is_full() {
            return;
        }
        let mut found = Found::new(&place, wrapper, Value::Null);
        found.errors.push(Flaw::at("", "no-pipeline", format!("what stands at {place} of the file is no pipeline")));
        contents.pipelines.push(found);
    }
}

impl Wrapper {
    /// What a value is by itself, where it is not taken apart further.
    fn of(value: &Value) -> Option<Self> {
        let object = value.as_object()?;
        let has = |key: &str| object.get(key).is_some_and(|v| !v.is_null());
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("apiVersion").contains("pacrd") && text("kind").eq_ignore_ascii_case("pipeline") {
            return Some(Self::Pacrd);
        }
        if template::is_v1(object) {
            return Some(Self::TemplateV1);
        }
        if text("type").eq_ignore_ascii_case("templatedPipeline")
            || (text("schema") == "v2" && object.get("template").is_some_and(Value::is_object))
        {
            return Some(Self::TemplateInstance);
        }
        if object.get("pipeline").is_some_and(Value::is_object) && !has("stages") {
            return Some(Self::TemplateV2);
        }
        if !is_pipeline(object) {
            return None;
        }
        let stored = has("id") && (has("updateTs") || has("lastModified")) && has("lastModifiedBy");
        Some(if stored { Self::Front50 } else { Self::Bare })
    }
}

/// Keys that few other documents have.
const TELLING: [&str; 9] = [
    "keepWaitingPipelines",
    "limitConcurrent",
    "parameterConfig",
    "expectedArtifacts",
    "spelEvaluator",
    "triggers",
    "notifications",
    "lastModifiedBy",
    "updateTs",
];

fn is_pipeline(object: &Object) -> bool {
    if is_execution(object) {
        return false;
    }
    let telling = TELLING.iter().filter(|key| object.contains_key(**key)).count();
    let named = object.contains_key("application") && object.contains_key("name");
    match object.get("stages") {
        Some(Value::Array(stages)) => {
            let of_ours = |stage: &Value| ["refId", "requisiteStageRefIds", "type"].iter().any(|key| stage.get(*key).is_some());
            stages.iter().any(of_ours) || named || telling > 0
        }
        Some(_) => named || telling > 1,
        None => (named && telling > 0) || telling > 2,
    }
}

/// An execution has the pipeline's stages too, as they ran.
fn is_execution(object: &Object) -> bool {
    object.contains_key("pipelineConfigId") && object.contains_key("stages") && object.contains_key("status")
}

fn one(object: Object, at: &str, depth: usize, contents: &mut Contents) {
    if is_execution(&object) {
        contents.instead = Some("an execution, not a pipeline");
        return;
    }
    if object.get("pipelines").is_some_and(Value::is_array) && !object.contains_key("stages") {
        return dinghy(object, at, depth, contents);
    }
    if coding::holds(&object, 0) {
        return coding::open(object, at, depth, contents);
    }
    if object.get("kind").and_then(Value::as_str) == Some("List") && object.get("items").is_some_and(Value::is_array) {
        let items = object.into_iter().find(|(key, _)| key == "items").map(|(_, items)| items);
        return any(items.unwrap_or_default(), &format!("{at}/items"), depth + 1, contents);
    }
    let value = Value::Object(object);
    match Wrapper::of(&value) {
        Some(Wrapper::Pacrd) => contents.pipelines.push(pacrd::open(value, at)),
        Some(Wrapper::TemplateV1) => contents.pipelines.push(template::first_kind(value, at)),
        Some(Wrapper::TemplateV2) => contents.pipelines.push(template::second_kind(value, at)),
        Some(wrapper) => contents.pipelines.push(Found::new(at, wrapper, value)),
        None => {}
    }
}

fn dinghy(mut object: Object, at: &str, depth: usize, contents: &mut Contents) {
    let application = object.get("application").and_then(Value::as_str).map(str::to_owned);
    let first = contents.pipelines.len();
    if let Some(Value::Array(items)) = object.remove("pipelines") {
        // Whatever stands there is meant as a pipeline, however little it looks like one.
        for (index, item) in items.into_iter().enumerate() {
            if contents.is_full() {
                return;
            }
            let place = format!("{at}/pipelines/{index}");
            let before = contents.pipelines.len();
            if item.is_object() && Wrapper::of(&item).is_none() {
                contents.pipelines.push(Found::new(&place, Wrapper::Dinghy, item));
            } else {
                any(item, &place, depth + 1, contents);
            }
            if contents.pipelines.len() == before {
                let mut found = Found::new(&place, Wrapper::Dinghy, Value::Null);
                found.errors.push(Flaw::at("", "no-pipeline", format!("what stands at {place} of the file is no pipeline")));
                contents.pipelines.push(found);
            }
        }
    }
    for found in contents.pipelines.get_mut(first..).unwrap_or_default() {
        if matches!(found.wrapper, Wrapper::Bare | Wrapper::Front50) {
            found.wrapper = Wrapper::Dinghy;
        }
        found.application = found.application.take().or_else(|| application.clone());
    }
}

/// A pointer's further step.
fn below(at: &str, key: &str) -> String {
    format!("{at}/{}", token(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrappers(value: Value) -> Vec<(String, Wrapper)> {
        open(value, &Spellings::default()).pipelines.into_iter().map(|found| (found.at, found.wrapper)).collect()
    }

    fn pipeline() -> Value {
        json!({"application": "a", "name": "p", "stages": [{"type": "wait", "refId": "1"}]})
    }

    #[test]
    fn each_wrapper_is_known() {
        let at = |at: &str, wrapper| vec![(at.to_owned(), wrapper)];
        assert_eq!(wrappers(pipeline()), at("", Wrapper::Bare));
        assert_eq!(wrappers(json!([pipeline()])), at("/0", Wrapper::List));
        assert_eq!(wrappers(json!({"application": "a", "pipelines": [pipeline()]})), at("/pipelines/0", Wrapper::Dinghy));
        assert_eq!(
            wrappers(json!({"schema": "v2", "id": "t", "variables": [], "pipeline": pipeline()})),
            at("/pipeline", Wrapper::TemplateV2)
        );
        assert_eq!(
            wrappers(json!({"apiVersion": "pacrd.armory.spinnaker.io/v1alpha1", "kind": "Pipeline", "spec": {}})),
            at("/spec", Wrapper::Pacrd)
        );
        assert_eq!(wrappers(json!({"schema": "1", "id": "t", "metadata": {}, "stages": []})), at("", Wrapper::TemplateV1));
        assert_eq!(
            wrappers(json!({"schema": "v2", "template": {"reference": "spinnaker://t"}, "name": "x"})),
            at("", Wrapper::TemplateInstance)
        );
        let text = pipeline().to_string();
        let call = json!({"Action": "CreateCdPipeline", "Application": "a", "PipelineJsonContent": text});
        assert_eq!(wrappers(call), at("/PipelineJsonContent", Wrapper::Coding));
        let mut stored = pipeline();
        stored["id"] = json!("x");
        stored["updateTs"] = json!("1");
        stored["lastModifiedBy"] = json!("me");
        assert_eq!(wrappers(stored), at("", Wrapper::Front50));
    }

    #[test]
    fn other_documents_hold_none() {
        for other in [
            json!(7),
            json!({}),
            json!([1, 2]),
            json!({"name": "pkg", "version": "1"}),
            json!({"stages": ["build", "test"], "build": {"script": []}}),
            json!({"trigger": ["main"], "stages": [{"stage": "Build", "jobs": []}]}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {}}),
        ] {
            assert_eq!(wrappers(other.clone()), vec![], "{other}");
        }
        let execution = json!({"pipelineConfigId": "x", "status": "SUCCEEDED", "stages": [{"refId": "1", "type": "wait"}]});
        assert!(open(execution, &Spellings::default()).instead.is_some());
    }

    #[test]
    fn no_more_than_so_many_are_taken_from_one_file() {
        let many = |count: usize| open(Value::Array(vec![pipeline(); count]), &Spellings::default());
        assert!(!many(PIPELINES_MAX).more && many(PIPELINES_MAX + 1).more);
        let strangers = vec![json!(7); PIPELINES_MAX];
        assert!(open(Value::Array([vec![pipeline()], strangers].concat()), &Spellings::default()).more);
        assert!(open(json!({ "pipelines": vec![json!(7); PIPELINES_MAX + 1] }), &Spellings::default()).more);
    }

    #[test]
    fn a_stranger_in_a_list_is_told() {
        let contents = open(json!([pipeline(), 7]), &Spellings::default());
        assert_eq!(contents.pipelines[1].errors[0].code, "no-pipeline");
    }
}
