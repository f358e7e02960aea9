//! A host for tests of stages: a cluster that remembers what was applied, expressions and other executions that answer as they
//! are told. Never in a component.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::contract::{Checkpoint, Mode, ObjectRef, Outcome, RunInfo, Signal, StepInput, Target, Wake};
use crate::host::{
    Applied, ApplyOptions, ArtifactError, Artifacts, Cluster, ClusterError, Context, ExecutionError, Executions, ExpressionError,
    Expressions, KindInfo, Level, Log, Reason, Rollout,
};

/// The first step of a stage, at one second after the epoch.
pub fn start(params: &str) -> StepInput {
    StepInput {
        params: params.to_owned(),
        mode: Mode::Execute,
        wake: Wake::Start,
        checkpoint: None,
        seq: 0,
        now_ms: 1_000,
        seed: 7,
        budget_ms: 30_000,
    }
}

/// The step after an outcome, woken like this.
///
/// # Panics
/// When the stage has ended.
#[expect(clippy::panic, reason = "a test that goes on after the end is wrong")]
pub fn after(input: &StepInput, outcome: &Outcome, wake: Wake) -> StepInput {
    let checkpoint: Checkpoint = match outcome {
        Outcome::Running(running) => running.checkpoint.clone(),
        Outcome::Yielded(yielded) => yielded.checkpoint.clone(),
        Outcome::Suspended(suspended) => suspended.checkpoint.clone(),
        ended => panic!("the stage has ended: {ended:?}"),
    };
    StepInput { wake, checkpoint: Some(checkpoint), seq: input.seq + 1, ..input.clone() }
}

/// A signal by somebody.
pub fn signal(name: &str, sender: &str, body: &Value) -> Wake {
    Wake::Signal(Signal { name: name.to_owned(), sender: sender.to_owned(), body: body.to_string() })
}

/// A rollout of so many wanted, updated and available pods.
pub fn rollout(desired: u32, updated: u32, available: u32) -> Rollout {
    let stable = updated == desired && available == desired;
    Rollout {
        stable,
        failed: false,
        paused: false,
        revision: 1,
        desired,
        updated,
        available,
        message: if stable { String::new() } else { format!("{available} of {desired} updated pods available") },
        reasons: Vec::new(),
    }
}

/// A pod's reason.
pub fn reason(code: &str, pod: &str, container: &str, message: &str) -> Reason {
    let object = ObjectRef { api_version: "v1".into(), kind: "Pod".into(), name: pod.into(), namespace: Some("default".into()) };
    Reason { code: code.into(), object, container: (!container.is_empty()).then(|| container.into()), message: message.into() }
}

/// The scripted host. Objects are kept by `Kind namespace/name`.
#[derive(Debug, Default)]
pub struct Script {
    /// Live objects.
    pub live: BTreeMap<String, Value>,
    /// Answers of `rollout-status` by object, the last one for ever; stable when there are none.
    pub rollouts: BTreeMap<String, VecDeque<Result<Rollout, ClusterError>>>,
    /// Errors of `apply-many` and `create` by object, each once.
    pub refuse: BTreeMap<String, VecDeque<ClusterError>>,
    /// Errors of `get` by object, for ever.
    pub unreadable: BTreeMap<String, ClusterError>,
    /// Kinds that `resolve` finds cluster-scoped.
    pub cluster_scoped: Vec<String>,
    /// Artifacts in context.
    pub artifacts: Vec<Value>,
    /// Why artifacts cannot be given, for ever.
    pub no_artifacts: Option<ArtifactError>,
    /// Values of the execution by JSON pointer.
    pub values: BTreeMap<String, Value>,
    /// Why nothing can be looked up, for ever.
    pub no_lookup: Option<String>,
    /// What templates evaluate to; any other is an error.
    pub evaluated: BTreeMap<String, Value>,
    /// Answers of `executions.start`, each once; then it starts `c1`.
    pub starts: VecDeque<Result<String, ExecutionError>>,
    /// Other executions by id: answers of `executions.get`, the last one for ever.
    pub executions: BTreeMap<String, VecDeque<Result<Value, ExecutionError>>>,
    /// Errors of `executions.cancel`, each once.
    pub refuse_cancel: VecDeque<ExecutionError>,
    /// Every trigger an execution was started with, in order.
    pub triggers: Vec<Value>,
    /// Every call, in order.
    pub calls: Vec<String>,
    /// Every manifest sent, in order.
    pub sent: Vec<Value>,
    /// Lines logged.
    pub lines: Vec<String>,
}

/// How [`Script`] keys an object.
pub fn key(kind: &str, namespace: Option<&str>, name: &str) -> String {
    format!("{kind} {}/{name}", namespace.unwrap_or_default())
}

impl Script {
    fn key_of(object: &Value) -> String {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let name = text("/metadata/name").unwrap_or_default();
        key(text("/kind").unwrap_or_default(), text("/metadata/namespace"), name)
    }

    fn put(&mut self, manifest: &str) -> Result<Applied, ClusterError> {
        let mut object: Value = serde_json::from_str(manifest).map_err(|error| ClusterError::Invalid(error.to_string()))?;
        let key = Self::key_of(&object);
        if let Some(error) = self.refuse.get_mut(&key).and_then(VecDeque::pop_front) {
            return Err(error);
        }
        self.sent.push(object.clone());
        let created = !self.live.contains_key(&key);
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("uid".into(), json!(format!("uid of {key}")));
            metadata.insert("managedFields".into(), json!([{"manager": "waybill"}]));
        }
        let changed = self.live.get(&key) != Some(&object);
        self.live.insert(key, object.clone());
        Ok(Applied { live: object.to_string(), created, changed })
    }

    /// Calls that begin with a word.
    pub fn count(&self, call: &str) -> usize {
        self.calls.iter().filter(|made| made.starts_with(call)).count()
    }
}

impl Log for Script {
    fn log(&mut self, _: Level, message: &str, _: &[(&str, &str)]) {
        self.lines.push(message.to_owned());
    }
}

impl Context for Script {
    fn info(&mut self) -> RunInfo {
        RunInfo {
            application: "flaskapp".into(),
            pipeline: "deployTesting".into(),
            execution_id: "e1".into(),
            stage_id: "s1".into(),
            stage_type: "test".into(),
            attempt: 1,
            deadline_ms: 0,
            traceparent: String::new(),
        }
    }

    fn lookup(&mut self, pointer: &str) -> Result<Option<String>, String> {
        self.calls.push(format!("lookup {pointer}"));
        if let Some(reason) = &self.no_lookup {
            return Err(reason.clone());
        }
        Ok(self.values.get(pointer).map(Value::to_string))
    }
}

impl Artifacts for Script {
    fn in_context(&mut self) -> Result<Vec<String>, ArtifactError> {
        self.calls.push("in-context".into());
        match &self.no_artifacts {
            Some(error) => Err(error.clone()),
            None => Ok(self.artifacts.iter().map(Value::to_string).collect()),
        }
    }
}

impl Expressions for Script {
    fn evaluate(&mut self, template: &str, _: &str) -> Result<String, ExpressionError> {
        self.calls.push(format!("evaluate {template}"));
        let unknown = || ExpressionError { position: 2, reason: "unknown-name".into(), message: format!("nothing is known of {template}") };
        self.evaluated.get(template).map(Value::to_string).ok_or_else(unknown)
    }
}

impl Executions for Script {
    fn start(&mut self, application: &str, pipeline: &str, trigger: &str) -> Result<String, ExecutionError> {
        self.calls.push(format!("start {application} {pipeline}"));
        self.triggers.push(serde_json::from_str(trigger).map_err(|error| ExecutionError::Refused(error.to_string()))?);
        self.starts.pop_front().unwrap_or_else(|| Ok("c1".into()))
    }

    fn get(&mut self, id: &str, fields: &[String]) -> Result<String, ExecutionError> {
        self.calls.push(format!("get {id} {}", fields.join(",")));
        let answers = self.executions.get_mut(id).ok_or(ExecutionError::NotFound)?;
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        let only = |value: Value| match value {
            Value::Object(map) => Value::Object(map.into_iter().filter(|(key, _)| fields.contains(key)).collect()),
            other => other,
        };
        answer.unwrap_or(Err(ExecutionError::NotFound)).map(|value| only(value).to_string())
    }

    fn cancel(&mut self, id: &str, reason: &str) -> Result<(), ExecutionError> {
        self.calls.push(format!("cancel {id}: {reason}"));
        self.refuse_cancel.pop_front().map_or(Ok(()), Err)
    }
}

impl Cluster for Script {
    fn resolve(&mut self, _: &Target, kind: &str) -> Result<Vec<KindInfo>, ClusterError> {
        self.calls.push(format!("resolve {kind}"));
        let (api_version, name) = kind.split_once(' ').unwrap_or(("", kind));
        Ok(vec![KindInfo {
            api_version: api_version.into(),
            kind: name.into(),
            plural: name.to_lowercase(),
            namespaced: !self.cluster_scoped.iter().any(|scoped| scoped == name),
            scalable: false,
        }])
    }

    fn get(&mut self, _: &Target, what: &ObjectRef, _: &[String]) -> Result<String, ClusterError> {
        let key = key(&what.kind, what.namespace.as_deref(), &what.name);
        self.calls.push(format!("get {key}"));
        if let Some(error) = self.unreadable.get(&key) {
            return Err(error.clone());
        }
        self.live.get(&key).map(Value::to_string).ok_or(ClusterError::NotFound)
    }

    fn apply_many(
        &mut self,
        at: &Target,
        manifests: &[String],
        options: ApplyOptions,
    ) -> Result<Vec<Applied>, (Vec<Applied>, ClusterError)> {
        let force = if options.force_conflicts { " forced" } else { "" };
        let namespace = at.namespace.as_deref().unwrap_or("-");
        self.calls.push(format!("apply-many {} {namespace} {}{force}", at.account, manifests.len()));
        let mut applied = Vec::new();
        for manifest in manifests {
            match self.put(manifest) {
                Ok(one) => applied.push(one),
                Err(error) => return Err((applied, error)),
            }
        }
        Ok(applied)
    }

    fn create(&mut self, _: &Target, manifest: &str) -> Result<String, ClusterError> {
        self.calls.push("create".into());
        let mut object: Value = serde_json::from_str(manifest).map_err(|error| ClusterError::Invalid(error.to_string()))?;
        let count = self.count("create");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
            && let Some(Value::String(start)) = metadata.remove("generateName")
        {
            metadata.insert("name".into(), json!(format!("{start}{count:05}")));
        }
        self.put(&object.to_string()).map(|applied| applied.live)
    }

    fn rollout_status(&mut self, _: &Target, what: &ObjectRef) -> Result<Rollout, ClusterError> {
        let key = key(&what.kind, what.namespace.as_deref(), &what.name);
        self.calls.push(format!("rollout-status {key}"));
        match self.rollouts.get_mut(&key) {
            Some(answers) if answers.len() > 1 => answers.pop_front().unwrap_or_else(|| Ok(rollout(1, 1, 1))),
            Some(answers) => answers.front().cloned().unwrap_or_else(|| Ok(rollout(1, 1, 1))),
            None => Ok(rollout(1, 1, 1)),
        }
    }
}
