//! The system's clock, which may be set forward or back at any time.

use app::ports::Clock;
use async_trait::async_trait;
use model::Millis;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest sleep before the time of day is looked at again, so that a jump of it is noticed.
const LOOK_AGAIN_MS: u64 = 30_000;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// What is left to sleep; none when the instant has come.
fn next_nap(now: Millis, at: Millis) -> Option<Duration> {
    if now >= at { None } else { Some(Duration::from_millis((at - now).min(LOOK_AGAIN_MS))) }
}

#[async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
    }

    async fn sleep_until(&self, at: Millis) {
        while let Some(nap) = next_nap(self.now_ms(), at) {
            tokio::time::sleep(nap).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nap_is_short_enough_to_notice_jumps() {
        assert_eq!(next_nap(5, 5), None);
        assert_eq!(next_nap(6, 5), None);
        assert_eq!(next_nap(5, 6), Some(Duration::from_millis(1)));
        assert_eq!(next_nap(0, Millis::MAX), Some(Duration::from_millis(LOOK_AGAIN_MS)));
    }

    #[tokio::test]
    async fn it_wakes_at_the_instant_and_not_before() {
        let at = SystemClock.now_ms() + 5;
        SystemClock.sleep_until(at).await;
        assert!(SystemClock.now_ms() >= at);
        SystemClock.sleep_until(0).await;
        assert!(at > 1_700_000_000_000, "milliseconds since 1970");
    }
}
