//! What a stage may see of its execution: trigger, parameters, its own settings, and what the stages before it left. Never a secret.

use super::plan::Plan;
use super::stored::{Kept, LargeValue, StageData, object};
use crate::error::AppError;
use crate::pipelines;
use crate::ports::{Blobs, Moment, StepScope, StoreError, Table};
use crate::record;
use async_trait::async_trait;
use engine::{Execution, RunState, StageRun};
use expression::{Host, Refusal, Scope};
use import::yaml;
use model::Millis;
use model::id::{AppName, PipelineId};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Roots that nothing a stage outputs can hide.
const ROOTS: [&str; 6] = ["trigger", "parameters", "execution", "stages", "artifacts", "resolvedExpectedArtifacts"];
/// Roots that are the same for every stage from the start on.
const SETTLED: [&str; 3] = ["trigger", "parameters", "resolvedExpectedArtifacts"];
/// What is repeated of a name that was not found.
const SHOWN_CHARS_MAX: usize = 80;
/// Roots that components can look up by pointer.
const LOOKED_UP: [&str; 4] = ["trigger", "parameters", "execution", "stages"];
/// Most pipelines of an application that can be asked for by name.
const PIPELINES_MAX: usize = 2_000;
/// What the trigger brought and is found by bare name.
const FROM_TRIGGER: [&str; 3] = ["buildInfo", "scmInfo", "templateVariables"];

/// A stage's view of its execution: what it was when it was gathered. Most stages never look, so it is put together at the first look.
#[derive(Debug)]
pub struct StageScope {
    run: usize,
    plan: Arc<Plan>,
    execution: Execution,
    data: Vec<Arc<StageData>>,
    /// What is kept as blobs, by digest.
    large: BTreeMap<String, Value>,
    /// Ids of the application's pipelines by name, where the stage may ask for them.
    pipelines: Arc<BTreeMap<String, PipelineId>>,
    seen: OnceLock<Seen>,
}

#[derive(Debug)]
struct Seen {
    roots: Map<String, Value>,
    artifacts: Vec<Value>,
}

/// Names that the stages before one give no other meaning.
pub(crate) struct Settled {
    /// There is no stage before it.
    first: bool,
    own: Map<String, Value>,
}

impl Settled {
    pub(crate) fn has(&self, name: &str) -> bool {
        SETTLED.contains(&name) || self.own.contains_key(name) || (self.first && name != "execution")
    }
}

impl StageScope {
    /// Gathers what a stage may see; behind the last stage, what all of them left, the last first.
    pub async fn gather(
        execution: &Execution,
        plan: &Arc<Plan>,
        run: usize,
        data: &[Arc<StageData>],
        (table, blobs): (&dyn Table, &dyn Blobs),
    ) -> Result<Self, AppError> {
        let mut large = BTreeMap::new();
        if data.iter().any(|data| data.digests().next().is_some()) {
            for ancestor in before(plan, run).into_iter().filter_map(|position| data.get(position)) {
                for digest in ancestor.digests() {
                    large.insert(digest.to_owned(), load(blobs, digest).await?);
                }
            }
        }
        let asks = run >= plan.stages.len()
            || plan.stages.get(run).is_some_and(|stage| stage.settings.values().any(|value| some_text(value, 0, asks_by_name)));
        let pipelines = if asks { pipelines::ids_by_name(table, &plan.application, PIPELINES_MAX).await? } else { BTreeMap::new() };
        let pipelines = Arc::new(pipelines);
        Ok(Self { pipelines, run, plan: plan.clone(), execution: execution.clone(), data: data.to_vec(), large, seen: OnceLock::new() })
    }

    /// Which names mean the same whatever the stages before this one do.
    pub(crate) fn settled(&self) -> Settled {
        Settled { first: before(&self.plan, self.run).is_empty(), own: self.own() }
    }

    fn seen(&self) -> &Seen {
        self.seen.get_or_init(|| self.look())
    }

    /// By bare name are found the execution's own roots, then what the stage itself says without expressions, then outputs of ancestors,
    /// the nearest first.
    fn look(&self) -> Seen {
        let plan = self.plan.as_ref();
        let mut roots = self.own();
        let mut stages = Map::new();
        let mut artifacts = Vec::new();
        let ancestors = before(plan, self.run);
        for position in &ancestors {
            let (Some(stage), Some(data)) = (plan.stages.get(*position), self.data.get(*position)) else { continue };
            let outputs = self.kept(&data.outputs);
            let context = self.kept(&data.context);
            for (key, value) in &outputs {
                if !ROOTS.contains(&key.as_str()) && !roots.contains_key(key) {
                    roots.insert(key.clone(), value.clone());
                }
            }
            artifacts.extend(data.artifacts.iter().cloned());
            if !stages.contains_key(&stage.name) {
                let status = self.execution.status_of(*position);
                let seen = json!({"refId": stage.ref_id, "status": status, "outputs": outputs, "context": context});
                stages.insert(stage.name.clone(), seen);
            }
        }
        artifacts.extend(plan.artifacts.iter().map(|a| json!(a)));
        from_parent(plan, &mut roots);
        let execution = json!({
            "id": self.execution.id, "application": plan.application, "name": plan.name, "pipelineConfigId": plan.pipeline,
            "buildTime": plan.created_ms, "startTime": self.execution.started_ms, "status": self.execution.status, "type": "PIPELINE",
            "user": plan.submitter, "authentication": {"user": plan.submitter}, "trigger": plan.trigger,
            "stages": self.all_stages(&ancestors),
        });
        roots.insert("trigger".to_owned(), Value::Object(plan.trigger.clone()));
        roots.insert("parameters".to_owned(), Value::Object(plan.parameters.clone()));
        roots.insert("execution".to_owned(), execution);
        roots.insert("stages".to_owned(), Value::Object(stages));
        roots.insert("artifacts".to_owned(), Value::Array(artifacts.clone()));
        roots.insert("resolvedExpectedArtifacts".to_owned(), json!(plan.expected));
        Seen { roots, artifacts }
    }

    /// What the trigger brought, and what the stage itself says. A setting that holds an expression is no value of its own: its name
    /// means what a stage before left under it.
    fn own(&self) -> Map<String, Value> {
        let plan = self.plan.as_ref();
        let mut roots = Map::new();
        for name in FROM_TRIGGER {
            if let Some(value) = plan.trigger.get(name).filter(|value| !value.is_null()) {
                roots.insert(name.to_owned(), value.clone());
            }
        }
        roots.insert("pipelineId".to_owned(), json!(plan.pipeline));
        for (key, value) in plan.stages.get(self.run).into_iter().flat_map(|stage| &stage.settings) {
            if !roots.contains_key(key) && !some_text(value, 0, expression::has_expression) {
                roots.insert(key.clone(), value.clone());
            }
        }
        roots
    }

    /// All stages of the execution. Those that do not come before this one may change at any moment: of them only the status is seen.
    fn all_stages(&self, ancestors: &[usize]) -> Vec<Value> {
        let stages = self.plan.stages.iter().enumerate();
        let told = stages.map(|(position, stage)| {
            let (started_ms, ended_ms) = self.execution.run(position).map(times).unwrap_or_default();
            let mut seen = json!({
                "id": stage.ref_id, "refId": stage.ref_id, "name": stage.name, "type": stage.kind,
                "status": self.execution.status_of(position), "context": {}, "outputs": {},
                "requisiteStageRefIds": stage.requisites.iter().filter_map(|at| Some(&self.plan.stages.get(*at)?.ref_id)).collect::<Vec<_>>(),
                "startTime": started_ms, "endTime": ended_ms,
            });
            let data = self.data.get(position).filter(|_| ancestors.contains(&position));
            if let (Some(data), Some(seen)) = (data, seen.as_object_mut()) {
                seen.insert("context".to_owned(), Value::Object(self.kept(&data.context)));
                seen.insert("outputs".to_owned(), Value::Object(self.kept(&data.outputs)));
            }
            if let Some(seen) = seen.as_object_mut().filter(|_| position == self.run) {
                seen.insert("context".to_owned(), Value::Object(stage.settings.clone()));
            }
            seen
        });
        told.collect()
    }

    fn kept(&self, kept: &Kept) -> Map<String, Value> {
        match kept {
            Kept::Nothing => Map::new(),
            Kept::Inline(value) => object(value),
            Kept::Blob(digest) => self.large.get(digest).map(object).unwrap_or_default(),
        }
    }

    /// The stages it can look up to, by name.
    #[must_use]
    pub fn stages(&self) -> &Value {
        self.seen().roots.get("stages").unwrap_or(&Value::Null)
    }
}

/// The stages that one can look up to, the nearest first.
fn before(plan: &Plan, run: usize) -> Vec<usize> {
    if run < plan.stages.len() { plan.ancestors(run) } else { (0..plan.stages.len()).rev().collect() }
}

/// When a stage run started and ended.
fn times(run: &StageRun) -> (Option<Millis>, Option<Millis>) {
    match &run.state {
        RunState::NotStarted => (None, None),
        RunState::Live(live) => (Some(live.started_ms), None),
        RunState::Done(done) => (done.started_ms, Some(done.ended_ms)),
    }
}

/// Whether a text may ask for pipelines by their names.
fn asks_by_name(text: &str) -> bool {
    text.contains("pipelineId")
}

/// Whether some text of a value, or some key, is such a one. What is nested deeper than any value may be counts as one.
fn some_text(value: &Value, depth: usize, is: fn(&str) -> bool) -> bool {
    match value {
        _ if depth > expression::limits::DEPTH_MAX => true,
        Value::String(text) => is(text),
        Value::Array(items) => items.iter().any(|item| some_text(item, depth + 1, is)),
        Value::Object(map) => map.iter().any(|(key, item)| is(key) || some_text(item, depth + 1, is)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What nothing here left, the nearest stage of the execution that started this one may have.
fn from_parent(plan: &Plan, roots: &mut Map<String, Value>) {
    let stages = plan.trigger.get("parentExecution").and_then(|parent| parent.get("stages")).and_then(Value::as_array);
    for stage in stages.into_iter().flatten() {
        for (key, value) in stage.get("outputs").and_then(Value::as_object).into_iter().flatten() {
            if !ROOTS.contains(&key.as_str()) && !roots.contains_key(key) {
                roots.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Reads a kept value.
pub async fn read(blobs: &dyn Blobs, kept: &Kept) -> Result<Value, AppError> {
    match kept {
        Kept::Nothing => Ok(Value::Null),
        Kept::Inline(value) => Ok(value.clone()),
        Kept::Blob(digest) => load(blobs, digest).await,
    }
}

async fn load(blobs: &dyn Blobs, digest: &str) -> Result<Value, AppError> {
    let bytes = blobs.get(digest).await?.ok_or_else(|| StoreError::Damaged(format!("the blob {digest} is gone")))?;
    if record::begins::<LargeValue>(&bytes) {
        return Ok(record::decode::<LargeValue>(&bytes)?.0);
    }
    // From before blobs said their shape: the value itself.
    Ok(serde_json::from_slice(&bytes).map_err(|error| StoreError::Damaged(format!("the blob {digest}: {error}")))?)
}

/// Keeps a value, as a blob when it is large.
pub async fn keep(blobs: &dyn Blobs, value: Value) -> Result<Kept, AppError> {
    if value.is_null() {
        return Ok(Kept::Nothing);
    }
    let bytes = serde_json::to_vec(&value).map_err(|error| AppError::Damaged(error.to_string()))?;
    if bytes.len() <= super::stored::INLINE_BYTES_MAX {
        return Ok(Kept::Inline(value));
    }
    Ok(Kept::Blob(blobs.put(&record::encode(&LargeValue(value))?).await?))
}

impl Scope for StageScope {
    fn root(&self, name: &str) -> Option<Value> {
        self.seen().roots.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.seen().roots.keys().cloned().collect()
    }

    fn look(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.seen().roots.get(name).map(Cow::Borrowed)
    }
}

/// A stage's view with names that come before all others.
pub(crate) struct WithLocals<'a> {
    scope: &'a StageScope,
    locals: &'a Map<String, Value>,
}

impl Scope for WithLocals<'_> {
    fn root(&self, name: &str) -> Option<Value> {
        self.locals.get(name).cloned().or_else(|| self.scope.root(name))
    }

    fn names(&self) -> Vec<String> {
        self.locals.keys().cloned().chain(self.scope.names()).collect()
    }

    fn look(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.locals.get(name).map(Cow::Borrowed).or_else(|| Scope::look(self.scope, name))
    }
}

/// Answers what expressions ask for: the moment of the step, numbers that only look like chance, documents. It fetches nothing.
pub struct Asked {
    moment: Moment,
    stage: Option<String>,
    drawn: Cell<u64>,
    /// The application, and its pipelines by name.
    pipelines: Option<(AppName, Arc<BTreeMap<String, PipelineId>>)>,
}

impl Asked {
    /// For expressions of a stage, or of none.
    #[must_use]
    pub fn at(moment: Moment, stage: Option<String>) -> Self {
        Self { moment, stage, drawn: Cell::new(0), pipelines: None }
    }
}

impl Host for Asked {
    fn now_ms(&self) -> Option<i64> {
        i64::try_from(self.moment.now_ms).ok()
    }

    /// The same again when the step is made again.
    fn random(&self) -> Option<u128> {
        let drawn = self.drawn.replace(self.drawn.get().wrapping_add(1));
        let digest = Sha256::digest(format!("expression#{}#{drawn}", self.moment.seed));
        Some(digest.iter().take(16).fold(0, |bits, byte| (bits << 8) | u128::from(*byte)))
    }

    fn current_stage(&self) -> Option<String> {
        self.stage.clone()
    }

    fn yaml(&self, text: &str) -> Result<Vec<Value>, Refusal> {
        yaml::documents(text).map_err(|error| Refusal::Failed(error.to_string()))
    }

    /// Pipelines of the own application. What other applications have is not told.
    fn call(&self, function: &str, arguments: &[Value]) -> Result<Value, Refusal> {
        let Some((application, pipelines)) = &self.pipelines else { return Err(Refusal::Off) };
        let text = |at: usize| arguments.get(at).and_then(Value::as_str).unwrap_or_default();
        let named = match function {
            "pipelineId" => true,
            "pipelineIdInApplication" => text(1).eq_ignore_ascii_case(application.as_str()),
            _ => return Err(Refusal::Off),
        };
        let found = pipelines.get(&import::text::name_key(text(0))).filter(|_| named);
        let shown: String = text(0).chars().take(SHOWN_CHARS_MAX).collect();
        let missing =
            || Refusal::Failed(format!("{application} has no pipeline `{shown}`, and those of other applications are not seen here"));
        found.map(|id| json!(id)).ok_or_else(missing)
    }
}

impl StageScope {
    /// The same with names that come before all others.
    pub(crate) fn with<'a>(&'a self, locals: &'a Map<String, Value>) -> WithLocals<'a> {
        WithLocals { scope: self, locals }
    }

    /// What expressions of this stage ask.
    #[must_use]
    pub fn asked(&self, moment: Moment) -> Asked {
        let asked = Asked::at(moment, self.plan.stages.get(self.run).map(|stage| stage.ref_id.to_string()));
        Asked { pipelines: Some((self.plan.application.clone(), self.pipelines.clone())), ..asked }
    }
}

#[async_trait]
impl StepScope for StageScope {
    fn lookup(&self, pointer: &str) -> Option<Value> {
        let rest = pointer.strip_prefix('/')?;
        let (root, below) = rest.split_once('/').map_or((rest, String::new()), |(root, below)| (root, format!("/{below}")));
        self.seen().roots.get(root).filter(|_| LOOKED_UP.contains(&root))?.pointer(&below).cloned()
    }

    fn evaluate(&self, template: &str, locals: &Value, moment: Moment) -> Result<Value, (u32, String, String)> {
        let locals = object(locals);
        expression::evaluate_with(template, &self.with(&locals), &self.asked(moment))
            .map_err(|e| (e.position, e.reason.to_owned(), e.message))
    }

    fn artifacts(&self) -> Vec<Value> {
        self.seen().artifacts.clone()
    }
}
