//! Reads what stands beside the stages: triggers, parameters, expected artifacts, notifications. Shapes are looked at first, each
//! at its own place; what reads them then coerces.

use super::notification::{Notification, OCCASIONS, TYPES};
use super::parameter::{Comparator, Parameter};
use super::quartz;
use super::read::{Object, list, typed};
use super::shape;
use crate::artifact::{ExpectedArtifact, check_pattern};
use crate::lenient::as_text;
use crate::problem::Problems;
use crate::trigger::Trigger;
use serde_json::{Map, Value};
use std::collections::HashSet;

pub(super) fn expected_artifacts(object: &Object, problems: &mut Problems) -> Vec<ExpectedArtifact> {
    let values = list(object, "expectedArtifacts", problems);
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for (i, value) in values.iter().enumerate() {
        let pointer = format!("/expectedArtifacts/{i}");
        if value.as_object().is_some_and(|artifact| !artifact_shapes(artifact, &pointer, problems)) {
            continue;
        }
        let Some(artifact) = typed::<ExpectedArtifact>(value, &pointer, problems) else { continue };
        if artifact.id.is_empty() {
            problems.warning(
                format!("{pointer}/id"),
                "id-missing",
                "an expected artifact without an id is named by no trigger and no stage",
            );
        } else if !seen.insert(artifact.id.clone()) {
            problems.error(format!("{pointer}/id"), "id-twice", format!("another expected artifact has the id `{}` already", artifact.id));
        }
        for (field, pattern) in [("name", &artifact.match_artifact.name), ("version", &artifact.match_artifact.version)] {
            if check_pattern(pattern).is_err() {
                let message = format!("`{pattern}` is no valid pattern, so only the same text fits it");
                problems.warning(format!("{pointer}/matchArtifact/{field}"), "pattern-invalid", message);
            }
        }
        found.push(artifact);
    }
    found
}

fn artifact_shapes(artifact: &Object, pointer: &str, problems: &mut Problems) -> bool {
    let mut fine = shape::check(artifact, pointer, shape::EXPECTED, problems);
    for key in ["matchArtifact", "defaultArtifact", "boundArtifact"] {
        if let Some(inner) = artifact.get(key).and_then(Value::as_object) {
            fine &= shape::check(inner, &format!("{pointer}/{key}"), shape::ARTIFACT, problems);
        }
    }
    fine
}

pub(super) fn triggers(object: &Object, expected: &[ExpectedArtifact], problems: &mut Problems) -> Vec<Trigger> {
    let values = list(object, "triggers", problems);
    let mut found = Vec::new();
    for (i, value) in values.iter().enumerate() {
        let pointer = format!("/triggers/{i}");
        if let Some(trigger) = value.as_object() {
            shape::remark(trigger, &pointer, shape::TRIGGER_CARRIED, problems);
            if !shape::check(trigger, &pointer, shape::TRIGGER, problems) {
                continue;
            }
        }
        let Some(trigger) = typed::<Trigger>(value, &pointer, problems) else { continue };
        for (k, id) in trigger.expected_artifact_ids.iter().enumerate() {
            if !expected.iter().any(|e| e.id == *id) {
                let message = format!("no expected artifact has the id `{id}`, so nothing fits it");
                problems.warning(format!("{pointer}/expectedArtifactIds/{k}"), "expected-artifact-unknown", message);
            }
        }
        one_trigger(&trigger, &pointer, problems);
        found.push(trigger);
    }
    found
}

/// A trigger that cannot fire is kept; it is told why it will not.
fn one_trigger(trigger: &Trigger, pointer: &str, problems: &mut Problems) {
    match trigger.kind.as_str() {
        "" => problems.error(format!("{pointer}/type"), "type-missing", "a trigger has a type"),
        "docker" => docker_trigger(trigger, pointer, problems),
        kind => {
            let message = format!("triggers of type `{kind}` are kept, but do not fire yet");
            problems.warning(format!("{pointer}/type"), "trigger-not-served", message);
            other_trigger(kind, &trigger.other, pointer, problems);
        }
    }
}

fn docker_trigger(trigger: &Trigger, pointer: &str, problems: &mut Problems) {
    if let Err(message) = check_pattern(&trigger.tag) {
        let message = format!("the tag pattern is not valid, so no tag fits it: {message}");
        problems.warning(format!("{pointer}/tag"), "pattern-invalid", message);
    }
    if trigger.account.is_empty() {
        problems.warning(format!("{pointer}/account"), "account-missing", "a docker trigger without a registry account never fires");
    }
    if trigger.repository.is_empty() {
        problems.warning(format!("{pointer}/repository"), "repository-missing", "a docker trigger without a repository never fires");
    }
}

fn other_trigger(kind: &str, object: &Object, pointer: &str, problems: &mut Problems) {
    let text = |key: &str| object.get(key).and_then(as_text).filter(|text| !text.trim().is_empty());
    let mut needs = |keys: &[&str]| {
        for key in keys.iter().filter(|key| text(key).is_none()) {
            let message = format!("a trigger of type `{kind}` without `{key}` never fires");
            problems.warning(format!("{pointer}/{key}"), "setting-missing", message);
        }
    };
    match kind {
        "git" => needs(&["project", "slug"]),
        "webhook" => needs(&["source"]),
        "pipeline" => needs(&["application", "pipeline"]),
        "cron" => needs(&["cronExpression"]),
        "jenkins" | "wercker" | "travis" | "gitlab-ci" => needs(&["master", "job"]),
        "pubsub" => needs(&["pubsubSystem", "subscriptionName"]),
        "helm" => needs(&["account", "chart"]),
        "artifactory" => needs(&["artifactorySearchName"]),
        "nexus" => needs(&["nexusSearchName"]),
        _ => {}
    }
    if let Some(branch) = text("branch")
        && kind == "git"
        && let Err(message) = check_pattern(&branch)
    {
        let message = format!("the branch pattern is not valid, so no branch fits it: {message}");
        problems.warning(format!("{pointer}/branch"), "pattern-invalid", message);
    }
    if let Some(cron) = text("cronExpression")
        && kind == "cron"
        && let Err(message) = quartz::check(&cron)
    {
        problems.warning(format!("{pointer}/cronExpression"), "cron-invalid", message);
    }
    constraints(object, pointer, problems);
}

fn constraints(object: &Object, pointer: &str, problems: &mut Problems) {
    for key in ["payloadConstraints", "attributeConstraints"] {
        for (name, value) in object.get(key).and_then(Value::as_object).into_iter().flatten() {
            let place = format!("{pointer}/{key}/{}", crate::problem::token(name));
            match as_text(value) {
                None => problems.warning(place, "not-a-text", "a constraint is a pattern"),
                Some(pattern) if check_pattern(&pattern).is_err() => {
                    problems.warning(place, "pattern-invalid", "the pattern is not valid, so nothing fits it");
                }
                Some(_) => {}
            }
        }
    }
}

pub(super) fn parameters(object: &Object, problems: &mut Problems) -> Vec<Parameter> {
    let values = list(object, "parameterConfig", problems);
    let mut seen = HashSet::new();
    let mut found: Vec<(String, Parameter)> = Vec::new();
    for (i, value) in values.iter().enumerate() {
        let pointer = format!("/parameterConfig/{i}");
        if value.as_object().is_some_and(|parameter| !shape::check(parameter, &pointer, shape::PARAMETER, problems)) {
            continue;
        }
        let Some(mut parameter) = typed::<Parameter>(value, &pointer, problems) else { continue };
        if parameter.name.is_empty() {
            problems.error(format!("{pointer}/name"), "name-missing", "a parameter has a name");
        } else if !seen.insert(parameter.name.clone()) {
            problems.error(format!("{pointer}/name"), "name-twice", format!("another parameter is called `{}` already", parameter.name));
        }
        parameter.options = parameter.options.into_iter().map(|o| o.get("value").cloned().unwrap_or(o)).collect();
        found.push((pointer, parameter));
    }
    for (pointer, parameter) in &found {
        one_parameter(parameter, &seen, pointer, problems);
    }
    found.into_iter().map(|(_, parameter)| parameter).collect()
}

fn one_parameter(parameter: &Parameter, names: &HashSet<String>, pointer: &str, problems: &mut Problems) {
    let text = |value: &Value| as_text(value).unwrap_or_default();
    let default = text(&parameter.default);
    if parameter.default.is_array() || parameter.default.is_object() {
        problems.warning(format!("{pointer}/default"), "not-a-scalar", "a default is a text, a number or a switch; it is given as it is");
    } else if parameter.has_options && parameter.options.is_empty() {
        problems.warning(format!("{pointer}/options"), "options-missing", "only options may be given, and there are none");
    } else if parameter.has_options && !default.is_empty() && !parameter.options.iter().any(|option| text(option) == default) {
        problems.warning(
            format!("{pointer}/default"),
            "default-not-an-option",
            "the default is none of the options, so a start must give another value",
        );
    }
    if !["", "date"].contains(&parameter.constraint.as_str()) {
        let message = format!("there is no constraint `{}`; it is not looked at", parameter.constraint);
        problems.warning(format!("{pointer}/constraint"), "constraint-unknown", message);
    }
    let Some(conditional) = &parameter.conditional else { return };
    let pointer = format!("{pointer}/conditional");
    if Comparator::parse(&conditional.comparator).is_none() {
        let message = format!("there is no comparison `{}`, so the parameter is always asked for", conditional.comparator);
        problems.warning(format!("{pointer}/comparator"), "comparator-unknown", message);
    }
    if !names.contains(&conditional.parameter) {
        let message = format!("there is no parameter `{}` to compare with", conditional.parameter);
        problems.warning(format!("{pointer}/parameter"), "parameter-unknown", message);
    }
}

/// Nothing that is wrong with a notification refuses the pipeline: it is the one that is not sent.
pub(super) fn notifications(object: &Object, pointer: &str, problems: &mut Problems) -> Vec<Notification> {
    let pointer = format!("{pointer}/notifications");
    let values = match object.get("notifications") {
        Some(Value::Array(values)) => values.as_slice(),
        None | Some(Value::Null) => &[],
        Some(_) => {
            problems.warning(pointer, "not-a-list", "`notifications` is a list");
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for (i, value) in values.iter().enumerate() {
        let pointer = format!("{pointer}/{i}");
        let Some(object) = value.as_object() else {
            problems.warning(pointer, "not-an-object", "a notification is a JSON object; this one is not sent");
            continue;
        };
        shape::remark(object, &pointer, shape::NOTIFICATION, problems);
        let Ok(notification) = serde_json::from_value::<Notification>(value.clone()) else { continue };
        if !TYPES.contains(&notification.kind.as_str()) {
            let message = format!("nobody knows notifications of type `{}`; it is kept", notification.kind);
            problems.warning(format!("{pointer}/type"), "notification-unknown", message);
        }
        for (k, when) in notification.when.iter().enumerate().filter(|(_, when)| !OCCASIONS.contains(&when.as_str())) {
            problems.warning(format!("{pointer}/when/{k}"), "occasion-unknown", format!("there is no occasion `{when}`"));
        }
        found.push(notification);
    }
    found
}

/// Whether a parameter of a form is asked for by people at all.
pub(super) fn is_asked(parameter: &Parameter, given: &Map<String, Value>) -> bool {
    parameter.conditional.as_ref().is_none_or(|conditional| conditional.holds(given.get(&conditional.parameter)))
}
