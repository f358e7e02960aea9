//! What the system says: CPU time of this process, and what everybody else used meanwhile.

use crate::figures::rounded;
use std::time::{Duration, Instant};

/// Ticks a second in `/proc`, the same on every Linux that this runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// CPU time that this process has used, user and system.
pub(crate) fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before it may hold spaces, and ends with a parenthesis.
    let fields = text.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>();
    Duration::from_secs_f64(ticks / TICKS_A_SECOND)
}

/// CPU time that the whole machine has used: all but idle and waiting.
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
    let ticks = fields.enumerate().filter(|(place, _)| !matches!(place, 3 | 4)).filter_map(|(_, field)| field.parse::<f64>().ok());
    Duration::from_secs_f64(ticks.sum::<f64>() / TICKS_A_SECOND)
}

/// The load average of the last minute.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

/// How busy the rest of the machine is from here on.
#[derive(Debug)]
pub(crate) struct Neighbours {
    since: Instant,
    busy: Duration,
    own: Duration,
}

impl Neighbours {
    pub(crate) fn watch() -> Self {
        Self { since: Instant::now(), busy: busy(), own: cpu() }
    }

    /// 100 is one core.
    pub(crate) fn percent_of_a_core(&self) -> f64 {
        let own = cpu().saturating_sub(self.own);
        let others = busy().saturating_sub(self.busy).saturating_sub(own);
        rounded(100.0 * others.as_secs_f64() / self.since.elapsed().as_secs_f64().max(f64::EPSILON))
    }
}
