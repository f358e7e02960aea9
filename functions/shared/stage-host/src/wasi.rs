//! WASI as a component gets it: a closed, deterministic world. No files, no sockets, no environment, no arguments; the clock
//! stands at the step's instant, random bytes come from the step's seed, waiting takes no time, and what it prints is kept
//! up to a limit.

use crate::state::StepState;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWrite;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult, subscribe};
use wasmtime_wasi::{Deterministic, HostMonotonicClock, HostWallClock, WasiCtx};

/// Most bytes of standard output and error together that are kept.
const STDIO_BYTES_MAX: usize = 64 << 10;
/// What a component may write at once.
const STDIO_PERMIT_BYTES: usize = 64 << 10;
/// Most random bytes of one call.
const RANDOM_BYTES_MAX: u64 = 64 << 10;
/// Random bytes before they repeat.
const RANDOM_PERIOD_BYTES: usize = 1_024;
/// The interface whose waiting is replaced, as `wasmtime-wasi` registers it.
const MONOTONIC_CLOCK: &str = "wasi:clocks/monotonic-clock@0.2.12";

/// What a component printed, up to the limit; the rest is dropped without an error, which would kill the component.
#[derive(Clone, Default)]
pub(crate) struct Stdio(Arc<Mutex<Vec<u8>>>);

impl Stdio {
    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = STDIO_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// Takes what was printed.
    pub(crate) fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last line that says something: a panic's message, usually.
    pub(crate) fn last_line(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        // Rust prints where it panicked, then the message, then a note about backtraces.
        let says = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
        text.lines().rev().find(says).unwrap_or_default().to_owned()
    }
}

impl IsTerminal for Stdio {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stdio {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Stdio {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl OutputStream for Stdio {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(STDIO_PERMIT_BYTES)
    }
}

impl AsyncWrite for Stdio {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct FixedWallClock(Duration);

impl HostWallClock for FixedWallClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

/// Nanoseconds a component believes to have waited; they pass only when it waits.
#[derive(Clone, Default)]
pub(crate) struct Waited(Arc<AtomicU64>);

impl HostMonotonicClock for Waited {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ready at once; being awaited moves the clock.
struct Until {
    instant: u64,
    clock: Waited,
}

#[async_trait::async_trait]
impl Pollable for Until {
    async fn ready(&mut self) {
        self.clock.0.fetch_max(self.instant, Ordering::Relaxed);
    }
}

/// The closed context of one step.
pub(crate) fn closed_context(now_ms: u64, seed: u64, stdio: &Stdio, waited: &Waited) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder
        .stdout(stdio.clone())
        .stderr(stdio.clone())
        .wall_clock(FixedWallClock(Duration::from_millis(now_ms)))
        .monotonic_clock(waited.clone())
        .secure_random(Deterministic::new(random_bytes(seed, "secure")))
        .insecure_random(Deterministic::new(random_bytes(seed, "insecure")))
        .insecure_random_seed(u128::from(seed))
        .max_random_size(RANDOM_BYTES_MAX)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    builder.build()
}

/// Bytes that follow from the seed, and from which the seed does not follow.
fn random_bytes(seed: u64, of: &str) -> Vec<u8> {
    let block = |n: usize| Sha256::new().chain_update(of).chain_update(seed.to_le_bytes()).chain_update(n.to_le_bytes()).finalize();
    (0..RANDOM_PERIOD_BYTES / 32).flat_map(block).collect()
}

/// Adds WASI to a linker, with waiting replaced by a clock that jumps: a component that wants time to pass returns `running`.
pub(crate) fn add_to_linker(linker: &mut Linker<StepState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    let mut clock = linker.instance(MONOTONIC_CLOCK)?;
    clock.func_wrap("subscribe-duration", |mut store, (duration,): (u64,)| {
        let state: &mut StepState = store.data_mut();
        let instant = state.waited.now().saturating_add(duration);
        Ok((until(state, instant)?,))
    })?;
    clock.func_wrap("subscribe-instant", |mut store, (instant,): (u64,)| Ok((until(store.data_mut(), instant)?,)))?;
    linker.allow_shadowing(false);
    Ok(())
}

fn until(state: &mut StepState, instant: u64) -> wasmtime::Result<Resource<DynPollable>> {
    let until = state.table.push(Until { instant, clock: state.waited.clone() })?;
    subscribe(&mut state.table, until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_kept_up_to_the_limit() {
        let stdio = Stdio::default();
        stdio.push(&vec![b'x'; STDIO_BYTES_MAX - 3]);
        stdio.push(b"\nabcdef");
        stdio.push(b"more");
        assert_eq!(stdio.last_line(), "ab");
        assert_eq!(stdio.take().len(), STDIO_BYTES_MAX);
        stdio.push(b"panicked at x\nthe message\nnote: run with\n\n");
        assert_eq!(stdio.last_line(), "the message");
    }

    #[test]
    fn random_bytes_follow_from_the_seed() {
        assert_eq!(random_bytes(7, "a"), random_bytes(7, "a"));
        assert_ne!(random_bytes(7, "a"), random_bytes(8, "a"));
        assert_ne!(random_bytes(7, "a"), random_bytes(7, "b"));
        assert_eq!(random_bytes(7, "a").len(), RANDOM_PERIOD_BYTES);
    }
}
