//! What the imports of one step share: what the step was started with, its trace and its quotas.
//!
//! A call begins here (from the trace, out of quota, or live) and ends here; in between it belongs to its import.

use crate::bindings::waybill::stage::{artifacts, executions, http, kubernetes};
use crate::fault::Stop;
use crate::gate::Gate;
use crate::patience::Patient;
use crate::trace::{Begun, Effect, Open, Trace};
use crate::watches::{Seen, Watches};
use app::ports::{StepCall, StepMode, TraceEntry};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Calls beyond the quota that are answered with an error before the step is ended.
const REFUSED_CALLS_MAX: u32 = 16;

/// The answer of an import: it can be kept, and it can say that a quota is spent.
pub(crate) trait Answer: Serialize + DeserializeOwned {
    /// The answer when a quota is spent.
    fn quota(text: String) -> Self;
}

impl<T: Serialize + DeserializeOwned> Answer for Result<T, kubernetes::Error> {
    fn quota(text: String) -> Self {
        Err(kubernetes::Error::Quota(text))
    }
}

impl<T: Serialize + DeserializeOwned> Answer for Result<T, (T, kubernetes::Error)>
where
    T: Default,
{
    fn quota(text: String) -> Self {
        Err((T::default(), kubernetes::Error::Quota(text)))
    }
}

impl<T: Serialize + DeserializeOwned> Answer for Result<T, String> {
    fn quota(text: String) -> Self {
        Err(text)
    }
}

macro_rules! answers {
    ($($error:ty),*) => {$(
        impl<T: Serialize + DeserializeOwned> Answer for Result<T, $error> {
            fn quota(text: String) -> Self {
                Err(<$error>::Quota(text))
            }
        }
    )*};
}
answers!(artifacts::Error, executions::Error, http::Error);

impl<T: Serialize + DeserializeOwned> Answer for Result<T, crate::bindings::waybill::stage::expressions::Error> {
    fn quota(message: String) -> Self {
        Err(crate::bindings::waybill::stage::expressions::Error { position: 0, reason: "quota".into(), message })
    }
}

/// What the trace keeps of an answer.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    answer: T,
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    seen: Vec<Seen>,
}

/// How a call begins, for its import.
pub(crate) enum Begin<T> {
    /// There is nothing to do.
    Answered(T),
    /// Answer it, then call [`Session::end`].
    Live(Open),
}

/// What the imports of one step share.
pub(crate) struct Session {
    pub(crate) call: StepCall,
    pub(crate) watches: Watches,
    trace: Trace,
    calls: u32,
    refused: u32,
    bytes: u64,
    waiting_in: Option<&'static str>,
}

impl Session {
    pub(crate) fn new(mut call: StepCall) -> Self {
        call.cluster = Arc::new(Patient::new(call.cluster, call.limits.step_ms_max));
        let trace = Trace::new(Arc::clone(&call.journal));
        Self { call, watches: Watches::default(), trace, calls: 0, refused: 0, bytes: 0, waiting_in: None }
    }

    /// Decides what may be done.
    pub(crate) fn gate(&self) -> Gate<'_> {
        Gate { grant: &self.call.grant, accounts: &self.call.accounts, cluster: &*self.call.cluster }
    }

    /// Changes are only tried out.
    pub(crate) fn dry_run(&self) -> bool {
        self.call.mode == StepMode::Plan
    }

    /// What a change is as far as repeating it is concerned.
    pub(crate) fn write_effect(&self) -> Effect {
        if self.dry_run() { Effect::Read } else { Effect::Write }
    }

    /// The same of a change that is made once an attempt.
    pub(crate) fn once_effect(&self) -> Effect {
        if self.dry_run() { Effect::Read } else { Effect::Once }
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls
    }

    /// The import that has not answered yet.
    pub(crate) fn waiting_in(&self) -> Option<&'static str> {
        self.waiting_in
    }

    /// Begins a call; `request` is all its arguments.
    pub(crate) fn begin<T: Answer>(&mut self, call: &'static str, effect: Effect, request: &impl Serialize) -> Result<Begin<T>, Stop> {
        let request = serde_json::to_string(request).map_err(|e| Stop::Unavailable(e.to_string()))?;
        if let Some(spent) = self.spent(request.len()) {
            self.refused += 1;
            return if self.refused > REFUSED_CALLS_MAX { Err(Stop::Quota(spent)) } else { Ok(Begin::Answered(T::quota(spent))) };
        }
        self.calls += 1;
        match self.trace.begin(call, effect, &request)? {
            Begun::Live(open) => {
                self.waiting_in = Some(call);
                Ok(Begin::Live(open))
            }
            Begun::Recorded(value) => {
                self.bytes = self.bytes.saturating_add(value.to_string().len() as u64);
                let kept: Kept<T> = serde_json::from_value(value)
                    .map_err(|e| Stop::Nondeterministic(format!("the recorded answer of {call} cannot be read: {e}")))?;
                self.watches.observe(kept.seen);
                Ok(Begin::Answered(kept.answer))
            }
        }
    }

    /// Which quota is spent, if one is.
    fn spent(&mut self, request_bytes: usize) -> Option<String> {
        let limits = &self.call.limits;
        if self.calls >= limits.host_calls_max {
            return Some(format!("a step may make {} host calls", limits.host_calls_max));
        }
        self.bytes = self.bytes.saturating_add(request_bytes as u64);
        let bytes_max = limits.host_call_bytes_max;
        (self.bytes > bytes_max).then(|| format!("the host calls of a step may exchange {bytes_max} bytes"))
    }

    /// Must be called before the first change of a call is sent.
    pub(crate) async fn intend(&mut self, open: &Open) -> Result<(), Stop> {
        if open.effect.changes() { self.trace.intend(open).await } else { Ok(()) }
    }

    /// Must be called before every further change of the same call.
    pub(crate) fn still_current(&self) -> Result<(), Stop> {
        if self.dry_run() { Ok(()) } else { self.trace.still_current() }
    }

    /// Ends a call: keeps its answer and gives it back, or a refusal when it is more than the step may still take.
    pub(crate) fn end<T: Answer>(&mut self, open: Open, answer: T, seen: Vec<Seen>) -> Result<T, Stop> {
        self.waiting_in = None;
        let unkept = |e: serde_json::Error| Stop::Unavailable(e.to_string());
        let mut kept = Kept { answer, seen };
        let mut value = serde_json::to_value(&kept).map_err(unkept)?;
        let bytes = self.bytes.saturating_add(value.to_string().len() as u64);
        let bytes_max = self.call.limits.host_call_bytes_max;
        // What was changed is changed: its answer is delivered all the same.
        if bytes > bytes_max && !open.effect.changes() {
            let text = format!("the host calls of a step may exchange {bytes_max} bytes, and this answer is more");
            kept = Kept { answer: T::quota(text), seen: Vec::new() };
            value = serde_json::to_value(&kept).map_err(unkept)?;
        } else {
            self.bytes = bytes;
        }
        self.trace.done(open, value);
        self.watches.observe(kept.seen);
        Ok(kept.answer)
    }

    /// The trace that is not durable yet.
    pub(crate) fn finish(&mut self) -> Result<Vec<TraceEntry>, Stop> {
        self.trace.finish()
    }
}
