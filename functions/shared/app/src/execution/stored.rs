//! The shapes in which an execution is stored. Raise a shape's version when an older reader would misread it.

use crate::ports::{LogLine, SignalSpec, WatchSpec};
use crate::record::{Record, Shape, shape};
use engine::{Cancel, Execution};
use model::Millis;
use model::id::{AppName, ExecutionId, PipelineId, ProjectName};
use model::order::ReleaseOrder;
use model::reason::Reason;
use model::status::Status;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most bytes of a stage's outputs that are kept inline; more goes to a blob.
pub const INLINE_BYTES_MAX: usize = 32 << 10;

/// What says nothing is not stored.
fn is_none<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// META: the state vector, who works on it, and where it shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The engine's state, without its graph.
    pub execution: Execution,
    /// Where the plan is kept: beside META, or the digest of a blob.
    pub plan: String,
    /// Whose it is.
    pub application: AppName,
    /// Of which pipeline.
    pub pipeline: PipelineId,
    /// Orders that show it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub orders: Vec<OrderKey>,
    /// The worker that holds it; empty when nobody does.
    pub fence: String,
    /// Until when the worker may hold it without a sign of life.
    pub lease_until_ms: Millis,
    /// The last commit, to recognise it after an unknown answer.
    pub commit_id: String,
    /// How often it was taken since the last commit.
    pub takes: u32,
    /// Executions whose place it took and which have not been told yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<ExecutionId>,
    /// Traces of its steps may be left when it has ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untidy: bool,
    /// Its restarts, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<Restarted>,
}

/// Most restarts that are remembered.
pub const RESTARTS_KEPT_MAX: usize = 20;

/// A restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restarted {
    /// The stage's refId.
    pub stage: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Millis,
    /// The generation it began.
    pub generation: u32,
    /// How the stage had ended before.
    pub previous: Status,
    /// Why it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_reason: Option<Reason>,
}

/// SUBS: who wants to know when this execution ends. One item, so that its end sees everybody or is made again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribers {
    /// Each once.
    pub list: Vec<Subscription>,
}

impl Record for Subscribers {
    const SHAPE: &'static str = "subscribers";
}

/// A stage of another execution that wants to know when this one ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// That execution.
    pub execution: ExecutionId,
    /// The stage run.
    pub run: usize,
    /// The attempt of it.
    pub attempt: u32,
}

impl Record for Meta {
    const SHAPE: &'static str = "execution";
    /// 2: ended stage runs are rows that count from the one before.
    const VERSION: u32 = 2;
    const OLDEST: u32 = 2;
}

/// A release order, by its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderKey {
    /// The project.
    pub project: ProjectName,
    /// The number within it.
    pub number: u64,
}

/// A value that is kept inline when small, as a blob when not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// There is none.
    #[default]
    Nothing,
    /// Small.
    Inline(Value),
    /// Large: the blob's digest.
    Blob(String),
}

/// ST: what a stage run holds beside its state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StageData {
    /// The attempt that left it; what an earlier attempt left counts for nothing.
    pub attempt: u32,
    /// The resolved settings; nothing when they are those of the plan.
    #[serde(skip_serializing_if = "is_none")]
    pub settings: Kept,
    /// What the component returned last: (schema, JSON).
    #[serde(skip_serializing_if = "is_none")]
    pub checkpoint: Option<(u32, String)>,
    /// The stage's own context.
    #[serde(skip_serializing_if = "is_none")]
    pub context: Kept,
    /// What later stages see.
    #[serde(skip_serializing_if = "is_none")]
    pub outputs: Kept,
    /// Artifacts it made.
    #[serde(skip_serializing_if = "is_none")]
    pub artifacts: Vec<Value>,
    /// Progress for people.
    #[serde(skip_serializing_if = "is_none")]
    pub progress: Option<Progress>,
    /// The signals it waits for.
    #[serde(skip_serializing_if = "is_none")]
    pub signals: Vec<SignalSpec>,
    /// What it watches, by account.
    #[serde(skip_serializing_if = "is_none")]
    pub watch: Vec<(String, WatchSpec)>,
    /// Answers that people gave.
    #[serde(skip_serializing_if = "is_none")]
    pub answers: Vec<Answer>,
    /// What it said at its end.
    #[serde(skip_serializing_if = "is_none")]
    pub message: String,
}

impl StageData {
    /// The blobs that hold what it left.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        [&self.outputs, &self.context].into_iter().filter_map(|kept| match kept {
            Kept::Blob(digest) => Some(digest.as_str()),
            Kept::Nothing | Kept::Inline(_) => None,
        })
    }
}

impl Record for StageData {
    const SHAPE: &'static str = "stage-run";
}

/// How far a stage is, for people.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// One line.
    pub message: String,
    /// 0 to 100.
    pub percent: Option<u8>,
    /// State by object.
    pub details: Option<Value>,
    /// When it was said.
    pub at: Millis,
}

/// What somebody answered a waiting stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The signal's name.
    pub signal: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Millis,
    /// What, as JSON.
    pub body: Value,
}

/// EVT: something from outside that waits to be consumed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// Its id.
    pub id: String,
    /// Who sent it.
    pub sender: String,
    /// When it came.
    pub at: Millis,
    /// The generation it is meant for; any when none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// What it is.
    pub what: Outside,
}

impl Inbound {
    /// Somebody asked for it, under an id of their own: its repeat must not do the same once more.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.generation.is_some()
    }
}

impl Record for Inbound {
    const SHAPE: &'static str = "inbound";
}

/// What people and other executions can send to an execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outside {
    /// End it.
    Cancel(Cancel),
    /// Hold it.
    Pause(Cancel),
    /// Let it go on.
    Resume,
    /// Do a stage again, with everything after it.
    Restart {
        /// Which stage run.
        run: usize,
    },
    /// Leave a stage out.
    Skip {
        /// Which stage run.
        run: usize,
        /// Who, and why.
        by: Cancel,
    },
    /// Do not wait for a stage's execution window.
    SkipWindow {
        /// Which stage run.
        run: usize,
    },
    /// It has a slot now, and took the place of others.
    Granted {
        /// Whose.
        superseded: Vec<ExecutionId>,
    },
    /// Another one took its place.
    Superseded {
        /// Which.
        by: ExecutionId,
    },
    /// An execution that a stage waits for has ended.
    ChildEnded {
        /// Which stage run waits.
        run: usize,
        /// The attempt of it.
        attempt: u32,
        /// The execution that ended.
        child: ExecutionId,
        /// How.
        status: Status,
    },
    /// A signal to a suspended stage.
    Signal {
        /// Which stage run.
        run: usize,
        /// The attempt of it.
        #[serde(default)]
        attempt: u32,
        /// The suspension it answers: the step that suspended.
        seq: u32,
        /// The signal's name.
        name: String,
        /// JSON.
        body: String,
    },
}

/// LOG: the audit of one transition and what components said meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogEntry {
    /// The version that the transition made.
    pub version: u64,
    /// When.
    pub at: Millis,
    /// What changed, stage by stage.
    #[serde(skip_serializing_if = "is_none")]
    pub transitions: Vec<Transition>,
    /// What became of outside events.
    #[serde(skip_serializing_if = "is_none")]
    pub verdicts: Vec<EventVerdict>,
    /// What components said.
    #[serde(skip_serializing_if = "is_none")]
    pub lines: Vec<StageLine>,
    /// The lines' blob, when there are too many.
    #[serde(skip_serializing_if = "is_none")]
    pub blob: Option<String>,
    /// Lines dropped beyond the limit.
    #[serde(skip_serializing_if = "is_none")]
    pub dropped: u32,
}

impl Record for LogEntry {
    const SHAPE: &'static str = "execution-log";
}

/// A status that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The stage's refId; none for the execution itself.
    pub stage: Option<String>,
    /// From.
    pub from: Status,
    /// To.
    pub to: Status,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What became of an outside event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventVerdict {
    /// The event's id.
    pub id: String,
    /// Who sent it.
    pub sender: String,
    /// Applied, or not and why: `applied`, or a refusal's code.
    pub verdict: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A line that a stage said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageLine {
    /// The stage's refId.
    pub stage: String,
    /// Which attempt.
    pub attempt: u32,
    /// The line.
    #[serde(flatten)]
    pub line: LogLine,
}

/// An execution as lists show it; written only when a status changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The execution.
    pub id: ExecutionId,
    /// Its application.
    pub application: AppName,
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// The pipeline's name when it started.
    pub pipeline_name: String,
    /// The pipeline's revision.
    pub revision: u64,
    /// Where it stands.
    pub status: Status,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who started it.
    pub submitter: String,
    /// When it was created.
    pub created_ms: Millis,
    /// When it began.
    pub started_ms: Option<Millis>,
    /// When it ended.
    pub ended_ms: Option<Millis>,
    /// The plan, which holds artifacts and parameters.
    pub plan: String,
    /// Orders that show it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub orders: Vec<OrderKey>,
}

impl Record for Summary {
    const SHAPE: &'static str = "execution-summary";
}

/// A release order as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRow {
    /// The order.
    #[serde(flatten)]
    pub order: ReleaseOrder,
    /// Where its execution stands.
    pub status: Status,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When its execution began.
    pub started_ms: Option<Millis>,
    /// When its execution ended.
    pub ended_ms: Option<Millis>,
}

impl Record for OrderRow {
    const SHAPE: &'static str = "release-order";
}

/// The number of a project's newest order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// The number.
    pub last: u64,
}

impl Record for Counter {
    const SHAPE: &'static str = "counter";
}

/// Where a correlation id led.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// The execution it started.
    pub execution: ExecutionId,
    /// The orders that show it.
    pub orders: Vec<OrderKey>,
}

impl Record for Correlation {
    const SHAPE: &'static str = "correlation";
}

/// A blob that holds a value which is too large to stand inline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LargeValue(pub Value);

impl Record for LargeValue {
    const SHAPE: &'static str = "value";
}

/// A blob that holds the lines of a LOG which are too many to stand in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogLines(pub Vec<StageLine>);

impl Record for LogLines {
    const SHAPE: &'static str = "log-lines";
}

/// What stands in an execution's partition, in its blobs, and in what leads to it. Whoever raises one of these versions raises
/// [`crate::record::KNOWS`].
pub(crate) const SHAPES: &[Shape] = &[
    shape::<Meta>(),
    shape::<StageData>(),
    shape::<Inbound>(),
    shape::<LogEntry>(),
    shape::<Subscribers>(),
    shape::<LargeValue>(),
    shape::<LogLines>(),
];

/// What shows an execution elsewhere.
pub(crate) const VIEWS: &[Shape] = &[shape::<Summary>(), shape::<OrderRow>(), shape::<Counter>(), shape::<Correlation>()];

/// An object, or an empty one.
#[must_use]
pub fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
