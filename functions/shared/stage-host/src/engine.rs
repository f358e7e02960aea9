//! Engine settings, the same for the compiler and for the host, and the clock that interrupts components.
//!
//! Nothing here decides what a component may do; it decides what code may look like and when it is stopped.

use crate::host::HostError;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wasmtime::{Config, Engine, EngineWeak, WasmBacktraceDetails};

/// The wasmtime that both binaries are built with; a test holds it against the lock file.
pub const WASMTIME_VERSION: &str = "48.0.8";

/// What components are compiled for. Named, so that no feature of the compiling machine's processor slips in.
#[cfg(target_arch = "x86_64")]
pub const ENGINE_TARGET: &str = "x86_64-unknown-linux-gnu";
/// What components are compiled for. Named, so that no feature of the compiling machine's processor slips in.
#[cfg(target_arch = "aarch64")]
pub const ENGINE_TARGET: &str = "aarch64-unknown-linux-gnu";

/// How often the epoch rises while a step runs.
pub(crate) const TICK_MS: u64 = 10;
/// Stack of a component's own code.
const WASM_STACK_BYTES_MAX: usize = 1 << 20;
/// Stack of the fiber it runs on, host functions included.
const ASYNC_STACK_BYTES: usize = 2 << 20;
/// Enough frames to recognise a recursion.
const BACKTRACE_FRAMES_MAX: usize = 64;

/// The settings of every engine of this product, but for one: the compiler adds NaN canonicalisation, which a build without
/// Cranelift cannot even name and which is not part of a component's compatibility.
///
/// # Errors
/// [`HostError::Engine`] when this machine is none that components are compiled for.
pub fn engine_config() -> Result<Config, HostError> {
    let mut config = Config::new();
    config.target(ENGINE_TARGET).map_err(|e| HostError::Engine(e.to_string()))?;
    config.epoch_interruption(true);
    config.consume_fuel(false);
    config.wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX));
    // Said explicitly, because its default is an environment variable.
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.native_unwind_info(false);
    config.wasm_relaxed_simd(true);
    config.relaxed_simd_deterministic(true);
    // Threads, GC and asynchronous components are also not built into wasmtime; see the workspace's features.
    config.wasm_shared_everything_threads(false);
    config.wasm_memory64(false);
    config.wasm_multi_memory(false);
    config.wasm_wide_arithmetic(false);
    config.wasm_custom_page_sizes(false);
    config.wasm_component_model(true);
    config.max_wasm_stack(WASM_STACK_BYTES_MAX);
    config.async_stack_size(ASYNC_STACK_BYTES);
    Ok(config)
}

/// Names everything a compiled component depends on: the registry row keeps it, so that a change means "compile again".
#[must_use]
pub fn engine_fingerprint() -> String {
    format!(
        "wasmtime={WASMTIME_VERSION};target={ENGINE_TARGET};epoch=on;fuel=off;nan=canonical;relaxed-simd=deterministic;\
         threads=off;memory64=off;multi-memory=off;wide-arithmetic=off;async=off;gc=off;wasm-stack={WASM_STACK_BYTES_MAX}"
    )
}

/// Raises the epoch every [`TICK_MS`] while at least one step runs; asleep otherwise, so that an idle server costs nothing.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

struct Shared {
    running: Mutex<Running>,
    woken: Condvar,
}

struct Running {
    steps: usize,
    stop: bool,
    /// The thread waits to be woken; while it ticks it looks by itself.
    idle: bool,
}

/// Keeps the ticker awake.
pub(crate) struct Ticking(Arc<Shared>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Running> {
        // Two plain fields: no panic can leave them half written.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticker {
    pub(crate) fn start<'e>(engines: impl Iterator<Item = &'e Engine>) -> Result<Self, HostError> {
        let shared = Arc::new(Shared { running: Mutex::new(Running { steps: 0, stop: false, idle: false }), woken: Condvar::new() });
        let (of_thread, engines) = (Arc::clone(&shared), engines.map(Engine::weak).collect::<Vec<_>>());
        let spawned = std::thread::Builder::new().name("stage-epoch".into()).spawn(move || tick(&of_thread, &engines));
        spawned.map_err(|e| HostError::Engine(format!("no thread for the epoch: {e}")))?;
        Ok(Self { shared })
    }

    pub(crate) fn ticking(&self) -> Ticking {
        let mut running = self.shared.lock();
        running.steps += 1;
        if running.idle {
            self.shared.woken.notify_one();
        }
        drop(running);
        Ticking(Arc::clone(&self.shared))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.woken.notify_one();
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        let mut running = self.0.lock();
        running.steps = running.steps.saturating_sub(1);
    }
}

fn tick(shared: &Shared, engines: &[EngineWeak]) {
    loop {
        let woken = shared.woken.wait_while(shared.lock(), |running| {
            running.idle = running.steps == 0 && !running.stop;
            running.idle
        });
        let stop = woken.unwrap_or_else(PoisonError::into_inner).stop;
        if stop {
            return;
        }
        std::thread::sleep(Duration::from_millis(TICK_MS));
        for engine in engines.iter().filter_map(EngineWeak::upgrade) {
            engine.increment_epoch();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_in_the_fingerprint_is_the_one_that_is_linked() {
        let lock = include_str!("../../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME_VERSION}\"\n")));
        assert!(engine_fingerprint().contains(WASMTIME_VERSION));
    }

    #[test]
    fn an_engine_with_these_settings_starts_here() {
        Engine::new(&engine_config().unwrap()).unwrap();
    }
}
