//! How often something is asked, and the pauses in between: they double, with jitter, and there is an end.

use app::ports::{Clock, Entropy};
use model::Millis;

/// Most calls for one thing asked.
pub(crate) const CALLS_MAX: u32 = 6;
/// The first pause between two calls; it doubles.
const PAUSE_MS: u64 = 25;
/// No pause is longer.
const PAUSE_MS_MAX: u64 = 1_000;
/// After this no further call is begun.
const TOTAL_MS_MAX: u64 = 20_000;

/// The patience for one thing asked.
pub(crate) struct Patience<'a> {
    clock: &'a dyn Clock,
    entropy: &'a dyn Entropy,
    begun: Millis,
    calls: u32,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(clock: &'a dyn Clock, entropy: &'a dyn Entropy) -> Self {
        Self { clock, entropy, begun: clock.now_ms(), calls: 0 }
    }

    /// Waits after a call that failed; false when there shall be no further one.
    pub(crate) async fn again(&mut self) -> bool {
        self.calls += 1;
        let now = self.clock.now_ms();
        if self.calls >= CALLS_MAX || now.saturating_sub(self.begun) >= TOTAL_MS_MAX {
            return false;
        }
        let longest = PAUSE_MS.saturating_mul(1 << self.calls.min(16)).min(PAUSE_MS_MAX);
        let pause = longest / 2 + self.entropy.number() % (longest / 2 + 1);
        self.clock.sleep_until(now.saturating_add(pause)).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Moving(Mutex<Vec<u64>>);

    #[async_trait]
    impl Clock for Moving {
        fn now_ms(&self) -> u64 {
            self.0.lock().unwrap().last().copied().unwrap_or_default()
        }

        async fn sleep_until(&self, at: u64) {
            self.0.lock().unwrap().push(at);
        }
    }

    struct Most;

    impl Entropy for Most {
        fn ulid(&self, _: u64) -> String {
            String::new()
        }

        fn token(&self) -> String {
            String::new()
        }

        fn number(&self) -> u64 {
            u64::MAX
        }
    }

    #[tokio::test]
    async fn pauses_double_and_end() {
        let clock = Moving::default();
        let mut patience = Patience::new(&clock, &Most);
        let mut again = 0;
        while patience.again().await {
            again += 1;
        }
        assert_eq!(again, CALLS_MAX - 1);
        let at = clock.0.lock().unwrap().clone();
        let pauses: Vec<u64> = std::iter::once(at[0]).chain(at.windows(2).map(|pair| pair[1] - pair[0])).collect();
        let most = [50, 100, 200, 400, 800];
        assert!(pauses.iter().zip(most).all(|(pause, most)| (most / 2..=most).contains(pause)), "{pauses:?}");
        clock.0.lock().unwrap().push(100_000);
        let mut late = Patience { begun: 1, ..Patience::new(&clock, &Most) };
        assert!(!late.again().await, "after too long there is no further one");
    }
}
