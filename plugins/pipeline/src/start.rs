//! The second step: what the child is told of its parent, its start, and a first look at it.

use sdk::contract::{Blame, Failure, Outcome, Results, RunInfo, StepInput};
use sdk::fields;
use sdk::host::{Artifacts, Context, ExecutionError, artifact_failure, execution_failure};
use serde_json::{Map, Value, json};

use crate::Host;
use crate::child::{self, Child};
use crate::settings::Settings;

/// Starts the child. Repeated within the same attempt, the host gives the same child.
pub(crate) fn child<H: Host>(input: &StepInput, settings: &Settings, host: &mut H) -> Result<Child, Failure> {
    let info = host.info();
    let application = settings.application.clone().unwrap_or_else(|| info.application.clone());
    let trigger = trigger(settings, &info, host)?;
    let id = host
        .start(&application, &settings.pipeline, &trigger.to_string())
        .map_err(|error| refused(&application, &settings.pipeline, &error))?;
    Ok(Child { id, ..Child::announced(&settings.pipeline, input.now_ms) })
}

/// The stage is stopped, and nobody knows whether the step that was to start the child came so far: the same start gives the same
/// child, which is then told to end. One that cannot be started never was.
pub(crate) fn undo<H: Host>(input: &StepInput, reason: &str, host: &mut H) -> Result<Outcome, Failure> {
    let none = || Ok(Outcome::Canceled(Results::message("no pipeline had been started")));
    let settings = fields::object(&input.params).ok().and_then(|stage| Settings::of(&stage).ok());
    // Whom nobody waits for is not stopped either.
    let Some(settings) = settings.filter(|settings| settings.wait) else { return none() };
    match child(input, &settings, host) {
        Ok(child) => child::cancel(child, reason, host),
        Err(failure) if failure.retryable => Err(failure),
        Err(_) => none(),
    }
}

/// Starts the child and rests until it has ended, unless it is not to be waited for.
pub(crate) fn start<H: Host>(input: &StepInput, settings: &Settings, host: &mut H) -> Result<Outcome, Failure> {
    let mut child = child(input, settings, host)?;
    // The child lives whatever becomes of this look: when it fails, the signal of the child's end brings the next one.
    if settings.wait {
        return match child::get(&child.id, host) {
            Ok(answer) => child::settle(child, &answer, settings),
            Err(_) => child.suspend(None),
        };
    }
    if let Ok(answer) = host.get(&child.id, &["name".to_owned()]) {
        child.learn(&child::object(&answer).unwrap_or_default());
    }
    let results =
        Results { outputs: "{}".to_owned(), ..Results::of(&child.context(None), format!("started {}, not waited for", child.label())) };
    Ok(Outcome::Succeeded(results))
}

fn refused(application: &str, pipeline: &str, error: &ExecutionError) -> Failure {
    let what = format!("the pipeline {pipeline} of application {application} cannot be started");
    let (kind, why) = match error {
        ExecutionError::Denied(text) => ("denied", text.as_str()),
        ExecutionError::NotFound => ("not-found", "there is no such pipeline"),
        ExecutionError::Refused(text) => ("refused", text.as_str()),
        ExecutionError::Quota(_) | ExecutionError::Unavailable(_) => return execution_failure(&what, error),
    };
    let details = json!({"application": application, "pipeline": pipeline, "kind": kind, "message": why});
    Failure::user("child-refused", format!("{what}: {why}")).with_details(&details)
}

/// The child's trigger: its parameters, all artifacts this stage sees, and where it comes from.
fn trigger<H: Context + Artifacts>(settings: &Settings, info: &RunInfo, host: &mut H) -> Result<Value, Failure> {
    let parent = parent(info, host)?;
    let mut trigger = json!({
        "type": "pipeline",
        "parameters": settings.parameters,
        "artifacts": artifacts(host)?,
        "isPipeline": true,
        "parentPipelineId": parent.get("pipelineConfigId").cloned().unwrap_or_default(),
        "parentPipelineName": info.pipeline,
        "parentPipelineApplication": info.application,
        "parentPipelineStageId": info.stage_id,
        "parentExecution": parent,
    });
    let dry = look_up("/trigger/dryRun", host)?;
    if let (Some(true), Some(trigger)) = (fields::flag(dry.as_ref()), trigger.as_object_mut()) {
        trigger.insert("dryRun".to_owned(), json!(true));
    }
    Ok(trigger)
}

fn artifacts<H: Artifacts>(host: &mut H) -> Result<Vec<Value>, Failure> {
    let texts = host.in_context().map_err(|error| artifact_failure("the artifacts for the child", &error))?;
    texts
        .iter()
        .map(|text| {
            serde_json::from_str(text)
                .map_err(|error| Failure::new("context-unavailable", Blame::Platform, format!("an artifact cannot be read: {error}")))
        })
        .collect()
}

/// What the child sees of this execution. The grandparents are left out: each generation would carry all before it.
fn parent<H: Context>(info: &RunInfo, host: &mut H) -> Result<Map<String, Value>, Failure> {
    let mut parent = match look_up("/execution", host)? {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    for (key, value) in [("id", &info.execution_id), ("application", &info.application), ("name", &info.pipeline)] {
        parent.entry(key).or_insert_with(|| json!(value));
    }
    if let Some(Value::Object(mut trigger)) = look_up("/trigger", host)? {
        trigger.remove("parentExecution");
        parent.insert("trigger".to_owned(), Value::Object(trigger));
    }
    Ok(parent)
}

/// A value of the execution. What cannot be looked up is no default: a dry run must not start a child for real.
fn look_up<H: Context>(pointer: &str, host: &mut H) -> Result<Option<Value>, Failure> {
    let unavailable = |why: String| Failure::new("context-unavailable", Blame::Platform, format!("{pointer} cannot be looked up: {why}"));
    let text = host.lookup(pointer).map_err(unavailable)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| unavailable(error.to_string()))).transpose()
}
