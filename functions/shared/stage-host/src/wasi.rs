//! WASI as a component gets it: a closed, deterministic world. No files, no sockets, no environment, no arguments; the clock
//! stands at the step's instant, random bytes come from the step's seed, waiting takes no time, and what it prints is kept
//! up to a limit.

use crate::state::StepState;
use bytes::Bytes;
use rand_core::TryRng;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWrite;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult, subscribe};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx};

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
        .secure_random(Seeded::new(seed, "secure"))
        .insecure_random(Seeded::new(seed, "insecure"))
        .insecure_random_seed(u128::from(seed))
        .max_random_size(RANDOM_BYTES_MAX)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    builder.build()
}

/// Bytes that follow from the seed, and from which the seed does not follow. Most components ask for none or a few, so they
/// are made when they are asked for.
struct Seeded {
    seed: u64,
    of: &'static str,
    /// The beginning of the period, as far as it was needed.
    made: Vec<u8>,
    /// The place of the next byte in the period.
    at: usize,
}

impl Seeded {
    fn new(seed: u64, of: &'static str) -> Self {
        Self { seed, of, made: Vec::new(), at: 0 }
    }

    fn next_byte(&mut self) -> u8 {
        while self.made.len() <= self.at {
            let block = (self.made.len() / Sha256::output_size()) as u64;
            let hash = Sha256::new().chain_update(self.of).chain_update(self.seed.to_le_bytes());
            self.made.extend_from_slice(&hash.chain_update(block.to_le_bytes()).finalize());
        }
        let byte = self.made.get(self.at).copied().unwrap_or_default();
        self.at = (self.at + 1) % RANDOM_PERIOD_BYTES;
        byte
    }

    fn next_bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next_byte())
    }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(self.next_bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(self.next_bytes()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| self.next_byte());
        Ok(())
    }
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

    fn random_bytes(seed: u64, of: &'static str, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        Seeded::new(seed, of).try_fill_bytes(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn random_bytes_follow_from_the_seed() {
        assert_eq!(random_bytes(7, "a", 100), random_bytes(7, "a", 100));
        assert_ne!(random_bytes(7, "a", 100), random_bytes(8, "a", 100));
        assert_ne!(random_bytes(7, "a", 100), random_bytes(7, "b", 100));
    }

    /// A step that is repeated after an update must see the bytes it saw before: these never change.
    #[test]
    fn random_bytes_stay_what_they_are() {
        let two = random_bytes(7, "secure", 2 * RANDOM_PERIOD_BYTES);
        assert_eq!(two[..RANDOM_PERIOD_BYTES], two[RANDOM_PERIOD_BYTES..], "they repeat");
        assert_eq!(
            hex::encode(Sha256::digest(&two[..RANDOM_PERIOD_BYTES])),
            "d288373370bbd71caf9d573bc8dbe77c63d99080511584280b5d28bd48bfb140"
        );
        let block = Sha256::new().chain_update("secure").chain_update(7_u64.to_le_bytes()).chain_update(1_u64.to_le_bytes()).finalize();
        assert_eq!(two[32..64], block[..]);
    }

    #[test]
    fn numbers_are_made_of_the_same_bytes() {
        let (bytes, mut random) = (random_bytes(7, "a", 12), Seeded::new(7, "a"));
        assert_eq!(random.try_next_u32().unwrap().to_be_bytes(), bytes[..4]);
        assert_eq!(random.try_next_u64().unwrap().to_be_bytes(), bytes[4..]);
        assert_eq!(random.made.len(), 32, "no more is made than is asked for");
    }
}
