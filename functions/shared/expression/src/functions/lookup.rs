//! Functions that look at the execution in the scope: its stages, judgments, artifacts and user.

use super::{Function, aware};
use crate::error::{Fallible, fault};
use crate::machine::Call;
use crate::methods::P;
use crate::value::{Pairs, Text, Val, put};
use crate::{compare, stages};

/// Stages that deploy server groups.
const DEPLOYING: [&str; 4] = ["deploy", "createServerGroup", "cloneServerGroup", "rollingPush"];

fn stage<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    stages::get(c.text(0)?, c.machine).map(Val::Map)
}

fn by_ref<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    for (_, stage) in stages::all(c.machine)? {
        if stages::text(&stage, "refId", c.machine)?.as_deref() == Some(c.text(0)?) {
            return Ok(Val::Map(stage));
        }
    }
    Err(fault("unknown-stage", format!("there is no stage with the reference `{}`", c.text(0)?.chars().take(40).collect::<String>())))
}

fn current<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    let from_scope = || -> Fallible<Option<String>> {
        match c.machine.root("execution")? {
            Some(Val::Map(execution)) => stages::text(&execution, "currentStageId", c.machine),
            _ => Ok(None),
        }
    };
    let wanted = match c.machine.host.current_stage() {
        Some(stage) => Some(stage),
        None => from_scope()?,
    };
    let wanted = wanted.ok_or_else(|| fault("function-off", "there is no current stage here"))?;
    for (name, stage) in stages::all(c.machine)? {
        let is = |field| Ok(stages::text(&stage, field, c.machine)?.as_deref() == Some(&wanted));
        if name == wanted || is("id")? || is("refId")? {
            return Ok(Val::Map(stage));
        }
    }
    Err(fault("unknown-stage", "the current stage is not among those in sight"))
}

/// The text that a person chose in a manual judgment.
fn judgment<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    let wanted = c.text(0)?;
    for (name, stage) in stages::all(c.machine)? {
        let other = stages::text(&stage, "type", c.machine)?.is_some_and(|kind| kind != "manualJudgment");
        if name != wanted || other {
            continue;
        }
        for place in ["context", "outputs"] {
            if let Some(Val::Map(map)) = stage.named(place, c.machine)?
                && let Some(input @ Val::Text(_)) = map.named("judgmentInput", c.machine)?
            {
                return Ok(input);
            }
        }
    }
    stages::get(wanted, c.machine)?;
    Err(fault("no-judgment", "the stage is no manual judgment, or nothing was chosen in it"))
}

fn user<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    if let Some(Val::Map(execution)) = c.machine.root("execution")? {
        if let Some(Val::Map(authentication)) = execution.named("authentication", c.machine)?
            && let Some(user @ Val::Text(_)) = authentication.named("user", c.machine)?
        {
            return Ok(user);
        }
        if let Some(user @ Val::Text(_)) = execution.named("user", c.machine)? {
            return Ok(user);
        }
    }
    Ok(Val::Text(Text::Borrowed("")))
}

/// The artifact that an expected one of the trigger was bound to.
fn bound<'a>(c: &Call<'_, 'a>, field: &str) -> Fallible<Val<'a>> {
    let wanted = c.text(0)?;
    let expected = match c.machine.root("trigger")? {
        Some(Val::Map(trigger)) => trigger.named("resolvedExpectedArtifacts", c.machine)?,
        _ => None,
    };
    if let Some(Val::List(_, items)) = expected {
        for item in items.iter() {
            c.machine.meter.step()?;
            if let Val::Map(item) = item
                && let Some(Val::Map(artifact)) = item.named("boundArtifact", c.machine)?
                && stages::text(&artifact, field, c.machine)?.as_deref() == Some(wanted)
            {
                return Ok(Val::Map(artifact));
            }
        }
    }
    let said: String = wanted.chars().take(80).collect();
    Err(fault("unknown-artifact", format!("the trigger has no resolved artifact with the {field} `{said}`")))
}

fn resolved<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    match c.machine.root("trigger")? {
        Some(Val::Map(trigger)) => Ok(trigger.named("resolvedExpectedArtifacts", c.machine)?.unwrap_or_else(|| Val::list(Vec::new()))),
        _ => Ok(Val::list(Vec::new())),
    }
}

fn label<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    let (wanted, kind, key) = (c.text(0)?, c.text(1)?, c.text(2)?);
    if !matches!(kind, "Deployment" | "ReplicaSet") {
        return Err(fault("wrong-arguments", "`#manifestLabelValue` works on a Deployment or a ReplicaSet"));
    }
    let stage = stages::get(wanted, c.machine)?;
    let manifests = stages::context(&stage, c.machine)?.map(|context| context.named("manifests", c.machine)).transpose()?.flatten();
    if let Some(Val::List(_, items)) = manifests {
        for item in items.iter() {
            let Val::Map(manifest) = item else { continue };
            if stages::text(&manifest, "kind", c.machine)?.as_deref() != Some(kind) {
                continue;
            }
            let mut value = Val::Map(manifest);
            for step in ["spec", "template", "metadata", "labels", key] {
                value = match value {
                    Val::Map(map) => map.named(step, c.machine)?.unwrap_or(Val::Null),
                    _ => Val::Null,
                };
            }
            return match value {
                Val::Null => Err(fault("unknown-key", "the manifest's pods have no such label")),
                value => Ok(value),
            };
        }
    }
    Err(fault("unknown-key", "the stage deployed no manifest of this kind"))
}

fn service_key<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    let stage = stages::get(c.text(0)?, c.machine)?;
    let key = stages::context(&stage, c.machine)?.map(|context| context.named("serviceKey", c.machine)).transpose()?.flatten();
    key.ok_or_else(|| fault("unknown-key", "the stage made no service key"))
}

fn deployed<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    let mut out = Vec::new();
    for (name, stage) in stages::all(c.machine)? {
        c.machine.meter.step()?;
        let kind = stages::text(&stage, "type", c.machine)?.unwrap_or_default();
        let id = stages::text(&stage, "id", c.machine)?.unwrap_or_default();
        let wanted = c.arguments.is_empty()
            || c.arguments.iter().any(|each| matches!(each, Val::Text(text) if text.as_str() == name || text.as_str() == id));
        let done = stages::text(&stage, "status", c.machine)?.as_deref() == Some("SUCCEEDED");
        let context = stages::context(&stage, c.machine)?;
        if let Some(context) = context.filter(|_| wanted && done && DEPLOYING.contains(&kind.as_str()))
            && let Some(Val::Map(groups)) = context.named("deploy.server.groups", c.machine)?
            && let Some(details) = details(c, &context, &groups)?
        {
            out.push(details);
        }
    }
    Ok(Val::list(out))
}

/// What one stage deployed in its region.
fn details<'a>(c: &Call<'_, 'a>, context: &Pairs<'a>, groups: &Pairs<'a>) -> Fallible<Option<Val<'a>>> {
    let mut region = context.named("region", c.machine)?.filter(|region| !region.is_null());
    if region.is_none()
        && let Some(Val::Map(zones)) = context.named("availabilityZones", c.machine)?
    {
        region = zones.all(c.machine)?.into_iter().next().map(|(key, _)| key);
    }
    let Some(region) = region else { return Ok(None) };
    let mut out = Vec::new();
    let name = |text| Val::Text(Text::Borrowed(text));
    for field in ["account", "capacity", "parentStage"] {
        out.push((name(field), context.named(field, c.machine)?.unwrap_or(Val::Null)));
    }
    out.push((name("region"), region.clone()));
    if let Some(Val::List(_, existing)) = context.named("deploymentDetails", c.machine)? {
        for item in existing.iter() {
            if let Val::Map(item) = item
                && compare::equals(&item.named("region", c.machine)?.unwrap_or(Val::Null), &region, c.machine)?
            {
                for (key, value) in item.all(c.machine)? {
                    put(&mut out, key, value, c.machine)?;
                }
            }
        }
    }
    if let Some(Val::List(_, groups)) = groups.get(&region, c.machine)?
        && let Some(first) = groups.get(0)
    {
        put(&mut out, name("serverGroup"), first, c.machine)?;
    }
    put(&mut out, name("deployments"), deployments(c, context)?, c.machine)?;
    Ok(Some(Val::map(out)))
}

fn deployments<'a>(c: &Call<'_, 'a>, context: &Pairs<'a>) -> Fallible<Val<'a>> {
    let mut level = context.named("kato.tasks", c.machine)?.map(|tasks| vec![tasks]).unwrap_or_default();
    for field in [None, Some("resultObjects"), Some("deployments")] {
        let mut next = Vec::new();
        for list in level {
            let Val::List(_, items) = list else { continue };
            for item in items.iter() {
                c.machine.meter.step()?;
                match (&item, field) {
                    (Val::Map(map), Some(field)) => next.extend(map.named(field, c.machine)?),
                    _ => next.push(item),
                }
            }
            if field.is_none() {
                next = vec![Val::list(next)];
            }
        }
        level = next;
    }
    let mut out = Vec::new();
    for list in level {
        if let Val::List(_, items) = list {
            out.extend(items.iter());
        }
    }
    Ok(Val::list(out))
}

pub(crate) const LOOKUP: &[Function] = &[
    aware("stage", &[P::Text], "A stage by its name or id; an error when there is none", "#stage('Build').status → \"SUCCEEDED\"", stage),
    aware("stageByRefId", &[P::Text], "A stage by its reference", "#stageByRefId('1').name → \"Build\"", by_ref),
    aware("stageExists", &[P::Text], "True when there is a stage of this name or id", "#stageExists('Nothing') → false", |c| {
        Ok(Val::Bool(matches!(c.argument(0), Val::Text(text) if stages::find(text.as_str(), c.machine)?.is_some())))
    }),
    aware("currentStage", &[], "The stage that is evaluated; the host says which", "#currentStage().name → \"Build\"", current),
    aware("currentUser", &[], "Who started the execution", "#currentUser() → \"ann\"", user),
    aware("judgment", &[P::Text], "What was chosen in a manual judgment", "#judgment('Go?') → \"yes\"", judgment),
    aware("judgement", &[P::Text], "What was chosen in a manual judgment", "#judgement('Go?') → \"yes\"", judgment),
    aware(
        "triggerResolvedArtifact",
        &[P::Text],
        "The artifact of a name that the trigger resolved",
        "#triggerResolvedArtifact('web').version → \"1\"",
        |c| bound(c, "name"),
    ),
    aware(
        "triggerResolvedArtifactByType",
        &[P::Text],
        "The artifact of a type that the trigger resolved",
        "#triggerResolvedArtifactByType('docker/image').version → \"1\"",
        |c| bound(c, "type"),
    ),
    aware(
        "resolveArtifacts",
        &[],
        "All artifacts that the trigger resolved, with what was expected",
        "#resolveArtifacts().size() → 1",
        resolved,
    ),
    aware(
        "manifestLabelValue",
        &[P::Text, P::Text, P::Text],
        "A label of the pods of what a stage deployed",
        "#manifestLabelValue('Build', 'Deployment', 'app') → \"web\"",
        label,
    ),
    aware(
        "deployedServerGroups",
        &[P::RestChars],
        "What the deploy stages, or those named, have deployed",
        "#deployedServerGroups('Deploy')[0].serverGroup → \"web-v001\"",
        deployed,
    ),
    aware("cfServiceKey", &[P::Text], "The service key that a stage made", "#cfServiceKey('Key').password → \"x\"", service_key),
];
