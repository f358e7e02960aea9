//! What a stage may see of its execution: trigger, parameters, and what the stages before it left. Never a secret.

use super::plan::Plan;
use super::stored::{Kept, StageData, object};
use crate::error::AppError;
use crate::ports::{Blobs, StepScope, StoreError};
use async_trait::async_trait;
use engine::Execution;
use expression::Scope;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Roots that nothing a stage outputs can hide.
const ROOTS: [&str; 4] = ["trigger", "parameters", "execution", "stages"];

/// A stage's view of its execution: what it was when it was gathered. Most stages never look, so it is put together at the first look.
#[derive(Debug)]
pub struct StageScope {
    run: usize,
    plan: Arc<Plan>,
    execution: Execution,
    data: Vec<Arc<StageData>>,
    /// What is kept as blobs, by digest.
    large: BTreeMap<String, Value>,
    seen: OnceLock<Seen>,
}

#[derive(Debug)]
struct Seen {
    roots: Map<String, Value>,
    artifacts: Vec<Value>,
}

impl StageScope {
    /// Gathers what a stage may see.
    pub async fn gather(
        execution: &Execution,
        plan: &Arc<Plan>,
        run: usize,
        data: &[Arc<StageData>],
        blobs: &dyn Blobs,
    ) -> Result<Self, AppError> {
        let mut large = BTreeMap::new();
        if data.iter().any(|data| data.digests().next().is_some()) {
            for ancestor in plan.ancestors(run).into_iter().filter_map(|position| data.get(position)) {
                for digest in ancestor.digests() {
                    large.insert(digest.to_owned(), load(blobs, digest).await?);
                }
            }
        }
        Ok(Self { run, plan: plan.clone(), execution: execution.clone(), data: data.to_vec(), large, seen: OnceLock::new() })
    }

    fn seen(&self) -> &Seen {
        self.seen.get_or_init(|| self.look())
    }

    /// Outputs of ancestors are found by bare name, the nearest first.
    fn look(&self) -> Seen {
        let plan = self.plan.as_ref();
        let mut roots = Map::new();
        let mut stages = Map::new();
        let mut artifacts = Vec::new();
        for position in plan.ancestors(self.run) {
            let (Some(stage), Some(data)) = (plan.stages.get(position), self.data.get(position)) else { continue };
            let outputs = self.kept(&data.outputs);
            let context = self.kept(&data.context);
            for (key, value) in &outputs {
                if !ROOTS.contains(&key.as_str()) && !roots.contains_key(key) {
                    roots.insert(key.clone(), value.clone());
                }
            }
            artifacts.extend(data.artifacts.iter().cloned());
            if !stages.contains_key(&stage.name) {
                let status = self.execution.status_of(position);
                let seen = json!({"refId": stage.ref_id, "status": status, "outputs": outputs, "context": context});
                stages.insert(stage.name.clone(), seen);
            }
        }
        artifacts.extend(plan.artifacts.iter().map(|a| json!(a)));
        from_parent(plan, &mut roots);
        let execution = json!({
            "id": self.execution.id, "application": plan.application, "name": plan.name, "pipelineConfigId": plan.pipeline,
            "buildTime": plan.created_ms, "user": plan.submitter,
        });
        roots.insert("trigger".to_owned(), Value::Object(plan.trigger.clone()));
        roots.insert("parameters".to_owned(), Value::Object(plan.parameters.clone()));
        roots.insert("execution".to_owned(), execution);
        roots.insert("stages".to_owned(), Value::Object(stages));
        Seen { roots, artifacts }
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
    Ok(serde_json::from_slice(&bytes).map_err(|error| StoreError::Damaged(error.to_string()))?)
}

/// Keeps a value, as a blob when it is large.
pub async fn keep(blobs: &dyn Blobs, value: Value) -> Result<Kept, AppError> {
    if value.is_null() {
        return Ok(Kept::Nothing);
    }
    let bytes = serde_json::to_vec(&value).map_err(|error| AppError::Damaged(error.to_string()))?;
    if bytes.len() <= super::stored::INLINE_BYTES_MAX { Ok(Kept::Inline(value)) } else { Ok(Kept::Blob(blobs.put(&bytes).await?)) }
}

impl Scope for StageScope {
    fn root(&self, name: &str) -> Option<Value> {
        self.seen().roots.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.seen().roots.keys().cloned().collect()
    }
}

struct WithLocals<'a> {
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
}

#[async_trait]
impl StepScope for StageScope {
    fn lookup(&self, pointer: &str) -> Option<Value> {
        let rest = pointer.strip_prefix('/')?;
        let (root, below) = rest.split_once('/').map_or((rest, String::new()), |(root, below)| (root, format!("/{below}")));
        self.seen().roots.get(root).filter(|_| ROOTS.contains(&root))?.pointer(&below).cloned()
    }

    fn evaluate(&self, template: &str, locals: &Value) -> Result<Value, (u32, String, String)> {
        let locals = object(locals);
        let scope = WithLocals { scope: self, locals: &locals };
        expression::evaluate(template, &scope).map_err(|e| (e.position, e.reason.to_owned(), e.message))
    }

    fn artifacts(&self) -> Vec<Value> {
        self.seen().artifacts.clone()
    }
}
