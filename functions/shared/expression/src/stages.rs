//! What stages of an execution are in the scope, and what a stage has besides its own fields.

use crate::error::{Fallible, fault};
use crate::machine::Machine;
use crate::suggest;
use crate::value::{Pairs, Val};

/// Statuses in which a stage has failed.
const FAILED: [&str; 3] = ["TERMINAL", "STOPPED", "FAILED_CONTINUE"];

/// `hasSucceeded` and `hasFailed`, and the fields with a capital letter, as Java's beans have them.
pub(crate) fn property<'a>(pairs: &Pairs<'a>, name: &str, machine: &Machine<'a>) -> Fallible<Option<Val<'a>>> {
    let may = matches!(name, "status" | "hasSucceeded" | "hasFailed") || name.starts_with(|c: char| c.is_ascii_uppercase());
    if matches!(pairs, Pairs::Root) || !may || !is_stage(pairs, machine)? {
        return Ok(None);
    }
    let status = text(pairs, "status", machine)?.unwrap_or_default();
    Ok(match name {
        "status" | "Status" => match pairs.named("status", machine)? {
            Some(Val::Text(text)) => Some(Val::Status(text)),
            other => other,
        },
        "hasSucceeded" => Some(Val::Bool(status == "SUCCEEDED")),
        "hasFailed" => Some(Val::Bool(FAILED.contains(&status.as_str()))),
        _ if pairs.named(name, machine)?.is_some() => None,
        _ => {
            let mut field = name.to_owned();
            if let Some(first) = field.get_mut(..1) {
                first.make_ascii_lowercase();
            }
            pairs.named(&field, machine)?
        }
    })
}

fn is_stage<'a>(pairs: &Pairs<'a>, machine: &Machine<'a>) -> Fallible<bool> {
    let has = |name| Ok(pairs.named(name, machine)?.is_some());
    Ok(has("status")? && (has("refId")? || has("context")? || has("outputs")?))
}

pub(crate) fn text<'a>(pairs: &Pairs<'a>, name: &str, machine: &Machine<'a>) -> Fallible<Option<String>> {
    Ok(match pairs.named(name, machine)? {
        Some(Val::Text(text)) => Some(text.as_str().to_owned()),
        _ => None,
    })
}

/// The stages with their names: those of `execution.stages`, or else those of `stages`, a map by name.
pub(crate) fn all<'a>(machine: &Machine<'a>) -> Fallible<Vec<(String, Pairs<'a>)>> {
    let mut out = Vec::new();
    if let Some(Val::Map(execution)) = machine.root("execution")?
        && let Some(Val::List(_, items)) = execution.named("stages", machine)?
    {
        machine.meter.steps(items.len())?;
        for item in items.iter() {
            if let Val::Map(stage) = item {
                out.push((text(&stage, "name", machine)?.unwrap_or_default(), stage));
            }
        }
    }
    if !out.is_empty() {
        return Ok(out);
    }
    if let Some(Val::Map(stages)) = machine.root("stages")? {
        for (name, stage) in stages.all(machine)? {
            if let (Val::Text(name), Val::Map(stage)) = (name, stage) {
                out.push((name.as_str().to_owned(), stage));
            }
        }
    }
    Ok(out)
}

/// A stage by name or id.
pub(crate) fn find<'a>(wanted: &str, machine: &Machine<'a>) -> Fallible<Option<Pairs<'a>>> {
    for (name, stage) in all(machine)? {
        if name == wanted || text(&stage, "id", machine)?.as_deref() == Some(wanted) {
            return Ok(Some(stage));
        }
    }
    Ok(None)
}

/// A stage that has to be there.
pub(crate) fn get<'a>(wanted: &str, machine: &Machine<'a>) -> Fallible<Pairs<'a>> {
    match find(wanted, machine)? {
        Some(stage) => Ok(stage),
        None => {
            let all = all(machine)?;
            let near = suggest::nearest(wanted, all.iter().map(|(name, _)| name.as_str()));
            let said: String = wanted.chars().take(80).collect();
            Err(fault("unknown-stage", format!("there is no stage `{said}` before this one")).suggest(near))
        }
    }
}

/// What `status.isComplete()` and its kin say.
pub(crate) fn is(status: &str, what: &str) -> bool {
    let successful = matches!(status, "SUCCEEDED" | "STOPPED" | "SKIPPED");
    let failure = FAILED.contains(&status);
    match what {
        "successful" => successful,
        "failure" => failure,
        "halt" => matches!(status, "TERMINAL" | "CANCELED" | "STOPPED"),
        _ => successful || failure || status == "CANCELED",
    }
}

/// A stage's context, when it has one.
pub(crate) fn context<'a>(stage: &Pairs<'a>, machine: &Machine<'a>) -> Fallible<Option<Pairs<'a>>> {
    Ok(match stage.named("context", machine)? {
        Some(Val::Map(context)) => Some(context),
        _ => None,
    })
}
