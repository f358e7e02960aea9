//! One step of one component, within limits. The host checks grants and keeps the trace; everything it needs comes in here.

use super::cluster::{Cluster, WatchSpec};
use super::executions::Executions;
use async_trait::async_trait;
use model::Millis;
use model::account::ClusterConnection;
use model::component::{Grant, Part, StepLimits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Which export is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Export {
    /// `lifecycle.step`.
    Step,
    /// `compensation.cancel`, with the reason.
    Cancel(String),
    /// `planning.before`, `planning.after` or `planning.on-failure`.
    Plan(Part),
}

/// Why the component is called now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wake {
    /// For the first time in this attempt.
    Start,
    /// The poll time was reached, something watched changed, or it yielded.
    Poll,
    /// A signal came in.
    Signal {
        /// Its name.
        name: String,
        /// Who sent it.
        sender: String,
        /// JSON.
        body: String,
    },
    /// The stage's time is over, or the instant it waited for has come.
    TimedOut,
    /// The step before failed in a way that may pass; counts from 1.
    Retry(u32),
}

/// Execute for real, or only say what would happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepMode {
    /// For real.
    Execute,
    /// Mutations are answered from server-side dry run.
    Plan,
}

/// What `context.info` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// The application.
    pub application: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The execution.
    pub execution_id: String,
    /// The stage's refId.
    pub stage_id: String,
    /// The stage's type.
    pub stage_type: String,
    /// Restarts of the stage run, from 1.
    pub attempt: u32,
    /// When the stage's time is over.
    pub deadline_ms: Millis,
    /// W3C trace context.
    pub traceparent: String,
}

/// A cloud account that lists the application, opened. Accounts that do not list it are simply not there.
#[derive(Clone)]
pub struct AccountAccess {
    /// How to reach it.
    pub connection: Arc<ClusterConnection>,
    /// Where it may deploy.
    pub namespaces: BTreeSet<String>,
    /// Kinds beyond the ordinary ones, as `Kind` or `Kind.group`.
    pub extra_kinds: BTreeSet<String>,
}

/// When something is evaluated, and what it draws instead of chance: the same again when the step is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub now_ms: Millis,
    /// Where numbers come from.
    pub seed: u64,
}

/// What the component sees of its execution: already cut down to what this stage may see, and never holding a secret.
#[async_trait]
pub trait StepScope: Send + Sync {
    /// A value by JSON pointer: `/trigger/…`, `/parameters/…`, `/stages/<name>/outputs/…`.
    fn lookup(&self, pointer: &str) -> Option<Value>;
    /// Evaluates a template as of a moment; `locals` come before everything else. Fails with (position, reason code, message).
    fn evaluate(&self, template: &str, locals: &Value, moment: Moment) -> Result<Value, (u32, String, String)>;
    /// All artifacts in the stage's context, nearest first, in Spinnaker's JSON shape.
    fn artifacts(&self) -> Vec<Value>;
}

/// One host call of a step, as the trace keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceEntry {
    /// Place in the step, from 0.
    pub index: u32,
    /// `interface.function`.
    pub call: String,
    /// SHA-256 of the request, hex.
    pub request: String,
    /// The answer, JSON; none while only the intent is known.
    pub response: Option<Value>,
}

/// Why the trace could not be written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// Another worker has taken over: make no further call, drop everything.
    #[error("another worker has taken over")]
    Fenced,
    /// It may work later; the step is given up and repeated.
    #[error("the trace cannot be written: {0}")]
    Unavailable(String),
}

/// The step's trace.
#[async_trait]
pub trait StepJournal: Send + Sync {
    /// What an earlier run of this same step recorded, in order.
    fn recorded(&self) -> &[TraceEntry];
    /// Writes entries durably, the last of them an intent, on the condition that this worker is still the one.
    async fn intend(&self, entries: Vec<TraceEntry>) -> Result<(), JournalError>;
    /// True while this worker is still the one, as far as is known without asking.
    fn is_current(&self) -> bool;
}

/// One step to be made.
pub struct StepCall {
    /// SHA-256 of the precompiled component, hex: checked before it is mapped.
    pub cwasm_sha256: String,
    /// The manifest's `checkpointSchemas`.
    pub checkpoint_schemas: Vec<u32>,
    /// What the plugin may do.
    pub grant: Grant,
    /// Limits of this step.
    pub limits: StepLimits,
    /// Which export.
    pub export: Export,
    /// What `context.info` answers.
    pub info: RunInfo,
    /// The resolved settings, JSON.
    pub params: String,
    /// For real or not.
    pub mode: StepMode,
    /// Why now.
    pub wake: Wake,
    /// What the component returned last: (schema, JSON).
    pub checkpoint: Option<(u32, String)>,
    /// Number of the step within the attempt.
    pub seq: u32,
    /// Which repetition of the step it is.
    pub retry: u32,
    /// The only clock the component sees.
    pub now_ms: Millis,
    /// The only randomness it sees.
    pub seed: u64,
    /// Cloud accounts that list this application.
    pub accounts: BTreeMap<String, AccountAccess>,
    /// Clusters.
    pub cluster: Arc<dyn Cluster>,
    /// Other pipelines' runs, with the rights of this execution.
    pub executions: Arc<dyn Executions>,
    /// What it sees of its execution.
    pub scope: Arc<dyn StepScope>,
    /// Its trace.
    pub journal: Arc<dyn StepJournal>,
}

/// A signal that a suspended stage waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalSpec {
    /// Its name, scoped to the stage run.
    pub name: String,
    /// What is asked.
    pub prompt: String,
    /// JSON Schema of what the sender must fill in.
    pub form: Option<Value>,
    /// Users or groups that may send it; empty: whoever may judge.
    pub allowed: Vec<String>,
}

/// What a stage leaves behind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepResults {
    /// Visible to later stages by name; an object.
    pub outputs: Value,
    /// Merged into the stage's own context; an object.
    pub context: Value,
    /// Spinnaker's JSON shape.
    pub artifacts: Vec<Value>,
    /// For people.
    pub message: String,
    /// Later stages act as the sender of the last signal.
    pub adopt_sender: bool,
}

/// Who should be told of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// Who wrote the pipeline or gave the parameters.
    User,
    /// The component's author.
    Plugin,
    /// Who runs the cluster.
    Target,
    /// Us.
    Platform,
}

/// A failure that the component itself reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepFailure {
    /// Stable, kebab-case, documented by the component.
    pub code: String,
    /// For people.
    pub message: String,
    /// It may pass.
    pub retryable: bool,
    /// Not before.
    pub retry_after_ms: Option<u32>,
    /// Who should be told.
    pub blame: Blame,
    /// What it leaves behind all the same.
    pub results: Option<StepResults>,
    /// Shown to people.
    pub details: Option<Value>,
}

/// How a step ended, in the component's own words.
#[derive(Debug, Clone, PartialEq)]
pub enum StepEnd {
    /// Call again after the delay, or when something watched changes.
    Running {
        /// Clamped to 1 s … 15 min.
        poll_after_ms: u32,
        /// What to watch, by account, with where the watch begins.
        watch: Vec<(String, WatchSpec)>,
    },
    /// Commit the checkpoint and call again at once.
    Yielded,
    /// Wait for a signal or an instant.
    Suspended {
        /// Any of these.
        any_of: Vec<SignalSpec>,
        /// Or this instant.
        until_ms: Option<Millis>,
    },
    /// Done well.
    Succeeded(StepResults),
    /// Nothing to do.
    Skipped(StepResults),
    /// It stopped itself.
    Canceled(StepResults),
    /// It failed.
    Failed(StepFailure),
    /// Synthetic stages, as stage JSON; at most [`PLANNED_STAGES_MAX`], the graph among them not yet checked.
    Planned(Vec<Map<String, Value>>),
}

/// Most stages that one call of `planning` may answer.
pub const PLANNED_STAGES_MAX: usize = 32;

/// One line of a stage's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How loud.
    pub level: LogLevel,
    /// Without control characters.
    pub message: String,
    /// For machines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<(String, String)>,
}

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For the author.
    Debug,
    /// For everybody.
    Info,
    /// Look at it.
    Warn,
    /// It broke.
    Error,
}

/// Everything a finished step gives back.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// How it ended.
    pub end: StepEnd,
    /// What it returned last: (schema, JSON); kept when the step ended without one.
    pub checkpoint: Option<(u32, String)>,
    /// Progress message, percent, details.
    pub progress: Option<(String, Option<u8>, Option<Value>)>,
    /// Its log.
    pub log: Vec<LogLine>,
    /// Lines dropped beyond the limit.
    pub log_dropped: u32,
    /// The trace since the last `intend`, to be written with the outcome where it is kept.
    pub trace: Vec<TraceEntry>,
    /// Host calls made.
    pub host_calls: u32,
}

/// A step that did not end in the component's own words. The log up to there is kept.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StepFault {
    /// It broke the contract: trap, limit, bad answer. The code is one of `plugin-trap`, `plugin-timeout`,
    /// `plugin-stack-overflow`, `plugin-out-of-memory`, `plugin-abi-violation`, `plugin-output-too-large`, `plugin-quota`,
    /// `checkpoint-refused`, `plan-refused`.
    #[error("{code}: {message}")]
    Plugin {
        /// Which, kebab-case.
        code: &'static str,
        /// For its author.
        message: String,
        /// Its log up to there.
        log: Vec<LogLine>,
    },
    /// A repeated step asked for something else than before.
    #[error("the component asked for something else on a repeated step: {0}")]
    Nondeterministic(String),
    /// The component's bytes are missing, or are not those of the registry row.
    #[error("the component is not available: {0}")]
    Component(String),
    /// Another worker has taken over.
    #[error("another worker has taken over")]
    Fenced,
    /// Our own trouble; the same step may be repeated.
    #[error("the step could not be made: {0}")]
    Unavailable(String),
}

/// Runs steps.
#[async_trait]
pub trait StageHost: Send + Sync {
    /// Makes one step in a fresh instance. Dropping the future stops it.
    async fn step(&self, call: StepCall) -> Result<StepReport, StepFault>;
    /// Calls `lifecycle.validate` with every import denying: (JSON pointer, message) pairs.
    async fn validate(&self, cwasm_sha256: &str, params: &str) -> Result<Vec<(String, String)>, StepFault>;
}
