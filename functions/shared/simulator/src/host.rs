//! The stage host: makes the steps of scripted components. What a component does follows from its script, its checkpoint and
//! why it was called, and from nothing else, as it must for a real one.

use crate::check;
use crate::ports::{Port, gate_name};
use crate::reality::{Effect, Meant, StepId, Watched};
use crate::rng::mix;
use crate::scenario::{Act, AtTimeout, Call, STOPPED, SYNTHETIC, Stage, Sub, Then, UNDO, number_of};
use crate::state::{Answer, Request, World};
use crate::trace::{Begun, Trace};
use app::ports::{
    Blame, ExecutionsError, Export, LogLevel, LogLine, ObjectKey, SignalSpec, StageHost, StepCall, StepEnd, StepFailure, StepFault,
    StepReport, StepResults, Wake, WatchKey, WatchSpec,
};
use async_trait::async_trait;
use futures::future;
use model::Millis;
use model::component::Part;
use model::status::Status;
use serde_json::{Value, json};
use std::sync::Arc;

/// The cloud account whose cluster is watched.
pub(crate) const ACCOUNT: &str = "sim";
/// The group whose members may answer.
pub(crate) const JUDGES: &str = "judges";
const CHECKPOINT: u32 = 1;
/// How long a step that takes too long is waited for.
const STEP_MS_MAX: Millis = 30_000;
/// How often a stage at a gate looks whether it is open, where nobody tells it.
const GATE_MS: u32 = 6 * 3_600_000;
/// From this repetition on a step's own calls do not fail.
const RETRIES_FAULTY: u32 = 2;

/// Makes steps.
pub(crate) struct SimHost(pub(crate) Port);

#[async_trait]
impl StageHost for SimHost {
    async fn step(&self, call: StepCall) -> Result<StepReport, StepFault> {
        match self.0.call(Request::Begin).await {
            Answer::Failed => return Err(StepFault::Unavailable("no room for an instance".to_owned())),
            Answer::Trapped => return Err(trap("plugin-trap", "unreachable")),
            _ => {}
        }
        Step::new(self.0.clone(), &call)?.make(&call).await
    }

    async fn validate(&self, _cwasm: &str, _params: &str) -> Result<Vec<(String, String)>, StepFault> {
        match self.0.call(Request::Validate).await {
            Answer::Failed => Err(StepFault::Unavailable("no room for an instance".to_owned())),
            _ => Ok(Vec::new()),
        }
    }
}

fn trap(code: &'static str, message: &str) -> StepFault {
    StepFault::Plugin { code, message: message.to_owned(), log: Vec::new() }
}

/// A step that is being made.
struct Step {
    port: Port,
    id: StepId,
    stage: Stage,
    trace: Trace,
    /// Where the script stands.
    place: usize,
    /// What was read so far.
    seen: u64,
    child: Started,
}

/// How far a stage is with an execution that it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Started {
    No,
    /// It is about to: there may be one.
    Maybe,
    Is(String),
}

/// Where the script stands, and how far it is with a child.
fn read_checkpoint(text: &str) -> (usize, Started) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (place, rest) = text.split_at(end);
    let child = match rest.strip_prefix('#') {
        Some(id) => Started::Is(id.to_owned()),
        None if rest == "!" => Started::Maybe,
        None => Started::No,
    };
    (place.parse().unwrap_or_default(), child)
}

impl Step {
    fn new(port: Port, call: &StepCall) -> Result<Self, StepFault> {
        let retry = call.retry;
        let gone = || StepFault::Component("no script".to_owned());
        let world = port.world.clone();
        let mut state = world.lock();
        let run = state.watch.run_of(&call.info.execution_id).ok_or_else(gone)?;
        let at = number_of(&call.info.stage_id).ok_or_else(gone)?;
        let stage = state.scenario.stage(run, at).ok_or_else(gone)?;
        // What a stage unfolds into has one attempt of its own in each attempt of the stage.
        let attempt = if at < SYNTHETIC { call.info.attempt } else { state.watch.newest_attempt(run, at) };
        let id = StepId { run, stage: at, attempt, seq: call.seq, retry };
        check::step_begins(&mut state, id, &call.wake);
        let (place, child) = call.checkpoint.as_ref().map_or((0, Started::No), |(_, text)| read_checkpoint(text));
        Ok(Self { port, id, stage, trace: Trace::new(call.journal.clone()), place, seen: 0, child })
    }

    async fn make(mut self, call: &StepCall) -> Result<StepReport, StepFault> {
        if let Export::Cancel(reason) = &call.export {
            return self.cancel(call, reason).await;
        }
        if let Export::Plan(part) = &call.export {
            return self.plan(*part);
        }
        match &call.wake {
            Wake::TimedOut => return self.timed_out(call).await,
            Wake::Signal { name, body, .. } if name.starts_with("execution:") && self.child != Started::No => {
                let well = serde_json::from_str::<Value>(body).is_ok_and(|v| v.get("status") == Some(&json!("SUCCEEDED")));
                self.child = Started::No;
                self.place = if well { self.place + 1 } else { STOPPED };
            }
            Wake::Signal { body, .. } if self.act().then == Then::Ask => {
                let go = serde_json::from_str::<Value>(body).is_ok_and(|v| v.get("judgmentStatus") == Some(&json!("continue")));
                self.place = if go { self.place + 1 } else { STOPPED };
            }
            _ => {}
        }
        let act = self.act().clone();
        // What it is about to do it said after its calls.
        if self.child == Started::No
            && let Some(end) = self.calls(&act).await?
        {
            return self.report(end);
        }
        self.end(&act, call).await
    }

    fn act(&self) -> &Act {
        self.stage.act(self.id.attempt, self.place)
    }

    async fn calls(&mut self, act: &Act) -> Result<Option<StepEnd>, StepFault> {
        for (nth, call) in act.calls.iter().enumerate() {
            let done = match call {
                Call::Read => self.read().await?,
                Call::Write => self.write(nth).await?,
            };
            if !done {
                return Ok(Some(failed("outside-failed", true)));
            }
        }
        Ok(None)
    }

    async fn read(&mut self) -> Result<bool, StepFault> {
        let value = match self.trace.begin("outside.read", true, String::new())? {
            Begun::Recorded(value) => value,
            Begun::Live(open) => match self.port.call(Request::Read).await {
                Answer::Number(value) => {
                    self.trace.done(open, value);
                    value
                }
                _ => return Ok(false),
            },
        };
        self.seen = mix(self.seen, value);
        Ok(true)
    }

    async fn write(&mut self, nth: usize) -> Result<bool, StepFault> {
        let StepId { run, stage, attempt, .. } = self.id;
        let meant = Meant { run, stage, attempt, act: self.place, call: nth };
        let content = mix(mix(self.seen, nth as u64), u64::from(attempt));
        match self.trace.begin("outside.write", false, content.to_string())? {
            Begun::Recorded(_) => Ok(true),
            Begun::Live(open) => {
                self.trace.intend(&open).await?;
                let effect = Effect { step: self.id, meant, content };
                check::effect_is_sent(&mut self.port.world.lock(), effect, self.trace.has_read());
                match self.port.call(Request::Write(effect)).await {
                    Answer::Number(value) => {
                        self.trace.done(open, value);
                        Ok(true)
                    }
                    _ => Ok(false),
                }
            }
        }
    }

    async fn end(mut self, act: &Act, call: &StepCall) -> Result<StepReport, StepFault> {
        let retry = self.id.retry;
        let end = match act.then {
            Then::Poll { after_ms, watch } => {
                self.place += 1;
                let watch = if watch { vec![self.watching("thing".to_owned())] } else { Vec::new() };
                StepEnd::Running { poll_after_ms: after_ms, watch }
            }
            Then::Linger => StepEnd::Running { poll_after_ms: 20_000, watch: Vec::new() },
            Then::Yield => self.on(StepEnd::Yielded),
            Then::Ask => StepEnd::Suspended { any_of: vec![judgment()], until_ms: None },
            Then::Sleep(ms) => self.on(StepEnd::Suspended { any_of: Vec::new(), until_ms: Some(call.now_ms + ms) }),
            Then::Flaky(times) if retry < times => failed("flaky", true),
            Then::Flaky(_) => self.on(StepEnd::Yielded),
            Then::Gate => self.gate(),
            Then::Hang => {
                self.port.call(Request::Sleep(self.now() + STEP_MS_MAX)).await;
                return Err(trap("plugin-timeout", "it took too long"));
            }
            Then::Stuck => future::pending().await,
            // First it says that it will: whoever stops it in between knows that there may be a child.
            Then::Child { .. } if self.child == Started::No => {
                self.child = Started::Maybe;
                StepEnd::Yielded
            }
            Then::Child { pipeline } => self.start(call, pipeline).await,
            Then::Succeed => StepEnd::Succeeded(self.results(call)),
            Then::Skip => StepEnd::Skipped(self.results(call)),
            Then::Cancel => StepEnd::Canceled(self.results(call)),
            Then::Fail => failed("as-it-says", false),
            Then::Trap => return Err(trap("plugin-trap", "as it says")),
        };
        self.report(end)
    }

    fn on(&mut self, end: StepEnd) -> StepEnd {
        self.place += 1;
        end
    }

    fn now(&self) -> Millis {
        self.port.world.lock().now
    }

    /// A change is announced for something, which may be a gate.
    fn watching(&self, name: String) -> (String, WatchSpec) {
        let object = ObjectKey { api_version: "v1".to_owned(), kind: "Thing".to_owned(), namespace: None, name };
        (ACCOUNT.to_owned(), WatchSpec { what: WatchKey::Object(object), resource_version: Some("1".to_owned()) })
    }

    fn gate(&mut self) -> StepEnd {
        let StepId { run, stage, attempt, .. } = self.id;
        let open = {
            let mut state = self.port.world.lock();
            state.watch.comes_to_gate(run, stage, attempt);
            crate::reality::changes_after(&state, &Watched::Gate { run, stage }, 0).is_some()
        };
        if open {
            return self.on(StepEnd::Yielded);
        }
        StepEnd::Running { poll_after_ms: GATE_MS, watch: vec![self.watching(gate_name(run, stage))] }
    }

    fn plan(mut self, part: Part) -> Result<StepReport, StepFault> {
        let subs = self.stage.plan.as_ref().map(|plan| plan.part(part)).unwrap_or_default();
        let stage = |(at, sub): (usize, &Sub)| match crate::base::stage_json(at, &sub.stage()) {
            Value::Object(json) => json,
            _ => serde_json::Map::new(),
        };
        let planned = subs.iter().enumerate().map(stage).collect();
        self.report(StepEnd::Planned(planned))
    }

    /// Starts the execution, or finds the one that it started, and waits for its end.
    async fn start(&mut self, call: &StepCall, pipeline: usize) -> StepEnd {
        let id = match self.started(call, pipeline).await {
            Ok(id) => id,
            Err(error) => return refused(&error),
        };
        let name = format!("execution:{id}");
        self.child = Started::Is(id);
        StepEnd::Suspended { any_of: vec![SignalSpec { name, prompt: String::new(), form: None, allowed: Vec::new() }], until_ms: None }
    }

    async fn started(&self, call: &StepCall, pipeline: usize) -> Result<String, ExecutionsError> {
        let _spared = self.spared();
        let pipeline = crate::people::pipeline_id(pipeline).to_string();
        call.executions.start(crate::people::APPLICATION, &pipeline, &json!({})).await
    }

    /// Faults that came too thick would end the stage: that is a fault of its own class.
    fn spared(&self) -> Option<Spared> {
        (self.id.retry >= RETRIES_FAULTY).then(|| Spared::of(self.port.world.clone()))
    }

    /// The execution that it started, or may have started: then it is the same one, or one that need not have been.
    async fn its_child(&self, call: &StepCall) -> Option<Result<String, ExecutionsError>> {
        match (&self.child, self.act().then) {
            (Started::Is(id), _) => Some(Ok(id.clone())),
            (Started::Maybe, Then::Child { pipeline }) => Some(self.started(call, pipeline).await),
            _ => None,
        }
    }

    /// It is stopped: what it started is told to end, and it has ended when that has.
    async fn cancel(mut self, call: &StepCall, reason: &str) -> Result<StepReport, StepFault> {
        let _spared = self.spared();
        let id = match self.its_child(call).await {
            Some(Ok(id)) => id,
            Some(Err(error)) => return self.report(refused(&error)),
            None => return self.undo(call).await,
        };
        let end = match end_child(call, &id, reason).await {
            Ok(true) => StepEnd::Canceled(StepResults::default()),
            Ok(false) => StepEnd::Running { poll_after_ms: 1_000, watch: Vec::new() },
            Err(error) => refused(&error),
        };
        self.child = Started::Is(id);
        self.report(end)
    }

    /// Stops what its script began.
    async fn undo(mut self, call: &StepCall) -> Result<StepReport, StepFault> {
        if self.stage.undo.is_empty() {
            return self.report(StepEnd::Canceled(StepResults::default()));
        }
        self.place = self.place.max(UNDO);
        let act = self.act().clone();
        if let Some(end) = self.calls(&act).await? {
            return self.report(end);
        }
        self.end(&act, call).await
    }

    async fn timed_out(mut self, call: &StepCall) -> Result<StepReport, StepFault> {
        // Nobody waits any more for what it started.
        let _spared = self.spared();
        match self.its_child(call).await {
            None => {}
            Some(Err(error)) => return self.report(refused(&error)),
            Some(Ok(id)) => {
                if let Err(error) = end_child(call, &id, "out of time").await {
                    return self.report(refused(&error));
                }
            }
        }
        let end = match self.stage.at_timeout {
            AtTimeout::GoOn => StepEnd::Running { poll_after_ms: 5_000, watch: Vec::new() },
            AtTimeout::Succeed => StepEnd::Succeeded(StepResults { message: "done after all".to_owned(), ..StepResults::default() }),
            AtTimeout::Fail => failed("out-of-time", true),
            AtTimeout::Hang => {
                self.port.call(Request::Sleep(self.now() + STEP_MS_MAX)).await;
                return Err(trap("plugin-timeout", "it took too long"));
            }
        };
        self.report(end)
    }

    /// What it leaves says which stage it was and what it saw of the stage before it: neither time nor ids.
    fn results(&self, call: &StepCall) -> StepResults {
        let seen = self.stage.sees.map(|_| {
            let params: Value = serde_json::from_str(&call.params).unwrap_or_default();
            params.get("see").cloned().unwrap_or_default()
        });
        let StepId { stage, attempt, .. } = self.id;
        let said = format!("{stage}.{attempt}({})", seen.as_ref().and_then(Value::as_str).unwrap_or_default());
        let mut outputs = serde_json::Map::new();
        outputs.insert(format!("o{stage}"), Value::String(said));
        StepResults { outputs: Value::Object(outputs), ..StepResults::default() }
    }

    fn report(&mut self, end: StepEnd) -> Result<StepReport, StepFault> {
        let trace = self.trace.finish()?;
        let line = LogLine { level: LogLevel::Info, message: "made".to_owned(), fields: Vec::new() };
        let log = if self.id.seq.is_multiple_of(4) { vec![line] } else { Vec::new() };
        let child = match &self.child {
            Started::No => String::new(),
            Started::Maybe => "!".to_owned(),
            Started::Is(id) => format!("#{id}"),
        };
        let checkpoint = if matches!(end, StepEnd::Failed(_)) { None } else { Some((CHECKPOINT, format!("{}{child}", self.place))) };
        Ok(StepReport { end, checkpoint, progress: None, log, log_dropped: 0, trace, host_calls: 0 })
    }
}

/// Tells an execution to end. True when it has.
async fn end_child(call: &StepCall, id: &str, reason: &str) -> Result<bool, ExecutionsError> {
    call.executions.cancel(id, reason).await?;
    let status = call.executions.get(id, &["status".to_owned()]).await?.get("status").cloned().unwrap_or_default();
    Ok(serde_json::from_value::<Status>(status).is_ok_and(Status::is_complete))
}

fn refused(error: &ExecutionsError) -> StepEnd {
    match error {
        ExecutionsError::Unavailable(_) => failed("unavailable", true),
        _ => failed("refused", false),
    }
}

/// As long as it is there, what a task asks of the world does not fail.
struct Spared {
    world: Arc<World>,
    task: u64,
}

impl Spared {
    fn of(world: Arc<World>) -> Self {
        let task = {
            let mut state = world.lock();
            let task = state.task;
            *state.spared.entry(task).or_default() += 1;
            task
        };
        Self { world, task }
    }
}

impl Drop for Spared {
    fn drop(&mut self) {
        let mut state = self.world.lock();
        if let Some(count) = state.spared.get_mut(&self.task) {
            *count -= 1;
        }
    }
}

fn judgment() -> SignalSpec {
    SignalSpec { name: "judgment".to_owned(), prompt: String::new(), form: None, allowed: vec![JUDGES.to_owned()] }
}

fn failed(code: &str, retryable: bool) -> StepEnd {
    StepEnd::Failed(StepFailure {
        code: code.to_owned(),
        message: "it failed".to_owned(),
        retryable,
        retry_after_ms: None,
        blame: Blame::Target,
        results: None,
        details: None,
    })
}
