//! Randomness from the operating system, and a seeded one for tests.

use app::ports::Entropy;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Millis;
use std::sync::{Mutex, PoisonError};
use ulid::Ulid;

/// The operating system gives no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes: {0}")]
pub struct RandomnessError(String);

/// Randomness of the operating system. ULIDs of one process grow, even when the clock is set back.
#[derive(Debug)]
pub struct SystemEntropy {
    last: Mutex<Ulid>,
}

impl SystemEntropy {
    /// Asks the system once, so that a system without randomness is found at the start.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn new() -> Result<Self, RandomnessError> {
        getrandom::fill(&mut [0; 32]).map_err(|error| RandomnessError(error.to_string()))?;
        Ok(Self { last: Mutex::new(Ulid::nil()) })
    }
}

/// Random bytes. A system that gave some at the start and has none now cannot go on: guessable ids and tokens would be
/// worse than a restart.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "the operating system gives no random bytes any more");
        std::process::abort();
    }
    bytes
}

/// The next ULID: of this instant and random, or one more than the last when that would not be greater.
fn next_ulid(last: Ulid, now: Millis, random: u128) -> Ulid {
    if now > last.timestamp_ms() {
        return Ulid::from_parts(now, random);
    }
    // After 2^80 of one millisecond the next one begins.
    last.increment().unwrap_or_else(|_| Ulid::from_parts(last.timestamp_ms().saturating_add(1), random))
}

impl Entropy for SystemEntropy {
    fn ulid(&self, now: Millis) -> String {
        let random = u128::from_be_bytes(random());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = next_ulid(*last, now, random);
        last.to_string()
    }

    fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(random::<32>())
    }

    fn number(&self) -> u64 {
        u64::from_be_bytes(random())
    }
}

/// The same randomness for the same seed: for tests, and for nothing else.
#[derive(Debug)]
pub struct SeededEntropy {
    state: Mutex<(u64, Ulid)>,
}

impl SeededEntropy {
    /// Randomness that a seed determines.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Mutex::new((seed, Ulid::nil())) }
    }

    /// `SplitMix64`.
    fn step(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Entropy for SeededEntropy {
    fn ulid(&self, now: Millis) -> String {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let random = u128::from(Self::step(&mut state.0)) << 64 | u128::from(Self::step(&mut state.0));
        state.1 = next_ulid(state.1, now, random);
        state.1.to_string()
    }

    fn token(&self) -> String {
        let mut bytes = Vec::with_capacity(32);
        for _ in 0..4 {
            bytes.extend_from_slice(&self.number().to_be_bytes());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn number(&self) -> u64 {
        Self::step(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ulids_grow_whatever_the_clock_does() {
        let entropy = SystemEntropy::new().unwrap();
        let clock = [1_000, 1_000, 1_000, 999, 0, 1_001, 1_001, 5];
        let ids: Vec<String> = clock.into_iter().map(|now| entropy.ulid(now)).collect();
        assert!(ids.is_sorted() && ids.iter().collect::<HashSet<_>>().len() == clock.len(), "{ids:?}");
        assert!(ids.iter().all(|id| id.len() == 26));
        assert_eq!(Ulid::from_string(&ids[0]).unwrap().timestamp_ms(), 1_000);
    }

    #[test]
    fn a_full_millisecond_runs_over() {
        let full = Ulid::from_parts(7, u128::MAX);
        assert_eq!(next_ulid(full, 7, 3), Ulid::from_parts(8, 3));
    }

    #[test]
    fn tokens_are_long_and_differ() {
        let entropy = SystemEntropy::new().unwrap();
        let tokens: HashSet<String> = (0..100).map(|_| entropy.token()).collect();
        assert_eq!(tokens.len(), 100);
        assert!(tokens.iter().all(|token| token.len() == 43 && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))));
        assert_ne!(entropy.number(), entropy.number());
    }

    #[test]
    fn a_seed_determines_everything() {
        let run = |seed| {
            let entropy = SeededEntropy::new(seed);
            (entropy.ulid(5), entropy.ulid(5), entropy.token(), entropy.number())
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        assert!(run(1).0 < run(1).1);
    }
}
