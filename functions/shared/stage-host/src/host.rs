//! [`WasmHost`]: the `StageHost` that runs components.

use crate::engine::Ticker;
use crate::run::{self, Quiet};
use crate::seats::Seats;
use app::ports::{StageHost, StepCall, StepFault, StepReport};
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Components kept in memory when nothing else is said.
const KEPT_MAX: usize = 32;

/// Answers of `validate` that are kept; beyond that all are forgotten.
const VALIDATED_MAX: usize = 1_000;

/// What a host needs to know.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Where the precompiled components lie, as `<SHA-256>.cwasm`.
    pub components: PathBuf,
    /// How many are kept in memory.
    pub components_max: usize,
}

impl HostOptions {
    /// Components from this folder, everything else as usual.
    #[must_use]
    pub fn new(components: PathBuf) -> Self {
        Self { components, components_max: KEPT_MAX }
    }
}

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The engine's settings do not work on this machine.
    #[error("the engine for stage components cannot start: {0}")]
    Engine(String),
}

/// Runs steps of precompiled components. One a process is enough; steps run concurrently and share nothing.
pub struct WasmHost {
    pub(crate) seats: Seats,
    pub(crate) ticker: Ticker,
    validated: Validated,
}

/// Answers of `validate`, which is pure: the same component says the same of the same settings.
#[derive(Default)]
struct Validated(Mutex<HashMap<(String, [u8; 32]), Problems>>);

/// JSON pointer, message.
type Problems = Vec<(String, String)>;

impl Validated {
    fn key(cwasm_sha256: &str, params: &str) -> (String, [u8; 32]) {
        (cwasm_sha256.to_owned(), Sha256::digest(params).into())
    }

    fn get(&self, key: &(String, [u8; 32])) -> Option<Problems> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keep(&self, key: (String, [u8; 32]), problems: &Problems) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= VALIDATED_MAX {
            kept.clear();
        }
        kept.insert(key, problems.clone());
    }
}

impl WasmHost {
    /// Starts the engine and the thread that interrupts components. Reads no component yet.
    ///
    /// # Errors
    /// [`HostError::Engine`] when the settings do not work here.
    pub fn new(options: HostOptions) -> Result<Arc<Self>, HostError> {
        let seats = Seats::new(&options)?;
        let ticker = Ticker::start(seats.engines())?;
        Ok(Arc::new(Self { seats, ticker, validated: Validated::default() }))
    }

    /// Calls `lifecycle.describe` with every import denying, at a clock and with random bytes that follow from the seed: what
    /// depends on either shows when two seeds give two answers.
    ///
    /// # Errors
    /// As [`StageHost::step`].
    pub async fn describe(&self, cwasm_sha256: &str, seed: u64) -> Result<String, StepFault> {
        Box::pin(run::quiet(self, cwasm_sha256, seed, Quiet::Describe)).await.map(|(text, _)| text)
    }
}

#[async_trait]
impl StageHost for WasmHost {
    async fn step(&self, call: StepCall) -> Result<StepReport, StepFault> {
        Box::pin(run::step(self, call)).await
    }

    async fn validate(&self, cwasm_sha256: &str, params: &str) -> Result<Vec<(String, String)>, StepFault> {
        let key = Validated::key(cwasm_sha256, params);
        if let Some(problems) = self.validated.get(&key) {
            return Ok(problems);
        }
        let (_, problems) = Box::pin(run::quiet(self, cwasm_sha256, 0, Quiet::Validate(params))).await?;
        self.validated.keep(key, &problems);
        Ok(problems)
    }
}
