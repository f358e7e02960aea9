//! Where everything about an execution lives: one partition an execution, view items where lists look.

use crate::ports::Key;
use model::id::{ExecutionId, PipelineId, ProjectName};

/// Attribute of META: the fence of the worker that holds it.
pub const FENCE: &str = "fence";
/// Attribute of META: there while the execution is not complete.
pub const OPEN: &str = "open";

/// The execution's partition.
#[must_use]
pub fn partition(id: &ExecutionId) -> String {
    format!("EXEC#{id}")
}

/// The execution that a partition belongs to.
#[must_use]
pub fn execution_of(partition: &str) -> Option<ExecutionId> {
    ExecutionId::parse(partition.strip_prefix("EXEC#")?).ok()
}

/// The execution itself.
#[must_use]
pub fn meta(id: &ExecutionId) -> Key {
    Key::new(partition(id), "META")
}

/// A stage run's data.
#[must_use]
pub fn stage(id: &ExecutionId, run: usize) -> Key {
    Key::new(partition(id), format!("ST#{run:04}"))
}

/// What became of an outside event that came too late: it stands after the entry of the version it met.
#[must_use]
pub fn late_log(id: &ExecutionId, version: u64, event: &str) -> Key {
    Key::new(partition(id), format!("LOG#{version:012}#{event}"))
}

/// A request that was carried out at once, remembered for its repeats.
#[must_use]
pub fn done(id: &ExecutionId, event: &str) -> Key {
    Key::new(partition(id), format!("DONE#{event}"))
}

/// The plan, where it is small enough to stand beside META.
#[must_use]
pub fn plan(id: &ExecutionId) -> Key {
    Key::new(partition(id), "PLAN")
}

/// Who runs and who waits of a pipeline's executions.
#[must_use]
pub fn slots(pipeline: &PipelineId) -> Key {
    Key::new(format!("PIPE#{pipeline}"), "SLOTS")
}

/// Stages of other executions that want to know when this one ends.
#[must_use]
pub fn subscribers(child: &ExecutionId) -> Key {
    Key::new(partition(child), "SUBS")
}

/// Where the outside events begin that are not yet consumed.
pub const EVENTS: &str = "EVT#";

/// An outside event that is not yet consumed.
#[must_use]
pub fn event(id: &ExecutionId, event: &str) -> Key {
    Key::new(partition(id), format!("{EVENTS}{event}"))
}

/// The audit of one transition.
#[must_use]
pub fn log(id: &ExecutionId, version: u64) -> Key {
    Key::new(partition(id), format!("LOG#{version:012}"))
}

/// One call of a step's trace; the step is (run, attempt, seq, retry).
#[must_use]
pub fn trace(id: &ExecutionId, (run, attempt, seq, retry): (usize, u32, u32, u32), index: u32) -> Key {
    Key::new(partition(id), format!("{}{index:05}", trace_prefix(run, attempt, seq, retry)))
}

/// All calls of a step's trace.
#[must_use]
pub fn trace_prefix(run: usize, attempt: u32, seq: u32, retry: u32) -> String {
    format!("J#{run:04}#{attempt:04}#{seq:08}#{retry:02}#")
}

/// The attribute of META that says which suspension a stage run is in.
#[must_use]
pub fn suspension(run: usize) -> String {
    format!("susp:{run}")
}

/// The execution in its pipeline's list.
#[must_use]
pub fn of_pipeline(pipeline: &PipelineId, id: &ExecutionId) -> Key {
    Key::new(format!("PIPE#{pipeline}"), format!("EXEC#{id}"))
}

/// The pipeline and the execution of a row in a pipeline's list.
#[must_use]
pub fn listed(key: &Key) -> Option<(PipelineId, ExecutionId)> {
    let pipeline = PipelineId::parse(key.partition.strip_prefix("PIPE#")?).ok()?;
    Some((pipeline, ExecutionId::parse(key.sort.strip_prefix("EXEC#")?).ok()?))
}

/// The execution in its application's list.
#[must_use]
pub fn of_application(application: &str, id: &ExecutionId) -> Key {
    Key::new(format!("APPEXEC#{application}"), format!("EXEC#{id}"))
}

/// A release order in its project's list; sorts by number.
#[must_use]
pub fn order(project: &ProjectName, number: u64) -> Key {
    Key::new(format!("ORDERS#{project}"), format!("ORDER#{number:012}"))
}

/// The number of the project's newest order.
#[must_use]
pub fn order_counter(project: &ProjectName) -> Key {
    Key::new(format!("ORDERS#{project}"), "COUNTER")
}

/// Which execution a correlation id led to.
#[must_use]
pub fn correlation(digest: &str) -> Key {
    Key::new(format!("CORR#{digest}"), "CORR")
}
