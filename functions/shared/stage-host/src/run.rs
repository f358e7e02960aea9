//! One call of one export: a fresh store and instance, within time and memory, dropped afterwards.

use crate::bindings::exports::waybill::stage::lifecycle;
use crate::bindings::waybill::stage::types::{Failure, Outcome, StepInput};
use crate::engine::TICK_MS;
use crate::fault::{self, TIMEOUT};
use crate::host::WasmHost;
use crate::input::step_input;
use crate::library::Loaded;
use crate::log::clean;
use crate::outcome;
use crate::plan;
use crate::session::Session;
use crate::state::StepState;
use app::ports::{Export, StepCall, StepFault, StepReport};
use model::component::{Part, StepLimits};
use std::time::{Duration, Instant};
use wasmtime::{Engine, Store, UpdateDeadline};

/// What a component may hand over in one call of an import, and at its end.
const HOSTCALL_BYTES_MAX: usize = 4 << 20;
/// Resources a component may hold at one time.
const HANDLES_MAX: usize = 1_000;
/// Limits of `describe` and `validate`: little time, and the memory that the largest languages need to start.
const DESCRIBE_MS_MAX: u64 = 5_000;
const VALIDATE_MS_MAX: u64 = 2_000;
const QUIET_MEMORY_BYTES_MAX: u64 = 256 << 20;
/// Most findings of `validate`.
const FINDINGS_MAX: usize = 200;
/// Longest finding.
const FINDING_BYTES_MAX: usize = 2_000;
/// Longest manifest.
const DESCRIPTION_BYTES_MAX: usize = 1 << 20;

/// An export that may ask for nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Quiet<'p> {
    Describe,
    Validate(&'p str),
}

fn store(engine: &Engine, limits: &StepLimits, state: StepState) -> Store<StepState> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
    store.set_max_component_handles(HANDLES_MAX);
    store.set_epoch_deadline(1);
    let until = Instant::now() + Duration::from_millis(limits.step_ms_max);
    // Each tick it lets others run, so that it can also be dropped while it computes; at its deadline it is stopped.
    store.epoch_deadline_callback(move |_| Ok(if Instant::now() >= until { UpdateDeadline::Interrupt } else { UpdateDeadline::Yield(1) }));
    store
}

/// Awaits a call within the step's time, and says what its failure means.
async fn within<T>(
    host: &WasmHost,
    store: &mut Store<StepState>,
    call: impl AsyncFnOnce(&mut Store<StepState>) -> wasmtime::Result<T>,
) -> Result<T, StepFault> {
    let time = Duration::from_millis(store.data().step_ms_max.saturating_add(2 * TICK_MS));
    let ticking = host.ticker.ticking();
    let ended = tokio::time::timeout(time, call(store)).await;
    drop(ticking);
    match ended {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(fault::of_error(&error, store.data_mut())),
        Err(_) => {
            let text = store.data().timeout_text();
            Err(fault::plugin(TIMEOUT, text, store.data_mut().drain_log()))
        }
    }
}

async fn instantiate(loaded: &Loaded, store: &mut Store<StepState>) -> wasmtime::Result<(wasmtime::component::Instance, lifecycle::Guest)> {
    let instance = loaded.pre.instantiate_async(&mut *store).await?;
    store.data_mut().limiter.instantiated();
    let guest = loaded.lifecycle.load(&mut *store, &instance)?;
    Ok((instance, guest))
}

/// Makes a step.
pub(crate) async fn step(host: &WasmHost, call: StepCall) -> Result<StepReport, StepFault> {
    if !call.journal.is_current() {
        return Err(StepFault::Fenced);
    }
    let seat = host.seats.take(&call.cwasm_sha256).await?;
    exported(&seat.loaded, &call.export)?;
    let (input, limits, export) = (step_input(&call), call.limits, call.export.clone());
    let state = StepState::new(&limits, call.now_ms, call.seed, Some(Session::new(call)));
    let mut store = store(seat.engine, &limits, state);
    let answer = within(host, &mut store, async |store| called(&seat.loaded, store, &input, &export).await).await;
    let answer = answer.map_err(|fault| if matches!(export, Export::Plan(_)) { plan::refused(fault) } else { fault })?;
    let state = store.into_data();
    // The instance is gone.
    drop(seat);
    report(state, answer).await
}

/// Whether the component has the export at all.
fn exported(loaded: &Loaded, export: &Export) -> Result<(), StepFault> {
    let missing = match export {
        Export::Step => return Ok(()),
        Export::Cancel(_) => loaded.compensation.is_none().then_some("compensation"),
        Export::Plan(_) => loaded.planning.is_none().then_some("planning"),
    };
    missing.map_or(Ok(()), |name| Err(StepFault::Component(format!("it does not export waybill:stage/{name}"))))
}

async fn called(loaded: &Loaded, store: &mut Store<StepState>, input: &StepInput, export: &Export) -> wasmtime::Result<Answer> {
    let (instance, guest) = instantiate(loaded, store).await?;
    match (export, &loaded.compensation, &loaded.planning) {
        (Export::Cancel(reason), Some(indices), _) => {
            let guest = indices.load(&mut *store, &instance)?;
            guest.call_cancel(&mut *store, input, reason).await.map(Answer::Outcome)
        }
        (Export::Plan(part), _, Some(indices)) => {
            let guest = indices.load(&mut *store, &instance)?;
            let answer = match part {
                Part::Before => guest.call_before(&mut *store, input).await,
                Part::After => guest.call_after(&mut *store, input).await,
                Part::OnFailure => guest.call_on_failure(&mut *store, input).await,
            };
            answer.map(Answer::Plan)
        }
        (Export::Step | Export::Cancel(_) | Export::Plan(_), _, _) => guest.call_step(&mut *store, input).await.map(Answer::Outcome),
    }
}

/// What an export answered.
enum Answer {
    /// Of `step` and `cancel`.
    Outcome(Result<Outcome, Failure>),
    /// Of `planning`.
    Plan(Result<Vec<String>, Failure>),
}

async fn report(mut state: StepState, answer: Answer) -> Result<StepReport, StepFault> {
    let Some(mut session) = state.session.take() else { return Err(StepFault::Unavailable("the step lost its session".into())) };
    let trace = match session.finish() {
        Ok(trace) => trace,
        Err(stop) => return Err(fault::of_error(&stop.into(), &mut state)),
    };
    let ended = match answer {
        Answer::Outcome(answer) => outcome::ending(answer, &session, &mut state.log).await,
        Answer::Plan(Ok(stages)) => plan::planned(&stages, &session),
        Answer::Plan(Err(failure)) => outcome::ending(Err(failure), &session, &mut state.log).await,
    };
    let ending = match ended {
        Ok(ending) => ending,
        Err((code, text)) => return Err(fault::plugin(code, text, state.drain_log())),
    };
    let (log, log_dropped) = state.finish_log();
    let outcome::Ending { end, checkpoint, progress } = ending;
    Ok(StepReport { end, checkpoint, progress, log, log_dropped, trace, host_calls: session.calls() })
}

/// Calls an export with every import denying: a text for `describe`, findings for `validate`.
pub(crate) async fn quiet(
    host: &WasmHost,
    cwasm_sha256: &str,
    seed: u64,
    what: Quiet<'_>,
) -> Result<(String, Vec<(String, String)>), StepFault> {
    let seat = host.seats.take(cwasm_sha256).await?;
    let step_ms_max = match what {
        Quiet::Describe => DESCRIBE_MS_MAX,
        Quiet::Validate(_) => VALIDATE_MS_MAX,
    };
    let limits = StepLimits { step_ms_max, memory_bytes_max: QUIET_MEMORY_BYTES_MAX, ..StepLimits::default() };
    let mut store = store(seat.engine, &limits, StepState::new(&limits, seed, seed, None));
    within(host, &mut store, async |store| {
        let (_, guest) = instantiate(&seat.loaded, store).await?;
        match what {
            Quiet::Describe => guest.call_describe(&mut *store).await.map(|text| (text, Vec::new())),
            Quiet::Validate(params) => {
                let found = guest.call_validate(&mut *store, params).await?;
                Ok((String::new(), found.err().unwrap_or_default()))
            }
        }
    })
    .await
    .and_then(|answer| quiet_answer(answer, store.data_mut()))
}

fn quiet_answer(
    (text, findings): (String, Vec<(String, String)>),
    state: &mut StepState,
) -> Result<(String, Vec<(String, String)>), StepFault> {
    if text.len() > DESCRIPTION_BYTES_MAX {
        let why = format!("a manifest has at most {DESCRIPTION_BYTES_MAX} bytes");
        return Err(fault::plugin(fault::OUTPUT_TOO_LARGE, why, state.drain_log()));
    }
    let cleaned = |(pointer, message): (String, String)| (clean(&pointer, FINDING_BYTES_MAX), clean(&message, FINDING_BYTES_MAX));
    Ok((text, findings.into_iter().take(FINDINGS_MAX).map(cleaned).collect()))
}
