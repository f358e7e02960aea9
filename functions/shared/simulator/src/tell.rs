//! Tells a failure to people: what was run, what went wrong where, and everything that happened.

use crate::examine::examine;
use crate::fault::{Class, Deviation};
use crate::scenario::{Act, Condition, From, Scenario, Stage};
use crate::shrink::Small;
use std::fmt::Write;

/// Most lines of what happened.
const LINES_MAX: usize = 400;

/// A failure, as small as it was found.
#[must_use]
pub fn failure(seed: u64, small: &Small) -> String {
    let mut text = String::new();
    let told = examine(&small.scenario, Some(small.faults.clone()), true);
    let _ = writeln!(text, "seed {seed} fails: {}\n  {}", small.failure.rule, small.failure.message);
    scenario(&mut text, &small.scenario);
    let _ = writeln!(text, "  what goes wrong:");
    for (call, fault) in &small.faults {
        let _ = writeln!(text, "    call {call}: {fault:?}");
    }
    let _ = writeln!(text, "  what happened (seconds, process, what):");
    let story = &told.report.story;
    for line in story.iter().take(LINES_MAX) {
        let _ = writeln!(text, "    {line}");
    }
    if story.len() > LINES_MAX {
        let _ = writeln!(text, "    … and {} lines more", story.len() - LINES_MAX);
    }
    let _ = writeln!(text, "  again: cargo dev simulate --seed {seed}");
    text
}

/// A scenario in a few lines.
fn scenario(text: &mut String, scenario: &Scenario) {
    let Scenario { place, tokens, gated, classes, .. } = scenario;
    let _ = writeln!(text, "  {place:?}, faults {classes:?}, tokens {tokens}, gated {gated}");
    for (at, pipeline) in scenario.pipelines.iter().enumerate() {
        let limit = pipeline.limit.map(|limit| format!(", {limit} at once, those that wait are kept: {}", pipeline.keep_waiting));
        let _ = writeln!(text, "  pipeline {at}{}", limit.unwrap_or_default());
        for (at, one) in pipeline.stages.iter().enumerate() {
            let _ = writeln!(text, "    stage {at} {}", stage(one));
        }
    }
    for (at, run) in scenario.runs.iter().enumerate() {
        let twice = if run.twice { ", twice" } else { "" };
        let from = if run.from == From::Person { String::new() } else { format!(", {:?}", run.from) };
        let dry = if run.dry { ", dry" } else { "" };
        let by = run.start_by_ms.map(|ms| format!(", to begin within {ms} ms")).unwrap_or_default();
        let _ = writeln!(text, "  run {at}: pipeline {} at {} ms{twice}{by}{from}{dry}", run.pipeline, run.at_ms);
    }
    for event in &scenario.outside {
        let keyed = if event.keyed { ", with a key" } else { "" };
        let again = if event.again { ", twice" } else { "" };
        let _ = writeln!(text, "  run {}: {:?} {:?}{keyed}{again}", event.run, event.when, event.what);
    }
}

fn stage(stage: &Stage) -> String {
    let acts = |list: &[Act]| list.iter().map(act).collect::<Vec<_>>().join(" → ");
    let mut text = format!("after {:?}, {:?}: {}", stage.requisites, stage.failure, acts(&stage.acts));
    if stage.condition != Condition::None {
        let _ = write!(text, "; condition {:?}", stage.condition);
    }
    if let Some(ms) = stage.timeout_ms {
        let _ = write!(text, "; {ms} ms, then {:?}, as success: {}", stage.at_timeout, stage.succeed_on_timeout);
    }
    if let Some(seen) = stage.sees {
        let _ = write!(text, "; sees {seen}");
    }
    if !stage.undo.is_empty() {
        let _ = write!(text, "; undoes: {}", acts(&stage.undo));
    }
    for (part, subs) in
        stage.plan.iter().flat_map(|plan| [("before", &plan.before), ("after", &plan.after), ("on failure", &plan.on_failure)])
    {
        for (at, sub) in subs.iter().enumerate() {
            let _ = write!(text, "; {part} {at}: after {:?}, {:?}: {}", sub.requisites, sub.failure, acts(&sub.acts));
        }
    }
    if stage.skippable {
        text.push_str("; may be skipped");
    }
    if let Some(window) = &stage.window {
        let _ = write!(text, "; {window:?}");
    }
    if !stage.again.is_empty() {
        let _ = write!(text, "; in later attempts: {}", acts(&stage.again));
    }
    if stage.stopped.len() > 1 {
        let _ = write!(text, "; when stopped: {}", acts(&stage.stopped));
    }
    text
}

fn act(act: &Act) -> String {
    let calls: String = act.calls.iter().map(|call| format!("{call:?} ")).collect();
    format!("{calls}{:?}", act.then)
}

/// What a scenario may draw, each with what must come of it.
const DRAWN: [(&str, &str); 14] = [
    ("limits", "never more executions run than may, a slot is held by exactly those that run; superseded ones name their successor"),
    ("start by", "one that has not begun by then is cancelled"),
    ("hold, let go", "no step begins meanwhile, and the time does not count for a stage; the outcome is that without"),
    ("cancel", "also while held, queued, or after another one; what is at work is cancelled, with what it started"),
    ("restart", "after the end, when nothing moves, while it runs: the stage and what follows it, in another attempt"),
    ("rerun", "a new execution with the same trigger"),
    ("answers", "also by strangers, twice, too late"),
    ("children", "a stage hears of the end of what it started, before or after it waits for it, and takes it along when it is stopped"),
    ("skip", "a stage that asks, one that is at work, one that has not begun"),
    ("windows", "with days, midnight and jitter, waited for or skipped"),
    ("dry run", "every stage that would run succeeds without a step"),
    ("parts", "before, after and on failure: what fails in them is the stage's failure, or stops or passes as the part says"),
    ("undo", "what a stopped stage does, also failing or never ending"),
    ("pushes", "told once or twice, an image is started once"),
];

/// What is drawn, the classes of faults and what each may do to an outcome.
#[must_use]
pub fn classes() -> String {
    let mut text = String::from("What a scenario draws, and what must come of it:\n");
    for (name, help) in DRAWN {
        let _ = writeln!(text, "  {name:<13} {help}");
    }
    text.push_str("\nClasses of faults, and what each may do to the outcome of a run:\n");
    for class in Class::ALL {
        let _ = writeln!(text, "  {:<13} {}", class.name(), class.help());
        for deviation in class.may() {
            let _ = writeln!(text, "  {:<13}   → {}", "", Deviation::help(*deviation));
        }
    }
    text
}
