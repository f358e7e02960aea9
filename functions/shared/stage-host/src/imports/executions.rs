//! The `executions` interface: other pipelines' runs, with the rights of this execution.
//!
//! The grant and the arguments are checked here, before anything leaves the host; who may do what with which pipeline is
//! decided on the other side. A plan starts nothing and ends nothing.

use super::begin;
use crate::bindings::waybill::stage::executions::{Error, Host};
use crate::log::clean;
use crate::session::Session;
use crate::state::StepState;
use crate::strict;
use crate::trace::Effect;
use app::ports::ExecutionsError;
use model::id::{AppName, ExecutionId, TITLE_BYTES_MAX};
use model::status::Status;
use serde_json::Value;

/// Longest trigger body: parameters, and all artifacts that the stage sees.
const TRIGGER_BYTES_MAX: usize = 1 << 20;
/// Most fields of one question.
const FIELDS_MAX: usize = 32;
/// Longest name of a field.
const FIELD_BYTES_MAX: usize = 128;
/// Most statuses of one question.
const STATUSES_MAX: usize = 16;
/// Longest reason to cancel; what is beyond is cut off.
const REASON_BYTES_MAX: usize = 1_024;
/// Longest text of an error.
const ERROR_BYTES_MAX: usize = 2_000;

type Answered<T> = wasmtime::Result<Result<T, Error>>;

fn no_session() -> Error {
    Error::Denied("other executions are not available here".into())
}

impl Host for StepState {
    async fn start(&mut self, application: String, pipeline: String, trigger: String) -> Answered<String> {
        let Some(session) = self.session.as_mut() else { return Ok(Err(no_session())) };
        let open = begin!(session, "executions.start", session.once_effect(), &(&application, &pipeline, &trigger));
        let answer = match may_change(session, "start").and_then(|()| startable(&application, &pipeline, &trigger)) {
            Ok(trigger) => {
                session.intend(&open).await?;
                session.call.executions.start(&application, &pipeline, &trigger).await.map_err(of_port)
            }
            Err(error) => Err(error),
        };
        Ok(session.end(open, answer, Vec::new())?)
    }

    async fn get(&mut self, id: String, fields: Vec<String>) -> Answered<String> {
        let Some(session) = self.session.as_mut() else { return Ok(Err(no_session())) };
        let open = begin!(session, "executions.get", Effect::Read, &(&id, &fields));
        let answer = match session.gate().executions("get").and_then(|()| readable(&id, &fields)) {
            Ok(()) => session.call.executions.get(&id, &fields).await.map(|value| value.to_string()).map_err(of_port),
            Err(error) => Err(error),
        };
        Ok(session.end(open, answer, Vec::new())?)
    }

    async fn newest(&mut self, application: String, pipeline: String, statuses: Vec<String>) -> Answered<Option<String>> {
        let Some(session) = self.session.as_mut() else { return Ok(Err(no_session())) };
        let open = begin!(session, "executions.newest", Effect::Read, &(&application, &pipeline, &statuses));
        let answer = match session.gate().executions("newest").and_then(|()| findable(&application, &pipeline, &statuses)) {
            Ok(()) => session.call.executions.newest(&application, &pipeline, &statuses).await.map_err(of_port),
            Err(error) => Err(error),
        };
        Ok(session.end(open, answer, Vec::new())?)
    }

    async fn cancel(&mut self, id: String, reason: String) -> Answered<()> {
        let Some(session) = self.session.as_mut() else { return Ok(Err(no_session())) };
        let open = begin!(session, "executions.cancel", session.once_effect(), &(&id, &reason));
        let answer = match may_change(session, "cancel").and_then(|()| execution(&id)) {
            Ok(()) => {
                session.intend(&open).await?;
                session.call.executions.cancel(&id, &clean(&reason, REASON_BYTES_MAX)).await.map_err(of_port)
            }
            Err(error) => Err(error),
        };
        Ok(session.end(open, answer, Vec::new())?)
    }
}

fn may_change(session: &Session, verb: &str) -> Result<(), Error> {
    session.gate().executions(verb)?;
    if session.dry_run() {
        return Err(Error::Denied(format!("in a plan no execution is started or ended: {verb} is always denied")));
    }
    Ok(())
}

fn refused<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::Refused(text.into()))
}

/// The trigger, when all three make sense.
fn startable(application: &str, pipeline: &str, trigger: &str) -> Result<Value, Error> {
    place(application, pipeline)?;
    if trigger.len() > TRIGGER_BYTES_MAX {
        return refused(format!("a trigger has at most {TRIGGER_BYTES_MAX} bytes, not {}", trigger.len()));
    }
    strict::object_or_blank(trigger).or_else(|why| refused(format!("the trigger: {}", clean(&why, ERROR_BYTES_MAX))))
}

fn place(application: &str, pipeline: &str) -> Result<(), Error> {
    AppName::parse(application).map_err(|e| Error::Refused(e.to_string()))?;
    // An id or a name.
    if pipeline.trim().is_empty() || pipeline.len() > TITLE_BYTES_MAX || pipeline.chars().any(char::is_control) {
        return refused(format!("a pipeline is named by 1 to {TITLE_BYTES_MAX} bytes without control characters"));
    }
    Ok(())
}

fn execution(id: &str) -> Result<(), Error> {
    ExecutionId::parse(id).map(|_| ()).map_err(|e| Error::Refused(e.to_string()))
}

fn readable(id: &str, fields: &[String]) -> Result<(), Error> {
    execution(id)?;
    let plain = |f: &String| {
        !f.is_empty() && f.len() <= FIELD_BYTES_MAX && f.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    if fields.len() > FIELDS_MAX || !fields.iter().all(plain) {
        return refused(format!(
            "at most {FIELDS_MAX} fields, each of 1 to {FIELD_BYTES_MAX} letters, digits, dots, dashes or underscores"
        ));
    }
    Ok(())
}

fn findable(application: &str, pipeline: &str, statuses: &[String]) -> Result<(), Error> {
    place(application, pipeline)?;
    if statuses.len() > STATUSES_MAX {
        return refused(format!("at most {STATUSES_MAX} statuses"));
    }
    let unknown = statuses.iter().find(|s| serde_json::from_value::<Status>(Value::from(s.as_str())).is_err());
    unknown.map_or(Ok(()), |s| refused(format!("{:?} is not a status", clean(s, FIELD_BYTES_MAX))))
}

fn of_port(error: ExecutionsError) -> Error {
    let text = |t: String| clean(&t, ERROR_BYTES_MAX);
    match error {
        ExecutionsError::Denied(t) => Error::Denied(text(t)),
        ExecutionsError::NotFound => Error::NotFound,
        ExecutionsError::Refused(t) => Error::Refused(text(t)),
        ExecutionsError::Quota(t) => Error::Quota(text(t)),
        ExecutionsError::Unavailable(t) => Error::Unavailable(text(t)),
    }
}
