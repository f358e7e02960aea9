//! The types of the contract under short names, and the small constructors stages write over and over.

pub use crate::bindings::stage::waybill::stage::context::RunInfo;
pub use crate::bindings::stage::waybill::stage::types::{
    AwaitSignal, Blame, Checkpoint, Failure, Mode, ObjectRef, Outcome, Progress, Results, Running, Selector, Signal, StepInput, Suspended,
    Target, Wake, Watched, Yielded,
};

/// The code every built-in stage fails with when its time has run out.
pub const STAGE_TIMEOUT: &str = "stage-timeout";

/// How many stages one answer of `planning` may hold.
pub const PLANNED_MAX: usize = 32;

/// Which stages a planning stage is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Those that run before its own step.
    Before,
    /// Those that run after its own step went well.
    After,
    /// Those that run after it failed.
    OnFailure,
}

impl Failure {
    /// A failure that is final and leaves nothing behind.
    pub fn new(code: &str, blame: Blame, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), retryable: false, retry_after_ms: None, blame, results: None, details: None }
    }

    /// What the pipeline's author can put right.
    pub fn user(code: &str, message: impl Into<String>) -> Self {
        Self::new(code, Blame::User, message)
    }

    /// Another attempt at this step may succeed, not before the time given.
    #[must_use]
    pub fn retryable(mut self, after_ms: Option<u32>) -> Self {
        self.retryable = true;
        self.retry_after_ms = after_ms;
        self
    }

    /// What the stage leaves behind all the same.
    #[must_use]
    pub fn with_results(mut self, results: Results) -> Self {
        self.results = Some(results);
        self
    }

    /// JSON for people.
    #[must_use]
    pub fn with_details(mut self, details: &serde_json::Value) -> Self {
        self.details = Some(details.to_string());
        self
    }
}

impl Progress {
    /// One line, without percentage and details.
    pub fn message(message: impl Into<String>) -> Self {
        Self { message: message.into(), percent: None, details: None }
    }
}

impl Results {
    /// The same JSON object as outputs and as context, which is what Spinnaker's stages leave.
    pub fn of(values: &serde_json::Value, message: impl Into<String>) -> Self {
        let text = values.to_string();
        Self { outputs: text.clone(), context: text, artifacts: Vec::new(), message: message.into(), adopt_sender: false }
    }

    /// A message and nothing else.
    pub fn message(message: impl Into<String>) -> Self {
        Self::of(&serde_json::Value::Object(serde_json::Map::new()), message)
    }
}
