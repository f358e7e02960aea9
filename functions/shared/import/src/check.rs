//! From a file's bytes to what there is to say of the pipelines in it, and to the pipelines themselves, ready to be saved.

use crate::expressions;
use crate::flaw::{Flaw, Place};
use crate::identities;
use crate::json;
use crate::limits::{PIPELINES_MAX, TEMPLATES_MAX};
use crate::needs::{self, Mapping, Need};
use crate::plan;
use crate::report::{Report, Unsupported};
use crate::secrets;
use crate::stage_types::is_built_in;
use crate::text;
use crate::wrapper::{self, Contents, Found, Wrapper};
use crate::{differences, yaml};
use model::exact::Spellings;
use model::id::AppName;
use model::pipeline::Pipeline;
use model::problem::Problem;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How to look at files.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The application that everything goes into, whatever the files say.
    pub application: Option<String>,
    /// The stage types that are installed; those that come with the product where nothing is said.
    pub stage_types: Option<BTreeSet<String>>,
    /// Other names for what the pipelines need.
    pub mapping: Mapping,
    /// Templates of other files.
    pub templates: Templates,
}

/// Templates of the second kind, for pipelines of other files that use them. Its `Debug` leaves out what they hold.
#[derive(Clone, Default)]
pub struct Templates(Vec<(String, Value)>);

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id)).finish()
    }
}

impl Templates {
    /// Adds those of a file; one of a name that was there before is left out. A file without any is no fault.
    pub fn add(&mut self, file: &str, bytes: &[u8]) {
        // Most files hold none, and are not read twice.
        let speaks = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
        if self.0.len() >= TEMPLATES_MAX || ![&b"schema"[..], b"v2", b"pipeline"].into_iter().all(speaks) {
            return;
        }
        let Ok(contents) = contents(file, bytes) else { return };
        for found in contents.pipelines.into_iter().filter(|found| found.wrapper == Wrapper::TemplateV2 && found.errors.is_empty()) {
            let Some(id) = found.template_id else { continue };
            if !self.0.iter().any(|(known, _)| *known == id) {
                self.0.push((id, found.document));
            }
        }
    }
}

impl Options {
    fn knows(&self, kind: &str) -> bool {
        self.stage_types.as_ref().map_or_else(|| is_built_in(kind), |installed| installed.contains(kind))
    }
}

/// A pipeline, ready to be saved, and what there is to say of it. Its `Debug` leaves the document out: that may hold secrets.
#[derive(Clone)]
pub struct Checked {
    /// What there is to say.
    pub report: Report,
    /// The document: application and name filled in, names mapped, secrets still in it.
    pub document: Value,
    /// How its numbers are written.
    pub spellings: Spellings,
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checked").field("report", &self.report).finish_non_exhaustive()
    }
}

/// Looks at a file. One that holds no pipeline, or cannot be read, comes back as one report without a pipeline.
#[must_use]
pub fn check(file: &str, bytes: &[u8], options: &Options) -> Vec<Report> {
    match open(file, bytes, options) {
        Ok(checked) => checked.into_iter().map(|checked| checked.report).collect(),
        Err(report) => vec![*report],
    }
}

/// The same with the pipelines themselves.
pub fn open(file: &str, bytes: &[u8], options: &Options) -> Result<Vec<Checked>, Box<Report>> {
    let mut contents = contents(file, bytes)?;
    wrapper::template::expand_by(&mut contents.pipelines, &options.templates.0);
    if contents.more {
        let flaw = Flaw::at("", "too-many-pipelines", format!("a file has at most {PIPELINES_MAX} pipelines"));
        return Err(Box::new(Report::unreadable(file, flaw)));
    }
    if contents.pipelines.is_empty() {
        return Err(Box::new(Report::none(file, contents.instead)));
    }
    let many = contents.pipelines.len() > 1;
    let mut checked: Vec<Checked> = contents.pipelines.into_iter().map(|found| one(file, found, many, options)).collect();
    same_names(&mut checked);
    Ok(checked)
}

fn contents(file: &str, bytes: &[u8]) -> Result<Contents, Box<Report>> {
    let text = match text::text(bytes) {
        Ok(text) => text,
        Err(flaw) if flaw.code == "binary" && !named_as_document(file) => return Err(Box::new(Report::none(file, Some("a binary file")))),
        Err(flaw) => return Err(Box::new(Report::unreadable(file, *flaw))),
    };
    let begins = text.trim_start_matches(|c: char| c.is_whitespace());
    if begins.is_empty() {
        return Err(Box::new(Report::none(file, Some("an empty file"))));
    }
    if is_yaml(file, begins) { of_yaml(file, text) } else { of_json(file, text) }
}

fn ends_with(file: &str, ends: &[&str]) -> bool {
    let lower = file.to_ascii_lowercase();
    ends.iter().any(|end| lower.ends_with(end))
}

fn named_as_document(file: &str) -> bool {
    ends_with(file, &[".json", ".yaml", ".yml", "dinghyfile", ".dinghy"])
}

/// By how it begins; a comment says nothing.
fn is_yaml(file: &str, begins: &str) -> bool {
    let first = begins.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//"));
    let json = first.is_some_and(|line| line.starts_with(['{', '[', '"']) || line.starts_with("/*"));
    if json {
        return ends_with(file, &[".yaml", ".yml"]) && first.is_some_and(|line| line.starts_with("{%") || line.starts_with("{#"));
    }
    !ends_with(file, &[".json", "dinghyfile"])
}

/// Whether a text that is no document of its kind may have been meant as a pipeline.
fn speaks_of_pipelines(text: &str) -> bool {
    ["\"stages\"", "stages:", "\"pipelines\"", "PipelineJsonContent", "kind: Pipeline", "requisiteStageRefIds"]
        .iter()
        .any(|word| text.contains(word))
}

fn of_json(file: &str, text: &str) -> Result<Contents, Box<Report>> {
    let document = match json::read(text) {
        Ok(document) => document,
        Err(_) if !named_as_document(file) && !speaks_of_pipelines(text) => return Err(Box::new(Report::none(file, Some("no JSON")))),
        Err(flaw) => return Err(Box::new(Report::unreadable(file, *flaw))),
    };
    let mut contents = wrapper::open(document.value, &document.spellings);
    assign(&mut contents.pipelines, document.errors, false);
    assign(&mut contents.pipelines, document.actions, false);
    assign(&mut contents.pipelines, document.warnings, true);
    Ok(contents)
}

/// Gives each remark to the pipeline that it is about; what is about the file is about all of them.
fn assign(pipelines: &mut [Found], flaws: Vec<Flaw>, warnings: bool) {
    for flaw in flaws {
        let within = |at: &str| flaw.pointer.strip_prefix(at).filter(|rest| rest.is_empty() || rest.starts_with('/')).map(str::to_owned);
        let own = pipelines.iter().any(|found| within(&found.at).is_some());
        for found in pipelines.iter_mut() {
            let pointer = match within(&found.at) {
                Some(pointer) => pointer,
                None if own => continue,
                None => String::new(),
            };
            let flaw = Flaw { pointer, ..flaw.clone() };
            if warnings { found.warnings.push(flaw) } else { found.errors.push(flaw) }
        }
    }
}

fn of_yaml(file: &str, text: &str) -> Result<Contents, Box<Report>> {
    let documents = match yaml::file(text) {
        Ok(documents) => documents,
        Err(error) => return Err(Box::new(no_yaml(file, text, error))),
    };
    let mut all = Contents::default();
    let several = documents.len() > 1;
    for (at, document) in documents.into_iter().enumerate() {
        let mut contents = wrapper::open(document, &Spellings::default());
        if several {
            contents.pipelines.iter_mut().for_each(|found| found.at = format!("/{at}{}", found.at));
        }
        all.instead = all.instead.or(contents.instead);
        all.more |= contents.more;
        all.pipelines.append(&mut contents.pipelines);
    }
    Ok(all)
}

fn no_yaml(file: &str, text: &str, error: yaml::YamlError) -> Report {
    let filled_in_later = text.contains("{{") || text.contains("{%");
    if !speaks_of_pipelines(text) {
        return Report::none(file, Some("no YAML"));
    }
    let first_kind = filled_in_later && ["schema: \"1\"", "schema: '1'", "schema: 1"].iter().any(|schema| text.contains(schema));
    let code = match (first_kind, filled_in_later, error.twice) {
        (true, ..) => "template-v1",
        (_, true, _) => "template-action",
        (_, _, true) => "duplicate-key",
        _ => "yaml-invalid",
    };
    let place = error.line.map(|line| Place { line, column: error.column.unwrap_or(1) });
    Report::unreadable(file, Flaw { place, ..Flaw::at("", code, error.message) })
}

/// The application of pipelines that name none that can be one here.
const NO_APPLICATION: &str = "unnamed";

fn one(file: &str, found: Found, many: bool, options: &Options) -> Checked {
    let mut report = Report { file: file.to_owned(), wrapper: Some(found.wrapper), ..Report::default() };
    if many || !found.at.is_empty() {
        report.at = Some(found.at.clone());
    }
    let Found { document, spellings, wrapper, errors, warnings, .. } = &found;
    report.errors.clone_from(errors);
    report.warnings.clone_from(warnings);
    let mut document = document.clone();
    let mut fits = true;
    if let Some(object) = document.as_object_mut() {
        name(file, object, &found, many, &mut report);
        fits = application(object, &found, options, &mut report);
    } else if report.errors.is_empty() {
        report.errors.push(Flaw::at("", "not-an-object", "a pipeline is a JSON object"));
    }
    if document.is_object() && *wrapper != Wrapper::TemplateV1 {
        look(&mut document, *wrapper, fits, options, &mut report);
    }
    report.imported = report.errors.is_empty();
    report.planned &= report.imported;
    if let Some(first) = report.errors.first() {
        report.reason = Some(format!("{}: {}", first.code, first.message));
    }
    for secret in report.secrets.clone() {
        if let Some(Value::String(value)) = document.pointer(&secret.pointer)
            && value.len() > 3
        {
            report.conceal(value);
        }
    }
    Checked { report, document, spellings: spellings.clone() }
}

/// A pipeline without a name gets its wrapper's, or its file's.
fn name(file: &str, object: &mut Map<String, Value>, found: &Found, many: bool, report: &mut Report) {
    let own = object.get("name").and_then(model::lenient::as_text).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    report.pipeline = own.clone().or_else(|| found.name.clone());
    if own.is_some() || found.wrapper == Wrapper::TemplateV1 {
        return;
    }
    let stem = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = stem.strip_prefix('.').unwrap_or(stem).split('.').next().unwrap_or_default();
    let derived =
        found.name.clone().unwrap_or_else(|| if many { format!("{stem}{}", found.at.replace('/', "-")) } else { stem.to_owned() });
    let written = object.get("name").is_none_or(|name| name.is_null() || name.is_string());
    if written && !derived.trim().is_empty() {
        if found.name.is_none() {
            report.warnings.push(Flaw::at("/name", "name-missing", format!("the pipeline has no name; it is called `{derived}`")));
        }
        report.pipeline = Some(derived.clone());
        object.insert("name".to_owned(), Value::String(derived));
    }
}

/// What can be no application's name here is something that has to be said when the pipeline is imported; then it is not true.
fn application(object: &mut Map<String, Value>, found: &Found, options: &Options, report: &mut Report) -> bool {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let written = object.get("application").and_then(text).or_else(|| found.application.clone());
    report.application.clone_from(&written);
    let wanted = options.application.clone().or_else(|| written.clone());
    let fits = wanted.as_ref().is_some_and(|name| AppName::parse(name.as_str()).is_ok());
    if !fits {
        let name = written.unwrap_or_default();
        let what = if name.is_empty() {
            "the pipeline names no application".to_owned()
        } else {
            format!("`{name}` can be no application's name here")
        };
        report.warnings.push(Flaw::at("/application", "application-needed", format!("{what}: say which when it is imported")));
        report.needs.push(Need { kind: "application", name, pointers: vec!["/application".to_owned()] });
    }
    if let Some(name) = wanted.filter(|_| fits) {
        object.insert("application".to_owned(), Value::String(name));
    }
    fits
}

/// Reads the pipeline as if it had an application, where none was said yet.
fn parsed(document: &Value, fits: bool) -> Result<(Pipeline, Vec<Problem>), Vec<Problem>> {
    if fits {
        return Pipeline::parse(document);
    }
    let mut document = document.clone();
    if let Some(object) = document.as_object_mut() {
        object.insert("application".to_owned(), Value::String(NO_APPLICATION.to_owned()));
    }
    Pipeline::parse(&document)
}

fn look(document: &mut Value, wrapper: Wrapper, fits: bool, options: &Options, report: &mut Report) {
    report.needs.extend(needs::find(document));
    let template = needs::template(document, wrapper, &mut report.needs);
    options.mapping.apply(document);
    report.secrets = secrets::find(document);
    report.identities = identities::find(document);
    report.expressions = expressions::parse(document);
    report.differences = differences::find(document, &report.expressions);
    report.kept = kept(document);
    report.stages = counts(document, "stages");
    report.triggers = counts(document, "triggers");
    match parsed(document, fits) {
        Ok((pipeline, warnings)) => {
            report.warnings.extend(warnings.into_iter().filter(|warning| tell(warning, &mut report.unsupported)).map(Flaw::from));
            if pipeline.stages.is_empty() && template.is_none() {
                report.warnings.push(Flaw::at("/stages", "no-stages", "there is no stage, so a start is refused"));
            }
            planned(&pipeline, options, report);
        }
        Err(problems) => {
            for problem in problems {
                let list = if problem.warning { &mut report.warnings } else { &mut report.errors };
                if !problem.warning || tell(&problem, &mut report.unsupported) {
                    list.push(problem.into());
                }
            }
        }
    }
    unsupported_stages(document, options, report);
    if let Some(template) = template.filter(|_| document.get("stages").and_then(Value::as_array).is_none_or(Vec::is_empty)) {
        report.planned = false;
        report.reason = Some(format!("template-needed: what it is made of is in the template {template}"));
    }
}

fn planned(pipeline: &Pipeline, options: &Options, report: &mut Report) {
    match plan::plan(pipeline, &|kind| options.knows(kind)) {
        Ok(_) => report.planned = true,
        Err(error) => report.reason = Some(format!("graph-invalid: {error}")),
    }
}

/// What is kept and does nothing here is listed as such, not as a warning.
fn tell(warning: &Problem, unsupported: &mut Vec<Unsupported>) -> bool {
    let kind = match warning.code.as_str() {
        "trigger-not-served" => "trigger-type",
        "notification-unknown" => "notification-type",
        _ => return true,
    };
    let name = warning.message.split('`').nth(1).unwrap_or_default().to_owned();
    unsupported.push(Unsupported { pointer: warning.pointer.clone(), kind, name });
    false
}

fn unsupported_stages(document: &Value, options: &Options, report: &mut Report) {
    let stages = document.get("stages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (at, stage) in stages.iter().enumerate() {
        let kind = stage.get("type").and_then(Value::as_str).unwrap_or_default();
        if !kind.is_empty() && !options.knows(kind) {
            report.unsupported.push(Unsupported { pointer: format!("/stages/{at}/type"), kind: "stage-type", name: kind.to_owned() });
        }
    }
}

fn counts(document: &Value, key: &str) -> std::collections::BTreeMap<String, usize> {
    let mut counts = std::collections::BTreeMap::new();
    for (_, object) in crate::walk::objects(document, key) {
        let kind = object.get("type").and_then(Value::as_str).unwrap_or("(none)");
        *counts.entry(kind.to_owned()).or_default() += 1;
    }
    counts
}

/// What the engine, the forms and the lists read.
const INTERPRETED: [&str; 26] = [
    "application",
    "name",
    "id",
    "index",
    "description",
    "type",
    "schema",
    "stages",
    "triggers",
    "parameterConfig",
    "expectedArtifacts",
    "notifications",
    "limitConcurrent",
    "maxConcurrentExecutions",
    "keepWaitingPipelines",
    "disabled",
    "locked",
    "roles",
    "serviceAccount",
    "tags",
    "manualStartAlert",
    "waybill",
    "lastModifiedBy",
    "updateTs",
    "lastModified",
    "spelEvaluator",
];

fn kept(document: &Value) -> Vec<String> {
    let keys = document.as_object().into_iter().flat_map(Map::keys);
    keys.filter(|key| !INTERPRETED.contains(&key.as_str())).map(|key| format!("/{}", model::problem::token(key))).collect()
}

/// Two pipelines of one application cannot have one name, however it is written.
fn same_names(checked: &mut [Checked]) {
    let mut seen = BTreeSet::new();
    for Checked { report, document, .. } in checked {
        let text = |key: &str| text::name_key(document.get(key).and_then(Value::as_str).unwrap_or_default());
        let name = text("name");
        if !name.is_empty() && document.get("stages").is_some() && !seen.insert((text("application"), name)) {
            let flaw = Flaw::at(
                "/name",
                "name-twice",
                "another pipeline of the file has this name already, but for case or the form of its characters",
            );
            report.reason.get_or_insert_with(|| format!("{}: {}", flaw.code, flaw.message));
            report.errors.push(flaw);
            report.imported = false;
            report.planned = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_of_another_file_is_filled_in() {
        let template = br#"{"schema": "v2", "id": "base", "variables": [{"name": "n", "defaultValue": 1}],
            "pipeline": {"stages": [{"refId": "1", "type": "wait", "waitTime": "${templateVariables.n}"}]}}"#;
        let used = br#"{"schema": "v2", "application": "a", "name": "x", "type": "templatedPipeline", "variables": {"n": 3},
            "template": {"reference": "spinnaker://base"}, "stages": []}"#;
        let alone = check("x.json", used, &Options::default());
        assert!(alone[0].reason.as_deref().is_some_and(|reason| reason.starts_with("template-needed")), "{alone:?}");
        let mut templates = Templates::default();
        templates.add("none.json", b"{}");
        templates.add("base.json", template);
        let options = Options { templates, ..Options::default() };
        let filled = open("x.json", used, &options).unwrap().remove(0);
        assert!(filled.report.planned, "{:?}", filled.report);
        assert_eq!(filled.document["templateVariables"]["n"], 3);
        assert!(!format!("{options:?}").contains("waitTime"));
    }
}
