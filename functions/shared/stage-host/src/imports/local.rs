//! `log`, `context`, `expressions` and `artifacts.in-context`: answered from what the step was started with.

use super::begin;
use crate::bindings::waybill::stage::{artifacts, context, expressions, log, types};
use crate::state::StepState;
use crate::strict;
use crate::trace::Effect;
use app::ports::{LogLevel, Moment};

/// Longest JSON pointer.
const POINTER_BYTES_MAX: usize = 1_024;

impl types::Host for StepState {}

impl log::Host for StepState {
    async fn emit(&mut self, level: log::Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.log.emit(level, &message, &fields);
        Ok(())
    }
}

impl context::Host for StepState {
    async fn info(&mut self) -> wasmtime::Result<context::RunInfo> {
        let Some(session) = self.session.as_mut() else { return Ok(blank_info()) };
        // The same answer as long as the step is repeated: the deadline and the trace context may have moved since.
        let answer: Result<context::RunInfo, String> = (|| {
            let open = begin!(session, "context.info", Effect::Local, &());
            let info = &session.call.info;
            let answer = context::RunInfo {
                application: info.application.clone(),
                pipeline: info.pipeline.clone(),
                execution_id: info.execution_id.clone(),
                stage_id: info.stage_id.clone(),
                stage_type: info.stage_type.clone(),
                attempt: info.attempt,
                deadline_ms: info.deadline_ms,
                traceparent: info.traceparent.clone(),
            };
            session.end(open, Ok(answer), Vec::new())
        })()?;
        answer.map_err(|spent| crate::fault::Stop::Quota(spent).into())
    }

    async fn lookup(&mut self, pointer: String) -> wasmtime::Result<Result<Option<String>, String>> {
        let Some(session) = self.session.as_mut() else { return Ok(Err("not available here".into())) };
        let open = begin!(session, "context.lookup", Effect::Local, &pointer);
        let answer = if pointer.len() > POINTER_BYTES_MAX || !(pointer.is_empty() || pointer.starts_with('/')) {
            Err("it is not a JSON pointer".to_owned())
        } else {
            Ok(session.call.scope.lookup(&pointer).map(|value| value.to_string()))
        };
        Ok(session.end(open, answer, Vec::new())?)
    }
}

fn blank_info() -> context::RunInfo {
    context::RunInfo {
        application: String::new(),
        pipeline: String::new(),
        execution_id: String::new(),
        stage_id: String::new(),
        stage_type: String::new(),
        attempt: 0,
        deadline_ms: 0,
        traceparent: String::new(),
    }
}

impl expressions::Host for StepState {
    async fn evaluate(&mut self, template: String, locals: String) -> wasmtime::Result<Result<String, expressions::Error>> {
        let error = |position, reason: &str, message: String| expressions::Error { position, reason: reason.to_owned(), message };
        let Some(session) = self.session.as_mut() else {
            return Ok(Err(error(0, "denied", "expressions are not available here".into())));
        };
        let open = begin!(session, "expressions.evaluate", Effect::Local, &(&template, &locals));
        let moment = Moment { now_ms: session.call.now_ms, seed: session.call.seed.wrapping_add(u64::from(open.index)) };
        let answer = match strict::object_or_blank(&locals) {
            Err(why) => Err(error(0, "invalid-locals", format!("locals: {why}"))),
            Ok(locals) => match session.call.scope.evaluate(&template, &locals, moment) {
                Ok(value) => Ok(value.to_string()),
                Err((position, reason, message)) => Err(error(position, &reason, message)),
            },
        };
        Ok(session.end(open, answer, Vec::new())?)
    }
}

impl artifacts::Host for StepState {
    async fn in_context(&mut self) -> wasmtime::Result<Result<Vec<String>, artifacts::Error>> {
        let Some(session) = self.session.as_mut() else { return Ok(Err(denied())) };
        let open = begin!(session, "artifacts.in-context", Effect::Local, &());
        let answer = session.call.scope.artifacts().iter().map(ToString::to_string).collect();
        Ok(session.end(open, Ok(answer), Vec::new())?)
    }

    async fn fetch(&mut self, _artifact: String) -> wasmtime::Result<Result<artifacts::Info, artifacts::Error>> {
        Ok(Err(denied()))
    }

    async fn read(&mut self, _id: String, _offset: u64, _len: u32) -> wasmtime::Result<Result<Vec<u8>, artifacts::Error>> {
        Ok(Err(denied()))
    }

    async fn write(
        &mut self,
        _name: String,
        _media_type: String,
        _data: Vec<u8>,
    ) -> wasmtime::Result<Result<artifacts::Info, artifacts::Error>> {
        Ok(Err(denied()))
    }
}

fn denied() -> artifacts::Error {
    artifacts::Error::Denied(super::denied::NOT_YET.to_owned())
}
