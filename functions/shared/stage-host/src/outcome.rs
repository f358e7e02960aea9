//! What a component answered, as what a step ends with: clamped where it asks for too much, refused where it breaks the
//! contract.

use crate::bindings::waybill::stage::types::{self, Blame, Checkpoint, Failure, Outcome, Progress, Results, Running, Suspended, Watched};
use crate::fault::{ABI_VIOLATION, CHECKPOINT_REFUSED, OUTPUT_TOO_LARGE};
use crate::gate::Purpose;
use crate::imports::selection;
use crate::log::{LogSink, clean, clean_lines};
use crate::session::Session;
use crate::strict;
use app::ports::{self, LogLevel, SignalSpec, StepEnd, StepFailure, StepResults, WatchKey, WatchSpec};
use model::component::Grant;
use model::id::ExecutionId;
use serde_json::Value;

const POLL_MS_MIN: u32 = 1_000;
const POLL_MS_MAX: u32 = 15 * 60 * 1_000;
const CHECKPOINT_BYTES_MAX: usize = 64 << 10;
const OUTPUT_BYTES_MAX: usize = 4 << 20;
const DETAILS_BYTES_MAX: usize = 256 << 10;
const MESSAGE_BYTES_MAX: usize = 4 << 10;
const PROMPT_BYTES_MAX: usize = 64 << 10;
const NAME_BYTES_MAX: usize = 128;
const WATCHES_MAX: usize = 100;
const SIGNALS_MAX: usize = 32;
const ALLOWED_MAX: usize = 200;
const ARTIFACTS_MAX: usize = 500;
/// Begins the name of the signal that another execution's end is.
const OF_EXECUTION: &str = "execution:";

/// An answer that breaks the contract: code and text for its author.
pub(crate) type Broken = (&'static str, String);

/// (schema, JSON).
type Kept = Option<(u32, String)>;
type Shown = Option<(String, Option<u8>, Option<Value>)>;

/// How a step ended, the checkpoint it leaves and the progress it shows.
#[derive(Debug, PartialEq)]
pub(crate) struct Ending {
    pub(crate) end: StepEnd,
    pub(crate) checkpoint: Kept,
    pub(crate) progress: Shown,
}

/// Reads an answer.
pub(crate) async fn ending(answer: Result<Outcome, Failure>, session: &Session, log: &mut LogSink) -> Result<Ending, Broken> {
    let kept = || session.call.checkpoint.clone();
    let last = |end| Ending { end, checkpoint: kept(), progress: None };
    let adopt = session.call.grant.adopt_sender;
    match answer {
        Ok(Outcome::Running(running)) => {
            let watch = watches(running.watch.as_slice(), session, log).await;
            let Running { poll_after_ms, checkpoint: state, progress: shown, .. } = running;
            let end = StepEnd::Running { poll_after_ms: poll_after_ms.clamp(POLL_MS_MIN, POLL_MS_MAX), watch };
            Ok(Ending { end, checkpoint: checkpoint(state, session)?, progress: progress(shown)? })
        }
        Ok(Outcome::Yielded(yielded)) => Ok(Ending {
            end: StepEnd::Yielded,
            checkpoint: checkpoint(yielded.checkpoint, session)?,
            progress: progress(yielded.progress)?,
        }),
        Ok(Outcome::Suspended(suspended)) => {
            let Suspended { any_of, until_ms, checkpoint: state, progress: shown } = suspended;
            if (any_of.is_empty() && until_ms.is_none()) || any_of.len() > SIGNALS_MAX {
                return broken(format!("it waits for {} signals and for no instant", any_of.len()));
            }
            let any_of = any_of.into_iter().map(|s| signal(s, &session.call.grant)).collect::<Result<_, _>>()?;
            let end = StepEnd::Suspended { any_of, until_ms };
            Ok(Ending { end, checkpoint: checkpoint(state, session)?, progress: progress(shown)? })
        }
        Ok(Outcome::Succeeded(r)) => Ok(last(StepEnd::Succeeded(results(r, adopt, log)?))),
        Ok(Outcome::Skipped(r)) => Ok(last(StepEnd::Skipped(results(r, adopt, log)?))),
        Ok(Outcome::Canceled(r)) => Ok(last(StepEnd::Canceled(results(r, adopt, log)?))),
        Err(failure) => Ok(last(StepEnd::Failed(failed(failure, adopt, log)?))),
    }
}

fn broken<T>(text: impl Into<String>) -> Result<T, Broken> {
    Err((ABI_VIOLATION, text.into()))
}

fn checkpoint(state: Checkpoint, session: &Session) -> Result<Kept, Broken> {
    let refused = |text: String| Err((CHECKPOINT_REFUSED, text));
    if state.data.len() > CHECKPOINT_BYTES_MAX {
        return refused(format!("a checkpoint has at most {CHECKPOINT_BYTES_MAX} bytes, not {}", state.data.len()));
    }
    let schemas = &session.call.checkpoint_schemas;
    if !schemas.contains(&state.schema) {
        return refused(format!("the manifest names the checkpoint schemas {schemas:?}, not {}", state.schema));
    }
    match strict::parse(&state.data) {
        Ok(_) => Ok(Some((state.schema, state.data))),
        Err(why) => refused(format!("a checkpoint is JSON: {why}")),
    }
}

fn progress(shown: Progress) -> Result<Shown, Broken> {
    let details = details(shown.details)?;
    Ok(Some((clean(&shown.message, MESSAGE_BYTES_MAX), shown.percent.map(|p| p.min(100)), details)))
}

fn details(text: Option<String>) -> Result<Option<Value>, Broken> {
    let Some(text) = text.filter(|t| !t.trim().is_empty()) else { return Ok(None) };
    if text.len() > DETAILS_BYTES_MAX {
        return Err((OUTPUT_TOO_LARGE, format!("details have at most {DETAILS_BYTES_MAX} bytes")));
    }
    strict::parse(&text).map(Some).or_else(|why| broken(format!("details are JSON: {why}")))
}

fn signal(signal: types::AwaitSignal, grant: &Grant) -> Result<SignalSpec, Broken> {
    let name = clean(&signal.name, NAME_BYTES_MAX);
    if name.is_empty() || name != signal.name || signal.allowed.len() > ALLOWED_MAX {
        return broken("a signal it waits for has no proper name, or too many may send it");
    }
    if let Some(id) = name.strip_prefix(OF_EXECUTION) {
        of_execution(id, grant)?;
    }
    let allowed = signal.allowed.iter().map(|a| clean(a, NAME_BYTES_MAX)).collect();
    Ok(SignalSpec { name, prompt: clean_lines(&signal.prompt, PROMPT_BYTES_MAX), form: details(signal.form)?, allowed })
}

/// The end of an execution is a signal, too, but not one for everybody to wait for.
fn of_execution(id: &str, grant: &Grant) -> Result<(), Broken> {
    if grant.executions.is_empty() {
        return broken("it waits for the end of an execution, and its grant has nothing of the interface executions");
    }
    ExecutionId::parse(id).map(|_| ()).or_else(|e| broken(format!("it waits for the end of an execution, but {e}")))
}

fn results(results: Results, may_adopt: bool, log: &mut LogSink) -> Result<StepResults, Broken> {
    let Results { outputs, context, artifacts, message, adopt_sender } = results;
    if outputs.len() > OUTPUT_BYTES_MAX || context.len() > OUTPUT_BYTES_MAX {
        return Err((OUTPUT_TOO_LARGE, format!("outputs and context have at most {OUTPUT_BYTES_MAX} bytes each")));
    }
    if artifacts.len() > ARTIFACTS_MAX {
        return Err((OUTPUT_TOO_LARGE, format!("a stage leaves at most {ARTIFACTS_MAX} artifacts")));
    }
    let object = |what: &str, text: &str| strict::object_or_blank(text).or_else(|why| broken(format!("{what}: {why}")));
    if adopt_sender && !may_adopt {
        log.emit(LogLevel::Warn, "the stage asks to act as the signal's sender; its grant does not allow that", &[]);
    }
    Ok(StepResults {
        outputs: object("outputs", &outputs)?,
        context: object("context", &context)?,
        artifacts: artifacts.iter().map(|a| object("an artifact", a)).collect::<Result<_, _>>()?,
        message: clean(&message, MESSAGE_BYTES_MAX),
        adopt_sender: adopt_sender && may_adopt,
    })
}

fn failed(failure: Failure, may_adopt: bool, log: &mut LogSink) -> Result<StepFailure, Broken> {
    let Failure { code, message, retryable, retry_after_ms, blame, results: left, details: more } = failure;
    if !is_code(&code) {
        return broken(format!(
            "{:?} is not the code of a failure: small letters, digits and single hyphens",
            clean(&code, NAME_BYTES_MAX)
        ));
    }
    Ok(StepFailure {
        code,
        message: clean(&message, MESSAGE_BYTES_MAX),
        retryable,
        retry_after_ms: retry_after_ms.map(|ms| ms.min(POLL_MS_MAX)),
        blame: match blame {
            Blame::User => ports::Blame::User,
            Blame::Plugin => ports::Blame::Plugin,
            Blame::Target => ports::Blame::Target,
            Blame::Platform => ports::Blame::Platform,
        },
        results: left.map(|r| results(r, may_adopt, log)).transpose()?,
        details: details(more)?,
    })
}

fn is_code(code: &str) -> bool {
    let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    code.len() <= NAME_BYTES_MAX && code.split('-').all(part)
}

/// What may be watched, with where each watch begins. The rest is left to the poll, and the log says so.
async fn watches(wanted: &[Watched], session: &Session, log: &mut LogSink) -> Vec<(String, WatchSpec)> {
    let mut all: Vec<(String, WatchSpec)> = Vec::new();
    for (at, keys) in wanted_keys(wanted, session, log).await {
        for spec in keys.into_iter().flat_map(|key| session.watches.specs(&at, key)) {
            let known = all.iter().any(|(account, known)| *account == at && known.what == spec.what);
            if !known && all.len() < WATCHES_MAX {
                all.push((at.clone(), spec));
            }
        }
    }
    all
}

async fn wanted_keys(wanted: &[Watched], session: &Session, log: &mut LogSink) -> Vec<(String, Vec<WatchKey>)> {
    let mut keys = Vec::new();
    for watched in wanted.iter().take(WATCHES_MAX) {
        let (account, found) = match watched {
            Watched::Object((at, what)) => {
                let verbs = ["get", "rollout-status", "apply", "apply-many"];
                let found = session.gate().key(&verbs, Purpose::State, at, what).await;
                (&at.account, found.map(|(_, key)| vec![WatchKey::Object(key)]))
            }
            Watched::Selection((at, query)) => {
                let found = selection(session, &["list-objects", "rollout-status"], Purpose::State, at, query).await;
                (&at.account, found.map(|s| s.keys(query)))
            }
        };
        match found {
            Ok(found) => keys.push((account.clone(), found)),
            Err(error) => log.emit(LogLevel::Warn, &format!("not watched: {error:?}"), &[]),
        }
    }
    keys
}
