//! What a store holds: WASI, limits, log, and the session of the step. Lives as long as the step and no longer.

use crate::limits::Limiter;
use crate::log::LogSink;
use crate::session::Session;
use crate::wasi::{Stdio, Waited, closed_context};
use app::ports::{LogLevel, LogLine};
use model::component::StepLimits;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// Most streams, pollables and the like at one time.
const RESOURCES_MAX: usize = 1_000;

/// What a store holds.
pub(crate) struct StepState {
    wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) waited: Waited,
    pub(crate) stdio: Stdio,
    pub(crate) limiter: Limiter,
    pub(crate) log: LogSink,
    /// None where every import denies: `describe` and `validate`.
    pub(crate) session: Option<Session>,
    pub(crate) step_ms_max: u64,
}

impl StepState {
    pub(crate) fn new(limits: &StepLimits, now_ms: u64, seed: u64, session: Option<Session>) -> Self {
        let (stdio, waited) = (Stdio::default(), Waited::default());
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        Self {
            wasi: closed_context(now_ms, seed, &stdio, &waited),
            table,
            waited,
            stdio,
            limiter: Limiter::new(limits),
            log: LogSink::new(limits),
            session,
            step_ms_max: limits.step_ms_max,
        }
    }

    /// Why a step that was stopped by the clock was still running.
    pub(crate) fn timeout_text(&self) -> String {
        let waiting = self.session.as_ref().and_then(Session::waiting_in);
        let what = waiting.map_or_else(|| "it was computing".to_owned(), |call| format!("it was waiting for {call}"));
        format!("the step took longer than {} ms; {what}", self.step_ms_max)
    }

    /// The log so far, with what was printed at its end.
    pub(crate) fn finish_log(&mut self) -> (Vec<LogLine>, u32) {
        let printed = self.stdio.take();
        let stream = [("stream".to_owned(), "stdio".to_owned())];
        for line in printed.lines().filter(|l| !l.trim().is_empty()) {
            self.log.emit(LogLevel::Debug, line, &stream);
        }
        self.log.drain()
    }

    /// The log so far.
    pub(crate) fn drain_log(&mut self) -> Vec<LogLine> {
        self.finish_log().0
    }
}

impl WasiView for StepState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
