//! Reads a pipeline document field by field, so that each problem has its place and one pass finds them all.

use super::graph::{FailureChoice, Stage, check_cycles};
use super::read_parts::{expected_artifacts, notifications, parameters, triggers};
use super::read_window::window;
use super::window::zone;
use super::{Concurrency, Pipeline, STAGES_MAX, details, shape};
use crate::id::{AppName, RefId, TITLE_BYTES_MAX};
use crate::lenient::as_text;
use crate::problem::Problems;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

pub(super) type Object = Map<String, Value>;

pub(super) fn pipeline(document: &Value, problems: &mut Problems) -> Option<Pipeline> {
    let Some(object) = document.as_object() else {
        problems.error("", "not-an-object", "a pipeline is a JSON object");
        return None;
    };
    let application = application(object, problems);
    let name = name(object, problems);
    shape::check(object, "", shape::PIPELINE, problems);
    shape::remark(object, "", shape::PIPELINE_CARRIED, problems);
    let stages = stages(object, problems);
    let expected_artifacts = expected_artifacts(object, problems);
    let triggers = triggers(object, &expected_artifacts, problems);
    let parameters = parameters(object, problems);
    let notifications = notifications(object, "", problems);
    let details = details::details(object);
    let concurrency = concurrency(object, problems);
    let time_zone = time_zone(object, problems);
    let disabled = object.get("disabled").is_some_and(truthy);
    Some(Pipeline {
        application: application?,
        name: name?,
        disabled,
        concurrency,
        time_zone,
        stages,
        triggers,
        parameters,
        expected_artifacts,
        notifications,
        details,
    })
}

/// Booleans are stored as text by some tools.
#[must_use]
pub fn truthy(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| value.as_str().is_some_and(|s| s.eq_ignore_ascii_case("true")))
}

/// A switch, where it is one.
pub(super) fn flag(object: &Object, key: &str) -> Option<bool> {
    match object.get(key)? {
        Value::Bool(on) => Some(*on),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn application(object: &Object, problems: &mut Problems) -> Option<AppName> {
    let Some(text) = object.get("application").and_then(Value::as_str) else {
        problems.error("/application", "application-missing", "a pipeline belongs to an application");
        return None;
    };
    AppName::parse(text).map_err(|error| problems.error("/application", "application-invalid", error.to_string())).ok()
}

fn name(object: &Object, problems: &mut Problems) -> Option<String> {
    let name = object.get("name").and_then(Value::as_str).map(str::trim).unwrap_or_default();
    if name.is_empty() {
        problems.error("/name", "name-missing", "a pipeline has a name");
        return None;
    }
    if name.len() > TITLE_BYTES_MAX || name.chars().any(char::is_control) {
        problems.error("/name", "name-invalid", format!("at most {TITLE_BYTES_MAX} bytes, no control characters"));
        return None;
    }
    Some(name.to_owned())
}

/// `maxConcurrentExecutions` counts only where `limitConcurrent` is off, and 0 means no limit.
fn concurrency(object: &Object, problems: &mut Problems) -> Concurrency {
    let key = "maxConcurrentExecutions";
    let max = number(object, key, "", problems).filter(|n| *n > 0).and_then(|n| {
        let max = u32::try_from(n).ok();
        if max.is_none() {
            problems.error(format!("/{key}"), "number-too-large", format!("at most {}, here {n}", u32::MAX));
        }
        max
    });
    let limit = if object.get("limitConcurrent").is_some_and(truthy) { Some(1) } else { max };
    Concurrency { limit, keep_waiting: object.get("keepWaitingPipelines").is_some_and(truthy) }
}

/// The time zone's name as the IANA database spells it.
fn time_zone(object: &Object, problems: &mut Problems) -> Option<String> {
    let ours = object.get("waybill").filter(|v| !v.is_null())?;
    let Some(ours) = ours.as_object() else {
        problems.error("/waybill", "not-an-object", "`waybill` is an object");
        return None;
    };
    let value = ours.get("timeZone").filter(|v| !v.is_null() && v.as_str() != Some(""))?;
    let Some(name) = value.as_str() else {
        problems.error("/waybill/timeZone", "not-a-text", "`timeZone` is the name of a time zone");
        return None;
    };
    match zone(name) {
        Ok(zone) => Some(zone.iana_name().unwrap_or(name).to_owned()),
        Err(error) => {
            problems.error("/waybill/timeZone", "time-zone-unknown", error.to_string());
            None
        }
    }
}

pub(super) fn list<'a>(object: &'a Object, key: &str, problems: &mut Problems) -> &'a [Value] {
    match object.get(key) {
        None | Some(Value::Null) => &[],
        Some(Value::Array(list)) => list,
        Some(_) => {
            problems.error(format!("/{key}"), "not-a-list", format!("`{key}` is a list"));
            &[]
        }
    }
}

pub(super) fn typed<T: DeserializeOwned>(value: &Value, pointer: &str, problems: &mut Problems) -> Option<T> {
    if !value.is_object() {
        problems.error(pointer, "not-an-object", "must be a JSON object");
        return None;
    }
    T::deserialize(value).map_err(|error| problems.error(pointer, "invalid", error.to_string())).ok()
}

fn stages(object: &Object, problems: &mut Problems) -> Vec<Stage> {
    let values = list(object, "stages", problems);
    if values.len() > STAGES_MAX {
        problems.error("/stages", "too-many-stages", format!("at most {STAGES_MAX} stages, here {}", values.len()));
        return Vec::new();
    }
    let objects: Vec<&Object> = values
        .iter()
        .enumerate()
        .filter_map(|(i, value)| {
            let object = value.as_object();
            if object.is_none() {
                problems.error(format!("/stages/{i}"), "not-an-object", "a stage is a JSON object");
            }
            object
        })
        .collect();
    if objects.len() < values.len() {
        return Vec::new();
    }
    let chain = objects.iter().all(|o| o.get("refId").is_none_or(Value::is_null));
    let ids = ref_ids(&objects, chain, problems);
    let positions: HashMap<&str, usize> = ids.iter().enumerate().map(|(i, id)| (id.as_str(), i)).collect();
    let stages: Vec<Stage> = objects
        .iter()
        .zip(&ids)
        .enumerate()
        .filter_map(|(i, (object, ref_id))| {
            let requisites = if chain { i.checked_sub(1).into_iter().collect() } else { requisites(object, i, &positions, problems) };
            stage(object, i, ref_id, requisites, problems)
        })
        .collect();
    if stages.len() == objects.len() {
        check_cycles(&stages, problems);
    }
    stages
}

/// The stages' refIds; invented, in order, when none has one.
fn ref_ids(objects: &[&Object], chain: bool, problems: &mut Problems) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut ids = Vec::with_capacity(objects.len());
    for (i, object) in objects.iter().enumerate() {
        let pointer = format!("/stages/{i}/refId");
        let id = match object.get("refId") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => {
                problems.warning(&pointer, "ref-id-number", format!("a refId is a text; `{number}` is read as one"));
                number.to_string()
            }
            None | Some(Value::Null) if chain => i.to_string(),
            None | Some(Value::Null) => {
                problems.error(&pointer, "ref-id-missing", "some stages have a refId and this one has none: give one to all or to none");
                format!("\u{0}{i}")
            }
            Some(_) => {
                problems.error(&pointer, "ref-id-invalid", "a refId is a text");
                format!("\u{0}{i}")
            }
        };
        if !seen.insert(id.clone()) {
            problems.error(&pointer, "ref-id-twice", format!("another stage has the refId `{id}` already"));
        }
        ids.push(id);
    }
    ids
}

fn requisites(object: &Object, i: usize, positions: &HashMap<&str, usize>, problems: &mut Problems) -> Vec<usize> {
    let pointer = format!("/stages/{i}/requisiteStageRefIds");
    let values = match object.get("requisiteStageRefIds") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(values)) => values,
        Some(_) => {
            problems.error(pointer, "not-a-list", "`requisiteStageRefIds` is a list of refIds");
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for (k, value) in values.iter().enumerate() {
        let id = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match positions.get(id.as_str()) {
            Some(position) if !found.contains(position) => found.push(*position),
            Some(_) => {}
            None => problems.error(format!("{pointer}/{k}"), "requisite-unknown", format!("no stage has the refId `{id}`")),
        }
    }
    found
}

fn stage(object: &Object, i: usize, ref_id: &str, requisites: Vec<usize>, problems: &mut Problems) -> Option<Stage> {
    let pointer = format!("/stages/{i}");
    shape::check(object, &pointer, shape::STAGE, problems);
    shape::remark(object, &pointer, shape::STAGE_CARRIED, problems);
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind.is_empty() {
        problems.error(format!("{pointer}/type"), "type-missing", "a stage has a type");
        return None;
    }
    let ref_id = if ref_id.starts_with('\u{0}') {
        return None;
    } else {
        RefId::parse(ref_id).map_err(|error| problems.error(format!("{pointer}/refId"), "ref-id-invalid", error.to_string())).ok()?
    };
    let flag = |key: &str| flag(object, key).unwrap_or_default();
    Some(Stage {
        ref_id,
        name: object.get("name").and_then(as_text).filter(|n| !n.is_empty()).unwrap_or_else(|| kind.clone()),
        kind,
        requisites,
        timeout_ms: number(object, "stageTimeoutMs", &pointer, problems).filter(|n| *n > 0),
        succeed_on_timeout: flag("markSuccessfulOnTimeout"),
        failure: failure(object),
        condition: condition(object, &pointer, problems),
        window: window(object, &pointer, problems),
        siblings_continue: flag("allowSiblingStagesToContinueOnFailure"),
        skippable: flag("skippable"),
        notifications: if flag("sendNotifications") { notifications(object, &pointer, problems) } else { Vec::new() },
        json: object.clone(),
    })
}

fn failure(object: &Object) -> FailureChoice {
    let on = |key: &str| flag(object, key);
    match (on("continuePipeline"), on("failPipeline")) {
        (Some(true), _) => FailureChoice::Ignore,
        (_, Some(false)) => FailureChoice::StopBranch { fail_at_end: on("completeOtherBranchesThenFail").unwrap_or_default() },
        _ => FailureChoice::Halt,
    }
}

/// A whole number; text that spells one is accepted, and an expression is kept without being one.
pub(super) fn number(object: &Object, key: &str, pointer: &str, problems: &mut Problems) -> Option<u64> {
    let value = object.get(key).filter(|v| !v.is_null() && v.as_str() != Some(""))?;
    let number = value.as_u64().or_else(|| value.as_f64().filter(|f| *f >= 0.0 && f.fract() == 0.0).map(|f| f as u64));
    let number = number.or_else(|| value.as_str().and_then(|s| s.trim().parse().ok()));
    if number.is_none() && value.as_str().is_some_and(|text| text.contains("${")) {
        let message = format!("`{key}` is read before expressions are evaluated; it counts as not given");
        problems.warning(format!("{pointer}/{key}"), "expression-not-evaluated", message);
        return None;
    }
    if number.is_none() {
        problems.error(format!("{pointer}/{key}"), "not-a-number", format!("`{key}` is a whole number from 0 up, here {value}"));
    }
    number
}

fn condition(object: &Object, pointer: &str, problems: &mut Problems) -> Option<String> {
    let enabled = object.get("stageEnabled").filter(|v| !v.is_null())?;
    let Some(enabled) = enabled.as_object() else {
        problems.error(format!("{pointer}/stageEnabled"), "not-an-object", "`stageEnabled` is an object with `type` and `expression`");
        return None;
    };
    let text = enabled.get("expression").map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))?;
    Some(text).filter(|t| !t.trim().is_empty())
}
