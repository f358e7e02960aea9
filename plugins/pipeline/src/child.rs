//! The child execution once it has been started: looking at it, resting until it ends, and stopping it.

use sdk::checkpoint;
use sdk::contract::{AwaitSignal, Failure, Outcome, Progress, Results, Running, STAGE_TIMEOUT, Suspended, Yielded};
use sdk::fields;
use sdk::host::{Context, ExecutionError, Executions, execution_failure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::SCHEMA;
use crate::ended::{self, State};
use crate::settings::Settings;

const FIELDS: [&str; 5] = ["status", "reason", "name", "outputs", "artifacts"];
const CANCEL_POLL_MS: u32 = 1_000;
const REASON_CHARS_MAX: usize = 1_000;

/// The checkpoint: which execution is waited for, and since when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Child {
    /// Empty before it was started.
    pub(crate) id: String,
    /// What the stage called the pipeline, until the execution says its name.
    pub(crate) name: String,
    pub(crate) since: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) cancel_asked: bool,
}

impl Child {
    /// One that is about to be started.
    pub(crate) fn announced(name: &str, since: u64) -> Self {
        Self { id: String::new(), name: name.to_owned(), since, cancel_asked: false }
    }

    /// Whether the stage knows it.
    pub(crate) fn is_started(&self) -> bool {
        !self.id.is_empty()
    }

    /// Comes back at once, to start it.
    pub(crate) fn announce(&self) -> Result<Outcome, Failure> {
        let progress = Progress { message: format!("starting {}", self.name), percent: None, details: None };
        Ok(Outcome::Yielded(Yielded { checkpoint: checkpoint::write(SCHEMA, self)?, progress }))
    }

    /// For messages.
    pub(crate) fn label(&self) -> String {
        format!("{} ({})", self.name, self.id)
    }

    /// Takes over what an answer says of the execution itself.
    pub(crate) fn learn(&mut self, answer: &Map<String, Value>) {
        if let Some(name) = fields::text(answer, "name") {
            name.clone_into(&mut self.name);
        }
    }

    /// What expressions and people find in the stage.
    pub(crate) fn context(&self, status: Option<&str>) -> Value {
        let mut context = json!({"executionId": self.id, "executionName": self.name});
        if let (Some(status), Some(map)) = (status, context.as_object_mut()) {
            map.insert("status".to_owned(), json!(status));
        }
        context
    }

    fn progress(&self, message: String, status: Option<&str>) -> Progress {
        let mut details = self.context(status);
        if let Some(map) = details.as_object_mut() {
            map.insert("sinceMs".to_owned(), json!(self.since));
        }
        Progress { message, percent: None, details: Some(details.to_string()) }
    }

    /// Rests until the child's end sends its signal.
    pub(crate) fn suspend(&self, status: Option<&str>) -> Result<Outcome, Failure> {
        let message = match status {
            Some("NOT_STARTED") => format!("waiting for {}, which is queued", self.label()),
            Some("PAUSED") => format!("waiting for {}, which is paused", self.label()),
            _ => format!("waiting for {}", self.label()),
        };
        Ok(Outcome::Suspended(Suspended {
            any_of: vec![AwaitSignal { name: format!("execution:{}", self.id), prompt: String::new(), form: None, allowed: Vec::new() }],
            until_ms: None,
            checkpoint: checkpoint::write(SCHEMA, self)?,
            progress: self.progress(message, status),
        }))
    }

    fn stopping(&self, status: Option<&str>) -> Result<Outcome, Failure> {
        Ok(Outcome::Running(Running {
            poll_after_ms: CANCEL_POLL_MS,
            watch: Vec::new(),
            checkpoint: checkpoint::write(SCHEMA, self)?,
            progress: self.progress(format!("{} is being cancelled", self.label()), status),
        }))
    }

    fn stopped(&self, status: Option<&str>, message: String) -> Outcome {
        Outcome::Canceled(Results { outputs: "{}".to_owned(), ..Results::of(&self.context(status), message) })
    }
}

/// The child as it is now.
pub(crate) fn get<H: Executions>(id: &str, host: &mut H) -> Result<String, ExecutionError> {
    host.get(id, &FIELDS.map(str::to_owned))
}

/// An answer's object.
pub(crate) fn object(answer: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(answer).ok()
}

/// Asks for the child's state and acts on it.
pub(crate) fn look<H: Executions>(child: Child, settings: &Settings, host: &mut H) -> Result<Outcome, Failure> {
    match get(&child.id, host) {
        Ok(answer) => settle(child, &answer, settings),
        Err(error) => Err(unknown(&child, &error)),
    }
}

/// Rests on, or ends as the child did.
pub(crate) fn settle(mut child: Child, answer: &str, settings: &Settings) -> Result<Outcome, Failure> {
    let answer = object(answer).ok_or_else(|| ended::unreadable(&child, "it is not a JSON object"))?;
    child.learn(&answer);
    match State::of(&child, &answer)? {
        State::Live(status) => child.suspend(Some(status)),
        State::Succeeded => ended::succeeded(&child, &answer, settings),
        State::Failed => Err(ended::failed(&child, &answer)),
        State::Canceled => Ok(ended::canceled(&child, &answer)),
    }
}

fn unknown(child: &Child, error: &ExecutionError) -> Failure {
    let what = format!("the state of {}", child.label());
    match error {
        ExecutionError::NotFound => {
            let message = format!("{} does not exist any more, so its end is unknown", child.label());
            Failure::user("child-gone", message).with_results(ended::left(child, None, String::new()))
        }
        other => Failure { results: Some(ended::left(child, None, String::new())), ..execution_failure(&what, other) },
    }
}

/// The stage's time is over: a child that has not ended is told to, because nobody waits for it any more.
pub(crate) fn timed_out<H: Executions + Context>(mut child: Child, settings: &Settings, host: &mut H) -> Result<Outcome, Failure> {
    let answer = get(&child.id, host).ok();
    if let Some(object) = answer.as_deref().and_then(object) {
        child.learn(&object);
        if let (Some(answer), Ok(State::Succeeded | State::Failed | State::Canceled)) = (&answer, State::of(&child, &object)) {
            return settle(child, answer, settings);
        }
    }
    let parent = host.info().execution_id;
    let asked = host.cancel(&child.id, &format!("the time of the stage that waited for it, in execution {parent}, ran out"));
    let what = match asked {
        Ok(()) => "it was told to cancel".to_owned(),
        Err(ExecutionError::NotFound) => "it does not exist any more".to_owned(),
        Err(error) => format!("it could not be cancelled and may go on: {}", execution_failure("cancel", &error).message),
    };
    let message = format!("the stage's time ran out before {} had ended; {what}", child.label());
    Err(Failure::user(STAGE_TIMEOUT, message.clone()).with_results(ended::left(&child, None, message)))
}

/// Tells the child to end, once, and comes back until it has.
pub(crate) fn cancel<H: Executions + Context>(mut child: Child, reason: &str, host: &mut H) -> Result<Outcome, Failure> {
    if !child.cancel_asked {
        let parent = host.info().execution_id;
        let reason = fields::cut(&format!("cancelled with its parent, execution {parent}: {reason}"), REASON_CHARS_MAX);
        match host.cancel(&child.id, &reason) {
            Ok(()) => child.cancel_asked = true,
            Err(ExecutionError::NotFound) => return Ok(child.stopped(None, format!("{} does not exist any more", child.label()))),
            Err(error) => return Err(execution_failure(&format!("{} cannot be cancelled", child.label()), &error)),
        }
    }
    let answer = match get(&child.id, host) {
        Ok(answer) => object(&answer).ok_or_else(|| ended::unreadable(&child, "it is not a JSON object"))?,
        Err(ExecutionError::NotFound) => return Ok(child.stopped(None, format!("{} does not exist any more", child.label()))),
        // It was asked, and that is to be remembered: a failure here would ask once more.
        Err(ExecutionError::Unavailable(_)) => return child.stopping(None),
        Err(error) => return Err(unknown(&child, &error)),
    };
    child.learn(&answer);
    match State::of(&child, &answer)? {
        State::Live(status) => child.stopping(Some(status)),
        State::Canceled => Ok(child.stopped(Some("CANCELED"), format!("{} was cancelled", child.label()))),
        State::Succeeded => Ok(child.stopped(Some("SUCCEEDED"), format!("{} had succeeded before it was cancelled", child.label()))),
        State::Failed => Ok(child.stopped(Some("TERMINAL"), format!("{} had failed before it was cancelled", child.label()))),
    }
}
